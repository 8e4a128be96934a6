/*
 * The guest of dm-fixture.h, moved from one machine to another
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "dm-move.h"
#include "test-accel.h"

static char *dir;
static char *uri;                /* of a socket there */

const char *move_dir(void)
{
    return dir;
}

const char *move_uri(void)
{
    return uri;
}

int move_main(int argc, char **argv, void (*add_tests)(void))
{
    g_autofree char *remove = NULL;
    int ret;

    dir = g_dir_make_tmp("dm-move-XXXXXX", NULL);
    uri = g_strdup_printf("unix:%s/migrate", dir);
    ret = guest_main(argc, argv, test_accel(), "hv-balloon", add_tests);
    remove = g_strdup_printf("rm -rf %s", dir);
    g_assert_cmpint(system(remove), ==, 0);
    return ret;
}

void scene_end(Fixture *f)
{
    qtest_quit(f->qts);
    g_free(f);
}

void scene_skip(Fixture *f, const char *why)
{
    g_test_skip(why);
    scene_end(f);
}

/* ---- The machine ---- */

bool vm_is(QTestState *qts, const char *wanted)
{
    QDict *info = query_dict(qts, "query-status");
    bool is = g_str_equal(qdict_get_str(info, "status"), wanted);

    qobject_unref(info);
    return is;
}

void wait_vm(QTestState *qts, const char *wanted)
{
    int64_t end = g_get_monotonic_time() + WAIT_US;

    while (!vm_is(qts, wanted)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(1000);
    }
}

void stop_vm(QTestState *qts)
{
    qtest_qmp_assert_success(qts, "{'execute': 'stop'}");
}

void continue_vm(QTestState *qts)
{
    qtest_qmp_assert_success(qts, "{'execute': 'cont'}");
}

void assert_quiet(Fixture *f)
{
    g_usleep(100000);
    g_assert_false(dm_pending(&f->guest));
}

/* ---- Migration ---- */

void qmp_migrate(QTestState *qts, const char *to)
{
    qtest_qmp_assert_success(qts, "{'execute': 'migrate', 'arguments': "
                             "{'uri': %s}}", to);
}

void qmp_cancel(QTestState *qts)
{
    qtest_qmp_assert_success(qts, "{'execute': 'migrate_cancel'}");
}

static char *migration_status(QTestState *qts)
{
    QDict *info = query_dict(qts, "query-migrate");
    char *status = g_strdup(qdict_get_try_str(info, "status"));

    qobject_unref(info);
    return status;
}

bool migration_is(QTestState *qts, const char *wanted)
{
    g_autofree char *status = migration_status(qts);

    return !g_strcmp0(status, wanted);
}

void wait_migration(QTestState *qts, const char *wanted)
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

bool allow(QTestState *qts, const char *capability)
{
    QDict *answer = qtest_qmp(qts, "{'execute': 'migrate-set-capabilities', "
                              "'arguments': {'capabilities': [{'capability': "
                              "%s, 'state': true}]}}", capability);
    bool allowed = !qdict_haskey(answer, "error");

    qobject_unref(answer);
    return allowed;
}

bool try_parameters(QTestState *qts, const char *parameters)
{
    g_autofree char *command =
        g_strdup_printf("{'execute': 'migrate-set-parameters', "
                        "'arguments': {%s}}", parameters);
    QDict *answer = qtest_qmp(qts, command, NULL);
    bool accepted = !qdict_haskey(answer, "error");

    qobject_unref(answer);
    return accepted;
}

void set_parameters(QTestState *qts, const char *parameters)
{
    g_assert_true(try_parameters(qts, parameters));
}

void set_bandwidth(QTestState *qts, uint64_t bytes)
{
    qtest_qmp_assert_success(qts, "{'execute': 'migrate-set-parameters', "
                             "'arguments': {'max-bandwidth': %" PRIu64 ", "
                             "'max-postcopy-bandwidth': %" PRIu64 "}}",
                             bytes, bytes);
}

uint64_t ram_number(QTestState *qts, const char *member)
{
    QDict *info = query_dict(qts, "query-migrate");
    QDict *ram = qdict_get_qdict(info, "ram");
    uint64_t n = ram ? qdict_get_try_int(ram, member, 0) : 0;

    qobject_unref(info);
    return n;
}

void wait_syncs(QTestState *qts, uint64_t n)
{
    int64_t end = g_get_monotonic_time() + WAIT_US;
    bool over = false;

    while (ram_number(qts, "dirty-sync-count") < n) {
        /* A guest that writes too little leaves nothing to collect. */
        g_assert_false(over);
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(1000);
        over = migration_is(qts, "completed");
    }
}

uint64_t not_sent(QTestState *qts)
{
    QDict *info = query_dict(qts, "query-hv-balloon");
    uint64_t bytes = qdict_get_int(qdict_get_qdict(info, "migration"),
                                   "not-sent");

    qobject_unref(info);
    return bytes;
}

static QTestState *waiting_for(const char *from, const char *more)
{
    g_autofree char *machine = fixture_options(more);
    g_autofree char *options =
        g_strdup_printf("-machine q35 -accel %s -cpu max,%s %s -incoming %s",
                        test_accel(), DM_FLAGS, machine, from);

    return guest_init(options);
}

QTestState *destination_deferred(const char *more)
{
    return waiting_for("defer", more);
}

QTestState *destination(const char *more)
{
    return waiting_for(uri, more);
}

void qmp_incoming(QTestState *qts, const char *from)
{
    qtest_qmp_assert_success(qts, "{'execute': 'migrate-incoming', "
                             "'arguments': {'uri': %s}}", from);
}

void arrive(Fixture *f, QTestState *qts)
{
    qtest_quit(f->qts);
    f->qts = f->guest.qts = qts;
}

void finish_move(Fixture *f, QTestState *to)
{
    wait_migration(f->qts, "completed");
    wait_vm(to, "running");
    arrive(f, to);
}

void move(Fixture *f, const char *more)
{
    bool stopped = vm_is(f->qts, "paused");
    QTestState *qts = destination(more);

    qmp_migrate(f->qts, uri);
    wait_migration(f->qts, "completed");
    wait_vm(qts, stopped ? "paused" : "running");
    arrive(f, qts);
}

void move_to_file(Fixture *f, const char *name)
{
    g_autofree char *file = g_strdup_printf("file:%s/%s", dir, name);

    qmp_migrate(f->qts, file);
    wait_migration(f->qts, "completed");
}

/* ---- What the device says of itself ---- */

static const char *const numbers[] = {
    "target", "actual", "boot", "capacity", "released", "in-doubt", "offline",
    "ghosts", "ungranted",
};

QEMU_BUILD_BUG_ON(ARRAY_SIZE(numbers) != MOVE_NUMBERS);

Numbers read_numbers(QTestState *qts)
{
    Numbers all;

    for (int i = 0; i < ARRAY_SIZE(numbers); i++) {
        all.n[i] = balloon_number(qts, numbers[i]);
    }
    return all;
}

void assert_numbers(QTestState *qts, const Numbers *expected)
{
    Numbers is = read_numbers(qts);

    for (int i = 0; i < ARRAY_SIZE(numbers); i++) {
        if (is.n[i] != expected->n[i]) {
            g_error("%s is %" PRIu64 ", was %" PRIu64, numbers[i], is.n[i],
                    expected->n[i]);
        }
    }
}

void assert_last_error(QTestState *qts, const char *text)
{
    QDict *info = query_dict(qts, "query-hv-balloon");
    const char *error = qdict_get_try_str(info, "last-error");

    g_assert_nonnull(error);
    g_assert_nonnull(strstr(error, text));
    qobject_unref(info);
}

void wait_request(Fixture *f)
{
    int64_t end = g_get_monotonic_time() + WAIT_US;

    while (!dm_pending(&f->guest)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
}

/* ---- What the host has populated ---- */

uint64_t bytes_of_files(QTestState *qts, const char *name)
{
    g_autofree char *folder = g_strdup_printf("/proc/%d/fd", qtest_pid(qts));
    GDir *dir = g_dir_open(folder, 0, NULL);
    uint64_t bytes = 0;
    const char *entry;

    g_assert_nonnull(dir);
    while ((entry = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(folder, entry, NULL);
        g_autofree char *link = g_file_read_link(path, NULL);
        struct stat st;

        if (link && strstr(link, name) && stat(path, &st) == 0) {
            bytes += st.st_blocks * 512;
        }
    }
    g_dir_close(dir);
    return bytes;
}

void wait_bytes_of_files(QTestState *qts, const char *name, uint64_t most)
{
    int64_t end = g_get_monotonic_time() + WAIT_US;
    uint64_t bytes;

    while ((bytes = bytes_of_files(qts, name)) > most) {
        if (g_get_monotonic_time() >= end) {
            g_error("%" PRIu64 " KiB are populated, not %" PRIu64, bytes / KiB,
                    most / KiB);
        }
        g_usleep(10000);
    }
}

void wait_stalled(QTestState *qts)
{
    int64_t end = g_get_monotonic_time() + WAIT_US;
    uint64_t before, sent = 0;

    do {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        before = sent;
        g_usleep(200000);
        sent = ram_number(qts, "transferred");
    } while (!sent || sent != before);
}

/* ---- Scenes ---- */

Fixture *bare(void)
{
    g_autofree char *options = fixture_options(" " STICK);
    Fixture *f = g_new0(Fixture, 1);

    f->qts = guest_simple(DM_FLAGS, options);
    return f;
}

Fixture *grown_with(const char *more)
{
    Fixture *f = g_new0(Fixture, 1);

    fixture_start(f, more);
    set_target(f->qts, ALL);
    serve_until(f, ALL);
    fill(f, 1);
    return f;
}

Fixture *grown(void)
{
    return grown_with(" " STICK);
}

void halve(Fixture *f, uint32_t piece)
{
    release_half(f, piece);
    set_target(f->qts, HALF);
    serve_until(f, HALF);
}

Fixture *halved(void)
{
    Fixture *f = grown();

    halve(f, 64);
    return f;
}

void finish(Fixture *f)
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
    scene_end(f);
}
