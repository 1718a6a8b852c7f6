# shellcheck shell=bash
# The drill of the watcher: a broken limit stops the canary, and so does the watcher's own death. A second watcher is
# drilled, with the code, the user, the sandbox and the settings of the real one, and figures that only it reads.

WATCHER=quantum-ess-canary-watch.service
WATCHER_DEADMAN=quantum-ess-canary-watch-deadman.service
DEADMAN_UNIT=quantum-ess-watch-deadman.service
WATCHER_PYTHON=/opt/quantum-ess/venv/bin/python
WATCHER_TOLD=/var/lib/quantum-ess/watch/standing.json
WATCHER_SILENT=30000 # ms after which a watcher that has not judged hangs; three times the longest interval
WATCHER_TIME=150     # s for all of it
WATCHER_LIMIT=5000   # ms from the figure to the last process of the canary
WATCHER_AHEAD=6      # s from the start of the second watcher until Prometheus breaks its limit
# What makes a sandbox, a failure and who is told of it.
WATCHER_SAME='User Group SupplementaryGroups DynamicUser UMask Environment EnvironmentFiles RootDirectory RootImage
    ProtectSystem ReadOnlyPaths InaccessiblePaths BindPaths BindReadOnlyPaths TemporaryFileSystem ProtectHome PrivateTmp
    PrivateDevices PrivateNetwork PrivateUsers NetworkNamespacePath ProtectKernelTunables ProtectKernelModules
    ProtectKernelLogs ProtectControlGroups ProtectClock ProtectHostname ProtectProc ProcSubset RestrictAddressFamilies
    RestrictNamespaces RestrictRealtime RestrictSUIDSGID IPAddressAllow IPAddressDeny NoNewPrivileges
    CapabilityBoundingSet AmbientCapabilities SystemCallFilter SystemCallErrorNumber SystemCallArchitectures
    LockPersonality MemoryDenyWriteExecute MemoryMax TasksMax Type NotifyAccess Restart RestartMode
    WatchdogSignal StartLimitIntervalUSec StartLimitBurst'

# watcher_claims: in the scope of the canary.
watcher_claims() {
    local kept=$UNTESTABLE
    local -A watchers=()
    heading 'The watcher, drilled on the canary'
    if ! watch_is_wanted; then
        claim_note "does not apply: the watcher is switched off (QT_ESS_ENABLED in $WATCH_CONF)"
        return
    fi
    claim_time "$WATCHER_TIME"
    identity_take watchers "$WATCH_UNIT"
    claim_or_stop 'the watcher runs, judges, and hears its sources' watcher_runs
    claim 'its death calls the dead man' watcher_calls_deadman
    claim_or_stop 'a second one has its sandbox, and no way to trading' watcher_apart
    [[ -n $UNTESTABLE ]] || watcher_drill
    UNTESTABLE=$kept
    claim 'the real watcher kept its process, and still judges' watcher_kept watchers
    claim_time 60
}

watcher_drill() {
    local source sources=''
    if watcher_ess sources; then sources=$OUT; else OUT="cannot be read: $(said)"; fi
    [[ -n $sources ]] || claim_record 1 'the watcher has something to hear' "${OUT:-no source is configured}; see $WATCH_CONF" ''
    for source in $sources; do
        case $source in
            redis) watcher_redis ;;
            prometheus) watcher_breaks prometheus 'a broken limit in Prometheus: it stops the canary' ;;
            *) claim_note "not proved: what evaluators of your own hear" ;;
        esac
    done
    if watcher_deadman_alerts; then
        watcher_dies 'it is killed three times: the dead man says so, and stops nothing'
    else
        watcher_dies 'it is killed three times: the dead man stops the canary'
    fi
    ! watcher_says QT_ESS_DRY_RUN true yes on 1 ||
        claim_note "QT_ESS_DRY_RUN is on: no limit that is broken stops trading ($WATCH_CONF)"
}

# watcher_says KEY WORD...: true when it is set to one of these words.
watcher_says() {
    watch_setting "$1" && name_in "${ANSWER,,}" "${@:2}"
}

watcher_deadman_alerts() {
    watch_setting QT_ESS_WATCH_DEADMAN && [[ $ANSWER == alert ]]
}

# watcher_ess STEP: see "drill" in ess/cli_watch.py.
watcher_ess() {
    bounded 20 "$WATCHER_PYTHON" -I -m ess watch drill "$1"
}

watcher_runs() {
    SEEN='the Python part is not installed; run install.sh'
    [[ -x $WATCHER_PYTHON ]] || return 1
    # Longer than a round: what was wrong for a moment is not.
    until_every 100 500 12000 watcher_is_well || return 1
    NOTED=$STATUS_TEXT
}

# watcher_is_well: what is wrong stands in SEEN, and what to do.
watcher_is_well() {
    local state changed started
    SEEN='systemd does not answer'
    TZ=UTC sd_show 'ActiveState SubState StatusText ExecMainStartTimestamp' "$WATCH_UNIT" || return 1
    state=${UNIT_PROP["$WATCH_UNIT.ActiveState"]:-unknown}/${UNIT_PROP["$WATCH_UNIT.SubState"]:-unknown}
    STATUS_TEXT=${UNIT_PROP["$WATCH_UNIT.StatusText"]:-}
    SEEN="it is $state: no limit is watched. See: journalctl -u $WATCH_UNIT; then: systemctl restart $WATCH_UNIT"
    [[ $state == active/running ]] || return 1
    changed=$(stat -c %Y -- "$WATCH_CONF") && started=$(date -d "${UNIT_PROP["$WATCH_UNIT.ExecMainStartTimestamp"]:-}" +%s)
    SEEN="$WATCH_CONF was changed after it started; run: systemctl restart $WATCH_UNIT"
    ((${changed:-1} <= ${started:-0})) || return 1
    watcher_judges || return 1
    watcher_trouble "$STATUS_TEXT"
    SEEN="it does not hear $TROUBLE; run: ess watch check"
    [[ -z $TROUBLE ]]
}

# watcher_judges: it wrote down lately how it stands. What it writes is not to be trusted, but for its death. The boot is
# not compared: in a container the sandbox sees another one.
watcher_judges() {
    local text age
    SEEN="it hangs: it has not judged for $((WATCHER_SILENT / 1000)) s; run: systemctl restart $WATCH_UNIT"
    text=$(timeout -k 1 2 head -c 200 -- "$WATCHER_TOLD" 2>/dev/null | tr -d '\0')
    [[ $text =~ \"boottime\":\ ([0-9]{1,9})\. ]] || return 1
    clock_ms
    age=$((NOW_MS - 10#${BASH_REMATCH[1]} * 1000))
    ((age > -2000 && age < WATCHER_SILENT))
}

# watcher_trouble STATUS: into TROUBLE, what a watcher says of sources that it cannot hear.
watcher_trouble() {
    local part rest="$1; "
    TROUBLE=
    while [[ -n $rest ]]; do
        part=${rest%%; *} rest=${rest#*; }
        case $part in
            *' evaluators' | 'DRY RUN' | 'BROKEN: '* | 'nearest to its limit: '* | '') ;;
            *) TROUBLE+="${TROUBLE:+; }$part" ;;
        esac
    done
}

# watcher_calls_deadman: as systemd has it loaded.
watcher_calls_deadman() {
    local unit
    local -a called
    SEEN='systemd does not answer'
    sd_show 'LoadState OnFailure ExecStart FragmentPath DropInPaths NeedDaemonReload' "$WATCH_UNIT" "$DEADMAN_UNIT" || return 1
    for unit in "$WATCH_UNIT" "$DEADMAN_UNIT"; do
        canary_is "$unit" LoadState loaded && canary_is "$unit" FragmentPath "$ESS_UNIT_DIR/$unit" &&
            canary_is "$unit" NeedDaemonReload no || return 1
    done
    SEEN="$WATCH_UNIT has OnFailure=${UNIT_PROP["$WATCH_UNIT.OnFailure"]:-}, not $DEADMAN_UNIT"
    read -ra called <<<"${UNIT_PROP["$WATCH_UNIT.OnFailure"]:-}"
    name_in "$DEADMAN_UNIT" "${called[@]}" || return 1
    SEEN="$DEADMAN_UNIT runs: ${UNIT_PROP["$DEADMAN_UNIT.ExecStart"]:-nothing}"
    [[ ${UNIT_PROP["$DEADMAN_UNIT.ExecStart"]:-} == *" $ESS_LIB/ops/watch_deadman.sh died ;"* ]]
}

# watcher_apart: before it is started, for what it does must not stop trading.
watcher_apart() {
    local property start post dead all=${WATCHER_SAME//$'\n'/ }
    SEEN='systemd does not answer'
    sd_show "LoadState OnFailure ExecStart ExecStartPost ReadWritePaths StateDirectory $all" \
        "$WATCH_UNIT" "$WATCHER" "$WATCHER_DEADMAN" || return 1
    canary_is "$WATCHER" OnFailure "$WATCHER_DEADMAN" && canary_is "$WATCHER" ReadWritePaths "$REQUEST_DIR" &&
        canary_is "$WATCHER" StateDirectory quantum-ess/canary/watch || return 1
    start=${UNIT_PROP["$WATCHER.ExecStart"]:-} post=${UNIT_PROP["$WATCHER.ExecStartPost"]:-}
    dead=${UNIT_PROP["$WATCHER_DEADMAN.ExecStart"]:-}
    SEEN="they run: ${start:-nothing}; ${post:-nothing}; ${dead:-nothing}"
    [[ $start == *"=$WATCHER_PYTHON -I -m ess watch run --scope canary ;"* ]] || return 1
    [[ $post == *" $ESS_LIB/ops/watch_deadman.sh started --scope canary ;"* ]] || return 1
    [[ $dead == *" $ESS_LIB/ops/watch_deadman.sh died --scope canary ;"* ]] || return 1
    SEEN=
    for property in $WATCHER_SAME; do
        [[ ${UNIT_PROP["$WATCH_UNIT.$property"]:-} == "${UNIT_PROP["$WATCHER.$property"]:-}" ]] || SEEN+="${SEEN:+, }$property"
    done
    [[ -n $SEEN ]] || return 0
    SEEN="$WATCHER differs in $SEEN; give both the same drop-in, and: systemctl daemon-reload"
    return 1
}

# watcher_kept ARRAY
watcher_kept() {
    identity_kept "$1" 'watcher' || return 1
    SEEN='it has not judged since'
    watcher_judges
}
