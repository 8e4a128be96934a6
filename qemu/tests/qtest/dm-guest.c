/*
 * A guest's Dynamic Memory driver, for a test to drive
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "dm-guest.h"

void dm_place_rings(DmGuest *guest, uint32_t gpadl, uint64_t ring)
{
    guest->gpadl = gpadl;
    guest->ring = ring;
    create_gpadl(guest->qts, gpadl, 2 * DM_RING_PAGES, ring / DM_PAGE);
}

void dm_connect(DmGuest *guest, QTestState *qts)
{
    *guest = (DmGuest) { .qts = qts };
    enable_hypercalls(qts);
    enable_synic(qts, 0);
    connect_vmbus(qts, 0);
    guest->relid = first_offer(qts);
    dm_place_rings(guest, 1, RING);
}

/* ---- Rings ---- */

void dm_signal(DmGuest *guest)
{
    g_assert_cmphex(hypercall(guest->qts, SIGNAL_EVENT | FAST,
                              DM_SIGNAL_CONNECTION(guest->relid)), ==,
                    STATUS_SUCCESS);
}

static uint32_t ring_write(DmGuest *guest, uint32_t at, const void *data,
                           size_t len)
{
    size_t first = MIN(len, DM_RING_DATA - at);

    qtest_memwrite(guest->qts, DM_RING_OUT(guest) + DM_PAGE + at, data, first);
    if (len > first) {
        qtest_memwrite(guest->qts, DM_RING_OUT(guest) + DM_PAGE,
                       (const uint8_t *)data + first, len - first);
    }
    return (at + len) % DM_RING_DATA;
}

static uint32_t ring_read(DmGuest *guest, uint32_t at, void *data, size_t len)
{
    size_t first = MIN(len, DM_RING_DATA - at);

    qtest_memread(guest->qts, DM_RING_IN(guest) + DM_PAGE + at, data, first);
    if (len > first) {
        qtest_memread(guest->qts, DM_RING_IN(guest) + DM_PAGE, (uint8_t *)data + first,
                      len - first);
    }
    return (at + len) % DM_RING_DATA;
}

/* A packet is its head, its data in whole words, and its own position. */
uint32_t dm_put_packet(DmGuest *guest, uint32_t at, const void *msg, size_t len)
{
    size_t words = DIV_ROUND_UP(len, 8);
    vmbus_packet_hdr head = {
        .type = VMBUS_PACKET_DATA_INBAND,
        .offset_qwords = sizeof(head) / 8,
        .len_qwords = sizeof(head) / 8 + words,
    };
    uint64_t trailer = (uint64_t)at << 32;
    g_autofree uint8_t *data = g_malloc0(words * 8);

    memcpy(data, msg, len);
    at = ring_write(guest, at, &head, sizeof(head));
    at = ring_write(guest, at, data, words * 8);
    return ring_write(guest, at, &trailer, sizeof(trailer));
}

static uint32_t room(DmGuest *guest)
{
    uint32_t write = qtest_readl(guest->qts, DM_RING_OUT(guest) + DM_WRITE_INDEX);
    uint32_t read = qtest_readl(guest->qts, DM_RING_OUT(guest) + DM_READ_INDEX);

    return (read + DM_RING_DATA - write - 8) % DM_RING_DATA;
}

void dm_send(DmGuest *guest, const void *msg, size_t len)
{
    int64_t end = g_get_monotonic_time() + WAIT_US;
    uint32_t at;

    while (room(guest) < len + 8 + DM_PACKET_EXTRA) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
    at = qtest_readl(guest->qts, DM_RING_OUT(guest) + DM_WRITE_INDEX);
    at = dm_put_packet(guest, at, msg, len);
    qtest_writel(guest->qts, DM_RING_OUT(guest) + DM_WRITE_INDEX, at);
    dm_signal(guest);
}

bool dm_pending(DmGuest *guest)
{
    return qtest_readl(guest->qts, DM_RING_IN(guest) + DM_WRITE_INDEX) !=
           qtest_readl(guest->qts, DM_RING_IN(guest) + DM_READ_INDEX);
}

enum dm_message_type dm_receive_any(DmGuest *guest)
{
    int64_t end = g_get_monotonic_time() + WAIT_US;
    struct dm_header *dm = (void *)guest->msg;
    uint32_t at = qtest_readl(guest->qts, DM_RING_IN(guest) + DM_READ_INDEX);
    vmbus_packet_hdr head;
    size_t len;

    while (!dm_pending(guest)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(500);
    }
    at = ring_read(guest, at, &head, sizeof(head));
    g_assert_cmpuint(head.type, ==, VMBUS_PACKET_DATA_INBAND);
    g_assert_cmpuint(head.offset_qwords, ==, sizeof(head) / 8);
    len = head.len_qwords * 8 - sizeof(head);
    g_assert_cmpuint(len, <=, sizeof(guest->msg));
    at = ring_read(guest, at, guest->msg, len);
    at = (at + 8) % DM_RING_DATA;
    qtest_writel(guest->qts, DM_RING_IN(guest) + DM_READ_INDEX, at);
    g_assert_cmpuint(dm->size, <=, len);
    return dm->type;
}

void dm_receive(DmGuest *guest, enum dm_message_type type)
{
    g_assert_cmpuint(dm_receive_any(guest), ==, type);
}

/* ---- Connecting ---- */

static void negotiate_version(DmGuest *guest)
{
    struct dm_version_request msg = {
        .hdr = { .type = DM_VERSION_REQUEST, .size = sizeof(msg) },
        .version.version = DYNMEM_PROTOCOL_VERSION_WIN10,
    };
    struct dm_version_response *answer = (void *)guest->msg;

    dm_send(guest, &msg, sizeof(msg));
    dm_receive(guest, DM_VERSION_RESPONSE);
    g_assert_true(answer->is_accepted);
}

static void report_capabilities(DmGuest *guest, uint32_t caps)
{
    struct dm_capabilities msg = {
        .hdr = { .type = DM_CAPABILITIES_REPORT, .size = sizeof(msg) },
        .caps.caps = caps,
        .max_page_number = UINT64_MAX,
    };
    struct dm_capabilities_resp_msg *answer = (void *)guest->msg;

    dm_send(guest, &msg, sizeof(msg));
    dm_receive(guest, DM_CAPABILITIES_RESPONSE);
    g_assert_true(answer->is_accepted);
}

uint32_t dm_open_channel(DmGuest *guest)
{
    qtest_memset(guest->qts, guest->ring, 0, 2 * DM_RING_PAGES * DM_PAGE);
    return open_channel(guest->qts, guest->relid, guest->gpadl,
                        DM_RING_PAGES, 0);
}

void dm_handshake(DmGuest *guest, uint32_t caps)
{
    negotiate_version(guest);
    report_capabilities(guest, caps);
}

void dm_open(DmGuest *guest, uint32_t caps)
{
    g_assert_cmpuint(dm_open_channel(guest), ==, 0);
    dm_handshake(guest, caps);
}

void dm_close(DmGuest *guest)
{
    close_channel(guest->qts, guest->relid);
}

/* ---- Messages ---- */

static uint64_t on_wire(DmPages pages)
{
    return pages.first | pages.count << 40;
}

static DmPages from_wire(uint64_t range)
{
    return (DmPages) { range & ((1ull << 40) - 1), range >> 40 };
}

uint32_t dm_balloon_pages(const DmGuest *guest)
{
    return ((const struct dm_balloon *)guest->msg)->num_pages;
}

uint32_t dm_balloon_request(DmGuest *guest)
{
    dm_receive(guest, DM_BALLOON_REQUEST);
    return dm_balloon_pages(guest);
}

static size_t balloon_response_len(unsigned n)
{
    return sizeof(struct dm_balloon_response) + 8 * n;
}

static struct dm_balloon_response *balloon_response(const DmPages *ranges,
                                                    unsigned n, bool more)
{
    struct dm_balloon_response *msg = g_malloc0(balloon_response_len(n));
    unsigned i;

    msg->hdr.type = DM_BALLOON_RESPONSE;
    msg->hdr.size = balloon_response_len(n);
    msg->more_pages = more;
    msg->range_count = n;
    for (i = 0; i < n; i++) {
        msg->range_array[i].page_range = on_wire(ranges[i]);
    }
    return msg;
}

void dm_balloon_response(DmGuest *guest, const DmPages *ranges, unsigned n,
                         bool more)
{
    g_autofree struct dm_balloon_response *msg =
        balloon_response(ranges, n, more);

    dm_send(guest, msg, balloon_response_len(n));
}

void dm_leave_balloon_response(DmGuest *guest, DmPages range)
{
    g_autofree struct dm_balloon_response *msg =
        balloon_response(&range, 1, false);
    uint64_t index = DM_RING_OUT(guest) + DM_WRITE_INDEX;
    uint32_t at = qtest_readl(guest->qts, index);

    qtest_writel(guest->qts, index,
                 dm_put_packet(guest, at, msg, balloon_response_len(1)));
}

void dm_release(DmGuest *guest, DmPages pages)
{
    while (pages.count) {
        uint32_t asked = dm_balloon_request(guest);
        DmPages part = { pages.first, MIN(pages.count, asked) };

        dm_balloon_response(guest, &part, 1, false);
        pages.first += part.count;
        pages.count -= part.count;
    }
}

DmPages dm_hot_add_range(const DmGuest *guest)
{
    return from_wire(((const struct dm_hot_add *)guest->msg)->range.page_range);
}

DmPages dm_hot_add_request(DmGuest *guest)
{
    dm_receive(guest, DM_MEM_HOT_ADD_REQUEST);
    return dm_hot_add_range(guest);
}

void dm_hot_add_response(DmGuest *guest, uint32_t pages, uint32_t result)
{
    struct dm_hot_add_response msg = {
        .hdr = { .type = DM_MEM_HOT_ADD_RESPONSE, .size = sizeof(msg) },
        .page_count = pages,
        .result = result,
    };

    dm_send(guest, &msg, sizeof(msg));
}

unsigned dm_unballoon_ranges(const DmGuest *guest, DmPages *ranges,
                             unsigned max)
{
    const struct dm_unballoon_request *msg = (const void *)guest->msg;
    unsigned i;

    for (i = 0; i < MIN(msg->range_count, max); i++) {
        ranges[i] = from_wire(msg->range_array[i].page_range);
    }
    return msg->range_count;
}

unsigned dm_unballoon_request(DmGuest *guest, DmPages *ranges, unsigned max)
{
    dm_receive(guest, DM_UNBALLOON_REQUEST);
    return dm_unballoon_ranges(guest, ranges, max);
}

void dm_unballoon_response(DmGuest *guest)
{
    struct dm_unballoon_response msg = {
        .hdr = { .type = DM_UNBALLOON_RESPONSE, .size = sizeof(msg) },
    };

    dm_send(guest, &msg, sizeof(msg));
}

void dm_status_report(DmGuest *guest, uint64_t available, uint64_t committed)
{
    struct dm_status msg = {
        .hdr = { .type = DM_STATUS_REPORT, .size = sizeof(msg) },
        .num_avail = available,
        .num_committed = committed,
    };

    dm_send(guest, &msg, sizeof(msg));
}
