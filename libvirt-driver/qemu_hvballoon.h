/*
 * qemu_hvballoon.h: keeps the memory of a domain with a hyperv balloon at the
 *                   requested size
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "qemu_conf.h"
#include "qemu_domain.h"

bool
qemuHvBalloonIsUsed(const virDomainDef *def,
                    const virDomainDef *persistentDef);

int
qemuHvBalloonSetMemory(virQEMUDriver *driver,
                       virDomainObj *vm,
                       virDomainDef *def,
                       virDomainDef *persistentDef,
                       unsigned long long newmem,
                       unsigned int flags);

void
qemuHvBalloonStarted(virDomainObj *vm,
                     unsigned long long target);

void
qemuHvBalloonProcessChange(virQEMUDriver *driver,
                           virDomainObj *vm);

void
qemuHvBalloonReconcile(virQEMUDriver *driver,
                       virDomainObj *vm);

bool
qemuHvBalloonOwnsDevice(const virDomainDeviceDef *dev);

int
qemuHvBalloonCheckHotplug(virDomainObj *vm,
                          const virDomainMemoryDef *mem);

void
qemuHvBalloonStickAttached(virDomainObj *vm,
                           const virDomainMemoryDef *mem);

void
qemuHvBalloonStickDetached(virDomainObj *vm);

void
qemuHvBalloonExplainDetach(virDomainObj *vm,
                           const virDomainMemoryDef *mem);

unsigned long long
qemuHvBalloonActual(const virDomainObj *vm,
                    unsigned long long actual);
