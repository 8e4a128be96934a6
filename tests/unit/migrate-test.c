/*
 * What a migration asks of the engine: what need not be sent, what has to be
 * there, growing that waits; and states that earlier releases wrote
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "engine-int.h"
#include "guest-sim.h"
#include "scenes.h"
#include "state.h"

#define RUNS 20
#define STEPS 100

/* ---- what need not be sent ---- */

/* Its sum; each page of it is one that the guest does not have. */
static uint64_t absent(const Sim *sim)
{
    uint64_t at = 0, sum = 0, page;
    DmRange run;

    while (dm_engine_next_absent(sim->engine, at, &run)) {
        g_assert_cmpuint(run.first, >=, at);
        g_assert_cmpuint(run.count, >, 0);
        for (page = run.first; page < run.first + run.count; page++) {
            g_assert_true(sim->pages[page] == SIM_RELEASED ||
                          sim->pages[page] == SIM_NONE);
            g_assert_false(dm_request_touches(sim->engine,
                                              (DmRange) { page, 1 }));
        }
        sum += run.count;
        at = run.first + run.count;
    }
    return sum;
}

/* All but what is about to be given, unless another kernel may have it. */
static uint64_t expected_absent(const Sim *sim)
{
    const DmEngine *e = sim->engine;
    DmEngineInfo info = sim_info(sim);
    bool gives = e->txn.kind == DM_REQUEST_RETURN ||
                 e->txn.kind == DM_REQUEST_HOT_ADD;

    g_assert_cmpint(dm_engine_released_in_doubt(e), ==, e->regions.new_kernel ||
                    (e->stage == STAGE_CLOSED && e->met));
    if (dm_engine_released_in_doubt(e)) {
        return 0;
    }
    return info.released + info.ungranted - (gives ? e->txn.asked : 0);
}

static void test_released(void)
{
    Sim *sim = grown();

    g_assert_cmpuint(absent(sim), ==, 0);
    sim_target(sim, SIM_GIB);
    g_assert_cmpuint(absent(sim), ==, sim_info(sim).released);
    g_assert_cmpuint(absent(sim), >, SIM_GIB);
    sim_free(sim);
}

/* The guest may use what it was offered before its reply is here. */
static void test_released_but_returning(void)
{
    Sim *sim = grown();

    sim_target(sim, SIM_GIB);
    sim->mute = true;
    sim_target(sim, SIM_GIB + 512 * SIM_MIB);
    assert_state(sim, DM_STATE_RETURNING);
    g_assert_cmpuint(absent(sim), ==,
                     sim_info(sim).released - sim->engine->txn.asked);
    sim_free(sim);
}

static void test_released_before_another_kernel(void)
{
    Sim *sim = grown();

    sim_target(sim, SIM_GIB);
    sim_close(sim);
    g_assert_cmpuint(sim_info(sim).released, >, 0);
    g_assert_cmpuint(absent(sim), ==, 0);
    sim_kexec(sim, SIM_LINUX);
    sim_open(sim, true);
    g_assert_cmpuint(absent(sim), ==, 0);
    sim_free(sim);
}

/* The rest of two sticks that the guest has a part of. */
static void test_never_given(void)
{
    Sim *sim = one_stick();

    g_assert_cmpuint(absent(sim), ==, 2 * SIM_GIB);
    g_assert_true(sim_plug(sim, 2, SIM_4G + 3 * SIM_GIB, SIM_GIB, true));
    g_assert_cmpuint(absent(sim), ==, 3 * SIM_GIB);
    sim_target(sim, 2 * SIM_GIB);
    g_assert_cmpuint(absent(sim), ==, 2 * SIM_GIB);
    sim->mute = true;
    sim_target(sim, 2 * SIM_GIB + 512 * SIM_MIB);
    assert_state(sim, DM_STATE_ADDING);
    g_assert_cmpuint(absent(sim), ==, expected_absent(sim));
    g_assert_cmpuint(absent(sim), <, 2 * SIM_GIB);
    sim_free(sim);
}

/* ---- what has to be there ---- */

static bool page_in_use(const DmEngine *e, uint64_t page)
{
    const DmRegions *r = &e->regions;
    bool trusted = !r->new_kernel && (e->stage != STAGE_CLOSED || !e->met);

    return dm_request_touches(e, (DmRange) { page, 1 }) ||
           (pageset_contains(r->added, page) &&
            !(trusted && pageset_contains(r->released, page)));
}

static bool page_added(const DmEngine *e, uint64_t page)
{
    return pageset_contains(e->regions.added, page);
}

typedef bool PageFunc(const DmEngine *e, uint64_t page);
typedef bool NextFunc(const DmEngine *e, DmRange within, uint64_t unit,
                      DmRange *run);

static bool any_page(const DmEngine *e, PageFunc *is, uint64_t first,
                     uint64_t unit)
{
    uint64_t page;

    for (page = first; page < first + unit; page++) {
        if (is(e, page)) {
            return true;
        }
    }
    return false;
}

/* As one page after the other says. */
static void check_units(const Sim *sim, NextFunc *next, PageFunc *is,
                        DmRange within, uint64_t unit)
{
    uint64_t at = within.first, end = within.first + within.count;
    DmRange run = { 0 };

    while (at < end) {
        DmRange left = { at, end - at };
        bool any = next(sim->engine, left, unit, &run);
        uint64_t first = any ? run.first : end;

        for (; at < first; at += unit) {
            g_assert_false(any_page(sim->engine, is, at, unit));
        }
        for (; any && at < run.first + run.count; at += unit) {
            g_assert_true(any_page(sim->engine, is, at, unit));
        }
    }
}

static void check_sticks(const Sim *sim, uint64_t unit)
{
    unsigned i;

    for (i = 0; i < SIM_STICKS; i++) {
        if (sim->sticks[i].plugged) {
            check_units(sim, dm_engine_next_in_use, page_in_use,
                        sim->sticks[i].range, unit);
            check_units(sim, dm_engine_next_added, page_added,
                        sim->sticks[i].range, unit);
        }
    }
}

static void test_in_use(void)
{
    unsigned i, j;

    for (i = 0; i < RUNS; i++) {
        Sim *sim = sim_new_small(DM_PROFILE_AUTO,
                                 i % 2 ? SIM_LINUX : SIM_WINDOWS);

        sim->scatter = i % 3 == 0;
        sim_connect(sim);
        for (j = 0; j < STEPS; j++) {
            sim_step(sim, i % 4 < 2);
            check_sticks(sim, 4);
            check_sticks(sim, 64);
            g_assert_cmpuint(absent(sim), ==, expected_absent(sim));
        }
        sim_free(sim);
    }
}

static void test_in_use_while_adding(void)
{
    Sim *sim = one_stick();
    DmRange run;

    g_assert_false(dm_engine_next_in_use(sim->engine, sim->sticks[1].range, 512,
                                         &run));
    sim->mute = true;
    sim_target(sim, 2 * SIM_GIB);
    assert_state(sim, DM_STATE_ADDING);
    g_assert_true(dm_engine_next_in_use(sim->engine, sim->sticks[1].range, 512,
                                        &run));
    g_assert_cmpuint(run.first, ==, sim->engine->txn.add.range.first);
    g_assert_cmpuint(run.count, ==, sim->engine->txn.add.range.count);
    sim_free(sim);
}

/* ---- what is discarded again ---- */

static void test_discard_again(void)
{
    Sim *sim = grown();
    uint64_t before, gone;

    sim_target(sim, SIM_GIB);
    before = sim->discarded;
    gone = sim_info(sim).released;
    g_assert_true(dm_engine_discard_released(sim->engine));
    sim_pump(sim);
    g_assert_cmpuint(sim->discarded, ==, before + gone);
    sim_target(sim, 2 * SIM_GIB);
    done_honest(sim);
}

/* Not while some of it is on its way to the guest. */
static void test_discard_later(void)
{
    Sim *sim = grown();

    sim_target(sim, SIM_GIB);
    sim->mute = true;
    sim_target(sim, SIM_GIB + 512 * SIM_MIB);
    g_assert_false(dm_engine_discard_released(sim->engine));
    sim->mute = false;
    sim_pump(sim);
    g_assert_true(dm_engine_discard_released(sim->engine));
    sim_pump(sim);
    done_honest(sim);
}

/*
 * Nor while a request is being prepared: what is populated for it must stay so.
 */
static void test_discard_while_preparing(void)
{
    Sim *sim = grown();

    sim_target(sim, SIM_GIB);
    sim->ns_per_mib = 10 * 1000 * 1000;
    sim->turns = 10;
    sim_target(sim, 2 * SIM_GIB);
    assert_state(sim, DM_STATE_RETURNING);
    g_assert_cmpuint(sim_info(sim).populated, >, 0);
    g_assert_false(dm_engine_discard_released(sim->engine));
    g_assert_false(dm_engine_discard_never_given(sim->engine,
                                                 sim->sticks[1].range));
    sim->turns = 0;
    sim_pump(sim);
    assert_actual(sim, 2 * SIM_GIB);
    g_assert_true(dm_engine_discard_released(sim->engine));
    sim_pump(sim);
    done_honest(sim);
}

/* What it was never given may be populated as well, after a reset there. */
static void test_discard_never_given(void)
{
    Sim *sim = one_stick();
    DmRange stick = sim->sticks[1].range;
    DmRange half = { stick.first, stick.count / 2 };

    sim_target(sim, SIM_GIB + 512 * SIM_MIB);
    sim->discarded = 0;
    g_assert_true(dm_engine_discard_released(sim->engine));
    g_assert_true(dm_engine_discard_never_given(sim->engine, half));
    sim_pump(sim);
    g_assert_cmpuint(sim->discarded, ==, 512 * SIM_MIB);
    g_assert_true(dm_engine_discard_never_given(sim->engine, stick));
    sim_pump(sim);
    g_assert_cmpuint(sim->discarded, ==, 2 * SIM_GIB);
    sim_close(sim);
    g_assert_false(dm_engine_discard_never_given(sim->engine, stick));
    sim_connect(sim);
    sim_target(sim, 2 * SIM_GIB);
    done_honest(sim);
}

/* Nor while another kernel may run: the same one comes back later. */
static void test_discard_when_connected(void)
{
    Sim *sim = grown();

    sim_target(sim, SIM_GIB);
    sim_close(sim);
    g_assert_false(dm_engine_discard_released(sim->engine));
    sim_connect(sim);
    g_assert_true(dm_engine_discard_released(sim->engine));
    sim_pump(sim);
    done_honest(sim);
}

/* ---- growing waits ---- */

static void test_hold_growth(void)
{
    Sim *sim = one_stick();

    dm_engine_hold_growth(sim->engine, true);
    sim_target(sim, 2 * SIM_GIB);
    assert_actual(sim, SIM_GIB);
    assert_state(sim, DM_STATE_IDLE);
    assert_problem(sim, DM_PROBLEM_HELD);
    g_assert_cmpuint(sim_info(sim).problem.pages, ==, SIM_GIB);
    sim_target(sim, 700 * SIM_MIB);
    assert_actual(sim, 700 * SIM_MIB);
    assert_problem(sim, DM_PROBLEM_NONE);
    sim_target(sim, 900 * SIM_MIB);
    assert_actual(sim, 700 * SIM_MIB);
    assert_problem(sim, DM_PROBLEM_HELD);
    dm_engine_hold_growth(sim->engine, false);
    sim_pump(sim);
    assert_problem(sim, DM_PROBLEM_NONE);
    done_honest(sim);
}

/* A try that fails due meanwhile: it is not due again and again. */
static void test_hold_over_a_retry(void)
{
    Sim *sim = one_stick();

    sim->refuse = true;
    sim_target(sim, 2 * SIM_GIB);
    assert_state(sim, DM_STATE_REFUSED);
    g_assert_cmpuint(dm_engine_deadline(sim->engine), !=, UINT64_MAX);
    dm_engine_hold_growth(sim->engine, true);
    sim_advance(sim, 10 * 60 * 1000);
    g_assert_cmpuint(dm_engine_deadline(sim->engine), ==, UINT64_MAX);
    sim->refuse = false;
    dm_engine_hold_growth(sim->engine, false);
    sim_pump(sim);
    done_honest(sim);
}

/* What is saved while growing is held is not held where it is loaded. */
static void test_hold_over_a_save(void)
{
    Sim *sim = one_stick();

    sim->refuse = true;
    sim_target(sim, 2 * SIM_GIB);
    assert_state(sim, DM_STATE_REFUSED);
    dm_engine_hold_growth(sim->engine, true);
    sim_advance(sim, 1000);
    assert_problem(sim, DM_PROBLEM_HELD);
    sim_migrate(sim);
    sim->refuse = false;
    sim_advance(sim, 60 * 1000);
    assert_actual(sim, 2 * SIM_GIB);
    assert_problem(sim, DM_PROBLEM_NONE);
    done_honest(sim);
}

/* A reset in between: it stays held. */
static void test_hold_over_reset(void)
{
    Sim *sim = one_stick();

    dm_engine_hold_growth(sim->engine, true);
    sim_target(sim, 2 * SIM_GIB);
    sim_reset(sim);
    sim_connect(sim);
    assert_actual(sim, SIM_GIB);
    assert_problem(sim, DM_PROBLEM_HELD);
    dm_engine_hold_growth(sim->engine, false);
    sim_pump(sim);
    done_honest(sim);
}

/* ---- who is migrated is slow ---- */

typedef struct Slow {
    bool migrates;              /* before it replies */
    bool excused;               /* or a migration from here runs */
    DmState state;
} Slow;

static const Slow slow[] = {
    { .state = DM_STATE_NOT_ONLINED },
    { .migrates = true, .state = DM_STATE_IDLE },
    { .excused = true, .state = DM_STATE_IDLE },
};

/* What is taken so late was not onlined, unless there is another reason. The
 * next request has none. */
static void test_slow(gconstpointer opaque)
{
    const Slow *s = opaque;
    Sim *sim = one_stick();

    sim->mute = true;
    sim_target(sim, 2 * SIM_GIB);
    if (s->excused) {
        dm_engine_excuse(sim->engine);
    }
    sim_advance(sim, 6 * 1000);
    if (s->migrates) {
        sim_migrate(sim);
    }
    sim->mute = false;
    sim_pump(sim);
    assert_state(sim, s->state);
    sim->onlines = false;
    sim_target(sim, 3 * SIM_GIB);
    assert_state(sim, DM_STATE_NOT_ONLINED);
    sim_free(sim);
}

/* ---- the owner is told, or is not ---- */

static void test_announce(void)
{
    Sim *sim = grown();
    unsigned actual, inuse;

    sim_plug(sim, 2, SIM_4G + 2 * SIM_GIB, SIM_GIB, true);
    sim_migrate(sim);
    sim->sticks[1].state = DM_STICK_IDLE;       /* a new owner */
    actual = sim->n_actual;
    inuse = sim->n_inuse;
    dm_engine_announce(sim->engine);
    g_assert_cmpuint(sim->n_actual, ==, actual + 1);
    g_assert_cmpuint(sim->told_actual, ==, 3 * SIM_GIB);
    g_assert_cmpuint(sim->n_inuse, ==, inuse + 1);
    g_assert_cmpuint(sim->n_unused, ==, 0);
    sim_free(sim);
}

/* After a reset, what the guest had of a stick is discarded first. */
static void test_announce_before_discard(void)
{
    Sim *sim = grown();

    sim->ns_per_mib = 100 * 1000 * 1000;
    sim->turns = 1;
    sim_reset(sim);
    g_assert_cmpint(sim->sticks[1].state, ==, DM_STICK_INUSE);
    sim_migrate(sim);
    sim->sticks[1].state = DM_STICK_IDLE;       /* a new owner */
    dm_engine_announce(sim->engine);
    g_assert_cmpint(sim->sticks[1].state, ==, DM_STICK_INUSE);
    g_assert_cmpuint(sim->n_unused, ==, 0);
    sim->turns = 0;
    sim_pump(sim);
    g_assert_cmpuint(sim->discarded, ==, 2 * SIM_GIB);
    g_assert_cmpint(sim->sticks[1].state, ==, DM_STICK_UNUSED);
    g_assert_cmpuint(sim->n_unused, ==, 1);
    sim_free(sim);
}

static void test_forget(void)
{
    Sim *sim = grown();
    GByteArray *state = dm_state_export(sim->engine, sim->now);
    g_autoptr(GError) error = NULL;
    unsigned told;

    sim_target(sim, SIM_GIB);
    told = sim->n_actual + sim->n_inuse + sim->n_unused + sim->n_discards;
    dm_state_forget(sim->engine);
    g_assert_cmpuint(sim_info(sim).actual, ==, SIM_GIB);
    g_assert_cmpuint(sim_info(sim).capacity, ==, 3 * SIM_GIB);
    assert_state(sim, DM_STATE_DISCONNECTED);
    dm_state_import(sim->engine, state->data, state->len, sim->now, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(sim_info(sim).actual, ==, 3 * SIM_GIB);
    g_assert_cmpuint(told, ==, sim->n_actual + sim->n_inuse + sim->n_unused +
                     sim->n_discards);
    g_byte_array_unref(state);
    sim_free(sim);
}

/* ---- bounds and releases ---- */

/* Every other page of all that there is, to be discarded too. */
static void test_max(void)
{
    Sim *sim = sim_new(SIM_GIB, DM_PROFILE_AUTO, SIM_LINUX);
    DmEngine *e = sim->engine;
    GByteArray *state;
    uint64_t page;

    for (page = 0x100; page < SIM_GIB; page += 2) {
        dm_regions_release(&e->regions, (DmRange) { page, 1 }, e->discard);
    }
    state = dm_state_export(e, 0);
    g_assert_cmpuint(state->len, >, 2 * SIM_GIB / 8);
    g_assert_cmpuint(state->len, <, dm_state_max(e));
    g_byte_array_unref(state);
    sim_free(sim);
}

/* The machine of make-seeds.c, which wrote them. */
static void read_state(const char *folder, const char *name)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    Sim *sim = sim_new_small(DM_PROFILE_AUTO, SIM_LINUX);
    g_autoptr(GByteArray) again = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *data = NULL;
    gsize len;

    sim->now += 3600 * 1000;    /* or what began long ago began at 0 */
    sim_plug(sim, 0, 32 * SIM_MIB, 32 * SIM_MIB, true);
    g_file_get_contents(path, &data, &len, &error);
    g_assert_no_error(error);
    dm_state_import(sim->engine, data, len, sim->now, &error);
    g_assert_no_error(error);
    again = dm_state_export(sim->engine, sim->now);
    g_assert_cmpmem(again->data, again->len, data, len);
    if (g_str_equal(name, "returning")) {
        assert_state(sim, DM_STATE_RETURNING);
        g_assert_cmpuint(sim_info(sim).actual, ==, 20 * SIM_MIB);
        g_assert_cmpuint(sim_info(sim).target, ==, 30 * SIM_MIB);
    }
    sim_free(sim);
}

/* What a release wrote is read by all that follow; this one writes the same. */
static void test_earlier_releases(void)
{
    g_autofree char *folder = g_test_build_filename(G_TEST_DIST, "states-1",
                                                    NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) dir = g_dir_open(folder, 0, &error);
    const char *name;
    unsigned n = 0;

    g_assert_no_error(error);
    while ((name = g_dir_read_name(dir))) {
        read_state(folder, name);
        n++;
    }
    g_assert_cmpuint(n, >=, 19);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/migrate/released", test_released);
    g_test_add_func("/migrate/released/returning", test_released_but_returning);
    g_test_add_func("/migrate/released/another-kernel",
                    test_released_before_another_kernel);
    g_test_add_func("/migrate/never-given", test_never_given);
    g_test_add_func("/migrate/in-use", test_in_use);
    g_test_add_func("/migrate/in-use/adding", test_in_use_while_adding);
    g_test_add_func("/migrate/discard-again", test_discard_again);
    g_test_add_func("/migrate/discard-later", test_discard_later);
    g_test_add_func("/migrate/discard-while-preparing",
                    test_discard_while_preparing);
    g_test_add_func("/migrate/discard-never-given", test_discard_never_given);
    g_test_add_func("/migrate/discard-when-connected",
                    test_discard_when_connected);
    g_test_add_func("/migrate/hold-growth", test_hold_growth);
    g_test_add_func("/migrate/hold-growth/retry", test_hold_over_a_retry);
    g_test_add_func("/migrate/hold-growth/save", test_hold_over_a_save);
    g_test_add_func("/migrate/hold-growth/reset", test_hold_over_reset);
    g_test_add_data_func("/migrate/slow/at-rest", &slow[0], test_slow);
    g_test_add_data_func("/migrate/slow/arrived", &slow[1], test_slow);
    g_test_add_data_func("/migrate/slow/leaving", &slow[2], test_slow);
    g_test_add_func("/migrate/announce", test_announce);
    g_test_add_func("/migrate/announce/before-discard",
                    test_announce_before_discard);
    g_test_add_func("/migrate/forget", test_forget);
    g_test_add_func("/migrate/max", test_max);
    g_test_add_func("/migrate/earlier-releases", test_earlier_releases);
    return g_test_run();
}
