# SPDX-License-Identifier: LGPL-2.1-or-later
"""Trace events of this machine's KVM, by tracefs, in a buffer of their own."""

import contextlib
import os
import pathlib

TRACEFS = pathlib.Path("/sys/kernel/tracing")


class NoTrace(Exception):
    """This user cannot have trace events, and why."""


class Trace:
    """Events of the group kvm from now on. Raises NoTrace."""

    def __init__(self, *events):
        self.folder = TRACEFS / "instances" / f"hvb-{os.getpid()}"
        try:
            self.folder.mkdir()
            for event in events:
                (self.folder / "events/kvm" / event / "enable").write_text("1")
        except OSError as err:
            self.close()
            raise NoTrace(f"{err.filename}: {err.strerror}: trace events need root and tracefs") from err

    def read(self):
        """All that was recorded so far."""
        return (self.folder / "trace").read_text()

    def close(self):
        """Ends the recording."""
        with contextlib.suppress(FileNotFoundError, PermissionError):
            self.folder.rmdir()
