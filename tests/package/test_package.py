# SPDX-License-Identifier: LGPL-2.1-or-later
"""./run package in a machine that has nothing, and its packages in another one that has the distribution's QEMU and libvirt.

The main job runs on what was installed; after a purge the machine is, file by file, what it was before.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from root import TREE, WORK, Root  # noqa: E402

RELEASES = ("bookworm", "trixie")
PACKAGES = ("hv-balloon-qemu", "hv-balloon-libvirt", "virsh-hvmem")
# The distribution's own, which must not notice anything.
NEIGHBOURS = "python3 libvirt-daemon-system libvirt-clients qemu-system-x86 apparmor bash-completion man-db"
# Without the debug symbols, which are for whoever debugs.
DEBS = "$(ls /mnt/shared/debs/*.deb | grep -v dbgsym)"
# Empty on a new machine, and no package's: dpkg takes such a folder away with the last package that had something in it.
NOBODYS = {"/opt", "/etc/opt", "/var/opt"}
# Where packages of Debian may put something outside their own prefix.
SHARED_PLACES = ("/etc/apparmor.d/", "/usr/bin/virsh-hvmem", "/usr/lib/systemd/system/", "/lib/systemd/system/",
                 "/usr/share/doc/", "/usr/share/man/", "/usr/share/bash-completion/", "/usr/share/lintian/")


def tree_copy(folder):
    """What git knows of this tree, with the edits that are not committed."""
    names = subprocess.run(["git", "-C", TREE, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                           check=True, capture_output=True, text=True).stdout.split("\0")
    for name in filter(None, names):
        if os.path.lexists(TREE / name):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(TREE / name, folder / name, follow_symlinks=False)


def compiler_cache():
    """This user's own, if there is one: what an earlier run compiled need not be compiled again."""
    return os.environ.get("CCACHE_DIR") or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "ccache")


@pytest.fixture(scope="module", name="debs", params=RELEASES)
def built(request):
    """The folder with the packages for one release, built in a machine that has nothing."""
    shared = WORK / f"{request.param}-shared"
    shutil.rmtree(shared, ignore_errors=True)
    shared.mkdir(parents=True)
    root = Root(request.param, "build")
    (shared / "tree").mkdir()
    tree_copy(shared / "tree")
    root.run(f"""
        cp -a /mnt/shared/tree /opt/tree && cd /opt/tree
        ./run package
        mkdir -p /mnt/shared/debs && cp build/package/*.deb /mnt/shared/debs/
        chown -R {os.getuid()}:{os.getgid()} /mnt/shared""", shared=shared, cache=compiler_cache())
    root.remove()
    return request.param, shared


@pytest.fixture(scope="module", name="machine")
def installed(debs):
    """(root, its files before, its files after the packages were installed, the shared folder)"""
    release, shared = debs
    root = Root(release, "clean")
    root.run("apt-get -q -y install " + NEIGHBOURS)
    # What ours depend on is Debian's business, and there before.
    others = [line.split()[1] for line in root.output(f"apt-get -s install {DEBS}", shared=shared).splitlines() if line.startswith("Inst ")]
    root.run("apt-get -q -y install " + " ".join(name for name in others if name not in PACKAGES))
    before = root.files()
    root.run("apt-get -q -y install " + DEBS, shared=shared)
    yield root, before, root.files(), shared
    root.remove()


def test_a_later_commit_is_an_upgrade(debs):
    _, shared = debs
    version = next((shared / "debs").glob("virsh-hvmem_*")).name.split("_")[1]
    assert re.fullmatch(r"\d+\.\d+(\.\d+)?\+git\d{14}\+deb\d+u1", version)


def test_packages_are_built(debs):
    _, shared = debs
    names = sorted(path.name.split("_")[0] for path in (shared / "debs").iterdir())
    assert [name for name in names if not name.endswith("-dbgsym")] == sorted(PACKAGES)


def test_no_file_of_the_distribution_is_touched(machine):
    root, before, after, _ = machine
    changed = {path for path, what in before.items() if after.get(path) != what and not path.startswith("/etc/")}
    assert not changed
    # The accounts, and the links of enabled units, are all that changes in /etc.
    accounts = {"/etc/" + name for name in ("passwd", "shadow", "group", "gshadow")}
    assert {path for path, what in before.items() if after.get(path) != what} <= accounts
    verified = root.output("dpkg --verify || true")
    assert not verified.strip()


def test_everything_is_below_one_prefix(machine):
    _, before, after, _ = machine
    new = set(after) - set(before)
    strays = {path for path in new if not path.startswith(("/opt", "/etc/opt", "/var/opt", "/etc/systemd/", "/var/lib/systemd/", *SHARED_PLACES))}
    assert not strays
    assert "/opt/hv-balloon/sbin/virtqemud" in new


def test_unit_profile_schema_manual_and_completion_are_there(machine):
    root, _, _, _ = machine
    root.run("""
        unit=$(dpkg -L hv-balloon-libvirt | grep '/hv-balloon-virtqemud.service$')
        grep -q /opt/hv-balloon/sbin/virtqemud "$unit"
        apparmor_parser -Q -K /etc/apparmor.d/opt.hv-balloon.virtqemud
        man -w virsh-hvmem
        test -s /usr/share/bash-completion/completions/virsh-hvmem
        dpkg -L hv-balloon-libvirt | grep -q '/domain-hvballoon.rng$'""")


def test_main_job(machine):
    root, _, _, shared = machine
    shutil.copytree(TREE / "scripts", shared / "scripts", dirs_exist_ok=True)
    shutil.copy(TREE / "tests/package/main_job.py", shared)
    for name in ("kernel", "initrd"):
        shutil.copy(TREE / "build/guest" / name, shared / name)
    root.run("mkdir -p /srv/job && cp -a /mnt/shared/scripts /mnt/shared/*.py /mnt/shared/kernel /mnt/shared/initrd /srv/job/; "
             "python3 -B /srv/job/main_job.py; rm -rf /srv/job", shared=shared)


def test_purge_of_one_keeps_the_files_of_the_others(machine):
    root, _, _, _ = machine
    root.run("apt-get -q -y remove " + " ".join(PACKAGES))
    root.run("dpkg --purge hv-balloon-libvirt; test -f /etc/opt/hv-balloon/balance.conf; test ! -e /etc/opt/hv-balloon/libvirt")


def test_purge_leaves_nothing(machine):
    root, before, _, _ = machine
    root.run("apt-get -q -y purge " + " ".join(PACKAGES))
    after = root.files()
    assert {path: what for path, what in after.items() if before.get(path) != what} == {}
    gone = set(before) - set(after)
    assert gone <= NOBODYS
    assert not [path for path in before if os.path.dirname(path) in gone], "what is gone was not empty"
