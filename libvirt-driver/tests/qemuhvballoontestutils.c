/*
 * qemuhvballoontestutils.c: shared by the tests of the hyperv balloon
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <config.h>

#include "qemuhvballoontestutils.h"

#include "qemu/qemu_alias.h"
#include "qemu/qemu_driver.h"
#include "qemu/qemu_hvballoon.h"
#include "virfile.h"
#include "virhostdev.h"
#include "virthreadpool.h"

#define LIBVIRT_QEMU_MONITOR_PRIV_H_ALLOW
#include "qemu/qemu_monitor_priv.h"
#define LIBVIRT_QEMU_PROCESSPRIV_H_ALLOW
#include "qemu/qemu_processpriv.h"
#define LIBVIRT_QEMU_CAPSPRIV_H_ALLOW
#include "qemu/qemu_capspriv.h"

#define VIR_FROM_THIS VIR_FROM_NONE

virQEMUDriver testDriver;
virQEMUCaps *testCaps;
virQEMUCaps *testFixedCaps;

/* of a monitor whose events the driver's own handlers get, else NULL */
static qemuMonitorCallbacks *testCallbacks;

static virMutex testGate = VIR_MUTEX_INITIALIZER;


void
testWorkerHold(void)
{
    virMutexLock(&testGate);
}


void
testWorkerRelease(void)
{
    virMutexUnlock(&testGate);
}


static void
testWorker(void *data,
           void *opaque)
{
    testWorkerHold();
    testWorkerRelease();

    qemuProcessEventHandler(data, opaque);
}


static int
testInit(void)
{
    g_autoptr(GHashTable) latest = testQemuGetLatestCaps();
    g_autoptr(GHashTable) capsCache = virHashNew(virObjectUnref);
    g_autoptr(GHashTable) schemaCache = virHashNew((GDestroyNotify) g_hash_table_unref);

    if (qemuTestDriverInit(&testDriver) < 0)
        return -1;

    virEventRegisterDefaultImpl();
    testDriver.hostdevMgr = virHostdevManagerGetDefault();
    if (!(testDriver.workerPool = virThreadPoolNewFull(0, 1, 0, testWorker,
                                                       "qemu-event", NULL, &testDriver)) ||
        !(testDriver.hvBalloonPool = virThreadPoolNewFull(0, 1, 0, testWorker,
                                                          "qemu-hvballoon", NULL, &testDriver)))
        return -1;

    if (!(testFixedCaps = testQemuGetRealCaps("x86_64", "10.0.0", "", latest,
                                              capsCache, schemaCache, NULL)) ||
        !(testCaps = testQemuGetRealCaps("x86_64", "10.0.0", "+hvballoon", latest,
                                         capsCache, schemaCache, NULL)))
        return -1;

    return qemuTestCapsCacheInsert(testDriver.qemuCapsCache, testCaps);
}


static void
testCleanup(void)
{
    virThreadPoolFree(testDriver.workerPool);
    virThreadPoolFree(testDriver.hvBalloonPool);
    g_clear_pointer(&testCaps, virObjectUnref);
    g_clear_pointer(&testFixedCaps, virObjectUnref);
    qemuTestDriverFree(&testDriver);
}


int
testProgram(int (*tests)(void))
{
    int ret;

    if (testInit() < 0)
        return EXIT_FAILURE;

    ret = tests();
    testCleanup();
    return ret == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}


void
testAddStick(virDomainDef *def,
             size_t number,
             unsigned long long size)
{
    virDomainMemoryDef *mem = virDomainMemoryDefNew(VIR_DOMAIN_MEMORY_MODEL_HAPROT);

    mem->size = size;
    mem->target.haprot.insert = VIR_DOMAIN_MEMORY_INSERT_MODE_ON_DEMAND;
    mem->info.alias = g_strdup_printf("ua-haprot%zu", number);
    ignore_value(virDomainMemoryInsert(def, mem));
}


virDomainObj *
testDomainNewFrom(const char *xml,
                  virQEMUCaps *caps,
                  const unsigned long long *sticks)
{
    virDomainObj *vm = virDomainObjNew(testDriver.xmlopt);
    qemuDomainObjPrivate *priv = vm->privateData;
    size_t i;

    priv->qemuCaps = virQEMUCapsNewCopy(caps);
    if (!(vm->def = virDomainDefParseString(xml, testDriver.xmlopt, NULL, 0)) ||
        qemuDomainAssignAddresses(vm->def, priv->qemuCaps, &testDriver, vm, true) < 0 ||
        qemuAssignDeviceAliases(vm->def) < 0 ||
        qemuDomainSetPrivatePaths(&testDriver, vm) < 0)
        goto error;

    priv->monConfig = virDomainChrSourceDefNew(NULL);
    priv->monConfig->type = VIR_DOMAIN_CHR_TYPE_UNIX;
    priv->monConfig->data.nix.path = g_strdup("/dev/null");

    vm->persistent = true;
    if (virDomainObjSetDefTransient(testDriver.xmlopt, vm, NULL) < 0)
        goto error;

    vm->def->id = DOMAIN_ID;
    for (i = 0; sticks && i < MAX_STICKS; i++) {
        if (sticks[i])
            testAddStick(vm->def, i, sticks[i]);
    }
    return vm;

 error:
    virDomainObjEndAPI(&vm);
    return NULL;
}


virDomainObj *
testDomainNew(const unsigned long long *sticks)
{
    return testDomainNewFrom(DOMAIN_XML("1", "", ""), testCaps, sticks);
}


virDomainObj *
testDomainFromStatus(const char *status)
{
    g_autofree char *path = g_strdup_printf("%s/restarted.xml", testDriver.config->stateDir);

    if (virFileWriteStr(path, status, 0600) < 0)
        return NULL;

    return virDomainObjParseFile(path, testDriver.xmlopt,
                                 VIR_DOMAIN_DEF_PARSE_STATUS |
                                 VIR_DOMAIN_DEF_PARSE_SKIP_VALIDATE |
                                 VIR_DOMAIN_DEF_PARSE_ALLOW_POST_PARSE_FAIL);
}


qemuMonitorTest *
testMonitorNew(virDomainObj *vm)
{
    qemuDomainObjPrivate *priv = vm->privateData;
    qemuMonitorTest *mon = qemuMonitorTestNew(testDriver.xmlopt, vm, NULL, NULL);

    if (!mon)
        return NULL;

    priv->mon = qemuMonitorTestGetMonitor(mon);
    virObjectUnlock(priv->mon);
    return mon;
}


void
testMonitorHandleEvents(qemuMonitorTest *mon)
{
    testCallbacks = qemuMonitorTestGetMonitor(mon)->cb;
    qemuMonitorTestGetMonitor(mon)->cb = qemuProcessGetMonitorCallbacks();
}


void
testMonitorEnd(virDomainObj *vm,
               qemuMonitorTest *mon)
{
    qemuDomainObjPrivate *priv = vm->privateData;

    if (!mon)
        return;

    /* the driver's handler of EOF would wait for @vm */
    if (testCallbacks)
        priv->mon->cb = g_steal_pointer(&testCallbacks);

    virObjectLock(priv->mon);
    qemuMonitorTestFree(mon);
    priv->mon = NULL;
}


void
testDomainEnd(virDomainObj **vm)
{
    if (!*vm)
        return;

    (*vm)->def->id = -1;
    virDomainObjEndAPI(vm);
}


static int
testAnswer(qemuMonitorTest *mon,
           qemuMonitorTestItem *item,
           const char *message)
{
    const testExchange *step = qemuMonitorTestItemGetPrivateData(item);
    g_autoptr(virJSONValue) json = virJSONValueFromString(message);
    g_autofree char *arguments = NULL;
    virJSONValue *args;

    if (!json)
        return -1;

    if ((args = virJSONValueObjectGetObject(json, "arguments")))
        arguments = virJSONValueToString(args, false);

    if (STRNEQ_NULLABLE(virJSONValueObjectGetString(json, "execute"), step->command) ||
        (step->arguments && STRNEQ_NULLABLE(step->arguments, arguments))) {
        fprintf(stderr, "expected %s %s, got %s\n",
                step->command, NULLSTR(step->arguments), message);
        return qemuMonitorTestAddInvalidCommandResponse(mon, step->command, message);
    }

    return qemuMonitorTestAddResponse(mon, step->reply);
}


void
testAddScript(qemuMonitorTest *mon,
              const testExchange *step)
{
    for (; step && step->command; step++)
        qemuMonitorTestAddHandler(mon, step->command, testAnswer, (void *)step, NULL);
}


int
testReconcile(virDomainObj *vm,
              const testExchange *script)
{
    qemuMonitorTest *mon = testMonitorNew(vm);

    if (!mon)
        return -1;

    testMonitorHandleEvents(mon);
    testAddScript(mon, script);
    qemuHvBalloonReconcile(&testDriver, vm);
    testMonitorEnd(vm, mon);
    return 0;
}


int
testCheckError(const char *error,
               int rc)
{
    const char *message = virGetLastErrorMessage();

    if (!error) {
        if (rc == 0 && virGetLastErrorCode() == VIR_ERR_OK)
            return 0;
        fprintf(stderr, "unexpected failure: %s\n", message);
        return -1;
    }

    if (rc == 0 || !strstr(message, error)) {
        fprintf(stderr, "expected an error with '%s', got %d and '%s'\n",
                error, rc, message);
        return -1;
    }
    virResetLastError();
    return 0;
}


int
testCheckNumber(const char *what,
                unsigned long long expected,
                unsigned long long actual)
{
    if (expected == actual)
        return 0;

    fprintf(stderr, "%s: expected %llu KiB, got %llu KiB\n", what, expected, actual);
    return -1;
}


int
testCheckFormat(const virDomainObj *vm)
{
    g_autofree char *xml = virDomainDefFormat(vm->newDef, testDriver.xmlopt,
                                              VIR_DOMAIN_DEF_FORMAT_INACTIVE);
    g_autoptr(virDomainDef) again = NULL;

    if (!xml ||
        !(again = virDomainDefParseString(xml, testDriver.xmlopt, NULL,
                                          VIR_DOMAIN_DEF_PARSE_INACTIVE)))
        return -1;
    return 0;
}


void
testSetFixed(virDomainObj *vm)
{
    qemuDomainObjPrivate *priv = vm->privateData;

    virQEMUCapsClear(priv->qemuCaps, QEMU_CAPS_DEVICE_MEM_HAPROT);
}


void
testSetOld(virDomainObj *vm)
{
    qemuDomainObjPrivate *priv = vm->privateData;

    virQEMUCapsClear(priv->qemuCaps, QEMU_CAPS_HV_BALLOON_MIGRATION);
}


testSim *
testSimNewFromScript(const testExchange *step)
{
    g_autoptr(testSim) sim = testSimNew();
    size_t i;

    for (i = 0; i < 3; i++, step++) {
        if (testSimLoad(sim, step->command, step->reply) < 0)
            return NULL;
    }

    for (; step->command; step++) {
        if (STREQ(step->command, "device_del") && !strstr(step->reply, "DEVICE_DELETED")) {
            for (i = 0; i < sim->sticks->len; i++) {
                testSimStick *stick = g_ptr_array_index(sim->sticks, i);

                stick->stays |= !!strstr(step->arguments, stick->id);
            }
        }
    }

    return g_steal_pointer(&sim);
}


int
testCheckDefinition(const virDomainObj *vm)
{
    unsigned long long sticks = 0;
    size_t i;

    for (i = 0; i < vm->def->nmems; i++)
        sticks += vm->def->mems[i]->size;

    CHECK(vm->def->id == DOMAIN_ID, "a domain that runs");
    CHECK(virDomainDefGetMemoryTotal(vm->def) == 1 * GIB + sticks,
          "total %llu KiB", virDomainDefGetMemoryTotal(vm->def));
    CHECK(virDomainDefGetMemoryTotal(vm->def) <= vm->def->mem.max_memory,
          "total %llu KiB", virDomainDefGetMemoryTotal(vm->def));
    return 0;
}


bool
testSimStickIsOurs(const testSimStick *stick)
{
    return STREQ_NULLABLE(STRSKIP(stick->memdev, "mem"), stick->id) &&
        !strchr(stick->id, '.');
}


int
testCheckTruth(const virDomainObj *vm,
               const testSim *sim)
{
    GHashTableIter iter;
    void *backend;
    size_t ours = 0;
    size_t i;

    for (i = 0; i < sim->sticks->len; i++) {
        const testSimStick *stick = g_ptr_array_index(sim->sticks, i);
        virDomainMemoryDef *mem = virDomainMemoryFindByDeviceAlias(vm->def, stick->id);

        if (!testSimStickIsOurs(stick))
            continue;

        ours++;
        CHECK(mem && mem->size == stick->size / 1024 && mem->target.haprot.address == stick->addr,
              "stick '%s' as QEMU has it", stick->id);
    }
    CHECK(vm->def->nmems == ours, "%zu sticks described", vm->def->nmems);

    g_hash_table_iter_init(&iter, sim->backends);
    while (g_hash_table_iter_next(&iter, &backend, NULL)) {
        const char *id = STRSKIP((char *)backend, "mem");

        CHECK(!id || !STRPREFIX(id, "ua-haprot") || testSimFind(sim, id),
              "backend '%s' with a stick", (char *)backend);
    }

    return 0;
}


static size_t
testSimCountChanges(const testSim *sim,
                    size_t from)
{
    size_t n = 0;

    for (; from < sim->log->len; from++) {
        const char *name = g_ptr_array_index(sim->log, from);

        n += !STRPREFIX(name, "query-") && STRNEQ(name, "qom-list") &&
            STRNEQ(name, "device_del");
    }

    return n;
}


/* Boot memory and all sticks, in KiB. */
static unsigned long long
testSimHas(const testSim *sim)
{
    unsigned long long has = 1 * GIB;
    size_t i;

    for (i = 0; i < sim->sticks->len; i++)
        has += ((testSimStick *)g_ptr_array_index(sim->sticks, i))->size / 1024;

    return has;
}


int
testCheckConverges(virDomainObj *vm,
                   testSim *sim,
                   size_t nsticks)
{
    qemuMonitorTest *mon = testMonitorNew(vm);
    unsigned long long requested = vm->def->memballoon->requested;
    unsigned long long total;
    size_t done;

    if (!mon)
        return -1;
    testSimServe(sim, mon);

    sim->failAt = -1;
    qemuHvBalloonReconcile(&testDriver, vm);
    done = sim->log->len;
    qemuHvBalloonReconcile(&testDriver, vm);
    testMonitorEnd(vm, mon);
    total = virDomainDefGetMemoryTotal(vm->def);

    CHECK(testSimCountChanges(sim, done) == 0, "at rest");
    CHECK(sim->target / 1024 == vm->def->memballoon->requested,
          "target %llu KiB of %llu KiB", sim->target / 1024,
          vm->def->memballoon->requested);
    CHECK(vm->def->memballoon->requested <= testSimHas(sim),
          "requested %llu KiB", vm->def->memballoon->requested);
    /* requested is kept, or lowered to the total if a stick has vanished */
    CHECK(vm->def->memballoon->requested == requested ||
          requested > total ||
          sim->sticks->len < nsticks,
          "requested %llu KiB", requested);

    return testCheckDefinition(vm) < 0 ? -1 : testCheckTruth(vm, sim);
}
