/*
 * mem-haprot and hv-balloon without a guest: plugging, addresses, unplugging,
 * queries, reset
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "haprot-machine.h"
#include "haprot-qmp.h"
#include "hyperv-guest.h"

#define ROOM (2 * GiB)          /* for sticks */

static void test_no_handler(void)
{
    QTestState *qts = start(MACHINE);

    add_backend(qts, "m", 128 * MiB);
    add_fails(qts, "'id': 'a', 'memdev': 'm'", "add an hv-balloon before");
    g_assert_null(find_stick(qts, "a"));
    qtest_qmp_assert_success(qts, "{'execute': 'object-del',"
                             " 'arguments': {'id': 'm'}}");
    qtest_quit(qts);
}

static void test_bad_arguments(void)
{
    QTestState *qts = start(MACHINE HV_BALLOON);

    add_backend(qts, "m", 128 * MiB);
    add_backend(qts, "huge", 3 * GiB);
    add_fails(qts, "'id': 'a'", "memdev=");
    add_fails(qts, "'id': 'a', 'memdev': 'nothing'", "nothing");
    add_fails(qts, "'id': 'a', 'memdev': 'm', 'insert': 'later'", "later");
    add_fails(qts, "'id': 'a', 'memdev': 'm', 'addr': 4096", "aligned");
    add_fails(qts, "'id': 'a', 'memdev': 'm', 'addr': 2097152", "usable");
    add_fails(qts, "'id': 'a', 'memdev': 'huge'", "not enough space");
    /* the backend was not taken by those that were refused */
    add_stick(qts, "a", "m", "now");
    add_fails(qts, "'id': 'b', 'memdev': 'm'", "'m' is already in use");
    qtest_quit(qts);
}

static void test_query(void)
{
    QTestState *qts = start(MACHINE HV_BALLOON);
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
    QTestState *qts = start(MACHINE HV_BALLOON);
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
    /* in whole pages; no guest has answered yet */
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
    QTestState *qts = start(MACHINE HV_BALLOON);
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

/* Sticks and hv-balloon's memdev belong to the last node. */
static void test_numa(void)
{
    QTestState *qts = start(
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

/* Many small ones; one that is unplugged makes room for another. */
static void test_many(void)
{
    const unsigned many = 256;
    QTestState *qts = start(MACHINE HV_BALLOON);
    uint64_t base = 0;
    QList *list;
    unsigned i;

    for (i = 0; i < many; i++) {
        g_autofree char *id = g_strdup_printf("s%u", i);

        add_memory(qts, id, 2 * MiB, "on-demand");
        base = base ? base : stick_addr(qts, id);
        g_assert_cmphex(stick_addr(qts, id), ==, base + i * 2 * MiB);
    }
    assert_balloon(qts, "capacity", BOOT + many * 2 * MiB);
    for (i = 1; i < many; i += 2) {
        g_autofree char *id = g_strdup_printf("s%u", i);

        qtest_qmp_device_del(qts, id);
    }
    assert_balloon(qts, "capacity", BOOT + many * MiB);
    list = query_list(qts, "query-haprot");
    g_assert_cmpuint(qlist_size(list), ==, many / 2);
    qobject_unref(list);
    add_memory(qts, "again", 2 * MiB, "now");
    g_assert_cmphex(stick_addr(qts, "again"), ==, base + 2 * MiB);
    add_memory(qts, "large", 4 * MiB, "now");
    g_assert_cmphex(stick_addr(qts, "large"), ==, base + (many - 1) * 2 * MiB);
    qtest_quit(qts);
}

/* Sticks of any multiple of 2 MiB can use all of maxmem. */
static void test_maxmem(void)
{
    QTestState *qts = start(MACHINE HV_BALLOON);
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

/* Backend m2 cannot be plugged at @addr, with @what in the error. */
static void add_fails_at(QTestState *qts, uint64_t addr, const char *what)
{
    g_autofree char *args =
        g_strdup_printf("'id': 'x', 'memdev': 'm2', 'addr': %" PRIu64, addr);

    add_fails(qts, args, what);
}

static uint64_t space_number(QTestState *qts, const char *member)
{
    QDict *info = query_dict(qts, "query-hv-balloon");
    uint64_t value = qdict_get_int(qdict_get_qdict(info, "device-memory"),
                                   member);

    qobject_unref(info);
    return value;
}

static void test_given_address(void)
{
    QTestState *qts = start(MACHINE HV_BALLOON);
    g_autofree char *fix = NULL;
    uint64_t base;

    add_memory(qts, "a", 64 * MiB, "now");
    base = stick_addr(qts, "a");
    add_backend(qts, "m", 64 * MiB);
    qtest_qmp_assert_success(qts, "{'execute': 'device_add', 'arguments': {"
                             " 'driver': 'mem-haprot', 'id': 'b',"
                             " 'memdev': 'm', 'addr': %" PRIu64 "}}",
                             base + 1 * GiB);
    g_assert_cmphex(stick_addr(qts, "b"), ==, base + 1 * GiB);

    /* device-memory of query-hv-balloon */
    g_assert_cmphex(space_number(qts, "base"), ==, base);
    g_assert_cmphex(space_number(qts, "size"), ==, ROOM);

    /* taken, partly taken, beyond the end, boot memory */
    add_backend(qts, "m2", 64 * MiB);
    add_fails_at(qts, base + 1 * GiB, "conflicts with memory device id='b'");
    add_fails_at(qts, base + 1 * GiB - 2 * MiB, "conflicts");
    add_fails_at(qts, base + ROOM, "usable");
    add_fails_at(qts, base + ROOM - 62 * MiB, "usable");
    add_fails_at(qts, UINT64_MAX - 2 * MiB + 1, "usable");
    add_fails_at(qts, base - 2 * MiB, "usable");
    fix = g_strdup_printf("mem-haprot 'x' of 0x4000000 bytes at address"
                          " 0x1000000 is not within the usable range for memory"
                          " devices, 0x%" PRIx64 " to 0x%" PRIx64 ": choose an"
                          " address there, or none", base, base + ROOM - 1);
    add_fails_at(qts, 16 * MiB, fix);
    /* exactly between the two */
    add_memory(qts, "c", 1 * GiB - 64 * MiB, "now");
    g_assert_cmphex(stick_addr(qts, "c"), ==, base + 64 * MiB);
    qtest_quit(qts);
}

static void test_unplug(void)
{
    QTestState *qts = start(MACHINE HV_BALLOON);
    uint64_t addr;

    add_memory(qts, "a", 256 * MiB, "on-demand");
    addr = stick_addr(qts, "a");
    qtest_qmp_device_del(qts, "a");
    g_assert_null(find_stick(qts, "a"));
    assert_balloon(qts, "capacity", BOOT);
    qtest_qmp_assert_success(qts, "{'execute': 'object-del',"
                             " 'arguments': {'id': 'mem-a'}}");

    /* address and name are free again */
    add_memory(qts, "a", 512 * MiB, "now");
    g_assert_cmphex(stick_addr(qts, "a"), ==, addr);
    qtest_quit(qts);
}

static void test_cold_plug(void)
{
    QTestState *qts = start(
        MACHINE HV_BALLOON "-object memory-backend-ram,id=m,size=256M "
        "-device mem-haprot,id=a,memdev=m ");

    assert_balloon(qts, "target", BOOT + 256 * MiB);
    assert_balloon(qts, "actual", BOOT);
    qtest_qmp_device_del(qts, "a");
    assert_balloon(qts, "capacity", BOOT);
    qtest_qmp_assert_success(qts, "{'execute': 'object-del',"
                             " 'arguments': {'id': 'm'}}");
    qtest_quit(qts);
}

static void test_reset(void)
{
    QTestState *qts = start(MACHINE HV_BALLOON);
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

/* A fixed backend: what QEMU's own hv-balloon has. */
static void test_memdev(void)
{
    QTestState *qts = start(
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

/* QEMU exits with @text in its error. */
static void assert_no_start(const char *options, const char *text)
{
    g_autofree char *all = g_strdup_printf("-accel %s " MACHINE "%s",
                                           test_accel(), options);

    qemu_fails(all, text);
}

static void test_memdev_addr(void)
{
    QTestState *qts = start(
        MACHINE "-object memory-backend-ram,id=m,size=256M -device vmbus-bridge"
        " -device hv-balloon,id=hvb,memdev=m,addr=0x140000000 ");
    QList *list = query_list(qts, "query-memory-devices");
    QDict *device = qobject_to(QDict, qlist_peek(list));
    QDict *data = qdict_get_qdict(device, "data");

    g_assert_cmphex(qdict_get_int(data, "memaddr"), ==, 0x140000000);
    qobject_unref(list);
    /* address and backend cannot be changed now */
    qobject_unref(qtest_qmp_assert_failure_ref(qts,
        "{'execute': 'qom-set', 'arguments': {'path':"
        " '/machine/peripheral/hvb', 'property': 'addr', 'value': 0}}"));
    qobject_unref(qtest_qmp_assert_failure_ref(qts,
        "{'execute': 'object-del', 'arguments': {'id': 'm'}}"));
    qtest_quit(qts);

    assert_no_start("-device vmbus-bridge -device hv-balloon,addr=0x140000000",
                    "memdev=, which is not set");
    assert_no_start("-object memory-backend-ram,id=m,size=3M"
                    " -device vmbus-bridge -device hv-balloon,memdev=m",
                    "multiple of 0x200000");
    assert_no_start(HV_BALLOON "-device hv-balloon", "duplicate vmbus device");
}

/* Without memdev= it is in the list too, without memory. */
static void test_memory_device_empty(void)
{
    QTestState *qts = start(MACHINE HV_BALLOON);
    QList *list = query_list(qts, "query-memory-devices");
    QDict *device = qobject_to(QDict, qlist_peek(list));
    QDict *data = qdict_get_qdict(device, "data");

    g_assert_cmpstr(qdict_get_str(device, "type"), ==, "hv-balloon");
    g_assert_cmpstr(qdict_get_str(data, "id"), ==, "hvb");
    g_assert_cmphex(qdict_get_int(data, "max-size"), ==, 0);
    g_assert_false(qdict_haskey(data, "memaddr"));
    g_assert_false(qdict_haskey(data, "memdev"));
    qobject_unref(list);
    qtest_quit(qts);
}

/* query-hv-balloon-status-report fails, with @what in the error. */
static void report_fails(const char *machine, const char *what)
{
    QTestState *qts = start(machine);
    QDict *error = qtest_qmp_assert_failure_ref(
        qts, "{'execute': 'query-hv-balloon-status-report'}");

    g_assert_nonnull(strstr(qdict_get_str(error, "desc"), what));
    qobject_unref(error);
    qtest_quit(qts);
}

static void test_status_report_errors(void)
{
    report_fails(MACHINE, "there is no hv-balloon");
    report_fails(MACHINE HV_BALLOON, "status-report=on");
    report_fails(MACHINE "-device vmbus-bridge"
                 " -device hv-balloon,status-report=on", "no status report");
}

/* All sizes of boot memory and maxmem: the last 2 MiB can be used. */
static void test_odd_maxmem(void)
{
    static const struct {
        const char *machine;
        const char *memory;
        uint64_t room;
    } odd[] = {
        { "q35", "512M,maxmem=514M", 2 * MiB },
        { "q35", "513M,maxmem=2563M", 2050 * MiB },
        { "pc", "500M,maxmem=1726M", 1226 * MiB },
        { "pc", "1G,maxmem=1152M", 128 * MiB },
    };
    size_t i;

    for (i = 0; i < ARRAY_SIZE(odd); i++) {
        QTestState *qts = qtest_initf(
            "-machine %s -nodefaults -S -accel %s -m %s"
            " -cpu max,hv-vpindex,hv-synic " HV_BALLOON,
            odd[i].machine, test_accel(), odd[i].memory);

        if (odd[i].room > 2 * MiB) {
            add_memory(qts, "a", odd[i].room - 2 * MiB, "on-demand");
        }
        add_memory(qts, "b", 2 * MiB, "on-demand");
        assert_balloon(qts, "ungranted", odd[i].room);
        add_backend(qts, "m", 2 * MiB);
        add_fails(qts, "'id': 'c', 'memdev': 'm'", "not enough space");
        qtest_quit(qts);
    }
}

/* Without maxmem there is a balloon, but no room for sticks. */
static void test_no_maxmem(void)
{
    QTestState *qts = start(
        "-machine pc -nodefaults -S -m 512M "
        "-cpu max,hv-vpindex,hv-synic " HV_BALLOON);
    QDict *info = query_dict(qts, "query-hv-balloon");

    g_assert_false(qdict_haskey(info, "device-memory"));
    qobject_unref(info);
    assert_balloon(qts, "capacity", BOOT);
    add_backend(qts, "m", 128 * MiB);
    add_fails(qts, "'id': 'a', 'memdev': 'm'", "maxmem");
    qtest_quit(qts);
}

static void test_guest_stats(void)
{
    QTestState *qts = start(MACHINE HV_BALLOON);
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

/* Two balloons of different kinds are allowed, two of one kind are not. */
static void test_two_balloons(void)
{
    QTestState *qts = start(
        MACHINE "-device virtio-balloon-pci " HV_BALLOON);
    QDict *info = query_dict(qts, "query-balloon");

    g_assert_cmphex(qdict_get_int(info, "actual"), ==, BOOT);
    qobject_unref(info);
    qtest_quit(qts);
}

static void add_tests(void)
{
    qtest_add_func("/haprot/no-handler", test_no_handler);
    qtest_add_func("/haprot/bad-arguments", test_bad_arguments);
    qtest_add_func("/haprot/query", test_query);
    qtest_add_func("/haprot/target", test_target);
    qtest_add_func("/haprot/memory-devices", test_memory_devices);
    qtest_add_func("/haprot/numa", test_numa);
    qtest_add_func("/haprot/many", test_many);
    qtest_add_func("/haprot/maxmem", test_maxmem);
    qtest_add_func("/haprot/odd-maxmem", test_odd_maxmem);
    qtest_add_func("/haprot/given-address", test_given_address);
    qtest_add_func("/haprot/unplug", test_unplug);
    qtest_add_func("/haprot/cold-plug", test_cold_plug);
    qtest_add_func("/haprot/reset", test_reset);
    qtest_add_func("/haprot/memdev", test_memdev);
    qtest_add_func("/haprot/memdev-addr", test_memdev_addr);
    qtest_add_func("/haprot/memory-device-empty", test_memory_device_empty);
    qtest_add_func("/haprot/status-report-errors", test_status_report_errors);
    qtest_add_func("/haprot/no-maxmem", test_no_maxmem);
    qtest_add_func("/haprot/guest-stats", test_guest_stats);
    qtest_add_func("/haprot/two-balloons", test_two_balloons);
}

int main(int argc, char **argv)
{
    return haprot_main(argc, argv, add_tests);
}
