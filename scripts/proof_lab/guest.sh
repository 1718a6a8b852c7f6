#!/usr/bin/env bash
# Runs on the throw-away machine: proves one group of claims about the product installed there.
# Usage: guest.sh GROUP
LC_ALL=C.UTF-8
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
umask 022

load() {
    local part
    PROOF_ROOT=$(dirname -- "$(dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")")")
    for part in ops/lib/{paths,exits,say,names,clock,answer,config,latch,cgroup,systemd,escaped,status,terminal,watch} \
        scripts/proof/{claims,host,identity,stopwatch,aftermath} \
        scripts/proof_lab/{relay,trip,ways,hostile,held,broken,deaf,release,unarmed,aftermath,watcher,uninstall,reboot}; do
        # shellcheck source=/dev/null
        . "$PROOF_ROOT/$part.sh" || exit 2
    done
    # Claims go to the proof that runs this machine.
    claim_record() { relay_claim "$@"; }
    remark() { printf '%s\n' "$1"; }
}

main() {
    load
    DRILL_TMP=$(mktemp -d)
    trap 'rm -rf -- "$DRILL_TMP"' EXIT
    exec {PROOF_LOCK}</dev/null
    SYSTEMD_TIMEOUT=5
    claim_time 400
    config_load "$ESS_INSTALLED" || exit 2
    declare -gA WATCHERS=()
    # With PID 1 stopped nobody can say.
    if [[ $1 == deaf ]]; then
        group_deaf
        return
    fi
    identity_take WATCHERS "${MONITORS[@]}"
    "group_$1"
    UNTESTABLE=
    claim 'monitors kept their processes' trip_monitors
}

main "$@"
