# shellcheck shell=bash
# Exit codes, the same numbers as ess/exits.py; 1 is never ours: it means the interpreter failed.

EXIT_OK=0
EXIT_USAGE=2
EXIT_NOT_ROOT=3
EXIT_NOT_CONTAINED=4
EXIT_NOT_ARMED=5
EXIT_RELEASE_FAILED=6
EXIT_LATCHED=7

exits_table() {
    printf '%s\n' \
        '  0  done' \
        '  2  usage or configuration error; nothing was changed' \
        '  3  not root' \
        '  4  not contained: latched, but trading is not proved dead' \
        '  5  not armed, or a drill failed' \
        '  6  release refused or failed: the latch is still, or again, set' \
        '  7  latched and contained (only "status --quiet")'
}
