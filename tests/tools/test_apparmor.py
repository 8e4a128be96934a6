# SPDX-License-Identifier: LGPL-2.1-or-later
"""apparmor_parser accepts the AppArmor profile of the packages."""

import pathlib
import shutil
import subprocess

import pytest

PROFILE = pathlib.Path(__file__).resolve().parents[2] / "packaging/apparmor/opt.hv-balloon.virtqemud"


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
