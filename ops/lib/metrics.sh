# shellcheck shell=bash
# What the sentry lets others know after its own work: whether the stop is armed (arming.sh), and a file for
# node_exporter. A child does it and is given little time: its directory may be on a disk that hangs.

METRICS_PATIENCE=5   # s
METRICS_CONTAIN=3000 # ms within which a stop is still at work and "not contained" says nothing
METRICS_HUNG=/run/quantum-ess/metrics-hung
METRICS_FILE=quantum_ess.prom
METRICS_CHILD=

# metrics_begin: let the child begin, unless it did. Needs no answer, and no process where there are none left.
metrics_begin() {
    [[ -z ${DISK_ASKER:-} && -z $METRICS_CHILD ]] && room_left && ! hung_still "$METRICS_HUNG" || return 0
    exec {METRICS_FD}< <(metrics_round >/dev/null)
    METRICS_CHILD=$!
}

# metrics_end: wait for the child, but not longer than METRICS_PATIENCE.
metrics_end() {
    local _
    metrics_begin
    [[ -n $METRICS_CHILD ]] || return 0
    # It says nothing: this ends when the child does.
    read -r -t "$METRICS_PATIENCE" -u "$METRICS_FD" _
    (($? > 128)) || return 0
    kill -KILL "$METRICS_CHILD"
    hung_note "$METRICS_HUNG" "$METRICS_CHILD"
}

metrics_round() {
    LATCH_STATE=clear
    ! latch_is_set || LATCH_STATE=latched
    config_once
    FINDINGS=('the part of the script that judges is damaged; mend: install again from the checkout: sudo ops/install.sh')
    [[ $TELLERS != *' arming '* ]] || arming_judge
    metrics_put "${CONFIG[QT_ESS_METRICS_DIR]:-}"
}

# metrics_put DIRECTORY: the file appears there whole; no directory, no file.
metrics_put() {
    local draft=$1/.$METRICS_FILE.$BASHPID.$RANDOM$RANDOM
    [[ -n $1 && -d $1 ]] || return 0
    metrics_compose
    metrics_sweep "$1"
    # Somebody else may own the directory: what is in our way there is not followed.
    set -C
    if { printf '%s' "$METRICS" >"$draft" && mv -fT -- "$draft" "$1/$METRICS_FILE"; } 2>/dev/null; then return 0; fi
    rm -f -- "$draft" 2>/dev/null
    ! spool_once metrics || journal 4 "$1/$METRICS_FILE cannot be written; see: ess doctor"
}

# metrics_sweep DIRECTORY: take away what a child left that was killed.
metrics_sweep() {
    local left
    shopt -s nullglob
    left=("$1/.$METRICS_FILE".*)
    ((${#left[@]} == 0)) || rm -f -- "${left[@]}" 2>/dev/null
}

# metrics_compose: into METRICS, the text of the file.
metrics_compose() {
    METRICS=
    metrics_compose_latch
    metrics_compose_drill
    metrics_spool
    metric quantum_ess_spool_depth 'Events that wait to be recorded.' "$SPOOLED"
    metrics_version
    metric quantum_ess_info 'The installed version.' 1 "{version=\"$VERSION\"}"
    metric quantum_ess_sentry_timestamp_seconds 'When the sentry wrote this file; it comes every 10 s.' "$EPOCHSECONDS"
}

metrics_compose_latch() {
    local active=0 armed=0
    [[ $LATCH_STATE == clear ]] || active=1
    ((${#FINDINGS[@]})) || armed=1
    metric quantum_ess_active 'Whether the emergency stop is on; 1 also when that cannot be known.' "$active"
    metric quantum_ess_armed 'Whether the stop is ready: nothing was found that keeps it from working.' "$armed"
    metrics_contained
    metric quantum_ess_contained \
        'While active, whether no trading process is alive; 0 while not active, because trading may run.' "$CONTAINED"
}

metrics_compose_drill() {
    local passed=0
    status_read_drill
    [[ $DRILL_RESULT != PASS ]] || passed=1
    config_milli "${CONFIG[QT_ESS_DRILL_MAX_AGE]:-8}"
    metric quantum_ess_last_drill_timestamp_seconds 'When the last drill ended; 0 when there was none.' "${DRILL_EPOCH:-0}"
    metric quantum_ess_last_drill_passed 'Whether the last drill passed.' "$passed"
    metric quantum_ess_drill_max_age_seconds 'The age at which a drill proves nothing any more.' $((MILLI * 864 / 10))
    metrics_compose_channels
}

# metrics_compose_channels: which alert channels took the test of the last drill.
metrics_compose_channels() {
    local -a channels
    local one took name=quantum_ess_last_drill_channel_acked
    local head="# HELP $name Whether an alert channel took the test of the last drill."$'\n'"# TYPE $name gauge"$'\n'
    read -ra channels <<<"${DRILL_CHANNELS:-}"
    for one in "${channels[@]}"; do
        [[ $one =~ ^[a-z][a-z0-9-]{0,31}:(yes|no)$ ]] || continue
        took=0
        [[ $one != *:yes ]] || took=1
        METRICS+="$head$name{channel=\"${one%:*}\"} $took"$'\n'
        head=
    done
}

# metric NAME HELP VALUE [LABELS]: a gauge more in METRICS.
metric() {
    local text
    printf -v text '# HELP %s %s\n# TYPE %s gauge\n%s%s %s\n' "$1" "$2" "$1" "$1" "${4:-}" "$3"
    METRICS+=$text
}

# metrics_contained: into CONTAINED 1 when the latch is on and no trading process lives. A stop that is at work
# gets the time that it may take.
metrics_contained() {
    local until
    CONTAINED=0
    [[ $LATCH_STATE != clear && $TELLERS == *' status '* ]] || return 0
    clock_ms
    until=$((NOW_MS + METRICS_CONTAIN))
    until status_contained; do
        clock_ms
        ((NOW_MS < until)) && latch_age && ((LATCH_AGE_US < METRICS_CONTAIN * 1000)) || return 0
        pause 200
    done
    CONTAINED=1
}

# metrics_spool: into SPOOLED, how many events wait.
metrics_spool() {
    local place
    local -a waiting
    shopt -s nullglob
    SPOOLED=0
    for place in "${SPOOL_PLACES[@]}"; do
        waiting=("$place/new/"*)
        SPOOLED=$((SPOOLED + ${#waiting[@]}))
    done
}

metrics_version() {
    VERSION=unknown
    read -r VERSION 2>/dev/null <"$ESS_ROOT/version"
    [[ $VERSION =~ ^[0-9A-Za-z.+-]{1,40}$ ]] || VERSION=unknown
}
