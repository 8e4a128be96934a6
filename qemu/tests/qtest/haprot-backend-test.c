/*
 * What a mem-haprot may be made of: every kind of backend, and a memory slot
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "haprot-machine.h"
#include "haprot-qmp.h"

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

static void test_odd_size(void)
{
    QTestState *qts = start(MACHINE HV_BALLOON);

    qtest_qmp_assert_success(qts, "{'execute': 'object-add', 'arguments': {"
                             " 'qom-type': 'memory-backend-memfd',"
                             " 'id': 'm', 'size': 134221824}}");
    add_fails(qts, "'id': 'a', 'memdev': 'm'", "a multiple of 2 MiB");
    qtest_quit(qts);
}

/* ---- Memory slots ---- */

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

static void add_tests(void)
{
    size_t i;

    qtest_add_func("/haprot/odd-size", test_odd_size);
    qtest_add_func("/haprot/slots", test_slots);
    for (i = 0; i < ARRAY_SIZE(backends); i++) {
        g_autofree char *name = g_strdup_printf("/haprot/backend/%s",
                                                backends[i].name);

        qtest_add_data_func(name, GSIZE_TO_POINTER(i), test_backend);
    }
    qtest_add_func("/haprot/backend/read-only", test_read_only);
}

int main(int argc, char **argv)
{
    return haprot_main(argc, argv, add_tests);
}
