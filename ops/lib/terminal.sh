# shellcheck shell=bash
# Words and colours for a person. Plain when not a terminal or when NO_COLOR is set.

terminal_setup() {
    RED='' GREEN='' YELLOW='' BOLD='' DIM='' PLAIN=''
    [[ -t 1 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]] || return 0
    RED=$'\e[1;31m' GREEN=$'\e[1;32m' YELLOW=$'\e[1;33m' BOLD=$'\e[1m' DIM=$'\e[2m' PLAIN=$'\e[0m'
}

# operator_name: into OPERATOR, the person behind this root shell. /etc/passwd first: a stop waits for this, and a
# directory server may not answer.
operator_name() {
    local uid name known _
    OPERATOR=${SUDO_USER:-}
    [[ -z $OPERATOR ]] || return 0
    read -r uid 2>/dev/null </proc/self/loginuid
    [[ $uid =~ ^[0-9]+$ && $uid != 4294967295 ]] || uid=$UID
    while IFS=: read -r name _ known _; do
        [[ $known != "$uid" || -z $name ]] || { OPERATOR=$name && return 0; }
    done 2>/dev/null </etc/passwd
    OPERATOR=$(timeout 1 id -un -- "$uid" 2>/dev/null) || OPERATOR=uid-$uid
}

# require_root VERB ARGS...: EXIT_NOT_ROOT and the command to use instead, in one line. Not another one: without its
# options a release may start what was to stay down.
require_root() {
    local words
    ((EUID == 0)) && return 0
    printf -v words ' %q' "$@"
    complain "only root may $1; run: sudo $0$words"
    return "$EXIT_NOT_ROOT"
}
