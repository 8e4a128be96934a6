/*
 * Released memory on its way back to the host
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <glib.h>

#include "discard.h"

struct DmDiscards {
    GArray *ranges;             /* DmRange */
};

DmDiscards *dm_discards_new(void)
{
    DmDiscards *discards = g_new0(DmDiscards, 1);

    discards->ranges = g_array_new(FALSE, FALSE, sizeof(DmRange));
    return discards;
}

void dm_discards_free(DmDiscards *discards)
{
    if (discards) {
        g_array_free(discards->ranges, TRUE);
        g_free(discards);
    }
}

/* Make @last one with @next if they touch. */
static bool range_join(DmRange *last, DmRange next)
{
    if (last->first + last->count == next.first) {
        last->count += next.count;
        return true;
    }
    if (next.first + next.count == last->first) {
        last->first = next.first;
        last->count += next.count;
        return true;
    }
    return false;
}

void dm_discards_add(DmDiscards *discards, DmRange range)
{
    GArray *a = discards->ranges;

    if (!a->len || !range_join(&g_array_index(a, DmRange, a->len - 1),
                               range)) {
        g_array_append_val(a, range);
    }
}

void dm_discards_clear(DmDiscards *discards)
{
    g_array_set_size(discards->ranges, 0);
}

unsigned dm_discards_pending(const DmDiscards *discards)
{
    return discards->ranges->len;
}

static gint range_compare(gconstpointer a, gconstpointer b)
{
    const DmRange *x = a;
    const DmRange *y = b;

    return x->first < y->first ? -1 : x->first > y->first;
}

void dm_discards_flush(DmDiscards *discards, DmDiscardFunc *func,
                       void *opaque)
{
    GArray *a = discards->ranges;
    DmRange run;

    if (!a->len) {
        return;
    }
    g_array_sort(a, range_compare);
    run = g_array_index(a, DmRange, 0);
    for (guint i = 1; i < a->len; i++) {
        DmRange next = g_array_index(a, DmRange, i);

        if (!range_join(&run, next)) {
            func(run, opaque);
            run = next;
        }
    }
    func(run, opaque);
    g_array_set_size(a, 0);
}

/* Are the pages of @unit at @start that are not in @range released too? */
static bool unit_released(uint64_t start, uint64_t unit, DmRange range,
                          DmReleasedFunc *released, void *opaque)
{
    uint64_t end = start + unit;
    uint64_t range_end = range.first + range.count;

    if (start < range.first &&
        !released((DmRange) { start, range.first - start }, opaque)) {
        return false;
    }
    return end <= range_end ||
           released((DmRange) { range_end, end - range_end }, opaque);
}

bool dm_discard_units(DmRange range, uint64_t unit, DmReleasedFunc *released,
                      void *opaque, DmRange *units)
{
    uint64_t start = range.first & ~(unit - 1);
    uint64_t end = (range.first + range.count + unit - 1) & ~(unit - 1);

    if (!unit_released(start, unit, range, released, opaque)) {
        start += unit;
    }
    if (end > start &&
        !unit_released(end - unit, unit, range, released, opaque)) {
        end -= unit;
    }
    *units = (DmRange) { start, end > start ? end - start : 0 };
    return units->count > 0;
}
