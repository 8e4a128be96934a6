/*
 * qemu_hvballoon_prepare.c: what every entry point begins with
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <config.h>

#include "qemu_hvballoon_prepare.h"
#include "qemu_hvballoon_requested.h"


/* Sticks may have come or gone, which changes what the guest can have, and a
 * status file or a cookie may contain anything. @total: boot memory and all of
 * QEMU's sticks, including those that XML cannot describe. */
static void
qemuHvBalloonSettleRequested(virDomainObj *vm,
                             const qemuHvBalloonView *view,
                             unsigned long long total)
{
    unsigned long long least = MIN(vm->def->memballoon->minimum, total);
    unsigned long long requested = qemuHvBalloonGetRequested(vm);

    if (requested == 0 && view->info->target > 0)
        qemuHvBalloonSetRequested(vm, MIN(view->info->target, total),
                                  "it is QEMU's target");
    else if (requested > 0 && view->given > 0)
        qemuHvBalloonSetRequested(vm, requested + view->given,
                                  "QEMU gives sticks that were adopted to the guest");

    requested = qemuHvBalloonGetRequested(vm);
    if (requested > total)
        qemuHvBalloonSetRequested(vm, total, "there is no more boot memory and sticks");
    else if (requested > 0 && requested < least)
        qemuHvBalloonSetRequested(vm, least, "it is the <minimum> of the balloon");
}


static void
qemuHvBalloonSettleKeepTotal(virDomainObj *vm)
{
    qemuDomainObjPrivate *priv = vm->privateData;

    if (priv->hvBalloonKeepTotal > vm->def->mem.max_memory)
        qemuHvBalloonSetKeepTotal(vm, 0, "it was above <maxMemory>");
}


/**
 * qemuHvBalloonPrepare:
 * @in: to be filled with the planner's input
 * @asyncJob: the caller's, or VIR_ASYNC_JOB_NONE if it has another job
 *
 * Brings the definition in line with QEMU, and what was requested in line with
 * the definition. Not for a QEMU without sticks.
 *
 * Returns what QEMU has, or NULL with an error reported.
 */
qemuHvBalloonView *
qemuHvBalloonPrepare(qemuHvBalloonPlanInput *in,
                     virQEMUDriver *driver,
                     virDomainObj *vm,
                     virDomainAsyncJob asyncJob)
{
    g_autoptr(qemuHvBalloonView) view = qemuHvBalloonSync(driver, vm, asyncJob);

    if (!view)
        return NULL;

    qemuHvBalloonSettleKeepTotal(vm);
    qemuHvBalloonInputLive(in, driver, vm, view->info, view->sticks);
    qemuHvBalloonSettleRequested(vm, view, qemuHvBalloonPlanTotal(in));

    return g_steal_pointer(&view);
}
