#compdef virsh-hvmem
# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of virsh-hvmem for zsh: commands, options, connections, sizes and the names of domains.

# The names, from the first column of a table without heading; three blanks end it.
_virsh_hvmem_domains() {
    local -a uri names
    local i
    for ((i = 1; i <= $#line; i++)); do
        case $line[i] in
            -c|--connect) uri=(-c ${(Q)line[i + 1]}) ;;
            --connect=*) uri=(-c ${(Q)line[i]#*=}) ;;
        esac
    done
    names=(${(f)"$(${(Q)words0} -r -q $uri list "$@" 2>/dev/null | sed -e 's/^ //' -e 's/   .*//')"})
    compadd -a names
}

_virsh_hvmem_every_domain() {
    _virsh_hvmem_domains --all
}

_virsh_hvmem_connections() {
    local -a uris
    uris=($LIBVIRT_DEFAULT_URI qemu:///system qemu:///session test:///default)
    compadd -a uris
}

# A number gets its units; nothing yet, some sizes.
_virsh_hvmem_sizes() {
    local number=${PREFIX%%[^0-9]*}
    if [[ -n $number ]]; then
        compadd -- ${number}MiB ${number}GiB ${number}TiB
    else
        compadd -- 512MiB 1GiB 2GiB 4GiB 8GiB 16GiB max boot
    fi
}

_virsh_hvmem_domains_sizes() {
    _virsh_hvmem_sizes
    [[ $PREFIX == [0-9]* ]] || _virsh_hvmem_domains
}

_virsh_hvmem_columns() {
    compadd -- name requested current usable host boot sticks ceiling auto state
}

_virsh_hvmem_commands() {
    compadd -- list status plan set wait watch plot doctor metrics enable disable auto balance help
}

_virsh_hvmem() {
    local words0=$words[1] command i
    local -a line global options
    line=($words)
    global=(
        '(-c --connect)'{-c,--connect=}'[hypervisor connection URI]:URI:_virsh_hvmem_connections'
        '(-r --readonly)'{-r,--readonly}'[connect read-only]'
        '--format=[output format]:format:(table json)'
        '(-q --quiet)'{-q,--quiet}'[no headings and no progress]'
        '(-h --help)'{-h,--help}'[what a command does]'
        '--version[the version]'
    )

    # the command is the first word that is neither an option nor its value
    for ((i = 2; i < CURRENT; i++)); do
        case $words[i] in
            -c|--connect|--also|--format) ((i++)) ;;
            -*) ;;
            *) command=$words[i]; break ;;
        esac
    done
    if [[ -z $command ]]; then
        _arguments $global '1:command:_virsh_hvmem_commands'
        return
    fi

    words=("$words[1]" "${(@)words[i + 1,-1]}")
    ((CURRENT -= i - 1))
    case $command in
        list) options=(
            '(-a --all)'{-a,--all}'[all domains]' '--running[only domains that run]' '--problems[only domains that need action]'
            '--sort=[sort by a column]:column:_virsh_hvmem_columns' '--columns=[show these columns]:column:_virsh_hvmem_columns'
            '--bytes[exact sizes]') ;;
        status) options=('--bytes[exact sizes]' '*--also=[another host]:URI:_virsh_hvmem_connections' '1:domain:_virsh_hvmem_domains') ;;
        plan) options=('1:domain:_virsh_hvmem_domains' '2:size:_virsh_hvmem_sizes') ;;
        set) options=(
            '--live[change the running guest]' '--config[change the definition]' '--current[whichever applies]'
            '(-w --wait)'{-w,--wait}'[show progress until it is done]' '(-t --timeout)'{-t,--timeout=}'[give up after so many seconds]:seconds:'
            '(-f --force)'{-f,--force}'[even less than the guest uses]' '*--also=[another host]:URI:_virsh_hvmem_connections'
            '1:domain:_virsh_hvmem_domains' '*:domain or size:_virsh_hvmem_domains_sizes') ;;
        wait) options=('(-t --timeout)'{-t,--timeout=}'[give up after so many seconds]:seconds:'
            '*--also=[another host]:URI:_virsh_hvmem_connections' '*:domain:_virsh_hvmem_domains') ;;
        watch) options=(
            '(-a --all)'{-a,--all}'[a table of all domains]' '--record=[also write to a file]:file:_files'
            '(--force)--append[continue that file]' '(--append -f --force)'{-f,--force}'[replace that file]'
            '*--also=[another host]:URI:_virsh_hvmem_connections'
            '(-i --interval)'{-i,--interval=}'[sampling interval]:seconds:' '(-d --duration)'{-d,--duration=}'[end after so many seconds]:seconds:'
            '*:domain:_virsh_hvmem_domains') ;;
        plot) options=('(-o --output)'{-o,--output=}'[the picture to write]:file:_files' '--title=[its title]:text:' '1:recording:_files') ;;
        metrics) options=('(-o --output)'{-o,--output=}'[the file to write]:file:_files') ;;
        doctor) options=('(-a --all)'{-a,--all}'[every domain]' '1:domain:_virsh_hvmem_every_domain') ;;
        enable) options=(
            '--max=[the ceiling]:size:_virsh_hvmem_sizes' '--minimum=[setmem refuses less]:size:_virsh_hvmem_sizes'
            '--plugged=[plugged at the start]:size:_virsh_hvmem_sizes'
            '(-n --dry-run)'{-n,--dry-run}'[show the difference only]' '(-y --yes)'{-y,--yes}'[do not ask]'
            '--free-page-reporting[turn it on]' '--no-free-page-reporting[leave it off]' '*:domain:_virsh_hvmem_every_domain') ;;
        disable) options=('(-n --dry-run)'{-n,--dry-run}'[show the difference only]' '*:domain:_virsh_hvmem_domains') ;;
        auto) options=(
            '--on[automatic]' '--off[no longer automatic]' '--minimum=[never less]:size:_virsh_hvmem_sizes' '--maximum=[never more]:size:_virsh_hvmem_sizes'
            '--buffer=[so much more than it uses]:percent:' '--weight=[its share]:number:' '--hold=[leave it alone for so long]:duration:'
            '1:domain:_virsh_hvmem_domains') ;;
        balance) options=(
            '--budget=[what all guests may have]:size:_virsh_hvmem_sizes' '--reserve=[kept for guests that start]:size:_virsh_hvmem_sizes'
            '(-i --interval)'{-i,--interval=}'[seconds between decisions]:seconds:' '--conf=[read these from a file]:file:_files'
            '(-n --dry-run --once)'{-n,--dry-run}'[show the decision only]' '(-n --dry-run)--once[decide once]') ;;
        help) options=('1:command:_virsh_hvmem_commands') ;;
    esac
    _arguments $global $options
}

_virsh_hvmem "$@"
