# SPDX-License-Identifier: LGPL-2.1-or-later
"""virsh-hvmem without QEMU: options, errors, and libvirt's own test driver, which has a virtio balloon."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = ROOT / "build/obj/tools/tools/virsh-hvmem/virsh-hvmem"
COMMANDS = ["list", "status", "plan", "set", "wait", "watch", "plot", "doctor", "metrics", "enable", "disable", "auto", "balance", "help"]


def hvmem(*args, **env):
    """Runs it on the test driver; status, output and errors."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("LIBVIRT_") and k != "LD_LIBRARY_PATH"}
    got = subprocess.run([TOOL, *args], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=60,
                         env={**clean, "LC_ALL": "C.UTF-8", "LIBVIRT_DEFAULT_URI": "test:///default",
                              "ASAN_OPTIONS": "detect_leaks=1", **env})
    assert "Sanitizer" not in got.stderr, got.stderr
    assert got.returncode in (0, 1, 2, 3, 4), f"exit status {got.returncode}: {got.stderr}"
    return got


def refused(*args):
    """Its error; nothing else is printed."""
    got = hvmem(*args)
    assert got.returncode > 0
    assert not got.stdout
    assert got.stderr.startswith("error: ")
    return got.stderr


def test_help_names_every_command():
    got = hvmem("--help")
    assert got.returncode == 0
    for command in COMMANDS:
        assert f"\n  {command} " in got.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(command):
    got = hvmem(command, "--help")
    assert got.returncode == 0
    assert f"virsh-hvmem {command}" in got.stdout
    assert "--connect" in got.stdout


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help(command):
    """Fits 80 columns, has commands before options, and an example; 'help' is the same."""
    words = [command] if command else []
    text = hvmem(*words, "--help").stdout
    assert all(len(line) <= 80 for line in text.splitlines())
    assert text.startswith("Usage: virsh-hvmem")
    assert "\nExample:\n  virsh-hvmem " in text
    assert hvmem("help", *words).stdout == hvmem(*words, "-h").stdout == text
    if not command:
        assert text.index("\nCommands:\n") < text.index("\nOptions, ")


@pytest.mark.parametrize("typed, meant", [("lst", "list"), ("stat", "status"), ("watsh", "watch"), ("enabel", "enable"), ("docter", "doctor")])
def test_a_slip_of_the_pen(typed, meant):
    assert f"did you mean '{meant}'?" in refused(typed)
    assert f"did you mean '{meant}'?" in refused("help", typed)


def test_what_nobody_means():
    assert "did you mean" not in refused("nonsense") + refused("x")


@pytest.mark.parametrize("args", [["--version"], ["list", "--version"]])
def test_version(args):
    assert hvmem(*args).stdout.strip().replace(".", "").isdigit()


@pytest.mark.parametrize("args, word", [
    ([], "no command"),
    (["nonsense"], "nonsense"),
    (["--nonsense"], "--nonsense"),
    (["list", "extra"], "too many"),
    (["list", "--sort", "size"], "the columns are name,requested,current"),
    (["list", "--columns", "name,size"], "no such column"),
    (["watch", "--all", "test"], "--all cannot be combined"),
    (["doctor", "--all", "test"], "--all cannot be combined"),
    (["status"], "usage: virsh-hvmem status DOMAIN"),
    (["status", "nobody"], "nobody"),
    (["status", "test"], "virsh-hvmem enable test"),
    (["set", "test"], "usage"),
    (["set", "test", "1x"], "1x"),
    (["set", "test", "0"], "cannot be 0"),
    (["set", "test", "0%"], "cannot be 0"),
    (["wait", "test", "--timeout", "0"], "from 1 on"),
    (["wait", "test"], "virsh-hvmem enable test"),
    (["watch", "test", "--append"], "--record"),
    (["watch", "test", "--record", "x", "--append", "--force"], "--append"),
    (["set", "test", "1GiB", "--timeout", "3"], "--wait"),
    (["set", "test", "1GiB", "--config", "--wait"], "running guest"),
    (["set", "test", "1GiB", "--current", "--live"], "--current"),
    (["set", "test", "1GiB", "--wait", "--timeout", "0"], "from 1 on"),
    (["set", "test", "1GiB", "--wait", "--timeout", "-1"], "from 1 on"),
    (["set", "test", "1GiB", "--timeout", "soon"], "virsh-hvmem set --help"),
    (["set", "test", "-x"], "'virsh-hvmem set --help'"),
    (["set", "test", "--", "-x"], "SIZE '-x': 'x' is not a size"),
    (["set", "--", "test", "-1x"], "SIZE '-1x': '1x' is not a size"),
    (["--", "set", "--wait", "test", "--", "-1x"], "SIZE '-1x': '1x' is not a size"),
    (["set", "test", "-1x", "--wait"], "SIZE '-1x': '1x' is not a size"),
    (["set", "test", "--wait", "-1x"], "SIZE '-1x': '1x' is not a size"),
    (["plan", "test", "-1x"], "SIZE '-1x': '1x' is not a size"),
    (["set", "test", "x", "1GiB"], "domain 'x'"),
    (["status", "--", "-x"], "'-x'"),
    (["--nonsense"], "'virsh-hvmem --help'"),
    (["watch", "test", "--duration", "-1"], "--duration -1"),
    (["watch", "test", "--interval", "0"], "--interval 0"),
    (["plot", "x.csv", "-o", "x.jpg"], "the picture is SVG or PNG"),
    (["list", "--format", "xml"], "xml"),
    (["auto"], "usage: virsh-hvmem auto DOMAIN"),
    (["auto", "test"], "virsh-hvmem enable test"),
    (["balance", "--dry-run", "--once"], "--once"),
    (["balance", "--interval", "0"], "interval '0'"),
    (["balance", "--interval", "soon"], "interval 'soon'"),
    (["balance", "--budget", "4x"], "budget '4x'"),
    (["balance", "--budget", "1GiB", "--reserve", "1GiB"], "a reserve of 1 GiB leaves nothing of the budget, 1 GiB: choose a smaller reserve"),
    (["balance", "--conf", "/nonexistent/x.conf"], "/nonexistent/x.conf"),
    (["-r", "balance"], "--readonly"),
    (["-c", "nonsense:///", "list"], "connect"),
])
def test_errors_name_what_is_wrong(args, word):
    assert word in refused(*args)


@pytest.mark.parametrize("args", [["enable", "t", "--max", "5", "--dry-run"],
                                  ["enable", "t", "--minimum", "5", "--dry-run"],
                                  ["enable", "t", "--plugged", "5", "--dry-run"]])
def test_a_size_without_a_unit_is_doubted(args, tmp_path):
    driver = acpi_driver(tmp_path)
    assert "warning: 5 KiB: sizes without a unit" in hvmem("-c", driver, *args).stderr
    assert "warning" not in hvmem("-q", "-c", driver, *args).stderr


def test_list_without_hyperv_is_empty():
    assert json.loads(hvmem("list", "--format", "json").stdout)["domains"] == []
    assert not hvmem("-q", "list").stdout
    assert "0 of 0 running" in hvmem("list").stdout


def test_list_all_tells_what_others_have():
    got = hvmem("list", "--all").stdout
    assert "virtio balloon" in got
    (one,) = json.loads(hvmem("--format=json", "list", "--all").stdout)["domains"]
    assert one["name"] == "test"
    assert one["model"] == "virtio"
    assert one["running"] is True
    assert one["current"] == 2 << 30
    assert "state" not in one


def test_global_options_anywhere():
    assert hvmem("-r", "--format", "json", "list", "-a").stdout == hvmem("list", "-a", "-r", "--format=json").stdout


def test_domain_by_id_and_uuid():
    (one,) = json.loads(hvmem("list", "--all", "--format=json").stdout)["domains"]
    for name in ("1", one["uuid"]):
        assert "domain 'test' has no hyperv balloon" in refused("status", name)


def test_readonly_does_not_change_a_definition():
    assert "--readonly" in refused("-r", "enable", "test")


def acpi_driver(tmp_path, *names):
    """The test driver with domains (one, t) that 'enable' accepts, as far as is known without QEMU."""
    file = tmp_path / "node.xml"
    domains = (f"<domain type='test'><name>{name}</name><memory unit='GiB'>1</memory><os><type>hvm</type></os><features><acpi/></features>"
               "<devices><memballoon model='virtio' autodeflate='on'><stats period='3'/></memballoon></devices></domain>" for name in names or ["t"])
    file.write_text(f"<node>{''.join(domains)}</node>")
    return f"test://{file}"


def test_libvirt_that_cannot_try_a_definition(tmp_path):
    for args in [], ["-r"]:
        got = json.loads(hvmem("-c", acpi_driver(tmp_path), *args, "--format=json", "enable", "t", "--max", "2GiB", "--dry-run").stdout)["domains"][0]
        assert got["changed"] is False
        assert "autodeflate='on'" in got["remarks"][0]
        assert "could not be asked" in got["remarks"][1]
        assert "+    <memballoon model='hyperv' freePageReporting='on'>\n       <stats period='3'/>\n" in got["diff"]


def change(tmp_path, meanwhile, *args, **env):
    """Has the definition of t changed, while something happens to it; what came of it, and what was defined."""
    file = tmp_path / "defined.xml"
    got = hvmem("-c", acpi_driver(tmp_path), *args, HVMEM_FAKE_DEFINITION=meanwhile, HVMEM_FAKE_DEFINED=str(file),
                LD_PRELOAD=str(ROOT / "build/obj/tools/tests/tools/unit/hvmem-fake-definition.so"),
                ASAN_OPTIONS="verify_asan_link_order=0:detect_leaks=1", **env)
    return got, file.read_text() if file.exists() else None


def test_a_definition_is_changed(tmp_path):
    got, defined = change(tmp_path, "nothing", "enable", "t", "--max", "2GiB")
    assert got.returncode == 0, got.stderr
    assert "<memballoon model='hyperv'" in defined and "t: definition updated, effective at the next start" in got.stdout


@pytest.mark.parametrize("args, env", [(["enable", "t", "--max", "2GiB"], {}), (["disable", "t"], {"HVMEM_FAKE_HYPERV": "1"})], ids=["enable", "disable"])
@pytest.mark.parametrize("meanwhile, word", [
    ("changed", "somebody else has changed the definition of domain 't' meanwhile; nothing has been changed: try again"),
    ("undefined", "domain 't' is transient"),
])
def test_a_definition_that_somebody_else_changes_meanwhile_stays(tmp_path, args, env, meanwhile, word):
    """Also if it was removed: it is not defined again."""
    got, defined = change(tmp_path, meanwhile, *args, **env)
    assert got.returncode == 4, got.stderr
    assert word in " ".join(got.stderr.split())
    assert "definition updated" not in got.stdout and defined is None


def test_a_definition_that_cannot_be_read_again_has_been_changed(tmp_path):
    got, defined = change(tmp_path, "unreadable", "--format=json", "enable", "t", "--max", "2GiB")
    assert got.returncode == 1 and "<memballoon model='hyperv'" in defined
    one = json.loads(got.stdout)["domains"][0]
    assert one["changed"] is True and "diff" not in one
    assert one["error"]["message"] == "the definition of domain 't' has been changed, but could not be read again"


def test_output_that_does_not_arrive_is_an_error():
    with open("/dev/full", "w", encoding="utf-8") as full:
        got = subprocess.run([TOOL, "-c", "test:///default", "list", "--all"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert got.returncode == 1
    assert got.stderr.startswith("error: cannot write to standard output")


SOURCE = ROOT / "tools/virsh-hvmem"


def test_manual_names_every_command_and_option():
    manual = (SOURCE / "virsh-hvmem.rst").read_text(encoding="utf-8")
    for command in COMMANDS:
        assert f"\n{command}\n{'-' * len(command)}\n" in manual
        for word in hvmem(command, "--help").stdout.replace("=", " ").replace(",", " ").split():
            if word.startswith("--") and word[2:3].isalpha():
                assert word.rstrip("])|.;:'") in manual, f"{command} {word}"


def test_manual_is_formatted():
    page = ROOT / "build/obj/tools/tools/virsh-hvmem/virsh-hvmem.1"
    assert page.read_text(encoding="utf-8").count('.SH ') >= 8


def test_balance_decides_without_automatic_domains():
    got = json.loads(hvmem("balance", "--dry-run", "--budget", "4GiB", "--format=json").stdout)
    assert got["budget"] == 4 << 30
    assert got["others"] == 2 << 30
    assert got["guests"] == []
    assert "Budget 4 GiB" in hvmem("-r", "balance", "--dry-run", "--budget", "4GiB").stdout
    assert hvmem("balance", "--once").returncode == 0


def test_one_balancer_at_a_time_and_it_ends_on_request(tmp_path):
    """The second one names the first, which systemd is told about, and which a mistake in the file does not end."""
    conf = tmp_path / "balance.conf"
    conf.write_text("[balance]\ninterval = 0.2\n")
    ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    ready.bind(str(tmp_path / "notify"))
    ready.settimeout(60)
    command = [TOOL, "-c", "test:///default", "balance", "--conf", conf]
    with ready, subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                 env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}) as first:
        try:
            assert ready.recv(100) == b"READY=1"
            assert f"process {first.pid}" in refused("balance", "--once")
            conf.write_text("[balance]\ninterval = never\n")
            first.send_signal(signal.SIGHUP)
            assert "interval 'never'" in first.stderr.readline()
            assert ready.recv(100) == b"WATCHDOG=1"
        finally:
            first.terminate()
        assert first.wait(timeout=60) == 0
        assert not first.stderr.read()


def test_the_packaged_configuration_is_accepted():
    assert hvmem("balance", "--dry-run", "--conf", str(ROOT / "packaging/balance.conf")).returncode == 0


@pytest.mark.parametrize("text, word", [
    ("[balance]\nbudget = 4x\n", "budget '4x'"), ("[balance]\ninterval = 0\n", "interval '0'"), ("[balance]\nbuget = 4GiB\n", "'buget' is not known"),
    ("budget = 4GiB\n", "group"), ("[other]\n", "balance"), ("[balance]\nbudget = 1GiB\nreserve = 2GiB\n", "leaves nothing"), (None, "No such file"),
])
def test_a_mistake_in_the_configuration_has_its_own_status(tmp_path, text, word):
    """By which systemd knows that it is of no use to start the balancer again, and no other failure has it."""
    conf = tmp_path / "balance.conf"
    if text:
        conf.write_text(text)
    got = hvmem("balance", "--once", "--conf", str(conf))
    assert got.returncode == 2, got.stderr
    assert word in got.stderr
    unit = (ROOT / "packaging/debian/virsh-hvmem.hv-balloon-balance.service").read_text()
    assert "\nRestart=on-failure\n" in unit and "\nRestartPreventExitStatus=2\n" in unit
    assert hvmem("-c", "test:///nonexistent.xml", "balance", "--once").returncode != 2


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
@pytest.mark.parametrize("unit", sorted((ROOT / "packaging/debian").glob("*.service")) + sorted((ROOT / "packaging/debian").glob("*.timer")),
                         ids=lambda path: path.name)
def test_systemd_understands_the_packaged_units(tmp_path, unit):
    """Whatever it does not know, it says. Our programs and units are not installed here."""
    for path in unit.parent.glob("*.*.[st]*"):
        if path.suffix in (".service", ".timer"):
            text = re.sub(r"^(Exec\w+=)/\S+", r"\1/bin/true", path.read_text(), flags=re.M)
            (tmp_path / path.name.split(".", 1)[1]).write_text(text)
    got = subprocess.run(["systemd-analyze", "verify", "--man=no", tmp_path / unit.name.split(".", 1)[1]], capture_output=True, text=True, check=False,
                         env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"})
    assert got.returncode == 0 and str(tmp_path) not in got.stderr, got.stderr


def test_schema_of_the_metadata(tmp_path):
    def accepts(xml):
        file = tmp_path / "auto.xml"
        file.write_text(xml)
        return subprocess.run(["xmllint", "--noout", "--relaxng", ROOT / "schemas/hvmem-auto.rng", file], capture_output=True,
                              check=False).returncode == 0

    assert accepts("<auto/>")
    assert accepts("<x:auto xmlns:x='urn:virsh-hvmem:auto:1' minimum='1' maximum='2' buffer='5' weight='10000' hold='3'/>")
    for wrong in "minimum='x'", "minimum='0'", "buffer='4'", "buffer='201'", "weight='0'", "weight='10001'", "hold='no'", "other='1'":
        assert not accepts(f"<auto {wrong}/>"), wrong
    assert not accepts("<automatic/>")
