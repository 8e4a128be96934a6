/*
 * growth.h: how much a guest takes of what was requested
 *
 * What was requested for a guest is promised to it. One that refuses it, or does not use it, would keep that from all others for ever.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "balance.h"

/* What is known of whether it grows. */
typedef enum {
    HVMEM_GROWTH_NOT_NOW,       /* it cannot, whatever it takes */
    HVMEM_GROWTH_MAY,           /* nothing is in the way */
    HVMEM_GROWTH_FAILS,         /* it does not take what it is given, for now or for good */
} hvmemGrowthSign;

/* A guest that fails, and has grown by less than HVMEM_GROWTH_LEAST KiB in HVMEM_GROWTH_PATIENCE seconds though more was requested, takes no more. That is
 * taken to be so for HVMEM_GROWTH_PAUSE seconds. */
#define HVMEM_GROWTH_LEAST (16 * 1024)
#define HVMEM_GROWTH_PATIENCE 60.0
#define HVMEM_GROWTH_PAUSE 600.0

/* Zeros: nothing has been seen yet. */
typedef struct _hvmemGrowth hvmemGrowth;
struct _hvmemGrowth {
    bool waiting;               /* for it to grow */
    guint64 from;               /* KiB that it had when it last grew */
    double since;               /* when that was */

    /* the result */
    bool ended;                 /* it takes no more than @most */
    guint64 most;
    double when;                /* that has been so since then */
};

/* Takes what it has and what was requested, @now in seconds. */
void
hvmemGrowthTake(hvmemGrowth *growth,
                hvmemGrowthSign sign,
                guint64 actual,
                guint64 requested,
                double now);
