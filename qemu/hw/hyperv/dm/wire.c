/*
 * Dynamic Memory protocol: messages as bytes
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "wire.h"

#include <glib.h>
#include <string.h>

static uint16_t get16(const uint8_t *p)
{
    return p[0] | p[1] << 8;
}

static uint32_t get32(const uint8_t *p)
{
    return get16(p) | (uint32_t)get16(p + 2) << 16;
}

static uint64_t get64(const uint8_t *p)
{
    return get32(p) | (uint64_t)get32(p + 4) << 32;
}

static void put16(uint8_t *p, uint16_t value)
{
    p[0] = value;
    p[1] = value >> 8;
}

static void put32(uint8_t *p, uint32_t value)
{
    put16(p, value);
    put16(p + 2, value >> 16);
}

static void put64(uint8_t *p, uint64_t value)
{
    put32(p, value);
    put32(p + 4, value >> 32);
}

const char *dm_message_name(unsigned type)
{
    static const char *const names[] = {
        [DM_MSG_ERROR] = "error",
        [DM_MSG_VERSION_REQUEST] = "version-request",
        [DM_MSG_VERSION_RESPONSE] = "version-response",
        [DM_MSG_CAPABILITIES] = "capabilities",
        [DM_MSG_CAPABILITIES_RESPONSE] = "capabilities-response",
        [DM_MSG_STATUS] = "status",
        [DM_MSG_BALLOON_REQUEST] = "balloon-request",
        [DM_MSG_BALLOON_RESPONSE] = "balloon-response",
        [DM_MSG_UNBALLOON_REQUEST] = "unballoon-request",
        [DM_MSG_UNBALLOON_RESPONSE] = "unballoon-response",
        [DM_MSG_HOT_ADD_REQUEST] = "hot-add-request",
        [DM_MSG_HOT_ADD_RESPONSE] = "hot-add-response",
        [DM_MSG_INFO] = "info",
    };

    G_STATIC_ASSERT(G_N_ELEMENTS(names) == DM_MSG__MAX);
    return type < G_N_ELEMENTS(names) ? names[type] : "unknown";
}

bool dm_wire_header(const uint8_t *msg, size_t len, DmHeader *header)
{
    if (len < DM_HEADER_SIZE || len > DM_MAX_RECEIVE) {
        return false;
    }
    header->type = get16(msg);
    header->size = get16(msg + 2);
    header->trans_id = get32(msg + 4);
    return header->size >= DM_HEADER_SIZE && header->size <= len;
}

bool dm_wire_version_request(const uint8_t *msg, size_t size,
                             uint32_t *version, bool *last)
{
    if (size < 16) {
        return false;
    }
    *version = get32(msg + 8);
    *last = get32(msg + 12) & 1;
    return true;
}

bool dm_wire_capabilities(const uint8_t *msg, size_t size,
                          DmCapabilities *caps)
{
    uint64_t bits;

    if (size < 32) {
        return false;
    }
    bits = get64(msg + 8);
    caps->balloon = bits & 1;
    caps->hot_add = bits >> 1 & 1;
    caps->alignment = bits >> 2 & 15;
    caps->min_pages = get64(msg + 16);
    caps->max_pfn = get64(msg + 24);
    return true;
}

bool dm_wire_status(const uint8_t *msg, size_t size, DmStatus *status)
{
    if (size < 48) {
        return false;
    }
    status->available = get64(msg + 8);
    status->committed = get64(msg + 16);
    status->page_file_size = get64(msg + 24);
    status->zero_free = get64(msg + 32);
    status->page_file_writes = get32(msg + 40);
    status->io_diff = get32(msg + 44);
    return true;
}

bool dm_wire_balloon_response(const uint8_t *msg, size_t size,
                              DmBalloonResponse *response)
{
    uint32_t bits;

    if (size < DM_RANGES_OFFSET) {
        return false;
    }
    bits = get32(msg + 12);
    response->more = bits & 1;
    response->ranges = bits >> 1;
    return response->ranges <= (size - DM_RANGES_OFFSET) / 8;
}

bool dm_wire_hot_add_response(const uint8_t *msg, size_t size,
                              DmHotAddResponse *response)
{
    if (size < 16) {
        return false;
    }
    response->pages = get32(msg + 8);
    response->result = get32(msg + 12);
    return true;
}

DmRange dm_wire_range(const uint8_t *msg, uint32_t index)
{
    uint64_t bits = get64(msg + DM_RANGES_OFFSET + 8 * (size_t)index);

    return (DmRange) { bits & DM_MAX_PFN, bits >> 40 };
}

static void put_range(uint8_t *p, const DmRange *range)
{
    g_assert(range->first <= DM_MAX_PFN);
    g_assert(range->count <= DM_MAX_RANGE_PAGES);
    put64(p, range->first | range->count << 40);
}

static size_t put_header(uint8_t *buf, DmMessageType type, uint32_t trans_id,
                         size_t size)
{
    memset(buf, 0, MIN(size, (size_t)DM_RANGES_OFFSET));
    put16(buf, type);
    put16(buf + 2, size);
    put32(buf + 4, trans_id);
    return size;
}

size_t dm_wire_put_version_response(uint8_t *buf, uint32_t trans_id,
                                    bool accepted)
{
    size_t size = put_header(buf, DM_MSG_VERSION_RESPONSE, trans_id, 16);

    put64(buf + 8, accepted);
    return size;
}

size_t dm_wire_put_capabilities_response(uint8_t *buf, uint32_t trans_id,
                                         bool accepted)
{
    size_t size = put_header(buf, DM_MSG_CAPABILITIES_RESPONSE, trans_id, 16);

    put64(buf + 8, accepted);
    return size;
}

size_t dm_wire_put_balloon_request(uint8_t *buf, uint32_t trans_id,
                                   uint32_t pages)
{
    size_t size = put_header(buf, DM_MSG_BALLOON_REQUEST, trans_id, 16);

    put32(buf + 8, pages);
    return size;
}

size_t dm_wire_put_unballoon_request(uint8_t *buf, uint32_t trans_id,
                                     const DmRange *ranges, uint32_t n)
{
    size_t size;
    uint32_t i;

    g_assert(n <= DM_MAX_SEND_RANGES);
    size = put_header(buf, DM_MSG_UNBALLOON_REQUEST, trans_id,
                      DM_RANGES_OFFSET + 8 * (size_t)n);
    put32(buf + 12, n);
    for (i = 0; i < n; i++) {
        put_range(buf + DM_RANGES_OFFSET + 8 * (size_t)i, &ranges[i]);
    }
    return size;
}

size_t dm_wire_put_hot_add_request(uint8_t *buf, uint32_t trans_id,
                                   const DmRange *range,
                                   const DmRange *region)
{
    size_t size = put_header(buf, DM_MSG_HOT_ADD_REQUEST, trans_id,
                             region ? 24 : 16);

    put_range(buf + 8, range);
    if (region) {
        put_range(buf + 16, region);
    }
    return size;
}
