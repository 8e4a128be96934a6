/*
 * hvmem-plan-text.h: what the planner found, in words
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-plan.h"

/* Why @step of @plan is taken. */
char *
hvmemPlanReasonText(const hvmemPlan *plan,
                    const qemuHvBalloonStep *step);

/* Why @dom, of which the planner was told @in, cannot have @size, and what can be done. */
char *
hvmemPlanRefusalText(const hvmemDomain *dom,
                     guint64 size,
                     const qemuHvBalloonPlanInput *in,
                     const qemuHvBalloonRefusal *refusal);
