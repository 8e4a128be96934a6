# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fixtures of the integration suite: guests on the private daemon, removed after use."""

import contextlib
import fcntl
import functools
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts"))
import guest_xml  # noqa: E402
import hvb  # noqa: E402

pytest.register_assert_rewrite("checks", "travel")


def pytest_addoption(parser):
    """For ./run test kernels and ./run test kvm."""
    parser.addoption("--kernels", default="this,other,newest", help="for the tests that run on several kernels: which, as scripts/guest-image "
                     "calls them (default: %(default)s)")
    parser.addoption("--accel", default="tcg", choices=["tcg", "kvm"], help="of guests that do not say so; the tests in kvm are run with kvm alone "
                     "(default: %(default)s)")


def pytest_ignore_collect(collection_path, config):
    """The tests in kvm need it."""
    if collection_path.name == "kvm" and config.getoption("--accel") != "kvm":
        return True
    return None


@functools.lru_cache
def kernels(names):
    """The same strings for every test: pytest keeps a guest from test to test as long as its parameter is the same object."""
    return names.split(",")


def pytest_generate_tests(metafunc):
    """A test, or a fixture of it, that asks for the kernel runs on each."""
    if "kernel" in metafunc.fixturenames:
        metafunc.parametrize("kernel", kernels(metafunc.config.getoption("kernels")), scope="module")


def pytest_xdist_auto_num_workers(config):  # pylint: disable=unused-argument
    """A guest or two a worker: about a processor and 3 GiB of free memory each."""
    with open("/proc/meminfo", encoding="ascii") as file:
        free = next(int(line.split()[1]) for line in file if line.startswith("MemAvailable:"))
    return max(1, min(4, len(os.sched_getaffinity(0)), free // (3 * hvb.GIB)))


@pytest.fixture(scope="session", autouse=True)
def daemon():
    """The private daemon runs while there are tests, and afterwards: other workers may need it."""
    hvb.setup()


@pytest.fixture(scope="module", name="hosts")
def two_hosts():
    """The two daemons. One file has them at a time: what its tests do to the second one, and that it ends, concerns all guests there."""
    try:
        hosts = [hvb.Host(), hvb.Host(second=True)]
    except hvb.NoHost as why:
        pytest.skip(str(why))
    with open(os.path.join(hosts[0].run, "second.lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        hosts[1].daemon("start")
        yield hosts
        hosts[1].daemon("stop")
    hosts[0].use()


@pytest.fixture(scope="module")
def make_guest(request):
    """make_guest(name, **options): a started guest, waited for unless up=False; removed after the file's last test.
    EDIT changes its XML, a text, before."""
    guests = []
    defaults = {"accel": request.config.getoption("--accel")}
    if guest_xml.on_emulated_host():
        defaults["vcpus"] = 1       # of the two that it has; test_journeys.py has a guest with two

    def make(name, up=True, edit=None, **options):
        try:
            guest = hvb.Guest("hvbt-" + name, **{**defaults, **options})
        except hvb.NoKernel as why:
            pytest.skip(str(why))
        if edit:
            guest.xml = edit(guest.xml)
        guest.remove()
        guests.append(guest)
        guest.define()
        guest.start()
        if up:
            guest.wait_booted()
        return guest

    yield make
    failed = request.session.testsfailed
    complaints = []
    for guest in guests:
        if failed:
            show(guest)
        guest.remove()
        complaints += kernel_complaints(guest)
    assert not complaints, "a guest's kernel complained"


def kernel_complaints(guest):
    """Errors and warnings of the kernel on the console, of the last start at least."""
    words = ("BUG:", "WARNING:", "Oops", "Call Trace", "Bad page", "Out of memory", "Kernel panic", "soft lockup")
    with contextlib.suppress(OSError), open(guest.console, encoding="utf-8", errors="replace") as file:
        return [f"{guest.name}: {line.rstrip()}" for line in file if any(word in line for word in words)]
    return []


def show(guest):
    """Prints the end of a guest's console, and of what its QEMU said, to debug a failure."""
    for path in (guest.console, guest.log):
        with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
            print(f"--- {path}\n" + "".join(file.readlines()[-15:]))
