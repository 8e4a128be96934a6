/*
 * qemu_hvballoon_cookie.h: what is known of a hyperv memory balloon beside QEMU's
 *                          own state, when its guest is migrated or saved
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "domain_conf.h"
#include "virbuffer.h"
#include "virxml.h"

/* In KiB. QEMU's target may be another one while a request is carried out, and
 * QEMU does not know the other number at all. */
typedef struct _qemuHvBalloonCookie qemuHvBalloonCookie;
struct _qemuHvBalloonCookie {
    unsigned long long requested;   /* 0: not known, as in an older cookie */
    unsigned long long keepTotal;   /* requested by setmaxmem, 0: nothing */
};

void
qemuHvBalloonCookieFill(qemuHvBalloonCookie *cookie,
                        virDomainObj *vm);

void
qemuHvBalloonCookieFormat(virBuffer *buf,
                          const qemuHvBalloonCookie *cookie);

int
qemuHvBalloonCookieParse(xmlXPathContextPtr ctxt,
                         qemuHvBalloonCookie *cookie);
