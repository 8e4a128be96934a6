/*
 * pace.c: how fast a guest follows what was requested of it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "pace.h"

/* The speed is that of about so many seconds. A guest that has not begun after them has none. */
#define AVERAGE 3.0


static void
addStep(hvmemPace *pace,
        guint64 step,
        double seconds)
{
    double speed = step / seconds;

    pace->late = CLAMP(pace->late + seconds - (double)step / HVMEM_PACE_SLOW, 0, HVMEM_PACE_PATIENCE);
    if (pace->late >= HVMEM_PACE_PATIENCE)
        pace->stuck = true;
    else if (pace->late <= HVMEM_PACE_PATIENCE / 2)
        pace->stuck = false;

    if (pace->known)
        pace->speed += (speed - pace->speed) * MIN(seconds / AVERAGE, 1);
    else
        pace->speed = speed;
    pace->known = pace->known || step > 0 || pace->late >= AVERAGE;
}


guint64
hvmemPaceTake(hvmemPace *pace,
              guint64 actual,
              guint64 requested,
              double now)
{
    bool there = MAX(actual, requested) - MIN(actual, requested) <= HVMEM_BALANCE_NEAR;
    bool more = requested > actual;
    guint64 step = more ? hvmemShareSub(actual, pace->actual) : hvmemShareSub(pace->actual, actual);

    if (!pace->seen || there || more != pace->more)
        *pace = (hvmemPace) { .seen = true, .more = more };
    else if (now > pace->last)
        addStep(pace, step, now - pace->last);
    pace->actual = actual;
    pace->last = now;

    if (pace->stuck)
        return 0;
    return pace->known ? MAX((guint64)pace->speed, 1) : HVMEM_BALANCE_UNKNOWN;
}
