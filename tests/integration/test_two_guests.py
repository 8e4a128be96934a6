# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two guests at once: requests for one do not affect the other."""

from checks import at_rest, no_sticks

from hvb import GIB, MIB


def test_two_guests_go_their_own_ways(make_guest):
    first = make_guest("left", up=False, memory=GIB, maximum=4 * GIB)
    second = make_guest("right", memory=512 * MIB, maximum=4 * GIB, vcpus=1)
    first.wait_up()
    for one, other in ((3 * GIB, 700 * MIB), (600 * MIB, 2 * GIB)):
        first.setmem(one)
        second.setmem(other)
        first.wait_at(one, 90)
        second.wait_at(other, 90)
        at_rest(first)
        at_rest(second)
    before = first.start_reboot()
    second.setmem(3 * GIB)
    second.wait_at(3 * GIB, 90)
    first.wait_boot_after(before)
    first.wait_at(600 * MIB)
    no_sticks(first)
    at_rest(first)
    at_rest(second)
