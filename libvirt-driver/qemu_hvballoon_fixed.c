/*
 * qemu_hvballoon_fixed.c: the hyperv memory balloon of a QEMU without sticks
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * QEMU's own hv-balloon has one fixed backend and sends no events: the guest's
 * memory is polled until it has the requested size, and the target is resent if
 * the guest stops short of it, as after a reset.
 */

#include <config.h>

#include "qemu_hvballoon_fixed.h"
#include "qemu_hvballoon_def.h"
#include "qemu_hvballoon_plan.h"
#include "qemu_hvballoon_requested.h"
#include "qemu_hvballoon_run.h"
#include "qemu_hvballoon_schedule.h"

#include "domain_event.h"
#include "qemu_process.h"
#include "virerror.h"

#define VIR_FROM_THIS VIR_FROM_QEMU

/* The target is resent to a guest that stays short of it after at most this many
 * polls. */
#define QEMU_HVBALLOON_UNMOVED_MAX 64


/**
 * qemuHvBalloonRunsOnFixed:
 *
 * Is the QEMU of @vm, which is running, one without sticks?
 */
bool
qemuHvBalloonRunsOnFixed(virDomainObj *vm)
{
    qemuDomainObjPrivate *priv = vm->privateData;

    return qemuHvBalloonIsFixed(vm->def, priv->qemuCaps);
}


/* QEMU counts in pages. If nothing was requested (damaged status file) there is
 * nothing to wait for: this QEMU does not report a target. */
static bool
qemuHvBalloonIsAtRequested(const virDomainObj *vm)
{
    unsigned long long requested = qemuHvBalloonGetRequested(vm);

    return requested == 0 ||
        qemuHvBalloonPlanPages(vm->def->mem.cur_balloon) == qemuHvBalloonPlanPages(requested);
}


static void
qemuHvBalloonPollFixed(virQEMUDriver *driver,
                       virDomainObj *vm)
{
    unsigned long long before = vm->def->mem.cur_balloon;

    /* found out the next time */
    if (qemuProcessRefreshBalloonState(vm, VIR_ASYNC_JOB_NONE) < 0)
        virResetLastError();

    if (!virDomainObjIsActive(vm))
        return;

    if (vm->def->mem.cur_balloon != before) {
        virObjectEventStateQueue(driver->domainEventState,
                                 virDomainEventBalloonChangeNewFromObj(vm, vm->def->mem.cur_balloon));
        qemuDomainSaveStatus(vm);
    }

    if (!qemuHvBalloonIsAtRequested(vm))
        qemuHvBalloonScheduleLater(vm);
}


/* Is it time to resend the target? Not while the guest moves. Each time makes a
 * guest that stopped early search for pages to release, so it is done less and
 * less often: at the 1st, 2nd, 4th, 8th ... poll without a change, and about once
 * a minute in the end. */
static bool
qemuHvBalloonMustResend(virDomainObj *vm,
                        unsigned long long before)
{
    qemuDomainObjPrivate *priv = vm->privateData;

    if (vm->def->mem.cur_balloon != before ||
        qemuHvBalloonIsAtRequested(vm)) {
        priv->hvBalloonUnmoved = 0;
        return false;
    }

    priv->hvBalloonUnmoved++;
    return VIR_IS_POW2(priv->hvBalloonUnmoved) ||
        priv->hvBalloonUnmoved % QEMU_HVBALLOON_UNMOVED_MAX == 0;
}


/**
 * qemuHvBalloonReconcileFixed:
 *
 * Queries how much memory the guest of @vm has, and resends the target if the
 * guest has stopped short of it.
 */
void
qemuHvBalloonReconcileFixed(virQEMUDriver *driver,
                            virDomainObj *vm)
{
    unsigned long long before = vm->def->mem.cur_balloon;

    qemuHvBalloonPollFixed(driver, vm);

    if (virDomainObjIsActive(vm) &&
        qemuHvBalloonMustResend(vm, before))
        ignore_value(qemuHvBalloonSendTarget(vm, qemuHvBalloonGetRequested(vm)));
}


/**
 * qemuHvBalloonWatchFixed:
 *
 * To be called when the requested memory changed: on a QEMU without sticks,
 * polls the guest of @vm until it has that much.
 */
void
qemuHvBalloonWatchFixed(virDomainObj *vm)
{
    qemuDomainObjPrivate *priv = vm->privateData;

    if (!qemuHvBalloonRunsOnFixed(vm))
        return;

    priv->hvBalloonUnmoved = 0;
    qemuHvBalloonScheduleReconcile(vm);
}
