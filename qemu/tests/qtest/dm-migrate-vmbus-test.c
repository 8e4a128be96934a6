/*
 * The VMBus of hv-balloon's guest across a migration: the steps of connecting
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Messages wait in the slot of the guest, which has not taken them yet, or in
 * the queue of the host behind that.
 */

#include "qemu/osdep.h"
#include "dm-move.h"

#define RING_PFN        (RING / DM_PAGE)
/* Of the old protocol: a bit for each channel, from the host in the first half
 * and from the guest in the second. */
#define INT_PAGE        0x13000
#define INT_FROM_GUEST  (INT_PAGE + DM_PAGE / 2)
/* Messages that the host keeps until it can answer. */
#define QUEUE           16

/* ---- Steps ---- */

/* It can talk to the host, and has not done so. */
static Fixture *silent(void)
{
    Fixture *f = bare();

    guest_fill(f->qts, KEPT_BASE, KEPT_PAGES, KEPT_SEED);
    f->guest = (DmGuest) { .qts = f->qts, .ring = RING, .gpadl = 1 };
    enable_hypercalls(f->qts);
    enable_synic(f->qts, 0);
    return f;
}

/* It knows the device. */
static Fixture *offered(void)
{
    Fixture *f = silent();

    connect_vmbus(f->qts, 0);
    f->guest.relid = first_offer(f->qts);
    return f;
}

static void post_open(Fixture *f)
{
    vmbus_message_open_channel msg = {
        .header.message_type = VMBUS_MSG_OPENCHANNEL,
        .child_relid = f->guest.relid,
        .ring_buffer_gpadl_id = f->guest.gpadl,
        .ring_buffer_offset = DM_RING_PAGES,
    };

    qtest_memset(f->qts, RING, 0, 2 * DM_RING_PAGES * DM_PAGE);
    post_ok(f->qts, &msg, sizeof(msg));
}

static void get(Fixture *f, uint32_t type)
{
    receive(f->qts, 0, type, NULL, 0);
}

/* The driver is there: the guest can be resized, and moved again. */
static void use(Fixture *f)
{
    set_target(f->qts, ALL);
    serve_until(f, ALL);
    fill(f, 3);
    halve(f, 64);
    move(f, " " STICK);
    check(f);
    finish(f);
}

/* ---- Tests ---- */

static void test_contact(void)
{
    Fixture *f = silent();

    post_contact(f->qts, VMBUS_VERSION_WIN10, 0);
    peek(f->qts, 0, VMBUS_MSG_VERSION_RESPONSE, NULL, 0);
    move(f, " " STICK);
    get(f, VMBUS_MSG_VERSION_RESPONSE);
    dm_connect(&f->guest, f->qts);
    dm_open(&f->guest, CAPS);
    use(f);
}

static void test_offer(void)
{
    vmbus_message_offer_channel offer;
    Fixture *f = silent();

    connect_vmbus(f->qts, 0);
    post_simple(f->qts, VMBUS_MSG_REQUESTOFFERS);
    peek(f->qts, 0, VMBUS_MSG_OFFERCHANNEL, NULL, 0);
    move(f, " " STICK);
    receive(f->qts, 0, VMBUS_MSG_OFFERCHANNEL, &offer, sizeof(offer));
    f->guest.relid = offer.child_relid;
    move(f, " " STICK);
    get(f, VMBUS_MSG_ALLOFFERS_DELIVERED);
    dm_place_rings(&f->guest, 1, RING);
    dm_open(&f->guest, CAPS);
    use(f);
}

/* The pages of the rings, without the last one, which the next message has. */
static void test_gpadl_header(void)
{
    Fixture *f = offered();

    post_gpadl(f->qts, 1, 2 * DM_RING_PAGES, 2 * DM_RING_PAGES - 1, RING_PFN);
    move(f, " " STICK);
    post_gpadl_body(f->qts, 1, RING_PFN + 2 * DM_RING_PAGES - 1);
    get(f, VMBUS_MSG_GPADL_CREATED);
    dm_open(&f->guest, CAPS);
    use(f);
}

/* It has asked to open the channel before it knew whether it may. */
static void test_opening(void)
{
    vmbus_message_open_result result;
    Fixture *f = offered();

    post_gpadl(f->qts, 1, 2 * DM_RING_PAGES, 2 * DM_RING_PAGES, RING_PFN);
    peek(f->qts, 0, VMBUS_MSG_GPADL_CREATED, NULL, 0);
    post_open(f);
    move(f, " " STICK);
    get(f, VMBUS_MSG_GPADL_CREATED);
    peek(f->qts, 0, VMBUS_MSG_OPENCHANNEL_RESULT, NULL, 0);
    move(f, " " STICK);
    receive(f->qts, 0, VMBUS_MSG_OPENCHANNEL_RESULT, &result, sizeof(result));
    g_assert_cmpuint(result.status, ==, 0);
    dm_handshake(&f->guest, CAPS);
    use(f);
}

/* As many messages wait as the host takes, and each is answered, in order. */
static void test_full_queue(void)
{
    Fixture *f = offered();
    vmbus_message_gpadl_created created;
    uint32_t id = 100, n;

    do {
        struct QEMU_PACKED {
            vmbus_message_gpadl_header head;
            uint32_t byte_count, byte_offset;
            uint64_t pfn;
        } msg = {
            .head.header.message_type = VMBUS_MSG_GPADL_HEADER,
            .head.child_relid = f->guest.relid,
            .head.gpadl_id = id,
            .head.range_buflen = 16,
            .head.rangecount = 1,
            .byte_count = DM_PAGE,
            .pfn = SPARE_BASE,
        };

        if (post(f->qts, &msg, sizeof(msg)) != STATUS_SUCCESS) {
            break;
        }
        id++;
    } while (id < 200);
    n = id - 100;
    g_assert_cmpuint(n, >=, QUEUE);
    g_assert_cmpuint(n, <, 100);
    move(f, " " STICK);
    for (id = 100; id < 100 + n; id++) {
        receive(f->qts, 0, VMBUS_MSG_GPADL_CREATED, &created, sizeof(created));
        g_assert_cmpuint(created.gpadl_id, ==, id);
        g_assert_cmpuint(created.status, ==, 0);
    }
    dm_place_rings(&f->guest, 1, RING);
    dm_open(&f->guest, CAPS);
    use(f);
}

static void test_teardown(void)
{
    vmbus_message_gpadl_teardown msg = {
        .header.message_type = VMBUS_MSG_GPADL_TEARDOWN,
        .gpadl_id = 1,
    };
    Fixture *f = offered();

    create_gpadl(f->qts, 1, 2 * DM_RING_PAGES, RING_PFN);
    msg.child_relid = f->guest.relid;
    post_ok(f->qts, &msg, sizeof(msg));
    peek(f->qts, 0, VMBUS_MSG_GPADL_TORNDOWN, NULL, 0);
    move(f, " " STICK);
    get(f, VMBUS_MSG_GPADL_TORNDOWN);
    dm_place_rings(&f->guest, 1, RING);
    dm_open(&f->guest, CAPS);
    use(f);
}

static void test_unload(void)
{
    Fixture *f = offered();

    post_simple(f->qts, VMBUS_MSG_UNLOAD);
    peek(f->qts, 0, VMBUS_MSG_UNLOAD_RESPONSE, NULL, 0);
    move(f, " " STICK);
    get(f, VMBUS_MSG_UNLOAD_RESPONSE);
    move(f, " " STICK);
    dm_connect(&f->guest, f->qts);
    dm_open(&f->guest, CAPS);
    use(f);
}

/* ---- The old protocol ---- */

static void connect_old(Fixture *f)
{
    vmbus_message_initiate_contact msg = {
        .header.message_type = VMBUS_MSG_INITIATE_CONTACT,
        .version_requested = VMBUS_VERSION_WIN7,
        .interrupt_page = INT_PAGE,
    };

    post_ok(f->qts, &msg, sizeof(msg));
    get(f, VMBUS_MSG_VERSION_RESPONSE);
    f->guest.relid = first_offer(f->qts);
    dm_place_rings(&f->guest, 1, RING);
}

/* It signals by a page in which each channel has a bit, and so does the host. */
static void test_old_protocol(void)
{
    DmPages pages = { ADDED_BASE, ADDED_PAGES / 2 };
    Fixture *f = silent();
    uint32_t bit;

    connect_old(f);
    dm_open(&f->guest, CAPS);
    bit = 1u << f->guest.relid;
    set_target(f->qts, ALL);
    serve_until(f, ALL);
    fill(f, 3);
    qtest_writel(f->qts, INT_PAGE, 0);
    move(f, " " STICK);
    set_target(f->qts, HALF);
    g_assert_cmpuint(dm_balloon_request(&f->guest), ==, pages.count);
    wait_for(f->qts, INT_PAGE, bit, true);
    dm_leave_balloon_response(&f->guest, pages);
    for (uint64_t i = 0; i < pages.count; i++) {
        f->has[i] = false;
    }
    qtest_writel(f->qts, INT_FROM_GUEST, bit);
    g_assert_cmphex(hypercall(f->qts, SIGNAL_EVENT | FAST,
                              VMBUS_EVENT_CONNECTION_ID), ==, STATUS_SUCCESS);
    wait_state(f->qts, "idle");
    g_assert_cmpuint(balloon_number(f->qts, "actual"), ==, HALF);
    check(f);
    finish(f);
}

static void add_tests(void)
{
    qtest_add_func("/dm-migrate-vmbus/contact", test_contact);
    qtest_add_func("/dm-migrate-vmbus/offer", test_offer);
    qtest_add_func("/dm-migrate-vmbus/gpadl-header", test_gpadl_header);
    qtest_add_func("/dm-migrate-vmbus/opening", test_opening);
    qtest_add_func("/dm-migrate-vmbus/full-queue", test_full_queue);
    qtest_add_func("/dm-migrate-vmbus/teardown", test_teardown);
    qtest_add_func("/dm-migrate-vmbus/unload", test_unload);
    qtest_add_func("/dm-migrate-vmbus/old-protocol", test_old_protocol);
}

int main(int argc, char **argv)
{
    return move_main(argc, argv, add_tests);
}
