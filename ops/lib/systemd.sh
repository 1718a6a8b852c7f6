# shellcheck shell=bash
# Every word to PID 1, bounded: it may be deaf, and then systemctl hangs.

SYSTEMD_TIMEOUT=1 # s
SYSTEMD_FEW=5     # units of which it takes less to read the answer byte by byte than one process more
SYSTEMD_LINES=10  # times as many, where the answer is a line for each

# sd VERB...: its exit code; 124 when it took longer. What it says is lost.
sd() {
    local ANSWERED
    answer_within "$SYSTEMD_TIMEOUT" systemctl --no-ask-password "$@"
}

# sd_ask VERB...: print the answer, bounded as sd is. For $(...) and <(...) alone: the shell that was forked for it becomes
# the program.
sd_ask() {
    exec timeout -k 0.2 "$SYSTEMD_TIMEOUT" systemctl --no-ask-password "$@" </dev/null 2>/dev/null
}

# sd_answer UNITS VERB...: into ANSWERED, bounded as sd is, the answer about so many units.
sd_answer() {
    local units=$1
    shift
    if ((units <= SYSTEMD_FEW)); then
        answer_within "$SYSTEMD_TIMEOUT" systemctl --no-ask-password "$@"
    else
        ANSWERED=$(sd_ask "$@")
    fi
}

# sd_show "PROPERTY PROPERTY..." UNIT...: fills UNIT_PROP[unit.property] and UNITS_SEEN. False when
# systemd did not answer, and then everything is unknown.
sd_show() {
    local properties=$1 line id='' answer
    local -a flags=(-p Id)
    shift
    declare -gA UNIT_PROP=()
    UNITS_SEEN=()
    (($#)) || return 0
    for line in $properties; do flags+=(-p "$line"); done
    sd_answer "$#" show "${flags[@]}" -- "$@" || return 1
    answer=$ANSWERED
    sd_show_read
}

# sd_show_read: take answer apart, into UNIT_PROP and UNITS_SEEN.
sd_show_read() {
    local key LC_ALL=C
    local -A block=()
    # Empty lines, which stand between two units, would be lost.
    answer_lines "${answer//$'\n\n'/$'\n-\n'}"$'\n-'
    for line in "${ANSWER_LINES[@]}"; do
        if [[ $line == - ]]; then
            sd_show_keep
            continue
        fi
        key=${line%%=*}
        # One line for each ExecStart=.
        block[$key]+=${block[$key]:+ }${line#*=}
    done
}

# sd_active UNIT...: as sd_show ActiveState, of units under their own names, for a fraction of what that costs us and
# PID 1.
sd_active() {
    local unit at=0
    declare -gA UNIT_PROP=()
    answer_within "$SYSTEMD_TIMEOUT" systemctl --no-ask-password is-active -- "$@"
    answer_lines "$ANSWERED"
    # A complaint is a line more, no answer is fewer.
    ((${#ANSWER_LINES[@]} == $#)) || return 1
    for unit in "$@"; do
        [[ ${ANSWER_LINES[at]} != *' '* ]] || return 1
        UNIT_PROP["$unit.ActiveState"]=${ANSWER_LINES[at++]}
    done
}

sd_show_keep() {
    local key
    id=${block[Id]:-}
    [[ -n $id && -z ${UNIT_PROP["$id.Id"]:-} ]] || { block=() && return 0; }
    UNITS_SEEN+=("$id")
    for key in "${!block[@]}"; do UNIT_PROP["$id.$key"]=${block[$key]}; done
    block=()
}

# sd_jobs TYPE UNIT...: into JOBS "id unit" of the queued jobs of these units whose type matches the glob
# TYPE; false when unknown.
sd_jobs() {
    local wanted=$1 line ANSWERED of='^ *([0-9]+) +([^ ]+) +([^ ]+)'
    shift
    JOBS=()
    sd_answer "$(($# / SYSTEMD_LINES))" list-jobs --no-legend --plain --full || return 1
    answer_lines "$ANSWERED"
    for line in "${ANSWER_LINES[@]}"; do
        # shellcheck disable=SC2053 # the right side is a glob on purpose
        [[ $line =~ $of && ${BASH_REMATCH[3]} == $wanted ]] || continue
        name_in "${BASH_REMATCH[2]}" "$@" && JOBS+=("${BASH_REMATCH[1]} ${BASH_REMATCH[2]}")
    done
    return 0
}

# sd_coming UNIT...: into COMING those that may have a process in a moment, though they have none now: queued
# to start, waiting for their restart, or between ExecStop= and ExecStopPost=. False when unknown.
sd_coming() {
    local line ANSWERED
    COMING=()
    sd_jobs '*start*' "$@" || return 1
    COMING=("${JOBS[@]#* }")
    sd_answer "$(($# / SYSTEMD_LINES))" list-units --all --no-legend --plain --full --state=activating,deactivating -- "$@" ||
        return 1
    answer_lines "$ANSWERED"
    for line in "${ANSWER_LINES[@]}"; do
        [[ $line =~ ^\ *([^ ]+) ]] || continue
        name_in "${BASH_REMATCH[1]}" "${COMING[@]}" || COMING+=("${BASH_REMATCH[1]}")
    done
    return 0
}
