/*
 * hv-balloon, its sticks and its channel across migrations and snapshots
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The guest is that of dm-fixture.h. It is moved in every state of its driver,
 * with messages unread in either ring, and knows nothing of it: what it wrote
 * must be there, and the driver goes on where it was.
 */

#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "dm-fixture.h"
#include "test-accel.h"

#define STICK           "-object memory-backend-ram,id=mem-a,size=128M " \
                        "-device mem-haprot,id=a,memdev=mem-a," \
                        "addr=0x100000000,insert=on-demand "
#define HALF            (BOOT_SIZE + ADDED_SIZE / 2)
#define ALL             (BOOT_SIZE + ADDED_SIZE)

static char *tmp;
static char *uri;                /* of a socket there */

/* ---- Moving ---- */

static void qmp_migrate(QTestState *qts, const char *to)
{
    qtest_qmp_assert_success(qts, "{'execute': 'migrate', 'arguments': "
                             "{'uri': %s}}", to);
}

static char *migration_status(QTestState *qts)
{
    QDict *info = query_dict(qts, "query-migrate");
    char *status = g_strdup(qdict_get_try_str(info, "status"));

    qobject_unref(info);
    return status;
}

static void wait_migration(QTestState *qts, const char *wanted)
{
    int64_t end = g_get_monotonic_time() + 3 * WAIT_US;
    g_autofree char *status = migration_status(qts);

    while (g_strcmp0(status, wanted)) {
        if (g_get_monotonic_time() >= end) {
            g_error("the migration is %s, not %s", status, wanted);
        }
        g_usleep(1000);
        g_free(status);
        status = migration_status(qts);
    }
}

static bool vm_is(QTestState *qts, const char *wanted)
{
    QDict *info = query_dict(qts, "query-status");
    bool is = g_str_equal(qdict_get_str(info, "status"), wanted);

    qobject_unref(info);
    return is;
}

static void wait_vm(QTestState *qts, const char *wanted)
{
    int64_t end = g_get_monotonic_time() + WAIT_US;

    while (!vm_is(qts, wanted)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(1000);
    }
}

static void stop(QTestState *qts)
{
    qtest_qmp_assert_success(qts, "{'execute': 'stop'}");
}

static void cont(QTestState *qts)
{
    qtest_qmp_assert_success(qts, "{'execute': 'cont'}");
}

/* A machine that waits for a migration; @more as for fixture_options(). */
static QTestState *destination(const char *more)
{
    g_autofree char *machine = fixture_options(more);
    g_autofree char *options =
        g_strdup_printf("-machine q35 -accel %s -cpu max,%s %s -incoming %s",
                        test_accel(), DM_FLAGS, machine, uri);

    return guest_init(options);
}

/* The guest is on another machine, which has the same sticks. */
static void arrive(Fixture *f, QTestState *qts)
{
    qtest_quit(f->qts);
    f->qts = f->guest.qts = qts;
}

static void move(Fixture *f, const char *more)
{
    bool stopped = vm_is(f->qts, "paused");
    QTestState *qts = destination(more);

    qmp_migrate(f->qts, uri);
    wait_migration(f->qts, "completed");
    wait_vm(qts, stopped ? "paused" : "running");
    arrive(f, qts);
}

/* ---- What the device says of itself ---- */

static const char *const numbers[] = {
    "target", "actual", "boot", "capacity", "released", "in-doubt", "offline",
    "ghosts", "ungranted",
};

typedef struct Numbers {
    uint64_t n[ARRAY_SIZE(numbers)];
} Numbers;

static Numbers read_numbers(QTestState *qts)
{
    Numbers all;

    for (int i = 0; i < ARRAY_SIZE(numbers); i++) {
        all.n[i] = balloon_number(qts, numbers[i]);
    }
    return all;
}

static void assert_numbers(QTestState *qts, const Numbers *expected)
{
    Numbers is = read_numbers(qts);

    for (int i = 0; i < ARRAY_SIZE(numbers); i++) {
        if (is.n[i] != expected->n[i]) {
            g_error("%s is %" PRIu64 ", was %" PRIu64, numbers[i], is.n[i],
                    expected->n[i]);
        }
    }
}

/* ---- Scenes ---- */

/* All of the stick is the guest's. */
static Fixture *grown(void)
{
    Fixture *f = g_new0(Fixture, 1);

    fixture_start(f, " " STICK);
    set_target(f->qts, ALL);
    serve_until(f, ALL);
    fill(f, 1);
    return f;
}

/* Half of it is released, in many pieces. */
static Fixture *halved(void)
{
    Fixture *f = grown();

    release_half(f, 64);
    set_target(f->qts, HALF);
    serve_until(f, HALF);
    return f;
}

/* Whatever happened, the guest can be moved in size, and has its memory. */
static void finish(Fixture *f)
{
    set_target(f->qts, ALL);
    serve_until(f, ALL);
    check(f);
    fill(f, 2);
    release_all(f, 512);
    set_target(f->qts, BOOT_SIZE);
    serve_until(f, BOOT_SIZE);
    check(f);
    unplug(f, "a");
    qtest_quit(f->qts);
    g_free(f);
}

/* ---- The states of the driver ---- */

static void test_idle(void)
{
    Fixture *f = halved();
    Numbers before = read_numbers(f->qts);

    move(f, " " STICK);
    assert_numbers(f->qts, &before);
    wait_state(f->qts, "idle");
    check(f);
    finish(f);
}

static void test_again_and_again(void)
{
    Fixture *f = halved();

    for (int i = 0; i < 4; i++) {
        move(f, " " STICK);
        check(f);
        set_target(f->qts, i % 2 ? HALF : ALL);
        release_half(f, 64);
        serve_until(f, i % 2 ? HALF : ALL);
        fill(f, 10 + i);
    }
    finish(f);
}

/* The machine asked the guest for something, which is unread in its ring. */
typedef struct Unread {
    const char *name;
    bool grown;                 /* else half of the stick is released */
    uint64_t target;
    const char *state;
} Unread;

static const Unread unread[] = {
    { "ballooning", true, HALF, "ballooning" },
    { "returning", false, ALL, "returning" },
};

static void wait_request(Fixture *f)
{
    int64_t end = g_get_monotonic_time() + WAIT_US;

    while (!dm_pending(&f->guest)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
}

static void test_unread(const void *opaque)
{
    const Unread *u = opaque;
    Fixture *f = u->grown ? grown() : halved();

    release_half(f, 64);
    set_target(f->qts, u->target);
    wait_request(f);
    move(f, " " STICK);
    g_assert_true(dm_pending(&f->guest));
    g_assert_true(balloon_state_is(f->qts, u->state));
    serve_until(f, u->target);
    check(f);
    finish(f);
}

static void test_unread_hot_add(void)
{
    Fixture *f = g_new0(Fixture, 1);

    fixture_start(f, " " STICK);
    set_target(f->qts, ALL);
    wait_request(f);
    move(f, " " STICK);
    g_assert_true(balloon_state_is(f->qts, "adding"));
    serve_until(f, ALL);
    fill(f, 1);
    finish(f);
}

/*
 * The guest's answer is in the ring, and its signal was lost with the source:
 * the guest will not send another, as the ring was empty when it wrote.
 */
static void test_unread_answer(void)
{
    Fixture *f = grown();
    DmPages pages = { ADDED_BASE, ADDED_PAGES / 2 };

    set_target(f->qts, HALF);
    g_assert_cmpuint(dm_balloon_request(&f->guest), ==, pages.count);
    stop(f->qts);
    dm_leave_balloon_response(&f->guest, pages);
    move(f, " " STICK);
    g_assert_cmpuint(balloon_number(f->qts, "actual"), ==, ALL);
    cont(f->qts);
    for (uint64_t i = 0; i < pages.count; i++) {
        f->has[i] = false;
    }
    wait_state(f->qts, "idle");
    g_assert_cmpuint(balloon_number(f->qts, "actual"), ==, HALF);
    check(f);
    finish(f);
}

/* Nothing is asked of a guest that is stopped, and all of it afterwards. */
static void test_stopped(void)
{
    Fixture *f = grown();

    release_half(f, 64);
    stop(f->qts);
    set_target(f->qts, HALF);
    g_usleep(100000);
    g_assert_false(dm_pending(&f->guest));
    move(f, " " STICK);
    g_usleep(100000);
    g_assert_false(dm_pending(&f->guest));
    cont(f->qts);
    serve_until(f, HALF);
    check(f);
    finish(f);
}

/* ---- Before there is a driver ---- */

static Fixture *bare(void)
{
    g_autofree char *options = fixture_options(" " STICK);
    Fixture *f = g_new0(Fixture, 1);

    f->qts = guest_simple(DM_FLAGS, options);
    return f;
}

static void test_no_driver(void)
{
    Fixture *f = bare();

    set_target(f->qts, ALL);
    move(f, " " STICK);
    g_assert_cmpuint(balloon_number(f->qts, "target"), ==, ALL);
    dm_connect(&f->guest, f->qts);
    dm_open(&f->guest, CAPS);
    serve_until(f, ALL);
    fill(f, 3);
    guest_fill(f->qts, KEPT_BASE, KEPT_PAGES, KEPT_SEED);
    finish(f);
}

/* Connected to the bus; the channel is open; the version is agreed on. */
static void test_handshake(const void *opaque)
{
    unsigned step = GPOINTER_TO_UINT(opaque);
    Fixture *f = bare();

    guest_fill(f->qts, KEPT_BASE, KEPT_PAGES, KEPT_SEED);
    dm_connect(&f->guest, f->qts);
    if (step == 0) {
        move(f, " " STICK);
        dm_open(&f->guest, CAPS);
    } else {
        g_assert_cmpuint(dm_open_channel(&f->guest), ==, 0);
        move(f, " " STICK);
        g_assert_true(balloon_state_is(f->qts, "handshake"));
        dm_handshake(&f->guest, CAPS);
    }
    set_target(f->qts, ALL);
    serve_until(f, ALL);
    fill(f, 3);
    finish(f);
}

/* ---- Afterwards ---- */

static void test_reset(void)
{
    Fixture *f = halved();

    move(f, " " STICK);
    system_reset(f->qts);
    memset(f->has, 0, sizeof(f->has));
    memset(f->known, 0, sizeof(f->known));
    dm_connect(&f->guest, f->qts);
    dm_open(&f->guest, CAPS);
    guest_fill(f->qts, KEPT_BASE, KEPT_PAGES, KEPT_SEED);
    serve_until(f, HALF);
    fill(f, 4);
    finish(f);
}

/* The kernel is the one that connected at the source, or it is not. */
static void test_reconnect(void)
{
    Fixture *f = halved();

    move(f, " " STICK);
    dm_close(&f->guest);
    dm_open(&f->guest, CAPS);
    serve_until(f, HALF);
    check(f);
    move(f, " " STICK);
    dm_connect(&f->guest, f->qts);
    dm_open(&f->guest, CAPS);
    wait_state(f->qts, "new-kernel");
    move(f, " " STICK);
    g_assert_true(balloon_state_is(f->qts, "new-kernel"));
    check(f);
    qtest_quit(f->qts);
    g_free(f);
}

/*
 * Another kernel uses what the last one had released: it is in its memory map.
 * None of it may be left out.
 */
static void test_kexec(void)
{
    Fixture *f = halved();

    dm_close(&f->guest);
    guest_fill(f->qts, ADDED_BASE, ADDED_PAGES, 5);
    move(f, " " STICK);
    g_assert_cmpuint(guest_check(f->qts, ADDED_BASE, ADDED_PAGES, 5), ==, 0);
    qtest_quit(f->qts);
    g_free(f);
}

/*
 * A guest that spoils its ring keeps itself from being resized, and not from
 * being moved or restored.
 */
static void test_spoilt_ring(void)
{
    Fixture *f = halved();

    qtest_writel(f->qts, DM_RING_IN(&f->guest) + DM_WRITE_INDEX, UINT32_MAX);
    move(f, " " STICK);
    g_assert_true(balloon_state_is(f->qts, "disconnected"));
    check(f);
    dm_close(&f->guest);
    dm_open(&f->guest, CAPS);
    serve_until(f, HALF);
    check(f);
    finish(f);
}

/* ---- What is sent ---- */

static uint64_t not_sent(QTestState *qts)
{
    QDict *info = query_dict(qts, "query-hv-balloon");
    uint64_t bytes = qdict_get_int(qdict_get_qdict(info, "migration"),
                                   "not-sent");

    qobject_unref(info);
    return bytes;
}

static void migrate_to_file(Fixture *f)
{
    g_autofree char *file = g_strdup_printf("file:%s/state", tmp);

    qmp_migrate(f->qts, file);
    wait_migration(f->qts, "completed");
}

static void test_not_sent(void)
{
    Fixture *f = grown();

    release_half(f, 4096);
    set_target(f->qts, HALF);
    serve_until(f, HALF);
    g_assert_cmpuint(not_sent(f->qts), ==, 0);
    migrate_to_file(f);
    g_assert_cmpuint(not_sent(f->qts), ==, ADDED_SIZE / 2);
    qtest_quit(f->qts);
    g_free(f);
}

/* The guest has released 16 MiB of boot memory. */
static Fixture *shrunk(const char *more)
{
    Fixture *f = g_new0(Fixture, 1);

    fixture_start(f, more);
    set_target(f->qts, BOOT_SIZE - 16 * MiB);
    dm_release(&f->guest, (DmPages) { KEPT_BASE, BLOCK_PAGES });
    wait_state(f->qts, "idle");
    return f;
}

static void test_boot_not_sent(void)
{
    Fixture *f = shrunk(" " STICK);

    migrate_to_file(f);
    g_assert_cmpuint(not_sent(f->qts), ==, 16 * MiB + ADDED_SIZE);
    qtest_quit(f->qts);
    g_free(f);
}

static bool allow(QTestState *qts, const char *capability)
{
    QDict *answer = qtest_qmp(qts, "{'execute': 'migrate-set-capabilities', "
                              "'arguments': {'capabilities': [{'capability': "
                              "%s, 'state': true}]}}", capability);
    bool allowed = !qdict_haskey(answer, "error");

    qobject_unref(answer);
    return allowed;
}

/* Memory that the destination has already is no part of the migration. */
static void test_ignored_memory(void)
{
    g_autofree char *options =
        g_strdup_printf(" " STICK "-object memory-backend-file,id=ram,size=64M,"
                        "mem-path=%s/ram,share=on "
                        "-machine memory-backend=ram", tmp);
    Fixture *f = shrunk(options);

    g_assert_true(allow(f->qts, "x-ignore-shared"));
    migrate_to_file(f);
    g_assert_cmpuint(not_sent(f->qts), >=, ADDED_SIZE);
    qtest_quit(f->qts);
    g_free(f);
}

static void set_bandwidth(QTestState *qts, uint64_t bytes)
{
    qtest_qmp_assert_success(qts, "{'execute': 'migrate-set-parameters', "
                             "'arguments': {'max-bandwidth': %" PRIu64 ", "
                             "'max-postcopy-bandwidth': %" PRIu64 "}}",
                             bytes, bytes);
}

static uint64_t syncs(QTestState *qts)
{
    QDict *info = query_dict(qts, "query-migrate");
    QDict *ram = qdict_get_qdict(info, "ram");
    uint64_t n = ram ? qdict_get_int(ram, "dirty-sync-count") : 0;

    qobject_unref(info);
    return n;
}

static void wait_syncs(QTestState *qts, uint64_t n)
{
    while (syncs(qts) < n) {
        g_usleep(1000);
    }
}

/*
 * What is written after a pass has collected the dirty pages is sent in the
 * next one, whichever block it is in: with a stick on the command line, boot
 * memory is not at 0 of QEMU's own addresses. The first processor writes to so
 * few pages that TCG's TLB keeps them all: then it goes on without a look at
 * who logs. The second one has the migration make some passes.
 */
static void test_writes_are_logged(void)
{
    g_autofree char *options = fixture_options(" " STICK);
    Regs few = { .ebx = KEPT_BASE << 12, .ecx = 16, .edx = INPUT };
    Regs many = { .ebx = (KEPT_BASE + 32) << 12, .ecx = 4096, .edx = INPUT };
    QTestState *from, *to;
    uint32_t passes;

    from = guest_start("q35", test_accel(), 2, DM_FLAGS, options);
    start_ap(from, 1);
    execute_start(from, 0, OP_COUNT, &few);
    execute_start(from, 1, OP_COUNT, &many);
    to = destination(" -smp 2 " STICK);
    set_bandwidth(from, 16 * MiB);
    qmp_migrate(from, uri);
    wait_syncs(from, 4);
    set_bandwidth(from, 10 * GiB);
    wait_migration(from, "completed");
    wait_vm(to, "running");
    qtest_quit(from);
    qtest_writel(to, INPUT, 1);
    wait_for(to, MAILBOX(0), 0, true);
    passes = qtest_readl(to, MAILBOX(0) + 4);
    for (uint32_t i = 0; i < few.ecx; i++) {
        g_assert_cmpuint(qtest_readl(to, few.ebx + i * DM_PAGE), ==, passes);
    }
    qtest_quit(to);
}

/* The guest gets back, and writes to, what earlier passes left out. */
static void test_returned_meanwhile(void)
{
    Fixture *f = halved();
    QTestState *qts;

    qts = destination(" " STICK);
    set_bandwidth(f->qts, 20 * MiB);
    qmp_migrate(f->qts, uri);
    wait_syncs(f->qts, 1);
    set_target(f->qts, ALL);
    serve_until(f, ALL);
    fill(f, 6);
    release_half(f, 512);
    set_target(f->qts, HALF);
    serve_until(f, HALF);
    set_bandwidth(f->qts, 10 * GiB);
    wait_migration(f->qts, "completed");
    wait_vm(qts, "running");
    arrive(f, qts);
    check(f);
    finish(f);
}

static void test_cancel(void)
{
    Fixture *f = halved();
    QTestState *qts = destination(" " STICK);

    qtest_set_expected_status(qts, 1);
    set_bandwidth(f->qts, 1 * MiB);
    qmp_migrate(f->qts, uri);
    wait_syncs(f->qts, 1);
    set_target(f->qts, ALL);
    qtest_qmp_assert_success(f->qts, "{'execute': 'migrate_cancel'}");
    wait_migration(f->qts, "cancelled");
    qtest_wait_qemu(qts);
    qtest_quit(qts);
    serve_until(f, ALL);
    set_bandwidth(f->qts, 10 * GiB);
    move(f, " " STICK);
    check(f);
    finish(f);
}

/* ---- Postcopy ---- */

/* True if this host cannot do it: then the test is over. */
static bool no_postcopy(Fixture *f, QTestState *to)
{
    if (allow(f->qts, "postcopy-ram") && allow(to, "postcopy-ram")) {
        return false;
    }
    g_test_skip("this host has no userfaultfd for this user");
    qtest_quit(to);
    qtest_quit(f->qts);
    g_free(f);
    return true;
}

static void assert_last_error(QTestState *qts, const char *text)
{
    QDict *info = query_dict(qts, "query-hv-balloon");
    const char *error = qdict_get_try_str(info, "last-error");

    g_assert_nonnull(error);
    g_assert_nonnull(strstr(error, text));
    qobject_unref(info);
}

/*
 * The guest runs here and its memory is still there. It can be given nothing
 * before all has arrived: the source would not know these pages. It can release
 * some.
 */
static void test_postcopy(void)
{
    Fixture *f = halved();
    QTestState *from = f->qts, *to = destination(" " STICK);

    if (no_postcopy(f, to)) {
        return;
    }
    set_bandwidth(from, 4 * MiB);
    qmp_migrate(from, uri);
    wait_migration(from, "active");
    qtest_qmp_assert_success(from, "{'execute': 'migrate-start-postcopy'}");
    wait_vm(to, "running");
    f->qts = f->guest.qts = to;
    set_target(to, ALL);
    g_usleep(300000);
    g_assert_false(dm_pending(&f->guest));
    assert_last_error(to, "still arriving");
    release_all(f, 64);
    set_target(to, HALF - 16 * MiB);
    serve_until(f, HALF - 16 * MiB);
    set_target(to, ALL);

    set_bandwidth(from, 10 * GiB);
    wait_migration(from, "completed");
    qtest_quit(from);
    serve_until(f, ALL);
    check(f);
    finish(f);
}

/*
 * What it was given while the first phase went on, it has not written to. It
 * reads it here, long before the rest has arrived.
 */
static void test_given_before_postcopy(void)
{
    Fixture *f = grown();
    QTestState *from = f->qts, *to = destination(" " STICK);

    if (no_postcopy(f, to)) {
        return;
    }
    /* whole granules of the stick */
    release_half(f, 4096);
    set_target(from, HALF);
    serve_until(f, HALF);
    set_bandwidth(from, 1 * MiB);
    qmp_migrate(from, uri);
    wait_syncs(from, 1);
    set_target(from, ALL);
    serve_until(f, ALL);
    qtest_qmp_assert_success(from, "{'execute': 'migrate-start-postcopy'}");
    wait_vm(to, "running");
    f->qts = f->guest.qts = to;
    g_assert_cmpuint(guest_check(to, ADDED_BASE, 64, 1), ==, 64);

    set_bandwidth(from, 10 * GiB);
    wait_migration(from, "completed");
    qtest_quit(from);
    check(f);
    finish(f);
}

/* ---- A destination that is not the same ---- */

typedef struct Other {
    const char *name;
    const char *options;
    const char *error;
} Other;

#define BACKEND         "-object memory-backend-ram,id=mem-a,size=128M "

static const Other others[] = {
    { "address", " -m 64M,maxmem=320M " BACKEND "-device mem-haprot,id=a,memdev=mem-a,"
      "addr=0x101000000,insert=on-demand", "the sticks" },
    { "insert", " " BACKEND "-device mem-haprot,id=a,memdev=mem-a,"
      "addr=0x100000000,insert=now", "the sticks" },
    { "profile", ",guest-profile=windows " STICK, "guest-profile" },
    { "none", " -m 64M,slots=1,maxmem=192M " BACKEND "-device pc-dimm,memdev=mem-a", "the sticks" },
};

static void assert_in_file(const char *path, const char *text)
{
    g_autofree char *content = NULL;

    g_assert_true(g_file_get_contents(path, &content, NULL, NULL));
    if (!strstr(content, text)) {
        g_error("'%s' says nothing of '%s'", content, text);
    }
}

/* It refuses before the memory is sent, and the source goes on. */
static void test_other(const void *opaque)
{
    const Other *other = opaque;
    g_autofree char *log = g_strdup_printf("%s/log", tmp);
    g_autofree char *options = g_strdup_printf("%s -D %s 2>%s", other->options,
                                               log, log);
    Fixture *f = halved();
    QTestState *qts = destination(options);

    qtest_set_expected_status(qts, 1);
    set_bandwidth(f->qts, 1 * MiB);
    qmp_migrate(f->qts, uri);
    qtest_wait_qemu(qts);
    qtest_quit(qts);
    wait_migration(f->qts, "failed");
    g_assert_true(vm_is(f->qts, "running"));
    assert_in_file(log, other->error);
    check(f);
    finish(f);
}

/* ---- A stream that was damaged ---- */

#define DAMAGED_RUNS    30

/* Sections that a guest, or who keeps a saved state, has a say in. */
static const char *const sections[] = {
    "hv-balloon/layout", "hv-balloon/memory", "vmbus-bridge",
    "\nhv-balloon",            /* the length, which keeps the others out */
};
/* How far behind its name a section is damaged. */
#define SECTION_BYTES   700

static void damage(uint8_t *stream, gsize len)
{
    const char *name = sections[g_test_rand_int_range(0, ARRAY_SIZE(sections))];
    uint8_t *at = memmem(stream, len, name, strlen(name));
    gsize offset = g_test_rand_int_range(strlen(name), SECTION_BYTES);

    g_assert_nonnull(at);
    at[MIN(offset, stream + len - at - 1)] ^= g_test_rand_int_range(1, 256);
}

/* Loads it and lets the guest run for a moment; or it is refused: not 0. */
static int load(const char *path)
{
    g_autofree char *machine = fixture_options(" " STICK);
    g_autofree char *command = g_strdup_printf(
        "(sleep 0.5; echo quit) | timeout -s KILL 30 %s -display none "
        "-monitor stdio -nodefaults -m 64 -bios %s -machine q35 -accel %s "
        "-cpu max,%s %s -incoming file:%s >%s/log 2>&1",
        getenv("QTEST_QEMU_BINARY"), rom_file(), test_accel(), DM_FLAGS,
        machine, path, tmp);
    int status = system(command);

    g_assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_damaged(void)
{
    g_autofree char *path = g_strdup_printf("%s/state", tmp);
    g_autofree char *file = g_strdup_printf("file:%s", path);
    g_autofree char *bad = g_strdup_printf("%s/damaged", tmp);
    g_autofree char *good = NULL;
    int status, refused = 0;
    Fixture *f = halved();
    gsize len;

    set_target(f->qts, ALL);
    wait_request(f);
    qmp_migrate(f->qts, file);
    wait_migration(f->qts, "completed");
    qtest_quit(f->qts);
    g_free(f);

    g_assert_true(g_file_get_contents(path, &good, &len, NULL));
    for (int i = 0; i < DAMAGED_RUNS; i++) {
        g_autofree uint8_t *stream = g_memdup2(good, len);

        damage(stream, len);
        g_assert_true(g_file_set_contents(bad, (char *)stream, len, NULL));
        status = load(bad);
        if (status > 1) {
            g_error("exit status %d with %s", status, bad);
        }
        refused += status;
    }
    g_assert_cmpint(refused, >, 0);
    g_assert_cmpint(load(path), ==, 0);
}

/* ---- Snapshots ---- */

static void monitor(QTestState *qts, const char *command)
{
    g_autofree char *answer = qtest_hmp(qts, "%s", command);

    g_assert_cmpstr(answer, ==, "");
}

static Fixture *with_disk(void)
{
    g_autofree char *image = g_strdup_printf("%s/disk.qcow2", tmp);
    g_autofree char *options =
        g_strdup_printf(" " STICK "-drive if=none,id=d,file=%s", image);
    Fixture *f = g_new0(Fixture, 1);

    g_assert_true(mkimg(image, "qcow2", 8));
    fixture_start(f, options);
    set_target(f->qts, ALL);
    serve_until(f, ALL);
    fill(f, 1);
    release_half(f, 512);
    set_target(f->qts, HALF);
    serve_until(f, HALF);
    return f;
}

/*
 * The snapshot is loaded into a machine that went on: the guest has less now,
 * and then more.
 */
static void test_snapshot(void)
{
    Fixture *f = with_disk();
    g_autofree Fixture *then = g_memdup2(f, sizeof(*f));
    Numbers before = read_numbers(f->qts);

    monitor(f->qts, "savevm s");
    set_target(f->qts, ALL);
    serve_until(f, ALL);
    fill(f, 7);
    monitor(f->qts, "loadvm s");
    *f = *then;
    assert_numbers(f->qts, &before);
    check(f);

    release_all(f, 512);
    set_target(f->qts, BOOT_SIZE + 16 * MiB);
    serve_until(f, BOOT_SIZE + 16 * MiB);
    monitor(f->qts, "loadvm s");
    *f = *then;
    assert_numbers(f->qts, &before);
    check(f);
    finish(f);
}

/* One change of size and one stick in use, when the guest runs. */
static void test_snapshot_events(void)
{
    Fixture *f = with_disk();
    QDict *event;

    monitor(f->qts, "savevm s");
    while ((event = qtest_qmp_event_ref(f->qts, "BALLOON_CHANGE"))) {
        qobject_unref(event);
    }
    while ((event = qtest_qmp_event_ref(f->qts, "HV_BALLOON_HAPROT_INUSE"))) {
        qobject_unref(event);
    }
    monitor(f->qts, "loadvm s");
    event = qtest_qmp_eventwait_ref(f->qts, "HV_BALLOON_HAPROT_INUSE");
    qobject_unref(event);
    event = qtest_qmp_eventwait_ref(f->qts, "BALLOON_CHANGE");
    g_assert_cmpint(qdict_get_int(qdict_get_qdict(event, "data"), "actual"),
                    ==, HALF);
    qobject_unref(event);
    g_assert_null(qtest_qmp_event_ref(f->qts, "HV_BALLOON_HAPROT_UNUSED"));
    qtest_quit(f->qts);
    g_free(f);
}

static void add_tests(void)
{
    qtest_add_func("/dm-migrate/idle", test_idle);
    qtest_add_func("/dm-migrate/again-and-again", test_again_and_again);
    for (int i = 0; i < ARRAY_SIZE(unread); i++) {
        g_autofree char *path = g_strdup_printf("/dm-migrate/unread/%s",
                                                unread[i].name);

        qtest_add_data_func(path, &unread[i], test_unread);
    }
    qtest_add_func("/dm-migrate/unread/hot-add", test_unread_hot_add);
    qtest_add_func("/dm-migrate/unread/answer", test_unread_answer);
    qtest_add_func("/dm-migrate/stopped", test_stopped);
    qtest_add_func("/dm-migrate/no-driver", test_no_driver);
    qtest_add_data_func("/dm-migrate/handshake/bus", GUINT_TO_POINTER(0),
                        test_handshake);
    qtest_add_data_func("/dm-migrate/handshake/channel", GUINT_TO_POINTER(1),
                        test_handshake);
    qtest_add_func("/dm-migrate/reset", test_reset);
    qtest_add_func("/dm-migrate/reconnect", test_reconnect);
    qtest_add_func("/dm-migrate/kexec", test_kexec);
    qtest_add_func("/dm-migrate/not-sent", test_not_sent);
    qtest_add_func("/dm-migrate/not-sent/boot-memory", test_boot_not_sent);
    qtest_add_func("/dm-migrate/ignored-memory", test_ignored_memory);
    if (!test_accel_is_kvm()) {
        /* about TCG's TLB */
        qtest_add_func("/dm-migrate/writes-are-logged", test_writes_are_logged);
    }
    qtest_add_func("/dm-migrate/returned-meanwhile", test_returned_meanwhile);
    qtest_add_func("/dm-migrate/cancel", test_cancel);
    qtest_add_func("/dm-migrate/postcopy", test_postcopy);
    qtest_add_func("/dm-migrate/postcopy/given-before",
                   test_given_before_postcopy);
    qtest_add_func("/dm-migrate/spoilt-ring", test_spoilt_ring);
    for (int i = 0; i < ARRAY_SIZE(others); i++) {
        g_autofree char *path = g_strdup_printf("/dm-migrate/other/%s",
                                                others[i].name);

        qtest_add_data_func(path, &others[i], test_other);
    }
    qtest_add_func("/dm-migrate/damaged", test_damaged);
    if (have_qemu_img()) {
        qtest_add_func("/dm-migrate/snapshot", test_snapshot);
        qtest_add_func("/dm-migrate/snapshot/events", test_snapshot_events);
    }
}

int main(int argc, char **argv)
{
    g_autofree char *remove = NULL;
    int ret;

    g_test_init(&argc, &argv, NULL);
    if (!qtest_has_accel(test_accel()) || !qtest_has_device("hv-balloon")) {
        g_test_skip("the accelerator and hv-balloon needed");
        return 0;
    }
    tmp = g_dir_make_tmp("dm-migrate-XXXXXX", NULL);
    uri = g_strdup_printf("unix:%s/migrate", tmp);
    rom_create();
    add_tests();
    ret = g_test_run();
    rom_delete();
    remove = g_strdup_printf("rm -rf %s", tmp);
    g_assert_cmpint(system(remove), ==, 0);
    return ret;
}
