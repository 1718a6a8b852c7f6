# shellcheck shell=bash
# shellcheck disable=SC2310 # see lab.sh
# shellcheck disable=SC2154 # options of parse_options
# The layer with quantum-ess of this checkout installed. The one place that knows how a lab installs it.

# The units it guards are there before it, as on a real host; install.sh answers for what it finds missing.
# With little patience between the units of a release, so that no test has to change that for itself.
# It may find the host disarmed (5), which is for the tests to judge.
# What became known of the machine that makes the layer is no news of the labs that use it.
PRODUCT_FORGET='systemctl stop "quantum-ess-sentry.*" "quantum-ess-aftermath.*" "quantum-ess-deliver.*"
    cd /var/lib/quantum-ess
    rm -rf audit/* cases/* deliveries/* deliveries/.next spool/new/* /run/quantum-ess/spool/new/* /var/log/quantum-ess/*'
# shellcheck disable=SC2016 # expanded by the shell in the lab
PRODUCT_INSTALL=(bash -ec 'bash /src/scripts/lab/stack.sh files /
    mkdir -p /etc/quantum-ess
    sed "s/^#QT_ESS_SETTLE=.*/QT_ESS_SETTLE=0.1/" /src/ops/ess.env >/etc/quantum-ess/ess.env
    code=0
    bash /src/ops/install.sh --wheels /wheels || code=$?
    [[ $code == [05] ]]
    '"$PRODUCT_FORGET")
CHECKOUT=${LAB_SH%/scripts/lab.sh}

# Usage: content_key PATH...: one hash over the names and contents of what an installation is made of.
content_key() {
    local sum
    sum=$(cd "$CHECKOUT" && find "$@" \( -name '.?*' -o -name __pycache__ -o -name '*.egg-info' \) -prune -o -type f -print0 |
        sort -z | xargs -0 sha256sum | sha256sum)
    REPLY=${sum:0:16}
}

product_files() {
    printf './tests/lab/stack\n'
    (cd "$CHECKOUT" && find . -mindepth 1 -maxdepth 1 ! -name '.*' ! -name tests ! -name build ! -name '*.egg-info')
}

wheel_files() {
    (cd "$CHECKOUT" && find . -mindepth 1 -maxdepth 1 \( -name ess -o -name pyproject.toml -o -name 'README*' \))
}

need_pip() {
    ! "$PYTHON" -m pip --version >/dev/null 2>&1 || return 0
    apt-get -qq update >&2 || :
    apt-get -qq install -y --no-install-recommends python3-pip >&2 ||
        die "$PYTHON has no pip: run apt-get install python3-pip"
}

# The Pythons of the images; a package with compiled parts is another one for each.
LAB_PYTHONS=(3.11 3.13)
# redis needs it on the Python of Debian 12 (3.11.2). pip judges that by its own version.
LAB_WHEELS=('quantum-ess[alerts,monitor,redis]' async-timeout)

# From a copy: setuptools would leave its build directories in the checkout.
make_wheels() {
    local final=$1 making=$LAB_DIR/wheels/.making version
    shift
    [[ ! -d $final ]] || return 0
    need_pip
    rm -rf "$making" && mkdir -p "$making/source" "$making/wheels"
    (cd "$CHECKOUT" && cp -r "$@" "$making/source/")
    "$PYTHON" -m pip --quiet wheel --no-cache-dir --no-deps --wheel-dir "$making/wheels" "$making/source" >&2 ||
        die "no wheel of $CHECKOUT: pip wheel failed (its output is above)"
    for version in "${LAB_PYTHONS[@]}"; do
        "$PYTHON" -m pip --quiet download --only-binary=:all: --python-version "$version" --dest "$making/wheels" \
            --find-links "$making/wheels" "${LAB_WHEELS[@]}" >&2 ||
            die "no wheels for Python $version: pip download failed (its output is above)"
    done
    mv -T "$making/wheels" "$final"
    rm -rf "$making"
}

# Sets REPLY to a directory with the wheels of this checkout and of what it depends on.
ensure_wheels() {
    local -a files
    mapfile -t files < <(wheel_files)
    content_key "${files[@]}" ./scripts/lab/product.sh
    local dir=$LAB_DIR/wheels/$REPLY
    mark_used "$REPLY"
    locked wheels make_wheels "$dir" "${files[@]}"
    REPLY=$dir
}

cmd_wheels() {
    ensure_wheels
    printf '%s\n' "$REPLY"
}

cmd_product() {
    (($# == 1 || $# == 3)) || die "usage: lab.sh product IMAGE [NAME SCRIPT]"
    [[ -e $CHECKOUT/ops/install.sh ]] || die "no $CHECKOUT/ops/install.sh: nothing to install in a lab"
    local -a files
    local product_key made sum
    mapfile -t files < <(product_files)
    content_key "${files[@]}"
    product_key=$REPLY
    ensure_wheels
    made=$(cmd_layer --owner "$BASHPID" --key "$product_key" --bind-ro "$CHECKOUT:/src" --bind-ro "$REPLY:/wheels" \
        "$1" product "${PRODUCT_INSTALL[@]}")
    if (($# == 3)); then
        sum=$(sha256sum <<<"$3")
        made=$(cmd_layer --owner "$BASHPID" --layer "$made" --key "$product_key-${sum:0:8}" "$1" "$2" \
            bash -ec "$3"$'\n'"$PRODUCT_FORGET")
    fi
    printf '%s\n' "$made"
}
