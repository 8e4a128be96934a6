/*
 * hvmem-plan.h: what setmem would do
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-domain.h"
#include "qemu_hvballoon_plan.h"

typedef struct _hvmemPlan hvmemPlan;
struct _hvmemPlan {
    qemuHvBalloonPlan *steps;   /* NULL: refused. hvmemPlanReason() says why each is taken */
    char *refused;              /* why, in words */
    bool stored;                /* it is about the definition: the steps' own reasons say nothing */
    guint64 stickBefore;        /* KiB of what libvirt's sticks have in the definition */
    guint64 stickAfter;
};

void
hvmemPlanFree(hvmemPlan *plan);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(hvmemPlan, hvmemPlanFree);

/* What libvirt would do to have the guest at @size: with the planner that the
 * daemon has, fed with what the daemon tells that it feeds it with. For a domain
 * that is shut off, what happens to its definition. NULL with an error set if the
 * daemon does not tell. */
hvmemPlan *
hvmemPlanNew(const hvmemDomain *dom,
             guint64 size,
             GError **error);

/* The most that the running @dom can have with one request, by what libvirt told last of it (of sticks, only the sum counts), in bytes; @why as for
 * qemuHvBalloonPlanMost(). HVMEM_UNKNOWN: not told, or its QEMU has no sticks. */
guint64
hvmemPlanMost(const hvmemDomain *dom,
              qemuHvBalloonRefusalType *why);

/* Why @step of @plan is taken, in words. */
char *
hvmemPlanReason(const hvmemPlan *plan,
                const qemuHvBalloonStep *step);
