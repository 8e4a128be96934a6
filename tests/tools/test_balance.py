# SPDX-License-Identifier: LGPL-2.1-or-later
"""virsh-hvmem auto and balance from end to end, with the domains of libvirt's test driver and guests that are made up (hvmem-fake-guests.c)."""
import fcntl
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time
import uuid

import pytest

from test_hvmem_scripts import checked

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build/obj/tools"
TOOL = BUILD / "tools/virsh-hvmem/virsh-hvmem"
FAKE = BUILD / "tests/tools/unit/hvmem-fake-guests.so"
AUTO = "<a:auto xmlns:a='urn:virsh-hvmem:auto:1' minimum='1048576'/>"
BUDGET = 8192


class Host:
    """Domains with an automatic memory of 1 to 8 GiB; what their guests use and were requested to have, in MiB."""

    def __init__(self, folder, **guests):
        self.guests = folder / "guests"
        self.node = folder / "node.xml"
        self.told = None
        self.write(guests)
        domains = "".join(f"<domain type='test'><name>{name}</name><uuid>{uuid.uuid5(uuid.NAMESPACE_DNS, name)}</uuid><metadata>{AUTO}</metadata><memory unit='GiB'>2</memory>"
                          "<os><type>hvm</type></os><devices><memballoon model='virtio'/></devices></domain>" for name in guests)
        self.node.write_text(f"<node>{domains}</node>")

    def replace(self, text):
        """At once: somebody may be reading it."""
        new = self.guests.with_suffix(".new")
        new.write_text(text)
        new.rename(self.guests)

    def write(self, guests):
        self.replace("".join(f"{name} {' '.join(map(str, values))}\n" for name, values in guests.items()))

    def use(self, name, used):
        """Another demand."""
        self.replace(re.sub(rf"^{name} \d+", f"{name} {used}", self.guests.read_text(), flags=re.M))

    def requested(self):
        return {line.split()[0]: int(line.split()[2]) for line in self.guests.read_text().splitlines()}

    def log(self):
        path = self.guests.with_suffix(".log")
        return [(line.split()[0], int(line.split()[1])) for line in path.read_text().splitlines()] if path.exists() else []

    def environment(self):
        clean = {k: v for k, v in os.environ.items() if not k.startswith("LIBVIRT_") and k != "LD_LIBRARY_PATH"}
        return {**clean, "LC_ALL": "C.UTF-8", "HVMEM_FAKE_GUESTS": str(self.guests), "HVMEM_TEST_LOCKS": str(self.guests.parent), "LD_PRELOAD": str(FAKE),
                "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=1"}

    def run(self, *args):
        got = subprocess.run([TOOL, "-c", f"test://{self.node}", *args], capture_output=True, text=True, check=False, timeout=60,
                             env=self.environment())
        assert "Sanitizer" not in got.stderr, got.stderr
        return got

    def start(self, *args):
        """It is killed after two minutes, so that nobody waits for what it does not say."""
        path = self.guests.with_suffix(".notify")
        path.unlink(missing_ok=True)
        self.told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.told.bind(str(path))
        self.told.settimeout(120)
        process = subprocess.Popen([TOOL, "-c", f"test://{self.node}", "balance", "--interval", "0.2", "--budget", f"{BUDGET}MiB", *args],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env={**self.environment(), "NOTIFY_SOCKET": str(path)})
        timer = threading.Timer(120, process.kill)
        timer.daemon = True
        timer.start()
        return process

    def forget(self):
        """What was told before."""
        self.told.setblocking(False)
        try:
            while self.told.recv(100):
                pass
        except BlockingIOError:
            self.told.settimeout(120)

    def decided(self):
        """Waits for a decision: each is told to systemd."""
        while self.told.recv(100) != b"WATCHDOG=1":
            pass

    def settled(self):
        """What was requested when nothing has changed for 25 decisions, five seconds: a guest with nothing left grows in steps of two. The sum never
        exceeds the budget on the way."""
        self.forget()
        last, same = None, 0
        while same < 25:
            self.decided()
            now = self.requested()
            assert sum(now.values()) <= BUDGET
            same = same + 1 if now == last else 0
            last = now
        return last


@pytest.fixture(name="host")
def two_guests(tmp_path):
    return Host(tmp_path, a=(1500, 2048, 0, "ok"), b=(1500, 2048, 0, "ok"))


def test_dry_run_changes_nothing(host):
    host.use("a", 4000)
    got = host.run("balance", "--dry-run", "--budget", f"{BUDGET}MiB")
    assert got.returncode == 0, got.stderr
    assert re.search(r"\n a +3 GiB +2 GiB +2 GiB +3\.\d+ GiB +grows to 3\.6 GiB, demand and buffer\n", got.stdout)
    assert not host.log()


def test_once_is_json_of_all_guests(host):
    host.use("a", 1900)
    got = checked(host.run("--format=json", "balance", "--once", "--budget", f"{BUDGET}MiB").stdout)
    assert [g["name"] for g in got["guests"]] == ["a", "b"]
    assert got["guests"][0]["move"] == "grow"
    assert host.log() == [("a", got["guests"][0]["target"] >> 20)]


def test_its_lock_goes_with_the_test(host):
    """And not into a folder of the host, where it would stay."""
    assert host.run("balance", "--once", "--budget", f"{BUDGET}MiB").returncode == 0
    assert len(list(host.guests.parent.glob("virsh-hvmem-balance-*.lock"))) == 1


def test_a_load_that_wanders(host):
    """Each guest gets what it needs, and the sum stays within the budget, also when the balancer is killed in between."""
    for heavy, light in ("a", "b"), ("b", "a"), ("a", "b"):
        host.use(light, 800)
        host.use(heavy, 5500)
        with host.start("-q") as balancer:
            try:
                got = host.settled()
            finally:
                balancer.kill()
        assert got[heavy] >= 5500
        assert got[light] >= 1024


def test_memory_is_taken_before_it_is_given(host):
    host.write({"a": (5500, 2048, 0, "ok"), "b": (800, 6100, 0, "ok")})
    with host.start("-q") as balancer:
        try:
            assert host.settled()["a"] >= 5500
        finally:
            balancer.terminate()
    assert host.log()[0][0] == "b"


def test_not_enough_for_all_is_shared(host):
    host.write({"a": (7000, 2048, 0, "ok"), "b": (7000, 2048, 0, "ok")})
    with host.start("-q") as balancer:
        try:
            got = host.settled()
        finally:
            balancer.terminate()
    assert abs(got["a"] - got["b"]) <= 4
    assert got["a"] + got["b"] >= BUDGET - 8


def test_failing_guests_are_named_once(tmp_path):
    """One that refuses is left alone, and one that keeps what it has counts with that."""
    host = Host(tmp_path, a=(3900, 2048, 0, "ok"), no=(1900, 2048, 0, "refuses"), stuck=(500, 1024, 3072, "ok"))
    said = ""
    with host.start() as balancer:
        try:
            while "stuck: " not in said:
                line = balancer.stderr.readline()
                assert line, f"it has only said: {said}"
                said += line
            got = host.settled()
        finally:
            balancer.terminate()
        said += balancer.stderr.read()
    assert got["no"] == 2048
    assert len([name for name, _ in host.log() if name == "no"]) == 1
    assert got["a"] <= BUDGET - 2048 - 3072
    assert said.count("stuck: does not give back what was requested") == 1
    assert said.count("no: left alone") == 1


def balanced(host, *commands):
    """What the guests have once a balancer has settled, the words that each of COMMANDS prints then, and what the balancer has said."""
    with host.start() as balancer:
        try:
            got = host.settled()
            printed = [" ".join(host.run(*command).stdout.split()) for command in commands]
        finally:
            balancer.terminate()
        return got, printed, balancer.stderr.read()


def test_a_paused_guest_is_left_alone(tmp_path):
    """It keeps what was requested, also while others need it, is named once, and its page says why."""
    host = Host(tmp_path, a=(6500, 2048, 0, "ok"), p=(500, 3000, 0, "paused"))
    got, (page,), said = balanced(host, ("status", "p"))
    assert got["p"] == 3000 and 5000 < got["a"] <= BUDGET - 3000
    assert "Left alone: it is paused. Process" in page
    assert said.count("p: left alone: it is paused") == 1


def test_a_guest_with_nothing_to_give_is_left_alone(tmp_path):
    """What is locked does not come back to the host: it is said by everybody who is asked, and taken from others that have some."""
    host = Host(tmp_path, a=(6500, 2048, 0, "ok"), fixed=(500, 3000, 0, "locked"))
    got, (page, doctor), said = balanced(host, ("status", "fixed"), ("doctor", "fixed"))
    assert got["fixed"] == 3000 and 5000 < got["a"] <= BUDGET - 3000
    assert said.count("fixed: left alone: its memory is in huge pages or locked") == 1
    assert "Left alone: its memory is in huge pages or locked" in page
    assert "warn automatic the balancer leaves it alone: its memory is locked" in doctor
    assert "But 'balance' leaves it alone: its memory is locked, and others could not have what it gives back.\n" in host.run("auto", "fixed").stdout
    assert "leaves it alone" not in host.run("auto", "a").stdout


def test_boot_memory_that_a_device_keeps_is_not_taken(tmp_path):
    host = Host(tmp_path, a=(6500, 2048, 0, "ok"), v=(100, 3000, 0, "assigned"))
    got, _, _ = balanced(host)
    assert got["v"] == 2048 and got["a"] > 5500
    said = host.run("auto", "v").stdout
    assert "from 2 GiB to 8 GiB" in said
    assert "It never has less than its boot memory, 2 GiB: that is kept for passed-through devices, and others could not have it.\n" in said


def said_once(host, *args):
    """What the balancer says at first; nothing follows for five decisions."""
    with host.start(*args) as balancer:
        try:
            said = balancer.stderr.readline()
            host.forget()
            for _ in range(5):
                host.decided()
        finally:
            balancer.terminate()
        assert not balancer.stderr.read()
    return said


def test_minimums_that_do_not_fit_are_said_once(tmp_path):
    host = Host(tmp_path, **{f"g{i}": (900, 1024, 0, "ok") for i in range(9)})
    said = said_once(host)
    assert said.startswith("warning: the minimums of the automatic guests are more than there is for them (8 GiB)")
    assert not host.log()


def test_somebody_elses_request_is_named_and_replaced(host):
    with host.start() as balancer:
        try:
            host.settled()
            host.replace(re.sub(r"^a (\d+) \d+", r"a \1 3000", host.guests.read_text(), flags=re.M))
            assert "a: somebody else has requested 2.9 GiB" in balancer.stderr.readline()
            host.use("a", 2900)
            assert host.settled()["a"] > 3000
        finally:
            balancer.terminate()


@pytest.mark.parametrize("ignored", [False, True])
def test_a_terminal_that_is_gone_ends_it(host, ignored):
    """It has no file to read again. With nohup it goes on."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
    try:
        balancer = host.start("-q")
    finally:
        signal.signal(signal.SIGHUP, before)
    with balancer:
        try:
            host.decided()
            balancer.send_signal(signal.SIGHUP)
            if ignored:
                host.decided()
                host.decided()
                assert balancer.poll() is None
            else:
                assert balancer.wait(60) == 0
        finally:
            balancer.terminate()


def test_sighup_reads_the_file_again(host, tmp_path):
    """What others see is what counts."""
    conf = tmp_path / "balance.conf"
    conf.write_text("[balance]\nreserve = 1GiB\n")
    with host.start("-q", "--conf", str(conf)) as balancer:
        try:
            host.decided()
            (lock,) = tmp_path.glob("virsh-hvmem-balance-*.lock")
            assert f"\nreserve {1 << 30}\n" in lock.read_text()
            for text, reserve in ("reserve = 2GiB", 2 << 30), ("reserve = -1", 2 << 30), ("reserve = 9GiB", 2 << 30):
                conf.write_text(f"[balance]\n{text}\n")
                balancer.send_signal(signal.SIGHUP)
                host.forget()
                host.decided()
                host.decided()
                assert f"\nreserve {reserve}\n" in lock.read_text()
        finally:
            balancer.terminate()
        said = balancer.stderr.read()
        assert said.count("the configuration stays as it was") == 2
        assert "error: a reserve of 9 GiB leaves nothing of the budget, 8 GiB: choose" in said


def test_a_reserve_that_is_more_than_the_host_has_is_refused(host):
    """Before anything is requested of a guest: without a budget, all of them would be at their minimum at once."""
    got = host.run("balance", "--once", "--reserve", "900TiB")
    assert got.returncode == 2
    assert "a reserve of 900 TiB leaves nothing of what this host can give to guests, " in got.stderr
    assert not host.log()


def test_a_reserve_that_does_not_fit_beside_minimums_is_said_once(tmp_path):
    host = Host(tmp_path, **{f"g{i}": (900, 1024, 0, "ok") for i in range(7)})
    said = said_once(host, "--reserve", "2GiB")
    assert said.startswith("warning: only 1 GiB of the reserve of 2 GiB can be kept now: guests may have 8 GiB in all, and the rest")


def test_libvirt_that_is_gone_comes_back(host):
    gone = host.guests.with_suffix(".gone")
    with host.start("-q") as balancer:
        try:
            host.settled()
            gone.touch()
            assert balancer.stderr.readline().startswith("error: failed to get statistics")
            gone.unlink()
            while "libvirt answers again" not in (line := balancer.stderr.readline()):
                assert line, "it has ended"
            host.use("a", 2900)
            assert host.settled()["a"] > 3000
        finally:
            balancer.terminate()


def test_a_connection_that_is_lost_among_requests_is_no_refusal(tmp_path):
    """The guests are asked again as soon as libvirt is back."""
    host = Host(tmp_path, a=(2500, 2048, 0, "cuts"), b=(2500, 2048, 0, "ok"))
    said = ""
    with host.start() as balancer:
        try:
            while "\nlibvirt answers again" not in said:
                line = balancer.stderr.readline()
                assert line, f"it has ended, and said: {said}"
                said += line
                if line.startswith("Nothing is balanced"):
                    host.guests.with_suffix(".gone").unlink()
            got = host.settled()
        finally:
            balancer.terminate()
        said += balancer.stderr.read()
    assert got["a"] >= 2500 and got["b"] >= 2500
    assert not re.search(r"^[ab]: ", said, re.M), said


def test_a_connection_that_is_lost_is_the_result_of_once(tmp_path):
    host = Host(tmp_path, a=(2500, 2048, 0, "cuts"), b=(2500, 2048, 0, "ok"))
    got = host.run("-q", "balance", "--once", "--budget", f"{BUDGET}MiB")
    assert got.returncode == 3, got.stderr
    assert got.stderr.startswith("error: the connection to libvirt was closed")


def test_a_guest_that_was_just_shut_down_refuses_nothing(tmp_path):
    host = Host(tmp_path, a=(2500, 2048, 0, "leaves"), b=(2500, 2048, 0, "ok"))
    got = host.run("-q", "balance", "--once", "--budget", f"{BUDGET}MiB")
    assert got.returncode == 0 and not got.stderr, got.stderr
    assert [name for name, _ in host.log()] == ["a", "b"]


def test_a_decision_that_has_become_old_is_not_carried_out(tmp_path):
    """A request has to wait, and meanwhile another guest needs nothing any more."""
    host = Host(tmp_path, a=(2500, 2048, 0, "slow"), b=(2500, 2048, 0, "ok"))
    with host.start("-q") as balancer:
        try:
            while not host.log():
                time.sleep(0.05)
                assert balancer.poll() is None
            host.use("b", 1500)
            assert host.settled()["a"] >= 2500
        finally:
            balancer.terminate()
    assert "b" not in dict(host.log())


def test_a_refusal_is_the_result_of_once(tmp_path):
    host = Host(tmp_path, a=(1900, 2048, 0, "refuses"))
    got = host.run("-q", "balance", "--once", "--budget", f"{BUDGET}MiB")
    assert got.returncode == 4
    assert re.match(r"a: .", got.stderr)


def test_once_takes_idle_memory(tmp_path):
    host = Host(tmp_path, a=(1000, 6000, 0, "ok"))
    assert host.run("balance", "--once", "--budget", f"{BUDGET}MiB").returncode == 0
    assert host.requested()["a"] < 6000


def test_others_see_who_balances_and_why(host):
    """list, status, doctor, set and plan of an automatic guest, with a balancer and without."""
    host.use("a", 4000)
    listed = host.run("list").stdout
    assert re.search(r"^ a .* 1\.0-8\.0 GiB ", listed, re.M) and re.search(r"^ 2 of 2 running .* 2\.0-16\.0 GiB", listed, re.M)
    alone = " ".join(host.run("status", "a").stdout.split())
    assert "From 1 GiB to 8 GiB, 20 % more than it uses, weight 100. It uses 3 GiB. But nobody balances test://" in alone
    doctor = " ".join(host.run("doctor", "--all").stdout.split())
    assert re.search(r"warn balancer nobody balances test://\S+: the memory of 2 automatic domains stays as it is > Run 'virsh-hvmem balance'", doctor)
    assert "once it runs. 'virsh-hvmem auto a --hold 30min'" in host.run("set", "a", "2GiB").stderr
    with host.start("-q") as balancer:
        try:
            host.settled()
            page = " ".join(host.run("status", "a").stdout.split())
            got = checked(host.run("--format=json", "status", "a").stdout)["domain"]
            doctor = " ".join(host.run("doctor", "--all").stdout.split())
            planned = host.run("--format=json", "set", "a", "5GiB", "--force")
            host.settled()
            moved = " ".join(host.run("doctor", "a").stdout.split())
        finally:
            balancer.kill()
    assert re.search(rf"It uses 3\.9 GiB\. It stays; its goal is 4\.7 GiB, demand and buffer\. It gets more when .* Process {balancer.pid} balances it", page)
    assert got["balancer"] == balancer.pid
    assert got["auto"] == {"minimum": 1 << 30, "maximum": 8 << 30, "buffer": 20, "weight": 100}
    assert got["decision"]["bound"] == "demand" and got["decision"]["target"] == got["requested"]
    assert abs(got["demand"] - (4000 << 20)) < 1 << 20
    assert re.search(rf"pass balancer process {balancer.pid} balances test://", doctor)
    assert "pass minimums of automatic guests: 2 GiB in all, not more than the host's memory, 3 GiB; 'virsh-hvmem balance' says if" in doctor
    assert f"process {balancer.pid}, which balances it, may change this again, at once if others need memory" in checked(planned.stdout)["domains"][0]["remark"]
    assert not planned.stderr
    assert "warn automatic 0 minutes ago somebody else requested a size for it, too > End what does so (MOM, a script), or 'virsh-hvmem auto a" in moved
    assert "nobody balances" in host.run("doctor").stdout


def test_a_balancer_that_is_stopped_is_noticed(host):
    """It still has its lock."""
    with host.start("-q") as balancer:
        try:
            host.decided()
            (lock,) = host.guests.parent.glob("virsh-hvmem-balance-*.lock")
            balancer.send_signal(signal.SIGSTOP)
            os.utime(lock, (time.time() - 630, time.time() - 630))
            stopped = " ".join(host.run("doctor").stdout.split())
            page = " ".join(host.run("status", "a").stdout.split())
            balancer.send_signal(signal.SIGCONT)
            host.forget()
            host.decided()
            host.decided()
            going = " ".join(host.run("doctor").stdout.split())
        finally:
            balancer.kill()
    assert re.search(rf"warn balancer process {balancer.pid} balances test://\S+, but has decided nothing for 10 minutes", stopped)
    assert f"Process {balancer.pid} balances it, but has decided nothing for 10 minutes." in page
    assert re.search(rf"pass balancer process {balancer.pid} balances test://", going)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a file to another user")
def test_the_lock_of_a_stranger_is_shown_and_not_believed(host):
    """It does not stop root's balancer either."""
    path = host.guests.parent / "virsh-hvmem-balance-0.lock"
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(f"process {os.getpid()}\nuri test://{host.node}\nbudget 1\n")
        lock.flush()
        os.chown(path, 12345, -1)
        said = " ".join(host.run("doctor").stdout.split())
        once = host.run("balance", "--once", "--budget", f"{BUDGET}MiB")
    assert f"process {os.getpid()} of user 12345 (test://{host.node})" in said
    assert "warn balancer nobody balances" in said and "pass minimums" in said
    assert once.returncode == 0, once.stderr


def test_watch_tells_demand_of_an_automatic_guest(host, tmp_path):
    """In a line, in JSON, and in a recording; test_hvmem_picture.py draws it."""
    record = tmp_path / "r.csv"
    assert ", demand 1.5 GiB, host " in host.run("watch", "a", "--duration", "0.3", "--record", str(record)).stdout
    assert record.read_text().splitlines()[0].endswith(",event,demand")
    assert 1499 << 20 < int(record.read_text().splitlines()[1].rsplit(",", 1)[1]) < 1501 << 20
    first = checked(host.run("--format=json", "watch", "a", "--duration", "0.3").stdout.splitlines()[0])
    assert 1499 << 20 < first["domain"]["demand"] < 1501 << 20


def test_settings_are_stored_shown_and_refused(host):
    assert "from 1 GiB to 8 GiB, 20 % more than it uses, weight 100" in host.run("auto", "a").stdout
    got = checked(host.run("--format=json", "auto", "a", "--maximum", "4GiB", "--buffer", "30", "--weight", "300", "--hold", "30min").stdout)
    assert {key: got[key] for key in ("automatic", "minimum", "maximum", "buffer", "weight")} == {
        "automatic": True, "minimum": 1 << 30, "maximum": 4 << 30, "buffer": 30, "weight": 300}
    assert abs(got["hold"] - time.time() - 1800) < 120
    assert checked(host.run("--format=json", "auto", "a", "--off").stdout) == {"schema": 2, "command": "auto", "name": "a", "automatic": False}
    for args, word in ((["--maximum", "9GiB"], "--maximum 9 GiB is above <maxMemory>, 8 GiB"), (["--buffer", "1"], "--buffer 1: from 5 to 200"),
                       (["--weight", "0"], "--weight 0: from 1"), (["--buffer", "-5"], "--buffer -5: from 5 to 200"),
                       (["--weight", "-1"], "--weight -1: from 1"), (["--buffer", "-1", "--off"], "--off goes with no other option"), (["--hold", "soon"], "'soon' is not a duration"),
                       (["--off", "--on"], "--off goes with no other option"), (["--minimum", "9GiB"], "--minimum 9 GiB is above the maximum")):
        got = host.run("auto", "a", *args)
        assert got.returncode == 1
        assert word in got.stderr


def test_settings_that_could_not_be_stored_count_for_now(host):
    """libvirt has changed the running domain, and fails: that is neither done nor undone."""
    host.guests.with_suffix(".full").touch()
    for option in ["--weight", "300"], ["--off"]:
        got = host.run("auto", "a", *option)
        assert got.returncode == 1
        assert "error: failed to change the metadata of domain 'a'" in got.stderr
        assert "hint: The new settings count for now, and are lost when libvirt is restarted: they could not be written." in got.stderr
    assert "count for now" not in host.run("auto", "a", "--minimum", "1GiB").stderr
