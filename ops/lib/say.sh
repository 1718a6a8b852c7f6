# shellcheck shell=bash
# What we tell people: the journal, and the person at the terminal. Neither may hold up a stop, so a
# journal line is written by a child that nobody waits for.

SAY_PENDING_MAX=20 # children that may hang on a dead journald before lines are dropped
SAY_PIDS=()

# journal PRIORITY TEXT: one line under the identifier quantum-ess; returns at once. A drill's lines say
# that they are one's: nobody may take them for a stop of trading.
journal() {
    local line drill=
    [[ $ESS_SCOPE == main ]] || drill=" (drill on the $ESS_SCOPE, trading is not touched)"
    TZ=UTC printf -v line '[%(%Y-%m-%d %H:%M:%S)T UTC] ESS: %s%s' -1 "$2" "$drill"
    say_has_room || return 0
    if [[ -n ${JOURNAL_STREAM:-} ]]; then
        { printf '<%d>%s\n' "$1" "$line" >&2; } &
    elif [[ -S /dev/log ]]; then
        unlocked timeout 2 logger -t quantum-ess -p "daemon.$1" -- "$line" </dev/null >/dev/null 2>&1 &
    fi
    SAY_PIDS+=("$!")
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

# unlocked COMMAND...: for a child that may outlive us; it would keep the release lock with the descriptor.
unlocked() {
    [[ -z ${RELEASE_FD:-} ]] || exec {RELEASE_FD}>&-
    "$@"
}

# tell TEXT: for the person at the terminal.
tell() {
    printf '%s\n' "$1"
}

# complain WHAT WHAT-TO-DO: one error, two lines, standard error.
complain() {
    printf 'ess: %s\n' "$1" >&2
    [[ -z ${2:-} ]] || printf '     %s\n' "$2" >&2
}

# clean TEXT: into CLEAN, without control characters and at most 500 bytes.
clean() {
    local LC_ALL=C
    CLEAN=${1//[[:cntrl:]]/ }
    CLEAN=${CLEAN:0:500}
}
