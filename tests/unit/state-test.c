/*
 * Engine state written out, read back, and tampered with
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <string.h>

#include "engine-int.h"
#include "guest-sim.h"
#include "state.h"

#define RUNS 20
#define STEPS 100

/* ---- random runs, with a move to another host at every step ---- */

static void random_run(uint64_t os_id, bool honest)
{
    Sim *sim = sim_new_small(DM_PROFILE_AUTO, os_id);
    unsigned i;

    sim_migrate(sim);
    sim_connect(sim);
    for (i = 0; i < STEPS; i++) {
        sim_step(sim, honest);
        sim_migrate(sim);
    }
    sim_free(sim);
}

static void test_runs(void)
{
    unsigned i;

    for (i = 0; i < RUNS; i++) {
        random_run(i % 2 ? SIM_LINUX : SIM_WINDOWS, i % 4 < 2);
    }
}

/* A guest with a stick, some of it added, some released. */
static Sim *some_guest(void)
{
    Sim *sim = sim_new_small(DM_PROFILE_AUTO, SIM_LINUX);

    sim_plug(sim, 0, 32 * SIM_MIB, 32 * SIM_MIB, true);
    sim_connect(sim);
    sim_target(sim, 40 * SIM_MIB);
    sim_target(sim, 10 * SIM_MIB);
    sim_target(sim, 20 * SIM_MIB);
    return sim;
}

/* ---- what is in flight ---- */

static void finish(Sim *sim, uint64_t target)
{
    sim->mute = false;
    sim_pump(sim);
    g_assert_cmpuint(sim_info(sim).actual, ==, target);
    sim_check_honest(sim);
    sim_free(sim);
}

typedef struct Flight {
    const char *name;
    uint64_t before, target;    /* MiB */
    DmState state;
} Flight;

static const Flight flights[] = {
    { "balloon", 20, 8, DM_STATE_BALLOONING },
    { "return", 20, 30, DM_STATE_RETURNING },
    { "hot-add", 40, 46, DM_STATE_ADDING },
};

static void test_in_flight(gconstpointer data)
{
    const Flight *flight = data;
    Sim *sim = some_guest();

    sim_target(sim, flight->before * SIM_MIB);
    sim->mute = true;
    sim_target(sim, flight->target * SIM_MIB);
    sim_migrate(sim);
    g_assert_cmpint(sim_info(sim).state, ==, flight->state);
    g_assert_cmpuint(g_queue_get_length(&sim->inbox), ==, 1);
    finish(sim, flight->target * SIM_MIB);
}

static void test_ring_full(gconstpointer data)
{
    const Flight *flight = data;
    Sim *sim = some_guest();

    sim_target(sim, flight->before * SIM_MIB);
    sim->ring_full = true;
    sim_target(sim, flight->target * SIM_MIB);
    g_assert_true(g_queue_is_empty(&sim->inbox));
    sim_migrate(sim);
    g_assert_cmpint(sim_info(sim).state, ==, flight->state);
    sim->ring_full = false;
    finish(sim, flight->target * SIM_MIB);
}

/* A saved request may return a range that lies in two sticks: both stay. */
static void test_two_sticks(void)
{
    Sim *sim = sim_new_small(DM_PROFILE_AUTO, SIM_LINUX);
    DmRange all = { 32 * SIM_MIB, 32 * SIM_MIB };
    GByteArray *state;
    DmEngine *engine;

    sim_plug(sim, 0, 32 * SIM_MIB, 16 * SIM_MIB, true);
    sim_plug(sim, 1, 48 * SIM_MIB, 16 * SIM_MIB, true);
    sim_connect(sim);
    sim_target(sim, 64 * SIM_MIB);
    dm_regions_release(&sim->engine->regions, all, NULL);
    sim->engine->txn = (Txn) { .kind = DM_REQUEST_RETURN, .sent = true,
                               .asked = 2, .n_ranges = 1,
                               .ranges = { { 48 * SIM_MIB - 1, 2 } } };
    state = dm_state_export(sim->engine, sim->now);
    engine = sim_destination(sim);
    g_assert_true(dm_state_import(engine, state->data, state->len, sim->now,
                                  NULL));
    g_assert_false(dm_engine_may_unplug(engine, 0, NULL));
    g_assert_false(dm_engine_may_unplug(engine, 1, NULL));
    dm_engine_free(engine);
    g_byte_array_unref(state);
    sim_free(sim);
}

/* The new host's clock has another zero. */
static void test_clock(void)
{
    Sim *sim = some_guest();
    GByteArray *state;
    DmEngine *engine;

    sim->mute = true;
    sim_target(sim, 15 * SIM_MIB);
    state = dm_state_export(sim->engine, sim->now + 10000);
    engine = sim_destination(sim);
    g_assert_true(dm_state_import(engine, state->data, state->len, 5, NULL));
    g_assert_cmpuint(dm_engine_deadline(engine), ==,
                     dm_engine_deadline(sim->engine) - sim->now - 10000 + 5);
    dm_engine_free(engine);
    g_byte_array_unref(state);
    sim_free(sim);
}

/* Half of the pages of a container: a bitmap. */
static void test_worst_case(void)
{
    Sim *sim = sim_new(SIM_GIB, DM_PROFILE_AUTO, SIM_LINUX);
    DmRegions *r = &sim->engine->regions;
    GByteArray *state;
    uint64_t page;

    for (page = 0x100; page < SIM_GIB; page += 2) {
        dm_regions_release(r, (DmRange) { page, 1 }, NULL);
    }
    state = dm_state_export(sim->engine, 0);
    g_assert_cmpuint(state->len, <, SIM_GIB / 8 + 4096);
    g_byte_array_unref(state);
    sim_migrate(sim);
    g_assert_cmpuint(sim_info(sim).released, ==, (SIM_GIB - 0x100) / 2);
    sim_free(sim);
}

/* ---- refusals ---- */

static void refuse(Sim *sim, DmEngine *engine, const GByteArray *state,
                   const char *why)
{
    GByteArray *before = dm_state_export(engine, sim->now), *after;
    g_autoptr(GError) error = NULL;

    g_assert_false(dm_state_import(engine, state->data, state->len, sim->now,
                                   &error));
    g_assert_nonnull(error);
    if (!strstr(error->message, why)) {
        g_error("'%s' is not about '%s'", error->message, why);
    }
    after = dm_state_export(engine, sim->now);
    g_assert_cmpmem(before->data, before->len, after->data, after->len);
    g_byte_array_unref(before);
    g_byte_array_unref(after);
}

/* What the engine of @sim writes out now must be refused; frees it. */
static void refuse_own(Sim *sim, const char *why)
{
    GByteArray *state = dm_state_export(sim->engine, sim->now);
    DmEngine *engine = sim_destination(sim);

    refuse(sim, engine, state, why);
    g_byte_array_unref(state);
    dm_engine_free(engine);
    sim_free(sim);
}

static void test_not_fresh(void)
{
    Sim *sim = some_guest();
    GByteArray *state = dm_state_export(sim->engine, sim->now);

    refuse(sim, sim->engine, state, "before a guest connects");
    g_byte_array_unref(state);
    sim_free(sim);
}

static void test_other_layout(void)
{
    Sim *sim = some_guest();
    GByteArray *state = dm_state_export(sim->engine, sim->now);
    DmEngine *engine = sim_destination(sim);

    dm_engine_unplug(engine, 0);
    refuse(sim, engine, state, "'number of sticks' is 1 there and 0 here");
    dm_engine_plug(engine, 0, (DmRange) { 34 * SIM_MIB, 32 * SIM_MIB }, true,
                   NULL);
    refuse(sim, engine, state, "'start of a stick'");
    dm_engine_unplug(engine, 0);
    dm_engine_plug(engine, 0, (DmRange) { 32 * SIM_MIB, 32 * SIM_MIB }, false,
                   NULL);
    refuse(sim, engine, state, "'insert of a stick'");
    g_byte_array_unref(state);
    dm_engine_free(engine);
    sim_free(sim);
}

static void test_sizes(void)
{
    Sim *sim = some_guest();
    GByteArray *state = dm_state_export(sim->engine, sim->now);
    DmEngine *engine = sim_destination(sim);
    uint8_t zero = 0;
    unsigned len = state->len;

    g_byte_array_append(state, &zero, 1);
    refuse(sim, engine, state, "1 bytes follow its end");
    while (len--) {
        g_byte_array_set_size(state, len);
        refuse(sim, engine, state, "it ends within");
    }
    g_byte_array_unref(state);
    dm_engine_free(engine);
    sim_free(sim);
}

static void test_other_version(void)
{
    Sim *sim = some_guest();
    GByteArray *state = dm_state_export(sim->engine, sim->now);
    DmEngine *engine = sim_destination(sim);

    state->data[8]++;
    refuse(sim, engine, state, "it is of version 2, and versions up to 1 can");
    state->data[8] = 0;
    refuse(sim, engine, state, "it is of version 0");
    state->data[6]++;
    refuse(sim, engine, state, "not the state of an engine");
    g_byte_array_unref(state);
    dm_engine_free(engine);
    sim_free(sim);
}

/* Each does one thing to a good engine that must never be read. */
typedef struct Tamper {
    const char *name;
    void (*tamper)(DmEngine *e);
    const char *why;
} Tamper;

static void discard_owned(DmEngine *e)
{
    pageset_add(e->discard, 0x1fe, 1);
    pageset_remove(e->regions.released, 0x1fe, 1);
}

static void discard_rom(DmEngine *e)
{
    pageset_add(e->discard, 0xa0, 1);
}

static void add_nowhere(DmEngine *e)
{
    pageset_add(e->regions.added, 64 * SIM_MIB, 1);
}

static void release_rom(DmEngine *e)
{
    pageset_add(e->regions.released, 0xff, 1);
}

static void doubt_never_given(DmEngine *e)
{
    pageset_add(e->regions.in_doubt, 63 * SIM_MIB, 1);
}

static void released_in_doubt(DmEngine *e)
{
    pageset_add(e->regions.released, 0x200, 1);
    pageset_add(e->regions.in_doubt, 0x200, 1);
}

static void ghost_in_stick(DmEngine *e)
{
    pageset_add(e->regions.ghosts, 33 * SIM_MIB, 1);
}

static void never_used(DmEngine *e)
{
    dm_regions_stick(&e->regions, 0)->used = false;
    pageset_clear(e->regions.released);
}

static void no_target(DmEngine *e)
{
    e->target = 0;
}

static void odd_stage(DmEngine *e)
{
    e->stage = STAGE_CLOSED;
}

static void odd_version(DmEngine *e)
{
    e->version = 4;
}

static void no_capabilities(DmEngine *e)
{
    e->had_caps = false;
}

static void never_met(DmEngine *e)
{
    e->met = false;
}

static void wide_alignment(DmEngine *e)
{
    e->caps.alignment = 16;
}

static void odd_obstacle(DmEngine *e)
{
    e->obstacle = DM_STATE_LATE;
}

static void odd_problem(DmEngine *e)
{
    e->problem.code = DM_PROBLEM__MAX;
}

/* That of a late request follows from the request. */
static void late_problem(DmEngine *e)
{
    e->problem.code = DM_PROBLEM_NOT_SENT;
}

static void empty_balloon(DmEngine *e)
{
    e->txn = (Txn) { .kind = DM_REQUEST_BALLOON, .sent = true };
}

static void greedy_balloon(DmEngine *e)
{
    e->txn = (Txn) { .kind = DM_REQUEST_BALLOON, .sent = true, .asked = 512,
                     .claimed = 513 };
}

static void return_owned(DmEngine *e)
{
    e->txn = (Txn) { .kind = DM_REQUEST_RETURN, .sent = true, .asked = 1,
                     .n_ranges = 1, .ranges = { { 0x150, 1 } } };
    pageset_remove(e->regions.released, 0x150, 1);
}

static void return_twice(DmEngine *e)
{
    dm_regions_release(&e->regions, (DmRange) { 0x150, 1 }, NULL);
    e->txn = (Txn) { .kind = DM_REQUEST_RETURN, .sent = true, .asked = 2,
                     .n_ranges = 2, .ranges = { { 0x150, 1 }, { 0x150, 1 } } };
}

static void return_nothing(DmEngine *e)
{
    e->txn = (Txn) { .kind = DM_REQUEST_RETURN, .sent = true };
}

static void return_too_much(DmEngine *e)
{
    e->txn = (Txn) { .kind = DM_REQUEST_RETURN, .sent = true,
                     .asked = MAX_RETURN_PAGES + 1, .n_ranges = 1,
                     .ranges = { { 0x150, MAX_RETURN_PAGES + 1 } } };
}

static void relief_too_large(DmEngine *e)
{
    e->relief = RELIEF_PAGES + 1;
}

static void relief_beside_balloon(DmEngine *e)
{
    e->txn = (Txn) { .kind = DM_REQUEST_BALLOON, .sent = true, .asked = 512 };
    e->relief = 1;
}

static void hot_add_owned(DmEngine *e)
{
    e->txn = (Txn) { .kind = DM_REQUEST_HOT_ADD, .sent = true, .asked = 256,
                     .add = { .range = { 32 * SIM_MIB, 256 },
                              .end = 33 * SIM_MIB } };
}

static void hot_add_boot(DmEngine *e)
{
    e->regions.postponed[0] = (DmHotAdd) { .range = { 0x200, 0x200 } };
    e->regions.n_postponed = 1;
}

static void hot_add_outside_region(DmEngine *e)
{
    e->regions.n_postponed = 1;
    e->regions.postponed[0] = (DmHotAdd) {
        .range = { 62 * SIM_MIB, 2 * SIM_MIB },
        .region = { 62 * SIM_MIB, SIM_MIB },
        .end = 63 * SIM_MIB,
    };
}

static void hot_add_no_end(DmEngine *e)
{
    e->regions.n_postponed = 1;
    e->regions.postponed[0] = (DmHotAdd) {
        .range = { 62 * SIM_MIB, 2 * SIM_MIB },
        .end = 63 * SIM_MIB,
    };
}

static void postponed_twice(DmEngine *e)
{
    hot_add_no_end(e);
    e->regions.postponed[0].end = 64 * SIM_MIB;
    e->regions.postponed[1] = e->regions.postponed[0];
    e->regions.n_postponed = 2;
}

static void offline_never_given(DmEngine *e)
{
    pageset_add(e->regions.offline, 63 * SIM_MIB, 1);
}

static void offline_released(DmEngine *e)
{
    pageset_add(e->regions.added, 33 * SIM_MIB, 1);
    pageset_add(e->regions.released, 33 * SIM_MIB, 1);
    pageset_add(e->regions.offline, 33 * SIM_MIB, 1);
}

static void two_sizes(DmEngine *e)
{
    e->txn = (Txn) { .kind = DM_REQUEST_HOT_ADD, .sent = true, .asked = 255,
                     .add = { .range = { 62 * SIM_MIB, 256 },
                              .end = 63 * SIM_MIB } };
}

static void add_before_discard(DmEngine *e)
{
    two_sizes(e);
    pageset_add(e->discard, 63 * SIM_MIB, 1);
}

static void unsent_nothing(DmEngine *e)
{
    e->txn = (Txn) { .kind = DM_REQUEST_BALLOON, .asked = 512 };
}

static void new_kernel_without_boot(DmEngine *e)
{
    e->obstacle = DM_STATE_NEW_KERNEL;
    pageset_add(e->regions.released, 0x200, 1);
}

static void new_kernel_asked(DmEngine *e)
{
    dm_regions_new_kernel(&e->regions);
    e->obstacle = DM_STATE_NEW_KERNEL;
    e->txn = (Txn) { .kind = DM_REQUEST_BALLOON, .sent = true, .asked = 512 };
}

static void new_kernel_robbed(DmEngine *e)
{
    dm_regions_new_kernel(&e->regions);
    e->obstacle = DM_STATE_NEW_KERNEL;
    pageset_add(e->discard, 63 * SIM_MIB, 1);
}

static const Tamper tampers[] = {
    { "discard-owned", discard_owned, "discards what the guest has" },
    { "discard-rom", discard_rom, "discards what the guest has" },
    { "add-nowhere", add_nowhere, "no stick holds" },
    { "release-rom", release_rom, "released that the guest was never given" },
    { "doubt-never-given", doubt_never_given, "in doubt that" },
    { "released-in-doubt", released_in_doubt, "both released and in doubt" },
    { "ghost-in-stick", ghost_in_stick, "ghosts lie over memory" },
    { "never-used", never_used, "never had a page of" },
    { "no-target", no_target, "a target of 0" },
    { "stage", odd_stage, "protocol version does not go" },
    { "version", odd_version, "protocol version does not go" },
    { "no-capabilities", no_capabilities, "without capabilities" },
    { "never-met", never_met, "never connected" },
    { "alignment", wide_alignment, "'alignment' is 16, at most 15" },
    { "obstacle", odd_obstacle, "an obstacle that is none" },
    { "problem", odd_problem, "'problem' is" },
    { "problem-late", late_problem, "'problem' is" },
    { "balloon-empty", empty_balloon, "impossible size" },
    { "balloon-greedy", greedy_balloon, "'pages claimed' is 513" },
    { "return-owned", return_owned, "has not released" },
    { "return-twice", return_twice, "has not released" },
    { "return-nothing", return_nothing, "has not released" },
    { "return-too-much", return_too_much, "return of an impossible size" },
    { "relief-too-large", relief_too_large, "relief" },
    { "relief-beside-balloon", relief_beside_balloon, "relieves a guest" },
    { "hot-add-owned", hot_add_owned, "what the guest has or no stick" },
    { "hot-add-boot", hot_add_boot, "what the guest has or no stick" },
    { "hot-add-region", hot_add_outside_region, "does not hold its range" },
    { "hot-add-no-end", hot_add_no_end, "beyond the end of a chunk" },
    { "postponed-twice", postponed_twice, "postponed twice" },
    { "offline-never-given", offline_never_given, "offline that" },
    { "offline-released", offline_released, "offline and released" },
    { "hot-add-two-sizes", two_sizes, "of two sizes" },
    { "hot-add-before-discard", add_before_discard, "some to discard" },
    { "unsent-nothing", unsent_nothing, "not that of the request" },
    { "new-kernel-without-boot", new_kernel_without_boot,
      "does not have all of boot memory" },
    { "new-kernel-asked", new_kernel_asked, "under a new kernel" },
    { "new-kernel-robbed", new_kernel_robbed, "under a new kernel" },
};

static void test_tamper(gconstpointer data)
{
    const Tamper *tamper = data;
    Sim *sim = some_guest();

    tamper->tamper(sim->engine);
    refuse_own(sim, tamper->why);
}

/* ---- anything ---- */

static void spoil(GByteArray *state)
{
    unsigned i, n = g_test_rand_int_range(1, 4);

    for (i = 0; i < n; i++) {
        unsigned at = g_test_rand_int_range(0, state->len);

        if (g_test_rand_bit()) {
            state->data[at] ^= 1 << g_test_rand_int_range(0, 8);
        } else {
            state->data[at] = g_test_rand_int_range(0, 256);
        }
    }
}

static bool take(void *opaque, const void *msg, size_t len)
{
    (void)opaque;
    (void)msg;
    g_assert_cmpuint(len, <=, DM_MAX_SEND);
    return true;
}

static void look(void *opaque, uint64_t first, uint64_t count)
{
    (void)opaque;
    g_assert_cmpuint(count, >, 0);
    g_assert_cmpuint(first + count, <=, DM_MAX_PFN + 1);
}

static void ignore_stick(void *opaque, unsigned stick, DmStickState state)
{
    (void)opaque;
    g_assert_cmpuint(stick, ==, 0);
    g_assert_nonnull(dm_stick_state_name(state));
}

static void ignore_actual(void *opaque, uint64_t actual)
{
    (void)opaque;
    (void)actual;
}

static void ignore_warning(void *opaque, DmWarning warning)
{
    (void)opaque;
    g_assert_nonnull(dm_warning_name(warning));
}

static const DmEngineOps plain_ops = {
    .send = take,
    .discard = look,
    .stick_state = ignore_stick,
    .actual_changed = ignore_actual,
    .warn = ignore_warning,
};

static DmEngine *plain_destination(Sim *sim)
{
    DmEngine *engine = dm_engine_new(sim->boot, sim->n_boot, sim->boot_pages,
                                     DM_PROFILE_AUTO, &plain_ops, NULL);

    g_assert_true(dm_engine_plug(engine, 0, sim->sticks[0].range, true,
                                 NULL));
    return engine;
}

static void settle(DmEngine *engine, uint64_t now)
{
    unsigned i;

    for (i = 0; dm_engine_run(engine, now); i++) {
        g_assert_cmpuint(i, <, 1000);
    }
}

/* An engine must work whatever was read into it. */
static void use(DmEngine *engine, uint64_t now)
{
    DmEngineInfo info;

    g_assert_null(dm_regions_fault(&engine->regions));
    settle(engine, now);
    settle(engine, now + 100 * 1000);
    dm_engine_channel_close(engine);
    settle(engine, now);
    g_assert_null(dm_regions_fault(&engine->regions));
    dm_engine_system_reset(engine);
    settle(engine, now);
    dm_engine_query(engine, &info);
    g_assert_cmpuint(info.actual, ==, info.boot);
}

static bool try_spoilt(Sim *sim, const GByteArray *state)
{
    GByteArray *bad = g_byte_array_sized_new(state->len);
    DmEngine *engine = plain_destination(sim);
    bool read;

    g_byte_array_append(bad, state->data, state->len);
    spoil(bad);
    read = dm_state_import(engine, bad->data, bad->len, sim->now, NULL);
    use(engine, sim->now);
    dm_engine_free(engine);
    g_byte_array_unref(bad);
    return read;
}

static void test_spoilt(void)
{
    Sim *sim = some_guest();
    GByteArray *state = dm_state_export(sim->engine, sim->now);
    unsigned i, n = 0;

    for (i = 0; i < 20000; i++) {
        n += try_spoilt(sim, state);
    }
    /* A counter may be anything, so some are read; most are not. */
    g_assert_cmpuint(n, >, 0);
    g_assert_cmpuint(n, <, i);
    g_byte_array_unref(state);
    sim_free(sim);
}

/* ---- its size ---- */

/* Ghosts in many pieces, far above all memory: more than is ever written. */
static void test_too_large(void)
{
    Sim *sim = some_guest();
    PageSet *ghosts = sim->engine->regions.ghosts;
    uint64_t pages = 64 * 1024 * 1024 / 24 * UINT64_C(65536);
    g_autoptr(GByteArray) fits = NULL;

    pageset_add(ghosts, UINT64_C(1) << 39, pages - UINT64_C(65536) * 65536);
    fits = dm_state_export(sim->engine, sim->now);
    g_assert_cmpuint(fits->len, >, 60 * 1024 * 1024);
    g_assert_cmpuint(fits->len, <=, dm_state_max(sim->engine));
    pageset_add(ghosts, UINT64_C(1) << 39, pages + UINT64_C(65536) * 65536);
    g_assert_null(dm_state_export(sim->engine, sim->now));
    sim_free(sim);
}

/* However large the machine is, it is a field of QEMU's stream. */
static void test_limit(void)
{
    static const uint64_t tib[] = { 1, 28, 29, 64, 1024 };
    const DmEngineOps ops = { 0 };
    uint64_t before = 0;
    unsigned i;

    for (i = 0; i < G_N_ELEMENTS(tib); i++) {
        DmRange boot = { 0, tib[i] << (40 - DM_PAGE_SHIFT) };
        DmEngine *e = dm_engine_new(&boot, 1, boot.count, DM_PROFILE_AUTO,
                                    &ops, NULL);

        g_assert_cmpuint(dm_state_max(e), <=, INT32_MAX);
        g_assert_cmpuint(dm_state_max(e), >=, before);
        before = dm_state_max(e);
        dm_engine_free(e);
    }
}

int main(int argc, char **argv)
{
    unsigned i;

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/state/random-runs", test_runs);
    for (i = 0; i < G_N_ELEMENTS(flights); i++) {
        g_autofree char *muted = g_strconcat("/state/in-flight/",
                                             flights[i].name, NULL);
        g_autofree char *full = g_strconcat("/state/ring-full/",
                                            flights[i].name, NULL);

        g_test_add_data_func(muted, &flights[i], test_in_flight);
        g_test_add_data_func(full, &flights[i], test_ring_full);
    }
    g_test_add_func("/state/two-sticks", test_two_sticks);
    g_test_add_func("/state/clock", test_clock);
    g_test_add_func("/state/worst-case", test_worst_case);
    g_test_add_func("/state/not-fresh", test_not_fresh);
    g_test_add_func("/state/other-layout", test_other_layout);
    g_test_add_func("/state/sizes", test_sizes);
    g_test_add_func("/state/other-version", test_other_version);
    for (i = 0; i < G_N_ELEMENTS(tampers); i++) {
        g_autofree char *path = g_strconcat("/state/tamper/",
                                            tampers[i].name, NULL);

        g_test_add_data_func(path, &tampers[i], test_tamper);
    }
    g_test_add_func("/state/too-large", test_too_large);
    g_test_add_func("/state/limit", test_limit);
    g_test_add_func("/hostile/24-corrupt-state", test_spoilt);
    return g_test_run();
}
