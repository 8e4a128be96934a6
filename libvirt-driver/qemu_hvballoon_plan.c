/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qemu_hvballoon_plan.c: what to do so that a guest gets the memory asked for
 */

#include "qemu_hvballoon_plan.h"

#include <string.h>

/* A new stick is at least this part of what there is, so that the number of
 * sticks grows with the logarithm of the size, however small the steps. */
#define QEMU_HVBALLOON_GROWTH 8

/* Of that part, if memory slots are few: by then it is more than any ceiling. */
#define QEMU_HVBALLOON_MAX_DOUBLINGS 63

#define KIB "%" G_GUINT64_FORMAT " KiB"

#define RAISE_MAXMEMORY \
    ": ask for no more than that, or raise <maxMemory> in the stored definition, which counts from the next start"


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


const char *
qemuHvBalloonStepTypeToString(qemuHvBalloonStepType type)
{
    switch (type) {
    case QEMU_HVBALLOON_STEP_PLUG:
        return "plug";
    case QEMU_HVBALLOON_STEP_BALLOON:
        return "balloon";
    case QEMU_HVBALLOON_STEP_UNPLUG:
        return "unplug";
    }

    return NULL;
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

    for (i = 0; i < plan->nsteps; i++) {
        g_free(plan->steps[i].alias);
        g_free(plan->steps[i].reason);
    }
    g_free(plan->steps);
    g_free(plan);
}


static void G_GNUC_PRINTF(5, 6)
planAdd(qemuHvBalloonPlan *plan,
        qemuHvBalloonStepType type,
        guint64 size,
        const char *alias,
        const char *reason,
        ...)
{
    qemuHvBalloonStep *step;
    va_list args;

    plan->steps = g_renew(qemuHvBalloonStep, plan->steps, plan->nsteps + 1);
    step = &plan->steps[plan->nsteps++];
    step->type = type;
    step->size = size;
    step->least = 0;
    step->alias = g_strdup(alias);

    va_start(args, reason);
    step->reason = g_strdup_vprintf(reason, args);
    va_end(args);
}


static bool G_GNUC_PRINTF(2, 3)
refuse(char **refusal, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    *refusal = g_strdup_vprintf(fmt, args);
    va_end(args);
    return false;
}


/* What the ceiling leaves for sticks beyond @sticks. */
static guint64
leftFor(const qemuHvBalloonPlanInput *in, guint64 sticks)
{
    guint64 left = subSat(in->maxMemory, addSat(in->boot, sticks));

    return roundDown(left, granuleOf(in));
}


/* The last part of the ceiling may be less than a stick: a request for it is
 * cut, the first time and whenever it is repeated. */
static bool
ceilingReached(const qemuHvBalloonPlanInput *in)
{
    return leftFor(in, sticksSize(in)) == 0;
}


/* The smallest stick that lets the guest have @missing more. It ends where the
 * guest can use all of it, together with its neighbours; if the ceiling comes
 * first, it ends there. */
static guint64
smallestStick(const qemuHvBalloonPlanInput *in, guint64 missing)
{
    guint64 sticks = sticksSize(in);
    guint64 end = roundUp(addSat(sticks, missing), alignmentOf(in));

    return MIN(roundUp(subSat(end, sticks), granuleOf(in)), leftFor(in, sticks));
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
stickSize(const qemuHvBalloonPlanInput *in, guint64 missing)
{
    guint64 smallest = smallestStick(in, missing);
    guint64 share;
    guint64 size;

    if (in->costly)
        return smallest;

    share = shareOf(qemuHvBalloonPlanTotal(in), doublingsOf(in));
    size = MIN(smallestStick(in, MAX(missing, share)),
               roundDown(in->freeSpace, granuleOf(in)));
    return MAX(size, smallest);
}


/* Why a stick is smaller or larger than usual, or nothing. */
static char *
sizeNote(const qemuHvBalloonPlanInput *in)
{
    if (in->costly)
        return g_strdup(", the backing takes host memory at once");

    if (doublingsOf(in) > 0)
        return g_strdup_printf(", memory slots are left for %" G_GUINT64_FORMAT " more on the way to " KIB,
                               in->freeSlots, in->maxMemory);

    return g_strdup("");
}


static bool
planPlug(qemuHvBalloonPlan *plan,
         const qemuHvBalloonPlanInput *in,
         guint64 missing,
         const char *why,
         char **refusal)
{
    guint64 size = stickSize(in, missing);
    g_autofree char *note = NULL;

    if (in->freeSlots == 0)
        return refuse(refusal,
                      "no memory slot is free for one more stick beside the present %zu, KVM or a vhost device has no more: start the domain with more boot memory, or remove memory devices",
                      in->nsticks);

    if (size > in->freeSpace)
        return refuse(refusal,
                      "the largest free range for memory devices is " KIB ", a stick of " KIB " is needed: ask for less, or restart the guest, which leaves no sticks with holes between them",
                      in->freeSpace, size);

    note = sizeNote(in);
    planAdd(plan, QEMU_HVBALLOON_STEP_PLUG, size, NULL,
            KIB " are missing %s; boot memory and sticks are " KIB "%s",
            missing, why, qemuHvBalloonPlanTotal(in), note);
    plan->steps[plan->nsteps - 1].least = smallestStick(in, missing);
    return true;
}


/* There is enough, but not in units that the guest can be given. One more
 * stick helps if it fits; else the guest gets what its alignment allows. */
static void
planPlugForAlignment(qemuHvBalloonPlan *plan,
                     const qemuHvBalloonPlanInput *in,
                     guint64 missing)
{
    guint64 sticks = sticksSize(in);
    g_autofree char *refusal = NULL;

    if (reachableWith(in, addSat(sticks, stickSize(in, missing))) > reachableWith(in, sticks))
        planPlug(plan, in, missing, "in units of the guest's alignment", &refusal);
}


static guint64
plannedSize(const qemuHvBalloonPlan *plan)
{
    if (plan->nsteps > 0 && plan->steps[0].type == QEMU_HVBALLOON_STEP_PLUG)
        return plan->steps[0].size;
    return 0;
}


/* The target that is wanted, or what there is of it: neither the ceiling nor a
 * stick that is gone need leave a place for its last part. */
static void
planBalloon(qemuHvBalloonPlan *plan,
            const qemuHvBalloonPlanInput *in,
            guint64 target,
            const char *why)
{
    guint64 total = addSat(qemuHvBalloonPlanTotal(in), plannedSize(plan));

    if (target > total)
        planAdd(plan, QEMU_HVBALLOON_STEP_BALLOON, total, NULL,
                KIB " are %s, boot memory and sticks are no more than this",
                target, why);
    else
        planAdd(plan, QEMU_HVBALLOON_STEP_BALLOON, target, NULL,
                "%s; boot memory and sticks are " KIB, why, total);
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
        gone[i] = true;
        sticks -= stick->size;
        planAdd(plan, QEMU_HVBALLOON_STEP_UNPLUG, stick->size, stick->alias,
                "the guest uses none of it and " KIB " remain for a target of " KIB,
                addSat(in->boot, sticks), target);
    }
}


static bool
checkTarget(const qemuHvBalloonPlanInput *in, guint64 target, char **refusal)
{
    if (target == 0)
        return refuse(refusal,
                      "memory cannot be 0: ask for what the guest needs, at least " KIB,
                      MAX(in->minimum, 1));

    if (target < in->minimum)
        return refuse(refusal,
                      "memory " KIB " is below the <minimum> of the balloon, " KIB ": ask for at least that, or lower <minimum> in the stored definition, which counts from the next start",
                      target, in->minimum);

    if (target <= qemuHvBalloonPlanTotal(in))
        return true;

    if (in->maxMemory == 0)
        return refuse(refusal,
                      "memory " KIB " is above the present " KIB " and there is no <maxMemory> to grow to: ask for no more than that, or add <maxMemory> to the stored definition, which counts from the next start",
                      target, qemuHvBalloonPlanTotal(in));

    if (target > in->maxMemory)
        return refuse(refusal,
                      "memory " KIB " is above <maxMemory> " KIB RAISE_MAXMEMORY,
                      target, in->maxMemory);

    return true;
}


qemuHvBalloonPlan *
qemuHvBalloonPlanSetTarget(const qemuHvBalloonPlanInput *in,
                           guint64 target,
                           char **refusal)
{
    g_autoptr(qemuHvBalloonPlan) plan = g_new0(qemuHvBalloonPlan, 1);
    guint64 total = qemuHvBalloonPlanTotal(in);
    guint64 reachable = qemuHvBalloonPlanReachable(in);

    if (!checkTarget(in, target, refusal))
        return NULL;

    if (target > total && !ceilingReached(in) &&
        !planPlug(plan, in, target - reachable, "to reach the target", refusal))
        return NULL;

    if (target <= total && target > reachable)
        planPlugForAlignment(plan, in, target - reachable);

    planBalloon(plan, in, target, "asked for");
    planUnplugs(plan, in, target, in->keepTotal);

    return g_steal_pointer(&plan);
}


static bool
checkTotal(const qemuHvBalloonPlanInput *in, guint64 total, char **refusal)
{
    if (total < in->boot)
        return refuse(refusal,
                      "maximum memory " KIB " is below the memory the guest booted with, " KIB ": ask for at least that, or change the stored definition (--config) and shut the guest down and start it",
                      total, in->boot);

    if (total > qemuHvBalloonPlanTotal(in) && total > in->maxMemory)
        return refuse(refusal,
                      "maximum memory " KIB " is above <maxMemory> " KIB RAISE_MAXMEMORY,
                      total, in->maxMemory);

    return true;
}


qemuHvBalloonPlan *
qemuHvBalloonPlanSetTotal(const qemuHvBalloonPlanInput *in,
                          guint64 total,
                          guint64 target,
                          char **refusal)
{
    g_autoptr(qemuHvBalloonPlan) plan = g_new0(qemuHvBalloonPlan, 1);
    guint64 present = qemuHvBalloonPlanTotal(in);

    if (!checkTotal(in, total, refusal))
        return NULL;

    if (total > present && !ceilingReached(in)) {
        /* The size is the caller's wish here: no share on top. */
        qemuHvBalloonPlanInput exact = *in;

        exact.costly = true;
        exact.alignment = granuleOf(in);
        if (!planPlug(plan, &exact, total - present, "to reach the total", refusal))
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
        planBalloon(plan, in, target, "still wanted");
    planUnplugs(plan, in, target, in->keepTotal);
    return plan;
}


bool
qemuHvBalloonPlanConfig(const qemuHvBalloonPlanInput *in,
                        guint64 target,
                        guint64 *stick,
                        char **refusal)
{
    guint64 others = qemuHvBalloonPlanTotal(in);
    qemuHvBalloonPlanStick own = { .size = *stick };
    qemuHvBalloonPlanInput all = *in;
    g_autofree qemuHvBalloonPlanStick *sticks = NULL;
    guint64 size;

    sticks = g_new0(qemuHvBalloonPlanStick, in->nsticks + 1);
    if (in->nsticks)
        memcpy(sticks, in->sticks, in->nsticks * sizeof(*sticks));
    sticks[in->nsticks] = own;
    all.sticks = sticks;
    all.nsticks = in->nsticks + 1;

    if (!checkTarget(&all, target, refusal))
        return false;

    size = roundUp(subSat(target, others), granuleOf(in));
    if (size > *stick && size > leftFor(in, sticksSize(in)))
        return refuse(refusal,
                      "memory " KIB " needs a stick of " KIB ", <maxMemory> " KIB " leaves only " KIB ": ask for " KIB " at most, or raise <maxMemory>",
                      target, size, in->maxMemory, leftFor(in, sticksSize(in)),
                      addSat(others, leftFor(in, sticksSize(in))));

    *stick = size;
    return true;
}


/* "the stick 'A' of N KiB", or all of them. */
static char *
nameSticks(const qemuHvBalloonPlanInput *in)
{
    GString *names = g_string_new(in->nsticks == 1 ? "the stick" : "the sticks");
    size_t i;

    for (i = 0; i < in->nsticks; i++)
        g_string_append_printf(names, "%s '%s' of " KIB, i > 0 ? "," : "",
                               in->sticks[i].alias ? in->sticks[i].alias : "?",
                               in->sticks[i].size);

    return g_string_free(names, FALSE);
}


static bool
checkConfigTotal(const qemuHvBalloonPlanInput *in, guint64 total, char **refusal)
{
    g_autofree char *names = NULL;

    if (in->maxMemory > 0 && total > in->maxMemory)
        return refuse(refusal,
                      "maximum memory " KIB " is above <maxMemory> " KIB ": ask for no more than that, or raise <maxMemory> first",
                      total, in->maxMemory);

    if (total == 0)
        return refuse(refusal, "maximum memory cannot be 0: ask for what the guest needs to boot");

    if (total < in->minimum)
        return refuse(refusal,
                      "maximum memory " KIB " is below the <minimum> of the balloon, " KIB ": ask for at least that, or lower <minimum> first",
                      total, in->minimum);

    if (total > sticksSize(in))
        return true;

    names = nameSticks(in);
    return refuse(refusal,
                  "maximum memory " KIB " leaves nothing to boot with beside %s: ask for more, or detach what is too much from the stored definition (--config) first",
                  total, names);
}


bool
qemuHvBalloonPlanConfigTotal(const qemuHvBalloonPlanInput *in,
                             guint64 total,
                             guint64 *boot,
                             guint64 *stick,
                             char **refusal)
{
    guint64 others = sticksSize(in);

    if (!checkConfigTotal(in, total, refusal))
        return false;

    /* what is left of it when boot memory stays */
    *stick = MIN(*stick, roundDown(subSat(total, qemuHvBalloonPlanTotal(in)), granuleOf(in)));
    *boot = total - others - *stick;
    return true;
}
