# shellcheck shell=bash
# The list of what is installed, with the sum of each file: what doctor compares with later, and what an upgrade knows to
# remove.

# manifest_look: at all that the last run wrote, in one process.
manifest_look() {
    local sum file
    local -a files=("$ESS_INSTALLED" "$ESS_MANIFEST")
    if [[ -f $DESTDIR$ESS_MANIFEST ]]; then
        while read -r sum file; do files+=("$file"); done <"$DESTDIR$ESS_MANIFEST"
    fi
    render_look "${files[@]}"
}

# manifest_write: what doctor compares with later, and what an upgrade knows to remove. What may be edited is not
# in it.
manifest_write() {
    local file sums
    local -a kept=()
    for file in "${RENDERED[@]}"; do
        [[ $file == @("$ESS_CONF"|"$ESS_AFTERMATH_CONF"|"$WATCH_CONF"|"$ESS_MANIFEST") ]] || kept+=(".$file")
    done
    sums=$(cd -- "${DESTDIR:-/}" && exec sha256sum -- "${kept[@]}") || return 1
    sums=${sums//  .\//  /}
    sums=$(
        {
            [[ $ACTION != configure ]] || manifest_kept
            printf '%s\n' "${STALE[@]}" "$sums"
        } | sort -u -k2
    ) || return 1
    render_put "$ESS_MANIFEST" 0644 "$sums"$'\n'
}

# manifest_kept: the lines of files that this run did not write, with the sums they had, so that an edit
# made since stays a finding. Gates are all written anew.
manifest_kept() {
    local sum file
    local -A anew=()
    for file in "${RENDERED[@]}"; do anew[$file]=1; done
    while read -r sum file; do
        [[ $file == "$ESS_UNIT_DIR"/*"/$ESS_GATE" || -n ${anew[$file]:-} ]] || printf '%s  %s\n' "$sum" "$file"
    done <"$DESTDIR$ESS_MANIFEST"
}
