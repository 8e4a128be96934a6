/*
 * qemu_hvballoon_stats.c: the hyperv memory balloon in domain statistics
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <config.h>

#include "qemu_hvballoon_stats.h"
#include "qemu_hvballoon.h"
#include "qemu_hvballoon_conf.h"
#include "qemu_hvballoon_fixed.h"
#include "qemu_hvballoon_input.h"

#include "virerror.h"
#include "virlog.h"

#define VIR_FROM_THIS VIR_FROM_QEMU

VIR_LOG_INIT("qemu.qemu_hvballoon_stats");


static const char *
qemuHvBalloonStatsOwner(bool byDriver)
{
    return byDriver ? QEMU_HVBALLOON_STATS_OWNER_DRIVER : QEMU_HVBALLOON_STATS_OWNER_USER;
}


static void
qemuHvBalloonStatsAddNumber(virTypedParamList *params,
                            size_t i,
                            const char *suffix,
                            unsigned long long value)
{
    virTypedParamListAddULLong(params, value,
                               QEMU_HVBALLOON_STATS_STICK_PREFIX "%zu%s",
                               i, suffix);
}


static void
qemuHvBalloonStatsAddText(virTypedParamList *params,
                          size_t i,
                          const char *suffix,
                          const char *value)
{
    if (value)
        virTypedParamListAddString(params, value,
                                   QEMU_HVBALLOON_STATS_STICK_PREFIX "%zu%s",
                                   i, suffix);
}


static void
qemuHvBalloonStatsAddCount(virTypedParamList *params,
                           size_t count)
{
    virTypedParamListAddULLong(params, count, "%s",
                               QEMU_HVBALLOON_STATS_STICK_COUNT);
}


/* What QEMU says of its sticks, also of those the definition does not have. @in
 * was made of them. */
static void
qemuHvBalloonStatsAddSticks(const qemuHvBalloonPlanInput *in,
                            const GPtrArray *sticks,
                            virTypedParamList *params)
{
    size_t i;

    qemuHvBalloonStatsAddCount(params, sticks->len);

    for (i = 0; i < sticks->len; i++) {
        const qemuMonitorHvBalloonStick *stick = g_ptr_array_index(sticks, i);

        qemuHvBalloonStatsAddText(params, i, QEMU_HVBALLOON_STATS_STICK_ALIAS,
                                  stick->id);
        qemuHvBalloonStatsAddNumber(params, i, QEMU_HVBALLOON_STATS_STICK_ADDR,
                                    stick->address);
        qemuHvBalloonStatsAddNumber(params, i, QEMU_HVBALLOON_STATS_STICK_SIZE,
                                    stick->size);
        qemuHvBalloonStatsAddText(params, i, QEMU_HVBALLOON_STATS_STICK_STATE,
                                  qemuMonitorHvBalloonStickStateName(stick->state));
        qemuHvBalloonStatsAddNumber(params, i, QEMU_HVBALLOON_STATS_STICK_ADDED,
                                    stick->added);
        qemuHvBalloonStatsAddNumber(params, i, QEMU_HVBALLOON_STATS_STICK_RELEASED,
                                    stick->released);
        qemuHvBalloonStatsAddText(params, i, QEMU_HVBALLOON_STATS_STICK_OWNER,
                                  qemuHvBalloonStatsOwner(in->sticks[i].byDriver));
    }
}


/* The same, as far as the definition knows. */
static void
qemuHvBalloonStatsAddDefinedSticks(const virDomainDef *def,
                                   virTypedParamList *params)
{
    size_t count = 0;
    size_t i;

    for (i = 0; i < def->nmems; i++) {
        const virDomainMemoryDef *mem = def->mems[i];

        if (mem->model != VIR_DOMAIN_MEMORY_MODEL_HAPROT)
            continue;

        qemuHvBalloonStatsAddText(params, count, QEMU_HVBALLOON_STATS_STICK_ALIAS,
                                  mem->info.alias);
        if (mem->target.haprot.address)
            qemuHvBalloonStatsAddNumber(params, count, QEMU_HVBALLOON_STATS_STICK_ADDR,
                                        mem->target.haprot.address);
        qemuHvBalloonStatsAddNumber(params, count, QEMU_HVBALLOON_STATS_STICK_SIZE,
                                    mem->size);
        qemuHvBalloonStatsAddText(params, count, QEMU_HVBALLOON_STATS_STICK_OWNER,
                                  qemuHvBalloonStatsOwner(qemuHvBalloonStickIsDriverOwned(mem)));
        count++;
    }

    qemuHvBalloonStatsAddCount(params, count);
}


static void
qemuHvBalloonStatsAddInfo(const qemuMonitorHvBalloonInfo *info,
                          virTypedParamList *params)
{
    virTypedParamListAddULLong(params, info->capacity, "%s",
                               QEMU_HVBALLOON_STATS_CAPACITY);
    virTypedParamListAddULLong(params, info->released, "%s",
                               QEMU_HVBALLOON_STATS_RELEASED);
    virTypedParamListAddULLong(params, info->ghosts, "%s",
                               QEMU_HVBALLOON_STATS_GHOSTS);
    virTypedParamListAddULLong(params, info->alignment, "%s",
                               QEMU_HVBALLOON_STATS_ALIGNMENT);
    if (info->freeSlots != QEMU_HVBALLOON_UNLIMITED)
        virTypedParamListAddULLong(params, info->freeSlots, "%s",
                                   QEMU_HVBALLOON_STATS_FREE_SLOTS);
    if (info->reported) {
        virTypedParamListAddULLong(params, info->committed, "%s",
                                   QEMU_HVBALLOON_STATS_COMMITTED);
        virTypedParamListAddULLong(params, info->available, "%s",
                                   QEMU_HVBALLOON_STATS_AVAILABLE);
    }
    virTypedParamListAddBoolean(params, info->connected, "%s",
                                QEMU_HVBALLOON_STATS_CONNECTED);
    virTypedParamListAddString(params, info->state, "%s",
                               QEMU_HVBALLOON_STATS_STATE);
    if (info->lastError)
        virTypedParamListAddString(params, info->lastError, "%s",
                                   QEMU_HVBALLOON_STATS_LAST_ERROR);
}


/* Statistics are no place to fail: what QEMU does not tell is left out. */
static qemuMonitorHvBalloonInfo *
qemuHvBalloonStatsQuery(virDomainObj *vm)
{
    qemuMonitor *mon = qemuDomainGetMonitor(vm);
    g_autoptr(qemuMonitorHvBalloonInfo) info = NULL;
    int rc;

    /* statistics are allowed while a snapshot is reverted, before its QEMU is
     * connected */
    if (!mon)
        return NULL;

    qemuDomainObjEnterMonitor(vm);
    if ((rc = qemuMonitorGetHvBalloonInfo(mon, &info)) == 0 && !info->sticks)
        rc = qemuMonitorGetHvBalloonSticks(mon, &info->sticks);
    qemuDomainObjExitMonitor(vm);

    if (rc == 0 && virDomainObjIsActive(vm))
        return g_steal_pointer(&info);

    VIR_WARN("no statistics of the hyperv balloon of domain '%s': %s",
             vm->def->name, virGetLastErrorMessage());
    virResetLastError();
    return NULL;
}


qemuMonitorHvBalloonInfo *
qemuHvBalloonQueryStats(virDomainObj *vm,
                        bool live,
                        unsigned long long *current)
{
    qemuDomainObjPrivate *priv = vm->privateData;
    qemuMonitorHvBalloonInfo *info;

    if (!live ||
        !virDomainObjIsActive(vm) ||
        !virDomainDefHasHypervMemballoon(vm->def) ||
        !virQEMUCapsGet(priv->qemuCaps, QEMU_CAPS_DEVICE_MEM_HAPROT) ||
        !(info = qemuHvBalloonStatsQuery(vm)))
        return NULL;

    *current = qemuHvBalloonActual(vm, info->actual);
    return info;
}


/* What a setmem would be planned with now; false if QEMU has to be asked for
 * that. */
static bool
qemuHvBalloonStatsInput(qemuHvBalloonPlanInput *in,
                        virDomainObj *vm,
                        const qemuMonitorHvBalloonInfo *info)
{
    virQEMUDriver *driver = QEMU_DOMAIN_PRIVATE(vm)->driver;

    if (!virDomainObjIsActive(vm))
        qemuHvBalloonInputStored(in, driver, vm, vm->def);
    else if (qemuHvBalloonRunsOnFixed(vm))
        qemuHvBalloonInputFixed(in, driver, vm);
    else if (info)
        qemuHvBalloonInputLive(in, driver, vm, info, info->sticks);
    else
        return false;

    return true;
}


/* All that the planner is told but the sticks, which have fields of their own. */
static void
qemuHvBalloonStatsAddPlan(qemuHvBalloonPlanInput *in,
                          virTypedParamList *params)
{
    const guint64 *number;
    const char *name;
    size_t i;

    for (i = 0; (number = qemuHvBalloonPlanNumber(in, i, &name)); i++) {
        if (*number != QEMU_HVBALLOON_UNLIMITED)
            virTypedParamListAddULLong(params, *number, "%s%s",
                                       QEMU_HVBALLOON_STATS_PLAN, name);
    }

    virTypedParamListAddBoolean(params, in->costly, "%s",
                                QEMU_HVBALLOON_STATS_PLAN_COSTLY);
}


void
qemuHvBalloonAddStats(virDomainObj *vm,
                      const qemuMonitorHvBalloonInfo *info,
                      virTypedParamList *params)
{
    g_auto(qemuHvBalloonPlanInput) in = { 0 };

    if (!virDomainDefHasHypervMemballoon(vm->def))
        return;

    if (vm->def->memballoon->requested)
        virTypedParamListAddULLong(params, vm->def->memballoon->requested, "%s",
                                   QEMU_HVBALLOON_STATS_REQUESTED);
    virTypedParamListAddULLong(params, virDomainDefGetMemoryInitial(vm->def), "%s",
                               QEMU_HVBALLOON_STATS_BOOT);

    if (qemuHvBalloonStatsInput(&in, vm, info))
        qemuHvBalloonStatsAddPlan(&in, params);

    if (info) {
        qemuHvBalloonStatsAddInfo(info, params);
        qemuHvBalloonStatsAddSticks(&in, info->sticks, params);
    } else {
        qemuHvBalloonStatsAddDefinedSticks(vm->def, params);
    }
}
