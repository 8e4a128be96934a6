/*
 * qemu_hvballoon_input.h: what the planner is told of a domain
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "qemu_conf.h"
#include "qemu_domain.h"
#include "qemu_hvballoon_monitor.h"
#include "qemu_hvballoon_plan.h"

void
qemuHvBalloonInputClear(qemuHvBalloonPlanInput *in);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(qemuHvBalloonPlanInput, qemuHvBalloonInputClear);

void
qemuHvBalloonInputLive(qemuHvBalloonPlanInput *in,
                       virQEMUDriver *driver,
                       virDomainObj *vm,
                       const qemuMonitorHvBalloonInfo *info,
                       const GPtrArray *sticks);

void
qemuHvBalloonInputFixed(qemuHvBalloonPlanInput *in,
                        virQEMUDriver *driver,
                        virDomainObj *vm);

void
qemuHvBalloonInputStored(qemuHvBalloonPlanInput *in,
                         virQEMUDriver *driver,
                         virDomainObj *vm,
                         const virDomainDef *def);

guint64
qemuHvBalloonStoredGranule(virQEMUDriver *driver,
                           const virDomainDef *def);
