# shellcheck shell=bash
# shellcheck disable=SC2317 # called by name
# Before and after the machine restarts, for both settings of QT_ESS_AFTER_REBOOT.

group_reboot_hold() {
    claim_or_stop 'QT_ESS_AFTER_REBOOT=hold: trading is stopped' reboot_trip hold
}

group_reboot_held() {
    claim_or_stop 'QT_ESS_AFTER_REBOOT=hold: still stopped after it, starts refused' reboot_held
    claim 'status: ACTIVE, CONTAINED' deaf_status
    claim 'release: all of trading runs again' trip_back
}

group_reboot_clear() {
    claim_or_stop 'QT_ESS_AFTER_REBOOT=clear: trading is stopped' reboot_trip clear
}

group_reboot_cleared() {
    claim_or_stop 'QT_ESS_AFTER_REBOOT=clear: released by it, trading runs, armed' reboot_cleared
}

# reboot_trip SETTING
reboot_trip() {
    sed -i '/^QT_ESS_AFTER_REBOOT=/d' "$ESS_CONF"
    printf 'QT_ESS_AFTER_REBOOT=%s\n' "$1" >>"$ESS_CONF"
    bounded 60 bash "$ESS_LIB/ops/install.sh" --configure || { seen_out "$?" && return 1; }
    trip_ready "${TRADING[@]}" || return 1
    stopwatch_start
    touch -- "$RUN_FLAG"
    stopwatch_down "${TRADING[@]}" && way_latched || return 1
    MEASURED=$DOWN_MS
}

reboot_held() {
    SEEN='the latch is gone'
    way_latched || return 1
    SEEN='something of trading lives'
    ! until_ms 1000 hostile_any_lives || return 1
    start_refused "${TRADING[0]}"
}

reboot_cleared() {
    SEEN='still latched'
    ! latch_is_set || return 1
    SEEN='trading did not come up with the boot'
    until_ms 5000 all_alive "${TRADING[@]}" || return 1
    unarmed_status "$EXIT_OK" ARMED
}
