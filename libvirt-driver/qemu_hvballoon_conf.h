/*
 * qemu_hvballoon_conf.h: the hyperv memory balloon and its sticks in the
 *                        domain definition and on QEMU's command line
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "domain_capabilities.h"
#include "qemu_capabilities.h"
#include "qemu_conf.h"
#include "qemu_domain.h"
#include "qemu_hvballoon_def.h"
#include "qemu_hvballoon_space.h"
#include "virbuffer.h"
#include "virjson.h"

virDomainMemoryDef *
qemuHvBalloonStickNew(const virDomainDef *def,
                      const char *alias,
                      unsigned long long size);

void
qemuHvBalloonConfigStickAdded(virDomainDef *def,
                              const virDomainMemoryDef *mem);

void
qemuHvBalloonConfigStickRemoved(virDomainDef *def,
                                const virDomainMemoryDef *mem);

int
qemuHvBalloonCheckConfigUpdate(const virDomainMemoryDef *old,
                               const virDomainMemoryDef *mem);

int
qemuHvBalloonCheckMemoryModel(const virDomainMemoryDef *mem,
                              const virDomainDef *def);

int
qemuHvBalloonPostParse(virDomainDef *def,
                       unsigned int parseFlags);

void
qemuHvBalloonStickPostParse(virDomainMemoryDef *mem,
                            const virDomainDef *def,
                            unsigned int parseFlags);

int
qemuHvBalloonMemoryPostParse(virDomainMemoryDef *mem,
                             const virDomainDef *def,
                             unsigned int parseFlags);

int
qemuHvBalloonValidate(const virDomainDef *def,
                      virQEMUCaps *qemuCaps);

int
qemuHvBalloonValidateDevice(const virDomainMemballoonDef *balloon);

int
qemuHvBalloonValidateStick(const virDomainMemoryDef *mem,
                           const virDomainDef *def);

int
qemuHvBalloonPrepareFixed(virDomainDef *def,
                          virQEMUCaps *qemuCaps);

void
qemuHvBalloonFillDomainCaps(virQEMUCaps *qemuCaps,
                            virDomainCaps *domCaps);

void
qemuHvBalloonBuildCpuFlags(virBuffer *buf,
                           const virDomainDef *def);

virJSONValue *
qemuHvBalloonBuildBusProps(void);

virJSONValue *
qemuHvBalloonBuildProps(const virDomainDef *def,
                        virQEMUCaps *qemuCaps);

virJSONValue *
qemuHvBalloonBuildStickProps(const virDomainMemoryDef *mem);
