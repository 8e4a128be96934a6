# SPDX-License-Identifier: LGPL-2.1-or-later
"""Our files in libvirt call each other in one direction only, as those in QEMU do."""
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
import circles  # noqa: E402


def test_no_file_calls_its_caller():
    assert not circles.among(ROOT / "build/obj/libvirt", ROOT / "libvirt-driver")
