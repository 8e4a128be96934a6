/*
 * hvmem-plan.c: what setmem would do
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-plan.h"

#include <string.h>

/* The stick through which a definition is made larger. */
#define CONFIG_STICK "ua-haprot0"


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
fillInput(qemuHvBalloonPlanInput *in,
          const hvmemDomain *dom)
{
    in->boot = dom->boot / HVMEM_KIB;
    in->maxMemory = dom->maxMemory == HVMEM_UNKNOWN ? 0 : dom->maxMemory / HVMEM_KIB;
    in->minimum = dom->minimum / HVMEM_KIB;
    /* 1 stands for the host's usual huge page, which nearly always is 2 MiB */
    in->granule = dom->needs.stickPage == 1 ? QEMU_HVBALLOON_STICK_GRANULE : dom->needs.stickPage / HVMEM_KIB;
    in->alignment = dom->alignment ? dom->alignment / HVMEM_KIB : QEMU_HVBALLOON_GUEST_ALIGNMENT;
    in->freeSlots = dom->freeSlots == HVMEM_UNKNOWN ? QEMU_HVBALLOON_UNLIMITED : dom->freeSlots;
    in->freeSpace = QEMU_HVBALLOON_UNLIMITED;
    in->costly = dom->needs.stickPage || dom->immediate || dom->locked || dom->hostdevs;
}


static void
addStep(qemuHvBalloonPlan *plan,
        qemuHvBalloonStepType type,
        guint64 size,
        const char *alias,
        const char *reason)
{
    qemuHvBalloonStep *step;

    plan->steps = g_renew(qemuHvBalloonStep, plan->steps, plan->nsteps + 1);
    step = &plan->steps[plan->nsteps++];
    *step = (qemuHvBalloonStep) { .type = type, .size = size, .alias = g_strdup(alias), .reason = g_strdup(reason) };
}


/* One stick of the definition becomes larger, smaller, or goes. */
static qemuHvBalloonPlan *
configSteps(guint64 target,
            guint64 before,
            guint64 after)
{
    qemuHvBalloonPlan *plan = g_new0(qemuHvBalloonPlan, 1);

    if (after > before)
        addStep(plan, QEMU_HVBALLOON_STEP_PLUG, after - before, CONFIG_STICK,
                before ? "the definition's stick grows: its boot memory stays what it is" :
                "the definition gets a stick: its boot memory stays what it is");
    else if (after < before)
        addStep(plan, QEMU_HVBALLOON_STEP_UNPLUG, before - after, CONFIG_STICK,
                after ? "less of the definition's stick is needed" : "the definition's stick is not needed");
    addStep(plan, QEMU_HVBALLOON_STEP_BALLOON, target, NULL, "what the guest gets when it is started");
    return plan;
}


static void
planConfig(hvmemPlan *plan,
           const hvmemDomain *dom,
           qemuHvBalloonPlanInput *in,
           guint64 target)
{
    guint64 before = 0;
    guint64 after;
    size_t i;

    for (i = 0; i < dom->sticks->len; i++) {
        const hvmemStick *stick = dom->sticks->pdata[i];

        if (stick->byDriver)
            before += stick->size / HVMEM_KIB;
    }

    after = before;
    if (qemuHvBalloonPlanConfig(in, target, &after, &plan->refused))
        plan->steps = configSteps(target, before, after);
}


hvmemPlan *
hvmemPlanNew(const hvmemDomain *dom,
             guint64 size)
{
    hvmemPlan *plan = g_new0(hvmemPlan, 1);
    qemuHvBalloonPlanInput in = { 0 };
    g_autofree qemuHvBalloonPlanStick *sticks = fillSticks(dom, dom->active, &in.nsticks);
    guint64 target = size / HVMEM_KIB;

    fillInput(&in, dom);
    in.sticks = sticks;

    if (dom->active)
        plan->steps = qemuHvBalloonPlanSetTarget(&in, target, &plan->refused);
    else
        planConfig(plan, dom, &in, target);
    return plan;
}


static bool
failCeiling(const hvmemDomain *dom,
            guint64 size,
            GError **error)
{
    g_autofree char *want = hvmemFormatSize(size);
    g_autofree char *max = hvmemFormatSize(dom->maxMemory);
    g_autofree char *enable = hvmemDomainEnable(dom, "--max", size);
    g_autofree char *pending = hvmemDomainPending(dom);
    bool coming = pending && dom->stored && dom->stored->maxMemory != HVMEM_UNKNOWN && dom->stored->maxMemory >= size;

    if (coming)
        return hvmemFail(error, "%s is above the ceiling of '%s', <maxMemory> %s. %s", want, dom->name, max, pending);
    return hvmemFail(error, "%s is above the ceiling of '%s', <maxMemory> %s. A higher one takes effect after shutting down: "
                     "'%s'", want, dom->name, max, enable);
}


static bool
failMinimum(const hvmemDomain *dom,
            guint64 size,
            GError **error)
{
    g_autofree char *want = hvmemFormatSize(size);
    g_autofree char *minimum = hvmemFormatSize(dom->minimum);
    g_autofree char *enable = hvmemDomainEnable(dom, "--minimum", size);
    g_autofree char *name = hvmemShellWord(dom->name);

    if (dom->active && dom->stored && dom->stored->hyperv && dom->stored->minimum <= size)
        return hvmemFail(error, "%s is below the <minimum> of '%s', %s. The definition has a lower one, which counts when the guest has been shut down "
                         "and started ('virsh shutdown %s', then 'virsh start %s')", want, dom->name, minimum, name, name);
    return hvmemFail(error, "%s is below the <minimum> of '%s', %s. Ask for at least that. A lower one%s: '%s'",
                     want, dom->name, minimum, dom->active ? " takes effect after shutting down" : "", enable);
}


bool
hvmemPlanCheck(const hvmemDomain *dom,
               guint64 size,
               GError **error)
{
    if (dom->maxMemory != HVMEM_UNKNOWN && size > dom->maxMemory)
        return failCeiling(dom, size, error);
    return size >= dom->minimum || failMinimum(dom, size, error);
}
