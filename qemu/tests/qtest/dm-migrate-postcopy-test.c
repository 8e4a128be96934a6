/*
 * hv-balloon and its sticks in postcopy: the guest runs here while its memory is
 * still there
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "dm-move.h"

#define NO_POSTCOPY     "this host has no userfaultfd for this user"

/* ---- Steps ---- */

/* Both sides allow it; NULL if this host cannot, and then the test is over. */
static QTestState *postcopy_destination(Fixture *f, const char *more,
                                        bool preempt)
{
    QTestState *to = destination_deferred(more);

    if (!allow(f->qts, "postcopy-ram") || !allow(to, "postcopy-ram")) {
        qtest_quit(to);
        scene_skip(f, NO_POSTCOPY);
        return NULL;
    }
    if (preempt) {
        g_assert_true(allow(f->qts, "postcopy-preempt"));
        g_assert_true(allow(to, "postcopy-preempt"));
    }
    qmp_incoming(to, move_uri());
    return to;
}

static void start_postcopy(Fixture *f, QTestState *to)
{
    qtest_qmp_assert_success(f->qts, "{'execute': 'migrate-start-postcopy'}");
    wait_vm(to, "running");
    f->qts = f->guest.qts = to;
}

/* The rest arrives. */
static void end_postcopy(QTestState *from)
{
    set_bandwidth(from, 10 * GiB);
    wait_migration(from, "completed");
    qtest_quit(from);
}

static void assert_refused(QDict *error, const char *what)
{
    const char *desc = qdict_get_str(error, "desc");

    if (!strstr(desc, what)) {
        g_error("error '%s', expected '%s'", desc, what);
    }
    qobject_unref(error);
}

static void assert_no_plug(QTestState *qts)
{
    qtest_qmp_assert_success(qts, "{'execute': 'object-add', 'arguments': {"
                             "'qom-type': 'memory-backend-ram', 'id': 'mem-b', "
                             "'size': 2097152}}");
    assert_refused(qtest_qmp_assert_failure_ref(qts,
                       "{'execute': 'device_add', 'arguments': {"
                       "'driver': 'mem-haprot', 'id': 'b', "
                       "'memdev': 'mem-b'}}"), "not allowed while migrating");
    qtest_qmp_assert_success(qts, "{'execute': 'object-del', 'arguments': {"
                             "'id': 'mem-b'}}");
}

/* ---- Tests ---- */

/*
 * It can be given nothing before all has arrived: the source would not know
 * these pages. It can release some.
 */
static void do_postcopy(bool preempt)
{
    Fixture *f = halved();
    QTestState *from = f->qts;
    QTestState *to = postcopy_destination(f, " " STICK, preempt);

    if (!to) {
        return;
    }
    set_bandwidth(from, 4 * MiB);
    qmp_migrate(from, move_uri());
    wait_migration(from, "active");
    start_postcopy(f, to);
    set_target(to, ALL);
    g_usleep(200000);
    assert_quiet(f);
    assert_last_error(to, "still arriving");
    release_all(f, 64);
    set_target(to, HALF - 16 * MiB);
    serve_until(f, HALF - 16 * MiB);
    set_target(to, ALL);
    end_postcopy(from);
    serve_until(f, ALL);
    check(f);
    finish(f);
}

static void test_postcopy(void)
{
    do_postcopy(false);
}

static void test_preempt(void)
{
    do_postcopy(true);
}

/*
 * What it was given while the first phase went on, it has not written to. It
 * reads it here, long before the rest has arrived.
 */
static void test_given_before_postcopy(void)
{
    Fixture *f = grown();
    QTestState *from = f->qts;
    QTestState *to = postcopy_destination(f, " " STICK, false);

    if (!to) {
        return;
    }
    /* whole granules of the stick */
    halve(f, 4096);
    set_bandwidth(from, 1 * MiB);
    qmp_migrate(from, move_uri());
    wait_syncs(from, 1);
    set_target(from, ALL);
    serve_until(f, ALL);
    start_postcopy(f, to);
    g_assert_cmpuint(guest_check(to, ADDED_BASE, 64, 1), ==, 64);

    end_postcopy(from);
    check(f);
    finish(f);
}

/*
 * The connection breaks, is made anew, and the rest arrives. Nothing is asked of
 * the machine in between, as who needs a page that is still there waits for it.
 */
static void do_recover(bool preempt)
{
    Fixture *f = halved();
    QTestState *from = f->qts;
    QTestState *to = postcopy_destination(f, " " STICK, preempt);
    g_autofree char *again = g_strdup_printf("%s-again", move_uri());

    if (!to) {
        return;
    }
    set_bandwidth(from, 4 * MiB);
    qmp_migrate(from, move_uri());
    wait_migration(from, "active");
    start_postcopy(f, to);
    release_all(f, 64);
    set_target(to, HALF - 8 * MiB);
    serve_until(f, HALF - 8 * MiB);
    qtest_qmp_assert_success(from, "{'execute': 'migrate-pause'}");
    wait_migration(from, "postcopy-paused");
    wait_migration(to, "postcopy-paused");
    set_bandwidth(from, 10 * GiB);
    qtest_qmp_assert_success(to, "{'execute': 'migrate-recover', 'arguments': "
                             "{'uri': %s}}", again);
    qtest_qmp_assert_success(from, "{'execute': 'migrate', 'arguments': "
                             "{'uri': %s, 'resume': true}}", again);
    end_postcopy(from);
    set_target(to, HALF - 16 * MiB);
    serve_until(f, HALF - 16 * MiB);
    check(f);
    finish(f);
}

static void test_recover(void)
{
    do_recover(false);
}

static void test_preempt_recover(void)
{
    do_recover(true);
}

/* Cancelled before its second phase, and then again with one. */
static void test_after_cancel(void)
{
    Fixture *f = halved();
    QTestState *from = f->qts;
    QTestState *to = postcopy_destination(f, " " STICK, false);

    if (!to) {
        return;
    }
    qtest_set_expected_status(to, 1);
    set_bandwidth(from, 1 * MiB);
    qmp_migrate(from, move_uri());
    wait_syncs(from, 1);
    set_target(from, ALL);
    serve_until(f, ALL);
    qmp_cancel(from);
    wait_migration(from, "cancelled");
    qtest_wait_qemu(to);
    qtest_quit(to);
    fill(f, 8);
    halve(f, 4096);

    to = postcopy_destination(f, " " STICK, false);
    g_assert_nonnull(to);
    qmp_migrate(from, move_uri());
    wait_migration(from, "active");
    start_postcopy(f, to);
    assert_refused(qtest_qmp_assert_failure_ref(from,
                       "{'execute': 'migrate_cancel'}"), "cannot cancel");
    end_postcopy(from);
    check(f);
    finish(f);
}

/*
 * No stick comes while a machine sends its memory. One may come where it
 * arrives: the guest is offered it when all is there.
 */
static void test_plug(void)
{
    static const char options[] = " -m 64M,maxmem=320M " STICK;
    Fixture *f = grown_with(options);
    QTestState *from = f->qts;
    QTestState *to = postcopy_destination(f, options, false);

    if (!to) {
        return;
    }
    set_bandwidth(from, 1 * MiB);
    qmp_migrate(from, move_uri());
    wait_migration(from, "active");
    assert_no_plug(from);
    start_postcopy(f, to);
    plug(f, "b", 128 * MiB, false);
    assert_quiet(f);
    end_postcopy(from);
    check(f);
    g_assert_cmpuint(dm_hot_add_request(&f->guest).first, ==,
                     ADDED_BASE + ADDED_PAGES);
    dm_hot_add_response(&f->guest, 0, 1);
    set_target(to, ALL);
    unplug(f, "b");
    finish(f);
}

/* The source still sends the stick: it stays, though the guest has none of it. */
static void test_unplug(void)
{
    Fixture *f = grown();
    QTestState *from = f->qts;
    QTestState *to = postcopy_destination(f, " " STICK, false);

    if (!to) {
        return;
    }
    set_bandwidth(from, 1 * MiB);
    qmp_migrate(from, move_uri());
    wait_migration(from, "active");
    start_postcopy(f, to);
    release_all(f, 512);
    set_target(to, BOOT_SIZE);
    serve_until(f, BOOT_SIZE);
    assert_refused(qtest_qmp_assert_failure_ref(to,
                       "{'execute': 'device_del', 'arguments': {'id': 'a'}}"),
                   "still arriving");
    end_postcopy(from);
    check(f);
    unplug(f, "a");
    scene_end(f);
}

/* ---- Another kernel ---- */

/* At the beginning of granules of which nothing is populated. */
#define NEW_KERNEL_PAGES 64

/* Half of the stick is released, in whole granules; the migration has begun. */
static QTestState *begin_with_granules(Fixture *f)
{
    QTestState *to;

    halve(f, 4096);
    to = postcopy_destination(f, " " STICK, false);
    if (to) {
        set_bandwidth(f->qts, 1 * MiB);
        qmp_migrate(f->qts, move_uri());
        wait_syncs(f->qts, 1);
    }
    return to;
}

/* Another one, for the host. */
static void new_kernel_begins(QTestState *qts)
{
    wrmsr(qts, 0, MSR_GUEST_OS_ID, 0x8100000000000002);
}

/* All that was released is its own, and nothing of it is waited for. */
static void new_kernel_writes(QTestState *qts, uint32_t from, uint32_t seed)
{
    guest_fill(qts, ADDED_BASE + from, NEW_KERNEL_PAGES, seed);
    g_assert_cmpuint(guest_check(qts, ADDED_BASE + from, NEW_KERNEL_PAGES,
                                 seed), ==, 0);
}

/* It loads its driver, and gets no memory before the reset. */
static void new_kernel_connects(Fixture *f)
{
    dm_connect(&f->guest, f->qts);
    dm_open(&f->guest, CAPS);
    wait_state(f->qts, "new-kernel");
}

/* Both kernels have what they had, and wrote on either side of the switch. */
static void end_with_new_kernel(Fixture *f, QTestState *from, QTestState *to)
{
    end_postcopy(from);
    check(f);
    g_assert_cmpuint(guest_check(to, ADDED_BASE, NEW_KERNEL_PAGES, 5), ==, 0);
    g_assert_cmpuint(guest_check(to, ADDED_BASE + 1024, NEW_KERNEL_PAGES, 6),
                     ==, 0);
}

static void reset_and_finish(Fixture *f)
{
    system_reset(f->qts);
    memset(f->has, 0, sizeof(f->has));
    memset(f->known, 0, sizeof(f->known));
    dm_connect(&f->guest, f->qts);
    dm_open(&f->guest, CAPS);
    guest_fill(f->qts, KEPT_BASE, KEPT_PAGES, KEPT_SEED);
    finish(f);
}

/*
 * While the first phase goes on, a kernel starts another one, which writes to
 * what the first had released: that is sent. There it writes to the rest, which
 * is not waited for. @told: the host can tell that it is another one.
 */
static void do_kexec_before(bool told)
{
    Fixture *f = grown();
    QTestState *from = f->qts;
    QTestState *to = begin_with_granules(f);

    if (!to) {
        return;
    }
    dm_close(&f->guest);
    if (told) {
        new_kernel_begins(from);
    }
    new_kernel_writes(from, 0, 5);
    start_postcopy(f, to);
    g_assert_cmpuint(guest_check(to, ADDED_BASE, NEW_KERNEL_PAGES, 5), ==, 0);
    new_kernel_writes(to, 1024, 6);
    g_assert_true(migration_is(from, "postcopy-active"));
    end_with_new_kernel(f, from, to);
    new_kernel_connects(f);
    reset_and_finish(f);
}

static void test_kexec_before(void)
{
    do_kexec_before(true);
}

static void test_closed_before(void)
{
    do_kexec_before(false);
}

/* It is started where the guest has arrived, and the rest has not. */
static void test_kexec_after(void)
{
    Fixture *f = grown();
    QTestState *from = f->qts;
    QTestState *to = begin_with_granules(f);

    if (!to) {
        return;
    }
    start_postcopy(f, to);
    dm_close(&f->guest);
    new_kernel_begins(to);
    new_kernel_writes(to, 0, 5);
    new_kernel_connects(f);
    new_kernel_writes(to, 1024, 6);
    g_assert_true(migration_is(from, "postcopy-active"));
    end_with_new_kernel(f, from, to);
    reset_and_finish(f);
}

/*
 * The rings are in the stick. The channel is opened again as the device is
 * loaded, and its indices are there.
 */
static void test_rings_in_stick(void)
{
    Fixture *f = grown();
    QTestState *from = f->qts;
    uint32_t first = ADDED_PAGES - 2 * DM_RING_PAGES;
    QTestState *to;

    dm_close(&f->guest);
    dm_place_rings(&f->guest, 2, (ADDED_BASE + first) * DM_PAGE);
    /* the guest has these pages, and the test does not write to them */
    memset(f->has + first, 0, 2 * DM_RING_PAGES * sizeof(*f->has));
    dm_open(&f->guest, CAPS);
    halve(f, 64);
    to = postcopy_destination(f, " " STICK, false);
    if (!to) {
        return;
    }
    set_bandwidth(from, 4 * MiB);
    qmp_migrate(from, move_uri());
    wait_migration(from, "active");
    start_postcopy(f, to);
    g_assert_cmpuint(guest_check(to, ADDED_BASE + 64, 64, 1), ==, 0);
    end_postcopy(from);
    check(f);
    set_target(to, ALL);
    serve_until(f, ALL);
    check(f);
    scene_end(f);
}

static void add_tests(void)
{
    qtest_add_func("/dm-migrate-postcopy/plain", test_postcopy);
    qtest_add_func("/dm-migrate-postcopy/preempt", test_preempt);
    qtest_add_func("/dm-migrate-postcopy/given-before", test_given_before_postcopy);
    qtest_add_func("/dm-migrate-postcopy/recover", test_recover);
    qtest_add_func("/dm-migrate-postcopy/preempt-recover", test_preempt_recover);
    qtest_add_func("/dm-migrate-postcopy/after-cancel", test_after_cancel);
    qtest_add_func("/dm-migrate-postcopy/plug", test_plug);
    qtest_add_func("/dm-migrate-postcopy/unplug", test_unplug);
    qtest_add_func("/dm-migrate-postcopy/kexec/before", test_kexec_before);
    qtest_add_func("/dm-migrate-postcopy/kexec/unknown", test_closed_before);
    qtest_add_func("/dm-migrate-postcopy/kexec/after", test_kexec_after);
    qtest_add_func("/dm-migrate-postcopy/rings-in-stick", test_rings_in_stick);
}

int main(int argc, char **argv)
{
    return move_main(argc, argv, add_tests);
}
