#!/bin/bash
# ess: runs the Python command line; when Python itself is broken, the bash controller answers instead.
python=/opt/quantum-ess/venv/bin/python
controller=/usr/local/lib/quantum-ess/ops/ess_controller.sh
room=/usr/local/lib/quantum-ess/ops/lib/room.sh

# 1 is never an answer of ours, and from 126 on the interpreter could not even run (a signal: 128 and up).
broken() {
    [[ ! -x $python ]] || (($1 == 1 || $1 == 126 || $1 == 127 || $1 == 132 || $1 == 134 || $1 == 135 || $1 == 139))
}

# True with hardly room for a process: the controller sets the latch and kills without one.
crowded() {
    CG_ROOT=/sys/fs/cgroup
    # shellcheck source=/dev/null
    . "$room" 2>/dev/null && ! room_left
}

main() {
    local code=127
    [[ ${1:-} != activate ]] || ! crowded || exec /bin/bash "$controller" "$@"
    # What bash ends with when it cannot make a process at all.
    trap '(($? != 254)) || exec /bin/bash "$controller" "$@"' EXIT
    if [[ -x $python ]]; then
        "$python" -I -m ess "$@"
        code=$?
    fi
    broken "$code" || exit "$code"
    printf 'ess: the Python part does not run (code %s); using ess_controller.sh\n' "$code" >&2
    exec /bin/bash "$controller" "$@"
}

main "$@"
