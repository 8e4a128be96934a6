/*
 * hv-balloon and its sticks in a migration that fails, is cancelled or held, and
 * in streams that are not what they should be
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The guest goes on where it was, and can migrate later.
 */

#include "qemu/osdep.h"
#include <sys/socket.h>
#include <sys/un.h>
#include "qobject/qdict.h"
#include "dm-move.h"

/* ---- A destination that takes nothing ---- */

typedef struct Deaf {
    char *path;
    int listener;
    int peer;                   /* -1 if nobody was accepted */
} Deaf;

static void deaf_address(const Deaf *deaf, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un) { .sun_family = AF_UNIX };
    g_assert_cmpuint(strlen(deaf->path), <, sizeof(address->sun_path));
    strcpy(address->sun_path, deaf->path);
}

static Deaf deaf_start(int backlog)
{
    Deaf deaf = {
        .path = g_strdup_printf("%s/deaf", move_dir()),
        .listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
        .peer = -1,
    };
    struct sockaddr_un address;

    deaf_address(&deaf, &address);
    g_assert_cmpint(bind(deaf.listener, (struct sockaddr *)&address,
                         sizeof(address)), ==, 0);
    g_assert_cmpint(listen(deaf.listener, backlog), ==, 0);
    return deaf;
}

/* Whoever connects after this waits to be accepted. */
static void deaf_occupy(Deaf *deaf)
{
    struct sockaddr_un address;

    deaf_address(deaf, &address);
    deaf->peer = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(connect(deaf->peer, (struct sockaddr *)&address,
                            sizeof(address)), ==, 0);
}

static void deaf_accept(Deaf *deaf)
{
    deaf->peer = accept(deaf->listener, NULL, NULL);
    g_assert_cmpint(deaf->peer, >=, 0);
}

static void deaf_end(Deaf *deaf)
{
    if (deaf->peer >= 0) {
        close(deaf->peer);
    }
    close(deaf->listener);
    unlink(deaf->path);
    g_free(deaf->path);
}

static void migrate_to_deaf(QTestState *qts, const Deaf *deaf)
{
    g_autofree char *to = g_strdup_printf("unix:%s", deaf->path);

    qmp_migrate(qts, to);
}

/* ---- Cancelled ---- */

/* The guest goes on, here, and then there. */
static void goes_on(Fixture *f)
{
    wait_vm(f->qts, "running");
    set_target(f->qts, ALL);
    serve_until(f, ALL);
    check(f);
    fill(f, 4);
    halve(f, 128);
    set_bandwidth(f->qts, 10 * GiB);
    move(f, " " STICK);
    check(f);
    finish(f);
}

/* What is left of a migration is shown by the ways to interrupt it. */
static bool is_left(QTestState *qts)
{
    QList *ways = query_list(qts, "query-yank");
    QListEntry *entry;
    bool found = false;

    QLIST_FOREACH_ENTRY(ways, entry) {
        QDict *way = qobject_to(QDict, qlist_entry_obj(entry));

        found |= g_str_equal(qdict_get_str(way, "type"), "migration");
    }
    qobject_unref(ways);
    return found;
}

static void wait_nothing_left(QTestState *qts)
{
    int64_t end = g_get_monotonic_time() + WAIT_US;

    while (is_left(qts)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(1000);
    }
}

/* Nobody has accepted the connection. */
static void test_cancel_setup(void)
{
    Deaf deaf = deaf_start(0);
    Fixture *f = halved();

    deaf_occupy(&deaf);
    migrate_to_deaf(f->qts, &deaf);
    wait_migration(f->qts, "setup");
    release_all(f, 64);
    qmp_cancel(f->qts);
    wait_migration(f->qts, "cancelled");
    deaf_end(&deaf);
    wait_nothing_left(f->qts);
    goes_on(f);
}

/* Memory is being sent, and the guest was given some meanwhile. */
static void test_cancel_active(void)
{
    Fixture *f = halved();
    QTestState *qts = destination(" " STICK);

    qtest_set_expected_status(qts, 1);
    set_bandwidth(f->qts, 1 * MiB);
    qmp_migrate(f->qts, move_uri());
    wait_syncs(f->qts, 1);
    set_target(f->qts, ALL);
    qmp_cancel(f->qts);
    wait_migration(f->qts, "cancelled");
    qtest_wait_qemu(qts);
    qtest_quit(qts);
    serve_until(f, ALL);
    goes_on(f);
}

/* ---- Held before the switchover ---- */

/* The VM has stopped, and a request would be due. */
static QTestState *held(Fixture *f)
{
    QTestState *to = destination(" " STICK);

    g_assert_true(allow(f->qts, "pause-before-switchover"));
    qmp_migrate(f->qts, move_uri());
    wait_migration(f->qts, "pre-switchover");
    release_half(f, 128);
    set_target(f->qts, ALL);
    assert_quiet(f);
    return to;
}

static void qmp_continue(QTestState *qts)
{
    qtest_qmp_assert_success(qts, "{'execute': 'migrate-continue', "
                             "'arguments': {'state': 'pre-switchover'}}");
}

/* What was asked for meanwhile is done there. */
static void test_held(void)
{
    Fixture *f = halved();
    QTestState *to = held(f);

    qmp_continue(f->qts);
    finish_move(f, to);
    serve_until(f, ALL);
    check(f);
    finish(f);
}

static void test_cancel_held(void)
{
    Fixture *f = halved();
    QTestState *to = held(f);

    qtest_set_expected_status(to, 1);
    qmp_cancel(f->qts);
    wait_migration(f->qts, "cancelled");
    qtest_wait_qemu(to);
    qtest_quit(to);
    qtest_qmp_assert_success(f->qts, "{'execute': 'migrate-set-capabilities', "
                             "'arguments': {'capabilities': [{'capability': "
                             "'pause-before-switchover', 'state': false}]}}");
    serve_until(f, ALL);
    goes_on(f);
}

/* ---- The stick is to go while its memory arrives ---- */

static void test_unplug(void)
{
    static const char options[] = " " MEMFD_BACKEND STICK_DEVICE;
    Fixture *f = grown_with(options);
    QTestState *to = destination(options);
    int64_t end = g_get_monotonic_time() + WAIT_US;

    set_bandwidth(f->qts, 1 * MiB);
    qmp_migrate(f->qts, move_uri());
    while (!bytes_of_files(to, MEMFD_FILE)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(10000);
    }
    assert_error(qtest_qmp_assert_failure_ref(to,
                     "{'execute': 'device_del', 'arguments': {'id': 'a'}}"),
                 "still arriving");
    set_bandwidth(f->qts, 10 * GiB);
    finish_move(f, to);
    check(f);
    release_all(f, 512);
    set_target(f->qts, BOOT_SIZE);
    serve_until(f, BOOT_SIZE);
    unplug(f, "a");
    scene_end(f);
}

/* ---- The destination goes ---- */

static void test_destination_gone(void)
{
    Fixture *f = halved();
    QTestState *to = destination(" " STICK);

    set_bandwidth(f->qts, 1 * MiB);
    qmp_migrate(f->qts, move_uri());
    wait_syncs(f->qts, 1);
    qtest_quit(to);
    set_bandwidth(f->qts, 10 * GiB);
    wait_migration(f->qts, "failed");
    goes_on(f);
}

/*
 * It goes while the devices are to be sent, behind most of the memory: with so
 * much time for that, the source stops the VM as soon as it has seen how fast it
 * can send, which has to be before the socket is full.
 */
static void test_destination_gone_last(void)
{
    Deaf deaf = deaf_start(8);
    Fixture *f = halved();

    set_parameters(f->qts, "'downtime-limit': 2000000");
    set_bandwidth(f->qts, 512 * KiB);
    migrate_to_deaf(f->qts, &deaf);
    deaf_accept(&deaf);
    qtest_qmp_eventwait(f->qts, "STOP");
    deaf_end(&deaf);
    wait_migration(f->qts, "failed");
    goes_on(f);
}

/*
 * It is there and receives nothing, as one behind a network that has failed. The
 * migration thread waits for it, and nobody else does: the guest goes on, is
 * resized, and the migration can be cancelled.
 */
static void test_destination_stalls(void)
{
    Deaf deaf = deaf_start(8);
    Fixture *f = halved();

    set_bandwidth(f->qts, 10 * GiB);
    migrate_to_deaf(f->qts, &deaf);
    deaf_accept(&deaf);
    wait_stalled(f->qts);
    release_all(f, 64);
    set_target(f->qts, BOOT_SIZE);
    serve_until(f, BOOT_SIZE);
    qmp_cancel(f->qts);
    wait_migration(f->qts, "cancelled");
    deaf_end(&deaf);
    wait_nothing_left(f->qts);
    goes_on(f);
}

/* ---- A destination that is not the same ---- */

typedef struct Other {
    const char *name;
    const char *options;
    const char *error;
} Other;

#define BOOT_64M        " -m 64M,maxmem=320M "

static const Other others[] = {
    { "address", BOOT_64M STICK_BACKEND "-device mem-haprot,id=a,memdev=mem-a,"
      "addr=0x101000000,insert=on-demand", "the sticks" },
    { "insert", " " STICK_BACKEND "-device mem-haprot,id=a,memdev=mem-a,"
      "addr=0x100000000,insert=now", "the sticks" },
    { "size", " -object memory-backend-ram,id=mem-a,size=64M " STICK_DEVICE,
      "the sticks" },
    { "one-more", BOOT_64M STICK "-object memory-backend-ram,id=mem-b,size=2M "
      "-device mem-haprot,id=b,memdev=mem-b", "the sticks" },
    { "one-less", " ", "the sticks" },
    { "profile", ",guest-profile=windows " STICK, "guest-profile" },
    { "boot-memory", " -m 96M,maxmem=320M " STICK, "boot memory" },
    { "backend", " -object memory-backend-ram,id=mem-b,size=128M -device "
      "mem-haprot,id=a,memdev=mem-b,addr=0x100000000,insert=on-demand",
      "Unknown ramblock" },
    { "pc-dimm", " -m 64M,slots=1,maxmem=192M " STICK_BACKEND
      "-device pc-dimm,memdev=mem-a", "the sticks" },
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
    g_autofree char *log = g_strdup_printf("%s/log", move_dir());
    g_autofree char *options = g_strdup_printf("%s -D %s 2>%s", other->options,
                                               log, log);
    Fixture *f = halved();
    QTestState *qts = destination(options);

    qtest_set_expected_status(qts, 1);
    set_bandwidth(f->qts, 1 * MiB);
    qmp_migrate(f->qts, move_uri());
    qtest_wait_qemu(qts);
    qtest_quit(qts);
    wait_migration(f->qts, "failed");
    g_assert_true(vm_is(f->qts, "running"));
    assert_in_file(log, other->error);
    check(f);
    finish(f);
}

/* ---- Streams ---- */

typedef struct Stream {
    uint8_t *bytes;
    gsize len;
} Stream;

static void stream_clear(Stream *stream)
{
    g_free(stream->bytes);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Stream, stream_clear)

/* Of a guest that was asked to take memory back, and has not answered. */
static Stream stream_saved(void)
{
    g_autofree char *path = g_strdup_printf("%s/state", move_dir());
    Fixture *f = halved();
    Stream stream;

    set_target(f->qts, ALL);
    wait_request(f);
    move_to_file(f, "state");
    scene_end(f);
    g_assert_true(g_file_get_contents(path, (char **)&stream.bytes,
                                      &stream.len, NULL));
    return stream;
}

/* Where the name of a section is; its length is before it. */
static uint8_t *stream_find(const Stream *stream, const char *name)
{
    g_autofree char *key = g_strdup_printf("%c%s", (int)strlen(name), name);
    uint8_t *at = memmem(stream->bytes, stream->len, key, strlen(key));

    g_assert_nonnull(at);
    return at + 1;
}

/*
 * Without section @name. Before its name there are a type, a number and the
 * length of the name; at its end a mark and the number.
 */
static void stream_cut(Stream *stream, const char *name)
{
    uint8_t *start = stream_find(stream, name) - 6, *end;
    uint8_t footer[5] = { 0x7e };

    memcpy(footer + 1, start + 1, 4);
    end = memmem(start, stream->bytes + stream->len - start, footer,
                 sizeof(footer));
    g_assert_nonnull(end);
    end += sizeof(footer);
    memmove(start, end, stream->bytes + stream->len - end);
    stream->len -= end - start;
}

static bool migration_has_ended(QTestState *qts, bool *completed)
{
    QDict *info = query_dict(qts, "query-migrate");
    const char *status = qdict_get_try_str(info, "status") ?: "none";
    bool failed = g_str_equal(status, "failed");

    *completed = g_str_equal(status, "completed");
    qobject_unref(info);
    return *completed || failed;
}

/* Loads it and lets the guest run for a moment; false if it is refused. What
 * QEMU said is in "log". */
static bool stream_load(const Stream *stream)
{
    g_autofree char *path = g_strdup_printf("%s/stream", move_dir());
    g_autofree char *file = g_strdup_printf("file:%s", path);
    g_autofree char *options = g_strdup_printf(" " STICK "-D %s/log 2>%s/log",
                                               move_dir(), move_dir());
    int64_t end = g_get_monotonic_time() + WAIT_US;
    bool completed = false;
    QTestState *qts;

    g_assert_true(g_file_set_contents(path, (char *)stream->bytes, stream->len,
                                      NULL));
    qts = destination_deferred(options);
    qtest_qmp_assert_success(qts, "{'execute': 'migrate-incoming', "
                             "'arguments': {'uri': %s, "
                             "'exit-on-error': false}}", file);
    while (!migration_has_ended(qts, &completed)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(1000);
    }
    if (completed) {
        continue_vm(qts);
        g_usleep(100000);
    }
    qtest_quit(qts);
    return completed;
}

/* ---- A stream that was damaged ---- */

#define DAMAGED_RUNS    30

/* Sections that a guest, or who keeps a saved state, has a say in. */
static const char *const sections[] = {
    "hv-balloon/layout", "hv-balloon/memory", "vmbus-bridge", "hv-balloon",
};
/* How far behind its name a section is damaged. */
#define SECTION_BYTES   700

static void damage(const Stream *stream, GRand *rnd)
{
    const char *name = sections[g_rand_int_range(rnd, 0, ARRAY_SIZE(sections))];
    uint8_t *at = stream_find(stream, name);
    gsize offset = g_rand_int_range(rnd, strlen(name), SECTION_BYTES);

    at[MIN(offset, stream->bytes + stream->len - at - 1)] ^=
        g_rand_int_range(rnd, 1, 256);
}

/* Always the same: vmbus-state-test.c is for a search. */
static void test_damaged(void)
{
    g_autoptr(GRand) rnd = g_rand_new_with_seed(0);
    g_auto(Stream) good = stream_saved();
    unsigned refused = 0;

    for (int i = 0; i < DAMAGED_RUNS; i++) {
        g_auto(Stream) bad = { g_memdup2(good.bytes, good.len), good.len };

        damage(&bad, rnd);
        refused += !stream_load(&bad);
    }
    g_assert_cmpuint(refused, >, 0);
    g_assert_true(stream_load(&good));
}

/* ---- A stream of another hv-balloon ---- */

/*
 * Such as that of a QEMU whose device has the same name and another idea of who
 * has which memory. It comes without some or all of what this one writes.
 */
static void test_foreign(void)
{
    static const char *const missing[][2] = {
        { "hv-balloon/memory" }, { "hv-balloon/layout" },
        { "hv-balloon/memory", "hv-balloon/layout" },
    };
    g_autofree char *log = g_strdup_printf("%s/log", move_dir());
    g_auto(Stream) good = stream_saved();

    for (int i = 0; i < ARRAY_SIZE(missing); i++) {
        g_auto(Stream) other = { g_memdup2(good.bytes, good.len), good.len };

        stream_cut(&other, missing[i][0]);
        if (missing[i][1]) {
            stream_cut(&other, missing[i][1]);
        }
        g_assert_false(stream_load(&other));
        assert_in_file(log, "of another hv-balloon");
    }
}

/* Whatever its end is, it is refused. */
static void test_truncated(void)
{
    g_auto(Stream) stream = stream_saved();
    const char *const ends[] = { "hv-balloon", "hv-balloon/memory" };

    for (int i = 0; i < ARRAY_SIZE(ends); i++) {
        stream.len = stream_find(&stream, ends[i]) + 100 - stream.bytes;
        g_assert_false(stream_load(&stream));
    }
}

/*
 * More than there can be is not even allocated. The length is behind the name,
 * the instance and the version, a flag and the clock.
 */
static void test_huge_length(void)
{
    g_autofree char *log = g_strdup_printf("%s/log", move_dir());
    g_auto(Stream) stream = stream_saved();
    uint8_t *at = stream_find(&stream, "hv-balloon/memory") +
                  strlen("hv-balloon/memory") + 4 + 4 + 1 + 8;

    g_assert_cmpuint(at[0] | at[1], ==, 0);
    memset(at, 0xff, 4);
    g_assert_false(stream_load(&stream));
    assert_in_file(log, "length of the engine's state");
}

static void add_tests(void)
{
    qtest_add_func("/dm-migrate-failure/cancel/setup", test_cancel_setup);
    qtest_add_func("/dm-migrate-failure/cancel/active", test_cancel_active);
    qtest_add_func("/dm-migrate-failure/cancel/held", test_cancel_held);
    qtest_add_func("/dm-migrate-failure/held", test_held);
    qtest_add_func("/dm-migrate-failure/unplug", test_unplug);
    qtest_add_func("/dm-migrate-failure/destination-gone",
                   test_destination_gone);
    qtest_add_func("/dm-migrate-failure/destination-gone/last",
                   test_destination_gone_last);
    qtest_add_func("/dm-migrate-failure/destination-stalls",
                   test_destination_stalls);
    for (int i = 0; i < ARRAY_SIZE(others); i++) {
        g_autofree char *path = g_strdup_printf("/dm-migrate-failure/other/%s",
                                                others[i].name);

        qtest_add_data_func(path, &others[i], test_other);
    }
    qtest_add_func("/dm-migrate-failure/damaged", test_damaged);
    qtest_add_func("/dm-migrate-failure/foreign", test_foreign);
    qtest_add_func("/dm-migrate-failure/truncated", test_truncated);
    qtest_add_func("/dm-migrate-failure/huge-length", test_huge_length);
}

int main(int argc, char **argv)
{
    return move_main(argc, argv, add_tests);
}
