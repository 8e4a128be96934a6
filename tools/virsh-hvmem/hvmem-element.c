/*
 * hvmem-element.c: elements of a definition, in libvirt's order
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-element.h"

#include <string.h>


const char *const hvmemFeatureOrder[] = {
    "acpi", "apic", "pae", "hap", "viridian", "privnet", "hyperv", "kvm", "pvspinlock", "capabilities", "pmu", "vmport", "gic", "smm",
    "ioapic", "hpt", "vmcoreinfo", "htm", "nested-hv", "msrs", "ccf-assist", "xen", "cfpc", "sbbc", "ibs", "tcg", "async-teardown", "ras",
    "ps2", "aia", NULL
};

const char *const hvmemHypervOrder[] = {
    "relaxed", "vapic", "spinlocks", "vpindex", "runtime", "synic", "stimer", "reset", "vendor_id", "frequencies", "reenlightenment",
    "tlbflush", "ipi", "evmcs", "avic", "emsr_bitmap", "xmm_input", NULL
};

const char *const hvmemKvmOrder[] = { "hidden", "hint-dedicated", "poll-control", "pv-ipi", "dirty-ring", NULL };

const char *const hvmemBalloonOrder[] = { "stats", "minimum", "requested", "alias", NULL };

const char *const hvmemDeviceOrder[] = { "memory", "crypto", "iommu", "vsock", "pstore", NULL };

const char *const hvmemAnyOrder[] = { NULL };


/* The index of @name in @order, or -1. */
static int
rank(const char *const *order,
     const char *name)
{
    int i;

    for (i = 0; order[i]; i++) {
        if (strcmp(order[i], name) == 0)
            return i;
    }
    return -1;
}


void
hvmemElementAdd(xmlNodePtr parent,
                xmlNodePtr node,
                const char *const *order)
{
    int mine = rank(order, (const char *)node->name);
    xmlNodePtr child;

    for (child = xmlFirstElementChild(parent); child; child = xmlNextElementSibling(child)) {
        if (mine >= 0 && rank(order, (const char *)child->name) > mine) {
            xmlAddPrevSibling(child, node);
            return;
        }
    }
    xmlAddChild(parent, node);
}


void
hvmemElementRemove(xmlNodePtr node)
{
    xmlUnlinkNode(node);
    xmlFreeNode(node);
}


void
hvmemElementRemoveIfEmpty(xmlNodePtr node)
{
    if (node && !hvmemXMLTest(node, "*") && !node->properties)
        hvmemElementRemove(node);
}


xmlNodePtr
hvmemElementNew(xmlDocPtr doc,
                const char *name,
                const char *attribute,
                const char *value)
{
    xmlNodePtr node = xmlNewDocNode(doc, NULL, (const xmlChar *)name, NULL);

    if (attribute)
        xmlNewProp(node, (const xmlChar *)attribute, (const xmlChar *)value);
    return node;
}


void
hvmemElementSetSize(xmlNodePtr node,
                    guint64 bytes)
{
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, bytes / HVMEM_KIB);

    xmlSetProp(node, (const xmlChar *)"unit", (const xmlChar *)"KiB");
    xmlNodeSetContent(node, (const xmlChar *)text);
}


xmlNodePtr
hvmemElementChild(xmlNodePtr parent,
                  const char *name,
                  const char *const *order,
                  bool *made)
{
    xmlNodePtr node = hvmemXMLNode(parent, name);

    *made = !node;
    if (!node) {
        node = hvmemElementNew(parent->doc, name, NULL, NULL);
        hvmemElementAdd(parent, node, order);
    }
    return node;
}
