/*
 * cmd-watch-lines.c: what watch prints where there is no terminal
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "cmd-watch.h"
#include "hvmem-auto.h"
#include "hvmem-explain.h"
#include "hvmem-json.h"
#include "hvmem-output.h"


static void
printText(const char *name,
          double time,
          const char *text)
{
    g_autoptr(GDateTime) at = g_date_time_new_from_unix_local(time);
    g_autofree char *clock = g_date_time_format(at, "%H:%M:%S");

    hvmemSay(stdout, "%s  %s: %s\n", clock, name, text);
}


static void
printLine(const hvmemDomain *dom)
{
    g_autoptr(hvmemExplanation) why = hvmemExplain(dom);
    g_autofree char *want = hvmemFormatSize(dom->requested);
    g_autofree char *have = hvmemFormatSize(dom->current);
    g_autofree char *usable = hvmemFormatSize(dom->usable);
    g_autofree char *rss = hvmemFormatSize(dom->rss);
    g_autofree char *demand = hvmemFormatSize(hvmemAutoDemand(dom));
    g_autofree char *uses = hvmemAutoIsOn(dom) ? g_strdup_printf("demand %s, ", demand) : g_strdup("");
    g_autofree char *text = g_strdup_printf("requested %s, current %s, usable %s, %shost %s, %s", want, have, usable, uses, rss, why->label);

    printText(dom->name, watchNow(), text);
}


static void
printOff(const hvmemDomain *dom)
{
    g_autoptr(hvmemExplanation) why = hvmemExplain(dom);

    printText(dom->name, watchNow(), why->label);
}


/* A line of its own, without line breaks, for a sample or an event. */
static JsonBuilder *
beginJSONLine(const char *type,
              double time)
{
    JsonBuilder *builder = hvmemJSONBegin("watch");

    hvmemJSONString(builder, "type", type);
    json_builder_set_member_name(builder, "time");
    json_builder_add_double_value(builder, time);
    return builder;
}


static void
printJSONSample(const hvmemDomain *dom)
{
    JsonBuilder *builder = beginJSONLine("sample", watchNow());

    json_builder_set_member_name(builder, "domain");
    hvmemJSONDomain(builder, dom);
    hvmemJSONPrintLine(builder);
}


static void
printJSONEvent(const char *name,
               const hvmemEvent *event)
{
    JsonBuilder *builder = beginJSONLine("event", event->time);

    hvmemJSONString(builder, "name", name);
    hvmemJSONString(builder, "event", event->text);
    hvmemJSONPrintLine(builder);
}


void
watchPrintDomain(const Watch *watch,
                 const hvmemDomain *dom)
{
    if (watch->json)
        printJSONSample(dom);
    else if (dom->active)
        printLine(dom);
    else
        printOff(dom);
    fflush(stdout);
}


void
watchPrintEvent(const Watch *watch,
                const char *name,
                const hvmemEvent *event)
{
    if (watch->json)
        printJSONEvent(name, event);
    else
        printText(name, event->time, event->text);
    fflush(stdout);
}
