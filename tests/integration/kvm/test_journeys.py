# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest with two processors on a real KVM migrates while it writes, is saved and restored, and reboots: its state is KVM's own, and so is the log
of what was written."""

import contextlib
import os

import pytest
from checks import go
from travel import GROWN, SHRUNK, keeps, travelled, travelling

import hvb
from hvb import MIB

pytestmark = pytest.mark.long

WRITER = "while :; do head -c 16M /dev/urandom >/tmp/noise; done"


@pytest.fixture(scope="module", name="guest")
def a_guest(hosts):
    with travelling("hvbt-kvm-travel", hosts, accel="kvm") as guest:
        yield guest


@contextlib.contextmanager
def writing(guest):
    """The guest writes to its memory all the time."""
    guest.exec(f"setsid sh -c '{WRITER}' </dev/null >/dev/null 2>&1 & echo $! >/tmp/writer.pid")
    yield
    guest.exec("kill -9 -$(cat /tmp/writer.pid); rm -f /tmp/noise")


def test_migrates_while_it_writes(guest):
    """There with more than boot memory, and back with a part of it released."""
    for size in (GROWN, SHRUNK):
        go(guest, size)
        before = keeps(guest)
        with writing(guest):
            guest.migrate("--persistent", "--undefinesource")
        travelled(guest, before)
    go(guest, GROWN)
    guest.held.check()


def test_saved_and_restored(guest):
    go(guest, GROWN)
    hvb.virsh("setmaxmem", guest.name, GROWN + 100 * MIB, "--live")
    go(guest, SHRUNK)
    before = keeps(guest)
    image = os.path.join(os.environ["HVB_RUN"], "hvbt-kvm.image")
    hvb.virsh("save", guest.name, image, timeout=180)
    hvb.virsh("restore", image, timeout=180)
    os.unlink(image)
    travelled(guest, before)
    go(guest, GROWN)
    guest.held.check()


def test_reboots_again_and_again(guest):
    """Two processors, which the host had mixed up: see docs/kvm.md."""
    guest.held.drop()
    for size in (GROWN, SHRUNK) * 3:
        guest.setmem(size)
        guest.reboot()
        guest.wait_at(size)
