# shellcheck shell=bash
# QT_ESS_RCU_EXPEDITED: PID 1 lets go of what it watches before it acts on it, and the kernel makes it wait until
# everybody has stopped reading the list of watchers, for 5 to 20 ms on an idle host. Expedited it does not wait.

KERNEL_EXPEDITED=/sys/kernel/rcu_expedited
KERNEL_TMPFILE=/etc/tmpfiles.d/quantum-ess-kernel.conf
KERNEL_WAS_OURS=

# kernel_render: let every boot set it, or leave it alone; into KERNEL_WAS_OURS whether we had set it.
kernel_render() {
    local text="# Written by quantum-ess from QT_ESS_RCU_EXPEDITED=${CONFIG[QT_ESS_RCU_EXPEDITED]}."$'\n'
    ! kernel_is_ours || KERNEL_WAS_OURS=1
    # A kernel without it is as slow as before, and no failed boot.
    [[ ${CONFIG[QT_ESS_RCU_EXPEDITED]} != yes ]] || text+="w- $KERNEL_EXPEDITED - - - - 1"$'\n'
    render_put "$KERNEL_TMPFILE" 0644 "$text"
}

kernel_is_ours() { grep -qs '^w' "$DESTDIR$KERNEL_TMPFILE"; }

# kernel_apply: for this boot, too. What does not work is a finding of the doctor, not of the installer.
kernel_apply() {
    if [[ ${CONFIG[QT_ESS_RCU_EXPEDITED]} == yes ]]; then
        kernel_set 1
    elif [[ $KERNEL_WAS_OURS ]]; then
        kernel_set 0
    fi
}

# kernel_forget: what nobody but us has set is as it was.
kernel_forget() {
    [[ -n $DESTDIR ]] || ! kernel_is_ours || kernel_set 0
}

kernel_set() { printf '%s\n' "$1" 2>/dev/null >"$KERNEL_EXPEDITED" || :; }
