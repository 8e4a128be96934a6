# SPDX-License-Identifier: LGPL-2.1-or-later
"""What moves.run() returned, as tables and as pairs."""
import compare
import report
from guests import MIB

FIGURES = {"sent": ("sent", "bytes"), "looked-at": ("looked at", "pages"), "seconds": ("total time", "s"), "downtime": ("downtime", "s"),
           "device": ("of it the device's sections", "s"), "source-after": ("source holds then", "bytes"),
           "destination-after": ("destination holds then", "bytes")}


def mib(size):
    return f"{size / MIB:.0f}"


def guests_table(results):
    """All figures of all ways, in MiB, pages, seconds, milliseconds and microseconds."""
    lines = [("", "", "sent", "looked at", "zero", "total", "downtime", "device", "source", "destination", "not sent")]
    cases = dict.fromkeys(case for took in results.values() for case in took)
    lines += [(case, name, mib(f["sent"]), f"{f['looked-at']:.0f}", f"{f['zero']:.0f}", f"{f['seconds']:.2f} s", f"{f['downtime'] * 1e3:.0f} ms",
               f"{f['device'] * 1e6:.0f} us", f"{mib(f['source-before'])} -> {mib(f['source-after'])}",
               f"{mib(f['destination-before'])} -> {mib(f['destination-after'])}", mib(f["left-out"]) if "left-out" in f else "")
              for case in cases for name, took in results.items() if case in took for f in (took[case],)]
    return report.columns(lines)


def sections_table(sections):
    return report.columns([("section", "bytes", "of"), *((section, f"{size}", name) for name, sizes in sections.items() for section, size in sizes.items())])


def pairs(results):
    """Ours against each peer, in each case that both were measured in."""
    cases = dict.fromkeys(case for took in results.values() for case in took)
    return compare.pairs_of(results, {case: case for case in cases}, FIGURES)
