# shellcheck shell=bash
# shellcheck disable=SC2317 # called by name
# Trading programs that do not want to stop, all at once, beside the well-behaved four.

HOSTILE_UNITS=(bot-deaf bot-forkbomb bot-hung-stop bot-hung-stoppost bot-patient bot-orphan bot-starting bot-delegate
    bot-frozen quantum-execution@btc quantum-execution@eth)
HOSTILE_UNITS=("${HOSTILE_UNITS[@]/%/.service}")
HOSTILE_FILES=$PROOF_ROOT/scripts/proof_lab/units

group_hostile() {
    local unit
    claim_or_stop 'ess.env takes globs and instances; install.sh --configure applies it' hostile_configure
    claim_or_stop 'all of them run' hostile_up
    claim_or_stop 'touch the flag: all of them are dead within 2 s' hostile_trip
    for unit in "${HOSTILE_UNITS[@]}"; do
        claim "${unit%.service}: $(hostile_about "$unit")" hostile_dead "$unit"
    done
    claim 'a frozen unit and instances are refused a start, too' hostile_refused
    claim 'deactivate --no-start releases and starts none of them' hostile_release
    UNTESTABLE=
    claim 'back to the four; gates of the others are removed' hostile_unconfigure
}

# hostile_about UNIT: the first line of its file.
hostile_about() {
    local file=$1 line
    [[ $file != *@* ]] || file=${file%%@*}@.service
    read -r line <"$HOSTILE_FILES/$file"
    line=${line#\# }
    line=${line%%[.,;(]*}
    printf '%s' "${line% }"
}

hostile_configure() {
    install -D -m 0755 -t /opt/bots "$HOSTILE_FILES/forkbomb.py" &&
        install -m 0644 -t "$ESS_UNIT_DIR" "$HOSTILE_FILES"/bot-*.service "$HOSTILE_FILES"/quantum-execution@.service || return 1
    systemctl daemon-reload
    cp -- "$ESS_CONF" "$TRIP_CONF"
    hostile_set_units "${TRADING[*]} bot-*.service quantum-execution@*.service"
}

hostile_set_units() {
    cp -- "$TRIP_CONF" "$ESS_CONF"
    [[ -z $1 ]] || printf 'QT_ESS_TRADING_UNITS="%s"\n' "$1" >>"$ESS_CONF"
    bounded 60 bash "$ESS_LIB/ops/install.sh" --configure || { seen_out "$?" && return 1; }
}

hostile_up() {
    trip_ready "${TRADING[@]}" || return 1
    bounded 20 systemctl --no-ask-password start --no-block "${HOSTILE_UNITS[@]}" || { seen_out "$?" && return 1; }
    SEEN='not all came up'
    until_ms 10000 all_alive "${HOSTILE_UNITS[@]}" || return 1
    SEEN='the fork bomb did not fork'
    until_ms 10000 hostile_bomb_is_big || return 1
    bounded 5 systemctl freeze bot-frozen.service || { seen_out "$?" && return 1; }
    cgroup_pids "${CGROUPS["bot-forkbomb.service"]}"
    NOTED="${#HOSTILE_UNITS[@]} hostile units beside ${#TRADING[@]}, ${#PIDS[@]} processes in the fork bomb"
}

hostile_bomb_is_big() {
    cgroup_find bot-forkbomb.service
    [[ -n ${CGROUPS["bot-forkbomb.service"]:-} ]] || return 1
    cgroup_pids "${CGROUPS["bot-forkbomb.service"]}"
    ((${#PIDS[@]} >= 150))
}

hostile_trip() {
    stopwatch_start
    touch "$RUN_FLAG"
    stopwatch_down "${TRADING[@]}" "${HOSTILE_UNITS[@]}" || return 1
    MEASURED=$DOWN_MS
}

hostile_dead() {
    MEASURED=${STOPWATCH_DOWN[$1]:-}
    SEEN="still alive $STOPWATCH_LIMIT ms after the flag"
    [[ -n $MEASURED ]] || return 1
    SEEN='it came back'
    unit_dead "$1" || return 1
}

hostile_refused() {
    start_refused bot-frozen.service && start_refused quantum-execution@btc.service && start_refused quantum-execution@new.service
}

hostile_release() {
    trip_release --no-start || return 1
    SEEN='something came back'
    ! until_ms 500 hostile_any_lives || return 1
}

hostile_any_lives() {
    any_alive "${TRADING[@]}" "${HOSTILE_UNITS[@]}"
}

hostile_unconfigure() {
    hostile_set_units '' || return 1
    SEEN='gates were left'
    ! compgen -G "$ESS_UNIT_DIR/bot-*.service.d/$ESS_GATE" >/dev/null || return 1
    [[ ! -e $ESS_UNIT_DIR/quantum-execution@.service.d/$ESS_GATE ]] || return 1
    rm -f -- "$ESS_UNIT_DIR"/bot-*.service "$ESS_UNIT_DIR"/quantum-execution@.service
    systemctl daemon-reload
}
