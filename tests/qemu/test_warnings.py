# SPDX-License-Identifier: LGPL-2.1-or-later
"""Our files in QEMU compile without a warning, though QEMU as a whole is built with warnings that are none."""
import json
import pathlib
import shlex
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
OBJ = ROOT / "build/obj/qemu"


def our_commands():
    commands = {}
    for entry in json.loads((OBJ / "compile_commands.json").read_text()):
        source = (OBJ / entry["file"]).resolve()
        if source.is_relative_to(ROOT / "qemu"):
            commands[str(source.relative_to(ROOT / "qemu"))] = entry
    return commands


COMMANDS = our_commands()


def test_all_are_built():
    """What is not built cannot warn: stubs wait for builds without the device."""
    ours = {str(p.relative_to(ROOT / "qemu")) for d in ("hw", "target", "util") for p in (ROOT / "qemu" / d).rglob("*.c")}
    assert not {p for p in ours - COMMANDS.keys() if not p.endswith("-stub.c")}


@pytest.mark.parametrize("source", sorted(COMMANDS))
def test_no_warning(source):
    entry = COMMANDS[source]
    words = shlex.split(entry["command"])
    if words[0].endswith("ccache"):
        del words[0]
    for option, arguments in {"-o": 1, "-MQ": 1, "-MF": 1, "-MD": 0}.items():
        at = words.index(option)
        del words[at:at + 1 + arguments]
    run = subprocess.run([*words, "-Werror", "-O1", "-o", "/dev/null"], cwd=entry["directory"], capture_output=True, text=True,
                         check=False)
    assert run.returncode == 0, run.stderr
