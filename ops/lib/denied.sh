# shellcheck shell=bash
# What the gate turned away: a start of a trading unit while latched. PID 1 refuses it without us and remembers of
# each unit when it last did; the sentry asks for that, every 10 s.

DENIED_FILE=/run/quantum-ess/told-denied
DENIED_EVERY=600000000 # us between two events of one unit, however often somebody tries

# denied_tell: one event for all units that were refused since they were last told of.
denied_tell() {
    local unit at new=()
    [[ $ESS_SCOPE == main ]] || return 0
    config_once
    sd_show 'AssertResult AssertTimestampMonotonic' "${TRADING[@]}" || return 0
    denied_read
    for unit in "${UNITS_SEEN[@]}"; do
        at=${UNIT_PROP["$unit.AssertTimestampMonotonic"]:-0}
        [[ ${UNIT_PROP["$unit.AssertResult"]:-} == no && $at =~ ^[1-9][0-9]{0,17}$ ]] || continue
        ((at > ${DENIED[$unit]:--$DENIED_EVERY} + DENIED_EVERY)) || continue
        DENIED[$unit]=$at
        new+=("$unit")
    done
    ((${#new[@]})) || return 0
    denied_write
    latch_read
    ACTIVATION=${LATCH[id]:-}
    journal 4 "start refused while latched: ${new[*]}" EVENT=denied "${new[@]/#/UNIT=}"
    spool_event denied "$ACTIVATION" "units=${new[*]}"
}

# denied_read: into DENIED, us since boot at which a unit was refused that was told of.
denied_read() {
    local unit at
    declare -gA DENIED=()
    [[ -f $DENIED_FILE ]] || return 0
    while read -r unit at; do
        [[ ! $at =~ ^[0-9]{1,18}$ ]] || DENIED[$unit]=$at
    done 2>/dev/null <"$DENIED_FILE"
}

denied_write() {
    local unit
    for unit in "${!DENIED[@]}"; do
        printf '%s %s\n' "$unit" "${DENIED[$unit]}"
    done 2>/dev/null >"$DENIED_FILE.new" && mv -fT -- "$DENIED_FILE.new" "$DENIED_FILE" 2>/dev/null
}
