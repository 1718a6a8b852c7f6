# shellcheck shell=bash
# shellcheck disable=SC2310 # see lab.sh
# Debian roots for labs: made once, kept under $LAB_DIR/images/SUITE-RECIPE, never written to again.

IMAGE_PACKAGES=(systemd systemd-sysv dbus python3 python3-venv redis-server prometheus prometheus-node-exporter procps iproute2 sudo)

# What would start by itself, disturb a test's timing and is no subject of one; and what, with all capabilities, would
# reach the host's kernel.
IMAGE_MASKED=(
    getty.target console-getty.service systemd-timesyncd.service systemd-networkd.service systemd-resolved.service
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer
    logrotate.timer man-db.timer systemd-pstore.service prometheus-node-exporter.service systemd-firstboot.service
    modprobe@.service systemd-modules-load.service sys-kernel-debug.mount sys-kernel-tracing.mount dev-hugepages.mount
)

IMAGE_WITHOUT=(/usr/share/{doc,man,locale,info,lintian})

# The first one takes half as long, and there is none without apt.
IMAGE_MAKERS=(mmdebstrap debootstrap)

# Sets REPLY to the first of them that this machine has.
find_maker() {
    local maker
    for maker in "${IMAGE_MAKERS[@]}"; do
        REPLY=$maker
        ! command -v "$maker" >/dev/null || return 0
    done
    return 1
}

# Usage: bootstrap_root SUITE DIRECTORY MIRROR
bootstrap_root() {
    local packages
    local -a options=()
    packages=$(IFS=, && printf '%s' "${IMAGE_PACKAGES[*]}")
    find_maker
    [[ $REPLY != mmdebstrap ]] || mmdebstrap_options
    "$REPLY" --variant=minbase --include="$packages" ${options[@]+"${options[@]}"} "$@"
}

# Into options. make_image writes all of it to the disk at the end, which is sooner done than file by file.
mmdebstrap_options() {
    local path merged=/usr/share/mmdebstrap/hooks/maybe-merged-usr
    options=(--mode=root --format=directory --dpkgopt=force-unsafe-io)
    for path in "${IMAGE_WITHOUT[@]}"; do options+=(--dpkgopt="path-exclude=$path/*"); done
    # Without it usrmerge does the same, and brings all of perl.
    [[ ! -d $merged ]] || options+=(--hook-dir="$merged")
}

quiet_root() {
    local unit
    for unit in "${IMAGE_MASKED[@]}"; do
        ln -sfn /dev/null "$1/etc/systemd/system/$unit"
    done
    rm -f "$1"/etc/systemd/system/*.wants/{redis-server,prometheus}.service "$1/etc/systemd/system/redis.service"
}

# A test reads every line it caused, also those of the boot before.
configure_root() {
    mkdir -p "$1/etc/systemd/journald.conf.d" "$1/var/log/journal"
    printf '[Journal]\nStorage=persistent\nRateLimitIntervalSec=0\nRateLimitBurst=0\nSystemMaxUse=64M\n' \
        >"$1/etc/systemd/journald.conf.d/lab.conf"
    printf 'uninitialized\n' >"$1/etc/machine-id"
    printf '127.0.0.1 localhost\n' >"$1/etc/hosts"
    : >"$1/etc/fstab"
}

shrink_root() {
    rm -rf "${1:?}"/var/cache/apt/* "$1"/var/lib/apt/lists/* "$1"/var/log/{apt,*.log} "${IMAGE_WITHOUT[@]/#/"$1"}"
}

image_recipe() {
    printf '%s\n' "${IMAGE_PACKAGES[@]}" "${IMAGE_MASKED[@]}" "${IMAGE_WITHOUT[@]}"
    declare -f bootstrap_root mmdebstrap_options quiet_root configure_root shrink_root
}

# Sets REPLY to the image's directory name; a changed recipe is another image.
image_id() {
    [[ ${1-} == bookworm || ${1-} == trixie ]] || die "image '${1-}': choose bookworm or trixie"
    local sum
    sum=$(image_recipe | sha256sum)
    REPLY=$1-${sum:0:12}
}

missing_tools() {
    find_maker || printf '%s\n' "${IMAGE_MAKERS[0]}"
    command -v systemd-nspawn >/dev/null || printf 'systemd-container\n'
    [[ -e /usr/share/keyrings/debian-archive-keyring.gpg ]] || printf 'debian-archive-keyring\n'
}

install_tools() {
    local -a missing
    mapfile -t missing < <(missing_tools)
    ((${#missing[@]})) || return 0
    note "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update >&2 || note "apt-get update failed; trying with the lists there are"
    apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${missing[@]}" >&2 ||
        die "cannot install ${missing[*]}: run apt-get install ${missing[*]}"
}

debian_mirror() {
    local codename mirror
    # shellcheck source=/dev/null
    codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME-}")
    # shellcheck disable=SC2016 # apt-get fills in these names, not the shell
    mirror=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' \
        'Created-By: Packages' 'Component: main' 'Label: Debian' 2>/dev/null |
        awk -v release="$codename" '$1 == release { print $2; exit }') || :
    [[ $mirror == http* ]] || mirror=http://deb.debian.org/debian
    printf '%s' "${mirror%/}"
}

use_apt_proxy() {
    local proxy
    eval "$(apt-config shell proxy Acquire::http::Proxy)"
    [[ -z ${proxy-} ]] || export http_proxy=$proxy
}

# In a subshell, with a mount and pid namespace of its own: a builder that is killed leaves a directory, no mount.
build_image() {
    local suite=$1 root=$2 mirror
    mirror=$(debian_mirror)
    use_apt_proxy
    note "making image $suite (about a minute)"
    setpriv --pdeathsig KILL unshare --mount --propagation private --pid --fork --kill-child --mount-proc \
        bash "$LAB_SH" _bootstrap "$suite" "$root" "$mirror" >"$LAB_DIR/images/$suite.log" 2>&1 ||
        die "cannot make image $suite from $mirror: $(tail -n 3 "$LAB_DIR/images/$suite.log" | tr '\n' ' ') (see $LAB_DIR/images/$suite.log)"
}

bootstrap_image() {
    bootstrap_root "$@"
    quiet_root "$2"
    configure_root "$2"
    shrink_root "$2"
}

make_image() {
    local suite=$1 final=$2
    [[ ! -d $final ]] || return 0
    rm -rf --one-file-system "$LAB_DIR/images/.making-$suite"
    mkdir -p "$LAB_DIR/images/.making-$suite"
    build_image "$suite" "$LAB_DIR/images/.making-$suite"
    sync -f "$LAB_DIR/images/.making-$suite"
    mv -T "$LAB_DIR/images/.making-$suite" "$final"
}

# Returns only when the image is complete. Sets REPLY to its directory name.
ensure_image() {
    image_id "$1"
    local id=$REPLY
    mark_used "$id"
    if [[ ! -d $LAB_DIR/images/$id ]] || [[ -n $(missing_tools) ]]; then
        locked tools install_tools
        locked "image-$1" make_image "$1" "$LAB_DIR/images/$id"
    fi
    REPLY=$id
}

cmd_image() {
    (($# == 1)) || die "usage: lab.sh image bookworm|trixie"
    ensure_image "$1"
    printf '%s\n' "$LAB_DIR/images/$REPLY"
}
