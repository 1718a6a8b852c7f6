# shellcheck shell=bash
# What happened, one small file an event, for what comes after the stop: the audit log, alerts. The format is
# described in ess/event.py. Nothing here is waited for.

SPOOL_PLACES=(/var/lib/quantum-ess/spool /run/quantum-ess/spool)
SPOOL_BELL=/run/quantum-ess/wake/spool
SPOOL_TOLD=/run/quantum-ess/told

# spool_event EVENT ID [KEY=VALUE...]: one event of the activation ID ("" for none); returns at once. A drill
# on the canary is told of by its result.
spool_event() {
    [[ $ESS_SCOPE == main ]] || return 0
    spool_compose "$@"
    { say_only spool_write "$SPOOL_NAME" "$SPOOL_CONTENT"; } </dev/null >/dev/null 2>&1 &
}

# spool_compose EVENT ID [KEY=VALUE...]: into SPOOL_NAME and SPOOL_CONTENT.
spool_compose() {
    local field boot='' us=${EPOCHREALTIME/./}
    clock_ms
    read -r boot 2>/dev/null </proc/sys/kernel/random/boot_id
    printf -v SPOOL_NAME '%016d-%d-%d' "$us" "$BASHPID" "$RANDOM"
    printf -v SPOOL_CONTENT 'ess-event=1\nevent=%s\nus=%s\nms=%s\nboot=%s\nid=%s\n' "$1" "$us" "$NOW_MS" "$boot" "$2"
    for field in "${@:3}"; do
        clean "$field"
        SPOOL_CONTENT+=$CLEAN$'\n'
    done
    SPOOL_CONTENT+="end=$1"$'\n'
}

# spool_write NAME CONTENT: true once the event is on disk. A disk that hangs, is full or read-only is done without.
spool_write() {
    local place
    for place in "${SPOOL_PLACES[@]}"; do
        [[ -z ${DISK_ASKER:-} || $place == /run/* ]] || continue
        spool_drop "$place" "$1" "$2" && spool_wake && return 0
    done
    journal 2 "an event could not be written down: ${2//$'\n'/ }"
    return 1
}

# spool_wake: see ess/wake.py.
spool_wake() {
    { { [[ -d ${SPOOL_BELL%/*} ]] || (umask 077 && mkdir -p -- "${SPOOL_BELL%/*}"); } && : >"$SPOOL_BELL"; } 2>/dev/null
    return 0
}

spool_drop() {
    [[ -d $1/tmp && -d $1/new ]] || (umask 077 && mkdir -p -- "$1/tmp" "$1/new") || return 1
    if printf '%s' "$3" >"$1/tmp/$2" && sync -- "$1/tmp/$2" && mv -T -- "$1/tmp/$2" "$1/new/$2"; then
        sync -- "$1/new"
        return 0
    fi
    rm -f -- "$1/tmp/$2"
    return 1
}

# spool_once KEY: true the first time in this boot. An enforcer that is killed again and again tells of a trip once.
spool_once() {
    [[ ! -e $SPOOL_TOLD/$1 ]] || return 1
    { { [[ -d $SPOOL_TOLD ]] || mkdir -p -- "$SPOOL_TOLD"; } && : >"$SPOOL_TOLD/$1"; } 2>/dev/null
    return 0
}
