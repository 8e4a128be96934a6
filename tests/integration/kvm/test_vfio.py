# SPDX-License-Identifier: LGPL-2.1-or-later
"""A PCI device is assigned to the guest, by libvirt: DMA and the processor see the same memory, whatever the balloon and the sticks do.

The device is an NVMe disk of known content. The guest reads it past its page cache: what arrives is what DMA wrote into memory that was released
and returned, or added, a moment ago."""

import os

import pytest
from assigned import DISK, MD5, NEAR, hostdev, locked, read, wait_disk, with_disk
from checks import Held, consistent, no_sticks

import hvb
from hvb import GIB, MIB, mib

BOOT, MAXIMUM = GIB, 4 * GIB

pytestmark = [pytest.mark.long, pytest.mark.skipif(not (DISK and MD5), reason="no NVMe disk to assign: HVB_NVME names its PCI address, HVB_NVME_MD5 "
                                                   "the MD5 of its first 128 MiB")]


@pytest.fixture(scope="module", name="guest")
def a_guest(make_guest):
    """1 GiB, up to 4 GiB, with free page reporting and the disk."""
    return make_guest("vfio", memory=BOOT, maximum=MAXIMUM, reporting=True, edit=with_disk)


def go(guest, size):
    """setmem, and the disk is read while it goes on and when it is done. checks.at_rest() does not hold: boot memory stays with QEMU."""
    guest.setmem(size)
    assert read(guest) == MD5
    guest.wait_at(size, 120)
    assert read(guest) == MD5
    consistent(guest)


def test_it_starts_with_all_of_its_memory_locked(guest):
    assert read(guest) == MD5
    now, limit = locked(guest)
    assert BOOT <= now <= BOOT + NEAR
    assert BOOT <= limit < float("inf"), "libvirt sets a limit, of what is plugged"


def test_boot_memory_is_never_discarded(guest):
    """The device may write to it at any time, whatever the guest has released or reported as free."""
    before = guest.balloon()["counters"]
    rss = guest.rss()
    go(guest, 700 * MIB)
    after = guest.balloon()["counters"]
    assert after["discarded"] == before["discarded"]
    assert after["discard-inhibited"] > before["discard-inhibited"]
    assert guest.rss() >= rss - 16 * MIB
    assert locked(guest)[0] >= BOOT


def test_what_is_added_is_locked_and_what_it_releases_is_not(guest):
    data, before = Held(guest, 2), locked(guest)[1]
    go(guest, 2 * GIB + 512 * MIB)
    top, limit = locked(guest)
    assert 2 * GIB + 512 * MIB <= top + NEAR
    # for whatever is plugged; libvirt never lowers it
    assert limit - before == sum(stick.size for stick in guest.domain().sticks) >= GIB + 512 * MIB
    guest.touch(GIB)
    rss = guest.rss()
    go(guest, 800 * MIB)
    low = locked(guest)[0]
    assert low < top - GIB, f"{mib(low)} of {mib(top)} are still locked"
    assert guest.rss() < rss - 768 * MIB
    data.check()
    go(guest, 2 * GIB)
    assert locked(guest)[0] > low + GIB - 256 * MIB
    data.check()


def test_a_reset_with_the_stick_in_use(guest):
    guest.reboot()
    guest.wait_at(2 * GIB, 120)
    assert read(guest) == MD5
    consistent(guest)
    go(guest, 900 * MIB)
    guest.reboot()
    guest.wait_at(900 * MIB, 120)
    no_sticks(guest)
    assert read(guest) == MD5
    assert locked(guest)[0] <= BOOT + NEAR, "the memory of a stick that is gone is still locked"


def test_unplugged_discards_go_on_and_plugged_they_stop(guest):
    """A stick that the guest has does not keep the disk's memory locked. What the guest had released of boot memory before goes once it is gone."""
    go(guest, GIB + 512 * MIB)
    go(guest, 700 * MIB)
    before, rss = guest.balloon()["counters"]["discarded"], guest.rss()
    path = os.path.join(os.environ["HVB_GUEST_RUN"], guest.name + ".hostdev.xml")
    with open(path, "w", encoding="ascii") as file:
        file.write(hostdev())
    hvb.virsh("detach-device", guest.name, path, "--live")
    hvb.wait_until("the disk is gone", 60, lambda: "<hostdev" not in hvb.virsh("dumpxml", guest.name))
    hvb.wait_until("nothing is locked", 30, lambda: locked(guest)[0] == 0)
    hvb.wait_until(lambda: f"what was released is discarded; {guest.balloon()['counters']}", 60,
                   lambda: guest.balloon()["counters"]["discarded"] > before + 250 * MIB * 1024)
    assert guest.rss() < rss - 200 * MIB
    before = guest.balloon()["counters"]["discarded"]
    guest.setmem(GIB)
    guest.wait_at(GIB, 120)
    guest.setmem(700 * MIB)
    guest.wait_at(700 * MIB, 120)
    assert guest.balloon()["counters"]["discarded"] > before
    data = Held(guest, 2)
    hvb.virsh("attach-device", guest.name, path, "--live")
    wait_disk(guest)
    go(guest, 2 * GIB)
    go(guest, 800 * MIB)
    data.check()
