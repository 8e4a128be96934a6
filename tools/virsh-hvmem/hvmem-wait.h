/*
 * hvmem-wait.h: waiting until a guest has what was requested
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-hosts.h"

/* Without a limit, give up after so many seconds without a change. */
#define HVMEM_WAIT_STALL 60

typedef struct _hvmemWait hvmemWait;
struct _hvmemWait {
    gint64 start;               /* of the time that is shown and limited, by g_get_monotonic_time() */
    int timeout;                /* in seconds; 0: as long as something moves */
    guint64 size;               /* what was requested; HVMEM_UNKNOWN: whatever is */
    bool quiet;
    const GPtrArray *hosts;     /* where to go on if the guest is migrated; NULL: nowhere */
};

/* Waits for the running guest of @dom, which looked like @before, with progress and explanations on standard error. Returns the last look at it, also
 * if @error is set because it has not got there; NULL if there was none. */
hvmemDomain *
hvmemWaitFor(virDomainPtr dom,
             const hvmemDomain *before,
             const hvmemWait *options,
             GError **error);
