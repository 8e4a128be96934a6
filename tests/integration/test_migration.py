# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests that hold data migrate between two daemons, and are saved, restored and reverted; their memory is theirs wherever they are."""

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import tempfile

import pytest
from checks import Held, at_rest, consistent, go, no_sticks
from speed import patient
from travel import GROWN, SHRUNK, Traveller, agree, create_image, elapsed, keeps, quickly, slowly, travelled, travelling, with_disk

import hvb
from hvb import GIB, MIB

ROOT = pathlib.Path(__file__).resolve().parents[2]
STICK = "<memory model='haprot'><target insert='on-demand'><size unit='MiB'>128</size></target><alias name='ua-mine'/></memory>"


@pytest.fixture(name="guest")
def the_guest(traveller):
    """Whatever another test has left in use."""
    traveller.host.use()
    return traveller


@pytest.fixture(scope="module", name="traveller")
def a_guest(hosts, request):
    """One for all tests, wherever it is."""
    with travelling("hvbt-travel", hosts, accel=request.config.getoption("--accel")) as guest:
        yield guest


@contextlib.contextmanager
def using(guest, host):
    """That host, for a while."""
    host.use()
    try:
        yield
    finally:
        guest.host.use()


def on_other(guest):
    """For what is asked of the host where the guest is not."""
    return using(guest, guest.other())


def there_and_on(guest, *flags):
    """It migrates with a part of its memory released and a total to keep, and is resized where it arrives."""
    go(guest, GROWN)
    hvb.virsh("setmaxmem", guest.name, GROWN + 100 * MIB, "--live")
    guest.setmem(SHRUNK)
    guest.wait_at(SHRUNK)
    before = keeps(guest)
    guest.migrate(*flags)
    travelled(guest, before)
    go(guest, GROWN)
    guest.held.check()


def test_persistent_and_undefined_where_it_was(guest):
    """The stored definition goes along; the sticks of the running one are not in it."""
    there_and_on(guest, "--persistent", "--undefinesource")
    stored = hvb.Domain(hvb.virsh("dumpxml", guest.name, "--inactive"))
    assert (stored.memory, stored.sticks) == (GIB, [])
    with on_other(guest):
        assert guest.name not in hvb.virsh("list", "--all", "--name").split()


def test_a_number_of_the_drivers_is_free_again_elsewhere(guest):
    """The stick goes where the guest has arrived, and another one gets its name."""
    go(guest, GROWN)
    hvb.virsh("setmaxmem", guest.name, GIB, "--live")
    guest.migrate("--p2p", "--persistent", "--undefinesource")
    names = {stick.alias for stick in guest.domain().sticks}
    guest.setmem(GIB)
    guest.wait_at(GIB)
    guest.held.drop()
    guest.reboot()
    no_sticks(guest)
    go(guest, GROWN)
    assert {stick.alias for stick in guest.domain().sticks} <= names
    guest.held = Held(guest, 8)


@pytest.mark.parametrize("flags", [("--p2p", "--tunnelled"), ("--postcopy", "--postcopy-after-precopy"),
                                   pytest.param(("--parallel",), marks=pytest.mark.long),
                                   pytest.param(("--p2p", "--auto-converge"), marks=pytest.mark.long),
                                   pytest.param(("--compressed",), marks=pytest.mark.long),
                                   pytest.param(("--suspend",), marks=pytest.mark.long)],
                         ids="".join)
def test_every_way_to_migrate(guest, flags):
    if "--suspend" not in flags:
        there_and_on(guest, *flags)
        return
    go(guest, GROWN)
    before = keeps(guest)[:-1]
    guest.migrate(*flags)
    assert guest.state() == "paused"
    agree(guest)
    hvb.virsh("resume", guest.name)
    assert keeps(guest)[:-1] == before
    guest.held.check()


def test_what_was_requested_is_carried_on_elsewhere(guest):
    """QEMU has another target than libvirt, as when a daemon dies within a request."""
    go(guest, GROWN)
    guest.qmp("balloon", value=SHRUNK * 1024)
    guest.migrate()
    assert guest.domain().requested == GROWN
    guest.wait_at(GROWN)
    guest.held.check()
    consistent(guest)


def test_nobody_changes_memory_while_it_migrates_and_an_abort_ends_that(guest):
    go(guest, GROWN)
    slowly(guest)
    with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
        file.write(STICK)
        file.flush()
        with guest.beginning("--p2p") as migration:
            for command in (("setmem", guest.name, GIB, "--live"), ("setmaxmem", guest.name, 3 * GIB, "--live"),
                            ("attach-device", guest.name, file.name, "--live"),
                            ("detach-device-alias", guest.name, guest.domain().sticks[0].alias, "--live")):
                def refused(command=command):
                    with pytest.raises(hvb.VirshError, match="is being migrated: change its memory afterwards"):
                        hvb.virsh(*command)
                assert elapsed(refused) < 10, f"{command[0]} waited"
            with on_other(guest), pytest.raises(hvb.VirshError, match="is being migrated to this host"):
                hvb.virsh("setmem", guest.name, GIB, "--live")
            assert "canceled by client" in migration.abort()
        quickly(guest)
        assert guest.state() == "running"
        agree(guest)
        go(guest, GIB)
        hvb.virsh("attach-device", guest.name, file.name, "--live")
        hvb.virsh("detach-device-alias", guest.name, "ua-mine", "--live")
    guest.held.check()
    consistent(guest)


def test_a_host_that_cannot_take_it_over_is_refused_by_name(guest):
    guest.go_home()
    before = keeps(guest)
    for missing, text in (("mem-haprot", "it lacks the 'mem-haprot' device"),
                          ("hv-balloon.migration", "its query-hv-balloon reports no 'migration'")):
        with other_daemon(guest.other(), HVB_DAEMON_FILTER=missing):
            with pytest.raises(hvb.VirshError, match=f"cannot take over: {text}"):
                guest.migrate()
            with on_other(guest):
                assert guest.name not in hvb.virsh("list", "--name").split()
        assert guest.state() == "running"
        travelled(guest, before)


@contextlib.contextmanager
def other_daemon(host, **environ):
    """That daemon is another one for a while: the second one, as tests beside this one use the first."""
    assert host.second
    with hvb.daemon_use(exclusive=True, host=host):
        host.daemon("end")
        host.daemon("start", **environ)
    try:
        yield
    finally:
        with hvb.daemon_use(exclusive=True, host=host):
            host.daemon("end")
            host.daemon("start")


def test_the_destination_dies_and_the_source_goes_on(guest):
    go(guest, GROWN)
    slowly(guest)
    with guest.beginning() as migration:
        with on_other(guest):
            guest.kill_qemu()
        assert migration.wait()
    quickly(guest)
    hvb.wait_until("it runs", 20, lambda: guest.state() == "running")
    agree(guest)
    there_and_on(guest)


@pytest.mark.long
@pytest.mark.parametrize("which", ["source", "destination"])
def test_a_daemon_dies_in_the_middle(guest, which):
    """The guest runs on where it was, and the next attempt succeeds."""
    go(guest, GROWN)
    slowly(guest)
    host = guest.host if which == "source" else guest.other()
    with guest.beginning("--p2p", lock=host.second) as migration:
        with hvb.daemon_use(exclusive=True, host=host):
            with using(guest, host):
                hvb.kill_daemon()
            host.daemon("start")
        assert migration.wait()
    quickly(guest)
    hvb.wait_until("it runs", 30, lambda: guest.state() == "running")
    with on_other(guest):
        hvb.wait_until("the other half is gone", 30, lambda: guest.name not in hvb.virsh("list", "--name").split())
    hvb.wait_until("libvirt has no job", 30, lambda: "None" in hvb.virsh("domjobinfo", guest.name))
    agree(guest)
    there_and_on(guest)


@contextlib.contextmanager
def ending(host, guest, point):
    """That daemon ends when the guest has reached a stop point, as qemuhvballoonstopmock.c calls them; afterwards it runs again, as ever.
    Nobody else uses it meanwhile."""
    preload = os.path.join(os.path.dirname(host.environ["HVB_VIRSH"]), "..", "tests", "libqemuhvballoonstopmock.so")
    assert os.path.exists(preload), "./run build libvirt makes it"
    stop = os.path.join(host.run, "stop")
    with hvb.daemon_use(exclusive=True, host=host):
        host.daemon("end")
        # both daemons see their folder under the first one's name
        host.daemon("start", HVB_DAEMON_PRELOAD=os.path.realpath(preload), HVB_STOP=os.path.join(guest.hosts[0].run, "stop"))
        try:
            with open(stop, "w", encoding="ascii") as file:
                file.write(f"1 {guest.name} {point}")
            yield
            with using(guest, host):
                hvb.wait_until(f"the daemon ends at {point}", 30, lambda: hvb.daemon_pid() is None)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(stop)
            host.daemon("end")
            host.daemon("start")


# Which daemon ends when it has begun what, and where the guest is then. That of the destination writes the phase "prepare" down before there is a
# QEMU, and libvirt has never got rid of a guest whose daemon ends just then; it does so in the same phase when there is one.
PHASES = [("source", "phase:begin3", "stays"), ("destination", "before:migrate-incoming", "stays"), ("source", "phase:perform3", "stays"),
          ("source", "phase:perform3_done", "is resumed"), ("destination", "phase:finish3", "stays"), ("source", "phase:confirm3", "has arrived")]


@pytest.mark.long
@pytest.mark.parametrize("which, point, then", PHASES, ids=lambda value: value.replace(" ", "-").removeprefix("phase:").removeprefix("before:"))
def test_a_daemon_dies_in_each_phase(guest, which, point, then):
    """The guest is in one place and what it was, and the next attempt succeeds."""
    go(guest, GROWN)
    guest.setmem(SHRUNK)
    guest.wait_at(SHRUNK)
    before = keeps(guest)
    host = guest.host if which == "source" else guest.other()
    # who ends the first daemon has its lock already
    with ending(host, guest, point), hvb.daemon_use(host=guest.hosts[0]) if host.second else contextlib.nullcontext(), pytest.raises(hvb.VirshError):
        hvb.virsh_alone(*guest.command("--p2p"))
    if then == "has arrived":
        guest.is_at(guest.other())
    with on_other(guest):
        hvb.wait_until("the other half is gone", 30, lambda: guest.name not in hvb.virsh("list", "--name").split())
    if then == "is resumed":
        # who has asked for the migration sees that the guest is nowhere else
        hvb.wait_until("it waits", 30, lambda: guest.state() == "paused")
        hvb.virsh("resume", guest.name)
    hvb.wait_until("it runs", 30, lambda: guest.state() == "running")
    travelled(guest, before)
    there_and_on(guest)


@contextlib.contextmanager
def held_up(host, guest):
    """That daemon does not answer until then."""
    with using(guest, host):
        pid = hvb.daemon_pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_an_abort_before_and_after_memory_is_sent(guest):
    """While the destination prepares, and while it is about to take over: the first stays, the second may as well arrive."""
    guest.go_home()         # others use that host's daemon, too
    go(guest, GROWN)
    before = keeps(guest)
    with held_up(guest.other(), guest):
        migration = guest.beginning("--p2p").start()
        hvb.wait_until("libvirt has a job", 20, lambda: "Outgoing migration" in hvb.virsh("domjobinfo", guest.name))
        hvb.virsh("domjobabort", guest.name)
    assert "cancel" in migration.wait()
    hvb.wait_until("it runs", 20, lambda: guest.state() == "running")
    travelled(guest, before)
    slowly(guest, 32)
    with guest.beginning("--p2p") as migration:
        with held_up(guest.other(), guest):
            quickly(guest)
            hvb.wait_until("all is sent", 60, lambda: guest.state() == "paused" and guest.qmp("query-migrate")["status"] == "completed")
            with contextlib.suppress(hvb.VirshError):
                hvb.virsh("domjobabort", guest.name)
        error = migration.wait()
    if not error:
        guest.is_at(guest.other())
    hvb.wait_until("it runs", 20, lambda: guest.state() == "running")
    travelled(guest, before)
    quickly(guest)
    there_and_on(guest)


@pytest.mark.long
def test_a_postcopy_that_fails_is_taken_up_again(guest):
    """Neither host changes the guest's memory in between."""
    go(guest, GROWN)
    slowly(guest, 1)
    hvb.virsh("migrate-setspeed", guest.name, 1, "--postcopy")
    before = keeps(guest)
    with guest.beginning("--postcopy", "--p2p") as migration:
        hvb.virsh("migrate-postcopy", guest.name)
        with on_other(guest):
            hvb.wait_until("it runs there", 30, lambda: guest.state() == "running")
        hvb.virsh("domjobabort", guest.name, "--postcopy")
        assert migration.wait()
    for host in guest.hosts:
        with using(guest, host), pytest.raises(hvb.VirshError, match="is being migrated"):
            hvb.virsh("setmem", guest.name, GIB, "--live")
    quickly(guest)
    hvb.virsh("migrate-setspeed", guest.name, 8796093022207, "--postcopy")
    guest.migrate("--postcopy", "--p2p", "--postcopy-resume")
    travelled(guest, before)
    go(guest, GROWN + 100 * MIB)
    guest.held.check()


@pytest.mark.long
def test_there_and_back_again(guest):
    """Each time with another size, on its way to yet another one."""
    for n in range(6):
        guest.setmem(GIB + (n % 3) * 300 * MIB)
        before = keeps(guest)
        guest.migrate(*(("--p2p",) if n % 2 else ()))
        assert keeps(guest) == before
        guest.held.check()
    guest.wait_at(GIB + 600 * MIB)
    at_rest(guest)
    consistent(guest)


@pytest.mark.long
def test_in_postcopy_too_nobody_changes_memory(guest):
    """The guest runs on the other host before its memory is all there, and grows when it is."""
    go(guest, GROWN)
    slowly(guest)
    hvb.virsh("migrate-setspeed", guest.name, 8, "--postcopy")
    before = keeps(guest)
    with guest.beginning("--postcopy", "--p2p") as migration:
        hvb.virsh("migrate-postcopy", guest.name)
        with on_other(guest):
            hvb.wait_until("it runs there", 30, lambda: guest.state() == "running")
            assert guest.domain().requested == before[0]
            with pytest.raises(hvb.VirshError, match="is being migrated to this host: change its memory when it has arrived"):
                hvb.virsh("setmem", guest.name, GIB, "--live")
        quickly(guest)
        hvb.virsh("migrate-setspeed", guest.name, 8796093022207, "--postcopy")
        assert not migration.wait()
    guest.is_at(guest.other())
    travelled(guest, before)
    go(guest, GROWN + 100 * MIB)
    guest.held.check()


@pytest.mark.long
def test_at_its_floor(guest):
    """It cannot have less, here or there, and both say so; more is as easy as ever."""
    go(guest, GIB)
    guest.setmem(64 * MIB)
    hvb.wait_until(guest.seen, 90, lambda: guest.balloon()["state"] == "floor")
    before = keeps(guest)
    guest.migrate()
    travelled(guest, before)
    assert guest.domain().requested == 64 * MIB
    hvb.wait_until(guest.seen, 90, lambda: guest.balloon()["state"] == "floor")
    guest.held.check()
    go(guest, GROWN)


@pytest.mark.long
def test_under_another_name(guest):
    """There it has one, and its own again when it is back."""
    own = guest.name
    try:
        for name in own + "-there", own:
            go(guest, GROWN)
            guest.setmem(SHRUNK)
            guest.wait_at(SHRUNK)
            before = keeps(guest)
            command = guest.command("--dname", name, "--persistent", "--undefinesource")
            with hvb.daemon_use(host=guest.hosts[0]):
                hvb.virsh(*command, timeout=120)
            guest.is_at(guest.other())
            guest.name = name
            travelled(guest, before)
    finally:
        guest.name = own
    go(guest, GROWN)
    guest.held.check()


@pytest.mark.long
def test_a_stick_of_the_users_that_the_guest_has_at_once(guest, tmp_path):
    """With insert='now' it is more than what was requested, on either host."""
    no_sticks_but_the_drivers(guest)
    file = tmp_path / "stick.xml"
    file.write_text(STICK.replace("on-demand", "now"), encoding="ascii")
    go(guest, GIB)
    hvb.virsh("attach-device", guest.name, file, "--live")
    hvb.wait_until(guest.seen, 60, lambda: given(guest) == 128 * MIB and guest.resting())
    before = keeps(guest)
    guest.migrate()
    travelled(guest, before)
    assert given(guest) == 128 * MIB
    go(guest, GROWN)
    guest.held.drop()
    guest.setmem(GIB)
    guest.wait_at(GIB)
    hvb.virsh("setmaxmem", guest.name, GIB, "--live")
    guest.reboot()
    guest.wait_at(GIB)
    no_sticks_but_the_drivers(guest)
    guest.held = Held(guest, 8)


def given(guest):
    """What the guest has been given of the user's stick, in KiB."""
    return next((stick["added"] // 1024 for stick in guest.qmp("query-haprot") if stick["id"] == "ua-mine"), None)


def no_sticks_but_the_drivers(guest):
    """The user's stick goes, if there is one."""
    if given(guest) is not None:
        hvb.virsh("detach-device-alias", guest.name, "ua-mine", "--live")
        hvb.wait_until("the user's stick is gone", 30, lambda: given(guest) is None)


@pytest.mark.long
def test_dumped_after_it_has_arrived(guest, tmp_path):
    """A dump of its memory takes no more than the guest has, and leaves it alone."""
    go(guest, GROWN)
    guest.setmem(SHRUNK)
    guest.wait_at(SHRUNK)
    guest.migrate()
    before = keeps(guest)
    dump = tmp_path / "dump"
    hvb.virsh("dump", guest.name, dump, "--memory-only", "--live", timeout=120)
    assert dump.read_bytes()[:4] == b"\x7fELF"
    travelled(guest, before)
    at_rest(guest)
    go(guest, GROWN)
    guest.held.check()


POOL = pathlib.Path("/proc/sys/vm/nr_hugepages")


@pytest.fixture(name="few_huge_pages")
def a_small_pool(hosts, tmp_path):
    """Enough for one guest of 512 MiB, not for two. A daemon looks for huge pages when it starts."""
    before = POOL.read_text(encoding="ascii")
    try:
        POOL.write_text("300", encoding="ascii")
    except OSError as why:
        pytest.skip(f"{POOL}: {why.strerror}")
    try:
        if int(POOL.read_text(encoding="ascii")) != 300:
            pytest.skip("this machine has no memory for 300 huge pages")
        subprocess.run(["mount", "-t", "hugetlbfs", "hugetlbfs", tmp_path], check=True)
        restart(hosts)
        yield
        subprocess.run(["umount", tmp_path], check=True)
        restart(hosts)
    finally:
        POOL.write_text(before, encoding="ascii")


def restart(hosts):
    """Their daemons; guests go on."""
    for host in hosts:
        with hvb.daemon_use(exclusive=True, host=host):
            host.daemon("restart")


@pytest.mark.long
@pytest.mark.usefixtures("few_huge_pages")
def test_a_host_without_the_memory_is_refused_with_how_much_it_needs(hosts):
    """Both daemons share one pool of huge pages."""
    guest = Traveller("hvbt-travel-huge", hosts, memory=512 * MIB, maximum=2 * GIB, vcpus=1)
    guest.xml = guest.xml.replace("<vcpu>", "<memoryBacking><hugepages/><source type='memfd'/></memoryBacking>\n  <vcpu>", 1)
    guest.remove()
    try:
        guest.define()
        guest.start()
        guest.wait_up()
        guest.held = Held(guest, 2)
        before = keeps(guest)
        for flags in (), ("--p2p",):
            with pytest.raises(hvb.VirshError, match=f"has {88 * MIB} KiB of huge pages free, and domain '{guest.name}' needs {512 * MIB} KiB for its boot"):
                guest.migrate(*flags)
            assert guest.state() == "running"
            travelled(guest, before)
    finally:
        guest.remove()


@pytest.mark.long
def test_its_storage_is_copied_along(hosts):
    guest = Traveller("hvbt-travel-disk", hosts, memory=512 * MIB, maximum=2 * GIB, vcpus=1)
    images = [host.path(os.path.join(hosts[0].environ["HVB_GUEST_RUN"], "hvbt-travel.qcow2")) for host in hosts]
    for image in images:
        create_image(image)
    guest.xml = with_disk(guest.xml, images[0])
    guest.remove()
    try:
        guest.define()
        guest.start()
        guest.wait_up()
        guest.held = Held(guest, 4)
        go(guest, GIB)
        before = keeps(guest)
        guest.migrate("--copy-storage-all", "--disks-uri", f"unix://{hosts[1].run}/hvbt-travel.nbd")
        travelled(guest, before)
        go(guest, 700 * MIB)
    finally:
        guest.remove()
        for image in images:
            os.unlink(image)


@pytest.mark.long
def test_another_minimum_counts_where_it_is_restored(guest, tmp_path):
    go(guest, SHRUNK)
    image, xml = tmp_path / "image", tmp_path / "xml"
    hvb.virsh("save", guest.name, image)
    text = hvb.virsh("save-image-dumpxml", image)
    xml.write_text(re.sub("<currentMemory unit='KiB'>[0-9]*<", f"<currentMemory unit='KiB'>{GIB}<", text))
    with pytest.raises(hvb.VirshError, match="current memory .* does not match source"):
        hvb.virsh("restore", image, "--xml", xml)
    more = text.replace("<memballoon model='hyperv'/>", f"<memballoon model='hyperv'><minimum unit='KiB'>{SHRUNK}</minimum></memballoon>")
    assert more != text
    xml.write_text(more)
    hvb.virsh("restore", image, "--xml", xml)
    agree(guest)
    with pytest.raises(hvb.VirshError, match=f"<minimum> of the balloon, {SHRUNK} KiB"):
        guest.setmem(SHRUNK - MIB)
    guest.held.check()


def test_saved_and_restored(guest):
    guest.go_home()         # where it is defined, too
    go(guest, GROWN)
    guest.setmem(SHRUNK)
    guest.wait_at(SHRUNK)
    before = keeps(guest)
    image = os.path.join(os.environ["HVB_RUN"], guest.name + ".image")
    try:
        hvb.virsh("save", guest.name, image)
        assert os.stat(image).st_blocks // 2 < SHRUNK, "what the guest has released is not saved"
        hvb.virsh("restore", image)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(image)
    travelled(guest, before)
    hvb.virsh("managedsave", guest.name)
    guest.start()
    travelled(guest, before)
    go(guest, GROWN)
    guest.held.check()


def test_dumped_with_its_devices(guest, tmp_path):
    """Without --memory-only it is a migration to a file, after which the guest goes on here."""
    go(guest, GROWN)
    guest.setmem(SHRUNK)
    guest.wait_at(SHRUNK)
    before = keeps(guest)
    for flags in ((), ("--live",)):
        dump = tmp_path / "dump"
        hvb.virsh("dump", guest.name, dump, *flags, timeout=120)
        assert dump.stat().st_blocks // 2 < SHRUNK, "what the guest has released is not in it"
        travelled(guest, before)
        dump.unlink()
    go(guest, GROWN)
    guest.held.check()


def libvirt_guests(folder):
    """libvirt's script with a configuration and a list in FOLDER, for the daemon in use, as a command."""
    text = (ROOT / "build/obj/libvirt/tools/libvirt-guests.sh").read_text(encoding="utf-8")
    for old, new in ((r"(sysconfdir|localstatedir|initconfdir)=.*", rf'\1="{folder}"'), (r"\. .*init-functions", ":"),
                     (r"\. .*gettext\.sh", 'gettext() { printf %s "$1"; }; eval_gettext() { printf %s "$1"; }')):
        text, n = re.subn(rf"(?m)^{old}$", new, text)
        assert n, f"there is no {old} in it"
    script = folder / "libvirt-guests.sh"
    script.write_text(text)
    (folder / "libvirt-guests").write_text("ON_SHUTDOWN=suspend\nON_BOOT=start\n")
    for name in ("lib/libvirt", "lock", "bin"):
        (folder / name).mkdir(parents=True)
    (folder / "bin/virsh").symlink_to(os.environ["HVB_VIRSH"])

    def run(what):
        got = subprocess.run(["sh", script, what], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=patient(180),
                             env={**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}"})
        assert got.returncode == 0, got.stdout + got.stderr
        return got.stdout

    return run


def test_its_host_is_shut_down(guest, tmp_path):
    """libvirt-guests saves all persistent guests of a daemon, and starts them when the host is back. Nobody else has one at the second daemon."""
    guest.go_home()
    guest.migrate("--persistent", "--undefinesource")
    go(guest, GROWN)
    guest.setmem(SHRUNK)
    guest.wait_at(SHRUNK)
    before = keeps(guest)
    run = libvirt_guests(tmp_path)
    print(run("stop"))
    assert guest.state() == "shut off"
    assert "Managed save:   yes" in hvb.virsh("dominfo", guest.name)
    print(run("start"))
    travelled(guest, before)
    go(guest, GROWN)
    guest.held.check()
    guest.go_home()
