# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a kernel does by default with added memory: some bring it online, others leave that to the guest's administrator. Here the kernel command
line does not set it."""

import pytest
from checks import go, near

import hvb
from hvb import GIB, MIB


@pytest.fixture(scope="module", name="guest")
def a_guest(make_guest, kernel):
    """1 GiB, up to 4 GiB."""
    guest = make_guest("onlines-" + kernel, release=kernel, maximum=4 * GIB, edit=lambda xml: xml.replace(" memhp_default_state=online", ""))
    yield guest
    guest.remove()          # there may be many kernels


def test_added_memory_is_used_or_reported_as_not_onlined(guest, record_property):
    assert "memhp_default_state" not in guest.exec("cat /proc/cmdline")
    by_itself = guest.exec("cat /sys/devices/system/memory/auto_online_blocks")
    # scripts/kernel-table reads these.
    record_property("version", guest.exec("uname -r"))
    record_property("onlines", {"online": "yes", "offline": "no"}.get(by_itself, by_itself))
    assert by_itself in ("online", "offline"), "the documentation knows these two only"
    before = guest.memtotal()
    if by_itself == "offline":
        guest.setmem(2 * GIB)
        hvb.wait_until(guest.seen, 120, lambda: guest.balloon()["state"] == "not-onlined")
        assert guest.domain().current < 2 * GIB and guest.memtotal() == before
    else:
        go(guest, 2 * GIB)
        assert near(guest.memtotal() - before, GIB)
        # What came online as movable memory would stay.
        go(guest, 800 * MIB)
