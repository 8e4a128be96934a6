# SPDX-License-Identifier: LGPL-2.1-or-later
"""scripts/junit-summary: a missing result counts as a failure."""
import pathlib
import subprocess

import pytest

TOOL = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "junit-summary"

XML = """<testsuites><testsuite name="s">
<testcase name="good" classname="a"/>
<testcase name="bad" classname="a"><failure message="1 is not 2"/></testcase>
<testcase name="x:y / broken" classname="a"><error message="crash"/></testcase>
<testcase name="left" classname="a"><skipped message="no such device"/></testcase>
</testsuite></testsuites>"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "not-run").write_text("")
    return tmp_path


def total(folder, *suites):
    return subprocess.run([TOOL, "--total", folder, *suites], text=True, capture_output=True, check=False)


def test_counts_and_names(folder):
    (folder / "s.xml").write_text(XML)
    done = total(folder, "s")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "1 passed, 2 failed, 1 skipped"
    assert "a bad: 1 is not 2" in done.stdout


def test_all_passed_is_success(folder):
    (folder / "s.xml").write_text('<testsuite><testcase name="good"/></testsuite>')
    done = total(folder, "s")
    assert done.returncode == 0
    assert done.stdout == "1 passed, 0 failed, 0 skipped\n"


@pytest.mark.parametrize("result, failed", [("OK", 0), ("SKIP", 0), ("ERROR", 1), ("INTERRUPT", 1), ("TIMEOUT", 1)])
def test_a_program_that_ended_badly_has_failed(folder, result, failed):
    """Its last words are no case."""
    (folder / "s.xml").write_text('<testsuite><testcase name="good" classname="p:q / one"/></testsuite>')
    (folder / "s.programs.json").write_text('{"name": "p:q / one", "result": "%s"}\n' % result)
    done = total(folder, "s")
    assert done.stdout.splitlines()[-1] == f"1 passed, {failed} failed, 0 skipped"
    assert ("p:q / one" in done.stdout) == bool(failed)


@pytest.mark.parametrize("stdout, stderr, said", [
    (r"ok 1 /a\nBail out! one.c:7: assertion failed\n# End of tests\n", r"a warning\n", "Bail out! one.c:7: assertion failed"),
    (r"ok 1 /a\n", r"one.c:7: broken pipe\n", "one.c:7: broken pipe"),
    ("", "", "ERROR"),
])
def test_why_a_program_has_ended_is_said(folder, stdout, stderr, said):
    (folder / "s.xml").write_text('<testsuite><testcase name="good"/></testsuite>')
    (folder / "s.programs.json").write_text('{"name": "p:q / one", "result": "ERROR", "stdout": "%s", "stderr": "%s"}\n' % (stdout, stderr))
    assert total(folder, "s").stdout.splitlines()[0].endswith(f": {said}")


def test_a_failure_is_counted_once(folder):
    (folder / "s.xml").write_text(XML)
    (folder / "s.programs.json").write_text('{"name": "x:y / broken", "result": "FAIL"}\n')
    assert total(folder, "s").stdout.splitlines()[-1] == "1 passed, 2 failed, 1 skipped"


@pytest.mark.parametrize("content", [None, "<testsuite/>"])
def test_a_suite_that_left_nothing_has_failed(folder, content):
    if content:
        (folder / "s.xml").write_text(content)
    done = total(folder, "s")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "0 passed, 1 failed, 0 skipped"


def test_what_was_not_run_is_skipped_with_its_reason(folder):
    (folder / "s.xml").write_text('<testsuite><testcase name="good"/></testsuite>')
    (folder / "not-run").write_text("s\tother\tneeds a moon\nt\tthird\telsewhere\n")
    one = subprocess.run([TOOL, "--one", folder, "s"], text=True, capture_output=True, check=True)
    assert "1 passed, 0 failed, 1 skipped" in one.stdout
    assert "skipped: other: needs a moon" in one.stdout


def test_a_failure_of_what_cannot_pass_here_is_a_skip(folder):
    (folder / "s.xml").write_text(XML)
    (folder / "not-run").write_text("s\tbad\tneeds a moon\ns\tbroken\tneeds a sun\n")
    done = total(folder, "s")
    assert done.returncode == 0
    assert done.stdout == "1 passed, 0 failed, 3 skipped\n"


def test_the_parts_of_a_suite_and_not_those_of_another(folder):
    for name in ("s.xml", "s.part.xml", "s-long.xml"):
        (folder / name).write_text('<testsuite><testcase name="good"/></testsuite>')
    assert total(folder, "s").stdout == "2 passed, 0 failed, 0 skipped\n"
