# shellcheck shell=bash
# What a request to stop is and says. Its maker may do with it what he likes while we look.

ASKED_READ=2000      # bytes that are read
ASKED_CHARACTERS=200 # of a reason that are kept
ASKED_MORE=480       # of what it was decided by

# asked_look ENTRY: into ASKED_BY, ASKED_WHY, ASKED_CATEGORY, ASKED_THROUGH, ASKED_DETAIL and ASKED_KIND who asked for
# what. Who is the owner of the file, whatever it says. Follows no link, opens nothing but a file, and waits for nothing:
# what belongs to another file is not read, nor what was exchanged meanwhile.
asked_look() {
    local before text=''
    ASKED_BY=unknown ASKED_WHY='not given' ASKED_CATEGORY='' ASKED_THROUGH='' ASKED_DETAIL='' ASKED_KIND=unknown
    asked_stat "$1" || return 0
    ASKED_KIND=$STAT_KIND
    if [[ $STAT_KIND == regular* && $STAT_LINKS != 1 ]]; then
        # Its owner need not be who put it here.
        ASKED_KIND='hard link'
        return 0
    fi
    if [[ $STAT_KIND == 'regular file' ]]; then
        before="$STAT_INODE $STAT_OWNER $STAT_LINKS"
        LC_ALL=C IFS= read -r -t 1 -N "$ASKED_READ" text 2>/dev/null < <(
            exec dd if="$1" iflag=nofollow,nonblock bs="$ASKED_READ" count=1 status=none 2>/dev/null
        )
        asked_leave "$?" "$!"
        asked_stat "$1" && [[ "$STAT_INODE $STAT_OWNER $STAT_LINKS" == "$before" ]] || return 0
    fi
    asked_owner "$STAT_OWNER"
    asked_words "$text"
}

# asked_stat ENTRY: into STAT_INODE, STAT_OWNER, STAT_LINKS and STAT_KIND what the name itself is.
asked_stat() {
    STAT_OWNER=
    read -r -t 1 STAT_INODE STAT_OWNER STAT_LINKS STAT_KIND 2>/dev/null < <(
        exec stat -c '%i %u %h %F' -- "$1" 2>/dev/null
    )
    asked_leave "$?" "$!"
    [[ $STAT_OWNER =~ ^[0-9]{1,10}$ ]]
}

# asked_leave CODE PID: end the child whose answer did not come in time, as CODE of "read" says; one that hangs in the
# kernel is left behind. Not the others: their pid may be somebody else's by now.
asked_leave() {
    (($1 <= 128)) || kill -s KILL "$2" 2>/dev/null
}

# asked_owner UID: into ASKED_BY. /etc/passwd first: a directory server may not answer.
asked_owner() {
    local name _ uid
    while IFS=: read -r name _ uid _; do
        [[ $uid == "$1" ]] || continue
        asked_clean "$name"
        ASKED_BY=$CLEAN
        return 0
    done </etc/passwd
    IFS= read -r -t 1 name 2>/dev/null < <(exec id -un -- "$1" 2>/dev/null)
    asked_leave "$?" "$!"
    asked_clean "$name"
    ASKED_BY=${CLEAN:-uid-$1}
}

# asked_words TEXT: what a file says: lines reason=, category=0, source= and detail=, or just words. It may ask for haste,
# never for less of it than is configured.
asked_words() {
    local line rest=$1 reason='' detail=''
    while [[ -n $rest ]]; do
        line=${rest%%$'\n'*}
        [[ $rest == *$'\n'* ]] && rest=${rest#*$'\n'} || rest=
        case $line in
            reason=*) reason=${line#*=} ;;
            detail=*) detail=${line#*=} ;;
            category=*) [[ $line != category=0 ]] || ASKED_CATEGORY=0 ;;
            source=*)
                asked_clean "${line#*=}"
                ASKED_THROUGH=${CLEAN:0:40}
                ;;
            *) reason=${reason:-$line} ;;
        esac
    done
    asked_clean "$detail" "$ASKED_MORE"
    ASKED_DETAIL=$CLEAN
    asked_clean "$reason"
    ASKED_WHY=${CLEAN:-not given}
}

# asked_clean TEXT [MOST]: into CLEAN, one printable line: no control character, no mark that turns the direction of what
# follows, and no byte that is not part of a character.
asked_clean() {
    local LC_ALL=C.UTF-8
    CLEAN=${1:0:${2:-ASKED_CHARACTERS}}
    CLEAN=${CLEAN//[^[:print:]]/ }
    CLEAN=${CLEAN//[$'\u200b'-$'\u200f'$'\u2028'-$'\u202e'$'\u2060'-$'\u206f'$'\ufeff']/ }
    CLEAN=${CLEAN#"${CLEAN%%[! ]*}"}
    CLEAN=${CLEAN%"${CLEAN##*[! ]}"}
}
