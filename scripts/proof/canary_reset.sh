# shellcheck shell=bash
# Putting the canary away, whatever state a drill left it in, one that was killed included. It must not
# depend on what is being drilled: the controller may be broken.

# canary_left: the clean-up on every way out.
canary_left() {
    paths_use_scope canary
    canary_reset || claim_record 1 'the canary could be put away' "$SEEN" ''
    paths_use_scope main
}

# canary_reset: nothing of the canary runs, is set or is written afterwards. Where that is so already, one look is all.
canary_reset() {
    local fd code
    [[ -d $RUNTIME_DIR && -d $STATE_DIR ]] || mkdir -p -- "$RUNTIME_DIR" "$STATE_DIR"
    canary_look
    ((${#CANARY_LEFT[@]})) || unit_alive "$CANARY" || latch_is_set || canary_wrote || return 0
    ! watcher_is_left || watcher_put_away
    sd stop "${CANARY_WATCH[@]}" "$CANARY_FIRST" "$CANARY_READER"
    exec {fd}>>"$RELEASE_LOCK"
    SEEN='a release of the canary is stuck'
    flock -w 10 "$fd" || return 1
    canary_put_away
    code=$?
    exec {fd}>&-
    return "$code"
}

# canary_look: into CANARY_LEFT those of its units that are not simply inactive; all of them when systemd does not answer.
canary_look() {
    local unit
    local -a units=("$CANARY" "$CANARY_TRIGGER" "$CANARY_FIRST" "${CANARY_WATCH[@]}" "$WATCHER" "$WATCHER_DEADMAN"
        "$CANARY_READER" quantum-ess-canary-halt.target)
    CANARY_LEFT=("${units[@]}")
    sd_show 'ActiveState Job' "${units[@]}" || return 1
    CANARY_LEFT=()
    for unit in "${units[@]}"; do
        [[ ${UNIT_PROP["$unit.ActiveState"]:-} == inactive && ${UNIT_PROP["$unit.Job"]:-0} == 0 ]] || CANARY_LEFT+=("$unit")
    done
}

# canary_wrote: true when there is a file of a drill.
canary_wrote() {
    local name
    for name in "$RUNTIME_DIR/" "$RUNNING_FILE" "$STATE_DIR/.ESS_ON." "$STATE_DIR/watch"; do
        ! compgen -G "$name*" >/dev/null || return 0
    done
    return 1
}

# watcher_is_left: true when there is anything for watcher_put_away.
watcher_is_left() {
    name_in "$WATCHER" "${CANARY_LEFT[@]}" || name_in "$WATCHER_DEADMAN" "${CANARY_LEFT[@]}" ||
        compgen -G "$RUNTIME_DIR/drill" >/dev/null || compgen -G "$STATE_DIR/watch" >/dev/null
}

# The lock and the marker together are what tells the enforcer that this is a release.
canary_put_away() {
    : >"$RELEASING"
    ! latch_is_set || latch_clear
    canary_end_enforcer
    sd stop --no-block "$CANARY" quantum-ess-canary-halt.target
    if ! canary_stopped; then
        sd kill -s KILL "$CANARY"
        until_asked 2000 canary_stopped
    fi
    sd reset-failed "$CANARY" "$CANARY_TRIGGER" "$CANARY_READER" "$CANARY_FIRST" "${CANARY_WATCH[@]}"
    rm -rf -- "$RUNNING_FILE" "$RUNNING_FILE".* "$STATE_DIR"/.ESS_ON.* "${RUNTIME_DIR:?}"/*
    canary_is_away
}

# canary_end_enforcer: one that works ends by itself. A broken one may not be stopped by hand and comes back
# when it is killed; but it ends when a unit starts that conflicts with it.
canary_end_enforcer() {
    until_asked 1000 canary_enforcer_gone && return 0
    sd kill -s CONT "$CANARY_TRIGGER"
    timeout 5 systemd-run --quiet --collect --property=Conflicts="$CANARY_TRIGGER" true </dev/null >/dev/null 2>&1
    until_asked 4000 canary_enforcer_gone
}

canary_enforcer_gone() {
    sd_show ActiveState "$CANARY_TRIGGER" || return 1
    [[ ${UNIT_PROP["$CANARY_TRIGGER.ActiveState"]:-} == @(inactive|failed) ]]
}

canary_stopped() {
    unit_dead "$CANARY" && sd_show 'ActiveState Job' "$CANARY" && canary_is_down "$CANARY"
}

# canary_is_down UNIT: as it was seen last; and nothing is about to start it.
canary_is_down() {
    [[ ${UNIT_PROP["$1.ActiveState"]:-} == @(inactive|failed) && ${UNIT_PROP["$1.Job"]:-0} == 0 ]]
}

canary_is_away() {
    local unit
    SEEN='its flags do not go away'
    ! latch_is_set || return 1
    SEEN='systemd does not answer'
    canary_look || return 1
    SEEN='the canary does not stop'
    unit_dead "$CANARY" && canary_is_down "$CANARY" || return 1
    SEEN='the enforcer of the canary does not end'
    canary_is_down "$CANARY_TRIGGER" || return 1
    SEEN='the watch of the canary does not stop'
    for unit in "$CANARY_FIRST" "${CANARY_WATCH[@]}"; do canary_is_down "$unit" || return 1; done
    SEEN='the watcher of the canary does not stop'
    canary_is_down "$WATCHER" && canary_is_down "$WATCHER_DEADMAN"
}
