# shellcheck shell=bash
# shellcheck disable=SC2310 # see lab.sh
# shellcheck disable=SC2154 # image, layer, network, owner, deadline, slept, memory, binds, key: of parse_options or the lab's conf
# One running lab. Processes, from the outside in:
#   keeper   watches the owner, the deadline and the machine
#   janitor  its child: reads a pipe that ends with the keeper, however that dies, and then clears up
#   machine  first process of a pid and mount namespace: mounts the overlay, runs systemd-nspawn
# The machine's whole tree is in one cgroup (killed by the janitor) and one pid namespace (killed by the kernel with its
# first process); the overlay is mounted in that mount namespace only. Nothing of it can outlive the machine.

BOOT_TIMEOUT=60

lab_paths() {
    check_name "${1-}"
    LAB=$LAB_DIR/labs/$1
    LAB_CGROUP=$CGROUP_PREFIX$1
    PAYLOAD=$LAB_CGROUP/nspawn/payload
}

load_lab() {
    lab_paths "${1-}"
    [[ -e $LAB/conf ]] || die "no lab '$1': lab.sh up $1"
    # shellcheck source=/dev/null
    . "$LAB/conf"
}

lab_expired() {
    ((EPOCHSECONDS >= deadline)) || ! is_alive "$owner"
}

# Usage: part_alive keeper|janitor
part_alive() {
    local part
    { read -r part <"$LAB/$1"; } 2>/dev/null && is_alive "$part"
}

keeper_alive() {
    part_alive keeper
}

# --- clearing up -------------------------------------------------------------------------------------------------

is_populated() {
    local key value
    while read -r key value; do
        [[ $key != populated || $value != 1 ]] || return 0
    done 2>/dev/null <"$1/cgroup.events"
    return 1
}

wait_unpopulated() {
    local end=$((EPOCHSECONDS + 6))
    while is_populated "$1"; do
        ((EPOCHSECONDS < end)) || return
        nap 0.005
    done
}

# Never with an empty name: the cgroup.kill of the root is the whole machine.
kill_cgroup() {
    [[ ${LAB_CGROUP##*/} == qtlab-*-?* ]] || die "refusing to kill cgroup '$LAB_CGROUP'"
    if [[ -d $LAB_CGROUP ]]; then
        { printf 1 >"$LAB_CGROUP/cgroup.kill"; } 2>/dev/null || :
        wait_unpopulated "$LAB_CGROUP" || note "cgroup $LAB_CGROUP is still populated"
    fi
    remove_cgroups "${LAB_CGROUP##*/}"
}

remove_disk() {
    rm -rf --one-file-system "${LAB:?}"
}

# Ends the machine as a power cut does; what is on its disk stays. Returns when nothing of it runs any more, and
# nobody is left who would clear up after it: he would end the next one, too.
cut_power() {
    local end=$((EPOCHSECONDS + 6))
    kill_cgroup
    while ((EPOCHSECONDS < end)); do
        keeper_alive || part_alive janitor || [[ -d $LAB_CGROUP ]] || break
        nap 0.005
    done
    kill_cgroup
}

janitor() {
    local name=$1 end
    lab_paths "$name"
    if identify "$BASHPID"; then printf '%s\n' "$REPLY" >"$LAB/janitor" || :; fi
    read -r end || :
    load_lab "$name" 2>/dev/null
    kill_cgroup
    if lab_expired; then remove_disk; fi
}

sweep_lab() (
    load_lab "$1"
    if keeper_alive || ! lab_expired; then return; fi
    kill_cgroup
    remove_disk
)

# A populated one is somebody's whose lab directory we cannot see, in another mount namespace.
sweep_cgroup() {
    LAB_CGROUP=$1
    [[ ! -d $LAB_DIR/labs/${1#"$CGROUP_PREFIX"} ]] || return 0
    is_populated "$LAB_CGROUP" || kill_cgroup
}

sweep() {
    local path
    for path in "$LAB_DIR"/labs/*/; do
        [[ -e ${path}conf ]] || continue
        path=${path%/}
        LAB=$path keeper_alive || sweep_lab "${path##*/}" 2>/dev/null || :
    done
    for path in "$CGROUP_PREFIX"*; do
        [[ ! -d $path ]] || sweep_cgroup "$path"
    done
    sweep_v1
}

# --- the machine -------------------------------------------------------------------------------------------------

mount_disk() {
    local lower=$LAB_DIR/images/$image
    [[ -z $layer ]] || lower=$LAB_DIR/layers/$layer:$lower
    mount -t overlay overlay "$LAB/root" \
        -o "index=off,redirect_dir=off,metacopy=off,lowerdir=$lower,upperdir=$LAB/upper,workdir=$LAB/work"
}

# Written before the first boot: with none, systemd would take it for a first boot and enable every preset.
name_machine() {
    [[ ! -e $LAB/named ]] || return 0
    local id
    read -r id </proc/sys/kernel/random/uuid
    printf '%s\n' "${id//-/}" >"$LAB/root/etc/machine-id"
    printf '%s\n' "$1" >"$LAB/root/etc/hostname"
    # There is no kernel command line, fstab or partition to make units of; a daemon-reload runs a dozen of them.
    rm -rf "$LAB/root/usr/lib/systemd/system-generators"
    # As after any boot but the first one: nothing in /usr has changed since users and caches were made of it.
    : >"$LAB/root/etc/.updated"
    : >"$LAB/root/var/.updated"
    : >"$LAB/named"
}

# Its locks and propagation directories stay in this mount namespace.
hide_nspawn_state() {
    [[ -d /run/systemd/nspawn ]] || mkdir -p /run/systemd/nspawn
    mount -t tmpfs tmpfs /run/systemd/nspawn
}

# The process that becomes nspawn enters its cgroup itself; nspawn then makes supervisor/ and payload/ below it.
run_nspawn() (
    local -a options=()
    local bind
    for bind in ${binds[@]+"${binds[@]}"}; do options+=(--bind-ro="$bind"); done
    [[ $network == host ]] || options+=(--private-network)
    printf 0 >"$LAB_CGROUP/nspawn/cgroup.procs" || exit
    export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
    [[ -z $memory ]] || own_memory || exit
    exec systemd-nspawn --quiet --boot --directory="$LAB/root" --machine="$1" \
        --register=no --keep-unit --link-journal=no --capability=all --system-call-filter='bpf keyctl' \
        --tmpfs=/tmp:mode=1777 --tmpfs=/var/tmp:mode=1777 ${options[@]+"${options[@]}"}
)

# nspawn exits 133 when the lab asked for a reboot.
machine() {
    load_lab "$1"
    mount_disk
    hide_nspawn_state
    name_machine "$1"
    local status=133
    while ((status == 133)); do
        run_nspawn "$1" && status=0 || status=$?
    done
    return "$status"
}

# Becomes the machine. What reads our output learns when that has ended, and nothing else.
# A suspended host's uptime goes on, and the clock of what it does stands still.
become_machine() {
    local -a clocks=()
    local ended
    ((slept == 0)) || clocks=(--time --boottime "$slept")
    mkdir -p "$LAB_CGROUP/machine" "$LAB_CGROUP/nspawn"
    printf 0 >"$LAB_CGROUP/machine/cgroup.procs" || exit
    exec {ended}>&1 >&2
    exec setpriv --pdeathsig KILL unshare --mount --propagation private --pid --fork --kill-child --mount-proc \
        ${clocks[@]+"${clocks[@]}"} bash "$LAB_SH" _machine "$1" {life}>&-
}

keeper() {
    load_lab "$1"
    local life machine status
    identify "$BASHPID" && printf '%s\n' "$REPLY" >"$LAB/keeper"
    exec {life}> >(exec setsid bash "$LAB_SH" _janitor "$1")
    exec {machine}< <(become_machine "$1")
    # Every lab shares the host's wall clock and may set it; that must not end the others.
    clock
    # Both are cut off to seconds: who ended before the deadline would leave the disk to somebody.
    local ends=$((NOW + deadline - EPOCHSECONDS + 1))
    while ((NOW < ends)) && is_alive "$owner"; do
        status=0
        read -rt 0.5 -u "$machine" || status=$?
        ((status > 128)) || break
        clock
    done
}

# --- from the outside --------------------------------------------------------------------------------------------

# Sets REPLY to the pid, on the host, of the lab's PID 1; fails while there is none. Of the others there some end
# meanwhile.
find_leader() {
    local pid key rest
    while read -r pid; do
        while read -r key rest; do
            [[ $key != NSpid: || ${rest##*[[:space:]]} != 1 ]] || {
                REPLY=$pid
                return 0
            }
        done <"/proc/$pid/status" || :
    done 2>/dev/null <"$PAYLOAD/init.scope/cgroup.procs"
    return 1
}

# The command counts as the lab's own (its cgroup), in every namespace of the lab, with nothing of our environment.
enter_lab() {
    [[ -d $PAYLOAD/lab.exec ]] || mkdir -p "$PAYLOAD/lab.exec"
    (
        printf 0 >"$PAYLOAD/lab.exec/cgroup.procs" || exit
        exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin HOME=/root LANG=C.UTF-8 \
            TERM="${TERM:-dumb}" nsenter -t "$REPLY" -m -u -i -n -p -C --wdns=/ "$@"
    )
}

# Sets REPLY as find_leader does, once it can be asked.
find_manager() {
    find_leader && [[ -S /proc/$REPLY/root/run/systemd/private ]]
}

boot_state() {
    enter_lab timeout 10 systemctl is-system-running --wait </dev/null 2>/dev/null || :
}

await_boot() {
    await_running "$1"
    find_leader || die "lab $1 runs, and has no PID 1 in $PAYLOAD/init.scope"
    [[ -n $memory ]] || return 0
    open_memory "$1"
    find_leader || die "lab $1 has lost its PID 1"
}

await_running() {
    local end=$((EPOCHSECONDS + BOOT_TIMEOUT)) state=
    until [[ $state == running || $state == degraded ]]; do
        keeper_alive || die "lab $1 ended while booting: $(tail -n 5 "$LAB/console" | tr '\n' ' ')"
        ((EPOCHSECONDS < end)) || die "lab $1 did not boot within $BOOT_TIMEOUT s (is: ${state:-no PID 1}; see $LAB/console)"
        nap 0.01
        ! find_manager || state=$(boot_state 2>/dev/null)
    done
}

start_keeper() {
    : >"$LAB/keeper"
    setsid bash "$LAB_SH" _keeper "$1" </dev/null >>"$LAB/console" 2>&1 &
    local keeper=$! end=$((EPOCHSECONDS + 5))
    while ((EPOCHSECONDS < end)); do
        [[ ! -s $LAB/keeper ]] || return 0
        kill -0 "$keeper" 2>/dev/null || break
        nap 0.005
    done
    die "lab $1: its keeper did not start (see $LAB/console)"
}

boot_lab() {
    load_lab "$1"
    ! keeper_alive || die "lab $1 is running: lab.sh kill $1 first"
    start_keeper "$1"
    await_boot "$1"
}

create_lab() {
    local name=$1 making
    lab_paths "$name"
    sweep
    [[ ! -e $LAB ]] || die "lab $name exists: lab.sh down $name first"
    making=$LAB_DIR/labs/.making-$BASHPID-${EPOCHREALTIME//[.,]/}
    mkdir -m 0755 "$making" "$making"/{upper,work,root}
    printf '%s=%q\n' image "$image" layer "$layer" network "$network" owner "$owner" deadline "$deadline" slept "$slept" memory "$memory" >"$making/conf"
    printf 'binds=(%s)\n' "${binds[*]@Q}" >>"$making/conf"
    mv -nT "$making" "$LAB" 2>/dev/null
    [[ ! -e $making ]] || die "lab $name exists: lab.sh down $name first"
}
