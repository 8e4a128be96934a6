# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest under KVM with an assigned NVMe disk, and sticks, driven by QMP: for the benchmark here and for tests/integration/kvm/test_vfio_qemu.py."""

import contextlib
import pathlib
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "device"), str(HERE.parents[1] / "integration/kvm"), str(HERE.parents[2] / "scripts")]
import guests  # noqa: E402
from assigned import DISK, READ, locked_of  # noqa: E402
from guests import GIB, MIB  # noqa: E402
from hvb import MOVING  # noqa: E402
from speed import patient  # noqa: E402

BOOT = GIB
NEAR = 4 * MIB              # by which locked memory may differ: ROMs, and granules of which the guest has a part
LIMIT = 120                 # seconds, on an ordinary machine


class Assigned(guests.HvBalloon):
    """A guest with the disk behind a port, whose QEMU may not lock more than the limit: it lacks the capability that root has."""

    name, most = "hv-balloon, VFIO", 8 * GIB
    through = ("setpriv", "--inh-caps=-ipc_lock", "--bounding-set=-ipc_lock")

    def __init__(self):
        super().__init__(guests.Setting(boot=BOOT, accel="kvm", cpu="host,kvm=off", vcpus=1))

    def devices(self):
        return [*super().devices(), "-device", "pcie-root-port,id=port0,chassis=1,slot=1", "-device", f"vfio-pci,id=disk0,host={DISK},bus=port0"]

    def state(self):
        return self.qmp("query-hv-balloon")

    def rest(self, what="a guest at rest"):
        """Until nothing goes on; the state then."""
        self.wait(what, patient(LIMIT), lambda: self.state()["state"] not in MOVING)
        return self.state()

    def balloon(self, size):
        """A target, reached."""
        self.qmp("balloon", value=size)
        self.wait(f"{size // MIB} MiB", patient(LIMIT), lambda: abs(self.state()["actual"] - size) <= 2 * MIB)
        return self.rest()

    def sticks(self):
        return self.qmp("query-haprot")

    def plug(self, name, size):
        self.qmp("object-add", **{"qom-type": "memory-backend-ram", "id": f"m{name}", "size": size})
        self.qmp("device_add", driver="mem-haprot", id=f"h{name}", memdev=f"m{name}", insert="on-demand")

    def unplug(self, name):
        self.qmp("device_del", id=f"h{name}")
        self.qmp("object-del", id=f"m{name}")

    def locked(self):
        """Bytes."""
        return locked_of(self.qemu.pid)[0] * 1024

    def wait_locked(self, size):
        self.wait(f"{size // MIB} MiB locked", patient(30), lambda: abs(self.locked() - size) <= NEAR)

    def may_lock(self, size):
        subprocess.run(["prlimit", f"--pid={self.qemu.pid}", f"--memlock={size}:unlimited"], check=True)

    def read(self):
        return self.exec(READ).split()[0]


class Prober(threading.Thread):
    """Sends a command that does nothing, again and again, and notes how long the reply takes."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.qmp, self.waits, self.going = guests.Qmp(path), [], True

    def run(self):
        while self.going:
            start = time.monotonic()
            self.qmp("query-name")
            self.waits.append(time.monotonic() - start)
            time.sleep(0.002)

    def since(self):
        """What was noted since the last call, the last command included."""
        count = len(self.waits)
        while len(self.waits) == count:
            assert self.is_alive(), "QMP does not answer any more"
            time.sleep(0.01)
        waits, self.waits = self.waits, []
        return waits

    def end(self):
        self.going = False
        self.join()


class Probed(Assigned):
    """With a second QMP monitor."""

    def devices(self):
        return [*super().devices(), "-qmp", f"unix:{self.folder.name}/probe,server=on,wait=off"]

    @contextlib.contextmanager
    def probed(self):
        """One that asks meanwhile."""
        prober = Prober(f"{self.folder.name}/probe")
        prober.start()
        try:
            yield prober
        finally:
            prober.end()
