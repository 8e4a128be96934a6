/*
 * qemuhvballoonreconciletest.c: reconciling, also from a status file
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <config.h>

#include "qemuhvballooncase.h"
#include "qemu/qemu_hvballoon.h"
#include "viraudit.h"
#include "virfile.h"
#include "virlog.h"

#define VIR_FROM_THIS VIR_FROM_NONE


#define REJECTED(n) \
    "{\"timestamp\": {\"seconds\": 1374137171, \"microseconds\": 2659}," \
    " \"event\": \"DEVICE_UNPLUG_GUEST_ERROR\", \"data\": {\"device\": \"ua-haprot" n "\"," \
    " \"path\": \"/machine/peripheral/ua-haprot" n "\"}}\r\n"

static const testCase cases[] = {
    {
        .name = "reconcile at rest does nothing",
        .action = RECONCILE, .requested = 2 * GIB, .sticks = { 1 * GIB },
        .script = SCRIPT(QUERY_ONE(INUSE("0", BASE, ONE), INFO(TWO, TWO))),
    },
    {
        .name = "reconcile after a reset removes what is not needed",
        .action = RECONCILE, .requested = 700 * 1024, .sticks = { 1 * GIB, 1 * GIB },
        .script = SCRIPT(
            QUERY(UNUSED("0", BASE, ONE) "," UNUSED("1", BASE2, ONE),
                  "," BACKEND("0") "," BACKEND("1"), INFO("734003200", ONE)),
            UNPLUGGED("1"),
            UNPLUGGED("0")),
        .total = 1 * GIB,
    },
    {
        .name = "reconcile keeps what the target needs",
        .action = RECONCILE, .requested = 2 * GIB, .sticks = { 1 * GIB, 1 * GIB },
        .script = SCRIPT(
            QUERY(UNUSED("0", BASE, ONE) "," UNUSED("1", BASE2, ONE),
                  "," BACKEND("0") "," BACKEND("1"), INFO(TWO, ONE)),
            UNPLUGGED("1")),
        .total = 2 * GIB,
    },
    {
        .name = "reconcile: without DEVICE_DELETED the stick stays in the definition",
        .action = RECONCILE, .requested = 1 * GIB, .sticks = { 1 * GIB },
        .script = SCRIPT(
            QUERY_ONE(UNUSED("0", BASE, ONE), INFO(ONE, ONE)),
            DEVICE_DEL("0", OK)),
    },
    {
        .name = "reconcile: a refused removal is no error",
        .action = RECONCILE, .requested = 1 * GIB, .sticks = { 1 * GIB },
        .script = SCRIPT(
            QUERY_ONE(UNUSED("0", BASE, ONE), INFO(ONE, ONE)),
            DEVICE_DEL("0", FAIL("in use by the guest"))),
    },
    {
        .name = "reconcile: DEVICE_DELETED counts, whatever the reply after it",
        .action = RECONCILE, .requested = 1 * GIB, .sticks = { 1 * GIB },
        .script = SCRIPT(
            QUERY_ONE(UNUSED("0", BASE, ONE), INFO(ONE, ONE)),
            DEVICE_DEL("0", DELETED("0") FAIL("too late")), OBJECT_DEL("0", OK), QUERY_BALLOON),
        .total = 1 * GIB,
    },
    {
        .name = "reconcile: a removal that the guest rejects removes nothing",
        .action = RECONCILE, .requested = 1 * GIB, .sticks = { 1 * GIB },
        .script = SCRIPT(
            QUERY_ONE(UNUSED("0", BASE, ONE), INFO(ONE, ONE)),
            DEVICE_DEL("0", REJECTED("0") OK)),
    },
    {
        .name = "reconcile resends the target",
        .action = RECONCILE, .requested = 700 * 1024,
        .script = SCRIPT(QUERY_NONE(INFO(ONE, ONE)), BALLOON("734003200", OK)),
    },
    {
        .name = "reconcile plugs nothing: the request is lowered to the total",
        .action = RECONCILE, .requested = 3 * GIB,
        .script = SCRIPT(QUERY_NONE(INFO("734003200", ONE)), BALLOON(ONE, OK)),
        .requestedAfter = 1 * GIB,
    },
    {
        .name = "reconcile removes the stick of a request that failed",
        .action = RECONCILE, .requested = 1 * GIB, .sticks = { 2 * GIB },
        .script = SCRIPT(
            QUERY_ONE(IDLE("0", BASE, TWO), INFO(ONE, ONE)),
            UNPLUGGED("0")),
        .total = 1 * GIB,
    },
    {
        .name = "reconcile restores the target after a request that failed",
        .action = RECONCILE, .requested = 1 * GIB, .sticks = { 2 * GIB },
        .script = SCRIPT(
            QUERY_ONE(INUSE("0", BASE, TWO), INFO(THREE, ONE)),
            BALLOON(ONE, OK)),
    },
    {
        .name = "reconcile: a request above maxMemory is ignored",
        .action = RECONCILE, .requested = 80 * GIB,
        .script = SCRIPT(QUERY_NONE(INFO("734003200", ONE)), BALLOON(ONE, OK)),
        .requestedAfter = 1 * GIB,
    },
    {
        .name = "reconcile removes an orphan backend",
        .action = RECONCILE, .requested = 1 * GIB,
        .script = SCRIPT(
            QUERY("", "," BACKEND("3") ",{\"name\": \"memfoo\", \"type\": \"child<memory-backend-ram>\"}",
                  INFO(ONE, ONE)),
            OBJECT_DEL("3", OK)),
    },
    {
        .name = "reconcile removes an orphan of an attach without a name",
        .action = RECONCILE, .requested = 1 * GIB,
        .script = SCRIPT(
            QUERY("", ",{\"name\": \"memua-stick0\", \"type\": \"child<memory-backend-ram>\"},"
                  "{\"name\": \"memua-stickers\", \"type\": \"child<memory-backend-ram>\"}",
                  INFO(ONE, ONE)),
            { "object-del", "{\"id\":\"memua-stick0\"}", OK }),
    },
    {
        .name = "reconcile adopts a stick",
        .action = RECONCILE, .requested = 2 * GIB,
        .script = SCRIPT(
            QUERY_ONE(INUSE("0", BASE, ONE), INFO(TWO, TWO)),
            QUERY_BALLOON),
        .total = 2 * GIB,
    },
    {
        .name = "reconcile: a stick was replaced by another one of the same name",
        .action = RECONCILE, .requested = 1 * GIB, .sticks = { 1 * GIB },
        .script = SCRIPT(QUERY_ONE(INUSE("0", BASE, TWO), INFO(ONE, ONE))),
        .total = 3 * GIB,
    },
    {
        .name = "reconcile ignores a stick that XML cannot describe",
        .action = RECONCILE, .requested = 1 * GIB,
        .script = SCRIPT(
            QUERY(STICK_OF("0", "/objects/other", BASE, ONE, "inuse", ONE, "0"),
                  ",{\"name\": \"other\", \"type\": \"child<memory-backend-ram>\"}", INFO(ONE, TWO))),
    },
    {
        .name = "reconcile: the guest may have been asked to take such a stick",
        .action = RECONCILE, .requested = 2 * GIB,
        .script = SCRIPT(
            QUERY(STICK_OF("0", "/objects/other", BASE, ONE, "inuse", ONE, "0"),
                  ",{\"name\": \"other\", \"type\": \"child<memory-backend-ram>\"}", INFO(TWO, TWO))),
    },
    {
        .name = "reconcile forgets a stick that has vanished",
        .action = RECONCILE, .requested = 2 * GIB, .sticks = { 1 * GIB },
        .script = SCRIPT(QUERY_NONE(INFO(ONE, ONE)), QUERY_BALLOON),
        .total = 1 * GIB, .requestedAfter = 1 * GIB,
    },
    {
        .name = "a restarted daemon forgets a stick that was not plugged completely",
        .action = RECONCILE, .requested = 1 * GIB, .sticks = { 1 * GIB },
        .script = SCRIPT(
            QUERY("", "," BACKEND("0"), INFO(ONE, ONE)), QUERY_BALLOON,
            OBJECT_DEL("0", OK)),
        .total = 1 * GIB,
    },
    {
        .name = "reconcile forgets a stick and its backend",
        .action = RECONCILE, .requested = 1 * GIB, .sticks = { 1 * GIB },
        .script = SCRIPT(
            QUERY("", "," BACKEND("0"), INFO(ONE, ONE)),
            QUERY_BALLOON, OBJECT_DEL("0", OK)),
        .total = 1 * GIB,
    },
    {
        .name = "reconcile survives an invalid reply",
        .action = RECONCILE, .requested = 1 * GIB,
        .script = SCRIPT(
            { "query-haprot", NULL,
              "{\"return\": [" STICK("0", BASE, ONE, "inuse", TWO, "0") "]}" }),
    },
    {
        .name = "reconcile survives a failing query",
        .action = RECONCILE, .requested = 1 * GIB,
        .script = SCRIPT({ "query-haprot", NULL, FAIL("out of order") }),
    },
};


/* An earlier error in the same thread belongs to another domain. */
static int
testOlderError(const void *opaque G_GNUC_UNUSED)
{
    const testExchange script[] = { QUERY_NONE(INFO(ONE, ONE)), { } };
    virDomainObj *vm = testDomainNew(NULL);
    g_autofree char *log = NULL;
    int ret = -1;

    if (!vm)
        return -1;

    vm->def->memballoon->requested = 1 * GIB;
    virReportError(VIR_ERR_INTERNAL_ERROR, "%s", "of another domain");
    g_free(virTestLogContentAndReset());

    if (testReconcile(vm, script) == 0 &&
        (log = virTestLogContentAndReset()) &&
        !strstr(log, "reconciling the memory") &&
        strstr(virGetLastErrorMessage(), "of another domain"))
        ret = 0;

    virResetLastError();
    testDomainEnd(&vm);
    return ret;
}


/*
 * Every change of a domain's memory writes an audit record. The definition has
 * 1 GiB and one stick of 1 GiB.
 */

typedef struct {
    const char *name;
    const char *alias;              /* of the stick, NULL: ua-haprot0 */
    const testExchange *script;
    const char *record;             /* part of it, NULL: there is none */
} testAuditCase;

static const testAuditCase auditCases[] = {
    { "none at rest", NULL,
      SCRIPT(QUERY_ONE(INUSE("0", BASE, ONE), INFO(ONE, ONE))), NULL },
    { "a stick that has vanished", NULL,
      SCRIPT(QUERY_NONE(INFO(ONE, ONE)), QUERY_BALLOON),
      "reason=update vm=guest uuid=c7a5fdbd-edaf-9455-926a-d65c16db1809 old-mem=2097152 new-mem=1048576" },
    { "a stick that is adopted", NULL,
      SCRIPT(QUERY(INUSE("0", BASE, ONE) "," INUSE("1", BASE2, ONE), "," BACKEND("0") "," BACKEND("1"), INFO(ONE, ONE)),
             QUERY_BALLOON),
      "old-mem=2097152 new-mem=3145728" },
    { "a stick of another size", NULL,
      SCRIPT(QUERY_ONE(INUSE("0", BASE, TWO), INFO(ONE, ONE))),
      "old-mem=2097152 new-mem=3145728" },
    { "a stick that cannot exist", "no/name",
      SCRIPT(QUERY_NONE(INFO(ONE, ONE))),
      "old-mem=2097152 new-mem=1048576" },
};


static int
testAuditCheck(const testAuditCase *test,
               const char *log)
{
    const char *record = log ? strstr(log, "resrc=mem") : NULL;

    if (!test->record) {
        CHECK(!record, "record '%s'", record);
        return 0;
    }

    CHECK(record && strstr(record, test->record), "log '%s'", NULLSTR(log));
    CHECK(!strstr(record + 1, "resrc=mem"), "one record in '%s'", log);
    return 0;
}


static int
testAudit(const void *opaque)
{
    const testAuditCase *test = opaque;
    virDomainObj *vm = testDomainNew((const unsigned long long[MAX_STICKS]) { 1 * GIB });
    g_autofree char *log = NULL;
    int ret = -1;

    if (!vm)
        return -1;

    vm->def->memballoon->requested = 1 * GIB;
    if (test->alias) {
        g_free(vm->def->mems[0]->info.alias);
        vm->def->mems[0]->info.alias = g_strdup(test->alias);
    }

    virAuditLog(true);
    virLogSetDefaultPriority(VIR_LOG_INFO);
    g_free(virTestLogContentAndReset());
    if (testReconcile(vm, test->script) == 0 &&
        (log = virTestLogContentAndReset()))
        ret = testAuditCheck(test, log);
    virLogSetDefaultPriority(VIR_LOG_WARN);
    virAuditLog(false);

    testDomainEnd(&vm);
    return ret;
}


/* The daemon died between object-add and device_add: the file goes with the
 * backend. */
static int
testOrphanFile(const void *opaque G_GNUC_UNUSED)
{
    const testExchange script[] = {
        QUERY("", "," BACKEND("3"), INFO(ONE, ONE)), OBJECT_DEL("3", OK), { }
    };
    g_autofree char *folder = g_strdup_printf("%s/ram", testDriver.config->stateDir);
    g_autofree char *file = g_strdup_printf("%s/ua-haprot3", folder);
    virDomainObj *vm = testDomainNew(NULL);
    qemuDomainObjPrivate *priv;
    int ret = -1;

    if (!vm ||
        g_mkdir_with_parents(folder, 0700) < 0 ||
        virFileTouch(file, 0600) < 0)
        goto cleanup;

    priv = vm->privateData;
    g_free(priv->memoryBackingDir);
    priv->memoryBackingDir = g_strdup(folder);
    vm->def->memballoon->requested = 1 * GIB;

    if (testReconcile(vm, script) == 0 && !virFileExists(file))
        ret = 0;

 cleanup:
    testDomainEnd(&vm);
    return ret;
}


/*
 * A damaged or hostile status file. QEMU has 1 GiB and one stick of 1 GiB, all of
 * it in use.
 */

typedef struct {
    const char *name;
    const char *from;               /* in the status file */
    const char *to;
    const char *memory;             /* in place of STATUS_TOTAL, NULL: as it is */
    const char *refused;            /* part of the message, NULL: it is read */
    unsigned long long requested;   /* after, KiB; 0: 2 GiB, as before */
} testStatusCase;

#define STATUS_REQUESTED "<requested unit='KiB'>2097152</requested>"
#define STATUS_TOTAL "<memory unit='KiB'>2097152</memory>"
#define STATUS_SIZE "<size unit='KiB'>1048576</size>"
#define STATUS_BALLOON "<memballoon model='hyperv'>"
#define STATUS_STICK(base, alias) \
    "<memory model='haprot'><target insert='on-demand'><size unit='KiB'>1048576</size>" \
    "<address base='" base "'/></target>" alias "</memory>"

#define CHANGE(name_, from_, to_) .name = name_, .from = from_, .to = to_
#define MORE_STICKS(name_, gib, sticks) \
    CHANGE(name_, STATUS_BALLOON, sticks STATUS_BALLOON), \
    .memory = "<memory unit='GiB'>" gib "</memory>"

static const testStatusCase statusCases[] = {
    { CHANGE("as it was written", "<domstatus", "<domstatus") },
    { CHANGE("no <requested>", STATUS_REQUESTED, "") },
    { CHANGE("<requested> of 0", STATUS_REQUESTED, "<requested unit='KiB'>0</requested>") },
    { CHANGE("<requested> is no number", STATUS_REQUESTED, "<requested unit='KiB'>much</requested>") },
    { CHANGE("<requested> is negative", STATUS_REQUESTED, "<requested unit='KiB'>-1</requested>") },
    { CHANGE("<requested> of no known unit", STATUS_REQUESTED, "<requested unit='acres'>1</requested>") },
    { CHANGE("<requested> beyond all numbers", STATUS_REQUESTED, "<requested unit='EiB'>99999999</requested>") },
    { CHANGE("<requested> below <minimum>", STATUS_REQUESTED, "<requested unit='KiB'>1</requested>"), .requested = 512 * 1024 },
    { CHANGE("<requested> above <maxMemory>", STATUS_REQUESTED, "<requested unit='GiB'>80</requested>") },
    { CHANGE("total to keep is no number", "</domstatus>", "<hvBalloonKeepTotal>much</hvBalloonKeepTotal></domstatus>") },
    { CHANGE("total to keep above <maxMemory>", "</domstatus>", "<hvBalloonKeepTotal>18446744073709551615</hvBalloonKeepTotal></domstatus>") },
    { CHANGE("<minimum> above all there is", "<minimum unit='KiB'>524288</minimum>", "<minimum unit='TiB'>1</minimum>") },
    { CHANGE("a stick larger than <memory>", STATUS_SIZE, "<size unit='GiB'>64</size>"),
      .refused = "Total size of memory devices exceeds the total memory size" },
    { CHANGE("more than <maxMemory>", STATUS_SIZE, "<size unit='GiB'>64</size>"),
      .memory = "<memory unit='GiB'>65</memory>",
      .refused = "maximum memory size must be equal or greater" },
    { CHANGE("a stick that is larger", STATUS_SIZE, "<size unit='GiB'>7</size>"),
      .memory = "<memory unit='GiB'>8</memory>" },
    { CHANGE("a stick of an odd size", STATUS_SIZE, "<size unit='KiB'>1048577</size>"),
      .memory = "<memory unit='KiB'>2097153</memory>" },
    { CHANGE("a stick of 0", STATUS_SIZE, "<size unit='KiB'>0</size>"),
      .memory = "<memory unit='KiB'>1048576</memory>" },
    { CHANGE("a stick at an odd address", "<address base='0x100000000'/>", "<address base='0xffffffffffffffff'/>") },
    { CHANGE("a stick inserted as nobody knows", "insert='on-demand'", "insert='maybe'"), .refused = "insert" },
    { CHANGE("a stick inserted at once", "insert='on-demand'", "insert='now'") },
    { MORE_STICKS("two sticks of one name", "3",
                  STATUS_STICK("0x100000000", "<alias name='ua-haprot0'/>")) },
    { MORE_STICKS("two sticks of one name that QEMU does not have", "4",
                  STATUS_STICK("0x140000000", "<alias name='ua-haprot1'/>")
                  STATUS_STICK("0x140000000", "<alias name='ua-haprot1'/>")) },
    { MORE_STICKS("two sticks in one place", "3",
                  STATUS_STICK("0x100000000", "<alias name='ua-haprot1'/>")) },
    { MORE_STICKS("a stick without a name", "3",
                  STATUS_STICK("0x140000000", "")) },
    { MORE_STICKS("a stick named like another file", "3",
                  STATUS_STICK("0x140000000", "<alias name='../victim'/>")) },
    { CHANGE("a stick of another name", "<alias name='ua-haprot0'/>", "<alias name='ua-haprot7'/>") },
};


/* A valid status file. */
static char *
testStatusWrite(void)
{
    virDomainObj *vm = testDomainNew((const unsigned long long[MAX_STICKS]) { 1 * GIB });
    qemuDomainObjPrivate *priv;
    char *status = NULL;

    if (!vm)
        return NULL;

    priv = vm->privateData;
    priv->memoryBackingDir = g_strdup_printf("%s/ram", testDriver.config->stateDir);
    vm->def->mems[0]->target.haprot.address = 4ULL << 30;
    vm->def->memballoon->requested = 2 * GIB;

    status = virDomainObjFormat(vm, testDriver.xmlopt,
                                VIR_DOMAIN_DEF_FORMAT_SECURE |
                                VIR_DOMAIN_DEF_FORMAT_STATUS);
    testDomainEnd(&vm);
    return status;
}


static testSim *
testStatusSim(void)
{
    const testExchange query[] = {
        QUERY_ONE(INUSE("0", BASE, ONE), INFO(TWO, TWO)), { }
    };

    return testSimNewFromScript(query);
}


static int
testStatusReconcile(const testStatusCase *test,
                    virDomainObj *vm)
{
    g_autoptr(testSim) sim = testStatusSim();
    qemuMonitorTest *mon;

    if (!(mon = testMonitorNew(vm)))
        return -1;
    testSimServe(sim, mon);
    qemuHvBalloonReconcile(&testDriver, vm);
    testMonitorEnd(vm, mon);

    CHECK(sim->sticks->len == 1 && !sim->tookBack, "what the guest has");
    CHECK(virDomainDefGetMemoryTotal(vm->def) == 2 * GIB,
          "total %llu KiB", virDomainDefGetMemoryTotal(vm->def));
    CHECK(vm->def->mems[0]->target.haprot.insert == VIR_DOMAIN_MEMORY_INSERT_MODE_ON_DEMAND,
          "inserted on demand");
    CHECK(vm->def->memballoon->requested == (test->requested ? test->requested : 2 * GIB),
          "requested %llu KiB", vm->def->memballoon->requested);

    return testCheckConverges(vm, sim, 1);
}


static int
testStatus(const void *opaque)
{
    const testStatusCase *test = opaque;
    g_autofree char *status = testStatusWrite();
    g_autofree char *once = NULL;
    g_autofree char *twice = NULL;
    g_autofree char *folder = g_strdup_printf("%s/ram", testDriver.config->stateDir);
    g_autofree char *victim = g_strdup_printf("%s/victim", testDriver.config->stateDir);
    virDomainObj *vm = NULL;
    int ret = -1;

    if (!status ||
        g_mkdir_with_parents(folder, 0700) < 0 ||
        virFileTouch(victim, 0600) < 0)
        return -1;

    CHECK(strstr(status, test->from) && strstr(status, STATUS_TOTAL),
          "what is to be changed is there");
    once = virStringReplace(status, test->from, test->to);
    twice = virStringReplace(once, STATUS_TOTAL, test->memory ? test->memory : STATUS_TOTAL);
    vm = testDomainFromStatus(twice);

    if (test->refused) {
        if (!vm && strstr(virGetLastErrorMessage(), test->refused))
            ret = 0;
        else
            fprintf(stderr, "not refused: '%s'\n", virGetLastErrorMessage());
        virResetLastError();
    } else if (vm) {
        ret = testStatusReconcile(test, vm);
    } else {
        fprintf(stderr, "refused: %s\n", virGetLastErrorMessage());
    }

    if (!virFileExists(victim)) {
        fprintf(stderr, "a file of somebody else was removed\n");
        ret = -1;
    }

    testDomainEnd(&vm);
    return ret;
}


static int
testAll(void)
{
    int ret = 0;

    if (virTestRun("an older error is kept and not logged as its own", testOlderError, NULL) < 0)
        ret = -1;

    if (virTestRun("the file of an orphan backend is removed", testOrphanFile, NULL) < 0)
        ret = -1;

    RUN_ALL("audit: ", auditCases, testAudit);
    RUN_ALL("status XML: ", statusCases, testStatus);

    if (testCasesRun(cases, G_N_ELEMENTS(cases)) < 0)
        ret = -1;

    return ret;
}

HVBALLOON_TEST_MAIN(testAll)
