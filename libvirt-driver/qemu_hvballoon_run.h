/*
 * qemu_hvballoon_run.h: executes the steps of a plan
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "qemu_conf.h"
#include "qemu_domain.h"
#include "qemu_hvballoon_plan.h"
#include "qemu_hvballoon_sync.h"

int
qemuHvBalloonSendTarget(virDomainObj *vm,
                        unsigned long long target);

int
qemuHvBalloonRun(virQEMUDriver *driver,
                 virDomainObj *vm,
                 const qemuHvBalloonView *view,
                 const qemuHvBalloonPlan *plan);
