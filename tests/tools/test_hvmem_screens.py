# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every screen of virsh-hvmem by the rules of docs/style-cli.md, with guests that a fake libvirt invents. Copies are in build/test/screens."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import unicodedata

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from terminal import Screen  # noqa: E402

TOOL = ROOT / "build/obj/tools/tests/tools/fake/virsh-hvmem-fake"
SIZES = [(80, 24), (120, 40), (200, 50)]

HOST = "[host]\nmemory=65536\nfree=20480\n"
REST = """[g1]
running=true
max=8192
boot=1024
sticks=ua-haprot0:2048:inuse;
current=3072
requested=3072
state=idle
usable=1900
rss=3300
"""
FLOOR = """[web-frontend]
running=true
max=16384
boot=2048
sticks=ua-haprot0:2048:inuse;ua-haprot1:1024:unused;
current=1536
requested=256
state=floor
usable=210
rss=1800
minimum=128
last-error=the guest kept 1572864 KiB: it reports 215040 KiB as available and gives no more
"""
OFF = "[batch-7]\nrunning=false\nmax=4096\nboot=512\ncurrent=512\nrequested=512\n"
LOST = "[windows-2022-terminal-server-of-the-sales-department]\nrunning=true\nmax=32768\nboot=4096\ncurrent=4096\nrequested=12288\nstate=disconnected\nrss=4400\n"
AUTO = REST.replace("[g1]", "[g1]\nauto=minimum='1048576' buffer='30'")
VIRTIO = "[legacy]\nrunning=true\nmodel=virtio\nboot=2048\ncurrent=2048\nrss=2100\n"
ALL = HOST + REST + FLOOR + OFF + LOST + VIRTIO


def width_of(line):
    """Its columns on a terminal."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


@pytest.fixture(name="scene")
def a_scene(tmp_path):
    """Writes what the fake libvirt tells, and returns the environment for it."""
    file = tmp_path / "scene"

    def write(text):
        file.with_suffix(".new").write_text(text, encoding="utf-8")
        file.with_suffix(".new").rename(file)
        return {"HVMEM_FAKE": str(file)}

    return write


@pytest.fixture(name="screen")
def a_screen():
    """Screen, ended after the test."""
    screens = []

    def start(*args, **kwargs):
        screens.append(Screen(f"f{len(screens)}", TOOL, *args, **kwargs))
        return screens[-1]

    yield start
    for screen in screens:
        screen.end()


def plain(env, *args, status=0, **more):
    """Its output without a terminal."""
    got = subprocess.run([TOOL, *args], capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL,
                         env={**os.environ, "LC_ALL": "C.UTF-8", **env, **more})
    assert got.returncode == status, got.stderr
    return got.stdout


def shown(view, columns):
    """The lines of a screen whose command has ended with 0, each of which fits."""
    view.wait("ended: 0")
    text = "\n".join(view.lines())
    lines = text[:text.index("ended: 0")].splitlines()
    assert all(width_of(line) <= columns for line in lines)
    return lines


OBEYED = "a\u202eb\u009bc"            # turns the rest of a line around, and begins a command of a terminal's


def test_format_characters_of_a_name_stay_off_the_terminal(scene):
    """Programs get the name as it is."""
    name = OBEYED
    env = scene(HOST + REST.replace("[g1]", f"[{name}]").replace("requested=3072", "requested=3072\nspeed=512"))
    for args in (["list"], ["status", name], ["plan", name, "4GiB"], ["set", name, "4GiB"], ["set", name, "4GiB", "--wait"], ["wait", name], ["auto", name],
                 ["watch", name, "--duration", "0.3"], ["watch", "--duration", "0.3"], ["doctor", name], ["balance", "--dry-run"]):
        got = subprocess.run([TOOL, *args], capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL,
                             env={**os.environ, "LC_ALL": "C.UTF-8", **env})
        said = got.stdout + got.stderr
        assert "a?b?c" in said or "balance" in args, args
        assert not set(said) & set(OBEYED) - set("abc"), args
    text = plain(env, "list", "--format", "json")
    assert json.loads(text)["domains"][0]["name"] == name
    assert not set(text) & set(OBEYED) - set("abc")
    assert f'"{name}"' in plain(env, "metrics")


@pytest.mark.parametrize("args", [
    ["-c", OBEYED, "list"], ["status", OBEYED], ["status", "g1", "--also", OBEYED], [OBEYED], ["list", f"--{OBEYED}"], ["list", "--sort", OBEYED],
    ["set", "g1", OBEYED], ["plot", OBEYED, "-o", "x.svg"], ["plot", "x", "-o", OBEYED], ["watch", "g1", "--duration", "0.3", "--record", f"/nonexistent/{OBEYED}"],
    ["balance", "--conf", OBEYED], ["balance", "--budget", OBEYED], ["metrics", "-o", f"/nonexistent/{OBEYED}"], ["help", OBEYED], ["enable", OBEYED],
])
def test_what_a_user_types_stays_off_the_terminal(scene, args):
    got = subprocess.run([TOOL, *args], capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL,
                         env={**os.environ, "LC_ALL": "C.UTF-8", **scene(ALL)})
    assert not set(got.stdout + got.stderr) & set(OBEYED) - set("abc"), got


def test_the_names_of_files_stay_off_the_terminal(scene, tmp_path):
    # fontconfig leaks
    env = {**os.environ, "LC_ALL": "C.UTF-8", "ASAN_OPTIONS": "detect_leaks=0", **scene(ALL)}
    file, picture = tmp_path / f"{OBEYED}.csv", tmp_path / f"{OBEYED}.svg"
    for args in ["watch", "g1", "--duration", "0.3", "--record", file], ["plot", file, "-o", picture]:
        got = subprocess.run([TOOL, *args], capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL, env=env)
        assert got.returncode == 0 and "a?b?c" in got.stdout + got.stderr, got
        assert not set(got.stdout + got.stderr) & set(OBEYED) - set("abc"), got
    file.write_text(file.read_text(encoding="utf-8") + "1,g1", encoding="utf-8")
    got = subprocess.run([TOOL, "plot", file, "-o", picture], capture_output=True, text=True, check=False, timeout=60, env=env)
    assert "cut off" in got.stderr and "a?b?c" in got.stderr


#
# list
#

@pytest.mark.parametrize("size", [*SIZES, (40, 24), (30, 24)])
def test_list_fits(scene, screen, size):
    view = screen("list", "--all", env=scene(ALL), width=size[0], height=max(size[1], 80))
    lines = shown(view, size[0])
    view.keep(f"list-{size[0]}x{size[1]}")
    text = "\n".join(lines)
    assert "at floor" in text and "no driver" in text and "virtio balloon" in text
    assert "overcommit" in text.replace("\n", " ")
    # in which order columns are left out; at 30 there are cards, with all of them
    every = "Requested Current Usable Host Boot Sticks Ceiling"
    left = {80: "Requested Current Host Ceiling", 40: "", 30: ""}.get(size[0], every)
    assert [word for word in lines[0].split() if word in every.split()] == left.split()
    assert size[0] != 30 or len(re.findall(f"^   ({'|'.join(every.split())}) ", text, re.M)) == 6 * 7


def test_a_pipe_gets_everything(scene):
    """Also the columns in which there is nothing."""
    text = plain(scene(ALL), "list", "--all")
    assert "windows-2022-terminal-server-of-the-sales-department  " in text
    assert re.search("Requested +Current +Usable +Host +Boot +Sticks +Ceiling +Auto +State", text)
    assert "\033" not in text


def test_names_are_clipped_before_columns_go(scene, screen):
    lines = shown(screen("list", env=scene(ALL), width=110, height=30), 110)
    assert any("windows-2022-" in line and "…" in line for line in lines)
    assert "Usable" in lines[0]


@pytest.mark.parametrize("columns, left", [(120, "Requested Current Usable Host Boot Sticks Ceiling Auto"), (80, "Requested Current Ceiling Auto"),
                                           (68, "Requested Current Auto"), (40, "Current")])
def test_list_of_automatic_guests(scene, screen, columns, left):
    """The column is there when there is something in it, and goes after the ceiling, which it tells too."""
    lines = shown(screen("list", env=scene(HOST + AUTO + FLOOR), width=columns, height=40), columns)
    assert [word for word in lines[0].split() if word not in ("Name", "State")] == left.split()
    assert "Auto" not in left or re.search("g1 .* 1.0-8.0 GiB   at rest", "\n".join(lines))


def test_list_sorts_and_filters(scene):
    env = scene(ALL)
    names = [line.split()[0] for line in plain(env, "-q", "list", "--sort", "requested").splitlines()]
    assert names == ["windows-2022-terminal-server-of-the-sales-department", "g1", "batch-7", "web-frontend"]
    assert {line.split()[0] for line in plain(env, "-q", "list", "--problems").splitlines()} == \
        {"web-frontend", "windows-2022-terminal-server-of-the-sales-department"}
    assert "batch-7" not in plain(env, "list", "--running")
    assert plain(env, "-q", "list", "--columns", "state,name").splitlines()[1].split() == ["at", "rest", "g1"]
    assert str(3072 << 20) in plain(env, "list", "--bytes")


def test_the_host_is_in_the_last_line(scene):
    last = plain(scene(ALL), "list").splitlines()[-1]
    # 3300 + 1800 + 4400 + 2100 MiB are held; ceilings of 8, 16 and 32 GiB, and 2 GiB that cannot grow, on 64 GiB
    assert " ".join(plain(scene(ALL), "list").split("Host: ")[1].split()) == \
        "64.0 GiB, 20.0 GiB free. Running guests hold 11.3 GiB and may grow to 58.0 GiB: overcommit 0.9."
    assert last.startswith(" ")


def test_only_problems_have_a_colour(scene, screen):
    view = screen("list", "--all", env=scene(ALL), width=120)
    view.wait("ended: 0")
    for line in view.text(colours=True).splitlines():
        coloured = re.sub(r"\033\[(0|39|49)?m", "", line)
        assert ("\033[" in coloured) == any(word in line for word in ("at floor", "no driver")), line


#
# status
#

@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["g1", "web-frontend", "batch-7"])
def test_status_fits(scene, screen, size, name):
    view = screen("status", name, env=scene(ALL), width=size[0], height=size[1])
    lines = shown(view, size[0])
    view.keep(f"status-{name}-{size[0]}x{size[1]}")
    assert lines[0].startswith(f"{name}: ")
    assert len(lines) < size[1]


@pytest.mark.parametrize("size", SIZES)
def test_status_of_an_automatic_guest_fits(scene, screen, size):
    view = screen("status", "g1", env=scene(HOST + AUTO), width=size[0], height=size[1])
    lines = shown(view, size[0])
    view.keep(f"status-auto-{size[0]}x{size[1]}")
    assert len(lines) < size[1]
    assert "automatic From 1 GiB to 8 GiB, 30 % more than it uses, weight 100. It uses 1.1 GiB. But nobody balances" in " ".join(" ".join(lines).split())


def test_many_sticks_leave_the_headline(scene, screen):
    sticks = "".join(f"ua-haprot{i}:128:inuse;" for i in range(40))
    view = screen("status", "g1", env=scene(ALL.replace("sticks=ua-haprot0:2048:inuse;\ncurrent=3072", f"sticks={sticks}\ncurrent=3072")), width=80, height=24)
    lines = shown(view, 80)
    assert lines[0] == "g1: at rest"
    assert re.search("and [0-9]+ more", "\n".join(lines))
    assert plain(scene(ALL), "status", "g1").count("ua-haprot") == 1


def test_what_is_off_has_no_live_figures(scene):
    text = plain(scene(ALL), "status", "batch-7")
    for word in ("current", "usable", "host ", "█", "▲"):
        assert word not in text
    assert "ceiling" in text and "requested" in text


#
# watch
#

@pytest.mark.parametrize("size", [*SIZES, (40, 12)])
def test_watch_shows_all(scene, screen, size):
    view = screen("watch", env=scene(ALL), width=size[0], height=size[1])
    view.wait("q quit" if size[0] >= 80 else "Enter open")
    view.wait("at floor")
    view.keep(f"watch-all-{size[0]}x{size[1]}")
    assert all(width_of(line) <= size[0] for line in view.lines())
    assert view.text().startswith(" Name")
    assert "legacy" not in view.text()
    view.keys("q")
    assert "Nothing was recorded" in " ".join(view.wait("ended: 0").split())


def test_forty_guests(scene, screen):
    many = "".join(REST.replace("[g1]", f"[guest-{i:02}]") for i in range(40))
    view = screen("watch", env=scene(HOST + many), width=80, height=24)
    view.wait("40 of 40 running")
    assert "guest-00" in view.text()
    view.keys("k", "NPage", "NPage", "PPage", "NPage", "NPage")
    view.wait("▸guest-30")
    view.keys("j")
    view.wait("▸guest-31")
    view.keep("watch-forty-80x24")


def test_the_keys_of_watch(scene, screen):
    view = screen("watch", "--all", env=scene(ALL), width=100, height=30)
    view.wait("legacy")
    view.keys("?")
    view.wait("Ctrl-Z")
    view.keep("watch-help")
    view.keys("?")
    view.wait("web-frontend")
    view.keys("/", "w", "e", "b")
    view.wait("/web_")
    assert "g1 " not in view.text()
    view.keys("Enter")
    view.wait("names with 'web'")
    view.keys("Enter")
    view.wait("web-frontend: at floor, current 1.5 GiB")
    view.keys("Escape")
    view.wait("names with 'web'")
    view.keys("Escape")
    view.wait("legacy")
    view.keys("p")
    view.wait("2 of 2 running")
    view.keys("p", "s")
    view.wait("by requested")
    view.keys("q")
    view.wait("ended: 0")


@pytest.mark.parametrize("size, keys", [((40, 12), "Enter open   ? help   q quit"), ((20, 5), "? help   q quit"), ((8, 3), "q quit")])
@pytest.mark.parametrize("args", [[], ["g1"]])
def test_a_small_screen_says_how_to_quit(scene, screen, args, size, keys):
    """And it is whole again on a larger one."""
    view = screen("watch", *args, env=scene(ALL), width=80, height=24)
    view.wait("g1")
    view.resize(*size)
    view.wait(re.escape(keys.replace("Enter open", "space pause") if args else keys) + "\n")
    assert all(width_of(line) <= size[0] for line in view.lines())
    view.resize(80, 24)
    view.wait("g1: at rest, current 3 GiB" if args else "at floor")
    view.keys("q")
    view.wait("ended: 0")


def test_watch_follows_what_happens(scene, screen, tmp_path):
    env = scene(ALL)
    view = screen("watch", "g1", "--record", tmp_path / "g1.csv", "--interval", "0.2", env=env, width=80, height=24)
    view.wait("g1: at rest, current 3 GiB, requested 3 GiB, ceiling 8 GiB, 1 stick")
    scene(ALL.replace("requested=3072\nstate=idle", "requested=6144\nstate=adding"))
    view.wait("g1: growing")
    text = view.wait("g1: requested 6 GiB")
    assert "g1: state: growing" in text
    assert re.search(r"8 GiB [┤]─+", text), text      # the ceiling is a line
    view.keep("watch-80x24")
    view.keys(" ")
    view.wait("PAUSED")
    view.keys(" ")
    scene(ALL.replace("[g1]\nrunning=true", "[g1]\nrunning=false"))
    view.wait("g1: shut off")
    view.keys("q")
    text = view.wait("ended: 0").replace("\n", "")       # a long path takes two lines
    assert re.search(r"Watched 1 domain for 0:\d\d", text)
    assert re.search(r"\d+ samples and [1-9]\d* events", text)
    assert "virsh-hvmem plot" in text and "g1.svg" in text


def test_a_chart_of_what_is_off(scene, screen):
    view = screen("watch", "batch-7", env=scene(ALL), width=80, height=24)
    view.wait("there is nothing to draw until it runs")
    assert "┤" not in view.text()
    view.keep("watch-off-80x24")


def test_a_chart_draws_demand(scene, screen):
    """Of an automatic guest only, and the legend fits."""
    view = screen("watch", "g1", env=scene(HOST + AUTO), width=80, height=24)
    text = view.wait("demand 1.1 GiB, ceiling")
    view.keep("watch-auto-80x24")
    assert "◆ demand" in text and all(width_of(line) <= 80 for line in view.lines())
    view.keys("q")
    view.wait("ended: 0")


@pytest.mark.parametrize("size", SIZES)
def test_two_charts(scene, screen, size):
    view = screen("watch", "g1", "web-frontend", env=scene(ALL), width=size[0], height=size[1])
    view.wait("web-frontend: at floor")
    view.keep(f"watch-two-{size[0]}x{size[1]}")
    assert view.text().startswith("g1: at rest")


def test_ctrl_z_and_resizing(scene):
    view = Screen("shell", "bash", "--norc", width=80, height=24, env={**scene(ALL), "PS1": "ready> "})
    try:
        view.wait("ready>")
        view.keys(f"{TOOL} watch g1", "Enter")
        view.wait("g1: at rest")
        view.keys("C-z")
        view.wait("Stopped")
        assert "┤" not in view.text()
        view.keys("echo typed", "Enter")
        view.wait("\ntyped")                            # the terminal echoes, and has lines again
        view.keys("fg", "Enter")
        view.wait("g1: at rest")
        assert view.text().startswith("g1: at rest")
        assert "Stopped" not in view.text()
        view.resize(60, 16)
        view.wait("┤")
        view.keys("C-c")
        view.wait("Watched 1 domain")
    finally:
        view.end()


@pytest.mark.parametrize("term", ["dumb", ""])
def test_a_terminal_without_a_cursor(scene, screen, term):
    view = screen("watch", "--duration", "1", env={**scene(ALL), "TERM": term}, width=120, height=24)
    text = view.wait("ended: 0")
    assert re.search(r"^\d\d:\d\d:\d\d  g1: requested 3 GiB, current 3 GiB", text, re.M)
    assert "┤" not in text


def test_a_reader_that_goes_away_ends_it(scene):
    """Nothing changes any more, so nothing more is printed."""
    with subprocess.Popen([TOOL, "watch", "g1"], stdout=subprocess.PIPE, text=True, env={**os.environ, "LC_ALL": "C.UTF-8", **scene(ALL)}) as tool:
        assert "g1" in tool.stdout.readline()
        tool.stdout.close()
        assert tool.wait(timeout=30) == 0


def test_watch_tells_migrated_from_shut_off(scene):
    """And it ends in time, though the next sample is far away."""
    args = ("watch", "--duration", "0.5", "--interval", "3600", "batch-7")
    assert "batch-7: shut off" in plain(scene(ALL), *args)
    assert "batch-7: migrated away" in plain(scene(ALL.replace("[batch-7]", "[batch-7]\nmigrated=true")), *args)


#
# set
#

MOVES = REST.replace("state=idle", "state=idle\nspeed=64").replace("sticks=ua-haprot0:2048:inuse;", "sticks=ua-haprot0:2048:inuse;ua-haprot1:4096:idle;")


def test_progress_has_time_and_figures(scene, screen):
    view = screen("set", "g1", "6GiB", "--wait", env=scene(HOST + MOVES), width=100, height=24)
    text = view.wait(r"g1: \[.+\] +\d+ %  0:\d\d  \d\.\d of 6.0 GiB, growing, given 2.0 of 6.0 GiB of the sticks")
    view.keep("set-100x24")
    assert text.count("%") == 1
    text = view.wait("ended: 0")
    assert re.search(r"^g1: current 6 GiB, reached in 0:\d\d$", text, re.M)
    assert "%" not in text


@pytest.mark.parametrize("columns", [80, 200])
@pytest.mark.parametrize("args, word, status", [
    (["set", "g1", "3500MiB"], "auto g1 --hold 30min", 0),
    (["plan", "g1", "3500MiB"], "auto g1 --hold 30min", 0),
    (["plan", "g1", "512MiB"], "refuses it without --force", 0),
    (["plan", "g1", "64GiB"], "enable g1 --max 64GiB", 4),
    (["set", "g1", "512MiB"], "its programs would be swapped out", 4),
    (["watch", "g1", "--duration", "1", "--record", "{folder}/r.csv"], "To draw them:", 0),
])
def test_sentences_wrap(scene, screen, tmp_path, columns, args, word, status):
    """Beside the table, too, and at no more than 100 columns. A command to copy stays in one line."""
    words = [arg.format(folder=tmp_path) for arg in args]
    view = screen(*words, env=scene(HOST + AUTO), width=columns, height=40)
    view.wait(f"ended: {status}")
    lines = [line for line in view.lines() if not line.startswith("  virsh-hvmem plot ")]
    assert all(width_of(line) <= min(columns, 100) for line in lines)
    assert word in " ".join(" ".join(lines).split())


def test_ctrl_c_leaves_no_torn_line(scene, screen):
    view = screen("set", "g1", "6GiB", "--wait", env=scene(HOST + MOVES.replace("speed=64", "speed=1")), width=80, height=24)
    view.wait("growing")
    view.keys("C-c")
    text = view.wait("ended: 130")
    assert "%" not in text
    assert "The request stays in place" in " ".join(text.split())


@pytest.mark.parametrize("command, status", [(["set", "g1", "6GiB", "--wait"], 130), (["wait", "g1"], 130), (["watch", "g1"], 0)])
def test_ctrl_c_ends_it_though_libvirt_hangs(scene, command, status):
    """Its answer never comes."""
    env = {**os.environ, "LC_ALL": "C.UTF-8", **scene(HOST + MOVES.replace("speed=64", "speed=1").replace("requested=3072", "requested=6144"))}
    with subprocess.Popen([TOOL, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env) as tool:
        try:
            assert "growing" in tool.stdout.readline()
            scene(HOST + MOVES.replace("running=true", "running=true\nhangs=true"))
            for line in tool.stdout:
                if "hangs" in line:
                    break
            else:
                raise AssertionError("it has ended")
            tool.send_signal(signal.SIGINT)
            assert tool.wait(timeout=10) == status
        finally:
            tool.kill()


def test_another_request_leaves_no_torn_line(scene, screen):
    view = screen("set", "g1", "6GiB", "--wait", env=scene(HOST + MOVES.replace("speed=64", "speed=1")), width=80, height=24)
    view.wait("growing")
    scene(HOST + REST.replace("requested=3072", "requested=2048"))
    text = view.wait(r"ended: \d+")
    assert "%" not in text
    assert "another size" in text


#
# doctor
#

def test_doctor_counts(scene, screen):
    view = screen("doctor", "g1", env=scene(ALL), width=80, height=50)
    view.wait(r"ended: \d")
    view.keep("doctor-80x50")
    text = view.text()
    found = re.search(r"^(\d+) passed, (\d+) warnings?, (\d+) failed", text, re.M)
    assert found, text
    for number, word in zip(found.groups(), ("pass", "warn", "fail")):
        assert int(number) == len(re.findall(rf"^  {word}  ", text, re.M))


def test_doctor_checks_all(scene):
    got = subprocess.run([TOOL, "doctor", "--all"], capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C.UTF-8", **scene(ALL)})
    for name in ("Host", "g1", "web-frontend", "batch-7"):
        assert f"{name}:\n" in got.stdout
    assert "legacy:" not in got.stdout
