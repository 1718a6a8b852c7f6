# shellcheck shell=bash
# Writing the files that depend on the configuration: gates, the halt target's list, the canary's
# copies of the real units. Every file appears whole, by rename, below $DESTDIR; one that is as it should be is left
# alone.

# Into RENDERED goes every file that is as it should be afterwards, into WRITTEN those that were not before.
RENDERED=() WRITTEN=()
RENDER_METRICS=$ESS_UNIT_DIR/quantum-ess-aftermath.service.d/metrics.conf
declare -gA RENDER_SEEN=()

# render_look FILE...: what is at these names at this moment: type and mode, owner, group, number of names. A file that
# was not looked at is written.
render_look() {
    local line
    RENDER_SEEN=()
    (($#)) || return 0
    answer_lines "$(exec stat --printf '%f %u %g %h /%n\n' -- "${@/#/"$DESTDIR"}" 2>/dev/null)"
    for line in "${ANSWER_LINES[@]}"; do RENDER_SEEN[${line#* /}]=${line%% /*}; done
}

# render_put FILE MODE TEXT: FILE consists of TEXT, is ours and has this mode; a running bash keeps the old one open.
render_put() {
    render_is "$@" || render_write "$1" "$2" "$3" || return 1
    RENDERED+=("$1")
}

# render_copy FILE MODE SOURCE: the same with what is in the file SOURCE.
render_copy() {
    local text odd='' LC_ALL=C
    # False at its end. True: a NUL byte, which no text of bash can have.
    { ! IFS= read -r -d '' text || odd=1; } <"$3" || return 1
    if [[ -z $odd ]]; then
        render_put "$1" "$2" "$text"
    else
        render_write "$1" "$2" '' "$3" && RENDERED+=("$1")
    fi
}

# render_is FILE MODE TEXT: true when there is nothing to do. A symlink, a directory, and what has another name, too, is
# not it.
render_is() {
    local file=$DESTDIR$1 wanted now LC_ALL=C
    printf -v wanted '%x %d %d 1' $((0100000 | $2)) "$EUID" "${GROUPS[0]}"
    [[ ${RENDER_SEEN[$file]:-} == "$wanted" ]] || return 1
    ! IFS= read -r -d '' now <"$file" && [[ $now == "$3" ]]
}

# render_write FILE MODE TEXT [SOURCE]: as render_put, whatever is there; from the file SOURCE when that is given.
render_write() {
    local file=$DESTDIR$1 new=$DESTDIR$1.new
    [[ -d ${file%/*} ]] || mkdir -p -- "${file%/*}" || return 1
    # Left by a run that was cut short; nothing is written through what was put there instead.
    [[ ! -e $new && ! -L $new ]] || rm -f -- "$new" || return 1
    if [[ -n ${4:-} ]]; then cat -- "$4" >"$new"; else printf '%s' "$3" >"$new"; fi &&
        chmod "$2" "$new" && mv -fT -- "$new" "$file" && WRITTEN+=("$1")
}

# render_instances PATTERN: the units systemd knows at this moment that match; nothing with DESTDIR.
render_instances() {
    local name rest
    [[ -z $DESTDIR ]] || return 0
    {
        timeout 5 systemctl list-units --all --plain --no-legend --full -- "$1"
        timeout 5 systemctl list-unit-files --no-legend --full -- "$1"
    } 2>/dev/null </dev/null | while read -r name rest; do
        [[ $name != quantum-ess* && $name != *@.service ]] && printf '%s\n' "$name"
    done | sort -u
}

# render_targets: into GATE_UNITS the names that get a gate (a template for name@*.service) and into
# HALT_UNITS the concrete units that the halt target can name.
render_targets() {
    local unit name
    GATE_UNITS=() HALT_UNITS=()
    for unit in "${TRADING[@]}"; do
        if ! name_is_pattern "$unit"; then
            GATE_UNITS+=("$unit") HALT_UNITS+=("$unit")
            continue
        fi
        [[ $unit != *'@*.service' ]] || GATE_UNITS+=("${unit/@\*.service/@.service}")
        while read -r name; do
            HALT_UNITS+=("$name")
            [[ $unit == *'@*.service' ]] || GATE_UNITS+=("$name")
        done < <(render_instances "$unit")
    done
}

# render_gate UNIT: its gate, with the flags of the present scope.
render_gate() {
    local text
    { IFS= read -r -d '' text || :; } <"$ESS_ROOT/deploy/systemd/zz-quantum-ess.conf" || return 1
    text=${text//@RUN_FLAG@/"$RUN_FLAG"}
    text=${text//@VAR_FLAG@/"$VAR_FLAG"}
    render_put "$ESS_UNIT_DIR/$1.d/$ESS_GATE" 0644 "${text//@STATE_DIR@/"$STATE_DIR"}"
}

# render_halt TARGET UNIT...: the list of units that TARGET stops.
render_halt() {
    local target=$1 list=''
    shift
    (($# == 0)) || printf -v list 'Conflicts=%s\n' "$@"
    render_put "$ESS_UNIT_DIR/$target.d/units.conf" 0644 \
        $'# Written by quantum-ess from QT_ESS_TRADING_UNITS; run install.sh after a change.\n[Unit]\n'"$list"
}

# render_units: our units as they are, and the canary's: the same files with other flags and names.
render_units() {
    local file
    for file in "$ESS_ROOT"/deploy/systemd/quantum-ess*.{path,service,target,timer}; do
        render_copy "$ESS_UNIT_DIR/${file##*/}" 0644 "$file" || return 1
    done
    render_canary .path -halt.path -disk.path -request.path -trigger.service -request.service -halt.target \
        -watch.service -watch-deadman.service
}

# render_canary NAME...: the canary's copies of quantum-essNAME. Before each comes the path of the original, before
# every line of it a -, which keeps the empty ones.
render_canary() {
    local texts line name='' text='' from="$ESS_ROOT/deploy/systemd/quantum-ess"
    texts=$(
        exec sed -s -e '1F' \
            -e 's|/run/quantum/|/run/quantum-ess/canary/|; s|/var/lib/quantum-ess/ESS|/var/lib/quantum-ess/canary/ESS|' \
            -e 's|/run/quantum-ess/requests|/run/quantum-ess/canary/control/requests|' \
            -e 's|=quantum-ess/watch$|=quantum-ess/canary/watch|' \
            -e 's:quantum-ess-\(trigger\|halt\|request\|watch\)\([.-]\):quantum-ess-canary-\1\2:' \
            -e 's:\(sh \(enforce\|request\|started\|died\)\|ess watch run\)$:& --scope canary:; s|^Description=.*|& (canary)|; /^\[Install\]/,$d' \
            -e 's/^/-/' -- "${@/#/"$from"}"
    ) || return 1
    answer_lines "$texts"
    for line in "${ANSWER_LINES[@]}" "$from"; do
        if [[ $line == -* ]]; then
            text+=${line#-}$'\n'
            continue
        fi
        [[ -z $name ]] || render_put "$ESS_UNIT_DIR/quantum-ess-canary$name" 0644 "$text" || return 1
        name=${line#"$from"} text=''
    done
}

# render_reboot: with QT_ESS_AFTER_REBOOT=clear a boot removes the flag on disk before any unit starts.
render_reboot() {
    local text="# Written by quantum-ess from QT_ESS_AFTER_REBOOT=${CONFIG[QT_ESS_AFTER_REBOOT]}."$'\n'
    [[ ${CONFIG[QT_ESS_AFTER_REBOOT]} != clear ]] || text+="R! $VAR_FLAG"$'\n'"r! $RUNNING_FILE"$'\n'
    render_put /etc/tmpfiles.d/quantum-ess-reboot.conf 0644 "$text"
}

# render_metrics: the aftermath may write where node_exporter looks, and to little else.
render_metrics() {
    local dir=${CONFIG[QT_ESS_METRICS_DIR]} text
    text="# Written by quantum-ess from QT_ESS_METRICS_DIR=$dir."$'\n[Service]\n'
    # Absent is no fault: most hosts have no node_exporter.
    [[ -z $dir ]] || text+="ReadWritePaths=-$dir"$'\n'
    render_put "$RENDER_METRICS" 0644 "$text"
}

# render_watcher: from systemd 254 on a restart counts as failed first, which would call the dead man each time.
render_watcher() {
    local _ version unit
    [[ -z $DESTDIR ]] && read -r _ version _ < <(systemctl --version) && ((${version%%[!0-9]*} >= 254)) || return 0
    for unit in quantum-ess-watch.service quantum-ess-canary-watch.service; do
        render_put "$ESS_UNIT_DIR/$unit.d/restart.conf" 0644 $'[Service]\nRestartMode=direct\n' || return 1
    done
}

# metrics_forget [DIRECTORY]: take our files away from where the last installation put them, unless that is
# DIRECTORY: what nobody writes anew would be taken for a dead sentry.
metrics_forget() {
    local dir
    # The same words, the same directory.
    (($# == 0)) || ! config_same "$DESTDIR$ESS_CONF" "$DESTDIR$ESS_INSTALLED" || return 0
    dir=$(config_load "$DESTDIR$ESS_INSTALLED" && printf '%s' "${CONFIG[QT_ESS_METRICS_DIR]}") || return 0
    [[ -z $dir || $dir == "${1:-}" ]] || rm -f -- "$DESTDIR$dir"/quantum_ess{,_events}.prom
}

# render_configuration: everything that follows from CONFIG; gates of units that are no longer trading
# units are removed.
render_configuration() {
    local unit dir
    render_targets
    for unit in "${GATE_UNITS[@]}"; do render_gate "$unit" || return 1; done
    render_halt quantum-ess-halt.target "${HALT_UNITS[@]}" && render_reboot && render_metrics && render_watcher || return 1
    for dir in "$DESTDIR$ESS_UNIT_DIR"/*.service.d; do
        unit=${dir##*/}
        unit=${unit%.d}
        [[ ! -e $dir/$ESS_GATE ]] || name_in "$unit" quantum-ess-canary.service || render_is_target "$unit" || {
            rm -f -- "$dir/$ESS_GATE"
            rmdir --ignore-fail-on-non-empty -- "$dir"
        }
    done
    paths_use_scope canary
    render_gate quantum-ess-canary.service && render_halt quantum-ess-canary-halt.target quantum-ess-canary.service
    unit=$?
    paths_use_scope main
    return "$unit"
}

render_is_target() {
    local unit
    for unit in "${GATE_UNITS[@]}"; do [[ $unit != "$1" ]] || return 0; done
    return 1
}
