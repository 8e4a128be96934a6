# SPDX-License-Identifier: LGPL-2.1-or-later
"""The entry script and its messages: one clear line with a remedy, exit 1."""
import fcntl
import hashlib
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import tempfile
import threading

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(*words, script="run", **env):
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
    (["test", "series", "--only"], "--only wants a series"),
    (["test", "unit", "--from", "qemu:3"], "--only and --from are for suite series"),
    (["build", "kernel"], "nothing to build called 'kernel'"),
    (["fuzz"], "fuzz wants a number of seconds"),
    (["fuzz", "long"], "not 'long'"),
    (["fuzz", "10", "world"], "no fuzz target 'world'"),
    (["bench"], "bench wants the name of a benchmark"),
    (["bench", "mark"], "no benchmark 'mark'"),
    (["patches", "now"], "patches knows no 'now'"),
    (["patches", "--series"], "--series wants the folder"),
    (["patches", "--try"], "--try wants a version"),
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


def test_a_machine_that_is_not_debian_is_refused(tmp_path):
    done = run(script="scripts/packages", OS_RELEASE=str(tmp_path / "none"))
    assert done.returncode == 1
    assert "not Debian" in done.stderr


STUB = """#!/bin/sh
echo "$(basename "$0") $*" >>"$(dirname "$0")/../calls"
"""


@pytest.fixture(name="nothing_built")
def a_fresh_clone(tmp_path):
    """Our scripts; those that build only print that they were called."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    shutil.copy(ROOT / "run", tmp_path / "run")
    for name in ("packages", "fetch", "tree", "build-qemu", "build-libvirt", "build-tools", "demo.py"):
        (tmp_path / "scripts" / name).write_text("" if name == "demo.py" else STUB)
    image = tmp_path / "scripts/guest-image"        # which folder is which it knows itself
    image.rename(image.with_name("real-guest-image"))
    image.write_text(STUB + 'case $1 in --where) exec "$(dirname "$0")/real-guest-image" "$@" ;; esac\n')
    image.chmod(0o755)
    return tmp_path


def called(clone):
    return (clone / "calls").read_text().splitlines() if (clone / "calls").exists() else []


def test_the_demo_builds_all_that_the_next_steps_use(nothing_built):
    done = subprocess.run([nothing_built / "run", "demo"], text=True, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, done.stderr
    built = {"build-" + name for name in ("qemu", "libvirt", "tools")} & {line.split()[0] for line in called(nothing_built)}
    steps = (ROOT / "README.md").read_text(encoding="utf-8").split("## By hand")[1].split("\n## ")[0]
    commands = set(re.findall(r"^    \./run ([a-z-]+)", steps, re.MULTILINE))
    assert {"guest", "virsh", "virsh-hvmem"} <= commands
    for command in commands:
        text = (ROOT / "scripts" / f"cmd-{command}").read_text(encoding="utf-8")
        for parts in re.findall(r"^ *have_built ([a-z ]+[a-z])", text, re.MULTILINE):
            for part in parts.split():
                assert part == "guest" or f"build-{part}" in built, f"./run {command} would build {part}"


def test_the_soak_is_of_what_is_here_now(nothing_built):
    (nothing_built / "tests/soak").mkdir(parents=True)
    (nothing_built / "tests/soak/kill_daemon.py").write_text("print('soaked')\n")
    for path in ("obj/qemu/qemu-system-x86_64", "obj/libvirt/tools/virsh", "obj/libvirt/src/libvirt.so.0", "guest/host-initrd"):
        put_program(nothing_built / "build" / path, "")       # of an earlier build
    done = subprocess.run([nothing_built / "run", "soak", "1"], text=True, capture_output=True, check=False)
    assert done.stdout == "soaked\n", done.stderr
    assert {"build-qemu ", "build-libvirt ", "guest-image "} <= set(called(nothing_built))


def test_the_test_program_that_hacking_runs_is_built_by_it():
    text = (ROOT / "HACKING.md").read_text(encoding="utf-8").split("One test:")[1].split("\nFuzzing:")[0]
    ran = re.findall(r"QTEST_QEMU_BINARY=\S+ (tests/\S+)", text)
    assert ran and all(re.search(f"scripts/build-qemu [^&]*{program}$", text, re.MULTILINE) for program in ran)
    assert not re.search(r"(?<!/run shell )meson test", text), "Debian 12's own is too old"


@pytest.mark.parametrize("words, made, folder", [
    ([], "guest-image ", "guest"), (["--kernel", "this"], "guest-image ", "guest"),
    (["--kernel", "newest"], "guest-image newest", "guest-trixie-backports"), (["--kernel=6.18"], "guest-image 6.18", "guest-trixie-backports-6.18"),
    (["--kernel", "sid", "--kernel", "testing"], "guest-image testing", "guest-testing"),
])
def test_a_guest_with_another_kernel(nothing_built, words, made, folder):
    done = subprocess.run([nothing_built / "run", "guest", *words], text=True, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{name}={nothing_built}/build/{folder}/{name}" for name in ("kernel", "initrd")]
    assert [line for line in called(nothing_built) if not line.startswith(("guest-image --where", "packages"))] == [made]


def test_an_unknown_kernel(nothing_built):
    done = subprocess.run([nothing_built / "run", "guest", "--kernel", "5"], text=True, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 1 and not done.stdout
    assert "no kernel '5' -- one of: this other newest" in done.stderr


def put_program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + text, encoding="utf-8")
    path.chmod(0o755)


def put_fake_build(clone):
    """A configure of QEMU and a meson that write down that they were called, and make a build folder; a ninja that fails."""
    put_program(clone / "build/meson/usr/bin/meson", f"mkdir -p $2 && touch $2/build.ninja && echo configured $2 >>{clone}/calls\n")
    put_program(clone / "build/meson/usr/bin/ninja", "exit 1\n")
    put_program(clone / "build/src/qemu/configure", f"touch build.ninja && echo configured $PWD >>{clone}/calls\n")
    for name in ("engine", "wire"):
        put_program(clone / f"tests/fuzz/fuzz-{name}.c", "")
    (clone / "build/src/libvirt").mkdir()
    (clone / "build/dl").mkdir()
    for name in ("qemu", "libvirt"):
        (clone / f"build/dl/{name}.version").write_text("1\n")


CTRL_C = "kill -INT 0; sleep 5\n"


def run_in_terminal(clone, *words):
    """It has a process group of its own, for a ctrl-C."""
    return subprocess.run([clone / "run", *words], text=True, capture_output=True, stdin=subprocess.DEVNULL, check=False, start_new_session=True)


def test_ctrl_c_in_a_suite_ends_all(nothing_built):
    put_program(nothing_built / "build/meson/usr/bin/meson", CTRL_C)       # first in PATH
    done = run_in_terminal(nothing_built, "test", "unit", "fuzz")
    assert done.returncode == 130
    assert "suite unit" in done.stdout and "suite fuzz" not in done.stdout


def test_ctrl_c_in_a_suite_with_guests_stops_the_daemon(nothing_built):
    put_program(nothing_built / "scripts/daemon", STUB + "[ $1 != status ]\n")
    (nothing_built / "tests/virt-manager").mkdir(parents=True)
    (nothing_built / "tests/virt-manager/test_it.py").write_text("import os, signal, time\nos.kill(0, signal.SIGINT)\ntime.sleep(5)\n")
    assert run_in_terminal(nothing_built, "test", "virt-manager").returncode == 130
    assert [line for line in called(nothing_built) if line.startswith("daemon ")] == ["daemon status", "daemon stop-unless-used hvbt-*"]


def test_ctrl_c_while_a_guest_is_made_ends_all(nothing_built):
    put_program(nothing_built / "scripts/guest-image", f"case $1 in other) trap 'exit 130' INT; {CTRL_C} ;; esac\n" + STUB)
    put_program(nothing_built / "scripts/daemon", STUB)
    assert run_in_terminal(nothing_built, "test", "integration").returncode == 130
    assert "guest-image newest" not in called(nothing_built) and not any(line.startswith("daemon") for line in called(nothing_built))


def test_ctrl_c_in_a_campaign_ends_all(nothing_built):
    put_fake_build(nothing_built)
    put_program(nothing_built / "build/fuzz-it", CTRL_C)
    put_program(nothing_built / "build/meson/usr/bin/ninja",
                f"mkdir -p $2/tests/fuzz && for t in engine wire; do cp {nothing_built}/build/fuzz-it $2/tests/fuzz/fuzz-$t; done\n")
    done = run_in_terminal(nothing_built, "fuzz", "10", "engine", "wire")
    assert done.returncode == 130
    assert "fuzzing engine" in done.stdout and "fuzzing wire" not in done.stdout


def test_a_second_test_waits_for_the_first(nothing_built):
    put_program(nothing_built / "scripts/junit-summary", "")
    put_program(nothing_built / "build/meson/usr/bin/meson", "")
    with open(nothing_built / "build/.lock-test", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with subprocess.Popen([nothing_built / "run", "test", "unit"], text=True, stdout=subprocess.PIPE) as second:
            assert "another ./run test is running here; waiting" in second.stdout.readline()
            assert not called(nothing_built)
            fcntl.flock(lock, fcntl.LOCK_UN)
            assert "suite unit" in second.communicate(timeout=60)[0]


@pytest.fixture(name="places")
def a_clone_and_its_copy(nothing_built):
    """Two folders with our scripts that build; the second is empty."""
    first, second = nothing_built / "first", nothing_built / "second"
    shutil.copytree(ROOT / "scripts", first / "scripts")
    for name in ("packages", "fetch"):
        put_program(first / f"scripts/{name}", "")
    put_fake_build(first)
    put_program(first / "tests/bench/mine/bench", "# needs: bench\n")
    return first, second


@pytest.mark.parametrize("words", [["build-qemu"], ["build-qemu", "--asan"], ["build-libvirt"], ["build-tools"], ["build-package"],
                                   ["cmd-bench", "mine"], ["cmd-fuzz", "1", "wire"]])
def test_a_build_folder_of_another_place_is_made_anew(places, words):
    first, second = places

    def configured(top, **env):
        (first / "calls").unlink(missing_ok=True)
        subprocess.run([top / "scripts" / words[0], *words[1:]], capture_output=True, check=False, env={**os.environ, **env})
        return called(first)

    once = configured(first)
    assert once
    assert not configured(first), "nothing has changed"
    shutil.copytree(first, second, symlinks=True)
    assert len(configured(second)) == len(once), "a copy"
    assert not configured(second)
    (second / "os-release").write_text("ID=debian\nVERSION_ID=14\n")
    assert len(configured(second, OS_RELEASE=str(second / "os-release"))) == len(once), "the release was upgraded"


@pytest.fixture(name="offline")
def a_clone_without_network(tmp_path):
    """Our scripts; the tested sources are in build/dl, and Debian's index cannot be read."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    put_program(tmp_path / "build/meson/usr/bin/meson", "")
    put_program(tmp_path / "build/meson/usr/bin/apt-get", STUB + """case $* in
*indextargets*) echo http://archive trixie Debian ;;
*update*) exit 100 ;;
esac
""")
    (tmp_path / "build/dl").mkdir()
    versions = (ROOT / "scripts/versions").read_text(encoding="utf-8")
    for name in ("qemu", "libvirt"):
        (tmp_path / f"build/dl/{name}.version").write_text(re.search(f"{name.upper()}_TESTED=(?:\\d+:)?(.*)", versions)[1] + "\n")
        for kind in ("orig", "debian"):
            (tmp_path / f"build/dl/{name}.{kind}.tar.xz").write_text(name + kind)
            digest = hashlib.sha256((name + kind).encode()).hexdigest()
            versions = re.sub(f"(?<={name.upper()}_{kind.upper()}_SHA256=).*", digest, versions)
    (tmp_path / "scripts/versions").write_text(versions)
    return tmp_path


def fetch(clone, **env):
    return subprocess.run([clone / "scripts/fetch"], text=True, capture_output=True, check=False, env={**os.environ, **env})


def test_without_network_the_tested_sources_suffice(offline):
    done = fetch(offline)
    assert done.returncode == 0, done.stderr
    assert "going on with the tested sources" in done.stdout and not done.stderr
    assert not (offline / "build/stamp/fetch").exists(), "the next time the index is tried again"


@pytest.mark.parametrize("name", ["qemu.debian.tar.xz", "libvirt.version"])
def test_without_network_other_sources_do_not(offline, name):
    (offline / "build/dl" / name).write_text("other")
    done = fetch(offline)
    assert done.returncode == 1
    assert "run: error:" in done.stderr


def test_a_point_release_is_no_reason_to_fetch_anew(offline):
    key = subprocess.run(["sh", "-c", f"(cat {offline}/scripts/versions {offline}/scripts/fetch; . /etc/os-release; echo $VERSION_ID) | sha256sum"],
                         check=True, capture_output=True, text=True).stdout
    (offline / "build/stamp").mkdir()
    (offline / "build/stamp/fetch").write_text(key)
    assert (fetch(offline).returncode, called(offline)) == (0, [])


def test_the_disk_space_is_that_of_the_readme(offline):
    lib = (ROOT / "scripts/lib.sh").read_text(encoding="utf-8")
    needed = int(re.search(r"^FULL_BUILD=(\d+)", lib, re.MULTILINE)[1])
    assert f"needs {needed / 1024:.1f} GiB of disk space" in (ROOT / "README.md").read_text(encoding="utf-8")
    put_program(offline / "build/meson/usr/bin/df", f"printf 'head\\n/dev/x 9000 8000 {needed - 1} 99%% /\\n'\n")
    full = fetch(offline)
    assert full.returncode == 1 and f"{needed} MiB needed" in full.stderr
    (offline / "build/obj").mkdir()
    assert fetch(offline).returncode == 0, "what is built needs no more"


def in_lib(top, command, unset=(), **env):
    """COMMAND in a shell that has sourced lib.sh and apt.sh."""
    kept = {name: value for name, value in os.environ.items() if name not in unset}
    return subprocess.run(["bash", "-c", f". '{top}/scripts/lib.sh'; . '{top}/scripts/apt.sh'; {command}"], text=True, capture_output=True, check=False,
                          env={**kept, **env})


def test_what_the_machine_s_apt_prefers_is_ignored(offline):
    (offline / "conf").write_text('APT::Default-Release "bookworm";\n')
    said = in_lib(ROOT, "suite_apt /nowhere apt-config dump", APT_CONFIG=str(offline / "conf")).stdout
    assert 'APT::Default-Release "";' in said
    assert all(f'Dir::Etc::{name} "/dev/null";' in said for name in ("preferences", "preferencesparts"))
    assert fetch(offline).returncode == 0
    called_by_fetch = (offline / "build/meson/usr/calls").read_text(encoding="utf-8").splitlines()
    assert all(" -o APT::Default-Release= " in call for call in called_by_fetch if "update" in call)


def test_messages_are_english_for_the_scripts():
    assert in_lib(ROOT, "echo $LC_ALL ${LANGUAGE-none} $language", LANGUAGE="de_DE:de").stdout == "C.UTF-8 none de_DE:de\n"


def test_without_a_home():
    assert in_lib(ROOT, "echo $HOME", unset=("HOME",)).stdout.strip() == pwd.getpwuid(os.getuid()).pw_dir
    done = subprocess.run(["bash", "-c", f"id() {{ echo 4294960000; }}; unset HOME; . {ROOT}/scripts/lib.sh; echo $HOME"], text=True, capture_output=True, check=False)
    assert done.stdout == f"{ROOT}/build\n", "an account that no file has"


@pytest.mark.parametrize("name", ["a b", "a:b", "a#b", "\u00fc"])
def test_a_path_that_cannot_be_is_refused(tmp_path, name):
    shutil.copytree(ROOT / "scripts", tmp_path / name / "scripts")
    done = in_lib(tmp_path / name, "true")
    assert done.returncode == 1 and done.stderr.startswith("run: error: the path of this checkout has characters")
    assert len(done.stderr.splitlines()) == 1


@pytest.fixture(name="install")
def nothing_installed(tmp_path):
    """install(APT, USER): scripts/packages where no package is installed, and apt-get is this script."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    (tmp_path / "os-release").write_text("ID=debian\nVERSION_ID=12\n")
    first = tmp_path / "build/meson/usr/bin"
    for name, text in (("meson", ""), ("dpkg-query", "exit 1\n"), ("sleep", STUB + "[ $1 = 10 ] || exec /bin/sleep $1\n"),
                       ("sudo", "echo 'sudo: a terminal is required to read the password' >&2; echo 'sudo: a password is required' >&2; exit 1\n")):
        put_program(first / name, text)

    def install(apt, user=0):
        put_program(first / "apt-get", STUB + apt)
        put_program(first / "id", f"echo {user}\n")
        done = subprocess.run([tmp_path / "scripts/packages"], text=True, capture_output=True, check=False, stdin=subprocess.DEVNULL,
                              env={**os.environ, "OS_RELEASE": str(tmp_path / "os-release")})
        return done, [call for call in called(first.parent) if call != "sleep 0.3"]      # how often a step looks at what it runs

    return install


def test_another_apt_is_waited_for(install):
    done, calls = install("""[ "$1" = update ] || exit 0
grep -q 'sleep 10' $(dirname $0)/../calls || { echo 'E: Could not get lock /var/lib/apt/lists/lock. It is held by process 1'; exit 100; }
""")
    assert done.returncode == 0, done.stderr
    assert calls[0].startswith("apt-get update") and "sleep 10" in calls
    assert calls[-1].startswith("apt-get -o DPkg::Lock::Timeout=600 install")


@pytest.mark.parametrize("user, says", [(0, "check the network"), (1000, "apt-get needs root: sudo: a password is required")])
def test_why_packages_cannot_be_installed(install, user, says):
    done, _ = install("echo 'E: Failed to fetch'; exit 100\n", user)
    assert done.returncode == 1
    assert says in done.stderr.splitlines()[-1]
    assert ("network" in done.stderr) == (user == 0)


class FakeDaemon:
    """Our scripts beside a program that has the place of the private daemon, and runs. The path is short, as for a socket below it."""

    def __init__(self, top):
        self.top = pathlib.Path(top)
        shutil.copytree(ROOT / "scripts", self.top / "scripts")
        self.program = self.top / "build/obj/libvirt/src/virtqemud"
        self.virsh = self.top / "build/obj/libvirt/tools/virsh"
        self.run = self.top / "build/run"
        for folder in (self.program.parent, self.run):
            folder.mkdir(parents=True)
        shutil.copy("/bin/sleep", self.program)
        self.processes = []
        self.process = self.start(self.program)
        (self.run / "virtqemud.pid").write_text(f"{self.process.pid}\n")

    def start(self, program):
        process = subprocess.Popen([program, "600"])
        threading.Thread(target=process.wait, daemon=True).start()     # no zombie is waited for
        self.processes.append(process)
        return process

    def script(self, *words, **env):
        return subprocess.run([self.top / "scripts/daemon", *words], text=True, capture_output=True, check=False, env={**os.environ, **env})

    def start_guest(self, name):
        """The process of a guest."""
        qemu = self.top / "build/obj/qemu/qemu-system-x86_64"
        qemu.parent.mkdir(exist_ok=True)
        if not qemu.exists():
            shutil.copy("/bin/sleep", qemu)
        state = pathlib.Path(self.environ()["HVB_STATE"])
        state.mkdir(parents=True, exist_ok=True)
        (state / f"{name}.pid").write_text(str(self.start(qemu).pid))

    def environ(self, **env):
        """What clients are told."""
        return dict(line.split("=", 1) for line in self.script("env", **env).stdout.splitlines())

    def put_virsh(self, path, guests=""):
        """A virsh that writes down what it is called with, and lists GUESTS."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"""#!/bin/sh
echo "$VIRSH_DEFAULT_CONNECT_URI: $*" >>{self.top}/calls
case "$*" in *list*) echo "{guests}" ;; esac
""")
        path.chmod(0o755)


@pytest.fixture(name="daemon")
def a_daemon_that_runs():
    with tempfile.TemporaryDirectory(prefix="h", dir="/tmp") as top:
        made = FakeDaemon(top)
        yield made
        for process in made.processes:
            process.kill()


def test_no_other_virsh_is_asked_to_stop_the_daemon(daemon):
    """Half rebuilt, there is no virsh. One that PATH has is for the machine's guests."""
    daemon.put_virsh(daemon.top / "build/obj/qemu/virsh", guests="a-guest-of-the-machine")
    shutil.rmtree(daemon.top / "build/obj/libvirt")
    assert daemon.script("status").returncode == 0, "it still runs"
    done = daemon.script("stop")
    assert done.returncode == 0, done.stderr
    assert not called(daemon.top)
    assert daemon.process.wait(10) == -15


def test_only_guests_of_the_private_daemon_are_stopped(daemon):
    daemon.put_virsh(daemon.virsh, guests="6fd2")
    assert daemon.script("stop", VIRSH_DEFAULT_CONNECT_URI="qemu+ssh://elsewhere/system").returncode == 0
    calls = called(daemon.top)
    assert len(calls) == 2 and calls[0].endswith(" list --uuid") and calls[1].endswith(" destroy 6fd2")
    for call in calls:
        assert f"socket={daemon.run}/" in call and "elsewhere" not in call, "the private daemon's own socket"


def test_a_client_of_the_private_daemon_does_not_use_the_shell_s_uri(daemon):
    environ = daemon.environ(VIRSH_DEFAULT_CONNECT_URI="qemu+ssh://elsewhere/system")
    assert environ["VIRSH_DEFAULT_CONNECT_URI"] == environ["LIBVIRT_DEFAULT_URI"]
    assert environ["PATH"].split(":")[:3] == [str(daemon.top / "build/obj" / folder) for folder in ("libvirt/tools", "qemu", "tools/tools/virsh-hvmem")]


def test_a_daemon_with_guests_of_others_goes_on(daemon):
    daemon.start_guest("hvbt-mine")
    daemon.start_guest("theirs")
    done = daemon.script("stop-unless-used", "hvbt-*")
    assert done.returncode == 0 and "with theirs:" in done.stdout
    assert all(process.poll() is None for process in daemon.processes)


def test_a_daemon_with_guests_of_one_s_own_is_stopped(daemon):
    daemon.start_guest("hvbt-mine")
    assert daemon.script("stop-unless-used", "hvbt-*").returncode == 0
    assert [process.wait(10) for process in daemon.processes] == [-15, -15]


def test_a_balancer_of_private_guests_has_its_lock_there(daemon):
    assert daemon.environ()["HVMEM_TEST_LOCKS"] == str(daemon.run)


def test_the_screens_have_the_user_s_language(daemon):
    for path in (daemon.virsh, daemon.top / "build/obj/libvirt/src/libvirt.so.0", daemon.top / "build/obj/qemu/qemu-system-x86_64"):
        put_program(path, "")
    os.utime(daemon.run / "virtqemud.pid")          # it is not older than what is built
    put_program(daemon.top / "build/obj/tools/tools/virsh-hvmem/virsh-hvmem", "echo $LC_ALL $LANGUAGE\n")
    done = subprocess.run([daemon.top / "scripts/cmd-virsh-hvmem"], text=True, capture_output=True, check=False,
                          env={**os.environ, "LC_ALL": "de_DE.UTF-8", "LANGUAGE": "de"})
    assert done.stdout == "de_DE.UTF-8 de\n", done.stderr
