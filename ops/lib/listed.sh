# shellcheck shell=bash
# The list of trading units while one enforcer holds the latch: what is added to it is killed at once, and what was on
# it is not let go.

LISTED_EVERY=500 # ms between two looks at the list

# listed_read: into LISTED what the list is made of. Without a fork, and not from what might never end.
listed_read() {
    local file text LC_ALL=C
    LISTED=
    for file in "$ESS_CONF" "$ESS_INSTALLED"; do
        text=''
        [[ ! -f $file ]] || IFS= read -r -d '' -n "$CONFIG_LARGEST" text 2>/dev/null <"$file"
        LISTED+=$text$'\n'
    done
}

# listed_look: into TRADING what was added since listed_read. Needs NOW_MS.
listed_look() {
    local before=${LISTED:-}
    local -a held=("${TRADING[@]}")
    ((NOW_MS - ${LISTED_AT:--$LISTED_EVERY} >= LISTED_EVERY)) || return 0
    LISTED_AT=$NOW_MS
    listed_read
    [[ $LISTED != "$before" ]] || return 0
    config_for_trip
    names_join TRADING "${held[@]}" "${TRADING[@]}"
}
