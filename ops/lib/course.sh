# shellcheck shell=bash
# The course of a stop, as the enforcer tells it: to whoever waits for it, to the journal, into the spool. The stop
# waits for none of it.

# course_report PHASE [MS]: what we are doing, for whoever waits for us. Information only: nothing here is waited for.
# The first word takes no process: a name without words says as little as no name.
course_report() {
    local words
    enforce_activation
    printf -v words 'pid=%s\nphase=%s\nms=%s\nat_us=%s\nid=%s\n' "$$" "$1" "${2:-}" "${EPOCHREALTIME/./}" "$ACTIVATION"
    if [[ -d $RUNTIME_DIR && ! -e $ENFORCER_FILE ]]; then
        { printf '%s' "$words" >"$ENFORCER_FILE"; } 2>/dev/null
    else
        { course_report_anew "$words"; } </dev/null >/dev/null 2>&1 &
    fi
}

course_report_anew() {
    [[ -d $RUNTIME_DIR ]] || mkdir -p -- "$RUNTIME_DIR"
    printf '%s' "$1" >"$ENFORCER_FILE.$BASHPID" && exec mv -fT -- "$ENFORCER_FILE.$BASHPID" "$ENFORCER_FILE"
}

course_begun() {
    course_report stopping
    ! room_left || ! say_has_room || { say_child course_say_begun && COURSE_SAYER=$!; }
    [[ -z $CONFIG_NOTE ]] || journal 3 "configuration not usable: $CONFIG_NOTE"
}

# course_say_begun: by whom and why trading is being stopped. This line may wait until that is known; the stop does not.
course_say_begun() {
    latch_await_request
    say_line 1 "=== ESS ACTIVATION INITIATED === (${LATCH[source]:-flag}, ${LATCH[operator]:-unknown}: ${LATCH[reason]:-no reason written})" EVENT=trip
}

# course_say_contained MS: one line a unit, and the last one after them. Waits for the journal, and for the first line.
course_say_contained() {
    local unit
    [[ -z ${COURSE_SAYER:-} ]] || say_after "$COURSE_SAYER"
    for unit in "${!CONTAIN_SEEN[@]}"; do
        say_line 5 "Stopping $unit${KILLED[$unit]:+ (killed)}" EVENT=contained "UNIT=$unit"
    done
    say_line 1 "=== ESS ACTIVATED - TRADING STOPPED === ($1 ms)" EVENT=contained
}

# course_event EVENT [KEY=VALUE...]: the event and, before it, the trip; once an activation, and only when the
# stop is over or takes its time anyway.
course_event() {
    enforce_activation
    course_asked
    ! spool_once "${ACTIVATION:-none}.trip" ||
        spool_event trip "$ACTIVATION" "operator=${LATCH[operator]:-unknown}" "source=${LATCH[source]:-flag}" \
            "reason=${LATCH[reason]:-the flag was set by hand}" "category=${LATCH[category]:-$STOP_CATEGORY}" "fell=${LATCH[at]:-}"
    ! spool_once "${ACTIVATION:-none}.$1" ||
        { certificate_units && spool_event "$1" "$ACTIVATION" "${@:2}" "${CERTIFICATE[@]}"; } </dev/null >/dev/null 2>&1 &
}

# course_asked: who made the request of this trip may be known only since the stop began.
course_asked() {
    [[ ${LATCH[source]:-} == request ]] || return 0
    latch_read_request
    latch_content request "${LATCH[reason]:-}" "${LATCH[category]:-}" "${LATCH[operator]:-unknown}" "${LATCH[id]:-}" "${LATCH[at]:-}"
}
