/*
 * cmd-plot.c: draws a recording
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-cmd.h"
#include "hvmem-output.h"
#include "hvmem-picture.h"

#include <stdio.h>
#include <string.h>

static char *outPath;
static char *title;

static const GOptionEntry options[] = {
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &outPath, "The picture to write; the name decides between SVG and PNG", "FILE.svg|FILE.png" },
    { "title", 0, 0, G_OPTION_ARG_STRING, &title, "The title of the picture", "TEXT" },
    G_OPTION_ENTRY_NULL,
};


/* The suffix must not promise another format. */
static bool
checkOutput(GError **error)
{
    static const char *const others[] = { ".jpg", ".jpeg", ".pdf", ".csv" };
    size_t i;

    if (!outPath)
        return hvmemFailUsage(error, "no picture to write: give -o FILE.svg or -o FILE.png");

    for (i = 0; i < G_N_ELEMENTS(others); i++) {
        const char *end = strrchr(outPath, '.');

        if (end && g_ascii_strcasecmp(end, others[i]) == 0)
            return hvmemFailUsage(error, "'%s': the picture is SVG or PNG: give -o FILE.svg or -o FILE.png", outPath);
    }
    return true;
}


/* The number of the line in which @text ends. */
static size_t
lineOfEnd(const char *text)
{
    size_t line = 1;

    for (; *text; text++)
        line += *text == '\n';
    return line;
}


static bool
run(const hvmemApp *app,
    char **args,
    GError **error)
{
    g_autoptr(GPtrArray) records = NULL;
    g_autoptr(GError) reason = NULL;
    g_autofree char *text = NULL;
    size_t length;

    if (!checkOutput(error))
        return false;

    if (!g_file_get_contents(args[0], &text, &length, error))
        return false;

    if (!(records = hvmemRecordParse(text, &reason)))
        return hvmemFail(error, "'%s': %s", args[0], reason->message);

    if (strlen(text) < length && !app->quiet)
        hvmemTell(stderr, "warning: '%s': line %zu has a NUL byte: what is behind it is not drawn\n", args[0], lineOfEnd(text));
    else if (hvmemRecordIsCut(text) && !app->quiet)
        hvmemTell(stderr, "warning: '%s': the last line is cut off: what is left of it is not drawn\n", args[0]);

    if (!hvmemPictureWrite(records, outPath, title ? title : "Memory over time", error))
        return false;

    if (!app->quiet)
        hvmemSay(stdout, "%s written\n", outPath);
    return true;
}


const hvmemCommand hvmemCmdPlot = {
    .name = "plot",
    .arguments = "FILE.csv -o FILE.svg|FILE.png [--title TEXT]",
    .summary = "Draw what 'watch --record' has recorded",
    .example = "virsh-hvmem plot g1.csv -o g1.svg --title 'g1, Monday'",
    .options = options,
    .minArgs = 1,
    .maxArgs = 1,
    .run = run,
};
