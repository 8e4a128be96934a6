/*
 * pace.h: how fast a guest follows what was requested of it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "balance.h"

/* A guest that has followed at less than HVMEM_PACE_SLOW KiB a second for so many seconds does not follow; and does again after half of that time at
 * twice the pace. */
#define HVMEM_PACE_PATIENCE 10.0
#define HVMEM_PACE_SLOW 4096

/* Zeros: nothing has been seen yet. */
typedef struct _hvmemPace hvmemPace;
struct _hvmemPace {
    bool seen;
    bool more;                  /* was it to grow? */
    bool stuck;
    bool known;                 /* is @speed? */
    guint64 actual;             /* KiB */
    double last;                /* when that was */
    double late;                /* seconds that it is behind one that follows at HVMEM_PACE_SLOW */
    double speed;               /* KiB a second, of the last seconds */
};

/* Takes what it has and what was requested, @now in seconds. Returns what hvmemBalanceGuest.rate means. */
guint64
hvmemPaceTake(hvmemPace *pace,
              guint64 actual,
              guint64 requested,
              double now);
