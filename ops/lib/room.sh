# shellcheck shell=bash
# Room for one more process. Bash ends where it gets none: without memory at once, in a full process table after it has
# tried for 15 s. A stop looks first, does without where it can, and has the last word when bash ends all the same.

ROOM_NONE=254 # what bash ends with then

# room_left: true unless the process table, or that of a control group we are in, is nearly full. Without a fork.
room_left() {
    local _ tasks max pids
    read -r _ _ _ tasks _ </proc/loadavg
    read -r max </proc/sys/kernel/threads-max
    read -r pids </proc/sys/kernel/pid_max
    ((max < pids)) || max=$pids
    ((${tasks#*/} < max * 9 / 10)) && room_in_groups
}

# room_in_groups: a container, or TasksMax= of a slice, gives less room than the host has, and /proc does not show it.
room_in_groups() {
    local groups='' dir max now
    IFS= read -r -d '' groups 2>/dev/null </proc/self/cgroup
    groups=$'\n'$groups
    [[ $groups == *$'\n0::/'* ]] || return 0
    groups=${groups#*$'\n0::'}
    dir=${groups%%$'\n'*}
    while :; do
        max=max now=0
        read -r max 2>/dev/null <"$CG_ROOT$dir/pids.max" && read -r now 2>/dev/null <"$CG_ROOT$dir/pids.current"
        [[ ! $max =~ ^[0-9]+$ ]] || ((now < max * 9 / 10)) || return 1
        [[ -n $dir ]] || return 0
        dir=${dir%/*}
    done
}

# room_end VERB: the last word, for an EXIT trap: what can be done without a process is, and who asked is told that
# nothing else is known.
room_end() {
    (($? == ROOM_NONE)) || return 0
    # Wherever bash was, it was in somebody's words.
    local IFS=$' \t\n'
    set +f
    case $1 in
        enforce) room_enforce ;;
        sentry) ! room_latched || room_kill ;;
        request) ! request_waits || { latch_at_once request 'asked for without root' '' && room_kill; } ;;
        activate) room_activate ;;
        deactivate) room_deactivate ;;
        status | doctor) room_status ;;
    esac
}

room_latched() {
    latch_there "$RUN_FLAG" || latch_there "$VAR_FLAG"
}

# room_kill: there is nobody to wait with, so nobody gets a grace.
room_kill() {
    config_once
    contain_now
}

# room_enforce: systemd starts us anew; meanwhile the gate is shut.
room_enforce() {
    room_latched || [[ -e $RELEASING ]] || { : >>"$RUN_FLAG"; } 2>/dev/null
    ! room_latched || room_kill
}

room_activate() {
    if ((EUID == 0)); then
        latch_at_once "$OPT_SOURCE" "$OPT_REASON" "$OPT_CATEGORY"
        room_kill
    fi
    room_complain 'it is not known whether trading is down'
    exit "$EXIT_NOT_CONTAINED"
}

# room_deactivate: a release that came to nothing half-way leaves no flag, and a list of what ran.
room_deactivate() {
    local what='not released: the latch is still set'
    if ! room_latched && [[ -e $RUNNING_FILE ]]; then
        latch_at_once release 'no process could be made' 1
        room_kill
        what='release failed; latched again'
    elif ! room_latched; then
        what='it is not known how far the release came'
    fi
    room_complain "$what"
    exit "$EXIT_RELEASE_FAILED"
}

room_status() {
    if room_latched; then
        room_complain 'the latch is set; it is not known whether trading is down'
        exit "$EXIT_NOT_CONTAINED"
    fi
    room_complain 'it is not known whether the stop is armed'
    exit "$EXIT_NOT_ARMED"
}

room_complain() {
    complain "no process can be made here: $1" 'Make room (memory, or end what makes processes), then: status'
}
