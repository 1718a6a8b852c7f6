# shellcheck shell=bash
# The sentry, every 10 s and whenever the path unit fails: a second way of seeing the flag, and the
# one that mends the first.

DRY_RUN_SEEN=/run/quantum-ess/aftermath/dry-run

sentry() {
    local failed=0
    sentry_disk_answers || { failed=1 && journal 1 'sentry: the disk with the latch does not answer'; }
    sentry_cut_short || failed=1
    sentry_requests
    if sentry_may_stop; then
        # Before what may take until this round's end: while trading outlives its kill, that has to be known.
        metrics_begin
        sentry_latched || failed=1
        denied_tell
    fi
    stopper_end
    sentry_escaped
    sentry_mend_watches || failed=1
    sentry_aftermath
    sentry_dry_run
    sentry_deliver
    metrics_end
    return "$failed"
}

# sentry_may_stop: true when the latch is set and nobody is removing it, nor will until we have looked at what it holds.
sentry_may_stop() {
    latch_is_set || return 1
    stopper_begin
    latch_is_set && ! hold_release_running
}

# sentry_disk_answers: as disk_answers, but who hung there in an earlier round and still does is answer enough.
sentry_disk_answers() {
    if hung_still "$DISK_HUNG"; then
        DISK_ASKER=$HUNG_PID
        disk_do_without
        return 1
    fi
    disk_answers && return 0
    hung_note "$DISK_HUNG" "$DISK_ASKER"
    return 1
}

# sentry_escaped: who leaves his control group is remembered while his parents still tell of him.
sentry_escaped() {
    ! latch_is_set || return 0
    config_for_trip
    escaped_note
}

# sentry_aftermath: what waits in the spool is tried again. Without a fork when nothing waits.
sentry_aftermath() {
    [[ -z ${DISK_ASKER:-} ]] || return 0
    compgen -G '/var/lib/quantum-ess/spool/new/*' >/dev/null || compgen -G '/run/quantum-ess/spool/new/*' >/dev/null || return 0
    sd start --no-block quantum-ess-aftermath.service
}

# sentry_dry_run: what a watcher in a dry run would have stopped for, unless it was seen. Without a fork, and without
# opening what is not ours.
sentry_dry_run() {
    local found=$STATE_DIR/watch/would-trip.json
    [[ -z ${DISK_ASKER:-} && -e $found && ! -L $found ]] || return 0
    # Of another time than what was seen; older, too: somebody may have set the clock back.
    [[ $found -nt $DRY_RUN_SEEN || $found -ot $DRY_RUN_SEEN ]] || return 0
    sd start --no-block quantum-ess-aftermath.service
}

# sentry_deliver: what is due to be told, or told again. The note says when that is; a case that is newer than
# the note was not seen by whoever wrote it. Without a fork when nothing is due.
sentry_deliver() {
    local note=$STATE_DIR/deliveries/.next cases=$STATE_DIR/cases moment=0
    [[ -z ${DISK_ASKER:-} ]] || return 0
    compgen -G "$cases/*" >/dev/null || return 0
    [[ ! -f $note ]] || read -r moment 2>/dev/null <"$note"
    if [[ -f $note && ! $cases -nt $note ]]; then
        [[ $moment != never ]] || return 0
        [[ ! $moment =~ ^[0-9]{1,12}$ ]] || ((moment <= EPOCHSECONDS || moment > EPOCHSECONDS + 86400)) || return 0
    fi
    sd start --no-block quantum-ess-deliver.service
}

# sentry_cut_short: a list of what ran without a latch, while no enforcer and no release is at work, is what a
# release leaves that was killed or lost its power. Nobody watched how far it came: latch again. The lock
# is held meanwhile, so that no release begins in between.
sentry_cut_short() {
    local lock
    [[ -e $RUNNING_FILE ]] && ! latch_is_set && ! sentry_enforcer_runs || return 0
    { exec {lock}>>"$RELEASE_LOCK"; } 2>/dev/null || return 1
    if flock -n "$lock" && [[ -e $RUNNING_FILE ]] && ! latch_is_set; then
        journal 1 '=== a release ended half-way (killed, or the power went): latching again ===' EVENT=sentry-repair
        spool_event sentry-repair '' 'what=a release was cut short; latched again'
        rm -f -- "$RELEASING"
        latch_content sentry 'a release was cut short' '' sentry
        latch_set "$CONTENT"
    fi
    exec {lock}>&-
}

# sentry_requests: a request that nobody has taken: its watch is down, does not see that name, or the reader hangs.
sentry_requests() {
    local tries=0
    [[ $TELLERS == *' request '* ]] && request_waits || return 0
    sd start --no-block "$UNIT_PREFIX-request.service"
    while ! latch_is_set && ((tries++ < 50)); do pause 10; done
    ! latch_is_set || return 0
    journal 1 'sentry: a request to stop is there and its reader does not take it; taking it from here'
    spool_event sentry-repair '' 'what=nobody took a request to stop; taken'
    request_recall
    request_round
}

sentry_enforcer_runs() {
    sd_active "$UNIT_PREFIX-trigger.service"
    [[ ${UNIT_PROP["$UNIT_PREFIX-trigger.service.ActiveState"]:-} == @(active|activating) ]]
}

# sentry_latched: the flag is there, so an enforcer must be, too. If systemd will not start one, be one
# for a round.
sentry_latched() {
    if sentry_enforcer_runs; then
        sentry_second_look
        return 0
    fi
    # A release may have gone through meanwhile, and the enforcer takes its start for a trip.
    latch_is_set || return 0
    journal 1 'sentry: the latch is set and no enforcer runs; starting it' EVENT=sentry-repair
    spool_event sentry-repair '' 'what=no enforcer ran; started'
    sd reset-failed "$UNIT_PREFIX-trigger.service" "$UNIT_PREFIX-halt.path"
    sd start --no-block "$UNIT_PREFIX-halt.path"
    sd start "$UNIT_PREFIX-trigger.service" && return 0
    journal 1 'sentry: systemd does not start the enforcer; stopping trading from here'
    latch_read
    latch_content sentry "${LATCH[reason]:-found by the sentry}" "${LATCH[category]:-}" "${LATCH[operator]:-unknown}"
    latch_mend "$CONTENT"
    config_for_trip
    contain_begin "$STOP_CATEGORY"
    { contain_ask; } </dev/null >/dev/null 2>&1 &
    enforce_stop
}

# sentry_second_look: an enforcer that runs may still do nothing (stopped, frozen, hung on a disk). What
# lives 3 s after the trip is killed from here.
sentry_second_look() {
    latch_age && ((LATCH_AGE_US > 3000000)) || return 0
    config_for_trip
    contain_begin 0
    contain_look
    ((${#SURVIVORS[@]})) || return 0
    journal 1 "sentry: the enforcer left ${SURVIVORS[*]} alive; killed from here" "${SURVIVORS[@]/#/UNIT=}"
    sd kill -s CONT "$UNIT_PREFIX-trigger.service"
    sd thaw "$UNIT_PREFIX-trigger.service"
    sd stop --no-block -- "${SURVIVORS[@]}"
    enforce_stop
}

# sentry_mend_watches: bring the path units that stopped watching back.
sentry_mend_watches() {
    local unit failed=0
    local -a watches=("$UNIT_PREFIX.path" "$UNIT_PREFIX-disk.path" "$UNIT_PREFIX-request.path"
        "$UNIT_PREFIX-request-names.path")
    sd_active "${watches[@]}" "$UNIT_PREFIX-quick.path" || return 1
    sentry_keep_quick "$UNIT_PREFIX-quick.path"
    for unit in "${watches[@]}"; do
        [[ ${UNIT_PROP["$unit.ActiveState"]:-} == active ]] || sentry_mend_watch "$unit" || failed=1
    done
    return "$failed"
}

# sentry_keep_quick UNIT: without a word, for nothing depends on it but some ms; the doctor tells. Whoever empties the
# directory of the flag takes away what it watches. Not while latched: a release takes a change there for somebody who
# asked for the stop again.
sentry_keep_quick() {
    ! latch_is_set || return 0
    [[ -d $RUN_DIR/.quick ]] || mkdir -p -- "$RUN_DIR/.quick" 2>/dev/null || return 0
    [[ ${UNIT_PROP["$1.ActiveState"]:-} != active ]] || return 0
    sd reset-failed -- "$1"
    sd start -- "$1"
}

sentry_mend_watch() {
    local what='the flag'
    [[ $1 != *-request*.path ]] || what='the directory of requests'
    journal 2 "sentry: $1 was ${UNIT_PROP["$1.ActiveState"]:-unknown}; $what was not being watched. Starting it." EVENT=sentry-repair "UNIT=$1"
    spool_event sentry-repair '' "what=$1 was ${UNIT_PROP["$1.ActiveState"]:-unknown}; started"
    sd reset-failed -- "$1"
    sd start -- "$1" && return 0
    journal 1 "sentry: $1 does not start: $what is NOT watched. Run: ess doctor"
    return 1
}
