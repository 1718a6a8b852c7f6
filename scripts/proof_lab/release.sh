# shellcheck shell=bash
# shellcheck disable=SC2317 # called by name
# The way back: in order, one at a time, and latched again as soon as something is wrong.

group_release() {
    claim 'trading comes back in the configured order' release_in_order
    claim 'a unit stopped by hand before the stop stays stopped' release_not_stopped_one
    claim 'of two releases at once, one is refused' release_two
    claim 'a unit that does not come up latches again' release_failing
    claim 'a flag that reappears half-way stops the release' release_half_way touch "$RUN_FLAG"
    claim 'a release that is interrupted half-way latches again' release_half_way release_interrupt
    claim 'a release without a latch changes nothing' release_nothing
}

release_stopped() {
    trip_ready "${TRADING[@]}" || return 1
    stopwatch_start
    touch -- "$RUN_FLAG"
    stopwatch_down "${TRADING[@]}"
}

release_in_order() {
    local unit order
    release_stopped && trip_back || return 1
    sd_show ActiveEnterTimestampMonotonic "${TRADING[@]}" || return 1
    order=$(for unit in "${TRADING[@]}"; do
        printf '%s %s\n' "${UNIT_PROP["$unit.ActiveEnterTimestampMonotonic"]}" "$unit"
    done | sort -n | cut -d' ' -f2 | tr '\n' ' ')
    SEEN="came back as: $order"
    [[ ${order% } == "${START_ORDER[*]}" ]] || return 1
    SEEN=${order//.service/}
    SEEN=${SEEN//quantum-/}
    NOTED=${SEEN% }
}

release_not_stopped_one() {
    local unit=quantum-execution.service
    trip_ready "${TRADING[@]}" && bounded 10 systemctl stop "$unit" || return 1
    # Within 10 ms of the trip it would count as stopped by it.
    pause 100
    touch -- "$RUN_FLAG"
    stopwatch_start
    stopwatch_down "${TRADING[@]}" && trip_release || return 1
    SEEN="$unit was started"
    unit_dead "$unit" || return 1
    SEEN='the others did not come back'
    all_alive quantum-governor.service quantum-ai-engine.service quantum-apply-layer.service || return 1
}

release_two() {
    local code
    release_stopped || return 1
    trip_aside timeout 60 bash "$CONTROLLER" deactivate --yes
    SEEN='the first did not begin'
    until_ms 5000 unit_alive "${START_ORDER[0]}" || return 1
    controller 30 deactivate --yes --all
    code=$?
    seen_out "$code"
    ((code == EXIT_RELEASE_FAILED)) && [[ $OUT == *'another release is running'* ]] || return 1
    trip_aside_code
    SEEN="the first ended with $ASIDE_CODE: $(said)"
    ((ASIDE_CODE == 0)) && all_alive "${TRADING[@]}" || return 1
    NOTED="second: exit $code"
}

release_failing() {
    local dir=$ESS_UNIT_DIR/quantum-apply-layer.service.d code
    release_stopped || return 1
    printf '[Service]\nExecStart=\nExecStart=/bin/false\nRestart=no\n' >"$dir/broken.conf"
    systemctl daemon-reload
    controller 60 deactivate --yes
    code=$?
    rm -f -- "$dir/broken.conf"
    systemctl daemon-reload
    seen_out "$code"
    [[ $code == "$EXIT_RELEASE_FAILED" && $OUT == *quantum-apply-layer* ]] && release_latched_again && trip_back || return 1
    NOTED='exit 6, it is named'
}

release_latched_again() {
    SEEN='not latched again'
    latch_is_set || return 1
    SEEN='something of trading lives'
    until_ms 2000 release_all_dead || return 1
    start_refused "${TRADING[0]}"
}

release_all_dead() {
    ! hostile_any_lives
}

# release_half_way COMMAND...: do it as soon as the first unit is up.
release_half_way() {
    release_stopped || return 1
    trip_aside timeout 60 bash "$CONTROLLER" deactivate --yes
    SEEN='the release did not begin'
    until_ms 5000 unit_alive "${START_ORDER[0]}" || return 1
    "$@"
    trip_aside_code
    SEEN="it ended with $ASIDE_CODE: $(said)"
    ((ASIDE_CODE == EXIT_RELEASE_FAILED)) && release_latched_again && trip_back || return 1
    NOTED='exit 6'
}

release_interrupt() {
    kill -s TERM "$ASIDE"
}

release_nothing() {
    controller 10 deactivate --yes
    seen_out "$?"
    [[ $SEEN == 'exit 0,'* && $OUT == *INACTIVE* ]] || return 1
}
