# SPDX-License-Identifier: LGPL-2.1-or-later
"""What has to hold at every rest, and the steps that most tests take."""

import hvb
from hvb import MIB, NEAR, mib

SLACK = 16 * MIB            # by which MemTotal may miss
OVERHEAD = 400 * MIB        # what QEMU may hold beside the guest's memory and translated code


def at_rest(guest, memtotal=True, stock=False):
    """Every witness tells the same. MEMTOTAL is False for a guest that does not take what it is given, STOCK is True for one whose QEMU
    has no sticks."""
    guest.wait_told()
    domain, actual = guest.domain(), guest.actual()
    assert (domain.memory, domain.current) == guest.dominfo(), "dumpxml and dominfo differ"
    assert domain.current == actual, f"dumpxml says {domain.current} KiB, query-balloon {actual} KiB"
    assert guest.balloon()["actual"] == actual * 1024, "query-hv-balloon and query-balloon differ"
    assert domain.current <= domain.memory <= domain.max
    if stock:
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
    """Definition and QEMU agree, each backend of ours has its stick, and the device has been told what is remembered."""
    domain, haprot, balloon = guest.domain(), guest.qmp("query-haprot"), guest.balloon()
    assert {(stick.alias, stick.size) for stick in domain.sticks} == {(stick["id"], stick["size"] // 1024) for stick in haprot}
    backends = {o["name"] for o in guest.qmp("qom-list", path="/objects") if o["name"].startswith("memua-")}
    assert backends == {"mem" + stick.alias for stick in domain.sticks}, "a backend without stick"
    assert balloon["boot"] // 1024 == domain.boot
    assert balloon["capacity"] // 1024 == domain.memory
    assert balloon["target"] // 4096 == domain.requested // 4, "the device counts pages"
    assert domain.requested <= domain.memory <= domain.max


def go(guest, target, seconds=90, **how):
    """setmem, and everything that has to hold once the guest is there; HOW is at_rest's."""
    guest.setmem(target)
    guest.wait_at(target, seconds)
    assert guest.domain().requested in (None, target)
    at_rest(guest, **how)


class Held:
    """Data that a guest holds in its memory, in PARTS of PART KiB, and whose checksum is known."""

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
        """It is all there, to the byte."""
        assert self._sums() == [self.sum] * self.parts, f"{self.guest.name} lost data"

    def drop(self):
        """The guest does not need it any more."""
        self.guest.exec("rm -f /tmp/hold*")


def no_sticks(guest, seconds=20):
    """Waits until the driver has removed every stick."""
    hvb.wait_until(guest.seen, seconds, lambda: not guest.domain().sticks)
    assert not guest.qmp("query-haprot")
    backends = [o["name"] for o in guest.qmp("qom-list", path="/objects") if o["name"].startswith("memua-")]
    assert not backends, f"their backends are still there: {backends}"


def near(size, target):
    """Is it what was asked for?"""
    return abs(size - target) <= NEAR
