# SPDX-License-Identifier: LGPL-2.1-or-later
"""How long each device's section took, by QEMU's trace, and how large it is, by the description at the end of a migration stream."""
import json
import re

TRACED = ("vmstate_downtime_save", "vmstate_downtime_load", "hv_balloon_saved")
SECTION = re.compile(r"vmstate_downtime_(?:save|load) type=non-iterable idstr=(\S*) instance_id=\d+ downtime=(\d+)")
STATE = re.compile(r"hv_balloon_saved (\d+) bytes")
DEVICES = b'"devices": '
TAIL = 4 << 20              # bytes of a stream that hold it


def seconds(log, mine):
    """What the sections that the pattern MINE matches took together, of QEMU's LOG. They are saved and loaded while the VM is stopped."""
    return sum(int(us) for name, us in SECTION.findall(log) if re.search(mine, name)) / 1e6


def state_bytes(log):
    """The last state of hv-balloon's engine that was saved; None if there is none."""
    found = STATE.findall(log)
    return int(found[-1]) if found else None


def description(tail):
    """The devices that the end of a stream describes."""
    text = tail[tail.rindex(DEVICES) + len(DEVICES):].decode("ascii", errors="replace")
    return json.JSONDecoder().raw_decode(text)[0]


def size(device):
    """Bytes of the fields of one device. An array whose elements are alike is described by its first."""
    return (sum(field["size"] * field.get("array_len", 1) for field in device.get("fields", ()))
            + sum(size(subsection) for subsection in device.get("subsections", ())))


def sizes(tail, mine):
    """{section: bytes}, of those whose name matches."""
    return {device["name"]: size(device) for device in description(tail) if re.search(mine, device["name"])}
