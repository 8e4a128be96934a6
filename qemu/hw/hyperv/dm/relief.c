/*
 * Dynamic Memory engine: a Linux guest whose kernel ran dry
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where memory was onlined as movable, Linux's driver may release nearly all
 * that its kernel can use (see floor.h). Such a guest gets some back at once,
 * before the target is pursued any further.
 */

#include "engine-int.h"
#include "floor.h"

static bool relief_wanted(const DmEngine *e)
{
    return e->relief && e->caps.balloon && !dm_frozen(e) &&
           !dm_accounting_is_full(e) &&
           e->target <= dm_regions_actual(&e->regions);
}

/*
 * If the guest released single pages, this takes more than one message. If the
 * pages cannot be populated, the guest gets none, but the obstacle stays: more
 * balloon requests would only run it dry again.
 */
static bool start_relief(DmEngine *e, uint64_t now)
{
    switch (dm_request_return(e, e->relief, now)) {
    case STARTED:
        e->relief -= e->txn.asked;
        return true;
    case STARTED_NOT_YET:
        return true;
    default:
        e->relief = 0;
        return false;
    }
}

bool dm_relieve(DmEngine *e, uint64_t now)
{
    if (!relief_wanted(e)) {
        e->relief = 0;
        return false;
    }
    return start_relief(e, now);
}

/*
 * Blocks of sticks of which nothing was released may have been onlined as
 * movable. Others were not, since the driver releases no movable memory.
 */
static uint64_t maybe_movable(const DmEngine *e)
{
    const DmRegions *r = &e->regions;
    uint64_t block = MAX(BLOCK_PAGES, dm_alignment(e)), pages = 0, at, count;
    unsigned i;

    for (i = 0; i < r->sticks->len; i++) {
        DmRange range = g_array_index(r->sticks, DmStick, i).range;
        uint64_t end = range.first + range.count;

        for (at = range.first; at < end; at += count) {
            count = MIN(end, at / block * block + block) - at;
            if (!pageset_count_in(r->released, at, count)) {
                pages += pageset_count_in(r->added, at, count);
            }
        }
    }
    return pages;
}

/* The pages that the driver's rule counts, before it released @got of them. */
static uint64_t counted(const DmEngine *e, uint64_t got)
{
    return dm_regions_actual(&e->regions) +
           (dm_floor_counts_released(e->guest_os_id) ?
            pageset_count(e->regions.released) : got);
}

/*
 * A process may have taken all available memory after the last report, before
 * the driver stopped. So the guest is asked again once a report shows that the
 * driver's rule explains what is available, besides what was returned to it.
 */
void dm_relief_check_report(DmEngine *e, const DmStatus *status, uint64_t now)
{
    uint64_t own = status->available - MIN(status->available, RELIEF_PAGES);

    if (e->obstacle == DM_STATE_FLOOR && e->retry_at == NEVER &&
        e->txn.kind == DM_REQUEST_NONE && !e->relief &&
        !dm_floor_ran_dry(counted(e, 0), own, own)) {
        dm_obstacle_for_now(e, DM_STATE_FLOOR, e->problem, now);
    }
}

/* The last report may be from before the guest released these pages. */
static uint64_t available(const DmEngine *e)
{
    return e->status.available - MIN(e->status.available, e->txn.got);
}

bool dm_ran_dry(const DmEngine *e)
{
    return dm_guest_kind(e) == DM_GUEST_LINUX &&
           dm_floor_ran_dry(counted(e, e->txn.got), available(e),
                            maybe_movable(e));
}

static DmProblem problem_dry(const DmEngine *e)
{
    return (DmProblem) { .code = DM_PROBLEM_RAN_DRY, .pages = available(e),
                         .of = RELIEF_PAGES };
}

/*
 * The guest is asked again only if it released much more than it gets back:
 * then its caches may have shrunk by that time. Otherwise it would run dry once
 * more, over what was returned to it and the little that it found meanwhile.
 */
void dm_stopped_dry(DmEngine *e, uint64_t now)
{
    e->relief = RELIEF_PAGES;
    if (e->txn.got > 2 * RELIEF_PAGES) {
        dm_obstacle_for_now(e, DM_STATE_FLOOR, problem_dry(e), now);
    } else {
        dm_obstacle_for_good(e, DM_STATE_FLOOR, problem_dry(e));
    }
}
