/*
 * hvmem-plan-text.h: what the planner found, in words
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-domain.h"
#include "qemu_hvballoon_plan.h"

/* Why @step is taken. */
char *
hvmemPlanLiveText(const qemuHvBalloonStep *step);

/* The same for a definition, whose stick changes from @before to @after KiB; 0: there is none. */
char *
hvmemPlanStoredText(const qemuHvBalloonStep *step,
                    guint64 before,
                    guint64 after);

/* Why @dom, of which the planner was told @in, cannot have @size, and what can be done. */
char *
hvmemPlanRefusalText(const hvmemDomain *dom,
                     guint64 size,
                     const qemuHvBalloonPlanInput *in,
                     const qemuHvBalloonRefusal *refusal);
