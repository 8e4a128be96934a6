/*
 * hvmem-targets.h: one command for several domains
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-cmd.h"

typedef struct _hvmemTarget hvmemTarget;
struct _hvmemTarget {
    virDomainPtr dom;
    hvmemDomain *before;        /* NULL: not looked at yet */
    hvmemDomain *after;         /* the same */
    guint64 size;
    bool done;                  /* what was to be done with it */
    char *remark;               /* what becomes of that; may be NULL */
    GError *error;              /* what has failed with it */
};

/* An array of hvmemTarget for the first @n of @names, each once. NULL with @error if any is not found. */
GPtrArray *
hvmemTargetsFind(virConnectPtr conn,
                 char **names,
                 guint n,
                 GError **error);

/* The exit status of a command with @first as its first error: HVMEM_EXIT_REFUSED says that nothing was @changed, and is HVMEM_EXIT_FAILED otherwise. */
int
hvmemTargetsStatus(const GError *first,
                   bool changed);

/* Reports what came of @command: the error of each on standard error, and with --format json the document. Returns true, or false with the first
 * error's status. */
bool
hvmemTargetsReport(const hvmemApp *app,
                   const char *command,
                   const GPtrArray *targets,
                   GError **error);
