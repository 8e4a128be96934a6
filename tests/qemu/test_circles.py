# SPDX-License-Identifier: LGPL-2.1-or-later
"""Our files in QEMU depend on each other in one direction only: what a file calls never calls it back by name.

Who calls whom is read from the object files, so it is what the linker sees: functions and tables of other files, used or passed on.
What goes the other way goes through a table of functions that the lower file was given.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
import circles  # noqa: E402

OURS = ROOT / "qemu"
OBJ = ROOT / "build/obj/qemu"
FOLDERS = ("hw", "include", "target", "util")


def name(path):
    return str(path.relative_to(OURS))


def objects(tmp_path):
    """Our sources and their object files, without stubs. What QEMU does not build yet, being pure, is compiled here."""
    built = {source: path for source, path in circles.objects(OBJ, OURS).items()
             if not source.startswith("tests/") and not source.endswith("-stub.c")}
    state = "hw/hyperv/dm/state.c"
    if state not in built:
        glib = subprocess.run(["pkg-config", "--cflags", "glib-2.0"], capture_output=True, text=True, check=True).stdout.split()
        built[state] = tmp_path / "state.o"
        subprocess.run(["cc", "-std=gnu11", f"-I{OURS / 'include'}", *glib, "-c", OURS / state, "-o", built[state]], check=True)
    return built


def includes():
    """For each file, those of ours that it includes."""
    files = [p for folder in FOLDERS for p in (OURS / folder).rglob("*.[ch]")]
    found = {}
    for path in files:
        wanted = re.findall(r'^#\s*include\s+"([^"]+)"', path.read_text(), re.MULTILINE)
        places = [top / w for w in wanted for top in (path.parent, OURS / "include")]
        found[name(path)] = {name(p) for p in places if p in files}
    return found


def test_finds_a_circle():
    assert circles.circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == {frozenset("bc")}
    assert not circles.circles({"a": {"b", "c"}, "b": {"c"}, "c": set()})


def test_no_file_calls_its_caller(tmp_path):
    graph = circles.calls(objects(tmp_path))
    assert any(graph.values())
    assert not circles.circles({a: b - {a} for a, b in graph.items()})


def test_no_header_includes_its_includer():
    graph = includes()
    assert any(graph.values())
    assert not circles.circles(graph)


def test_sticks_know_no_protocol(tmp_path):
    """hw/mem is below hw/hyperv, and hw/hyperv/dm below all but the sets of pages."""
    graph = circles.calls(objects(tmp_path))
    for source, used in graph.items():
        if source.startswith("hw/mem/"):
            assert not {u for u in used if u.startswith("hw/hyperv/")}, source
        if source.startswith("hw/hyperv/dm/"):
            assert not {u for u in used if not u.startswith(("hw/hyperv/dm/", "util/"))}, source
