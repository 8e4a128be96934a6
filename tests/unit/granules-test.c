/*
 * Granules against a plain array of them; failing listeners
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <glib.h>
#include <string.h>

#include "qemu/granules.h"

#define GRANULE 8
#define N 64
#define SIZE (N * GRANULE)

/* Whoever is told: what it was told of must be new to it each time. */
typedef struct Listener {
    bool mapped[N];
    int fail_at;                /* granule that it refuses; -1: none */
    uint64_t bytes;
} Listener;

static int map(uint64_t offset, uint64_t size, void *opaque)
{
    Listener *l = opaque;
    uint64_t i;

    g_assert_cmpuint(offset % GRANULE, ==, 0);
    g_assert_cmpuint(size % GRANULE, ==, 0);
    for (i = offset / GRANULE; i < (offset + size) / GRANULE; i++) {
        if ((int)i == l->fail_at) {
            return -5;
        }
    }
    for (i = offset / GRANULE; i < (offset + size) / GRANULE; i++) {
        g_assert_false(l->mapped[i]);
        l->mapped[i] = true;
    }
    return 0;
}

static int unmap(uint64_t offset, uint64_t size, void *opaque)
{
    Listener *l = opaque;
    uint64_t i;

    for (i = offset / GRANULE; i < (offset + size) / GRANULE; i++) {
        g_assert_true(l->mapped[i]);
        l->mapped[i] = false;
    }
    return 0;
}

static int count(uint64_t offset, uint64_t size, void *opaque)
{
    (void)offset;
    ((Listener *)opaque)->bytes += size;
    return 0;
}

static bool model_populated(const Listener *l, uint64_t offset, uint64_t size)
{
    uint64_t i;

    for (i = offset; i < offset + size; i++) {
        if (!l->mapped[i / GRANULE]) {
            return false;
        }
    }
    return true;
}

static uint64_t model_bytes(const Listener *l, uint64_t offset, uint64_t size)
{
    uint64_t i, n = 0;

    for (i = offset; i < offset + size; i++) {
        n += l->mapped[i / GRANULE];
    }
    return n;
}

static void check(const Granules *g, Listener *l, uint64_t offset,
                  uint64_t size)
{
    uint64_t populated = model_bytes(l, offset, size);

    g_assert_cmpint(granules_populated(g, offset, size), ==,
                    model_populated(l, offset, size));
    l->bytes = 0;
    g_assert_cmpint(granules_replay(g, true, offset, size, count, l), ==,
                    0);
    g_assert_cmpuint(l->bytes, ==, populated);
    l->bytes = 0;
    g_assert_cmpint(granules_replay(g, false, offset, size, count, l), ==,
                    0);
    g_assert_cmpuint(l->bytes, ==, size - populated);
}

static void test_edges(void)
{
    Granules *g = granules_new(SIZE, GRANULE);
    Listener l = { .fail_at = -1 };

    g_assert_cmpuint(granules_size(g), ==, GRANULE);
    /* one byte needs its granule; all but one byte do not free it */
    g_assert_cmpint(granules_populate(g, 9, 1, map, unmap, &l), ==, 0);
    g_assert_true(l.mapped[1] && !l.mapped[0] && !l.mapped[2]);
    granules_discard(g, 9, 2 * GRANULE, unmap, &l);
    g_assert_true(l.mapped[1]);
    granules_discard(g, 8, 7, unmap, &l);
    g_assert_true(l.mapped[1]);
    granules_discard(g, 0, SIZE, unmap, &l);
    g_assert_false(l.mapped[1]);
    granules_free(g);
}

/* If one refuses, nobody has anything that it did not have before. */
static void test_refused(void)
{
    Granules *g = granules_new(SIZE, GRANULE);
    Listener l = { .fail_at = -1 }, before;

    granules_populate(g, 4 * GRANULE, GRANULE, map, unmap, &l);
    granules_populate(g, 8 * GRANULE, GRANULE, map, unmap, &l);
    l.fail_at = 10;
    before = l;
    g_assert_cmpint(granules_populate(g, 0, SIZE, map, unmap, &l), ==, -5);
    g_assert_cmpmem(&l, sizeof(l), &before, sizeof(before));
    check(g, &l, 0, SIZE);
    l.fail_at = -1;
    g_assert_cmpint(granules_populate(g, 0, SIZE, map, unmap, &l), ==, 0);
    g_assert_true(granules_populated(g, 0, SIZE));
    granules_free(g);
}

/* What the guest has is populated, whether or not all can map it. */
static void test_anyway(void)
{
    Granules *g = granules_new(SIZE, GRANULE);
    Listener l = { .fail_at = 10 };
    unsigned i;

    granules_populate(g, 4 * GRANULE, GRANULE, map, unmap, &l);
    granules_populate(g, 20 * GRANULE, GRANULE, map, unmap, &l);
    granules_populate_anyway(g, 1, 30 * GRANULE - 1, map, &l);
    g_assert_true(granules_populated(g, 0, 30 * GRANULE));
    g_assert_false(granules_populated(g, 0, 30 * GRANULE + 1));
    for (i = 0; i < N; i++) {
        /* the run that it refuses a granule of is not mapped */
        g_assert_cmpint(l.mapped[i], ==, i < 5 || (i >= 20 && i < 30));
    }
    granules_free(g);
}

static void test_random(void)
{
    Granules *g = granules_new(SIZE, GRANULE);
    Listener l = { .fail_at = -1 };
    unsigned i;

    for (i = 0; i < 20000; i++) {
        uint64_t offset = g_test_rand_int_range(0, SIZE);
        uint64_t size = g_test_rand_int_range(1, SIZE - offset + 1);

        l.fail_at = g_test_rand_int_range(-3 * N, N);
        if (g_test_rand_bit()) {
            granules_populate(g, offset, size, map, unmap, &l);
        } else {
            granules_discard(g, offset, size, unmap, &l);
        }
        offset = g_test_rand_int_range(0, SIZE);
        check(g, &l, offset, g_test_rand_int_range(1, SIZE - offset + 1));
    }
    granules_free(g);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/granules/edges", test_edges);
    g_test_add_func("/granules/refused", test_refused);
    g_test_add_func("/granules/anyway", test_anyway);
    g_test_add_func("/granules/random", test_random);
    return g_test_run();
}
