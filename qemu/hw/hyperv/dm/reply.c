/*
 * Dynamic Memory engine: the guest's replies to requests
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "engine-int.h"

/* Linux waits up to 5 s a block for it to be onlined, then replies anyway. */
#define NOT_ONLINED_BLOCK 4500
/* Responses in a row that release nothing and say that more will follow. */
#define MAX_IDLE_RESPONSES 16

/* A reply to nothing that is outstanding is counted and otherwise ignored. */
static bool unexpected(DmEngine *e, DmRequest kind, uint64_t now)
{
    if (e->stage == STAGE_READY && e->txn.kind == kind && e->txn.sent) {
        e->answered = true;
        return false;
    }
    e->counters.unexpected++;
    dm_warn(e, now, DM_WARNING_UNREQUESTED);
    return true;
}

/*
 * Accounts for one range. The limit counts what the guest claims, valid or
 * not, so that no reply costs more work than the pages that were requested.
 */
static void take_range(DmEngine *e, DmRange range, uint64_t now)
{
    uint64_t room = e->txn.asked - e->txn.claimed;
    DmReleased result;

    if (range.count > room) {
        e->counters.surplus_pages += range.count - room;
        dm_warn(e, now, DM_WARNING_BALLOON_SURPLUS);
        range.count = room;
    }
    if (!range.count) {
        return;
    }
    e->txn.claimed += range.count;
    result = dm_regions_release(&e->regions, range, e->discard);
    e->txn.got += result.fresh;
    e->counters.duplicate_pages += result.duplicate;
    if (result.dropped) {
        e->counters.dropped_ranges++;
        dm_warn(e, now, DM_WARNING_BALLOON_PAGES);
    }
}

static void balloon_done(DmEngine *e, uint64_t now)
{
    uint64_t missing = e->txn.asked - e->txn.got;

    TRACE(e, done, DM_REQUEST_BALLOON, e->txn.got, e->txn.asked);
    dm_request_end(e);
    if (missing < BALLOON_UNIT) {
        e->retry_delay = RETRY_MIN;
        return;
    }
    if (dm_ran_dry(e)) {
        dm_stopped_dry(e, now);
        return;
    }
    dm_obstacle_for_now(e, DM_STATE_FLOOR,
                        (DmProblem) { .code = DM_PROBLEM_FLOOR,
                                      .pages = missing,
                                      .of = e->txn.asked }, now);
}

void dm_balloon_response(DmEngine *e, const uint8_t *msg,
                         const DmHeader *header, uint64_t now)
{
    uint64_t before = e->txn.got;
    DmBalloonResponse response;
    uint32_t i;

    if (!dm_wire_balloon_response(msg, header->size, &response)) {
        e->counters.malformed++;
        dm_warn(e, now, DM_WARNING_BALLOON_SIZE);
        return;
    }
    if (unexpected(e, DM_REQUEST_BALLOON, now)) {
        return;
    }
    dm_discard_backlog(e);
    for (i = 0; i < response.ranges; i++) {
        take_range(e, dm_wire_range(msg, i), now);
    }
    dm_tell_sticks(e);
    dm_request_continues(e, now);
    e->txn.idle_responses = e->txn.got > before ? 0
                                                : e->txn.idle_responses + 1;
    if (!response.more) {
        balloon_done(e, now);
    } else if (e->txn.idle_responses >= MAX_IDLE_RESPONSES) {
        dm_warn(e, now, DM_WARNING_BALLOON_IDLE);
        balloon_done(e, now);
    }
}

void dm_return_response(DmEngine *e, uint64_t now)
{
    unsigned i;

    if (unexpected(e, DM_REQUEST_RETURN, now)) {
        return;
    }
    for (i = 0; i < e->txn.n_ranges; i++) {
        dm_regions_returned(&e->regions, e->txn.ranges[i]);
    }
    TRACE(e, done, DM_REQUEST_RETURN, e->txn.asked, e->txn.asked);
    dm_request_end(e);
}

/*
 * Linux waits for each block to be onlined, but not for ever, and its reply is
 * the same if it was not: only the time that it took tells.
 */
static bool seems_onlined(const DmEngine *e, uint64_t pages, uint64_t now)
{
    uint64_t block = MAX(BLOCK_PAGES, dm_alignment(e));
    uint64_t waits = (pages + block - 1) / block;

    return dm_guest_kind(e) != DM_GUEST_LINUX ||
           now - e->txn.started < NOT_ONLINED_BLOCK * waits;
}

static bool is_late(const Txn *txn, uint64_t now)
{
    return txn->late || now >= txn->deadline;
}

static void judge_onlining(DmEngine *e, uint64_t pages, uint64_t now)
{
    if (is_late(&e->txn, now)) {
        return;                 /* so slow for another reason */
    }
    if (seems_onlined(e, pages, now)) {
        e->probed = true;
        return;
    }
    if (e->txn.excused) {
        return;
    }
    dm_regions_not_onlined(&e->regions,
                           (DmRange) { e->txn.add.range.first, pages });
    e->probed = false;
    dm_obstacle_for_good(e, DM_STATE_NOT_ONLINED, dm_not_onlined(pages));
}

/*
 * Whoever mapped what the guest did not take has no use for it. If the same is
 * offered again, it is populated again.
 */
static void not_taken(DmEngine *e, uint64_t taken)
{
    DmRange add = e->txn.add.range;

    pageset_add(e->discard, add.first + taken, add.count - taken);
}

/*
 * The same request is safe to make again: from time to time, or, if the guest
 * refuses for good, once something has changed.
 */
static void hot_add_refused(DmEngine *e, uint32_t result, uint64_t now)
{
    DmProblem problem = { .page = e->txn.add.range.first };

    e->counters.refused++;
    not_taken(e, 0);
    e->elsewhere = dm_regions_postpone(&e->regions, &e->txn.add);
    e->probed = false;
    if (result) {
        problem.code = DM_PROBLEM_REFUSED_FOR_GOOD;
        dm_obstacle_for_good(e, DM_STATE_REFUSED, problem);
    } else {
        problem.code = DM_PROBLEM_REFUSED;
        dm_obstacle_for_now(e, DM_STATE_REFUSED, problem, now);
    }
}

/* If it took only the first pages, no other request may touch the rest. */
static void hot_add_taken(DmEngine *e, uint64_t pages, uint64_t now)
{
    DmRange add = e->txn.add.range;

    dm_regions_added(&e->regions, (DmRange) { add.first, pages });
    if (pages < add.count) {
        e->counters.refused++;
        not_taken(e, pages);
        dm_regions_refused(&e->regions, &e->txn.add, pages);
    }
    e->elsewhere = e->regions.n_postponed > 0;
    e->retry_delay = RETRY_MIN;
    judge_onlining(e, pages, now);
}

void dm_hot_add_response(DmEngine *e, const uint8_t *msg,
                         const DmHeader *header, uint64_t now)
{
    DmHotAddResponse response;

    if (!dm_wire_hot_add_response(msg, header->size, &response)) {
        e->counters.malformed++;
        dm_warn(e, now, DM_WARNING_HOT_ADD_SIZE);
        return;
    }
    if (unexpected(e, DM_REQUEST_HOT_ADD, now)) {
        return;
    }
    if (response.pages > e->txn.asked) {
        dm_warn(e, now, DM_WARNING_HOT_ADD_SURPLUS);
        response.pages = e->txn.asked;
    }
    TRACE(e, done, DM_REQUEST_HOT_ADD, response.pages, e->txn.asked);
    if (response.pages) {
        hot_add_taken(e, response.pages, now);
    } else {
        hot_add_refused(e, response.result, now);
    }
    dm_request_end(e);
}
