# shellcheck shell=bash
# What the machine says, line by line: claims become ours, everything else is shown as it comes.

RELAY_MARK=$'\x1eclaim\x1f'

# lab_group NAME HEADING: have the machine prove one group of claims.
lab_group() {
    local before
    [[ -z $2 ]] || heading "$2"
    if [[ -n $UNTESTABLE ]]; then
        claim "$1" false
        return
    fi
    before=${#CLAIM_OK[@]}
    lab_stream 420 bash /src/scripts/proof_lab/guest.sh "$1"
    ((RELAY_CODE == 0 && ${#CLAIM_OK[@]} > before)) || claim_record 1 "$1: all of it was tested" "it ended with $RELAY_CODE" ''
}

# relay_claim CODE NAME SEEN MS: one claim, on its way to the host.
relay_claim() {
    printf '%s%s\x1f%s\x1f%s\x1f%s\n' "$RELAY_MARK" "$1" "$4" "$2" "$3"
}

# lab_stream LIMIT COMMAND...: run it on the machine and relay; into RELAY_CODE its exit code, into RELAY_TEXT
# its last words.
lab_stream() {
    local limit=$1 line
    shift
    # What never comes is a failure.
    RELAY_CODE=125 RELAY_TEXT=
    while IFS= read -r line; do
        relay_line "$line"
    done < <(
        timeout -k 2 "$limit" bash "$LAB_SH" exec "$LAB_NAME" "$@" 2>&1 </dev/null {PROOF_LOCK}>&-
        printf '%send\x1f%s\n' "$RELAY_MARK" "$?"
    )
}

relay_line() {
    local rest ok name seen ms
    if [[ $1 != "$RELAY_MARK"* ]]; then
        RELAY_TEXT=$1
        [[ -z $1 ]] || remark "$1"
        return
    fi
    rest=${1#"$RELAY_MARK"}
    if [[ $rest == end$'\x1f'* ]]; then
        RELAY_CODE=${rest#*$'\x1f'}
        return
    fi
    ok=${rest%%$'\x1f'*} rest=${rest#*$'\x1f'}
    ms=${rest%%$'\x1f'*} rest=${rest#*$'\x1f'}
    name=${rest%%$'\x1f'*} seen=${rest#*$'\x1f'}
    claim_record "$ok" "$name" "$seen" "$ms"
}
