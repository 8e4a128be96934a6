# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest under KVM reads an assigned NVMe disk without pause while its memory grows and shrinks at random.

Sticks come and go, the disk is unplugged and plugged, the guest reboots and is reset, in the middle of a change or at rest. What DMA wrote is
compared with the MD5 of the disk, what the guest holds in memory with its own; definition and QEMU have to agree, and what is locked in the host
has to follow the size.
"""

import collections
import contextlib
import os
import random
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "scripts"), os.path.join(HERE, "..", "integration"), os.path.join(HERE, "..", "integration", "kvm")]
import assigned  # noqa: E402
import checks  # noqa: E402
import guest_xml  # noqa: E402
import hvb  # noqa: E402
from hvb import GIB, MIB, mib  # noqa: E402

MEMORY, MAXIMUM = GIB, 3 * GIB
LEAST = 700 * MIB           # what the guest needs for its data and for the disk in its page cache
PARTS = 4                   # what it holds, of 16 MiB each
OWN = 256 * MIB             # a stick that is not the driver's
READER = f"""while [ -e /tmp/reading ]; do
  {assigned.READ} >>/tmp/sums 2>>/tmp/sums
done"""
WEIGHTS = {"move": 8, "interrupt": 3, "touch": 2, "stick": 2, "replug": 1, "reboot": 1, "reset": 1}


class Soak:
    """The guest, and what is known of it."""

    def __init__(self, seed):
        self.dice = random.Random(seed)
        options = {"vcpus": 1} if guest_xml.on_emulated_host() else {}
        self.guest = hvb.Guest("hvbs-dma", accel="kvm", memory=MEMORY, maximum=MAXIMUM, reporting=True, **options)
        self.guest.xml = assigned.with_disk(self.guest.xml)
        self.held, self.sticks = None, set()
        self.did = collections.Counter()
        self.last, self.late = "start", False

    # The guest

    def start(self):
        """A guest that is up, holds its data and reads."""
        self.guest.remove()
        self.guest.define()
        self.guest.start()
        self.guest.wait_up(180)
        self.begin()

    def begin(self):
        """After each boot."""
        assigned.wait_disk(self.guest)
        self.held = checks.Held(self.guest, PARTS)
        self.read_on()

    def read_on(self):
        """Reads the disk in the background."""
        self.guest.exec(f"rm -f /tmp/sums; : >/tmp/reading; cat >/tmp/reader <<'END'\n{READER}\nEND\n"
                        "setsid sh /tmp/reader </dev/null >/dev/null 2>&1 & echo $! >/tmp/reader.pid")

    def stop_reading(self):
        """Ends that, after the read that is going on."""
        self.guest.exec("rm -f /tmp/reading; while kill -0 $(cat /tmp/reader.pid) 2>/dev/null; do sleep 0.2; done", 300)
        self.take_sums()

    def take_sums(self):
        """What was read since the last time was right."""
        sums = self.guest.exec("touch /tmp/sums; mv /tmp/sums /tmp/sums.old; cat /tmp/sums.old").splitlines()
        wrong = [line for line in sums if line.split()[0] != assigned.MD5]
        assert not wrong, f"the guest read something else than the disk has: {wrong}"
        self.did["reads"] += len(sums)

    def wanted(self):
        return self.guest.domain().requested or self.guest.domain().current

    def random_size(self):
        return self.dice.randint(LEAST // MIB, MAXIMUM // MIB) * MIB

    # What is done to it

    def move(self):
        size = self.random_size()
        self.last = f"setmem {mib(size)}"
        self.guest.setmem(size)
        self.did["targets"] += 1
        return size

    def interrupt(self):
        """Some targets, each before the last is reached."""
        for _ in range(self.dice.randint(2, 5)):
            self.move()
            time.sleep(self.dice.random() ** 2 * 5)

    def touch(self):
        """Memory that the guest frees again: no more than it has once the target is reached."""
        total, free = self.guest.memtotal(), self.guest.memavailable()
        most = max(min(total, self.wanted()) - (total - free) - 300 * MIB, 16 * MIB)
        self.guest.touch(self.dice.randint(8, most // MIB) * MIB)

    def stick(self):
        """A stick of the user's comes, and goes unless the guest has it."""
        path = os.path.join(os.environ["HVB_GUEST_RUN"], self.guest.name + ".stick.xml")
        with open(path, "w", encoding="ascii") as file:
            file.write(f"<memory model='haprot'><target><size unit='KiB'>{OWN}</size></target><alias name='ua-mine'/></memory>")
        with contextlib.suppress(hvb.VirshError):       # there is one, or no room
            hvb.virsh("attach-device", self.guest.name, path, "--live")
            self.did["own sticks"] += 1
        self.note_sticks()
        time.sleep(self.dice.random() ** 3 * 10)
        with contextlib.suppress(hvb.VirshError):       # the guest has it
            hvb.virsh("detach-device-alias", self.guest.name, "ua-mine", "--live")
        self.note_sticks()

    def replug(self):
        """The disk goes, and comes back once the guest has another size."""
        self.stop_reading()
        path = os.path.join(os.environ["HVB_GUEST_RUN"], self.guest.name + ".hostdev.xml")
        with open(path, "w", encoding="ascii") as file:
            file.write(assigned.hostdev())
        hvb.virsh("detach-device", self.guest.name, path, "--live")
        hvb.wait_until("the disk is gone", 90, lambda: "<hostdev" not in hvb.virsh("dumpxml", self.guest.name))
        hvb.wait_until(lambda: f"nothing is locked without the disk; {mib(assigned.locked(self.guest)[0])} are", 60,
                       lambda: assigned.locked(self.guest)[0] == 0)
        self.move()
        time.sleep(self.dice.random() * 10)
        hvb.virsh("attach-device", self.guest.name, path, "--live", timeout=180)
        assigned.wait_disk(self.guest)
        self.read_on()
        self.did["replugs"] += 1

    def reboot(self):
        """The guest's own, now and then in the middle of a change."""
        if self.dice.random() < 0.5:
            self.move()
        self.take_sums()
        self.guest.reboot(180)
        self.did["reboots"] += 1
        self.begin()

    def reset(self):
        """The machine's, while the disk is being read."""
        before = self.guest.boot_id()
        if self.dice.random() < 0.5:
            self.move()
            time.sleep(self.dice.random() * 3)
        self.take_sums()
        hvb.virsh("reset", self.guest.name)
        self.guest.wait_boot_after(before, 180)
        self.did["resets"] += 1
        self.begin()

    # Checks

    def note_sticks(self):
        """Counts the sticks that went."""
        now = {stick.alias for stick in self.guest.domain().sticks}
        self.did["sticks gone"] += len(self.sticks - now)
        self.did["sticks come"] += len(now - self.sticks)
        self.sticks = now

    def settled(self):
        """Has the guest what was requested, or all that it may have? It stops early where it needs more. One that is late may be slow, as
        this host is: a message that was lost is not answered later either."""
        late = self.guest.balloon()["state"] == "late"
        if late and not self.late:
            self.did["late answers"] += 1
        self.late = late
        return not late and self.guest.resting() and self.guest.domain().current == self.guest.actual()

    def verify(self):
        """At rest, everything agrees."""
        hvb.wait_until(lambda: f"the guest is at rest; {self.guest.seen()}", 300, self.settled)
        self.note_sticks()
        wanted, actual = self.wanted(), self.guest.actual()
        balloon = self.guest.balloon()
        assert checks.near(actual, wanted) or balloon["state"] == "floor" and actual > wanted, f"not at {mib(wanted)}: {self.guest.seen()}"
        checks.consistent(self.guest)
        self.check_locked(balloon, actual)
        self.held.check()
        self.take_sums()
        bad = {name: balloon["counters"][name] for name in ("malformed", "unexpected", "duplicate-pages") if balloon["counters"][name]}
        assert not bad, f"the guest broke the protocol: {bad}"
        self.did["checks"] += 1

    def check_locked(self, balloon, actual):
        """Boot memory is locked, and of sticks what the guest has: at most what it was given."""
        now, limit = assigned.locked(self.guest)
        given = sum(stick["added"] for stick in self.guest.qmp("query-haprot")) // 1024
        boot = balloon["boot"] // 1024
        assert max(boot, actual - assigned.NEAR) <= now <= boot + given + assigned.NEAR, \
            f"{mib(now)} are locked; the guest has {mib(actual)}, and was given {mib(boot + given)}"
        assert now <= limit

    def step(self):
        """Something at random, checked at rest as often as not."""
        what = self.dice.choices(list(WEIGHTS), WEIGHTS.values())[0]
        self.last = what
        getattr(self, what)()
        self.note_sticks()
        if self.dice.random() < 0.5:
            self.verify()

    def report(self):
        """One line."""
        return ", ".join(f"{self.did[name]} {name}" for name in
                         ("targets", "sticks come", "sticks gone", "reboots", "resets", "replugs", "reads", "late answers", "checks"))


def show(guest):
    """What is known of a guest that failed."""
    for what in (guest.seen, guest.balloon, lambda: open(guest.console, encoding="utf-8", errors="replace").read()[-2000:]):
        try:
            print(f"    {guest.name}: {what()}", flush=True)
        except Exception as err:                            # pylint: disable=broad-except
            print(f"    {guest.name}: {err}", flush=True)


def main():
    seconds = int(sys.argv[1])
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else int(time.time())
    hvb.setup()
    soak = Soak(seed)
    print(f"==> soak: an assigned disk, {seconds} s, seed {seed}", flush=True)
    try:
        soak.start()
        began = said = time.monotonic()
        while time.monotonic() < began + seconds:
            soak.step()
            if time.monotonic() > said + 60:
                said = time.monotonic()
                print(f"    {said - began:.0f} s: {soak.report()}", flush=True)
        soak.verify()
        assert soak.did["reads"], "nothing was read"
    except BaseException as err:
        print(f"==> soak: failed after {soak.report()}, seed {seed}, at '{soak.last}': {err}", flush=True)
        if not isinstance(err, KeyboardInterrupt):
            show(soak.guest)
        raise
    finally:
        if "HVB_KEEP" not in os.environ:
            soak.guest.remove()
    print(f"==> soak: nothing lost, nothing left locked: {soak.report()}; {soak.did['reads'] * assigned.SIZE >> 20} MiB by DMA")


if __name__ == "__main__":
    main()
