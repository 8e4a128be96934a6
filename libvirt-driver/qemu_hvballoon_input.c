/*
 * qemu_hvballoon_input.c: what the planner is told of a domain
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <config.h>

#include "qemu_hvballoon_input.h"
#include "qemu_hvballoon_conf.h"

#include "qemu_command.h"
#include "virutil.h"


void
qemuHvBalloonInputClear(qemuHvBalloonPlanInput *in)
{
    g_free((void *)in->sticks);
    in->sticks = NULL;
}


/* What <hugepages> says for sticks, which belong to the last cell; NULL if
 * nothing. */
static const virDomainHugePage *
qemuHvBalloonFindHugepage(const virDomainDef *def)
{
    size_t ncells = virDomainNumaGetNodeCount(def->numa);
    const virDomainHugePage *any = NULL;
    size_t i;

    for (i = 0; i < def->mem.nhugepages; i++) {
        const virDomainHugePage *page = &def->mem.hugepages[i];

        if (!page->nodemask)
            any = page;
        else if (ncells > 0 && virBitmapIsBitSet(page->nodemask, ncells - 1))
            return page;
    }

    return any;
}


/* Huge pages that a new stick of @def is made of, in KiB; 0 if none. */
static unsigned long long
qemuHvBalloonHugepageSize(virQEMUDriver *driver,
                          const virDomainDef *def)
{
    g_autoptr(virQEMUDriverConfig) cfg = virQEMUDriverGetConfig(driver);
    const virDomainHugePage *page = qemuHvBalloonFindHugepage(def);
    unsigned long long size;

    /* asking for the system page size means no huge pages */
    if (!page || page->size == virGetSystemPageSizeKB())
        return 0;

    if (page->size)
        return page->size;

    if (!cfg->nhugetlbfs ||
        qemuBuildMemoryGetDefaultPagesize(cfg, &size) < 0)
        return QEMU_HVBALLOON_STICK_GRANULE;

    return size;
}


/* Does a stick of such huge pages, or 0, cost the host its whole size when it is
 * plugged? */
static bool
qemuHvBalloonIsCostly(virDomainObj *vm,
                      const virDomainDef *def,
                      unsigned long long hugepage)
{
    qemuDomainObjPrivate *priv = vm->privateData;

    return hugepage > 0 ||
        def->mem.allocation == VIR_DOMAIN_MEMORY_ALLOCATION_IMMEDIATE ||
        priv->memPrealloc ||
        def->mem.locked ||
        qemuDomainNeedsVFIO(def) ||
        qemuDomainGetNumVDPADevices(def) > 0;
}


static void
qemuHvBalloonInputInit(qemuHvBalloonPlanInput *in,
                       virQEMUDriver *driver,
                       virDomainObj *vm,
                       const virDomainDef *def)
{
    unsigned long long hugepage = qemuHvBalloonHugepageSize(driver, def);

    in->boot = virDomainDefGetMemoryInitial(def);
    in->maxMemory = def->mem.max_memory;
    in->minimum = def->memballoon->minimum;
    in->granule = MAX(hugepage, QEMU_HVBALLOON_STICK_GRANULE);
    in->alignment = QEMU_HVBALLOON_GUEST_ALIGNMENT;
    in->freeSlots = QEMU_HVBALLOON_UNLIMITED;
    in->freeSpace = QEMU_HVBALLOON_UNLIMITED;
    in->costly = qemuHvBalloonIsCostly(vm, def, hugepage);
}


/**
 * qemuHvBalloonInputLive:
 * @info: what QEMU says of the balloon
 * @sticks: what QEMU says of its sticks (qemuMonitorHvBalloonStick), whose names
 *          @in refers to
 *
 * For a domain that runs on a QEMU with sticks.
 */
void
qemuHvBalloonInputLive(qemuHvBalloonPlanInput *in,
                       virQEMUDriver *driver,
                       virDomainObj *vm,
                       const qemuMonitorHvBalloonInfo *info,
                       const GPtrArray *sticks)
{
    qemuDomainObjPrivate *priv = vm->privateData;
    qemuHvBalloonPlanStick *plan = g_new0(qemuHvBalloonPlanStick, sticks->len);
    size_t i;

    qemuHvBalloonInputInit(in, driver, vm, vm->def);
    in->keepTotal = priv->hvBalloonKeepTotal;
    in->deviceTarget = info->target;
    in->freeSlots = info->freeSlots;
    if (info->alignment)
        in->alignment = info->alignment;

    for (i = 0; i < sticks->len; i++) {
        const qemuMonitorHvBalloonStick *stick = g_ptr_array_index(sticks, i);
        const virDomainMemoryDef *mem = qemuHvBalloonFindStick(vm->def, stick->id);

        plan[i].alias = stick->id;
        plan[i].size = stick->size;
        plan[i].state = stick->state;
        plan[i].byDriver = mem && qemuHvBalloonStickIsDriverOwned(mem);
    }

    in->sticks = plan;
    in->nsticks = sticks->len;
    in->freeSpace = qemuMonitorHvBalloonFreeSpace(info, sticks, in->granule);
}


static void
qemuHvBalloonInputConfig(qemuHvBalloonPlanInput *in,
                         virQEMUDriver *driver,
                         virDomainObj *vm,
                         const virDomainDef *def,
                         bool own)
{
    qemuHvBalloonPlanStick *sticks = g_new0(qemuHvBalloonPlanStick, def->nmems + 1);
    size_t i;

    qemuHvBalloonInputInit(in, driver, vm, def);

    for (i = 0; i < def->nmems; i++) {
        if (!own && qemuHvBalloonStickIsDriverOwned(def->mems[i]))
            continue;

        sticks[in->nsticks].alias = def->mems[i]->info.alias;
        sticks[in->nsticks].size = def->mems[i]->size;
        in->nsticks++;
    }

    in->sticks = sticks;
}


/**
 * qemuHvBalloonInputFixed:
 *
 * For a domain that runs on a QEMU without sticks: the definition says all that
 * there is.
 */
void
qemuHvBalloonInputFixed(qemuHvBalloonPlanInput *in,
                        virQEMUDriver *driver,
                        virDomainObj *vm)
{
    qemuHvBalloonInputConfig(in, driver, vm, vm->def, true);
}


/**
 * qemuHvBalloonStoredGranule:
 *
 * What the size of the driver's stick in the stored definition @def must be a
 * multiple of, in KiB. One that was made of larger pages than a new one would be
 * keeps them.
 */
guint64
qemuHvBalloonStoredGranule(virQEMUDriver *driver,
                           const virDomainDef *def)
{
    guint64 granule = MAX(qemuHvBalloonHugepageSize(driver, def), QEMU_HVBALLOON_STICK_GRANULE);
    size_t i;

    for (i = 0; i < def->nmems; i++) {
        if (qemuHvBalloonStickIsDriverOwned(def->mems[i]))
            granule = MAX(granule, def->mems[i]->source.haprot.pagesize);
    }

    return granule;
}


/**
 * qemuHvBalloonInputStored:
 *
 * For the stored definition @def of @vm. The driver's own sticks are not among
 * those of @in: what they have together is what the planner is to find out.
 */
void
qemuHvBalloonInputStored(qemuHvBalloonPlanInput *in,
                         virQEMUDriver *driver,
                         virDomainObj *vm,
                         const virDomainDef *def)
{
    qemuHvBalloonInputConfig(in, driver, vm, def, false);
    in->granule = qemuHvBalloonStoredGranule(driver, def);
}
