# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of virsh-hvmem for bash: commands, options, connections, sizes and the names of domains. shellcheck shell=bash

# What stands before the cursor, in $line. Bash takes a word apart at : and =, which URIs and --option=value have.
_virsh_hvmem_line() {
    local i word glue=
    line=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ ${#line[@]} -gt 0 && ( -n $glue || $word == [:=]* ) ]]; then
            line[-1]+=$word
        else
            line+=("$word")
        fi
        [[ $word == *[:=] ]] && glue=1 || glue=
    done
}

_virsh_hvmem_domains() {
    local uri=() i
    for ((i = 0; i < ${#line[@]}; i++)); do
        case ${line[i]} in
            -c|--connect) uri=(-c "${line[i + 1]//[\"\'\\]/}") ;;
            --connect=*) uri=(-c "${line[i]#*=}") ;;
        esac
    done
    # the first column of a table without heading is the name, which may have spaces in it; three end the column
    "${COMP_WORDS[0]}" -r -q "${uri[@]}" list "$@" 2>/dev/null | sed -e 's/^ //' -e 's/   .*//'
}

# Offers those of the domains that begin with what is there, quoted where the shell needs it.
_virsh_hvmem_offer_domains() {
    local name typed=$cur
    # a quote that is open quotes the rest too; what was quoted by backslashes is compared without
    case $typed in
        [\"\']*) typed=${typed:1} ;;
        *) typed=${typed//\\/} ;;
    esac
    while IFS= read -r name; do
        [[ $name == "$typed"* ]] || continue
        if [[ $cur != [\"\']* ]]; then
            printf -v name %q "$name"
            name=${name//:/\\:}
            name=${name//=/\\=}
        fi
        COMPREPLY+=("$name")
    done < <(_virsh_hvmem_domains "$@")
}

# Is a connection being typed? Bash has taken it apart at its colons; what stands before the cursor's part goes into $typed.
_virsh_hvmem_at_connection() {
    local last before=
    typed=
    ((${#line[@]})) || return
    last=${line[-1]}
    ((${#line[@]} > 1)) && before=${line[-2]}
    case $last in
        -c|--connect|--connect=|--also|--also=) return 0 ;;
        --connect=*|--also=*) typed=${last#*=} ;;
        *) [[ $before == @(-c|--connect|--also) ]] || return; typed=$last ;;
    esac
    if [[ $cur == : ]]; then
        typed+=:
        cur=
    fi
    [[ $typed == *: ]]
}

# The usual connections, and that of the environment.
_virsh_hvmem_offer_connections() {
    local uri
    for uri in $LIBVIRT_DEFAULT_URI qemu:///system qemu:///session test:///default; do
        [[ $uri == "$typed$cur"* ]] && COMPREPLY+=("${uri#"$typed"}")
    done
}

# A number gets its units; nothing yet, some sizes.
_virsh_hvmem_offer_sizes() {
    case $cur in
        '') COMPREPLY=(512MiB 1GiB 2GiB 4GiB 8GiB 16GiB max boot) ;;
        [a-z]*) mapfile -t COMPREPLY < <(compgen -W 'max boot' -- "$cur") ;;
        *[!0-9]*) mapfile -t COMPREPLY < <(compgen -W "${cur%%[!0-9]*}MiB ${cur%%[!0-9]*}GiB ${cur%%[!0-9]*}TiB" -- "$cur") ;;
        *) COMPREPLY=("${cur}MiB" "${cur}GiB" "${cur}TiB") ;;
    esac
}

# Bash quotes the names of files itself.
_virsh_hvmem_offer_files() {
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
}

# The command, and in $position which of its arguments this is.
_virsh_hvmem_look() {
    local i word
    command='' position=0
    for ((i = 0; i < ${#line[@]}; i++)); do
        word=${line[i]}
        case $word in
            -c|--connect|--also|--format|--timeout|-t|--record|--interval|-i|--duration|-d|--max|--minimum|--plugged|-o|--output|--title|--maximum|--buffer|--weight|--hold|--budget|--reserve|--conf|--sort|--columns) i=$((i + 1)) ;;
            -*) ;;
            *) if [ -z "$command" ]; then command=$word; else position=$((position + 1)); fi ;;
        esac
    done
}

_virsh_hvmem() {
    local cur=${COMP_WORDS[COMP_CWORD]} line=() command position options words='' prev='' typed
    local columns='name requested current usable host boot sticks ceiling auto state'
    COMPREPLY=()
    _virsh_hvmem_line
    ((${#line[@]})) && prev=${line[-1]}
    # --option=value: what is after the = is a word of its own, and so is the = itself
    if [[ $cur == = ]]; then
        cur=
    elif [[ $prev == --*= ]]; then
        prev=${prev%=}
    fi
    if _virsh_hvmem_at_connection; then
        _virsh_hvmem_offer_connections
        return
    fi
    case $prev in
        --format) mapfile -t COMPREPLY < <(compgen -W 'table json' -- "$cur"); return ;;
        --record|-o|--output|--conf) _virsh_hvmem_offer_files; return ;;
        --max|--minimum|--plugged|--maximum|--budget|--reserve) _virsh_hvmem_offer_sizes; return ;;
        --sort|--columns) mapfile -t COMPREPLY < <(compgen -W "$columns" -- "$cur"); return ;;
        --timeout|-t|--interval|-i|--duration|-d|--title|--buffer|--weight|--hold) return ;;
    esac
    _virsh_hvmem_look
    options='--connect --readonly --format --quiet --help --version'
    case $command in
        list) options="$options --all --running --problems --sort --columns --bytes" ;;
        status) options="$options --also --bytes" ;;
        doctor) options="$options --all" ;;
        set) options="$options --live --config --current --wait --timeout --force --also" ;;
        wait) options="$options --timeout --also" ;;
        watch) options="$options --all --record --append --force --interval --duration --also" ;;
        metrics) options="$options --output" ;;
        plot) options="$options --output --title" ;;
        enable) options="$options --max --minimum --plugged --free-page-reporting --no-free-page-reporting --dry-run --yes" ;;
        disable) options="$options --dry-run" ;;
        auto) options="$options --on --off --minimum --maximum --buffer --weight --hold" ;;
        balance) options="$options --budget --reserve --interval --conf --dry-run --once" ;;
    esac
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
        return
    fi

    case $command:$position in
        :*|help:0) words='list status plan set wait watch plot doctor metrics enable disable auto balance help' ;;
        status:0|plan:0|set:0|auto:0|wait:*|watch:*|disable:*) _virsh_hvmem_offer_domains; return ;;
        enable:*|doctor:0) _virsh_hvmem_offer_domains --all; return ;;
        plan:1) _virsh_hvmem_offer_sizes; return ;;
        set:*) _virsh_hvmem_offer_sizes; [[ $cur == [0-9]* ]] || _virsh_hvmem_offer_domains; return ;;
        plot:0) _virsh_hvmem_offer_files; return ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -F _virsh_hvmem virsh-hvmem
