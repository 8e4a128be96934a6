/*
 * Fuzz target: a guest that sends invalid replies, and a random operator
 *
 * The first byte chooses the guest, the others the steps of sim_step(), which
 * checks the engine's numbers and what it does against the guest's accounting.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "fuzz.h"
#include "guest-sim.h"

#define STEPS 300

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    FuzzInput input = { data, len };
    uint32_t kind = fuzz_pick(&input, 256), i;
    Sim *sim = sim_new_small(DM_PROFILE_AUTO,
                             kind & 1 ? SIM_WINDOWS : SIM_LINUX);

    sim->pick = fuzz_pick;
    sim->pick_opaque = &input;
    sim_connect(sim);
    for (i = 0; i < STEPS && input.left; i++) {
        sim_step(sim, kind & 2);
        if (kind & 4) {
            sim_migrate(sim);
        }
    }
    sim_free(sim);
    return 0;
}
