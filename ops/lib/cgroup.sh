# shellcheck shell=bash
# Trading processes as the kernel sees them. No systemd, no D-Bus: this works when PID 1 does not.

# cgroup_is_unit DIR: true for the directory of one service or scope below the root, and for nothing
# else. Every write goes through this: <root>/cgroup.kill would end the whole machine.
cgroup_is_unit() {
    [[ -n $CG_ROOT && $1 == "$CG_ROOT"/*.service && $1 != *..* && -d $1 ]]
}

# cgroup_visible: false where the control groups cannot be seen at all; nothing is known then.
cgroup_visible() {
    [[ -e $CG_ROOT/cgroup.controllers ]]
}

# cgroup_find PATTERN...: into CGROUPS (name -> directory) the units that exist as control groups and
# match. Only slices are entered: a service of that name inside somebody's container is not ours.
cgroup_find() {
    declare -gA CGROUPS=()
    [[ "=$*" == "${CG_WANTED:-}" ]] || cgroup_want "$@"
    shopt -s nullglob
    cgroup_enter "$CG_ROOT"
}

# cgroup_want PATTERN...: into CG_EXACT and CG_PATTERNS, once for as long as the same are asked for.
cgroup_want() {
    local pattern
    declare -gA CG_EXACT=()
    CG_PATTERNS=()
    for pattern in "$@"; do
        if name_is_pattern "$pattern"; then CG_PATTERNS+=("$pattern"); else CG_EXACT[$pattern]=1; fi
    done
    CG_WANTED="=$*"
}

cgroup_enter() {
    local dir name
    for dir in "$1"/*.slice; do
        cgroup_enter "$dir"
    done
    # Of many services few are ours, and twenty times a second each word here counts.
    for dir in "$1"/*.service; do
        name=${dir##*/}
        name=${name#_}
        [[ -n ${CG_EXACT[$name]:-} ]] || { ((${#CG_PATTERNS[@]})) && name_in "$name" "${CG_PATTERNS[@]}"; } || continue
        CGROUPS[$name]=$dir
    done
}

# cgroup_populated DIR: true while any process lives anywhere below; a directory that cannot be read
# and is still there counts as populated.
cgroup_populated() {
    local events=''
    # To its end: of a group that is gone meanwhile bash cannot put back what it has read too much, and takes it for
    # the first line of the next file it reads.
    IFS= read -r -d '' events 2>/dev/null <"$1/cgroup.events"
    case $'\n'$events in
        *$'\npopulated 0\n'*) return 1 ;;
        *$'\npopulated '*) return 0 ;;
    esac
    [[ -d $1 ]]
}

# cgroup_pids DIR: into PIDS, every process in the subtree.
cgroup_pids() {
    local file pid
    PIDS=()
    while IFS= read -r file; do
        while read -r pid; do PIDS+=("$pid"); done 2>/dev/null <"$file"
    done < <(timeout 1 find "$1" -name cgroup.procs 2>/dev/null)
}

# cgroup_kill DIR: SIGKILL to everything in the subtree, at once and including what forks meanwhile. What outlives that
# is for cgroup_kill_each.
cgroup_kill() {
    cgroup_is_unit "$1" || return 1
    if [[ -e $1/cgroup.kill ]]; then
        # A builtin, not a subshell: a fork bomb may have left us no process to fork.
        { printf 1 >"$1/cgroup.kill"; } 2>/dev/null
    else
        cgroup_kill_frozen "$1"
    fi
}

# cgroup_kill_each DIR: SIGKILL to each process by itself, without a fork: cgroup.kill passes over one whose main thread
# has ended, and a threaded group refuses it. The number of a thread stands for its process.
cgroup_kill_each() {
    local file id ids
    cgroup_is_unit "$1" || return 1
    shopt -s nullglob globstar
    for file in "$1"/**/cgroup.threads; do
        ids=''
        # To its end, as in cgroup_populated.
        IFS= read -r -d '' ids 2>/dev/null <"$file"
        # 0 is a process outside our PID namespace, and for kill all of our own.
        for id in $ids; do ((id <= 1)) || kill -s KILL "$id" 2>/dev/null; done
    done
}

# Kernels before 5.14 have no cgroup.kill; freezing first is what keeps a fork bomb from outrunning us.
cgroup_kill_frozen() {
    { printf 1 >"$1/cgroup.freeze"; } 2>/dev/null
    cgroup_signal KILL "$1"
    { printf 0 >"$1/cgroup.freeze"; } 2>/dev/null
}

# cgroup_signal SIGNAL DIR
cgroup_signal() {
    cgroup_is_unit "$2" || return 1
    cgroup_pids "$2"
    ((${#PIDS[@]})) && kill -s "$1" "${PIDS[@]}" 2>/dev/null
}
