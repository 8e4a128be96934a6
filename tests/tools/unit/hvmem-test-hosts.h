/*
 * hvmem-test-hosts.h: hosts for tests of the balancer, also random ones, and guests that follow
 *
 * HVMEM_BALANCE_HOSTS=1000000 before a test checks so many hosts, and fewer where each takes many rounds; --seed=… of GLib repeats a run.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "pace.h"

#define MIB G_GUINT64_CONSTANT(1024)
#define GIB (1024 * MIB)
#define BLOCK (128 * MIB)
#define GUESTS 12
#define SUM_HOSTS 5000

typedef struct _Scene Scene;
struct _Scene {
    hvmemBalanceHost host;
    hvmemBalanceGuest guests[GUESTS];
    hvmemBalanceDecision out[GUESTS];
    hvmemBalanceSummary summary;
    size_t n;
};

static guint64 seed;


static inline void
startRandom(void)
{
    seed = ((guint64)g_test_rand_int() << 32) | (guint32)g_test_rand_int() | 1;
}


/* xorshift*: GLib's is too slow for millions of hosts. */
static inline guint64
rnd(guint64 below)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (seed * G_GUINT64_CONSTANT(2685821657736338717)) % below;
}


static inline bool
chance(unsigned in)
{
    return rnd(in) == 0;
}


static inline size_t
hosts(size_t usual)
{
    const char *number = g_getenv("HVMEM_BALANCE_HOSTS");

    return number ? MAX(g_ascii_strtoull(number, NULL, 10) * usual / SUM_HOSTS, 1) : usual;
}


static inline hvmemBalanceGuest
usualGuest(void)
{
    guint64 minimum = 256 * MIB + rnd(GIB);
    guint64 maximum = minimum + rnd(8 * GIB);
    guint64 requested = minimum + rnd(maximum - minimum + 1);

    return (hvmemBalanceGuest) {
        .minimum = minimum, .maximum = maximum, .buffer = rnd(60), .weight = 1 + rnd(400),
        .demand = rnd(maximum + GIB), .rise = chance(4) ? rnd(GIB) : 0, .actual = requested, .requested = requested, .rate = HVMEM_BALANCE_UNKNOWN,
    };
}


static inline void
decide(Scene *scene)
{
    hvmemBalanceDecide(&scene->host, scene->guests, scene->out, scene->n, &scene->summary);
}


static inline void
usualScene(Scene *scene)
{
    size_t i;

    *scene = (Scene) { .host = { .budget = rnd(48 * GIB), .reserve = rnd(2 * GIB), .used = chance(2) ? 0 : rnd(4 * GIB),
                                 .pressure = chance(4) ? rnd(3) : 0, .seconds = rnd(2) * 30 },
                       .n = 1 + rnd(GUESTS) };
    for (i = 0; i < scene->n; i++)
        scene->guests[i] = usualGuest();
}


/* Linux takes whole blocks, Windows nearly any size. */
static inline void
addInBlocks(Scene *scene)
{
    size_t i;

    for (i = 0; i < scene->n; i++) {
        hvmemBalanceGuest *guest = scene->guests + i;

        guest->blocks = (hvmemBalanceBlocks) { .added = guest->actual + (chance(2) ? rnd(GIB) : 0), .size = chance(4) ? 2 * MIB : BLOCK,
                                               .most = guest->maximum + rnd(GIB) };
        guest->blocks.origin = guest->blocks.added - (chance(4) ? rnd(GIB) : 0);
    }
}


static inline guint64
sane(guint64 size)
{
    return MIN(size, HVMEM_SHARE_MOST);
}


static inline bool
isActive(const hvmemBalanceGuest *guest)
{
    return guest->state == HVMEM_BALANCE_READY && guest->demand != HVMEM_BALANCE_UNKNOWN;
}


/* It takes the whole of a block, and what is beyond @requested it gives back later. */
static inline void
grow(hvmemBalanceGuest *guest,
     guint64 pace)
{
    hvmemBalanceBlocks *blocks = &guest->blocks;

    guest->actual += MIN(pace, guest->requested - guest->actual);
    if (guest->actual > blocks->added && blocks->size > 0)
        guest->actual = MIN(blocks->origin + (guest->actual - blocks->origin + blocks->size - 1) / blocks->size * blocks->size, MAX(guest->actual, blocks->most));
    blocks->added = MAX(blocks->added, guest->actual);
}


/* Guests that follow, each in its own pace; some only to a point, some not at all. */
static inline void
follow(Scene *scene,
       const guint64 *pace)
{
    size_t i;

    for (i = 0; i < scene->n; i++) {
        hvmemBalanceGuest *guest = scene->guests + i;
        guint64 before = guest->actual;

        guest->requested = scene->out[i].target;
        if (guest->actual > guest->requested)
            guest->actual -= MIN(pace[i], guest->actual - guest->requested);
        else
            grow(guest, pace[i]);
        guest->rate = guest->actual == guest->requested ? HVMEM_BALANCE_UNKNOWN : guest->actual == before ? 0 : pace[i];
    }
}


static inline bool
isAtRest(const Scene *scene)
{
    size_t i;

    for (i = 0; i < scene->n; i++) {
        if (scene->out[i].target != scene->guests[i].requested || scene->guests[i].actual != scene->guests[i].requested)
            return false;
    }
    return true;
}
