/*
 * Writes the seeds for fuzz-state: an engine in each of its states
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * To be run by hand when the form of the state changes:
 *     make-seeds tests/fuzz/corpus/state
 */

#include "guest-sim.h"
#include "state.h"

static const char *folder;

static void write_seed(Sim *sim, const char *name)
{
    GByteArray *state = dm_state_export(sim->engine, sim->now);
    g_autofree char *path = g_build_filename(folder, name, NULL);
    GError *error = NULL;

    g_file_set_contents(path, (const char *)state->data, state->len, &error);
    g_assert_no_error(error);
    g_byte_array_unref(state);
}

static Sim *guest(uint64_t os_id)
{
    Sim *sim = sim_new_small(DM_PROFILE_AUTO, os_id);

    sim_plug(sim, 0, 32 * SIM_MIB, 32 * SIM_MIB, true);
    return sim;
}

static Sim *grown(void)
{
    Sim *sim = guest(SIM_LINUX);

    sim_connect(sim);
    sim_target(sim, 40 * SIM_MIB);
    sim_target(sim, 10 * SIM_MIB);
    sim_target(sim, 20 * SIM_MIB);
    return sim;
}

/* Before the engine adds anything it returns what was released. */
static Sim *ready_for(uint64_t target)
{
    Sim *sim = grown();

    if (target > 40 * SIM_MIB) {
        sim_target(sim, 40 * SIM_MIB);
    }
    return sim;
}

static void early(void)
{
    Sim *sim = guest(SIM_WINDOWS);

    write_seed(sim, "disconnected");
    sim_open(sim, false);
    write_seed(sim, "handshake");
    sim->ring_full = true;
    sim_version_request(sim, DM_VERSION_2_0, false);
    write_seed(sim, "version-unsent");
    sim->ring_full = false;
    sim_pump(sim);
    sim_target(sim, 8 * SIM_MIB);
    write_seed(sim, "waiting");
    sim_free(sim);
}

static void asked(const char *name, uint64_t target, bool ring_full)
{
    Sim *sim = ready_for(target);

    sim->mute = true;
    sim->ring_full = ring_full;
    sim_target(sim, target);
    write_seed(sim, name);
    sim_free(sim);
}

static void doubt(const char *name, uint64_t target)
{
    Sim *sim = ready_for(target);

    sim->mute = true;
    sim_target(sim, target);
    sim_close(sim);
    write_seed(sim, name);
    sim_free(sim);
}

static void obstacles(void)
{
    Sim *sim = grown();

    write_seed(sim, "idle");
    sim->floor = 9 * SIM_MIB;
    sim_target(sim, 1);
    write_seed(sim, "floor");
    sim->refuse = true;
    sim_target(sim, 45 * SIM_MIB);
    write_seed(sim, "refused");
    sim_kexec(sim, SIM_LINUX);
    write_seed(sim, "new-kernel");
    sim_reset(sim);
    write_seed(sim, "reset");
    sim_free(sim);
}

static void late(void)
{
    Sim *sim = grown();

    sim->mute = true;
    sim_target(sim, 5 * SIM_MIB);
    sim_advance(sim, 100 * 1000);
    write_seed(sim, "late");
    sim_free(sim);
}

/* The same on every run. */
static uint32_t pick(void *opaque, uint32_t bound)
{
    uint32_t *state = opaque;

    *state = *state * 1103515245 + 12345;
    return (*state >> 8) % bound;
}

/* Single pages from anywhere: many runs. */
static void scattered(void)
{
    Sim *sim = grown();
    uint32_t state = 1;
    unsigned i;

    sim->pick = pick;
    sim->pick_opaque = &state;
    sim->unit = 1;
    sim->scatter = true;
    for (i = 0; i < 3; i++) {
        sim_target(sim, 19 * SIM_MIB - i * 512);
    }
    write_seed(sim, "scattered");
    sim_free(sim);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        g_printerr("usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    folder = argv[1];
    early();
    obstacles();
    asked("ballooning", 5 * SIM_MIB, false);
    asked("returning", 30 * SIM_MIB, false);
    asked("adding", 46 * SIM_MIB, false);
    asked("ballooning-unsent", 5 * SIM_MIB, true);
    asked("returning-unsent", 30 * SIM_MIB, true);
    asked("adding-unsent", 46 * SIM_MIB, true);
    doubt("doubt-returning", 30 * SIM_MIB);
    doubt("doubt-adding", 46 * SIM_MIB);
    late();
    scattered();
    return 0;
}
