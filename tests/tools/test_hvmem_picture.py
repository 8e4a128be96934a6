# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pictures of recordings, as a reader of them sees them."""

import os
import pathlib
import re
import shutil
import struct
import subprocess
import xml.etree.ElementTree as ET

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = ROOT / "build/obj/tools/tools/virsh-hvmem/virsh-hvmem"
KEEP = ROOT / "build/test/screens"                          # copies of pictures, to be looked at by people
SVG = "{http://www.w3.org/2000/svg}"
GIB = 1 << 30
HEADER = "time,domain,requested,current,usable,rss,capacity,state,event,demand\n"
START = 1767225600          # 2026-01-01 00:00:00 UTC
EVENTS = [(3, "ua-haprot0 plugged"), (4, "requested 3 GiB"), (20, "state: at floor"), (70, "ua-haprot0 removed"), (71, "ua-haprot1 removed")]


def recording(folder, automatic=False):
    """Two minutes: a guest that grows and shrinks."""
    rows = []
    for i in range(121):
        have = 1 + 2 * min(max(i - 5, 0), 20) / 20 - 2 * min(max(i - 60, 0), 10) / 10
        demand = int(have * GIB * 0.4) if automatic else ""
        rows.append((i, f"{START + i},g <1>,{(3 if 4 <= i < 60 else 1) * GIB},{int(have * GIB)},{int(have * GIB * 0.6)},{int((have + 0.2) * GIB)},{4 * GIB},idle,,{demand}\n"))
    rows += [(at, f"{START + at},g <1>,,,,,,,{text},\n") for at, text in EVENTS]
    file = folder / "r.csv"
    file.write_text(HEADER + "".join(line for _, line in sorted(rows)), encoding="utf-8")
    return file


def plot(*args, status=0):
    """Runs it; what it printed."""
    got = subprocess.run([TOOL, "plot", *args], capture_output=True, text=True, check=False,
                         env={**os.environ, "TZ": "UTC", "LC_ALL": "C.UTF-8", "ASAN_OPTIONS": "detect_leaks=0"})
    assert got.returncode == status, got.stderr
    return got.stdout + got.stderr


def drawn(folder, name, *args):
    """The file of a picture. Another worker may draw one of the same name: what is read is this test's own."""
    plot(recording(folder), "-o", folder / name, *args)
    KEEP.mkdir(parents=True, exist_ok=True)
    shutil.copy(folder / name, KEEP)
    return folder / name


@pytest.fixture(name="svg")
def a_picture(tmp_path):
    """Its XML."""
    return ET.parse(drawn(tmp_path, "plot.svg", "--title", "A & B")).getroot()


def texts(svg):
    """The text elements."""
    return list(svg.iter(f"{SVG}text"))


def luminance(colour):
    """As WCAG has it."""
    parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_text_can_be_searched(svg):
    words = [text.text for text in texts(svg)]
    assert {"A & B", "g <1>", "GiB", "requested"} <= set(words)
    assert "minutes:seconds since 2026-01-01 00:00:00 +0000" in words
    assert {"0", "1", "2", "3", "4"} <= set(words)                  # GiB, and the times below
    assert {"0:00", "0:20", "1:40", "2:00"} <= set(words)


def test_every_event_is_listed(svg):
    words = " | ".join(text.text for text in texts(svg))
    for at, event in EVENTS:
        if not event.startswith("requested"):
            assert re.search(rf"\d   {at // 60}:{at % 60:02}   {event}", words), words


def test_demand_is_drawn_and_named(svg, tmp_path):
    """Where there is any, as that of a guest whose memory is automatic; within the width."""
    plot(recording(tmp_path, automatic=True), "-o", tmp_path / "auto.svg")
    auto = ET.parse(tmp_path / "auto.svg").getroot()
    words = {text.text: float(text.get("x")) for text in texts(auto)}
    assert len(list(auto.iter(f"{SVG}polyline"))) == len(list(svg.iter(f"{SVG}polyline"))) + 2
    assert words["demand"] + 7 * len("demand") < 900 - 24
    assert "demand" not in {text.text for text in texts(svg)}


def test_contrast(svg):
    """4.5 to 1, on white; the numbers of events are white on their dots."""
    dots = {dot.get("fill") for dot in svg.iter(f"{SVG}circle")}
    for text in texts(svg):
        behind = "#ffffff" if text.get("fill") != "#ffffff" else dots.copy().pop()
        light, dark = sorted((luminance(text.get("fill")), luminance(behind)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, text.text


def test_no_label_is_over_the_lines(svg):
    """No text is within the plot, where the lines of sizes and events are."""
    lines = [line for line in svg.iter(f"{SVG}polyline") if line.get("stroke-width") in ("2", "1.5") and len(line.get("points").split()) > 2]
    rows = [float(point.split(",")[1]) for line in lines for point in line.get("points").split()]
    columns = [float(point.split(",")[0]) for line in lines for point in line.get("points").split()]
    for text in texts(svg):
        inside = min(rows) < float(text.get("y")) < max(rows) and min(columns) < float(text.get("x")) < max(columns)
        assert not inside, text.text


def test_png(tmp_path):
    data = drawn(tmp_path, "plot.PNG").read_bytes()
    assert data.startswith(b"\x89PNG\r\n")
    width, height = struct.unpack(">II", data[16:24])
    assert width > 1700 and height > 700


@pytest.mark.parametrize("name", ["x.png", "x.svg"])
def test_one_that_cannot_be_written(name, tmp_path):
    """It is told why, and what was there is there."""
    refused = plot(recording(tmp_path), "-o", tmp_path / "none" / name, status=1)
    assert str(tmp_path / "none" / name) in refused and "No such file or directory" in refused
    (tmp_path / name).mkdir()
    assert "cannot write" in plot(recording(tmp_path), "-o", tmp_path / name, status=1)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["r.csv", name]


def test_a_link_stays(tmp_path):
    (tmp_path / "link.svg").symlink_to(tmp_path / "file.svg")
    (tmp_path / "file.svg").write_text("old")
    plot(recording(tmp_path), "-o", tmp_path / "link.svg")
    assert (tmp_path / "link.svg").is_symlink()
    assert (tmp_path / "file.svg").read_text().rstrip().endswith("</svg>")


def test_plot_draws_a_recording(tmp_path):
    file = tmp_path / "r.csv"
    file.write_text("time,domain,requested,current,usable,rss,capacity,state,event\n"
                    "1,g,3221225472,1073741824,,400000000,1073741824,idle,\n2,g,,,,,,,ua-haprot0 was plugged\n"
                    "3,g,3221225472,3221225472,900000000,410000000,3221225472,idle,\n")
    plot(file, "-o", tmp_path / "r.svg")
    assert (tmp_path / "r.svg").read_text().rstrip().endswith("</svg>")
    for args, word, status in (([file], "-o", 2), ([tmp_path / "none", "-o", "x"], "none", 1), ([__file__, "-o", "x"], "recording", 1)):
        assert word in plot(*args, status=status)


def test_a_nul_byte_is_reported(tmp_path):
    file = recording(tmp_path)
    whole = file.read_bytes()
    file.write_bytes(whole + bytes(4096))
    lines = whole.count(b"\n")
    assert f"line {lines + 1} has a NUL byte" in plot(file, "-o", tmp_path / "r.svg")
    file.write_bytes(whole[:-3] + bytes(3) + whole)
    assert f"line {lines} has a NUL byte" in plot(file, "-o", tmp_path / "r.svg")
    file.write_bytes(whole)
    assert "NUL" not in plot(file, "-o", tmp_path / "r.svg")
