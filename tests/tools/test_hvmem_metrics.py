# SPDX-License-Identifier: LGPL-2.1-or-later
"""virsh-hvmem metrics, and what is built on them: the alerts, the dashboard and the timer."""

import configparser
import json
import os
import pathlib
import re
import shutil
import stat
import subprocess

import prometheus_client.openmetrics.parser
import prometheus_client.parser
import pytest

import test_virsh_hvmem
from test_virsh_hvmem import hvmem

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGING = ROOT / "packaging"
UNITS = PACKAGING / "debian"
SOURCE = (ROOT / "tools/virsh-hvmem/hvmem-metrics.c").read_text(encoding="utf-8")
NAMES = {f"hvmem_guest_{name}" for name in re.findall(r'^    \{ "([a-z_]+)", ', SOURCE, re.M)} | \
    {f"hvmem_{name}" for name in re.findall(r'addFamily\(out, "([a-z_]+)"', SOURCE)}


def metrics(*args):
    """Its output, and the figures in it by name and domain."""
    text = hvmem("metrics", *args).stdout
    families = list(prometheus_client.openmetrics.parser.text_string_to_metric_families(text))
    return text, {(sample.name, sample.labels.get("domain")): sample.value for family in families for sample in family.samples}


def test_both_formats_read_it():
    text, figures = metrics()
    assert figures["hvmem_guest_current_bytes", "test"] == 2 << 30
    assert figures["hvmem_guest_running", "test"] == 1
    assert figures["hvmem_host_guests_bytes", None] == 2 << 30
    assert figures["hvmem_host_memory_bytes", None] > 0
    older = {sample.name for family in prometheus_client.parser.text_string_to_metric_families(text) for sample in family.samples}
    assert older == {name for name, _ in figures}
    assert older <= NAMES
    assert text.endswith("\n# EOF\n")


def promtool(*args, **options):
    """Prometheus' own checker, where it is installed (Debian's package prometheus has it)."""
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed")
    return subprocess.run(["promtool", *args], capture_output=True, text=True, check=False, **options)


def test_promtool_finds_nothing_wrong():
    got = promtool("check", "metrics", input=hvmem("metrics").stdout)
    assert (got.returncode, got.stdout + got.stderr) == (0, "")


def test_names_with_quotes_and_backslashes(tmp_path):
    driver = test_virsh_hvmem.acpi_driver(tmp_path, 'a"b\\c', "two words")
    _, figures = metrics("-c", driver)
    assert ("hvmem_guest_running", 'a"b\\c') in figures
    assert ("hvmem_guest_running", "two words") in figures


def test_a_file_is_replaced_at_once(tmp_path):
    file = tmp_path / "hvmem.prom"
    file.write_text("old")
    assert not hvmem("metrics", "--output", str(file)).stdout
    assert file.read_text().endswith("# EOF\n")
    assert list(tmp_path.iterdir()) == [file]
    got = hvmem("metrics", "-o", str(tmp_path / "none/x.prom"))
    assert got.returncode == 1
    assert "No such file or directory" in got.stderr


def test_what_is_no_file_stays(tmp_path):
    """A pipe gets the text, as /dev/stdout would; a link still points to where it did."""
    pipe, link, file = tmp_path / "pipe", tmp_path / "link", tmp_path / "file"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE, text=True) as reader:
        assert hvmem("metrics", "-o", str(pipe)).returncode == 0
        assert reader.communicate(timeout=20)[0].endswith("# EOF\n")
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    file.write_text("old")
    link.symlink_to(file)
    assert hvmem("metrics", "-o", str(link)).returncode == 0
    assert link.is_symlink() and file.read_text().endswith("# EOF\n")
    for name in ("stdout", "full"):
        (tmp_path / name).symlink_to(f"/dev/{name}")        # by a link, or a failure of this test could cost the machine its device
    assert hvmem("metrics", "-o", str(tmp_path / "stdout")).stdout.endswith("# EOF\n")
    got = hvmem("metrics", "-o", str(tmp_path / "full"))
    assert got.returncode == 1 and "No space left on device" in got.stderr


def used(text):
    """The metrics of ours that expressions use."""
    return set(re.findall(r"\bhvmem_[a-z_]+", text))


def test_the_alerts_use_what_there_is():
    text = (PACKAGING / "prometheus/hvmem-alerts.yml").read_text(encoding="utf-8")
    names = used(re.sub(r"(?m)^ *summary:.*|^#.*", "", text))
    assert names and names <= NAMES
    assert text.count("- alert:") == text.count("expr:") == text.count("summary:") > 3


def test_promtool_reads_the_alerts():
    got = promtool("check", "rules", PACKAGING / "prometheus/hvmem-alerts.yml")
    assert got.returncode == 0, got.stdout + got.stderr


def test_the_dashboard_uses_what_there_is():
    board = json.loads((PACKAGING / "prometheus/hvmem-dashboard.json").read_text(encoding="utf-8"))
    assert {"title", "uid", "schemaVersion", "panels", "templating"} <= set(board)
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in board["panels"]:
        assert panel["targets"]
        for target in panel["targets"]:
            assert used(target["expr"]) and used(target["expr"]) <= NAMES, target
    variables = {variable["name"] for variable in board["templating"]["list"]}
    assert set(re.findall(r"\$\{?([a-z]+)", json.dumps(board))) <= variables


def test_the_timer_runs_what_there_is():
    unit = configparser.ConfigParser()
    unit.optionxform = str
    unit.read(UNITS / "virsh-hvmem.virsh-hvmem-metrics.service")
    command = unit["Service"]["ExecStart"].split()
    assert command[0] == "/usr/bin/virsh-hvmem"
    assert "--output" in command and "--readonly" in command
    assert hvmem(*command[1:-2], "--help").returncode == 0
    timer = configparser.ConfigParser()
    timer.optionxform = str
    timer.read(UNITS / "virsh-hvmem.virsh-hvmem-metrics.timer")
    assert timer["Install"]["WantedBy"] == "timers.target"
    assert "--name=virsh-hvmem-metrics" in (UNITS / "rules").read_text(encoding="utf-8")
