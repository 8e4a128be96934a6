# SPDX-License-Identifier: LGPL-2.1-or-later
"""Cockpit's machines page as packaged, in Chromium without a screen: its memory dialog moves a running and a stopped guest.

Pictures are left in build/test/clients/RELEASE.
"""

import json

import pytest

import hvb
from hvb import GIB, MIB
from machine import PLUGGED, free_port

PACKAGES = ("cockpit-ws", "cockpit-bridge", "cockpit-machines", "libvirt-dbus", "dbus", "libglib2.0-bin", "chromium", "chromium-driver",
            "python3-selenium", "fonts-dejavu-core")


@pytest.fixture(name="dialog")
def cockpits_dialog(machine):
    """dialog(guest, maximum, current): sets these sizes, in KiB; None leaves the maximum. Returns what was shown before."""
    machine.need(*PACKAGES)

    def change(guest, maximum, current):
        try:
            shown = json.loads(machine.job("cockpit", free_port(), guest.name, maximum // MIB if maximum else "-", current // MIB))
        finally:
            machine.keep_pictures()
        return {key: value * MIB if key != "maximum_enabled" else value for key, value in shown.items()}

    return change


def test_running(guest, dialog):
    """Up to what is plugged, which is more than boot memory; and no further, though the ceiling is higher."""
    shown = dialog(guest, None, 1536 * MIB)
    assert shown == {"current": GIB, "maximum": PLUGGED, "reach": PLUGGED, "maximum_enabled": False}
    guest.wait_at(1536 * MIB, 120)
    dialog(guest, None, 3584 * MIB)
    guest.wait_at(PLUGGED, 180)
    shown = dialog(guest, None, 800 * MIB)
    assert shown["current"] == PLUGGED
    guest.wait_at(800 * MIB, 180)
    assert guest.domain().memory == PLUGGED
    assert hvb.Domain(hvb.virsh("dumpxml", "--inactive", guest.name)).current == 800 * MIB


def sizes(guest):
    """Memory, currentMemory and boot memory of the definition."""
    stored = hvb.Domain(hvb.virsh("dumpxml", "--inactive", guest.name))
    return stored.memory, stored.current, stored.boot


def test_stopped(stopped, dialog):
    shown = dialog(stopped, 2 * GIB, 1536 * MIB)
    assert shown == {"current": GIB, "maximum": GIB, "reach": GIB, "maximum_enabled": True}
    assert sizes(stopped) == (2 * GIB, 1536 * MIB, 2 * GIB)
    dialog(stopped, 768 * MIB, 512 * MIB)
    assert sizes(stopped) == (768 * MIB, 512 * MIB, 768 * MIB)
    hvb.virsh("start", stopped.name, "--paused")
    hvb.virsh("destroy", stopped.name)
