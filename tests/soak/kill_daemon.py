# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon is killed with -9 at random moments while three guests grow and shrink; each holds memory whose checksum is known.

Now and then everything comes to rest and is checked: no guest has lost a byte or been restarted, definition and QEMU agree, no backend is
without its stick, and the last request that was accepted is remembered and reached.
"""

import os
import random
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "scripts"), os.path.join(HERE, "..", "integration")]
import checks  # noqa: E402
import hvb  # noqa: E402
from hvb import GIB, MIB  # noqa: E402

NAMES = ("a", "b", "c")
MEMORY, MAXIMUM = GIB, 3 * GIB
PARTS, PART = 6, 64 * MIB   # what each guest holds
LEAST = 1000 * MIB          # what it needs for that
KILLS_A_ROUND = 12


class Soak:
    """Three guests, and what is known of them."""

    def __init__(self, seed):
        self.dice = random.Random(seed)
        self.guests = [hvb.Guest("hvbs-" + name, memory=MEMORY, maximum=MAXIMUM) for name in NAMES]
        self.held, self.boots, self.pids, self.wanted = {}, {}, {}, {}
        self.kills = self.requests = self.accepted = self.checks = 0

    def start(self):
        """Guests that are up, have grown past boot memory and hold their data."""
        for guest in self.guests:
            guest.remove()
            guest.define()
            guest.start()
        for guest in self.guests:
            guest.wait_up(180)
            checks.go(guest, 2 * GIB, 180)
            self.held[guest] = checks.Held(guest, PARTS, PART)
            self.boots[guest], self.pids[guest] = guest.boot_id(), guest.pid()
            self.wanted[guest] = {2 * GIB}

    def request(self):
        """virsh setmem of a random guest, not waited for."""
        guest = self.dice.choice(self.guests)
        size = self.dice.randint(LEAST, MAXIMUM)
        self.requests += 1
        return guest, size, subprocess.Popen([os.environ["HVB_VIRSH"], "-q", "setmem", guest.name, str(size), "--live"],
                                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill_once(self):
        """Sends requests, kills the daemon at a random moment, and starts a new one."""
        asked = [self.request() for _ in range(self.dice.randint(1, 3))]
        time.sleep(self.dice.random() ** 2 * 0.6)
        hvb.kill_daemon()
        self.kills += 1
        for guest, size, virsh in asked:
            if virsh.wait() == 0:
                self.accepted += 1
            # A request without a reply may have been executed or not; those sent together may have been executed in any order.
            self.wanted[guest].add(size)
        time.sleep(self.dice.random() * 0.5)
        hvb.daemon("start")

    def verify(self):
        """Waits until everything is at rest, and checks it."""
        for guest in self.guests:
            assert guest.state() == "running" and guest.pid() == self.pids[guest], f"{guest.name} was ended"
            requested = guest.domain().requested
            # A grow that the end of the daemon interrupts may leave the total that was reached.
            assert requested in self.wanted[guest] or requested == guest.domain().memory, \
                f"{guest.name}: {requested} KiB is remembered, requested were {self.wanted[guest]}"
            guest.wait_at(requested, 180)
            checks.consistent(guest)
            checks.at_rest(guest)
            assert guest.boot_id() == self.boots[guest], f"{guest.name} booted"
            self.held[guest].check()
            self.wanted[guest] = {requested}
        # A new request works.
        guest = self.dice.choice(self.guests)
        target = self.dice.randint(LEAST, MAXIMUM)
        checks.go(guest, target, 180)
        self.wanted[guest] = {target}
        self.checks += 1

    def report(self):
        """One line."""
        return f"{self.kills} kills, {self.requests} requests, {self.accepted} of them answered, {self.checks} complete checks"


def main():
    seconds = int(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else int(time.time())
    hvb.setup()
    soak = Soak(seed)
    print(f"==> soak: {seconds} s, seed {seed}", flush=True)
    try:
        soak.start()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for _ in range(KILLS_A_ROUND):
                soak.kill_once()
            soak.verify()
            print(f"    {soak.report()}", flush=True)
    except BaseException:
        print(f"==> soak: failed after {soak.report()}, seed {seed}", flush=True)
        for guest in soak.guests:
            try:
                print(f"    {guest.name}: {guest.seen()}", flush=True)
            except Exception as err:                        # pylint: disable=broad-except
                print(f"    {guest.name}: {err}", flush=True)
        raise
    finally:
        if hvb.daemon_pid() is None:
            hvb.daemon("start")
        if "HVB_KEEP" not in os.environ:
            for guest in soak.guests:
                guest.remove()
    print(f"==> soak: nothing lost, nothing orphaned: {soak.report()}")


if __name__ == "__main__":
    main()
