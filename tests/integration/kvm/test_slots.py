# SPDX-License-Identifier: LGPL-2.1-or-later
"""A stick takes one memory slot of KVM. Before they run out, the request is refused and nothing was plugged."""

import contextlib
import os
import pathlib
import re
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


@contextlib.contextmanager
def paused(name, edit):
    """A guest of 1 GiB, up to 64 GiB, that has not begun to boot: its firmware would change how many slots it needs. Nothing in it holds a stick,
    so setmem alone adds and removes them."""
    guest = hvb.Guest("hvbt-" + name, accel="kvm", vcpus=1, memory=GIB, maximum=64 * GIB)
    guest.xml = edit(guest.xml)
    guest.remove()
    guest.define()
    try:
        hvb.virsh("start", guest.name, "--paused")
        yield guest
    finally:
        guest.remove()


@pytest.fixture(scope="module", name="limited")
def a_guest(folder):
    """(guest, file): SPARE slots are left."""
    edit, in_use = few_slots(folder, 500)
    with paused("slots", edit) as guest:
        used = 500 - free_slots(guest)
        assert used == int(in_use.read_text()), "QEMU and KVM count differently"
    edit, in_use = few_slots(folder, used + SPARE)
    with paused("fewslots", edit) as guest:
        yield guest, in_use


def attach(guest, folder, number):
    """A stick of the user's, which the driver neither replaces nor removes."""
    path = folder / f"stick{number}.xml"
    path.write_text(f"<memory model='haprot'><target><size unit='MiB'>256</size></target><alias name='ua-mine{number}'/></memory>")
    hvb.virsh("attach-device", guest.name, path, "--live")


def test_each_stick_takes_one_and_the_next_is_refused(limited, folder):
    guest, in_use = limited
    for number in range(SPARE):
        before = int(in_use.read_text())
        assert free_slots(guest) == SPARE - number
        attach(guest, folder, number)
        assert int(in_use.read_text()) == before + 1
    assert free_slots(guest) == 0
    before, requested = in_qemu(guest), guest.domain().requested
    with pytest.raises(hvb.VirshError, match=f"no memory slot is free for one more stick beside the present {SPARE}, KVM"):
        guest.setmem(guest.domain().memory + 256 * MIB)
    with pytest.raises(hvb.VirshError, match="slot"):
        attach(guest, folder, SPARE)
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
    hvb.virsh("detach-device-alias", guest.name, "ua-mine0", "--live")
    hvb.wait_until(guest.seen, 20, lambda: len(guest.domain().sticks) == SPARE - 1)
    assert free_slots(guest) == 1
    assert int(in_use.read_text()) == before - 1
    guest.setmem(guest.domain().memory + 256 * MIB)
    assert free_slots(guest) == 0
    assert int(in_use.read_text()) == before


def with_slots(text, folder, more):
    """A file with this XML, but for the limit, which is changed by MORE."""
    path = folder / f"slots{more}.xml"
    path.write_text(re.sub(r"(name='HVB_SLOTS' value=')(\d+)", lambda found: f"{found[1]}{int(found[2]) + more}", text))
    assert path.read_text() != text
    return path


def test_a_host_with_fewer_slots_refuses_it_and_nothing_is_lost(limited, folder):
    """As a destination would: it is saved, and restored where one slot is missing; then where there are enough."""
    guest, _ = limited
    sticks = sorted(guest.domain().sticks)
    image = folder / "image"
    hvb.virsh("save", guest.name, image, "--paused")
    text = hvb.virsh("save-image-dumpxml", image)
    # by the stick, or, as there are fewer of them while QEMU starts, by KVM itself
    with pytest.raises(hvb.VirshError, match=r"needs a memory slot of KVM, and all \d+ are taken|kvm_alloc_slot: no free slot"):
        hvb.virsh("restore", image, "--xml", with_slots(text, folder, -1))
    assert guest.state() == "shut off"
    hvb.virsh("restore", image, "--paused", "--xml", with_slots(text, folder, 20))
    assert sorted(guest.domain().sticks) == sticks
