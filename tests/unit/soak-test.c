/*
 * Random lives of machine, operator and guest, every rule checked after every
 * step. A failure is repeated with the seed that GLib printed: --seed=…
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "guest-sim.h"

#define LIVES 100
#define STEPS 300
#define STEPS_LARGE 150

typedef struct Kind {
    const char *path;
    uint64_t os_id;
    bool small;
    bool honest;
    unsigned lives;
    unsigned steps;
} Kind;

/* At rest an honest guest agrees with the engine, and the target is met or
 * explained. */
static void check_rest(Sim *sim)
{
    DmState state = sim_info(sim).state;

    if (sim->mute || sim->ring_full || state == DM_STATE_NEW_KERNEL) {
        return;
    }
    sim_advance(sim, 60 * 1000);    /* the quiet time of Windows */
    state = sim_info(sim).state;
    if (state != DM_STATE_FROZEN && sim_info(sim).connected) {
        sim_check_honest(sim);
        sim_check_target(sim);
    }
}

static void one_life(const Kind *kind)
{
    Sim *sim = kind->small ? sim_new_small(DM_PROFILE_AUTO, kind->os_id)
                           : sim_new(SIM_GIB, DM_PROFILE_AUTO, kind->os_id);
    unsigned i;

    sim_connect(sim);
    for (i = 0; i < kind->steps; i++) {
        sim_step(sim, kind->honest);
        if (kind->honest) {
            check_rest(sim);
        }
    }
    sim_free(sim);
}

static void test_soak(gconstpointer data)
{
    const Kind *kind = data;
    unsigned i;

    for (i = 0; i < kind->lives; i++) {
        one_life(kind);
    }
}

int main(int argc, char **argv)
{
    static const Kind kinds[] = {
        { "/soak/linux", SIM_LINUX, true, true, LIVES, STEPS },
        { "/soak/linux-large", SIM_LINUX, false, true, 3, STEPS_LARGE },
        { "/soak/windows", SIM_WINDOWS, true, true, LIVES, STEPS },
        { "/soak/liar", SIM_LINUX, true, false, LIVES, STEPS },
        { "/soak/liar-windows", SIM_WINDOWS, true, false, LIVES, STEPS },
    };
    unsigned i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_test_add_data_func(kinds[i].path, &kinds[i], test_soak);
    }
    return g_test_run();
}
