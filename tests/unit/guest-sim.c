/*
 * A simulated guest over the pure engine: its machine
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "guest-sim-internal.h"

#include <string.h>

#include "state.h"

static void lay_out_boot(Sim *sim, uint64_t boot)
{
    uint64_t low = MIN(boot, 3 * SIM_GIB);

    /* As a PC: no RAM from 640 KiB to 1 MiB. */
    sim->boot[0] = (DmRange) { 0, 0xa0 };
    sim->boot[1] = (DmRange) { 0x100, low - 0x100 };
    sim->boot[2] = (DmRange) { SIM_4G, boot - low };
    sim->n_boot = boot > low ? 3 : 2;
    sim->boot_pages = boot;
    sim->hole_pages = 0x60;
}

static uint32_t pick_random(void *opaque, uint32_t bound)
{
    (void)opaque;
    return g_test_rand_int_range(0, bound);
}

Sim *sim_new_of(uint64_t boot, uint64_t n_pages, DmProfile profile,
                uint64_t os_id)
{
    Sim *sim = g_new0(Sim, 1);

    lay_out_boot(sim, boot);
    sim->n_pages = n_pages;
    sim->pages = g_malloc0(n_pages);
    sim->mapped = g_malloc0(n_pages);
    sim->doubtful = g_malloc0(n_pages);
    sim->regions = g_array_new(FALSE, FALSE, sizeof(SimRegion));
    g_queue_init(&sim->inbox);
    sim->os_id = os_id;
    sim->can_balloon = sim->can_hot_add = sim->onlines = true;
    sim->alignment = 7;
    sim->unit = 512;
    sim->now = 1000;
    sim->pick = pick_random;
    sim->stick_end = n_pages;
    sim->told_actual = boot;
    sim->engine = dm_engine_new(sim->boot, sim->n_boot, boot, profile,
                                &sim_ops, sim);
    sim_forget_pages(sim);
    return sim;
}

Sim *sim_new(uint64_t boot, DmProfile profile, uint64_t os_id)
{
    Sim *sim = sim_new_of(boot, 12 * SIM_GIB, profile, os_id);

    sim->stick_space = SIM_4G + 4 * SIM_GIB;
    return sim;
}

Sim *sim_new_small(DmProfile profile, uint64_t os_id)
{
    Sim *sim = sim_new_of(16 * SIM_MIB, 128 * SIM_MIB, profile, os_id);

    sim->alignment = 0;
    sim->stick_space = 32 * SIM_MIB;
    return sim;
}

void sim_drop_inbox(Sim *sim)
{
    g_queue_clear_full(&sim->inbox, (GDestroyNotify)g_bytes_unref);
    g_clear_pointer(&sim->open.msg, g_bytes_unref);
    sim->open.type = 0;
}

void sim_free(Sim *sim)
{
    dm_engine_free(sim->engine);
    sim_drop_inbox(sim);
    g_array_free(sim->regions, TRUE);
    g_free(sim->pages);
    g_free(sim->mapped);
    g_free(sim->doubtful);
    g_free(sim->memory);
    g_free(sim->wrote);
    g_free(sim);
}

void sim_run_engine(Sim *sim)
{
    unsigned i;

    for (i = 1; dm_engine_run(sim->engine, sim->now) && i != sim->turns; i++) {
        g_assert_cmpuint(i, <, MAX_RUNS_A_CALL);
    }
    /* A timer that is set to the past would call it again at once, for ever. */
    g_assert_cmpuint(dm_engine_deadline(sim->engine), >, sim->now);
    sim_check_accounts(sim);
    g_assert_cmpuint(sim->told_actual, ==, sim_info(sim).actual);
}

void sim_pump(Sim *sim)
{
    unsigned i;

    sim_run_engine(sim);
    for (i = 0; !sim->mute && !g_queue_is_empty(&sim->inbox); i++) {
        GBytes *bytes = g_queue_pop_head(&sim->inbox);
        gsize len;
        const uint8_t *msg = g_bytes_get_data(bytes, &len);

        g_assert_cmpuint(i, <, MAX_RUNS_A_CALL);
        sim_guest_handle(sim, msg, len);
        g_bytes_unref(bytes);
        sim_run_engine(sim);
    }
}

void sim_advance(Sim *sim, uint64_t ms)
{
    uint64_t end = sim->now + ms;
    unsigned i;

    for (i = 0; ; i++) {
        uint64_t due = dm_engine_deadline(sim->engine);

        g_assert_cmpuint(i, <, MAX_RUNS_A_CALL);
        if (due > end) {
            break;
        }
        sim->now = MAX(sim->now, due);
        sim_pump(sim);
        /* What was due must not stay due. */
        g_assert_true(sim->turns ||
                      dm_engine_deadline(sim->engine) > sim->now);
    }
    sim->now = MAX(sim->now, end);
    sim_pump(sim);
}

void sim_open(Sim *sim, bool new_kernel)
{
    sim->connected = true;
    dm_engine_channel_open(sim->engine, sim->os_id, new_kernel, sim->now);
    sim_check_accounts(sim);
}

void sim_connect(Sim *sim)
{
    sim_open(sim, false);
    sim_version_request(sim, DM_VERSION_2_0, false);
    sim_pump(sim);
}

void sim_close(Sim *sim)
{
    sim->connected = false;
    memset(sim->doubtful + sim->offer.first, true, sim->offer.count);
    sim->offer.count = 0;
    dm_engine_channel_close(sim->engine);
    sim_drop_inbox(sim);
    sim_pump(sim);
}

void sim_reset(Sim *sim)
{
    sim->connected = false;
    sim_drop_inbox(sim);
    sim_forget_pages(sim);
    dm_engine_system_reset(sim->engine);
    sim_pump(sim);
    if (!sim->turns && !sim->believe) {
        g_assert_cmpuint(sim->n_mapped, ==, 0);
    }
}

void sim_kexec(Sim *sim, uint64_t os_id)
{
    unsigned i;

    sim_close(sim);
    for (i = 0; i < sim->n_boot; i++) {
        sim_take_range(sim, sim->boot[i]);
    }
    for (i = 0; i < SIM_STICKS; i++) {
        if (sim->sticks[i].plugged) {
            sim_take_range(sim, sim->sticks[i].range);
        }
    }
    sim->lost = 0;
    sim->os_id = os_id;
    sim_open(sim, true);
    sim_version_request(sim, DM_VERSION_2_0, false);
    sim_pump(sim);
}

void sim_rebind(Sim *sim)
{
    sim_close(sim);
    g_array_set_size(sim->regions, 0);
    sim_connect(sim);
}

void sim_target(Sim *sim, uint64_t pages)
{
    GError *error = NULL;

    g_assert_true(dm_engine_set_target(sim->engine, pages, &error));
    g_assert_no_error(error);
    sim_pump(sim);
}

static void note_refusal(Sim *sim, const GError *error)
{
    g_assert_nonnull(error);
    g_assert_true(error->domain == DM_ERROR);
    sim->refused = error->code;
}

bool sim_plug(Sim *sim, unsigned id, uint64_t first, uint64_t count,
              bool on_demand)
{
    SimStick *stick = &sim->sticks[id];
    g_autoptr(GError) error = NULL;
    DmStickInfo info;

    g_assert_false(stick->plugged);
    if (!dm_engine_plug(sim->engine, id, (DmRange) { first, count },
                        on_demand, &error)) {
        note_refusal(sim, error);
        return false;
    }
    g_assert_no_error(error);
    g_assert_true(dm_engine_query_stick(sim->engine, id, &info));
    *stick = (SimStick) { true, { first, count }, info.state };
    sim_pump(sim);
    return true;
}

bool sim_unplug(Sim *sim, unsigned id)
{
    g_autoptr(GError) error = NULL;
    DmRange range = sim->sticks[id].range;
    uint64_t page;

    if (!dm_engine_may_unplug(sim->engine, id, &error)) {
        note_refusal(sim, error);
        return false;
    }
    for (page = range.first; page < range.first + range.count; page++) {
        g_assert_cmpint(sim->pages[page], !=, SIM_OWNED);
        sim_set_mapped(sim, page, false);
        if (sim->memory) {
            sim->memory[page] = 0;      /* another stick, other memory */
        }
    }
    dm_engine_unplug(sim->engine, id);
    sim->sticks[id].plugged = false;
    sim_pump(sim);
    return true;
}

/* ---- another host ---- */

DmEngine *sim_destination(Sim *sim)
{
    DmProfile profile = DM_PROFILE_AUTO;
    DmEngine *engine = dm_engine_new(sim->boot, sim->n_boot, sim->boot_pages,
                                     profile, &sim_ops, sim);
    unsigned i;

    for (i = 0; i < SIM_STICKS; i++) {
        if (sim->sticks[i].plugged) {
            DmStickInfo info = sim_stick(sim, i);

            g_assert_true(dm_engine_plug(engine, i, info.range,
                                         info.on_demand, NULL));
        }
    }
    return engine;
}

/* The other host has populated what the guest has or is about to get. */
static void leave_mapped(Sim *sim)
{
    uint64_t page;

    for (page = 0; sim_info(sim).populated && page < sim->n_pages; page++) {
        if (sim->pages[page] == SIM_NONE || sim->pages[page] == SIM_RELEASED) {
            sim_set_mapped(sim, page, false);
        }
    }
}

void sim_migrate(Sim *sim)
{
    GByteArray *state = dm_state_export(sim->engine, sim->now), *again;
    DmEngine *engine = sim_destination(sim);
    GError *error = NULL;

    dm_state_import(engine, state->data, state->len, sim->now, &error);
    g_assert_no_error(error);
    again = dm_state_export(engine, sim->now);
    g_assert_cmpmem(state->data, state->len, again->data, again->len);
    g_byte_array_unref(state);
    g_byte_array_unref(again);
    leave_mapped(sim);
    dm_engine_free(sim->engine);
    sim->engine = engine;
    sim_check_accounts(sim);
}
