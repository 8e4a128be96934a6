/*
 * Messages as bytes: what is accepted, what is refused, what is written
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <glib.h>
#include <string.h>

#include "wire.h"

static void test_header(void)
{
    uint8_t msg[16] = { 5, 0, 16, 0, 0x78, 0x56, 0x34, 0x12 };
    DmHeader header;

    g_assert_true(dm_wire_header(msg, sizeof(msg), &header));
    g_assert_cmpuint(header.type, ==, DM_MSG_STATUS);
    g_assert_cmpuint(header.size, ==, 16);
    g_assert_cmphex(header.trans_id, ==, 0x12345678);
}

/* Bytes after the size that the header gives are padding. */
static void test_header_padding(void)
{
    uint8_t msg[32] = { 9, 0, 8, 0 };
    DmHeader header;

    g_assert_true(dm_wire_header(msg, sizeof(msg), &header));
    g_assert_cmpuint(header.size, ==, 8);
}

static void test_header_size_mismatch(void)
{
    uint8_t msg[16] = { 5, 0, 17, 0 };
    DmHeader header;

    g_assert_false(dm_wire_header(msg, sizeof(msg), &header));
    msg[2] = 7;
    g_assert_false(dm_wire_header(msg, sizeof(msg), &header));
    msg[2] = 8;
    g_assert_false(dm_wire_header(msg, 7, &header));
    g_assert_false(dm_wire_header(msg, 0, &header));
    g_assert_true(dm_wire_header(msg, 8, &header));
}

static void test_version_request(void)
{
    uint8_t msg[16] = { [8] = 0, 0, 2, 0, 1 };
    uint32_t version;
    bool last;

    g_assert_true(dm_wire_version_request(msg, 16, &version, &last));
    g_assert_cmphex(version, ==, DM_VERSION_2_0);
    g_assert_true(last);
    g_assert_false(dm_wire_version_request(msg, 15, &version, &last));
}

static void test_capabilities(void)
{
    /* Linux: balloon, hot-add, 2^7 MiB, highest page number unknown. */
    uint8_t msg[32] = { [8] = 0x1f };
    DmCapabilities caps;

    memset(msg + 24, 0xff, 8);
    g_assert_true(dm_wire_capabilities(msg, 32, &caps));
    g_assert_true(caps.balloon);
    g_assert_true(caps.hot_add);
    g_assert_cmpuint(caps.alignment, ==, 7);
    g_assert_cmphex(caps.max_pfn, ==, UINT64_MAX);
    msg[8] = 0x3c;
    g_assert_true(dm_wire_capabilities(msg, 32, &caps));
    g_assert_false(caps.balloon);
    g_assert_false(caps.hot_add);
    g_assert_cmpuint(caps.alignment, ==, 15);
    g_assert_false(dm_wire_capabilities(msg, 31, &caps));
}

static void test_status(void)
{
    uint8_t msg[48] = { [8] = 1, [16] = 2, [24] = 3, [32] = 4, [40] = 5,
                        [44] = 6 };
    DmStatus status;

    g_assert_true(dm_wire_status(msg, 48, &status));
    g_assert_cmpuint(status.available, ==, 1);
    g_assert_cmpuint(status.committed, ==, 2);
    g_assert_cmpuint(status.page_file_size, ==, 3);
    g_assert_cmpuint(status.zero_free, ==, 4);
    g_assert_cmpuint(status.page_file_writes, ==, 5);
    g_assert_cmpuint(status.io_diff, ==, 6);
    g_assert_false(dm_wire_status(msg, 47, &status));
}

static void test_balloon_response(void)
{
    /* more pages follow, two ranges: 0x100 + 512, 2^40 - 1 + (2^24 - 1) */
    uint8_t msg[32] = { [12] = 2 << 1 | 1, [16] = 0x00, 0x01, [21] = 0, 2 };
    DmBalloonResponse response;
    DmRange range;

    memset(msg + 24, 0xff, 8);
    g_assert_true(dm_wire_balloon_response(msg, 32, &response));
    g_assert_true(response.more);
    g_assert_cmpuint(response.ranges, ==, 2);
    range = dm_wire_range(msg, 0);
    g_assert_cmphex(range.first, ==, 0x100);
    g_assert_cmpuint(range.count, ==, 512);
    range = dm_wire_range(msg, 1);
    g_assert_cmphex(range.first, ==, DM_MAX_PFN);
    g_assert_cmpuint(range.count, ==, DM_MAX_RANGE_PAGES);
}

static void test_range_count_mismatch(void)
{
    uint8_t msg[32] = { [12] = 3 << 1 };
    DmBalloonResponse response;

    g_assert_false(dm_wire_balloon_response(msg, 32, &response));
    msg[12] = 2 << 1;
    g_assert_false(dm_wire_balloon_response(msg, 31, &response));
    g_assert_true(dm_wire_balloon_response(msg, 32, &response));
    memset(msg + 12, 0xff, 4);
    g_assert_false(dm_wire_balloon_response(msg, 32, &response));
    g_assert_false(dm_wire_balloon_response(msg, 15, &response));
}

static void test_hot_add_response(void)
{
    uint8_t msg[16] = { [8] = 0, 0x80, [12] = 1 };
    DmHotAddResponse response;

    g_assert_true(dm_wire_hot_add_response(msg, 16, &response));
    g_assert_cmpuint(response.pages, ==, 0x8000);
    g_assert_cmpuint(response.result, ==, 1);
    g_assert_false(dm_wire_hot_add_response(msg, 15, &response));
}

static void check(const uint8_t *buf, size_t size, const uint8_t *want,
                  size_t want_size)
{
    g_assert_cmpmem(buf, size, want, want_size);
}

static void test_put_responses(void)
{
    static const uint8_t version[16] = { 2, 0, 16, 0, 7, 0, 0, 0, 1 };
    static const uint8_t caps[16] = { 4, 0, 16, 0, 7, 0, 0, 0, 0 };
    uint8_t buf[DM_MAX_SEND];

    memset(buf, 0xee, sizeof(buf));
    check(buf, dm_wire_put_version_response(buf, 7, true), version, 16);
    memset(buf, 0xee, sizeof(buf));
    check(buf, dm_wire_put_capabilities_response(buf, 7, false), caps, 16);
}

static void test_put_balloon_request(void)
{
    static const uint8_t want[16] = { 6, 0, 16, 0, 1, 0, 0, 0, 0, 2 };
    uint8_t buf[DM_MAX_SEND];

    memset(buf, 0xee, sizeof(buf));
    check(buf, dm_wire_put_balloon_request(buf, 1, 512), want, 16);
}

static void test_put_unballoon_request(void)
{
    static const uint8_t want[32] = {
        8, 0, 32, 0, 2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0,
        0, 1, 0, 0, 0, 0, 2, 0,
        0, 0, 0x10, 0, 0, 1, 0, 0,
    };
    DmRange ranges[] = { { 0x100, 512 }, { 0x100000, 1 } };
    uint8_t buf[DM_MAX_SEND];

    memset(buf, 0xee, sizeof(buf));
    check(buf, dm_wire_put_unballoon_request(buf, 2, ranges, 2), want, 32);
}

/* The guest has one page for what it receives. */
static void test_put_most_ranges(void)
{
    DmRange ranges[DM_MAX_SEND_RANGES];
    uint8_t buf[DM_MAX_SEND];
    unsigned i;

    for (i = 0; i < DM_MAX_SEND_RANGES; i++) {
        ranges[i] = (DmRange) { 2 * i, 1 };
    }
    g_assert_cmpuint(DM_MAX_SEND_RANGES, ==, 510);
    g_assert_cmpuint(dm_wire_put_unballoon_request(buf, 0, ranges,
                                                   DM_MAX_SEND_RANGES),
                     ==, DM_MAX_SEND);
}

static void test_put_hot_add_request(void)
{
    static const uint8_t want[24] = {
        10, 0, 24, 0, 3, 0, 0, 0,
        0, 0, 0x10, 0, 0, 0, 0x40, 0,
        0, 0, 0x10, 0, 0, 0, 0x80, 0,
    };
    static const uint8_t short_want[16] = {
        10, 0, 16, 0, 3, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0x40, 0,
    };
    DmRange range = { 0x100000, 0x4000 }, region = { 0x100000, 0x8000 };
    uint8_t buf[DM_MAX_SEND];

    check(buf, dm_wire_put_hot_add_request(buf, 3, &range, &region), want, 24);
    check(buf, dm_wire_put_hot_add_request(buf, 3, &range, NULL), short_want,
          16);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/wire/header", test_header);
    g_test_add_func("/wire/header/padding", test_header_padding);
    g_test_add_func("/wire/header/size-mismatch", test_header_size_mismatch);
    g_test_add_func("/wire/version-request", test_version_request);
    g_test_add_func("/wire/capabilities", test_capabilities);
    g_test_add_func("/wire/status", test_status);
    g_test_add_func("/wire/balloon-response", test_balloon_response);
    g_test_add_func("/wire/balloon-response/range-count-mismatch",
                    test_range_count_mismatch);
    g_test_add_func("/wire/hot-add-response", test_hot_add_response);
    g_test_add_func("/wire/put/responses", test_put_responses);
    g_test_add_func("/wire/put/balloon-request", test_put_balloon_request);
    g_test_add_func("/wire/put/unballoon-request", test_put_unballoon_request);
    g_test_add_func("/wire/put/most-ranges", test_put_most_ranges);
    g_test_add_func("/wire/put/hot-add-request", test_put_hot_add_request);
    return g_test_run();
}
