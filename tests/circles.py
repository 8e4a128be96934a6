# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which files call each other, as the linker sees it: functions and tables of other files, used or passed on."""
import json
import subprocess


def objects(build, sources):
    """The object files below BUILD that were made of files below SOURCES, by the path below SOURCES."""
    built = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        source = (build / entry["file"]).resolve()
        if source.is_relative_to(sources):
            built[str(source.relative_to(sources))] = build / entry["output"]
    return built


def symbols(path, *options):
    run = subprocess.run(["nm", "--format=posix", *options, path], capture_output=True, text=True, check=True)
    return {line.split()[0] for line in run.stdout.splitlines()}


def calls(built):
    """For each file, the others of which it uses a function or a variable."""
    owner = {s: source for source, path in built.items() for s in symbols(path, "--defined-only", "--extern-only")}
    return {source: {owner[s] for s in symbols(path, "--undefined-only") if s in owner} for source, path in built.items()}


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


def among(build, sources):
    """Circles among the files below SOURCES, tests aside, as built below BUILD. There are calls, or nothing was read."""
    graph = calls({source: path for source, path in objects(build, sources).items() if not source.startswith("tests/")})
    assert any(graph.values())
    return circles({a: b - {a} for a, b in graph.items()})
