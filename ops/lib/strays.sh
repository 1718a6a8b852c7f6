# shellcheck shell=bash
# Trading programs that no unit started (from a shell, cron, a tmux): they are in no control group that a stop ends, so
# only their command lines tell of them. What counts as the same program is as in ess/strays.py.

STRAYS_PATIENCE=1   # s that a process may take to tell what it runs
STRAYS_DARK_MOST=3  # processes that did not, and the rest is not asked
STRAYS_LIMIT=5000   # ms for all of them
STRAYS_WORDS=1000   # of a command line that are looked at
STRAYS_ANCESTORS=64 # a chain of parents that is followed
STRAYS_INTERPRETER='^(python|pypy|perl|ruby|node|nodejs|java|php|lua|bash|dash|zsh|ksh|sh)[0-9.]*$'

# strays_find [ASKED]: into STRAYS "pid unit cgroup" of each, into STRAYS_PIDS the first ten pids, into STRAYS_DARK the pids of
# those that did not tell what they run. False when it is not known, and into STRAYS_WHY systemd or /proc, who does not
# tell. Takes STRAYS_LIMIT and STRAYS_PATIENCE at most. What systemd says of the units is asked for here, unless it was
# just asked: then ASKED is answered or deaf, and UNIT_PROP and UNITS_SEEN are as here.
strays_find() {
    local -a pids
    STRAYS=() STRAYS_DARK=() STRAYS_PIDS=''
    STRAYS_WHY=systemd
    case ${1:-} in
        answered) ;;
        deaf) return 1 ;;
        *) sd_show 'ExecStart MainPID ControlPID' "${TRADING[@]}" || return 1 ;;
    esac
    STRAYS_WHY=/proc
    [[ -e /proc/1/status ]] || return 1
    strays_programs
    ! strays_read || STRAYS_WHY=
    pids=("${STRAYS[@]:0:10}")
    pids=("${pids[@]%% *}")
    STRAYS_PIDS=${pids[*]}
    [[ -z $STRAYS_WHY ]]
}

# strays_read: ask every process, one that does not answer not twice.
strays_read() {
    local asked
    local -a left
    clock_ms
    STRAYS_UNTIL=$((NOW_MS + STRAYS_LIMIT))
    left=(/proc/[0-9]*)
    left=("${left[@]#/proc/}")
    until strays_ask "${left[@]}"; do
        [[ -n $STRAYS_AT ]] && ((${#STRAYS_DARK[@]} < STRAYS_DARK_MOST)) || return 1
        STRAYS_DARK+=("$STRAYS_AT")
        for asked in "${!left[@]}"; do [[ ${left[asked]} != "$STRAYS_AT" ]] || break; done
        left=("${left[@]:asked+1}")
    done
}

# strays_ask PID...: in a child, because the command line of a process that hangs in the kernel may not be readable,
# ever. False when it hangs, or died, at STRAYS_AT; that is empty when there is no time to ask the others.
strays_ask() {
    local fd child line
    STRAYS_AT=''
    # Whoever reads what we print waits for its end, which one that hangs may not hold up.
    exec {fd}< <(exec </dev/null 2>/dev/null && unlocked strays_scan "$@")
    child=$!
    while IFS= read -r -t "$STRAYS_PATIENCE" -u "$fd" line; do
        case $line in
            end) exec {fd}<&- && return 0 ;;
            stray\ *) STRAYS+=("${line#stray }") ;;
            *) STRAYS_AT=$line ;;
        esac
        clock_ms
        ((NOW_MS < STRAYS_UNTIL)) || { STRAYS_AT='' && break; }
    done
    kill -s KILL "$child" 2>/dev/null
    exec {fd}<&-
    return 1
}

# strays_scan PID...: prints each number before it is asked, what was found, and at last "end". Forks nothing.
strays_scan() {
    local pid unit group IFS=$' \t\n'
    local -a words
    for pid in "$@"; do
        printf '%s\n' "$pid"
        words=()
        mapfile -t -d '' -n "$STRAYS_WORDS" words <"/proc/$pid/cmdline"
        if ((${#words[@]})) && { strays_runs || strays_is_file "$pid"; } && strays_outside "$pid"; then
            printf 'stray %s %s %s\n' "$pid" "$unit" "$group"
        fi
    done
    printf 'end\n'
}

# strays_programs: into the three tables the unit by what tells its program: the file, the script of an interpreter,
# or the whole command line. Behind a = in each key, for none may be empty.
strays_programs() {
    local unit rest path argv
    declare -gA STRAYS_FILE=() STRAYS_SCRIPT=() STRAYS_WHOLE=() STRAYS_MAIN=()
    for unit in "${UNITS_SEEN[@]}"; do
        STRAYS_MAIN["=${UNIT_PROP["$unit.MainPID"]:-0}"]=1
        STRAYS_MAIN["=${UNIT_PROP["$unit.ControlPID"]:-0}"]=1
        rest=${UNIT_PROP["$unit.ExecStart"]:-}
        while [[ $rest == *'{ path='*' ; argv[]='*' ; ignore_errors='* ]]; do
            rest=${rest#*'{ path='}
            path=${rest%%' ; argv[]='*}
            rest=${rest#*' ; argv[]='}
            argv=${rest%%' ; ignore_errors='*}
            strays_program
        done
    done
}

# strays_program: one command of a unit. Uses unit, path and argv.
strays_program() {
    local IFS=$' \t\n'
    local -a wanted
    set -f
    # shellcheck disable=SC2206 # split into words on purpose, globbing is off
    wanted=($argv)
    set +f
    if [[ ${path##*/} =~ $STRAYS_INTERPRETER ]]; then
        if strays_script "${wanted[@]}"; then
            STRAYS_SCRIPT["=$SCRIPT"]=${STRAYS_SCRIPT["=$SCRIPT"]:-$unit}
            return 0
        fi
    elif [[ $path != @(/bin/|/sbin/|/usr/bin/|/usr/sbin/)* ]]; then
        STRAYS_FILE["=$path"]=${STRAYS_FILE["=$path"]:-$unit}
        return 0
    fi
    # systemd fills in variables when it starts the unit: there is no telling what with.
    [[ $argv != *'$'* ]] || return 0
    STRAYS_WHOLE["=$argv"]=${STRAYS_WHOLE["=$argv"]:-$unit}
    wanted[0]=$path
    STRAYS_WHOLE["=${wanted[*]}"]=${STRAYS_WHOLE["=${wanted[*]}"]:-$unit}
}

# strays_script WORD...: into SCRIPT the script or module on the command line of an interpreter; false when it cannot
# be told.
strays_script() {
    shift
    while (($#)); do
        case $1 in
            -m | -jar) SCRIPT="$1 ${2:-}" && return 0 ;;
            -c | -e) return 1 ;;
            /*) SCRIPT=" $1" && return 0 ;;
            -*) shift ;;
            *) return 1 ;;
        esac
    done
    return 1
}

# strays_runs: into unit the one whose program runs with these words, if there is one. A program with a #! line is
# seen behind its interpreter and up to one option of it.
strays_runs() {
    local first
    # A process that wrote over its command line leaves empty words.
    [[ " ${words[*]} " != *'  '* ]] || strays_full_words
    ((${#words[@]})) || return 1
    for first in 0 1 2; do
        ((first < ${#words[@]})) || break
        unit=${STRAYS_FILE["=${words[first]}"]:-${STRAYS_WHOLE["=${words[*]:first}"]:-}}
        [[ -z $unit ]] || return 0
    done
    ((${#STRAYS_SCRIPT[@]})) && [[ ${words[0]##*/} =~ $STRAYS_INTERPRETER ]] && strays_script "${words[@]}" || return 1
    unit=${STRAYS_SCRIPT["=$SCRIPT"]:-}
    [[ -n $unit ]]
}

# strays_is_file PID: into unit the one whose file this process runs, under whatever name it calls itself.
strays_is_file() {
    local file
    for file in "${!STRAYS_FILE[@]}"; do
        [[ /proc/$1/exe -ef ${file#=} ]] || continue
        unit=${STRAYS_FILE[$file]}
        return 0
    done
    return 1
}

strays_full_words() {
    local word
    local -a full=()
    for word in "${words[@]}"; do [[ -z $word ]] || full+=("$word"); done
    words=("${full[@]}")
}

# strays_outside PID: true, with its control group in group, for a process that is in no trading unit and comes from
# none, is no monitor (which may well be the same program) and in no container.
strays_outside() {
    local pid=$1 tries
    strays_look "$pid" && [[ -z $STRAYS_INNER ]] || return 1
    group=$STRAYS_GROUP
    ! strays_in "${MONITORS[@]}" || return 1
    # What left its unit, or comes from there, is hunted for by the stop.
    for ((tries = 0; tries < STRAYS_ANCESTORS && pid > 1; tries++)); do
        [[ -z ${STRAYS_MAIN["=$pid"]:-} ]] && ! strays_in "${TRADING[@]}" || return 1
        pid=$STRAYS_PARENT
        strays_look "$pid" || break
    done
}

# strays_look PID: into STRAYS_GROUP, STRAYS_PARENT, and STRAYS_INNER when it has a number in a container.
strays_look() {
    local status='' groups='' of=$'\nPPid:[[:space:]]*([0-9]+)\n' inner=$'\nNSpid:[[:space:]]*[0-9]+[[:space:]]+[0-9]'
    # To its end, as in cgroup_populated.
    IFS= read -r -d '' status <"/proc/$1/status"
    IFS= read -r -d '' groups <"/proc/$1/cgroup"
    [[ $status =~ $of ]] || return 1
    STRAYS_PARENT=${BASH_REMATCH[1]}
    STRAYS_INNER=''
    [[ ! $status =~ $inner ]] || STRAYS_INNER=1
    groups=$'\n'$groups
    [[ $groups == *$'\n0::'* ]] || groups=$'\n0::'
    groups=${groups#*$'\n0::'}
    STRAYS_GROUP=${groups%%$'\n'*}
}

# strays_in UNIT...: true when STRAYS_GROUP is that of one of these units, or below it. As the stop finds them: a service
# of that name below a user's manager, or below another service, is somebody else's.
strays_in() {
    local rest=${STRAYS_GROUP#/}
    while [[ $rest == *.slice/* && ${rest%%/*} == *.slice ]]; do rest=${rest#*/}; done
    rest=${rest%%/*}
    [[ -n $rest ]] && name_in "${rest#_}" "$@"
}
