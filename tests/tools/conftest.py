# SPDX-License-Identifier: LGPL-2.1-or-later
"""For all tests of the tools."""

import signal

import pytest

# A shell starts what runs in its background with SIGINT ignored, and programs inherit that: one that a test interrupts would go on.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def own_locks(tmp_path_factory, monkeypatch):
    """Tests that run side by side have no lock of a balancer in common, nor one with this machine's own."""
    monkeypatch.setenv("HVMEM_TEST_LOCKS", str(tmp_path_factory.mktemp("locks")))
