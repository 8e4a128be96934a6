# SPDX-License-Identifier: LGPL-2.1-or-later
"""virt-xml and virt-install of the distribution know the balloon's model by its name."""

import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts"))
import hvb  # noqa: E402
from hvb import GIB  # noqa: E402
from window import client_environment, uri  # noqa: E402

NAME = "hvbt-command-line"


@pytest.fixture(autouse=True)
def daemon():
    hvb.setup()
    guest = hvb.Guest(NAME)
    guest.remove()
    yield guest
    guest.remove()


def run(*argv):
    got = subprocess.run(argv, env=client_environment(), capture_output=True, text=True, check=False, timeout=120)
    assert got.returncode == 0, got.stderr
    return got.stdout


def test_virt_xml_turns_a_virtio_balloon_into_a_hyperv_one():
    guest = hvb.Guest(NAME, memory=GIB, maximum=2 * GIB)
    guest.xml = guest.xml.replace("<memballoon model='hyperv'/>", "<memballoon model='none'/>")
    guest.define()
    run("virt-xml", "--connect", uri(), NAME, "--edit", "--memballoon", "clearxml=yes,model=hyperv")
    assert "<memballoon model='hyperv'" in hvb.virsh("dumpxml", "--inactive", NAME)


def test_virt_install(daemon):
    run("virt-install", "--connect", uri(), "--name", NAME, "--virt-type", "qemu", "--memory", "memory=1024,currentMemory=1024,maxMemory=4096",
        "--vcpus", "1", "--cpu", "mode=maximum", "--memballoon", "model=hyperv", "--osinfo", "detect=off,require=off", "--disk", "none",
        "--network", "none", "--graphics", "none", "--controller", "usb,model=none", "--import", "--noautoconsole",
        "--boot", f"kernel={hvb.os.environ['HVB_KERNEL']},initrd={hvb.os.environ['HVB_INITRD']},"
                  f"kernel_args=console=ttyS0 memhp_default_state=online,emulator={hvb.os.environ['HVB_EMULATOR']}")
    assert "<memballoon model='hyperv'" in hvb.virsh("dumpxml", NAME)
    hvb.wait_until("the guest's driver is connected", hvb.BOOT_LIMIT, lambda: daemon.balloon()["connected"])
    daemon.setmem("2GiB")
    daemon.wait_at(2 * GIB)
