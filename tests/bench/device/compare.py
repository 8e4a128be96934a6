# SPDX-License-Identifier: LGPL-2.1-or-later
"""What guests.run() returned, as pairs for report.py: ours against each peer."""
import guests
import report

OURS = "hv-balloon"
FIGURES = {"seconds": ("until guest and host show it", "s"), "cpu": ("CPU of QEMU", "s"), "rss": ("QEMU resident then", "bytes")}


def steps(setting):
    """{step: its name}."""
    return {"out": f"{guests.gib(setting.out)} out", "back": f"{guests.gib(setting.out)} back",
            "more": f"{guests.gib(setting.more)} more than at boot"}


def pairs(results, setting, figures):
    """Ours against each peer that finished; with free page reporting, against peers that have it too. What is zero has no ratio."""
    for step, what in steps(setting).items():
        for figure, (text, unit) in figures.items():
            for peer, took in results.items():
                ours = results.get(OURS + ", free page reporting" if peer.endswith("reporting") else OURS, {})
                if peer.startswith(OURS) or not ours.get(step, {}).get(figure) or not took.get(step, {}).get(figure):
                    continue
                if step != "out" and figure == "rss":
                    continue
                yield report.pair(f"guest, {what}: {text}", ours[step][figure], took[step][figure], peer, unit)
