# SPDX-License-Identifier: LGPL-2.1-or-later
"""virsh-hvmem enable and disable on libvirt's own definitions, and the other commands' messages until a guest is restarted. No guest boots."""

import collections
import contextlib
import re
import tempfile
import xml.etree.ElementTree as ET

import pytest

import hvb
from hvb import GIB
from test_hvmem_guest import query, run

OLD_BALLOON = """<memballoon model='virtio' autodeflate='on' freePageReporting='on'><stats period='10'/></memballoon>"""
FOREIGN = """<metadata><app:info xmlns:app='http://example.org/app' note='it&apos;s "so"'>
  <app:script><![CDATA[if (a < "b" && c > 'd') { print("it's"); }]]></app:script><!-- "it's" --></app:info></metadata>"""
BACKING = "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"
WINDOWS = """<metadata><l:libosinfo xmlns:l='http://libosinfo.org/xmlns/libvirt/domain/1.0'>
  <l:os id='http://microsoft.com/win/11'/></l:libosinfo></metadata>"""


@pytest.fixture(name="make_old")
def old_guests():
    """make_old(edit): a definition with a virtio balloon, changed by EDIT; removed afterwards."""
    made = []

    def make(edit=lambda xml: xml):
        other = hvb.Guest("hvbt-tool-old")
        xml = other.xml.replace("<memballoon model='hyperv'/>", OLD_BALLOON)
        xml = re.sub(r"\s*<maxMemory.*?</maxMemory>", "", xml).replace("<suspend-to-disk enabled='no'/>", "<suspend-to-mem enabled='no'/>")
        other.xml = edit(re.sub("<hyperv>.*</hyperv>", "", xml, flags=re.S))
        made.append(other)
        other.remove()
        other.define()
        return other

    yield make
    for other in made:
        with contextlib.suppress(hvb.VirshError):
            hvb.virsh("managedsave-remove", other.name)
        other.remove()


def with_kvm(xml):
    """A KVM guest if libvirt has KVM, whether it works or not: Windows gets more enlightenments with it."""
    if "<domain type='kvm'" not in hvb.virsh("capabilities"):
        return xml
    return re.sub("<tcg>.*</tcg>", "", xml, flags=re.S).replace("type='qemu'", "type='kvm'", 1)


def stored(other):
    """What libvirt has stored."""
    return hvb.virsh("dumpxml", "--inactive", other.name)


def difference(text):
    """The lines of a difference in TEXT, changed or not."""
    return [line for line in text.splitlines() if line.startswith(("+", "-", " ", "@"))]


def changed(text, sign):
    """The lines that a difference adds (+) or takes away (-), counted."""
    return collections.Counter(line[1:] for line in difference(text) if line.startswith(sign))


@pytest.mark.parametrize("edit", [
    lambda xml: xml,
    lambda xml: xml.replace("</name>", "</name>" + FOREIGN),
    lambda xml: with_kvm(xml.replace("</name>", "</name>" + WINDOWS)),
    lambda xml: xml.replace("<memory ", "<maxMemory slots='4' unit='GiB'>2</maxMemory><memory ", 1),
], ids=["plain", "metadata", "windows", "ceiling"])
def test_disable_gives_back_what_was_there(make_old, edit):
    """Byte for byte, from the second ceiling too; and what --dry-run shows is what libvirt stores."""
    other = make_old(edit)
    before = stored(other)
    dry = run("enable", other.name, "--max", "4GiB", "--minimum", "512MiB", "--dry-run")
    assert stored(other) == before
    real = run("enable", other.name, "--max", "4GiB", "--minimum", "512MiB")
    now = stored(other)
    assert difference(dry) == difference(real)
    old, new = collections.Counter(before.splitlines()), collections.Counter(now.splitlines())
    assert new - old == changed(real, "+") - changed(real, "-")
    assert old - new == changed(real, "-") - changed(real, "+")
    assert "<memballoon model='hyperv' freePageReporting='on'>" in now
    assert "<stats period='10'/>" in now
    assert query("status", other.name)["max_memory"] == 4 * GIB * 1024
    assert "nothing to change" in run("enable", other.name)
    run("enable", other.name, "--max", "8GiB")
    run("disable", other.name)
    assert stored(other) == before


def test_enable_names_what_is_lost(make_old):
    other = make_old()
    for dry in ["--dry-run"], []:
        (words,) = [text for text in query("enable", other.name, *dry)["remarks"] if "does not support" in text]
        assert "autodeflate='on'" in words
        assert "PCI address" in words


def test_disable_leaves_a_slot_that_is_taken(make_old):
    """The dry run reports it as well, and changes nothing."""
    other = make_old()
    before = stored(other)
    run("enable", other.name, "--max", "4GiB")
    (address,) = re.findall(r"<address [^>]*>", re.search(r"<memballoon.*?</memballoon>", before, re.S)[0])
    device = f"<interface type='network'><source network='none-such'/><model type='e1000e'/>{address}</interface>"
    with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
        file.write(device)
        file.flush()
        hvb.virsh("attach-device", other.name, file.name, "--config")
    enabled = stored(other)
    dry = run("disable", other.name, "--dry-run")
    assert stored(other) == enabled
    real = run("disable", other.name)
    for text in dry, real:
        assert "libvirt chooses another" in " ".join(text.split())
        assert "Attempted double use" in " ".join(text.split())
    now = re.search(r"<memballoon.*?</memballoon>", stored(other), re.S)[0]
    assert "model='virtio' autodeflate='on'" in now
    assert address not in now


def sizes(text):
    """Memory, currentMemory and boot memory of a domain's XML, in KiB."""
    domain = hvb.Domain(text)
    return domain.memory, domain.current, domain.boot


@pytest.mark.parametrize("edit", [
    lambda xml: xml,
    lambda xml: xml.replace("<vcpu", BACKING + "<vcpu", 1),
    lambda xml: xml.replace("</devices>", "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng></devices>"),
], ids=["plain", "memfd", "rng"])
def test_plugged_is_stored_as_it_is_shown(make_old, edit):
    """Boot memory is as before; a start keeps the stick, as it is nobody's but the user's, and disabling restores what was there."""
    other = make_old(edit)
    before = stored(other)
    boot = int(ET.fromstring(before).findtext("memory"))        # there is no <maxMemory> yet, and no stick
    dry = run("enable", other.name, "--max", "4GiB", "--plugged", "3GiB", "--dry-run")
    assert stored(other) == before
    assert difference(dry) == difference(run("enable", other.name, "--max", "4GiB", "--plugged", "3GiB"))
    assert sizes(stored(other)) == (3 * GIB, boot, boot)
    assert "nothing to change" in run("enable", other.name, "--plugged", "3GiB")
    hvb.virsh("start", other.name, "--paused")
    assert sizes(hvb.virsh("dumpxml", other.name)) == (3 * GIB, boot, boot)
    (stick,) = query("status", other.name)["sticks"]
    assert (stick["alias"], stick["size"], stick["owner"]) == ("ua-plugged", (3 * GIB - boot) * 1024, "user")
    hvb.virsh("destroy", other.name)
    run("enable", other.name, "--plugged", f"{boot}KiB")
    assert sizes(stored(other)) == (boot, boot, boot)
    run("enable", other.name, "--plugged", "2GiB")
    run("disable", other.name)
    assert stored(other) == before


def test_plugged_takes_the_place_of_a_stick_of_libvirts_own(make_old):
    """That one would go when the guest starts."""
    other = make_old()
    run("enable", other.name, "--max", "4GiB")
    boot = sizes(stored(other))[2]
    hvb.virsh("setmem", other.name, "2GiB", "--config")
    assert "ua-haprot0" in stored(other)
    run("enable", other.name, "--plugged", "3GiB")
    assert "ua-haprot0" not in stored(other)
    assert sizes(stored(other)) == (3 * GIB, 2 * GIB, boot)
    assert "below what the domain starts with, 2 GiB" in run("enable", other.name, "--plugged", "1536MiB", status=4)


def test_refusal_of_libvirt_changes_nothing(make_old):
    """Something that only libvirt checks: here, the architecture."""
    other = make_old(lambda xml: xml.replace("arch='x86_64'", "arch='i686'"))
    before = stored(other)
    for dry in ["--dry-run"], []:
        assert "'i686'" in run("enable", other.name, "--max", "4GiB", *dry, status=4)
        assert stored(other) == before


def test_a_cpu_on_the_command_line_is_refused(make_old):
    """libvirt would define it, and QEMU not start: -cpu in <qemu:commandline> overrides what enable adds."""
    other = make_old(lambda xml: xml.replace("<domain type", "<domain xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0' type", 1).replace(
        "</domain>", "<q:commandline><q:arg value='-cpu'/><q:arg value='max'/></q:commandline></domain>"))
    before = stored(other)
    for dry in ["--dry-run"], []:
        said = run("enable", other.name, "--max", "4GiB", *dry, status=4)
        assert "would not work with this definition; nothing has been changed" in said
        assert "take -cpu out of <qemu:commandline>" in said
        assert "libvirt" not in said
        assert stored(other) == before


def test_enable_on_a_running_guest(make_old):
    """Until it is restarted, no command suggests enable again."""
    other = make_old()
    hvb.virsh("start", other.name, "--paused")
    assert "virsh-hvmem enable" in run("status", other.name, status=4)
    assert "shut it down and start it" in " ".join(run("enable", other.name, "--max", "4GiB").split())
    (one,) = [each for each in query("list") if each["name"] == other.name]
    assert one["model"] == "virtio"
    assert "shut it down and start it" in one["pending"]
    for command in (["status"], ["plan", "2GiB"], ["set", "2GiB"], ["watch"]):
        said = run(command[0], other.name, *command[1:], status=4)
        assert "shut it down and start it" in said
        assert "virsh-hvmem enable" not in said
    assert "shut it down and start it" in query("enable", other.name)["pending"]
    hvb.virsh("destroy", other.name)
    hvb.virsh("start", other.name, "--paused")
    assert "pending" not in query("status", other.name)
    run("enable", other.name, "--max", "6GiB")
    assert "another ceiling, 6 GiB" in run("set", other.name, "5GiB", status=4)
    assert "enable" in run("set", other.name, "7GiB", status=4)
    run("disable", other.name)
    assert "no hyperv balloon any more" in query("status", other.name)["pending"]


def test_a_transient_domain_is_defined_first(make_old):
    """It has no stored definition that could be changed; every command says how to define it."""
    other = make_old()
    xml = stored(other)
    hvb.virsh("undefine", other.name)
    with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
        file.write(xml)
        file.flush()
        hvb.virsh("create", file.name, "--paused")
        for command in "enable", "disable", "status":
            assert f"virsh define {other.name}.xml && virsh-hvmem" in run(command, other.name, status=4)
        hvb.virsh("define", file.name)
    assert "virsh shutdown" in run("enable", other.name, "--max", "4GiB")


def test_saved_state_comes_back_with_the_old_balloon(make_old):
    other = make_old()
    hvb.virsh("start", other.name, "--paused")
    hvb.virsh("managedsave", other.name)
    assert "managedsave-remove" in run("enable", other.name, "--max", "4GiB")
    for command in (["status"], ["plan", "2GiB"], ["set", "512MiB"]):
        assert "managedsave-remove" in run(command[0], other.name, *command[1:])
    (one,) = [each for each in query("list") if each["name"] == other.name]
    assert one["summary"] == "old state"
    assert "managedsave-remove" in one["pending"]
    hvb.virsh("managedsave-remove", other.name)
    assert "pending" not in query("status", other.name)
