#!/usr/bin/env bash
# Emergency stop for trading, without Python: the latch in, the latch out, and what the units run.
# On the way to a stop nothing here trusts `set -e`: every step is checked and none may end the next.
LC_ALL=C.UTF-8
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022

# The flag itself, before anything is read that could be missing or broken. Not the real one in a drill.
first_flag() {
    local word before=''
    [[ ${1:-} == @(activate|request) ]] || return 0
    for word in "$@"; do
        [[ $word != -h && $word != --help && "$before $word" != '--scope canary' ]] || return 0
        before=$word
    done
    if ((EUID)); then
        { : >"/run/quantum-ess/requests/$$"; } 2>/dev/null
        return
    fi
    [[ $1 == activate ]] || compgen -G '/run/quantum-ess/requests/*' >/dev/null || return 0
    [[ -d /run/quantum ]] || mkdir -p /run/quantum
    [[ -e /run/quantum/ESS_ON ]] || : >>/run/quantum/ESS_ON
}

# early_flag: for the reader of requests, the flag before its parts are read, which takes longer than all the rest.
# Builtins alone. Into EARLY_FLAG its content (see latch_content), when it is we who have set it.
early_flag() {
    local id='' at found
    EARLY_FLAG=
    ((EUID == 0)) && [[ ! -e /run/quantum/ESS_ON && -d /run/quantum ]] || return 0
    # Not compgen: it is blind to names that begin with a dot.
    shopt -s nullglob dotglob
    found=(/run/quantum-ess/requests/*)
    shopt -u nullglob dotglob
    ((${#found[@]})) && read -r id 2>/dev/null </proc/sys/kernel/random/uuid
    [[ -n $id ]] || return 0
    TZ=UTC printf -v at '%(%Y-%m-%dT%H:%M:%SZ)T' -1
    printf -v EARLY_FLAG '%s\n' "id=$id" "at=$at" operator=unknown source=request 'reason=asked for without root' category=
    { set -C && printf '%s' "$EARLY_FLAG" >/run/quantum/ESS_ON; } 2>/dev/null ||
        # No room for its words, but it is there.
        [[ -e /run/quantum/ESS_ON && ! -s /run/quantum/ESS_ON ]] || EARLY_FLAG=''
    set +C
}

# load VERB: a part that a verb does not need may be broken.
load() {
    local here=${BASH_SOURCE[0]} part rest=(activate ask unlatch ready release restart request asked sentry status)
    case $1 in
        enforce) rest=(byhand) ;;
        activate) rest=(activate ask) ;;
        request) rest=(request asked) ;;
        sentry) rest=(sentry) ;;
        status | doctor) rest=(status) ;;
        deactivate) rest=(activate unlatch ready release restart request) ;;
    esac
    # The installed one is no link, and two processes less are some ms less.
    if [[ $here == /* && ! -L $here ]]; then here=${here%/*}; else here=$(dirname -- "$(readlink -f -- "$here")"); fi
    for part in paths exits say names clock answer room disk config stoppers latch cgroup systemd fell snapshot escaped contain listed enforce hold terminal "${rest[@]}"; do
        # shellcheck source=/dev/null
        . "$here/lib/$part.sh" || return 1
    done
    load_tellers "$here" "$1"
}

# load_tellers DIRECTORY VERB: what only tells of a stop may be broken; the stop is done without it. Into TELLERS
# the parts that are whole.
load_tellers() {
    local part more=()
    spool_event() { :; }
    spool_once() { return 1; }
    certificate_units() { CERTIFICATE=(); }
    course_begun() { :; }
    course_report() { :; }
    course_say_contained() { :; }
    course_event() { :; }
    metrics_begin() { :; }
    metrics_end() { :; }
    denied_tell() { :; }
    strays_find() { STRAYS=() STRAYS_DARK=() STRAYS_PIDS='' STRAYS_WHY=strays.sh && return 1; }
    watching_line() { WATCHING=''; }
    case $2 in
        sentry) more=(request asked status arming metrics denied) ;;
        activate | deactivate) more=(strays) ;;
        status | doctor) more=(strays watch watching) ;;
    esac
    TELLERS=' '
    for part in spool certificate course "${more[@]}"; do
        # shellcheck source=/dev/null
        . "$1/lib/$part.sh" 2>/dev/null && TELLERS+="$part "
    done
    return 0
}

usage() {
    cat <<'EOF'
Usage: ess_controller.sh VERB

  activate [--reason TEXT] [--category 0|1]
                 stop trading now and keep it stopped; also without root, for
                 members of the group quantum-ess
  deactivate [--reason TEXT] [--yes] [--all|--no-start]
                 release the latch and start trading
  status [--quiet]
                 is it active, is trading dead, is it armed
  doctor         the same here; "ess doctor" knows more
  drill [--production]
                 prove that the stop works
  enforce, request, sentry
                 what the systemd units run

Exit codes:
EOF
    exits_table
}

# usage_error WHAT: who mistypes here may well want trading stopped.
usage_error() {
    local instead=''
    case $VERB in
        activate) instead='NOTHING WAS STOPPED. Run:' ;;
        deactivate | status | doctor) ;;
        *) instead='To stop trading:' ;;
    esac
    complain "$1; see: ess_controller.sh --help" "$instead"
    [[ -z $instead ]] || printf '       sudo %s activate\n' "$0" >&2
    exit "$EXIT_USAGE"
}

# parse ARGS...: the options of one verb into OPT_*.
parse() {
    local which=''
    OPT_REASON='' OPT_CATEGORY='' OPT_YES='' OPT_WHICH=running OPT_QUIET='' OPT_SOURCE=bash
    while (($#)); do
        case $1 in
            --*=*)
                set -- "${1%%=*}" "${1#*=}" "${@:2}"
                continue
                ;;
            --reason | --category | --source | --scope)
                (($# >= 2)) || usage_error "$1 needs a value"
                parse_value "$1" "$2"
                shift
                ;;
            --yes) OPT_YES=1 ;;
            --all) which+=all ;;
            --no-start) which+=none ;;
            --quiet) OPT_QUIET=1 ;;
            *) usage_error "unknown argument: $1" ;;
        esac
        shift
    done
    [[ $which != *all*none* && $which != *none*all* ]] || usage_error '--all or --no-start, not both'
    case $which in all*) OPT_WHICH=all ;; none*) OPT_WHICH=none ;; esac
}

parse_value() {
    case $1 in
        --reason) OPT_REASON=$2 ;;
        --source) OPT_SOURCE=$2 ;;
        --category)
            [[ $2 == [01] ]] || usage_error "--category is 0 or 1, not $2"
            OPT_CATEGORY=$2
            ;;
        --scope)
            [[ $2 == main || $2 == canary ]] || usage_error "no scope $2"
            paths_use_scope "$2"
            ;;
    esac
}

main() {
    local verb=${1:-}
    VERB=$verb
    [[ $* != request ]] || early_flag
    if ! load "$verb"; then
        first_flag "$@"
        printf 'ess: the parts of this script are missing; install again from the checkout\n' >&2
        exit 4
    fi
    terminal_setup
    (($#)) && shift
    case $verb in
        -h | --help | help)
            usage
            exit 0
            ;;
        activate | deactivate | status | doctor | enforce | request | sentry) ;;
        drill)
            require_root drill "$@" || exit
            exec /bin/bash "$ESS_ROOT/scripts/proof_ess.sh" "${@:---canary}"
            ;;
        ack | alert | audit | completion | history | monitor | watch)
            complain "$verb needs the Python part, which does not run" 'Install it again from the checkout: sudo ops/install.sh'
            exit "$EXIT_USAGE"
            ;;
        '') usage_error 'what do you want? activate, deactivate or status' ;;
        *) usage_error "unknown verb: $verb" ;;
    esac
    case " $* " in *' --help '* | *' -h '*) usage && exit 0 ;; esac
    parse "$@"
    # Now: the function is left by then.
    # shellcheck disable=SC2064
    trap "room_end $verb" EXIT
    run_verb "$verb" "$@"
}

run_verb() {
    local code
    if [[ $1 == activate ]] && ask_may; then
        ask "$OPT_SOURCE" "$OPT_REASON" "$OPT_CATEGORY"
        return
    fi
    [[ $1 == status || $1 == doctor ]] || require_root "$@" || exit
    case $1 in
        activate) activate "$OPT_SOURCE" "$OPT_REASON" "$OPT_CATEGORY" ;;
        deactivate) release "$OPT_REASON" "$OPT_YES" "$OPT_WHICH" ;;
        status | doctor) status "$OPT_QUIET" ;;
        enforce | request | sentry)
            "$1"
            code=$?
            say_wait
            return "$code"
            ;;
    esac
}

main "$@"
