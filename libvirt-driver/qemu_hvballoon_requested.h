/*
 * qemu_hvballoon_requested.h: the requested memory of a domain with a hyperv
 *                             memory balloon
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "qemu_domain.h"

unsigned long long
qemuHvBalloonGetRequested(const virDomainObj *vm);

void
qemuHvBalloonSetRequested(virDomainObj *vm,
                          unsigned long long requested,
                          const char *reason);

void
qemuHvBalloonSetKeepTotal(virDomainObj *vm,
                          unsigned long long total,
                          const char *reason);
