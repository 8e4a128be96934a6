# SPDX-License-Identifier: LGPL-2.1-or-later
"""The libvirt calls that virt-manager and Cockpit make to change a domain's memory, stopped and running, up and down."""

import ctypes
import os
import xml.etree.ElementTree as ET

import pytest
from checks import at_rest

import hvb
from hvb import GIB, MIB

BOTH = 1 | 2        # VIR_DOMAIN_AFFECT_LIVE, VIR_DOMAIN_AFFECT_CONFIG


@pytest.fixture(scope="module", name="api")
def libvirt_of_the_private_daemon():
    """The distribution's Python binding on our client library, which knows where the private daemon listens."""
    hvb.setup()
    ctypes.CDLL(os.path.join(os.environ["LD_LIBRARY_PATH"].split(":")[0], "libvirt.so.0"), mode=ctypes.RTLD_GLOBAL)
    libvirt = pytest.importorskip("libvirt")
    libvirt.registerErrorHandler(lambda *_: None, None)
    with hvb.daemon_use():
        connection = libvirt.open(os.environ["LIBVIRT_DEFAULT_URI"])
        yield connection
        connection.close()


def edited(text, **sizes):
    """Domain XML with other sizes, in KiB, and nothing else changed."""
    root = ET.fromstring(text)
    for name, size in sizes.items():
        root.find(name).text = str(size)
        root.find(name).set("unit", "KiB")
    return ET.tostring(root, encoding="unicode")


def virt_manager(domain, memory, current):
    """Its memory page, after Apply: the definition, then what runs."""
    domain.connect().defineXML(edited(domain.XMLDesc(2), memory=memory, currentMemory=current))      # VIR_DOMAIN_XML_INACTIVE
    if domain.isActive():
        if domain.maxMemory() != memory:
            domain.setMaxMemory(memory)
        domain.setMemory(current)


def cockpit(domain, memory, current):
    """Its memory dialog: the XML that is shown, which is the live one where the domain runs, with another maximum; then the size."""
    if domain.maxMemory() != memory:
        domain.connect().defineXML(edited(domain.XMLDesc(0), memory=memory))
    domain.setMemoryFlags(current, BOTH if domain.isActive() else 2)


CLIENTS = [virt_manager, cockpit]


def stored(domain):
    """The persistent definition."""
    return hvb.Domain(domain.XMLDesc(2))


def sizes(domain):
    """Memory, currentMemory and boot memory."""
    return domain.memory, domain.current, domain.boot


@pytest.fixture(name="stopped")
def a_stopped_domain(api):
    """1 GiB, up to 4 GiB."""
    guest = hvb.Guest("hvbt-clients-stopped", memory=GIB, maximum=4 * GIB)
    guest.remove()
    yield api.defineXML(guest.xml)
    guest.remove()


@pytest.fixture(scope="module", name="guest")
def a_guest(make_guest):
    """1 GiB, up to 4 GiB."""
    return make_guest("clients", memory=GIB, maximum=4 * GIB)


def starts(domain):
    """QEMU starts with the stored definition."""
    domain.createWithFlags(1)       # VIR_DOMAIN_START_PAUSED
    domain.destroy()


@pytest.mark.parametrize("client", CLIENTS)
def test_stopped(stopped, client):
    client(stopped, 2 * GIB, 2 * GIB)
    assert sizes(stored(stopped)) == (2 * GIB, 2 * GIB, 2 * GIB)
    client(stopped, 2 * GIB, 1 * GIB)
    assert sizes(stored(stopped)) == (2 * GIB, GIB, 2 * GIB)
    client(stopped, 768 * MIB, 768 * MIB)
    assert sizes(stored(stopped)) == (768 * MIB, 768 * MIB, 768 * MIB)
    starts(stopped)


@pytest.mark.parametrize("client", CLIENTS)
def test_stopped_with_a_stick(stopped, client):
    stopped.setMemoryFlags(3 * GIB, 2)
    assert sizes(stored(stopped)) == (3 * GIB, 3 * GIB, GIB)
    client(stopped, 2 * GIB + 256 * MIB, 2 * GIB + 256 * MIB)
    assert sizes(stored(stopped)) == (2 * GIB + 256 * MIB, 2 * GIB + 256 * MIB, GIB), "less of the stick, not of boot memory"
    starts(stopped)
    client(stopped, 1200 * MIB, 1200 * MIB)
    assert sizes(stored(stopped))[:2] == (1200 * MIB, 1200 * MIB)
    assert stored(stopped).boot >= GIB
    client(stopped, 800 * MIB, 800 * MIB)
    assert (sizes(stored(stopped)), stored(stopped).sticks) == ((800 * MIB, 800 * MIB, 800 * MIB), [])
    starts(stopped)


def test_only_memory_lowered_lowers_current_too(stopped):
    stopped.connect().defineXML(edited(stopped.XMLDesc(2), memory=800 * MIB))
    assert sizes(stored(stopped)) == (800 * MIB, 800 * MIB, 800 * MIB)


@pytest.mark.parametrize("client", CLIENTS)
def test_beyond_the_ceiling_names_it(stopped, client):
    before = stopped.XMLDesc(2)
    with pytest.raises(Exception, match=f"{4 * GIB + MIB} KiB is above <maxMemory> of {4 * GIB} KiB: raise <maxMemory>"):
        client(stopped, 4 * GIB + MIB, 4 * GIB + MIB)
    assert stopped.XMLDesc(2) == before


def start_again(guest):
    """As it is stored."""
    hvb.virsh_alone("destroy", guest.name)
    hvb.virsh_alone("start", guest.name)
    guest.wait_up()


@pytest.mark.parametrize("client", CLIENTS)
def test_running(api, guest, client):
    domain = api.lookupByName(guest.name)
    client(domain, 1536 * MIB, 1536 * MIB)
    guest.wait_at(1536 * MIB)
    at_rest(guest)
    assert stored(domain).current == stored(domain).memory == 1536 * MIB
    # What the page shows as the maximum is what is there now.
    client(domain, domain.maxMemory(), 1200 * MIB)
    guest.wait_at(1200 * MIB)
    client(domain, GIB, GIB)
    guest.wait_at(GIB)
    at_rest(guest)
    assert sizes(stored(domain)) == (GIB, GIB, GIB)
    start_again(guest)
    guest.wait_at(GIB)


def test_live_xml_defined_again(api, guest):
    """Live XML contains the sticks of setmem, with addresses; addresses are not stored, and sticks do not outlast the request."""
    domain = api.lookupByName(guest.name)
    for size in (1536 * MIB, 2 * GIB):
        guest.setmem(size)
        guest.wait_at(size)
    assert len(guest.domain().sticks) == 2 and "<address base=" in domain.XMLDesc(0)
    api.defineXML(domain.XMLDesc(0))
    assert "<address base=" not in domain.XMLDesc(2)
    assert sizes(stored(domain)) == (2 * GIB, 2 * GIB, GIB)
    domain.setMemoryFlags(3 * GIB, 2 | 4)       # setmaxmem --config: more boot memory, where the sticks are now
    assert sizes(stored(domain)) == (3 * GIB, 2 * GIB, 2 * GIB)
    domain.setMemoryFlags(2 * GIB, 2)
    assert (stored(domain).boot, stored(domain).sticks) == (2 * GIB, [])
    domain.setMemoryFlags(GIB, 2 | 4)
    assert sizes(stored(domain)) == (GIB, GIB, GIB)
    start_again(guest)
    guest.wait_at(GIB)
    at_rest(guest)
