# shellcheck shell=bash
# The line of status about the watcher of the limits: only where it is switched on and does not watch as it should. The
# words are those of ess/watch/how.py, which knows more: which figures are missing, and what is wrong with a source.

WATCHING_STARTS=15 # s that a start may take
WATCHING_OLD=30    # s; three of the longest interval, whatever interval the file claims
WATCHING_DEAF='automatic triggers do not work'

# watching_line [ASKED]: into WATCHING, empty when there is nothing to say, and into WATCHING_TONE a colour. With ASKED
# systemd was just asked what is asked here; where it did not answer, UNIT_PROP is empty.
watching_line() {
    local wanted hidden active stood trouble
    WATCHING='' WATCHING_TONE=$RED
    [[ $ESS_SCOPE == main ]] || return 0
    [[ -n ${1:-} ]] || sd_show 'LoadState ActiveState SubState UnitFileState InactiveExitTimestampMonotonic' "$WATCH_UNIT"
    active=${UNIT_PROP["$WATCH_UNIT.ActiveState"]:-}
    watching_wanted
    [[ $wanted != no ]] || return 0
    watching_stood
    case $active,$stood in
        inactive,* | failed,* | deactivating,*) watching_down ;;
        activating,now) ;;
        activating,*) watching_starting ;;
        *,none) watching_unheard ;;
        *,now) [[ $WATCHING_DRY != true ]] || watching_warn 'DRY RUN - it decides, and does not stop trading' ;;
        *) WATCHING="SILENT for $stood - automatic triggers may not work; see: ess doctor" ;;
    esac
}

watching_warn() {
    WATCHING=$1 WATCHING_TONE=$YELLOW
}

# watching_wanted: into wanted yes, no, or unknown, and into hidden a word where its settings may not be read.
watching_wanted() {
    local enabled=${UNIT_PROP["$WATCH_UNIT.UnitFileState"]:-}
    wanted=no hidden=''
    [[ ! -e $WATCH_CONF || -r $WATCH_CONF ]] || hidden=yes
    if [[ $enabled == enabled* ]]; then
        wanted=yes
    elif [[ -z $hidden ]]; then
        ! watch_is_wanted || wanted=yes
    elif [[ $enabled != @(disabled|static) ]]; then
        # The installer sees to it that this is what they say.
        wanted=unknown
    fi
}

# watching_down: its service does not run.
watching_down() {
    local word=$active
    if [[ $wanted == unknown ]]; then
        watching_warn "UNKNOWN - ${trouble:-its settings cannot be read}"
        return
    fi
    [[ $active != inactive ]] || word=stopped
    case ${UNIT_PROP["$WATCH_UNIT.LoadState"]:-} in
        masked) word=masked ;;
        not-found) word='not installed' ;;
    esac
    WATCHING="DOWN ($word) - $WATCHING_DEAF; see: ess doctor"
}

watching_starting() {
    local since=${UNIT_PROP["$WATCH_UNIT.InactiveExitTimestampMonotonic"]:-0}
    clock_ms
    if [[ $since =~ ^[1-9][0-9]{0,15}$ ]] && ((NOW_MS - since / 1000 >= WATCHING_STARTS * 1000)); then
        WATCHING="DOWN (does not start) - $WATCHING_DEAF; see: ess doctor"
    else
        watching_warn "starting - $WATCHING_DEAF yet"
    fi
}

# watching_unheard: it is not known how it stands.
watching_unheard() {
    if [[ -n $hidden || $wanted == unknown ]]; then
        watching_warn "UNKNOWN - ${trouble:-its settings cannot be read}"
        return
    fi
    trouble=${trouble:-it has said nothing since this host was started}
    WATCHING="SILENT, $trouble - automatic triggers may not work; see: ess doctor"
}

# watching_stood: into stood "now" when what it wrote last is how it stands, else how long ago that was, or "none";
# into trouble why it cannot be told, into WATCHING_DRY whether it stops nothing. The file is the watcher's, which is
# not root.
watching_stood() {
    local dir=$STATE_DIR/watch text boot='' age most
    local form='^\{"boot": "([0-9a-f-]{36})", "boottime": ([0-9]{1,12})\.?[0-9]*, "interval": ([0-9]{1,3})\.?[0-9]*,'
    stood=none trouble='' WATCHING_DRY=false
    [[ -z ${DISK_ASKER:-} ]] || { trouble='its disk does not answer' && return 0; }
    answer_within 0.5 head -c 1000 -- "$dir/standing.json"
    text=$ANSWERED
    read -r boot </proc/sys/kernel/random/boot_id
    if [[ $text =~ $form && ${BASH_REMATCH[1]} == "$boot" ]]; then
        clock_ms
        age=$((NOW_MS / 1000 - 10#${BASH_REMATCH[2]})) most=$((3 * 10#${BASH_REMATCH[3]}))
        [[ ! $text =~ \"dry_run\":\ (true|false) ]] || WATCHING_DRY=${BASH_REMATCH[1]}
        ((most >= 15)) || most=15
        ((most <= WATCHING_OLD)) || most=$WATCHING_OLD
        # Of the future by more than what was cut off its seconds it cannot be.
        if ((age >= -1 && age <= most)); then stood=now; elif ((age > 0)); then watching_span "$age"; fi
    fi
    if [[ $stood != none || ! -e $dir/standing.json && (! -d $dir || -x $dir) ]]; then return; fi
    trouble='what it wrote is of another boot, or cannot be understood'
    [[ -r $dir/standing.json ]] || trouble='only root and the group quantum-ess may read how it stands'
}

# watching_span S: into stood, in the unit of which there are two at least.
watching_span() {
    stood="$1 s"
    (($1 < 120)) || stood="$(($1 / 60)) min"
    (($1 < 7200)) || stood="$(($1 / 3600)) h"
    (($1 < 172800)) || stood="$(($1 / 86400)) days"
}
