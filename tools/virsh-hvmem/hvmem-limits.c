/*
 * hvmem-limits.c: is a size within the limits of a domain?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-limits.h"


static bool
failCeiling(const hvmemDomain *dom,
            guint64 size,
            GError **error)
{
    g_autofree char *want = hvmemFormatSize(size);
    g_autofree char *max = hvmemFormatSize(dom->maxMemory);
    g_autofree char *enable = hvmemDomainEnable(dom, "--max", size);
    g_autofree char *pending = hvmemDomainPending(dom);
    bool coming = pending && dom->stored && dom->stored->maxMemory != HVMEM_UNKNOWN && dom->stored->maxMemory >= size;

    if (coming)
        return hvmemFailRefused(error, "%s is above the ceiling of '%s', <maxMemory> %s. %s", want, dom->name, max, pending);
    return hvmemFailRefused(error, "%s is above the ceiling of '%s', <maxMemory> %s. A higher one takes effect after shutting down: "
                     "'%s'", want, dom->name, max, enable);
}


static bool
failMinimum(const hvmemDomain *dom,
            guint64 size,
            GError **error)
{
    g_autofree char *want = hvmemFormatSize(size);
    g_autofree char *minimum = hvmemFormatSize(dom->minimum);
    g_autofree char *enable = hvmemDomainEnable(dom, "--minimum", size);
    g_autofree char *name = hvmemShellWord(dom->name);

    if (dom->active && dom->stored && dom->stored->hyperv && dom->stored->minimum <= size)
        return hvmemFailRefused(error, "%s is below the <minimum> of '%s', %s. The definition has a lower one, which counts when the guest has been shut down "
                         "and started ('virsh shutdown %s', then 'virsh start %s')", want, dom->name, minimum, name, name);
    return hvmemFailRefused(error, "%s is below the <minimum> of '%s', %s. Request at least that. A lower one%s: '%s'",
                     want, dom->name, minimum, dom->active ? " takes effect after shutting down" : "", enable);
}


bool
hvmemLimitsCheck(const hvmemDomain *dom,
                 guint64 size,
                 GError **error)
{
    if (dom->maxMemory != HVMEM_UNKNOWN && size > dom->maxMemory)
        return failCeiling(dom, size, error);
    return size >= dom->minimum || failMinimum(dom, size, error);
}
