# SPDX-License-Identifier: LGPL-2.1-or-later
"""The files of virsh-hvmem call each other in one direction only."""
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
import circles  # noqa: E402


def test_no_file_calls_its_caller():
    graph = circles.calls({source: path for source, path in circles.objects(ROOT / "build/obj/tools", ROOT / "tools/virsh-hvmem").items()
                           if not source.startswith("tests/")})
    assert any(graph.values())
    assert not circles.circles({a: b - {a} for a, b in graph.items()})
