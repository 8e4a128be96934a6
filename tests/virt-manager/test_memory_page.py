# SPDX-License-Identifier: LGPL-2.1-or-later
"""Debian's own virt-manager, in a window of its own, on the private daemon: its memory page moves a guest up and down.

Pictures of the screen are left in build/test/virt-manager.
"""

import os
import pathlib
import subprocess
import sys

import pytest

TREE = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TREE / "scripts"))
sys.path.insert(0, str(TREE / "tests" / "virt-manager"))
import desktop  # noqa: E402
import hvb  # noqa: E402
from hvb import GIB, MIB  # noqa: E402

NAME = "hvbt-window"
PICTURES = TREE / "build" / "test" / "virt-manager"
CURRENT, MAXIMUM = "Memory Select", "Max Memory Select"       # what the page calls them to screen readers


def client_environment():
    """The distribution's programs use the distribution's library: nothing of ours may be in front of it."""
    mine = ("LD_LIBRARY_PATH", "LIBVIRT_DIR_OVERRIDE", "LIBVIRT_AUTOSTART", "LIBVIRT_DEFAULT_URI")
    return {key: value for key, value in os.environ.items() if key not in mine} | {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


def uri():
    """The private daemon, by its socket."""
    state = pathlib.Path(os.environ["HVB_STATE"])
    kind, sock = ("system", state.parent) if os.geteuid() == 0 else ("session", state.parent.parent)
    return f"qemu+unix:///{kind}?socket={sock / 'virtqemud-sock'}"


class Window:
    """The details of one guest in virt-manager."""

    def __init__(self):
        log = open(PICTURES / "virt-manager.log", "w", encoding="utf-8")    # pylint: disable=consider-using-with
        self.process = subprocess.Popen(        # pylint: disable=consider-using-with
            ["virt-manager", "--no-fork", "--debug", "-c", uri(), "--show-domain-editor", NAME], env=client_environment(),
            stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        app = desktop.wait("virt-manager is on the screen", self.application)
        self.app = app
        self.frame = desktop.wait(
            lambda: "the guest's window; there are " + ", ".join(w.name for w in app.children()),
            lambda: next((w for w in app.children() if w.role == "frame" and NAME in w.name), None))
        self.frame.find("hw-list", "table").select_row("Memory")
        self.current = self.frame.find(CURRENT, "spin button")
        self.maximum = self.frame.find(MAXIMUM, "spin button")

    def application(self):
        assert self.process.poll() is None, "virt-manager ended: " + (PICTURES / "virt-manager.log").read_text(encoding="utf-8")[-2000:]
        return next((w for w in desktop.Widget.desktop().children() if "virt-manager" in w.name), None)

    def numbers(self):
        """MiB: (current allocation, maximum allocation)"""
        return self.current.number(), self.maximum.number()

    def wait_numbers(self, current, maximum):
        desktop.wait(lambda: f"the page shows {current} and {maximum}; it shows {self.numbers()}",
                     lambda: self.numbers() == (current, maximum))

    def apply(self, current):
        """Raises or lowers the current allocation."""
        self.current.set_number(current)
        self.frame.find("config-apply", "push button").press()
        # A question or a complaint would be a window in front.
        others = [w.name for w in self.app.children() if w.role in ("alert", "dialog") and w.state("SHOWING")]
        assert not others, f"virt-manager shows {others}"

    def wait_applied(self):
        """Until there is nothing to apply any more."""
        desktop.wait("the page says that it has been applied",
                     lambda: not self.frame.find("config-apply", "push button").state("SENSITIVE"))


@pytest.fixture(scope="module", name="guest")
def running_guest():
    PICTURES.mkdir(parents=True, exist_ok=True)
    hvb.setup()
    guest = hvb.Guest(NAME, memory=GIB, maximum=4 * GIB)
    guest.remove()
    guest.define()
    guest.start()
    guest.wait_up()
    hvb.wait_until(guest.seen, 30, guest.resting)
    yield guest
    guest.remove()


@pytest.fixture(scope="module", name="window")
def details_window(guest):
    with desktop.screen():
        window = Window()
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
