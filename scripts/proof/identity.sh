# shellcheck shell=bash
# Proof that units were left alone: the processes and the invocation that ran before still run.

# identity_take ARRAY UNIT...: into ARRAY, unit -> "invocation pid" of those units that run and are meant
# to go on running.
identity_take() {
    local -n identity_into=$1
    local unit
    shift
    identity_into=()
    sd_show 'ActiveState InvocationID MainPID Type' "$@" || return 1
    for unit in "${UNITS_SEEN[@]}"; do
        [[ ${UNIT_PROP["$unit.ActiveState"]:-} == active && ${UNIT_PROP["$unit.Type"]:-simple} != oneshot ]] || continue
        # shellcheck disable=SC2004 # an associative array
        identity_into[$unit]="${UNIT_PROP["$unit.InvocationID"]:-} pid ${UNIT_PROP["$unit.MainPID"]:-}"
    done
}

# identity_kept ARRAY WHAT: everything in ARRAY still runs as the same process.
identity_kept() {
    local -n identity_from=$1
    local -A identity_now=()
    local unit changed=
    NOTED="no $2 runs here"
    ((${#identity_from[@]})) || return 0
    SEEN='systemd does not answer'
    identity_take identity_now "${!identity_from[@]}" || return 1
    for unit in "${!identity_from[@]}"; do
        [[ ${identity_now[$unit]:-} == "${identity_from[$unit]}" ]] ||
            changed+="${changed:+; }$unit had ${identity_from[$unit]#* } and has ${identity_now[$unit]#* }"
    done
    SEEN=$changed NOTED="${#identity_from[@]} units, same PIDs"
    [[ -z $changed ]]
}
