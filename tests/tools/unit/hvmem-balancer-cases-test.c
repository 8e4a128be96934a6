/*
 * hvmem-balancer-cases-test.c: guests whose memory others could not have, and figures that are missing, late or another process's
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-balance-text.h"
#include "hvmem-test-balancer.h"


/*
 * Guests that have nothing to give
 */

static void
useHugePages(hvmemDomain *dom,
             guint64 boot,
             guint64 stickPage)
{
    hvmemPages pages = { .size = 2 * MIB, .bytes = boot };

    dom->needs.stickPage = stickPage;
    g_array_append_val(dom->needs.hugepages, pages);
}


/* The guest follows at once. */
static void
follow(hvmemBalanced *guest)
{
    guest->dom->current = guest->dom->requested = hvmemFromKiB(guest->out.target);
    hvmemBalancedAsked(guest);
}


/* The host is short of memory, and has no more of it whatever these guests do. */
static void
assertNoneMoves(hvmemBalancer *balancer,
                hvmemBalanced *a,
                hvmemBalanced *b)
{
    static const hvmemPressure tight = { .total = 64 * GIB, .available = GIB, .huge = 32 * GIB, .swappedOut = HVMEM_UNKNOWN };
    int i;

    for (i = 0; i < 20; i++) {
        g_assert_true(hvmemBalancerDecide(balancer, &tight, 100 + i, NULL));
        follow(a);
        follow(b);
    }
    g_assert_cmpuint(a->dom->requested, ==, 2 * GIB);
    g_assert_cmpuint(b->dom->requested, ==, 2 * GIB);
    g_assert_cmpint(a->in.state, ==, HVMEM_BALANCE_FIXED);
    g_assert_false(balancer->summary.over);
}


/* What a guest in huge pages gives back goes to their pool. */
static void
testHuge(void)
{
    g_autoptr(hvmemBalancer) balancer = hvmemBalancerNew();
    hvmemBalanced *a = addGuest(balancer, "a", GIB);
    hvmemBalanced *b = addGuest(balancer, "b", GIB);
    g_autofree char *reason = NULL;

    useHugePages(a->dom, 4 * GIB, 2 * MIB);
    useHugePages(b->dom, 4 * GIB, 2 * MIB);
    assertNoneMoves(balancer, a, b);
    reason = hvmemBalanceReason(a);
    g_assert_cmpstr(reason, ==, "left alone: its memory is in huge pages or locked, and others could not have what it gives back");

    /* none of the usual memory is kept for its reboot, nor for its start, whether it is automatic or not */
    g_assert_cmpuint(balancer->summary.reboot, ==, 0);
    g_assert_cmpuint(balancer->host.starts, ==, 0);
    a->settings.on = false;
    b->dom->active = false;
    decide(balancer, 200);
    g_assert_cmpuint(balancer->host.starts, ==, 0);
}


/* Locked memory is not discarded. */
static void
testLocked(void)
{
    g_autoptr(hvmemBalancer) balancer = hvmemBalancerNew();
    hvmemBalanced *a = addGuest(balancer, "a", GIB);
    hvmemBalanced *b = addGuest(balancer, "b", GIB);

    a->dom->locked = b->dom->locked = true;
    a->dom->rss = b->dom->rss = 4 * GIB;
    assertNoneMoves(balancer, a, b);
}


/* Others have what is available, whatever these have: 2 GiB are the host's own. */
static void
testBesideHuge(void)
{
    static const hvmemPressure host = { .total = 64 * GIB, .available = 10 * GIB, .swappedOut = HVMEM_UNKNOWN };
    g_autoptr(hvmemBalancer) balancer = hvmemBalancerNew();
    hvmemBalanced *huge = addGuest(balancer, "a", GIB);

    addGuest(balancer, "b", GIB);
    useHugePages(huge->dom, 4 * GIB, 2 * MIB);
    g_assert_true(hvmemBalancerDecide(balancer, &host, 100, NULL));
    g_assert_cmpuint(balancer->summary.pool, ==, 9 * GIB / 1024);

    /* one of its cells only: the rest of what it has is what its process does */
    huge->dom->needs.stickPage = 0;
    g_array_set_size(huge->dom->needs.hugepages, 0);
    useHugePages(huge->dom, GIB, 0);
    huge->dom->rss = GIB / 2;
    g_assert_true(hvmemBalancerDecide(balancer, &host, 200, NULL));
    g_assert_cmpint(huge->in.state, ==, HVMEM_BALANCE_FIXED);
    g_assert_cmpuint(balancer->host.budget, ==, (8 * GIB + 2 * GIB + GIB / 2) / 1024);
}


/*
 * A guest to which memory is added
 */

/* Linux takes whole blocks of 128 MiB, and then releases what is beyond the request: it may hold so much, whether it is automatic or not. */
static void
testBlocks(void)
{
    g_autoptr(hvmemBalancer) balancer = hvmemBalancerNew();
    hvmemBalanced *a = addGuest(balancer, "a", GIB);

    a->dom->alignment = 128 * MIB;
    a->dom->released = 64 * MIB;
    a->dom->requested = a->dom->current + 65 * MIB;
    decide(balancer, 100);
    g_assert_cmpuint(balancer->summary.held * 1024, ==, a->dom->current + 192 * MIB);
    a->dom->requested = a->dom->current + 64 * MIB;
    decide(balancer, 200);
    g_assert_cmpuint(balancer->summary.held * 1024, ==, a->dom->requested);


    /* one that says it takes more at a time keeps no more than Linux's largest block from others, nor more than it may have */
    a->dom->alignment = 32 * GIB;
    a->dom->requested = a->dom->current + 65 * MIB;
    decide(balancer, 300);
    g_assert_cmpuint(balancer->summary.held * 1024, <=, a->dom->current + 64 * MIB + 2 * GIB);
    a->dom->alignment = 128 * MIB;

    /* a request that was lowered while it takes it */
    a->dom->requested = a->dom->current + 3 * GIB;
    g_free(a->dom->state);
    a->dom->state = g_strdup("adding");
    decide(balancer, 400);
    a->dom->requested = a->dom->current;
    decide(balancer, 500);
    g_assert_cmpuint(balancer->summary.held * 1024, ==, a->dom->current + 2 * GIB);
    g_free(a->dom->state);
    a->dom->state = g_strdup("late");
    decide(balancer, 600);
    g_assert_cmpuint(balancer->summary.held * 1024, ==, a->dom->current + 2 * GIB);

    a->settings.on = false;
    decide(balancer, 700);
    g_assert_cmpuint(balancer->host.used * 1024, ==, a->dom->current + 2 * GIB);
    g_free(a->dom->state);
    a->dom->state = g_strdup("idle");
    a->dom->requested = a->dom->current + 65 * MIB;
    decide(balancer, 800);
    g_assert_cmpuint(balancer->host.used * 1024, ==, a->dom->current + 192 * MIB);
}


/*
 * A guest that has not told what it holds
 */

/* With 4 GiB, of which it uses so much that it has its buffer. */
static hvmemBalanced *
addFull(hvmemBalancer *balancer,
        const char *name)
{
    hvmemBalanced *guest = addGuest(balancer, name, 680 * MIB);

    guest->dom->current = guest->dom->requested = guest->dom->rss = 4 * GIB;
    return guest;
}


/* One that is migrated to here: it is paused, and takes what is available step by step. */
static hvmemBalanced *
addArriving(hvmemBalancer *balancer)
{
    hvmemBalanced *guest = addFull(balancer, "c");

    guest->dom->paused = true;
    guest->dom->rss = HVMEM_UNKNOWN;
    return guest;
}


static void
assertArriving(hvmemBalancer *balancer,
               guint64 needs)
{
    hvmemPressure host = { .total = 16 * GIB, .available = 7 * GIB, .swappedOut = HVMEM_UNKNOWN };
    hvmemBalanced *a = addFull(balancer, "a");
    hvmemBalanced *b = addFull(balancer, "b");
    hvmemBalanced *c = addArriving(balancer);
    int i;

    a->dom->boot = b->dom->boot = needs;
    for (i = 0; i <= 20; i++) {
        host.available = 7 * GIB - i * 200 * MIB;
        g_assert_true(hvmemBalancerDecide(balancer, &host, 100 + i, NULL));
        g_assert_cmpint(c->in.state, ==, HVMEM_BALANCE_PAUSED);
        g_assert_cmpuint(a->out.target, ==, 4 * GIB / 1024);
        g_assert_cmpuint(b->out.target, ==, 4 * GIB / 1024);
    }

    /* another may need more now: there is none that is known of */
    a->dom->usable = 0;
    g_assert_true(hvmemBalancerDecide(balancer, &host, 121, NULL));
    g_assert_cmpuint(a->out.target, >=, 4 * GIB / 1024);
    g_assert_cmpuint(MAX(a->in.requested, a->out.target) + MAX(b->in.requested, b->out.target), <=, 8 * GIB / 1024);

    /* it has told */
    c->dom->rss = 4 * GIB;
    c->dom->paused = false;
    g_assert_true(hvmemBalancerDecide(balancer, &host, 122, NULL));
    g_assert_cmpuint(a->out.target, >, 4 * GIB / 1024);
}


/* Its memory is not missing twice, nor is it there twice; whatever is kept for reboots. */
static void
testArriving(void)
{
    g_autoptr(hvmemBalancer) balancer = hvmemBalancerNew();
    g_autoptr(hvmemBalancer) keeping = hvmemBalancerNew();

    assertArriving(balancer, 4 * GIB);
    assertArriving(keeping, 5 * GIB);
}


/* A budget that was given is the most. */
static void
testArrivingBudget(void)
{
    static const hvmemPressure host = { .total = 16 * GIB, .available = 3 * GIB, .swappedOut = HVMEM_UNKNOWN };
    g_autoptr(hvmemBalancer) balancer = hvmemBalancerNew();

    addFull(balancer, "a");
    addFull(balancer, "b");
    addArriving(balancer);
    balancer->budget = 11 * GIB;
    g_assert_true(hvmemBalancerDecide(balancer, &host, 100, NULL));
    g_assert_cmpuint(balancer->host.budget, ==, 11 * GIB / 1024);
}


/*
 * A guest that may start
 */

/* Uses 30 of 33 GiB, on a host that has 46 for guests and their starts; another that is shut off would take 24. */
static hvmemBalanced *
addUserAndStart(hvmemBalancer *balancer)
{
    hvmemBalanced *guest = addGuest(balancer, "a", 3 * GIB);
    hvmemBalanced *off = addGuest(balancer, "b", GIB);

    guest->dom->maxMemory = 64 * GIB;
    guest->dom->current = guest->dom->requested = guest->dom->rss = guest->dom->total = 33 * GIB;
    off->dom->active = false;
    off->dom->boot = 24 * GIB;
    return guest;
}


/* What a guest uses is not taken from it for one that may never be started; its buffer is, and idle memory. */
static void
testStart(void)
{
    static const hvmemPressure host = { .total = 64 * GIB, .available = 15 * GIB, .swappedOut = HVMEM_UNKNOWN };
    g_autoptr(hvmemBalancer) balancer = hvmemBalancerNew();
    hvmemBalanced *guest = addUserAndStart(balancer);

    g_assert_true(hvmemBalancerDecide(balancer, &host, 100, NULL));
    g_assert_cmpuint(balancer->host.starts, ==, 24 * GIB / 1024);
    g_assert_cmpint(guest->out.bound, ==, HVMEM_BALANCE_BUFFER_CUT);
    g_assert_cmpuint(guest->out.target, >, 30 * GIB / 1024);
    g_assert_cmpuint(guest->out.target, <, 33 * GIB / 1024);

    /* nor kept from it */
    guest->dom->usable = 0;
    g_assert_true(hvmemBalancerDecide(balancer, &host, 101, NULL));
    g_assert_cmpuint(guest->out.target, >, 40 * GIB / 1024);

    /* a reserve that was given is kept all the same */
    balancer->reserve = 24 * GIB;
    g_assert_true(hvmemBalancerDecide(balancer, &host, 102, NULL));
    g_assert_cmpint(guest->out.bound, ==, HVMEM_BALANCE_DEMAND_CUT);
    g_assert_cmpuint(guest->out.target, <=, 22 * GIB / 1024);
}


/* What is kept for it is nobody's while a guest arrives. */
static void
testStartArriving(void)
{
    static const hvmemPressure host = { .total = 64 * GIB, .available = 15 * GIB, .swappedOut = HVMEM_UNKNOWN };
    g_autoptr(hvmemBalancer) balancer = hvmemBalancerNew();
    hvmemBalanced *guest = addUserAndStart(balancer);
    int i;

    addArriving(balancer);
    for (i = 0; i < 2; i++) {
        g_assert_true(hvmemBalancerDecide(balancer, &host, 100 + i, NULL));
        g_assert_cmpuint(guest->out.target, ==, 33 * GIB / 1024);
        guest->dom->usable = 0;
    }
}


/*
 * A guest that was started again
 */

/* Between two looks: nothing that was known of the process before is the new one's. */
static void
testRestarted(void)
{
    g_autoptr(hvmemBalancer) balancer = hvmemBalancerNew();
    hvmemBalanced *guest = addGuest(balancer, "a", GIB / 8);

    g_assert_true(hvmemBalancedMeet(guest, 7));
    decide(balancer, 100);
    hvmemBalancedAsked(guest);
    guest->dom->requested = hvmemFromKiB(guest->out.target);
    guest->refused = 101;
    g_assert_true(hvmemBalancedMeet(guest, 7));
    g_assert_true(hvmemBalancedMeet(guest, 0));
    decide(balancer, 102);
    g_assert_false(guest->foreign);
    g_assert_cmpint(guest->in.state, ==, HVMEM_BALANCE_REFUSED);
    g_assert_cmpuint(guest->rss, ==, GIB);

    g_assert_false(hvmemBalancedMeet(guest, 8));
    g_assert_cmpuint(guest->rss, ==, 0);
    decide(balancer, 103);
    g_assert_false(guest->foreign);
    g_assert_cmpint(guest->in.state, ==, HVMEM_BALANCE_READY);
    guest->dom->requested = 4 * GIB;
    decide(balancer, 104);
    g_assert_false(guest->foreign);
    guest->dom->requested = 3 * GIB;
    decide(balancer, 105);
    g_assert_true(guest->foreign);

    /* what is not told is nobody's request */
    guest->dom->requested = HVMEM_UNKNOWN;
    decide(balancer, 106);
    g_assert_false(guest->foreign);
}


/* Who has requested something while there was no connection is not known, and an id may be that of the next start. */
static void
testLost(void)
{
    g_autoptr(hvmemBalancer) balancer = hvmemBalancerNew();
    hvmemBalanced *guest = addGuest(balancer, "a", GIB / 8);

    g_assert_true(hvmemBalancedMeet(guest, 8));
    decide(balancer, 100);
    hvmemBalancerLost(balancer);
    guest->dom->requested = 4 * GIB;
    g_assert_true(hvmemBalancedMeet(guest, 3));
    decide(balancer, 101);
    g_assert_false(guest->foreign);
    g_assert_false(hvmemBalancedMeet(guest, 8));
}


#define RUNNING(id, gib) \
    "<domain type='kvm' id='" id "'><name>g</name><maxMemory unit='GiB'>8</maxMemory><memory unit='GiB'>4</memory>" \
    "<metadata>" AUTO("") "</metadata><devices><memballoon model='hyperv'><requested unit='GiB'>" gib "</requested></memballoon></devices></domain>"


static hvmemBalanced *
readRunning(hvmemBalancer *balancer,
            const char *xml,
            double now)
{
    g_assert_true(hvmemBalancerRead(balancer, "g", "u", true, xml, NULL));
    decide(balancer, now);
    return hvmemBalancerGet(balancer, "u");
}


/* The same by the definition, which is read now and then. */
static void
testRestartedByXML(void)
{
    g_autoptr(hvmemBalancer) balancer = hvmemBalancerNew();
    hvmemBalanced *guest = readRunning(balancer, RUNNING("7", "2"), 100);

    g_assert_cmpuint(guest->dom->id, ==, 7);
    guest->refused = 100;
    g_assert_true(readRunning(balancer, RUNNING("7", "3"), 101)->foreign);
    g_assert_cmpfloat(guest->refused, ==, 100);
    g_assert_false(readRunning(balancer, RUNNING("8", "4"), 102)->foreign);
    g_assert_cmpfloat(guest->refused, ==, -1);
}


/* After an hour without a decision, what is idle is not taken all at once: nobody knows whether it was idle so long. */
static void
testLongPause(void)
{
    g_autoptr(hvmemBalancer) balancer = hvmemBalancerNew();
    hvmemBalanced *guest = addGuest(balancer, "a", 7 * GIB);

    guest->dom->current = guest->dom->requested = guest->dom->rss = 8 * GIB;
    decide(balancer, 100);
    g_assert_cmpuint(guest->out.target, ==, 8 * GIB / 1024);
    decide(balancer, 100 + HVMEM_BALANCER_IDLE);
    g_assert_cmpuint(guest->out.target, <, 8 * GIB / 1024);
    decide(balancer, 3700);
    g_assert_cmpuint(guest->out.target, <, 8 * GIB / 1024);
    g_assert_cmpuint(guest->out.target, >, 7 * GIB / 1024 + GIB / 2048);
}


/* A guest that libvirt refuses each time is asked once a minute, and named once. */
static void
testRefusedAgain(void)
{
    g_autoptr(hvmemBalancer) balancer = hvmemBalancerNew();
    hvmemBalanced *guest = addGuest(balancer, "a", GIB / 8);
    int i;

    for (i = 0; i < 300; i++) {
        decide(balancer, 100 + i);
        if (hvmemBalancedMoves(guest))
            g_assert_true(hvmemBalancedRefused(guest, i % 2 ? "not 300 KiB" : "not 5 KiB", 100 + i) == (i == 0));
    }
    g_assert_true(hvmemBalancedRefused(guest, "another reason", 500));
    g_assert_false(hvmemBalancedRefused(guest, "another reason", 600));
    hvmemBalancedWell(guest);
    g_assert_true(hvmemBalancedRefused(guest, "another reason", 700));
}


/*
 * A guest that does not take what was requested
 */

static void
setState(hvmemBalanced *guest,
         const char *state)
{
    g_free(guest->dom->state);
    guest->dom->state = g_strdup(state);
}


/* Was asked for 6 GiB and has 4, all of which it uses; so does another. There are 10. */
static hvmemBalanced *
addFailing(hvmemBalancer *balancer,
           const char *state)
{
    hvmemBalanced *other = addGuest(balancer, "b", 0);
    hvmemBalanced *guest = addGuest(balancer, "a", 0);

    balancer->budget = 10 * GIB;
    balancer->reserve = 0;
    guest->dom->current = other->dom->current = other->dom->requested = 4 * GIB;
    guest->dom->requested = 6 * GIB;
    setState(guest, state);
    return guest;
}


/* What a guest's driver refuses, or does not use, is not kept from others for more than a minute. It is as any other then, but has no more than it took; and
 * after ten minutes it is asked again. */
static void
assertGivesUp(const char *state)
{
    g_autoptr(hvmemBalancer) balancer = hvmemBalancerNew();
    hvmemBalanced *guest = addFailing(balancer, state);
    hvmemBalanced *other = hvmemBalancerGet(balancer, "b");
    g_autofree char *reason = NULL;
    int i;

    for (i = 0; i < 60; i++) {
        decide(balancer, 100 + i);
        g_assert_cmpint(guest->out.bound, ==, HVMEM_BALANCE_LEFT_ALONE);
        g_assert_false(hvmemBalancedMoves(guest) || hvmemBalancedMoves(other));
    }
    decide(balancer, 160);
    g_assert_cmpuint(guest->out.target, ==, 4 * GIB / 1024);
    reason = hvmemBalanceReason(guest);
    g_assert_cmpstr(reason, ==, "has not taken what was requested: others may have the rest");
    follow(guest);
    setState(guest, "idle");

    decide(balancer, 161);
    g_assert_false(guest->foreign || hvmemBalancedMoves(guest));
    g_assert_cmpuint(other->out.target, >, 5 * GIB / 1024);
    g_assert_true(hvmemBalancedGaveUp(guest));
    decide(balancer, 759);
    g_assert_false(hvmemBalancedMoves(guest));
    decide(balancer, 760);
    g_assert_cmpuint(guest->out.target, >, 4 * GIB / 1024);
    g_assert_false(hvmemBalancedGaveUp(guest));
}


static void
testGivesUp(void)
{
    assertGivesUp("not-onlined");
    assertGivesUp("refused");
}


/* At once if it was rebooted, or somebody has requested another size; and one that is only slow, or left alone for another reason, is waited for. */
static void
testAskedAgain(void)
{
    g_autoptr(hvmemBalancer) balancer = hvmemBalancerNew();
    hvmemBalanced *guest = addFailing(balancer, "not-onlined");

    decide(balancer, 100);
    decide(balancer, 160);
    g_assert_true(hvmemBalancedGaveUp(guest));
    setState(guest, "disconnected");
    decide(balancer, 161);
    g_assert_false(hvmemBalancedGaveUp(guest));

    setState(guest, "refused");
    decide(balancer, 200);
    decide(balancer, 260);
    g_assert_true(hvmemBalancedGaveUp(guest));
    guest->dom->requested = 7 * GIB;
    decide(balancer, 261);
    g_assert_false(hvmemBalancedGaveUp(guest));
    g_assert_cmpint(guest->in.state, ==, HVMEM_BALANCE_REFUSED);

    setState(guest, "adding");
    decide(balancer, 330);
    decide(balancer, 400);
    g_assert_false(hvmemBalancedGaveUp(guest));
    setState(guest, "refused");
    guest->settings.hold = G_MAXINT64;
    decide(balancer, 500);
    decide(balancer, 600);
    g_assert_false(hvmemBalancedGaveUp(guest));
    g_assert_false(hvmemBalancedMoves(guest));
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/hvmem/balancer/huge", testHuge);
    g_test_add_func("/hvmem/balancer/locked", testLocked);
    g_test_add_func("/hvmem/balancer/beside-huge", testBesideHuge);
    g_test_add_func("/hvmem/balancer/blocks", testBlocks);
    g_test_add_func("/hvmem/balancer/arriving", testArriving);
    g_test_add_func("/hvmem/balancer/arriving-budget", testArrivingBudget);
    g_test_add_func("/hvmem/balancer/start", testStart);
    g_test_add_func("/hvmem/balancer/start-arriving", testStartArriving);
    g_test_add_func("/hvmem/balancer/restarted", testRestarted);
    g_test_add_func("/hvmem/balancer/lost", testLost);
    g_test_add_func("/hvmem/balancer/restarted-by-xml", testRestartedByXML);
    g_test_add_func("/hvmem/balancer/long-pause", testLongPause);
    g_test_add_func("/hvmem/balancer/refused-again", testRefusedAgain);
    g_test_add_func("/hvmem/balancer/gives-up", testGivesUp);
    g_test_add_func("/hvmem/balancer/asked-again", testAskedAgain);
    return g_test_run();
}
