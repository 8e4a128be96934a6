/*
 * hv-balloon and a guest whose releases the test chooses
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Linux chooses which pages it releases, so a stick is hardly ever unused while
 * it runs. This guest releases the pages that the test names, so sticks can be
 * removed while it runs, and their addresses used again, any number of times.
 * It reads and writes the memory with its own instructions.
 *
 * /hostile/NN are attacks of a guest that involve the VMBus;
 * tests/unit/hostile-test.c lists them all.
 */

#include "qemu/osdep.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"
#include "dm-fixture.h"
#include "test-accel.h"

/* ---- Ghosts ---- */

/* Sizes of sticks, in MiB; each row fills maxmem. */
static const unsigned shapes[][4] = {
    { 128 }, { 64, 64 }, { 96, 32 }, { 32, 96 }, { 16, 16, 80, 16 },
};
static const char *const stick_ids[] = { "a", "b", "c", "d" };

static unsigned plug_shape(Fixture *f, const unsigned *shape, bool on_demand)
{
    unsigned n;

    for (n = 0; n < 4 && shape[n]; n++) {
        plug(f, stick_ids[n], shape[n] * MiB, on_demand);
    }
    return n;
}

static void ghost_cycle(Fixture *f, unsigned cycle)
{
    static const uint32_t pieces[] = { ADDED_PAGES / 2, 4096, 512, 64 };
    const unsigned *shape = shapes[cycle % ARRAY_SIZE(shapes)];
    uint32_t piece = pieces[cycle / 3 % ARRAY_SIZE(pieces)];
    bool on_demand = cycle % 2;
    unsigned n, i;

    g_assert_cmpuint(balloon_number(f->qts, "ghosts"), ==, cycle ? ADDED_SIZE : 0);
    n = plug_shape(f, shape, on_demand);
    if (on_demand) {
        set_target(f->qts, BOOT_SIZE + ADDED_SIZE);
    }
    serve_until(f, BOOT_SIZE + ADDED_SIZE);
    g_assert_cmpuint(pages_owned(f), ==, ADDED_PAGES);
    /* The guest has nothing of the stick that was there before. */
    if (cycle) {
        g_assert_cmpuint(guest_check(f->qts, ADDED_BASE, ADDED_PAGES,
                                     cycle * 2), ==, ADDED_PAGES);
    }
    fill(f, cycle * 2 + 1);
    check(f);
    assert_in_use(f, stick_ids[n - 1]);

    release_half(f, piece);
    set_target(f->qts, BOOT_SIZE + ADDED_SIZE / 2);
    serve_until(f, BOOT_SIZE + ADDED_SIZE / 2);
    check(f);
    set_target(f->qts, BOOT_SIZE + ADDED_SIZE);
    serve_until(f, BOOT_SIZE + ADDED_SIZE);
    for (i = 0; i < ADDED_PAGES; i += 2 * piece) {
        /* Released pages have lost their contents. */
        g_assert_cmpuint(guest_check(f->qts, ADDED_BASE + i, 1,
                                     cycle * 2 + 1), ==, 1);
    }
    fill(f, cycle * 2 + 2);
    check(f);

    release_all(f, piece);
    set_target(f->qts, BOOT_SIZE);
    serve_until(f, BOOT_SIZE);
    for (i = 0; i < n; i++) {
        unplug(f, stick_ids[i]);
    }
    check(f);
}

/* The addresses are used again and again, without a reset. */
static void test_ghosts(void)
{
    g_autofree Fixture *f = g_new0(Fixture, 1);
    /* All shapes; a KVM that is emulated itself takes many seconds for each. */
    unsigned cycle, cycles = test_accel_is_kvm() ? ARRAY_SIZE(shapes) : 200;

    fixture_start(f, "");
    for (cycle = 0; cycle < cycles; cycle++) {
        ghost_cycle(f, cycle);
    }
    /* Hot-added once; after that it was returned. */
    g_assert_cmpuint(f->hot_adds, <=, 2);
    g_assert_cmpuint(balloon_counter(f->qts, "late"), ==, 0);
    g_assert_cmpuint(balloon_counter(f->qts, "dropped-ranges"), ==, 0);
    g_assert_cmpuint(balloon_counter(f->qts, "duplicate-pages"), ==, 0);
    g_assert_cmpuint(balloon_counter(f->qts, "surplus-pages"), ==, 0);
    qtest_quit(f->qts);
}

/* ---- The rings ---- */

/* The ring's size is a multiple of this. */
#define PUMP_PACKET     112

/* Open a channel, with ring indices at 0. */
static void pump_open(Fixture *f)
{
    dm_close(&f->guest);
    g_assert_cmpuint(dm_open_channel(&f->guest), ==, 0);
}

/* Fill the ring with copies of one message, for the guest to send. */
static void pump_prepare(Fixture *f, const void *msg, size_t len)
{
    uint8_t padded[PUMP_PACKET - DM_PACKET_EXTRA] = {};
    uint32_t at = 0;

    QEMU_BUILD_BUG_ON(DM_RING_DATA % PUMP_PACKET);
    g_assert_cmpuint(len, <=, sizeof(padded));
    memcpy(padded, msg, len);
    do {
        at = dm_put_packet(&f->guest, at, padded, sizeof(padded));
    } while (at);
}

static Regs pump_regs(Fixture *f, uint32_t count)
{
    return (Regs) {
        .ebx = DM_RING_OUT(&f->guest), .ecx = count,
        .edx = DM_SIGNAL_CONNECTION(f->guest.relid),
        .esi = PUMP_PACKET, .edi = DM_RING_DATA,
    };
}

static void pump(Fixture *f, uint32_t count)
{
    Regs regs = pump_regs(f, count);

    g_assert_cmphex(execute(f->qts, 0, OP_PUMP, &regs), ==, NO_FAULT);
}

static const struct dm_status status_report = {
    .hdr = { .type = DM_STATUS_REPORT, .size = sizeof(status_report) },
    .num_avail = 1000,
    .num_committed = 2000,
};

/*
 * Linux signals only when the ring was empty. The host has to find packets that
 * arrive while it is processing, too.
 */
static void test_no_packet_is_missed(void)
{
    g_autofree Fixture *f = g_new0(Fixture, 1);
    uint64_t before;

    fixture_start(f, "");
    pump_open(f);
    pump_prepare(f, &status_report, sizeof(status_report));
    before = balloon_counter(f->qts, "messages-received");
    pump(f, 20000);
    g_assert_cmpuint(balloon_counter(f->qts, "messages-received") - before, ==,
                     20000);
    qtest_quit(f->qts);
}

/* ---- Attacks ---- */

static void assert_alive(Fixture *f)
{
    qobject_unref(query_dict(f->qts, "query-hv-balloon"));
    g_assert_cmpuint(guest_check(f->qts, KEPT_BASE, KEPT_PAGES, KEPT_SEED),
                     ==, 0);
}

/* Releasing pages that are not memory, or that the guest does not have. */
static void test_h02_outside_ram(void)
{
    static const DmPages bad[] = {
        { 0xa0, 0x60 },                         /* video memory, firmware */
        { 0xf0, 1 }, { 0xfed00, 1 }, { 0xfee00, 1 },
        { BOOT_SIZE >> 12, 1 },
        { ADDED_BASE, 16 },                     /* never added */
        { 0xffffffffff, 1 }, { 0xffffffff00, 0x200 },
    };
    g_autofree Fixture *f = g_new0(Fixture, 1);

    fixture_start(f, "");
    plug(f, "a", ADDED_SIZE, true);
    set_target(f->qts, BOOT_SIZE - 16 * MiB);
    g_assert_cmpuint(dm_balloon_request(&f->guest), ==, 16 * MiB >> 12);
    dm_balloon_response(&f->guest, bad, ARRAY_SIZE(bad), false);
    wait_counter(f->qts, "dropped-ranges", ARRAY_SIZE(bad));
    g_assert_cmpuint(balloon_number(f->qts, "actual"), ==, BOOT_SIZE);
    g_assert_cmpuint(balloon_counter(f->qts, "discarded"), ==, 0);
    /* The firmware is still there to execute this. */
    assert_alive(f);
    qtest_quit(f->qts);
}

/* Releasing pages of a stick that was removed. */
static void test_h10_ghost(void)
{
    g_autofree Fixture *f = g_new0(Fixture, 1);
    const DmPages ghost = { ADDED_BASE, 64 };

    fixture_start(f, "");
    plug(f, "a", ADDED_SIZE, false);
    serve_until(f, BOOT_SIZE + ADDED_SIZE);
    release_all(f, ADDED_PAGES);
    set_target(f->qts, BOOT_SIZE);
    serve_until(f, BOOT_SIZE);
    unplug(f, "a");
    /* Another stick at the same address; the guest has nothing of it. */
    plug(f, "b", ADDED_SIZE, true);
    set_target(f->qts, BOOT_SIZE - 16 * MiB);
    dm_balloon_request(&f->guest);
    dm_balloon_response(&f->guest, &ghost, 1, false);
    wait_counter(f->qts, "duplicate-pages", 64);
    g_assert_cmpuint(balloon_number(f->qts, "actual"), ==, BOOT_SIZE);
    /* Neither the stick nor the ghost was changed by that. */
    unplug(f, "b");
    g_assert_cmpuint(balloon_number(f->qts, "ghosts"), ==, ADDED_SIZE);
    assert_alive(f);
    qtest_quit(f->qts);
}

/* A guest that never stops sending: the monitor still answers. */
static void test_h16_flood(void)
{
    g_autofree Fixture *f = g_new0(Fixture, 1);
    const struct dm_header junk = { .type = 0x77, .size = sizeof(junk) };
    Regs regs;
    int i;

    fixture_start(f, "");
    pump_open(f);
    pump_prepare(f, &junk, sizeof(junk));
    regs = pump_regs(f, UINT32_MAX);
    qtest_memwrite(f->qts, MAILBOX(0) + 4, &regs, sizeof(regs));
    qtest_writel(f->qts, MAILBOX(0), OP_PUMP);
    for (i = 0; i < 200; i++) {
        qobject_unref(query_dict(f->qts, "query-hv-balloon"));
    }
    wait_counter(f->qts, "messages-received", 1001);
    g_assert_cmpuint(qtest_readl(f->qts, MAILBOX(0)), ==, OP_PUMP);
    system_reset(f->qts);
    dm_connect(&f->guest, f->qts);
    dm_open(&f->guest, CAPS);
    wait_state(f->qts, "idle");
    qtest_quit(f->qts);
}

static unsigned drain_reports(QTestState *qts)
{
    unsigned n = 0;
    QDict *event;

    /* The reply comes after all earlier events. */
    qobject_unref(query_dict(qts, "query-hv-balloon"));
    while ((event = qtest_qmp_event_ref(qts, "HV_BALLOON_STATUS_REPORT"))) {
        qobject_unref(event);
        n++;
    }
    return n;
}

/* At most one event a second for any number of reports. */
static void test_h17_status_events(void)
{
    g_autofree Fixture *f = g_new0(Fixture, 1);
    unsigned events, sent = 0;
    uint64_t before;
    int64_t start;

    fixture_start(f, ",status-report=on");
    pump_open(f);
    dm_handshake(&f->guest, CAPS);
    before = balloon_counter(f->qts, "messages-received");
    start = g_get_monotonic_time();
    do {
        dm_send(&f->guest, &status_report, sizeof(status_report));
        sent++;
        g_assert_cmpint(g_get_monotonic_time(), <, start + WAIT_US);
    } while (g_get_monotonic_time() < start + 3 * G_USEC_PER_SEC || sent < 200);
    wait_counter(f->qts, "messages-received", before + sent);
    events = drain_reports(f->qts);
    g_assert_cmpuint(events, >=, 1);
    g_assert_cmpuint(events, <=, (g_get_monotonic_time() - start) /
                                 G_USEC_PER_SEC + 2);
    g_assert_cmpuint(sent, >, 2 * events);
    qtest_quit(f->qts);
}

/* The rings are in a stick; the guest releases it, and it is removed. */
static void test_h18_ring_gone(void)
{
    g_autofree Fixture *f = g_new0(Fixture, 1);
    uint64_t pfn = ADDED_BASE + ADDED_PAGES - 2 * DM_RING_PAGES;

    fixture_start(f, "");
    plug(f, "a", ADDED_SIZE, false);
    serve_until(f, BOOT_SIZE + ADDED_SIZE);
    dm_close(&f->guest);
    dm_place_rings(&f->guest, 2, pfn << 12);
    dm_open(&f->guest, CAPS);
    release_all(f, ADDED_PAGES);
    set_target(f->qts, BOOT_SIZE);
    serve_until(f, BOOT_SIZE);
    dm_signal(&f->guest);
    assert_alive(f);
    unplug(f, "a");
    dm_signal(&f->guest);
    set_target(f->qts, BOOT_SIZE - 16 * MiB);
    dm_signal(&f->guest);
    assert_alive(f);
    /* With rings in existing memory the driver works again. */
    dm_close(&f->guest);
    dm_place_rings(&f->guest, 3, RING);
    dm_open(&f->guest, CAPS);
    g_assert_cmpuint(balloon_number(f->qts, "ghosts"), ==, ADDED_SIZE);
    g_assert_cmpuint(dm_balloon_request(&f->guest), ==, 16 * MiB >> 12);
    qtest_quit(f->qts);
}

static const uint32_t bad_indices[] = {
    DM_RING_DATA, DM_RING_DATA + 1, 0x7fffffff, 0x80000000, UINT32_MAX - 7,
    UINT32_MAX,
};

/* A bad read index, while the host has a message to send. */
static void test_h19_read_index(void)
{
    const struct dm_version_request hello = {
        .hdr = { .type = DM_VERSION_REQUEST, .size = sizeof(hello) },
        .version.version = DYNMEM_PROTOCOL_VERSION_WIN10,
    };
    g_autofree Fixture *f = g_new0(Fixture, 1);
    uint64_t index, sent, received;
    size_t i;

    fixture_start(f, "");
    index = DM_RING_IN(&f->guest) + DM_READ_INDEX;
    for (i = 0; i <= ARRAY_SIZE(bad_indices); i++) {
        sent = balloon_counter(f->qts, "messages-sent");
        received = balloon_counter(f->qts, "messages-received");
        pump_open(f);
        /* The last one leaves eight bytes of room. */
        qtest_writel(f->qts, index, i < ARRAY_SIZE(bad_indices) ?
                     bad_indices[i] : 8);
        dm_send(&f->guest, &hello, sizeof(hello));
        wait_counter(f->qts, "messages-received", received + 1);
        assert_alive(f);
        qtest_writel(f->qts, index, 0);
        dm_signal(&f->guest);
        dm_receive(&f->guest, DM_VERSION_RESPONSE);
        g_assert_cmpuint(balloon_counter(f->qts, "messages-sent"), ==,
                         sent + 1);
    }
    qtest_quit(f->qts);
}

/* A bad write index. */
static void test_h19_write_index(void)
{
    g_autofree Fixture *f = g_new0(Fixture, 1);
    uint64_t index, received;
    uint32_t good;
    size_t i;

    fixture_start(f, "");
    index = DM_RING_OUT(&f->guest) + DM_WRITE_INDEX;
    good = qtest_readl(f->qts, index);
    received = balloon_counter(f->qts, "messages-received");
    for (i = 0; i < ARRAY_SIZE(bad_indices); i++) {
        qtest_writel(f->qts, index, bad_indices[i]);
        dm_signal(&f->guest);
        assert_alive(f);
    }
    g_assert_cmpuint(balloon_counter(f->qts, "messages-received"), ==,
                     received);
    qtest_writel(f->qts, index, good);
    dm_status_report(&f->guest, 1, 1);
    wait_counter(f->qts, "messages-received", received + 1);
    set_target(f->qts, BOOT_SIZE - 16 * MiB);
    g_assert_cmpuint(dm_balloon_request(&f->guest), ==, 16 * MiB >> 12);
    qtest_quit(f->qts);
}

/* A stick in use stays in use over any number of connections. */
static void test_h20_reconnects(void)
{
    g_autofree Fixture *f = g_new0(Fixture, 1);
    int i;

    fixture_start(f, "");
    plug(f, "a", ADDED_SIZE, false);
    serve_until(f, BOOT_SIZE + ADDED_SIZE);
    fill(f, 7);
    for (i = 0; i < 50; i++) {
        dm_close(&f->guest);
        g_assert_cmpuint(dm_open_channel(&f->guest), ==, 0);
        if (i % 2) {
            dm_handshake(&f->guest, CAPS);
        }
        assert_in_use(f, "a");
    }
    for (i = 0; i < 20; i++) {
        dm_connect(&f->guest, f->qts);
        dm_open(&f->guest, CAPS);
        wait_state(f->qts, "new-kernel");
        assert_in_use(f, "a");
    }
    check(f);
    system_reset(f->qts);
    unplug(f, "a");
    qtest_quit(f->qts);
}

/* Where they lie, and what ends it. */
#define JUNK            0x14000
#define OPEN            0x14200
#define STOP            0x14400

static void post_from(QTestState *qts, int cpu, uint32_t addr)
{
    int64_t end = g_get_monotonic_time() + WAIT_US;
    Regs r;

    do {
        r = (Regs) { .eax = POST_MESSAGE, .ecx = addr };
        g_assert_cmphex(execute(qts, cpu, OP_VMCALL, &r), ==, NO_FAULT);
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    } while (r.eax == STATUS_INSUFFICIENT_BUFFERS);
    g_assert_cmphex(r.eax, ==, STATUS_SUCCESS);
}

/*
 * Its first processor never stops posting messages to the bus, while the second
 * one opens the channel. The host reads a register of the first one then: that
 * must not keep the messages from being taken, or the monitor would not answer
 * any more. With TCG it passes in any case, as registers are read without their
 * processor.
 */
static void test_posts_while_opening(void)
{
    const vmbus_message_gpadl_body junk = {
        .header.message_type = VMBUS_MSG_GPADL_BODY,
        .gpadl_id = 99,
    };
    g_autofree Fixture *f = g_new0(Fixture, 1);
    vmbus_message_open_channel open = {
        .header.message_type = VMBUS_MSG_OPENCHANNEL,
    };
    QTestState *qts;

    fixture_start(f, " -smp 2");
    qts = f->qts;
    boot_ap(qts, 1);
    dm_close(&f->guest);
    open.child_relid = f->guest.relid;
    open.ring_buffer_gpadl_id = f->guest.gpadl;
    open.ring_buffer_offset = DM_RING_PAGES;
    put_message(qts, JUNK, &junk, sizeof(junk));
    put_message(qts, OPEN, &open, sizeof(open));
    for (int i = 0; i < 20; i++) {
        qtest_memset(qts, RING, 0, 2 * DM_RING_PAGES * DM_PAGE);
        post_for_ever(qts, 0, JUNK, STOP);
        post_from(qts, 1, OPEN);
        qobject_unref(query_dict(qts, "query-hv-balloon"));
        peek(qts, 0, VMBUS_MSG_OPENCHANNEL_RESULT, NULL, 0);
        qtest_writel(qts, STOP, 1);
        wait_for(qts, MAILBOX(0), 0, true);
        consume(qts, 0);
        close_channel(qts, f->guest.relid);
    }
    qtest_quit(qts);
}

/*
 * Once a kernel has the answer to UNLOAD, it may start another one, which uses
 * any memory: before that the channel is closed, and nothing more is discarded.
 * Here the answer waits, as the kernel has not taken another one.
 */
static void test_unload(void)
{
    Fixture f;

    fixture_start(&f, " " STICK);
    post_gpadl(f.qts, 0x77, 1, 1, KEPT_BASE);
    peek(f.qts, 0, VMBUS_MSG_GPADL_CREATED, NULL, 0);
    post_simple(f.qts, VMBUS_MSG_UNLOAD);
    wait_state(f.qts, "disconnected");
    peek(f.qts, 0, VMBUS_MSG_GPADL_CREATED, NULL, 0);
    consume(f.qts, 0);
    receive(f.qts, 0, VMBUS_MSG_UNLOAD_RESPONSE, NULL, 0);
    dm_connect(&f.guest, f.qts);
    dm_open(&f.guest, CAPS);
    qtest_quit(f.qts);
}

static void add_tests(void)
{
    qtest_add_func("/dm-guest/ghosts", test_ghosts);
    qtest_add_func("/dm-guest/no-packet-is-missed", test_no_packet_is_missed);
    qtest_add_func("/hostile/02-outside-ram", test_h02_outside_ram);
    qtest_add_func("/hostile/10-ghost", test_h10_ghost);
    qtest_add_func("/hostile/16-flood", test_h16_flood);
    qtest_add_func("/hostile/17-status-events", test_h17_status_events);
    qtest_add_func("/hostile/18-ring-gone", test_h18_ring_gone);
    qtest_add_func("/hostile/19-read-index", test_h19_read_index);
    qtest_add_func("/hostile/19-write-index", test_h19_write_index);
    qtest_add_func("/hostile/20-reconnects", test_h20_reconnects);
    qtest_add_func("/hostile/20-reconnects/posts", test_posts_while_opening);
    qtest_add_func("/dm-guest/unload", test_unload);
}

int main(int argc, char **argv)
{
    return guest_main(argc, argv, test_accel(), "hv-balloon", add_tests);
}
