/*
 * qemu_hvballoon_migrate.h: a guest with a hyperv memory balloon that is migrated,
 *                           saved, restored or reverted to a snapshot
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "qemu_conf.h"
#include "qemu_domain.h"
#include "qemu_hvballoon_cookie.h"

bool
qemuHvBalloonIsMigrating(const virDomainObj *vm);

int
qemuHvBalloonMigrationSync(virDomainObj *vm,
                           virDomainAsyncJob asyncJob);

void
qemuHvBalloonSetMigratable(virDomainDef *def);

bool
qemuHvBalloonMigrationIsAllowed(virDomainObj *vm,
                                virDomainAsyncJob asyncJob);

int
qemuHvBalloonIncomingValidate(const virDomainDef *def,
                              virQEMUCaps *qemuCaps,
                              unsigned int startFlags);

void
qemuHvBalloonExplainIncoming(const virDomainDef *def);

int
qemuHvBalloonRevertValidate(virQEMUDriver *driver,
                            const virDomainDef *def);

const qemuHvBalloonCookie *
qemuHvBalloonFindCookie(const qemuDomainSaveCookie *cookie,
                        virDomainMomentObj *snapshot);

void
qemuHvBalloonTakeCookie(virDomainObj *vm,
                        const qemuHvBalloonCookie *cookie);

void
qemuHvBalloonLoaded(virDomainObj *vm,
                    const qemuHvBalloonCookie *cookie,
                    virDomainAsyncJob asyncJob);

int
qemuHvBalloonCheckMigrating(virDomainObj *vm);

int
qemuHvBalloonCheckMigratingXML(virDomainObj *vm,
                               const char *xml);

int
qemuHvBalloonCheckMigratingAlias(virDomainObj *vm,
                                 const char *alias);
