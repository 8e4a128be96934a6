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
    int width;                  /* of all, columns */
    int height;                 /* of the plot, lines; below it comes one for the time */
    double span;                /* seconds that the plot shows */
    double now;                 /* its right end */
    guint64 ceiling;            /* HVMEM_UNKNOWN: none */
    bool utf8;
    bool colour;
};

/* The record's last @span seconds: what the guest has as an area, what was
 * asked for, what is usable and what the host holds as lines. @height + 1
 * lines, each with a line end. */
char *
hvmemChartFormat(const hvmemRecord *record,
                 const hvmemChart *chart);

/* What stands for what, in one line. */
char *
hvmemChartLegend(bool utf8,
                 bool colour);

/* The round number at or above @value at which a scale may end. */
guint64
hvmemChartScale(guint64 value);
