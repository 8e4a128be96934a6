/*
 * What is populated before a request is made: in how much time, and how it ends
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * In the middle: the engine has populated a part of what it is about to give,
 * and anything may happen. The simulated host checks that nothing is given that
 * is not populated, and at a reset that nothing is left.
 */

#include <glib.h>

#include "scenes.h"

#define MS UINT64_C(1000000)
/* What the engine takes in a turn, and what is between two looks at the clock
 * besides the pieces. */
#define TURN (20 * MS)
#define SLACK (MS / 10)
/* The most that a hot-add is for, and the least piece. */
#define MOST (2 * SIM_GIB)
#define LEAST (2 * SIM_MIB)
/* Of a slow host: the least piece takes as long as a turn. */
#define SLOW (10 * MS)

/* A guest that has shown that it onlines what it is given, so the next hot-add
 * is large: 3 GiB of a stick of 4 are missing. */
static Sim *ready(void)
{
    Sim *sim = sim_new(SIM_GIB, DM_PROFILE_AUTO, SIM_LINUX);

    g_assert_true(sim_plug(sim, 1, SIM_4G, 4 * SIM_GIB, true));
    sim_connect(sim);
    sim_target(sim, 2 * SIM_GIB);
    g_assert_cmpuint(sim->n_mapped, ==, SIM_GIB);
    sim->sent[DM_MSG_HOT_ADD_REQUEST] = 0;
    sim->populated = sim->n_populates = sim->largest_piece = 0;
    return sim;
}

/* After @turns turns on the way to a hot-add of @pages, on a slow host. */
static Sim *in_the_middle_of(uint64_t pages, unsigned turns)
{
    Sim *sim = ready();

    sim->ns_per_mib = SLOW;
    sim->turns = turns;
    sim_target(sim, 2 * SIM_GIB + pages);
    sim->turns = 0;
    assert_state(sim, DM_STATE_ADDING);
    g_assert_cmpuint(sim->sent[DM_MSG_HOT_ADD_REQUEST], ==, 0);
    g_assert_cmpuint(sim_info(sim).populated, ==, turns * LEAST);
    g_assert_cmpuint(sim->n_mapped, ==, SIM_GIB + turns * LEAST);
    return sim;
}

static Sim *in_the_middle(void)
{
    return in_the_middle_of(SIM_GIB, 10);
}

/* It goes on from here to the target, and populates no page twice. */
static void assert_goes_on(Sim *sim)
{
    sim_pump(sim);
    assert_actual(sim, 3 * SIM_GIB);
    g_assert_cmpuint(sim->sent[DM_MSG_HOT_ADD_REQUEST], ==, 1);
    g_assert_cmpuint(sim->populated, ==, SIM_GIB);
    g_assert_cmpuint(sim->n_mapped, ==, 2 * SIM_GIB);
    done_honest(sim);
}

/* Nothing is populated but what the guest had. */
static void assert_undone(Sim *sim)
{
    g_assert_cmpuint(sim->sent[DM_MSG_HOT_ADD_REQUEST], ==, 0);
    g_assert_cmpuint(sim_info(sim).populated, ==, 0);
    g_assert_cmpuint(sim->n_mapped, ==, SIM_GIB);
}

/* One turn: how long, in ns? */
static uint64_t turn(Sim *sim, bool *more)
{
    uint64_t began = sim->ns;

    *more = dm_engine_run(sim->engine, sim->now);
    return sim->ns - began;
}

/* Runs until there is no more to do. No turn takes longer than its time and a
 * piece; returns how many there were. */
static unsigned run_bounded(Sim *sim, uint64_t piece_ns)
{
    unsigned n = 0;
    bool more = true;

    while (more) {
        g_assert_cmpuint(turn(sim, &more), <=, TURN + piece_ns + SLACK);
        n++;
    }
    return n;
}

/* ---- time ---- */

static void test_turns(void)
{
    Sim *sim = ready();
    unsigned n = 0;
    bool more = true;

    sim->mute = true;
    sim->ns_per_mib = SLOW;
    dm_engine_set_target(sim->engine, 2 * SIM_GIB + MOST, NULL);
    while (more) {
        g_assert_cmpuint(sim->sent[DM_MSG_HOT_ADD_REQUEST], ==, 0);
        g_assert_cmpuint(turn(sim, &more), <=, TURN + 2 * SLOW + SLACK);
        g_assert_cmpuint(sim_info(sim).populated, ==,
                         more ? sim->populated : 0);
        assert_state(sim, DM_STATE_ADDING);
        n++;
    }
    g_assert_cmpuint(n, ==, MOST / LEAST);
    g_assert_cmpuint(sim->populated, ==, MOST);
    g_assert_cmpuint(sim->largest_piece, ==, LEAST);
    g_assert_cmpuint(sim->sent[DM_MSG_HOT_ADD_REQUEST], ==, 1);
    sim->mute = false;
    sim_pump(sim);
    assert_actual(sim, 2 * SIM_GIB + MOST);
    done_honest(sim);
}

/* The faster the host, the larger the pieces; up to a limit, for it may turn
 * slow with the next one. */
static void test_pieces(void)
{
    static const struct {
        uint64_t ns_per_mib, largest, turns;
    } hosts[] = {
        { 0, 64 * SIM_MIB, 1 },
        { MS / 100, 64 * SIM_MIB, 2 },
        { MS / 10, 32 * SIM_MIB, 15 },
        { MS, 4 * SIM_MIB, 130 },
        { SLOW, LEAST, 1024 },
    };
    unsigned i;

    for (i = 0; i < G_N_ELEMENTS(hosts); i++) {
        Sim *sim = ready();
        unsigned turns;

        sim->ns_per_mib = hosts[i].ns_per_mib;
        dm_engine_set_target(sim->engine, 2 * SIM_GIB + MOST, NULL);
        turns = run_bounded(sim, hosts[i].largest / SIM_MIB *
                                 hosts[i].ns_per_mib);
        g_assert_cmpuint(sim->populated, ==, MOST);
        g_assert_cmpuint(sim->largest_piece, ==, hosts[i].largest);
        g_assert_cmpuint(turns, <=, hosts[i].turns);
        sim_pump(sim);
        done_honest(sim);
    }
}

/* A device that maps the memory is plugged in the middle. */
static void test_turns_slow(void)
{
    Sim *sim = ready();

    sim->ns_per_mib = MS / 10;
    sim->turns = 2;
    sim_target(sim, 2 * SIM_GIB + MOST);
    g_assert_cmpuint(sim->largest_piece, ==, 32 * SIM_MIB);
    sim->ns_per_mib = SLOW;
    sim_pump(sim);
    sim->largest_piece = 0;
    sim_pump(sim);
    g_assert_cmpuint(sim->largest_piece, <=, 16 * SIM_MIB);
    sim->turns = 0;
    sim_pump(sim);
    assert_actual(sim, 2 * SIM_GIB + MOST);
    done_honest(sim);
}

static void test_discard_time(void)
{
    Sim *sim = ready();
    unsigned i;

    sim->mute = true;
    sim_target(sim, SIM_GIB);
    sim->discarded = sim->largest_piece = 0;
    sim->ns_per_mib = SLOW;
    for (i = 0; i < 4; i++) {
        DmRange range = { SIM_4G + i * 64 * SIM_MIB, 64 * SIM_MIB };

        sim_claim(sim, &range, 1, true);
    }
    g_assert_cmpuint(run_bounded(sim, 2 * SLOW), >=, 256 * SIM_MIB / LEAST);
    g_assert_cmpuint(sim->discarded, ==, 256 * SIM_MIB);
    g_assert_cmpuint(sim->largest_piece, ==, LEAST);
    sim_free(sim);
}

/* Pages that are returned are populated in the same way. */
static void test_return(void)
{
    Sim *sim = ready();
    unsigned n;

    sim_target(sim, SIM_GIB);
    g_assert_cmpuint(sim->n_mapped, ==, 0);
    sim->mute = true;
    sim->ns_per_mib = SLOW;
    dm_engine_set_target(sim->engine, 2 * SIM_GIB, NULL);
    sim->turns = 1;
    sim_pump(sim);
    assert_state(sim, DM_STATE_RETURNING);
    g_assert_cmpuint(sim->sent[DM_MSG_UNBALLOON_REQUEST], ==, 0);
    n = run_bounded(sim, 2 * SLOW);
    g_assert_cmpuint(n, >=, SIM_GIB / LEAST - 1);
    g_assert_cmpuint(sim->n_mapped, ==, SIM_GIB);
    g_assert_cmpuint(sim->sent[DM_MSG_UNBALLOON_REQUEST], ==, 1);
    sim->mute = false;
    sim->turns = 0;
    sim_pump(sim);
    assert_actual(sim, 2 * SIM_GIB);
    done_honest(sim);
}

static void test_return_lowered(void)
{
    Sim *sim = ready();

    sim_target(sim, SIM_GIB);
    sim->ns_per_mib = SLOW;
    sim->turns = 10;
    sim_target(sim, 2 * SIM_GIB);
    g_assert_cmpuint(sim->n_mapped, ==, 10 * LEAST);
    sim->turns = 0;
    sim_target(sim, SIM_GIB);
    g_assert_cmpuint(sim->n_mapped, ==, 0);
    g_assert_cmpuint(sim->sent[DM_MSG_UNBALLOON_REQUEST], ==, 0);
    done_honest(sim);
}

/* Huge pages of boot memory may have been populated too. */
static void test_return_of_boot_lowered(void)
{
    Sim *sim = sim_new(SIM_GIB, DM_PROFILE_AUTO, SIM_LINUX);
    uint64_t before;

    sim_connect(sim);
    sim_target(sim, 512 * SIM_MIB);
    before = sim->discarded;
    sim->ns_per_mib = SLOW;
    sim->turns = 10;
    sim_target(sim, SIM_GIB);
    g_assert_cmpuint(sim_info(sim).populated, ==, 10 * LEAST);
    sim->turns = 0;
    sim_target(sim, 512 * SIM_MIB);
    g_assert_cmpuint(sim_info(sim).populated, ==, 0);
    g_assert_cmpuint(sim->discarded, ==, before + 10 * LEAST);
    done_honest(sim);
}

/* ---- failures ---- */

/* The limit on locked memory is reached in the middle. */
static void test_refused(void)
{
    Sim *sim = ready();
    unsigned n;

    sim->ns_per_mib = SLOW;
    sim->map_at_most = SIM_GIB + 100 * SIM_MIB;
    dm_engine_set_target(sim->engine, 2 * SIM_GIB + MOST, NULL);
    n = run_bounded(sim, 2 * SLOW);
    /* There and back. */
    g_assert_cmpuint(n, >=, 2 * 100 * SIM_MIB / LEAST);
    assert_state(sim, DM_STATE_REFUSED);
    assert_problem(sim, DM_PROBLEM_POPULATE);
    assert_undone(sim);
    /* The problem is reported while the same is tried again. */
    sim->turns = 1;
    sim_advance(sim, 5000);
    assert_state(sim, DM_STATE_ADDING);
    assert_problem(sim, DM_PROBLEM_POPULATE);
    sim->turns = 0;
    sim_pump(sim);
    assert_undone(sim);
    sim->map_at_most = 0;
    sim_advance(sim, 60 * 1000);
    assert_actual(sim, 2 * SIM_GIB + MOST);
    done_honest(sim);
}

/* A piece reaches into a stick that cannot be populated: that before it was. */
static void test_refused_second_stick(void)
{
    Sim *sim = ready();

    sim_target(sim, 4 * SIM_GIB);
    g_assert_cmpuint(sim->n_mapped, ==, 3 * SIM_GIB);
    g_assert_true(sim_plug(sim, 2, SIM_4G + 4 * SIM_GIB, SIM_GIB, true));
    sim->map_below = SIM_4G + 4 * SIM_GIB;
    sim_target(sim, 5 * SIM_GIB + 512 * SIM_MIB);
    assert_state(sim, DM_STATE_REFUSED);
    assert_problem(sim, DM_PROBLEM_POPULATE);
    g_assert_cmpuint(sim_info(sim).populated, ==, 0);
    g_assert_cmpuint(sim->n_mapped, ==, 3 * SIM_GIB);
    sim->map_below = 0;
    sim_advance(sim, 60 * 1000);
    assert_actual(sim, 5 * SIM_GIB + 512 * SIM_MIB);
    done_honest(sim);
}

/* Refused by the guest, what was populated for it is of no use. */
static void test_guest_refuses(void)
{
    Sim *sim = ready();

    sim->refuse = true;
    sim_target(sim, 3 * SIM_GIB);
    assert_state(sim, DM_STATE_REFUSED);
    g_assert_cmpuint(sim->populated, ==, SIM_GIB);
    g_assert_cmpuint(sim->n_mapped, ==, SIM_GIB);
    sim->refuse = false;
    sim_advance(sim, 60 * 1000);
    assert_actual(sim, 3 * SIM_GIB);
    done_honest(sim);
}

static void test_guest_takes_a_part(void)
{
    Sim *sim = ready();

    sim->take_at_most = 300 * SIM_MIB;
    sim_target(sim, 3 * SIM_GIB);
    g_assert_cmpuint(sim->n_mapped, ==, sim_info(sim).actual - SIM_GIB);
    g_assert_cmpuint(sim->n_mapped, <, sim->populated + SIM_GIB);
    done_honest(sim);
}

/* ---- in the middle ---- */

static void test_reset(void)
{
    Sim *sim = in_the_middle();

    sim_reset(sim);
    g_assert_cmpuint(sim->n_mapped, ==, 0);
    g_assert_cmpuint(sim->sent[DM_MSG_HOT_ADD_REQUEST], ==, 0);
    sim_connect(sim);
    assert_actual(sim, 3 * SIM_GIB);
    done_honest(sim);
}

/* And while what is to be undone is being discarded. */
static void test_reset_undoing(void)
{
    Sim *sim = in_the_middle();

    sim->turns = 2;
    sim_target(sim, 2 * SIM_GIB);
    g_assert_cmpuint(sim->n_mapped, >, SIM_GIB);
    sim->turns = 0;
    sim_reset(sim);
    g_assert_cmpuint(sim->n_mapped, ==, 0);
    sim_free(sim);
}

/* A reset is bounded, too. */
static void test_reset_time(void)
{
    Sim *sim = ready();
    uint64_t began;

    sim->ns_per_mib = SLOW;
    sim->turns = 1;
    began = sim->ns;
    sim_reset(sim);
    g_assert_cmpuint(sim->ns - began, <=, TURN + 2 * SLOW + SLACK);
    run_bounded(sim, 2 * SLOW);
    g_assert_cmpuint(sim->n_mapped, ==, 0);
    sim_free(sim);
}

/* Who waits until the stick is unused removes nothing that is still mapped; who
 * does not wait is not refused. */
static void test_reset_unused(void)
{
    Sim *sim = ready();

    sim->ns_per_mib = SLOW;
    sim->turns = 1;
    sim->n_unused = 0;
    sim_reset(sim);
    while (sim->n_mapped) {
        g_assert_cmpint(sim->sticks[1].state, ==, DM_STICK_INUSE);
        g_assert_cmpint(sim_stick(sim, 1).state, ==, DM_STICK_INUSE);
        g_assert_true(dm_engine_may_unplug(sim->engine, 1, NULL));
        sim_pump(sim);
    }
    g_assert_cmpint(sim->sticks[1].state, ==, DM_STICK_UNUSED);
    g_assert_cmpint(sim_stick(sim, 1).state, ==, DM_STICK_UNUSED);
    g_assert_cmpuint(sim->n_unused, ==, 1);
    sim_free(sim);
}

/* A stick is unused first, and then used again. */
static void test_reset_used_again(void)
{
    Sim *sim = ready();

    sim->ns_per_mib = SLOW;
    sim->turns = 1;
    sim->n_unused = 0;
    sim_reset(sim);
    sim->turns = 0;
    sim_connect(sim);
    assert_actual(sim, 2 * SIM_GIB);
    g_assert_cmpuint(sim->n_unused, ==, 1);
    g_assert_cmpint(sim->sticks[1].state, ==, DM_STICK_INUSE);
    done_honest(sim);
}

/* A driver that connects meanwhile is answered, and then gets memory only after
 * all is discarded. */
static void test_reset_handshake(void)
{
    Sim *sim = ready();

    sim->ns_per_mib = SLOW;
    sim->turns = 1;
    sim_reset(sim);
    sim_open(sim, false);
    g_assert_false(dm_engine_throttled(sim->engine));
    sim_version_request(sim, DM_VERSION_2_0, true);
    g_assert_false(dm_engine_throttled(sim->engine));
    sim_capabilities(sim);
    assert_state(sim, DM_STATE_WAITING);
    g_assert_true(dm_engine_throttled(sim->engine));
    g_assert_cmpuint(sim->n_mapped, >, SIM_GIB / 2);
    sim->populated = 0;
    while (!sim->populated) {
        sim_pump(sim);
    }
    g_assert_cmpuint(sim->n_mapped, ==, sim->populated);
    sim->turns = 0;
    sim_pump(sim);
    assert_actual(sim, 2 * SIM_GIB);
    done_honest(sim);
}

/* Nobody knows whether the guest has seen the hot-add: not before a reset. */
static void test_reset_while_adding(void)
{
    Sim *sim = ready();

    sim->mute = true;
    sim_target(sim, 3 * SIM_GIB);
    g_assert_cmpuint(sim->n_mapped, ==, 2 * SIM_GIB);
    sim_reset(sim);
    g_assert_cmpuint(sim->n_mapped, ==, 0);
    sim_free(sim);
}

static void test_target_back(void)
{
    Sim *sim = in_the_middle();

    sim_target(sim, 2 * SIM_GIB);
    assert_state(sim, DM_STATE_IDLE);
    assert_undone(sim);
    sim_target(sim, 3 * SIM_GIB);
    assert_actual(sim, 3 * SIM_GIB);
    done_honest(sim);
}

/* The guest is asked to release some only after what it was to get is gone. */
static void test_target_below(void)
{
    Sim *sim = in_the_middle();

    sim->mute = true;
    dm_engine_set_target(sim->engine, SIM_GIB, NULL);
    run_bounded(sim, 2 * SLOW);
    assert_state(sim, DM_STATE_BALLOONING);
    assert_undone(sim);
    sim->mute = false;
    sim_pump(sim);
    assert_actual(sim, SIM_GIB);
    g_assert_cmpuint(sim->n_mapped, ==, 0);
    done_honest(sim);
}

/* What is still wanted stays, the rest goes. */
static void test_target_less(void)
{
    Sim *sim = in_the_middle_of(SIM_GIB, 256 * SIM_MIB / LEAST);

    sim_target(sim, 2 * SIM_GIB + 128 * SIM_MIB);
    g_assert_cmpuint(sim->populated, ==, 256 * SIM_MIB);
    g_assert_cmpuint(sim->discarded, ==, 128 * SIM_MIB);
    g_assert_cmpuint(sim->n_mapped, ==, SIM_GIB + 128 * SIM_MIB);
    assert_actual(sim, 2 * SIM_GIB + 128 * SIM_MIB);
    done_honest(sim);
}

static void test_target_more(void)
{
    Sim *sim = in_the_middle_of(512 * SIM_MIB, 10);

    g_assert_true(dm_engine_set_target(sim->engine, 3 * SIM_GIB, NULL));
    assert_goes_on(sim);
}

static void test_close(void)
{
    Sim *sim = in_the_middle();

    sim_close(sim);
    assert_state(sim, DM_STATE_DISCONNECTED);
    g_assert_cmpuint(sim->n_mapped, ==, SIM_GIB + 10 * LEAST);
    sim_connect(sim);
    assert_goes_on(sim);
}

static void test_close_reset(void)
{
    Sim *sim = in_the_middle();

    sim_close(sim);
    sim_reset(sim);
    g_assert_cmpuint(sim->n_mapped, ==, 0);
    sim_free(sim);
}

/* A new kernel may use what lies beside it: it stays until the reset. */
static void test_kexec(void)
{
    Sim *sim = in_the_middle();
    uint64_t mapped = sim->n_mapped;

    sim_kexec(sim, SIM_LINUX);
    sim_target(sim, SIM_GIB);
    assert_state(sim, DM_STATE_NEW_KERNEL);
    g_assert_cmpuint(sim->n_mapped, ==, mapped);
    g_assert_cmpuint(sim->discarded, ==, 0);
    sim_reset(sim);
    g_assert_cmpuint(sim->n_mapped, ==, 0);
    sim_free(sim);
}

/* The same while it is being undone. */
static void test_kexec_undoing(void)
{
    Sim *sim = in_the_middle();

    sim->turns = 2;
    sim_target(sim, 2 * SIM_GIB);
    sim->turns = 0;
    sim->discarded = 0;
    sim_kexec(sim, SIM_LINUX);
    g_assert_cmpuint(sim->discarded, ==, 0);
    sim_reset(sim);
    g_assert_cmpuint(sim->n_mapped, ==, 0);
    sim_free(sim);
}

/* A stick goes, of which the guest has nothing yet. */
static void test_unplug(void)
{
    Sim *sim = ready();

    g_assert_true(sim_plug(sim, 2, SIM_4G + 4 * SIM_GIB, SIM_GIB, true));
    sim_target(sim, 5 * SIM_GIB);
    sim->populated = 0;
    sim->ns_per_mib = SLOW;
    sim->turns = 10;
    sim_target(sim, 6 * SIM_GIB);
    g_assert_cmpuint(sim_info(sim).populated, ==, 10 * LEAST);
    g_assert_true(sim_unplug(sim, 2));
    g_assert_cmpuint(sim_info(sim).populated, ==, 0);
    g_assert_cmpuint(sim->n_mapped, ==, 4 * SIM_GIB);
    sim->turns = 0;
    sim_pump(sim);
    assert_actual(sim, 5 * SIM_GIB);
    done_honest(sim);
}

/* Another stick in between: the hot-add goes on where it was. */
static void test_plug(void)
{
    Sim *sim = in_the_middle();

    g_assert_true(sim_plug(sim, 2, SIM_4G + 6 * SIM_GIB, SIM_GIB, true));
    assert_goes_on(sim);
}

/* The other host has populated nothing of it. */
static void test_migrate(void)
{
    Sim *sim = in_the_middle();

    sim_migrate(sim);
    g_assert_cmpuint(sim_info(sim).populated, ==, 0);
    assert_state(sim, DM_STATE_WAITING);
    sim->populated = 0;
    assert_goes_on(sim);
}

/* ---- populated, and the request waits for room ---- */

static Sim *not_sent(void)
{
    Sim *sim = ready();

    sim->ring_full = true;
    sim_target(sim, 3 * SIM_GIB);
    g_assert_cmpuint(sim->n_mapped, ==, 2 * SIM_GIB);
    g_assert_cmpuint(sim->sent[DM_MSG_HOT_ADD_REQUEST], ==, 0);
    return sim;
}

static void test_not_sent_reset(void)
{
    Sim *sim = not_sent();

    sim_reset(sim);
    g_assert_cmpuint(sim->n_mapped, ==, 0);
    sim_free(sim);
}

static void test_not_sent_close(void)
{
    Sim *sim = not_sent();

    sim_close(sim);
    g_assert_cmpuint(sim_info(sim).in_doubt, ==, 0);
    sim->ring_full = false;
    sim_connect(sim);
    assert_goes_on(sim);
}

/* Moved to another host, which has populated no piece, only what was to be
 * sent. */
static void test_not_sent_migrate(void)
{
    Sim *sim = not_sent();

    sim_migrate(sim);
    sim_close(sim);
    sim->ring_full = false;
    g_assert_true(dm_engine_set_target(sim->engine, 3 * SIM_GIB +
                                       512 * SIM_MIB, NULL));
    sim_connect(sim);
    assert_actual(sim, 3 * SIM_GIB + 512 * SIM_MIB);
    done_honest(sim);
}

static void test_not_sent_close_target(void)
{
    Sim *sim = not_sent();

    sim_close(sim);
    sim->ring_full = false;
    g_assert_true(dm_engine_set_target(sim->engine, 2 * SIM_GIB, NULL));
    sim_connect(sim);
    assert_undone(sim);
    done_honest(sim);
}

/* ---- units of the host ---- */

/* What is about to be the guest's may not be discarded with what lies beside
 * it in a huge page; what is yet to be discarded is left to the last. */
static void test_units(void)
{
    Sim *sim = in_the_middle();
    uint64_t first = SIM_4G + SIM_GIB, count = 10 * LEAST;

    g_assert_false(dm_engine_is_released(sim->engine, first, count));
    g_assert_false(dm_engine_is_released(sim->engine, first + count - 1, 2));
    g_assert_true(dm_engine_is_released(sim->engine, first + count, count));
    sim->turns = 2;
    sim_target(sim, 2 * SIM_GIB);
    g_assert_true(dm_engine_is_released(sim->engine, first, LEAST));
    g_assert_false(dm_engine_is_released(sim->engine, first, count));
    sim->turns = 0;
    sim_pump(sim);
    g_assert_true(dm_engine_is_released(sim->engine, first, count));
    /* the guest has been told, and may use them already */
    sim->mute = true;
    sim_target(sim, 3 * SIM_GIB);
    g_assert_false(dm_engine_is_released(sim->engine, first, count));
    sim_free(sim);
}

#define ADD(name, func) g_test_add_func("/populate/" name, func)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("time/turns", test_turns);
    ADD("time/pieces", test_pieces);
    ADD("time/turns-slow", test_turns_slow);
    ADD("time/discard", test_discard_time);
    ADD("time/reset", test_reset_time);
    ADD("time/reset-unused", test_reset_unused);
    ADD("time/reset-used-again", test_reset_used_again);
    ADD("time/reset-handshake", test_reset_handshake);
    ADD("return", test_return);
    ADD("return/target", test_return_lowered);
    ADD("return/target-boot", test_return_of_boot_lowered);
    ADD("refused/host", test_refused);
    ADD("refused/second-stick", test_refused_second_stick);
    ADD("refused/guest", test_guest_refuses);
    ADD("refused/in-part", test_guest_takes_a_part);
    ADD("middle/reset", test_reset);
    ADD("middle/reset-undoing", test_reset_undoing);
    ADD("middle/target-back", test_target_back);
    ADD("middle/target-below", test_target_below);
    ADD("middle/target-less", test_target_less);
    ADD("middle/target-more", test_target_more);
    ADD("middle/close", test_close);
    ADD("middle/close-reset", test_close_reset);
    ADD("middle/kexec", test_kexec);
    ADD("middle/kexec-undoing", test_kexec_undoing);
    ADD("middle/unplug", test_unplug);
    ADD("middle/plug", test_plug);
    ADD("middle/migrate", test_migrate);
    ADD("adding/reset", test_reset_while_adding);
    ADD("not-sent/reset", test_not_sent_reset);
    ADD("not-sent/close", test_not_sent_close);
    ADD("not-sent/migrate", test_not_sent_migrate);
    ADD("not-sent/close-target", test_not_sent_close_target);
    ADD("units", test_units);
    return g_test_run();
}
