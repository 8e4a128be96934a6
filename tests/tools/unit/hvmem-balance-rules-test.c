/*
 * hvmem-balance-rules-test.c: what the balancer decides, case by case
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "growth.h"
#include "hvmem-test-hosts.h"
#include "usage.h"


static void
testDemand(void)
{
    static const struct {
        guint64 actual;
        guint64 usable;
        guint64 committed;
        guint64 demand;
    } cases[] = {
        { 4 * GIB, GIB, HVMEM_BALANCE_UNKNOWN, 3 * GIB },
        { 4 * GIB, GIB, 9 * GIB, 3 * GIB },
        { 4 * GIB, 0, HVMEM_BALANCE_UNKNOWN, 6 * GIB },
        { 4 * GIB, 4 * GIB / 32, HVMEM_BALANCE_UNKNOWN, 4 * GIB - 4 * GIB / 32 },
        { 4 * GIB, 0, 7 * GIB, 7 * GIB },
        { 4 * GIB, 0, 9 * GIB, 8 * GIB },
        { 4 * GIB, 0, GIB, 6 * GIB },
        { 4 * GIB, 5 * GIB, GIB, 0 },
        { 4 * GIB, HVMEM_BALANCE_UNKNOWN, GIB, HVMEM_BALANCE_UNKNOWN },
        { G_MAXUINT64, 0, HVMEM_BALANCE_UNKNOWN, HVMEM_SHARE_MOST },
        { 0, 0, HVMEM_BALANCE_UNKNOWN, 0 },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++)
        g_assert_cmpuint(hvmemBalanceDemand(cases[i].actual, cases[i].usable, cases[i].committed), ==, cases[i].demand);
}


static void
testReserve(void)
{
    g_assert_cmpuint(hvmemBalanceReserve(64 * GIB, 0, 0), ==, 0);
    g_assert_cmpuint(hvmemBalanceReserve(64 * GIB, GIB, GIB), ==, GIB);
    g_assert_cmpuint(hvmemBalanceReserve(64 * GIB, 9 * GIB, GIB), ==, 2 * GIB);
    g_assert_cmpuint(hvmemBalanceReserve(64 * GIB, 9 * GIB, 6 * GIB), ==, 6 * GIB);
}


/* Two that claim everything, of weights 1 and 3. */
static void
testWeights(void)
{
    Scene scene = { .host = { .budget = 8 * GIB, .seconds = 30 }, .n = 2, .guests = {
        { .minimum = GIB, .maximum = 16 * GIB, .weight = 100, .demand = 16 * GIB, .actual = 4 * GIB, .requested = 4 * GIB },
        { .minimum = GIB, .maximum = 16 * GIB, .weight = 300, .demand = 16 * GIB, .actual = 4 * GIB, .requested = 4 * GIB } } };

    decide(&scene);
    g_assert_cmpuint(scene.out[0].goal, ==, 2 * GIB);
    g_assert_cmpuint(scene.out[1].goal, ==, 6 * GIB);
    g_assert_cmpint(scene.out[0].move, ==, HVMEM_BALANCE_TAKE);
    g_assert_cmpint(scene.out[1].move, ==, HVMEM_BALANCE_WAIT);
}


/* A reserve that is more than there is takes no guest below its minimum, and is not what the minimums are blamed for. As it becomes less, more is left. */
static void
testReserveTooLarge(void)
{
    Scene scene = { .host = { .budget = 8 * GIB, .reserve = 20 * GIB, .used = GIB, .seconds = 30 }, .n = 3, .guests = {
        { .minimum = GIB, .maximum = 16 * GIB, .weight = 100, .demand = 2 * GIB, .actual = 2 * GIB, .requested = 2 * GIB },
        { .minimum = GIB, .maximum = 16 * GIB, .weight = 100, .demand = 2 * GIB, .actual = GIB / 2, .requested = GIB / 2 },
        { .minimum = GIB, .maximum = 16 * GIB, .state = HVMEM_BALANCE_PAUSED, .actual = 2 * GIB, .requested = 2 * GIB } } };

    decide(&scene);
    g_assert_false(scene.summary.over);
    g_assert_cmpuint(scene.summary.reserve, ==, 3 * GIB);
    g_assert_cmpuint(scene.summary.pool, ==, 2 * GIB);
    g_assert_cmpuint(scene.out[0].target, ==, GIB);

    scene.guests[0].actual = scene.guests[0].requested = GIB;
    decide(&scene);
    g_assert_cmpuint(scene.out[1].target, ==, GIB);

    scene.host.reserve = 2 * GIB;
    decide(&scene);
    g_assert_cmpuint(scene.summary.reserve, ==, 2 * GIB);
    g_assert_cmpuint(scene.summary.pool, ==, 3 * GIB);

    scene.host.budget = 4 * GIB;
    decide(&scene);
    g_assert_true(scene.summary.over);
    g_assert_cmpuint(scene.summary.reserve, ==, 0);
}


/* What a guest does not give back is not promised to another. */
static void
testStuck(void)
{
    Scene scene = { .host = { .budget = 8 * GIB, .seconds = 30 }, .n = 2, .guests = {
        { .minimum = GIB, .maximum = 8 * GIB, .weight = 100, .demand = GIB, .actual = 6 * GIB, .requested = 2 * GIB, .rate = 0 },
        { .minimum = GIB, .maximum = 8 * GIB, .weight = 100, .demand = 5 * GIB, .actual = GIB, .requested = GIB,
          .rate = HVMEM_BALANCE_UNKNOWN } } };

    decide(&scene);
    g_assert_cmpint(scene.out[0].move, ==, HVMEM_BALANCE_STUCK);
    g_assert_cmpuint(scene.out[0].target, <=, 2 * GIB);
    g_assert_cmpint(scene.out[1].bound, ==, HVMEM_BALANCE_DEMAND_CUT);
    g_assert_cmpuint(scene.out[1].target, ==, 2 * GIB);

    /* so it is taken where it is to be had */
    scene.n = 3;
    scene.host.budget = 12 * GIB;
    scene.guests[2] = (hvmemBalanceGuest) { .minimum = GIB, .maximum = 8 * GIB, .weight = 100, .demand = GIB, .actual = 5 * GIB, .requested = 5 * GIB };
    decide(&scene);
    g_assert_cmpint(scene.out[2].move, ==, HVMEM_BALANCE_TAKE);
    g_assert_cmpuint(scene.out[2].target, <, 2 * GIB);
}


/* What comes too late is not counted on: others give what is lacking. */
static void
testArriving(void)
{
    Scene scene = { .host = { .budget = 16 * GIB }, .n = 3, .guests = {
        { .minimum = GIB, .maximum = 8 * GIB, .weight = 100, .demand = GIB, .actual = 6 * GIB, .requested = 2 * GIB, .rate = GIB },
        { .minimum = GIB, .maximum = 8 * GIB, .weight = 100, .demand = 6 * GIB, .actual = 5 * GIB, .requested = 5 * GIB },
        { .minimum = GIB, .maximum = 8 * GIB, .weight = 100, .demand = 2 * GIB, .actual = 5 * GIB, .requested = 5 * GIB,
          .rate = HVMEM_BALANCE_UNKNOWN } } };

    decide(&scene);
    g_assert_cmpint(scene.out[2].move, ==, HVMEM_BALANCE_STAY);
    scene.guests[0].rate = 16 * MIB;
    decide(&scene);
    g_assert_cmpint(scene.out[2].move, ==, HVMEM_BALANCE_TAKE);
    scene.guests[0].rate = HVMEM_BALANCE_UNKNOWN;
    decide(&scene);
    g_assert_cmpint(scene.out[2].move, ==, HVMEM_BALANCE_STAY);
}


/* Whoever gives back @kib every @seconds. */
static guint64
rateAfter(hvmemPace *pace,
          guint64 *actual,
          guint64 kib,
          unsigned seconds,
          double from,
          double to)
{
    guint64 rate = HVMEM_BALANCE_UNKNOWN;

    while (from < to) {
        from++;
        if ((unsigned)from % seconds == 0)
            *actual -= kib;
        rate = hvmemPaceTake(pace, *actual, GIB, from);
    }
    return rate;
}


/* A guest that gives back hardly anything does not follow, and one that does so at times does not either. */
static void
testPace(void)
{
    hvmemPace pace = { 0 };
    guint64 actual = 16 * GIB;

    g_assert_cmpuint(hvmemPaceTake(&pace, actual, GIB, 0), ==, HVMEM_BALANCE_UNKNOWN);
    g_assert_cmpuint(rateAfter(&pace, &actual, 4, 9, 0, 2), ==, HVMEM_BALANCE_UNKNOWN);
    g_assert_cmpuint(rateAfter(&pace, &actual, 4, 9, 2, 9), <=, 16);
    g_assert_cmpuint(rateAfter(&pace, &actual, 4, 9, 9, 100), ==, 0);
    g_assert_cmpuint(rateAfter(&pace, &actual, 4 * MIB, 1, 100, 120), ==, 0);
    g_assert_cmpuint(rateAfter(&pace, &actual, 8 * MIB, 1, 120, 124), ==, 0);
    g_assert_cmpuint(rateAfter(&pace, &actual, 8 * MIB, 1, 124, 130), >, 4 * MIB);
    g_assert_cmpuint(rateAfter(&pace, &actual, 64 * MIB, 4, 130, 170), >, 4 * MIB);
    g_assert_cmpuint(rateAfter(&pace, &actual, 2 * MIB, 1, 170, 200), ==, 0);

    g_assert_cmpuint(hvmemPaceTake(&pace, actual, actual, 201), ==, HVMEM_BALANCE_UNKNOWN);
    g_assert_cmpuint(rateAfter(&pace, &actual, 0, 1, 201, 203), ==, HVMEM_BALANCE_UNKNOWN);
}


/* One that fails to grow for a minute is not asked for more for ten; unless it has grown since, and not while it could not grow or nothing was in the way. */
static void
testGrowth(void)
{
    static const struct {
        double now;
        hvmemGrowthSign sign;
        guint64 actual;
        guint64 requested;
        bool ended;
    } steps[] = {
        { 0, HVMEM_GROWTH_FAILS, 4 * GIB, 4 * GIB + MIB, false }, { 100, HVMEM_GROWTH_FAILS, 4 * GIB, 6 * GIB, false },
        { 159, HVMEM_GROWTH_FAILS, 4 * GIB, 6 * GIB, false }, { 159, HVMEM_GROWTH_FAILS, 4 * GIB + 16 * MIB, 6 * GIB, false },
        { 218, HVMEM_GROWTH_FAILS, 4 * GIB + 31 * MIB, 6 * GIB, false }, { 219, HVMEM_GROWTH_MAY, 4 * GIB + 31 * MIB, 6 * GIB, false },
        { 220, HVMEM_GROWTH_NOT_NOW, 4 * GIB, 6 * GIB, false }, { 221, HVMEM_GROWTH_FAILS, 4 * GIB, 6 * GIB, false },
        { 281, HVMEM_GROWTH_FAILS, 4 * GIB, 6 * GIB, true }, { 282, HVMEM_GROWTH_MAY, 2 * GIB, 2 * GIB, true },
        { 880, HVMEM_GROWTH_MAY, 4 * GIB, 4 * GIB, true }, { 881, HVMEM_GROWTH_MAY, 4 * GIB, 4 * GIB, false },
        { 900, HVMEM_GROWTH_MAY, 5 * GIB, 6 * GIB, false }, { 940, HVMEM_GROWTH_FAILS, 4 * GIB, 6 * GIB, false },
        { 960, HVMEM_GROWTH_FAILS, 4 * GIB, 6 * GIB, true }, { 970, HVMEM_GROWTH_MAY, 4 * GIB + 4 * MIB, 4 * GIB, false },
    };
    hvmemGrowth growth = { 0 };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(steps); i++) {
        hvmemGrowthTake(&growth, steps[i].sign, steps[i].actual, steps[i].requested, steps[i].now);
        g_test_message("%g", steps[i].now);
        g_assert_true(growth.ended == steps[i].ended);
        g_assert_cmpuint(growth.most, ==, steps[i].ended ? 4 * GIB : 0);
    }
}


/* A guest that uses 3 GiB and whose reports are a second old, while it goes from 4 GiB to @to, and rests there. */
static void
checkUsage(guint64 to)
{
    hvmemUsage usage = { 0 };
    guint64 actual = 4 * GIB;
    guint64 usable = GIB;
    unsigned second;

    for (second = 0; second < 40; second++) {
        if (second > 4)
            actual = to > actual ? MIN(actual + GIB, to) : MAX(actual - GIB / 2, to);
        hvmemUsageTake(&usage, actual, second < 4 ? 4 * GIB : to, usable, HVMEM_BALANCE_UNKNOWN, second);
        g_assert_cmpuint(usage.demand, ==, 3 * GIB);
        g_assert_cmpuint(usage.rise, ==, 0);
        g_assert_false(usage.silent);
        usable = actual - 3 * GIB;
    }
}


static void
testUsage(void)
{
    checkUsage(12 * GIB);
    checkUsage(4 * GIB - GIB / 2);
}


/* One that reports no more is not squeezed: what it used last counts, and then it is silent; until it reports again. */
static void
testFrozenReport(void)
{
    hvmemUsage usage = { 0 };
    unsigned second;

    hvmemUsageTake(&usage, 8 * GIB, 8 * GIB, 4 * GIB, HVMEM_BALANCE_UNKNOWN, 0);
    for (second = 1; second < 20; second++) {
        hvmemUsageTake(&usage, 6 * GIB, 6 * GIB, 4 * GIB, HVMEM_BALANCE_UNKNOWN, second);
        g_assert_cmpuint(usage.demand, ==, 4 * GIB);
        g_assert_true(usage.silent == (second >= 6));
    }
    hvmemUsageTake(&usage, 6 * GIB, 6 * GIB, 2 * GIB, HVMEM_BALANCE_UNKNOWN, 20);
    g_assert_false(usage.silent);
    g_assert_cmpuint(usage.demand, ==, 4 * GIB);

    /* at rest, the same may be said for long */
    for (second = 21; second < 40; second++)
        hvmemUsageTake(&usage, 6 * GIB, 6 * GIB, 2 * GIB, HVMEM_BALANCE_UNKNOWN, second);
    g_assert_false(usage.silent);

    /* also by one that has moved just before */
    for (second = 40; second < 50; second++)
        hvmemUsageTake(&usage, 8 * GIB, 8 * GIB, GIB, HVMEM_BALANCE_UNKNOWN, second);
    g_assert_cmpuint(usage.demand, ==, 7 * GIB);

    /* and one that nothing is left says so again and again */
    for (second = 50; second < 70; second++)
        hvmemUsageTake(&usage, second < 60 ? 6 * GIB : 7 * GIB, 7 * GIB, 0, HVMEM_BALANCE_UNKNOWN, second);
    g_assert_false(usage.silent);
    g_assert_cmpuint(usage.demand, ==, 7 * GIB / 2 * 3);
}


/* Fast under pressure, slowly without, and not at all within the dead band. */
static void
testShrinking(void)
{
    Scene scene = { .host = { .budget = 64 * GIB, .seconds = 30 }, .n = 1, .guests = {
        { .minimum = GIB, .maximum = 32 * GIB, .weight = 100, .buffer = 20, .demand = 10 * GIB, .actual = 24 * GIB, .requested = 24 * GIB } } };
    hvmemBalanceDecision *out = scene.out;

    decide(&scene);
    g_assert_cmpuint(out->goal, ==, 12 * GIB);
    g_assert_cmpint(out->move, ==, HVMEM_BALANCE_SHRINK);
    g_assert_cmpuint(out->target, <, 24 * GIB);
    g_assert_cmpuint(out->target, >, 23 * GIB);

    scene.host.seconds = 0;
    decide(&scene);
    g_assert_cmpint(out->move, ==, HVMEM_BALANCE_STAY);

    scene.host.pressure = HVMEM_BALANCE_PRESSURE_SOME;
    decide(&scene);
    g_assert_cmpint(out->move, ==, HVMEM_BALANCE_TAKE);
    g_assert_cmpuint(out->target, ==, 12 * GIB);
    scene.host.seconds = 30;

    scene.host.pressure = HVMEM_BALANCE_PRESSURE_FULL;
    decide(&scene);
    g_assert_cmpuint(out->target, <, 11 * GIB);

    scene.host.pressure = HVMEM_BALANCE_PRESSURE_NONE;
    scene.guests[0].actual = scene.guests[0].requested = 15 * GIB;
    decide(&scene);
    g_assert_cmpint(out->move, ==, HVMEM_BALANCE_STAY);
}


/* A guest is asked when a third of its buffer is gone, not for each page; but at once if it is about to lack what it uses. */
static void
testSlack(void)
{
    Scene scene = { .host = { .budget = 64 * GIB }, .n = 1, .guests = {
        { .minimum = GIB, .maximum = 32 * GIB, .weight = 100, .buffer = 20, .demand = 10 * GIB, .actual = 12 * GIB - 64 * MIB,
          .requested = 12 * GIB - 64 * MIB } } };

    decide(&scene);
    g_assert_cmpint(scene.out[0].move, ==, HVMEM_BALANCE_STAY);
    scene.guests[0].demand = 11 * GIB;
    decide(&scene);
    g_assert_cmpint(scene.out[0].move, ==, HVMEM_BALANCE_GROW);
    g_assert_cmpuint(scene.out[0].target / GIB, ==, 13);
}


/* Some of the budget is kept free, from what is idle for certain. */
static void
testHeadroom(void)
{
    Scene scene = { .host = { .budget = 32 * GIB }, .n = 2, .guests = {
        { .minimum = GIB, .maximum = 32 * GIB, .weight = 100, .buffer = 20, .demand = 10 * GIB, .actual = 14 * GIB, .requested = 14 * GIB },
        { .minimum = GIB, .maximum = 32 * GIB, .weight = 100, .buffer = 20, .demand = 15 * GIB, .actual = 18 * GIB, .requested = 18 * GIB } } };

    decide(&scene);
    g_assert_cmpint(scene.out[0].move, ==, HVMEM_BALANCE_TAKE);
    g_assert_cmpuint(scene.out[0].target, >=, 13 * GIB);
    g_assert_cmpuint(scene.out[0].target, <=, 13 * GIB + 2 * MIB);
    g_assert_cmpint(scene.out[1].move, ==, HVMEM_BALANCE_STAY);

    scene.host.budget += 2 * GIB;
    decide(&scene);
    g_assert_cmpint(scene.out[0].move, ==, HVMEM_BALANCE_STAY);

    /* nearly at its goal: what it would soon want back is not taken */
    scene.guests[0].actual = scene.guests[0].requested = 12 * GIB + 600 * MIB;
    scene.host.budget = 31 * GIB;
    decide(&scene);
    g_assert_cmpint(scene.out[0].move, ==, HVMEM_BALANCE_TAKE);
    g_assert_cmpuint(scene.out[0].target, >, 12 * GIB + 400 * MIB);
}


/* Below its minimum is worse than without a buffer. */
static void
testMinimumFirst(void)
{
    Scene scene = { .host = { .budget = 10 * GIB }, .n = 3, .guests = {
        { .minimum = 4 * GIB, .maximum = 8 * GIB, .weight = 100, .demand = GIB / 2, .actual = GIB, .requested = GIB },
        { .minimum = GIB, .maximum = 8 * GIB, .weight = 100, .demand = 4 * GIB, .actual = 3 * GIB, .requested = 3 * GIB },
        { .minimum = GIB, .maximum = 8 * GIB, .weight = 100, .demand = GIB, .actual = 3 * GIB, .requested = 2 * GIB,
          .rate = GIB } } };

    decide(&scene);
    g_assert_cmpuint(scene.out[0].target, ==, 3 * GIB + GIB / 2);
    g_assert_cmpuint(scene.out[1].target, ==, 3 * GIB + GIB / 2);
}


/* Demand that rises faster than the buffer allows for gets more; not without end, and nothing under full pressure. */
static void
testRise(void)
{
    Scene scene = { .host = { .budget = 64 * GIB }, .n = 1, .guests = {
        { .minimum = GIB, .maximum = 16 * GIB, .weight = 100, .buffer = 20, .demand = 5 * GIB, .actual = 6 * GIB, .requested = 6 * GIB } } };

    scene.guests[0].rise = 100 * MIB;
    decide(&scene);
    g_assert_cmpuint(scene.out[0].goal, ==, 6 * GIB);
    scene.guests[0].rise = GIB;
    decide(&scene);
    g_assert_cmpuint(scene.out[0].goal, ==, 9 * GIB - GIB / 2);
    scene.guests[0].rise = G_MAXUINT64;
    decide(&scene);
    g_assert_cmpuint(scene.out[0].goal, ==, 16 * GIB);
    scene.host.pressure = HVMEM_BALANCE_PRESSURE_FULL;
    decide(&scene);
    g_assert_cmpuint(scene.out[0].goal, <, 6 * GIB);
}


/* What a guest uses counts up to the end of the block that it has to be added, a buffer as far as the last block ends. */
static void
testBlocks(void)
{
    hvmemBalanceHost host = { .budget = 4 * GIB };
    hvmemBalanceGuest guest = {
        .minimum = 512 * MIB, .maximum = 8 * GIB, .buffer = 20, .weight = 100, .actual = GIB, .requested = GIB, .rate = HVMEM_BALANCE_UNKNOWN,
        .blocks = { .added = GIB, .origin = GIB, .size = 128 * MIB, .most = 8 * GIB },
    };
    hvmemBalanceDecision out;
    hvmemBalanceSummary summary;

    /* demand and its margin end inside the first block, the buffer inside the third */
    guest.demand = 1060 * MIB;
    hvmemBalanceDecide(&host, &guest, &out, 1, &summary);
    g_assert_cmpuint(out.need, ==, 1152 * MIB);
    g_assert_cmpuint(out.target, ==, 1152 * MIB);
    guest.demand = 1100 * MIB;
    hvmemBalanceDecide(&host, &guest, &out, 1, &summary);
    g_assert_cmpuint(out.need, ==, 1280 * MIB);
    g_assert_cmpuint(out.target, ==, 1280 * MIB);

    /* what was added before it gets to the page, or nearly */
    guest.blocks.added = 2 * GIB;
    hvmemBalanceDecide(&host, &guest, &out, 1, &summary);
    g_assert_cmpuint(out.target, ==, 1320 * MIB);
    guest.blocks.added = GIB;

    /* nobody has a part of a block */
    host.budget = 1200 * MIB;
    hvmemBalanceDecide(&host, &guest, &out, 1, &summary);
    g_assert_cmpuint(out.target, ==, 1152 * MIB);
    host.budget = 1100 * MIB;
    hvmemBalanceDecide(&host, &guest, &out, 1, &summary);
    g_assert_cmpuint(out.target, ==, GIB);

    /* somebody else has requested it: it may have the whole */
    guest.requested = 1025 * MIB;
    hvmemBalanceDecide(&host, &guest, &out, 1, &summary);
    g_assert_cmpuint(summary.held, ==, 1152 * MIB);

    /* a request that was lowered while it takes it */
    guest.taking = 2 * GIB;
    hvmemBalanceDecide(&host, &guest, &out, 1, &summary);
    g_assert_cmpuint(summary.held, ==, 2 * GIB);
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/hvmem/balance-rules/demand", testDemand);
    g_test_add_func("/hvmem/balance-rules/reserve", testReserve);
    g_test_add_func("/hvmem/balance-rules/weights", testWeights);
    g_test_add_func("/hvmem/balance-rules/reserve-too-large", testReserveTooLarge);
    g_test_add_func("/hvmem/balance-rules/stuck", testStuck);
    g_test_add_func("/hvmem/balance-rules/arriving", testArriving);
    g_test_add_func("/hvmem/balance-rules/pace", testPace);
    g_test_add_func("/hvmem/balance-rules/growth", testGrowth);
    g_test_add_func("/hvmem/balance-rules/usage", testUsage);
    g_test_add_func("/hvmem/balance-rules/frozen-report", testFrozenReport);
    g_test_add_func("/hvmem/balance-rules/shrinking", testShrinking);
    g_test_add_func("/hvmem/balance-rules/slack", testSlack);
    g_test_add_func("/hvmem/balance-rules/headroom", testHeadroom);
    g_test_add_func("/hvmem/balance-rules/minimum-first", testMinimumFirst);
    g_test_add_func("/hvmem/balance-rules/rise", testRise);
    g_test_add_func("/hvmem/balance-rules/blocks", testBlocks);
    return g_test_run();
}
