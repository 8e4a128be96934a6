# SPDX-License-Identifier: LGPL-2.1-or-later
"""Unpacking, patching and linking, on a source package of three files."""
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATCH = """From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001
From: A Developer <dev@localhost>
Date: Mon, 2 Nov 2026 10:00:00 +0000
Subject: [PATCH] {subject}

---
diff --git a/{file} b/{file}
--- a/{file}
+++ b/{file}
@@ -1 +1 @@
-{old}
+{new}
"""


class Checkout:
    """A copy of our scripts beside a tiny 'qemu' package."""

    def __init__(self, top):
        self.top = top
        self.tree = top / "build/src/qemu"
        shutil.copytree(ROOT / "scripts", top / "scripts")
        (top / "qemu/patches").mkdir(parents=True)
        (top / "qemu/replaces.list").write_text("# ours replace these\nhw/old.c\n")
        (top / "qemu/hw").mkdir()
        (top / "qemu/hw/ours.c").write_text("int ours;\n")
        downloads = top / "build/dl"
        downloads.mkdir(parents=True)
        (downloads / "qemu.version").write_text("10.0.99-1\n")
        source = top / "upstream/qemu-10"
        (source / "hw").mkdir(parents=True)
        for name in ("a.c", "b.c", "hw/old.c"):
            (source / name).write_text(f"{pathlib.Path(name).stem}\n")
        debian = top / "upstream/debian/patches"
        debian.mkdir(parents=True)
        (debian / "series").write_text("")
        self.tar(downloads / "qemu.orig.tar.xz", "qemu-10")
        self.tar(downloads / "qemu.debian.tar.xz", "debian")

    def tar(self, archive, folder):
        subprocess.run(["tar", "-cJf", archive, "-C", self.top / "upstream", folder], check=True)

    def patch(self, name, file, old, new):
        (self.top / "qemu/patches" / name).write_text(PATCH.format(subject=name, file=file, old=old, new=new))

    def new_file(self, name, file, line):
        """A patch that creates a file."""
        text = PATCH.format(subject=name, file=file, old="", new=line)
        text = text.replace(f"--- a/{file}", "new file mode 100644\n--- /dev/null").replace("@@ -1 +1 @@\n-\n", "@@ -0,0 +1 @@\n")
        (self.top / "qemu/patches" / name).write_text(text)

    def make(self):
        return subprocess.run([self.top / "scripts/tree", "qemu"], text=True, capture_output=True, check=False, start_new_session=True)

    def make_interrupted(self, patch):
        """All processes are killed when git am has done what it can with PATCH."""
        folder = self.top / "build/meson/usr/bin"        # first in PATH
        folder.mkdir(parents=True)
        (folder / "git").write_text(f'#!/bin/sh\n/usr/bin/git "$@"; s=$?\ncase "$*" in *" am "*{patch}) kill -KILL 0 ;; esac\nexit $s\n')
        for name in ("git", "meson"):
            (folder / name).touch(0o755)
            (folder / name).chmod(0o755)
        assert self.make().returncode == -9
        shutil.rmtree(folder)

    def run(self, script):
        return subprocess.run([self.top / "scripts" / script], text=True, capture_output=True, check=False)

    def git(self, *words):
        return subprocess.run(["git", "-C", self.tree, *words], text=True, capture_output=True, check=True).stdout


@pytest.fixture
def checkout(tmp_path):
    made = Checkout(tmp_path)
    made.patch("0001-a.patch", "a.c", "a", "A")
    made.patch("0002-b.patch", "b.c", "b", "B")
    first = made.make()
    assert first.returncode == 0, first.stderr
    return made


def test_unpacks_patches_and_links(checkout):
    assert (checkout.tree / "a.c").read_text() == "A\n"
    assert (checkout.tree / "b.c").read_text() == "B\n"
    assert not (checkout.tree / "hw/old.c").exists()
    assert (checkout.tree / "hw/ours.c").resolve() == (checkout.top / "qemu/hw/ours.c").resolve()
    assert checkout.git("log", "--format=%s").splitlines()[:2] == ["0002-b.patch", "0001-a.patch"]
    assert checkout.git("status", "--short") == ""


def test_git_runs_no_gc_while_patches_are_applied(checkout):
    assert checkout.git("config", "--local", "gc.auto") == "0\n"
    assert checkout.git("config", "--local", "maintenance.auto") == "false\n"


def test_a_second_run_touches_nothing(checkout):
    before = {p: p.stat().st_mtime_ns for p in checkout.tree.glob("*.c")}
    done = checkout.make()
    assert (done.returncode, done.stdout) == (0, "")
    assert {p: p.stat().st_mtime_ns for p in checkout.tree.glob("*.c")} == before


def test_a_changed_patch_leaves_the_files_of_the_others_alone(checkout):
    before = (checkout.tree / "a.c").stat().st_mtime_ns
    checkout.patch("0002-b.patch", "b.c", "b", "BB")
    assert checkout.make().returncode == 0
    assert (checkout.tree / "b.c").read_text() == "BB\n"
    assert (checkout.tree / "a.c").stat().st_mtime_ns == before


def test_a_patch_that_is_gone_is_taken_back(checkout):
    (checkout.top / "qemu/patches/0002-b.patch").unlink()
    assert checkout.make().returncode == 0
    assert (checkout.tree / "b.c").read_text() == "b\n"


def test_a_patch_that_does_not_apply_is_named_and_a_mended_one_goes_on(checkout):
    checkout.patch("0003-c.patch", "b.c", "something else", "C")
    done = checkout.make()
    assert done.returncode == 1
    assert "patch 0003-c.patch does not apply to qemu 10.0.99-1" in done.stderr
    checkout.patch("0003-c.patch", "b.c", "B", "C")
    assert checkout.make().returncode == 0
    assert (checkout.tree / "b.c").read_text() == "C\n"


def test_edits_in_the_tree_are_never_thrown_away(checkout):
    (checkout.tree / "a.c").write_text("mine\n")
    assert checkout.make().returncode == 0, "the patches did not change: the edit is simply built"
    checkout.patch("0002-b.patch", "b.c", "b", "BB")
    done = checkout.make()
    assert done.returncode == 1
    assert "has edits of its own" in done.stderr
    assert (checkout.tree / "a.c").read_text() == "mine\n"


def test_interrupted_between_patch_and_note(checkout):
    checkout.patch("0003-c.patch", "b.c", "B", "C")
    checkout.patch("0004-d.patch", "b.c", "C", "D")
    checkout.make_interrupted("0003-c.patch")
    done = checkout.make()
    assert done.returncode == 0, done.stderr
    assert "interrupted" in done.stdout
    assert (checkout.tree / "b.c").read_text() == "D\n"
    assert len(checkout.git("log", "--format=%s", "base..").splitlines()) == 4
    assert checkout.make().stdout == ""


def test_interrupted_in_a_patch(checkout):
    """git has its notes about what it is applying, a lock, and a file that is not in the index yet."""
    checkout.patch("0003-c.patch", "b.c", "something else", "C")
    checkout.make_interrupted("0003-c.patch")
    assert (checkout.tree / ".git/rebase-apply").is_dir()
    (checkout.tree / ".git/index.lock").touch()
    (checkout.tree / "new.c").write_text("half")
    (checkout.tree / "notes").write_text("the user's")
    checkout.new_file("0003-c.patch", "new.c", "N")
    done = checkout.make()
    assert done.returncode == 0, done.stderr
    assert (checkout.tree / "new.c").read_text() == "N\n"
    assert (checkout.tree / "notes").exists()


def test_interrupted_patching_is_no_edit(checkout):
    checkout.patch("0003-c.patch", "b.c", "B", "C")
    checkout.make_interrupted("0003-c.patch")
    (checkout.top / "build/dl/qemu.version").write_text("10.0.100-1\n")
    assert checkout.make().returncode == 0, "unpacked anew"
    checkout.patch("0003-c.patch", "b.c", "B", "CC")
    checkout.make_interrupted("0003-c.patch")
    (checkout.top / "scripts/daemon").unlink()
    assert checkout.run("cmd-clean").returncode == 0


def test_patches_that_are_not_applied_are_not_deleted(checkout):
    patches = checkout.top / "qemu/patches"
    checkout.patch("0003-c.patch", "b.c", "B", "C")
    for prepare in (lambda: None, lambda: checkout.make_interrupted("0003-c.patch")):
        prepare()
        refused = checkout.run("cmd-patches")
        assert refused.returncode == 1
        assert "lacks patches" in refused.stderr
        assert len(list(patches.iterdir())) == 3
    assert checkout.make().returncode == 0
    assert checkout.run("cmd-patches").returncode == 0


def test_the_user_s_configuration_of_git_does_not_matter(tmp_path, monkeypatch):
    made = Checkout(tmp_path)
    made.patch("0001-a.patch", "a.c", "a", "A ")
    hook = tmp_path / "hooks/pre-commit"
    hook.parent.mkdir()
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    (tmp_path / "config").write_text(f"[core]\nhooksPath={hook.parent}\n[commit]\ngpgSign=true\n[tag]\ngpgSign=true\n[apply]\nwhitespace=error\n"
                                     "[format]\nsignOff=true\n[diff]\nnoprefix=true\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    monkeypatch.setenv("GIT_DIR", str(ROOT / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    done = made.make()
    assert done.returncode == 0, done.stderr
    assert (made.tree / "a.c").read_text() == "A \n"
    assert made.run("cmd-patches").returncode == 0
    patch = next((tmp_path / "qemu/patches").iterdir()).read_text(encoding="utf-8")
    assert "+++ b/a.c" in patch and "Signed-off-by" not in patch


def test_a_patch_may_bring_a_file_that_was_ours(checkout):
    (checkout.top / "qemu/hw/ours.c").unlink()
    checkout.new_file("0003-c.patch", "hw/ours.c", "int theirs;")
    done = checkout.make()
    assert done.returncode == 0, done.stderr
    assert (checkout.tree / "hw/ours.c").read_text() == "int theirs;\n"


def test_the_link_of_a_removed_file_goes_too(checkout):
    (checkout.top / "qemu/hw/ours.c").unlink()
    assert checkout.make().returncode == 0
    assert not (checkout.tree / "hw/ours.c").is_symlink()


def test_patches_writes_back_what_was_committed(checkout):
    (checkout.tree / "a.c").write_text("mine\n")
    refused = subprocess.run([checkout.top / "scripts/cmd-patches"], text=True, capture_output=True, check=False)
    assert refused.returncode == 1
    assert "not committed" in refused.stderr
    checkout.git("commit", "-qam", "a: mine")
    subprocess.run([checkout.top / "scripts/cmd-patches"], check=True, capture_output=True)
    names = sorted(p.name for p in (checkout.top / "qemu/patches").iterdir())
    assert names[-1] == "0003-a-mine.patch" and len(names) == 3
    assert checkout.make().stdout == "", "what was exported is not applied again"


def test_clean_refuses_to_lose_an_edit(checkout):
    (checkout.tree / "a.c").write_text("mine\n")
    (checkout.top / "scripts/daemon").unlink(missing_ok=True)
    done = subprocess.run([checkout.top / "scripts/cmd-clean"], text=True, capture_output=True, check=False)
    assert done.returncode == 1
    assert "has edits of its own" in done.stderr
    assert checkout.tree.exists()
