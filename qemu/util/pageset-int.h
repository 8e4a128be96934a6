/*
 * Sets of guest pages: what they are made of
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * For pageset.c, which keeps a set, and pageset-io.c, which writes and reads
 * it.
 */

#ifndef QEMU_PAGESET_INT_H
#define QEMU_PAGESET_INT_H

#include <glib.h>

#include "qemu/pageset.h"

#define CONTAINER_SHIFT 16
#define CONTAINER_PAGES (1u << CONTAINER_SHIFT)
#define WORDS (CONTAINER_PAGES / 64)
/*
 * A container with more runs than this becomes a bitmap. It is enough for any
 * set of 2 MiB units, and few enough for an insert to move little.
 */
#define MAX_RUNS 128

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
    uint32_t index;             /* of its first page, in containers */
    uint32_t span;              /* number of containers that it stands for; 1
                                 * unless it is full */
    uint16_t population;        /* pages in the set; UINT16_MAX if full */
    uint16_t low;               /* of a bitmap: the first page in the set */
    uint8_t kind;
    uint8_t n_runs;
    uint8_t room;               /* runs allocated */
    union {
        Run *runs;              /* ascending, never touching each other */
        uint64_t *bits;
    };
} Container;

G_STATIC_ASSERT(MAX_RUNS <= UINT8_MAX);

/*
 * Only containers that hold a page are there, ascending by index. Adjacent full
 * ones are always joined into one.
 */
struct PageSet {
    Container *containers;
    uint32_t len, room;
    uint32_t last;              /* the one last changed, often the next too */
    bool hot;                   /* it is a bitmap that grows by single pages */
    uint64_t count;
};

/* ---- bitmaps ---- */

/* Bits @first .. @last of their word. */
static inline uint64_t word_mask(unsigned first, unsigned last)
{
    return (UINT64_MAX << first) & (UINT64_MAX >> (63 - last));
}

/* Sets or clears pages first .. last, returns how many changed. */
static inline uint32_t bits_fill(uint64_t *bits, uint32_t first, uint32_t last,
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

static inline uint32_t bits_count(const uint64_t *bits, uint32_t first,
                                  uint32_t last)
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
static inline uint32_t bits_next(const uint64_t *bits, uint32_t from,
                                 bool value)
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

/* ---- containers ---- */

static inline uint64_t container_end(const Container *c)
{
    return (uint64_t)c->index + c->span;
}

/*
 * An empty one of a single container, above all others of the set. What it is
 * and what it holds is for the caller to say.
 */
Container *pageset_append(PageSet *set, uint32_t index);
/* It holds all of its pages, and becomes one with a full one right below. */
void pageset_append_full(PageSet *set, uint32_t index);

#endif
