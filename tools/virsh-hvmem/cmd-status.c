/*
 * cmd-status.c: shows one domain
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-cmd.h"
#include "hvmem-explain.h"
#include "hvmem-hosts.h"
#include "hvmem-json.h"
#include "hvmem-output.h"

#include <string.h>

#define TITLE_WIDTH 15
#define MAX_WIDTH 100


static int
pageWidth(void)
{
    return CLAMP(hvmemTerm.width, 30, MAX_WIDTH);
}


/* The right end of the bar; without a ceiling, the largest size. */
static guint64
barTop(const hvmemDomain *dom)
{
    guint64 top = dom->maxMemory != HVMEM_UNKNOWN ? dom->maxMemory : 0;

    return MAX(MAX(top, dom->total), dom->current);
}


static void
printBar(const hvmemDomain *dom)
{
    int width = pageWidth() - 4;
    guint64 top = barTop(dom);
    g_autofree char *bar = hvmemBar(dom->current, dom->total, top, width, hvmemTerm.utf8);
    g_autofree char *coloured = hvmemColour("32", bar);
    int mark = hvmemBarColumn(dom->requested, top, width);

    printf("\n  [%s]\n", coloured);
    if (dom->requested != HVMEM_UNKNOWN)
        printf("  %*s%s\n", CLAMP(mark, 1, width), "", hvmemTerm.utf8 ? "▲" : "^");
    else
        printf("\n");
}


static void
printSize(const char *title,
          guint64 bytes,
          const char *sign,
          const char *words)
{
    g_autofree char *size = hvmemFormatSize(bytes);
    g_autofree char *line = g_strdup_printf("  %-*s%10s  %s", TITLE_WIDTH, title, size, *sign ? sign : " ");

    if (bytes == HVMEM_UNKNOWN)
        return;

    /* left out if it does not fit: the title is enough */
    if (*words && hvmemColumns(line) + 2 + hvmemColumns(words) <= pageWidth())
        printf("%s  %s\n", line, words);
    else
        printf("%s\n", g_strchomp(line));
}


static void
printSizes(const hvmemDomain *dom)
{
    bool utf8 = hvmemTerm.utf8;

    printSize("asked for", dom->requested, utf8 ? "▲" : "^", "by setmem");
    printSize("guest has", dom->current, utf8 ? "█" : "#", "");
    printSize("plugged", dom->total, utf8 ? "▒" : "=", "boot memory and sticks: reachable at once");
    printSize("ceiling", dom->maxMemory, utf8 ? "·" : ".", "<maxMemory>");
    if (dom->minimum)
        printSize("minimum", dom->minimum, "", "setmem refuses less");
    printSize("boot memory", dom->boot, "", "");
    printSize("guest usable", dom->usable, "", "available to its programs");
    printSize("host memory", dom->rss, "", "used by the QEMU process");
    if (dom->ghosts != HVMEM_UNKNOWN && dom->ghosts > 0)
        printSize("ghosts", dom->ghosts, "", "of removed sticks, until the guest's next reset");
    printf("\n");
}


static guint64
inGuest(const hvmemStick *stick)
{
    return stick->added == HVMEM_UNKNOWN ? HVMEM_UNKNOWN : stick->added - MIN(stick->added, stick->released);
}


static const char *
stickState(const hvmemStick *stick)
{
    if (!stick->state)
        return "-";
    if (strcmp(stick->state, "idle") == 0)
        return "not given yet";
    if (strcmp(stick->state, "inuse") == 0)
        return "in use";
    if (strcmp(stick->state, "unused") == 0)
        return "can be removed";
    return stick->state;
}


static void
printSticks(const hvmemDomain *dom)
{
    g_autoptr(hvmemTable) table = hvmemTableNew("Stick", "Address", ">Size", "State", ">In the guest", ">Released", "Owner", NULL);
    g_autofree char *text = NULL;
    size_t i;

    if (dom->sticks->len == 0)
        return;

    for (i = 0; i < dom->sticks->len; i++) {
        const hvmemStick *stick = dom->sticks->pdata[i];
        g_autofree char *addr = stick->addr == HVMEM_UNKNOWN ? g_strdup("-") :
            g_strdup_printf("0x%" G_GINT64_MODIFIER "x", stick->addr);
        g_autofree char *size = hvmemFormatSize(stick->size);
        g_autofree char *has = hvmemFormatSize(inGuest(stick));
        g_autofree char *released = hvmemFormatSize(stick->released);

        hvmemTableAdd(table, stick->alias ? stick->alias : "-", addr, size, stickState(stick), has, released,
                      stick->byDriver ? "libvirt" : "user", NULL);
    }

    text = hvmemTableFormat(table, true, hvmemTerm.width);
    printf("%s\n", text);
}


static void
printText(const char *title,
          const char *text)
{
    g_autofree char *wrapped = NULL;

    if (!text)
        return;

    wrapped = hvmemWrap(text, pageWidth(), TITLE_WIDTH + 2);
    printf("  %-*s%s", TITLE_WIDTH, title, wrapped + TITLE_WIDTH + 2);
}


static void
printPage(const hvmemDomain *dom)
{
    g_autoptr(hvmemExplanation) why = hvmemExplain(dom);
    g_autofree char *name = hvmemColour("1", dom->name);
    g_autofree char *label = hvmemColour(why->problem ? "1;31" : "1;32", why->label);
    g_autofree char *reason = dom->lastError ? hvmemHumanise(dom->lastError) : NULL;
    g_autofree char *pending = dom->active ? hvmemDomainPending(dom) : NULL;

    printf("%s: %s\n", name, label);
    printBar(dom);
    printSizes(dom);
    printSticks(dom);
    printText("what it means", why->meaning);
    printText("reported", reason);
    printText("what to do", why->remedy ? why->remedy : "Nothing.");
    printText("next start", pending);
    printText("next", why->next ? why->next : "Nothing, until another size is requested.");
}


static const GOptionEntry options[] = {
    HVMEM_OPTION_ALSO,
    G_OPTION_ENTRY_NULL,
};


/* On the host where the guest is, which @info names if it is another than the one that was asked. */
static hvmemDomain *
inspectWhereItIs(const GPtrArray *hosts,
                 const char *name,
                 GError **error)
{
    const hvmemPlace *place = NULL;
    g_autoptr(virDomain) dom = hvmemHostsLookup(hosts, name, &place, error);
    hvmemDomain *info = dom ? hvmemInspectHyperv(dom, true, error) : NULL;

    if (info && place != hosts->pdata[0])
        info->host = g_strdup(place->name);
    return info;
}


static bool
run(const hvmemApp *app,
    char **args,
    GError **error)
{
    g_autoptr(GPtrArray) hosts = hvmemHostsOpen(app->uri, hvmemAlso, app->readonly, error);
    g_autoptr(hvmemDomain) info = hosts ? inspectWhereItIs(hosts, args[0], error) : NULL;
    JsonBuilder *builder;

    if (!info)
        return false;

    if (!app->json) {
        if (info->host)
            printf("Found on another host: %s\n", info->host);
        printPage(info);
        return true;
    }

    builder = hvmemJSONBegin("status");
    json_builder_set_member_name(builder, "domain");
    hvmemJSONDomain(builder, info);
    hvmemJSONPrint(builder);
    return true;
}


const hvmemCommand hvmemCmdStatus = {
    .name = "status",
    .arguments = "DOMAIN [--also URI]",
    .options = options,
    .summary = "Show one domain on one page: sizes, sticks, state, what to do, what comes next",
    .minArgs = 1,
    .maxArgs = 1,
    .run = run,
};
