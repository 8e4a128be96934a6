/*
 * qemuhvballoonfixedtest.c: a QEMU without sticks, where ua-haprot0 is the
 *                           balloon's own memory
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <config.h>

#include "qemuhvballooncase.h"

#define VIR_FROM_THIS VIR_FROM_NONE


static const testCase cases[] = {
    /* On a QEMU without sticks, ua-haprot0 is the balloon's own memory. The guest
     * has 1 GiB as far as libvirt knows before. */
    {
        .name = "stock: setmem is one command, and what comes of it is watched",
        .action = SET_LIVE, .size = 3 * GIB, .requested = 1 * GIB, .sticks = { 7 * GIB },
        .stock = true, .unmoved = 5,
        .script = (const testExchange[]) { BALLOON(THREE, OK), { } },
        .total = 8 * GIB, .wanted = 3 * GIB, .watched = true,
    },
    {
        .name = "stock: setmem above maxMemory",
        .action = SET_LIVE, .size = 8 * GIB + 1, .requested = 1 * GIB, .sticks = { 7 * GIB },
        .stock = true,
        .error = "above <maxMemory> 8388608 KiB",
        .total = 8 * GIB, .wanted = 1 * GIB,
    },
    {
        .name = "stock: setmem below minimum",
        .action = SET_LIVE, .size = 512 * 1024 - 1, .requested = 1 * GIB, .sticks = { 7 * GIB },
        .stock = true,
        .error = "<minimum> of the balloon, 524288 KiB",
        .total = 8 * GIB, .wanted = 1 * GIB,
    },
    {
        .name = "stock: setmaxmem has nothing to do",
        .action = SETMAX_LIVE, .size = 2 * GIB, .requested = 1 * GIB, .sticks = { 7 * GIB },
        .stock = true,
        .total = 8 * GIB, .wanted = 1 * GIB,
    },
    {
        .name = "stock: setmaxmem above maxMemory",
        .action = SETMAX_LIVE, .size = 8 * GIB + 1, .requested = 1 * GIB, .sticks = { 7 * GIB },
        .stock = true,
        .error = "above <maxMemory>",
        .total = 8 * GIB, .wanted = 1 * GIB,
    },
    {
        .name = "stock: a guest that starts is watched",
        .action = START, .requested = 1 * GIB, .sticks = { 7 * GIB },
        .stock = true,
        .total = 8 * GIB, .wanted = 1 * GIB, .watched = true,
    },
    {
        .name = "a guest that starts is not, where QEMU tells",
        .action = START, .requested = 1 * GIB,
        .total = 1 * GIB, .wanted = 1 * GIB,
    },
    {
        .name = "stock: a guest at its target is left alone",
        .action = RECONCILE, .requested = 1 * GIB, .sticks = { 7 * GIB },
        .stock = true,
        .script = (const testExchange[]) { { "query-balloon", NULL, ACTUAL }, { } },
        .total = 8 * GIB, .wanted = 1 * GIB, .current = 1 * GIB,
    },
    {
        .name = "stock: a target that is no whole page is reached",
        .action = RECONCILE, .requested = 1 * GIB + 1, .sticks = { 7 * GIB },
        .stock = true,
        .script = (const testExchange[]) { { "query-balloon", NULL, ACTUAL }, { } },
        .total = 8 * GIB, .wanted = 1 * GIB + 1, .current = 1 * GIB,
    },
    {
        .name = "stock: a guest on its way is watched",
        .action = RECONCILE, .requested = 3 * GIB, .sticks = { 7 * GIB },
        .stock = true,
        .script = (const testExchange[]) {
            { "query-balloon", NULL, "{\"return\": {\"actual\": " TWO "}}" }, { } },
        .total = 8 * GIB, .wanted = 3 * GIB, .current = 2 * GIB, .watched = true,
    },
    {
        .name = "stock: a guest that has not moved is told again",
        .action = RECONCILE, .requested = 3 * GIB, .sticks = { 7 * GIB },
        .stock = true,
        .script = (const testExchange[]) {
            { "query-balloon", NULL, ACTUAL }, BALLOON(THREE, OK), { } },
        .total = 8 * GIB, .wanted = 3 * GIB, .current = 1 * GIB, .watched = true,
    },
    {
        .name = "stock: and not each time",
        .action = RECONCILE, .requested = 3 * GIB, .sticks = { 7 * GIB },
        .stock = true, .unmoved = 2,
        .script = (const testExchange[]) { { "query-balloon", NULL, ACTUAL }, { } },
        .total = 8 * GIB, .wanted = 3 * GIB, .current = 1 * GIB, .watched = true,
    },
    {
        .name = "stock: but for ever",
        .action = RECONCILE, .requested = 3 * GIB, .sticks = { 7 * GIB },
        .stock = true, .unmoved = 191,
        .script = (const testExchange[]) {
            { "query-balloon", NULL, ACTUAL }, BALLOON(THREE, OK), { } },
        .total = 8 * GIB, .wanted = 3 * GIB, .current = 1 * GIB, .watched = true,
    },
    {
        .name = "stock: a query that fails is no error",
        .action = RECONCILE, .requested = 1 * GIB, .sticks = { 7 * GIB },
        .stock = true,
        .script = (const testExchange[]) { { "query-balloon", NULL, FAIL("out of order") }, { } },
        .total = 8 * GIB, .wanted = 1 * GIB, .current = 1 * GIB,
    },
    {
        .name = "stock: no stick is plugged",
        .action = PLUG, .requested = 1 * GIB, .sticks = { 7 * GIB }, .stock = true,
        .error = "lacks the 'mem-haprot' device",
        .total = 8 * GIB, .wanted = 1 * GIB,
    },
    {
        .name = "stock: no stick is unplugged",
        .action = UNPLUG, .requested = 1 * GIB, .sticks = { 7 * GIB }, .stock = true,
        .error = "lacks the 'mem-haprot' device",
        .total = 8 * GIB, .wanted = 1 * GIB,
    },
    {
        .name = "stock: no migration",
        .action = MIGRATE, .requested = 1 * GIB, .sticks = { 7 * GIB }, .stock = true,
        .error = "cannot be migrated, saved or snapshotted",
        .total = 8 * GIB, .wanted = 1 * GIB,
    },
};


/* One timer, however much happens while it runs. */
static int
testPollOnce(const void *opaque G_GNUC_UNUSED)
{
    const testExchange script[] = { { "query-balloon", NULL, ACTUAL }, { } };
    const unsigned long long sticks[MAX_STICKS] = { 2 * GIB };
    virDomainObj *vm = testDomainNewFrom(DOMAIN_XML("1", "", ""), testStockCaps, sticks);
    qemuDomainObjPrivate *priv;
    int ret = -1;

    if (!vm)
        return -1;

    priv = vm->privateData;
    vm->def->memballoon->requested = 3 * GIB;
    vm->def->mem.cur_balloon = 2 * GIB;
    if (testReconcile(vm, script) == 0 &&
        vm->def->mem.cur_balloon == 1 * GIB &&
        priv->hvBalloonPending)
        ret = 0;

    testDomainEnd(&vm);
    return ret;
}


static int
mymain(void)
{
    int ret = 0;

    if (testInit() < 0)
        return EXIT_FAILURE;

    if (virTestRun("a QEMU without sticks is looked at once a time", testPollOnce, NULL) < 0)
        ret = -1;

    if (testCasesRun(cases, G_N_ELEMENTS(cases)) < 0)
        ret = -1;

    testCleanup();
    return ret == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

HVBALLOON_TEST_MAIN(mymain)
