/*
 * hvmem-progress.c: the progress of a guest to another size
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-progress.h"
#include "hvmem-output.h"

#include <string.h>

#define BAR_WIDTH 28             /* if there is room */


static bool
grows(const hvmemProgress *progress)
{
    return progress->to > progress->from;
}


/* @have, limited to the range from start to end. */
static guint64
placeOf(const hvmemProgress *progress,
        guint64 have)
{
    return CLAMP(have, MIN(progress->from, progress->to), MAX(progress->from, progress->to));
}


static char *
figuresOf(const hvmemDomain *dom)
{
    GString *text = g_string_new(NULL);
    size_t i;

    g_string_append_printf(text, "%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT,
                           dom->current, dom->released, dom->capacity, dom->ghosts);
    for (i = 0; i < dom->sticks->len; i++) {
        const hvmemStick *stick = dom->sticks->pdata[i];

        g_string_append_printf(text, " %s %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT,
                               stick->alias ? stick->alias : "-", stick->size, stick->added, stick->released);
    }
    return g_string_free(text, FALSE);
}


void
hvmemProgressInit(hvmemProgress *progress,
                  const hvmemDomain *dom,
                  guint64 to)
{
    *progress = (hvmemProgress) { .from = dom->current, .to = to, .best = dom->current, .figures = figuresOf(dom) };
}


void
hvmemProgressClear(hvmemProgress *progress)
{
    g_clear_pointer(&progress->figures, g_free);
}


/* Progress begins anew when the guest is rebooted. */
static void
notePlace(hvmemProgress *progress,
          const hvmemDomain *dom)
{
    guint64 place = placeOf(progress, dom->current);
    bool nearer = hvmemDistance(place, progress->to) < hvmemDistance(progress->best, progress->to);

    if (nearer || (dom->told && !dom->connected))
        progress->best = place;
}


bool
hvmemProgressUpdate(hvmemProgress *progress,
                  const hvmemDomain *dom)
{
    g_autofree char *before = progress->figures;

    notePlace(progress, dom);
    progress->figures = figuresOf(dom);
    return strcmp(before, progress->figures) != 0;
}


static double
percent(const hvmemProgress *progress)
{
    double whole = hvmemDistance(progress->from, progress->to);

    return whole == 0 ? 100 : 100 - 100 * (hvmemDistance(progress->best, progress->to) / whole);
}


/* The device may go both ways in between; the request goes one way. What libvirt has not begun yet is not at rest. */
static const char *
labelOf(const hvmemProgress *progress,
        const hvmemDomain *dom,
        const hvmemExplanation *why)
{
    if (dom->told && strcmp(dom->state, "idle") == 0 && !dom->paused && hvmemDistance(dom->current, progress->to) > HVMEM_NEAR)
        return "requested";
    if (!why->moving || progress->to == progress->from)
        return why->label;
    return grows(progress) ? "growing" : "shrinking";
}


/* A figure that moves while the guest's size does not: what it has been given of the sticks, or has released. "": none does. */
static char *
movingFigure(const hvmemProgress *progress,
             const hvmemDomain *dom,
             guint64 unit)
{
    guint64 given = 0;
    guint64 size = 0;
    size_t i;

    if (!grows(progress)) {
        g_autofree char *released = hvmemFormatIn(dom->released, unit);

        return dom->released == HVMEM_UNKNOWN || dom->released == 0 ? g_strdup("") : g_strdup_printf(", released %s", released);
    }

    for (i = 0; i < dom->sticks->len; i++) {
        const hvmemStick *stick = dom->sticks->pdata[i];

        if (stick->added == HVMEM_UNKNOWN)
            return g_strdup("");
        given += stick->added;
        size += stick->size;
    }
    return given == size ? g_strdup("") : g_strdup_printf(", given %.1f of %.1f %s of the sticks", (double)given / unit, (double)size / unit,
                                                          unit >= 1024 * HVMEM_GIB ? "TiB" : unit == HVMEM_GIB ? "GiB" : "MiB");
}


char *
hvmemProgressFormat(const hvmemProgress *progress,
                    const hvmemDomain *dom,
                    double seconds,
                    int columns)
{
    g_autoptr(hvmemExplanation) why = hvmemExplain(dom);
    guint64 unit = hvmemUnitFor(progress->to);
    g_autofree char *want = hvmemFormatIn(progress->to, unit);
    g_autofree char *took = hvmemFormatDuration(seconds);
    g_autofree char *figure = movingFigure(progress, dom, unit);
    g_autofree char *rest = g_strdup_printf(" %3.0f %%  %s  %.1f of %s, %s%s", percent(progress), took, (double)progress->best / unit, want,
                                            labelOf(progress, dom, why), figure);
    int room = columns - (int)strlen(": []") - hvmemColumns(dom->name) - hvmemColumns(rest);
    g_autofree char *bar = hvmemBar(percent(progress) * 1000, 0, 100000, CLAMP(room, 6, BAR_WIDTH), hvmemTerm.utf8);

    return g_strdup_printf("%s: [%s]%s", dom->name, bar, rest);
}
