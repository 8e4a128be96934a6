/*
 * Sets of guest pages
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/pageset.h"

#include <string.h>

#include "pageset-int.h"

PageSet *pageset_new(void)
{
    return g_new0(PageSet, 1);
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

void pageset_clear(PageSet *set)
{
    uint32_t i;

    for (i = 0; i < set->len; i++) {
        container_drop_data(&set->containers[i]);
    }
    g_clear_pointer(&set->containers, g_free);
    set->len = set->room = set->last = 0;
    set->hot = false;
    set->count = 0;
}

void pageset_free(PageSet *set)
{
    if (set) {
        pageset_clear(set);
        g_free(set);
    }
}

uint64_t pageset_count(const PageSet *set)
{
    return set->count;
}

/* ---- the directory ---- */

/* Is container @i there, and does it stand for @index? */
static bool covers(const PageSet *set, uint64_t i, uint64_t index)
{
    return i < set->len &&
           index - set->containers[i].index < set->containers[i].span;
}

/*
 * Position of the first container that ends above @index. Usually it is the one
 * of the last call, or all containers below it are there.
 */
static uint32_t lower_bound(const PageSet *set, uint64_t index)
{
    uint32_t low = 0, n = set->len;
    uint64_t guess;

    if (covers(set, set->last, index)) {
        return set->last;
    }
    guess = n ? index - set->containers[0].index : 0;
    if (covers(set, guess, index)) {
        return guess;
    }
    while (n) {
        uint32_t half = n / 2;

        if (container_end(&set->containers[low + half]) <= index) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return low;
}

/* Drops @old containers at @at and makes room for @n, which are zeroed. */
static void directory_splice(PageSet *set, uint32_t at, uint32_t old,
                             uint32_t n)
{
    uint32_t len = set->len - old + n, i;

    set->hot = false;   /* containers move */
    for (i = at; i < at + old; i++) {
        container_drop_data(&set->containers[i]);
    }
    if (len > set->room) {
        set->room = MAX(2, 2 * set->room);
        set->containers = g_renew(Container, set->containers, set->room);
    }
    memmove(set->containers + at + n, set->containers + at + old,
            (set->len - at - old) * sizeof(Container));
    memset(set->containers + at, 0, n * sizeof(Container));
    set->len = len;
    if (len < set->room / 4) {
        set->room /= 2;
        set->containers = g_renew(Container, set->containers, set->room);
    }
}

/* Splits at @index a full container that covers it and begins below. */
static void split_at(PageSet *set, uint64_t index)
{
    uint32_t i = lower_bound(set, index);
    Container *c;

    if (!covers(set, i, index) || set->containers[i].index == index) {
        return;
    }
    directory_splice(set, i + 1, 0, 1);
    c = &set->containers[i];
    c[1].index = index;
    c[1].span = container_end(c) - index;
    c[1].population = UINT16_MAX;
    c[1].kind = KIND_FULL;
    c->span = index - c->index;
}

static bool joined(const Container *c)
{
    return c[0].kind == KIND_FULL && c[1].kind == KIND_FULL &&
           container_end(c) == c[1].index;
}

/* Container @i has become full: joins it with full ones beside it. */
static void join_full(PageSet *set, uint32_t i)
{
    Container *c = set->containers;

    if (i + 1 < set->len && joined(&c[i])) {
        c[i].span += c[i + 1].span;
        directory_splice(set, i + 1, 1, 0);
        c = set->containers;
    }
    if (i && joined(&c[i - 1])) {
        c[i - 1].span += c[i].span;
        directory_splice(set, i, 1, 0);
    }
}

Container *pageset_append(PageSet *set, uint32_t index)
{
    Container *c;

    directory_splice(set, set->len, 0, 1);
    c = &set->containers[set->len - 1];
    c->index = index;
    c->span = 1;
    return c;
}

void pageset_append_full(PageSet *set, uint32_t index)
{
    Container *c = pageset_append(set, index);

    c->kind = KIND_FULL;
    c->population = UINT16_MAX;
    set->count += CONTAINER_PAGES;
    join_full(set, set->len - 1);
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
    /* Runs that only touch the new one are joined with it, too. */
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

    for (i = 0; i < c->n_runs; i++) {
        bits_fill(bits, c->runs[i].first, c->runs[i].last, true);
    }
    container_drop_data(c);
    c->kind = KIND_BITMAP;
    c->bits = bits;
    c->low = bits_next(bits, 0, true);
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

/* c->low stays exact: words that became empty are searched only once. */
static uint32_t bitmap_fill(Container *c, uint32_t first, uint32_t last,
                            bool value)
{
    uint32_t changed = bits_fill(c->bits, first, last, value), low;

    if (value) {
        c->low = MIN(c->low, first);
    } else if (first <= c->low && changed) {
        low = bits_next(c->bits, c->low, true);
        c->low = low < CONTAINER_PAGES ? low : 0;
    }
    return changed;
}

/* Adds or removes pages first .. last of one that is not full, returns how
 * many changed. */
static uint32_t container_fill(Container *c, uint32_t first, uint32_t last,
                               bool value)
{
    uint32_t before, wanted = value ? last - first + 1 : 0;

    if (c->kind == KIND_BITMAP) {
        return bitmap_fill(c, first, last, value);
    }
    before = runs_count(c, first, last);
    if (before == wanted) {
        return 0;
    }
    if (c->n_runs == MAX_RUNS) {
        container_to_bitmap(c);
        return bitmap_fill(c, first, last, value);
    }
    if (value) {
        runs_add(c, first, last);
        return wanted - before;
    }
    runs_remove(c, first, last);
    return before;
}

/* First page from @from on that is @value; the end of its span if none. */
static uint64_t container_next(const Container *c, uint64_t from, bool value)
{
    uint32_t i;

    if (c->kind == KIND_FULL) {
        return value ? from : (uint64_t)c->span << CONTAINER_SHIFT;
    }
    if (c->kind == KIND_BITMAP) {
        return bits_next(c->bits, value ? MAX(from, c->low) : from, value);
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

/* @n whole containers from @index on. Returns how many pages are new. */
static uint64_t add_whole(PageSet *set, uint64_t index, uint64_t n)
{
    uint64_t before = pageset_count_in(set, index << CONTAINER_SHIFT,
                                       n << CONTAINER_SHIFT);
    uint32_t from, to;

    if (before == n << CONTAINER_SHIFT) {
        return 0;
    }
    split_at(set, index);
    split_at(set, index + n);
    from = lower_bound(set, index);
    to = lower_bound(set, index + n);
    directory_splice(set, from, to - from, 1);
    set->containers[from].index = index;
    set->containers[from].span = n;
    set->containers[from].population = UINT16_MAX;
    set->containers[from].kind = KIND_FULL;
    join_full(set, from);
    return (n << CONTAINER_SHIFT) - before;
}

static uint64_t remove_whole(PageSet *set, uint64_t index, uint64_t n)
{
    uint64_t before = pageset_count_in(set, index << CONTAINER_SHIFT,
                                       n << CONTAINER_SHIFT);
    uint32_t from, to;

    if (before) {
        split_at(set, index);
        split_at(set, index + n);
        from = lower_bound(set, index);
        to = lower_bound(set, index + n);
        directory_splice(set, from, to - from, 0);
    }
    return before;
}

/* Pages first .. last of one container. */
static uint64_t add_part(PageSet *set, uint64_t index, uint32_t first,
                         uint32_t last)
{
    uint32_t i = lower_bound(set, index), n;
    Container *c;

    if (!covers(set, i, index)) {
        directory_splice(set, i, 0, 1);
        set->containers[i].index = index;
        set->containers[i].span = 1;
        set->containers[i].kind = KIND_RUNS;
    }
    c = &set->containers[i];
    if (c->kind == KIND_FULL) {
        return 0;
    }
    set->last = i;
    set->hot = false;
    n = container_fill(c, first, last, true);
    if (c->population + n < CONTAINER_PAGES) {
        c->population += n;
    } else {
        container_drop_data(c);
        c->population = UINT16_MAX;
        c->kind = KIND_FULL;
        join_full(set, i);
    }
    return n;
}

/* What is left of a full container, as two runs at most. */
static void open_full(PageSet *set, uint64_t index, uint32_t first,
                      uint32_t last)
{
    Run all = { 0, CONTAINER_PAGES - 1 };
    Container *c;

    split_at(set, index);
    split_at(set, index + 1);
    c = &set->containers[lower_bound(set, index)];
    c->kind = KIND_RUNS;
    runs_splice(c, 0, 0, &all, 1);
    runs_remove(c, first, last);
    c->population = CONTAINER_PAGES - (last - first + 1);
}

static uint64_t remove_part(PageSet *set, uint64_t index, uint32_t first,
                            uint32_t last)
{
    uint32_t i = lower_bound(set, index), n;
    Container *c;

    if (!covers(set, i, index)) {
        return 0;
    }
    c = &set->containers[i];
    if (c->kind == KIND_FULL) {
        open_full(set, index, first, last);
        return last - first + 1;
    }
    set->last = i;
    set->hot = false;
    n = container_fill(c, first, last, false);
    c->population -= n;
    if (!c->population) {
        directory_splice(set, i, 1, 0);
    }
    return n;
}

static uint64_t set_fill(PageSet *set, uint64_t first, uint64_t end,
                         bool value)
{
    uint64_t changed = 0;

    while (first < end) {
        uint64_t index = first >> CONTAINER_SHIFT;
        uint64_t whole = (end >> CONTAINER_SHIFT) - index;
        uint64_t next = MIN(end, (index + 1) << CONTAINER_SHIFT);
        uint32_t from = first % CONTAINER_PAGES;
        uint32_t to = (next - 1) % CONTAINER_PAGES;

        if (whole && !from) {
            changed += value ? add_whole(set, index, whole)
                             : remove_whole(set, index, whole);
            next = (index + whole) << CONTAINER_SHIFT;
        } else {
            changed += value ? add_part(set, index, from, to)
                             : remove_part(set, index, from, to);
        }
        first = next;
    }
    return changed;
}

/* Pages of one word, none of which is in the set. */
static bool add_to_word(Container *c, uint32_t first, uint64_t count)
{
    uint64_t mask;

    if (first % 64 + count > 64) {
        return false;
    }
    mask = word_mask(first % 64, first % 64 + count - 1);
    if (c->bits[first / 64] & mask) {
        return false;
    }
    c->bits[first / 64] |= mask;
    c->low = MIN(c->low, first);
    return true;
}

/* Pages right above the last run or right below the first. */
static bool add_to_ends(Container *c, uint32_t first, uint64_t count)
{
    Run *last = &c->runs[c->n_runs - 1];

    if (first == last->last + 1u && first + count <= CONTAINER_PAGES) {
        last->last += count;
    } else if (first + count == c->runs[0].first) {
        c->runs[0].first = first;
    } else {
        return false;
    }
    return true;
}

/*
 * The common cases: a page or a few, all new, in one word of a bitmap or at
 * either end of a list of runs. Returns false, with nothing done, in any other
 * case.
 */
static bool add_few(PageSet *set, uint32_t i, uint64_t first, uint64_t count)
{
    uint32_t from = first % CONTAINER_PAGES;
    Container *c = &set->containers[i];

    /* A container that is or becomes full is another case. */
    if (c->population + count >= CONTAINER_PAGES ||
        !(c->kind == KIND_BITMAP ? add_to_word(c, from, count)
                                 : add_to_ends(c, from, count))) {
        return false;
    }
    c->population += count;
    set->count += count;
    set->last = i;
    set->hot = c->kind == KIND_BITMAP;
    return true;
}

/* The cheapest case: one page that is new, and not the lowest, in a bitmap that
 * stays one. Returns false, with nothing done, in any other case. */
static inline bool add_one(PageSet *set, uint64_t page)
{
    uint32_t at = page % CONTAINER_PAGES;
    uint64_t bit = UINT64_C(1) << at % 64;
    Container *c;

    if (!set->hot) {
        return false;
    }
    c = &set->containers[set->last];
    if (c->index != page >> CONTAINER_SHIFT || at < c->low ||
        (c->bits[at / 64] & bit) || c->population == CONTAINER_PAGES - 1) {
        return false;
    }
    c->bits[at / 64] |= bit;
    c->population++;
    set->count++;
    return true;
}

/* A function of its own, so that pageset_add() needs hardly any stack. */
static G_GNUC_NO_INLINE uint64_t add_anywhere(PageSet *set, uint64_t first,
                                              uint64_t count)
{
    uint64_t index = first >> CONTAINER_SHIFT, changed;
    uint32_t i = lower_bound(set, index);

    if (count && covers(set, i, index) && add_few(set, i, first, count)) {
        return count;
    }
    changed = set_fill(set, first, first + count, true);
    set->count += changed;
    return changed;
}

uint64_t pageset_add(PageSet *set, uint64_t first, uint64_t count)
{
    return count == 1 && add_one(set, first) ? 1
                                             : add_anywhere(set, first, count);
}

uint64_t pageset_remove(PageSet *set, uint64_t first, uint64_t count)
{
    uint64_t changed = set_fill(set, first, first + count, false);

    set->count -= changed;
    return changed;
}

uint64_t pageset_count_in(const PageSet *set, uint64_t first,
                          uint64_t count)
{
    uint64_t end = first + count, n = 0;
    uint32_t i;

    for (i = lower_bound(set, first >> CONTAINER_SHIFT); i < set->len; i++) {
        const Container *c = &set->containers[i];
        uint64_t start = (uint64_t)c->index << CONTAINER_SHIFT;
        uint64_t from = MAX(first, start);
        uint64_t to = MIN(end, container_end(c) << CONTAINER_SHIFT);

        if (from >= to) {
            break;
        }
        if (c->kind == KIND_FULL) {
            n += to - from;
        } else if (to - from == CONTAINER_PAGES) {
            n += c->population;
        } else {
            n += container_count(c, from - start, to - 1 - start);
        }
    }
    return n;
}

static uint64_t bits_common(const uint64_t *a, const uint64_t *b)
{
    uint64_t n = 0;
    unsigned i;

    for (i = 0; i < WORDS; i++) {
        n += __builtin_popcountll(a[i] & b[i]);
    }
    return n;
}

static uint64_t runs_common(const Container *runs, const Container *c)
{
    uint64_t n = 0;
    unsigned i;

    for (i = 0; i < runs->n_runs; i++) {
        n += container_count(c, runs->runs[i].first, runs->runs[i].last);
    }
    return n;
}

static uint64_t container_common(const Container *a, const Container *b)
{
    uint64_t from = MAX(a->index, b->index);
    uint64_t to = MIN(container_end(a), container_end(b));

    if (from >= to) {
        return 0;
    }
    if (a->kind == KIND_FULL) {
        return b->kind == KIND_FULL ? (to - from) << CONTAINER_SHIFT
                                    : b->population;
    }
    if (b->kind == KIND_FULL) {
        return a->population;
    }
    if (a->kind == KIND_BITMAP && b->kind == KIND_BITMAP) {
        return bits_common(a->bits, b->bits);
    }
    return a->kind == KIND_RUNS ? runs_common(a, b) : runs_common(b, a);
}

uint64_t pageset_count_common(const PageSet *a, const PageSet *b)
{
    uint64_t n = 0;
    uint32_t i = 0, j = 0;

    while (i < a->len && j < b->len) {
        const Container *x = &a->containers[i], *y = &b->containers[j];

        n += container_common(x, y);
        if (container_end(x) < container_end(y)) {
            i++;
        } else {
            j++;
        }
    }
    return n;
}

bool pageset_contains(const PageSet *set, uint64_t page)
{
    return pageset_count_in(set, page, 1) == 1;
}

/* First page in [from, end) that is, or is not, in the set; @end if none. */
static uint64_t next_page(const PageSet *set, uint64_t from, uint64_t end,
                          bool value)
{
    uint32_t i = lower_bound(set, from >> CONTAINER_SHIFT);

    for (; from < end && i < set->len; i++) {
        const Container *c = &set->containers[i];
        uint64_t start = (uint64_t)c->index << CONTAINER_SHIFT;
        uint64_t stop = container_end(c) << CONTAINER_SHIFT;

        if (!value && from < start) {
            return MIN(from, end);
        }
        from = start + container_next(c, MAX(from, start) - start, value);
        if (from < stop) {
            return MIN(from, end);
        }
    }
    return value ? end : MIN(from, end);
}

static bool next_run(const PageSet *set, uint64_t from, uint64_t end,
                     bool value, uint64_t *first, uint64_t *count)
{
    *first = next_page(set, from, end, value);
    if (*first >= end) {
        return false;
    }
    *count = next_page(set, *first, end, !value) - *first;
    return true;
}

bool pageset_next(const PageSet *set, uint64_t from, uint64_t end,
                  uint64_t *first, uint64_t *count)
{
    return next_run(set, from, end, true, first, count);
}

bool pageset_next_gap(const PageSet *set, uint64_t from, uint64_t end,
                      uint64_t *first, uint64_t *count)
{
    return next_run(set, from, end, false, first, count);
}

size_t pageset_bytes(const PageSet *set)
{
    size_t bytes = sizeof(*set) + set->room * sizeof(Container);
    uint32_t i;

    for (i = 0; i < set->len; i++) {
        const Container *c = &set->containers[i];

        if (c->kind == KIND_BITMAP) {
            bytes += WORDS * sizeof(uint64_t);
        } else if (c->kind == KIND_RUNS) {
            bytes += c->room * sizeof(Run);
        }
    }
    return bytes;
}

void pageset_add_from(PageSet *set, const PageSet *from, uint64_t first,
                      uint64_t count)
{
    uint64_t at = first, end = first + count, run;

    while (pageset_next(from, at, end, &at, &run)) {
        pageset_add(set, at, run);
        at += run;
    }
}
