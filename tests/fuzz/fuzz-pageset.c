/*
 * Fuzz target: a page set against one byte a page
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <string.h>

#include "fuzz.h"
#include "qemu/pageset.h"

/* A little more than five containers, across their borders: enough for full
 * ones to be joined and parted. */
#define BASE UINT64_C(65500)
#define SPAN 327800
/* What happens in the oracle is nothing for a fuzzer to learn from. */
#ifdef __clang__
#define PLAIN __attribute__((no_sanitize("address", "undefined", "coverage")))
#else
#define PLAIN
#endif

static uint8_t oracle[SPAN];

PLAIN static uint64_t fill(uint64_t first, uint64_t count, uint8_t value)
{
    uint64_t i, changed = 0;

    for (i = first; i < first + count; i++) {
        changed += oracle[i] != value;
        oracle[i] = value;
    }
    return changed;
}

PLAIN static uint64_t skip(uint64_t i, uint8_t value)
{
    while (i < SPAN && oracle[i] == value) {
        i++;
    }
    return i;
}

static void check(const PageSet *set, uint64_t from, bool value)
{
    uint64_t first, count, i = skip(from, !value);
    bool found = value ? pageset_next(set, BASE + from, BASE + SPAN,
                                      &first, &count)
                       : pageset_next_gap(set, BASE + from, BASE + SPAN,
                                          &first, &count);

    g_assert_cmpint(found, ==, i < SPAN);
    if (found) {
        g_assert_cmpuint(first, ==, BASE + i);
        g_assert_cmpuint(first + count, ==, BASE + skip(i, value));
    }
}

static void step(PageSet *set, FuzzInput *input)
{
    uint32_t op = fuzz_pick(input, 256);
    uint32_t first = fuzz_pick(input, SPAN);
    uint32_t count = fuzz_pick(input, op & 2 ? 200 : SPAN);

    count = MIN(count, SPAN - first);
    if (op & 4) {
        check(set, first, op & 1);
    } else if (op & 1) {
        g_assert_cmpuint(pageset_add(set, BASE + first, count), ==,
                         fill(first, count, 1));
    } else {
        g_assert_cmpuint(pageset_remove(set, BASE + first, count), ==,
                         fill(first, count, 0));
    }
}

/* Every run, from the first to the last. */
static void check_all(const PageSet *set)
{
    uint64_t at = skip(0, 0), n = 0, first, count;

    for (; at < SPAN; at = skip(first + count - BASE, 0)) {
        g_assert_true(pageset_next(set, BASE + at, BASE + SPAN, &first,
                                   &count));
        g_assert_cmpuint(first, ==, BASE + at);
        g_assert_cmpuint(first + count, ==, BASE + skip(at, 1));
        g_assert_cmpuint(pageset_count_in(set, first, count), ==, count);
        n += count;
    }
    g_assert_cmpuint(pageset_count(set), ==, n);
    g_assert_cmpuint(pageset_count_in(set, BASE, SPAN), ==, n);
}

/* Written and read it is the same. */
static void check_written(const PageSet *set)
{
    GByteArray *data = g_byte_array_new();
    PageSet *copy = pageset_new();
    size_t at = 0;

    g_assert_true(pageset_write(set, data, SIZE_MAX));
    g_assert_cmpint(pageset_read(copy, data->data, data->len, &at), ==, PAGESET_FAULT_NONE);
    g_assert_cmpuint(at, ==, data->len);
    check_all(copy);
    g_assert_cmpuint(pageset_count_common(set, copy), ==, pageset_count(set));
    pageset_free(copy);
    g_byte_array_unref(data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    FuzzInput input = { data, MIN(len, 4096) };
    PageSet *set = pageset_new();

    memset(oracle, 0, sizeof(oracle));
    while (input.left) {
        step(set, &input);
    }
    check_all(set);
    check_written(set);
    pageset_free(set);
    return 0;
}
