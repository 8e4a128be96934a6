# SPDX-License-Identifier: LGPL-2.1-or-later
"""The public tests of Hyper-V's dynamic memory, by hand: there the host decides by the guests' reports, here an administrator does.

The cases are those of microsoft/lis-test (DM_Tests.xml, Runtime_Memory_Resize_Tests.xml) and of its successor microsoft/lisa:

| case                                                 | here                                                                  |
|------------------------------------------------------|-----------------------------------------------------------------------|
| DMLoaded, HotAdd_Verify_udev                         | test_one_guest; test_bad_requests (nothing is onlined)                |
| HotAdd, hot add under stress, upper limit            | test_grows_while_it_needs_it, test_maximum_is_honoured                |
| HotRemove, StressHotRemove, RemoveUnderPressure      | test_shrinks_under_pressure                                           |
| MinMemHonored, lower limit; MaxMemHonored            | test_minimum_is_honoured; test_maximum_is_honoured                    |
| StartupLowCompete, StartupHighCompete, HighPriority  | test_guests_share_what_there_is                                       |
| DemandPressure                                       | test_the_host_sees_what_the_guest_needs                               |
| SmallIncrease, SmallDecrease by 128 and by 100       | test_small_steps                                                      |
| MultipleAddRemove, balloon up and down under stress  | test_cycles_under_stress; test_cycles                                 |
| HotAdd_Reboot                                        | test_one_guest, test_reconcile                                        |
| CleanShutdown                                        | test_guests_share_what_there_is; test_one_guest                       |
| SaveRestore                                          | test_save (refused)                                                   |
| startup memory below and above                       | test_save, test_flags (currentMemory and sticks of the configuration) |
"""

import contextlib

import pytest
from checks import OVERHEAD, Held, at_rest, go

import hvb
from hvb import GIB, MIB

MINIMUM, MAXIMUM = 512 * MIB, 2 * GIB + 512 * MIB
SWING = 128                 # MiB that the stress allocates and frees: less than any guest here keeps for itself


@pytest.fixture(scope="module", name="guest")
def a_guest(make_guest):
    """1 GiB, up to 2.5 GiB, not less than half; its driver reports at once and not only 45 s after it was loaded."""
    guest = make_guest("first", memory=GIB, maximum=MAXIMUM, edit=lambda xml: xml.replace(
        "<memballoon model='hyperv'/>", f"<memballoon model='hyperv'><minimum unit='KiB'>{MINIMUM}</minimum></memballoon>"))
    guest.exec("echo 0 >/sys/module/hv_balloon/parameters/pressure_report_delay")
    return guest


@pytest.fixture(scope="module", name="second")
def another_guest(make_guest):
    """The same on one vCPU, started when it has to compete."""
    return make_guest("second", up=False, memory=GIB, maximum=MAXIMUM, vcpus=1)


@contextlib.contextmanager
def stress(guest):
    """A program in the guest allocates memory, writes to it and frees it, as fast as it can; no allocation may fail."""
    guest.exec(f"rm -f /tmp/calm /tmp/starved; (while [ ! -e /tmp/calm ]; do dd if=/dev/zero of=/dev/null bs={SWING}M count=1 || "
               "touch /tmp/starved; done) >/dev/null 2>&1 &")
    yield
    guest.exec("touch /tmp/calm; ! [ -e /tmp/starved ]")


def fill(guest, kib):
    """Has the guest use that much more, until drop()."""
    guest.exec(f"fallocate -l {kib}K $(mktemp /tmp/fill.XXXXXX)", 120)


def drop(guest):
    """Frees all that fill() used."""
    guest.exec("rm -f /tmp/fill*")


def usable(guest):
    """What the guest could spare, by its own report."""
    stat = dict(line.split() for line in hvb.virsh("dommemstat", guest.name).splitlines() if line.strip())
    return int(stat["usable"])


def test_small_steps(guest):
    data = Held(guest, 4)
    for step in (128 * MIB, 100 * MIB):
        for size in [GIB + step * i for i in (1, 2, 1, 0)]:
            go(guest, size)
    data.check()


def test_grows_while_it_needs_it(guest):
    """Nearly all memory is in use; more is added, and used as it arrives."""
    go(guest, 900 * MIB)
    data = Held(guest, 4)
    fill(guest, guest.memavailable() - 250 * MIB)
    with stress(guest):
        go(guest, 2 * GIB, 120)
        fill(guest, 700 * MIB)
    data.check()


def test_maximum_is_honoured(guest):
    """Even if the guest could use more."""
    data = Held(guest, 4)
    with stress(guest):
        go(guest, MAXIMUM, 120)
        with pytest.raises(hvb.VirshError, match=rf"maxMemory.* {MAXIMUM} "):
            guest.setmem(MAXIMUM + 1)
        fill(guest, 400 * MIB)
    data.check()
    assert guest.actual() == guest.domain().memory == guest.domain().max == MAXIMUM


def test_the_host_sees_what_the_guest_needs(guest):
    """The reported usable memory follows the demand, up and down."""
    def told():
        return abs(usable(guest) - guest.memavailable()) < 64 * MIB

    hvb.wait_until("the guest reports", 30, told)
    busy = usable(guest)
    drop(guest)
    hvb.wait_until("the guest reports what it dropped", 30, told)
    idle = usable(guest)
    assert idle > busy + GIB
    fill(guest, 700 * MIB)
    hvb.wait_until("the guest reports what it took", 30, told)
    assert abs(idle - usable(guest) - 700 * MIB) < 128 * MIB


def test_shrinks_under_pressure(guest):
    """It releases what it can while it works, keeps what it needs, and releases that too when it is no longer needed."""
    data = Held(guest, 4)
    boot = guest.boot_id()
    with stress(guest):
        guest.setmem(600 * MIB)
        hvb.wait_until(guest.seen, 120, lambda: guest.stats()["balloon.hyperv.state"] == "floor")
        stats = guest.stats()
        assert 764 * MIB < int(stats["balloon.current"]) < 2 * GIB, "it needs what it was filled with, and not most of what it had"
        assert int(stats["balloon.hyperv.requested"]) == 600 * MIB
        assert stats["balloon.hyperv.last-error"]
    data.check()
    drop(guest)
    go(guest, 600 * MIB)
    data.check()
    assert guest.boot_id() == boot


def test_minimum_is_honoured(guest):
    """The guest goes down to the minimum and no further."""
    with pytest.raises(hvb.VirshError, match=rf"minimum.* {MINIMUM} "):
        guest.setmem(MINIMUM - 1)
    assert guest.domain().requested == 600 * MIB
    guest.setmem(MINIMUM)
    hvb.wait_until(guest.seen, 60, guest.resting)
    assert MINIMUM - 2 * MIB <= guest.actual() <= 600 * MIB
    at_rest(guest)


def test_cycles_under_stress(guest):
    """Up and down while it works and holds data."""
    go(guest, GIB)
    data = Held(guest, 4)
    with stress(guest):
        for size in (2 * GIB, GIB, 2 * GIB + 300 * MIB, 900 * MIB):
            go(guest, size, 120)
            data.check()
    assert [guest.balloon()["counters"][name] for name in ("dropped-ranges", "duplicate-pages", "malformed", "unexpected")] == [0, 0, 0, 0]


def test_guests_share_what_there_is(guest, second):
    """2.5 GiB for two guests that need 1.7 each: one shrinks before the other grows; one is shut down in the end."""
    both = (guest, second)
    second.wait_up()
    held = {one: Held(one, 4) for one in both}
    for rich, poor in (both, both[::-1]):
        go(poor, 800 * MIB)
        go(rich, 1700 * MIB)
        # The host has memory for both together, not for the sum of their maxima.
        rich.touch(GIB)
        assert sum(one.domain().current for one in both) <= 2500 * MIB
        assert sum(one.rss() - one.translation_buffer() - OVERHEAD for one in both) <= 2500 * MIB
        for one in both:
            at_rest(one)
            held[one].check()
    hvb.virsh("shutdown", guest.name)
    hvb.wait_until("the poor one shuts down", 60, lambda: guest.state() == "shut off")
    go(second, 2500 * MIB)
    held[second].check()
