/*
 * Sets of guest pages
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure C + GLib. A set is a directory of containers of 64 Ki pages, each of
 * which is empty, full, a short list of runs, or a bitmap; full ones next to
 * each other are one. That is a few bytes a run at best and one bit a page at
 * worst, whatever pattern a guest chooses. Numbers and counts are in pages;
 * page numbers are below 2^40.
 */

#ifndef QEMU_PAGESET_H
#define QEMU_PAGESET_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct PageSet PageSet;

PageSet *pageset_new(void);
void pageset_free(PageSet *set);
void pageset_clear(PageSet *set);

/* Number of pages in the set, and of those of [first, first + count). */
uint64_t pageset_count(const PageSet *set);
uint64_t pageset_count_in(const PageSet *set, uint64_t first,
                          uint64_t count);
bool pageset_contains(const PageSet *set, uint64_t page);
/* Number of pages that are in both. */
uint64_t pageset_count_common(const PageSet *a, const PageSet *b);

/* Return how many pages were not (add) or were (remove) in the set before. */
uint64_t pageset_add(PageSet *set, uint64_t first, uint64_t count);
uint64_t pageset_remove(PageSet *set, uint64_t first, uint64_t count);
/* Adds the pages of [first, first + count) that are in @from, another set. */
void pageset_add_from(PageSet *set, const PageSet *from, uint64_t first,
                      uint64_t count);

/*
 * The first run of pages in the set within [from, end): false if there is
 * none. Runs are maximal within that window.
 */
bool pageset_next(const PageSet *set, uint64_t from, uint64_t end,
                  uint64_t *first, uint64_t *count);

/* The first run of pages *not* in the set within [from, end). */
bool pageset_next_gap(const PageSet *set, uint64_t from, uint64_t end,
                      uint64_t *first, uint64_t *count);

/* Bytes that the set holds, its own structure included. */
size_t pageset_bytes(const PageSet *set);

/* What an array of GLib holds. */
#define PAGESET_WRITTEN_MAX ((size_t)INT32_MAX)

/*
 * Appends the set to @out, as plain data: the form is in pageset-io.c. False if
 * @out would get longer than @most or PAGESET_WRITTEN_MAX bytes; a part of the
 * set may be there then.
 */
bool pageset_write(const PageSet *set, GByteArray *out, size_t most);

/* Why data cannot be read as a set. */
typedef enum PageSetFault {
    PAGESET_FAULT_NONE,
    PAGESET_FAULT_SHORT,        /* it ends before the set does */
    PAGESET_FAULT_RUN,          /* out of order, or of an impossible size */
    PAGESET_FAULT_CONTAINER,
} PageSetFault;

/*
 * Reads into @set, which is empty, what pageset_write() has written, from @at
 * on, which is moved behind it. Nothing in @data is trusted, and a set takes
 * no more memory than what is read of it, and a little. After a fault the set
 * holds some of it, and @at is where it was.
 */
PageSetFault pageset_read(PageSet *set, const uint8_t *data, size_t len,
                          size_t *at);

#endif
