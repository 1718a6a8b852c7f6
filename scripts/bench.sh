#!/usr/bin/env bash
# Measures the stop against what one would do without it, in a lab of its own. Figures come from here and
# from nowhere else; no test is timed. Needs root; touches nothing of this host.
set -euo pipefail

here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")

usage() {
    printf '%s\n' \
        'usage: bench.sh [--runs N] [--idle SECONDS] [--image bookworm|trixie] [--json FILE] [--only SECTION]...' \
        'sections: stops commands orders idle aftermath spool memory beside watch'
}

parse() {
    runs=30 idle=60 image=bookworm json='' only=()
    while (($#)); do
        case $1 in
            -h | --help)
                usage
                exit 0
                ;;
            --runs) runs=${2:?--runs needs a number} && shift 2 ;;
            --idle) idle=${2:?--idle needs seconds} && shift 2 ;;
            --image) image=${2:?--image needs a name} && shift 2 ;;
            --json) json=${2:?--json needs a file} && shift 2 ;;
            --only) only+=(--only "${2:?--only needs a section}") && shift 2 ;;
            *)
                usage >&2
                exit 2
                ;;
        esac
    done
}

main() {
    local layer lab=bench-$$
    parse "$@"
    ((EUID == 0)) || { printf 'only root can measure; run: sudo %s\n' "$0" >&2 && exit 3; }
    layer=$("$here/lab.sh" product "$image")
    # shellcheck disable=SC2064 # the name is known now
    trap "'$here/lab.sh' down '$lab'" EXIT
    "$here/lab.sh" up "$lab" --image "$image" --layer "$layer" --bind-ro "$here/bench:/bench" --owner $$ \
        --max-seconds 7200 >/dev/null
    "$here/lab.sh" exec "$lab" python3 -B /bench/measure.py --runs "$runs" --idle "$idle" "${only[@]}" |
        python3 -B "$here/bench/report.py" --follow ${json:+"$json"}
}

main "$@"
