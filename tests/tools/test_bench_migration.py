# SPDX-License-Identifier: LGPL-2.1-or-later
"""What ./run bench migration makes of the traces and streams that it reads, without a guest."""
import json
import pathlib
import sys

import pytest

BENCH = pathlib.Path(__file__).resolve().parents[1] / "bench"
sys.path[:0] = [str(BENCH / name) for name in ("migration", "device", ".")]
import compare  # noqa: E402
import moves  # noqa: E402
import report  # noqa: E402
import stream  # noqa: E402
import tables  # noqa: E402

LOG = """hv_balloon_saved 100 bytes of state
vmstate_downtime_save type=iterable idstr=ram instance_id=0 downtime=70000
vmstate_downtime_save type=non-iterable idstr=timer instance_id=0 downtime=9
vmstate_downtime_save type=non-iterable idstr=hv-balloon/memory instance_id=0 downtime=30
vmstate_downtime_save type=non-iterable idstr=hv-balloon instance_id=0 downtime=12
vmstate_downtime_load type=non-iterable idstr=0000:00:02.0/virtio-balloon instance_id=0 downtime=500
hv_balloon_saved 832 bytes of state
"""
DEVICES = [
    {"name": "timer", "instance_id": 0, "vmsd_name": "timer", "fields": [{"name": "a", "type": "uint64", "size": 8}]},
    {"name": "hv-balloon", "instance_id": 0, "fields": [
        {"name": "len", "type": "uint32", "size": 4}, {"name": "windows", "array_len": 4, "type": "uint64", "size": 8},
        {"name": "parent", "type": "struct", "struct": {"vmsd_name": "p", "fields": [{"name": "x", "type": "bool", "size": 1}]}, "size": 21}],
     "subsections": [{"vmsd_name": "s", "version": 1, "fields": [{"name": "y", "type": "uint16", "size": 2}]}]},
]


def figures(**other):
    return {"sent": 2 << 20, "looked-at": 10, "zero": 5, "seconds": 1.0, "downtime": 0.03, "device": 2e-5, "source-before": 3 << 20,
            "source-after": 3 << 20, "destination-before": 0, "destination-after": 1 << 20, **other}


def test_the_time_of_the_sections_of_a_device_is_added():
    assert stream.seconds(LOG, moves.HvBalloon.mine) == pytest.approx(42e-6)
    assert stream.seconds(LOG, moves.VirtioBalloon.mine) == pytest.approx(500e-6)
    assert stream.seconds(LOG, moves.Nothing.mine) == 0


def test_the_last_state_of_the_engine_counts():
    assert stream.state_bytes(LOG) == 832
    assert stream.state_bytes("") is None


def test_the_sizes_are_those_that_the_end_of_a_stream_describes():
    text = json.dumps({"configuration": {"vmsd_name": "c", "fields": []}, "page_size": 4096, "devices": DEVICES})
    tail = b"\xff\x00 memory \"devices\": not these" + b"\x06\x00\x00\x01\x00" + text.encode()
    assert stream.sizes(tail, moves.HvBalloon.mine) == {"hv-balloon": 4 + 32 + 21 + 2}
    assert stream.sizes(tail, moves.Nothing.mine) == {}


def test_the_median_of_the_passes_counts():
    assert moves.medians([{"sent": 5, "seconds": 9.0}, {"sent": 1, "seconds": 3.0}, {"sent": 2, "seconds": 4.0}]) == {"sent": 2, "seconds": 4.0}


def test_each_way_takes_the_memory_that_is_asked_for():
    for backend in moves.MEMORY.values():
        for kind in moves.KINDS:
            setting = moves.Setting(backend=backend)
            guest = kind(setting)
            objects = [word for word in guest.devices() if word.startswith("memory-backend")]
            assert all(word.startswith(f"{backend},") for word in objects)
            sizes = [int(word.split("size=")[1]) for word in objects]
            assert guest.memory + sum(sizes) == setting.boot, "all have the same memory at first"


def test_ours_is_compared_with_peers_that_tell_as_much_of_free_pages():
    results = {"hv-balloon": {"anonymous, idle": figures()}, "hv-balloon, free page reporting": {"anonymous, idle": figures(sent=1 << 20)},
               "virtio-balloon": {"anonymous, idle": figures(sent=4 << 20, downtime=0)},
               "virtio-balloon, free page hinting": {"anonymous, idle": figures(sent=1 << 20)},
               "no such device": {"memfd, idle": figures()}}
    pairs = {(pair["name"], pair["peer-name"]): pair["ratio"] for pair in tables.pairs(results)}
    assert pairs["guest, anonymous, idle: sent", "virtio-balloon"] == 2
    assert pairs["guest, anonymous, idle: sent", "virtio-balloon, free page hinting"] == 1
    assert ("guest, anonymous, idle: downtime", "virtio-balloon") not in pairs, "what is zero has no ratio"
    assert not any(peer == "no such device" for _, peer in pairs), "ours was not measured in that case"
    assert compare.counterpart("virtio-mem") == "hv-balloon"


def test_the_tables_have_a_line_for_each_way_and_case():
    results = {"hv-balloon": {"anonymous, idle": figures(**{"left-out": 7 << 20}), "memfd, idle": figures()}, "virtio-mem": {"memfd, idle": figures()}}
    lines = tables.guests_table(results).splitlines()
    assert len(lines) == 4
    assert lines[1].split() == ["anonymous,", "idle", "hv-balloon", "2", "10", "5", "1.00", "s", "30", "ms", "20", "us", "3", "->", "3", "0", "->", "1", "7"]
    assert tables.sections_table({"hv-balloon": {"hv-balloon": 59}, "no such device": {}}).splitlines()[1].split() == ["hv-balloon", "59", "hv-balloon"]


def test_a_run_without_a_peer_has_a_chart_and_a_table_without_rows():
    assert report.chart([], "nothing").count("<rect") == 1
    assert len(report.table([]).splitlines()) == 1
