/*
 * hvmem-list.h: many domains as one table, with their host
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-domain.h"
#include "hvmem-table.h"

typedef struct _hvmemListOptions hvmemListOptions;
struct _hvmemListOptions {
    gboolean all;               /* those without a hyperv balloon too */
    gboolean running;           /* only those */
    gboolean problems;          /* only those that need somebody's action */
    gboolean bytes;             /* exact sizes */
    char *sort;                 /* a column; NULL: name */
    char *columns;              /* "name,current,…"; NULL: what fits */
    const char *filter;         /* part of the name; NULL: any */
};

/* What the host has and what its running guests hold, in bytes. */
typedef struct _hvmemListHost hvmemListHost;
struct _hvmemListHost {
    guint64 memory;
    guint64 free;               /* HVMEM_UNKNOWN: not told */
};

/* The names of all columns, separated by commas. */
char *
hvmemListColumns(void);

/* Do the columns that are named exist? */
bool
hvmemListCheck(const hvmemListOptions *options,
               GError **error);

/* Those of @doms that are wanted, sorted; they stay in the possession of @doms. */
GPtrArray *
hvmemListSelect(const GPtrArray *doms,
                const hvmemListOptions *options);

/* A table of them, with a last row of sums. */
hvmemTable *
hvmemListTable(const GPtrArray *selected,
               const hvmemListOptions *options);

/* The sums of all @doms and the host's memory, in a sentence. */
char *
hvmemListHostLine(const GPtrArray *doms,
                  const hvmemListHost *host);
