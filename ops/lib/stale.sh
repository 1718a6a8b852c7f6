# shellcheck shell=bash
# What an older version installed and this one does not have. It goes when all that takes its place works; until
# then it stays in the manifest, so that a run that was cut short is made up for by the next one.

STALE=()

# stale_find: into STALE the lines of the last manifest whose files this run did not write. Gates are
# render_configuration's.
stale_find() {
    local sum file written
    STALE=()
    [[ $ACTION == install && -f $DESTDIR$ESS_MANIFEST ]] || return 0
    printf -v written '\n%s' "${RENDERED[@]}"
    written+=$'\n'
    while read -r sum file; do
        stale_is_ours "$file" && [[ $written != *$'\n'"$file"$'\n'* && -e $DESTDIR$file ]] || continue
        STALE+=("$sum  $file")
    done <"$DESTDIR$ESS_MANIFEST"
}

# stale_is_ours FILE: only where nobody but us puts files, whatever a manifest says; never what may be edited.
stale_is_ours() {
    [[ $1 != *..* && $1 != */"$ESS_GATE" && $1 != "$ESS_MANIFEST" ]] || return 1
    case $1 in
        "$ESS_LIB"/* | "$DOC_DIR"/* | "$ESS_UNIT_DIR"/quantum-ess[-.]* | /usr/local/bin/ess) return 0 ;;
        /etc/tmpfiles.d/quantum-ess[-.]* | /etc/sysusers.d/quantum-ess[-.]* | /etc/logrotate.d/quantum-ess*) return 0 ;;
        *) return 1 ;;
    esac
}

# stale_remove: units are switched off and stopped before their files go. While latched everything stays: the old
# parts may be what holds trading down.
stale_remove() {
    local line file
    local -a kept=()
    ((${#STALE[@]})) || return 0
    if [[ -z $DESTDIR ]] && latch_is_set; then
        tell "The latch is set: ${#STALE[@]} files of the version before stay."
        tell 'After ess deactivate, run this again.'
        return 0
    fi
    stale_units
    [[ -n $DESTDIR ]] || stale_stop
    for line in "${STALE[@]}"; do
        file=${line#*  }
        if ! name_in "${file##*/}" "${STALE_RUNNING[@]}" && rm -f -- "$DESTDIR$file"; then
            stale_prune "${file%/*}"
        else
            kept+=("$line")
        fi
    done
    STALE=("${kept[@]}")
    manifest_write || return 1
    [[ -n $DESTDIR ]] || systemctl daemon-reload
}

# stale_units: into STALE_UNITS the units among them. One that trades is not ours to stop, whatever it is called.
stale_units() {
    local line file
    STALE_UNITS=() STALE_RUNNING=()
    for line in "${STALE[@]}"; do
        file=${line#*  }
        if [[ ${file%/*} == "$ESS_UNIT_DIR" ]]; then
            if name_in "${file##*/}" "${TRADING[@]}"; then STALE_RUNNING+=("${file##*/}"); else STALE_UNITS+=("${file##*/}"); fi
        fi
    done
}

# stale_installed: into INSTALLED every unit of the manifest that can be switched off, of whatever version it is. An
# enforcer lets nobody stop it, and ends with the latch.
stale_installed() {
    local _ file
    INSTALLED=()
    while read -r _ file; do
        [[ ${file%/*} == "$ESS_UNIT_DIR" && $file == */quantum-ess?(-*).@(path|timer|service) && $file != *-trigger.service && -e $file ]] || continue
        INSTALLED+=("${file##*/}")
    done <"$ESS_MANIFEST"
}

# stale_stop: into STALE_RUNNING those that do not end; their files stay.
stale_stop() {
    local unit
    ((${#STALE_UNITS[@]})) || return 0
    timeout 20 systemctl --quiet --no-reload disable -- "${STALE_UNITS[@]}" 2>/dev/null
    timeout 60 systemctl stop -- "${STALE_UNITS[@]}" 2>/dev/null
    for unit in "${STALE_UNITS[@]}"; do
        if [[ $(timeout 5 systemctl show -P ActiveState -- "$unit") == @(inactive|failed) ]]; then
            tell "Removed $unit: this version does not have it."
            systemctl reset-failed -- "$unit" 2>/dev/null
        else
            STALE_RUNNING+=("$unit")
            complain "$unit, which this version does not have, does not end" "See: systemctl status $unit. Then run this again."
        fi
    done
}

# stale_prune DIRECTORY: it, and what it is in, once nothing is left there; never what is not ours alone.
stale_prune() {
    local dir=$1
    while [[ $dir == "$ESS_LIB"/* || $dir == "$DOC_DIR"/* || $dir == "$ESS_UNIT_DIR"/quantum-ess*.d ]]; do
        rmdir -- "$DESTDIR$dir" 2>/dev/null || return 0
        dir=${dir%/*}
    done
}
