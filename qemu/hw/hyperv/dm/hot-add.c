/*
 * Who has which page: where memory is added next
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A hot-add names a range of pages and, if the guest does not know it yet, the
 * region that holds it: whole chunks of the guest's alignment. Linux keeps the
 * regions that it was told of in a list, until its driver is unloaded:
 *
 * - A region may be declared only once, and only over pages that the guest
 *   never had (touched() below).
 * - A range within a known region is taken from where the last one there ended,
 *   whatever the request says. So a chunk is continued only upwards, and
 *   nothing else may be requested in a region that was refused in part.
 * - A refused request may be made again as it was: it is postponed. Others may
 *   be made meanwhile, elsewhere.
 */

#include "regions-int.h"

#include <string.h>

/* The pages that the guest may remember of a hot-add that it refused. */
static DmRange span(const DmHotAdd *add)
{
    uint64_t first = add->region.count ? add->region.first : add->range.first;

    return (DmRange) { first, add->end - first };
}

static void nearer(DmRange found, DmRange *nearest)
{
    if (found.count && (!nearest->count || found.first < nearest->first)) {
        *nearest = found;
    }
}

/* A region must not be declared over pages that the guest was given since the
 * reset, or that it refused. */
static bool next_touched(const DmRegions *r, uint64_t from, uint64_t end,
                         uint64_t *first, uint64_t *count)
{
    const PageSet *sets[] = { r->added, r->ghosts, r->unusable };
    DmRange window = { from, end - from }, found, nearest = { 0, 0 };
    unsigned i;

    for (i = 0; i < G_N_ELEMENTS(sets); i++) {
        if (pageset_next(sets[i], from, end, &found.first,
                         &found.count)) {
            nearer(found, &nearest);
        }
    }
    for (i = 0; i < r->n_postponed; i++) {
        nearer(intersect(span(&r->postponed[i]), window), &nearest);
    }
    *first = nearest.first;
    *count = nearest.count;
    return nearest.count > 0;
}

static bool touched(const DmRegions *r, uint64_t from, uint64_t end)
{
    uint64_t first, count;

    return next_touched(r, from, end, &first, &count);
}

/* The end of the run of adjacent sticks that holds @page, or @page. */
static uint64_t space_end(const DmRegions *r, uint64_t page)
{
    unsigned i;

    for (i = 0; i < r->sticks->len; i++) {
        DmRange range = stick_at(r, i)->range;

        if (range.first <= page && page < range_end(range)) {
            page = range_end(range);
        }
    }
    return page;
}

/* Linux continues a chunk at @page if it was given nothing above it. */
static bool continue_chunk(const DmRegions *r, uint64_t page, uint64_t end,
                           DmHotAdd *add)
{
    if (touched(r, page, end)) {
        return false;
    }
    *add = (DmHotAdd) {
        .range = { page, MIN(end, space_end(r, page)) - page },
        .end = end,
    };
    return true;
}

/*
 * Declares a region of whole chunks from @chunk on; false if the first chunk
 * cannot be declared. A range that starts within a chunk ends in it: Linux
 * rounds up the length and not the end, and would not add the last pages of a
 * longer one.
 */
static bool start_region(const DmRegions *r, uint64_t page, uint64_t chunk,
                         uint64_t align, uint64_t want, DmHotAdd *add)
{
    /* A region, whole chunks, must fit a range on the wire. */
    uint64_t most = chunk + round_down(DM_MAX_RANGE_PAGES, align);
    uint64_t end = MIN(MIN(round_up(page + want, align), most),
                       space_end(r, page));
    uint64_t limit, at = chunk;

    if (page > chunk) {
        end = MIN(end, chunk + align);
    }
    limit = round_up(end, align);
    while (at < limit && !touched(r, at, at + align) &&
           !boot_in(r, (DmRange) { at, align })) {
        at += align;
    }
    if (at == chunk) {
        return false;
    }
    end = MIN(end, at);
    add->range = (DmRange) { page, end - page };
    add->end = round_up(end, align);
    add->region = (DmRange) { chunk, add->end - chunk };
    return true;
}

/* Tries at @page; if that is impossible, @skip is where to try next. */
static bool try_hot_add(const DmRegions *r, uint64_t page, uint64_t align,
                        uint64_t want, DmHotAdd *add, uint64_t *skip)
{
    uint64_t chunk = round_down(page, align), end = chunk + align;

    if (touched(r, chunk, page)) {
        uint64_t first, count;

        *skip = next_touched(r, page, end, &first, &count) ?
                first + count : end;
        return continue_chunk(r, page, end, add);
    }
    *skip = end;
    return start_region(r, page, chunk, align, want, add);
}

static bool holds_postponed(const DmRegions *r, DmRange range)
{
    unsigned i;

    for (i = 0; i < r->n_postponed; i++) {
        if (intersect(r->postponed[i].range, range).count) {
            return true;
        }
    }
    return false;
}

/* In the sticks of which nothing is postponed, or (@refused) in the others. */
static bool pick_new_in(const DmRegions *r, uint64_t want, uint64_t align,
                        uint64_t limit, bool refused, DmHotAdd *add)
{
    unsigned i;

    want = MIN(want, MAX(round_down(limit, align), align));
    for (i = 0; i < r->sticks->len; i++) {
        DmRange range = stick_at(r, i)->range;
        uint64_t at = range.first, first, count;

        if (holds_postponed(r, range) != refused) {
            continue;
        }
        while (at < range_end(range)) {
            if (next_touched(r, at, at + 1, &first, &count)) {
                /* Skip all of the run that starts here. */
                next_touched(r, at, range_end(range), &first, &count);
                at = first + count;
            } else if (try_hot_add(r, at, align, want, add, &at)) {
                return true;
            }
        }
    }
    return false;
}

static bool pick_new(const DmRegions *r, uint64_t want, uint64_t align,
                     uint64_t limit, DmHotAdd *add)
{
    /* In small steps in a stick of which a part was refused. */
    return pick_new_in(r, want, align, limit, false, add) ||
           pick_new_in(r, want, align, 1, true, add);
}

static bool pick_postponed(const DmRegions *r, DmHotAdd *add)
{
    if (r->n_postponed) {
        *add = r->postponed[0];
    }
    return r->n_postponed > 0;
}

bool dm_regions_pick_hot_add(const DmRegions *r, uint64_t want,
                             uint64_t align, uint64_t limit, bool elsewhere,
                             DmHotAdd *add)
{
    /* A new place may be refused as well, and must then be remembered. */
    if (r->n_postponed == DM_MAX_POSTPONED || !elsewhere) {
        return pick_postponed(r, add) || pick_new(r, want, align, limit, add);
    }
    return pick_new(r, want, align, limit, add) || pick_postponed(r, add);
}

/* True if a hot-add at @page had been postponed. */
static bool unpostpone(DmRegions *r, uint64_t page)
{
    unsigned i;

    for (i = 0; i < r->n_postponed; i++) {
        if (r->postponed[i].range.first == page) {
            r->n_postponed--;
            memmove(&r->postponed[i], &r->postponed[i + 1],
                    (r->n_postponed - i) * sizeof(r->postponed[0]));
            return true;
        }
    }
    return false;
}

void dm_regions_added(DmRegions *r, DmRange range)
{
    unpostpone(r, range.first);
    pageset_add(r->added, range.first, range.count);
    dm_regions_mark_used(r, range);
}

void dm_regions_add_doubt(DmRegions *r, const DmHotAdd *add)
{
    DmRange range = add->range;

    dm_regions_added(r, range);
    pageset_add(r->in_doubt, range.first, range.count);
    dm_regions_refused(r, add, range.count);
}

bool dm_regions_postpone(DmRegions *r, const DmHotAdd *add)
{
    bool again = unpostpone(r, add->range.first);

    if (r->n_postponed < DM_MAX_POSTPONED) {
        r->postponed[r->n_postponed++] = *add;
    } else {
        dm_regions_refused(r, add, 0);
    }
    return again;
}

void dm_regions_refused(DmRegions *r, const DmHotAdd *add, uint64_t taken)
{
    uint64_t from = add->range.first + taken;

    unpostpone(r, add->range.first);
    pageset_add(r->unusable, from, add->end - from);
}

void dm_regions_drop_postponed(DmRegions *r, DmRange range)
{
    unsigned i = r->n_postponed;

    while (i--) {
        DmHotAdd add = r->postponed[i];

        if (intersect(add.range, range).count) {
            dm_regions_refused(r, &add, 0);
        }
    }
}

static void do_not_continue(DmRegions *r, const PageSet *given,
                            uint64_t align)
{
    uint64_t first, count, at = 0;

    while (pageset_next(given, at, DM_MAX_PFN + 1, &first, &count)) {
        at = first + count;
        pageset_add(r->unusable, at, round_up(at, align) - at);
    }
}

void dm_regions_new_driver(DmRegions *r, uint64_t align)
{
    unsigned i = r->n_postponed;

    do_not_continue(r, r->added, align);
    do_not_continue(r, r->ghosts, align);
    while (i--) {
        DmHotAdd add = r->postponed[i];

        if (!add.region.count) {
            dm_regions_refused(r, &add, 0);
        }
    }
}
