# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon is killed with -9 at random moments while three guests grow and shrink; each holds memory whose checksum is known. Where there can be a
second daemon, they migrate between the two, and are saved and restored, too (journeys.py).

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
from journeys import Journeys  # noqa: E402
from travel import Traveller  # noqa: E402

NAMES = ("a", "b", "c")
MEMORY, MAXIMUM = GIB, 3 * GIB
PARTS, PART = 6, 64 * MIB   # what each guest holds
LEAST = 1000 * MIB          # what it needs for that
STEPS_A_ROUND = 12
JOURNEYS = 0.4              # of the steps, how many are one


class Soak:
    """Three guests, and what is known of them."""

    def __init__(self, seed, hosts):
        self.dice = random.Random(seed)
        self.guests = [Traveller("hvbs-" + name, hosts, memory=MEMORY, maximum=MAXIMUM) for name in NAMES]
        self.hosts = hosts
        self.journeys = Journeys(self.dice, hosts) if len(hosts) > 1 else None
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

    def request(self, guest):
        """virsh setmem of that guest, not waited for."""
        size = self.dice.randint(LEAST, MAXIMUM)
        self.requests += 1
        return guest, size, subprocess.Popen([os.environ["HVB_VIRSH"], "-q", "setmem", guest.name, str(size), "--live"],
                                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill_once(self):
        """Sends requests to a daemon that has guests, kills it at a random moment, and starts a new one."""
        host = self.dice.choice(self.guests).host
        host.use()
        here = [guest for guest in self.guests if guest.host is host]
        asked = [self.request(self.dice.choice(here)) for _ in range(self.dice.randint(1, 3))]
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

    def journey(self):
        """A guest migrates or is saved, whatever it is just doing, and is checked where it is then."""
        guest = self.dice.choice(self.guests)
        self.wanted[guest] |= self.journeys.one(guest, LEAST, MAXIMUM)
        self.pids[guest] = guest.pid()
        self.same(guest)

    def step(self):
        """One of the two."""
        if self.journeys and self.dice.random() < JOURNEYS:
            self.journey()
        else:
            self.kill_once()

    def same(self, guest):
        """It runs, has not booted, and has all its data; what was requested is what somebody has requested."""
        guest.host.use()
        assert guest.state() == "running" and guest.pid() == self.pids[guest], f"{guest.name} was ended"
        requested = guest.domain().requested
        # A grow that the end of the daemon interrupts may leave the total that was reached.
        assert requested in self.wanted[guest] or requested == guest.domain().memory, \
            f"{guest.name}: {requested} KiB is remembered, requested were {self.wanted[guest]}"
        assert guest.boot_id() == self.boots[guest], f"{guest.name} booted"
        self.held[guest].check()

    def verify(self):
        """Waits until everything is at rest, and checks it."""
        for guest in self.guests:
            guest.host.use()
            requested = guest.domain().requested
            guest.wait_at(requested, 180)
            checks.consistent(guest)
            checks.at_rest(guest)
            self.same(guest)
            self.wanted[guest] = {requested}
        # A new request works.
        guest = self.dice.choice(self.guests)
        guest.host.use()
        target = self.dice.randint(LEAST, MAXIMUM)
        checks.go(guest, target, 180)
        self.wanted[guest] = {target}
        self.checks += 1

    def report(self):
        """One line."""
        text = f"{self.kills} kills, {self.requests} requests, {self.accepted} of them answered, {self.checks} complete checks"
        return text + (f", {self.journeys.report()}" if self.journeys else "")


def two_hosts():
    """The private daemon, and the second one where there can be one."""
    hvb.setup()
    hosts = [hvb.Host()]
    try:
        hosts.append(hvb.Host(second=True))
    except hvb.NoHost as why:
        print(f"    nobody migrates: {why}", flush=True)
    for host in hosts[1:]:
        host.daemon("start")
    return hosts


def end(soak):
    """Both daemons run, and no guest is left."""
    for host in soak.hosts:
        host.use()
        if hvb.daemon_pid() is None:
            hvb.daemon("start")
    if "HVB_KEEP" not in os.environ:
        for guest in soak.guests:
            guest.remove()
        for host in soak.hosts[1:]:
            host.daemon("stop")


def main():
    seconds = int(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else int(time.time())
    soak = Soak(seed, two_hosts())
    print(f"==> soak: {seconds} s, seed {seed}", flush=True)
    try:
        soak.start()
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            for _ in range(STEPS_A_ROUND):
                soak.step()
            soak.verify()
            print(f"    {soak.report()}", flush=True)
    except BaseException:
        print(f"==> soak: failed after {soak.report()}, seed {seed}", flush=True)
        for guest in soak.guests:
            try:
                guest.host.use()
                print(f"    {guest.name}: {guest.seen()}", flush=True)
            except Exception as err:                        # pylint: disable=broad-except
                print(f"    {guest.name}: {err}", flush=True)
        raise
    finally:
        end(soak)
    print(f"==> soak: nothing lost, nothing orphaned: {soak.report()}")


if __name__ == "__main__":
    main()
