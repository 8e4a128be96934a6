# SPDX-License-Identifier: LGPL-2.1-or-later
"""The chart of a benchmark: round ticks, groups, round figures."""

import pathlib
import sys
import xml.etree.ElementTree as ET

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/bench"))
import report  # noqa: E402

SVG = "{http://www.w3.org/2000/svg}"
PAIRS = [report.pair("sets, 1 GiB: to add", 10.0, 12345.0, "a bitmap", "ns"),
         report.pair("sets, 1 GiB: to find", 3.0, 1.6, "a bitmap", "ns"),
         report.pair("alone", 1.0, 2.0, "a <peer>", "ms")]


@pytest.mark.parametrize("number, text", [(0.5333, "0.53"), (1.234, "1.2"), (23.4, "23"), (1234.5, "1200"), (1.0, "1")])
def test_round_figures(number, text):
    assert report.rounded(number) == text


def test_ticks():
    assert report.ticks(-0.31, 1) == [0.5, 1, 2, 5, 10]
    assert report.ticks(-0.3, 4.1) == [1, 10, 100, 1000, 10000]


def test_chart():
    texts = ["".join(text.itertext()) for text in ET.fromstring(report.chart(PAIRS, "Benchmark")).iter(f"{SVG}text")]
    assert texts.count("sets, 1 GiB") == 1
    assert {"to add / a bitmap", "to find / a bitmap", "alone / a <peer>", "1200", "0.53", "100", "1000"} <= set(texts)
