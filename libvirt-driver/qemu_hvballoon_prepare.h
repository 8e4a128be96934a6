/*
 * qemu_hvballoon_prepare.h: what every entry point begins with
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "qemu_hvballoon_input.h"
#include "qemu_hvballoon_sync.h"

qemuHvBalloonView *
qemuHvBalloonPrepare(qemuHvBalloonPlanInput *in,
                     virQEMUDriver *driver,
                     virDomainObj *vm,
                     virDomainAsyncJob asyncJob);
