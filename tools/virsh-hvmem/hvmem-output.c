/*
 * hvmem-output.c: tables, bars and JSON
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-output.h"
#include "hvmem-explain.h"

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


/*
 * JSON
 */

void
hvmemPrintJSON(JsonNode *node)
{
    g_autoptr(JsonGenerator) generator = json_generator_new();
    g_autofree char *text = NULL;

    json_generator_set_pretty(generator, TRUE);
    json_generator_set_root(generator, node);
    text = json_generator_to_data(generator, NULL);
    printf("%s\n", text);
    json_node_unref(node);
}


void
hvmemJSONSize(JsonBuilder *builder,
              const char *name,
              guint64 bytes)
{
    if (bytes == HVMEM_UNKNOWN)
        return;

    json_builder_set_member_name(builder, name);
    json_builder_add_int_value(builder, MIN(bytes, (guint64)G_MAXINT64));
}


void
hvmemJSONString(JsonBuilder *builder,
                const char *name,
                const char *value)
{
    if (!value)
        return;

    json_builder_set_member_name(builder, name);
    json_builder_add_string_value(builder, value);
}


static void
jsonBool(JsonBuilder *builder,
         const char *name,
         bool value)
{
    json_builder_set_member_name(builder, name);
    json_builder_add_boolean_value(builder, value);
}


static void
jsonStick(JsonBuilder *builder,
          const hvmemStick *stick)
{
    json_builder_begin_object(builder);
    hvmemJSONString(builder, "alias", stick->alias);
    hvmemJSONSize(builder, "addr", stick->addr);
    hvmemJSONSize(builder, "size", stick->size);
    hvmemJSONString(builder, "state", stick->state);
    hvmemJSONSize(builder, "added", stick->added);
    hvmemJSONSize(builder, "released", stick->released);
    hvmemJSONString(builder, "owner", stick->byDriver ? "driver" : "user");
    json_builder_end_object(builder);
}


static void
jsonBalloon(JsonBuilder *builder,
            const hvmemDomain *dom)
{
    size_t i;

    hvmemJSONSize(builder, "requested", dom->requested);
    hvmemJSONSize(builder, "boot", dom->boot);
    hvmemJSONSize(builder, "capacity", dom->capacity);
    hvmemJSONSize(builder, "released", dom->released);
    hvmemJSONSize(builder, "ghosts", dom->ghosts);
    hvmemJSONSize(builder, "free-slots", dom->freeSlots);
    if (dom->told) {
        hvmemJSONSize(builder, "alignment", dom->alignment);
        jsonBool(builder, "connected", dom->connected);
        hvmemJSONString(builder, "state", dom->state);
        hvmemJSONString(builder, "last-error", dom->lastError);
    }

    json_builder_set_member_name(builder, "sticks");
    json_builder_begin_array(builder);
    for (i = 0; i < dom->sticks->len; i++)
        jsonStick(builder, dom->sticks->pdata[i]);
    json_builder_end_array(builder);
}


static void
jsonExplanation(JsonBuilder *builder,
                const hvmemDomain *dom)
{
    g_autoptr(hvmemExplanation) why = hvmemExplain(dom);

    hvmemJSONString(builder, "label", why->label);
    jsonBool(builder, "problem", why->problem);
    hvmemJSONString(builder, "meaning", why->meaning);
    hvmemJSONString(builder, "remedy", why->remedy);
    hvmemJSONString(builder, "next", why->next);
}


void
hvmemJSONDomain(JsonBuilder *builder,
                const hvmemDomain *dom)
{
    g_autofree char *pending = hvmemDomainPending(dom);

    json_builder_begin_object(builder);
    hvmemJSONString(builder, "name", dom->name);
    hvmemJSONString(builder, "uuid", dom->uuid);
    jsonBool(builder, "running", dom->active);
    hvmemJSONString(builder, "model", dom->model);
    hvmemJSONSize(builder, "current", dom->current);
    hvmemJSONSize(builder, "maximum", dom->total);
    hvmemJSONSize(builder, "maxMemory", dom->maxMemory);
    if (dom->minimum)
        hvmemJSONSize(builder, "minimum", dom->minimum);
    hvmemJSONSize(builder, "usable", dom->usable);
    hvmemJSONSize(builder, "rss", dom->rss);
    if (dom->hyperv) {
        jsonBalloon(builder, dom);
        jsonExplanation(builder, dom);
    }
    hvmemJSONString(builder, "pending", pending);
    json_builder_end_object(builder);
}
