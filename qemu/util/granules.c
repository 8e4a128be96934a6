/*
 * Which parts of a stick someone else may map: in whole granules
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/granules.h"

#include <glib.h>

#include "qemu/pageset.h"

struct Granules {
    uint64_t size;              /* bytes */
    uint64_t granule;           /* bytes */
    PageSet *populated;         /* of granules, by number */
};

Granules *granules_new(uint64_t size, uint64_t granule)
{
    Granules *g = g_new0(Granules, 1);

    g->size = size;
    g->granule = granule;
    g->populated = pageset_new();
    return g;
}

void granules_free(Granules *g)
{
    if (g) {
        pageset_free(g->populated);
        g_free(g);
    }
}

uint64_t granules_size(const Granules *g)
{
    return g->granule;
}

/* The first granule that begins at @offset or behind it. */
static uint64_t whole_from(const Granules *g, uint64_t offset)
{
    return offset / g->granule + (offset % g->granule != 0);
}

int granules_populate(Granules *g, uint64_t offset, uint64_t size,
                      GranulesFunc *populate, GranulesFunc *discard,
                      void *opaque)
{
    uint64_t start = offset / g->granule, at = start, first, count;
    uint64_t end = whole_from(g, offset + size);
    int ret = 0;

    while (!ret &&
           pageset_next_gap(g->populated, at, end, &first, &count)) {
        ret = populate(first * g->granule, count * g->granule, opaque);
        at = ret ? first : first + count;
    }
    if (!ret) {
        pageset_add(g->populated, start, end - start);
        return 0;
    }
    /* only the gaps before the one that failed were told */
    end = at;
    for (at = start;
         pageset_next_gap(g->populated, at, end, &first, &count);
         at = first + count) {
        discard(first * g->granule, count * g->granule, opaque);
    }
    return ret;
}

void granules_populate_anyway(Granules *g, uint64_t offset, uint64_t size,
                              GranulesFunc *populate, void *opaque)
{
    uint64_t start = offset / g->granule, at = start, first, count;
    uint64_t end = whole_from(g, offset + size);

    while (pageset_next_gap(g->populated, at, end, &first, &count)) {
        populate(first * g->granule, count * g->granule, opaque);
        at = first + count;
    }
    pageset_add(g->populated, start, end - start);
}

void granules_discard(Granules *g, uint64_t offset, uint64_t size,
                      GranulesFunc *discard, void *opaque)
{
    uint64_t at = whole_from(g, offset), first, count;
    uint64_t end = (offset + size) / g->granule;

    while (at < end &&
           pageset_next(g->populated, at, end, &first, &count)) {
        pageset_remove(g->populated, first, count);
        discard(first * g->granule, count * g->granule, opaque);
        at = first + count;
    }
}

bool granules_populated(const Granules *g, uint64_t offset, uint64_t size)
{
    uint64_t start = offset / g->granule;
    uint64_t count = whole_from(g, offset + size) - start;

    return pageset_count_in(g->populated, start, count) == count;
}

int granules_replay(const Granules *g, bool populated, uint64_t offset,
                    uint64_t size, GranulesFunc *func, void *opaque)
{
    uint64_t at = offset / g->granule, first, count;
    uint64_t end = whole_from(g, offset + size);
    int ret = 0;

    while (!ret && (populated ?
                    pageset_next(g->populated, at, end, &first, &count) :
                    pageset_next_gap(g->populated, at, end, &first,
                                     &count))) {
        uint64_t from = MAX(first * g->granule, offset);
        uint64_t to = MIN((first + count) * g->granule, offset + size);

        ret = func(from, to - from, opaque);
        at = first + count;
    }
    return ret;
}
