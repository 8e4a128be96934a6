/*
 * qemuhvballooneventtest.c: events, processed by the driver's handlers and
 *                           worker
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <config.h>

#include "qemu/qemu_hvballoon_schedule.h"
#include "qemuhvballoontestutils.h"
#include "virthreadpool.h"

#define VIR_FROM_THIS VIR_FROM_NONE


/*
 * QEMU has 1 GiB and one stick of 1 GiB, which is in the definition, and maybe
 * another one.
 */

typedef struct {
    const char *name;
    const char *events;
    const char *state;              /* of the stick */
    unsigned long long requested;   /* KiB, as all sizes here */
    bool another;                   /* plugged by somebody else */
    bool vanished;                  /* the stick was removed by somebody else */
    bool busy;                      /* another job has the domain for a while */
    bool migrating;                 /* that job is a migration, which fails in the end */

    /* after; @requested never changes */
    size_t queries;                 /* for the sticks that QEMU has */
    unsigned long long total;
    unsigned long long current;
} testEventCase;

#define EVENT(name, data) \
    "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"" name "\"" data "}"
#define EVENT_STICK(name, id) \
    EVENT("HV_BALLOON_HAPROT_" name, ", \"data\": {\"id\": \"" id "\"," \
          " \"qom-path\": \"/machine/peripheral/" id "\", \"memdev\": \"/objects/mem" id "\"}")
#define EVENT_ACTUAL(bytes) EVENT("BALLOON_CHANGE", ", \"data\": {\"actual\": " bytes "}")
#define EVENT_DELETED(id) \
    EVENT("DEVICE_DELETED", ", \"data\": {\"device\": \"" id "\", \"path\": \"/machine/peripheral/" id "\"}")

#define TIMES4(event) event "\r\n" event "\r\n" event "\r\n" event

static const testEventCase eventCases[] = {
    {
        .name = "UNUSED: a stick that is not needed is removed",
        .events = EVENT_STICK("UNUSED", "ua-haprot0"), .state = "unused", .requested = 1 * GIB,
        .queries = 1, .total = 1 * GIB, .current = 1 * GIB,
    },
    {
        .name = "UNUSED: a stick that is needed stays",
        .events = EVENT_STICK("UNUSED", "ua-haprot0"), .state = "unused", .requested = 2 * GIB,
        .queries = 1, .total = 2 * GIB, .current = 1 * GIB,
    },
    {
        .name = "INUSE: nothing changes",
        .events = EVENT_STICK("INUSE", "ua-haprot0"), .state = "inuse", .requested = 2 * GIB,
        .queries = 1, .total = 2 * GIB, .current = 1 * GIB,
    },
    {
        .name = "INUSE: a stick that somebody else plugged is adopted",
        .events = EVENT_STICK("INUSE", "ua-haprot1"), .state = "inuse", .requested = 3 * GIB, .another = true,
        .queries = 1, .total = 3 * GIB, .current = 3 * GIB,
    },
    {
        .name = "RESET: a stick that is not needed is removed",
        .events = EVENT("RESET", ", \"data\": {\"guest\": true, \"reason\": \"guest-reset\"}"),
        .state = "unused", .requested = 1 * GIB,
        .queries = 1, .total = 1 * GIB, .current = 1 * GIB,
    },
    {
        .name = "BALLOON_CHANGE: updates currentMemory and requests nothing",
        .events = EVENT_ACTUAL("1610612736"), .state = "inuse", .requested = 2 * GIB,
        .total = 2 * GIB, .current = 1536 * 1024,
    },
    {
        .name = "BALLOON_CHANGE: more than the total",
        .events = EVENT_ACTUAL("9223372036854775807"), .state = "inuse", .requested = 2 * GIB,
        .total = 2 * GIB, .current = 2 * GIB,
    },
    {
        .name = "BALLOON_CHANGE: more than fits into a number",
        .events = EVENT_ACTUAL("18446744073709551615"), .state = "inuse", .requested = 2 * GIB,
        .total = 2 * GIB, .current = 1 * GIB,
    },
    {
        .name = "BALLOON_CHANGE: no number, a negative one, none at all",
        .events = EVENT_ACTUAL("\"much\"") "\r\n" EVENT_ACTUAL("-1") "\r\n"
                  EVENT("BALLOON_CHANGE", ", \"data\": {}"),
        .state = "inuse", .requested = 2 * GIB,
        .total = 2 * GIB, .current = 1 * GIB,
    },
    {
        .name = "DEVICE_DELETED: a stick that somebody else removed is forgotten",
        .events = EVENT_DELETED("ua-haprot0"), .state = "unused", .requested = 1 * GIB, .vanished = true,
        .queries = 1, .total = 1 * GIB, .current = 1 * GIB,
    },
    {
        .name = "DEVICE_DELETED: a stick that still exists is kept",
        .events = EVENT_DELETED("ua-haprot0"), .state = "inuse", .requested = 2 * GIB,
        .total = 2 * GIB, .current = 1 * GIB,
    },
    {
        .name = "DEVICE_DELETED: an unknown device",
        .events = EVENT_DELETED("../../victim") "\r\n" EVENT_DELETED("") "\r\n"
                  EVENT("DEVICE_DELETED", ", \"data\": {\"path\": \"/machine/peripheral/x\"}"),
        .state = "inuse", .requested = 2 * GIB,
        .total = 2 * GIB, .current = 1 * GIB,
    },
    {
        .name = "the data of an event about a stick is not used",
        .events = EVENT("HV_BALLOON_HAPROT_UNUSED", ", \"data\": {\"id\": 5, \"addr\": -1, \"size\": 1e99}"),
        .state = "inuse", .requested = 2 * GIB,
        .queries = 1, .total = 2 * GIB, .current = 1 * GIB,
    },
    {
        .name = "events without data",
        .events = EVENT("HV_BALLOON_HAPROT_UNUSED", "") "\r\n" EVENT("BALLOON_CHANGE", "") "\r\n"
                  EVENT("DEVICE_DELETED", "") "\r\n" EVENT("MEMORY_DEVICE_SIZE_CHANGE", ""),
        .state = "inuse", .requested = 2 * GIB,
        .queries = 1, .total = 2 * GIB, .current = 1 * GIB,
    },
    {
        .name = "a busy domain is queried later, and once for many events",
        .events = TIMES4(TIMES4(EVENT_STICK("UNUSED", "ua-haprot0"))),
        .state = "unused", .requested = 1 * GIB, .busy = true,
        .queries = 1, .total = 1 * GIB, .current = 1 * GIB,
    },
    {
        .name = "a domain that migrates is left alone until it is known where it stays",
        .events = TIMES4(EVENT_STICK("UNUSED", "ua-haprot0")),
        .state = "unused", .requested = 1 * GIB, .busy = true, .migrating = true,
        .queries = 1, .total = 1 * GIB, .current = 1 * GIB,
    },
};


static bool
testPoolIsIdle(virThreadPool *pool)
{
    return virThreadPoolGetJobQueueDepth(pool) == 0 &&
        virThreadPoolGetFreeWorkers(pool) == virThreadPoolGetCurrentWorkers(pool);
}


/* Have the workers done all their jobs? That of events may give one to the other. */
static bool
testWorkerIsIdle(void)
{
    return testPoolIsIdle(testDriver.workerPool) && testPoolIsIdle(testDriver.hvBalloonPool);
}


/* Leaves the domain to the event loop and the worker until sticks were queried
 * @queries times and the worker is idle. */
static void
testWaitForWorker(virDomainObj *vm,
                  const testSim *sim,
                  size_t queries)
{
    size_t i;

    virObjectUnlock(vm);
    for (i = 0; i < 6000; i++) {
        if (testWorkerIsIdle() && testSimCount(sim, "query-haprot") >= queries)
            break;
        g_usleep(10 * 1000);
    }
    virObjectLock(vm);
}


/* QEMU sends the events before a reply, so they have arrived when that has. */
static void
testSendEvents(virDomainObj *vm,
               testSim *sim,
               const char *events)
{
    unsigned long long actual;

    testWorkerHold();
    sim->events = g_strdup(events);
    qemuDomainObjEnterMonitor(vm);
    ignore_value(qemuMonitorGetBalloonInfo(qemuDomainGetMonitor(vm), &actual));
    qemuDomainObjExitMonitor(vm);
    testWorkerRelease();
}


static testSim *
testEventSim(const testEventCase *test)
{
    testSim *sim = testSimNew();
    testSimStick *stick = testSimAddStick(sim, "ua-haprot0", "memua-haprot0", true, 1ULL << 30);

    testSimAddBackend(sim, "memua-haprot0", "child<memory-backend-ram>", 1ULL << 30);
    testSimSetState(stick, test->state);

    if (test->another) {
        stick = testSimAddStick(sim, "ua-haprot1", "memua-haprot1", true, 1ULL << 30);
        testSimAddBackend(sim, "memua-haprot1", "child<memory-backend-ram>", 1ULL << 30);
        testSimSetState(stick, test->state);
    }

    if (test->vanished)
        testSimRemoveStick(sim, "ua-haprot0");

    sim->target = test->requested * 1024;
    sim->actual = sim->target;
    return sim;
}


static int
testEventBeginJob(const testEventCase *test,
                  virDomainObj *vm)
{
    if (!test->migrating)
        return virDomainObjBeginJob(vm, VIR_JOB_MODIFY);

    if (virDomainObjBeginAsyncJob(vm, VIR_ASYNC_JOB_MIGRATION_OUT,
                                  VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT, 0) < 0)
        return -1;

    qemuDomainObjSetAsyncJobMask(vm, VIR_JOB_DEFAULT_MASK);
    return 0;
}


static void
testEventEndJob(const testEventCase *test,
                virDomainObj *vm)
{
    if (test->migrating)
        virDomainObjEndAsyncJob(vm);
    else
        virDomainObjEndJob(vm);
}


static int
testEventRun(const testEventCase *test,
             virDomainObj *vm,
             testSim *sim)
{
    qemuDomainObjPrivate *priv = vm->privateData;
    size_t queries;

    if (test->busy && testEventBeginJob(test, vm) < 0)
        return -1;

    testSendEvents(vm, sim, test->events);

    if (test->busy) {
        testWaitForWorker(vm, sim, 0);
        CHECK(testSimCount(sim, "query-haprot") == 0, "left alone");
        CHECK(priv->hvBalloonPending, "not forgotten");
        testEventEndJob(test, vm);
    }

    testWaitForWorker(vm, sim, test->queries);
    queries = testSimCount(sim, "query-haprot");

    CHECK(queries == test->queries, "%zu queries", queries);
    CHECK(vm->def->mem.cur_balloon == test->current,
          "current %llu KiB", vm->def->mem.cur_balloon);
    CHECK(virDomainDefGetMemoryTotal(vm->def) == test->total,
          "total %llu KiB", virDomainDefGetMemoryTotal(vm->def));
    CHECK(vm->def->memballoon->requested == test->requested,
          "requested %llu KiB", vm->def->memballoon->requested);

    return testCheckDefinition(vm) < 0 ? -1 : testCheckTruth(vm, sim);
}


static int
testEvent(const void *opaque)
{
    const testEventCase *test = opaque;
    virDomainObj *vm = testDomainNew((const unsigned long long[MAX_STICKS]) { 1 * GIB });
    g_autoptr(testSim) sim = testEventSim(test);
    qemuMonitorTest *mon = NULL;
    int ret = -1;

    if (!vm || !(mon = testMonitorNew(vm)))
        goto cleanup;
    testSimServe(sim, mon);

    vm->def->mems[0]->target.haprot.address = 4ULL << 30;
    vm->def->memballoon->requested = test->requested;
    vm->def->mem.cur_balloon = 1 * GIB;
    virDomainObjSetState(vm, VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_BOOTED);

    testMonitorHandleEvents(mon);
    ret = testEventRun(test, vm, sim);

 cleanup:
    testMonitorEnd(vm, mon);
    testDomainEnd(&vm);
    return ret;
}


static void
testTick(int timer,
         void *opaque)
{
    virEventRemoveTimeout(timer);
    g_atomic_int_set((int *)opaque, 1);
}


/* Does the event loop go on while @vm is locked, as long as it takes to kill a
 * QEMU, and a reconcile of it is due? */
static int
testLocked(const void *opaque G_GNUC_UNUSED)
{
    virDomainObj *vm = testDomainNew((const unsigned long long[MAX_STICKS]) { 1 * GIB });
    qemuMonitorTest *mon = NULL;
    int ticked = 0;
    int ret = -1;
    size_t i;

    if (!vm || !(mon = testMonitorNew(vm)))
        goto cleanup;

    testWorkerHold();
    testMonitorHandleEvents(mon);
    qemuHvBalloonScheduleLater(vm);
    g_usleep(1500 * 1000);              /* it is due after one second */
    virEventAddTimeout(0, testTick, &ticked, NULL);
    for (i = 0; i < 500 && !g_atomic_int_get(&ticked); i++)
        g_usleep(10 * 1000);
    ret = g_atomic_int_get(&ticked) ? 0 : -1;

    vm->def->id = -1;                   /* nothing to reconcile any more */
    virObjectUnlock(vm);
    while (!g_atomic_int_get(&ticked))
        g_usleep(10 * 1000);
    testWorkerRelease();
    while (!testWorkerIsIdle())
        g_usleep(10 * 1000);
    virObjectLock(vm);
    vm->def->id = DOMAIN_ID;

 cleanup:
    testMonitorEnd(vm, mon);
    testDomainEnd(&vm);
    return ret;
}


static int
testAll(void)
{
    int ret = 0;

    RUN_ALL("event ", eventCases, testEvent);

    if (virTestRun("a locked domain does not hold up the event loop", testLocked, NULL) < 0)
        ret = -1;

    return ret;
}

HVBALLOON_TEST_MAIN(testAll)
