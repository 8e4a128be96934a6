# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests migrate between the two private daemons, or are saved and restored, while somebody cancels, kills a daemon or the client, or changes their
memory; wherever a guest is then, it is there once and all of it."""

import collections
import os
import subprocess
import time

import hvb
import travel

WAYS = ((), ("--p2p",), ("--p2p", "--tunnelled"), ("--p2p", "--parallel"), ("--p2p", "--auto-converge"), ("--compressed",))
POSTCOPY = ("--p2p", "--postcopy", "--postcopy-after-precopy")
LINKS = (30, 100, 400, None)            # MiB/s
ENDS = ("undisturbed", "undisturbed", "cancel", "source daemon", "destination daemon", "client", "postcopy", "save")
FORMATS = ("raw", "sparse", "zstd")
LIMIT = 300                             # seconds for one, on an ordinary machine


class Journeys:
    """What has happened so far to GUESTS, which are Travellers."""

    def __init__(self, dice, hosts):
        self.dice, self.hosts = dice, hosts
        self.done = collections.Counter()
        self.arrived = self.refused = self.twice = self.forgotten = 0

    def one(self, guest, least, most):
        """A guest goes somewhere. Returns the sizes that were requested meanwhile and may count."""
        guest.host.use()
        what = self.dice.choice(ENDS)
        print(f"      {guest.name}: {what}", flush=True)
        self.done[what] += 1
        if what == "save":
            self.save(guest)
            return set()
        before = guest.host
        virsh = self.popen(guest, self.command(guest, what))
        asked = self.request(guest, least, most) if self.dice.random() < 0.5 else None
        self.disturb(guest, what, virsh)
        error = virsh.communicate(timeout=travel.patient(LIMIT))[1].strip()
        self.settle(guest)
        self.arrived += guest.host is not before
        if what in ("undisturbed", "postcopy"):
            assert virsh.returncode == 0, f"{guest.name}, {what}: {error}"
        return self.accepted(asked)

    def command(self, guest, what):
        """virsh migrate by one of the ways."""
        link = self.dice.choice(LINKS)
        way = POSTCOPY if what == "postcopy" else self.dice.choice(WAYS)
        return guest.command(*way, *(["--bandwidth", str(link)] if link else []))

    def popen(self, guest, arguments):
        """A virsh that is not waited for."""
        return subprocess.Popen([guest.host.environ["HVB_VIRSH"], "-q", *map(str, arguments)], env={**os.environ, **guest.host.environ},
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def request(self, guest, least, most):
        """Somebody else changes its memory at a random moment."""
        time.sleep(self.dice.random())
        size = self.dice.randint(least, most)
        return size, self.popen(guest, ["setmem", guest.name, size, "--live"])

    def accepted(self, asked):
        """The sizes that may count; one that was refused must not."""
        if not asked:
            return set()
        size, virsh = asked
        error = virsh.communicate(timeout=travel.patient(LIMIT))[1]
        if "is being migrated" in error:
            self.refused += 1
            return set()
        return {size}

    def disturb(self, guest, what, virsh):
        """After a while, in whatever phase."""
        if what in ("undisturbed", "postcopy"):
            return
        time.sleep(self.dice.random() ** 2 * 6)
        if what == "client":
            virsh.kill()
        elif what == "cancel":
            self.popen(guest, ["domjobabort", guest.name]).communicate()
        else:
            host = guest.host if what == "source daemon" else guest.other()
            if host is not guest.host:
                self.has_qemu(guest, host, virsh)
            host.use()
            hvb.kill_daemon()
            hvb.daemon("start")
            guest.host.use()

    def has_qemu(self, guest, host, virsh):
        """Returns when there is one where it arrives, or it has ended: libvirt never gets rid of a guest whose daemon ends just before that."""
        pid = os.path.join(host.environ["HVB_STATE"], guest.name + ".pid")
        hvb.wait_until(f"{guest.name} has a QEMU", 60, lambda: os.path.exists(pid) or virsh.poll() is not None, every=0.05)

    def save(self, guest):
        """To a file and back."""
        image = os.path.join(guest.host.run, guest.name + ".image")
        try:
            hvb.virsh("save", guest.name, image, "--image-format", self.dice.choice(FORMATS), timeout=LIMIT)
            hvb.virsh("restore", image, timeout=LIMIT)
        finally:
            if os.path.exists(image):
                os.unlink(image)

    def state(self, guest, host):
        """As domstate prints it, empty where it is not known."""
        host.use()
        try:
            return guest.state()
        except hvb.VirshError:
            return ""

    def busy(self, guest):
        """Has libvirt a job with it?"""
        try:
            return "None" not in hvb.virsh("domjobinfo", guest.name)
        except hvb.VirshError:
            # so libvirt says where a guest arrives; or it has just gone
            return True

    def states(self, guest):
        """By host, once libvirt does nothing more on its own; None before."""
        got = {}
        for host in self.hosts:
            got[host] = self.state(guest, host)
            if got[host] in ("running", "paused") and self.busy(guest):
                return None
        return got

    def settled(self, guest):
        """The same, waited for. libvirt forgets a tunnel whose other end has gone before it was open, and the guest that waits for it: that is
        removed."""
        try:
            return hvb.wait_until(f"{guest.name} has no job on either host", 30, lambda: self.states(guest), every=0.5)
        except hvb.Timeout:
            guest.other().use()
            if self.state(guest, guest.other()) != "paused" or not self.busy(guest):
                raise
            self.forgotten += 1
            hvb.virsh("destroy", guest.name)
            return hvb.wait_until(f"{guest.name} has no job on either host", 30, lambda: self.states(guest), every=0.5)

    def settle(self, guest):
        """Finds where it is, and does what an administrator would: what waits beside one that runs goes, what waits alone is resumed."""
        states = self.settled(guest)
        running = [host for host in self.hosts if states[host] == "running"]
        paused = [host for host in self.hosts if states[host] == "paused"]
        if len(running) == 2:
            # libvirt's own rule: if the reply of the destination is lost, the source goes on, and a lock manager has to prevent it
            self.twice += 1
            paused = [running.pop(1 - self.hosts.index(guest.host))]
        assert len(running) == 1 or (not running and len(paused) == 1), f"{guest.name} is nowhere, or twice: {states}"
        if not running:
            running = paused
            paused[0].use()
            hvb.virsh("resume", guest.name)
            paused = []
        for host in paused:
            host.use()
            hvb.virsh("destroy", guest.name)
        guest.is_at(running[0])

    def report(self):
        """One line."""
        done = ", ".join(f"{count} {what}" for what, count in sorted(self.done.items()))
        return (f"{self.done.total()} journeys ({done}), {self.arrived} arrived, {self.refused} requests refused meanwhile, "
                f"{self.twice} left running twice by libvirt, {self.forgotten} forgotten by it")
