# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's own virt-manager, in a window of its own, on the private daemon: its memory page moves a guest up and down.

Pictures of the screen are left in build/test/virt-manager.
"""

import pathlib
import sys

import pytest

TREE = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TREE / "scripts"))
sys.path.insert(0, str(TREE / "tests" / "virt-manager"))
import desktop  # noqa: E402
import hvb  # noqa: E402
from hvb import GIB, MIB  # noqa: E402
from window import Window, client_environment, uri  # noqa: E402

NAME = "hvbt-window"
PICTURES = TREE / "build" / "test" / "virt-manager"


@pytest.fixture(scope="module", name="guest")
def running_guest():
    PICTURES.mkdir(parents=True, exist_ok=True)
    hvb.setup()
    guest = hvb.Guest(NAME, memory=GIB, maximum=4 * GIB)
    guest.begin()
    yield guest
    guest.remove()


@pytest.fixture(scope="module", name="window")
def details_window(guest):
    with desktop.screen():
        window = Window(NAME, uri(), PICTURES / "virt-manager.log", client_environment())
        try:
            yield window
        finally:
            desktop.picture(PICTURES / "last.png")
            desktop.end(window.process)


def inactive(name):
    return hvb.Domain(hvb.virsh("dumpxml", "--inactive", name))


def test_page_shows_the_guest(window):
    window.wait_numbers(1024, 1024)
    desktop.picture(PICTURES / "1-booted.png")


def test_raise_above_boot_memory(guest, window):
    before = guest.memtotal()
    window.apply(2048)
    guest.wait_at(2 * GIB)
    assert abs(guest.memtotal() - before - GIB) <= 16 * MIB
    window.wait_numbers(2048, 2048)
    desktop.picture(PICTURES / "2-grown.png")


def test_lower(guest, window):
    window.apply(700)
    guest.wait_at(700 * MIB)
    window.wait_numbers(700, 2048)
    desktop.picture(PICTURES / "3-shrunk.png")


def test_raise_again_within_what_is_plugged(guest, window):
    window.apply(1500)
    guest.wait_at(1500 * MIB)
    window.wait_numbers(1500, 2048)


def test_after_a_reboot(guest, window):
    guest.reboot()
    guest.wait_at(1500 * MIB)
    memory = guest.domain().memory // MIB
    window.wait_numbers(1500, memory)
    window.apply(1800)
    guest.wait_at(1800 * MIB)
    window.wait_numbers(1800, max(memory, 1800))
    desktop.picture(PICTURES / "4-rebooted.png")


def test_shut_off_guest(guest, window):
    hvb.virsh("destroy", NAME)
    configured = inactive(NAME).current // MIB
    desktop.wait(lambda: f"the page shows the configured {configured}; it shows {window.numbers()}",
                 lambda: window.numbers()[0] == configured)
    window.apply(900)
    hvb.wait_until("the configuration says 900 MiB", 20, lambda: inactive(NAME).current == 900 * MIB)
    window.wait_applied()
    desktop.picture(PICTURES / "5-shut-off.png")
    guest.start()
    guest.wait_up()
    guest.wait_at(900 * MIB)
    window.wait_numbers(900, guest.domain().memory // MIB)
