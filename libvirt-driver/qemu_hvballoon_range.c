/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qemu_hvballoon_range.c: free address ranges between sticks
 */

#include "qemu_hvballoon_range.h"


/* The first address above @range. */
static guint64
endOf(const qemuHvBalloonRange *range)
{
    return range->size > G_MAXUINT64 - range->start ? G_MAXUINT64 : range->start + range->size;
}


/* The largest multiple of @granule that fits between @start and @end, aligned. */
static guint64
fitsBetween(guint64 start, guint64 end, guint64 granule)
{
    guint64 skip = (granule - start % granule) % granule;

    if (start >= end || skip >= end - start)
        return 0;

    return (end - start - skip) / granule * granule;
}


/**
 * qemuHvBalloonLargestFree:
 * @taken: @ntaken ranges, sorted by address; they may reach outside of @space
 *
 * Returns the size of the largest free range in @space, of which start and size
 * are multiples of @granule; 0 if there is none.
 */
guint64
qemuHvBalloonLargestFree(const qemuHvBalloonRange *space,
                         const qemuHvBalloonRange *taken,
                         size_t ntaken,
                         guint64 granule)
{
    guint64 end = endOf(space);
    guint64 from = space->start;
    guint64 largest = 0;
    size_t i;

    for (i = 0; i < ntaken; i++) {
        largest = MAX(largest, fitsBetween(from, MIN(taken[i].start, end), granule));
        from = MAX(from, endOf(&taken[i]));
    }

    return MAX(largest, fitsBetween(from, end, granule));
}
