/*
 * Fuzz target: a page set against one byte a page
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * An operation is five bytes: what, two of a page number, two of a count.
 */

#include <glib.h>
#include <string.h>

#include "pageset.h"
#include "target.h"

/* Three containers and a bit, in pages; numbers are spread over them. */
#define PAGES (3 * 65536 + 100)

typedef struct Pair {
    DmPageSet *set;
    uint8_t *oracle;
    uint64_t count;
} Pair;

static uint64_t fill(Pair *pair, uint64_t first, uint64_t count, bool value)
{
    uint64_t page, changed = 0;

    for (page = first; page < first + count; page++) {
        changed += pair->oracle[page] != value;
        pair->oracle[page] = value;
    }
    pair->count += value ? changed : -changed;
    return changed;
}

/* Every other page of the range: what makes runs many. */
static void comb(Pair *pair, uint64_t first, uint64_t count, bool value)
{
    uint64_t page;

    for (page = first; page < first + count; page += 2) {
        uint64_t changed = value ? dm_pageset_add(pair->set, page, 1)
                                 : dm_pageset_remove(pair->set, page, 1);

        g_assert_cmpuint(changed, ==, fill(pair, page, 1, value));
    }
}

static void check_next(const Pair *pair, uint64_t from, bool value)
{
    const uint8_t *found = memchr(pair->oracle + from, value, PAGES - from);
    const uint8_t *end;
    uint64_t first, count;
    bool any = value ? dm_pageset_next(pair->set, from, PAGES, &first, &count)
                     : dm_pageset_next_gap(pair->set, from, PAGES, &first,
                                           &count);

    g_assert_true(any == (found != NULL));
    if (found) {
        g_assert_cmpuint(first, ==, found - pair->oracle);
        end = memchr(found, !value, PAGES - first);
        g_assert_cmpuint(count, ==, end ? (uint64_t)(end - found)
                                        : PAGES - first);
    }
}

static void check_count(const Pair *pair, uint64_t first, uint64_t count)
{
    uint64_t page, n = 0;

    for (page = first; page < first + count; page++) {
        n += pair->oracle[page];
    }
    g_assert_cmpuint(dm_pageset_count_in(pair->set, first, count), ==, n);
}

static void operate(Pair *pair, const uint8_t *op)
{
    uint64_t first = (op[1] | (uint64_t)op[2] << 8) * 3 + op[0] / 64;
    uint64_t count = MIN(op[3] | (uint64_t)op[4] << 8, PAGES - first);

    switch (op[0] % 8) {
    case 0: case 1:
        g_assert_cmpuint(dm_pageset_add(pair->set, first, count), ==,
                         fill(pair, first, count, true));
        break;
    case 2: case 3:
        g_assert_cmpuint(dm_pageset_remove(pair->set, first, count), ==,
                         fill(pair, first, count, false));
        break;
    case 4:
        comb(pair, first, MIN(count, 8192), true);
        break;
    case 5:
        comb(pair, first, MIN(count, 8192), false);
        break;
    case 6:
        check_next(pair, first, op[0] & 8);
        break;
    default:
        check_count(pair, first, count);
    }
    g_assert_cmpuint(dm_pageset_count(pair->set), ==, pair->count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    Pair pair = { dm_pageset_new(), g_malloc0(PAGES), 0 };
    size_t at;

    for (at = 0; at + 5 <= MIN(len, 500); at += 5) {
        operate(&pair, data + at);
    }
    check_next(&pair, 0, true);
    check_next(&pair, 0, false);
    check_count(&pair, 0, PAGES);
    /* At worst a bit a page, and what a container itself takes. */
    g_assert_cmpuint(dm_pageset_bytes(pair.set), <=, 4 * (8192 + 256) + 256);
    dm_pageset_free(pair.set);
    g_free(pair.oracle);
    return 0;
}
