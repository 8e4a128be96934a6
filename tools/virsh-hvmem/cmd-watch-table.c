/*
 * cmd-watch-table.c: the table of watch
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "cmd-watch.h"
#include "hvmem-output.h"

#include <string.h>

#define HEADING 2               /* lines of a table above its rows */
#define SUMS 2                  /* and below them */


static GPtrArray *
everyDomain(const Watch *watch)
{
    GPtrArray *doms = g_ptr_array_new();
    size_t i;

    for (i = 0; i < watch->domains->len; i++) {
        hvmemDomain *dom = ((hvmemWatched *)watch->domains->pdata[i])->last;

        if (dom)
            g_ptr_array_add(doms, dom);
    }
    return doms;
}


/* What the table lists, in its order. */
static GPtrArray *
listed(const Watch *watch)
{
    g_autoptr(GPtrArray) doms = everyDomain(watch);
    hvmemListOptions list = watch->list;

    list.filter = watch->filter->len ? watch->filter->str : NULL;
    return hvmemListSelect(doms, &list);
}


/* The row of the chosen domain; the first, if it is not listed any more. */
static size_t
chosenRow(const Watch *watch,
          const GPtrArray *doms)
{
    size_t i;

    for (i = 0; i < doms->len; i++) {
        if (g_strcmp0(((hvmemDomain *)doms->pdata[i])->name, watch->chosen) == 0)
            return i;
    }
    return 0;
}


void
watchMove(Watch *watch,
          int by)
{
    g_autoptr(GPtrArray) doms = listed(watch);
    int row;

    if (doms->len == 0)
        return;

    row = CLAMP((int)chosenRow(watch, doms) + by, 0, (int)doms->len - 1);
    g_free(watch->chosen);
    watch->chosen = g_strdup(((hvmemDomain *)doms->pdata[row])->name);
}


/* Bold, and with a mark at its left, for terminals without that. */
static char *
highlight(const char *line)
{
    g_autofree char *marked = g_strconcat(hvmemTerm.utf8 ? "▸" : ">", line + 1, NULL);

    return hvmemColour("1", marked);
}


static char *
hostLines(const Watch *watch,
          int columns)
{
    g_autoptr(GPtrArray) doms = everyDomain(watch);
    g_autofree char *line = hvmemListHostLine(doms, &watch->host);

    return hvmemWrap(line, columns, 1);
}


/* As many rows as there is room for, with the chosen one among them. */
static void
appendRows(const Watch *watch,
           const GPtrArray *doms,
           char **lines,
           int room,
           GString *out)
{
    int chosen = chosenRow(watch, doms);
    int first = CLAMP(chosen - room + 1, 0, MAX((int)doms->len - room, 0));
    int i;

    for (i = first; i < first + room && i < (int)doms->len; i++) {
        g_autofree char *row = i == chosen ? highlight(lines[HEADING + i]) : g_strdup(lines[HEADING + i]);

        g_string_append_printf(out, "%s\n", row);
    }
}


char *
watchFormatTable(Watch *watch,
                 int columns,
                 int rows)
{
    g_autoptr(GPtrArray) doms = listed(watch);
    g_autoptr(hvmemTable) table = NULL;
    g_autofree char *host = hostLines(watch, columns);
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    GString *out = g_string_new(NULL);
    int room = MAX(rows - HEADING - SUMS - hvmemCountLines(host), 1);

    table = hvmemListTable(doms, &watch->list);
    /* where there would be cards, which have no rows to choose, the rows are cut off */
    text = hvmemTableFormat(table, true, MAX(columns, hvmemTableLeast(table)));
    lines = g_strsplit(text, "\n", -1);

    g_string_append_printf(out, "%s\n%s\n", lines[0], lines[1]);
    appendRows(watch, doms, lines, room, out);
    g_string_append_printf(out, "%s\n%s\n%s", lines[HEADING + doms->len], lines[HEADING + doms->len + 1], host);
    return g_string_free(out, FALSE);
}
