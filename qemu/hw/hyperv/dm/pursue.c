/*
 * Dynamic Memory engine: what to request next
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "engine-int.h"

static void not_populated(DmEngine *e, DmRange range, uint64_t now)
{
    dm_obstacle_for_now(e, DM_STATE_REFUSED,
                        (DmProblem) { .code = DM_PROBLEM_POPULATE,
                                      .page = range.first }, now);
}

static DmProblem not_aligned(const DmEngine *e)
{
    return (DmProblem) { .code = DM_PROBLEM_ALIGNMENT,
                         .pages = dm_regions_ungranted(&e->regions),
                         .of = dm_alignment(e) };
}

static void grow_by_hot_add(DmEngine *e, uint64_t missing, uint64_t now)
{
    if (!e->caps.hot_add) {
        dm_obstacle_for_good(e, DM_STATE_REFUSED,
                             (DmProblem) { .code = DM_PROBLEM_NO_HOT_ADD });
        return;
    }
    switch (dm_request_hot_add(e, missing, now)) {
    case STARTED:
    case STARTED_NOT_YET:
        break;
    case STARTED_NOT_POPULATED:
        not_populated(e, e->txn.add.range, now);
        break;
    case STARTED_NOTHING:
        dm_obstacle_for_good(e, DM_STATE_REFUSED, not_aligned(e));
        break;
    }
}

static void grow(DmEngine *e, uint64_t missing, uint64_t now)
{
    Started started = STARTED_NOTHING;

    if (dm_accounting_is_full(e)) {
        dm_obstacle_for_good(e, DM_STATE_REFUSED,
                             (DmProblem) { .code = DM_PROBLEM_ACCOUNTING });
        return;
    }
    if (e->caps.balloon) {
        started = dm_request_return(e, missing, now);
    }
    if (started == STARTED_NOT_POPULATED) {
        not_populated(e, e->txn.ranges[0], now);
    } else if (started == STARTED_NOTHING &&
               dm_regions_ungranted(&e->regions) &&
               missing >= MIN(BALLOON_UNIT, dm_alignment(e))) {
        grow_by_hot_add(e, missing, now);
    }
}

static void shrink(DmEngine *e, uint64_t surplus, uint64_t now)
{
    if (e->caps.balloon) {
        dm_request_balloon(e, surplus, now);
    } else {
        dm_obstacle_for_good(e, DM_STATE_REFUSED,
                             (DmProblem) { .code = DM_PROBLEM_NO_BALLOON });
    }
}

static bool may_send(DmEngine *e, uint64_t now)
{
    e->waiting = e->stage == STAGE_READY && now < e->quiet_until;
    return e->stage == STAGE_READY && e->txn.kind == DM_REQUEST_NONE &&
           !e->out_len && !pageset_count(e->discard) && !e->waiting;
}

DmProblem dm_not_onlined(uint64_t pages)
{
    return (DmProblem) { .code = DM_PROBLEM_NOT_ONLINED, .pages = pages };
}

/* Nothing can be requested any more. If the target is not met, why? */
static void explain_ceiling(DmEngine *e)
{
    uint64_t capacity = dm_regions_capacity(&e->regions);
    uint64_t offline = pageset_count(e->regions.offline);
    bool missed = e->target >= dm_regions_actual(&e->regions) + BALLOON_UNIT;

    if (e->target > capacity) {
        dm_problem_set(e, (DmProblem) { .code = DM_PROBLEM_CAPACITY,
                                        .pages = e->target - capacity });
    } else if (missed && offline) {
        dm_obstacle_for_good(e, DM_STATE_NOT_ONLINED, dm_not_onlined(offline));
    } else if (missed) {
        dm_problem_set(e, (DmProblem) {
            .code = DM_PROBLEM_IN_DOUBT,
            .pages = dm_regions_in_doubt(&e->regions),
        });
    } else {
        dm_problem_clear(e);
    }
}

static uint64_t reachable(const DmEngine *e)
{
    return MIN(e->target, dm_regions_capacity(&e->regions));
}

/*
 * When the hold ends, nothing stands in the way any more. When another try would
 * be due is kept, for who reads a state that was saved meanwhile: there the
 * hold never ends, as it never began.
 */
bool dm_growth_waits(const DmEngine *e)
{
    return e->growth_held &&
           (e->relief || reachable(e) > dm_regions_actual(&e->regions));
}

/* What is missing is the problem, as long as nothing else is in the way. */
static bool growth_is_held(DmEngine *e, uint64_t actual, uint64_t target)
{
    if (!dm_growth_waits(e)) {
        return false;
    }
    if (!dm_frozen(e)) {
        dm_problem_set(e, (DmProblem) {
            .code = DM_PROBLEM_HELD,
            .pages = target > actual ? target - actual : e->relief,
        });
    }
    return true;
}

static void choose_request(DmEngine *e, uint64_t now)
{
    uint64_t actual = dm_regions_actual(&e->regions);
    uint64_t target = reachable(e);

    if (growth_is_held(e, actual, target) || dm_relieve(e, now) ||
        !dm_obstacle_passed(e, now)) {
        return;
    }
    if (target > actual) {
        grow(e, target - actual, now);
    } else if (actual - target >= BALLOON_UNIT) {
        shrink(e, actual - target, now);
    }
    if (e->txn.kind == DM_REQUEST_NONE && e->preparing == DM_REQUEST_NONE &&
        e->obstacle == DM_STATE_IDLE) {
        dm_obstacle_clear_retry(e);
        explain_ceiling(e);
    }
}

/* Under a new kernel nothing is discarded: it may use what lies beside it. */
void dm_pursue(DmEngine *e, uint64_t now)
{
    e->preparing = DM_REQUEST_NONE;
    if (!may_send(e, now)) {
        return;
    }
    choose_request(e, now);
    if (e->preparing == DM_REQUEST_NONE && e->obstacle != DM_STATE_NEW_KERNEL) {
        dm_unpopulate(e);
    }
}
