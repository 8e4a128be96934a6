# SPDX-License-Identifier: LGPL-2.1-or-later
"""How long to wait: limits in seconds are those of an ordinary machine, and longer on a slower one, like a host that is emulated itself. As a program:
the limit here, in whole seconds, for what may take the given seconds there."""

import functools
import sys
import time

ORDINARY = 0.030            # seconds that the computation below takes on an ordinary machine
MOST = 4.0                  # times: an emulated host is slower by more, but most of what is waited for is not computation


def measure():
    """Seconds that a fixed computation takes, of this process's own time: what else the machine does counts little."""
    def once():
        start = time.process_time()
        total = 0
        for number in range(400_000):
            total ^= number * number
        return time.process_time() - start

    return min(once() for _ in range(3))


@functools.lru_cache(maxsize=None)
def slowness():
    """How many times slower than an ordinary machine this one is, measured once; at least 1."""
    return min(MOST, max(1.0, measure() / ORDINARY))


def patient(seconds):
    """The limit here for what may take SECONDS on an ordinary machine."""
    return seconds * slowness()


if __name__ == "__main__":
    print(round(patient(float(sys.argv[1]))))
