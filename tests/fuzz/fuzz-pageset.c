/*
 * Fuzz target: a page set against one byte a page
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <string.h>

#include "fuzz.h"
#include "pageset.h"

/* A little more than two containers, across their borders. */
#define BASE UINT64_C(65500)
#define SPAN 131200

static uint8_t oracle[SPAN];

static uint64_t fill(uint64_t first, uint64_t count, uint8_t value)
{
    uint64_t i, changed = 0;

    for (i = first; i < first + count; i++) {
        changed += oracle[i] != value;
        oracle[i] = value;
    }
    return changed;
}

static void check(const DmPageSet *set, uint64_t from, bool value)
{
    uint64_t first, count, i = from;
    bool found = value ? dm_pageset_next(set, BASE + from, BASE + SPAN,
                                         &first, &count)
                       : dm_pageset_next_gap(set, BASE + from, BASE + SPAN,
                                             &first, &count);

    while (i < SPAN && oracle[i] != value) {
        i++;
    }
    g_assert_cmpint(found, ==, i < SPAN);
    if (found) {
        g_assert_cmpuint(first, ==, BASE + i);
        while (i < SPAN && oracle[i] == value) {
            i++;
        }
        g_assert_cmpuint(first + count, ==, BASE + i);
    }
}

static void step(DmPageSet *set, FuzzInput *input)
{
    uint32_t op = fuzz_pick(input, 256);
    uint32_t first = fuzz_pick(input, SPAN);
    uint32_t count = fuzz_pick(input, op & 2 ? 200 : SPAN);

    count = MIN(count, SPAN - first);
    if (op & 4) {
        check(set, first, op & 1);
    } else if (op & 1) {
        g_assert_cmpuint(dm_pageset_add(set, BASE + first, count), ==,
                         fill(first, count, 1));
    } else {
        g_assert_cmpuint(dm_pageset_remove(set, BASE + first, count), ==,
                         fill(first, count, 0));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    FuzzInput input = { data, MIN(len, 4096) };
    DmPageSet *set = dm_pageset_new();
    uint64_t i, n = 0;

    memset(oracle, 0, sizeof(oracle));
    while (input.left) {
        step(set, &input);
    }
    for (i = 0; i < SPAN; i++) {
        n += oracle[i];
    }
    g_assert_cmpuint(dm_pageset_count(set), ==, n);
    g_assert_cmpuint(dm_pageset_count_in(set, BASE, SPAN), ==, n);
    dm_pageset_free(set);
    return 0;
}
