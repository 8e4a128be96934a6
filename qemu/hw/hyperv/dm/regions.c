/*
 * Who has which page: boot memory, sticks, ghosts
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Boot memory belongs to the guest from the start, a page of a stick once it
 * was added. A page that the guest was given can be in at most one of these
 * sets:
 *
 *   released   the guest said that it does not have it
 *   in doubt   nobody can tell: its request was out when the channel closed
 *   offline    the guest took a page of a stick and does not use it
 *
 * So "actual" is boot + added - released - in doubt - offline, computed from
 * the sizes of the sets. dm_regions_fault() checks the invariants between
 * them, because a saved state may come from anywhere.
 *
 * - Pages in doubt count neither as the guest's nor as released: they are not
 *   returned, not discarded, and keep their stick from being removed. Guessing
 *   either way could corrupt the guest. A system reset settles it.
 * - An added page stays added until a reset. Linux remembers which regions it
 *   was told of, takes one that is added again for a conflict, and refuses all
 *   memory from then on. So a released page comes back by a return, never by a
 *   hot-add.
 * - This outlives the stick: released pages of a stick that is removed become
 *   ghosts: a new stick at their address starts with them added and released.
 *   Ghosts never lie over memory.
 * - A new kernel (kexec) has all boot memory, and may have found any page that
 *   was added. That is a flag beside the sets: marking every page would cost
 *   time and memory that the old kernel could choose.
 * - The guest chooses which pages it releases, however scattered, so the sets
 *   take at most about a bit per page (see pageset.h).
 *
 * Where memory is added next is in hot-add.c.
 */

#include "regions-int.h"

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
    r->added = pageset_new();
    r->released = pageset_new();
    r->in_doubt = pageset_new();
    r->offline = pageset_new();
    r->ghosts = pageset_new();
    r->unusable = pageset_new();
    r->new_kernel = false;
    r->n_postponed = 0;
}

void dm_regions_clear(DmRegions *r)
{
    g_array_free(r->boot, TRUE);
    g_array_free(r->sticks, TRUE);
    pageset_free(r->added);
    pageset_free(r->released);
    pageset_free(r->in_doubt);
    pageset_free(r->offline);
    pageset_free(r->ghosts);
    pageset_free(r->unusable);
}

static uint64_t count_in(const PageSet *set, DmRange range)
{
    return pageset_count_in(set, range.first, range.count);
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
    return r->boot_pages + pageset_count(r->added) -
           pageset_count(r->released) - dm_regions_in_doubt(r) -
           pageset_count(r->offline);
}

uint64_t dm_regions_in_doubt(const DmRegions *r)
{
    return r->new_kernel ?
           pageset_count(r->added) - pageset_count(r->released) :
           pageset_count(r->in_doubt);
}

uint64_t dm_regions_capacity(const DmRegions *r)
{
    return r->boot_pages + r->stick_pages;
}

uint64_t dm_regions_ungranted(const DmRegions *r)
{
    return r->stick_pages - pageset_count(r->added);
}

/* Pages of a stick that were never added count too; pages in doubt do not. */
bool dm_regions_is_released(const DmRegions *r, DmRange range)
{
    return released_in(r, range) + sticks_in(r, range) - added_in(r, range) ==
           range.count;
}

size_t dm_regions_other_bytes(const DmRegions *r)
{
    return pageset_bytes(r->added) + pageset_bytes(r->in_doubt) +
           pageset_bytes(r->offline) + pageset_bytes(r->ghosts) +
           pageset_bytes(r->unusable);
}

size_t dm_regions_bytes(const DmRegions *r)
{
    return pageset_bytes(r->released) + dm_regions_other_bytes(r) +
           r->sticks->len * sizeof(DmStick) + r->boot->len * sizeof(DmRange);
}

/* ---- what must hold ---- */

/* Pages of the set in all of boot memory, in all sticks. */
static uint64_t count_in_boot(const DmRegions *r, const PageSet *set)
{
    uint64_t n = 0;
    unsigned i;

    for (i = 0; i < r->boot->len; i++) {
        n += count_in(set, boot_at(r, i));
    }
    return n;
}

static uint64_t count_in_sticks(const DmRegions *r, const PageSet *set)
{
    uint64_t n = 0;
    unsigned i;

    for (i = 0; i < r->sticks->len; i++) {
        n += count_in(set, stick_at(r, i)->range);
    }
    return n;
}

bool dm_regions_all_released(const DmRegions *r, const PageSet *set)
{
    return pageset_count_common(set, r->released) + count_in_sticks(r, set) -
           pageset_count_common(set, r->added) == pageset_count(set);
}

static bool all_added(const DmRegions *r, const PageSet *set)
{
    return pageset_count_common(set, r->added) == pageset_count(set);
}

/* Pages that were added are in sticks, so none counts twice. */
static bool all_given(const DmRegions *r, const PageSet *set)
{
    return count_in_boot(r, set) + pageset_count_common(set, r->added) ==
           pageset_count(set);
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
    if (count_in_sticks(r, r->added) != pageset_count(r->added)) {
        return "pages were added that no stick holds";
    }
    if (!all_given(r, r->released)) {
        return "pages are released that the guest was never given";
    }
    if (!all_given(r, r->in_doubt)) {
        return "pages are in doubt that the guest was never given";
    }
    if (pageset_count_common(r->in_doubt, r->released)) {
        return "pages are both released and in doubt";
    }
    if (!all_added(r, r->offline)) {
        return "pages are offline that the guest was never given";
    }
    if (pageset_count_common(r->offline, r->released) ||
        pageset_count_common(r->offline, r->in_doubt)) {
        return "pages are offline and released or in doubt";
    }
    if (r->new_kernel && (pageset_count(r->offline) ||
                          count_in_boot(r, r->released))) {
        return "a new kernel does not have all of boot memory, or some "
               "offline";
    }
    if (count_in_boot(r, r->ghosts) || count_in_sticks(r, r->ghosts)) {
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

bool dm_regions_next_never_given(const DmRegions *r, uint64_t from,
                                 DmRange *run)
{
    DmRange left = { from, DM_MAX_PFN + 1 - MIN(from, DM_MAX_PFN + 1) };
    unsigned i;

    for (i = 0; i < r->sticks->len; i++) {
        DmRange part = intersect(stick_at(r, i)->range, left);

        if (pageset_next_gap(r->added, part.first, range_end(part),
                             &run->first, &run->count)) {
            return true;
        }
    }
    return false;
}

/* ---- sticks ---- */

DmStick *dm_regions_stick(const DmRegions *r, unsigned id)
{
    int i = stick_index(r, id);

    return i < 0 ? NULL : stick_at(r, i);
}

DmStickState dm_regions_stick_state(const DmRegions *r, const DmStick *stick)
{
    /* For a stick over ghosts, pages are added and released from the start. */
    if (count_in(r->added, stick->range) >
        count_in(r->released, stick->range)) {
        return DM_STICK_INUSE;
    }
    return stick->used ? DM_STICK_UNUSED : DM_STICK_IDLE;
}

/* ---- releasing ---- */

/*
 * A guest that releases a page has had it, so the page is in doubt no more. But
 * one that breaks up what is in doubt, page by page, would let the accounting
 * grow by as much again as what it releases: above this, pages stay in doubt.
 */
#define DOUBT_BYTES (64 * 1024)

/* Releases the pages of @part (all given to the guest) that are neither
 * released nor in doubt. */
static uint64_t release_owned(DmRegions *r, DmRange part, PageSet *discard)
{
    uint64_t at = part.first, end = range_end(part), first, count, fresh = 0;

    while (pageset_next_gap(r->in_doubt, at, end, &first, &count)) {
        uint64_t free_first, free_count, from = first;

        at = first + count;
        while (pageset_next_gap(r->released, from, at, &free_first,
                                &free_count)) {
            pageset_add(r->released, free_first, free_count);
            pageset_remove(r->offline, free_first, free_count);
            if (discard) {
                pageset_add(discard, free_first, free_count);
            }
            fresh += free_count;
            from = free_first + free_count;
        }
    }
    return fresh;
}

static void release_part(DmRegions *r, DmRange part, PageSet *discard,
                         DmReleased *result)
{
    uint64_t fresh;

    if (pageset_bytes(r->in_doubt) <= DOUBT_BYTES) {
        pageset_remove(r->in_doubt, part.first, part.count);
    }
    fresh = release_owned(r, part, discard);
    result->fresh += fresh;
    result->duplicate += part.count - fresh;
}

DmReleased dm_regions_release(DmRegions *r, DmRange range, PageSet *discard)
{
    DmReleased result = { 0 };
    uint64_t first, count, at;
    unsigned i;

    for (i = 0; i < r->boot->len; i++) {
        release_part(r, intersect(boot_at(r, i), range), discard, &result);
    }
    /* Only stick pages are in 'added', so no stick has to be looked up. */
    for (at = range.first;
         pageset_next(r->added, at, range_end(range), &first, &count);
         at = first + count) {
        release_part(r, (DmRange) { first, count }, discard, &result);
    }
    result.dropped = range.count - result.fresh - result.duplicate;
    return result;
}

/* ---- onlining ---- */

void dm_regions_not_onlined(DmRegions *r, DmRange range)
{
    pageset_add(r->offline, range.first, range.count);
}

void dm_regions_all_onlined(DmRegions *r)
{
    pageset_clear(r->offline);
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
           pageset_next(pick->regions->released, at, end, &first,
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

void dm_regions_mark_used(DmRegions *r, DmRange range)
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
    pageset_remove(r->released, range.first, range.count);
    dm_regions_mark_used(r, range);
}

void dm_regions_return_doubt(DmRegions *r, DmRange range)
{
    dm_regions_returned(r, range);
    pageset_add(r->in_doubt, range.first, range.count);
}

/* ---- other kernels ---- */

void dm_regions_new_kernel(DmRegions *r)
{
    unsigned i;

    for (i = 0; i < r->boot->len; i++) {
        DmRange boot = boot_at(r, i);

        pageset_remove(r->released, boot.first, boot.count);
    }
    pageset_clear(r->in_doubt);
    pageset_clear(r->offline);
    r->new_kernel = true;
}

void dm_regions_stick_pages(const DmRegions *r, const PageSet *from,
                            PageSet *to)
{
    unsigned i;

    for (i = 0; i < r->sticks->len; i++) {
        DmRange range = stick_at(r, i)->range;

        pageset_add_from(to, from, range.first, range.count);
    }
}

void dm_regions_reset(DmRegions *r, PageSet *discard)
{
    unsigned i;

    for (i = 0; i < r->boot->len; i++) {
        pageset_remove(discard, boot_at(r, i).first, boot_at(r, i).count);
    }
    pageset_add_from(discard, r->added, 0, DM_MAX_PFN + 1);
    pageset_clear(r->added);
    pageset_clear(r->released);
    pageset_clear(r->in_doubt);
    pageset_clear(r->offline);
    pageset_clear(r->ghosts);
    pageset_clear(r->unusable);
    r->new_kernel = false;
    r->n_postponed = 0;
}
