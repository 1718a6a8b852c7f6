# shellcheck shell=bash
# Claims: each is checked by one function. In SEEN it says what it saw, for when the claim fails; in NOTED
# what is worth knowing when it holds; in MEASURED the ms it is about. What could not be tested has failed.

# PROOF_PART says what the claims from here on are about: "stop", or "aftermath", what follows one. A claim about
# that cannot fail the proof of the stop; it warns.

CLAIM_NAME=() CLAIM_OK=() CLAIM_SEEN=() CLAIM_MS=() CLAIM_PART=()
PROOF_PART=stop
UNTESTABLE=     # why the claims that follow cannot be tested
UNTIL_ASKED=150 # ms, the longest pause between two questions

heading() {
    printf '\n%s%s%s\n' "$BOLD" "$1" "$PLAIN"
}

# claim NAME CHECK...: run the check and record what came of it.
claim() {
    local name=$1 code
    shift
    SEEN='' NOTED='' MEASURED=''
    clock_ms
    if [[ -z $UNTESTABLE ]] && ((NOW_MS > PROOF_DEADLINE)); then UNTESTABLE='out of time'; fi
    if [[ -n $UNTESTABLE ]]; then
        SEEN="not tested: $UNTESTABLE"
        false
    else
        "$@"
    fi
    code=$?
    ((code != 0)) || SEEN=$NOTED
    claim_record "$code" "$name" "${SEEN//[[:cntrl:]]/ }" "$MEASURED"
    return "$code"
}

# claim_time SECONDS: how long the claims from here on may take in all.
claim_time() {
    clock_ms
    PROOF_DEADLINE=$((NOW_MS + $1 * 1000))
}

# claim_or_stop NAME CHECK...: a claim without which the following ones mean nothing.
claim_or_stop() {
    claim "$@" || UNTESTABLE=${UNTESTABLE:-"it needs \"$1\""}
}

# claim_failed [PART]: true when any claim so far about PART (stop) does not hold.
claim_failed() {
    local i
    for i in "${!CLAIM_OK[@]}"; do
        ((CLAIM_OK[i] == 0)) || [[ ${CLAIM_PART[i]} != "${1:-stop}" ]] || return 0
    done
    return 1
}

# claim_record CODE NAME SEEN MS: CODE 0 means that the claim holds.
claim_record() {
    CLAIM_OK+=("$1") CLAIM_NAME+=("$2") CLAIM_SEEN+=("$3") CLAIM_MS+=("$4") CLAIM_PART+=("$PROOF_PART")
    claim_show "$1" "$2" "$3" "$4"
}

claim_show() {
    local line=$2 word="${GREEN}PASS$PLAIN"
    if (($1 != 0)); then
        word="${RED}FAIL$PLAIN"
        [[ $PROOF_PART == stop ]] || word="${YELLOW}WARN$PLAIN"
        line+=": ${3:-no answer}"
    elif [[ -n $4$3 ]]; then
        line+=" (${4:+$4 ms}${4:+${3:+, }}$3)"
    fi
    claim_fold "$line"
    printf '%s  %s\n' "$word" "$FOLDED"
}

# claim_note TEXT: what is neither proved nor wrong.
claim_note() {
    claim_fold "$1"
    printf '%sNOTE%s  %s\n' "$BOLD" "$PLAIN" "$FOLDED"
}

# claim_fold TEXT: into FOLDED, broken at spaces for 80 columns on a terminal; elsewhere one line is one line.
claim_fold() {
    local word words column=6
    FOLDED=$1
    [[ -t 1 ]] || return 0
    FOLDED=
    read -ra words <<<"$1"
    for word in "${words[@]}"; do
        if ((column > 6 && column + ${#word} > 79)); then
            FOLDED+=$'\n      '
            column=6
        fi
        FOLDED+="${FOLDED:+ }$word"
        FOLDED=${FOLDED//$'\n       '/$'\n      '}
        column=$((column + ${#word} + 1))
    done
}

# remark TEXT: what goes on meanwhile.
remark() {
    local text=${1//[[:cntrl:]]/ }
    if [[ -t 1 ]] && ((${#text} > 73)); then text=${text:0:70}...; fi
    printf '      %s%s%s\n' "$DIM" "$text" "$PLAIN"
}

# bounded SECONDS COMMAND...: into OUT what the command said; its exit code, 124 when it did not end in
# time. Waits in a way that a signal to us interrupts.
bounded() {
    local limit=$1 code
    shift
    timeout -k 5 "$limit" "$@" </dev/null >"$DRILL_TMP/out.$$" 2>&1 {PROOF_LOCK}>&- &
    BOUNDED_PID=$!
    wait "$BOUNDED_PID"
    code=$?
    BOUNDED_PID=
    OUT=$(<"$DRILL_TMP/out.$$")
    return "$code"
}

# said: the end of OUT, on one line.
said() {
    local text=${OUT//[[:cntrl:]]/ }
    ((${#text} <= 160)) || text=${text: -160}
    printf '%s' "$text"
}

# seen_out CODE: into SEEN, the last command's exit code and the end of what it said.
seen_out() {
    SEEN="exit $1"
    [[ $1 != 124 ]] || SEEN='no answer in time'
    [[ -z $OUT ]] || SEEN+=", $(said)"
}

# until_ms LIMIT CHECK...: true as soon as the check is; WAITED is how many ms that took.
until_ms() {
    until_every 10 10 "$@"
}

# until_asked LIMIT CHECK...: the same, for a check that takes a process: who asks all the time slows down what he
# waits for.
until_asked() {
    until_every 20 "$UNTIL_ASKED" "$@"
}

# until_every FIRST LAST LIMIT CHECK...: with pauses of FIRST ms, which grow to LAST.
until_every() {
    local wait=$1 last=$2 limit=$3 began
    shift 3
    clock_ms
    began=$NOW_MS
    while :; do
        "$@"
        local code=$?
        clock_ms
        WAITED=$((NOW_MS - began))
        ((code != 0)) || return 0
        ((WAITED < limit)) || return 1
        pause $((wait < limit - WAITED ? wait : limit - WAITED))
        wait=$((wait * 3 / 2 < last ? wait * 3 / 2 : last))
    done
}
