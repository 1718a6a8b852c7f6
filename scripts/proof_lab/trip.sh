# shellcheck shell=bash
# Trip, watch, release: what every group on the machine does.

TRIP_CONF=/root/ess.env.before # what a group puts back

trip_monitors() {
    identity_kept WATCHERS 'monitoring unit' && ((${#WATCHERS[@]} == 4))
}

# trip_ready UNIT...: not latched, and every unit runs.
trip_ready() {
    SEEN='the latch is still set from before'
    ! latch_is_set || return 1
    bounded 20 systemctl --no-ask-password start "$@" || { seen_out "$?" && return 1; }
    SEEN='not every unit came up'
    until_ms 10000 all_alive "$@"
}

# trip_release [OPTION...]: the way back; true when it worked and nothing is latched.
trip_release() {
    controller 60 deactivate --yes --reason proof "$@" || { seen_out "$?" && return 1; }
    SEEN='released, and still latched'
    ! latch_is_set
}

# trip_back [OPTION...]: a release after which all of trading runs.
trip_back() {
    trip_release "$@" || return 1
    SEEN='not everything came back'
    all_alive "${TRADING[@]}"
}

# trip_aside COMMAND...: in the background, its output and exit code kept for trip_aside_code. Whoever
# calls bounds it.
trip_aside() {
    "$@" </dev/null >"$DRILL_TMP/aside" 2>&1 &
    ASIDE=$!
}

# trip_aside_code: into ASIDE_CODE, and OUT what it said.
trip_aside_code() {
    wait "$ASIDE"
    ASIDE_CODE=$?
    OUT=$(<"$DRILL_TMP/aside")
}
