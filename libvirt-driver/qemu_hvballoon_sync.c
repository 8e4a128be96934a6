/*
 * qemu_hvballoon_sync.c: brings the definition in line with QEMU
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <config.h>

#include "qemu_hvballoon_sync.h"
#include "qemu_hvballoon_conf.h"

#include "domain_audit.h"
#include "domain_event.h"
#include "qemu_command.h"
#include "qemu_hotplug.h"
#include "qemu_process.h"
#include "virerror.h"
#include "virlog.h"

#define VIR_FROM_THIS VIR_FROM_QEMU

VIR_LOG_INIT("qemu.qemu_hvballoon_sync");

#define QEMU_HVBALLOON_BACKEND_PREFIX "mem"

/* What the XML parser keeps of a user's alias (USER_ALIAS_CHARS). QEMU's names may
 * have more. */
#define QEMU_HVBALLOON_ALIAS_CHARS \
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"


void
qemuHvBalloonViewFree(qemuHvBalloonView *view)
{
    if (!view)
        return;

    g_clear_pointer(&view->sticks, g_ptr_array_unref);
    g_clear_pointer(&view->backends, g_hash_table_unref);
    qemuMonitorHvBalloonInfoFree(view->info);
    g_free(view);
}


/**
 * qemuHvBalloonQuery:
 * @asyncJob: the caller's, or VIR_ASYNC_JOB_NONE if it has another job
 *
 * Queries sticks, backends and balloon. Changes nothing.
 *
 * Returns NULL with an error reported on failure.
 */
qemuHvBalloonView *
qemuHvBalloonQuery(virDomainObj *vm,
                   virDomainAsyncJob asyncJob)
{
    g_autoptr(qemuHvBalloonView) view = g_new0(qemuHvBalloonView, 1);
    qemuMonitor *mon = qemuDomainGetMonitor(vm);
    int rc;

    if (qemuDomainObjEnterMonitorAsync(vm, asyncJob) < 0)
        return NULL;

    if ((rc = qemuMonitorGetHvBalloonSticks(mon, &view->sticks)) == 0 &&
        (rc = qemuMonitorGetMemoryBackends(mon, &view->backends)) == 0)
        rc = qemuMonitorGetHvBalloonInfo(mon, &view->info);
    qemuDomainObjExitMonitor(vm);

    if (rc < 0 || virDomainObjCheckActive(vm) < 0)
        return NULL;

    return g_steal_pointer(&view);
}


/**
 * qemuHvBalloonViewFind:
 *
 * Returns the stick named @alias in QEMU, or NULL.
 */
qemuMonitorHvBalloonStick *
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


/**
 * qemuHvBalloonViewNames:
 *
 * Returns the set of names that a new stick cannot have: of sticks, some of which the
 * definition may not describe, and those whose backend exists, even if the stick does
 * not. They belong to @view.
 */
GHashTable *
qemuHvBalloonViewNames(const qemuHvBalloonView *view)
{
    GHashTable *names = g_hash_table_new(g_str_hash, g_str_equal);
    GHashTableIter iter;
    void *backend;
    size_t i;

    for (i = 0; i < view->sticks->len; i++) {
        const qemuMonitorHvBalloonStick *stick = g_ptr_array_index(view->sticks, i);

        if (stick->id)
            g_hash_table_add(names, stick->id);
    }

    g_hash_table_iter_init(&iter, view->backends);
    while (g_hash_table_iter_next(&iter, &backend, NULL)) {
        char *alias = STRSKIP((char *)backend, QEMU_HVBALLOON_BACKEND_PREFIX);

        if (alias)
            g_hash_table_add(names, alias);
    }

    return names;
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


/* Writes an audit record if the total, which was @before, has changed. */
static void
qemuHvBalloonAudit(virDomainObj *vm,
                   unsigned long long before)
{
    unsigned long long total = virDomainDefGetMemoryTotal(vm->def);

    if (total != before)
        virDomainAuditMemory(vm, before, total, "update", true);
}


static int
qemuHvBalloonRemoveBackend(virDomainObj *vm,
                           const char *backend,
                           virDomainAsyncJob asyncJob)
{
    int rc;

    if (qemuDomainObjEnterMonitorAsync(vm, asyncJob) < 0)
        return -1;

    rc = qemuMonitorDelObject(qemuDomainGetMonitor(vm), backend, false);
    qemuDomainObjExitMonitor(vm);

    if (rc < 0)
        VIR_DEBUG("backend '%s' was not removed", backend);
    return rc;
}


/**
 * qemuHvBalloonDropFile:
 * @alias: name of a stick that QEMU does not have
 *
 * Removes the file that its backend may have had. QEMU does not: not with the
 * backend, nor when the backend cannot be allocated. The next stick of this name
 * would have to fit into the file, and it may be as large as the disk was free.
 * Keeps the error that was reported.
 */
void
qemuHvBalloonDropFile(virDomainObj *vm,
                      const char *alias)
{
    virDomainMemoryDef mem = { .info.alias = (char *)alias };
    virErrorPtr orig;

    virErrorPreserveLast(&orig);
    if (qemuProcessDestroyMemoryBackingPath(vm, &mem) < 0)
        VIR_WARN("domain '%s': the file of '%s' was not removed: %s",
                 vm->def->name, alias, virGetLastErrorMessage());
    virErrorRestore(&orig);
}


/* Drops a stick that QEMU does not have. A driver's stick is forgotten at once,
 * so that it no longer counts against <maxMemory>; a backend that lingers is
 * removed later as an orphan. */
static void
qemuHvBalloonDropVanished(virQEMUDriver *driver,
                          virDomainObj *vm,
                          const qemuHvBalloonView *view,
                          virDomainMemoryDef *mem,
                          virDomainAsyncJob asyncJob)
{
    g_autofree char *backend = g_strdup_printf(QEMU_HVBALLOON_BACKEND_PREFIX "%s",
                                               mem->info.alias);
    g_autofree char *alias = g_strdup(mem->info.alias);
    unsigned long long before = virDomainDefGetMemoryTotal(vm->def);

    VIR_INFO("domain '%s': stick '%s' has vanished", vm->def->name, alias);

    if (g_hash_table_contains(view->backends, backend) &&
        !qemuHvBalloonStickIsDriverOwned(mem)) {
        /* The backend may be in use for another moment; DEVICE_DELETED will
         * follow. */
        if (qemuHvBalloonRemoveBackend(vm, backend, asyncJob) < 0) {
            virResetLastError();
            return;
        }
        g_hash_table_remove(view->backends, backend);
    }

    qemuDomainForgetMemoryDevice(driver, vm, mem, asyncJob);
    qemuHvBalloonAudit(vm, before);
    virObjectEventStateQueue(driver->domainEventState,
                             virDomainEventDeviceRemovedNewFromObj(vm, alias));
}


/* Names have no slash and are unique, whether from the driver or a user. */
static bool
qemuHvBalloonIsStickPossible(const virDomainDef *def,
                             size_t idx)
{
    const virDomainMemoryDef *mem = def->mems[idx];

    return mem->info.alias && !strchr(mem->info.alias, '/') &&
        qemuHvBalloonFindStick(def, mem->info.alias) == mem;
}


/* A status file may be damaged. A stick that cannot exist is only taken out of
 * the definition: nothing was set up for it, so nothing needs to be undone. */
static void
qemuHvBalloonDropImpossible(virDomainObj *vm)
{
    unsigned long long before = virDomainDefGetMemoryTotal(vm->def);
    size_t i;

    for (i = vm->def->nmems; i > 0; i--) {
        virDomainMemoryDef *mem = vm->def->mems[i - 1];

        if (mem->model != VIR_DOMAIN_MEMORY_MODEL_HAPROT ||
            qemuHvBalloonIsStickPossible(vm->def, i - 1))
            continue;

        VIR_WARN("domain '%s': a stick of %llu KiB named '%s' cannot exist and is dropped from the definition",
                 vm->def->name, mem->size, NULLSTR(mem->info.alias));
        virDomainMemoryDefFree(virDomainMemoryRemove(vm->def, i - 1));
    }

    qemuHvBalloonAudit(vm, before);
}


/* Is it a backend whose name the driver chose, without a stick? No attach of a client
 * is under way: that would have the job. */
static bool
qemuHvBalloonIsOrphan(const virDomainObj *vm,
                      const qemuHvBalloonView *view,
                      const char *backend)
{
    const char *alias = STRSKIP(backend, QEMU_HVBALLOON_BACKEND_PREFIX);

    return (qemuHvBalloonIsDriverAlias(alias) ||
            qemuHvBalloonIsNumbered(alias, QEMU_HVBALLOON_USER_ALIAS)) &&
        !qemuHvBalloonViewUsesBackend(view, backend) &&
        !qemuHvBalloonFindStick(vm->def, alias);
}


static void
qemuHvBalloonDropOrphans(virDomainObj *vm,
                         const qemuHvBalloonView *view,
                         virDomainAsyncJob asyncJob)
{
    GHashTableIter iter;
    void *backend;

    g_hash_table_iter_init(&iter, view->backends);
    while (g_hash_table_iter_next(&iter, &backend, NULL)) {
        if (!qemuHvBalloonIsOrphan(vm, view, backend))
            continue;

        VIR_INFO("domain '%s': backend '%s' has no stick", vm->def->name, (char *)backend);
        if (qemuHvBalloonRemoveBackend(vm, backend, asyncJob) == 0) {
            qemuHvBalloonDropFile(vm, STRSKIP((char *)backend, QEMU_HVBALLOON_BACKEND_PREFIX));
            g_hash_table_iter_remove(&iter);
        }
    }
}


/* Would libvirt make a backend of @type for @mem? */
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


/* How much <maxMemory> allows beyond @total. */
static unsigned long long
qemuHvBalloonRoomFor(const virDomainDef *def,
                     unsigned long long total)
{
    return def->mem.max_memory - MIN(def->mem.max_memory, total);
}


/* Is it still the name when the definition is read where the guest is to run later?
 * The stick's memory travels under its name. */
static bool
qemuHvBalloonIsNameKept(const char *id)
{
    return virDomainDeviceAliasIsUserAlias(id) &&
        strspn(id, QEMU_HVBALLOON_ALIAS_CHARS) == strlen(id);
}


/* Returns a description of @stick, or NULL if XML cannot describe it. */
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
        !qemuHvBalloonIsNameKept(stick->id) ||
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
                   qemuHvBalloonView *view,
                   const qemuMonitorHvBalloonStick *stick,
                   virDomainAsyncJob asyncJob)
{
    unsigned long long before = virDomainDefGetMemoryTotal(vm->def);
    g_autoptr(virDomainMemoryDef) mem = qemuHvBalloonDescribe(driver, vm, view, stick);

    if (!mem || virDomainMemoryInsert(vm->def, mem) < 0) {
        VIR_WARN("domain '%s': stick '%s' of %llu KiB cannot be described in the XML and is ignored",
                 vm->def->name, NULLSTR(stick->id), stick->size);
        return;
    }
    mem = NULL;

    VIR_INFO("domain '%s': stick '%s' of %llu KiB adopted",
             vm->def->name, stick->id, stick->size);
    ignore_value(qemuDomainAdjustMaxMemLock(vm));
    qemuHvBalloonAudit(vm, before);
    if (!stick->onDemand)
        view->given += stick->size;
    /* what the guest has of the stick was not counted before */
    ignore_value(qemuProcessRefreshBalloonState(vm, asyncJob));
    virObjectEventStateQueue(driver->domainEventState,
                             virDomainEventDeviceAddedNewFromObj(vm, stick->id));
}


/* Corrects @mem, which is in the definition, by what QEMU reports. */
static void
qemuHvBalloonCorrect(virDomainObj *vm,
                     virDomainMemoryDef *mem,
                     const qemuMonitorHvBalloonStick *stick)
{
    unsigned long long before = virDomainDefGetMemoryTotal(vm->def);
    unsigned long long others = before - mem->size;

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
    qemuHvBalloonAudit(vm, before);
}


/**
 * qemuHvBalloonSync:
 * @asyncJob: the caller's, or VIR_ASYNC_JOB_NONE if it has another job
 *
 * Brings the live definition of @vm in line with QEMU: drops sticks that
 * vanished, adopts or corrects those that QEMU has, and removes the driver's
 * backends that have no stick. Does not change the requested memory; that is up
 * to the caller.
 *
 * Returns what QEMU has, or NULL with an error reported.
 */
qemuHvBalloonView *
qemuHvBalloonSync(virQEMUDriver *driver,
                  virDomainObj *vm,
                  virDomainAsyncJob asyncJob)
{
    g_autoptr(qemuHvBalloonView) view = qemuHvBalloonQuery(vm, asyncJob);
    size_t i;

    if (!view)
        return NULL;

    qemuHvBalloonDropImpossible(vm);

    for (i = vm->def->nmems; i > 0; i--) {
        virDomainMemoryDef *mem = vm->def->mems[i - 1];

        if (mem->model == VIR_DOMAIN_MEMORY_MODEL_HAPROT &&
            mem->info.alias &&
            !qemuHvBalloonViewFind(view, mem->info.alias))
            qemuHvBalloonDropVanished(driver, vm, view, mem, asyncJob);
    }

    for (i = 0; i < view->sticks->len; i++) {
        const qemuMonitorHvBalloonStick *stick = g_ptr_array_index(view->sticks, i);
        virDomainMemoryDef *mem = qemuHvBalloonFindStick(vm->def, stick->id);

        if (mem && mem->model == VIR_DOMAIN_MEMORY_MODEL_HAPROT)
            qemuHvBalloonCorrect(vm, mem, stick);
        else
            qemuHvBalloonAdopt(driver, vm, view, stick, asyncJob);
    }

    qemuHvBalloonDropOrphans(vm, view, asyncJob);

    if (virDomainObjCheckActive(vm) < 0)
        return NULL;

    return g_steal_pointer(&view);
}
