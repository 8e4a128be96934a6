/*
 * hvmem-edit-plug.c: what is plugged when a guest starts, and not given to it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * libvirt removes a stick of its own as soon as the guest does not need it, and
 * a guest that has just started needs none. So this one has a user's name.
 */

#include "hvmem-edit-plug.h"
#include "hvmem-edit-words.h"
#include "hvmem-element.h"

#define ALIAS "ua-plugged"
#define OWN "devices/memory[@model = 'haprot' and alias/@name = '" ALIAS "']"


bool
hvmemEditIsPlugged(xmlNodePtr root)
{
    return hvmemXMLTest(root, OWN);
}


/* Does the new stick take the place of @stick? Of the driver's it does: they would go, and less would be plugged. */
static bool
isReplaced(const hvmemStick *stick)
{
    return stick->byDriver || g_strcmp0(stick->alias, ALIAS) == 0;
}


/* Boot memory and the sticks that stay. */
static guint64
sizeWithout(const hvmemDomain *dom)
{
    guint64 sum = dom->boot;
    size_t i;

    for (i = 0; i < dom->sticks->len; i++) {
        const hvmemStick *stick = dom->sticks->pdata[i];

        if (!isReplaced(stick))
            sum += stick->size;
    }
    return sum;
}


/* What the size of a stick must be a multiple of. */
static guint64
granuleOf(const hvmemDomain *dom)
{
    return MAX(dom->needs.stickPage, QEMU_HVBALLOON_STICK_GRANULE * HVMEM_KIB);
}


static guint64
ceilingOf(const hvmemDomain *dom,
          const hvmemEditSizes *sizes)
{
    if (sizes->max != HVMEM_UNKNOWN)
        return sizes->max;
    return dom->maxMemory != HVMEM_UNKNOWN ? dom->maxMemory : MAX(sizes->fallback, dom->total);
}


/* The stick has to consist of whole pages. Names the nearest sizes with which it does. */
static bool
failGranule(const hvmemDomain *dom,
            guint64 plugged,
            guint64 ceiling,
            GError **error)
{
    guint64 granule = granuleOf(dom);
    guint64 without = sizeWithout(dom);
    guint64 below = plugged - (plugged - without) % granule;
    g_autofree char *want = hvmemSizeArgument(plugged);
    g_autofree char *unit = hvmemFormatSize(granule);
    g_autofree char *boot = hvmemFormatSize(without);
    g_autofree char *less = below >= dom->current ? hvmemSizeArgument(below) : NULL;
    g_autofree char *more = below + granule <= ceiling ? hvmemSizeArgument(below + granule) : NULL;

    if (!less && !more)
        return hvmemFailRefused(error, "--plugged %s cannot be reached: the stick beyond %s is a multiple of %s, and no such size is between what the "
                                "domain starts with and its ceiling", want, boot, unit);
    return hvmemFailRefused(error, "--plugged %s cannot be reached: the stick beyond %s is a multiple of %s. Request %s%s%s",
                            want, boot, unit, less ? less : "", less && more ? " or " : "", more ? more : "");
}


bool
hvmemEditCheckPlugged(const hvmemDomain *dom,
                      const hvmemEditSizes *sizes,
                      GError **error)
{
    guint64 without = sizeWithout(dom);
    guint64 ceiling = ceilingOf(dom, sizes);
    g_autofree char *want = hvmemFormatSize(sizes->plugged);
    g_autofree char *boot = hvmemFormatSize(without);
    g_autofree char *now = hvmemFormatSize(dom->current);
    g_autofree char *most = hvmemFormatSize(ceiling);

    if (sizes->plugged < without)
        return hvmemFailRefused(error, "--plugged %s is below boot memory%s, %s: request at least that", want, without > dom->boot ?
                                " and the sticks that are defined" : "", boot);
    if (sizes->plugged < dom->current)
        return hvmemFailRefused(error, "--plugged %s is below what the domain starts with, %s: request at least that, or let it start with less first "
                                "('virsh-hvmem set --config')", want, now);
    if (sizes->plugged > ceiling)
        return hvmemFailRefused(error, "--plugged %s is above the ceiling, %s%s: request no more than that, or name a higher ceiling with --max", want, most,
                                sizes->max == HVMEM_UNKNOWN && dom->maxMemory == HVMEM_UNKNOWN ? ", which is what this host has" : "");
    return (sizes->plugged - without) % granuleOf(dom) == 0 || failGranule(dom, sizes->plugged, ceiling, error);
}


static void
removeReplaced(xmlNodePtr root)
{
    g_autoptr(GPtrArray) nodes = hvmemXMLNodes(root, "devices/memory[@model = 'haprot']");
    size_t i;

    for (i = 0; i < nodes->len; i++) {
        g_autofree char *alias = hvmemXMLString(nodes->pdata[i], "string(alias/@name)");
        hvmemStick stick = { .alias = alias, .byDriver = qemuHvBalloonIsDriverAlias(alias) };

        if (isReplaced(&stick))
            hvmemElementRemove(nodes->pdata[i]);
    }
}


/* As libvirt prints it: it belongs to the last NUMA node, if there are any. */
static void
addStick(xmlNodePtr root,
         guint64 size)
{
    unsigned int cells = hvmemXMLCount(root, "cpu/numa/cell");
    xmlNodePtr stick = hvmemElementNew(root->doc, "memory", "model", "haprot");
    xmlNodePtr target = hvmemElementNew(root->doc, "target", "insert", "on-demand");
    xmlNodePtr node = hvmemElementNew(root->doc, "size", NULL, NULL);

    xmlAddChild(stick, target);
    xmlAddChild(target, node);
    hvmemElementSetSize(node, size);
    if (cells > 0) {
        g_autofree char *last = g_strdup_printf("%u", cells - 1);

        xmlNewTextChild(target, NULL, (const xmlChar *)"node", (const xmlChar *)last);
    }
    xmlAddChild(stick, hvmemElementNew(root->doc, "alias", "name", ALIAS));
    hvmemElementAdd(hvmemXMLNode(root, "devices"), stick, hvmemDeviceOrder);
}


/* Does a stick take the host's memory when it is plugged? */
static bool
isCostly(xmlNodePtr root,
         const hvmemDomain *dom)
{
    return dom->needs.stickPage > 0 || dom->locked || dom->hostdevs > 0 || hvmemXMLTest(root, "memoryBacking/allocation[@mode = 'immediate']");
}


void
hvmemEditPlug(hvmemEdit *edit,
              xmlNodePtr root,
              const hvmemDomain *dom,
              guint64 plugged)
{
    guint64 size = plugged - sizeWithout(dom);
    bool had = hvmemEditIsPlugged(root);
    xmlNodePtr memory = hvmemXMLNode(root, "memory");

    removeReplaced(root);
    if (size > 0)
        addStick(root, size);

    /* it would be as much as <memory> */
    if (!hvmemXMLTest(root, "currentMemory")) {
        xmlNodePtr current = hvmemElementNew(root->doc, "currentMemory", NULL, NULL);

        xmlAddNextSibling(memory, current);
        hvmemElementSetSize(current, dom->current);
    }
    hvmemElementSetSize(memory, plugged);
    hvmemEditSayPlugged(edit, plugged, size, had, isCostly(root, dom));
}
