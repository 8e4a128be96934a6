# SPDX-License-Identifier: LGPL-2.1-or-later
"""apparmor_parser accepts the AppArmor profile of the packages."""

import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROFILE = ROOT / "packaging/apparmor/opt.hv-balloon.virtqemud"


@pytest.fixture(scope="module")
def parser(tmp_path_factory):
    """apparmor_parser: the machine's own, or that of the package, unpacked and not installed."""
    installed = shutil.which("apparmor_parser", path="/usr/sbin:/sbin:/usr/bin")
    if installed:
        return [installed]

    folder = tmp_path_factory.mktemp("apparmor")
    got = subprocess.run("apt-get -q -o APT::Sandbox::User=$(id -un) download apparmor && dpkg -x apparmor_*.deb .",
                         shell=True, cwd=folder, capture_output=True, text=True, check=False)
    if got.returncode != 0:
        pytest.skip("apparmor_parser is not installed, and its package cannot be downloaded: " + got.stderr.strip()[-200:])
    programs = [path for path in folder.rglob("apparmor_parser") if path.is_file() and path.parent.name == "sbin"]
    return [str(programs[0]), "--base", str(folder / "etc/apparmor.d")]


def parse(parser, profile):
    """Parses and compiles the profile, without loading it and without a cache."""
    return subprocess.run([*parser, "-Q", "-K", str(profile)], capture_output=True, text=True, check=False)


def test_profile_is_read(parser):
    done = parse(parser, PROFILE)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("good,bad", [
    ("capability kill,", "capability kil,"),
    ("include <abstractions/base>", "include <abstractions/bass>"),
    ("Cx -> qemu,", "Cx -> qemu"),
])
def test_a_mistake_would_be_seen(parser, tmp_path, good, bad):
    text = PROFILE.read_text(encoding="utf-8")
    assert good in text
    wrong = tmp_path / "wrong"
    wrong.write_text(text.replace(good, bad), encoding="utf-8")
    assert parse(parser, wrong).returncode != 0


def rules(text):
    """[(the paths of a file rule as a regular expression, its permissions)]"""
    for path, modes in re.findall(r"^ +(/\S+) ([a-z]+),$", text, re.MULTILINE):
        pattern = re.escape(path).replace(r"\*\*", ".+").replace(r"\*", "[^/]*").replace(r"\{", "(").replace(r"\}", ")").replace(",", "|")
        yield pattern, modes


def guest_may(path):
    """What the profile of guests permits for a path."""
    guest = PROFILE.read_text(encoding="utf-8").split("profile qemu ")[1]
    return {mode for pattern, modes in rules(guest) if re.fullmatch(pattern, path) for mode in modes}


@pytest.mark.parametrize("path", ["/dev/sdb", "/dev/vdb1", "/dev/nvme0n1p2", "/dev/dm-3", "/dev/mapper/vg-g1", "/dev/md0", "/dev/loop7",
                                  "/var/lib/libvirt/images/g1.qcow2", "/var/opt/hv-balloon/lib/libvirt/images/g1.qcow2"])
def test_a_guest_uses_the_disks_that_the_documentation_promises(path):
    assert {"r", "w", "k"} <= guest_may(path)


@pytest.mark.parametrize("path", ["/srv/images/g1.qcow2", "/etc/shadow", "/dev/mem", "/dev/sda/x"])
def test_a_guest_may_no_more(path):
    assert not guest_may(path)


@pytest.mark.parametrize("page", ["packages.md", "troubleshooting.md"])
def test_the_file_for_other_folders_is_in_the_documentation(page):
    included = re.findall(r"include if exists <(local/\S+)>", PROFILE.read_text(encoding="utf-8").split("profile qemu ")[1])
    assert len(included) == 1
    assert f"/etc/apparmor.d/{included[0]}`" in (ROOT / "docs" / page).read_text(encoding="utf-8")
