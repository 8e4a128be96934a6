/*
 * qemuhvballooncase.c: one request, or one reconcile, against a scripted
 *                      monitor, and again with each of its commands failing
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <config.h>

#include "qemuhvballooncase.h"

#include "qemu/qemu_hotplug.h"
#include "qemu/qemu_hvballoon.h"
#include "qemu/qemu_hvballoon_conf.h"
#include "qemu/qemu_hvballoon_migrate.h"
#include "virfile.h"

#define VIR_FROM_THIS VIR_FROM_NONE


static int
testAct(const testCase *test,
        virDomainObj *vm)
{
    switch (test->action) {
    case SET_LIVE:
        return qemuHvBalloonSetMemory(&testDriver, vm, vm->def, NULL, test->size, 0);
    case SET_CONFIG:
        return qemuHvBalloonSetMemory(&testDriver, vm, NULL, vm->newDef, test->size, 0);
    case SET_BOTH:
        return qemuHvBalloonSetMemory(&testDriver, vm, vm->def, vm->newDef, test->size, 0);
    case SETMAX_LIVE:
        return qemuHvBalloonSetMemory(&testDriver, vm, vm->def, NULL, test->size,
                                      VIR_DOMAIN_MEM_MAXIMUM);
    case SETMAX_CONFIG:
        return qemuHvBalloonSetMemory(&testDriver, vm, NULL, vm->newDef, test->size,
                                      VIR_DOMAIN_MEM_MAXIMUM);
    case RECONCILE:
        qemuHvBalloonReconcile(&testDriver, vm);
        return 0;
    case START:
        qemuHvBalloonStarted(vm, vm->def->mem.cur_balloon);
        return 0;
    case PLUG:
        testAddStick(vm->newDef, 7, 1 * GIB);
        return qemuDomainAttachMemory(&testDriver, vm,
                                      virDomainMemoryRemove(vm->newDef, 0));
    case UNPLUG:
        return qemuHvBalloonCheckHotplug(vm, vm->def->mems[0]);
    case MIGRATE:
        return qemuHvBalloonMigrationIsAllowed(vm, VIR_ASYNC_JOB_NONE) ? 0 : -1;
    }
    return -1;
}


static int
testCheckAfter(const testCase *test,
               unsigned long long totalBefore,
               const virDomainObj *vm)
{
    const qemuDomainObjPrivate *priv = vm->privateData;
    unsigned long long total = test->total ? test->total : totalBefore;
    unsigned long long requested =
        test->requestedAfter ? test->requestedAfter : test->requested;

    if (testCheckNumber("total", total, virDomainDefGetMemoryTotal(vm->def)) < 0 ||
        testCheckNumber("boot", 1 * GIB, virDomainDefGetMemoryInitial(vm->def)) < 0 ||
        testCheckNumber("requested", requested, vm->def->memballoon->requested) < 0)
        return -1;

    if (test->current &&
        testCheckNumber("currentMemory", test->current, vm->def->mem.cur_balloon) < 0)
        return -1;

    CHECK(test->pending == priv->hvBalloonPending, "reconcile pending");

    if (test->configTotal &&
        (testCheckNumber("stored total", test->configTotal,
                         virDomainDefGetMemoryTotal(vm->newDef)) < 0 ||
         testCheckNumber("stored currentMemory", test->configCurrent,
                         vm->newDef->mem.cur_balloon) < 0))
        return -1;

    return testCheckFormat(vm);
}


static virDomainObj *
testCaseDomainNew(const testCase *test)
{
    virDomainObj *vm = testDomainNew(test->sticks);
    qemuDomainObjPrivate *priv;

    if (!vm)
        return NULL;

    priv = vm->privateData;
    vm->def->memballoon->requested = test->requested;
    priv->hvBalloonKeepTotal = test->keepTotal;
    priv->hvBalloonUnmoved = test->unmoved;
    if (test->fixed)
        testSetFixed(vm);
    if (test->old)
        testSetOld(vm);
    return vm;
}


static int
testCaseOnce(const void *opaque)
{
    const testCase *test = opaque;
    qemuMonitorTest *mon = NULL;
    virDomainObj *vm = NULL;
    unsigned long long total;
    int ret = -1;
    int rc;

    /* the script does not include what the worker does */
    testWorkerHold();

    if (!(vm = testCaseDomainNew(test)) ||
        !(mon = testMonitorNew(vm)))
        goto cleanup;
    testAddScript(mon, test->script);
    total = virDomainDefGetMemoryTotal(vm->def);

    rc = testAct(test, vm);
    if (testCheckError(test->error, rc) == 0)
        ret = testCheckAfter(test, total, vm);

 cleanup:
    testMonitorEnd(vm, mon);
    testDomainEnd(&vm);
    testWorkerRelease();
    return ret;
}


/*
 * Failures: each case that succeeds is run again for each of its commands,
 * against a simulated QEMU where that command fails. The checks afterwards are
 * the same for all cases.
 */

typedef struct {
    const testCase *test;
    testSim *sim;
    ssize_t failAt;                 /* -1: nothing fails */
    testSimFailure failure;
    bool restarted;                 /* the daemon dies then, too */

    /* before */
    unsigned long long target;      /* KiB */
    unsigned long long total;
    unsigned long long settled;     /* requested, limited to the total */
    size_t nsticks;                 /* in the definition */
    size_t nsimulated;              /* in QEMU */

    bool failed;                    /* the request returned an error */

    /* the status file at the time of the failure */
    char *status;
} testFailing;


/* Does the case succeed, with a script that contains what QEMU has? */
static bool
testCanSimulate(const testCase *test)
{
    const testExchange *step = test->script;
    bool queries = false;

    for (; step && step->command; step++) {
        if (strstr(step->reply, "\"error\""))
            return false;
        queries |= STREQ(step->command, "query-hv-balloon");
    }

    return queries && !test->error;
}


static bool
testFailingIsSet(const testFailing *run)
{
    return run->test->action == SET_LIVE || run->test->action == SET_BOTH;
}


/* Boot memory and sticks that XML can describe, in KiB. */
static unsigned long long
testSimTotal(const testSim *sim)
{
    unsigned long long total = 1 * GIB;
    size_t i;

    for (i = 0; i < sim->sticks->len; i++) {
        const testSimStick *stick = g_ptr_array_index(sim->sticks, i);

        if (testSimStickIsOurs(stick))
            total += stick->size / 1024;
    }

    return total;
}


/* Has everything been done for the request? */
static bool
testFailingReached(const testFailing *run)
{
    unsigned long long size = run->test->size;
    unsigned long long total = 1 * GIB;
    size_t i;

    for (i = 0; i < run->sim->sticks->len; i++)
        total += ((testSimStick *)g_ptr_array_index(run->sim->sticks, i))->size / 1024;

    if (testFailingIsSet(run))
        return run->sim->target / 1024 == size && total >= size;

    return size <= run->total || total >= size;
}


/* The requested memory is the same as before. */
static int
testFailingCheckAsBefore(const testFailing *run,
                         const virDomainObj *vm,
                         const char *when)
{
    const qemuDomainObjPrivate *priv = vm->privateData;
    unsigned long long requested = vm->def->memballoon->requested;

    CHECK(requested == run->test->requested || requested == run->settled,
          "%s: requested %llu KiB", when, requested);
    CHECK(priv->hvBalloonKeepTotal == run->test->keepTotal,
          "%s: total to keep %llu KiB", when, priv->hvBalloonKeepTotal);
    return 0;
}


static int
testFailingCheckResult(const testFailing *run,
                       const virDomainObj *vm,
                       int rc)
{
    const testCase *test = run->test;
    unsigned long long size = testFailingIsSet(run) ? test->size : test->requested;
    unsigned long long requested = vm->def->memballoon->requested;

    if (test->action == RECONCILE) {
        CHECK(rc == 0 && virGetLastErrorCode() == VIR_ERR_OK,
              "reconcile: %s", virGetLastErrorMessage());
    } else {
        CHECK(rc == 0 || virGetLastErrorCode() != VIR_ERR_OK, "an error that is reported");
        CHECK(rc != 0 || testFailingReached(run), "success");
        /* without a reply it is unknown whether the command was executed */
        CHECK(rc == 0 || !testFailingReached(run) || run->failure == TEST_SIM_GONE_AFTER ||
              run->target == test->size || !testFailingIsSet(run),
              "failure: %s", virGetLastErrorMessage());
    }

    if (rc < 0 && testFailingCheckAsBefore(run, vm, "after a failure") < 0)
        return -1;

    CHECK(requested >= MIN(MIN(size, test->requested), virDomainDefGetMemoryTotal(vm->def)),
          "requested %llu KiB", requested);
    CHECK(requested <= MAX(test->requested, virDomainDefGetMemoryTotal(vm->def)),
          "requested %llu KiB", requested);

    if (test->action == SET_BOTH)
        CHECK(rc == 0 || virDomainDefGetMemoryTotal(vm->newDef) == 1 * GIB,
              "stored total %llu KiB", virDomainDefGetMemoryTotal(vm->newDef));

    return testCheckDefinition(vm);
}


/* The guest keeps its memory, unless less was requested. */
static int
testFailingCheckGranted(const testFailing *run)
{
    const testCase *test = run->test;
    unsigned long long least = MIN(run->target, test->requested);

    if (testFailingIsSet(run))
        least = MIN(run->target, test->size);

    CHECK(run->sim->lowest / 1024 >= MIN(least, run->total),
          "target lowered to %llu KiB", run->sim->lowest / 1024);
    CHECK(!run->sim->tookBack, "no stick in use is removed");
    return 0;
}


static int
testFailingOnce(testFailing *run,
                virDomainObj *vm)
{
    qemuMonitorTest *mon = testMonitorNew(vm);
    int rc;

    if (!mon)
        return -1;
    testSimServe(run->sim, mon);

    rc = testAct(run->test, vm);
    run->failed = rc < 0;
    testMonitorEnd(vm, mon);

    if (testFailingCheckResult(run, vm, rc) < 0 ||
        testFailingCheckGranted(run) < 0)
        return -1;

    virResetLastError();
    return 0;
}


/* A restarted daemon does not know a request that was not completed. */
static int
testFailingCheckRemembered(const testFailing *run,
                           const virDomainObj *vm)
{
    const char *name = g_ptr_array_index(run->sim->log, run->failAt);

    if (STREQ(name, "object-add") || STREQ(name, "device_add") || STREQ(name, "balloon"))
        return testFailingCheckAsBefore(run, vm, "remembered");

    return 0;
}


/* Once QEMU works again, a failed request has left nothing: the target is the old
 * one and no stick remains, unless a command was executed without a reply, so
 * that the guest may have got the stick. */
static int
testFailingCheckUndone(const testFailing *run,
                       const virDomainObj *vm)
{
    CHECK(run->failure == TEST_SIM_GONE_AFTER || run->sim->sticks->len <= run->nsimulated,
          "%u sticks after a failure", run->sim->sticks->len);

    return testFailingCheckAsBefore(run, vm, "reconciled after a failure");
}


static void
testKeepStatus(void *opaque)
{
    testFailing *run = opaque;
    g_autofree char *path = g_strdup_printf("%s/guest.xml", testDriver.config->stateDir);

    ignore_value(virFileReadAll(path, 1024 * 1024, &run->status));
}


/* Returns the number of commands, or -1. */
static int
testFailingRun(testFailing *run)
{
    virDomainObj *vm = testCaseDomainNew(run->test);
    g_autoptr(testSim) sim = testSimNewFromScript(run->test->script);
    int ret = -1;
    int n;

    if (!vm || !sim)
        goto cleanup;

    sim->failAt = run->failAt;
    sim->failure = run->failure;
    sim->failed = testKeepStatus;
    sim->opaque = run;
    run->sim = sim;
    run->target = sim->target / 1024;
    run->total = virDomainDefGetMemoryTotal(vm->def);
    run->nsticks = vm->def->nmems;
    run->nsimulated = sim->sticks->len;
    run->settled = MIN(run->test->requested, testSimTotal(sim));
    qemuDomainSaveStatus(vm);

    if (testFailingOnce(run, vm) < 0)
        goto cleanup;
    n = sim->log->len;

    if (run->restarted) {
        testDomainEnd(&vm);
        if (!run->status ||
            !(vm = testDomainFromStatus(run->status)) ||
            testFailingCheckRemembered(run, vm) < 0)
            goto cleanup;
    }

    if (testCheckConverges(vm, sim, run->nsticks) == 0 &&
        (!run->failed || testFailingCheckUndone(run, vm) == 0))
        ret = n;

 cleanup:
    g_clear_pointer(&run->status, g_free);
    testDomainEnd(&vm);
    return ret;
}


/* Without a failure, the simulated QEMU gets the commands in the script. */
static int
testFailingNothing(const testCase *test)
{
    testFailing run = { .test = test, .failAt = -1 };
    const testExchange *step = test->script;
    int n = testFailingRun(&run);
    int expected = 0;

    for (; step->command; step++)
        expected++;

    CHECK(n == expected, "%d commands", n);
    return n;
}


static int
testFailingAll(const testCase *test)
{
    int n = testFailingNothing(test);
    testFailing run = { .test = test };
    size_t failure;
    size_t restarted;

    for (run.failAt = 0; run.failAt < n; run.failAt++) {
        for (failure = 0; failure < TEST_SIM_LAST; failure++) {
            for (restarted = 0; restarted < 2; restarted++) {
                run.failure = failure;
                run.restarted = restarted;

                if (testFailingRun(&run) < 0) {
                    fprintf(stderr, "at command %zd of %d, failure %zu%s\n",
                            run.failAt, n, failure, restarted ? ", daemon restarted" : "");
                    return -1;
                }
            }
        }
    }

    return n < 0 ? -1 : 0;
}


static int
testFailingEverywhere(const void *opaque)
{
    int rc;

    /* testCheckConverges() does the reconcile that a failure schedules */
    testWorkerHold();
    rc = testFailingAll(opaque);
    testWorkerRelease();
    return rc;
}


int
testCasesRun(const testCase *cases,
             size_t ncases)
{
    int ret = 0;
    size_t i;

    for (i = 0; i < ncases; i++) {
        if (virTestRun(cases[i].name, testCaseOnce, &cases[i]) < 0)
            ret = -1;

        if (testCanSimulate(&cases[i])) {
            g_autofree char *name = g_strdup_printf("%s: each command fails", cases[i].name);

            if (virTestRun(name, testFailingEverywhere, &cases[i]) < 0)
                ret = -1;
        }
    }

    return ret;
}
