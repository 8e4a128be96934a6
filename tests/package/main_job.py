#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The demo's story on what the packages installed. Runs as root in the machine under test, in the folder that the test shares with it:
scripts/ of this tree, and the test guest's kernel and initrd."""

import os
import pwd
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PREFIX = "/opt/hv-balloon"
GUEST_RUN = "/run/hv-balloon/test-guest"

sys.path.insert(0, os.path.join(HERE, "scripts"))
os.environ.update(
    HVB_RUN=GUEST_RUN, HVB_GUEST_RUN=GUEST_RUN, HVB_STATE="/run/hv-balloon/libvirt/qemu", HVB_VIRSH=PREFIX + "/bin/virsh",
    HVB_EMULATOR=PREFIX + "/bin/qemu-system-x86_64", HVB_KERNEL=os.path.join(HERE, "kernel"), HVB_INITRD=os.path.join(HERE, "initrd"))
import demo  # noqa: E402
import hvb  # noqa: E402


def start_daemon():
    """What the unit does where there is no systemd."""
    daemon = subprocess.Popen([PREFIX + "/sbin/virtqemud", "--timeout", "0"])   # pylint: disable=consider-using-with
    hvb.wait_until("the packaged daemon answers", 60, lambda: daemon.poll() is None and not subprocess.run(
        [os.environ["HVB_VIRSH"], "-q", "uri"], capture_output=True, check=False).returncode)
    return daemon


def qemu_user():
    """Who runs the guest, by the owner of its process."""
    with open(os.environ["HVB_STATE"] + f"/{demo.NAME}.pid", encoding="ascii") as file:
        return pwd.getpwuid(os.stat(f"/proc/{file.read().strip()}").st_uid).pw_name


def hvmem(*args):
    text = subprocess.run(["virsh-hvmem", *args], check=True, capture_output=True, text=True).stdout
    print(text, flush=True)
    return text


def main():
    os.makedirs(GUEST_RUN, exist_ok=True)
    os.chmod(GUEST_RUN, 0o777)
    daemon = start_daemon()
    story = demo.Story()
    try:
        story.boot()
        assert qemu_user() == "hvballoon-qemu", f"the guest runs as {qemu_user()}"
        assert demo.NAME in hvmem("list")
        story.grow()
        story.use()
        story.shrink()
        assert "700" in hvmem("status", demo.NAME)
        story.reboot()
        hvb.virsh("destroy", demo.NAME)
    finally:
        daemon.terminate()
    assert daemon.wait(30) == 0, "the daemon did not end well"


if __name__ == "__main__":
    start = time.monotonic()
    main()
    print(f"==> the main job held, in {time.monotonic() - start:.0f} s")
