/*
 * qemu_hvballoon_space.h: where a guest with a hyperv balloon has its memory,
 *                         and whether its processor can address it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "cpu_conf.h"
#include "qemu_capabilities.h"
#include "qemu_conf.h"

/* QEMU's maxmem= in KiB: of a QEMU with sticks, and of any. */
unsigned long long
qemuHvBalloonMaxmem(const virDomainDef *def);

unsigned long long
qemuHvBalloonMaxmemFor(const virDomainDef *def,
                       virQEMUCaps *qemuCaps);

/* QEMU's slots=. */
unsigned int
qemuHvBalloonSlots(const virDomainDef *def);

/* Do <maxMemory>, <memory> and the sticks of a new definition go together?
 * Where sticks of the driver's are in the way, they are dropped; what else is
 * gets reported. */
int
qemuHvBalloonFitSizes(virDomainDef *def);

/* Does a stick of @def with an address lie where there is a place for it?
 * Reports where that is. */
int
qemuHvBalloonValidateStickAddress(const virDomainMemoryDef *mem,
                                  const virDomainDef *def);

/* Can the processor of @def address all that <maxMemory> allows? Reports how
 * much it can. @hostcpu: the host's processor, or NULL if only what holds on
 * every host shall be refused. */
int
qemuHvBalloonCheckAddressSpace(const virDomainDef *def,
                               virQEMUCaps *qemuCaps,
                               const virCPUDef *hostcpu);

/* The same on this host. */
int
qemuHvBalloonStartValidate(virQEMUDriver *driver,
                           const virDomainDef *def,
                           virQEMUCaps *qemuCaps);
