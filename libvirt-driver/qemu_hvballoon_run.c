/*
 * qemu_hvballoon_run.c: executes the steps of a plan
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <config.h>

#include "qemu_hvballoon_run.h"
#include "qemu_hvballoon_conf.h"
#include "qemu_hvballoon_text.h"

#include "qemu_hotplug.h"
#include "qemu_monitor.h"
#include "virerror.h"
#include "virlog.h"

#define VIR_FROM_THIS VIR_FROM_QEMU

VIR_LOG_INIT("qemu.qemu_hvballoon_run");


/**
 * qemuHvBalloonSendTarget:
 * @target: in KiB
 *
 * Sets the target of QEMU's balloon device. Does not wait for the guest.
 */
int
qemuHvBalloonSendTarget(virDomainObj *vm,
                        unsigned long long target)
{
    int rc;

    qemuDomainObjEnterMonitor(vm);
    rc = qemuMonitorSetBalloon(qemuDomainGetMonitor(vm), target);
    qemuDomainObjExitMonitor(vm);

    if (rc < 0)
        return -1;

    if (rc == 0) {
        virReportError(VIR_ERR_OPERATION_INVALID, "%s",
                       _("QEMU has no active memory balloon"));
        return -1;
    }

    return virDomainObjCheckActive(vm);
}


/* A stick may be planned larger than needed, to save slots later: if it does
 * not fit, try the smallest that will do. */
static int
qemuHvBalloonPlug(virQEMUDriver *driver,
                  virDomainObj *vm,
                  const qemuHvBalloonView *view,
                  const qemuHvBalloonStep *step)
{
    g_autoptr(GHashTable) taken = view ? qemuHvBalloonViewNames(view) : NULL;
    unsigned long long size = step->size;

    while (true) {
        /* not used by the stored definition either, nor by what only QEMU has */
        g_autofree char *alias = qemuHvBalloonFreeAlias(vm->def, vm->newDef, taken,
                                                        QEMU_HVBALLOON_DRIVER_ALIAS);

        /* of a stick of that name that a daemon did not live to plug */
        qemuHvBalloonDropFile(vm, alias);

        if (qemuDomainAttachMemory(driver, vm, qemuHvBalloonStickNew(vm->def, alias, size)) == 0)
            return 0;

        if (step->least >= size || !virDomainObjIsActive(vm))
            return -1;

        VIR_INFO("domain '%s': a stick of %llu KiB does not fit (%s), trying %llu KiB",
                 vm->def->name, size, virGetLastErrorMessage(),
                 (unsigned long long)step->least);
        virResetLastError();
        size = step->least;
    }
}


/* Best effort: an extra stick is harmless, and the next reconcile tries
 * again. */
static int
qemuHvBalloonUnplug(virQEMUDriver *driver,
                    virDomainObj *vm,
                    const qemuHvBalloonStep *step)
{
    virDomainMemoryDef *mem = qemuHvBalloonFindStick(vm->def, step->alias);

    if (mem && qemuDomainDetachMemoryNoWait(driver, vm, mem) < 0)
        VIR_WARN("domain '%s': stick '%s' was not removed: %s",
                 vm->def->name, step->alias, virGetLastErrorMessage());

    /* QEMU's error does not matter if the stick is gone anyway */
    virResetLastError();
    return virDomainObjCheckActive(vm);
}


static void
qemuHvBalloonLogStep(const virDomainObj *vm,
                     const qemuHvBalloonStep *step)
{
    g_autofree char *reason = qemuHvBalloonReasonText(step);

    VIR_INFO("domain '%s': %s %llu KiB%s%s: %s",
             vm->def->name, qemuHvBalloonStepTypeToString(step->type),
             (unsigned long long)step->size, step->alias ? " " : "",
             step->alias ? step->alias : "", reason);
}


/**
 * qemuHvBalloonRun:
 * @view: what QEMU has, or NULL if it has no sticks
 * @plan: steps, none of which waits for the guest
 *
 * Executes @plan, for setmem, setmaxmem and reconcile alike. Stops at the first
 * PLUG or BALLOON that fails and undoes nothing: the next reconcile removes
 * sticks that are not needed, and sends the requested memory if QEMU's target
 * differs. The caller has a job, and records the request only after success.
 *
 * Returns 0, or -1 with an error reported that names the step.
 */
int
qemuHvBalloonRun(virQEMUDriver *driver,
                 virDomainObj *vm,
                 const qemuHvBalloonView *view,
                 const qemuHvBalloonPlan *plan)
{
    unsigned long long planned = virDomainDefGetMemoryTotal(vm->def);
    size_t i;

    for (i = 0; i < plan->nsteps; i++) {
        const qemuHvBalloonStep *step = &plan->steps[i];
        int rc = 0;

        qemuHvBalloonLogStep(vm, step);

        switch (step->type) {
        case QEMU_HVBALLOON_STEP_PLUG:
            rc = qemuHvBalloonPlug(driver, vm, view, step);
            planned += step->size;
            break;

        case QEMU_HVBALLOON_STEP_BALLOON:
            rc = qemuHvBalloonSendTarget(vm, step->size);
            break;

        case QEMU_HVBALLOON_STEP_UNPLUG:
            /* if a smaller stick was plugged than planned, less can go: leave
             * that to the next reconcile */
            if (virDomainDefGetMemoryTotal(vm->def) >= planned)
                rc = qemuHvBalloonUnplug(driver, vm, step);
            planned -= step->size;
            break;

        case QEMU_HVBALLOON_STEP_LAST:
            break;
        }

        if (rc < 0) {
            qemuHvBalloonReportStep(step);
            return -1;
        }
    }

    return 0;
}
