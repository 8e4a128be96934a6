#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The projects' own style checks over a series that ./run patches --series has written, without a build.

series_style.py DIR [JUNIT] QEMU's checkpatch over each file in DIR/qemu; libvirt's syntax-check rules over the tree that DIR/libvirt ends in

What is reported and listed below is accepted, for the reason given there; docs/upstream.md has the same list for reviewers. What the checks
report of Debian's source itself is not looked at.
"""
import os
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import series

# (file, what is reported): why it stays
QEMU_ACCEPTED = {
    (r"hw/hyperv/vmbus\.c", r"Don't use '#' flag of printf"): "the lines are QEMU's own; only the function that prints them is another one",
    (r"hw/hyperv/dm/facts\.c", r"spaces required around that '-'"): "the first argument of GLib's G_DEFINE_QUARK() is no expression",
    (r"tests/qtest/dm-fixture\.c", r"suspect code indent for conditional"): "a loop without a body, which is what is meant",
    (r"(hw/hyperv/dm|util|hw/hyperv|include/qemu|hw/mem|tests/qtest)/.*", r"Block comments use"):
        "two-line comments in the form of the files beside them",
    (r"(hw/hyperv|tests/qtest|hw/mem|util)/.*", r"line over 80 characters"): "below 100, where checkpatch has it as an error; a break reads worse",
}
LIBVIRT_ACCEPTED = {
    (r"tests/qemuhvballoonstopmock\.c", r"sc_.*"): "it is preloaded into a daemon, and must not call what it stands in front of",
    (r"src/qemu/qemu_hvballoon_(plan|range)\.c", r"sc_require_config_h(_first)?"):
        "they are built without libvirt as well, by virsh-hvmem and in unit tests",
    (r"src/qemu/qemu_hvballoon_\w+\.[ch]", r"sc_forbid_const_pointer_typedef"): "GPtrArray is a structure; the rule takes it for a pointer",
    (r"src/qemu/qemu_hvballoon_monitor\.c", r"sc_libvirt_unmarked_diagnostics"): "the words in question are names of QMP, not to be translated",
    (r"tests/qemuhvballoonmigratetest\.c", r"sc_avoid_strcase"): "on a log; there is no wrapper of libvirt's",
    (r"tests/qemuhvballoonconftest\.c", r"sc_curly_braces_style"): "tables of structures, one to a line",
}
# They need gettext's sources or other programs.
LIBVIRT_RULES_NOT_HERE = ("sc_po_check", "sc_flake8", "sc_black")


def accepted(table, path, what):
    """The entry of TABLE that covers WHAT in PATH, or None."""
    return next((key for key in table if re.fullmatch(key[0], path) and re.match(key[1], what)), None)


def checkpatch(patch):
    """(file, what) that QEMU's checkpatch reports of PATCH."""
    tree = series.ROOT / "build/src/qemu"
    done = subprocess.run(["perl", tree / "scripts/checkpatch.pl", "--no-tree", "--no-signoff", patch], text=True, capture_output=True,
                          check=False)
    what = ""
    for line in done.stdout.splitlines():
        if line.startswith(("ERROR: ", "WARNING: ")):
            what = line.split(": ", 1)[1]
            named = re.match(r"New file '(.*)' requires", what)
            if named:
                yield named[1], what
        found = re.match(r"#\d+: FILE: (.*):\d+:$", line)
        if found and what:
            yield found[1], what
            what = ""


def check_qemu(folder):
    """What is not accepted, as (patch, file, what), and which entries of the list are used."""
    left, used = [], set()
    for patch in sorted(folder.glob("[0-9]*.patch")):
        if patch.name.startswith("0000-"):
            continue
        for path, what in checkpatch(patch):
            key = accepted(QEMU_ACCEPTED, path, what)
            used.add(key)
            if not key:
                left.append((patch.name, path, what))
    return left, used


def rules(tree):
    """The syntax-check rules of a libvirt."""
    text = (tree / "build-aux/syntax-check.mk").read_text(encoding="utf-8")
    return sorted(set(re.findall(r"^(sc_[\w-]+):", text, re.M)) - set(LIBVIRT_RULES_NOT_HERE))


def write_makefile(tree, path):
    """What meson makes of build-aux/Makefile.in."""
    values = {"top_srcdir": tree, "top_builddir": tree, "flake8_path": "", "black_path": "", "runutf8": "LC_ALL=C.UTF-8",
              "PYTHON3": "/usr/bin/python3", "GREP": "/usr/bin/grep", "SED": "/usr/bin/sed", "AWK": "/usr/bin/awk"}
    text = (tree / "build-aux/Makefile.in").read_text(encoding="utf-8")
    path.write_text(re.sub(r"@(\w+)@", lambda found: str(values[found[1]]), text), encoding="utf-8")


def syntax_check(tree, makefile, touched):
    """(file of TOUCHED, rule) that fails in TREE."""
    for rule in rules(tree):
        done = subprocess.run(["make", "-k", "-f", makefile, rule], cwd=tree, text=True, capture_output=True, check=False,
                              env={**os.environ, "LC_ALL": "C.UTF-8"})
        if done.returncode:
            said = done.stdout + done.stderr
            yield from ((path, rule) for path in touched if re.search(rf"(?<![\w/]){re.escape(path)}\b", said.replace(f"{tree}/", "")))


def check_libvirt():
    """The same for libvirt, at the end of the series that was written last."""
    repo = series.ROOT / "build/series/libvirt.git"
    tree = repo.parent / "libvirt-style"
    if not tree.exists():
        series.git(repo, "worktree", "prune")
        series.git(repo, "worktree", "add", "-q", "--detach", str(tree), "series")
    series.git(tree, "checkout", "-q", "--detach", "-f", "series")
    first = series.git(repo, "rev-list", "--max-parents=0", "series").strip()
    touched = series.git(repo, "diff", "--name-only", first, "series").split()
    makefile = repo.parent / "syntax-check.mk"
    write_makefile(tree, makefile)
    left, used = [], set()
    for path, rule in syntax_check(tree, makefile, touched):
        key = accepted(LIBVIRT_ACCEPTED, path, rule)
        used.add(key)
        if not key:
            left.append(("", path, rule))
    return left, used


def told(name, left, unused):
    """The findings, a line each."""
    lines = [f"{name}: {patch + ': ' if patch else ''}{path}: {what}" for patch, path, what in left]
    return lines + [f"{name}: nothing is '{what}' in '{path}' any more" for path, what in sorted(unused)]


def main():
    folder, suite = pathlib.Path(sys.argv[1]), ET.Element("testsuite", name="style")
    failed = False
    for name, check, table in (("qemu", lambda: check_qemu(folder / "qemu"), QEMU_ACCEPTED), ("libvirt", check_libvirt, LIBVIRT_ACCEPTED)):
        left, used = check()
        lines = told(name, left, set(table) - used)
        case = ET.SubElement(suite, "testcase", classname="style", name=f"the series of {name} has the style of the project")
        for line in lines:
            print(f"    {line}")
            ET.SubElement(case, "failure", message=line)
        print(f"==> {name}: {len(left)} findings, {len(used - {None})} kinds accepted")
        failed = failed or bool(lines)
    if len(sys.argv) > 2:
        ET.ElementTree(suite).write(sys.argv[2], encoding="unicode")
    return failed


if __name__ == "__main__":
    sys.exit(main())
