/*
 * qemu_hvballoon.c: keeps the memory of a domain with a hyperv balloon at
 *                   what was asked for
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <config.h>

#include "qemu_hvballoon.h"
#include "qemu_hvballoon_conf.h"
#include "qemu_hvballoon_monitor.h"
#include "qemu_hvballoon_plan.h"

#include "domain_audit.h"
#include "domain_event.h"
#include "qemu_alias.h"
#include "qemu_capabilities.h"
#include "qemu_command.h"
#include "qemu_hotplug.h"
#include "qemu_process.h"
#include "virerror.h"
#include "virevent.h"
#include "virfile.h"
#include "virlog.h"
#include "virutil.h"

#define VIR_FROM_THIS VIR_FROM_QEMU

VIR_LOG_INIT("qemu.qemu_hvballoon");

/* Another job has the domain: try again after this many milliseconds. */
#define QEMU_HVBALLOON_RETRY_MS 1000

/* A guest that stays short of its target on a QEMU without sticks is told of it
 * again after at most this many looks. */
#define QEMU_HVBALLOON_UNMOVED_MAX 64

#define QEMU_HVBALLOON_BACKEND_PREFIX "mem"

/* The device's target is a number of pages, of this many KiB. */
#define QEMU_HVBALLOON_PAGE 4


/*
 * What QEMU has
 */

typedef struct _qemuHvBalloonView qemuHvBalloonView;
struct _qemuHvBalloonView {
    GPtrArray *sticks;                  /* qemuMonitorHvBalloonStick */
    GHashTable *backends;               /* name -> type */
    qemuMonitorHvBalloonInfo *info;
};


static void
qemuHvBalloonViewFree(qemuHvBalloonView *view)
{
    if (!view)
        return;

    g_clear_pointer(&view->sticks, g_ptr_array_unref);
    g_clear_pointer(&view->backends, g_hash_table_unref);
    qemuMonitorHvBalloonInfoFree(view->info);
    g_free(view);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(qemuHvBalloonView, qemuHvBalloonViewFree);


static qemuHvBalloonView *
qemuHvBalloonLook(virDomainObj *vm)
{
    g_autoptr(qemuHvBalloonView) view = g_new0(qemuHvBalloonView, 1);
    qemuMonitor *mon = qemuDomainGetMonitor(vm);
    int rc;

    qemuDomainObjEnterMonitor(vm);
    if ((rc = qemuMonitorGetHvBalloonSticks(mon, &view->sticks)) == 0 &&
        (rc = qemuMonitorGetMemoryBackends(mon, &view->backends)) == 0)
        rc = qemuMonitorGetHvBalloonInfo(mon, &view->info);
    qemuDomainObjExitMonitor(vm);

    if (rc < 0 || virDomainObjCheckActive(vm) < 0)
        return NULL;

    return g_steal_pointer(&view);
}


static qemuMonitorHvBalloonStick *
qemuHvBalloonViewFind(const qemuHvBalloonView *view,
                      const char *alias)
{
    size_t i;

    for (i = 0; alias && i < view->sticks->len; i++) {
        qemuMonitorHvBalloonStick *stick = g_ptr_array_index(view->sticks, i);

        if (STREQ_NULLABLE(stick->id, alias))
            return stick;
    }

    return NULL;
}


static bool
qemuHvBalloonViewUsesBackend(const qemuHvBalloonView *view,
                             const char *backend)
{
    size_t i;

    for (i = 0; i < view->sticks->len; i++) {
        qemuMonitorHvBalloonStick *stick = g_ptr_array_index(view->sticks, i);

        if (STREQ(stick->memdev, backend))
            return true;
    }

    return false;
}


/*
 * What the definition has
 */

static virDomainMemoryDef *
qemuHvBalloonDefFind(const virDomainDef *def,
                     const char *alias)
{
    size_t i;

    for (i = 0; alias && i < def->nmems; i++) {
        if (STREQ_NULLABLE(def->mems[i]->info.alias, alias))
            return def->mems[i];
    }

    return NULL;
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


/* Huge pages a new stick is made of; 0 if none. In KiB. */
static unsigned long long
qemuHvBalloonHugepageSize(virQEMUDriver *driver,
                          const virDomainDef *def)
{
    g_autoptr(virQEMUDriverConfig) cfg = virQEMUDriverGetConfig(driver);
    const virDomainHugePage *page = qemuHvBalloonFindHugepage(def);
    virHugeTLBFS *fs;

    /* asking for pages of the usual size is a way to have no huge ones */
    if (!page || page->size == virGetSystemPageSizeKB())
        return 0;

    if (page->size)
        return page->size;

    fs = virFileGetDefaultHugepage(cfg->hugetlbfs, cfg->nhugetlbfs);
    return fs ? fs->size : QEMU_HVBALLOON_STICK_GRANULE;
}


/* Does a stick cost the host its whole size when it is plugged? */
static bool
qemuHvBalloonIsCostly(virQEMUDriver *driver,
                      virDomainObj *vm,
                      const virDomainDef *def)
{
    qemuDomainObjPrivate *priv = vm->privateData;

    return qemuHvBalloonHugepageSize(driver, def) > 0 ||
        def->mem.allocation == VIR_DOMAIN_MEMORY_ALLOCATION_IMMEDIATE ||
        priv->memPrealloc ||
        def->mem.locked ||
        qemuDomainNeedsVFIO(def);
}


/* As the device counts: the least that can be asked for is one page. */
static unsigned long long
qemuHvBalloonPages(unsigned long long size)
{
    return MAX(size / QEMU_HVBALLOON_PAGE, 1);
}


static unsigned long long
qemuHvBalloonRequested(const virDomainObj *vm)
{
    return vm->def->memballoon->requested;
}


/*
 * What the planner wants to know
 */

static void
qemuHvBalloonInputClear(qemuHvBalloonPlanInput *in)
{
    g_free((void *)in->sticks);
    in->sticks = NULL;
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(qemuHvBalloonPlanInput, qemuHvBalloonInputClear);


static void
qemuHvBalloonInputInit(qemuHvBalloonPlanInput *in,
                       virQEMUDriver *driver,
                       virDomainObj *vm,
                       const virDomainDef *def)
{
    in->boot = virDomainDefGetMemoryInitial(def);
    in->maxMemory = def->mem.max_memory;
    in->minimum = def->memballoon->minimum;
    in->granule = qemuHvBalloonHugepageSize(driver, def);
    in->alignment = QEMU_HVBALLOON_GUEST_ALIGNMENT;
    in->freeSlots = QEMU_HVBALLOON_UNLIMITED;
    in->freeSpace = QEMU_HVBALLOON_UNLIMITED;
    in->costly = qemuHvBalloonIsCostly(driver, vm, def);
}


/* The address space that QEMU has for sticks, less those that are there. Where
 * they lie, and so the holes, is up to QEMU. */
static unsigned long long
qemuHvBalloonFreeSpace(const virDomainDef *def,
                       const qemuHvBalloonPlanInput *in)
{
    unsigned long long space = qemuHvBalloonMaxmem(def);

    return space - MIN(space, qemuHvBalloonPlanTotal(in));
}


static void
qemuHvBalloonInputLive(qemuHvBalloonPlanInput *in,
                       virQEMUDriver *driver,
                       virDomainObj *vm,
                       const qemuHvBalloonView *view)
{
    qemuDomainObjPrivate *priv = vm->privateData;
    qemuHvBalloonPlanStick *sticks = g_new0(qemuHvBalloonPlanStick, view->sticks->len);
    size_t i;

    qemuHvBalloonInputInit(in, driver, vm, vm->def);
    in->keepTotal = priv->hvBalloonKeepTotal;
    in->freeSlots = view->info->freeSlots;
    if (view->info->alignment)
        in->alignment = view->info->alignment;

    for (i = 0; i < view->sticks->len; i++) {
        const qemuMonitorHvBalloonStick *stick = g_ptr_array_index(view->sticks, i);
        const virDomainMemoryDef *mem = qemuHvBalloonDefFind(vm->def, stick->id);

        sticks[i].alias = stick->id;
        sticks[i].size = stick->size;
        sticks[i].state = stick->state;
        sticks[i].byDriver = mem && qemuHvBalloonStickIsDriverOwned(mem);
    }

    in->sticks = sticks;
    in->nsticks = view->sticks->len;
    in->freeSpace = qemuHvBalloonFreeSpace(vm->def, in);
}


/* The sticks of @def; @own: those of the driver's too. */
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


/*
 * Steps
 */

static virDomainMemoryDef *
qemuHvBalloonStickNew(const virDomainDef *def,
                      const char *alias,
                      unsigned long long size)
{
    virDomainMemoryDef *mem = virDomainMemoryDefNew(VIR_DOMAIN_MEMORY_MODEL_HAPROT);

    mem->size = size;
    mem->target.haprot.insert = VIR_DOMAIN_MEMORY_INSERT_MODE_ON_DEMAND;
    mem->info.alias = g_strdup(alias);
    qemuHvBalloonStickPostParse(mem, def, 0);

    return mem;
}


static int
qemuHvBalloonPlug(virQEMUDriver *driver,
                  virDomainObj *vm,
                  unsigned long long size)
{
    /* the name shall be free after the next start too */
    g_autofree char *alias = qemuHvBalloonFreeAlias(vm->def, vm->newDef,
                                                    QEMU_HVBALLOON_DRIVER_ALIAS);

    return qemuDomainAttachMemory(driver, vm, qemuHvBalloonStickNew(vm->def, alias, size));
}


/* The share on top of what is missing is only a convenience: where QEMU has no
 * room for it, a hole between other sticks may do. */
static int
qemuHvBalloonPlugAsPlanned(virQEMUDriver *driver,
                           virDomainObj *vm,
                           const qemuHvBalloonStep *step)
{
    if (qemuHvBalloonPlug(driver, vm, step->size) == 0)
        return 0;

    if (step->least >= step->size || !virDomainObjIsActive(vm))
        return -1;

    VIR_INFO("domain '%s': a stick of %llu KiB does not fit (%s), trying %llu KiB",
             vm->def->name, (unsigned long long)step->size,
             virGetLastErrorMessage(), (unsigned long long)step->least);
    virResetLastError();

    return qemuHvBalloonPlug(driver, vm, step->least);
}


static int
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


/* Best effort: a stick that stays is looked at again at the next occasion. */
static void
qemuHvBalloonUnplug(virQEMUDriver *driver,
                    virDomainObj *vm,
                    const char *alias)
{
    virDomainMemoryDef *mem = qemuHvBalloonDefFind(vm->def, alias);

    if (!mem || qemuDomainDetachMemoryNoWait(driver, vm, mem) >= 0)
        return;

    VIR_WARN("domain '%s': stick '%s' stays: %s",
             vm->def->name, alias, virGetLastErrorMessage());
    virResetLastError();
}


static int
qemuHvBalloonDoStep(virQEMUDriver *driver,
                    virDomainObj *vm,
                    const qemuHvBalloonStep *step)
{
    VIR_INFO("domain '%s': %s %llu KiB: %s", vm->def->name,
             step->type == QEMU_HVBALLOON_STEP_PLUG ? "plug" :
             step->type == QEMU_HVBALLOON_STEP_UNPLUG ? step->alias : "balloon",
             (unsigned long long)step->size, step->reason);

    switch (step->type) {
    case QEMU_HVBALLOON_STEP_PLUG:
        return qemuHvBalloonPlugAsPlanned(driver, vm, step);

    case QEMU_HVBALLOON_STEP_BALLOON:
        return qemuHvBalloonSendTarget(vm, step->size);

    case QEMU_HVBALLOON_STEP_UNPLUG:
        /* not after a smaller stick than planned was plugged */
        if (virDomainDefGetMemoryTotal(vm->def) >= qemuHvBalloonRequested(vm) + step->size)
            qemuHvBalloonUnplug(driver, vm, step->alias);
        return virDomainObjCheckActive(vm);
    }

    return 0;
}


/*
 * Definition and QEMU shall agree
 */

/* A stick of the definition that QEMU does not have. One of the driver's is
 * forgotten at once, so that it does not count against <maxMemory>; its
 * backend, should it stay for a moment, is found as an orphan. */
static void
qemuHvBalloonDropVanished(virQEMUDriver *driver,
                          virDomainObj *vm,
                          const qemuHvBalloonView *view,
                          virDomainMemoryDef *mem)
{
    virDomainDeviceDef dev = { .type = VIR_DOMAIN_DEVICE_MEMORY, .data.memory = mem };
    g_autofree char *backend = g_strdup_printf(QEMU_HVBALLOON_BACKEND_PREFIX "%s",
                                               mem->info.alias);
    g_autofree char *alias = g_strdup(mem->info.alias);

    VIR_INFO("domain '%s': stick '%s' is gone", vm->def->name, alias);

    if (g_hash_table_contains(view->backends, backend) &&
        !qemuHvBalloonStickIsDriverOwned(mem)) {
        /* It may still be in use for a moment: then DEVICE_DELETED comes. */
        if (qemuDomainRemoveDevice(driver, vm, &dev) < 0)
            virResetLastError();
        else
            g_hash_table_remove(view->backends, backend);
        return;
    }

    qemuDomainForgetMemoryDevice(driver, vm, mem);
    virObjectEventStateQueue(driver->domainEventState,
                             virDomainEventDeviceRemovedNewFromObj(vm, alias));
}


static void
qemuHvBalloonDropAllVanished(virQEMUDriver *driver,
                             virDomainObj *vm,
                             const qemuHvBalloonView *view)
{
    size_t i;

    for (i = vm->def->nmems; i > 0; i--) {
        virDomainMemoryDef *mem = vm->def->mems[i - 1];

        if (mem->model == VIR_DOMAIN_MEMORY_MODEL_HAPROT &&
            mem->info.alias &&
            !qemuHvBalloonViewFind(view, mem->info.alias))
            qemuHvBalloonDropVanished(driver, vm, view, mem);
    }
}


/* No stick has such a name: neither the driver nor a user could give it. Nor
 * can two have the same. */
static bool
qemuHvBalloonIsStickPossible(const virDomainDef *def,
                             size_t idx)
{
    const virDomainMemoryDef *mem = def->mems[idx];

    return mem->info.alias && !strchr(mem->info.alias, '/') &&
        qemuHvBalloonDefFind(def, mem->info.alias) == mem;
}


/* A status file may have been damaged. What cannot be is taken out without
 * undoing anything for it, since it was not done for it either. */
static void
qemuHvBalloonDropImpossible(virDomainObj *vm)
{
    size_t i;

    for (i = vm->def->nmems; i > 0; i--) {
        virDomainMemoryDef *mem = vm->def->mems[i - 1];

        if (mem->model != VIR_DOMAIN_MEMORY_MODEL_HAPROT ||
            qemuHvBalloonIsStickPossible(vm->def, i - 1))
            continue;

        VIR_WARN("domain '%s': a stick of %llu KiB named '%s' is described that cannot be there, the description is dropped",
                 vm->def->name, mem->size, NULLSTR(mem->info.alias));
        virDomainMemoryDefFree(virDomainMemoryRemove(vm->def, i - 1));
    }
}


/* A backend that this file made for a stick that does not exist. */
static bool
qemuHvBalloonIsOrphan(const virDomainObj *vm,
                      const qemuHvBalloonView *view,
                      const char *backend)
{
    const char *prefix = QEMU_HVBALLOON_BACKEND_PREFIX QEMU_HVBALLOON_DRIVER_ALIAS;
    const char *number = STRSKIP(backend, prefix);

    return number && *number &&
        strspn(number, "0123456789") == strlen(number) &&
        !qemuHvBalloonViewUsesBackend(view, backend) &&
        !qemuHvBalloonDefFind(vm->def, backend + strlen(QEMU_HVBALLOON_BACKEND_PREFIX));
}


static void
qemuHvBalloonDropOrphans(virDomainObj *vm,
                         const qemuHvBalloonView *view)
{
    GHashTableIter iter;
    void *backend;
    int rc;

    g_hash_table_iter_init(&iter, view->backends);
    while (g_hash_table_iter_next(&iter, &backend, NULL)) {
        if (!qemuHvBalloonIsOrphan(vm, view, backend))
            continue;

        VIR_INFO("domain '%s': backend '%s' has no stick", vm->def->name, (char *)backend);
        qemuDomainObjEnterMonitor(vm);
        rc = qemuMonitorDelObject(qemuDomainGetMonitor(vm), backend, false);
        qemuDomainObjExitMonitor(vm);

        if (rc < 0)
            VIR_DEBUG("backend '%s' stays for now", (char *)backend);
    }
}


/* Would the definition's own description of @mem give a backend of @type? */
static bool
qemuHvBalloonIsBackendType(virQEMUDriver *driver,
                           virDomainObj *vm,
                           const virDomainMemoryDef *mem,
                           const char *backend,
                           const char *type)
{
    g_autoptr(virQEMUDriverConfig) cfg = virQEMUDriverGetConfig(driver);
    g_autoptr(virJSONValue) props = NULL;

    if (qemuBuildMemoryBackendProps(&props, backend, cfg, vm->privateData,
                                    vm->def, mem, true, false, NULL) < 0) {
        virResetLastError();
        return false;
    }

    return STREQ_NULLABLE(virJSONValueObjectGetString(props, "qom-type"), type);
}


/* What <maxMemory> leaves beside @total. */
static unsigned long long
qemuHvBalloonRoomFor(const virDomainDef *def,
                     unsigned long long total)
{
    return def->mem.max_memory - MIN(def->mem.max_memory, total);
}


/* A description of @stick, or NULL if the XML has none for it. */
static virDomainMemoryDef *
qemuHvBalloonDescribe(virQEMUDriver *driver,
                      virDomainObj *vm,
                      const qemuHvBalloonView *view,
                      const qemuMonitorHvBalloonStick *stick)
{
    g_autoptr(virDomainMemoryDef) mem = NULL;
    g_autofree char *backend = NULL;
    const char *type = g_hash_table_lookup(view->backends, stick->memdev);

    if (!stick->id || !type ||
        !virDomainDeviceAliasIsUserAlias(stick->id) ||
        stick->size % QEMU_HVBALLOON_STICK_GRANULE ||
        stick->size > qemuHvBalloonRoomFor(vm->def, virDomainDefGetMemoryTotal(vm->def)))
        return NULL;

    backend = g_strdup_printf(QEMU_HVBALLOON_BACKEND_PREFIX "%s", stick->id);
    if (STRNEQ(backend, stick->memdev))
        return NULL;

    mem = qemuHvBalloonStickNew(vm->def, stick->id, stick->size);
    mem->target.haprot.address = stick->address;
    if (!stick->onDemand)
        mem->target.haprot.insert = VIR_DOMAIN_MEMORY_INSERT_MODE_NOW;

    if (!qemuHvBalloonIsBackendType(driver, vm, mem, backend, type))
        return NULL;

    return g_steal_pointer(&mem);
}


static void
qemuHvBalloonAdopt(virQEMUDriver *driver,
                   virDomainObj *vm,
                   const qemuHvBalloonView *view,
                   const qemuMonitorHvBalloonStick *stick)
{
    unsigned long long oldmem = virDomainDefGetMemoryTotal(vm->def);
    g_autoptr(virDomainMemoryDef) mem = qemuHvBalloonDescribe(driver, vm, view, stick);
    virDomainMemoryDef *added = mem;

    if (!mem || virDomainMemoryInsert(vm->def, mem) < 0) {
        VIR_WARN("domain '%s': stick '%s' of %llu KiB is not described in the XML and is left alone",
                 vm->def->name, NULLSTR(stick->id), stick->size);
        return;
    }
    mem = NULL;

    VIR_INFO("domain '%s': stick '%s' of %llu KiB adopted",
             vm->def->name, stick->id, stick->size);
    ignore_value(qemuDomainAdjustMaxMemLock(vm));
    virDomainAuditMemory(vm, oldmem, virDomainDefGetMemoryTotal(vm->def), "update", true);
    qemuHvBalloonStickPlugged(vm, added);
    /* of what the guest has, the stick's part did not count before */
    ignore_value(qemuProcessRefreshBalloonState(vm, VIR_ASYNC_JOB_NONE));
    virObjectEventStateQueue(driver->domainEventState,
                             virDomainEventDeviceAddedNewFromObj(vm, stick->id));
}


/* @mem is described: as QEMU has it? */
static void
qemuHvBalloonCorrect(virDomainObj *vm,
                     virDomainMemoryDef *mem,
                     const qemuMonitorHvBalloonStick *stick)
{
    unsigned long long others = virDomainDefGetMemoryTotal(vm->def) - mem->size;

    mem->target.haprot.address = stick->address;
    mem->target.haprot.insert = stick->onDemand ?
        VIR_DOMAIN_MEMORY_INSERT_MODE_ON_DEMAND : VIR_DOMAIN_MEMORY_INSERT_MODE_NOW;

    if (mem->size == stick->size)
        return;

    VIR_WARN("domain '%s': stick '%s' was described with %llu KiB, QEMU has %llu KiB",
             vm->def->name, stick->id, mem->size, stick->size);
    if (stick->size > qemuHvBalloonRoomFor(vm->def, others))
        return;

    mem->size = stick->size;
    virDomainDefSetMemoryTotal(vm->def, others + stick->size);
}


static void
qemuHvBalloonAdoptAll(virQEMUDriver *driver,
                      virDomainObj *vm,
                      const qemuHvBalloonView *view)
{
    size_t i;

    for (i = 0; i < view->sticks->len; i++) {
        const qemuMonitorHvBalloonStick *stick = g_ptr_array_index(view->sticks, i);
        virDomainMemoryDef *mem = qemuHvBalloonDefFind(vm->def, stick->id);

        if (mem && mem->model == VIR_DOMAIN_MEMORY_MODEL_HAPROT)
            qemuHvBalloonCorrect(vm, mem, stick);
        else
            qemuHvBalloonAdopt(driver, vm, view, stick);
    }
}


/* A stick that is gone takes its part of @wish along, unless it is back by
 * another name. But a new daemon cannot tell one that went from one that was
 * on its way when the old one died: then @wish stands. */
static void
qemuHvBalloonKeepWish(virDomainObj *vm,
                      unsigned long long wish,
                      bool newDaemon)
{
    virDomainMemballoonDef *balloon = vm->def->memballoon;

    if (!newDaemon)
        wish = MIN(wish, virDomainDefGetMemoryTotal(vm->def));
    balloon->requested = MAX(balloon->requested, wish);
}


/* Makes the definition say what QEMU has and returns that, or NULL with an
 * error reported. */
static qemuHvBalloonView *
qemuHvBalloonSync(virQEMUDriver *driver,
                  virDomainObj *vm,
                  bool newDaemon)
{
    g_autoptr(qemuHvBalloonView) view = qemuHvBalloonLook(vm);
    unsigned long long wish = qemuHvBalloonRequested(vm);

    if (!view)
        return NULL;

    qemuHvBalloonDropImpossible(vm);
    qemuHvBalloonDropAllVanished(driver, vm, view);
    qemuHvBalloonAdoptAll(driver, vm, view);
    qemuHvBalloonKeepWish(vm, wish, newDaemon);
    qemuHvBalloonDropOrphans(vm, view);

    if (virDomainObjCheckActive(vm) < 0)
        return NULL;

    return g_steal_pointer(&view);
}


static bool
qemuHvBalloonIsManaged(virDomainObj *vm)
{
    return virDomainObjIsActive(vm) &&
        virDomainDefHasHypervMemballoon(vm->def);
}


/*
 * When to reconcile
 */

void
qemuHvBalloonScheduleReconcile(virDomainObj *vm)
{
    qemuDomainObjPrivate *priv = vm->privateData;

    /* Once is enough: what happened is only looked up when it is processed. */
    if (priv->hvBalloonPending || !qemuHvBalloonIsManaged(vm))
        return;

    priv->hvBalloonPending = true;
    qemuProcessEventSubmit(vm, QEMU_PROCESS_EVENT_HVBALLOON_CHANGE, 0, 0, NULL);
}


static void
qemuHvBalloonRetry(int timer,
                   void *opaque)
{
    virDomainObj *vm = opaque;
    qemuDomainObjPrivate *priv;

    virEventRemoveTimeout(timer);

    virObjectLock(vm);
    priv = vm->privateData;
    priv->hvBalloonPending = false;
    qemuHvBalloonScheduleReconcile(vm);
    virObjectUnlock(vm);
}


/* The worker serves all domains: it shall not wait for the job that has this
 * one, which may be a migration. */
static void
qemuHvBalloonRetryLater(virDomainObj *vm)
{
    qemuDomainObjPrivate *priv = vm->privateData;

    /* What asks for it meanwhile waits for the timer too: two of them, each of
     * which sets the next, would never become one again. */
    priv->hvBalloonPending = true;

    if (virEventAddTimeout(QEMU_HVBALLOON_RETRY_MS, qemuHvBalloonRetry,
                           virObjectRef(vm), virObjectUnref) >= 0)
        return;

    VIR_WARN("cannot set a timer, the memory of domain '%s' is looked at with the next event",
             vm->def->name);
    priv->hvBalloonPending = false;
    virObjectUnref(vm);
}


/*
 * A QEMU without sticks
 */

static bool
qemuHvBalloonRunsOnStock(virDomainObj *vm)
{
    qemuDomainObjPrivate *priv = vm->privateData;

    return qemuHvBalloonIsStock(vm->def, priv->qemuCaps);
}


/* As far as QEMU can tell. */
static bool
qemuHvBalloonIsAtRequested(const virDomainObj *vm)
{
    return qemuHvBalloonPages(vm->def->mem.cur_balloon) ==
           qemuHvBalloonPages(qemuHvBalloonRequested(vm));
}


/* It tells of no change: what the guest has is looked up until it is what was
 * asked for. */
static void
qemuHvBalloonPollStock(virQEMUDriver *driver,
                       virDomainObj *vm)
{
    unsigned long long before = vm->def->mem.cur_balloon;

    if (qemuProcessRefreshBalloonState(vm, VIR_ASYNC_JOB_NONE) < 0) {
        virResetLastError();
        return;
    }

    if (!virDomainObjIsActive(vm))
        return;

    if (vm->def->mem.cur_balloon != before) {
        virObjectEventStateQueue(driver->domainEventState,
                                 virDomainEventBalloonChangeNewFromObj(vm, vm->def->mem.cur_balloon));
        qemuDomainSaveStatus(vm);
    }

    if (!qemuHvBalloonIsAtRequested(vm))
        qemuHvBalloonRetryLater(vm);
}


/* Is it time to say the target again? Not while the guest is on its way. To one
 * that stopped early it is said ever more seldom: it would be hunted for pages
 * that it needs. Where it was found not to have moved for the 1st, 2nd, 4th, 8th
 * … time, and once a minute in the end. */
static bool
qemuHvBalloonSayAgain(virDomainObj *vm,
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


/* After a reset it would leave the guest at what it booted with. */
static void
qemuHvBalloonReconcileStock(virQEMUDriver *driver,
                            virDomainObj *vm)
{
    unsigned long long before = vm->def->mem.cur_balloon;

    qemuHvBalloonPollStock(driver, vm);

    if (virDomainObjIsActive(vm) &&
        qemuHvBalloonRequested(vm) > 0 &&
        qemuHvBalloonSayAgain(vm, before))
        ignore_value(qemuHvBalloonSendTarget(vm, qemuHvBalloonRequested(vm)));
}


/* A new wish, of which it may only be told by being asked. */
static void
qemuHvBalloonWatchStock(virDomainObj *vm)
{
    qemuDomainObjPrivate *priv = vm->privateData;

    if (!qemuHvBalloonRunsOnStock(vm))
        return;

    priv->hvBalloonUnmoved = 0;
    qemuHvBalloonScheduleReconcile(vm);
}


bool
qemuHvBalloonMigrationIsAllowed(virDomainObj *vm)
{
    if (!qemuHvBalloonRunsOnStock(vm))
        return true;

    virReportError(VIR_ERR_OPERATION_INVALID, "%s",
                   _("a domain with a hyperv memory balloon cannot be migrated, saved or snapshotted with its memory by this QEMU: its hv-balloon would lose what the guest has given back"));
    return false;
}


/* Plugging failed: what exists is used nevertheless. Keeps the error. */
static void
qemuHvBalloonSettleForLess(virDomainObj *vm,
                           unsigned long long target)
{
    unsigned long long total = virDomainDefGetMemoryTotal(vm->def);
    virErrorPtr orig;

    virErrorPreserveLast(&orig);

    if (virDomainObjIsActive(vm) && target > 0) {
        vm->def->memballoon->requested = MIN(target, total);
        if (qemuHvBalloonSendTarget(vm, vm->def->memballoon->requested) < 0)
            VIR_WARN("domain '%s' cannot have %llu KiB either: %s",
                     vm->def->name, vm->def->memballoon->requested,
                     virGetLastErrorMessage());
        qemuDomainSaveStatus(vm);
    }

    virErrorRestore(&orig);
}


/* What is left to do of what was asked for. More than there is was asked for
 * only if the daemon died in the middle of it. */
static qemuHvBalloonPlan *
qemuHvBalloonPlanRest(virDomainObj *vm,
                      const qemuHvBalloonPlanInput *in)
{
    unsigned long long total = qemuHvBalloonPlanTotal(in);
    g_autofree char *refusal = NULL;
    qemuHvBalloonPlan *plan;

    if (qemuHvBalloonRequested(vm) > total) {
        if ((plan = qemuHvBalloonPlanSetTarget(in, qemuHvBalloonRequested(vm), &refusal)))
            return plan;

        VIR_WARN("domain '%s': %s", vm->def->name, refusal);
        vm->def->memballoon->requested = total;
    }

    return qemuHvBalloonPlanReconcile(in, qemuHvBalloonRequested(vm));
}


/* What status XML says of wishes need not be what anybody could have asked for. */
static void
qemuHvBalloonCheckWishes(virDomainObj *vm,
                         const qemuHvBalloonView *view)
{
    qemuDomainObjPrivate *priv = vm->privateData;
    virDomainMemballoonDef *balloon = vm->def->memballoon;
    unsigned long long least = MIN(balloon->minimum, virDomainDefGetMemoryTotal(vm->def));
    unsigned long long wish = balloon->requested;

    /* it is what QEMU was told last */
    if (wish == 0)
        wish = MIN(view->info->target, virDomainDefGetMemoryTotal(vm->def));

    if (wish > 0)
        wish = MAX(wish, least);

    if (wish != balloon->requested) {
        VIR_WARN("domain '%s': <requested> of %llu KiB cannot be, taking %llu KiB",
                 vm->def->name, balloon->requested, wish);
        balloon->requested = wish;
    }

    if (priv->hvBalloonKeepTotal > vm->def->mem.max_memory) {
        VIR_WARN("domain '%s': a total of %llu KiB to keep is above <maxMemory> and is ignored",
                 vm->def->name, priv->hvBalloonKeepTotal);
        priv->hvBalloonKeepTotal = 0;
    }
}


static void
qemuHvBalloonReconcileSteps(virQEMUDriver *driver,
                            virDomainObj *vm,
                            const qemuHvBalloonView *view)
{
    g_auto(qemuHvBalloonPlanInput) in = { 0 };
    g_autoptr(qemuHvBalloonPlan) plan = NULL;
    size_t i;

    qemuHvBalloonCheckWishes(vm, view);
    qemuHvBalloonInputLive(&in, driver, vm, view);
    plan = qemuHvBalloonPlanRest(vm, &in);

    for (i = 0; i < plan->nsteps; i++) {
        const qemuHvBalloonStep *step = &plan->steps[i];

        /* repeating it would only make the device start over */
        if (step->type == QEMU_HVBALLOON_STEP_BALLOON &&
            qemuHvBalloonPages(step->size) == qemuHvBalloonPages(view->info->target))
            continue;

        if (qemuHvBalloonDoStep(driver, vm, step) < 0) {
            if (step->type == QEMU_HVBALLOON_STEP_PLUG)
                qemuHvBalloonSettleForLess(vm, qemuHvBalloonRequested(vm));
            return;
        }
    }
}


static void
qemuHvBalloonReconcileAs(virQEMUDriver *driver,
                         virDomainObj *vm,
                         bool newDaemon)
{
    g_autoptr(qemuHvBalloonView) view = NULL;
    virErrorPtr orig;

    if (!qemuHvBalloonIsManaged(vm))
        return;

    /* a worker's last error may be of another event or another domain */
    virErrorPreserveLast(&orig);
    virResetLastError();

    if (qemuHvBalloonRunsOnStock(vm))
        qemuHvBalloonReconcileStock(driver, vm);
    else if ((view = qemuHvBalloonSync(driver, vm, newDaemon)))
        qemuHvBalloonReconcileSteps(driver, vm, view);

    if (virGetLastErrorCode() != VIR_ERR_OK)
        VIR_WARN("reconciling the memory of domain '%s' failed: %s",
                 vm->def->name, virGetLastErrorMessage());
    virResetLastError();

    if (virDomainObjIsActive(vm))
        qemuDomainSaveStatus(vm);

    virErrorRestore(&orig);
}


void
qemuHvBalloonReconcile(virQEMUDriver *driver,
                       virDomainObj *vm)
{
    qemuHvBalloonReconcileAs(driver, vm, false);
}


/*
 * The occasions
 */

void
qemuHvBalloonReconnected(virQEMUDriver *driver,
                         virDomainObj *vm)
{
    qemuHvBalloonReconcileAs(driver, vm, true);
}


void
qemuHvBalloonProcessChange(virQEMUDriver *driver,
                           virDomainObj *vm)
{
    qemuDomainObjPrivate *priv = vm->privateData;

    if (!virDomainObjIsActive(vm)) {
        priv->hvBalloonPending = false;
        return;
    }

    if (virDomainObjBeginJobNowait(vm, VIR_JOB_MODIFY) < 0) {
        qemuHvBalloonRetryLater(vm);
        return;
    }

    /* Events from here on are about what we may not see below. */
    priv->hvBalloonPending = false;
    qemuHvBalloonReconcile(driver, vm);

    virDomainObjEndJob(vm);
}


int
qemuHvBalloonCheckHotplug(virDomainObj *vm,
                          const virDomainMemoryDef *mem)
{
    if (mem->model != VIR_DOMAIN_MEMORY_MODEL_HAPROT || !qemuHvBalloonRunsOnStock(vm))
        return 0;

    virReportError(VIR_ERR_OPERATION_UNSUPPORTED, "%s",
                   _("sticks can neither be added to nor removed from a domain whose QEMU lacks the 'mem-haprot' device: setmem moves the guest up to <maxMemory> without them"));
    return -1;
}


/* Does the guest have some of the stick, and can be asked to give it back? A
 * kernel that another one started cannot, nor is there anybody to ask while it
 * starts: QEMU's reason says which of them it is. */
static bool
qemuHvBalloonIsInUse(const qemuHvBalloonView *view,
                     const char *alias)
{
    const qemuMonitorHvBalloonStick *stick = qemuHvBalloonViewFind(view, alias);

    return stick && stick->state == QEMU_HVBALLOON_STICK_INUSE &&
        STRNEQ_NULLABLE(view->info->state, "new-kernel") &&
        STRNEQ_NULLABLE(view->info->state, "disconnected");
}


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
    view = qemuHvBalloonLook(vm);
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


bool
qemuHvBalloonOwnsDevice(const virDomainDeviceDef *dev)
{
    return dev->type == VIR_DOMAIN_DEVICE_MEMORY &&
        dev->data.memory->model == VIR_DOMAIN_MEMORY_MODEL_HAPROT;
}


void
qemuHvBalloonStarted(virDomainObj *vm,
                     unsigned long long target)
{
    if (!virDomainDefHasHypervMemballoon(vm->def))
        return;

    vm->def->memballoon->requested = target;
    qemuHvBalloonWatchStock(vm);
}


void
qemuHvBalloonStickPlugged(virDomainObj *vm,
                          const virDomainMemoryDef *mem)
{
    /* QEMU gives such a stick to the guest at once: the target grew */
    if (mem->model == VIR_DOMAIN_MEMORY_MODEL_HAPROT &&
        mem->target.haprot.insert != VIR_DOMAIN_MEMORY_INSERT_MODE_ON_DEMAND &&
        virDomainDefHasHypervMemballoon(vm->def))
        vm->def->memballoon->requested += mem->size;
}


void
qemuHvBalloonStickRemoved(virDomainObj *vm)
{
    virDomainMemballoonDef *balloon = vm->def->memballoon;

    if (virDomainDefHasHypervMemballoon(vm->def))
        balloon->requested = MIN(balloon->requested,
                                 virDomainDefGetMemoryTotal(vm->def));
}


unsigned long long
qemuHvBalloonActual(const virDomainObj *vm,
                    unsigned long long actual)
{
    unsigned long long total = virDomainDefGetMemoryTotal(vm->def);

    if (!virDomainDefHasHypervMemballoon(vm->def) ||
        (actual > 0 && actual <= total))
        return actual;

    VIR_INFO("domain '%s': QEMU says that the guest has %llu KiB of %llu KiB",
             vm->def->name, actual, total);
    return actual > 0 ? total : vm->def->mem.cur_balloon;
}


/*
 * virDomainSetMemoryFlags, live
 */

static void
qemuHvBalloonReportStep(const qemuHvBalloonStep *step,
                        unsigned long long target)
{
    g_autofree char *cause = g_strdup(virGetLastErrorMessage());

    if (step->type == QEMU_HVBALLOON_STEP_PLUG)
        virReportError(VIR_ERR_OPERATION_FAILED,
                       _("adding a stick of %1$llu KiB for a memory of %2$llu KiB failed: %3$s"),
                       (unsigned long long)step->size, target, cause);
    else
        virReportError(VIR_ERR_OPERATION_FAILED,
                       _("asking the memory balloon for %1$llu KiB failed: %2$s"),
                       (unsigned long long)step->size, cause);
}


/* Remembered before anything is changed: should the daemon die in between, the
 * next one goes on from there. */
static void
qemuHvBalloonRemember(virDomainObj *vm,
                      const qemuHvBalloonPlan *plan)
{
    size_t i;

    for (i = 0; i < plan->nsteps; i++) {
        if (plan->steps[i].type == QEMU_HVBALLOON_STEP_BALLOON) {
            vm->def->memballoon->requested = plan->steps[i].size;
            qemuDomainSaveStatus(vm);
        }
    }
}


/* @target: what the guest shall have, of which <requested> tells. */
static int
qemuHvBalloonRunPlan(virQEMUDriver *driver,
                     virDomainObj *vm,
                     const qemuHvBalloonPlan *plan,
                     unsigned long long target)
{
    size_t i;

    qemuHvBalloonRemember(vm, plan);

    for (i = 0; i < plan->nsteps; i++) {
        const qemuHvBalloonStep *step = &plan->steps[i];

        if (qemuHvBalloonDoStep(driver, vm, step) < 0) {
            qemuHvBalloonReportStep(step, target);
            if (step->type == QEMU_HVBALLOON_STEP_PLUG)
                qemuHvBalloonSettleForLess(vm, target);
            return -1;
        }
    }

    qemuDomainSaveStatus(vm);
    return 0;
}


static int
qemuHvBalloonRefused(const char *refusal)
{
    virReportError(VIR_ERR_INVALID_ARG, "%s", refusal);
    return -1;
}


/* What there is to plan with. */
static int
qemuHvBalloonLookForPlan(virQEMUDriver *driver,
                         virDomainObj *vm,
                         qemuHvBalloonView **view,
                         qemuHvBalloonPlanInput *in)
{
    if (qemuHvBalloonRunsOnStock(vm)) {
        qemuHvBalloonInputConfig(in, driver, vm, vm->def, true);
        return 0;
    }

    if (!(*view = qemuHvBalloonSync(driver, vm, false)))
        return -1;

    qemuHvBalloonInputLive(in, driver, vm, *view);
    return 0;
}


static int
qemuHvBalloonSetTargetLive(virQEMUDriver *driver,
                           virDomainObj *vm,
                           unsigned long long target)
{
    g_autoptr(qemuHvBalloonView) view = NULL;
    g_auto(qemuHvBalloonPlanInput) in = { 0 };
    g_autoptr(qemuHvBalloonPlan) plan = NULL;
    g_autofree char *refusal = NULL;

    if (qemuHvBalloonLookForPlan(driver, vm, &view, &in) < 0)
        return -1;

    if (!(plan = qemuHvBalloonPlanSetTarget(&in, target, &refusal)))
        return qemuHvBalloonRefused(refusal);

    if (qemuHvBalloonRunPlan(driver, vm, plan, target) < 0)
        return -1;

    qemuHvBalloonWatchStock(vm);
    return 0;
}


static int
qemuHvBalloonSetTotalLive(virQEMUDriver *driver,
                          virDomainObj *vm,
                          unsigned long long total)
{
    qemuDomainObjPrivate *priv = vm->privateData;
    unsigned long long target = qemuHvBalloonRequested(vm);
    unsigned long long keep = priv->hvBalloonKeepTotal;
    g_autoptr(qemuHvBalloonView) view = NULL;
    g_auto(qemuHvBalloonPlanInput) in = { 0 };
    g_autoptr(qemuHvBalloonPlan) plan = NULL;
    g_autofree char *refusal = NULL;

    if (qemuHvBalloonLookForPlan(driver, vm, &view, &in) < 0)
        return -1;

    if (!(plan = qemuHvBalloonPlanSetTotal(&in, total, target, &refusal)))
        return qemuHvBalloonRefused(refusal);

    /* Before the stick is there, or the next daemon would take it for one that
     * nobody needs. */
    priv->hvBalloonKeepTotal = total;
    qemuDomainSaveStatus(vm);

    if (qemuHvBalloonRunPlan(driver, vm, plan, target) == 0)
        return 0;

    priv->hvBalloonKeepTotal = keep;
    qemuDomainSaveStatus(vm);
    return -1;
}


/*
 * virDomainSetMemoryFlags, persistent
 */

/* What the driver's sticks of @def have together, and the largest page that one
 * of them is made of; an address that one had while the domain ran is dropped,
 * since boot memory may be there now. */
static guint64
qemuHvBalloonOwnSticks(virDomainDef *def,
                       guint64 *pagesize)
{
    guint64 sum = 0;
    size_t i;

    for (i = 0; i < def->nmems; i++) {
        virDomainMemoryDef *mem = def->mems[i];

        if (!qemuHvBalloonStickIsDriverOwned(mem))
            continue;

        mem->target.haprot.address = 0;
        *pagesize = MAX(*pagesize, mem->source.haprot.pagesize);
        sum += mem->size;
    }

    return sum;
}


/* Leaves the first of the driver's sticks and returns it, or NULL. */
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


/* The driver's sticks shall have @size together, where that changes something
 * by one stick: live XML that was stored may have brought more. */
static int
qemuHvBalloonSetConfigStick(virDomainDef *def,
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
qemuHvBalloonSetTargetConfig(virDomainDef *def,
                             const qemuHvBalloonPlanInput *in,
                             guint64 own,
                             unsigned long long target)
{
    g_autofree char *refusal = NULL;
    guint64 size = own;

    if (!qemuHvBalloonPlanConfig(in, target, &size, &refusal))
        return qemuHvBalloonRefused(refusal);

    if (qemuHvBalloonSetConfigStick(def, own, size) < 0)
        return -1;

    def->mem.cur_balloon = target;
    return 0;
}


static int
qemuHvBalloonSetTotalConfig(virDomainDef *def,
                            const qemuHvBalloonPlanInput *in,
                            guint64 own,
                            unsigned long long total)
{
    g_autofree char *refusal = NULL;
    guint64 size = own;
    guint64 boot;

    if (!qemuHvBalloonPlanConfigTotal(in, total, &boot, &size, &refusal))
        return qemuHvBalloonRefused(refusal);

    if (boot != in->boot && virDomainNumaGetNodeCount(def->numa) > 0) {
        virReportError(VIR_ERR_OPERATION_INVALID,
                       _("maximum memory %1$llu KiB would change boot memory from %2$llu KiB to %3$llu KiB, which is the sum of the NUMA cells: change <cell memory=> in the definition, or let setmem add a stick"),
                       total, (unsigned long long)in->boot, (unsigned long long)boot);
        return -1;
    }

    if (qemuHvBalloonSetConfigStick(def, own, size) < 0)
        return -1;

    virDomainDefSetMemoryTotal(def, total);
    def->mem.cur_balloon = MIN(def->mem.cur_balloon, total);
    return 0;
}


/* Has @def the same sticks as @old, those of the driver's among them? Where one
 * of these was while the domain ran does not count. */
static bool
qemuHvBalloonSticksAreAsBefore(const virDomainDef *old,
                               const virDomainDef *def)
{
    size_t i;

    if (old->nmems != def->nmems)
        return false;

    for (i = 0; i < def->nmems; i++) {
        const virDomainMemoryDef *mem = def->mems[i];
        const virDomainMemoryDef *before = qemuHvBalloonDefFind(old, mem->info.alias);

        if (!before || before->size != mem->size)
            return false;

        if (!qemuHvBalloonStickIsDriverOwned(mem) &&
            before->target.haprot.address != mem->target.haprot.address)
            return false;
    }

    return true;
}


/* @def may be @old with a lower <memory> and nothing else changed. */
static void
qemuHvBalloonKeepBoot(virQEMUDriver *driver,
                      const virDomainDef *old,
                      virDomainDef *def)
{
    unsigned long long total = virDomainDefGetMemoryTotal(def);
    qemuHvBalloonPlanStick others = { 0 };
    qemuHvBalloonPlanInput in = { .sticks = &others, .nsticks = 1 };
    g_autofree char *refusal = NULL;
    guint64 before;
    guint64 own;
    guint64 boot;

    if (!virDomainDefHasHypervMemballoon(old) ||
        !virDomainDefHasHypervMemballoon(def) ||
        virDomainNumaGetNodeCount(def->numa) > 0 ||
        virDomainDefGetMemoryInitial(def) >= virDomainDefGetMemoryInitial(old))
        return;

    before = own = qemuHvBalloonOwnSticks(def, &in.granule);
    in.granule = MAX(in.granule, qemuHvBalloonHugepageSize(driver, def));
    in.boot = virDomainDefGetMemoryInitial(old);
    others.size = total - virDomainDefGetMemoryInitial(def) - own;

    if (!qemuHvBalloonPlanConfigTotal(&in, total, &boot, &own, &refusal) ||
        qemuHvBalloonSetConfigStick(def, before, own) < 0)
        return;

    virDomainDefSetMemoryTotal(def, total);
}


void
qemuHvBalloonRedefined(virQEMUDriver *driver,
                       virDomainObj *vm,
                       const virDomainDef *old)
{
    virDomainDef *def = vm->newDef ? vm->newDef : vm->def;

    /* Some clients edit what they see of a domain that runs, which may boot with
     * more than what is stored. */
    if (old && qemuHvBalloonSticksAreAsBefore(old, def))
        qemuHvBalloonKeepBoot(driver, old, def);
    else if (vm->newDef && qemuHvBalloonSticksAreAsBefore(vm->def, def))
        qemuHvBalloonKeepBoot(driver, vm->def, def);
}


/*
 * virDomainSetMemoryFlags
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


static int
qemuHvBalloonSetConfig(virQEMUDriver *driver,
                       virDomainObj *vm,
                       virDomainDef *def,
                       unsigned long long newmem,
                       unsigned int flags)
{
    g_auto(qemuHvBalloonPlanInput) in = { 0 };
    guint64 pagesize = 0;
    guint64 own = qemuHvBalloonOwnSticks(def, &pagesize);
    size_t i;
    int rc;

    qemuHvBalloonInputConfig(&in, driver, vm, def, false);
    in.granule = MAX(in.granule, pagesize);

    if (flags & VIR_DOMAIN_MEM_MAXIMUM)
        rc = qemuHvBalloonSetTotalConfig(def, &in, own, newmem);
    else
        rc = qemuHvBalloonSetTargetConfig(def, &in, own, newmem);

    /* More boot memory, for one, may lie where a stick wants to be: better said
     * now than when the domain starts. */
    for (i = 0; rc == 0 && i < def->nmems; i++)
        rc = qemuHvBalloonValidateStick(def->mems[i], def);

    return rc;
}


static int
qemuHvBalloonSetLive(virQEMUDriver *driver,
                     virDomainObj *vm,
                     unsigned long long newmem,
                     unsigned int flags)
{
    if (flags & VIR_DOMAIN_MEM_MAXIMUM)
        return qemuHvBalloonSetTotalLive(driver, vm, newmem);

    return qemuHvBalloonSetTargetLive(driver, vm, newmem);
}


int
qemuHvBalloonSetMemory(virQEMUDriver *driver,
                       virDomainObj *vm,
                       virDomainDef *def,
                       virDomainDef *persistentDef,
                       unsigned long long newmem,
                       unsigned int flags)
{
    g_autoptr(virQEMUDriverConfig) cfg = virQEMUDriverGetConfig(driver);
    qemuDomainObjPrivate *priv = vm->privateData;
    g_autoptr(virDomainDef) copy = NULL;

    if (qemuHvBalloonCheckDefs(def, persistentDef) < 0)
        return -1;

    /* A copy, so that the stored one changes only after the running one did. */
    if (persistentDef) {
        if (!(copy = virDomainObjCopyPersistentDef(vm, driver->xmlopt, priv->qemuCaps)) ||
            qemuHvBalloonSetConfig(driver, vm, copy, newmem, flags) < 0)
            return -1;
    }

    if (def && qemuHvBalloonSetLive(driver, vm, newmem, flags) < 0)
        return -1;

    if (!copy)
        return 0;

    if (virDomainDefSave(copy, driver->xmlopt, cfg->configDir) < 0)
        return -1;

    virDomainObjAssignDef(vm, &copy, false, NULL);
    return 0;
}
