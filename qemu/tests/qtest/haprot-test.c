/*
 * mem-haprot and hv-balloon without a guest: plugging, addresses, unplugging,
 * queries, reset
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/units.h"
#include "libqtest.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"

/* The VMBus needs a SynIC, which needs an accelerator with CPUs; none runs. */
#define MACHINE "-machine q35 -nodefaults -S -accel tcg " \
                "-cpu max,hv-vpindex,hv-synic -m 512M,maxmem=2560M "
#define HV_BALLOON "-device vmbus-bridge -device hv-balloon,id=hvb "

#define BOOT (512 * MiB)
#define ROOM (2 * GiB)          /* for sticks */

/* Helpers */

static void add_backend(QTestState *qts, const char *id, uint64_t size)
{
    qtest_qmp_assert_success(qts, "{'execute': 'object-add', 'arguments': {"
                             " 'qom-type': 'memory-backend-ram',"
                             " 'id': %s, 'size': %" PRIu64 "}}", id, size);
}

static void add_stick(QTestState *qts, const char *id, const char *memdev,
                      const char *insert)
{
    qtest_qmp_assert_success(qts, "{'execute': 'device_add', 'arguments': {"
                             " 'driver': 'mem-haprot', 'id': %s,"
                             " 'memdev': %s, 'insert': %s}}",
                             id, memdev, insert);
}

/* Backend mem-ID and stick ID over it. */
static void add_memory(QTestState *qts, const char *id, uint64_t size,
                       const char *insert)
{
    g_autofree char *memdev = g_strdup_printf("mem-%s", id);

    add_backend(qts, memdev, size);
    add_stick(qts, id, memdev, insert);
}

/* device_add with @args fails, and the error says @what. */
static void add_fails(QTestState *qts, const char *args, const char *what)
{
    g_autofree char *command =
        g_strdup_printf("{'execute': 'device_add', 'arguments': {"
                        " 'driver': 'mem-haprot', %s}}", args);
    QDict *error = qtest_qmp_assert_failure_ref(qts, command, NULL);
    const char *desc = qdict_get_str(error, "desc");

    if (!strstr(desc, what)) {
        g_error("the error for %s is '%s', which does not say '%s'",
                args, desc, what);
    }
    qobject_unref(error);
}

static QList *query_list(QTestState *qts, const char *command)
{
    QDict *response = qtest_qmp(qts, "{'execute': %s}", command);
    QList *list = qdict_get_qlist(response, "return");

    g_assert_nonnull(list);
    qobject_ref(list);
    qobject_unref(response);
    return list;
}

static QDict *query_dict(QTestState *qts, const char *command)
{
    QDict *response = qtest_qmp(qts, "{'execute': %s}", command);
    QDict *dict = qdict_get_qdict(response, "return");

    g_assert_nonnull(dict);
    qobject_ref(dict);
    qobject_unref(response);
    return dict;
}

/* Entry @id of query-haprot, or NULL. */
static QDict *find_stick(QTestState *qts, const char *id)
{
    QList *list = query_list(qts, "query-haprot");
    QDict *found = NULL;
    QListEntry *entry;

    QLIST_FOREACH_ENTRY(list, entry) {
        QDict *stick = qobject_to(QDict, qlist_entry_obj(entry));

        if (g_str_equal(qdict_get_str(stick, "id"), id)) {
            found = stick;
            qobject_ref(found);
        }
    }
    qobject_unref(list);
    return found;
}

static void assert_balloon(QTestState *qts, const char *member,
                           uint64_t value)
{
    QDict *info = query_dict(qts, "query-hv-balloon");

    g_assert_cmphex(qdict_get_int(info, member), ==, value);
    qobject_unref(info);
}

static uint64_t stick_addr(QTestState *qts, const char *id)
{
    QDict *stick = find_stick(qts, id);
    uint64_t addr;

    g_assert_nonnull(stick);
    addr = qdict_get_int(stick, "addr");
    qobject_unref(stick);
    return addr;
}

/* Tests */

static void test_no_handler(void)
{
    QTestState *qts = qtest_init(MACHINE);

    add_backend(qts, "m", 128 * MiB);
    add_fails(qts, "'id': 'a', 'memdev': 'm'", "add an hv-balloon before");
    g_assert_null(find_stick(qts, "a"));
    qtest_qmp_assert_success(qts, "{'execute': 'object-del',"
                             " 'arguments': {'id': 'm'}}");
    qtest_quit(qts);
}

static void test_bad_arguments(void)
{
    QTestState *qts = qtest_init(MACHINE HV_BALLOON);

    add_backend(qts, "m", 128 * MiB);
    add_backend(qts, "huge", 3 * GiB);
    add_fails(qts, "'id': 'a'", "memdev=");
    add_fails(qts, "'id': 'a', 'memdev': 'nothing'", "nothing");
    add_fails(qts, "'id': 'a', 'memdev': 'm', 'insert': 'later'", "later");
    add_fails(qts, "'id': 'a', 'memdev': 'm', 'addr': 4096", "aligned");
    add_fails(qts, "'id': 'a', 'memdev': 'm', 'addr': 2097152", "usable");
    add_fails(qts, "'id': 'a', 'memdev': 'huge'", "not enough space");
    /* what was refused left nothing behind */
    add_stick(qts, "a", "m", "now");
    add_fails(qts, "'id': 'b', 'memdev': 'm'", "'m' is already in use");
    qtest_quit(qts);
}

static void test_odd_size(void)
{
    QTestState *qts = qtest_init(MACHINE HV_BALLOON);

    qtest_qmp_assert_success(qts, "{'execute': 'object-add', 'arguments': {"
                             " 'qom-type': 'memory-backend-memfd',"
                             " 'id': 'm', 'size': 134221824}}");
    add_fails(qts, "'id': 'a', 'memdev': 'm'", "a multiple of 2 MiB");
    qtest_quit(qts);
}

static void test_query(void)
{
    QTestState *qts = qtest_init(MACHINE HV_BALLOON);
    QDict *stick;

    add_memory(qts, "a", 256 * MiB, "on-demand");
    stick = find_stick(qts, "a");
    g_assert_cmpstr(qdict_get_str(stick, "memdev"), ==, "/objects/mem-a");
    g_assert_cmpstr(qdict_get_str(stick, "qom-path"), ==,
                    "/machine/peripheral/a");
    g_assert_cmpstr(qdict_get_str(stick, "insert"), ==, "on-demand");
    g_assert_cmpstr(qdict_get_str(stick, "state"), ==, "idle");
    g_assert_cmphex(qdict_get_int(stick, "size"), ==, 256 * MiB);
    g_assert_cmphex(qdict_get_int(stick, "added"), ==, 0);
    g_assert_cmphex(qdict_get_int(stick, "released"), ==, 0);
    qobject_unref(stick);
    qtest_quit(qts);
}

static void test_target(void)
{
    QTestState *qts = qtest_init(MACHINE HV_BALLOON);
    QDict *info, *error;

    assert_balloon(qts, "boot", BOOT);
    assert_balloon(qts, "actual", BOOT);
    assert_balloon(qts, "target", BOOT);
    add_memory(qts, "a", 256 * MiB, "on-demand");
    assert_balloon(qts, "target", BOOT);
    assert_balloon(qts, "capacity", BOOT + 256 * MiB);
    assert_balloon(qts, "ungranted", 256 * MiB);
    add_memory(qts, "b", 128 * MiB, "now");
    assert_balloon(qts, "target", BOOT + 128 * MiB);

    qtest_qmp_assert_success(qts, "{'execute': 'balloon',"
                             " 'arguments': {'value': 300000000}}");
    /* whole pages, and no guest has answered yet */
    assert_balloon(qts, "target", 300000000 / 4096 * 4096);
    assert_balloon(qts, "actual", BOOT);
    info = query_dict(qts, "query-balloon");
    g_assert_cmphex(qdict_get_int(info, "actual"), ==, BOOT);
    qobject_unref(info);

    error = qtest_qmp_assert_failure_ref(qts, "{'execute': 'balloon',"
                                         " 'arguments': {'value': 0}}");
    qobject_unref(error);
    assert_balloon(qts, "target", 300000000 / 4096 * 4096);
    qtest_quit(qts);
}

static void test_memory_devices(void)
{
    QTestState *qts = qtest_init(MACHINE HV_BALLOON);
    g_autofree char *hmp = NULL;
    QListEntry *entry;
    unsigned found = 0;
    QList *list;

    add_memory(qts, "a", 256 * MiB, "now");
    list = query_list(qts, "query-memory-devices");
    QLIST_FOREACH_ENTRY(list, entry) {
        QDict *device = qobject_to(QDict, qlist_entry_obj(entry));
        QDict *data = qdict_get_qdict(device, "data");

        if (g_str_equal(qdict_get_str(device, "type"), "mem-haprot")) {
            g_assert_cmpstr(qdict_get_str(data, "id"), ==, "a");
            g_assert_cmpstr(qdict_get_str(data, "memdev"), ==,
                            "/objects/mem-a");
            g_assert_cmphex(qdict_get_int(data, "size"), ==, 256 * MiB);
            g_assert_cmphex(qdict_get_int(data, "memaddr"), ==,
                            stick_addr(qts, "a"));
            found++;
        }
    }
    g_assert_cmpuint(found, ==, 1);
    qobject_unref(list);

    hmp = qtest_hmp(qts, "info memory-devices");
    g_assert_nonnull(strstr(hmp, "Memory device [mem-haprot]: \"a\""));
    qtest_quit(qts);
}

/* A stick belongs to the last node, and so does an hv-balloon's memdev. */
static void test_numa(void)
{
    QTestState *qts = qtest_init(
        MACHINE "-object memory-backend-ram,id=n0,size=256M "
        "-object memory-backend-ram,id=n1,size=256M "
        "-numa node,memdev=n0 -numa node,memdev=n1 "
        "-object memory-backend-ram,id=m,size=128M "
        "-device vmbus-bridge -device hv-balloon,memdev=m ");
    g_autofree char *hmp = NULL;

    add_memory(qts, "a", 256 * MiB, "now");
    hmp = qtest_hmp(qts, "info numa");
    g_assert_nonnull(strstr(hmp, "node 0 plugged: 0 MB"));
    g_assert_nonnull(strstr(hmp, "node 1 plugged: 384 MB"));
    qtest_quit(qts);
}

/* With steps of an odd number of 2 MiB, too, all of maxmem can be used. */
static void test_maxmem(void)
{
    QTestState *qts = qtest_init(MACHINE HV_BALLOON);
    uint64_t base, next;

    add_memory(qts, "a", 2 * MiB, "on-demand");
    add_memory(qts, "b", 1022 * MiB, "on-demand");
    add_memory(qts, "c", 682 * MiB, "on-demand");
    add_memory(qts, "d", 342 * MiB, "on-demand");
    assert_balloon(qts, "capacity", BOOT + ROOM);

    base = next = stick_addr(qts, "a");
    next += 2 * MiB;
    g_assert_cmphex(stick_addr(qts, "b"), ==, next);
    next += 1022 * MiB;
    g_assert_cmphex(stick_addr(qts, "c"), ==, next);
    next += 682 * MiB;
    g_assert_cmphex(stick_addr(qts, "d"), ==, next);
    g_assert_cmphex(next + 342 * MiB, ==, base + ROOM);

    add_backend(qts, "m", 2 * MiB);
    add_fails(qts, "'id': 'e', 'memdev': 'm'", "not enough space");
    qtest_quit(qts);
}

static void test_given_address(void)
{
    QTestState *qts = qtest_init(MACHINE HV_BALLOON);
    uint64_t base;

    add_memory(qts, "a", 64 * MiB, "now");
    base = stick_addr(qts, "a");
    add_backend(qts, "m", 64 * MiB);
    qtest_qmp_assert_success(qts, "{'execute': 'device_add', 'arguments': {"
                             " 'driver': 'mem-haprot', 'id': 'b',"
                             " 'memdev': 'm', 'addr': %" PRIu64 "}}",
                             base + 1 * GiB);
    g_assert_cmphex(stick_addr(qts, "b"), ==, base + 1 * GiB);
    qtest_quit(qts);
}

static void test_unplug(void)
{
    QTestState *qts = qtest_init(MACHINE HV_BALLOON);
    uint64_t addr;

    add_memory(qts, "a", 256 * MiB, "on-demand");
    addr = stick_addr(qts, "a");
    qtest_qmp_device_del(qts, "a");
    g_assert_null(find_stick(qts, "a"));
    assert_balloon(qts, "capacity", BOOT);
    qtest_qmp_assert_success(qts, "{'execute': 'object-del',"
                             " 'arguments': {'id': 'mem-a'}}");

    /* the address is free again, and so is the name */
    add_memory(qts, "a", 512 * MiB, "now");
    g_assert_cmphex(stick_addr(qts, "a"), ==, addr);
    qtest_quit(qts);
}

static void test_cold_plug(void)
{
    QTestState *qts = qtest_init(
        MACHINE HV_BALLOON "-object memory-backend-ram,id=m,size=256M "
        "-device mem-haprot,id=a,memdev=m ");

    assert_balloon(qts, "target", BOOT + 256 * MiB);
    assert_balloon(qts, "actual", BOOT);
    qtest_qmp_device_del(qts, "a");
    assert_balloon(qts, "capacity", BOOT);
    qtest_quit(qts);
}

static void test_reset(void)
{
    QTestState *qts = qtest_init(MACHINE HV_BALLOON);
    QDict *stick;

    add_memory(qts, "a", 256 * MiB, "now");
    qtest_system_reset(qts);
    assert_balloon(qts, "target", BOOT + 256 * MiB);
    assert_balloon(qts, "actual", BOOT);
    stick = find_stick(qts, "a");
    /* the guest never had a page of it */
    g_assert_cmpstr(qdict_get_str(stick, "state"), ==, "idle");
    qobject_unref(stick);
    qtest_qmp_device_del(qts, "a");
    qtest_quit(qts);
}

/* What a stock hv-balloon can do with its one memdev. */
static void test_memdev(void)
{
    QTestState *qts = qtest_init(
        MACHINE "-object memory-backend-ram,id=m,size=256M "
        "-device vmbus-bridge -device hv-balloon,id=hvb,memdev=m ");
    QList *list = query_list(qts, "query-memory-devices");
    QDict *device = qobject_to(QDict, qlist_peek(list));
    QDict *data = qdict_get_qdict(device, "data");

    g_assert_cmpstr(qdict_get_str(device, "type"), ==, "hv-balloon");
    g_assert_cmphex(qdict_get_int(data, "max-size"), ==, 256 * MiB);
    g_assert_cmpstr(qdict_get_str(data, "memdev"), ==, "/objects/m");
    g_assert_cmphex(qdict_get_int(data, "memaddr"), >=, 4 * GiB);
    qobject_unref(list);

    assert_balloon(qts, "target", BOOT);
    assert_balloon(qts, "capacity", BOOT + 256 * MiB);
    list = query_list(qts, "query-haprot");
    g_assert_cmpuint(qlist_size(list), ==, 0);
    qobject_unref(list);
    qtest_quit(qts);
}

/* Without maxmem there is no room for sticks, but a balloon. */
static void test_no_maxmem(void)
{
    QTestState *qts = qtest_init(
        "-machine pc -nodefaults -S -accel tcg -m 512M "
        "-cpu max,hv-vpindex,hv-synic " HV_BALLOON);

    assert_balloon(qts, "capacity", BOOT);
    add_backend(qts, "m", 128 * MiB);
    add_fails(qts, "'id': 'a', 'memdev': 'm'", "maxmem");
    qtest_quit(qts);
}

static void test_guest_stats(void)
{
    QTestState *qts = qtest_init(MACHINE HV_BALLOON);
    QDict *response, *stats;

    qtest_qmp_assert_success(qts, "{'execute': 'qom-set', 'arguments': {"
                             " 'path': '/machine/peripheral/hvb',"
                             " 'property': 'guest-stats-polling-interval',"
                             " 'value': 2}}");
    response = qtest_qmp(qts, "{'execute': 'qom-get', 'arguments': {"
                         " 'path': '/machine/peripheral/hvb',"
                         " 'property': 'guest-stats'}}");
    stats = qdict_get_qdict(response, "return");
    g_assert_cmpint(qdict_get_int(stats, "last-update"), ==, 0);
    stats = qdict_get_qdict(stats, "stats");
    g_assert_cmpuint(qdict_size(stats), ==, 16);
    g_assert_true(qdict_haskey(stats, "stat-available-memory"));
    qobject_unref(response);
    qtest_quit(qts);
}

/* Two kinds of balloon live together; two of a kind do not. */
static void test_two_balloons(void)
{
    QTestState *qts = qtest_init(
        MACHINE "-device virtio-balloon-pci " HV_BALLOON);
    QDict *info = query_dict(qts, "query-balloon");

    g_assert_cmphex(qdict_get_int(info, "actual"), ==, BOOT);
    qobject_unref(info);
    qtest_quit(qts);
}

static void test_migration_blocked(void)
{
    QTestState *qts = qtest_init(MACHINE HV_BALLOON);
    QDict *error =
        qtest_qmp_assert_failure_ref(qts, "{'execute': 'migrate', 'arguments':"
                                     " {'uri': 'exec:cat >/dev/null'}}");

    g_assert_nonnull(strstr(qdict_get_str(error, "desc"),
                            "hv-balloon does not migrate"));
    qobject_unref(error);
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    if (!qtest_has_accel("tcg")) {
        g_test_skip("no TCG");
        return g_test_run();
    }
    if (!qtest_has_device("hv-balloon")) {
        g_test_skip("no hv-balloon");
        return g_test_run();
    }

    qtest_add_func("/haprot/no-handler", test_no_handler);
    qtest_add_func("/haprot/bad-arguments", test_bad_arguments);
    qtest_add_func("/haprot/odd-size", test_odd_size);
    qtest_add_func("/haprot/query", test_query);
    qtest_add_func("/haprot/target", test_target);
    qtest_add_func("/haprot/memory-devices", test_memory_devices);
    qtest_add_func("/haprot/numa", test_numa);
    qtest_add_func("/haprot/maxmem", test_maxmem);
    qtest_add_func("/haprot/given-address", test_given_address);
    qtest_add_func("/haprot/unplug", test_unplug);
    qtest_add_func("/haprot/cold-plug", test_cold_plug);
    qtest_add_func("/haprot/reset", test_reset);
    qtest_add_func("/haprot/memdev", test_memdev);
    qtest_add_func("/haprot/no-maxmem", test_no_maxmem);
    qtest_add_func("/haprot/guest-stats", test_guest_stats);
    qtest_add_func("/haprot/two-balloons", test_two_balloons);
    qtest_add_func("/haprot/migration-blocked", test_migration_blocked);

    return g_test_run();
}
