/*
 * qemu_hvballoon_sync.h: what QEMU has against what the definition says
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "qemu_conf.h"
#include "qemu_domain.h"
#include "qemu_hvballoon_monitor.h"

/* What QEMU says that it has. */
typedef struct _qemuHvBalloonView qemuHvBalloonView;
struct _qemuHvBalloonView {
    GPtrArray *sticks;          /* qemuMonitorHvBalloonStick */
    GHashTable *backends;       /* name -> type */
    qemuMonitorHvBalloonInfo *info;
    unsigned long long given;   /* KiB of sticks that became part of the
                                   definition and that QEMU gives to the guest
                                   without being asked: its target grew so much */
};

void
qemuHvBalloonViewFree(qemuHvBalloonView *view);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(qemuHvBalloonView, qemuHvBalloonViewFree);

qemuMonitorHvBalloonStick *
qemuHvBalloonViewFind(const qemuHvBalloonView *view,
                      const char *alias);

qemuHvBalloonView *
qemuHvBalloonQuery(virDomainObj *vm);

qemuHvBalloonView *
qemuHvBalloonSync(virQEMUDriver *driver,
                  virDomainObj *vm);
