# SPDX-License-Identifier: LGPL-2.1-or-later
"""The limits on what a guest can cost are the same in the docs and in the code."""
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIMITS = [  # what the page says, and how the code defines it
    ("device.md", r"at most (\d+) KiB of messages", r"HEARD_BYTES \((\d+) \* 1024\)"),
    ("device.md", r"after (\d+) pieces or", r"DISCARD_RUNS (\d+)"),
    ("device.md", r"ends after \[(\d+) ms\]", r"TURN_NS \((\d+) \* UINT64_C\(1000000\)"),
    ("hyperv-tcg.md", r"at most (\d+) GiB or", r"CALL_PAGES +\((\d+) \* GiB"),
    ("hyperv-tcg.md", r"GiB or (\d+) ranges", r"CALL_RANGES +(\d+)"),
]


def the_one(pattern, text):
    found = re.findall(pattern, text)
    assert len(found) == 1, f"{pattern}: {found}"
    return found[0]


@pytest.mark.parametrize(("page", "said", "defined"), LIMITS, ids=[limit[2].split()[0] for limit in LIMITS])
def test_is_what_the_code_does(page, said, defined):
    text = " ".join((ROOT / "docs" / page).read_text().split())
    code = "".join(p.read_text() for p in sorted((ROOT / "qemu/hw/hyperv").rglob("*.[ch]")))
    assert the_one(said, text) == the_one(rf"#define {defined}", code)
