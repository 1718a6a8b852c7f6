#!/bin/bash
# A trading program that leaves the control group of its unit, and ignores what a stop sends first.
# usage: outside.sh join|scope|child|nameless|tree|orphan|parting
readonly GROUP=/sys/fs/cgroup/elsewhere.slice
readonly BOT=(/usr/bin/env "--ignore-signal=TERM,INT,HUP" sleep 424242)

join() {
    mkdir -p "$GROUP"
    printf 0 >"$GROUP/cgroup.procs"
}

case $1 in
    join) join && exec "${BOT[@]}" ;;
    scope) exec systemd-run --quiet --scope -- "${BOT[@]}" ;;
    # Its parent stays where it is, and ends at the first word.
    child)
        (join && exec "${BOT[@]}") &
        exec sleep infinity
        ;;
    # Nor does the number of the unit's run tell whose it is.
    nameless)
        (join && exec env -i "${BOT[@]}") &
        exec sleep infinity
        ;;
    # An orphan, in a scope that was made for the unit's main process.
    orphan) exec systemd-run --quiet --scope -- bash -c 'setsid -f env -i "$@"; exec sleep infinity' bash "${BOT[@]}" ;;
    # Only in the middle of the stop somebody leaves.
    parting)
        trap 'sleep 0.3; (join && exec env -i "${BOT[@]}") & wait' TERM
        while :; do sleep 0.05; done
        ;;
    # The one outside has made another before anybody looked.
    tree)
        join
        trap '' TERM
        "${BOT[@]}" &
        wait
        ;;
esac
