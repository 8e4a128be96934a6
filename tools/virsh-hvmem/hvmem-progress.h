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

/* "g1: [███···]  40 %  0:12  2.0 of 3.0 GiB, growing, given 0.5 of 1.0 GiB", in @columns if they are not very few; @seconds: since the request. The
 * percentage never decreases while the same driver is connected, though memory is added in whole blocks and the surplus removed again. */
char *
hvmemProgressFormat(const hvmemProgress *progress,
                    const hvmemDomain *dom,
                    double seconds,
                    int columns);
