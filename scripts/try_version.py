#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Says which of our patches apply to another version of Debian's qemu or libvirt, with fuzz or not at all, and why.

try_version.py VERSION      ./run patches --try VERSION calls it

VERSION is a suite (sid: both packages as they are there), a version of a package in any suite of the archive (1:10.2.1+ds-1), or the
beginning of one that is enough to find it (10.2). Its source package is fetched as scripts/fetch does, with the suites added to that
configuration of apt, and unpacked in build/try. Nothing else changes. Our patches are applied in their order; of one that fails what can be
applied is, so that the next ones are judged by themselves. Our whole files are not compiled: that patches apply does not say that it builds.
"""
import collections
import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
import sys

from series import OURS, ROOT, SeriesError, git, replaced_files

SUITES = ("bookworm-backports", "trixie", "trixie-backports", "testing", "sid", "experimental")
# How a patch may fare, best first.
WORDS = {"applies": "exactly, maybe some lines further on", "merges": "other context; a three-way merge does it",
         "fuzz": "other context; patch's fuzz does it", "there": "the other version has it already", "fails": "has to be done anew"}


@dataclasses.dataclass
class Fate:
    """What became of a patch."""

    patch: str
    how: str
    why: str = ""


# The archive

def source_lines(text):
    """apt's lines for the source packages of all suites, from those that scripts/fetch made."""
    found = re.search(r"^deb-src (.*) trixie main$", text, re.M)
    if not found:
        raise SeriesError("build/apt/sources.list has no line for trixie", "run ./run build qemu, which makes it")
    return "".join(f"deb-src {found[1]} {suite} main\n" for suite in SUITES)


def apt(folder, *words, cwd=None):
    """What a private apt prints."""
    options = (f"Dir::State={folder}/state", f"Dir::Cache={folder}/cache", f"Dir::Etc::sourcelist={folder}/sources.list",
               "Dir::Etc::sourceparts=/dev/null", f"APT::Sandbox::User={os.environ.get('USER', 'root')}", "Acquire::Languages=none",
               "APT::Default-Release=", "Dir::Etc::preferences=/dev/null", "Dir::Etc::preferencesparts=/dev/null")
    done = subprocess.run([words[0], *(word for option in options for word in ("-o", option)), *words[1:]], text=True, capture_output=True,
                          check=False, cwd=cwd)
    if done.returncode:
        why = next((line for line in done.stderr.splitlines() if line.startswith("E: ")), f"{words[0]} {words[1]} failed")
        raise SeriesError(why.removeprefix("E: ").strip(), "what the index names, the archive may not have any more; else check the network")
    return done.stdout


def read_archive(folder):
    """[(package, version, suite)] of what there is."""
    for name in ("state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "sources.list").write_text(source_lines((ROOT / "build/apt/sources.list").read_text(encoding="utf-8")), encoding="utf-8")
    apt(folder, "apt-get", "update", "-q")
    return [found for name in OURS for found in madison(apt(folder, "apt-cache", "madison", name))]


def madison(text):
    """(package, version, suite) of the lines of apt-cache madison that are about source packages."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 3 and cells[2].endswith("Sources"):
            yield cells[0], cells[1], cells[2].split()[1].split("/")[0]


def newer(version, than):
    """Whether Debian takes it for the newer one."""
    return subprocess.run(["dpkg", "--compare-versions", version, "gt", than], check=False).returncode == 0


def fits(version, suite, wanted):
    return suite == wanted or version == wanted or re.match(re.escape(wanted) + r"(?![0-9])", re.sub(r"^\d+:", "", version))


def find(available, wanted):
    """{package: version} of what WANTED stands for, the newest of each."""
    found = {}
    for name, version, suite in available:
        if fits(version, suite, wanted) and (name not in found or newer(version, found[name])):
            found[name] = version
    if not found:
        have = ", ".join(sorted({f"{name} {version}" for name, version, _ in available}))
        raise SeriesError(f"the archive has no '{wanted}'", f"it has {have}" if have else "check the network")
    return found


# The other version

def unpack(folder, name, version):
    """A tree of it, a git repository in which our trees' objects are known, so that git can merge."""
    tree = ROOT / f"build/try/{name}-{version.replace(':', '_')}"
    downloads = tree.parent / f"{tree.name}.dl"
    downloads.mkdir(parents=True, exist_ok=True)
    apt(folder, "apt-get", "source", "-q", "--download-only", f"{name}={version}", cwd=downloads)
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir()
    orig = next(path for path in sorted(downloads.iterdir()) if re.search(r"\.orig\.tar\.\w+$", path.name))
    subprocess.run(["tar", "-xf", orig, "-C", tree, "--strip-components=1"], check=True)
    subprocess.run(["tar", "-xf", next(downloads.glob("*.debian.tar.*")), "-C", tree], check=True)
    subprocess.run(["git", "init", "-q", "-b", "main", tree], check=True)
    for key, value in (("user.name", "try"), ("user.email", "try@localhost"), ("gc.auto", "0"), ("maintenance.auto", "false"),
                       ("core.autocrlf", "false")):
        git(tree, "config", key, value)
    series = (tree / "debian/patches/series").read_text(encoding="utf-8").splitlines()
    for patch in (line.split()[0] for line in series if line.strip() and not line.startswith("#")):
        git(tree, "apply", "--whitespace=nowarn", f"debian/patches/{patch}")
    for path in replaced_files(name):
        (tree / path).unlink(missing_ok=True)
    (tree / ".git/objects/info/alternates").write_text(f"{ROOT / 'build/src' / name / '.git/objects'}\n", encoding="utf-8")
    save(tree, f"Debian's {name} {version}")
    return tree


def save(tree, message):
    git(tree, "add", "-A", "-f", ".")
    git(tree, "commit", "-q", "--allow-empty", "-m", message)


# A patch

def works(tree, *words):
    """Whether git apply does it. If not, the tree is as it was."""
    try:
        git(tree, "apply", "--index", "--whitespace=nowarn", *words)
        return True
    except subprocess.CalledProcessError:
        git(tree, "reset", "-q", "--hard")
        return False


def by_patch(tree, path):
    """(whether patch(1) does it with fuzz, what it says). Hunks that fail are left out."""
    done = subprocess.run(["patch", "-p1", "--force", "--no-backup-if-mismatch", "-F3", "-r", "-", "-i", path], cwd=tree, text=True,
                          capture_output=True, check=False)
    return done.returncode == 0, done.stdout + done.stderr


def why_failed(said, patch):
    """Which files are not there, and which hunks found other lines, by the function that they are in."""
    hunks, reasons = collections.defaultdict(list), []
    for path, text in re.findall(r"^diff --git a/(\S+) .*\n((?:(?!diff --git ).*\n?)*)", patch, re.M):
        hunks[path] = re.findall(r"^@@ .*? @@ ?(.*)$", text, re.M)
    path = None
    for line in said.splitlines():
        named = re.match(r"patching file '?([^']+?)'?$", line)
        missing = re.search(r"No file to patch|can't find file to patch", line)
        failed = re.match(r"Hunk #(\d+) FAILED", line)
        if named:
            path = named[1]
        elif missing:
            reasons.append("a file is gone")
        elif failed and path:
            near = hunks[path][int(failed[1]) - 1:int(failed[1])] or [""]
            reasons.append(f"{path}{': ' + near[0].strip() if near[0].strip() else ''}")
    return "; ".join(dict.fromkeys(reasons)) or "cannot be applied"


def try_patch(tree, path):
    """The Fate of one. The tree has what could be applied."""
    if works(tree, str(path)):
        return Fate(path.name, "applies")
    if works(tree, "-R", "--check", str(path)):
        return Fate(path.name, "there")
    if works(tree, "--3way", str(path)):
        return Fate(path.name, "merges")
    whole, said = by_patch(tree, path)
    return Fate(path.name, "fuzz") if whole else Fate(path.name, "fails", why_failed(said, path.read_text(encoding="utf-8")))


def try_all(tree, patches):
    for path in patches:
        fate = try_patch(tree, path)
        save(tree, path.name)
        yield fate


def table(name, version, fates):
    """Counts, and a line for each that does not just apply, as Markdown."""
    counts = collections.Counter(fate.how for fate in fates)
    yield f"==> {name} {version}: " + ", ".join(f"{counts[how]} {how}" for how in WORDS if counts[how])
    odd = [fate for fate in fates if fate.how != "applies"]
    if odd:
        yield "| patch | how | where |\n|---|---|---|"
    for fate in odd:
        yield f"| {fate.patch.removesuffix('.patch')} | {fate.how} | {fate.why} |"


def main():
    folder = ROOT / "build/apt-try"
    try:
        found = find(read_archive(folder), sys.argv[1])
        for name, version in found.items():
            print(f"==> trying {name} {version}", flush=True)
            tree = unpack(folder, name, version)
            fates = list(try_all(tree, sorted((ROOT / OURS[name] / "patches").glob("*.patch"))))
            print("\n".join(table(name, version, fates)), flush=True)
    except SeriesError as err:
        print(f"run: error: {err} -- {err.remedy}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as err:
        print(f"run: error: {' '.join(map(str, err.cmd[:6]))} failed -- {(err.stderr or b'').decode(errors='replace').strip()[-200:]}",
              file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
