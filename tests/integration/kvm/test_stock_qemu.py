# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests on Debian's own QEMU, whose balloon needs KVM: all that test_fixed_backend.py tests on ours.

HVB_STOCK names the suites of Debian that the QEMU is from, with commas between; scripts/stock-qemu has unpacked it.
"""

import os
import subprocess

import pytest

pytest.register_assert_rewrite("test_fixed_backend")
# pylint: disable=wrong-import-position
from test_fixed_backend import *  # noqa: E402,F401,F403  pylint: disable=wildcard-import,unused-wildcard-import
from test_fixed_backend import GIB, MIB, QEMU, with_minimum  # noqa: E402

import hvb  # noqa: E402

del test_qemu_conf_can_say_so_for_all  # noqa: F821  of our QEMU

# Twenty minutes for each QEMU.
pytestmark = pytest.mark.long


def suites():
    """Those of HVB_STOCK, or all that scripts/stock-qemu names."""
    names = os.environ.get("HVB_STOCK")
    if names:
        return names.split(",")
    return subprocess.run([os.path.join(hvb.HERE, "stock-qemu"), "--all"], check=True, capture_output=True, text=True).stdout.split()


@pytest.fixture(scope="module", name="qemu", params=suites())
def which_qemu(request):
    """One of Debian's. It replaces that of test_fixed_backend.py, by its name in this file too."""
    try:
        emulator = hvb.stock_qemu(request.param)
    except hvb.NoQEMU as why:
        pytest.skip(str(why))
    return QEMU(request.param, {"edit": with_minimum, "emulator": emulator, "accel": "kvm"})


def test_it_is_debians_with_nothing_of_this_machine(make_guest, qemu):
    guest = make_guest(qemu.name + "-is", up=False, memory=512 * MIB, maximum=GIB, vcpus=1, **qemu.options)
    folder = os.path.dirname(qemu.options["emulator"])
    with open(os.path.join(folder, "package"), encoding="ascii") as file:
        assert guest.qmp("query-version")["package"] == f"Debian {file.read().split()[1]}"
    with open(f"/proc/{guest.pid()}/maps", encoding="utf-8") as file:
        programs = {line.split(maxsplit=5)[5].strip() for line in file if " r-xp " in line and "/" in line}
    assert programs and not {path for path in programs if not path.startswith(folder + "/")}
    commands = {command["name"] for command in guest.qmp("query-commands")}
    assert not commands & {"query-hv-balloon", "query-haprot"}
    assert "mem-haprot" not in {kind["name"] for kind in guest.qmp("qom-list-types")}
    guest.remove()


def test_free_page_reporting_is_refused(make_guest, qemu):
    with pytest.raises(hvb.VirshError, match="freePageReporting.*needs a QEMU with the 'mem-haprot' device"):
        make_guest(qemu.name + "-report", up=False, memory=512 * MIB, maximum=GIB, vcpus=1, reporting=True, emulator=qemu.options["emulator"],
                   accel="kvm")
