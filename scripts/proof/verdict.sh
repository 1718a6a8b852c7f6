# shellcheck shell=bash
# Beginning and end of a proof: the lock, the clean-up on every way out, the record, the two last lines.

PROOF_LIMIT=150 # s for all claims about the stop; the drill's unit ends it after 600

# proof_begin: one proof of a host at a time; from here on every way out cleans up.
proof_begin() {
    [[ $PROOF_MODE == lab ]] || need_installed
    PROOF_STARTED=$EPOCHSECONDS PROOF_CLEANUP=: PROOF_ENDED='' BOUNDED_PID=''
    VERDICT_TOLD='' DRILL_CHAIN='' DRILL_CHANNELS=''
    # An answer of systemd that is late is still an answer; nobody's trading waits for this one.
    SYSTEMD_TIMEOUT=5
    if [[ $PROOF_MODE == lab ]]; then
        DRILL_TMP=$(mktemp -d) DRILL_LOCK=/dev/null
    fi
    proof_lock
    rm -rf -- "$DRILL_TMP"
    mkdir -p -- "$DRILL_TMP"
    claim_time "$PROOF_LIMIT"
    trap '' PIPE
    trap 'proof_interrupted SIGINT' INT
    trap 'proof_interrupted SIGTERM' TERM
    trap 'proof_interrupted SIGHUP' HUP
    trap 'proof_left' EXIT
}

proof_lock() {
    local holder
    [[ $DRILL_LOCK == /dev/null ]] || mkdir -p -- "${DRILL_LOCK%/*}"
    exec {PROOF_LOCK}>>"$DRILL_LOCK"
    [[ $DRILL_LOCK != /dev/null ]] || return 0
    if ! flock -n "$PROOF_LOCK"; then
        read -r holder 2>/dev/null <"$DRILL_LOCK"
        complain "another drill is running (pid ${holder:-unknown}); nothing was done" 'Wait for it; it takes less than a minute.'
        exit "$EXIT_NOT_ARMED"
    fi
    printf '%s\n' "$$" >"$DRILL_LOCK"
}

proof_interrupted() {
    trap '' INT TERM HUP
    # A release that ends half-way sets the latch again; that has to be over before we look.
    [[ -z $BOUNDED_PID ]] || { kill "$BOUNDED_PID" && wait "$BOUNDED_PID"; } 2>/dev/null
    [[ ! -t 1 ]] || printf '\n'
    claim_record 1 'the proof ran to its end' "interrupted by $1" ''
    proof_end
}

# proof_refuse WHAT WHAT-TO-DO [CODE]: nothing was done, and nothing was proved either way.
proof_refuse() {
    PROOF_ENDED=1
    rm -rf -- "$DRILL_TMP"
    complain "$1" "$2"
    exit "${3:-$EXIT_NOT_ARMED}"
}

# proof_left: an end that nobody planned is a failure, too.
proof_left() {
    [[ -z $PROOF_ENDED ]] || return 0
    trap '' INT TERM HUP
    claim_record 1 'the proof ran to its end' 'it broke off; this is a fault of the proof itself' ''
    proof_end
}

# proof_end: clean up, record, say the verdict; does not return.
proof_end() {
    local result=PASS
    trap '' INT TERM HUP
    UNTESTABLE='' PROOF_PART=stop
    claim_time 60
    "$PROOF_CLEANUP"
    ((${#CLAIM_OK[@]})) || claim_record 1 'at least one claim was tested' 'none was' ''
    ! claim_failed || result=FAIL
    [[ $PROOF_MODE == lab ]] || verdict_record "$result" || result=FAIL
    [[ -z $PROOF_JSON ]] || verdict_json "$result" || result=FAIL
    PROOF_ENDED=1
    rm -rf -- "$DRILL_TMP"
    verdict_say "$result"
    [[ $result == PASS ]] || exit "$EXIT_NOT_ARMED"
    exit 0
}

verdict_say() {
    [[ $PROOF_MODE == lab ]] || journal 5 "drill ($PROOF_MODE): $1"
    ! claim_failed aftermath || verdict_warn
    printf '\nSUMMARY: %s\n' "$1"
    if [[ $1 == PASS ]]; then
        printf 'ESS is production-ready for emergency stop scenarios\n'
        return
    fi
    verdict_list stop
}

# verdict_warn: what does not hold and keeps no stop from working.
verdict_warn() {
    local IFS=';' names
    mapfile -t names < <(verdict_list aftermath)
    journal 4 "drill ($PROOF_MODE): what follows a stop is not proved:${names[*]# }"
    printf '\n%sWARNING: not all that follows a stop works. The stop itself does not need it.%s\n' "$YELLOW" "$PLAIN"
    verdict_list aftermath
    printf 'Next: sudo ess doctor\n'
}

# verdict_list PART: the claims about it that do not hold.
verdict_list() {
    local i
    for i in "${!CLAIM_OK[@]}"; do
        ((CLAIM_OK[i] == 0)) || [[ ${CLAIM_PART[i]} != "$1" ]] || printf '  %s\n' "${CLAIM_NAME[i]}"
    done
}

# verdict_put FILE: standard input becomes FILE, whole or not at all.
verdict_put() {
    local file=$1
    cat >"$file.$$" && mv -fT -- "$file.$$" "$file" && return 0
    rm -f -- "$file.$$"
    return 1
}

# verdict_stop: the verdict on the stop, told and recorded before anything else is tried. proof_end does it again,
# should something have failed since.
verdict_stop() {
    local result=PASS
    ! claim_failed || result=FAIL
    verdict_tell "$result"
    verdict_write "$result"
}

# verdict_tell RESULT: for the audit log; into VERDICT_EVENT, what the event is called there.
verdict_tell() {
    local ESS_SCOPE=main
    [[ $PROOF_MODE != lab && $VERDICT_TOLD != "$1" ]] || return 0
    spool_event drill '' "mode=$PROOF_MODE" "result=$1" "claims=${#CLAIM_OK[@]}"
    VERDICT_TOLD=$1 VERDICT_EVENT=$SPOOL_NAME
}

# verdict_record RESULT
verdict_record() {
    verdict_tell "$1"
    verdict_write "$1" && return 0
    claim_record 1 'the result is recorded' "cannot write $DRILL_FILE" ''
    return 1
}

# verdict_write RESULT: what status, doctor and the file for metrics read.
verdict_write() {
    local at
    TZ=UTC printf -v at '%(%Y-%m-%dT%H:%M:%SZ)T' -1
    printf 'at=%s\nepoch=%s\nmode=%s\nresult=%s\nchain=%s\nchannels=%s\n' \
        "$at" "$EPOCHSECONDS" "$PROOF_MODE" "$1" "$DRILL_CHAIN" "$DRILL_CHANNELS" |
        verdict_put "$DRILL_FILE" 2>/dev/null
}

# verdict_string TEXT: into QUOTED, as a JSON string.
verdict_string() {
    local text=${1//\\/\\\\}
    text=${text//\"/\\\"}
    QUOTED="\"${text//[[:cntrl:]]/ }\""
}

verdict_json() {
    local i separator='' started finished ok
    TZ=UTC printf -v started '%(%Y-%m-%dT%H:%M:%SZ)T' "$PROOF_STARTED"
    TZ=UTC printf -v finished '%(%Y-%m-%dT%H:%M:%SZ)T' -1
    {
        verdict_string "$HOSTNAME"
        printf '{"mode": "%s", "host": %s, "started": "%s", "finished": "%s", "claims": [' \
            "$PROOF_MODE" "$QUOTED" "$started" "$finished"
        for i in "${!CLAIM_OK[@]}"; do
            verdict_string "${CLAIM_NAME[i]}"
            printf '%s\n  {"name": %s, ' "$separator" "$QUOTED"
            verdict_string "${CLAIM_SEEN[i]}"
            if ((CLAIM_OK[i] == 0)); then ok=true; else ok=false; fi
            printf '"ok": %s, "part": "%s", "detail": %s, "ms": %s}' "$ok" "${CLAIM_PART[i]}" "$QUOTED" "${CLAIM_MS[i]:-null}"
            separator=,
        done
        printf '\n], "result": "%s"}\n' "$1"
    } | verdict_put "$PROOF_JSON" 2>/dev/null && return 0
    claim_record 1 'the result is written as JSON' "cannot write $PROOF_JSON" ''
    return 1
}
