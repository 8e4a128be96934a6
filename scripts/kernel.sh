# SPDX-License-Identifier: LGPL-2.1-or-later
# Debian's kernels for the test guest: names, packages, and the files that are kept. Sourced after lib.sh and apt.sh.
# shellcheck shell=bash

# The backports of the newest release: they have the newest kernel that Debian offers for a release, and keep one of each series before it.
NEWEST=trixie-backports

# set_kernel NAME: KERNEL, the name; SUITE, in which it is found, empty for this machine's own apt; SERIES, empty for the current one; GUEST, its
# folder.
set_kernel() {
    local release
    # shellcheck disable=SC1091
    release=$(. /etc/os-release && echo "$VERSION_CODENAME")
    KERNEL=$1 SERIES=
    case $KERNEL in
        this) SUITE=$release ;;
        other) SUITE=trixie; [ "$release" != trixie ] || SUITE=bookworm ;;
        newest) SUITE=$NEWEST ;;
        6.1) SUITE=bookworm ;;      # a release keeps its series
        6.12) SUITE=trixie ;;
        *)
            SUITE=$KERNEL
            if [[ $KERNEL =~ ^[0-9]+\.[0-9]+$ ]]; then
                SUITE=$NEWEST SERIES=$KERNEL
            elif [[ " $SUITES " != *" $KERNEL "* ]]; then
                die "no kernel '$KERNEL'" "one of: this other newest $SUITES, or a series: 6.1, 6.12, and those that $NEWEST has, like 6.18"
            fi
            ;;
    esac
    GUEST=$BUILD/guest-$SUITE${SERIES:+-$SERIES}
    [ "$SUITE" != "$release" ] || { SUITE='' GUEST=$BUILD/guest; }
}

# The folder of the suite's private configuration; nothing if it is this machine's own.
kernel_apt_folder() { printf '%s\n' "${SUITE:+$BUILD/apt-kernels/$SUITE}"; }

# kernel_apt TOOL ARGUMENT…: apt of this machine, or over the private configuration of another suite.
kernel_apt() { suite_apt "$(kernel_apt_folder)" "$@"; }

# Reads the index anew. Only root may do so for the machine's own apt.
read_kernel_index() { read_suite_index "$(kernel_apt_folder)" "$SUITE"; }

# Every series that the index has, oldest first.
kernel_series() {
    kernel_apt apt-cache pkgnames linux-image- | sed -n 's/^linux-image-\([0-9]*\.[0-9]*\)\.[^-]*\(-[0-9]*\)\{0,1\}-amd64$/\1/p' | sort -uV
}

# The package of a kernel: the meta package, which names the current one (older ones are removed from the archive), or the last of a series.
kernel_root() {
    if [ -z "$SERIES" ]; then
        echo linux-image-amd64
    else
        kernel_apt apt-cache pkgnames "linux-image-$SERIES." | { grep -E '^linux-image-[^-]*(-[0-9]+)?-amd64$' || true; } | sort -V | tail -n 1
    fi
}

# kernel_version PACKAGE: the version that apt would install; nothing if there is none.
kernel_version() { kernel_apt apt-cache show --no-all-versions "$1" 2>/dev/null | awk '!v && $1 == "Version:" {v = $2} END {print v}'; }

# kernel_packages ROOT VERSION: those among all that ROOT depends on which are of the same build. One package has everything in older kernels; in
# newer ones the image, the modules and the configuration are apart, and what ROOT names is empty. The rest (initramfs-tools, kmod, …) is for
# installing a kernel. "-NAME" is one that the archive does not have: it does not keep all packages of an old kernel.
kernel_packages() {
    local all
    all=$(kernel_apt apt-cache depends --recurse --important "$1" | grep '^linux-' | sort -u)
    # shellcheck disable=SC2086
    kernel_apt apt-cache show --no-all-versions $all 2>/dev/null | awk -v version="$2" -v same=" (= $2)" '
        BEGIN { RS = ""; FS = "\n" }
        {
            split("", field)
            for (i = 1; i <= NF; i++)
                field[substr($i, 1, index($i, ": ") - 1)] = substr($i, index($i, ": ") + 2)
            if (field["Version"] != version)
                next
            have[field["Package"]]
            count = split(field["Pre-Depends"] ", " field["Depends"], depends, ", *")
            for (i = 1; i <= count; i++)
                if (index(depends[i], same)) {
                    sub(" .*", "", depends[i])
                    needed[depends[i]]
                }
        }
        END {
            for (name in have)
                print name
            for (name in needed)
                if (!(name in have))
                    print "-" name
        }'
}

# download_kernel FOLDER: the packages of the kernel into FOLDER/deb, which apt checks against the signed index. FOLDER/package says which kernel
# it is, FOLDER/absent what the archive does not have of it.
download_kernel() {
    local root version packages
    root=$(kernel_root)
    version=${root:+$(kernel_version "$root")}
    if [ -z "$version" ]; then
        echo "E: ${SUITE:-this release} has no kernel ${SERIES:-linux-image-amd64} among: $(kernel_series | xargs)"
        return 1
    fi
    packages=$(kernel_packages "$root" "$version") && mkdir -p "$1/deb" || return 1
    sed -n 's/^-//p' <<<"$packages" | sort >"$1/absent"
    # shellcheck disable=SC2046
    (cd "$1/deb" && kernel_apt apt-get download -q $(grep -v '^-' <<<"$packages")) || return 1
    echo "$root $version" >"$1/package"
}

# fetch_kernel FOLDER: the same with an index that is new, or new enough where it is that of this machine.
fetch_kernel() {
    [ -n "$SUITE" ] || ! download_kernel "$1" || return 0
    echo "reading the package index anew"
    rm -rf "$1/deb"
    read_kernel_index && download_kernel "$1"
}

# unpack_kernel FOLDER: FOLDER/kernel and FOLDER/version, and FOLDER/files, which lists the modules; the packages are thrown away.
unpack_kernel() {
    local deb images
    for deb in "$1/deb"/*.deb; do
        dpkg-deb -x "$deb" "$1/tree" || return 1
    done
    rm -rf "$1/deb"
    # Beside its modules in newer kernels, in /boot before.
    images=$(find "$1/tree" -type f \( -path '*/boot/vmlinuz-*' -o -path '*/lib/modules/*/vmlinuz' \))
    find "$1/tree" -path '*/lib/modules/*' -type f \( -name '*.ko' -o -name '*.ko.*' -o -name modules.builtin \) >"$1/files"
    sed -n 's,.*/lib/modules/\([^/]*\)/modules\.builtin$,\1,p' "$1/files" >"$1/version"
    if [ ! -f "$images" ] || [ "$(wc -l <"$1/version")" != 1 ] || ! grep -qF .ko "$1/files"; then
        [ ! -s "$1/absent" ] || echo "E: the archive has $(cat "$1/package") without $(xargs <"$1/absent")"
        echo "error: $(cat "$1/package") is not one kernel image and its modules: image ${images:-none}, modules of $(xargs <"$1/version")"
        return 1
    fi
    cp "$images" "$1/kernel"
}
