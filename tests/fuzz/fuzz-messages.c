/*
 * Fuzz target: any bytes as messages of a guest, for the whole engine
 *
 * The invalid replies of fuzz-engine are accounted for on the guest's side;
 * here nothing is. What can be checked is that the engine's numbers add up and
 * that it discards only pages that count as released.
 *
 * A byte chooses what comes next: mostly a message, of which one byte is the
 * type and one or two are the length. Its size field is wrong once in 16 times.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <string.h>

#include "fuzz.h"
#include "guest-sim.h"

#define LONGEST 9000

static void check_discard(void *opaque, uint64_t first, uint64_t count)
{
    Sim *sim = opaque;

    g_assert_true(dm_engine_is_released(sim->engine, first, count));
}

static void say(Sim *sim, FuzzInput *input, bool odd)
{
    g_autofree uint8_t *msg = NULL;
    uint8_t type = fuzz_pick(input, 256);
    uint32_t len = fuzz_pick(input, input->left > 1 && *input->data > 200 ?
                             LONGEST : 200);
    size_t copy = MIN(len, input->left);

    msg = g_malloc0(len + 1);
    memcpy(msg, input->data, copy);
    input->data += copy;
    input->left -= copy;
    if (!odd && len >= 4) {
        msg[0] = type;
        msg[1] = 0;
        msg[2] = len;
        msg[3] = len >> 8;
    }
    sim_say(sim, msg, len);
}

static void plug(Sim *sim, unsigned id, uint32_t at)
{
    if (!sim->sticks[id].plugged) {
        sim_plug(sim, id, sim->stick_space + at * 2 * SIM_MIB,
                 (1 + at % 5) * 2 * SIM_MIB, at & 1);
    }
}

static void unplug(Sim *sim, unsigned id)
{
    if (sim->sticks[id].plugged && dm_engine_may_unplug(sim->engine, id, NULL)) {
        dm_engine_unplug(sim->engine, id);
        sim->sticks[id].plugged = false;
    }
}

static void step(Sim *sim, FuzzInput *input)
{
    uint32_t what = fuzz_pick(input, 256);

    switch (what % 16) {
    case 0:
        sim_target(sim, 1 + fuzz_pick(input, 128 * SIM_MIB));
        break;
    case 1:
        sim_advance(sim, fuzz_pick(input, 100 * 1000));
        break;
    case 2:
        plug(sim, what / 16, fuzz_pick(input, 40));
        break;
    case 3:
        unplug(sim, what / 16);
        break;
    case 4:
        sim_close(sim);
        sim->os_id = what & 16 ? SIM_WINDOWS : SIM_LINUX;
        sim_open(sim, what & 32);
        break;
    case 5:
        what & 16 ? sim_reset(sim) : dm_engine_writable(sim->engine, sim->now);
        sim_open(sim, false);
        break;
    case 6:
        sim->ring_full = what & 16;
        break;
    case 7:
        say(sim, input, true);
        break;
    default:
        say(sim, input, false);
    }
    sim_drop_inbox(sim);
    sim_pump(sim);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    FuzzInput input = { data, len };
    Sim *sim = sim_new_small(DM_PROFILE_AUTO, SIM_LINUX);

    sim->believe = check_discard;
    sim->mute = true;
    sim_open(sim, false);
    while (input.left) {
        step(sim, &input);
    }
    sim_free(sim);
    return 0;
}
