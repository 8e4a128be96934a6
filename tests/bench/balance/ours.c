/*
 * Our rule: the balancer of virsh-hvmem
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <math.h>

#include "balance.h"
#include "sim.h"

#define KIB(mib) ((guint64)ceil((mib) * 1024))
#define MIB(kib) ((kib) / 1024.0)
#define PERIOD 1.0

/* How often idle memory is taken that nobody needs. */
#define IDLE 30.0

typedef struct Ours {
    hvmemBalanceGuest *guests;
    hvmemBalanceDecision *out;
    double *last;               /* what each guest had at the last decision */
    double *used;               /* and used */
    guint *index;
} Ours;


static void *
start(Sim *sim)
{
    gsize each = sizeof(hvmemBalanceGuest) + sizeof(hvmemBalanceDecision) + 2 * sizeof(double) + sizeof(guint);
    Ours *ours = g_malloc0(sizeof(*ours) + each * sim->n);

    ours->guests = (hvmemBalanceGuest *)(ours + 1);
    ours->out = (hvmemBalanceDecision *)(ours->guests + sim->n);
    ours->last = (double *)(ours->out + sim->n);
    ours->used = ours->last + sim->n;
    ours->index = (guint *)(ours->used + sim->n);
    return ours;
}


static guint64
rate(const SimGuest *guest,
     double last)
{
    double moved = guest->actual > guest->requested ? last - guest->actual : guest->actual - last;

    if (ABS(guest->actual - guest->requested) < 2)
        return HVMEM_BALANCE_UNKNOWN;
    return KIB(MAX(moved, 0)) / PERIOD;
}


/* For the guests that have not started yet. */
static guint64
reserve(const Sim *sim)
{
    guint waiting = 0;
    guint i;

    for (i = 0; i < sim->n; i++)
        waiting += !sim->guests[i].running;
    return hvmemBalanceReserve(KIB(sim->total), KIB(waiting * SIM_BOOT), waiting ? KIB(SIM_BOOT) : 0);
}


static hvmemBalanceGuest
input(const SimGuest *guest,
      double last,
      double used)
{
    return (hvmemBalanceGuest) {
        .minimum = KIB(guest->minimum), .maximum = KIB(guest->maximum), .buffer = 20, .weight = 100,
        .demand = hvmemBalanceDemand(KIB(guest->used + guest->usable), KIB(guest->usable), HVMEM_BALANCE_UNKNOWN),
        .rise = used > 0 ? KIB(MAX(0, guest->used - used) / PERIOD) : 0,
        .actual = KIB(guest->actual), .requested = KIB(guest->requested), .rate = rate(guest, last),
    };
}


static void
decide(Sim *sim,
       void *state)
{
    Ours *ours = state;
    hvmemBalanceHost host = { .budget = KIB(sim->total), .starts = reserve(sim), .seconds = fmod(sim->now, IDLE) < PERIOD ? IDLE : 0 };
    hvmemBalanceSummary summary;
    guint i, n = 0;

    for (i = 0; i < sim->n; i++) {
        if (!sim->guests[i].running)
            continue;
        ours->guests[n] = input(sim->guests + i, ours->last[i], ours->used[i]);
        ours->last[i] = sim->guests[i].actual;
        ours->used[i] = sim->guests[i].used;
        ours->index[n++] = i;
    }

    hvmemBalanceDecide(&host, ours->guests, ours->out, n, &summary);
    for (i = 0; i < n; i++) {
        if (ours->out[i].target != ours->guests[i].requested)
            sim_request(sim->guests + ours->index[i], MIB(ours->out[i].target));
    }
}


const SimRule rule_ours = {
    .name = "ours",
    .parameters = "every second; buffer 20 %, weight 100; a reserve for those that have not started, 1/32 of the host or the largest at most",
    .period = PERIOD, .delay = 0.5, .start = start, .decide = decide,
};
