# SPDX-License-Identifier: LGPL-2.1-or-later
"""Snapshots with memory bring back what the guest had, whatever sticks it has when it is reverted."""

import glob
import os

import pytest
from checks import Held, at_rest, consistent, go, no_sticks
from travel import GROWN, SHRUNK, agree, create_image, keeps, with_disk

import hvb
from hvb import GIB, MIB


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


@pytest.mark.parametrize("kind", ["internal", "external"])
def test_a_snapshot_is_reverted_while_other_sticks_run(guest, kind):
    before = taken(guest, kind)
    go(guest, 3 * GIB)
    hvb.virsh("setmaxmem", guest.name, 3 * GIB, "--live")
    assert sorted(guest.domain().sticks) != before[2], "other sticks"
    reverted(guest, kind, before)
    if kind == "internal":
        hvb.virsh("setmaxmem", guest.name, GIB, "--live")
        guest.setmem(GIB)
        guest.reboot()
        no_sticks(guest)
        reverted(guest, kind, before)
    go(guest, GROWN)
    guest.held.check()
    hvb.virsh("snapshot-delete", guest.name, kind, *(["--metadata"] if kind == "external" else []))
