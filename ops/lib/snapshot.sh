# shellcheck shell=bash
# What was running when the latch fell, so that a release brings back that and nothing else. A unit
# somebody had stopped before stays stopped.

SNAPSHOT_PROPERTIES='ActiveState MainPID ControlPID InvocationID FreezerState TriggeredBy Slice ActiveExitTimestampMonotonic InactiveEnterTimestampMonotonic InactiveExitTimestampMonotonic'
SNAPSHOT_AGAIN=1000 # ms between two attempts to write the list

# snapshot_ran UNIT: true when the unit ran, or was being started, when the latch fell. Reads UNIT_PROP.
snapshot_ran() {
    local ended=${UNIT_PROP["$1.ActiveExitTimestampMonotonic"]:-0}
    local began=${UNIT_PROP["$1.InactiveExitTimestampMonotonic"]:-0}
    case ${UNIT_PROP["$1.ActiveState"]:-} in
        active | reloading | refreshing | activating) return 0 ;;
    esac
    # Never became active in this round: what ended then is the attempt to start it.
    ((ended > began)) || ended=${UNIT_PROP["$1.InactiveEnterTimestampMonotonic"]:-0}
    ((ended > 0 && ended >= FLAG_MONO))
}

# snapshot_ask: into UNIT_PROP and UNITS_SEEN what systemd knows of the trading units; false when it did not answer.
snapshot_ask() {
    fell_ask "$SNAPSHOT_PROPERTIES" "${TRADING[@]}"
}

# snapshot_triggers: into TRIGGERS what triggers the units in UNITS_SEEN, and into UNIT_PROP what is known
# of all of them; false when systemd did not answer.
snapshot_triggers() {
    local unit
    TRIGGERS=()
    for unit in "${UNITS_SEEN[@]}"; do
        # shellcheck disable=SC2206 # a list of unit names
        TRIGGERS+=(${UNIT_PROP["$unit.TriggeredBy"]:-})
    done
    ((${#TRIGGERS[@]} == 0)) || sd_show "$SNAPSHOT_PROPERTIES" "${TRADING[@]}" "${TRIGGERS[@]}"
}

# snapshot_take: write RUNNING_FILE unless this latch has one; needs FLAG_MONO, UNIT_PROP and UNITS_SEEN of
# the trading units and their triggers.
snapshot_take() {
    local unit list=
    [[ ! -e $RUNNING_FILE ]] || return 0
    if [[ $FLAG_MONO == unknown ]]; then
        list=$'unknown\n'
    else
        for unit in "${UNITS_SEEN[@]}"; do
            snapshot_ran "$unit" && list+=$unit$'\n'
        done
    fi
    { snapshot_write "$list"; } </dev/null >/dev/null 2>&1 &
}

# snapshot_write LIST: the file appears whole, never over another, and not when a slow disk took longer than the
# latch lasted: a list without a latch is what a release leaves that was cut short.
snapshot_write() {
    local left=("$RUNNING_FILE".*)
    [[ ! -e ${left[0]} ]] || rm -f -- "${left[@]}"
    printf '%s' "$1" >"$RUNNING_FILE.$BASHPID" && sync -- "$RUNNING_FILE.$BASHPID" && latch_is_set &&
        ln -T -- "$RUNNING_FILE.$BASHPID" "$RUNNING_FILE"
    rm -f -- "$RUNNING_FILE.$BASHPID"
}

# snapshot_keep: while latched the list is there. Whoever empties its directory gets it written again; what
# systemd was too busy to tell during the stop it is asked for again, its timestamps still know.
snapshot_keep() {
    if [[ -e $RUNNING_FILE ]]; then
        [[ -n ${SNAPSHOT_LIST+x} ]] || IFS= read -r -d '' SNAPSHOT_LIST 2>/dev/null <"$RUNNING_FILE"
        return 0
    fi
    ((NOW_MS - ${SNAPSHOT_TRIED:--$SNAPSHOT_AGAIN} >= SNAPSHOT_AGAIN)) || return 0
    [[ -z ${SNAPSHOT_CHILD:-} ]] || ! kill -0 "$SNAPSHOT_CHILD" 2>/dev/null || return 0
    SNAPSHOT_TRIED=$NOW_MS
    { snapshot_again; } </dev/null >/dev/null 2>&1 &
    SNAPSHOT_CHILD=$!
}

snapshot_again() {
    if [[ -n ${SNAPSHOT_LIST+x} ]]; then
        snapshot_write "$SNAPSHOT_LIST"
    else
        snapshot_ask && fell_reckon && snapshot_triggers && snapshot_take
    fi
}
