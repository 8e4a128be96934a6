/*
 * hvmem-output.c: tables and bars
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-output.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* A terminal would wrap a table that is wider. */
#define NARROW 60

hvmemTerminal hvmemTerm;


void
hvmemTerminalSize(int fd,
                  int *columns,
                  int *rows)
{
    struct winsize size;

    *columns = 80;
    *rows = 24;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col && size.ws_row) {
        *columns = size.ws_col;
        *rows = size.ws_row;
    }
}


void
hvmemTerminalInit(void)
{
    const char *term = getenv("TERM");
    int rows;

    hvmemTerm.utf8 = g_get_charset(NULL);
    hvmemTerm.colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR") && term && strcmp(term, "dumb") != 0;
    hvmemTerminalSize(STDOUT_FILENO, &hvmemTerm.width, &rows);
}


char *
hvmemColour(const char *sgr,
            const char *text)
{
    if (!hvmemTerm.colour || !*sgr)
        return g_strdup(text);
    return g_strdup_printf("\033[%sm%s\033[0m", sgr, text);
}


/*
 * Tables
 */

struct _hvmemTable {
    GPtrArray *rows;            /* GPtrArray of cells; the first is the titles */
    bool *right;                /* a column of numbers? */
};


static void
addRow(hvmemTable *table,
       const char *cell,
       va_list args)
{
    GPtrArray *row = g_ptr_array_new_with_free_func(g_free);

    for (; cell; cell = va_arg(args, const char *))
        g_ptr_array_add(row, g_strdup(cell));
    g_ptr_array_add(table->rows, row);
}


hvmemTable *
hvmemTableNew(const char *title,
              ...)
{
    hvmemTable *table = g_new0(hvmemTable, 1);
    GPtrArray *titles;
    va_list args;
    size_t i;

    table->rows = g_ptr_array_new_with_free_func((GDestroyNotify)g_ptr_array_unref);
    va_start(args, title);
    addRow(table, title, args);
    va_end(args);

    titles = table->rows->pdata[0];
    table->right = g_new0(bool, titles->len);
    for (i = 0; i < titles->len; i++) {
        char *text = titles->pdata[i];

        if (*text == '>') {
            table->right[i] = true;
            memmove(text, text + 1, strlen(text));
        }
    }
    return table;
}


void
hvmemTableAdd(hvmemTable *table,
              const char *cell,
              ...)
{
    va_list args;

    va_start(args, cell);
    addRow(table, cell, args);
    va_end(args);
}


void
hvmemTableFree(hvmemTable *table)
{
    if (!table)
        return;

    g_ptr_array_unref(table->rows);
    g_free(table->right);
    g_free(table);
}


static int
columnWidth(const hvmemTable *table,
            size_t column)
{
    int width = 0;
    size_t i;

    for (i = 0; i < table->rows->len; i++) {
        const GPtrArray *row = table->rows->pdata[i];

        if (column < row->len)
            width = MAX(width, hvmemColumns(row->pdata[column]));
    }
    return width;
}


static void
formatRow(const hvmemTable *table,
          const GPtrArray *row,
          GString *out)
{
    size_t start = out->len;
    size_t i;

    for (i = 0; i < row->len; i++) {
        int pad = columnWidth(table, i) - hvmemColumns(row->pdata[i]);

        g_string_append_printf(out, "%s%*s%s%*s", i ? "   " : " ",
                               table->right[i] ? pad : 0, "", (const char *)row->pdata[i],
                               table->right[i] ? 0 : pad, "");
    }

    while (out->len > start && out->str[out->len - 1] == ' ')
        g_string_truncate(out, out->len - 1);
    g_string_append_c(out, '\n');
}


static int
tableWidth(const hvmemTable *table)
{
    const GPtrArray *titles = table->rows->pdata[0];
    int width = 0;
    size_t i;

    for (i = 0; i < titles->len; i++)
        width += columnWidth(table, i) + (i ? 3 : 2);
    return width;
}


/* The first cell of the row, then each other cell on a line with its title. */
static void
formatCard(const hvmemTable *table,
           const GPtrArray *row,
           GString *out)
{
    const GPtrArray *titles = table->rows->pdata[0];
    size_t i;

    g_string_append_printf(out, " %s\n", (const char *)row->pdata[0]);
    for (i = 1; i < row->len; i++) {
        const char *title = titles->pdata[i];
        const char *cell = row->pdata[i];

        if (*cell)
            g_string_append_printf(out, "   %s%*s%s\n", title, MAX(14 - hvmemColumns(title), 1), "", cell);
    }
}


char *
hvmemTableFormat(const hvmemTable *table,
                 bool header,
                 int width)
{
    GString *out = g_string_new(NULL);
    bool cards = header && width < NARROW && tableWidth(table) > width;
    size_t i;

    if (header && !cards) {
        int dashes;

        formatRow(table, table->rows->pdata[0], out);
        for (dashes = tableWidth(table); dashes > 0; dashes--)
            g_string_append_c(out, '-');
        g_string_append_c(out, '\n');
    }

    for (i = 1; i < table->rows->len; i++)
        (cards ? formatCard : formatRow)(table, table->rows->pdata[i], out);

    return g_string_free(out, FALSE);
}


/*
 * Bars
 */

int
hvmemBarColumn(guint64 value,
               guint64 top,
               int width)
{
    if (top == 0 || width < 1)
        return 0;

    return MIN((int)((double)value / top * width + 0.5), width);
}


char *
hvmemBar(guint64 have,
         guint64 plugged,
         guint64 top,
         int width,
         bool utf8)
{
    GString *out = g_string_new(NULL);
    int a = hvmemBarColumn(have, top, width);
    int b = MAX(a, hvmemBarColumn(plugged, top, width));
    int i;

    for (i = 0; i < width; i++)
        g_string_append(out, i < a ? (utf8 ? "█" : "#") : i < b ? (utf8 ? "▒" : "=") : (utf8 ? "·" : "."));

    return g_string_free(out, FALSE);
}
