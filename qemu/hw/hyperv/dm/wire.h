/*
 * Dynamic Memory protocol: messages as bytes
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure C: no QEMU header. All integers on the wire are little endian. Page
 * numbers and counts are in 4 KiB pages. Decoders check each size before they
 * read, return false if a message is malformed, and keep no pointer into the
 * caller's buffer.
 *
 * The messages are those of Linux's hv_balloon driver.
 */

#ifndef DM_WIRE_H
#define DM_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DM_PAGE_SHIFT 12
#define DM_PAGE_SIZE (UINT64_C(1) << DM_PAGE_SHIFT)

/* A guest receives into one page. */
#define DM_MAX_SEND 4096
/* No known guest sends more than a page. This bounds the work. */
#define DM_MAX_RECEIVE 65536
/* A range on the wire has a page number of 40 and a count of 24 bits. */
#define DM_MAX_PFN ((UINT64_C(1) << 40) - 1)
#define DM_MAX_RANGE_PAGES ((UINT64_C(1) << 24) - 1)
#define DM_HEADER_SIZE 8
#define DM_RANGES_OFFSET 16
#define DM_MAX_SEND_RANGES ((DM_MAX_SEND - DM_RANGES_OFFSET) / 8)

#define DM_VERSION(major, minor) ((uint32_t)(major) << 16 | (minor))
#define DM_VERSION_0_3 DM_VERSION(0, 3)
#define DM_VERSION_1_0 DM_VERSION(1, 0)
#define DM_VERSION_2_0 DM_VERSION(2, 0)

typedef enum DmMessageType {
    DM_MSG_ERROR = 0,
    DM_MSG_VERSION_REQUEST = 1,
    DM_MSG_VERSION_RESPONSE = 2,
    DM_MSG_CAPABILITIES = 3,
    DM_MSG_CAPABILITIES_RESPONSE = 4,
    DM_MSG_STATUS = 5,
    DM_MSG_BALLOON_REQUEST = 6,
    DM_MSG_BALLOON_RESPONSE = 7,
    DM_MSG_UNBALLOON_REQUEST = 8,
    DM_MSG_UNBALLOON_RESPONSE = 9,
    DM_MSG_HOT_ADD_REQUEST = 10,
    DM_MSG_HOT_ADD_RESPONSE = 11,
    DM_MSG_INFO = 12,
    DM_MSG__MAX,
} DmMessageType;

/* Of any number, for traces. */
const char *dm_message_name(unsigned type);

/* A run of pages: numbers first .. first + count - 1. */
typedef struct DmRange {
    uint64_t first;
    uint64_t count;
} DmRange;

typedef struct DmHeader {
    uint16_t type;
    uint16_t size;              /* bytes, header included */
    uint32_t trans_id;          /* of the sender; replies do not repeat it */
} DmHeader;

typedef struct DmCapabilities {
    bool balloon;
    bool hot_add;
    unsigned alignment;         /* hot-add alignment is 2^alignment MiB */
    uint64_t min_pages;
    uint64_t max_pfn;
} DmCapabilities;

/* One status report; sizes in pages. */
typedef struct DmStatus {
    uint64_t available;
    uint64_t committed;
    uint64_t page_file_size;
    uint64_t zero_free;
    uint32_t page_file_writes;
    uint32_t io_diff;
} DmStatus;

typedef struct DmBalloonResponse {
    bool more;                  /* further responses to this request follow */
    uint32_t ranges;            /* how many; read with dm_wire_range() */
} DmBalloonResponse;

/* With pages 0, result tells "never" (nonzero) from "not now" (zero). */
typedef struct DmHotAddResponse {
    uint32_t pages;
    uint32_t result;
} DmHotAddResponse;

/*
 * The header, if @len bytes hold one and it claims no more than @len and no
 * less than a header. Trailing bytes after header->size are padding.
 */
bool dm_wire_header(const uint8_t *msg, size_t len, DmHeader *header);

/* Bodies: @msg as checked by dm_wire_header(), @size its header's size. */
bool dm_wire_version_request(const uint8_t *msg, size_t size,
                             uint32_t *version, bool *last);
bool dm_wire_capabilities(const uint8_t *msg, size_t size,
                          DmCapabilities *caps);
bool dm_wire_status(const uint8_t *msg, size_t size, DmStatus *status);
bool dm_wire_balloon_response(const uint8_t *msg, size_t size,
                              DmBalloonResponse *response);
bool dm_wire_hot_add_response(const uint8_t *msg, size_t size,
                              DmHotAddResponse *response);

/* Range @index of a balloon response that was decoded: not validated. */
DmRange dm_wire_range(const uint8_t *msg, uint32_t index);

/* Encoders: write to @buf (DM_MAX_SEND bytes), return the size in bytes. */
size_t dm_wire_put_version_response(uint8_t *buf, uint32_t trans_id,
                                    bool accepted);
size_t dm_wire_put_capabilities_response(uint8_t *buf, uint32_t trans_id,
                                         bool accepted);
size_t dm_wire_put_balloon_request(uint8_t *buf, uint32_t trans_id,
                                   uint32_t pages);
/* @n at most DM_MAX_SEND_RANGES, each of at most DM_MAX_RANGE_PAGES. */
size_t dm_wire_put_unballoon_request(uint8_t *buf, uint32_t trans_id,
                                     const DmRange *ranges, uint32_t n);
/* @region may be NULL: the range continues a region known to the guest. */
size_t dm_wire_put_hot_add_request(uint8_t *buf, uint32_t trans_id,
                                   const DmRange *range,
                                   const DmRange *region);

#endif
