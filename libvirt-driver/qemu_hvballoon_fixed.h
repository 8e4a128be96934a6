/*
 * qemu_hvballoon_fixed.h: the hyperv memory balloon of a QEMU without sticks
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "qemu_conf.h"
#include "qemu_domain.h"

bool
qemuHvBalloonRunsOnFixed(virDomainObj *vm);

void
qemuHvBalloonWatchFixed(virDomainObj *vm);

void
qemuHvBalloonReconcileFixed(virQEMUDriver *driver,
                            virDomainObj *vm);
