/*
 * hvmem-svg.c: draws records as an SVG chart
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-svg.h"
#include "hvmem-chart.h"

#include <cairo-svg.h>
#include <math.h>
#include <string.h>

#define WIDTH 900.0
#define PANEL 300.0             /* a record's height, with its name */
#define HEAD 64.0               /* title and legend */
#define LEFT 76.0
#define RIGHT 24.0
#define NAME 26.0               /* above the plot */
#define FOOT 30.0               /* below the last plot */
#define FINE 0.25               /* points that are nearer are the same */
#define ROWS 4                  /* of the size scale */

typedef struct _Colour Colour;
struct _Colour {
    double r, g, b;
};

/* Distinguishable by the colour-blind, and in grey. */
static const Colour ink = { 0.13, 0.15, 0.18 };
static const Colour faint = { 0.55, 0.58, 0.62 };
static const Colour grid = { 0.88, 0.89, 0.91 };
static const Colour area = { 0.62, 0.79, 0.90 };
static const Colour edge = { 0.13, 0.44, 0.71 };
static const Colour request = { 0.84, 0.37, 0.00 };
static const Colour usable = { 0.00, 0.55, 0.45 };
static const Colour host = { 0.42, 0.24, 0.60 };

typedef struct _Plot Plot;
struct _Plot {
    cairo_t *cr;
    const hvmemRecord *record;
    double x, y, width, height; /* of the plot itself */
    double from, to;            /* seconds */
    guint64 top;
};


static void
use(cairo_t *cr,
    const Colour *colour)
{
    cairo_set_source_rgb(cr, colour->r, colour->g, colour->b);
}


/* @align: 0 for left of @x … 1 for right. */
static void
text(cairo_t *cr,
     double x,
     double y,
     double align,
     double size,
     const char *words)
{
    cairo_text_extents_t extents;

    cairo_set_font_size(cr, size);
    cairo_text_extents(cr, words, &extents);
    cairo_move_to(cr, x - align * extents.x_advance, y);
    cairo_show_text(cr, words);
}


static double
xOf(const Plot *plot,
    double time)
{
    return plot->x + plot->width * (time - plot->from) / (plot->to - plot->from);
}


static double
yOf(const Plot *plot,
    guint64 bytes)
{
    return plot->y + plot->height * (1 - (double)bytes / plot->top);
}


static guint64
sampleField(const hvmemSample *sample,
            size_t offset)
{
    return *(const guint64 *)(const void *)((const char *)sample + offset);
}


/* A line through the samples, in steps if @steps; broken where values are unknown. */
static void
trace(const Plot *plot,
      size_t offset,
      bool steps)
{
    const GArray *samples = plot->record->samples;
    bool open = false;
    double lastX = 0;
    double lastY = 0;
    size_t i;

    for (i = 0; i < samples->len; i++) {
        const hvmemSample *sample = &g_array_index(samples, hvmemSample, i);
        guint64 bytes = sampleField(sample, offset);
        double x = xOf(plot, sample->time);
        double y = yOf(plot, bytes);

        if (bytes == HVMEM_UNKNOWN) {
            open = false;
            continue;
        }
        /* a recording of days has many samples per point */
        if (open && fabs(x - lastX) < FINE && fabs(y - lastY) < FINE)
            continue;
        if (open && steps)
            cairo_line_to(plot->cr, x, lastY);
        if (open)
            cairo_line_to(plot->cr, x, y);
        else
            cairo_move_to(plot->cr, x, y);
        open = true;
        lastX = x;
        lastY = y;
    }
}


static void
drawArea(const Plot *plot)
{
    const GArray *samples = plot->record->samples;
    const hvmemSample *first;
    const hvmemSample *last;

    if (samples->len < 2)
        return;

    first = &g_array_index(samples, hvmemSample, 0);
    last = &g_array_index(samples, hvmemSample, samples->len - 1);
    trace(plot, G_STRUCT_OFFSET(hvmemSample, current), false);
    cairo_line_to(plot->cr, xOf(plot, last->time), yOf(plot, 0));
    cairo_line_to(plot->cr, xOf(plot, first->time), yOf(plot, 0));
    cairo_close_path(plot->cr);
    use(plot->cr, &area);
    cairo_fill(plot->cr);
}


static void
drawLine(const Plot *plot,
         size_t offset,
         bool steps,
         const Colour *colour,
         double width,
         double dash)
{
    trace(plot, offset, steps);
    use(plot->cr, colour);
    cairo_set_line_width(plot->cr, width);
    cairo_set_dash(plot->cr, &dash, dash > 0, 0);
    cairo_stroke(plot->cr);
    cairo_set_dash(plot->cr, NULL, 0, 0);
}


static void
drawSizes(const Plot *plot)
{
    int i;

    for (i = 0; i <= ROWS; i++) {
        guint64 bytes = plot->top / ROWS * i;
        g_autofree char *words = hvmemFormatSize(bytes / HVMEM_MIB * HVMEM_MIB);
        double y = round(yOf(plot, bytes)) + 0.5;

        use(plot->cr, &grid);
        cairo_set_line_width(plot->cr, 1);
        cairo_move_to(plot->cr, plot->x, y);
        cairo_line_to(plot->cr, plot->x + plot->width, y);
        cairo_stroke(plot->cr);
        use(plot->cr, &faint);
        text(plot->cr, plot->x - 8, y + 4, 1, 12, words);
    }
}


/* A round number of seconds between two marks, so that there are at most ten. */
static double
timeStep(double span)
{
    static const double steps[] = { 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200 };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(steps); i++) {
        if (span / steps[i] <= 10)
            return steps[i];
    }
    return ceil(span / 10 / 86400) * 86400;
}


static void
drawTimes(const Plot *plot)
{
    double span = plot->to - plot->from;
    double step = timeStep(span);
    double t;

    use(plot->cr, &faint);
    for (t = 0; t <= span + 1e-6; t += step) {
        g_autofree char *words = hvmemFormatDuration(t);
        double x = xOf(plot, plot->from + t);

        cairo_set_line_width(plot->cr, 1);
        cairo_move_to(plot->cr, round(x) + 0.5, plot->y + plot->height);
        cairo_line_to(plot->cr, round(x) + 0.5, plot->y + plot->height + 5);
        cairo_stroke(plot->cr);
        text(plot->cr, x, plot->y + plot->height + 19, 0.5, 12, words);
    }
}


/* Vertical, up to the upper edge of the plot, on a background that keeps it readable. */
static void
drawEventLabel(const Plot *plot,
               double x,
               const char *words)
{
    cairo_text_extents_t extents;

    cairo_save(plot->cr);
    cairo_translate(plot->cr, x - 4, plot->y + 4);
    cairo_rotate(plot->cr, -M_PI / 2);

    cairo_set_font_size(plot->cr, 11);
    cairo_text_extents(plot->cr, words, &extents);
    cairo_set_source_rgba(plot->cr, 1, 1, 1, 0.75);
    cairo_rectangle(plot->cr, -extents.x_advance - 2, -10, extents.x_advance + 4, 13);
    cairo_fill(plot->cr);

    use(plot->cr, &faint);
    text(plot->cr, 0, 0, 1, 11, words);
    cairo_restore(plot->cr);
}


/* Marks events other than changes of size, which the lines show. */
static void
drawEvents(const Plot *plot)
{
    const double dash = 2;
    double labelled = -INFINITY;
    double last = -INFINITY;
    size_t i;

    for (i = 0; i < plot->record->events->len; i++) {
        const hvmemEvent *event = plot->record->events->pdata[i];
        double x = round(xOf(plot, event->time)) + 0.5;

        if (g_str_has_prefix(event->text, "the guest has") || x < plot->x || x > plot->x + plot->width)
            continue;
        if (x == last)
            continue;
        last = x;

        use(plot->cr, &faint);
        cairo_set_line_width(plot->cr, 1);
        cairo_set_dash(plot->cr, &dash, 1, 0);
        cairo_move_to(plot->cr, x, plot->y);
        cairo_line_to(plot->cr, x, plot->y + plot->height);
        cairo_stroke(plot->cr);
        cairo_set_dash(plot->cr, NULL, 0, 0);

        /* labels would overlap */
        if (x - labelled < 14)
            continue;
        labelled = x;
        drawEventLabel(plot, x, event->text);
    }
}


static void
drawRecord(const Plot *plot)
{
    use(plot->cr, &ink);
    text(plot->cr, plot->x, plot->y - 9, 0, 14, plot->record->name);
    drawArea(plot);
    drawSizes(plot);
    drawLine(plot, G_STRUCT_OFFSET(hvmemSample, current), false, &edge, 2, 0);
    drawLine(plot, G_STRUCT_OFFSET(hvmemSample, usable), false, &usable, 1.5, 1.5);
    drawLine(plot, G_STRUCT_OFFSET(hvmemSample, rss), false, &host, 1.5, 0);
    drawLine(plot, G_STRUCT_OFFSET(hvmemSample, requested), true, &request, 2, 6);
    drawEvents(plot);
}


static void
drawLegend(cairo_t *cr,
           double y)
{
    static const struct {
        const char *words;
        const Colour *colour;
        double dash;
    } entries[] = {
        { "asked for", &request, 6 },
        { "the guest has", &edge, 0 },
        { "usable in the guest", &usable, 1.5 },
        { "held by the host", &host, 0 },
    };
    double x = LEFT;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(entries); i++) {
        cairo_text_extents_t extents;

        use(cr, entries[i].colour);
        cairo_set_line_width(cr, 2);
        cairo_set_dash(cr, &entries[i].dash, entries[i].dash > 0, 0);
        cairo_move_to(cr, x, y - 4);
        cairo_line_to(cr, x + 26, y - 4);
        cairo_stroke(cr);
        cairo_set_dash(cr, NULL, 0, 0);

        use(cr, &ink);
        text(cr, x + 32, y, 0, 13, entries[i].words);
        cairo_text_extents(cr, entries[i].words, &extents);
        x += 32 + extents.x_advance + 28;
    }
}


/* The time from the first sample of all records to the last. */
static void
findSpan(const GPtrArray *records,
         double *from,
         double *to)
{
    size_t i;

    *from = INFINITY;
    *to = -INFINITY;
    for (i = 0; i < records->len; i++) {
        const GArray *samples = ((hvmemRecord *)records->pdata[i])->samples;

        if (samples->len == 0)
            continue;
        *from = MIN(*from, g_array_index(samples, hvmemSample, 0).time);
        *to = MAX(*to, g_array_index(samples, hvmemSample, samples->len - 1).time);
    }
    if (*to < *from + 1)
        *to = *from + 1;
}


static void
drawAll(cairo_t *cr,
        const GPtrArray *records,
        const char *title)
{
    Plot plot = { .cr = cr, .x = LEFT, .width = WIDTH - LEFT - RIGHT, .height = PANEL - NAME - 24 };
    size_t i;

    cairo_set_source_rgb(cr, 1, 1, 1);
    cairo_paint(cr);
    cairo_select_font_face(cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    use(cr, &ink);
    text(cr, LEFT, 26, 0, 17, title);
    drawLegend(cr, 50);

    findSpan(records, &plot.from, &plot.to);
    for (i = 0; i < records->len; i++) {
        guint64 top;

        plot.record = records->pdata[i];
        plot.y = HEAD + PANEL * i + NAME;
        top = hvmemRecordTop(plot.record);
        plot.top = hvmemChartScale(MAX(top + top / 16, 1));
        drawRecord(&plot);
        if (i + 1 == records->len)
            drawTimes(&plot);
    }
}


bool
hvmemSVGWrite(const GPtrArray *records,
              const char *path,
              const char *title,
              GError **error)
{
    cairo_surface_t *surface = cairo_svg_surface_create(path, WIDTH, HEAD + PANEL * records->len + FOOT - 20);
    cairo_t *cr = cairo_create(surface);
    cairo_status_t status;

    drawAll(cr, records, title);
    cairo_destroy(cr);
    cairo_surface_finish(surface);
    status = cairo_surface_status(surface);
    cairo_surface_destroy(surface);

    if (status != CAIRO_STATUS_SUCCESS)
        return hvmemFail(error, "cannot write '%s': %s", path, cairo_status_to_string(status));
    return true;
}
