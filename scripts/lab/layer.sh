# shellcheck shell=bash
# shellcheck disable=SC2310 # see lab.sh
# shellcheck disable=SC2154 # image, layer, network, owner, deadline, binds, key: of parse_options or the lab's conf
# A layer is what a command changed in a lab, kept to start other labs from: LAYERS/IMAGE.NAME.KEY, never written again.

# Nothing of the lab that made it may show in the labs that use it.
keep_disk() {
    local final=$1
    rm -rf --one-file-system "$LAB"/upper/var/log/journal/* "$LAB/upper/etc/machine-id" "$LAB/upper/etc/hostname"
    mv -T "$LAB/upper" "$final"
}

power_off() {
    enter_lab systemctl poweroff </dev/null >/dev/null 2>&1 || :
    wait_unpopulated "$LAB_CGROUP" || note "lab ${LAB##*/} did not power off by itself; cutting its power"
    cut_power
}

# The command's own words last: they are what is read first.
explain_failure() {
    find_leader && enter_lab journalctl -b --no-pager -n 40 </dev/null || :
    printf -- '--- %s ---\n' "$*"
    cat "$LAB/command.log"
}

make_layer() {
    local final=$1 name="layer-$BASHPID"
    shift
    [[ ! -d $final ]] || return 0
    forget_unused
    create_lab "$name"
    [[ -z $below ]] || cp -a "$LAB_DIR/layers/$below/." "$LAB/upper/"
    boot_lab "$name"
    if ! enter_lab "$@" </dev/null >"$LAB/command.log" 2>&1; then
        explain_failure "$@" >&2
        cut_power
        remove_disk
        die "layer ${final##*/} was not made: '$*' failed in the lab (its output is above)"
    fi
    power_off
    keep_disk "$final"
    remove_disk
}

cmd_forget-layer() {
    [[ ${1-} == *.*.* && $1 != */* ]] || die "usage: lab.sh forget-layer ID"
    ! in_use "$1" || die "layer $1 is in use: end the labs that use it first"
    rm -rf --one-file-system "${LAB_DIR:?}"/{layers,used}/"$1"
}

cmd_layer() {
    parse_options "$@"
    set -- ${REST[@]+"${REST[@]}"}
    (($# >= 3)) || die "usage: lab.sh layer [--key KEY] [--layer ID] [--bind-ro HOST:GUEST]... [--network host] IMAGE NAME COMMAND..."
    check_name "$2"
    [[ $key =~ ^[A-Za-z0-9_-]+$ ]] || die "layer $2: --key KEY is missing or not of A-Z a-z 0-9 _ -"
    ensure_image "$1"
    image=$REPLY
    check_layer
    # A layer is whole: what it was made from is copied into it.
    local below=$layer
    layer=''
    local id=$image.$2.$key layer_name=$2
    shift 2
    mark_used "$id"
    locked "layer-$image.$layer_name" make_layer "$LAB_DIR/layers/$id" "$@"
    printf '%s\n' "$id"
}
