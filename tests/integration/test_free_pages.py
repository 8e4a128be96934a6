# SPDX-License-Identifier: LGPL-2.1-or-later
"""Free page reporting: memory that the guest does not use returns to the host without ballooning."""

import pytest
from checks import at_rest, go

import hvb
from hvb import GIB, MIB, mib

USED = 800 * MIB
# How much more than before QEMU may use after the guest has freed its memory: Linux reports 2 MiB and more at a time.
REST = 200 * MIB
PATIENCE = 60


@pytest.fixture(scope="module", name="guest")
def a_guest(make_guest):
    """1.5 GiB, up to 4 GiB, with free page reporting."""
    return make_guest("report", memory=GIB + GIB // 2, maximum=4 * GIB, reporting=True)


def settled(guest):
    """QEMU's memory when it no longer falls: Linux reports free memory with a delay of two seconds, longer on a busy machine after boot. So
    it must not have fallen for three samples."""
    lowest, quiet = guest.rss(), 0
    while quiet < 3:
        guest.exec("sleep 3")
        now = guest.rss()
        quiet = quiet + 1 if lowest - now <= 4 * MIB else 0
        lowest = min(lowest, now)
    return lowest


def use_and_free(guest, kib):
    """QEMU's memory before and while the guest uses that much."""
    before = settled(guest)
    guest.exec(f"fallocate -l {kib}K /tmp/used", 120)
    used = guest.rss()
    assert used > before + kib * 9 // 10, "the guest's memory was there before it was used"
    guest.exec("rm /tmp/used")
    return before, used


def reported(guest):
    """Bytes that the guest has reported so far."""
    return guest.balloon()["counters"]["reported"]


def wait_fall(guest, limit):
    """Returns when QEMU holds no more than LIMIT."""
    hvb.wait_until(lambda: f"QEMU holds {mib(guest.rss())}, not below {mib(limit)}; {guest.balloon()['counters']}", PATIENCE,
                   lambda: guest.rss() < limit)


def test_idle_memory_goes_back(guest):
    actual, memtotal, start = guest.actual(), guest.memtotal(), reported(guest)
    before, _ = use_and_free(guest, USED)
    wait_fall(guest, before + REST)
    assert reported(guest) - start > (USED - REST) * 1024
    assert (guest.actual(), guest.memtotal()) == (actual, memtotal), "the guest keeps its memory"
    assert guest.balloon()["released"] == 0
    at_rest(guest)


def test_what_is_used_stays(guest):
    guest.exec("dd if=/dev/urandom of=/tmp/kept bs=1M count=150 2>/dev/null", 120)
    digest = guest.exec("md5sum </tmp/kept", 120)
    before, _ = use_and_free(guest, USED)
    wait_fall(guest, before + REST)
    assert guest.exec("md5sum </tmp/kept", 120) == digest
    guest.exec("rm /tmp/kept")


def test_memory_that_was_added_goes_back_too(guest):
    go(guest, 3 * GIB)
    before, _ = use_and_free(guest, USED + GIB // 2)
    wait_fall(guest, before + REST)
    go(guest, GIB)
    go(guest, 3 * GIB)
    guest.touch(USED)
    at_rest(guest)


def test_after_a_reboot_it_does_so_again(guest):
    go(guest, 2 * GIB)
    guest.reboot()
    guest.wait_at(2 * GIB)
    before, _ = use_and_free(guest, USED)
    wait_fall(guest, before + REST)
    assert "Cold memory discard hypercall failed" not in guest.exec("dmesg")


def test_without_the_flag_it_stays(make_guest):
    guest = make_guest("silent", memory=GIB + GIB // 2, maximum=4 * GIB)
    before, used = use_and_free(guest, USED)
    guest.exec("sleep 10")
    assert guest.rss() > used - REST > before + REST, "there is no other way for it to go back"
    assert reported(guest) == 0
