/*
 * qemuhvballoonmigratetest.c: a guest that is migrated, saved, restored or reverted
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <config.h>

#include "qemuhvballooncase.h"

#include "qemu/qemu_hvballoon.h"
#include "qemu/qemu_hvballoon_migrate.h"
#include "qemu/qemu_migration_cookie.h"
#include "qemu/qemu_process.h"
#include "qemu/qemu_saveimage.h"
#include "snapshot_conf.h"
#include "virdomainsnapshotobjlist.h"

#define VIR_FROM_THIS VIR_FROM_NONE


/*
 * Where the guest leaves: may it, and does the definition agree with QEMU?
 */

#define STICKS_TWO \
    QUERY(INUSE("0", BASE, ONE) "," IDLE("1", BASE2, ONE), \
          "," BACKEND("0") "," BACKEND("1"), INFO(TWO, TWO))

static const testCase leaveCases[] = {
    { .name = "a guest may leave", .action = MIGRATE,
      .requested = 2 * GIB, .sticks = { 1 * GIB },
      .script = SCRIPT(QUERY_ONE(INUSE("0", BASE, ONE), INFO(TWO, TWO))) },
    { .name = "a stick whose DEVICE_DELETED is queued does not go along", .action = MIGRATE,
      .requested = 2 * GIB, .sticks = { 1 * GIB, 1 * GIB }, .total = 2 * GIB,
      .script = SCRIPT(
          QUERY(INUSE("0", BASE, ONE), "," BACKEND("0") "," BACKEND("1"), INFO(TWO, TWO)),
          QUERY_BALLOON, OBJECT_DEL("1", OK)) },
    { .name = "and less can be requested without it", .action = MIGRATE,
      .requested = 2 * GIB, .sticks = { 1 * GIB }, .total = 1 * GIB, .requestedAfter = 1 * GIB,
      .script = SCRIPT(QUERY_NONE(INFO(ONE, ONE)), QUERY_BALLOON) },
    { .name = "a stick that nobody has told of goes along", .action = MIGRATE,
      .requested = 2 * GIB, .sticks = { 1 * GIB }, .total = 3 * GIB,
      .script = SCRIPT(STICKS_TWO, QUERY_BALLOON) },
    { .name = "no target is sent, and nothing is unplugged", .action = MIGRATE,
      .requested = 1 * GIB, .sticks = { 1 * GIB },
      .script = SCRIPT(QUERY_ONE(UNUSED("0", BASE, ONE), INFO(TWO, ONE))) },
    { .name = "a guest whose sticks are unknown stays", .action = MIGRATE,
      .requested = 2 * GIB, .sticks = { 1 * GIB },
      .script = SCRIPT({ "query-haprot", NULL, FAIL("out of order") }), .error = "out of order" },
    { .name = "a guest with a stick that XML cannot describe stays", .action = MIGRATE,
      .requested = 2 * GIB, .sticks = { 1 * GIB },
      .script = SCRIPT(
          QUERY(INUSE("0", BASE, ONE) "," STICK_OF("1", "/objects/other", BASE2, ONE, "idle", "0", "0"),
                "," BACKEND("0"), INFO(TWO, TWO))),
      .error = "a stick 'ua-haprot1' of 1048576 KiB that the definition" },
    { .name = "a guest with a stick whose name XML does not keep stays", .action = MIGRATE,
      .requested = 2 * GIB, .sticks = { 1 * GIB },
      .script = SCRIPT(
          QUERY(INUSE("0", BASE, ONE) "," IDLE("1.x", BASE2, ONE),
                "," BACKEND("0") "," BACKEND("1.x"), INFO(TWO, TWO))),
      .error = "a stick 'ua-haprot1.x' of 1048576 KiB that the definition" },
    { .name = "a QEMU that does not migrate yet", .action = MIGRATE, .old = true,
      .requested = 2 * GIB, .sticks = { 1 * GIB },
      .error = "by the QEMU '/usr/bin/qemu-system-x86_64' that runs it, whose query-hv-balloon reports no 'migration': update QEMU" },
};


/*
 * Where it arrives
 */

/* All sizes in KiB. The domain has ua-haprot0 of 1 GiB. */
typedef struct {
    const char *name;
    bool none;                      /* there is no cookie */
    qemuHvBalloonCookie cookie;
    qemuHvBalloonCookie before;     /* an earlier cookie */
    const char *target;             /* QEMU's, in bytes */
    bool fails;                     /* QEMU's reply */

    /* after */
    unsigned long long requested;
    unsigned long long keepTotal;
} testArriveCase;

static const testArriveCase arriveCases[] = {
    { .name = "what was requested is requested again", .target = TWO,
      .cookie = { 2 * GIB, 3 * GIB }, .requested = 2 * GIB, .keepTotal = 3 * GIB },
    { .name = "a plan that is half done", .target = ONE,
      .cookie = { 2 * GIB, 0 }, .requested = 2 * GIB },
    { .name = "no cookie: QEMU's target", .target = "1572864000",
      .none = true, .requested = 1500 * 1024 },
    { .name = "a cookie of an older libvirt: QEMU's target", .target = "1572864000",
      .requested = 1500 * 1024 },
    { .name = "one that comes after a newer one says nothing", .target = TWO,
      .before = { 1800 * 1024, 3 * GIB }, .requested = 1800 * 1024, .keepTotal = 3 * GIB },
    { .name = "the last one counts", .target = TWO,
      .before = { 1800 * 1024, 3 * GIB }, .cookie = { 1700 * 1024, 0 }, .requested = 1700 * 1024 },
    { .name = "nothing was requested, but a total", .target = TWO,
      .cookie = { 0, 3 * GIB }, .requested = 2 * GIB, .keepTotal = 3 * GIB },
    { .name = "nothing was requested any more, but a total", .target = TWO,
      .before = { 1800 * 1024, 0 }, .cookie = { 0, 3 * GIB },
      .requested = 1800 * 1024, .keepTotal = 3 * GIB },
    { .name = "more than there is", .target = TWO,
      .cookie = { 5 * GIB, 0 }, .requested = 2 * GIB },
    { .name = "more than any guest can have", .target = TWO,
      .cookie = { VIR_DOMAIN_MEMORY_PARAM_UNLIMITED, VIR_DOMAIN_MEMORY_PARAM_UNLIMITED },
      .requested = 2 * GIB },
    { .name = "less than <minimum>", .target = TWO,
      .cookie = { 1, 0 }, .requested = 512 * 1024 },
    { .name = "a total above <maxMemory>", .target = TWO,
      .cookie = { 2 * GIB, 9 * GIB }, .requested = 2 * GIB },
    { .name = "QEMU does not say what it has", .target = TWO, .fails = true,
      .cookie = { 1700 * 1024, 3 * GIB }, .requested = 1700 * 1024, .keepTotal = 3 * GIB },
};


/* A step within the job of a migration. */
static int
testInJob(virDomainObj *vm,
          virDomainAsyncJob job,
          int (*step)(virDomainObj *vm, virDomainAsyncJob job, const void *opaque),
          const void *opaque)
{
    g_autofree char *log = NULL;
    int ret;

    if (virDomainObjBeginAsyncJob(vm, job, VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN, 0) < 0)
        return -1;

    g_free(virTestLogContentAndReset());
    ret = step(vm, job, opaque);
    log = virTestLogContentAndReset();
    virDomainObjEndAsyncJob(vm);

    /* libvirt's own check of who enters the monitor only warns */
    CHECK(!strcasestr(log, "entering a monitor") && !strcasestr(log, "entering monitor"),
          "%s: the job's own functions", log);
    return ret;
}


static int
testArriveStep(virDomainObj *vm,
               virDomainAsyncJob job,
               const void *opaque)
{
    const testArriveCase *test = opaque;

    virReportError(VIR_ERR_INTERNAL_ERROR, "%s", "an older error");
    qemuHvBalloonLoaded(vm, test->none ? NULL : &test->cookie, job);
    CHECK(strstr(virGetLastErrorMessage(), "an older error"), "%s", virGetLastErrorMessage());
    virResetLastError();
    return 0;
}


static int
testArriveCheck(const testArriveCase *test,
                virDomainObj *vm,
                const testSim *sim)
{
    qemuDomainObjPrivate *priv = vm->privateData;

    CHECK(vm->def->memballoon->requested == test->requested,
          "requested %llu KiB", vm->def->memballoon->requested);
    CHECK(priv->hvBalloonKeepTotal == test->keepTotal,
          "total to keep %llu KiB", priv->hvBalloonKeepTotal);
    CHECK(test->fails || vm->def->mem.cur_balloon == sim->actual / 1024,
          "current %llu KiB", vm->def->mem.cur_balloon);
    CHECK(priv->hvBalloonPending, "a reconcile is scheduled");
    CHECK(testSimCount(sim, "balloon") == 0 && testSimCount(sim, "device_del") == 0,
          "only queries");
    return 0;
}


static int
testArriveRun(const testArriveCase *test,
              virDomainObj *vm,
              testSim *sim)
{
    qemuMonitorTest *mon = testMonitorNew(vm);
    int ret;

    if (!mon)
        return -1;
    testSimServe(sim, mon);
    sim->failAt = test->fails ? 0 : -1;

    ret = testInJob(vm, VIR_ASYNC_JOB_MIGRATION_IN, testArriveStep, test);
    testMonitorEnd(vm, mon);

    if (ret < 0 || testArriveCheck(test, vm, sim) < 0)
        return -1;

    return testCheckConverges(vm, sim, 1);
}


static int
testArrive(const void *opaque)
{
    const testArriveCase *test = opaque;
    g_autofree char *info = g_strdup_printf(INFO("%s", "1363148800"), test->target);
    const testExchange query[] = { QUERY_ONE(INUSE("0", BASE, ONE), info), { } };
    g_autoptr(testSim) sim = testSimNewFromScript(query);
    virDomainObj *vm = testDomainNew((const unsigned long long[MAX_STICKS]) { 1 * GIB });
    int ret = -1;

    if (vm && sim) {
        testWorkerHold();
        qemuHvBalloonTakeCookie(vm, &test->before);
        ret = testArriveRun(test, vm, sim);
        testDomainEnd(&vm);
        testWorkerRelease();
    }

    testDomainEnd(&vm);
    return ret;
}


/* Beginning to leave is a step of a job, too: also where sticks come and go. */
static int
testLeaveStep(virDomainObj *vm,
              virDomainAsyncJob job,
              const void *opaque G_GNUC_UNUSED)
{
    return qemuHvBalloonMigrationIsAllowed(vm, job) ? 0 : -1;
}


static int
testLeave(const void *opaque G_GNUC_UNUSED)
{
    const testExchange query[] = { STICKS_TWO, { } };
    g_autoptr(testSim) sim = testSimNewFromScript(query);
    virDomainObj *vm = testDomainNew((const unsigned long long[MAX_STICKS]) { 1 * GIB, 0, 1 * GIB, 1 * GIB });
    qemuMonitorTest *mon = NULL;
    int ret = -1;

    /* ua-haprot1 is to be adopted, ua-haprot2 and a user's stick have vanished; both
     * have left a backend */
    if (!vm || !sim || !(mon = testMonitorNew(vm)))
        goto cleanup;
    g_free(vm->def->mems[2]->info.alias);
    vm->def->mems[2]->info.alias = g_strdup("ua-mine");
    vm->def->memballoon->requested = 2 * GIB;
    testSimAddBackend(sim, "memua-haprot2", "child<memory-backend-ram>", 1ULL << 30);
    testSimAddBackend(sim, "memua-mine", "child<memory-backend-ram>", 1ULL << 30);
    testSimServe(sim, mon);

    if (testInJob(vm, VIR_ASYNC_JOB_MIGRATION_OUT, testLeaveStep, NULL) == 0 &&
        testCheckDefinition(vm) == 0)
        ret = testCheckTruth(vm, sim);

    if (g_hash_table_contains(sim->backends, "memua-mine")) {
        fprintf(stderr, "a user's backend is left over\n");
        ret = -1;
    }

 cleanup:
    testMonitorEnd(vm, mon);
    testDomainEnd(&vm);
    return ret;
}


/* A domain without such a balloon is not touched. */
static int
testOtherBalloon(const void *opaque G_GNUC_UNUSED)
{
    const qemuHvBalloonCookie cookie = { 2 * GIB, 3 * GIB };
    virDomainObj *vm = testDomainNew(NULL);
    qemuDomainObjPrivate *priv = vm->privateData;
    qemuHvBalloonCookie filled = cookie;
    int ret = -1;

    vm->def->memballoon->model = VIR_DOMAIN_MEMBALLOON_MODEL_VIRTIO;
    qemuHvBalloonLoaded(vm, &cookie, VIR_ASYNC_JOB_MIGRATION_IN);
    qemuHvBalloonTakeCookie(vm, &cookie);
    priv->hvBalloonKeepTotal = 5;
    qemuHvBalloonCookieFill(&filled, vm);

    if (qemuHvBalloonMigrationIsAllowed(vm, VIR_ASYNC_JOB_MIGRATION_OUT) &&
        qemuHvBalloonIncomingValidate(vm->def, testFixedCaps, 0) == 0 &&
        vm->def->memballoon->requested == 0 && priv->hvBalloonKeepTotal == 5 &&
        !priv->hvBalloonPending && filled.requested == 0 && filled.keepTotal == 0)
        ret = 0;

    testDomainEnd(&vm);
    return ret;
}


/* A guest has less than the <minimum> until its driver has taken more; a definition
 * with so little is refused where it arrives. */
static int
testMinimum(const void *opaque G_GNUC_UNUSED)
{
    virDomainObj *vm = testDomainNew((const unsigned long long[MAX_STICKS]) { 1 * GIB });
    int ret = -1;

    vm->def->memballoon->minimum = GIB + 1024;
    vm->def->mem.cur_balloon = GIB;
    qemuHvBalloonSetMigratable(vm->def);
    if (!(vm->def->mem.cur_balloon == GIB + 1024))
        goto cleanup;

    vm->def->mem.cur_balloon = 2 * GIB;
    qemuHvBalloonSetMigratable(vm->def);
    if (!(vm->def->mem.cur_balloon == 2 * GIB))
        goto cleanup;

    vm->def->memballoon->model = VIR_DOMAIN_MEMBALLOON_MODEL_VIRTIO;
    vm->def->mem.cur_balloon = 1;
    qemuHvBalloonSetMigratable(vm->def);
    if (!(vm->def->mem.cur_balloon == 1))
        goto cleanup;
    ret = 0;

 cleanup:
    testDomainEnd(&vm);
    return ret;
}


/* A client may detach sticks that a guest without a driver does not use, until there
 * is less than the <minimum>. What is sent or saved is read as a new definition is. */
static int
testMinimumTravels(const void *opaque G_GNUC_UNUSED)
{
    virDomainObj *vm = testDomainNew((const unsigned long long[MAX_STICKS]) { 1 * GIB });
    qemuDomainObjPrivate *priv = vm->privateData;
    g_autofree char *xml = NULL;
    g_autoptr(virDomainDef) arrived = NULL;
    int ret = -1;

    vm->def->memballoon->minimum = 3 * GIB;
    if (!(xml = qemuDomainDefFormatLive(&testDriver, priv->qemuCaps, vm->def, NULL, false, true)) ||
        !(arrived = virDomainDefParseString(xml, testDriver.xmlopt, NULL,
                                            VIR_DOMAIN_DEF_PARSE_INACTIVE)))
        goto cleanup;

    if (arrived->memballoon->minimum == 2 * GIB && arrived->mem.cur_balloon == 2 * GIB &&
        vm->def->memballoon->minimum == 3 * GIB)
        ret = 0;

 cleanup:
    testDomainEnd(&vm);
    return ret;
}


/*
 * Which QEMU may take a guest over
 */

typedef struct {
    const char *name;
    bool fixed;                     /* QEMU has no sticks */
    bool old;                       /* QEMU does not migrate */
    unsigned int flags;
    const char *error;
} testIncomingCase;

static const testIncomingCase incomingCases[] = {
    { .name = "one that can" },
    { .name = "one without sticks", .fixed = true, .old = true,
      .error = "cannot take over: it lacks the 'mem-haprot' device. Install" },
    { .name = "one that does not migrate", .old = true,
      .error = "cannot take over: its query-hv-balloon reports no 'migration'. Update" },
    { .name = "one without sticks may start a guest", .fixed = true, .old = true,
      .flags = VIR_QEMU_PROCESS_START_NEW },
    { .name = "one that does not migrate may start a guest", .old = true,
      .flags = VIR_QEMU_PROCESS_START_NEW },
};


static int
testIncoming(const void *opaque)
{
    const testIncomingCase *test = opaque;
    virDomainObj *vm = testDomainNew((const unsigned long long[MAX_STICKS]) { 1 * GIB });
    qemuDomainObjPrivate *priv;
    int ret;

    if (!vm)
        return -1;

    priv = vm->privateData;
    if (test->fixed)
        testSetFixed(vm);
    if (test->old)
        testSetOld(vm);

    ret = testCheckError(test->error,
                         qemuHvBalloonIncomingValidate(vm->def, priv->qemuCaps, test->flags));
    testDomainEnd(&vm);
    return ret;
}


/* A snapshot is refused before the running guest is stopped for it. */
typedef struct {
    const char *name;
    const char *missing;            /* capability, NULL: none */
    const char *error;
    unsigned long long minimum;     /* in KiB, as somebody has edited it */
} testRevertCase;

static const testRevertCase revertCases[] = {
    { "that can run it", NULL, NULL, 0 },
    { "without sticks", "mem-haprot", "cannot take over: it lacks the 'mem-haprot' device", 0 },
    { "that does not migrate", "hv-balloon.migration",
      "cannot take over: its query-hv-balloon reports no 'migration'", 0 },
    { "that is unknown", "no-such", "invalid qemu namespace capability 'no-such'", 0 },
    { "that refuses its definition", NULL, "<currentMemory> is 1048576 KiB, less than the <minimum>",
      GIB + 1024 },
};


static int
testRevert(const void *opaque)
{
    const testRevertCase *test = opaque;
    char *missing[] = { (char *)test->missing, NULL };
    qemuDomainXmlNsDef changes = { .capsdel = missing };
    virDomainObj *vm = testDomainNew((const unsigned long long[MAX_STICKS]) { 1 * GIB });
    int ret;

    if (!vm)
        return -1;

    vm->def->namespaceData = &changes;
    vm->def->memballoon->minimum = test->minimum;
    ret = testCheckError(test->error, qemuHvBalloonRevertValidate(&testDriver, vm->def));

    /* any other balloon is libvirt's own matter */
    vm->def->memballoon->model = VIR_DOMAIN_MEMBALLOON_MODEL_VIRTIO;
    if (testCheckError(NULL, qemuHvBalloonRevertValidate(&testDriver, vm->def)) < 0)
        ret = -1;

    vm->def->namespaceData = NULL;
    testDomainEnd(&vm);
    return ret;
}


/* A saved guest that cannot come back: the domain has its stored definition again, or
 * the next one that is defined would not be stored. */
typedef struct {
    const char *name;
    const char *cookie;
    const char *missing;            /* capability, NULL: none */
    const char *error;
} testRestoreCase;

static const testRestoreCase restoreCases[] = {
    { "with a cookie that cannot be read", "<cookie><hvBalloon requested='much'/></cookie>", NULL,
      "'requested' in element 'hvBalloon': 'much'" },
    /* or that there is no KVM */
    { "by a QEMU without sticks", "<cookie/>", "mem-haprot", "" },
};


static int
testRestoreCheck(const testRestoreCase *test,
                 virDomainObj *vm)
{
    virDomainDef *stored = vm->newDef;
    virQEMUSaveData data = { .cookie = (char *)test->cookie };
    bool started = false;
    int fd = -1;

    if (testCheckError(test->error,
                       qemuProcessStartWithMemoryState(NULL, &testDriver, vm, &fd, "image", NULL, &data,
                                                       NULL, VIR_ASYNC_JOB_START,
                                                       VIR_QEMU_PROCESS_START_PAUSED,
                                                       "restored", &started)) < 0)
        return -1;

    CHECK(!started, "refused");
    CHECK(vm->def == stored && !vm->newDef, "the stored definition");
    return 0;
}


static int
testRestore(const void *opaque)
{
    const testRestoreCase *test = opaque;
    virDomainObj *vm = testDomainNew((const unsigned long long[MAX_STICKS]) { 1 * GIB });
    int ret;

    if (!vm)
        return -1;

    vm->def->id = -1;
    if (test->missing) {
        qemuDomainXmlNsDef *changes = g_new0(qemuDomainXmlNsDef, 1);

        changes->capsdel = g_strsplit(test->missing, " ", 0);
        vm->def->namespaceData = changes;
    }

    ret = testRestoreCheck(test, vm);
    testDomainEnd(&vm);
    return ret;
}


/*
 * Cookies
 */

typedef struct {
    const char *name;
    qemuHvBalloonCookie cookie;
    const char *xml;                /* NULL: it has no element */
} testCookieCase;

static const testCookieCase cookieCases[] = {
    { .name = "both", .cookie = { 2 * GIB, 3 * GIB },
      .xml = "<hvBalloon requested='2097152' keepTotal='3145728'/>" },
    { .name = "no total", .cookie = { 2 * GIB, 0 }, .xml = "<hvBalloon requested='2097152'/>" },
    { .name = "a total alone", .cookie = { 0, 3 * GIB }, .xml = "<hvBalloon keepTotal='3145728'/>" },
    { .name = "nothing", .cookie = { 0, 0 } },
};


static int
testCookieCheck(const testCookieCase *test,
                const char *xml,
                const qemuHvBalloonCookie *parsed)
{
    CHECK(test->xml ? !!strstr(xml, test->xml) : !strstr(xml, "hvBalloon"), "%s", xml);
    CHECK(parsed->requested == test->cookie.requested, "requested %llu KiB", parsed->requested);
    CHECK(parsed->keepTotal == test->cookie.keepTotal, "total to keep %llu KiB", parsed->keepTotal);
    return 0;
}


static virDomainObj *
testCookieDomain(const testCookieCase *test)
{
    virDomainObj *vm = testDomainNew((const unsigned long long[MAX_STICKS]) { 1 * GIB });
    qemuDomainObjPrivate *priv = vm->privateData;

    vm->def->memballoon->requested = test->cookie.requested;
    priv->hvBalloonKeepTotal = test->cookie.keepTotal;
    return vm;
}


static int
testSaveCookie(const void *opaque)
{
    const testCookieCase *test = opaque;
    virSaveCookieCallbacks *callbacks = virDomainXMLOptionGetSaveCookie(testDriver.xmlopt);
    virDomainObj *vm = testCookieDomain(test);
    g_autoptr(qemuDomainSaveCookie) cookie = qemuDomainSaveCookieNew(vm);
    g_autoptr(qemuDomainSaveCookie) parsed = NULL;
    g_autofree char *xml = virSaveCookieFormat((virObject *)cookie, callbacks);
    int ret = -1;

    if (xml && virSaveCookieParseString(xml, (virObject **)&parsed, callbacks) == 0 &&
        testCookieCheck(test, xml, &parsed->hvBalloon) == 0)
        ret = 0;

    testDomainEnd(&vm);
    return ret;
}


/* The host that it comes from must be another one. */
static char *
testMigrationCookieFormat(virDomainObj *vm,
                          unsigned int flags)
{
    g_autoptr(qemuMigrationCookie) cookie = qemuMigrationCookieNew(vm->def, NULL);
    char *xml = NULL;
    int len = 0;

    cookie->localHostuuid[0] ^= 1;
    ignore_value(qemuMigrationCookieFormat(cookie, &testDriver, vm, QEMU_MIGRATION_SOURCE,
                                           &xml, &len, flags));
    return xml;
}


static qemuMigrationCookie *
testMigrationCookieParse(virDomainObj *vm,
                         const char *xml,
                         unsigned int flags)
{
    qemuDomainObjPrivate *priv = vm->privateData;

    return qemuMigrationCookieParse(&testDriver, vm, vm->def, NULL, priv->qemuCaps,
                                    xml, strlen(xml) + 1, flags);
}


static int
testMigrationCookie(const void *opaque)
{
    const testCookieCase *test = opaque;
    virDomainObj *vm = testCookieDomain(test);
    g_autofree char *xml = testMigrationCookieFormat(vm, QEMU_MIGRATION_COOKIE_HV_BALLOON);
    g_autoptr(qemuMigrationCookie) parsed = NULL;
    int ret = -1;

    if (!xml || !(parsed = testMigrationCookieParse(vm, xml, QEMU_MIGRATION_COOKIE_HV_BALLOON)) ||
        testCookieCheck(test, xml, &parsed->hvBalloon) < 0)
        goto cleanup;

    /* a libvirt that does not know it */
    g_clear_pointer(&parsed, qemuMigrationCookieFree);
    parsed = testMigrationCookieParse(vm, xml, 0);
    ret = testCheckError("Unsupported migration cookie feature hyperv-memballoon",
                         parsed ? 0 : -1);

 cleanup:
    testDomainEnd(&vm);
    return ret;
}


typedef struct {
    const char *name;
    const char *xml;
    const char *error;
} testBadCookieCase;

static const testBadCookieCase badCookieCases[] = {
    { "no number", "<hvBalloon requested='much'/>", "'requested' in element 'hvBalloon': 'much'" },
    { "negative", "<hvBalloon keepTotal='-1'/>", "'keepTotal' in element 'hvBalloon': '-1'" },
    { "larger than any memory", "<hvBalloon requested='9007199254740992'/>",
      "9007199254740992 KiB is above" },
    { "larger than any number", "<hvBalloon requested='99999999999999999999'/>", "'requested'" },
};


static int
testBadCookie(const void *opaque)
{
    const testBadCookieCase *test = opaque;
    g_autofree char *xml = g_strdup_printf("<cookie>%s</cookie>", test->xml);
    g_autoptr(qemuDomainSaveCookie) parsed = NULL;

    return testCheckError(test->error,
                          virSaveCookieParseString(xml, (virObject **)&parsed,
                                                   virDomainXMLOptionGetSaveCookie(testDriver.xmlopt)));
}


/* Where the cookie is found: a file with memory has it in its header, an internal
 * snapshot beside its definition. */
static int
testFindCookie(const void *opaque G_GNUC_UNUSED)
{
    const testCookieCase test = { .cookie = { 2 * GIB, 0 } };
    virDomainObj *vm = testCookieDomain(&test);
    g_autoptr(virDomainMomentObj) snapshot = virDomainMomentObjNew();
    virDomainSnapshotDef *def = virDomainSnapshotDefNew();
    g_autoptr(qemuDomainSaveCookie) cookie = qemuDomainSaveCookieNew(vm);
    int ret = -1;

    snapshot->def = &def->parent;
    vm->def->memballoon->requested = 1 * GIB;

    if (qemuHvBalloonFindCookie(NULL, NULL) ||
        qemuHvBalloonFindCookie(NULL, snapshot) ||
        qemuHvBalloonFindCookie(cookie, NULL) != &cookie->hvBalloon)
        goto cleanup;

    def->cookie = (virObject *)qemuDomainSaveCookieNew(vm);
    if (qemuHvBalloonFindCookie(NULL, snapshot)->requested == 1 * GIB &&
        qemuHvBalloonFindCookie(cookie, snapshot)->requested == 2 * GIB)
        ret = 0;

 cleanup:
    testDomainEnd(&vm);
    return ret;
}


/*
 * Clients in between
 */

typedef struct {
    const char *name;
    virDomainAsyncJob job;
    qemuDomainJobStatsType stats;   /* as libvirt sets it once memory is written */
    const char *error;
} testClientCase;

#define STATS(type) QEMU_DOMAIN_JOB_STATS_TYPE_ ## type
#define WRITTEN "the memory of domain 'guest' is being written to a file: change it when"

static const testClientCase clientCases[] = {
    { "while the guest leaves", VIR_ASYNC_JOB_MIGRATION_OUT, STATS(MIGRATION),
      "domain 'guest' is being migrated: change its memory afterwards, on the host" },
    { "while the guest arrives", VIR_ASYNC_JOB_MIGRATION_IN, STATS(MIGRATION),
      "domain 'guest' is being migrated to this host: change its memory when it has arrived" },
    { "while it is saved", VIR_ASYNC_JOB_SAVE, STATS(SAVEDUMP), WRITTEN },
    { "while it is dumped", VIR_ASYNC_JOB_DUMP, STATS(SAVEDUMP), WRITTEN },
    { "while its memory alone is dumped", VIR_ASYNC_JOB_DUMP, STATS(MEMDUMP), WRITTEN },
    { "while its watchdog dumps it", VIR_ASYNC_JOB_DUMP, STATS(NONE), WRITTEN },
    { "while it is snapshotted with its memory", VIR_ASYNC_JOB_SNAPSHOT, STATS(SAVEDUMP), WRITTEN },
    { "while its disks are snapshotted", VIR_ASYNC_JOB_SNAPSHOT, STATS(NONE), NULL },
    { "while its disks are backed up", VIR_ASYNC_JOB_BACKUP, STATS(BACKUP), NULL },
    { "at any other time", VIR_ASYNC_JOB_NONE, STATS(NONE), NULL },
};

#define STICK_XML "<memory model='haprot'><target><size unit='GiB'>1</size></target></memory>"
#define DIMM_XML "<memory model='dimm'><target><size unit='GiB'>1</size></target></memory>"


static int
testClientStep(virDomainObj *vm,
               virDomainAsyncJob job,
               const void *opaque)
{
    const testClientCase *test = opaque;

    if (job != VIR_ASYNC_JOB_NONE)
        qemuDomainJobSetStatsType(vm->job->current, test->stats);

    if (testCheckError(test->error, qemuHvBalloonCheckMigrating(vm)) < 0 ||
        testCheckError(test->error, qemuHvBalloonCheckMigratingXML(vm, STICK_XML)) < 0 ||
        testCheckError(test->error, qemuHvBalloonCheckMigratingAlias(vm, "ua-haprot0")) < 0)
        return -1;

    /* the rest is up to others */
    if (testCheckError(NULL, qemuHvBalloonCheckMigratingXML(vm, DIMM_XML)) < 0 ||
        testCheckError(NULL, qemuHvBalloonCheckMigratingXML(vm, "<memory model='haprot'")) < 0 ||
        testCheckError(NULL, qemuHvBalloonCheckMigratingXML(vm, "<disk/>")) < 0 ||
        testCheckError(NULL, qemuHvBalloonCheckMigratingAlias(vm, "ua-haprot9")) < 0)
        return -1;

    return 0;
}


static int
testClient(const void *opaque)
{
    const testClientCase *test = opaque;
    virDomainObj *vm = testDomainNew((const unsigned long long[MAX_STICKS]) { 1 * GIB });
    int ret = -1;

    if (!vm)
        return -1;

    if (test->job == VIR_ASYNC_JOB_NONE)
        ret = testClientStep(vm, test->job, test);
    else
        ret = testInJob(vm, test->job, testClientStep, test);

    testDomainEnd(&vm);
    return ret;
}


/* A daemon that was restarted finds a migration in postcopy. */
static int
testReconcileStep(virDomainObj *vm,
                  virDomainAsyncJob job G_GNUC_UNUSED,
                  const void *opaque G_GNUC_UNUSED)
{
    qemuDomainObjPrivate *priv = vm->privateData;

    qemuHvBalloonReconcile(&testDriver, vm);
    CHECK(priv->hvBalloonPending, "later");
    return 0;
}


static int
testReconcileLater(const void *opaque G_GNUC_UNUSED)
{
    virDomainObj *vm = testDomainNew((const unsigned long long[MAX_STICKS]) { 1 * GIB });
    int ret;

    if (!vm)
        return -1;

    /* it has no monitor, so that a query would be noticed */
    testWorkerHold();
    ret = testInJob(vm, VIR_ASYNC_JOB_MIGRATION_IN, testReconcileStep, NULL);
    testDomainEnd(&vm);
    testWorkerRelease();
    return ret;
}


static int
testAll(void)
{
    int ret = 0;

    if (testCasesRun(leaveCases, G_N_ELEMENTS(leaveCases)) < 0)
        ret = -1;

    if (virTestRun("sticks come and go as the guest leaves", testLeave, NULL) < 0 ||
        virTestRun("another balloon", testOtherBalloon, NULL) < 0 ||
        virTestRun("a guest below its minimum", testMinimum, NULL) < 0 ||
        virTestRun("a guest that has less than its minimum in all", testMinimumTravels, NULL) < 0 ||
        virTestRun("where a cookie is", testFindCookie, NULL) < 0 ||
        virTestRun("a reconcile waits for the end of a migration", testReconcileLater, NULL) < 0)
        ret = -1;

    RUN_ALL("arrival: ", arriveCases, testArrive);
    RUN_ALL("QEMU: ", incomingCases, testIncoming);
    RUN_ALL("revert to a snapshot by a QEMU ", revertCases, testRevert);
    RUN_ALL("a restore ", restoreCases, testRestore);
    RUN_ALL("save cookie: ", cookieCases, testSaveCookie);
    RUN_ALL("migration cookie: ", cookieCases, testMigrationCookie);
    RUN_ALL("bad cookie: ", badCookieCases, testBadCookie);
    RUN_ALL("clients: ", clientCases, testClient);

    return ret;
}

HVBALLOON_TEST_MAIN(testAll)
