/*
 * qemu_hvballoon_stored.h: setmem and setmaxmem of a stored definition
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "qemu_conf.h"
#include "qemu_domain.h"

int
qemuHvBalloonSetStored(virQEMUDriver *driver,
                       virDomainObj *vm,
                       virDomainDef *def,
                       unsigned long long newmem,
                       unsigned int flags);

void
qemuHvBalloonRedefined(virQEMUDriver *driver,
                       virDomainObj *vm,
                       const virDomainDef *old);
