# shellcheck shell=bash
# A person who removes both flags at once has released the latch, without any tool. Anything else that takes flags
# away is an accident, and they are put back.

BYHAND_ONE_ACT=5000000 # ns between two removals that count as one act of one person
BYHAND_NO_MORE=200     # ms in which nothing else goes, or it was an accident

# byhand_decided: both directories changed within one command's time, and nothing but the flags
# went, then or right afterwards. Anything slower, and a directory that was emptied or replaced, is an accident and
# no decision.
byhand_decided() {
    byhand_went && byhand_linger && ! latch_is_set && byhand_went
}

# byhand_linger: wait BYHAND_NO_MORE. Nobody has decided anything yet, and the gate is open: what starts is killed.
byhand_linger() {
    local until
    clock_ms
    until=$((NOW_MS + BYHAND_NO_MORE))
    while ((NOW_MS < until)); do
        contain_look
        pause "$CONTAIN_POLL"
    done
}

byhand_went() {
    local run var
    [[ -d $RUN_DIR && ! -L $RUN_DIR && -e $RUNNING_FILE ]] || return 1
    run=$(stat -c %.9Y -- "$RUN_DIR" 2>/dev/null) || return 1
    var=$(stat -c %.9Y -- "$STATE_DIR" 2>/dev/null) || return 1
    run=${run/./} var=${var/./}
    ((run - var <= BYHAND_ONE_ACT && var - run <= BYHAND_ONE_ACT))
}

# byhand_done: trading stays down; it is told who released it as far as that is known.
byhand_done() {
    journal 1 '=== latch removed by hand: both flags were deleted at once. Trading stays down until started. ===' \
        EVENT=release-finished
    rm -f -- "$RUNNING_FILE"
    byhand_tell
}

# byhand_tell: who removes the flags himself says neither who he is nor why. With us ends the process that
# writes it down, so it gets a second, which a hung disk does not make longer.
byhand_tell() {
    local left=20
    enforce_activation
    spool_event release-finished "$ACTIVATION" operator=unknown 'reason=both flags were removed by hand'
    while ((left--)) && kill -0 "$!" 2>/dev/null; do pause 50; done
}
