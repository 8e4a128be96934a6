# SPDX-License-Identifier: LGPL-2.1-or-later
"""The libvirt calls that virt-manager and Cockpit make to change a domain's memory, stopped and running, up and down."""

import contextlib
import ctypes
import os
import threading
import xml.etree.ElementTree as ET

import pytest
from checks import at_rest

import hvb
from hvb import GIB, MIB

BOTH = 1 | 2        # VIR_DOMAIN_AFFECT_LIVE, VIR_DOMAIN_AFFECT_CONFIG


@contextlib.contextmanager
def event_loop(libvirt):
    """Events are received meanwhile."""
    ended = threading.Event()

    def run():
        while not ended.is_set():
            libvirt.virEventRunDefaultImpl()

    timer = libvirt.virEventAddTimeout(200, lambda *_: None, None)      # or the loop would wait for an event before it ends
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield
    ended.set()
    thread.join(10)
    libvirt.virEventRemoveTimeout(timer)


@pytest.fixture(scope="module", name="api")
def libvirt_of_the_private_daemon():
    """The distribution's Python binding on our client library, which knows where the private daemon listens."""
    hvb.setup()
    ctypes.CDLL(os.path.join(os.environ["LD_LIBRARY_PATH"].split(":")[0], "libvirt.so.0"), mode=ctypes.RTLD_GLOBAL)
    libvirt = pytest.importorskip("libvirt")
    libvirt.registerErrorHandler(lambda *_: None, None)
    libvirt.virEventRegisterDefaultImpl()
    with hvb.daemon_use(), event_loop(libvirt):
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


class Events:
    """What a client hears of a domain, as it comes: ("balloon", KiB), ("added", ALIAS), ("removed", ALIAS)."""

    def __init__(self, domain):
        self.heard = []
        self.connection = domain.connect()
        self.ids = [self.connection.domainEventRegisterAny(domain, number, self.note, word) for number, word in (
            (13, "balloon"), (15, "removed"), (19, "added"))]       # VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE, _DEVICE_REMOVED, _DEVICE_ADDED

    def note(self, _connection, _domain, what, word):
        self.heard.append((word, what))

    def wait(self, event):
        hvb.wait_until(lambda: f"{event} is heard; there was {self.heard}", 30, lambda: event in self.heard)

    def end(self):
        for number in self.ids:
            self.connection.domainEventDeregisterAny(number)


@pytest.fixture(name="events")
def events_of_the_guest(api, guest):
    events = Events(api.lookupByName(guest.name))
    yield events
    events.end()


def test_events_and_figures(api, guest, events):
    """A client that listens hears of every stick and of the size at which the guest stops; info() and memoryStats() say the same then."""
    domain = api.lookupByName(guest.name)
    domain.setMaxMemory(1536 * MIB)
    (stick,) = guest.domain().sticks
    events.wait(("added", stick.alias))
    assert domain.info()[1] == domain.maxMemory() == 1536 * MIB
    domain.setMaxMemory(GIB)
    events.wait(("removed", stick.alias))
    assert domain.info()[1] == GIB

    for size in (1200 * MIB, 900 * MIB):
        domain.setMemory(size)
        guest.wait_at(size)
        guest.wait_synced()
        _, most, current, *_ = domain.info()
        stats = domain.memoryStats()
        events.wait(("balloon", current))
        assert [what for word, what in events.heard if word == "balloon"][-1] == current
        assert (most, current) == (guest.domain().memory, guest.domain().current)
        assert stats["actual"] == current
        assert 0 < stats["rss"]
        assert stats.keys() <= {"actual", "usable", "last_update", "rss"}
        assert stats.get("usable", 0) <= current
