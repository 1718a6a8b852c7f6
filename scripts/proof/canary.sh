# shellcheck shell=bash
# The drill on the canary: the real watch, enforcer, gate and release, under other names and with other
# flags. Trading goes on meanwhile.

CANARY=quantum-ess-canary.service
CANARY_LIMIT=2000 # ms from the flag to the last process
CANARY_WATCH=(quantum-ess-canary.path quantum-ess-canary-disk.path quantum-ess-canary-request.path)
CANARY_FIRST=quantum-ess-canary-halt.path
CANARY_TRIGGER=quantum-ess-canary-trigger.service
CANARY_READER=quantum-ess-canary-request.service

prove_canary() {
    local latch
    local -A bots=() watchers=()
    real_latch
    latch=$REAL_LATCH
    PROOF_CLEANUP=canary_left
    heading 'The emergency stop of this host'
    armed_claims
    identity_take bots "${TRADING[@]}"
    identity_take watchers "${MONITORS[@]}"
    heading 'Drill on the canary; trading is not touched'
    paths_use_scope canary
    canary_claims
    canary_release_claims
    watcher_claims
    claim 'the drill leaves nothing behind' canary_reset
    paths_use_scope main
    heading 'Trading and monitoring during the drill'
    UNTESTABLE=
    claim 'trading units kept their processes' identity_kept bots 'trading unit'
    claim 'monitoring units kept their processes' identity_kept watchers 'monitoring unit'
    claim 'the real latch is as it was' real_latch_kept "$latch"
    # Nothing of the canary is left over while others are waited for.
    canary_left
    PROOF_CLEANUP=:
    aftermath_claims
}

canary_claims() {
    claim_or_stop 'what an earlier drill left is gone' canary_reset
    claim_or_stop 'the canary has a watch of its own, no way to trading' canary_apart
    claim_or_stop 'the canary runs and its flag is watched' canary_up
    claim_or_stop 'touch of its flag kills it, SIGTERM ignored, within 2 s' canary_touch
    claim 'the enforcer reports it contained' canary_contained
    claim 'systemctl start is refused, loudly' start_refused "$CANARY"
    claim 'it does not come back by itself (Restart=always)' canary_stays_dead 1000
    claim 'a flag deleted from /run is put back' canary_flag_back "$RUN_FLAG"
    claim 'a flag deleted from /var is put back' canary_flag_back "$VAR_FLAG"
    claim 'the enforcer comes back from SIGKILL, the gate stands' canary_enforcer_killed
}

canary_release_claims() {
    claim_or_stop 'deactivate brings the canary back, watched' canary_released
    claim 'a request in its directory stops it' canary_request
    claim_or_stop 'deactivate brings it back once more' canary_released
    claim_or_stop 'ess_controller.sh activate stops it' canary_activate
    claim 'ess_controller.sh status: ACTIVE, CONTAINED' canary_status
    claim 'deactivate --no-start releases and starts nothing' canary_released_dead
}

# canary_apart: before its flag is touched, for that must not stop trading.
canary_apart() {
    local start reader
    SEEN='systemd does not answer'
    sd_show 'LoadState Triggers Conflicts ExecStart DropInPaths' "${CANARY_WATCH[@]}" "$CANARY_FIRST" "$CANARY_TRIGGER" \
        "$CANARY_READER" quantum-ess-canary-halt.target "$CANARY" || return 1
    start=${UNIT_PROP["$CANARY_TRIGGER.ExecStart"]:-}
    reader=${UNIT_PROP["$CANARY_READER.ExecStart"]:-}
    canary_is quantum-ess-canary.path Triggers "$CANARY_TRIGGER" &&
        canary_is quantum-ess-canary-disk.path Triggers "$CANARY_TRIGGER" &&
        canary_is quantum-ess-canary-request.path Triggers "$CANARY_READER" &&
        canary_is "$CANARY_FIRST" Triggers quantum-ess-canary-halt.target &&
        canary_is quantum-ess-canary-halt.target Conflicts "$CANARY" || return 1
    SEEN="$CANARY_TRIGGER runs: ${start:-nothing}"
    [[ $start == *" $CONTROLLER enforce --scope canary ;"* ]] || return 1
    SEEN="$CANARY_READER runs: ${reader:-nothing}"
    [[ $reader == *" $CONTROLLER request --scope canary ;"* ]] || return 1
}

# canary_is UNIT PROPERTY VALUE
canary_is() {
    SEEN="$1 has $2=${UNIT_PROP["$1.$2"]:-} (${UNIT_PROP["$1.LoadState"]:-unknown}), not $3"
    [[ ${UNIT_PROP["$1.$2"]:-} == "$3" ]]
}

canary_up() {
    [[ -d $REQUEST_DIR ]] || mkdir -m 0700 -- "$REQUEST_DIR"
    bounded 10 systemctl --no-ask-password start "${CANARY_WATCH[@]}" "$CANARY" || { seen_out "$?" && return 1; }
    SEEN='the watch or the canary did not come up within 5 s'
    until_asked 5000 canary_runs_watched || return 1
}

canary_runs_watched() {
    unit_alive "$CANARY" || return 1
    local watch
    sd_show 'ActiveState SubState' "${CANARY_WATCH[@]}" "$CANARY" || return 1
    for watch in "${CANARY_WATCH[@]}"; do
        [[ ${UNIT_PROP["$watch.SubState"]:-} == waiting ]] || return 1
    done
    [[ ${UNIT_PROP["$CANARY.ActiveState"]:-} == active ]]
}

canary_touch() {
    touch -- "$RUN_FLAG" || { SEEN="cannot touch $RUN_FLAG" && return 1; }
    SEEN="it still lives after $CANARY_LIMIT ms"
    until_ms "$CANARY_LIMIT" unit_dead "$CANARY" || return 1
    MEASURED=$WAITED
}

canary_request() {
    : >"$REQUEST_DIR/drill" || { SEEN="cannot write to $REQUEST_DIR" && return 1; }
    SEEN="it still lives after $CANARY_LIMIT ms"
    until_ms "$CANARY_LIMIT" unit_dead "$CANARY" || return 1
    MEASURED=$WAITED
    SEEN='the request was not taken away'
    until_ms 2000 canary_request_taken || return 1
}

canary_request_taken() {
    [[ ! -e $REQUEST_DIR/drill && ! -e $REQUEST_BUSY ]]
}

canary_contained() {
    SEEN="no report in $ENFORCER_FILE"
    until_ms 2000 canary_reported || return 1
    SEEN="$VAR_FLAG was not written, too"
    [[ -e $VAR_FLAG ]] || return 1
    NOTED="$REPORTED_MS ms by its own clock"
}

# canary_reported: the enforcer says that it is contained; into REPORTED_MS after how many ms.
canary_reported() {
    local line phase=''
    REPORTED_MS=
    while IFS= read -r line; do
        case $line in
            phase=*) phase=${line#*=} ;;
            ms=*) REPORTED_MS=${line#*=} ;;
        esac
    done 2>/dev/null <"$ENFORCER_FILE"
    [[ $phase == contained ]]
}

# canary_stays_dead MS
canary_stays_dead() {
    SEEN='a process of it appeared'
    ! until_ms "$1" unit_alive "$CANARY" || return 1
    NOTED="watched for $1 ms"
}

canary_flag_back() {
    rm -f -- "$1"
    SEEN="$1 did not come back within 2 s"
    until_ms 2000 test -e "$1" || return 1
    MEASURED=$WAITED
    SEEN='the canary came back meanwhile'
    unit_dead "$CANARY" || return 1
}

canary_enforcer_killed() {
    local old refused=0
    sd_show MainPID "$CANARY_TRIGGER"
    old=${UNIT_PROP["$CANARY_TRIGGER.MainPID"]:-0}
    SEEN='no enforcer runs'
    ((old > 1)) && kill -s KILL "$old" || return 1
    SEEN='a start was let through while it was away'
    start_refused "$CANARY" || return 1
    SEEN='it did not come back within 3 s'
    until_asked 3000 canary_enforcer_other "$old" || return 1
    MEASURED=$WAITED
}

canary_enforcer_other() {
    local now
    sd_show MainPID "$CANARY_TRIGGER" || return 1
    now=${UNIT_PROP["$CANARY_TRIGGER.MainPID"]:-0}
    ((now > 1 && now != $1)) && unit_dead "$CANARY"
}

canary_released() {
    controller 30 deactivate --scope canary --yes --reason drill || { seen_out "$?" && return 1; }
    SEEN='the flags are still there'
    ! latch_is_set || return 1
    SEEN='it does not run, or its flag is not watched'
    canary_runs_watched || return 1
}

canary_activate() {
    local began
    clock_ms
    began=$NOW_MS
    controller 10 activate --scope canary --reason drill || { seen_out "$?" && return 1; }
    clock_ms
    MEASURED=$((NOW_MS - began))
    seen_out 0
    [[ $OUT == *'ESS STATUS: ACTIVE'* ]] && unit_dead "$CANARY" || return 1
}

canary_status() {
    controller 10 status --scope canary
    seen_out "$?"
    [[ $SEEN == 'exit 0,'* && $OUT == 'ESS STATUS: ACTIVE'* && $OUT == *CONTAINED:* && $OUT != *'NOT CONTAINED'* ]] || return 1
    controller 10 status --quiet --scope canary
    SEEN="status --quiet: exit $?, not $EXIT_LATCHED"
    [[ $SEEN == *": exit $EXIT_LATCHED,"* ]] || return 1
}

canary_released_dead() {
    controller 30 deactivate --no-start --scope canary --yes --reason drill || { seen_out "$?" && return 1; }
    SEEN='the flags are still there'
    ! latch_is_set || return 1
    canary_stays_dead 300
}
