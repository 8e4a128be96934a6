/*
 * growth.c: how much a guest takes of what was requested
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "growth.h"


static void
waitFor(hvmemGrowth *growth,
        guint64 actual,
        double now)
{
    if (!growth->waiting || actual >= growth->from + HVMEM_GROWTH_LEAST) {
        growth->from = actual;
        growth->since = now;
    }
    growth->waiting = true;
    growth->from = MIN(growth->from, actual);
}


void
hvmemGrowthTake(hvmemGrowth *growth,
                hvmemGrowthSign sign,
                guint64 actual,
                guint64 requested,
                double now)
{
    if (growth->ended && (now - growth->when >= HVMEM_GROWTH_PAUSE || actual > growth->most + HVMEM_BALANCE_NEAR))
        *growth = (hvmemGrowth) { 0 };
    if (growth->ended)
        return;

    if (sign == HVMEM_GROWTH_NOT_NOW || requested <= hvmemShareAdd(actual, HVMEM_BALANCE_NEAR)) {
        growth->waiting = false;
        return;
    }

    waitFor(growth, actual, now);
    if (sign == HVMEM_GROWTH_FAILS && now - growth->since >= HVMEM_GROWTH_PATIENCE)
        *growth = (hvmemGrowth) { .ended = true, .most = actual, .when = now };
}
