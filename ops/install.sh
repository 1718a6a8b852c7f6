#!/usr/bin/env bash
# Install, configure, upgrade or remove quantum-ess. What stops trading (units and bash) goes first and
# works when the Python part, which may need a network, does not.
set -uo pipefail
shopt -s nullglob
umask 022
LC_ALL=C.UTF-8
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

VENV=/opt/quantum-ess/venv
DOC_DIR=/usr/local/share/doc/quantum-ess
WATCH=(quantum-ess.path quantum-ess-quick.path quantum-ess-disk.path quantum-ess-request.path
    quantum-ess-request-names.path quantum-ess-sentry.timer quantum-ess-drill.timer quantum-ess-aftermath.path quantum-ess-deliver.path)
DESTDIR=${DESTDIR:-}

load() {
    local here=${BASH_SOURCE[0]} part
    if [[ $here == */* && ! -L $here ]]; then here=$(cd -P -- "${here%/*}" && pwd); else here=$(dirname -- "$(readlink -f -- "$here")"); fi
    for part in paths exits say names clock answer config latch terminal render manifest stale watch; do
        # shellcheck source=/dev/null
        . "$here/lib/$part.sh" || exit 2
    done
    ESS_ROOT=${here%/ops}
}

usage() {
    cat <<'EOF'
Usage: install.sh [OPTION...]      install or upgrade
       install.sh --configure      apply a changed ess.env, or QT_ESS_ENABLED of
                                   watch.env; the installed copy does only this
       install.sh --uninstall      remove (refused while latched)

  --wheels DIR   take Python packages from DIR, not from a network
  --no-python    only the units and the bash controller
  --no-drill     no drill at the end; the host then counts as disarmed
  DESTDIR=DIR    write below DIR and start nothing (for packages)

Exit codes: 0 done; 2 usage or configuration error, nothing was changed;
3 not root; 5 not armed, the last lines say why; 6 refused: the latch is set
EOF
}

fail() {
    complain "$1" "${2:-}"
    exit "${3:-$EXIT_USAGE}"
}

step() { tell "== $1"; }

parse() {
    ACTION=install WHEELS='' PYTHON=1 DRILL=1 ASKED=$*
    while (($#)); do
        case $1 in
            -h | --help) usage && exit 0 ;;
            --configure) ACTION=configure ;;
            --uninstall) ACTION=uninstall ;;
            --no-python) PYTHON='' ;;
            --no-drill) DRILL='' ;;
            --wheels)
                [[ -d ${2:-} ]] || fail "--wheels needs a directory${2:+, not $2}" 'See: install.sh --help'
                WHEELS=$2
                shift
                ;;
            *) fail "unknown argument: $1" 'See: install.sh --help' ;;
        esac
        shift
    done
    # The installed copy has no sources to install from.
    [[ $ACTION != install || $ESS_ROOT != "$ESS_LIB" ]] || ACTION=configure
}

# check_configuration: nothing is touched when the configuration is wrong. One that is gone comes back as it was last
# applied: with the default, the trading units of this host would lose their gates. Into CONF_SOURCE what it is made of.
check_configuration() {
    local file=$DESTDIR$ESS_CONF
    CONF_SOURCE=$ESS_ROOT/ops/ess.env
    [[ ! -e $DESTDIR$ESS_INSTALLED ]] || CONF_SOURCE=$DESTDIR$ESS_INSTALLED
    [[ -e $file ]] || file=$CONF_SOURCE
    config_load "$file" || fail "configuration refused: $CONFIG_ERROR" 'Nothing was changed. Correct that line and run this again.'
}

# check_names: the kernel knows a unit by its own name only; a stop that looks for an alias finds nothing.
check_names() {
    local unit id at
    local -a named=() ids
    [[ -z $DESTDIR ]] || return 0
    for unit in "${TRADING[@]}"; do name_is_pattern "$unit" || named+=("$unit"); done
    ((${#named[@]})) || return 0
    # In the order they were asked for, a blank line between two.
    mapfile -t ids < <(exec timeout 5 systemctl show -P Id -- "${named[@]}")
    for at in "${!named[@]}"; do
        unit=${named[at]} id=${ids[2 * at]:-}
        [[ -n $id && $id != "$unit" ]] || continue
        config_where "$ESS_CONF" QT_ESS_TRADING_UNITS
        fail "configuration refused: $WHERE: $unit is another name of $id" "Nothing was changed. Write $id there and run this again."
    done
}

# check_hold: while latched nobody is let go. A unit that is no longer configured would lose its gate.
check_hold() {
    local unit
    [[ -z $DESTDIR ]] && latch_is_set || return 0
    config_gated
    for unit in "${GATED[@]}"; do
        name_in "$unit" "${TRADING[@]}" && continue
        fail "not changed: the latch is set, and $unit, which it holds, is no longer in QT_ESS_TRADING_UNITS" \
            'First: ess deactivate. Then run this again.' "$EXIT_RELEASE_FAILED"
    done
}

check_host() {
    [[ -z $DESTDIR ]] || return 0
    ((EUID == 0)) || fail 'only root can install' "Run: sudo $0${ASKED:+ $ASKED}" "$EXIT_NOT_ROOT"
    [[ -d /run/systemd/system ]] || fail 'this host does not run systemd' 'quantum-ess needs it as PID 1; for packaging set DESTDIR.'
    [[ -e $CG_ROOT/cgroup.controllers ]] || fail 'this host has no cgroup v2' 'Boot it with systemd.unified_cgroup_hierarchy=1.'
}

copy_files() {
    local file mode line
    while IFS= read -r file; do
        mode=0644
        [[ ! -x $ESS_ROOT/$file ]] || mode=0755
        render_copy "$ESS_LIB/$file" "$mode" "$ESS_ROOT/$file" || return 1
    done < <(cd -- "$ESS_ROOT" && find ops deploy scripts/proof_ess.sh scripts/proof -type f 2>/dev/null)
    # Sources without the Python part tell no version.
    if [[ -r $ESS_ROOT/ess/__init__.py ]]; then
        while IFS= read -r line; do
            [[ ! $line =~ ^__version__\ =\ \"(.*)\"$ ]] || render_put "$ESS_LIB/version" 0644 "${BASH_REMATCH[1]}"$'\n' || return 1
        done <"$ESS_ROOT/ess/__init__.py"
    fi
    render_copy /usr/local/bin/ess 0755 "$ESS_ROOT/ops/ess_wrapper.sh" || return 1
    for file in RUNBOOK.md README.md; do
        [[ ! -e $ESS_ROOT/$file ]] || render_copy "$DOC_DIR/$file" 0644 "$ESS_ROOT/$file" || return 1
    done
}

install_configuration() {
    if [[ ! -e $DESTDIR$ESS_CONF ]]; then
        [[ $CONF_SOURCE != "$DESTDIR$ESS_INSTALLED" ]] || tell "$ESS_CONF was gone; it is again what was last applied"
        render_copy "$ESS_CONF" 0644 "$CONF_SOURCE" || return 1
    fi
    [[ -e $DESTDIR$ESS_AFTERMATH_CONF ]] || render_copy "$ESS_AFTERMATH_CONF" 0600 "$ESS_ROOT/ops/aftermath.env" || return 1
    [[ -e $DESTDIR$WATCH_CONF ]] || render_copy "$WATCH_CONF" 0640 "$ESS_ROOT/ops/watch.env" || return 1
    metrics_forget "${CONFIG[QT_ESS_METRICS_DIR]}"
    render_copy "$ESS_INSTALLED" 0644 "$DESTDIR$ESS_CONF"
}

install_units() {
    render_units && render_configuration || return 1
    render_copy /etc/tmpfiles.d/quantum-ess.conf 0644 "$ESS_ROOT/deploy/systemd/quantum-ess.tmpfiles.conf" &&
        render_copy /etc/sysusers.d/quantum-ess.conf 0644 "$ESS_ROOT/deploy/systemd/quantum-ess.sysusers.conf" &&
        render_copy /etc/logrotate.d/quantum-ess 0644 "$ESS_ROOT/deploy/quantum-ess.logrotate"
}

write_configured_files() {
    install_configuration && install_units && stale_find && manifest_write
}

activate_units() {
    [[ -z $DESTDIR ]] || return 0
    systemd-sysusers /etc/sysusers.d/quantum-ess.conf
    systemd-tmpfiles --create /etc/tmpfiles.d/quantum-ess.conf || return 1
    install_forget_halt_path
    chgrp quantum-ess "$WATCH_CONF"
    systemctl --quiet --no-reload enable "${WATCH[@]}" && systemctl daemon-reload && systemctl restart "${WATCH[@]}" || return 1
    # What it writes may belong elsewhere now.
    [[ $ACTION == configure && " ${WRITTEN[*]} " != *" $RENDER_METRICS "* ]] ||
        systemctl start --no-block quantum-ess-aftermath.service || :
}

# install_forget_halt_path: earlier versions had it watch from the boot on.
install_forget_halt_path() {
    [[ -L $ESS_UNIT_DIR/paths.target.wants/quantum-ess-halt.path ]] || return 0
    systemctl --quiet disable --now quantum-ess-halt.path
}

# install_python: layer 2. Its failure leaves a working emergency stop.
install_python() {
    local -a options=()
    local source=$ESS_ROOT
    [[ -z $WHEELS ]] || options=(--no-index --find-links "$WHEELS") source=quantum-ess
    [[ -x $DESTDIR$VENV/bin/python ]] || python3 -m venv "$DESTDIR$VENV" || return 1
    # What draws the screen of ess monitor is worth no alert.
    if ! pip_install "${options[@]}" "${source}[alerts,monitor,redis]" &&
        ! pip_install "${options[@]}" "${source}[alerts,redis]"; then
        complain 'what sends alerts and talks to Redis could not be installed (the reason is above)' \
            'Nobody is told of a stop; all else works. Run this again with a network, or with those packages in --wheels DIR.'
        pip_install "${options[@]}" "$source" || return 1
    fi
    "$DESTDIR$VENV/bin/python" -I -m ess --version >/dev/null
}

pip_install() {
    "$DESTDIR$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade "$@"
}

run_install() {
    local python_ok=1
    step 'units and bash controller (these stop trading, alone)'
    manifest_look
    if ! { copy_files && write_configured_files; }; then
        fail 'could not write the files' 'The message above names the file; is the disk full or read-only?' "$EXIT_NOT_ARMED"
    fi
    activate_units || fail 'systemd did not take the units' 'See: journalctl -b -u quantum-ess.path' "$EXIT_NOT_ARMED"
    stale_remove || complain 'could not write what is installed' 'The message above names the file; run this again.'
    if [[ -n $PYTHON ]]; then
        step 'Python command line'
        install_python || python_ok=''
        [[ -n $python_ok ]] || complain 'the Python part could not be installed; the emergency stop works without it' \
            "Use $ESS_LIB/ops/ess_controller.sh; mend (network? python3-venv?) and run this again."
    fi
    finish "$python_ok"
}

run_configure() {
    [[ -f $DESTDIR$ESS_MANIFEST ]] ||
        fail "nothing is installed here ($ESS_MANIFEST is missing)" 'Run ops/install.sh of the checkout.'
    step 'configuration'
    manifest_look
    write_configured_files || fail 'could not write the files' 'The message above names the file.' "$EXIT_NOT_ARMED"
    activate_units || fail 'systemd did not take the units' 'See: journalctl -b -u quantum-ess.path' "$EXIT_NOT_ARMED"
    finish 1
}

# finish PYTHON_OK: drill, then the doctor's word, which is the exit code.
finish() {
    local code
    [[ -z $DESTDIR ]] || return 0
    watch_switch || tell 'The watcher did not start; see: journalctl -u quantum-ess-watch'
    if [[ -n $DRILL && $ACTION == install ]] && ! latch_is_set; then
        step 'drill on the canary (trading is not touched)'
        /bin/bash "$ESS_LIB/scripts/proof_ess.sh" --canary || tell 'The drill did not pass; the doctor says what follows from that.'
    fi
    step 'doctor'
    if [[ -n $PYTHON && -n $1 ]] || [[ $ACTION == configure ]]; then
        /usr/local/bin/ess doctor
    else
        /bin/bash "$ESS_LIB/ops/ess_controller.sh" status
        code=$?
        [[ -n $1 ]] || code=$EXIT_NOT_ARMED
        exit "$code"
    fi
}

run_uninstall() {
    local file
    if [[ -z $DESTDIR ]] && latch_is_set; then
        fail 'not removed: the latch is set, and removing this would let trading start again' 'First: ess deactivate' "$EXIT_RELEASE_FAILED"
    fi
    [[ -r $DESTDIR$ESS_MANIFEST ]] || fail "nothing is installed here ($ESS_MANIFEST is missing)"
    [[ -n $DESTDIR ]] || { stale_installed && systemctl --quiet disable --now -- "${INSTALLED[@]}"; }
    metrics_forget
    while IFS= read -r file; do
        rm -f -- "$DESTDIR$file"
        # /usr/local/bin and the like may be empty now, and are not ours.
        case $file in
            "$ESS_UNIT_DIR"/*/* | "$DOC_DIR"/*) rmdir --ignore-fail-on-non-empty -- "$DESTDIR${file%/*}" 2>/dev/null ;;
        esac
    done < <(cut -d' ' -f3- "$DESTDIR$ESS_MANIFEST")
    rm -rf -- "$DESTDIR${ESS_LIB:?}" "$DESTDIR${VENV%/venv}" 2>/dev/null
    if [[ -z $DESTDIR ]]; then
        systemctl daemon-reload
        # Nobody reads requests any more: who makes one has to see that.
        rm -rf --one-file-system -- "${REQUEST_DIR:?}"
    fi
    tell 'quantum-ess is removed. Kept are configuration, state and audit log:'
    tell "${ESS_CONF%/*}, $STATE_DIR, /var/log/quantum-ess"
}

main() {
    load
    terminal_setup
    parse "$@"
    check_host
    case $ACTION in
        install) check_configuration && check_names && check_hold && run_install ;;
        configure) check_configuration && check_names && check_hold && run_configure ;;
        uninstall) run_uninstall ;;
    esac
}

main "$@"
