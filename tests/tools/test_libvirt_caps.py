# SPDX-License-Identifier: LGPL-2.1-or-later
"""scripts/libvirt-caps, with a stand-in for QEMU that answers from a file."""
import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
QEMU = """#!{python}
import json, sys
answers = json.load(open({answers!r}))
print(json.dumps({{"QMP": {{}}}}), flush=True)
for line in sys.stdin:
    print(json.dumps({{"event": "NOISE"}}))
    command = json.loads(line)["execute"]
    print(json.dumps({{"return": answers.get(command, {{}})}}), flush=True)
    if command == "quit":
        break
"""
STOCK_SCHEMA = [{"name": "stop", "meta-type": "command", "arg-type": "0", "ret-type": "0"},
                {"name": "0", "meta-type": "object", "members": []},
                {"name": "7", "meta-type": "enum", "values": ["a"]}]
# The same numbers mean something else in our binary.
OUR_SCHEMA = [{"name": "query-haprot", "meta-type": "command", "arg-type": "1", "ret-type": "[7]"},
              {"name": "query-hv-balloon", "meta-type": "command", "arg-type": "1", "ret-type": "7"},
              {"name": "HV_BALLOON_HAPROT_INUSE", "meta-type": "event", "arg-type": "7"},
              {"name": "HV_BALLOON_HAPROT_UNUSED", "meta-type": "event", "arg-type": "7"},
              {"name": "1", "meta-type": "object", "members": []},
              {"name": "[7]", "meta-type": "array", "element-type": "7"},
              {"name": "7", "meta-type": "object", "members": [{"name": "size", "type": "int"}, {"name": "state", "type": "9"}]},
              {"name": "9", "meta-type": "enum", "values": ["idle"]},
              {"name": "int", "meta-type": "builtin", "json-type": "int"}]
TYPES = [{"name": "mem-haprot", "parent": "device"}, {"name": "other", "parent": "device"}]


def run(tmp_path, schema=OUR_SCHEMA, types=TYPES):
    stock = [{"execute": "query-qmp-schema", "id": "1"}, {"return": STOCK_SCHEMA, "id": "1"},
             {"execute": "qom-list-types", "id": "2"}, {"return": [{"name": "a", "parent": "b"}], "id": "2"}]
    (tmp_path / "in").write_text("\n\n".join(json.dumps(o) for o in stock) + "\n")
    (tmp_path / "answers").write_text(json.dumps({"query-qmp-schema": schema, "qom-list-types": types}))
    qemu = tmp_path / "qemu"
    qemu.write_text(QEMU.format(python=sys.executable, answers=str(tmp_path / "answers")))
    qemu.chmod(0o755)
    done = subprocess.run([ROOT / "scripts/libvirt-caps", tmp_path / "in", tmp_path / "out", qemu],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    if done.returncode:
        return done.stdout, None, None
    answers = [json.loads(p)["return"] for p in (tmp_path / "out").read_text().split("\n\n")[1::2]]
    return "", {m["name"]: m for m in answers[0]}, answers[1]


def test_types_of_ours_are_added_and_no_others(tmp_path):
    _, _, types = run(tmp_path)
    assert types == [{"name": "a", "parent": "b"}, TYPES[0]]


def test_schema_keeps_its_own_and_gets_ours_under_free_names(tmp_path):
    _, schema, _ = run(tmp_path)
    for member in STOCK_SCHEMA:
        assert schema[member["name"]] == member
    ret = schema["query-haprot"]["ret-type"]
    assert schema[ret]["element-type"] == ret.strip("[]") != "7"
    stick = {m["name"]: m["type"] for m in schema[ret.strip("[]")]["members"]}
    assert stick["size"] == "int"
    assert schema[stick["state"]]["values"] == ["idle"]
    assert schema["HV_BALLOON_HAPROT_UNUSED"]["arg-type"] == ret.strip("[]")


@pytest.mark.parametrize("schema,types,what", [(OUR_SCHEMA[1:], TYPES, "query-haprot"), (OUR_SCHEMA, TYPES[1:], "mem-haprot")])
def test_another_qemu_is_refused_by_name(tmp_path, schema, types, what):
    message, _, _ = run(tmp_path, schema, types)
    assert f"this QEMU has no {what}" in message
    assert not (tmp_path / "out").exists()
