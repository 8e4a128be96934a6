/*
 * Released memory on its way back to the host
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "discard.h"

/* Are the pages of the unit at @start that are not in @range released too? */
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
