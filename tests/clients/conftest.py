# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fixtures of the clients' suite: a guest on the private daemon, and Debian machines whose programs are tried on it."""

import os
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts"))
import hvb  # noqa: E402
from hvb import GIB  # noqa: E402
from machine import PLUGGED, Machine  # noqa: E402

# Where virt-manager is 4.1, 5.0 and 5.1. HVB_CLIENTS="bookworm trixie" before the command: only these.
RELEASES = os.environ.get("HVB_CLIENTS", "bookworm trixie testing").split()


@pytest.fixture(scope="session", autouse=True)
def daemon():
    """The private daemon as qemu:///system, which is where the clients look for one."""
    if os.geteuid() != 0:
        pytest.skip("these clients use the system's daemon, and an ordinary user's is another: run as root")
    hvb.setup()


def begin(guest):
    """Defined and started: 1 GiB that can become 4, of which 3 are plugged from the start."""
    guest.remove()
    guest.define()
    subprocess.run(["virsh-hvmem", "enable", guest.name, "--plugged", f"{PLUGGED}KiB"], check=True, stdout=subprocess.DEVNULL,
                   env={**os.environ, "ASAN_OPTIONS": "detect_leaks=0"})
    guest.start()
    guest.wait_booted()


@pytest.fixture(scope="session", name="any_guest")
def running_guest(daemon):     # pylint: disable=unused-argument,redefined-outer-name
    guest = hvb.Guest("hvbt-clients", memory=GIB, maximum=4 * GIB)
    begin(guest)
    yield guest
    guest.remove()


@pytest.fixture(name="guest")
def guest_with_one_gib(any_guest):
    """Whatever the test before has left of it."""
    if any_guest.state() != "running" or any_guest.domain().memory != PLUGGED:
        begin(any_guest)
    any_guest.setmem(GIB, "--live", "--config")
    any_guest.wait_at(GIB, 120)
    return any_guest


@pytest.fixture(name="stopped")
def stopped_guest(daemon):      # pylint: disable=unused-argument,redefined-outer-name
    """1 GiB, up to 4 GiB, and nothing plugged beyond."""
    guest = hvb.Guest("hvbt-clients-off", memory=GIB, maximum=4 * GIB)
    guest.remove()
    guest.define()
    yield guest
    guest.remove()


@pytest.fixture(scope="session", name="machine", params=RELEASES)
def debian_machine(request, daemon):        # pylint: disable=unused-argument,redefined-outer-name
    machine = Machine(request.param)
    yield machine
    machine.remove()
