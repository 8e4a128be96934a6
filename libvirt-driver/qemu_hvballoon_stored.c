/*
 * qemu_hvballoon_stored.c: setmem and setmaxmem of a stored definition
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * No guest uses these sticks, so the driver's own ones are merged into one, and
 * shrink before boot memory does.
 */

#include <config.h>

#include "qemu_hvballoon_stored.h"
#include "qemu_hvballoon_conf.h"
#include "qemu_hvballoon_input.h"
#include "qemu_hvballoon_plan.h"
#include "qemu_hvballoon_text.h"

#include "virerror.h"

#define VIR_FROM_THIS VIR_FROM_QEMU


/* Returns the total size of the driver's sticks of @def. Drops addresses from
 * the last run: boot memory may be there now. */
static guint64
qemuHvBalloonOwnSticks(virDomainDef *def)
{
    guint64 sum = 0;
    size_t i;

    for (i = 0; i < def->nmems; i++) {
        virDomainMemoryDef *mem = def->mems[i];

        if (!qemuHvBalloonStickIsDriverOwned(mem))
            continue;

        mem->target.haprot.address = 0;
        sum += mem->size;
    }

    return sum;
}


/* Removes all of the driver's sticks but the first, which is returned, or NULL. */
static virDomainMemoryDef *
qemuHvBalloonKeepOneStick(virDomainDef *def)
{
    size_t first = 0;
    size_t i;

    while (first < def->nmems && !qemuHvBalloonStickIsDriverOwned(def->mems[first]))
        first++;

    for (i = def->nmems; i > first + 1; i--) {
        if (qemuHvBalloonStickIsDriverOwned(def->mems[i - 1]))
            virDomainMemoryDefFree(virDomainMemoryRemove(def, i - 1));
    }

    return first < def->nmems ? def->mems[first] : NULL;
}


/* Replaces the driver's sticks of @before KiB in total by one of @size KiB,
 * unless the size is the same. */
static int
qemuHvBalloonSetStoredStick(virDomainDef *def,
                            guint64 before,
                            guint64 size)
{
    const char *alias = QEMU_HVBALLOON_DRIVER_ALIAS "0";
    g_autoptr(virDomainMemoryDef) new = NULL;
    virDomainMemoryDef *stick;

    if (size == before)
        return 0;

    stick = qemuHvBalloonKeepOneStick(def);

    if (stick && size > 0) {
        virDomainDefSetMemoryTotal(def, virDomainDefGetMemoryTotal(def) - stick->size + size);
        stick->size = size;
        return 0;
    }

    if (stick) {
        int idx = virDomainMemoryFindByDef(def, stick);

        virDomainMemoryDefFree(virDomainMemoryRemove(def, idx));
        return 0;
    }

    if (qemuHvBalloonAliasIsUsed(def, alias)) {
        virReportError(VIR_ERR_OPERATION_INVALID,
                       _("a stick cannot be added to the stored definition as '%1$s', another device has that name: change its <alias>"),
                       alias);
        return -1;
    }

    new = qemuHvBalloonStickNew(def, alias, size);
    if (virDomainMemoryInsert(def, new) < 0)
        return -1;
    new = NULL;
    return 0;
}


static int
qemuHvBalloonSetTargetStored(virDomainDef *def,
                             const qemuHvBalloonPlanInput *in,
                             guint64 own,
                             unsigned long long target)
{
    qemuHvBalloonRefusal refusal;
    guint64 size = own;

    if (!qemuHvBalloonPlanConfig(in, target, &size, &refusal)) {
        qemuHvBalloonReportRefusal(&refusal, in);
        return -1;
    }

    if (qemuHvBalloonSetStoredStick(def, own, size) < 0)
        return -1;

    def->mem.cur_balloon = target;
    return 0;
}


static int
qemuHvBalloonSetTotalStored(virDomainDef *def,
                            const qemuHvBalloonPlanInput *in,
                            guint64 own,
                            unsigned long long total)
{
    qemuHvBalloonRefusal refusal;
    guint64 size = own;
    guint64 boot;

    if (!qemuHvBalloonPlanConfigTotal(in, total, &boot, &size, &refusal)) {
        qemuHvBalloonReportRefusal(&refusal, in);
        return -1;
    }

    if (boot != in->boot && virDomainNumaGetNodeCount(def->numa) > 0) {
        virReportError(VIR_ERR_OPERATION_INVALID,
                       _("maximum memory %1$llu KiB would change boot memory from %2$llu KiB to %3$llu KiB, which is the sum of the NUMA cells: change <cell memory=> in the definition, or let setmem add a stick"),
                       total, (unsigned long long)in->boot, (unsigned long long)boot);
        return -1;
    }

    if (qemuHvBalloonSetStoredStick(def, own, size) < 0)
        return -1;

    virDomainDefSetMemoryTotal(def, total);
    def->mem.cur_balloon = MIN(def->mem.cur_balloon, total);
    return 0;
}


/* Does @def have the same sticks as @old? Addresses of the driver's sticks do not
 * count. */
static bool
qemuHvBalloonSticksAreAsBefore(const virDomainDef *old,
                               const virDomainDef *def)
{
    size_t i;

    if (old->nmems != def->nmems)
        return false;

    for (i = 0; i < def->nmems; i++) {
        const virDomainMemoryDef *mem = def->mems[i];
        const virDomainMemoryDef *before = qemuHvBalloonFindStick(old, mem->info.alias);

        if (!before || before->size != mem->size)
            return false;

        if (!qemuHvBalloonStickIsDriverOwned(mem) &&
            before->target.haprot.address != mem->target.haprot.address)
            return false;
    }

    return true;
}


/* If @def has less boot memory than @old, shrinks the driver's sticks instead. */
static void
qemuHvBalloonKeepBoot(virQEMUDriver *driver,
                      const virDomainDef *old,
                      virDomainDef *def)
{
    unsigned long long total = virDomainDefGetMemoryTotal(def);
    qemuHvBalloonPlanStick others = { 0 };
    qemuHvBalloonPlanInput in = { .sticks = &others, .nsticks = 1 };
    qemuHvBalloonRefusal refusal;
    guint64 before;
    guint64 own;
    guint64 boot;

    if (!virDomainDefHasHypervMemballoon(old) ||
        !virDomainDefHasHypervMemballoon(def) ||
        virDomainNumaGetNodeCount(def->numa) > 0 ||
        virDomainDefGetMemoryInitial(def) >= virDomainDefGetMemoryInitial(old))
        return;

    before = own = qemuHvBalloonOwnSticks(def);
    in.granule = qemuHvBalloonStoredGranule(driver, def);
    in.boot = virDomainDefGetMemoryInitial(old);
    others.size = total - virDomainDefGetMemoryInitial(def) - own;

    if (!qemuHvBalloonPlanConfigTotal(&in, total, &boot, &own, &refusal) ||
        qemuHvBalloonSetStoredStick(def, before, own) < 0)
        return;

    virDomainDefSetMemoryTotal(def, total);
}


/**
 * qemuHvBalloonRedefined:
 * @old: the previous stored definition of @vm, or NULL
 *
 * If the new stored definition is @old, or that of the running domain, with only
 * a lower <memory>, the driver's sticks shrink before boot memory does, as in
 * setmaxmem --config.
 */
void
qemuHvBalloonRedefined(virQEMUDriver *driver,
                       virDomainObj *vm,
                       const virDomainDef *old)
{
    virDomainDef *def = vm->newDef ? vm->newDef : vm->def;

    /* Some clients edit the XML of the running domain, which may have more boot
     * memory than the stored definition. */
    if (old && qemuHvBalloonSticksAreAsBefore(old, def))
        qemuHvBalloonKeepBoot(driver, old, def);
    else if (vm->newDef && qemuHvBalloonSticksAreAsBefore(vm->def, def))
        qemuHvBalloonKeepBoot(driver, vm->def, def);
}


/**
 * qemuHvBalloonSetStored:
 * @def: copy of the stored definition of @vm
 * @newmem: in KiB
 * @flags: with VIR_DOMAIN_MEM_MAXIMUM @newmem is the total, else what the guest
 *         starts with
 *
 * virDomainSetMemoryFlags for @def.
 *
 * Returns 0, or -1 with an error reported; @def is not valid then.
 */
int
qemuHvBalloonSetStored(virQEMUDriver *driver,
                       virDomainObj *vm,
                       virDomainDef *def,
                       unsigned long long newmem,
                       unsigned int flags)
{
    g_auto(qemuHvBalloonPlanInput) in = { 0 };
    guint64 own = qemuHvBalloonOwnSticks(def);
    size_t i;
    int rc;

    qemuHvBalloonInputStored(&in, driver, vm, def);

    if (flags & VIR_DOMAIN_MEM_MAXIMUM)
        rc = qemuHvBalloonSetTotalStored(def, &in, own, newmem);
    else
        rc = qemuHvBalloonSetTargetStored(def, &in, own, newmem);

    /* better refused now than when the domain starts */
    for (i = 0; rc == 0 && i < def->nmems; i++)
        rc = qemuHvBalloonValidateStick(def->mems[i], def);

    return rc;
}
