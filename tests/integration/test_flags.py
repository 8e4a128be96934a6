# SPDX-License-Identifier: LGPL-2.1-or-later
"""setmem, setmaxmem, attach-device and detach-device with every flag, on the live and on the stored definition."""

import os
import tempfile
import xml.etree.ElementTree as ET

import pytest
from checks import at_rest, no_sticks

import hvb
from hvb import GIB, MIB


def stored(guest):
    """The persistent definition."""
    return hvb.Domain(hvb.virsh("dumpxml", guest.name, "--inactive"))


def sizes(domain):
    """Alias -> size of every stick."""
    return {stick.alias: stick.size for stick in domain.sticks}


def define(text):
    """virsh define."""
    with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
        file.write(text)
        file.flush()
        hvb.virsh("define", file.name)


def stick_file(guest, alias=None, mib=256, insert="now"):
    """The path of a stick's XML."""
    path = os.path.join(os.environ["HVB_GUEST_RUN"], guest.name + ".stick.xml")
    name = f"<alias name='{alias}'/>" if alias else ""
    with open(path, "w", encoding="ascii") as file:
        file.write(f"<memory model='haprot'><target insert='{insert}'><size unit='MiB'>{mib}</size></target>{name}</memory>")
    return path


def setmaxmem(guest, kib, *flags):
    """virsh setmaxmem."""
    hvb.virsh("setmaxmem", guest.name, kib, *flags)


def refused(word, call, *args):
    """CALL fails with a message that has WORD in it."""
    with pytest.raises(hvb.VirshError, match=word):
        call(*args)


@pytest.fixture(name="stopped")
def a_stopped_domain():
    """Defined and not started: 1 GiB, up to 4 GiB, at least 512 MiB."""
    hvb.setup()
    guest = hvb.Guest("hvbt-flags-stopped", memory=GIB, maximum=4 * GIB)
    guest.remove()
    define(guest.xml.replace("<memballoon model='hyperv'/>", "<memballoon model='hyperv'><minimum unit='MiB'>512</minimum></memballoon>"))
    yield guest
    guest.remove()


@pytest.fixture(scope="module", name="guest")
def a_guest(make_guest):
    """1 GiB, up to 4 GiB."""
    return make_guest("flags", memory=GIB, maximum=4 * GIB)


@pytest.mark.parametrize("flags", [["--config"], ["--current"]])
def test_setmem_of_a_stopped_domain(stopped, flags):
    stopped.setmem(3 * GIB, *flags)
    domain = stored(stopped)
    assert (domain.memory, domain.current, sizes(domain)) == (3 * GIB, 3 * GIB, {"ua-haprot0": 2 * GIB})
    assert domain.boot == GIB, "boot memory stays what it was"
    assert domain.sticks[0].insert == "on-demand"
    stopped.setmem(2 * GIB, *flags)
    assert sizes(stored(stopped)) == {"ua-haprot0": GIB}
    stopped.setmem(768 * MIB, *flags)
    domain = stored(stopped)
    assert (domain.memory, domain.current, sizes(domain)) == (GIB, 768 * MIB, {})


def test_limits_of_a_stopped_domain(stopped):
    before = hvb.virsh("dumpxml", stopped.name)
    refused(f"{4 * GIB} KiB: request no more than that, or raise", stopped.setmem, 4 * GIB + 1, "--config")
    refused(f"{512 * MIB} KiB: request at least that, or lower", stopped.setmem, 512 * MIB - 1, "--config")
    refused("must not be zero", stopped.setmem, 0, "--config")
    refused("not running", stopped.setmem, GIB, "--live")
    refused("not running", stopped.setmem, GIB, "--live", "--config")
    refused(f"{4 * GIB} KiB: request no more than that, or raise", setmaxmem, stopped, 4 * GIB + 1, "--config")
    refused(f"{512 * MIB} KiB: request at least that, or lower", setmaxmem, stopped, 512 * MIB - 1, "--config")
    refused("not running", setmaxmem, stopped, GIB, "--live")
    assert hvb.virsh("dumpxml", stopped.name) == before, "what was refused changed something"


def test_setmaxmem_of_a_stopped_domain_is_boot_memory(stopped):
    stopped.setmem(2 * GIB, "--config")
    setmaxmem(stopped, 3 * GIB, "--config")
    domain = stored(stopped)
    assert (domain.memory, domain.boot, domain.current) == (3 * GIB, 2 * GIB, 2 * GIB)
    setmaxmem(stopped, 2560 * MIB, "--current")
    domain = stored(stopped)
    assert (domain.memory, domain.boot, sizes(domain)) == (2560 * MIB, 2 * GIB, {"ua-haprot0": 512 * MIB}), "the driver's stick goes first"
    setmaxmem(stopped, GIB, "--config")
    domain = stored(stopped)
    assert (domain.memory, domain.boot, domain.current, domain.sticks) == (GIB, GIB, GIB, [])


def test_update_device_changes_no_stick(stopped):
    """Boot memory would be what is left."""
    stopped.setmem(2 * GIB, "--config")
    before = hvb.virsh("dumpxml", stopped.name)
    for alias in "ua-haprot0", None:
        refused("cannot modify memory of model 'haprot': detach the device and attach another one, or use setmem",
                hvb.virsh, "update-device", stopped.name, stick_file(stopped, alias, mib=512), "--config")
    assert hvb.virsh("dumpxml", stopped.name) == before


def test_setmaxmem_of_a_stopped_domain_leaves_the_users_stick(stopped):
    stopped.setmem(2 * GIB, "--config")
    hvb.virsh("attach-device", stopped.name, stick_file(stopped, "ua-mine", 1024), "--config")
    before = hvb.virsh("dumpxml", stopped.name)
    refused(f"nothing to boot with beside the stick 'ua-mine' of {GIB} KiB: request more", setmaxmem, stopped, GIB, "--config")
    assert hvb.virsh("dumpxml", stopped.name) == before
    setmaxmem(stopped, 1536 * MIB, "--config")
    domain = stored(stopped)
    assert (domain.memory, domain.boot, sizes(domain)) == (1536 * MIB, 512 * MIB, {"ua-mine": GIB})


def test_devices_of_a_stopped_domain(stopped):
    hvb.virsh("attach-device", stopped.name, stick_file(stopped), "--config")
    hvb.virsh("attach-device", stopped.name, stick_file(stopped, insert="on-demand"), "--current")
    hvb.virsh("attach-device", stopped.name, stick_file(stopped, "ua-mine", 512), "--config")
    domain = stored(stopped)
    assert sizes(domain) == {"ua-stick0": 256 * MIB, "ua-stick1": 256 * MIB, "ua-mine": 512 * MIB}
    assert (domain.memory, domain.current) == (2 * GIB, GIB + 768 * MIB), "an on-demand stick is capacity only"
    refused("ua-mine", hvb.virsh, "attach-device", stopped.name, stick_file(stopped, "ua-mine"), "--config")
    refused("not running", hvb.virsh, "attach-device", stopped.name, stick_file(stopped), "--live")
    refused("maxMemory|maximum", hvb.virsh, "attach-device", stopped.name, stick_file(stopped, "ua-big", 4096), "--config")
    refused("not running", hvb.virsh, "detach-device", stopped.name, stick_file(stopped, "ua-mine", 512), "--live")

    hvb.virsh("detach-device", stopped.name, stick_file(stopped, "ua-mine", 512), "--config")
    hvb.virsh("detach-device-alias", stopped.name, "ua-stick1", "--config")
    domain = stored(stopped)
    assert sizes(domain) == {"ua-stick0": 256 * MIB}
    assert (domain.memory, domain.current) == (GIB + 256 * MIB, GIB + 256 * MIB)
    refused("matching memory device was not found", hvb.virsh, "detach-device", stopped.name, stick_file(stopped, "ua-none"), "--config")


def test_what_is_written_back_is_what_was_read(stopped):
    stopped.setmem(3 * GIB, "--config")
    hvb.virsh("attach-device", stopped.name, stick_file(stopped, "ua-mine"), "--config")
    text = hvb.virsh("dumpxml", stopped.name, "--inactive")
    define(text)
    assert hvb.virsh("dumpxml", stopped.name, "--inactive") == text
    # As virt-manager does: both sizes, and nothing else, edited in the tree.
    root = ET.fromstring(text)
    root.find("memory").text = str(int(root.find("memory").text) - 256 * MIB)
    root.find("currentMemory").text = str(GIB)
    define(ET.tostring(root, encoding="unicode"))
    domain = stored(stopped)
    assert (domain.memory, domain.current, domain.boot) == (3 * GIB, GIB, GIB), "less of the driver's stick, not of boot memory"
    assert sizes(domain) == {"ua-haprot0": 2 * GIB - 256 * MIB, "ua-mine": 256 * MIB}


def test_live_alone_and_config_alone(guest):
    guest.setmem(1536 * MIB, "--live")
    guest.wait_at(1536 * MIB)
    assert (stored(guest).current, sizes(stored(guest))) == (GIB, {})
    guest.setmem(2 * GIB, "--config")
    assert (stored(guest).memory, sizes(stored(guest))) == (2 * GIB, {"ua-haprot0": GIB})
    guest.wait_at(1536 * MIB)
    guest.setmem(GIB, "--config")
    guest.setmem(GIB)
    guest.wait_at(GIB)
    at_rest(guest)


def test_current_means_what_runs(guest):
    guest.setmem(1200 * MIB, "--current")
    guest.wait_at(1200 * MIB)
    assert stored(guest).current == GIB


def test_both_at_once_and_started_anew(guest):
    guest.setmem(2 * GIB, "--live", "--config")
    guest.wait_at(2 * GIB)
    at_rest(guest)
    domain = stored(guest)
    assert (domain.memory, domain.current, domain.boot) == (2 * GIB, 2 * GIB, GIB)
    hvb.virsh("destroy", guest.name)
    guest.start()
    assert sizes(guest.domain()) == sizes(stored(guest))
    guest.wait_up()
    guest.wait_at(2 * GIB)
    guest.hidden = guest.actual() - guest.memtotal()
    at_rest(guest)
    # If the live change is refused, the stored definition does not change either.
    refused(str(4 * GIB), guest.setmem, 4 * GIB + 1, "--live", "--config")
    assert stored(guest).current == 2 * GIB


def test_setmaxmem_live_is_not_stored_and_config_is_not_live(guest):
    total = guest.domain().memory
    setmaxmem(guest, total + 512 * MIB, "--live")
    assert (guest.domain().memory, stored(guest).memory) == (total + 512 * MIB, 2 * GIB)
    setmaxmem(guest, 2 * GIB + 256 * MIB, "--config")
    assert (guest.domain().memory, stored(guest).memory, stored(guest).boot) == (total + 512 * MIB, 2 * GIB + 256 * MIB, GIB + 256 * MIB)
    setmaxmem(guest, GIB, "--config")
    guest.setmem(2 * GIB, "--config")
    setmaxmem(guest, total, "--live")
    hvb.wait_until(guest.seen, 20, lambda: guest.domain().memory == total)
    # Less than the guest uses: no stick is removed, now or later.
    setmaxmem(guest, GIB, "--live")
    assert guest.domain().memory == total
    guest.wait_at(2 * GIB)


def test_a_stick_of_the_user(guest):
    hvb.virsh("attach-device", guest.name, stick_file(guest, "ua-mine"), "--live", "--config")
    guest.wait_at(2 * GIB + 256 * MIB)
    assert sizes(guest.domain())["ua-mine"] == sizes(stored(guest))["ua-mine"] == 256 * MIB
    assert stored(guest).current == 2 * GIB + 256 * MIB
    # Refused while the guest uses it, without any effect.
    refused(f"the stick 'ua-mine' of {256 * MIB} KiB is in use by the guest: lower the guest's memory by setmem",
            hvb.virsh, "detach-device", guest.name, stick_file(guest, "ua-mine"), "--live")
    guest.wait_at(2 * GIB + 256 * MIB)
    at_rest(guest)

    # The driver's own are removed after a reboot, the user's stays until the user detaches it.
    guest.setmem(GIB, "--live", "--config")
    guest.wait_at(GIB)
    guest.reboot()
    guest.wait_at(GIB)
    hvb.wait_until(guest.seen, 30, lambda: sizes(guest.domain()) == {"ua-mine": 256 * MIB})
    assert sizes(stored(guest)) == {"ua-mine": 256 * MIB}
    guest.hidden = guest.actual() - guest.memtotal()
    at_rest(guest)
    hvb.virsh("detach-device", guest.name, stick_file(guest, "ua-mine"), "--live", "--config")
    no_sticks(guest)
    domain = stored(guest)
    assert (domain.memory, domain.sticks) == (GIB, [])
    guest.wait_at(GIB)
