# SPDX-License-Identifier: LGPL-2.1-or-later
"""The series that could be sent: what its description may say, and what it becomes of a source package of a few files."""
import pathlib
import re
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts"))
import series as made_by  # noqa: E402
from test_tree import ROOT, Checkout  # noqa: E402

HEAD = """# a comment
title Two letters
  | They are large.
part Fixes
  | What is there.
"""
ONE_EACH = HEAD + """commit 0001-a.patch
commit 0002-b.patch
part Files
commit hw: ours
  files hw/*.c
  replaces
  tests some-test other-test
  | It is ours.
"""


class Described(Checkout):
    """A package, our patches and files, and a description of their series."""

    def __init__(self, top):
        super().__init__(top)
        self.patch("0001-a.patch", "a.c", "a", "A")
        self.patch("0002-b.patch", "b.c", "b", "B")
        assert self.make().returncode == 0

    def describe(self, text):
        (self.top / "qemu/series").write_text(text)

    def write(self):
        return subprocess.run([sys.executable, self.top / "scripts/series.py", "qemu", self.top / "out"], text=True, capture_output=True,
                              check=False)

    def pristine(self):
        """Debian's source, in a repository that knows nothing of ours."""
        apart = self.top / "apart"
        (apart / "hw").mkdir(parents=True)
        for name in ("a.c", "b.c", "hw/old.c"):
            (apart / name).write_text((self.top / "upstream/qemu-10" / name).read_text())
        for words in (["init", "-q"], ["config", "user.name", "N"], ["config", "user.email", "n@localhost"], ["add", "-A"],
                      ["commit", "-qm", "Debian's"]):
            subprocess.run(["git", "-C", apart, *words], check=True)
        return apart


@pytest.fixture(name="package")
def a_package(tmp_path):
    return Described(tmp_path)


def refused(package, text):
    """What is said of the description TEXT."""
    package.describe(text)
    done = package.write()
    assert done.returncode == 1, done.stdout
    assert not (package.top / "out").exists(), "nothing is written of a series that is wrong"
    lines = done.stderr.splitlines()
    assert lines[-1].startswith("run: error: ") and " -- " in lines[-1]
    return done.stderr


def test_is_applied_elsewhere_by_git_am_and_ends_in_what_is_built(package):
    package.describe(ONE_EACH)
    done = package.write()
    assert done.returncode == 0, done.stderr
    files = sorted((package.top / "out/qemu").iterdir())
    assert [path.name for path in files] == ["0000-cover-letter.patch", "0001-0001-a.patch.patch", "0002-0002-b.patch.patch",
                                             "0003-hw-ours.patch"]
    apart = package.pristine()
    subprocess.run(["git", "-C", apart, "am", "-q", *files[1:]], check=True)
    assert (apart / "a.c").read_text() == "A\n"
    assert (apart / "hw/ours.c").read_text() == "int ours;\n"


def test_the_cover_letter_has_title_text_and_parts(package):
    package.describe(ONE_EACH)
    assert package.write().returncode == 0
    cover = (package.top / "out/qemu/0000-cover-letter.patch").read_text()
    assert "Subject: [PATCH 0/3] Two letters\n\nThey are large.\n\nFixes\n=====\n\nWhat is there.\n" in cover
    assert "***" not in cover
    assert "From: A Developer <dev@localhost>" in cover, "whoever made the patches, not whoever exports them"


def test_a_second_time_gives_the_same(package):
    package.describe(ONE_EACH)
    assert package.write().returncode == 0
    first = (package.top / "out/qemu/0003-hw-ours.patch").read_text()
    stale = package.top / "out/qemu/0009-gone.patch"
    stale.write_text("")
    assert package.write().returncode == 0
    assert (package.top / "out/qemu/0003-hw-ours.patch").read_text() == first
    assert not stale.exists()


def test_what_ours_replace_is_in_debians_source_and_goes_with_what_replaces_it(package):
    (package.top / "qemu/hw/old.c").write_text("new\n")
    assert package.make().returncode == 0
    package.describe(ONE_EACH)
    assert package.write().returncode == 0
    text = (package.top / "out/qemu/0003-hw-ours.patch").read_text()
    assert "-old\n+new\n" in text


def test_other_order_than_that_of_the_patches(package):
    package.describe(ONE_EACH.replace("commit 0001-a.patch\ncommit 0002-b.patch", "commit 0002-b.patch\ncommit 0001-a.patch"))
    assert package.write().returncode == 0
    assert (package.top / "out/qemu/0001-0002-b.patch.patch").exists()


def test_squashed_patches_have_a_body_of_their_own(package):
    both = HEAD + "commit both\n  patch 0001-a.patch\n  patch 0002-b.patch\n  files hw/ours.c\n  replaces\n"
    assert "entry 'both' needs a body of its own" in refused(package, both)
    package.describe(both + "  | Since.\n")
    assert package.write().returncode == 0
    assert "\n\nSince.\n" in (package.top / "out/qemu/0001-both.patch").read_text()


@pytest.mark.parametrize("old, new, says", [
    ("commit 0002-b.patch\n", "", "patch '0002-b.patch' is in no entry"),
    ("commit 0002-b.patch\n", "commit 0002-b.patch\ncommit more\n  patch 0002-b.patch\n", "patch '0002-b.patch' is in two entries"),
    ("commit 0002-b.patch\n", "commit 0002-b.patch\ncommit more\n  patch 0003-c.patch\n", "patch '0003-c.patch' of entry 'more' does not exist"),
    ("  files hw/*.c\n", "  files hw/*.h\n", "no file is 'hw/*.h'"),
    ("commit hw: ours\n  files hw/*.c\n  replaces\n  tests some-test other-test\n  | It is ours.\n", "", "file 'hw/ours.c' is in no entry"),
    ("  files hw/*.c\n", "  files hw/*.c\n  | x\ncommit again\n  files hw/ours.c\n  | x\n", "file 'hw/ours.c' is in two entries"),
    ("  files hw/*.c\n", "  files *.c\n", "no file is '*.c'"),
    ("  files hw/*.c\n", "", "entry 'hw: ours' has neither a patch nor a file"),
    ("title Two letters\n", "", "no title"),
    ("  replaces\n", "", "one entry says 'replaces'"),
    ("  tests some-test", "  test some-test", "qemu/series:12: 'test some-test other-test' cannot stand here"),
    ("part Fixes\n", "", "qemu/series:5: 'commit 0001-a.patch' cannot stand here"),
])
def test_what_is_missing_or_twice_is_named(package, old, new, says):
    assert old in ONE_EACH
    assert says in refused(package, ONE_EACH.replace(old, new))


def test_a_commit_that_rewrites_an_earlier_one_is_named_unless_it_says_why(package):
    package.patch("0003-c.patch", "a.c", "A", "AA")
    assert package.make().returncode == 0
    text = ONE_EACH.replace("commit 0002-b.patch\n", "commit 0002-b.patch\ncommit 0003-c.patch\n")
    assert "entry '0003-c.patch' changes 1 lines of a.c that '0001-a.patch' brought" in refused(package, text)
    reason = text.replace("commit 0003-c.patch\n", "commit 0003-c.patch\n  rewrites a.c: it is a list\n")
    package.describe(reason)
    assert package.write().returncode == 0
    (package.top / "out/qemu").rename(package.top / "done")
    (package.top / "out").rmdir()
    assert "entry '0002-b.patch' rewrites nothing in b.c" in refused(
        package, reason.replace("commit 0002-b.patch\n", "commit 0002-b.patch\n  rewrites b.c: why not\n"))


def test_a_patch_that_needs_an_earlier_one_is_named(package):
    package.patch("0003-c.patch", "a.c", "A", "AA")
    assert package.make().returncode == 0
    said = refused(package, ONE_EACH.replace("commit 0001-a.patch\n", "commit 0003-c.patch\ncommit 0001-a.patch\n"))
    assert "patch '0003-c.patch' does not apply where entry '0003-c.patch' stands: a.c" in said


def test_edits_that_are_not_exported_are_refused(package):
    (package.tree / "a.c").write_text("mine\n")
    assert "build/src/qemu has edits" in refused(package, ONE_EACH)
    package.git("commit", "-qam", "a: mine")
    assert "build/src/qemu has edits" in refused(package, ONE_EACH)


@pytest.mark.parametrize("pattern, matches", [
    ("hw/*", ["hw/a.c", "hw/d.h"]), ("hw/a.c", ["hw/a.c"]), ("*", []), ("hw/*/*.c", ["hw/dm/b.c"]), ("hw/[!d]*", ["hw/a.c"]),
])
def test_a_star_does_not_cross_a_slash(pattern, matches):
    assert made_by.match_files(pattern, ["hw/a.c", "hw/d.h", "hw/dm/b.c"]) == matches


@pytest.mark.parametrize("name", ["qemu", "libvirt"])
def test_ours_have_each_patch_and_each_file_once(name):
    """Without a tree: the subjects are those of the patch files."""
    folder = ROOT / made_by.OURS[name]
    series = made_by.read_series(folder / "series")
    subjects = [subject(path) for path in sorted((folder / "patches").glob("*.patch"))]
    assert len(set(subjects)) == len(subjects) > 30
    assert not list(made_by.faults(series, subjects, destinations(name), made_by.replaced_files(name)))


def subject(path):
    """Of a patch file, as git am reads it."""
    read = subprocess.run(["git", "mailinfo", "/dev/null", "/dev/null"], input=path.read_bytes(), capture_output=True, check=True)
    return next(line.removeprefix("Subject: ") for line in read.stdout.decode().splitlines() if line.startswith("Subject: "))


def destinations(name):
    """Where scripts/tree links our files to."""
    script = (ROOT / "scripts/tree").read_text()
    function = script[script.index("destination() {"):script.index("\n}\n", script.index("destination() {")) + 3]
    folder = ROOT / made_by.OURS[name]
    files = "".join(f"{path.relative_to(folder)}\n" for path in folder.rglob("*") if path.is_file())
    done = subprocess.run(["bash", "-c", f"name={name}\n{function}\nwhile read -r f; do destination \"$f\"; done"], input=files, text=True,
                          capture_output=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize("name", ["qemu", "libvirt"])
def test_the_document_for_reviewers_has_the_numbers_of_each_part(name):
    """In the order of the parts."""
    text = (ROOT / "docs/upstream.md").read_text()
    text = text[text.index(f"\n| {'QEMU' if name == 'qemu' else 'libvirt'} | commits |"):].split("\n\n")[0]
    told = re.findall(r"^\| [^|]+ \| (\d+)(?:-(\d+))? \|", text, re.M)
    series, ranges, first = made_by.read_series(ROOT / made_by.OURS[name] / "series"), [], 1
    for part in series.parts:
        count = sum(entry.part == part for entry in series.entries)
        ranges.append((str(first), str(first + count - 1) if count > 1 else ""))
        first += count
    assert told == ranges


@pytest.mark.parametrize("name", ["qemu", "libvirt"])
def test_lines_of_letters_and_bodies_are_short(name):
    path = ROOT / made_by.OURS[name] / "series"
    long = [line for line in path.read_text().splitlines() if line.strip().startswith("| ") and len(line.strip()) > 78]
    assert not long
