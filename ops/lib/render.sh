# shellcheck shell=bash
# Writing the files that depend on the configuration: gates, the halt target's list, the canary's
# copies of the real units. Every file appears whole, by rename, below $DESTDIR.

# render_put FILE MODE: standard input becomes FILE; a running bash keeps the old one open.
render_put() {
    local file=$DESTDIR$1
    [[ -d ${file%/*} ]] || mkdir -p -- "${file%/*}" || return 1
    cat >"$file.new" && chmod "$2" "$file.new" && mv -fT -- "$file.new" "$file" && RENDERED+=("$1")
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
    sed -e "s|@RUN_FLAG@|$RUN_FLAG|g; s|@VAR_FLAG@|$VAR_FLAG|g; s|@STATE_DIR@|$STATE_DIR|" \
        "$ESS_ROOT/deploy/systemd/zz-quantum-ess.conf" | render_put "$ESS_UNIT_DIR/$1.d/$ESS_GATE" 0644
}

# render_halt TARGET UNIT...: the list of units that TARGET stops.
render_halt() {
    local target=$1
    shift
    {
        printf '# Written by quantum-ess from QT_ESS_TRADING_UNITS; run install.sh after a change.\n[Unit]\n'
        (($# == 0)) || printf 'Conflicts=%s\n' "$@"
    } | render_put "$ESS_UNIT_DIR/$target.d/units.conf" 0644
}

# render_units: our units as they are, and the canary's: the same files with other flags and names.
render_units() {
    local file name
    for file in "$ESS_ROOT"/deploy/systemd/quantum-ess*.{path,service,target,timer}; do
        render_put "$ESS_UNIT_DIR/${file##*/}" 0644 <"$file" || return 1
    done
    for name in .path -halt.path -disk.path -request.path -trigger.service -request.service -halt.target \
        -watch.service -watch-deadman.service; do
        sed -e 's|/run/quantum/|/run/quantum-ess/canary/|; s|/var/lib/quantum-ess/ESS|/var/lib/quantum-ess/canary/ESS|' \
            -e 's|/run/quantum-ess/requests|/run/quantum-ess/canary/control/requests|' \
            -e 's|=quantum-ess/watch$|=quantum-ess/canary/watch|' \
            -e 's:quantum-ess-\(trigger\|halt\|request\|watch\)\([.-]\):quantum-ess-canary-\1\2:' \
            -e 's:\(sh \(enforce\|request\|started\|died\)\|ess watch run\)$:& --scope canary:; s|^Description=.*|& (canary)|; /^\[Install\]/,$d' \
            "$ESS_ROOT/deploy/systemd/quantum-ess$name" |
            render_put "$ESS_UNIT_DIR/quantum-ess-canary$name" 0644 || return 1
    done
}

# render_reboot: with QT_ESS_AFTER_REBOOT=clear a boot removes the flag on disk before any unit starts.
render_reboot() {
    {
        printf '# Written by quantum-ess from QT_ESS_AFTER_REBOOT=%s.\n' "${CONFIG[QT_ESS_AFTER_REBOOT]}"
        if [[ ${CONFIG[QT_ESS_AFTER_REBOOT]} == clear ]]; then
            printf 'R! %s\nr! %s\n' "$VAR_FLAG" "$RUNNING_FILE"
        fi
    } | render_put /etc/tmpfiles.d/quantum-ess-reboot.conf 0644
}

# render_metrics: the aftermath may write where node_exporter looks, and to little else.
render_metrics() {
    local dir=${CONFIG[QT_ESS_METRICS_DIR]}
    {
        printf '# Written by quantum-ess from QT_ESS_METRICS_DIR=%s.\n[Service]\n' "$dir"
        # Absent is no fault: most hosts have no node_exporter.
        [[ -z $dir ]] || printf 'ReadWritePaths=-%s\n' "$dir"
    } | render_put "$ESS_UNIT_DIR/quantum-ess-aftermath.service.d/metrics.conf" 0644
}

# render_watcher: from systemd 254 on a restart counts as failed first, which would call the dead man each time.
render_watcher() {
    local _ version unit
    [[ -z $DESTDIR ]] && read -r _ version _ < <(systemctl --version) && ((${version%%[!0-9]*} >= 254)) || return 0
    for unit in quantum-ess-watch.service quantum-ess-canary-watch.service; do
        printf '[Service]\nRestartMode=direct\n' | render_put "$ESS_UNIT_DIR/$unit.d/restart.conf" 0644 || return 1
    done
}

# metrics_forget [DIRECTORY]: take our files away from where the last installation put them, unless that is
# DIRECTORY: what nobody writes anew would be taken for a dead sentry.
metrics_forget() {
    local dir
    dir=$(config_load "$DESTDIR$ESS_INSTALLED" && printf '%s' "${CONFIG[QT_ESS_METRICS_DIR]}") || return 0
    [[ -z $dir || $dir == "${1:-}" ]] || rm -f -- "$DESTDIR$dir"/quantum_ess{,_events}.prom
}

# render_configuration: everything that follows from CONFIG; gates of units that are no longer trading
# units are removed.
render_configuration() {
    local unit dir
    render_targets
    for unit in "${GATE_UNITS[@]}"; do render_gate "$unit" || return 1; done
    render_halt quantum-ess-halt.target "${HALT_UNITS[@]}" && render_reboot && kernel_render && render_metrics && render_watcher || return 1
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
