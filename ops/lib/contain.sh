# shellcheck shell=bash
# The stop ladder: ask systemd, wait out the grace, then kill through the kernel again and again until
# every trading control group is empty. The loop forks nothing, so a fork bomb cannot starve it.

CONTAIN_POLL=10       # ms between looks while stopping
CONTAIN_CUT_AFTER=500 # ms a group may outlive its first SIGKILL before it is cut off the network

# contain_begin CATEGORY: start the clock. Category 1 grants STOP_GRACE_MS, category 0 nothing; nor
# does anybody get a grace when the process table is nearly full.
contain_begin() {
    declare -gA DOWN_MS=() KILLED=() KILLED_PIDS=() CUT=()
    SURVIVORS=()
    clock_ms
    CONTAIN_BEGAN=$NOW_MS
    CONTAIN_DEADLINE=$((NOW_MS + STOP_GRACE_MS))
    [[ $1 != 0 ]] || CONTAIN_DEADLINE=$NOW_MS
    room_left || CONTAIN_DEADLINE=$NOW_MS
}

# contain_now: kill everything, again and again, without a single fork and without a pause, which needs one,
# too: bash waits for seconds when the process table has no room.
contain_now() {
    local look
    contain_begin 0
    for ((look = 0; look < 500; look++)); do
        contain_look
        ((${#SURVIVORS[@]})) || return 0
    done
}

# contain_ask: the part of the ladder that talks to systemd; run it as a child, PID 1 may be deaf.
# The units are stopped first: until PID 1 has a stop job it restarts what we kill. Then what ran is written
# down, what is frozen is thawed (257 refuses to stop a frozen unit), and all of it, with whatever triggers
# it, is stopped once more.
contain_ask() {
    TRIGGERS=() UNITS_SEEN=()
    # Before their parents are gone: those alone tell whose they are.
    escaped_find && escaped_write ''
    contain_stop "${TRADING[@]}"
    if snapshot_ask; then
        { escaped_ask && escaped_keep; } &
        contain_thaw
        fell_reckon
        snapshot_triggers && snapshot_take
    fi
    contain_stop "${TRIGGERS[@]}" "${TRADING[@]}"
    contain_cancel_starts
}

# contain_stop UNIT...: queue their stops. On a busy host a second may be too short for PID 1 to answer.
contain_stop() {
    local tries code
    for tries in 1 2 3 4 5; do
        sd stop --no-block -- "$@"
        code=$?
        ((code == 124 || code == 137)) || return 0
    done
}

# A slice that is frozen keeps its units frozen, so slices are thawed first, outermost first.
contain_thaw() {
    local unit slice
    for unit in "${UNITS_SEEN[@]}"; do
        [[ ${UNIT_PROP["$unit.FreezerState"]:-running} != running ]] || continue
        slice=${UNIT_PROP["$unit.Slice"]:-}
        [[ $slice != *-*.slice ]] || sd thaw "${slice%%-*}.slice"
        [[ -z $slice || $slice == -.slice ]] || sd thaw "$slice"
        sd thaw "$unit"
    done
}

# An irreversible start job refuses every stop; only cancelling it removes it.
contain_cancel_starts() {
    local job
    sd_jobs '*start*' "${TRADING[@]}" || return 0
    for job in "${JOBS[@]}"; do
        sd cancel "${job%% *}"
        sd stop --no-block -- "${job#* }"
    done
}

# contain_look: one look at the kernel. Into SURVIVORS the units with live processes; kills what lives once the
# deadline has passed.
contain_look() {
    local unit
    cgroup_find "${TRADING[@]}"
    clock_ms
    SURVIVORS=()
    cgroup_visible || SURVIVORS=("UNKNOWN: no cgroup v2 tree at $CG_ROOT")
    for unit in "${!CGROUPS[@]}"; do
        cgroup_populated "${CGROUPS[$unit]}" || continue
        SURVIVORS+=("$unit")
        CONTAIN_SEEN[$unit]=1
        ((NOW_MS < CONTAIN_DEADLINE)) || contain_kill "$unit"
    done
    contain_look_outside
}

# contain_look_outside: the same for what lives outside the control group of its unit.
contain_look_outside() {
    local unit
    escaped_look
    for unit in "${!OUTSIDE[@]}"; do
        name_in "$unit" "${SURVIVORS[@]}" || SURVIVORS+=("$unit")
        CONTAIN_SEEN[$unit]=1
        ((NOW_MS < CONTAIN_DEADLINE)) || contain_kill_outside "$unit"
    done
}

contain_kill_outside() {
    local pid
    KILLED[$1]=${KILLED[$1]:-$NOW_MS}
    for pid in ${OUTSIDE[$1]}; do
        [[ ,${KILLED_PIDS[$1]:-}, == *,$pid,* ]] || KILLED_PIDS[$1]=${KILLED_PIDS[$1]:+${KILLED_PIDS[$1]},}$pid
    done
    escaped_kill "$1"
}

# contain_pids UNIT: into PIDS all its processes, wherever they live; needs a look.
contain_pids() {
    PIDS=()
    [[ -z ${CGROUPS[$1]:-} ]] || cgroup_pids "${CGROUPS[$1]}"
    # shellcheck disable=SC2206 # a list of numbers
    PIDS+=(${OUTSIDE[$1]:-})
}

contain_kill() {
    local since=${KILLED[$1]:-$NOW_MS}
    cgroup_kill "${CGROUPS[$1]}"
    if [[ -z ${KILLED[$1]:-} ]]; then
        contain_note_pids "$1"
    else
        cgroup_kill_each "${CGROUPS[$1]}"
    fi
    KILLED[$1]=$since
    ((NOW_MS - since < CONTAIN_CUT_AFTER)) || contain_cut "$1"
}

# contain_note_pids UNIT: into KILLED_PIDS the first of those that are just being killed, for the record.
contain_note_pids() {
    local pids=''
    # To its end, as in cgroup_populated.
    IFS= read -r -d '' pids 2>/dev/null <"${CGROUPS[$1]}/cgroup.procs"
    ((${#pids} < 200)) || { pids=${pids:0:200} && pids=${pids%$'\n'*}$'\n'; }
    pids=${pids//$'\n'/,}
    KILLED_PIDS[$1]=${pids%,}
}

# contain_cut UNIT: what outlives SIGKILL (a process in uninterruptible sleep) must at least not reach
# an exchange. The empty file tells the release to undo it.
contain_cut() {
    [[ -z ${CUT[$1]:-} ]] && room_left || return 0
    CUT[$1]=1
    journal 1 "$1 SURVIVES SIGKILL: cutting it off the network. Reboot this host if it does not go away." "UNIT=$1"
    {
        mkdir -p -- "$CUT_DIR" && : >"$CUT_DIR/$1"
        sd set-property --runtime -- "$1" IPAddressDeny=any
    } >/dev/null 2>&1 &
}
declare -gA CONTAIN_SEEN=()
