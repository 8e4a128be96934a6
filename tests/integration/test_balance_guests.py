# SPDX-License-Identifier: LGPL-2.1-or-later
"""virsh-hvmem balance with real guests: a load wanders between them, the balancer is killed, and all of them never have more than their budget.

What one needs, others give: three guests of 1 GiB at first, up to 3 GiB, on 4 GiB. What other guests of this connection hold comes on top, as long
as it stays what it is: so these tests run when no others do.
"""

import contextlib
import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time

import pytest
from checks import OVERHEAD

import hvb
from hvb import GIB, MIB, mib
from speed import patient

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from terminal import environment  # noqa: E402

TOOL = ROOT / "build/obj/tools/tools/virsh-hvmem/virsh-hvmem"
BOOT, MINIMUM, MAXIMUM = GIB, 768 * MIB, 3 * GIB
BUDGET = 4 * GIB
LOAD = 1800 * MIB           # more than a guest has at first, and with the minimums of the others less than the budget
CHUNK = 16 * MIB
SPARE = 48 * MIB            # a load waits while the guest has less than this left: else its kernel would end it. Less than the buffer that is left when
                            # a guest of any of these sizes is given more, a seventh of it

pytestmark = pytest.mark.alone


def run(*args, status=0):
    """Its standard output; the exit status has to be STATUS."""
    got = subprocess.run([TOOL, *map(str, args)], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=patient(120), env=environment())
    assert "Sanitizer" not in got.stderr, got.stderr
    assert got.returncode == status, f"{args}: {got.returncode}\n{got.stdout}\n{got.stderr}"
    return got.stdout


def hold(guest):
    """What it has, or may take because it was requested for it."""
    return max(int(guest.stats()[f"balloon.{key}"]) for key in ("current", "hyperv.requested"))


def requested(guest):
    return int(guest.stats()["balloon.hyperv.requested"])


class Witness:
    """Looks at the guests about twice a second: the most that all of them have had together, and the least that was requested of each."""

    def __init__(self, guests):
        self.names = [guest.name for guest in guests]
        self.most, self.last, self.least = 0, {}, dict.fromkeys(self.names, MAXIMUM)
        self.looks, self.began, self.seconds, self.failure = [], 0, 0, None
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def look(self):
        """Of one that is off, just starting, or busy there are no figures. One is read after the other, while memory goes from here to there: so
        of each only what it has held in this look and in the last counts."""
        known = {}
        began = time.monotonic()
        for part in hvb.virsh("domstats", "--nowait", "--balloon", *self.names).split("Domain: ")[1:]:
            name, *lines = part.split("\n")
            known[name.strip("'")] = dict(line.strip().split("=", 1) for line in lines if "=" in line)
        stats = {name: (int(stat["balloon.current"]), int(stat["balloon.hyperv.requested"]))
                 for name, stat in known.items() if "balloon.hyperv.requested" in stat and "balloon.current" in stat}
        held = {name: max(stat) for name, stat in stats.items()}
        self.most, self.last = max(self.most, sum(min(held[name], self.last.get(name, 0)) for name in held)), held
        for name, (_, requested_kib) in stats.items():
            self.least[name] = min(self.least[name], requested_kib)
        self.looks.append((began, time.monotonic(), stats))

    def told(self):
        """The looks that found most, and those beside them."""
        sums = [sum(max(stat) for stat in stats.values()) for _, _, stats in self.looks]
        at = sums.index(max(sums))
        return "\n".join(f"{began - self.began:7.2f} to {ended - self.began:7.2f} s: " + ", ".join(
            f"{name}: has {mib(has)}, requested {mib(wants)}" for name, (has, wants) in stats.items())
            for began, ended, stats in self.looks[max(0, at - 6):at + 6])

    def watch(self):
        try:
            while not self.done.wait(0.5):
                # a daemon that is being restarted does not answer
                with contextlib.suppress(hvb.VirshError, subprocess.TimeoutExpired):
                    self.look()
        except Exception as failure:        # pylint: disable=broad-except
            self.failure = failure

    def __enter__(self):
        self.began = time.monotonic()
        self.thread.start()
        return self

    def __exit__(self, *what):
        self.done.set()
        self.thread.join()
        self.seconds = time.monotonic() - self.began

    def check(self, more=0):
        """And it has looked, once in five seconds or more often: the daemon may have been away for a while. MORE than the budget is held for a
        while where a guest starts."""
        if self.failure:
            raise AssertionError("the witness has ended early") from self.failure
        assert len(self.looks) >= max(2, self.seconds / 5), f"only {len(self.looks)} looks in {self.seconds:.0f} s"
        assert 3 * MINIMUM <= self.most <= BUDGET + more, f"all guests: {mib(self.most)} of {mib(BUDGET)}\n{self.told()}"
        for name, least in self.least.items():
            assert least >= MINIMUM, f"{name}: {mib(least)} were requested"


class Balancer:
    """The process; what it says is in files, which are read at any time."""

    def __init__(self, folder, budget):
        self.out, self.err, self.budget, self.process = folder / "out", folder / "err", budget, None

    def start(self):
        with self.out.open("a", encoding="utf-8") as out, self.err.open("a", encoding="utf-8") as err:
            self.process = subprocess.Popen([TOOL, "--format", "json", "balance", "--budget", f"{self.budget}KiB"],
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment())

    def kill(self, how=signal.SIGKILL):
        if self.process:
            self.process.send_signal(how)
            self.process.wait(60)
            self.process = None

    def decisions(self):
        """Without a line that was cut off by kill -9."""
        lines = self.out.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    def said(self):
        text = self.err.read_text(encoding="utf-8")
        assert "Sanitizer" not in text, text
        return text

    def wait_said(self, text, times=1):
        hvb.wait_until(lambda: f"the balancer says '{text}'; it has said: {self.said()}", 90, lambda: self.said().count(text) >= times)


def prepare(guest):
    """Its driver reports at once and not only 45 s after it was loaded."""
    guest.exec("echo 0 >/sys/module/hv_balloon/parameters/pressure_report_delay")


@pytest.fixture(scope="module", name="guests")
def three_guests(make_guest):
    """Automatic."""
    guests = [make_guest(f"auto-{name}", up=False, memory=BOOT, maximum=MAXIMUM, vcpus=1) for name in "abc"]
    for guest in guests:
        guest.wait_up()
        prepare(guest)
        run("auto", guest.name, "--minimum", mib(MINIMUM).replace(" ", ""))
    return guests


@pytest.fixture(scope="module", name="others")
def what_others_hold(guests):
    """Domains of somebody else's that run, in KiB."""
    ours = {guest.name for guest in guests}
    domains = json.loads(run("--format=json", "list", "--all", "--running"))["domains"]
    return sum(max(dom["current"], dom.get("requested", 0)) for dom in domains if dom["name"] not in ours) // 1024


@pytest.fixture(name="balancer")
def a_balancer(guests, others):  # pylint: disable=unused-argument
    """Not started yet."""
    with tempfile.TemporaryDirectory() as folder:
        balancer = Balancer(pathlib.Path(folder), BUDGET + others)
        yield balancer
        balancer.kill()
        print(balancer.said()[-3000:])
        for guest in guests:
            drop(guest)


def fill(guest, kib):
    """A program in the guest uses that much more, as fast as the guest gets it; full() says when it has."""
    guest.exec("rm -f /tmp/full /tmp/starved; cat >/tmp/load <<'END'\n"
               f"echo $$ >/tmp/load.pid\ni=0\nwhile [ $i -lt {kib // CHUNK} ]; do\n"
               "left=$(sed -n 's/^MemAvailable: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo)\n"
               f"if [ $left -gt {SPARE} ]; then fallocate -l {CHUNK}K /tmp/load.$i || touch /tmp/starved; i=$((i + 1)); else sleep 1; fi\n"
               "done\ntouch /tmp/full\nEND\n"
               "sh /tmp/load >/dev/null 2>&1 &")


def full(guest):
    return guest.exec("! [ -e /tmp/starved ] && if [ -e /tmp/full ]; then echo yes; fi") == "yes"


def drop(guest):
    """Ends the load and frees what it used."""
    guest.exec("[ ! -e /tmp/load.pid ] || kill $(cat /tmp/load.pid); rm -f /tmp/load* /tmp/full /tmp/starved; true")


def wait_full(guest, seconds=120):
    hvb.wait_until(lambda: f"{guest.name} has its load; {guest.seen()}", seconds, lambda: full(guest), 1)


def check_rss(guests):
    """What the host holds for them all."""
    held = sum(guest.rss() - guest.translation_buffer() - OVERHEAD for guest in guests)
    assert held <= BUDGET, f"their processes hold {mib(held)} beside what QEMU may use for itself"


def test_a_load_grows_and_the_others_give(guests, balancer):
    """Also if the balancer is killed in the middle: guests stay as they are until it runs again, and it goes on from there."""
    first, second, third = guests
    with Witness(guests) as witness:
        balancer.start()
        fill(first, LOAD)
        wait_full(first)
        assert first.actual() >= LOAD
        assert balancer.decisions(), "it has told what it decided"
        check_rss(guests)

        drop(first)
        fill(second, LOAD)
        hvb.wait_until(second.seen, 60, lambda: requested(second) > BOOT)
        balancer.kill()
        then = [requested(guest) for guest in guests]
        time.sleep(3)
        assert [requested(guest) for guest in guests] == then, "nobody moves them while there is no balancer"
        assert not full(second), "it was killed in the middle"
        balancer.start()
        wait_full(second)
        assert second.actual() >= LOAD
        assert requested(first) < LOAD, "what it had was taken"
        assert requested(third) >= MINIMUM
        check_rss(guests)
    witness.check()
    assert "somebody else" not in balancer.said()


def test_a_paused_guest_is_left_alone(guests, balancer):
    """It keeps what was requested of it while the others move, is named once, and goes on when it runs again."""
    first, second, third = guests
    hvb.virsh("suspend", third.name)
    try:
        then = requested(third)
        with Witness(guests) as witness:
            balancer.start()
            balancer.wait_said(f"{third.name}: left alone: it is paused")
            fill(first, LOAD // 2)
            wait_full(first)
            assert requested(third) == then
            status = json.loads(run("--format=json", "status", third.name))["domain"]
            assert (status["balancer"], status["decision"]["state"]) == (balancer.process.pid, "paused")
            assert "Left alone: it is paused." in " ".join(run("status", third.name).split())
        witness.check()
        assert balancer.said().count(f"{third.name}: left alone") == 1
        assert f"{second.name}: left alone" not in balancer.said()
    finally:
        hvb.virsh("resume", third.name)
    hvb.wait_until("its state is told again", 60, lambda: json.loads(
        run("--format=json", "status", third.name))["domain"]["decision"]["state"] == "ready")


def test_the_other_commands_tell(guests, balancer):
    """list, doctor and set, of a guest that is balanced."""
    first = guests[0]
    balancer.start()
    hvb.wait_until("it balances", 30, lambda: f"process {balancer.process.pid} balances" in " ".join(doctor().split()))
    assert "0.8-3.0 GiB" in run("list", "--columns", "name,auto")
    time.sleep(patient(5))      # it looks once a second; what it found at its first look is nobody else's request
    got = json.loads(run("--format=json", "set", first.name, mib(BOOT - 128 * MIB).replace(" ", "")))["domains"][0]
    assert f"process {balancer.process.pid}, which balances it, may change this again" in got["remark"]
    balancer.wait_said(f"{first.name}: somebody else has requested 896 MiB")
    assert "somebody else requested a size for it" in " ".join(doctor(first.name).split())


def doctor(*args):
    """Whatever it finds wrong with this machine."""
    got = subprocess.run([TOOL, "doctor", *args], capture_output=True, text=True, check=False, timeout=patient(120), env=environment())
    assert "Sanitizer" not in got.stderr, got.stderr
    return got.stdout


@pytest.mark.long
def test_a_load_that_wanders_through_accidents(guests, balancer):
    """Round and round, while the daemon and a QEMU are killed and a guest is rebooted. That one has room when it starts again."""
    first, second, third = guests
    with Witness(guests) as witness:
        balancer.start()
        for heavy in (first, second, third, second):
            fill(heavy, LOAD)
            wait_full(heavy, 180)
            check_rss(guests)
            drop(heavy)

        hvb.kill_daemon()
        hvb.restart_daemon()
        balancer.wait_said("libvirt answers again")
        fill(first, LOAD)
        wait_full(first, 180)

        third.reboot()
        prepare(third)
        check_rss(guests)

    witness.check()

    # What one takes that starts is kept as far as nobody uses it, and then taken from the others.
    with Witness(guests) as witness:
        drop(first)
        third.kill()
        fill(second, LOAD)
        wait_full(second, 180)
        third.start()
        third.wait_up()
        prepare(third)
        hvb.wait_until(lambda: f"all have room; {hold(first)}, {hold(second)}, {hold(third)}", 90,
                       lambda: sum(hold(guest) for guest in guests) <= BUDGET)
        check_rss(guests)
    witness.check(BOOT)
