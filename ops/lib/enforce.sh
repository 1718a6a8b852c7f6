# shellcheck shell=bash
# The enforcer: what quantum-ess-trigger.service runs for as long as the latch is set. That it was
# started is the trip; a flag that is already gone again (a unit with RuntimeDirectory=quantum takes
# /run/quantum with it) changes nothing.

ENFORCE_WATCH=50       # ms between looks while the latch holds
ENFORCE_PROOF=50       # ms the trading groups must be empty before we say so
ENFORCE_LOG_EVERY=1000 # ms between two journal lines about the same thing
ENFORCE_GRACE_MAX=1500 # ms, the longest grace a configuration can give

enforce() {
    trap '' HUP
    # The unit has none, see there. Not waited for: the stop does without.
    ! room_left || { renice -n -20 -p "$$"; } </dev/null >/dev/null 2>&1 &
    enforce_released || enforce_trip
    rm -f -- "$ENFORCER_FILE" "$ENFORCER_FILE".* "$TRIP_FILE" "$ESCAPED_FILE" "$ESCAPED_FILE".*
}

# enforce_trip: stop and hold; returns when the latch was released.
enforce_trip() {
    # Not with a full process table, which a child might have to wait for.
    ! room_left || disk_answers ||
        journal 1 "the disk with $VAR_FLAG does not answer; stopping trading without it"
    enforce_content
    if enforce_in_haste; then
        config_for_trip
        contain_now
    fi
    # A flag that is about to be written anew no longer tells when the latch fell.
    [[ -e $RUN_FLAG && ! -L $RUN_FLAG ]] || fell_find
    latch_mend "$CONTENT"
    listed_read
    config_for_trip
    enforce_begin
    room_left || contain_now
    { contain_ask; } </dev/null >/dev/null 2>&1 &
    # What may be killed by now, is, before anything is told.
    contain_look
    enforce_backdate
    enforce_tell_begun
    enforce_stop
    enforce_watch
}

# enforce_content: into CONTENT what to write into a flag that lacks: the other flag's words, or ours.
enforce_content() {
    latch_read
    latch_content "${LATCH[source]:-flag}" "${LATCH[reason]:-the flag was set by hand}" "${LATCH[category]:-}" \
        "${LATCH[operator]:-unknown}" "${LATCH[id]:-}" "${LATCH[at]:-}"
}

enforce_begin() {
    local category=${LATCH[category]:-}
    [[ $category == [01] ]] || category=$STOP_CATEGORY
    enforce_activation
    contain_begin "$category"
}

enforce_tell_begun() {
    enforce_report stopping
    ! room_left || ! say_has_room || { say_child enforce_say_begun && ENFORCE_SAYER=$!; }
    [[ -z $CONFIG_NOTE ]] || journal 3 "configuration not usable: $CONFIG_NOTE"
}

# enforce_say_begun: by whom and why trading is being stopped. This line may wait until that is known; the stop does not.
enforce_say_begun() {
    latch_await_request
    say_line 1 "=== ESS ACTIVATION INITIATED === (${LATCH[source]:-flag}, ${LATCH[operator]:-unknown}: ${LATCH[reason]:-no reason written})" EVENT=trip
}

# enforce_backdate: the grace counts from the flag, not from our start: a host under a fork bomb takes its time to
# start us. That is too rough a time to tell what ran when the flag fell.
enforce_backdate() {
    local from=$ENFORCE_CLOCK
    if room_left && latch_age && ((LATCH_AGE_US > 0)); then
        clock_ms
        ((NOW_MS - LATCH_AGE_US / 1000 >= from)) || from=$((NOW_MS - LATCH_AGE_US / 1000))
    fi
    ((CONTAIN_DEADLINE -= CONTAIN_BEGAN - from))
}

# enforce_inherit: an enforcer that was killed leaves the time of the trip behind: nobody gets a second grace.
# Into ENFORCE_CLOCK that time, in ms since boot; now, when this is the first enforcer. Without a fork.
enforce_inherit() {
    local before=''
    clock_ms
    ENFORCE_CLOCK=$NOW_MS
    [[ -f $TRIP_FILE ]] && read -r before 2>/dev/null <"$TRIP_FILE"
    if [[ $before =~ ^[1-9][0-9]{0,14}$ ]] && ((before < NOW_MS)); then
        ENFORCE_CLOCK=$before
    else
        { printf '%s\n' "$NOW_MS" >"$TRIP_FILE"; } 2>/dev/null
    fi
}

# enforce_in_haste: nothing may be done before the kill: whoever killed the last enforcer kills this one, too,
# or the process table is nearly full.
enforce_in_haste() {
    enforce_inherit
    ((NOW_MS - ENFORCE_CLOCK >= ENFORCE_GRACE_MAX)) || ! room_left
}

# enforce_report PHASE [MS]: what we are doing, for whoever waits for us. Information only: nothing here is waited for.
# The first word takes no process: a name without words says as little as no name.
enforce_report() {
    local words
    enforce_activation
    printf -v words 'pid=%s\nphase=%s\nms=%s\nat_us=%s\nid=%s\n' "$$" "$1" "${2:-}" "${EPOCHREALTIME/./}" "$ACTIVATION"
    if [[ -d $RUNTIME_DIR && ! -e $ENFORCER_FILE ]]; then
        { printf '%s' "$words" >"$ENFORCER_FILE"; } 2>/dev/null
    else
        { enforce_report_anew "$words"; } </dev/null >/dev/null 2>&1 &
    fi
}

enforce_report_anew() {
    [[ -d $RUNTIME_DIR ]] || mkdir -p -- "$RUNTIME_DIR"
    printf '%s' "$1" >"$ENFORCER_FILE.$BASHPID" && exec mv -fT -- "$ENFORCER_FILE.$BASHPID" "$ENFORCER_FILE"
}

# enforce_stop: the ladder, until nothing lives. It never gives up; after 5 s it says so, and goes on.
enforce_stop() {
    local complained='' unit ms
    local empty_since=''
    contain_look
    while enforce_unproved; do
        if [[ -z $complained ]] && ((NOW_MS - CONTAIN_BEGAN > 5000)) && room_left; then
            # Under a fork bomb the killing does not wait for a process that tells of it.
            complained=1
            enforce_report not-contained
            journal 0 "=== NOT CONTAINED after 5 s: ${SURVIVORS[*]} still alive; still killing. Cut the host's network or power. ===" \
                EVENT=not-contained "${SURVIVORS[@]/#/UNIT=}"
            enforce_tell not-contained "alive=${SURVIVORS[*]}"
        fi
        pause "$CONTAIN_POLL"
        enforce_keep
        listed_look
        contain_look
    done
    ms=$ELAPSED_MS
    enforce_report contained "$ms"
    # PID 1 may have been done before our first look; it was asked to stop every one of them all the same.
    for unit in "${TRADING[@]}"; do
        # shellcheck disable=SC2004 # an associative array
        name_is_pattern "$unit" || CONTAIN_SEEN[$unit]=1
    done
    ! say_has_room || say_child enforce_say_contained "$ms"
    # Once, and not once more in the child that writes the certificate.
    [[ -z ${ENFORCE_CLOCK:-} || -n $FELL_BOOT ]] || fell_find
    enforce_tell contained "took=$ms"
}

# enforce_say_contained MS: one line a unit, and the last one after them. Waits for the journal, and for the first line.
enforce_say_contained() {
    local unit
    [[ -z ${ENFORCE_SAYER:-} ]] || say_after "$ENFORCE_SAYER"
    for unit in "${!CONTAIN_SEEN[@]}"; do
        say_line 5 "Stopping $unit${KILLED[$unit]:+ (killed)}" EVENT=contained "UNIT=$unit"
    done
    say_line 1 "=== ESS ACTIVATED - TRADING STOPPED === ($1 ms)" EVENT=contained
}

# enforce_tell EVENT [KEY=VALUE...]: the event and, before it, the trip; once an activation, and only when the
# stop is over or takes its time anyway.
enforce_tell() {
    enforce_activation
    enforce_asked
    ! spool_once "${ACTIVATION:-none}.trip" ||
        spool_event trip "$ACTIVATION" "operator=${LATCH[operator]:-unknown}" "source=${LATCH[source]:-flag}" \
            "reason=${LATCH[reason]:-the flag was set by hand}" "category=${LATCH[category]:-$STOP_CATEGORY}" "fell=${LATCH[at]:-}"
    ! spool_once "${ACTIVATION:-none}.$1" ||
        { certificate_units && spool_event "$1" "$ACTIVATION" "${@:2}" "${CERTIFICATE[@]}"; } </dev/null >/dev/null 2>&1 &
}

# enforce_asked: who made the request of this trip may be known only since the stop began.
enforce_asked() {
    [[ ${LATCH[source]:-} == request ]] || return 0
    latch_read_request
    latch_content request "${LATCH[reason]:-}" "${LATCH[category]:-}" "${LATCH[operator]:-unknown}" "${LATCH[id]:-}" "${LATCH[at]:-}"
}

# enforce_activation: into ACTIVATION the id of this one; empty when the flag has none that can be used.
enforce_activation() {
    ACTIVATION=${CONTENT#id=}
    ACTIVATION=${ACTIVATION%%$'\n'*}
    [[ $ACTIVATION =~ ^[0-9A-Za-z-]{1,64}$ ]] || ACTIVATION=''
}

# enforce_unproved: true until the groups were empty for ENFORCE_PROOF. One look is no proof: between a
# killed ExecStop= and the ExecStopPost= that PID 1 starts next, there is nobody. Nor are they one before systemd has
# told of main processes outside. Uses empty_since.
enforce_unproved() {
    if ((${#SURVIVORS[@]})); then
        empty_since=''
        return 0
    fi
    [[ -n $empty_since ]] || { empty_since=$NOW_MS && enforce_elapsed; }
    ((NOW_MS - empty_since < ENFORCE_PROOF)) || ! escaped_known
}

# enforce_elapsed: into ELAPSED_MS, from the flag to now; from our own start when the flag's age makes
# no sense (the clock was set, or the flag is from before a reboot).
enforce_elapsed() {
    local age
    ELAPSED_MS=$((NOW_MS - CONTAIN_BEGAN))
    latch_fell_known || return 0
    age=$(((${EPOCHREALTIME/./} - LATCH_FELL_US) / 1000))
    ((age < ELAPSED_MS - 10 || age >= 60000)) || ELAPSED_MS=$age
}

# enforce_watch: hold. Ends only when the latch was released.
enforce_watch() {
    local last=0
    CONTAIN_DEADLINE=0
    [[ -n $FELL_BOOT ]] || fell_find
    while enforce_hold; do
        listed_look
        contain_look
        snapshot_keep
        if ((${#SURVIVORS[@]} && NOW_MS - last >= ENFORCE_LOG_EVERY)); then
            last=$NOW_MS
            journal 2 "killed while latched: ${SURVIVORS[*]}" EVENT=killed "${SURVIVORS[@]/#/UNIT=}"
            enforce_tell_kill
            { enforce_ask_again; } </dev/null >/dev/null 2>&1 &
        fi
        pause "$ENFORCE_WATCH"
    done
}

# enforce_ask_again: what came to life while latched is stopped, and may have left its control group, too.
enforce_ask_again() {
    sd stop --no-block -- "${SURVIVORS[@]}"
    sd_show "$SNAPSHOT_PROPERTIES" "${TRADING[@]}" && escaped_ask
}

# enforce_tell_kill: at most once a minute, however often somebody tries.
enforce_tell_kill() {
    ((NOW_MS - ${ENFORCE_TOLD_KILL:--60000} >= 60000)) || return 0
    ENFORCE_TOLD_KILL=$NOW_MS
    enforce_activation
    spool_event killed "$ACTIVATION" "units=${SURVIVORS[*]}"
}

# enforce_keep: while a trading process is alive nobody may open the gate; if both flags are gone, whoever
# took them, one is put back. Without a fork where that can be: a fork bomb may have left us none.
enforce_keep() {
    latch_is_set || enforce_release_running || { : >>"$RUN_FLAG"; } 2>/dev/null || enforce_mend
}

# enforce_hold: true while latched; puts a flag that went missing back.
enforce_hold() {
    local both=${ENFORCE_BOTH:-}
    # After a release that was cut short both are gone at once, too; that is no decision to leave it so.
    { ! disk_back && [[ ! -e $RELEASING ]]; } || both=''
    ENFORCE_BOTH=''
    [[ -e $RUN_FLAG && -e $VAR_FLAG && ! -L $RUN_FLAG && ! -L $VAR_FLAG ]] && ENFORCE_BOTH=1 && return 0
    if enforce_release_running; then
        ! enforce_released
        return
    fi
    # The same command may be about to remove the other one.
    [[ -z $both ]] || ! latch_is_set || pause $((BYHAND_ONE_ACT / 1000000))
    if [[ -n $both ]] && ! latch_is_set && byhand_decided; then
        byhand_done
        return 1
    fi
    enforce_mend
}

# enforce_mend: put back what is missing; a release may have begun since we have looked for one.
enforce_mend() {
    clock_ms
    if ((NOW_MS - ${ENFORCE_MENDED:--99999} >= ENFORCE_LOG_EVERY)); then
        journal 2 'a latch flag went missing without a release: putting it back'
        ENFORCE_MENDED=$NOW_MS
    fi
    latch_mend "$CONTENT" "$RELEASING"
}

# enforce_release_running: true while a live process holds the release lock and is removing flags. A
# marker left by a release that was killed is swept away.
enforce_release_running() {
    [[ -e $RELEASING ]] || return 1
    if flock -n "$RELEASE_LOCK" true 2>/dev/null; then
        rm -f -- "$RELEASING"
        return 1
    fi
}

# enforce_released: both flags are gone and it was a release that removed them.
enforce_released() {
    ! latch_is_set && enforce_release_running
}
