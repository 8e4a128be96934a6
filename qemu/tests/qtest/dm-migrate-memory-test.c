/*
 * hv-balloon and its sticks across a migration: the memory of both hosts
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the guest has released is neither sent nor populated, at either side,
 * whatever the memory is made of.
 */

#include "qemu/osdep.h"
#include <sys/mman.h>
#include <sys/prctl.h>
#include "qobject/qdict.h"
#include "dm-move.h"
#include "test-accel.h"

/* ---- How much memory is populated ---- */

/* Where RAM block @name is mapped, of @size bytes. */
static uint64_t host_address(QTestState *qts, const char *name)
{
    g_autofree char *blocks = qtest_hmp(qts, "info ramblock");
    g_autofree char *key = g_strdup_printf(" %s ", name);
    const char *line = strstr(blocks, key), *end;

    g_assert_nonnull(line);
    end = strchr(line, '\n');
    /* its last column but one, before whether it is read-only */
    return g_ascii_strtoull(g_strrstr_len(line, end - line, "0x"), NULL, 16);
}

/* Of anonymous memory, what counts as resident. */
static uint64_t resident(QTestState *qts, uint64_t addr, uint64_t size)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/smaps", qtest_pid(qts));
    g_autofree char *maps = NULL;
    uint64_t from = 0, to, kib, bytes = 0;
    g_auto(GStrv) lines = NULL;

    g_assert_true(g_file_get_contents(path, &maps, NULL, NULL));
    lines = g_strsplit(maps, "\n", 0);
    for (char **line = lines; *line; line++) {
        if (sscanf(*line, "%" SCNx64 "-%" SCNx64 " ", &from, &to) == 2) {
            continue;
        }
        if (sscanf(*line, "Rss: %" SCNu64, &kib) == 1 && from >= addr &&
            to <= addr + size) {
            bytes += kib * KiB;
        }
    }
    return bytes;
}

typedef struct Backing {
    const char *name;
    const char *backend;        /* of boot memory and the stick */
    const char *file;           /* in the name of theirs; NULL: anonymous */
    uint32_t piece;             /* pages, in which memory is released */
    bool huge;
} Backing;

static uint64_t populated(QTestState *qts, const Backing *backing)
{
    if (backing->file) {
        return bytes_of_files(qts, backing->file);
    }
    return resident(qts, host_address(qts, "ram"), BOOT_SIZE) +
           resident(qts, host_address(qts, "mem-a"), ADDED_SIZE);
}

/*
 * What was populated nevertheless is discarded soon. Most of @most is written
 * to: less than half of it means that the memory was not found.
 */
static void wait_populated(QTestState *qts, const Backing *backing,
                           uint64_t most)
{
    int64_t end = g_get_monotonic_time() + WAIT_US;
    uint64_t bytes;

    while ((bytes = populated(qts, backing)) > most) {
        if (g_get_monotonic_time() >= end) {
            g_error("%" PRIu64 " KiB are populated, not %" PRIu64
                    "; discarded: %" PRIu64 " KiB", bytes / KiB, most / KiB,
                    balloon_counter(qts, "discarded") / KiB);
        }
        g_usleep(10000);
    }
    g_assert_cmpuint(bytes, >=, most / 2);
}

/* ---- Backends ---- */

static const Backing backings[] = {
    { "anonymous", "ram", NULL, 64 },
    { "anonymous-shared", "ram,share=on", NULL, 64 },
    { "memfd", "memfd,share=on", "/memfd:memory-backend-memfd", 64 },
    { "file", "file,mem-path=%s,share=on", "/qemu_back_mem", 64 },
    { "prealloc", "ram,prealloc=on", NULL, 64 },
    { "memfd-prealloc", "memfd,share=on,prealloc=on",
      "/memfd:memory-backend-memfd", 64 },
    { "huge", "memfd,share=on,hugetlb=on,hugetlbsize=2M,reserve=off",
      "/memfd:memory-backend-memfd", 512, .huge = true },
};

static char *backing_options(const Backing *backing)
{
    g_autofree char *backend = g_strdup(backing->backend);

    if (strstr(backend, "%s")) {
        g_auto(GStrv) parts = g_strsplit(backend, "%s", 2);

        g_free(backend);
        backend = g_strjoinv(move_dir(), parts);
    }
    return g_strdup_printf(
        " -object memory-backend-%s,id=ram,size=64M "
        "-machine memory-backend=ram "
        "-object memory-backend-%s,id=mem-a,size=128M " STICK_DEVICE, backend,
        backend);
}

/* Half of the stick is released, and some boot memory, all of it written. */
static Fixture *thinned(const char *options, uint32_t piece)
{
    Fixture *f = grown_with(options);

    guest_fill(f->qts, SPARE_BASE, SPARE_PAGES, 1);
    release_half(f, piece);
    f->release[f->n_release++] = (DmPages) { SPARE_BASE, SPARE_PAGES };
    set_target(f->qts, THIN);
    serve_until(f, THIN);
    return f;
}

/* Besides @bytes there is the firmware. */
static void assert_few_pages_of(QTestState *qts, uint64_t bytes)
{
    uint64_t pages = ram_number(qts, "normal") + ram_number(qts, "duplicate");

    g_assert_cmpuint(pages * DM_PAGE, <, bytes + 4 * MiB);
}

/* Of an idle guest no page is looked at that it has released. */
static void assert_few_pages(QTestState *qts)
{
    assert_few_pages_of(qts, THIN);
    g_assert_cmpuint(not_sent(qts), ==, ALL - THIN);
}

static void wait_sent(QTestState *qts, uint64_t bytes)
{
    int64_t end = g_get_monotonic_time() + WAIT_US;

    while (ram_number(qts, "transferred") < bytes) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(10000);
    }
}

/* All that was released is left out, before most of it is sent. */
static void migrate_what_it_has(QTestState *qts)
{
    int64_t end = g_get_monotonic_time() + WAIT_US;

    set_bandwidth(qts, 8 * MiB);
    qmp_migrate(qts, move_uri());
    while (not_sent(qts) != ALL - THIN) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(1000);
    }
    set_bandwidth(qts, 10 * GiB);
}

/* What the guest has, on both sides or, before and after, on one, in bytes. */
#define HUGE_NEEDED     MAX(ALL, 2 * THIN)

/* Nobody gets more huge pages than that. Unmap it with huge_release(). */
static void *huge_reserve(uint64_t *size)
{
    void *rest;

    *size = free_huge_bytes() - HUGE_NEEDED;
    if (!*size) {
        return NULL;
    }
    rest = mmap(NULL, *size, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);
    g_assert_true(rest != MAP_FAILED);
    return rest;
}

static void do_backing(const Backing *backing)
{
    g_autofree char *options = backing_options(backing);
    Fixture *f = thinned(options, backing->piece);
    QTestState *to = destination(options);

    wait_populated(f->qts, backing, THIN);
    migrate_what_it_has(f->qts);
    wait_migration(f->qts, "completed");
    wait_vm(to, "running");
    g_assert_cmpuint(populated(f->qts, backing), <=, THIN);
    assert_few_pages(f->qts);
    wait_populated(to, backing, THIN);
    arrive(f, to);
    check(f);
    move(f, options);
    wait_populated(f->qts, backing, THIN);
    check(f);
    finish(f);
}

static void test_backing(const void *opaque)
{
    const Backing *backing = opaque;
    void *rest = NULL;
    uint64_t size = 0;

    if (backing->huge) {
        if (free_huge_bytes() < HUGE_NEEDED) {
            g_autofree char *why = g_strdup_printf(
                "%u free huge pages of 2 MiB are needed",
                (unsigned)(HUGE_NEEDED / (2 * MiB)));

            g_test_skip(why);
            return;
        }
        rest = huge_reserve(&size);
    }
    do_backing(backing);
    if (rest) {
        munmap(rest, size);
    }
}

/* ---- What is not sent ---- */

static void test_not_sent(void)
{
    Fixture *f = grown();

    halve(f, 4096);
    g_assert_cmpuint(not_sent(f->qts), ==, 0);
    move_to_file(f, "state");
    g_assert_cmpuint(not_sent(f->qts), ==, ADDED_SIZE / 2);
    scene_end(f);
}

/* Every other page of the stick, 2 MiB at a time. */
static void scatter(Fixture *f)
{
    uint64_t actual = ALL;
    uint32_t at, i;

    for (at = 0; at < ADDED_PAGES; at += 2 * ARRAY_SIZE(f->release)) {
        for (i = 0; i < ARRAY_SIZE(f->release); i++) {
            f->release[i] = (DmPages) { ADDED_BASE + at + 2 * i, 1 };
        }
        f->n_release = ARRAY_SIZE(f->release);
        actual -= ARRAY_SIZE(f->release) * DM_PAGE;
        set_target(f->qts, actual);
        serve_until(f, actual);
    }
    g_assert_cmpuint(actual, ==, HALF);
}

/*
 * A guest that is paused to be saved has no time to lose: however many runs it
 * has released, they are all found before the first page is read.
 */
static void test_paused(void)
{
    Fixture *f = grown();

    scatter(f);
    stop_vm(f->qts);
    move_to_file(f, "state");
    assert_few_pages_of(f->qts, HALF);
    g_assert_cmpuint(not_sent(f->qts), ==, ALL - HALF);
    scene_end(f);
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

    move_to_file(f, "state");
    g_assert_cmpuint(not_sent(f->qts), ==, 16 * MiB + ADDED_SIZE);
    scene_end(f);
}

/* Memory that the destination has already is no part of the migration. */
static void test_ignored_memory(void)
{
    g_autofree char *options =
        g_strdup_printf(" " STICK "-object memory-backend-file,id=ram,size=64M,"
                        "mem-path=%s/shared,share=on "
                        "-machine memory-backend=ram", move_dir());
    Fixture *f = shrunk(options);

    g_assert_true(allow(f->qts, "x-ignore-shared"));
    move_to_file(f, "state");
    g_assert_cmpuint(not_sent(f->qts), >=, ADDED_SIZE);
    scene_end(f);
}

/*
 * The guest writes to what it is being given back, before it says that it has
 * it: these pages are among the released ones, and are sent.
 */
static void test_outstanding_return(void)
{
    Fixture *f = halved();
    DmPages ranges[510], *last;
    unsigned n;

    set_target(f->qts, ALL);
    n = dm_unballoon_request(&f->guest, ranges, ARRAY_SIZE(ranges));
    g_assert_cmpuint(n, <=, ARRAY_SIZE(ranges));
    for (unsigned i = 0; i < n; i++) {
        guest_fill(f->qts, ranges[i].first, ranges[i].count, 11);
    }
    move(f, " " STICK);
    last = &ranges[n - 1];
    guest_fill(f->qts, last->first, last->count, 12);
    move(f, " " STICK);
    for (unsigned i = 0; i < n; i++) {
        g_assert_cmpuint(guest_check(f->qts, ranges[i].first, ranges[i].count,
                                     i < n - 1 ? 11 : 12), ==, 0);
    }
    take_returned(f, ranges, n);
    serve_until(f, ALL);
    check(f);
    finish(f);
}

/* ---- Nobody may discard ---- */

static bool can_lock(uint64_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool can = memory != MAP_FAILED && mlock(memory, bytes) == 0;

    munmap(memory, bytes);
    return can;
}

/*
 * Released pages keep what was written to them, at the source; they are not
 * sent, and the destination has zeros, which nobody has discarded.
 */
static void test_locked(void)
{
    static const char options[] = " -overcommit mem-lock=on " STICK;
    Fixture *f;

    if (!can_lock(2 * (ALL + 64 * MiB))) {
        g_test_skip("this user may not lock enough memory");
        return;
    }
    f = thinned(options, 64);
    g_assert_cmpuint(guest_check(f->qts, SPARE_BASE, SPARE_PAGES, 1), ==, 0);
    g_assert_cmpuint(guest_check(f->qts, ADDED_BASE, 64, 1), ==, 0);
    move(f, options);
    g_assert_cmpuint(guest_check(f->qts, SPARE_BASE, SPARE_PAGES, 1), ==,
                     SPARE_PAGES);
    g_assert_cmpuint(guest_check(f->qts, ADDED_BASE, 64, 1), ==, 64);
    check(f);
    /* and to where memory is not locked */
    move(f, " " STICK);
    check(f);
    finish(f);
}

/* ---- Other shapes ---- */

/* The stick that is part of the device. */
static void test_memdev(void)
{
    static const char options[] =
        ",memdev=mem-a,addr=0x100000000 " STICK_BACKEND;
    Fixture *f = thinned(options, 512);
    Numbers before = read_numbers(f->qts);

    move(f, options);
    assert_numbers(f->qts, &before);
    check(f);
    set_target(f->qts, ALL);
    serve_until(f, ALL);
    check(f);
    scene_end(f);
}

/*
 * What the guest was never given is neither sent nor read, which would populate
 * it; what a request is about to give may be written, and is sent.
 */
static void test_memdev_never_given(void)
{
    static const char options[] =
        ",memdev=mem-a,addr=0x100000000 " MEMFD_BACKEND;
    Fixture *f = g_new0(Fixture, 1);
    QTestState *to;

    fixture_start(f, options);
    set_target(f->qts, HALF);
    serve_until(f, HALF);
    fill(f, 1);
    to = destination(options);
    qmp_migrate(f->qts, move_uri());
    wait_migration(f->qts, "completed");
    wait_vm(to, "running");
    g_assert_cmpuint(bytes_of_files(f->qts, MEMFD_FILE), ==, ADDED_SIZE / 2);
    g_assert_cmpuint(not_sent(f->qts), ==, ADDED_SIZE / 2);
    g_assert_cmpuint(bytes_of_files(to, MEMFD_FILE), ==, ADDED_SIZE / 2);
    arrive(f, to);
    check(f);
    set_target(f->qts, ALL);
    wait_request(f);
    move(f, options);
    serve_until(f, ALL);
    fill(f, 2);
    move(f, options);
    check(f);
    scene_end(f);
}

static const char *const never_given[] = {
    " " MEMFD_BACKEND STICK_DEVICE,
    ",memdev=mem-a,addr=0x100000000 " MEMFD_BACKEND,
};

/*
 * The guest has the stick while its memory is sent, and then is reset. At the
 * destination what has arrived of it is nobody's.
 */
static void test_reset_meanwhile(const void *opaque)
{
    const char *options = opaque;
    Fixture *f = grown_with(options);
    QTestState *to = destination(options);

    set_bandwidth(f->qts, 8 * MiB);
    qmp_migrate(f->qts, move_uri());
    wait_sent(f->qts, 8 * MiB);
    system_reset(f->qts);
    wait_bytes_of_files(f->qts, MEMFD_FILE, 0);
    g_assert_cmpuint(bytes_of_files(to, MEMFD_FILE), >, 0);
    set_bandwidth(f->qts, 10 * GiB);
    finish_move(f, to);
    wait_bytes_of_files(to, MEMFD_FILE, 0);
    memset(f->has, 0, sizeof(f->has));
    memset(f->known, 0, sizeof(f->known));
    dm_connect(&f->guest, f->qts);
    dm_open(&f->guest, CAPS);
    guest_fill(f->qts, KEPT_BASE, KEPT_PAGES, KEPT_SEED);
    serve_until(f, ALL);
    fill(f, 3);
    check(f);
    scene_end(f);
}

/*
 * The guest is reset while the migration thread waits for a destination that does
 * not read, and has the bitmap: what was released is found before more is sent.
 */
static void test_reset_while_stalled(void)
{
    const char *options = never_given[0];
    Fixture *f = grown_with(options);
    QTestState *to = destination(options);
    uint64_t sent;

    set_bandwidth(f->qts, 8 * MiB);
    g_assert_cmpint(kill(qtest_pid(to), SIGSTOP), ==, 0);
    qmp_migrate(f->qts, move_uri());
    wait_stalled(f->qts);
    system_reset(f->qts);
    sent = ram_number(f->qts, "transferred");
    g_assert_cmpint(kill(qtest_pid(to), SIGCONT), ==, 0);
    wait_sent(f->qts, sent + 8 * MiB);
    wait_bytes_of_files(f->qts, MEMFD_FILE, 0);
    set_bandwidth(f->qts, 10 * GiB);
    wait_migration(f->qts, "completed");
    g_assert_cmpuint(bytes_of_files(f->qts, MEMFD_FILE), ==, 0);
    assert_few_pages_of(f->qts, BOOT_SIZE);
    finish_move(f, to);
    wait_bytes_of_files(to, MEMFD_FILE, 0);
    scene_end(f);
}

/* What was reserved for a stick before it is given stays so. */
static void test_reserved(void)
{
    static const char options[] =
        " -object memory-backend-memfd,id=mem-a,size=128M,share=on,prealloc=on "
        STICK_DEVICE;
    Fixture *f = g_new0(Fixture, 1);

    fixture_start(f, options);
    move(f, options);
    assert_quiet(f);
    g_assert_cmpuint(bytes_of_files(f->qts, MEMFD_FILE), ==, ADDED_SIZE);
    finish(f);
}

/* Two sticks, of which one is not in use. */
static void test_two_sticks(void)
{
    static const char options[] =
        " -object memory-backend-ram,id=mem-a,size=64M "
        "-object memory-backend-ram,id=mem-b,size=64M "
        "-device mem-haprot,id=a,memdev=mem-a,addr=0x100000000,"
        "insert=on-demand "
        "-device mem-haprot,id=b,memdev=mem-b,addr=0x104000000,"
        "insert=on-demand ";
    Fixture *f = g_new0(Fixture, 1);

    fixture_start(f, options);
    set_target(f->qts, HALF);
    serve_until(f, HALF);
    fill(f, 1);
    move(f, options);
    check(f);
    unplug(f, "b");
    check(f);
    scene_end(f);
}

/* What the destination was asked for before is void, for each of them. */
static void test_two_balloons(void)
{
    static const char options[] = " " STICK "-device virtio-balloon-pci ";
    Fixture *f = grown_with(options);
    QTestState *to;
    Numbers before;
    QDict *info;

    halve(f, 64);
    before = read_numbers(f->qts);
    to = destination_deferred(options);
    set_target(to, BOOT_SIZE);
    qmp_incoming(to, move_uri());
    qmp_migrate(f->qts, move_uri());
    finish_move(f, to);
    assert_numbers(to, &before);
    assert_quiet(f);
    info = query_dict(to, "query-balloon");
    g_assert_cmpuint(qdict_get_int(info, "actual"), ==, HALF);
    qobject_unref(info);
    check(f);
    finish(f);
}

static void test_many_processors(void)
{
    static const char options[] = " -smp 64 " STICK;
    Fixture *f = grown_with(options);

    halve(f, 64);
    move(f, options);
    check(f);
    finish(f);
}

/* Of the stick: what is not populated is not in it. */
static uint64_t dump_size(QTestState *qts)
{
    g_autofree char *path = g_strdup_printf("%s/dump", move_dir());
    g_autofree char *file = g_strdup_printf("file:%s", path);
    struct stat st;

    qtest_qmp_assert_success(qts,
        "{'execute': 'dump-guest-memory', 'arguments': {'paging': false, "
        "'protocol': %s, 'begin': %" PRIu64 ", 'length': %" PRIu64 "}}",
        file, (uint64_t)ADDED_BASE * DM_PAGE, (uint64_t)ADDED_SIZE);
    g_assert_cmpint(stat(path, &st), ==, 0);
    unlink(path);
    return st.st_size;
}

/* Granules of the stick are populated as the guest has them, after each. */
static void test_dump(void)
{
    Fixture *f = grown();
    uint64_t size;

    halve(f, 512);
    size = dump_size(f->qts);
    g_assert_cmpuint(size, >=, ADDED_SIZE / 2);
    g_assert_cmpuint(size, <, ADDED_SIZE / 2 + 2 * MiB);
    for (int i = 0; i < 2; i++) {
        move(f, " " STICK);
        g_assert_cmpuint(dump_size(f->qts), ==, size);
        check(f);
    }
    finish(f);
}

static void add_tests(void)
{
    for (int i = 0; i < ARRAY_SIZE(backings); i++) {
        g_autofree char *path = g_strdup_printf("/dm-migrate-memory/%s",
                                                backings[i].name);

        qtest_add_data_func(path, &backings[i], test_backing);
    }
    qtest_add_func("/dm-migrate-memory/not-sent", test_not_sent);
    qtest_add_func("/dm-migrate-memory/not-sent/boot", test_boot_not_sent);
    qtest_add_func("/dm-migrate-memory/not-sent/paused", test_paused);
    qtest_add_func("/dm-migrate-memory/outstanding-return",
                   test_outstanding_return);
    qtest_add_func("/dm-migrate-memory/ignored", test_ignored_memory);
    qtest_add_func("/dm-migrate-memory/locked", test_locked);
    qtest_add_func("/dm-migrate-memory/dump", test_dump);
    qtest_add_func("/dm-migrate-memory/memdev", test_memdev);
    qtest_add_func("/dm-migrate-memory/memdev/never-given",
                   test_memdev_never_given);
    qtest_add_data_func("/dm-migrate-memory/reset-meanwhile/stick",
                        never_given[0], test_reset_meanwhile);
    qtest_add_data_func("/dm-migrate-memory/reset-meanwhile/memdev",
                        never_given[1], test_reset_meanwhile);
    qtest_add_func("/dm-migrate-memory/reset-while-stalled",
                   test_reset_while_stalled);
    qtest_add_func("/dm-migrate-memory/reserved", test_reserved);
    qtest_add_func("/dm-migrate-memory/two-sticks", test_two_sticks);
    qtest_add_func("/dm-migrate-memory/two-balloons", test_two_balloons);
    qtest_add_func("/dm-migrate-memory/many-processors", test_many_processors);
}

int main(int argc, char **argv)
{
    /* khugepaged populates what is released of a huge page; QEMU inherits it */
    g_assert_cmpint(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0), ==, 0);
    return move_main(argc, argv, add_tests);
}
