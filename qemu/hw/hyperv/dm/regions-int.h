/*
 * Who has which page: what regions.c, hot-add.c and sticks.c share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef DM_REGIONS_INT_H
#define DM_REGIONS_INT_H

#include "regions.h"

static inline DmRange intersect(DmRange a, DmRange b)
{
    uint64_t first = MAX(a.first, b.first);
    uint64_t end = MIN(range_end(a), range_end(b));

    return (DmRange) { first, end > first ? end - first : 0 };
}

static inline DmRange boot_at(const DmRegions *r, unsigned i)
{
    return g_array_index(r->boot, DmRange, i);
}

static inline DmStick *stick_at(const DmRegions *r, unsigned i)
{
    return &g_array_index(r->sticks, DmStick, i);
}

/* -1: there is none. */
static inline int stick_index(const DmRegions *r, unsigned id)
{
    unsigned i;

    for (i = 0; i < r->sticks->len; i++) {
        if (stick_at(r, i)->id == id) {
            return i;
        }
    }
    return -1;
}

static inline uint64_t boot_in(const DmRegions *r, DmRange range)
{
    uint64_t n = 0;
    unsigned i;

    for (i = 0; i < r->boot->len; i++) {
        n += intersect(boot_at(r, i), range).count;
    }
    return n;
}

static inline uint64_t sticks_in(const DmRegions *r, DmRange range)
{
    uint64_t n = 0;
    unsigned i;

    for (i = 0; i < r->sticks->len; i++) {
        n += intersect(stick_at(r, i)->range, range).count;
    }
    return n;
}

static inline uint64_t memory_in(const DmRegions *r, DmRange range)
{
    return boot_in(r, range) + sticks_in(r, range);
}

/* From now on, each stick that holds a page of @range has been used. */
void dm_regions_mark_used(DmRegions *regions, DmRange range);
/* A postponed hot-add of a page of @range is not tried again. */
void dm_regions_drop_postponed(DmRegions *regions, DmRange range);

#endif
