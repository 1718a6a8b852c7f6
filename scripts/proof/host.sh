# shellcheck shell=bash
# What the drills share that run on a host where quantum-ess is installed.

CONTROLLER=$ESS_LIB/ops/ess_controller.sh

# need_installed: one line and no verdict where there is nothing to prove.
need_installed() {
    [[ -e $ESS_LIB || -e $ESS_UNIT_DIR/quantum-ess.path ]] && [[ -d /run/systemd/system ]] && return 0
    complain 'quantum-ess is not installed on this host' "Install it: sudo ops/install.sh. Or prove it in a lab: sudo $0 --lab"
    exit "$EXIT_NOT_ARMED"
}

# unit_alive UNIT: true while any process of the unit lives; the kernel answers, not systemd.
unit_alive() {
    cgroup_find "$1"
    [[ -n ${CGROUPS[$1]:-} ]] && cgroup_populated "${CGROUPS[$1]}"
}

unit_dead() {
    ! unit_alive "$1"
}

# start_refused UNIT: systemctl start fails, names the gate, and no process comes of it. A start that one of
# the enforcer's stops cancels did not reach the gate, and is tried again.
start_refused() {
    local code tries
    for tries in 1 2 3 4 5; do
        bounded 10 systemctl --no-ask-password start "$1"
        code=$?
        [[ $OUT == *cancel* ]] || break
    done
    seen_out "$code"
    ((code != 0 && code != 124)) && [[ $OUT == *ssertion* ]] && unit_dead "$1"
}

# controller LIMIT VERB...: the installed bash controller, its output into OUT.
controller() {
    local limit=$1
    shift
    bounded "$limit" /bin/bash "$CONTROLLER" "$@"
}
