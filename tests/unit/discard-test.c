/*
 * Which host pages a released run frees
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <glib.h>

#include "discard.h"

#define HUGE 512

/* Pages that the guest has none of, besides the run in question. */
static bool within(DmRange range, void *opaque)
{
    const DmRange *gone = opaque;

    return range.first >= gone->first &&
           range.first + range.count <= gone->first + gone->count;
}

static void check(DmRange run, DmRange gone, DmRange want)
{
    DmRange units;

    g_assert_cmpint(dm_discard_units(run, HUGE, within, &gone, &units), ==,
                    want.count > 0);
    if (want.count) {
        g_assert_cmpuint(units.first, ==, want.first);
        g_assert_cmpuint(units.count, ==, want.count);
    }
}

static void test_whole(void)
{
    check((DmRange) { HUGE, HUGE }, (DmRange) { 0, 0 },
          (DmRange) { HUGE, HUGE });
}

static void test_part(void)
{
    check((DmRange) { HUGE + 1, 100 }, (DmRange) { 0, 0 },
          (DmRange) { 0, 0 });
    check((DmRange) { HUGE + 1, 2 * HUGE }, (DmRange) { 0, 0 },
          (DmRange) { 2 * HUGE, HUGE });
}

/* The last page that was missing frees the unit. */
static void test_completed(void)
{
    check((DmRange) { HUGE + 1, HUGE - 1 }, (DmRange) { HUGE, 1 },
          (DmRange) { HUGE, HUGE });
    check((DmRange) { HUGE, 1 }, (DmRange) { HUGE + 1, HUGE - 1 },
          (DmRange) { HUGE, HUGE });
}

static void test_small_unit(void)
{
    DmRange units, gone = { 0, 0 };

    g_assert_true(dm_discard_units((DmRange) { 7, 3 }, 1, within, &gone,
                                   &units));
    g_assert_cmpuint(units.first, ==, 7);
    g_assert_cmpuint(units.count, ==, 3);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/discard/whole", test_whole);
    g_test_add_func("/discard/part", test_part);
    g_test_add_func("/discard/completed", test_completed);
    g_test_add_func("/discard/small-unit", test_small_unit);
    return g_test_run();
}
