# SPDX-License-Identifier: LGPL-2.1-or-later
"""./run patches --try without an archive: which version is meant, and how a patch fares on a tree that differs."""
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts"))
import try_version as trial  # noqa: E402
from series import SeriesError  # noqa: E402

MADISON = """      qemu | 1:10.0.13+ds-0+deb13u1 | http://archive/debian trixie/main Sources
      qemu | 1:10.2.2+ds-1 | http://archive/debian sid/main Sources
      qemu | 1:11.1.9+ds-1 | http://archive/debian sid/main Sources
      qemu | 1:11.1.10+ds-1 | http://archive/debian sid/main Sources
      qemu | 1:11.1.10+ds-1 | http://archive/debian sid/main amd64 Packages
   libvirt | 12.8.0-1 | http://archive/debian sid/main Sources
"""
AVAILABLE = list(trial.madison(MADISON))
LINES = [f"line {number}" for number in range(1, 31)]


def test_only_source_packages_count():
    assert len(AVAILABLE) == 5
    assert AVAILABLE[1] == ("qemu", "1:10.2.2+ds-1", "sid")


@pytest.mark.parametrize("wanted, found", [
    ("10.2", {"qemu": "1:10.2.2+ds-1"}), ("1:10.2.2+ds-1", {"qemu": "1:10.2.2+ds-1"}), ("12.8.0", {"libvirt": "12.8.0-1"}),
    ("11.1", {"qemu": "1:11.1.10+ds-1"}), ("sid", {"qemu": "1:11.1.10+ds-1", "libvirt": "12.8.0-1"}),
])
def test_what_a_version_or_a_suite_stands_for(wanted, found):
    assert trial.find(AVAILABLE, wanted) == found


@pytest.mark.parametrize("wanted", ["10.1", "10.20", "experimental"])
def test_what_there_is_not_is_said_with_what_there_is(wanted):
    with pytest.raises(SeriesError, match=f"no '{wanted}'") as err:
        trial.find(AVAILABLE, wanted)
    assert "libvirt 12.8.0-1" in err.value.remedy


def test_what_the_machine_prefers_is_ignored(tmp_path, monkeypatch):
    (tmp_path / "conf").write_text('APT::Default-Release "bookworm";\n')
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "conf"))
    said = trial.apt(tmp_path, "apt-config", "dump")
    assert 'APT::Default-Release "";' in said
    assert all(f'Dir::Etc::{name} "/dev/null";' in said for name in ("preferences", "preferencesparts"))


def git(folder, *words):
    return subprocess.run(["git", "-C", folder, *words], check=True, capture_output=True, text=True).stdout


@pytest.fixture(name="other")
def another_version(tmp_path):
    """(tree, a function that makes it LINES with changes, a patch that changes line 15). The tree knows the blobs that the patch was made of."""
    tree = tmp_path / "tree"
    tree.mkdir()
    git(tree, "init", "-q")
    for key in ("user.name", "user.email"):
        git(tree, "config", key, "t@localhost")

    def put(lines, message="other"):
        (tree / "a.c").write_text("\n".join(lines) + "\n")
        trial.save(tree, message)

    put(LINES, "ours")
    put([*LINES[:14], "line fifteen", *LINES[15:]], "the patch")
    patch = tmp_path / "0001-a.patch"
    patch.write_text(git(tree, "format-patch", "-1", "--stdout", "--full-index"))
    git(tree, "reset", "-q", "--hard", "HEAD~1")
    return tree, put, patch


def changed(numbers, to="other"):
    return [to if number in numbers else line for number, line in enumerate(LINES, 1)]


@pytest.mark.parametrize("lines, how", [
    (LINES, "applies"),
    (["more"] * 5 + LINES, "applies"),
    (changed({12}), "merges"),
    ([*LINES[:14], "line fifteen", *LINES[15:]], "there"),
    (changed({15}), "fails"),
    (changed({14, 16}), "fuzz"),
])
def test_how_a_patch_fares(other, lines, how):
    tree, put, patch = other
    put(lines)
    assert trial.try_patch(tree, patch).how == how


def test_what_failed_says_where(other):
    tree, put, patch = other
    put(changed({15}))
    fate = trial.try_patch(tree, patch)
    assert fate.why.startswith("a.c")
    (tree / "a.c").unlink()
    trial.save(tree, "gone")
    assert trial.try_patch(tree, patch).why == "a file is gone"


def test_the_next_patch_is_judged_by_itself(other, tmp_path):
    tree, put, patch = other
    put([*LINES[:24], "line twenty-five", *LINES[25:]], "the second patch")
    second = tmp_path / "0002-b.patch"
    second.write_text(git(tree, "format-patch", "-1", "--stdout", "--full-index"))
    put(changed({15}))
    assert [fate.how for fate in trial.try_all(tree, [patch, second])] == ["fails", "applies"]
    assert (tree / "a.c").read_text().split("\n")[24] == "line twenty-five"
    assert git(tree, "status", "--short") == ""


def test_the_table_counts_all_and_names_what_does_not_just_apply():
    fates = [trial.Fate("0001-a.patch", "applies"), trial.Fate("0002-b.patch", "fails", "a.c: main()"), trial.Fate("0003-c.patch", "fuzz")]
    text = "\n".join(trial.table("qemu", "10.2", fates))
    assert text.startswith("==> qemu 10.2: 1 applies, 1 fuzz, 1 fails\n")
    assert "| 0002-b | fails | a.c: main() |" in text
    assert "0001-a" not in text
