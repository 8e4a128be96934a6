/*
 * Dynamic Memory engine: what stands in the way of the target
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "engine-int.h"

#include <string.h>

#define RETRY_MAX SECONDS(60)
#define WARN_INTERVAL SECONDS(10)

void dm_warn(DmEngine *e, uint64_t now, DmWarning warning)
{
    TRACE(e, warning, warning);
    if (now >= e->next_warning) {
        e->next_warning = now + WARN_INTERVAL;
        e->ops.warn(e->opaque, warning);
    }
}

void dm_problem_set(DmEngine *e, DmProblem problem)
{
    bool same = !memcmp(&e->problem, &problem, sizeof(problem));

    e->problem = problem;
    if (!same) {
        TRACE(e, problem, &e->problem);
    }
}

void dm_problem_clear(DmEngine *e)
{
    e->problem = (DmProblem) { .code = DM_PROBLEM_NONE };
}

void dm_obstacle_clear_retry(DmEngine *e)
{
    e->obstacle = DM_STATE_IDLE;
    e->retry_at = NEVER;
    e->retry_delay = RETRY_MIN;
}

void dm_obstacle_clear(DmEngine *e)
{
    dm_obstacle_clear_retry(e);
    dm_problem_clear(e);
}

void dm_obstacle_for_now(DmEngine *e, DmState state, DmProblem problem,
                         uint64_t now)
{
    dm_problem_set(e, problem);
    e->obstacle = state;
    e->retry_at = now + e->retry_delay;
    e->retry_delay = MIN(2 * e->retry_delay, RETRY_MAX);
}

void dm_obstacle_for_good(DmEngine *e, DmState state, DmProblem problem)
{
    dm_problem_set(e, problem);
    e->obstacle = state;
    e->retry_at = NEVER;
}

bool dm_frozen(const DmEngine *e)
{
    return e->obstacle == DM_STATE_NEW_KERNEL ||
           e->obstacle == DM_STATE_FROZEN;
}

/*
 * What keeps the guest from growing does not keep it from shrinking, nor the
 * other way round. While the request was out that met the obstacle, the target
 * may have moved to the other side of what the guest has.
 */
static bool other_way(const DmEngine *e)
{
    uint64_t actual = dm_regions_actual(&e->regions);

    switch (e->obstacle) {
    case DM_STATE_FLOOR:
        return e->target > actual;
    case DM_STATE_REFUSED:
    case DM_STATE_NOT_ONLINED:
        return e->caps.balloon && actual >= e->target + BALLOON_UNIT;
    default:
        return false;
    }
}

bool dm_obstacle_passed(DmEngine *e, uint64_t now)
{
    if (e->obstacle == DM_STATE_IDLE) {
        return true;
    }
    if (now < e->retry_at && !other_way(e)) {
        return false;
    }
    e->obstacle = DM_STATE_IDLE;
    e->retry_at = NEVER;
    return true;
}
