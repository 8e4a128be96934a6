# SPDX-License-Identifier: LGPL-2.1-or-later
"""Our files compile in a libvirt that translates its messages too.

The one that is built here does not, so that a message is a literal and passes where a call of gettext is an error."""

import json
import pathlib
import shlex
import subprocess

import pytest

OBJ = pathlib.Path(__file__).resolve().parents[2] / "build/obj/libvirt"


def commands():
    if not (OBJ / "compile_commands.json").exists():
        return {}
    entries = json.loads((OBJ / "compile_commands.json").read_text(encoding="utf-8"))
    return {pathlib.Path(entry["file"]).name: entry["command"] for entry in entries
            if pathlib.Path(entry["file"]).match("src/qemu/qemu_hvballoon*.c")}


def test_there_are_files():
    assert "qemu_hvballoon_space.c" in commands()


@pytest.mark.parametrize("name", sorted(commands()))
def test_file_compiles(name):
    command = shlex.split(commands()[name])
    for option in ("-o", "-MF", "-MQ"):
        if option in command:
            at = command.index(option)
            del command[at:at + 2]
    command = [word for word in command if word not in ("-c", "-MD")]
    done = subprocess.run([*command, "-DWITH_LIBINTL_H=1", "-fsyntax-only"], cwd=OBJ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
