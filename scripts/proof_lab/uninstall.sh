# shellcheck shell=bash
# shellcheck disable=SC2317 # called by name
# The drill that stops trading, and the end.

group_production() {
    claim 'proof_ess.sh --production passes' production_drill
}

production_drill() {
    trip_ready "${TRADING[@]}" || return 1
    timeout 120 bash "$ESS_LIB/scripts/proof_ess.sh" --production --yes-stop-trading </dev/null 2>&1 | tee "$DRILL_TMP/production"
    SEEN=$(tail -n 3 "$DRILL_TMP/production")
    [[ $SEEN == *$'SUMMARY: PASS\nESS is production-ready for emergency stop scenarios' ]] || return 1
    SEEN='the record of the drill says otherwise'
    grep -qx mode=production "$DRILL_FILE" && grep -qx result=PASS "$DRILL_FILE" || return 1
    NOTED="$(grep -c '^PASS' "$DRILL_TMP/production") claims"
}

group_uninstall() {
    claim 'refused while latched, and everything stays' uninstall_refused
    claim 'removed; trading runs on untouched' uninstall_done
}

uninstall_refused() {
    local code
    trip_ready "${TRADING[@]}" || return 1
    stopwatch_start
    touch -- "$RUN_FLAG"
    stopwatch_down "${TRADING[@]}" || return 1
    bounded 60 bash "$ESS_LIB/ops/install.sh" --uninstall
    code=$?
    seen_out "$code"
    ((code == EXIT_RELEASE_FAILED)) && start_refused "${TRADING[0]}" && trip_release || return 1
    NOTED="exit $code"
}

uninstall_done() {
    local -A before=()
    trip_ready "${TRADING[@]}" || return 1
    identity_take before "${TRADING[@]}" || return 1
    bounded 60 bash "$PROOF_ROOT/ops/install.sh" --uninstall || { seen_out "$?" && return 1; }
    SEEN="left: $(find "$ESS_UNIT_DIR" /usr/local/lib /usr/local/bin -name '*quantum-ess*' | tr '\n' ' ')"
    [[ $SEEN == 'left: ' ]] || return 1
    identity_kept before 'trading unit'
}
