/*
 * qemu_hvballoon_schedule.c: when the hyperv memory balloon is reconciled
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * An event handler takes no job and sends no command: it schedules a reconcile.
 * At most one is pending for a domain (priv->hvBalloonPending), either in the
 * queue of the worker for reconciles or on a timer. One is enough, since a
 * reconcile queries everything when it runs. Two of them would each set the next
 * timer, and go on for ever.
 */

#include <config.h>

#include "qemu_hvballoon_schedule.h"

#include "qemu_process.h"
#include "virevent.h"
#include "virlog.h"

#define VIR_FROM_THIS VIR_FROM_QEMU

VIR_LOG_INIT("qemu.qemu_hvballoon_schedule");

/* Milliseconds before another attempt. */
#define QEMU_HVBALLOON_RETRY_MS 1000


/**
 * qemuHvBalloonIsManaged:
 *
 * Is @vm running, with a hyperv balloon?
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
 * Queues a reconcile of @vm for the worker. For event handlers: takes no job,
 * only needs @vm locked.
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
 * To be called when a scheduled reconcile begins. Whatever happens from now on
 * needs another one.
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

    /* Not locked: whoever has the lock, as to kill QEMU, would keep the event
     * loop from all other clients and domains. What was pending on a timer is now
     * pending in the queue. */
    virEventRemoveTimeout(timer);
    qemuProcessEventSubmit(vm, QEMU_PROCESS_EVENT_HVBALLOON_CHANGE, 0, 0, NULL);
}


/**
 * qemuHvBalloonScheduleLater:
 *
 * The same as qemuHvBalloonScheduleReconcile(), after a delay. The worker serves
 * all domains, so it must wait neither for a guest nor for another job of @vm,
 * which may be a migration.
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

    VIR_WARN("cannot set a timer: the memory of domain '%s' will be reconciled at the next event",
             vm->def->name);
    virObjectUnref(vm);
}
