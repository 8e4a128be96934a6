/*
 * VMBus facing a malicious guest, under TCG
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Nothing that the guest of hyperv-guest.h does may end QEMU.
 */

#include "qemu/osdep.h"
#include "hyperv-guest.h"

static void test_bad_contact(void)
{
    QTestState *qts = guest_with_vmbus("");

    post_simple(qts, VMBUS_MSG_UNLOAD);
    post_simple(qts, VMBUS_MSG_REQUESTOFFERS);
    post_contact(qts, VMBUS_VERSION_WIN10, 1);
    post_contact(qts, VMBUS_VERSION_WIN10, 99);
    post_contact(qts, VMBUS_VERSION_WIN10, UINT32_MAX);
    post_simple(qts, VMBUS_MSG_UNLOAD);
    connect_vmbus(qts, 0);
    post_simple(qts, VMBUS_MSG_UNLOAD);
    receive(qts, 0, VMBUS_MSG_UNLOAD_RESPONSE, NULL, 0);
    connect_vmbus(qts, 0);
    qtest_quit(qts);
}

static void test_bad_gpadl(void)
{
    QTestState *qts = guest_with_vmbus("");
    vmbus_message_gpadl_header head = {
        .header.message_type = VMBUS_MSG_GPADL_HEADER,
        .gpadl_id = 7,
        .rangecount = 1,
    };
    uint8_t msg[sizeof(head) + 8] = {};
    uint32_t huge = 0xfffff000;

    connect_vmbus(qts, 0);
    /* The range buffer is shorter than a range's head. */
    memcpy(msg, &head, sizeof(head));
    memcpy(msg + sizeof(head), &huge, sizeof(huge));
    post_ok(qts, msg, sizeof(msg));
    /* No page at all. */
    post_gpadl(qts, 8, 0, 0, 0);
    /* bodies for a complete GPADL and for none */
    create_gpadl(qts, 9, 2, RING >> 12);
    post_gpadl_body(qts, 9, 1);
    post_gpadl_body(qts, 10, 1);
    /* one that needs a single body */
    post_gpadl(qts, 11, 3, 2, RING >> 12);
    post_gpadl_body(qts, 11, 1);
    receive(qts, 0, VMBUS_MSG_GPADL_CREATED, NULL, 0);
    post_gpadl_body(qts, 11, 1);
    connect_vmbus(qts, 0);
    qtest_quit(qts);
}

/* The last request was not answered: the next message is the end of offers. */
static void assert_unanswered(QTestState *qts)
{
    post_simple(qts, VMBUS_MSG_REQUESTOFFERS);
    receive(qts, 0, VMBUS_MSG_ALLOFFERS_DELIVERED, NULL, 0);
}

static void test_many_gpadls(void)
{
    QTestState *qts = guest_with_vmbus("");
    uint32_t i;

    connect_vmbus(qts, 0);
    for (i = 0; i < 4096; i++) {
        create_gpadl(qts, i, 1, RING >> 12);
    }
    post_gpadl(qts, 4096, 1, 1, RING >> 12);
    assert_unanswered(qts);
    /* A new connection removes all of them. */
    connect_vmbus(qts, 0);
    create_gpadl(qts, 4096, 1, RING >> 12);
    qtest_quit(qts);
}

static void test_large_gpadls(void)
{
    QTestState *qts = guest_with_vmbus("");
    uint32_t i, pages = (UINT16_MAX - 8) / 8;

    connect_vmbus(qts, 0);
    for (i = 0; i < (1u << 20) / pages; i++) {
        post_gpadl(qts, i, pages, 1, 0);
    }
    /* 256 pages are left. */
    for (i = 0; i < 16; i++) {
        create_gpadl(qts, 1000 + i, 16, RING >> 12);
    }
    post_gpadl(qts, 2000, 1, 1, RING >> 12);
    assert_unanswered(qts);
    qtest_quit(qts);
}

static void test_bad_rings(void)
{
    static const uint32_t offsets[] = {
        0, 1, 7, 8, 9, 0x7fffffff, 0x80000000, UINT32_MAX - 1, UINT32_MAX,
    };
    QTestState *qts = guest_with_vmbus("-device hv-balloon");
    uint32_t relid;
    size_t i;

    connect_vmbus(qts, 0);
    relid = first_offer(qts);
    create_gpadl(qts, 1, 8, RING >> 12);
    create_gpadl(qts, 2, 8, MMIO_PFN);
    create_gpadl(qts, 3, 8, 1ull << 40);
    for (i = 0; i < ARRAY_SIZE(offsets); i++) {
        g_assert_cmpuint(open_channel(qts, relid, 1, offsets[i], 0), !=, 0);
    }
    g_assert_cmpuint(open_channel(qts, relid, 2, 4, 0), !=, 0);
    g_assert_cmpuint(open_channel(qts, relid, 3, 4, 0), !=, 0);
    g_assert_cmpuint(open_channel(qts, relid, 99, 4, 0), !=, 0);
    g_assert_cmpuint(open_channel(qts, relid, 1, 4, 1), !=, 0);
    g_assert_cmpuint(open_channel(qts, relid, 1, 4, UINT32_MAX), !=, 0);
    g_assert_cmpuint(open_channel(qts, relid, 1, 4, 0), ==, 0);
    close_channel(qts, relid);
    close_channel(qts, relid);
    close_channel(qts, relid + 1);
    g_assert_cmpuint(open_channel(qts, relid, 1, 4, 0), ==, 0);
    connect_vmbus(qts, 0);
    qtest_quit(qts);
}

/* A packet of @type in the ring from the guest, which then signals it. */
static void send_packet(QTestState *qts, uint32_t relid, uint64_t ring,
                        uint16_t type, uint16_t offset, uint16_t len,
                        const uint32_t *body, uint32_t words)
{
    uint16_t head[4] = { type, offset, len, 0 };
    uint64_t data = ring + 0x1000;

    g_assert_cmpuint(open_channel(qts, relid, 1, 4, 0), ==, 0);
    qtest_writel(qts, ring + 4, 0);
    qtest_memwrite(qts, data, head, sizeof(head));
    qtest_memwrite(qts, data + 16, body, words * 4);
    qtest_writel(qts, ring, 16 + words * 4 + 8);
    g_assert_cmphex(hypercall(qts, SIGNAL_EVENT | FAST, 16 + relid), ==,
                    STATUS_SUCCESS);
    close_channel(qts, relid);
    qtest_memset(qts, ring, 0, 0x8000);
}

static void test_bad_packets(void)
{
    /* reserved, rangecount, byte count, byte offset, and a page number */
    static const uint32_t many[] = { 0, 0xc0000000, 16, 0, 1, 0 };
    static const uint32_t most[] = { 0, UINT32_MAX, 16, 0, 1, 0 };
    static const uint32_t long_range[] = { 0, 1, UINT32_MAX, 0, 1, 0 };
    static const uint32_t offset[] = { 0, 1, 16, UINT32_MAX, 1, 0 };
    const uint16_t direct = VMBUS_PACKET_DATA_USING_GPA_DIRECT;
    const uint16_t inband = VMBUS_PACKET_DATA_INBAND;
    QTestState *qts = guest_with_vmbus("-device hv-balloon");
    uint32_t relid;

    connect_vmbus(qts, 0);
    relid = first_offer(qts);
    create_gpadl(qts, 1, 8, RING >> 12);
    send_packet(qts, relid, RING, direct, 5, 5, many, 6);
    send_packet(qts, relid, RING, direct, 5, 5, most, 6);
    send_packet(qts, relid, RING, direct, 5, 5, long_range, 6);
    send_packet(qts, relid, RING, direct, 5, 5, offset, 6);
    send_packet(qts, relid, RING, direct, 2, 5, offset, 6);
    send_packet(qts, relid, RING, inband, 0, 5, many, 6);
    send_packet(qts, relid, RING, inband, 6, 5, many, 6);
    send_packet(qts, relid, RING, inband, 2, 0xffff, many, 6);
    send_packet(qts, relid, RING, inband, 2, 5, many, 6);
    send_packet(qts, relid, RING, 0xffff, 2, 5, many, 6);
    connect_vmbus(qts, 0);
    qtest_quit(qts);
}

#define CPU_HOTPLUG     0xcd8           /* of q35 */

/* Only an operating system is asked before; nobody looks whether it was. */
static void eject_cpu(QTestState *qts, int cpu)
{
    qtest_outb(qts, CPU_HOTPLUG, 0);    /* leaves the legacy interface */
    qtest_outl(qts, CPU_HOTPLUG, cpu);
    qtest_outb(qts, CPU_HOTPLUG + 4, 1 << 3);
}

static void plug_cpu(QTestState *qts, int cpu)
{
    qtest_qmp_assert_success(qts,
        "{'execute': 'device_add', 'arguments': {'driver': 'max-x86_64-cpu',"
        " 'socket-id': 0, 'core-id': %d, 'thread-id': 0}}", cpu);
}

/*
 * The CPU that VMBus sends to is ejected, once with a message that it has not
 * taken, so that the next one waits. Another one can come in its place.
 */
static void test_cpu_goes(void)
{
    /* TCG has contexts for so many CPUs, those that are gone included */
    QTestState *qts = guest_start("q35", "tcg", 2, ALL_FLAGS,
                                  "-smp 2,maxcpus=4 -device vmbus-bridge ");
    bool full;

    enable_hypercalls(qts);
    enable_synic(qts, 0);
    start_ap(qts, 1);
    for (full = false; ; full = true) {
        enable_synic(qts, 1);
        connect_vmbus(qts, 1);
        if (full) {
            post_simple(qts, VMBUS_MSG_REQUESTOFFERS);
            peek(qts, 1, VMBUS_MSG_ALLOFFERS_DELIVERED, NULL, 0);
            post_contact(qts, VMBUS_VERSION_WIN10, 1);
        }
        eject_cpu(qts, 1);
        post_simple(qts, VMBUS_MSG_REQUESTOFFERS);
        connect_vmbus(qts, 0);
        post_simple(qts, VMBUS_MSG_UNLOAD);
        receive(qts, 0, VMBUS_MSG_UNLOAD_RESPONSE, NULL, 0);
        plug_cpu(qts, 1);
        if (full) {
            break;
        }
        start_ap(qts, 1);
    }
    connect_vmbus(qts, 0);
    qtest_quit(qts);
}

static void add_tests(void)
{
    qtest_add_func("/vmbus/contact", test_bad_contact);
    qtest_add_func("/vmbus/cpu-goes", test_cpu_goes);
    qtest_add_func("/hostile/21-22-gpadl-bad", test_bad_gpadl);
    qtest_add_func("/hostile/22-gpadl-many", test_many_gpadls);
    qtest_add_func("/hostile/22-gpadl-large", test_large_gpadls);
    if (qtest_has_device("hv-balloon")) {
        qtest_add_func("/vmbus/rings", test_bad_rings);
        qtest_add_func("/vmbus/packets", test_bad_packets);
    }
}

int main(int argc, char **argv)
{
    return guest_main(argc, argv, "tcg", "vmbus-bridge", add_tests);
}
