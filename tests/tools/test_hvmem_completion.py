# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the shells offer for a command line of virsh-hvmem."""

import os
import pathlib
import shlex
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
from terminal import Screen  # noqa: E402

SOURCE = ROOT / "tools/virsh-hvmem"
COMMANDS = ["list", "status", "plan", "set", "wait", "watch", "plot", "doctor", "metrics", "enable", "disable", "auto", "balance", "help"]
SIZES = ["512MiB", "1GiB", "2GiB", "4GiB", "8GiB", "16GiB", "max", "boot"]


def stub_in(tmp_path):
    """A virsh-hvmem that lists some domains and records its arguments."""
    stub = tmp_path / "virsh-hvmem"
    stub.write_text("#!/bin/sh\necho \"$@\" >>$0.log\nprintf ' g1     x\\n g2     y\\n'\n"
                    "case \"$*\" in *--all*) printf ' other          z   u\\n my guest      z\\n my:g$1   z\\n' ;; esac\n")
    stub.chmod(0o755)
    return stub


def complete(tmp_path, *words):
    """What bash offers for the last of WORDS."""
    line = " ".join(shlex.quote(word) for word in (str(stub_in(tmp_path)), *words))
    script = (f". {SOURCE / 'virsh-hvmem.bash'}; COMP_WORDS=({line}); "
              f"COMP_CWORD={len(words)}; _virsh_hvmem; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
    got = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert not got.stderr
    return [offer for offer in got.stdout.splitlines() if offer]


@pytest.mark.parametrize("words, offered", [
    (["s"], ["status", "set"]),
    (["status", ""], ["g1", "g2"]),
    (["enable", "o"], ["other"]),
    (["-c", "qemu:///x", "set", "g"], ["g1", "g2"]),
    (["plan", "g1", ""], SIZES),
    (["plan", "g1", "m"], ["max"]),
    (["set", "g1", ""], [*SIZES, "g1", "g2"]),
    (["status", "--also", "te"], ["test:///default"]),
    (["plan", "g1", "5"], ["5MiB", "5GiB", "5TiB"]),
    (["set", "g1", "5G"], ["5GiB"]),
    (["plan", "g1", "5GiB", ""], []),
    (["list", "--sort", "c"], ["current", "ceiling"]),
    (["-c", "q"], ["qemu:///system", "qemu:///session"]),
    (["-c", "qemu", ":"], ["///system", "///session"]),
    (["-c", "qemu", ":", "///se"], ["///session"]),
    (["--connect", "=", "t"], ["test:///default"]),
    (["--connect", "=", "test", ":", "///"], ["///default"]),
    (["help", "st"], ["status"]),
    (["auto", ""], ["g1", "g2"]),
    (["auto", "--minimum", "5"], ["5MiB", "5GiB", "5TiB"]),
    (["balance", "--o"], ["--once"]),
    (["set", "g1", "--ti"], ["--timeout"]),
    (["--format", "j"], ["json"]),
    (["watch", "g1", "g"], ["g1", "g2"]),
    (["enable", "g1", "--max", ""], SIZES),
    (["enable", "g1", "--pl"], ["--plugged"]),
    (["enable", "g1", "--plugged", "5"], ["5MiB", "5GiB", "5TiB"]),
    (["enable", "--plugged", "5GiB", "o"], ["other"]),
    (["disable", "--d"], ["--dry-run"]),
    (["enable", "m"], [r"my\ guest", r"my\:g\$1"]),
    (["enable", r"my\ g"], [r"my\ guest"]),
    (["enable", "'my"], ["my guest", "my:g$1"]),
    (["-c", "qemu", ":", "///x", ""], COMMANDS),
    (["-c", "qemu", ":", "///x", "status", "g"], ["g1", "g2"]),
    (["--connect", "=", "qemu", ":", "///x", "status", "g"], ["g1", "g2"]),
    (["--format", "="], ["table", "json"]),
    (["--format", "=", "j"], ["json"]),
    (["list", "--format", "=", "json", "--a"], ["--all"]),
])
def test_completion(tmp_path, words, offered):
    assert complete(tmp_path, *words) == offered


def test_completion_uses_the_options_for_the_connection(tmp_path):
    for words in (["-c", "qemu:///x"], ["-c", "qemu", ":", "///x"], ["--connect", "=", "qemu", ":", "///x"]):
        complete(tmp_path, *words, "status", "")
        log = tmp_path / "virsh-hvmem.log"
        assert "-c qemu:///x list" in log.read_text(), words
        log.unlink()


def test_completion_in_a_real_shell(tmp_path):
    """Here bash itself splits the line into words."""
    stub = stub_in(tmp_path)
    typed = f"virsh-hvmem -c qemu:///x enable 'my g\t\nvirsh-hvmem -c qemu:///x enable my\\ \t\nvirsh-hvmem --connect=qemu:///x status g1\t\n"
    rc = tmp_path / "rc"
    rc.write_text(f"PATH={tmp_path}:$PATH; PS1=\n. {SOURCE / 'virsh-hvmem.bash'}\n", encoding="utf-8")
    subprocess.run(["bash", "--rcfile", rc, "-i"], input=typed, capture_output=True, text=True, check=False, timeout=60,
                   start_new_session=True, env={**os.environ, "TERM": "dumb", "INPUTRC": "/dev/null"})
    asked = (stub.parent / "virsh-hvmem.log").read_text().splitlines()
    runs = [line for line in asked if " list" not in line]
    assert runs == ["-c qemu:///x enable my guest", "-c qemu:///x enable my guest", "--connect=qemu:///x status g1"]


#
# fish and zsh
#

LINES = [
    ("s", ["set", "status"]),
    ("status ", ["g1", "g2"]),
    ("enable o", ["other"]),
    ("-c qemu:///x set g", ["g1", "g2"]),
    ("set g1 5", ["5GiB", "5MiB", "5TiB"]),
    ("-c qemu:///s", ["qemu:///session", "qemu:///system"]),
    ("list --sort c", ["ceiling", "current"]),
    ("list --prob", ["--problems"]),
    ("enable g1 --plugged 5", ["5GiB", "5MiB", "5TiB"]),
    ("help st", ["status"]),
    ("au", ["auto"]),
    ("ba", ["balance"]),
    ("auto g", ["g1", "g2"]),
    ("auto g1 --of", ["--off"]),
    ("auto --minimum 5", ["5GiB", "5MiB", "5TiB"]),
    ("balance --dry", ["--dry-run"]),
    ("balance --budget 5", ["5GiB", "5MiB", "5TiB"]),
]


@pytest.mark.parametrize("line, offered", LINES)
def test_fish(tmp_path, line, offered):
    stub_in(tmp_path)
    script = f"source {SOURCE}/virsh-hvmem.fish; complete -C 'virsh-hvmem {line}'"
    got = subprocess.run(["fish", "--no-config", "-c", script], capture_output=True, text=True, check=True,
                         env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path), "LIBVIRT_DEFAULT_URI": ""})
    assert sorted({entry.split("\t")[0] for entry in got.stdout.splitlines()}) == offered, got.stderr


@pytest.mark.parametrize("line, offered", LINES)
def test_zsh(tmp_path, line, offered):
    """In a terminal, for zsh has no way to ask for it."""
    stub_in(tmp_path)
    (tmp_path / "_virsh-hvmem").write_text((SOURCE / "virsh-hvmem.zsh").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / ".zshrc").write_text(f"PATH={tmp_path}:$PATH; PS1='ready> '; fpath=({tmp_path} $fpath); autoload -U compinit; compinit -u -D\n"
                                     "unsetopt AUTO_MENU; setopt AUTO_LIST; zstyle ':completion:*' list-prompt ''\n"
                                     "compdef _virsh-hvmem virsh-hvmem\n", encoding="utf-8")
    view = Screen("zsh", "zsh", "-d", env={"ZDOTDIR": str(tmp_path), "LIBVIRT_DEFAULT_URI": ""}, width=120, height=20)
    try:
        view.wait("ready>")
        view.keys("-l", f"virsh-hvmem {line}")
        view.keys("C-d" if len(offered) > 1 else "Tab")
        for word in offered:
            view.wait(rf"(^|[ \n]){word}([ \n]|$)")
    finally:
        view.end()
