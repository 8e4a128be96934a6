# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of virsh-hvmem for fish: commands, options, connections, sizes and the names of domains.

set -l commands list status plan set wait watch plot doctor metrics enable disable auto balance help
set -l columns name requested current usable host boot sticks ceiling auto state

# The names, from the first column of a table without heading; three blanks end it.
function __virsh_hvmem_domains
    set -l words (commandline -opc)
    set -l uri
    for i in (seq (count $words))
        switch $words[$i]
            case -c --connect
                set uri -c $words[(math $i + 1)]
            case '--connect=*'
                set uri -c (string replace -- '--connect=' '' $words[$i])
        end
    end
    $words[1] -r -q $uri list $argv 2>/dev/null | string replace -r '^ ' '' | string replace -r '   .*' ''
end

# The words that are no options, with the command first.
function __virsh_hvmem_arguments
    set -l words (commandline -opc)[2..]
    set -l skip
    for word in $words
        if set -q skip[1]
            set -e skip[1]
            continue
        end
        switch $word
            case -c --connect --also --format --timeout -t --record --interval -i --duration -d --max --minimum --plugged -o --output --title --sort --columns --maximum --buffer --weight --hold --budget --reserve --conf
                set skip 1
            case '-*'
            case '*'
                echo $word
        end
    end
end

# Is this the argument with that number of one of the commands? The first is 1.
function __virsh_hvmem_at
    set -l arguments (__virsh_hvmem_arguments)
    test (count $arguments) -eq $argv[1]; and contains -- "$arguments[1]" $argv[2..]
end

function __virsh_hvmem_uses
    contains -- (__virsh_hvmem_arguments)[1] $argv
end

function __virsh_hvmem_sizes
    set -l number (string match -r '^[0-9]+' -- (commandline -ct | string replace -r '^--[a-z]+=' ''))
    if test -n "$number"
        printf '%s\n' $number{MiB,GiB,TiB}
    else
        printf '%s\n' 512MiB 1GiB 2GiB 4GiB 8GiB 16GiB max boot
    end
end

complete -c virsh-hvmem -f
complete -c virsh-hvmem -n '__virsh_hvmem_at 0 ""; or test (count (__virsh_hvmem_arguments)) -eq 0' -a "$commands"
complete -c virsh-hvmem -n '__virsh_hvmem_at 1 help' -a "$commands"
complete -c virsh-hvmem -n '__virsh_hvmem_at 1 status plan auto' -a '(__virsh_hvmem_domains)'
complete -c virsh-hvmem -n '__virsh_hvmem_at 1 doctor; or __virsh_hvmem_uses enable' -a '(__virsh_hvmem_domains --all)'
complete -c virsh-hvmem -n '__virsh_hvmem_uses set wait watch disable' -a '(__virsh_hvmem_domains)'
complete -c virsh-hvmem -n '__virsh_hvmem_at 2 plan; or begin; __virsh_hvmem_uses set; and not __virsh_hvmem_at 1 set; end' -a '(__virsh_hvmem_sizes)'
complete -c virsh-hvmem -n '__virsh_hvmem_at 1 plot' -F

complete -c virsh-hvmem -s c -l connect -x -a 'qemu:///system qemu:///session test:///default $LIBVIRT_DEFAULT_URI' -d 'Hypervisor connection URI'
complete -c virsh-hvmem -s r -l readonly -d 'Connect read-only'
complete -c virsh-hvmem -l format -x -a 'table json' -d 'Output format'
complete -c virsh-hvmem -s q -l quiet -d 'Print no headings and no progress'
complete -c virsh-hvmem -s h -l help -d 'Print what a command does'
complete -c virsh-hvmem -l version -d 'Print the version'

complete -c virsh-hvmem -n '__virsh_hvmem_uses list watch doctor' -s a -l all -d 'All domains'
complete -c virsh-hvmem -n '__virsh_hvmem_uses list' -l running -d 'Only domains that run'
complete -c virsh-hvmem -n '__virsh_hvmem_uses list' -l problems -d 'Only domains that need action'
complete -c virsh-hvmem -n '__virsh_hvmem_uses list' -l sort -x -a "$columns" -d 'Sort by a column'
complete -c virsh-hvmem -n '__virsh_hvmem_uses list' -l columns -x -a "$columns" -d 'Show these columns'
complete -c virsh-hvmem -n '__virsh_hvmem_uses list status' -l bytes -d 'Show exact sizes'
complete -c virsh-hvmem -n '__virsh_hvmem_uses set' -l live -d 'Change the running guest'
complete -c virsh-hvmem -n '__virsh_hvmem_uses set' -l config -d 'Change the definition'
complete -c virsh-hvmem -n '__virsh_hvmem_uses set' -l current -d 'Whichever applies'
complete -c virsh-hvmem -n '__virsh_hvmem_uses set' -s w -l wait -d 'Show progress until it is done'
complete -c virsh-hvmem -n '__virsh_hvmem_uses set wait' -s t -l timeout -x -d 'Give up after so many seconds'
complete -c virsh-hvmem -n '__virsh_hvmem_uses watch' -l record -r -F -d 'Also write to a file'
complete -c virsh-hvmem -n '__virsh_hvmem_uses watch' -l append -d 'Continue that file'
complete -c virsh-hvmem -n '__virsh_hvmem_uses watch' -s f -l force -d 'Replace that file'
complete -c virsh-hvmem -n '__virsh_hvmem_uses set' -s f -l force -d 'Even less than the guest uses'
complete -c virsh-hvmem -n '__virsh_hvmem_uses status watch' -l also -x -a 'qemu:///system qemu:///session' -d 'Another host'
complete -c virsh-hvmem -n '__virsh_hvmem_uses enable' -l free-page-reporting -d 'Turn it on'
complete -c virsh-hvmem -n '__virsh_hvmem_uses enable' -l no-free-page-reporting -d 'Leave it off'
complete -c virsh-hvmem -n '__virsh_hvmem_uses enable' -s y -l yes -d 'Do not ask'
complete -c virsh-hvmem -n '__virsh_hvmem_uses watch' -s i -l interval -x -d 'Sampling interval in seconds'
complete -c virsh-hvmem -n '__virsh_hvmem_uses watch' -s d -l duration -x -d 'End after so many seconds'
complete -c virsh-hvmem -n '__virsh_hvmem_uses plot metrics' -s o -l output -r -F -d 'The file to write'
complete -c virsh-hvmem -n '__virsh_hvmem_uses plot' -l title -x -d 'The title of the picture'
complete -c virsh-hvmem -n '__virsh_hvmem_uses enable' -l max -x -a '(__virsh_hvmem_sizes)' -d 'The ceiling'
complete -c virsh-hvmem -n '__virsh_hvmem_uses enable' -l minimum -x -a '(__virsh_hvmem_sizes)' -d 'setmem refuses less'
complete -c virsh-hvmem -n '__virsh_hvmem_uses enable' -l plugged -x -a '(__virsh_hvmem_sizes)' -d 'Plugged at the start'
complete -c virsh-hvmem -n '__virsh_hvmem_uses auto' -l on -d 'Automatic'
complete -c virsh-hvmem -n '__virsh_hvmem_uses auto' -l off -d 'No longer automatic'
complete -c virsh-hvmem -n '__virsh_hvmem_uses auto' -l minimum -x -a '(__virsh_hvmem_sizes)' -d 'Never less'
complete -c virsh-hvmem -n '__virsh_hvmem_uses auto' -l maximum -x -a '(__virsh_hvmem_sizes)' -d 'Never more'
complete -c virsh-hvmem -n '__virsh_hvmem_uses auto' -l buffer -x -d 'So much more than it uses, in percent'
complete -c virsh-hvmem -n '__virsh_hvmem_uses auto' -l weight -x -d 'Its share'
complete -c virsh-hvmem -n '__virsh_hvmem_uses auto' -l hold -x -d 'Leave it alone for so long'
complete -c virsh-hvmem -n '__virsh_hvmem_uses balance' -l budget -x -a '(__virsh_hvmem_sizes)' -d 'What all guests may have'
complete -c virsh-hvmem -n '__virsh_hvmem_uses balance' -l reserve -x -a '(__virsh_hvmem_sizes)' -d 'Kept for guests that start'
complete -c virsh-hvmem -n '__virsh_hvmem_uses balance' -s i -l interval -x -d 'Seconds between decisions'
complete -c virsh-hvmem -n '__virsh_hvmem_uses balance' -l conf -r -F -d 'Read these from a file'
complete -c virsh-hvmem -n '__virsh_hvmem_uses balance' -l once -d 'Decide once'
complete -c virsh-hvmem -n '__virsh_hvmem_uses balance' -s n -l dry-run -d 'Show the decision only'
complete -c virsh-hvmem -n '__virsh_hvmem_uses set wait' -l also -x -a 'qemu:///system qemu:///session' -d 'Another host'
complete -c virsh-hvmem -n '__virsh_hvmem_uses enable disable' -s n -l dry-run -d 'Show the difference only'
