# SPDX-License-Identifier: LGPL-2.1-or-later
"""The two schemas, ours over the stock libvirt's and the patched libvirt's own, accept every example and refuse what is wrong in structure."""
import pathlib
import re
import shutil
import subprocess
import textwrap
import xml.etree.ElementTree as ET

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIBVIRT = ROOT / "build/src/libvirt"
OURS = ROOT / "schemas/domain-hvballoon.rng"
PAIRS = sorted((ROOT / "tests/xml2argv").glob("*.xml"))
RNG = "{http://relaxng.org/ns/structure/1.0}"
SAME = {"memballoonHyperv": "hvballoonMemballoon", "memorydevHaprot": "hvballoonMemory"}

BALLOON = "<memballoon model='hyperv'/>"
STICK = "<memory model='haprot'><target><size unit='GiB'>1</size></target></memory>"
DOMAIN = """<domain type='kvm'>
  <name>guest</name>
  <maxMemory unit='GiB'>8</maxMemory>
  <memory unit='GiB'>2</memory>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices>{}</devices>
</domain>
"""


@pytest.fixture(scope="session", params=["ours over stock", "ours over patched", "patched"])
def schema(request, tmp_path_factory):
    """xmllint's options for one way to validate."""
    patched = LIBVIRT / "src/conf/schemas"
    if request.param == "patched":
        return ["--relaxng", str(patched / "domain.rng")]
    if request.param == "ours over patched":
        return ["--path", str(patched), "--relaxng", str(OURS)]
    stock = tmp_path_factory.mktemp("stock")
    tar = subprocess.run(["git", "-C", LIBVIRT, "archive", "base", "src/conf/schemas"], stdout=subprocess.PIPE, check=True)
    subprocess.run(["tar", "-x", "-C", stock], input=tar.stdout, check=True)
    return ["--path", str(stock / "src/conf/schemas"), "--relaxng", str(OURS)]


def validates(schema, path):
    run = subprocess.run(["xmllint", "--noout", *schema, str(path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert run.returncode in (0, 3), run.stdout         # 3: invalid; anything else: the schema or the file is broken
    return run.returncode == 0, run.stdout


def check(schema, tmp_path, devices, valid):
    path = tmp_path / "guest.xml"
    path.write_text(DOMAIN.format(devices))
    got, why = validates(schema, path)
    assert got == valid, why


def test_there_is_something_to_check():
    assert len(PAIRS) > 40
    assert shutil.which("xmllint")


@pytest.mark.parametrize("path", PAIRS, ids=lambda p: p.name)
def test_test_domains(schema, path):
    valid = "-invalid." not in path.name
    got, why = validates(schema, path)
    assert got == valid, why


def documented():
    for page in [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"]:
        text = page.read_text()
        indented = [textwrap.dedent(b) for b in re.findall(r"^    <domain.*?</domain>$", text, re.M | re.S)]
        for i, block in enumerate(re.findall(r"```xml\n(.*?)```", text, re.S) + indented):
            yield pytest.param(block, id=f"{page.name}-{i}")


@pytest.mark.parametrize("block", documented())
def test_documented_examples(schema, tmp_path, block):
    if "<domain" not in block:
        check(schema, tmp_path, block if "<memballoon" in block else block + BALLOON, True)
        return
    path = tmp_path / "guest.xml"
    path.write_text(block)
    got, why = validates(schema, path)
    assert got, why


@pytest.mark.parametrize("devices", [
    BALLOON,
    "<memballoon model='hyperv'><minimum unit='MiB'>512</minimum></memballoon>",
    "<memballoon model='hyperv'><alias name='balloon0'/><requested>1048576</requested><minimum>524288</minimum></memballoon>",
    "<memballoon model='virtio'><stats period='5'/></memballoon>",
    "<memballoon model='none'/>",
    BALLOON + STICK,
    STICK + BALLOON + STICK,
    STICK.replace("<target>", "<target insert='now'>"),
    STICK.replace("<target>", "<target insert='on-demand'>"),
    STICK.replace("</target>", "<node>1</node><address base='0x140000000'/></target>"),
    STICK.replace("<target>", "<source><nodemask>0-1</nodemask><pagesize unit='MiB'>2</pagesize></source><target>"),
    STICK.replace("<memory model='haprot'>", "<memory model='haprot' access='shared' discard='yes'>"),
    STICK.replace("</memory>", "<alias name='ua-mine'/></memory>"),
    STICK.replace("haprot", "dimm"),
])
def test_right(schema, tmp_path, devices):
    check(schema, tmp_path, devices, True)


@pytest.mark.parametrize("devices", [
    BALLOON.replace("hyperv", "hyper-v"),
    BALLOON.replace("/>", " minimum='512'/>"),
    BALLOON + BALLOON,
    "<memballoon><minimum>1</minimum></memballoon>",
    "<memballoon model='hyperv'><minimum unit='MiB'>-1</minimum></memballoon>",
    "<memballoon model='hyperv'><minimum unit='MiB'>half</minimum></memballoon>",
    "<memballoon model='hyperv'><minimum unit='GiB'>1</minimum><minimum unit='GiB'>2</minimum></memballoon>",
    "<memballoon model='hyperv'><maximum unit='GiB'>1</maximum></memballoon>",
    "<memballoon model='virtio'><minimum unit='GiB'>1</minimum></memballoon>",
    "<memory model='haprot'/>",
    "<memory model='haprot'><target/></memory>",
    STICK.replace("GiB", "sacks"),
    STICK.replace(">1<", "><"),
    STICK.replace("<target>", "<target insert='later'>"),
    STICK.replace("<target>", "<target insert=''>"),
    STICK.replace("</target>", "<address base='high'/></target>"),
    STICK.replace("</target>", "<address/></target>"),
    STICK.replace("</target>", "<requested unit='GiB'>1</requested></target>"),
    STICK.replace("</target>", "<block unit='MiB'>2</block></target>"),
    STICK.replace("<target>", "<source><path>/tmp/file</path></source><target>"),
    STICK.replace("haprot", "dimm").replace("<target>", "<target insert='now'>"),
])
def test_wrong(schema, tmp_path, devices):
    check(schema, tmp_path, devices, False)


def canonical(element):
    """An element as nested tuples, without white space."""
    return element.tag, sorted(element.attrib.items()), (element.text or "").strip(), [canonical(e) for e in element]


def test_both_schemas_say_the_same():
    patched = ET.parse(LIBVIRT / "src/conf/schemas/domaincommon.rng").getroot()
    ours = ET.parse(OURS).getroot()
    for name, our_name in SAME.items():
        theirs = patched.find(f"{RNG}define[@name='{name}']")
        mine = ours.find(f"{RNG}define[@name='{our_name}']")
        assert [canonical(e) for e in theirs] == [canonical(e) for e in mine]


@pytest.mark.parametrize("stick", ["", STICK, STICK.replace("<target>", "<target insert='on-demand'>")])
def test_the_distributions_own_validator(tmp_path, stick):
    """It refuses what only ours know; with our schema over the distribution's, the definition is valid. docs/clients.md says so."""
    stock = "/usr/share/libvirt/schemas"
    domain = DOMAIN.replace("<maxMemory ", "<maxMemory slots='0' ")
    known, new = tmp_path / "known.xml", tmp_path / "new.xml"
    known.write_text(domain.format("<memballoon model='virtio'/>"))
    new.write_text(domain.format(BALLOON + stick))

    def validator(path):
        return subprocess.run(["/usr/bin/virt-xml-validate", path, "domain"], capture_output=True, text=True, check=False)

    assert validator(known).returncode == 0
    refused = validator(new)
    assert refused.returncode == 3 and "fails to validate" in refused.stderr
    valid, why = validates(["--path", stock, "--relaxng", str(OURS)], new)
    assert valid, why
