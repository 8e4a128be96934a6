# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients without a window: what they say of a guest, and what those that can change its memory do.

The guest has 3 of its 4 GiB plugged from the start. Each client has to say these 3 for its maximum, if it says one, and what the guest has now.
"""

import csv
import json
import re
import shutil
import subprocess

import pytest

import hvb
from hvb import MIB
from machine import PLUGGED, TREE, free_port

SIZES = (1280 * MIB, 2304 * MIB, 800 * MIB)


def reaches(guest, size):
    """The guest gets what was requested by somebody."""
    guest.wait_at(size, 120)
    guest.wait_synced()
    assert guest.stats()["balloon.hyperv.requested"] == str(size)
    assert guest.domain().memory == PLUGGED, "nothing else had to be plugged"


def follows(guest, look):
    """LOOK has what the guest has, at several sizes: {"maximum": KiB, "current": KiB}, and maybe more."""
    for size in SIZES:
        guest.setmem(size)
        reaches(guest, size)
        said = look()
        assert said["current"] == guest.domain().current
        assert said.get("maximum", PLUGGED) == PLUGGED


def test_virsh(machine, guest):
    """The release's own, which does not know the balloon."""
    machine.need("libvirt-clients")
    for size in SIZES:
        machine.run(f"virsh setmem {guest.name} {size} --live")
        reaches(guest, size)
        info = dict(line.split(":", 1) for line in machine.run(f"virsh dominfo {guest.name}").splitlines() if ":" in line)
        assert int(info["Used memory"].split()[0]) == guest.domain().current
        assert int(info["Max memory"].split()[0]) == PLUGGED
        stats = dict(line.split() for line in machine.run(f"virsh dommemstat {guest.name}").splitlines() if line.strip())
        assert int(stats["actual"]) == guest.domain().current
        assert f"balloon.hyperv.requested={size}" in machine.run(f"virsh domstats --balloon {guest.name}")


@pytest.mark.parametrize("package, job", [
    ("python3-libvirt", "python3-libvirt"),
    ("libsys-virt-perl", "sys-virt"),
    ("ruby-libvirt", "ruby-libvirt"),
])
def test_binding(machine, guest, package, job):
    """It sets a size; info() and the memory statistics then say the same."""
    machine.need(package)
    for size in SIZES:
        machine.job(job, guest.name, size)
        reaches(guest, size)
        most, current, actual = map(int, machine.job(job, guest.name).split())
        assert (most, current, actual) == (PLUGGED, guest.domain().current, guest.domain().current)


def test_prometheus_libvirt_exporter(machine, guest):
    machine.need("prometheus-libvirt-exporter", "curl")

    def look():
        text = machine.job("exporter", free_port())
        assert "libvirt_up 1" in text.splitlines()
        values = {name: float(re.search(rf'^libvirt_domain_info_{name}{{[^}}]*domain="{guest.name}"[^}}]*}} (\S+)$', text, re.M)[1])
                  for name in ("maximum_memory_bytes", "memory_usage_bytes")}
        return {"maximum": values["maximum_memory_bytes"] / 1024, "current": values["memory_usage_bytes"] / 1024}

    follows(guest, look)


def test_promtool(machine, guest):
    """Prometheus' own checker finds nothing wrong with our metrics of a real guest, and with the alerts that go with them."""
    machine.need("prometheus")
    text = subprocess.run(["virsh-hvmem", "metrics"], check=True, capture_output=True, text=True).stdout
    assert f'hvmem_guest_running{{domain="{guest.name}"}} 1' in text
    (machine.shared / "metrics").write_text(text)
    shutil.copy(TREE / "packaging" / "prometheus" / "hvmem-alerts.yml", machine.shared)
    assert machine.run("promtool check metrics </mnt/shared/metrics 2>&1") == ""
    assert "SUCCESS" in machine.run("promtool check rules /mnt/shared/hvmem-alerts.yml 2>&1")


def test_collectd(machine, guest):
    """Plugin virt, with the memory statistics, into CSV files."""
    machine.need("collectd-core")

    def look():
        values = {name: float(value) for name, value in (line.split() for line in machine.job("collectd", guest.name).splitlines())}
        assert values["memory-actual_balloon"] == values["memory-total"]
        assert 0 < values["memory-rss"]
        return {"current": values["memory-total"] / 1024}

    follows(guest, look)


def test_munin(machine, guest):
    """The plugin has the maxima only as a sum over all running guests."""
    machine.need("munin-libvirt-plugins", "python3-libvirt", "python3-libxml2")

    def look():
        values = dict(line.split() for line in machine.run("python3 /usr/share/munin/plugins/libvirt-mem").splitlines())
        others = sum(hvb.Domain(hvb.virsh("dumpxml", name)).memory for name in hvb.virsh("list", "--name").split() if name != guest.name)
        name = re.sub("[^a-zA-Z0-9_]", "_", guest.name)
        return {"maximum": int(values["total_max.value"]) // 1024 - others, "current": int(values[f"{name}_mem.value"]) // 1024}

    follows(guest, look)


def test_virt_top(machine, guest):
    machine.need("virt-top")

    def look():
        """In a row are some figures of the host, and then the same number of figures for each guest."""
        head, *rows = csv.reader(machine.job("virt-top").splitlines())
        first, width = head.index("Domain ID"), len(head) - head.index("Domain ID")
        row = rows[-1]
        guests = [row[i:i + width] for i in range(first, len(row), width)]
        mine = next(dict(zip(head[first:], each)) for each in guests if each[1] == guest.name)
        return {"current": int(mine["Mem (bytes)"])}    # which are KiB

    follows(guest, look)


def test_libvirt_dbus(machine, guest):
    machine.need("libvirt-dbus", "dbus", "libglib2.0-bin")
    for size in SIZES:
        machine.job("libvirt-dbus", guest.name, size)
        reaches(guest, size)
        said = json.loads(machine.job("libvirt-dbus", guest.name))
        assert said == {"actual": guest.domain().current, "current": guest.domain().current, "maximum": PLUGGED, "requested": size}


def test_beyond_what_is_plugged(machine, guest):
    """A client that only asks for a size gets it: what is missing is plugged."""
    machine.need("python3-libvirt")
    machine.job("python3-libvirt", guest.name, 3584 * MIB)
    guest.wait_at(3584 * MIB, 180)
    assert guest.domain().memory > PLUGGED
