# SPDX-License-Identifier: LGPL-2.1-or-later
# Shared by every script here: paths, messages, progress, locking. Sourced, never run.
# shellcheck shell=bash

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=$ROOT/build
DL=$BUILD/dl                    # verified downloads
SRC=$BUILD/src                  # unpacked trees, each a git repository
OBJ=$BUILD/obj                  # meson build folders
LOG=$BUILD/log                  # one log a step
STAMP=$BUILD/stamp              # what was done, by the hash of what it was done from
FULL_BUILD=1640                 # MiB that ./run demo takes on the disk, as README.md says
# shellcheck source=scripts/versions
. "$ROOT/scripts/versions"

# A private Python or compiler in front of PATH must not change what is built: the packages installed below serve /usr/bin/python3.
export PATH=/usr/lib/ccache:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
locale=${LC_ALL:-${LC_CTYPE:-${LANG-}}} language=${LANGUAGE-}     # the user's, for what is shown on a screen
export LC_ALL=C.UTF-8
unset LANGUAGE                   # gettext prefers it, and what programs print is read here
HOME=${HOME:-$(getent passwd "$(id -u)" | cut -d : -f 6 || echo "$BUILD")}
export HOME                      # a service or a container may have none
export CCACHE_DIR=${CCACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/ccache}
# A clone elsewhere finds in the cache what this one compiled.
export CCACHE_BASEDIR=$ROOT CCACHE_NOHASHDIR=true CCACHE_SLOPPINESS=time_macros,include_file_mtime,include_file_ctime
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE      # as a hook of git has them: they are of another repository than our trees
PRIVATE_MESON=$BUILD/meson
use_private_meson() {
    if [ -x "$PRIVATE_MESON/usr/bin/meson" ]; then
        export PATH=$PRIVATE_MESON/usr/bin:$PATH
        export PYTHONPATH=$PRIVATE_MESON/usr/lib/python3/dist-packages
    fi
}
use_private_meson

say() { printf '==> %s\n' "$*"; }
note() { printf '    %s\n' "$*"; }
# die MESSAGE REMEDY: one line, exit 1.
die() { printf 'run: error: %s%s\n' "$1" "${2:+ -- $2}" >&2; exit 1; }

case $ROOT in
    *[!a-zA-Z0-9/._+=@,~-]*) die "the path of this checkout has characters that make, PATH or a URI cannot have: $ROOT" \
        "move it to one of ASCII letters, digits and /._+=@,~-" ;;
esac

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "'$1' needs root and there is no sudo" "run as root, or install sudo and add yourself to it"
    fi
}

# last_progress LOGFILE: the last ninja counter, or the last line.
last_progress() {
    local line
    line=$(tail -c 2000 "$1" 2>/dev/null | tr '\r' '\n' | grep -oE '^\[[0-9]+/[0-9]+\]' | tail -n 1 || true)
    [ -n "$line" ] || line=$(tail -n 1 "$1" 2>/dev/null | cut -c1-60 || true)
    printf '%s' "$line"
}

# step ID DESCRIPTION COMMAND…: runs COMMAND with its output in log/ID.log and shows progress; on failure shows the log's end.
step() {
    local id=$1 what=$2 start=$SECONDS pid='' rc=0 every=15 last=0
    shift 2
    mkdir -p "$LOG"
    local log=$LOG/$id.log
    [ -t 1 ] && every=1
    say "$what"
    trap 'pkill -TERM -P "$pid" 2>/dev/null || true; kill "$pid" 2>/dev/null || true; exit 130' INT TERM
    "$@" >"$log" 2>&1 &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        sleep 0.3
        if [ $((SECONDS - start - last)) -ge $every ]; then
            last=$((SECONDS - start))
            if [ -t 1 ]; then
                printf '\r\033[K    %3ds %s' "$last" "$(last_progress "$log")"
            else
                note "$(printf '%3ds %s' "$last" "$(last_progress "$log")")"
            fi
        fi
    done
    wait "$pid" || rc=$?
    trap - INT TERM
    [ -t 1 ] && printf '\r\033[K'
    if [ $rc -ne 0 ]; then
        grep -nE 'error:|Error|ERROR|FAILED|fatal:|No space left' "$log" | head -n 12 | cut -c1-300 >&2 || true
        tail -n 15 "$log" | cut -c1-300 >&2
        if grep -q 'No space left on device' "$log"; then
            die "$what: the disk that holds build/ is full" "free some space (a full build takes $FULL_BUILD MiB) and run again"
        fi
        die "$what failed (exit $rc)" "the whole output is in build/log/$id.log"
    fi
    return 0
}

# attempt COMMAND…: its exit status. One that was interrupted is the end of all.
attempt() {
    local rc=0
    ("$@") || rc=$?
    [ $rc -lt 128 ] || exit $rc
    return $rc
}

# done_already NAME KEY / mark_done NAME KEY: a step is skipped if KEY, the hash of all it depends on, is unchanged.
done_already() { [ -f "$STAMP/$1" ] && [ "$(cat "$STAMP/$1")" = "$2" ]; }
mark_done() { mkdir -p "$STAMP"; printf '%s\n' "$2" >"$STAMP/$1.new"; mv "$STAMP/$1.new" "$STAMP/$1"; }

# release: this machine's, 12 or 13. Tests point OS_RELEASE elsewhere.
# shellcheck disable=SC1090
release() { (. "${OS_RELEASE:-/etc/os-release}" && printf '%s\n' "${VERSION_ID:-}"); }

# configured NAME WHAT FOLDER DEPENDS COMMAND…: makes the build folder by COMMAND, unless the calling script has made it from the same DEPENDS, in
# this place and on this release: it is full of absolute paths, so that in a copy of this checkout it would build the other one.
configured() {
    local key
    key=$( (cat "$0" && printf '%s\n' "$3" "$4" "$(release)") | sha256sum)
    if done_already "configure-$1" "$key" && [ -f "$3/build.ninja" ]; then
        return
    fi
    rm -rf "$3" "$STAMP/configure-$1"
    step "configure-$1" "configuring $2" "${@:5}"
    mark_done "configure-$1" "$key"
}

# plain_git: from here on git without the user's configuration, which may sign, run hooks, refuse white space or change the form of patches.
plain_git() {
    export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
    export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'     # on some file systems all is another user's
}

# patch_sums FOLDER: its patches, lines "sha256 file", in order. scripts/tree notes those that it has applied in .git/hvb-applied, in the same form.
patch_sums() { (cd "$1" && for p in *.patch; do [ ! -f "$p" ] || sha256sum "$p"; done); }

# tree_edited TREE: has it changes that are not ours? One whose patching was interrupted, which scripts/tree marks, is not looked at.
tree_edited() {
    [ ! -f "$1/.git/hvb-patching" ] &&
        { [ "$(git -C "$1" rev-parse HEAD)" != "$(cat "$1/.git/hvb-head")" ] || ! git -C "$1" diff --quiet HEAD; }
}

# lock_or_wait FD WHAT: one at a time; a second one waits, with a message.
lock_or_wait() {
    if ! flock -n "$1"; then
        say "another ./$2 here; waiting for it"
        flock "$1"
    fi
}
lock_build() {
    mkdir -p "$BUILD"
    exec 9>"$BUILD/.lock"
    lock_or_wait 9 "run is building"
}
unlock_build() { exec 9>&-; }

need_disk() {
    local mib
    mkdir -p "$BUILD"
    mib=$(df -Pm "$BUILD" | awk 'NR==2 {print $4}')
    [ "$mib" -ge "$1" ] || die "only $mib MiB free where build/ is, $1 MiB needed" "free some space and run again"
}

jobs() { nproc; }

# run_dir: where the private daemon keeps everything. That is build/run, unless the names of the sockets below it would pass the
# 107 bytes that Linux allows; then it is a short folder of the same user, which scripts/daemon creates and ./run clean removes.
run_dir() {
    local length hash
    length=$(printf %s "$BUILD" | LC_ALL=C wc -c)
    hash=$(printf %s "$BUILD" | sha256sum | cut -c1-10)
    if [ "$length" -le 33 ]; then
        printf '%s\n' "$BUILD/run"
    elif [ "$(id -u)" = 0 ]; then
        printf '%s\n' "/run/hvb-$hash"
    else
        printf '%s\n' "/tmp/hvb-$(id -u)-$hash"
    fi
}

# prepare PART…: packages, sources, patched trees and binaries of qemu, libvirt, tools and guest. Skips what is up to date.
prepare() {
    local part
    "$ROOT/scripts/packages"
    lock_build
    for part; do
        [ "$part" = guest ] || "$ROOT/scripts/fetch"     # meson comes with the sources
        case $part in
            qemu|libvirt)
                "$ROOT/scripts/tree" "$part"
                "$ROOT/scripts/build-$part"
                ;;
            tools) "$ROOT/scripts/build-tools" ;;
            guest) "$ROOT/scripts/guest-image" ;;
        esac
    done
    unlock_build
    use_private_meson
}

# have_built PART…: prepare only where a binary is missing, so that the everyday commands start at once.
have_built() {
    local part
    for part; do
        case $part in
            qemu) [ -x "$OBJ/qemu/qemu-system-x86_64" ] ;;
            libvirt) [ -x "$OBJ/libvirt/tools/virsh" ] && [ -e "$OBJ/libvirt/src/libvirt.so.0" ] ;;  # or virsh takes the machine's
            guest) [ -f "$BUILD/guest/host-initrd" ] ;;
            tools) [ -x "$OBJ/tools/tools/virsh-hvmem/virsh-hvmem" ] ;;
        esac || prepare "$part"
    done
}
