# SPDX-License-Identifier: LGPL-2.1-or-later
"""Our files in libvirt call each other in one direction only, as those in QEMU do."""
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
import circles  # noqa: E402


def test_no_file_calls_its_caller():
    graph = circles.calls({source: path for source, path in circles.objects(ROOT / "build/obj/libvirt", ROOT / "libvirt-driver").items()
                           if not source.startswith("tests/")})
    assert any(graph.values())
    assert not circles.circles({a: b - {a} for a, b in graph.items()})
