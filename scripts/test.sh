#!/usr/bin/env bash
# All tests of quantum-ess, on a Debian 12 or Ubuntu machine with nothing prepared: installs what it needs,
# makes the lab images, then runs pytest. Its exit code is pytest's.
set -euo pipefail
[[ -t 0 ]] || exec </dev/null

CHECKOUT=$(readlink -f "${BASH_SOURCE[0]%/*}/..")
CACHE=${QT_ESS_TEST_CACHE:-/var/cache/quantum-ess-test}
# Three workers keep a core busy: about half of what a lab test takes it waits.
WORKERS_MAX=24
ALONE_MAX=15
# gcc, pkg-config and the headers build pystemd. redis-tools and not redis-server: the same program, and no service.
PACKAGES=(gcc libc6-dev pkg-config libsystemd-dev systemd-container mmdebstrap debian-archive-keyring ca-certificates
    redis-tools)

usage() {
    cat <<'END'
Usage: sudo scripts/test.sh [--thorough] [PYTEST ARGUMENT...]

  all tests; installs by apt-get what it needs. What stands there goes to
  pytest: sudo scripts/test.sh tests/unit -k config
  --thorough               all pairs and both systemds, before a release
  QT_ESS_TEST_WORKERS=N    so many tests at a time (three a core)
  QT_ESS_TEST_CACHE=DIR    what the next run needs (/var/cache/quantum-ess-test)

Exit codes: pytest's; 2 a package cannot be had; 3 not root
END
}

say() {
    printf 'test.sh: %s\n' "$*" >&2
}

die() {
    say "$1"
    exit "${2:-2}"
}

check_machine() {
    ((EUID == 0)) || die "needs root to boot labs; run: sudo $0 $*" 3
    command -v apt-get >/dev/null || die 'needs Debian or Ubuntu: there is no apt-get here'
}

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

# Into PYTHON. The system's own comes first: apt-get can complete that one with venv and headers.
choose_python() {
    local name
    for name in /usr/bin/python3 /usr/bin/python3.{14,13,12,11} python3 python3.{14,13,12,11}; do
        PYTHON=$(command -v "$name") && is_new_enough "$PYTHON" && return
    done
    return 1
}

python_packages() {
    local name
    [[ $PYTHON == /usr/bin/* ]] || return 0
    name=${PYTHON##*/}
    printf '%s\n' "$name" "$name-venv" "$name-dev"
}

is_installed() {
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

install_packages() {
    local package
    local -a missing=()
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    say "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update >&2 || say 'apt-get update failed; trying with the lists there are'
    apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${missing[@]}" >&2 ||
        die "cannot install ${missing[*]}; run: apt-get install ${missing[*]}"
}

install_system() {
    choose_python || install_packages python3
    choose_python || install_packages python3.11
    choose_python || die 'no Python 3.11 or newer here, and apt-get has none'
    mapfile -t -O "${#PACKAGES[@]}" PACKAGES < <(python_packages)
    install_packages "${PACKAGES[@]}"
}

# Outside the checkout, which may belong to somebody else than root. A changed pyproject.toml or Python is
# another environment.
make_venv() {
    local key
    key=$({ printf '%s\n' "$CHECKOUT" && "$PYTHON" -VV && cat "$CHECKOUT/pyproject.toml"; } | sha256sum)
    VENV=$CACHE/venv-${key:0:16}
    mkdir -p "$CACHE"
    exec {VENV_LOCK}>"$VENV.lock"
    flock "$VENV_LOCK"
    if [[ ! -e $VENV/complete ]]; then
        say "making the Python environment with $PYTHON (half a minute)"
        rm -rf "$VENV"
        "$PYTHON" -m venv "$VENV" || die "cannot make a venv with $PYTHON"
        "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check -e "${CHECKOUT}[alerts,monitor,pystemd,redis,test]" ||
            die 'pip could not install the test dependencies (its words are above)'
        rm -rf "$CHECKOUT/quantum_ess.egg-info"
    fi
    : >"$VENV/complete"
    forget_old_venvs
    exec {VENV_LOCK}>&-
}

forget_old_venvs() {
    local mark
    while IFS= read -r -d '' mark; do
        rm -rf "${mark%/complete}"
    done < <(find "$CACHE" -mindepth 2 -maxdepth 2 -path "$CACHE/venv-*/complete" -mtime +7 -print0)
}

# In the background: the tests that need them come last, and wait for them.
make_images() {
    local image
    LABS=()
    for image in bookworm trixie; do
        "$CHECKOUT/scripts/lab.sh" image "$image" >/dev/null &
        LABS+=("$!")
    done
}

install_in_labs() {
    local image
    for image in bookworm trixie; do
        PYTHON=$VENV/bin/python "$CHECKOUT/scripts/lab.sh" product "$image" >/dev/null &
        LABS+=("$!")
    done
}

await_labs() {
    local pid
    for pid in "${LABS[@]}"; do
        wait "$pid" || say 'a lab could not be made (the reason is above)'
    done
}

choose_workers() {
    WORKERS=${QT_ESS_TEST_WORKERS:-$((3 * $(nproc)))}
    ((WORKERS <= WORKERS_MAX)) || WORKERS=$WORKERS_MAX
}

run_tests() {
    cd "$CHECKOUT"
    export PYTHON=$VENV/bin/python PATH=$VENV/bin:$PATH QT_ESS_NO_SKIP=1
    # Whoever set that wants no files in the checkout, and there are none. Without any, each worker compiles all tests.
    unset PYTHONDONTWRITEBYTECODE
    export PYTHONPYCACHEPREFIX=$CACHE/pycache MYPY_CACHE_DIR=$CACHE/mypy RUFF_CACHE_DIR=$CACHE/ruff
    export HYPOTHESIS_STORAGE_DIRECTORY=$CACHE/hypothesis
    local -a pytest=("$PYTHON" -m pytest -o cache_dir="$CACHE/pytest-$$")
    local code=0
    "${pytest[@]}" -n "$WORKERS" --dist worksteal "$@" || code=$?
    if ((code == 1)); then
        code=0
        run_alone "${pytest[@]}" || code=$?
    fi
    rm -rf "$CACHE/pytest-$$"
    return "$code"
}

# The promise is 2 s on a host, not on two cores that boot six labs at once. What failed in company runs once
# more, alone; what fails again has failed. Many failures are no matter of company and are not run again.
run_alone() {
    local failed
    failed=$(grep -c '^  "' "$CACHE/pytest-$$/v/cache/lastfailed") || failed=0
    ((failed > 0 && failed <= ALONE_MAX)) || return 1
    say "$failed failed in company (their reports are above); running them once more, alone"
    "$@" --last-failed --last-failed-no-failures none
}

main() {
    local code=0
    case " $* " in *' --help '* | *' -h '*) usage && return ;; esac
    check_machine "$@"
    install_system
    make_images
    make_venv
    install_in_labs
    choose_workers
    run_tests "$@" || code=$?
    await_labs
    return "$code"
}

main "$@"
