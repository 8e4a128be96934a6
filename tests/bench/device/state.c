/*
 * Benchmark: the engine's state, as a migration writes and reads it while the guest is stopped
 *
 * Half of a stick is released, in one pattern after the other. What bounds the time is a copy of as many bytes into memory that was never
 * used, measured in turns with ours; the best round counts, in CPU time.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "engine-int.h"
#include "state.h"

#define GIB_PAGES UINT64_C(262144)
#define ROUNDS 5
#define GRANULE 512            /* pages: 2 MiB */

typedef struct Pattern {
    const char *name;
    uint64_t unit;              /* pages released of each two units */
} Pattern;

static const Pattern patterns[] = {
    { "2 MiB runs", 512 },
    { "128 KiB runs", 32 },
    { "every other page", 1 },
};

typedef struct Times {
    double out, in, granules, copy;     /* seconds */
} Times;

/* A guest of 1 GiB and this stick. Its owner is never called here. */
static DmEngine *engine_new(DmRange stick)
{
    static const DmEngineOps ops = { 0 };
    DmRange boot = { 0, GIB_PAGES };
    DmEngine *engine = dm_engine_new(&boot, 1, boot.count, DM_PROFILE_AUTO, &ops, NULL);

    g_assert_true(dm_engine_plug(engine, 0, stick, true, NULL));
    return engine;
}

static double copy_time(const GByteArray *state)
{
    double start = bench_cpu();
    uint8_t *copy = malloc(state->len);

    memcpy(copy, state->data, state->len);
    g_assert_cmpint(copy[state->len - 1], ==, state->data[state->len - 1]);
    start = bench_cpu() - start;
    free(copy);
    return start;
}

/* Which granules of the stick are in use, as its destination asks. */
static double granules_time(const DmEngine *engine, DmRange stick)
{
    double start = bench_cpu();
    DmRange left = stick, run;

    while (dm_engine_next_in_use(engine, left, GRANULE, &run)) {
        left.first = range_end(run);
        left.count = range_end(stick) - left.first;
    }
    return bench_cpu() - start;
}

static void import(const GByteArray *state, DmRange stick, Times *best)
{
    DmEngine *engine = engine_new(stick);
    g_autoptr(GError) error = NULL;
    double start = bench_cpu();

    dm_state_import(engine, state->data, state->len, 0, &error);
    best->in = MIN(best->in, bench_cpu() - start);
    g_assert_no_error(error);
    g_assert_cmpuint(pageset_count(engine->regions.released), ==, stick.count / 2);
    best->granules = MIN(best->granules, granules_time(engine, stick));
    dm_engine_free(engine);
}

/* Returns the bytes of the state. */
static size_t one_round(const DmEngine *engine, DmRange stick, Times *best)
{
    double start = bench_cpu();
    GByteArray *state = dm_state_export(engine, 0);
    size_t bytes = state->len;

    best->out = MIN(best->out, bench_cpu() - start);
    import(state, stick, best);
    best->copy = MIN(best->copy, copy_time(state));
    g_byte_array_unref(state);
    return bytes;
}

static void there_and_back(const Pattern *p, uint64_t gib)
{
    DmRange stick = { 4 * GIB_PAGES, gib * GIB_PAGES };
    DmEngine *engine = engine_new(stick);
    Times best = { INFINITY, INFINITY, INFINITY, INFINITY };
    g_autofree char *name = g_strdup_printf("state, %" G_GUINT64_FORMAT " GiB of a stick of %" G_GUINT64_FORMAT " GiB released, %s: ",
                                            gib / 2, gib, p->name);
    size_t bytes = 0;
    uint64_t at;
    unsigned i;

    dm_regions_added(&engine->regions, stick);
    for (at = stick.first; at < range_end(stick); at += 2 * p->unit) {
        pageset_add(engine->regions.released, at, p->unit);
    }
    for (i = 0; i < ROUNDS; i++) {
        bytes = one_round(engine, stick, &best);
    }
    bench_pair(name, "size", bytes, stick.count / 8.0, "one bit per page", "bytes", false);
    bench_pair(name, "written", best.out * 1000, best.copy * 1000, "a copy of as many bytes", "ms", false);
    bench_pair(name, "read", best.in * 1000, best.copy * 1000, "a copy of as many bytes", "ms", false);
    bench_pair(name, "granules found", best.granules * 1000, best.copy * 1000, "a copy of as many bytes", "ms", false);
    dm_engine_free(engine);
}

void bench_state(bool smoke)
{
    unsigned i;

    for (i = 0; i < G_N_ELEMENTS(patterns); i++) {
        there_and_back(&patterns[i], smoke ? 2 : 1024);
    }
}
