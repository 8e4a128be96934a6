# SPDX-License-Identifier: LGPL-2.1-or-later
"""scripts/kvm_host.py without a host: what it is asked for, what it makes of that, and what it says when QEMU fails."""

import argparse
import os
import pathlib
import pty
import select
import signal
import subprocess
import sys
import termios
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
import kvm_host  # noqa: E402


@pytest.fixture(name="tree")
def a_tree(tmp_path):
    """A source tree whose ./run guest names files and whose QEMU is what fake() makes it."""
    (tmp_path / "run").write_text("#!/bin/sh\n[ \"$3\" != none ] || { echo 'run: error: no kernel' >&2; exit 1; }\nprintf 'kernel=/k\\ninitrd=/i\\n'\n")
    (tmp_path / "run").chmod(0o755)
    return tmp_path


def fake(tree, text):
    """QEMU is this shell script."""
    (tree / "qemu").write_text("#!/bin/sh\n" + text)
    (tree / "qemu").chmod(0o755)


def command(tree, *words):
    return [sys.executable, "-B", ROOT / "scripts/kvm_host.py", f"--path-tree={tree}", f"--path-qemu={tree}/qemu", f"--path-log={tree}/log", *words]


def kvm(tree, *words, **how):
    return subprocess.run(command(tree, *words), text=True, capture_output=True, check=False, **({} if "input" in how else {"stdin": subprocess.DEVNULL}) | how)


@pytest.mark.parametrize("words, says", [
    (["--memory", "lots"], "--memory 'lots': a whole number and M or G"),
    (["--cpus", "0"], "--cpus 0: from 1 to 16"),
    (["--io"], "unrecognized arguments"),
])
def test_bad_options_are_named(tree, words, says):
    done = kvm(tree, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr


def test_a_qemu_that_does_not_start_is_one_line(tree):
    fake(tree, "echo 'qemu: -fsdev: no such thing' >&2; exit 1\n")
    done = kvm(tree, "true")
    assert (done.returncode, done.stdout) == (kvm_host.LOST, "")
    assert done.stderr == "kvm: error: the host went away before it was up: qemu: -fsdev: no such thing\n"


def test_a_host_that_dies_names_its_console(tree):
    fake(tree, "echo 'Kernel panic - not syncing' >log\n")
    done = kvm(tree, "true", cwd=tree)
    assert done.returncode == kvm_host.LOST
    assert "Kernel panic" in done.stderr


def test_no_kernel(tree):
    done = kvm(tree, "--kernel", "none", "true")
    assert done.returncode == kvm_host.LOST
    assert done.stderr == "run: error: no kernel\n"


def test_nothing_is_left(tree, tmp_path_factory):
    scratch = tmp_path_factory.mktemp("scratch")
    fake(tree, "exit 1\n")
    kvm(tree, "--iommu", "true", env={"TMPDIR": str(scratch), "PATH": "/usr/sbin:/usr/bin"})
    assert not list(scratch.iterdir())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_nothing_is_left_after_a_signal(number, tree, tmp_path_factory):
    scratch = tmp_path_factory.mktemp("scratch")
    fake(tree, "echo $$ >pid.new; mv pid.new pid; exec sleep 300\n")
    # One that a test's own shell ignores is ignored by what it starts.
    with subprocess.Popen(command(tree, "true"), env={"TMPDIR": str(scratch), "PATH": "/usr/sbin:/usr/bin"}, cwd=tree, stdin=subprocess.DEVNULL,
                          preexec_fn=lambda: signal.signal(number, signal.SIG_DFL)) as run:    # pylint: disable=subprocess-popen-preexec-fn
        end = time.monotonic() + 30
        while not (tree / "pid").exists():
            assert run.poll() is None and time.monotonic() < end
            time.sleep(0.05)
        assert list(scratch.iterdir())
        run.send_signal(number)
        assert run.wait(30) == 128 + number
    assert not list(scratch.iterdir())
    with pytest.raises(ProcessLookupError):
        os.kill(int((tree / "pid").read_text()), 0)


# A QEMU whose host copies what it reads, and says when it ends.
COPIES = """#!/usr/bin/python3
import re, socket, sys
ports = {name: socket.socket(fileno=int(number)) for name, number in re.findall(r"socket,id=(\\w+),fd=(\\d+)", " ".join(sys.argv))}
ports["control"].sendall(b"up\\n")
while data := ports["stdin"].recv(65536):
    ports["stdout"].sendall(data)
ports["stderr"].sendall(b"that is all")
ports["control"].sendall(b"status 7\\n")
"""


@pytest.mark.parametrize("how", ["file", "pipe"])
def test_input_output_and_status_are_the_commands(how, tree, tmp_path):
    """As much as no buffer between them holds."""
    (tree / "qemu").write_text(COPIES)
    (tree / "qemu").chmod(0o755)
    text = "".join(f"{number}\n" for number in range(600_000))
    (tmp_path / "input").write_text(text)
    with open(tmp_path / "input", encoding="ascii") as file:
        done = kvm(tree, "--quiet", "x", timeout=60, **({"input": text} if how == "pipe" else {"stdin": file}))
    assert done.returncode == 7
    assert done.stdout == text
    assert done.stderr == "that is all"


# A QEMU whose host is up once there is a file, and has a shell that prints what it reads.
SHELL = """#!/usr/bin/python3
import os, re, socket, sys, time
ports = {name: socket.socket(fileno=int(number)) for name, number in re.findall(r"socket,id=(\\w+),fd=(\\d+)", " ".join(sys.argv))}
open("pid", "w").close()
while not os.path.exists("up"):
    time.sleep(0.05)
ports["control"].sendall(b"up\\n")
while data := ports["terminal"].recv(100):
    ports["terminal"].sendall(repr(data).encode())
"""


class OnTerminal:
    """./run kvm without a command, on a terminal of its own."""

    def __init__(self, tree):
        self.ours, theirs = pty.openpty()
        self.said = b""
        self.before = termios.tcgetattr(theirs)
        self.theirs = theirs
        # Ctrl-C reaches the session whose terminal it is.
        self.run = subprocess.Popen(["setsid", "--ctty", "--wait", *command(tree)], cwd=tree, stdin=theirs, stdout=theirs, stderr=theirs)

    def expect(self, text):
        end = time.monotonic() + 30
        while text not in self.said:
            assert time.monotonic() < end, self.said
            if select.select([self.ours], [], [], 0.1)[0]:
                self.said += os.read(self.ours, 1000)

    def is_raw(self):
        return not termios.tcgetattr(self.theirs)[3] & termios.ISIG

    def type(self, text):
        os.write(self.ours, text)

    def end(self):
        """Its exit status, and that the terminal is what it was."""
        status = self.run.wait(30)
        assert termios.tcgetattr(self.theirs)[3] == self.before[3]
        os.close(self.ours)
        os.close(self.theirs)
        return status


@pytest.fixture(name="shell")
def a_shell(tree):
    (tree / "qemu").write_text(SHELL)
    (tree / "qemu").chmod(0o755)
    return OnTerminal(tree)


def wait_for(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_ctrl_c_ends_a_host_that_is_not_up(tree, shell):
    wait_for((tree / "pid").exists)
    shell.type(b"\x03")
    assert shell.end() == 130


def test_ctrl_c_is_the_shells_once_it_is_up(tree, shell):
    (tree / "up").touch()
    shell.expect(b"Ctrl-] ends it")
    wait_for(shell.is_raw)
    shell.type(b"\x03")
    shell.expect(b"\\x03")
    shell.type(kvm_host.LEAVE)
    assert shell.end() == 130


def test_words_of_the_command_arrive_as_they_are():
    text = kvm_host.script(["echo", "a b", "$HOME", "'"], "/tree", {"X": "1 2"})
    assert text.splitlines() == ["export X='1 2'", "cd /tree", "exec echo 'a b' '$HOME' ''\"'\"''"]


def test_a_comma_in_a_path_is_doubled(tmp_path):
    options = argparse.Namespace(tree="/a,b", iommu=False, qemu="q", cpus=2, memory="6G", log="l", command=[])
    job = kvm_host.Job(str(tmp_path), options, False)
    argv = kvm_host.arguments(options, {"kernel": "k", "initrd": "i"}, job, {})
    assert any(word.endswith("path=/a,,b,readonly=on") for word in argv)
