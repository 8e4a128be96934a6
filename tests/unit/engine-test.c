/*
 * The engine with a simulated guest: what must work. What a guest must not
 * achieve is in hostile-test.c.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <string.h>

#include "scenes.h"

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

/* A version that is too new is refused, and the guest offers an older one. */
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

/* Hot-add takes whole blocks: what is too much is released again. */
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
    assert_problem(sim, DM_PROBLEM_FLOOR);
    g_assert_cmpuint(sim->told_actual, ==, sim_info(sim).actual);
    /* It is asked again, after longer and longer pauses. */
    sim->sent[DM_MSG_BALLOON_REQUEST] = 0;
    sim_advance(sim, 600 * 1000);
    g_assert_cmpuint(sim->sent[DM_MSG_BALLOON_REQUEST], >=, 8);
    g_assert_cmpuint(sim->sent[DM_MSG_BALLOON_REQUEST], <=, 16);
    sim->floor = 0;
    sim_target(sim, 2 * SIM_GIB);
    assert_problem(sim, DM_PROBLEM_NONE);
    g_assert_cmpuint(sim_info(sim).actual, ==, 2 * SIM_GIB);
    done_honest(sim);
}

static void test_target_zero(void)
{
    Sim *sim = one_stick();
    g_autoptr(GError) error = NULL;

    g_assert_false(dm_engine_set_target(sim->engine, 0, &error));
    g_assert_error(error, DM_ERROR, DM_ERROR_NO_TARGET);
    g_assert_cmpuint(sim_info(sim).target, ==, SIM_GIB);
    done_honest(sim);
}

static void test_target_above_capacity(void)
{
    Sim *sim = one_stick();

    sim_target(sim, 4 * SIM_GIB);
    g_assert_cmpuint(sim_info(sim).actual, ==, 3 * SIM_GIB);
    assert_problem(sim, DM_PROBLEM_CAPACITY);
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

/* New targets while a request is out: no other is sent. */
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
    g_assert_cmpint(sim->refused, ==, DM_ERROR_IN_USE);
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
    g_assert_cmpint(sim->refused, ==, DM_ERROR_IN_FLIGHT);
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

static void check_no_plug(Sim *sim, uint64_t first, uint64_t count,
                          DmError why)
{
    g_assert_false(sim_plug(sim, 2, first, count, true));
    g_assert_cmpint(sim->refused, ==, why);
}

static void test_plug_overlap(void)
{
    Sim *sim = one_stick();

    check_no_plug(sim, SIM_4G + SIM_GIB, 2 * SIM_GIB, DM_ERROR_OVERLAP);
    check_no_plug(sim, SIM_MIB, SIM_MIB, DM_ERROR_OVERLAP);
    check_no_plug(sim, SIM_4G - 1, 2, DM_ERROR_OVERLAP);
    check_no_plug(sim, 7 * SIM_GIB, 0, DM_ERROR_RANGE);
    check_no_plug(sim, DM_MAX_PFN, 2, DM_ERROR_RANGE);
    done_honest(sim);
}

/* The address of a removed stick is used again without a hot-add. */
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

/* After a reset a stick over a ghost is as any other. */
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

/* How the guest releases its pages makes no difference. */
static void set_manner(Sim *sim, unsigned cycle)
{
    static const unsigned units[] = { 512, 1, 37, 300 };

    sim->unit = units[cycle % G_N_ELEMENTS(units)];
    sim->big_ranges = cycle / 4 % 2;
}

/*
 * Grow, shrink, unplug and grow again at the same few addresses, 200 times: no
 * page ever loses its contents.
 */
static void ghost_cycles(Sim *sim, uint64_t unit)
{
    uint64_t boot = sim->boot_pages, units = 0;
    unsigned i, adds;

    sim_keep_contents(sim);
    sim_connect(sim);
    sim_advance(sim, 60 * 1000);
    for (i = 0; i < 200; i++) {
        uint64_t size = 1 + i * 7 % ((sim->stick_end - sim->stick_space) /
                                     unit);

        set_manner(sim, i);
        adds = sim->sent[DM_MSG_HOT_ADD_REQUEST];
        g_assert_true(sim_plug(sim, i % SIM_STICKS, sim->stick_space,
                               size * unit, i % 2));
        sim_target(sim, boot + size * unit);
        g_assert_cmpuint(sim_info(sim).actual, ==, boot + size * unit);
        /* Only what this guest never had is hot-added. */
        g_assert_true(size <= units ||
                      sim->sent[DM_MSG_HOT_ADD_REQUEST] > adds);
        g_assert_true(size > units ||
                      sim->sent[DM_MSG_HOT_ADD_REQUEST] == adds);
        units = MAX(units, size);
        sim_check_honest(sim);
        sim_target(sim, boot);
        g_assert_cmpuint(sim_info(sim).actual, ==, boot);
        sim_check_honest(sim);
        g_assert_true(sim_unplug(sim, i % SIM_STICKS));
        g_assert_cmpuint(sim_info(sim).ghosts, ==, units * unit);
    }
    g_assert_cmpuint(sim->n_unused, ==, 200);
    done_honest(sim);
}

static void test_ghost_cycles_small(gconstpointer data)
{
    Sim *sim = sim_new_small(DM_PROFILE_AUTO, *(const uint64_t *)data);

    sim->stick_end = sim->stick_space + 40 * SIM_MIB;
    ghost_cycles(sim, 2 * SIM_MIB);
}

/* Blocks of 128 MiB, and sizes that are no multiples of that. */
static void test_ghost_cycles_blocks(void)
{
    Sim *sim = sim_new_of(256 * SIM_MIB, SIM_GIB, DM_PROFILE_AUTO,
                          SIM_LINUX);

    sim->stick_space = 512 * SIM_MIB;
    sim->stick_end = 842 * SIM_MIB;
    ghost_cycles(sim, 66 * SIM_MIB);
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

/* A stick that is added later continues the block of the one before. */
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

/* One that does not begin with a block. */
static void test_unaligned_stick(void)
{
    Sim *sim = sim_new(SIM_GIB, DM_PROFILE_AUTO, SIM_LINUX);

    sim_connect(sim);
    sim_plug(sim, 0, SIM_4G + 66 * SIM_MIB, 300 * SIM_MIB, false);
    g_assert_cmpuint(sim_info(sim).actual, ==, SIM_GIB + 300 * SIM_MIB);
    done_honest(sim);
}

/* Boot memory ends in the block in which the stick begins. */
static void test_stick_after_boot(void)
{
    Sim *sim = sim_new(4 * SIM_GIB + 64 * SIM_MIB, DM_PROFILE_AUTO,
                       SIM_LINUX);
    uint64_t at = SIM_4G + SIM_GIB + 64 * SIM_MIB;

    sim_connect(sim);
    sim_plug(sim, 0, at, 320 * SIM_MIB, false);
    sim_check_honest(sim);
    /* The part in the block of boot memory cannot be added; the rest is. */
    g_assert_cmpuint(sim_stick(sim, 0).added, ==, 256 * SIM_MIB);
    assert_problem(sim, DM_PROBLEM_ALIGNMENT);
    sim_free(sim);
}

/* The guest's blocks are larger than the stick. */
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

/* Linux frees all that a request returns without a pause. */
static void test_return_limits(void)
{
    Sim *sim = sim_new(8 * SIM_GIB, DM_PROFILE_AUTO, SIM_LINUX);

    sim_connect(sim);
    sim_target(sim, SIM_GIB);
    sim_target(sim, 7 * SIM_GIB);
    g_assert_cmpuint(sim_info(sim).actual, ==, 7 * SIM_GIB);
    g_assert_cmpuint(sim->largest_unballoon, ==, SIM_GIB);
    g_assert_cmpuint(sim->sent[DM_MSG_UNBALLOON_REQUEST], ==, 6);
    done_honest(sim);
}

static void check_return_deadline(uint64_t pages, unsigned seconds)
{
    Sim *sim = sim_new(8 * SIM_GIB, DM_PROFILE_AUTO, SIM_LINUX);

    sim_connect(sim);
    sim_target(sim, SIM_GIB);
    sim->mute = true;
    sim_target(sim, SIM_GIB + pages);
    sim_advance(sim, seconds * 1000 - 1);
    assert_state(sim, DM_STATE_RETURNING);
    sim_advance(sim, 1);
    assert_state(sim, DM_STATE_LATE);
    sim->mute = false;
    sim_pump(sim);
    g_assert_cmpuint(sim_info(sim).actual, ==, SIM_GIB + pages);
    done_honest(sim);
}

/* The more is returned, the longer the guest has. */
static void test_return_deadline(void)
{
    check_return_deadline(16 * SIM_MIB, 32);
    check_return_deadline(SIM_GIB, 46);
}

/* The size is reported after each reply, not only after the last. */
static void test_actual_follows(void)
{
    Sim *sim = sim_new(8 * SIM_GIB, DM_PROFILE_AUTO, SIM_LINUX);

    sim_connect(sim);
    sim_target(sim, SIM_GIB);
    g_assert_cmpuint(sim->n_actual, >=, sim->sent[DM_MSG_BALLOON_REQUEST]);
    sim->n_actual = 0;
    sim_target(sim, 7 * SIM_GIB);
    g_assert_cmpuint(sim->n_actual, ==, sim->sent[DM_MSG_UNBALLOON_REQUEST]);
    done_honest(sim);
}

/* Single pages, scattered over all memory. */
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

/* ---- guests that cannot, or do not ---- */

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

/* Memory that the guest always refuses does not keep it from getting other. */
static void test_refused_here_only(void)
{
    Sim *sim = one_stick();

    sim_plug(sim, 2, SIM_4G + 4 * SIM_GIB, 512 * SIM_MIB, true);
    sim->refuse_at = (DmRange) { SIM_4G, 2 * SIM_GIB };
    sim_target(sim, 3 * SIM_GIB + 512 * SIM_MIB);
    sim_advance(sim, 3600 * 1000);
    g_assert_cmpuint(sim_info(sim).actual, ==, SIM_GIB + 512 * SIM_MIB);
    sim->refuse_at.count = 256 * SIM_MIB;
    sim_advance(sim, 3600 * 1000);
    g_assert_cmpuint(sim_info(sim).actual, ==, 3 * SIM_GIB + 256 * SIM_MIB);
    assert_state(sim, DM_STATE_REFUSED);
    sim_check_honest(sim);
    sim_check_target(sim);
    /* And that memory is not lost. */
    sim->refuse_at.count = 0;
    sim_advance(sim, 3600 * 1000);
    g_assert_cmpuint(sim_info(sim).actual, ==, 3 * SIM_GIB + 512 * SIM_MIB);
    done_honest(sim);
}

/* However often the guest refuses for good, no memory is lost. */
static void test_never_may_change(void)
{
    Sim *sim = one_stick();
    unsigned i;

    sim->refuse_for_good = true;
    for (i = 0; i < 50; i++) {
        sim_target(sim, 3 * SIM_GIB - i);
        assert_state(sim, DM_STATE_REFUSED);
    }
    g_assert_cmpuint(sim->sent[DM_MSG_HOT_ADD_REQUEST], ==, 50);
    sim->refuse_for_good = false;
    sim_target(sim, 3 * SIM_GIB);
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
    assert_problem(sim, DM_PROBLEM_REFUSED_FOR_GOOD);
    /* A reset clears it. */
    sim_reset(sim);
    sim->refuse_for_good = false;
    sim_connect(sim);
    g_assert_cmpuint(sim_info(sim).actual, ==, 3 * SIM_GIB);
    done_honest(sim);
}

/* Boot memory of 1 GiB, a stick of 1536 MiB that is movable. */
static Sim *movable(void)
{
    Sim *sim = one_stick();

    sim->movable = true;
    sim->floor = 240 * SIM_MIB;
    sim_target(sim, SIM_GIB + 1536 * SIM_MIB);
    sim_report(sim);
    return sim;
}

/* The driver releases all that the kernel can use: the guest gets some back,
 * and is asked again only as long as that helps. */
static void test_ran_dry(void)
{
    Sim *sim = movable();
    unsigned requests;

    sim_target(sim, 700 * SIM_MIB);
    assert_state(sim, DM_STATE_FLOOR);
    assert_actual(sim, 1536 * SIM_MIB + 240 * SIM_MIB + 128 * SIM_MIB);
    assert_problem(sim, DM_PROBLEM_RAN_DRY);
    sim_report(sim);
    /* The little that its kernel finds meanwhile is no reason to go on. */
    sim->floor -= 10 * SIM_MIB;
    sim_advance(sim, 10 * 1000);
    assert_actual(sim, 1536 * SIM_MIB + 230 * SIM_MIB + 128 * SIM_MIB);
    requests = sim->sent[DM_MSG_BALLOON_REQUEST];
    sim_advance(sim, 600 * 1000);
    g_assert_cmpuint(sim->sent[DM_MSG_BALLOON_REQUEST], ==, requests);
    assert_state(sim, DM_STATE_FLOOR);
    /* It is not stuck: it can grow, and be asked anew. */
    sim_target(sim, 2 * SIM_GIB);
    g_assert_cmpuint(sim_info(sim).actual, ==, 2 * SIM_GIB);
    assert_problem(sim, DM_PROBLEM_NONE);
    sim_target(sim, 2 * SIM_GIB - 64 * SIM_MIB);
    assert_actual(sim, 2 * SIM_GIB - 64 * SIM_MIB);
    assert_state(sim, DM_STATE_IDLE);
    done_honest(sim);
}

/* One whose caches shrink slowly releases more each time. */
static void test_slow_caches(void)
{
    static const unsigned delays[] = { 5, 10, 20, 40, 60, 60, 60 };
    Sim *sim = movable();
    unsigned i;

    sim->movable = false;
    sim->floor = 2 * SIM_GIB;
    sim_status(sim, sim->owned);
    sim_target(sim, 700 * SIM_MIB);
    assert_actual(sim, 2 * SIM_GIB + 128 * SIM_MIB);
    for (i = 0; i < G_N_ELEMENTS(delays); i++) {
        sim->floor = MAX(sim->floor - 256 * SIM_MIB, 300 * SIM_MIB);
        sim_status(sim, sim->owned);
        sim_advance(sim, delays[i] * 1000);
    }
    assert_actual(sim, 700 * SIM_MIB);
    done_honest(sim);
}

/* Without a report nobody can tell. */
static void test_dry_unknown(void)
{
    Sim *sim = one_stick();

    sim->movable = true;
    sim->floor = 240 * SIM_MIB;
    sim_target(sim, SIM_GIB + 1536 * SIM_MIB);
    sim_target(sim, 700 * SIM_MIB);
    assert_actual(sim, 1536 * SIM_MIB + 240 * SIM_MIB);
    assert_state(sim, DM_STATE_FLOOR);
    assert_problem(sim, DM_PROBLEM_FLOOR);
    done_honest(sim);
}

static void check_still_asked(Sim *sim)
{
    unsigned requests = sim->sent[DM_MSG_BALLOON_REQUEST];

    assert_state(sim, DM_STATE_FLOOR);
    sim_advance(sim, 600 * 1000);
    g_assert_cmpuint(sim->sent[DM_MSG_BALLOON_REQUEST], >=, requests + 9);
}

/* The report is from before a process took all available memory. Nothing is
 * movable where the guest has no stick, or released pages of each. */
static void check_burst(uint64_t stick)
{
    Sim *sim = sim_new(8 * SIM_GIB, DM_PROFILE_AUTO, SIM_LINUX);

    sim_connect(sim);
    if (stick) {
        g_assert_true(sim_plug(sim, 1, 10 * SIM_GIB, stick, true));
        sim_target(sim, 8 * SIM_GIB + stick);
    }
    sim_status(sim, 6 * SIM_GIB);
    sim->floor = 7 * SIM_GIB;
    sim_target(sim, SIM_GIB);
    assert_actual(sim, 7 * SIM_GIB);
    assert_problem(sim, DM_PROBLEM_FLOOR);
    check_still_asked(sim);
    sim->floor = SIM_GIB;
    sim_advance(sim, 60 * 1000);
    assert_actual(sim, SIM_GIB);
    done_honest(sim);
}

static void test_burst(void)
{
    check_burst(0);
    check_burst(SIM_GIB);
}

/* Where memory may be movable, the next report tells. */
static void test_dry_no_more(void)
{
    Sim *sim = movable();

    sim_target(sim, 700 * SIM_MIB);
    assert_problem(sim, DM_PROBLEM_RAN_DRY);
    sim_report(sim);
    sim_advance(sim, 10 * 1000);
    g_assert_cmpuint(dm_engine_deadline(sim->engine), ==, UINT64_MAX);
    sim_report(sim);
    g_assert_cmpuint(dm_engine_deadline(sim->engine), ==, UINT64_MAX);
    sim_status(sim, 300 * SIM_MIB);
    check_still_asked(sim);
    sim->movable = false;
    sim_advance(sim, 60 * 1000);
    assert_actual(sim, 700 * SIM_MIB);
    done_honest(sim);
}

static void check_old_kernel(uint64_t os_id, bool dry)
{
    Sim *sim = sim_new_of(16 * SIM_GIB, 34 * SIM_GIB, DM_PROFILE_AUTO, os_id);

    g_assert_true(sim_plug(sim, 1, 32 * SIM_GIB, SIM_GIB, true));
    sim_connect(sim);
    sim->movable = true;
    sim->floor = 256 * SIM_MIB;
    sim_target(sim, 17 * SIM_GIB);
    sim_report(sim);
    sim_target(sim, SIM_GIB);
    assert_state(sim, DM_STATE_FLOOR);
    assert_problem(sim, dry ? DM_PROBLEM_RAN_DRY : DM_PROBLEM_FLOOR);
    done_honest(sim);
}

/* What a driver keeps that counts 17 GiB is more than with 1280 MiB. */
static void test_old_kernel(void)
{
    check_old_kernel(SIM_LINUX, true);
    check_old_kernel(UINT64_C(0x8100) << 48 | UINT64_C(0x050a00) << 16, false);
}

/* It released single pages last, and gets as much back. */
static void test_dry_fragments(void)
{
    Sim *sim = movable();
    uint64_t page, left = 32 * SIM_MIB;
    DmRange one[256];
    unsigned n = 0;

    sim->mute = true;
    sim_target(sim, 700 * SIM_MIB);
    sim_drop_inbox(sim);
    for (page = 4096; left; page += 2, left--) {
        one[n++] = (DmRange) { page, 1 };
        if (n == G_N_ELEMENTS(one)) {
            sim_claim(sim, one, n, left > 1);
            n = 0;
        }
    }
    sim->mute = false;
    sim_pump(sim);
    assert_state(sim, DM_STATE_FLOOR);
    g_assert_cmpuint(sim->sent[DM_MSG_UNBALLOON_REQUEST], >, 1);
    g_assert_cmpuint(sim_info(sim).released, ==, 0);
    done_honest(sim);
}

/* A report of the last driver says nothing of this one. */
static void test_dry_reconnect(void)
{
    Sim *sim = movable();

    sim_close(sim);
    sim_connect(sim);
    sim_target(sim, 700 * SIM_MIB);
    assert_state(sim, DM_STATE_FLOOR);
    assert_problem(sim, DM_PROBLEM_FLOOR);
    sim_free(sim);
}

/* The host cannot return anything: the guest is not asked for more instead. */
static void test_dry_cannot_map(void)
{
    Sim *sim = movable();
    unsigned requests;

    sim->cannot_map = true;
    sim_target(sim, 700 * SIM_MIB);
    assert_state(sim, DM_STATE_FLOOR);
    assert_problem(sim, DM_PROBLEM_RAN_DRY);
    assert_actual(sim, 1536 * SIM_MIB + 240 * SIM_MIB);
    requests = sim->sent[DM_MSG_BALLOON_REQUEST];
    sim_advance(sim, 4 * 1000);
    g_assert_cmpuint(sim->sent[DM_MSG_BALLOON_REQUEST], ==, requests);
    done_honest(sim);
}

/* It takes its pages back late: then the problem is the first one again. */
static void test_dry_late(void)
{
    Sim *sim = movable();

    sim->mute = true;
    sim_target(sim, 700 * SIM_MIB);
    sim_drop_inbox(sim);
    sim_claim(sim, &(DmRange) { 4096, 512 }, 1, false);
    sim_pump(sim);
    sim_drop_inbox(sim);
    assert_state(sim, DM_STATE_RETURNING);
    sim_advance(sim, 60 * 1000);
    assert_state(sim, DM_STATE_LATE);
    sim_unballoon_response(sim);
    sim_pump(sim);
    assert_state(sim, DM_STATE_FLOOR);
    assert_problem(sim, DM_PROBLEM_RAN_DRY);
    sim_free(sim);
}

/* The request that returns them is late until it is sent, and no longer. */
static void test_dry_unsent(void)
{
    Sim *sim = movable();

    sim->mute = true;
    sim_target(sim, 700 * SIM_MIB);
    sim_drop_inbox(sim);
    sim->ring_full = true;
    sim_claim(sim, &(DmRange) { 4096, 512 }, 1, false);
    sim_pump(sim);
    sim_advance(sim, 60 * 1000);
    assert_state(sim, DM_STATE_LATE);
    assert_problem(sim, DM_PROBLEM_NOT_SENT);
    sim->ring_full = false;
    dm_engine_writable(sim->engine, sim->now);
    assert_state(sim, DM_STATE_RETURNING);
    assert_problem(sim, DM_PROBLEM_RAN_DRY);
    sim_unballoon_response(sim);
    sim_pump(sim);
    assert_state(sim, DM_STATE_FLOOR);
    assert_problem(sim, DM_PROBLEM_RAN_DRY);
    sim_free(sim);
}

static void test_not_onlined(void)
{
    Sim *sim = one_stick();

    sim->onlines = false;
    sim_target(sim, 3 * SIM_GIB);
    assert_state(sim, DM_STATE_NOT_ONLINED);
    /* No more than a block was lost. */
    g_assert_cmpuint(sim_stick(sim, 1).added, ==, 128 * SIM_MIB);
    sim_advance(sim, 600 * 1000);
    g_assert_cmpuint(sim_stick(sim, 1).added, ==, 128 * SIM_MIB);
    /* The guest has it and does not use it, so it does not count. */
    g_assert_cmpuint(sim_info(sim).actual, ==, SIM_GIB);
    g_assert_cmpuint(sim_info(sim).offline, ==, 128 * SIM_MIB);
    g_assert_false(sim_unplug(sim, 1));
    g_assert_cmpint(sim->refused, ==, DM_ERROR_IN_USE);
    /* Nor when the guest shrinks meanwhile. */
    sim_target(sim, 700 * SIM_MIB);
    assert_actual(sim, 700 * SIM_MIB);
    done_honest(sim);
}

/* It is onlined in the end: that is noticed, and the rest follows. */
static void test_onlined_later(void)
{
    Sim *sim = one_stick();

    sim->onlines = false;
    sim_target(sim, 3 * SIM_GIB);
    sim_report(sim);
    sim_report(sim);
    assert_state(sim, DM_STATE_NOT_ONLINED);
    sim->onlines = true;
    sim_online(sim);
    g_assert_cmpuint(sim_info(sim).offline, ==, 0);
    g_assert_cmpuint(sim_info(sim).actual, ==, 3 * SIM_GIB);
    assert_state(sim, DM_STATE_IDLE);
    done_honest(sim);
}

/* A process ended that had as much as is offline: no more than another block is
 * lost. */
static void test_process_ended(void)
{
    Sim *sim = one_stick();

    sim->onlines = false;
    sim_target(sim, 3 * SIM_GIB);
    sim_status_of(sim, 500 * SIM_MIB, 800 * SIM_MIB);
    sim_status_of(sim, 650 * SIM_MIB, 650 * SIM_MIB);
    sim_pump(sim);
    assert_state(sim, DM_STATE_NOT_ONLINED);
    g_assert_cmpuint(sim_stick(sim, 1).added, ==, 256 * SIM_MIB);
    g_assert_cmpuint(sim_info(sim).offline, ==, 128 * SIM_MIB);
    done_honest(sim);
}

/* A new target is a new try, as small as the first. */
static void test_onlines_from_now_on(void)
{
    Sim *sim = one_stick();

    sim->onlines = false;
    sim_target(sim, 2 * SIM_GIB);
    sim_target(sim, 2 * SIM_GIB);
    assert_state(sim, DM_STATE_NOT_ONLINED);
    g_assert_cmpuint(sim_info(sim).offline, ==, 256 * SIM_MIB);
    sim->onlines = true;
    sim_target(sim, 2 * SIM_GIB);
    g_assert_cmpuint(sim_info(sim).offline, ==, 256 * SIM_MIB);
    g_assert_cmpuint(sim_info(sim).actual, ==, 2 * SIM_GIB);
    done_honest(sim);
}

/* The target went down while a request was out that was refused, or whose
 * memory is not used: that does not keep the guest from shrinking. */
static void test_refused_on_the_way(void)
{
    Sim *sim = one_stick();

    sim->mute = true;
    sim_target(sim, 3 * SIM_GIB);
    sim_target(sim, 700 * SIM_MIB);
    sim->mute = false;
    sim->refuse_for_good = true;
    sim_pump(sim);
    assert_actual(sim, 700 * SIM_MIB);
    assert_state(sim, DM_STATE_IDLE);
    assert_problem(sim, DM_PROBLEM_NONE);
    done_honest(sim);
}

static void test_not_onlined_on_the_way(void)
{
    Sim *sim = one_stick();

    sim->mute = true;
    sim_target(sim, 3 * SIM_GIB);
    sim_target(sim, 700 * SIM_MIB);
    sim->mute = sim->onlines = false;
    sim_pump(sim);
    assert_actual(sim, 700 * SIM_MIB);
    done_honest(sim);
}

/* Or up, while a guest was asked that could release no more. */
static void test_floor_on_the_way(void)
{
    Sim *sim = one_stick();

    sim->floor = SIM_GIB;
    sim->mute = true;
    sim_target(sim, 1);
    sim_target(sim, 2 * SIM_GIB);
    sim->mute = false;
    sim_pump(sim);
    g_assert_cmpuint(sim_info(sim).actual, ==, 2 * SIM_GIB);
    done_honest(sim);
}

/* How long Linux takes says nothing about Windows. */
static void test_slow_windows(void)
{
    Sim *sim = sim_new(SIM_GIB, DM_PROFILE_AUTO, SIM_WINDOWS);

    sim_plug(sim, 0, SIM_4G, SIM_GIB, true);
    sim_connect(sim);
    sim_advance(sim, 60 * 1000);
    sim->mute = true;
    sim_target(sim, 2 * SIM_GIB);
    sim_advance(sim, 6 * 1000);
    sim->mute = false;
    sim_pump(sim);
    g_assert_cmpuint(sim_info(sim).actual, ==, 2 * SIM_GIB);
    done_honest(sim);
}

/* So late that it cannot be the time to online the memory. */
static void test_late_first_answer(void)
{
    Sim *sim = one_stick();

    sim->mute = true;
    sim_target(sim, 2 * SIM_GIB);
    sim_advance(sim, 3600 * 1000);
    assert_state(sim, DM_STATE_LATE);
    sim->mute = false;
    sim_pump(sim);
    g_assert_cmpuint(sim_info(sim).offline, ==, 0);
    g_assert_cmpuint(sim_info(sim).actual, ==, 2 * SIM_GIB);
    done_honest(sim);
}

/* A Linux that may hibernate never replies. */
static void test_never_answers(void)
{
    Sim *sim = one_stick();

    sim->mute = true;
    sim_target(sim, 700 * SIM_MIB);
    sim_advance(sim, 60 * 1000);
    assert_state(sim, DM_STATE_LATE);
    assert_problem(sim, DM_PROBLEM_NEVER_REPLIED);
    g_assert_cmpuint(sim_info(sim).actual, ==, SIM_GIB);
    sim->mute = false;
    sim_pump(sim);
    /* It has replied: if it is late again, that has another reason. */
    sim->mute = true;
    sim_target(sim, 600 * SIM_MIB);
    sim_advance(sim, 60 * 1000);
    assert_state(sim, DM_STATE_LATE);
    assert_problem(sim, DM_PROBLEM_NO_REPLY);
    sim_free(sim);
}

/* A reply that came late is no problem of the next request. */
static void test_late_is_over(void)
{
    Sim *sim = one_stick();

    sim->mute = true;
    sim_target(sim, 3 * SIM_GIB);
    sim_drop_inbox(sim);
    sim_advance(sim, 60 * 1000);
    assert_state(sim, DM_STATE_LATE);
    assert_problem(sim, DM_PROBLEM_NEVER_REPLIED);
    sim_hot_add_response(sim, 32768, 1);
    sim_pump(sim);
    assert_state(sim, DM_STATE_ADDING);
    assert_problem(sim, DM_PROBLEM_NONE);
    sim_free(sim);
}

static void test_late_and_gone(void)
{
    Sim *sim = one_stick();

    sim->mute = true;
    sim_target(sim, 700 * SIM_MIB);
    sim_advance(sim, 60 * 1000);
    assert_problem(sim, DM_PROBLEM_NEVER_REPLIED);
    sim_close(sim);
    assert_state(sim, DM_STATE_DISCONNECTED);
    assert_problem(sim, DM_PROBLEM_NONE);
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
    /* The rest can be added; what is in doubt is not offered again. */
    g_assert_cmpuint(sim_info(sim).actual, ==, 2 * SIM_GIB);
    g_assert_cmpuint(sim_info(sim).in_doubt, ==, 128 * SIM_MIB);
    sim_target(sim, 3 * SIM_GIB);
    assert_problem(sim, DM_PROBLEM_IN_DOUBT);
    g_assert_false(sim_unplug(sim, 1));
    g_assert_cmpint(sim->refused, ==, DM_ERROR_IN_USE);
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

/* It took the memory back, and the channel was closed before that was heard. */
static void test_close_unheard(void)
{
    Sim *sim = one_stick();

    sim_target(sim, 500 * SIM_MIB);
    sim->unheard = true;
    sim_target(sim, 600 * SIM_MIB);
    assert_state(sim, DM_STATE_RETURNING);
    sim_close(sim);
    sim->unheard = false;
    g_assert_cmpuint(sim_info(sim).in_doubt, ==, 100 * SIM_MIB);
    sim_connect(sim);
    assert_actual(sim, 600 * SIM_MIB);
    /* It has 700 MiB. What it releases it had: that goes to the host. */
    sim->discarded = 0;
    sim_target(sim, 400 * SIM_MIB);
    assert_actual(sim, 400 * SIM_MIB);
    assert_state(sim, DM_STATE_IDLE);
    g_assert_cmpuint(sim_info(sim).in_doubt, ==, 0);
    g_assert_cmpuint(sim_info(sim).counters.duplicate_pages, ==, 0);
    g_assert_cmpuint(sim->discarded, ==, 300 * SIM_MIB);
    sim_target(sim, SIM_GIB);
    assert_actual(sim, SIM_GIB);
    done_honest(sim);
}

static void check_new_kernel(Sim *sim)
{
    unsigned adds = sim->sent[DM_MSG_HOT_ADD_REQUEST];
    unsigned returns = sim->sent[DM_MSG_UNBALLOON_REQUEST];

    assert_state(sim, DM_STATE_NEW_KERNEL);
    assert_problem(sim, DM_PROBLEM_NEW_KERNEL);
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

/* The new kernel has all boot memory, and any pages of sticks. */
static void test_kexec(void)
{
    Sim *sim = grown();

    sim_target(sim, 500 * SIM_MIB);
    sim_kexec(sim, SIM_LINUX);
    g_assert_cmpuint(sim_info(sim).released, ==, 2 * SIM_GIB);
    g_assert_cmpuint(sim_info(sim).actual, ==, SIM_GIB);
    sim_check_honest(sim);
    check_new_kernel(sim);
}

/* Nobody can tell which pages of sticks it has: they do not count. */
static void test_kexec_in_use(void)
{
    Sim *sim = grown();

    sim_target(sim, 2 * SIM_GIB + 512 * SIM_MIB);
    sim_kexec(sim, SIM_LINUX);
    g_assert_cmpuint(sim_info(sim).actual, ==, SIM_GIB);
    g_assert_cmpuint(sim->told_actual, ==, SIM_GIB);
    g_assert_cmpuint(sim_info(sim).released, ==, 512 * SIM_MIB);
    g_assert_cmpuint(sim_info(sim).in_doubt, ==,
                     SIM_GIB + 512 * SIM_MIB);
    g_assert_cmpint(sim_stick(sim, 1).state, ==, DM_STICK_INUSE);
    g_assert_false(sim_unplug(sim, 1));
    g_assert_cmpint(sim->refused, ==, DM_ERROR_NEW_KERNEL);
    sim_check_honest(sim);
    check_new_kernel(sim);
}

/* The new driver does not know the regions of the last one. */
static void test_rebind(void)
{
    Sim *sim = sim_new(SIM_GIB, DM_PROFILE_AUTO, SIM_LINUX);

    sim_connect(sim);
    sim_plug(sim, 0, SIM_4G, 200 * SIM_MIB, false);
    sim_target(sim, SIM_GIB);
    sim_rebind(sim);
    g_assert_cmpuint(sim_info(sim).released, ==, 200 * SIM_MIB);
    /* 128 + 72 MiB were given; 56 follow in that block, and others. */
    sim_plug(sim, 1, SIM_4G + 200 * SIM_MIB, 312 * SIM_MIB, true);
    sim_target(sim, SIM_GIB + 512 * SIM_MIB);
    g_assert_cmpuint(sim_info(sim).actual, ==, SIM_GIB + 456 * SIM_MIB);
    assert_state(sim, DM_STATE_REFUSED);
    sim_check_honest(sim);
    sim_reset(sim);
    sim_connect(sim);
    g_assert_cmpuint(sim_info(sim).actual, ==, SIM_GIB + 512 * SIM_MIB);
    done_honest(sim);
}

/* What a driver refused is offered to the next one. */
static void test_rebind_after_refusal(void)
{
    Sim *sim = one_stick();

    sim->refuse_for_good = true;
    sim_target(sim, 3 * SIM_GIB);
    sim->refuse_for_good = false;
    sim_rebind(sim);
    g_assert_cmpuint(sim_info(sim).actual, ==, 3 * SIM_GIB);
    done_honest(sim);
}

/* Another id is another kernel, even if the owner did not notice. */
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
    g_assert_cmpint(sim->refused, ==, DM_ERROR_NEW_KERNEL);
    g_assert_true(sim_unplug(sim, 2));
    sim_reset(sim);
    g_assert_true(sim_unplug(sim, 1));
    sim_free(sim);
}

/* Pages that were not discarded by then may be the new kernel's. */
static void test_kexec_before_discard(void)
{
    Sim *sim = grown();
    DmRange range = { SIM_4G, 512 };

    sim->mute = true;
    sim_target(sim, 2 * SIM_GIB);
    sim_claim(sim, &range, 1, true);
    dm_engine_channel_close(sim->engine);
    /* The new kernel runs long before its driver says that it is new. */
    sim_pump(sim);
    g_assert_cmpuint(sim->discarded, ==, 0);
    dm_engine_channel_open(sim->engine, sim->os_id, true, sim->now);
    sim_pump(sim);
    g_assert_cmpuint(sim->discarded, ==, 0);
    sim_free(sim);
}

/* The same kernel reconnects: what it had released is discarded now. */
static void test_discard_after_rebind(void)
{
    Sim *sim = grown();
    DmRange range = { SIM_4G, 512 };

    sim->mute = true;
    sim_target(sim, 2 * SIM_GIB);
    sim_claim(sim, &range, 1, true);
    sim_close(sim);
    g_assert_cmpuint(sim->discarded, ==, 0);
    g_assert_cmpuint(sim_info(sim).released, ==, 512);
    sim_connect(sim);
    g_assert_cmpuint(sim->discarded, ==, 512);
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
    ADD("floor/ran-dry", test_ran_dry);
    ADD("floor/slow-caches", test_slow_caches);
    ADD("floor/dry-unknown", test_dry_unknown);
    ADD("floor/burst", test_burst);
    ADD("floor/dry-no-more", test_dry_no_more);
    ADD("floor/old-kernel", test_old_kernel);
    ADD("floor/dry-fragments", test_dry_fragments);
    ADD("floor/dry-reconnect", test_dry_reconnect);
    ADD("floor/dry-cannot-map", test_dry_cannot_map);
    ADD("floor/dry-late", test_dry_late);
    ADD("floor/dry-unsent", test_dry_unsent);
    ADD("target/zero", test_target_zero);
    ADD("target/above-capacity", test_target_above_capacity);
    ADD("target/before-connect", test_target_before_connect);
    ADD("target/twice", test_target_twice);
    ADD("fragments", test_fragments);
    ADD("request-limits", test_request_limits);
    ADD("return-limits", test_return_limits);
    ADD("return-deadline", test_return_deadline);
    ADD("actual-follows", test_actual_follows);
}

static const uint64_t linux_id = SIM_LINUX, windows_id = SIM_WINDOWS;

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
    g_test_add_data_func("/engine/stick/ghost-cycles/linux", &linux_id,
                         test_ghost_cycles_small);
    g_test_add_data_func("/engine/stick/ghost-cycles/windows", &windows_id,
                         test_ghost_cycles_small);
    ADD("stick/ghost-cycles/blocks", test_ghost_cycles_blocks);
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
    ADD("refusal/here-only", test_refused_here_only);
    ADD("refusal/never-may-change", test_never_may_change);
    ADD("floor/on-the-way", test_floor_on_the_way);
    ADD("refusal/on-the-way", test_refused_on_the_way);
    ADD("not-onlined/on-the-way", test_not_onlined_on_the_way);
    ADD("not-onlined", test_not_onlined);
    ADD("not-onlined/later", test_onlined_later);
    ADD("not-onlined/process-ended", test_process_ended);
    ADD("not-onlined/from-now-on", test_onlines_from_now_on);
    ADD("not-onlined/slow-windows", test_slow_windows);
    ADD("not-onlined/late-first-answer", test_late_first_answer);
    ADD("never-answers", test_never_answers);
    ADD("late-is-over", test_late_is_over);
    ADD("late-and-gone", test_late_and_gone);
    ADD("reconnect/rebind", test_rebind);
    ADD("reconnect/rebind-after-refusal", test_rebind_after_refusal);
    ADD("reconnect/discard-after-rebind", test_discard_after_rebind);
    ADD("reconnect/kexec-in-use", test_kexec_in_use);
    ADD("reconnect/same-kernel", test_same_kernel);
    ADD("reconnect/while-adding", test_close_while_adding);
    ADD("reconnect/while-returning", test_close_while_returning);
    ADD("reconnect/unheard", test_close_unheard);
    ADD("reconnect/kexec", test_kexec);
    ADD("reconnect/other-os-id", test_other_os_id);
    ADD("reconnect/kexec-then-reconnect", test_kexec_then_reconnect);
    ADD("reconnect/kexec-then-unplug", test_kexec_then_unplug);
    ADD("reconnect/kexec-before-discard", test_kexec_before_discard);
}

/* What cannot be populated is not given to the guest, until it can. */
static void test_cannot_map(void)
{
    Sim *sim = one_stick();
    uint64_t sent;

    sim->cannot_map = true;
    sim_target(sim, 2 * SIM_GIB);
    assert_state(sim, DM_STATE_REFUSED);
    assert_problem(sim, DM_PROBLEM_POPULATE);
    g_assert_cmpuint(sim_info(sim).actual, ==, SIM_GIB);
    sim_target(sim, SIM_GIB / 2);
    assert_state(sim, DM_STATE_IDLE);
    sent = sim_info(sim).counters.messages_sent;
    sim_target(sim, SIM_GIB);
    assert_state(sim, DM_STATE_REFUSED);
    g_assert_cmpuint(sim_info(sim).counters.messages_sent, ==, sent);
    sim->cannot_map = false;
    sim_advance(sim, 120 * 1000);
    g_assert_cmpuint(sim_info(sim).actual, ==, SIM_GIB);
    done_honest(sim);
}

/* ---- what a message costs ---- */

/* The sanitizers count for us, where the tests are built with them. */
int __sanitizer_install_malloc_and_free_hooks(
    void (*on_malloc)(const volatile void *, size_t),
    void (*on_free)(const volatile void *)) __attribute__((weak));

static unsigned n_mallocs;

static void count_malloc(const volatile void *at, size_t len)
{
    (void)at, (void)len;
    n_mallocs++;
}

static void ignore_free(const volatile void *at)
{
    (void)at;
}

/* Reports, replies to no request, and what is no message at all. */
static void say_much(Sim *sim)
{
    uint8_t noise[] = { 99, 0, 8, 0, 1, 0, 0, 0 };

    sim_status(sim, 1000);
    sim_unballoon_response(sim);
    sim_hot_add_response(sim, 1, 1);
    sim_say(sim, noise, sizeof(noise));
    sim_say(sim, noise, 3);
    dm_engine_set_target(sim->engine, 8 * SIM_GIB, NULL);
    dm_engine_run(sim->engine, sim->now);
}

/* A message that changes no page costs no allocation, traced or not. */
static void test_no_allocation(void)
{
    Sim *sim = one_stick();
    unsigned before;
    void *probe;

    if (!__sanitizer_install_malloc_and_free_hooks) {
        g_test_skip("not built with sanitizers");
        sim_free(sim);
        return;
    }
    g_assert_true(__sanitizer_install_malloc_and_free_hooks(count_malloc,
                                                            ignore_free));
    sim_target(sim, 3 * SIM_GIB);
    say_much(sim);
    before = n_mallocs;
    say_much(sim);
    g_assert_cmpuint(n_mallocs, ==, before);
    assert_problem(sim, DM_PROBLEM_CAPACITY);
    probe = g_malloc(1);
    g_assert_cmpuint(n_mallocs, >, before);
    g_free(probe);
    sim_free(sim);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_ordinary();
    add_sticks();
    add_guests();
    g_test_add_func("/engine/cannot-map", test_cannot_map);
    g_test_add_func("/engine/no-allocation", test_no_allocation);
    return g_test_run();
}
