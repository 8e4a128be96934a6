# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the packages' scripts do, without packages (tests/package has those)."""
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(name="machine")
def a_folder_with_configuration(tmp_path):
    """What the daemon and the packages have on a machine, and the postrm of hv-balloon-libvirt for it."""
    for path in ("etc/opt/hv-balloon/libvirt/qemu.conf", "etc/opt/hv-balloon/balance.conf", "var/opt/hv-balloon/lib/libvirt/x"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    text = (ROOT / "packaging/debian/hv-balloon-libvirt.postrm").read_text(encoding="utf-8")
    text = text.replace(" /etc/opt", f" {tmp_path}/etc/opt").replace(" /var/opt", f" {tmp_path}/var/opt").replace("hvballoon-qemu", "hvb-nobody")
    (tmp_path / "postrm").write_text(text)
    return tmp_path


@pytest.mark.parametrize("another", [True, False])
def test_purge_removes_its_own_files_alone(machine, another):
    if not another:
        (machine / "etc/opt/hv-balloon/balance.conf").unlink()
    subprocess.run(["sh", machine / "postrm", "purge"], check=True)
    assert not (machine / "var/opt/hv-balloon").exists() and not (machine / "etc/opt/hv-balloon/libvirt").exists()
    assert (machine / "etc/opt/hv-balloon").exists() == another
    assert (machine / "etc/opt/hv-balloon/balance.conf").exists() == another
    subprocess.run(["sh", machine / "postrm", "purge"], check=True)


def version(top, **env):
    """As scripts/build-package has it, in a checkout."""
    script = f". {ROOT}/scripts/lib.sh; ROOT={top}; eval \"$(sed -n '/^version()/,/^}}/p' {ROOT}/scripts/build-package)\"; version"
    return subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True, env={**os.environ, **env}).stdout


def newer(one, than):
    return subprocess.run(["dpkg", "--compare-versions", one, "gt", than], check=False).returncode == 0


def test_a_later_commit_or_release_is_an_upgrade(tmp_path):
    (tmp_path / "meson.build").write_text("project('x',\n  version: '0.1',\n")
    release = tmp_path / "os-release"
    release.write_text("VERSION_ID=12\n")
    without_git = version(tmp_path, OS_RELEASE=str(release), GIT_CEILING_DIRECTORIES=str(tmp_path.parent))
    made = []
    for hour in ("10", "11"):
        date = f"2026-11-02T{hour}:00:00+02:00"
        subprocess.run(f"git init -q . && git -c user.name=t -c user.email=t@localhost -c commit.gpgSign=false commit -q --no-verify --allow-empty -m {hour}",
                       shell=True, cwd=tmp_path, check=True, env={**os.environ, "GIT_COMMITTER_DATE": date})
        made.append(version(tmp_path, OS_RELEASE=str(release)))
    release.write_text("VERSION_ID=13\n")
    made.append(version(tmp_path, OS_RELEASE=str(release)))
    assert made == ["0.1+git20261102080000+deb12u1", "0.1+git20261102090000+deb12u1", "0.1+git20261102090000+deb13u1"]
    assert newer(made[0], "0.1+deb13u1") and newer(made[1], made[0]) and newer(made[2], made[1])
    assert len(without_git) == len(made[0])
