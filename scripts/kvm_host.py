#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""./run kvm: runs a command on a host that has KVM, which QEMU emulates (TCG emulates AMD's SVM, and an IOMMU).

The host has no disk. It gets /usr, /etc and the source tree of this machine by 9p, and never writes to them; scripts/kvm-host/init sets that up,
scripts/kvm-host/up runs the command. Both are told what to do by the files of a job folder, which is shared too.
"""

import argparse
import contextlib
import ctypes
import hashlib
import mmap
import os
import re
import selectors
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import threading
import time
import tty

from speed import patient

UP_LIMIT = 180              # seconds until the host must be up, on a busy machine of ordinary speed
END_LIMIT = 20              # seconds that it may take to turn itself off
# What is written there stays; everything else that is written is gone in the end.
KEPT = ("build/test", "build/bench", "build/log")
CMDLINE = "console=ttyS0 quiet panic=-1 mitigations=off nokaslr audit=0 tsc=reliable random.trust_cpu=on"
NVME_SIZE = 128 << 20
NVME_ADDRESS = "0000:00:10.0"
LOST = 125                  # exit status when the host, not the command, failed
LEAVE = b"\x1d"             # Ctrl-]: ends the host from its shell, also one that hangs


class HostError(Exception):
    """The host cannot be started, or ended before the command did."""


class SaidAlready(HostError):
    """The same, and the program that failed said why."""


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def write_disk(path):
    """A disk of random content, no two pages alike. Returns its MD5."""
    digest = hashlib.md5()
    with open(path, "wb") as file:
        for _ in range(NVME_SIZE >> 20):
            block = os.urandom(1 << 20)
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


RDTSC = bytes.fromhex("0f31 48c1e220 4809d0 c3")       # rdtsc; shl rdx, 32; or rax, rdx; ret


def tsc_khz():
    """The rate of this machine's time stamp counter, which is also that of the emulated processor. A kernel that has to find it out on a busy machine
    may be wrong by a factor of ten, and its clock with it."""
    with mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC) as page:
        page.write(RDTSC)
        code = ctypes.c_char.from_buffer(page)
        read = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(code))
        ticks, start = read(), time.monotonic_ns()
        time.sleep(0.2)
        ticks, nanoseconds = read() - ticks, time.monotonic_ns() - start
        del code, read
    return ticks * 1_000_000 // nanoseconds


def script(command, tree, environment):
    """What the host runs. COMMAND is a list of words, empty for a shell."""
    here = os.getcwd()
    where = here if os.path.commonpath([here, tree]) == tree else tree
    lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(environment.items())]
    lines += [f"cd {shlex.quote(where)}", "exec " + (shlex.join(command) or "${SHELL:-/bin/bash}")]
    return "\n".join(lines) + "\n"


def passed_on():
    """The variables of this environment that the command gets too."""
    return {name: value for name, value in os.environ.items() if name.startswith("HVB_") or name in ("TERM", "CI")}


class Job:
    """The folder that tells the host what to do."""

    def __init__(self, folder, options, terminal):
        self.folder = folder
        self.disk = os.path.join(folder, "disk")
        environment = {**passed_on(), "HVB_KVM_HOST": "1", "SHELL": "/bin/bash"}
        if options.iommu:
            os.mkdir(self.disk)
            environment.update(HVB_NVME=NVME_ADDRESS, HVB_NVME_MD5=write_disk(os.path.join(self.disk, "nvme")))
        self.share = os.path.join(folder, "share")
        os.mkdir(self.share)
        write(os.path.join(self.share, "tree"), options.tree + "\n")
        write(os.path.join(self.share, "kept"), "".join(name + "\n" for name in KEPT))
        write(os.path.join(self.share, "command"), script(options.command, options.tree, environment))
        if terminal:
            size = shutil.get_terminal_size()
            write(os.path.join(self.share, "terminal"), f"rows {size.lines} cols {size.columns}")


def shares(options, job):
    """(tag, folder, whether it is writable) of everything that the host sees of this machine."""
    yield from (("usr", "/usr", False), ("etc", "/etc", False), ("dpkg", "/var/lib/dpkg", False), ("tree", options.tree, False),
                ("job", job.share, True))
    for number, name in enumerate(KEPT):
        yield f"kept{number}", os.path.join(options.tree, name), True


def kernel_files(options):
    """name -> path of kernel and initramfs, made first where they are missing. Raises HostError."""
    got = subprocess.run([os.path.join(options.tree, "run"), "guest", "--kernel", options.kernel], stdout=subprocess.PIPE, text=True, check=False)
    if got.returncode:
        raise SaidAlready
    files = dict(line.split("=", 1) for line in got.stdout.splitlines() if "=" in line)
    return {"kernel": files["kernel"], "initrd": os.path.join(os.path.dirname(files["initrd"]), "host-initrd")}


def arguments(options, files, job, ports):
    """QEMU's command line. FILES: those of the kernel; PORTS: name -> the number of an open socket."""
    argv = [options.qemu, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-machine", "q35",
            "-accel", "tcg,thread=multi,tb-size=1024", "-cpu", "max", "-smp", str(options.cpus), "-m", options.memory,
            "-kernel", files["kernel"], "-initrd", files["initrd"],
            "-append", f"{CMDLINE} tsc_early_khz={tsc_khz()}" + (" intel_iommu=on" if options.iommu else ""), "-serial", "file:" + options.log]
    if options.iommu:
        argv += ["-device", "intel-iommu,intremap=on,aw-bits=48",
                 "-drive", f"if=none,id=nvme,format=raw,readonly=on,file={comma(os.path.join(job.disk, 'nvme'))}",
                 "-device", f"nvme,serial=hvb,drive=nvme,addr={NVME_ADDRESS[-4:-2]}"]
    for number, (tag, folder, writable) in enumerate(shares(options, job)):
        argv += ["-fsdev", f"local,id=share{number},security_model=none,multidevs=remap,path={comma(folder)}" + ("" if writable else ",readonly=on"),
                 "-device", f"virtio-9p-pci,fsdev=share{number},mount_tag={tag}"]
    argv += ["-device", "virtio-serial-pci,max_ports=8"]
    for name, fd in ports.items():
        kind = "virtconsole" if name == "terminal" else "virtserialport"
        argv += ["-chardev", f"socket,id={name},fd={fd}", "-device", f"{kind},chardev={name},name={name}"]
    return argv


def comma(text):
    """A value of a QEMU option."""
    return text.replace(",", ",,")


class Host:
    """The running host. Its ports are sockets: "control", and "terminal" or the three of a command without one."""

    def __init__(self, options, files, job, terminal):
        self.options = options
        self.status = None
        self.up = False
        self.started = time.monotonic()
        pairs = {name: socket.socketpair() for name in (("terminal",) if terminal else ("stdin", "stdout", "stderr")) + ("control",)}
        self.ports = {name: ours for name, (ours, _) in pairs.items()}
        theirs = {name: their.fileno() for name, (_, their) in pairs.items()}
        self.errors = tempfile.TemporaryFile("w+")
        # Of its own session, so that Ctrl-C reaches this program alone; ended with it, whatever ends it.
        self.qemu = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *arguments(options, files, job, theirs)], stdin=subprocess.DEVNULL,
                                     stdout=self.errors, stderr=self.errors, pass_fds=list(theirs.values()), start_new_session=True)
        for _, their in pairs.values():
            their.close()

    def end(self):
        """Ends it, also when it does not want to."""
        if self.status is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.qemu.wait(patient(END_LIMIT))
        if self.qemu.poll() is None:
            self.qemu.kill()
        self.qemu.wait()
        for port in self.ports.values():
            port.close()

    def why(self):
        """What is known of a host that failed."""
        self.errors.seek(0)
        said = self.errors.read().strip().splitlines()
        with contextlib.suppress(OSError), open(self.options.log, encoding="utf-8", errors="replace") as file:
            said += [line.strip() for line in file if "kvm-host:" in line or "Kernel panic" in line][:1]
        return said[-1] if said else f"its console is {os.path.relpath(self.options.log)}"

    def control(self, line):
        """A line of scripts/kvm-host/up."""
        if line == "up":
            self.up = True
            if not self.options.quiet:
                print(f"kvm: the host is up after {time.monotonic() - self.started:.0f} s" + ("; Ctrl-] ends it" if "terminal" in self.ports else ""),
                      file=sys.stderr, flush=True)
        elif match := re.fullmatch(r"status (\d+)", line):
            self.status = int(match.group(1))


def feed(port, leave):
    """All that this program gets to read, and that it ends, to the command. That the host is gone shows elsewhere. LEAVE, if not None, is what ends
    this program."""
    with contextlib.suppress(OSError):
        while data := os.read(0, 65536):
            if leave and leave in data:
                os.kill(os.getpid(), signal.SIGINT)
                return
            port.sendall(data)
    with contextlib.suppress(OSError):
        port.shutdown(socket.SHUT_WR)


class Relay:
    """Carries what the command reads and writes, until the host is gone."""

    def __init__(self, host, terminal):
        """TERMINAL: a Terminal, or None for a command without one."""
        self.host, self.terminal = host, terminal
        self.selector = selectors.DefaultSelector()
        self.lines = b""
        out = {"terminal": 1} if terminal else {"stdout": 1, "stderr": 2}
        for name, fd in out.items():
            self.selector.register(host.ports[name], selectors.EVENT_READ, lambda port, fd=fd: self.copy_out(port, fd))
        self.selector.register(host.ports["control"], selectors.EVENT_READ, self.read_control)

    def feed(self):
        """Of its own thread: a command that writes what it has read waits for this program to read that, before it reads on."""
        if self.terminal:
            self.terminal.take()
        arguments = (self.host.ports["terminal"], LEAVE) if self.terminal else (self.host.ports["stdin"], None)
        threading.Thread(target=feed, args=arguments, daemon=True).start()

    def read_port(self, port):
        try:
            data = port.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            self.selector.unregister(port)
        return data

    def copy_out(self, port, fd):
        view = memoryview(self.read_port(port))
        while view:
            view = view[os.write(fd, view):]

    def read_control(self, port):
        self.lines += self.read_port(port)
        *whole, self.lines = self.lines.split(b"\n")
        for line in whole:
            before = self.host.up
            self.host.control(line.decode("ascii", "replace").strip())
            if self.host.up and not before:
                self.feed()

    def run(self):
        """Returns when the command has ended and all that it wrote has come. Raises HostError."""
        limit = patient(UP_LIMIT)
        while self.selector.get_map():
            for key, _ in self.selector.select(1.0):
                key.data(key.fileobj)
            if not self.host.up and time.monotonic() - self.host.started > limit:
                raise HostError(f"the host was not up after {limit:.0f} s: {self.host.why()}")
        if self.host.status is None:
            raise HostError(f"the host went away{'' if self.host.up else ' before it was up'}: {self.host.why()}")


class Terminal:
    """This program's. While the host starts, Ctrl-C ends it; once it is up, all that is typed goes there as it is."""

    def __init__(self):
        self.before = termios.tcgetattr(0)

    def take(self):
        tty.setraw(0)

    def give_back(self):
        termios.tcsetattr(0, termios.TCSADRAIN, self.before)


def run(options, folder):
    """The command's exit status."""
    terminal = Terminal() if not options.command and os.isatty(0) and os.isatty(1) else None
    for name in KEPT + ("build/run",):
        os.makedirs(os.path.join(options.tree, name), exist_ok=True)
    host = Host(options, kernel_files(options), Job(folder, options, terminal), terminal)
    try:
        Relay(host, terminal).run()
    finally:
        if terminal:
            terminal.give_back()
        host.end()
    return host.status


def parse():
    parser = argparse.ArgumentParser(prog="./run kvm", allow_abbrev=False,
                                     description="Run a command, or without one a shell, on a host with KVM that is emulated on this machine. It sees this "
                                     "machine's programs and this source tree, at its own path, and runs as root.",
                                     epilog=f"What is written in {', '.join(KEPT)} stays, everything else is gone in the end. Exit status: the "
                                     f"command's, or {LOST} when the host failed.")
    parser.add_argument("--iommu", action="store_true", help=f"with an IOMMU, and an NVMe disk at {NVME_ADDRESS} to assign to a guest")
    parser.add_argument("--memory", default="6G", metavar="SIZE", help="as QEMU takes it; default: %(default)s")
    parser.add_argument("--cpus", type=int, default=2, metavar="N", help="default: %(default)s")
    parser.add_argument("--kernel", default="6.12", metavar="NAME", help="the host's kernel, as for './run guest'; default: %(default)s")
    parser.add_argument("--quiet", action="store_true", help="do not say when the host is up")
    for name in ("tree", "qemu", "log"):
        parser.add_argument("--path-" + name, dest=name, required=True, help=argparse.SUPPRESS)
    parser.add_argument("command", metavar="COMMAND", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    if not re.fullmatch(r"[1-9]\d*[MG]", options.memory):
        parser.error(f"--memory '{options.memory}': a whole number and M or G, like 6G")
    if not 1 <= options.cpus <= 16:
        parser.error(f"--cpus {options.cpus}: from 1 to 16")
    return options


def main():
    options = parse()
    for ends in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(ends) != signal.SIG_IGN:
            signal.signal(ends, lambda number, _: sys.exit(128 + number))
    try:
        with tempfile.TemporaryDirectory(prefix="hvb-kvm-") as folder:
            return run(options, folder)
    except SaidAlready:
        return LOST
    except (HostError, OSError) as err:
        print(f"kvm: error: {err}", file=sys.stderr)
        return LOST
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
