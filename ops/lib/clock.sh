# shellcheck shell=bash
# Time that does not depend on the wall clock, and waiting without a process.

NOW_NEVER=999999999999999 # ms, a deadline that does not come

# clock_ms: into NOW_MS, ms since boot. /proc/uptime does not jump when somebody sets the clock.
clock_ms() {
    local up rest
    read -r up rest </proc/uptime
    NOW_MS=$((10#${up/./} * 10))
}

# pause MS: sleep without forking; a signal to the shell ends it.
pause() {
    local seconds
    printf -v seconds '%d.%03d' $(($1 / 1000)) $(($1 % 1000))
    # A terminal that nobody opens says nothing; a pipe takes a process, for which there may be no room.
    if [[ -z ${PAUSE_FD:-} ]]; then { exec {PAUSE_FD}<>/dev/ptmx; } 2>/dev/null || exec {PAUSE_FD}<> <(:); fi
    read -r -t "$seconds" -u "$PAUSE_FD"
    return 0
}
