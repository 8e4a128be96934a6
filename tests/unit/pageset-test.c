/*
 * Page sets: by example, and against an oracle of one byte a page
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <glib.h>
#include <string.h>

#include "qemu/pageset.h"

#define CONTAINER UINT64_C(65536)
/* Four containers, not at a container's start: carries are seen. */
#define BASE (5 * CONTAINER - 100)
#define SPAN (3 * CONTAINER + 200)

static void check_runs(const PageSet *set, const uint8_t *oracle)
{
    uint64_t at = BASE, first, count, total = 0, i;

    while (pageset_next(set, at, BASE + SPAN, &first, &count)) {
        for (i = at; i < first; i++) {
            g_assert_false(oracle[i - BASE]);
        }
        for (i = first; i < first + count; i++) {
            g_assert_true(oracle[i - BASE]);
        }
        total += count;
        at = first + count;
    }
    for (i = at; i < BASE + SPAN; i++) {
        g_assert_false(oracle[i - BASE]);
    }
    g_assert_cmpuint(total, ==, pageset_count(set));
}

static uint64_t oracle_fill(uint8_t *oracle, uint64_t first, uint64_t count,
                            bool value)
{
    uint64_t i, changed = 0;

    for (i = 0; i < count; i++) {
        changed += oracle[first + i] != value;
        oracle[first + i] = value;
    }
    return changed;
}

static void one_step(PageSet *set, uint8_t *oracle, unsigned max)
{
    uint64_t count = g_test_rand_int_range(0, max);
    uint64_t first = g_test_rand_int_range(0, SPAN - max);
    bool value = g_test_rand_int_range(0, 2);
    uint64_t changed = oracle_fill(oracle, first, count, value);
    uint64_t got = value ? pageset_add(set, BASE + first, count)
                         : pageset_remove(set, BASE + first, count);
    uint64_t n = 0, i;

    g_assert_cmpuint(got, ==, changed);
    for (i = 0; i < count; i++) {
        n += oracle[first + i];
    }
    g_assert_cmpuint(pageset_count_in(set, BASE + first, count), ==, n);
}

/* ---- written and read ---- */

static void put(GByteArray *out, uint64_t number)
{
    number = GUINT64_TO_LE(number);
    g_byte_array_append(out, (const guint8 *)&number, sizeof(number));
}

/* Whether page @i of container @index is in the set; no page follows it. */
static bool oracle_has(const uint8_t *oracle, uint64_t index, uint64_t i)
{
    uint64_t page = index * CONTAINER + i;

    return i < CONTAINER && page >= BASE && page < BASE + SPAN &&
           oracle[page - BASE];
}

static GArray *oracle_runs(const uint8_t *oracle, uint64_t index)
{
    GArray *runs = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    uint64_t i, first = 0, run;

    for (i = 0; i < CONTAINER; i++) {
        if (oracle_has(oracle, index, i) &&
            !(i && oracle_has(oracle, index, i - 1))) {
            first = i;
        }
        if (oracle_has(oracle, index, i) &&
            !oracle_has(oracle, index, i + 1)) {
            run = first | i << 16;
            g_array_append_val(runs, run);
        }
    }
    return runs;
}

static void put_bitmap(GByteArray *out, const uint8_t *oracle, uint64_t index)
{
    uint64_t i, word = 0;

    for (i = 0; i < CONTAINER; i++) {
        word |= (uint64_t)oracle_has(oracle, index, i) << i % 64;
        if (i % 64 == 63) {
            put(out, word);
            word = 0;
        }
    }
}

/* As the top of pageset-io.c says it. */
static GByteArray *oracle_write(const uint8_t *oracle)
{
    GByteArray *out = g_byte_array_new();
    uint64_t index;

    for (index = 0; index < (BASE + SPAN) / CONTAINER + 1; index++) {
        g_autoptr(GArray) runs = oracle_runs(oracle, index);
        unsigned i;

        if (!runs->len) {
            continue;
        }
        put(out, index);
        put(out, runs->len <= 1024 ? runs->len : 0);
        for (i = 0; runs->len <= 1024 && i < runs->len; i++) {
            put(out, g_array_index(runs, uint64_t, i));
        }
        if (runs->len > 1024) {
            put_bitmap(out, oracle, index);
        }
    }
    put(out, UINT64_MAX);
    return out;
}

static void check_written(const PageSet *set, const uint8_t *oracle)
{
    g_autoptr(GByteArray) should = oracle_write(oracle);
    g_autoptr(GByteArray) is = g_byte_array_new();
    PageSet *copy = pageset_new();
    size_t at = 8, len;

    put(is, 0);                 /* it is appended */
    g_assert_false(pageset_write(set, is, 8 + should->len - 1));
    g_assert_cmpuint(is->len, <, 8 + should->len);
    g_byte_array_set_size(is, 8);
    g_assert_true(pageset_write(set, is, 8 + should->len));
    g_assert_cmpmem(is->data + 8, is->len - 8, should->data, should->len);
    len = is->len;
    put(is, 0);                 /* and something follows */
    g_assert_cmpint(pageset_read(copy, is->data, is->len, &at), ==,
                    PAGESET_FAULT_NONE);
    g_assert_cmpuint(at, ==, len);
    check_runs(copy, oracle);
    pageset_free(copy);
}

/* ---- random changes ---- */

static uint64_t oracle_common(const uint8_t *a, const uint8_t *b)
{
    uint64_t i, n = 0;

    for (i = 0; i < SPAN; i++) {
        n += a[i] && b[i];
    }
    return n;
}

static void test_common(void)
{
    const unsigned max[] = { 8, 4000, 150000 };
    unsigned i, j;

    for (i = 0; i < 9; i++) {
        g_autofree uint8_t *x = g_new0(uint8_t, SPAN);
        g_autofree uint8_t *y = g_new0(uint8_t, SPAN);
        PageSet *a = pageset_new(), *b = pageset_new();

        for (j = 0; j < 8000; j++) {
            one_step(a, x, max[i % 3]);
            one_step(b, y, max[i / 3]);
            if (j % 1000 == 10) {
                g_assert_cmpuint(pageset_count_common(a, b), ==,
                                 oracle_common(x, y));
            }
        }
        pageset_free(a);
        pageset_free(b);
    }
}

/* Small runs make bitmaps, long ones full containers. */
static void test_oracle(gconstpointer data)
{
    unsigned max = GPOINTER_TO_UINT(data), i;
    g_autofree uint8_t *oracle = g_new0(uint8_t, SPAN);
    PageSet *set = pageset_new();

    for (i = 0; i < 20000; i++) {
        one_step(set, oracle, max);
        if (i % 1000 == 0) {
            check_runs(set, oracle);
            check_written(set, oracle);
        }
    }
    check_runs(set, oracle);
    pageset_free(set);
}

/* Changes and checks one range of the set and of its oracle. */
static void change(PageSet *set, uint8_t *oracle, uint64_t first, uint64_t count, bool value)
{
    uint64_t changed = oracle_fill(oracle, first, count, value);

    g_assert_cmpuint(value ? pageset_add(set, BASE + first, count)
                           : pageset_remove(set, BASE + first, count),
                     ==, changed);
}

/* Pages one by one, with what moves containers, or makes other ones of them,
 * in between: what is remembered of where the last page went stays true. */
static void test_page_by_page(void)
{
    g_autofree uint8_t *oracle = g_new0(uint8_t, SPAN);
    PageSet *set = pageset_new();
    uint64_t at, count;
    unsigned i, j;

    for (i = 0; i < 300; i++) {
        at = g_test_rand_int_range(0, SPAN - 4000);
        for (j = 0; j < 2000; j++) {
            change(set, oracle, at + 2 * j, 1, true);
        }
        at = g_test_rand_int_range(0, 4) * CONTAINER;
        count = g_test_rand_int_range(1, CONTAINER + 200);
        change(set, oracle, at, MIN(SPAN - at, count), g_test_rand_int_range(0, 3) == 0);
        for (j = 0; j < 20; j++) {
            change(set, oracle, g_test_rand_int_range(0, SPAN), 1, g_test_rand_int_range(0, 2));
        }
        if (i % 10 == 0) {
            check_runs(set, oracle);
        }
    }
    check_runs(set, oracle);
    pageset_free(set);
}

/* Filled by single pages, in two goes: the last one makes it full. */
static void test_full_by_pages(void)
{
    PageSet *set = pageset_new();
    uint64_t page, first, count;

    for (page = 0; page < 2 * CONTAINER; page += 2) {
        g_assert_cmpuint(pageset_add(set, page, 1), ==, 1);
    }
    for (page = 1; page < 2 * CONTAINER; page += 2) {
        g_assert_cmpuint(pageset_add(set, page, 1), ==, 1);
    }
    g_assert_cmpuint(pageset_count(set), ==, 2 * CONTAINER);
    g_assert_true(pageset_next(set, 0, 3 * CONTAINER, &first, &count));
    g_assert_cmpuint(first, ==, 0);
    g_assert_cmpuint(count, ==, 2 * CONTAINER);
    g_assert_cmpuint(pageset_bytes(set), <=, 256);
    pageset_free(set);
}

static void test_empty(void)
{
    PageSet *set = pageset_new();
    uint64_t first, count;

    g_assert_cmpuint(pageset_count(set), ==, 0);
    g_assert_false(pageset_contains(set, 0));
    g_assert_false(pageset_next(set, 0, UINT64_C(1) << 40, &first,
                                &count));
    g_assert_true(pageset_next_gap(set, 3, 9, &first, &count));
    g_assert_cmpuint(first, ==, 3);
    g_assert_cmpuint(count, ==, 6);
    g_assert_cmpuint(pageset_remove(set, 0, 100), ==, 0);
    g_assert_cmpuint(pageset_add(set, 7, 0), ==, 0);
    g_assert_cmpuint(pageset_count(set), ==, 0);
    pageset_free(set);
}

static void test_duplicates(void)
{
    PageSet *set = pageset_new();

    g_assert_cmpuint(pageset_add(set, 10, 10), ==, 10);
    g_assert_cmpuint(pageset_add(set, 10, 10), ==, 0);
    g_assert_cmpuint(pageset_add(set, 5, 10), ==, 5);
    g_assert_cmpuint(pageset_remove(set, 0, 100), ==, 15);
    g_assert_cmpuint(pageset_remove(set, 0, 100), ==, 0);
    pageset_free(set);
}

/* Runs reach over containers, whatever those are made of. */
static void test_run_over_containers(void)
{
    PageSet *set = pageset_new();
    uint64_t first, count;

    pageset_add(set, CONTAINER - 1, 2 * CONTAINER + 2);
    g_assert_true(pageset_next(set, 0, 10 * CONTAINER, &first, &count));
    g_assert_cmpuint(first, ==, CONTAINER - 1);
    g_assert_cmpuint(count, ==, 2 * CONTAINER + 2);
    /* Windows cut runs. */
    g_assert_true(pageset_next(set, CONTAINER, CONTAINER + 5, &first,
                               &count));
    g_assert_cmpuint(first, ==, CONTAINER);
    g_assert_cmpuint(count, ==, 5);
    pageset_free(set);
}

static void test_top_of_address_space(void)
{
    uint64_t top = UINT64_C(1) << 40, first, count;
    PageSet *set = pageset_new();

    g_assert_cmpuint(pageset_add(set, top - 3, 3), ==, 3);
    g_assert_true(pageset_contains(set, top - 1));
    g_assert_true(pageset_next(set, 0, top, &first, &count));
    g_assert_cmpuint(first, ==, top - 3);
    g_assert_cmpuint(count, ==, 3);
    pageset_free(set);
}

/* At worst, one bit a page and a little for each container. */
static void test_worst_pattern(void)
{
    const uint64_t containers = 64;
    PageSet *set = pageset_new();
    uint64_t page;

    for (page = 0; page < containers * CONTAINER; page += 2) {
        pageset_add(set, page, 1);
    }
    g_assert_cmpuint(pageset_count(set), ==, containers * CONTAINER / 2);
    g_assert_cmpuint(pageset_bytes(set), <=,
                     containers * (CONTAINER / 8 + 128) + 1024);
    pageset_free(set);
}

/* At best, a few bytes for each container. */
static void test_best_pattern(void)
{
    const uint64_t containers = 4096;       /* 1 TiB */
    PageSet *set = pageset_new();

    g_assert_cmpuint(pageset_add(set, 0, containers * CONTAINER), ==,
                     containers * CONTAINER);
    g_assert_cmpuint(pageset_bytes(set), <=, containers * 64 + 1024);
    pageset_clear(set);
    g_assert_cmpuint(pageset_count(set), ==, 0);
    pageset_free(set);
}

/* In any order: what is contiguous in the end is kept as one. */
static void test_contiguous_is_one(void)
{
    const uint64_t unit = 512, n = 4096 * CONTAINER / unit;
    PageSet *set = pageset_new();
    uint64_t i, first, count;

    for (i = 0; i < n; i++) {
        pageset_add(set, i * 12345677 % n * unit, unit);
    }
    g_assert_cmpuint(pageset_count(set), ==, n * unit);
    g_assert_cmpuint(pageset_bytes(set), <=, 128);
    g_assert_true(pageset_next(set, 0, UINT64_C(1) << 40, &first, &count));
    g_assert_cmpuint(count, ==, n * unit);
    pageset_free(set);
}

/* A hole in the middle of a long run, and the run whole again. */
static void test_hole_in_full(void)
{
    const uint64_t hole = 1000 * CONTAINER + 5, all = 4096 * CONTAINER;
    PageSet *set = pageset_new();
    uint64_t first, count;

    pageset_add(set, 0, all);
    g_assert_cmpuint(pageset_remove(set, hole, 1), ==, 1);
    g_assert_cmpuint(pageset_remove(set, hole, 1), ==, 0);
    g_assert_true(pageset_next_gap(set, 0, all, &first, &count));
    g_assert_cmpuint(first, ==, hole);
    g_assert_cmpuint(count, ==, 1);
    g_assert_true(pageset_next(set, hole, all, &first, &count));
    g_assert_cmpuint(first, ==, hole + 1);
    g_assert_cmpuint(first + count, ==, all);
    g_assert_cmpuint(pageset_add(set, hole - 9, 10), ==, 1);
    g_assert_cmpuint(pageset_count_in(set, hole - 9, 10), ==, 10);
    g_assert_cmpuint(pageset_bytes(set), <=, 256);
    g_assert_false(pageset_next_gap(set, 0, all, &first, &count));
    pageset_free(set);
}

/* Pages taken out one after the other, from the first on and not: what the
 * set remembers of where a bitmap begins stays true. */
static void test_first_of_bitmap(void)
{
    PageSet *set = pageset_new();
    uint64_t page, first, count;

    for (page = 1; page < CONTAINER; page += 2) {
        pageset_add(set, page, 1);
    }
    for (page = 1; page < CONTAINER - 2; page += 2) {
        g_assert_true(pageset_next(set, 0, CONTAINER, &first, &count));
        g_assert_cmpuint(first, ==, page);
        pageset_remove(set, page, 1);
    }
    pageset_add(set, 7, 2);
    g_assert_true(pageset_next(set, 0, CONTAINER, &first, &count));
    g_assert_cmpuint(first, ==, 7);
    g_assert_cmpuint(count, ==, 2);
    pageset_remove(set, 0, 100);
    g_assert_true(pageset_next(set, 0, CONTAINER, &first, &count));
    g_assert_cmpuint(first, ==, CONTAINER - 1);
    pageset_free(set);
}

/* ---- what cannot be read, and what need not have been written ---- */

static PageSetFault read_numbers(PageSet *set, const uint64_t *numbers,
                                 unsigned n)
{
    g_autoptr(GByteArray) data = g_byte_array_new();
    PageSetFault fault;
    size_t at = 0;
    unsigned i;

    for (i = 0; i < n; i++) {
        put(data, numbers[i]);
    }
    fault = pageset_read(set, data->data, data->len, &at);
    g_assert_cmpuint(at, ==, fault ? 0 : data->len);
    return fault;
}

#define END UINT64_MAX
#define RUN(first, last) ((first) | UINT64_C(last) << 16)
#define READ(set, ...) \
    read_numbers(set, (uint64_t[]) { __VA_ARGS__ }, \
                 sizeof((uint64_t[]) { __VA_ARGS__ }) / 8)
#define REFUSE(fault, ...) do { \
        PageSet *set_ = pageset_new(); \
        g_assert_cmpint(READ(set_, __VA_ARGS__), ==, fault); \
        pageset_free(set_); \
    } while (0)

static void test_read_faults(void)
{
    REFUSE(PAGESET_FAULT_SHORT, 3);
    REFUSE(PAGESET_FAULT_SHORT, 3, 1);
    REFUSE(PAGESET_FAULT_SHORT, 3, 1, RUN(0, 1));
    REFUSE(PAGESET_FAULT_SHORT, 3, 1024, RUN(0, 1), END);
    REFUSE(PAGESET_FAULT_SHORT, 3, 0, RUN(0, 1), END);
    REFUSE(PAGESET_FAULT_CONTAINER, 3, 1025, RUN(0, 1), END);
    REFUSE(PAGESET_FAULT_CONTAINER, 1 << 24, 1, RUN(0, 1), END);
    REFUSE(PAGESET_FAULT_CONTAINER, 3, 1, RUN(0, 1), 3, 1, RUN(4, 4), END);
    REFUSE(PAGESET_FAULT_CONTAINER, 3, 1, RUN(0, 1), 2, 1, RUN(4, 4), END);
    REFUSE(PAGESET_FAULT_RUN, 3, 1, RUN(2, 1), END);
    REFUSE(PAGESET_FAULT_RUN, 3, 1, RUN(2, 0x10000), END);
    REFUSE(PAGESET_FAULT_RUN, 3, 2, RUN(0, 5), RUN(5, 6), END);
    REFUSE(PAGESET_FAULT_RUN, 3, 2, RUN(4, 5), RUN(1, 2), END);
}

/* Nothing follows the last page of all. */
static void test_read_top(void)
{
    PageSet *set = pageset_new();

    g_assert_cmpint(READ(set, (1 << 24) - 1, 1, RUN(0xffff, 0xffff), END), ==,
                    PAGESET_FAULT_NONE);
    g_assert_true(pageset_contains(set, (UINT64_C(1) << 40) - 1));
    g_assert_cmpuint(pageset_count(set), ==, 1);
    pageset_free(set);
}

/* @n runs of a page each, which touch. */
static void read_touching(PageSet *set, unsigned n)
{
    uint64_t numbers[2 + 1024 + 1] = { 7, n };
    unsigned i;

    for (i = 0; i < n; i++) {
        numbers[2 + i] = i | (uint64_t)i << 16;
    }
    numbers[2 + n] = END;
    g_assert_cmpint(read_numbers(set, numbers, n + 3), ==, PAGESET_FAULT_NONE);
}

/* The set is as if its pages had been added. */
static void test_read_touching(void)
{
    static const unsigned all[] = { 2, 128, 129, 1024 };
    uint64_t first, count;
    unsigned i;

    for (i = 0; i < G_N_ELEMENTS(all); i++) {
        PageSet *set = pageset_new();

        read_touching(set, all[i]);
        g_assert_cmpuint(pageset_count(set), ==, all[i]);
        g_assert_true(pageset_next(set, 0, END >> 24, &first, &count));
        g_assert_cmpuint(first, ==, 7 * CONTAINER);
        g_assert_cmpuint(count, ==, all[i]);
        g_assert_cmpuint(pageset_bytes(set), <, 256);
        pageset_free(set);
    }
}

/* A bitmap of nothing, of all, and one of few runs. */
static void test_read_bitmaps(void)
{
    uint64_t numbers[3 * 1026 + 1] = { 0 };
    PageSet *set = pageset_new();
    uint64_t first, count;
    unsigned i;

    numbers[0] = 4;
    numbers[1026] = 5;
    for (i = 0; i < 1024; i++) {
        numbers[1026 + 2 + i] = UINT64_MAX;
    }
    numbers[2 * 1026] = 6;
    numbers[2 * 1026 + 2] = 7;
    numbers[3 * 1026] = END;
    g_assert_cmpint(read_numbers(set, numbers, G_N_ELEMENTS(numbers)), ==,
                    PAGESET_FAULT_NONE);
    g_assert_cmpuint(pageset_count(set), ==, CONTAINER + 3);
    g_assert_true(pageset_next(set, 0, END >> 24, &first, &count));
    g_assert_cmpuint(first, ==, 5 * CONTAINER);
    g_assert_cmpuint(count, ==, CONTAINER + 3);
    g_assert_cmpuint(pageset_add(set, 6 * CONTAINER + 4, CONTAINER - 4), ==,
                     CONTAINER - 4);
    g_assert_cmpuint(pageset_add(set, 6 * CONTAINER, 4), ==, 1);
    g_assert_cmpuint(pageset_bytes(set), <, 256);
    pageset_free(set);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pageset/empty", test_empty);
    g_test_add_func("/pageset/duplicates", test_duplicates);
    g_test_add_func("/pageset/run-over-containers", test_run_over_containers);
    g_test_add_func("/pageset/top-of-address-space",
                    test_top_of_address_space);
    g_test_add_func("/pageset/worst-pattern", test_worst_pattern);
    g_test_add_func("/pageset/best-pattern", test_best_pattern);
    g_test_add_func("/pageset/contiguous-is-one", test_contiguous_is_one);
    g_test_add_func("/pageset/hole-in-full", test_hole_in_full);
    g_test_add_func("/pageset/first-of-bitmap", test_first_of_bitmap);
    g_test_add_func("/pageset/page-by-page", test_page_by_page);
    g_test_add_func("/pageset/full-by-pages", test_full_by_pages);
    g_test_add_func("/pageset/common", test_common);
    g_test_add_func("/pageset/read/faults", test_read_faults);
    g_test_add_func("/pageset/read/top", test_read_top);
    g_test_add_func("/pageset/read/touching", test_read_touching);
    g_test_add_func("/pageset/read/bitmaps", test_read_bitmaps);
    g_test_add_data_func("/pageset/oracle/bitmaps", GUINT_TO_POINTER(8),
                         test_oracle);
    g_test_add_data_func("/pageset/oracle/runs", GUINT_TO_POINTER(4000),
                         test_oracle);
    g_test_add_data_func("/pageset/oracle/full", GUINT_TO_POINTER(150000),
                         test_oracle);
    return g_test_run();
}
