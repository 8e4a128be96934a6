# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests that migrate between the two private daemons, and what must hold when one has arrived."""

import contextlib
import os
import signal
import subprocess
import threading
import time

import hvb
from checks import Held, consistent
from conftest import kernel_complaints
from hvb import GIB, MIB
from speed import patient


class Traveller(hvb.Guest):
    """A guest that may be on either of HOSTS, at first on the first one; that where it is is the one in use."""

    def __init__(self, name, hosts, **options):
        hosts[0].use()
        super().__init__(name, **options)
        self.hosts = hosts
        self.host = hosts[0]
        self.paths = {"agent": self.agent, "console": self.console}

    def other(self):
        """The host where it is not."""
        return self.hosts[1 - self.hosts.index(self.host)]

    def is_at(self, host):
        """From now on this host is in use."""
        self.host = host
        host.use()
        self.agent = host.path(self.paths["agent"])
        self.console = host.path(self.paths["console"])

    def command(self, *flags, live=True):
        """virsh migrate, with its arguments, to the other host."""
        to = self.other()
        p2p = "--p2p" in flags
        uri = to.uri_for(self.host) if p2p else to.uri
        command = ["migrate", *(["--live"] if live else []), *flags, self.name, uri]
        if "--tunnelled" not in flags:
            # both see the second one's folder under its own name
            command += ["--migrateuri", f"unix://{self.hosts[1].run}/{self.name}.migrate"]
        return command

    def migrate(self, *flags, seconds=120, live=True):
        """Migrates to the other host. Neither daemon may be restarted meanwhile: the first one is used by other tests too."""
        with hvb.daemon_use(host=self.hosts[0]):
            hvb.virsh(*self.command(*flags, live=live), timeout=seconds)
        self.is_at(self.other())

    def go_home(self):
        """It is on the first host, and as persistent as it was."""
        if self.host.second:
            persistent = any(line.split() == ["Persistent:", "yes"] for line in hvb.virsh("dominfo", self.name).splitlines())
            self.migrate(*(("--persistent", "--undefinesource") if persistent else ()))

    def beginning(self, *flags, lock=True):
        """A migration in the background. LOCK is False for who ends the first daemon meanwhile, and so takes its lock exclusively."""
        return Migration(self, flags, lock)

    def kill_qemu(self):
        """Its QEMU on the host in use is gone, as for lack of memory."""
        os.kill(self.pid(), signal.SIGKILL)

    def remove(self):
        """Removes it from both."""
        for host in (*self.hosts[1:], self.hosts[0]):
            self.is_at(host)
            super().remove()


@contextlib.contextmanager
def travelling(name, hosts, **options):
    """A guest that is up, with 1 GiB, up to 4 GiB, of which some is data whose checksum is known; its kernel must not complain."""
    guest = Traveller(name, hosts, memory=GIB, maximum=4 * GIB, vcpus=2, **options)
    guest.begin()
    guest.held = Held(guest, 8)
    yield guest
    guest.remove()
    complaints = []
    for host in hosts:
        guest.is_at(host)
        complaints += kernel_complaints(guest)
    hosts[0].use()
    assert not complaints, "a guest's kernel complained"


class Migration:
    """virsh migrate as it runs: entered when memory is being sent, left when it has ended, whichever way."""

    def __init__(self, guest, flags, lock):
        self.guest = guest
        self.flags = flags
        self.lock = lock
        self.error = None
        self.thread = None

    def _run(self, held, command):
        # not by virsh(), whose environment may change while it waits
        with held:
            got = subprocess.run([self.guest.host.environ["HVB_VIRSH"], "-q", *command], capture_output=True, text=True, check=False,
                                 env={**os.environ, **self.guest.host.environ}, stdin=subprocess.DEVNULL, timeout=patient(300))
        self.error = got.stderr.strip() if got.returncode else ""

    def start(self):
        """From now on it runs, in whatever phase."""
        # taken here and not in the thread: who waits for the migration to begin does not wait for the lock as well
        held = contextlib.ExitStack()
        if self.lock:
            held.enter_context(hvb.daemon_use(host=self.guest.hosts[0]))
        self.thread = threading.Thread(target=self._run, args=(held, self.guest.command(*self.flags)))
        self.thread.start()
        return self

    def __enter__(self):
        self.start()
        hvb.wait_until("memory is being sent", 30, lambda: self.error is not None or self.sent() > 0)
        assert self.error is None, self.error
        return self

    def sent(self):
        """Bytes of memory so far, by QEMU's own account."""
        with contextlib.suppress(hvb.VirshError):
            return self.guest.qmp("query-migrate").get("ram", {}).get("transferred", 0)
        return 0

    def abort(self):
        """Cancels it; returns when it has ended."""
        hvb.virsh("domjobabort", self.guest.name)
        return self.wait()

    def wait(self):
        """Returns virsh's error, empty if there is none."""
        self.thread.join()
        return self.error

    def __exit__(self, *_):
        self.thread.join()


def agree(guest):
    """All that libvirt says of the guest's memory is what QEMU says: at once, before any event."""
    domain, info, stats = guest.domain(), guest.dominfo(), guest.stats()
    balloon = guest.balloon()
    assert domain.requested * 1024 == balloon["target"], "<requested> and QEMU's target differ"
    assert int(stats["balloon.hyperv.requested"]) == domain.requested
    assert domain.current == balloon["actual"] // 1024, "<currentMemory> and QEMU's size differ"
    assert info == (domain.memory, domain.current)
    assert int(stats["balloon.current"]) == domain.current
    assert domain.memory == balloon["capacity"] // 1024
    assert {(s.alias, s.size) for s in domain.sticks} == {(s["id"], s["size"] // 1024) for s in guest.qmp("query-haprot")}


def keeps(guest):
    """What must be the same after a journey."""
    domain = guest.domain()
    return (domain.requested, domain.memory, sorted(domain.sticks), guest.stats()["balloon.hyperv.plan.keep-total"], guest.boot_id())


def travelled(guest, before):
    """The guest has just arrived, and is what it was."""
    agree(guest)
    assert keeps(guest) == before
    guest.held.check()
    consistent(guest)


def slowly(guest, mib=4):
    """From now on a migration of it takes its time."""
    hvb.virsh("migrate-setspeed", guest.name, mib)


def quickly(guest):
    """The opposite."""
    hvb.virsh("migrate-setspeed", guest.name, 8796093022207)


def elapsed(function, *args):
    """How many seconds it takes."""
    start = time.monotonic()
    function(*args)
    return time.monotonic() - start


def create_image(path):
    """An empty disk image."""
    tool = os.path.join(os.path.dirname(os.environ["HVB_EMULATOR"]), "qemu-img")
    subprocess.run([tool, "create", "-q", "-f", "qcow2", path, "64M"], check=True)


def with_disk(xml, path):
    """The guest has a disk, which it does not use."""
    disk = f"""<disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='{path}'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    """
    return xml.replace("<serial type='pty'>", disk + "<serial type='pty'>", 1)


GROWN = 1900 * MIB          # with sticks
SHRUNK = 700 * MIB          # below boot memory
