/*
 * hvmem-fake-definition.c: preloaded into virsh-hvmem, lets a domain of libvirt's test driver be defined with a hyperv balloon, which that does not know
 *
 * What is defined is written to the file HVMEM_FAKE_DEFINED, and is what is read from then on. HVMEM_FAKE_DEFINITION says what happens meanwhile:
 * "changed", somebody else changes the definition after it was read; "undefined", removes it; "unreadable", it cannot be read any more once it was
 * defined. With HVMEM_FAKE_HYPERV it has such a balloon from the beginning.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <glib.h>
#include <libvirt/libvirt.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "hvmem-preload.h"

static char *defined;
static int reads;               /* of a definition that is to be changed */


static bool
happens(const char *what)
{
    return g_strcmp0(getenv("HVMEM_FAKE_DEFINITION"), what) == 0;
}


/* Not everybody reads it with its secrets: only who writes it again. */
static char *
stored(virDomainPtr dom,
       unsigned int flags)
{
    char *(*next)(virDomainPtr, unsigned int) = real("virDomainGetXMLDesc");
    char *xml = defined ? strdup(defined) : next(dom, flags);
    g_autoptr(GString) text = g_string_new(xml);

    free(xml);
    if (!defined && getenv("HVMEM_FAKE_HYPERV"))
        g_string_replace(text, "<memballoon model='virtio'", "<memballoon model='hyperv'", 1);
    if (++reads > 1 && happens("changed"))
        g_string_replace(text, "<memory unit=", "<title>mine</title><memory unit=", 1);
    return strdup(text->str);
}


char *
virDomainGetXMLDesc(virDomainPtr dom,
                    unsigned int flags)
{
    char *(*next)(virDomainPtr, unsigned int) = real("virDomainGetXMLDesc");

    if (!(flags & VIR_DOMAIN_XML_INACTIVE) || !(flags & VIR_DOMAIN_XML_SECURE))
        return next(dom, flags);
    if (defined && happens("unreadable")) {
        /* for an error */
        virDomainLookupByName(virDomainGetConnect(dom), "nobody");
        return NULL;
    }
    return stored(dom, flags);
}


int
virDomainIsPersistent(virDomainPtr dom)
{
    int (*next)(virDomainPtr) = real("virDomainIsPersistent");

    return reads > 0 && happens("undefined") ? 0 : next(dom);
}


/* There is one domain. */
virDomainPtr
virDomainDefineXML(virConnectPtr conn,
                   const char *xml)
{
    virDomainPtr *doms = NULL;
    virDomainPtr dom;

    if (virConnectListAllDomains(conn, &doms, 0) != 1 || !g_file_set_contents(getenv("HVMEM_FAKE_DEFINED"), xml, -1, NULL))
        abort();
    free(defined);
    defined = strdup(xml);
    dom = doms[0];
    free(doms);
    return dom;
}
