#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Builds each commit of both series, runs the tests that it touches, and prints a table.

series_walk.py JUNIT [--only WHAT] [--from WHAT]       ./run test series [--only WHAT] [--from WHAT] calls it

WHAT is a series, or commits of it by number, as ./run patches --series numbers them: libvirt, qemu:7, qemu:7-12, and with --only several of
these, with commas. --from goes on from there to the end, through libvirt's after QEMU's. Tests of a commit are those of its 'tests' in the
description; 'all' are the suites of the project itself, on this commit. A commit passes if it builds, without a warning in a file that the
series touches, and if its tests pass.
"""
import argparse
import dataclasses
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

import series as maker

NAMES = ("qemu", "libvirt")
# Cannot pass here whatever the commit: see the same names in scripts/cmd-test.
NOT_HERE = ("bios-tables-test", "check-driverimpls", "check-aclrules")
SUITES = {"qemu": ("unit", "qtest", "qapi-schema", "softfloat"), "libvirt": ()}
ALWAYS = {"qemu": ("qemu-system-x86_64", "qemu-img"), "libvirt": ()}


@dataclasses.dataclass
class Result:
    """What became of one commit."""

    name: str
    number: int
    subject: str
    built: bool = False
    warnings: list = dataclasses.field(default_factory=list)
    tests: dict = dataclasses.field(default_factory=dict)       # name: passed, failed, skipped or missing
    seconds: float = 0

    def good(self):
        return self.built and not self.warnings and not {"failed", "missing"} & set(self.tests.values())


# Which commits

def parse_what(text):
    """(name, first, last) of 'qemu', 'qemu:7' or 'qemu:7-12'. Numbers that are not there are 1 and None."""
    found = re.fullmatch(r"(qemu|libvirt)(?::(\d+)(?:-(\d+))?)?", text)
    if not found:
        raise argparse.ArgumentTypeError(f"'{text}' is not qemu, libvirt, or one of them with a number, as qemu:7 or qemu:7-12")
    name, first, last = found.groups()
    if not first:
        return name, 1, None
    return name, int(first), int(last or first)


def parse_list(text):
    """Several of them."""
    return [parse_what(one) for one in text.split(",")]


def choose(counts, only=None, start=None):
    """{name: numbers} of COUNTS, {name: commits}, that are asked for. Raises for a number that does not exist."""
    chosen = {}
    for name, first, last in only or [(name, 1, None) for name in NAMES if name in counts]:
        last = counts[name] if last is None else last
        if not 1 <= first <= last <= counts[name]:
            raise maker.SeriesError(f"the series of {name} has {counts[name]} commits, no {name}:{max(first, last)}", "one of 1 to that number")
        chosen.setdefault(name, set()).update(range(first, last + 1))
    if start:
        name, first, _ = start
        earlier = NAMES[:NAMES.index(name)]
        chosen = {one: numbers for one, numbers in chosen.items() if one not in earlier}
        chosen[name] = {number for number in chosen.get(name, ()) if number >= first}
    return {name: sorted(numbers) for name, numbers in chosen.items() if numbers}


# A build of one commit

def warnings_in(log, touched, tree):
    """The compiler's warnings about files of TOUCHED, each once."""
    found = []
    for line in log.splitlines():
        said = re.match(r"(\S+?):\d+(?::\d+)?: warning: ", line)
        if said:
            path = re.sub(r"^(\.\./)+", "", said[1].replace(f"{tree}/", ""))
            if any(path == one or path.endswith("/" + one) for one in touched) and line not in found:
                found.append(line)
    return found


class Builder:
    """Builds in build/obj/series-NAME, from a tree of its own in build/series/NAME."""

    def __init__(self, name, repo, first, last):
        self.name, self.repo = name, repo
        self.tree = repo.parent / name
        self.obj = maker.ROOT / f"build/obj/series-{name}"
        self.log = maker.ROOT / f"build/log/build-series-{name}.log"
        self.touched = maker.git(repo, "diff", "--name-only", first, last).split()

    def checkout(self, commit):
        link = self.tree / ".git"
        # In a copy of a checkout it is a work tree of the other one.
        if not link.exists() or not link.read_text(encoding="utf-8").startswith(f"gitdir: {self.repo.resolve()}/"):
            shutil.rmtree(self.tree, ignore_errors=True)
            maker.git(self.repo, "worktree", "prune")
            maker.git(self.repo, "worktree", "add", "-q", "--detach", str(self.tree), commit)
        maker.git(self.tree, "checkout", "-q", "--detach", "-f", commit)

    def build(self, targets):
        """(whether it builds, warnings)."""
        env = {**os.environ, "HVB_BUILD_NAME": f"series-{self.name}", "HVB_BUILD_TREE": str(self.tree)}
        done = subprocess.run([maker.ROOT / f"scripts/build-{self.name}", *targets], env=env, text=True, capture_output=True, check=False)
        if done.returncode:
            print(done.stderr.rstrip(), file=sys.stderr)
        log = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return done.returncode == 0, warnings_in(log, self.touched, self.tree)

    def meson(self, *words):
        own = self.obj / "pyvenv/bin/meson"
        return subprocess.run([own if own.exists() else "meson", *words], cwd=self.obj, text=True, capture_output=True, check=False)

    def programs(self):
        """{name without its suite: (meson's name, what ninja builds for it, suites)} of the tests that there are."""
        found = {}
        for test in json.loads((self.obj / "meson-info/intro-tests.json").read_text(encoding="utf-8")):
            short = test["name"].split("/")[-1]
            target = os.path.relpath(test["cmd"][0], self.obj)
            suites = {suite.split(":")[-1] for suite in test["suite"]}
            # Others are run by an interpreter, which is there.
            found[short] = (test["name"], target if target.startswith("tests/") else None, suites)
        return found

    def run(self, tests):
        """{meson's name: passed, failed or skipped}."""
        log = self.obj / "meson-logs/testlog.json"
        log.unlink(missing_ok=True)
        self.meson("test", "--no-rebuild", "-t", "10", *tests)
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        words = {"OK": "passed", "EXPECTEDFAIL": "passed", "SKIP": "skipped"}
        ran = {}
        for line in lines:
            test = json.loads(line)
            ran[re.sub(r"^.* / ", "", test["name"])] = words.get(test["result"], "failed")
        return {name: ran.get(name, "failed") for name in tests}


# The walk

def wanted_tests(name, entry, programs):
    """(names that are not there, {name: meson's name, target}) of what an entry asks for."""
    if "all" in entry.tests:
        suites = set(SUITES[name])
        return [], {short: program for short, program in programs.items()
                    if short not in NOT_HERE and (program[2] & suites if suites else "syntax-check" not in program[2])}
    return ([short for short in entry.tests if short not in programs],
            {short: programs[short] for short in entry.tests if short in programs})


def walk_commit(name, entry, result, builder):
    """Fills in RESULT."""
    result.built, result.warnings = builder.build(ALWAYS[name])
    if not result.built or not entry.tests:
        return
    missing, tests = wanted_tests(name, entry, builder.programs())
    result.tests = dict.fromkeys(missing, "missing")
    targets = sorted({program[1] for program in tests.values() if program[1]})
    if targets and name == "qemu":      # libvirt's are part of what is always built
        result.built, more = builder.build([*ALWAYS[name], *(["all"] if "all" in entry.tests else []), *targets])
        result.warnings += [warning for warning in more if warning not in result.warnings]
    if result.built and tests:
        ran = builder.run([program[0] for program in tests.values()])
        result.tests.update((short, ran[program[0]]) for short, program in tests.items())


def walk(name, entries, commits, numbers, builder, told=print):
    """The Results of the commits with these NUMBERS, each told as it is done."""
    for number in numbers:
        entry, started = entries[number - 1], time.monotonic()
        result = Result(name, number, entry.subject)
        builder.checkout(commits[number - 1])
        walk_commit(name, entry, result, builder)
        result.seconds = time.monotonic() - started
        told(line_of(result))
        yield result


# What is told

def line_of(result):
    """A line of the table."""
    bad = [f"{test} {how}" for test, how in result.tests.items() if how in ("failed", "missing")]
    ran = sum(how == "passed" for how in result.tests.values())
    tests = ", ".join(bad) if bad else f"{ran} of {len(result.tests)}" if result.tests else "-"
    built = "yes" if result.built else "NO"
    return f"{result.name + ':' + str(result.number):12}{built:6}{len(result.warnings):9}  {tests:14} {result.seconds:7.0f}  {result.subject}"


HEAD = f"{'commit':12}{'built':6}{'warnings':>9}  {'tests passed':14} {'seconds':>7}  subject"


def write_junit(results, path):
    """One case for the build of each commit and one for each test, for scripts/junit-summary."""
    suite = ET.Element("testsuite", name="series")
    for result in results:
        where = f"{result.name}:{result.number}"
        case = ET.SubElement(suite, "testcase", classname=where, name=f"{where} builds without warnings: {result.subject}")
        if not result.built or result.warnings:
            ET.SubElement(case, "failure", message=result.warnings[0] if result.built else "it does not build")
        for test, how in result.tests.items():
            case = ET.SubElement(suite, "testcase", classname=where, name=f"{where} {test}")
            if how in ("failed", "missing"):
                ET.SubElement(case, "failure", message=f"{test}: {how}")
            elif how == "skipped":
                ET.SubElement(case, "skipped", message="the test program itself says that it cannot run here")
    ET.ElementTree(suite).write(path, encoding="unicode")


def arguments(words):
    parser = argparse.ArgumentParser(prog="./run test series", add_help=False)
    parser.add_argument("junit", type=pathlib.Path)
    parser.add_argument("--only", type=parse_list, metavar="WHAT")
    parser.add_argument("--from", type=parse_what, dest="start", metavar="WHAT")
    return parser.parse_args(words)


def main():
    asked, results = arguments(sys.argv[1:]), []
    try:
        made = {name: maker.make(name) for name in NAMES}
        chosen = choose({name: len(one[4]) for name, one in made.items()}, asked.only, asked.start)
        print(HEAD, flush=True)
        for name, numbers in chosen.items():
            series, repo, _, first, commits = made[name]
            builder = Builder(name, repo, first, commits[-1])
            for result in walk(name, series.entries, commits, numbers, builder, lambda line: print(line, flush=True)):
                results.append(result)
                write_junit(results, asked.junit)       # what is done is kept, if the rest is interrupted
    except maker.SeriesError as err:
        print(f"run: error: {err} -- {err.remedy}", file=sys.stderr)
        return 1
    return 0 if results and all(result.good() for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
