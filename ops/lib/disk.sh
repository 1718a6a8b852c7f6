# shellcheck shell=bash
# A disk that hangs: who so much as looks at a name on it sleeps where no signal wakes him. A stop must not.

DISK_PATIENCE=0.5 # s
DISK_ASKER=
DISK_HUNG=/run/quantum-ess/disk-hung

# disk_answers: true when the disk with STATE_DIR does. Otherwise a child hangs there in our place, and what
# belongs on that disk is kept under /run until it answers again.
disk_answers() {
    local fd _ late=''
    if [[ -n $DISK_ASKER ]]; then
        disk_back
        return
    fi
    # It says nothing: what is read ends when the child does, or its time.
    exec {fd}< <(exec </dev/null 2>/dev/null && [[ -e $VAR_FLAG ]])
    DISK_ASKER=$!
    read -r -t "$DISK_PATIENCE" -u "$fd" _
    (($? <= 128)) || late=1
    exec {fd}<&-
    if [[ -n $late ]] && kill -0 "$DISK_ASKER" 2>/dev/null; then
        disk_do_without
        return 1
    fi
    DISK_ASKER=
}

disk_do_without() {
    STATE_DIR=$RUNTIME_DIR/no-disk
    VAR_FLAG=$STATE_DIR/ESS_ON
    RUNNING_FILE=$STATE_DIR/running
    mkdir -p -- "$STATE_DIR" 2>/dev/null
}

# disk_back: true when the disk that did not answer does now; the paths are the usual ones again.
disk_back() {
    [[ -n $DISK_ASKER ]] && ! kill -0 "$DISK_ASKER" 2>/dev/null || return 1
    rm -rf -- "$RUNTIME_DIR/no-disk"
    DISK_ASKER=
    paths_use_scope "$ESS_SCOPE"
}

# hung_note FILE PID: remember a child that hangs, deaf to SIGKILL, for the next round of the sentry.
hung_note() {
    { printf '%s\n' "$2" >"$1"; } 2>/dev/null
}

# hung_still FILE: true while that child hangs, its pid in HUNG_PID; one is enough. The pid alone may be somebody
# else's by now.
hung_still() {
    local group=''
    HUNG_PID=none
    [[ -e $1 ]] || return 1
    read -r HUNG_PID 2>/dev/null <"$1"
    IFS= read -r -d '' group 2>/dev/null <"/proc/$HUNG_PID/cgroup"
    [[ $group == */quantum-ess-sentry.service* ]]
}
