/*
 * How many sticks the planner creates in many small steps
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <stdio.h>

#include "qemu_hvballoon_plan.h"

#define MIB 1024ULL
#define GIB (1024 * MIB)

#define START (1 * GIB)
#define END (1024 * GIB)
#define STEP (64 * MIB)

#define MAX_STICKS 1024

/* Executes the plug of @plan, if it has one. */
static void carry_out(qemuHvBalloonPlanInput *in, qemuHvBalloonPlanStick *sticks, const qemuHvBalloonPlan *plan)
{
    size_t i;

    for (i = 0; i < plan->nsteps; i++) {
        if (plan->steps[i].type == QEMU_HVBALLOON_STEP_PLUG)
            sticks[in->nsticks++] = (qemuHvBalloonPlanStick) {
                .size = plan->steps[i].size, .state = QEMU_HVBALLOON_STICK_INUSE, .byDriver = true,
            };
    }
}

int main(void)
{
    static qemuHvBalloonPlanStick sticks[MAX_STICKS];
    qemuHvBalloonPlanInput in = {
        .boot = START, .maxMemory = END, .alignment = QEMU_HVBALLOON_GUEST_ALIGNMENT,
        .freeSlots = QEMU_HVBALLOON_UNLIMITED, .freeSpace = QEMU_HVBALLOON_UNLIMITED, .sticks = sticks,
    };
    guint64 target;

    for (target = START + STEP; target <= END; target += STEP) {
        qemuHvBalloonRefusal refusal = { .type = QEMU_HVBALLOON_REFUSAL_NONE };
        g_autoptr(qemuHvBalloonPlan) plan = qemuHvBalloonPlanSetTarget(&in, target, &refusal);

        if (!plan || in.nsticks == MAX_STICKS) {
            fprintf(stderr, "at %" G_GUINT64_FORMAT " KiB: refusal %d, %zu sticks\n", target, refusal.type, in.nsticks);
            return 1;
        }
        carry_out(&in, sticks, plan);
    }

    printf("{\"from\": %llu, \"to\": %llu, \"step\": %llu, \"sticks\": %zu}\n", START, END, STEP, in.nsticks);
    return 0;
}
