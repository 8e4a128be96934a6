/*
 * usage.h: what a guest uses, from reports that may be older than its size
 *
 * A guest reports about once a second what it has available; its size is known at any time. While it moves, the difference of both is wrong by what it
 * has moved since the report: a guest that grows would seem to need more, and one that shrinks less, and so on.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "balance.h"

/* Zeros: nothing has been seen yet. All sizes are in KiB. */
typedef struct _hvmemUsage hvmemUsage;
struct _hvmemUsage {
    /* the result */
    guint64 demand;             /* see hvmemBalanceDemand() */
    guint64 rise;               /* see hvmemBalanceGuest */
    bool silent;                /* the last report says nothing about the size that it has now */

    /* what was seen */
    bool seen;                  /* has anything been? */
    bool known;                 /* is @last? */
    guint64 last;               /* the last demand */
    bool reported;              /* are these? */
    guint64 usable;             /* the last report */
    guint64 committed;
    guint64 low;                /* sizes that it may be about */
    guint64 high;
    double moved;               /* when the guest last did */
    double old;                 /* since when the size is none of these; negative: it is one */
    bool rested;                /* was the guest at rest? */
    guint64 used;               /* then */
    double when;
    struct {
        double since;
        guint64 low;
        guint64 high;
    } sizes[2];                 /* lately, and before that */
};

/* Takes what the guest has and was requested to have, and its last report, @now in seconds. */
void
hvmemUsageTake(hvmemUsage *usage,
               guint64 actual,
               guint64 requested,
               guint64 usable,
               guint64 committed,
               double now);
