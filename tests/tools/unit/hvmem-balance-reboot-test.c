/*
 * hvmem-balance-reboot-test.c: the balancer keeps room for a guest that is rebooted, with random hosts
 *
 * A guest that starts has its boot memory. One that was taken from below that takes it back.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-test-hosts.h"


static void
rebootScene(Scene *scene)
{
    size_t i;

    usualScene(scene);
    scene->host.reboots = true;
    scene->host.reserve = chance(2) ? 0 : scene->host.reserve;
    scene->host.starts = chance(2) ? 0 : rnd(4 * GIB);
    for (i = 0; i < scene->n; i++) {
        hvmemBalanceGuest *guest = scene->guests + i;

        guest->boot = chance(4) ? 0 : rnd(guest->maximum + GIB);
        guest->state = chance(6) ? HVMEM_BALANCE_PAUSED : HVMEM_BALANCE_READY;
    }
}


typedef guint64 (*Size)(const Scene *scene, size_t i);

static guint64
heldNow(const Scene *scene,
        size_t i)
{
    return MAX(scene->guests[i].actual, scene->guests[i].requested);
}


static guint64
heldThen(const Scene *scene,
         size_t i)
{
    return MAX(heldNow(scene, i), scene->out[i].target);
}


static guint64
goalOf(const Scene *scene,
       size_t i)
{
    if (!isActive(scene->guests + i))
        return heldNow(scene, i);
    return scene->out[i].move == HVMEM_BALANCE_STUCK ? scene->guests[i].actual : scene->out[i].goal;
}


/* What guests hold, with the reserve and what is kept: for one that starts, or for one of them that is rebooted, or for several that are small. */
static guint64
withReserve(const Scene *scene,
            Size size)
{
    guint64 sum = 0;
    guint64 back = 0;
    guint64 most = 0;
    size_t i;

    for (i = 0; i < scene->n; i++) {
        guint64 boot = scene->guests[i].boot;
        guint64 has = size(scene, i);
        guint64 more = boot > has ? boot - has : 0;

        sum += has;
        back += more;
        most = MAX(most, more);
    }
    return sum + MAX(MAX(scene->summary.reserve, scene->host.starts), scene->host.reboots ? MIN(back, MAX(most, scene->host.budget / HVMEM_BALANCE_RESERVE)) : 0);
}


static guint64
budgetOf(const Scene *scene)
{
    return hvmemShareSub(scene->host.budget, scene->host.used);
}


/* What a guest may have whoever is rebooted: what it uses, or its minimum. */
static guint64
needOf(const Scene *scene,
       size_t i)
{
    return MIN(MAX(scene->out[i].need, scene->guests[i].minimum), MAX(scene->guests[i].maximum, scene->guests[i].minimum));
}


/* Goals leave the reserve; only what guests use is more important. */
static void
checkGoals(const Scene *scene)
{
    bool fits = withReserve(scene, goalOf) <= budgetOf(scene);
    size_t i;

    for (i = 0; i < scene->n; i++) {
        if (!fits && isActive(scene->guests + i) && scene->out[i].move != HVMEM_BALANCE_STUCK)
            g_assert_cmpuint(scene->out[i].goal, <=, needOf(scene, i));
    }
}


/* No buffer is cut for more than that. */
static void
checkNoWaste(const Scene *scene)
{
    bool cut = false;
    size_t i;

    for (i = 0; i < scene->n; i++)
        cut = cut || scene->out[i].bound == HVMEM_BALANCE_BUFFER_CUT;
    if (cut && withReserve(scene, goalOf) <= budgetOf(scene))
        g_assert_cmpuint(withReserve(scene, goalOf) + 2 * scene->n + 2, >=, budgetOf(scene));
}


/* Requests in flight and the reserve never come to more than the budget because of a decision, but for what guests use. */
static void
checkFlight(const Scene *scene)
{
    guint64 before = withReserve(scene, heldNow);
    guint64 then = withReserve(scene, heldThen);
    size_t i;

    if (then <= MAX(before, budgetOf(scene)))
        return;
    for (i = 0; i < scene->n; i++) {
        if (scene->out[i].target > heldNow(scene, i))
            g_assert_cmpuint(scene->out[i].target, <=, needOf(scene, i));
    }
}


static void
checkScene(const Scene *scene)
{
    guint64 before = 0;
    guint64 then = 0;
    size_t i;

    for (i = 0; i < scene->n; i++) {
        before += heldNow(scene, i);
        then += heldThen(scene, i);
    }
    g_assert_cmpuint(then, <=, MAX(before, hvmemShareSub(budgetOf(scene), scene->summary.reserve)));
    checkGoals(scene);
    checkNoWaste(scene);
    checkFlight(scene);
}


static void
testFits(void)
{
    size_t runs = hosts(SUM_HOSTS);
    Scene scene;

    while (runs-- > 0) {
        rebootScene(&scene);
        decide(&scene);
        checkScene(&scene);
    }
}


/* Guests come to rest, and any of them can be rebooted then without that all hold more than the budget, unless they use what is missing. */
static void
testAnyReboots(void)
{
    size_t runs = hosts(SUM_HOSTS / 30);
    size_t could = 0;

    while (runs-- > 0) {
        guint64 pace[GUESTS];
        guint64 sum = 0;
        Scene scene, first;
        size_t round, i;

        rebootScene(&scene);
        for (i = 0; i < scene.n; i++) {
            pace[i] = 64 * MIB + rnd(2 * GIB);
            scene.guests[i].state = HVMEM_BALANCE_READY;
        }
        decide(&scene);
        first = scene;
        for (round = 0; !isAtRest(&scene); round++) {
            g_assert_cmpuint(round, <, 2000);
            checkScene(&scene);
            follow(&scene, pace);
            decide(&scene);
            for (i = 0; i < scene.n; i++)
                g_assert_cmpuint(scene.out[i].goal, ==, first.out[i].goal);
        }
        for (i = 0; i < scene.n; i++)
            sum += scene.guests[i].actual;
        /* what is less than a granule stays where it is */
        for (i = 0; i < scene.n && withReserve(&scene, goalOf) <= budgetOf(&scene); i++) {
            g_assert_cmpuint(sum + hvmemShareSub(scene.guests[i].boot, scene.guests[i].actual), <=,
                             budgetOf(&scene) + (scene.n + 1) * HVMEM_BALANCE_GRANULE);
            could++;
        }
    }
    g_assert_cmpuint(could, >, 0);
}


/* Whoever says how much to reserve has that, and no more. */
static void
testOnlyIfWanted(void)
{
    size_t runs = hosts(SUM_HOSTS / 10);
    Scene with, without;
    size_t i;

    while (runs-- > 0) {
        rebootScene(&with);
        with.host.reboots = false;
        without = with;
        for (i = 0; i < with.n; i++)
            without.guests[i].boot = 0;
        decide(&with);
        decide(&without);
        for (i = 0; i < with.n; i++)
            g_assert_cmpuint(with.out[i].target, ==, without.out[i].target);
    }
}


/* Two of 4 GiB boot memory on 6 GiB. One that uses 1 GiB leaves 3 GiB that it takes back: the other gets what it uses, but no buffer of that. */
static void
testExample(void)
{
    Scene scene = {
        .host = { .budget = 6 * GIB, .reboots = true }, .n = 2,
        .guests = {
            { .minimum = GIB, .maximum = 8 * GIB, .boot = 4 * GIB, .buffer = 20, .weight = 100, .demand = 512 * MIB, .actual = GIB, .requested = GIB,
              .rate = HVMEM_BALANCE_UNKNOWN },
            { .minimum = GIB, .maximum = 8 * GIB, .boot = 0, .buffer = 50, .weight = 100, .demand = GIB * 3 / 2, .actual = GIB * 3 / 2,
              .requested = GIB * 3 / 2, .rate = HVMEM_BALANCE_UNKNOWN },
        },
    };

    decide(&scene);
    g_assert_cmpuint(scene.out[0].goal, ==, GIB);
    g_assert_cmpuint(scene.out[1].goal, <=, 2 * GIB);
    g_assert_cmpuint(scene.out[1].goal + scene.n, >=, 2 * GIB);
    g_assert_cmpint(scene.out[1].bound, ==, HVMEM_BALANCE_BUFFER_CUT);
    g_assert_cmpuint(scene.summary.reboot, ==, 3 * GIB);
    /* what is kept is not free */
    g_assert_cmpuint(scene.summary.room, <, scene.n * HVMEM_BALANCE_GRANULE);

    scene.guests[1].demand = 4 * GIB;
    decide(&scene);
    g_assert_cmpuint(scene.out[1].goal, ==, 4 * GIB + 4 * GIB / 16);
    g_assert_cmpuint(scene.out[1].target, ==, scene.out[1].goal);

    /* its own reboot takes no more than it may have: what it holds of its boot memory costs nothing */
    scene.n = 1;
    scene.guests[0].demand = 3 * GIB;
    scene.host.budget = 4 * GIB;
    decide(&scene);
    g_assert_cmpuint(scene.out[0].goal, ==, 3 * GIB + 3 * GIB / 100 * 20 + 3 * GIB % 100 * 20 / 100);
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);
    startRandom();

    g_test_add_func("/hvmem/balance-reboot/fits", testFits);
    g_test_add_func("/hvmem/balance-reboot/any", testAnyReboots);
    g_test_add_func("/hvmem/balance-reboot/only-if-wanted", testOnlyIfWanted);
    g_test_add_func("/hvmem/balance-reboot/example", testExample);
    return g_test_run();
}
