# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a guest under KVM costs, in numbers that do not depend on how fast the machine is: exits, page faults, memory slots.

Exits are counted by KVM's tracepoints, in histograms of an instance of tracefs that is removed afterwards; page faults by KVM's own counters in
debugfs, and by the kernel's for QEMU; memory slots by QEMU's trace of what it asks KVM for. The first two need root.
"""
import contextlib
import os
import pathlib
import re

import guests

TRACEFS = pathlib.Path("/sys/kernel/tracing")
DEBUGFS = pathlib.Path("/sys/kernel/debug/kvm")
KEYS = {"kvm_exit": "isa,exit_reason", "kvm_msr": "ecx", "kvm_pio": "port"}
VMX, SVM = 1, 2             # kvm_exit's isa
# Not counted: what depends on how long something takes (interrupts and the window for them, NMI, halt, pause, the preemption timer), and CPUID,
# which every program asks that the guest's agent starts.
NOT_COUNTED = {VMX: {1, 7, 8, 10, 12, 40, 52}, SVM: {0x60, 0x61, 0x64, 0x72, 0x77, 0x78}}
# Counted by their own tracepoints instead: MSRs and ports.
BY_NUMBER = {VMX: {30, 31, 32}, SVM: {0x7b, 0x7c}}
# Of the MSRs not those of the timer and the interrupt controller: TSC deadline, x2APIC, and the same of Hyper-V. They depend on time too.
MSRS_OF_TIME = (range(0x6e0, 0x6e1), range(0x800, 0x900), range(0x40000070, 0x40000074), range(0x400000b0, 0x400000b8))
# Of the ports not the two serial ones, which are the measurement's own.
OWN_PORTS = (range(0x2f8, 0x300), range(0x3f8, 0x400))
LINE = re.compile(r"^\{ (.*?) *\} hitcount: *(\d+)", re.MULTILINE)
COUNTED = ("exits", "mapped", "faults")
SLOT = re.compile(r"kvm_set_user_memory AddrSpace#0 Slot#(\d+) .*?\bsize=(0x[0-9a-f]+)")


def histogram(text):
    """{(value of each key): hits} of a file 'hist'."""
    return {tuple(int(pair.split(":")[1]) for pair in keys.split(",")): int(hits) for keys, hits in LINE.findall(text)}


def outside(numbers, ranges):
    return sum(hits for (number,), hits in numbers.items() if not any(number in some for some in ranges))


def caused(exits, msrs, ports):
    """The exits that the guest caused by what it did, of three histograms."""
    return (sum(hits for (isa, reason), hits in exits.items() if reason & 0xffff not in NOT_COUNTED[isa] | BY_NUMBER[isa])
            + outside(msrs, MSRS_OF_TIME) + outside(ports, OWN_PORTS))


def slots(log):
    """The slots that are in use, from QEMU's trace. The address space of system management mode has slots of its own, not counted here."""
    sizes = {int(slot): int(size, 16) for slot, size in SLOT.findall(log)}
    return sum(size > 0 for size in sizes.values())


def threads(pid):
    """Those of QEMU's vCPUs."""
    return [task.name for task in pathlib.Path(f"/proc/{pid}/task").iterdir() if (task / "comm").read_text().startswith("CPU ")]


class Counts:
    """For guests.Setting: one guest at a time."""

    arguments = ("-trace", "kvm_set_user_memory")

    def __init__(self):
        self.guest = self.instance = None

    def event(self, name, file):
        return self.instance / "events/kvm" / name / file

    def attach(self, guest):
        instance = TRACEFS / f"instances/hvb-bench-{os.getpid()}"
        instance.mkdir()
        self.instance, self.guest = instance, guest
        these = " || ".join(f"common_pid == {thread}" for thread in threads(guest.qemu.pid))
        for name, keys in KEYS.items():
            self.event(name, "trigger").write_text(f"hist:keys={keys} if {these}")

    def detach(self):
        if self.instance:
            for name, keys in KEYS.items():
                with contextlib.suppress(OSError):      # one that was not set
                    self.event(name, "trigger").write_text(f"!hist:keys={keys}")
            self.instance.rmdir()
        self.guest = self.instance = None

    def read(self):
        folder = next(DEBUGFS.glob(f"{self.guest.qemu.pid}-*"))
        return {"exits": caused(*(histogram(self.event(name, "hist").read_text()) for name in KEYS)),
                "mapped": int((folder / "pf_fixed").read_text()),
                "faults": int(pathlib.Path(f"/proc/{self.guest.qemu.pid}/stat").read_text().rsplit(")", 1)[1].split()[7])}

    def levels(self):
        self.guest.log.flush()
        return {"slots": slots(pathlib.Path(self.guest.log.name).read_text(encoding="utf-8", errors="replace"))}


def make(say):
    """What counts here; without root, or where the kernel lacks what it takes, nothing does."""
    if os.access(TRACEFS / "instances", os.W_OK) and os.access(DEBUGFS, os.R_OK):
        return Counts()
    say("nothing is counted in KVM: that takes root, tracefs and debugfs")
    return guests.NoCounts()
