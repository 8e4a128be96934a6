# SPDX-License-Identifier: LGPL-2.1-or-later
"""What has to hold at every rest, and the steps that most tests take."""

import hvb
from hvb import MIB, NEAR, mib

SLACK = 16 * MIB            # by which MemTotal may miss
OVERHEAD = 400 * MIB        # what QEMU may hold beside the guest's memory and translated code


def at_rest(guest, memtotal=True):
    """Every witness tells the same. MEMTOTAL is False for a guest that does not take what it is given."""
    domain, actual = guest.domain(), guest.actual()
    assert (domain.memory, domain.current) == guest.dominfo(), "dumpxml and dominfo differ"
    assert domain.current == actual, f"dumpxml says {domain.current} KiB, query-balloon {actual} KiB"
    assert guest.balloon()["actual"] == actual * 1024, "query-hv-balloon and query-balloon differ"
    assert domain.current <= domain.memory <= domain.max
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


def go(guest, target, seconds=90):
    """setmem, and everything that has to hold once the guest is there."""
    guest.setmem(target)
    guest.wait_at(target, seconds)
    assert guest.domain().requested in (None, target)
    at_rest(guest)


def no_sticks(guest, seconds=20):
    """Waits until the driver has removed every stick."""
    hvb.wait_until(guest.seen, seconds, lambda: not guest.domain().sticks)
    assert not guest.qmp("query-haprot")
    backends = [o["name"] for o in guest.qmp("qom-list", path="/objects") if o["name"].startswith("memua-")]
    assert not backends, f"their backends are still there: {backends}"


def near(size, target):
    """Is it what was asked for?"""
    return abs(size - target) <= NEAR
