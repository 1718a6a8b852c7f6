#!/usr/bin/env bash
# Measures the stop against what one would do without it, in a lab of its own. Figures come from here and
# from nowhere else; no test is timed. Needs root; touches nothing of this host.
set -euo pipefail

here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")

usage() {
    cat <<'END'
Usage: bench.sh [OPTION...]

  --runs N        how often each stop is measured (30)
  --idle SECONDS  how long an armed host is watched (60)
  --image NAME    bookworm (the default) or trixie
  --json FILE     keep each section there as soon as it is measured
  --only SECTION  this section alone; may be given again

sections: stops commands orders idle aftermath spool memory beside watch
END
}

refuse() {
    printf 'bench.sh: %s\n          See: bench.sh --help\n' "$1" >&2
    exit 2
}

parse() {
    runs=30 idle=60 image=bookworm json='' only=()
    while (($#)); do
        [[ $1 != --@(runs|idle|image|json|only) || -n ${2:-} ]] || refuse "$1 needs a value"
        case $1 in
            -h | --help)
                usage
                exit 0
                ;;
            --runs) runs=$2 && shift 2 ;;
            --idle) idle=$2 && shift 2 ;;
            --image) image=$2 && shift 2 ;;
            --json) json=$2 && shift 2 ;;
            --only) only+=(--only "$2") && shift 2 ;;
            *) refuse "unknown argument: $1" ;;
        esac
    done
}

main() {
    local layer lab=bench-$$
    parse "$@"
    ((EUID == 0)) || { printf 'bench.sh: only root can measure; run: sudo %s\n' "$0" >&2 && exit 3; }
    layer=$("$here/lab.sh" product "$image")
    # shellcheck disable=SC2064 # the name is known now
    trap "'$here/lab.sh' down '$lab'" EXIT
    "$here/lab.sh" up "$lab" --image "$image" --layer "$layer" --bind-ro "$here/bench:/bench" --owner $$ \
        --max-seconds 7200 >/dev/null
    "$here/lab.sh" exec "$lab" python3 -B /bench/measure.py --runs "$runs" --idle "$idle" "${only[@]}" |
        python3 -B "$here/bench/report.py" --follow ${json:+"$json"}
}

main "$@"
