# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest whose QEMU runs in libvirt's seccomp sandbox."""

import pathlib

from checks import at_rest, go, no_sticks
from hvb import GIB, MIB


def filters(pid):
    """How the kernel filters each thread of a process: "2" is by a list."""
    return {next(line.split()[1] for line in (task / "status").read_text(encoding="ascii").splitlines() if line.startswith("Seccomp:"))
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir()}


def test_memory_changes_in_the_sandbox(make_guest):
    guest = make_guest("sandbox", memory=GIB, maximum=4 * GIB)
    command = pathlib.Path(f"/proc/{guest.pid()}/cmdline").read_bytes().split(b"\0")
    assert b"on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny" in command
    assert filters(guest.pid()) == {"2"}

    at_rest(guest)
    go(guest, 3 * GIB)
    guest.touch(2 * GIB)
    go(guest, 700 * MIB)
    guest.reboot()
    guest.wait_at(700 * MIB)
    no_sticks(guest)
    assert filters(guest.pid()) == {"2"}
