/*
 * hvmem-table.c: tables that fit the terminal
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-table.h"
#include "hvmem-output.h"

#include <stdarg.h>
#include <string.h>

#define GAP 3                   /* between columns, as virsh has it */

struct _hvmemTable {
    GPtrArray *rows;            /* GPtrArray of cells; the first is the titles */
    GArray *drop;               /* size_t: columns that are left out, in this order */
    bool *right;                /* a column of numbers? */
    size_t columns;
    size_t sums;                /* the first row of them; 0: none */
};

/* What is shown where there are so many columns. */
typedef struct _Layout Layout;
struct _Layout {
    int *widths;                /* 0: left out */
    bool cards;
};


static GPtrArray *
collect(const char *cell,
        va_list args)
{
    GPtrArray *cells = g_ptr_array_new();

    for (; cell; cell = va_arg(args, const char *))
        g_ptr_array_add(cells, (char *)cell);
    g_ptr_array_add(cells, NULL);
    return cells;
}


void
hvmemTableAddv(hvmemTable *table,
               char **cells)
{
    GPtrArray *row = g_ptr_array_new_with_free_func(g_free);

    for (; *cells; cells++)
        g_ptr_array_add(row, hvmemPrintable(*cells));
    g_ptr_array_add(table->rows, row);
}


void
hvmemTableAdd(hvmemTable *table,
              const char *cell,
              ...)
{
    g_autoptr(GPtrArray) cells = NULL;
    va_list args;

    va_start(args, cell);
    cells = collect(cell, args);
    va_end(args);
    hvmemTableAddv(table, (char **)cells->pdata);
}


hvmemTable *
hvmemTableNewv(char **titles)
{
    hvmemTable *table = g_new0(hvmemTable, 1);
    size_t i;

    table->rows = g_ptr_array_new_with_free_func((GDestroyNotify)g_ptr_array_unref);
    table->drop = g_array_new(FALSE, FALSE, sizeof(size_t));
    table->columns = g_strv_length(titles);
    table->right = g_new0(bool, table->columns);
    hvmemTableAddv(table, titles);

    for (i = 0; i < table->columns; i++) {
        char *text = ((GPtrArray *)table->rows->pdata[0])->pdata[i];

        if (*text == '>') {
            table->right[i] = true;
            memmove(text, text + 1, strlen(text));
        }
    }
    return table;
}


hvmemTable *
hvmemTableNew(const char *title,
              ...)
{
    g_autoptr(GPtrArray) titles = NULL;
    va_list args;

    va_start(args, title);
    titles = collect(title, args);
    va_end(args);
    return hvmemTableNewv((char **)titles->pdata);
}


void
hvmemTableSums(hvmemTable *table)
{
    table->sums = table->rows->len;
}


static const char *
titleOf(const hvmemTable *table,
        size_t column)
{
    return ((GPtrArray *)table->rows->pdata[0])->pdata[column];
}


void
hvmemTableDrop(hvmemTable *table,
               const char *title,
               ...)
{
    va_list args;
    size_t i;

    va_start(args, title);
    for (; title; title = va_arg(args, const char *)) {
        for (i = 0; i < table->columns; i++) {
            if (strcmp(titleOf(table, i), title) == 0)
                g_array_append_val(table->drop, i);
        }
    }
    va_end(args);
}


void
hvmemTableFree(hvmemTable *table)
{
    if (!table)
        return;

    g_ptr_array_unref(table->rows);
    g_array_unref(table->drop);
    g_free(table->right);
    g_free(table);
}


/*
 * Layout
 */

static int
columnWidth(const hvmemTable *table,
            size_t column)
{
    int width = 1;
    size_t i;

    for (i = 0; i < table->rows->len; i++) {
        const GPtrArray *row = table->rows->pdata[i];

        if (column < row->len)
            width = MAX(width, hvmemColumns(row->pdata[column]));
    }
    return width;
}


/* With a blank on both sides, as virsh has it; the right one may be cut off. */
static int
layoutWidth(const hvmemTable *table,
            const Layout *layout)
{
    int width = 1 - GAP;
    size_t i;

    for (i = 0; i < table->columns; i++)
        width += layout->widths[i] ? layout->widths[i] + GAP : 0;
    return width;
}


/* Clips the first column, if that makes it fit. */
static bool
fit(const hvmemTable *table,
    Layout *layout,
    int width)
{
    int excess = layoutWidth(table, layout) - width;
    int least = MIN(layout->widths[0], HVMEM_TABLE_NAME);

    if (excess > layout->widths[0] - least)
        return false;

    layout->widths[0] -= MAX(excess, 0);
    return true;
}


static Layout
layOut(const hvmemTable *table,
       bool header,
       int width)
{
    Layout layout = { .widths = g_new0(int, table->columns) };
    size_t dropped = 0;
    size_t i;

    for (i = 0; i < table->columns; i++)
        layout.widths[i] = columnWidth(table, i);

    while (header && !layout.cards && !fit(table, &layout, width)) {
        if (dropped < table->drop->len)
            layout.widths[g_array_index(table->drop, size_t, dropped++)] = 0;
        else
            layout.cards = true;
    }
    return layout;
}


/*
 * Text
 */

static void
formatRow(const hvmemTable *table,
          const Layout *layout,
          const GPtrArray *row,
          GString *out)
{
    size_t start = out->len;
    size_t i;

    for (i = 0; i < row->len; i++) {
        g_autofree char *cell = NULL;
        int pad;

        if (!layout->widths[i])
            continue;

        cell = hvmemEllipsis(row->pdata[i], layout->widths[i], hvmemTerm.utf8);
        pad = layout->widths[i] - hvmemColumns(cell);
        g_string_append_printf(out, "%*s%*s%s%*s", i ? GAP : 1, "", table->right[i] ? pad : 0, "", cell,
                               table->right[i] ? 0 : pad, "");
    }

    while (out->len > start && out->str[out->len - 1] == ' ')
        g_string_truncate(out, out->len - 1);
    g_string_append_c(out, '\n');
}


/* The first cell of the row, then each other cell on a line with its title. */
static void
formatCard(const hvmemTable *table,
           const GPtrArray *row,
           int width,
           GString *out)
{
    g_autofree char *name = hvmemEllipsis(row->pdata[0], MAX(width - 1, 1), hvmemTerm.utf8);
    int titles = 0;
    size_t i;

    for (i = 1; i < table->columns; i++)
        titles = MAX(titles, hvmemColumns(titleOf(table, i)));

    g_string_append_printf(out, " %s\n", name);
    for (i = 1; i < row->len; i++) {
        g_autofree char *line = g_strdup_printf("   %-*s  %s", titles, titleOf(table, i), (const char *)row->pdata[i]);
        g_autofree char *clipped = hvmemEllipsis(line, width, hvmemTerm.utf8);

        if (*(const char *)row->pdata[i])
            g_string_append_printf(out, "%s\n", clipped);
    }
}


static void
rule(int width,
     GString *out)
{
    for (; width > 0; width--)
        g_string_append_c(out, '-');
    g_string_append_c(out, '\n');
}


char *
hvmemTableFormat(const hvmemTable *table,
                 bool header,
                 int width)
{
    GString *out = g_string_new(NULL);
    Layout layout = layOut(table, header, width);
    int whole = MIN(layoutWidth(table, &layout) + 1, width);
    size_t end = header || !table->sums ? table->rows->len : table->sums;
    size_t i;

    if (header && !layout.cards) {
        formatRow(table, &layout, table->rows->pdata[0], out);
        rule(whole, out);
    }

    for (i = 1; i < end; i++) {
        if (table->sums == i && !layout.cards)
            rule(whole, out);
        if (layout.cards)
            formatCard(table, table->rows->pdata[i], width, out);
        else
            formatRow(table, &layout, table->rows->pdata[i], out);
    }

    g_free(layout.widths);
    return g_string_free(out, FALSE);
}


int
hvmemTableLeast(const hvmemTable *table)
{
    g_autofree int *widths = g_new0(int, table->columns);
    Layout layout = { .widths = widths };
    size_t i;

    for (i = 0; i < table->columns; i++)
        widths[i] = columnWidth(table, i);
    for (i = 0; i < table->drop->len; i++)
        widths[g_array_index(table->drop, size_t, i)] = 0;
    widths[0] = MIN(widths[0], HVMEM_TABLE_NAME);
    return layoutWidth(table, &layout);
}


int
hvmemTableWidth(void)
{
    return hvmemTerm.terminal ? hvmemTerm.width : G_MAXINT / 2;
}
