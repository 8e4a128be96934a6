/*
 * hvmem-metrics.c: figures for Prometheus
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-metrics.h"
#include "hvmem-explain.h"

#include <string.h>

typedef guint64 (*Figure)(const hvmemDomain *dom);


/*
 * Figures: HVMEM_UNKNOWN is left out
 */

static guint64
running(const hvmemDomain *dom)
{
    return dom->active;
}


static guint64
requested(const hvmemDomain *dom)
{
    return dom->hyperv && dom->active ? dom->requested : HVMEM_UNKNOWN;
}


static guint64
plugged(const hvmemDomain *dom)
{
    return dom->active ? dom->total : HVMEM_UNKNOWN;
}


static guint64
minimum(const hvmemDomain *dom)
{
    return dom->minimum ? dom->minimum : HVMEM_UNKNOWN;
}


static guint64
released(const hvmemDomain *dom)
{
    return dom->active ? dom->released : HVMEM_UNKNOWN;
}


static guint64
ghosts(const hvmemDomain *dom)
{
    return dom->active ? dom->ghosts : HVMEM_UNKNOWN;
}


static guint64
sticks(const hvmemDomain *dom)
{
    return dom->hyperv && dom->active ? dom->sticks->len : HVMEM_UNKNOWN;
}


static guint64
freeSlots(const hvmemDomain *dom)
{
    return dom->active ? dom->freeSlots : HVMEM_UNKNOWN;
}


static guint64
connected(const hvmemDomain *dom)
{
    return dom->hyperv && dom->active && dom->told ? dom->connected : HVMEM_UNKNOWN;
}


static guint64
problem(const hvmemDomain *dom)
{
    g_autoptr(hvmemExplanation) why = hvmemExplain(dom);

    return dom->hyperv ? why->problem : HVMEM_UNKNOWN;
}


static guint64
reporting(const hvmemDomain *dom)
{
    return dom->hyperv ? dom->freePageReporting : HVMEM_UNKNOWN;
}


static const struct {
    const char *name;           /* after hvmem_guest_ */
    const char *unit;           /* NULL: a number, or 0 and 1 */
    const char *help;
    Figure figure;
} figures[] = {
    { "running", NULL, "Whether the guest runs", running },
    { "requested_bytes", "bytes", "What was requested for the guest (setmem)", requested },
    { "current_bytes", "bytes", "What the guest has", hvmemDomainCurrent },
    { "plugged_bytes", "bytes", "Boot memory and sticks: what the guest can have at once", plugged },
    { "boot_bytes", "bytes", "Boot memory", hvmemDomainBoot },
    { "ceiling_bytes", "bytes", "The most that the guest can be given while it runs (maxMemory)", hvmemDomainCeiling },
    { "minimum_bytes", "bytes", "The least that can be requested", minimum },
    { "usable_bytes", "bytes", "What is available to the guest's programs", hvmemDomainUsable },
    { "resident_bytes", "bytes", "What the QEMU process holds of the host's memory", hvmemDomainResident },
    { "released_bytes", "bytes", "What the guest has given back", released },
    { "ghosts_bytes", "bytes", "Addresses of removed sticks that the guest believes to own until its next reset", ghosts },
    { "sticks", NULL, "Sticks that are plugged", sticks },
    { "free_slots", NULL, "Sticks that can still be plugged, where that is limited", freeSlots },
    { "driver_connected", NULL, "Whether the guest's driver is connected", connected },
    { "problem", NULL, "Whether somebody has to do something (virsh-hvmem status says what)", problem },
    { "free_page_reporting", NULL, "Whether the guest tells which of its memory it does not use", reporting },
};


/*
 * The format
 */

/* @text as a label's value. */
static char *
escape(const char *text)
{
    GString *out = g_string_new(NULL);

    for (; *text; text++) {
        if (*text == '\\' || *text == '"')
            g_string_append_c(out, '\\');
        if (*text == '\n')
            g_string_append(out, "\\n");
        else
            g_string_append_c(out, *text);
    }
    return g_string_free(out, FALSE);
}


static void
addFamily(GString *out,
          const char *name,
          const char *unit,
          const char *help)
{
    g_string_append_printf(out, "# TYPE hvmem_%s gauge\n", name);
    if (unit)
        g_string_append_printf(out, "# UNIT hvmem_%s %s\n", name, unit);
    g_string_append_printf(out, "# HELP hvmem_%s %s.\n", name, help);
}


static void
addFigure(GString *out,
          const GPtrArray *domains,
          size_t index)
{
    g_autofree char *name = g_strconcat("guest_", figures[index].name, NULL);
    bool begun = false;
    size_t i;

    for (i = 0; i < domains->len; i++) {
        const hvmemDomain *dom = domains->pdata[i];
        guint64 value = figures[index].figure(dom);
        g_autofree char *label = escape(dom->name);

        if (value == HVMEM_UNKNOWN)
            continue;
        if (!begun)
            addFamily(out, name, figures[index].unit, figures[index].help);
        begun = true;
        g_string_append_printf(out, "hvmem_%s{domain=\"%s\"} %" G_GUINT64_FORMAT "\n", name, label, value);
    }
}


/* The state as a label, by which one can group and count. */
static void
addStates(GString *out,
          const GPtrArray *domains)
{
    size_t i;

    if (domains->len)
        addFamily(out, "guest_info", NULL, "The balloon's model and the state of the guest's memory, always 1");
    for (i = 0; i < domains->len; i++) {
        const hvmemDomain *dom = domains->pdata[i];
        g_autoptr(hvmemExplanation) why = hvmemExplain(dom);
        g_autofree char *name = escape(dom->name);
        g_autofree char *model = escape(dom->model);

        g_string_append_printf(out, "hvmem_guest_info{domain=\"%s\",uuid=\"%s\",model=\"%s\",state=\"%s\"} 1\n", name, dom->uuid, model,
                               dom->hyperv ? why->label : dom->active ? "running" : "shut off");
    }
}


/* What the running guests have, and what they may grow to, together. */
static void
addHost(GString *out,
        const GPtrArray *domains,
        guint64 memory)
{
    guint64 have = 0;
    guint64 may = 0;
    size_t i;

    for (i = 0; i < domains->len; i++) {
        const hvmemDomain *dom = domains->pdata[i];

        have = hvmemSum(have, dom->active && dom->current != HVMEM_UNKNOWN ? dom->current : 0);
        may = hvmemSum(may, dom->active && hvmemDomainCeiling(dom) != HVMEM_UNKNOWN ? hvmemDomainCeiling(dom) : 0);
    }

    if (memory != HVMEM_UNKNOWN) {
        addFamily(out, "host_memory_bytes", "bytes", "The host's memory");
        g_string_append_printf(out, "hvmem_host_memory_bytes %" G_GUINT64_FORMAT "\n", memory);
    }
    addFamily(out, "host_guests_bytes", "bytes", "What all running guests have");
    g_string_append_printf(out, "hvmem_host_guests_bytes %" G_GUINT64_FORMAT "\n", have);
    addFamily(out, "host_ceilings_bytes", "bytes", "What all running guests may grow to");
    g_string_append_printf(out, "hvmem_host_ceilings_bytes %" G_GUINT64_FORMAT "\n", may);
}


char *
hvmemMetricsFormat(const GPtrArray *domains,
                   guint64 memory)
{
    GString *out = g_string_new(NULL);
    size_t i;

    addHost(out, domains, memory);
    addStates(out, domains);
    for (i = 0; i < G_N_ELEMENTS(figures); i++)
        addFigure(out, domains, i);
    g_string_append(out, "# EOF\n");
    return g_string_free(out, FALSE);
}
