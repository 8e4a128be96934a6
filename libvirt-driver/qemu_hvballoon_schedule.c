/*
 * qemu_hvballoon_schedule.c: when the hyperv memory balloon is reconciled
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * An event handler takes no job and sends nothing: it asks for the balloon to
 * be reconciled. There is at most one such request for a domain, which is
 * either with the worker or with a timer; priv->hvBalloonPending says so. Once
 * is enough, since what happened is only found out when it is processed. Two of
 * them, each of which sets the next timer, would never become one again.
 */

#include <config.h>

#include "qemu_hvballoon_schedule.h"

#include "qemu_process.h"
#include "virevent.h"
#include "virlog.h"

#define VIR_FROM_THIS VIR_FROM_QEMU

VIR_LOG_INIT("qemu.qemu_hvballoon_schedule");

/* Try again after this many milliseconds. */
#define QEMU_HVBALLOON_RETRY_MS 1000


/**
 * qemuHvBalloonIsManaged:
 *
 * Does @vm run, with a hyperv balloon?
 */
bool
qemuHvBalloonIsManaged(virDomainObj *vm)
{
    return virDomainObjIsActive(vm) &&
        virDomainDefHasHypervMemballoon(vm->def);
}


/**
 * qemuHvBalloonScheduleReconcile:
 *
 * Has the balloon of @vm reconciled soon by the worker. For event handlers:
 * takes no job, only needs @vm locked.
 */
void
qemuHvBalloonScheduleReconcile(virDomainObj *vm)
{
    qemuDomainObjPrivate *priv = vm->privateData;

    if (priv->hvBalloonPending || !qemuHvBalloonIsManaged(vm))
        return;

    priv->hvBalloonPending = true;
    qemuProcessEventSubmit(vm, QEMU_PROCESS_EVENT_HVBALLOON_CHANGE, 0, 0, NULL);
}


/**
 * qemuHvBalloonScheduleTaken:
 *
 * The worker processes the request. Whatever happens from here on needs
 * another one.
 */
void
qemuHvBalloonScheduleTaken(virDomainObj *vm)
{
    qemuDomainObjPrivate *priv = vm->privateData;

    priv->hvBalloonPending = false;
}


static void
qemuHvBalloonScheduleTimeout(int timer,
                             void *opaque)
{
    virDomainObj *vm = opaque;

    virEventRemoveTimeout(timer);

    virObjectLock(vm);
    qemuHvBalloonScheduleTaken(vm);
    qemuHvBalloonScheduleReconcile(vm);
    virObjectUnlock(vm);
}


/**
 * qemuHvBalloonScheduleLater:
 *
 * The same as qemuHvBalloonScheduleReconcile(), after a moment. The worker
 * serves all domains: it shall not wait, neither for a guest nor for the job
 * that has @vm, which may be a migration.
 */
void
qemuHvBalloonScheduleLater(virDomainObj *vm)
{
    qemuDomainObjPrivate *priv = vm->privateData;

    if (priv->hvBalloonPending)
        return;

    if (virEventAddTimeout(QEMU_HVBALLOON_RETRY_MS, qemuHvBalloonScheduleTimeout,
                           virObjectRef(vm), virObjectUnref) >= 0) {
        priv->hvBalloonPending = true;
        return;
    }

    VIR_WARN("cannot set a timer, the memory of domain '%s' is reconciled with the next event",
             vm->def->name);
    virObjectUnref(vm);
}
