# SPDX-License-Identifier: LGPL-2.1-or-later
"""What guests.run() returned, as pairs for report.py: ours against each peer."""
import guests
import report

OURS = "hv-balloon"
REPORTING = ", free page reporting"
FIGURES = {"seconds": ("until guest and host show it", "s"), "cpu": ("CPU of QEMU", "s"), "rss": ("QEMU resident then", "bytes")}
NO_PAIR = (("back", "rss"), ("more", "rss"))


def steps(setting):
    """{step: its name}."""
    return {"out": f"{guests.gib(setting.out)} out", "back": f"{guests.gib(setting.out)} back",
            "more": f"{guests.gib(setting.more)} more than at boot"}


def counterpart(peer):
    """Which of ours: a guest that tells of its free pages is compared with one that does."""
    return OURS + REPORTING if ", free page" in peer else OURS


def pairs(results, setting, figures):
    """Ours against each peer that finished."""
    return pairs_of(results, steps(setting), figures, NO_PAIR)


def pairs_of(results, names, figures, left_out=()):
    """NAMES are those of the steps: {step: its name}; LEFT_OUT are (step, figure). What is zero has no ratio."""
    for step, what in names.items():
        for figure, (text, unit) in figures.items():
            if (step, figure) in left_out:
                continue
            for peer, took in results.items():
                ours = results.get(counterpart(peer), {})
                if not peer.startswith(OURS) and ours.get(step, {}).get(figure) and took.get(step, {}).get(figure):
                    yield report.pair(f"guest, {what}: {text}", ours[step][figure], took[step][figure], peer, unit)
