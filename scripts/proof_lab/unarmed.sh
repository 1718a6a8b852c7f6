# shellcheck shell=bash
# shellcheck disable=SC2317 # called by name
# Whatever would keep the stop from working is found before it is needed. For each fault there is
# spoil_FAULT; install.sh --configure and a start of the path units mend them all.

group_unarmed() {
    claim 'armed to begin with' unarmed_status "$EXIT_OK" ARMED
    claim 'a gate that was removed' unarmed gate quantum-governor.service
    claim 'a watch that was stopped' unarmed watch quantum-ess.path
    claim 'a file of ours that was edited' unarmed file quantum-ess-trigger.service
    claim 'a trading unit that systemd does not know' unarmed unknown quantum-missing.service
    claim 'armed again' unarmed_status "$EXIT_OK" ARMED
}

# unarmed FAULT NAME: status and doctor say 5 and name it; afterwards it is mended.
unarmed() {
    local code
    cp -- "$ESS_CONF" "$TRIP_CONF"
    "spoil_$1"
    systemctl daemon-reload
    unarmed_status "$EXIT_NOT_ARMED" "$2" && unarmed_doctor "$2"
    code=$?
    cp -- "$TRIP_CONF" "$ESS_CONF"
    unarmed_mend || return 1
    ((code == 0)) || return 1
    NOTED="status and doctor: exit 5, $2 is named"
}

unarmed_status() {
    local code
    controller 20 status
    code=$?
    seen_out "$code"
    ((code == $1)) && [[ $OUT == *"$2"* ]] || return 1
}

unarmed_doctor() {
    local code
    bounded 20 ess doctor
    code=$?
    seen_out "$code"
    ((code == EXIT_NOT_ARMED)) && [[ $OUT == *"$1"* ]]
}

unarmed_mend() {
    local seen=$SEEN
    bounded 60 bash "$PROOF_ROOT/ops/install.sh" --no-python --no-drill
    systemctl start quantum-ess.path
    SEEN=$seen
}

spoil_gate() {
    rm -f -- "$ESS_UNIT_DIR/quantum-governor.service.d/$ESS_GATE"
}

spoil_watch() {
    systemctl stop quantum-ess.path
}

spoil_file() {
    sed -i 's/^Restart=.*/Restart=no/' "$ESS_UNIT_DIR/quantum-ess-trigger.service"
}

spoil_unknown() {
    printf 'QT_ESS_TRADING_UNITS="%s quantum-missing.service"\n' "${TRADING[*]}" >>"$ESS_CONF"
    bounded 60 bash "$ESS_LIB/ops/install.sh" --configure
}
