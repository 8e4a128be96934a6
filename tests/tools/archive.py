# SPDX-License-Identifier: LGPL-2.1-or-later
"""A Debian archive of a few small packages, and a copy of our scripts that finds it."""
import hashlib
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Archive:
    """Debian's archive, of one suite, without signature. Several suites can be in the same folder."""

    def __init__(self, top, suite):
        self.top = top
        self.suite = suite
        self.pool = top / f"pool-{suite}"
        self.pool.mkdir(parents=True)

    def package(self, name, version, depends="", files=None, kept=True):
        """A package; one that is not KEPT is in the index, but cannot be downloaded."""
        work = self.top / "work"
        (work / "DEBIAN").mkdir(parents=True)
        (work / "DEBIAN/control").write_text(f"Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: Nobody <nobody@localhost>\n"
                                             f"Description: a test\n{f'Depends: {depends}' if depends else ''}".strip() + "\n")
        for path, data in (files or {}).items():
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            (work / path).write_bytes(data)
            (work / path).chmod(0o755)
        deb = self.pool / f"{name}_{version.replace(':', '%3a')}_amd64.deb"
        subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", work, deb], check=True, capture_output=True)
        shutil.rmtree(work)
        self.index()
        if not kept:
            deb.write_bytes(b"")

    def forget(self, name):
        """Removes the package from the archive."""
        for deb in self.pool.glob(f"{name}_*"):
            deb.unlink()
        self.index()

    def index(self):
        """Writes the index. Packages that cannot be downloaded keep their entries."""
        folder = self.top / "dists" / self.suite
        packages = folder / "main/binary-amd64/Packages"
        packages.parent.mkdir(parents=True, exist_ok=True)
        empty = {f"Filename: {self.pool.name}/{deb.name}" for deb in self.pool.iterdir() if not deb.stat().st_size}
        kept = [text for text in (packages.read_text().split("\n\n") if packages.exists() else [])
                if any(line in empty for line in text.splitlines())]
        full = self.top / "full"
        full.mkdir()
        for deb in self.pool.iterdir():
            if deb.stat().st_size:
                (full / deb.name).symlink_to(deb)
        new = subprocess.run(["dpkg-scanpackages", "-m", "full"], cwd=self.top, capture_output=True, check=True, text=True).stdout
        shutil.rmtree(full)
        packages.write_text("\n\n".join([*kept, new.replace("Filename: full/", f"Filename: {self.pool.name}/")]))
        data = packages.read_bytes()
        backports = "NotAutomatic: yes\nButAutomaticUpgrades: yes\n" if self.suite.endswith("-backports") else ""
        (folder / "Release").write_text(f"Origin: Debian\nSuite: {self.suite}\nCodename: {self.suite}\n{backports}"
                                        "Date: Mon, 02 Nov 2026 10:00:00 UTC\nArchitectures: amd64\n"
                                        f"Components: main\nSHA256:\n {hashlib.sha256(data).hexdigest()} {len(data)} main/binary-amd64/Packages\n")


class Checkout:
    """A copy of our scripts that finds the archive."""

    script = None           # which one run() runs

    def __init__(self, top, archive):
        self.top = top
        shutil.copytree(ROOT / "scripts", top / "scripts")
        self.source("[trusted=yes]", archive.top)

    def source(self, options, folder):
        """Where scripts/fetch says that Debian's archive is."""
        fetch = self.top / "scripts/fetch"
        fetch.write_text("#!/bin/sh\nmkdir -p \"$(dirname \"$0\")/../build/apt\"\n"
                         f"echo 'deb-src {options} file:{folder} trixie main' >\"$(dirname \"$0\")/../build/apt/sources.list\"\n")

    def run(self, *words):
        return subprocess.run([self.top / "scripts" / self.script, *words], text=True, capture_output=True, check=False)

    def where(self, name):
        """The folder of what it makes."""
        return pathlib.Path(self.run("--where", name).stdout.strip())

    def make(self, *words):
        """Makes it, without an error. Returns its folder."""
        done = self.run(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return self.where(words[-1])

    def refused(self, name, says, what):
        """One that is not available: reported, recorded, and nothing made."""
        done = self.run(name)
        assert done.returncode == 3, done.stdout + done.stderr
        folder = self.where(name)
        reason = pathlib.Path(f"{folder}.missing").read_text(encoding="utf-8")
        assert reason.startswith(f"{what} '{name}' cannot be had: ") and says in reason and reason.count("\n") == 1
        assert reason.strip() in done.stdout
        assert not folder.exists()
        return reason.strip()
