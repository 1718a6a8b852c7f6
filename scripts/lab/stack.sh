#!/usr/bin/env bash
# Stand-ins for the stack that quantum-ess stops (trading) and must not touch (monitors), put into a running lab,
# enabled and started. Redis and Prometheus are the real ones of Debian; the rest sleeps, from a script path of its own.
# usage: stack.sh trading|monitors LAB [UNIT...]
#        stack.sh files DIR     only the files of both, below DIR; nothing is enabled
set -euo pipefail

HERE=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")")
LAB_SH=$HERE/../lab.sh
FILES=$HERE/../../tests/lab/stack
TRADING=(quantum-ai-engine quantum-execution quantum-apply-layer quantum-governor)
STAND_IN_MONITORS=(grafana-server quantum-rl-monitor)
REAL_MONITORS=(redis-server prometheus)

STAGE=

# Usage: add_units KIND DIR UNIT...: KIND.service and sleeper.py under each unit's own name.
add_units() {
    local kind=$1 dir=$2 unit
    shift 2
    for unit in "$@"; do
        install -D -m 0644 "$FILES/$kind.service" "$STAGE/etc/systemd/system/$unit.service"
        install -D -m 0755 "$FILES/sleeper.py" "$STAGE/opt/$dir/$unit.py"
    done
}

send() {
    (cd "$STAGE" && find . -type f -print0 | tar -c --null --owner=0 --group=0 -T -) |
        "$LAB_SH" exec --stdin "$1" tar -x -C /
}

start() {
    local lab=$1
    shift
    "$LAB_SH" exec "$lab" systemctl daemon-reload
    "$LAB_SH" exec "$lab" systemctl --quiet enable --now "${@/%/.service}"
}

put_trading() {
    local lab=$1
    shift
    (($#)) || set -- "${TRADING[@]}"
    set -- "${@%.service}"
    add_units trading bots "$@"
    send "$lab"
    start "$lab" "$@"
}

add_monitors() {
    add_units monitor monitors "${STAND_IN_MONITORS[@]}"
    install -D -m 0644 "$FILES/prometheus.yml" "$STAGE/etc/prometheus/prometheus.yml"
}

put_monitors() {
    add_monitors
    send "$1"
    start "$1" "${STAND_IN_MONITORS[@]}" "${REAL_MONITORS[@]}"
}

put_files() {
    STAGE=${1%/}
    add_units trading bots "${TRADING[@]}"
    add_monitors
}

# Usage: staged FUNCTION LAB [UNIT...]
staged() {
    STAGE=$(mktemp -d)
    trap 'rm -rf "$STAGE"' EXIT
    "$@"
}

main() {
    local kind=${1-}
    [[ -n ${2:-} ]] || { printf 'usage: stack.sh trading|monitors LAB, or stack.sh files DIR\n' >&2 && exit 2; }
    shift
    case $kind in
        trading | monitors) staged "put_$kind" "$@" ;;
        files) put_files "$1" ;;
        *)
            printf 'stack.sh: unknown stack %s: choose trading, monitors or files\n' "$kind" >&2
            return 2
            ;;
    esac
}

main "$@"
