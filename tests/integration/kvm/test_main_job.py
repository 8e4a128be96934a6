# SPDX-License-Identifier: LGPL-2.1-or-later
"""The main job on a real KVM: a domain of type kvm, by libvirt, with the guest's stock driver."""

import functools
import re

import kvmtrace
import pytest
from checks import Held, at_rest, consistent, go, no_sticks

import hvb
from hvb import GIB, MIB


SINT2 = 0x40000092          # the MSR of the interrupt source that VMBus uses
AUTO_EOI = 1 << 17


@pytest.fixture(scope="module", name="traced")
def synic_trace():
    """KVM's trace of what guests write to their SynIC from now on: (msr, value). A test that looks at it is skipped where there is none; the others
    need no root."""
    def written():
        return [(int(msr, 16), int(value, 16)) for msr, value in re.findall(r"kvm_hv_synic_set_msr: .*msr (0x\w+) data (0x\w+)", trace.read())]

    def none(reason):
        pytest.skip(reason)

    try:
        trace = kvmtrace.Trace("kvm_hv_synic_set_msr")
    except kvmtrace.NoTrace as err:
        yield functools.partial(none, str(err))
        return
    yield written
    trace.close()


@pytest.fixture(scope="module", name="guest")
def a_guest(make_guest, traced):    # pylint: disable=unused-argument
    """1 GiB, up to 6 GiB, with free page reporting."""
    return make_guest("kvm", memory=GIB, maximum=6 * GIB, reporting=True)


@pytest.fixture(scope="module", name="data")
def held_data(guest):
    """What no change of size may lose."""
    return Held(guest, 2)


def faults(guest):
    """The device's counters of what a good guest never does, and of what was late."""
    counters = guest.balloon()["counters"]
    return {name: counters[name] for name in ("refused", "malformed", "unexpected", "duplicate-pages")}


def test_it_is_kvm(guest):
    assert guest.qmp("query-kvm") == {"present": True, "enabled": True}
    assert "<domain type='kvm'" in hvb.virsh("dumpxml", guest.name)
    at_rest(guest)


def test_the_guest_uses_automatic_end_of_interrupt(guest, traced):    # pylint: disable=unused-argument
    """A path that TCG does not have: KVM does not recommend against it, so Linux requests it. All messages of this guest come that way."""
    seen = traced()
    assert any(msr == SINT2 and value & AUTO_EOI for msr, value in seen), seen


def test_grows_past_boot_memory(guest, data):
    before = guest.memtotal()
    go(guest, 2 * GIB)
    assert abs(guest.memtotal() - before - GIB) <= 2 * MIB
    assert [stick.alias for stick in guest.domain().sticks] == ["ua-haprot0"]
    data.check()


def test_shrinks_and_the_host_gets_it_back(guest, data):
    guest.touch(600 * MIB)
    before = guest.rss()
    go(guest, 700 * MIB)
    assert guest.rss() < before - 300 * MIB
    data.check()


def test_idle_memory_goes_back_without_ballooning(guest, data):
    """Free page reporting: the guest's hypercall leaves KVM and reaches QEMU."""
    before, actual = guest.balloon()["counters"]["reported"], guest.actual()
    guest.touch(300 * MIB)
    hvb.wait_until(lambda: guest.balloon()["counters"], 60, lambda: guest.balloon()["counters"]["reported"] > before + 200 * MIB * 1024)
    assert guest.actual() == actual
    data.check()


def test_small_steps_and_the_last_of_two_requests(guest, data):
    for size in (GIB, 1100 * MIB, GIB + 228 * MIB):
        go(guest, size)
    guest.setmem(3 * GIB)
    guest.setmem(900 * MIB)
    guest.wait_at(900 * MIB)
    at_rest(guest)
    data.check()


def test_daemon_restart(guest, data):
    guest.setmem(2 * GIB)
    hvb.restart_daemon()
    guest.wait_at(2 * GIB)
    assert guest.state() == "running"
    at_rest(guest)
    data.check()


def test_nothing_was_refused_or_lost(guest):
    assert set(faults(guest).values()) == {0}, faults(guest)


def test_reboots_and_the_sticks_are_gone(guest):
    go(guest, 800 * MIB)
    guest.reboot()
    guest.wait_at(800 * MIB)
    no_sticks(guest)
    assert guest.domain().memory == GIB
    consistent(guest)
    at_rest(guest)


def test_killed_and_started_again(guest):
    go(guest, 2 * GIB)
    guest.kill()
    guest.start()
    guest.wait_up()
    assert guest.domain().memory == guest.domain().current == GIB
    assert not guest.domain().sticks
    at_rest(guest)
    go(guest, 2 * GIB)
