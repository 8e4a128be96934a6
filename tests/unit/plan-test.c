/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * plan-test.c: the planner, by example and by property
 */

#include "qemu_hvballoon_plan.h"

#include <string.h>

#define MIB 1024ULL
#define GIB (1024 * MIB)
#define TIB (1024 * GIB)
#define MAX_STICKS 512

/* A machine that does what a plan says. */
typedef struct {
    qemuHvBalloonPlanInput in;
    qemuHvBalloonPlanStick sticks[MAX_STICKS];
    guint64 target;
} Machine;

static void
machineInit(Machine *m, guint64 boot, guint64 maxMemory)
{
    memset(m, 0, sizeof(*m));
    m->in.boot = boot;
    m->in.maxMemory = maxMemory;
    m->in.alignment = QEMU_HVBALLOON_GUEST_ALIGNMENT;
    m->in.freeSlots = QEMU_HVBALLOON_UNLIMITED;
    m->in.freeSpace = QEMU_HVBALLOON_UNLIMITED;
    m->in.sticks = m->sticks;
}

static const char *const names[] = { "ua-haprot0", "ua-haprot1", "ua-haprot2", "ua-haprot3" };

static void
machineAdd(Machine *m, guint64 size, qemuHvBalloonStickState state, bool byDriver)
{
    qemuHvBalloonPlanStick stick = {
        .alias = names[m->in.nsticks % G_N_ELEMENTS(names)],
        .size = size, .state = state, .byDriver = byDriver,
    };

    g_assert_cmpuint(m->in.nsticks, <, MAX_STICKS);
    m->sticks[m->in.nsticks++] = stick;
}

static void
machineRemove(Machine *m, const qemuHvBalloonStep *step)
{
    size_t i;

    /* aliases repeat in the long runs: state and owner must fit too */
    for (i = 0; i < m->in.nsticks; i++) {
        if (m->sticks[i].size == step->size && m->sticks[i].byDriver &&
            m->sticks[i].state != QEMU_HVBALLOON_STICK_INUSE &&
            g_strcmp0(m->sticks[i].alias, step->alias) == 0)
            break;
    }
    g_assert_cmpuint(i, <, m->in.nsticks);
    memmove(&m->sticks[i], &m->sticks[i + 1], (m->in.nsticks - i - 1) * sizeof(m->sticks[0]));
    m->in.nsticks--;
}

static size_t
machineApply(Machine *m, const qemuHvBalloonPlan *plan)
{
    size_t plugs = 0;
    size_t i;

    for (i = 0; i < plan->nsteps; i++) {
        const qemuHvBalloonStep *step = &plan->steps[i];

        g_assert_nonnull(step->reason);
        switch (step->type) {
        case QEMU_HVBALLOON_STEP_PLUG:
            g_assert_cmpuint(i, ==, 0);
            g_assert_cmpuint(step->size, >, 0);
            g_assert_cmpuint(step->size % QEMU_HVBALLOON_STICK_GRANULE, ==, 0);
            machineAdd(m, step->size, QEMU_HVBALLOON_STICK_IDLE, true);
            plugs++;
            break;
        case QEMU_HVBALLOON_STEP_BALLOON:
            g_assert_cmpuint(step->size, >, 0);
            m->target = step->size;
            break;
        case QEMU_HVBALLOON_STEP_UNPLUG:
            machineRemove(m, step);
            break;
        }
    }

    g_assert_cmpuint(plugs, <=, 1);
    return plugs;
}

static size_t
setTarget(Machine *m, guint64 target)
{
    g_autofree char *refusal = NULL;
    g_autoptr(qemuHvBalloonPlan) plan = qemuHvBalloonPlanSetTarget(&m->in, target, &refusal);

    g_assert_cmpstr(refusal, ==, NULL);
    g_assert_nonnull(plan);
    return machineApply(m, plan);
}

static void
assertRefused(Machine *m, guint64 target, const char *word)
{
    g_autofree char *refusal = NULL;
    g_autoptr(qemuHvBalloonPlan) plan = qemuHvBalloonPlanSetTarget(&m->in, target, &refusal);

    g_assert_null(plan);
    g_assert_nonnull(refusal);
    if (!strstr(refusal, word))
        g_error("'%s' does not name '%s'", refusal, word);
}

static void
testGrowPlugsOne(void)
{
    Machine m;

    machineInit(&m, 1 * GIB, 8 * GIB);
    g_assert_cmpuint(setTarget(&m, 3 * GIB), ==, 1);
    g_assert_cmpuint(m.in.nsticks, ==, 1);
    g_assert_cmpuint(m.sticks[0].size, ==, 2 * GIB);
    g_assert_cmpuint(m.target, ==, 3 * GIB);
}

static void
testSmallGrowTakesShare(void)
{
    Machine m;

    machineInit(&m, 8 * GIB, 64 * GIB);
    setTarget(&m, 8 * GIB + 64 * MIB);
    g_assert_cmpuint(m.sticks[0].size, ==, 1 * GIB);
}

static void
testGrowWithinSharePlugsNothing(void)
{
    Machine m;

    machineInit(&m, 8 * GIB, 64 * GIB);
    setTarget(&m, 8 * GIB + 64 * MIB);
    g_assert_cmpuint(setTarget(&m, 9 * GIB), ==, 0);
    g_assert_cmpuint(m.target, ==, 9 * GIB);
}

static void
testRoundedToAlignment(void)
{
    Machine m;

    machineInit(&m, 1 * GIB, 64 * GIB);
    setTarget(&m, 1 * GIB + 1);
    g_assert_cmpuint(m.sticks[0].size, ==, 128 * MIB);

    machineInit(&m, 1 * GIB, 64 * GIB);
    m.in.alignment = 2 * GIB;
    setTarget(&m, 1 * GIB + 1);
    g_assert_cmpuint(m.sticks[0].size, ==, 2 * GIB);
}

static void
testOddStickIsCompleted(void)
{
    Machine m;

    /* 200 MiB are there, the guest can take 128 of them */
    machineInit(&m, 1 * GIB, 8 * GIB);
    machineAdd(&m, 200 * MIB, QEMU_HVBALLOON_STICK_INUSE, true);
    g_assert_cmpuint(qemuHvBalloonPlanReachable(&m.in), ==, 1 * GIB + 128 * MIB);
    m.in.costly = true;
    g_assert_cmpuint(setTarget(&m, 1 * GIB + 190 * MIB), ==, 1);
    g_assert_cmpuint(m.sticks[1].size, ==, 184 * MIB);
    g_assert_cmpuint(qemuHvBalloonPlanReachable(&m.in), ==, 1 * GIB + 384 * MIB);
}

static void
testOddStickAtCeiling(void)
{
    Machine m;

    /* nothing more fits: the guest gets what it can, no refusal */
    machineInit(&m, 1 * GIB, 1 * GIB + 200 * MIB);
    machineAdd(&m, 200 * MIB, QEMU_HVBALLOON_STICK_INUSE, true);
    g_assert_cmpuint(setTarget(&m, 1 * GIB + 200 * MIB), ==, 0);
    g_assert_cmpuint(m.target, ==, 1 * GIB + 200 * MIB);
}

static void
testCeilingCutsShare(void)
{
    Machine m;

    machineInit(&m, 8 * GIB, 8 * GIB + 512 * MIB);
    setTarget(&m, 8 * GIB + 64 * MIB);
    g_assert_cmpuint(m.sticks[0].size, ==, 512 * MIB);
}

static void
testOddCeiling(void)
{
    Machine m;

    /* the last KiB are no stick: the target is cut, not refused */
    machineInit(&m, 1 * GIB, 2 * GIB + 3);
    setTarget(&m, 2 * GIB + 3);
    g_assert_cmpuint(m.sticks[0].size, ==, 1 * GIB);
    g_assert_cmpuint(m.target, ==, 2 * GIB);
    assertRefused(&m, 2 * GIB + 3, "leaves no room");
}

static void
testCostlyIsExact(void)
{
    Machine m;

    machineInit(&m, 64 * GIB, 128 * GIB);
    m.in.costly = true;
    setTarget(&m, 64 * GIB + 256 * MIB);
    g_assert_cmpuint(m.sticks[0].size, ==, 256 * MIB);
}

static void
testHugePageGranule(void)
{
    Machine m;

    machineInit(&m, 4 * GIB, 64 * GIB);
    m.in.costly = true;
    m.in.granule = 1 * GIB;
    setTarget(&m, 4 * GIB + 100 * MIB);
    g_assert_cmpuint(m.sticks[0].size, ==, 1 * GIB);
}

static void
testLimitsAreNamed(void)
{
    Machine m;

    machineInit(&m, 1 * GIB, 8 * GIB);
    m.in.minimum = 512 * MIB;
    assertRefused(&m, 0, "cannot be 0");
    assertRefused(&m, 512 * MIB - 1, "<minimum> of the balloon, 524288 KiB");
    assertRefused(&m, 8 * GIB + 1, "<maxMemory> 8388608 KiB");
    assertRefused(&m, G_MAXUINT64, "<maxMemory> 8388608 KiB");

    m.in.freeSlots = 0;
    assertRefused(&m, 2 * GIB, "slot");
    m.in.freeSlots = 1;
    m.in.freeSpace = 256 * MIB;
    assertRefused(&m, 2 * GIB, "262144 KiB");

    machineInit(&m, 1 * GIB, 0);
    assertRefused(&m, 2 * GIB, "no <maxMemory>");
    g_assert_cmpuint(setTarget(&m, 512 * MIB), ==, 0);
}

static void
testShareYieldsToSpace(void)
{
    Machine m;

    machineInit(&m, 8 * GIB, 64 * GIB);
    m.in.freeSpace = 512 * MIB;
    setTarget(&m, 8 * GIB + 256 * MIB);
    g_assert_cmpuint(m.sticks[0].size, ==, 256 * MIB);
}

static void
testShrinkLeavesUsedSticks(void)
{
    Machine m;

    machineInit(&m, 1 * GIB, 8 * GIB);
    machineAdd(&m, 1 * GIB, QEMU_HVBALLOON_STICK_INUSE, true);
    machineAdd(&m, 1 * GIB, QEMU_HVBALLOON_STICK_UNUSED, false);
    setTarget(&m, 512 * MIB);
    g_assert_cmpuint(m.in.nsticks, ==, 2);
}

static void
testShrinkRemovesUnneeded(void)
{
    Machine m;

    machineInit(&m, 1 * GIB, 8 * GIB);
    machineAdd(&m, 1 * GIB, QEMU_HVBALLOON_STICK_UNUSED, true);
    machineAdd(&m, 2 * GIB, QEMU_HVBALLOON_STICK_IDLE, true);
    machineAdd(&m, 1 * GIB, QEMU_HVBALLOON_STICK_INUSE, true);
    setTarget(&m, 2 * GIB + 1);
    g_assert_cmpuint(m.in.nsticks, ==, 2);
    g_assert_cmpuint(qemuHvBalloonPlanTotal(&m.in), ==, 3 * GIB);
    setTarget(&m, 2 * GIB);
    g_assert_cmpuint(m.in.nsticks, ==, 1);
    g_assert_cmpint(m.sticks[0].state, ==, QEMU_HVBALLOON_STICK_INUSE);
}

static void
testKeepTotal(void)
{
    Machine m;

    machineInit(&m, 1 * GIB, 8 * GIB);
    machineAdd(&m, 1 * GIB, QEMU_HVBALLOON_STICK_IDLE, true);
    m.in.keepTotal = 2 * GIB;
    setTarget(&m, 1 * GIB);
    g_assert_cmpuint(m.in.nsticks, ==, 1);
    m.in.keepTotal = 0;
    setTarget(&m, 1 * GIB);
    g_assert_cmpuint(m.in.nsticks, ==, 0);
}

static void
testSetTotal(void)
{
    g_autofree char *refusal = NULL;
    g_autoptr(qemuHvBalloonPlan) up = NULL;
    g_autoptr(qemuHvBalloonPlan) same = NULL;
    g_autoptr(qemuHvBalloonPlan) down = NULL;
    Machine m;

    machineInit(&m, 1 * GIB, 8 * GIB);
    up = qemuHvBalloonPlanSetTotal(&m.in, 1 * GIB + 10 * MIB, 1 * GIB, &refusal);
    g_assert_nonnull(up);
    machineApply(&m, up);
    g_assert_cmpuint(qemuHvBalloonPlanTotal(&m.in), ==, 1 * GIB + 10 * MIB);
    g_assert_cmpuint(m.target, ==, 0);

    same = qemuHvBalloonPlanSetTotal(&m.in, 1 * GIB + 10 * MIB, 1 * GIB, &refusal);
    g_assert_cmpuint(same->nsteps, ==, 0);

    down = qemuHvBalloonPlanSetTotal(&m.in, 1 * GIB, 1 * GIB, &refusal);
    machineApply(&m, down);
    g_assert_cmpuint(m.in.nsticks, ==, 0);

    g_assert_null(qemuHvBalloonPlanSetTotal(&m.in, 1 * GIB - 1, 1 * GIB, &refusal));
    g_assert_nonnull(strstr(refusal, "booted with"));
    g_clear_pointer(&refusal, g_free);
    g_assert_null(qemuHvBalloonPlanSetTotal(&m.in, 8 * GIB + 1, 1 * GIB, &refusal));
    g_assert_nonnull(strstr(refusal, "<maxMemory>"));
}

static void
testReconcile(void)
{
    g_autoptr(qemuHvBalloonPlan) plan = NULL;
    g_autoptr(qemuHvBalloonPlan) nothing = NULL;
    Machine m;

    machineInit(&m, 1 * GIB, 8 * GIB);
    machineAdd(&m, 1 * GIB, QEMU_HVBALLOON_STICK_UNUSED, true);
    machineAdd(&m, 1 * GIB, QEMU_HVBALLOON_STICK_UNUSED, true);

    nothing = qemuHvBalloonPlanReconcile(&m.in, 0);
    g_assert_cmpuint(nothing->nsteps, ==, 0);

    plan = qemuHvBalloonPlanReconcile(&m.in, 2 * GIB);
    g_assert_cmpuint(plan->nsteps, ==, 2);
    g_assert_cmpint(plan->steps[0].type, ==, QEMU_HVBALLOON_STEP_BALLOON);
    g_assert_cmpint(plan->steps[1].type, ==, QEMU_HVBALLOON_STEP_UNPLUG);
    g_assert_cmpstr(plan->steps[1].alias, ==, "ua-haprot1");
    machineApply(&m, plan);
    g_assert_cmpuint(m.in.nsticks, ==, 1);
}

static void
testReconcileClamps(void)
{
    g_autoptr(qemuHvBalloonPlan) plan = NULL;
    Machine m;

    /* a stick is gone that the target counted on */
    machineInit(&m, 1 * GIB, 8 * GIB);
    plan = qemuHvBalloonPlanReconcile(&m.in, 2 * GIB);
    machineApply(&m, plan);
    g_assert_cmpuint(m.target, ==, 1 * GIB);
}

static guint64
planConfig(Machine *m, guint64 stick, guint64 target)
{
    g_autofree char *refusal = NULL;

    if (!qemuHvBalloonPlanConfig(&m->in, target, &stick, &refusal)) {
        g_assert_nonnull(refusal);
        return G_MAXUINT64;
    }
    return stick;
}

static void
testConfig(void)
{
    Machine m;

    machineInit(&m, 1 * GIB, 8 * GIB);
    g_assert_cmpuint(planConfig(&m, 0, 3 * GIB), ==, 2 * GIB);
    g_assert_cmpuint(planConfig(&m, 2 * GIB, 3 * GIB), ==, 2 * GIB);
    g_assert_cmpuint(planConfig(&m, 2 * GIB, 4 * GIB), ==, 3 * GIB);
    g_assert_cmpuint(planConfig(&m, 2 * GIB, 2 * GIB), ==, 1 * GIB);
    g_assert_cmpuint(planConfig(&m, 2 * GIB, 700 * MIB), ==, 0);
    g_assert_cmpuint(planConfig(&m, 0, 1 * GIB + 1), ==, 2 * MIB);
    g_assert_cmpuint(planConfig(&m, 0, 8 * GIB), ==, 7 * GIB);
    g_assert_cmpuint(planConfig(&m, 0, 8 * GIB + 1), ==, G_MAXUINT64);
    g_assert_cmpuint(planConfig(&m, 0, 0), ==, G_MAXUINT64);

    machineAdd(&m, 2 * GIB, QEMU_HVBALLOON_STICK_IDLE, false);
    g_assert_cmpuint(planConfig(&m, 0, 3 * GIB), ==, 0);
    g_assert_cmpuint(planConfig(&m, 0, 4 * GIB), ==, 1 * GIB);
    g_assert_cmpuint(planConfig(&m, 5 * GIB, 8 * GIB), ==, 5 * GIB);
}

/* Small steps from 1 GiB to 1 TiB: the sticks stay few. */
static void
testLogarithmicSticks(void)
{
    Machine m;
    guint64 target;

    machineInit(&m, 1 * GIB, 1 * TIB);
    for (target = 1 * GIB; target <= 1 * TIB; target += 64 * MIB) {
        size_t i;

        setTarget(&m, target);
        for (i = 0; i < m.in.nsticks; i++)
            m.sticks[i].state = QEMU_HVBALLOON_STICK_INUSE;
    }

    g_assert_cmpuint(qemuHvBalloonPlanTotal(&m.in), ==, 1 * TIB);
    g_assert_cmpuint(m.in.nsticks, <=, 64);
    g_test_message("%zu sticks from 1 GiB to 1 TiB in 64 MiB steps", m.in.nsticks);
}

static guint64
randomSize(GRand *r, guint64 top)
{
    guint64 value = ((guint64)g_rand_int(r) << 32 | g_rand_int(r)) % (top + 1);

    /* round figures are what people type */
    return g_rand_int_range(r, 0, 4) ? value - value % (64 * MIB) : value;
}

static void
randomMachine(Machine *m, GRand *r)
{
    guint64 boot = 64 * MIB + randomSize(r, 16 * GIB);

    machineInit(m, boot, boot + randomSize(r, 64 * GIB));
    m->in.minimum = g_rand_int_range(r, 0, 3) ? 0 : randomSize(r, boot);
    m->in.costly = g_rand_int_range(r, 0, 3) == 0;
    m->in.granule = g_rand_int_range(r, 0, 4) ? 0 : 1 * GIB;
    m->in.alignment = (1ULL << g_rand_int_range(r, 0, 13)) * MIB;
}

/* What guests and users do between two requests. */
static void
randomLife(Machine *m, GRand *r)
{
    size_t i;

    for (i = 0; i < m->in.nsticks; i++) {
        if (g_rand_int_range(r, 0, 3) == 0)
            m->sticks[i].state = g_rand_int_range(r, 0, 3);
    }
    if (g_rand_int_range(r, 0, 8) == 0 && m->in.nsticks < MAX_STICKS / 2) {
        guint64 left = m->in.maxMemory - MIN(m->in.maxMemory, qemuHvBalloonPlanTotal(&m->in));
        guint64 size = randomSize(r, left) & ~(2 * MIB - 1);

        if (size)
            machineAdd(m, size, QEMU_HVBALLOON_STICK_IDLE, false);
    }
    if (g_rand_int_range(r, 0, 8) == 0)
        m->in.keepTotal = randomSize(r, m->in.maxMemory);
}

static size_t
countUser(const Machine *m)
{
    size_t n = 0;
    size_t i;

    for (i = 0; i < m->in.nsticks; i++)
        n += !m->sticks[i].byDriver;
    return n;
}

static size_t
countInuse(const Machine *m)
{
    size_t n = 0;
    size_t i;

    for (i = 0; i < m->in.nsticks; i++)
        n += m->sticks[i].state == QEMU_HVBALLOON_STICK_INUSE;
    return n;
}

static bool
hasType(const qemuHvBalloonPlan *plan, qemuHvBalloonStepType type)
{
    size_t i;

    for (i = 0; i < plan->nsteps; i++) {
        if (plan->steps[i].type == type)
            return true;
    }
    return false;
}

static void
checkAtRest(Machine *m, guint64 target)
{
    g_autofree char *refusal = NULL;
    g_autoptr(qemuHvBalloonPlan) again = qemuHvBalloonPlanSetTarget(&m->in, target, &refusal);
    g_autoptr(qemuHvBalloonPlan) rest = qemuHvBalloonPlanReconcile(&m->in, m->target);

    if (again) {
        g_assert_cmpuint(again->nsteps, ==, 1);
        g_assert_cmpint(again->steps[0].type, ==, QEMU_HVBALLOON_STEP_BALLOON);
        g_assert_cmpuint(again->steps[0].size, ==, m->target);
    } else {
        /* only a target that the last odd KiB of the ceiling cut */
        g_assert_cmpuint(m->target, <, target);
    }
    g_assert_false(hasType(rest, QEMU_HVBALLOON_STEP_PLUG));
    g_assert_false(hasType(rest, QEMU_HVBALLOON_STEP_UNPLUG));
}

static void
oneRequest(Machine *m, GRand *r)
{
    guint64 granule = MAX(m->in.granule, QEMU_HVBALLOON_STICK_GRANULE);
    guint64 target = randomSize(r, m->in.maxMemory + m->in.maxMemory / 8);
    guint64 before = qemuHvBalloonPlanTotal(&m->in);
    size_t user = countUser(m);
    size_t inuse = countInuse(m);
    g_autofree char *refusal = NULL;
    g_autoptr(qemuHvBalloonPlan) plan = qemuHvBalloonPlanSetTarget(&m->in, target, &refusal);
    guint64 total;

    g_assert_true(!plan == !!refusal);
    if (!plan) {
        g_assert_true(target == 0 || target < m->in.minimum || target > m->in.maxMemory ||
                      target > before);
        return;
    }

    machineApply(m, plan);
    total = qemuHvBalloonPlanTotal(&m->in);
    g_assert_cmpuint(total, <=, MAX(before, m->in.maxMemory));
    g_assert_cmpuint(m->target, <=, total);
    g_assert_cmpuint(m->target, <=, target);
    g_assert_cmpuint(target, <, m->target + granule);
    g_assert_cmpuint(m->target, >=, MIN(m->in.minimum, total));
    g_assert_cmpuint(countUser(m), ==, user);
    g_assert_cmpuint(countInuse(m), ==, inuse);
    if (total < before)
        g_assert_cmpuint(total, >=, m->in.keepTotal);
    /* reachable, unless the ceiling leaves no whole stick more */
    if (qemuHvBalloonPlanReachable(&m->in) < m->target)
        g_assert_cmpuint(m->in.maxMemory - total, <, MAX(m->in.alignment, granule));
    checkAtRest(m, target);
}

static void
testProperties(void)
{
    g_autoptr(GRand) r = g_rand_new_with_seed(g_test_rand_int());
    guint cases = g_test_slow() ? 200000 : 4000;
    g_autofree Machine *m = g_new0(Machine, 1);
    guint i;
    guint k;

    for (i = 0; i < cases; i++) {
        randomMachine(m, r);
        for (k = 0; k < 24; k++) {
            oneRequest(m, r);
            randomLife(m, r);
        }
    }
}

static void
testConfigProperties(void)
{
    g_autoptr(GRand) r = g_rand_new_with_seed(g_test_rand_int());
    g_autofree Machine *m = g_new0(Machine, 1);
    guint i;

    for (i = 0; i < 100000; i++) {
        guint64 target;
        guint64 stick;
        g_autofree char *refusal = NULL;

        randomMachine(m, r);
        stick = randomSize(r, m->in.maxMemory - m->in.boot);
        target = randomSize(r, m->in.maxMemory);
        if (!qemuHvBalloonPlanConfig(&m->in, target, &stick, &refusal)) {
            g_assert_nonnull(refusal);
            continue;
        }
        g_assert_cmpuint(m->in.boot + stick, >=, MIN(target, m->in.maxMemory));
        g_assert_cmpuint(m->in.boot + stick, <=, m->in.maxMemory + (stick ? m->in.granule : 0));
        g_assert_true(stick == 0 || target > m->in.boot);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/plan/grow/one-stick", testGrowPlugsOne);
    g_test_add_func("/plan/grow/share", testSmallGrowTakesShare);
    g_test_add_func("/plan/grow/within-share", testGrowWithinSharePlugsNothing);
    g_test_add_func("/plan/grow/alignment", testRoundedToAlignment);
    g_test_add_func("/plan/grow/odd-stick", testOddStickIsCompleted);
    g_test_add_func("/plan/grow/odd-stick-at-ceiling", testOddStickAtCeiling);
    g_test_add_func("/plan/grow/ceiling", testCeilingCutsShare);
    g_test_add_func("/plan/grow/odd-ceiling", testOddCeiling);
    g_test_add_func("/plan/grow/costly", testCostlyIsExact);
    g_test_add_func("/plan/grow/hugepage", testHugePageGranule);
    g_test_add_func("/plan/grow/space", testShareYieldsToSpace);
    g_test_add_func("/plan/grow/logarithmic", testLogarithmicSticks);
    g_test_add_func("/plan/limits", testLimitsAreNamed);
    g_test_add_func("/plan/shrink/used", testShrinkLeavesUsedSticks);
    g_test_add_func("/plan/shrink/unneeded", testShrinkRemovesUnneeded);
    g_test_add_func("/plan/shrink/keep-total", testKeepTotal);
    g_test_add_func("/plan/total", testSetTotal);
    g_test_add_func("/plan/reconcile/unneeded", testReconcile);
    g_test_add_func("/plan/reconcile/clamp", testReconcileClamps);
    g_test_add_func("/plan/config", testConfig);
    g_test_add_func("/plan/properties/live", testProperties);
    g_test_add_func("/plan/properties/config", testConfigProperties);

    return g_test_run();
}
