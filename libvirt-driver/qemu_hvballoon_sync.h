/*
 * qemu_hvballoon_sync.h: brings the definition in line with QEMU
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "qemu_conf.h"
#include "qemu_domain.h"
#include "qemu_hvballoon_monitor.h"

/* What QEMU has, by its own account. */
typedef struct _qemuHvBalloonView qemuHvBalloonView;
struct _qemuHvBalloonView {
    GPtrArray *sticks;          /* qemuMonitorHvBalloonStick */
    GHashTable *backends;       /* name -> type */
    qemuMonitorHvBalloonInfo *info;
    unsigned long long given;   /* KiB of adopted sticks that QEMU gives to the
                                   guest at once: its target grew by this */
};

void
qemuHvBalloonViewFree(qemuHvBalloonView *view);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(qemuHvBalloonView, qemuHvBalloonViewFree);

qemuMonitorHvBalloonStick *
qemuHvBalloonViewFind(const qemuHvBalloonView *view,
                      const char *alias);

GHashTable *
qemuHvBalloonViewNames(const qemuHvBalloonView *view);

void
qemuHvBalloonDropFile(virDomainObj *vm,
                      const char *alias);

qemuHvBalloonView *
qemuHvBalloonQuery(virDomainObj *vm,
                   virDomainAsyncJob asyncJob);

qemuHvBalloonView *
qemuHvBalloonSync(virQEMUDriver *driver,
                  virDomainObj *vm,
                  virDomainAsyncJob asyncJob);
