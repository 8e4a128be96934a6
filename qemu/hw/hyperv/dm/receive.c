/*
 * Dynamic Memory engine: messages of the guest, and those that are no replies
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "engine.h"
#include "engine-int.h"

static void version_request(DmEngine *e, const uint8_t *msg,
                            const DmHeader *header, uint64_t now)
{
    uint32_t version;
    bool last, known;

    if (!dm_wire_version_request(msg, header->size, &version, &last)) {
        e->counters.malformed++;
        return;
    }
    if (e->stage != STAGE_VERSION && e->stage != STAGE_CAPABILITIES) {
        e->counters.unexpected++;
        dm_warn(e, now, DM_WARNING_VERSION);
        return;
    }
    known = version == DM_VERSION_2_0 || version == DM_VERSION_1_0 ||
            version == DM_VERSION_0_3;
    TRACE(e, version, version, last, known);
    e->version = known ? version : 0;
    e->stage = known ? STAGE_CAPABILITIES : STAGE_VERSION;
    dm_post(e, dm_wire_put_version_response(e->out, header->trans_id, known),
            now);
}

static bool same_caps(const DmCapabilities *a, const DmCapabilities *b)
{
    return a->balloon == b->balloon && a->hot_add == b->hot_add &&
           a->alignment == b->alignment;
}

static void capabilities(DmEngine *e, const uint8_t *msg,
                         const DmHeader *header, uint64_t now)
{
    DmCapabilities caps;

    if (!dm_wire_capabilities(msg, header->size, &caps)) {
        e->counters.malformed++;
        return;
    }
    if (e->stage != STAGE_CAPABILITIES) {
        e->counters.unexpected++;
        dm_warn(e, now, DM_WARNING_CAPABILITIES);
        return;
    }
    TRACE(e, capabilities, &caps);
    if (e->had_caps && !same_caps(&e->caps, &caps) &&
        e->obstacle != DM_STATE_NEW_KERNEL) {
        /* The regions that the guest knows have the old alignment. */
        dm_obstacle_for_good(e, DM_STATE_FROZEN,
                             (DmProblem) { .code = DM_PROBLEM_CAPABILITIES });
    }
    e->caps = caps;
    e->had_caps = true;
    e->stage = STAGE_READY;
    e->settled = false;
    dm_post(e, dm_wire_put_capabilities_response(e->out, header->trans_id,
                                                 true), now);
}

/*
 * Linux reports memory that was added and not onlined as committed. When it is
 * onlined, available grows by as much as committed shrinks from one report to
 * the next. So it does when a process ends that had as much.
 */
static bool was_onlined(const DmEngine *e, const DmStatus *status)
{
    uint64_t offline = pageset_count(e->regions.offline);
    uint64_t least = offline - offline / 4;

    return offline && status->available >= e->status.available &&
           status->available - e->status.available >= least &&
           e->status.committed >= status->committed &&
           e->status.committed - status->committed >= least;
}

static void check_onlining(DmEngine *e, const DmStatus *status)
{
    if (was_onlined(e, status)) {
        TRACE(e, onlined, pageset_count(e->regions.offline));
        dm_regions_all_onlined(&e->regions);
        /* Only what is added next, as little as possible, shows which it was. */
        e->settled = false;
        if (e->obstacle == DM_STATE_NOT_ONLINED) {
            dm_obstacle_clear(e);
        }
    }
    e->status = *status;
}

static void status_report(DmEngine *e, const uint8_t *msg,
                          const DmHeader *header, uint64_t now)
{
    DmStatus status;

    if (!dm_wire_status(msg, header->size, &status)) {
        e->counters.malformed++;
    } else if (e->stage != STAGE_READY) {
        e->counters.unexpected++;
    } else {
        check_onlining(e, &status);
        dm_relief_check_report(e, &status, now);
        e->ops.status(e->opaque, &status);
    }
}

static void dispatch(DmEngine *e, const uint8_t *msg, const DmHeader *header,
                     uint64_t now)
{
    switch (header->type) {
    case DM_MSG_VERSION_REQUEST:
        version_request(e, msg, header, now);
        break;
    case DM_MSG_CAPABILITIES:
        capabilities(e, msg, header, now);
        break;
    case DM_MSG_STATUS:
        status_report(e, msg, header, now);
        break;
    case DM_MSG_BALLOON_RESPONSE:
        dm_balloon_response(e, msg, header, now);
        break;
    case DM_MSG_UNBALLOON_RESPONSE:
        dm_return_response(e, now);
        break;
    case DM_MSG_HOT_ADD_RESPONSE:
        dm_hot_add_response(e, msg, header, now);
        break;
    default:
        e->counters.unexpected++;
        dm_warn(e, now, DM_WARNING_TYPE);
    }
}

void dm_engine_receive(DmEngine *e, const void *msg, size_t len, uint64_t now)
{
    uint64_t began = dm_work_begin(e);
    DmHeader header;

    e->heard += len;
    e->counters.messages_received++;
    if (e->stage == STAGE_CLOSED) {
        e->counters.unexpected++;
    } else if (!dm_wire_header(msg, len, &header)) {
        e->counters.malformed++;
        dm_warn(e, now, DM_WARNING_HEADER);
    } else {
        TRACE(e, received, &header);
        dispatch(e, msg, &header, now);
        dm_tell_actual(e);
    }
    dm_work_end(e, began);
}
