# SPDX-License-Identifier: LGPL-2.1-or-later
"""The default guest grows and shrinks twenty times. How its sticks became free is printed, not checked.

Shown by pytest -rP, and a property of the test in its JUnit file. HVB_CYCLES sets another number.
"""

import os

from checks import at_rest, go, no_sticks

from hvb import GIB, MIB

CYCLES = int(os.environ.get("HVB_CYCLES", "20"))


def test_cycles(make_guest, record_property):
    guest = make_guest("cycles", memory=GIB, maximum=3 * GIB)
    by_balloon = by_reboot = 0
    for cycle in range(CYCLES):
        go(guest, 2 * GIB + cycle % 4 * 200 * MIB)
        before = len(guest.domain().sticks)
        assert before, "there is no memory to have grown by"
        go(guest, (700 + cycle % 3 * 100) * MIB)
        after = len(guest.domain().sticks)
        by_balloon += max(0, before - after)
        if cycle % 5 == 4:
            guest.reboot()
            guest.wait_at((700 + cycle % 3 * 100) * MIB)
            no_sticks(guest)
            by_reboot += after
            at_rest(guest)
    freed = f"{CYCLES} cycles: {by_balloon} sticks freed by ballooning, {by_reboot} by reboot"
    print(freed)
    record_property("freed", freed)
    assert by_balloon + by_reboot > 0
    counters = guest.balloon()["counters"]
    assert [counters[name] for name in ("dropped-ranges", "duplicate-pages", "malformed", "unexpected")] == [0, 0, 0, 0]
