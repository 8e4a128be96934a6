# SPDX-License-Identifier: LGPL-2.1-or-later
"""What scripts rely on: the exit status of virsh-hvmem, and its JSON. Without QEMU."""

import json
import os
import pathlib
import pty
import re
import subprocess
import textwrap

import jsonschema
import pytest

from test_virsh_hvmem import COMMANDS, TOOL, acpi_driver, hvmem

ROOT = pathlib.Path(__file__).resolve().parents[2]
FAKE = ROOT / "build/obj/tools/tests/tools/fake/virsh-hvmem-fake"
NO_DAEMON = "qemu+unix:///system?socket=/nonexistent/socket"
USAGE, CONNECTION, REFUSED = 2, 3, 4


@pytest.mark.parametrize("args, status", [
    (["list"], 0),
    (["--version"], 0),
    (["set", "--help"], 0),
    (["status", "nobody"], 1),
    (["plot", "/nonexistent.csv", "-o", "x.svg"], 1),
    (["doctor", "test"], 1),
    ([], USAGE),
    (["lst"], USAGE),
    (["list", "--nonsense"], USAGE),
    (["list", "extra"], USAGE),
    (["list", "--format", "xml"], USAGE),
    (["set", "test", "4Gi"], USAGE),
    (["set", "test", "0"], USAGE),
    (["set", "test", "1GiB", "--timeout", "3"], USAGE),
    (["watch", "test", "--interval", "0"], USAGE),
    (["plot", "x.csv"], USAGE),
    (["-c", NO_DAEMON, "list"], CONNECTION),
    (["-c", NO_DAEMON, "set", "g", "1GiB"], CONNECTION),
    (["-c", "nonsense:///", "watch", "g"], CONNECTION),
    (["status", "test"], REFUSED),
    (["set", "test", "1GiB"], REFUSED),
    (["plan", "test", "1GiB"], REFUSED),
    (["watch", "test"], REFUSED),
    (["-r", "enable", "test"], REFUSED),
    (["disable", "test"], REFUSED),
])
def test_exit_status(args, status):
    got = hvmem(*args)
    assert got.returncode == status, got.stderr
    assert got.stderr.startswith("error: ") == (status > 0 and "doctor" not in args)


@pytest.mark.parametrize("args, hint", [
    (["status", "nobody"], "virsh-hvmem list --all"),
    (["-c", NO_DAEMON, "list"], "systemctl status"),
    (["-c", "test:///nonexistent.xml", "list"], "Check the URI"),
])
def test_an_error_says_what_to_do(args, hint):
    assert args[1] in hvmem(*args).stderr
    assert hint in next(line for line in hvmem(*args).stderr.splitlines() if line.startswith("hint: "))


def strict(schema):
    """The same, but a member that it does not name is an error."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    more = {"additionalProperties": False} if schema.get("type") == "object" else {}
    return {name: strict(value) for name, value in schema.items()} | more


SCHEMA = json.loads((ROOT / "schemas/virsh-hvmem.schema.json").read_text(encoding="utf-8"))
jsonschema.Draft202012Validator.check_schema(SCHEMA)
PLAIN = jsonschema.Draft202012Validator(SCHEMA)
STRICT = jsonschema.Draft202012Validator(strict(SCHEMA))


def checked(text):
    """The document, which is as the schema has it, and has nothing that the schema does not name."""
    one = json.loads(text)
    PLAIN.validate(one)
    STRICT.validate(one)
    return one


def document(*args, status=0):
    """What it prints."""
    got = hvmem(*args, "--format", "json")
    assert got.returncode == status, got.stderr
    return checked(got.stdout)


GUESTS = """[g1]
running=true
max=8192
boot=1024
sticks=ua-haprot0:2048:inuse;ua-haprot1:1024:unused;
current=3072
requested=3072
state=idle
usable=1900
rss=3300
speed=512
[g2]
running=true
max=2048
boot=1024
current=1024
requested=512
state=floor
minimum=256
usable=300
rss=900
last-error=the guest kept 524288 KiB
[off]
running=false
max=4096
boot=512
current=512
requested=512
[broken]
running=true
max=8192
boot=1024
current=1024
requested=1024
state=idle
refuse=true
[legacy]
running=true
model=virtio
boot=2048
current=2048
"""


@pytest.fixture(name="made_up")
def made_up_guests(tmp_path):
    """Runs it with guests that have the balloon, which a fake libvirt invents; the status and the documents, one a line for watch."""
    scene = tmp_path / "scene"
    scene.write_text(GUESTS, encoding="utf-8")

    def run(*args):
        got = subprocess.run([FAKE, *args, "--format", "json"], capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL,
                             env={**os.environ, "LC_ALL": "C.UTF-8", "HVMEM_FAKE": str(scene)})
        texts = got.stdout.splitlines() if args[0] == "watch" else [got.stdout]
        return got.returncode, [checked(text) for text in texts]

    return run


@pytest.mark.parametrize("args, status", [
    (["list", "--all"], 0),
    (["status", "g1"], 0),
    (["status", "g2"], 0),
    (["status", "off"], 0),
    (["status", "legacy"], REFUSED),
    (["set", "g1", "4GiB"], 0),
    (["set", "g1", "4GiB", "--wait"], 0),
    (["wait", "g1"], 0),
    (["wait", "off"], REFUSED),
    (["plan", "g1", "6GiB"], 0),
    (["plan", "g1", "1GiB"], 0),
    (["plan", "g1", "64GiB"], REFUSED),
    (["auto", "g1"], 0),
    (["watch", "g1", "--interval", "0.1", "--duration", "1"], 0),
    (["watch", "--all", "--interval", "0.1", "--duration", "1"], 0),
    (["watch", "legacy"], REFUSED),
])
def test_documents_of_guests_with_the_balloon(made_up, args, status):
    got, documents = made_up(*args)
    assert got == status
    assert documents and all(one["command"] == args[0] for one in documents)


def test_a_name_that_is_no_utf8_does_not_spoil_the_document():
    assert "a\ufffd" in document("status", b"a\xf0", status=1)["error"]["message"]


def test_a_sample_that_outlasts_the_duration_is_not_lost(made_up, tmp_path):
    """Libvirt is slow, not silent."""
    (tmp_path / "scene").write_text(GUESTS.replace("[g1]\n", "[g1]\nslow=800\n"), encoding="utf-8")
    status, documents = made_up("watch", "g1", "--duration", "0.2", "--record", str(tmp_path / "r.csv"))
    assert status == 0 and documents
    assert len((tmp_path / "r.csv").read_text(encoding="utf-8").splitlines()) >= 2


def test_a_plan_that_is_refused_is_a_plan(made_up):
    _, (one,) = made_up("plan", "g1", "64GiB")
    assert one["error"]["kind"] == "refused" and one["steps"] == []
    assert not PLAIN.evolve(schema={"$ref": "#/$defs/failure", "$defs": SCHEMA["$defs"]}).is_valid(one)


def test_of_several_domains_none_is_set_if_one_is_refused(made_up):
    status, (one,) = made_up("set", "g1", "g2", "4GiB")
    first, second = one["domains"]
    assert status == REFUSED
    assert first["error"]["message"] == "nothing was changed for 'g1', because 'g2' cannot be set"
    assert first["error"]["kind"] == second["error"]["kind"] == "refused"
    assert first["requested"] == 3 << 30 and second["error"]["limit"] == 2 << 30


@pytest.mark.parametrize("domains, status", [(["broken"], REFUSED), (["g1", "broken"], 1), (["broken", "g1"], 1)])
def test_refused_means_that_nothing_was_changed(made_up, domains, status):
    """libvirt refuses one of them after the other was set."""
    got, (one,) = made_up("set", *domains, "2GiB", "--force")
    assert got == status
    requested = {domain["name"]: (domain["requested"], domain.get("error", {}).get("status")) for domain in one["domains"]}
    assert requested["broken"] == (1 << 30, REFUSED)
    assert requested.get("g1", (2 << 30, None)) == (2 << 30, None)


def test_documents_are_as_the_schema_says(tmp_path):
    (one,) = document("list", "--all")["domains"]
    assert one["name"] == "test"
    assert document("doctor", "test", status=1)["checks"]
    assert document("enable", "t", "-n", "--max", "2GiB", "-c", acpi_driver(tmp_path))["domains"][0]["name"] == "t"


def test_enable_says_what_it_does_before_the_xml(tmp_path):
    got = hvmem("enable", "t", "--dry-run", "-c", acpi_driver(tmp_path)).stdout
    assert got.index("up to a ceiling of") < got.index("that is what this host has") < got.index("@@")
    assert "Free page reporting is on" in " ".join(got.split())
    got = hvmem("enable", "t", "--dry-run", "--no-free-page-reporting", "-c", acpi_driver(tmp_path)).stdout
    assert "freePageReporting" not in got


def test_plugged_is_shown_before_it_is_defined(tmp_path):
    """A stick up to there; boot memory and what the guest starts with are as before."""
    got = hvmem("enable", "t", "--dry-run", "--max", "8GiB", "--plugged", "8GiB", "-c", acpi_driver(tmp_path)).stdout
    words = " ".join(got.split())
    assert "'t' starts with 1 GiB as before" in words
    assert "8 GiB is plugged: boot memory, which does not change, and a stick of 7 GiB" in words
    lines = [line for line in got.splitlines() if line.startswith(("+", "-"))]
    assert "+  <memory unit='KiB'>8388608</memory>" in lines
    assert not [line for line in lines if "currentMemory" in line]
    at = lines.index("+    <memory model='haprot'>")
    assert lines[at:at + 6] == ["+    <memory model='haprot'>", "+      <target insert='on-demand'>", "+        <size unit='KiB'>7340032</size>",
                                "+      </target>", "+      <alias name='ua-plugged'/>", "+    </memory>"]


@pytest.mark.parametrize("args, word", [
    (["--max", "4GiB", "--plugged", "5GiB"], "above the ceiling, 4 GiB"),
    (["--max", "4GiB", "--plugged", "1023MiB"], "below boot memory, 1 GiB"),
    (["--max", "4GiB", "--plugged", "2049MiB"], "is a multiple of 2 MiB. Request 2GiB or 2050MiB"),
])
def test_plugged_that_cannot_be_is_refused(tmp_path, args, word):
    got = hvmem("enable", "t", "--dry-run", *args, "-c", acpi_driver(tmp_path))
    assert got.returncode == REFUSED
    assert word in " ".join(got.stderr.split())
    assert document("enable", "t", "--dry-run", *args, "-c", acpi_driver(tmp_path), status=REFUSED)["domains"][0]["changed"] is False


def test_plugged_that_is_no_size(tmp_path):
    got = hvmem("enable", "t", "--dry-run", "--plugged", "much", "-c", acpi_driver(tmp_path))
    assert got.returncode == USAGE
    assert "--plugged" in got.stderr


@pytest.mark.parametrize("answer, args, status, word", [
    ("n\n", [], REFUSED, "nothing has been changed"),
    ("\n", [], REFUSED, "nothing has been changed"),
    ("y\n", [], None, "failed to change the definition"),
    ("", ["--yes"], None, "failed to change the definition"),
    ("", ["--max", "2GiB"], None, "failed to change the definition"),
])
def test_a_guessed_ceiling_is_confirmed_on_a_terminal(tmp_path, answer, args, status, word):
    """libvirt's test driver does not know the balloon: it refuses what is defined."""
    leader, follower = pty.openpty()
    os.write(leader, answer.encode())
    with subprocess.Popen([TOOL, "-c", acpi_driver(tmp_path), "enable", "t", *args], stdin=follower, stdout=follower, stderr=follower) as tool:
        os.close(follower)
        said = b""
        try:
            while more := os.read(leader, 4096):
                said += more
        except OSError:
            pass                # all writers are gone
        tool.wait(timeout=20)
    os.close(leader)
    said = said.decode()
    assert word in said
    assert ("[y/N]" in said) == (not args)
    assert tool.returncode == status if status else tool.returncode in (1, REFUSED)


def test_the_doctor_examines_a_domain_before_enable(tmp_path):
    checks = document("doctor", "t", "-c", acpi_driver(tmp_path), status=1)["checks"]
    mine = {check["check"]: check["result"] for check in checks if check["about"] == "t"}
    assert mine["balloon"] == "warn"
    assert {"machine", "enlightenments", "ceiling", "migration", "hibernation"} <= set(mine)
    assert mine["free pages"] == "pass", "'enable' would turn that on"


def test_enable_takes_several_domains(tmp_path):
    one, two = document("enable", "t", "u", "t", "--dry-run", "-c", acpi_driver(tmp_path, "t", "u"))["domains"]
    assert (one["name"], two["name"]) == ("t", "u")
    assert "hyperv" in one["diff"] and "hyperv" in two["diff"]


def test_the_strict_schema_finds_what_is_not_documented():
    """The check above could fail."""
    with pytest.raises(jsonschema.ValidationError):
        STRICT.validate({"schema": 2, "command": "list", "domains": [], "more": 1})
    with pytest.raises(jsonschema.ValidationError):
        PLAIN.validate({"schema": 2, "command": "list"})
    with pytest.raises(jsonschema.ValidationError):
        STRICT.validate({"schema": 2, "command": "list", "domains": [{"name": "g", "running": True, "model": "none", "label": "x"}]})


@pytest.mark.parametrize("args, status, kind", [
    (["status", "nobody"], 1, "failed"),
    (["set", "test", "4Gi"], USAGE, "usage"),
    (["set"], USAGE, "usage"),
    (["lst"], USAGE, "usage"),
    (["list", "--nonsense"], USAGE, "usage"),
    (["--nonsense", "list"], USAGE, "usage"),
    (["watch", "--interval", "soon"], USAGE, "usage"),
    (["-c", NO_DAEMON, "list"], CONNECTION, "connection"),
    (["status", "test"], REFUSED, "refused"),
    (["watch", "test"], REFUSED, "refused"),
])
def test_errors_are_objects(args, status, kind):
    error = document(*args, status=status)["error"]
    assert (error["status"], error["kind"]) == (status, kind)
    assert error["message"]
    assert "\n" not in error["message"]


def test_an_error_has_its_cause_hint_and_domain():
    error = document("status", "nobody", status=1)["error"]
    assert error["name"] == "nobody"
    assert error["cause"] == "Domain not found"
    assert "list --all" in error["hint"]


def test_jq_takes_every_name_without_quotes(tmp_path):
    """jq of Debian 12, where label and the like are keywords."""
    def names(what):
        if isinstance(what, dict):
            for name, value in what.get("properties", {}).items():
                yield name
                yield from names(value)
            for each in what.values():
                yield from names(each)
        elif isinstance(what, list):
            for each in what:
                yield from names(each)

    for name in sorted(set(names(SCHEMA))):
        file = tmp_path / "one.json"
        file.write_text(json.dumps({name: 7}), encoding="utf-8")
        got = subprocess.run(["jq", f"{{{name}}} | .{name}", file], capture_output=True, text=True, check=False)
        assert got.stdout == "7\n", f"{name}: {got.stderr}"


def examples():
    """The blocks of the manual after 'Examples::' and under EXAMPLES, as scripts."""
    manual = (ROOT / "tools/virsh-hvmem/virsh-hvmem.rst").read_text(encoding="utf-8")
    whole = manual[manual.index("\nExamples::"):]
    return [textwrap.dedent(block) for block in re.findall(r"::\n\n((?:    .*\n|\n(?=    ))+)", whole)]


def the_helps_example(command):
    return hvmem("help", command).stdout.split("Example:\n")[1].strip()


@pytest.mark.parametrize("script", [*examples(), *(the_helps_example(command) for command in COMMANDS)])
def test_examples_run_as_they_are(tmp_path, script):
    """All but ten minutes of waiting. The guest is one that a fake libvirt invents, and so is virsh."""
    guest = "running=true\nmax=8192\nboot=1024\ncurrent=1024\nrequested=1024\nstate=idle\nusable=700\nrss=900\nspeed=2048\n"
    (tmp_path / "scene").write_text(f"[g1]\n{guest}[g2]\n{guest}", encoding="utf-8")
    (tmp_path / "virsh-hvmem").symlink_to(FAKE)
    (tmp_path / "virsh").write_text("#!/bin/sh\n[ $1 != domstate ] || echo 'shut off'\n", encoding="utf-8")
    (tmp_path / "virsh").chmod(0o755)
    (tmp_path / "g1.csv").write_text("time,domain,requested,current,usable,rss,capacity,state,event,demand\n1,g1,1,1,1,1,1,idle,,\n", encoding="utf-8")
    if "--record" in script:
        (tmp_path / "g1.csv").unlink()
    # a definition of the fake's has no name to be defined by
    script = re.sub(r"(?m)^virsh-hvmem (en|dis)able (?!.*--dry-run).*", r"\g<0> --dry-run", script)
    short = re.sub(r"--duration \d+", "--duration 1", script)
    short = re.sub(r"(?m)^virsh-hvmem (watch|balance)(?!.*(--duration|--dry-run))", r"timeout -s INT 2 \g<0>", short)
    got = subprocess.run(["bash", "-ec", short], capture_output=True, text=True, check=False, timeout=120, cwd=tmp_path, stdin=subprocess.DEVNULL,
                         env={**os.environ, "LC_ALL": "C.UTF-8", "ASAN_OPTIONS": "detect_leaks=0", "HVMEM_FAKE": str(tmp_path / "scene"),
                              "PATH": f"{tmp_path}:/usr/bin:/bin"})
    # a doctor may find something; who interrupts 'timeout' gets its status
    assert got.returncode in ((0, 1) if "doctor" in script else (0, 124) if "timeout -s" in short else (0,)), got.stdout + got.stderr
