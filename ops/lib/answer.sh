# shellcheck shell=bash
# Asking another program, which may hang, and taking its answer apart.

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
