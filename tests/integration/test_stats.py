# SPDX-License-Identifier: LGPL-2.1-or-later
"""What clients can query of a running guest, and the events that they get."""

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import time

import pytest
from checks import at_rest, go, near, no_sticks

import hvb
from hvb import GIB, MIB

STOCK = shutil.which("virsh", path="/usr/bin:/bin")


@pytest.fixture(scope="module", name="guest")
def a_guest(make_guest):
    """1 GiB, up to 4 GiB, whose driver reports at once and not only 45 s after it was loaded."""
    guest = make_guest("stats", memory=GIB, maximum=4 * GIB)
    guest.exec("echo 0 >/sys/module/hv_balloon/parameters/pressure_report_delay")
    return guest


def memstat(guest):
    """dommemstat as numbers."""
    return {key: int(value) for key, value in (line.split() for line in hvb.virsh("dommemstat", guest.name).splitlines() if line.strip())}


@contextlib.contextmanager
def events(guest):
    """A function that returns virsh's output about events so far."""
    with hvb.daemon_use(), tempfile.TemporaryFile("w+") as out, subprocess.Popen(
            [os.environ["HVB_VIRSH"], "-q", "event", guest.name, "--all", "--loop", "--timeout", "120"],
            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT) as virsh:
        def told():
            out.seek(0)
            return out.read()

        try:
            # It does not say when it is ready: cause a harmless event until it is shown.
            def ready():
                hvb.virsh("metadata", guest.name, "--live", "--uri", "urn:hvb:test", "--key", "t", "--set", f"<t n='{time.time()}'/>")
                return "metadata-change" in told()

            hvb.wait_until("virsh hears events", 20, ready)
            yield told
        finally:
            virsh.terminate()


def test_dommemstat_says_what_the_protocol_carries(guest):
    go(guest, GIB)
    hvb.wait_until("the guest reports", 20, lambda: "usable" in memstat(guest))
    stat = memstat(guest)
    assert set(stat) == {"actual", "usable", "last_update", "rss"}
    assert stat["actual"] == guest.actual() == GIB
    assert abs(stat["usable"] - guest.memavailable()) < 64 * MIB
    assert abs(stat["last_update"] - time.time()) < 10
    assert abs(stat["rss"] - guest.rss()) < 64 * MIB


def test_the_period_is_how_often_they_change(guest):
    hvb.virsh("dommemstat", guest.name, "--period", 3600, "--live", "--config")
    for flag in ((), ("--inactive",)):
        text = hvb.virsh("dumpxml", guest.name, *flag)
        assert "<stats period='3600'/>" in text
    last = memstat(guest)["last_update"]
    guest.exec("sleep 3")
    assert memstat(guest)["last_update"] == last
    hvb.virsh("dommemstat", guest.name, "--period", 1, "--live", "--config")
    hvb.wait_until("the guest's next report", 10, lambda: memstat(guest)["last_update"] > last)


def test_domstats_is_what_qemu_says(guest):
    go(guest, 3 * GIB)
    go(guest, 800 * MIB)
    stats, balloon, sticks = guest.stats(), guest.balloon(), guest.qmp("query-haprot")
    for key in ("capacity", "released", "ghosts", "alignment"):
        assert int(stats[f"balloon.hyperv.{key}"]) == balloon[key] // 1024
    assert int(stats["balloon.hyperv.requested"]) == 800 * MIB
    assert int(stats["balloon.hyperv.boot"]) == GIB
    assert stats["balloon.hyperv.connected"] == "yes"
    assert stats["balloon.hyperv.state"] == balloon["state"] == "idle"
    assert "balloon.hyperv.last-error" not in stats
    plan = {key.removeprefix("balloon.hyperv.plan."): value for key, value in stats.items() if key.startswith("balloon.hyperv.plan.")}
    assert int(plan.pop("free-space")) > 0
    assert plan == {"boot": str(GIB), "max-memory": str(4 * GIB), "minimum": "0", "keep-total": "0", "device-target": str(800 * MIB),
                    "granule": str(2 * MIB), "alignment": str(balloon["alignment"] // 1024), "costly": "no"}
    # Without KVM and vhost nothing counts slots.
    assert "balloon.hyperv.free-slots" not in stats and "free-slots" not in balloon
    assert int(stats["balloon.hyperv.stick.count"]) == len(sticks) == len(guest.domain().sticks) > 0
    for number, stick in enumerate(sticks):
        got = {key: stats[f"balloon.hyperv.stick.{number}.{key}"] for key in ("alias", "addr", "size", "state", "added", "released", "owner")}
        assert got == {"alias": stick["id"], "addr": str(stick["addr"]), "state": stick["state"], "owner": "driver",
                       **{key: str(stick[key] // 1024) for key in ("size", "added", "released")}}
    assert int(stats["balloon.current"]) == guest.actual()
    assert int(stats["balloon.maximum"]) == guest.domain().memory
    assert near(int(stats["balloon.hyperv.released"]), 3 * GIB - 800 * MIB)


def test_domstats_tells_why_a_guest_stops_early(guest):
    guest.setmem(64 * MIB)
    hvb.wait_until(guest.seen, 90, lambda: guest.stats()["balloon.hyperv.state"] == "floor")
    assert guest.stats()["balloon.hyperv.last-error"]
    assert int(guest.stats()["balloon.hyperv.requested"]) == 64 * MIB
    go(guest, GIB)


def test_a_stick_of_the_user(guest):
    hvb.virsh("attach-device", guest.name, stick_file(guest, "<alias name='ua-mine'/>"), "--live")
    guest.wait_at(GIB + 256 * MIB)
    stats = guest.stats()
    owners = {stats[key.replace(".owner", ".alias")]: value for key, value in stats.items() if key.endswith(".owner")}
    assert owners["ua-mine"] == "user"
    assert int(stats["balloon.hyperv.requested"]) == GIB + 256 * MIB
    at_rest(guest)


def stick_file(guest, more):
    path = os.path.join(os.environ["HVB_GUEST_RUN"], guest.name + ".stick.xml")
    with open(path, "w", encoding="ascii") as file:
        file.write(f"<memory model='haprot'><target insert='now'><size unit='MiB'>256</size></target>{more}</memory>")
    return path


def test_clients_are_told(make_guest):
    guest = make_guest("told", memory=GIB, maximum=4 * GIB)
    with events(guest) as told:
        go(guest, 2 * GIB)
        hvb.wait_until(told, 10, lambda: "device-added" in told() and "ua-haprot0" in told())
        hvb.wait_until(told, 10, lambda: f"balloon-change' for domain '{guest.name}': {2 * GIB}KiB" in told())
        go(guest, 900 * MIB)
        hvb.wait_until(told, 10, lambda: f"balloon-change' for domain '{guest.name}': {900 * MIB}KiB" in told())
        assert "device-removed" not in told()
        guest.reboot()
        no_sticks(guest)
        hvb.wait_until(told, 10, lambda: "device-removed" in told())
    guest.remove()


def follow(guest, target):
    """Moves GUEST to TARGET. Returns the values of dominfo and domstats meanwhile, each once; the numbers of each reply are consistent."""
    used, current = [guest.dominfo()[1]], []
    guest.setmem(target)

    def sample():
        arrived, stats, now = guest.at(target), guest.stats(), guest.dominfo()[1]
        numbers = {key.removeprefix("balloon."): int(value) for key, value in stats.items() if value.isdigit()}
        added = sum(value for key, value in numbers.items() if key.endswith(".added"))
        assert numbers["current"] == numbers["hyperv.boot"] + added - numbers["hyperv.released"], stats
        used.append(now)
        current.append(numbers["current"])
        return arrived

    hvb.wait_until(guest.seen, 180, sample, every=0.2)
    return list(dict.fromkeys(used)), list(dict.fromkeys(current))


def changes(told):
    """The values of the balloon-change events."""
    return [int(value) for value in re.findall(r"balloon-change' for domain '\S+': (\d+)KiB", told())]


def test_figures_move_with_the_guest(make_guest):
    guest = make_guest("moves", memory=8 * GIB, maximum=10 * GIB)
    with events(guest) as told:
        start = time.monotonic()
        used, current = follow(guest, GIB)
        # QEMU requests 2.2 GiB at a time; how many of the values in between are observed, and told, is a matter of speed.
        assert len(used) >= 2, (used, current)
        assert used == sorted(used, reverse=True) and current == sorted(current, reverse=True)
        assert used[-1] == current[-1] == guest.actual()
        hvb.wait_until(told, 10, lambda: changes(told)[-1:] == [guest.actual()])
        events_down = changes(told)
        assert events_down == sorted(events_down, reverse=True)
        assert 1 <= len(events_down) <= time.monotonic() - start + 2, "once a second at most"
        # Memory is returned so fast that there may be no values in between.
        used, current = follow(guest, 9 * GIB)
        assert used[-1] == current[-1] == guest.actual()
        hvb.wait_until(told, 10, lambda: changes(told)[-1:] == [guest.actual()])
    at_rest(guest)
    guest.remove()


@pytest.mark.skipif(not STOCK, reason="this machine has no virsh of its own")
def test_an_older_virsh_reads_them(guest):
    env = {key: value for key, value in os.environ.items() if key not in ("LD_LIBRARY_PATH", "LIBVIRT_DIR_OVERRIDE")}
    # The distribution's client connects to the machine's own daemon unless it is told where ours listens.
    listens = hvb.wait_until("the daemon's socket", 5, lambda: next(
        (os.path.join(folder, name) for folder, _, names in os.walk(os.environ["HVB_RUN"]) for name in names
         if name == "virtqemud-sock"), None))
    uri = f"{os.environ['LIBVIRT_DEFAULT_URI'].replace('qemu:', 'qemu+unix:')}?socket={listens}"

    def virsh(*args):
        with hvb.daemon_use():
            return subprocess.run([STOCK, "-q", "-c", uri, *args], env=env, check=True, capture_output=True, text=True).stdout

    assert f"balloon.hyperv.requested={guest.domain().requested}" in virsh("domstats", guest.name, "--balloon")
    assert f"actual {guest.actual()}" in virsh("dommemstat", guest.name)
    assert "<memballoon model='hyperv'>" in virsh("dumpxml", guest.name)
