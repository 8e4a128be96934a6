/*
 * cmd-watch-chart.c: the charts of watch
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "cmd-watch.h"
#include "hvmem-auto.h"
#include "hvmem-chart.h"
#include "hvmem-explain.h"
#include "hvmem-output.h"

#include <string.h>

#define SHOWN_EVENTS 4


static bool
isShown(const Watch *watch,
        const hvmemWatched *watched)
{
    return watched->last && (!watch->opened || strcmp(watch->opened, watched->record->name) == 0);
}


static char *
headline(const hvmemDomain *dom)
{
    bool problem;
    g_autofree char *state = hvmemExplainState(dom, &problem);
    g_autofree char *want = hvmemFormatSize(dom->requested);
    g_autofree char *have = hvmemFormatSize(dom->current);
    g_autofree char *ceiling = hvmemFormatSize(dom->maxMemory);
    g_autofree char *demand = hvmemFormatSize(hvmemAutoDemand(dom));
    g_autofree char *uses = hvmemAutoIsOn(dom) ? g_strdup_printf(", demand %s", demand) : g_strdup("");
    g_autofree char *name = hvmemColour("1", dom->name);
    g_autofree char *label = problem ? hvmemColour("1;31", state) : g_strdup(state);

    if (!dom->active)
        return g_strdup_printf("%s: %s", name, label);
    return g_strdup_printf("%s: %s, current %s, requested %s%s, ceiling %s, %u stick%s", name, label, have, want, uses, ceiling,
                           dom->sticks->len, dom->sticks->len == 1 ? "" : "s");
}


/* An event of any of the domains. */
typedef struct _Line Line;
struct _Line {
    const char *name;
    const hvmemEvent *event;
};


static int
compareLines(gconstpointer a,
             gconstpointer b)
{
    const Line *one = a;
    const Line *two = b;

    return (one->event->time > two->event->time) - (one->event->time < two->event->time);
}


static void
appendLine(const Line *line,
           GString *out)
{
    g_autoptr(GDateTime) at = g_date_time_new_from_unix_local(line->event->time);
    g_autofree char *time = g_date_time_format(at, "%H:%M:%S");

    g_string_append_printf(out, "%s  %s: %s\n", time, line->name, line->event->text);
}


/* The newest events of all that are shown, oldest first, one per line. */
static void
appendEvents(const Watch *watch,
             size_t n,
             GString *out)
{
    g_autoptr(GArray) lines = g_array_new(FALSE, FALSE, sizeof(Line));
    size_t i;
    size_t k;

    for (i = 0; i < watch->domains->len; i++) {
        const hvmemRecord *record = ((hvmemWatched *)watch->domains->pdata[i])->record;

        if (!isShown(watch, watch->domains->pdata[i]))
            continue;
        for (k = record->events->len > n ? record->events->len - n : 0; k < record->events->len; k++) {
            Line line = { record->name, record->events->pdata[k] };

            g_array_append_val(lines, line);
        }
    }

    g_array_sort(lines, compareLines);
    for (i = lines->len > n ? lines->len - n : 0; i < lines->len; i++)
        appendLine(&g_array_index(lines, Line, i), out);
}


/* Was the guest on at any time that the chart shows? */
static bool
hasRun(const hvmemRecord *record,
       double from)
{
    size_t i;

    for (i = record->samples->len; i > 0; i--) {
        const hvmemSample *sample = &g_array_index(record->samples, hvmemSample, i - 1);

        if (sample->time < from)
            break;
        if (strcmp(sample->state, "shut-off") != 0)
            return true;
    }
    return false;
}


/* As high as a chart, so that the rest stays in its place. */
static char *
formatOff(const hvmemDomain *dom,
          const hvmemChart *chart)
{
    g_autofree char *name = hvmemShellWord(dom->name);
    g_autofree char *text = g_strdup_printf("The guest is shut off: there is nothing to draw until it runs ('virsh start %s').", name);
    g_autofree char *wrapped = hvmemWrap(text, MAX(chart->width, 30), 2);
    GString *out = g_string_new(wrapped);
    int lines;
    const char *p;

    for (lines = 0, p = wrapped; (p = strchr(p, '\n')); p++)
        lines++;
    for (; lines <= chart->height; lines++)
        g_string_append_c(out, '\n');
    return g_string_free(out, FALSE);
}


static void
appendChart(const hvmemWatched *watched,
            hvmemChart *chart,
            GString *out)
{
    const hvmemDomain *dom = watched->last;
    g_autofree char *line = headline(dom);
    g_autofree char *plot = NULL;

    chart->ceiling = dom->maxMemory;
    plot = dom->active || hasRun(watched->record, chart->now - chart->span) ? hvmemChartFormat(watched->record, chart) : formatOff(dom, chart);
    g_string_append_printf(out, "%s\n%s", line, plot);
}


/* The opened one has been removed. */
static void
appendGone(const Watch *watch,
           int columns,
           GString *out)
{
    g_autofree char *text = g_strdup_printf("%s is gone: this host does not know it any more. Esc goes back.", watch->opened);
    g_autofree char *wrapped = hvmemWrap(text, MAX(columns, 30), 0);

    g_string_append_printf(out, "%s\n", wrapped);
}


char *
watchFormatCharts(const Watch *watch,
                  int columns,
                  int rows)
{
    GString *out = g_string_new(NULL);
    g_autofree char *legend = NULL;
    hvmemChart chart = { .now = watch->frozen ? watch->frozen : watchNow(), .utf8 = hvmemTerm.utf8, .colour = hvmemTerm.colour, .width = columns };
    bool demand = false;
    int shown = 0;
    size_t i;

    for (i = 0; i < watch->domains->len; i++) {
        const hvmemWatched *watched = watch->domains->pdata[i];

        shown += isShown(watch, watched);
        demand = demand || (isShown(watch, watched) && hvmemAutoIsOn(watched->last));
    }
    legend = hvmemChartLegend(demand, hvmemTerm.utf8, hvmemTerm.colour);

    chart.span = CLAMP(chart.now - watch->start, 30, WATCH_SECONDS);
    /* two lines per domain beside its plot, the legend, the events and the last line */
    chart.height = MAX((rows - SHOWN_EVENTS - 2) / MAX(shown, 1) - 2, 3);

    for (i = 0; i < watch->domains->len; i++) {
        if (isShown(watch, watch->domains->pdata[i]))
            appendChart(watch->domains->pdata[i], &chart, out);
    }
    if (shown == 0 && watch->opened)
        appendGone(watch, columns, out);
    g_string_append_printf(out, "%s\n", legend);
    appendEvents(watch, SHOWN_EVENTS, out);
    return g_string_free(out, FALSE);
}
