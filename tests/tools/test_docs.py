# SPDX-License-Identifier: LGPL-2.1-or-later
"""The documents: lines wrap, links between them lead somewhere, and what they name exists."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
WIDTH = 100

FENCE = re.compile(r"^ *```")
ITEM = re.compile(r"^( *)([-*]|\d+\.) +")
HEADING = re.compile(r"^#+ +(.*?) *$")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def prose(text):
    """(NUMBER, LINE) of all lines that are neither code nor a table."""
    fenced, code, blank, item = False, False, True, 0
    for number, line in enumerate(text.splitlines(), 1):
        if FENCE.match(line):
            fenced = not fenced
        elif not fenced:
            indent = len(line) - len(line.lstrip(" "))
            if line.strip():
                code = (code or blank) and indent >= item + 4
                if not code and ITEM.match(line):
                    item = ITEM.match(line).end()
                elif not code and blank and indent < item:
                    item = 0
                if not code and not line.startswith("|"):
                    yield number, line
            blank = not line.strip() or bool(HEADING.match(line))


def anchors(text):
    """The anchors of the headings, as GitHub makes them."""
    for _, line in prose(text):
        if HEADING.match(line):
            words = re.sub(r"[^\w\- ]", "", HEADING.match(line)[1].lower())
            yield words.replace(" ", "-")


@pytest.mark.parametrize("text, kept", [
    ("a\n\n    code\n\nb\n", [1, 5]),
    ("a\n    still a\n", [1, 2]),
    ("- a\n  a\n\n      code\n\n  a\n- b\n", [1, 2, 6, 7]),
    ("## a\n    code\nb\n", [1, 3]),
    ("```xml\ncode\n```\n| table |\nb\n", [5]),
])
def test_what_is_prose(text, kept):
    assert [number for number, _ in prose(text)] == kept


def test_there_are_pages():
    assert len(PAGES) > 10


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_lines_wrap(page):
    long = [f"{number}: {line}" for number, line in prose(page.read_text(encoding="utf-8"))
            if len(line) > WIDTH and " " in line.strip() and not line.startswith("![")]
    assert not long


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file.read_text(encoding="utf-8")), target


STUMBLED_OVER = ("follows the wish", "does it again", "has to be there", "closes with", "foretell", "as ever", "less a constant", "comes on top",
                 "gives back what there was", "have left", "All there that it takes", "between looks", "less of a cut", "is like that already", "already like that",
                 "libvirt does not tell", "asked to have", "Ask for", "ask for at least", "ask for no more")


@pytest.mark.parametrize("words", STUMBLED_OVER)
def test_nobody_stumbles_again(words):
    """Sentences that first readers did not understand, in what users read: the texts of README, tutorial, manual and of virsh-hvmem."""
    files = [ROOT / "README.md", *(ROOT / "docs" / f"{name}.md" for name in ("tutorial", "from-virtio", "troubleshooting", "clients", "automatic", "comparison")),
             *(ROOT / "tools/virsh-hvmem").glob("*.[cr]*")]
    found = [file.name for file in files for line in file.read_text(encoding="utf-8").splitlines()
             if re.search(rf"\b{words}", line) and (file.suffix != ".c" or '"' in line)]
    assert not found
