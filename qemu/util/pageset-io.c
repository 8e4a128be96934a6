/*
 * Sets of guest pages as plain data
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Numbers of 64 bits, little endian. For each container of 64 Ki pages of which
 * one is in the set, in ascending order: its number, how many runs of pages it
 * has, and these, as first page | last page << 16; or, if they are more than a
 * bitmap has words, 0 and the bitmap. Then UINT64_MAX.
 *
 * This form is in streams of migrations and in files: what pageset.c does with
 * containers may change, this may not.
 *
 * A machine may have 16 million containers, and writes and reads them while its
 * guest is stopped. So words are taken as they are, and no run is looked up.
 */

#include "qemu/pageset.h"

#include <string.h>

#include "pageset-int.h"

#define END UINT64_MAX
/* More runs than this in a container, and a bitmap is the shorter form. */
#define MAX_WRITTEN_RUNS WORDS
#define MAX_INDEX ((UINT64_C(1) << (40 - CONTAINER_SHIFT)) - 1)

G_STATIC_ASSERT(CONTAINER_SHIFT == 16);

/* ---- writing ---- */

typedef struct Output {
    GByteArray *bytes;
    size_t most;
} Output;

/* False if it would be more bytes than there may be. */
static bool put(Output *out, const uint64_t *numbers, unsigned n)
{
    size_t at = out->bytes->len, size = n * sizeof(uint64_t);
    unsigned i;

    if (at > out->most || size > out->most - at) {
        return false;
    }
    g_byte_array_set_size(out->bytes, at + size);
    for (i = 0; i < n; i++) {
        uint64_t number = GUINT64_TO_LE(numbers[i]);

        memcpy(out->bytes->data + at + i * sizeof(number), &number,
               sizeof(number));
    }
    return true;
}

static uint64_t written(uint64_t first, uint64_t last)
{
    return first | last << 16;
}

/* Of each page whether the one before it is the other way; @before: the word
 * before, of which the last page counts. */
static uint64_t changes(uint64_t word, uint64_t before)
{
    return word ^ (word << 1 | before >> 63);
}

/* Their number, or one that is more than @most. */
static unsigned bits_runs(const uint64_t *bits, unsigned most)
{
    uint64_t before = 0;
    unsigned i, n = 0;

    for (i = 0; i < WORDS && n <= most; i++) {
        n += __builtin_popcountll(changes(bits[i], before) & bits[i]);
        before = bits[i];
    }
    return n;
}

static void collect_runs(const uint64_t *bits, uint64_t *runs)
{
    uint64_t before = 0, first = 0, at, flips;
    bool inside = false;
    unsigned i;

    for (i = 0; i < WORDS; i++) {
        flips = changes(bits[i], before);
        before = bits[i];
        for (; flips; flips &= flips - 1) {
            at = i * 64 + __builtin_ctzll(flips);
            if (inside) {
                *runs++ = written(first, at - 1);
            }
            first = at;
            inside = !inside;
        }
    }
    if (inside) {
        *runs = written(first, CONTAINER_PAGES - 1);
    }
}

static bool write_bitmap(const Container *c, Output *out)
{
    unsigned n = bits_runs(c->bits, MAX_WRITTEN_RUNS);
    uint64_t numbers[2 + MAX_WRITTEN_RUNS] = { c->index, n };

    if (n <= MAX_WRITTEN_RUNS) {
        collect_runs(c->bits, numbers + 2);
        return put(out, numbers, 2 + n);
    }
    numbers[1] = 0;
    return put(out, numbers, 2) && put(out, c->bits, WORDS);
}

static bool write_runs(const Container *c, Output *out)
{
    uint64_t numbers[2 + MAX_RUNS] = { c->index, c->n_runs };
    unsigned i;

    for (i = 0; i < c->n_runs; i++) {
        numbers[2 + i] = written(c->runs[i].first, c->runs[i].last);
    }
    return put(out, numbers, 2 + c->n_runs);
}

static bool write_full(const Container *c, Output *out)
{
    uint64_t numbers[] = { c->index, 1, written(0, CONTAINER_PAGES - 1) };
    bool room = true;

    for (; room && numbers[0] < container_end(c); numbers[0]++) {
        room = put(out, numbers, G_N_ELEMENTS(numbers));
    }
    return room;
}

static bool write_container(const Container *c, Output *out)
{
    switch (c->kind) {
    case KIND_FULL:
        return write_full(c, out);
    case KIND_RUNS:
        return write_runs(c, out);
    default:
        return write_bitmap(c, out);
    }
}

bool pageset_write(const PageSet *set, GByteArray *bytes, size_t most)
{
    Output out = { bytes, MIN(most, PAGESET_WRITTEN_MAX) };
    uint64_t end = END;
    uint32_t i;

    for (i = 0; i < set->len; i++) {
        if (!write_container(&set->containers[i], &out)) {
            return false;
        }
    }
    return put(&out, &end, 1);
}

/* ---- reading ---- */

typedef struct Input {
    const uint8_t *at;
    size_t left;                /* numbers */
} Input;

/* @n numbers: false if there are fewer. */
static bool get(Input *in, uint64_t *numbers, size_t n)
{
    size_t i;

    if (in->left < n) {
        return false;
    }
    memcpy(numbers, in->at, n * sizeof(*numbers));
    for (i = 0; i < n; i++) {
        numbers[i] = GUINT64_FROM_LE(numbers[i]);
    }
    in->at += n * sizeof(*numbers);
    in->left -= n;
    return true;
}

/* Takes @bits, which is allocated. */
static void add_bitmap(PageSet *set, uint64_t index, uint64_t *bits)
{
    uint32_t n = bits_count(bits, 0, CONTAINER_PAGES - 1);
    Container *c;

    if (n == 0 || n == CONTAINER_PAGES) {
        g_free(bits);
        if (n) {
            pageset_append_full(set, index);
        }
        return;
    }
    c = pageset_append(set, index);
    c->kind = KIND_BITMAP;
    c->bits = bits;
    c->low = bits_next(bits, 0, true);
    c->population = n;
    set->count += n;
}

static PageSetFault read_bitmap(PageSet *set, uint64_t index, Input *in)
{
    uint64_t *bits = g_new(uint64_t, WORDS);

    if (!get(in, bits, WORDS)) {
        g_free(bits);
        return PAGESET_FAULT_SHORT;
    }
    add_bitmap(set, index, bits);
    return PAGESET_FAULT_NONE;
}

/* They ascend, and may touch each other. */
static bool runs_valid(const uint64_t *runs, unsigned n)
{
    uint64_t next = 0;
    unsigned i;

    for (i = 0; i < n; i++) {
        uint64_t first = runs[i] & 0xffff, last = runs[i] >> 16;

        if (first < next || last < first || last >= CONTAINER_PAGES) {
            return false;
        }
        next = last + 1;
    }
    return true;
}

/* As runs of a container, in which none touch; returns how many these are. */
static unsigned join_runs(const uint64_t *runs, unsigned n, Run *joined)
{
    unsigned i, len = 0;

    for (i = 0; i < n; i++) {
        uint16_t first = runs[i] & 0xffff, last = runs[i] >> 16;

        if (len && joined[len - 1].last + 1u == first) {
            joined[len - 1].last = last;
        } else {
            joined[len++] = (Run) { first, last };
        }
    }
    return len;
}

static void add_runs(PageSet *set, uint64_t index, const Run *runs, unsigned n)
{
    uint32_t population = 0;
    Container *c;
    unsigned i;

    for (i = 0; i < n; i++) {
        population += runs[i].last - runs[i].first + 1;
    }
    if (population == CONTAINER_PAGES) {
        pageset_append_full(set, index);
        return;
    }
    c = pageset_append(set, index);
    c->kind = KIND_RUNS;
    c->runs = g_new(Run, n);
    memcpy(c->runs, runs, n * sizeof(Run));
    c->n_runs = c->room = n;
    c->population = population;
    set->count += population;
}

static void add_runs_as_bitmap(PageSet *set, uint64_t index, const Run *runs,
                               unsigned n)
{
    uint64_t *bits = g_new0(uint64_t, WORDS);
    unsigned i;

    for (i = 0; i < n; i++) {
        bits_fill(bits, runs[i].first, runs[i].last, true);
    }
    add_bitmap(set, index, bits);
}

static PageSetFault read_runs(PageSet *set, uint64_t index, unsigned n,
                              Input *in)
{
    uint64_t runs[MAX_WRITTEN_RUNS];
    Run joined[MAX_WRITTEN_RUNS];

    if (!get(in, runs, n)) {
        return PAGESET_FAULT_SHORT;
    }
    if (!runs_valid(runs, n)) {
        return PAGESET_FAULT_RUN;
    }
    n = join_runs(runs, n, joined);
    if (n <= MAX_RUNS) {
        add_runs(set, index, joined, n);
    } else {
        add_runs_as_bitmap(set, index, joined, n);
    }
    return PAGESET_FAULT_NONE;
}

static PageSetFault read_container(PageSet *set, uint64_t index, Input *in)
{
    uint64_t n;

    if (!get(in, &n, 1)) {
        return PAGESET_FAULT_SHORT;
    }
    if (n > MAX_WRITTEN_RUNS) {
        return PAGESET_FAULT_CONTAINER;
    }
    return n ? read_runs(set, index, n, in) : read_bitmap(set, index, in);
}

PageSetFault pageset_read(PageSet *set, const uint8_t *data, size_t len,
                          size_t *at)
{
    Input in = { data + *at, (len - *at) / sizeof(uint64_t) };
    uint64_t index, next = 0;
    PageSetFault fault;

    while (get(&in, &index, 1)) {
        if (index == END) {
            *at = in.at - data;
            return PAGESET_FAULT_NONE;
        }
        if (index < next || index > MAX_INDEX) {
            return PAGESET_FAULT_CONTAINER;
        }
        fault = read_container(set, index, &in);
        if (fault != PAGESET_FAULT_NONE) {
            return fault;
        }
        next = index + 1;
    }
    return PAGESET_FAULT_SHORT;
}
