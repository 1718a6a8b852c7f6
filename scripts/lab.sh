#!/usr/bin/env bash
# A lab: a throw-away Debian with a real systemd as PID 1, for tests and proofs. It has its own cgroup, pid, mount and
# network namespaces, ends with its owner or its deadline, and leaves nothing behind.
# shellcheck disable=SC2310 # functions asked in conditions answer with their status and stop by themselves (die)
set -euo pipefail
export LC_ALL=C

LAB_SH=${BASH_SOURCE[0]}
[[ $LAB_SH == /* && ! -L $LAB_SH ]] || LAB_SH=$(readlink -f "$LAB_SH")
# shellcheck source=scripts/lab/common.sh
. "${LAB_SH%/*}/lab/common.sh"
# shellcheck source=scripts/lab/image.sh
. "${LAB_SH%/*}/lab/image.sh"
# shellcheck source=scripts/lab/cgroup_v1.sh
. "${LAB_SH%/*}/lab/cgroup_v1.sh"
# shellcheck source=scripts/lab/machine.sh
. "${LAB_SH%/*}/lab/machine.sh"
# shellcheck source=scripts/lab/layer.sh
. "${LAB_SH%/*}/lab/layer.sh"
# shellcheck source=scripts/lab/product.sh
. "${LAB_SH%/*}/lab/product.sh"

usage() {
    cat <<'END'
usage: lab.sh COMMAND
  image bookworm|trixie            make the image unless it is there; prints its directory
  layer IMAGE NAME COMMAND...      run COMMAND in a lab and keep what it changed; prints the layer's id
        --key KEY                  what the result depends on; a layer that has it is used again
        --layer ID                 start from this layer, which becomes part of it
        --bind-ro HOST:GUEST, --network host, --max-seconds N as below
  forget-layer ID                  remove a layer
  product IMAGE [NAME SCRIPT]      the layer with this checkout installed (and SCRIPT run there); prints its id
  wheels                           the checkout's Python part and what it needs, as wheels; prints the directory
  up NAME                          boot a lab; prints the pid of its PID 1 on this host
        --image bookworm|trixie    default bookworm
        --layer ID                 start from this layer
        --bind-ro HOST:GUEST       show a host directory, read-only; may be given again
        --network host             share the host's network (default: none but lo)
        --max-seconds N            the lab ends after N s (default 600)
        --slept N                  a host that was suspended for N s since it booted
        --memory                   its systemd heeds MemoryMax=; bookworm alone where memory is on cgroup v1
        --owner PID                the lab ends when PID does (default: the caller;
                                   a script names itself: --owner $$)
  exec [--stdin|--tty] NAME COMMAND...
  leader NAME                      print the pid of its PID 1 on this host
  upper NAME                       print the directory with everything written to its disk
  reboot NAME [OPTION...]          systemctl reboot; returns when it is up again
  kill NAME                        cut its power; the disk stays for: boot NAME
  boot NAME                        boot a lab that was cut off or powered off
  down NAME                        end a lab and forget it
  list                             labs and their state
  sweep                            remove what dead labs left
END
}

parse_options() {
    image='' layer='' network=private key='' owner='' max_seconds=600 slept=0 memory='' binds=() REST=()
    while (($#)) && ((${#REST[@]} < ${POSITIONALS:-3})); do
        [[ $1 != --@(image|network|key|owner|max-seconds|slept|bind-ro) || -n ${2:-} ]] || die "$1 needs a value"
        case $1 in
            --image) image=$2 && shift 2 ;;
            --layer) (($# > 1)) || die "$1 needs a value" && layer=$2 && shift 2 ;;
            --network) network=$2 && shift 2 ;;
            --key) key=$2 && shift 2 ;;
            --owner) owner=$2 && shift 2 ;;
            --max-seconds) max_seconds=$2 && shift 2 ;;
            --slept) slept=$2 && shift 2 ;;
            --memory) memory=yes && shift ;;
            --bind-ro) binds+=("$2") && shift 2 ;;
            --) shift && break ;;
            -*) die "unknown option $1 (see lab.sh help)" ;;
            *) REST+=("$1") && shift ;;
        esac
    done
    REST+=("$@")
    check_options
}

check_options() {
    [[ $network == host || $network == private ]] || die "--network $network: only host is known"
    [[ $max_seconds =~ ^[0-9]{1,6}$ ]] || die "--max-seconds $max_seconds: give whole seconds"
    [[ $slept =~ ^[0-9]{1,9}$ ]] || die "--slept $slept: give whole seconds"
    deadline=$((EPOCHSECONDS + max_seconds))
    identify "${owner:-$PPID}" || die "owner ${owner:-$PPID} is not running"
    owner=$REPLY
    local bind
    for bind in ${binds[@]+"${binds[@]}"}; do
        [[ -e ${bind%%:*} && $bind == /*:/* ]] || die "--bind-ro $bind: give HOST:GUEST, both absolute; HOST must exist"
    done
}

check_layer() {
    [[ -n $layer ]] || return 0
    [[ $layer == "$image".* && -d $LAB_DIR/layers/$layer ]] || die "no layer $layer for image $image: see lab.sh layer"
    mark_used "$layer"
}

# A layer says itself which image it is for.
choose_image() {
    image=${layer%%.*}
    if [[ $image == "$1"-* && $layer != */* && -d $LAB_DIR/images/$image ]]; then
        mark_used "$image"
    else
        ensure_image "$1"
        image=$REPLY
    fi
    check_layer
}

cmd_up() {
    POSITIONALS=99 parse_options "$@"
    ((${#REST[@]} == 1)) || die "usage: lab.sh up NAME [OPTION...]"
    local name=${REST[0]}
    check_name "$name"
    choose_image "${image:-bookworm}"
    create_lab "$name"
    trap 'cut_power; remove_disk' EXIT
    boot_lab "$name"
    trap - EXIT
    printf '%s\n' "$REPLY"
}

cmd_boot() {
    boot_lab "${1-}"
    printf '%s\n' "$REPLY"
}

need_leader() {
    load_lab "${1-}"
    find_leader || die "lab $1 has no PID 1: lab.sh boot $1"
}

cmd_leader() {
    need_leader "${1-}"
    printf '%s\n' "$REPLY"
}

cmd_upper() {
    load_lab "${1-}"
    printf '%s\n' "$LAB/upper"
}

exec_on_terminal() {
    enter_lab script --quiet --return --echo never --command "${*@Q}" /dev/null
}

cmd_exec() {
    local mode=${1-}
    [[ $mode != --stdin && $mode != --tty ]] || shift
    (($# >= 2)) || die "usage: lab.sh exec [--stdin|--tty] NAME COMMAND..."
    need_leader "$1"
    shift
    case $mode in
        --stdin) enter_lab "$@" ;;
        --tty) exec_on_terminal "$@" ;;
        *) enter_lab "$@" </dev/null ;;
    esac
}

await_other_leader() {
    local old=$1 end=$((EPOCHSECONDS + 2 * BOOT_TIMEOUT))
    until find_leader && [[ $REPLY != "$old" ]]; do
        keeper_alive || die "lab ${LAB##*/} ended instead of rebooting (see $LAB/console)"
        ((EPOCHSECONDS < end)) || die "lab ${LAB##*/} did not shut down within $((2 * BOOT_TIMEOUT)) s"
        nap 0.02
    done
}

cmd_reboot() {
    need_leader "${1-}"
    local old=$REPLY
    enter_lab systemctl reboot "${@:2}" </dev/null >/dev/null 2>&1 || :
    await_other_leader "$old"
    await_boot "$1"
    printf '%s\n' "$REPLY"
}

cmd_kill() {
    load_lab "${1-}"
    cut_power
}

cmd_down() {
    lab_paths "${1-}"
    cut_power
    remove_disk
}

cmd_list() {
    local path
    for path in "$LAB_DIR"/labs/*/conf; do
        [[ -e $path ]] || continue
        path=${path%/conf}
        load_lab "${path##*/}"
        if find_leader; then printf '%s running pid %s' "${path##*/}" "$REPLY"; else printf '%s off' "${path##*/}"; fi
        printf ' image %s, ends in %d s or with %s\n' "$image" "$((deadline - EPOCHSECONDS))" "${owner%%:*}"
    done
}

main() {
    local verb=${1-help}
    (($# == 0)) || shift
    [[ $verb != help && $verb != --help ]] || {
        usage
        return
    }
    ((EUID == 0)) || die "labs need root"
    set_paths
    case $verb in
        image | layer | forget-layer | product | wheels | up | exec | leader | upper | reboot | kill | boot | down | list) "cmd_$verb" "$@" ;;
        sweep) sweep && forget_unused ;;
        _bootstrap) bootstrap_image "$@" ;;
        _keeper) keeper "$@" ;;
        _janitor) janitor "$@" ;;
        _machine) machine "$@" ;;
        *) die "unknown command $verb (see lab.sh help)" ;;
    esac
}

main "$@"
