/*
 * hvmem-progress.h: the progress of a guest to another size
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-explain.h"

typedef struct _hvmemProgress hvmemProgress;
struct _hvmemProgress {
    guint64 from;               /* what the guest had at the request */
    guint64 to;
    guint64 best;               /* the nearest to @to since its driver connected */
    char *figures;              /* all figures that may change, at the last update */
};

void
hvmemProgressInit(hvmemProgress *progress,
                  const hvmemDomain *dom,
                  guint64 to);

void
hvmemProgressClear(hvmemProgress *progress);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(hvmemProgress, hvmemProgressClear);

/* Updates @progress. Returns true if any of libvirt's figures shows that memory has moved since. */
bool
hvmemProgressUpdate(hvmemProgress *progress,
                  const hvmemDomain *dom);

/* "g1: [███···]  40 %  at 2 GiB, asked for 3 GiB, growing", in @columns if they are not very few. The percentage never decreases while the
 * same driver is connected, though memory is added in whole blocks and the surplus removed again. */
char *
hvmemProgressFormat(const hvmemProgress *progress,
                    const hvmemDomain *dom,
                    int columns);
