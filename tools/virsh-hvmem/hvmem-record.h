/*
 * hvmem-record.h: sizes over time, and their file
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <stdio.h>

#include "hvmem-domain.h"

typedef struct _hvmemSample hvmemSample;
struct _hvmemSample {
    double time;                /* seconds since 1970 */
    guint64 requested;          /* sizes in bytes, or HVMEM_UNKNOWN */
    guint64 current;
    guint64 usable;
    guint64 rss;
    guint64 capacity;           /* boot memory and sticks */
    guint64 demand;             /* what a guest uses whose memory is automatic */
    char state[24];
};

typedef struct _hvmemEvent hvmemEvent;
struct _hvmemEvent {
    double time;
    char *text;
};

/* The record of one domain. */
typedef struct _hvmemRecord hvmemRecord;
struct _hvmemRecord {
    char *name;
    GArray *samples;            /* hvmemSample, in the order of time */
    GPtrArray *events;          /* hvmemEvent, the same */
};

hvmemRecord *
hvmemRecordNew(const char *name);

void
hvmemRecordFree(hvmemRecord *record);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(hvmemRecord, hvmemRecordFree);

void
hvmemRecordAdd(hvmemRecord *record,
               double time,
               const hvmemDomain *dom);

void
hvmemRecordAddEvent(hvmemRecord *record,
                    double time,
                    const char *text);

/* The largest size on any line. */
guint64
hvmemRecordTop(const hvmemRecord *record);

/*
 * CSV (RFC 4180): time,domain,requested,current,usable,rss,capacity,state,event,demand.
 * Bytes; empty if not known. A line is a sample, or an event. Recordings of version 0.1 have no demand, and are read too.
 */

typedef enum {
    HVMEM_RECORD_NEW,           /* nothing is overwritten */
    HVMEM_RECORD_APPEND,        /* an older recording is continued */
    HVMEM_RECORD_REPLACE,
} hvmemRecordMode;

/* Opens @path, with a header if it has none yet. An empty file counts as none. NULL with @error. */
FILE *
hvmemRecordOpen(const char *path,
                hvmemRecordMode mode,
                GError **error);

/* Sees to it that all is written. @failure: set to errno at the first failure. */
void
hvmemRecordFlush(FILE *file,
                 int *failure);

void
hvmemRecordWriteHeader(FILE *file);

void
hvmemRecordWriteSample(FILE *file,
                       const char *name,
                       const hvmemSample *sample);

void
hvmemRecordWriteEvent(FILE *file,
                      const char *name,
                      const hvmemEvent *event);

/* Is the last line without its end, as when a computer crashed? */
bool
hvmemRecordIsCut(const char *text);

/* Array of hvmemRecord, one per domain. What is left of a line that is cut off at the end is left out. */
GPtrArray *
hvmemRecordParse(const char *text,
                 GError **error);
