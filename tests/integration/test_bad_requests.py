# SPDX-License-Identifier: LGPL-2.1-or-later
"""Impossible requests get a clear error or end short of the target, and change nothing else."""

import contextlib
import os
import time

import pytest
from checks import at_rest, go

import hvb
from hvb import GIB, MIB


@pytest.fixture(scope="module", name="guest")
def a_guest(make_guest):
    """1 GiB, up to 2 GiB."""
    return make_guest("bad", memory=GIB, maximum=2 * GIB)


def test_more_than_maxmemory_is_refused(guest):
    with pytest.raises(hvb.VirshError, match=r"(?i)maxMemory") as refusal:
        guest.setmem(2 * GIB + 1)
    assert str(2 * GIB) in str(refusal.value), "the message does not say what the limit is"
    assert guest.domain().current == GIB
    at_rest(guest)


def stick_at(base):
    return f"<memory model='haprot'><target><size unit='GiB'>1</size><address base='{base:#x}'/></target></memory>"


def test_an_address_of_boot_memory_is_refused(guest):
    path = os.path.join(os.environ["HVB_GUEST_RUN"], guest.name + ".stick.xml")
    with open(path, "w", encoding="ascii") as file:
        file.write(stick_at(0x20000000))
    with pytest.raises(hvb.VirshError, match="at address 0x20000000 is not within the usable range"):
        hvb.virsh("attach-device", guest.name, path, "--live")
    at_rest(guest)


def test_maxmemory_itself_is_accepted(guest):
    go(guest, 2 * GIB)


def test_zero_is_refused(guest):
    before = guest.actual()
    with pytest.raises(hvb.VirshError, match="must not be zero"):
        guest.setmem(0)
    assert guest.actual() == before
    at_rest(guest)


@pytest.mark.parametrize("flag", ["--live", "--config"])
@pytest.mark.parametrize("model, more", [("dimm", ""), ("virtio-mem", "<block unit='MiB'>2</block><requested unit='MiB'>512</requested>")])
def test_other_memory_devices_are_refused_for_the_real_reason(guest, model, more, flag):
    path = os.path.join(os.environ["HVB_GUEST_RUN"], guest.name + ".other.xml")
    with open(path, "w", encoding="ascii") as file:
        file.write(f"<memory model='{model}'><target><size unit='MiB'>512</size><node>0</node>{more}</target></memory>")
    with pytest.raises(hvb.VirshError, match=f"'{model}' of {512 * MIB} KiB cannot be used beside.*'virsh setmem' adds memory"):
        hvb.virsh("attach-device", guest.name, path, flag)


# boot memory begins at 0; what there is for sticks ends below 64 GiB
@pytest.mark.parametrize("base", [0x40000000, 64 << 30])
@pytest.mark.parametrize("machine", ["q35", "pc"])
def test_an_address_outside_of_device_memory(machine, base):
    """Only QEMU knows its range: the definition is accepted, and the start fails with QEMU's error."""
    guest = hvb.Guest("hvbt-bad-address", memory=3 * GIB, maximum=8 * GIB, machine=machine)
    guest.remove()
    guest.xml = guest.xml.replace("</devices>", stick_at(base) + "</devices>")
    guest.define()
    with pytest.raises(hvb.VirshError, match=f"'ua-stick0' of 0x40000000 bytes at address {base:#x} is not within the usable range.* choose an address there"):
        guest.start()
    assert guest.state() == "shut off"
    guest.remove()


@pytest.mark.parametrize("machine, ceiling", [("q35", 945 * GIB), ("pc", 975 * GIB)])
def test_what_the_cpu_can_address(machine, ceiling):
    """QEMU starts with the largest maxMemory that libvirt accepts; anything above it is refused."""
    guest = hvb.Guest("hvbt-bad-space", memory=GIB, maximum=ceiling, machine=machine)
    guest.remove()
    guest.define()
    hvb.virsh("start", "--paused", guest.name)
    guest.remove()
    guest = hvb.Guest("hvbt-bad-space", memory=GIB, maximum=ceiling + 2 * MIB, machine=machine)
    with pytest.raises(hvb.VirshError, match=f"the CPU of this domain has 40: lower <maxMemory> to {ceiling} KiB or less"):
        guest.define()


@pytest.mark.parametrize("size", [64 * MIB, 1])
def test_less_than_the_guest_can_spare_ends_above_it(guest, size):
    guest.setmem(size)
    hvb.wait_until(guest.seen, 90, lambda: guest.balloon()["state"] == "floor")
    at_rest(guest)
    assert guest.actual() > 64 * MIB
    assert guest.balloon()["last-error"]
    go(guest, GIB)


def test_setmem_before_the_guest_is_up(make_guest):
    guest = make_guest("early", up=False, memory=GIB, maximum=4 * GIB)
    guest.setmem(2 * GIB)
    assert guest.domain().current == guest.actual() == GIB, "it has it already, before it is up"
    guest.exec("true", hvb.BOOT_LIMIT)
    guest.wait_at(2 * GIB)
    guest.setmem(GIB)
    guest.wait_at(GIB)
    guest.hidden = guest.actual() - guest.memtotal()
    assert guest.hidden < GIB // 4
    at_rest(guest)
    guest.remove()


def test_guest_without_driver(make_guest):
    guest = make_guest("nodriver", memory=GIB, maximum=4 * GIB, vcpus=1, cmdline="hvb.nomodule")
    assert guest.balloon()["connected"] is False
    before = guest.memtotal()
    guest.setmem(2 * GIB)
    # There is nothing to wait for: nothing has changed after a time in which another guest would have grown.
    guest.exec("sleep 3")
    assert guest.balloon()["state"] == "disconnected"
    assert (guest.actual(), guest.memtotal()) == (GIB, before)
    at_rest(guest)
    guest.setmem(700 * MIB)
    guest.exec("sleep 3")
    assert (guest.actual(), guest.memtotal()) == (GIB, before)
    at_rest(guest)
    guest.remove()


def test_guest_that_onlines_nothing(make_guest):
    guest = make_guest("offline", memory=GIB, maximum=4 * GIB, cmdline="memhp_default_state=offline")
    before = guest.memtotal()
    guest.setmem(1500 * MIB)
    hvb.wait_until(guest.seen, 120, lambda: guest.balloon()["state"] == "not-onlined")
    assert "online" in guest.balloon()["last-error"]
    assert guest.memtotal() <= before
    at_rest(guest, memtotal=False)
    # It can still release memory.
    guest.setmem(800 * MIB)
    hvb.wait_until(guest.seen, 60, lambda: guest.memtotal() <= before - 150 * MIB)
    # what it has taken out of use it has not reported yet
    hvb.wait_until(guest.seen, 60, lambda: guest.actual() < GIB and guest.resting())
    at_rest(guest, memtotal=False)
    guest.remove()


def test_memory_that_cannot_be_released(make_guest):
    """A part was onlined as movable: Linux's driver takes the last of the other. The kernel gets some back, and can go on."""
    guest = make_guest("movable", memory=GIB, maximum=4 * GIB, edit=lambda xml: xml.replace("state=online<", "state=online_movable<"))
    guest.exec("echo 0 >/sys/module/hv_balloon/parameters/pressure_report_delay")
    boot = guest.boot_id()
    go(guest, 2500 * MIB)
    hvb.wait_until("the guest reports", 20, lambda: "balloon.usable" in guest.stats())
    guest.setmem(700 * MIB)
    hvb.wait_until(guest.seen, 90, lambda: guest.balloon()["state"] == "floor" and "movable" in guest.balloon().get("last-error", ""))

    def sent():
        return guest.balloon()["counters"]["messages-sent"]

    time.sleep(2)           # what it gets back is on its way
    first = sent()
    for _ in range(20):
        guest.exec("cat /proc/meminfo >/dev/null")      # a new process each: none of them is killed
    # It is asked once more, 5 s later, unless it released little, and then left alone: the next time would be 10 s after its reply.
    with contextlib.suppress(hvb.Timeout):
        hvb.wait_until("it is asked once more, and replies", 30, lambda: sent() > first and guest.resting())
    time.sleep(2)           # what it gets back then
    last = sent()
    time.sleep(15)
    assert sent() == last
    assert guest.balloon()["state"] == "floor" and guest.actual() > 1536 * MIB + 128 * MIB
    assert guest.boot_id() == boot
    go(guest, 2 * GIB)
    guest.remove()
