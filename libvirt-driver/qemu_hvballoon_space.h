/*
 * qemu_hvballoon_space.h: the address space that a guest with a hyperv balloon
 *                         needs, and whether its processor has it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "cpu_conf.h"
#include "qemu_capabilities.h"
#include "qemu_conf.h"

/* QEMU's maxmem= in KiB. */
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

/* Can there be a stick at the address that @mem has? Whether QEMU has a place for
 * one there, it says itself. */
int
qemuHvBalloonValidateStickAddress(const virDomainMemoryDef *mem);

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
