/*
 * qemu_hvballoon_schedule.h: when the hyperv memory balloon is reconciled
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "qemu_domain.h"

bool
qemuHvBalloonIsManaged(virDomainObj *vm);

void
qemuHvBalloonScheduleReconcile(virDomainObj *vm);

void
qemuHvBalloonScheduleTaken(virDomainObj *vm);

void
qemuHvBalloonScheduleLater(virDomainObj *vm);
