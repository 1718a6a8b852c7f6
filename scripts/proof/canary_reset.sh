# shellcheck shell=bash
# Putting the canary away, whatever state a drill left it in, one that was killed included. It must not
# depend on what is being drilled: the controller may be broken.

# canary_left: the clean-up on every way out.
canary_left() {
    paths_use_scope canary
    canary_reset || claim_record 1 'the canary could be put away' "$SEEN" ''
    paths_use_scope main
}

# canary_reset: nothing of the canary runs, is set or is written afterwards.
canary_reset() {
    local fd code
    mkdir -p -- "$RUNTIME_DIR" "$STATE_DIR"
    watcher_put_away
    sd stop "${CANARY_WATCH[@]}" "$CANARY_FIRST" "$CANARY_READER"
    exec {fd}>>"$RELEASE_LOCK"
    SEEN='a release of the canary is stuck'
    flock -w 10 "$fd" || return 1
    canary_put_away
    code=$?
    exec {fd}>&-
    return "$code"
}

# The lock and the marker together are what tells the enforcer that this is a release.
canary_put_away() {
    : >"$RELEASING"
    latch_clear
    canary_end_enforcer
    sd stop --no-block "$CANARY" quantum-ess-canary-halt.target
    sd kill -s KILL "$CANARY"
    until_ms 2000 canary_stopped
    sd reset-failed "$CANARY" "$CANARY_TRIGGER" "$CANARY_READER" "$CANARY_FIRST" "${CANARY_WATCH[@]}"
    rm -rf -- "$RUNNING_FILE" "$RUNNING_FILE".* "$STATE_DIR"/.ESS_ON.* "${RUNTIME_DIR:?}"/*
    canary_is_away
}

# canary_end_enforcer: one that works ends by itself. A broken one may not be stopped by hand and comes back
# when it is killed; but it ends when a unit starts that conflicts with it.
canary_end_enforcer() {
    until_ms 1000 canary_enforcer_gone && return 0
    sd kill -s CONT "$CANARY_TRIGGER"
    timeout 5 systemd-run --quiet --collect --property=Conflicts="$CANARY_TRIGGER" true </dev/null >/dev/null 2>&1
    until_ms 4000 canary_enforcer_gone
}

canary_enforcer_gone() {
    sd_show ActiveState "$CANARY_TRIGGER" || return 1
    [[ ${UNIT_PROP["$CANARY_TRIGGER.ActiveState"]:-} == @(inactive|failed) ]]
}

canary_stopped() {
    unit_dead "$CANARY" && sd_show ActiveState "$CANARY" &&
        [[ ${UNIT_PROP["$CANARY.ActiveState"]:-} == @(inactive|failed) ]]
}

canary_is_away() {
    SEEN='its flags do not go away'
    ! latch_is_set || return 1
    SEEN='the canary does not stop'
    canary_stopped || return 1
    SEEN='the enforcer of the canary does not end'
    canary_enforcer_gone || return 1
    SEEN='the watch of the canary does not stop'
    canary_unwatched || return 1
    SEEN='the watcher of the canary does not stop'
    watcher_away || return 1
}

canary_unwatched() {
    local unit
    sd_show ActiveState "$CANARY_FIRST" "${CANARY_WATCH[@]}" || return 1
    for unit in "$CANARY_FIRST" "${CANARY_WATCH[@]}"; do
        [[ ${UNIT_PROP["$unit.ActiveState"]:-} == @(inactive|failed) ]] || return 1
    done
}
