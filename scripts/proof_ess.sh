#!/usr/bin/env bash
# Proves that the emergency stop of this host works: one line for each claim, then a verdict. The drill on
# the canary leaves trading alone; --production really stops it; --lab brings its own machine.
LC_ALL=C.UTF-8
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022

ESS_PARTS=(paths exits say names clock answer config latch cgroup systemd escaped status terminal spool watch)
PROOF_PARTS=(claims verdict host armed identity stopwatch canary canary_reset watcher watcher_breach
    production announce aftermath)
LAB_PARTS=(machine relay)

usage() {
    cat <<'EOF'
Usage: proof_ess.sh [--canary | --production | --lab] [--json FILE]

  --canary      drill watch, enforcer, gate and release on a canary unit with
                flags of its own, and the watcher of the limits where it is
                switched on; trading is not touched (the default)
  --production  stop trading, prove it dead, start it again; asks first
  --lab         install and prove everything on a throw-away machine;
                needs no installation; of this host it changes nothing but
                apt-get install mmdebstrap systemd-container python3-pip
                and what it keeps in /var/cache/quantum-ess-lab

  --json FILE          write the result to FILE as well
  --image NAME         bookworm (the default) or trixie, for --lab
  --yes-stop-trading   do not ask, for --production without a terminal

Exit codes: 0 every claim about the stop holds; 2 usage; 3 not root; 5 one
failed, or it was not confirmed.
What follows a stop (audit log, alerts) is tried afterwards; it can only warn.
EOF
}

usage_error() {
    printf 'ess: %s (see proof_ess.sh --help)\n' "$1" >&2
    exit 2
}

parse() {
    PROOF_MODE='' PROOF_JSON='' PROOF_IMAGE='' PROOF_YES=''
    while (($#)); do
        case $1 in
            -h | --help) usage && exit 0 ;;
            --canary | --production | --lab)
                [[ -z $PROOF_MODE || $PROOF_MODE == "${1#--}" ]] || usage_error "choose one of --$PROOF_MODE and $1"
                PROOF_MODE=${1#--}
                ;;
            --json | --image)
                [[ -n ${2:-} ]] || usage_error "$1 needs a value"
                if [[ $1 == --json ]]; then PROOF_JSON=$2; else PROOF_IMAGE=$2; fi
                shift
                ;;
            --yes-stop-trading) PROOF_YES=1 ;;
            *) usage_error "unknown argument: $1" ;;
        esac
        shift
    done
    check_arguments
}

check_arguments() {
    PROOF_MODE=${PROOF_MODE:-canary}
    [[ -z $PROOF_IMAGE || $PROOF_MODE == lab ]] || usage_error '--image goes with --lab'
    [[ ${PROOF_IMAGE:-bookworm} == @(bookworm|trixie) ]] || usage_error "no image $PROOF_IMAGE: bookworm or trixie"
    [[ -z $PROOF_YES || $PROOF_MODE == production ]] || usage_error '--yes-stop-trading goes with --production'
    [[ -z $PROOF_JSON || -d $(dirname -- "$PROOF_JSON") ]] || usage_error "no directory for $PROOF_JSON"
    [[ -z $PROOF_JSON || $PROOF_JSON == /* ]] || PROOF_JSON=$PWD/$PROOF_JSON
}

check_lab() {
    [[ $PROOF_MODE != lab || -e $(dirname -- "$0")/lab.sh ]] || usage_error '--lab runs from a checkout, as scripts/proof_ess.sh'
}

check_root() {
    local words="--$PROOF_MODE"
    ((EUID == 0)) && return 0
    (($# == 0)) || printf -v words '%q ' "$@"
    printf 'ess: only root may run the proof\n     Run: sudo %s %s\n' "$0" "${words% }" >&2
    exit 3
}

# load: a part that is missing or broken is a claim that fails, not a crash.
load() {
    local file root
    local -a files=()
    PROOF_ROOT=$(dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")")
    root=$PROOF_ROOT
    for file in "${ESS_PARTS[@]}"; do files+=("$root/ops/lib/$file.sh"); done
    for file in "${PROOF_PARTS[@]}"; do files+=("$root/scripts/proof/$file.sh"); done
    [[ $PROOF_MODE != lab ]] || files+=("${LAB_PARTS[@]/#/$root/scripts/proof_lab/}")
    for file in "${files[@]%.sh}"; do
        file+=.sh
        # shellcheck source=/dev/null
        parses "$file" 2>/dev/null && . "$file" && continue
        load_failed "$file"
    done
}

# parses FILE: as "bash -n", without a new bash for each file. A zero byte is of a disk that lost what was written.
parses() {
    local text=''
    [[ -f $1 && -r $1 ]] || return 1
    ! IFS= read -r -d '' text <"$1" || return 1
    # What makes the shell end, as an array without its end does, ends the one that was forked.
    (eval "set -n"$'\n'"$text")
}

load_failed() {
    local claim="the parts of the emergency stop load: $1 is missing or broken"
    printf 'FAIL  %s\n\nSUMMARY: FAIL\n  %s\n' "$claim" "$claim"
    [[ -z ${DRILL_FILE:-} || $PROOF_MODE == lab ]] ||
        printf 'at=%s\nepoch=%s\nmode=%s\nresult=FAIL\n' "$(date -u +%FT%TZ)" "$EPOCHSECONDS" "$PROOF_MODE" >"$DRILL_FILE"
    exit 5
}

main() {
    parse "$@"
    check_lab
    check_root "$@"
    load
    terminal_setup
    proof_begin
    "prove_$PROOF_MODE"
    proof_end
}

main "$@"
