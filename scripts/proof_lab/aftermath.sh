# shellcheck shell=bash
# shellcheck disable=SC2317 # called by name
# What follows a stop: it is recorded in a log that nobody changes unseen, people are told of it, and the drill
# says which of them it could not reach. The mail server is one of the machine's own.

AFTERMATH_MAILS=/root/mails
AFTERMATH_TELLS=/root/aftermath.env.before

group_aftermath() {
    if [[ ! -x $AFTERMATH_PYTHON ]]; then
        remark 'not proved: the Python part, which records events and sends alerts, is not installed'
        claim 'without the Python part events wait' aftermath_wait
        return
    fi
    claim 'a stop is in the audit log, with what became of each unit' aftermath_certificate
    claim 'the chain of the audit log is intact' aftermath_whole
    claim_or_stop 'a mail server runs and is configured' aftermath_mailbox
    claim 'people are told of a stop, after it' aftermath_told
    claim 'the drill says that the channel took its test' aftermath_drill PASS email-1:yes 'PASS  alert channel email-1 takes a test'
    claim 'a channel that is down: the drill warns, the stop is proved' aftermath_drill_warns
    claim 'a line of the audit log that was edited: that drill warns, too' aftermath_edited
    claim 'a channel that is down disarms nobody; the doctor names it' aftermath_doctor
    aftermath_restore
}

# aftermath_wait: there is nobody to take them.
aftermath_wait() {
    SEEN='no event waits'
    compgen -G '/var/lib/quantum-ess/spool/new/*' >/dev/null || return 1
}

# aftermath_events EVENT: how many the log has.
aftermath_events() {
    grep -cF -- "\"event\":\"$1\"" "$AFTERMATH_AUDIT" 2>/dev/null
}

aftermath_stop() {
    trip_ready "${TRADING[@]}" || return 1
    stopwatch_start
    touch -- "$RUN_FLAG"
    stopwatch_down "${TRADING[@]}" || return 1
    MEASURED=$DOWN_MS
}

aftermath_certificate() {
    local before unit line
    before=$(aftermath_events contained)
    aftermath_stop || return 1
    SEEN='not recorded within 15 s'
    until_every 100 300 15000 aftermath_more contained "$before" || return 1
    line=$(grep -F '"event":"contained"' "$AFTERMATH_AUDIT" | tail -n 1)
    for unit in "${TRADING[@]}"; do
        SEEN="nothing about $unit in it"
        [[ $line == *"\"unit\":\"$unit\""* ]] || return 1
    done
    trip_back
}

# aftermath_more EVENT COUNT
aftermath_more() {
    (($(aftermath_events "$1") > $2))
}

aftermath_mailbox() {
    cp -p -- "$ESS_AFTERMATH_CONF" "$AFTERMATH_TELLS"
    bounded 10 systemd-run --quiet --collect --unit=mailbox /usr/bin/python3 -I \
        "$PROOF_ROOT/scripts/proof_lab/units/mailbox.py" "$AFTERMATH_MAILS" || { seen_out "$?" && return 1; }
    printf '%s\n' QT_ESS_SMTP_HOST=127.0.0.1 QT_ESS_SMTP_PORT=2525 QT_ESS_SMTP_SECURITY=none \
        QT_ESS_EMAIL_FROM=ess@desk.example QT_ESS_EMAIL_TO=desk@desk.example >>"$ESS_AFTERMATH_CONF"
    SEEN='it does not listen'
    until_asked 5000 aftermath_listens || return 1
}

aftermath_listens() {
    (: </dev/tcp/127.0.0.1/2525) 2>/dev/null
}

aftermath_told() {
    : >"$AFTERMATH_MAILS"
    aftermath_stop || return 1
    SEEN='no mail within 30 s'
    until_every 100 300 30000 grep -qs '^Subject: .*stopped' "$AFTERMATH_MAILS" || return 1
    NOTED="a mail $WAITED ms after it"
    trip_back
}

# aftermath_drill RESULT CHANNELS WORDS: a drill, what its record says, and words of what it prints.
aftermath_drill() {
    local code
    bounded 150 bash "$ESS_LIB/scripts/proof_ess.sh" --canary
    code=$?
    seen_out "$code"
    ((code == 0)) && [[ $OUT == *"$3"* && $OUT == *'SUMMARY: PASS'* ]] || return 1
    SEEN="its record: $(tr '\n' ' ' <"$DRILL_FILE")"
    grep -qx "result=$1" "$DRILL_FILE" && grep -qx "channels=$2" "$DRILL_FILE"
}

# aftermath_drill_warns: of the channel and, for the next claim, of the audit log.
aftermath_drill_warns() {
    systemctl stop mailbox.service
    aftermath_edit
    aftermath_drill PASS email-1:no 'WARN  alert channel email-1 takes a test' || return 1
    AFTERMATH_SAID=$OUT
    NOTED='exit 0, WARN'
}

# aftermath_edit: a letter of the first record is another. In its place: whoever adds a line meanwhile loses none.
aftermath_edit() {
    AFTERMATH_AT=$(grep -bom 1 '":"' "$AFTERMATH_AUDIT" | head -n 1)
    AFTERMATH_AT=$((${AFTERMATH_AT%%:*} + 3))
    AFTERMATH_WAS=$(tail -c +$((AFTERMATH_AT + 1)) "$AFTERMATH_AUDIT" | head -c 1)
    aftermath_letter X
}

aftermath_letter() {
    printf %s "$1" | dd of="$AFTERMATH_AUDIT" bs=1 seek="$AFTERMATH_AT" conv=notrunc status=none
}

aftermath_edited() {
    aftermath_letter "$AFTERMATH_WAS"
    SEEN="its record: $(tr '\n' ' ' <"$DRILL_FILE")"
    [[ ${AFTERMATH_SAID:-} == *'WARN  the chain of the audit log is intact'* ]] && grep -qx chain=no "$DRILL_FILE" || return 1
    aftermath_whole
}

aftermath_doctor() {
    local code
    bounded 60 ess doctor
    code=$?
    seen_out "$code"
    ((code == 0)) && [[ $OUT == ARMED* && $OUT == *'alert-unacked: email-1'* ]]
}

aftermath_restore() {
    cp -p -- "$AFTERMATH_TELLS" "$ESS_AFTERMATH_CONF"
    systemctl stop mailbox.service 2>/dev/null
}
