/*
 * Fuzz target: a saved state from anywhere
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "fuzz.h"
#include "guest-sim.h"
#include "state.h"

/* What is accepted must add up, and live on. */
static void live_on(Sim *sim)
{
    sim_check_accounts(sim);
    sim->mute = true;
    sim->connected = true;
    dm_engine_set_target(sim->engine, 20 * SIM_MIB, NULL);
    dm_engine_channel_close(sim->engine);
    dm_engine_run(sim->engine, sim->now);
    sim_check_accounts(sim);
    dm_engine_system_reset(sim->engine);
    sim_check_accounts(sim);
}

static void op_ignore_discard(void *opaque, uint64_t first, uint64_t count)
{
    Sim *sim = opaque;

    g_assert_true(dm_engine_is_released(sim->engine, first, count));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    Sim *sim = sim_new_small(DM_PROFILE_AUTO, SIM_LINUX);

    sim->believe = op_ignore_discard;
    /* The machine of make-seeds.c. */
    sim_plug(sim, 0, 32 * SIM_MIB, 32 * SIM_MIB, true);
    if (dm_state_import(sim->engine, data, len, sim->now, NULL)) {
        /* Written out and read in once more it is the same. */
        sim_migrate(sim);
        live_on(sim);
    }
    sim_free(sim);
    return 0;
}
