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


def rounded(number):
    """Two digits, which is as much as a measurement is worth: 0.53, 1.2, 23, 1300."""
    return f"{float(f'{number:.2g}'):.10g}"


def grouped(pairs):
    """Pairs whose names begin alike, up to a colon, are a group: (its title or "", [(rest of the name, pair)])."""
    groups = []
    for p in pairs:
        title, colon, rest = p["name"].partition(": ")
        title, rest = (title, rest) if colon else ("", p["name"])
        if not groups or groups[-1][0] != title:
            groups.append((title, []))
        groups[-1][1].append((rest, p))
    return groups


def ticks(least, most):
    """1, 2 and 5 times the powers of ten between two logarithms; only the powers if that would be many."""
    factors = (1, 2, 5) if most - least <= 3 else (1,)
    every = [factor * 10.0 ** power for power in range(math.floor(least), math.ceil(most) + 1) for factor in factors]
    return [tick for tick in every if least - 1e-9 <= math.log10(tick) <= most + 1e-9]


def chart(pairs, title):
    """A bar for each pair, on a logarithmic scale: to the right of the line ours is better, to the left the peer is."""
    most = max([1.0, *(math.log10(p["ratio"]) for p in pairs)])
    least = min([0.0, *(math.log10(p["ratio"]) for p in pairs)])
    scale = (WIDTH - LABEL - 90) / (most - least)
    zero = LABEL - least * scale
    groups = grouped(pairs)
    lines = sum(bool(head) + len(members) for head, members in groups)
    bottom = TOP + ROW * lines
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{bottom + 32}" font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="white"/>',
           f'<text x="16" y="24" font-size="16">{escape(title)}</text>',
           '<text x="16" y="42" fill="#555">How many times better than the peer (logarithmic; right of the line at 1 is better)</text>']
    for tick in ticks(least, most):
        x = zero + math.log10(tick) * scale
        out.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}" stroke="#ddd"/>')
        out.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle" fill="#555">{tick:.10g}</text>')
    y = TOP
    for head, members in groups:
        if head:
            out.append(f'<text x="16" y="{y + 16}" font-weight="bold">{escape(head)}</text>')
            y += ROW
        for name, p in members:
            end = zero + math.log10(p["ratio"]) * scale
            out.append(f'<text x="{28 if head else 16}" y="{y + 16}">{escape(name)} <tspan fill="#555">/ {escape(p["peer-name"])}</tspan></text>')
            out.append(f'<rect x="{min(zero, end):.1f}" y="{y + 4}" width="{abs(end - zero):.1f}" height="{ROW - 8}" '
                       f'fill="{OURS if p["ratio"] >= 1 else WORSE}"/>')
            out.append(f'<text x="{max(zero, end) + 4:.1f}" y="{y + 16}">{rounded(p["ratio"])}</text>')
            y += ROW
    out.append(f'<line x1="{zero:.1f}" y1="{TOP}" x2="{zero:.1f}" y2="{bottom}" stroke="black"/></svg>')
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
