# shellcheck shell=bash
# What follows a stop: its events are recorded, the audit log is whole, every alert channel takes a test. Proved
# after the stop is, and the verdict on the stop is out by then: what does not hold here is a warning.

AFTERMATH_PYTHON=/opt/quantum-ess/venv/bin/python
AFTERMATH_AUDIT=/var/log/quantum-ess/audit.jsonl
AFTERMATH_RECORD=20000 # ms; what is missed at first, the sentry takes within 10 s
AFTERMATH_VERIFY=30    # s
AFTERMATH_ALERTS=70    # s; each channel gets 30, eight of them at once

aftermath_claims() {
    UNTESTABLE=''
    verdict_stop
    heading 'What follows a stop'
    if [[ ! -x $AFTERMATH_PYTHON ]]; then
        claim_note 'not proved: the Python part, which records events and sends alerts, is not installed'
        return
    fi
    PROOF_PART=aftermath
    claim_time $((AFTERMATH_RECORD / 1000 + AFTERMATH_VERIFY + AFTERMATH_ALERTS))
    claim 'the events of this drill reach the audit log' aftermath_recorded
    aftermath_chain
    aftermath_channels
    PROOF_PART=stop
}

aftermath_ess() {
    bounded "$1" "$AFTERMATH_PYTHON" -I -m ess "${@:2}"
}

# aftermath_recorded: of the drill on the canary there is one event, its result.
aftermath_recorded() {
    SEEN="not within $((AFTERMATH_RECORD / 1000)) s; see: journalctl -u quantum-ess-aftermath"
    until_every 100 300 "$AFTERMATH_RECORD" aftermath_in_log || return 1
    MEASURED=$WAITED
}

aftermath_in_log() {
    tail -q -c 262144 -- "$AFTERMATH_AUDIT" "$AFTERMATH_AUDIT.1" 2>/dev/null |
        grep -F -- "\"spool\":\"$VERDICT_EVENT\"" >/dev/null
}

aftermath_chain() {
    if claim 'the chain of the audit log is intact' aftermath_whole; then DRILL_CHAIN=yes; else DRILL_CHAIN=no; fi
}

aftermath_whole() {
    local code
    aftermath_ess "$AFTERMATH_VERIFY" audit verify
    code=$?
    # What is wrong, and in which line, stands between the words around it.
    SEEN=${OUT#'The audit log is NOT whole:'}
    SEEN=${SEEN%%$'\n'ess: *}
    SEEN=${SEEN:0:240}
    ((code != 124)) || SEEN="not verified within $AFTERMATH_VERIFY s"
    ((code == 0)) || return 1
    NOTED=${OUT%%$'\n'*}
    NOTED=${NOTED#*: }
    NOTED=${NOTED%.}
}

# aftermath_channels: one claim for each channel that answers, and one when there are mistakes in their configuration.
aftermath_channels() {
    local line code wrong='' answer='^([a-z][a-z0-9-]{0,31}) +(delivered in|NOT DELIVERED after) ([0-9]+) ms: (.*)$'
    aftermath_ess "$AFTERMATH_ALERTS" alert test
    code=$?
    while IFS= read -r line; do
        if [[ $line =~ $answer ]]; then
            aftermath_channel "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}" "${BASH_REMATCH[3]}" "${BASH_REMATCH[4]}"
        elif [[ $line == *'no alert channel is configured'* ]]; then
            claim_note "no alert channel is configured: nobody is told of a stop ($ESS_AFTERMATH_CONF)"
        elif [[ $line == 'ess: '* ]]; then
            wrong+="${wrong:+; }${line#ess: }"
        fi
    done <<<"$OUT"
    [[ -z $wrong ]] || claim_record 1 'the alert channels are configured without a mistake' "${wrong//[[:cntrl:]]/ }" ''
    ((code == 0 || code == EXIT_NOT_ARMED)) || claim_record 1 'the alert channels can be tried' "$(seen_out "$code" && printf '%s' "$SEEN")" ''
}

# aftermath_channel NAME HOW MS ANSWER
aftermath_channel() {
    local took=yes code=0 seen=''
    [[ $2 == delivered* ]] || took=no code=1 seen=$4
    DRILL_CHANNELS+="${DRILL_CHANNELS:+ }$1:$took"
    claim_record "$code" "alert channel $1 takes a test" "${seen//[[:cntrl:]]/ }" "$3"
}
