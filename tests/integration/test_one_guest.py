# SPDX-License-Identifier: LGPL-2.1-or-later
"""The main scenario, on one guest: 1 GiB of boot memory, 2 vCPUs, q35; with the kernels of Debian 12 and 13 and the newest that Debian has for a
release, or with those that ./run test kernels names."""

import pytest
from checks import at_rest, go, near, no_sticks

import hvb
from hvb import GIB, MIB


@pytest.fixture(scope="module", name="guest")
def a_guest(make_guest, kernel):
    """1 GiB, up to 8 GiB, with one kernel after the other."""
    return make_guest("one-" + kernel, release=kernel)


def test_boots_with_what_it_was_given(guest):
    assert guest.domain().current == guest.domain().memory == GIB
    assert not guest.domain().sticks
    assert guest.hidden < GIB // 4, "the guest's kernel keeps more for itself than it should"
    at_rest(guest)


def test_grows_past_boot_memory(guest):
    before = guest.memtotal()
    go(guest, 3 * GIB)
    assert near(guest.memtotal() - before, 2 * GIB)
    domain = guest.domain()
    assert [stick.alias for stick in domain.sticks] == ["ua-haprot0"]
    assert domain.sticks[0].insert == "on-demand"
    assert domain.boot == GIB


def test_shrinks_below_boot_memory_and_the_host_gets_it_back(guest):
    guest.touch(1500 * MIB)
    before = guest.rss()
    assert before > 1500 * MIB
    go(guest, 700 * MIB)
    assert guest.rss() < before - GIB


def test_grows_again_from_what_is_there(guest):
    sticks = guest.domain().sticks
    go(guest, 2 * GIB)
    assert guest.domain().sticks == sticks
    guest.touch(GIB)
    at_rest(guest)


def test_the_last_of_two_requests_counts(guest):
    guest.setmem(3 * GIB)
    guest.setmem(900 * MIB)
    guest.wait_at(900 * MIB)
    at_rest(guest)
    guest.setmem(800 * MIB)
    guest.setmem(2500 * MIB)
    guest.wait_at(2500 * MIB)
    at_rest(guest)


def test_reboots_to_a_target_within_boot_memory(guest):
    go(guest, 900 * MIB)
    guest.reboot()
    guest.wait_at(900 * MIB)
    no_sticks(guest)
    assert guest.domain().memory == GIB
    at_rest(guest)


def test_reboots_to_a_target_past_boot_memory(guest):
    go(guest, 2 * GIB + 300 * MIB)
    guest.reboot()
    guest.wait_at(2 * GIB + 300 * MIB)
    assert guest.domain().sticks
    at_rest(guest)


def test_ten_small_steps_up_and_one_down(guest):
    go(guest, GIB)
    for step in range(1, 11):
        go(guest, GIB + step * 150 * MIB)
    assert len(guest.domain().sticks) <= 10
    go(guest, 800 * MIB)
    guest.reboot()
    guest.wait_at(800 * MIB)
    no_sticks(guest)
    at_rest(guest)


def test_guest_exec_answers_before_the_guest_reboots(guest):
    before = guest.boot_id()
    assert "a function" in guest.exec("type reboot"), "busybox's own reboot ends the agent that has to answer"
    guest.exec("reboot")
    guest.wait_boot_after(before)


def test_reboots_in_the_middle_of_growing(guest):
    guest.setmem(4 * GIB)
    before = guest.start_reboot()
    guest.wait_boot_after(before)
    guest.wait_at(4 * GIB)
    at_rest(guest)


def test_destroyed_and_started_again_it_is_as_defined(guest):
    hvb.virsh("destroy", guest.name)
    assert guest.state() == "shut off"
    inactive = hvb.Domain(hvb.virsh("dumpxml", guest.name))
    assert (inactive.memory, inactive.current, inactive.sticks) == (GIB, GIB, [])
    guest.start()
    guest.wait_up()
    assert guest.domain().current == guest.domain().memory == GIB
    at_rest(guest)
    go(guest, 2 * GIB)


def test_setmaxmem_of_a_running_guest_is_capacity_alone(guest):
    # virt-manager asks for this first, then for setmem.
    go(guest, GIB)
    before = guest.domain().memory
    hvb.virsh("setmaxmem", guest.name, 5 * GIB, "--live")
    assert guest.domain().memory == 5 * GIB > before
    assert guest.domain().current == GIB
    at_rest(guest)
    go(guest, 5 * GIB)
    with pytest.raises(hvb.VirshError, match=r"(?i)maxMemory"):
        hvb.virsh("setmaxmem", guest.name, 9 * GIB, "--live")


def test_shut_down_by_its_power_button(guest):
    guest.setmem(700 * MIB)
    hvb.virsh("shutdown", guest.name)
    hvb.wait_until("the guest shuts down", 60, lambda: guest.state() == "shut off")
