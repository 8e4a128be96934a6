# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of virsh-hvmem for bash: commands, options and the names of domains. shellcheck shell=bash

_virsh_hvmem_domains() {
    local uri=() i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            -c|--connect) uri=(-c "${COMP_WORDS[i + 1]}") ;;
            --connect=*) uri=(-c "${COMP_WORDS[i]#*=}") ;;
        esac
    done
    # plot aside, the first column of a table without heading is the name
    "${COMP_WORDS[0]}" -r -q "${uri[@]}" list "$@" 2>/dev/null | awk '{ print $1 }'
}

# The command, and in $position which of its arguments this is.
_virsh_hvmem_look() {
    local i word
    command= position=0
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
            -c|--connect|--format|--timeout|-t|--record|--interval|-i|--duration|-d|--max|--minimum|-o|--output|--title) i=$((i + 1)) ;;
            =) i=$((i + 1)) ;;
            -*) ;;
            *) if [ -z "$command" ]; then command=$word; else position=$((position + 1)); fi ;;
        esac
    done
}

_virsh_hvmem() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command position options words=
    COMPREPLY=()
    case $prev in
        --format) mapfile -t COMPREPLY < <(compgen -W 'table json' -- "$cur"); return ;;
        --record|-o|--output) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        -c|--connect|--timeout|-t|--interval|-i|--duration|-d|--max|--minimum|--title) return ;;
    esac

    _virsh_hvmem_look
    options='--connect --readonly --format --quiet --help --version'
    case $command in
        list) options="$options --all" ;;
        set) options="$options --live --config --current --wait --timeout" ;;
        watch) options="$options --record --interval --duration" ;;
        plot) options="$options --output --title" ;;
        enable) options="$options --max --minimum --dry-run" ;;
        disable) options="$options --dry-run" ;;
    esac
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
        return
    fi

    case $command:$position in
        :*) words='list status plan set watch plot doctor enable disable' ;;
        status:0|plan:0|set:0|watch:*|disable:0) words=$(_virsh_hvmem_domains) ;;
        enable:0|doctor:0) words=$(_virsh_hvmem_domains --all) ;;
        plot:0) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -F _virsh_hvmem virsh-hvmem
