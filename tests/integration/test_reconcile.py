# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon is killed between any two commands, or something changes without it: afterwards definition and QEMU agree, there are no orphans, the
requested memory is remembered, and the guest has not noticed."""

import contextlib
import os

import pytest
from checks import at_rest, consistent, go, no_sticks

import hvb
from hvb import GIB, MIB

STOP_POINTS = 60            # more than any request has


@pytest.fixture(scope="module", name="guest")
def a_guest(make_guest):
    """Without the guest's driver, so that sticks are never in use and setmem alone adds and removes them. 1 GiB, up to 3 GiB."""
    return make_guest("stop", memory=GIB, maximum=3 * GIB, vcpus=1, cmdline="hvb.nomodule")


@pytest.fixture(scope="module", name="driven")
def another_guest(make_guest):
    """With the driver."""
    return make_guest("behind", memory=GIB, maximum=4 * GIB)


@pytest.fixture(scope="module", name="stop_at")
def stop_points():
    """stop_at(n, virsh arguments): has the daemon end at the n-th stop point of the domain of a virsh command, and starts it again. Returns
    where that was, or None if there was no such point; stop_at.passed() are all the points until there."""
    preload = os.path.join(os.path.dirname(os.environ["HVB_VIRSH"]), "..", "tests", "libqemuhvballoonstopmock.so")
    assert os.path.exists(preload), "./run build libvirt makes it"
    path = os.path.join(os.environ["HVB_RUN"], "stop")
    os.environ.update(HVB_DAEMON_PRELOAD=os.path.realpath(preload), HVB_STOP=path)

    def points():
        try:
            with open(path + ".log", encoding="ascii") as file:
                return file.read().splitlines()
        except FileNotFoundError:
            return []

    def stop_at(number, *command, settle=None):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path + ".log")
        with hvb.daemon_use(exclusive=True):
            if f"HVB_STOP={path}" not in hvb.daemon_environ():      # the tests of another file have started it since
                hvb.daemon("restart")
            with open(path, "w", encoding="ascii") as file:
                file.write(f"{number} {command[1]}")
            with contextlib.suppress(hvb.VirshError):       # that the connection was lost, mostly
                hvb.virsh_alone(*command)
            with contextlib.suppress(hvb.Timeout):
                hvb.wait_until("the daemon ends", settle or 0, lambda: hvb.daemon_pid() is None, every=0.02)
            ended = not os.path.exists(path)
            if ended:
                hvb.wait_until("the daemon ends", 10, lambda: hvb.daemon_pid() is None, every=0.02)
            else:
                os.unlink(path)
            hvb.daemon("start")
        return points()[-1] if ended else None

    stop_at.passed = lambda: [point.split(" ", 1)[1] for point in points()]
    hvb.restart_daemon()
    yield stop_at
    del os.environ["HVB_DAEMON_PRELOAD"], os.environ["HVB_STOP"]
    hvb.restart_daemon()


def every_point(stop_at, command, check):
    """Goes through COMMAND as often as it has stop points. Returns what they were."""
    seen = []
    for number in range(1, STOP_POINTS):
        where = stop_at(number, *command())
        if where is None:
            return seen
        seen.append(where.split(" ", 1)[1])
        print(f"stopped at {number}: {seen[-1]}")
        check()
    raise AssertionError(f"more than {STOP_POINTS} stop points: {seen}")


def done_or_not(guest):
    """A request whose daemon died is never half done, once the next daemon has reconciled."""
    hvb.wait_until(guest.seen, 20, lambda: guest.domain().memory == guest.domain().requested)


def test_killed_at_every_step_of_a_grow(guest, stop_at):
    pid = guest.pid()

    def command():
        guest.setmem(GIB)
        no_sticks(guest)
        return "setmem", guest.name, 2 * GIB, "--live"

    def check():
        done_or_not(guest)
        consistent(guest)
        assert guest.pid() == pid
        assert guest.domain().requested in (GIB, 2 * GIB)
        guest.setmem(2 * GIB)
        consistent(guest)
        assert guest.domain().memory == guest.domain().requested == 2 * GIB

    seen = every_point(stop_at, command, check)
    for step in ("before object-add", "after object-add", "before device_add", "after device_add", "before balloon", "after balloon"):
        assert step in seen, f"{step} is not among {seen}"


def test_a_request_that_is_not_done_is_undone(guest, stop_at):
    """Until the daemon has recorded what was requested, the next one finds the request before, and restores it."""
    guest.setmem(GIB)
    no_sticks(guest)
    for number in range(1, STOP_POINTS):
        where = stop_at(number, "setmem", guest.name, 2 * GIB, "--live")
        if where is None:
            break
        if where.endswith("after balloon"):
            done_or_not(guest)
            assert guest.domain().requested == guest.domain().memory == GIB
            consistent(guest)
            return
        guest.setmem(GIB)
        no_sticks(guest)
    raise AssertionError("no target was sent")


def test_killed_at_every_step_of_a_removal(guest, stop_at):
    pid = guest.pid()

    def command():
        guest.setmem(2 * GIB)
        assert len(guest.domain().sticks) == 1
        return "setmem", guest.name, GIB, "--live"

    def check():
        consistent(guest)
        assert guest.pid() == pid
        assert guest.domain().requested in (GIB, 2 * GIB)
        guest.setmem(GIB)
        no_sticks(guest)
        consistent(guest)

    seen = every_point(stop_at, command, check)
    for step in ("before balloon", "after balloon", "before device_del", "after device_del", "before object-del", "after object-del"):
        assert step in seen, f"{step} is not among {seen}"


@pytest.mark.parametrize("number", [2, 9, 11, 13, 15])
def test_killed_while_a_reset_is_cleaned_up(driven, stop_at, number):
    go(driven, 2 * GIB)
    go(driven, 900 * MIB)
    before = driven.boot_id()
    for _ in range(5):
        assert stop_at(number, "reset", driven.name, settle=10), "the reset took no command"
        if "after system_reset" in stop_at.passed():
            break           # otherwise the daemon was killed while it processed an event of the balloon
    driven.wait_boot_after(before)
    driven.wait_at(900 * MIB)
    no_sticks(driven)
    consistent(driven)
    at_rest(driven)


def test_reset_and_reboot_by_virsh(driven):
    for command in ("reset", "reboot"):
        go(driven, 2 * GIB)
        go(driven, 900 * MIB)
        before = driven.boot_id()
        hvb.virsh(command, driven.name)
        driven.wait_boot_after(before)
        driven.wait_at(900 * MIB)
        no_sticks(driven)
        consistent(driven)


def test_a_stick_plugged_without_libvirt_is_adopted(driven):
    go(driven, GIB)
    driven.qmp("object-add", qom_type="memory-backend-ram", id="memua-mine", size=256 * MIB * 1024)
    driven.qmp("device_add", driver="mem-haprot", id="ua-mine", memdev="memua-mine", insert="now")
    hvb.wait_until(driven.seen, 20, lambda: any(s.alias == "ua-mine" for s in driven.domain().sticks))
    driven.wait_at(GIB + 256 * MIB)
    consistent(driven)
    at_rest(driven)
    assert driven.domain().requested == GIB + 256 * MIB


def test_a_stick_that_xml_cannot_describe_is_ignored(driven):
    driven.qmp("object-add", qom_type="memory-backend-ram", id="other", size=256 * MIB * 1024)
    driven.qmp("device_add", driver="mem-haprot", id="nobody", memdev="other", insert="on-demand")
    before = driven.domain().memory
    driven.setmem(driven.domain().requested)
    assert driven.domain().memory == before
    assert "nobody" in [stick["id"] for stick in driven.qmp("query-haprot")]
    driven.qmp("device_del", id="nobody")
    driven.qmp("object-del", id="other")
    consistent(driven)


def test_a_stick_removed_without_libvirt_is_forgotten(guest):
    guest.setmem(2 * GIB)
    stick = guest.domain().sticks[0].alias
    guest.qmp("device_del", id=stick)
    hvb.wait_until(guest.seen, 20, lambda: not guest.domain().sticks)
    consistent(guest)
    assert guest.domain().requested == GIB
    # Its share of maxMemory is free at once.
    guest.setmem(3 * GIB)
    assert guest.domain().memory == 3 * GIB
    guest.setmem(GIB)
    no_sticks(guest)


def test_an_orphan_backend_is_removed(guest):
    guest.qmp("object-add", qom_type="memory-backend-ram", id="memua-haprot7", size=64 * MIB * 1024)
    guest.setmem(GIB)
    consistent(guest)


def test_events_missed_while_the_daemon_is_away(driven):
    go(driven, 2 * GIB)
    with hvb.daemon_use(exclusive=True):
        hvb.virsh_alone("setmem", driven.name, 900 * MIB, "--live")
        hvb.kill_daemon()
        try:
            hvb.wait_until("the guest has released it", 60, lambda: driven.memtotal() < GIB)
        finally:
            hvb.daemon("start")
    driven.wait_at(900 * MIB)
    consistent(driven)
    at_rest(driven)


def test_a_guest_that_hangs_holds_nobody_up(driven):
    go(driven, GIB + 256 * MIB)
    hvb.virsh("suspend", driven.name)
    driven.setmem(2 * GIB)
    assert driven.domain().requested == 2 * GIB
    driven.setmem(900 * MIB)
    assert driven.domain().requested == 900 * MIB
    hvb.restart_daemon()
    assert driven.state() == "paused"
    consistent(driven)
    hvb.virsh("resume", driven.name)
    driven.wait_at(900 * MIB, 120)
    at_rest(driven)
