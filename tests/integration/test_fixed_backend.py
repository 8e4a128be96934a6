# SPDX-License-Identifier: LGPL-2.1-or-later
"""A QEMU with hv-balloon and without sticks, as the distribution's: one fixed backend of all that maxMemory allows.

Here it is our QEMU, with the capability mem-haprot removed: for one domain by its XML, or for all by capability_filters in qemu.conf. So libvirt
uses it like the distribution's, and its device has a fixed backend in the same way. kvm/test_stock_qemu.py runs the same tests on the
distribution's QEMU.
"""

import collections
import os
import signal
import time

import pytest
from checks import Held, at_rest, go, near, reboot_without_daemon

import hvb
from hvb import GIB, MIB
from speed import patient

MEMORY, MAXIMUM, MINIMUM = GIB, 2 * GIB + 512 * MIB, 512 * MIB
# QEMU's own balloon adds whole 128 MiB alone, so it cannot grow from boot memory to any size.
SIZE = GIB + 512 * MIB
NO_STICKS = "<qemu:capabilities><qemu:del capability='mem-haprot'/></qemu:capabilities>"


# What a guest runs on: a word for the guest's name, and the options of make_guest.
QEMU = collections.namedtuple("QEMU", "name options")


def with_minimum(xml):
    """The size that the tests may request at least."""
    return xml.replace("<memballoon model='hyperv'/>", f"<memballoon model='hyperv'><minimum unit='KiB'>{MINIMUM}</minimum></memballoon>")


def without_sticks(xml):
    """Removes the capability for sticks from this domain's QEMU."""
    return with_minimum(xml.replace("<domain ", "<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0' ", 1)
                        .replace("</domain>", NO_STICKS + "</domain>"))


@pytest.fixture(scope="module", name="qemu")
def which_qemu():
    """Ours, as if it had no sticks."""
    return QEMU("fixed", {"edit": without_sticks})


@pytest.fixture(scope="module", name="guest")
def a_guest(make_guest, qemu):
    """1 GiB, up to 2.5 GiB, one vCPU, QEMU without sticks."""
    return make_guest(qemu.name, memory=MEMORY, maximum=MAXIMUM, vcpus=1, **qemu.options)


@pytest.fixture(name="without_events")
def dropping_events(guest):
    """without_events(do): calls do() while the daemon drops each BALLOON_CHANGE of the guest."""
    preload = os.path.join(os.path.dirname(os.environ["HVB_VIRSH"]), "..", "tests", "libqemuhvballoonstopmock.so")
    assert os.path.exists(preload), "./run build libvirt makes it"
    settings = {"HVB_DAEMON_PRELOAD": os.path.realpath(preload), "HVB_DROP_EVENTS": guest.name}

    def drops():
        return f"HVB_DROP_EVENTS={guest.name}" in hvb.daemon_environ()

    def without_events(do):
        # The tests of another file may restart the daemon meanwhile, without our setting.
        for _ in range(5):
            if not drops():
                hvb.restart_daemon()
            do()
            if drops():
                return
        raise AssertionError("the daemon was always restarted meanwhile")

    os.environ.update(settings)
    yield without_events
    for name in settings:
        del os.environ[name]
    hvb.restart_daemon()


def devices(guest):
    """The devices on QEMU's command line, as their words."""
    with open(f"/proc/{guest.pid()}/cmdline", encoding="ascii") as file:
        words = file.read().split("\0")
    return [words[i + 1] for i, word in enumerate(words) if word == "-device"]


def refused(word, *command):
    """virsh fails, with WORD in its error."""
    with pytest.raises(hvb.VirshError, match=word):
        hvb.virsh(*command)


def has_stopped(guest, start):
    """Has the guest stopped short of its target? A QEMU that is not ours does not tell: its guest is no longer where it started, and stays there."""
    if guest.ours:
        return guest.balloon()["state"] == "floor"
    before = guest.actual()
    time.sleep(patient(5))
    return not near(before, start) and near(guest.actual(), before)


def stick_file(guest):
    """The path of a stick's XML."""
    path = os.path.join(os.environ["HVB_GUEST_RUN"], guest.name + ".stick.xml")
    with open(path, "w", encoding="ascii") as file:
        file.write("<memory model='haprot'><target><size unit='MiB'>256</size></target><alias name='ua-mine'/></memory>")
    return path


def test_boots_with_what_it_was_given(guest):
    assert '{"driver":"hv-balloon","id":"balloon0","memdev":"memua-haprot0"}' in devices(guest)
    assert not any("mem-haprot" in device for device in devices(guest))
    domain = guest.domain()
    assert (domain.boot, domain.current, domain.requested) == (MEMORY, MEMORY, MEMORY)
    assert domain.sticks == [hvb.Stick("ua-haprot0", MAXIMUM - MEMORY, "on-demand")]
    assert guest.hidden < GIB // 4, "the guest's kernel keeps more for itself than it should"
    at_rest(guest, fixed=True)


def test_up_past_boot_memory_and_down_below_it(guest):
    memtotal = guest.memtotal()
    go(guest, 2 * GIB, fixed=True)
    assert near(guest.memtotal() - memtotal, GIB)
    data = Held(guest, 4)
    guest.touch(1200 * MIB)
    before = guest.rss()
    go(guest, 700 * MIB, fixed=True)
    assert guest.rss() < before - GIB, "the host did not get it back"
    data.check()
    go(guest, 1500 * MIB, fixed=True)
    data.check()


def test_changes_are_noticed_without_events(guest, without_events):
    """The distribution's QEMU sends no BALLOON_CHANGE."""
    for size in (GIB, SIZE):
        without_events(lambda size=size: go(guest, size, fixed=True))


def test_domstats_tells_what_is_known(guest):
    stats = guest.stats()
    known = {key: value for key, value in stats.items() if key.startswith("balloon.hyperv.") and not key.startswith("balloon.hyperv.plan.")}
    plan = {key.removeprefix("balloon.hyperv.plan."): value for key, value in stats.items() if key.startswith("balloon.hyperv.plan.")}
    assert plan == {"boot": str(MEMORY), "max-memory": str(MAXIMUM), "minimum": str(MINIMUM), "keep-total": "0", "device-target": "0",
                    "granule": str(2 * MIB), "alignment": str(128 * MIB), "costly": "no"}
    assert known == {"balloon.hyperv.requested": str(SIZE), "balloon.hyperv.boot": str(MEMORY), "balloon.hyperv.stick.count": "1",
                     "balloon.hyperv.stick.0.alias": "ua-haprot0", "balloon.hyperv.stick.0.size": str(MAXIMUM - MEMORY),
                     "balloon.hyperv.stick.0.owner": "driver"}
    assert (int(stats["balloon.current"]), int(stats["balloon.maximum"])) == (SIZE, MAXIMUM)
    assert f"actual {SIZE}" in hvb.virsh("dommemstat", guest.name)


def test_reboots_to_its_target(guest):
    go(guest, 700 * MIB, fixed=True)
    guest.reboot()
    guest.wait_at(700 * MIB)
    assert guest.domain().requested == 700 * MIB
    at_rest(guest, fixed=True)


def test_the_daemon_is_restarted(guest):
    before = guest.domain()
    hvb.restart_daemon()
    after = guest.domain()
    assert (after.memory, after.current, after.requested, after.sticks) == (before.memory, before.current, before.requested, before.sticks)
    at_rest(guest, fixed=True)
    guest.setmem(MAXIMUM)
    hvb.restart_daemon()
    guest.wait_at(MAXIMUM)
    at_rest(guest, fixed=True)


def test_it_reboots_while_the_daemon_is_away(guest):
    guest.setmem(GIB + 256 * MIB)
    guest.wait_boot_after(reboot_without_daemon(guest))
    guest.wait_at(GIB + 256 * MIB)
    at_rest(guest, fixed=True)


def test_one_that_hangs_holds_up_no_other(guest, make_guest):
    """It is asked once a second while it is short of what was requested; that another guest's QEMU has ended is noticed all the same."""
    other = make_guest("beside", up=False, memory=512 * MIB, maximum=GIB, vcpus=1)
    pid = guest.pid()
    guest.setmem(700 * MIB)
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(patient(3))
        os.kill(other.pid(), signal.SIGKILL)
        hvb.wait_until("the end of the other one is noticed", 20, lambda: other.state() == "shut off")
    finally:
        os.kill(pid, signal.SIGCONT)
    guest.wait_at(700 * MIB)
    other.remove()
    go(guest, GIB + 256 * MIB, fixed=True)


def test_a_guest_that_stops_early(guest):
    """The target is one that libvirt accepts and the guest cannot reach."""
    before = guest.actual()
    guest.exec(f"fallocate -l {512 * MIB}K /tmp/ballast")
    guest.setmem(MINIMUM)
    hvb.wait_until(guest.seen, 90, lambda: has_stopped(guest, before))
    assert guest.domain().requested == MINIMUM
    assert MINIMUM < guest.actual() < before
    guest.exec("rm /tmp/ballast")
    go(guest, GIB, fixed=True)


def test_setmaxmem_changes_nothing_and_keeps_to_the_limits(guest):
    before = guest.actual()
    hvb.virsh("setmaxmem", guest.name, 2 * GIB, "--live")
    hvb.virsh("setmaxmem", guest.name, MAXIMUM, "--live")
    refused(f"maxMemory.* {MAXIMUM} ", "setmaxmem", guest.name, MAXIMUM + 1, "--live")
    refused(f"{MEMORY} KiB", "setmaxmem", guest.name, MEMORY - 1, "--live")
    refused(f"maxMemory.* {MAXIMUM} ", "setmem", guest.name, MAXIMUM + 1, "--live")
    refused(f"minimum.* {MINIMUM} ", "setmem", guest.name, MINIMUM - 1, "--live")
    at_rest(guest, fixed=True)
    assert guest.actual() == before


def test_what_it_cannot_do_is_refused_by_name(guest):
    boot = guest.boot_id()
    image = os.path.join(os.environ["HVB_RUN"], guest.name + ".image")
    for command in (("save", guest.name, image), ("managedsave", guest.name),
                    ("snapshot-create-as", guest.name, "s", "--memspec", f"file={image},snapshot=external"),
                    ("migrate", guest.name, "--live", os.environ["LIBVIRT_DEFAULT_URI"], "--dname", guest.name + "2")):
        refused("hyperv memory balloon cannot be migrated, saved or snapshotted", *command)
        assert not os.path.exists(image), command
    for command in (("attach-device", guest.name, stick_file(guest)), ("detach-device-alias", guest.name, "ua-haprot0")):
        refused("lacks the 'mem-haprot' device: setmem resizes the guest", *command, "--live")
    assert guest.boot_id() == boot
    at_rest(guest, fixed=True)


def test_destroyed_and_started_again_with_another_size(guest):
    guest.setmem(2 * GIB, "--config")
    stored = hvb.Domain(hvb.virsh("dumpxml", guest.name, "--inactive"))
    assert (stored.memory, stored.current, stored.boot) == (2 * GIB, 2 * GIB, MEMORY)
    hvb.virsh("destroy", guest.name)
    guest.start()
    guest.wait_up()
    guest.wait_at(2 * GIB)
    assert (guest.domain().boot, guest.domain().requested) == (MEMORY, 2 * GIB)
    # It may have grown while wait_up() measured what it hides.
    at_rest(guest, fixed=True, memtotal=False)
    hvb.virsh("shutdown", guest.name)
    hvb.wait_until("the guest shuts down", 60, lambda: guest.state() == "shut off")
    assert hvb.Domain(hvb.virsh("dumpxml", guest.name)).memory == 2 * GIB


def test_qemu_conf_can_say_so_for_all(make_guest):
    """A domain that was started with capability_filters in qemu.conf keeps its fixed backend when the setting is removed."""
    guest = make_guest("filtered", up=False, memory=512 * MIB, maximum=GIB, vcpus=1)
    assert not guest.domain().sticks
    hvb.virsh("destroy", guest.name)
    with hvb.daemon_use(exclusive=True):
        os.environ["HVB_DAEMON_FILTER"] = "mem-haprot"
        try:
            hvb.daemon("restart")
            hvb.virsh_alone("start", guest.name)
        finally:
            del os.environ["HVB_DAEMON_FILTER"]
            hvb.daemon("restart")
    assert '"memdev":"memua-haprot0"' in "".join(devices(guest))
    guest.setmem(700 * MIB)
    domain = guest.domain()
    assert (domain.memory, domain.requested, len(domain.sticks)) == (GIB, 700 * MIB, 1)
    guest.remove()


def test_a_stick_of_the_user_is_refused(make_guest, qemu):
    guest = make_guest(qemu.name + "-sticks", up=False, memory=512 * MIB, maximum=GIB, vcpus=1, **qemu.options)
    attach = ("attach-device", guest.name, stick_file(guest), "--config")
    why = "needs a QEMU with the 'mem-haprot' device"
    refused(why, *attach)
    hvb.virsh("destroy", guest.name)
    if guest.ours:
        # That the capability is removed counts from the start on.
        hvb.virsh(*attach)
        refused(why, "start", guest.name)
    else:
        refused(why, *attach)
    guest.remove()
