/*
 * usage.c: what a guest uses, from reports that may be older than its size
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "usage.h"

/* Sizes are kept for so many seconds, and the last one before in any case: a report may be about any of them. */
#define LATELY 0.5

/* A guest that has not moved for so many seconds has reported since, though that may be the same. */
#define STILL_SECONDS 1.0

/* A report does not change for so many seconds, though the guest has moved by so much: nobody reports any more. */
#define SILENT_SECONDS 5.0
#define SILENT_MOVE (8 * 1024)


static guint64
distance(guint64 a,
         guint64 b)
{
    return MAX(a, b) - MIN(a, b);
}


static guint64
lowest(const hvmemUsage *usage)
{
    return MIN(usage->sizes[0].low, usage->sizes[1].low);
}


static guint64
highest(const hvmemUsage *usage)
{
    return MAX(usage->sizes[0].high, usage->sizes[1].high);
}


static void
addSize(hvmemUsage *usage,
        guint64 actual,
        double now)
{
    if (!usage->seen) {
        usage->sizes[0].since = usage->sizes[1].since = usage->moved = now;
        usage->sizes[0].low = usage->sizes[0].high = usage->sizes[1].low = usage->sizes[1].high = actual;
    } else if (now - usage->sizes[0].since >= LATELY) {
        usage->sizes[1] = usage->sizes[0];
        usage->sizes[0].since = now;
        usage->sizes[0].low = usage->sizes[0].high = actual;
    }
    usage->seen = true;
    usage->sizes[0].low = MIN(usage->sizes[0].low, actual);
    usage->sizes[0].high = MAX(usage->sizes[0].high, actual);
    if (highest(usage) - lowest(usage) > HVMEM_BALANCE_NEAR)
        usage->moved = now;
}


/* A report of a guest that has nothing left does not change while that is so: each may be a new one. */
static void
addReport(hvmemUsage *usage,
          guint64 actual,
          guint64 usable,
          guint64 committed,
          double now)
{
    bool still = now - usage->moved >= STILL_SECONDS && usage->old < 0;

    if (!usage->reported || usable == 0 || still || usable != usage->usable || committed != usage->committed) {
        usage->low = lowest(usage);
        usage->high = highest(usage);
    }
    usage->reported = true;
    usage->usable = usable;
    usage->committed = committed;

    if (distance(actual, CLAMP(actual, usage->low, usage->high)) <= SILENT_MOVE)
        usage->old = -1;
    else if (usage->old < 0)
        usage->old = now;
    usage->silent = usage->old >= 0 && now - usage->old >= SILENT_SECONDS;
}


/* As near to the last one as the sizes allow that the report may be about. */
static guint64
demandOf(const hvmemUsage *usage,
         guint64 actual)
{
    guint64 least = hvmemBalanceDemand(usage->low, usage->usable, usage->committed);
    guint64 most = hvmemBalanceDemand(usage->high, usage->usable, usage->committed);

    return CLAMP(usage->known ? usage->last : hvmemBalanceDemand(actual, usage->usable, usage->committed), least, most);
}


/* Of a guest that has not moved in between: then both are of the same size. */
static guint64
riseOf(hvmemUsage *usage,
       guint64 actual,
       guint64 requested,
       double now)
{
    guint64 used = hvmemShareSub(actual, usage->usable);
    bool rests = highest(usage) - lowest(usage) <= HVMEM_BALANCE_NEAR && distance(actual, requested) <= HVMEM_BALANCE_NEAR && usage->old < 0;
    guint64 rise = rests && usage->rested && now > usage->when ? hvmemShareSub(used, usage->used) / (now - usage->when) : 0;

    usage->rested = rests;
    usage->used = used;
    usage->when = now;
    return rise;
}


void
hvmemUsageTake(hvmemUsage *usage,
               guint64 actual,
               guint64 requested,
               guint64 usable,
               guint64 committed,
               double now)
{
    addSize(usage, actual, now);
    if (usable == HVMEM_BALANCE_UNKNOWN) {
        usage->demand = HVMEM_BALANCE_UNKNOWN;
        usage->rise = 0;
        usage->rested = false;
        return;
    }

    addReport(usage, actual, usable, committed, now);
    usage->demand = usage->last = demandOf(usage, actual);
    usage->known = true;
    usage->rise = riseOf(usage, actual, requested, now);
}
