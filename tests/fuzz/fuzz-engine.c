/*
 * Fuzz target: the engine with a guest that lies
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The input is every choice that the simulated guest, its machine and its
 * operator make, one byte or more each; the first byte says what kind of a
 * guest it is. When the input is used up, life ends. The simulator's own
 * books tell right from wrong.
 */

#include "guest-sim.h"
#include "target.h"

#define MAX_STEPS 300

typedef struct Input {
    const uint8_t *data;
    size_t len, at;
} Input;

static uint8_t next_byte(Input *input)
{
    return input->at < input->len ? input->data[input->at++] : 0;
}

/* As many bytes as the bound needs. */
static uint32_t pick(void *opaque, uint32_t bound)
{
    Input *input = opaque;
    uint64_t value = 0, most;

    for (most = 1; most < bound; most <<= 8) {
        value = value << 8 | next_byte(input);
    }
    return bound ? value % bound : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    Input input = { data, len, 0 };
    uint8_t kind = next_byte(&input);
    Sim *sim = sim_new_small(DM_PROFILE_AUTO,
                             kind & 1 ? SIM_WINDOWS : SIM_LINUX);
    unsigned i;

    sim->pick = pick;
    sim->pick_opaque = &input;
    sim_connect(sim);
    for (i = 0; i < MAX_STEPS && input.at < len; i++) {
        sim_step(sim, kind & 2);
        if (kind & 4) {
            sim_migrate(sim);
        }
    }
    sim_free(sim);
    return 0;
}
