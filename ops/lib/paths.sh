# shellcheck shell=bash
# Where everything lives. A scope is one latch with its own flags and units: "main" is the trading
# latch, "canary" the drill's. Nothing outside this file builds one of these paths.

ESS_ROOT=${BASH_SOURCE[0]%/ops/lib/*}
ESS_CONF=/etc/quantum-ess/ess.env
ESS_AFTERMATH_CONF=/etc/quantum-ess/aftermath.env
ESS_LIB=/usr/local/lib/quantum-ess
ESS_INSTALLED=$ESS_LIB/installed.env
ESS_MANIFEST=$ESS_LIB/manifest.sha256
ESS_UNIT_DIR=/etc/systemd/system
ESS_GATE=zz-quantum-ess.conf
REQUEST_GROUP=quantum-ess
CG_ROOT=/sys/fs/cgroup
[[ -e $CG_ROOT/cgroup.controllers ]] || CG_ROOT=/sys/fs/cgroup/unified

# paths_use_scope SCOPE: point every flag and state path at this latch.
paths_use_scope() {
    ESS_SCOPE=$1
    if [[ $1 == main ]]; then
        RUN_DIR=/run/quantum
        STATE_DIR=/var/lib/quantum-ess
        RUNTIME_DIR=/run/quantum-ess
        UNIT_PREFIX=quantum-ess
    else
        RUN_DIR=/run/quantum-ess/$1
        STATE_DIR=/var/lib/quantum-ess/$1
        RUNTIME_DIR=/run/quantum-ess/$1/control
        UNIT_PREFIX=quantum-ess-$1
    fi
    RUN_FLAG=$RUN_DIR/ESS_ON
    VAR_FLAG=$STATE_DIR/ESS_ON
    RUNNING_FILE=$STATE_DIR/running
    DRILL_FILE=/var/lib/quantum-ess/last-drill
    DRILL_LOCK=/run/quantum-ess/drill.lock
    DRILL_TMP=/run/quantum-ess/drill
    RELEASE_LOCK=$RUNTIME_DIR/release.lock
    RELEASING=$RUNTIME_DIR/releasing
    STOPPERS_FILE=$RUNTIME_DIR/stoppers
    ENFORCER_FILE=$RUNTIME_DIR/enforcer
    TRIP_FILE=$RUNTIME_DIR/tripped
    ESCAPED_FILE=$RUNTIME_DIR/escaped
    CUT_DIR=$RUNTIME_DIR/cut
    REQUEST_DIR=$RUNTIME_DIR/requests
    REQUEST_BUSY=$RUNTIME_DIR/request.busy
    REQUEST_NOTE=$RUNTIME_DIR/request
    REQUEST_TOLD=$RUNTIME_DIR/request.told
}

paths_use_scope main
