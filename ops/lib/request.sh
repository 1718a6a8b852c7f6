# shellcheck shell=bash
# Requests to stop from people and programs that are not root: whatever lies in REQUEST_DIR is one. What it is and
# says comes from anybody in the group. So the latch first, then a bounded look, then away with it.
#
# No request is lost and none trips twice. The latch comes before a request is removed; what is being removed leaves
# REQUEST_BUSY until the latch was seen to be set afterwards, so that a reader that is killed goes on where it
# was; and a release waits until neither is there.

REQUEST_LOOKS=20      # requests a minute that are looked at; the others are counted
REQUEST_WINDOW=60000  # ms, that minute
REQUEST_SUM_UP=10000  # ms between two lines that tell how many more there were
REQUEST_PATIENCE=1000 # ms for all the looks of one round
REQUEST_REMOVAL=5000  # ms that the removal of one lot may take
REQUEST_STUCK=1000    # ms between two attempts to remove what cannot be removed
REQUEST_SAY_STUCK=60000
REQUEST_RELEASE=5000 # ms that a release waits for the reader
REQUEST_LINGER=1000  # ms without a request before the reader ends: who asks in a loop does not keep PID 1 busy
# Names that were looked at and could not be removed, with / around each. No array: a subscript that somebody else
# chose can be made to run commands.
REQUEST_SEEN=
REQUEST_COUNTED=0 REQUEST_SUMMED_UP=-99999 REQUEST_STUCK_TOLD=-99999

# request: what quantum-ess-request.service runs. Ends when no request is left. While one cannot be removed it
# stays, or PID 1 would start it again and again.
request() {
    request_recall
    while request_waits; do
        if request_round; then
            request_linger
        else
            request_say_stuck
            pause "$REQUEST_STUCK"
        fi
    done
    request_sum_up 0
}

# request_waits: true when a request is there, into REQUESTS the names, or one is not yet done with. Without a
# fork. It also looks through a symlink in place of the directory: whoever asks does, too.
request_waits() {
    local LC_ALL=C
    shopt -s nullglob dotglob
    REQUESTS=("$REQUEST_DIR"/*)
    shopt -u nullglob dotglob
    ((${#REQUESTS[@]})) || [[ -e $REQUEST_BUSY ]]
}

# request_round: take what request_waits has found; false when some of it could not be removed.
request_round() {
    local removed=''
    ASKED_BY='' ASKED_WHY=''
    # What the children may still do afterwards, a release waits for; we may go on for as long as somebody asks.
    stopper_begin
    request_trip
    request_put "$REQUEST_BUSY" ''
    request_record
    if request_remove; then removed=1 REQUEST_SEEN=''; else request_remember; fi
    request_hold
    rm -f -- "$REQUEST_BUSY" 2>/dev/null
    stopper_end
    [[ -n $removed && ! -e $REQUEST_BUSY ]]
}

# request_trip: the latch, without a fork and before any request is looked at. Who asked and why is written beside
# it as soon as that is known (see latch_read): a flag is never written anew, its time is that of the trip. The first
# one of a reader is set before these lines are read (see early_flag).
request_trip() {
    REQUEST_FIRST=
    if [[ -n ${EARLY_FLAG:-} ]]; then
        CONTENT=$EARLY_FLAG EARLY_FLAG=''
    elif latch_there "$RUN_FLAG"; then
        # Whoever is about to release sees by the directory's time that somebody asked once more.
        touch -c -- "$RUN_DIR" 2>/dev/null
        return 0
    else
        latch_content request "${ASKED_WHY:-asked for without root}" '' "${ASKED_BY:-unknown}"
        [[ -d $RUN_DIR ]] || mkdir -p -- "$RUN_DIR" 2>/dev/null
        latch_write_plainly "$RUN_FLAG" "$CONTENT"
    fi
    REQUEST_FIRST=1
    [[ -e $RUN_FLAG ]] || latch_set "$CONTENT"
    { sd start --no-block "$UNIT_PREFIX-trigger.service" "$UNIT_PREFIX-halt.path"; } </dev/null >/dev/null 2>&1 &
}

# request_hold: the latch is set, also when a release that was under way has taken it away meanwhile. One that is
# removing flags at this moment has not seen us.
request_hold() {
    local tries=0
    while [[ -e $RELEASING ]] && latch_is_set && ((tries++ < 500)) && hold_release_running; do pause 10; done
    latch_is_set && return 0
    request_trip
    [[ -z $REQUEST_FIRST ]] || latch_set "$CONTENT"
}

# request_record: who asked and why, for the flags, the journal and the audit log.
request_record() {
    local entry began news=()
    for entry in "${REQUESTS[@]}"; do
        [[ $REQUEST_SEEN == *"/${entry##*/}/"* ]] || news+=("$entry")
    done
    clock_ms
    began=$NOW_MS
    ((NOW_MS >= REQUEST_SINCE && NOW_MS - REQUEST_SINCE < REQUEST_WINDOW)) || REQUEST_SINCE=$NOW_MS REQUEST_LOOKED=0
    for entry in "${news[@]}"; do
        if [[ -z $REQUEST_FIRST ]] && ((REQUEST_LOOKED >= REQUEST_LOOKS)); then
            REQUEST_COUNTED=$((REQUEST_COUNTED + 1))
            continue
        fi
        REQUEST_LOOKED=$((REQUEST_LOOKED + 1))
        asked_look "$entry"
        request_note
        clock_ms
        # What hangs must not hold up the others.
        ((NOW_MS - began < REQUEST_PATIENCE)) || REQUEST_LOOKED=$REQUEST_LOOKS
    done
    # Killed between the latch and the request: what is known is that there was one.
    [[ -z $REQUEST_FIRST ]] || latch_set "$CONTENT"
    request_sum_up "$REQUEST_SUM_UP"
    request_put "$REQUEST_TOLD" "$REQUEST_SINCE $REQUEST_LOOKED"$'\n'
}

# request_put FILE TEXT: without a fork. Not into a FIFO, which would wait for a reader.
request_put() {
    [[ -e $1 && ! -f $1 ]] || { printf '%s' "$2" >"$1"; } 2>/dev/null
}

request_remember() {
    local entry
    REQUEST_SEEN=/
    for entry in "${REQUESTS[@]:0:1000}"; do REQUEST_SEEN+=${entry##*/}/; done
}

request_recall() {
    REQUEST_SINCE=0 REQUEST_LOOKED=0
    [[ ! -f $REQUEST_TOLD ]] || read -r REQUEST_SINCE REQUEST_LOOKED 2>/dev/null <"$REQUEST_TOLD"
    [[ $REQUEST_SINCE,$REQUEST_LOOKED =~ ^[1-9][0-9]{0,14},[0-9]{1,6}$ ]] || REQUEST_SINCE=0 REQUEST_LOOKED=0
}

# request_note: tell of the request that was looked at. The first words of a trip go into the flag on disk, too, and
# beside the one in /run.
request_note() {
    local id at first=no
    if [[ -n $REQUEST_FIRST ]]; then
        REQUEST_FIRST='' first=yes
        id=${CONTENT#id=}
        id=${id%%$'\n'*}
        at=${CONTENT#*$'\n'at=}
        latch_content request "$ASKED_WHY" "$ASKED_CATEGORY" "$ASKED_BY" "$id" "${at%%$'\n'*}"
        # Without a fork: the enforcer is about to read it.
        request_put "$REQUEST_NOTE" "$CONTENT"
        latch_set "$CONTENT"
        { latch_reword "$id" "$CONTENT"; } </dev/null >/dev/null 2>&1 &
        ACTIVATION=$id journal 2 "stop asked for without root by $ASKED_BY: $ASKED_WHY" EVENT=request
    else
        journal 5 "stop asked for without root by $ASKED_BY, while it is on: $ASKED_WHY" EVENT=request
    fi
    latch_read
    spool_event request "${LATCH[id]:-}" "operator=$ASKED_BY" "reason=$ASKED_WHY" "what=$ASKED_KIND" \
        "through=$ASKED_THROUGH" "first=$first" ${ASKED_DETAIL:+"detail=$ASKED_DETAIL"}
}

# request_sum_up MS: tell of those that were only counted, MS after that was last told.
request_sum_up() {
    ((REQUEST_COUNTED)) || return 0
    clock_ms
    ((NOW_MS - REQUEST_SUMMED_UP >= $1)) || return 0
    REQUEST_SUMMED_UP=$NOW_MS
    journal 2 "stop asked for without root $REQUEST_COUNTED more times"
    latch_read
    spool_event request "${LATCH[id]:-}" operator=unknown "reason=$REQUEST_COUNTED more requests, not looked at"
    REQUEST_COUNTED=0
}

# request_remove: empty the directory, in a child that may hang; true when what request_waits found is gone.
request_remove() {
    local child until
    { request_remove_all; } </dev/null >/dev/null 2>&1 &
    child=$!
    clock_ms
    until=$((NOW_MS + REQUEST_REMOVAL))
    while kill -0 "$child" 2>/dev/null; do
        ((NOW_MS < until)) || return 1
        pause 5
        clock_ms
    done
    wait "$child"
}

# request_remove_all: the names themselves, never what a link leads to, and never another file system. Of a
# symlink in place of the directory only that goes.
request_remove_all() {
    local first code=0
    if [[ -L $REQUEST_DIR ]]; then
        rm -f -- "$REQUEST_DIR"
        timeout -k 1 5 systemd-tmpfiles --create --prefix="$REQUEST_DIR" /etc/tmpfiles.d/quantum-ess.conf
        return
    fi
    request_unmount
    # A command line has room for some thousand names only.
    for ((first = 0; first < ${#REQUESTS[@]}; first += 500)); do
        timeout -k 1 $((REQUEST_REMOVAL / 1000)) nice -n 30 rm -rf --one-file-system -- "${REQUESTS[@]:first:500}" || code=1
    done
    return "$code"
}

# request_unmount: FUSE lets anybody mount something on a directory of his own, which then cannot be removed.
request_unmount() {
    local _ point
    while read -r _ _ _ _ point _; do
        [[ $point == "$REQUEST_DIR"/* ]] || continue
        # The kernel writes a space as \040.
        # shellcheck disable=SC2059 # the backslashes are to be read
        printf -v point "${point//%/%%}"
        timeout -k 1 2 umount --lazy --no-canonicalize -- "$point"
    done </proc/self/mountinfo
}

request_say_stuck() {
    clock_ms
    ((NOW_MS - REQUEST_STUCK_TOLD >= REQUEST_SAY_STUCK)) || return 0
    REQUEST_STUCK_TOLD=$NOW_MS
    journal 1 "requests cannot be removed from $REQUEST_DIR: the latch is kept until somebody does. Run: ls -la $REQUEST_DIR"
}

# request_linger: wait for the next request, as long as nobody releases.
request_linger() {
    local left=$((REQUEST_LINGER / 50))
    while ((left--)) && latch_is_set && ! request_waits; do pause 50; done
}

# request_none_waits: for a release, true when no request to stop waits: it would trip again right afterwards. The
# reader gets 5 s.
request_none_waits() {
    local tries=0
    while request_waits; do
        ((tries)) || sd start --no-block "$UNIT_PREFIX-request.service"
        if ((tries++ >= REQUEST_RELEASE / 50)); then
            complain "release refused: a request to stop waits in $REQUEST_DIR and nobody takes it; the latch is still set" \
                "Look at: systemctl status $UNIT_PREFIX-request.service; ls -la $REQUEST_DIR"
            return 1
        fi
        pause 50
    done
}
