# shellcheck shell=bash
# The enforcer: what quantum-ess-trigger.service runs for as long as the latch is set. That it was
# started is the trip; a flag that is already gone again (a unit with RuntimeDirectory=quantum takes
# /run/quantum with it) changes nothing.

ENFORCE_PROOF=50       # ms the trading groups must be empty before we say so
ENFORCE_GRACE_MAX=1500 # ms, the longest grace a configuration can give
enforce() {
    trap '' HUP
    # The unit has none, see there. Not waited for: the stop does without.
    ! room_left || { renice -n -20 -p "$$"; } </dev/null >/dev/null 2>&1 &
    hold_released || enforce_trip
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
    course_begun
    enforce_stop
    hold_watch
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
    elif [[ ! -e $TRIP_FILE || -f $TRIP_FILE ]]; then
        { printf '%s\n' "$NOW_MS" >"$TRIP_FILE"; } 2>/dev/null
    fi
}

# enforce_in_haste: nothing may be done before the kill: whoever killed the last enforcer kills this one, too,
# or the process table is nearly full.
enforce_in_haste() {
    enforce_inherit
    ((NOW_MS - ENFORCE_CLOCK >= ENFORCE_GRACE_MAX)) || ! room_left
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
            course_report not-contained
            journal 0 "=== NOT CONTAINED after 5 s: ${SURVIVORS[*]} still alive; still killing. Cut the host's network or power. ===" \
                EVENT=not-contained "${SURVIVORS[@]/#/UNIT=}"
            course_event not-contained "alive=${SURVIVORS[*]}"
        fi
        pause "$CONTAIN_POLL"
        hold_keep
        listed_look
        contain_look
    done
    ms=$ELAPSED_MS
    course_report contained "$ms"
    # PID 1 may have been done before our first look; it was asked to stop every one of them all the same.
    for unit in "${TRADING[@]}"; do
        # shellcheck disable=SC2004 # an associative array
        name_is_pattern "$unit" || CONTAIN_SEEN[$unit]=1
    done
    ! say_has_room || say_child course_say_contained "$ms"
    # Once, and not once more in the child that writes the certificate.
    [[ -z ${ENFORCE_CLOCK:-} || -n $FELL_BOOT ]] || fell_find
    course_event contained "took=$ms"
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
