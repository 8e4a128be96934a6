/*
 * hvmem-scale.h: round values for the axes of charts
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-util.h"

/* A scale for sizes, from 0. */
typedef struct _hvmemScale hvmemScale;
struct _hvmemScale {
    double step;                /* 1, 2 or 5, times a power of 10, of @unit; in bytes */
    int steps;
    guint64 top;                /* so many of them, not below the largest size */
    guint64 unit;               /* of all its labels: MiB, GiB or TiB */
    int decimals;               /* of a label */
};

/* Up to @largest, with at most @steps steps. */
hvmemScale
hvmemScaleSizes(guint64 largest,
                int steps);

/* "1.5 GiB", "2 GiB": the label after @n steps, with the unit or without. */
char *
hvmemScaleLabel(const hvmemScale *scale,
                int n,
                bool unit);

const char *
hvmemScaleUnit(const hvmemScale *scale);

/* Seconds between ticks, so that there are at most @steps of them: 1, 2, 5, 10, 20, 30 seconds, minutes, …, whole days. */
double
hvmemScaleTimes(double span,
                int steps);
