# SPDX-License-Identifier: LGPL-2.1-or-later
"""The style checks of the series: what is accepted, and that reviewers are told so."""
import pathlib
import re
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import series_style as style  # noqa: E402

TABLES = [("qemu", style.QEMU_ACCEPTED), ("libvirt", style.LIBVIRT_ACCEPTED)]


@pytest.mark.parametrize("reason", [reason for _, table in TABLES for reason in table.values()])
def test_each_reason_is_in_the_document_for_reviewers(reason):
    text = re.sub(r"`", "", (ROOT / "docs/upstream.md").read_text(encoding="utf-8"))
    assert reason in text


@pytest.mark.parametrize("path, what, is_accepted", [
    ("hw/hyperv/vmbus.c", "Don't use '#' flag of printf format", True),
    ("hw/hyperv/vmbus.c", "trailing whitespace", False),
    ("hw/hyperv/dm/engine.c", "Block comments use a leading /* on a separate line", True),
    ("system/physmem.c", "Block comments use a leading /* on a separate line", False),
    ("migration/savevm.c", "line over 80 characters", False),
])
def test_what_is_accepted_is_bound_to_its_file(path, what, is_accepted):
    assert bool(style.accepted(style.QEMU_ACCEPTED, path, what)) == is_accepted


def test_checkpatch_is_read_by_file(monkeypatch):
    said = """ERROR: trailing whitespace
#12: FILE: hw/a.c:7:
+ int a; $

WARNING: line over 80 characters
#40: FILE: hw/b.c:9:
+...

ERROR: New file 'tests/c.h' requires 'SPDX-License-Identifier'
total: 2 errors, 1 warnings, 3 lines checked
"""
    monkeypatch.setattr(style.subprocess, "run", lambda *_, **__: type("Done", (), {"stdout": said})())
    assert list(style.checkpatch(pathlib.Path("x.patch"))) == [
        ("hw/a.c", "trailing whitespace"), ("hw/b.c", "line over 80 characters"),
        ("tests/c.h", "New file 'tests/c.h' requires 'SPDX-License-Identifier'")]


def test_a_rule_that_fails_for_a_file_that_is_not_touched_does_not_count(tmp_path, monkeypatch):
    (tmp_path / "build-aux").mkdir()
    (tmp_path / "build-aux/syntax-check.mk").write_text(
        "sc_one:\n\t@echo $(top)/src/a.c:1: bad >&2; exit 1\nsc_two:\n\t@echo src/mya.c:1: bad; exit 1\nsc_ok:\n\t@true\n")
    makefile = tmp_path / "Makefile"
    makefile.write_text(f"top={tmp_path}\ninclude {tmp_path}/build-aux/syntax-check.mk\n")
    assert list(style.syntax_check(tmp_path, makefile, ["src/a.c"])) == [("src/a.c", "sc_one")]
