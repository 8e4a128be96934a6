# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian machines in a folder each, made by debootstrap and entered by chroot.

What runs in one has its own mounts and process ids, and ends with the command that it was started for.
"""

import os
import pathlib
import shlex
import shutil
import subprocess

TREE = pathlib.Path(__file__).resolve().parents[1]
WORK = TREE / "build" / "package-test"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# Change at any time, and belong to no package.
VOLATILE = ("dev", "proc", "sys", "run", "tmp", "var/cache", "var/log", "var/lib/apt", "var/lib/dpkg", "var/tmp", "root", "mnt")
# Caches that package managers write anew whenever anything is installed or removed, and numbers that stay given out.
CACHES = ("etc/ld.so.cache", "etc/passwd-", "etc/shadow-", "etc/group-", "etc/gshadow-", "etc/.pwd.lock")
ENTER = """
set -e
mount --make-rprivate /
mount --rbind /dev "$0/dev"
mount -t proc proc "$0/proc"
mount -t sysfs -o ro sysfs "$0/sys"
mount -t tmpfs -o mode=755 tmpfs "$0/run"
mount -t tmpfs -o mode=1777 tmpfs "$0/tmp"
if [ -n "$CACHE" ]; then mkdir -p "$0/mnt/ccache"; mount --bind "$CACHE" "$0/mnt/ccache"; fi
if [ -n "$SHARED" ]; then mkdir -p "$0/mnt/shared"; mount --bind "$SHARED" "$0/mnt/shared"; fi
if [ -n "$LIBVIRT" ]; then
    mkdir -p "$0/run/private" "$0/run/libvirt"
    mount --bind "$LIBVIRT" "$0/run/private"
    for kind in sock sock-ro; do
        for name in virtqemud libvirt; do ln -s "/run/private/virtqemud-$kind" "$0/run/libvirt/$name-$kind"; done
    done
fi
exec chroot "$0" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb \
    LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive CCACHE_DIR=/mnt/ccache /bin/bash -ec "$1"
"""


def as_root(*argv, **options):
    """Runs a command as root; its output goes into what pytest shows of a failure."""
    sudo = [] if os.geteuid() == 0 else ["sudo", "--preserve-env=CACHE,SHARED,LIBVIRT"]
    return subprocess.run([*sudo, *map(str, argv)], check=True, text=True, **options)


def archive():
    """The address of the Debian archive that this machine's own apt uses."""
    text = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(ORIGIN)", "Created-By: Packages"],
                          check=True, capture_output=True, text=True).stdout
    return next(line.split()[0] for line in text.splitlines() if "security" not in line)


def check_valid_until():
    """Does this machine's apt take indexes only for as long as they say? A mirror that is a snapshot has older ones."""
    text = subprocess.run(["apt-config", "shell", "CHECK", "Acquire::Check-Valid-Until/b"], check=True, capture_output=True, text=True).stdout
    return "false" not in text


def fresh(release):
    """A tar file of a machine with nothing installed, made once."""
    tar = WORK / f"{release}.tar"
    if not tar.exists():
        WORK.mkdir(parents=True, exist_ok=True)
        unfinished = tar.with_suffix(".new")
        as_root("debootstrap", "--variant=minbase", "--include=ca-certificates", "--keyring=" + KEYRING, release, unfinished, archive(),
                stdout=subprocess.DEVNULL)
        as_root("tar", "-C", unfinished, "-cf", tar, ".")
        as_root("rm", "-rf", "--one-file-system", unfinished)
    return tar


class Root:
    """One machine, new."""

    def __init__(self, release, name):
        self.release = release
        self.path = WORK / f"{release}-{name}"
        self.remove()
        self.path.mkdir(parents=True)
        as_root("tar", "-C", self.path, "-xf", fresh(release))
        shutil.copy("/etc/resolv.conf", WORK / "resolv.conf")
        as_root("cp", WORK / "resolv.conf", self.path / "etc/resolv.conf")
        settings = ['APT::Install-Recommends "false";', 'Acquire::Retries "3";']
        if not check_valid_until():
            settings.append('Acquire::Check-Valid-Until "false";')
        self.run(f"printf '%s\\n' {shlex.join(settings)} >/etc/apt/apt.conf.d/90test; apt-get -q update")

    def remove(self):
        if self.path.exists():
            as_root("rm", "-rf", "--one-file-system", self.path)

    def run(self, script, shared="", cache="", libvirt="", **options):
        """A bash script in there, as root. SHARED, a folder of ours, is its /mnt/shared; CACHE its compiler cache. In LIBVIRT are a virtqemud's
        sockets, which are then where clients look for those of the system's daemon, of one that is modular or not."""
        env = {**os.environ, "SHARED": str(shared), "CACHE": str(cache), "LIBVIRT": str(libvirt)}
        return as_root("unshare", "--mount", "--pid", "--fork", "--kill-child", "/bin/bash", "-c", ENTER, self.path, script,
                       env=env, stdin=subprocess.DEVNULL, **options)

    def output(self, script, **options):
        return self.run(script, stdout=subprocess.PIPE, **options).stdout

    def files(self):
        """What is there: path -> what kind of file, whose, and what it says. Without what changes by itself."""
        text = self.output(f"python3 /dev/fd/3 {shlex.join((*VOLATILE, '--', *CACHES))} 3<<'PY'\n{LIST}\nPY")
        return dict(line.rsplit("\t", 1) for line in text.splitlines())


# Runs in there: what only root may read is compared too.
LIST = """
import hashlib, os, stat, sys
cut = sys.argv.index("--")
skip, caches = {"/" + p for p in sys.argv[1:cut]}, {"/" + p for p in sys.argv[cut + 1:]}
for top, folders, names in os.walk("/"):
    folders[:] = [f for f in folders if os.path.join(top, f) not in skip and f != "__pycache__"]
    for name in folders + names:
        path = os.path.join(top, name)
        info = os.lstat(path)
        if path in caches:
            continue
        what = f"{stat.filemode(info.st_mode)} {info.st_uid}:{info.st_gid}"
        if stat.S_ISLNK(info.st_mode):
            what += " " + os.readlink(path)
        elif stat.S_ISREG(info.st_mode):
            with open(path, "rb") as file:
                what += " " + hashlib.file_digest(file, "sha256").hexdigest()
        print(path + "\\t" + what)
"""
