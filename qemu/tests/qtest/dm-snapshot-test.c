/*
 * hv-balloon and its sticks in snapshots
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A snapshot is loaded into the machine that it was taken of, which went on
 * meanwhile, or into a new one.
 */

#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "dm-move.h"
#include "test-accel.h"

/* ---- Steps ---- */

static void monitor(QTestState *qts, const char *command)
{
    g_autofree char *answer = qtest_hmp(qts, "%s", command);

    g_assert_cmpstr(answer, ==, "");
}

/* Loading it fails with @text. */
static void assert_not_loaded(QTestState *qts, const char *text)
{
    g_autofree char *answer = qtest_hmp(qts, "loadvm s");

    if (!strstr(answer, text)) {
        g_error("'%s' says nothing of '%s'", answer, text);
    }
}

static char *disk_options(void)
{
    return g_strdup_printf(" " STICK "-drive if=none,id=d,file=%s/disk.qcow2",
                           move_dir());
}

static void make_disk(void)
{
    g_autofree char *image = g_strdup_printf("%s/disk.qcow2", move_dir());

    g_assert_true(mkimg(image, "qcow2", 8));
}

/* Half of the stick is the guest's; there is room for snapshots. */
static Fixture *with_disk(void)
{
    g_autofree char *options = disk_options();
    Fixture *f;

    make_disk();
    f = grown_with(options);
    halve(f, 512);
    return f;
}

/* As it was then, in the machine of now. */
static void back(Fixture *f, const Fixture *then, const Numbers *numbers)
{
    QTestState *qts = f->qts;

    monitor(qts, "loadvm s");
    *f = *then;
    f->qts = f->guest.qts = qts;
    assert_numbers(qts, numbers);
    check(f);
}

static void grow(Fixture *f)
{
    set_target(f->qts, ALL);
    serve_until(f, ALL);
    fill(f, 7);
}

static void shrink(Fixture *f)
{
    release_all(f, 512);
    set_target(f->qts, BOOT_SIZE + 16 * MiB);
    serve_until(f, BOOT_SIZE + 16 * MiB);
}

/* ---- In the same machine ---- */

/* The guest has less now, and then more, or a new life, or another driver. */
static void test_snapshot(void)
{
    Fixture *f = with_disk();
    g_autofree Fixture *then = g_memdup2(f, sizeof(*f));
    Numbers before = read_numbers(f->qts);

    monitor(f->qts, "savevm s");
    grow(f);
    back(f, then, &before);
    shrink(f);
    back(f, then, &before);
    system_reset(f->qts);
    back(f, then, &before);
    dm_close(&f->guest);
    back(f, then, &before);
    back(f, then, &before);
    finish(f);
}

/*
 * It was given nothing yet, was given all, and is back: nobody has that memory.
 * That of memdev= has no granules.
 */
static void test_never_given(void)
{
    g_autofree char *options =
        g_strdup_printf(",memdev=mem-a,addr=0x100000000 " MEMFD_BACKEND
                        "-drive if=none,id=d,file=%s/disk.qcow2", move_dir());
    Fixture *f = g_new0(Fixture, 1);
    g_autofree Fixture *then = NULL;
    Numbers before;

    make_disk();
    fixture_start(f, options);
    then = g_memdup2(f, sizeof(*f));
    before = read_numbers(f->qts);
    monitor(f->qts, "savevm s");
    for (int reset = 0; reset < 2; reset++) {
        grow(f);
        g_assert_cmpuint(bytes_of_files(f->qts, MEMFD_FILE), ==, ADDED_SIZE);
        if (reset) {
            system_reset(f->qts);
        }
        back(f, then, &before);
        wait_bytes_of_files(f->qts, MEMFD_FILE, 0);
    }
    grow(f);
    check(f);
    scene_end(f);
}

/* The guest gives back the stick, which goes. */
static void take_out(Fixture *f)
{
    release_all(f, 512);
    set_target(f->qts, BOOT_SIZE);
    serve_until(f, BOOT_SIZE);
    unplug(f, "a");
}

/* The stick went and came. */
static void test_plugged_again(void)
{
    Fixture *f = with_disk();
    g_autofree Fixture *then = g_memdup2(f, sizeof(*f));
    Numbers before = read_numbers(f->qts);

    monitor(f->qts, "savevm s");
    take_out(f);
    plug(f, "a", 128 * MiB, true);
    back(f, then, &before);
    finish(f);
}

/* Without it, the snapshot is of another machine. */
static void test_unplugged(void)
{
    Fixture *f = with_disk();

    monitor(f->qts, "savevm s");
    take_out(f);
    assert_not_loaded(f->qts, "the sticks");
    scene_end(f);
}

/* The next change of size that is told. */
static uint64_t next_change(QTestState *qts)
{
    QDict *event = qtest_qmp_eventwait_ref(qts, "BALLOON_CHANGE");
    uint64_t actual = qdict_get_int(qdict_get_qdict(event, "data"), "actual");

    qobject_unref(event);
    return actual;
}

static void forget_changes(QTestState *qts)
{
    QDict *event;

    while ((event = qtest_qmp_event_ref(qts, "BALLOON_CHANGE"))) {
        qobject_unref(event);
    }
}

/*
 * One that is refused has reset the guest all the same: what it had of sticks is
 * discarded, and its size is told.
 */
static void do_refused(const char *then)
{
    Fixture *f = with_disk();
    uint64_t before;

    monitor(f->qts, "savevm s");
    take_out(f);
    plug(f, "a", 128 * MiB, false);
    serve_until(f, ALL);
    fill(f, 9);
    forget_changes(f->qts);
    before = balloon_counter(f->qts, "discarded");
    assert_not_loaded(f->qts, "the sticks");
    monitor(f->qts, then);
    monitor(f->qts, "cont");
    while (next_change(f->qts) != BOOT_SIZE) {
        /* one from before, as they are told once a second */
    }
    wait_counter(f->qts, "discarded", before + ALL - BOOT_SIZE);
    scene_end(f);
}

static void test_refused(void)
{
    do_refused("stop");
}

static void test_refused_and_reset(void)
{
    do_refused("system_reset");
}

/* The guest had its driver unloaded, and loads it again. */
static void test_disconnected(void)
{
    Fixture *f = with_disk();
    g_autofree Fixture *then = NULL;
    Numbers before;

    dm_close(&f->guest);
    wait_state(f->qts, "disconnected");
    then = g_memdup2(f, sizeof(*f));
    before = read_numbers(f->qts);
    monitor(f->qts, "savevm s");
    dm_open(&f->guest, CAPS);
    grow(f);
    back(f, then, &before);
    g_assert_true(balloon_state_is(f->qts, "disconnected"));
    dm_open(&f->guest, CAPS);
    serve_until(f, HALF);
    check(f);
    finish(f);
}

/* A request is in the ring, unread. */
static void test_unread(void)
{
    Fixture *f = with_disk();
    g_autofree Fixture *then = g_memdup2(f, sizeof(*f));
    QTestState *qts = f->qts;

    set_target(qts, ALL);
    wait_request(f);
    monitor(qts, "savevm s");
    serve_until(f, ALL);
    fill(f, 9);
    monitor(qts, "loadvm s");
    *f = *then;
    g_assert_true(dm_pending(&f->guest));
    serve_until(f, ALL);
    check(f);
    finish(f);
}

/* ---- What is said of it ---- */

/* One change of size and one stick in use, when the guest runs. */
static void test_snapshot_events(void)
{
    Fixture *f = with_disk();
    QDict *event;

    monitor(f->qts, "savevm s");
    forget_changes(f->qts);
    while ((event = qtest_qmp_event_ref(f->qts, "HV_BALLOON_HAPROT_INUSE"))) {
        qobject_unref(event);
    }
    monitor(f->qts, "loadvm s");
    event = qtest_qmp_eventwait_ref(f->qts, "HV_BALLOON_HAPROT_INUSE");
    qobject_unref(event);
    g_assert_cmpuint(next_change(f->qts), ==, HALF);
    g_assert_null(qtest_qmp_event_ref(f->qts, "HV_BALLOON_HAPROT_UNUSED"));
    scene_end(f);
}

/* ---- In a new machine ---- */

/* The machine starts with it; a guest that was paused then goes on. */
static void do_loadvm_option(bool paused)
{
    g_autofree char *disk = disk_options();
    g_autofree char *options = fixture_options(disk);
    Fixture *f = with_disk();
    Numbers before = read_numbers(f->qts);

    if (paused) {
        stop_vm(f->qts);
    }
    monitor(f->qts, "savevm s");
    qtest_quit(f->qts);
    f->qts = f->guest.qts =
        qtest_initf("-nodefaults -bios %s -machine q35 -accel %s -cpu max,%s "
                    "%s -loadvm s", rom_file(), test_accel(), DM_FLAGS,
                    options);
    wait_vm(f->qts, "running");
    assert_numbers(f->qts, &before);
    check(f);
    finish(f);
}

static void test_loadvm_option(void)
{
    do_loadvm_option(false);
}

static void test_loadvm_option_paused(void)
{
    do_loadvm_option(true);
}

static void test_no_qemu_img(void)
{
    g_test_skip("qemu-img is needed for a disk with snapshots");
}

static void add_tests(void)
{
    if (!have_qemu_img()) {
        qtest_add_func("/dm-snapshot/no-qemu-img", test_no_qemu_img);
        return;
    }
    qtest_add_func("/dm-snapshot/same-machine", test_snapshot);
    qtest_add_func("/dm-snapshot/never-given", test_never_given);
    qtest_add_func("/dm-snapshot/plugged-again", test_plugged_again);
    qtest_add_func("/dm-snapshot/unplugged", test_unplugged);
    qtest_add_func("/dm-snapshot/refused", test_refused);
    qtest_add_func("/dm-snapshot/refused/reset", test_refused_and_reset);
    qtest_add_func("/dm-snapshot/disconnected", test_disconnected);
    qtest_add_func("/dm-snapshot/unread", test_unread);
    qtest_add_func("/dm-snapshot/events", test_snapshot_events);
    qtest_add_func("/dm-snapshot/loadvm-option", test_loadvm_option);
    qtest_add_func("/dm-snapshot/loadvm-option/paused",
                   test_loadvm_option_paused);
}

int main(int argc, char **argv)
{
    return move_main(argc, argv, add_tests);
}
