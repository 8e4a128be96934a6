# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whoever may change the memory of a domain today may do so with this balloon, and nobody else.

libvirt's own check reads which permission each call of the protocol needs and that the driver asks for it before it does anything. In the
whole build it fails for want of the other drivers; here it reads the one that is built."""

import pathlib
import subprocess
import sys

import pytest

TREE = pathlib.Path(__file__).resolve().parents[2] / "build/src/libvirt"


def check(driver):
    return subprocess.run([sys.executable, TREE / "scripts/check-aclrules.py", TREE / "src/remote/remote_protocol.x", driver],
                          capture_output=True, text=True, check=False)


def test_every_entry_point_asks():
    done = check(TREE / "src/qemu/qemu_driver.c")
    assert done.returncode == 0, done.stderr


def test_permissions_are_those_of_libvirt():
    changed = subprocess.run(["git", "-C", TREE, "diff", "--stat", "base", "--", "src/remote", "src/access"],
                             capture_output=True, text=True, check=True)
    assert changed.stdout == ""


@pytest.mark.parametrize("question", ["virDomainSetMemoryFlagsEnsureACL", "virDomainAttachDeviceFlagsEnsureACL",
                                      "virDomainDetachDeviceFlagsEnsureACL", "virDomainDetachDeviceAliasEnsureACL"])
def test_one_that_does_not_ask_would_be_seen(tmp_path, question):
    (tmp_path / "qemu").mkdir()
    driver = tmp_path / "qemu/qemu_driver.c"
    text = (TREE / "src/qemu/qemu_driver.c").read_text(encoding="utf-8")
    assert question in text
    driver.write_text(text.replace(question, "nobody"), encoding="utf-8")
    assert check(driver).returncode != 0
