/*
 * Random runs of machine, operator and guest, every rule checked after every
 * step: weeks of growing, shrinking, plugging, unplugging, resets, reconnects,
 * new drivers, new kernels and moves to other hosts, in seconds. The seed that
 * GLib prints repeats a failure: --seed=…
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "guest-sim.h"

#define RUNS 100
#define STEPS 300
#define STEPS_LARGE 150

typedef struct Kind {
    const char *path;
    uint64_t os_id;
    bool small;
    bool honest;
    bool contents;
    bool slow;
    unsigned runs;
    unsigned steps;
} Kind;

/*
 * A guest that can release everything gets down to its target; and while it is
 * below, all that it released has been returned to it.
 */
static void check_reached(const Sim *sim)
{
    DmEngineInfo info = sim_info(sim);

    if (!info.can_balloon) {
        return;
    }
    if (!sim->floor) {
        /* It cannot release what it does not use. */
        g_assert_cmpuint(info.actual, <, info.target + 2 * SIM_MIB +
                                         sim->offline);
    }
    if (info.actual + 2 * SIM_MIB <= info.target) {
        g_assert_cmpuint(info.released, ==, 0);
    }
}

/* At rest an honest guest agrees with the engine, and the target is met or
 * explained. */
static void check_rest(Sim *sim)
{
    DmState state;

    if (sim->mute || sim->ring_full) {
        return;
    }
    /* The quiet time of Windows, the longest pause before another try. */
    sim_advance(sim, 61 * 1000);
    state = sim_info(sim).state;
    if (!sim_info(sim).connected || state == DM_STATE_FROZEN) {
        return;
    }
    sim_check_honest(sim);
    if (state != DM_STATE_NEW_KERNEL) {
        sim_check_target(sim);
        check_reached(sim);
    }
}

/* A host so slow that a turn is one piece; the next step may come before the
 * last is done. */
static void slow_step(Sim *sim, const Kind *kind)
{
    sim->turns = g_test_rand_int_range(0, 4);
    sim_step(sim, kind->honest);
    sim->turns = 0;
    if (kind->honest && g_test_rand_int_range(0, 4) == 0) {
        check_rest(sim);
    }
}

static void step(Sim *sim, const Kind *kind)
{
    if (kind->slow) {
        slow_step(sim, kind);
        return;
    }
    sim_step(sim, kind->honest);
    if (kind->honest) {
        check_rest(sim);
    }
}

/* Returns how long it was, in ms. */
static uint64_t one_run(const Kind *kind)
{
    Sim *sim = kind->small ? sim_new_small(DM_PROFILE_AUTO, kind->os_id)
                           : sim_new(SIM_GIB, DM_PROFILE_AUTO, kind->os_id);
    uint64_t start = sim->now, end;
    unsigned i;

    if (kind->contents) {
        sim_keep_contents(sim);
    }
    sim->ns_per_mib = kind->slow ? 30 * 1000000 : 0;
    sim_connect(sim);
    for (i = 0; i < kind->steps; i++) {
        step(sim, kind);
    }
    end = sim->now;
    sim_reset(sim);
    sim_free(sim);
    return end - start;
}

static void test_soak(gconstpointer data)
{
    const Kind *kind = data;
    uint64_t ms = 0;
    unsigned i;

    for (i = 0; i < kind->runs; i++) {
        ms += one_run(kind);
    }
    g_test_message("%u runs, %.1f days", kind->runs, ms / 86400000.0);
}

int main(int argc, char **argv)
{
    static const Kind kinds[] = {
        { "/soak/linux", SIM_LINUX, true, true, false, false, RUNS, STEPS },
        { "/soak/linux-contents", SIM_LINUX, true, true, true, false, 30,
          STEPS },
        { "/soak/linux-slow-host", SIM_LINUX, true, true, true, true, 60,
          STEPS },
        { "/soak/linux-large", SIM_LINUX, false, true, false, false, 3,
          STEPS_LARGE },
        { "/soak/windows", SIM_WINDOWS, true, true, false, false, RUNS,
          STEPS },
        { "/soak/windows-contents", SIM_WINDOWS, true, true, true, false, 30,
          STEPS },
        { "/soak/invalid-replies", SIM_LINUX, true, false, false, false, RUNS,
          STEPS },
        { "/soak/invalid-replies-slow-host", SIM_LINUX, true, false, false,
          true, RUNS, STEPS },
        { "/soak/invalid-replies-windows", SIM_WINDOWS, true, false, false,
          false, RUNS, STEPS },
    };
    unsigned i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_test_add_data_func(kinds[i].path, &kinds[i], test_soak);
    }
    return g_test_run();
}
