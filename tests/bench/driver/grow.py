# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests that grow in small steps to the same size: by the libvirt driver's sticks, by a DIMM per step, by QMP alone.

Sizes are KiB unless said otherwise, times milliseconds.
"""
import collections
import json
import pathlib
import re
import statistics
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests/bench/device")]
import guests  # noqa: E402
import hvb  # noqa: E402
from hvb import GIB, MIB  # noqa: E402

BOOT, STEP = GIB, 64 * MIB
DIMM = 128 * MIB            # what Linux takes at least: its memory block
LIMIT = 120                 # seconds until a step counts as failed
TIMED = re.compile(r"^\(Time: ([0-9.]+) ms\)$", re.MULTILINE)
MAPPED = re.compile(r"^ *[0-9a-f]{16}-[0-9a-f]{16} \(prio -?\d+, (?:ram|rom|romd)\):", re.MULTILINE)

# A stick of 0: nothing was plugged. BALLOON is what the bare command takes by way of libvirt.
Step = collections.namedtuple("Step", "target stick setmem balloon")


def timed(command):
    """The time of a virsh command by virsh's own clock, without that of connecting."""
    return float(TIMED.findall(hvb.virsh("-t", f"uri; {command}"))[-1])


def mapped_ranges(mtree):
    """The number of RAM and ROM ranges in the output of 'info mtree -f': each takes a slot of KVM."""
    views = mtree.split("FlatView #")
    memory = next(view for view in views if '\n AS "memory"' in view)
    return len(MAPPED.findall(memory))


def counts(guest):
    """Resources that the guest's memory uses in QEMU and in the host's kernel."""
    mtree = hvb.virsh("qemu-monitor-command", guest.name, "--hmp", "info mtree -f")
    return {"devices": sum(device["data"].get("size", 0) > 0 for device in guest.qmp("query-memory-devices")),
            "ranges": mapped_ranges(mtree),
            "maps": len(pathlib.Path(f"/proc/{guest.pid()}/maps").read_text(encoding="ascii").splitlines())}


def grown(before, after):
    """What has been added."""
    return {key: after[key] - before[key] for key in after}


def by_driver(top, say):
    """(what was added, [Step])."""
    guest = hvb.Guest("hvbb-driver", memory=BOOT, maximum=top)
    guest.remove()
    try:
        guest.define()
        guest.start()
        guest.wait_up()
        hvb.wait_until(guest.seen, LIMIT, guest.resting)
        before, total, steps = counts(guest), BOOT, []
        for target in range(BOOT + STEP, top + 1, STEP):
            setmem = timed(f"setmem {guest.name} {target} --live")
            guest.wait_at(target, LIMIT)
            # Resends the current target: measures libvirt without the work of the driver.
            again = json.dumps({"execute": "balloon", "arguments": {"value": target * 1024}})
            balloon = timed(f"qemu-monitor-command {guest.name} '{again}'")
            now = guest.domain().memory
            steps.append(Step(target, now - total, setmem, balloon))
            total = now
        added = grown(before, counts(guest))
        say(f"sticks of the driver: {len(guest.domain().sticks)}; {added}")
        return added, steps
    finally:
        guest.remove()


def dimm_xml(xml, slots):
    """The test guest with slots for DIMMs, and with the NUMA cell that libvirt wants for them."""
    xml = xml.replace("<maxMemory unit", f"<maxMemory slots='{slots}' unit")
    return re.sub(r"<cpu mode='(\w+)'/>",
                  rf"<cpu mode='\1'><numa><cell id='0' cpus='0-1' memory='{BOOT}' unit='KiB'/></numa></cpu>", xml)


def by_dimms(top, say):
    """(what was added, [ms of attach-device])."""
    number = (top - BOOT) // DIMM
    guest = hvb.Guest("hvbb-dimm", memory=BOOT, maximum=top, balloon="none")
    guest.xml = dimm_xml(guest.xml, number)
    guest.remove()
    try:
        with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
            file.write(f"<memory model='dimm'><target><size unit='KiB'>{DIMM}</size><node>0</node></target></memory>\n")
            file.flush()
            guest.define()
            guest.start()
            guest.exec("true", hvb.BOOT_LIMIT)
            before, base, took = counts(guest), guest.memtotal(), []
            for n in range(1, number + 1):
                took.append(timed(f"attach-device {guest.name} {file.name} --live"))
                hvb.wait_until(f"the guest has DIMM {n}", LIMIT, lambda want=base + n * DIMM: guest.memtotal() >= want - DIMM // 2)
        added = grown(before, counts(guest))
        say(f"DIMMs: {number}; {added}")
        return added, took
    finally:
        guest.remove()


class Bare(guests.HvBalloon):
    """QEMU alone, with its own QMP socket."""

    name = "QMP"

    def ms(self, command, **arguments):
        start = time.perf_counter()
        self.qmp(command, **arguments)
        return (time.perf_counter() - start) * 1000


def by_qmp(steps, say):
    """The same sticks and targets: [ms for each step's object-add, device_add and balloon]."""
    took = []
    with Bare(guests.Setting(boot=BOOT * 1024)) as guest:
        for n, step in enumerate(steps):
            ms, want = 0, step.target * 1024
            if step.stick:
                ms += guest.ms("object-add", **{"qom-type": "memory-backend-ram", "id": f"m{n}", "size": step.stick * 1024, "reserve": False})
                ms += guest.ms("device_add", driver="mem-haprot", id=f"h{n}", memdev=f"m{n}", insert="on-demand")
            took.append(ms + guest.ms("balloon", value=want))
            guest.wait(f"{step.target} KiB", LIMIT, lambda want=want: abs(guest.qmp("query-balloon")["actual"] - want) <= 2 * guests.MIB)
    say(f"QMP alone: the same {sum(step.stick > 0 for step in steps)} sticks")
    return took


def medians(steps, qmp):
    """{who: (of all steps, of those that plug a stick, of the others)}."""
    def by_kind(values):
        kinds = (values, [value for step, value in zip(steps, values) if step.stick], [value for step, value in zip(steps, values) if not step.stick])
        return tuple(statistics.median(kind) for kind in kinds)

    return {"setmem": by_kind([step.setmem for step in steps]), "balloon": by_kind([step.balloon for step in steps]), "qmp": by_kind(qmp)}
