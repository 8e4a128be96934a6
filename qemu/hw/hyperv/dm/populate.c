/*
 * Dynamic Memory engine: what is populated before a request names it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Whoever maps the guest's memory for a device has to map a page before the
 * guest may touch it, and that can take seconds for what one request gives. So
 * a request is prepared piece by piece, over as many turns as it takes, and is
 * made in the turn that populates the last piece.
 *
 * Nothing is remembered of a request that is being prepared, but the pages
 * that were populated: each turn chooses the request anew. If it comes out the
 * same, it is continued; what was populated for another one, or for one that
 * is not made any more, goes the way of all that the guest does not have. So a
 * target, a stick or a failure in the middle needs no code of its own.
 */

#include "engine-int.h"

void dm_unpopulate(DmEngine *e)
{
    pageset_add_from(e->discard, e->populated, 0, DM_MAX_PFN + 1);
    pageset_clear(e->populated);
}

void dm_unpopulate_sticks(DmEngine *e)
{
    dm_regions_stick_pages(&e->regions, e->populated, e->discard);
    pageset_clear(e->populated);
}

/* Unpopulates all but @ranges; false if there is nothing else. */
static bool drop_others(DmEngine *e, const DmRange *ranges, unsigned n)
{
    PageSet *kept;
    uint64_t count = 0;
    unsigned i;

    for (i = 0; i < n; i++) {
        count += pageset_count_in(e->populated, ranges[i].first,
                                  ranges[i].count);
    }
    if (count == pageset_count(e->populated)) {
        return false;
    }
    kept = pageset_new();
    for (i = 0; i < n; i++) {
        pageset_add_from(kept, e->populated, ranges[i].first,
                         ranges[i].count);
        pageset_remove(e->populated, ranges[i].first, ranges[i].count);
    }
    dm_unpopulate(e);
    pageset_free(e->populated);
    e->populated = kept;
    return true;
}

static bool populate_piece(DmEngine *e, DmRange gap)
{
    DmRange piece = dm_piece(gap, e->populate_piece);
    uint64_t began = dm_work_begin(e);
    bool ok = e->ops.populate(e->opaque, piece.first, piece.count);

    /* What fails may have been populated in part: of two sticks, the first. */
    pageset_add(e->populated, piece.first, piece.count);
    if (!ok) {
        return false;
    }
    dm_piece_took(&e->populate_piece, piece.count, dm_work_begin(e) - began);
    return true;
}

/* What was done in this turn is not done again in the next. */
static Populated populate_range(DmEngine *e, DmRange range)
{
    uint64_t end = range.first + range.count;
    DmRange gap;

    while (pageset_next_gap(e->populated, range.first, end, &gap.first,
                            &gap.count)) {
        if (dm_turn_is_over(e)) {
            return POPULATED_NOT_YET;
        }
        if (!populate_piece(e, gap)) {
            return POPULATED_REFUSED;
        }
    }
    return POPULATED_ALL;
}

Populated dm_populate(DmEngine *e, DmRequest kind, const DmRange *ranges,
                      unsigned n)
{
    Populated done = POPULATED_ALL;
    unsigned i;

    if (!e->ops.populate) {
        return POPULATED_ALL;
    }
    if (drop_others(e, ranges, n)) {
        done = POPULATED_NOT_YET;       /* once that is discarded */
    } else if (!pageset_count(e->populated)) {
        e->populate_piece = PIECE_MIN;
    }
    for (i = 0; i < n && done == POPULATED_ALL; i++) {
        done = populate_range(e, ranges[i]);
    }
    if (done == POPULATED_REFUSED) {
        dm_unpopulate(e);
    } else if (done == POPULATED_NOT_YET) {
        e->preparing = kind;
        e->settled = false;
    } else {
        pageset_clear(e->populated);    /* the request's from now on */
    }
    return done;
}

void dm_populated_for_nothing(DmEngine *e, DmRange range)
{
    pageset_add(e->populated, range.first, range.count);
}

void dm_keep_populated(DmEngine *e)
{
    dm_regions_stick_pages(&e->regions, e->discard, e->populated);
    pageset_clear(e->discard);
}
