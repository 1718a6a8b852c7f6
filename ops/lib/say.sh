# shellcheck shell=bash
# What we tell people: the journal, and the person at the terminal. Neither may hold up a stop, so a
# journal line is written by a child that nobody waits for.

SAY_PENDING_MAX=20 # children that may hang on a dead journald before lines are dropped
SAY_PIDS=()
SAY_SOCKET=/run/systemd/journal/socket

# journal PRIORITY TEXT [EVENT=KIND] [UNIT=UNIT]...: one line under the identifier quantum-ess, with fields ESS_EVENT,
# ESS_UNIT and, of the activation ACTIVATION, ESS_ACTIVATION_ID; returns at once.
journal() {
    say_has_room || return 0
    say_child say_line "$@"
}

# say_child COMMAND...: nobody waits for it, nor for what it holds of ours. Where standard error is the journal it
# is the way out when the other one is shut.
say_child() {
    if [[ -n ${JOURNAL_STREAM:-} ]]; then
        { say_only "$@"; } </dev/null >/dev/null &
    else
        { say_only "$@"; } </dev/null >/dev/null 2>&1 &
    fi
    SAY_PIDS+=("$!")
}

# say_after PID: wait until that child has said what it has to, 2 s at most.
say_after() {
    local left=100
    while ((left--)) && kill -0 "$1" 2>/dev/null; do pause 20; done
}

# say_line PRIORITY TEXT [FIELD=VALUE...]: as journal, and waits. A drill's lines say that they are one's: nobody may
# take them for a stop of trading.
say_line() {
    local line drill=
    [[ $ESS_SCOPE == main ]] || drill=" (drill on the $ESS_SCOPE, trading is not touched)"
    TZ=UTC printf -v line '[%(%Y-%m-%d %H:%M:%S)T UTC] ESS: %s%s' -1 "${2//[[:cntrl:]]/ }" "$drill"
    say_entry "$1" "$line" "${@:3}" || say_plain "$1" "$line"
}

# say_entry PRIORITY LINE [FIELD=VALUE...]: an entry with fields. journald may look up who sent it after we are gone,
# so our unit is named once more, in the field that `journalctl -u` looks at, too.
say_entry() {
    local entry own='' field
    [[ -S $SAY_SOCKET ]] || return 1
    printf -v entry 'MESSAGE=%s\nPRIORITY=%d\nSYSLOG_IDENTIFIER=quantum-ess\nSYSLOG_FACILITY=3\nSYSLOG_PID=%d\n' "$2" "$1" "$$"
    for field in "ACTIVATION_ID=${ACTIVATION:-}" "${@:3}"; do
        clean "${field#*=}"
        [[ -z $CLEAN ]] || entry+="ESS_${field%%=*}=$CLEAN"$'\n'
    done
    while read -r own && [[ $own != 0::* ]]; do :; done 2>/dev/null </proc/self/cgroup
    [[ ${own##*/} != *.service ]] || entry+="OBJECT_SYSTEMD_UNIT=${own##*/}"$'\n'
    logger --journald <<<"$entry" 2>/dev/null
}

say_plain() {
    if [[ -n ${JOURNAL_STREAM:-} ]]; then
        printf '<%d>%s\n' "$1" "$2" >&2
    elif [[ -S /dev/log ]]; then
        timeout 2 logger -t quantum-ess -p "daemon.$1" -- "$2" 2>/dev/null
    fi
}

say_has_room() {
    local pid alive=()
    ((${#SAY_PIDS[@]} >= SAY_PENDING_MAX)) || return 0
    for pid in "${SAY_PIDS[@]}"; do
        kill -0 "$pid" 2>/dev/null && alive+=("$pid")
    done
    SAY_PIDS=("${alive[@]}")
    ((${#SAY_PIDS[@]} < SAY_PENDING_MAX))
}

# say_wait: with our unit end the children that still say something, so they get a moment: 1 s for all.
say_wait() {
    local pid left=50
    for pid in "${SAY_PIDS[@]}"; do
        while ((left-- > 0)) && kill -0 "$pid" 2>/dev/null; do pause 20; done
    done
}

# unlocked COMMAND...: for a child that may outlive us; it would keep the release lock with the descriptor.
unlocked() {
    [[ -z ${RELEASE_FD:-} ]] || exec {RELEASE_FD}>&-
    "$@"
}

# say_only COMMAND...: the same for one who only tells of what happened: no release waits for him, either.
say_only() {
    [[ -z ${STOPPER_FD:-} ]] || exec {STOPPER_FD}>&-
    unlocked "$@"
}

# tell TEXT: for the person at the terminal.
tell() {
    printf '%s\n' "$1"
}

# complain WHAT WHAT-TO-DO: one error, two lines, standard error; on a terminal more than two rather than broken words.
complain() {
    say_words 'ess: ' '     ' "$1" >&2
    [[ -z ${2:-} ]] || say_words '     ' '     ' "$2" >&2
}

# say_words PREFIX INDENT TEXT: one line; on a terminal as many as it takes, those after the first behind INDENT. Needs
# no other program.
say_words() {
    local line=$1 rest=$3 word blank=''
    [[ -t 1 ]] || { printf '%s%s\n' "$1" "$3" && return; }
    while [[ -n $rest ]]; do
        word=${rest%% *}
        rest=${rest#"$word"}
        rest=${rest# }
        if [[ -n $blank ]] && ((${#line} + 1 + ${#word} > 79)); then
            printf '%s\n' "$line"
            line=$2 blank=''
        fi
        line+=$blank$word blank=' '
    done
    printf '%s\n' "$line"
}

# clean TEXT: into CLEAN, without control characters and at most 500 bytes.
clean() {
    local LC_ALL=C
    CLEAN=${1//[[:cntrl:]]/ }
    CLEAN=${CLEAN:0:500}
}
