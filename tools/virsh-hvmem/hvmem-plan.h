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
    qemuHvBalloonPlan *steps;   /* NULL: refused */
    char *refused;              /* why */
};

void
hvmemPlanFree(hvmemPlan *plan);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(hvmemPlan, hvmemPlanFree);

/* What libvirt would do to have the guest at @size: with the planner that the
 * daemon has, fed with what the daemon tells. For a domain that is shut off,
 * what happens to its definition. */
hvmemPlan *
hvmemPlanNew(const hvmemDomain *dom,
             guint64 size);

/* Is @size within the limits of @dom? What libvirt would refuse for that is said in plainer words, with the command that changes the limit. */
bool
hvmemPlanCheck(const hvmemDomain *dom,
               guint64 size,
               GError **error);
