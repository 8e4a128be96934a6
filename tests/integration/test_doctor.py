# SPDX-License-Identifier: LGPL-2.1-or-later
"""A definition that virsh-hvmem doctor passes starts: each case has one thing that may not work on this host."""

import json
import os
import pathlib
import re
import subprocess

import pytest

import hvb
from speed import patient

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = ROOT / "build/obj/tools/tools/virsh-hvmem/virsh-hvmem"


def doctor(name, *options):
    """Its exit status, and what it finds in the domain: the worst result of each check."""
    with hvb.daemon_use():
        got = subprocess.run([TOOL, "--format=json", *options, "doctor", name], capture_output=True, text=True, check=False, timeout=patient(60),
                             env={**os.environ, "LC_ALL": "C.UTF-8", "ASAN_OPTIONS": "detect_leaks=1"})
    assert got.stdout, got.stderr
    found = {}
    for check in json.loads(got.stdout)["checks"]:
        if check["about"] == name and found.get(check["check"]) != "fail":
            found[check["check"]] = check["result"]
    return got.returncode, found


def swap(pattern, text):
    """A change of XML: the first PATTERN becomes TEXT."""
    def change(xml):
        changed, count = re.subn(pattern, text, xml, count=1, flags=re.S)
        assert count, pattern
        return changed
    return change


def both(*changes):
    def change(xml):
        for one in changes:
            xml = one(xml)
        return xml
    return change


def cpu(text):
    return swap("<cpu mode='maximum'/>", text)


def ceiling(size, unit, slots=""):
    return swap("<maxMemory.*?</maxMemory>", f"<maxMemory {slots} unit='{unit}'>{size}</maxMemory>")


def hyperv(text):
    return swap("<hyperv>.*</hyperv>", f"<hyperv>{text}</hyperv>")


def beside_memory(text):
    return swap("</currentMemory>", f"</currentMemory>{text}")


KVM = both(swap("type='qemu'", "type='kvm'"), swap("<tcg>.*</tcg>", ""), cpu("<cpu mode='host-passthrough'/>"))

TOO_FEW_BITS = "bits of physical address, the CPU of this domain has"

# What is changed, and which check has to find it if it does not start here. None: it starts on any host. A third word: what libvirt says if it does
# not even define it.
CASES = {
    "as-it-is": (both(), None),
    "pc": (swap("machine='q35'", "machine='pc'"), None),
    "nothing-in-hyperv": (hyperv(""), None),
    "all-without-kvm": (hyperv("<relaxed state='on'/><spinlocks state='on' retries='8191'/><reset state='on'/><vendor_id state='on' value='x'/>"), None),
    "slots": (ceiling(800, "GiB", "slots='255'"), None),
    "cpu-for-4-tib": (both(ceiling(4, "TiB"), cpu("<cpu mode='maximum'><maxphysaddr mode='emulate' bits='43'/></cpu>")), None),
    "pinned": (swap("<vcpu>", "<vcpu cpuset='0-4095'>"), None),
    "4-tib": (ceiling(4, "TiB"), "ceiling", TOO_FEW_BITS),
    "cpu-of-32-bits": (both(ceiling(64, "GiB"), cpu("<cpu mode='custom'><model>qemu32</model></cpu>")), "ceiling", TOO_FEW_BITS),
    "kvm": (KVM, "KVM", r"(?i)\bkvm\b"),
    "runtime": (hyperv("<runtime state='on'/>"), "features"),
    "passthrough": (swap("<hyperv>.*</hyperv>", "<hyperv mode='passthrough'/>"), "features"),
    "pvspinlock": (swap("<acpi/>", "<acpi/><pvspinlock state='on'/>"), "pvspinlock"),
    "disk": (swap("<controller", "<disk type='file'><source file='/nonexistent/disk'/><target dev='vda' bus='virtio'/></disk><controller"), "devices"),
    "bridge": (swap("<controller", "<interface type='bridge'><source bridge='nonexistent0'/></interface><controller"), "devices"),
    "network": (swap("<controller", "<interface type='network'><source network='nonexistent'/></interface><controller"), "devices"),
    "cpu-in-full": (cpu("<cpu mode='custom' match='exact' check='full'><model>qemu64</model></cpu>"), "CPU"),
    "cpu-of-more": (cpu("<cpu mode='custom' match='exact' check='full'><model>EPYC</model><feature policy='require' name='hypervisor'/></cpu>"), "CPU"),
    "cpu-of-more-in-part": (cpu("<cpu mode='custom' match='exact' check='partial'><model>SapphireRapids</model></cpu>"), "CPU"),
    "cpu-of-more-unchecked": (cpu("<cpu mode='custom' match='exact' check='none'><model>SapphireRapids</model></cpu>"), None),
    "cpu-of-the-host-in-full": (cpu("<cpu mode='host-model' check='full'/>"), None),
    "invariant-tsc": (cpu("<cpu mode='maximum'><feature policy='require' name='invtsc'/></cpu>"), "CPU"),
    "tsc-of-another-host": (swap("<clock offset='utc'>", "<clock offset='utc'><timer name='tsc' frequency='1234567890'/>"), "TSC"),
    "invariant-tsc-perhaps": (cpu("<cpu mode='custom' match='exact'><model>qemu64</model><feature policy='optional' name='invtsc'/></cpu>"), None),
    "huge-pages": (beside_memory("<memoryBacking><hugepages/><source type='memfd'/></memoryBacking>"), "huge pages"),
    "boot-memory": (both(ceiling(2, "TiB"), cpu("<cpu mode='maximum'><maxphysaddr mode='emulate' bits='43'/></cpu>"),
                         swap("<memory .*</currentMemory>", "<memory unit='TiB'>1</memory>")), "boot memory"),
    "pinned-elsewhere": (swap("<vcpu>", "<vcpu cpuset='4000'>"), "CPU pinning"),
}


@pytest.fixture(name="define")
def a_definition():
    """define(name, change): a guest whose XML was changed, removed after the test."""
    guests = []

    def define(name, change):
        guest = hvb.Guest(f"hvbt-doctor-{name}")
        guest.xml = change(guest.xml)
        guest.remove()
        guests.append(guest)
        guest.define()
        return guest

    yield define
    for guest in guests:
        guest.remove()


@pytest.mark.parametrize("name", CASES)
def test_what_it_passes_starts(define, name):
    change, check, *refusal = CASES[name]
    try:
        guest = define(name, change)
    except hvb.VirshError as err:
        if refusal and re.search(refusal[0], str(err)):
            return
        raise
    status, found = doctor(guest.name)
    try:
        guest.start()
    except hvb.VirshError as err:
        assert check and found[check] == "fail", f"{found}: {err}"
        return
    assert status == 0, found


def test_a_memory_limit_that_stops_growth(define):
    """It may start, but would be killed when it grows."""
    guest = define("limit", beside_memory("<memtune><hard_limit unit='GiB'>2</hard_limit></memtune>"))
    assert doctor(guest.name)[1]["memory limit"] == "fail"


def test_asking_changes_nothing(define):
    """A read-only connection is enough."""
    guest = define("same", both())
    before = hvb.virsh("dumpxml", "--inactive", guest.name)
    assert doctor(guest.name)[1]["definition"] == "pass"
    assert doctor(guest.name, "--readonly")[1]["definition"] == "skip"
    assert hvb.virsh("dumpxml", "--inactive", guest.name) == before
