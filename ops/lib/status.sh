# shellcheck shell=bash
# status, measured: the flags, the control groups, and what systemd itself says about being armed.

# What is asked of systemd: see status_check_watch and watching_line, status_judge_trading, and strays_find.
STATUS_OF_WATCHER='ActiveState SubState LoadState UnitFileState InactiveExitTimestampMonotonic'
STATUS_OF_GATES='DropInPaths RuntimeDirectory NeedDaemonReload InvocationID'
STATUS_OF_TRADING='ExecStart MainPID ControlPID'
STATUS_AGAIN="sudo $ESS_LIB/ops/install.sh --configure" # what writes units and gates anew

# status QUIET: 0 clear and armed, or latched and contained; 4 not contained; 5 disarmed; with QUIET
# 7 instead of 0 when latched.
status() {
    local code=0
    disk_answers
    latch_state
    config_for_trip
    if [[ $LATCH_STATE == clear ]]; then
        status_findings
        status_check_strays
        ((${#FINDINGS[@]} == 0)) || code=$EXIT_NOT_ARMED
        [[ -n $1 ]] || status_show_clear
    else
        status_contained || code=$EXIT_NOT_CONTAINED
        status_ask "$STATUS_OF_TRADING"
        strays_find "$STATUS_ASKED"
        ((${#STRAYS[@]} == 0)) || code=$EXIT_NOT_CONTAINED
        [[ -n $1 ]] || status_show_latched
        [[ -z $1 || $code != 0 ]] || code=$EXIT_LATCHED
    fi
    return "$code"
}

# status_contained: true when no trading process lives or is about to. Into SURVIVORS and COMING those that do.
status_contained() {
    local tries=0
    contain_begin 1
    CONTAIN_DEADLINE=$NOW_NEVER
    # A systemd that does not answer starts nothing.
    sd_coming "${TRADING[@]}"
    contain_look
    # An enforcer that has only just begun does not know yet what left its control group.
    while [[ -z $ESCAPED_BY ]] && ((tries++ < 20)); do
        pause 50
        contain_look
    done
    ((${#SURVIVORS[@]} + ${#COMING[@]} == 0))
}

status_show_latched() {
    tell "${RED}ESS STATUS: ACTIVE${PLAIN}"
    [[ $LATCH_STATE != unknown ]] || tell 'The state of the latch could not be read; it is treated as active.'
    if ((${#SURVIVORS[@]} + ${#COMING[@]} + ${#STRAYS[@]})); then
        status_show_not_contained
    else
        tell "${GREEN}CONTAINED: no trading process is alive.${PLAIN}"
        [[ $STRAYS_WHY != systemd ]] || tell 'systemd does not answer; this was read from the kernel.'
        tell 'Next: find out what happened. To resume trading:'
        tell "  sudo $0 deactivate"
    fi
    ((${#STRAYS_DARK[@]} == 0)) || say_words '' '  ' "Not known: what pid ${STRAYS_DARK[*]} runs; the kernel does not tell."
    tell ''
    latch_tell
    status_show_watcher
}

# status_show_watcher: only where it is switched on, and not well. The colour apart: it would count as words.
status_show_watcher() {
    watching_line "$STATUS_ASKED"
    [[ -z $WATCHING ]] || { printf '%s' "$WATCHING_TONE" && say_words 'Watcher: ' '         ' "$WATCHING" && printf '%s' "$PLAIN"; }
}

status_show_not_contained() {
    local unit stray
    tell "${RED}NOT CONTAINED: trading is not (known to be) down.${PLAIN}"
    for unit in "${SURVIVORS[@]}"; do
        contain_pids "$unit"
        say_words '  ALIVE    ' '           ' "$unit  pids ${PIDS[*]:0:10}"
    done
    for stray in "${STRAYS[@]}"; do
        unit=${stray#* }
        say_words '  ALIVE    ' '           ' "${unit%% *}  pids ${stray%% *}  outside it"
    done
    for unit in "${COMING[@]}"; do tell "  QUEUED   $unit  (starting or stopping)"; done
    if ((${#STRAYS[@]})); then
        tell 'Next: end what runs outside its unit; nothing else does that:'
        say_words '  ' '  ' "sudo kill -KILL $STRAYS_PIDS"
        ((${#SURVIVORS[@]} + ${#COMING[@]} == 0)) || tell "Then: sudo $0 activate"
    else
        tell "Next: sudo $0 activate"
    fi
    tell 'If that does not end them: cut this host off the network or power it off.'
}

status_show_clear() {
    local finding many="${#FINDINGS[@]} reasons"
    tell "${BOLD}ESS STATUS: INACTIVE${PLAIN}"
    if ((${#FINDINGS[@]})); then
        [[ $many != '1 reasons' ]] || many='1 reason'
        tell "${RED}DISARMED: $many; a stop may not work.${PLAIN}"
        tell 'Next: mend what is listed here. To stop trading now:'
        tell "  sudo $0 activate"
        status_show_watcher
        for finding in "${FINDINGS[@]}"; do say_words '  - ' '    ' "$finding"; done
    else
        tell "${GREEN}ARMED: trading may run, and the stop is ready.${PLAIN}"
        tell 'To stop trading now:'
        tell "  sudo $0 activate"
        status_show_watcher
    fi
}

# status_findings: into FINDINGS every reason why the stop, or the next one, may not work; reads LATCH_STATE. What
# systemd does not answer is a finding: unknown is never armed.
status_findings() {
    FINDINGS=()
    [[ -z $CONFIG_NOTE ]] || FINDINGS+=("configuration: $CONFIG_NOTE; mend: correct it, then: $STATUS_AGAIN")
    status_check_files
    status_check_dirs
    status_check_release
    status_check_drill
    if status_ask_units; then
        status_check_watch
        status_check_halt
        status_judge_trading
    else
        FINDINGS+=('systemd does not answer: nothing is known about the watch; mend: see RUNBOOK.md, "systemd is broken"'
            'systemd does not answer: nothing is known about the gates')
    fi
}

# status_ask PROPERTIES [OUR-UNIT...]: as sd_show, in one question about the trading units, the watcher and these of our
# own; into UNITS_SEEN the trading units alone, into STATUS_ASKED answered or deaf.
status_ask() {
    local unit properties="$1 $STATUS_OF_WATCHER"
    local -a ours=("${@:2}" ${WATCH_UNIT:+"$WATCH_UNIT"}) seen=()
    STATUS_ASKED=deaf
    sd_show "$properties" "${TRADING[@]}" "${ours[@]}" || return 1
    STATUS_ASKED=answered
    for unit in "${UNITS_SEEN[@]}"; do
        name_in "$unit" "${ours[@]}" || seen+=("$unit")
    done
    UNITS_SEEN=("${seen[@]}")
}

# status_ask_units: what status_check_watch, status_check_halt and status_judge_trading judge.
status_ask_units() {
    status_ask "Conflicts $STATUS_OF_GATES $STATUS_OF_TRADING" "$UNIT_PREFIX.path" "$UNIT_PREFIX-halt.path" \
        "$UNIT_PREFIX-disk.path" "$UNIT_PREFIX-request.path" "$UNIT_PREFIX-request-names.path" \
        "$UNIT_PREFIX-trigger.service" "$UNIT_PREFIX-request.service" "$UNIT_PREFIX-halt.target" "$UNIT_PREFIX-sentry.timer"
}

status_check_watch() {
    local unit
    for unit in "$UNIT_PREFIX.path" "$UNIT_PREFIX-disk.path" "$UNIT_PREFIX-request.path" "$UNIT_PREFIX-request-names.path" \
        "$UNIT_PREFIX-sentry.timer"; do
        [[ ${UNIT_PROP["$unit.ActiveState"]:-} == active && ${UNIT_PROP["$unit.SubState"]:-} == @(waiting|running) ]] ||
            FINDINGS+=("$unit is ${UNIT_PROP["$unit.LoadState"]:-unknown}/${UNIT_PROP["$unit.ActiveState"]:-unknown}; mend: sudo systemctl restart $unit")
        [[ ${UNIT_PROP["$unit.UnitFileState"]:-} == enabled ]] ||
            FINDINGS+=("$unit is not enabled and will be missing after a boot; mend: sudo systemctl enable $unit")
    done
    for unit in "$UNIT_PREFIX-trigger.service" "$UNIT_PREFIX-request.service" "$UNIT_PREFIX-halt.path" "$UNIT_PREFIX-halt.target"; do
        [[ ${UNIT_PROP["$unit.LoadState"]:-} == loaded ]] ||
            FINDINGS+=("$unit is ${UNIT_PROP["$unit.LoadState"]:-unknown}; mend: $STATUS_AGAIN")
    done
}

# status_check_halt: the halt target stops every configured unit.
status_check_halt() {
    local unit
    for unit in "${TRADING[@]}"; do
        name_is_pattern "$unit" && continue
        [[ " ${UNIT_PROP["$UNIT_PREFIX-halt.target.Conflicts"]:-} " == *" $unit "* ]] ||
            FINDINGS+=("$UNIT_PREFIX-halt.target does not stop $unit; mend: $STATUS_AGAIN")
    done
}

# status_check_trading: as status_judge_trading, and asks.
status_check_trading() {
    status_ask "$STATUS_OF_GATES $STATUS_OF_TRADING" ||
        { FINDINGS+=('systemd does not answer: nothing is known about the gates') && return 0; }
    status_judge_trading
}

# status_judge_trading: every trading unit is known and carries the gate as the file that systemd loaded.
status_judge_trading() {
    local unit
    for unit in "${TRADING[@]}"; do
        name_is_pattern "$unit" || name_in "$unit" "${UNITS_SEEN[@]}" || FINDINGS+=("$unit: systemd says nothing about it")
    done
    for unit in "${UNITS_SEEN[@]}"; do
        if [[ ${UNIT_PROP["$unit.LoadState"]} != loaded ]]; then
            FINDINGS+=("$unit is ${UNIT_PROP["$unit.LoadState"]} for systemd; mend: correct QT_ESS_TRADING_UNITS")
            continue
        fi
        status_check_gate "$unit" "${UNIT_PROP["$unit.DropInPaths"]:-}"
        [[ " ${UNIT_PROP["$unit.RuntimeDirectory"]:-} " != *' quantum '* ]] ||
            FINDINGS+=("$unit has RuntimeDirectory=quantum, which deletes the flag when it stops; mend: another name there")
        [[ ${UNIT_PROP["$unit.NeedDaemonReload"]:-no} != yes ]] ||
            FINDINGS+=("$unit changed on disk since systemd read it; mend: sudo systemctl daemon-reload")
    done
    status_check_escaped
}

# status_check_escaped: nothing of a trading unit runs where the stop has to hunt for it. Reads UNIT_PROP of them.
status_check_escaped() {
    local line
    escaped_find
    answer_lines "$ESCAPED_LIST"
    for line in "${ANSWER_LINES[@]}"; do
        FINDINGS+=("a process of ${line##* } left its control group: pid ${line%% *}; mend: start it with User=, not su or systemd-run")
    done
}

# status_check_strays: no program of a trading unit runs where no stop comes. Not a part of status_findings: the sentry
# judges every minute, and a process that does not tell what it runs would keep it from ending.
status_check_strays() {
    local stray pid rest
    strays_find "$STATUS_ASKED" || [[ $STRAYS_WHY == systemd ]] ||
        FINDINGS+=("$STRAYS_WHY: it is not known whether trading runs outside its units; mend: look again as root")
    for stray in "${STRAYS[@]:0:5}"; do
        pid=${stray%% *} rest=${stray#* }
        clean "${rest#* }"
        FINDINGS+=("${rest%% *}: its program also runs outside it: pid $pid in $CLEAN; mend: sudo kill $pid")
    done
    for pid in "${STRAYS_DARK[@]}"; do
        FINDINGS+=("/proc: pid $pid does not tell what it runs, which may be trading; mend: end it, or reboot")
    done
}

# status_check_gate UNIT DROP-INS: the gate is loaded, and is the last word: a drop-in that is read after
# it could empty the asserts.
status_check_gate() {
    if [[ $2 != *"$ESS_UNIT_DIR"/*"/$ESS_GATE"* ]]; then
        FINDINGS+=("$1 has no gate; mend: $STATUS_AGAIN")
    elif [[ $2 != *"/$ESS_GATE" ]]; then
        FINDINGS+=("$1: ${2##* } is read after the gate and may undo it; mend: rename it to sort before zz-")
    fi
}

# Any edited file of ours, gates included, is not what was drilled.
status_check_files() {
    local line
    if [[ ! -r $ESS_MANIFEST ]]; then
        FINDINGS+=("$ESS_MANIFEST is missing; mend: install again from the checkout: sudo ops/install.sh")
        return 0
    fi
    answer_within 5 sha256sum --quiet -c "$ESS_MANIFEST"
    (($? <= 1)) || FINDINGS+=('the installed files could not be read in time; mend: look at the disk, then look again')
    answer_lines "$ANSWERED"
    for line in "${ANSWER_LINES[@]}"; do
        [[ $line != *': FAILED'* ]] || FINDINGS+=("${line%%:*} is missing or was edited; mend: install again from the checkout: sudo ops/install.sh")
    done
    [[ ! -e $ESS_CONF ]] || config_same "$ESS_CONF" "$ESS_INSTALLED" ||
        FINDINGS+=("$ESS_CONF changed since the last install; mend: $STATUS_AGAIN")
}

status_check_dirs() {
    local dir
    answer_within 2 stat -c '%u:%g %a %F %n %U:%G' -- "$RUN_DIR" "$STATE_DIR" "$RUNTIME_DIR" "$REQUEST_DIR"
    ANSWERED=$'\n'$ANSWERED
    for dir in "$RUN_DIR" "$STATE_DIR" "$RUNTIME_DIR"; do
        [[ $ANSWERED == *$'\n'"0:0 755 directory $dir "* ]] ||
            FINDINGS+=("$dir is not a directory of root:root, mode 0755; mend: sudo systemd-tmpfiles --create /etc/tmpfiles.d/quantum-ess.conf")
    done
    [[ $ANSWERED == *$'\n0:'+([0-9])" 1730 directory $REQUEST_DIR root:$REQUEST_GROUP"$'\n'* ]] ||
        FINDINGS+=("$REQUEST_DIR is not a directory of root:$REQUEST_GROUP, mode 1730; mend: sudo systemd-tmpfiles --create /etc/tmpfiles.d/quantum-ess.conf")
}

# status_check_release: a list of what ran outlives the latch only while a release is at work.
status_check_release() {
    [[ ${LATCH_STATE:-clear} == clear && -e $RUNNING_FILE ]] && flock -n "$RELEASE_LOCK" true 2>/dev/null || return 0
    FINDINGS+=('a release ended half-way, and the sentry will latch again; mend: ess_controller.sh deactivate')
}

# status_read_drill: into DRILL_EPOCH (s), DRILL_RESULT and DRILL_CHANNELS (slack:yes email-1:no), the last drill;
# empty when there was none.
status_read_drill() {
    local key value
    DRILL_EPOCH='' DRILL_RESULT='' DRILL_CHANNELS=''
    while IFS='=' read -r key value; do
        case $key in
            epoch) DRILL_EPOCH=$value ;;
            result) DRILL_RESULT=$value ;;
            channels) DRILL_CHANNELS=$value ;;
        esac
    done 2>/dev/null <"$DRILL_FILE"
    [[ $DRILL_EPOCH =~ ^[0-9]{1,12}$ ]] || DRILL_EPOCH=''
}

status_check_drill() {
    status_read_drill
    config_milli "${CONFIG[QT_ESS_DRILL_MAX_AGE]:-8}"
    if [[ -z $DRILL_EPOCH ]]; then
        FINDINGS+=('no drill was ever run here; mend: sudo ess drill')
    elif [[ $DRILL_RESULT != PASS ]]; then
        FINDINGS+=('the last drill FAILED; see: journalctl -u quantum-ess-drill, then: sudo ess drill')
    elif ((EPOCHSECONDS - DRILL_EPOCH > MILLI * 864 / 10 || DRILL_EPOCH - EPOCHSECONDS > 86400)); then
        FINDINGS+=("the last drill is $(((EPOCHSECONDS - DRILL_EPOCH) / 86400)) days old; mend: sudo ess drill")
    fi
}
