/*
 * qemu_hvballoon_migrate.c: a guest with a hyperv memory balloon that is migrated,
 *                           saved, restored or reverted to a snapshot
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * QEMU's device carries its own state: who has which page, and the target. What it
 * cannot know travels in libvirt's cookies. Rules, and why:
 *
 * - Where the guest leaves, the definition is brought in line with QEMU first: the
 *   other side makes its sticks from it, and QEMU refuses a guest whose sticks are
 *   not all there, or are others.
 * - Where it arrives, no target is sent before QEMU has loaded its own, and none
 *   that differs only because the definition is older.
 * - Then, before the guest runs, what was requested comes from the cookie and
 *   <currentMemory> from QEMU, so that all that clients can ask for agrees from
 *   the first moment. A plan that was half done is carried on by a reconcile.
 * - While a guest migrates, nobody plugs or unplugs: neither the driver, whose
 *   reconcile waits for the end of the job, nor a client, who is told so at once.
 *   Likewise while its memory is written to a file, which takes as long.
 * - A snapshot that this host's QEMU cannot run is refused before the running guest
 *   is stopped for it.
 */

#include <config.h>

#include "qemu_hvballoon_migrate.h"
#include "qemu_hvballoon_def.h"
#include "qemu_hvballoon_fixed.h"
#include "qemu_hvballoon_prepare.h"
#include "qemu_hvballoon_requested.h"
#include "qemu_hvballoon_schedule.h"
#include "qemu_hvballoon_space.h"

#include "domain_validate.h"
#include "qemu_process.h"
#include "snapshot_conf.h"
#include "virdomainsnapshotobjlist.h"
#include "virerror.h"
#include "virlog.h"
#include "virnuma.h"
#include "virutil.h"

#define VIR_FROM_THIS VIR_FROM_QEMU

VIR_LOG_INIT("qemu.qemu_hvballoon_migrate");


/**
 * qemuHvBalloonIsMigrating:
 *
 * Is @vm being migrated, away from this host or to it?
 */
bool
qemuHvBalloonIsMigrating(const virDomainObj *vm)
{
    return vm->job->asyncJob == VIR_ASYNC_JOB_MIGRATION_OUT ||
        vm->job->asyncJob == VIR_ASYNC_JOB_MIGRATION_IN;
}


/*
 * Where the guest leaves
 */

static qemuHvBalloonView *
qemuHvBalloonSyncedView(virDomainObj *vm,
                        virDomainAsyncJob asyncJob)
{
    qemuDomainObjPrivate *priv = vm->privateData;
    g_auto(qemuHvBalloonPlanInput) in = { 0 };

    return qemuHvBalloonPrepare(&in, priv->driver, vm, asyncJob);
}


/**
 * qemuHvBalloonMigrationSync:
 * @asyncJob: the caller's, or VIR_ASYNC_JOB_NONE if it has another job
 *
 * To be called before the live definition of @vm is written down for whoever is to
 * run it later. A stick may have been unplugged or plugged without libvirt knowing
 * yet, since the event is still to be handled.
 */
int
qemuHvBalloonMigrationSync(virDomainObj *vm,
                           virDomainAsyncJob asyncJob)
{
    g_autoptr(qemuHvBalloonView) view = NULL;

    if (!qemuHvBalloonIsManaged(vm) || qemuHvBalloonRunsOnFixed(vm))
        return 0;

    if (!(view = qemuHvBalloonSyncedView(vm, asyncJob)))
        return -1;

    qemuDomainSaveStatus(vm);
    return 0;
}


/* A stick that cannot be described, is described with another size, or is in the
 * definition alone, was logged when it was found; the guest can run so, but nobody
 * could make the same machine from the definition. */
static int
qemuHvBalloonCheckAgreement(const virDomainDef *def,
                            const qemuHvBalloonView *view)
{
    size_t i;

    for (i = 0; i < view->sticks->len; i++) {
        const qemuMonitorHvBalloonStick *stick = g_ptr_array_index(view->sticks, i);
        const virDomainMemoryDef *mem = qemuHvBalloonFindStick(def, stick->id);

        if (!mem || mem->size != stick->size) {
            virReportError(VIR_ERR_OPERATION_INVALID,
                           _("QEMU has a stick '%1$s' of %2$llu KiB that the definition of domain '%3$s' does not describe, so the guest could be started nowhere else: remove the stick, or restart the domain"),
                           NULLSTR(stick->id), stick->size, def->name);
            return -1;
        }
    }

    for (i = 0; i < def->nmems; i++) {
        if (def->mems[i]->model == VIR_DOMAIN_MEMORY_MODEL_HAPROT &&
            !qemuHvBalloonViewFind(view, def->mems[i]->info.alias)) {
            virReportError(VIR_ERR_OPERATION_INVALID,
                           _("the definition of domain '%1$s' has a stick '%2$s' that QEMU does not have, so the guest could be started nowhere else: detach the stick, or restart the domain"),
                           def->name, NULLSTR(def->mems[i]->info.alias));
            return -1;
        }
    }

    return 0;
}


/**
 * qemuHvBalloonMigrationIsAllowed:
 * @asyncJob: the caller's, or VIR_ASYNC_JOB_NONE if it has another job
 *
 * Can a running domain be migrated or saved, as far as its balloon is concerned?
 * Reports an error if not. If it can, its definition agrees with QEMU now.
 */
bool
qemuHvBalloonMigrationIsAllowed(virDomainObj *vm,
                                virDomainAsyncJob asyncJob)
{
    qemuDomainObjPrivate *priv = vm->privateData;
    g_autoptr(qemuHvBalloonView) view = NULL;

    if (!qemuHvBalloonIsManaged(vm))
        return true;

    if (qemuHvBalloonRunsOnFixed(vm)) {
        virReportError(VIR_ERR_OPERATION_INVALID, "%s",
                       _("a domain with a hyperv memory balloon cannot be migrated, saved or snapshotted with its memory by this QEMU: its hv-balloon would lose track of released memory"));
        return false;
    }

    if (!virQEMUCapsGet(priv->qemuCaps, QEMU_CAPS_HV_BALLOON_MIGRATION)) {
        virReportError(VIR_ERR_OPERATION_INVALID,
                       _("domain '%1$s' has a hyperv memory balloon and cannot be migrated, saved or snapshotted with its memory by the QEMU '%2$s' that runs it, whose query-hv-balloon reports no 'migration': update QEMU, then shut the guest down and start it again"),
                       vm->def->name, vm->def->emulator);
        return false;
    }

    if (!(view = qemuHvBalloonSyncedView(vm, asyncJob)))
        return false;

    qemuDomainSaveStatus(vm);
    return qemuHvBalloonCheckAgreement(vm->def, view) == 0;
}


/**
 * qemuHvBalloonSetMigratable:
 * @def: copy of a live definition, for whoever is to run it later
 *
 * A running guest can have less than the <minimum>, until its driver has taken more
 * after a start; until then a client can detach sticks, too, so that there is less in
 * all. A definition that says so is refused, as for one that is new.
 */
void
qemuHvBalloonSetMigratable(virDomainDef *def)
{
    virDomainMemballoonDef *balloon = def->memballoon;

    if (!virDomainDefHasHypervMemballoon(def))
        return;

    balloon->minimum = MIN(balloon->minimum, virDomainDefGetMemoryTotal(def));
    def->mem.cur_balloon = MAX(def->mem.cur_balloon, balloon->minimum);
}


/*
 * Where it arrives
 */

/**
 * qemuHvBalloonIncomingValidate:
 * @qemuCaps: of the QEMU that is about to start
 * @startFlags: of qemuProcessStart()
 *
 * Can that QEMU take over a guest that has run elsewhere, as far as its balloon is
 * concerned? Reports an error if not, before the guest is stopped where it is.
 */
int
qemuHvBalloonIncomingValidate(const virDomainDef *def,
                              virQEMUCaps *qemuCaps,
                              unsigned int startFlags)
{
    g_autofree char *host = NULL;

    if (startFlags & VIR_QEMU_PROCESS_START_NEW ||
        !virDomainDefHasHypervMemballoon(def))
        return 0;

    if (virQEMUCapsGet(qemuCaps, QEMU_CAPS_DEVICE_MEM_HAPROT) &&
        virQEMUCapsGet(qemuCaps, QEMU_CAPS_HV_BALLOON_MIGRATION))
        return 0;

    host = virGetHostname();

    if (!virQEMUCapsGet(qemuCaps, QEMU_CAPS_DEVICE_MEM_HAPROT))
        virReportError(VIR_ERR_CONFIG_UNSUPPORTED,
                       _("domain '%1$s' has a hyperv memory balloon, which the QEMU '%2$s' on host '%3$s' cannot take over: it lacks the 'mem-haprot' device. Install a QEMU that has it, or name one in <emulator>"),
                       def->name, def->emulator, NULLSTR(host));
    else
        virReportError(VIR_ERR_CONFIG_UNSUPPORTED,
                       _("domain '%1$s' has a hyperv memory balloon, which the QEMU '%2$s' on host '%3$s' cannot take over: its query-hv-balloon reports no 'migration'. Update QEMU there"),
                       def->name, def->emulator, NULLSTR(host));
    return -1;
}


/* In KiB, of all sizes. */
static unsigned long long
qemuHvBalloonFreeHugePages(void)
{
    g_autofree unsigned int *sizes = NULL;
    g_autofree unsigned long long *avail = NULL;
    g_autofree unsigned long long *nfree = NULL;
    unsigned long long sum = 0;
    size_t n = 0;
    size_t i;

    if (virNumaGetPages(-1, &sizes, &avail, &nfree, &n) < 0)
        return ULLONG_MAX;

    for (i = 0; i < n; i++) {
        if (sizes[i] != virGetSystemPageSizeKB())
            sum += sizes[i] * nfree[i];
    }

    return sum;
}


/**
 * qemuHvBalloonExplainIncoming:
 * @def: of a guest that has run elsewhere
 *
 * To be called when no QEMU could be started for it and QEMU's error is reported.
 * That is about one allocation, and boot memory and all sticks are allocated at the
 * start: if there are too few huge pages for them, says how many there should be.
 */
void
qemuHvBalloonExplainIncoming(const virDomainDef *def)
{
    g_autofree char *host = NULL;
    unsigned long long total = virDomainDefGetMemoryTotal(def);
    unsigned long long available;
    virErrorPtr orig;

    if (!virDomainDefHasHypervMemballoon(def) || def->mem.nhugepages == 0)
        return;

    virErrorPreserveLast(&orig);
    host = virGetHostname();
    available = qemuHvBalloonFreeHugePages();

    if (orig && available < total) {
        virReportError(orig->code,
                       _("host '%1$s' has %2$llu KiB of huge pages free, and domain '%3$s' needs %4$llu KiB for its boot memory and sticks: add huge pages there (vm.nr_hugepages). %5$s"),
                       NULLSTR(host), available, def->name, total, orig->message);
        g_clear_pointer(&orig, virFreeError);
        return;
    }

    virErrorRestore(&orig);
}


/**
 * qemuHvBalloonRevertValidate:
 * @def: of a snapshot with memory
 *
 * As qemuHvBalloonIncomingValidate(), for a QEMU that is not started yet, and what a
 * start checks. To be called before the running guest is stopped for the one in the
 * snapshot.
 */
int
qemuHvBalloonRevertValidate(virQEMUDriver *driver,
                            const virDomainDef *def)
{
    g_autoptr(virQEMUCaps) qemuCaps = NULL;

    if (!virDomainDefHasHypervMemballoon(def))
        return 0;

    /* somebody may have edited the definition, which is not checked then */
    if (!(qemuCaps = qemuProcessLookupQEMUCaps(driver, def)) ||
        qemuHvBalloonIncomingValidate(def, qemuCaps, 0) < 0 ||
        virDomainDefValidate((virDomainDef *)def, 0, driver->xmlopt, qemuCaps) < 0)
        return -1;

    return qemuHvBalloonStartValidate(driver, def, qemuCaps);
}


/**
 * qemuHvBalloonFindCookie:
 * @cookie: of a file with memory, or NULL
 * @snapshot: internal snapshot, or NULL
 *
 * An internal snapshot has its cookie beside its definition. Returns NULL if there
 * is none, as in a snapshot of an older libvirt.
 */
const qemuHvBalloonCookie *
qemuHvBalloonFindCookie(const qemuDomainSaveCookie *cookie,
                        virDomainMomentObj *snapshot)
{
    if (!cookie && snapshot)
        cookie = (qemuDomainSaveCookie *)virDomainSnapshotObjGetDef(snapshot)->cookie;

    return cookie ? &cookie->hvBalloon : NULL;
}


/**
 * qemuHvBalloonTakeCookie:
 * @cookie: what came with the guest of @vm, or NULL
 *
 * To be called before QEMU is started for @vm, so that its status file says from
 * the first moment what was requested: the daemon may die.
 */
void
qemuHvBalloonTakeCookie(virDomainObj *vm,
                        const qemuHvBalloonCookie *cookie)
{
    if (!virDomainDefHasHypervMemballoon(vm->def))
        return;

    /* one from an older libvirt says nothing; what an attempt before has left here
     * is not this guest's either */
    if (cookie && cookie->requested > 0)
        qemuHvBalloonSetRequested(vm, cookie->requested,
                                  "so it was where the guest comes from");
    qemuHvBalloonSetKeepTotal(vm, cookie ? cookie->keepTotal : 0,
                              "so it was where the guest comes from");
}


/**
 * qemuHvBalloonLoaded:
 * @cookie: what came with the guest of @vm, or NULL
 * @asyncJob: the caller's
 *
 * To be called when QEMU has loaded the state of @vm, before the guest runs.
 * Failures are logged: the guest must not be lost for them, and the reconcile that
 * is scheduled here tries again.
 */
void
qemuHvBalloonLoaded(virDomainObj *vm,
                    const qemuHvBalloonCookie *cookie,
                    virDomainAsyncJob asyncJob)
{
    g_autoptr(qemuHvBalloonView) view = NULL;
    virErrorPtr orig;

    if (!qemuHvBalloonIsManaged(vm) || qemuHvBalloonRunsOnFixed(vm))
        return;

    virErrorPreserveLast(&orig);
    virResetLastError();

    /* what came before the start counts, unless more has come since */
    if (cookie && (cookie->requested > 0 || cookie->keepTotal > 0))
        qemuHvBalloonTakeCookie(vm, cookie);

    if (!(view = qemuHvBalloonSyncedView(vm, asyncJob)) ||
        qemuProcessRefreshBalloonState(vm, asyncJob) < 0)
        VIR_WARN("the memory of domain '%s' is not known yet: %s",
                 vm->def->name, virGetLastErrorMessage());
    virResetLastError();

    if (virDomainObjIsActive(vm)) {
        qemuDomainSaveStatus(vm);
        qemuHvBalloonScheduleReconcile(vm);
    }

    virErrorRestore(&orig);
}


/*
 * Clients in between
 */

/* Is the memory of @vm being written to a file: by dump, save, or a snapshot with
 * memory? A snapshot of disks alone is a job of the same kind and does not last. */
static bool
qemuHvBalloonIsWritten(const virDomainObj *vm)
{
    const qemuDomainJobDataPrivate *data = NULL;

    if (vm->job->current)
        data = vm->job->current->privateData;

    return vm->job->asyncJob == VIR_ASYNC_JOB_DUMP ||
        (data && data->statsType == QEMU_DOMAIN_JOB_STATS_TYPE_SAVEDUMP);
}


static bool
qemuHvBalloonIsBusy(const virDomainObj *vm)
{
    return virDomainDefHasHypervMemballoon(vm->def) &&
        (qemuHvBalloonIsMigrating(vm) || qemuHvBalloonIsWritten(vm));
}


/**
 * qemuHvBalloonCheckMigrating:
 *
 * To be called before a request to change the memory of @vm waits for its job: that
 * of a migration lasts until the guest is elsewhere, and that of a dump until all
 * memory is written. Reports an error if @vm has a hyperv balloon and is being
 * migrated, saved, dumped or snapshotted with its memory.
 */
int
qemuHvBalloonCheckMigrating(virDomainObj *vm)
{
    if (!qemuHvBalloonIsBusy(vm))
        return 0;

    if (!qemuHvBalloonIsMigrating(vm))
        virReportError(VIR_ERR_OPERATION_INVALID,
                       _("the memory of domain '%1$s' is being written to a file: change it when that has ended"),
                       vm->def->name);
    else if (vm->job->asyncJob == VIR_ASYNC_JOB_MIGRATION_IN)
        virReportError(VIR_ERR_OPERATION_INVALID,
                       _("domain '%1$s' is being migrated to this host: change its memory when it has arrived, or on the host it comes from if the migration fails"),
                       vm->def->name);
    else
        virReportError(VIR_ERR_OPERATION_INVALID,
                       _("domain '%1$s' is being migrated: change its memory afterwards, on the host where it is then"),
                       vm->def->name);
    return -1;
}


/* The device is parsed when the caller has the job; this much is known before. */
static bool
qemuHvBalloonIsStickXML(const char *xml)
{
    g_autoptr(xmlDoc) doc = NULL;
    g_autoptr(xmlXPathContext) ctxt = NULL;
    g_autofree char *model = NULL;

    /* the caller reports it */
    if (!(doc = virXMLParseStringCtxt(xml, _("(device_definition)"), &ctxt))) {
        virResetLastError();
        return false;
    }

    model = virXMLPropString(ctxt->node, "model");
    return virXMLNodeNameEqual(ctxt->node, "memory") && STREQ_NULLABLE(model, "haprot");
}


/**
 * qemuHvBalloonCheckMigratingXML:
 * @xml: device that a client attaches to @vm or detaches from it
 *
 * As qemuHvBalloonCheckMigrating(), if the device is a stick.
 */
int
qemuHvBalloonCheckMigratingXML(virDomainObj *vm,
                               const char *xml)
{
    if (!qemuHvBalloonIsBusy(vm) || !qemuHvBalloonIsStickXML(xml))
        return 0;

    return qemuHvBalloonCheckMigrating(vm);
}


/**
 * qemuHvBalloonCheckMigratingAlias:
 * @alias: of a device that a client detaches from @vm
 *
 * As qemuHvBalloonCheckMigrating(), if the device is a stick.
 */
int
qemuHvBalloonCheckMigratingAlias(virDomainObj *vm,
                                 const char *alias)
{
    const virDomainMemoryDef *mem = qemuHvBalloonFindStick(vm->def, alias);

    if (!mem || mem->model != VIR_DOMAIN_MEMORY_MODEL_HAPROT)
        return 0;

    return qemuHvBalloonCheckMigrating(vm);
}
