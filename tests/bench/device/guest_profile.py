# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where the guest's own kernel spends its time while memory is released and returned: its tick profiler (profile=4), read after each step.

For --profile of ./run bench device and ./run bench kvm. The kernel's profiler does not resolve loadable modules, hv_balloon among them: they are one line together.
"""
import collections

import guests

SHIFT = 4                   # bytes of text that share a counter, as a power of two
SHOWN = 8                   # functions of a step
COUNTERS = "od -An -v -t u4 -w4 /proc/profile | awk 'NR > 1 && $1 > 0 {print NR - 2, $1}'"
LENGTH = "od -An -v -t u4 -w4 /proc/profile | wc -l"
START = "awk '$3 == \"_stext\" {print $1; exit}' /proc/kallsyms"
# The function at each of these addresses, which ascend and have as many digits as those in the list, so that they compare as text.
NAMES = ("sort /proc/kallsyms | awk -v at='%s' 'BEGIN {n = split(at, a, \" \"); i = 1} ($2 == \"T\" || $2 == \"t\") && $4 == \"\" "
         "{while (i <= n && a[i] \"x\" < $1 \"x\") {print last; i++}; last = $3}'")
MOST = 300                  # counters that are looked at, those with the most ticks: a command has a limit


class Symbols:
    """The functions of one boot of a kernel. The guest looks them up: the list is long for a serial port, where each byte may be an exit."""

    def __init__(self, guest):
        self.guest = guest
        self.start = int(guest.exec(START), 16)
        self.last = int(guest.exec(LENGTH)) - 2

    def names(self, counters):
        """{counter: function}"""
        ours = sorted(counter for counter in counters if counter < self.last)
        found = self.guest.exec(NAMES % " ".join(f"{self.start + (counter << SHIFT):016x}" for counter in ours)).split() if ours else []
        return {**{counter: "(modules)" for counter in counters}, **dict(zip(ours, found, strict=True))}


def functions(guest, symbols):
    """[(share, function)] since the counters were cleared, without the idle loop."""
    counts = collections.Counter({int(counter): int(count) for counter, count in map(str.split, guest.exec(COUNTERS).splitlines())})
    most = dict(counts.most_common(MOST))
    ticks = collections.Counter({"(others)": counts.total() - sum(most.values())})
    for counter, name in symbols.names(most).items():
        ticks[name] += most[counter]
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
