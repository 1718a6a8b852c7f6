# shellcheck shell=bash
# Events that say that the stop became ready, or is no longer. What was told last is remembered until the next boot.

ARMING_EVERY=55000                  # ms between two judgements while all is well; one costs more than a round without
ARMING_FILE=/run/quantum-ess/arming # told last, seen since, judged when (ms since boot); one line each

# arming_judge: into FINDINGS what status finds. While all is well that is asked for once a minute; what was found
# then, nothing, holds in between.
arming_judge() {
    arming_recall
    FINDINGS=()
    clock_ms
    [[ $ARMING_TOLD,$ARMING_SEEN != armed, ]] || ((NOW_MS < ARMING_AT || NOW_MS - ARMING_AT >= ARMING_EVERY)) || return 0
    ARMING_AT=$NOW_MS
    FINDINGS=('the part of the script that judges is damaged; mend: install again from the checkout: sudo ops/install.sh')
    [[ $TELLERS != *' status '* ]] || status_findings
    arming_tell
}

arming_recall() {
    ARMING_TOLD='' ARMING_SEEN='' ARMING_AT=0
    { IFS= read -r ARMING_TOLD && IFS= read -r ARMING_SEEN && read -r ARMING_AT; } 2>/dev/null <"$ARMING_FILE"
    [[ $ARMING_AT =~ ^[1-9][0-9]{0,14}$ ]] || ARMING_AT=0
}

# arming_tell: tell of what changed in FINDINGS since it was told last. What disarms has to be seen in two rounds
# running: an installer at work does it for a second, too. Returns when the event is on disk.
arming_tell() {
    local now what
    arming_word
    if [[ $now == "$ARMING_TOLD" ]]; then
        arming_keep "$now" ''
    elif [[ $now == armed ]]; then
        journal 5 'ARMED: the stop is ready' EVENT=armed
        arming_event armed
        arming_keep "$now" ''
    elif [[ -n $ARMING_SEEN && ($ARMING_TOLD == @(|armed) || $now == "$ARMING_SEEN") ]]; then
        journal 2 "DISARMED: a stop may not work: $what" EVENT=disarmed
        arming_event disarmed "what=$what"
        arming_keep "$now" ''
    else
        arming_keep "$ARMING_TOLD" "$now"
    fi
}

# arming_word: into what the reasons in FINDINGS, and into now the same without numbers: a drill that grows older
# by a day is no news.
arming_word() {
    printf -v what '%s; ' "${FINDINGS[@]}"
    clean "${what%; }"
    what=$CLEAN
    now=${what//[0-9]/}
    now=${now:-armed}
}

# Told twice is better than lost: it is remembered after it was written.
arming_event() {
    spool_event "$1" '' "${@:2}"
    wait "$!" 2>/dev/null
}

arming_keep() {
    {
        printf '%s\n%s\n%s\n' "$1" "$2" "$ARMING_AT" >"$ARMING_FILE.new" && mv -fT -- "$ARMING_FILE.new" "$ARMING_FILE"
    } 2>/dev/null
}
