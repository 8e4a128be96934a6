# SPDX-License-Identifier: LGPL-2.1-or-later
"""The same without libvirt: QEMU alone has the disk, the sticks and a limit on locked memory. How much is locked is known to the granule here."""

import os
import sys
import time

import pytest
from assigned import DISK, FIND, MD5, rebind

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench", name) for name in ("vfio", "device")]
import guests  # noqa: E402
from assigned_guest import BOOT, LIMIT, NEAR, Probed  # noqa: E402
import hvb  # noqa: E402
from guests import GIB, MIB  # noqa: E402
from speed import patient  # noqa: E402

STICK = 2 * GIB

pytestmark = pytest.mark.skipif(not (DISK and MD5), reason="no NVMe disk to assign: HVB_NVME names its PCI address, HVB_NVME_MD5 the MD5 of its first 128 MiB")


@pytest.fixture(scope="module", name="guest")
def a_guest():
    """1 GiB and an idle stick of 2 GiB."""
    os.environ.setdefault("HVB_BUILD", os.path.join(hvb.HERE, "..", "build"))
    rebind("vfio-pci")
    try:
        with Probed() as guest:
            guest.plug(0, STICK)
            yield guest
    finally:
        rebind("")


def test_boot_memory_is_locked_and_an_idle_stick_is_not(guest):
    assert guest.read() == MD5
    assert abs(guest.locked() - BOOT) <= NEAR


def test_what_is_locked_follows_what_the_guest_has(guest):
    guest.balloon(2 * GIB)
    assert abs(guest.locked() - 2 * GIB) <= NEAR
    assert guest.read() == MD5
    # Read in the middle of it, too.
    guest.qmp("balloon", value=1300 * MIB)
    assert guest.read() == MD5
    low = guest.balloon(1300 * MIB)["actual"]
    # Boot memory stays, and so does a granule of which the guest has a page.
    assert BOOT <= guest.locked() < 2 * GIB - 64 * MIB
    assert low - NEAR <= guest.locked()
    guest.balloon(2 * GIB)
    assert abs(guest.locked() - 2 * GIB) <= NEAR
    assert guest.read() == MD5


def test_others_are_answered_while_memory_is_mapped(guest):
    """Once it was all mapped in one turn of the engine, and nobody was answered meanwhile. How long others wait is for './run bench vfio'."""
    guest.balloon(BOOT)
    before, start = guest.state()["counters"]["work-calls"], time.monotonic()
    with guest.probed() as prober:
        guest.balloon(BOOT + STICK)
        took, waits = time.monotonic() - start, prober.since()
    turns = guest.state()["counters"]["work-calls"] - before
    print(f"{took:.1f} s in {turns} turns; {len(waits)} commands, the longest {max(waits):.3f} s")
    assert turns > 4
    assert max(waits) < took / 2
    guest.balloon(2 * GIB)


def test_a_limit_on_locked_memory(guest):
    """The guest gets nothing that cannot be locked, and what was locked for it is not any more."""
    guest.may_lock(2 * GIB + 256 * MIB)
    guest.qmp("balloon", value=BOOT + STICK)
    state = guest.rest("the refusal")
    guest.wait("the refusal", patient(LIMIT), lambda: guest.state()["state"] == "refused")
    state = guest.state()
    assert state["actual"] == 2 * GIB
    assert "assigned device" in state["last-error"], state["last-error"]
    guest.wait_locked(2 * GIB)
    assert guest.read() == MD5
    guest.may_lock("unlimited")
    guest.balloon(BOOT + STICK)
    assert abs(guest.locked() - BOOT - STICK) <= NEAR
    assert guest.read() == MD5


def test_a_reset_with_the_stick_in_use(guest):
    """The stick is unused once nothing of it is locked. So removing it then holds nobody up."""
    guest.qmp("system_reset")
    guest.wait("an unused stick", patient(LIMIT), lambda: guest.sticks()[0]["state"] == "unused")
    assert abs(guest.locked() - BOOT) <= NEAR
    guest.unplug(0)
    assert not guest.sticks()
    guest.exec("true", patient(guests.BOOT_LIMIT))
    assert guest.read() == MD5


def test_the_target_is_lowered_while_memory_is_mapped(guest):
    """What was mapped for nothing is not locked for long, nor what the guest has released."""
    guest.plug(1, STICK)
    guest.qmp("balloon", value=BOOT + STICK)
    guest.wait("memory that is being mapped", patient(LIMIT), lambda: guest.locked() > BOOT + 16 * MIB)
    guest.balloon(BOOT)
    given = guest.sticks()[0]["added"] - guest.sticks()[0]["released"]
    guest.wait_locked(BOOT + given)
    assert guest.read() == MD5


def test_the_disk_goes_and_comes(guest):
    guest.qmp("device_del", id="disk0")
    guest.wait("nothing locked", patient(LIMIT), lambda: guest.locked() == 0)
    guest.balloon(BOOT + GIB)
    guest.qmp("device_add", driver="vfio-pci", id="disk0", host=DISK, bus="port0")
    assert abs(guest.locked() - guest.state()["actual"]) <= NEAR
    guest.exec(FIND, patient(LIMIT))
    assert guest.read() == MD5
    guest.balloon(1200 * MIB)
    assert guest.read() == MD5
