/*
 * cmd-list.c: lists domains
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-cmd.h"
#include "hvmem-json.h"
#include "hvmem-list.h"
#include "hvmem-output.h"

static hvmemListOptions list;

static const GOptionEntry options[] = {
    { "all", 'a', 0, G_OPTION_ARG_NONE, &list.all, "List all domains, with the balloon that they have", NULL },
    { "running", 0, 0, G_OPTION_ARG_NONE, &list.running, "Only domains that run", NULL },
    { "problems", 0, 0, G_OPTION_ARG_NONE, &list.problems, "Only domains that need somebody's action", NULL },
    { "sort", 0, 0, G_OPTION_ARG_STRING, &list.sort, "Sort by a column: sizes with the largest first, states with problems first", "COLUMN" },
    { "columns", 0, 0, G_OPTION_ARG_STRING, &list.columns, "Show these columns only, whatever the width", "COLUMN,…" },
    { "bytes", 0, 0, G_OPTION_ARG_NONE, &list.bytes, "Show exact sizes, in bytes", NULL },
    G_OPTION_ENTRY_NULL,
};


static void
printJSON(const GPtrArray *doms)
{
    JsonBuilder *builder = hvmemJSONBegin("list");
    size_t i;

    json_builder_set_member_name(builder, "domains");
    json_builder_begin_array(builder);
    for (i = 0; i < doms->len; i++)
        hvmemJSONDomain(builder, doms->pdata[i]);
    json_builder_end_array(builder);
    hvmemJSONPrint(builder);
}


static void
printTable(const GPtrArray *doms,
           bool quiet)
{
    g_autoptr(hvmemTable) table = hvmemListTable(doms, &list);
    g_autofree char *text = hvmemTableFormat(table, !quiet, hvmemTableWidth());

    printf("%s", text);
}


static bool
printHost(virConnectPtr conn,
          const GPtrArray *doms,
          GError **error)
{
    hvmemListHost host = { .free = hvmemConnUnused(conn) };
    g_autofree char *line = NULL;
    g_autofree char *wrapped = NULL;

    if (!hvmemConnMemory(conn, &host.memory, error))
        return false;

    line = hvmemListHostLine(doms, &host);
    wrapped = hvmemWrap(line, hvmemTerm.width, 1);
    printf("\n%s", wrapped);
    return true;
}


static bool
run(const hvmemApp *app,
    char **args G_GNUC_UNUSED,
    GError **error)
{
    g_autoptr(virConnect) conn = NULL;
    g_autoptr(GPtrArray) doms = NULL;
    g_autoptr(GPtrArray) selected = NULL;

    if (!hvmemListCheck(&list, error) ||
        !(conn = hvmemConnect(app->uri, app->readonly, error)) ||
        !(doms = hvmemInspectAll(conn, error)))
        return false;

    selected = hvmemListSelect(doms, &list);
    if (app->json)
        printJSON(selected);
    else
        printTable(selected, app->quiet);
    return app->json || app->quiet || printHost(conn, doms, error);
}


const hvmemCommand hvmemCmdList = {
    .name = "list",
    .arguments = "[--all] [--running] [--problems] [--sort COLUMN] [--columns COLUMN,…] [--bytes]",
    .summary = "List domains with a hyperv balloon, and the host",
    .description = "Sticks hold the memory beyond boot memory. Usable is the memory available to the guest's programs, Host what the QEMU process\n"
                   "holds, Auto from where to where 'balance' chooses. The columns are name, requested, current, usable, host, boot, sticks,\n"
                   "ceiling, auto and state.",
    .example = "virsh-hvmem list --problems --sort current",
    .options = options,
    .run = run,
};
