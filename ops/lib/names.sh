# shellcheck shell=bash
# Unit names and patterns. Pure: nothing here asks systemd anything.

# name_full NAME: into NAME_FULL, with .service when it has no unit suffix.
name_full() {
    case $1 in
        *.service | *.scope | *.socket | *.timer | *.path | *.target | *.slice | *.mount | *.automount | *.swap | \
            *.device) NAME_FULL=$1 ;;
        *) NAME_FULL=$1.service ;;
    esac
}

# name_is_pattern NAME: true for globs, and so for template instances written name@*.service.
name_is_pattern() {
    [[ $1 == *[*?[]* ]]
}

# name_is_valid NAME: characters systemd allows in the name of a service that can run, or a glob over such.
name_is_valid() {
    local grammar='^([A-Za-z0-9:_.@*?-]|\[!?[A-Za-z0-9:_.-]+\])+\.service$'
    [[ $1 =~ $grammar && $1 != [.@]* && $1 != *@.service && ${#1} -le 255 ]]
}

# name_is_ours NAME: true for a part of the emergency stop itself, and for a pattern that covers one. NAME is valid.
name_is_ours() {
    local part
    [[ $1 != quantum-ess* ]] || return 0
    name_is_pattern "$1" || return 1
    for part in '' -trigger -sentry -drill -request -canary -canary-trigger -x; do
        name_in "quantum-ess$part.service" "$1" && return 0
    done
    return 1
}

# names_join ARRAY NAME...: the names into ARRAY, each once, in the order given.
names_join() {
    local -n joined=$1
    local name
    local -A seen=()
    shift
    joined=()
    for name in "$@"; do
        [[ -z ${seen[$name]:-} ]] || continue
        seen[$name]=1
        joined+=("$name")
    done
}

# name_in NAME LIST...: true when NAME is one of LIST or matches a pattern in it.
name_in() {
    local name=$1 pattern
    shift
    for pattern in "$@"; do
        # A pattern with brackets does not match itself.
        # shellcheck disable=SC2053 # the right side is a pattern on purpose
        [[ $name == "$pattern" || $name == $pattern ]] && return 0
    done
    return 1
}
