# SPDX-License-Identifier: LGPL-2.1-or-later
"""The guest's driver is unbound and bound, and the machine is reset by the host, on a real KVM: what SynIC and memory slots are like afterwards.

The tests of test_reconnect.py, which run first, leave the guest at 1500 MiB. hv_balloon itself cannot be unloaded: it has no exit function."""

import pytest

pytest.register_assert_rewrite("test_reconnect")
# pylint: disable=wrong-import-position
from test_reconnect import *  # noqa: E402,F401,F403  pylint: disable=wildcard-import,unused-wildcard-import
from test_reconnect import GIB, MIB, at_rest, go, hvb  # noqa: E402

from checks import consistent, no_sticks  # noqa: E402


def reset(guest):
    """With no warning to the guest."""
    before = guest.boot_id()
    hvb.virsh("reset", guest.name)
    guest.wait_boot_after(before)


def test_a_hard_reset_with_the_stick_in_use(guest):
    guest.setmem(1500 * MIB)
    guest.wait_at(1500 * MIB)
    reset(guest)
    guest.wait_at(1500 * MIB)
    consistent(guest)
    at_rest(guest)


@pytest.mark.long
def test_a_hard_reset_while_it_shrinks(guest):
    go(guest, 2 * GIB)
    guest.touch(600 * MIB)
    guest.setmem(900 * MIB)
    reset(guest)
    guest.wait_at(900 * MIB)
    no_sticks(guest)
    consistent(guest)
    at_rest(guest)
