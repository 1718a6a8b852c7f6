# shellcheck shell=bash
# Claims about the real latch of this host that can be proved without tripping it.

OUR_UNITS=(quantum-ess.path quantum-ess-halt.path quantum-ess-quick.path quantum-ess-disk.path quantum-ess-request.path
    quantum-ess-request-names.path quantum-ess-request.service quantum-ess-trigger.service
    quantum-ess-halt.target quantum-ess.service quantum-ess-sentry.timer quantum-ess-sentry.service)

armed_claims() {
    config_for_trip
    claim 'the configuration is the one that was installed' armed_configuration
    claim 'every installed file is as it was installed' armed_without_findings status_check_files
    claim 'every installed script parses' armed_scripts
    claim 'directories have the right owner and mode' armed_without_findings status_check_dirs
    claim 'systemd runs our units as installed, nothing overrides them' armed_units
    claim 'the flag is watched, and the watch is watched' armed_watch status_check_watch
    claim 'the first stop names every trading unit' armed_as_told status_check_halt
    claim 'every trading unit has its gate, as systemd loaded it' armed_as_told status_judge_trading
    claim 'ess_controller.sh status answers' armed_status
}

armed_configuration() {
    SEEN=$CONFIG_NOTE
    [[ -z $CONFIG_NOTE ]]
}

# armed_without_findings CHECK: a check of "status" that finds nothing.
armed_without_findings() {
    FINDINGS=()
    "$1"
    local IFS=';'
    SEEN="${FINDINGS[*]}"
    ((${#FINDINGS[@]} == 0))
}

# armed_watch CHECK: asks systemd before that.
armed_watch() {
    status_ask_units
    armed_as_told "$1"
}

# armed_as_told CHECK: a check of what systemd answered armed_watch.
armed_as_told() {
    SEEN='systemd does not answer'
    [[ ${STATUS_ASKED:-deaf} == answered ]] && armed_without_findings "$1"
}

armed_scripts() {
    local -a files=("$ESS_LIB"/ops/*.sh "$ESS_LIB"/ops/lib/*.sh "$ESS_LIB"/scripts/*.sh "$ESS_LIB"/scripts/proof/*.sh)
    # shellcheck disable=SC2016 # expanded by the bash that is bounded
    bounded 20 bash -c "$(declare -f parses)"'
        for file; do parses "$file" 2>/dev/null || { bash -n "$file" && echo "$file is damaged"; exit 1; }; done
        ' bash "${files[@]}" || { SEEN=$(said) && return 1; }
    NOTED="${#files[@]} scripts"
}

# armed_units: a drop-in of "systemctl edit" or a mask would make the real units others than the drilled ones.
armed_units() {
    local unit extra
    SEEN='systemd does not answer'
    sd_show 'LoadState FragmentPath DropInPaths NeedDaemonReload' "${OUR_UNITS[@]}" || return 1
    SEEN=
    for unit in "${OUR_UNITS[@]}"; do
        extra=${UNIT_PROP["$unit.DropInPaths"]:-}
        [[ $unit != quantum-ess-halt.target ]] || extra=${extra/"$ESS_UNIT_DIR/$unit.d/units.conf"/}
        [[ ${UNIT_PROP["$unit.LoadState"]:-} == loaded ]] || SEEN+="${SEEN:+; }$unit is ${UNIT_PROP["$unit.LoadState"]:-unknown}"
        [[ ${UNIT_PROP["$unit.FragmentPath"]:-} == "$ESS_UNIT_DIR/$unit" ]] || SEEN+="${SEEN:+; }$unit comes from ${UNIT_PROP["$unit.FragmentPath"]:-nowhere}"
        [[ -z ${extra// /} ]] || SEEN+="${SEEN:+; }$unit is overridden by $extra"
        [[ ${UNIT_PROP["$unit.NeedDaemonReload"]:-} == no ]] || SEEN+="${SEEN:+; }$unit changed on disk since systemd read it"
    done
    [[ -z $SEEN ]]
}

# armed_status: 5 is its answer to a drill that is overdue, which is what this one is for.
armed_status() {
    local code
    controller 10 status
    code=$?
    seen_out "$code"
    [[ $OUT == 'ESS STATUS: '* ]] && ((code == EXIT_OK || code == EXIT_NOT_ARMED)) || return 1
}

# real_latch: into REAL_LATCH what must be the same after a drill.
real_latch() {
    latch_state
    REAL_LATCH=$LATCH_STATE
    [[ $LATCH_STATE == clear ]] || REAL_LATCH+=" $(stat -c '%n %i %Z' -- "$RUN_FLAG" "$VAR_FLAG" 2>/dev/null)"
}

# real_latch_kept BEFORE
real_latch_kept() {
    real_latch
    SEEN=${1%% *}
    [[ $REAL_LATCH != "$1" ]] || return 0
    SEEN="it was $SEEN and is ${REAL_LATCH%% *}; see: ess_controller.sh status"
    return 1
}
