/*
 * Random steps of the simulated guest, its machine and its operator
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "guest-sim-internal.h"

static uint32_t pick(Sim *sim, uint32_t bound)
{
    return sim->pick(sim->pick_opaque, bound);
}

static void step_target(Sim *sim)
{
    uint64_t most = sim_info(sim).capacity + 10 * SIM_MIB;

    sim_target(sim, pick(sim, most) + 1);
}

/* Sticks are whole 2 MiB, and may be next to each other or not. */
static void step_plug(Sim *sim)
{
    unsigned id = pick(sim, SIM_STICKS);
    uint64_t unit = 2 * SIM_MIB;
    uint64_t space = (sim->stick_end - sim->stick_space) / unit;
    uint64_t first = pick(sim, space), count = 1 + pick(sim, space / 4);

    if (!sim->sticks[id].plugged && first + count <= space) {
        sim_plug(sim, id, sim->stick_space + first * unit, count * unit,
                 pick(sim, 2));
    }
}

static void step_unplug(Sim *sim)
{
    unsigned id = pick(sim, SIM_STICKS);

    if (sim->sticks[id].plugged) {
        sim_unplug(sim, id);
    }
}

static void step_ring(Sim *sim)
{
    sim->ring_full = pick(sim, 2);
    if (!sim->ring_full) {
        dm_engine_writable(sim->engine, sim->now);
    }
    sim_pump(sim);
}

static void step_reset(Sim *sim)
{
    static const unsigned units[] = { 1, 3, 64, 512 };

    sim_reset(sim);
    sim->alignment = sim->stick_space < SIM_GIB ? pick(sim, 4)
                                                : 5 + pick(sim, 5);
    /* Single pages of gigabytes would take the simulator too long. */
    sim->unit = units[pick(sim, 4) | (sim->n_pages > SIM_GIB ? 2 : 0)];
    sim->scatter = pick(sim, 2);
    sim->big_ranges = pick(sim, 2);
    sim->can_balloon = pick(sim, 8) != 0;
    sim->can_hot_add = pick(sim, 8) != 0;
    sim_connect(sim);
}

static void step_reconnect(Sim *sim)
{
    if (pick(sim, 2)) {
        sim_rebind(sim);
        return;
    }
    sim_close(sim);
    sim_advance(sim, pick(sim, 1000));
    sim_connect(sim);
}

/* Udev, or someone at a shell, at last; the driver must be there to tell. */
static void step_online(Sim *sim)
{
    if (sim->offline && sim_info(sim).connected && !sim->lost) {
        sim_online(sim);
    }
}

/* How the guest behaves from now on. */
static void step_behaviour(Sim *sim)
{
    sim->floor = pick(sim, 4) ? 0 : pick(sim, sim_info(sim).capacity);
    sim->refuse = pick(sim, 8) == 0;
    sim->refuse_for_good = pick(sim, 16) == 0;
    sim->onlines = pick(sim, 8) != 0;
    sim->take_at_most = pick(sim, 8) ? 0 : 1 + pick(sim, sim->n_pages / 8);
    sim->mute = pick(sim, 6) == 0;
    sim_pump(sim);
}

/* True if machine or operator did something. */
static bool step_machine(Sim *sim)
{
    switch (pick(sim, 20)) {
    case 0: case 1: case 2: case 3:
        step_target(sim);
        return true;
    case 4: case 5:
        step_plug(sim);
        return true;
    case 6:
        step_unplug(sim);
        return true;
    case 7:
        step_ring(sim);
        return true;
    case 8:
        sim_advance(sim, pick(sim, 100 * 1000));
        return true;
    case 9:
        if (pick(sim, 4) == 0) {
            step_reset(sim);
        }
        return true;
    case 10:
        step_reconnect(sim);
        return true;
    case 11:
        if (pick(sim, 10) == 0) {
            sim_kexec(sim, SIM_LINUX + pick(sim, 2));
        }
        return true;
    case 12:
        pick(sim, 2) ? step_online(sim) : sim_migrate(sim);
        return true;
    default:
        return false;
    }
}

/* Where a page number might do harm. */
static DmRange some_range(Sim *sim)
{
    static const uint64_t places[] = { 0, 0x90, 0xa0, 0xff, 0x100 };
    uint64_t count = 1 + pick(sim, pick(sim, 2) ? 8 : 3000);

    switch (pick(sim, 8)) {
    case 0:
        return (DmRange) { places[pick(sim, G_N_ELEMENTS(places))], count };
    case 1:
        return (DmRange) { DM_MAX_PFN - pick(sim, 10), count };
    case 2:
        return (DmRange) { pick(sim, sim->n_pages), 0 };
    case 3:
        return (DmRange) { pick(sim, sim->n_pages), DM_MAX_RANGE_PAGES };
    default:
        return (DmRange) { pick(sim, sim->n_pages), count };
    }
}

static void invalid_balloon(Sim *sim)
{
    DmRange ranges[16];
    unsigned i, n = pick(sim, 16);
    bool more = pick(sim, 2);

    for (i = 0; i < n; i++) {
        ranges[i] = some_range(sim);
    }
    sim_claim(sim, ranges, n, more);
}

/* No more is accounted for than was offered. */
static void invalid_hot_add(Sim *sim)
{
    uint32_t pages = pick(sim, 4) ? pick(sim, 100000) : UINT32_MAX;
    bool result = pick(sim, 2);

    if (pick(sim, 3) == 0) {
        pages = 0;
    }
    if (sim->open.type == DM_MSG_HOT_ADD_REQUEST) {
        const uint8_t *msg = g_bytes_get_data(sim->open.msg, NULL);
        DmRange range = get_range(msg + 8);

        range.count = MIN(range.count, pages);
        sim_get_pages(sim, range, SIM_NONE);
        sim->open.type = 0;
    }
    sim_hot_add_response(sim, pages, result);
}

static void invalid_unballoon(Sim *sim)
{
    if (sim->open.type == DM_MSG_UNBALLOON_REQUEST) {
        const uint8_t *msg = g_bytes_get_data(sim->open.msg, NULL);
        uint32_t n = get32(msg + 12), i;

        for (i = 0; i < n; i++) {
            sim_get_pages(sim, get_range(msg + 16 + 8 * i), SIM_RELEASED);
        }
        sim->open.type = 0;
    }
    sim_unballoon_response(sim);
}

static void noise(Sim *sim)
{
    uint8_t msg[64];
    size_t len = pick(sim, sizeof(msg) + 1), i;

    for (i = 0; i < len; i++) {
        msg[i] = pick(sim, 256);
    }
    /* A reply that would have to be accounted for is not noise. */
    if (len >= 2 && (msg[0] == DM_MSG_BALLOON_RESPONSE ||
                     msg[0] == DM_MSG_HOT_ADD_RESPONSE ||
                     msg[0] == DM_MSG_UNBALLOON_RESPONSE)) {
        msg[1] |= 0x80;
    }
    sim_say(sim, msg, len);
}

static void step_invalid(Sim *sim)
{
    switch (pick(sim, 8)) {
    case 0: case 1: case 2:
        invalid_balloon(sim);
        break;
    case 3: case 4:
        invalid_hot_add(sim);
        break;
    case 5:
        invalid_unballoon(sim);
        break;
    case 6:
        noise(sim);
        break;
    default:
        pick(sim, 2) ? sim_version_request(sim, pick(sim, 4) << 16, false)
                     : sim_capabilities(sim);
    }
    sim_run_engine(sim);
}

/* Receives what came without a reply. */
static void take_request(Sim *sim)
{
    GBytes *bytes;

    while ((bytes = g_queue_pop_head(&sim->inbox))) {
        g_clear_pointer(&sim->open.msg, g_bytes_unref);
        sim->open.msg = bytes;
        sim->open.type = *(const uint8_t *)g_bytes_get_data(bytes, NULL);
        if (sim->open.type == DM_MSG_VERSION_RESPONSE) {
            sim_capabilities(sim);
            sim_run_engine(sim);
        }
    }
}

void sim_step(Sim *sim, bool honest)
{
    bool machine = step_machine(sim);

    if (honest && !machine) {
        step_behaviour(sim);
    } else if (!honest) {
        sim->mute = true;
        take_request(sim);
        if (!machine) {
            step_invalid(sim);
        }
    }
    sim_check_accounts(sim);
}
