# SPDX-License-Identifier: LGPL-2.1-or-later
"""The domain XML of the test guest: sizes in virsh's form, one clear line for invalid options."""
import pathlib
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import guest_xml  # noqa: E402

PATHS = {"kernel": "/k&k", "initrd": "/i", "emulator": "/e", "run": "/r"}


def guest(*words):
    return subprocess.run([sys.executable, "-B", ROOT / "scripts" / "guest_xml.py", *(f"--path-{k}={v}" for k, v in PATHS.items()),
                           *words], text=True, capture_output=True, check=False)


@pytest.mark.parametrize("text, kib", [
    ("1", 1), ("524288", 524288), ("512k", 512), ("512KiB", 512), ("1M", 1024), ("1 MiB", 1024), ("2G", 2 << 20), ("2gib", 2 << 20),
    ("1T", 1 << 30), ("1024b", 1), ("1025bytes", 2), ("1MB", 977), ("1GB", 976563),
])
def test_sizes_are_what_virsh_takes(text, kib):
    assert guest_xml.parse_size(text) == kib


@pytest.mark.parametrize("text", ["", "G", "1X", "-1", "1.5G", "0x10", "1 G B", "1Gi"])
def test_anything_else_is_no_size(text):
    with pytest.raises(guest_xml.UsageError, match="is not a size"):
        guest_xml.parse_size(text)


def test_defaults():
    root = ET.fromstring(guest("--xml").stdout)
    assert root.get("type") == "qemu"
    assert root.findtext("name") == "hvb-demo"
    assert (root.findtext("memory"), root.findtext("currentMemory"), root.findtext("maxMemory")) == ("1048576", "1048576", "8388608")
    assert root.find("maxMemory").get("slots") is None
    assert root.findtext("vcpu") == "2"
    assert root.find("os/type").get("machine") == "q35"
    assert root.findtext("os/kernel") == "/k&k"
    assert root.find("pm/suspend-to-disk").get("enabled") == "no"
    assert root.find("devices/memballoon").get("model") == "hyperv"
    assert "memhp_default_state=online" in root.findtext("os/cmdline").split()


def test_every_option_gets_there():
    root = ET.fromstring(guest("--xml", "--name", "a.b", "--memory", "512MiB", "--max", "6G", "--vcpus", "4", "--machine", "pc",
                               "--cmdline", "hvb.nomodule a=\"<&'\"").stdout)
    assert (root.findtext("name"), root.findtext("memory"), root.findtext("maxMemory")) == ("a.b", "524288", "6291456")
    assert (root.findtext("vcpu"), root.find("os/type").get("machine")) == ("4", "pc")
    assert root.findtext("os/cmdline").endswith("online hvb.nomodule a=\"<&'\"")


@pytest.mark.parametrize("words, says", [
    (["--memory", "1X"], "--memory '1X' is not a size"),
    (["--memory", "1024"], "a size without suffix is in KiB"),
    (["--max", "512M"], "--max 524288 KiB is less than --memory"),
    (["--vcpus", "0"], "--vcpus 0"),
    (["--name", "../x"], "--name '../x'"),
])
def test_nonsense_is_one_clear_line(words, says):
    done = guest("--xml", *words)
    assert done.returncode == 1
    assert done.stdout == ""
    assert says in done.stderr
    assert done.stderr.startswith("guest: error: ") and done.stderr.count("\n") == 1


def test_without_xml_the_files_are_named():
    assert guest().stdout == "kernel=/k&k\ninitrd=/i\n"
