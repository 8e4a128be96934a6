/*
 * hvmem-diff.c: the difference of two texts
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-diff.h"

#include <stdbool.h>
#include <string.h>

#define CONTEXT 3

typedef struct _Edit Edit;
struct _Edit {
    char kind;                  /* ' ', '-' or '+' */
    const char *line;
};


static char **
splitLines(const char *text)
{
    char **lines = g_strsplit(text, "\n", -1);
    size_t n = g_strv_length(lines);

    /* there is no line after the last line end */
    if (n > 0 && !*lines[n - 1])
        g_clear_pointer(&lines[n - 1], g_free);
    return lines;
}


static void
addEdit(GArray *edits,
        char kind,
        const char *line)
{
    Edit edit = { kind, line };

    g_array_append_val(edits, edit);
}


/* lengths[i * (nb + 1) + j]: of the longest common subsequence of a[i…], b[j…] */
static guint32 *
commonLengths(char **a,
              size_t na,
              char **b,
              size_t nb)
{
    guint32 *lengths = g_new0(guint32, (na + 1) * (nb + 1));
    size_t row = nb + 1;
    size_t i;
    size_t j;

    for (i = na; i-- > 0;) {
        for (j = nb; j-- > 0;) {
            lengths[i * row + j] = strcmp(a[i], b[j]) == 0 ?
                lengths[(i + 1) * row + j + 1] + 1 :
                MAX(lengths[(i + 1) * row + j], lengths[i * row + j + 1]);
        }
    }
    return lengths;
}


static GArray *
findEdits(char **a,
          char **b)
{
    GArray *edits = g_array_new(FALSE, FALSE, sizeof(Edit));
    size_t na = g_strv_length(a);
    size_t nb = g_strv_length(b);
    g_autofree guint32 *lengths = commonLengths(a, na, b, nb);
    size_t row = nb + 1;
    size_t i = 0;
    size_t j = 0;

    while (i < na || j < nb) {
        if (i < na && j < nb && strcmp(a[i], b[j]) == 0) {
            addEdit(edits, ' ', a[i++]);
            j++;
        } else if (i < na && (j == nb || lengths[(i + 1) * row + j] >= lengths[i * row + j + 1])) {
            addEdit(edits, '-', a[i++]);
        } else {
            addEdit(edits, '+', b[j++]);
        }
    }
    return edits;
}


static bool
isNearChange(const GArray *edits,
             size_t at)
{
    size_t from = at > CONTEXT ? at - CONTEXT : 0;
    size_t i;

    for (i = from; i <= at + CONTEXT && i < edits->len; i++) {
        if (g_array_index(edits, Edit, i).kind != ' ')
            return true;
    }
    return false;
}


/* The header of the hunk that begins at edit @at, which is line @a and @b. */
static void
formatHeader(const GArray *edits,
             size_t at,
             size_t a,
             size_t b,
             GString *out)
{
    size_t na = 0;
    size_t nb = 0;

    for (; at < edits->len && isNearChange(edits, at); at++) {
        char kind = g_array_index(edits, Edit, at).kind;

        na += kind != '+';
        nb += kind != '-';
    }
    g_string_append_printf(out, "@@ -%zu,%zu +%zu,%zu @@\n", na ? a + 1 : a, na, nb ? b + 1 : b, nb);
}


char *
hvmemDiff(const char *before,
          const char *after)
{
    g_auto(GStrv) a = splitLines(before);
    g_auto(GStrv) b = splitLines(after);
    g_autoptr(GArray) edits = findEdits(a, b);
    GString *out = g_string_new(NULL);
    size_t lineA = 0;
    size_t lineB = 0;
    bool inside = false;
    size_t i;

    for (i = 0; i < edits->len; i++) {
        const Edit *edit = &g_array_index(edits, Edit, i);
        bool near = isNearChange(edits, i);

        if (near && !inside)
            formatHeader(edits, i, lineA, lineB, out);
        inside = near;
        if (near)
            g_string_append_printf(out, "%c%s\n", edit->kind, edit->line);
        lineA += edit->kind != '+';
        lineB += edit->kind != '-';
    }
    return g_string_free(out, FALSE);
}
