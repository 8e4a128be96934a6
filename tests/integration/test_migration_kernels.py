# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest of each kernel migrates there and back, and is saved and restored, with a part of its memory released and a stick."""

import contextlib
import os

import pytest
from checks import go
from travel import GROWN, SHRUNK, keeps, travelled, travelling

import hvb

pytestmark = pytest.mark.long


@pytest.fixture(scope="module", name="guest")
def a_guest(hosts, kernel):
    """One for each kernel."""
    try:
        with travelling("hvbt-travel-kernel", hosts, release=kernel) as guest:
            yield guest
    except hvb.NoKernel as why:
        pytest.skip(str(why))


def test_there_and_back_and_saved(guest):
    for flags in ("--persistent", "--undefinesource"), ("--postcopy", "--postcopy-after-precopy", "--persistent", "--undefinesource"):
        go(guest, GROWN)
        guest.setmem(SHRUNK)
        guest.wait_at(SHRUNK)
        before = keeps(guest)
        guest.migrate(*flags)
        travelled(guest, before)
    image = os.path.join(os.environ["HVB_RUN"], guest.name + ".image")
    try:
        hvb.virsh("save", guest.name, image)
        hvb.virsh("restore", image)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(image)
    travelled(guest, before)
    go(guest, GROWN)
    guest.held.check()
