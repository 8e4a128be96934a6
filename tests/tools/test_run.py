# SPDX-License-Identifier: LGPL-2.1-or-later
"""The entry script and its messages: one clear line with a remedy, exit 1."""
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(*words, script="run", **env):
    import os
    return subprocess.run([ROOT / script, *words], text=True, capture_output=True, stdin=subprocess.DEVNULL,
                          env={**os.environ, **env}, check=False)


def test_run_alone_lists_every_command_with_a_line():
    done = run()
    assert done.returncode == 0
    for script in (ROOT / "scripts").glob("cmd-*"):
        name = script.name.removeprefix("cmd-")
        assert any(line.split()[:1] == [name] for line in done.stdout.splitlines()), name


def test_every_listed_command_has_its_script():
    listed = [line.split()[0] for line in run().stdout.splitlines() if line.startswith("  ") and line[2] != " "]
    assert len(listed) >= 10
    for name in listed:
        assert (ROOT / "scripts" / f"cmd-{name}").exists(), name


@pytest.mark.parametrize("words, says", [
    (["frobnicate"], "no command 'frobnicate'"),
    (["test", "unti"], "no suite 'unti'"),
    (["build", "kernel"], "nothing to build called 'kernel'"),
    (["fuzz"], "fuzz wants a number of seconds"),
    (["fuzz", "long"], "not 'long'"),
    (["fuzz", "10", "world"], "no fuzz target 'world'"),
    (["bench"], "bench wants the name of a benchmark"),
    (["bench", "mark"], "no benchmark 'mark'"),
    (["patches", "now"], "patches takes no argument"),
    (["clean", "all"], "clean takes no argument"),
])
def test_a_wrong_word_is_one_clear_line(words, says):
    done = run(*words)
    assert done.returncode == 1
    assert says in done.stderr
    assert " -- " in done.stderr, "the line names a remedy"
    assert len(done.stderr.splitlines()) == 1


def test_an_unsupported_distribution_is_named(tmp_path):
    (tmp_path / "os-release").write_text('ID=fedora\nVERSION_ID=42\nPRETTY_NAME="Fedora 42"\n')
    done = run(script="scripts/packages", OS_RELEASE=str(tmp_path / "os-release"))
    assert done.returncode == 1
    assert "unsupported distribution: Fedora 42" in done.stderr
    assert "Debian 12" in done.stderr


def test_a_machine_that_is_not_debian_is_told_so(tmp_path):
    done = run(script="scripts/packages", OS_RELEASE=str(tmp_path / "none"))
    assert done.returncode == 1
    assert "not Debian" in done.stderr
