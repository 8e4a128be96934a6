# SPDX-License-Identifier: LGPL-2.1-or-later
"""QEMU's qtests of ours, with KVM in place of TCG: real memory slots, and a guest whose instructions, hypercalls and SynIC are KVM's.

Those are not among them that test TCG's own emulation of Hyper-V, message by message, or that feed streams to a device without a guest."""

import os
import pathlib
import subprocess

import pytest

import guest_xml
from speed import patient

# (program, arguments). What one of them found runs by default, and KVM's log of what a guest writes to while its memory is sent; all take some minutes
# under an emulated KVM, where a page that a guest touches first costs a tenth of a millisecond.
RUNS = [pytest.param("dm-guest-test", ("-p", "/x86_64/hostile/20-reconnects"), id="reconnects"),
        pytest.param("dm-migrate-ways-test", ("-p", "/x86_64/dm-migrate-ways/writes-are-logged"), id="writes-are-logged"),
        *(pytest.param(name, (), id=name, marks=pytest.mark.long) for name in
          ("dm-guest-test", "dm-migrate-failure-test", "dm-migrate-memory-test", "dm-migrate-postcopy-test", "dm-migrate-test", "dm-migrate-vmbus-test",
           "dm-migrate-ways-test", "dm-snapshot-test", "haprot-backend-test", "haprot-test", "hv-balloon-discard-test", "hv-balloon-stick-test",
           "hv-balloon-test"))]
LIMIT = 300                 # seconds for one of them
HUGE_PAGES = 160            # of 2 MiB, which hv-balloon-discard-test backs a guest with
POOL = pathlib.Path("/proc/sys/vm/nr_hugepages")


@pytest.fixture(name="huge_pages")
def a_pool():
    """On a host of our own. On another one the tests that need them may be skipped."""
    if not guest_xml.on_emulated_host():
        yield 0
        return
    POOL.write_text(str(HUGE_PAGES), encoding="ascii")
    yield HUGE_PAGES
    POOL.write_text("0", encoding="ascii")


@pytest.mark.parametrize("program, arguments", RUNS)
def test_passes_with_kvm(program, arguments, huge_pages, tmp_path):
    folder = pathlib.Path(os.environ["HVB_EMULATOR"]).parent
    path = folder / "tests/qtest" / program
    assert path.exists(), "scripts/build-qemu makes it"
    environment = {**os.environ, "QTEST_QEMU_BINARY": str(folder / "qemu-system-x86_64"), "QTEST_QEMU_IMG": str(folder / "qemu-img"),
                   "HVB_QTEST_ACCEL": "kvm", "TMPDIR": str(tmp_path)}
    got = subprocess.run([path, *arguments], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                         timeout=patient(LIMIT), check=False)
    lines = got.stdout.splitlines()
    done = [line for line in lines if line.startswith("ok ")]
    print("\n".join(lines[-40:]))
    assert got.returncode == 0
    assert done and f"1..{len(done)}" in lines, "it stopped before the end"
    assert not huge_pages or not [line for line in done if "# SKIP" in line and "huge pages" in line]
