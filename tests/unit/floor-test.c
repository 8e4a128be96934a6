/*
 * What a Linux guest keeps available, and when that explains nothing
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <glib.h>

#include "floor.h"

#define MIB UINT64_C(256)

/* The points between which the driver's rule is a straight line. */
static void test_rule(void)
{
    static const struct {
        uint64_t size, keeps;   /* MiB */
    } points[] = {
        { 0, 8 }, { 16, 16 }, { 32, 24 }, { 128, 72 }, { 512, 168 },
        { 2048, 360 }, { 8192, 744 }, { 32768, 1512 },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(points); i++) {
        g_assert_cmpuint(dm_floor_linux(points[i].size * MIB), ==,
                         points[i].keeps * MIB);
    }
    g_assert_cmpuint(dm_floor_linux(UINT64_MAX), >, 0);
}

static void test_ran_dry(void)
{
    g_assert_false(dm_floor_ran_dry(2048 * MIB, 0, 2048 * MIB));
    g_assert_false(dm_floor_ran_dry(2048 * MIB, 360 * MIB, 2048 * MIB));
    g_assert_false(dm_floor_ran_dry(2048 * MIB, (360 + 64) * MIB, 2048 * MIB));
    g_assert_true(dm_floor_ran_dry(2048 * MIB, (360 + 65) * MIB, 2048 * MIB));
    /* what is available may be memory that the kernel can use */
    g_assert_false(dm_floor_ran_dry(2048 * MIB, 1024 * MIB, 0));
    g_assert_false(dm_floor_ran_dry(2048 * MIB, 1024 * MIB, (360 + 64) * MIB));
}

static void test_old(void)
{
    uint64_t vendor = UINT64_C(0x8100) << 48;

    g_assert_true(dm_floor_counts_released(vendor | UINT64_C(0x0312ff) << 16));
    g_assert_true(dm_floor_counts_released(vendor | UINT64_C(0x050aff) << 16));
    g_assert_false(dm_floor_counts_released(vendor | UINT64_C(0x050b00) << 16));
    g_assert_false(dm_floor_counts_released(vendor | UINT64_C(0x070200) << 16));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/floor/rule", test_rule);
    g_test_add_func("/floor/ran-dry", test_ran_dry);
    g_test_add_func("/floor/counts-released", test_old);
    return g_test_run();
}
