/*
 * Dynamic Memory engine: numbers, times and sets of a saved state
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The same functions write and read, so the two cannot differ: each writes the
 * value that it is given, or replaces it by what it reads. After a failure
 * reading gives zeros, and the first error is kept.
 */

#ifndef DM_STATE_STREAM_H
#define DM_STATE_STREAM_H

#include "qemu/pageset.h"

/* The longest time that a state may have left. */
#define DM_STREAM_MAX_MS (UINT64_C(7) * 24 * 3600 * 1000)

typedef struct DmStream {
    GByteArray *out;            /* NULL: reading */
    size_t most;                /* bytes that are written */
    const uint8_t *in;
    size_t len, at;             /* bytes */
    uint64_t now;               /* ms */
    uint64_t version;           /* of what is read or written */
    char *fault;
} DmStream;

void G_GNUC_PRINTF(2, 3) dm_stream_fail(DmStream *s, const char *format, ...);
bool dm_stream_reading(const DmStream *s);

/* @what names the number in an error. */
void dm_stream_put(DmStream *s, uint64_t value);
uint64_t dm_stream_get(DmStream *s, const char *what);
/* A number that is at most @max. Returns what it was or what was read. */
uint64_t dm_stream_number(DmStream *s, const char *what, uint64_t value,
                          uint64_t max);
/* A number that must be the same on both sides. */
void dm_stream_same(DmStream *s, const char *what, uint64_t value);

/* A time to come; one that has passed becomes now. Never: UINT64_MAX. */
void dm_stream_moment(DmStream *s, const char *what, uint64_t *when);
void dm_stream_moment_or_never(DmStream *s, const char *what, uint64_t *when);
void dm_stream_moment_past(DmStream *s, const char *what, uint64_t *when);

/* Reading: into an empty set. */
void dm_stream_set(DmStream *s, const char *what, PageSet *set);

#endif
