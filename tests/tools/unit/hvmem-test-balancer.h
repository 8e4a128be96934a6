/*
 * hvmem-test-balancer.h: a balancer with guests, for unit tests
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-balancer.h"
#include "hvmem-test-auto.h"

static const hvmemPressure calm = { .total = 64 * GIB, .available = 64 * GIB, .swappedOut = HVMEM_UNKNOWN };


/* A running guest with 2 GiB, of which @usable is left. */
static inline hvmemBalanced *
addGuest(hvmemBalancer *balancer,
         const char *name,
         guint64 usable)
{
    hvmemDomain *dom = domain(XML(""), true);
    hvmemAuto settings = { .on = true, .buffer = 20, .weight = 100 };

    g_free(dom->name);
    dom->name = g_strdup(name);
    g_strlcpy(dom->uuid, name, sizeof(dom->uuid));
    dom->state = g_strdup("idle");
    dom->told = dom->connected = true;
    dom->requested = dom->current;
    dom->usable = usable;
    dom->rss = GIB;
    return hvmemBalancerPut(balancer, dom, &settings);
}


static inline void
decide(hvmemBalancer *balancer,
       double now)
{
    g_assert_true(hvmemBalancerDecide(balancer, &calm, now, NULL));
}
