# shellcheck shell=bash
# Starting trading again, one unit at a time in the configured order; each must come up and stay up
# before the next is touched.

RESTART_LOOK=200     # ms between two questions about a unit that settles
RESTART_SILENCE=5000 # ms that systemd may leave us without an answer at the end of a settle

# release_start: start RELEASE_SET. Into RELEASE_STARTED what came up.
release_start() {
    local unit
    RELEASE_STARTED=()
    restart_forget_cuts
    restart_forget_kills
    restart_order
    for unit in "${RESTART_ORDER[@]}"; do
        release_still_clear || return
        restart_one "$unit" || return
        RELEASE_STARTED+=("$unit")
    done
    release_still_clear
}

# restart_order: into RESTART_ORDER, RELEASE_SET in START_ORDER; sockets go before the unit they
# serve, timers and paths after it, and what nobody ordered comes last. Into RESTART_STAYS those that, once up, have a
# process: no oneshots.
restart_order() {
    local slot unit
    declare -gA RESTART_STAYS=()
    RESTART_ORDER=()
    sd_show 'Triggers Type' "${RELEASE_SET[@]}"
    for unit in "${RELEASE_SET[@]}"; do
        # shellcheck disable=SC2004 # an associative array
        [[ ${UNIT_PROP["$unit.Type"]:-oneshot} == oneshot ]] || RESTART_STAYS[$unit]=1
    done
    # shellcheck disable=SC2153 # START_ORDER is the configuration's
    for slot in "${START_ORDER[@]}"; do
        restart_take "$slot" .socket
        restart_take "$slot" .service
        restart_take "$slot" .timer
        restart_take "$slot" .path
    done
    for unit in "${RELEASE_SET[@]}"; do
        name_in "$unit" "${RESTART_ORDER[@]}" || RESTART_ORDER+=("$unit")
    done
}

# restart_take SLOT SUFFIX: append the units of RELEASE_SET that have SUFFIX and belong to SLOT.
restart_take() {
    local unit target
    for unit in "${RELEASE_SET[@]}"; do
        [[ $unit == *"$2" ]] || continue
        name_in "$unit" "${RESTART_ORDER[@]}" && continue
        for target in $unit ${UNIT_PROP["$unit.Triggers"]:-}; do
            name_in "$target" "$1" && RESTART_ORDER+=("$unit") && break
        done
    done
}

# A survivor was cut off the network; that ends with the latch.
restart_forget_cuts() {
    local file
    for file in "$CUT_DIR"/*; do
        [[ -f $file ]] || continue
        sd set-property --runtime -- "${file##*/}" IPAddressDeny= && rm -f -- "$file"
    done
}

# `failed` on a unit that ran until our SIGKILL says nothing about the unit.
restart_forget_kills() {
    local unit
    local -a ran=()
    while read -r unit; do
        [[ $unit != *.* ]] || ran+=("$unit")
    done 2>/dev/null <"$RUNNING_FILE"
    # Of one that systemd does not know it complains, and goes on to the next.
    ((${#ran[@]} == 0)) || sd reset-failed -- "${ran[@]}"
}

# restart_one UNIT: start it, wait for it to come up, and see it settle.
restart_one() {
    local unit=$1 before=unknown
    # Only of a oneshot does it matter which run of it is over.
    if [[ -z ${RESTART_STAYS[$unit]:-} ]]; then
        restart_state "$unit"
        before=$RESTART_INVOCATION
    fi
    if ! sd start --no-block -- "$unit"; then
        release_again "systemd refused to start $unit" "$unit"
        return
    fi
    restart_wait_up "$unit" "$before" || return
    tell "  up     $unit"
    [[ $unit != *.service || $RESTART_STATE == 'done' ]] || restart_settle "$unit"
}

# restart_state UNIT: into RESTART_STATE: up, coming, ran (through, without staying), down or unknown; into
# RESTART_INVOCATION and RESTART_IDENTITY which run of it that is.
restart_state() {
    local active
    RESTART_STATE=unknown RESTART_INVOCATION='' RESTART_IDENTITY=''
    sd_show 'ActiveState Result InvocationID NRestarts Type Job' "$1" || return 0
    active=${UNIT_PROP["$1.ActiveState"]:-}
    RESTART_INVOCATION=${UNIT_PROP["$1.InvocationID"]:-}
    RESTART_IDENTITY=$RESTART_INVOCATION/${UNIT_PROP["$1.NRestarts"]:-}
    case $active in
        active | reloading | refreshing) RESTART_STATE=up ;;
        activating | deactivating) RESTART_STATE=coming ;;
        inactive)
            RESTART_STATE=down
            if [[ ${UNIT_PROP["$1.Job"]:-0} != 0 ]]; then
                RESTART_STATE=coming
            elif [[ ${UNIT_PROP["$1.Type"]:-} == oneshot && ${UNIT_PROP["$1.Result"]:-} == success ]]; then
                RESTART_STATE=ran
            fi
            ;;
        *) RESTART_STATE=down ;;
    esac
}

# restart_wait_up UNIT BEFORE: true once it is up, or is a oneshot that has run through since the run BEFORE: one
# that an assert kept from running has not, nor has one when BEFORE is unknown.
restart_wait_up() {
    local unit=$1 before=$2 limit
    config_milli "${CONFIG[QT_ESS_START_TIMEOUT]:-60}"
    clock_ms
    limit=$((NOW_MS + MILLI))
    while :; do
        release_still_clear || return
        restart_state "$unit"
        [[ $RESTART_STATE == ran && $before != unknown && -n $RESTART_INVOCATION && $RESTART_INVOCATION != "$before" ]] && RESTART_STATE='done'
        case $RESTART_STATE in
            up | 'done') return 0 ;;
            down | ran)
                release_again "$unit did not come up" "$unit"
                return
                ;;
        esac
        clock_ms
        if ((NOW_MS >= limit)); then
            release_again "$unit did not come up within ${CONFIG[QT_ESS_START_TIMEOUT]:-60} s" "$unit"
            return
        fi
        pause "$RELEASE_POLL"
    done
}

# restart_settle UNIT: it stays up, the same process and not a restart of it, for QT_ESS_SETTLE; and systemd says so
# at the end of it, because what is unknown has not settled.
restart_settle() {
    local unit=$1 identity=$RESTART_IDENTITY limit look
    config_milli "${CONFIG[QT_ESS_SETTLE]:-2}"
    clock_ms
    limit=$((NOW_MS + MILLI)) look=$((NOW_MS + RESTART_LOOK))
    while :; do
        release_still_clear || return
        clock_ms
        if ((NOW_MS >= look || NOW_MS >= limit)); then
            look=$((NOW_MS + RESTART_LOOK))
            restart_state "$unit"
            if ! restart_stays "$identity" "$limit"; then
                release_again "$unit came up but did not stay up for ${CONFIG[QT_ESS_SETTLE]:-2} s" "$unit"
                return
            fi
            [[ $RESTART_STATE != up ]] || ((NOW_MS < limit)) || return 0
        fi
        pause "$RELEASE_POLL"
    done
}

# restart_stays IDENTITY LIMIT: false once the unit is down or another run of it is up, or when nobody knows for too
# long.
restart_stays() {
    case $RESTART_STATE in
        up) [[ $RESTART_IDENTITY == "$1" ]] ;;
        unknown) ((NOW_MS < $2 + RESTART_SILENCE)) ;;
        *) false ;;
    esac
}
