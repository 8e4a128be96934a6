# SPDX-License-Identifier: LGPL-2.1-or-later
"""An NVMe disk that is assigned to a guest. What it has at its beginning is known, and is read past the guest's page cache: what arrives is what DMA
wrote."""

import contextlib
import os
import subprocess

from hvb import MIB

DISK = os.environ.get("HVB_NVME")       # its PCI address: ./run kvm --iommu names both
MD5 = os.environ.get("HVB_NVME_MD5")    # of its first SIZE bytes, all that is read: a real disk has too much
SIZE = 128 << 20                        # bytes
NEAR = 64 * MIB                         # by which locked memory may be more than the guest's
BLOCK = "/dev/nvme0n1"                  # in the guest
READ = f"{{ echo 3 >/proc/sys/vm/drop_caches; dd if={BLOCK} bs=64k count={SIZE >> 16} status=none | md5sum; }}"     # commands for the guest
FIND = f"until [ -b {BLOCK} ]; do sleep 0.2; done"     # whoever waits has a limit
PORTS = "<controller type='pci' index='0' model='pcie-root'/>" + "<controller type='pci' model='pcie-root-port'/>" * 3


def hostdev():
    """The device in domain XML."""
    domain, bus, rest = DISK.split(":")
    slot, function = rest.split(".")
    return (f"<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0x{domain}' bus='0x{bus}' slot='0x{slot}' function='0x{function}'/>"
            "</source></hostdev>")


def with_ports(xml):
    """Free ports to plug a device into."""
    return xml.replace("<controller type='usb'", PORTS + "<controller type='usb'")


def with_disk(xml):
    """With the device from the start."""
    return with_ports(xml).replace("<memballoon", hostdev() + "<memballoon")


def read(guest):
    """The MD5 as the guest gets it now."""
    return guest.exec(READ, 300).split()[0]


def wait_disk(guest):
    """Until the guest has found the device that was just plugged."""
    guest.exec(FIND, 90)


def locked_of(pid):
    """KiB that the kernel has locked for a process, and its limit."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        now = next(int(line.split()[1]) for line in file if line.startswith("VmLck:"))
    with open(f"/proc/{pid}/limits", encoding="ascii") as file:
        limit = next(line.split()[3] for line in file if line.startswith("Max locked memory"))
    return now, (float("inf") if limit == "unlimited" else int(limit) // 1024)


def locked(guest):
    """The same for a guest's QEMU."""
    return locked_of(guest.pid())


def sysfs(*names):
    """Of the device."""
    return os.path.join("/sys/bus/pci/devices", DISK, *names)


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def rebind(driver):
    """The driver that the host has for the device from now on: "vfio-pci", or "" for its own. libvirt does so by itself."""
    if driver and not os.path.exists(os.path.join("/sys/bus/pci/drivers", driver)):
        subprocess.run(["modprobe", driver], check=True)
    with contextlib.suppress(FileNotFoundError):        # it has none
        write(sysfs("driver", "unbind"), DISK)
    write(sysfs("driver_override"), driver + "\n")
    write("/sys/bus/pci/drivers_probe", DISK)
