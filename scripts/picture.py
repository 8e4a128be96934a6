#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes docs/pictures/memory.svg or, with the argument 'balance', balance.svg: what 'virsh-hvmem watch' records of real guests, of one that is moved up
and down while it works, or of three whose memory is automatic while a load wanders between them."""

import contextlib
import os
import subprocess
import sys
import tempfile
import time

import hvb
from hvb import GIB, MIB

ROOT = os.path.dirname(hvb.HERE)
TOOL = os.path.join(ROOT, "build/obj/tools/tools/virsh-hvmem/virsh-hvmem")
PICTURES = os.path.join(ROOT, "docs/pictures")
ENV = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}


@contextlib.contextmanager
def recorded(names, picture, title):
    """What happens meanwhile is recorded and drawn."""
    with tempfile.TemporaryDirectory() as folder:
        recording = os.path.join(folder, "memory.csv")
        with subprocess.Popen([TOOL, "watch", *names, "--interval", "0.5", "--record", recording], env=ENV, stdout=subprocess.DEVNULL) as watch:
            yield
            watch.terminate()
        subprocess.run([TOOL, "plot", recording, "-o", os.path.join(PICTURES, picture), "--title", title], env=ENV, check=True)


@contextlib.contextmanager
def running(*guests):
    """They are up, and gone in the end."""
    for guest in guests:
        guest.remove()
    try:
        for guest in guests:
            guest.define()
            guest.start()
        for guest in guests:
            guest.wait_up()
        yield
    finally:
        for guest in guests:
            guest.remove()


def go(guest, size, rest=6):
    """setmem, then a pause that shows the new size."""
    guest.setmem(size)
    guest.wait_at(size, 120)
    time.sleep(rest)


def one_guest():
    """Grow past boot memory, use it, shrink, grow further than before, reboot, shrink."""
    guest = hvb.Guest("web", memory=GIB, maximum=8 * GIB)
    with running(guest), recorded([guest.name], "memory.svg", "One guest, 1 GiB of boot memory, moved by 'virsh setmem' alone (TCG, no KVM)"):
        time.sleep(5)
        go(guest, 3 * GIB)
        guest.touch(2 * GIB)
        time.sleep(4)
        go(guest, 700 * MIB)
        go(guest, 4 * GIB)
        guest.reboot()
        time.sleep(8)
        go(guest, 1 * GIB)


def works(guest, size):
    """It uses that much more, as fast as it is given, for a while."""
    step = 16 * MIB
    guest.exec(f"for i in $(seq {size // step}); do "
               f"while [ $(sed -n 's/^MemAvailable: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo) -lt {3 * step} ]; do sleep 0.2; done; "
               f"fallocate -l {step}K /tmp/work.$i; done; sleep 10; rm -f /tmp/work.*", 300)


def three_guests():
    """Each in turn uses what the other two do not need."""
    guests = [hvb.Guest(name, memory=GIB, maximum=3 * GIB, vcpus=1) for name in ("mail", "shop", "web")]
    names = [guest.name for guest in guests]
    with running(*guests):
        for guest in guests:
            guest.exec("echo 0 >/sys/module/hv_balloon/parameters/pressure_report_delay")      # it reports at once, and not only after 45 s
            subprocess.run([TOOL, "auto", guest.name, "--minimum", "768MiB"], env=ENV, check=True)
        with subprocess.Popen([TOOL, "balance", "--budget", "4GiB"], env=ENV, stdout=subprocess.DEVNULL) as balance:
            with recorded(names, "balance.svg", "Three guests of up to 3 GiB share 4 GiB by 'virsh-hvmem balance' (TCG, no KVM)"):
                time.sleep(5)
                for guest in (*guests, guests[1]):
                    works(guest, 1800 * MIB)
                    time.sleep(5)
            balance.terminate()


def main():
    hvb.setup()
    {(): one_guest, ("balance",): three_guests}[tuple(sys.argv[1:])]()


if __name__ == "__main__":
    main()
