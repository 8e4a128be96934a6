/*
 * State out and in again: nothing lost, nothing believed
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <string.h>

#include "guest-sim.h"
#include "state.h"

/* Saves, loads into another engine of the same machine, and goes on there. */
static void move(Sim *sim, uint64_t clock_shift)
{
    GByteArray *saved = dm_state_save(sim->engine, sim->now);
    g_autoptr(GError) error = NULL;
    DmEngine *there;

    there = sim_twin_engine(sim);
    sim->now += clock_shift;
    g_assert_true(dm_state_load(there, saved->data, saved->len, sim->now,
                                &error));
    g_assert_no_error(error);
    dm_engine_free(sim->engine);
    sim->engine = there;
    g_byte_array_unref(saved);
    sim_check_accounts(sim);
}

static void check_same_bytes(Sim *sim)
{
    GByteArray *before = dm_state_save(sim->engine, sim->now), *after;

    move(sim, 0);
    after = dm_state_save(sim->engine, sim->now);
    g_assert_cmpmem(before->data, before->len, after->data, after->len);
    g_byte_array_unref(before);
    g_byte_array_unref(after);
}

static Sim *busy(void)
{
    Sim *sim = sim_new_small(DM_PROFILE_AUTO, SIM_LINUX);

    sim_plug(sim, 0, 40 * SIM_MIB, 10 * SIM_MIB, true);
    sim_plug(sim, 1, 50 * SIM_MIB, 10 * SIM_MIB, true);
    sim_plug(sim, 2, 80 * SIM_MIB, 10 * SIM_MIB, false);
    sim_connect(sim);
    sim_target(sim, 40 * SIM_MIB);
    sim_target(sim, 20 * SIM_MIB);
    return sim;
}

static void test_fresh(void)
{
    Sim *sim = sim_new_small(DM_PROFILE_AUTO, SIM_LINUX);

    check_same_bytes(sim);
    sim_connect(sim);
    check_same_bytes(sim);
    sim_free(sim);
}

static void test_busy(void)
{
    Sim *sim = busy();

    check_same_bytes(sim);
    sim_target(sim, 40 * SIM_MIB);
    g_assert_cmpuint(sim_info(sim).actual, ==, 40 * SIM_MIB);
    sim_check_honest(sim);
    sim_free(sim);
}

/* The reply to a request of the one host is accounted by the other. */
static void test_open_request(void)
{
    Sim *sim = busy();

    sim->mute = true;
    sim_target(sim, 30 * SIM_MIB);
    g_assert_cmpint(sim_info(sim).state, ==, DM_STATE_RETURNING);
    check_same_bytes(sim);
    move(sim, 1000 * 1000);
    g_assert_cmpint(sim_info(sim).state, ==, DM_STATE_RETURNING);
    sim->mute = false;
    sim_pump(sim);
    g_assert_cmpuint(sim_info(sim).actual, ==, 30 * SIM_MIB);
    sim_check_honest(sim);
    sim_free(sim);
}

/* What waited for room in the ring is sent by the other host. */
static void test_unsent_request(void)
{
    Sim *sim = busy();

    sim->ring_full = true;
    sim_target(sim, 30 * SIM_MIB);
    check_same_bytes(sim);
    sim->ring_full = false;
    sim_pump(sim);
    g_assert_cmpuint(sim_info(sim).actual, ==, 30 * SIM_MIB);
    sim_check_honest(sim);
    sim_free(sim);
}

/* Times are relative: a deadline is as far away as it was. */
static void test_clocks(void)
{
    Sim *sim = busy();
    uint64_t left;

    sim->mute = true;
    sim_target(sim, 30 * SIM_MIB);
    left = dm_engine_deadline(sim->engine) - sim->now;
    move(sim, 5000 * 1000);
    g_assert_cmpuint(dm_engine_deadline(sim->engine) - sim->now, ==, left);
    sim_free(sim);
}

/* At any moment of a random life. */
static void test_random(void)
{
    unsigned life, i;

    for (life = 0; life < 4; life++) {
        Sim *sim = sim_new_small(DM_PROFILE_AUTO, SIM_LINUX);

        sim_connect(sim);
        for (i = 0; i < 60; i++) {
            sim_step(sim, life % 2);
            check_same_bytes(sim);
        }
        sim_free(sim);
    }
}

static void refuse(Sim *sim, const uint8_t *data, size_t len)
{
    GByteArray *before = dm_state_save(sim->engine, sim->now), *after;
    g_autoptr(GError) error = NULL;

    g_assert_false(dm_state_load(sim->engine, data, len, sim->now, &error));
    g_assert_nonnull(error);
    after = dm_state_save(sim->engine, sim->now);
    g_assert_cmpmem(before->data, before->len, after->data, after->len);
    g_byte_array_unref(before);
    g_byte_array_unref(after);
}

static void test_h24_cut_short(void)
{
    Sim *sim = busy();
    GByteArray *saved = dm_state_save(sim->engine, sim->now);
    size_t len;

    for (len = 0; len < saved->len; len += len < 200 ? 1 : 11) {
        refuse(sim, saved->data, len);
    }
    g_byte_array_append(saved, (const uint8_t *)"", 1);
    refuse(sim, saved->data, saved->len);
    g_byte_array_unref(saved);
    sim_free(sim);
}

/* Whatever is made of it: an error, or a state that adds up. */
static void test_h24_corrupt(void)
{
    Sim *sim = busy();
    GByteArray *saved = dm_state_save(sim->engine, sim->now);
    unsigned i, accepted = 0;

    for (i = 0; i < 3000; i++) {
        g_autofree uint8_t *bad = g_memdup2(saved->data, saved->len);
        DmEngine *there = sim_twin_engine(sim);
        g_autoptr(GError) error = NULL;

        bad[g_test_rand_int_range(0, saved->len)] =
            g_test_rand_int_range(0, 256);
        if (dm_state_load(there, bad, saved->len, sim->now, &error)) {
            DmEngine *ours = sim->engine;

            accepted++;
            sim->engine = there;
            sim_check_accounts(sim);
            sim->engine = ours;
        }
        dm_engine_free(there);
    }
    g_assert_cmpuint(accepted, <, 3000);
    g_byte_array_unref(saved);
    sim_free(sim);
}

static void test_other_machine(void)
{
    Sim *sim = busy(), *other = busy();
    GByteArray *saved = dm_state_save(sim->engine, sim->now);

    g_assert_true(sim_plug(other, 5, 100 * SIM_MIB, 2 * SIM_MIB, true));
    refuse(other, saved->data, saved->len);
    sim_free(other);
    other = sim_new(SIM_GIB, DM_PROFILE_AUTO, SIM_LINUX);
    refuse(other, saved->data, saved->len);
    sim_free(other);
    g_byte_array_unref(saved);
    sim_free(sim);
}

static void test_version(void)
{
    Sim *sim = busy();
    GByteArray *saved = dm_state_save(sim->engine, sim->now);

    saved->data[8]++;
    refuse(sim, saved->data, saved->len);
    g_byte_array_unref(saved);
    sim_free(sim);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/state/fresh", test_fresh);
    g_test_add_func("/state/busy", test_busy);
    g_test_add_func("/state/open-request", test_open_request);
    g_test_add_func("/state/unsent-request", test_unsent_request);
    g_test_add_func("/state/clocks", test_clocks);
    g_test_add_func("/state/random", test_random);
    g_test_add_func("/state/hostile/24-cut-short", test_h24_cut_short);
    g_test_add_func("/state/hostile/24-corrupt", test_h24_corrupt);
    g_test_add_func("/state/other-machine", test_other_machine);
    g_test_add_func("/state/version", test_version);
    return g_test_run();
}
