# SPDX-License-Identifier: LGPL-2.1-or-later
"""virt-manager's window with the details of one guest, and where a client of the distribution finds the private daemon."""

import os
import pathlib
import subprocess

import desktop

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

    def __init__(self, name, connection, log, env=None):
        """Of the guest NAME. What virt-manager says goes into the file LOG."""
        self.log = log
        with open(log, "w", encoding="utf-8") as output:
            self.process = subprocess.Popen(        # pylint: disable=consider-using-with
                ["virt-manager", "--no-fork", "--debug", "-c", connection, "--show-domain-editor", name], env=env,
                stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        app = desktop.wait("virt-manager is on the screen", self.application)
        self.app = app
        self.frame = desktop.wait(
            lambda: "the guest's window; there are " + ", ".join(w.name for w in app.children()),
            lambda: next((w for w in app.children() if w.role == "frame" and name in w.name), None))
        self.frame.find("hw-list", "table").select_row("Memory")
        self.current = self.frame.find(CURRENT, "spin button")
        self.maximum = self.frame.find(MAXIMUM, "spin button")

    def application(self):
        assert self.process.poll() is None, "virt-manager ended: " + pathlib.Path(self.log).read_text(encoding="utf-8")[-2000:]
        return next((w for w in desktop.Widget.desktop().children() if "virt-manager" in w.name), None)

    def numbers(self):
        """MiB: (current allocation, maximum allocation)"""
        return self.current.number(), self.maximum.number()

    def wait_numbers(self, current, maximum, seconds=desktop.LIMIT):
        desktop.wait(lambda: f"the page shows {current} and {maximum}; it shows {self.numbers()}",
                     lambda: self.numbers() == (current, maximum), seconds)

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
