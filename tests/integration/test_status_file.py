# SPDX-License-Identifier: LGPL-2.1-or-later
"""A daemon that starts with a damaged status file: guests go on, and QEMU's replies correct the definition."""

import os
import pathlib
import re

import pytest
from checks import consistent, go

import hvb
from hvb import GIB


@pytest.fixture(scope="module", name="guest")
def a_guest(make_guest):
    """1 GiB and a stick of 1 GiB, of 4."""
    guest = make_guest("status", memory=GIB, maximum=4 * GIB)
    go(guest, 2 * GIB)
    return guest


def requested(text):
    return lambda status: re.sub(r"<requested .*</requested>", text, status)


def another_stick(status):
    """The stick is listed twice, and its size added to the total."""
    stick = re.search(r" *<memory model='haprot'>.*?</memory>\n", status, re.DOTALL).group()
    size = int(re.search(r"<size unit='KiB'>(\d+)<", stick).group(1))
    status = re.sub(r"(<memory unit='KiB'>)(\d+)<", lambda m: f"{m[1]}{int(m[2]) + size}<", status)
    return status.replace(stick, stick + stick)


def larger_stick(status):
    status = re.sub(r"(<memory unit='KiB'>)(\d+)<", lambda m: f"{m[1]}{int(m[2]) + GIB}<", status)
    return re.sub(r"(<size unit='KiB'>)(\d+)<", lambda m: f"{m[1]}{int(m[2]) + GIB}<", status)


@pytest.mark.parametrize("damage", [
    requested("<requested unit='KiB'>much</requested>"),
    requested("<requested unit='TiB'>99</requested>"),
    requested(""),
    another_stick,
    larger_stick,
], ids=["no-number", "too-much", "nothing", "stick-twice", "larger-stick"])
def test_a_damaged_status_file(guest, damage):
    path = pathlib.Path(os.environ["HVB_STATE"]) / f"{guest.name}.xml"
    pid = guest.pid()

    with hvb.daemon_use(exclusive=True):
        hvb.daemon("end")
        before = path.read_text(encoding="utf-8")
        after = damage(before)
        assert after != before
        path.write_text(after, encoding="utf-8")
        hvb.daemon("start")

    # reconnecting may still go on
    hvb.wait_until(guest.seen, 30, lambda: guest.at(2 * GIB))
    assert guest.pid() == pid
    assert guest.domain().requested == 2 * GIB
    consistent(guest)
    go(guest, 2 * GIB)
