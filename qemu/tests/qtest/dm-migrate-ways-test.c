/*
 * hv-balloon and its sticks across a migration: the ways there are to migrate
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Whichever it is, what the guest wrote is there, and what it has released is
 * not sent.
 */

#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "dm-move.h"
#include "test-accel.h"

#ifndef O_DIRECT
#define O_DIRECT 0
#endif

/* The guest changes before its memory has been sent, on a slow host too. */
#define SLOW            (4 * MiB)

typedef struct Way {
    const char *name;
    const char *capabilities[3];
    const char *parameters;     /* of both sides */
    const char *used[2];        /* dictionary of query-migrate and number in it:
                                   not 0 if it was this way */
    bool file;
    bool direct;                /* needs O_DIRECT */
    bool optional;              /* QEMU may be built without it */
} Way;

#define MULTIFD         .capabilities = { "multifd" }, \
                        .used = { "ram", "multifd-bytes" }

static const Way ways[] = {
    { "plain" },
    { "multifd/zero-page-none", MULTIFD,
      .parameters = "'zero-page-detection': 'none'" },
    { "multifd/zero-page-legacy", MULTIFD,
      .parameters = "'zero-page-detection': 'legacy'" },
    { "multifd/zero-page-multifd", MULTIFD,
      .parameters = "'multifd-channels': 4, 'zero-page-detection': 'multifd'" },
    { "multifd/zlib", MULTIFD,
      .parameters = "'multifd-compression': 'zlib'" },
    { "multifd/zstd", MULTIFD,
      .parameters = "'multifd-compression': 'zstd'", .optional = true },
    { "zero-page-none", .parameters = "'zero-page-detection': 'none'" },
    { "switchover-ack", { "return-path", "switchover-ack" } },
    { "release-ram", { "release-ram" } },
    { "mapped-ram/plain", { "mapped-ram" }, .file = true },
    { "mapped-ram/multifd", { "mapped-ram", "multifd" }, .file = true,
      .used = { "ram", "multifd-bytes" } },
    { "mapped-ram/direct", { "mapped-ram", "multifd" }, .file = true,
      .parameters = "'direct-io': true", .direct = true },
    { "file", .file = true },
};

/* ---- Steps ---- */

static void prepare(QTestState *qts, const Way *way)
{
    for (int i = 0; i < ARRAY_SIZE(way->capabilities); i++) {
        if (way->capabilities[i]) {
            g_assert_true(allow(qts, way->capabilities[i]));
        }
    }
    if (way->parameters) {
        set_parameters(qts, way->parameters);
    }
}

static uint64_t number_of(QTestState *qts, const char *dict,
                          const char *member)
{
    QDict *info = query_dict(qts, "query-migrate");
    QDict *from = dict ? qdict_get_qdict(info, dict) : info;
    uint64_t number = from ? qdict_get_try_int(from, member, 0) : 0;

    qobject_unref(info);
    return number;
}

static void assert_used(QTestState *qts, const Way *way)
{
    if (way->used[0]) {
        g_assert_cmpuint(number_of(qts, way->used[0], way->used[1]), >, 0);
    }
}

/*
 * Of an idle guest no page is looked at that it has released. Besides its
 * memory there is the firmware.
 */
static void assert_few_pages(QTestState *qts)
{
    uint64_t pages = ram_number(qts, "normal") + ram_number(qts, "duplicate");

    g_assert_cmpuint(pages, >=, (KEPT_PAGES + ADDED_PAGES / 2));
    g_assert_cmpuint(pages * DM_PAGE, <, HALF + 4 * MiB);
    g_assert_cmpuint(not_sent(qts), ==, ALL - HALF);
}

/* Half of it is given back, and other parts are released. */
static void change(Fixture *f)
{
    set_target(f->qts, ALL);
    serve_until(f, ALL);
    fill(f, 6);
    halve(f, 512);
    fill(f, 7);
}

/* To @uri; what is changed meanwhile if @busy is sent too. */
static void send_to(Fixture *f, const char *uri, bool busy)
{
    set_bandwidth(f->qts, busy ? SLOW : 10 * GiB);
    qmp_migrate(f->qts, uri);
    if (busy) {
        wait_syncs(f->qts, 1);
        change(f);
        set_bandwidth(f->qts, 10 * GiB);
    }
    wait_migration(f->qts, "completed");
}

/* ---- By a socket ---- */

static void move_by(Fixture *f, const Way *way, bool busy)
{
    QTestState *to = destination_deferred(" " STICK);

    prepare(f->qts, way);
    prepare(to, way);
    qmp_incoming(to, move_uri());
    send_to(f, move_uri(), busy);
    if (!busy) {
        assert_few_pages(f->qts);
    } else {
        assert_used(f->qts, way);
    }
    wait_vm(to, "running");
    arrive(f, to);
    check(f);
}

/* ---- By a file, which is loaded later ---- */

static void load_by(Fixture *f, const Way *way, const char *file)
{
    QTestState *to = destination_deferred(" " STICK);

    prepare(to, way);
    arrive(f, to);
    qmp_incoming(to, file);
    wait_migration(to, "completed");
    continue_vm(to);
    wait_vm(to, "running");
    check(f);
}

static void move_by_file(Fixture *f, const Way *way, bool busy)
{
    g_autofree char *file = g_strdup_printf("file:%s/state", move_dir());

    prepare(f->qts, way);
    send_to(f, file, busy);
    if (!busy) {
        assert_few_pages(f->qts);
    }
    assert_used(f->qts, way);
    load_by(f, way, file);
}

static bool file_system_has_direct_io(void)
{
    g_autofree char *path = g_strdup_printf("%s/direct", move_dir());
    int fd = open(path, O_CREAT | O_WRONLY | O_DIRECT, 0600);

    if (fd >= 0) {
        close(fd);
    }
    return O_DIRECT && fd >= 0;
}

/* NULL if it can be tested here. */
static const char *obstacle(const Way *way, QTestState *qts)
{
    if (way->direct && !file_system_has_direct_io()) {
        return "no O_DIRECT where temporary files are";
    }
    if (way->optional && !try_parameters(qts, way->parameters)) {
        return "this QEMU was built without it";
    }
    return NULL;
}

static void test_way(const void *opaque)
{
    const Way *way = opaque;
    Fixture *f = halved();
    const char *why = obstacle(way, f->qts);

    if (why) {
        scene_skip(f, why);
        return;
    }
    for (int busy = 0; busy < 2; busy++) {
        if (way->file) {
            move_by_file(f, way, busy);
        } else {
            move_by(f, way, busy);
        }
    }
    finish(f);
}

/* What was not sent takes no room in a file that has a place for each page. */
static void test_mapped_ram_size(void)
{
    static const Way way = { .capabilities = { "mapped-ram" } };
    g_autofree char *path = g_strdup_printf("%s/state", move_dir());
    Fixture *f = halved();
    struct stat st;

    prepare(f->qts, &way);
    move_to_file(f, "state");
    g_assert_cmpint(stat(path, &st), ==, 0);
    g_assert_cmpuint(st.st_size, >=, ALL);
    g_assert_cmpuint(st.st_blocks * 512, <, HALF + 4 * MiB);
    scene_end(f);
}

/* ---- A snapshot of a guest that goes on ---- */

/* The guest writes to some of what it has. */
#define WRITTEN         64      /* it has released what is before that */
#define WRITTEN_PAGES   16

static void write_some(Fixture *f, uint32_t seed)
{
    guest_fill(f->qts, ADDED_BASE + WRITTEN, WRITTEN_PAGES, seed);
    for (int i = 0; i < WRITTEN_PAGES; i++) {
        f->seed[WRITTEN + i] = seed;
    }
}

/* Meanwhile it is given nothing, and what it releases is not discarded. */
static void change_held(Fixture *f)
{
    set_target(f->qts, ALL);
    assert_quiet(f);
    assert_last_error(f->qts, "background snapshot");
    write_some(f, 7);
    release_all(f, 64);
    set_target(f->qts, HALF - 16 * MiB);
    serve_until(f, HALF - 16 * MiB);
    g_assert_cmpuint(balloon_counter(f->qts, "discard-inhibited"), >, 0);
}

/*
 * It is as the guest was when the snapshot began, whatever the guest has written
 * and released since then.
 */
static void test_background_snapshot(void)
{
    static const Way plain = { 0 };
    g_autofree char *file = g_strdup_printf("file:%s/state", move_dir());
    Fixture *f = halved();
    g_autofree Fixture *then = g_memdup2(f, sizeof(*f));
    uint64_t before = balloon_counter(f->qts, "discarded");

    if (!allow(f->qts, "background-snapshot")) {
        scene_skip(f, "this host has no userfaultfd that protects from writing");
        return;
    }
    /* for minutes; a page that the guest writes to is sent before */
    set_bandwidth(f->qts, 1 * MiB);
    qmp_migrate(f->qts, file);
    wait_migration(f->qts, "active");
    wait_vm(f->qts, "running");
    change_held(f);
    g_assert_true(migration_is(f->qts, "active"));
    g_assert_cmpuint(balloon_counter(f->qts, "discarded"), ==, before);
    set_bandwidth(f->qts, 10 * GiB);
    wait_migration(f->qts, "completed");
    /* what was released before, once more, and what was released meanwhile */
    wait_counter(f->qts, "discarded", before + (ALL - HALF) + 16 * MiB);
    set_target(f->qts, ALL);
    serve_until(f, ALL);
    check(f);

    then->qts = f->qts;
    load_by(then, &plain, file);
    g_assert_cmpuint(balloon_number(then->qts, "actual"), ==, HALF);
    *f = *then;
    finish(f);
}

/* ---- Passes ---- */

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
    boot_ap(from, 1);
    execute_start(from, 0, OP_COUNT, &few);
    execute_start(from, 1, OP_COUNT, &many);
    to = destination(" -smp 2 " STICK);
    set_bandwidth(from, 16 * MiB);
    /* However slowly this guest writes, it does not end before the fourth. */
    set_parameters(from, "'downtime-limit': 1");
    qmp_migrate(from, move_uri());
    wait_syncs(from, 4);
    set_parameters(from, "'downtime-limit': 2000");
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

/* ---- A guest that writes more than can be sent ---- */

/* A word that nothing else uses. */
#define STOP_COUNTING   0x13000

static const Regs counting = {
    .ebx = SPARE_BASE << 12, .ecx = 512, .edx = STOP_COUNTING,
};

/* Its second processor writes to the same pages all the time. */
static Fixture *busy_guest(void)
{
    Fixture *f = grown_with(" -smp 2 " STICK);

    boot_ap(f->qts, 1);
    execute_start(f->qts, 1, OP_COUNT, &counting);
    halve(f, 64);
    return f;
}

/* It arrives, and stops. */
static void busy_guest_arrives(Fixture *f, QTestState *to)
{
    uint32_t passes;

    set_parameters(f->qts, "'downtime-limit': 20000");
    set_bandwidth(f->qts, 10 * GiB);
    finish_move(f, to);
    store(to, 0, STOP_COUNTING, 1);
    wait_for(to, MAILBOX(1), 0, true);
    passes = qtest_readl(to, MAILBOX(1) + 4);
    g_assert_cmpuint(passes, >, 1);
    for (uint32_t i = 0; i < counting.ecx; i++) {
        g_assert_cmpuint(qtest_readl(to, counting.ebx + i * DM_PAGE), ==,
                         passes);
    }
    check(f);
}

/* The third time that a page is sent, it is what has changed of it. */
static const Way xbzrle = {
    .capabilities = { "xbzrle" },
    .parameters = "'xbzrle-cache-size': 268435456, 'downtime-limit': 1",
    .used = { "xbzrle-cache", "pages" },
};

/* The guest is slowed down. */
static const Way auto_converge = {
    .capabilities = { "auto-converge" },
    .parameters = "'throttle-trigger-threshold': 1, 'downtime-limit': 1, "
                  "'cpu-throttle-initial': 30, 'max-cpu-throttle': 50",
    .used = { NULL, "cpu-throttle-percentage" },
};

/* The guest is given memory and releases some, while it is migrated so. */
static void test_busy(const void *opaque)
{
    const Way *way = opaque;
    int64_t end = g_get_monotonic_time() + 3 * WAIT_US;
    Fixture *f = busy_guest();
    QTestState *to = destination(" -smp 2 " STICK);

    prepare(f->qts, way);
    /* the guest writes again during a pass, on a busy host too */
    set_bandwidth(f->qts, 16 * MiB);
    qmp_migrate(f->qts, move_uri());
    change(f);
    while (!number_of(f->qts, way->used[0], way->used[1])) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(10000);
    }
    busy_guest_arrives(f, to);
    finish(f);
}

static void add_ways(void)
{
    for (int i = 0; i < ARRAY_SIZE(ways); i++) {
        g_autofree char *path = g_strdup_printf("/dm-migrate-ways/%s",
                                                ways[i].name);

        qtest_add_data_func(path, &ways[i], test_way);
    }
}

static void add_tests(void)
{
    add_ways();
    qtest_add_func("/dm-migrate-ways/mapped-ram/size", test_mapped_ram_size);
    qtest_add_func("/dm-migrate-ways/background-snapshot",
                   test_background_snapshot);
    qtest_add_data_func("/dm-migrate-ways/xbzrle", &xbzrle, test_busy);
    qtest_add_data_func("/dm-migrate-ways/auto-converge", &auto_converge,
                        test_busy);
    qtest_add_func("/dm-migrate-ways/writes-are-logged",
                   test_writes_are_logged);
}

int main(int argc, char **argv)
{
    return move_main(argc, argv, add_tests);
}
