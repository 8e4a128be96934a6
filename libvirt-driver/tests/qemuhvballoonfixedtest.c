/*
 * qemuhvballoonfixedtest.c: a QEMU without sticks, where ua-haprot0 is the
 *                           balloon's fixed backend
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <config.h>

#include <dlfcn.h>

#include "qemuhvballooncase.h"

#define VIR_FROM_THIS VIR_FROM_NONE


/* <currentMemory> is 1 GiB before each case. */
#define FIXED .fixed = true, .sticks = { 7 * GIB }

static const testCase cases[] = {
    { .name = "fixed backend: setmem is one command, and the balloon is polled", FIXED,
      .action = SET_LIVE, .size = 3 * GIB, .requested = 1 * GIB, .unmoved = 5,
      .script = SCRIPT(BALLOON(THREE, OK)), .requestedAfter = 3 * GIB, .pending = true },
    { .name = "fixed backend: setmem above maxMemory", FIXED,
      .action = SET_LIVE, .size = 8 * GIB + 1, .requested = 1 * GIB,
      .error = "above <maxMemory> 8388608 KiB" },
    { .name = "fixed backend: setmem below minimum", FIXED,
      .action = SET_LIVE, .size = 512 * 1024 - 1, .requested = 1 * GIB,
      .error = "<minimum> of the balloon, 524288 KiB" },
    { .name = "fixed backend: setmaxmem has nothing to do", FIXED,
      .action = SETMAX_LIVE, .size = 2 * GIB, .requested = 1 * GIB },
    { .name = "fixed backend: setmaxmem above maxMemory", FIXED,
      .action = SETMAX_LIVE, .size = 8 * GIB + 1, .requested = 1 * GIB,
      .error = "above <maxMemory>" },
    { .name = "fixed backend: a guest that starts is polled", FIXED,
      .action = START, .requested = 1 * GIB, .pending = true },
    { .name = "a guest that starts is not polled where QEMU sends events",
      .action = START, .requested = 1 * GIB },
    { .name = "fixed backend: a guest at its target is left alone", FIXED,
      .action = RECONCILE, .requested = 1 * GIB,
      .script = SCRIPT(QUERY_BALLOON), .current = 1 * GIB },
    { .name = "fixed backend: a target that is not a whole page is reached", FIXED,
      .action = RECONCILE, .requested = 1 * GIB + 1,
      .script = SCRIPT(QUERY_BALLOON), .current = 1 * GIB },
    { .name = "fixed backend: a guest that moves is polled", FIXED,
      .action = RECONCILE, .requested = 3 * GIB,
      .script = SCRIPT({ "query-balloon", NULL, "{\"return\": {\"actual\": " TWO "}}" }),
      .current = 2 * GIB, .pending = true },
    { .name = "fixed backend: the target is resent to a guest that has not moved", FIXED,
      .action = RECONCILE, .requested = 3 * GIB,
      .script = SCRIPT(QUERY_BALLOON, BALLOON(THREE, OK)), .current = 1 * GIB, .pending = true },
    { .name = "fixed backend: the target is not resent at each poll", FIXED,
      .action = RECONCILE, .requested = 3 * GIB, .unmoved = 2,
      .script = SCRIPT(QUERY_BALLOON), .current = 1 * GIB, .pending = true },
    { .name = "fixed backend: the target is resent without end", FIXED,
      .action = RECONCILE, .requested = 3 * GIB, .unmoved = 191,
      .script = SCRIPT(QUERY_BALLOON, BALLOON(THREE, OK)), .current = 1 * GIB, .pending = true },
    { .name = "fixed backend: a query that fails is no error", FIXED,
      .action = RECONCILE, .requested = 1 * GIB,
      .script = SCRIPT({ "query-balloon", NULL, FAIL("out of order") }), .current = 1 * GIB },
    { .name = "fixed backend: and the balloon is polled nevertheless", FIXED,
      .action = RECONCILE, .requested = 3 * GIB, .unmoved = 2,
      .script = SCRIPT({ "query-balloon", NULL, FAIL("out of order") }), .current = 1 * GIB,
      .pending = true },
    { .name = "fixed backend: nothing was asked for, nothing is waited for", FIXED,
      .action = RECONCILE, .unmoved = 2, .script = SCRIPT(QUERY_BALLOON), .current = 1 * GIB },
    { .name = "fixed backend: a setmem that fails has changed nothing", FIXED,
      .action = SET_LIVE, .size = 3 * GIB, .requested = 1 * GIB,
      .script = SCRIPT(BALLOON(THREE, FAIL("busy"))), .error = "3145728 KiB failed: ",
      .pending = true },
    { .name = "fixed backend: no stick is plugged", FIXED,
      .action = PLUG, .requested = 1 * GIB, .error = "lacks the 'mem-haprot' device" },
    { .name = "fixed backend: no stick is unplugged", FIXED,
      .action = UNPLUG, .requested = 1 * GIB, .error = "lacks the 'mem-haprot' device" },
    { .name = "fixed backend: no migration", FIXED,
      .action = MIGRATE, .requested = 1 * GIB,
      .error = "cannot be migrated, saved or snapshotted" },
};


#define RESET \
    "{\"timestamp\": {\"seconds\": 1374137171, \"microseconds\": 2659}, \"event\": \"RESET\"," \
    " \"data\": {\"guest\": true, \"reason\": \"guest-reset\"}}\r\n"

static size_t testTimers;


/* Overrides libvirt's. A timer that polls never fires here. */
int
virEventAddTimeout(int frequency,
                   virEventTimeoutCallback cb,
                   void *opaque,
                   virFreeCallback ff)
{
    int (*real)(int, virEventTimeoutCallback, void *, virFreeCallback) =
        dlsym(RTLD_NEXT, "virEventAddTimeout");

    /* the test's monitor needs it to free itself */
    if (frequency == 0)
        return real(frequency, cb, opaque, ff);

    ff(opaque);
    return ++testTimers;
}


static int
testPollRun(virDomainObj *vm)
{
    const testExchange quiet[] = { QUERY_BALLOON, BALLOON(THREE, OK), { } };
    const testExchange reset[] = { { "query-balloon", NULL, RESET ACTUAL }, { } };
    qemuDomainObjPrivate *priv = vm->privateData;

    testTimers = 0;
    if (testReconcile(vm, reset) < 0)
        return -1;
    CHECK(priv->hvBalloonPending && testTimers == 0,
          "the worker polls it: %zu timers", testTimers);

    /* as the worker does */
    priv->hvBalloonPending = false;
    if (testReconcile(vm, quiet) < 0)
        return -1;
    CHECK(priv->hvBalloonPending && testTimers == 1,
          "a timer polls it: %zu timers", testTimers);

    if (testReconcile(vm, quiet) < 0)
        return -1;
    CHECK(priv->hvBalloonPending && testTimers == 1,
          "the same timer polls it: %zu timers", testTimers);
    return 0;
}


/* An event arrives while the balloon is queried. */
static int
testPollOnce(const void *opaque G_GNUC_UNUSED)
{
    const unsigned long long sticks[MAX_STICKS] = { 2 * GIB };
    virDomainObj *vm = testDomainNewFrom(DOMAIN_XML("1", "", ""), testFixedCaps, sticks);
    int ret;

    if (!vm)
        return -1;

    vm->def->memballoon->requested = 3 * GIB;
    /* the guest moves, so the target is not resent */
    vm->def->mem.cur_balloon = 2 * GIB;

    testWorkerHold();
    ret = testPollRun(vm);
    testDomainEnd(&vm);
    testWorkerRelease();
    return ret;
}


static int
testAll(void)
{
    int ret = 0;

    if (virTestRun("one timer polls a QEMU without sticks", testPollOnce, NULL) < 0)
        ret = -1;

    if (testCasesRun(cases, G_N_ELEMENTS(cases)) < 0)
        ret = -1;

    return ret;
}

HVBALLOON_TEST_MAIN(testAll)
