# SPDX-License-Identifier: LGPL-2.1-or-later
"""The table of ./run test kernels: the worst result of a kernel's tests counts."""
import pathlib
import subprocess

TOOL = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "kernel-table"

XML = """<testsuites><testsuite name="s">
<testcase name="test_boots_with[good]"/><testcase name="test_grows_past[good]"/><testcase name="test_shrinks[good]"/>
<testcase name="test_reboots_to[good]"/><testcase name="test_reboots_again[good]"/>
<testcase name="test_added[good]"><properties><property name="version" value="6.1.0-9"/><property name="onlines" value="no"/></properties></testcase>
<testcase name="test_boots_with[bad]"/><testcase name="test_grows_past[bad]"><failure message="no"/></testcase><testcase name="test_shrinks[bad]"/>
<testcase name="test_reboots_to[bad]"/><testcase name="test_reboots_again[bad]"><error message="no"/></testcase>
<testcase name="test_boots_with[7.2]"/><testcase name="test_other[7.2]"><failure message="no"/></testcase>
<testcase name="test_boots_with[gone]"><skipped message="kernel 'gone' cannot be had: why"/></testcase>
<testcase name="test_grows_past[gone]"><skipped message="kernel 'gone' cannot be had: why"/></testcase>
</testsuite></testsuites>"""


def table(folder, *kernels, text=XML):
    (folder / "kernels.xml").write_text(text)
    return subprocess.run([TOOL, folder / "kernels.xml", *kernels], text=True, capture_output=True, check=False)


def test_a_line_for_each_kernel(tmp_path):
    done = table(tmp_path, "good", "bad", "7.2", "gone", "2")
    assert done.returncode == 0
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["kernel", "version", "onlines", "by", "itself", "boot", "grow", "shrink", "reboot", "result"]
    assert lines[1] == ["good", "6.1.0-9", "no", "passed", "passed", "passed", "passed", "passed"]
    assert lines[2] == ["bad", "-", "-", "passed", "failed", "passed", "failed", "failed"]
    assert lines[3] == ["7.2", "-", "-", "passed", *3 * ["not", "run"], "failed"]
    assert lines[4][:5] == ["gone", "-", "-", "skipped", "skipped"]
    assert done.stdout.splitlines()[4].endswith("skipped  kernel 'gone' cannot be had: why")
    assert lines[5] == ["2", "-", "-", *5 * ["not", "run"]], "7.2 is another kernel"


def test_columns_are_one_below_the_other(tmp_path):
    lines = table(tmp_path, "good", "bad").stdout.splitlines()
    assert len({line.index(word) for line, word in zip(lines, ("boot", "passed", "passed"))}) == 1


def test_no_result_is_no_table(tmp_path):
    done = subprocess.run([TOOL, tmp_path / "kernels.xml", "good"], text=True, capture_output=True, check=False)
    assert done.returncode == 1 and "no table" in done.stdout
