/*
 * hvmem-progress.h: how far a guest is on its way to another size
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-explain.h"

typedef struct _hvmemProgress hvmemProgress;
struct _hvmemProgress {
    guint64 from;               /* what the guest had when it was asked */
    guint64 to;
    guint64 best;               /* the nearest to @to that it has been since its driver connected */
    char *figures;              /* all that moves, as it was at the last look */
};

void
hvmemProgressInit(hvmemProgress *progress,
                  const hvmemDomain *dom,
                  guint64 to);

void
hvmemProgressClear(hvmemProgress *progress);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(hvmemProgress, hvmemProgressClear);

/* Looks again. Has any memory gone from host to guest or back since, whichever of libvirt's figures says so? */
bool
hvmemProgressLook(hvmemProgress *progress,
                  const hvmemDomain *dom);

/* "g1: [███···]  40 %  at 2 GiB, asked for 3 GiB, growing", in @columns if they are not very few. What it says of the way never goes
 * back as long as the same driver is connected: memory that a guest is given comes in whole blocks, and what is too much is taken again. */
char *
hvmemProgressFormat(const hvmemProgress *progress,
                    const hvmemDomain *dom,
                    int columns);
