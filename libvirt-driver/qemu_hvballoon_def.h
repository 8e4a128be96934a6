/*
 * qemu_hvballoon_def.h: questions about a definition with a hyperv memory balloon
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "qemu_capabilities.h"
#include "qemu_conf.h"
#include "qemu_hvballoon_plan.h"

/* Sticks that had no name in the user's XML. */
#define QEMU_HVBALLOON_USER_ALIAS "ua-stick"

bool
qemuHvBalloonAliasIsUsed(const virDomainDef *def,
                         const char *alias);

char *
qemuHvBalloonFreeAlias(const virDomainDef *def,
                       const virDomainDef *other,
                       GHashTable *taken,
                       const char *prefix);

bool
qemuHvBalloonStickIsDriverOwned(const virDomainMemoryDef *mem);

virDomainMemoryDef *
qemuHvBalloonFindStick(const virDomainDef *def,
                       const char *alias);

bool
qemuHvBalloonIsFixed(const virDomainDef *def,
                     virQEMUCaps *qemuCaps);
