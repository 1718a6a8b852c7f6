# shellcheck shell=bash
# How long it takes until the last process of some units is dead. The kernel answers, nothing is forked.

STOPWATCH_LIMIT=2000 # ms, the promise
STOPWATCH_PROOF=100  # ms in which nobody may live again

stopwatch_start() {
    clock_ms
    STOPWATCH_AT=$NOW_MS
}

# stopwatch_down UNIT...: true when all are dead within STOPWATCH_LIMIT ms of the start; shows when each
# was, into STOPWATCH_DOWN; DOWN_MS is the last one.
stopwatch_down() {
    local unit live down now empty_at=''
    declare -gA STOPWATCH_DOWN=()
    while :; do
        cgroup_find "$@"
        clock_ms
        now=$((NOW_MS - STOPWATCH_AT)) live=()
        for unit in "$@"; do
            if [[ -n ${CGROUPS[$unit]:-} ]] && cgroup_populated "${CGROUPS[$unit]}"; then
                live+=("$unit")
                unset "STOPWATCH_DOWN[$unit]"
            elif [[ -z ${STOPWATCH_DOWN[$unit]:-} ]]; then
                # shellcheck disable=SC2004 # an associative array
                STOPWATCH_DOWN[$unit]=$now
            fi
        done
        if ((${#live[@]})); then empty_at=''; else empty_at=${empty_at:-$now}; fi
        down=${empty_at:-$now}
        ((down <= STOPWATCH_LIMIT)) || break
        # Once empty is no proof: between an ExecStop= and the ExecStopPost= after it, nobody lives.
        [[ -z $empty_at ]] || ((now - empty_at < STOPWATCH_PROOF)) || break
        pause 5
    done
    stopwatch_show
    DOWN_MS=$down
    SEEN="alive after $down ms: ${live[*]}"
    ((${#live[@]} == 0))
}

stopwatch_show() {
    local unit line=''
    for unit in "${!STOPWATCH_DOWN[@]}"; do
        printf -v line '%s%6d ms  %s\n' "$line" "${STOPWATCH_DOWN[$unit]}" "$unit"
    done
    while read -r line; do
        remark "$line"
    done < <(printf '%s' "$line" | sort -n)
}

# all_alive UNIT...
all_alive() {
    local unit
    cgroup_find "$@"
    for unit in "$@"; do
        [[ -n ${CGROUPS[$unit]:-} ]] && cgroup_populated "${CGROUPS[$unit]}" || return 1
    done
}

# any_alive PATTERN...
any_alive() {
    local unit
    cgroup_find "$@"
    for unit in "${!CGROUPS[@]}"; do cgroup_populated "${CGROUPS[$unit]}" && return 0; done
    return 1
}
