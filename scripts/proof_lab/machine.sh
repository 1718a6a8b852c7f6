# shellcheck shell=bash
# --lab, seen from this host: make the machine, put trading and monitoring on it, install, and let it
# prove itself group by group. What the machine says arrives line by line and is shown as it happens.

LAB_SH=$PROOF_ROOT/scripts/lab.sh
STACK_SH=$PROOF_ROOT/scripts/lab/stack.sh
LAB_IMAGE_LIMIT=1200 # s, when the image has to be made first

prove_lab() {
    LAB_NAME=proof-$$ PROOF_CLEANUP=lab_down
    claim_time $((LAB_IMAGE_LIMIT + 1500))
    heading "A throw-away machine, Debian ${PROOF_IMAGE:=bookworm}"
    claim_or_stop 'a real systemd boots, in a machine of its own' lab_up
    claim_or_stop 'trading and monitoring run on it' lab_stack
    heading 'Installation'
    claim_or_stop 'ops/install.sh installs it and its drill passes' lab_install
    lab_groups
}

lab_groups() {
    lab_group ways 'Every way in'
    lab_group hostile 'Programs that do not want to stop'
    lab_group held 'Held: nothing brings trading back'
    lab_group broken 'Parts of the machine are broken'
    lab_deaf 'systemd itself does not answer'
    lab_group release 'Release'
    lab_group unarmed 'An unarmed stop is noticed'
    lab_group aftermath 'What follows a stop'
    lab_group watcher 'The watcher of the limits'
    lab_group production 'The drill that really stops trading'
    lab_reboots 'Reboot'
    lab_group uninstall 'Uninstall'
}

lab_up() {
    local began
    remark 'the first time, its image is made; that takes a few minutes'
    bounded "$LAB_IMAGE_LIMIT" bash "$LAB_SH" image "$PROOF_IMAGE" || { seen_out "$?" && return 1; }
    lab_wheels
    clock_ms
    began=$NOW_MS
    bounded 120 bash "$LAB_SH" up "$LAB_NAME" --image "$PROOF_IMAGE" --owner "$$" --max-seconds 2100 \
        --bind-ro "$PROOF_ROOT:/src" "${LAB_WHEELS[@]}" || { seen_out "$?" && return 1; }
    clock_ms
    MEASURED=$((NOW_MS - began))
    lab_exec 10 systemctl --version || { seen_out "$?" && return 1; }
    NOTED=${OUT%% (*}
}

# lab_wheels: the Python part for a machine that has no network. Without a network here there is none.
lab_wheels() {
    LAB_WHEELS=() LAB_INSTALL=(--no-python)
    if bounded 300 bash "$LAB_SH" wheels; then
        LAB_WHEELS=(--bind-ro "${OUT##*$'\n'}:/wheels") LAB_INSTALL=(--wheels /wheels)
    else
        remark "no Python packages could be built here: $(said)"
    fi
}

lab_down() {
    bounded 60 bash "$LAB_SH" down "$LAB_NAME" || claim_record 1 'the machine is gone' "${OUT:-lab.sh down failed}" ''
}

# lab_exec LIMIT COMMAND...: as root on the machine.
lab_exec() {
    local limit=$1
    shift
    bounded "$limit" bash "$LAB_SH" exec "$LAB_NAME" "$@"
}

lab_stack() {
    local kind
    for kind in trading monitors; do
        bounded 90 bash "$STACK_SH" "$kind" "$LAB_NAME" || { seen_out "$?" && return 1; }
    done
    NOTED='real redis-server and prometheus among the monitors'
}

lab_install() {
    # 0.1 s instead of 2 between two units of a release, to save time; the one thing that is not the default.
    lab_exec 10 bash -c 'mkdir -p /etc/quantum-ess && { cat /src/ops/ess.env; echo QT_ESS_SETTLE=0.1; } >/etc/quantum-ess/ess.env'
    lab_stream 240 bash /src/ops/install.sh "${LAB_INSTALL[@]}"
    SEEN="it ended with $RELAY_CODE: $RELAY_TEXT"
    [[ $RELAY_CODE == 0 || ($RELAY_CODE == 5 && ${LAB_INSTALL[0]} == --no-python) ]] || return 1
    NOTED='units, bash controller and Python command line'
    [[ ${LAB_INSTALL[0]} != --no-python ]] || NOTED='units and bash controller; WITHOUT the Python command line, which is not proved here'
}

# lab_deaf HEADING: PID 1 of the machine is stopped from outside; inside nobody can.
lab_deaf() {
    local leader
    lab_group deaf_before "$1"
    leader=$(bash "$LAB_SH" leader "$LAB_NAME") && kill -s STOP "$leader"
    lab_group deaf ''
    kill -s CONT "$leader"
    lab_group deaf_after ''
}

lab_reboots() {
    local setting
    for setting in hold:held clear:cleared; do
        lab_group "reboot_${setting%:*}" "$1"
        claim_or_stop 'the machine restarts' lab_reboot
        lab_group "reboot_${setting#*:}" ''
        set -- ''
    done
}

lab_reboot() {
    local began
    clock_ms
    began=$NOW_MS
    bounded 150 bash "$LAB_SH" reboot "$LAB_NAME" || { seen_out "$?" && return 1; }
    clock_ms
    MEASURED=$((NOW_MS - began))
}
