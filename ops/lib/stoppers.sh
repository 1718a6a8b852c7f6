# shellcheck shell=bash
# Who stops trading, and what he left behind, may come late: a start of the enforcer, a flag that a slow disk takes its
# time for, a stop of units. A release waits for them, or what they do would undo it. They are known by a file that they
# have open: that takes them no process, and it ends with them, whatever ends them.

STOPPERS_PATIENCE=5000 # ms that a release waits for them
STOPPERS_POLL=50       # ms
STOPPER_FD=

# stopper_begin: from now on a release waits for us, and for the children we make. Before the flag, and before a look
# whether somebody releases: there is no moment at which neither sees the other.
stopper_begin() {
    [[ -z $STOPPER_FD ]] || return 0
    # The flag does not wait for a process that cannot be had.
    [[ -d $RUNTIME_DIR ]] || ! room_left || mkdir -p -- "$RUNTIME_DIR" 2>/dev/null
    # Who is not root could hold up every release.
    umask 077
    { exec {STOPPER_FD}<>"$STOPPERS_FILE"; } 2>/dev/null || STOPPER_FD=
    umask 022
}

# stopper_end: not for us, as far as we are concerned; for the children we made it does.
stopper_end() {
    [[ -z $STOPPER_FD ]] || exec {STOPPER_FD}>&-
    STOPPER_FD=
}

# stoppers_find: into STOPPERS their pids. One that was killed and hangs in the kernel does nothing any more.
stoppers_find() {
    local file pid
    STOPPERS=()
    [[ -e $STOPPERS_FILE ]] || return 0
    while IFS= read -r file; do
        # Of that name there may be one in each container.
        [[ $file -ef $STOPPERS_FILE ]] || continue
        pid=${file#/proc/}
        pid=${pid%%/*}
        name_in "$pid" "$$" "${STOPPERS[@]}" || stoppers_is_killed "$pid" || STOPPERS+=("$pid")
    done < <(timeout 5 find /proc/[0-9]*/fd -maxdepth 1 -lname "$STOPPERS_FILE" 2>/dev/null)
}

# stoppers_is_killed PID: SIGKILL waits for it to come back from the kernel.
stoppers_is_killed() {
    local key mask
    while read -r key mask; do
        [[ $key == @(SigPnd|ShdPnd): ]] && ((0x$mask & 0x100)) && return 0
    done 2>/dev/null <"/proc/$1/status"
    return 1
}

# stoppers_outlast: true once RELEASING is there and nobody is at work who had not seen it. False, and said, when that
# takes too long.
stoppers_outlast() {
    local until
    clock_ms
    until=$((NOW_MS + STOPPERS_PATIENCE))
    while :; do
        : >"$RELEASING"
        stoppers_find
        ((${#STOPPERS[@]})) || return 0
        rm -f -- "$RELEASING"
        clock_ms
        ((NOW_MS < until)) || break
        pause "$STOPPERS_POLL"
    done
    complain "release refused: who asked for the stop is still at work (pid ${STOPPERS[*]}); the latch is still set" \
        "Wait for it, or end it: kill -KILL ${STOPPERS[*]}. Then deactivate again."
    return 1
}
