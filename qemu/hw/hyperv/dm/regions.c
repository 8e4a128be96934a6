/*
 * Who has which page: boot memory, sticks, ghosts
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "regions.h"

#include <string.h>

static uint64_t range_end(DmRange range)
{
    return range.first + range.count;
}

static DmRange intersect(DmRange a, DmRange b)
{
    uint64_t first = MAX(a.first, b.first);
    uint64_t end = MIN(range_end(a), range_end(b));

    return (DmRange) { first, end > first ? end - first : 0 };
}

static uint64_t round_down(uint64_t value, uint64_t align)
{
    return value / align * align;
}

static uint64_t round_up(uint64_t value, uint64_t align)
{
    return round_down(value + align - 1, align);
}

void dm_regions_init(DmRegions *r, const DmRange *boot, unsigned n,
                     uint64_t boot_pages)
{
    unsigned i;

    r->boot = g_array_new(FALSE, FALSE, sizeof(DmRange));
    r->sticks = g_array_new(FALSE, FALSE, sizeof(DmStick));
    r->boot_pages = boot_pages;
    r->stick_pages = 0;
    for (i = 0; i < n; i++) {
        g_array_append_val(r->boot, boot[i]);
    }
    r->added = dm_pageset_new();
    r->released = dm_pageset_new();
    r->in_doubt = dm_pageset_new();
    r->offline = dm_pageset_new();
    r->ghosts = dm_pageset_new();
    r->unusable = dm_pageset_new();
    r->new_kernel = false;
    r->n_postponed = 0;
}

void dm_regions_clear(DmRegions *r)
{
    g_array_free(r->boot, TRUE);
    g_array_free(r->sticks, TRUE);
    dm_pageset_free(r->added);
    dm_pageset_free(r->released);
    dm_pageset_free(r->in_doubt);
    dm_pageset_free(r->offline);
    dm_pageset_free(r->ghosts);
    dm_pageset_free(r->unusable);
}

static DmRange boot_at(const DmRegions *r, unsigned i)
{
    return g_array_index(r->boot, DmRange, i);
}

static DmStick *stick_at(const DmRegions *r, unsigned i)
{
    return &g_array_index(r->sticks, DmStick, i);
}

static uint64_t count_in(const DmPageSet *set, DmRange range)
{
    return dm_pageset_count_in(set, range.first, range.count);
}

static uint64_t boot_in(const DmRegions *r, DmRange range)
{
    uint64_t n = 0;
    unsigned i;

    for (i = 0; i < r->boot->len; i++) {
        n += intersect(boot_at(r, i), range).count;
    }
    return n;
}

static uint64_t sticks_in(const DmRegions *r, DmRange range)
{
    uint64_t n = 0;
    unsigned i;

    for (i = 0; i < r->sticks->len; i++) {
        n += intersect(stick_at(r, i)->range, range).count;
    }
    return n;
}

static uint64_t memory_in(const DmRegions *r, DmRange range)
{
    return boot_in(r, range) + sticks_in(r, range);
}

static uint64_t released_in(const DmRegions *r, DmRange range)
{
    return count_in(r->released, range);
}

static uint64_t added_in(const DmRegions *r, DmRange range)
{
    return count_in(r->added, range);
}

uint64_t dm_regions_actual(const DmRegions *r)
{
    return r->boot_pages + dm_pageset_count(r->added) -
           dm_pageset_count(r->released) - dm_regions_in_doubt(r) -
           dm_pageset_count(r->offline);
}

uint64_t dm_regions_in_doubt(const DmRegions *r)
{
    return r->new_kernel ?
           dm_pageset_count(r->added) - dm_pageset_count(r->released) :
           dm_pageset_count(r->in_doubt);
}

uint64_t dm_regions_capacity(const DmRegions *r)
{
    return r->boot_pages + r->stick_pages;
}

uint64_t dm_regions_ungranted(const DmRegions *r)
{
    return r->stick_pages - dm_pageset_count(r->added);
}

/*
 * Released pages are, and of a stick also those that the guest was never
 * given, or has no more since a reset. Pages in doubt are not.
 */
bool dm_regions_is_released(const DmRegions *r, DmRange range)
{
    return released_in(r, range) + sticks_in(r, range) - added_in(r, range) ==
           range.count;
}

size_t dm_regions_other_bytes(const DmRegions *r)
{
    return dm_pageset_bytes(r->added) + dm_pageset_bytes(r->in_doubt) +
           dm_pageset_bytes(r->offline) + dm_pageset_bytes(r->ghosts) +
           dm_pageset_bytes(r->unusable);
}

size_t dm_regions_bytes(const DmRegions *r)
{
    return dm_pageset_bytes(r->released) + dm_regions_other_bytes(r) +
           r->sticks->len * sizeof(DmStick) + r->boot->len * sizeof(DmRange);
}

/* ---- invariants ---- */

static uint64_t given_in(const DmRegions *r, DmRange range)
{
    return boot_in(r, range) + added_in(r, range);
}

typedef uint64_t CountFunc(const DmRegions *r, DmRange range);

/* How many pages of the set @count finds. */
static uint64_t count_of_set(const DmRegions *r, const DmPageSet *set,
                             CountFunc *count)
{
    uint64_t at = 0, n = 0;
    DmRange run;

    while (dm_pageset_next(set, at, DM_MAX_PFN + 1, &run.first, &run.count)) {
        n += count(r, run);
        at = range_end(run);
    }
    return n;
}

static uint64_t gone_in(const DmRegions *r, DmRange range)
{
    return released_in(r, range) + count_in(r->in_doubt, range);
}

static bool all_of(const DmRegions *r, const DmPageSet *set, CountFunc *count)
{
    return count_of_set(r, set, count) == dm_pageset_count(set);
}

static bool unused_in_use(const DmRegions *r)
{
    unsigned i;

    for (i = 0; i < r->sticks->len; i++) {
        const DmStick *stick = stick_at(r, i);

        if (!stick->used &&
            dm_regions_stick_state(r, stick) == DM_STICK_INUSE) {
            return true;
        }
    }
    return false;
}

const char *dm_regions_fault(const DmRegions *r)
{
    if (!all_of(r, r->added, sticks_in)) {
        return "pages were added that no stick holds";
    }
    if (!all_of(r, r->released, given_in)) {
        return "pages are released that the guest was never given";
    }
    if (!all_of(r, r->in_doubt, given_in)) {
        return "pages are in doubt that the guest was never given";
    }
    if (count_of_set(r, r->in_doubt, released_in)) {
        return "pages are both released and in doubt";
    }
    if (!all_of(r, r->offline, added_in)) {
        return "pages are offline that the guest was never given";
    }
    if (count_of_set(r, r->offline, gone_in)) {
        return "pages are offline and released or in doubt";
    }
    if (r->new_kernel && (dm_pageset_count(r->offline) ||
                          count_of_set(r, r->released, boot_in))) {
        return "a new kernel does not have all of boot memory, or some "
               "offline";
    }
    if (count_of_set(r, r->ghosts, memory_in)) {
        return "ghosts lie over memory";
    }
    if (unused_in_use(r)) {
        return "a stick is in use that the guest never had a page of";
    }
    return NULL;
}

bool dm_regions_never_given(const DmRegions *r, DmRange range)
{
    return sticks_in(r, range) == range.count && !added_in(r, range);
}

/* ---- sticks ---- */

static int stick_index(const DmRegions *r, unsigned id)
{
    unsigned i;

    for (i = 0; i < r->sticks->len; i++) {
        if (stick_at(r, i)->id == id) {
            return i;
        }
    }
    return -1;
}

DmStick *dm_regions_stick(const DmRegions *r, unsigned id)
{
    int i = stick_index(r, id);

    return i < 0 ? NULL : stick_at(r, i);
}

DmStickState dm_regions_stick_state(const DmRegions *r, const DmStick *stick)
{
    /* Over a ghost pages are added, and released, from the start. */
    if (count_in(r->added, stick->range) >
        count_in(r->released, stick->range)) {
        return DM_STICK_INUSE;
    }
    return stick->used ? DM_STICK_UNUSED : DM_STICK_IDLE;
}

/* Moves the pages of @from within @range into @to. */
static void move_pages(DmPageSet *from, DmPageSet *to, DmRange range)
{
    uint64_t first, count, at = range.first;

    while (dm_pageset_next(from, at, range_end(range), &first, &count)) {
        dm_pageset_add(to, first, count);
        at = first + count;
    }
    dm_pageset_remove(from, range.first, range.count);
}

bool dm_regions_plug(DmRegions *r, unsigned id, DmRange range, bool on_demand,
                     GError **error)
{
    DmStick stick = { .id = id, .range = range, .on_demand = on_demand };
    uint64_t first, count, at = range.first;
    unsigned i = 0;

    if (!range.count || range_end(range) > DM_MAX_PFN) {
        g_set_error_literal(error, DM_ERROR, DM_ERROR_RANGE,
                            "not a range of the protocol");
        return false;
    }
    if (memory_in(r, range)) {
        g_set_error_literal(error, DM_ERROR, DM_ERROR_OVERLAP,
                            "other memory is there");
        return false;
    }
    /* The guest still believes in ghosts: they need no hot-add, just a
     * return. */
    while (dm_pageset_next(r->ghosts, at, range_end(range), &first, &count)) {
        dm_pageset_add(r->added, first, count);
        dm_pageset_add(r->released, first, count);
        at = first + count;
    }
    dm_pageset_remove(r->ghosts, range.first, range.count);
    while (i < r->sticks->len && stick_at(r, i)->range.first < range.first) {
        i++;
    }
    g_array_insert_val(r->sticks, i, stick);
    r->stick_pages += range.count;
    return true;
}

static void drop_postponed_in(DmRegions *r, DmRange range)
{
    unsigned i = r->n_postponed;

    while (i--) {
        DmHotAdd add = r->postponed[i];

        if (intersect(add.range, range).count) {
            dm_regions_refused(r, &add, 0);
        }
    }
}

void dm_regions_unplug(DmRegions *r, unsigned id)
{
    int i = stick_index(r, id);
    DmRange range = stick_at(r, i)->range;

    move_pages(r->released, r->ghosts, range);
    dm_pageset_remove(r->added, range.first, range.count);
    dm_pageset_remove(r->in_doubt, range.first, range.count);
    dm_pageset_remove(r->offline, range.first, range.count);
    drop_postponed_in(r, range);
    r->stick_pages -= range.count;
    g_array_remove_index(r->sticks, i);
}

/* ---- releasing ---- */

/* Releases what is neither released nor in doubt of @part, all of which the
 * guest was given. */
static uint64_t release_owned(DmRegions *r, DmRange part, DmPageSet *discard)
{
    uint64_t at = part.first, end = range_end(part), first, count, fresh = 0;

    while (dm_pageset_next_gap(r->in_doubt, at, end, &first, &count)) {
        uint64_t free_first, free_count, from = first;

        at = first + count;
        while (dm_pageset_next_gap(r->released, from, at, &free_first,
                                   &free_count)) {
            dm_pageset_add(r->released, free_first, free_count);
            dm_pageset_remove(r->offline, free_first, free_count);
            if (discard) {
                dm_pageset_add(discard, free_first, free_count);
            }
            fresh += free_count;
            from = free_first + free_count;
        }
    }
    return fresh;
}

static void release_part(DmRegions *r, DmRange part, DmPageSet *discard,
                         DmReleased *result)
{
    uint64_t fresh = release_owned(r, part, discard);

    result->fresh += fresh;
    result->duplicate += part.count - fresh;
}

DmReleased dm_regions_release(DmRegions *r, DmRange range, DmPageSet *discard)
{
    DmReleased result = { 0 };
    uint64_t first, count, at;
    unsigned i;

    for (i = 0; i < r->boot->len; i++) {
        release_part(r, intersect(boot_at(r, i), range), discard, &result);
    }
    /* Only pages of sticks are in added, so no stick need be looked up. */
    for (at = range.first;
         dm_pageset_next(r->added, at, range_end(range), &first, &count);
         at = first + count) {
        release_part(r, (DmRange) { first, count }, discard, &result);
    }
    result.dropped = range.count - result.fresh - result.duplicate;
    return result;
}

/* ---- returning ---- */

typedef struct Pick {
    const DmRegions *regions;
    uint64_t want;
    DmRange *ranges;
    unsigned n;
    unsigned max;
} Pick;

static void pick_from(Pick *pick, DmRange window)
{
    uint64_t at = window.first, end = range_end(window), first, count;

    while (pick->want && pick->n < pick->max &&
           dm_pageset_next(pick->regions->released, at, end, &first,
                           &count)) {
        count = MIN(MIN(count, pick->want), DM_MAX_RANGE_PAGES);
        pick->ranges[pick->n++] = (DmRange) { first, count };
        pick->want -= count;
        at = first + count;
    }
}

static void pick_from_sticks(Pick *pick, bool in_use)
{
    unsigned i;

    for (i = 0; i < pick->regions->sticks->len; i++) {
        const DmStick *stick = stick_at(pick->regions, i);

        if (in_use == (dm_regions_stick_state(pick->regions, stick) ==
                       DM_STICK_INUSE)) {
            pick_from(pick, stick->range);
        }
    }
}

unsigned dm_regions_pick_return(const DmRegions *r, uint64_t want,
                                DmRange *ranges, unsigned max)
{
    Pick pick = { r, want, ranges, 0, max };
    unsigned i;

    for (i = 0; i < r->boot->len; i++) {
        pick_from(&pick, boot_at(r, i));
    }
    pick_from_sticks(&pick, true);
    pick_from_sticks(&pick, false);
    return pick.n;
}

static void mark_used(DmRegions *r, DmRange range)
{
    unsigned i;

    for (i = 0; i < r->sticks->len; i++) {
        DmStick *stick = stick_at(r, i);

        if (intersect(stick->range, range).count) {
            stick->used = true;
        }
    }
}

void dm_regions_returned(DmRegions *r, DmRange range)
{
    dm_pageset_remove(r->released, range.first, range.count);
    mark_used(r, range);
}

void dm_regions_return_doubt(DmRegions *r, DmRange range)
{
    dm_regions_returned(r, range);
    dm_pageset_add(r->in_doubt, range.first, range.count);
}

/* ---- hot-add ---- */

/* All that a hot-add that the guest refused may have left on its record. */
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

/* Given to the guest at some time since the reset, or refused by it: a
 * region that covers such a page is not to be declared again. */
static bool next_touched(const DmRegions *r, uint64_t from, uint64_t end,
                         uint64_t *first, uint64_t *count)
{
    const DmPageSet *sets[] = { r->added, r->ghosts, r->unusable };
    DmRange window = { from, end - from }, found, nearest = { 0, 0 };
    unsigned i;

    for (i = 0; i < G_N_ELEMENTS(sets); i++) {
        if (dm_pageset_next(sets[i], from, end, &found.first,
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

/* Where the run of adjacent sticks that holds @page ends; @page if none. */
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

/*
 * The rest of a chunk of which the guest already has a part: Linux continues
 * there if nothing above @page was given yet.
 */
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
 * A new region of whole chunks from @chunk on; false if the first one holds
 * anything that is not to be declared again. A range that starts inside a
 * chunk stays within it: Linux rounds the length up, not the end, and would
 * leave the last pages of a longer one out.
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

/* Tries at @page, else says in @skip where to look next. */
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

/* In the sticks of which nothing is postponed, or in the others. */
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
                /* Skip the whole run that starts here. */
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
    /* Step by step where a place was refused: the next may be, too. */
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
    /* A place that is tried anew must find room if it is refused too. */
    if (r->n_postponed == DM_MAX_POSTPONED || !elsewhere) {
        return pick_postponed(r, add) || pick_new(r, want, align, limit, add);
    }
    return pick_new(r, want, align, limit, add) || pick_postponed(r, add);
}

/* Returns whether a hot-add at @page had been postponed. */
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
    dm_pageset_add(r->added, range.first, range.count);
    mark_used(r, range);
}

void dm_regions_not_onlined(DmRegions *r, DmRange range)
{
    dm_pageset_add(r->offline, range.first, range.count);
}

void dm_regions_all_onlined(DmRegions *r)
{
    dm_pageset_clear(r->offline);
}

void dm_regions_add_doubt(DmRegions *r, const DmHotAdd *add)
{
    DmRange range = add->range;

    dm_regions_added(r, range);
    dm_pageset_add(r->in_doubt, range.first, range.count);
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
    dm_pageset_add(r->unusable, from, add->end - from);
}

/* ---- other kernels ---- */

static void do_not_continue(DmRegions *r, const DmPageSet *given,
                            uint64_t align)
{
    uint64_t first, count, at = 0;

    while (dm_pageset_next(given, at, DM_MAX_PFN + 1, &first, &count)) {
        at = first + count;
        dm_pageset_add(r->unusable, at, round_up(at, align) - at);
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

void dm_regions_new_kernel(DmRegions *r)
{
    unsigned i;

    for (i = 0; i < r->boot->len; i++) {
        DmRange boot = boot_at(r, i);

        dm_pageset_remove(r->released, boot.first, boot.count);
    }
    dm_pageset_clear(r->in_doubt);
    dm_pageset_clear(r->offline);
    r->new_kernel = true;
}

void dm_regions_reset(DmRegions *r, DmPageSet *discard)
{
    uint64_t first, count, at = 0;

    dm_pageset_clear(discard);
    while (dm_pageset_next(r->added, at, DM_MAX_PFN, &first, &count)) {
        dm_pageset_add(discard, first, count);
        at = first + count;
    }
    dm_pageset_clear(r->added);
    dm_pageset_clear(r->released);
    dm_pageset_clear(r->in_doubt);
    dm_pageset_clear(r->offline);
    dm_pageset_clear(r->ghosts);
    dm_pageset_clear(r->unusable);
    r->new_kernel = false;
    r->n_postponed = 0;
}
