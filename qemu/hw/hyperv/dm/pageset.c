/*
 * Sets of guest pages
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "pageset.h"

#include <glib.h>
#include <string.h>

#define CONTAINER_SHIFT 16
#define CONTAINER_PAGES (1u << CONTAINER_SHIFT)
#define WORDS (CONTAINER_PAGES / 64)
/* A list of runs may take as much as a bitmap, not more. */
#define MAX_RUNS (WORDS * sizeof(uint64_t) / sizeof(Run))

typedef enum Kind {
    KIND_FULL,
    KIND_RUNS,
    KIND_BITMAP,
} Kind;

/* Pages first .. last of a container: last is inclusive, so 16 bits do. */
typedef struct Run {
    uint16_t first;
    uint16_t last;
} Run;

typedef struct Container {
    uint64_t index;             /* of its first page, in containers */
    Kind kind;
    uint32_t population;        /* pages in the set: 1 .. CONTAINER_PAGES */
    uint32_t n_runs;
    uint32_t room;              /* runs allocated */
    union {
        Run *runs;              /* ascending, never touching each other */
        uint64_t *bits;
    };
} Container;

/* Only containers that hold a page are there, ascending by index. */
struct DmPageSet {
    GArray *containers;
    uint64_t count;
};

DmPageSet *dm_pageset_new(void)
{
    DmPageSet *set = g_new0(DmPageSet, 1);

    set->containers = g_array_new(FALSE, FALSE, sizeof(Container));
    return set;
}

static void container_drop_data(Container *c)
{
    if (c->kind == KIND_RUNS) {
        g_free(c->runs);
    } else if (c->kind == KIND_BITMAP) {
        g_free(c->bits);
    }
    c->runs = NULL;
    c->n_runs = c->room = 0;
}

static Container *container_at(const DmPageSet *set, unsigned i)
{
    return &g_array_index(set->containers, Container, i);
}

void dm_pageset_clear(DmPageSet *set)
{
    unsigned i;

    for (i = 0; i < set->containers->len; i++) {
        container_drop_data(container_at(set, i));
    }
    g_array_set_size(set->containers, 0);
    set->count = 0;
}

void dm_pageset_free(DmPageSet *set)
{
    if (set) {
        dm_pageset_clear(set);
        g_array_free(set->containers, TRUE);
        g_free(set);
    }
}

uint64_t dm_pageset_count(const DmPageSet *set)
{
    return set->count;
}

/* Position of the first container whose index is not below @index. */
static unsigned lower_bound(const DmPageSet *set, uint64_t index)
{
    unsigned low = 0, high = set->containers->len;

    /* Runs of adds go upward: look at the end first. */
    if (high && container_at(set, high - 1)->index < index) {
        return high;
    }
    while (low < high) {
        unsigned mid = low + (high - low) / 2;

        if (container_at(set, mid)->index < index) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static const Container *container_find(const DmPageSet *set, uint64_t index)
{
    unsigned i = lower_bound(set, index);

    if (i < set->containers->len && container_at(set, i)->index == index) {
        return container_at(set, i);
    }
    return NULL;
}

/* ---- bitmaps ---- */

/* Bits @first .. @last of their word. */
static uint64_t word_mask(unsigned first, unsigned last)
{
    return (UINT64_MAX << first) & (UINT64_MAX >> (63 - last));
}

/* Sets or clears pages first .. last, returns how many changed. */
static uint32_t bits_fill(uint64_t *bits, uint32_t first, uint32_t last,
                          bool value)
{
    uint32_t word, changed = 0;

    for (word = first / 64; word <= last / 64; word++) {
        uint64_t mask = word_mask(word == first / 64 ? first % 64 : 0,
                                  word == last / 64 ? last % 64 : 63);
        uint64_t flip = mask & (value ? ~bits[word] : bits[word]);

        bits[word] ^= flip;
        changed += __builtin_popcountll(flip);
    }
    return changed;
}

static uint32_t bits_count(const uint64_t *bits, uint32_t first, uint32_t last)
{
    uint32_t word, n = 0;

    for (word = first / 64; word <= last / 64; word++) {
        n += __builtin_popcountll(
            bits[word] & word_mask(word == first / 64 ? first % 64 : 0,
                                   word == last / 64 ? last % 64 : 63));
    }
    return n;
}

/* First page from @from on that is @value; CONTAINER_PAGES if none. */
static uint32_t bits_next(const uint64_t *bits, uint32_t from, bool value)
{
    uint32_t word = from / 64;
    uint64_t found;

    if (from >= CONTAINER_PAGES) {
        return CONTAINER_PAGES;
    }
    found = (value ? bits[word] : ~bits[word]) & (UINT64_MAX << from % 64);
    while (!found) {
        if (++word == WORDS) {
            return CONTAINER_PAGES;
        }
        found = value ? bits[word] : ~bits[word];
    }
    return word * 64 + __builtin_ctzll(found);
}

/* ---- runs ---- */

/* Position of the first run that ends at @page or later. */
static uint32_t runs_lower_bound(const Container *c, uint32_t page)
{
    uint32_t low = 0, high = c->n_runs;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;

        if (c->runs[mid].last < page) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static uint32_t runs_count(const Container *c, uint32_t first, uint32_t last)
{
    uint32_t i, n = 0;

    for (i = runs_lower_bound(c, first);
         i < c->n_runs && c->runs[i].first <= last; i++) {
        n += MIN(c->runs[i].last, last) - MAX(c->runs[i].first, first) + 1;
    }
    return n;
}

/* Makes runs [at, at + old) into @n new ones at the same place. */
static void runs_splice(Container *c, uint32_t at, uint32_t old,
                        const Run *new, uint32_t n)
{
    uint32_t len = c->n_runs - old + n;

    if (len > c->room) {
        c->room = MIN(MAX(4, len + len / 2), MAX_RUNS);
        c->runs = g_renew(Run, c->runs, c->room);
    }
    memmove(c->runs + at + n, c->runs + at + old,
            (c->n_runs - at - old) * sizeof(Run));
    if (n) {
        memcpy(c->runs + at, new, n * sizeof(Run));
    }
    c->n_runs = len;
}

static void runs_add(Container *c, uint32_t first, uint32_t last)
{
    /* Runs that only touch the new one are swallowed too. */
    uint32_t from = runs_lower_bound(c, first ? first - 1 : 0);
    uint32_t to = from;
    Run run = { first, last };

    while (to < c->n_runs && c->runs[to].first <= last + 1) {
        run.first = MIN(run.first, c->runs[to].first);
        run.last = MAX(run.last, c->runs[to].last);
        to++;
    }
    runs_splice(c, from, to - from, &run, 1);
}

static void runs_remove(Container *c, uint32_t first, uint32_t last)
{
    uint32_t from = runs_lower_bound(c, first), to = from, n = 0;
    Run keep[2];

    while (to < c->n_runs && c->runs[to].first <= last) {
        if (c->runs[to].first < first) {
            keep[n++] = (Run) { c->runs[to].first, first - 1 };
        }
        if (c->runs[to].last > last) {
            keep[n++] = (Run) { last + 1, c->runs[to].last };
        }
        to++;
    }
    runs_splice(c, from, to - from, keep, n);
}

/* ---- containers ---- */

static void container_to_bitmap(Container *c)
{
    uint64_t *bits = g_new0(uint64_t, WORDS);
    uint32_t i;

    if (c->kind == KIND_FULL) {
        memset(bits, 0xff, WORDS * sizeof(*bits));
    }
    for (i = 0; i < c->n_runs; i++) {
        bits_fill(bits, c->runs[i].first, c->runs[i].last, true);
    }
    container_drop_data(c);
    c->kind = KIND_BITMAP;
    c->bits = bits;
}

static void container_to_runs(Container *c)
{
    Run all = { 0, CONTAINER_PAGES - 1 };

    g_assert(c->kind == KIND_FULL);
    c->kind = KIND_RUNS;
    c->runs = NULL;
    runs_splice(c, 0, 0, &all, 1);
}

static uint32_t container_count(const Container *c, uint32_t first,
                                uint32_t last)
{
    switch (c->kind) {
    case KIND_FULL:
        return last - first + 1;
    case KIND_RUNS:
        return runs_count(c, first, last);
    default:
        return bits_count(c->bits, first, last);
    }
}

/* Adds or removes pages first .. last, returns how many changed. */
static uint32_t container_fill(Container *c, uint32_t first, uint32_t last,
                               bool value)
{
    uint32_t before, wanted = value ? last - first + 1 : 0;

    if (c->kind == KIND_BITMAP) {
        return bits_fill(c->bits, first, last, value);
    }
    before = container_count(c, first, last);
    if (before == wanted) {
        return 0;
    }
    if (c->kind == KIND_FULL) {
        container_to_runs(c);
    }
    if (c->n_runs + 1 > MAX_RUNS) {
        container_to_bitmap(c);
        return bits_fill(c->bits, first, last, value);
    }
    if (value) {
        runs_add(c, first, last);
        return wanted - before;
    }
    runs_remove(c, first, last);
    return before;
}

static void container_settle(Container *c)
{
    if (c->population == CONTAINER_PAGES && c->kind != KIND_FULL) {
        container_drop_data(c);
        c->kind = KIND_FULL;
    }
}

/* First page from @from on that is @value; CONTAINER_PAGES if none. */
static uint32_t container_next(const Container *c, uint32_t from, bool value)
{
    uint32_t i;

    if (c->kind == KIND_FULL) {
        return value ? from : CONTAINER_PAGES;
    }
    if (c->kind == KIND_BITMAP) {
        return bits_next(c->bits, from, value);
    }
    i = runs_lower_bound(c, from);
    if (value) {
        return i == c->n_runs ? CONTAINER_PAGES : MAX(c->runs[i].first, from);
    }
    if (i == c->n_runs || c->runs[i].first > from) {
        return from;
    }
    return c->runs[i].last + 1;     /* runs never touch: a gap follows */
}

/* ---- sets ---- */

static Container *container_insert(DmPageSet *set, unsigned i, uint64_t index)
{
    Container c = { .index = index, .kind = KIND_RUNS };

    g_array_insert_val(set->containers, i, c);
    return container_at(set, i);
}

static void container_remove(DmPageSet *set, unsigned i)
{
    container_drop_data(container_at(set, i));
    g_array_remove_index(set->containers, i);
}

uint64_t dm_pageset_add(DmPageSet *set, uint64_t first, uint64_t count)
{
    uint64_t end = first + count, changed = 0;

    while (first < end) {
        uint64_t index = first >> CONTAINER_SHIFT;
        uint64_t next = MIN(end, (index + 1) << CONTAINER_SHIFT);
        unsigned i = lower_bound(set, index);
        Container *c;
        uint32_t n;

        if (i < set->containers->len && container_at(set, i)->index == index) {
            c = container_at(set, i);
        } else {
            c = container_insert(set, i, index);
        }
        n = container_fill(c, first % CONTAINER_PAGES,
                           (next - 1) % CONTAINER_PAGES, true);
        c->population += n;
        container_settle(c);
        changed += n;
        first = next;
    }
    set->count += changed;
    return changed;
}

uint64_t dm_pageset_remove(DmPageSet *set, uint64_t first, uint64_t count)
{
    uint64_t end = first + count, changed = 0;
    unsigned i = lower_bound(set, first >> CONTAINER_SHIFT);

    while (i < set->containers->len) {
        Container *c = container_at(set, i);
        uint64_t start = c->index << CONTAINER_SHIFT;
        uint64_t from = MAX(first, start);
        uint64_t to = MIN(end, start + CONTAINER_PAGES);
        uint32_t n;

        if (from >= to) {
            break;
        }
        n = container_fill(c, from - start, to - 1 - start, false);
        c->population -= n;
        changed += n;
        if (c->population == 0) {
            container_remove(set, i);
        } else {
            i++;
        }
    }
    set->count -= changed;
    return changed;
}

uint64_t dm_pageset_count_in(const DmPageSet *set, uint64_t first,
                             uint64_t count)
{
    uint64_t end = first + count, n = 0;
    unsigned i;

    for (i = lower_bound(set, first >> CONTAINER_SHIFT);
         i < set->containers->len; i++) {
        const Container *c = container_at(set, i);
        uint64_t start = c->index << CONTAINER_SHIFT;
        uint64_t from = MAX(first, start);
        uint64_t to = MIN(end, start + CONTAINER_PAGES);

        if (from >= to) {
            break;
        }
        n += to - from == CONTAINER_PAGES ?
             c->population :
             container_count(c, from - start, to - 1 - start);
    }
    return n;
}

bool dm_pageset_contains(const DmPageSet *set, uint64_t page)
{
    return dm_pageset_count_in(set, page, 1) == 1;
}

/* First page in [from, end) that is, or is not, in the set; @end if none. */
static uint64_t next_page(const DmPageSet *set, uint64_t from, uint64_t end,
                          bool value)
{
    while (from < end) {
        uint64_t index = from >> CONTAINER_SHIFT;
        const Container *c;
        uint32_t page;

        if (value) {
            unsigned i = lower_bound(set, index);

            if (i == set->containers->len) {
                return end;
            }
            c = container_at(set, i);
            from = MAX(from, c->index << CONTAINER_SHIFT);
            index = c->index;
        } else {
            c = container_find(set, index);
            if (!c) {
                return from;
            }
        }
        page = container_next(c, from % CONTAINER_PAGES, value);
        if (page < CONTAINER_PAGES) {
            return MIN(end, (index << CONTAINER_SHIFT) + page);
        }
        from = (index + 1) << CONTAINER_SHIFT;
    }
    return end;
}

static bool next_run(const DmPageSet *set, uint64_t from, uint64_t end,
                     bool value, uint64_t *first, uint64_t *count)
{
    *first = next_page(set, from, end, value);
    if (*first >= end) {
        return false;
    }
    *count = next_page(set, *first, end, !value) - *first;
    return true;
}

bool dm_pageset_next(const DmPageSet *set, uint64_t from, uint64_t end,
                     uint64_t *first, uint64_t *count)
{
    return next_run(set, from, end, true, first, count);
}

bool dm_pageset_next_gap(const DmPageSet *set, uint64_t from, uint64_t end,
                         uint64_t *first, uint64_t *count)
{
    return next_run(set, from, end, false, first, count);
}

size_t dm_pageset_bytes(const DmPageSet *set)
{
    size_t bytes = sizeof(*set) + sizeof(*set->containers) +
                   set->containers->len * sizeof(Container);
    unsigned i;

    for (i = 0; i < set->containers->len; i++) {
        const Container *c = container_at(set, i);

        if (c->kind == KIND_BITMAP) {
            bytes += WORDS * sizeof(uint64_t);
        } else if (c->kind == KIND_RUNS) {
            bytes += c->room * sizeof(Run);
        }
    }
    return bytes;
}
