# SPDX-License-Identifier: LGPL-2.1-or-later
"""virsh-hvmem with a real guest, and its live view on a real terminal."""

import contextlib
import csv
import json
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest

import hvb
from hvb import GIB, MIB
from speed import patient

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from terminal import Screen, environment  # noqa: E402

TOOL = ROOT / "build/obj/tools/tools/virsh-hvmem/virsh-hvmem"


@pytest.fixture(scope="module", name="guest")
def a_guest(make_guest):
    """1 GiB, up to 8 GiB."""
    return make_guest("tool")


@pytest.fixture(name="small")
def at_its_first_size(guest):
    """The same with 1 GiB, wherever the test before has left it."""
    reach(guest, "1GiB")
    return guest


def run(*args, status=0):
    """Its standard output; the exit status has to be STATUS."""
    with hvb.daemon_use():
        got = subprocess.run([TOOL, *map(str, args)], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
                             timeout=patient(120), env=environment())
    assert "Sanitizer" not in got.stderr, got.stderr
    assert got.returncode == status, f"{args}: {got.returncode}\n{got.stdout}\n{got.stderr}"
    return got.stdout if status == 0 else got.stderr


@contextlib.contextmanager
def running(*args):
    """The process of the tool, which ends with the test, and before that if what the test waits for does not come. Who starts it holds the daemon's
    lock as long as it runs."""
    with subprocess.Popen([TOOL, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()) as tool:
        limit = threading.Timer(patient(300), tool.kill)
        limit.start()
        try:
            yield tool
        finally:
            limit.cancel()
            tool.kill()


def progress(tool):
    """What it says until it first tells how far it is: from then on it catches signals."""
    said = ""
    for line in tool.stderr:
        said += line
        if " %" in line:
            return said
    raise AssertionError(f"it has ended: {said}")


def query(*args):
    """What the document of the command among ARGS is about."""
    got = json.loads(run("--format=json", *args))
    assert got["schema"] == 2
    if got["command"] in ("set", "wait", "enable", "disable"):
        (one,) = got["domains"]
        return one
    return {"list": lambda: got["domains"], "status": lambda: got["domain"], "doctor": lambda: got["checks"]}.get(got["command"], lambda: got)()


def reach(guest, size):
    """Sets it, and waits until the guest has it; what is told of it then."""
    return query("set", guest.name, size, "--wait", "--timeout", f"{patient(60):.0f}")


@pytest.fixture(name="screen")
def a_screen():
    """Screen, ended after the test; until then the daemon is not restarted."""
    screens = []

    def start(*args, **kwargs):
        screens.append(Screen(f"s{len(screens)}", *args, **kwargs))
        return screens[-1]

    with hvb.daemon_use():
        yield start
        for screen in screens:
            screen.end()


def test_list_and_status_tell_what_the_guest_has(guest):
    (row,) = [d for d in query("list") if d["name"] == guest.name]
    one = query("-r", "status", guest.name)
    for dom in (row, one):
        assert dom["current"] == dom["requested"] == dom["boot"] == GIB * 1024
        assert dom["max_memory"] == 8 * GIB * 1024
        assert (dom["state"], dom["connected"], dom["sticks"]) == ("idle", True, [])
        assert dom["summary"] == "at rest"
    assert guest.name in run("list")
    assert "at rest" in run("status", guest.name)


def test_plan_knows_what_setmaxmem_keeps(guest):
    """A stick that nobody uses is not removed while a live setmaxmem wants the total; plan and set say the same of it."""
    hvb.virsh("setmaxmem", guest.name, 4 * GIB, "--live")
    assert [step["op"] for step in query("plan", guest.name, "1GiB")["steps"]] == ["balloon"]
    query("set", guest.name, "1GiB")
    assert [stick.size for stick in guest.domain().sticks] == [3 * GIB]
    hvb.virsh("setmaxmem", guest.name, GIB, "--live")
    hvb.wait_until("no stick is left", 30, lambda: not guest.domain().sticks)


def test_plan_says_what_set_does(guest):
    plan = query("plan", guest.name, "3GiB")
    assert [step["op"] for step in plan["steps"]] == ["plug", "balloon"]
    assert query("status", guest.name)["requested"] == GIB * 1024
    after = reach(guest, "3GiB")
    assert abs(after["current"] - 3 * GIB * 1024) <= 2 * MIB * 1024
    assert [stick["size"] for stick in after["sticks"]] == [plan["steps"][0]["size"]]
    assert after["sticks"][0]["state"] == "inuse"
    assert guest.actual() * 1024 == after["current"]


@pytest.fixture(name="stopped")
def a_stopped_domain():
    """Defined and not started: 1 GiB that may become 4."""
    hvb.setup()
    guest = hvb.Guest("hvbt-tool-stopped", memory=GIB, maximum=4 * GIB)
    guest.remove()
    guest.define()
    yield guest
    guest.remove()


def test_plan_of_a_domain_that_is_shut_off(stopped):
    """What it would start with: domstats tells what that is planned with, too."""
    plan = query("plan", stopped.name, "3GiB")
    assert [(step["op"], step.get("id"), step["size"]) for step in plan["steps"]] == \
        [("plug", "ua-haprot0", 2 * GIB * 1024), ("balloon", None, 3 * GIB * 1024)]
    query("set", stopped.name, "3GiB", "--config")
    assert [(stick.alias, stick.size) for stick in stopped.domain().sticks] == [("ua-haprot0", 2 * GIB)]
    assert [step["op"] for step in query("plan", stopped.name, "3GiB")["steps"]] == ["balloon"]
    assert "<maxMemory>" in refused_plan(stopped.name, "9GiB")["message"]


def test_a_refusal_names_the_ceiling(guest):
    assert "<maxMemory> 8 GiB" in run("set", guest.name, "9GiB", status=4)
    why = refused_plan(guest.name, "9GiB")
    assert "<maxMemory>" in why["message"]
    assert (why["requested"], why["limit"]) == (9 * GIB * 1024, 8 * GIB * 1024)


def refused_plan(*args):
    """The error of a plan that libvirt would refuse."""
    with hvb.daemon_use():
        got = subprocess.run([TOOL, "--format=json", "plan", *args], capture_output=True, text=True, check=False, env=environment())
    assert got.returncode == 4
    return json.loads(got.stdout)["error"]


def test_too_little_is_refused_without_force(small):
    """Less than it uses, and a number whose unit was forgotten; plan warns, and nothing is changed."""
    small.exec("echo 0 >/sys/module/hv_balloon/parameters/pressure_report_delay")    # its driver reports at once and not only after 45 s
    usable = hvb.wait_until("the guest reports", 30, lambda: query("status", small.name).get("usable"))
    assert "'4' was read as 4 KiB" in run("set", small.name, "4", status=4)
    assert "4 KiB" in query("plan", small.name, "4")["warning"]
    less = (GIB * 1024 - usable) // 2
    assert f"'{small.name}' uses" in " ".join(run("set", small.name, f"{max(less, 65 << 20)}b", status=4).split())
    assert small.domain().requested == GIB


def test_sizes_that_people_type(small):
    for typed, size in ("+512MiB", GIB + 512 * MIB), ("-256MiB", GIB + 256 * MIB), ("1.5GiB", GIB + 512 * MIB), ("25%", 2 * GIB), ("boot", GIB):
        assert query("set", small.name, typed)["requested"] == size * 1024
    assert query("plan", small.name, "max")["requested"] == 8 * GIB * 1024
    assert query("wait", small.name, "--timeout", f"{patient(60):.0f}")["current"] == query("status", small.name)["requested"]


def test_the_floor_is_explained(guest):
    run("set", guest.name, "200MiB", "--force")
    hvb.wait_until(guest.seen, 90, lambda: guest.balloon()["state"] == "floor")
    # requested once more, it is there again at once; that is explained when it has lasted for 3 s
    said = run("set", guest.name, "200MiB", "--force", "--wait", "--timeout", f"{patient(8):.0f}", status=5)
    assert "at floor" in said
    assert "The request stays in place" in said
    assert query("status", guest.name)["problem"] is True
    checks = {check["check"]: check["result"] for check in query("doctor", guest.name) if check["about"] == guest.name}
    assert checks["state"] == "warn"
    reach(guest, "1GiB")


def test_interrupted_it_leaves_the_request(guest):
    with hvb.daemon_use(), running("set", guest.name, "150MiB", "--force", "--wait") as tool:
        said = progress(tool)
        tool.send_signal(signal.SIGINT)
        said += tool.communicate(timeout=patient(20))[1]
    assert tool.returncode == 130
    assert "stopped waiting" in said and "stays in place" in said
    assert guest.domain().requested == 150 * MIB
    reach(guest, "1GiB")


def test_a_daemon_that_goes_away_is_reported(guest):
    # nobody else restarts it before there is the request: so the lock is taken exclusively from the beginning
    with hvb.daemon_use(exclusive=True), running("set", guest.name, "150MiB", "--force", "--wait") as tool:
        said = progress(tool)
        hvb.daemon("end")
        time.sleep(2)
        hvb.daemon("start")
        said += tool.communicate(timeout=patient(60))[1]
    assert tool.returncode == 3, said
    assert "\nerror: " in said
    reach(guest, "1GiB")


def test_a_paused_guest_is_reported(guest):
    hvb.virsh("suspend", guest.name)
    try:
        said = run("set", guest.name, "2GiB", "--wait", "--timeout", "5", status=5)
        at_once = run("set", guest.name, "2GiB", "--wait", status=5)
    finally:
        hvb.virsh("resume", guest.name)
    assert f"virsh resume {guest.name}" in said
    assert "timed out" in said
    assert f"virsh resume {guest.name}" in at_once
    assert "waiting does not help" in at_once
    reach(guest, "1GiB")


def test_doctor_finds_nothing_wrong(guest):
    checks = query("doctor", guest.name)
    assert not [c for c in checks if c["result"] == "fail"]
    assert {"guest driver", "hibernation", "onlining", "enlightenments"} <= {c["check"] for c in checks}


def test_the_live_view_draws_what_happens(small, screen, tmp_path):
    recording = tmp_path / "watch.csv"
    view = screen(TOOL, "watch", small.name, "--record", recording)
    view.wait(f"{small.name}: at rest, current 1 GiB")
    reach(small, "3GiB")
    view.wait(r"at rest, current 3 GiB, requested 3 GiB")
    seen = view.wait("current 3 GiB")     # the event, which may be a second behind the statistics
    assert "█" in seen and "━" in seen
    assert all(len(line) <= 100 for line in view.lines())
    time.sleep(3)
    view.keep("watch")
    view.keys("q")
    assert "ended: 0" in view.wait("ended")
    rows = list(csv.DictReader(recording.open(encoding="utf-8")))
    assert {str(GIB * 1024), str(3 * GIB * 1024)} <= {row["current"] for row in rows}
    assert any("plugged" in row["event"] or "current 3 GiB" in row["event"] for row in rows)
    picture = tmp_path / "watch.svg"
    subprocess.run([TOOL, "plot", recording, "-o", picture], check=True, stdout=subprocess.DEVNULL,
                   env={**environment(), "ASAN_OPTIONS": "detect_leaks=0"})
    assert "</svg>" in picture.read_text(encoding="utf-8")


def test_a_small_screen_and_ctrl_c(guest, screen):
    view = screen(TOOL, "watch", guest.name, width=60, height=12)
    view.wait("requested")
    view.resize(40, 10)
    time.sleep(2)
    assert all(len(line) <= 40 for line in view.lines())
    assert view.text().startswith(f"{guest.name}: ")        # nothing has been pushed off the screen
    view.keys("C-c")
    view.wait("ended: 0")


def test_progress_stays_on_its_line(small, screen):
    view = screen(TOOL, "set", small.name, "150MiB", "--force", "--wait", width=80, height=16)
    view.wait("at floor", 90)
    seen = view.wait(r"of 150.0 MiB, at floor")
    assert len([line for line in seen.splitlines() if "%" in line]) == 1
    view.keys("C-c")
    view.wait("ended: 130")
    reach(small, "1GiB")


def test_lines_where_there_is_no_terminal(guest):
    with hvb.daemon_use(), running("watch", guest.name, "--duration", f"{patient(60):.0f}") as tool:
        text = tool.stdout.readline()
        guest.setmem(2 * GIB)
        for line in tool.stdout:
            text += line
            if f"{guest.name}: requested 2 GiB, current" in line:
                break
        else:
            raise AssertionError(f"watch has ended: {text}")
        tool.terminate()
        text += tool.communicate(timeout=patient(20))[0]
    assert tool.returncode == 0
    assert "\033" not in text
    guest.wait_at(2 * GIB)
