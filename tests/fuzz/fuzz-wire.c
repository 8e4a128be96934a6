/*
 * Fuzz target: every decoder on any bytes
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <glib.h>

#include "fuzz.h"
#include "wire.h"

static void decode_ranges(const uint8_t *msg, size_t size)
{
    DmBalloonResponse response;
    uint32_t i;

    if (dm_wire_balloon_response(msg, size, &response)) {
        for (i = 0; i < response.ranges; i++) {
            DmRange range = dm_wire_range(msg, i);

            g_assert_cmpuint(range.first, <=, DM_MAX_PFN);
            g_assert_cmpuint(range.count, <=, DM_MAX_RANGE_PAGES);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    DmHotAddResponse hot_add;
    DmCapabilities caps;
    DmHeader header;
    DmStatus status;
    uint32_t version;
    bool last;

    if (!dm_wire_header(data, len, &header)) {
        return 0;
    }
    g_assert_cmpuint(header.size, <=, len);
    dm_wire_version_request(data, header.size, &version, &last);
    if (dm_wire_capabilities(data, header.size, &caps)) {
        g_assert_cmpuint(caps.alignment, <, 16);
    }
    dm_wire_status(data, header.size, &status);
    dm_wire_hot_add_response(data, header.size, &hot_add);
    decode_ranges(data, header.size);
    return 0;
}
