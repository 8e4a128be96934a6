# SPDX-License-Identifier: LGPL-2.1-or-later
# apt over a private configuration: packages of other suites than this machine's, to be unpacked and not installed. Sourced after lib.sh.
# shellcheck shell=bash

# The suites that Debian has for the releases used here.
SUITES="bookworm bookworm-backports trixie trixie-backports testing sid experimental"

# suite_apt FOLDER TOOL ARGUMENT…: apt with the configuration in FOLDER, for which no package is installed, and which release the administrator of
# this machine prefers does not matter; if FOLDER is empty, apt of this machine.
suite_apt() {
    local private=$1 where=()
    [ -z "$private" ] || where=(-o "Dir::State=$private/state" -o Dir::State::status=/dev/null -o "Dir::Cache=$private/cache"
        -o "Dir::Etc::sourcelist=$private/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Acquire::Languages=none
        -o APT::Default-Release= -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null)
    "$2" -o APT::Sandbox::User="$(id -un)" "${where[@]}" "${@:3}"
}

# update_lists: reads the indexes of this machine, which only root may do. Another apt, such as Debian's daily one, may hold the lock, for which
# apt-get update does not wait.
update_lists() {
    local i said
    for ((i = 0; i < 60; i++)); do
        if said=$(as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q 2>&1); then
            return
        fi
        printf '%s\n' "$said"
        grep -q 'Could not get lock' <<<"$said" || break
        sleep 10
    done
    return 1
}

# suite_sources SUITE…: these suites of the archive, at the address that scripts/fetch found for this machine, and the security updates of a
# release; apt checks their signatures.
suite_sources() {
    local suite
    for suite; do
        sed -n "s/^deb-src \(.*\) trixie main\$/deb \1 $suite main/p" "$BUILD/apt/sources.list"
        case $suite in bookworm|trixie)
            sed -n "s/^deb-src \(.*\) trixie-security main\$/deb \1 $suite-security main/p" "$BUILD/apt/sources.list" ;;
        esac
    done
}

# read_suite_index FOLDER SUITE…: makes the configuration in FOLDER one of these suites, and reads their indexes anew. If FOLDER is empty, those of
# this machine, which only root may do.
read_suite_index() {
    local private=$1
    if [ -z "$private" ]; then
        update_lists
        return
    fi
    "$ROOT/scripts/fetch" && mkdir -p "$private/state/lists/partial" "$private/cache/archives/partial" || return 1
    suite_sources "${@:2}" >"$private/sources.list"
    suite_apt "$private" apt-get update -q -o APT::Update::Error-Mode=any
}

# why_not_fetched LOG: why apt could not fetch something, on one line, from what it printed: its error, or ours in the same form. Nothing if it was
# for another reason, as a full disk.
why_not_fetched() { grep -E '^(E|run: error): ' "$1" | grep -v 'No space left on device' | head -n 1 | sed 's/^[^:]*: //'; }
