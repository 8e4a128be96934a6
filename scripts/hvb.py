# SPDX-License-Identifier: LGPL-2.1-or-later
"""Test guests on the private libvirt daemon, for the demo and the integration suite.

Sizes are KiB throughout, as in libvirt. A Guest asks four witnesses: the guest itself (/proc/meminfo), libvirt (dumpxml, dominfo),
QEMU (query-balloon and ours) and the host (the memory of the QEMU process).

All limits in seconds are those of an ordinary machine: see speed.py.
"""

import collections
import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import guest_exec  # noqa: E402
import guest_xml  # noqa: E402
from speed import patient  # noqa: E402
from virsh_shell import VirshShell  # noqa: E402

MIB = 1024
GIB = 1024 * MIB
NEAR = 2 * MIB              # how far a settled size may be from the target
BOOT_LIMIT = 90             # seconds until a guest must answer, on a busy machine
MOVING = ("handshake", "waiting", "ballooning", "returning", "adding")      # states of query-hv-balloon that end by themselves
UNITS = {"b": 1, "bytes": 1, "KiB": 1024, "MiB": 1024 ** 2, "GiB": 1024 ** 3}

Stick = collections.namedtuple("Stick", "alias size insert")


class VirshError(Exception):
    """virsh failed; the text is its error."""


class Timeout(Exception):
    """Something did not happen in time; the text says what was seen last."""


class NoKernel(Exception):
    """A kernel is not available; the text says why."""


class NoQEMU(Exception):
    """A distribution's QEMU is not available; the text says why."""


class NoHost(Exception):
    """There cannot be a second daemon here; the text says why."""


def run_daemon_script(second, what, **options):
    """scripts/daemon WHAT, for the first or the SECOND host; OPTIONS are subprocess.run()'s."""
    return subprocess.run([os.path.join(HERE, "daemon"), *(["--second"] if second else []), what], **options)


def setup():
    """Starts the private daemon where it does not run, and takes over its environment."""
    run_daemon_script(False, "start", check=True)
    Host().use()


class Host:
    """One of the two private daemons. While it is in use, all functions here and all guests are those of that daemon, as if on that host."""

    def __init__(self, second=False):
        got = run_daemon_script(second, "env", check=False, capture_output=True, text=True)
        if got.returncode:
            raise NoHost(got.stderr.strip())
        self.environ = dict(line.split("=", 1) for line in got.stdout.splitlines())
        self.second = second
        self.run = self.environ["HVB_RUN"]
        self.uri = self.environ["LIBVIRT_DEFAULT_URI"]

    def use(self):
        """From now on."""
        end_shell()
        os.environ.update(self.environ)

    def daemon(self, what, **environ):
        """scripts/daemon WHAT, with ENVIRON added to the environment."""
        run_daemon_script(self.second, what, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **environ})

    def uri_for(self, other):
        """The address of this daemon for the other one: within its mount namespace, the second has the first's folder elsewhere."""
        if not other.second:
            return self.uri
        return f"qemu+unix:///system?socket={other.run}/first/var/run/libvirt/virtqemud-sock"

    def path(self, path):
        """Where a file is that a guest's definition names, while the guest is on this host."""
        first = self.run[:-1] if self.second else self.run
        return self.run + path.removeprefix(first)


@contextlib.contextmanager
def daemon_use(exclusive=False, host=None):
    """A lock held while the daemon is used; exclusively while it is restarted, since others may use it too. HOST: not the one in use, but its."""
    with open(os.path.join(host.run if host else os.environ["HVB_RUN"], "use.lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
        yield


def virsh(*args, timeout=60):
    """The output of a virsh command. Raises VirshError."""
    with daemon_use():
        return virsh_alone(*args, timeout=timeout)


SHELLS = {}                 # on an emulated host, the virsh that stays, by the process of the daemon that it uses


def end_shell():
    """The next command gets a new one."""
    while SHELLS:
        SHELLS.popitem()[1].close()


def virsh_in_shell(args, timeout):
    """The same by a virsh that stays as long as the daemon does and it answers."""
    pid = daemon_pid()
    if pid not in SHELLS:
        end_shell()
        SHELLS[pid] = VirshShell(os.environ["HVB_VIRSH"])
    try:
        out, err = SHELLS[pid].run(args, patient(timeout))
    except (OSError, subprocess.TimeoutExpired):
        end_shell()
        raise
    if err.strip():
        raise VirshError(err.strip())
    return out


def virsh_alone(*args, timeout=60):
    """The same for a caller that holds the lock."""
    if guest_xml.on_emulated_host():
        return virsh_in_shell([str(arg) for arg in args], timeout)
    got = subprocess.run([os.environ["HVB_VIRSH"], "-q", *map(str, args)], capture_output=True, text=True, check=False,
                         stdin=subprocess.DEVNULL, timeout=patient(timeout))
    if got.returncode:
        raise VirshError(got.stderr.strip())
    return got.stdout


def restart_daemon():
    """The daemon alone; guests go on."""
    with daemon_use(exclusive=True):
        daemon("restart")


def daemon(what):
    """scripts/daemon WHAT, for the host in use."""
    run_daemon_script(os.environ.get("HVB_SECOND"), what, check=True, stdout=subprocess.DEVNULL)


def daemon_pid():
    """The daemon's process, or None."""
    try:
        with open(os.path.join(os.environ["HVB_RUN"], "virtqemud.pid"), encoding="ascii") as file:
            pid = int(file.read())
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return None if file.read().rpartition(")")[2].split()[0] == "Z" else pid
    except (OSError, ValueError):
        return None


def daemon_environ():
    """The environment that the daemon was started with, as NAME=VALUE; empty while it is being restarted."""
    try:
        with open(f"/proc/{daemon_pid()}/environ", encoding="utf-8") as file:
            return file.read().split("\0")
    except OSError:
        return []


def kill_daemon():
    """kill -9 of the daemon; returns when it is gone. Guests go on."""
    pid = daemon_pid()
    if pid:
        os.kill(pid, signal.SIGKILL)
        wait_until("the daemon is gone", 10, lambda: daemon_pid() != pid, every=0.02)


def made(script, name, missing):
    """The folder of what a script has made of that NAME. Raises MISSING where it says that there is none."""
    folder = subprocess.run([os.path.join(HERE, script), "--where", name], check=True, capture_output=True, text=True).stdout.strip()
    if os.path.exists(folder + ".missing"):
        with open(folder + ".missing", encoding="utf-8") as file:
            raise missing(file.read().strip())
    return folder


def stock_qemu(suite):
    """The command of the QEMU in that suite of Debian, which scripts/stock-qemu has unpacked."""
    path = os.path.join(made("stock-qemu", suite, NoQEMU), "qemu-system-x86_64")
    if not os.path.exists(path):
        raise FileNotFoundError(f"there is no {path}: scripts/stock-qemu {suite} makes it, or says why it cannot")
    return path


def guest_files(release):
    """Kernel and initrd of the test guest of that name, which scripts/guest-image has made."""
    if release == "this":
        return {"kernel": os.environ["HVB_KERNEL"], "initrd": os.environ["HVB_INITRD"]}
    folder = made("guest-image", release, NoKernel)
    paths = {name: os.path.join(folder, name) for name in ("kernel", "initrd")}
    if not all(map(os.path.exists, paths.values())):
        raise FileNotFoundError(f"{folder} has no test guest: scripts/guest-image {release} makes it, or says why it cannot")
    return paths


def size(element):
    """A size element of domain XML in KiB."""
    return int(element.text) * UNITS[element.get("unit", "KiB")] // 1024


def wait_until(what, seconds, probe, every=0.25):
    """The first true value of PROBE, which is asked EVERY so often. Raises Timeout with WHAT, a text or a function."""
    limit = patient(seconds)
    deadline = time.monotonic() + limit
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Timeout(f"not within {limit:.0f} s: {what() if callable(what) else what}")
        time.sleep(every)


class Domain:
    """What libvirt's live XML says."""

    def __init__(self, text):
        self.root = ET.fromstring(text)
        self.max = size(self.root.find("maxMemory"))
        self.memory = size(self.root.find("memory"))
        self.current = size(self.root.find("currentMemory"))
        self.sticks = [Stick(getattr(m.find("alias"), "attrib", {}).get("name"), size(m.find("target/size")),
                             m.find("target").get("insert"))
                       for m in self.root.iterfind("devices/memory[@model='haprot']")]
        requested = self.root.find("devices/memballoon/requested")
        self.requested = None if requested is None else size(requested)
        self.boot = self.memory - sum(s.size for s in self.sticks)

    def __str__(self):
        sticks = ", ".join(f"{s.alias} {mib(s.size)}" for s in self.sticks) or "none"
        return f"memory {mib(self.memory)}, currentMemory {mib(self.current)}, sticks: {sticks}"


def mib(kib):
    """A size to read."""
    return f"{kib / MIB:.0f} MiB"


class Guest:
    """One test guest. Options are those of guest_xml.domain_xml (memory, maximum, vcpus, machine, accel, cmdline).

    RELEASE is a kernel as scripts/guest-image calls them, "this" being that of this Debian release; INITRD is instead of its own. EMULATOR is a
    QEMU that is not ours: it is not asked for what ours alone knows."""

    def __init__(self, name, release="this", initrd=None, emulator=None, **options):
        self.name = name
        self.ours = emulator is None
        paths = {**guest_files(release), "emulator": emulator or os.environ["HVB_EMULATOR"], "run": os.environ["HVB_GUEST_RUN"]}
        paths["initrd"] = initrd or paths["initrd"]
        self.xml = guest_xml.domain_xml(paths, name=name, **options)
        self.agent = os.path.join(paths["run"], name + ".agent")
        self.console = os.path.join(paths["run"], name + ".console.log")
        self.log = os.path.join(os.environ["HVB_RUN"], "var/log/libvirt/qemu", name + ".log")
        self.hidden = None      # KiB between what QEMU says and MemTotal, a constant of one boot

    # Its life

    def define(self):
        """A persistent domain."""
        with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
            file.write(self.xml)
            file.flush()
            virsh("define", file.name)

    def start(self):
        """Starts it; wait_up() waits for it."""
        virsh("start", self.name)

    def wait_up(self, seconds=BOOT_LIMIT):
        """Returns when the guest's user space answers, with the constant of this boot noted."""
        self.exec("true", seconds)
        self.hidden = self.actual() - self.memtotal()

    def wait_booted(self):
        """The same, and until it is at rest: its driver has just connected, and what the device does then is part of booting."""
        self.wait_up()
        wait_until(self.seen, 30, self.resting)

    def begin(self):
        """It is up, whatever there was of its name before."""
        self.remove()
        self.define()
        self.start()
        self.wait_booted()

    def remove(self):
        """Removes it, whatever state it is in."""
        with contextlib.suppress(VirshError, subprocess.TimeoutExpired):
            virsh("destroy", self.name)
        with contextlib.suppress(VirshError, subprocess.TimeoutExpired):
            virsh("undefine", self.name)
        for path in (self.agent, self.agent + ".lock"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def reboot(self, seconds=BOOT_LIMIT):
        """The guest's own reboot; returns when it is up again."""
        self.wait_boot_after(self.start_reboot(), seconds)

    def start_reboot(self):
        """Has the guest reboot itself; returns at once, with the boot id before."""
        before = self.boot_id()
        with contextlib.suppress(guest_exec.GuestError):    # on a busy machine it may reboot before it replies
            self.exec("reboot")
        return before

    def boot_id(self):
        """Another one each boot."""
        return self.exec("cat /proc/sys/kernel/random/boot_id")

    def wait_boot_after(self, before, seconds=BOOT_LIMIT):
        """Returns when the guest has booted anew since it had the boot id BEFORE."""
        def booted():
            with contextlib.suppress(guest_exec.GuestError):
                return self.boot_id() != before
            return False

        wait_until(f"{self.name} boots again", seconds, booted)

    def pid(self):
        """The QEMU process."""
        with open(os.path.join(os.environ["HVB_STATE"], self.name + ".pid"), encoding="ascii") as file:
            return int(file.read())

    def kill(self):
        """What the kernel's OOM killer would do; returns when libvirt has noticed."""
        os.kill(self.pid(), signal.SIGKILL)
        wait_until("libvirt sees that QEMU is gone", 20, lambda: self.state() == "shut off")

    def state(self):
        """As domstate prints it."""
        return virsh("domstate", self.name).strip()

    # Queries

    def exec(self, command, timeout=60):
        """The output of a shell command in the guest; it has to succeed."""
        got = guest_exec.run(self.agent, command, patient(timeout))
        if got.status:
            raise guest_exec.GuestError(f"{self.name}: {command}: status {got.status}: {got.err.decode(errors='replace').strip()}")
        return got.out.decode(errors="replace").strip()

    def memtotal(self):
        """MemTotal of the guest's kernel."""
        return self.meminfo("MemTotal")

    def memavailable(self):
        """MemAvailable of the guest's kernel."""
        return self.meminfo("MemAvailable")

    def meminfo(self, name):
        """A number of /proc/meminfo."""
        return int(self.exec(f"sed -n 's/^{name}: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo"))

    def domain(self):
        """libvirt's live XML."""
        return Domain(virsh("dumpxml", self.name))

    def dominfo(self):
        """dominfo's (Max memory, Used memory)."""
        lines = dict(line.split(":", 1) for line in virsh("dominfo", self.name).splitlines() if ":" in line)
        return tuple(int(lines[key].split()[0]) for key in ("Max memory", "Used memory"))

    def qmp(self, command, **arguments):
        """What a QMP command returns."""
        request = {"execute": command, "arguments": {key.replace("_", "-"): value for key, value in arguments.items()}}
        answer = json.loads(virsh("qemu-monitor-command", self.name, json.dumps(request)))
        if "error" in answer:
            raise VirshError(answer["error"]["desc"])
        return answer["return"]

    def actual(self):
        """query-balloon."""
        return self.qmp("query-balloon")["actual"] // 1024

    def balloon(self):
        """query-hv-balloon."""
        return self.qmp("query-hv-balloon")

    def stats(self):
        """domstats --balloon, field -> value."""
        lines = virsh("domstats", self.name, "--balloon").splitlines()
        return dict(line.strip().split("=", 1) for line in lines if "=" in line)

    def rss(self):
        """The resident size of the QEMU process."""
        with open(f"/proc/{self.pid()}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))

    def translation_buffer(self):
        """How much of it TCG's translated code can take: the size of its buffer (zero under KVM)."""
        text = virsh("qemu-monitor-command", self.name, "--hmp", "info jit")
        for line in text.splitlines():
            if line.startswith("gen code size"):
                return int(line.split()[-1].split("/")[-1]) // 1024
        return 0

    # Requests and waiting

    def setmem(self, kib, *flags):
        """virsh setmem, live unless FLAGS say otherwise."""
        virsh("setmem", self.name, kib, *(flags or ("--live",)))

    def wait_synced(self):
        """Waits until libvirt has QEMU's value, of which there is at most one event a second."""
        wait_until(lambda: f"libvirt has QEMU's value; {self.seen()}", 5, lambda: self.domain().current == self.actual())

    def at(self, target):
        """Are QEMU and libvirt at rest at TARGET?"""
        actual = self.actual()
        return self.resting() and abs(actual - target) <= NEAR and self.domain().current == actual

    def resting(self):
        """Is nothing going on between device and guest? A QEMU that is not ours does not tell."""
        return not self.ours or self.balloon()["state"] not in MOVING

    def seen(self):
        """What QEMU and libvirt say, for messages."""
        if not self.ours:
            return f"QEMU says {mib(self.actual())}; dumpxml says {self.domain()}"
        balloon = self.balloon()
        why = f" ({balloon['last-error']})" if balloon.get("last-error") else ""
        return f"QEMU says {mib(self.actual())}, state {balloon['state']}{why}; dumpxml says {self.domain()}"

    def wait_at(self, target, seconds=60):
        """Waits until QEMU and libvirt are at rest at TARGET."""
        wait_until(lambda: f"{self.name} has {mib(target)}; {self.seen()}", seconds, lambda: self.at(target))

    def touch(self, kib):
        """Has the guest write zeros to that much memory and free it."""
        self.exec(f"fallocate -l {kib}K /tmp/touch; s=$?; rm -f /tmp/touch; exit $s", 120)
