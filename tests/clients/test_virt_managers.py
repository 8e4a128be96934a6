# SPDX-License-Identifier: LGPL-2.1-or-later
"""The virt-managers of Debian's releases, 4.1, 5.0 and 5.1, each with its own libvirt: the memory page moves a running and a stopped guest.

./run test virt-manager tries that of this machine's release in more detail. Pictures are left in build/test/clients/RELEASE.
"""

import re

import pytest

import hvb
from hvb import GIB, MIB
from machine import PLUGGED, TREE


def desktop_packages():
    """Those that ./run test virt-manager needs, too."""
    return re.search(r'^DESKTOP="([^"]*)"', (TREE / "scripts" / "packages").read_text(encoding="utf-8"), re.M)[1].split()


@pytest.fixture(name="page")
def memory_page(machine):
    """page(guest, step...): as jobs/virt-manager has it."""
    machine.need(*desktop_packages(), "fonts-dejavu-core")

    def change(guest, *steps):
        try:
            machine.job("virt-manager", guest.name, *steps)
        finally:
            machine.keep_pictures()

    return change


def test_running(guest, page):
    """Within what is plugged, down, and beyond it, which plugs a stick."""
    plugged = PLUGGED // MIB
    page(guest, f"1024,{plugged}", "=1800", f"1800,{plugged}", "=900", f"900,{plugged}")
    guest.wait_at(900 * MIB)
    assert guest.domain().memory == PLUGGED
    page(guest, f"900,{plugged}", "=3584", "3584,3584", "=1024", "1024,3584")
    guest.wait_at(GIB)


def test_stopped(stopped, page):
    page(stopped, "1024,1024", "=2048", "2048,2048", "=1536", "1536,2048")
    stored = hvb.Domain(hvb.virsh("dumpxml", "--inactive", stopped.name))
    assert (stored.memory, stored.current) == (2 * GIB, 1536 * MIB)
