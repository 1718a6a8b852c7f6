# shellcheck shell=bash
# Every word to PID 1, bounded: it may be deaf, and then systemctl hangs.

SYSTEMD_TIMEOUT=1 # s

sd() {
    timeout -k 0.2 "$SYSTEMD_TIMEOUT" systemctl --no-ask-password "$@" </dev/null 2>/dev/null
}

# sd_answer ARGUMENT...: as sd, and into SD_ANSWER what it says. In one process less than $(sd ...).
sd_answer() {
    SD_ANSWER=$(exec timeout -k 0.2 "$SYSTEMD_TIMEOUT" systemctl --no-ask-password "$@" </dev/null 2>/dev/null)
}

# sd_lines: into SD_LINES the lines of SD_ANSWER, an empty one as a space. Not through a pipe: that takes a process, and
# bash reads byte by byte from it.
sd_lines() {
    local LC_ALL=C IFS=$'\n'
    set -f
    # shellcheck disable=SC2206 # split into lines on purpose, globbing is off
    SD_LINES=(${SD_ANSWER//$'\n\n'/$'\n \n'})
    set +f
}

# sd_show "PROPERTY PROPERTY..." UNIT...: fills UNIT_PROP[unit.property] and UNITS_SEEN. False when
# systemd did not answer, and then everything is unknown.
sd_show() {
    local properties=$1 line key id=''
    local -a flags=(-p Id)
    shift
    declare -gA UNIT_PROP=()
    UNITS_SEEN=()
    (($#)) || return 0
    for line in $properties; do flags+=(-p "$line"); done
    sd_answer show "${flags[@]}" -- "$@" || return 1
    sd_lines
    local -A block=()
    for line in "${SD_LINES[@]}" ' '; do
        if [[ $line == ' ' ]]; then
            sd_show_keep
            continue
        fi
        key=${line%%=*}
        # One line for each ExecStart=.
        block[$key]+=${block[$key]:+ }${line#*=}
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
    local wanted=$1 id unit type state
    shift
    JOBS=()
    sd_answer list-jobs --no-legend --plain --full || return 1
    [[ -n $SD_ANSWER ]] || return 0
    while read -r id unit type state; do
        # shellcheck disable=SC2053 # the right side is a glob on purpose
        [[ $type == $wanted ]] || continue
        name_in "$unit" "$@" && JOBS+=("$id $unit")
    done < <(printf '%s\n' "$SD_ANSWER")
    return 0
}

# sd_coming UNIT...: into COMING those that may have a process in a moment, though they have none now: queued
# to start, waiting for their restart, or between ExecStop= and ExecStopPost=. False when unknown.
sd_coming() {
    local unit rest
    COMING=()
    sd_jobs '*start*' "$@" || return 1
    COMING=("${JOBS[@]#* }")
    sd_answer list-units --all --no-legend --plain --full --state=activating,deactivating -- "$@" || return 1
    [[ -n $SD_ANSWER ]] || return 0
    while read -r unit rest; do
        [[ -z $unit ]] || name_in "$unit" "${COMING[@]}" || COMING+=("$unit")
    done < <(printf '%s\n' "$SD_ANSWER")
    return 0
}
