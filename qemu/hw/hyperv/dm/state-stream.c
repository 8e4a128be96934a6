/*
 * Dynamic Memory engine: numbers, times and sets of a saved state
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "state-stream.h"

#include <string.h>

void dm_stream_fail(DmStream *s, const char *format, ...)
{
    va_list args;

    if (s->fault) {
        return;
    }
    va_start(args, format);
    s->fault = g_strdup_vprintf(format, args);
    va_end(args);
}

bool dm_stream_reading(const DmStream *s)
{
    return !s->out;
}

void dm_stream_put(DmStream *s, uint64_t value)
{
    uint64_t bytes = GUINT64_TO_LE(value);

    if (s->out->len + sizeof(bytes) > s->most) {
        dm_stream_fail(s, "it is too large");
    }
    if (s->fault) {
        return;
    }
    g_byte_array_append(s->out, (const uint8_t *)&bytes, sizeof(bytes));
}

uint64_t dm_stream_get(DmStream *s, const char *what)
{
    uint64_t bytes;

    if (s->fault) {
        return 0;
    }
    if (s->len - s->at < sizeof(bytes)) {
        dm_stream_fail(s, "it ends within '%s', after %zu bytes", what, s->len);
        return 0;
    }
    memcpy(&bytes, s->in + s->at, sizeof(bytes));
    s->at += sizeof(bytes);
    return GUINT64_FROM_LE(bytes);
}

uint64_t dm_stream_number(DmStream *s, const char *what, uint64_t value,
                          uint64_t max)
{
    if (!dm_stream_reading(s)) {
        dm_stream_put(s, value);
        return value;
    }
    value = dm_stream_get(s, what);
    if (value > max) {
        dm_stream_fail(s, "'%s' is %" G_GUINT64_FORMAT ", at most %"
                       G_GUINT64_FORMAT " is possible", what, value, max);
        return 0;
    }
    return value;
}

void dm_stream_same(DmStream *s, const char *what, uint64_t value)
{
    uint64_t theirs = dm_stream_number(s, what, value, UINT64_MAX);

    if (theirs != value) {
        dm_stream_fail(s, "'%s' is %" G_GUINT64_FORMAT " there and %"
                       G_GUINT64_FORMAT " here", what, theirs, value);
    }
}

void dm_stream_moment(DmStream *s, const char *what, uint64_t *when)
{
    uint64_t left = *when > s->now ? *when - s->now : 0;

    left = dm_stream_number(s, what, left, DM_STREAM_MAX_MS);
    *when = s->now + left;
}

void dm_stream_moment_or_never(DmStream *s, const char *what, uint64_t *when)
{
    bool never = *when == UINT64_MAX;

    never = dm_stream_number(s, what, never, 1);
    if (never) {
        *when = UINT64_MAX;
    } else {
        dm_stream_moment(s, what, when);
    }
}

void dm_stream_moment_past(DmStream *s, const char *what, uint64_t *when)
{
    uint64_t ago = MIN(s->now - *when, DM_STREAM_MAX_MS);

    ago = dm_stream_number(s, what, ago, DM_STREAM_MAX_MS);
    *when = s->now - MIN(ago, s->now);
}

static void fail_set(DmStream *s, const char *what, PageSetFault fault)
{
    if (fault == PAGESET_FAULT_SHORT) {
        dm_stream_fail(s, "it ends within '%s', after %zu bytes", what, s->len);
    } else {
        dm_stream_fail(s, "'%s' has a %s out of order or of an impossible size",
                       what, fault == PAGESET_FAULT_RUN ? "run" : "container");
    }
}

void dm_stream_set(DmStream *s, const char *what, PageSet *set)
{
    PageSetFault fault;

    if (s->fault) {
        return;
    }
    if (!dm_stream_reading(s)) {
        if (!pageset_write(set, s->out, s->most)) {
            dm_stream_fail(s, "it is too large");
        }
        return;
    }
    fault = pageset_read(set, s->in, s->len, &s->at);
    if (fault != PAGESET_FAULT_NONE) {
        fail_set(s, what, fault);
    }
}
