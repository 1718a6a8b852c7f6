# shellcheck shell=bash
# Taking the flags away, for a release alone. The enforcer may just be putting back the one on disk when the release
# begins, and it comes to be there after it was removed: that copy is of the trip that is being released, and goes,
# too. Whatever else appears is a new stop.

UNLATCH_PAUSE=5     # ms before the flags are looked at again after such a copy was removed; twice as long each time
UNLATCH_LONGEST=320 # ms, the last one; in all some 0.6 s
UNLATCH_IDS=        # those of the trip that is being released

# unlatch: remove both flags; false when that cannot be done. Needs the marker of a release, which keeps the enforcer
# from putting them back.
unlatch() {
    unlatch_note
    latch_clear
}

# unlatch_note: into UNLATCH_IDS the ids that the flags and the enforcer give this trip: a flag that somebody touched
# has none, and its copy on disk has the enforcer's.
unlatch_note() {
    local file said of=$'\nid=([0-9A-Za-z-]{1,64})\n'
    UNLATCH_IDS=' '
    for file in "$RUN_FLAG" "$VAR_FLAG" "$ENFORCER_FILE"; do
        said=''
        [[ ! -f $file || -L $file ]] || LC_ALL=C IFS= read -r -N 4096 -d '' said 2>/dev/null <"$file"
        [[ ! $'\n'$said =~ $of ]] || UNLATCH_IDS+="${BASH_REMATCH[1]} "
    done
}

# unlatch_gone: true when no flag is there; a late copy is removed.
unlatch_gone() {
    local wait=$UNLATCH_PAUSE
    while latch_is_set; do
        unlatch_is_late && ((wait <= UNLATCH_LONGEST)) || return 1
        rm -f -- "$VAR_FLAG" 2>/dev/null
        pause "$wait"
        ((wait *= 2))
    done
}

# unlatch_is_late: true when the only flag is the one on disk, and that is what the enforcer wrote before the release
# began to remove flags. Whoever touches it makes it newer than the marker.
unlatch_is_late() {
    local first=''
    ! latch_there "$RUN_FLAG" && [[ -f $VAR_FLAG && ! -L $VAR_FLAG && $RELEASING -nt $VAR_FLAG ]] || return 1
    IFS= read -r -n 200 first 2>/dev/null <"$VAR_FLAG"
    [[ $first == id=?* && $UNLATCH_IDS == *" ${first#id=} "* ]]
}
