# shellcheck shell=bash
# activate for who is not root: ask for the stop by a file in REQUEST_DIR, then watch until trading is proved dead, as
# root does. Nothing here can release.

ASK_PATIENCE=2000 # ms for the latch to be set

# ask_may: true for who is not root and may ask for a stop.
ask_may() {
    ((EUID)) && [[ -d $REQUEST_DIR && -w $REQUEST_DIR && -x $REQUEST_DIR ]]
}

# ask SOURCE REASON CATEGORY: exit code as of activate.
ask() {
    local already='' told=''
    ACTIVATE_ASKS=1
    LATCH_FAILED=
    ! latch_is_set || already=1
    clean "${2:-not given}"
    printf -v ASK_CONTENT 'reason=%s\nsource=%s\ncategory=%s\n' "$CLEAN" "$1" "$3"
    if ! ask_drop; then
        complain "the stop could not be asked for: cannot write to $REQUEST_DIR" "Run: sudo $0 activate"
        return "$EXIT_NOT_CONTAINED"
    fi
    clock_ms
    ASK_UNTIL=$((NOW_MS + ASK_PATIENCE))
    until latch_is_set; do
        clock_ms
        ((NOW_MS < ASK_UNTIL)) || { told=1 && break; }
        pause 10
    done
    if [[ -n $told ]]; then
        complain "NOT LATCHED: nobody has taken the request within $((ASK_PATIENCE / 1000)) s; the sentry looks every 10 s" \
            "Run: sudo $0 activate"
        return "$EXIT_NOT_CONTAINED"
    fi
    activate_say_latch "$already"
    activate_contain "$3"
}

# ask_drop: one request; true when it is there. Without a fork.
ask_drop() {
    local file=$REQUEST_DIR/$EPOCHREALTIME-$$-$RANDOM code
    umask 077
    set -C
    { printf '%s' "$ASK_CONTENT" >"$file"; } 2>/dev/null
    code=$?
    set +C
    umask 022
    return "$code"
}
