# SPDX-License-Identifier: LGPL-2.1-or-later
"""A distribution's QEMU, unpacked and not installed: a small program in its place, in packages as Debian's."""
import os
import pathlib
import subprocess

import pytest
from archive import Archive, Checkout

VERSION = "1:10.0.9+ds-0+deb13u1"
DATA = {"usr/share/qemu/linuxboot_dma.bin": b"rom", "usr/share/qemu/keymaps/de": b"map", "usr/share/seabios/bios-256k.bin": b"bios",
        "usr/share/doc/qemu/README": b"text"}
LIBRARY = "const char *which(void) { return WHICH; }"
# The folders that a program runs with, as it sees them.
PROGRAM = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
const char *which(void);
int main(int argc, char **argv)
{
    char line[4096];
    FILE *maps = fopen("/proc/self/maps", "r");

    printf("library %s\nmodules %s\n", which(), getenv("QEMU_MODULE_DIR"));
    for (int i = 0; i < argc; i++)
        printf("argument %s\n", argv[i]);
    while (fgets(line, sizeof(line), maps))
        if (strchr(line, '/'))
            printf("mapped %s", strchr(line, '/'));
    fflush(stdout);
    if (argc > 1 && !strcmp(argv[argc - 1], "stay"))
        sleep(60);
    return 0;
}
"""


def compiled(folder, name, text, *flags):
    """What the compiler makes of TEXT, which is kept in FOLDER for later programs."""
    subprocess.run(["cc", "-x", "c", "-o", folder / name, "-", *flags], input=text, text=True, check=True)
    return (folder / name).read_bytes()


def machines(name):
    """A library of this machine."""
    return pathlib.Path("/lib/x86_64-linux-gnu", name).read_bytes()


class Packages:
    """The packages of a QEMU, which has a library and a module."""

    def __init__(self, work):
        self.work = work
        work.mkdir()
        self.library("unpacked")
        link = (f"-L{work}", "-l:libtried.so.1")
        self.program = compiled(work, "program", PROGRAM, *link)
        self.module = compiled(work, "module", "const char *which(void); const char *it(void) { return which(); }", "-shared", "-fPIC", *link)

    def library(self, which):
        return compiled(self.work, "libtried.so.1", LIBRARY, f'-DWHICH="{which}"', "-shared", "-fPIC", "-Wl,-soname,libtried.so.1")

    def put(self, archive, version=VERSION, needs="libc6, libtried, qemu-system-data", usr="usr/", **files):
        """All packages into ARCHIVE; FILES are more of QEMU's modules."""
        lib = f"{usr}lib/x86_64-linux-gnu"
        archive.package("libc6", "2.41-1", files={f"{lib}/{name}": machines(name) for name in ("ld-linux-x86-64.so.2", "libc.so.6")})
        archive.package("libtried", "1-1", files={f"{lib}/libtried.so.1": self.library("unpacked")})
        archive.package("qemu-system-data", version, files=DATA)
        self.qemu(archive, version, needs, **files)

    def qemu(self, archive, version, needs="libc6, libtried, qemu-system-data", **files):
        """The package of the program alone."""
        folder = "usr/lib/x86_64-linux-gnu/qemu"
        archive.package("qemu-system-x86", version, needs,
                        {"usr/bin/qemu-system-x86_64": self.program, f"{folder}/tried.so": self.module,
                         **{f"{folder}/{name}.so": data for name, data in files.items()}})


class Stock(Checkout):
    """It unpacks a QEMU."""

    script = "stock-qemu"

    def refused(self, name, says, what="the QEMU of"):
        return super().refused(name, says, what)


def seen(folder, *words, **env):
    """What the program sees, as kind -> values."""
    done = subprocess.run([folder / "qemu-system-x86_64", *words], env={**os.environ, **env}, capture_output=True, text=True, check=True)
    result = {}
    for line in done.stdout.splitlines():
        kind, value = line.split(" ", 1)
        result.setdefault(kind, []).append(value)
    return result


@pytest.fixture(name="archive")
def an_archive(tmp_path):
    return Archive(tmp_path / "archive", "trixie")


@pytest.fixture(name="packages")
def some_packages(tmp_path):
    return Packages(tmp_path / "packages")


@pytest.fixture(name="checkout")
def a_checkout(tmp_path, archive):
    return Stock(tmp_path / "checkout", archive)


@pytest.mark.parametrize("usr", ["usr/", ""])
def test_it_runs_with_what_was_unpacked_with_it(archive, packages, checkout, usr):
    packages.put(archive, usr=usr)
    folder = checkout.make("trixie")
    assert folder == checkout.top / "build/stock-qemu/trixie"
    assert (folder / "package").read_text() == f"qemu-system-x86 {VERSION}\n"
    packages.library("of the caller")
    caller = str(packages.work / "libtried.so.1")
    got = seen(folder, "-device", "a b", LD_LIBRARY_PATH=str(packages.work), LD_PRELOAD=caller, QEMU_MODULE_DIR="/nowhere")
    assert got["library"] == ["unpacked"]
    assert got["modules"] == [f"{folder}/modules"]
    assert got["argument"] == [f"{folder}/qemu-system-x86_64", "-L", f"{folder}/firmware", "-device", "a b"]
    assert all(path.startswith(f"{folder}/") for path in got["mapped"]), got["mapped"]


def test_what_is_kept(archive, packages, checkout):
    packages.put(archive)
    folder = checkout.make("trixie")
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert files == ["bin/ld.so", "bin/qemu-system-x86_64", "firmware/bios-256k.bin", "firmware/keymaps/de", "firmware/linuxboot_dma.bin",
                     "lib/libc.so.6", "lib/libtried.so.1", "modules/tried.so", "package", "qemu-system-x86_64"]
    assert [path.name for path in folder.parent.iterdir()] == ["trixie"]


def test_a_link_to_it_will_do(archive, packages, checkout, tmp_path):
    packages.put(archive)
    (tmp_path / "link").mkdir()
    (tmp_path / "link/qemu-system-x86_64").symlink_to(checkout.make("trixie") / "qemu-system-x86_64")
    assert seen(tmp_path / "link")["library"] == ["unpacked"]


def test_a_library_that_only_this_machine_has_is_a_failure(archive, packages, checkout, tmp_path):
    packages.program = compiled(tmp_path, "program", PROGRAM, f"-L{packages.work}", "-l:libtried.so.1", "-Wl,--no-as-needed", "-lz")
    packages.put(archive)
    done = checkout.run("trixie")
    assert done.returncode == 1
    assert "qemu-system-x86_64 finds these libraries not among what qemu-system-x86 depends on" in done.stderr
    assert not checkout.where("trixie").exists()


def test_a_module_for_what_is_only_recommended_is_left_out(archive, packages, checkout, tmp_path):
    packages.put(archive, sdl=compiled(tmp_path, "sdl", "int nothing;", "-shared", "-fPIC", "-Wl,--no-as-needed", "-lz"))
    folder = checkout.make("trixie")
    assert [path.name for path in (folder / "modules").iterdir()] == ["tried.so"]
    assert "libz.so.1" not in {path.name for path in (folder / "lib").iterdir()}


def test_one_without_the_balloon(archive, packages, checkout):
    packages.put(archive, version="1:7.2+dfsg-7+deb12u18+b3")
    checkout.refused("trixie", "trixie has QEMU 7.2, and 8.2 is the first with an hv-balloon")


def test_backports_are_taken_over_their_release(archive, packages, checkout):
    packages.put(archive)
    backports = Archive(archive.top, "trixie-backports")
    backports.index()
    checkout.refused("trixie-backports", "trixie-backports has no qemu-system-x86")
    packages.qemu(backports, "1:11.1.3+ds-1~bpo13+1", "libc6, libtried (>= 2), qemu-system-data")
    backports.package("libtried", "2-1~bpo13+1", files={"usr/lib/x86_64-linux-gnu/libtried.so.1": packages.library("backport")})
    folder = checkout.make("trixie-backports")
    assert (folder / "package").read_text() == "qemu-system-x86 1:11.1.3+ds-1~bpo13+1\n"
    assert seen(folder)["library"] == ["backport"]
    assert (checkout.make("trixie") / "package").read_text() == f"qemu-system-x86 {VERSION}\n"


def test_an_index_without_signature_is_rejected(archive, packages, checkout):
    packages.put(archive)
    checkout.source("[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]", archive.top)
    checkout.refused("trixie", "is not signed")


def test_a_package_that_is_not_what_the_index_says(archive, packages, checkout):
    packages.put(archive)
    deb = next(archive.pool.glob("libtried_*"))
    deb.write_bytes(deb.read_bytes()[::-1])
    checkout.refused("trixie", "Hash Sum mismatch")


def test_one_that_cannot_be_installed(archive, packages, checkout):
    packages.put(archive, needs="libc6, libtried, qemu-system-data, gone")
    checkout.refused("trixie", "Unable to ")


def test_a_newer_one_is_taken_when_asked_for(archive, packages, checkout):
    packages.put(archive)
    made = (checkout.make("trixie") / "package").stat().st_mtime_ns
    assert (checkout.make("--update", "trixie") / "package").stat().st_mtime_ns == made, "there is no other one"
    packages.qemu(archive, "1:10.0.10+ds-0+deb13u1")
    assert (checkout.make("trixie") / "package").read_text() == f"qemu-system-x86 {VERSION}\n"
    assert (checkout.make("--update", "trixie") / "package").read_text() == "qemu-system-x86 1:10.0.10+ds-0+deb13u1\n"
    checkout.source("[trusted=yes]", archive.top / "nowhere")
    assert (checkout.make("--update", "trixie") / "package").read_text() == "qemu-system-x86 1:10.0.10+ds-0+deb13u1\n"


def test_names(checkout):
    tested = checkout.run("--all").stdout.split()
    assert len(tested) == 3 and "trixie" in tested
    assert [checkout.where(name).name for name in tested] == tested
    done = checkout.run("fedora")
    assert done.returncode == 1 and "no suite 'fedora' -- one of: bookworm " in done.stderr
    done = checkout.run()
    assert done.returncode == 1 and "stock-qemu wants a suite -- one of: bookworm " in done.stderr


def test_the_private_daemon_finds_its_guests(archive, packages, checkout, tmp_path):
    packages.put(archive)
    folder = checkout.make("trixie")
    (tmp_path / "state").mkdir()

    def found():
        script = f". '{checkout.top}/scripts/lib.sh'; . '{checkout.top}/scripts/daemon.sh'; DAEMON_STATE='{tmp_path}/state'; guest_pids"
        return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.split()

    with subprocess.Popen([folder / "qemu-system-x86_64", "stay"], stdout=subprocess.PIPE) as guest, \
            subprocess.Popen(["sleep", "60"]) as other:
        try:
            guest.stdout.readline()
            for name, pid in (("guest", guest.pid), ("other", other.pid)):
                (tmp_path / "state" / f"{name}.pid").write_text(f"{pid}\n")
            assert found() == [str(guest.pid)]
            (folder / "bin/ld.so").unlink()
            assert found() == [str(guest.pid)], "another version was unpacked since"
        finally:
            guest.kill()
            other.kill()
