# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest of each kernel migrates there and back, and is saved and restored, with a part of its memory released and a stick."""

import contextlib
import os

import pytest
from checks import Held, go
from conftest import kernel_complaints
from travel import GROWN, SHRUNK, Traveller, keeps, travelled

import hvb
from hvb import GIB

pytestmark = pytest.mark.long


@pytest.fixture(scope="module", name="guest")
def a_guest(hosts, kernel):
    """1 GiB, up to 4 GiB."""
    try:
        guest = Traveller("hvbt-travel-kernel", hosts, memory=GIB, maximum=4 * GIB, vcpus=2, kernel=kernel)
    except hvb.NoKernel as why:
        pytest.skip(str(why))
    guest.remove()
    guest.define()
    guest.start()
    guest.wait_up()
    hvb.wait_until(guest.seen, 30, guest.resting)
    guest.held = Held(guest, 8)
    yield guest
    guest.remove()
    complaints = []
    for host in hosts:
        guest.is_at(host)
        complaints += kernel_complaints(guest)
    hosts[0].use()
    assert not complaints, "the guest's kernel complained"


def test_there_and_back_and_saved(guest):
    for flags in ("--persistent", "--undefinesource"), ("--postcopy", "--postcopy-after-precopy", "--persistent", "--undefinesource"):
        go(guest, GROWN)
        guest.setmem(SHRUNK)
        guest.wait_at(SHRUNK)
        before = keeps(guest)
        guest.migrate(*flags)
        travelled(guest, before)
    image = os.path.join(os.environ["HVB_RUN"], guest.name + ".image")
    try:
        hvb.virsh("save", guest.name, image)
        hvb.virsh("restore", image)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(image)
    travelled(guest, before)
    go(guest, GROWN)
    guest.held.check()
