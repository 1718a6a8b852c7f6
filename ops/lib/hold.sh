# shellcheck shell=bash
# The hold: while the latch is set its flags stay where they are and nothing of trading lives, until it is released.

HOLD_LOOK=50        # ms between two looks
HOLD_LOG_EVERY=1000 # ms between two journal lines about the same thing

# hold_watch: hold. Ends only when the latch was released.
hold_watch() {
    local last=0
    CONTAIN_DEADLINE=0
    [[ -n $FELL_BOOT ]] || fell_find
    while hold_flags; do
        listed_look
        contain_look
        snapshot_keep
        if ((${#SURVIVORS[@]} && NOW_MS - last >= HOLD_LOG_EVERY)); then
            last=$NOW_MS
            journal 2 "killed while latched: ${SURVIVORS[*]}" EVENT=killed "${SURVIVORS[@]/#/UNIT=}"
            hold_tell_kill
            { hold_ask_again; } </dev/null >/dev/null 2>&1 &
        fi
        pause "$HOLD_LOOK"
    done
}

# hold_ask_again: what came to life while latched is stopped, and may have left its control group, too.
hold_ask_again() {
    sd stop --no-block -- "${SURVIVORS[@]}"
    sd_show "$SNAPSHOT_PROPERTIES" "${TRADING[@]}" && escaped_ask
}

# hold_tell_kill: at most once a minute, however often somebody tries.
hold_tell_kill() {
    ((NOW_MS - ${HOLD_TOLD_KILL:--60000} >= 60000)) || return 0
    HOLD_TOLD_KILL=$NOW_MS
    enforce_activation
    spool_event killed "$ACTIVATION" "units=${SURVIVORS[*]}"
}

# hold_keep: while a trading process is alive nobody may open the gate; if both flags are gone, whoever
# took them, one is put back. Without a fork where that can be: a fork bomb may have left us none.
hold_keep() {
    latch_is_set || hold_release_running || { : >>"$RUN_FLAG"; } 2>/dev/null || hold_mend
}

# hold_flags: true while latched; puts a flag that went missing back.
hold_flags() {
    local both=${HOLD_BOTH:-}
    # After a release that was cut short both are gone at once, too; that is no decision to leave it so.
    { ! disk_back && [[ ! -e $RELEASING ]]; } || both=''
    HOLD_BOTH=''
    [[ -e $RUN_FLAG && -e $VAR_FLAG && ! -L $RUN_FLAG && ! -L $VAR_FLAG ]] && HOLD_BOTH=1 && return 0
    if hold_release_running; then
        ! hold_released
        return
    fi
    # The same command may be about to remove the other one.
    [[ -z $both ]] || ! latch_is_set || pause $((BYHAND_ONE_ACT / 1000000))
    if [[ -n $both ]] && ! latch_is_set && byhand_decided; then
        byhand_done
        return 1
    fi
    hold_mend
}

# hold_mend: put back what is missing; a release may have begun since we have looked for one.
hold_mend() {
    clock_ms
    if ((NOW_MS - ${HOLD_MENDED:--99999} >= HOLD_LOG_EVERY)); then
        journal 2 'a latch flag went missing without a release: putting it back'
        HOLD_MENDED=$NOW_MS
    fi
    latch_mend "$CONTENT" "$RELEASING"
}

# hold_release_running: true while a live process holds the release lock and is removing flags. A
# marker left by a release that was killed is swept away.
hold_release_running() {
    [[ -e $RELEASING ]] || return 1
    if flock -n "$RELEASE_LOCK" true 2>/dev/null; then
        rm -f -- "$RELEASING"
        return 1
    fi
}

# hold_released: both flags are gone and it was a release that removed them.
hold_released() {
    ! latch_is_set && hold_release_running
}
