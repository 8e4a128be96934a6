/*
 * hvmem-plan.c: what setmem would do
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-plan.h"
#include "hvmem-plan-text.h"


void
hvmemPlanFree(hvmemPlan *plan)
{
    if (!plan)
        return;

    qemuHvBalloonPlanFree(plan->steps);
    g_free(plan->refused);
    g_free(plan);
}


/* Unknown is the one that keeps a stick: nothing is removed that may be in use. */
static qemuHvBalloonStickState
stickState(const hvmemStick *stick)
{
    if (g_strcmp0(stick->state, "idle") == 0)
        return QEMU_HVBALLOON_STICK_IDLE;
    if (g_strcmp0(stick->state, "unused") == 0)
        return QEMU_HVBALLOON_STICK_UNUSED;
    return QEMU_HVBALLOON_STICK_INUSE;
}


/* @own: libvirt's sticks too. */
static qemuHvBalloonPlanStick *
fillSticks(const hvmemDomain *dom,
           bool own,
           size_t *n)
{
    qemuHvBalloonPlanStick *sticks = g_new0(qemuHvBalloonPlanStick, dom->sticks->len + 1);
    size_t i;

    *n = 0;
    for (i = 0; i < dom->sticks->len; i++) {
        const hvmemStick *stick = dom->sticks->pdata[i];

        if (!own && stick->byDriver)
            continue;

        sticks[*n].alias = stick->alias;
        sticks[*n].size = stick->size / HVMEM_KIB;
        sticks[*n].state = stickState(stick);
        sticks[*n].byDriver = stick->byDriver;
        (*n)++;
    }
    return sticks;
}


static void
addStep(qemuHvBalloonPlan *plan,
        qemuHvBalloonStepType type,
        guint64 size,
        const char *alias)
{
    qemuHvBalloonStep *step;

    plan->steps = g_renew(qemuHvBalloonStep, plan->steps, plan->nsteps + 1);
    step = &plan->steps[plan->nsteps++];
    *step = (qemuHvBalloonStep) { .type = type, .size = size, .alias = g_strdup(alias) };
}


/* The stick through which the definition is made larger: the first of libvirt's, which is made if there is none. */
static const char *
storedAlias(const hvmemDomain *dom)
{
    size_t i;

    for (i = 0; i < dom->sticks->len; i++) {
        const hvmemStick *stick = dom->sticks->pdata[i];

        if (stick->byDriver)
            return stick->alias;
    }
    return QEMU_HVBALLOON_DRIVER_ALIAS "0";
}


static guint64
storedSize(const hvmemDomain *dom)
{
    guint64 size = 0;
    size_t i;

    for (i = 0; i < dom->sticks->len; i++) {
        const hvmemStick *stick = dom->sticks->pdata[i];

        if (stick->byDriver)
            size += stick->size / HVMEM_KIB;
    }
    return size;
}


static bool
planStored(hvmemPlan *plan,
           const hvmemDomain *dom,
           const qemuHvBalloonPlanInput *in,
           guint64 target,
           qemuHvBalloonRefusal *refusal)
{
    guint64 before = storedSize(dom);
    guint64 after = before;
    const char *alias = storedAlias(dom);

    if (!qemuHvBalloonPlanConfig(in, target, &after, refusal))
        return false;

    plan->steps = g_new0(qemuHvBalloonPlan, 1);
    if (after > before)
        addStep(plan->steps, QEMU_HVBALLOON_STEP_PLUG, after - before, alias);
    else if (after < before)
        addStep(plan->steps, QEMU_HVBALLOON_STEP_UNPLUG, before - after, alias);
    addStep(plan->steps, QEMU_HVBALLOON_STEP_BALLOON, target, NULL);

    plan->stored = true;
    plan->stickBefore = before;
    plan->stickAfter = after;
    return true;
}


static bool
failUntold(const hvmemDomain *dom,
           GError **error)
{
    g_autofree char *name = hvmemShellWord(dom->name);

    return hvmemFail(error, "libvirt does not say what it would plan with for '%s' ('virsh domstats --balloon %s' has no balloon.hyperv.plan.*): "
                     "%s. 'virsh-hvmem set' does not depend on it", dom->name, name,
                     dom->active && !dom->told ? "its QEMU does not answer, or the daemon is older than this program" :
                     "the daemon is older than this program");
}


hvmemPlan *
hvmemPlanNew(const hvmemDomain *dom,
             guint64 size,
             GError **error)
{
    g_autoptr(hvmemPlan) plan = g_new0(hvmemPlan, 1);
    qemuHvBalloonPlanInput in = dom->plan;
    g_autofree qemuHvBalloonPlanStick *sticks = fillSticks(dom, dom->active, &in.nsticks);
    qemuHvBalloonRefusal refusal = { .type = QEMU_HVBALLOON_REFUSAL_NONE };
    guint64 target = size / HVMEM_KIB;

    if (!dom->planned) {
        failUntold(dom, error);
        return NULL;
    }

    in.sticks = sticks;
    if (dom->active)
        plan->steps = qemuHvBalloonPlanSetTarget(&in, target, &refusal);
    else
        planStored(plan, dom, &in, target, &refusal);

    if (!plan->steps)
        plan->refused = hvmemPlanRefusalText(dom, size, &in, &refusal);
    return g_steal_pointer(&plan);
}


guint64
hvmemPlanMost(const hvmemDomain *dom,
              qemuHvBalloonRefusalType *why)
{
    qemuHvBalloonPlanInput in = dom->plan;
    qemuHvBalloonPlanStick all = { .state = QEMU_HVBALLOON_STICK_INUSE };

    *why = QEMU_HVBALLOON_REFUSAL_NONE;
    if (!dom->active || !dom->planned || dom->capacity == HVMEM_UNKNOWN)
        return HVMEM_UNKNOWN;

    all.size = dom->capacity / HVMEM_KIB - MIN(dom->capacity / HVMEM_KIB, in.boot);
    in.sticks = &all;
    in.nsticks = 1;
    return hvmemFromKiB(qemuHvBalloonPlanMost(&in, why));
}


char *
hvmemPlanReason(const hvmemPlan *plan,
                const qemuHvBalloonStep *step)
{
    return plan->stored ? hvmemPlanStoredText(step, plan->stickBefore, plan->stickAfter) : hvmemPlanLiveText(step);
}
