/*
 * cmd-list.c: lists domains
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-cmd.h"
#include "hvmem-explain.h"
#include "hvmem-json.h"
#include "hvmem-output.h"

static gboolean all;

static const GOptionEntry options[] = {
    { "all", 'a', 0, G_OPTION_ARG_NONE, &all, "List all domains, with the balloon that they have", NULL },
    G_OPTION_ENTRY_NULL,
};


static void
printJSON(const GPtrArray *doms)
{
    JsonBuilder *builder = hvmemJSONBegin("list");
    size_t i;

    json_builder_set_member_name(builder, "domains");
    json_builder_begin_array(builder);
    for (i = 0; i < doms->len; i++) {
        const hvmemDomain *dom = doms->pdata[i];

        if (all || hvmemDomainIsMeant(dom))
            hvmemJSONDomain(builder, dom);
    }
    json_builder_end_array(builder);
    hvmemJSONPrint(builder);
}


static void
addRow(hvmemTable *table,
       const hvmemDomain *dom)
{
    g_autoptr(hvmemExplanation) why = hvmemExplain(dom);
    g_autofree char *none = hvmemExplainNone(dom);
    g_autofree char *requested = hvmemFormatSize(dom->hyperv ? dom->requested : HVMEM_UNKNOWN);
    g_autofree char *current = hvmemFormatSize(dom->current);
    g_autofree char *boot = hvmemFormatSize(dom->boot);
    g_autofree char *ceiling = hvmemFormatSize(dom->maxMemory);
    g_autofree char *usable = hvmemFormatSize(dom->usable);
    g_autofree char *sticks = g_strdup_printf("%u", dom->sticks->len);

    hvmemTableAdd(table, dom->name, requested, current, boot, dom->hyperv ? sticks : "-", ceiling, usable,
                  dom->hyperv ? why->label : none, NULL);
}


static void
printTable(const hvmemApp *app,
           const GPtrArray *doms)
{
    g_autoptr(hvmemTable) table = hvmemTableNew("Name", ">Asked for", ">Guest has", ">Boot", ">Sticks", ">Ceiling", ">Usable",
                                                "State", NULL);
    g_autofree char *text = NULL;
    size_t i;

    for (i = 0; i < doms->len; i++) {
        const hvmemDomain *dom = doms->pdata[i];

        if (all || hvmemDomainIsMeant(dom))
            addRow(table, dom);
    }

    text = hvmemTableFormat(table, !app->quiet, hvmemTerm.width);
    printf("%s%s", text, app->quiet ? "" : "\n");
}


static bool
run(const hvmemApp *app,
    char **args G_GNUC_UNUSED,
    GError **error)
{
    g_autoptr(virConnect) conn = hvmemConnect(app->uri, app->readonly, error);
    g_autoptr(GPtrArray) doms = NULL;

    if (!conn || !(doms = hvmemInspectAll(conn, error)))
        return false;

    if (app->json)
        printJSON(doms);
    else
        printTable(app, doms);
    return true;
}


const hvmemCommand hvmemCmdList = {
    .name = "list",
    .arguments = "[--all]",
    .summary = "List domains with a hyperv balloon",
    .description = "Sticks hold the memory beyond boot memory. Usable is the memory available to the guest's programs.",
    .options = options,
    .run = run,
};
