# SPDX-License-Identifier: LGPL-2.1-or-later
"""QEMU is killed, the daemon is restarted."""

import pytest
from checks import at_rest, go, no_sticks, reboot_without_daemon

import hvb
from hvb import GIB, MIB


@pytest.fixture(scope="module", name="guest")
def a_guest(make_guest):
    """1 GiB, up to 4 GiB."""
    return make_guest("accident", memory=GIB, maximum=4 * GIB)


def test_daemon_restart_at_rest(guest):
    go(guest, 2 * GIB)
    sticks, requested = guest.domain().sticks, guest.domain().requested
    hvb.restart_daemon()
    assert guest.state() == "running"
    assert guest.domain().sticks == sticks
    assert guest.domain().requested == requested
    at_rest(guest)
    go(guest, 2600 * MIB)
    go(guest, 900 * MIB)


def test_daemon_restart_while_the_guest_grows(guest):
    with hvb.daemon_use(exclusive=True):
        hvb.virsh_alone("setmem", guest.name, 3 * GIB, "--live")
        hvb.daemon("restart")
    guest.wait_at(3 * GIB)
    at_rest(guest)


def test_daemon_away_while_the_guest_reboots(guest):
    go(guest, 800 * MIB)
    guest.wait_boot_after(reboot_without_daemon(guest))
    guest.wait_at(800 * MIB)
    no_sticks(guest)
    at_rest(guest)


def test_killed_and_started_again(guest):
    go(guest, 2 * GIB)
    guest.kill()
    guest.start()
    guest.wait_up()
    assert guest.domain().memory == guest.domain().current == GIB
    assert not guest.domain().sticks
    at_rest(guest)
    go(guest, 2 * GIB)


def test_killed_while_it_grows(guest):
    guest.setmem(4 * GIB)
    guest.kill()
    guest.start()
    guest.wait_up()
    at_rest(guest)
    go(guest, 1500 * MIB)
