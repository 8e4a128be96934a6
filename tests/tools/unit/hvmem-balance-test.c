/*
 * hvmem-balance-test.c: the balancer, with random hosts
 *
 * It takes about a second. HVMEM_BALANCE_HOSTS=1000000 before it checks so many hosts in a test, and fewer where each takes many rounds; --seed=… of
 * GLib repeats a run.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-test-hosts.h"

#include <string.h>


/*
 * Hosts of any kind
 */

/* From a byte to more than there is, near round numbers and far from them. */
static guint64
anySize(void)
{
    switch (rnd(8)) {
    case 0:
        return 0;
    case 1:
        return rnd(G_MAXUINT64);
    case 2:
        return G_MAXUINT64 - rnd(3);
    case 3:
        return HVMEM_SHARE_MOST - rnd(5);
    default:
        return rnd(16 * GIB);
    }
}


static hvmemBalanceGuest
anyGuest(void)
{
    return (hvmemBalanceGuest) {
        .minimum = anySize(), .maximum = anySize(), .buffer = rnd(2) ? rnd(200) : rnd(G_MAXUINT32), .weight = rnd(2) ? rnd(1000) : rnd(G_MAXUINT32),
        .state = rnd(3) ? HVMEM_BALANCE_READY : rnd(HVMEM_BALANCE_STATE_LAST), .demand = anySize(), .rise = anySize(), .actual = anySize(), .requested = anySize(),
        .boot = chance(2) ? 0 : anySize(), .taking = chance(2) ? 0 : anySize(),
        .blocks = { .added = chance(2) ? 0 : anySize(), .origin = anySize(), .size = chance(2) ? 0 : anySize(), .most = anySize() }, .rate = chance(3) ? 0 : anySize(),
    };
}


static void
anyScene(Scene *scene)
{
    size_t i;

    *scene = (Scene) { .host = { .budget = anySize(), .reserve = chance(2) ? 0 : anySize(), .used = chance(2) ? 0 : anySize(),
                                 .pressure = rnd(3), .seconds = chance(4) ? -1.0 * rnd(3) : rnd(1000) / 100.0, .reboots = chance(2),
                                 .starts = chance(2) ? 0 : anySize() },
                       .n = rnd(GUESTS + 1) };
    for (i = 0; i < scene->n; i++)
        scene->guests[i] = anyGuest();
}


/*
 * What always holds
 */

static guint64
maximumOf(const hvmemBalanceGuest *guest)
{
    return MAX(sane(guest->maximum), sane(guest->minimum));
}


static guint64
poolOf(const Scene *scene)
{
    return hvmemShareSub(hvmemShareSub(scene->host.budget, scene->summary.reserve), scene->host.used);
}


/* What was added in whole blocks is there for a moment before it is released again. Slow and obvious. */
static guint64
reachOf(const hvmemBalanceGuest *guest,
        guint64 size)
{
    const hvmemBalanceBlocks *blocks = &guest->blocks;
    guint64 added = sane(MAX(blocks->added, guest->actual));
    guint64 whole = MIN(blocks->origin, added);

    size = sane(size);
    if (size <= added || blocks->added == 0 || blocks->size == 0)
        return size;
    whole += (size - whole) / sane(blocks->size) * sane(blocks->size);
    if (whole < size)
        whole = MIN(whole + sane(blocks->size), HVMEM_SHARE_MOST);
    return MAX(size, MIN(whole, sane(blocks->most)));
}


/* A minimum that has to be added is one of whole blocks. */
static guint64
minimumOf(const hvmemBalanceGuest *guest)
{
    return MIN(reachOf(guest, guest->minimum), maximumOf(guest));
}


static guint64
holds(const hvmemBalanceGuest *guest)
{
    guint64 reach = reachOf(guest, guest->requested);

    return MAX(MAX(sane(guest->actual), sane(guest->taking)), reach);
}


/* The most that guests have in all, at any time, if every request for less fails and every one for more arrives. */
static guint64
worstSum(const Scene *scene)
{
    guint64 sum = 0;
    size_t i;

    for (i = 0; i < scene->n; i++) {
        sum += MAX(holds(scene->guests + i), reachOf(scene->guests + i, scene->out[i].target));
    }
    return sum;
}


static void
checkSums(const Scene *scene)
{
    guint64 before = 0;
    size_t i;

    for (i = 0; i < scene->n; i++)
        before += holds(scene->guests + i);
    g_assert_cmpuint(worstSum(scene), <=, MAX(before, poolOf(scene)));
    g_assert_cmpuint(scene->summary.held, ==, before);
    g_assert_cmpuint(scene->summary.room, ==, hvmemShareSub(hvmemShareSub(poolOf(scene), scene->summary.reboot), worstSum(scene)));
}


/* The reserve is kept, but for what it would take from minimums. */
static void
checkReserve(const Scene *scene)
{
    const hvmemBalanceSummary *summary = &scene->summary;
    guint64 minimums = 0;
    size_t i;

    for (i = 0; i < scene->n; i++)
        minimums += isActive(scene->guests + i) ? minimumOf(scene->guests + i) : 0;
    g_assert_cmpuint(summary->reserve, <=, scene->host.reserve);
    g_assert_true(summary->over == (minimums > summary->pool));
    if (summary->over)
        g_assert_cmpuint(summary->reserve, ==, 0);
    else if (summary->reserve < scene->host.reserve)
        g_assert_cmpuint(summary->pool, ==, minimums);
}


static void
checkGuest(const Scene *scene,
           size_t i)
{
    const hvmemBalanceGuest *guest = scene->guests + i;
    const hvmemBalanceDecision *out = scene->out + i;

    if (!isActive(guest)) {
        g_assert_cmpuint(out->target, ==, guest->requested);
        g_assert_cmpint(out->bound, ==, HVMEM_BALANCE_LEFT_ALONE);
        return;
    }

    g_assert_cmpint(out->bound, !=, HVMEM_BALANCE_LEFT_ALONE);
    g_assert_cmpuint(out->goal, >=, sane(guest->minimum));
    g_assert_cmpuint(out->goal, <=, maximumOf(guest));
    g_assert_cmpuint(sane(out->target), <=, MAX(sane(guest->requested), out->goal));
    g_assert_cmpuint(sane(out->target), >=, MIN(sane(guest->requested), out->goal));
    if (out->target != guest->requested)
        g_assert_cmpuint(out->target, <=, maximumOf(guest));
}


/* What it says is done is what is done. */
static void
checkMove(const Scene *scene,
          size_t i)
{
    guint64 requested = sane(scene->guests[i].requested);
    const hvmemBalanceDecision *out = scene->out + i;

    switch (out->move) {
    case HVMEM_BALANCE_STAY:
    case HVMEM_BALANCE_WAIT:
        g_assert_cmpuint(sane(out->target), ==, requested);
        break;
    case HVMEM_BALANCE_GROW:
        g_assert_cmpuint(out->target, >, requested);
        g_assert_cmpuint(out->target + HVMEM_BALANCE_GRANULE, >, out->goal);
        break;
    case HVMEM_BALANCE_GROW_PART:
        g_assert_cmpuint(out->target, >, requested);
        break;
    case HVMEM_BALANCE_SHRINK:
        g_assert_cmpint(scene->host.pressure, ==, HVMEM_BALANCE_PRESSURE_NONE);
        G_GNUC_FALLTHROUGH;
    case HVMEM_BALANCE_TAKE:
        g_assert_cmpuint(out->target, <, requested);
        break;
    case HVMEM_BALANCE_STUCK:
        g_assert_cmpuint(scene->guests[i].rate, ==, 0);
        g_assert_cmpuint(scene->guests[i].actual, >, out->goal);
        break;
    }
}


/* While somebody's demand is cut, nobody has a buffer beyond its minimum. */
static void
checkBuffersFirst(const Scene *scene)
{
    bool cut = false;
    size_t i;

    for (i = 0; i < scene->n; i++)
        cut = cut || scene->out[i].bound == HVMEM_BALANCE_DEMAND_CUT;
    for (i = 0; cut && i < scene->n; i++) {
        const hvmemBalanceDecision *out = scene->out + i;

        if (out->bound != HVMEM_BALANCE_LEFT_ALONE && out->move != HVMEM_BALANCE_STUCK)
            g_assert_cmpuint(out->goal, <=, MAX(out->need, minimumOf(scene->guests + i)));
    }
}


static void
checkScene(const Scene *scene)
{
    size_t i;

    checkSums(scene);
    checkReserve(scene);
    checkBuffersFirst(scene);
    for (i = 0; i < scene->n; i++) {
        checkGuest(scene, i);
        checkMove(scene, i);
    }
}


static void
testAnything(void)
{
    size_t runs = hosts(SUM_HOSTS * 2);
    Scene scene;

    while (runs-- > 0) {
        anyScene(&scene);
        decide(&scene);
        checkScene(&scene);
    }
}


static void
testUsual(void)
{
    size_t runs = hosts(SUM_HOSTS);
    Scene scene;

    while (runs-- > 0) {
        usualScene(&scene);
        if (chance(2))
            addInBlocks(&scene);
        decide(&scene);
        checkScene(&scene);
    }
}


/*
 * Enough, and not enough
 */

static guint64
sumOfGoals(const Scene *scene)
{
    guint64 sum = 0;
    size_t i;

    for (i = 0; i < scene->n; i++)
        sum += scene->out[i].goal;
    return sum;
}


/* Enough: demand and buffer for all. Not enough: all that there is is given, but for rounding. */
static void
testBudgetIsUsed(void)
{
    size_t runs = hosts(SUM_HOSTS);
    Scene scene;
    size_t i;

    while (runs-- > 0) {
        usualScene(&scene);
        decide(&scene);
        g_assert_cmpuint(scene.summary.pool, ==, poolOf(&scene));
        if (scene.summary.wish <= poolOf(&scene)) {
            g_assert_cmpuint(sumOfGoals(&scene), ==, scene.summary.wish);
            for (i = 0; i < scene.n; i++)
                g_assert_cmpint(scene.out[i].bound, <=, HVMEM_BALANCE_AT_MAXIMUM);
        } else if (!scene.summary.over) {
            g_assert_cmpuint(sumOfGoals(&scene), <=, poolOf(&scene));
            g_assert_cmpuint(sumOfGoals(&scene) + scene.n, >=, poolOf(&scene));
        } else {
            for (i = 0; i < scene.n; i++)
                g_assert_cmpuint(scene.out[i].goal, ==, scene.guests[i].minimum);
        }
    }
}


/*
 * Fairness
 */

/* The price at which a share has @size, for a unit of weight. */
static double
priceOf(const hvmemShare *share,
        double size)
{
    return (size <= share->need ? size : share->need + (size - share->need) * HVMEM_SHARE_IDLE_PRICE) / share->weight;
}


/* Slow and obvious: the cheapest that may still have more gets the next crumb, until nothing is left. */
static void
divideSlowly(hvmemShare *shares,
             size_t n,
             guint64 budget,
             guint64 crumb)
{
    bool bounded = false;
    guint64 sum = 0;
    size_t i;

    for (i = 0; i < n; i++)
        sum += CLAMP(shares[i].need, shares[i].least, shares[i].most);
    bounded = sum > budget;
    for (i = sum = 0; i < n; i++) {
        shares[i].got = bounded ? shares[i].least : CLAMP(shares[i].need, shares[i].least, shares[i].most);
        sum += shares[i].got;
    }

    while (sum + crumb <= budget) {
        hvmemShare *cheapest = NULL;

        for (i = 0; i < n; i++) {
            guint64 most = bounded ? CLAMP(shares[i].need, shares[i].least, shares[i].most) : shares[i].most;

            if (shares[i].got + crumb <= most && (!cheapest || priceOf(shares + i, shares[i].got) < priceOf(cheapest, cheapest->got)))
                cheapest = shares + i;
        }
        if (!cheapest)
            return;
        cheapest->got += crumb;
        sum += crumb;
    }
}


static void
testFairness(void)
{
    size_t runs = hosts(SUM_HOSTS / 10);

    while (runs-- > 0) {
        hvmemShare shares[4];
        hvmemShare slow[4];
        size_t n = 1 + rnd(4);
        guint64 budget = rnd(6000);
        size_t i;

        for (i = 0; i < n; i++) {
            guint64 least = rnd(600);

            shares[i] = (hvmemShare) { .least = least, .need = rnd(1500), .most = least + rnd(1500), .weight = 1 + rnd(20) };
        }
        memcpy(slow, shares, sizeof(slow));
        hvmemShareDivide(shares, n, budget);
        divideSlowly(slow, n, budget, 1);
        for (i = 0; i < n; i++)
            g_assert_cmpuint(MAX(shares[i].got, slow[i].got) - MIN(shares[i].got, slow[i].got), <=, n + 1);
    }
}


/* More demand, or weight, of one: it has no less; and the others have no more than by weight they had. */
static void
testMonotonicity(void)
{
    size_t runs = hosts(SUM_HOSTS);

    while (runs-- > 0) {
        Scene a, b;
        size_t i, who;

        usualScene(&a);
        who = rnd(a.n);
        decide(&a);
        b = a;
        if (rnd(2))
            b.guests[who].demand += rnd(8 * GIB);
        else
            b.guests[who].weight += rnd(400);
        decide(&b);

        g_assert_cmpuint(b.out[who].goal + 1, >=, a.out[who].goal);
        for (i = 0; i < a.n; i++) {
            if (i != who)
                g_assert_cmpuint(b.out[i].goal, <=, a.out[i].goal + 1);
        }
    }
}


/* Whatever the others claim, a guest has what it would have if all of them claimed everything. */
static void
testLiars(void)
{
    size_t runs = hosts(SUM_HOSTS);

    while (runs-- > 0) {
        Scene honest, liars;
        size_t i, who;

        usualScene(&honest);
        honest.host.pressure = HVMEM_BALANCE_PRESSURE_NONE;
        liars = honest;
        who = rnd(honest.n);
        for (i = 0; i < honest.n; i++) {
            if (i != who)
                liars.guests[i].demand = G_MAXUINT64 - 1;
        }
        decide(&honest);
        decide(&liars);
        g_assert_cmpuint(liars.out[who].goal, <=, honest.out[who].goal + 1);
        g_assert_cmpuint(liars.out[who].goal, >=, honest.guests[who].minimum);
    }
}


/*
 * Rounds
 */

static void
checkOneWay(const Scene *scene,
            const Scene *last)
{
    size_t i;

    for (i = 0; i < scene->n; i++) {
        guint64 goal = last->out[i].goal;

        g_assert_cmpuint(scene->out[i].goal, ==, goal);
        if (last->out[i].target >= goal) {
            g_assert_cmpuint(scene->out[i].target, >=, goal);
            g_assert_cmpuint(scene->out[i].target, <=, last->out[i].target);
        } else {
            g_assert_cmpuint(scene->out[i].target, <=, goal);
            g_assert_cmpuint(scene->out[i].target, >=, last->out[i].target);
        }
    }
}


/* As long as the demand is what it was: the goals of the first round are those of all, targets only approach them, and then nothing moves. */
static void
testConvergence(void)
{
    size_t runs = hosts(SUM_HOSTS / 30);

    while (runs-- > 0) {
        guint64 pace[GUESTS];
        bool blocks = chance(2);
        Scene scene, last;
        size_t round, i;

        usualScene(&scene);
        if (blocks)
            addInBlocks(&scene);
        for (i = 0; i < GUESTS; i++)
            pace[i] = 64 * MIB + rnd(2 * GIB);
        decide(&scene);
        for (round = 0; !isAtRest(&scene); round++) {
            g_assert_cmpuint(round, <, 2000);
            checkScene(&scene);
            last = scene;
            follow(&scene, pace);
            decide(&scene);
            if (!blocks)
                checkOneWay(&scene, &last);
        }
        for (i = 0; i < scene.n; i++) {
            /* what others keep because it is less than a granule may be missing, and the last block if there is no room for the whole of it: that
             * was counted, but for one of which the maximum leaves a part */
            const hvmemBalanceGuest *guest = scene.guests + i;
            bool tight = scene.summary.need + BLOCK > scene.summary.pool || (scene.out[i].goal == guest->maximum && reachOf(guest, guest->maximum) > guest->maximum);
            guint64 missing = (scene.n + 1) * HVMEM_BALANCE_GRANULE + (tight ? guest->blocks.size : 0);

            if (!scene.summary.over)
                g_assert_cmpuint(scene.guests[i].actual + missing, >=, MIN(scene.out[i].need, scene.out[i].goal));
        }
    }
}


static void
waver(Scene *scene,
      const guint64 *demand)
{
    size_t i;

    for (i = 0; i < scene->n; i++)
        scene->guests[i].demand = demand[i] + rnd(2 * MIB);
    decide(scene);
    checkSums(scene);
}


static bool
somebodyMoves(const Scene *scene)
{
    bool moves = false;
    size_t i;

    for (i = 0; i < scene->n; i++)
        moves = moves || MAX(scene->out[i].target, scene->guests[i].requested) - MIN(scene->out[i].target, scene->guests[i].requested) > 8 * MIB;
    return moves;
}


/* Demand that wavers by a little moves somebody by much now and then, and not again and again. */
static void
testNoise(void)
{
    size_t runs = hosts(SUM_HOSTS / 30);

    while (runs-- > 0) {
        guint64 pace[GUESTS], demand[GUESTS];
        Scene scene;
        size_t round, moves = 0;
        size_t i;

        usualScene(&scene);
        addInBlocks(&scene);
        for (i = 0; i < GUESTS; i++) {
            pace[i] = 8 * GIB;
            demand[i] = scene.guests[i].demand;
        }
        for (decide(&scene); !isAtRest(&scene); decide(&scene))
            follow(&scene, pace);
        for (round = 0; round < 40; round++) {
            waver(&scene, demand);
            moves += round >= 20 && somebodyMoves(&scene);
            follow(&scene, pace);
        }
        g_assert_cmpuint(moves, <, 17);
    }
}


/* What such a guest uses, as it is seen: never more than it has. */
static void
see(Scene *scene,
    const guint64 *uses)
{
    size_t i;

    for (i = 0; i < scene->n; i++) {
        hvmemBalanceGuest *guest = scene->guests + i;

        guest->demand = hvmemBalanceDemand(guest->actual, hvmemShareSub(guest->actual, uses[i]), HVMEM_BALANCE_UNKNOWN);
    }
}


/* The same if a guest that has too little cannot show how much it needs: it grows step by step, and comes to rest too. */
static void
testUnseenDemand(void)
{
    size_t runs = hosts(SUM_HOSTS / 30);

    while (runs-- > 0) {
        guint64 pace[GUESTS];
        guint64 uses[GUESTS];
        size_t round, i;
        unsigned quiet = 0;
        Scene scene;

        usualScene(&scene);
        for (i = 0; i < scene.n; i++) {
            pace[i] = 256 * MIB + rnd(2 * GIB);
            uses[i] = rnd(scene.guests[i].maximum);
        }
        for (round = 0; quiet < 5; round++) {
            g_assert_cmpuint(round, <, 3000);
            see(&scene, uses);
            decide(&scene);
            checkScene(&scene);
            quiet = isAtRest(&scene) ? quiet + 1 : 0;
            follow(&scene, pace);
        }
        /* if there is enough, all have what they use */
        for (i = 0; i < scene.n; i++) {
            if (scene.summary.wish <= poolOf(&scene))
                g_assert_cmpuint(scene.guests[i].actual, >=, uses[i]);
        }
    }
}


/* Some requests for less fail. */
static void
loseSome(Scene *scene)
{
    size_t i;

    for (i = 0; i < scene->n; i++) {
        if (chance(4))
            scene->out[i].target = MAX(scene->out[i].target, scene->guests[i].requested);
    }
}


static guint64
sumHeld(const Scene *scene)
{
    guint64 sum = 0;
    size_t i;

    for (i = 0; i < scene->n; i++)
        sum += scene->guests[i].actual;
    return sum;
}


/* One never gives back, one claims everything, one changes its mind all the time. The others have their minimum, and the budget holds. */
static void
testAdversaries(void)
{
    size_t runs = hosts(SUM_HOSTS / 100);

    while (runs-- > 0) {
        guint64 pace[GUESTS];
        guint64 most;
        Scene scene;
        size_t round, i;

        usualScene(&scene);
        scene.n = GUESTS;
        for (i = 0; i < GUESTS; i++) {
            scene.guests[i] = usualGuest();
            scene.guests[i].actual = scene.guests[i].requested = scene.guests[i].minimum;
            pace[i] = i == 0 ? 0 : 128 * MIB + rnd(GIB);
        }
        scene.host = (hvmemBalanceHost) { .budget = 0, .seconds = 30 };
        for (i = 0; i < GUESTS; i++)
            scene.host.budget += scene.guests[i].minimum;
        scene.host.budget += rnd(16 * GIB);
        scene.guests[0].actual = scene.guests[0].requested = MIN(scene.guests[0].maximum, scene.guests[0].minimum + scene.host.budget / GUESTS);

        most = MAX(scene.host.budget, sumHeld(&scene));
        for (round = 0; round < 100; round++) {
            scene.guests[1].demand = G_MAXUINT64 - 1;
            scene.guests[2].demand = round / 2 % 2 ? 0 : scene.guests[2].maximum;
            decide(&scene);
            checkScene(&scene);
            loseSome(&scene);
            follow(&scene, pace);
            g_assert_cmpuint(sumHeld(&scene), <=, most);
            for (i = 0; i < GUESTS; i++)
                g_assert_cmpuint(scene.guests[i].requested, >=, scene.guests[i].minimum);
        }
    }
}


/* One has most of the memory and gives back 4 KiB every nine seconds. What the others need is there without it, and they get it. */
static void
trickle(Scene *scene)
{
    hvmemPace paces[GUESTS] = { 0 };
    guint64 pace[GUESTS];
    size_t round, i;

    for (round = 0; round < 60; round++) {
        for (i = 0; i < scene->n; i++) {
            hvmemBalanceGuest *guest = scene->guests + i;

            guest->rate = hvmemPaceTake(paces + i, guest->actual, guest->requested, round);
            pace[i] = i > 0 ? GIB : round % 9 == 0 ? 4 : 0;
        }
        decide(scene);
        checkScene(scene);
        follow(scene, pace);
    }
    for (i = 1; i < scene->n; i++)
        g_assert_cmpuint(scene->guests[i].actual, >=, scene->guests[i].demand);
}


static void
testTrickle(void)
{
    size_t runs = hosts(SUM_HOSTS / 50);

    while (runs-- > 0) {
        Scene scene = { .n = 2 + rnd(GUESTS - 1) };
        size_t i;

        for (i = 0; i < scene.n; i++) {
            guint64 demand = GIB + rnd(4 * GIB);
            guint64 actual = i == 0 ? 16 * GIB : GIB + rnd(8 * GIB);

            scene.guests[i] = (hvmemBalanceGuest) { .minimum = GIB / 2, .maximum = 16 * GIB, .buffer = 20, .weight = 1 + rnd(400),
                                                    .demand = i == 0 ? GIB : demand, .actual = actual, .requested = actual };
            scene.host.budget += (i == 0 ? actual : demand / 8 * 9) + 2 * HVMEM_BALANCE_GRANULE;
        }
        trickle(&scene);
    }
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);
    startRandom();

    g_test_add_func("/hvmem/balance/anything", testAnything);
    g_test_add_func("/hvmem/balance/usual", testUsual);
    g_test_add_func("/hvmem/balance/budget", testBudgetIsUsed);
    g_test_add_func("/hvmem/balance/fairness", testFairness);
    g_test_add_func("/hvmem/balance/monotonicity", testMonotonicity);
    g_test_add_func("/hvmem/balance/liars", testLiars);
    g_test_add_func("/hvmem/balance/convergence", testConvergence);
    g_test_add_func("/hvmem/balance/noise", testNoise);
    g_test_add_func("/hvmem/balance/unseen-demand", testUnseenDemand);
    g_test_add_func("/hvmem/balance/adversaries", testAdversaries);
    g_test_add_func("/hvmem/balance/trickle", testTrickle);
    return g_test_run();
}
