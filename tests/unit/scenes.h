/*
 * Situations that tests of the engine start from, and the checks at their end
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#ifndef SCENES_H
#define SCENES_H

#include "guest-sim.h"

/* A Linux guest of 1 GiB with an unused stick of 2 GiB. */
static inline Sim *one_stick(void)
{
    Sim *sim = sim_new(SIM_GIB, DM_PROFILE_AUTO, SIM_LINUX);

    g_assert_true(sim_plug(sim, 1, SIM_4G, 2 * SIM_GIB, true));
    sim_connect(sim);
    return sim;
}

static inline Sim *grown(void)
{
    Sim *sim = one_stick();

    sim_target(sim, 3 * SIM_GIB);
    g_assert_cmpuint(sim_info(sim).actual, ==, 3 * SIM_GIB);
    return sim;
}

static inline void assert_state(const Sim *sim, DmState state)
{
    g_assert_cmpstr(dm_state_name(sim_info(sim).state), ==,
                    dm_state_name(state));
}

static inline void assert_problem(const Sim *sim, DmProblemCode code)
{
    g_assert_cmpstr(dm_problem_name(sim_info(sim).problem.code), ==,
                    dm_problem_name(code));
}

static inline void assert_actual(const Sim *sim, uint64_t pages)
{
    DmEngineInfo info = sim_info(sim);

    g_assert_cmpuint(info.actual, >=, pages);
    g_assert_cmpuint(info.actual, <, pages + 2 * SIM_MIB);
}

/* Ends a test: the guest was honest and its numbers agree. */
static inline void done_honest(Sim *sim)
{
    sim_check_honest(sim);
    sim_check_target(sim);
    sim_free(sim);
}

/* The engine requested @pages, and the guest has not replied. */
static inline Sim *asked(uint64_t pages)
{
    Sim *sim = one_stick();

    sim->mute = true;
    sim_target(sim, SIM_GIB - pages);
    assert_state(sim, DM_STATE_BALLOONING);
    return sim;
}

static inline Sim *adding(void)
{
    Sim *sim = one_stick();

    sim->mute = true;
    sim_target(sim, 2 * SIM_GIB);
    assert_state(sim, DM_STATE_ADDING);
    return sim;
}

#endif
