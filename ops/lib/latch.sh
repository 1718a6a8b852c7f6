# shellcheck shell=bash
# The latch: two flags, each enough by itself. Existence counts, never content. Only this file
# touches them.

LATCH_ASKER=1000 # ms that may pass after the flag until it is known who asked for it

# latch_there FLAG: true when anything at all has that name, a dangling symlink included.
latch_there() {
    [[ -e $1 || -L $1 ]]
}

# latch_is_set: true unless both flags are known to be absent. It forks only when a directory is not there
# or cannot be entered: then it takes more than a look to tell absent from unknown.
latch_is_set() {
    latch_there "$RUN_FLAG" || latch_there "$VAR_FLAG" && return 0
    [[ -d $RUN_DIR && -x $RUN_DIR && -d $STATE_DIR && -x $STATE_DIR ]] && return 1
    latch_state
    [[ $LATCH_STATE != clear ]]
}

# latch_probe FLAG: into PROBE: present, absent or unknown, from what stat said in ANSWERED. lstat decides, and only
# "no such file" means absent.
latch_probe() {
    PROBE=unknown
    case $'\n'$ANSWERED in
        *$'\n'"$1"$'\n'*) PROBE=present ;;
        *"'$1': No such file"* | *"'$1': Not a directory"*) PROBE=absent ;;
    esac
}

# latch_state: into LATCH_STATE: clear, latched or unknown. Unknown is to be treated as latched.
latch_state() {
    local run
    LATCH_STATE=latched
    ! latch_there "$RUN_FLAG" && ! latch_there "$VAR_FLAG" || return 0
    ANSWER_ERRORS=/dev/stdout answer_within 2 stat -c %n -- "$RUN_FLAG" "$VAR_FLAG"
    latch_probe "$RUN_FLAG"
    run=$PROBE
    latch_probe "$VAR_FLAG"
    # Its disk hangs, and what we looked at is the place we do with meanwhile.
    [[ -z ${DISK_ASKER:-} || $PROBE == present ]] || PROBE=unknown
    case $run,$PROBE in
        *present*) LATCH_STATE=latched ;;
        absent,absent) LATCH_STATE=clear ;;
        *) LATCH_STATE=unknown ;;
    esac
}

# latch_content SOURCE REASON CATEGORY OPERATOR [ID AT]: into CONTENT, what we write into a flag.
latch_content() {
    local id=${5:-} at=${6:-} reason operator
    [[ -n $id ]] || read -r id 2>/dev/null </proc/sys/kernel/random/uuid
    [[ -n $at ]] || TZ=UTC printf -v at '%(%Y-%m-%dT%H:%M:%SZ)T' -1
    clean "$2"
    reason=$CLEAN
    clean "$4"
    operator=$CLEAN
    printf -v CONTENT '%s\n' "id=$id" "at=$at" "operator=$operator" "source=$1" "reason=$reason" "category=$3"
}

# latch_write FLAG CONTENT [UNLESS]: true when something is at FLAG afterwards. The first writer's content
# stays. A disk too full for the content still gets the empty flag. With UNLESS nothing on disk is made a flag while a
# file of that name is there.
latch_write() {
    local flag=$1 dir=${1%/*} draft unless=${3:-} named=''
    [[ -d $dir ]] || mkdir -p -- "$dir" 2>/dev/null
    if [[ $dir == "$RUN_DIR" && ! -L $flag ]]; then
        latch_write_plainly "$flag" "$2"
        [[ -e $flag ]]
        return
    fi
    latch_draft "$dir"
    if { printf '%s' "$2" >"$draft"; } 2>/dev/null; then
        [[ $dir == /run/* ]] || sync -- "$draft" 2>/dev/null
        if [[ -n $unless && -e $unless ]]; then
            named=never
        elif [[ -L $flag ]]; then
            mv -fT -- "$draft" "$flag" 2>/dev/null && named=1
        else
            ln -T -- "$draft" "$flag" 2>/dev/null && named=1
        fi
        [[ $dir == /run/* ]] || sync -- "$dir" 2>/dev/null
    fi
    rm -f -- "$draft" 2>/dev/null
    # What was there and is gone again, a release has taken.
    [[ -n $named || -e $flag ]] || latch_write_plainly "$flag" "$2"
    [[ -e $flag ]]
}

# latch_draft DIR: into draft, where the content of a flag in DIR is put together. Not in the directory that
# PID 1 watches: for a name that is no flag it would go on to look at the other one, whose disk may hang.
latch_draft() {
    draft=$1/.ESS_ON.$BASHPID.$RANDOM
    [[ $1 != "$RUN_DIR" || ! -d $RUNTIME_DIR ]] || draft=$RUNTIME_DIR/${draft##*/}
}

# latch_write_plainly FLAG CONTENT: for where no link can be made, and for /run: there it costs no process, and
# the flag's ctime stays the moment at which it fell (the end of a link to it would change it).
latch_write_plainly() {
    # What is there is a flag already; and a FIFO would wait for a reader.
    [[ ! -e $1 ]] || return 0
    { set -C && printf '%s' "$2" >"$1"; } 2>/dev/null
    set +C
    [[ -e $1 ]] || { : >>"$1"; } 2>/dev/null
}

# latch_at_once SOURCE REASON CATEGORY: the flag under /run, without a fork: for a full process table.
latch_at_once() {
    latch_content "$1" "${2:-not given}" "$3" "${SUDO_USER:-uid-$UID}"
    [[ -e $RUN_FLAG ]] || { set -C && printf '%s' "$CONTENT" >"$RUN_FLAG"; } 2>/dev/null
    set +C
}

# latch_set CONTENT: both flags; into LATCH_FAILED the names of those that could not be written, into
# LATCH_WAS a word when there was one on disk already. The one under /run is set when this returns; the one
# on disk gets 500 ms, because a disk that hangs must not hold up a stop, and is completed by a child later
# if it needs longer.
latch_set() {
    local tries=0 writer on_disk=$VAR_FLAG
    LATCH_FAILED='' LATCH_WAS=''
    # Whoever is about to release sees by the directory's time that somebody asked once more.
    ! latch_there "$RUN_FLAG" || touch -c -- "$RUN_DIR" 2>/dev/null
    latch_write "$RUN_FLAG" "$1" || LATCH_FAILED=$RUN_FLAG
    if ! disk_answers; then
        LATCH_FAILED+=${LATCH_FAILED:+ and }$on_disk
        { unlocked latch_write "$on_disk" "$1"; } </dev/null >/dev/null 2>&1 &
        return 1
    fi
    ! latch_there "$VAR_FLAG" || LATCH_WAS=yes
    { unlocked latch_write "$VAR_FLAG" "$1"; } </dev/null >/dev/null 2>&1 &
    writer=$!
    while ! [[ -e $VAR_FLAG ]] && ((tries++ < 100)) && kill -0 "$writer" 2>/dev/null; do pause 5; done
    [[ -e $VAR_FLAG ]] || LATCH_FAILED+=${LATCH_FAILED:+ and }$VAR_FLAG
    [[ -z $LATCH_FAILED ]]
}

# latch_reword ID CONTENT: the words of the flag on disk, if it is that of this trip. The one in /run keeps its own:
# its time is that of the trip.
latch_reword() {
    local draft first=''
    [[ -f $VAR_FLAG && ! -L $VAR_FLAG ]] && read -r first <"$VAR_FLAG"
    [[ $first == "id=$1" ]] || return 0
    latch_draft "$STATE_DIR"
    printf '%s' "$2" >"$draft" && sync -- "$draft" && mv -fT -- "$draft" "$VAR_FLAG"
    rm -f -- "$draft"
}

# latch_mend CONTENT [UNLESS]: put a flag that is missing, or is a symlink, back, while there is no file UNLESS. The
# one on disk is written by a child, one at a time and at most five times a second: its disk may be read-only or hang.
latch_mend() {
    [[ -z ${2:-} || ! -e $2 ]] || return 0
    if [[ ! -e $RUN_FLAG || -L $RUN_FLAG ]]; then latch_write "$RUN_FLAG" "$1"; fi
    [[ ! -e $VAR_FLAG || -L $VAR_FLAG ]] || return 0
    clock_ms
    ((NOW_MS - ${LATCH_MENDED_MS:--1000} >= 200)) || return 0
    [[ -z ${LATCH_MENDER:-} ]] || ! kill -0 "$LATCH_MENDER" 2>/dev/null || return 0
    LATCH_MENDED_MS=$NOW_MS
    { latch_mend_disk "$@"; } </dev/null >/dev/null 2>&1 &
    LATCH_MENDER=$!
}

# latch_mend_disk CONTENT [UNLESS]: a release either waits for it or is seen by it.
latch_mend_disk() {
    stopper_begin
    [[ -n ${2:-} && -e $2 ]] || latch_write "$VAR_FLAG" "$@"
}

# latch_fell: into LATCH_FELL_US, us since the epoch when the latch fell: the older flag's ctime, which touch
# cannot forge. False when neither can be read.
latch_fell() {
    local ctime oldest='' ANSWERED
    LATCH_FELL_US=
    answer_within 1 stat -c %.6Z -- "$RUN_FLAG" "$VAR_FLAG"
    answer_lines "$ANSWERED"
    for ctime in "${ANSWER_LINES[@]}"; do
        [[ $ctime == *.* ]] || continue
        ctime=${ctime/./}
        [[ -n $oldest ]] && ((ctime >= oldest)) || oldest=$ctime
    done
    LATCH_FELL_US=$oldest
    [[ -n $oldest ]]
}

# latch_fell_known: the same, asked for once: for who is there for one latch. A flag that is written anew is younger.
latch_fell_known() {
    [[ -n ${LATCH_FELL_US:-} ]] || latch_fell
}

# latch_age: into LATCH_AGE_US, us since the latch fell. False when that is not known.
latch_age() {
    LATCH_AGE_US=
    latch_fell && LATCH_AGE_US=$((${EPOCHREALTIME/./} - LATCH_FELL_US))
}

# latch_asked: into LATCH_ASKED when somebody last asked for the stop. It changes with every activation, also
# while the latch is set, and with every touch.
latch_asked() {
    answer_within 1 stat -c %.9Y -- "$RUN_DIR" "$RUN_FLAG"
    LATCH_ASKED=$ANSWERED
}

# latch_read: into LATCH (an associative array) the KEY=VALUE lines of the flag, cleaned. Whoever can
# write the flag can write anything, so this is for display and never decides anything but haste.
latch_read() {
    local flag line raw=
    declare -gA LATCH=()
    for flag in "$RUN_FLAG" "$VAR_FLAG"; do
        [[ -f $flag && ! -L $flag && -r $flag ]] || continue
        LC_ALL=C read -r -N 4096 -d '' raw 2>/dev/null <"$flag"
        [[ $raw == *=* ]] && break
    done
    while [[ -n $raw ]]; do
        line=${raw%%$'\n'*}
        [[ $raw == *$'\n'* ]] && raw=${raw#*$'\n'} || raw=
        [[ $line =~ ^(id|at|operator|source|reason|category)=(.*)$ ]] || continue
        clean "${BASH_REMATCH[2]}"
        LATCH[${BASH_REMATCH[1]}]=$CLEAN
    done
    latch_read_request || :
}

# latch_read_request: who made the request of this trip and why; false when that is not known. The flag was there
# before it was.
latch_read_request() {
    local line note=''
    [[ ${LATCH[source]:-} == request && -f $REQUEST_NOTE ]] || return 1
    LC_ALL=C IFS= read -r -N 4096 -d '' note 2>/dev/null <"$REQUEST_NOTE"
    [[ $note == "id=${LATCH[id]:-}"$'\n'* ]] || return 1
    while [[ $note == *$'\n'* ]]; do
        line=${note%%$'\n'*}
        note=${note#*$'\n'}
        [[ $line =~ ^(operator|reason|category)=(.*)$ ]] || continue
        clean "${BASH_REMATCH[2]}"
        LATCH[${BASH_REMATCH[1]}]=$CLEAN
    done
    return 0
}

# latch_await_request: the same, and waits a moment for it: for a child that only tells of the trip.
latch_await_request() {
    local tries=0
    [[ ${LATCH[source]:-} == request ]] || return 0
    until latch_read_request || ((tries++ >= LATCH_ASKER / 10)); do pause 10; done
}

# latch_tell: since when, by whom and why, for a person.
latch_tell() {
    latch_read
    tell "  since    ${LATCH[at]:-unknown}"
    tell "  by       ${LATCH[operator]:-unknown}"
    tell "  source   ${LATCH[source]:-a flag set by hand}"
    say_words '  why      ' '           ' "${LATCH[reason]:-no reason written}"
}

# latch_clear: remove both flags, whatever they are; false when that cannot be done. While the one on disk cannot be
# removed, the other stays. True does not tell that none is there by now.
latch_clear() {
    rm -rf --one-file-system -- "$VAR_FLAG" 2>/dev/null && rm -rf --one-file-system -- "$RUN_FLAG" 2>/dev/null || return 1
    sync -- "$STATE_DIR" 2>/dev/null
    return 0
}
