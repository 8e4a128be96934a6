# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tests get that want trace events of KVM where there are none for them."""

import os
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/integration/kvm"))
import kvmtrace  # noqa: E402

NOBODY = 65534


@pytest.fixture(name="closed")
def a_closed_tracefs(tmp_path, monkeypatch):
    """As an ordinary user finds it: a folder that only root may enter."""
    folder = tmp_path / "tracing"
    (folder / "instances").mkdir(parents=True)
    folder.chmod(0)
    monkeypatch.setattr(kvmtrace, "TRACEFS", folder)
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    yield
    os.seteuid(user)
    folder.chmod(0o700)


def test_an_ordinary_user_has_none(closed):    # pylint: disable=unused-argument
    with pytest.raises(kvmtrace.NoTrace, match="need root and tracefs"):
        kvmtrace.Trace("kvm_exit")


def test_a_kernel_without(tmp_path, monkeypatch):
    monkeypatch.setattr(kvmtrace, "TRACEFS", tmp_path)
    with pytest.raises(kvmtrace.NoTrace, match="No such file"):
        kvmtrace.Trace("kvm_exit")


def test_an_event_that_is_not_there(tmp_path, monkeypatch):
    """What was made for it is gone."""
    monkeypatch.setattr(kvmtrace, "TRACEFS", tmp_path)
    (tmp_path / "instances").mkdir()
    with pytest.raises(kvmtrace.NoTrace, match="No such file"):
        kvmtrace.Trace("none")
    assert not list((tmp_path / "instances").iterdir())
