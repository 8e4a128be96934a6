/*
 * qemu_hvballoon.h: keeps the memory of a domain with a hyperv balloon at
 *                   what was asked for
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "qemu_conf.h"
#include "qemu_domain.h"

/* virDomainSetMemoryFlags for a domain whose definitions at hand (@def: live,
 * @persistentDef: stored, either may be NULL) have a hyperv balloon. The
 * caller has a MODIFY job. Never waits for the guest. */
int
qemuHvBalloonSetMemory(virQEMUDriver *driver,
                       virDomainObj *vm,
                       virDomainDef *def,
                       virDomainDef *persistentDef,
                       unsigned long long newmem,
                       unsigned int flags);

/* The stored definition of @vm, which takes the place of @old (NULL: there was
 * none), may be that, or that of the running domain, with a lower <memory> and
 * nothing else changed: then the driver's sticks shrink before boot memory does,
 * as by setmaxmem --config. */
void
qemuHvBalloonRedefined(virQEMUDriver *driver,
                       virDomainObj *vm,
                       const virDomainDef *old);

/* Does any of the definitions that are not NULL have a hyperv balloon? */
bool
qemuHvBalloonIsUsed(const virDomainDef *def,
                    const virDomainDef *persistentDef);

/* Is @dev a stick? Whether it still exists is found out by reconciling, where
 * an error does no harm. */
bool
qemuHvBalloonOwnsDevice(const virDomainDeviceDef *dev);

/* May a stick be plugged or unplugged while @vm runs? Reports why not. */
int
qemuHvBalloonCheckHotplug(virDomainObj *vm,
                          const virDomainMemoryDef *mem);

/* QEMU refused to remove @mem from @vm and its error is reported: if it is a
 * stick, says instead which one and what frees it. The caller has a job. */
void
qemuHvBalloonExplainDetach(virDomainObj *vm,
                           const virDomainMemoryDef *mem);

/* May a domain that runs be migrated or saved, as far as its balloon goes?
 * Reports why not. A QEMU with sticks says so itself. */
bool
qemuHvBalloonMigrationIsAllowed(virDomainObj *vm);

/* What was asked of a domain that starts. @vm is locked, so not while in the
 * monitor. */
void
qemuHvBalloonStarted(virDomainObj *vm,
                     unsigned long long target);

/* A stick was added to, or is no longer in, the live definition. */
void
qemuHvBalloonStickPlugged(virDomainObj *vm,
                          const virDomainMemoryDef *mem);

void
qemuHvBalloonStickRemoved(virDomainObj *vm);

/* What the guest of @vm has, if QEMU says that it is @actual. With a hyperv balloon
 * that is something, and not more than there is. In KiB. */
unsigned long long
qemuHvBalloonActual(const virDomainObj *vm,
                    unsigned long long actual);

/* Has the balloon reconciled soon by the worker. For event handlers: takes no
 * job, only needs @vm locked. */
void
qemuHvBalloonScheduleReconcile(virDomainObj *vm);

/* The worker's part of the above. */
void
qemuHvBalloonProcessChange(virQEMUDriver *driver,
                           virDomainObj *vm);

/* Makes definition and QEMU agree, removes what nobody needs and repeats what
 * was asked for. The caller has a job that allows monitor commands. Never
 * waits for the guest; what fails is logged and tried again at the next
 * occasion. */
void
qemuHvBalloonReconcile(virQEMUDriver *driver,
                       virDomainObj *vm);

/* The same for a domain that a new daemon has found running: what was asked for
 * stands, also where the daemon before it died on the way to it. */
void
qemuHvBalloonReconnected(virQEMUDriver *driver,
                         virDomainObj *vm);
