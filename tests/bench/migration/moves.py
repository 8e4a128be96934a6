# SPDX-License-Identifier: LGPL-2.1-or-later
"""The same Linux guest with each way to resize memory, migrated from one QEMU to the next: what is sent, how long it takes, what both hosts hold.

Before each migration nearly all of the guest's memory is written to with what does not compress (copies of random data in a file, then removed), and
as much of it is taken out as the way allows. A file that is kept is compared afterwards. Migrations of one guest follow each other: it is migrated to a
new QEMU each time, and the old one ends.
"""
import contextlib
import dataclasses
import itertools
import os
import pathlib
import statistics
import time

import guests
import stream
from guests import MIB, Failed, patient

KEPT = 64                   # MiB of random data that the guest keeps
WRITTEN = 32                # MiB that a guest under write load writes again and again: sent within QEMU's limit of the downtime, so that it ends
PAUSE = 0.1                 # seconds, each time
BANDWIDTH = 1250 * 10 ** 6  # bytes a second: a network of 10 Gbit/s
REST = 3                    # seconds before it is looked whether memory still returns to the host: free page reporting waits for 2
STEADY = 8 * MIB            # what then may change in a second
LIMIT = 300                 # seconds until a migration counts as failed, on an ordinary machine
SETUP = (f"dd if=/dev/urandom of=/tmp/kept bs=1M count={KEPT} 2>/dev/null; dd if=/tmp/kept of=/tmp/load bs=1M count={WRITTEN} 2>/dev/null; "
         "md5sum </tmp/kept")
WRITE = (f"dd if=/tmp/kept of=/tmp/load bs=1M count={WRITTEN} conv=notrunc 2>/dev/null; n=$((n + 1)); echo $n >/tmp/rounds; sleep {PAUSE}")
BEGIN = f": >/tmp/go; (n=0; while [ -e /tmp/go ]; do {WRITE}; done) </dev/null >/dev/null 2>&1 &"
ROUNDS = "cat /tmp/rounds"
END = "rm /tmp/go"


class Traces(guests.NoCounts):
    """Switched on in QEMU, of whose log they are read."""

    arguments = tuple(word for name in stream.TRACED for word in ("-trace", name))


@dataclasses.dataclass(frozen=True)
class Setting(guests.Setting):
    """Of the memory that a guest with hv-balloon has, STICK is in a stick."""

    boot: int = 1536 * MIB
    out: int = 768 * MIB        # what is left is well above where a Linux guest stops
    more: int = 0
    dirty: int = 1088 * MIB
    stick: int = 768 * MIB
    counts: guests.NoCounts = Traces()


class Moving(guests.Guest):
    """What the kinds below share. MINE is a pattern of the names of the device's sections."""

    mine = r"^$"

    def fill(self):
        copies = self.setting.dirty // MIB // KEPT
        self.exec(f"i=0; while [ $i -lt {copies} ]; do cat /tmp/kept; i=$((i + 1)); done >/tmp/f; rm /tmp/f; sync")

    def held(self):
        """Host memory that holds the guest's, in bytes: that of a file counts whether it is mapped or not."""
        if self.setting.backend != "memory-backend-memfd":
            return self.rss()[0]
        total = 0
        for entry in pathlib.Path(f"/proc/{self.qemu.pid}/fd").iterdir():
            if os.readlink(entry).startswith("/memfd:memory-backend"):
                total += entry.stat().st_blocks * 512
        return total

    def settle(self):
        """Until no more memory returns to the host."""
        time.sleep(REST)
        last = self.held()
        for _ in range(30):
            time.sleep(1)
            now = self.held()
            if abs(now - last) <= STEADY:
                break
            last = now
        return now

    def read_log(self):
        return pathlib.Path(self.log.name).read_text(encoding="utf-8", errors="replace")

    def status(self):
        """Of the migration from here: True when it is over."""
        info = self.qmp("query-migrate")
        if info.get("status") in ("failed", "cancelled"):
            raise Failed(f"the migration {info['status']}: {info.get('error-desc', '')}")
        return info.get("status") == "completed"

    def send(self, uri):
        """Migrates it to where something listens, and waits until all is sent."""
        self.qmp("migrate", uri=uri)
        self.wait("the migration", patient(LIMIT), self.status)
        return self.qmp("query-migrate")

    def left_out(self):
        """Bytes that the device says were not sent; None if it says nothing."""
        return None


class HvBalloon(Moving, guests.HvBalloon):
    """Part of its memory is in a stick, as it is after growing."""

    mine = "hv-balloon|vmbus"

    def __init__(self, setting):
        super().__init__(setting)
        self.memory -= setting.stick

    def devices(self):
        return [*super().devices(), *self.object("m0", self.setting.stick), "-device", "mem-haprot,id=h0,memdev=m0"]

    def ready(self):
        super().ready()
        self.wait("the stick", patient(guests.DRIVER_LIMIT), lambda: abs(self.qmp("query-balloon")["actual"] - self.setting.boot) <= 2 * MIB)

    def left_out(self):
        return self.qmp("query-hv-balloon")["migration"]["not-sent"]


class HvBalloonReporting(HvBalloon, guests.HvBalloonReporting):
    pass


class VirtioBalloon(Moving, guests.VirtioBalloon):
    mine = "virtio-balloon"


class VirtioBalloonReporting(Moving, guests.VirtioBalloonReporting):
    mine = "virtio-balloon"


class VirtioBalloonHinting(VirtioBalloon):
    """The guest tells of its free pages while it is migrated."""

    name = "virtio-balloon, free page hinting"

    def devices(self):
        return ["-object", "iothread,id=io0", "-device", "virtio-balloon-pci,id=b0,free-page-hint=on,iothread=io0"]


class VirtioMem(Moving, guests.VirtioMem):
    mine = "virtio-mem"


class Nothing(Moving):
    """It keeps all of its memory."""

    name = "no such device"

    def out(self):
        pass

    def back(self):
        pass


KINDS = (HvBalloon, HvBalloonReporting, VirtioBalloon, VirtioBalloonReporting, VirtioBalloonHinting, VirtioMem, Nothing)
MEMORY = {"anonymous": "memory-backend-ram", "memfd": "memory-backend-memfd"}
LOADS = ("idle", "writing")


def listening(source):
    """The QEMU that SOURCE will be migrated to."""
    destination = type(source)(source.setting)
    destination.start("-incoming", "defer")
    destination.total, destination.md5 = source.total, source.md5
    return destination


def figures_of(info, source, destination):
    """Of a migration that is over."""
    ram = info["ram"]
    log = source.read_log(), destination.read_log()
    took = {"sent": ram["transferred"], "normal": ram["normal"], "zero": ram["duplicate"], "looked-at": ram["normal"] + ram["duplicate"],
            "syncs": ram["dirty-sync-count"], "seconds": info["total-time"] / 1000, "downtime": info["downtime"] / 1000,
            "device": sum(stream.seconds(text, source.mine) for text in log), "left-out": source.left_out(), "state": stream.state_bytes(log[0])}
    return {key: value for key, value in took.items() if value is not None}


def check(guest, rounds):
    """Nothing was lost, and what was written went on being written."""
    if rounds is not None:
        guest.wait("the guest's writing", patient(guests.DRIVER_LIMIT), lambda: int(guest.exec(ROUNDS)) > rounds)
        guest.exec(END)
    if guest.exec("md5sum </tmp/kept") != guest.md5:
        raise Failed("the guest's memory has changed")


def move(source, load):
    """(the destination, figures). The source has ended."""
    rounds = None
    destination = listening(source)
    try:
        took = {"source-before": source.settle(), "destination-before": destination.held()}
        source.qmp("migrate-set-parameters", **{"max-bandwidth": BANDWIDTH})
        uri = f"unix:{destination.folder.name}/migration"
        destination.qmp("migrate-incoming", uri=uri)
        if load == "writing":
            source.exec(BEGIN)
            source.wait("the guest's writing", patient(guests.DRIVER_LIMIT), lambda: int(source.exec(f"{ROUNDS} || echo 0")) > 1)
            rounds = int(source.exec(ROUNDS))
        info = source.send(uri)
        destination.wait("the destination", patient(LIMIT), lambda: destination.qmp("query-status")["status"] == "running")
        took |= figures_of(info, source, destination)
        took |= {"source-after": source.held(), "destination-after": destination.settle()}
        check(destination, rounds)
    except BaseException:
        destination.__exit__()
        raise
    source.__exit__()
    return destination, took


def section_sizes(guest):
    """{section: bytes} of its device. The guest ends: nobody takes what is sent but the stream's end."""
    if guest.mine == Moving.mine:
        return {}
    tail = pathlib.Path(guest.folder.name) / "tail"
    guest.qmp("migrate-set-parameters", **{"max-bandwidth": 2 ** 40})
    guest.send(f"exec:tail -c {stream.TAIL} >{tail}")
    return stream.sizes(tail.read_bytes(), guest.mine)


def say_move(guest, case, took, say):
    say(f"{guest.name}: {case}: {took['sent'] / MIB:.0f} MiB sent, {took['looked-at']} pages looked at ({took['zero']} zero), {took['seconds']:.2f} s, "
        f"down {took['downtime'] * 1000:.0f} ms, device {took['device'] * 1e6:.0f} us; source {took['source-before'] // MIB} -> "
        f"{took['source-after'] // MIB} MiB, destination {took['destination-before'] // MIB} -> {took['destination-after'] // MIB} MiB")


def medians(passes):
    return {key: statistics.median(took[key] for took in passes) for key in passes[0]}


def measure(kind, memory, loads, passes, say, setting):
    """({case: figures}, {section: bytes}) of one way."""
    took = {f"{memory}, {load}": [] for load in loads}
    guest = kind(dataclasses.replace(setting, backend=MEMORY[memory])).__enter__()
    try:
        guest.md5 = guest.exec(SETUP)
        for number in range(passes):
            for load in loads:
                if any(took.values()):
                    guest.back()
                guest.fill()
                guest.out()
                guest, figures = move(guest, load)
                took[f"{memory}, {load}"].append(figures)
                say_move(guest, f"{memory}, {load}", figures, say)
        return {case: medians(figures) for case, figures in took.items()}, section_sizes(guest)
    finally:
        guest.__exit__()


def run(passes, kinds=KINDS, memories=tuple(MEMORY), loads=LOADS, say=print, setting=Setting()):
    """({name: {case: figures}}, {name: {section: bytes}}); a way that fails is reported and left out."""
    results, sections = {}, {}
    with contextlib.suppress(KeyboardInterrupt):        # what is finished is reported
        for memory, kind in itertools.product(memories, kinds):
            try:
                cases, sections[kind.name] = measure(kind, memory, loads, passes, say, setting)
                results.setdefault(kind.name, {}).update(cases)
            except (Failed, guests.guest_exec.GuestError) as err:
                say(f"{kind.name}: {memory}: no result: {err}")
    return results, sections
