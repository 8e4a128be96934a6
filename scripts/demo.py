#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""./run demo: one guest grows past its boot memory, shrinks and reboots. The exit status is 1 if a step fails."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import guest_exec
import hvb
from hvb import GIB, MIB, mib

NAME = "hvb-story"
RUN = os.path.relpath(os.path.join(os.path.dirname(hvb.HERE), "run"))
RUN = RUN if RUN.startswith(".") else "./" + RUN


class Broken(Exception):
    """A step has failed."""


def hold(condition, text):
    """Raises Broken unless a step has the expected result."""
    if not condition:
        raise Broken(text)


class Progress:
    """Shows every second (on a terminal) or every five that something happens, and how far it is."""

    def __init__(self, probe):
        self.probe = probe
        self.start = time.monotonic()
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.show, daemon=True)

    def show(self):
        terminal = sys.stdout.isatty()
        while not self.stopped.wait(1 if terminal else 5):
            try:
                text = self.probe()
            except (hvb.VirshError, OSError, ValueError, subprocess.TimeoutExpired):
                continue        # between two states of the guest there may be nothing to show
            line = f"    {time.monotonic() - self.start:3.0f} s  {text}"
            print(f"\r\033[K{line}" if terminal else line, end="" if terminal else "\n", flush=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.stopped.set()
        self.thread.join()
        if sys.stdout.isatty():
            print("\r\033[K", end="", flush=True)


class Story:
    """The guest, and the number of the step."""

    def __init__(self):
        self.number = 0
        self.guest = hvb.Guest(NAME, memory=GIB, maximum=8 * GIB)

    @contextlib.contextmanager
    def step(self, title, *asked):
        """One step: the request, its progress, then all figures."""
        self.number += 1
        print(f"\n{self.number}. {title}", flush=True)
        for line in asked:
            print(f"    command:   {RUN} {line}", flush=True)
        start = time.monotonic()
        with Progress(lambda: f"libvirt: currentMemory {mib(self.guest.domain().current)}; host: QEMU holds {mib(self.guest.rss())}"):
            yield
        self.tell(time.monotonic() - start)

    def tell(self, seconds):
        """The figures of QEMU, libvirt, the guest and the host."""
        meminfo = self.guest.exec("grep -E 'MemTotal|MemAvailable' /proc/meminfo | tr -s ' ' | paste -sd,")
        print(f"    guest:     {meminfo.replace(',', ', ')}")
        print(f"    dumpxml:   {self.guest.domain()}")
        print(f"    host:      QEMU holds {mib(self.guest.rss())}")
        print(f"    took:      {seconds:.1f} s", flush=True)

    def agree(self):
        """Do all figures agree?"""
        domain, (top, used) = self.guest.domain(), self.guest.dominfo()
        hold(domain.current == used == self.guest.actual(),
             f"dumpxml says {domain.current} KiB, dominfo {used} KiB, query-balloon {self.guest.actual()} KiB")
        hold(domain.memory == top, f"dumpxml's memory is {domain.memory} KiB, dominfo's maximum {top} KiB")
        off = self.guest.actual() - self.guest.hidden - self.guest.memtotal()
        hold(abs(off) <= 16 * MIB, f"the guest's MemTotal is {off} KiB away from what QEMU says it has")

    def boot(self):
        with self.step(f"A guest with 1 GiB of memory and <maxMemory> 8 GiB boots (TCG, Debian {os.uname().machine} kernel)",
                       f"guest --xml --name {NAME} --memory 1GiB --max 8GiB >guest.xml", "virsh define guest.xml",
                       f"virsh start {NAME}"):
            self.guest.define()
            self.guest.start()
            self.guest.wait_up()
            self.guest.wait_at(GIB)
        self.agree()

    def grow(self):
        before = self.guest.memtotal()
        with self.step("It grows beyond the memory that it booted with", f"virsh setmem {NAME} 3GiB --live"):
            self.guest.setmem("3GiB")
            self.guest.wait_at(3 * GIB)
        grown = self.guest.memtotal() - before
        hold(abs(grown - 2 * GIB) <= 16 * MIB, f"the guest's MemTotal grew by {mib(grown)}, not by 2048 MiB")
        hold(self.guest.domain().sticks, "dumpxml shows no stick")
        self.agree()

    def use(self):
        with self.step("It uses that memory: a file of 1800 MiB is created in memory and removed",
                       f"guest-exec {NAME} 'fallocate -l 1800M /tmp/touch; rm /tmp/touch'"):
            self.guest.touch(1800 * MIB)
        hold(self.guest.rss() > 1800 * MIB, f"QEMU holds {mib(self.guest.rss())} of the host's memory, less than was written")

    def shrink(self):
        before = self.guest.rss()
        with self.step("It shrinks below what it booted with; the host gets the memory back at once",
                       f"virsh setmem {NAME} 700MiB --live"):
            self.guest.setmem("700MiB")
            self.guest.wait_at(700 * MIB)
        after, limit = self.guest.rss(), 1100 * MIB + self.guest.translation_buffer()
        print(f"    host:      QEMU held {mib(before)} before, holds {mib(after)} now")
        hold(after < before - GIB, f"QEMU held {mib(before)} of the host's memory and holds {mib(after)}")
        hold(after <= limit, f"QEMU holds {mib(after)} of the host's memory, more than {mib(limit)}")
        self.agree()

    def reboot(self):
        with self.step("It reboots and returns to the requested size; a stick that it does not need is removed",
                       f"guest-exec {NAME} reboot"):
            self.guest.reboot()
            self.guest.wait_at(700 * MIB)
            hvb.wait_until(lambda: f"the sticks are removed; {self.guest.seen()}", 20, lambda: not self.guest.domain().sticks)
        domain = self.guest.domain()
        hold(domain.memory == GIB, f"dumpxml's memory is {mib(domain.memory)}, not the 1024 MiB of boot")
        hold(not self.guest.qmp("query-haprot"), "QEMU still has a stick")
        self.agree()

    def tell_all(self):
        for chapter in (self.boot, self.grow, self.use, self.shrink, self.reboot):
            chapter()


def stop(*_):
    raise KeyboardInterrupt


def daemon_runs():
    return subprocess.run([os.path.join(hvb.HERE, "daemon"), "status"], stdout=subprocess.DEVNULL, check=False).returncode == 0


def clean_up(story, daemon_was_running):
    """Removes the guest. A daemon that was already running, or has other guests by now, is left running."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    print("\n==> stopping the guest" + ("" if daemon_was_running else " and the private daemon"), flush=True)
    if story:
        story.guest.remove()
    if not daemon_was_running:
        subprocess.run([os.path.join(hvb.HERE, "daemon"), "stop-unless-used", NAME], check=False)


def tell_safely():
    """Runs the story and cleans up after it; returns what went wrong, or None."""
    story, was_running = None, daemon_runs()
    try:
        hvb.setup()
        story = Story()
        story.guest.remove()    # what a killed demo may have left
        story.tell_all()
    except (Broken, hvb.Timeout, hvb.VirshError, guest_exec.GuestError, subprocess.SubprocessError, OSError) as err:
        return f"step {story.number if story else 0} of the demo failed: {err}"
    finally:
        clean_up(story, was_running)
    return None


def main():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    start = time.monotonic()
    try:
        failure = tell_safely()
    except KeyboardInterrupt:
        print("run: stopped", file=sys.stderr)
        return 130
    if failure:
        print(f"run: error: {failure}", file=sys.stderr)
        return 1
    print(f"==> all checks passed, in {time.monotonic() - start:.0f} s. README.md, 'By hand', has the next steps.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
