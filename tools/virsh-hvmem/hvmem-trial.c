/*
 * hvmem-trial.c: a definition to be tried, not to be defined
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-trial.h"
#include "hvmem-xml.h"


static void
moveChild(xmlNodePtr from,
          xmlNodePtr to,
          const char *xpath)
{
    xmlNodePtr node = hvmemXMLNode(from, xpath);

    if (!node)
        return;

    xmlUnlinkNode(node);
    xmlAddChild(to, node);
}


/* A card on USB, say, takes no PCI slot: what came in its place would. */
static bool
hasOtherAddress(xmlNodePtr interface)
{
    return hvmemXMLTest(interface, "address[@type != 'pci']");
}


static void
replaceInterface(xmlNodePtr interface)
{
    xmlNodePtr rng;
    xmlNodePtr backend;

    if (hasOtherAddress(interface)) {
        xmlUnlinkNode(interface);
        xmlFreeNode(interface);
        return;
    }

    rng = xmlNewDocNode(interface->doc, NULL, (const xmlChar *)"rng", NULL);
    xmlNewProp(rng, (const xmlChar *)"model", (const xmlChar *)"virtio");
    backend = xmlNewChild(rng, NULL, (const xmlChar *)"backend", (const xmlChar *)"/dev/urandom");
    xmlNewProp(backend, (const xmlChar *)"model", (const xmlChar *)"random");
    moveChild(interface, rng, "alias");
    moveChild(interface, rng, "address");
    xmlFreeNode(xmlReplaceNode(interface, rng));
}


char *
hvmemTrialXML(const char *xml,
              GError **error)
{
    g_autoptr(xmlDoc) doc = hvmemXMLParse(xml, error);
    g_autoptr(GPtrArray) interfaces = NULL;
    size_t i;

    if (!doc)
        return NULL;

    interfaces = hvmemXMLNodes(xmlDocGetRootElement(doc), "devices/interface");
    for (i = 0; i < interfaces->len; i++)
        replaceInterface(interfaces->pdata[i]);
    return hvmemXMLDump(doc);
}


bool
hvmemTrialArgv(const char *argv,
               GError **error)
{
    /* A domain's files are in a folder that has its name, cut to twenty bytes where the daemon's locale knows no characters. QEMU refuses
     * half of one. */
    return g_utf8_validate(argv, -1, NULL) ||
        hvmemFail(error, "libvirt cuts the domain's name in the middle of a character, and QEMU cannot read the path with it: "
                  "start the libvirt daemon in a UTF-8 locale (LC_ALL=C.UTF-8), or rename the domain ('virsh domrename')");
}
