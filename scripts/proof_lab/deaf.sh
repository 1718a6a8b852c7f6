# shellcheck shell=bash
# shellcheck disable=SC2317 # called by name
# PID 1 is stopped from outside, as hung as it can be. Three groups: before, while and after.

group_deaf_before() {
    claim_or_stop 'trading runs' trip_ready "${TRADING[@]}"
}

group_deaf() {
    claim_or_stop 'activate ends trading through the kernel, and says so' deaf_activate
    claim 'status measures it without systemd' deaf_status
}

group_deaf_after() {
    claim 'systemd runs again: nothing revives' deaf_no_revival
    claim 'the enforcer is there, starts are refused' deaf_enforced
    claim 'release: all of trading runs again' trip_back
}

deaf_activate() {
    stopwatch_start
    trip_aside timeout 20 bash "$CONTROLLER" activate --reason proof
    stopwatch_down "${TRADING[@]}" || return 1
    MEASURED=$DOWN_MS
    trip_aside_code
    SEEN="it ended with $ASIDE_CODE: $(said)"
    ((ASIDE_CODE == 0)) && [[ $OUT == *kernel* ]] || return 1
    NOTED="${#TRADING[@]} units"
}

deaf_status() {
    controller 20 status
    seen_out "$?"
    [[ $SEEN == 'exit 0,'* && $OUT == *ACTIVE*CONTAINED:* ]] || return 1
}

deaf_no_revival() {
    SEEN='something came back'
    ! until_ms 1500 hostile_any_lives || return 1
}

deaf_enforced() {
    SEEN='no enforcer runs'
    until_asked 5000 held_enforcer none || return 1
    start_refused "${TRADING[0]}" || return 1
}
