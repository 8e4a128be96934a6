# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a guest is saved to, what of that may be edited, and which guest cannot be saved."""

import contextlib
import os
import re

import pytest
from checks import Held, consistent, go
from travel import GROWN, SHRUNK, agree, keeps, travelled

import hvb
from hvb import GIB, MIB

MINIMUM = 512 * MIB


@pytest.fixture(scope="module", name="guest")
def a_guest(make_guest):
    """1 GiB, up to 4 GiB, of which some is data whose checksum is known."""
    guest = make_guest("image", memory=GIB, maximum=4 * GIB, edit=lambda xml: with_minimum(xml, MINIMUM))
    guest.held = Held(guest, 8)
    return guest


def with_minimum(xml, kib):
    """Its balloon has a <minimum>."""
    return xml.replace("<memballoon model='hyperv'/>", f"<memballoon model='hyperv'><minimum unit='KiB'>{kib}</minimum></memballoon>")


@pytest.fixture(name="image")
def a_file():
    """Where a guest is saved."""
    path = os.path.join(os.environ["HVB_RUN"], "hvbt.image")
    yield path
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def shrunk(guest):
    """It has released a part of its memory, and keeps its stick; returns what must be the same when it is back."""
    go(guest, GROWN)
    hvb.virsh("setmaxmem", guest.name, GROWN + 100 * MIB, "--live")
    guest.setmem(SHRUNK)
    guest.wait_at(SHRUNK)
    return keeps(guest)


@pytest.mark.parametrize("how", [("--image-format", "sparse", "--parallel-channels", "2"), ("--image-format", "zstd"), ("--bypass-cache",),
                                 pytest.param(("--image-format", "gzip"), marks=pytest.mark.long),
                                 pytest.param(("--image-format", "sparse", "--bypass-cache"), marks=pytest.mark.long)], ids="".join)
def test_every_way_to_save(guest, image, how):
    before = shrunk(guest)
    hvb.virsh("save", guest.name, image, *how, timeout=180)
    assert os.stat(image).st_blocks // 2 < SHRUNK, "what the guest has released is not saved"
    options = [option for option in how if option == "--bypass-cache"] + (["--parallel-channels", "2"] if "--parallel-channels" in how else [])
    hvb.virsh("restore", image, *options, timeout=180)
    travelled(guest, before)


def test_paused_from_the_save_on(guest, image):
    """Everything agrees before it runs."""
    before = shrunk(guest)[:-1]
    hvb.virsh("save", guest.name, image)
    hvb.virsh("restore", image, "--paused")
    assert guest.state() == "paused"
    agree(guest)
    guest.setmem(GROWN)
    assert guest.domain().requested == GROWN
    hvb.virsh("save", guest.name, image)
    hvb.virsh("restore", image, "--running")
    assert keeps(guest)[1:-1] == before[1:]
    guest.wait_at(GROWN)
    guest.held.check()
    consistent(guest)


# What is edited, and the refusal.
EDITS = {
    "alias": (r"<alias name='ua-haprot0'/>", "<alias name='ua-other'/>", "memory device alias 'ua-.*' doesn't match source alias 'ua-"),
    "address": (r"base='0x([0-9a-f]+)00000000'", r"base='0x1\g<1>00000000'", "memory device address '0x.*' doesn't match"),
    "no address": (r" *<address type='haprot' [^>]*>|<address base='[^>]*>", "", "memory device address '0x.*' doesn't match"),
    "insert": (r"insert='on-demand'", "insert='now'", "memory device insert mode 'now' doesn't match"),
    "currentMemory": (r"<currentMemory unit='KiB'>\d+<", f"<currentMemory unit='KiB'>{900 * MIB}<", "current memory .* does not match source"),
    "maxMemory": (r"(<maxMemory [^>]*>)\d+<", rf"\g<1>{5 * GIB}<", "maximum memory size '.*' doesn't match source"),
    "minimum above what it has": (r"(<minimum [^>]*>)\d+<", rf"\g<1>{1100 * MIB}<", "(?i)minimum"),
    "no stick": (r"(?s)<memory model='haprot'>.*?</memory>", "",
                 "max memory .* does not match source|memory device count .* does not match source"),
}


def test_an_edited_image_is_refused_or_taken_and_nothing_is_lost(guest, image, tmp_path):
    before = shrunk(guest)
    hvb.virsh("save", guest.name, image)
    text = hvb.virsh("save-image-dumpxml", image)
    xml = tmp_path / "xml"
    for what, (old, new, error) in EDITS.items():
        edited = re.sub(old, new, text, count=1)
        assert edited != text, f"{what}: there is no {old} in {text}"
        xml.write_text(edited)
        for command in (("save-image-define", image, xml), ("restore", image, "--xml", xml)):
            with pytest.raises(hvb.VirshError, match=error) as refusal:
                hvb.virsh(*command)
            print(f"{what}: {refusal.value}")
        assert guest.state() == "shut off", what
    assert hvb.virsh("save-image-dumpxml", image) == text
    # less is kept than before
    xml.write_text(re.sub(r"(<minimum [^>]*>)\d+<", rf"\g<1>{SHRUNK}<", text))
    hvb.virsh("save-image-define", image, xml)
    hvb.virsh("restore", image)
    travelled(guest, before)
    with pytest.raises(hvb.VirshError, match=f"<minimum> of the balloon, {SHRUNK} KiB"):
        guest.setmem(SHRUNK - MIB)
    go(guest, GROWN)
    guest.held.check()


def test_one_that_has_less_than_its_minimum_comes_back(make_guest, image):
    """As one does whose driver is not there yet, or not at all."""
    stick = "<memory model='haprot'><target insert='on-demand'><size unit='MiB'>512</size></target></memory>"
    guest = make_guest("image-low", memory=GIB, maximum=2 * GIB, vcpus=1, cmdline="hvb.nomodule",
                       edit=lambda xml: with_minimum(xml, 768 * MIB).replace("</devices>", stick + "</devices>"))
    guest.held = Held(guest, 2)
    assert guest.domain().current == 512 * MIB
    before = keeps(guest)
    for save, restore in ((("save", guest.name, image), ("restore", image)), (("managedsave", guest.name), ("start", guest.name))):
        hvb.virsh(*save)
        hvb.virsh(*restore)
        travelled(guest, before)
        assert guest.domain().current == 512 * MIB
    guest.remove()


def test_a_stick_that_nothing_describes_keeps_it_here(guest, image):
    """Somebody has plugged one by QMP with a name that a definition cannot have."""
    before = shrunk(guest)
    guest.qmp("object-add", qom_type="memory-backend-ram", id="odd-memory", size=128 * MIB * 1024)
    guest.qmp("device_add", driver="mem-haprot", id="odd", memdev="odd-memory", insert="on-demand")
    for command in (("save", guest.name, image), ("managedsave", guest.name),
                    ("snapshot-create-as", guest.name, "s", "--memspec", f"file={image},snapshot=external")):
        with pytest.raises(hvb.VirshError, match=f"has a stick 'odd' of {128 * MIB} KiB that the definition of domain '{guest.name}' does not"):
            hvb.virsh(*command)
        assert guest.state() == "running"
        assert not os.path.exists(image)
    guest.qmp("device_del", id="odd")
    hvb.wait_until("the stick is gone", 20, lambda: all(stick["id"] != "odd" for stick in guest.qmp("query-haprot")))
    guest.qmp("object-del", id="odd-memory")
    hvb.virsh("save", guest.name, image)
    hvb.virsh("restore", image)
    travelled(guest, before)
