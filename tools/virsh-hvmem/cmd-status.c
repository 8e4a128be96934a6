/*
 * cmd-status.c: shows one domain
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-balance-text.h"
#include "hvmem-balance-view.h"
#include "hvmem-cmd.h"
#include "hvmem-explain.h"
#include "hvmem-hosts.h"
#include "hvmem-json.h"
#include "hvmem-output.h"
#include "hvmem-table.h"

#include <string.h>
#include <unistd.h>

#define TITLE_WIDTH 15
#define MAX_WIDTH 100

static gboolean bytes;

static const GOptionEntry options[] = {
    { "bytes", 0, 0, G_OPTION_ARG_NONE, &bytes, "Show exact sizes, in bytes", NULL },
    HVMEM_OPTION_ALSO,
    G_OPTION_ENTRY_NULL,
};


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
    int mark = hvmemBarColumn(dom->requested, top, width);

    printf("  [%s]\n", bar);
    if (dom->requested != HVMEM_UNKNOWN)
        printf("  %*s%s\n", CLAMP(mark, 1, width), "", hvmemTerm.utf8 ? "▲" : "^");
    else
        printf("\n");
}


typedef struct _Entry Entry;
struct _Entry {
    const char *title;
    const char *sign;           /* in the bar */
    guint64 bytes;
};


/* Those that are known; all have the unit of the largest. */
static GPtrArray *
formatEntries(const Entry *entries,
              size_t n)
{
    GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
    guint64 largest = 0;
    size_t i;

    for (i = 0; i < n; i++) {
        if (entries[i].bytes != HVMEM_UNKNOWN)
            largest = MAX(largest, entries[i].bytes);
    }
    for (i = 0; i < n; i++) {
        g_autofree char *size = hvmemFormatIn(entries[i].bytes, bytes ? 1 : hvmemUnitFor(largest));

        if (entries[i].bytes != HVMEM_UNKNOWN)
            g_ptr_array_add(lines, g_strdup_printf("%-*s%s %*s", TITLE_WIDTH, entries[i].title, entries[i].sign, bytes ? 14 : 10, size));
    }
    return lines;
}


/* In two columns where they fit, so that the page does. */
static void
printEntries(const Entry *entries,
             size_t n)
{
    g_autoptr(GPtrArray) lines = formatEntries(entries, n);
    bool two = pageWidth() >= 2 * (TITLE_WIDTH + (bytes ? 16 : 12)) + 8;
    size_t rows = two ? (lines->len + 1) / 2 : lines->len;
    size_t i;

    for (i = 0; i < rows; i++) {
        const char *right = two && i + rows < lines->len ? lines->pdata[i + rows] : "";

        printf("  %s%s%s\n", (char *)lines->pdata[i], *right ? "      " : "", right);
    }
    printf("\n");
}


static guint64
orNone(guint64 bytes)
{
    return bytes == 0 ? HVMEM_UNKNOWN : bytes;
}


static void
printSizes(const hvmemDomain *dom)
{
    bool utf8 = hvmemTerm.utf8;
    bool bar = dom->active;
    const Entry entries[] = {
        { "requested", !bar ? " " : utf8 ? "▲" : "^", dom->requested },
        { "current", !bar ? " " : utf8 ? "█" : "#", dom->active ? dom->current : HVMEM_UNKNOWN },
        { "plugged", !bar ? " " : utf8 ? "▒" : "=", dom->total },
        { "ceiling", !bar ? " " : utf8 ? "·" : ".", dom->maxMemory },
        { "minimum", " ", orNone(dom->minimum) },
        { "boot memory", " ", dom->boot },
        { "usable", " ", dom->active ? dom->usable : HVMEM_UNKNOWN },
        { "host", " ", dom->active ? dom->rss : HVMEM_UNKNOWN },
        { "ghosts", " ", dom->ghosts == HVMEM_UNKNOWN ? dom->ghosts : orNone(dom->ghosts) },
    };

    printEntries(entries, G_N_ELEMENTS(entries));
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


static guint64
largestStick(const hvmemDomain *dom)
{
    guint64 largest = 0;
    size_t i;

    for (i = 0; i < dom->sticks->len; i++)
        largest = MAX(largest, ((hvmemStick *)dom->sticks->pdata[i])->size);
    return largest;
}


/* Not more than @room lines of them, so that the rest of the page stays on the screen. */
static void
printSticks(const hvmemDomain *dom,
            size_t room)
{
    g_autoptr(hvmemTable) table = hvmemTableNew("Stick", "Address", ">Size", "State", ">Current", ">Released", "Owner", NULL);
    g_autofree char *text = NULL;
    guint64 unit = bytes ? 1 : hvmemUnitFor(largestStick(dom));
    size_t shown = MIN(dom->sticks->len, room);
    size_t i;

    if (dom->sticks->len == 0)
        return;

    for (i = 0; i < shown; i++) {
        const hvmemStick *stick = dom->sticks->pdata[i];
        g_autofree char *addr = stick->addr == HVMEM_UNKNOWN ? g_strdup("-") :
            g_strdup_printf("0x%" G_GINT64_MODIFIER "x", stick->addr);
        g_autofree char *size = hvmemFormatIn(stick->size, unit);
        g_autofree char *has = hvmemFormatIn(inGuest(stick), unit);
        g_autofree char *released = hvmemFormatIn(stick->released, unit);

        hvmemTableAdd(table, stick->alias ? stick->alias : "-", addr, size, stickState(stick), has, released,
                      stick->byDriver ? "libvirt" : "user", NULL);
    }

    hvmemTableDrop(table, "Owner", "Address", "Released", "Size", NULL);
    text = hvmemTableFormat(table, true, hvmemTableWidth());
    printf("\n%s", text);
    if (shown < dom->sticks->len)
        printf(" and %zu more; 'virsh-hvmem status' lists all into a pipe or a file\n", dom->sticks->len - shown);
}


static void
addText(GString *out,
        const char *title,
        const char *text)
{
    g_autofree char *wrapped = NULL;

    if (!text)
        return;

    wrapped = hvmemWrap(text, pageWidth(), TITLE_WIDTH + 2);
    g_string_append_printf(out, "  %-*s%s", TITLE_WIDTH, title, wrapped + TITLE_WIDTH + 2);
}


static char *
formatTexts(const hvmemDomain *dom,
            const hvmemExplanation *why,
            const char *automatic)
{
    g_autofree char *reason = dom->active && dom->lastError ? hvmemHumanise(dom->lastError) : NULL;
    g_autofree char *pending = dom->active ? hvmemDomainPending(dom) : NULL;
    GString *out = g_string_new(NULL);

    addText(out, "what it means", why->meaning);
    addText(out, "automatic", automatic);
    addText(out, "reported", reason);
    addText(out, "what to do", why->remedy ? why->remedy : "Nothing.");
    addText(out, "next start", pending);
    addText(out, "next", why->next ? why->next : "Nothing, until another size is requested.");
    return g_string_free(out, FALSE);
}


/* Rows of sticks that fit on the screen together with the rest and with the next prompt. */
static size_t
roomForSticks(const char *texts)
{
    int columns;
    int rows;

    if (!hvmemTerm.terminal)
        return G_MAXINT;

    hvmemTerminalSize(STDOUT_FILENO, &columns, &rows);
    return MAX(rows - hvmemCountLines(texts) - (pageWidth() >= 72 ? 15 : 19), 2);
}


static void
printPage(const hvmemDomain *dom,
          const char *automatic)
{
    g_autoptr(hvmemExplanation) why = hvmemExplain(dom);
    g_autofree char *name = hvmemColour("1", dom->name);
    g_autofree char *label = why->problem ? hvmemColour("1;31", why->label) : g_strdup(why->label);
    g_autofree char *texts = formatTexts(dom, why, automatic);

    hvmemSay(stdout, "%s: %s\n", name, label);
    if (dom->active)
        printBar(dom);
    printSizes(dom);
    printf("%s", texts);
    printSticks(dom, roomForSticks(texts));
}


/* On the host where the guest is, which @info names if it is another than the one that was asked. */
static hvmemDomain *
inspectWhereItIs(const GPtrArray *hosts,
                 const char *name,
                 const hvmemPlace **place,
                 GError **error)
{
    g_autoptr(virDomain) dom = hvmemHostsLookup(hosts, name, place, error);
    hvmemDomain *info = dom ? hvmemInspectHyperv(dom, true, error) : NULL;

    if (info && *place != hosts->pdata[0])
        info->host = g_strdup((*place)->name);
    return info;
}


/* The balancer and its decision, if the guest's memory is automatic. */
typedef struct _Automatic Automatic;
struct _Automatic {
    hvmemBalanceView *view;     /* NULL: it is not */
    hvmemBalancer *balancer;    /* NULL: nothing is known of a decision */
    const hvmemBalanced *guest; /* the same */
};


static void
automaticClear(Automatic *automatic)
{
    hvmemBalancerFree(automatic->balancer);
    hvmemBalanceViewFree(automatic->view);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Automatic, automaticClear);


static void
lookAtBalancer(Automatic *automatic,
               virConnectPtr conn,
               const hvmemDomain *dom)
{
    if (!hvmemAutoIsOn(dom))
        return;

    automatic->view = hvmemBalanceViewNew(conn);
    automatic->balancer = dom->active ? hvmemBalanceViewDecide(automatic->view, conn) : NULL;
    automatic->guest = automatic->balancer ? hvmemBalancerGet(automatic->balancer, dom->uuid) : NULL;
}


static void
printJSON(const hvmemDomain *dom,
          const Automatic *automatic)
{
    JsonBuilder *builder = hvmemJSONBegin("status");

    json_builder_set_member_name(builder, "domain");
    json_builder_begin_object(builder);
    hvmemJSONDomainMembers(builder, dom);
    if (automatic->view && automatic->view->owner) {
        json_builder_set_member_name(builder, "balancer");
        json_builder_add_int_value(builder, automatic->view->owner->pid);
    }
    if (automatic->guest) {
        json_builder_set_member_name(builder, "decision");
        hvmemBalanceJSONGuest(builder, automatic->guest);
    }
    json_builder_end_object(builder);
    hvmemJSONPrint(builder);
}


static bool
run(const hvmemApp *app,
    char **args,
    GError **error)
{
    g_autoptr(GPtrArray) hosts = hvmemHostsOpen(app->uri, hvmemAlso, app->readonly, error);
    const hvmemPlace *place = NULL;
    g_autoptr(hvmemDomain) info = hosts ? inspectWhereItIs(hosts, args[0], &place, error) : NULL;
    g_auto(Automatic) automatic = { 0 };
    g_autofree char *text = NULL;

    if (!info)
        return false;

    lookAtBalancer(&automatic, place->conn, info);
    if (app->json) {
        printJSON(info, &automatic);
        return true;
    }

    text = automatic.view ? hvmemBalanceViewText(automatic.view, info, automatic.guest) : NULL;
    if (info->host)
        hvmemSay(stdout, "Found on another host: %s\n", info->host);
    printPage(info, text);
    return true;
}


const hvmemCommand hvmemCmdStatus = {
    .name = "status",
    .arguments = "DOMAIN [--bytes] [--also URI]",
    .summary = "Show one domain on one page: sizes, state, what to do, sticks",
    .example = "virsh-hvmem status g1",
    .options = options,
    .minArgs = 1,
    .maxArgs = 1,
    .run = run,
};
