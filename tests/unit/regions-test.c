/*
 * The accounting of boot memory, sticks and ghosts, without any protocol
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <glib.h>

#include "regions.h"

#define MIB UINT64_C(256)
#define BLOCK (128 * MIB)
#define STICKS (4096 * MIB)

static const DmRange boot[] = { { 0, 0xa0 }, { 0x100, 1024 * MIB - 0x100 } };

static void init(DmRegions *r)
{
    dm_regions_init(r, boot, 2, 1024 * MIB);
}

static void plug(DmRegions *r, unsigned id, uint64_t first, uint64_t count)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(dm_regions_plug(r, id, (DmRange) { first, count }, true,
                                  &error));
    g_assert_no_error(error);
}

static void check_add(const DmRegions *r, uint64_t want, DmRange range,
                      DmRange region)
{
    DmHotAdd add;

    g_assert_true(dm_regions_pick_hot_add(r, want, BLOCK, UINT64_MAX / 2, false,
                                          &add));
    g_assert_cmphex(add.range.first, ==, range.first);
    g_assert_cmphex(add.range.count, ==, range.count);
    g_assert_cmphex(add.region.count, ==, region.count);
    if (region.count) {
        g_assert_cmphex(add.region.first, ==, region.first);
    }
}

static void check_none(const DmRegions *r)
{
    DmHotAdd add;

    g_assert_false(dm_regions_pick_hot_add(r, 1, BLOCK, UINT64_MAX / 2, false,
                                           &add));
}

static void test_actual(void)
{
    PageSet *discard = pageset_new();
    DmReleased result;
    DmRegions r;

    init(&r);
    g_assert_cmpuint(dm_regions_actual(&r), ==, 1024 * MIB);
    result = dm_regions_release(&r, (DmRange) { 0x90, 0x100 }, discard);
    g_assert_cmpuint(result.fresh, ==, 0x10 + 0x90);
    g_assert_cmpuint(result.dropped, ==, 0x60);
    g_assert_cmpuint(pageset_count(discard), ==, 0xa0);
    result = dm_regions_release(&r, (DmRange) { 0x9f, 1 }, discard);
    g_assert_cmpuint(result.duplicate, ==, 1);
    g_assert_cmpuint(dm_regions_actual(&r), ==, 1024 * MIB - 0xa0);
    g_assert_true(dm_regions_is_released(&r, (DmRange) { 0x100, 0x90 }));
    g_assert_false(dm_regions_is_released(&r, (DmRange) { 0x100, 0x91 }));
    pageset_free(discard);
    dm_regions_clear(&r);
}

static void test_hot_add_rounds_up(void)
{
    DmRegions r;

    init(&r);
    plug(&r, 0, STICKS, 1024 * MIB);
    check_add(&r, 1, (DmRange) { STICKS, BLOCK }, (DmRange) { STICKS, BLOCK });
    check_add(&r, BLOCK + 1, (DmRange) { STICKS, 2 * BLOCK },
              (DmRange) { STICKS, 2 * BLOCK });
    dm_regions_added(&r, (DmRange) { STICKS, BLOCK });
    check_add(&r, 1, (DmRange) { STICKS + BLOCK, BLOCK },
              (DmRange) { STICKS + BLOCK, BLOCK });
    dm_regions_clear(&r);
}

static void test_hot_add_limit(void)
{
    DmHotAdd add;
    DmRegions r;

    init(&r);
    plug(&r, 0, STICKS, 1024 * MIB);
    g_assert_true(dm_regions_pick_hot_add(&r, 1024 * MIB, BLOCK, 300 * MIB, false,
                                          &add));
    g_assert_cmpuint(add.range.count, ==, 2 * BLOCK);
    g_assert_true(dm_regions_pick_hot_add(&r, 1024 * MIB, BLOCK, 1, false, &add));
    g_assert_cmpuint(add.range.count, ==, BLOCK);
    dm_regions_clear(&r);
}

/* A block of which the guest has the first part goes on without a region. */
static void test_hot_add_continues(void)
{
    DmRegions r;

    init(&r);
    plug(&r, 0, STICKS, 50 * MIB);
    check_add(&r, 1, (DmRange) { STICKS, 50 * MIB },
              (DmRange) { STICKS, BLOCK });
    dm_regions_added(&r, (DmRange) { STICKS, 50 * MIB });
    check_none(&r);
    plug(&r, 1, STICKS + 50 * MIB, 500 * MIB);
    check_add(&r, 1, (DmRange) { STICKS + 50 * MIB, 78 * MIB },
              (DmRange) { 0, 0 });
    dm_regions_clear(&r);
}

/* The guest has the end of a block: its start cannot be added any more. */
static void test_hot_add_below_touched(void)
{
    DmRegions r;

    init(&r);
    plug(&r, 0, STICKS + 64 * MIB, 64 * MIB);
    dm_regions_added(&r, (DmRange) { STICKS + 64 * MIB, 64 * MIB });
    plug(&r, 1, STICKS, 64 * MIB);
    check_none(&r);
    g_assert_cmpuint(dm_regions_ungranted(&r), ==, 64 * MIB);
    dm_regions_clear(&r);
}

static void test_hot_add_starts_inside_block(void)
{
    DmRegions r;

    init(&r);
    plug(&r, 0, STICKS + 64 * MIB, 500 * MIB);
    check_add(&r, 500 * MIB, (DmRange) { STICKS + 64 * MIB, 64 * MIB },
              (DmRange) { STICKS, BLOCK });
    dm_regions_clear(&r);
}

static const DmHotAdd one_block = { { STICKS, BLOCK }, { STICKS, BLOCK },
                                    STICKS + BLOCK };

static void test_unusable_is_a_barrier(void)
{
    DmRegions r;

    init(&r);
    plug(&r, 0, STICKS, 512 * MIB);
    dm_regions_added(&r, (DmRange) { STICKS, 10 });
    dm_regions_refused(&r, &one_block, 10);
    check_add(&r, 1, (DmRange) { STICKS + BLOCK, BLOCK },
              (DmRange) { STICKS + BLOCK, BLOCK });
    dm_regions_clear(&r);
}

/* The guest has the region on record: no other request may touch it. */
static void test_postponed(void)
{
    DmRegions r;

    init(&r);
    plug(&r, 0, STICKS, BLOCK);
    dm_regions_postpone(&r, &one_block);
    plug(&r, 1, STICKS + BLOCK, BLOCK);
    check_add(&r, 2 * BLOCK, one_block.range, one_block.region);
    dm_regions_unplug(&r, 0);
    check_add(&r, 1, (DmRange) { STICKS + BLOCK, BLOCK },
              (DmRange) { STICKS + BLOCK, BLOCK });
    plug(&r, 2, STICKS, BLOCK);
    dm_regions_added(&r, (DmRange) { STICKS + BLOCK, BLOCK });
    check_none(&r);
    dm_regions_clear(&r);
}

/* In turn, and a place that was not tried before in between. */
static void test_postponed_elsewhere(void)
{
    DmHotAdd first, add;
    DmRegions r;
    unsigned i;

    init(&r);
    plug(&r, 0, STICKS, 6 * BLOCK);
    for (i = 0; i < DM_MAX_POSTPONED; i++) {
        g_assert_true(dm_regions_pick_hot_add(&r, 1, BLOCK, 1, true, &add));
        g_assert_cmphex(add.range.first, ==, STICKS + i * BLOCK);
        g_assert_false(dm_regions_postpone(&r, &add));
        g_assert_true(dm_regions_pick_hot_add(&r, 1, BLOCK, 1, false,
                                              &first));
        g_assert_cmphex(first.range.first, ==, STICKS);
    }
    /* No more of them than can be remembered. */
    g_assert_true(dm_regions_pick_hot_add(&r, 1, BLOCK, 1, true, &add));
    g_assert_cmphex(add.range.first, ==, STICKS);
    g_assert_true(dm_regions_postpone(&r, &add));
    g_assert_true(dm_regions_pick_hot_add(&r, 1, BLOCK, 1, true, &add));
    g_assert_cmphex(add.range.first, ==, STICKS + BLOCK);
    dm_regions_added(&r, add.range);
    g_assert_true(dm_regions_pick_hot_add(&r, 1, BLOCK, 1, true, &add));
    g_assert_cmphex(add.range.first, ==, STICKS + 4 * BLOCK);
    dm_regions_clear(&r);
}

/* The rest of the block is out of bounds, whatever is plugged there later. */
static void test_postponed_continued(void)
{
    DmHotAdd add;
    DmRegions r;

    init(&r);
    plug(&r, 0, STICKS, 64 * MIB);
    dm_regions_added(&r, (DmRange) { STICKS, 32 * MIB });
    g_assert_true(dm_regions_pick_hot_add(&r, 1, BLOCK, 1, false, &add));
    g_assert_cmphex(add.range.first, ==, STICKS + 32 * MIB);
    dm_regions_postpone(&r, &add);
    plug(&r, 1, STICKS + 64 * MIB, BLOCK);
    g_assert_true(dm_regions_pick_hot_add(&r, 1, BLOCK, 1, true, &add));
    g_assert_cmphex(add.range.first, ==, STICKS + BLOCK);
    dm_regions_clear(&r);
}

static void test_new_driver(void)
{
    DmRegions r;

    init(&r);
    plug(&r, 0, STICKS, 2 * BLOCK + 64 * MIB);
    dm_regions_added(&r, (DmRange) { STICKS, BLOCK + 64 * MIB });
    dm_regions_new_driver(&r, BLOCK);
    check_add(&r, 1, (DmRange) { STICKS + 2 * BLOCK, 64 * MIB },
              (DmRange) { STICKS + 2 * BLOCK, BLOCK });
    dm_regions_clear(&r);
}

/* Of boot memory it has everything; of sticks, nobody knows what. */
static void test_new_kernel(void)
{
    DmRegions r;

    init(&r);
    plug(&r, 0, STICKS, 2 * BLOCK);
    dm_regions_added(&r, (DmRange) { STICKS, BLOCK });
    dm_regions_not_onlined(&r, (DmRange) { STICKS + 10 * MIB, 5 * MIB });
    dm_regions_release(&r, (DmRange) { 0x200, 10 }, NULL);
    dm_regions_release(&r, (DmRange) { STICKS + MIB, MIB }, NULL);
    dm_regions_new_kernel(&r);
    g_assert_cmpuint(dm_regions_actual(&r), ==, 1024 * MIB);
    g_assert_cmpuint(dm_regions_in_doubt(&r), ==, BLOCK - MIB);
    g_assert_cmpuint(pageset_count(r.released), ==, MIB);
    g_assert_null(dm_regions_fault(&r));
    dm_regions_clear(&r);
}

/* Every second page of a stick is released: to be in doubt of all the others
 * takes no room, and so no time. */
static void test_new_kernel_scattered(void)
{
    DmRegions r;
    size_t before;
    uint64_t page;

    init(&r);
    plug(&r, 0, STICKS, 32 * BLOCK);
    dm_regions_added(&r, (DmRange) { STICKS, 32 * BLOCK });
    for (page = STICKS; page < STICKS + 32 * BLOCK; page += 2) {
        dm_regions_release(&r, (DmRange) { page, 1 }, NULL);
    }
    before = dm_regions_bytes(&r);
    dm_regions_new_kernel(&r);
    g_assert_cmpuint(dm_regions_in_doubt(&r), ==, 16 * BLOCK);
    g_assert_cmpuint(dm_regions_actual(&r), ==, 1024 * MIB);
    g_assert_cmpuint(dm_regions_bytes(&r), <=, before);
    g_assert_null(dm_regions_fault(&r));
    dm_regions_clear(&r);
}

static void test_offline(void)
{
    DmRegions r;

    init(&r);
    plug(&r, 0, STICKS, BLOCK);
    dm_regions_added(&r, (DmRange) { STICKS, BLOCK });
    dm_regions_not_onlined(&r, (DmRange) { STICKS, BLOCK });
    g_assert_cmpuint(dm_regions_actual(&r), ==, 1024 * MIB);
    g_assert_cmpint(dm_regions_stick_state(&r, dm_regions_stick(&r, 0)), ==,
                    DM_STICK_INUSE);
    /* What it can release it had in use. */
    dm_regions_release(&r, (DmRange) { STICKS, MIB }, NULL);
    g_assert_cmpuint(dm_regions_actual(&r), ==, 1024 * MIB);
    g_assert_null(dm_regions_fault(&r));
    dm_regions_all_onlined(&r);
    g_assert_cmpuint(dm_regions_actual(&r), ==, 1024 * MIB + BLOCK - MIB);
    dm_regions_clear(&r);
}

/* It may have declared the whole block: the rest of it is not safe. */
static void test_add_in_doubt(void)
{
    DmHotAdd half = { { STICKS, 64 * MIB }, { STICKS, BLOCK },
                      STICKS + BLOCK };
    DmRegions r;

    init(&r);
    plug(&r, 0, STICKS, 64 * MIB);
    dm_regions_add_doubt(&r, &half);
    plug(&r, 1, STICKS + 64 * MIB, 64 * MIB);
    check_none(&r);
    g_assert_cmpuint(dm_regions_actual(&r), ==, 1024 * MIB);
    dm_regions_clear(&r);
}

static void test_ghosts(void)
{
    DmRegions r;

    init(&r);
    plug(&r, 0, STICKS, BLOCK);
    dm_regions_added(&r, (DmRange) { STICKS, BLOCK });
    dm_regions_release(&r, (DmRange) { STICKS, BLOCK }, NULL);
    dm_regions_unplug(&r, 0);
    g_assert_cmpuint(pageset_count(r.ghosts), ==, BLOCK);
    g_assert_cmpuint(dm_regions_actual(&r), ==, 1024 * MIB);
    plug(&r, 1, STICKS + 64 * MIB, BLOCK);
    g_assert_cmpuint(pageset_count(r.ghosts), ==, 64 * MIB);
    g_assert_cmpuint(pageset_count(r.released), ==, 64 * MIB);
    check_add(&r, 1, (DmRange) { STICKS + BLOCK, 64 * MIB },
              (DmRange) { STICKS + BLOCK, BLOCK });
    dm_regions_clear(&r);
}

static void test_return_order(void)
{
    DmRange ranges[8];
    DmRegions r;

    init(&r);
    plug(&r, 0, STICKS, BLOCK);
    plug(&r, 1, STICKS + BLOCK, BLOCK);
    dm_regions_added(&r, (DmRange) { STICKS, 2 * BLOCK });
    dm_regions_release(&r, (DmRange) { STICKS, BLOCK + 5 }, NULL);
    dm_regions_release(&r, (DmRange) { 0x200, 7 }, NULL);
    g_assert_cmpuint(dm_regions_pick_return(&r, 20, ranges, 8), ==, 3);
    g_assert_cmphex(ranges[0].first, ==, 0x200);
    g_assert_cmphex(ranges[1].first, ==, STICKS + BLOCK);
    g_assert_cmphex(ranges[2].first, ==, STICKS);
    g_assert_cmpuint(ranges[2].count, ==, 20 - 7 - 5);
    g_assert_cmpuint(dm_regions_pick_return(&r, 20, ranges, 1), ==, 1);
    dm_regions_clear(&r);
}

static void test_doubt(void)
{
    DmReleased result;
    DmRange range;
    DmRegions r;

    init(&r);
    dm_regions_release(&r, (DmRange) { 0x200, 100 }, NULL);
    dm_regions_return_doubt(&r, (DmRange) { 0x200, 100 });
    g_assert_cmpuint(dm_regions_actual(&r), ==, 1024 * MIB - 100);
    g_assert_cmpuint(dm_regions_pick_return(&r, 100, &range, 1), ==, 0);
    /* The guest had them, if it releases them. */
    result = dm_regions_release(&r, (DmRange) { 0x210, 101 }, NULL);
    g_assert_cmpuint(result.fresh, ==, 101);
    g_assert_cmpuint(result.duplicate, ==, 0);
    g_assert_cmpuint(dm_regions_in_doubt(&r), ==, 16);
    g_assert_null(dm_regions_fault(&r));
    dm_regions_clear(&r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/regions/actual", test_actual);
    g_test_add_func("/regions/hot-add/rounds-up", test_hot_add_rounds_up);
    g_test_add_func("/regions/hot-add/limit", test_hot_add_limit);
    g_test_add_func("/regions/hot-add/continues", test_hot_add_continues);
    g_test_add_func("/regions/hot-add/below-touched",
                    test_hot_add_below_touched);
    g_test_add_func("/regions/hot-add/inside-block",
                    test_hot_add_starts_inside_block);
    g_test_add_func("/regions/hot-add/barrier", test_unusable_is_a_barrier);
    g_test_add_func("/regions/hot-add/postponed", test_postponed);
    g_test_add_func("/regions/hot-add/postponed-elsewhere",
                    test_postponed_elsewhere);
    g_test_add_func("/regions/hot-add/postponed-continued",
                    test_postponed_continued);
    g_test_add_func("/regions/new-driver", test_new_driver);
    g_test_add_func("/regions/new-kernel", test_new_kernel);
    g_test_add_func("/regions/new-kernel/scattered",
                    test_new_kernel_scattered);
    g_test_add_func("/regions/offline", test_offline);
    g_test_add_func("/regions/hot-add/in-doubt", test_add_in_doubt);
    g_test_add_func("/regions/ghosts", test_ghosts);
    g_test_add_func("/regions/return-order", test_return_order);
    g_test_add_func("/regions/doubt", test_doubt);
    return g_test_run();
}
