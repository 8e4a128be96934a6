# SPDX-License-Identifier: LGPL-2.1-or-later
"""Test guests from kernel packages, split as Debian's are, in an archive of a few small packages."""
import functools
import gzip
import lzma
import pathlib
import subprocess
import sys
import tempfile

import pytest
from archive import ROOT, Archive, Checkout

SUITE = "trixie-backports"
MODULES = ("hv_balloon", "virtio_pci", "virtio_balloon", "virtio_mem", "evdev", "button", "nvme")
HOST_MODULES = (ROOT / "scripts/kvm-host/modules").read_text(encoding="ascii").split()      # of the host that ./run kvm starts


@functools.lru_cache
def module(*depends):
    """A kernel module that has dependencies and does nothing."""
    text = f'.section .modinfo,"a"\n.string "depends={",".join(depends)}"\n'
    with tempfile.NamedTemporaryFile() as file:
        subprocess.run(["as", "-o", file.name, "-"], input=text, text=True, check=True)
        return file.read()


def compressed(name, data):
    """DATA, compressed by the suffix of the name."""
    if name.endswith(".zst"):
        return subprocess.run(["zstd", "-q"], input=data, capture_output=True, check=True).stdout
    return {".xz": lzma.compress, ".gz": gzip.compress}.get(pathlib.PurePath(name).suffix, bytes)(data)


class Kernels(Archive):
    """An archive of kernels, of one suite."""

    def __init__(self, top):
        super().__init__(top, SUITE)

    def kernel_in_one(self, version, kernel, builtin=(), suffix=".ko.xz", depends="", without=()):
        """One package has image, configuration and modules."""
        self.package(f"linux-image-{kernel}", version, f"kmod, linux-base (>= 4.3), initramfs-tools | dracut{depends}",
                     {f"boot/vmlinuz-{kernel}": b"image of " + kernel.encode(), f"boot/config-{kernel}": b"",
                      **self.modules(f"lib/modules/{kernel}", builtin, suffix, without)})

    def kernel_split(self, version, kernel, image="usr/lib/modules/{}/vmlinuz", builtin=("hv_vmbus",), suffix=".ko.xz"):
        """The package of the image is empty, and depends on those that have it, the modules and the list of what is built in."""
        folder = f"usr/lib/modules/{kernel}"
        modules = self.modules(folder, builtin, suffix)
        lists = {f"{folder}/modules.builtin": modules.pop(f"{folder}/modules.builtin"), f"{folder}/config": b""}
        same = f"(= {version})"
        self.package(f"linux-base-{kernel}", version, files=lists)
        self.package(f"linux-binary-{kernel}", version, f"linux-base-{kernel} {same}", {image.format(kernel): b"image of " + kernel.encode()})
        self.package(f"linux-modules-{kernel}", version, f"kmod, linux-base-{kernel} {same}", modules)
        self.package(f"linux-image-{kernel}", version, f"initramfs-tools | dracut, linux-base (>= 4.3), linux-base-{kernel} {same}, "
                     f"linux-binary-{kernel} {same}, linux-modules-{kernel} {same}")

    def meta(self, version, kernel):
        """Sets what linux-image-amd64 depends on."""
        self.package("linux-image-amd64", version, f"linux-image-{kernel} (= {version})")

    @staticmethod
    def modules(folder, builtin, suffix, without=()):
        """The files below /lib/modules/VERSION. virtio_pci needs two others, one by the other."""
        needs = {"virtio_pci": ("virtio-ring",), "virtio_ring": ("virtio",), "hv_balloon": () if "hv_vmbus" in builtin else ("hv_vmbus",)}
        names = [name for name in dict.fromkeys(("hv_vmbus", "virtio", "virtio_ring", *MODULES, *HOST_MODULES))
                 if name not in builtin and name not in without]
        files = {f"{folder}/kernel/drivers/{name.replace('virtio_r', 'virtio-r')}{suffix}": compressed(suffix, module(*needs.get(name, ())))
                 for name in names}
        files[f"{folder}/modules.builtin"] = "".join(f"kernel/drivers/hv/{name}.ko\n" for name in builtin).encode()
        return files


class Guests(Checkout):
    """It makes test guests."""

    script = "guest-image"

    def refused(self, name, says, what="kernel"):
        return super().refused(name, says, what)

    def python(self, code):
        """The files that this checkout starts guests with."""
        return subprocess.run([sys.executable, "-B", "-c", f"import hvb\n{code}"], cwd=self.top / "scripts", text=True, capture_output=True,
                              check=False)


def in_initrd(folder, name=None):
    """The names in a guest's initrd, or what is in one of them."""
    data = gzip.decompress((folder / "initrd").read_bytes())
    words = ["-t"] if name is None else ["-i", "--to-stdout", name]
    out = subprocess.run(["cpio", "--quiet", *words], input=data, capture_output=True, check=True).stdout
    return out if name else out.decode().splitlines()


def order(folder):
    """The modules that the guest loads, in order."""
    return in_initrd(folder, "lib/modules/order").decode().split()


@pytest.fixture(name="archive")
def an_archive(tmp_path):
    return Kernels(tmp_path / "archive")


@pytest.fixture(name="checkout")
def a_checkout(tmp_path, archive):
    return Guests(tmp_path / "checkout", archive)


def test_a_kernel_in_one_package(archive, checkout):
    archive.kernel_in_one("6.1.9-1", "6.1.0-9-amd64")
    archive.meta("6.1.9-1", "6.1.0-9-amd64")
    folder = checkout.make("newest")
    assert folder == checkout.top / f"build/guest-{SUITE}"
    assert (folder / "kernel").read_bytes() == b"image of 6.1.0-9-amd64"
    assert (folder / "version").read_text() == "6.1.0-9-amd64\n"
    assert order(folder) == ["hv_vmbus", "hv_balloon", "virtio", "virtio_ring", *MODULES[1:]]
    assert in_initrd(folder, "lib/modules/hv_balloon.ko") == module("hv_vmbus")
    assert {"init", "bin/busybox", "bin/agent", "etc/rc"} <= set(in_initrd(folder))
    assert not list(folder.parent.glob("guest*.new"))
    assert sorted(path.name for path in folder.iterdir()) == ["host-initrd", "initrd", "kernel", "package", "version"]


@pytest.mark.parametrize("suffix", [".ko", ".ko.xz", ".ko.zst", ".ko.gz"])
def test_a_kernel_split_into_packages(archive, checkout, suffix):
    archive.kernel_split("7.2.9-1", "7.2.9+deb13-amd64", suffix=suffix)
    archive.meta("7.2.9-1", "7.2.9+deb13-amd64")
    folder = checkout.make("newest")
    assert (folder / "kernel").read_bytes() == b"image of 7.2.9+deb13-amd64"
    assert (folder / "version").read_text() == "7.2.9+deb13-amd64\n"
    assert order(folder) == ["hv_balloon", "virtio", "virtio_ring", *MODULES[1:]], "hv_vmbus is built in"
    assert in_initrd(folder, "lib/modules/hv_balloon.ko") == module()


def test_a_split_kernel_with_its_image_in_boot(archive, checkout):
    archive.kernel_split("6.19.9-1", "6.19.9+deb13-amd64", image="boot/vmlinuz-{}")
    archive.meta("6.19.9-1", "6.19.9+deb13-amd64")
    assert (checkout.make("newest") / "kernel").read_bytes() == b"image of 6.19.9+deb13-amd64"


def test_what_only_an_installed_kernel_needs_is_not_fetched(archive, checkout):
    archive.kernel_split("7.2.9-1", "7.2.9+deb13-amd64")
    archive.meta("7.2.9-1", "7.2.9+deb13-amd64")
    for name, version in (("linux-base", "4.17"), ("initramfs-tools", "1"), ("kmod", "34"), ("linux-image-7.1.5+deb13-amd64", "7.1.5-1")):
        archive.package(name, version, kept=False)
    checkout.make("newest")


def test_the_last_of_a_series(archive, checkout):
    for patch in (9, 15):
        archive.kernel_in_one(f"6.18.{patch}-1", f"6.18.{patch}+deb13-amd64")
    for name in ("6.18.16+deb13-rt-amd64", "6.18.16+deb13-cloud-amd64", "6.18.16+deb13-amd64-unsigned", "6.180.1+deb13-amd64"):
        archive.package(f"linux-image-{name}", "6.18.16-1")
    archive.kernel_split("7.2.9-1", "7.2.9+deb13-amd64")
    archive.meta("7.2.9-1", "7.2.9+deb13-amd64")
    folder = checkout.make("6.18")
    assert (folder / "version").read_text() == "6.18.15+deb13-amd64\n"
    assert folder != checkout.make("newest")
    assert "among: 6.18 6.180 7.2" in checkout.refused("6.9", "has no kernel 6.9")


def test_an_old_image_whose_modules_have_left(archive, checkout):
    archive.kernel_split("6.19.9-1", "6.19.9+deb13-amd64")
    archive.forget("linux-modules-6.19.9+deb13-amd64")
    reason = checkout.refused("6.19", "without linux-modules-6.19.9+deb13-amd64")
    done = checkout.python("hvb.guest_files('6.19')")
    assert f"hvb.NoKernel: {reason}" in done.stderr, "tests are skipped with it"


def test_an_old_kernel_that_is_whole_without_what_has_left(archive, checkout):
    archive.kernel_in_one("6.18.9-1", "6.18.9+deb13-amd64", depends=", linux-base-6.18.9+deb13-amd64 (= 6.18.9-1)")
    assert order(checkout.make("6.18"))


def test_an_index_without_signature_is_rejected(archive, checkout):
    archive.kernel_in_one("6.1.9-1", "6.1.0-9-amd64")
    archive.meta("6.1.9-1", "6.1.0-9-amd64")
    checkout.source("[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]", archive.top)
    checkout.refused("newest", "is not signed")


def test_a_package_that_is_not_what_the_index_says(archive, checkout):
    archive.kernel_in_one("6.1.9-1", "6.1.0-9-amd64")
    archive.meta("6.1.9-1", "6.1.0-9-amd64")
    deb = archive.pool / "linux-image-6.1.0-9-amd64_6.1.9-1_amd64.deb"
    deb.write_bytes(deb.read_bytes()[::-1])
    checkout.refused("newest", "Hash Sum mismatch")


def test_an_archive_that_is_not_there(checkout, tmp_path):
    checkout.source("[trusted=yes]", tmp_path / "nowhere")
    checkout.refused("newest", "nowhere")


def test_a_suite_that_the_archive_does_not_have(archive, checkout):
    archive.kernel_in_one("6.1.9-1", "6.1.0-9-amd64")
    checkout.refused("testing", "testing")


def test_a_kernel_without_the_driver_is_a_failure(archive, checkout):
    archive.kernel_in_one("6.1.8-1", "6.1.0-8-amd64")
    archive.meta("6.1.8-1", "6.1.0-8-amd64")
    folder = checkout.make("newest")
    archive.kernel_in_one("6.1.9-1", "6.1.0-9-amd64", without=["hv_balloon"])
    archive.meta("6.1.9-1", "6.1.0-9-amd64")
    done = checkout.run("--update", "newest")
    assert done.returncode == 1
    assert "this kernel has no module hv_balloon" in done.stderr
    assert not folder.exists(), "the older one would be taken for it"
    assert not pathlib.Path(f"{folder}.missing").exists(), "a test that is skipped would hide it"
    done = checkout.python("hvb.guest_files('newest')")
    assert "scripts/guest-image newest makes it" in done.stderr


def test_a_layout_that_is_not_known_is_a_failure(archive, checkout):
    archive.kernel_split("7.9.9-1", "7.9.9+deb14-amd64", image="usr/lib/kernel/{}/image")
    archive.meta("7.9.9-1", "7.9.9+deb14-amd64")
    done = checkout.run("newest")
    assert done.returncode == 1
    assert "linux-image-amd64 7.9.9-1 is not one kernel image and its modules: image none, modules of 7.9.9+deb14-amd64" in done.stderr


def test_a_newer_kernel_is_taken_when_asked_for(archive, checkout):
    archive.kernel_in_one("6.1.8-1", "6.1.0-8-amd64")
    archive.meta("6.1.8-1", "6.1.0-8-amd64")
    folder = checkout.make("newest")
    made = (folder / "initrd").stat().st_mtime_ns
    checkout.make("--update", "newest")
    assert (folder / "initrd").stat().st_mtime_ns == made, "there is no other one"
    archive.kernel_split("7.2.9-1", "7.2.9+deb13-amd64")
    archive.meta("7.2.9-1", "7.2.9+deb13-amd64")
    archive.forget("linux-image-6.1.0-8-amd64")
    assert (checkout.make("newest") / "version").read_text() == "6.1.0-8-amd64\n"
    assert (checkout.make("--update", "newest") / "version").read_text() == "7.2.9+deb13-amd64\n"
    checkout.source("[trusted=yes]", archive.top / "nowhere")
    assert (checkout.make("--update", "newest") / "version").read_text() == "7.2.9+deb13-amd64\n"
    done = checkout.python("print(hvb.guest_files('newest'))")
    assert done.stdout.strip() == repr({name: str(folder / name) for name in ("kernel", "initrd")})


def test_names(archive, checkout):
    archive.kernel_in_one("6.18.9-1", "6.18.9+deb13-amd64")
    archive.kernel_split("7.2.9-1", "7.2.9+deb13-amd64")
    archive.meta("7.2.9-1", "7.2.9+deb13-amd64")
    names = checkout.run("--all").stdout.split()
    assert names == ["bookworm", "bookworm-backports", "trixie", SUITE, "testing", "sid", "experimental", "6.18"], "7.2 is that of the backports"
    where = {name: checkout.run("--where", name).stdout.strip() for name in [*names, "this", "other", "newest"]}
    assert where["this"] == f"{checkout.top}/build/guest" and where["this"] in (where["bookworm"], where["trixie"])
    assert where["other"] in (where["bookworm"], where["trixie"]) and where["other"] != where["this"]
    assert where["newest"] == where[SUITE]
    assert [checkout.run("--where", series).stdout.strip() for series in ("6.1", "6.12")] == [where["bookworm"], where["trixie"]]
    done = checkout.run("fedora")
    assert done.returncode == 1 and "no kernel 'fedora' -- one of: this other newest" in done.stderr
