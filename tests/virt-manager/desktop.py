# SPDX-License-Identifier: LGPL-2.1-or-later
"""A screen without a monitor, and a user's actions on it, by the accessibility interface that screen readers use."""

import contextlib
import os
import subprocess
import tempfile
import time

LIMIT = 60          # seconds that a window or a widget may take to come, on a busy machine
EVERY = 0.2
# What newer versions of the interface call a role.
ALSO = {"push button": "button"}


class Missing(Exception):
    """What should be on the screen is not."""


@contextlib.contextmanager
def screen():
    """An X server and a session bus of their own; programs started meanwhile are on that screen."""
    with contextlib.ExitStack() as stack:
        read, write = os.pipe()
        server = subprocess.Popen(      # pylint: disable=consider-using-with
            ["Xvfb", "-displayfd", str(write), "-screen", "0", "1200x900x24", "-nolisten", "tcp"],
            pass_fds=[write], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        stack.callback(end, server)
        os.close(write)
        with os.fdopen(read) as pipe:
            display = ":" + pipe.readline().strip()
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="hvb-vm-"))
        os.environ.update(DISPLAY=display, HOME=home, GSETTINGS_BACKEND="memory", NO_AT_BRIDGE="0", GDK_BACKEND="x11", LC_ALL="C.UTF-8")
        os.environ.pop("WAYLAND_DISPLAY", None)
        bus = subprocess.Popen(         # pylint: disable=consider-using-with
            ["dbus-daemon", "--session", "--nofork", "--print-address=1"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        stack.callback(end, bus)
        os.environ["DBUS_SESSION_BUS_ADDRESS"] = bus.stdout.readline().strip()
        yield


def end(process):
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def picture(path):
    """What is on the screen, as a PNG file."""
    subprocess.run(["import", "-silent", "-window", "root", path], check=True)


def wait(what, probe, seconds=LIMIT):
    """The first true value of PROBE. Raises Missing."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(at_spi().GLib.Error):       # widgets may vanish meanwhile
            value = probe()
            if value:
                return value
        if time.monotonic() > deadline:
            raise Missing(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(EVERY)


def at_spi():
    """The interface, loaded once there is a bus."""
    import gi       # pylint: disable=import-outside-toplevel
    gi.require_version("Atspi", "2.0")
    from gi.repository import Atspi, GLib       # pylint: disable=import-outside-toplevel
    Atspi.GLib = GLib
    return Atspi


class Widget:
    """Something on the screen."""

    def __init__(self, node):
        self.node = node
        node.clear_cache()

    @staticmethod
    def desktop():
        return Widget(at_spi().get_desktop(0))

    @property
    def name(self):
        return self.node.get_name() or ""

    @property
    def role(self):
        return self.node.get_role_name()

    def children(self):
        for i in range(self.node.get_child_count()):
            child = self.node.get_child_at_index(i)
            if child:
                yield Widget(child)

    def walk(self):
        for child in self.children():
            yield child
            yield from child.walk()

    def state(self, name):
        return self.node.get_state_set().contains(getattr(at_spi().StateType, name))

    def find_all(self, name, role):
        """All widgets of this name and role that are shown."""
        return [w for w in self.walk() if w.role in (role, ALSO.get(role)) and (name is None or w.name == name) and w.state("SHOWING")]

    def find(self, name, role, seconds=LIMIT):
        """The widget of this name and role."""
        return wait(lambda: f"{role} '{name}' in {self.role} '{self.name}'", lambda: self.find_all(name, role), seconds)[0]

    def interface(self, get):
        """What GET has of it. A program that is busy does not answer, and seems to have none meanwhile."""
        return wait(f"'{self.name}' answers", get)

    def press(self):
        """A button."""
        wait(f"'{self.name}' can be pressed", lambda: self.state("SENSITIVE"))
        self.interface(self.node.get_action_iface).do_action(0)

    def select_row(self, name):
        """A row of a list, by the text of one of its cells. A row is a cell with cells in it."""
        def number():
            rows = [w for w in self.children() if w.role == "table cell"]
            return next((i for i, row in enumerate(rows, start=1) if any(cell.name == name for cell in row.walk())), 0)

        self.interface(self.node.get_table_iface).add_row_selection(wait(f"a row '{name}'", number) - 1)

    def number(self):
        """What a spin button shows."""
        return int(self.interface(self.node.get_value_iface).get_current_value())

    def set_number(self, value):
        self.interface(self.node.get_value_iface).set_current_value(value)
        wait(f"'{self.name}' shows {value}", lambda: self.number() == value)
