# SPDX-License-Identifier: LGPL-2.1-or-later
"""./run test series without a compiler: which commits are built, what is taken for a warning, and what counts as passed."""
import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts"))
import series  # noqa: E402
import series_walk as walk  # noqa: E402


class FakeBuilder:
    """Knows three programs. A commit whose id says so does not build, warns, or fails a test."""

    def __init__(self):
        self.commit, self.built, self.ran = None, [], []

    def checkout(self, commit):
        self.commit = commit

    def build(self, targets):
        self.built.append((self.commit, *targets))
        return "broken" not in self.commit, ["a.c:1: warning: unused"] if "warns" in self.commit else []

    def programs(self):
        return {"one-test": ("qtest-x86_64/one-test", "tests/qtest/one-test", {"qtest", "qtest-x86_64"}),
                "test-two": ("test-two", "tests/unit/test-two", {"unit"}),
                "bios-tables-test": ("qtest-x86_64/bios-tables-test", "tests/qtest/bios-tables-test", {"qtest"}),
                "slow": ("slow", "tests/slow", {"thorough"})}

    def run(self, tests):
        self.ran.append(tests)
        return {name: "failed" if "fails" in self.commit else "passed" for name in tests}


def entries(*tests):
    return [series.Entry(f"subject {number}", number, "part", tests=list(these)) for number, these in enumerate(tests, 1)]


def walked(commits, *tests, name="qemu", numbers=None):
    """(results, builder, lines)."""
    builder, lines = FakeBuilder(), []
    numbers = numbers or range(1, len(commits) + 1)
    return list(walk.walk(name, entries(*tests), commits, numbers, builder, lines.append)), builder, lines


def test_each_commit_is_built_in_order_with_the_tests_that_it_touches():
    results, builder, lines = walked(["c1", "c2", "c3"], [], ["one-test"], ["one-test", "test-two"])
    assert [result.good() for result in results] == [True] * 3
    assert builder.built == [("c1", "qemu-system-x86_64", "qemu-img"), ("c2", "qemu-system-x86_64", "qemu-img"),
                             ("c2", "qemu-system-x86_64", "qemu-img", "tests/qtest/one-test"), ("c3", "qemu-system-x86_64", "qemu-img"),
                             ("c3", "qemu-system-x86_64", "qemu-img", "tests/qtest/one-test", "tests/unit/test-two")]
    assert builder.ran == [["qtest-x86_64/one-test"], ["qtest-x86_64/one-test", "test-two"]]
    assert [line.split()[:2] for line in lines] == [["qemu:1", "yes"], ["qemu:2", "yes"], ["qemu:3", "yes"]]


def test_a_commit_that_does_not_build_fails_and_the_next_is_tried():
    results, builder, lines = walked(["broken", "c2"], ["one-test"], [])
    assert [result.good() for result in results] == [False, True]
    assert not builder.ran, "what was not built is not tested"
    assert lines[0].split()[1] == "NO"


@pytest.mark.parametrize("commit, tests, says", [
    ("warns", [], "1"), ("fails", ["one-test"], "one-test failed"), ("c", ["gone-test"], "gone-test missing"),
])
def test_a_warning_a_failure_and_a_test_that_is_not_there_fail_the_commit(commit, tests, says):
    results, _, lines = walked([commit], tests)
    assert not results[0].good()
    assert says in lines[0]


def test_all_are_the_suites_of_the_project_without_what_cannot_pass_here():
    results, builder, _ = walked(["c1"], ["all"])
    assert builder.ran == [["qtest-x86_64/one-test", "test-two"]]
    assert "all" in builder.built[-1]
    assert results[0].good()


def test_libvirts_programs_are_built_with_it():
    _, builder, _ = walked(["c1"], ["test-two"], name="libvirt")
    assert builder.built == [("c1",)]
    assert builder.ran == [["test-two"]]


def test_only_what_was_picked_is_walked():
    results, builder, _ = walked(["c1", "broken", "c3"], [], [], [], numbers=[3])
    assert [result.number for result in results] == [3]
    assert builder.built == [("c3", "qemu-system-x86_64", "qemu-img")]


@pytest.mark.parametrize("only, start, chosen", [
    (None, None, {"qemu": [1, 2, 3], "libvirt": [1, 2]}),
    ("qemu", None, {"qemu": [1, 2, 3]}),
    ("qemu:2", None, {"qemu": [2]}),
    ("qemu:2-3,libvirt:1", None, {"qemu": [2, 3], "libvirt": [1]}),
    (None, "qemu:3", {"qemu": [3], "libvirt": [1, 2]}),
    (None, "libvirt:2", {"libvirt": [2]}),
    (None, "libvirt", {"libvirt": [1, 2]}),
    ("qemu:1-2,libvirt", "qemu:2", {"qemu": [2], "libvirt": [1, 2]}),
])
def test_which_commits(only, start, chosen):
    got = walk.choose({"qemu": 3, "libvirt": 2}, only and walk.parse_list(only), start and walk.parse_what(start))
    assert got == chosen


@pytest.mark.parametrize("what", ["qemu:4", "libvirt:2-3", "qemu:3-2", "qemu:0"])
def test_a_number_that_does_not_exist_is_named(what):
    with pytest.raises(series.SeriesError, match="has [23] commits"):
        walk.choose({"qemu": 3, "libvirt": 2}, walk.parse_list(what))


@pytest.mark.parametrize("what", ["", "quemu", "qemu:", "qemu:a", "qemu:1-"])
def test_what_is_no_commit_is_refused(what):
    with pytest.raises(argparse.ArgumentTypeError, match="as qemu:7"):
        walk.parse_list(what)


def test_programs_are_what_meson_knows(tmp_path):
    builder = walk.Builder.__new__(walk.Builder)
    builder.obj = tmp_path
    (tmp_path / "meson-info").mkdir()
    (tmp_path / "meson-info/intro-tests.json").write_text(json.dumps([
        {"name": "qtest-x86_64/one-test", "cmd": [f"{tmp_path}/tests/qtest/one-test", "--tap"], "suite": ["qemu:qtest", "qtest-x86_64"]},
        {"name": "schema tests", "cmd": [f"{tmp_path}/pyvenv/bin/python3", "x.py"], "suite": ["qapi-schema"]},
        {"name": "check-it", "cmd": ["/usr/bin/python3", "y.py"], "suite": ["libvirt:script"]}]))
    assert builder.programs() == {
        "one-test": ("qtest-x86_64/one-test", "tests/qtest/one-test", {"qtest", "qtest-x86_64"}),
        "schema tests": ("schema tests", None, {"qapi-schema"}),
        "check-it": ("check-it", None, {"script"})}


def test_what_ran_is_read_from_mesons_log(tmp_path):
    builder = walk.Builder.__new__(walk.Builder)
    builder.obj = tmp_path
    (tmp_path / "meson-logs").mkdir()
    lines = [{"name": "qemu:qtest+qtest-x86_64 / qtest-x86_64/one-test", "result": "OK"}, {"name": "two-test", "result": "TIMEOUT"},
             {"name": "qemu:unit / three", "result": "SKIP"}]
    builder.meson = lambda *words: (tmp_path / "meson-logs/testlog.json").write_text("\n".join(map(json.dumps, lines)))
    assert builder.run(["qtest-x86_64/one-test", "two-test", "three", "four"]) == {
        "qtest-x86_64/one-test": "passed", "two-test": "failed", "three": "skipped", "four": "failed"}


def test_warnings_of_files_that_the_series_touches_count_once():
    log = "\n".join(["[1/2] Compiling", "../../series/qemu/hw/a.c:3:4: warning: unused", "/t/hw/a.c:3:4: warning: unused",
                     "../../series/qemu/hw/other.c:3:4: warning: unused", "/t/hw/a.c:3:4: note: here", "/t/hw/a.c:3:4: warning: unused"])
    assert len(walk.warnings_in(log, ["hw/a.c"], pathlib.Path("/t"))) == 2
    assert walk.warnings_in(log, ["hw/b.c"], pathlib.Path("/t")) == []


def test_junit_has_a_case_for_each_build_and_test(tmp_path):
    results, _, _ = walked(["c1", "broken", "fails"], ["one-test"], [], ["test-two", "gone-test"])
    walk.write_junit(results, tmp_path / "series.xml")
    cases = list(ET.parse(tmp_path / "series.xml").getroot().iter("testcase"))
    failed = [case.get("name") for case in cases if case.find("failure") is not None]
    assert len(cases) == 6
    assert failed == ["qemu:2 builds without warnings: subject 2", "qemu:3 gone-test", "qemu:3 test-two"]


def test_ours_name_tests_that_suites_have():
    """Names that are written wrong would be found only after hours."""
    script = (series.ROOT / "scripts/cmd-test").read_text()
    ours = {path.stem for path in (series.ROOT / "qemu/tests/qtest").glob("*-test.c")} | {
        path.stem for path in (series.ROOT / "libvirt-driver/tests").glob("*test.c")}
    own = {"test-x86-cpuid-compat", "test-x86-topo", "boot-serial-test", "migration-test", "qemumigrationcookiexmltest", "all"}
    for name in walk.NAMES:
        named = {test for entry in series.read_series(series.ROOT / series.OURS[name] / "series").entries for test in entry.tests}
        assert named
        assert not {test for test in named - ours - own if test not in re.findall(r"[\w-]+", script)}


def test_a_copy_of_a_checkout_has_its_own_work_tree(tmp_path):
    def builder(top):
        made = walk.Builder.__new__(walk.Builder)
        made.repo, made.tree = top / "qemu.git", top / "qemu"
        return made

    first, second = tmp_path / "first", tmp_path / "second"
    subprocess.run(["git", "init", "-q", "--bare", first / "qemu.git"], check=True)
    empty = series.git(first / "qemu.git", "write-tree").strip()
    who = {f"GIT_{role}_{what}": "t@localhost" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    commits = [series.git(first / "qemu.git", "commit-tree", empty, "-m", message, env=who).strip() for message in ("one", "two")]
    builder(first).checkout(commits[0])
    shutil.copytree(first, second)
    builder(second).checkout(commits[1])
    assert [series.git(top / "qemu", "rev-parse", "HEAD").strip() for top in (first, second)] == commits
    mine = (second / "qemu/.git").read_text()
    builder(second).checkout(commits[0])
    assert (second / "qemu/.git").read_text() == mine, "it is kept"
