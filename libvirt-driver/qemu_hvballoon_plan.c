/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qemu_hvballoon_plan.c: what to do so that a guest gets the memory
 *                        requested for it
 *
 * The planner is stateless: a plan depends only on its input. So it does not
 * matter what was done before, repeating a request changes nothing, and anyone
 * with the same input can predict the plan.
 *
 * - Order: plug, balloon, unplug. Memory is plugged before the guest is told
 *   about it, and removed only when it is no longer needed. If the daemon dies
 *   in between, one stick too many is left, which the next reconcile removes.
 * - At most one stick per request: if plugging it fails, nothing has to be undone.
 * - A stick is at least an eighth of what there is. It takes a memory slot of
 *   KVM and of every vhost device, some of which have only eight, and it can
 *   only be removed as a whole. If sticks were only as large as what is
 *   missing, small steps would use up the slots; if each doubled the memory,
 *   most of it would be in one stick, which the guest hardly ever leaves
 *   entirely unused. With an eighth, 64 sticks are enough from 1 GiB to 1 TiB,
 *   whatever the steps. The part of a stick that the guest was not given costs
 *   the host nothing.
 * - A costly backing takes host memory when it is plugged. Then a stick is only
 *   what is missing, and small steps may use up the slots.
 * - If too few slots are free to reach the ceiling by eighths, the share is
 *   doubled until they suffice. So maxMemory stays reachable while one slot is
 *   free.
 * - The guest takes memory in units of its alignment, counted over all sticks,
 *   which lie side by side. A stick ends on a unit boundary, since a remainder
 *   would be unusable; only the ceiling cuts it shorter. It consists of whole
 *   pages of its backing.
 * - Nothing goes beyond the ceiling. If less than a stick fits below it, every
 *   request for more is cut to what exists.
 * - A stick is removed only if the driver made it, the guest uses none of it, and
 *   target and keepTotal are met without it. The largest goes first, so that as
 *   much as possible can go.
 */

#include "qemu_hvballoon_plan.h"

#include <stddef.h>
#include <string.h>

/* A new stick is at least this part of what there is. */
#define QEMU_HVBALLOON_GROWTH 8

/* Of that part, if memory slots are few: by then it is more than any ceiling. */
#define QEMU_HVBALLOON_MAX_DOUBLINGS 63


/* What one more stick is for. */
typedef struct _qemuHvBalloonNeed qemuHvBalloonNeed;
struct _qemuHvBalloonNeed {
    qemuHvBalloonReasonType why;
    guint64 requested;
    guint64 missing;
    bool exact;                     /* the stick is what is missing and no more */
};


static guint64
roundDown(guint64 value, guint64 unit)
{
    return unit ? value - value % unit : value;
}


/* Saturates at the largest multiple that can be expressed. */
static guint64
roundUp(guint64 value, guint64 unit)
{
    guint64 down = roundDown(value, unit);

    if (down == value || down > G_MAXUINT64 - unit)
        return down;
    return down + unit;
}


static guint64
addSat(guint64 a, guint64 b)
{
    return a > G_MAXUINT64 - b ? G_MAXUINT64 : a + b;
}


static guint64
subSat(guint64 a, guint64 b)
{
    return a > b ? a - b : 0;
}


static guint64
granuleOf(const qemuHvBalloonPlanInput *in)
{
    return MAX(in->granule, QEMU_HVBALLOON_STICK_GRANULE);
}


static guint64
alignmentOf(const qemuHvBalloonPlanInput *in)
{
    return MAX(in->alignment, granuleOf(in));
}


static guint64
sticksSize(const qemuHvBalloonPlanInput *in)
{
    guint64 sum = 0;
    size_t i;

    for (i = 0; i < in->nsticks; i++)
        sum = addSat(sum, in->sticks[i].size);

    return sum;
}


guint64
qemuHvBalloonPlanTotal(const qemuHvBalloonPlanInput *in)
{
    return addSat(in->boot, sticksSize(in));
}


/* Sticks lie side by side, so what counts is their sum, not each one. */
static guint64
reachableWith(const qemuHvBalloonPlanInput *in, guint64 sticks)
{
    return addSat(in->boot, roundDown(sticks, alignmentOf(in)));
}


guint64
qemuHvBalloonPlanReachable(const qemuHvBalloonPlanInput *in)
{
    return reachableWith(in, sticksSize(in));
}


bool
qemuHvBalloonIsNumbered(const char *alias, const char *prefix)
{
    const char *number;

    if (!alias || !g_str_has_prefix(alias, prefix))
        return false;

    number = alias + strlen(prefix);
    return *number && strspn(number, "0123456789") == strlen(number);
}


bool
qemuHvBalloonIsDriverAlias(const char *alias)
{
    return qemuHvBalloonIsNumbered(alias, QEMU_HVBALLOON_DRIVER_ALIAS);
}


static const char *const stepTypes[] = {
    [QEMU_HVBALLOON_STEP_PLUG] = "plug",
    [QEMU_HVBALLOON_STEP_BALLOON] = "balloon",
    [QEMU_HVBALLOON_STEP_UNPLUG] = "unplug",
};
G_STATIC_ASSERT(G_N_ELEMENTS(stepTypes) == QEMU_HVBALLOON_STEP_LAST);


const char *
qemuHvBalloonStepTypeToString(qemuHvBalloonStepType type)
{
    return (size_t)type < G_N_ELEMENTS(stepTypes) ? stepTypes[type] : NULL;
}


static const struct {
    const char *name;
    size_t offset;
} numbers[] = {
    { "boot", offsetof(qemuHvBalloonPlanInput, boot) },
    { "max-memory", offsetof(qemuHvBalloonPlanInput, maxMemory) },
    { "minimum", offsetof(qemuHvBalloonPlanInput, minimum) },
    { "keep-total", offsetof(qemuHvBalloonPlanInput, keepTotal) },
    { "device-target", offsetof(qemuHvBalloonPlanInput, deviceTarget) },
    { "granule", offsetof(qemuHvBalloonPlanInput, granule) },
    { "alignment", offsetof(qemuHvBalloonPlanInput, alignment) },
    { "free-slots", offsetof(qemuHvBalloonPlanInput, freeSlots) },
    { "free-space", offsetof(qemuHvBalloonPlanInput, freeSpace) },
};
G_STATIC_ASSERT(G_N_ELEMENTS(numbers) * sizeof(guint64) == offsetof(qemuHvBalloonPlanInput, costly));


guint64 *
qemuHvBalloonPlanNumber(qemuHvBalloonPlanInput *in,
                        size_t i,
                        const char **name)
{
    if (i >= G_N_ELEMENTS(numbers))
        return NULL;

    *name = numbers[i].name;
    return (guint64 *)(void *)((char *)in + numbers[i].offset);
}


guint64
qemuHvBalloonPlanTotalAfter(const qemuHvBalloonPlanInput *in,
                            const qemuHvBalloonPlan *plan)
{
    guint64 total = qemuHvBalloonPlanTotal(in);
    size_t i;

    for (i = 0; i < plan->nsteps; i++) {
        if (plan->steps[i].type == QEMU_HVBALLOON_STEP_PLUG)
            total = addSat(total, plan->steps[i].size);
        else if (plan->steps[i].type == QEMU_HVBALLOON_STEP_UNPLUG)
            total = subSat(total, plan->steps[i].size);
    }

    return total;
}


guint64
qemuHvBalloonPlanTarget(const qemuHvBalloonPlan *plan, guint64 requested)
{
    size_t i;

    for (i = 0; i < plan->nsteps; i++) {
        if (plan->steps[i].type == QEMU_HVBALLOON_STEP_BALLOON)
            return plan->steps[i].size;
    }

    return requested;
}


guint64
qemuHvBalloonPlanPages(guint64 size)
{
    return MAX(size / QEMU_HVBALLOON_PAGE, 1);
}


void
qemuHvBalloonPlanFree(qemuHvBalloonPlan *plan)
{
    size_t i;

    if (!plan)
        return;

    for (i = 0; i < plan->nsteps; i++)
        g_free(plan->steps[i].alias);
    g_free(plan->steps);
    g_free(plan);
}


static qemuHvBalloonStep *
planAdd(qemuHvBalloonPlan *plan,
        qemuHvBalloonStepType type,
        guint64 size,
        qemuHvBalloonReason reason)
{
    qemuHvBalloonStep *step;

    plan->steps = g_renew(qemuHvBalloonStep, plan->steps, plan->nsteps + 1);
    step = &plan->steps[plan->nsteps++];
    *step = (qemuHvBalloonStep) { .type = type, .size = size, .reason = reason };
    return step;
}


/* Always false. */
static bool
refuse(qemuHvBalloonRefusal *refusal,
       qemuHvBalloonRefusalType type,
       guint64 requested,
       guint64 limit)
{
    *refusal = (qemuHvBalloonRefusal) { .type = type, .requested = requested, .limit = limit };
    return false;
}


/* The same for a stick of @size. */
static bool
refuseStick(qemuHvBalloonRefusal *refusal,
            qemuHvBalloonRefusalType type,
            guint64 requested,
            guint64 limit,
            guint64 size)
{
    refuse(refusal, type, requested, limit);
    refusal->stick = size;
    return false;
}


/* What the ceiling leaves for sticks beyond @sticks. */
static guint64
leftFor(const qemuHvBalloonPlanInput *in, guint64 sticks)
{
    guint64 left = subSat(in->maxMemory, addSat(in->boot, sticks));

    return roundDown(left, granuleOf(in));
}


/* What is left below the ceiling may be too small for a stick: a request for it
 * is cut, every time. */
static bool
ceilingReached(const qemuHvBalloonPlanInput *in)
{
    return leftFor(in, sticksSize(in)) == 0;
}


/* The smallest stick that lets the guest have @missing more. It ends where the
 * guest can use all of it, together with its neighbours; if the ceiling comes
 * first, it ends there. */
static guint64
usableStick(const qemuHvBalloonPlanInput *in, guint64 missing)
{
    guint64 sticks = sticksSize(in);
    guint64 end = roundUp(addSat(sticks, missing), alignmentOf(in));

    return MIN(roundUp(subSat(end, sticks), granuleOf(in)), leftFor(in, sticks));
}


/* The smallest stick that will do. */
static guint64
smallestStick(const qemuHvBalloonPlanInput *in, const qemuHvBalloonNeed *need)
{
    if (need->exact)
        return MIN(roundUp(need->missing, granuleOf(in)), leftFor(in, sticksSize(in)));

    return usableStick(in, need->missing);
}


/* With one more stick, of the largest free range at most. What the sticks have
 * beyond whole units counts as missing, see usableStick(). */
static guint64
mostWithin(const qemuHvBalloonPlanInput *in, guint64 space)
{
    guint64 sticks = sticksSize(in);
    guint64 rest = sticks - roundDown(sticks, alignmentOf(in));
    guint64 most = subSat(reachableWith(in, addSat(sticks, roundDown(space, granuleOf(in)))), rest);

    return MAX(most, reachableWith(in, sticks));
}


guint64
qemuHvBalloonPlanMost(const qemuHvBalloonPlanInput *in, qemuHvBalloonRefusalType *why)
{
    guint64 sticks = sticksSize(in);
    guint64 left = leftFor(in, sticks);

    if (left > 0 && in->freeSlots == 0) {
        *why = QEMU_HVBALLOON_REFUSAL_NO_SLOT;
        return reachableWith(in, sticks);
    }

    if (left > in->freeSpace) {
        *why = QEMU_HVBALLOON_REFUSAL_NO_SPACE;
        return mostWithin(in, in->freeSpace);
    }

    *why = QEMU_HVBALLOON_REFUSAL_NONE;
    return reachableWith(in, addSat(sticks, left));
}


/* An eighth of @total, doubled so many times. */
static guint64
shareOf(guint64 total, unsigned int doublings)
{
    guint64 share = total / QEMU_HVBALLOON_GROWTH;

    return share > G_MAXUINT64 >> doublings ? G_MAXUINT64 : share << doublings;
}


/* Would sticks of such shares reach the ceiling before the slots run out? */
static bool
slotsSuffice(const qemuHvBalloonPlanInput *in, unsigned int doublings)
{
    guint64 total = qemuHvBalloonPlanTotal(in);
    guint64 used;

    for (used = 0; used < in->freeSlots && total < in->maxMemory; used++) {
        guint64 share = shareOf(total, doublings);

        if (share == 0)
            return false;
        total = addSat(total, share);
    }

    return total >= in->maxMemory;
}


/* How much larger than usual sticks have to be as slots are few: so that those
 * that are left reach the ceiling, and the last one at the latest does. Larger
 * ones all along, rather than a huge last one: what is left in one piece can
 * only be removed in one piece. */
static unsigned int
doublingsOf(const qemuHvBalloonPlanInput *in)
{
    unsigned int doublings = 0;

    if (in->freeSlots == 0)
        return 0;

    while (doublings < QEMU_HVBALLOON_MAX_DOUBLINGS && !slotsSuffice(in, doublings))
        doublings++;

    return doublings;
}


/* What is plugged: more than that if it costs nothing, as far as there is
 * address space. */
static guint64
stickSize(const qemuHvBalloonPlanInput *in, const qemuHvBalloonNeed *need)
{
    guint64 smallest = smallestStick(in, need);
    guint64 share;
    guint64 size;

    if (in->costly || need->exact)
        return smallest;

    share = shareOf(qemuHvBalloonPlanTotal(in), doublingsOf(in));
    size = MIN(usableStick(in, MAX(need->missing, share)),
               roundDown(in->freeSpace, granuleOf(in)));
    return MAX(size, smallest);
}


static qemuHvBalloonReason
plugReason(const qemuHvBalloonPlanInput *in, const qemuHvBalloonNeed *need)
{
    qemuHvBalloonReason reason = {
        .type = need->why,
        .requested = need->requested,
        .missing = need->missing,
        .total = qemuHvBalloonPlanTotal(in),
        .freeSlots = in->freeSlots,
        .maxMemory = in->maxMemory,
    };

    if (need->exact)
        reason.size = QEMU_HVBALLOON_SIZE_USUAL;
    else if (in->costly)
        reason.size = QEMU_HVBALLOON_SIZE_COSTLY;
    else if (doublingsOf(in) > 0)
        reason.size = QEMU_HVBALLOON_SIZE_FEW_SLOTS;

    return reason;
}


static bool
planPlug(qemuHvBalloonPlan *plan,
         const qemuHvBalloonPlanInput *in,
         const qemuHvBalloonNeed *need,
         qemuHvBalloonRefusal *refusal)
{
    guint64 size = stickSize(in, need);
    qemuHvBalloonStep *step;

    if (in->freeSlots == 0)
        return refuseStick(refusal, QEMU_HVBALLOON_REFUSAL_NO_SLOT, need->requested, 0, size);

    if (size > in->freeSpace)
        return refuseStick(refusal, QEMU_HVBALLOON_REFUSAL_NO_SPACE, need->requested, in->freeSpace, size);

    step = planAdd(plan, QEMU_HVBALLOON_STEP_PLUG, size, plugReason(in, need));
    step->least = smallestStick(in, need);
    return true;
}


/* There is enough memory, but not in units that the guest can take. One more
 * stick helps if it fits; else the guest gets what its alignment allows. */
static void
planPlugForAlignment(qemuHvBalloonPlan *plan,
                     const qemuHvBalloonPlanInput *in,
                     const qemuHvBalloonNeed *need)
{
    guint64 sticks = sticksSize(in);
    qemuHvBalloonRefusal refusal;

    if (reachableWith(in, addSat(sticks, stickSize(in, need))) > reachableWith(in, sticks))
        planPlug(plan, in, need, &refusal);
}


/* Plugs what is missing to @target, if that can be. */
static bool
planPlugForTarget(qemuHvBalloonPlan *plan,
                  const qemuHvBalloonPlanInput *in,
                  guint64 target,
                  qemuHvBalloonRefusal *refusal)
{
    guint64 reachable = qemuHvBalloonPlanReachable(in);
    qemuHvBalloonNeed need = {
        .why = QEMU_HVBALLOON_REASON_TARGET,
        .requested = target,
        .missing = subSat(target, reachable),
    };

    if (target > qemuHvBalloonPlanTotal(in))
        return ceilingReached(in) || planPlug(plan, in, &need, refusal);

    need.why = QEMU_HVBALLOON_REASON_ALIGNMENT;
    if (target > reachable)
        planPlugForAlignment(plan, in, &need);
    return true;
}


static guint64
plannedSize(const qemuHvBalloonPlan *plan)
{
    if (plan->nsteps > 0 && plan->steps[0].type == QEMU_HVBALLOON_STEP_PLUG)
        return plan->steps[0].size;
    return 0;
}


/* @target, or what there is of it: neither the ceiling nor a stick that is gone
 * need leave a place for its last part. */
static void
planBalloon(qemuHvBalloonPlan *plan,
            const qemuHvBalloonPlanInput *in,
            guint64 target,
            qemuHvBalloonReasonType why)
{
    guint64 total = addSat(qemuHvBalloonPlanTotal(in), plannedSize(plan));
    qemuHvBalloonReason reason = { .type = why, .requested = target, .total = total };

    planAdd(plan, QEMU_HVBALLOON_STEP_BALLOON, MIN(target, total), reason);
}


static bool
stickRemovable(const qemuHvBalloonPlanStick *stick)
{
    return stick->byDriver && stick->state != QEMU_HVBALLOON_STICK_INUSE;
}


/* The largest stick that can go and leave enough; NULL if none. */
static const qemuHvBalloonPlanStick *
pickUnneeded(const qemuHvBalloonPlanInput *in,
             const bool *gone,
             guint64 sticks,
             guint64 target,
             guint64 keep,
             size_t *index)
{
    const qemuHvBalloonPlanStick *best = NULL;
    size_t i;

    for (i = 0; i < in->nsticks; i++) {
        const qemuHvBalloonPlanStick *stick = &in->sticks[i];
        guint64 rest = subSat(sticks, stick->size);

        if (gone[i] || !stickRemovable(stick) ||
            reachableWith(in, rest) < target ||
            addSat(in->boot, rest) < keep)
            continue;

        /* ">=": of equal ones the newest, so that the first ones stay */
        if (!best || stick->size >= best->size) {
            best = stick;
            *index = i;
        }
    }

    return best;
}


static void
planUnplugs(qemuHvBalloonPlan *plan,
            const qemuHvBalloonPlanInput *in,
            guint64 target,
            guint64 keep)
{
    g_autofree bool *gone = g_new0(bool, in->nsticks + 1);
    guint64 sticks = addSat(sticksSize(in), plannedSize(plan));
    const qemuHvBalloonPlanStick *stick;
    size_t i = 0;

    while ((stick = pickUnneeded(in, gone, sticks, target, keep, &i))) {
        qemuHvBalloonReason reason = { .type = QEMU_HVBALLOON_REASON_UNUSED, .requested = target };
        qemuHvBalloonStep *step;

        gone[i] = true;
        sticks -= stick->size;
        reason.total = addSat(in->boot, sticks);
        step = planAdd(plan, QEMU_HVBALLOON_STEP_UNPLUG, stick->size, reason);
        step->alias = g_strdup(stick->alias);
    }
}


static bool
checkTarget(const qemuHvBalloonPlanInput *in, guint64 target, qemuHvBalloonRefusal *refusal)
{
    guint64 total = qemuHvBalloonPlanTotal(in);

    if (target == 0)
        return refuse(refusal, QEMU_HVBALLOON_REFUSAL_TARGET_ZERO, target, MAX(in->minimum, 1));

    if (target < in->minimum)
        return refuse(refusal, QEMU_HVBALLOON_REFUSAL_TARGET_BELOW_MINIMUM, target, in->minimum);

    if (target <= total)
        return true;

    if (in->maxMemory == 0)
        return refuse(refusal, QEMU_HVBALLOON_REFUSAL_TARGET_NO_MAXMEMORY, target, total);

    if (target > in->maxMemory)
        return refuse(refusal, QEMU_HVBALLOON_REFUSAL_TARGET_ABOVE_MAXMEMORY, target, in->maxMemory);

    return true;
}


qemuHvBalloonPlan *
qemuHvBalloonPlanSetTarget(const qemuHvBalloonPlanInput *in,
                           guint64 target,
                           qemuHvBalloonRefusal *refusal)
{
    g_autoptr(qemuHvBalloonPlan) plan = g_new0(qemuHvBalloonPlan, 1);

    if (!checkTarget(in, target, refusal) ||
        !planPlugForTarget(plan, in, target, refusal))
        return NULL;

    planBalloon(plan, in, target, QEMU_HVBALLOON_REASON_REQUESTED);
    planUnplugs(plan, in, target, in->keepTotal);

    return g_steal_pointer(&plan);
}


static bool
checkTotal(const qemuHvBalloonPlanInput *in, guint64 total, qemuHvBalloonRefusal *refusal)
{
    if (total < in->boot)
        return refuse(refusal, QEMU_HVBALLOON_REFUSAL_TOTAL_BELOW_BOOT, total, in->boot);

    if (total > qemuHvBalloonPlanTotal(in) && total > in->maxMemory)
        return refuse(refusal, QEMU_HVBALLOON_REFUSAL_TOTAL_ABOVE_MAXMEMORY, total, in->maxMemory);

    return true;
}


qemuHvBalloonPlan *
qemuHvBalloonPlanSetTotal(const qemuHvBalloonPlanInput *in,
                          guint64 total,
                          guint64 target,
                          qemuHvBalloonRefusal *refusal)
{
    g_autoptr(qemuHvBalloonPlan) plan = g_new0(qemuHvBalloonPlan, 1);
    guint64 present = qemuHvBalloonPlanTotal(in);
    qemuHvBalloonNeed need = {
        .why = QEMU_HVBALLOON_REASON_TOTAL,
        .requested = total,
        .missing = subSat(total, present),
        .exact = true,
    };

    if (!checkTotal(in, total, refusal))
        return NULL;

    if (total > present && !ceilingReached(in)) {
        if (!planPlug(plan, in, &need, refusal))
            return NULL;
    } else {
        planUnplugs(plan, in, target, total);
    }

    return g_steal_pointer(&plan);
}


static bool
isDeviceTarget(const qemuHvBalloonPlanInput *in, guint64 target)
{
    return in->deviceTarget > 0 &&
        qemuHvBalloonPlanPages(in->deviceTarget) == qemuHvBalloonPlanPages(target);
}


qemuHvBalloonPlan *
qemuHvBalloonPlanReconcile(const qemuHvBalloonPlanInput *in,
                           guint64 target)
{
    qemuHvBalloonPlan *plan = g_new0(qemuHvBalloonPlan, 1);

    if (target == 0)
        return plan;

    if (!isDeviceTarget(in, MIN(target, qemuHvBalloonPlanTotal(in))))
        planBalloon(plan, in, target, QEMU_HVBALLOON_REASON_RESENT);
    planUnplugs(plan, in, target, in->keepTotal);
    return plan;
}


/* Is @target within the limits, with sticks of @own beside those of @in? */
static bool
checkConfig(const qemuHvBalloonPlanInput *in,
            guint64 own,
            guint64 target,
            qemuHvBalloonRefusal *refusal)
{
    qemuHvBalloonPlanInput all = *in;

    all.boot = addSat(all.boot, own);
    return checkTarget(&all, target, refusal);
}


bool
qemuHvBalloonPlanConfig(const qemuHvBalloonPlanInput *in,
                        guint64 target,
                        guint64 *stick,
                        qemuHvBalloonRefusal *refusal)
{
    guint64 others = qemuHvBalloonPlanTotal(in);
    guint64 left = leftFor(in, sticksSize(in));
    guint64 size = roundUp(subSat(target, others), granuleOf(in));

    if (!checkConfig(in, *stick, target, refusal))
        return false;

    if (size > *stick && size > left) {
        refuseStick(refusal, QEMU_HVBALLOON_REFUSAL_CONFIG_NO_ROOM, target, in->maxMemory, size);
        refusal->left = left;
        refusal->most = addSat(others, left);
        return false;
    }

    *stick = size;
    return true;
}


static bool
checkConfigTotal(const qemuHvBalloonPlanInput *in, guint64 total, qemuHvBalloonRefusal *refusal)
{
    if (in->maxMemory > 0 && total > in->maxMemory)
        return refuse(refusal, QEMU_HVBALLOON_REFUSAL_CONFIG_TOTAL_ABOVE_MAXMEMORY, total, in->maxMemory);

    if (total == 0)
        return refuse(refusal, QEMU_HVBALLOON_REFUSAL_CONFIG_TOTAL_ZERO, total, 1);

    if (total < in->minimum)
        return refuse(refusal, QEMU_HVBALLOON_REFUSAL_CONFIG_TOTAL_BELOW_MINIMUM, total, in->minimum);

    if (total <= sticksSize(in))
        return refuse(refusal, QEMU_HVBALLOON_REFUSAL_CONFIG_TOTAL_NO_BOOT, total, sticksSize(in));

    return true;
}


bool
qemuHvBalloonPlanConfigTotal(const qemuHvBalloonPlanInput *in,
                             guint64 total,
                             guint64 *boot,
                             guint64 *stick,
                             qemuHvBalloonRefusal *refusal)
{
    guint64 others = sticksSize(in);

    if (!checkConfigTotal(in, total, refusal))
        return false;

    /* what is left of it when boot memory stays */
    *stick = MIN(*stick, roundDown(subSat(total, qemuHvBalloonPlanTotal(in)), granuleOf(in)));
    *boot = total - others - *stick;
    return true;
}
