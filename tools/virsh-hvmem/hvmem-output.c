/*
 * hvmem-output.c: the terminal, and bars
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-output.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

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
    hvmemTerm.terminal = isatty(STDOUT_FILENO);
    hvmemTerm.cursor = term && *term && strcmp(term, "dumb") != 0;
    hvmemTerm.colour = hvmemTerm.terminal && hvmemTerm.cursor && !getenv("NO_COLOR");
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


void
hvmemSay(FILE *file,
         const char *format,
         ...)
{
    g_autofree char *text = NULL;
    g_autofree char *printable = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    printable = hvmemPrintable(text);
    fputs(printable, file);
}


void
hvmemTell(FILE *file,
          const char *format,
          ...)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    int columns;
    int rows;
    va_list args;
    size_t i;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    lines = g_strsplit(text, "\n", -1);
    hvmemTerminalSize(fileno(file), &columns, &rows);
    for (i = 0; lines[i] && (lines[i + 1] || *lines[i]); i++) {
        g_autofree char *wrapped = hvmemWrap(lines[i], isatty(fileno(file)) ? MIN(columns, HVMEM_TEXT_WIDTH) : G_MAXINT, 0);

        fputs(wrapped, file);
    }
}


void
hvmemPrintError(const GError *error)
{
    g_autofree char *text = hvmemErrorFormat(error);

    hvmemTell(stderr, "%s", text);
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

    return MIN((double)value / top * width + 0.5, width);
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
