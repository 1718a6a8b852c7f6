# shellcheck shell=bash
# shellcheck disable=SC2310 # see lab.sh
# shellcheck disable=SC2154 # memory: of parse_options or the lab's conf
# The cgroups of a lab outside of cgroup v2: nspawn makes one in the hierarchy that is systemd's own on a host with v1,
# and memory can be limited only where the host keeps that.

SYSTEMD_V1=/sys/fs/cgroup/systemd
MEMORY_V1=/sys/fs/cgroup/memory

# Usage: remove_cgroups NAME...: those nobody is in.
remove_cgroups() {
    local name path found=()
    for name; do
        for path in "$CGROUP_ROOT/$name" "$SYSTEMD_V1/$name" "$MEMORY_V1/$name"; do
            [[ ! -d $path ]] || found+=("$path")
        done
    done
    ((${#found[@]} == 0)) || find "${found[@]}" -depth -type d -exec rmdir {} + 2>/dev/null || :
}

# What is left of labs that ended while nobody cleared that up.
sweep_v1() {
    local path name gone=()
    for path in {"$SYSTEMD_V1","$MEMORY_V1"}/"${CGROUP_PREFIX##*/}"*; do
        name=${path##*/}
        [[ ! -d $path || -d $CGROUP_ROOT/$name || -d $LAB_DIR/labs/${name#"${CGROUP_PREFIX##*/}"} ]] || gone+=("$name")
    done
    remove_cgroups ${gone[@]+"${gone[@]}"}
}

# Has the machine's systemd own the memory, too, so that it heeds MemoryMax=. Where that is on cgroup v1 the machine has
# v1 and v2, which its systemd must still know (not that of trixie), and the processes are in a v1 cgroup as well.
own_memory() {
    local own
    if [[ ! -e $MEMORY_V1/memory.limit_in_bytes ]]; then
        printf +memory >"$LAB_CGROUP/cgroup.subtree_control"
        return
    fi
    for own in "$MEMORY_V1/${LAB_CGROUP##*/}" "$SYSTEMD_V1/${LAB_CGROUP##*/}"; do
        mkdir -p "$own" && printf 0 >"$own/cgroup.procs" || return
    done
    unset SYSTEMD_NSPAWN_UNIFIED_HIERARCHY
}

# nspawn shows v1 read-only, and systemd looks when it starts what it may use.
open_memory() {
    [[ -n $memory && -e $MEMORY_V1/memory.limit_in_bytes ]] || return 0
    enter_lab mount -o remount,bind,rw "$MEMORY_V1" </dev/null || die "lab $1: $MEMORY_V1 stays read-only in it"
    enter_lab systemctl daemon-reexec </dev/null
    await_running "$1"
}
