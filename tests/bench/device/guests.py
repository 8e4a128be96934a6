# SPDX-License-Identifier: LGPL-2.1-or-later
"""The same Linux guest with each way to resize memory: the cost of taking out 5 GiB, putting them back, and adding 2 GiB more.

A guest starts with 6 GiB. Before memory goes out, nearly all of it is written to (a file in its memory, then removed), so that the host
really has something to take back. A step ends when QEMU says so and the guest's own MemTotal agrees. CPU time and resident memory are
the QEMU process's.
"""
import contextlib
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

MIB, GIB = 2 ** 20, 2 ** 30
BOOT, OUT, MORE, DIRTY = 6 * GIB, 5 * GIB, 2 * GIB, 4800 * MIB
NEAR = 32 * MIB             # what MemTotal may be off: page tables, rounding
SETTLE = 2                  # seconds after which what was freed is no longer resident
LIMIT = 300                 # seconds until a step counts as failed
TICK = os.sysconf("SC_CLK_TCK")


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


class Guest:
    """One QEMU with one way to resize memory."""

    name, memory, online, cpu_flags, cmdline = "", BOOT, "online", "", ""

    def devices(self):
        """Arguments of QEMU for this way."""
        return []

    def ready(self):
        """Setup after the boot."""

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="hvb-")
        build = pathlib.Path(os.environ["HVB_BUILD"])
        sock = {name: os.path.join(self.folder.name, name) for name in ("qmp", "agent")}
        self.agent = sock["agent"]
        argv = [build / "obj/qemu/qemu-system-x86_64", "-nodefaults", "-display", "none", "-name", "bench,debug-threads=on",
                "-accel", "tcg,thread=multi", "-smp", "2",
                "-machine", "q35", "-cpu", "max,hv-vpindex,hv-synic,hv-time,hv-relaxed" + self.cpu_flags, "-global", "ICH9-LPC.disable_s4=1",
                "-m", f"{self.memory // MIB}M,maxmem={16 * GIB // MIB}M,slots=4",
                "-kernel", build / "guest/kernel", "-initrd", build / "guest/initrd",
                "-append", f"console=ttyS0 quiet panic=-1 memhp_default_state={self.online} {self.cmdline}", "-serial", "null",
                "-chardev", f"socket,id=agent,path={sock['agent']},server=on,wait=off", "-serial", "chardev:agent",
                "-qmp", f"unix:{sock['qmp']},server=on,wait=off", *self.devices()]
        self.log = open(os.path.join(self.folder.name, "log"), "w+", encoding="utf-8")
        self.qemu = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        try:
            self.wait("QEMU", 20, lambda: os.path.exists(sock["qmp"]) and os.path.exists(sock["agent"]))
            self.qmp = Qmp(sock["qmp"])
            self.exec("true", 120)
            self.ready()
            self.total = self.memtotal()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        self.qemu.kill()
        self.qemu.wait()
        self.log.close()
        self.folder.cleanup()

    def exec(self, command, timeout=LIMIT):
        got = guest_exec.run(self.agent, command, timeout)
        if got.status:
            raise Failed(f"in the guest: {command}: {got.err.decode(errors='replace').strip() or got.status}")
        return got.out.decode()

    def memtotal(self):
        return int(self.exec("awk '/MemTotal/ {print $2}' /proc/meminfo")) * 1024

    def wait(self, what, limit, done):
        deadline = time.monotonic() + limit
        while not done():
            if self.qemu.poll() is not None:
                self.log.seek(0)
                raise Failed(f"QEMU ended: {self.log.read().strip()[-300:]}")
            if time.monotonic() > deadline:
                raise Failed(f"{what} not within {limit} s")
            time.sleep(0.02)

    def dirty(self):
        self.exec(f"dd if=/dev/zero of=/tmp/f bs=1M count={DIRTY // MIB} 2>/dev/null; rm /tmp/f; sync")

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
                ram += rss if size >= 900 * MIB and not size == GIB - 4096 else 0
        return ram, total

    def step(self, ask, shown, delta):
        """Seconds and CPU seconds until QEMU shows it and the guest's MemTotal is DELTA away from what it was after the boot."""
        want = (self.total + delta) // 1024
        start, cpu = time.monotonic(), self.cpu()
        ask()
        self.wait("QEMU's side", LIMIT, shown)
        self.exec(f"while read -r k v u; do [ $k = MemTotal: ] && break; done </proc/meminfo; "
                  f"while d=$((v - {want})); [ ${{d#-}} -gt {NEAR // 1024} ]; do sleep 0.05; "
                  "while read -r k v u; do [ $k = MemTotal: ] && break; done </proc/meminfo; done")
        seconds, (total, host) = time.monotonic() - start, self.cpu()
        return {"seconds": seconds, "cpu": total - cpu[0], "host": host - cpu[1]}

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
        return self.balloon(BOOT - OUT, -OUT)

    def back(self):
        return self.balloon(BOOT, 0)


class HvBalloon(Balloon):
    name = "hv-balloon"

    def devices(self):
        return ["-device", "vmbus-bridge", "-device", "hv-balloon,id=b0"]

    def ready(self):
        self.wait("the guest's driver", 60, lambda: self.qmp("query-hv-balloon")["connected"])

    def more(self):
        def plug():
            self.qmp("object-add", **{"qom-type": "memory-backend-ram", "id": "m0", "size": MORE})
            self.qmp("device_add", driver="mem-haprot", id="h0", memdev="m0")
        return self.step(plug, lambda: abs(self.qmp("query-balloon")["actual"] - BOOT - MORE) <= 2 * MIB, MORE)


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

    name, memory, online = "virtio-mem", BOOT - OUT, "online_movable"

    def devices(self):
        return ["-object", f"memory-backend-ram,id=m0,size={OUT + MORE}",
                "-device", f"virtio-mem-pci,id=v0,memdev=m0,requested-size={OUT}"]

    def plugged(self):
        return self.qmp("query-memory-devices")[0]["data"]["size"]

    def ready(self):
        self.wait("virtio-mem", 120, lambda: self.plugged() == OUT)

    def resize(self, size):
        return self.step(lambda: self.qmp("qom-set", path="/machine/peripheral/v0", property="requested-size", value=size),
                         lambda: self.plugged() == size, size - OUT)

    def out(self):
        return self.resize(0)

    def back(self):
        return self.resize(OUT)

    def more(self):
        return self.resize(OUT + MORE)


class Dimm(Guest):
    """One DIMM of 5 GiB, and one of 2 GiB more."""

    name, memory, online = "DIMM", BOOT - OUT, "online_movable"

    def plug(self, name, size):
        self.qmp("object-add", **{"qom-type": "memory-backend-ram", "id": f"m{name}", "size": size})
        self.qmp("device_add", driver="pc-dimm", id=f"d{name}", memdev=f"m{name}")

    def there(self):
        return sum(device["data"]["size"] for device in self.qmp("query-memory-devices"))

    def ready(self):
        before = self.memtotal()
        self.total = before
        self.step(lambda: self.plug(0, OUT), lambda: self.there() == OUT, OUT)

    def gone(self):
        """The memory returns to the host only when the backend is deleted too."""
        if self.there():
            return False
        self.qmp("object-del", id="m0")
        return True

    def out(self):
        return self.step(lambda: self.qmp("device_del", id="d0"), self.gone, -OUT)

    def back(self):
        return self.step(lambda: self.plug(0, OUT), lambda: self.there() == OUT, 0)

    def more(self):
        return self.step(lambda: self.plug(1, MORE), lambda: self.there() == OUT + MORE, MORE)


KINDS = (HvBalloon, HvBalloonReporting, VirtioBalloon, VirtioBalloonReporting, VirtioMem, Dimm)


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
    """The shortest time of the passes, but the largest memory: which pages a guest keeps is random."""
    return {step: {key: (max if key in ("ram", "rss") else min)(p[step][key] for p in passes) for key in passes[0][step]}
            for step in passes[0]}


def measure(kind, passes, say):
    with kind() as guest:
        took = best([round_of(guest, say) for _ in range(passes)])
        more = guest.more()
        if more:
            say(f"{guest.name}: 2 GiB more: {more['seconds']:.1f} s, CPU {more['cpu']:.2f} s ({more['host']:.2f} s not in a vCPU)")
            took["more"] = more
    return took


def run(passes=2, kinds=KINDS, say=print):
    """{name: {step: figures}}; a way that fails is reported and left out."""
    results = {}
    for kind in kinds:
        try:
            results[kind.name] = measure(kind, passes, say)
        except (Failed, guest_exec.GuestError) as err:
            say(f"{kind.name}: no result: {err}")
    return results


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        json.dump(run(kinds=[k for k in KINDS if len(sys.argv) == 1 or k.name in sys.argv[1:]]), sys.stdout, indent=1)
