# shellcheck shell=bash
# The stop certificate: of each trading unit which processes it had, which signal ended it, and how long after the
# flag it was down. Put together after the stop, from what the kernel showed and what systemd remembers.

CERTIFICATE_PROPERTIES='ExecMainPID ExecMainCode ExecMainStatus ExecMainExitTimestampMonotonic InactiveEnterTimestampMonotonic'

# certificate_units: into CERTIFICATE, a field unit=... for each unit that was down because of this trip. Run it
# as a child; a systemd that does not answer leaves what we saw ourselves.
certificate_units() {
    local unit
    CERTIFICATE=()
    fell_ask "$CERTIFICATE_PROPERTIES" "${TRADING[@]}"
    fell_reckon
    for unit in "${UNITS_SEEN[@]}"; do
        certificate_unit "$unit"
        [[ -z $CERTIFICATE_LINE ]] || CERTIFICATE+=("unit=$unit $CERTIFICATE_LINE")
    done
    return 0
}

# certificate_unit UNIT: into CERTIFICATE_LINE "pids=... signal=... ms=..."; empty for one that did not run.
certificate_unit() {
    local pids=${KILLED_PIDS[$1]:-} signal ended pid
    CERTIFICATE_LINE=
    pid=${UNIT_PROP["$1.ExecMainPID"]:-0}
    ended=${UNIT_PROP["$1.ExecMainExitTimestampMonotonic"]:-0}
    ((ended > 0)) || ended=${UNIT_PROP["$1.InactiveEnterTimestampMonotonic"]:-0}
    if [[ -z ${KILLED[$1]:-} ]]; then
        [[ $FLAG_MONO =~ ^[0-9]+$ ]] && ((ended >= FLAG_MONO && pid > 0)) || return 0
    fi
    certificate_signal "$1"
    [[ " ${pids//,/ } " == *" $pid "* ]] || ((pid == 0)) || pids=$pid${pids:+,$pids}
    certificate_outside "$1"
    CERTIFICATE_LINE="pids=${pids:-unknown} signal=$signal"
    [[ ! $FLAG_MONO =~ ^[0-9]+$ ]] || ((ended < FLAG_TOLD)) || CERTIFICATE_LINE+=" ms=$(((ended - FLAG_TOLD) / 1000))"
}

# certificate_outside UNIT: into pids, too, what lived outside its control group, whoever killed it.
certificate_outside() {
    local pid
    for pid in "${!ESCAPED[@]}"; do
        [[ ${ESCAPED[$pid]#* } != "$1" || ,$pids, == *,$pid,* ]] || pids+=${pids:+,}$pid
    done
}

# certificate_signal UNIT: into signal, what ended the main process.
certificate_signal() {
    local status=${UNIT_PROP["$1.ExecMainStatus"]:-}
    case ${UNIT_PROP["$1.ExecMainCode"]:-} in
        2 | 3)
            case $status in
                # Those that a stop sends, without a process for each.
                15) signal=TERM ;;
                9) signal=KILL ;;
                *) signal=$(kill -l "$status" 2>/dev/null) || signal=$status ;;
            esac
            ;;
        1) signal=exit-$status ;;
        *) signal=unknown ;;
    esac
    [[ -z ${KILLED[$1]:-} || $signal == KILL ]] || signal+=,KILL
}
