#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes of our patches and whole files a series that could be sent to QEMU's or libvirt's list.

series.py NAME FOLDER       NAME is qemu or libvirt. ./run patches --series calls it.

What becomes of what is said by qemu/series and libvirt-driver/series, whose form is described at the top of the first. The commits of
build/src/NAME, which are our patches, are applied to Debian's source in that order; nothing is edited. So it is made from the tree that is
built, and at the end it is compared with that: not a byte may differ.
"""
import dataclasses
import fnmatch
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
OURS = {"qemu": "qemu", "libvirt": "libvirt-driver"}
COPIES = ("-C80%", "--find-copies-harder", "--diff-algorithm=histogram")


class SeriesError(Exception):
    """What is wrong, and what can be done about it, as scripts/lib.sh's die has them."""

    def __init__(self, what, remedy=""):
        super().__init__(what)
        self.remedy = remedy


@dataclasses.dataclass
class Entry:
    """One commit of the series."""

    subject: str
    line: int
    part: str
    patches: list = dataclasses.field(default_factory=list)     # subjects of commits in the tree
    files: list = dataclasses.field(default_factory=list)       # patterns of whole files
    rewrites: dict = dataclasses.field(default_factory=dict)    # path: why it changes what an earlier commit brought
    tests: list = dataclasses.field(default_factory=list)       # what ./run test series runs for it
    replaces: bool = False                                      # what ours replace goes with it
    body: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Series:
    """A file that describes one."""

    path: pathlib.Path
    name: str = ""                                              # qemu or libvirt
    title: str = ""
    cover: list = dataclasses.field(default_factory=list)
    parts: dict = dataclasses.field(default_factory=dict)       # heading: lines about it
    entries: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Commit:
    """One of our patches, as the tree has it."""

    sha: str
    subject: str
    body: str
    who: dict


# The description

def add_word(series, entry, word, rest):
    """A line that starts with WORD. False if it may not stand here."""
    if word == "title" and not entry:
        series.title = rest
    elif word == "patch" and entry:
        entry.patches.append(rest)
    elif word == "files" and entry:
        entry.files += rest.split()
    elif word == "tests" and entry:
        entry.tests += rest.split()
    elif word == "replaces" and entry and not rest:
        entry.replaces = True
    elif word == "rewrites" and entry and ": " in rest:
        path, why = rest.split(": ", 1)
        entry.rewrites[path] = why
    else:
        return False
    return True


def read_series(path):
    """The Series that PATH describes."""
    series, entry, about = Series(path), None, None
    about = series.cover
    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text = raw.strip()
        if text.startswith("#") or (not text and not raw.startswith("  ")):
            continue
        word, _, rest = text.partition(" ")
        if word == "|":
            about.append(rest)
        elif word == "part" and rest:
            series.parts[rest], entry = [], None
            about = series.parts[rest]
        elif word == "commit" and rest and series.parts:
            entry = Entry(rest, number, list(series.parts)[-1])
            series.entries.append(entry)
            about = entry.body
        elif not add_word(series, entry, word, rest):
            raise SeriesError(f"{path.parent.name}/{path.name}:{number}: '{raw.strip()}' cannot stand here",
                              f"the top of {OURS['qemu']}/series says what can")
    return series


# The tree that is built

def git(folder, *words, index=None, data=None, env=None):
    """What git prints. With INDEX that file is the index."""
    env = {**os.environ, **(env or {}), **({"GIT_INDEX_FILE": str(index)} if index else {})}
    done = subprocess.run(["git", "-C", folder, "-c", "core.hooksPath=/dev/null", "-c", "core.quotePath=false", *words],
                          input=data, env=env, capture_output=True, check=False)
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, done.args, done.stdout, done.stderr)
    return done.stdout.decode("utf-8", "surrogateescape")


def tree_commits(tree):
    """Our patches in the tree, first to last."""
    log = git(tree, "log", "--reverse", "--format=%H%x00%an%x00%ae%x00%ad%x00%s%x00%b%x01", "--date=raw", "base..HEAD")
    found = []
    for record in log.split("\x01")[:-1]:
        sha, name, mail, date, subject, body = record.lstrip("\n").split("\0")
        who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER")
               for what, value in (("NAME", name), ("EMAIL", mail), ("DATE", date))}
        found.append(Commit(sha, subject, body.strip("\n"), who))
    return found


def tree_files(tree):
    """{path in the tree: file of ours} of our whole files, which are links there."""
    names = (tree / ".git/hvb-overlay").read_text(encoding="utf-8").split("\n")
    return {name: (tree / name).resolve() for name in names if name}


def check_tree(name, tree):
    """It has been exported, and nothing is edited."""
    head = (tree / ".git/hvb-head").read_text(encoding="utf-8").strip()
    try:
        git(tree, "diff", "--quiet", "HEAD")
        exported = git(tree, "rev-parse", "HEAD").strip() == head
    except subprocess.CalledProcessError:
        exported = False
    if not exported:
        raise SeriesError(f"build/src/{name} has edits that are not in {OURS[name]}/patches", "commit them there, then './run patches'")


# Each patch and each file is in one entry

def pattern_regex(pattern):
    """Of a pattern whose * does not cross a slash."""
    return re.compile("[^/]*".join(fnmatch.translate(piece)[4:-3] for piece in pattern.split("*")) + r"\Z")


def match_files(pattern, names):
    """Those of NAMES that PATTERN stands for."""
    regex = pattern_regex(pattern)
    return [name for name in names if regex.match(name)]


def users(entries, words_of):
    """{word: the entries that have it}."""
    found = {}
    for entry in entries:
        for word in words_of(entry):
            found.setdefault(word, []).append(entry)
    return found


def counted(kind, have, used):
    """What of HAVE is in no entry or in two, and what is in an entry and not in HAVE."""
    for word in have:
        if word not in used:
            yield f"{kind} '{word}' is in no entry"
    for word, entries in used.items():
        if word not in have:
            yield f"{kind} '{word}' of entry '{entries[0].subject}' does not exist"
        elif len(entries) > 1:
            yield f"{kind} '{word}' is in two entries: '{entries[0].subject}' and '{entries[1].subject}'"


def faults(series, subjects, files, replaced=()):
    """All that is wrong with the description."""
    for entry in series.entries:
        if not entry.patches and entry.subject in subjects:
            entry.patches = [entry.subject]
        if not entry.patches and not entry.files:
            yield f"entry '{entry.subject}' has neither a patch nor a file"
        if not entry.body and len(entry.patches) != 1:
            yield f"entry '{entry.subject}' needs a body of its own"
        for pattern in entry.files:
            if not match_files(pattern, files):
                yield f"no file is '{pattern}', which entry '{entry.subject}' has"
    yield from counted("patch", subjects, users(series.entries, lambda entry: entry.patches))
    yield from counted("file", files, users(series.entries, lambda entry: entry_files(entry, files)))
    if not series.title or not series.cover:
        yield "there is no title or no cover letter"
    if sum(entry.replaces for entry in series.entries) != bool(replaced):
        yield "one entry says 'replaces', if there is a replaces.list"


def entry_files(entry, files):
    """The whole files of an entry, a file that two patterns stand for once."""
    return sorted({name for pattern in entry.files for name in match_files(pattern, files)})


def check_series(series, subjects, files):
    """Raises what is wrong, and says the rest before."""
    found = list(faults(series, subjects, files, replaced_files(series.name)))
    if found:
        for fault in found[:-1]:
            print(f"    {fault}", file=sys.stderr)
        raise SeriesError(found[-1], f"edit {series.path.parent.name}/series")


# Debian's source

def open_repository(name, tree):
    """A repository of its own that reads the tree's objects, so that nothing is written there."""
    repo = ROOT / f"build/series/{name}.git"
    if not repo.exists():
        subprocess.run(["git", "init", "-q", "--bare", repo], check=True)
        for key, value in (("gc.auto", "0"), ("maintenance.auto", "false")):
            git(repo, "config", key, value)
    # Again each time: the checkout may have been moved.
    (repo / "objects/info/alternates").write_text(f"{tree / '.git/objects'}\n", encoding="utf-8")
    return repo


def replaced_files(name):
    """What ours replace, and is therefore not in the tree."""
    path = ROOT / OURS[name] / "replaces.list"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [line for line in lines if line and not line.startswith("#")]


def unpack_replaced(name, names, folder):
    """NAMES of Debian's source, with Debian's patches, below FOLDER."""
    downloads = ROOT / "build/dl"
    where = {"orig": "*/", "debian": ""}
    subprocess.run(["tar", "-xf", downloads / f"{name}.orig.tar.xz", "-C", folder, "--strip-components=1", "--wildcards",
                    *(where["orig"] + one for one in names)], check=True)
    subprocess.run(["tar", "-xf", downloads / f"{name}.debian.tar.xz", "-C", folder], check=True)
    series = (folder / "debian/patches/series").read_text(encoding="utf-8").splitlines()
    for patch in (line.split()[0] for line in series if line.strip() and not line.startswith("#")):
        subprocess.run(["git", "apply", "--whitespace=nowarn", *(f"--include={one}" for one in names), f"debian/patches/{patch}"],
                       cwd=folder, check=True, env={**os.environ, "GIT_CEILING_DIRECTORIES": str(folder.parent)})


def put_files(repo, index, files):
    """FILES, {path: file}, enter the index; those without a file leave it."""
    names = [str(file) for file in files.values() if file]
    blobs = iter(git(repo, "hash-object", "-w", "--no-filters", "--stdin-paths", data="\n".join(names).encode()).split())
    lines = []
    for path, file in files.items():
        mode = "0" if not file else "100755" if os.access(file, os.X_OK) else "100644"
        lines.append(f"{mode} {next(blobs) if file else '0' * 40}\t{path}\n")
    git(repo, "update-index", "--index-info", index=index, data="".join(lines).encode())


def pristine(name, tree, repo, index):
    """The commit that is Debian's source, with the files that ours replace. It is kept: reading the archive takes longer than all else."""
    base, names = git(tree, "rev-parse", "base^{tree}").strip(), replaced_files(name)
    ref = f"refs/pristine/{base}"
    git(repo, "read-tree", base, index=index)
    try:
        return git(repo, "rev-parse", "--verify", "-q", ref).strip()
    except subprocess.CalledProcessError:
        pass
    if names:
        folder = repo / "replaced"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        unpack_replaced(name, names, folder)
        put_files(repo, index, {one: folder / one for one in names})
        shutil.rmtree(folder)
    version = (ROOT / f"build/dl/{name}.version").read_text(encoding="utf-8").strip()
    who = tree_commits(tree)[0].who
    commit = git(repo, "commit-tree", git(repo, "write-tree", index=index).strip(), "-m", f"Debian's {name} {version}", env=who).strip()
    git(repo, "update-ref", ref, commit)
    return commit


# The commits

def apply_commit(repo, index, sha):
    """A patch of ours, by a three-way merge, or where only that fails, at the place that its context names. Raises where neither works."""
    diff = git(repo, "diff-tree", "-p", "--binary", "--full-index", f"{sha}^", sha).encode("utf-8", "surrogateescape")
    before = index.read_bytes()
    for how in (["--3way"], []):
        try:
            git(repo, "apply", "--cached", "--whitespace=nowarn", *how, index=index, data=diff)
            return
        except subprocess.CalledProcessError as err:
            index.write_bytes(before)
            failed = err
    raise failed


def entry_message(entry, commits):
    """Subject and body of a commit. An entry without a body has that of its patch."""
    body = "\n".join(entry.body) if entry.body else commits[entry.patches[0]].body
    return f"{entry.subject}\n\n{body}".rstrip() + "\n"


def refused(entry, subject, err):
    """What could not be applied, with the names of the files."""
    names = re.findall(r"(?:patch failed: |with conflicts\.|error: )([\w./+-]+\.[\w]+)(?=[:' ]|$)", err.stderr.decode(errors="replace"))
    files = ", ".join(sorted(set(names))) or err.stderr.decode(errors="replace").strip().split("\n")[-1]
    return SeriesError(f"patch '{subject}' does not apply where entry '{entry.subject}' stands: {files}",
                       "change the order, put both into one entry, or split a patch")


def make_commits(series, tree, repo, index, first):
    """The ids of the commits, on top of FIRST."""
    commits = {commit.subject: commit for commit in tree_commits(tree)}
    files, replaced = tree_files(tree), replaced_files(series.name)
    made, who = [first], next(iter(commits.values())).who
    git(repo, "read-tree", first, index=index)
    for entry in series.entries:
        for subject in entry.patches:
            try:
                apply_commit(repo, index, commits[subject].sha)
            except subprocess.CalledProcessError as err:
                raise refused(entry, subject, err) from None
            who = commits[subject].who
        entering = dict.fromkeys(replaced) if entry.replaces else {}
        entering.update((path, files[path]) for path in entry_files(entry, files))
        put_files(repo, index, entering)
        made.append(git(repo, "commit-tree", git(repo, "write-tree", index=index).strip(), "-p", made[-1], "-F", "-", env=who,
                        data=entry_message(entry, commits).encode()).strip())
    return made[1:]


def built_tree(tree, repo, index):
    """The id of the tree that is built: the patches, and our files instead of the links to them."""
    git(repo, "read-tree", git(tree, "rev-parse", "HEAD").strip(), index=index)
    put_files(repo, index, tree_files(tree))
    return git(repo, "write-tree", index=index).strip()


def check_end(name, repo, last, wanted):
    """The series ends in the tree that is built."""
    if git(repo, "rev-parse", f"{last}^{{tree}}").strip() != wanted:
        differ = git(repo, "diff", "--name-only", wanted, last).split()
        raise SeriesError(f"the series of {name} does not end in what is built: {', '.join(differ[:5])} differ",
                          f"git -C {repo.relative_to(ROOT)} diff {wanted[:12]} {last[:12]}")


# No commit rewrites an earlier one

def removed_ranges(repo, commit):
    """(path, first line, lines) of what a commit takes away of its parent."""
    path = None
    for line in git(repo, "diff", "-U0", "--no-ext-diff", "--no-renames", f"{commit}^", commit).split("\n"):
        if line.startswith("--- "):
            path = line[6:] if line.startswith("--- a/") else None
        hunk = re.match(r"@@ -(\d+)(?:,(\d+))? ", line)
        if hunk and path and hunk[2] != "0":
            yield path, int(hunk[1]), int(hunk[2] or 1)


def rewritten(repo, made, commit):
    """{path: {earlier commit of the series: lines}} of what COMMIT changes or takes away."""
    found = {}
    for path, first, lines in removed_ranges(repo, commit):
        for line in git(repo, "blame", "-l", "-s", "-L", f"{first},+{lines}", f"{commit}^", "--", path).splitlines():
            sha = line.split(" ", 1)[0]
            if sha in made:
                counts = found.setdefault(path, {})
                counts[sha] = counts.get(sha, 0) + 1
    return found


def check_rewrites(series, repo, made):
    """What is rewritten is what the description says, and no more."""
    subject = dict(zip(made, (entry.subject for entry in series.entries)))
    wrong = []
    for entry, commit in zip(series.entries, made):
        found = rewritten(repo, set(made), commit)
        wrong += [f"entry '{entry.subject}' changes {lines} lines of {path} that '{subject[sha]}' brought"
                  for path, counts in found.items() if path not in entry.rewrites for sha, lines in counts.items()]
        wrong += [f"entry '{entry.subject}' rewrites nothing in {path}" for path in entry.rewrites if path not in found]
    if wrong:
        for one in wrong[:-1]:
            print(f"    {one}", file=sys.stderr)
        raise SeriesError(wrong[-1], "put both into one entry, split a patch, or say why with 'rewrites'")


# The files to send

def cover_text(series):
    """The text of the cover letter."""
    text = list(series.cover)
    for part, about in series.parts.items():
        text += ["", part, "=" * len(part), "", *about]
    return "\n".join(text)


def write_cover(series, folder):
    """Fills in what git has left open."""
    path = next(folder.glob("0000-cover-letter.patch"))
    text = path.read_text(encoding="utf-8").replace("*** SUBJECT HERE ***", series.title)
    path.write_text(text.replace("*** BLURB HERE ***", cover_text(series)), encoding="utf-8")


def check_files(repo, index, first, last, folder):
    """The files, read as git am reads them, make the same tree."""
    git(repo, "read-tree", first, index=index)
    for path in sorted(folder.glob("[0-9]*.patch")):
        if path.name.startswith("0000-"):
            continue
        diff = repo / "one.diff"
        git(repo, "mailinfo", "--encoding=UTF-8", "one.msg", "one.diff", data=path.read_bytes())
        git(repo, "apply", "--cached", "--whitespace=nowarn", "one.diff", index=index)
        diff.unlink()
    if git(repo, "write-tree", index=index) != git(repo, "rev-parse", f"{last}^{{tree}}"):
        raise SeriesError(f"the files in {folder} do not make the series", "this is a fault of scripts/series.py")


def write_files(series, repo, index, first, last, folder):
    """The series in FOLDER, as git format-patch writes it."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("[0-9][0-9][0-9][0-9]-*.patch"):
        old.unlink()
    git(repo, "update-ref", "refs/heads/series", last)
    who = next(iter(tree_commits(ROOT / f"build/src/{series.name}"))).who
    git(repo, "format-patch", "-q", "--cover-letter", "--no-signature", *COPIES, "-o", str(folder), f"{first}..series", env=who)
    write_cover(series, folder)
    check_files(repo, index, first, last, folder)


def load(name):
    """The series of NAME, checked against the tree that is built."""
    tree = ROOT / f"build/src/{name}"
    series = read_series(ROOT / OURS[name] / "series")
    series.name = name
    check_tree(name, tree)
    check_series(series, [commit.subject for commit in tree_commits(tree)], tree_files(tree))
    return series, tree


def make(name):
    """(series, repository, index, first commit, all others) of NAME."""
    series, tree = load(name)
    repo = open_repository(name, tree)
    index = repo / "index.series"
    index.unlink(missing_ok=True)
    first = pristine(name, tree, repo, index)
    made = make_commits(series, tree, repo, index, first)
    check_end(name, repo, made[-1], built_tree(tree, repo, index))
    check_rewrites(series, repo, made)
    return series, repo, index, first, made


def main():
    name, folder = sys.argv[1], pathlib.Path(sys.argv[2]).absolute() / sys.argv[1]
    try:
        series, repo, index, first, made = make(name)
        write_files(series, repo, index, first, made[-1], folder)
    except SeriesError as err:
        print(f"run: error: {err} -- {err.remedy}", file=sys.stderr)
        return 1
    squashed = sum(len(entry.patches) for entry in series.entries)
    print(f"==> {name}: {len(made)} commits of {squashed} patches and our files, in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
