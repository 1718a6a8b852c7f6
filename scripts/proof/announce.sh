# shellcheck shell=bash
# Nobody finds trading stopped without having been told: on this terminal, on every other one, and in the
# journal.

# announce WHAT WHAT-TO-DO...: each a short line.
announce() {
    printf '\n%s%s%s\n' "$RED" "$1" "$PLAIN" >&2
    printf '%s\n' "${@:2}" '' >&2
    journal 1 "$*"
    printf '%s\n' "quantum-ess: $1" "${@:2}" | timeout 2 wall 2>/dev/null &
}

# production_left: the clean-up on every way out of the production drill. It never releases: an
# unfinished drill has not proved that trading may run.
production_left() {
    local unit missing=()
    [[ -n ${PRODUCTION_TRIPPED:-} ]] || return 0
    if latch_is_set; then
        announce "TRADING IS STOPPED on $HOSTNAME." 'The production drill did not finish; it releases only what it has proved.' \
            'Look: ess status.' 'To resume, when nobody else wants it stopped: sudo ess deactivate'
        return
    fi
    for unit in "${RAN[@]}"; do unit_alive "$unit" || missing+=("$unit"); done
    ((${#missing[@]} == 0)) && return 0
    announce "NOT ALL OF TRADING RUNS on $HOSTNAME." 'The production drill did not finish. The latch is released; start what is down:' \
        "${missing[@]/#/  sudo systemctl start }"
}
