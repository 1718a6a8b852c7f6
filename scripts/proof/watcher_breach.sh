# shellcheck shell=bash
# One round of the drill of the watcher: the canary runs, the second watcher comes up, its limit breaks or it dies, and
# the canary is dead. Then both are put back for the next round.

# watcher_redis: through Redis, with a figure of the drill's own where we may not write there.
watcher_redis() {
    local what='a broken limit in Redis: it stops the canary'
    watcher_ready redis || return
    watcher_ess arm
    WATCHER_ARMED=$OUT
    if [[ $WATCHER_ARMED == 'refused '* ]]; then
        claim_note "not proved: a figure through Redis, which may be read but not written ($(said))"
        watcher_add 1000
        claim 'a broken limit in a figure of its own: it stops the canary' watcher_stops own 'drawdown: '
    else
        claim "$what" watcher_stops redis 'drawdown: '
    fi
    watcher_over
}

# watcher_breaks SOURCE NAME
watcher_breaks() {
    watcher_ready "$1" || return
    claim "$2" watcher_stops "$1" 'expr:drill: '
    watcher_over
}

# watcher_dies NAME
watcher_dies() {
    watcher_ready own || return
    claim "$1" watcher_killed
    watcher_over
}

# watcher_ready SOURCE: the canary runs, and a watcher of it that hears SOURCE.
watcher_ready() {
    claim_or_stop "the canary runs, and its watcher (${1/own/without figures})" watcher_up "$1"
    [[ -z $UNTESTABLE ]]
}

watcher_up() {
    local id
    canary_up || return 1
    SEEN="the group $REQUEST_GROUP may not ask for a stop of the canary"
    chgrp -- "$REQUEST_GROUP" "$REQUEST_DIR" && chmod 1730 -- "$REQUEST_DIR" || return 1
    rm -rf -- "$STATE_DIR/watch" "$RUNTIME_DIR/figures"
    read -r id </proc/sys/kernel/random/uuid
    clock_ms
    WATCHER_BROKEN_MS=$((NOW_MS + WATCHER_AHEAD * 1000))
    printf 'ID=%s\nTHROUGH=%s\nAT=%s\n' "$id" "$1" "$(date -d "+$WATCHER_AHEAD seconds" +%s.%3N)" >"$RUNTIME_DIR/drill"
    sd reset-failed "$WATCHER"
    bounded 20 systemctl --no-ask-password start "$WATCHER" || { seen_out "$?" && return 1; }
    SEEN="it stopped the canary at once: $(watcher_word)"
    unit_alive "$CANARY"
}

# watcher_add EQUITY: a figure of the drill's own.
watcher_add() {
    printf 'equity %s\n' "$1" >>"$RUNTIME_DIR/figures"
}

# watcher_stops SOURCE REASON: the limit breaks, and the canary dies of it: the request was the watcher's, with this
# reason.
watcher_stops() {
    SEEN="no figure could be written: ${WATCHER_ARMED//[[:cntrl:]]/ }"
    [[ $1 != redis || $WATCHER_ARMED == 'written '* ]] || return 1
    SEEN='it died before the limit broke'
    unit_alive "$CANARY" || return 1
    "watcher_break_$1"
    watcher_await "$1" || return 1
    SEEN='the request was not taken away'
    until_ms 2000 watcher_taken || return 1
    latch_read
    SEEN="it was stopped by ${LATCH[operator]:-nobody}: ${LATCH[reason]:-no reason}"
    [[ ${LATCH[operator]:-} == "$REQUEST_GROUP" && ${LATCH[reason]:-} == "$2"* ]] || return 1
    MEASURED=$((WATCHER_ENDED_MS - WATCHER_BROKEN_MS))
    NOTED=${LATCH[reason]#*: }
    # A clock of Prometheus that is ahead of ours.
    ((MEASURED > 0)) || MEASURED=
}

# In the background, for its end is not waited for.
watcher_break_redis() {
    WATCHER_BROKEN_MS=
    timeout -k 5 20 "$WATCHER_PYTHON" -I -m ess watch drill break </dev/null >"$DRILL_TMP/figure" 2>&1 {PROOF_LOCK}>&- &
    BOUNDED_PID=$!
}

watcher_break_own() {
    clock_ms
    WATCHER_BROKEN_MS=$NOW_MS
    watcher_add -1000
}

# Prometheus breaks it by itself, at a moment that was set.
watcher_break_prometheus() { :; }

# watcher_await SOURCE: true when the canary is dead in time; into WATCHER_ENDED_MS when, as ms since boot.
watcher_await() {
    local promise=$WATCHER_LIMIT ahead=0
    case $1 in
        redis) ahead=20000 ;;
        # It is asked once an interval, and may take its time to answer.
        prometheus) promise=$((promise + 13000)) ahead=$((WATCHER_AHEAD * 1000)) ;;
    esac
    until_ms $((promise + ahead)) watcher_ended
    clock_ms
    WATCHER_ENDED_MS=$NOW_MS
    [[ $1 != redis ]] || watcher_written || return 1
    SEEN="not dead $((WATCHER_ENDED_MS - WATCHER_BROKEN_MS)) ms after; $(watcher_word)"
    unit_dead "$CANARY" && ((WATCHER_ENDED_MS - WATCHER_BROKEN_MS <= promise))
}

# watcher_ended: the canary is dead, whoever writes the figure could not, or the time is up since it was written.
watcher_ended() {
    local word='' at=''
    unit_dead "$CANARY" && return 0
    [[ -n $BOUNDED_PID ]] && ! kill -0 "$BOUNDED_PID" 2>/dev/null || return 1
    read -r word at 2>/dev/null <"$DRILL_TMP/figure"
    [[ $word == written && $at =~ ^[0-9]{1,15}$ ]] || return 0
    ((NOW_MS - at > WATCHER_LIMIT))
}

# watcher_written: into WATCHER_BROKEN_MS, when the figure was.
watcher_written() {
    wait "$BOUNDED_PID"
    BOUNDED_PID=
    OUT=$(<"$DRILL_TMP/figure")
    SEEN="no figure could be written: $(said)"
    [[ $OUT =~ ^written\ ([0-9]{1,15})$ ]] && WATCHER_BROKEN_MS=${BASH_REMATCH[1]}
}

watcher_taken() {
    ! compgen -G "$REQUEST_DIR/*" >/dev/null && [[ ! -e $REQUEST_BUSY ]] && latch_is_set
}

# watcher_word: what the second watcher says of itself.
watcher_word() {
    sd_show 'ActiveState StatusText' "$WATCHER" || return 0
    printf 'its watcher is %s and says: %s' "${UNIT_PROP["$WATCHER.ActiveState"]:-unknown}" "${UNIT_PROP["$WATCHER.StatusText"]:-nothing}"
}

# watcher_killed: as often as the dead man waits for.
watcher_killed() {
    local round pid=0 began
    for round in 1 2 3; do
        SEEN="it did not come back from kill $((round - 1)) within 15 s"
        until_asked 15000 watcher_runs_anew "$pid" || return 1
        pid=$WATCHER_PID
        SEEN="the canary died of kill $((round - 1)) already"
        unit_alive "$CANARY" || return 1
        clock_ms
        began=$NOW_MS
        kill -s KILL "$pid"
    done
    if watcher_deadman_alerts; then
        watcher_mourned
        return
    fi
    SEEN="the canary lives 25 s after the third; see: journalctl -u $WATCHER_DEADMAN"
    until_ms 25000 unit_dead "$CANARY" || return 1
    clock_ms
    MEASURED=$((NOW_MS - began))
    latch_read
    SEEN="it was stopped by ${LATCH[operator]:-nobody}: ${LATCH[reason]:-no reason}"
    [[ ${LATCH[source]:-} == watcher && ${LATCH[reason]:-} == 'the watcher died'* ]] || return 1
    NOTED=${LATCH[reason]}
}

# watcher_runs_anew PID: it runs as another process than PID, which is then WATCHER_PID.
watcher_runs_anew() {
    sd_show 'MainPID SubState' "$WATCHER" || return 1
    WATCHER_PID=${UNIT_PROP["$WATCHER.MainPID"]:-0}
    ((WATCHER_PID > 1 && WATCHER_PID != $1)) && [[ ${UNIT_PROP["$WATCHER.SubState"]:-} == running ]]
}

watcher_mourned() {
    SEEN="nothing was said; see: journalctl -u $WATCHER_DEADMAN"
    until_ms 25000 test -e "$RUNTIME_DIR/watcher.dead" || return 1
    SEEN='it stopped the canary all the same'
    unit_alive "$CANARY" || return 1
    NOTED='QT_ESS_WATCH_DEADMAN=alert'
}

# watcher_over: the second watcher is gone, the canary runs again.
watcher_over() {
    watcher_put_away
    [[ -n $UNTESTABLE ]] || ! latch_is_set || claim_or_stop 'deactivate brings the canary back' canary_released
}

# watcher_put_away: whatever a drill left. What it wrote into Redis goes by itself, should that not work now.
watcher_put_away() {
    sd stop "$WATCHER"
    # A dead man at work has a child that a stop would leave behind.
    until_asked 10000 watcher_away
    sd stop "$WATCHER_DEADMAN"
    sd reset-failed "$WATCHER" "$WATCHER_DEADMAN"
    if [[ -x $WATCHER_PYTHON ]] && grep -qsx THROUGH=redis "$RUNTIME_DIR/drill"; then watcher_ess forget; fi
    rm -rf -- "$STATE_DIR/watch" "$RUNTIME_DIR"/{drill,figures,watcher.dead}
}

# watcher_away: neither the second watcher nor its dead man runs.
watcher_away() {
    local unit
    sd_show ActiveState "$WATCHER" "$WATCHER_DEADMAN" || return 1
    for unit in "$WATCHER" "$WATCHER_DEADMAN"; do
        [[ ${UNIT_PROP["$unit.ActiveState"]:-inactive} == @(inactive|failed) ]] || return 1
    done
}
