# SPDX-License-Identifier: LGPL-2.1-or-later
"""A stick takes one memory slot of KVM. Before they run out, the request is refused and nothing was plugged."""

import os
import pathlib
import subprocess

import pytest

import hvb
from hvb import GIB, MIB

SPARE = 3                   # slots beyond those of a guest without sticks
QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"


def few_slots(folder, limit):
    """Edits a domain so that its KVM has LIMIT slots, by a library that is preloaded into QEMU; (edit, the file that says how many are used)."""
    library, in_use = folder / "fewslots.so", folder / "in-use"
    if not library.exists():
        source = pathlib.Path(__file__).with_name("fewslots.c")
        subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o", library, source, "-ldl"], check=True)
    settings = {"LD_PRELOAD": library, "HVB_SLOTS": limit, "HVB_SLOTS_IN_USE": in_use}
    environment = "".join(f"<qemu:env name='{name}' value='{value}'/>" for name, value in settings.items())

    def edit(xml):
        return (xml.replace("<domain ", f"<domain xmlns:qemu='{QEMU}' ", 1)
                .replace("</domain>", f"<qemu:commandline>{environment}</qemu:commandline></domain>"))

    return edit, in_use


def in_qemu(guest):
    """What a request that is refused must not change: sticks and backends."""
    return guest.qmp("query-haprot"), sorted(o["name"] for o in guest.qmp("qom-list", path="/objects"))


def free_slots(guest):
    """As libvirt tells."""
    return int(guest.stats()["balloon.hyperv.free-slots"])


@pytest.fixture(scope="module", name="folder")
def a_folder(tmp_path_factory):
    """Readable for QEMU, whoever it runs as."""
    folder = tmp_path_factory.mktemp("slots")
    os.chmod(folder, 0o755)
    return folder


@pytest.fixture(scope="module", name="limited")
def a_guest(make_guest, folder):
    """(guest, file): 1 GiB, up to 64 GiB, without the guest's driver, so that sticks are plugged at once; SPARE slots are left. It is not waited
    for: slots are QEMU's and KVM's matter."""
    edit, in_use = few_slots(folder, 500)
    first = make_guest("slots", up=False, memory=GIB, maximum=64 * GIB, cmdline="hvb.nomodule", edit=edit)
    used = 500 - free_slots(first)
    assert used == int(in_use.read_text()), "QEMU and KVM count differently"
    first.remove()
    edit, in_use = few_slots(folder, used + SPARE)
    return make_guest("fewslots", up=False, memory=GIB, maximum=64 * GIB, cmdline="hvb.nomodule", edit=edit), in_use


def test_each_stick_takes_one_and_the_next_is_refused(limited):
    guest, in_use = limited
    for left in range(SPARE, 0, -1):
        assert free_slots(guest) == left
        before = int(in_use.read_text())
        guest.setmem(guest.domain().memory + 256 * MIB)
        assert int(in_use.read_text()) == before + 1
    assert free_slots(guest) == 0
    before, requested = in_qemu(guest), guest.domain().requested
    with pytest.raises(hvb.VirshError, match="no memory slot is free for one more stick beside the present 3, KVM"):
        guest.setmem(guest.domain().memory + 256 * MIB)
    assert in_qemu(guest) == before
    assert guest.domain().requested == requested


def test_qemu_refuses_it_too(limited):
    """A client that does not ask libvirt."""
    guest, in_use = limited
    before = int(in_use.read_text())
    guest.qmp("object-add", qom_type="memory-backend-ram", id="mem-extra", size=256 * MIB * 1024)
    with pytest.raises(hvb.VirshError, match="needs a memory slot of KVM"):
        guest.qmp("device_add", driver="mem-haprot", id="extra", memdev="mem-extra")
    guest.qmp("object-del", id="mem-extra")
    assert int(in_use.read_text()) == before
    assert len(guest.qmp("query-haprot")) == SPARE


def test_what_is_removed_gives_its_slot_back(limited):
    guest, in_use = limited
    before = int(in_use.read_text())
    guest.setmem(GIB)
    hvb.wait_until(guest.seen, 20, lambda: not guest.domain().sticks)
    assert free_slots(guest) == SPARE
    assert int(in_use.read_text()) == before - SPARE
