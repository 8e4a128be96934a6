# SPDX-License-Identifier: LGPL-2.1-or-later
"""Saving and migrating are refused with a clear error where they cannot be; stop and start keep the configured size."""

import contextlib
import os

import pytest
from checks import at_rest, consistent, go, near

import hvb
from hvb import GIB, MIB


@pytest.fixture(scope="module", name="guest")
def a_guest(make_guest):
    """1 GiB, up to 4 GiB."""
    return make_guest("save", memory=GIB, maximum=4 * GIB)


def config(guest):
    """The stored definition."""
    return hvb.Domain(hvb.virsh("dumpxml", guest.name, "--inactive"))


def test_a_qemu_that_does_not_migrate_yet_is_refused_by_name(make_guest):
    """A guest that runs on one stays; that it is killed with the host or its daemon is what it has always been."""
    guest = make_guest("save-old", memory=512 * MIB, maximum=GIB, vcpus=1, edit=without_migration)
    boot = guest.boot_id()
    image = os.path.join(os.environ["HVB_RUN"], guest.name + ".image")
    for command in (("save", guest.name, image), ("managedsave", guest.name), ("dump", guest.name, image),
                    ("snapshot-create-as", guest.name, "s", "--memspec", f"file={image},snapshot=external"),
                    ("migrate", guest.name, "--live", os.environ["LIBVIRT_DEFAULT_URI"], "--dname", guest.name + "2")):
        with pytest.raises(hvb.VirshError, match="whose query-hv-balloon reports no 'migration': update QEMU"):
            hvb.virsh(*command)
        assert guest.state() == "running", command
        assert not os.path.exists(image), command
    assert "no" in [line.split(":")[1].strip() for line in hvb.virsh("dominfo", guest.name).splitlines() if line.startswith("Managed save")]
    assert not hvb.virsh("snapshot-list", guest.name, "--name").strip()
    assert guest.boot_id() == boot
    at_rest(guest)
    guest.remove()


def without_migration(xml):
    """A QEMU of an older version, as far as libvirt knows."""
    xml = xml.replace("<domain ", "<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0' ")
    return xml.replace("</domain>", "<qemu:capabilities><qemu:del capability='hv-balloon.migration'/></qemu:capabilities></domain>")


def test_a_migration_that_finds_nobody_leaves_it_where_it_is(guest):
    """Whoever is not reached, or is this very daemon; test_migration.py has those that are."""
    go(guest, 2 * GIB)
    boot = guest.boot_id()
    for command in (("migrate", guest.name, "qemu+ssh://nowhere.invalid/system", "--live"),
                    ("migrate", guest.name, "--live", "--p2p", "qemu+tcp://127.0.0.1:1/system"),
                    ("migrate", guest.name, "--live", os.environ["LIBVIRT_DEFAULT_URI"], "--dname", guest.name + "2")):
        with pytest.raises(hvb.VirshError, match="(?i)nowhere.invalid|127.0.0.1|unable to connect|to the same host"):
            hvb.virsh(*command)
        assert guest.state() == "running", command
    assert guest.boot_id() == boot
    consistent(guest)
    at_rest(guest)


def test_a_size_of_the_configuration_is_kept_over_stop_and_start(guest):
    hvb.virsh("setmem", guest.name, 2 * GIB + 256 * MIB, "--config")
    stored = config(guest)
    assert (stored.memory, stored.current, stored.boot) == (2 * GIB + 256 * MIB, 2 * GIB + 256 * MIB, GIB)
    hvb.virsh("destroy", guest.name)
    guest.start()
    guest.wait_up()
    guest.wait_at(2 * GIB + 256 * MIB)
    assert guest.domain().boot == GIB
    consistent(guest)
    hvb.virsh("setmem", guest.name, 900 * MIB, "--config")
    assert config(guest).current == 900 * MIB
    hvb.virsh("shutdown", guest.name)
    hvb.wait_until("the guest shuts down", 60, lambda: guest.state() == "shut off")
    guest.start()
    guest.wait_up()
    guest.wait_at(900 * MIB)
    assert near(guest.actual(), 900 * MIB)
    consistent(guest)


def test_what_was_live_only_is_not_kept(guest):
    go(guest, 2 * GIB)
    hvb.virsh("destroy", guest.name)
    stored = config(guest)
    assert (stored.memory, stored.current, stored.sticks) == (GIB, 900 * MIB, [])
    guest.start()
    guest.wait_up()
    guest.wait_at(900 * MIB)
    consistent(guest)


def test_live_and_config_together_have_the_same_shape(guest):
    hvb.virsh("setmem", guest.name, 2 * GIB, "--live", "--config")
    guest.wait_at(2 * GIB)
    assert guest.domain().sticks == config(guest).sticks
    hvb.virsh("destroy", guest.name)
    guest.start()
    guest.wait_up()
    guest.wait_at(2 * GIB)
    consistent(guest)


def test_autostart_starts_it_with_its_size(guest):
    hvb.virsh("autostart", guest.name)
    hvb.virsh("destroy", guest.name)
    # Autostart happens once per boot of the host: the daemon leaves a stamp.
    with hvb.daemon_use(exclusive=True):
        hvb.daemon("end")
        for folder, _, names in os.walk(os.environ["HVB_RUN"]):
            if "autostarted" in names:
                os.unlink(os.path.join(folder, "autostarted"))
        hvb.daemon("start")
    try:
        hvb.wait_until("it is started by itself", 30, lambda: guest.state() == "running")
        guest.wait_up()
        guest.wait_at(2 * GIB)
        consistent(guest)
    finally:
        with contextlib.suppress(hvb.VirshError):
            hvb.virsh("autostart", guest.name, "--disable")
