/*
 * hvmem-scale.c: round values for the axes of charts
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-scale.h"

#include <math.h>

#define TIB (1024 * HVMEM_GIB)
#define DAY 86400


/* The smallest of 1, 2, 5, 10, … 0.1, 0.01 that is not below @value. */
static double
roundUp(double value,
        int *decimals)
{
    static const double factors[] = { 1, 2, 5 };
    int power = floor(log10(value));
    size_t i;

    for (;; power++) {
        for (i = 0; i < G_N_ELEMENTS(factors); i++) {
            double step = factors[i] * pow(10, power);

            *decimals = MAX(-power, 0);
            if (step >= value * (1 - 1e-9))
                return step;
        }
    }
}


hvmemScale
hvmemScaleSizes(guint64 largest,
                int steps)
{
    hvmemScale scale = { .unit = largest >= TIB ? TIB : largest >= HVMEM_GIB ? HVMEM_GIB : HVMEM_MIB };

    largest = CLAMP(largest, HVMEM_MIB, G_MAXINT64 / 2);
    scale.step = roundUp((double)largest / scale.unit / MAX(steps, 1), &scale.decimals) * scale.unit;
    scale.steps = MAX(ceil(largest / scale.step * (1 - 1e-9)), 1);
    scale.top = scale.step * scale.steps;
    return scale;
}


const char *
hvmemScaleUnit(const hvmemScale *scale)
{
    return scale->unit == TIB ? "TiB" : scale->unit == HVMEM_GIB ? "GiB" : "MiB";
}


char *
hvmemScaleLabel(const hvmemScale *scale,
                int n,
                bool unit)
{
    if (n == 0)
        return g_strdup("0");
    return g_strdup_printf("%.*f%s%s", scale->decimals, scale->step * n / scale->unit, unit ? " " : "", unit ? hvmemScaleUnit(scale) : "");
}


double
hvmemScaleTimes(double span,
                int steps)
{
    static const double times[] = { 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 18000, 36000 };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(times); i++) {
        if (span / times[i] <= steps)
            return times[i];
    }
    return ceil(span / steps / DAY) * DAY;
}
