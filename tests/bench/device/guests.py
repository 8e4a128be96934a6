# SPDX-License-Identifier: LGPL-2.1-or-later
"""The same Linux guest with each way to resize memory: the cost of taking most of it out, putting it back, and adding more.

Before memory goes out, nearly all of it is written to (a file in its memory, then removed), so that the host really has something to take
back. A step ends when QEMU says so and the guest's own MemTotal agrees. CPU time and resident memory are the QEMU process's. How large the
guests are, and what runs them, is a Setting.
"""
import contextlib
import dataclasses
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "scripts"))
import guest_exec  # noqa: E402
from speed import patient  # noqa: E402

MIB, GIB = 2 ** 20, 2 ** 30
NEAR = 32 * MIB             # what MemTotal may be off: page tables, rounding
LOOK = 0.05                 # seconds between two looks of the guest at its MemTotal
SETTLE = 2                  # seconds after which what was freed is no longer resident
LIMIT = 300                 # seconds until a step counts as failed, as the next two on an ordinary machine
BOOT_LIMIT = 120
DRIVER_LIMIT = 60
TICK = os.sysconf("SC_CLK_TCK")
LEAST = 1 / TICK            # seconds that a step takes
LEVELS = ("ram", "rss", "slots")


class Failed(Exception):
    """A step did not end in time; the text has the last state."""


class Qmp:
    """One connection; events are ignored."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)
        self.file = self.sock.makefile("rw", encoding="utf-8")
        self.file.readline()
        self("qmp_capabilities")

    def __call__(self, command, **arguments):
        self.file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.file.flush()
        while True:
            reply = json.loads(self.file.readline())
            if "error" in reply:
                raise Failed(f"{command}: {reply['error']['desc']}")
            if "return" in reply:
                return reply["return"]


class NoCounts:
    """What a Setting counts in each step: nothing. Others have the same methods."""

    arguments = ()              # more arguments of QEMU

    def attach(self, guest):
        """GUEST is up."""

    def detach(self):
        """It ends."""

    def read(self):
        """{name: count up to now}: a step gets what it added."""
        return {}

    def levels(self):
        """{name: number now}: a step gets what it left."""
        return {}


@dataclasses.dataclass(frozen=True)
class Setting:
    """How large the guests are, in bytes, and what runs them."""

    boot: int = 6 * GIB
    out: int = 5 * GIB
    more: int = 2 * GIB
    dirty: int = 4800 * MIB
    accel: str = "tcg,thread=multi"
    cpu: str = "max"
    vcpus: int = 2
    backend: str = "memory-backend-ram"
    calls: int = 0              # steps that do nothing, before the others: what they take at least is subtracted from each
    counts: NoCounts = NoCounts()


class Guest:
    """One QEMU with one way to resize memory."""

    name, online, cpu_flags, cmdline, most = "", "online", "", "", 16 * GIB
    through = ()                # the command that starts QEMU, if another does

    def __init__(self, setting=Setting()):
        self.setting = setting
        self.memory = setting.boot      # without what is plugged
        self.asking = {"seconds": 0, "cpu": 0, "host": 0}
        self.noise = dict(self.asking)

    def emulator(self):
        return pathlib.Path(os.environ["HVB_BUILD"]) / "obj/qemu/qemu-system-x86_64"

    def devices(self):
        """Arguments of QEMU for this way."""
        return []

    def ready(self):
        """Setup after the boot."""

    def object(self, name, size):
        """Arguments of QEMU for a memory backend."""
        return ["-object", f"{self.setting.backend},id={name},size={size}"]

    def start(self, *more):
        """QEMU, with MORE arguments, and its sockets."""
        self.folder = tempfile.TemporaryDirectory(prefix="hvb-")
        build = pathlib.Path(os.environ["HVB_BUILD"])
        sock = {name: os.path.join(self.folder.name, name) for name in ("qmp", "agent")}
        self.agent = sock["agent"]
        argv = [*self.through, self.emulator(), "-nodefaults", "-display", "none", "-name", "bench,debug-threads=on",
                "-accel", self.setting.accel, "-smp", str(self.setting.vcpus), "-machine", "q35,memory-backend=boot",
                *self.object("boot", self.memory),
                "-cpu", f"{self.setting.cpu},hv-vpindex,hv-synic,hv-time,hv-relaxed{self.cpu_flags}", "-global", "ICH9-LPC.disable_s4=1",
                "-m", f"{self.memory // MIB}M,maxmem={self.most // MIB}M,slots=4",
                "-kernel", build / "guest/kernel", "-initrd", build / "guest/initrd",
                "-append", f"console=ttyS0 quiet panic=-1 memhp_default_state={self.online} {self.cmdline}", "-serial", "null",
                "-chardev", f"socket,id=agent,path={sock['agent']},server=on,wait=off", "-serial", "chardev:agent",
                "-qmp", f"unix:{sock['qmp']},server=on,wait=off", *self.setting.counts.arguments, *self.devices(), *more]
        self.log = open(os.path.join(self.folder.name, "log"), "w+", encoding="utf-8")
        self.qemu = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        try:
            self.wait("QEMU", patient(20), lambda: os.path.exists(sock["qmp"]) and os.path.exists(sock["agent"]))
            self.qmp = Qmp(sock["qmp"])
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self):
        self.start()
        try:
            self.exec("true", patient(BOOT_LIMIT))
            self.setting.counts.attach(self)
            self.ready()
            self.total = self.memtotal()
            self.calibrate()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        self.setting.counts.detach()
        self.qemu.kill()
        self.qemu.wait()
        self.log.close()
        self.folder.cleanup()

    def exec(self, command, timeout=None):
        got = guest_exec.run(self.agent, command, timeout or patient(LIMIT))
        if got.status:
            raise Failed(f"in the guest: {command}: {got.err.decode(errors='replace').strip() or got.status}")
        return got.out.decode()

    def memtotal(self):
        return int(self.exec("awk '/MemTotal/ {print $2}' /proc/meminfo")) * 1024

    def wait(self, what, limit, done):
        """Looks ever less often, but within a fiftieth of the time that it takes: looking costs CPU time of QEMU too."""
        start = time.monotonic()
        while not done():
            if self.qemu.poll() is not None:
                self.log.seek(0)
                raise Failed(f"QEMU ended: {self.log.read().strip()[-300:]}")
            passed = time.monotonic() - start
            if passed > limit:
                raise Failed(f"{what} not within {limit:.0f} s")
            time.sleep(max(0.02, passed / 50))

    def dirty(self):
        """The guest's kernel clears what it allocates, so to allocate is to write. Raises Failed where it does not."""
        self.exec(f"fallocate -l {self.setting.dirty} /tmp/f; rm /tmp/f; sync")
        if self.rss()[0] < self.setting.dirty:
            raise Failed("this guest's kernel does not clear what it allocates (init_on_alloc)")

    def cpu(self):
        """CPU seconds (of all of QEMU, of its threads other than vCPUs): the difference is used by the guest."""
        total = host = 0
        for task in pathlib.Path(f"/proc/{self.qemu.pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError):        # a worker that has ended
                name, rest = (task / "stat").read_text().rsplit(")", 1)
                words = rest.split()
                spent = (int(words[11]) + int(words[12])) / TICK
                total += spent
                host += 0 if "(CPU " in name else spent
        return total, host

    def rss(self):
        """(of the guest's memory, of all of QEMU), in bytes."""
        ram = total = size = 0
        for line in pathlib.Path(f"/proc/{self.qemu.pid}/smaps").read_text().splitlines():
            if line.startswith("Size:"):
                size = int(line.split()[1]) * 1024
            elif line.startswith("Rss:"):
                rss = int(line.split()[1]) * 1024
                total += rss
                ram += rss if size >= self.setting.boot - self.setting.out else 0
        return ram, total

    def calibrate(self):
        """What it takes to ask QEMU and to hear from the guest, and by how much that varies: much, on an emulated host."""
        calls = [self.step(lambda: None, lambda: True, 0) for _ in range(self.setting.calls)]
        if calls:
            asking = {key: min(call[key] for call in calls) for key in self.asking}
            self.noise = {key: max(call[key] for call in calls) - asking[key] for key in asking}
            self.asking = asking

    def net(self, key, value):
        """Without what asking took; 0, which has no ratio, for what is lost in how much that varies."""
        rest = value - self.asking[key]
        return max(LEAST, rest) if rest >= self.noise[key] else 0

    def until_total(self, want):
        """A command that says when it waits, and when the guest's MemTotal is WANT. It starts no program while it looks."""
        total = "while read -r k v u; do [ $k = MemTotal: ] && break; done </proc/meminfo; d=$((v - %d))" % (want // 1024)
        return (f"[ -p /tmp/tick ] || mkfifo /tmp/tick; exec 3<>/tmp/tick 4>{guest_exec.PORT}; echo =waits >&4; "
                f"while {total}; [ ${{d#-}} -gt {NEAR // 1024} ]; do read -t {LOOK} x <&3; done; echo =there >&4")

    def step(self, ask, shown, delta):
        """Seconds and CPU seconds until the guest's MemTotal is DELTA away from what it was after the boot and QEMU shows it, and what was counted. QEMU
        is asked after the guest has said so: asking all the time costs as much as a short step."""
        with guest_exec.running(self.agent, self.until_total(self.total + delta), patient(LIMIT)) as said:
            said("=waits")
            before = self.setting.counts.read()
            start, cpu = time.monotonic(), self.cpu()
            ask()
            said("=there")
            self.wait("QEMU's side", patient(LIMIT), shown)
            seconds, (total, host) = time.monotonic() - start, self.cpu()
            counted = {name: count - before[name] for name, count in self.setting.counts.read().items()}
        took = {"seconds": seconds, "cpu": total - cpu[0], "host": host - cpu[1]}
        return {**{key: self.net(key, value) for key, value in took.items()}, **counted, **self.setting.counts.levels()}

    def out(self):
        raise NotImplementedError

    def back(self):
        raise NotImplementedError

    def more(self):
        """None if this way cannot exceed the memory at boot."""


class Balloon(Guest):
    """Both balloons take the same command."""

    def balloon(self, size, delta):
        return self.step(lambda: self.qmp("balloon", value=size), lambda: abs(self.qmp("query-balloon")["actual"] - size) <= 2 * MIB, delta)

    def out(self):
        return self.balloon(self.setting.boot - self.setting.out, -self.setting.out)

    def back(self):
        return self.balloon(self.setting.boot, 0)


class HvBalloon(Balloon):
    name = "hv-balloon"

    def devices(self):
        return ["-device", "vmbus-bridge", "-device", "hv-balloon,id=b0"]

    def ready(self):
        self.wait("the guest's driver", patient(DRIVER_LIMIT), lambda: self.qmp("query-hv-balloon")["connected"])

    def more(self):
        def plug():
            self.qmp("object-add", **{"qom-type": self.setting.backend, "id": "m0", "size": self.setting.more})
            self.qmp("device_add", driver="mem-haprot", id="h0", memdev="m0")
        return self.step(plug, lambda: abs(self.qmp("query-balloon")["actual"] - self.setting.boot - self.setting.more) <= 2 * MIB, self.setting.more)


class HvBalloonReporting(HvBalloon):
    name, cpu_flags = "hv-balloon, free page reporting", ",hv-free-page-reporting"


class VirtioBalloon(Balloon):
    name = "virtio-balloon"

    def devices(self):
        return ["-device", "virtio-balloon-pci,id=b0"]


class VirtioBalloonReporting(Balloon):
    name = "virtio-balloon, free page reporting"

    def devices(self):
        return ["-device", "virtio-balloon-pci,id=b0,free-page-reporting=on"]


class VirtioMem(Guest):
    """Onlined movable, as its documentation says, or it could not be unplugged."""

    name, online = "virtio-mem", "online_movable"

    def __init__(self, setting=Setting()):
        super().__init__(setting)
        self.memory -= setting.out

    def devices(self):
        return [*self.object("m0", self.setting.out + self.setting.more), "-device", f"virtio-mem-pci,id=v0,memdev=m0,requested-size={self.setting.out}"]

    def plugged(self):
        return self.qmp("query-memory-devices")[0]["data"]["size"]

    def ready(self):
        self.wait("virtio-mem", patient(BOOT_LIMIT), lambda: self.plugged() == self.setting.out)

    def resize(self, size):
        return self.step(lambda: self.qmp("qom-set", path="/machine/peripheral/v0", property="requested-size", value=size),
                         lambda: self.plugged() == size, size - self.setting.out)

    def out(self):
        return self.resize(0)

    def back(self):
        return self.resize(self.setting.out)

    def more(self):
        return self.resize(self.setting.out + self.setting.more)


class Dimm(Guest):
    """One DIMM that goes out and back, and one more."""

    name, online = "DIMM", "online_movable"

    def __init__(self, setting=Setting()):
        super().__init__(setting)
        self.memory -= setting.out

    def plug(self, name, size):
        self.qmp("object-add", **{"qom-type": self.setting.backend, "id": f"m{name}", "size": size})
        self.qmp("device_add", driver="pc-dimm", id=f"d{name}", memdev=f"m{name}")

    def there(self):
        return sum(device["data"]["size"] for device in self.qmp("query-memory-devices"))

    def ready(self):
        before = self.memtotal()
        self.total = before
        self.step(lambda: self.plug(0, self.setting.out), lambda: self.there() == self.setting.out, self.setting.out)

    def gone(self):
        """The memory returns to the host only when the backend is deleted too."""
        if self.there():
            return False
        self.qmp("object-del", id="m0")
        return True

    def out(self):
        return self.step(lambda: self.qmp("device_del", id="d0"), self.gone, -self.setting.out)

    def back(self):
        return self.step(lambda: self.plug(0, self.setting.out), lambda: self.there() == self.setting.out, 0)

    def more(self):
        return self.step(lambda: self.plug(1, self.setting.more), lambda: self.there() == self.setting.out + self.setting.more, self.setting.more)


KINDS = (HvBalloon, HvBalloonReporting, VirtioBalloon, VirtioBalloonReporting, VirtioMem, Dimm)


def gib(size):
    return f"{size / GIB:g} GiB"


def round_of(guest, say):
    """{step: {seconds, cpu, rss}} of one pass, up to the first step that failed."""
    took = {}
    guest.dirty()
    for step in ("out", "back"):
        took[step] = getattr(guest, step)()
        time.sleep(SETTLE)
        took[step]["ram"], took[step]["rss"] = guest.rss()
        say(f"{guest.name}: {step}: {took[step]['seconds']:.1f} s, CPU {took[step]['cpu']:.2f} s ({took[step]['host']:.2f} s not in a vCPU), "
            f"guest memory resident {took[step]['ram'] // MIB} MiB, QEMU {took[step]['rss'] // MIB} MiB")
    return took


def best(passes):
    """The shortest time and smallest count of the passes, but the largest memory: which pages a guest keeps is random."""
    return {step: {key: (max if key in LEVELS else min)(p[step][key] for p in passes) for key in passes[0][step]}
            for step in passes[0]}


def measure(kind, setting, passes, say):
    with kind(setting) as guest:
        took = best([round_of(guest, say) for _ in range(passes)])
        more = guest.more()
        if more:
            say(f"{guest.name}: {gib(setting.more)} more: {more['seconds']:.1f} s, CPU {more['cpu']:.2f} s ({more['host']:.2f} s not in a vCPU)")
            took["more"] = more
    return took


def run(passes=2, kinds=KINDS, say=print, setting=Setting()):
    """{name: {step: figures}}; a way that fails is reported and left out."""
    results = {}
    for kind in kinds:
        try:
            results[kind.name] = measure(kind, setting, passes, say)
        except (Failed, guest_exec.GuestError) as err:
            say(f"{kind.name}: no result: {err}")
    return results


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        json.dump(run(kinds=[k for k in KINDS if len(sys.argv) == 1 or k.name in sys.argv[1:]]), sys.stdout, indent=1)
