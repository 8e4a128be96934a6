/*
 * Dynamic Memory engine: the one request that is outstanding
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "engine-int.h"

#define MAX_HOT_ADD_PAGES MIB_PAGES(2048)

#define BALLOON_DEADLINE SECONDS(30)
#define RETURN_DEADLINE SECONDS(30)
#define RETURN_DEADLINE_BLOCK SECONDS(2)
#define HOT_ADD_DEADLINE SECONDS(10)
#define HOT_ADD_DEADLINE_BLOCK SECONDS(5)

/* The guest's time to reply begins when the request has really been sent. */
static void txn_sent(DmEngine *e, uint64_t now)
{
    e->txn.sent = true;
    e->txn.late = false;
    e->txn.deadline += now - e->txn.started;
    e->txn.started = now;
}

static void trace_sent(const DmEngine *e)
{
    DmHeader header;

    if (e->ops.trace && dm_wire_header(e->out, e->out_len, &header)) {
        e->ops.trace->sent(e->opaque, &header);
    }
}

void dm_flush(DmEngine *e, uint64_t now)
{
    if (!e->out_len || !e->ops.send(e->opaque, e->out, e->out_len)) {
        return;
    }
    trace_sent(e);
    e->out_len = 0;
    e->counters.messages_sent++;
    if (e->txn.kind != DM_REQUEST_NONE && !e->txn.sent) {
        txn_sent(e, now);
    }
}

void dm_post(DmEngine *e, size_t len, uint64_t now)
{
    e->out_len = len;
    dm_flush(e, now);
}

/* The ranges that the request gives the guest. */
static unsigned given_ranges(const Txn *txn, const DmRange **ranges)
{
    switch (txn->kind) {
    case DM_REQUEST_HOT_ADD:
        *ranges = &txn->add.range;
        return 1;
    case DM_REQUEST_RETURN:
        *ranges = txn->ranges;
        return txn->n_ranges;
    default:
        *ranges = NULL;
        return 0;
    }
}

DmRange dm_request_next_given(const DmEngine *e, uint64_t from)
{
    DmRange best = { NEVER, 0 };
    const DmRange *ranges;
    unsigned i, n = given_ranges(&e->txn, &ranges);

    for (i = 0; i < n; i++) {
        if (range_end(ranges[i]) > from && ranges[i].first < best.first) {
            best = ranges[i];
        }
    }
    return best;
}

bool dm_request_touches(const DmEngine *e, DmRange range)
{
    return dm_request_next_given(e, range.first).first < range_end(range);
}

static void txn_begin(DmEngine *e, DmRequest kind, uint64_t now,
                      uint64_t deadline, uint64_t asked)
{
    e->txn.kind = kind;
    e->txn.sent = e->txn.late = e->txn.excused = false;
    e->txn.started = now;
    e->txn.deadline = now + deadline;
    e->txn.asked = asked;
    e->txn.got = e->txn.claimed = 0;
    e->txn.idle_responses = 0;
    e->settled = false;
    e->trans_id++;
}

void dm_request_end(DmEngine *e)
{
    e->txn.kind = DM_REQUEST_NONE;
    e->txn.late = false;
    dm_tell_sticks(e);
}

static void abandon_hot_add(DmEngine *e)
{
    if (e->txn.sent) {
        dm_regions_add_doubt(&e->regions, &e->txn.add);
    } else {
        dm_populated_for_nothing(e, e->txn.add.range);
    }
}

static void abandon_return(DmEngine *e)
{
    unsigned i;

    for (i = 0; i < e->txn.n_ranges; i++) {
        if (e->txn.sent) {
            dm_regions_return_doubt(&e->regions, e->txn.ranges[i]);
        } else {
            dm_populated_for_nothing(e, e->txn.ranges[i]);
        }
    }
}

void dm_request_abandon(DmEngine *e)
{
    if (e->txn.kind == DM_REQUEST_HOT_ADD) {
        abandon_hot_add(e);
    } else if (e->txn.kind == DM_REQUEST_RETURN) {
        abandon_return(e);
    }
    e->preparing = DM_REQUEST_NONE;
    e->out_len = 0;
    dm_request_end(e);
}

void dm_request_continues(DmEngine *e, uint64_t now)
{
    e->txn.late = false;
    e->txn.deadline = now + BALLOON_DEADLINE;
}

void dm_request_balloon(DmEngine *e, uint64_t pages, uint64_t now)
{
    pages = MIN(pages, MAX_BALLOON_PAGES) / BALLOON_UNIT * BALLOON_UNIT;
    txn_begin(e, DM_REQUEST_BALLOON, now, BALLOON_DEADLINE, pages);
    TRACE(e, request, DM_REQUEST_BALLOON, pages, 0, 0);
    dm_post(e, dm_wire_put_balloon_request(e->out, e->trans_id, pages), now);
}

static uint64_t blocks(uint64_t pages)
{
    return (pages + BLOCK_PAGES - 1) / BLOCK_PAGES;
}

static Started not_started(Populated populated)
{
    return populated == POPULATED_NOT_YET ? STARTED_NOT_YET
                                          : STARTED_NOT_POPULATED;
}

Started dm_request_return(DmEngine *e, uint64_t pages, uint64_t now)
{
    unsigned i, max = dm_one_range_only(e) ? 1 : DM_MAX_SEND_RANGES;
    uint64_t asked = 0;
    Populated populated;

    pages = MIN(pages, MAX_RETURN_PAGES);
    e->txn.n_ranges = dm_regions_pick_return(&e->regions, pages,
                                             e->txn.ranges, max);
    for (i = 0; i < e->txn.n_ranges; i++) {
        asked += e->txn.ranges[i].count;
    }
    if (!asked) {
        return STARTED_NOTHING;
    }
    populated = dm_populate(e, DM_REQUEST_RETURN, e->txn.ranges,
                            e->txn.n_ranges);
    if (populated != POPULATED_ALL) {
        return not_started(populated);
    }
    txn_begin(e, DM_REQUEST_RETURN, now, RETURN_DEADLINE +
              RETURN_DEADLINE_BLOCK * blocks(asked), asked);
    TRACE(e, request, DM_REQUEST_RETURN, asked, e->txn.n_ranges,
          e->txn.ranges[0].first);
    dm_post(e, dm_wire_put_unballoon_request(e->out, e->trans_id, e->txn.ranges,
                                             e->txn.n_ranges), now);
    return STARTED;
}

Started dm_request_hot_add(DmEngine *e, uint64_t pages, uint64_t now)
{
    /* As little as possible, until this guest has shown that it onlines what
     * it is given. */
    uint64_t limit = e->probed ? MAX_HOT_ADD_PAGES : 1;
    DmHotAdd *add = &e->txn.add;
    Populated populated;

    if (!dm_regions_pick_hot_add(&e->regions, pages, dm_alignment(e), limit,
                                 e->elsewhere, add)) {
        return STARTED_NOTHING;
    }
    populated = dm_populate(e, DM_REQUEST_HOT_ADD, &add->range, 1);
    if (populated != POPULATED_ALL) {
        return not_started(populated);
    }
    txn_begin(e, DM_REQUEST_HOT_ADD, now, HOT_ADD_DEADLINE +
              HOT_ADD_DEADLINE_BLOCK * blocks(add->range.count),
              add->range.count);
    TRACE(e, request, DM_REQUEST_HOT_ADD, add->range.count, 1,
          add->range.first);
    dm_post(e, dm_wire_put_hot_add_request(e->out, e->trans_id, &add->range,
                                           add->region.count ? &add->region
                                           : NULL), now);
    return STARTED;
}

static DmProblemCode why_late(const DmEngine *e)
{
    if (!e->txn.sent) {
        return DM_PROBLEM_NOT_SENT;
    }
    return e->answered || dm_guest_kind(e) != DM_GUEST_LINUX ?
           DM_PROBLEM_NO_REPLY : DM_PROBLEM_NEVER_REPLIED;
}

DmProblem dm_late_problem(const DmEngine *e)
{
    return (DmProblem) { .code = why_late(e), .request = e->txn.kind,
                         .ms = e->txn.deadline - e->txn.started };
}

void dm_request_notice_deadline(DmEngine *e, uint64_t now)
{
    DmProblem problem;

    if (e->txn.kind == DM_REQUEST_NONE || e->txn.late ||
        now < e->txn.deadline) {
        return;
    }
    e->txn.late = true;
    e->counters.late++;
    problem = dm_late_problem(e);
    TRACE(e, problem, &problem);
}
