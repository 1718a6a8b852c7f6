# shellcheck shell=bash
# shellcheck disable=SC2310 # see lab.sh
# shellcheck disable=SC2034 # CGROUP_PREFIX is for the files that are sourced after this one
# Shared by lab.sh and its parts: where things are kept, who is alive, what a name may look like.

LAB_DIR=${QT_ESS_LAB_DIR:-/var/cache/quantum-ess-lab}
PYTHON=${PYTHON:-python3}

die() {
    printf 'lab.sh: %s\n' "$*" >&2
    exit 1
}

note() {
    printf 'lab.sh: %s\n' "$*" >&2
}

find_cgroup_root() {
    local candidate
    for candidate in /sys/fs/cgroup /sys/fs/cgroup/unified; do
        [[ -e $candidate/cgroup.controllers ]] || continue
        CGROUP_ROOT=$candidate
        return
    done
    die "no cgroup2 below /sys/fs/cgroup: mount one at /sys/fs/cgroup/unified"
}

# Two lab directories must never meet in one cgroup, so its name carries the directory too.
set_paths() {
    [[ $LAB_DIR == /?* ]] || die "QT_ESS_LAB_DIR=$LAB_DIR: give an absolute path below /"
    find_cgroup_root
    digest "$LAB_DIR"
    CGROUP_PREFIX=$CGROUP_ROOT/qtlab-$REPLY-
    [[ -d $LAB_DIR/wheels ]] || mkdir -p "$LAB_DIR"/{images,layers,labs,locks,used,wheels}
}

# Sets REPLY to a number that no other directory is likely to have.
digest() {
    local at code
    REPLY=5381
    for ((at = 0; at < ${#1}; at++)); do
        printf -v code %d "'${1:at:1}"
        REPLY=$(((REPLY * 33 + code) & 0xffffffff))
    done
}

# Waits so many seconds, and starts no process for that.
nap() {
    [[ -n ${NEVER-} ]] || exec {NEVER}<> <(:)
    read -rt "$1" -u "$NEVER" || :
}

# Sets NOW, seconds since this host booted.
clock() {
    read -r NOW _ </proc/uptime
    NOW=${NOW%%.*}
}

check_name() {
    [[ ${1-} =~ ^[a-z0-9][a-z0-9-]{0,39}$ ]] ||
        die "'${1-}' is no lab name: use 1 to 40 of a-z 0-9 -, not starting with -"
}

# A pid alone may be reused while we look; pid and start time together may not. Sets REPLY to PID:START.
identify() {
    local stat fields
    { read -r stat <"/proc/${1:?}/stat"; } 2>/dev/null || return 1
    read -ra fields <<<"${stat##*) }"
    [[ ${fields[0]} != [ZX] ]] || return 1
    REPLY=$1:${fields[19]}
}

is_alive() {
    local REPLY
    identify "${1%%:*}" && [[ $REPLY == "$1" ]]
}

# What is kept for later labs has a mark that says when it was last asked for; it goes when nobody asked for days.
mark_used() {
    : >"$LAB_DIR/used/$1"
}

in_use() {
    grep -qsxF -e "image=$1" -e "layer=$1" "$LAB_DIR"/labs/*/conf
}

forget_unused() {
    local mark id
    while IFS= read -r -d '' mark; do
        id=${mark##*/}
        in_use "$id" || rm -rf --one-file-system "$LAB_DIR"/{images,layers,wheels,used}/"${id:?}"
    done < <(find "$LAB_DIR/used" -type f -mtime +2 -print0)
    find "$LAB_DIR/labs" -maxdepth 1 -name '.making-*' -mmin +10 -exec rm -rf --one-file-system {} +
}

# Usage: locked NAME COMMAND...: one at a time on this host; the kernel drops the lock with us.
locked() {
    local name=$1 lock
    shift
    exec {lock}>"$LAB_DIR/locks/$name"
    flock "$lock" || die "cannot lock $LAB_DIR/locks/$name"
    "$@"
    exec {lock}>&-
}
