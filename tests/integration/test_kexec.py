# SPDX-License-Identifier: LGPL-2.1-or-later
"""Another kernel is started without a reset, while the guest has a stick and a balloon that reaches into boot memory.

The new kernel takes all boot memory in the firmware's map, including what was released, and may use any part of the stick: the old kernel
put its image and initramfs wherever it had memory. So nothing is moved or discarded before a reset; after a reset all works as usual.
"""

import os
import pathlib
import shutil
import subprocess

import pytest
from checks import at_rest, consistent, go, no_sticks

import hvb
from hvb import GIB, MIB, VirshError

CHUNK = 8                   # MiB; files are written and read in pieces that the guest makes once
HELD = 400                  # MiB in a file of the old kernel's, so that the stick stays in use and boot memory is released
FILLED = 640                # MiB in a file of the new kernel's: more than boot memory had left when the old one ended
LOAD = "hvb-kexec load /boot/kernel /boot/initrd && cat /sys/kernel/kexec_loaded"
KEXEC = "(sleep 1; hvb-kexec go) >/dev/null 2>&1 </dev/null &"      # after the reply to this command


def make_initrd(folder):
    """The usual initrd, and after it an archive with kernel and initrd once more, as files, and the program that starts them."""
    root = folder / "root"
    for name in ("boot", "bin"):
        (root / name).mkdir(parents=True)
    shutil.copy(os.environ["HVB_KERNEL"], root / "boot/kernel")
    shutil.copy(os.environ["HVB_INITRD"], root / "boot/initrd")
    source = pathlib.Path(__file__).with_name("kexec.c")
    subprocess.run(["gcc", "-static", "-O2", "-Wall", "-Wextra", "-Werror", "-o", root / "bin/hvb-kexec", source], check=True)
    names = "".join(f"{path.relative_to(root)}\n" for path in sorted(root.rglob("*")))
    archive = subprocess.run(["cpio", "-o", "-H", "newc", "-R", "0:0", "--quiet"], cwd=root, input=names.encode(),
                             check=True, capture_output=True).stdout
    usual = pathlib.Path(os.environ["HVB_INITRD"]).read_bytes()
    path = folder / "initrd"
    path.write_bytes(usual + bytes(-len(usual) % 4) + archive)      # the kernel looks for an archive at multiples of 4
    return str(path)


def write_file(guest, name, mib):
    """A file in the guest's memory; returns its checksum."""
    guest.exec(f"yes {name} | head -c {CHUNK << 20} >/tmp/chunk", 120)
    guest.exec(f"for i in $(seq {mib // CHUNK}); do cat /tmp/chunk; done >/tmp/{name}", 120)
    assert guest.exec(f"wc -c </tmp/{name}") == str(mib << 20)
    return checksum(guest, name)


def checksum(guest, name):
    """What is in it now."""
    return guest.exec(f"md5sum /tmp/{name}", 120).split()[0]


def request(guest, target):
    """setmem, which is accepted and remembered, but must not move any memory."""
    before = guest.balloon()
    guest.setmem(target)
    hvb.wait_until(guest.seen, 10, lambda: guest.balloon()["target"] == target * 1024)
    assert not guest.exec("sleep 3")        # the guest's time, in which the device would have asked for something
    after = guest.balloon()
    assert after["state"] == "new-kernel"
    for key in ("actual", "released", "in-doubt"):
        assert after[key] == before[key], key
    assert guest.domain().requested == target
    assert guest.domain().current == GIB


@pytest.fixture(scope="module", name="before")
def the_old_kernel(make_guest, tmp_path_factory):
    """The guest's state before the new kernel was started: its QEMU, its MemTotal at 1 GiB, query-hv-balloon and query-haprot."""
    guest = make_guest("kexec", memory=GIB, maximum=4 * GIB, initrd=make_initrd(tmp_path_factory.mktemp("kexec")))
    before = {"guest": guest, "pid": guest.pid(), "memtotal": guest.memtotal()}
    go(guest, 2 * GIB)
    write_file(guest, "held", HELD)
    go(guest, GIB)
    assert guest.exec(LOAD) == "1"
    before |= {"balloon": guest.balloon(), "sticks": guest.qmp("query-haprot")}
    old = guest.boot_id()
    guest.exec(KEXEC)
    guest.wait_boot_after(old)
    hvb.wait_until(guest.seen, 30, lambda: guest.balloon()["connected"] and guest.resting())
    return before


@pytest.fixture(name="guest")
def a_guest(before):
    """1 GiB, up to 4 GiB, with the new kernel in it."""
    return before["guest"]


def test_the_balloon_was_in_boot_memory_too(before):
    stick, = before["sticks"]
    assert stick["state"] == "inuse"
    assert stick["added"] > stick["released"]
    assert before["balloon"]["released"] - stick["released"] > 100 * MIB * 1024


def test_the_driver_connects_again(before, guest):
    balloon = guest.balloon()
    assert guest.pid() == before["pid"], "another QEMU"
    assert guest.state() == "running"
    assert balloon["connected"]
    assert balloon["state"] == "new-kernel"
    assert "kexec" in balloon["last-error"]
    assert balloon["counters"]["resets"] == before["balloon"]["counters"]["resets"]
    assert balloon["counters"]["malformed"] == balloon["counters"]["unexpected"] == 0
    assert not guest.exec("ls -d /bin/hvb-kexec 2>/dev/null || true"), "it is the old kernel's initramfs"


def test_it_has_all_boot_memory_and_no_stick(before, guest):
    balloon, (stick,) = guest.balloon(), guest.qmp("query-haprot")
    assert guest.memtotal() == pytest.approx(before["memtotal"], abs=MIB)
    assert guest.actual() == guest.domain().current == GIB
    assert balloon["actual"] == balloon["boot"] == GIB * 1024
    # The accounting covers only the stick now.
    assert balloon["released"] == stick["released"]
    assert balloon["released"] + balloon["in-doubt"] == stick["added"]
    assert balloon["in-doubt"] > 0
    assert stick["released"] <= before["sticks"][0]["released"]
    consistent(guest)


def test_the_stick_cannot_be_removed(guest):
    stick, = guest.qmp("query-haprot")
    assert stick["state"] == "inuse"
    with pytest.raises(VirshError, match="kexec.*restart the guest"):
        guest.qmp("device_del", id=stick["id"])
    assert guest.qmp("query-haprot") == [stick]


def test_requests_wait_and_memory_keeps_its_contents(before, guest):
    digest = write_file(guest, "filled", FILLED)
    for target in (800 * MIB, 3 * GIB, 1500 * MIB):
        request(guest, target)
    assert checksum(guest, "filled") == digest
    assert guest.balloon()["counters"]["discarded"] == before["balloon"]["counters"]["discarded"], "a page of the new kernel's went"
    consistent(guest)


def test_a_reboot_brings_it_to_its_target(before, guest):
    guest.reboot()
    guest.wait_at(1500 * MIB)
    assert guest.pid() == before["pid"], "another QEMU"
    balloon = guest.balloon()
    assert balloon["state"] == "idle"
    assert balloon["in-doubt"] == balloon["counters"]["malformed"] == 0
    assert balloon["released"] < balloon["alignment"]       # what the last unit of a stick has too much
    assert "last-error" not in balloon
    at_rest(guest)
    consistent(guest)


def test_it_grows_and_shrinks_as_before(guest):
    go(guest, 3 * GIB)
    guest.touch(2 * GIB)
    go(guest, 900 * MIB)
    assert guest.balloon()["counters"]["duplicate-pages"] == 0
    guest.reboot()
    guest.wait_at(900 * MIB)
    no_sticks(guest)
    at_rest(guest)
