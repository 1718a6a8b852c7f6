# shellcheck shell=bash
# shellcheck disable=SC2317 # called by name
# While latched: every way somebody or something might start trading, then every attempt to take the
# latch itself away.

HELD_ROUNDS=4
HELD_MODES=(replace fail replace-irreversibly ignore-dependencies ignore-requirements)

group_held() {
    claim_or_stop 'trading is stopped' held_trip
    claim 'what starts trading by itself does not' held_pullers
    claim 'every kind of start, by hand and by program, fails' held_attempts
    claim 'not one trading process was started in all this' held_never_ran
    claim 'the enforcer, killed again and again, comes back' held_enforcer_killed
    claim 'either flag, deleted, is put back' held_flags
    claim 'all of /run/quantum, deleted, is put back' held_directory
    claim 'the path unit, stopped, is started again by the sentry' held_path
    claim 'the latch ignores daemon-reload and daemon-reexec' held_reexec
    claim 'not one trading process was started in all this' held_never_ran
    UNTESTABLE=
    claim 'release: all of trading runs again' held_release
}

held_trip() {
    install -m 0644 -t "$ESS_UNIT_DIR" "$HOSTILE_FILES"/pull* "$HOSTILE_FILES"/failing.service
    systemctl daemon-reload
    trip_ready "${TRADING[@]}" || return 1
    stopwatch_start
    touch "$RUN_FLAG"
    stopwatch_down "${TRADING[@]}" || return 1
    MEASURED=$DOWN_MS
    held_starts
    HELD_STARTS=$STARTS
}

# held_starts: into STARTS, when each unit's main process was last started; any start changes it.
held_starts() {
    local unit
    STARTS=
    sd_show ExecMainStartTimestampMonotonic "${TRADING[@]}" || return 1
    for unit in "${UNITS_SEEN[@]}"; do STARTS+="$unit=${UNIT_PROP["$unit.ExecMainStartTimestampMonotonic"]} "; done
}

held_never_ran() {
    held_starts || return 1
    SEEN="before: $HELD_STARTS, now: $STARTS"
    [[ $STARTS == "$HELD_STARTS" ]] && ! hostile_any_lives || return 1
}

held_pullers() {
    bounded 10 systemctl start --no-block puller.service pull.timer pull.path pull.socket pull.target failing.service
    bounded 2 python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect("/run/pull.socket")'
    SEEN='it did'
    ! until_ms 2000 hostile_any_lives || return 1
    NOTED='Wants= of a restarting unit, timer, path, socket, target, OnFailure='
    systemctl stop puller.service pull.timer pull.path pull.socket pull.target 2>/dev/null
    return 0
}

# held_attempts: in random order; the exit code of a start that systemd accepted to try must not be 0.
held_attempts() {
    local line accepted=() count=0
    while read -r line; do
        # shellcheck disable=SC2086 # a command and its words
        bounded 10 $line && [[ $line == *' start '* && $line != *--no-block* ]] && accepted+=("$line")
        count=$((count + 1))
        hostile_any_lives && SEEN="alive after: $line" && return 1
    done < <(held_list | shuf)
    SEEN="said to have worked: ${accepted[*]}"
    ((${#accepted[@]} == 0)) || return 1
    NOTED="$count attempts"
}

held_list() {
    local round unit mode
    for ((round = 0; round < HELD_ROUNDS; round++)); do
        for unit in "${TRADING[@]}"; do
            printf "systemctl %s $unit\n" start restart try-restart reload-or-restart try-reload-or-restart 'start --no-block' reset-failed
        done
        unit=${TRADING[round % ${#TRADING[@]}]}
        for mode in "${HELD_MODES[@]}"; do printf 'systemctl start --job-mode=%s %s\n' "$mode" "$unit"; done
        printf 'systemctl start %s\n' "${TRADING[*]}"
        printf 'busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager StartUnit ss %s replace\n' "$unit"
        printf 'systemctl daemon-reload\n'
        printf 'systemctl thaw %s\n' "$unit"
        printf 'systemctl start --no-block pull.target\n'
    done
    printf 'systemctl isolate --no-block pull.target\n'
}

held_enforcer() {
    sd_show MainPID quantum-ess-trigger.service && ((${UNIT_PROP["quantum-ess-trigger.service.MainPID"]:-0} > 1)) &&
        [[ ${UNIT_PROP["quantum-ess-trigger.service.MainPID"]} != "$1" ]]
}

held_enforcer_killed() {
    local round pid
    for round in 1 2 3 4 5; do
        SEEN="it was away after kill $((round - 1))"
        until_asked 3000 held_enforcer none || return 1
        pid=${UNIT_PROP["quantum-ess-trigger.service.MainPID"]}
        kill -s KILL "$pid"
        start_refused "${TRADING[RANDOM % ${#TRADING[@]}]}" || return 1
        SEEN="it did not come back from kill $round"
        until_asked 3000 held_enforcer "$pid" || return 1
    done
    NOTED='5 times, starts refused meanwhile'
}

held_flags() {
    local flag round
    for round in 1 2 3; do
        for flag in "$RUN_FLAG" "$VAR_FLAG"; do
            rm -f -- "$flag"
            SEEN="$flag did not come back"
            until_ms 2000 test -e "$flag" || return 1
        done
    done
    NOTED='6 times'
}

held_directory() {
    rm -rf "$RUN_DIR"
    SEEN="$RUN_FLAG did not come back"
    until_ms 2000 test -e "$RUN_FLAG" || return 1
    MEASURED=$WAITED
}

held_path() {
    bounded 5 systemctl stop quantum-ess{,-disk}.path
    SEEN='the flags do not gate while it is stopped'
    start_refused "${TRADING[0]}" || return 1
    SEEN='not within 15 s'
    until_asked 15000 held_watched || return 1
    MEASURED=$WAITED
}

held_watched() {
    sd_active quantum-ess.path quantum-ess-disk.path && [[ ${UNIT_PROP['quantum-ess.path.ActiveState']} == active &&
        ${UNIT_PROP['quantum-ess-disk.path.ActiveState']} == active ]]
}

held_reexec() {
    bounded 20 systemctl daemon-reexec || { seen_out "$?" && return 1; }
    bounded 20 systemctl daemon-reload || { seen_out "$?" && return 1; }
    start_refused "${TRADING[0]}" || return 1
    controller 10 status || { seen_out "$?" && return 1; }
    NOTED='status: ACTIVE, CONTAINED'
    [[ $OUT == *ACTIVE*CONTAINED:* ]]
}

held_release() {
    trip_back || return 1
    rm -f -- "$ESS_UNIT_DIR"/pull* "$ESS_UNIT_DIR"/failing.service
    systemctl daemon-reload
}
