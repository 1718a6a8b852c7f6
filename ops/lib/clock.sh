# shellcheck shell=bash
# Time that does not depend on the wall clock, waiting without a process, and waiting for one that may hang.

NOW_NEVER=999999999999999 # ms, a deadline that does not come

# clock_ms: into NOW_MS, ms since boot. /proc/uptime does not jump when somebody sets the clock.
clock_ms() {
    local up rest
    read -r up rest </proc/uptime
    NOW_MS=$((10#${up/./} * 10))
}

# pause MS: sleep without forking; a signal to the shell ends it.
pause() {
    local seconds
    printf -v seconds '%d.%03d' $(($1 / 1000)) $(($1 % 1000))
    if [[ -z ${PAUSE_FD:-} ]]; then exec {PAUSE_FD}<> <(:); fi
    read -r -t "$seconds" -u "$PAUSE_FD"
    return 0
}

# answer_within SECONDS PROGRAM [ARGUMENT...]: into ANSWERED what it prints, in English. Its exit code; 124 when it takes
# longer, and then it is killed and not waited for: it may be deaf to that. What it complains of goes to ANSWER_ERRORS.
# Meant for a few lines, they are read byte by byte; costs one process.
answer_within() {
    local fd child code LC_ALL=C
    exec {fd}< <(LC_ALL=C exec "${@:2}" </dev/null 2>"${ANSWER_ERRORS:-/dev/null}")
    child=$!
    IFS= read -r -d '' -t "$1" -u "$fd" ANSWERED
    code=$?
    exec {fd}<&-
    if ((code > 128)); then
        kill -s KILL "$child" 2>/dev/null
        return 124
    fi
    wait "$child"
}

# answer_lines TEXT: into ANSWER_LINES those that are not empty. Without a fork.
answer_lines() {
    local IFS=$'\n' LC_ALL=C
    set -f
    # shellcheck disable=SC2206 # split into lines on purpose, globbing is off
    ANSWER_LINES=($1)
    set +f
}
