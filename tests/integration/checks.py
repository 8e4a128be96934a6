# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks for a guest at rest, and steps that most tests share."""

import time

import hvb
from hvb import MIB, NEAR, mib
from speed import patient

SLACK = 16 * MIB            # by which MemTotal may miss
OVERHEAD = 400 * MIB        # what QEMU may use beside the guest's memory and translated code


def at_rest(guest, **how):
    """QEMU, libvirt, the guest and the host agree; HOW goes to agree(). A guest at its floor may find more to release while it is looked at:
    then it is looked at again."""
    for looks_left in reversed(range(5)):
        before = guest.actual()
        try:
            agree(guest, **how)
            return
        except AssertionError:
            if guest.actual() == before or not looks_left:
                raise


def agree(guest, memtotal=True, fixed=False):
    """MEMTOTAL is False for a guest that does not use what it is given, FIXED is True for one whose QEMU has no sticks."""
    guest.wait_synced()
    domain, actual = guest.domain(), guest.actual()
    assert (domain.memory, domain.current) == guest.dominfo(), "dumpxml and dominfo differ"
    assert domain.current == actual, f"dumpxml says {domain.current} KiB, query-balloon {actual} KiB"
    if guest.ours:
        assert guest.balloon()["actual"] == actual * 1024, "query-hv-balloon and query-balloon differ"
    assert domain.current <= domain.memory <= domain.max
    if fixed:
        assert (domain.memory, len(domain.sticks)) == (domain.max, 1), "one stick of all that there may be"
    else:
        sticks = {(stick["id"], stick["size"] // 1024) for stick in guest.qmp("query-haprot")}
        assert {(stick.alias, stick.size) for stick in domain.sticks} == sticks, "dumpxml and query-haprot differ"
    if memtotal:
        off = actual - guest.hidden - guest.memtotal()
        assert abs(off) <= SLACK, f"MemTotal is {off} KiB away from {mib(actual)} less {guest.hidden} KiB"
    limit = actual + OVERHEAD + guest.translation_buffer()
    assert guest.rss() <= limit, f"QEMU holds {mib(guest.rss())} for a guest of {mib(actual)}; limit {mib(limit)}"


def consistent(guest):
    """Definition and QEMU agree, each of the driver's backends has its stick, and the device's target is the requested memory."""
    domain, haprot, balloon = guest.domain(), guest.qmp("query-haprot"), guest.balloon()
    assert {(stick.alias, stick.size) for stick in domain.sticks} == {(stick["id"], stick["size"] // 1024) for stick in haprot}
    backends = {o["name"] for o in guest.qmp("qom-list", path="/objects") if o["name"].startswith("memua-")}
    assert backends == {"mem" + stick.alias for stick in domain.sticks}, "a backend without stick"
    assert balloon["boot"] // 1024 == domain.boot
    assert balloon["capacity"] // 1024 == domain.memory
    assert balloon["target"] // 4096 == domain.requested // 4, "the device counts pages"
    assert domain.requested <= domain.memory <= domain.max


def go(guest, target, seconds=90, **how):
    """setmem, then waits for the guest and checks it; HOW goes to at_rest()."""
    guest.setmem(target)
    guest.wait_at(target, seconds)
    assert guest.domain().requested in (None, target)
    at_rest(guest, **how)


class Held:
    """Data of known checksum in a guest's memory, in PARTS of PART KiB."""

    def __init__(self, guest, parts, part=16 * MIB):
        self.guest, self.parts = guest, parts
        guest.exec(f"dd if=/dev/urandom of=/tmp/hold0 bs=1M count={part // MIB} 2>/dev/null && "
                   f"for i in $(seq {parts - 1}); do cp /tmp/hold0 /tmp/hold$i || exit 1; done", 300)
        sums = set(self._sums())
        assert len(sums) == 1, sums
        self.sum = sums.pop()

    def _sums(self):
        """One for each part."""
        return [line.split()[0] for line in self.guest.exec("md5sum /tmp/hold*", 300).splitlines()]

    def check(self):
        """No byte has changed."""
        assert self._sums() == [self.sum] * self.parts, f"{self.guest.name} lost data"

    def drop(self):
        """Frees it."""
        self.guest.exec("rm -f /tmp/hold*")


def reboot_without_daemon(guest):
    """The guest's own reboot begins while the daemon is away; returns the boot id before."""
    before = guest.boot_id()
    with hvb.daemon_use(exclusive=True):
        hvb.daemon("end")
        try:
            guest.exec("(sleep 1; reboot) >/dev/null 2>&1 &")
            time.sleep(patient(3))
        finally:
            hvb.daemon("start")
    return before


def no_sticks(guest, seconds=20):
    """Waits until the driver has removed every stick."""
    hvb.wait_until(guest.seen, seconds, lambda: not guest.domain().sticks)
    assert not guest.qmp("query-haprot")
    backends = [o["name"] for o in guest.qmp("qom-list", path="/objects") if o["name"].startswith("memua-")]
    assert not backends, f"their backends are still there: {backends}"


def near(size, target):
    """Is SIZE the TARGET, as nearly as a guest gets there?"""
    return abs(size - target) <= NEAR
