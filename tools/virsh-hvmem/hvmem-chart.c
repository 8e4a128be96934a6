/*
 * hvmem-chart.c: a record as a chart of characters
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-chart.h"

#include <math.h>
#include <string.h>

typedef enum {
    CELL_EMPTY,
    CELL_AREA,                  /* memory that the guest has */
    CELL_RSS,
    CELL_USABLE,
    CELL_REQUESTED,             /* drawn over all others */
} CellKind;

typedef struct _Cell Cell;
struct _Cell {
    CellKind kind;
    int eighths;                /* of an area's topmost cell */
};

static const struct {
    const char *utf8;
    const char *ascii;
    const char *sgr;
    const char *name;
} marks[] = {
    [CELL_EMPTY] = { " ", " ", "", "" },
    [CELL_AREA] = { "█", "#", "32", "guest has" },
    [CELL_RSS] = { "×", "x", "35", "host holds" },
    [CELL_USABLE] = { "•", "o", "36", "guest usable" },
    [CELL_REQUESTED] = { "━", "=", "1;33", "asked for" },
};


guint64
hvmemChartScale(guint64 value)
{
    static const double steps[] = { 1, 1.25, 1.5, 1.75 };
    guint64 unit = 64 * HVMEM_MIB;
    size_t i;

    for (;; unit *= 2) {
        for (i = 0; i < G_N_ELEMENTS(steps); i++) {
            if (value <= unit * steps[i])
                return unit * steps[i];
        }
        if (unit > G_MAXUINT64 / 32)
            return value;
    }
}


/* The last sample that is not after @time. */
static const hvmemSample *
sampleAt(const hvmemRecord *record,
         double time)
{
    const hvmemSample *found = NULL;
    size_t i;

    for (i = 0; i < record->samples->len; i++) {
        const hvmemSample *sample = &g_array_index(record->samples, hvmemSample, i);

        if (sample->time > time)
            break;
        found = sample;
    }
    return found;
}


typedef struct _Grid Grid;
struct _Grid {
    Cell *cells;                /* row 0 is the top */
    int width;
    int height;
    guint64 top;
};


static Cell *
cellAt(const Grid *grid,
       int column,
       int row)
{
    return grid->cells + row * grid->width + column;
}


static void
mark(const Grid *grid,
     int column,
     guint64 value,
     CellKind kind)
{
    int row;
    Cell *cell;

    if (value == HVMEM_UNKNOWN)
        return;

    row = grid->height - 1 - MIN((int)((double)value / grid->top * grid->height), grid->height - 1);
    cell = cellAt(grid, column, row);
    if (cell->kind < kind)
        cell->kind = kind;
}


static void
fill(const Grid *grid,
     int column,
     guint64 value)
{
    int eighths = lround((double)value / grid->top * grid->height * 8);
    int row;

    for (row = grid->height - 1; row >= 0 && eighths > 0; row--, eighths -= 8)
        *cellAt(grid, column, row) = (Cell) { CELL_AREA, MIN(eighths, 8) };
}


static void
draw(const Grid *grid,
     const hvmemRecord *record,
     const hvmemChart *chart)
{
    int column;

    for (column = 0; column < grid->width; column++) {
        double time = chart->now - chart->span * (grid->width - 1 - column) / MAX(grid->width - 1, 1);
        const hvmemSample *sample = sampleAt(record, time + 1e-6);

        if (!sample)
            continue;

        if (sample->current != HVMEM_UNKNOWN)
            fill(grid, column, sample->current);
        mark(grid, column, sample->rss, CELL_RSS);
        mark(grid, column, sample->usable, CELL_USABLE);
        mark(grid, column, sample->requested, CELL_REQUESTED);
    }
}


static const char *
glyph(const Cell *cell,
      const hvmemChart *chart)
{
    static const char *const eighths[] = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };

    if (cell->kind == CELL_AREA && chart->utf8)
        return eighths[cell->eighths];
    /* in ASCII, less than half a cell is blank */
    if (cell->kind == CELL_AREA && cell->eighths < 4)
        return " ";
    return chart->utf8 ? marks[cell->kind].utf8 : marks[cell->kind].ascii;
}


static void
formatPlotLine(const Grid *grid,
               const hvmemChart *chart,
               int row,
               GString *out)
{
    CellKind before = CELL_EMPTY;
    int column;

    for (column = 0; column < grid->width; column++) {
        const Cell *cell = cellAt(grid, column, row);

        if (chart->colour && cell->kind != before)
            g_string_append_printf(out, "\033[0%s%sm", *marks[cell->kind].sgr ? ";" : "", marks[cell->kind].sgr);
        before = cell->kind;
        g_string_append(out, glyph(cell, chart));
    }
    if (chart->colour && before != CELL_EMPTY)
        g_string_append(out, "\033[0m");
}


/* The scale has numbers at the top, the middle and the bottom. */
static void
formatScale(const Grid *grid,
            const hvmemChart *chart,
            int row,
            GString *out)
{
    bool middle = grid->height >= 5 && row == grid->height / 2;
    guint64 value = row == 0 ? grid->top : (guint64)((double)grid->top * (grid->height - row) / grid->height);
    g_autofree char *text = row == 0 || middle ? hvmemFormatSize(value / HVMEM_MIB * HVMEM_MIB) : g_strdup("");

    g_string_append_printf(out, "%*s %s", HVMEM_CHART_MARGIN - 2, text,
                           chart->utf8 ? (*text ? "┤" : "│") : (*text ? "+" : "|"));
}


static void
formatTime(const Grid *grid,
           const hvmemChart *chart,
           GString *out)
{
    g_autofree char *span = hvmemFormatDuration(chart->span);
    g_autofree char *left = g_strdup_printf("-%s", span);
    int gap = MAX(grid->width - (int)strlen(left) - 3, 1);

    g_string_append_printf(out, "%*s%s%s%*snow\n", HVMEM_CHART_MARGIN - 1, "0 ", chart->utf8 ? "└" : "+", left, gap, "");
}


char *
hvmemChartFormat(const hvmemRecord *record,
                 const hvmemChart *chart)
{
    Grid grid = { .width = MAX(chart->width - HVMEM_CHART_MARGIN, 1), .height = MAX(chart->height, 1) };
    GString *out = g_string_new(NULL);
    guint64 top = hvmemRecordTop(record);
    int row;

    /* some space above the highest line */
    grid.top = hvmemChartScale(MAX(top + top / 16, 1));
    grid.cells = g_new0(Cell, (size_t)grid.width * grid.height);
    draw(&grid, record, chart);

    for (row = 0; row < grid.height; row++) {
        formatScale(&grid, chart, row, out);
        formatPlotLine(&grid, chart, row, out);
        g_string_append_c(out, '\n');
    }
    formatTime(&grid, chart, out);

    g_free(grid.cells);
    return g_string_free(out, FALSE);
}


char *
hvmemChartLegend(bool utf8,
                 bool colour)
{
    static const CellKind order[] = { CELL_REQUESTED, CELL_AREA, CELL_USABLE, CELL_RSS };
    GString *out = g_string_new(NULL);
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(order); i++) {
        const char *sign = utf8 ? marks[order[i]].utf8 : marks[order[i]].ascii;

        if (colour)
            g_string_append_printf(out, "%s\033[%sm%s\033[0m %s", i ? "   " : "", marks[order[i]].sgr, sign, marks[order[i]].name);
        else
            g_string_append_printf(out, "%s%s %s", i ? "   " : "", sign, marks[order[i]].name);
    }
    return g_string_free(out, FALSE);
}
