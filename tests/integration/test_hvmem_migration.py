# SPDX-License-Identifier: LGPL-2.1-or-later
"""What virsh-hvmem says of a guest that migrates between two daemons, and how it follows it."""

import json
import subprocess

import pytest
from test_hvmem_guest import TOOL, environment, running
from travel import Traveller, quickly, slowly

import hvb
from hvb import GIB, MIB
from speed import patient


@pytest.fixture(name="guest")
def a_guest(hosts, request):
    """1 GiB, up to 4 GiB, on the first host, whose daemon is not restarted until the test ends: the tool has it open all the time."""
    with hvb.daemon_use(host=hosts[0]):
        guest = Traveller("hvbt-followed", hosts, memory=GIB, maximum=4 * GIB, vcpus=1, accel=request.config.getoption("--accel"))
        guest.begin()
        yield guest
        guest.remove()
    hosts[0].use()


def ask(*args, status=0):
    """The document, and the text of its errors."""
    got = subprocess.run([TOOL, "--format=json", *map(str, args)], capture_output=True, text=True, check=False, timeout=patient(120), env=environment())
    assert got.returncode == status, f"{args}: {got.returncode}\n{got.stdout}\n{got.stderr}"
    return json.loads(got.stdout), got.stderr


def watching(*args):
    """'watch' in the background."""
    return running("--format=json", "watch", *args)


def line_with(tool, test):
    """The first line of 'watch' that TEST accepts."""
    for text in tool.stdout:
        line = json.loads(text)
        if test(line):
            return line
    raise AssertionError("watch has ended: " + tool.stderr.read())


def test_a_guest_is_followed_to_another_host(guest, hosts):
    """With its definition, while it is told what is going on; and back."""
    here, there = ("-c", hosts[0].uri, "--also", hosts[1].uri), ("-c", hosts[1].uri)
    checks = {check["check"]: check for check in ask("doctor", guest.name, *here[:2])[0]["checks"] if check["about"] == guest.name}
    assert checks["migration"]["result"] == "pass"

    with watching(guest.name, *here) as tool:
        line_with(tool, lambda line: line["type"] == "sample" and line["domain"]["current"] == GIB * 1024)
        slowly(guest)
        with guest.beginning("--persistent", "--undefinesource"):
            one = ask("status", guest.name, *here)[0]["domain"]
            assert (one["summary"], one["migration"], "host" in one) == ("migrating", "out", False)
            assert 0 <= one["migrated_percent"] <= 100
            assert ask("status", guest.name, *there)[0]["domain"]["migration"] == "in"
            assert "is being migrated" in ask("set", guest.name, "2GiB", *here[:2], status=4)[1]
            quickly(guest)
        guest.is_at(guest.other())
        event = line_with(tool, lambda line: line["type"] == "event" and "is now on" in line["event"])
        assert event["name"] == guest.name

        guest.setmem(2 * GIB)
        moved = line_with(tool, lambda line: line["type"] == "sample" and abs(line["domain"]["current"] - 2 * GIB * 1024) <= 2 * MIB * 1024)
        assert moved["domain"]["host"] in event["event"]
        assert ask("status", guest.name, *here)[0]["domain"]["host"] == moved["domain"]["host"]
        assert "list --all" in ask("status", guest.name, *here[:2], status=1)[1]

        guest.migrate("--persistent")
        line_with(tool, lambda line: line["type"] == "sample" and line["domain"]["running"] and "host" not in line["domain"])
        tool.terminate()
        tool.communicate(timeout=patient(20))
    assert tool.returncode == 0
    one = ask("status", guest.name, *there)[0]["domain"]
    assert (one["summary"], one["migration"], one["running"]) == ("migrated away", "away", False)


def test_without_another_host_it_says_that_the_guest_went(guest, hosts):
    with watching(guest.name, "-c", hosts[0].uri) as tool:
        line_with(tool, lambda line: line["type"] == "sample")
        guest.migrate("--persistent", "--undefinesource")
        line_with(tool, lambda line: line["type"] == "event" and "migrated to another host" in line["event"])
        # not by communicate(), which does not have what line_with() has read ahead
        out, err = tool.stdout.read(), tool.stderr.read()
    assert tool.returncode == 1
    assert "--also" in err
    assert json.loads(out.splitlines()[-1])["error"]["name"] == guest.name
