# SPDX-License-Identifier: LGPL-2.1-or-later
"""A Debian machine in which clients run as their packages install them, on the private daemon."""

import os
import pathlib
import shutil
import socket
import subprocess
import sys

import pytest

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TREE / "tests"))
from root import WORK, Root  # noqa: E402

sys.path.insert(0, str(TREE / "scripts"))
from hvb import GIB  # noqa: E402

PICTURES = TREE / "build" / "test" / "clients"
PLUGGED = 3 * GIB   # of the running guest, from the start
LIMIT = 1200        # seconds for one client, on a busy machine


class Machine:
    """A new one of this release, with nothing installed. In it, qemu:///system is the private daemon."""

    def __init__(self, release):
        self.release = release
        self.libvirt = pathlib.Path(os.environ["HVB_STATE"]).parent
        self.pictures = PICTURES / release
        self.shared = WORK / f"{release}-clients-shared"
        shutil.rmtree(self.shared, ignore_errors=True)
        shutil.copytree(pathlib.Path(__file__).with_name("jobs"), self.shared / "jobs")
        for name in ("desktop.py", "window.py"):
            shutil.copy(TREE / "tests" / "virt-manager" / name, self.shared / "jobs")
        self.root = Root(release, "clients")
        # There is no init, and no service is wanted that a package brings.
        self.root.run("printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d")

    def remove(self):
        self.root.remove()
        shutil.rmtree(self.shared, ignore_errors=True)

    def need(self, *packages):
        """Installs them. Skips the test if this release does not have one."""
        missing = [name for name in packages if not self.offers(name)]
        if missing:
            pytest.skip(f"{self.release} has no package {', '.join(missing)}")
        self.root.run("apt-get -q -y install " + " ".join(packages), stdout=subprocess.DEVNULL)

    def offers(self, package):
        return bool(self.root.output(f"apt-cache show --no-all-versions {package} 2>/dev/null || true").strip())

    def run(self, script):
        """What a bash script prints; it has to succeed. Its errors go into what pytest shows of a failure."""
        return self.root.output(script, shared=self.shared, libvirt=self.libvirt, timeout=LIMIT)

    def job(self, name, *args):
        """The same of one of jobs/."""
        return self.run(" ".join([f"/mnt/shared/jobs/{name}", *map(str, args)]))

    def keep_pictures(self):
        """What a job left in its folder of pictures, in build/test/clients/RELEASE. They are there also if it has failed."""
        for path in sorted((self.shared / "pictures").glob("*")):
            self.pictures.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, self.pictures)


def free_port():
    """Of this machine, whose network the others share."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
