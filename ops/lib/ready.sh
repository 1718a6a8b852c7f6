# shellcheck shell=bash
# What must hold before a release. Nothing is changed until it does.

READY_PATIENCE=5 # s for a busy systemd to answer
READY_POLL=50    # ms

ready_lock() {
    local holder
    [[ -d $RUNTIME_DIR ]] || mkdir -p -- "$RUNTIME_DIR" 2>/dev/null
    if ! { exec {RELEASE_FD}>>"$RELEASE_LOCK"; } 2>/dev/null; then
        complain "release refused: cannot write $RELEASE_LOCK" 'Is /run full? Make room, then deactivate again.'
        return 1
    fi
    if ! flock -n "$RELEASE_FD"; then
        read -r holder 2>/dev/null <"$RELEASE_LOCK"
        complain "another release is running (pid ${holder:-unknown}); this one did nothing" 'Wait for it, or end it with Ctrl-C in its terminal.'
        return 1
    fi
    : >"$RELEASE_LOCK"
    printf '%s\n' "$$" >&"$RELEASE_FD"
}

# ready_disk: the disk with the latch answers.
ready_disk() {
    local on_disk=$STATE_DIR
    disk_answers && return 0
    complain "release refused: the disk with $on_disk does not answer; the latch is still set" 'Mend the disk, then deactivate again.'
    return 1
}

# ready_watched: systemd answers, and what watches the flag is there to do so again. Else nothing is touched.
ready_watched() {
    local path=$UNIT_PREFIX.path
    SYSTEMD_TIMEOUT=$READY_PATIENCE
    if ! sd_active "$path"; then
        complain 'release refused: systemd does not answer; the latch is still set' 'See RUNBOOK.md, "systemd is broken".'
        return 1
    fi
    [[ ${UNIT_PROP["$path.ActiveState"]:-} == active ]] || sd start -- "$path" && return 0
    complain "release refused: $path does not start, so nothing would watch the flag; the latch is still set" \
        "Look at: systemctl status $path"
    return 1
}

# ready_contained: trading is proved dead, or is within 5 s. A release takes the gate away, and what
# outlives SIGKILL would be free.
ready_contained() {
    local tries=0
    # Without a latch this finishes a release that was cut short: what lives was started by that.
    latch_is_set || return 0
    contain_begin 1
    CONTAIN_DEADLINE=$NOW_NEVER
    contain_look
    while ((${#SURVIVORS[@]} && tries++ < 100)); do
        pause "$READY_POLL"
        contain_look
    done
    ((${#SURVIVORS[@]})) || return 0
    complain "release refused: still alive: ${SURVIVORS[*]}; the latch is still set" 'Stop it first: ess_controller.sh activate; what survives that goes away with a reboot only.'
    return 1
}

# ready_outlast: nobody who asked for the stop is still at work, and nobody has asked again since RELEASE_ASKED. True with
# the marker of a release in place: who asks from now on sees that.
ready_outlast() {
    stoppers_outlast || return 1
    latch_asked
    [[ $LATCH_ASKED != "$RELEASE_ASKED" ]] || request_waits || return 0
    rm -f -- "$RELEASING"
    complain 'release refused: meanwhile somebody has asked for the stop again; the latch is still set' \
        'Find out who and why (status), then deactivate again.'
    return 1
}
