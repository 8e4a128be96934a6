/*
 * qemu_hvballoon_cookie.c: what is known of a hyperv memory balloon beside QEMU's
 *                          own state, when its guest is migrated or saved
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <config.h>

#include "qemu_hvballoon_cookie.h"
#include "qemu_hvballoon_requested.h"

#include "virerror.h"

#define VIR_FROM_THIS VIR_FROM_QEMU


/**
 * qemuHvBalloonCookieFill:
 * @vm: running domain, which need not have a hyperv balloon
 */
void
qemuHvBalloonCookieFill(qemuHvBalloonCookie *cookie,
                        virDomainObj *vm)
{
    qemuDomainObjPrivate *priv = vm->privateData;

    *cookie = (qemuHvBalloonCookie) { 0 };

    if (!virDomainDefHasHypervMemballoon(vm->def))
        return;

    cookie->requested = qemuHvBalloonGetRequested(vm);
    cookie->keepTotal = priv->hvBalloonKeepTotal;
}


/**
 * qemuHvBalloonCookieFormat:
 *
 * Adds <hvBalloon> to @buf, unless nothing is known.
 */
void
qemuHvBalloonCookieFormat(virBuffer *buf,
                          const qemuHvBalloonCookie *cookie)
{
    g_auto(virBuffer) attrs = VIR_BUFFER_INITIALIZER;

    if (cookie->requested > 0)
        virBufferAsprintf(&attrs, " requested='%llu'", cookie->requested);
    if (cookie->keepTotal > 0)
        virBufferAsprintf(&attrs, " keepTotal='%llu'", cookie->keepTotal);

    virXMLFormatElement(buf, "hvBalloon", &attrs, NULL);
}


/* A cookie may have been edited. What a domain can have is checked where it is
 * known; this much can be added up without an overflow. */
static int
qemuHvBalloonCookieGet(xmlNodePtr node,
                       const char *name,
                       unsigned long long *kib)
{
    if (virXMLPropULongLong(node, name, 10, VIR_XML_PROP_NONE, kib) < 0)
        return -1;

    if (*kib > VIR_DOMAIN_MEMORY_PARAM_UNLIMITED) {
        virReportError(VIR_ERR_XML_ERROR,
                       _("invalid value for attribute '%1$s' in element 'hvBalloon': %2$llu KiB is above %3$llu KiB"),
                       name, *kib, (unsigned long long)VIR_DOMAIN_MEMORY_PARAM_UNLIMITED);
        return -1;
    }

    return 0;
}


/**
 * qemuHvBalloonCookieParse:
 * @ctxt: at the parent of <hvBalloon>
 *
 * All of @cookie is 0 where there is no such element, as in what an older libvirt
 * has written. Returns -1 with an error reported if it is invalid.
 */
int
qemuHvBalloonCookieParse(xmlXPathContextPtr ctxt,
                         qemuHvBalloonCookie *cookie)
{
    xmlNodePtr node = virXPathNode("./hvBalloon[1]", ctxt);

    *cookie = (qemuHvBalloonCookie) { 0 };

    if (!node)
        return 0;

    if (qemuHvBalloonCookieGet(node, "requested", &cookie->requested) < 0 ||
        qemuHvBalloonCookieGet(node, "keepTotal", &cookie->keepTotal) < 0)
        return -1;

    return 0;
}
