# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host whose kernel is older than 6.3: its KVM keeps the guest's free page reports from QEMU, so they are refused, and all else works.

./run test kvm-long starts an emulated host with Linux 6.1 for this file."""

import platform

import pytest
from checks import Held, at_rest, go, no_sticks

import hvb
from hvb import GIB, MIB

# It has a host of its own.
pytestmark = pytest.mark.oldhost


def test_it_is_an_old_kernel():
    assert tuple(map(int, platform.release().split(".")[:2])) < (6, 3)


def test_free_page_reporting_is_refused(make_guest):
    with pytest.raises(hvb.VirshError, match=r"free page reporting \(hv-free-page-reporting\) is not supported by kernel"):
        make_guest("old-report", up=False, memory=512 * MIB, maximum=GIB, reporting=True)


def test_a_guest_without_it_is_resized(make_guest):
    guest = make_guest("old", memory=GIB, maximum=4 * GIB)
    data = Held(guest, 2)
    go(guest, 2 * GIB)
    data.check()
    go(guest, 800 * MIB)
    data.check()
    guest.reboot()
    guest.wait_at(800 * MIB)
    no_sticks(guest)
    at_rest(guest)
