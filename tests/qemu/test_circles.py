# SPDX-License-Identifier: LGPL-2.1-or-later
"""Our files in QEMU depend on each other in one direction only: what a file calls never calls it back by name.

Who calls whom is read from the object files, so it is what the linker sees: functions and tables of other files, used or passed on.
What goes the other way goes through a table of functions that the lower file was given.
"""
import json
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
OURS = ROOT / "qemu"
OBJ = ROOT / "build/obj/qemu"
FOLDERS = ("hw", "include", "target", "util")


def name(path):
    return str(path.relative_to(OURS))


def objects(tmp_path):
    """Our sources and their object files, without stubs. What QEMU does not build yet, being pure, is compiled here."""
    built = {}
    for entry in json.loads((OBJ / "compile_commands.json").read_text()):
        source = (OBJ / entry["file"]).resolve()
        if source.is_relative_to(OURS) and not source.is_relative_to(OURS / "tests") and not source.stem.endswith("-stub"):
            built[name(source)] = OBJ / entry["output"]
    state = "hw/hyperv/dm/state.c"
    if state not in built:
        glib = subprocess.run(["pkg-config", "--cflags", "glib-2.0"], capture_output=True, text=True, check=True).stdout.split()
        built[state] = tmp_path / "state.o"
        subprocess.run(["cc", "-std=gnu11", f"-I{OURS / 'include'}", *glib, "-c", OURS / state, "-o", built[state]], check=True)
    return built


def symbols(path, *options):
    run = subprocess.run(["nm", "--format=posix", *options, path], capture_output=True, text=True, check=True)
    return {line.split()[0] for line in run.stdout.splitlines()}


def calls(built):
    """For each file, the others of which it uses a function or a variable."""
    owner = {s: source for source, path in built.items() for s in symbols(path, "--defined-only", "--extern-only")}
    return {source: {owner[s] for s in symbols(path, "--undefined-only") if s in owner} for source, path in built.items()}


def includes():
    """For each file, those of ours that it includes."""
    files = [p for folder in FOLDERS for p in (OURS / folder).rglob("*.[ch]")]
    found = {}
    for path in files:
        wanted = re.findall(r'^#\s*include\s+"([^"]+)"', path.read_text(), re.MULTILINE)
        places = [top / w for w in wanted for top in (path.parent, OURS / "include")]
        found[name(path)] = {name(p) for p in places if p in files}
    return found


def circles(graph):
    """Groups of files each of which reaches all others of its group."""
    def reach(start):
        seen, todo = set(), [start]
        while todo:
            new = graph.get(todo.pop(), set()) - seen
            seen |= new
            todo += new
        return seen

    reached = {a: reach(a) for a in graph}
    return {frozenset(b for b in reached[a] if a in reached.get(b, ())) for a in graph if a in reached[a]}


def test_finds_a_circle():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == {frozenset("bc")}
    assert not circles({"a": {"b", "c"}, "b": {"c"}, "c": set()})


def test_no_file_calls_its_caller(tmp_path):
    graph = calls(objects(tmp_path))
    assert any(graph.values())
    assert not circles({a: b - {a} for a, b in graph.items()})


def test_no_header_includes_its_includer():
    graph = includes()
    assert any(graph.values())
    assert not circles(graph)


def test_sticks_know_no_protocol(tmp_path):
    """hw/mem is below hw/hyperv, and hw/hyperv/dm below all but the sets of pages."""
    graph = calls(objects(tmp_path))
    for source, used in graph.items():
        if source.startswith("hw/mem/"):
            assert not {u for u in used if u.startswith("hw/hyperv/")}, source
        if source.startswith("hw/hyperv/dm/"):
            assert not {u for u in used if not u.startswith(("hw/hyperv/dm/", "util/"))}, source
