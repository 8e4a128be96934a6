/*
 * cmd-metrics.c: figures for Prometheus
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-cmd.h"
#include "hvmem-metrics.h"
#include "hvmem-output.h"

#include <stdio.h>
#include <string.h>

static char *outPath;

static const GOptionEntry options[] = {
    { "output", 'o', 0, G_OPTION_ARG_FILENAME, &outPath, "Write a file, all at once, for node_exporter's textfile collector", "FILE.prom" },
    G_OPTION_ENTRY_NULL,
};


static bool
run(const hvmemApp *app,
    char **args G_GNUC_UNUSED,
    GError **error)
{
    g_autoptr(virConnect) conn = NULL;
    g_autoptr(GPtrArray) domains = NULL;
    g_autofree char *text = NULL;
    guint64 memory = HVMEM_UNKNOWN;

    if (app->json)
        return hvmemFailUsage(error, "--format json: metrics have a format of their own, OpenMetrics");
    if (!(conn = hvmemConnect(app->uri, app->readonly, error)) ||
        !(domains = hvmemInspectAll(conn, error)))
        return false;

    hvmemConnMemory(conn, &memory, NULL);
    text = hvmemMetricsFormat(domains, memory);
    if (!outPath) {
        if (hvmemTerm.terminal)
            hvmemSay(stdout, "%s", text);
        else
            printf("%s", text);
        return true;
    }
    return hvmemWriteFile(outPath, text, strlen(text), error);
}


const hvmemCommand hvmemCmdMetrics = {
    .name = "metrics",
    .arguments = "[--output FILE.prom]",
    .summary = "Print figures of all domains for Prometheus (OpenMetrics)",
    .description = "Names begin with hvmem_; sizes are in bytes. Nothing is changed, and --readonly is sufficient.",
    .example = "virsh-hvmem metrics --output hvmem.prom",
    .options = options,
    .run = run,
};
