/*
 * Fuzz target: one message of a guest, as bytes
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <glib.h>

#include "target.h"
#include "wire.h"

static void read_ranges(const uint8_t *msg, const DmBalloonResponse *response)
{
    uint32_t i;

    for (i = 0; i < response->ranges; i++) {
        DmRange range = dm_wire_range(msg, i);

        g_assert_cmpuint(range.first, <=, DM_MAX_PFN);
        g_assert_cmpuint(range.count, <=, DM_MAX_RANGE_PAGES);
    }
}

/* Every decoder, whatever the type says: none may trust it. */
static void decode(const uint8_t *msg, size_t size)
{
    DmHotAddResponse added;
    DmBalloonResponse released;
    DmCapabilities caps;
    DmStatus status;
    uint32_t version;
    bool last;

    dm_wire_version_request(msg, size, &version, &last);
    dm_wire_status(msg, size, &status);
    dm_wire_hot_add_response(msg, size, &added);
    if (dm_wire_capabilities(msg, size, &caps)) {
        g_assert_cmpuint(caps.alignment, <=, 15);
    }
    if (dm_wire_balloon_response(msg, size, &released)) {
        read_ranges(msg, &released);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    DmHeader header;

    if (dm_wire_header(data, len, &header)) {
        g_assert_cmpuint(header.size, >=, DM_HEADER_SIZE);
        g_assert_cmpuint(header.size, <=, len);
        decode(data, header.size);
    }
    return 0;
}
