/*
 * hvmem-chart.h: a record as a chart of characters
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-record.h"

/* Columns left of the plot, for the scale. */
#define HVMEM_CHART_MARGIN 11

typedef struct _hvmemChart hvmemChart;
struct _hvmemChart {
    int width;                  /* in all, columns */
    int height;                 /* of the plot, lines, without the one for the time below it */
    double span;                /* seconds that the plot shows */
    double now;                 /* its right end */
    guint64 ceiling;            /* HVMEM_UNKNOWN: none; drawn if it is not far above all else */
    bool utf8;
    bool colour;
};

/* The last @span seconds of the record: the guest's memory as an area; requested,
 * usable and host memory as lines, and demand where the guest's memory is automatic. Returns @height + 1 lines, each with a line
 * end. */
char *
hvmemChartFormat(const hvmemRecord *record,
                 const hvmemChart *chart);

/* The legend, in one line. @demand: is there any? */
char *
hvmemChartLegend(bool demand,
                 bool utf8,
                 bool colour);
