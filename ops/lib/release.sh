# shellcheck shell=bash
# deactivate: the only way back, and a person's act. Check, remove both flags, wait until the enforcer
# has ended and the path watches again, then start units one by one. Whatever goes wrong after the
# flags are gone sets the latch again.

RELEASE_POLL=50        # ms
RELEASE_ARM_LIMIT=5000 # ms for the enforcer to end and the path to watch again

# release REASON YES WHICH: WHICH is running, all or none. Exit code 0, 6, or 4 when it failed and what it had
# started cannot be stopped.
release() {
    local reason=$1 yes=$2 which=$3
    trap 'release_refused_by_signal' INT TERM HUP QUIT
    # A reader that went away, or Ctrl-Z, may not leave a release standing half-way.
    trap '' PIPE TSTP
    ready_lock && ready_disk || return "$EXIT_RELEASE_FAILED"
    if ! latch_is_set && [[ ! -e $RUNNING_FILE ]]; then
        tell 'ESS STATUS: INACTIVE'
        tell 'The latch is not set: nothing to release.'
        return 0
    fi
    request_none_waits || return "$EXIT_RELEASE_FAILED"
    latch_asked
    RELEASE_ASKED=$LATCH_ASKED
    config_for_trip
    config_order_known
    [[ -z $CONFIG_NOTE ]] || complain "configuration not usable: $CONFIG_NOTE"
    ready_watched && ready_contained && release_choose "$which" && release_permission "$reason" "$yes" && ready_outlast ||
        return "$EXIT_RELEASE_FAILED"
    operator_name
    enforce_content
    ACTIVATION=${LATCH[id]:-}
    journal 5 "=== ESS DEACTIVATION INITIATED === ($OPERATOR: $RELEASE_REASON)" EVENT=release-begun
    release_tell begun
    trap 'release_interrupted' INT TERM HUP QUIT
    release_flags && release_wait_armed && release_start && release_done
}

# release_choose WHICH: into RELEASE_SET what will be started, decided before anything is removed.
release_choose() {
    local unit
    RELEASE_SET=()
    case $1 in
        none) return 0 ;;
        all) release_choose_all ;;
        running)
            release_await_list
            if [[ ! -r $RUNNING_FILE ]]; then
                release_unknown
                return 1
            fi
            while read -r unit; do
                [[ $unit != unknown ]] || { release_unknown && return 1; }
                [[ -z $unit ]] || RELEASE_SET+=("$unit")
            done <"$RUNNING_FILE"
            ;;
    esac
}

# The enforcer asks systemd what ran while it stops it; a release in the same second waits for that.
release_await_list() {
    local tries=0
    while [[ ! -r $RUNNING_FILE ]] && ((tries++ < 40)); do pause "$RELEASE_POLL"; done
}

release_unknown() {
    complain 'release refused: it is not known what was running when the latch fell; the latch is still set' \
        'Say which: deactivate --all starts every trading unit, deactivate --no-start starts none.'
}

# A pattern stands for the units systemd knows at this moment.
release_choose_all() {
    local unit name rest
    for unit in "${START_ORDER[@]}"; do
        if ! name_is_pattern "$unit"; then
            RELEASE_SET+=("$unit")
            continue
        fi
        while read -r name rest; do
            [[ -n $name ]] && RELEASE_SET+=("$name")
        done < <(sd_ask list-units --all --plain --no-legend --full -- "$unit")
    done
}

# release_permission REASON YES: on a terminal a person confirms and gives a reason.
release_permission() {
    local answer
    RELEASE_REASON=${1:-}
    if [[ -t 0 && -t 1 ]]; then
        if [[ -z $2 ]]; then
            release_explain
            printf 'Type "release" to resume trading: '
            read -r answer || answer=
            [[ $answer == release ]] || { complain 'not released: you did not type "release"; the latch is still set' && return 1; }
        fi
        if [[ -z $RELEASE_REASON && -z $2 ]]; then
            printf 'Reason: '
            read -r RELEASE_REASON || RELEASE_REASON=
        fi
    fi
    if [[ -z $RELEASE_REASON && ${CONFIG[QT_ESS_REQUIRE_REASON]:-no} == yes ]]; then
        complain 'release refused: a reason is required (QT_ESS_REQUIRE_REASON=yes); the latch is still set' 'Add: --reason "why it is safe to trade again"'
        return 1
    fi
    clean "${RELEASE_REASON:-not given}"
    RELEASE_REASON=$CLEAN
}

release_explain() {
    tell "${RED}ESS STATUS: ACTIVE${PLAIN}"
    latch_tell
    restart_order
    release_tell_units 'This releases the latch and starts, in this order:' "${RESTART_ORDER[@]}"
}

# release_tell_units HEAD UNIT...
release_tell_units() {
    if (($# == 1)); then tell "$1 nothing."; else
        tell "$1"
        printf '  %s\n' "${@:2}"
    fi
}

# release_flags: the marker keeps the enforcer from putting back what we remove. The list of what ran stays until
# the release is through: a list without a latch is how the sentry knows one that was cut short.
release_flags() {
    [[ -e $RUNNING_FILE ]] || snapshot_write $'unknown\n' 2>/dev/null
    # Since we have looked, before this was written down.
    latch_asked
    if [[ $LATCH_ASKED != "$RELEASE_ASKED" ]]; then
        release_stopped
        return
    fi
    if unlatch; then
        release_still_clear
        return
    fi
    rm -f -- "$RELEASING"
    latch_set "$CONTENT"
    complain "release failed: cannot remove $RUN_FLAG and $VAR_FLAG; the latch is still set" 'Is the disk read-only? Mend it, then deactivate again.'
    return "$EXIT_RELEASE_FAILED"
}

# release_wait_armed: the enforcer has ended and the path unit watches again.
release_wait_armed() {
    local limit
    clock_ms
    limit=$((NOW_MS + RELEASE_ARM_LIMIT))
    until release_armed; do
        release_still_clear || return
        clock_ms
        if ((NOW_MS >= limit)); then
            release_again "$UNIT_PREFIX.path does not watch again: trading would run unprotected"
            return
        fi
        pause $RELEASE_POLL
    done
    # The enforcer's last copy may have come before its end.
    release_still_clear || return
    rm -f -- "$RELEASING"
}

release_armed() {
    # As long as the enforcer lives nobody has to be asked.
    ! cgroup_populated "$CG_ROOT/system.slice/$UNIT_PREFIX-trigger.service" || return 1
    # While the reader of requests ends, their watch would miss some names.
    sd_show 'ActiveState SubState' "$UNIT_PREFIX-trigger.service" "$UNIT_PREFIX.path" "$UNIT_PREFIX-request-names.path" &&
        [[ ${UNIT_PROP["$UNIT_PREFIX-request-names.path.SubState"]:-} != running &&
            ${UNIT_PROP["$UNIT_PREFIX-trigger.service.ActiveState"]:-} == @(inactive|failed) &&
            ${UNIT_PROP["$UNIT_PREFIX.path.SubState"]:-} == waiting ]]
}

# release_still_clear: false, and trading is down again, when somebody else has set the latch meanwhile.
release_still_clear() {
    unlatch_gone && ! request_waits && return 0
    release_stopped
}

release_stopped() {
    journal 1 '=== ESS DEACTIVATION ABORTED: the latch was set again ===' EVENT=release-failed
    release_tell failed 'the latch was set again'
    complain 'release stopped: somebody or something has set the latch again'
    release_stop
}

# release_again WHY [UNIT]: the release failed after the flags were gone, for this unit; set the latch again and say why.
# What does not come up because somebody else has stopped it is no failure of its own.
release_again() {
    release_still_clear && release_fail "$@"
}

release_fail() {
    journal 1 "=== ESS DEACTIVATION FAILED: $1; latching again ===" EVENT=release-failed
    release_tell failed "$1"
    latch_content release "$1" 1 "$OPERATOR"
    complain "release failed: $1; latching again" "${2:+Look at: journalctl -u $2}"
    release_stop
}

# release_stop: latch, and see that what was started is down again, by our own hand if need be.
release_stop() {
    local already=''
    trap '' INT TERM HUP QUIT
    SYSTEMD_TIMEOUT=1
    stopper_begin
    ! latch_is_set || already=1
    latch_set "$CONTENT"
    rm -f -- "$RELEASING"
    activate_say_latch "$already"
    activate_contain 1 || return "$EXIT_NOT_CONTAINED"
    return "$EXIT_RELEASE_FAILED"
}

# release_tell HOW [WHY]: HOW is begun, finished or failed.
release_tell() {
    spool_event "release-$1" "$ACTIVATION" "operator=$OPERATOR" "reason=$RELEASE_REASON" "units=${RELEASE_SET[*]}" ${2:+"why=$2"}
}

release_refused_by_signal() {
    rm -f -- "$RELEASING"
    printf '\n' >&2
    complain 'not released: interrupted; nothing was changed'
    exit "$EXIT_RELEASE_FAILED"
}

release_interrupted() {
    # A trap runs inside "IFS= read", too, with that IFS.
    local IFS=$' \t\n'
    trap '' INT TERM HUP QUIT
    printf '\n' >&2
    release_fail 'the release was interrupted'
    # Without a number, exit in a trap gives the code of what the signal interrupted.
    exit "$?"
}

release_done() {
    trap '' INT TERM HUP QUIT
    rm -f -- "$RUNNING_FILE"
    journal 5 "=== ESS DEACTIVATED === ($OPERATOR: $RELEASE_REASON)" EVENT=release-finished
    release_tell finished
    tell "${BOLD}ESS STATUS: INACTIVE${PLAIN}"
    release_tell_units 'Released. Started:' "${RELEASE_STARTED[@]}"
    tell 'Next: see that the stop is armed:'
    tell "  $0 status"
}
