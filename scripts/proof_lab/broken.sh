# shellcheck shell=bash
# shellcheck disable=SC2317 # called by name
# The stop with parts of the machine missing. For each part there is break_PART and mend_PART.

PYTHON_VENV=/opt/quantum-ess/venv

group_broken() {
    claim 'the D-Bus broker is dead: touch' broken bus touch "$RUN_FLAG"
    claim 'the D-Bus broker is dead: ess_controller.sh activate' broken bus timeout 15 bash "$CONTROLLER" activate
    claim 'Python is gone: ess activate, through bash' broken python timeout 15 ess activate
    claim 'the configuration is garbage: touch' broken configuration touch "$RUN_FLAG"
    claim '/var/lib/quantum-ess is read-only: activate' broken disk timeout 15 bash "$CONTROLLER" activate
    claim '/run/quantum has no inode left: activate' broken inodes timeout 15 bash "$CONTROLLER" activate
    claim 'both path units are stopped: activate' broken paths timeout 15 bash "$CONTROLLER" activate
}

# broken PART COMMAND...: the command still stops all of trading, and it can be released afterwards.
broken() {
    local part=$1 ms code
    shift
    trip_ready "${TRADING[@]}" || return 1
    "break_$part" >/dev/null 2>&1
    stopwatch_start
    trip_aside "$@"
    stopwatch_down "${TRADING[@]}" && start_refused "${TRADING[0]}"
    code=$?
    ms=$DOWN_MS
    trip_aside_code
    "mend_$part" >/dev/null 2>&1
    ((code == 0)) || return 1
    SEEN="it ended with $ASIDE_CODE: $(said)"
    ((ASIDE_CODE == 0)) && trip_back || return 1
    MEASURED=$ms
    NOTED="${#TRADING[@]} units dead, starts refused"
}

break_bus() {
    systemctl mask --runtime --now dbus.socket dbus.service
    systemctl kill -s KILL dbus.service
}

mend_bus() {
    systemctl unmask --runtime dbus.socket dbus.service
    systemctl start dbus.socket dbus.service
}

break_python() {
    [[ ! -d $PYTHON_VENV ]] || mv -- "$PYTHON_VENV" "$PYTHON_VENV.away"
}

mend_python() {
    [[ ! -d $PYTHON_VENV.away ]] || mv -- "$PYTHON_VENV.away" "$PYTHON_VENV"
}

break_configuration() {
    cp -- "$ESS_CONF" "$TRIP_CONF"
    head -c 4096 /dev/urandom >"$ESS_CONF"
}

mend_configuration() {
    cp -- "$TRIP_CONF" "$ESS_CONF"
}

break_disk() {
    mount --bind "$STATE_DIR" "$STATE_DIR" && mount -o remount,bind,ro "$STATE_DIR"
}

mend_disk() {
    umount -l "$STATE_DIR"
    # What ran is written down now; the flag on disk may come while it is being released.
    until_ms 10000 test -e "$RUNNING_FILE"
}

break_inodes() {
    mount -t tmpfs -o nr_inodes=2,mode=0755 tmpfs "$RUN_DIR" && touch "$RUN_DIR/ballast"
}

mend_inodes() {
    umount -l "$RUN_DIR"
    until_ms 2000 test -e "$RUN_FLAG"
}

break_paths() {
    systemctl stop quantum-ess{,-disk}.path quantum-ess-sentry.timer
}

mend_paths() {
    systemctl start quantum-ess{,-disk}.path quantum-ess-sentry.timer
}
