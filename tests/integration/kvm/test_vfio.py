# SPDX-License-Identifier: LGPL-2.1-or-later
"""A PCI device is assigned to the guest, by libvirt: DMA and the processor see the same memory, whatever the balloon and the sticks do.

The device is an NVMe disk of known content. The guest reads it past its page cache: what arrives is what DMA wrote into memory that was released
and returned, or added, a moment ago."""

import os

import pytest
from checks import Held, consistent, no_sticks

import hvb
from hvb import GIB, MIB, mib

DISK = os.environ.get("HVB_NVME")       # its PCI address, and the MD5 of its content: ./run kvm --iommu names them
MD5 = os.environ.get("HVB_NVME_MD5")
BOOT, MAXIMUM = GIB, 4 * GIB
NEAR = 64 * MIB             # by which locked memory may be more than the guest's
PORTS = "<controller type='pci' index='0' model='pcie-root'/>" + "<controller type='pci' model='pcie-root-port'/>" * 3

pytestmark = [pytest.mark.long, pytest.mark.skipif(not (DISK and MD5), reason="no NVMe disk to assign: HVB_NVME names its PCI address, HVB_NVME_MD5 "
                                                   "the MD5 of its content")]


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


@pytest.fixture(scope="module", name="guest")
def a_guest(make_guest):
    """1 GiB, up to 4 GiB, with free page reporting and the disk."""
    return make_guest("vfio", memory=BOOT, maximum=MAXIMUM, reporting=True, edit=with_disk)


def read(guest):
    """The MD5 of the disk's content as the guest gets it now."""
    guest.exec("echo 3 >/proc/sys/vm/drop_caches")
    return guest.exec("md5sum </dev/nvme0n1", 300).split()[0]


def go(guest, size):
    """setmem, and the disk is read while it goes on and when it is done. checks.at_rest() does not hold: boot memory stays with QEMU."""
    guest.setmem(size)
    assert read(guest) == MD5
    guest.wait_at(size, 120)
    assert read(guest) == MD5
    consistent(guest)


def locked(guest):
    """KiB that the kernel has locked for QEMU, and the limit."""
    with open(f"/proc/{guest.pid()}/status", encoding="ascii") as file:
        now = next(int(line.split()[1]) for line in file if line.startswith("VmLck:"))
    with open(f"/proc/{guest.pid()}/limits", encoding="ascii") as file:
        limit = next(line.split()[3] for line in file if line.startswith("Max locked memory"))
    return now, (float("inf") if limit == "unlimited" else int(limit) // 1024)


def test_it_starts_with_all_of_its_memory_locked(guest):
    assert read(guest) == MD5
    now, limit = locked(guest)
    assert BOOT <= now <= BOOT + NEAR
    assert limit >= BOOT


def test_boot_memory_is_never_discarded(guest):
    """The device may write to it at any time, whatever the guest has released or reported as free."""
    before = guest.balloon()["counters"]
    rss = guest.rss()
    go(guest, 700 * MIB)
    after = guest.balloon()["counters"]
    assert after["discarded"] == before["discarded"]
    assert after["discard-inhibited"] > before["discard-inhibited"]
    assert guest.rss() >= rss - 16 * MIB
    assert locked(guest)[0] >= BOOT


def test_what_is_added_is_locked_and_what_it_releases_is_not(guest):
    data = Held(guest, 2)
    go(guest, 2 * GIB + 512 * MIB)
    top, limit = locked(guest)
    assert 2 * GIB + 512 * MIB <= top + NEAR
    assert limit >= 2 * GIB + 512 * MIB
    guest.touch(GIB)
    rss = guest.rss()
    go(guest, 800 * MIB)
    low = locked(guest)[0]
    assert low < top - GIB, f"{mib(low)} of {mib(top)} are still locked"
    assert guest.rss() < rss - 768 * MIB
    data.check()
    go(guest, 2 * GIB)
    assert locked(guest)[0] > low + GIB - 256 * MIB
    data.check()


def test_a_reset_with_the_stick_in_use(guest):
    guest.reboot()
    guest.wait_at(2 * GIB, 120)
    assert read(guest) == MD5
    consistent(guest)
    go(guest, 900 * MIB)
    guest.reboot()
    guest.wait_at(900 * MIB, 120)
    no_sticks(guest)
    assert read(guest) == MD5
    assert locked(guest)[0] <= BOOT + NEAR, "the memory of a stick that is gone is still locked"


def test_unplugged_discards_go_on_and_plugged_they_stop(guest):
    path = os.path.join(os.environ["HVB_GUEST_RUN"], guest.name + ".hostdev.xml")
    with open(path, "w", encoding="ascii") as file:
        file.write(hostdev())
    hvb.virsh("detach-device", guest.name, path, "--live")
    hvb.wait_until("the disk is gone", 60, lambda: "<hostdev" not in hvb.virsh("dumpxml", guest.name))
    hvb.wait_until("nothing is locked", 30, lambda: locked(guest)[0] == 0)
    before = guest.balloon()["counters"]["discarded"]
    guest.setmem(700 * MIB)
    guest.wait_at(700 * MIB, 120)
    assert guest.balloon()["counters"]["discarded"] > before
    data = Held(guest, 2)
    hvb.virsh("attach-device", guest.name, path, "--live")
    guest.exec("for i in $(seq 100); do [ -b /dev/nvme0n1 ] && exit; sleep 0.2; done; exit 1", 60)
    go(guest, 2 * GIB)
    go(guest, 800 * MIB)
    data.check()
