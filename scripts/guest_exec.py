#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a command in a test guest over its second serial port (scripts/guest/agent describes the lines that are exchanged).

As a program: guest_exec.py [--timeout SECONDS] SOCKET COMMAND…; exits with the command's status, 124 when it was killed for
taking too long, 125 when the guest could not be reached. As a module: run().
"""

import argparse
import base64
import binascii
import collections
import contextlib
import fcntl
import os
import secrets
import shlex
import socket
import subprocess
import sys
import time

RESEND = 1.0        # seconds without @begin before the request is sent again; each time twice as long
RESEND_MOST = 8.0   # up to this
GRACE = 10.0        # what the guest may need beyond the command's own limit to say that it was killed
PORT = "/dev/ttyS1"  # the agent's, in the guest
MAX_REQUEST = 16384  # bytes; the guest's serial line buffers hold more than this, with no flow control

Result = collections.namedtuple("Result", "status out err")


class GuestError(Exception):
    """The guest cannot be reached, or went away while it worked."""


class GuestTimeout(GuestError):
    """The command exceeded its time and was killed, or there was no reply at all."""


@contextlib.contextmanager
def turn(path, deadline):
    """QEMU serves one client per socket, so concurrent callers take turns."""
    with open(path + ".lock", "w", encoding="ascii") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise GuestTimeout("another command is using this guest's agent") from None
                time.sleep(0.02)
        yield


def connect(path):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.connect(path)
    except OSError as err:
        sock.close()
        raise GuestError(f"no guest behind {path}: {err.strerror}") from err
    return sock


class Lines:
    """Lines from a socket, None when none came in time."""

    def __init__(self, sock):
        self.sock = sock
        self.data = b""

    def get(self, deadline):
        while b"\n" not in self.data:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self.sock.settimeout(left)
            try:
                more = self.sock.recv(65536)
            except socket.timeout:
                return None
            except OSError as err:
                raise GuestError(f"the guest's serial port: {err.strerror}") from err
            if not more:
                raise GuestError("the guest was stopped")
            self.data += more
        line, self.data = self.data.split(b"\n", 1)
        return line.decode("ascii", "replace").strip()


def request(command, seconds):
    ident = secrets.token_hex(4)
    body = base64.b64encode(command.encode()).decode()
    line = f"\n@run {ident} {max(1, round(seconds))} {len(body)} {body}\n".encode()
    if len(line) > MAX_REQUEST:
        raise GuestError(f"the command has {len(command)} bytes, too long for the agent (about {MAX_REQUEST * 3 // 4})")
    return ident, line


def begin(sock, lines, ident, line, deadline):
    """Sends the request until the guest has taken it, less and less often: the guest reads all that came while it started, and echoes it, before its
    agent can say @boot; a slow one reads less than a request a second and would never end."""
    pause = RESEND
    while True:
        if time.monotonic() > deadline:
            raise GuestTimeout("the guest's agent does not answer (is the guest up?)")
        sock.settimeout(RESEND)
        try:
            sock.sendall(line)
        except socket.timeout:
            # Part of it may be on its way: the next request starts with a line end and the length tells the parts apart.
            continue
        except OSError as err:
            raise GuestError(f"the guest's serial port: {err.strerror}") from err
        until = min(deadline, time.monotonic() + pause)
        pause = min(2 * pause, RESEND_MOST)
        while (answer := lines.get(until)) is not None:
            if answer == f"@begin {ident}":
                return
            if answer.startswith("@boot"):
                pause = RESEND
                break


def collect(lines, ident, deadline):
    """The lines after @begin: (status, out, err)."""
    parts = {"@out": [], "@err": []}
    part = None
    while True:
        line = lines.get(deadline)
        if line is None:
            raise GuestTimeout("the guest took the command but gave no result in time")
        if line in parts:
            part = parts[line] = []
        elif line.startswith("@boot"):
            raise GuestError("the guest was restarted while it ran the command")
        elif line.startswith(f"@end {ident} "):
            status, *sizes = line.split()[2:]
            break
        elif part is not None:
            part.append(line)
    try:
        out, err = (base64.b64decode("".join(parts[p]), validate=True) for p in ("@out", "@err"))
    except binascii.Error as error:
        raise GuestError(f"the guest's answer is damaged: {error}") from error
    if [str(len(out)), str(len(err))] != sizes:
        raise GuestError("the guest's answer is damaged: its length is wrong")
    return status, out, err


@contextlib.contextmanager
def taken(path, command, timeout):
    """The guest has taken the command: gives the lines that follow, its identifier, and the time at which it has to have ended."""
    deadline = time.monotonic() + timeout
    with turn(path, deadline), contextlib.closing(connect(path)) as sock:
        ident, line = request(command, timeout)
        lines = Lines(sock)
        begin(sock, lines, ident, line, deadline)
        yield lines, ident, time.monotonic() + timeout + GRACE


def result(lines, ident, deadline, timeout):
    status, out, err = collect(lines, ident, deadline)
    if status == "late":
        raise GuestTimeout(f"the command was killed after {timeout:g} seconds")
    return Result(int(status), out, err)


def run(path, command, timeout=60.0):
    """Runs a shell command line in the guest behind the socket PATH.

    A guest that is still starting is waited for, within the same TIMEOUT (seconds). Returns Result(status, out, err), the last
    two as bytes. Raises GuestTimeout or GuestError.
    """
    with taken(path, command, timeout) as (lines, ident, deadline):
        return result(lines, ident, deadline, timeout)


@contextlib.contextmanager
def running(path, command, timeout=60.0):
    """Runs it while the caller does something. Gives a function that waits for a line which the command writes to PORT itself: that is here at once,
    while an answer takes programs in the guest which encode it. Such a line starts with '=', as none of the agent's does. At the end, the command has
    to have succeeded. Raises as run() does."""
    with taken(path, command, timeout) as (lines, ident, deadline):
        yield lambda word: said(lines, word, deadline)
        got = result(lines, ident, deadline, timeout)
    if got.status:
        raise GuestError(f"{command}: {got.err.decode(errors='replace').strip() or got.status}")


def said(lines, word, deadline):
    """The command has written WORD."""
    while (line := lines.get(deadline)) != word:
        if line is None:
            raise GuestTimeout(f"the guest's command did not say '{word}' in time")
        if line.startswith("@"):
            raise GuestError(f"the guest's command ended, or the guest did, before it said '{word}'")


def command_line(words):
    """One word is a shell command line, several are the exact words of one command."""
    return words[0] if len(words) == 1 else shlex.join(words)


def agent_socket(virsh, domain):
    """The socket of the agent of a running DOMAIN; VIRSH is the command that reaches its daemon, as a list."""
    import xml.etree.ElementTree as ET

    got = subprocess.run([*virsh, "dumpxml", domain], capture_output=True, text=True, check=False)
    if got.returncode:
        raise GuestError(got.stderr.strip().replace("error: ", "") or f"no domain '{domain}'")
    root = ET.fromstring(got.stdout)
    if root.get("id") is None:
        raise GuestError(f"domain '{domain}' is not running")
    for serial in root.iterfind("devices/serial"):
        source, target = serial.find("source"), serial.find("target")
        if serial.get("type") == "unix" and target is not None and target.get("port") == "1":
            return source.get("path")
    raise GuestError(f"domain '{domain}' has no agent port: it was not made with './run guest --xml'")


def main():
    parser = argparse.ArgumentParser(prog="./run guest-exec",
                                     description="Run a command in a test guest, and return its output and exit status.",
                                     epilog="One COMMAND word is a shell command line; several are the exact words of one command. "
                                            "Exit status: the command's; 124 killed after SECONDS; 125 guest not reached.")
    parser.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS")
    parser.add_argument("--virsh", type=shlex.split, default=["virsh"], help=argparse.SUPPRESS)
    parser.add_argument("domain", metavar="DOMAIN")
    parser.add_argument("command", metavar="COMMAND", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    if not args.command:
        parser.error("no command given")
    try:
        path = agent_socket(args.virsh, args.domain)
        result = run(path, command_line(args.command), args.timeout)
    except GuestError as err:
        print(f"guest-exec: error: {args.domain}: {err}", file=sys.stderr)
        return 124 if isinstance(err, GuestTimeout) else 125
    sys.stdout.flush()
    os.write(2, result.err)
    view = memoryview(result.out)
    while view:
        view = view[os.write(1, view):]
    return result.status


if __name__ == "__main__":
    sys.exit(main())
