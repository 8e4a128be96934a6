#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes docs/pictures/memory.svg: what 'virsh-hvmem watch' records of one real guest that is moved up and down while it works."""

import os
import subprocess
import tempfile
import time

import hvb
from hvb import GIB, MIB

NAME = "web"
ROOT = os.path.dirname(hvb.HERE)
TOOL = os.path.join(ROOT, "build/obj/tools/tools/virsh-hvmem/virsh-hvmem")
PICTURE = os.path.join(ROOT, "docs/pictures/memory.svg")


def go(guest, size, rest=6):
    """setmem, then a pause that shows the new size."""
    guest.setmem(size)
    guest.wait_at(size, 120)
    time.sleep(rest)


def story(guest):
    """Grow past boot memory, use it, shrink, grow further than before, reboot, shrink."""
    time.sleep(5)
    go(guest, 3 * GIB)
    guest.touch(2 * GIB)
    time.sleep(4)
    go(guest, 700 * MIB)
    go(guest, 4 * GIB)
    guest.reboot()
    time.sleep(8)
    go(guest, 1 * GIB)


def main():
    hvb.setup()
    guest = hvb.Guest(NAME, memory=GIB, maximum=8 * GIB)
    guest.remove()
    env = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    with tempfile.TemporaryDirectory() as folder:
        recording = os.path.join(folder, "memory.csv")
        try:
            guest.define()
            guest.start()
            guest.wait_up()
            with subprocess.Popen([TOOL, "watch", NAME, "--interval", "0.5", "--record", recording], env=env) as watch:
                story(guest)
                watch.terminate()
        finally:
            guest.remove()
        subprocess.run([TOOL, "plot", recording, "-o", PICTURE, "--title",
                        "One guest, 1 GiB of boot memory, moved by 'virsh setmem' alone (TCG, no KVM)"], env=env, check=True)


if __name__ == "__main__":
    main()
