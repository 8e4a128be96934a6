/*
 * hvmem-picture.c: draws records as a picture
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-picture.h"
#include "hvmem-canvas.h"
#include "hvmem-scale.h"

#include <math.h>
#include <string.h>

#define WIDTH 900.0
#define HEAD 64.0               /* title and legend */
#define LEFT 64.0
#define RIGHT 24.0
#define NAME 22.0               /* of a record, above its plot */
#define MARKS 20.0              /* of its events, between */
#define HEIGHT 230.0            /* of the plot */
#define TIMES 26.0              /* below it */
#define AXIS 20.0               /* the title of the times */
#define LINE 16.0               /* of the list of events */
#define LISTED 40               /* no more of them */
#define GAP 18.0                /* between records */
#define APART 16.0              /* between two marks */
#define RADIUS 7.0
#define FINE 0.25               /* points that are nearer are the same */
#define SIZES 5                 /* steps of the size scale */
#define SPANS 9                 /* and of times */

/* Distinguishable by the colour-blind, and in grey. Text has a contrast of 4.5:1 at least (WCAG AA). */
static const guint32 ink = 0x21262d;
static const guint32 faint = 0x57606a;
static const guint32 grid = 0xe0e3e8;
static const guint32 area = 0x9ecae6;
static const hvmemPen current = { 0x2170b5, 2, 0 };
static const hvmemPen requested = { 0xd65e00, 2, 6 };
static const hvmemPen usable = { 0x007a63, 1.5, 1.5 };
static const hvmemPen host = { 0x6b3d99, 1.5, 0 };
static const hvmemPen demand = { 0xa3142e, 2, 3 };

typedef struct _Plot Plot;
struct _Plot {
    hvmemCanvas *canvas;
    const hvmemRecord *record;
    double y;                   /* of its upper edge */
    double from, to;            /* seconds */
    hvmemScale scale;
};


static double
plotWidth(void)
{
    return WIDTH - LEFT - RIGHT;
}


static double
xOf(const Plot *plot,
    double time)
{
    return LEFT + plotWidth() * (time - plot->from) / (plot->to - plot->from);
}


/* What is above the top, as a guest's own figure may be, is at the top. */
static double
yOf(const Plot *plot,
    double bytes)
{
    return plot->y + HEIGHT * (1 - MIN(bytes / plot->scale.top, 1));
}


static void
drawStraight(const Plot *plot,
             const hvmemPen *pen,
             double x1,
             double y1,
             double x2,
             double y2)
{
    const hvmemPoint points[] = { { x1, y1 }, { x2, y2 } };

    hvmemCanvasLine(plot->canvas, pen, points, 2);
}


/*
 * The sizes over time
 */

static guint64
sampleField(const hvmemSample *sample,
            size_t offset)
{
    return *(const guint64 *)(const void *)((const char *)sample + offset);
}


static void
addPoint(GArray *points,
         double x,
         double y)
{
    const hvmemPoint point = { x, y };

    g_array_append_val(points, point);
}


static const hvmemPoint *
lastPoint(const GArray *points)
{
    return points->len ? &g_array_index(points, hvmemPoint, points->len - 1) : NULL;
}


/* Draws what has been collected, and begins anew. */
typedef void (*Draw)(const Plot *plot, GArray *points, const hvmemPen *pen);

static void
drawPoints(const Plot *plot,
           GArray *points,
           const hvmemPen *pen)
{
    hvmemCanvasLine(plot->canvas, pen, (const hvmemPoint *)(const void *)points->data, points->len);
}


static void
drawArea(const Plot *plot,
         GArray *points,
         const hvmemPen *pen G_GNUC_UNUSED)
{
    double first = g_array_index(points, hvmemPoint, 0).x;
    double last = lastPoint(points)->x;

    addPoint(points, last, yOf(plot, 0));
    addPoint(points, first, yOf(plot, 0));
    hvmemCanvasFill(plot->canvas, area, (const hvmemPoint *)(const void *)points->data, points->len);
}


/* Through the samples, in steps if @steps; broken where values are unknown. */
static void
drawField(const Plot *plot,
          size_t offset,
          bool steps,
          Draw draw,
          const hvmemPen *pen)
{
    const GArray *samples = plot->record->samples;
    g_autoptr(GArray) points = g_array_new(FALSE, FALSE, sizeof(hvmemPoint));
    size_t i;

    for (i = 0; i < samples->len; i++) {
        const hvmemSample *sample = &g_array_index(samples, hvmemSample, i);
        guint64 bytes = sampleField(sample, offset);
        const hvmemPoint *last = lastPoint(points);
        double x = xOf(plot, sample->time);
        double y = bytes == HVMEM_UNKNOWN ? 0 : yOf(plot, bytes);

        if (bytes == HVMEM_UNKNOWN) {
            if (points->len > 1)
                draw(plot, points, pen);
            g_array_set_size(points, 0);
            continue;
        }
        /* a recording of days has many samples per point */
        if (last && fabs(x - last->x) < FINE && fabs(y - last->y) < FINE)
            continue;
        if (last && steps)
            addPoint(points, x, last->y);
        addPoint(points, x, y);
    }
    if (points->len > 1)
        draw(plot, points, pen);
}


/*
 * Axes
 */

static void
drawSizes(const Plot *plot)
{
    const hvmemFont font = { faint, 12, HVMEM_TEXT_RIGHT };
    const hvmemPen line = { grid, 1, 0 };
    int i;

    for (i = 0; i <= plot->scale.steps; i++) {
        g_autofree char *words = hvmemScaleLabel(&plot->scale, i, false);
        double y = round(yOf(plot, plot->scale.step * i)) + 0.5;

        drawStraight(plot, &line, LEFT, y, LEFT + plotWidth(), y);
        hvmemCanvasText(plot->canvas, &font, LEFT - 8, y + 4, words);
    }
    hvmemCanvasText(plot->canvas, &font, LEFT - 8, plot->y - MARKS + 7, hvmemScaleUnit(&plot->scale));
}


static void
drawTimes(const Plot *plot)
{
    const hvmemFont font = { faint, 12, HVMEM_TEXT_MIDDLE };
    const hvmemPen line = { faint, 1, 0 };
    double span = plot->to - plot->from;
    double step = hvmemScaleTimes(span, SPANS);
    double bottom = plot->y + HEIGHT;
    double t;

    for (t = 0; t <= span + 1e-6; t += step) {
        g_autofree char *words = hvmemFormatDuration(t);
        double x = round(xOf(plot, plot->from + t)) + 0.5;

        drawStraight(plot, &line, x, bottom, x, bottom + 5);
        hvmemCanvasText(plot->canvas, &font, x, bottom + 19, words);
    }
}


/* Names the date, and what the numbers of the times are. */
static void
drawTimeTitle(const Plot *plot,
              double y)
{
    const hvmemFont font = { faint, 12, HVMEM_TEXT_MIDDLE };
    g_autoptr(GDateTime) begin = g_date_time_new_from_unix_local(plot->from);
    g_autofree char *date = begin ? g_date_time_format(begin, "%Y-%m-%d %H:%M:%S %z") : g_strdup("the year 10000");
    g_autofree char *words = g_strdup_printf("%s since %s", plot->to - plot->from >= 3600 ? "hours:minutes:seconds" : "minutes:seconds", date);

    hvmemCanvasText(plot->canvas, &font, LEFT + plotWidth() / 2, y, words);
}


/*
 * Events
 */

/* Sizes and usual states are what the lines show. */
static bool
isDrawn(const hvmemEvent *event)
{
    static const char *const lines[] = { "current ", "requested ", "the guest has ", "state: at rest", "state: growing", "state: shrinking" };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(lines); i++) {
        if (g_str_has_prefix(event->text, lines[i]))
            return false;
    }
    return true;
}


/* Those that are listed. */
static GPtrArray *
eventsOf(const hvmemRecord *record,
         double from,
         double to)
{
    GPtrArray *events = g_ptr_array_new();
    size_t i;

    for (i = 0; i < record->events->len; i++) {
        const hvmemEvent *event = record->events->pdata[i];

        if (isDrawn(event) && event->time >= from && event->time <= to)
            g_ptr_array_add(events, (gpointer)event);
    }
    return events;
}


static void
drawMark(const Plot *plot,
         double x,
         int number)
{
    const hvmemFont font = { 0xffffff, 9, HVMEM_TEXT_MIDDLE };
    const hvmemPen line = { faint, 1, 2 };
    g_autofree char *words = g_strdup_printf("%d", number);
    double y = plot->y - MARKS / 2;

    drawStraight(plot, &line, round(x) + 0.5, y, round(x) + 0.5, plot->y + HEIGHT);
    hvmemCanvasDot(plot->canvas, faint, x, y, RADIUS);
    hvmemCanvasText(plot->canvas, &font, x, y + 3, words);
}


/* Text of @words that is not wider than @width. */
static void
drawClipped(const Plot *plot,
            double x,
            double y,
            double width,
            const char *words)
{
    const hvmemFont font = { ink, 12, HVMEM_TEXT_LEFT };
    int columns = hvmemColumns(words);
    g_autofree char *text = g_strdup(words);

    while (columns > 1 && hvmemCanvasTextWidth(plot->canvas, font.size, text) > width) {
        g_free(text);
        text = hvmemEllipsis(words, --columns, true);
    }
    hvmemCanvasText(plot->canvas, &font, x, y, text);
}


/* A line of the list, in the left or the right half. */
static void
drawListed(const Plot *plot,
           size_t index,
           const char *words)
{
    double half = plotWidth() / 2;
    double x = LEFT + (index % 2) * half;
    double y = plot->y + HEIGHT + TIMES + LINE * (index / 2 + 1);

    drawClipped(plot, x, y, half - 12, words);
}


/* Numbered above the plot, where no line is, and listed below it; those that are near each other have one number. */
static void
drawEvents(const Plot *plot)
{
    g_autoptr(GPtrArray) events = eventsOf(plot->record, plot->from, plot->to);
    double marked = -INFINITY;
    int number = 0;
    size_t i;

    for (i = 0; i < events->len && i < LISTED; i++) {
        const hvmemEvent *event = events->pdata[i];
        double x = xOf(plot, event->time);
        g_autofree char *at = hvmemFormatDuration(event->time - plot->from);
        g_autofree char *words = NULL;

        if (x - marked >= APART) {
            drawMark(plot, x, ++number);
            marked = x;
        }
        words = g_strdup_printf("%d   %s   %s", number, at, event->text);
        drawListed(plot, i, words);
    }
    if (events->len > LISTED) {
        g_autofree char *words = g_strdup_printf("… and %u more, in the recording", events->len - LISTED);

        drawListed(plot, LISTED, words);
    }
}


/*
 * The whole
 */

static void
drawRecord(const Plot *plot)
{
    const hvmemFont font = { ink, 14, HVMEM_TEXT_LEFT };

    hvmemCanvasText(plot->canvas, &font, LEFT, plot->y - MARKS - 8, plot->record->name);
    drawField(plot, G_STRUCT_OFFSET(hvmemSample, current), false, drawArea, NULL);
    drawSizes(plot);
    drawTimes(plot);
    drawEvents(plot);
    drawField(plot, G_STRUCT_OFFSET(hvmemSample, current), false, drawPoints, &current);
    drawField(plot, G_STRUCT_OFFSET(hvmemSample, usable), false, drawPoints, &usable);
    drawField(plot, G_STRUCT_OFFSET(hvmemSample, rss), false, drawPoints, &host);
    drawField(plot, G_STRUCT_OFFSET(hvmemSample, demand), false, drawPoints, &demand);
    drawField(plot, G_STRUCT_OFFSET(hvmemSample, requested), true, drawPoints, &requested);
}


static bool
hasDemand(const GPtrArray *records)
{
    size_t i;
    size_t k;

    for (i = 0; i < records->len; i++) {
        const GArray *samples = ((hvmemRecord *)records->pdata[i])->samples;

        for (k = 0; k < samples->len; k++) {
            if (g_array_index(samples, hvmemSample, k).demand != HVMEM_UNKNOWN)
                return true;
        }
    }
    return false;
}


/* Demand only where there is any: it comes last. */
static void
drawLegend(hvmemCanvas *canvas,
           bool used,
           double y)
{
    static const struct {
        const char *words;
        const hvmemPen *pen;
    } entries[] = {
        { "requested", &requested },
        { "current: the guest has it", &current },
        { "usable in the guest", &usable },
        { "host: held by QEMU", &host },
        { "demand", &demand },
    };
    const hvmemFont font = { ink, 13, HVMEM_TEXT_LEFT };
    double x = LEFT;
    size_t n = G_N_ELEMENTS(entries) - (used ? 0 : 1);
    size_t i;

    for (i = 0; i < n; i++) {
        const hvmemPoint sample[] = { { x, y - 4 }, { x + 26, y - 4 } };

        hvmemCanvasLine(canvas, entries[i].pen, sample, 2);
        hvmemCanvasText(canvas, &font, x + 32, y, entries[i].words);
        x += 32 + hvmemCanvasTextWidth(canvas, font.size, entries[i].words) + 28;
    }
}


/* The time from the first sample of all records to the last, whatever their order. */
static void
findSpan(const GPtrArray *records,
         double *from,
         double *to)
{
    size_t i;
    size_t k;

    *from = INFINITY;
    *to = -INFINITY;
    for (i = 0; i < records->len; i++) {
        const GArray *samples = ((hvmemRecord *)records->pdata[i])->samples;

        for (k = 0; k < samples->len; k++) {
            double time = g_array_index(samples, hvmemSample, k).time;

            *from = MIN(*from, time);
            *to = MAX(*to, time);
        }
    }
    if (*from > *to)
        *from = 0;
    if (!(*to >= *from + 1))
        *to = *from + 1;
}


/* The height of a record with its name and its events. */
static double
recordHeight(const hvmemRecord *record,
             double from,
             double to)
{
    g_autoptr(GPtrArray) events = eventsOf(record, from, to);
    guint listed = MIN(events->len, LISTED + 1);

    return NAME + MARKS + HEIGHT + TIMES + (listed + 1) / 2 * LINE + GAP;
}


static void
drawAll(Plot *plot,
        const GPtrArray *records,
        const char *title)
{
    const hvmemFont font = { ink, 17, HVMEM_TEXT_LEFT };
    double y = HEAD;
    size_t i;

    hvmemCanvasText(plot->canvas, &font, LEFT, 26, title);
    drawLegend(plot->canvas, hasDemand(records), 50);

    for (i = 0; i < records->len; i++) {
        guint64 top;

        plot->record = records->pdata[i];
        plot->y = y + NAME + MARKS;
        top = hvmemRecordTop(plot->record);
        plot->scale = hvmemScaleSizes(MAX(top + top / 16, 1), SIZES);
        drawRecord(plot);
        y += recordHeight(plot->record, plot->from, plot->to);
    }
    drawTimeTitle(plot, y);
}


bool
hvmemPictureWrite(const GPtrArray *records,
                  const char *path,
                  const char *title,
                  GError **error)
{
    const char *end = strrchr(path, '.');
    g_autoptr(hvmemCanvas) canvas = NULL;
    double height = HEAD + AXIS;
    Plot plot = { 0 };
    size_t i;

    findSpan(records, &plot.from, &plot.to);
    for (i = 0; i < records->len; i++)
        height += recordHeight(records->pdata[i], plot.from, plot.to);

    if (!(plot.canvas = canvas = hvmemCanvasNew(!end || g_ascii_strcasecmp(end, ".png") != 0, WIDTH, height, error)))
        return false;

    drawAll(&plot, records, title);
    return hvmemCanvasWrite(canvas, path, error);
}
