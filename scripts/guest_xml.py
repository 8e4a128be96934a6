#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The domain XML of the test guest. domain_xml() for programs; main() is ./run guest."""

import argparse
import fcntl
import os
import re
import subprocess
import sys
import tempfile
import time
from xml.sax.saxutils import escape

import guest_exec
from speed import patient

UNITS = {"": 1024, "b": 1, "bytes": 1, "byte": 1}
for power, letter in enumerate("kmgtpe", start=1):
    UNITS[letter] = UNITS[letter + "ib"] = 1024 ** power
    UNITS[letter + "b"] = 1000 ** power

SIZE_HELP = "as virsh takes it: KiB, or with a suffix (b, KiB or K, KB, MiB or M, MB, GiB or G, ...)"
MIN_MEMORY = 256 << 10      # KiB; Debian's kernel and its initramfs need about 200 MiB to start
CMDLINE = "console=ttyS0 panic=-1 memhp_default_state=online"
# From linux/kvm.h: the ioctl that asks for a capability, the two that SynIC goes by, and that of the VP index.
KVM_CHECK_EXTENSION = 0xAE03
KVM_CAP_HYPERV_SYNIC = 123
KVM_CAP_HYPERV_SYNIC2 = 148
KVM_CAP_HYPERV_VP_INDEX = 149
KVM_TRIAL = 30              # seconds that a trial guest has to start under KVM, on an ordinary machine

TEMPLATE = """<domain type='{type}'>
  <name>{name}</name>
  <maxMemory unit='KiB'>{max}</maxMemory>
  <memory unit='KiB'>{memory}</memory>
  <currentMemory unit='KiB'>{memory}</currentMemory>
  <vcpu>{vcpus}</vcpu>
  <os>
    <type arch='x86_64' machine='{machine}'>hvm</type>
    <kernel>{kernel}</kernel>
    <initrd>{initrd}</initrd>
    <cmdline>{cmdline}</cmdline>
  </os>
  <features>
    <acpi/>
    <apic/>
    <hyperv>
      <relaxed state='on'/>
      <vpindex state='on'/>
      <synic state='on'/>
    </hyperv>{tcg}
  </features>
  <cpu mode='{cpu}'/>
  <clock offset='utc'>
    <timer name='hypervclock' present='yes'/>
  </clock>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <pm>
    <suspend-to-disk enabled='no'/>
  </pm>
  <devices>
    <emulator>{emulator}</emulator>
    <controller type='usb' model='none'/>
    <serial type='pty'>
      <log file='{run}/{name}.console.log' append='off'/>
      <target port='0'/>
    </serial>
    <serial type='unix'>
      <source mode='bind' path='{run}/{name}.agent'/>
      <target port='1'/>
    </serial>
    <video>
      <model type='none'/>
    </video>
    <memballoon model='{balloon}'{reporting}/>
  </devices>
</domain>
"""


# TCG's translated code: enough that a small guest never has to translate twice, little beside its memory.
TCG = """
    <tcg>
      <tb-cache unit='MiB'>256</tb-cache>
    </tcg>"""


class UsageError(Exception):
    """No guest can have these options."""


def parse_size(text, what="size"):
    """A size as virsh takes it, in KiB."""
    match = re.fullmatch(r"\s*([0-9]+)\s*([A-Za-z]*)\s*", text)
    unit = match and UNITS.get(match.group(2).lower())
    if not unit:
        raise UsageError(f"{what} '{text}' is not a size: a whole number, {SIZE_HELP.removeprefix('as virsh takes it: ')}")
    return -(-int(match.group(1)) * unit // 1024)


def check(name, memory, maximum, vcpus):
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}", name):
        raise UsageError(f"--name '{name}': at most 40 letters, digits, dots, dashes and underscores, a letter or digit first")
    if memory < MIN_MEMORY:
        raise UsageError(f"--memory {memory} KiB is too little: this guest needs {MIN_MEMORY} KiB to start "
                         "(a size without suffix is in KiB)")
    if maximum < memory:
        raise UsageError(f"--max {maximum} KiB is less than --memory {memory} KiB")
    if not 1 <= vcpus <= 255:
        raise UsageError(f"--vcpus {vcpus}: from 1 to 255")


def domain_xml(paths, name="hvb-demo", memory=1 << 20, maximum=8 << 20, vcpus=2, machine="q35", accel="tcg", cmdline="",
               balloon="hyperv", reporting=False):
    """The XML; sizes in KiB. PATHS has kernel, initrd, emulator and run, the folder for sockets and logs."""
    check(name, memory, maximum, vcpus)
    text = {"name": name, "machine": machine, "cmdline": f"{CMDLINE} {cmdline}".strip(), "balloon": balloon, **paths}
    return TEMPLATE.format(memory=memory, max=maximum, vcpus=vcpus, tcg=TCG if accel == "tcg" else "",
                           reporting=" freePageReporting='on'" if reporting else "",
                           type={"tcg": "qemu", "kvm": "kvm"}[accel], cpu={"tcg": "maximum", "kvm": "host-passthrough"}[accel],
                           **{key: escape(value, {"'": "&apos;"}) for key, value in text.items()})


def on_emulated_host():
    """Is this a host that ./run kvm started?"""
    return "HVB_KVM_HOST" in os.environ


def kvm_missing():
    """Why KVM here cannot give a guest a SynIC, or None."""
    try:
        with open("/dev/kvm", "rb+", buffering=0) as kvm:
            def has(*caps):
                return any(fcntl.ioctl(kvm, KVM_CHECK_EXTENSION, cap) > 0 for cap in caps)

            if not has(KVM_CAP_HYPERV_SYNIC, KVM_CAP_HYPERV_SYNIC2):
                return "this machine's KVM has no Hyper-V SynIC"
            return None if has(KVM_CAP_HYPERV_VP_INDEX) else "this machine's KVM has no Hyper-V VP index"
    except OSError as err:
        return f"/dev/kvm: {err.strerror}"


def kvm_trial(paths):
    """Starts a guest under KVM, since on some machines KVM is available but does not work. Returns why it did not come up, or None."""
    with tempfile.TemporaryDirectory(prefix="hvb-") as folder:
        sock = os.path.join(folder, "agent")
        argv = [paths["emulator"], "-nodefaults", "-display", "none", "-machine", "q35", "-accel", "kvm", "-m", "512M",
                "-cpu", "host,kvm=off,hv-vpindex,hv-synic,hv-time,hv-relaxed", "-device", "vmbus-bridge",
                "-kernel", paths["kernel"], "-initrd", paths["initrd"], "-append", CMDLINE,
                "-serial", "null", "-serial", f"unix:{sock},server=on,wait=off"]
        with tempfile.TemporaryFile("w+") as errors, subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=errors,
                                                                      stderr=errors) as qemu:
            try:
                deadline = time.monotonic() + patient(KVM_TRIAL)
                while not os.path.exists(sock) and qemu.poll() is None and time.monotonic() < deadline:
                    time.sleep(0.05)
                got = guest_exec.run(sock, "grep -q . /sys/bus/vmbus/version || dmesg | grep -q 'Vmbus version'", patient(KVM_TRIAL))
                return None if got.status == 0 else "a trial guest found no VMBus"
            except guest_exec.GuestError as err:
                errors.seek(0)
                lines = errors.read().strip().splitlines()
                return f"a trial guest did not start: {lines[-1] if lines else err}"
            finally:
                qemu.kill()


def choose_accel(wanted, paths):
    if wanted == "tcg":
        return "tcg"
    why = kvm_missing() or kvm_trial(paths)
    if why is None:
        return "kvm"
    if wanted == "kvm":
        raise UsageError(f"--accel kvm cannot work here: {why}; use --accel tcg, which works on any machine")
    print(f"guest: using TCG: {why}", file=sys.stderr)
    return "tcg"


def arguments():
    parser = argparse.ArgumentParser(prog="./run guest", description="Print the kernel and initrd of the test guest, or a domain XML for it.",
                                     allow_abbrev=False)        # ./run guest reads some before
    parser.add_argument("--xml", action="store_true", help="print a domain XML for 'virsh define' or 'virsh create'")
    parser.add_argument("--name", default="hvb-demo", help="default: %(default)s")
    parser.add_argument("--memory", default="1GiB", metavar="SIZE", help=f"boot memory, {SIZE_HELP}; default: %(default)s")
    parser.add_argument("--max", default="8GiB", metavar="SIZE", help="upper limit (maxMemory); default: %(default)s")
    parser.add_argument("--vcpus", type=int, default=2, help="default: %(default)s")
    parser.add_argument("--machine", default="q35", choices=["q35", "pc"], help="default: %(default)s")
    parser.add_argument("--accel", default="tcg", choices=["tcg", "kvm", "auto"],
                        help="auto: kvm if a trial guest starts with it; default: %(default)s")
    parser.add_argument("--kernel", default="this", metavar="NAME", help="kernel of this Debian release (this), of the other supported release "
                        "(other), the newest for a release (newest), of a suite (trixie-backports, testing, ...), or of a series that Debian "
                        "has for a release (6.1, 6.12, 6.18, ...); fetched when needed; default: %(default)s")
    parser.add_argument("--cmdline", default="", help="additional kernel parameters, e.g. hvb.nomodule (no Dynamic "
                        "Memory driver) or memhp_default_state=offline (added memory is not onlined)")
    for path in ("kernel", "initrd", "emulator", "run"):
        parser.add_argument(f"--path-{path}", required=True, help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    args = arguments()
    paths = {"kernel": args.path_kernel, "initrd": args.path_initrd, "emulator": args.path_emulator, "run": args.path_run}
    if not args.xml:
        print(f"kernel={args.path_kernel}\ninitrd={args.path_initrd}")
        return 0
    try:
        memory, maximum = parse_size(args.memory, "--memory"), parse_size(args.max, "--max")
        check(args.name, memory, maximum, args.vcpus)
        accel = choose_accel(args.accel, paths)
        sys.stdout.write(domain_xml(paths, args.name, memory, maximum, args.vcpus, args.machine, accel, args.cmdline))
    except UsageError as err:
        print(f"guest: error: {err}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
