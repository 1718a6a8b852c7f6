# shellcheck shell=bash
# What bash has to know of the watcher: whether it is switched on, and what its death means.

WATCH_CONF=/etc/quantum-ess/watch.env
WATCH_UNIT=quantum-ess-watch.service
WATCH_LARGEST=65536 # characters of its settings that are read

# watch_setting KEY: into ANSWER the first value of KEY, as ess/keyfile.py reads it; false when it is not set.
watch_setting() {
    local line left=$WATCH_LARGEST
    ANSWER=
    [[ -f ${DESTDIR:-}$WATCH_CONF ]] || return 1
    while IFS= read -r line || [[ -n $line ]]; do
        (((left -= ${#line} + 1) >= 0)) || break
        line=${line#"${line%%[![:space:]]*}"}
        [[ $line == "$1="* ]] || continue
        ANSWER=${line#*=}
        ANSWER=${ANSWER%"${ANSWER##*[![:space:]]}"}
        [[ ${#ANSWER} -lt 2 || $ANSWER != \"*\" && $ANSWER != \'*\' ]] || ANSWER=${ANSWER:1:-1}
        return 0
    done 2>/dev/null <"${DESTDIR:-}$WATCH_CONF"
    return 1
}

# watch_is_wanted: true unless QT_ESS_ENABLED is missing or says no clearly.
watch_is_wanted() {
    watch_setting QT_ESS_ENABLED || return 1
    [[ ${ANSWER,,} != @(false|no|off|0) ]]
}

# watch_switch: run it, or not, as is configured. A restart by a person, or by us, is no failure.
watch_switch() {
    local enabled=''
    # What is that already is not done again: PID 1 would read all of its units anew.
    ! compgen -G "/etc/systemd/system/*.wants/$WATCH_UNIT" >/dev/null || enabled=1
    if ! watch_is_wanted; then
        if [[ -n $enabled ]]; then systemctl --quiet disable --now "$WATCH_UNIT"; else systemctl stop "$WATCH_UNIT"; fi
        return 0
    fi
    [[ -x /opt/quantum-ess/venv/bin/python ]] || return 0
    systemctl reset-failed "$WATCH_UNIT" 2>/dev/null
    { [[ -n $enabled ]] || systemctl --quiet enable "$WATCH_UNIT"; } && systemctl restart "$WATCH_UNIT"
}
