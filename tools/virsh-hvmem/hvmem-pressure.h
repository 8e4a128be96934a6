/*
 * hvmem-pressure.h: how short of memory this host is
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "balance.h"
#include "hvmem-util.h"

typedef struct _hvmemPressure hvmemPressure;
struct _hvmemPressure {
    /* bytes; HVMEM_UNKNOWN: not told */
    guint64 total;
    guint64 available;          /* MemAvailable */
    guint64 huge;               /* the pool of huge pages: part of the total, and never available; 0: there is none */
    double some;                /* percent of the last ten seconds in which somebody waited for memory */
    double full;                /* in which everybody did */
    guint64 swappedOut;         /* pages since the host was started */
};

/* Each of these adds what one file tells; NULL: there is none. */
void
hvmemPressureReadMeminfo(hvmemPressure *pressure,
                         const char *text);

/* /proc/pressure/memory */
void
hvmemPressureReadStalls(hvmemPressure *pressure,
                        const char *text);

void
hvmemPressureReadVmstat(hvmemPressure *pressure,
                        const char *text);

/* All three of this host. */
void
hvmemPressureRead(hvmemPressure *pressure);

/* What was made of it lately, so that figures about a limit do not lead to one thing now and to the other a second later. Zeros: nothing yet. */
typedef struct _hvmemSteady hvmemSteady;
struct _hvmemSteady {
    hvmemBalancePressure level;
    bool calmer;                /* would a lower level do? */
    double calm;                /* since when */
    bool known;                 /* is the budget? */
    guint64 budget;             /* bytes, of what the host has */
    bool more;                  /* is there more than that? */
    double rich;                /* since when */
};

/*
 * What that means for the balancer. @before: the same so many @seconds ago. A level is reached at once, and left when half of what leads to it has not
 * been seen for half a minute.
 */
hvmemBalancePressure
hvmemPressureLevel(const hvmemPressure *pressure,
                   const hvmemPressure *before,
                   double seconds,
                   hvmemSteady *steady,
                   double now);

/* The most that guests could ever hold in all, whatever else there is on the host. HVMEM_UNKNOWN: not told. */
guint64
hvmemPressureMost(const hvmemPressure *pressure);

/*
 * What guests may hold in all, in bytes, if they hold @guests of this host's memory now: that and what is available, without a part of the host's
 * memory, but for its huge pages, for the host itself. It becomes less at once; more if there is much more, or has been for half a minute. @budget, if it is not 0, is the most.
 * If the host's memory is not told now, what was known last counts. HVMEM_UNKNOWN if neither is known.
 */
guint64
hvmemPressureBudget(const hvmemPressure *pressure,
                    guint64 guests,
                    guint64 budget,
                    hvmemSteady *steady,
                    double now);
