# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real terminal with one command in it, whose screen tests read and keep."""

import itertools
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))
from speed import patient  # noqa: E402

NUMBERS = itertools.count()
KEEP = ROOT / "build/test/screens"      # copies of screens, to be looked at by people


def environment():
    """With leak detection."""
    return {**os.environ, "LC_ALL": "C.UTF-8", "ASAN_OPTIONS": "detect_leaks=1"}


class Screen:
    """A terminal of tmux's, with one command in it. Variables of ENV are set for it. Each has a server of its own: one whose last terminal has just
    ended may be about to exit."""

    def __init__(self, name, *command, width=100, height=30, env=None):
        self.name, self.socket = name, f"hvbt-{os.getpid()}-{next(NUMBERS)}"
        words = " ".join(f"'{word}'" for word in command)
        sets = " ".join(f"{key}='{value}'" for key, value in (env or {}).items())
        self.tmux("-f", "/dev/null", "new-session", "-d", "-s", name, "-x", str(width), "-y", str(height),
                  f"export LC_ALL=C.UTF-8 ASAN_OPTIONS=detect_leaks=1 {sets}; {words}; echo \"ended: $?\"; sleep 600")

    def tmux(self, *args):
        """One command of it; its output."""
        got = subprocess.run(["tmux", "-u", "-L", self.socket, *args], capture_output=True, text=True, check=False, env=environment())
        assert got.returncode == 0, got.stderr
        return got.stdout

    def keys(self, *keys):
        """Types them."""
        self.tmux("send-keys", "-t", self.name, *keys)

    def resize(self, width, height):
        """Gives the terminal another size."""
        self.tmux("resize-window", "-t", self.name, "-x", str(width), "-y", str(height))

    def text(self, colours=False):
        """What is on it."""
        return self.tmux("capture-pane", "-p", *(["-e"] if colours else []), "-t", self.name)

    def lines(self):
        """The same, line by line: one that did not fit, and went on in the next row, is as long as it was printed."""
        return [line.rstrip() for line in self.tmux("capture-pane", "-p", "-J", "-t", self.name).splitlines()]

    def wait(self, pattern, seconds=30):
        """The screen, once it has PATTERN: in that many seconds of an ordinary machine."""
        end = time.monotonic() + patient(seconds)
        while not re.search(pattern, self.text()):
            assert time.monotonic() < end, f"'{pattern}' is not on the screen, which is\n{self.text()}"
            time.sleep(0.1)
        return self.text()

    def keep(self, name):
        """Stores the screen as an artefact: plain, and with its colours."""
        KEEP.mkdir(parents=True, exist_ok=True)
        (KEEP / f"{name}.txt").write_text(self.text(), encoding="utf-8")
        (KEEP / f"{name}.ansi").write_text(self.text(colours=True), encoding="utf-8")

    def end(self):
        """Ends the command with the terminal."""
        self.tmux("kill-server")
