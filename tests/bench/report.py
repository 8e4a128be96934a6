# SPDX-License-Identifier: LGPL-2.1-or-later
"""The output of every benchmark: a table, an SVG chart, and JSON.

A pair is a dict {name, ours, peer, peer-name, unit, ratio}: both sides were measured in this run, and a ratio above 1 means that ours is
better, whether more or less of the unit is.
"""
import json
import math
import os
import pathlib
from xml.sax.saxutils import escape

WIDTH, LABEL, ROW, TOP = 1180, 640, 24, 56
OURS, WORSE = "#2b6cb0", "#c05621"


def pair(name, ours, peer, peer_name, unit, more_is_better=False):
    """Both sides must be positive."""
    ratio = ours / peer if more_is_better else peer / ours
    return {"name": name, "ours": ours, "peer": peer, "peer-name": peer_name, "unit": unit, "ratio": float(f"{ratio:.4g}")}


def show(value, unit):
    if unit == "bytes":
        for suffix in ("B", "KiB", "MiB"):
            if value < 1024:
                return f"{value:.4g} {suffix}"
            value /= 1024
        return f"{value:.4g} GiB"
    return f"{value:.3g} {unit}" if value < 1000 else f"{value:.0f} {unit}"


def rows(pairs):
    for p in pairs:
        yield (p["name"], show(p["ours"], p["unit"]), show(p["peer"], p["unit"]), p["peer-name"], f"{p['ratio']:.3g}")


def columns(lines):
    """LINES of cells, one below the other."""
    widths = [max(map(len, column)) for column in zip(*lines)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)


def table(pairs):
    return columns([("", "ours", "peer", "which peer", "ratio"), *rows(pairs)])


def chart(pairs, title):
    """A bar for each pair, on a logarithmic scale: to the right of the line ours is better, to the left the peer is."""
    most = max(1.0, *(abs(math.log10(p["ratio"])) for p in pairs))
    least = min(0.0, *(math.log10(p["ratio"]) for p in pairs))
    scale = (WIDTH - LABEL - 90) / (most - least)
    zero = LABEL - least * scale
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{TOP + ROW * len(pairs) + 20}" font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="white"/>',
           f'<text x="16" y="24" font-size="16">{escape(title)}</text>',
           f'<text x="16" y="42" fill="#555">How many times better than the peer (logarithmic; right of the line is better)</text>']
    for i, p in enumerate(pairs):
        y, end = TOP + ROW * i, zero + math.log10(p["ratio"]) * scale
        out.append(f'<text x="16" y="{y + 16}">{escape(p["name"])} <tspan fill="#555">/ {escape(p["peer-name"])}</tspan></text>')
        out.append(f'<rect x="{min(zero, end):.1f}" y="{y + 4}" width="{abs(end - zero):.1f}" height="{ROW - 8}" '
                   f'fill="{OURS if p["ratio"] >= 1 else WORSE}"/>')
        out.append(f'<text x="{max(zero, end) + 4:.1f}" y="{y + 16}">{p["ratio"]:.3g}</text>')
    out.append(f'<line x1="{zero:.1f}" y1="{TOP}" x2="{zero:.1f}" y2="{TOP + ROW * len(pairs)}" stroke="black"/></svg>')
    return "\n".join(out) + "\n"


def machine():
    """One line about this machine."""
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8") if line.startswith("model name")), "?")
    memory = int(open("/proc/meminfo", encoding="ascii").readline().split()[1]) / 2 ** 20
    return f"{os.cpu_count()} CPUs ({cpu}), {memory:.0f} GiB of memory, Linux {os.uname().release.split('-')[0]}"


def leave(name, pairs, title):
    """Prints the table and writes NAME.json and NAME.svg."""
    out = pathlib.Path(os.environ["HVB_OUT"])
    (out / f"{name}.json").write_text(json.dumps(pairs, indent=1) + "\n", encoding="utf-8")
    (out / f"{name}.svg").write_text(chart(pairs, f"{title}; {machine()}"), encoding="utf-8")
    print(table(pairs))
    print(f"\n{machine()}\nbuild/bench/{name}.json and build/bench/{name}.svg are written.")
