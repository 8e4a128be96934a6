# SPDX-License-Identifier: LGPL-2.1-or-later
# The private libvirt daemon: a virtqemud from the build folder with all its files below run_dir. Sourced after lib.sh.
# As root it is qemu:///system, as an ordinary user qemu:///session; the machine's own libvirt is never touched.
# With HVB_SECOND it is another daemon, as if on another host: the names of its files are compiled in, so it sees its own folder under the
# first one's name, in a mount namespace; clients and the first daemon use the folder's own name. In that namespace the first one's folder is
# $RUN/first, for a migration back that the daemon itself connects for.
# shellcheck shell=bash

INSIDE=$(run_dir)                # as the daemon and its guests know it
RUN=$INSIDE${HVB_SECOND:+2}
HOST_UUID=                       # libvirt refuses to migrate to a host with the same one
[ -z "${HVB_SECOND:-}" ] || HOST_UUID=7f9a4a5e-8f4b-4c0b-9d3e-5b1f0a2c6d22
DAEMON=$OBJ/libvirt/src/virtqemud
VIRSH=$OBJ/libvirt/tools/virsh
DAEMON_PID=$RUN/virtqemud.pid
DAEMON_LOG=$RUN/virtqemud.log
GUEST_RUN=$RUN/guest             # agent sockets and console logs

# What a client and the daemon have to agree on.
daemon_env() {
    export LIBVIRT_DIR_OVERRIDE=1 LIBVIRT_AUTOSTART=0
    export LD_LIBRARY_PATH=$OBJ/libvirt/src
    export HVMEM_TEST_LOCKS=$RUN     # a balancer of this daemon's guests is not one of the machine's own
    export PATH=$OBJ/libvirt/tools:$OBJ/qemu:$OBJ/tools/tools/virsh-hvmem:$PATH
    if [ "$(id -u)" = 0 ]; then
        export LIBVIRT_DEFAULT_URI=qemu:///system
        DAEMON_ETC=$RUN/etc/libvirt
        DAEMON_STATE=$RUN/var/run/libvirt/qemu
        DAEMON_URI="qemu+unix:///system?socket=$RUN/var/run/libvirt/virtqemud-sock"
    else
        export LIBVIRT_DEFAULT_URI=qemu:///session
        export XDG_RUNTIME_DIR=$RUN/rt XDG_CONFIG_HOME=$RUN/config XDG_CACHE_HOME=$RUN/cache XDG_DATA_HOME=$RUN/data XDG_STATE_HOME=$RUN/state
        DAEMON_ETC=$XDG_CONFIG_HOME/libvirt
        DAEMON_STATE=$XDG_RUNTIME_DIR/libvirt/qemu/run
        DAEMON_URI="qemu+unix:///session?socket=$XDG_RUNTIME_DIR/libvirt/virtqemud-sock"
    fi
    [ -z "${HVB_SECOND:-}" ] || LIBVIRT_DEFAULT_URI=$DAEMON_URI
    # virsh prefers it, and the caller's may be that of another host.
    export VIRSH_DEFAULT_CONNECT_URI=$LIBVIRT_DEFAULT_URI
    export DAEMON_ETC DAEMON_STATE
}

# own_virsh SECONDS ARGUMENT…: on the private daemon and no other. Neither a virsh that is found elsewhere nor the default URI, which with the
# machine's own libvirt.so is the machine's own daemon.
own_virsh() { timeout "$1" "$VIRSH" -q -c "$DAEMON_URI" "${@:2}"; }

# is_program PID FILE: is this process an instance of that program? It may have been rebuilt since, or its folder may be gone.
is_program() {
    local exe
    exe=$(readlink "/proc/$1/exe" 2>/dev/null) || return 1
    [ "${exe% (deleted)}" = "$(readlink -m "$2")" ]
}

daemon_pid() {
    local pid
    pid=$(cat "$DAEMON_PID" 2>/dev/null) || return 1
    is_program "$pid" "$DAEMON" && printf '%s\n' "$pid"
}

# is_emulator PID: is this process our QEMU, or one that scripts/stock-qemu unpacked? That one runs by the ld.so beside it.
is_emulator() {
    ! is_program "$1" "$OBJ/qemu/qemu-system-x86_64" || return 0
    case $(readlink "/proc/$1/exe" 2>/dev/null) in
        "$(readlink -f "$BUILD")"/stock-qemu/*/bin/ld.so|"$(readlink -f "$BUILD")"/stock-qemu/*/bin/ld.so" (deleted)") ;;
        *) return 1 ;;
    esac
}

# guests: the QEMU processes that this daemon started, whether or not it still runs: lines "PID NAME".
guests() {
    local file pid name
    for file in "$DAEMON_STATE"/*.pid; do
        pid=$(cat "$file" 2>/dev/null) || continue
        name=${file##*/}
        if is_emulator "$pid"; then printf '%s %s\n' "$pid" "${name%.pid}"; fi
    done
}
guest_pids() { guests | cut -d ' ' -f 1; }

# A folder in /tmp or /run must belong to this user alone.
make_run_dir() {
    mkdir -p "$BUILD"
    mkdir -m 700 "$RUN" 2>/dev/null || { [ -d "$RUN" ] && [ ! -L "$RUN" ] && [ -O "$RUN" ]; } ||
        die "$RUN cannot be made, or belongs to somebody else" "remove it, or move this checkout to a shorter path"
    chmod 700 "$RUN"
    mkdir -p "$DAEMON_ETC" "$GUEST_RUN"
    [ -z "${XDG_RUNTIME_DIR:-}" ] || [ "$(id -u)" = 0 ] || mkdir -p -m 700 "$XDG_RUNTIME_DIR"
}

write_config() {
    cat >"$DAEMON_ETC/qemu.conf" <<CONF
security_driver = "none"
cgroup_controllers = [ ]
namespaces = [ ]
stdio_handler = "file"
seccomp_sandbox = 1
CONF
    # A test may remove a capability of QEMU.
    [ -z "${HVB_DAEMON_FILTER:-}" ] || printf 'capability_filters = [ "%s" ]\n' "$HVB_DAEMON_FILTER" >>"$DAEMON_ETC/qemu.conf"
    cat >"$DAEMON_ETC/virtqemud.conf" <<CONF
log_outputs = "2:file:$INSIDE/${DAEMON_LOG##*/}"
CONF
    [ -z "$HOST_UUID" ] || printf 'host_uuid = "%s"\n' "$HOST_UUID" >>"$DAEMON_ETC/virtqemud.conf"
}

# daemon_second_possible: can there be a mount namespace?
daemon_second_possible() { [ "$(id -u)" = 0 ] && unshare --mount true 2>/dev/null; }

# Within the second daemon's namespace, given both folders: the daemon, with the folders as it knows them.
# shellcheck disable=SC2016
NAMESPACE='mount --bind "$1" "$2/first" && mount --bind "$2" "$1" && shift 2 && exec "$@"'

# Is the daemon older than the last build? Its guests survive a restart.
daemon_stale() {
    local file
    for file in "$DAEMON" "$OBJ"/libvirt/src/libvirt.so.0.* "$OBJ/libvirt/src/libvirt_driver_qemu.so"; do
        [ ! "$file" -nt "$DAEMON_PID" ] || return 0
    done
    return 1
}

daemon_launch() {
    make_run_dir
    write_config
    # It keeps no file of the caller open, neither the terminal nor a lock. A test may preload a library that kills the
    # daemon at a chosen point.
    local within=()
    if [ -n "${HVB_SECOND:-}" ]; then
        mkdir -p "$INSIDE" "$RUN/first"
        within=(unshare --mount sh -c "$NAMESPACE" sh "$INSIDE" "$RUN")
    fi
    setsid "${within[@]}" env ${HVB_DAEMON_PRELOAD:+LD_PRELOAD="$HVB_DAEMON_PRELOAD"} "$DAEMON" --config "$INSIDE${DAEMON_ETC#"$RUN"}/virtqemud.conf" \
        --pid-file "$INSIDE/own.pid" --timeout 0 </dev/null >"$RUN/virtqemud.out" 2>&1 7>&- 8>&- 9>&- &
    printf '%s\n' $! >"$DAEMON_PID"
}

daemon_wait() {
    local pid=$1 end=$((SECONDS + $(/usr/bin/python3 -B "$ROOT/scripts/speed.py" 30)))
    while [ $SECONDS -lt $end ]; do
        ! own_virsh 10 uri >/dev/null 2>&1 || return 0
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    tail -n 5 "$RUN/virtqemud.out" "$DAEMON_LOG" >&2 2>/dev/null || true
    die "the private libvirt daemon did not start" "its log is $DAEMON_LOG"
}

# daemon_start: returns when the daemon runs and answers. Concurrent callers start only one.
daemon_start() {
    make_run_dir
    (
        flock 8
        if daemon_pid >/dev/null; then
            daemon_stale || exit 0
            note "the private libvirt daemon is older than what is built: restarting it"
            daemon_end
        fi
        daemon_launch
        daemon_wait "$(cat "$DAEMON_PID")"
    ) 8>"$RUN/daemon.lock" || exit 1
}

# end_process PID SECONDS: SIGTERM, then SIGKILL after SECONDS.
end_process() {
    local i
    kill "$1" 2>/dev/null || return 0
    for ((i = 0; i < $2 * 20; i++)); do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 0.05
    done
    kill -KILL "$1" 2>/dev/null || true
}

# daemon_end: the daemon alone; guests go on.
daemon_end() {
    local pid
    if pid=$(daemon_pid); then end_process "$pid" 10; fi
    rm -f "$DAEMON_PID" "$RUN/own.pid"
}

# daemon_stop: guests and daemon.
daemon_stop() {
    local pid uuid
    [ -d "$RUN" ] || return 0
    if daemon_pid >/dev/null; then
        # If there is no virsh, or the daemon does not answer, the processes are ended below.
        for uuid in $(own_virsh 20 list --uuid 2>/dev/null || true); do
            own_virsh 20 destroy "$uuid" >/dev/null 2>&1 || true
        done
    fi
    for pid in $(guest_pids); do end_process "$pid" 5; done
    daemon_end
}

# daemon_stop_unless_used PATTERN: by whoever started it. The guests of others go on, and so does the daemon; only names that match are one's own.
daemon_stop_unless_used() {
    local name others=
    while read -r _ name; do
        # shellcheck disable=SC2254
        case $name in $1) ;; *) others="$others $name" ;; esac
    done < <(guests)
    [ -n "$others" ] || { daemon_stop; return; }
    note "the private libvirt daemon goes on, with$others: 'scripts/daemon stop' ends it"
}

# What programs that are not shell scripts need to know, as NAME=VALUE lines.
daemon_print_env() {
    local name
    for name in LIBVIRT_DIR_OVERRIDE LIBVIRT_AUTOSTART LD_LIBRARY_PATH PATH LIBVIRT_DEFAULT_URI VIRSH_DEFAULT_CONNECT_URI HVMEM_TEST_LOCKS \
        XDG_RUNTIME_DIR XDG_CONFIG_HOME XDG_CACHE_HOME XDG_DATA_HOME XDG_STATE_HOME; do
        [ -z "${!name:-}" ] || printf '%s=%s\n' "$name" "${!name}"
    done
    printf 'HVB_%s=%s\n' SECOND "${HVB_SECOND:-}" RUN "$RUN" STATE "$DAEMON_STATE" GUEST_RUN "$GUEST_RUN" VIRSH "$VIRSH" \
        EMULATOR "$OBJ/qemu/qemu-system-x86_64" KERNEL "$BUILD/guest/kernel" INITRD "$BUILD/guest/initrd"
}

daemon_env
