/*
 * The engine with a simulated guest: what must work, and what a hostile or
 * broken guest must not achieve
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <string.h>

#include "guest-sim.h"

/* A Linux guest of 1 GiB with a stick of 2 GiB that waits to be asked for. */
static Sim *one_stick(void)
{
    Sim *sim = sim_new(SIM_GIB, DM_PROFILE_AUTO, SIM_LINUX);

    g_assert_true(sim_plug(sim, 1, SIM_4G, 2 * SIM_GIB, true));
    sim_connect(sim);
    return sim;
}

static Sim *grown(void)
{
    Sim *sim = one_stick();

    sim_target(sim, 3 * SIM_GIB);
    g_assert_cmpuint(sim_info(sim).actual, ==, 3 * SIM_GIB);
    return sim;
}

static void assert_state(const Sim *sim, DmState state)
{
    g_assert_cmpstr(dm_state_name(sim_info(sim).state), ==,
                    dm_state_name(state));
}

static void assert_actual(const Sim *sim, uint64_t pages)
{
    DmEngineInfo info = sim_info(sim);

    g_assert_cmpuint(info.actual, >=, pages);
    g_assert_cmpuint(info.actual, <, pages + 2 * SIM_MIB);
}

/* Ends a test: the guest was honest and its numbers agree. */
static void done_honest(Sim *sim)
{
    sim_check_honest(sim);
    sim_check_target(sim);
    sim_free(sim);
}

/* ---- handshake ---- */

static void test_versions(gconstpointer data)
{
    uint32_t version = GPOINTER_TO_UINT(data);
    Sim *sim = sim_new(SIM_GIB, DM_PROFILE_AUTO, SIM_LINUX);

    assert_state(sim, DM_STATE_DISCONNECTED);
    sim_open(sim, false);
    assert_state(sim, DM_STATE_HANDSHAKE);
    sim_version_request(sim, version, true);
    sim_pump(sim);
    g_assert_true(sim_info(sim).connected);
    g_assert_cmphex(sim_info(sim).version, ==, version);
    g_assert_cmpuint(sim_info(sim).alignment, ==, 128 * SIM_MIB);
    g_assert_true(sim_info(sim).can_balloon);
    g_assert_true(sim_info(sim).can_hot_add);
    assert_state(sim, DM_STATE_IDLE);
    done_honest(sim);
}

/* A version from the future is refused; the guest offers an older one. */
static void test_version_fallback(void)
{
    Sim *sim = sim_new(SIM_GIB, DM_PROFILE_AUTO, SIM_LINUX);

    sim_open(sim, false);
    sim_version_request(sim, DM_VERSION(3, 0), false);
    sim_pump(sim);
    g_assert_false(sim_info(sim).connected);
    sim_version_request(sim, DM_VERSION_2_0, true);
    sim_pump(sim);
    g_assert_true(sim_info(sim).connected);
    done_honest(sim);
}

static void test_capabilities_before_version(void)
{
    Sim *sim = sim_new(SIM_GIB, DM_PROFILE_AUTO, SIM_LINUX);

    sim_open(sim, false);
    sim_capabilities(sim);
    g_assert_false(sim_info(sim).connected);
    g_assert_cmpuint(sim_info(sim).counters.unexpected, ==, 1);
    sim_free(sim);
}

static void check_guest(uint64_t os_id, DmGuest guest)
{
    Sim *sim = sim_new(SIM_GIB, DM_PROFILE_AUTO, os_id);

    sim_connect(sim);
    g_assert_cmpint(sim_info(sim).guest, ==, guest);
    sim_free(sim);
}

static void test_guest_kinds(void)
{
    check_guest(0, DM_GUEST_NONE);
    check_guest(SIM_LINUX, DM_GUEST_LINUX);
    check_guest(SIM_WINDOWS, DM_GUEST_WINDOWS);
    check_guest(UINT64_C(0x8200) << 48, DM_GUEST_OTHER);
}

/* ---- the main job ---- */

static void test_grow(void)
{
    Sim *sim = one_stick();

    g_assert_cmpuint(sim_info(sim).actual, ==, SIM_GIB);
    g_assert_cmpuint(sim_info(sim).ungranted, ==, 2 * SIM_GIB);
    g_assert_cmpint(sim_stick(sim, 1).state, ==, DM_STICK_IDLE);
    sim_target(sim, 3 * SIM_GIB);
    g_assert_cmpuint(sim_info(sim).actual, ==, 3 * SIM_GIB);
    g_assert_cmpuint(sim->told_actual, ==, 3 * SIM_GIB);
    g_assert_cmpint(sim_stick(sim, 1).state, ==, DM_STICK_INUSE);
    g_assert_cmpuint(sim->n_inuse, ==, 1);
    assert_state(sim, DM_STATE_IDLE);
    done_honest(sim);
}

static void test_shrink(void)
{
    Sim *sim = grown();

    sim_target(sim, 700 * SIM_MIB);
    assert_actual(sim, 700 * SIM_MIB);
    g_assert_cmpuint(sim->told_actual, ==, sim_info(sim).actual);
    g_assert_cmpuint(sim->discarded, ==, 3 * SIM_GIB - sim_info(sim).actual);
    assert_state(sim, DM_STATE_IDLE);
    done_honest(sim);
}

/* The target survives a reset and needs no stick. */
static void test_reset(void)
{
    Sim *sim = grown();

    sim_target(sim, 700 * SIM_MIB);
    sim_reset(sim);
    assert_state(sim, DM_STATE_DISCONNECTED);
    g_assert_cmpuint(sim_info(sim).actual, ==, SIM_GIB);
    g_assert_cmpuint(sim->told_actual, ==, SIM_GIB);
    g_assert_cmpuint(sim_info(sim).target, ==, 700 * SIM_MIB);
    g_assert_cmpint(sim->sticks[1].state, ==, DM_STICK_UNUSED);
    sim_connect(sim);
    assert_actual(sim, 700 * SIM_MIB);
    g_assert_cmpint(sim_stick(sim, 1).state, ==, DM_STICK_UNUSED);
    g_assert_cmpuint(sim_stick(sim, 1).added, ==, 0);
    g_assert_true(sim_unplug(sim, 1));
    g_assert_cmpuint(sim_info(sim).target, ==, 700 * SIM_MIB);
    done_honest(sim);
}

/* After a reset a stick is added again only as far as the target needs. */
static void test_reset_adds_again(void)
{
    Sim *sim = one_stick();

    sim_target(sim, SIM_GIB + 500 * SIM_MIB);
    sim_reset(sim);
    g_assert_cmpint(sim->sticks[1].state, ==, DM_STICK_UNUSED);
    sim_connect(sim);
    assert_actual(sim, SIM_GIB + 500 * SIM_MIB);
    g_assert_cmpint(sim->sticks[1].state, ==, DM_STICK_INUSE);
    g_assert_cmpuint(sim_stick(sim, 1).added, ==, 512 * SIM_MIB);
    done_honest(sim);
}

static void test_reset_discards_stick(void)
{
    Sim *sim = grown();

    sim->discarded = 0;
    sim_reset(sim);
    g_assert_cmpuint(sim->discarded, ==, 2 * SIM_GIB);
    sim_free(sim);
}

static void test_grow_back(void)
{
    Sim *sim = grown();
    unsigned adds = sim->sent[DM_MSG_HOT_ADD_REQUEST];

    sim_target(sim, 700 * SIM_MIB);
    sim_target(sim, 3 * SIM_GIB);
    g_assert_cmpuint(sim_info(sim).actual, ==, 3 * SIM_GIB);
    g_assert_cmpuint(sim->sent[DM_MSG_HOT_ADD_REQUEST], ==, adds);
    done_honest(sim);
}

static void test_small_steps(void)
{
    Sim *sim = one_stick();
    uint64_t mib;

    for (mib = 1000; mib <= 3072; mib += 37) {
        sim_target(sim, mib * SIM_MIB);
        assert_actual(sim, mib * SIM_MIB);
        sim_check_honest(sim);
    }
    sim_target(sim, 512 * SIM_MIB);
    assert_actual(sim, 512 * SIM_MIB);
    done_honest(sim);
}

/* Hot-add comes in whole blocks: what is too much is ballooned out again. */
static void test_surplus_of_alignment(void)
{
    Sim *sim = one_stick();

    sim_target(sim, SIM_GIB + 10 * SIM_MIB);
    assert_actual(sim, SIM_GIB + 10 * SIM_MIB);
    g_assert_cmpuint(sim_stick(sim, 1).added, ==, 128 * SIM_MIB);
    done_honest(sim);
}

static void test_insert_now(void)
{
    Sim *sim = sim_new(SIM_GIB, DM_PROFILE_AUTO, SIM_LINUX);

    sim_plug(sim, 0, SIM_4G, SIM_GIB, false);
    g_assert_cmpuint(sim_info(sim).target, ==, 2 * SIM_GIB);
    sim_connect(sim);
    g_assert_cmpuint(sim_info(sim).actual, ==, 2 * SIM_GIB);
    sim_plug(sim, 1, SIM_4G + SIM_GIB, SIM_GIB, false);
    g_assert_cmpuint(sim_info(sim).actual, ==, 3 * SIM_GIB);
    done_honest(sim);
}

/* Boot memory first, then sticks in part released, then whole ones. */
static void test_return_order(void)
{
    Sim *sim = sim_new(SIM_GIB, DM_PROFILE_AUTO, SIM_LINUX);

    sim_plug(sim, 0, SIM_4G, 512 * SIM_MIB, false);
    sim_plug(sim, 1, SIM_4G + 512 * SIM_MIB, 512 * SIM_MIB, false);
    sim_connect(sim);
    /* The simulated guest releases from the top: all of 1, half of 0. */
    sim_target(sim, SIM_GIB + 256 * SIM_MIB);
    g_assert_cmpint(sim->sticks[1].state, ==, DM_STICK_UNUSED);
    g_assert_cmpuint(sim->n_unused, ==, 1);
    g_assert_cmpint(sim->sticks[0].state, ==, DM_STICK_INUSE);
    sim_target(sim, SIM_GIB + 512 * SIM_MIB);
    g_assert_cmpuint(sim_stick(sim, 0).released, ==, 0);
    g_assert_cmpint(sim->sticks[1].state, ==, DM_STICK_UNUSED);
    sim_target(sim, SIM_GIB + 600 * SIM_MIB);
    g_assert_cmpint(sim->sticks[1].state, ==, DM_STICK_INUSE);
    done_honest(sim);
}

static void test_floor(void)
{
    Sim *sim = grown();

    sim->floor = 800 * SIM_MIB;
    sim_target(sim, 1);
    assert_state(sim, DM_STATE_FLOOR);
    assert_actual(sim, 800 * SIM_MIB);
    g_assert_nonnull(sim_info(sim).last_error);
    g_assert_cmpuint(sim->told_actual, ==, sim_info(sim).actual);
    /* It is asked again now and then, ever more seldom. */
    sim->sent[DM_MSG_BALLOON_REQUEST] = 0;
    sim_advance(sim, 600 * 1000);
    g_assert_cmpuint(sim->sent[DM_MSG_BALLOON_REQUEST], >=, 8);
    g_assert_cmpuint(sim->sent[DM_MSG_BALLOON_REQUEST], <=, 16);
    sim->floor = 0;
    sim_target(sim, 2 * SIM_GIB);
    g_assert_null(sim_info(sim).last_error);
    g_assert_cmpuint(sim_info(sim).actual, ==, 2 * SIM_GIB);
    done_honest(sim);
}

static void test_target_zero(void)
{
    Sim *sim = one_stick();
    g_autoptr(GError) error = NULL;

    g_assert_false(dm_engine_set_target(sim->engine, 0, sim->now, &error));
    g_assert_nonnull(error);
    g_assert_cmpuint(sim_info(sim).target, ==, SIM_GIB);
    done_honest(sim);
}

static void test_target_above_capacity(void)
{
    Sim *sim = one_stick();

    sim_target(sim, 4 * SIM_GIB);
    g_assert_cmpuint(sim_info(sim).actual, ==, 3 * SIM_GIB);
    g_assert_nonnull(sim_info(sim).last_error);
    done_honest(sim);
}

static void test_target_before_connect(void)
{
    Sim *sim = sim_new(SIM_GIB, DM_PROFILE_AUTO, SIM_LINUX);

    sim_plug(sim, 0, SIM_4G, SIM_GIB, true);
    sim_target(sim, 2 * SIM_GIB);
    g_assert_cmpuint(sim_info(sim).actual, ==, SIM_GIB);
    sim_connect(sim);
    g_assert_cmpuint(sim_info(sim).actual, ==, 2 * SIM_GIB);
    done_honest(sim);
}

/* A new target while the last is under way: nothing is sent in between. */
static void test_target_twice(void)
{
    Sim *sim = one_stick();

    sim->mute = true;
    sim_target(sim, 3 * SIM_GIB);
    sim_target(sim, 2 * SIM_GIB);
    sim_target(sim, 700 * SIM_MIB);
    g_assert_cmpuint(g_queue_get_length(&sim->inbox), ==, 1);
    assert_state(sim, DM_STATE_ADDING);
    sim->mute = false;
    sim_pump(sim);
    assert_actual(sim, 700 * SIM_MIB);
    done_honest(sim);
}

/* ---- sticks ---- */

static void test_unplug_in_use(void)
{
    Sim *sim = grown();

    g_assert_false(sim_unplug(sim, 1));
    g_assert_true(sim->sticks[1].plugged);
    done_honest(sim);
}

static void test_unplug_in_flight(void)
{
    Sim *sim = one_stick();

    sim->mute = true;
    sim_target(sim, 2 * SIM_GIB);
    g_assert_cmpint(sim_stick(sim, 1).state, ==, DM_STICK_IDLE);
    g_assert_false(sim_unplug(sim, 1));
    sim->mute = false;
    sim_pump(sim);
    done_honest(sim);
}

static void test_unplug_idle(void)
{
    Sim *sim = one_stick();

    g_assert_true(sim_unplug(sim, 1));
    g_assert_cmpuint(sim_info(sim).capacity, ==, SIM_GIB);
    g_assert_cmpuint(sim_info(sim).ghosts, ==, 0);
    done_honest(sim);
}

static void test_plug_overlap(void)
{
    Sim *sim = one_stick();

    g_assert_false(sim_plug(sim, 2, SIM_4G + SIM_GIB, 2 * SIM_GIB, true));
    g_assert_false(sim_plug(sim, 2, SIM_MIB, SIM_MIB, true));
    g_assert_false(sim_plug(sim, 2, SIM_4G - 1, 2, true));
    g_assert_false(sim_plug(sim, 2, 7 * SIM_GIB, 0, true));
    g_assert_false(sim_plug(sim, 2, DM_MAX_PFN, 2, true));
    done_honest(sim);
}

/* An address of a removed stick is used again without a hot-add. */
static void test_ghosts(void)
{
    Sim *sim = one_stick();
    unsigned adds;

    sim_target(sim, 2 * SIM_GIB);
    sim_target(sim, SIM_GIB);
    g_assert_cmpint(sim->sticks[1].state, ==, DM_STICK_UNUSED);
    g_assert_true(sim_unplug(sim, 1));
    g_assert_cmpuint(sim_info(sim).ghosts, ==, SIM_GIB);
    g_assert_cmpuint(sim_info(sim).released, ==, 0);
    adds = sim->sent[DM_MSG_HOT_ADD_REQUEST];
    g_assert_true(sim_plug(sim, 2, SIM_4G, SIM_GIB, true));
    g_assert_cmpuint(sim_info(sim).ghosts, ==, 0);
    g_assert_cmpint(sim_stick(sim, 2).state, ==, DM_STICK_IDLE);
    sim_target(sim, 2 * SIM_GIB);
    g_assert_cmpuint(sim_info(sim).actual, ==, 2 * SIM_GIB);
    g_assert_cmpuint(sim->sent[DM_MSG_HOT_ADD_REQUEST], ==, adds);
    g_assert_cmpint(sim->sticks[2].state, ==, DM_STICK_INUSE);
    done_honest(sim);
}

/* It never had a hot-add and is as good as any other. */
static void test_ghost_then_reset(void)
{
    Sim *sim = one_stick();

    sim_target(sim, 2 * SIM_GIB);
    sim_target(sim, SIM_GIB);
    g_assert_true(sim_unplug(sim, 1));
    g_assert_true(sim_plug(sim, 2, SIM_4G, SIM_GIB, true));
    sim_target(sim, 2 * SIM_GIB);
    sim_reset(sim);
    g_assert_cmpint(sim->sticks[2].state, ==, DM_STICK_UNUSED);
    sim_free(sim);
}

/* A stick that reaches beyond the ghost: the rest comes by hot-add. */
static void test_ghost_in_part(void)
{
    Sim *sim = one_stick();

    sim_target(sim, SIM_GIB + 512 * SIM_MIB);
    sim_target(sim, SIM_GIB);
    g_assert_true(sim_unplug(sim, 1));
    g_assert_true(sim_plug(sim, 2, SIM_4G, 2 * SIM_GIB, true));
    sim_target(sim, 3 * SIM_GIB);
    g_assert_cmpuint(sim_info(sim).actual, ==, 3 * SIM_GIB);
    done_honest(sim);
}

static void test_reset_clears_ghosts(void)
{
    Sim *sim = grown();

    sim_target(sim, SIM_GIB);
    g_assert_true(sim_unplug(sim, 1));
    g_assert_cmpuint(sim_info(sim).ghosts, ==, 2 * SIM_GIB);
    sim_reset(sim);
    g_assert_cmpuint(sim_info(sim).ghosts, ==, 0);
    sim_free(sim);
}

/* Grow, shrink, unplug, again and again, at one address. */
static void test_cycles(void)
{
    Sim *sim = sim_new(SIM_GIB, DM_PROFILE_AUTO, SIM_LINUX);
    unsigned i;

    sim_connect(sim);
    for (i = 0; i < 20; i++) {
        uint64_t size = (i % 4 + 1) * 130 * SIM_MIB;

        g_assert_true(sim_plug(sim, 3, SIM_4G, size, true));
        sim_target(sim, SIM_GIB + size);
        g_assert_cmpuint(sim_info(sim).actual, ==, SIM_GIB + size);
        sim_target(sim, SIM_GIB);
        g_assert_true(sim_unplug(sim, 3));
        sim_check_honest(sim);
    }
    done_honest(sim);
}

/* Adjacent small sticks are one space: blocks span them. */
static void test_adjacent_sticks(void)
{
    Sim *sim = sim_new(SIM_GIB, DM_PROFILE_AUTO, SIM_LINUX);
    unsigned i;

    for (i = 0; i < 8; i++) {
        sim_plug(sim, i, SIM_4G + i * 50 * SIM_MIB, 50 * SIM_MIB, true);
    }
    sim_connect(sim);
    sim_target(sim, SIM_GIB + 400 * SIM_MIB);
    g_assert_cmpuint(sim_info(sim).actual, ==, SIM_GIB + 400 * SIM_MIB);
    done_honest(sim);
}

/* A stick that follows later continues the block that was begun. */
static void test_continue_region(void)
{
    Sim *sim = sim_new(SIM_GIB, DM_PROFILE_AUTO, SIM_LINUX);

    sim_connect(sim);
    sim_plug(sim, 0, SIM_4G, 70 * SIM_MIB, false);
    g_assert_cmpuint(sim_info(sim).actual, ==, SIM_GIB + 70 * SIM_MIB);
    sim_plug(sim, 1, SIM_4G + 70 * SIM_MIB, 300 * SIM_MIB, false);
    g_assert_cmpuint(sim_info(sim).actual, ==, SIM_GIB + 370 * SIM_MIB);
    done_honest(sim);
}

/* Not at a block's start: no page before it is touched. */
static void test_unaligned_stick(void)
{
    Sim *sim = sim_new(SIM_GIB, DM_PROFILE_AUTO, SIM_LINUX);

    sim_connect(sim);
    sim_plug(sim, 0, SIM_4G + 66 * SIM_MIB, 300 * SIM_MIB, false);
    g_assert_cmpuint(sim_info(sim).actual, ==, SIM_GIB + 300 * SIM_MIB);
    done_honest(sim);
}

/* Boot memory ends inside the first block: the guest has its start. */
static void test_stick_after_boot(void)
{
    Sim *sim = sim_new(4 * SIM_GIB + 64 * SIM_MIB, DM_PROFILE_AUTO,
                       SIM_LINUX);
    uint64_t at = SIM_4G + SIM_GIB + 64 * SIM_MIB;

    sim_connect(sim);
    sim_plug(sim, 0, at, 320 * SIM_MIB, false);
    sim_check_honest(sim);
    /* The part in boot memory's block cannot be added; the rest is. */
    g_assert_cmpuint(sim_stick(sim, 0).added, ==, 256 * SIM_MIB);
    g_assert_nonnull(sim_info(sim).last_error);
    sim_free(sim);
}

/* A stick in sight of a guest whose blocks are larger than it. */
static void test_small_stick(void)
{
    Sim *sim = sim_new(SIM_GIB, DM_PROFILE_AUTO, SIM_LINUX);

    sim->alignment = 11;        /* 2 GiB */
    sim_connect(sim);
    sim_plug(sim, 0, SIM_4G, 256 * SIM_MIB, false);
    g_assert_cmpuint(sim_info(sim).actual, ==, SIM_GIB + 256 * SIM_MIB);
    done_honest(sim);
}

/* ---- profiles ---- */

static void test_windows_waits(void)
{
    Sim *sim = sim_new(SIM_GIB, DM_PROFILE_AUTO, SIM_WINDOWS);

    sim->big_ranges = true;
    sim_plug(sim, 0, SIM_4G, SIM_GIB, true);
    sim_connect(sim);
    sim_target(sim, 2 * SIM_GIB);
    assert_state(sim, DM_STATE_WAITING);
    sim_advance(sim, 49 * 1000);
    assert_state(sim, DM_STATE_WAITING);
    g_assert_cmpuint(sim->sent[DM_MSG_HOT_ADD_REQUEST], ==, 0);
    sim_advance(sim, 2 * 1000);
    g_assert_cmpuint(sim_info(sim).actual, ==, 2 * SIM_GIB);
    assert_state(sim, DM_STATE_IDLE);
    done_honest(sim);
}

static void scatter_and_return(Sim *sim)
{
    sim->scatter = true;
    sim->unit = 37;
    sim_target(sim, 900 * SIM_MIB);
    sim_target(sim, SIM_GIB);
    g_assert_cmpuint(sim_info(sim).actual, ==, SIM_GIB);
}

static void test_windows_one_range(void)
{
    Sim *sim = sim_new(SIM_GIB, DM_PROFILE_WINDOWS, SIM_LINUX);

    sim_connect(sim);
    sim_advance(sim, 60 * 1000);
    scatter_and_return(sim);
    g_assert_cmpuint(sim->longest_unballoon, ==, 1);
    done_honest(sim);
}

static void test_linux_many_ranges(void)
{
    Sim *sim = sim_new(SIM_GIB, DM_PROFILE_LINUX, SIM_WINDOWS);

    sim_connect(sim);
    scatter_and_return(sim);
    g_assert_cmpuint(sim->longest_unballoon, >, 1);
    done_honest(sim);
}

static void test_request_limits(void)
{
    Sim *sim = sim_new(8 * SIM_GIB, DM_PROFILE_AUTO, SIM_LINUX);

    sim_connect(sim);
    sim->mute = true;
    sim_target(sim, SIM_GIB);
    sim->mute = false;
    sim_pump(sim);
    assert_actual(sim, SIM_GIB);
    g_assert_cmpuint(sim->sent[DM_MSG_BALLOON_REQUEST], >=, 4);
    g_assert_cmpuint(sim->last_balloon_asked % 512, ==, 0);
    g_assert_cmpuint(sim->last_balloon_asked, <=, 585728);
    done_honest(sim);
}

/* Memory in single pages, all over the place. */
static void test_fragments(void)
{
    Sim *sim = grown();

    sim->scatter = true;
    sim->unit = 1;
    sim_target(sim, 3 * SIM_GIB - 100 * SIM_MIB);
    sim_target(sim, 3 * SIM_GIB);
    g_assert_cmpuint(sim_info(sim).actual, ==, 3 * SIM_GIB);
    done_honest(sim);
}

/* ---- guests that cannot or will not ---- */

static void test_no_hot_add(void)
{
    Sim *sim = sim_new(SIM_GIB, DM_PROFILE_AUTO, SIM_LINUX);

    sim->can_hot_add = false;
    sim_plug(sim, 0, SIM_4G, SIM_GIB, true);
    sim_connect(sim);
    sim_target(sim, 2 * SIM_GIB);
    assert_state(sim, DM_STATE_REFUSED);
    sim_target(sim, 700 * SIM_MIB);
    assert_actual(sim, 700 * SIM_MIB);
    done_honest(sim);
}

static void test_no_balloon(void)
{
    Sim *sim = sim_new(SIM_GIB, DM_PROFILE_AUTO, SIM_LINUX);

    sim->can_balloon = false;
    sim_plug(sim, 0, SIM_4G, SIM_GIB, true);
    sim_connect(sim);
    sim_target(sim, 700 * SIM_MIB);
    assert_state(sim, DM_STATE_REFUSED);
    sim_target(sim, 2 * SIM_GIB);
    g_assert_cmpuint(sim_info(sim).actual, ==, 2 * SIM_GIB);
    done_honest(sim);
}

static void test_transient_refusal(void)
{
    Sim *sim = one_stick();

    sim->refuse = true;
    sim_target(sim, 3 * SIM_GIB);
    assert_state(sim, DM_STATE_REFUSED);
    sim_advance(sim, 300 * 1000);
    assert_state(sim, DM_STATE_REFUSED);
    g_assert_cmpuint(sim->sent[DM_MSG_HOT_ADD_REQUEST], >=, 5);
    g_assert_cmpuint(sim->sent[DM_MSG_HOT_ADD_REQUEST], <=, 12);
    sim->refuse = false;
    sim_advance(sim, 60 * 1000);
    g_assert_cmpuint(sim_info(sim).actual, ==, 3 * SIM_GIB);
    done_honest(sim);
}

static void test_permanent_refusal(void)
{
    Sim *sim = one_stick();

    sim->refuse_for_good = true;
    sim_target(sim, 3 * SIM_GIB);
    assert_state(sim, DM_STATE_REFUSED);
    sim_advance(sim, 600 * 1000);
    g_assert_cmpuint(sim->sent[DM_MSG_HOT_ADD_REQUEST], ==, 1);
    g_assert_nonnull(sim_info(sim).last_error);
    /* A reset clears it. */
    sim_reset(sim);
    sim->refuse_for_good = false;
    sim_connect(sim);
    g_assert_cmpuint(sim_info(sim).actual, ==, 3 * SIM_GIB);
    done_honest(sim);
}

static void test_not_onlined(void)
{
    Sim *sim = one_stick();

    sim->onlines = false;
    sim_target(sim, 3 * SIM_GIB);
    assert_state(sim, DM_STATE_NOT_ONLINED);
    /* As little as possible was wasted. */
    g_assert_cmpuint(sim_stick(sim, 1).added, ==, 128 * SIM_MIB);
    sim_advance(sim, 600 * 1000);
    g_assert_cmpuint(sim_stick(sim, 1).added, ==, 128 * SIM_MIB);
    done_honest(sim);
}

/* ---- section "what a hostile or broken guest can do": 1 to 24 ---- */

/* Makes the engine ask for @pages and leaves the question open. */
static Sim *asked(uint64_t pages)
{
    Sim *sim = one_stick();

    sim->mute = true;
    sim_target(sim, SIM_GIB - pages);
    assert_state(sim, DM_STATE_BALLOONING);
    return sim;
}

static void test_h01_page_twice(void)
{
    Sim *sim = asked(4 * SIM_MIB);
    DmRange ranges[] = { { 0x1000, 512 }, { 0x1000, 512 } };

    sim_claim(sim, ranges, 2, false);
    g_assert_cmpuint(sim_info(sim).released, ==, 512);
    g_assert_cmpuint(sim_info(sim).counters.duplicate_pages, ==, 512);
    sim_free(sim);
}

static void test_h02_outside_ram(void)
{
    /* ROM, the PCI hole, beyond everything, half outside. */
    static const DmRange bad[] = {
        { 0xa0, 0x60 }, { 3 * SIM_GIB, 100 }, { SIM_4G - 1, 1 },
        { DM_MAX_PFN, 1 }, { DM_MAX_PFN - 10, 100 },
    };
    Sim *sim = asked(4 * SIM_MIB);

    sim_claim(sim, bad, G_N_ELEMENTS(bad), true);
    g_assert_cmpuint(sim_info(sim).released, ==, 0);
    g_assert_cmpuint(sim_info(sim).counters.dropped_ranges, ==,
                     G_N_ELEMENTS(bad));
    /* However often: one warning in a while. */
    g_assert_cmpuint(sim->n_warn, ==, 1);
    sim_free(sim);
}

static void test_h02_half_in_rom(void)
{
    static const DmRange half = { 0x90, 0x80 };
    Sim *sim = asked(4 * SIM_MIB);

    sim_claim(sim, &half, 1, false);
    g_assert_cmpuint(sim_info(sim).released, ==, 0x20);
    sim_free(sim);
}

static void test_h03_more_than_asked(void)
{
    static const DmRange much = { 0x1000, 2000 };
    Sim *sim = asked(4 * SIM_MIB);

    sim_claim(sim, &much, 1, false);
    g_assert_cmpuint(sim_info(sim).released, ==, 1024);
    g_assert_cmpuint(sim_info(sim).counters.surplus_pages, ==, 2000 - 1024);
    sim_free(sim);
}

static void test_h04_endless_more(void)
{
    Sim *sim = asked(4 * SIM_MIB);
    unsigned i;

    for (i = 0; i < 100; i++) {
        sim_claim(sim, NULL, 0, true);
    }
    g_assert_cmpuint(sim_info(sim).counters.unexpected, >, 50);
    assert_state(sim, DM_STATE_FLOOR);
    g_assert_nonnull(sim_info(sim).last_error);
    /* One failure, one step of the back-off. */
    g_assert_cmpuint(dm_engine_deadline(sim->engine), ==, sim->now + 5000);
    sim_free(sim);
}

/* One page at a time with more to come: it ends when all was claimed. */
static void test_h04_endless_repeats(void)
{
    Sim *sim = asked(4 * SIM_MIB);
    DmRange page = { 0x1000, 1 };
    unsigned i;

    for (i = 0; i < 5000; i++) {
        sim_claim(sim, &page, 1, true);
        sim_drop_inbox(sim);
    }
    g_assert_cmpuint(sim_info(sim).released, ==, 1);
    assert_state(sim, DM_STATE_FLOOR);
    sim_free(sim);
}

static void test_h05_no_progress(void)
{
    Sim *sim = asked(4 * SIM_MIB);
    unsigned before;

    sim_claim(sim, NULL, 0, false);
    assert_state(sim, DM_STATE_FLOOR);
    before = sim->sent[DM_MSG_BALLOON_REQUEST];
    sim_pump(sim);
    sim_advance(sim, 4000);
    g_assert_cmpuint(sim->sent[DM_MSG_BALLOON_REQUEST], ==, before);
    sim_free(sim);
}

static void test_h06_sizes(void)
{
    uint8_t msg[64] = { DM_MSG_BALLOON_RESPONSE, 0, 32, 0 };
    Sim *sim = asked(4 * SIM_MIB);
    size_t len;

    msg[12] = 200 << 1 & 0xff;      /* more ranges than bytes */
    msg[13] = 200 >> 7;
    sim_say(sim, msg, 32);
    for (len = 0; len < 32; len++) {
        sim_say(sim, msg, len);
    }
    g_assert_cmpuint(sim_info(sim).counters.malformed, ==, 33);
    g_assert_cmpuint(sim_info(sim).released, ==, 0);
    assert_state(sim, DM_STATE_BALLOONING);
    sim_free(sim);
}

static void test_h07_empty_range(void)
{
    static const DmRange ranges[] = { { 0, 0 }, { DM_MAX_PFN, 0 },
                                      { 0x1000, 1 } };
    Sim *sim = asked(4 * SIM_MIB);

    sim_claim(sim, ranges, 3, true);
    g_assert_cmpuint(sim_info(sim).released, ==, 1);
    g_assert_cmpuint(sim_info(sim).counters.dropped_ranges, ==, 0);
    sim_free(sim);
}

static void test_h08_overflow(void)
{
    static const DmRange range = { DM_MAX_PFN, DM_MAX_RANGE_PAGES };
    Sim *sim = asked(4 * SIM_MIB);

    sim_claim(sim, &range, 1, false);
    g_assert_cmpuint(sim_info(sim).released, ==, 0);
    sim_free(sim);
}

static void test_h09_never_added(void)
{
    static const DmRange range = { SIM_4G, 512 };
    Sim *sim = asked(4 * SIM_MIB);

    sim_claim(sim, &range, 1, false);
    g_assert_cmpuint(sim_info(sim).released, ==, 0);
    g_assert_cmpint(sim_stick(sim, 1).state, ==, DM_STICK_IDLE);
    sim_free(sim);
}

static void test_h10_ghost(void)
{
    static const DmRange range = { SIM_4G, 512 };
    Sim *sim = one_stick();

    sim_target(sim, 2 * SIM_GIB);
    sim_target(sim, SIM_GIB);
    g_assert_true(sim_unplug(sim, 1));
    sim->mute = true;
    sim_target(sim, 900 * SIM_MIB);
    sim_claim(sim, &range, 1, false);
    g_assert_cmpuint(sim_info(sim).released, ==, 0);
    g_assert_cmpuint(sim_info(sim).ghosts, ==, SIM_GIB);
    g_assert_cmpuint(sim_info(sim).counters.dropped_ranges, ==, 1);
    sim_free(sim);
}

static Sim *adding(void)
{
    Sim *sim = one_stick();

    sim->mute = true;
    sim_target(sim, 2 * SIM_GIB);
    assert_state(sim, DM_STATE_ADDING);
    return sim;
}

static void test_h11_takes_too_much(void)
{
    Sim *sim = adding();

    sim_hot_add_response(sim, UINT32_MAX, 1);
    g_assert_cmpuint(sim_stick(sim, 1).added, ==, 128 * SIM_MIB);
    sim_free(sim);
}

/* The rest of what it took is not offered again before a reset. */
static void test_h11_takes_a_part(void)
{
    Sim *sim = one_stick();

    sim->take_at_most = 100 * SIM_MIB + 3;
    sim_target(sim, 2 * SIM_GIB);
    sim->take_at_most = 0;
    sim_target(sim, 3 * SIM_GIB);
    g_assert_cmpuint(sim_info(sim).actual, <, 3 * SIM_GIB);
    g_assert_nonnull(sim_info(sim).last_error);
    g_assert_cmpuint(sim_info(sim).counters.refused, >, 0);
    sim_check_honest(sim);
    sim_reset(sim);
    sim_connect(sim);
    g_assert_cmpuint(sim_info(sim).actual, ==, 3 * SIM_GIB);
    done_honest(sim);
}

static void test_h12_unasked(void)
{
    static const DmRange range = { 0x1000, 512 };
    Sim *sim = one_stick();

    sim_claim(sim, &range, 1, false);
    sim_unballoon_response(sim);
    sim_hot_add_response(sim, 32768, 1);
    g_assert_cmpuint(sim_info(sim).counters.unexpected, ==, 3);
    g_assert_cmpuint(sim_info(sim).actual, ==, SIM_GIB);
    g_assert_cmpuint(sim_stick(sim, 1).added, ==, 0);
    sim_free(sim);
}

static void test_h12_other_kind(void)
{
    Sim *sim = adding();

    sim_unballoon_response(sim);
    sim_claim(sim, NULL, 0, false);
    g_assert_cmpuint(sim_info(sim).counters.unexpected, ==, 2);
    assert_state(sim, DM_STATE_ADDING);
    sim_hot_add_response(sim, 32768, 1);
    g_assert_cmpuint(sim_stick(sim, 1).added, ==, 32768);
    sim_free(sim);
}

/* An answer to a request that did not leave yet is none. */
static void test_h12_before_sent(void)
{
    Sim *sim = one_stick();

    sim->ring_full = true;
    sim_target(sim, 2 * SIM_GIB);
    sim_hot_add_response(sim, 32768, 1);
    g_assert_cmpuint(sim_info(sim).counters.unexpected, ==, 1);
    g_assert_cmpuint(sim_stick(sim, 1).added, ==, 0);
    sim->ring_full = false;
    dm_engine_writable(sim->engine, sim->now);
    sim_pump(sim);
    g_assert_cmpuint(sim_info(sim).actual, ==, 2 * SIM_GIB);
    done_honest(sim);
}

static void test_h13_other_capabilities(void)
{
    Sim *sim = grown();

    sim_close(sim);
    sim->alignment = 5;
    sim_connect(sim);
    assert_state(sim, DM_STATE_FROZEN);
    g_assert_nonnull(sim_info(sim).last_error);
    sim_target(sim, SIM_GIB);
    assert_state(sim, DM_STATE_FROZEN);
    g_assert_cmpuint(sim_info(sim).actual, ==, 3 * SIM_GIB);
    sim_reset(sim);
    sim_connect(sim);
    assert_state(sim, DM_STATE_IDLE);
    g_assert_cmpuint(sim_info(sim).actual, ==, SIM_GIB);
    done_honest(sim);
}

static void test_h14_alignment_15(void)
{
    Sim *sim = sim_new(SIM_GIB, DM_PROFILE_AUTO, SIM_LINUX);

    sim->alignment = 15;
    sim_connect(sim);
    g_assert_cmpuint(sim_info(sim).alignment, ==, 32 * SIM_GIB);
    sim_plug(sim, 0, SIM_4G, SIM_GIB, false);
    /* Boot memory lies in the same block of 32 GiB. */
    assert_state(sim, DM_STATE_REFUSED);
    g_assert_nonnull(sim_info(sim).last_error);
    g_assert_cmpuint(sim_info(sim).actual, ==, SIM_GIB);
    sim_free(sim);
}

static void check_late(Sim *sim, uint64_t at_least)
{
    DmState state = sim_info(sim).state;

    sim_advance(sim, at_least - 1);
    g_assert_cmpint(sim_info(sim).state, ==, state);
    sim_advance(sim, 60 * 1000);
    assert_state(sim, DM_STATE_LATE);
    g_assert_nonnull(sim_info(sim).last_error);
    g_assert_cmpuint(sim_info(sim).counters.late, ==, 1);
    /* The transaction stays open: nothing else is asked. */
    g_assert_cmpuint(g_queue_get_length(&sim->inbox), ==, 1);
}

static void test_h15_late_balloon(void)
{
    Sim *sim = asked(100 * SIM_MIB);

    check_late(sim, 10 * 1000);
    sim_target(sim, 500 * SIM_MIB);
    assert_state(sim, DM_STATE_LATE);
    g_assert_nonnull(sim_info(sim).last_error);
    sim->mute = false;
    sim_pump(sim);
    assert_actual(sim, 500 * SIM_MIB);
    done_honest(sim);
}

static void test_h15_late_hot_add(void)
{
    Sim *sim = one_stick();

    sim_target(sim, SIM_GIB + 128 * SIM_MIB);
    sim->mute = true;
    sim_target(sim, SIM_GIB + 640 * SIM_MIB);
    check_late(sim, 10 * 1000 + 4 * 5 * 1000);
    sim->mute = false;
    sim_pump(sim);
    g_assert_cmpuint(sim_info(sim).actual, ==, SIM_GIB + 640 * SIM_MIB);
    done_honest(sim);
}

static void test_h15_late_unballoon(void)
{
    Sim *sim = one_stick();

    sim_target(sim, 500 * SIM_MIB);
    sim->mute = true;
    sim_target(sim, SIM_GIB);
    assert_state(sim, DM_STATE_RETURNING);
    /* Not the guest's before it says so. */
    assert_actual(sim, 500 * SIM_MIB);
    check_late(sim, 10 * 1000);
    sim->mute = false;
    sim_pump(sim);
    g_assert_cmpuint(sim_info(sim).actual, ==, SIM_GIB);
    done_honest(sim);
}

/* What one call does is bounded: discards come in pieces. */
static void test_h16_budget(void)
{
    Sim *sim = asked(800 * SIM_MIB);
    DmRange ranges[510];
    unsigned i, n, calls = 0;

    for (n = 0; n < 2; n++) {
        for (i = 0; i < 510; i++) {
            ranges[i] = (DmRange) { 0x1000 + 2 * (510 * n + i), 1 };
        }
        sim_claim(sim, ranges, 510, n == 0);
    }
    sim->discarded = 0;
    while (dm_engine_run(sim->engine, sim->now)) {
        g_assert_cmpuint(sim->discarded, <=, 256 * ++calls);
    }
    g_assert_cmpuint(calls, >=, 3);
    g_assert_cmpuint(sim->discarded, ==, 1020);
    sim_free(sim);
}

/* Every report is passed on; the caller throttles what it tells. */
static void test_h17_status(void)
{
    Sim *sim = one_stick();
    unsigned i;

    for (i = 0; i < 1000; i++) {
        sim_status(sim, i);
    }
    g_assert_cmpuint(sim->n_status, ==, 1000);
    g_assert_cmpuint(sim->last_status.available, ==, 999);
    g_assert_cmpuint(g_queue_get_length(&sim->inbox), ==, 0);
    done_honest(sim);
}

static void test_h17_status_early(void)
{
    Sim *sim = sim_new(SIM_GIB, DM_PROFILE_AUTO, SIM_LINUX);

    sim_open(sim, false);
    sim_status(sim, 1);
    g_assert_cmpuint(sim->n_status, ==, 0);
    g_assert_cmpuint(sim_info(sim).counters.unexpected, ==, 1);
    sim_free(sim);
}

static void test_h19_full_ring(void)
{
    Sim *sim = one_stick();

    sim->ring_full = true;
    sim_target(sim, 3 * SIM_GIB);
    sim_advance(sim, 5 * 1000);
    g_assert_cmpuint(sim->sent[DM_MSG_HOT_ADD_REQUEST], ==, 0);
    sim->ring_full = false;
    dm_engine_writable(sim->engine, sim->now);
    sim_pump(sim);
    g_assert_cmpuint(sim_info(sim).actual, ==, 3 * SIM_GIB);
    done_honest(sim);
}

/* A request that never left leaves nothing in doubt. */
/* It is late, and is not any more once it could be sent. */
static void test_h19_full_ring_long(void)
{
    Sim *sim = one_stick();

    sim->ring_full = true;
    sim_target(sim, 3 * SIM_GIB);
    sim_advance(sim, 100 * 1000);
    assert_state(sim, DM_STATE_LATE);
    g_assert_nonnull(strstr(sim_info(sim).last_error, "made room"));
    sim->ring_full = false;
    sim->mute = true;
    dm_engine_writable(sim->engine, sim->now);
    assert_state(sim, DM_STATE_ADDING);
    sim_advance(sim, 100 * 1000);
    assert_state(sim, DM_STATE_LATE);
    g_assert_cmpuint(sim_info(sim).counters.late, ==, 2);
    sim_free(sim);
}

static void test_h19_full_ring_close(void)
{
    Sim *sim = one_stick();

    sim->ring_full = true;
    sim_target(sim, 3 * SIM_GIB);
    sim_close(sim);
    g_assert_cmpuint(sim_info(sim).in_doubt, ==, 0);
    sim->ring_full = false;
    sim_connect(sim);
    g_assert_cmpuint(sim_info(sim).actual, ==, 3 * SIM_GIB);
    done_honest(sim);
}

/* Reconnects alone never make a stick unused. */
static void test_h20_reconnect_storm(void)
{
    Sim *sim = grown();
    unsigned i;

    for (i = 0; i < 50; i++) {
        sim_close(sim);
        sim_connect(sim);
    }
    g_assert_cmpint(sim->sticks[1].state, ==, DM_STICK_INUSE);
    g_assert_cmpuint(sim->n_unused, ==, 0);
    g_assert_cmpuint(sim_info(sim).counters.reconnects, ==, 50);
    g_assert_false(sim_unplug(sim, 1));
    done_honest(sim);
}

static void test_h23_trans_id(void)
{
    Sim *sim = one_stick();

    sim->counter = UINT32_MAX - 1;
    sim_target(sim, 3 * SIM_GIB);
    sim->counter = 12345;
    sim_target(sim, 700 * SIM_MIB);
    assert_actual(sim, 700 * SIM_MIB);
    done_honest(sim);
}

static void test_unknown_type(void)
{
    uint8_t msg[16] = { 99, 0, 16, 0 };
    Sim *sim = one_stick();

    sim_say(sim, msg, sizeof(msg));
    g_assert_cmpuint(sim_info(sim).counters.unexpected, ==, 1);
    done_honest(sim);
}

static void test_closed_channel(void)
{
    Sim *sim = sim_new(SIM_GIB, DM_PROFILE_AUTO, SIM_LINUX);

    sim_version_request(sim, DM_VERSION_2_0, true);
    g_assert_cmpuint(sim_info(sim).counters.unexpected, ==, 1);
    assert_state(sim, DM_STATE_DISCONNECTED);
    sim_free(sim);
}

/* ---- reconnects ---- */

static void test_same_kernel(void)
{
    Sim *sim = grown();

    sim_target(sim, 2 * SIM_GIB);
    sim_close(sim);
    assert_state(sim, DM_STATE_DISCONNECTED);
    g_assert_cmpuint(sim_info(sim).actual, ==, 2 * SIM_GIB);
    sim_connect(sim);
    g_assert_cmpuint(sim_info(sim).released, ==, SIM_GIB);
    sim_target(sim, 3 * SIM_GIB);
    g_assert_cmpuint(sim_info(sim).actual, ==, 3 * SIM_GIB);
    done_honest(sim);
}

static void test_close_while_adding(void)
{
    Sim *sim = adding();

    sim_close(sim);
    g_assert_cmpuint(sim_info(sim).in_doubt, ==, 128 * SIM_MIB);
    g_assert_cmpuint(sim_info(sim).actual, ==, SIM_GIB);
    sim->mute = false;
    sim_connect(sim);
    /* The rest can be had; what is in doubt is never offered again. */
    g_assert_cmpuint(sim_info(sim).actual, ==, 2 * SIM_GIB);
    g_assert_cmpuint(sim_info(sim).in_doubt, ==, 128 * SIM_MIB);
    sim_target(sim, 3 * SIM_GIB);
    g_assert_nonnull(sim_info(sim).last_error);
    g_assert_false(sim_unplug(sim, 1));
    sim_check_honest(sim);
    sim_reset(sim);
    g_assert_cmpuint(sim_info(sim).in_doubt, ==, 0);
    sim_connect(sim);
    g_assert_cmpuint(sim_info(sim).actual, ==, 3 * SIM_GIB);
    done_honest(sim);
}

static void test_close_while_returning(void)
{
    Sim *sim = one_stick();

    sim_target(sim, 500 * SIM_MIB);
    sim->mute = true;
    sim_target(sim, 600 * SIM_MIB);
    assert_state(sim, DM_STATE_RETURNING);
    sim_close(sim);
    g_assert_cmpuint(sim_info(sim).in_doubt, >, 0);
    assert_actual(sim, 500 * SIM_MIB);
    sim->mute = false;
    sim_connect(sim);
    g_assert_cmpuint(sim_info(sim).actual, ==, 600 * SIM_MIB);
    done_honest(sim);
}

static void check_new_kernel(Sim *sim)
{
    unsigned adds = sim->sent[DM_MSG_HOT_ADD_REQUEST];
    unsigned returns = sim->sent[DM_MSG_UNBALLOON_REQUEST];

    assert_state(sim, DM_STATE_NEW_KERNEL);
    g_assert_nonnull(sim_info(sim).last_error);
    sim_target(sim, 3 * SIM_GIB);
    sim_advance(sim, 600 * 1000);
    g_assert_cmpuint(sim->sent[DM_MSG_HOT_ADD_REQUEST], ==, adds);
    g_assert_cmpuint(sim->sent[DM_MSG_UNBALLOON_REQUEST], ==, returns);
    assert_state(sim, DM_STATE_NEW_KERNEL);
    sim_reset(sim);
    sim_connect(sim);
    g_assert_cmpuint(sim_info(sim).actual, ==, 3 * SIM_GIB);
    done_honest(sim);
}

/* The next kernel has all boot memory; of sticks it may have anything. */
static void test_kexec(void)
{
    Sim *sim = grown();

    sim_target(sim, 500 * SIM_MIB);
    sim_kexec(sim, SIM_LINUX);
    g_assert_cmpuint(sim_info(sim).released, ==, 2 * SIM_GIB);
    g_assert_cmpuint(sim_info(sim).actual, ==, SIM_GIB);
    check_new_kernel(sim);
}

/* Even if nobody saw the id being cleared: another id, another kernel. */
static void test_other_os_id(void)
{
    Sim *sim = grown();

    sim_close(sim);
    sim->os_id = SIM_LINUX + 1;
    sim_connect(sim);
    check_new_kernel(sim);
}

/* Its memory map may tell the new kernel of sticks that the old one had. */
static void test_kexec_then_unplug(void)
{
    Sim *sim = grown();

    g_assert_true(sim_plug(sim, 2, SIM_4G + 4 * SIM_GIB, SIM_GIB, true));
    sim_target(sim, SIM_GIB);
    g_assert_cmpint(sim_stick(sim, 1).state, ==, DM_STICK_UNUSED);
    sim_kexec(sim, SIM_LINUX);
    g_assert_false(sim_unplug(sim, 1));
    g_assert_true(sim_unplug(sim, 2));
    sim_reset(sim);
    g_assert_true(sim_unplug(sim, 1));
    sim_free(sim);
}

/* What was not discarded by then may be the new kernel's. */
static void test_kexec_before_discard(void)
{
    Sim *sim = grown();
    DmRange range = { SIM_4G, 512 };

    sim->mute = true;
    sim_target(sim, 2 * SIM_GIB);
    sim_claim(sim, &range, 1, true);
    dm_engine_channel_close(sim->engine, sim->now);
    /* The new kernel runs long before its driver says that it is new. */
    sim_pump(sim);
    g_assert_cmpuint(sim->discarded, ==, 0);
    dm_engine_channel_open(sim->engine, sim->os_id, true, sim->now);
    sim_pump(sim);
    g_assert_cmpuint(sim->discarded, ==, 0);
    sim_free(sim);
}

static void test_kexec_then_reconnect(void)
{
    Sim *sim = grown();

    sim_kexec(sim, SIM_LINUX);
    sim_close(sim);
    sim_connect(sim);
    check_new_kernel(sim);
}

static void test_reset_while_adding(void)
{
    Sim *sim = adding();

    sim_reset(sim);
    g_assert_cmpuint(sim_info(sim).in_doubt, ==, 0);
    g_assert_cmpint(sim_stick(sim, 1).state, ==, DM_STICK_IDLE);
    sim->mute = false;
    sim_connect(sim);
    g_assert_cmpuint(sim_info(sim).actual, ==, 2 * SIM_GIB);
    done_honest(sim);
}

#define ADD(name, func) g_test_add_func("/engine/" name, func)
#define ADD_DATA(name, data, func) \
    g_test_add_data_func("/engine/" name, GUINT_TO_POINTER(data), func)

static void add_hostile(void)
{
    ADD("hostile/01-page-twice", test_h01_page_twice);
    ADD("hostile/02-outside-ram", test_h02_outside_ram);
    ADD("hostile/02-half-in-rom", test_h02_half_in_rom);
    ADD("hostile/03-more-than-asked", test_h03_more_than_asked);
    ADD("hostile/04-endless-more", test_h04_endless_more);
    ADD("hostile/04-endless-repeats", test_h04_endless_repeats);
    ADD("hostile/05-no-progress", test_h05_no_progress);
    ADD("hostile/06-sizes", test_h06_sizes);
    ADD("hostile/07-empty-range", test_h07_empty_range);
    ADD("hostile/08-overflow", test_h08_overflow);
    ADD("hostile/09-never-added", test_h09_never_added);
    ADD("hostile/10-ghost", test_h10_ghost);
    ADD("hostile/11-takes-too-much", test_h11_takes_too_much);
    ADD("hostile/11-takes-a-part", test_h11_takes_a_part);
    ADD("hostile/12-unasked", test_h12_unasked);
    ADD("hostile/12-other-kind", test_h12_other_kind);
    ADD("hostile/12-before-sent", test_h12_before_sent);
    ADD("hostile/13-other-capabilities", test_h13_other_capabilities);
    ADD("hostile/14-alignment-15", test_h14_alignment_15);
    ADD("hostile/15-late-balloon", test_h15_late_balloon);
    ADD("hostile/15-late-hot-add", test_h15_late_hot_add);
    ADD("hostile/15-late-unballoon", test_h15_late_unballoon);
    ADD("hostile/16-budget", test_h16_budget);
    ADD("hostile/17-status", test_h17_status);
    ADD("hostile/17-status-early", test_h17_status_early);
    ADD("hostile/19-full-ring", test_h19_full_ring);
    ADD("hostile/19-full-ring-close", test_h19_full_ring_close);
    ADD("hostile/19-full-ring-long", test_h19_full_ring_long);
    ADD("hostile/20-reconnect-storm", test_h20_reconnect_storm);
    ADD("hostile/23-trans-id", test_h23_trans_id);
    ADD("hostile/unknown-type", test_unknown_type);
    ADD("hostile/closed-channel", test_closed_channel);
}

static void add_ordinary(void)
{
    ADD_DATA("handshake/2.0", DM_VERSION_2_0, test_versions);
    ADD_DATA("handshake/1.0", DM_VERSION_1_0, test_versions);
    ADD_DATA("handshake/0.3", DM_VERSION_0_3, test_versions);
    ADD("handshake/fallback", test_version_fallback);
    ADD("handshake/capabilities-first", test_capabilities_before_version);
    ADD("handshake/guest-kinds", test_guest_kinds);
    ADD("grow", test_grow);
    ADD("shrink", test_shrink);
    ADD("reset", test_reset);
    ADD("reset/adds-again", test_reset_adds_again);
    ADD("reset/discards-stick", test_reset_discards_stick);
    ADD("reset/while-adding", test_reset_while_adding);
    ADD("grow-back", test_grow_back);
    ADD("small-steps", test_small_steps);
    ADD("surplus-of-alignment", test_surplus_of_alignment);
    ADD("insert-now", test_insert_now);
    ADD("return-order", test_return_order);
    ADD("floor", test_floor);
    ADD("target/zero", test_target_zero);
    ADD("target/above-capacity", test_target_above_capacity);
    ADD("target/before-connect", test_target_before_connect);
    ADD("target/twice", test_target_twice);
    ADD("fragments", test_fragments);
    ADD("request-limits", test_request_limits);
}

static void add_sticks(void)
{
    ADD("stick/unplug-in-use", test_unplug_in_use);
    ADD("stick/unplug-in-flight", test_unplug_in_flight);
    ADD("stick/unplug-idle", test_unplug_idle);
    ADD("stick/overlap", test_plug_overlap);
    ADD("stick/ghosts", test_ghosts);
    ADD("stick/ghost-in-part", test_ghost_in_part);
    ADD("stick/ghost-then-reset", test_ghost_then_reset);
    ADD("stick/reset-clears-ghosts", test_reset_clears_ghosts);
    ADD("stick/cycles", test_cycles);
    ADD("stick/adjacent", test_adjacent_sticks);
    ADD("stick/continue-region", test_continue_region);
    ADD("stick/unaligned", test_unaligned_stick);
    ADD("stick/after-boot", test_stick_after_boot);
    ADD("stick/small", test_small_stick);
}

static void add_guests(void)
{
    ADD("windows/waits", test_windows_waits);
    ADD("windows/one-range", test_windows_one_range);
    ADD("linux/many-ranges", test_linux_many_ranges);
    ADD("no-hot-add", test_no_hot_add);
    ADD("no-balloon", test_no_balloon);
    ADD("refusal/transient", test_transient_refusal);
    ADD("refusal/permanent", test_permanent_refusal);
    ADD("not-onlined", test_not_onlined);
    ADD("reconnect/same-kernel", test_same_kernel);
    ADD("reconnect/while-adding", test_close_while_adding);
    ADD("reconnect/while-returning", test_close_while_returning);
    ADD("reconnect/kexec", test_kexec);
    ADD("reconnect/other-os-id", test_other_os_id);
    ADD("reconnect/kexec-then-reconnect", test_kexec_then_reconnect);
    ADD("reconnect/kexec-then-unplug", test_kexec_then_unplug);
    ADD("reconnect/kexec-before-discard", test_kexec_before_discard);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_ordinary();
    add_sticks();
    add_guests();
    add_hostile();
    return g_test_run();
}
