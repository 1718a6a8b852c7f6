# shellcheck shell=bash
# The drill that really stops trading and starts it again. It releases only what it tripped itself: when
# somebody else wants trading stopped meanwhile, it stays stopped.

prove_production() {
    declare -gA WATCHERS=()
    config_for_trip
    production_refuse
    production_ask
    operator_name
    heading 'The emergency stop of this host'
    armed_claims
    claim_failed && UNTESTABLE='the stop is not armed; trading was not touched'
    heading 'Trading is stopped'
    identity_take WATCHERS "${MONITORS[@]}"
    PROOF_CLEANUP=production_left
    production_stop_claims
    heading 'Trading is started again'
    production_start_claims
    # Who finds trading stopped is told so first.
    [[ -n ${PRODUCTION_TRIPPED:-} ]] || aftermath_claims
}

production_refuse() {
    latch_is_set && proof_refuse 'the latch is set: trading is stopped already' 'See: ess status. The drill is for a host that trades.'
    production_list
    ((${#RAN[@]})) || proof_refuse 'no trading unit runs: there is nothing to prove by stopping' 'Start trading first, or run the drill on the canary: ess drill'
}

# production_list: into RAN, the trading units that run.
production_list() {
    local unit
    RAN=()
    sd_show ActiveState "${TRADING[@]}" || return 1
    for unit in "${UNITS_SEEN[@]}"; do
        [[ ${UNIT_PROP["$unit.ActiveState"]:-} != @(active|reloading|activating) ]] || RAN+=("$unit")
    done
}

production_ask() {
    local answer
    config_milli "${CONFIG[QT_ESS_SETTLE]}"
    printf '%sThis stops trading on %s.%s\n\n' "$RED" "$HOSTNAME" "$PLAIN"
    printf '  stopped, then started again one by one:\n'
    printf '    %s\n' "${RAN[@]}"
    printf '  down for about %d s; not touched:\n' $((${#RAN[@]} * MILLI / 1000 + 3))
    printf '    %s\n' "${MONITORS[@]}"
    printf '  It is not started again when the drill is interrupted, when trading is not\n  proved dead, or when somebody else stops it meanwhile; you are told then.\n\n'
    [[ -z $PROOF_YES ]] || return 0
    [[ -t 0 && -t 1 ]] || proof_refuse 'not confirmed: this is not a terminal; trading was not touched' "If you mean it: sudo $0 --production --yes-stop-trading" "$EXIT_USAGE"
    printf 'Type %s%s%s or "stop trading" to go on: ' "$BOLD" "$HOSTNAME" "$PLAIN"
    read -r answer
    [[ $answer == "$HOSTNAME" || $answer == 'stop trading' ]] || proof_refuse 'not confirmed; trading was not touched' ''
}

production_stop_claims() {
    local unit
    claim_or_stop 'the flag: all of trading is dead within 2 s' production_trip
    claim 'status: ACTIVE, CONTAINED' production_status
    for unit in "${RAN[@]}"; do
        claim "a start of $unit is refused" start_refused "$unit"
    done
    claim 'nothing comes back by itself' production_stays_dead
    claim 'monitoring units kept their processes' identity_kept WATCHERS 'monitoring unit'
}

production_start_claims() {
    claim_or_stop 'nobody else stopped trading meanwhile' production_ours
    claim_or_stop 'deactivate succeeds' production_release
    claim 'exactly what ran before runs again' production_back
    claim 'the flag is watched again' armed_watch status_check_watch
    claim 'monitoring units kept their processes' identity_kept WATCHERS 'monitoring unit'
}

# production_trip: the flag says that this is a drill, and whose.
production_trip() {
    announce "Production drill by $OPERATOR: trading on $HOSTNAME is being stopped." \
        'It is started again when the drill passes. If it did not say so,' 'trading is stopped. Look: ess status. To resume: sudo ess deactivate'
    latch_content drill 'production drill' '' "$OPERATOR"
    PRODUCTION_ID=${CONTENT#id=}
    PRODUCTION_ID=${PRODUCTION_ID%%$'\n'*}
    PRODUCTION_TRIPPED=1
    stopwatch_start
    latch_write "$RUN_FLAG" "$CONTENT" || { SEEN="cannot write $RUN_FLAG" && return 1; }
    production_trace
    PRODUCTION_TRACE=$TRACE
    stopwatch_down "${RAN[@]}" || return 1
    MEASURED=$DOWN_MS
}

production_status() {
    controller 10 status
    seen_out "$?"
    [[ $SEEN == 'exit 0,'* && $OUT == 'ESS STATUS: ACTIVE'* && $OUT == *CONTAINED:* && $OUT != *'NOT CONTAINED'* ]] || return 1
}

production_stays_dead() {
    SEEN='a trading process appeared'
    ! until_ms 1000 any_alive "${TRADING[@]}" || return 1
    NOTED='watched for 1000 ms'
}

# production_trace: into TRACE what changes when somebody touches the flag or activates once more: that
# leaves a trace in the directory even though the flag exists.
production_trace() {
    TRACE=$(stat -c '%i %.9Y' -- "$RUN_FLAG" "$RUN_DIR" 2>&1)
}

production_ours() {
    SEEN='the flag is another one than ours'
    latch_read
    [[ ${LATCH[id]:-} == "$PRODUCTION_ID" ]] || return 1
    SEEN='somebody touched the flag or activated, too'
    production_trace
    [[ $TRACE == "$PRODUCTION_TRACE" ]] || return 1
}

production_release() {
    local limit
    config_milli "${CONFIG[QT_ESS_START_TIMEOUT]}"
    limit=$((${#RAN[@]} * (MILLI / 1000 + 10) + 60))
    claim_time $((limit + 60))
    controller "$limit" deactivate --yes --reason 'production drill' || { seen_out "$?" && return 1; }
    SEEN='it is latched again'
    ! latch_is_set || return 1
}

production_back() {
    local before="${RAN[*]}"
    SEEN='systemd does not answer'
    production_list || return 1
    SEEN="before: $before; now: ${RAN[*]}"
    [[ ${RAN[*]} == "$before" ]] && all_alive "${RAN[@]}" || return 1
    PRODUCTION_TRIPPED=
    journal 5 "production drill: trading on $HOSTNAME runs again"
    NOTED="${#RAN[@]} units"
}
