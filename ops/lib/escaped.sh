# shellcheck shell=bash
# Trading processes that left their unit's control group: a login (su -), systemd-run --scope or root itself moves
# them. The kernel's word that the group is empty says nothing of them; systemd, whose main process one may be, does,
# the process that made them, and the number of the unit's run that systemd gave to each.

ESCAPED_PATIENCE=1000 # ms a stop waits for systemd's word about main processes
ESCAPED_AGAIN=20      # ms between looks while a stop's grace lasts
ESCAPED_MOST=4096     # processes that are looked at; under a fork bomb the kill comes first

# escaped_find: into ESCAPED_LIST "pid start unit", start in ticks since boot, for every process of a trading unit
# that lives outside its control group. After sd_show of SNAPSHOT_PROPERTIES it knows main processes, too. What the
# file knew stays: a parent that is dead by now no longer tells of its children.
escaped_find() {
    local unit pid
    declare -gA ESCAPED_SEEN=()
    ESCAPED_LEFT=$ESCAPED_MOST
    ESCAPED_LIST=''
    escaped_read
    cgroup_find "${TRADING[@]}"
    for pid in "${!ESCAPED[@]}"; do
        escaped_lives "$pid" && escaped_follow "${ESCAPED[$pid]#* }" "$pid"
    done
    for unit in "${!CGROUPS[@]}"; do
        escaped_members "${CGROUPS[$unit]}"
        for pid in $ESCAPED_PIDS; do escaped_follow "$unit" "$pid"; done
    done
    for unit in "${UNITS_SEEN[@]}"; do
        escaped_follow "$unit" "${UNIT_PROP["$unit.MainPID"]:-0}"
        escaped_follow "$unit" "${UNIT_PROP["$unit.ControlPID"]:-0}"
    done
}

# escaped_ask: all that escaped_find finds, and those whose parents are dead, into the file. Run it as a child of the
# enforcer that nobody waits for: the environment of a process that hangs in the kernel may not be readable, ever.
escaped_ask() {
    escaped_find
    [[ -z $ESCAPED_LIST ]] || escaped_write ''
    escaped_by_run
    escaped_write "$$"
}

# escaped_keep: look again until the kill is due, as long as a group has anybody: a program may start another elsewhere
# as it ends. Not under a fork bomb.
escaped_keep() {
    local told=$ESCAPED_LIST unit lives=1 until
    # The numbers that systemd told may soon be others'.
    UNITS_SEEN=()
    clock_ms
    # Who is only there in case the enforcer is not has no deadline yet.
    until=$((NOW_MS + ENFORCE_GRACE_MAX))
    ((until < CONTAIN_DEADLINE)) || until=$CONTAIN_DEADLINE
    while [[ -n $lives ]] && ((NOW_MS < until)) && room_left; do
        pause "$ESCAPED_AGAIN"
        escaped_find
        [[ $ESCAPED_LIST == "$told" ]] || escaped_write "$$"
        told=$ESCAPED_LIST lives=''
        for unit in "${!CGROUPS[@]}"; do ! cgroup_populated "${CGROUPS[$unit]}" || lives=1; done
        clock_ms
    done
}

# escaped_by_run: into ESCAPED_LIST those that systemd started, or whose forefathers it did, as this run of a unit.
escaped_by_run() {
    local unit run line
    local -a wanted=()
    local -A runs=()
    for unit in "${UNITS_SEEN[@]}"; do
        run=${UNIT_PROP["$unit.InvocationID"]:-}
        [[ $run =~ ^[0-9a-f]{32}$ ]] || continue
        runs[$run]=$unit
        wanted+=(-e "INVOCATION_ID=$run")
    done
    ((${#wanted[@]})) || return 0
    while IFS= read -r -d '' line; do
        unit=${runs[${line##*=}]:-}
        line=${line#/proc/}
        [[ -z $unit ]] || escaped_follow "$unit" "${line%%/*}"
    done < <(timeout 1 grep -zxFH "${wanted[@]}" -- /proc/[0-9]*/environ 2>/dev/null)
}

# escaped_note: remember them while nothing is stopped; in a stop their parents may be dead before anybody looks.
escaped_note() {
    local known='' unit
    local -a empty=()
    UNITS_SEEN=()
    cgroup_find "${TRADING[@]}"
    for unit in "${TRADING[@]}"; do
        [[ -n ${CGROUPS[$unit]:-} ]] && cgroup_populated "${CGROUPS[$unit]}" || empty+=("$unit")
    done
    # With nobody in its control group, a unit that runs has its main process elsewhere.
    ((${#empty[@]} == 0)) || sd_show 'MainPID ControlPID' "${empty[@]}"
    escaped_find
    [[ ! -f $ESCAPED_FILE ]] || IFS= read -r -d '' known 2>/dev/null <"$ESCAPED_FILE"
    [[ $known == "$ESCAPED_LIST" ]] || escaped_write ''
}

# escaped_write ENFORCER: put down what escaped_find found, and the pid of the enforcer whose question to systemd is
# answered by it; empty for none.
escaped_write() {
    [[ -d $RUNTIME_DIR ]] || mkdir -p -- "$RUNTIME_DIR"
    printf '%s%s' "${1:+asked $1$'\n'}" "$ESCAPED_LIST" >"$ESCAPED_FILE.$BASHPID" &&
        mv -fT -- "$ESCAPED_FILE.$BASHPID" "$ESCAPED_FILE"
}

# escaped_follow UNIT PID: into ESCAPED_LIST this process and all it made, as far as they are outside.
escaped_follow() {
    local unit=$1 pid
    local -a todo=("$2")
    # A loop: a chain of thousands of processes would be too deep for bash to follow itself.
    while ((${#todo[@]})); do
        pid=${todo[-1]}
        unset 'todo[-1]'
        [[ $pid =~ ^[1-9][0-9]{0,9}$ && -z ${ESCAPED_SEEN[$pid]:-} ]] || continue
        ((pid > 1 && ESCAPED_LEFT-- > 0)) || continue
        ESCAPED_SEEN[$pid]=1
        if ! escaped_inside "$unit" "$pid" && escaped_start "$pid"; then
            ESCAPED_LIST+="$pid $ESCAPED_START $unit"$'\n'
            escaped_scope
            # shellcheck disable=SC2206 # a list of numbers
            todo+=($ESCAPED_PIDS)
        fi
        escaped_children "$pid"
        # shellcheck disable=SC2206 # a list of numbers
        todo+=($ESCAPED_PIDS)
    done
}

# escaped_scope: into ESCAPED_PIDS all of the scope in ESCAPED_GROUP, when none in it is older than ESCAPED_START: then
# it was made for this process (systemd-run, a login), and so is of the unit whoever in it lost his parents.
escaped_scope() {
    local began=$ESCAPED_START pid
    ESCAPED_PIDS=''
    [[ $ESCAPED_GROUP == *.scope ]] || return 0
    escaped_gather "$ESCAPED_GROUP/cgroup.procs"
    for pid in $ESCAPED_PIDS; do
        ! escaped_start "$pid" || ((ESCAPED_START >= began)) || { ESCAPED_PIDS='' && return 0; }
    done
}

# escaped_start PID: into ESCAPED_START when it was started, in ticks since boot; false when it does not live. One that
# is a zombie lives when it has threads: only its main thread has ended.
escaped_start() {
    local stat='' IFS=$' \n'
    local -a fields
    IFS= read -r -d '' stat 2>/dev/null <"/proc/$1/stat"
    # Behind the name, which may contain anything, numbers follow.
    # shellcheck disable=SC2206
    fields=(${stat##*) })
    [[ ${fields[19]:-} =~ ^[0-9]+$ && ${fields[0]} != X ]] || return 1
    [[ ${fields[0]} != Z ]] || ((fields[17] > 1)) || return 1
    ESCAPED_START=${fields[19]}
}

# escaped_lives PID: true while the process that the file tells of lives, and its number is not another's.
escaped_lives() {
    escaped_start "$1" && [[ $ESCAPED_START == "${ESCAPED[$1]% *}" ]]
}

# escaped_inside UNIT PID: true for a process in the unit's control group or below; into ESCAPED_GROUP where it is.
escaped_inside() {
    local groups=''
    # To its end, as in cgroup_populated.
    IFS= read -r -d '' groups 2>/dev/null <"/proc/$2/cgroup"
    groups=$'\n'$groups
    groups=${groups#*$'\n0::'}
    ESCAPED_GROUP=$CG_ROOT${groups%%$'\n'*}
    [[ -n ${CGROUPS[$1]:-} && $ESCAPED_GROUP/ == "${CGROUPS[$1]}/"* ]]
}

# escaped_children PID: into ESCAPED_PIDS, those of all its threads.
escaped_children() {
    escaped_gather "/proc/$1/task/"*/children
}

# escaped_members DIR: into ESCAPED_PIDS those in the group, and in what is right below it.
escaped_members() {
    escaped_gather "$1"/cgroup.procs "$1"/*/cgroup.procs
}

escaped_gather() {
    local file line
    ESCAPED_PIDS=''
    for file in "$@"; do
        line=''
        IFS= read -r -d '' line 2>/dev/null <"$file"
        ESCAPED_PIDS+=" $line"
    done
}

# escaped_read: into ESCAPED (pid -> "start unit") what the file says, into ESCAPED_BY the enforcer it is for.
escaped_read() {
    local pid start unit
    declare -gA ESCAPED=()
    ESCAPED_BY=''
    # Nothing else: to open a FIFO is to wait for a writer.
    [[ -f $ESCAPED_FILE ]] || return 0
    while read -r pid start unit; do
        [[ $pid != asked ]] || ESCAPED_BY=$start
        [[ $pid =~ ^[1-9][0-9]{0,9}$ && $start =~ ^[0-9]+$ && -n $unit ]] && ESCAPED[$pid]="$start $unit"
    done 2>/dev/null <"$ESCAPED_FILE"
    return 0
}

# escaped_look: into OUTSIDE (unit -> pids) those that live; who may not see processes takes all of them for alive.
# Forks nothing.
escaped_look() {
    local pid
    declare -gA OUTSIDE=()
    escaped_read
    for pid in "${!ESCAPED[@]}"; do
        [[ -e /proc/1/stat ]] && ! escaped_lives "$pid" || OUTSIDE[${ESCAPED[$pid]#* }]+=" $pid"
    done
}

# escaped_kill UNIT: SIGKILL to what escaped_look found, and to what that made meanwhile.
escaped_kill() {
    local pid child
    for pid in ${OUTSIDE[$1]}; do
        escaped_children "$pid"
        kill -s KILL "$pid" 2>/dev/null
        for child in $ESCAPED_PIDS; do kill -s KILL "$child" 2>/dev/null; done
    done
}

# escaped_known: true once this enforcer's question about main processes is answered, or has taken too long.
escaped_known() {
    [[ $ESCAPED_BY == "$$" ]] || ((NOW_MS - CONTAIN_BEGAN > ESCAPED_PATIENCE))
}
