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

unsigned long long
qemuHvBalloonMaxmemFor(const virDomainDef *def,
                       virQEMUCaps *qemuCaps);

unsigned int
qemuHvBalloonSlots(const virDomainDef *def);

int
qemuHvBalloonFitSizes(virDomainDef *def);

int
qemuHvBalloonValidateStickAddress(const virDomainMemoryDef *mem);

int
qemuHvBalloonCheckAddressSpace(const virDomainDef *def,
                               virQEMUCaps *qemuCaps,
                               const virCPUDef *hostcpu);

int
qemuHvBalloonStartValidate(virQEMUDriver *driver,
                           const virDomainDef *def,
                           virQEMUCaps *qemuCaps);
