# SPDX-License-Identifier: LGPL-2.1-or-later
"""What UBSan reported while suite asan ran: none of it is about our files, or those of QEMU that we patch.

HVB_REPORTS is the folder with the reports. QEMU's own files may have faults of their own, which are not ours to mend: they are listed.
"""
import os
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
WHERE = re.compile(r"^(?P<file>\S+?):\d+:\d+: runtime error: .*$", re.MULTILINE)


def ours():
    """Files below QEMU's tree that are ours, and those that a patch of ours changes."""
    patched = {m for patch in (ROOT / "qemu/patches").glob("*.patch") for m in re.findall(r"^\+\+\+ b/(\S+\.[ch])$", patch.read_text(), re.MULTILINE)}
    return patched | {str(p.relative_to(ROOT / "qemu")) for p in (ROOT / "qemu").rglob("*.[ch]")}


def faults(text, files):
    """The reports in TEXT that are about FILES, each once."""
    return sorted({m.group(0) for m in WHERE.finditer(text) if any(("/" + m["file"]).endswith("/" + f) for f in files)})


def test_finds_a_fault():
    text = "../../src/qemu/hw/hyperv/vmbus.c:10:5: runtime error: index 9 out of bounds\n../hw/ide/core.c:1:1: runtime error: shift\n"
    assert faults(text, {"hw/hyperv/vmbus.c"}) == ["../../src/qemu/hw/hyperv/vmbus.c:10:5: runtime error: index 9 out of bounds"]


def test_no_report_is_about_our_files():
    reports = pathlib.Path(os.environ["HVB_REPORTS"])
    text = "".join(p.read_text(errors="replace") for p in reports.iterdir())
    for line in sorted({m.group(0) for m in WHERE.finditer(text)}):
        print(line)
    assert faults(text, ours()) == []
