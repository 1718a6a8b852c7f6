# shellcheck shell=bash
# shellcheck disable=SC2317 # called by name
# The watcher of the limits: a figure in the machine's own Redis stops trading. The drill proves as much on the canary,
# and fails where the watcher is deaf.

WATCHER_WAS=/root/watch.env.before

group_watcher() {
    if [[ ! -x $AFTERMATH_PYTHON ]]; then
        remark 'not proved: the Python part, which watches the limits, is not installed'
        claim 'without the Python part the watcher does not run' watcher_absent
        return
    fi
    cp -p -- "$WATCH_CONF" "$WATCHER_WAS"
    claim 'a Redis that is not there: the drill fails' watcher_deaf
    claim_or_stop 'with one that is there, it runs' watcher_on redis://127.0.0.1:6379/0
    claim 'a limit that is broken in Redis stops trading' watcher_trips
    # The last of this group: the host is armed by it.
    claim 'the drill proves it on the canary' watcher_drilled 0 'PASS  a broken limit in Redis: it stops the canary'
    watcher_restore
}

watcher_absent() {
    sd_show ActiveState "$WATCH_UNIT" && [[ ${UNIT_PROP["$WATCH_UNIT.ActiveState"]:-} == inactive ]]
}

# watcher_on URL: switched on as a person does it.
watcher_on() {
    printf '%s\n' QT_ESS_ENABLED=true QT_ESS_CHECK_INTERVAL=1 "QT_ESS_WATCH_REDIS_URL=$1" >"$WATCH_CONF"
    bounded 90 bash "$ESS_LIB/ops/install.sh" --configure
    SEEN='it does not run'
    until_asked 20000 watcher_active
}

watcher_active() {
    sd_show SubState "$WATCH_UNIT" && [[ ${UNIT_PROP["$WATCH_UNIT.SubState"]:-} == running ]]
}

watcher_trips() {
    local ms
    trip_ready "${TRADING[@]}" && watcher_figure 1000 || return 1
    SEEN='it has not heard the first figure'
    until_asked 15000 watcher_heard || return 1
    stopwatch_start
    watcher_figure 100 && stopwatch_down "${TRADING[@]}" || return 1
    ms=$DOWN_MS
    way_latched || return 1
    trip_back || return 1
    MEASURED=$ms
    NOTED="${#TRADING[@]} units dead, released"
}

# watcher_heard: it judges what it knows the equity for.
watcher_heard() {
    [[ $(</var/lib/quantum-ess/watch/standing.json) == *'"evaluator": "flash-crash", "mood": "quiet"'* ]]
} 2>/dev/null

watcher_figure() {
    bounded 5 redis-cli XADD quantum:ess:figures '*' name equity value "$1"
}

# watcher_drilled CODE WORDS: a drill ends so, and prints that.
watcher_drilled() {
    local code line
    bounded 250 bash "$ESS_LIB/scripts/proof_ess.sh" --canary
    code=$?
    seen_out "$code"
    ((code == $1)) && [[ $OUT == *"$2"* ]] || return 1
    line=${OUT#*"$2"}
    NOTED="${line%%$'\n'*}"
    NOTED=${NOTED#:} NOTED=${NOTED# }
}

watcher_deaf() {
    watcher_on redis://127.0.0.1:1 && watcher_drilled "$EXIT_NOT_ARMED" 'FAIL  the watcher runs, judges, and hears its sources'
}

watcher_restore() {
    cp -p -- "$WATCHER_WAS" "$WATCH_CONF"
    bounded 5 redis-cli DEL quantum:ess:figures
    bounded 90 bash "$ESS_LIB/ops/install.sh" --configure
    rm -rf -- /var/lib/quantum-ess/watch
}
