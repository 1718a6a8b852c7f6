# shellcheck shell=bash
# activate: set the latch, then watch until trading is proved dead. The enforcer does the killing; if
# PID 1 does not bring it up we walk the same ladder ourselves.

ACTIVATE_LIMIT=5000   # ms to be contained in before we answer "no"
ACTIVATE_PATIENCE=300 # ms for the enforcer to show up
ACTIVATE_OVERDUE=400  # ms after the grace by which the enforcer must have killed
ACTIVATE_ASKS=        # set: not root, and so no hand of ours in the stop (see ask.sh)
ACTIVATE_LATE=        # set: the latch was on before

# activate SOURCE REASON CATEGORY: exit code 0 when contained, 4 when not.
activate() {
    local already=''
    stopper_begin
    # Not the flag on disk, which may hang, before the other one is set.
    ! latch_there "$RUN_FLAG" || already=1
    if ! room_left; then
        latch_at_once "$@"
        config_for_trip
        contain_now
    fi
    operator_name
    latch_content "$1" "${2:-not given}" "$3" "$OPERATOR"
    latch_set "$CONTENT"
    activate_say_latch "$already$LATCH_WAS"
    activate_contain "$3"
}

# activate_contain CATEGORY: with the latch set, bring the enforcer up and watch until trading is proved dead.
activate_contain() {
    # Not the target itself: on a busy host this may come after a release, and would stop trading without a latch.
    [[ -n $ACTIVATE_ASKS ]] ||
        { unlocked sd start --no-block "$UNIT_PREFIX-trigger.service" "$UNIT_PREFIX-halt.path"; } </dev/null >/dev/null 2>&1 &
    config_for_trip
    [[ -z $CONFIG_NOTE ]] || complain "configuration not usable: $CONFIG_NOTE" 'The stop goes on. Afterwards: ess doctor'
    contain_begin "${1:-$STOP_CATEGORY}"
    CONTAIN_KILL_FROM=$CONTAIN_DEADLINE
    CONTAIN_DEADLINE=$NOW_NEVER
    activate_wait
}

# activate_say_latch ALREADY
activate_say_latch() {
    ACTIVATE_LATE=$1
    if [[ -n $LATCH_FAILED ]] && ! latch_is_set; then
        complain "NOT LATCHED: neither flag could be written ($LATCH_FAILED). Stopping trading all the same." \
            'It can come back: power the host off, or free the disks and activate again.'
    elif [[ -n $LATCH_FAILED ]]; then
        complain "could not write $LATCH_FAILED; the other flag holds the latch" \
            'After a reboot it may be gone: mend the disk, then activate again.'
    fi
    [[ -z $LATCH_FAILED ]] || latch_is_set || return 0
    tell "${RED}ESS STATUS: ACTIVE${PLAIN}"
    if [[ -n $1 ]]; then tell 'The latch was set already. Seeing that trading is down:'; else
        tell 'The latch is set. Stopping trading:'
    fi
}

# activate_enforcer_lives: true when the enforcer's control group has a process. What it wrote about itself may
# be old, and its pid somebody else's.
activate_enforcer_lives() {
    cgroup_populated "$CG_ROOT/system.slice/$UNIT_PREFIX-trigger.service"
}

activate_wait() {
    local alone='' contained=''
    while :; do
        # A release that was under way may take away what we have just set; whoever stops wins.
        latch_is_set || activate_hold
        contain_look
        activate_show_down
        ((${#SURVIVORS[@]})) || ! activate_known || ! activate_quiet || contained=1
        [[ -z $contained ]] || break
        ((NOW_MS - CONTAIN_BEGAN < ACTIVATE_LIMIT)) || break
        if [[ -z $alone$ACTIVATE_ASKS ]] && activate_must_act; then
            alone=$MUST_ACT
            activate_alone "$alone"
        fi
        pause "$CONTAIN_POLL"
    done
    activate_verdict "$contained" "$alone"
}

activate_hold() {
    if [[ -n $ACTIVATE_ASKS ]]; then ask_drop; else latch_set "$CONTENT"; fi
}

# activate_must_act: true, with the reason in MUST_ACT, when the enforcer does not show up, or when
# something still lives after its kill is due.
activate_must_act() {
    ((NOW_MS - CONTAIN_BEGAN > ACTIVATE_PATIENCE)) || return 1
    MUST_ACT='the enforcer does not run'
    activate_enforcer_lives || return 0
    MUST_ACT='trading outlives the kill'
    ((NOW_MS > CONTAIN_KILL_FROM + ACTIVATE_OVERDUE))
}

# activate_known: it was asked what lives outside the control groups, or nobody is there to ask.
activate_known() {
    [[ -n $ESCAPED_BY ]] || ((NOW_MS - CONTAIN_BEGAN > ACTIVATE_PATIENCE))
}

# activate_quiet: no trading unit may have a process in a moment. A PID 1 that does not answer starts nothing,
# and the gate stands when it wakes up.
activate_quiet() {
    local SYSTEMD_TIMEOUT=0.5
    sd_coming "${TRADING[@]}" || { ACTIVATE_DEAF=1 && return 0; }
    ((${#COMING[@]} == 0))
}

# activate_alone WHY: walk the ladder here.
activate_alone() {
    local unit
    complain "$1: stopping trading through the kernel"
    journal 1 "=== ESS ACTIVATION: $1; stopping trading through the kernel ==="
    { unlocked contain_ask; } </dev/null >/dev/null 2>&1 &
    for unit in "${SURVIVORS[@]}"; do cgroup_signal TERM "${CGROUPS[$unit]}"; done
    CONTAIN_DEADLINE=$CONTAIN_KILL_FROM
}

activate_show_down() {
    local unit ms
    for unit in "${!CONTAIN_SEEN[@]}"; do
        [[ -z ${DOWN_MS[$unit]:-} ]] || continue
        name_in "$unit" "${SURVIVORS[@]}" && continue
        ms=$((NOW_MS - CONTAIN_BEGAN))
        # shellcheck disable=SC2004 # an associative array
        DOWN_MS[$unit]=$ms
        tell "  down   $unit  ($ms ms)"
    done
}

# activate_verdict CONTAINED ALONE
activate_verdict() {
    local unit after='' ms=$((NOW_MS - CONTAIN_BEGAN))
    if [[ -n $ACTIVATE_DEAF ]]; then
        if [[ -n $2 ]]; then tell 'systemd does not answer: killed through the kernel.'; else
            tell 'systemd does not answer: this was read from the kernel.'
        fi
    fi
    if [[ -z $1 ]]; then
        activate_show_not_contained "$ms"
        return "$EXIT_NOT_CONTAINED"
    fi
    # What PID 1 had ended before our first look.
    for unit in "${TRADING[@]}"; do
        name_is_pattern "$unit" || [[ -n ${DOWN_MS[$unit]:-} ]] || tell "  down   $unit"
    done
    activate_outside || return "$EXIT_NOT_CONTAINED"
    # When it fell, who came later does not know.
    [[ -n $ACTIVATE_LATE ]] || after=" (seen $ms ms after the latch)"
    tell "CONTAINED: no trading process is alive$after."
    latch_is_set || return "$EXIT_NOT_CONTAINED"
    tell 'Next: find out what happened. To resume trading:'
    tell "  sudo $0 deactivate"
}

# activate_outside: false, and said, when a trading program runs that no unit started: no stop reaches it.
activate_outside() {
    local stray rest
    # A child in a full process table would have to wait.
    [[ -z $ACTIVATE_DEAF ]] && room_left || return 0
    strays_find
    ((${#STRAYS_DARK[@]} == 0)) || say_words '' '  ' "Not known: what pid ${STRAYS_DARK[*]} runs; the kernel does not tell."
    ((${#STRAYS[@]})) || return 0
    tell "${RED}NOT CONTAINED: trading runs outside its units.${PLAIN}"
    for stray in "${STRAYS[@]:0:10}"; do
        rest=${stray#* }
        clean "${rest#* }"
        say_words '  ALIVE  ' '         ' "${rest%% *}  pid ${stray%% *} in $CLEAN"
    done
    say_words '' '  ' "Next: end it by hand; nothing else does: sudo kill -KILL $STRAYS_PIDS"
    tell "Then: $0 status"
    [[ -n $ACTIVATE_ASKS ]] || journal 1 'activation: NOT CONTAINED: a trading program runs outside its unit'
    return 1
}

activate_show_not_contained() {
    local unit
    tell "${RED}NOT CONTAINED after $1 ms:${PLAIN}"
    for unit in "${SURVIVORS[@]}"; do
        contain_pids "$unit"
        say_words '  ALIVE  ' '         ' "$unit  pids ${PIDS[*]:0:10}"
    done
    ((${#SURVIVORS[@]})) || tell '  systemd still has a job of a trading unit to do'
    tell 'Next: cut this host off the network or power it off. Then:'
    tell "  $0 status"
}
ACTIVATE_DEAF=
