/*
 * hvmem-util.c: sizes and text
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-util.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


guint64
hvmemFromKiB(guint64 kib)
{
    return kib >= G_MAXUINT64 / HVMEM_KIB ? HVMEM_UNKNOWN - 1 : kib * HVMEM_KIB;
}


guint64
hvmemSum(guint64 a,
         guint64 b)
{
    return a > HVMEM_UNKNOWN - 1 - MIN(b, HVMEM_UNKNOWN - 1) ? HVMEM_UNKNOWN - 1 : a + b;
}


guint64
hvmemDistance(guint64 a,
              guint64 b)
{
    return a > b ? a - b : b - a;
}


/* The number of bytes in one @suffix; 0 if there is no such suffix. */
static guint64
suffixScale(const char *suffix)
{
    static const char letters[] = "kmgtpe";
    const char *letter;
    guint64 base = 1024;
    guint64 scale = 1;

    if (!*suffix)
        return HVMEM_KIB;

    if (g_ascii_strcasecmp(suffix, "b") == 0 ||
        g_ascii_strcasecmp(suffix, "byte") == 0 ||
        g_ascii_strcasecmp(suffix, "bytes") == 0)
        return 1;

    if (!(letter = strchr(letters, g_ascii_tolower(*suffix))))
        return 0;

    if (g_ascii_strcasecmp(suffix + 1, "b") == 0)
        base = 1000;
    else if (suffix[1] && g_ascii_strcasecmp(suffix + 1, "ib") != 0)
        return 0;

    for (; letter >= letters; letter--)
        scale *= base;
    return scale;
}


/* Takes the digits from the point at *@end on, however many. */
static double
takeFraction(char **end)
{
    g_autofree char *digits = g_strndup(*end, 1 + strspn(*end + 1, "0123456789"));

    *end += strlen(digits);
    return g_ascii_strtod(digits, NULL);
}


bool
hvmemParseSize(const char *text,
               const char *what,
               guint64 *bytes,
               GError **error)
{
    g_autofree char *copy = g_strstrip(g_strdup(text));
    guint64 number;
    guint64 scale;
    double fraction = 0;
    char *end;

    errno = 0;
    number = g_ascii_strtoull(copy, &end, 10);
    if (end[0] == '.' && g_ascii_isdigit(end[1]))
        fraction = takeFraction(&end);
    while (g_ascii_isspace(*end))
        end++;

    if (!g_ascii_isdigit(*copy) || !(scale = suffixScale(end)))
        return hvmemFailUsage(error,
                              "%s '%s' is not a size: give a number of KiB, or one with a suffix such as 512MiB or 1.5GiB",
                              what, text);

    if (errno == ERANGE || number > (G_MAXINT64 - HVMEM_KIB) / scale)
        return hvmemFailUsage(error, "%s '%s' is too large", what, text);

    if (fraction > 0 && !*end)
        return hvmemFailUsage(error, "%s '%s' has no unit: give it a suffix such as MiB or GiB", what, text);

    if (number == 0 && fraction == 0)
        return hvmemFailUsage(error, "%s '%s': memory cannot be 0", what, text);

    *bytes = (number * scale + (guint64)(fraction * scale) + HVMEM_KIB - 1) / HVMEM_KIB * HVMEM_KIB;
    return true;
}


/* Too small for any guest. */
#define DOUBTFUL (64 * HVMEM_MIB)


char *
hvmemSizeDoubt(const char *text,
               guint64 bytes)
{
    g_autofree char *number = g_strstrip(g_strdup(text));
    g_autofree char *size = hvmemFormatSize(bytes);

    if (bytes >= DOUBTFUL || strspn(number, "0123456789") != strlen(number))
        return NULL;

    return g_strdup_printf("%s: sizes without a unit are KiB, as in virsh; others have one, as 512MiB or 4GiB", size);
}


char *
hvmemFormatSize(guint64 bytes)
{
    static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    size_t unit = 0;
    guint64 one = 1;

    if (bytes == HVMEM_UNKNOWN)
        return g_strdup("-");

    /* 0 needs no suffix */
    if (bytes == 0)
        return g_strdup("0");

    /* what one decimal would round to 1024.0 has the next unit */
    while (unit + 1 < G_N_ELEMENTS(units) && (double)bytes / one >= 1023.95) {
        one *= 1024;
        unit++;
    }

    if (bytes % one == 0)
        return g_strdup_printf("%" G_GUINT64_FORMAT " %s", bytes / one, units[unit]);

    return g_strdup_printf("%.1f %s", (double)bytes / one, units[unit]);
}


guint64
hvmemUnitFor(guint64 largest)
{
    if (largest >= 10000 * HVMEM_GIB)
        return 1024 * HVMEM_GIB;
    return largest >= HVMEM_GIB ? HVMEM_GIB : HVMEM_MIB;
}


char *
hvmemFormatIn(guint64 bytes,
              guint64 unit)
{
    if (bytes == HVMEM_UNKNOWN)
        return g_strdup("-");
    if (unit == 1)
        return g_strdup_printf("%" G_GUINT64_FORMAT, bytes);
    return g_strdup_printf("%.1f %s", (double)bytes / unit, unit > HVMEM_GIB ? "TiB" : unit == HVMEM_GIB ? "GiB" : "MiB");
}


char *
hvmemSizeArgument(guint64 bytes)
{
    static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
    guint64 value = bytes / HVMEM_KIB;
    size_t unit = 0;

    for (; unit + 1 < G_N_ELEMENTS(units) && value > 0 && value % 1024 == 0; unit++)
        value /= 1024;
    return g_strdup_printf("%" G_GUINT64_FORMAT "%s", value, units[unit]);
}


char *
hvmemShellWord(const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.,:+@%/";

    return *text && strspn(text, plain) == strlen(text) ? g_strdup(text) : g_shell_quote(text);
}


static gboolean
humaniseOne(const GMatchInfo *match,
            GString *out,
            gpointer opaque G_GNUC_UNUSED)
{
    g_autofree char *number = g_match_info_fetch(match, 1);
    g_autofree char *unit = g_match_info_fetch(match, 2);
    guint64 scale = unit[0] == 'M' ? HVMEM_MIB : HVMEM_KIB;
    guint64 value = g_ascii_strtoull(number, NULL, 10);
    g_autofree char *size = hvmemFormatSize(value > (HVMEM_UNKNOWN - 1) / scale ?
                                            HVMEM_UNKNOWN - 1 : value * scale);

    g_string_append(out, size);
    return FALSE;
}


char *
hvmemHumanise(const char *text)
{
    g_autoptr(GRegex) regex = g_regex_new("\\b([0-9]+) ([KM]iB)\\b", 0, 0, NULL);

    return g_regex_replace_eval(regex, text, -1, 0, 0, humaniseOne, NULL, NULL);
}


char *
hvmemHideSecrets(const char *text)
{
    g_autoptr(GRegex) regex = g_regex_new(" passwd=('[^']*'|\"[^\"]*\")", 0, 0, NULL);

    return g_regex_replace_literal(regex, text, -1, 0, " passwd='(not shown)'", 0, NULL);
}


/* The length of the colour sequence that @text begins with, or 0. */
static size_t
colourLength(const char *text)
{
    size_t n;

    if (text[0] != '\033' || text[1] != '[')
        return 0;

    n = 2 + strspn(text + 2, "0123456789;");
    return text[n] == 'm' ? n + 1 : 0;
}


bool
hvmemIsObeyed(gunichar c)
{
    GUnicodeType type = g_unichar_type(c);

    return (type == G_UNICODE_CONTROL || type == G_UNICODE_FORMAT) && c != '\n';
}


/* Reads the character that @text begins with, as it is shown, and returns its length in @text. What is not UTF-8, and what a terminal would obey
 * instead of show, is shown as '?'. */
static size_t
takeCharacter(const char *text,
              gunichar *c)
{
    *c = g_utf8_get_char_validated(text, -1);
    if (*c >= (gunichar)-2) {
        *c = '?';
        return 1;
    }

    if (hvmemIsObeyed(*c))
        *c = '?';
    return g_utf8_next_char(text) - text;
}


static int
columnsOf(gunichar c)
{
    return g_unichar_iszerowidth(c) ? 0 : g_unichar_iswide(c) ? 2 : 1;
}


char *
hvmemPrintable(const char *text)
{
    return hvmemClip(text, G_MAXINT);
}


int
hvmemColumns(const char *text)
{
    int columns = 0;

    while (*text) {
        size_t n = colourLength(text);
        gunichar c;

        if (n == 0) {
            n = takeCharacter(text, &c);
            columns += columnsOf(c);
        }
        text += n;
    }
    return columns;
}


char *
hvmemWrap(const char *text,
          int width,
          int indent)
{
    g_autofree char *printable = hvmemPrintable(text);
    g_auto(GStrv) words = g_strsplit(printable, " ", -1);
    GString *out = g_string_new(NULL);
    int column = 0;
    size_t i;

    for (i = 0; words[i]; i++) {
        int columns = hvmemColumns(words[i]);

        if (column > indent && column + 1 + columns > width) {
            g_string_append_c(out, '\n');
            column = 0;
        }

        if (column == 0) {
            g_string_append_printf(out, "%*s", indent, "");
            column = indent;
        } else {
            g_string_append_c(out, ' ');
            column++;
        }
        g_string_append(out, words[i]);
        column += columns;
    }

    g_string_append_c(out, '\n');
    return g_string_free(out, FALSE);
}


char *
hvmemClip(const char *text,
          int width)
{
    GString *out = g_string_new(NULL);
    int column = 0;

    while (*text) {
        size_t n = colourLength(text);
        gunichar c;

        if (n > 0) {
            g_string_append_len(out, text, n);
        } else {
            n = takeCharacter(text, &c);
            column += columnsOf(c);
            if (column <= width)
                g_string_append_unichar(out, c);
        }
        text += n;
    }
    return g_string_free(out, FALSE);
}


char *
hvmemEllipsis(const char *text,
              int width,
              bool utf8)
{
    const char *sign = utf8 ? "…" : "...";
    int room = width - hvmemColumns(sign);
    g_autofree char *begin = NULL;

    if (hvmemColumns(text) <= width)
        return hvmemPrintable(text);
    if (room < 1)
        return hvmemClip(text, width);

    begin = hvmemClip(text, room);
    return g_strconcat(begin, sign, NULL);
}


char *
hvmemFormatDuration(double seconds)
{
    long whole = lround(MAX(seconds, 0));

    if (whole >= 3600)
        return g_strdup_printf("%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
    return g_strdup_printf("%ld:%02ld", whole / 60, whole % 60);
}


int
hvmemCountLines(const char *text)
{
    int n = 0;

    for (; (text = strchr(text, '\n')); text++)
        n++;
    return n;
}


const virTypedParameter *
hvmemFindParam(const virTypedParameter *params,
               int nparams,
               const char *name)
{
    int i;

    for (i = 0; i < nparams; i++) {
        if (strcmp(params[i].field, name) == 0)
            return params + i;
    }
    return NULL;
}


/* To what is there and is not a file: to replace it would take /dev/stdout from everybody. */
static bool
writeInto(const char *path,
          const char *text,
          size_t length,
          GError **error)
{
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOCTTY);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    bool ok = file && fwrite(text, 1, length, file) == length && fflush(file) == 0;

    if (!ok)
        hvmemFail(error, "cannot write '%s': %s", path, g_strerror(errno));
    if (file)
        fclose(file);
    return ok;
}


bool
hvmemWriteFile(const char *path,
               const char *text,
               size_t length,
               GError **error)
{
    g_autoptr(GError) reason = NULL;
    char *real = realpath(path, NULL);
    GStatBuf info;
    bool ok;

    /* the file behind /dev/stdout may have no name any more */
    if (g_stat(path, &info) == 0 && (!S_ISREG(info.st_mode) || !real))
        ok = writeInto(path, text, length, error);
    else
        ok = g_file_set_contents(real ? real : path, text, length, &reason) || hvmemFail(error, "cannot write '%s': %s", path, reason->message);
    free(real);
    return ok;
}
