/*
 * hvmem-chart.c: a record as a chart of characters
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-chart.h"
#include "hvmem-scale.h"

#include <math.h>
#include <string.h>

typedef enum {
    CELL_EMPTY,
    CELL_AREA,                  /* memory that the guest has */
    CELL_CEILING,
    CELL_RSS,
    CELL_USABLE,
    CELL_DEMAND,
    CELL_REQUESTED,             /* drawn over all others */
} CellKind;

typedef struct _Cell Cell;
struct _Cell {
    CellKind kind;
    int eighths;                /* of the area: how much of the cell it fills, also below another mark */
};

/* The area is dark, so that the other marks can be told from it in front of it. */
#define AREA_BACKGROUND "44"

static const struct {
    const char *utf8;
    const char *ascii;
    const char *sgr;
    const char *name;
} marks[] = {
    [CELL_EMPTY] = { " ", " ", "", "" },
    [CELL_AREA] = { "█", "#", "34", "current" },
    [CELL_CEILING] = { "─", "-", "", "ceiling" },
    [CELL_RSS] = { "×", "x", "1;37", "host" },
    [CELL_USABLE] = { "•", "o", "1;36", "usable" },
    [CELL_DEMAND] = { "◆", "d", "1;35", "demand" },
    [CELL_REQUESTED] = { "━", "=", "1;33", "requested" },
};

/* A ceiling that is so many times higher than all else would leave no room for that. */
#define CEILING_FACTOR 4


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
    hvmemScale scale;
};


static Cell *
cellAt(const Grid *grid,
       int column,
       int row)
{
    return grid->cells + row * grid->width + column;
}


/* What is above the top, as a guest's own figure may be, is in the top row. */
static int
rowOf(const Grid *grid,
      guint64 value)
{
    double rows = (double)value / grid->scale.top * grid->height;

    return grid->height - 1 - (int)MIN(rows, grid->height - 1);
}


static void
mark(const Grid *grid,
     int column,
     guint64 value,
     CellKind kind)
{
    Cell *cell;

    if (value == HVMEM_UNKNOWN)
        return;

    cell = cellAt(grid, column, rowOf(grid, value));
    if (cell->kind < kind)
        cell->kind = kind;
}


static void
fill(const Grid *grid,
     int column,
     guint64 value)
{
    int eighths = lround(MIN((double)value / grid->scale.top, 1) * grid->height * 8);
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

        if (sample && sample->current != HVMEM_UNKNOWN)
            fill(grid, column, sample->current);
        if (chart->ceiling <= grid->scale.top)
            mark(grid, column, chart->ceiling, CELL_CEILING);
        if (!sample)
            continue;
        mark(grid, column, sample->rss, CELL_RSS);
        mark(grid, column, sample->usable, CELL_USABLE);
        mark(grid, column, sample->demand, CELL_DEMAND);
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


/* In front of the area, a mark keeps the area's colour behind it. */
static bool
hasBackground(const Cell *cell)
{
    return cell->kind > CELL_AREA && cell->eighths >= 4;
}


static void
formatPlotLine(const Grid *grid,
               const hvmemChart *chart,
               int row,
               GString *out)
{
    static const Cell empty = { CELL_EMPTY, 0 };
    const Cell *before = &empty;
    int column;

    for (column = 0; column < grid->width; column++) {
        const Cell *cell = cellAt(grid, column, row);

        if (chart->colour && (cell->kind != before->kind || hasBackground(cell) != hasBackground(before)))
            g_string_append_printf(out, "\033[0%s%s%sm", *marks[cell->kind].sgr ? ";" : "", marks[cell->kind].sgr,
                                   hasBackground(cell) ? ";" AREA_BACKGROUND : "");
        before = cell;
        g_string_append(out, glyph(cell, chart));
    }
    if (chart->colour && before->kind != CELL_EMPTY)
        g_string_append(out, "\033[0m");
}


/* The label of the tick in this row, if there is one. */
static char *
tickIn(const Grid *grid,
       int row)
{
    int i;

    for (i = grid->scale.steps; i > 0; i--) {
        if (rowOf(grid, grid->scale.step * i) == row)
            return hvmemScaleLabel(&grid->scale, i, true);
    }
    return g_strdup("");
}


static void
formatScale(const Grid *grid,
            const hvmemChart *chart,
            int row,
            GString *out)
{
    g_autofree char *text = tickIn(grid, row);

    g_string_append_printf(out, "%*s %s", HVMEM_CHART_MARGIN - 2, text,
                           chart->utf8 ? (*text ? "┤" : "│") : (*text ? "+" : "|"));
}


/* Round times before now, each at its column. */
static void
formatTime(const Grid *grid,
           const hvmemChart *chart,
           GString *out)
{
    g_autofree char *line = g_strnfill(grid->width, ' ');
    double step = hvmemScaleTimes(chart->span, MAX(grid->width / 14, 2));
    int i;

    memcpy(line + MAX(grid->width - 3, 0), "now", MIN(3, grid->width));
    for (i = 1; i * step <= chart->span + 0.5; i++) {
        g_autofree char *words = hvmemFormatDuration(i * step);
        g_autofree char *label = g_strconcat("-", words, NULL);
        int middle = lround((grid->width - 1) * (1 - i * step / chart->span));
        int n = strlen(label);
        int start = MAX(middle - n / 2, 0);

        if (start + n + 4 <= grid->width)
            memcpy(line + start, label, n);
    }
    g_string_append_printf(out, "%*s%s%s\n", HVMEM_CHART_MARGIN - 1, "0 ", chart->utf8 ? "└" : "+", line);
}


/* The largest size that is shown, with some space above it. */
static guint64
largest(const hvmemRecord *record,
        const hvmemChart *chart)
{
    guint64 top = hvmemRecordTop(record);
    guint64 room = MAX(top + top / 16, 1);

    return chart->ceiling != HVMEM_UNKNOWN && chart->ceiling / CEILING_FACTOR <= top ? MAX(room, chart->ceiling) : room;
}


char *
hvmemChartFormat(const hvmemRecord *record,
                 const hvmemChart *chart)
{
    Grid grid = { .width = MAX(chart->width - HVMEM_CHART_MARGIN, 1), .height = MAX(chart->height, 1) };
    GString *out = g_string_new(NULL);
    int row;

    grid.scale = hvmemScaleSizes(largest(record, chart), CLAMP(grid.height / 3, 1, 8));
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
hvmemChartLegend(bool demand,
                 bool utf8,
                 bool colour)
{
    static const CellKind order[] = { CELL_REQUESTED, CELL_AREA, CELL_USABLE, CELL_RSS, CELL_CEILING, CELL_DEMAND };
    GString *out = g_string_new(NULL);
    size_t n = G_N_ELEMENTS(order) - (demand ? 0 : 1);
    size_t i;

    for (i = 0; i < n; i++) {
        const char *sign = utf8 ? marks[order[i]].utf8 : marks[order[i]].ascii;

        if (colour)
            g_string_append_printf(out, "%s\033[%sm%s\033[0m %s", i ? "   " : "", marks[order[i]].sgr, sign, marks[order[i]].name);
        else
            g_string_append_printf(out, "%s%s %s", i ? "   " : "", sign, marks[order[i]].name);
    }
    return g_string_free(out, FALSE);
}
