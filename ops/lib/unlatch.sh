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
        unlatch_is_late "$VAR_FLAG" && ((wait <= UNLATCH_LONGEST)) || return 1
        unlatch_drop 2>/dev/null || return 1
        pause "$wait"
        ((wait *= 2))
    done
}

# unlatch_drop: remove the late copy. False when it is a new stop by now, which is there again then: it is looked at under
# a name that nobody touches, or a touch between look and removal would be lost.
unlatch_drop() {
    local aside=$VAR_FLAG.late
    mv -fT -- "$VAR_FLAG" "$aside" || return 0
    if unlatch_is_late "$aside"; then
        rm -f -- "$aside"
    else
        mv -fT -- "$aside" "$VAR_FLAG"
        return 1
    fi
}

# unlatch_is_late FILE: true when the flag on disk, which goes by this name, is the only one, and what the enforcer wrote
# before the release began to remove flags. Whoever touches it makes it newer than the marker.
unlatch_is_late() {
    local first=''
    ! latch_there "$RUN_FLAG" && [[ -f $1 && ! -L $1 && $RELEASING -nt $1 ]] || return 1
    IFS= read -r -n 200 first 2>/dev/null <"$1"
    [[ $first == id=?* && $UNLATCH_IDS == *" ${first#id=} "* ]]
}
