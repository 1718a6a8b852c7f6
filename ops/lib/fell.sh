# shellcheck shell=bash
# When the latch fell: what systemd had stopped before that was stopped by somebody else, and a release leaves it so.
# Two clocks: uptime goes on while the host is suspended, systemd's does not. A time that is too late loses what a
# release has to start, one that is too early starts what somebody had stopped.

FELL_BOOT=         # us of uptime by the flags' own times; "unknown": before this boot
FLAG_MONO=         # the same on systemd's clock, by fell_reckon
FLAG_TOLD=         # the same for people: without FELL_EARLY where PID 1 tells
FELL_EARLY=1000000 # us before what is known to be later than the flag, for want of its own time
FELL_GUESSED=      # set: FELL_BOOT is that
FELL_LATE=2000000  # us a flag's own time may be behind its name: touch makes the file and then sets its time
FELL_TICK=10000    # us, the unit of a process's time of start
FELL_SLEPT=200000  # us between the clocks that are no sleep, but a process that took its time to start

# fell_find: into FELL_BOOT. A file's time is that of the last tick, so a stop by hand some ms before the trip counts
# as the trip's.
fell_find() {
    fell_moment
    FELL_BOOT=$((MOMENT_BOOT - FELL_EARLY)) FELL_GUESSED=1
    # When somebody set the wall clock back, or the flag is gone already: it fell just now.
    ! latch_fell_known || ((MOMENT_US < LATCH_FELL_US)) ||
        { FELL_BOOT=$((MOMENT_BOOT - MOMENT_US + LATCH_FELL_US)) && FELL_GUESSED=''; }
    fell_before_enforcer
    fell_systemd_began
    ((FELL_BOOT > BEGAN_BOOT)) || FELL_BOOT=unknown
}

# fell_before_enforcer: the flag is not younger than the enforcer that it started, whose clock is one of 10 ms;
# else somebody set the wall clock back, or this is not the first flag.
fell_before_enforcer() {
    [[ -n ${ENFORCE_CLOCK:-} ]] || return 0
    ((FELL_BOOT <= ENFORCE_CLOCK * 1000 + 10000)) ||
        { FELL_BOOT=$((ENFORCE_CLOCK * 1000 - FELL_EARLY)) && FELL_GUESSED=1; }
}

# fell_moment: into MOMENT_US and MOMENT_BOOT one moment of the wall clock and of uptime, in us: the one at which the
# uptime, which has a resolution of 10 ms, goes on. Without a fork; it takes 10 ms, or 100 on a host that puts us aside.
fell_moment() {
    local up rest last before tries
    read -r last rest </proc/uptime
    for ((tries = 0; tries < 4000; tries++)); do
        before=${EPOCHREALTIME/./}
        read -r up rest </proc/uptime
        MOMENT_US=${EPOCHREALTIME/./}
        [[ $up == "$last" ]] || ((MOMENT_US - before > 500)) || break
        last=$up
    done
    MOMENT_BOOT=$((10#${up/./} * 10000))
}

# fell_systemd_began: into BEGAN_BOOT, when this systemd did. Uptime begins with the kernel, which a container does
# not start anew.
fell_systemd_began() {
    BEGAN_BOOT=0
    ! escaped_start 1 || BEGAN_BOOT=$((ESCAPED_START * FELL_TICK))
}

# fell_ask "PROPERTY PROPERTY..." UNIT...: as sd_show, with what fell_reckon needs to know of systemd.
fell_ask() {
    local unit
    local -a seen=()
    FELL_FIRST=$UNIT_PREFIX-halt.path FELL_ENFORCER=$UNIT_PREFIX-trigger.service
    sd_show "$1 SubState StateChangeTimestampMonotonic MainPID ExecMainStartTimestampMonotonic" \
        "${@:2}" "$FELL_FIRST" "$FELL_ENFORCER" || return 1
    for unit in "${UNITS_SEEN[@]}"; do
        [[ $unit == "$FELL_FIRST" || $unit == "$FELL_ENFORCER" ]] || seen+=("$unit")
    done
    UNITS_SEEN=("${seen[@]}")
}

# fell_reckon: into FLAG_MONO when the latch fell, by the flags and by what systemd has seen of that itself. Takes a
# moment: what a stop needs comes before it.
fell_reckon() {
    [[ -n $FELL_BOOT ]] || fell_find
    FLAG_MONO=$FELL_BOOT FLAG_TOLD=''
    [[ $FELL_BOOT != unknown ]] || return 0
    fell_awake "${UNIT_PROP["$FELL_ENFORCER.MainPID"]:-0}" "${UNIT_PROP["$FELL_ENFORCER.ExecMainStartTimestampMonotonic"]:-0}"
    fell_seen "${UNIT_PROP["$FELL_FIRST.SubState"]:-}" "${UNIT_PROP["$FELL_FIRST.StateChangeTimestampMonotonic"]:-0}"
    FLAG_TOLD=${FLAG_TOLD:-$FLAG_MONO}
}

# fell_awake PID BEGAN: what the host has slept is not on systemd's clock, which says of the enforcer that it began
# at BEGAN.
fell_awake() {
    local slept
    (($1 > 1 && $2 > 0)) && escaped_start "$1" || return 0
    slept=$((ESCAPED_START * FELL_TICK - $2))
    # A process is there some ms before systemd looks at the clock: rather too early than too late.
    ((slept < FELL_SLEPT)) || FLAG_MONO=$((FLAG_MONO - slept - FELL_SLEPT))
}

# fell_seen STATE MOMENT: PID 1 saw the flag's name at MOMENT, before it stopped anything, when the STATE of the path
# unit is that since.
fell_seen() {
    [[ $1 == running ]] || return 0
    (($2 == 0 || $2 >= FLAG_MONO || FLAG_MONO - $2 > FELL_LATE)) || FLAG_MONO=$2
    # It may have seen another since, so this decides nothing.
    [[ -z $FELL_GUESSED ]] || (($2 <= FLAG_MONO || $2 - FLAG_MONO > FELL_EARLY)) || FLAG_TOLD=$2
}
