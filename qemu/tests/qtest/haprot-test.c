/*
 * mem-haprot and hv-balloon without a guest: plugging, addresses, unplugging,
 * queries, reset
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/units.h"
#include "libqtest.h"
#include "haprot-qmp.h"
#include "test-accel.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"

/*
 * The VMBus needs a SynIC, which TCG and KVM have; the machine is never
 * started.
 */
#define MACHINE "-machine q35 -nodefaults -S " \
                "-cpu max,hv-vpindex,hv-synic -m 512M,maxmem=2560M "
#define HV_BALLOON "-device vmbus-bridge -device hv-balloon,id=hvb "

#define BOOT (512 * MiB)
#define ROOM (2 * GiB)          /* for sticks */

/* Helpers */

static QTestState *start(const char *options)
{
    return qtest_initf("%s -accel %s", options, test_accel());
}

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

/* Add backend mem-@id and stick @id with it. */
static void add_memory(QTestState *qts, const char *id, uint64_t size,
                       const char *insert)
{
    g_autofree char *memdev = g_strdup_printf("mem-%s", id);

    add_backend(qts, memdev, size);
    add_stick(qts, id, memdev, insert);
}

/* device_add with @args fails, with @what in the error. */
static void add_fails(QTestState *qts, const char *args, const char *what)
{
    g_autofree char *command =
        g_strdup_printf("{'execute': 'device_add', 'arguments': {"
                        " 'driver': 'mem-haprot', %s}}", args);
    QDict *error = qtest_qmp_assert_failure_ref(qts, command, NULL);
    const char *desc = qdict_get_str(error, "desc");

    if (!strstr(desc, what)) {
        g_error("error of %s: '%s', expected '%s'", args, desc, what);
    }
    qobject_unref(error);
}

static void assert_balloon(QTestState *qts, const char *member,
                           uint64_t value)
{
    QDict *info = query_dict(qts, "query-hv-balloon");

    g_assert_cmphex(qdict_get_int(info, member), ==, value);
    qobject_unref(info);
}

/*
 * A vhost-user backend that only answers what it is asked while its device is
 * realized. It has @slots memory slots.
 */

#define VHOST_USER_GET_FEATURES 1
#define VHOST_USER_GET_PROTOCOL_FEATURES 15
#define VHOST_USER_GET_MAX_MEM_SLOTS 36
#define VHOST_USER_VERSION 1
#define VHOST_USER_REPLY 4
#define VHOST_USER_F_PROTOCOL_FEATURES (1ULL << 30)
#define VIRTIO_F_VERSION_1 (1ULL << 32)         /* required on PCI Express */
#define VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS (1ULL << 15)
/* How many queries QEMU sends: the one for features comes twice. */
#define VHOST_USER_QUERIES 4

typedef struct {
    uint32_t request, flags, size;
} QEMU_PACKED VhostUserHeader;

/* False if @request needs no reply. */
static bool vhost_user_answer(uint32_t request, uint64_t slots,
                              uint64_t *value)
{
    switch (request) {
    case VHOST_USER_GET_FEATURES:
        *value = VHOST_USER_F_PROTOCOL_FEATURES | VIRTIO_F_VERSION_1;
        return true;
    case VHOST_USER_GET_PROTOCOL_FEATURES:
        *value = VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS;
        return true;
    case VHOST_USER_GET_MAX_MEM_SLOTS:
        *value = slots;
        return true;
    default:
        return false;
    }
}

/* Receive a message; true if it was a query, which has been answered. */
static bool vhost_user_serve(int fd, uint64_t slots)
{
    VhostUserHeader header;
    struct {
        VhostUserHeader header;
        uint64_t value;
    } QEMU_PACKED reply;
    uint64_t value;
    char payload[64];

    g_assert_cmpint(recv(fd, &header, sizeof(header), MSG_WAITALL), ==,
                    sizeof(header));
    g_assert_cmpuint(header.size, <=, sizeof(payload));
    if (header.size) {
        g_assert_cmpint(recv(fd, payload, header.size, MSG_WAITALL), ==,
                        header.size);
    }
    if (!vhost_user_answer(header.request, slots, &value)) {
        return false;
    }
    reply.header = (VhostUserHeader) {
        header.request, VHOST_USER_VERSION | VHOST_USER_REPLY, sizeof(value)
    };
    reply.value = value;
    g_assert_cmpint(send(fd, &reply, sizeof(reply), 0), ==, sizeof(reply));
    return true;
}

/* Add a device with that backend to bus "rp". Returns the backend's socket. */
static int add_vhost_user(QTestState *qts, uint64_t slots)
{
    unsigned answered = 0;
    QDict *reply;
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    qtest_qmp_fds_assert_success(qts, &fds[0], 1, "{'execute': 'getfd',"
                                 " 'arguments': {'fdname': 'vhost'}}");
    close(fds[0]);
    qtest_qmp_assert_success(qts, "{'execute': 'chardev-add', 'arguments': {"
                             " 'id': 'vhost', 'backend': {'type': 'socket',"
                             " 'data': {'server': false, 'addr': {"
                             " 'type': 'fd', 'data': {'str': 'vhost'}}}}}}");
    qtest_qmp_send(qts, "{'execute': 'device_add', 'arguments': {"
                   " 'driver': 'vhost-user-rng-pci', 'id': 'vhost',"
                   " 'bus': 'rp', 'chardev': 'vhost'}}");
    while (answered < VHOST_USER_QUERIES) {
        answered += vhost_user_serve(fds[1], slots);
    }
    reply = qtest_qmp_receive(qts);
    if (!qdict_haskey(reply, "return")) {
        g_error("device_add: %s",
                qdict_get_str(qdict_get_qdict(reply, "error"), "desc"));
    }
    qobject_unref(reply);
    return fds[1];
}

/* Tests */

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

/* A stick that takes a slot of vhost-user; only shared memory does. */
static void add_shared_stick(QTestState *qts, const char *id)
{
    g_autofree char *memdev = g_strdup_printf("mem-%s", id);

    qtest_qmp_assert_success(qts, "{'execute': 'object-add', 'arguments': {"
                             " 'qom-type': 'memory-backend-memfd',"
                             " 'id': %s, 'size': 134217728}}", memdev);
    add_stick(qts, id, memdev, "on-demand");
}

/* free-slots agrees with device_add, and unplugging frees a slot. */
static void test_slots(void)
{
    QTestState *qts;
    QDict *info;
    int vhost;

    if (!qtest_has_device("vhost-user-rng-pci")) {
        g_test_skip("no vhost-user in this build");
        return;
    }
    qts = start(MACHINE HV_BALLOON "-device pcie-root-port,id=rp");
    add_shared_stick(qts, "first");
    info = query_dict(qts, "query-hv-balloon");
    /* TCG has no slots; KVM has far more than the backend below */
    g_assert_cmpint(qdict_haskey(info, "free-slots"), ==, test_accel_is_kvm());
    qobject_unref(info);

    vhost = add_vhost_user(qts, 3);
    assert_balloon(qts, "free-slots", 2);
    add_shared_stick(qts, "a");
    assert_balloon(qts, "free-slots", 1);
    add_shared_stick(qts, "b");
    assert_balloon(qts, "free-slots", 0);
    add_backend(qts, "mem-c", 128 * MiB);
    add_fails(qts, "'id': 'c', 'memdev': 'mem-c'",
              "a memory slot of vhost, and all 3 are taken");

    qtest_qmp_assert_success(qts, "{'execute': 'device_del',"
                             " 'arguments': {'id': 'a'}}");
    assert_balloon(qts, "free-slots", 1);
    add_stick(qts, "c", "mem-c", "on-demand");
    qtest_quit(qts);
    close(vhost);
}

static void test_odd_size(void)
{
    QTestState *qts = start(MACHINE HV_BALLOON);

    qtest_qmp_assert_success(qts, "{'execute': 'object-add', 'arguments': {"
                             " 'qom-type': 'memory-backend-memfd',"
                             " 'id': 'm', 'size': 134221824}}");
    add_fails(qts, "'id': 'a', 'memdev': 'm'", "a multiple of 2 MiB");
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

/* ---- Every kind of backend ---- */

#define FILE_ARGS "'qom-type': 'memory-backend-file', 'mem-path': '%s'"

/* The arguments of object-add, besides id and size; %s: a file. */
static const struct {
    const char *name;
    const char *args;
    bool huge;
} backends[] = {
    { "ram", "'qom-type': 'memory-backend-ram'" },
    { "ram-shared", "'qom-type': 'memory-backend-ram', 'share': true" },
    { "ram-prealloc", "'qom-type': 'memory-backend-ram', 'prealloc': true" },
    { "ram-unreserved", "'qom-type': 'memory-backend-ram', 'reserve': false" },
    { "ram-merge", "'qom-type': 'memory-backend-ram', 'merge': true" },
    { "memfd", "'qom-type': 'memory-backend-memfd'" },
    { "memfd-private", "'qom-type': 'memory-backend-memfd', 'share': false" },
    { "memfd-prealloc", "'qom-type': 'memory-backend-memfd',"
      " 'prealloc': true" },
    { "memfd-huge", "'qom-type': 'memory-backend-memfd', 'hugetlb': true,"
      " 'hugetlbsize': 2097152", true },
    { "memfd-huge-prealloc", "'qom-type': 'memory-backend-memfd',"
      " 'hugetlb': true, 'hugetlbsize': 2097152, 'prealloc': true", true },
    { "memfd-huge-unreserved", "'qom-type': 'memory-backend-memfd',"
      " 'hugetlb': true, 'hugetlbsize': 2097152, 'reserve': false", true },
    { "file", FILE_ARGS },
    { "file-shared", FILE_ARGS ", 'share': true" },
    { "file-prealloc", FILE_ARGS ", 'share': true, 'prealloc': true" },
    { "file-discard-data", FILE_ARGS ", 'share': true, 'discard-data': true" },
};

#define BACKEND_SIZE (16 * MiB)

static void add_backend_of_kind(QTestState *qts, size_t kind, const char *file)
{
    g_auto(GStrv) around = g_strsplit(backends[kind].args, "%s", 2);
    g_autofree char *args = g_strjoinv(file, around);
    g_autofree char *command = NULL;

    command = g_strdup_printf("{'execute': 'object-add', 'arguments': {"
                              " 'id': 'm', 'size': %" PRIu64 ", %s}}",
                              (uint64_t)BACKEND_SIZE, args);
    qtest_qmp_assert_success(qts, command, NULL);
}

/* Plug, use, unplug, delete; twice, to see that nothing is left behind. */
static void test_backend(gconstpointer opaque)
{
    size_t kind = GPOINTER_TO_SIZE(opaque);
    g_autofree char *file = NULL;
    QTestState *qts;
    int i, fd;

    if (backends[kind].huge && free_huge_bytes() < BACKEND_SIZE) {
        g_test_skip("not enough free huge pages of 2 MiB on this host");
        return;
    }
    qts = start(MACHINE HV_BALLOON);
    fd = g_file_open_tmp("haprot-XXXXXX", &file, NULL);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, BACKEND_SIZE), ==, 0);
    close(fd);
    for (i = 0; i < 2; i++) {
        uint64_t addr;

        add_backend_of_kind(qts, kind, file);
        add_stick(qts, "a", "m", "on-demand");
        addr = stick_addr(qts, "a");
        qtest_writel(qts, addr, 0x12345678);
        qtest_writel(qts, addr + BACKEND_SIZE - 4, 0x9abcdef0);
        g_assert_cmphex(qtest_readl(qts, addr), ==, 0x12345678);
        g_assert_cmphex(qtest_readl(qts, addr + BACKEND_SIZE - 4), ==,
                        0x9abcdef0);
        qtest_qmp_device_del(qts, "a");
        qtest_qmp_assert_success(qts, "{'execute': 'object-del',"
                                 " 'arguments': {'id': 'm'}}");
    }
    qtest_quit(qts);
    unlink(file);
}

static void test_read_only(void)
{
    QTestState *qts = start(MACHINE HV_BALLOON);
    g_autofree char *file = NULL;
    int fd = g_file_open_tmp("haprot-XXXXXX", &file, NULL);

    g_assert_cmpint(ftruncate(fd, BACKEND_SIZE), ==, 0);
    close(fd);
    qtest_qmp_assert_success(qts, "{'execute': 'object-add', 'arguments': {"
                             " 'qom-type': 'memory-backend-file', 'id': 'm',"
                             " 'size': 16777216, 'mem-path': %s,"
                             " 'readonly': true}}", file);
    add_fails(qts, "'id': 'a', 'memdev': 'm'", "'m' is read-only");
    qtest_quit(qts);
    unlink(file);
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
    g_autofree char *command =
        g_strdup_printf("%s -display none -accel %s " MACHINE "%s",
                        getenv("QTEST_QEMU_BINARY"), test_accel(), options);
    g_autofree char *err = NULL;
    int status;

    g_assert_true(g_spawn_command_line_sync(command, NULL, &err, &status,
                                            NULL));
    g_assert_cmpint(status, !=, 0);
    if (!strstr(err, text)) {
        g_error("no '%s' in: %s", text, err);
    }
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

int main(int argc, char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);

    if (!qtest_has_accel(test_accel())) {
        g_test_skip("the accelerator is missing");
        return g_test_run();
    }
    if (!qtest_has_device("hv-balloon")) {
        g_test_skip("no hv-balloon");
        return g_test_run();
    }

    qtest_add_func("/haprot/no-handler", test_no_handler);
    qtest_add_func("/haprot/bad-arguments", test_bad_arguments);
    qtest_add_func("/haprot/odd-size", test_odd_size);
    qtest_add_func("/haprot/slots", test_slots);
    qtest_add_func("/haprot/query", test_query);
    qtest_add_func("/haprot/target", test_target);
    qtest_add_func("/haprot/memory-devices", test_memory_devices);
    qtest_add_func("/haprot/numa", test_numa);
    for (i = 0; i < ARRAY_SIZE(backends); i++) {
        g_autofree char *name = g_strdup_printf("/haprot/backend/%s",
                                                backends[i].name);

        qtest_add_data_func(name, GSIZE_TO_POINTER(i), test_backend);
    }
    qtest_add_func("/haprot/backend/read-only", test_read_only);
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

    return g_test_run();
}
