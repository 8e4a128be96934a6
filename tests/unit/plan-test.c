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

/* The reason is one of such a step, and its numbers fit. */
static void
checkReason(const qemuHvBalloonStep *step)
{
    const qemuHvBalloonReason *reason = &step->reason;

    switch (reason->type) {
    case QEMU_HVBALLOON_REASON_TARGET:
    case QEMU_HVBALLOON_REASON_ALIGNMENT:
    case QEMU_HVBALLOON_REASON_TOTAL:
        g_assert_cmpint(step->type, ==, QEMU_HVBALLOON_STEP_PLUG);
        g_assert_cmpuint(reason->missing, >, 0);
        g_assert_cmpuint(step->least, <=, step->size);
        break;
    case QEMU_HVBALLOON_REASON_REQUESTED:
    case QEMU_HVBALLOON_REASON_RESENT:
        g_assert_cmpint(step->type, ==, QEMU_HVBALLOON_STEP_BALLOON);
        g_assert_cmpuint(step->size, ==, MIN(reason->requested, reason->total));
        break;
    case QEMU_HVBALLOON_REASON_UNUSED:
        g_assert_cmpint(step->type, ==, QEMU_HVBALLOON_STEP_UNPLUG);
        g_assert_cmpuint(reason->total, >=, reason->requested);
        break;
    }
}

static size_t
machineApply(Machine *m, const qemuHvBalloonPlan *plan)
{
    size_t plugs = 0;
    size_t i;

    for (i = 0; i < plan->nsteps; i++) {
        const qemuHvBalloonStep *step = &plan->steps[i];

        checkReason(step);
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
        case QEMU_HVBALLOON_STEP_LAST:
            g_assert_not_reached();
        }
    }

    g_assert_cmpuint(plugs, <=, 1);
    return plugs;
}

static size_t
setTarget(Machine *m, guint64 target)
{
    qemuHvBalloonRefusal refusal = { .type = QEMU_HVBALLOON_REFUSAL_NONE };
    g_autoptr(qemuHvBalloonPlan) plan = qemuHvBalloonPlanSetTarget(&m->in, target, &refusal);

    g_assert_cmpint(refusal.type, ==, QEMU_HVBALLOON_REFUSAL_NONE);
    g_assert_nonnull(plan);
    return machineApply(m, plan);
}

static void
assertRefused(Machine *m, guint64 target, qemuHvBalloonRefusalType type, guint64 limit, guint64 stick)
{
    qemuHvBalloonRefusal refusal = { .type = QEMU_HVBALLOON_REFUSAL_NONE };
    g_autoptr(qemuHvBalloonPlan) plan = qemuHvBalloonPlanSetTarget(&m->in, target, &refusal);

    g_assert_null(plan);
    g_assert_cmpint(refusal.type, ==, type);
    g_assert_cmpuint(refusal.requested, ==, target);
    g_assert_cmpuint(refusal.limit, ==, limit);
    g_assert_cmpuint(refusal.stick, ==, stick);
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

/* What can be had, where slots or addresses are few, and why no more. */
static void
testMost(void)
{
    static const struct {
        guint64 stick;
        guint64 slots;
        guint64 space;
        guint64 most;
        qemuHvBalloonRefusalType why;
    } cases[] = {
        { 0, QEMU_HVBALLOON_UNLIMITED, QEMU_HVBALLOON_UNLIMITED, 8 * GIB, QEMU_HVBALLOON_REFUSAL_NONE },
        { 2 * GIB, 1, QEMU_HVBALLOON_UNLIMITED, 8 * GIB, QEMU_HVBALLOON_REFUSAL_NONE },
        { 2 * GIB, 0, QEMU_HVBALLOON_UNLIMITED, 3 * GIB, QEMU_HVBALLOON_REFUSAL_NO_SLOT },
        { 7 * GIB, 0, 0, 8 * GIB, QEMU_HVBALLOON_REFUSAL_NONE },
        { 2 * GIB, 5, 1 * GIB + 100 * MIB, 4 * GIB, QEMU_HVBALLOON_REFUSAL_NO_SPACE },
        { 2 * GIB, 5, 100 * MIB, 3 * GIB, QEMU_HVBALLOON_REFUSAL_NO_SPACE },
        { 200 * MIB, 0, QEMU_HVBALLOON_UNLIMITED, 1 * GIB + 128 * MIB, QEMU_HVBALLOON_REFUSAL_NO_SLOT },
        { 200 * MIB, 5, 184 * MIB, 1 * GIB + 312 * MIB, QEMU_HVBALLOON_REFUSAL_NO_SPACE },
    };
    qemuHvBalloonRefusalType why;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        Machine m;

        machineInit(&m, 1 * GIB, 8 * GIB);
        if (cases[i].stick)
            machineAdd(&m, cases[i].stick, QEMU_HVBALLOON_STICK_INUSE, true);
        m.in.freeSlots = cases[i].slots;
        m.in.freeSpace = cases[i].space;
        g_assert_cmpuint(qemuHvBalloonPlanMost(&m.in, &why), ==, cases[i].most);
        g_assert_cmpint(why, ==, cases[i].why);
    }
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
    qemuHvBalloonRefusal refusal = { .type = QEMU_HVBALLOON_REFUSAL_NONE };
    g_autoptr(qemuHvBalloonPlan) total = NULL;
    Machine m;

    /* the last KiB are no stick: the target is cut, not refused */
    machineInit(&m, 1 * GIB, 2 * GIB + 3);
    setTarget(&m, 2 * GIB + 3);
    g_assert_cmpuint(m.sticks[0].size, ==, 1 * GIB);
    g_assert_cmpuint(m.target, ==, 2 * GIB);
    /* and so it is when it is said again */
    g_assert_cmpuint(setTarget(&m, 2 * GIB + 3), ==, 0);
    g_assert_cmpuint(m.target, ==, 2 * GIB);

    total = qemuHvBalloonPlanSetTotal(&m.in, 2 * GIB + 3, 2 * GIB, &refusal);
    g_assert_cmpint(refusal.type, ==, QEMU_HVBALLOON_REFUSAL_NONE);
    g_assert_cmpuint(total->nsteps, ==, 0);
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
    assertRefused(&m, 0, QEMU_HVBALLOON_REFUSAL_TARGET_ZERO, 512 * MIB, 0);
    assertRefused(&m, 512 * MIB - 1, QEMU_HVBALLOON_REFUSAL_TARGET_BELOW_MINIMUM, 512 * MIB, 0);
    assertRefused(&m, 8 * GIB + 1, QEMU_HVBALLOON_REFUSAL_TARGET_ABOVE_MAXMEMORY, 8 * GIB, 0);
    assertRefused(&m, G_MAXUINT64, QEMU_HVBALLOON_REFUSAL_TARGET_ABOVE_MAXMEMORY, 8 * GIB, 0);

    m.in.freeSlots = 0;
    assertRefused(&m, 2 * GIB, QEMU_HVBALLOON_REFUSAL_NO_SLOT, 0, 1 * GIB);
    m.in.freeSlots = 1;
    m.in.freeSpace = 256 * MIB;
    assertRefused(&m, 2 * GIB, QEMU_HVBALLOON_REFUSAL_NO_SPACE, 256 * MIB, 1 * GIB);

    machineInit(&m, 1 * GIB, 0);
    assertRefused(&m, 0, QEMU_HVBALLOON_REFUSAL_TARGET_ZERO, 1, 0);
    assertRefused(&m, 2 * GIB, QEMU_HVBALLOON_REFUSAL_TARGET_NO_MAXMEMORY, 1 * GIB, 0);
    g_assert_cmpuint(setTarget(&m, 512 * MIB), ==, 0);
}

static void
testShareYieldsToSpace(void)
{
    Machine m;

    /* the share would be 1 GiB: it takes what there is instead */
    machineInit(&m, 8 * GIB, 64 * GIB);
    m.in.freeSpace = 512 * MIB + 1;
    setTarget(&m, 8 * GIB + 256 * MIB);
    g_assert_cmpuint(m.sticks[0].size, ==, 512 * MIB);

    /* what is missing has to fit, in units that the guest can use */
    machineInit(&m, 8 * GIB, 64 * GIB);
    m.in.freeSpace = 256 * MIB - 1;
    assertRefused(&m, 8 * GIB + 130 * MIB, QEMU_HVBALLOON_REFUSAL_NO_SPACE, 256 * MIB - 1, 256 * MIB);
    setTarget(&m, 8 * GIB + 128 * MIB);
    g_assert_cmpuint(qemuHvBalloonPlanReachable(&m.in), ==, 8 * GIB + 128 * MIB);
}

static void
assertReason(const qemuHvBalloonStep *step, qemuHvBalloonReasonType type, guint64 requested, guint64 total)
{
    g_assert_cmpint(step->reason.type, ==, type);
    g_assert_cmpuint(step->reason.requested, ==, requested);
    g_assert_cmpuint(step->reason.total, ==, total);
}

static void
testReasonsSayTheFigures(void)
{
    qemuHvBalloonRefusal refusal = { .type = QEMU_HVBALLOON_REFUSAL_NONE };
    g_autoptr(qemuHvBalloonPlan) grow = NULL;
    g_autoptr(qemuHvBalloonPlan) shrink = NULL;
    g_autoptr(qemuHvBalloonPlan) cut = NULL;
    g_autoptr(qemuHvBalloonPlan) units = NULL;
    Machine m;

    machineInit(&m, 1 * GIB, 8 * GIB);
    grow = qemuHvBalloonPlanSetTarget(&m.in, 3 * GIB, &refusal);
    g_assert_cmpuint(grow->nsteps, ==, 2);
    g_assert_cmpuint(qemuHvBalloonPlanTotalAfter(&m.in, grow), ==, 3 * GIB);
    assertReason(&grow->steps[0], QEMU_HVBALLOON_REASON_TARGET, 3 * GIB, 1 * GIB);
    g_assert_cmpuint(grow->steps[0].reason.missing, ==, 2 * GIB);
    g_assert_cmpint(grow->steps[0].reason.size, ==, QEMU_HVBALLOON_SIZE_USUAL);
    assertReason(&grow->steps[1], QEMU_HVBALLOON_REASON_REQUESTED, 3 * GIB, 3 * GIB);

    machineAdd(&m, 2 * GIB, QEMU_HVBALLOON_STICK_UNUSED, true);
    shrink = qemuHvBalloonPlanSetTarget(&m.in, 1 * GIB, &refusal);
    g_assert_cmpuint(shrink->nsteps, ==, 2);
    g_assert_cmpuint(qemuHvBalloonPlanTotalAfter(&m.in, shrink), ==, 1 * GIB);
    assertReason(&shrink->steps[1], QEMU_HVBALLOON_REASON_UNUSED, 1 * GIB, 1 * GIB);

    cut = qemuHvBalloonPlanReconcile(&m.in, 4 * GIB);
    g_assert_cmpuint(cut->steps[0].size, ==, 3 * GIB);
    assertReason(&cut->steps[0], QEMU_HVBALLOON_REASON_RESENT, 4 * GIB, 3 * GIB);

    /* in units of the guest's alignment some of what there is is missing */
    m.in.alignment = 4 * GIB;
    units = qemuHvBalloonPlanSetTarget(&m.in, 2 * GIB, &refusal);
    assertReason(&units->steps[0], QEMU_HVBALLOON_REASON_ALIGNMENT, 2 * GIB, 3 * GIB);
    g_assert_cmpuint(units->steps[0].reason.missing, ==, 1 * GIB);
}

/* Why a stick is smaller or larger than usual. What setmaxmem plugs is what was
 * asked for, whatever it costs. */
static void
testSizeReasons(void)
{
    static const struct {
        bool costly;
        guint64 freeSlots;
        bool total;
        qemuHvBalloonSizeReason size;
    } cases[] = {
        { false, 64, false, QEMU_HVBALLOON_SIZE_USUAL },
        { false, 1, false, QEMU_HVBALLOON_SIZE_FEW_SLOTS },
        { true, 64, false, QEMU_HVBALLOON_SIZE_COSTLY },
        { true, 1, false, QEMU_HVBALLOON_SIZE_COSTLY },
        { false, 64, true, QEMU_HVBALLOON_SIZE_USUAL },
        { false, 1, true, QEMU_HVBALLOON_SIZE_USUAL },
        { true, 64, true, QEMU_HVBALLOON_SIZE_USUAL },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(qemuHvBalloonPlan) plan = NULL;
        qemuHvBalloonRefusal refusal;
        Machine m;

        machineInit(&m, 1 * GIB, 8 * GIB);
        m.in.costly = cases[i].costly;
        m.in.freeSlots = cases[i].freeSlots;
        if (cases[i].total)
            plan = qemuHvBalloonPlanSetTotal(&m.in, 1 * GIB + 10 * MIB, 1 * GIB, &refusal);
        else
            plan = qemuHvBalloonPlanSetTarget(&m.in, 1 * GIB + 10 * MIB, &refusal);
        g_assert_cmpint(plan->steps[0].reason.size, ==, cases[i].size);
        g_assert_cmpuint(plan->steps[0].reason.freeSlots, ==, cases[i].freeSlots);
        g_assert_cmpuint(plan->steps[0].reason.maxMemory, ==, 8 * GIB);
        g_assert_cmpuint(plan->steps[0].size, ==, cases[i].total ? 10 * MIB : cases[i].size == QEMU_HVBALLOON_SIZE_FEW_SLOTS ? 7 * GIB : 128 * MIB);
    }
}

static void
testStepNames(void)
{
    g_assert_cmpstr(qemuHvBalloonStepTypeToString(QEMU_HVBALLOON_STEP_PLUG), ==, "plug");
    g_assert_cmpstr(qemuHvBalloonStepTypeToString(QEMU_HVBALLOON_STEP_BALLOON), ==, "balloon");
    g_assert_cmpstr(qemuHvBalloonStepTypeToString(QEMU_HVBALLOON_STEP_UNPLUG), ==, "unplug");
    g_assert_null(qemuHvBalloonStepTypeToString(99));
}

static void
testDriverAlias(void)
{
    static const char *const no[] = { NULL, "", "ua-haprot", "ua-haprot1x", "ua-haprotx1", "ua-haprot-1", "ua-haprot 1", "haprot1", "xua-haprot1" };
    size_t i;

    g_assert_true(qemuHvBalloonIsDriverAlias("ua-haprot0"));
    g_assert_true(qemuHvBalloonIsDriverAlias("ua-haprot1234567890123456789012"));
    for (i = 0; i < G_N_ELEMENTS(no); i++)
        g_assert_false(qemuHvBalloonIsDriverAlias(no[i]));
}

/* All of them, each once and by a name of its own. */
static void
testNumbers(void)
{
    qemuHvBalloonPlanInput in = { 0 };
    qemuHvBalloonPlanInput all = {
        .boot = 1, .maxMemory = 2, .minimum = 3, .keepTotal = 4, .deviceTarget = 5,
        .granule = 6, .alignment = 7, .freeSlots = 8, .freeSpace = 9,
    };
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    const char *name;
    guint64 *number;
    size_t i;

    for (i = 0; (number = qemuHvBalloonPlanNumber(&in, i, &name)); i++) {
        g_assert_true(g_hash_table_add(seen, (char *)name));
        *number = *qemuHvBalloonPlanNumber(&all, i, &name);
    }
    g_assert_cmpmem(&in, sizeof(in), &all, sizeof(all));
    g_assert_null(qemuHvBalloonPlanNumber(&in, G_MAXSIZE, &name));
    qemuHvBalloonPlanNumber(&in, 1, &name);
    g_assert_cmpstr(name, ==, "max-memory");
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
    qemuHvBalloonRefusal refusal = { .type = QEMU_HVBALLOON_REFUSAL_NONE };
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
    g_assert_cmpint(refusal.type, ==, QEMU_HVBALLOON_REFUSAL_TOTAL_BELOW_BOOT);
    g_assert_cmpuint(refusal.requested, ==, 1 * GIB - 1);
    g_assert_cmpuint(refusal.limit, ==, 1 * GIB);
    g_assert_null(qemuHvBalloonPlanSetTotal(&m.in, 8 * GIB + 1, 1 * GIB, &refusal));
    g_assert_cmpint(refusal.type, ==, QEMU_HVBALLOON_REFUSAL_TOTAL_ABOVE_MAXMEMORY);
    g_assert_cmpuint(refusal.requested, ==, 8 * GIB + 1);
    g_assert_cmpuint(refusal.limit, ==, 8 * GIB);
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
    qemuHvBalloonRefusal refusal = { .type = QEMU_HVBALLOON_REFUSAL_NONE };

    if (!qemuHvBalloonPlanConfig(&m->in, target, &stick, &refusal)) {
        g_assert_cmpint(refusal.type, !=, QEMU_HVBALLOON_REFUSAL_NONE);
        return G_MAXUINT64;
    }
    return stick;
}

/* The last part of the ceiling is no stick. */
static void
testConfigNamesWhatIsLeft(void)
{
    qemuHvBalloonRefusal refusal = { .type = QEMU_HVBALLOON_REFUSAL_NONE };
    guint64 stick = 0;
    Machine m;

    machineInit(&m, 1 * GIB, 2 * GIB + MIB);
    g_assert_false(qemuHvBalloonPlanConfig(&m.in, 2 * GIB + 1, &stick, &refusal));
    g_assert_cmpint(refusal.type, ==, QEMU_HVBALLOON_REFUSAL_CONFIG_NO_ROOM);
    g_assert_cmpuint(refusal.requested, ==, 2 * GIB + 1);
    g_assert_cmpuint(refusal.stick, ==, 1 * GIB + 2 * MIB);
    g_assert_cmpuint(refusal.limit, ==, 2 * GIB + MIB);
    g_assert_cmpuint(refusal.left, ==, 1 * GIB);
    g_assert_cmpuint(refusal.most, ==, 2 * GIB);
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

/* Steps of @step from 1 GiB to 1 TiB: the sticks stay few. */
static void
growInSteps(guint64 step, guint64 alignment)
{
    Machine m;
    guint64 target;
    guint64 top = 1 * GIB + (1 * TIB - 1 * GIB) / alignment * alignment;

    machineInit(&m, 1 * GIB, 1 * TIB);
    m.in.alignment = alignment;
    for (target = 1 * GIB; target <= 1 * TIB; target += step) {
        size_t i;

        setTarget(&m, target);
        g_assert_cmpuint(qemuHvBalloonPlanReachable(&m.in), >=, MIN(target, top));
        for (i = 0; i < m.in.nsticks; i++)
            m.sticks[i].state = QEMU_HVBALLOON_STICK_INUSE;
    }

    g_assert_cmpuint(qemuHvBalloonPlanTotal(&m.in), ==, 1 * TIB);
    g_assert_cmpuint(m.in.nsticks, <=, 64);
    g_test_message("%zu sticks from 1 GiB to 1 TiB in steps of %" G_GUINT64_FORMAT " KiB, alignment %" G_GUINT64_FORMAT " KiB",
                   m.in.nsticks, step, alignment);
}

static void
testLogarithmicSticks(void)
{
    growInSteps(64 * MIB, QEMU_HVBALLOON_GUEST_ALIGNMENT);
    growInSteps(64 * MIB, 2 * MIB);
    growInSteps(64 * MIB, 2 * GIB);
    growInSteps(2 * MIB, QEMU_HVBALLOON_GUEST_ALIGNMENT);
    growInSteps(1 * GIB, QEMU_HVBALLOON_GUEST_ALIGNMENT);
}

/* What is meant to be few is so for cheap backing only. */
static void
testCostlyEndsAtTheSlots(void)
{
    Machine m;
    guint64 target = 1 * GIB;

    machineInit(&m, 1 * GIB, 1 * TIB);
    m.in.costly = true;
    for (m.in.freeSlots = 32; m.in.freeSlots > 0; m.in.freeSlots--)
        g_assert_cmpuint(setTarget(&m, target += 128 * MIB), ==, 1);
    g_assert_cmpuint(m.in.nsticks, ==, 32);
    assertRefused(&m, target + 128 * MIB, QEMU_HVBALLOON_REFUSAL_NO_SLOT, 0, 128 * MIB);
    g_assert_cmpuint(setTarget(&m, target), ==, 0);
}

static size_t
setTargetOfSlots(Machine *m, guint64 target)
{
    size_t before = m->in.nsticks;
    size_t plugs = setTarget(m, target);

    g_assert_cmpuint(plugs, <=, m->in.freeSlots);
    m->in.freeSlots += before;
    m->in.freeSlots -= m->in.nsticks;
    return plugs;
}

static void
testFewSlotsMakeLargeSticks(void)
{
    qemuHvBalloonRefusal refusal = { .type = QEMU_HVBALLOON_REFUSAL_NONE };
    g_autoptr(qemuHvBalloonPlan) plan = NULL;
    Machine m;

    /* the last one takes all that can be had */
    machineInit(&m, 8 * GIB, 64 * GIB);
    m.in.freeSlots = 1;
    plan = qemuHvBalloonPlanSetTarget(&m.in, 8 * GIB + 64 * MIB, &refusal);
    g_assert_cmpuint(plan->steps[0].size, ==, 56 * GIB);
    g_assert_cmpuint(plan->steps[0].least, ==, 128 * MIB);
    g_assert_cmpint(plan->steps[0].reason.size, ==, QEMU_HVBALLOON_SIZE_FEW_SLOTS);
    g_assert_cmpuint(plan->steps[0].reason.freeSlots, ==, 1);
    g_assert_cmpuint(plan->steps[0].reason.maxMemory, ==, 64 * GIB);
    machineApply(&m, plan);
    m.in.freeSlots = 0;
    g_assert_cmpuint(setTarget(&m, 64 * GIB), ==, 0);

    /* with two each is two thirds of what there is then, or more */
    machineInit(&m, 8 * GIB, 64 * GIB);
    m.in.freeSlots = 2;
    setTarget(&m, 8 * GIB + 64 * MIB);
    g_assert_cmpuint(m.sticks[0].size, ==, 16 * GIB);

    /* so many are enough for the usual eighth */
    machineInit(&m, 8 * GIB, 64 * GIB);
    m.in.freeSlots = 18;
    setTarget(&m, 8 * GIB + 64 * MIB);
    g_assert_cmpuint(m.sticks[0].size, ==, 1 * GIB);

    /* what costs memory at once is no larger for it */
    machineInit(&m, 8 * GIB, 64 * GIB);
    m.in.freeSlots = 1;
    m.in.costly = true;
    setTarget(&m, 8 * GIB + 128 * MIB);
    g_assert_cmpuint(m.sticks[0].size, ==, 128 * MIB);
}

/* However few slots there are, small steps reach the ceiling. */
static void
testFewSlotsReachTheCeiling(void)
{
    guint64 slots;

    for (slots = 1; slots <= 80; slots += slots < 8 ? 1 : 8) {
        guint64 target;
        Machine m;
        size_t i;

        machineInit(&m, 1 * GIB, 1 * TIB);
        m.in.freeSlots = slots;
        for (target = 1 * GIB; target <= 1 * TIB; target += 64 * MIB) {
            setTargetOfSlots(&m, target);
            for (i = 0; i < m.in.nsticks; i++)
                m.sticks[i].state = QEMU_HVBALLOON_STICK_INUSE;
        }
        g_assert_cmpuint(qemuHvBalloonPlanReachable(&m.in), ==, 1 * TIB);
        g_assert_cmpuint(m.in.nsticks, <=, slots);
        if (slots >= 64)
            g_assert_cmpuint(m.sticks[0].size, ==, 128 * MIB);
    }
}

static guint64
randomSize(GRand *r, guint64 top)
{
    guint64 value = ((guint64)g_rand_int(r) << 32 | g_rand_int(r)) % (top + 1);

    /* round figures are what people type */
    return g_rand_int_range(r, 0, 4) ? value - value % (64 * MIB) : value;
}

static guint64
randomLimit(GRand *r, guint64 top)
{
    return g_rand_int_range(r, 0, 4) ? QEMU_HVBALLOON_UNLIMITED : randomSize(r, top);
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
    m->in.freeSlots = randomLimit(r, 3);
    m->in.freeSpace = randomLimit(r, 4 * GIB);
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

static size_t
countType(const qemuHvBalloonPlan *plan, qemuHvBalloonStepType type)
{
    size_t n = 0;
    size_t i;

    for (i = 0; i < plan->nsteps; i++)
        n += plan->steps[i].type == type;
    return n;
}

/* What may be relied on, of one plan for @target that was carried out. */
static void
checkPlan(const Machine *m, const Machine *before, const qemuHvBalloonPlan *plan, guint64 target)
{
    guint64 total = qemuHvBalloonPlanTotal(&m->in);
    guint64 had = qemuHvBalloonPlanTotal(&before->in);
    size_t plugs = countType(plan, QEMU_HVBALLOON_STEP_PLUG);

    g_assert_cmpuint(plugs, <=, 1);
    g_assert_cmpuint(countType(plan, QEMU_HVBALLOON_STEP_BALLOON), <=, 1);
    g_assert_cmpuint(qemuHvBalloonPlanTotalAfter(&before->in, plan), ==, total);
    /* never above the ceiling, unless it was already */
    g_assert_cmpuint(total, <=, MAX(had, m->in.maxMemory));
    /* never below the minimum, unless there is no more */
    g_assert_cmpuint(m->target, >=, MIN(MIN(target, m->in.minimum), total));
    g_assert_cmpuint(m->target, <=, MIN(target, total));
    /* limits hold */
    if (plugs) {
        g_assert_cmpuint(before->in.freeSlots, >, 0);
        g_assert_cmpuint(plan->steps[0].size, <=, before->in.freeSpace);
    }
    /* what is used, and what is the user's, stays */
    g_assert_cmpuint(countUser(m), ==, countUser(before));
    g_assert_cmpuint(countInuse(m), ==, countInuse(before));
    /* what is needed stays */
    if (countType(plan, QEMU_HVBALLOON_STEP_UNPLUG)) {
        g_assert_cmpuint(total, >=, m->in.keepTotal);
        g_assert_cmpuint(total, >=, target);
        g_assert_cmpuint(qemuHvBalloonPlanReachable(&m->in), >=, target);
    }
}

/* Nothing that is left could go. */
static void
checkNothingUnneeded(const Machine *m, guint64 target)
{
    guint64 total = qemuHvBalloonPlanTotal(&m->in);
    size_t i;

    for (i = 0; i < m->in.nsticks; i++) {
        Machine less = *m;

        if (!m->sticks[i].byDriver || m->sticks[i].state == QEMU_HVBALLOON_STICK_INUSE)
            continue;
        less.in.sticks = less.sticks;
        less.sticks[i].size = 0;
        g_assert_true(total - m->sticks[i].size < m->in.keepTotal ||
                      qemuHvBalloonPlanReachable(&less.in) < target);
    }
}

static void
checkAtRest(Machine *m, guint64 target)
{
    qemuHvBalloonRefusal refusal = { .type = QEMU_HVBALLOON_REFUSAL_NONE };
    g_autoptr(qemuHvBalloonPlan) again = qemuHvBalloonPlanSetTarget(&m->in, target, &refusal);
    g_autoptr(qemuHvBalloonPlan) rest = qemuHvBalloonPlanReconcile(&m->in, m->target);

    g_assert_cmpint(refusal.type, ==, QEMU_HVBALLOON_REFUSAL_NONE);
    g_assert_cmpuint(again->nsteps, ==, 1);
    g_assert_cmpint(again->steps[0].type, ==, QEMU_HVBALLOON_STEP_BALLOON);
    g_assert_cmpuint(again->steps[0].size, ==, m->target);
    g_assert_cmpuint(countType(rest, QEMU_HVBALLOON_STEP_PLUG), ==, 0);
    g_assert_cmpuint(countType(rest, QEMU_HVBALLOON_STEP_UNPLUG), ==, 0);
}

/* Copies a machine without the sticks that it does not have. */
static void
machineCopy(Machine *to, const Machine *from)
{
    to->in = from->in;
    to->in.sticks = to->sticks;
    to->target = from->target;
    memcpy(to->sticks, from->sticks, from->in.nsticks * sizeof(from->sticks[0]));
}

static void
checkRefusal(const Machine *m, guint64 target)
{
    guint64 granule = MAX(m->in.granule, QEMU_HVBALLOON_STICK_GRANULE);

    g_assert_true(target == 0 || target < m->in.minimum || target > m->in.maxMemory ||
                  /* or it needs a stick for which there is no place */
                  (target > qemuHvBalloonPlanTotal(&m->in) &&
                   m->in.maxMemory - qemuHvBalloonPlanTotal(&m->in) >= granule &&
                   (m->in.freeSlots == 0 ||
                    m->in.freeSpace < target - qemuHvBalloonPlanReachable(&m->in) +
                                      MAX(m->in.alignment, granule) + granule)));
}

/* What the guest can have of @target once it was requested; 0: that is refused. */
static guint64
reachedBy(const Machine *m, Machine *after, guint64 target)
{
    qemuHvBalloonRefusal refusal;
    g_autoptr(qemuHvBalloonPlan) plan = qemuHvBalloonPlanSetTarget(&m->in, target, &refusal);

    if (!plan)
        return 0;
    machineCopy(after, m);
    machineApply(after, plan);
    return MIN(after->target, qemuHvBalloonPlanReachable(&after->in));
}

/* The most can be had, and nothing that is requested gives more. */
static void
checkMost(const Machine *m, Machine *after, GRand *r)
{
    qemuHvBalloonRefusalType why;
    guint64 most = qemuHvBalloonPlanMost(&m->in, &why);
    guint i;

    if (most >= m->in.minimum)
        g_assert_cmpuint(reachedBy(m, after, most), ==, most);
    for (i = 0; i < 2; i++)
        g_assert_cmpuint(reachedBy(m, after, most + 1 + randomSize(r, i ? 64 * MIB : m->in.maxMemory)), <=, most);
    g_assert_cmpuint(reachedBy(m, after, m->in.maxMemory), <=, most);
    if (why == QEMU_HVBALLOON_REFUSAL_NO_SLOT)
        g_assert_cmpuint(m->in.freeSlots, ==, 0);
}

static void
oneRequest(Machine *m, Machine *before, GRand *r)
{
    guint64 granule = MAX(m->in.granule, QEMU_HVBALLOON_STICK_GRANULE);
    guint64 target = randomSize(r, m->in.maxMemory + m->in.maxMemory / 8);
    qemuHvBalloonRefusal refusal = { .type = QEMU_HVBALLOON_REFUSAL_NONE };
    g_autoptr(qemuHvBalloonPlan) plan = qemuHvBalloonPlanSetTarget(&m->in, target, &refusal);

    g_assert_true(!plan == (refusal.type != QEMU_HVBALLOON_REFUSAL_NONE));
    if (!plan) {
        checkRefusal(m, target);
        return;
    }

    machineCopy(before, m);
    machineApply(m, plan);
    checkPlan(m, before, plan, target);
    g_assert_cmpuint(target, <, m->target + granule);
    /* reachable, unless ceiling, slots or space leave no whole stick more */
    if (qemuHvBalloonPlanReachable(&m->in) < m->target &&
        m->in.freeSlots == QEMU_HVBALLOON_UNLIMITED &&
        m->in.freeSpace == QEMU_HVBALLOON_UNLIMITED)
        g_assert_cmpuint(m->in.maxMemory - qemuHvBalloonPlanTotal(&m->in), <, MAX(m->in.alignment, granule));
    checkAtRest(m, target);
}

/* After whatever has happened, reconciling once is enough. */
static void
oneReconcile(Machine *m, Machine *before, guint64 target)
{
    g_autoptr(qemuHvBalloonPlan) plan = qemuHvBalloonPlanReconcile(&m->in, target);
    g_autoptr(qemuHvBalloonPlan) again = NULL;

    machineCopy(before, m);
    machineApply(m, plan);
    if (target == 0) {
        g_assert_cmpuint(plan->nsteps, ==, 0);
        return;
    }
    g_assert_cmpuint(countType(plan, QEMU_HVBALLOON_STEP_PLUG), ==, 0);
    checkPlan(m, before, plan, target);
    g_assert_cmpuint(m->target, ==, MIN(target, qemuHvBalloonPlanTotal(&m->in)));

    again = qemuHvBalloonPlanReconcile(&m->in, target);
    g_assert_cmpuint(again->nsteps, ==, 1);
    g_assert_cmpuint(again->steps[0].size, ==, m->target);
    if (m->in.nsticks < 16)
        checkNothingUnneeded(m, target);
}

/* setmaxmem, as an application uses it before setmem. */
static void
oneTotal(Machine *m, Machine *before, GRand *r)
{
    guint64 granule = MAX(m->in.granule, QEMU_HVBALLOON_STICK_GRANULE);
    guint64 total = randomSize(r, m->in.maxMemory + m->in.maxMemory / 8);
    guint64 target = m->target;
    qemuHvBalloonRefusal refusal = { .type = QEMU_HVBALLOON_REFUSAL_NONE };
    g_autoptr(qemuHvBalloonPlan) plan = qemuHvBalloonPlanSetTotal(&m->in, total, target, &refusal);

    g_assert_true(!plan == (refusal.type != QEMU_HVBALLOON_REFUSAL_NONE));
    if (!plan)
        return;

    machineCopy(before, m);
    machineApply(m, plan);
    /* the guest gets and loses nothing by it */
    g_assert_cmpuint(countType(plan, QEMU_HVBALLOON_STEP_BALLOON), ==, 0);
    g_assert_cmpuint(m->target, ==, target);
    g_assert_cmpuint(countType(plan, QEMU_HVBALLOON_STEP_PLUG), <=, 1);
    g_assert_cmpuint(countUser(m), ==, countUser(before));
    g_assert_cmpuint(countInuse(m), ==, countInuse(before));
    g_assert_cmpuint(qemuHvBalloonPlanTotal(&m->in), <=,
                     MAX(qemuHvBalloonPlanTotal(&before->in), m->in.maxMemory));
    if (countType(plan, QEMU_HVBALLOON_STEP_UNPLUG)) {
        g_assert_cmpuint(qemuHvBalloonPlanTotal(&m->in), >=, total);
        g_assert_cmpuint(qemuHvBalloonPlanReachable(&m->in), >=, target);
    }
    if (total > qemuHvBalloonPlanTotal(&before->in))
        g_assert_cmpuint(qemuHvBalloonPlanTotal(&m->in) + granule, >, total);
}

static void
testProperties(void)
{
    g_autoptr(GRand) r = g_rand_new_with_seed(g_test_rand_int());
    guint machines = g_test_slow() ? 2000000 : 60000;
    g_autofree Machine *m = g_new0(Machine, 1);
    g_autofree Machine *before = g_new0(Machine, 1);
    guint i;
    guint k;

    for (i = 0; i < machines; i++) {
        randomMachine(m, r);
        for (k = 0; k < 24; k++) {
            oneRequest(m, before, r);
            randomLife(m, r);
            if (k % 4 == 0)
                checkMost(m, before, r);
            oneReconcile(m, before, m->target);
            if (g_rand_int_range(r, 0, 8) == 0)
                oneTotal(m, before, r);
        }
    }
    g_test_message("%u requests, and as many changes reconciled", machines * 24);
}

/* However requests, and what the guest gives back, follow each other: each
 * stick that is left is at least an eighth of what those before it add up to. */
static void
testFewSticksWhatever(void)
{
    g_autoptr(GRand) r = g_rand_new_with_seed(g_test_rand_int());
    g_autofree Machine *m = g_new0(Machine, 1);
    size_t most = 0;
    guint i;
    guint k;

    for (i = 0; i < 300; i++) {
        machineInit(m, 1 * GIB, 1 * TIB);
        for (k = 0; k < 400; k++) {
            guint64 step = randomSize(r, 4 * GIB);
            guint64 target = g_rand_int_range(r, 0, 3) ? m->target + step : m->target - MIN(step, m->target);
            size_t j;

            setTarget(m, CLAMP(target, 256 * MIB, 1 * TIB));
            for (j = 0; j < m->in.nsticks; j++)
                m->sticks[j].state = g_rand_int_range(r, 0, 32) ? QEMU_HVBALLOON_STICK_INUSE
                                                                : QEMU_HVBALLOON_STICK_UNUSED;
            most = MAX(most, m->in.nsticks);
        }
    }
    g_assert_cmpuint(most, <=, 64);
    g_test_message("%zu sticks at most", most);
}

/* Up and down at random, with sticks that become free now and then: as long as
 * there was a slot to begin with, none is ever missed. */
static void
testFewSlotsWhatever(void)
{
    g_autoptr(GRand) r = g_rand_new_with_seed(g_test_rand_int());
    g_autofree Machine *m = g_new0(Machine, 1);
    guint i;
    guint k;

    for (i = 0; i < 20000; i++) {
        guint64 boot = (64 * MIB + randomSize(r, 16 * GIB)) & ~(2 * MIB - 1);
        guint64 room = (2 * GIB + randomSize(r, 1 * TIB)) & ~(2 * MIB - 1);
        size_t j;

        machineInit(m, boot, boot + room);
        m->in.alignment = (1ULL << g_rand_int_range(r, 1, 12)) * MIB;
        m->in.freeSlots = g_rand_int_range(r, 1, 12);
        for (k = 0; k < 24; k++) {
            guint64 target = randomSize(r, m->in.maxMemory);

            setTargetOfSlots(m, MAX(target, 1));
            for (j = 0; j < m->in.nsticks; j++)
                m->sticks[j].state = g_rand_int_range(r, 0, 8) ? QEMU_HVBALLOON_STICK_INUSE
                                                               : QEMU_HVBALLOON_STICK_UNUSED;
        }
        setTargetOfSlots(m, m->in.maxMemory);
        g_assert_cmpuint(qemuHvBalloonPlanTotal(&m->in), ==, m->in.maxMemory);
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
        qemuHvBalloonRefusal refusal = { .type = QEMU_HVBALLOON_REFUSAL_NONE };

        randomMachine(m, r);
        stick = randomSize(r, m->in.maxMemory - m->in.boot);
        target = randomSize(r, m->in.maxMemory);
        if (!qemuHvBalloonPlanConfig(&m->in, target, &stick, &refusal)) {
            g_assert_cmpint(refusal.type, !=, QEMU_HVBALLOON_REFUSAL_NONE);
            continue;
        }
        g_assert_cmpuint(m->in.boot + stick, >=, MIN(target, m->in.maxMemory));
        g_assert_cmpuint(m->in.boot + stick, <=, m->in.maxMemory + (stick ? m->in.granule : 0));
        g_assert_true(stick == 0 || target > m->in.boot);
    }
}

typedef struct {
    guint64 boot;
    guint64 stick;
    qemuHvBalloonRefusal refusal;
} ConfigTotal;

/* Of the driver's, there are @stick. */
static ConfigTotal
planConfigTotal(Machine *m, guint64 stick, guint64 total)
{
    ConfigTotal got = { .stick = stick };

    if (qemuHvBalloonPlanConfigTotal(&m->in, total, &got.boot, &got.stick, &got.refusal))
        g_assert_cmpint(got.refusal.type, ==, QEMU_HVBALLOON_REFUSAL_NONE);
    else
        g_assert_cmpint(got.refusal.type, !=, QEMU_HVBALLOON_REFUSAL_NONE);
    return got;
}

static void
assertConfigTotal(Machine *m, guint64 stick, guint64 total, guint64 boot, guint64 left)
{
    ConfigTotal got = planConfigTotal(m, stick, total);

    g_assert_cmpint(got.refusal.type, ==, QEMU_HVBALLOON_REFUSAL_NONE);
    g_assert_cmpuint(got.boot, ==, boot);
    g_assert_cmpuint(got.stick, ==, left);
}

static void
assertConfigTotalRefused(Machine *m, guint64 stick, guint64 total, qemuHvBalloonRefusalType type, guint64 limit)
{
    ConfigTotal got = planConfigTotal(m, stick, total);

    g_assert_cmpint(got.refusal.type, ==, type);
    g_assert_cmpuint(got.refusal.requested, ==, total);
    g_assert_cmpuint(got.refusal.limit, ==, limit);
}

static void
testConfigTotal(void)
{
    Machine m;

    machineInit(&m, 2 * GIB, 8 * GIB);
    m.in.minimum = 512 * MIB;
    /* more is boot memory */
    assertConfigTotal(&m, 0, 3 * GIB, 3 * GIB, 0);
    assertConfigTotal(&m, 4 * GIB, 8 * GIB, 4 * GIB, 4 * GIB);
    assertConfigTotal(&m, 4 * GIB, 6 * GIB, 2 * GIB, 4 * GIB);
    /* less is the driver's sticks, in whole units, and boot memory when they are gone */
    assertConfigTotal(&m, 4 * GIB, 5 * GIB, 2 * GIB, 3 * GIB);
    assertConfigTotal(&m, 4 * GIB, 5 * GIB + MIB, 2 * GIB + MIB, 3 * GIB);
    assertConfigTotal(&m, 4 * GIB, 4 * GIB, 2 * GIB, 2 * GIB);
    assertConfigTotal(&m, 4 * GIB, 2 * GIB, 2 * GIB, 0);
    assertConfigTotal(&m, 4 * GIB, 1 * GIB, 1 * GIB, 0);
    assertConfigTotal(&m, 4 * GIB, 512 * MIB, 512 * MIB, 0);
    assertConfigTotal(&m, 0, 1 * GIB, 1 * GIB, 0);

    /* a user's stick stays */
    machineAdd(&m, 1 * GIB, QEMU_HVBALLOON_STICK_IDLE, false);
    assertConfigTotal(&m, 4 * GIB, 4 * GIB, 2 * GIB, 1 * GIB);
    assertConfigTotal(&m, 4 * GIB, 1 * GIB + MIB, MIB, 0);
}

static void
testConfigTotalLimits(void)
{
    Machine m;

    machineInit(&m, 2 * GIB, 8 * GIB);
    m.in.minimum = 512 * MIB;
    assertConfigTotalRefused(&m, 0, 8 * GIB + 1, QEMU_HVBALLOON_REFUSAL_CONFIG_TOTAL_ABOVE_MAXMEMORY, 8 * GIB);
    assertConfigTotalRefused(&m, 0, 512 * MIB - 1, QEMU_HVBALLOON_REFUSAL_CONFIG_TOTAL_BELOW_MINIMUM, 512 * MIB);
    m.in.minimum = 0;
    assertConfigTotalRefused(&m, 0, 0, QEMU_HVBALLOON_REFUSAL_CONFIG_TOTAL_ZERO, 1);

    machineAdd(&m, 1 * GIB, QEMU_HVBALLOON_STICK_IDLE, false);
    assertConfigTotalRefused(&m, 4 * GIB, 1 * GIB, QEMU_HVBALLOON_REFUSAL_CONFIG_TOTAL_NO_BOOT, 1 * GIB);
    machineAdd(&m, 2 * GIB, QEMU_HVBALLOON_STICK_IDLE, false);
    assertConfigTotalRefused(&m, 0, 2 * GIB, QEMU_HVBALLOON_REFUSAL_CONFIG_TOTAL_NO_BOOT, 3 * GIB);
}

static void
testConfigTotalProperties(void)
{
    g_autoptr(GRand) r = g_rand_new_with_seed(g_test_rand_int());
    g_autofree Machine *m = g_new0(Machine, 1);
    guint i;

    for (i = 0; i < 100000; i++) {
        guint64 before, total, others;
        ConfigTotal got;

        randomMachine(m, r);
        others = qemuHvBalloonPlanTotal(&m->in) - m->in.boot;
        before = randomSize(r, m->in.maxMemory - m->in.boot);
        total = randomSize(r, m->in.maxMemory);
        got = planConfigTotal(m, before, total);
        if (got.refusal.type != QEMU_HVBALLOON_REFUSAL_NONE) {
            g_assert_true(total <= others || total < m->in.minimum);
            continue;
        }
        g_assert_cmpuint(got.boot, >, 0);
        g_assert_cmpuint(got.boot + got.stick + others, ==, total);
        g_assert_cmpuint(got.stick, <=, before);
        /* boot memory is lowered only where no stick of the driver's is left */
        g_assert_true(got.boot >= m->in.boot || got.stick == 0);
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
    g_test_add_func("/plan/most", testMost);
    g_test_add_func("/plan/grow/ceiling", testCeilingCutsShare);
    g_test_add_func("/plan/grow/odd-ceiling", testOddCeiling);
    g_test_add_func("/plan/grow/costly", testCostlyIsExact);
    g_test_add_func("/plan/grow/hugepage", testHugePageGranule);
    g_test_add_func("/plan/grow/space", testShareYieldsToSpace);
    g_test_add_func("/plan/grow/logarithmic", testLogarithmicSticks);
    g_test_add_func("/plan/grow/few-sticks-whatever", testFewSticksWhatever);
    g_test_add_func("/plan/grow/costly-slots", testCostlyEndsAtTheSlots);
    g_test_add_func("/plan/grow/few-slots", testFewSlotsMakeLargeSticks);
    g_test_add_func("/plan/grow/few-slots-ceiling", testFewSlotsReachTheCeiling);
    g_test_add_func("/plan/grow/few-slots-whatever", testFewSlotsWhatever);
    g_test_add_func("/plan/limits", testLimitsAreNamed);
    g_test_add_func("/plan/reasons", testReasonsSayTheFigures);
    g_test_add_func("/plan/size-reasons", testSizeReasons);
    g_test_add_func("/plan/step-names", testStepNames);
    g_test_add_func("/plan/driver-alias", testDriverAlias);
    g_test_add_func("/plan/numbers", testNumbers);
    g_test_add_func("/plan/shrink/used", testShrinkLeavesUsedSticks);
    g_test_add_func("/plan/shrink/unneeded", testShrinkRemovesUnneeded);
    g_test_add_func("/plan/shrink/keep-total", testKeepTotal);
    g_test_add_func("/plan/total", testSetTotal);
    g_test_add_func("/plan/reconcile/unneeded", testReconcile);
    g_test_add_func("/plan/reconcile/clamp", testReconcileClamps);
    g_test_add_func("/plan/config", testConfig);
    g_test_add_func("/plan/config/left", testConfigNamesWhatIsLeft);
    g_test_add_func("/plan/config-total", testConfigTotal);
    g_test_add_func("/plan/config-total/limits", testConfigTotalLimits);
    g_test_add_func("/plan/properties/live", testProperties);
    g_test_add_func("/plan/properties/config", testConfigProperties);
    g_test_add_func("/plan/properties/config-total", testConfigTotalProperties);

    return g_test_run();
}
