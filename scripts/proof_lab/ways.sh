# shellcheck shell=bash
# shellcheck disable=SC2317 # called by name
# Every documented way to stop trading, one after the other; each is released before the next.

group_ways() {
    claim_or_stop 'touch the flag' way flag touch "$RUN_FLAG"
    claim 'mkdir -p and touch, with /run/quantum missing' way flag way_mkdir
    claim 'a flag in /var/lib/quantum-ess' way flag touch "$VAR_FLAG"
    claim 'a flag that is a directory' way flag mkdir "$RUN_FLAG"
    claim 'a flag that is a dangling symlink' way flag ln -s /nowhere "$RUN_FLAG"
    claim 'ess activate' way command timeout 20 ess activate --reason proof
    claim 'ess_controller.sh activate' way command timeout 20 bash "$CONTROLLER" activate --reason proof
    claim 'systemctl start quantum-ess' way command timeout 20 systemctl start quantum-ess
    claim 'ess activate without root, in the group quantum-ess' way command way_member timeout 20 ess activate --reason proof
    claim 'a file that one of the group drops into the directory of requests' way flag way_member touch "$REQUEST_DIR/proof"
    claim 'two people at once' way command way_two
    claim 'activate when it is active already' way command way_again
}

# way KIND COMMAND...: KIND flag: the command ends at once; KIND command: it answers for the stop.
way() {
    local kind=$1 ms
    shift
    trip_ready "${TRADING[@]}" || return 1
    stopwatch_start
    if [[ $kind == flag ]]; then "$@" || return 1; else trip_aside "$@"; fi
    stopwatch_down "${TRADING[@]}" || return 1
    ms=$DOWN_MS
    [[ $kind == flag ]] || way_answer || return 1
    way_latched || return 1
    start_refused "${TRADING[RANDOM % ${#TRADING[@]}]}" || return 1
    trip_back || return 1
    MEASURED=$ms
    NOTED="${#TRADING[@]} units dead, starts refused, released"
}

way_answer() {
    trip_aside_code
    SEEN="it ended with $ASIDE_CODE: $(said)"
    ((ASIDE_CODE == 0))
}

# way_latched: both flags, as real files, so that it also holds over a reboot.
way_latched() {
    SEEN='one of the two flags is missing'
    until_ms 2000 way_both_flags
}

way_both_flags() {
    [[ -e $RUN_FLAG && -e $VAR_FLAG && ! -L $RUN_FLAG && ! -L $VAR_FLAG ]]
}

way_mkdir() {
    rm -rf "$RUN_DIR"
    mkdir -p "$RUN_DIR"
    touch "$RUN_FLAG"
}

way_member() {
    setpriv --reuid="$REQUEST_GROUP" --regid="$REQUEST_GROUP" --clear-groups "$@"
}

# way_two: both must answer 0.
way_two() {
    local first code
    timeout 20 ess activate --reason 'proof, first' &
    first=$!
    timeout 20 bash "$CONTROLLER" activate --reason 'proof, second'
    code=$?
    wait "$first" && return "$code"
}

way_again() {
    timeout 20 bash "$CONTROLLER" activate --reason proof && timeout 20 bash "$CONTROLLER" activate --reason 'proof, again'
}
