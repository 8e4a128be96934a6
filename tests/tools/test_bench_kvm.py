# SPDX-License-Identifier: LGPL-2.1-or-later
"""What ./run bench kvm makes of the histograms and traces that it reads, without a guest."""
import pathlib
import sys

import pytest

BENCH = pathlib.Path(__file__).resolve().parents[1] / "bench"
sys.path[:0] = [str(BENCH / "kvm"), str(BENCH / "device"), str(BENCH)]
import compare  # noqa: E402
import counts  # noqa: E402
import guests  # noqa: E402

HIST = """# event histogram
#
# trigger info: hist:keys=isa,exit_reason:vals=hitcount:sort=hitcount:size=2048 if common_pid == 7 [active]
#

{ isa:          2, exit_reason:        129 } hitcount:         20
{ isa:          2, exit_reason:         96 } hitcount:       5256

Totals:
    Hits: 5276
    Entries: 2
    Dropped: 0
"""
TRACE = """kvm_set_user_memory AddrSpace#0 Slot#0 flags=0x0 gpa=0x0 size=0x80000000 ua=0x7f0 guest_memfd=-1 guest_memfd_offset=0x0 ret=0
kvm_set_user_memory AddrSpace#1 Slot#9 flags=0x0 gpa=0x0 size=0x80000000 ua=0x7f0 guest_memfd=-1 guest_memfd_offset=0x0 ret=0
kvm_set_user_memory AddrSpace#0 Slot#3 flags=0x2 gpa=0xfffc0000 size=0x40000 ua=0x7f0 guest_memfd=-1 guest_memfd_offset=0x0 ret=0
"""
GONE = "kvm_set_user_memory AddrSpace#0 Slot#3 flags=0x2 gpa=0xfffc0000 size=0x0 ua=0x7f0 guest_memfd=-1 guest_memfd_offset=0x0 ret=0\n"


def test_a_histogram_is_read():
    assert counts.histogram(HIST) == {(2, 129): 20, (2, 96): 5256}
    assert counts.histogram("{ ecx: 1073741956 } hitcount:          3\n") == {(0x40000084,): 3}


@pytest.mark.parametrize("exits, msrs, ports, count", [
    ({(2, 0x400): 2, (2, 0x81): 20}, {}, {}, 22),                           # page faults and hypercalls
    ({(1, 48): 2, (1, 18): 20}, {}, {}, 22),
    ({(2, 0x60): 9, (2, 0x78): 9, (2, 0x72): 9}, {}, {}, 0),                # interrupts, halts, CPUID
    ({(1, 1): 9, (1, 12): 9, (1, 10): 9}, {}, {}, 0),
    ({(2, 0x7c): 12}, {(0x838,): 4, (0x6e0,): 5, (0x40000084,): 3}, {}, 3),  # the timer's two, and a SynIC's
    ({(1, 32): 12}, {(0x80b,): 9, (0x40000084,): 3}, {}, 3),
    ({(2, 0x7b): 12}, {}, {(0x2f8,): 5, (0x3fd,): 5, (0xa00,): 2}, 2),      # the agent's port, the console's, hot-plug's
    ({(1, 30): 2}, {}, {(0xa00,): 2}, 2),
    ({(1, 0x80000000 | 48): 1}, {}, {}, 1),                                 # an entry that failed has a flag
])
def test_exits_that_the_guest_caused(exits, msrs, ports, count):
    assert counts.caused(exits, msrs, ports) == count


def test_slots_in_use_are_counted_in_the_first_address_space():
    assert counts.slots("") == 0
    assert counts.slots(TRACE) == 2
    assert counts.slots(TRACE + GONE) == 1
    assert counts.slots(TRACE + GONE + TRACE) == 2


def test_ours_is_compared_with_each_peer_that_has_a_figure():
    sizes = guests.Setting(boot=4 << 30, out=3 << 30, more=1 << 30)
    results = {"hv-balloon": {"out": {"seconds": 2.0, "exits": 0, "rss": 5}, "back": {"seconds": 1.0, "rss": 5}},
               "hv-balloon, free page reporting": {"out": {"seconds": 3.0}},
               "stock hv-balloon": {"out": {"seconds": 4.0, "exits": 7, "rss": 10}, "back": {"seconds": 1.0, "rss": 5}, "more": {"seconds": 1.0}},
               "virtio-balloon, free page reporting": {"out": {"seconds": 6.0}}}
    pairs = compare.pairs(results, sizes, {**compare.FIGURES, "exits": ("exits", "exits/GiB")})
    assert [(pair["name"], pair["peer-name"], pair["ratio"]) for pair in pairs] == [
        ("guest, 3 GiB out: until guest and host show it", "stock hv-balloon", 2),
        ("guest, 3 GiB out: until guest and host show it", "virtio-balloon, free page reporting", 2),
        ("guest, 3 GiB out: QEMU resident then", "stock hv-balloon", 2),
        ("guest, 3 GiB back: until guest and host show it", "stock hv-balloon", 1)]


def test_what_asking_took_is_subtracted_and_what_is_lost_in_it_has_no_ratio():
    guest = guests.Guest()
    assert guest.net("seconds", 0.001) == guests.LEAST
    guest.asking["seconds"], guest.noise["seconds"] = 1.0, 0.3
    assert guest.net("seconds", 2.0) == 1.0
    assert guest.net("seconds", 1.2) == guest.net("seconds", 0.9) == 0
    results = {"hv-balloon": {"back": {"seconds": 1.0}}, "stock hv-balloon": {"back": {"seconds": 0}}}
    assert not list(compare.pairs(results, guests.Setting(), compare.FIGURES))
