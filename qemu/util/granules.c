/*
 * Which parts of a stick someone else may map: in whole granules
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/granules.h"

#include <glib.h>

#include "qemu/pageset.h"

struct DmGranules {
    uint64_t size;              /* bytes */
    uint64_t granule;           /* bytes */
    DmPageSet *populated;       /* of granules, by number */
};

DmGranules *dm_granules_new(uint64_t size, uint64_t granule)
{
    DmGranules *g = g_new0(DmGranules, 1);

    g->size = size;
    g->granule = granule;
    g->populated = dm_pageset_new();
    return g;
}

void dm_granules_free(DmGranules *g)
{
    if (g) {
        dm_pageset_free(g->populated);
        g_free(g);
    }
}

uint64_t dm_granules_size(const DmGranules *g)
{
    return g->granule;
}

/* The first granule that begins at @offset or behind it. */
static uint64_t whole_from(const DmGranules *g, uint64_t offset)
{
    return offset / g->granule + (offset % g->granule != 0);
}

int dm_granules_populate(DmGranules *g, uint64_t offset, uint64_t size,
                         DmGranulesFunc *populate, DmGranulesFunc *discard,
                         void *opaque)
{
    uint64_t start = offset / g->granule, at = start, first, count;
    uint64_t end = whole_from(g, offset + size);
    int ret = 0;

    while (!ret &&
           dm_pageset_next_gap(g->populated, at, end, &first, &count)) {
        ret = populate(first * g->granule, count * g->granule, opaque);
        at = ret ? first : first + count;
    }
    if (!ret) {
        dm_pageset_add(g->populated, start, end - start);
        return 0;
    }
    /* only the gaps before the one that failed were told */
    end = at;
    for (at = start;
         dm_pageset_next_gap(g->populated, at, end, &first, &count);
         at = first + count) {
        discard(first * g->granule, count * g->granule, opaque);
    }
    return ret;
}

void dm_granules_discard(DmGranules *g, uint64_t offset, uint64_t size,
                         DmGranulesFunc *discard, void *opaque)
{
    uint64_t at = whole_from(g, offset), first, count;
    uint64_t end = (offset + size) / g->granule;

    while (at < end &&
           dm_pageset_next(g->populated, at, end, &first, &count)) {
        dm_pageset_remove(g->populated, first, count);
        discard(first * g->granule, count * g->granule, opaque);
        at = first + count;
    }
}

bool dm_granules_populated(const DmGranules *g, uint64_t offset, uint64_t size)
{
    uint64_t start = offset / g->granule;
    uint64_t count = whole_from(g, offset + size) - start;

    return dm_pageset_count_in(g->populated, start, count) == count;
}

int dm_granules_replay(const DmGranules *g, bool populated, uint64_t offset,
                       uint64_t size, DmGranulesFunc *func, void *opaque)
{
    uint64_t at = offset / g->granule, first, count;
    uint64_t end = whole_from(g, offset + size);
    int ret = 0;

    while (!ret && (populated ?
                    dm_pageset_next(g->populated, at, end, &first, &count) :
                    dm_pageset_next_gap(g->populated, at, end, &first,
                                        &count))) {
        uint64_t from = MAX(first * g->granule, offset);
        uint64_t to = MIN((first + count) * g->granule, offset + size);

        ret = func(from, to - from, opaque);
        at = first + count;
    }
    return ret;
}
