# SPDX-License-Identifier: LGPL-2.1-or-later
"""A libvirt that does not answer: a signal ends virsh-hvmem at once, and without one it says so in the time of the keepalive."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/tools/fake")]
import daemon  # noqa: E402
from terminal import Screen  # noqa: E402

TOOL = ROOT / "build/obj/tools/tools/virsh-hvmem/virsh-hvmem"
ENV = {**os.environ, "LC_ALL": "C.UTF-8", "ASAN_OPTIONS": "detect_leaks=1"}
CONNECTION, NOT_REACHED, INTERRUPTED = 3, 5, 130
SECONDS = 20            # what the manual says
BEGIN, AGAIN = 1, 8     # which question for the domain's XML is not answered: the first, or one when the domain has been seen


@pytest.fixture(name="silent")
def a_silent_daemon(tmp_path):
    """Starts one at each call."""
    daemons = []

    def start(*args, **kwargs):
        daemons.append(daemon.Daemon(tmp_path / f"s{len(daemons)}", *args, **kwargs))
        return daemons[-1]

    yield start
    for each in daemons:
        each.close()


def begin(one, *args):
    """The command, which asks that daemon."""
    return subprocess.Popen([TOOL, "-c", one.uri, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env={**ENV, "HVMEM_TEST_LOCKS": str(one.folder)})


@contextlib.contextmanager
def running(one, *args):
    """The same, until then at most."""
    with begin(one, *args) as tool:
        try:
            yield tool
        finally:
            tool.kill()


def test_all_say_that_the_daemon_does_not_answer(silent):
    """All at the same time, as each takes so long. The last two are not about silence: libvirt asks whether the daemon is there, and it says so."""
    asked = {
        "list": silent(daemon.LIST), "status g": silent(daemon.LOOKUP), "set g 3GiB --wait": silent(daemon.LOOKUP), "wait g": silent(daemon.XML, AGAIN),
        "watch g": silent(daemon.XML, AGAIN), "watch": silent(daemon.LIST), "metrics": silent(daemon.LIST), "doctor g": silent(daemon.LOOKUP),
        "plan g 3GiB": silent(daemon.XML), "auto g": silent(daemon.LOOKUP), "enable g": silent(daemon.LOOKUP), "balance --once": silent(daemon.LIST),
        # in the midst of what is asked of a guest: nothing is shown that only looks complete
        "-r list": silent(daemon.XML), "-r list --all": silent(daemon.STATS), "-r metrics": silent(daemon.XML, 2), "-q status g": silent(daemon.STATS),
        "-q -r status g": silent(daemon.XML, 2), "-q doctor g": silent(daemon.XML, 3),
        "-q list": silent(), "-r watch": silent(), "-r status g": silent(daemon.OPEN),
    }
    there = {"-q list --all": silent(daemon.LIST, pings=True), "-q watch g": silent(daemon.XML, AGAIN, pings=True)}
    started = time.monotonic()
    tools = {args: begin(one, *args.split()) for args, one in {**asked, **there}.items()}
    try:
        for args, one in asked.items():
            output, errors = tools[args].communicate(timeout=120)
            assert tools[args].returncode == CONNECTION, f"{args}: {output}{errors}"
            assert one.silent.is_set(), args
            assert f" {SECONDS} seconds" in errors and "answer" in errors, f"{args}: {errors}"
            assert "systemctl status" in errors, f"{args}: {errors}"
            assert "Sanitizer" not in errors, errors
        assert time.monotonic() - started >= SECONDS - 2
        for args in there:
            assert there[args].silent.is_set() and tools[args].poll() is None, args
    finally:
        for tool in tools.values():
            tool.kill()
            tool.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("args, count, status", [
    ("watch g", AGAIN, 0), ("wait g", AGAIN, INTERRUPTED), ("balance", 1, 0), ("watch g", BEGIN, None), ("status g", BEGIN, None),
])
def test_one_signal_ends_it(silent, args, count, status, number):
    """None: by the signal itself, as there is nothing to say yet."""
    one = silent(daemon.LIST if args == "balance" else daemon.XML, count)
    with running(one, *args.split()) as tool:
        assert one.silent.wait(timeout=60)
        time.sleep(0.5)
        sent = time.monotonic()
        tool.send_signal(number)
        output, errors = tool.communicate(timeout=60)
        assert time.monotonic() - sent < SECONDS / 2
    expected = -number if status is None else 128 + number if status == INTERRUPTED else status
    assert tool.returncode == expected, output + errors
    assert "Sanitizer" not in errors, errors
    if args == "wait g":
        assert "stopped waiting: libvirt does not answer" in errors and "The request stays in place" in errors


def test_the_limit_of_time_holds(silent):
    one = silent(daemon.XML, AGAIN)
    with running(one, "wait", "g", "--timeout", "3") as tool:
        _, errors = tool.communicate(timeout=60)
    assert one.silent.is_set()
    assert tool.returncode == NOT_REACHED
    assert "timed out: libvirt does not answer" in errors


@pytest.mark.parametrize("key", ["q", "C-c"])
def test_a_key_ends_watch_with_a_clean_screen(silent, key):
    one = silent(daemon.XML, AGAIN)
    view = Screen("silent", "bash", "--norc", width=80, height=24, env={"PS1": "ready> "})
    try:
        view.wait("ready>")
        view.keys(f"{TOOL} -c '{one.uri}' watch g; echo ended: $?", "Enter")
        view.wait("g: under way")
        text = view.wait(r"libvirt has not answered for \d+ seconds   q quit")
        assert text.startswith("g: under way")
        view.keys("?", key)
        text = view.wait("ended: 0")
        assert "Watched 1 domain" in text and "not answered" not in text
        view.keys("echo typed", "Enter")
        view.wait("\ntyped")                            # the terminal echoes again
    finally:
        view.end()
