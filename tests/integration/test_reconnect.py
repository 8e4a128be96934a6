# SPDX-License-Identifier: LGPL-2.1-or-later
"""The guest's driver disconnects and reconnects while the same kernel runs."""

import pytest
from checks import at_rest, go

import hvb
from hvb import GIB, MIB

UNBIND = "cd /sys/bus/vmbus/drivers/hv_balloon; ls -d *-*-* >/tmp/device; cat /tmp/device >unbind"
BIND = "cat /tmp/device >/sys/bus/vmbus/drivers/hv_balloon/bind"


@pytest.fixture(scope="module", name="guest")
def a_guest(make_guest):
    """1 GiB, up to 4 GiB."""
    return make_guest("reconnect", memory=GIB, maximum=4 * GIB)


def rebind(guest):
    """Unloads the driver from its device and loads it again."""
    guest.exec(UNBIND)
    hvb.wait_until(guest.seen, 20, lambda: guest.balloon()["state"] == "disconnected")
    guest.exec(BIND)
    hvb.wait_until(guest.seen, 30, lambda: guest.balloon()["connected"] and guest.resting())


def test_released_pages_stay_released(guest):
    go(guest, 2 * GIB)
    go(guest, 800 * MIB)
    released = guest.balloon()["released"]
    rebind(guest)
    assert guest.balloon()["released"] == released
    guest.wait_at(800 * MIB)
    at_rest(guest)


def test_it_grows_and_shrinks_as_before(guest):
    go(guest, 2 * GIB)
    guest.touch(GIB)
    go(guest, 900 * MIB)
    assert guest.balloon()["counters"]["duplicate-pages"] == 0


def test_a_request_without_a_driver_is_kept(guest):
    guest.exec(UNBIND)
    hvb.wait_until(guest.seen, 20, lambda: guest.balloon()["state"] == "disconnected")
    guest.setmem(1500 * MIB)
    guest.exec(BIND)
    guest.wait_at(1500 * MIB)
    at_rest(guest)
