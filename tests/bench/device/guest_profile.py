# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where the guest's own kernel spends its time while memory is released and returned: its tick profiler (profile=4), read after each step.

For --profile of ./run bench device and ./run bench kvm. The kernel's profiler does not resolve loadable modules, hv_balloon among them: they are one line together.
"""
import bisect
import collections

import guests

SHIFT = 4                   # bytes of text that share a counter, as a power of two
SHOWN = 8                   # functions of a step
COUNTERS = "od -An -v -t u4 -w4 /proc/profile | awk 'NR > 1 && $1 > 0 {print NR - 2, $1}'"
LENGTH = "od -An -v -t u4 -w4 /proc/profile | wc -l"
SYMBOLS = "awk '($2 == \"T\" || $2 == \"t\") && $4 == \"\" {print $1, $3}' /proc/kallsyms"


class Symbols:
    """The functions of one boot of a kernel."""

    def __init__(self, guest):
        pairs = sorted((int(address, 16), name) for address, name in (line.split() for line in guest.exec(SYMBOLS).splitlines()))
        self.addresses, self.names = [a for a, _ in pairs], [n for _, n in pairs]
        self.start = next(a for a, n in pairs if n == "_stext")
        self.last = int(guest.exec(LENGTH)) - 2

    def name(self, counter):
        if counter >= self.last:
            return "(modules)"
        return self.names[bisect.bisect_right(self.addresses, self.start + (counter << SHIFT)) - 1]


def functions(guest, symbols):
    """[(share, function)] since the counters were cleared, without the idle loop."""
    ticks = collections.Counter()
    for line in guest.exec(COUNTERS).splitlines():
        counter, count = map(int, line.split())
        ticks[symbols.name(counter)] += count
    for idle in [name for name in ticks if "idle" in name or name in ("default_idle", "native_safe_halt", "pv_native_safe_halt")]:
        del ticks[idle]
    total = sum(ticks.values())
    return total, [(count / total, name) for name, count in ticks.most_common(SHOWN)] if total else []


def profile(kind, setting, say):
    """Reports the cost of one way in the guest."""
    class Profiled(kind):
        cmdline = f"profile={SHIFT}"

    with Profiled(setting) as guest:
        symbols = Symbols(guest)
        guest.dirty()
        for step in ("out", "back", "more"):
            guest.exec("echo >/proc/profile")
            took = getattr(guest, step)()
            if took:
                total, shares = functions(guest, symbols)
                say(f"{kind.name}: {step}: {took['seconds']:.2f} s, {total} ticks: "
                    + ", ".join(f"{name} {share:.0%}" for share, name in shares))


def run(say, kinds=(guests.HvBalloon, guests.VirtioBalloon, guests.VirtioMem, guests.Dimm), setting=guests.Setting()):
    for kind in kinds:
        profile(kind, setting, say)
