# SPDX-License-Identifier: LGPL-2.1-or-later
"""Snapshots with memory bring back what the guest had, whatever sticks it has when it is reverted."""

import glob
import os
import re
import tempfile

import pytest
from checks import Held, at_rest, consistent, go, no_sticks
from travel import GROWN, SHRUNK, agree, create_image, keeps, with_disk

import hvb
from hvb import GIB, MIB

STICK = "<memory model='haprot'><target insert='now'><size unit='MiB'>128</size></target><alias name='ua-mine'/></memory>"


def scratch(name):
    """A file beside the guests' own."""
    return os.path.join(os.environ["HVB_GUEST_RUN"], name)


@pytest.fixture(scope="module", name="guest")
def a_guest(make_guest):
    """1 GiB, up to 4 GiB, with a disk that can hold a snapshot."""
    image = scratch("hvbt-snap.qcow2")
    create_image(image)
    guest = make_guest("snap", memory=GIB, maximum=4 * GIB, edit=lambda xml: with_disk(xml, image))
    guest.held = Held(guest, 8)
    yield guest
    for name in hvb.virsh("snapshot-list", guest.name, "--name").split():
        hvb.virsh("snapshot-delete", guest.name, name, "--metadata")
    guest.remove()
    # also what libvirt has made, as it reverted the external one
    for file in glob.glob(scratch("hvbt-snap.*")):
        if file != guest.console:
            os.unlink(file)


def taken(guest, kind):
    """Takes a snapshot with a part of the memory released; returns what it has to bring back."""
    go(guest, GROWN)
    hvb.virsh("setmaxmem", guest.name, GROWN + 100 * MIB, "--live")
    guest.setmem(SHRUNK)
    guest.wait_at(SHRUNK)
    before = keeps(guest)
    more = []
    if kind == "external":
        more = ["--memspec", f"file={scratch('hvbt-snap.external.memory')},snapshot=external",
                "--diskspec", f"vda,snapshot=external,file={scratch('hvbt-snap.external.disk')}"]
    hvb.virsh("snapshot-create-as", guest.name, kind, *more, timeout=120)
    agree(guest)
    assert keeps(guest) == before
    consistent(guest)
    return before


def reverted(guest, kind, before):
    """It is again what it was, and is resized."""
    hvb.virsh("snapshot-revert", guest.name, kind, timeout=120)
    agree(guest)
    assert keeps(guest) == before
    guest.held.check()
    consistent(guest)
    at_rest(guest)


def more_sticks(guest):
    """Than the snapshot has."""
    go(guest, 3 * GIB)
    hvb.virsh("setmaxmem", guest.name, 3 * GIB, "--live")


def fewer_sticks(guest):
    """None."""
    hvb.virsh("setmaxmem", guest.name, GIB, "--live")
    guest.setmem(GIB)
    guest.reboot()
    no_sticks(guest)


def other_sticks(guest):
    """A user's, which the guest has all of, and none of the driver's."""
    fewer_sticks(guest)
    with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
        file.write(STICK)
        file.flush()
        hvb.virsh("attach-device", guest.name, file.name, "--live")
    guest.wait_at(GIB + 128 * MIB)


def taken_while_it_moved(guest, kind, xml):
    """From now on the snapshot's definition says another <currentMemory> than what was saved: the guest's memory has no need to stand still
    between the two."""
    text = hvb.virsh("snapshot-dumpxml", guest.name, kind, "--security-info")
    xml.write_text(re.sub("<currentMemory unit='KiB'>[0-9]*<", f"<currentMemory unit='KiB'>{SHRUNK + 5 * MIB}<", text, count=1))
    hvb.virsh("snapshot-delete", guest.name, kind, "--metadata")
    hvb.virsh("snapshot-create", guest.name, xml, "--redefine")


@pytest.mark.parametrize("kind", ["internal", "external"])
def test_a_snapshot_is_reverted_while_other_sticks_run(guest, kind, tmp_path):
    before = taken(guest, kind)
    for run in more_sticks, fewer_sticks, other_sticks:
        run(guest)
        assert sorted(guest.domain().sticks) != before[2], "other sticks"
        reverted(guest, kind, before)
        taken_while_it_moved(guest, kind, tmp_path / "xml")
    go(guest, GROWN)
    guest.held.check()
    hvb.virsh("snapshot-delete", guest.name, kind, *(["--metadata"] if kind == "external" else []))


def test_a_snapshot_that_this_qemu_cannot_run_leaves_the_guest_running(guest, tmp_path):
    """It says so before anything is stopped."""
    taken(guest, "internal")
    xml = tmp_path / "xml"
    xml.write_text(without_mem_haprot(hvb.virsh("snapshot-dumpxml", guest.name, "internal", "--security-info")))
    hvb.virsh("snapshot-create", guest.name, xml, "--redefine")
    go(guest, GROWN)
    before = keeps(guest)
    with pytest.raises(hvb.VirshError, match="cannot take over: it lacks the 'mem-haprot' device"):
        hvb.virsh("snapshot-revert", guest.name, "internal")
    assert guest.state() == "running"
    agree(guest)
    assert keeps(guest) == before
    guest.held.check()
    hvb.virsh("snapshot-delete", guest.name, "internal")


def without_mem_haprot(text):
    """The definition of the running guest in a snapshot is for a QEMU of a distribution."""
    start, end = text.index("<domain "), text.index("</domain>")
    edited = text[start:end].replace("<domain ", "<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0' ", 1)
    return text[:start] + edited + "<qemu:capabilities><qemu:del capability='mem-haprot'/></qemu:capabilities>" + text[end:]
