#!/usr/bin/env bash
# What systemd runs when the watcher has started, and when it is dead. Without Python: that may be what died.
# usage: watch_deadman.sh started|died [--scope canary]
LC_ALL=C.UTF-8
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022

UNIT=quantum-ess-watch.service
HERE=${BASH_SOURCE[0]}
# Without a process, which may not be had.
if [[ $HERE == /* && ! -L $HERE ]]; then HERE=${HERE%/*}; else HERE=$(dirname -- "$(readlink -f -- "$HERE")"); fi
DEAD=/run/quantum-ess/watcher.dead # while somebody has to be told that it is
SETTLED=20                         # s until a watcher that systemd starts again runs or is dead
DRILL=()                           # what the stop is told in a drill, and only then

# of_canary: the drill has a watcher of its own, and this stops the canary. Nobody is to be told of that.
of_canary() {
    UNIT=quantum-ess-canary-watch.service
    DEAD=/run/quantum-ess/canary/control/watcher.dead
    DRILL=(--scope canary)
}

# ask PROPERTY: into ANSWER what PID 1 says of the watcher; false when it says nothing.
ask() {
    ANSWER=$(timeout -k 1 5 systemctl show -P "$1" -- "$UNIT" 2>/dev/null) && [[ -n $ANSWER ]]
}

# record EVENT [KEY=VALUE...]: for the audit log and the alerts; nothing depends on it.
record() {
    local part
    ((${#DRILL[@]} == 0)) || return 0
    for part in paths say clock spool; do
        # shellcheck source=/dev/null
        . "$HERE/lib/$part.sh" 2>/dev/null || return 0
    done
    spool_compose "$1" '' "${@:2}"
    spool_write "$SPOOL_NAME" "$SPOOL_CONTENT"
}

# started: forget earlier starts, unless this one is systemd's own after a failure.
started() {
    if ask NRestarts && [[ $ANSWER == 0 ]]; then
        timeout -k 1 5 systemctl reset-failed -- "$UNIT"
    fi
    if [[ -e $DEAD ]]; then
        rm -f -- "$DEAD"
        record watcher-back
    fi
}

# is_dead: false for a watcher that runs. From systemd 254 on every failure may bring us here, not the last one only.
is_dead() {
    local since=$SECONDS
    while ask SubState; do
        case $ANSWER in
            running) return 1 ;;
            failed | dead) return 0 ;;
        esac
        ((SECONDS - since < SETTLED)) || return 0
        sleep 0.1
    done
    # A PID 1 that does not answer cannot say that it lives.
    return 0
}

# why: into WHY how the watcher ended.
why() {
    WHY='the watcher died'
    ! ask Result || [[ ! $ANSWER =~ ^[a-z-]{1,30}$ ]] || WHY+=" ($ANSWER)"
}

say() {
    local drill=''
    ((${#DRILL[@]} == 0)) || drill=' (drill on the canary, trading is not touched)'
    printf '<%d>[%(%Y-%m-%d %H:%M:%S)T UTC] ESS: %s%s\n' "$1" -1 "$2" "$drill" >&2
}

died() {
    local code=0 does='trading goes on'
    is_dead || return 0
    why
    # What cannot be read does not say that trading may go on.
    # shellcheck source=ops/lib/watch.sh
    if . "$HERE/lib/watch.sh" 2>/dev/null && watch_setting QT_ESS_WATCH_DEADMAN && [[ $ANSWER == alert ]]; then
        say 1 "$WHY: no limit is watched, and trading goes on (QT_ESS_WATCH_DEADMAN=alert). Mend it, then: systemctl restart $UNIT"
    else
        say 1 "$WHY: stopping trading. Mend it, then: systemctl restart $UNIT"
        does='trading was stopped'
        /bin/bash "$HERE/ess_controller.sh" activate "${DRILL[@]}" --source watcher --reason "$WHY"
        code=$?
    fi
    : >"$DEAD"
    record watcher-died "what=$WHY; $does"
    return "$code"
}

export TZ=UTC
# Whatever else is said here, it is the real one.
[[ ${*:2} != '--scope canary' ]] || of_canary
case ${1:-} in
    started) started ;;
    died) died ;;
    *)
        printf 'usage: watch_deadman.sh started|died [--scope canary]\n' >&2
        exit 2
        ;;
esac
