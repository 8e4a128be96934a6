/*
 * Who has which page: sticks come and go
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "regions-int.h"

/* Moves the pages of @from within @range into @to. */
static void move_pages(PageSet *from, PageSet *to, DmRange range)
{
    pageset_add_from(to, from, range.first, range.count);
    pageset_remove(from, range.first, range.count);
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
    /* The guest remembers ghosts: they come by a return, not by a hot-add. */
    while (pageset_next(r->ghosts, at, range_end(range), &first, &count)) {
        pageset_add(r->added, first, count);
        pageset_add(r->released, first, count);
        at = first + count;
    }
    pageset_remove(r->ghosts, range.first, range.count);
    while (i < r->sticks->len && stick_at(r, i)->range.first < range.first) {
        i++;
    }
    g_array_insert_val(r->sticks, i, stick);
    r->stick_pages += range.count;
    return true;
}

void dm_regions_unplug(DmRegions *r, unsigned id)
{
    int i = stick_index(r, id);
    DmRange range = stick_at(r, i)->range;

    move_pages(r->released, r->ghosts, range);
    pageset_remove(r->added, range.first, range.count);
    pageset_remove(r->in_doubt, range.first, range.count);
    pageset_remove(r->offline, range.first, range.count);
    dm_regions_drop_postponed(r, range);
    r->stick_pages -= range.count;
    g_array_remove_index(r->sticks, i);
}
