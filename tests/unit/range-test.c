/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * range-test.c: free address ranges between sticks
 */

#include "qemu_hvballoon_range.h"

#define MIB (1024 * 1024ULL)
#define GIB (1024 * MIB)

typedef struct {
    const char *name;
    qemuHvBalloonRange space;
    qemuHvBalloonRange taken[4];    /* up to the first without a size */
    guint64 granule;
    guint64 largest;
} Case;

static const Case cases[] = {
    { "nothing-taken", { 4 * GIB, 7 * GIB }, { { 0, 0 } }, 2 * MIB, 7 * GIB },
    { "all-taken", { 4 * GIB, 2 * GIB }, { { 4 * GIB, 2 * GIB } }, 2 * MIB, 0 },
    { "at-the-start", { 4 * GIB, 7 * GIB }, { { 7 * GIB, 4 * GIB } }, 2 * MIB, 3 * GIB },
    { "at-the-end", { 4 * GIB, 7 * GIB }, { { 4 * GIB, 4 * GIB } }, 2 * MIB, 3 * GIB },
    /* 4 GiB are free, none of the holes has more than 2 */
    { "fragmented", { 4 * GIB, 7 * GIB },
      { { 4 * GIB, 1 * GIB }, { 6 * GIB, 1 * GIB }, { 9 * GIB, 1 * GIB } }, 2 * MIB, 2 * GIB },
    { "two-in-a-row", { 4 * GIB, 4 * GIB }, { { 5 * GIB, 1 * GIB }, { 6 * GIB, 1 * GIB } }, 2 * MIB, 1 * GIB },
    /* a stick of 1 GiB pages starts at a multiple of 1 GiB */
    { "alignment-of-the-start", { 4 * GIB, 4 * GIB }, { { 4 * GIB, 2 * MIB }, { 7 * GIB, 1 * GIB } }, 1 * GIB, 2 * GIB },
    { "alignment-of-the-size", { 4 * GIB, 4 * GIB }, { { 6 * GIB + 2 * MIB, 2 * GIB } }, 1 * GIB, 2 * GIB },
    { "alignment-leaves-nothing", { 4 * GIB, 2 * GIB }, { { 5 * GIB - 2 * MIB, 4 * MIB } }, 1 * GIB, 0 },
    { "less-than-a-granule", { 4 * GIB, 1 * MIB }, { { 0, 0 } }, 2 * MIB, 0 },
    { "odd-start", { 4 * GIB + 1, 6 * MIB }, { { 0, 0 } }, 2 * MIB, 4 * MIB },
    { "empty", { 4 * GIB, 0 }, { { 0, 0 } }, 2 * MIB, 0 },
    /* none of this can be, and none of it does harm */
    { "below-the-space", { 4 * GIB, 2 * GIB }, { { 1 * GIB, 1 * GIB } }, 2 * MIB, 2 * GIB },
    { "above-the-space", { 4 * GIB, 2 * GIB }, { { 8 * GIB, 1 * GIB } }, 2 * MIB, 2 * GIB },
    { "over-the-end", { 4 * GIB, 2 * GIB }, { { 5 * GIB, 4 * GIB } }, 2 * MIB, 1 * GIB },
    { "over-each-other", { 4 * GIB, 4 * GIB }, { { 4 * GIB, 3 * GIB }, { 5 * GIB, 1 * GIB } }, 2 * MIB, 1 * GIB },
    { "end-of-all-addresses", { G_MAXUINT64 - 4 * MIB, 8 * MIB }, { { G_MAXUINT64 - 1, 8 * MIB } }, 2 * MIB, 2 * MIB },
};

static void
testCase(gconstpointer opaque)
{
    const Case *c = opaque;
    size_t n = 0;

    while (n < G_N_ELEMENTS(c->taken) && c->taken[n].size > 0)
        n++;

    g_assert_cmpuint(qemuHvBalloonLargestFree(&c->space, c->taken, n, c->granule), ==, c->largest);
}


/* Is @size free at @address? */
static gboolean
isFree(const qemuHvBalloonRange *space, const qemuHvBalloonRange *taken, size_t n, guint64 address, guint64 size)
{
    size_t i;

    if (address < space->start || address + size > space->start + space->size)
        return FALSE;

    for (i = 0; i < n; i++) {
        if (address < taken[i].start + taken[i].size && taken[i].start < address + size)
            return FALSE;
    }
    return TRUE;
}


/* What is said to fit does, at some address, and nothing larger at any. */
static void
testAnyLayout(void)
{
    GRand *r = g_rand_new_with_seed(1);
    int round;

    for (round = 0; round < 2000; round++) {
        qemuHvBalloonRange space = { g_rand_int_range(r, 0, 20), g_rand_int_range(r, 0, 60) };
        guint64 granule = g_rand_int_range(r, 1, 6);
        qemuHvBalloonRange taken[6];
        size_t n = g_rand_int_range(r, 0, G_N_ELEMENTS(taken) + 1);
        guint64 next = space.start;
        guint64 largest = 0;
        guint64 address;
        guint64 size;
        size_t i;

        for (i = 0; i < n; i++) {
            taken[i].start = next + g_rand_int_range(r, 0, 12);
            taken[i].size = g_rand_int_range(r, 1, 8);
            next = taken[i].start + taken[i].size;
        }

        for (address = 0; address < 80; address += granule) {
            for (size = granule; size <= 60; size += granule) {
                if (isFree(&space, taken, n, address, size))
                    largest = MAX(largest, size);
            }
        }
        g_assert_cmpuint(qemuHvBalloonLargestFree(&space, taken, n, granule), ==, largest);
    }

    g_rand_free(r);
}


int
main(int argc, char **argv)
{
    size_t i;

    g_test_init(&argc, &argv, NULL);

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/range/%s", cases[i].name);

        g_test_add_data_func(path, &cases[i], testCase);
    }
    g_test_add_func("/range/any-layout", testAnyLayout);

    return g_test_run();
}
