/*
 * qemu_hvballoon.c: keeps the memory of a domain with a hyperv balloon at the
 *                   requested size
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Entry points, each a thin layer over these files:
 *
 *   qemu_hvballoon_prepare.c    what every entry point begins with
 *   qemu_hvballoon_sync.c       brings the definition in line with QEMU
 *   qemu_hvballoon_input.c      collects the planner's input
 *   qemu_hvballoon_plan.c       plans steps (pure: no libvirt, no QEMU)
 *   qemu_hvballoon_run.c        executes the steps
 *   qemu_hvballoon_requested.c  the requested memory
 *   qemu_hvballoon_schedule.c   when to reconcile
 *   qemu_hvballoon_fixed.c      QEMU without sticks
 *   qemu_hvballoon_stored.c     the stored definition
 *
 * and beside them qemu_hvballoon_migrate.c, for a guest that is migrated, saved or
 * restored.
 *
 * Invariants, and why:
 *
 * - Nothing here waits for the guest. A request is done once QEMU knows the
 *   target; the guest may take minutes, and BALLOON_CHANGE reports its
 *   progress.
 * - QEMU knows which sticks exist; the definition knows who made them and why;
 *   <requested> says how much memory the guest should have. Every entry point
 *   first brings the definition in line with QEMU (sync), then plans from that.
 *   So it does not matter which events were missed, or how far a dead daemon
 *   had got.
 * - <requested> is written last, when all steps of the request are done. A
 *   request that fails, or whose daemon dies, leaves what was requested before:
 *   a stick plugged for it is then unneeded, and QEMU's target may differ from
 *   <requested>. The next reconcile corrects both, like any other difference.
 * - Only sticks made by the driver are removed, only if the guest uses none of
 *   their memory, and only if <requested> can be met without them.
 * - There is one reconcile for every cause: event, reset, restart of the
 *   daemon, failed request. It moves QEMU towards <requested>, plugs nothing,
 *   and changes nothing when nothing differs; so it can run at any time, and
 *   any number of times.
 * - Event handlers take no job: they schedule a reconcile. The workers for
 *   reconciles serve all domains, so they take the job only if it is free. They
 *   are not the driver's worker for events: QEMU is asked here without having sent
 *   one, and one that hangs would hold up the events of all domains. They are
 *   several, as it would hold up the reconciles of all domains, too.
 */

#include <config.h>

#include "qemu_hvballoon.h"
#include "qemu_hvballoon_fixed.h"
#include "qemu_hvballoon_input.h"
#include "qemu_hvballoon_migrate.h"
#include "qemu_hvballoon_plan.h"
#include "qemu_hvballoon_prepare.h"
#include "qemu_hvballoon_requested.h"
#include "qemu_hvballoon_run.h"
#include "qemu_hvballoon_schedule.h"
#include "qemu_hvballoon_stored.h"
#include "qemu_hvballoon_sync.h"
#include "qemu_hvballoon_text.h"

#include "virerror.h"
#include "virlog.h"

#define VIR_FROM_THIS VIR_FROM_QEMU

VIR_LOG_INIT("qemu.qemu_hvballoon");


/*
 * Reconcile
 */

/**
 * qemuHvBalloonReconcile:
 *
 * Brings the definition in line with QEMU, removes sticks that are not needed
 * and resends the target. The caller has a job that allows monitor commands.
 * Never waits for the guest. Failures are logged, and what failed is tried again
 * by the next reconcile. An error that was reported before is kept.
 */
void
qemuHvBalloonReconcile(virQEMUDriver *driver,
                       virDomainObj *vm)
{
    g_autoptr(qemuHvBalloonView) view = NULL;
    g_auto(qemuHvBalloonPlanInput) in = { 0 };
    g_autoptr(qemuHvBalloonPlan) plan = NULL;
    virErrorPtr orig;

    if (!qemuHvBalloonIsManaged(vm))
        return;

    /* A restarted daemon may find one in postcopy. One that was sent, and of which
     * it is not known whether it has arrived, is reconciled: it may be resumed here,
     * and what is done to it does not reach the other host. */
    if (qemuHvBalloonIsMigrating(vm)) {
        qemuHvBalloonScheduleReconcile(vm);
        return;
    }

    /* the worker's last error may belong to another event or domain */
    virErrorPreserveLast(&orig);
    virResetLastError();

    if (qemuHvBalloonRunsOnFixed(vm)) {
        qemuHvBalloonReconcileFixed(driver, vm);
    } else if ((view = qemuHvBalloonPrepare(&in, driver, vm, VIR_ASYNC_JOB_NONE))) {
        plan = qemuHvBalloonPlanReconcile(&in, qemuHvBalloonGetRequested(vm));
        ignore_value(qemuHvBalloonRun(driver, vm, view, plan));
    }

    if (virGetLastErrorCode() != VIR_ERR_OK)
        VIR_WARN("reconciling the memory of domain '%s' failed: %s",
                 vm->def->name, virGetLastErrorMessage());
    virResetLastError();

    if (virDomainObjIsActive(vm))
        qemuDomainSaveStatus(vm);

    virErrorRestore(&orig);
}


/**
 * qemuHvBalloonProcessChange:
 *
 * Called by the worker after qemuHvBalloonScheduleReconcile().
 */
void
qemuHvBalloonProcessChange(virQEMUDriver *driver,
                           virDomainObj *vm)
{
    qemuHvBalloonScheduleTaken(vm);

    if (!virDomainObjIsActive(vm))
        return;

    if (virDomainObjBeginJobNowait(vm, VIR_JOB_MODIFY) < 0) {
        qemuHvBalloonScheduleLater(vm);
        return;
    }

    qemuHvBalloonReconcile(driver, vm);
    virDomainObjEndJob(vm);
}


/*
 * Start, hotplug
 */

/**
 * qemuHvBalloonStarted:
 * @target: what the guest should have, in KiB
 *
 * To be called when QEMU was started for @vm, which is locked and not in the
 * monitor.
 */
void
qemuHvBalloonStarted(virDomainObj *vm,
                     unsigned long long target)
{
    if (!virDomainDefHasHypervMemballoon(vm->def))
        return;

    qemuHvBalloonSetRequested(vm, target, "the domain starts with it");
    qemuHvBalloonSetKeepTotal(vm, 0, "the domain starts");
    qemuHvBalloonWatchFixed(vm);
}


/**
 * qemuHvBalloonCheckHotplug:
 *
 * Can a stick be plugged or unplugged while @vm runs? Reports an error if not.
 */
int
qemuHvBalloonCheckHotplug(virDomainObj *vm,
                          const virDomainMemoryDef *mem)
{
    if (mem->model != VIR_DOMAIN_MEMORY_MODEL_HAPROT || !qemuHvBalloonRunsOnFixed(vm))
        return 0;

    virReportError(VIR_ERR_OPERATION_UNSUPPORTED, "%s",
                   _("sticks can neither be added to nor removed from a domain whose QEMU lacks the 'mem-haprot' device: setmem resizes the guest up to <maxMemory> without them"));
    return -1;
}


/**
 * qemuHvBalloonStickAttached:
 * @mem: memory device that is now part of the live definition
 *
 * To be called when a client attached @mem to @vm.
 */
void
qemuHvBalloonStickAttached(virDomainObj *vm,
                           const virDomainMemoryDef *mem)
{
    /* QEMU added the size of such a stick to its target. If no reconcile has
     * succeeded so far, the requested memory is not known: the next one takes
     * that target. */
    if (mem->model == VIR_DOMAIN_MEMORY_MODEL_HAPROT &&
        mem->target.haprot.insert != VIR_DOMAIN_MEMORY_INSERT_MODE_ON_DEMAND &&
        qemuHvBalloonIsManaged(vm) &&
        qemuHvBalloonGetRequested(vm) > 0)
        qemuHvBalloonSetRequested(vm, qemuHvBalloonGetRequested(vm) + mem->size,
                                  "a stick was attached that QEMU gives to the guest");
}


/**
 * qemuHvBalloonStickDetached:
 *
 * To be called when a memory device is no longer part of the live definition of
 * @vm, since a client detached it or QEMU reported its removal: no more can be
 * requested than there is.
 */
void
qemuHvBalloonStickDetached(virDomainObj *vm)
{
    qemuHvBalloonScheduleReconcile(vm);
}


/* Is the stick in use by a guest that can release it? Not if its kernel was
 * started by another one, nor while no driver is connected: then QEMU's own
 * reason is reported. */
static bool
qemuHvBalloonIsInUse(const qemuHvBalloonView *view,
                     const char *alias)
{
    const qemuMonitorHvBalloonStick *stick = qemuHvBalloonViewFind(view, alias);

    return stick && stick->state == QEMU_HVBALLOON_STICK_INUSE &&
        STRNEQ_NULLABLE(view->info->state, "new-kernel") &&
        STRNEQ_NULLABLE(view->info->state, "disconnected");
}


/**
 * qemuHvBalloonExplainDetach:
 *
 * To be called when QEMU refused to remove @mem from @vm and its error is
 * reported: if @mem is a stick, replaces the error by one that names the stick
 * and says how to free it. The caller has a job.
 */
void
qemuHvBalloonExplainDetach(virDomainObj *vm,
                           const virDomainMemoryDef *mem)
{
    g_autoptr(qemuHvBalloonView) view = NULL;
    g_autofree char *alias = g_strdup(mem->info.alias);
    g_autofree char *reason = g_strdup(virGetLastErrorMessage());
    unsigned long long size = mem->size;
    virErrorPtr orig;

    if (mem->model != VIR_DOMAIN_MEMORY_MODEL_HAPROT || !virDomainObjIsActive(vm))
        return;

    virErrorPreserveLast(&orig);
    view = qemuHvBalloonQuery(vm, VIR_ASYNC_JOB_NONE);
    virErrorRestore(&orig);

    VIR_INFO("domain '%s': QEMU does not remove '%s': %s", vm->def->name, alias, reason);

    if (view && qemuHvBalloonIsInUse(view, alias))
        virReportError(VIR_ERR_OPERATION_FAILED,
                       _("the stick '%1$s' of %2$llu KiB is in use by the guest: lower the guest's memory by setmem and try again once balloon.hyperv.stick.N.state is 'unused', or restart the guest"),
                       alias, size);
    else
        virReportError(VIR_ERR_OPERATION_FAILED,
                       _("the stick '%1$s' of %2$llu KiB cannot be removed: %3$s"),
                       alias, size, reason);
}


/**
 * qemuHvBalloonOwnsDevice:
 *
 * Is @dev a stick? Whether it still exists is left to the reconcile, where an
 * error does no harm.
 */
bool
qemuHvBalloonOwnsDevice(const virDomainDeviceDef *dev)
{
    return dev->type == VIR_DOMAIN_DEVICE_MEMORY &&
        dev->data.memory->model == VIR_DOMAIN_MEMORY_MODEL_HAPROT;
}


/**
 * qemuHvBalloonActual:
 * @actual: memory of the guest of @vm as reported by QEMU, in KiB
 *
 * Returns @actual; with a hyperv balloon an impossible value, 0 or more than
 * the total, is replaced.
 */
unsigned long long
qemuHvBalloonActual(const virDomainObj *vm,
                    unsigned long long actual)
{
    unsigned long long total = virDomainDefGetMemoryTotal(vm->def);

    if (!virDomainDefHasHypervMemballoon(vm->def) ||
        (actual > 0 && actual <= total))
        return actual;

    VIR_INFO("domain '%s': QEMU reports that the guest has %llu KiB of %llu KiB",
             vm->def->name, actual, total);
    return actual > 0 ? total : vm->def->mem.cur_balloon;
}


/*
 * virDomainSetMemoryFlags
 */

/**
 * qemuHvBalloonIsUsed:
 *
 * Does either definition, which may be NULL, have a hyperv balloon?
 */
bool
qemuHvBalloonIsUsed(const virDomainDef *def,
                    const virDomainDef *persistentDef)
{
    return (def && virDomainDefHasHypervMemballoon(def)) ||
        (persistentDef && virDomainDefHasHypervMemballoon(persistentDef));
}


static int
qemuHvBalloonCheckDefs(const virDomainDef *def,
                       const virDomainDef *persistentDef)
{
    if (def && persistentDef &&
        virDomainDefHasHypervMemballoon(def) != virDomainDefHasHypervMemballoon(persistentDef)) {
        virReportError(VIR_ERR_OPERATION_INVALID, "%s",
                       _("the running domain and its stored definition have different memory balloons; use --live and --config one after the other"));
        return -1;
    }

    return 0;
}


/* The steps for @newmem, or NULL with an error reported. @view: what QEMU has is
 * stored here, unless it has no sticks. */
static qemuHvBalloonPlan *
qemuHvBalloonPlanLive(virQEMUDriver *driver,
                      virDomainObj *vm,
                      unsigned long long newmem,
                      unsigned int flags,
                      qemuHvBalloonView **view)
{
    g_auto(qemuHvBalloonPlanInput) in = { 0 };
    qemuHvBalloonRefusal refusal;
    qemuHvBalloonPlan *plan;

    if (qemuHvBalloonRunsOnFixed(vm))
        qemuHvBalloonInputFixed(&in, driver, vm);
    else if (!(*view = qemuHvBalloonPrepare(&in, driver, vm, VIR_ASYNC_JOB_NONE)))
        return NULL;

    if (flags & VIR_DOMAIN_MEM_MAXIMUM)
        plan = qemuHvBalloonPlanSetTotal(&in, newmem, qemuHvBalloonGetRequested(vm), &refusal);
    else
        plan = qemuHvBalloonPlanSetTarget(&in, newmem, &refusal);

    if (!plan)
        qemuHvBalloonReportRefusal(&refusal, &in);
    return plan;
}


/* Executes @plan and records the request, unless a step fails. */
static int
qemuHvBalloonRunLive(virQEMUDriver *driver,
                     virDomainObj *vm,
                     const qemuHvBalloonView *view,
                     const qemuHvBalloonPlan *plan,
                     unsigned long long newmem,
                     unsigned int flags)
{
    unsigned long long target = qemuHvBalloonPlanTarget(plan, qemuHvBalloonGetRequested(vm));

    if (qemuHvBalloonRun(driver, vm, view, plan) < 0) {
        qemuHvBalloonScheduleReconcile(vm);
        return -1;
    }

    if (flags & VIR_DOMAIN_MEM_MAXIMUM) {
        qemuHvBalloonSetKeepTotal(vm, newmem, "setmaxmem");
    } else {
        qemuHvBalloonSetRequested(vm, target, "setmem");
        qemuHvBalloonWatchFixed(vm);
    }

    qemuDomainSaveStatus(vm);
    return 0;
}


static virDomainDef *
qemuHvBalloonStored(const virDomainObj *vm)
{
    return vm->newDef ? vm->newDef : vm->def;
}


/* What is to be stored beside @def, which may be NULL; NULL with an error
 * reported. */
static virDomainDef *
qemuHvBalloonCopyStored(virQEMUDriver *driver,
                        virDomainObj *vm,
                        const virDomainDef *def,
                        unsigned long long newmem,
                        unsigned int flags)
{
    qemuDomainObjPrivate *priv = vm->privateData;
    g_autoptr(virDomainDef) copy = NULL;

    if (!(copy = virDomainObjCopyPersistentDef(vm, driver->xmlopt, priv->qemuCaps)) ||
        qemuHvBalloonCheckDefs(def, copy) < 0 ||
        qemuHvBalloonSetStored(driver, vm, copy, newmem, flags) < 0)
        return NULL;

    return g_steal_pointer(&copy);
}


/* The live change failed: writes the unchanged stored definition to its file
 * again. Keeps the error. */
static void
qemuHvBalloonRestoreStored(virQEMUDriver *driver,
                           virDomainObj *vm)
{
    g_autoptr(virQEMUDriverConfig) cfg = virQEMUDriverGetConfig(driver);
    virErrorPtr orig;

    virErrorPreserveLast(&orig);
    if (virDomainDefSave(qemuHvBalloonStored(vm), driver->xmlopt, cfg->configDir) < 0)
        VIR_WARN("the stored definition of domain '%s' could not be restored: %s",
                 vm->def->name, virGetLastErrorMessage());
    virErrorRestore(&orig);
}


/**
 * qemuHvBalloonSetMemory:
 * @def: live definition of @vm, or NULL
 * @persistentDef: stored definition of @vm, or NULL
 * @newmem: in KiB
 * @flags: of virDomainSetMemoryFlags()
 *
 * virDomainSetMemoryFlags() for a domain with a hyperv balloon in at least one
 * definition. The caller has a MODIFY job. Never waits for the guest.
 *
 * All checks come before any change. The stored definition is written before
 * the first command to QEMU, since writing it can be undone without the guest
 * noticing; it is assigned to @vm at the end.
 *
 * Defining a domain takes no job, so @vm may be redefined whenever it is unlocked
 * for a command, which frees @persistentDef. So the stored definition is read
 * after the query; a definition that comes later is kept, as it is in the file.
 *
 * Returns 0, or -1 with an error reported and the requested memory, live and
 * stored, unchanged.
 */
int
qemuHvBalloonSetMemory(virQEMUDriver *driver,
                       virDomainObj *vm,
                       virDomainDef *def,
                       virDomainDef *persistentDef,
                       unsigned long long newmem,
                       unsigned int flags)
{
    g_autoptr(virQEMUDriverConfig) cfg = virQEMUDriverGetConfig(driver);
    g_autoptr(virDomainDef) copy = NULL;
    g_autoptr(qemuHvBalloonView) view = NULL;
    g_autoptr(qemuHvBalloonPlan) plan = NULL;
    const virDomainDef *stored;

    if (qemuHvBalloonCheckDefs(def, persistentDef) < 0)
        return -1;

    if (def && !(plan = qemuHvBalloonPlanLive(driver, vm, newmem, flags, &view)))
        return -1;

    if (persistentDef && !(copy = qemuHvBalloonCopyStored(driver, vm, def, newmem, flags)))
        return -1;

    stored = qemuHvBalloonStored(vm);

    if (copy && virDomainDefSave(copy, driver->xmlopt, cfg->configDir) < 0)
        return -1;

    if (plan && qemuHvBalloonRunLive(driver, vm, view, plan, newmem, flags) < 0) {
        if (copy)
            qemuHvBalloonRestoreStored(driver, vm);
        return -1;
    }

    if (copy && stored == qemuHvBalloonStored(vm))
        virDomainObjAssignDef(vm, &copy, false, NULL);

    return 0;
}
