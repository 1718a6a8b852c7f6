# shellcheck shell=bash
# /etc/quantum-ess/ess.env: the subset of systemd's EnvironmentFile syntax that bash, Python and
# systemd read alike. It is parsed, never sourced. Same rules as ess/config.py.

declare -gA CONFIG_DEFAULTS=(
    [QT_ESS_TRADING_UNITS]='quantum-ai-engine.service quantum-execution.service quantum-apply-layer.service quantum-governor.service'
    [QT_ESS_MONITOR_UNITS]='grafana-server.service quantum-rl-monitor.service redis-server.service prometheus.service'
    [QT_ESS_START_ORDER]='quantum-governor.service quantum-ai-engine.service quantum-apply-layer.service quantum-execution.service'
    [QT_ESS_STOP_GRACE]=1.5
    [QT_ESS_STOP_CATEGORY]=1
    [QT_ESS_SETTLE]=2.0
    [QT_ESS_START_TIMEOUT]=60
    [QT_ESS_AFTER_REBOOT]=hold
    [QT_ESS_REQUIRE_REASON]=no
    [QT_ESS_DRILL_MAX_AGE]=8
    [QT_ESS_METRICS_DIR]=/var/lib/prometheus/node-exporter
)
CONFIG_LARGEST=65536 # bytes
declare -gA CONFIG=() CONFIG_LINE=()
TRADING=() MONITORS=() START_ORDER=()
CONFIG_ERROR=

config_fail() {
    CONFIG_ERROR="$1: $2"
    return 1
}

# config_value RAW: into CONFIG_VALUE, without its quotes; false when the value would not read alike
# in bash, Python and systemd. Needs LC_ALL=C.
config_value() {
    local raw=$1
    raw=${raw%"${raw##*[! ]}"}
    case $raw in
        \"*\" | \'*\') [[ ${#raw} -ge 2 ]] && raw=${raw:1:-1} ;;
    esac
    CONFIG_VALUE=$raw
    [[ $raw != *[\"\'\\\$\`]* && $raw != *[!\ -~]* ]]
}

# config_read_lines FILE LINE...: all of them, in order.
config_read_lines() {
    # Byte by byte: what another encoding calls a letter or a space is none here. Changing it takes longer than a line.
    local file=$1 number=0 line LC_ALL=C
    shift
    for line in "$@"; do
        number=$((number + 1))
        config_read_line "$file" "$number" "$line" || return 1
    done
}

# config_read_line FILE NUMBER LINE. Needs LC_ALL=C.
config_read_line() {
    local file=$1 number=$2 line=$3 key
    # systemd before 254 takes the line after such a comment for a part of the comment.
    [[ $line != *\\ ]] || { config_fail "$file:$number" 'backslash at the end of the line' || return 1; }
    [[ -n $line && $line != '#'* ]] || return 0
    [[ $line =~ ^[\ $'\t']*([#\;].*)?$ ]] && return 0
    [[ $line =~ ^([A-Z_][A-Z0-9_]*)=([^ ].*)?$ ]] ||
        { config_fail "$file:$number" 'not KEY=VALUE (no spaces around "=")' || return 1; }
    key=${BASH_REMATCH[1]}
    [[ -n ${CONFIG_DEFAULTS[$key]+x} ]] || { config_fail "$file:$number" "unknown key $key" || return 1; }
    [[ -z ${CONFIG_LINE[$key]+x} ]] || { config_fail "$file:$number" "$key is set twice" || return 1; }
    config_value "${BASH_REMATCH[2]}" ||
        { config_fail "$file:$number" "$key: value has a quote, \\, \$, \` or something else than plain ASCII inside" || return 1; }
    CONFIG[$key]=$CONFIG_VALUE
    CONFIG_LINE[$key]=$number
}

# config_where FILE KEY: into WHERE, the place to name in an error about KEY.
config_where() {
    WHERE=$1
    [[ -z ${CONFIG_LINE[$2]+x} ]] || WHERE=$1:${CONFIG_LINE[$2]}
}

config_check_number() {
    local file=$1 key=$2 low=$3 high=$4 unit=$5 value=${CONFIG[$2]}
    config_where "$file" "$key"
    [[ $value =~ ^[0-9]{1,4}(\.[0-9]{1,3})?$ ]] ||
        { config_fail "$WHERE" "$key=$value is not a number of $unit" || return 1; }
    config_milli "$value"
    ((MILLI >= low && MILLI <= high)) ||
        config_fail "$WHERE" "$key=$value is outside $((low / 1000))..$((high / 1000)).$((high % 1000 / 100)) $unit"
}

# config_milli SECONDS: into MILLI, thousandths of a decimal number already known to be one.
config_milli() {
    local whole=${1%%.*} fraction=000
    [[ $1 != *.* ]] || fraction=${1#*.}000
    MILLI=$((10#$whole * 1000 + 10#${fraction:0:3}))
}

config_check_word() {
    local file=$1 key=$2 value=${CONFIG[$2]}
    shift 2
    config_where "$file" "$key"
    name_in "$value" "$@" || config_fail "$WHERE" "$key=$value is not one of: $*"
}

# config_check_directory FILE KEY: an absolute path in plain characters (it is put into a unit), or nothing.
config_check_directory() {
    local value=${CONFIG[$2]}
    config_where "$1" "$2"
    [[ -z $value || ${#value} -le 200 && $value =~ ^(/[A-Za-z0-9_+@-][A-Za-z0-9._+@-]*)+$ ]] ||
        config_fail "$WHERE" "$2=$value is not an absolute path of letters, digits and ._+@-"
}

# config_units FILE KEY: into UNITS, the list under KEY as full unit names.
config_units() {
    local word words
    UNITS=()
    config_where "$1" "$2"
    # No here-string: bash may need a temporary file for one, and the disk may be full.
    set -f
    # shellcheck disable=SC2206 # split into words on purpose, globbing is off
    words=(${CONFIG[$2]})
    set +f
    for word in "${words[@]}"; do
        name_full "$word"
        name_is_valid "$NAME_FULL" || { config_fail "$WHERE" "$2: $word is not the name of a service" || return 1; }
        ! name_is_ours "$NAME_FULL" || { config_fail "$WHERE" "$2: $word covers a part of the emergency stop itself" || return 1; }
        UNITS+=("$NAME_FULL")
    done
}

config_check_lists() {
    local file=$1 unit
    config_where "$file" QT_ESS_TRADING_UNITS
    ((${#TRADING[@]})) || { config_fail "$WHERE" 'QT_ESS_TRADING_UNITS is empty: nothing would be stopped' || return 1; }
    [[ -z ${CONFIG_LINE[QT_ESS_MONITOR_UNITS]+x} ]] || config_where "$file" QT_ESS_MONITOR_UNITS
    for unit in "${MONITORS[@]}"; do
        name_in "$unit" "${TRADING[@]}" || continue
        config_fail "$WHERE" "$unit is in both QT_ESS_TRADING_UNITS and QT_ESS_MONITOR_UNITS" || return 1
    done
    ((${#MONITORS[@]})) || return 0
    for unit in "${TRADING[@]}"; do
        name_in "$unit" "${MONITORS[@]}" || continue
        config_fail "$WHERE" "$unit is in both QT_ESS_TRADING_UNITS and QT_ESS_MONITOR_UNITS" || return 1
    done
}

config_check_order() {
    local file=$1 unit kept=()
    config_units "$file" QT_ESS_START_ORDER || return 1
    for unit in "${UNITS[@]}"; do
        if name_in "$unit" "${TRADING[@]}"; then
            kept+=("$unit")
        elif [[ -n ${CONFIG_LINE[QT_ESS_START_ORDER]+x} ]]; then
            config_fail "$WHERE" "QT_ESS_START_ORDER: $unit is not a trading unit" || return 1
        fi
    done
    names_join START_ORDER "${kept[@]}" "${TRADING[@]}"
}

# config_load FILE: read and check all of it into CONFIG, TRADING, MONITORS, START_ORDER. False with
# CONFIG_ERROR="file:line: what" when any of it is wrong; a missing file means every default.
config_load() {
    local file=$1 key lines=()
    CONFIG=() CONFIG_LINE=() TRADING=() MONITORS=() START_ORDER=() CONFIG_ERROR=
    for key in "${!CONFIG_DEFAULTS[@]}"; do CONFIG[$key]=${CONFIG_DEFAULTS[$key]}; done
    if [[ -e $file ]]; then
        [[ -f $file && -r $file ]] || { config_fail "$file" 'cannot be read as a file' || return 1; }
        config_refuse_odd "$file" || return 1
        mapfile -t lines <"$file"
        config_read_lines "$file" "${lines[@]}" || return 1
    fi
    config_check "$file"
}

# Bash drops NUL bytes without a word, and systemd refuses the whole file. One that is far too long must
# not hold up a stop.
config_refuse_odd() {
    local LC_ALL=C before
    IFS= read -r -d '' -n $((CONFIG_LARGEST + 1)) before <"$1" || return 0
    if ((${#before} > CONFIG_LARGEST)); then
        config_fail "$1" "larger than $CONFIG_LARGEST bytes"
        return
    fi
    before=${before//[!$'\n']/}
    config_fail "$1:$((${#before} + 1))" 'NUL byte'
}

config_check() {
    local file=$1
    config_check_number "$file" QT_ESS_STOP_GRACE 0 1500 s || return 1
    config_check_number "$file" QT_ESS_SETTLE 0 600000 s || return 1
    config_check_number "$file" QT_ESS_START_TIMEOUT 1000 3600000 s || return 1
    config_check_number "$file" QT_ESS_DRILL_MAX_AGE 1000 400000 days || return 1
    config_check_word "$file" QT_ESS_STOP_CATEGORY 0 1 || return 1
    config_check_word "$file" QT_ESS_AFTER_REBOOT hold clear || return 1
    config_check_word "$file" QT_ESS_REQUIRE_REASON yes no || return 1
    config_check_directory "$file" QT_ESS_METRICS_DIR || return 1
    config_units "$file" QT_ESS_TRADING_UNITS || return 1
    TRADING=("${UNITS[@]}")
    config_units "$file" QT_ESS_MONITOR_UNITS || return 1
    MONITORS=("${UNITS[@]}")
    config_check_lists "$file" && config_check_order "$file"
}

# config_gated: into GATED, the units that carry our gate: what was protected when it was installed.
config_gated() {
    local dir name
    GATED=()
    for dir in "$ESS_UNIT_DIR"/*.service.d; do
        [[ -e $dir/$ESS_GATE ]] || continue
        name=${dir##*/}
        name=${name%.d}
        [[ $name == quantum-ess* ]] || GATED+=("${name/@.service/@*.service}")
    done
}

# config_order_known: START_ORDER names TRADING again, all of it and nothing else. For a release: with hundreds
# of units it takes longer than a stop.
config_order_known() {
    local unit kept=()
    for unit in "${START_ORDER[@]}"; do
        name_in "$unit" "${TRADING[@]}" && kept+=("$unit")
    done
    names_join START_ORDER "${kept[@]}" "${TRADING[@]}"
}

# config_own_names: add to TRADING the own names of units in it that are only another name by now, a symlink in
# the unit path: the kernel knows a unit by its own name.
config_own_names() {
    local unit dir own
    for unit in "${TRADING[@]}"; do
        for dir in "$ESS_UNIT_DIR" /run/systemd/system /usr/local/lib/systemd/system /usr/lib/systemd/system; do
            [[ -L $dir/$unit ]] || continue
            own=$(readlink -- "$dir/$unit")
            own=${own##*/}
            [[ $own == *?.service ]] && ! name_in "$own" "${TRADING[@]}" && TRADING+=("$own")
            break
        done
    done
}

# config_same FILE FILE: true when both can be read, are nothing odd, and are equal.
config_same() {
    local LC_ALL=C one other
    [[ -f $1 && -r $1 && -f $2 && -r $2 ]] || return 1
    # True: stopped at a NUL byte or at the limit.
    IFS= read -r -d '' -n "$CONFIG_LARGEST" one <"$1" && return 1
    IFS= read -r -d '' -n "$CONFIG_LARGEST" other <"$2" && return 1
    [[ $one == "$other" ]]
}

# config_once: as config_for_trip, unless this run has done that.
config_once() {
    ((${#TRADING[@]})) || config_for_trip
}

# config_for_trip: into TRADING a set that is never empty, whatever state the configuration is in:
# the units of the present configuration when it is good, those of the last accepted one, and those
# that carry a gate. CONFIG_NOTE says what was wrong, if anything.
config_for_trip() {
    local known=()
    if [[ $ESS_SCOPE != main ]]; then
        TRADING=("quantum-ess-$ESS_SCOPE.service") START_ORDER=("quantum-ess-$ESS_SCOPE.service")
        STOP_GRACE_MS=300 STOP_CATEGORY=1 CONFIG_NOTE=
        # A drill settles nobody's trading; with the time of the host it would mostly wait.
        CONFIG[QT_ESS_SETTLE]=0.3
        return 0
    fi
    config_gated
    known=("${GATED[@]}")
    # Twice the same file is read once: with hundreds of units, reading takes longer than stopping.
    if ! config_same "$ESS_INSTALLED" "$ESS_CONF" && [[ -e $ESS_INSTALLED ]] && config_load "$ESS_INSTALLED"; then
        known+=("${TRADING[@]}")
    fi
    CONFIG_NOTE=
    if [[ ! -e $ESS_CONF ]]; then
        CONFIG_NOTE="$ESS_CONF is missing"
    elif ! config_load "$ESS_CONF"; then
        CONFIG_NOTE=$CONFIG_ERROR
    fi
    if [[ -n $CONFIG_NOTE ]]; then
        if config_load "$ESS_INSTALLED"; then CONFIG_NOTE+='; using the units of the last installation'; else
            CONFIG_NOTE+='; using the default units'
            config_load /nonexistent
        fi
        if ((${#known[@]})); then TRADING=(); fi
    fi
    names_join TRADING "${TRADING[@]}" "${known[@]}"
    config_own_names
    config_milli "${CONFIG[QT_ESS_STOP_GRACE]}"
    STOP_GRACE_MS=$MILLI STOP_CATEGORY=${CONFIG[QT_ESS_STOP_CATEGORY]}
}
