# SPDX-License-Identifier: LGPL-2.1-or-later
"""The guest's driver is unloaded and loaded, and the machine is reset, on a real KVM: what SynIC, memory slots and automatic end of interrupt are
like afterwards."""

import pytest
from checks import Held, at_rest, consistent, go, no_sticks

import hvb
from hvb import GIB, MIB

UNLOAD = "rmmod hv_balloon"
LOAD = "insmod /lib/modules/hv_balloon.ko"


@pytest.fixture(scope="module", name="guest")
def a_guest(make_guest):
    """1 GiB, up to 4 GiB."""
    return make_guest("again", memory=GIB, maximum=4 * GIB)


@pytest.fixture(scope="module", name="data")
def held_data(guest):
    """What no change of size may lose."""
    return Held(guest, 2)


def unload(guest):
    """Returns when the device knows."""
    guest.exec(UNLOAD)
    hvb.wait_until(guest.seen, 20, lambda: guest.balloon()["state"] == "disconnected")


def load(guest):
    """Returns when the device has nothing more to do."""
    guest.exec(LOAD)
    hvb.wait_until(guest.seen, 30, lambda: guest.balloon()["connected"] and guest.resting())


def test_released_pages_stay_released(guest, data):
    go(guest, 2 * GIB)
    go(guest, 800 * MIB)
    released = guest.balloon()["released"]
    unload(guest)
    load(guest)
    assert guest.balloon()["released"] == released
    guest.wait_at(800 * MIB)
    at_rest(guest)
    data.check()


def test_a_request_without_a_driver_is_kept(guest, data):
    unload(guest)
    guest.setmem(1500 * MIB)
    load(guest)
    guest.wait_at(1500 * MIB)
    at_rest(guest)
    data.check()


def test_it_shrinks_as_before(guest, data):
    guest.touch(600 * MIB)
    go(guest, 900 * MIB)
    data.check()
    counters = guest.balloon()["counters"]
    assert [counters[name] for name in ("refused", "malformed", "unexpected", "duplicate-pages")] == [0] * 4, counters


def test_a_hard_reset_with_the_stick_in_use(guest):
    """By the host, with no warning to the guest: the SynIC is as KVM resets it."""
    go(guest, 2 * GIB)
    before = guest.boot_id()
    hvb.virsh("reset", guest.name)
    guest.wait_boot_after(before)
    guest.wait_at(2 * GIB)
    consistent(guest)
    at_rest(guest)


def test_a_hard_reset_while_it_shrinks(guest):
    before = guest.boot_id()
    guest.touch(600 * MIB)
    guest.setmem(900 * MIB)
    hvb.virsh("reset", guest.name)
    guest.wait_boot_after(before)
    guest.wait_at(900 * MIB)
    no_sticks(guest)
    consistent(guest)
    at_rest(guest)
