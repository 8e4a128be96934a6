/*
 * qemuhvballoonrequesttest.c: setmem and setmaxmem of a running guest and of a
 *                             stored definition
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <config.h>

#include "qemuhvballooncase.h"
#include "qemu/qemu_hvballoon.h"

#define LIBVIRT_QEMU_MONITOR_PRIV_H_ALLOW
#include "qemu/qemu_monitor_priv.h"

#define VIR_FROM_THIS VIR_FROM_NONE


/* Refused after the query, with nothing done. */
#define REFUSED(name_, action_, size_, info, error_) \
    { .name = name_, .action = action_, .size = size_, .requested = 1 * GIB, \
      .script = SCRIPT(QUERY_NONE(info)), .error = error_ }

static const testCase refusals[] = {
    REFUSED("above maxMemory", SET_LIVE, 8 * GIB + 1, INFO(ONE, ONE),
            "above <maxMemory> 8388608 KiB"),
    REFUSED("below minimum", SET_LIVE, 512 * 1024 - 1, INFO(ONE, ONE),
            "<minimum> of the balloon, 524288 KiB"),
    REFUSED("zero", SET_LIVE, 0, INFO(ONE, ONE),
            "cannot be 0"),
    REFUSED("no memory slot: refused before anything is plugged", SET_LIVE, 3 * GIB, INFO_SLOTS("0", ONE, ONE),
            "no memory slot is free for one more stick beside the present 0"),
    REFUSED("an invalid number of memory slots", SET_LIVE, 3 * GIB, INFO_SLOTS("-1", ONE, ONE),
            "lacks a valid 'free-slots'"),
    REFUSED("setmaxmem without a memory slot", SETMAX_LIVE, 3 * GIB, INFO_SLOTS("0", ONE, ONE),
            "no memory slot is free"),
    REFUSED("setmaxmem below boot memory", SETMAX_LIVE, 1 * GIB - 1, INFO(ONE, ONE),
            "booted with"),
};

static const testCase cases[] = {
    {
        .name = "grow plugs one stick of the missing size",
        .action = SET_LIVE, .size = 3 * GIB, .requested = 1 * GIB,
        .script = SCRIPT(
            QUERY_NONE(INFO(ONE, ONE)),
            PLUGGED("0", TWO, BASE),
            BALLOON(THREE, OK)),
        .total = 3 * GIB, .requestedAfter = 3 * GIB,
    },
    {
        .name = "shrink only balloons",
        .action = SET_LIVE, .size = 700 * 1024, .requested = 2 * GIB, .sticks = { 1 * GIB },
        .script = SCRIPT(
            QUERY_ONE(INUSE("0", BASE, ONE), INFO(TWO, TWO)),
            BALLOON("734003200", OK)),
        .requestedAfter = 700 * 1024,
    },
    {
        .name = "shrink removes an idle stick",
        .action = SET_LIVE, .size = 1 * GIB, .requested = 2 * GIB, .sticks = { 1 * GIB },
        .script = SCRIPT(
            QUERY_ONE(IDLE("0", BASE, ONE), INFO(TWO, ONE)),
            BALLOON(ONE, OK), UNPLUGGED("0")),
        .total = 1 * GIB, .requestedAfter = 1 * GIB,
    },
    {
        .name = "shrink: the event counts, whatever QEMU replies after it",
        .action = SET_LIVE, .size = 1 * GIB, .requested = 2 * GIB, .sticks = { 1 * GIB },
        .script = SCRIPT(
            QUERY_ONE(IDLE("0", BASE, ONE), INFO(TWO, ONE)),
            BALLOON(ONE, OK),
            DEVICE_DEL("0", DELETED("0") FAIL("too late")), OBJECT_DEL("0", OK), QUERY_BALLOON),
        .total = 1 * GIB, .requestedAfter = 1 * GIB,
    },
    {
        .name = "a stick that setmaxmem plugged is kept",
        .action = SET_LIVE, .size = 1 * GIB, .requested = 2 * GIB, .sticks = { 1 * GIB },
        .keepTotal = 2 * GIB,
        .script = SCRIPT(
            QUERY_ONE(IDLE("0", BASE, ONE), INFO(TWO, ONE)),
            BALLOON(ONE, OK)),
        .requestedAfter = 1 * GIB,
    },
    {
        .name = "backend cannot be created: what exists is used",
        .action = SET_LIVE, .size = 3 * GIB, .requested = 700 * 1024,
        .script = SCRIPT(
            QUERY_NONE(INFO("734003200", "734003200")),
            OBJECT_ADD("0", TWO, FAIL("no memory today"))),
        .error = "adding a stick of 2097152 KiB", .pending = true,
    },
    {
        .name = "stick cannot be plugged: its backend is removed",
        .action = SET_LIVE, .size = 3 * GIB, .requested = 1 * GIB,
        .script = SCRIPT(
            QUERY_NONE(INFO(ONE, ONE)),
            OBJECT_ADD("0", TWO, OK), DEVICE_ADD("0", FAIL("no slot")), OBJECT_DEL("0", OK)),
        .error = "no slot", .pending = true,
    },
    {
        .name = "balloon fails after the plug: the next reconcile removes the stick",
        .action = SET_LIVE, .size = 3 * GIB, .requested = 1 * GIB,
        .script = SCRIPT(
            QUERY_NONE(INFO(ONE, ONE)),
            PLUGGED("0", TWO, BASE),
            BALLOON(THREE, FAIL("busy"))),
        .error = "asking the memory balloon for 3145728 KiB failed", .pending = true,
        .total = 3 * GIB,
    },
    {
        .name = "no room for the planned size: a stick of the missing size is plugged",
        .action = SET_LIVE, .size = 4 * GIB + 128 * 1024, .requested = 4 * GIB,
        .sticks = { 3 * GIB },
        .script = SCRIPT(
            QUERY_ONE(INUSE("0", BASE, THREE), INFO(FOUR, FOUR)),
            OBJECT_ADD("1", "536870912", OK), DEVICE_ADD("1", FAIL("no space")), OBJECT_DEL("1", OK),
            PLUGGED("1", "134217728", "7516192768"),
            BALLOON("4429185024", OK)),
        .total = 4 * GIB + 128 * 1024, .requestedAfter = 4 * GIB + 128 * 1024,
    },
    {
        .name = "no memory slot: plugged memory can still be used",
        .action = SET_LIVE, .size = 2 * GIB, .requested = 1 * GIB, .sticks = { 1 * GIB },
        .script = SCRIPT(
            QUERY_ONE(INUSE("0", BASE, ONE), INFO_SLOTS("0", ONE, ONE)),
            BALLOON(TWO, OK)),
        .requestedAfter = 2 * GIB,
    },
    {
        .name = "the last memory slot takes all that maxMemory leaves",
        .action = SET_LIVE, .size = 3 * GIB, .requested = 1 * GIB,
        .script = SCRIPT(
            QUERY_NONE(INFO_SLOTS("1", ONE, ONE)),
            PLUGGED("0", "7516192768", BASE),
            BALLOON(THREE, OK)),
        .total = 8 * GIB, .requestedAfter = 3 * GIB,
    },
    {
        .name = "a stick that has vanished does not count, even if its backend exists",
        .action = SET_LIVE, .size = 8 * GIB, .requested = 8 * GIB, .sticks = { 7 * GIB },
        .script = SCRIPT(
            QUERY("", "," BACKEND("0"), INFO(ONE, ONE)),
            QUERY_BALLOON,
            OBJECT_DEL("0", FAIL("in use")),
            PLUGGED("1", "7516192768", BASE),
            BALLOON("8589934592", OK)),
        .total = 8 * GIB, .requestedAfter = 8 * GIB,
    },
    {
        .name = "a stick that has vanished does not count against maxMemory",
        .action = SET_LIVE, .size = 8 * GIB, .requested = 8 * GIB, .sticks = { 0, 7 * GIB },
        .script = SCRIPT(
            QUERY("", "," BACKEND("1"), INFO(ONE, ONE)),
            QUERY_BALLOON,
            OBJECT_DEL("1", FAIL("in use")),
            PLUGGED("0", "7516192768", BASE),
            BALLOON("8589934592", OK)),
    },
    {
        .name = "setmem fails where the query does",
        .action = SET_LIVE, .size = 3 * GIB, .requested = 1 * GIB,
        .script = SCRIPT({ "query-haprot", NULL, FAIL("out of order") }),
        .error = "out of order",
    },
    {
        .name = "the lowest free name is taken",
        .action = SET_LIVE, .size = 3 * GIB, .requested = 2 * GIB, .sticks = { 0, 1 * GIB },
        .script = SCRIPT(
            QUERY(INUSE("1", BASE, ONE), "," BACKEND("1"), INFO(TWO, TWO)),
            PLUGGED("0", ONE, BASE2),
            BALLOON(THREE, OK)),
        .total = 3 * GIB, .requestedAfter = 3 * GIB,
    },
    {
        .name = "a name is not taken that a stick has which XML cannot describe",
        .action = SETMAX_LIVE, .size = 3 * GIB, .requested = 1 * GIB,
        .script = SCRIPT(
            QUERY(STICK_OF("0", "/objects/other", BASE, ONE, "inuse", ONE, "0"),
                  ",{\"name\": \"other\", \"type\": \"child<memory-backend-ram>\"}", INFO(ONE, ONE)),
            PLUGGED("1", ONE, BASE2)),
        .total = 2 * GIB,
    },
    {
        .name = "a name is not taken that a backend has which cannot be removed",
        .action = SET_LIVE, .size = 3 * GIB, .requested = 1 * GIB,
        .script = SCRIPT(
            QUERY("", "," BACKEND("0"), INFO(ONE, ONE)),
            OBJECT_DEL("0", FAIL("object 'memua-haprot0' is in use, can not be deleted")),
            PLUGGED("1", TWO, BASE),
            BALLOON(THREE, OK)),
        .total = 3 * GIB, .requestedAfter = 3 * GIB,
    },
    {
        .name = "setmaxmem plugs memory without giving it to the guest",
        .action = SETMAX_LIVE, .size = 3 * GIB, .requested = 1 * GIB,
        .script = SCRIPT(
            QUERY_NONE(INFO(ONE, ONE)),
            PLUGGED("0", TWO, BASE)),
        .total = 3 * GIB,
    },
    {
        .name = "setmaxmem removes sticks that are not used",
        .action = SETMAX_LIVE, .size = 1 * GIB, .requested = 1 * GIB, .sticks = { 1 * GIB },
        .keepTotal = 2 * GIB,
        .script = SCRIPT(
            QUERY_ONE(IDLE("0", BASE, ONE), INFO(ONE, ONE)),
            UNPLUGGED("0")),
        .total = 1 * GIB,
    },
    {
        .name = "setmaxmem keeps sticks that are used",
        .action = SETMAX_LIVE, .size = 1 * GIB, .requested = 2 * GIB, .sticks = { 1 * GIB },
        .script = SCRIPT(QUERY_ONE(INUSE("0", BASE, ONE), INFO(TWO, TWO))),
    },
    {
        .name = "config: above <memory> adds ua-haprot0",
        .action = SET_CONFIG, .size = 3 * GIB, .requested = 1 * GIB,
        .configTotal = 3 * GIB, .configCurrent = 3 * GIB,
    },
    {
        .name = "config: below <memory> sets currentMemory",
        .action = SET_CONFIG, .size = 700 * 1024, .requested = 1 * GIB,
        .configTotal = 1 * GIB, .configCurrent = 700 * 1024,
    },
    {
        .name = "config: above maxMemory",
        .action = SET_CONFIG, .size = 9 * GIB, .requested = 1 * GIB,
        .error = "above <maxMemory>",
        .configTotal = 1 * GIB, .configCurrent = 1 * GIB,
    },
    {
        .name = "config: setmaxmem changes boot memory",
        .action = SETMAX_CONFIG, .size = 2 * GIB, .requested = 1 * GIB,
        .configTotal = 2 * GIB, .configCurrent = 1 * GIB,
    },
    {
        .name = "both: the same sticks in both",
        .action = SET_BOTH, .size = 3 * GIB, .requested = 1 * GIB,
        .script = SCRIPT(
            QUERY_NONE(INFO(ONE, ONE)),
            PLUGGED("0", TWO, BASE),
            BALLOON(THREE, OK)),
        .total = 3 * GIB, .requestedAfter = 3 * GIB, .configTotal = 3 * GIB, .configCurrent = 3 * GIB,
    },
    {
        .name = "both: config is unchanged when live fails",
        .action = SET_BOTH, .size = 3 * GIB, .requested = 1 * GIB,
        .script = SCRIPT(
            QUERY_NONE(INFO(ONE, ONE)),
            OBJECT_ADD("0", TWO, FAIL("no memory today"))),
        .error = "no memory today", .pending = true,
        .configTotal = 1 * GIB, .configCurrent = 1 * GIB,
    },
};


/*
 * --live --config: both, or none
 */

static int
testBoth(virDomainObj *vm,
         const testExchange *script,
         const char *error)
{
    qemuMonitorTest *mon = testMonitorNew(vm);
    int rc;

    if (!mon)
        return -1;

    vm->def->memballoon->requested = 1 * GIB;
    testAddScript(mon, script);
    rc = qemuHvBalloonSetMemory(&testDriver, vm, vm->def, vm->newDef, 3 * GIB, 0);
    testMonitorEnd(vm, mon);

    if (testCheckError(error, rc) < 0)
        return -1;

    CHECK(vm->def->memballoon->requested == 1 * GIB, "requested");
    CHECK(virDomainDefGetMemoryTotal(vm->def) == 1 * GIB, "total");
    CHECK(virDomainDefGetMemoryTotal(vm->newDef) == 1 * GIB, "stored total");
    CHECK(vm->newDef->mem.cur_balloon == 1 * GIB, "stored currentMemory");
    return 0;
}


/* The file cannot be written: QEMU gets no command. */
static int
testStoredFails(const void *opaque G_GNUC_UNUSED)
{
    const testExchange script[] = { QUERY_NONE(INFO(ONE, ONE)), { } };
    virDomainObj *vm = testDomainNew(NULL);
    char *dir = testDriver.config->configDir;
    int ret;

    if (!vm)
        return -1;

    testDriver.config->configDir = (char *)"/dev/null/nowhere";
    ret = testBoth(vm, script, "/dev/null/nowhere");
    testDriver.config->configDir = dir;

    testDomainEnd(&vm);
    return ret;
}


/* QEMU fails: the file is restored. */
static int
testLiveFails(const void *opaque G_GNUC_UNUSED)
{
    const testExchange script[] = {
        QUERY_NONE(INFO(ONE, ONE)), OBJECT_ADD("0", TWO, FAIL("no memory today")), { }
    };
    g_autofree char *path = g_strdup_printf("%s/guest.xml", testDriver.config->configDir);
    g_autoptr(virDomainDef) stored = NULL;
    virDomainObj *vm = testDomainNew(NULL);
    int ret;

    if (!vm)
        return -1;

    testWorkerHold();
    ret = testBoth(vm, script, "no memory today");
    testDomainEnd(&vm);
    testWorkerRelease();

    if (ret == 0) {
        CHECK((stored = virDomainDefParseFile(path, testDriver.xmlopt, NULL,
                                              VIR_DOMAIN_DEF_PARSE_INACTIVE)), "%s", path);
        CHECK(virDomainDefGetMemoryTotal(stored) == 1 * GIB, "stored total");
    }
    return ret;
}


/*
 * To define a domain takes no job: it may happen while QEMU is talked to
 */

typedef struct {
    const char *name;
    const testExchange *script;
    const char *error;              /* part of the message, NULL: succeeds */
    unsigned long long total;       /* stored, after */
} testDefinedCase;

/* For which the test's own callback defines the domain. */
#define DEFINED \
    "{\"timestamp\": {\"seconds\": 1374137171, \"microseconds\": 2659}," \
    " \"event\": \"BALLOON_CHANGE\", \"data\": {\"actual\": " ONE "}}\r\n"

static const testDefinedCase definedCases[] = {
    {
        .name = "it is queried: setmem changes the new definition",
        .script = SCRIPT(
            QUERY_NONE(DEFINED INFO(ONE, ONE)),
            PLUGGED("0", TWO, BASE),
            BALLOON(THREE, OK)),
        .total = 3 * GIB,
    },
    {
        .name = "it is told the target: the new definition stands",
        .script = SCRIPT(
            QUERY_NONE(INFO(ONE, ONE)),
            PLUGGED("0", TWO, BASE),
            BALLOON(THREE, DEFINED OK)),
        .total = 1 * GIB,
    },
    {
        .name = "it fails: the new definition stands",
        .script = SCRIPT(
            QUERY_NONE(INFO(ONE, ONE)),
            OBJECT_ADD("0", TWO, DEFINED FAIL("no memory today"))),
        .error = "no memory today", .total = 1 * GIB,
    },
};


static void
testDefineAgain(qemuMonitor *mon G_GNUC_UNUSED,
                virDomainObj *vm,
                unsigned long long actual G_GNUC_UNUSED)
{
    g_autoptr(virDomainDef) def = NULL;

    virObjectLock(vm);
    if ((def = virDomainDefCopy(vm->newDef, testDriver.xmlopt, NULL, false))) {
        def->title = g_strdup("again");
        ignore_value(virDomainDefSave(def, testDriver.xmlopt, testDriver.config->configDir));
        virDomainObjAssignDef(vm, &def, false, NULL);
    }
    virObjectUnlock(vm);
}


static int
testDefinedRun(virDomainObj *vm,
               const testDefinedCase *test)
{
    static qemuMonitorCallbacks callbacks = { .domainBalloonChange = testDefineAgain };
    qemuMonitorTest *mon = testMonitorNew(vm);
    qemuMonitorCallbacks *before;
    int rc;

    if (!mon)
        return -1;

    before = qemuMonitorTestGetMonitor(mon)->cb;
    qemuMonitorTestGetMonitor(mon)->cb = &callbacks;
    testAddScript(mon, test->script);
    rc = qemuHvBalloonSetMemory(&testDriver, vm, vm->def, vm->newDef, 3 * GIB, 0);
    qemuMonitorTestGetMonitor(mon)->cb = before;
    testMonitorEnd(vm, mon);

    return testCheckError(test->error, rc);
}


/* What is stored and the file say the same. */
static int
testDefined(const void *opaque)
{
    const testDefinedCase *test = opaque;
    g_autofree char *path = g_strdup_printf("%s/guest.xml", testDriver.config->configDir);
    g_autoptr(virDomainDef) file = NULL;
    virDomainObj *vm = testDomainNew(NULL);
    int ret = -1;

    if (!vm)
        return -1;

    testWorkerHold();
    vm->def->memballoon->requested = 1 * GIB;
    if (testDefinedRun(vm, test) == 0 &&
        STREQ_NULLABLE(vm->newDef->title, "again") &&
        testCheckNumber("stored total", test->total, virDomainDefGetMemoryTotal(vm->newDef)) == 0 &&
        (file = virDomainDefParseFile(path, testDriver.xmlopt, NULL, VIR_DOMAIN_DEF_PARSE_INACTIVE)) &&
        STREQ_NULLABLE(file->title, "again"))
        ret = testCheckNumber("total in the file", test->total, virDomainDefGetMemoryTotal(file));

    testDomainEnd(&vm);
    testWorkerRelease();
    return ret;
}


/*
 * Sticks of clients
 */

/* A stick that is given to the guest at once raises the requested memory. */
static int
testClientStick(const void *opaque G_GNUC_UNUSED)
{
    virDomainObj *vm = testDomainNew(NULL);
    virDomainMemoryDef now = {
        .model = VIR_DOMAIN_MEMORY_MODEL_HAPROT, .size = 1 * GIB,
        .target.haprot.insert = VIR_DOMAIN_MEMORY_INSERT_MODE_NOW,
    };
    virDomainMemoryDef onDemand = now;
    int ret = -1;

    if (!vm)
        return -1;

    testWorkerHold();
    onDemand.target.haprot.insert = VIR_DOMAIN_MEMORY_INSERT_MODE_ON_DEMAND;
    testAddStick(vm->def, 0, 1 * GIB);

    /* not known: the guest is not to shrink to what is given to it */
    qemuHvBalloonStickAttached(vm, &now);
    if (testCheckNumber("requested", 0, vm->def->memballoon->requested) < 0)
        goto cleanup;

    vm->def->memballoon->requested = 1 * GIB;

    qemuHvBalloonStickAttached(vm, &onDemand);
    if (testCheckNumber("requested", 1 * GIB, vm->def->memballoon->requested) < 0)
        goto cleanup;

    qemuHvBalloonStickAttached(vm, &now);
    if (testCheckNumber("requested", 2 * GIB, vm->def->memballoon->requested) < 0)
        goto cleanup;

    /* the reconcile finds out how much there is left to request */
    virDomainMemoryDefFree(virDomainMemoryRemove(vm->def, 0));
    qemuHvBalloonStickDetached(vm);
    if (((qemuDomainObjPrivate *)vm->privateData)->hvBalloonPending)
        ret = testCheckNumber("requested", 2 * GIB, vm->def->memballoon->requested);

 cleanup:
    testDomainEnd(&vm);
    testWorkerRelease();
    return ret;
}


/*
 * Stored definitions with more than that domain has
 */

typedef struct {
    const char *name;
    const char *xml;
    unsigned int flags;
    unsigned long long size;
    const char *error;              /* part of the message, NULL: succeeds */
    unsigned long long total;       /* after */
    const char *sticks;             /* after, NULL: not checked */
} testConfigCase;

#define PAGES(size, nodeset) \
    "<memoryBacking><hugepages><page size='" size "' unit='GiB'" nodeset "/></hugepages></memoryBacking>"
#define CELL \
    "<cpu><numa><cell id='0' cpus='0' memory='1' unit='GiB'/></numa></cpu>"
#define CONFIG_STICK(alias, source, more) \
    "<memory model='haprot'>" source \
    "<target insert='on-demand'><size unit='GiB'>1</size>" more "</target>" \
    "<alias name='" alias "'/></memory>"

static const testConfigCase configCases[] = {
    {
        .name = "config: a stick is made of whole huge pages",
        .xml = DOMAIN_XML("1", PAGES("1", ""), ""),
        .size = 1 * GIB + 1, .total = 2 * GIB,
    },
    {
        .name = "config: a stick is made of whole huge pages of the last cell",
        .xml = DOMAIN_XML("1", PAGES("1", " nodeset='0'") CELL, ""),
        .size = 1 * GIB + 1, .total = 2 * GIB,
    },
    {
        .name = "config: a stick is made of whole huge pages of its own size",
        .xml = DOMAIN_XML("2", "",
                          CONFIG_STICK("ua-haprot0", "<source><pagesize unit='GiB'>1</pagesize></source>", "")),
        .size = 2 * GIB + 1, .total = 3 * GIB,
    },
    {
        .name = "config: boot memory may grow up to a stick",
        .xml = DOMAIN_XML("2", "", CONFIG_STICK("ua-mine", "", "<address base='0x180000000'/>")),
        .flags = VIR_DOMAIN_MEM_MAXIMUM, .size = 5 * GIB, .total = 5 * GIB,
    },
    {
        .name = "config: boot memory may grow beyond a stick, QEMU refuses to start",
        .xml = DOMAIN_XML("2", "", CONFIG_STICK("ua-mine", "", "<address base='0x180000000'/>")),
        .flags = VIR_DOMAIN_MEM_MAXIMUM, .size = 6 * GIB, .total = 6 * GIB,
    },
    {
        .name = "config: the address of a driver's stick is ignored",
        .xml = DOMAIN_XML("2", "", CONFIG_STICK("ua-haprot0", "", "<address base='0x180000000'/>")),
        .flags = VIR_DOMAIN_MEM_MAXIMUM, .size = 6 * GIB, .total = 6 * GIB,
    },
    {
        .name = "config: all of the driver's sticks are removed",
        .xml = DOMAIN_XML("4", "", CONFIG_STICK("ua-haprot1", "", "") CONFIG_STICK("ua-haprot7", "", "")
                          CONFIG_STICK("ua-mine", "", "")),
        .size = 2 * GIB, .total = 2 * GIB, .sticks = "ua-mine",
    },
    {
        .name = "config: the driver's sticks become one",
        .xml = DOMAIN_XML("4", "", CONFIG_STICK("ua-haprot1", "", "") CONFIG_STICK("ua-haprot7", "", "")
                          CONFIG_STICK("ua-mine", "", "")),
        .size = 5 * GIB, .total = 5 * GIB, .sticks = "ua-haprot1 ua-mine",
    },
    {
        .name = "config: nothing to change, nothing changed",
        .xml = DOMAIN_XML("4", "", CONFIG_STICK("ua-haprot1", "", "") CONFIG_STICK("ua-haprot7", "", "")
                          CONFIG_STICK("ua-mine", "", "")),
        .size = 4 * GIB, .total = 4 * GIB, .sticks = "ua-haprot1 ua-haprot7 ua-mine",
    },
    {
        .name = "config: setmaxmem below the driver's sticks",
        .xml = DOMAIN_XML("4", "", CONFIG_STICK("ua-haprot0", "", "") CONFIG_STICK("ua-haprot1", "", "")
                          CONFIG_STICK("ua-mine", "", "")),
        .flags = VIR_DOMAIN_MEM_MAXIMUM, .size = 2 * GIB, .total = 2 * GIB, .sticks = "ua-mine",
    },
    {
        .name = "config: setmaxmem below the user's sticks",
        .xml = DOMAIN_XML("4", "", CONFIG_STICK("ua-haprot0", "", "") CONFIG_STICK("ua-haprot1", "", "")
                          CONFIG_STICK("ua-mine", "", "")),
        .flags = VIR_DOMAIN_MEM_MAXIMUM, .size = 1 * GIB, .total = 4 * GIB,
        .error = "leaves nothing to boot with beside the stick 'ua-mine' of 1048576 KiB: request more, or detach",
        .sticks = "ua-haprot0 ua-haprot1 ua-mine",
    },
    {
        .name = "config: setmaxmem above <maxMemory>",
        .xml = DOMAIN_XML("1", "", ""),
        .flags = VIR_DOMAIN_MEM_MAXIMUM, .size = 9 * GIB, .total = 1 * GIB,
        .error = "above <maxMemory> 8388608 KiB: request no more than that, or raise <maxMemory> first",
    },
    {
        .name = "config: NUMA cells determine boot memory",
        .xml = DOMAIN_XML("2", CELL, CONFIG_STICK("ua-haprot0", "", "")),
        .flags = VIR_DOMAIN_MEM_MAXIMUM, .size = 3 * GIB, .total = 2 * GIB,
        .error = "from 1048576 KiB to 2097152 KiB, which is the sum of the NUMA cells: change <cell memory=>",
    },
    {
        .name = "config: a stick beside NUMA cells is removed",
        .xml = DOMAIN_XML("2", CELL, CONFIG_STICK("ua-haprot0", "", "")),
        .flags = VIR_DOMAIN_MEM_MAXIMUM, .size = 1 * GIB, .total = 1 * GIB, .sticks = "",
    },
    {
        .name = "config: the name of the stick is used by another device",
        .xml = DOMAIN_XML("1", "", "<rng model='virtio'><backend model='random'>/dev/urandom</backend>"
                          "<alias name='ua-haprot0'/></rng>"),
        .size = 2 * GIB, .total = 1 * GIB,
        .error = "another device has that name",
    },
};


static int
testCheckSticks(const char *expected,
                const virDomainDef *def)
{
    g_autoptr(GString) names = g_string_new(NULL);
    size_t i;

    for (i = 0; i < def->nmems; i++)
        g_string_append_printf(names, "%s%s", i > 0 ? " " : "", def->mems[i]->info.alias);

    if (!expected || STREQ(expected, names->str))
        return 0;

    fprintf(stderr, "expected sticks '%s', got '%s'\n", expected, names->str);
    return -1;
}


static int
testConfig(const void *opaque)
{
    const testConfigCase *test = opaque;
    virDomainObj *vm = NULL;
    int ret = -1;
    int rc;

    if (!(vm = testDomainNew(NULL)))
        return -1;

    virDomainDefFree(vm->newDef);
    if (!(vm->newDef = virDomainDefParseString(test->xml, testDriver.xmlopt, NULL,
                                               VIR_DOMAIN_DEF_PARSE_INACTIVE)))
        goto cleanup;

    rc = qemuHvBalloonSetMemory(&testDriver, vm, NULL, vm->newDef, test->size, test->flags);
    if (testCheckError(test->error, rc) == 0 &&
        testCheckNumber("stored total", test->total,
                        virDomainDefGetMemoryTotal(vm->newDef)) == 0 &&
        testCheckSticks(test->sticks, vm->newDef) == 0)
        ret = testCheckFormat(vm);

 cleanup:
    testDomainEnd(&vm);
    return ret;
}


/* qemu.conf has just hugetlbfs_mount = "/dev/hugepages1G", so no size is the
 * default. */
static int
testOneMount(const void *opaque G_GNUC_UNUSED)
{
    const testConfigCase test = {
        .xml = DOMAIN_XML("1", "<memoryBacking><hugepages/></memoryBacking>", ""),
        .size = 1 * GIB + 1, .total = 2 * GIB,
    };
    virQEMUDriverConfig *cfg = testDriver.config;
    int ret;

    cfg->hugetlbfs++;
    cfg->nhugetlbfs--;
    ret = testConfig(&test);
    cfg->hugetlbfs--;
    cfg->nhugetlbfs++;

    return ret;
}


/*
 * A guest with 1 GiB and three sticks of 1 GiB, with holes of 384 and of 256 MiB
 */

static testSim *
testFragmentedSim(void)
{
    testSim *sim = testSimNew();
    size_t i;

    for (i = 0; i < 3; i++) {
        g_autofree char *id = g_strdup_printf("ua-haprot%zu", i);
        g_autofree char *memdev = g_strdup_printf("mem%s", id);
        testSimStick *stick = testSimAddStick(sim, id, memdev, true, 1ULL << 30);

        testSimSetState(stick, "inuse");
        stick->added = stick->size;
        if (i == 1)
            stick->addr += 384ULL << 20;
        testSimAddBackend(sim, memdev, "child<memory-backend-ram>", stick->size);
    }

    sim->space = (3ULL << 30) + (384ULL << 20) + (256ULL << 20);
    sim->target = sim->actual = 4ULL << 30;
    return sim;
}


static int
testFragmentedRun(virDomainObj *vm,
                  const testSim *sim)
{
    const virDomainMemoryDef *mem;

    CHECK(qemuHvBalloonSetMemory(&testDriver, vm, vm->def, NULL, 5 * GIB, 0) < 0, "no hole of 1 GiB");
    CHECK(strstr(virGetLastErrorMessage(), "393216 KiB") &&
          strstr(virGetLastErrorMessage(), "1048576 KiB"),
          "error '%s'", virGetLastErrorMessage());
    CHECK(testSimCount(sim, "object-add") == 0, "nothing is tried");
    virResetLastError();

    /* an eighth of what there is would be 512 MiB */
    CHECK(qemuHvBalloonSetMemory(&testDriver, vm, vm->def, NULL, 4 * GIB + GIB / 4, 0) == 0,
          "error '%s'", virGetLastErrorMessage());
    CHECK(testSimCount(sim, "device_add") == 1 && vm->def->nmems == 4, "plugged at once");
    mem = vm->def->mems[3];
    CHECK(mem->size == 393216 && mem->target.haprot.address == 5ULL << 30,
          "a stick of %llu KiB at 0x%llx", mem->size, mem->target.haprot.address);
    return 0;
}


static int
testFragmented(const void *opaque G_GNUC_UNUSED)
{
    virDomainObj *vm = testDomainNew((const unsigned long long[MAX_STICKS]) { GIB, GIB, GIB });
    g_autoptr(testSim) sim = testFragmentedSim();
    qemuMonitorTest *mon = vm ? testMonitorNew(vm) : NULL;
    int ret = -1;

    if (mon) {
        vm->def->memballoon->requested = 4 * GIB;
        testSimServe(sim, mon);
        ret = testFragmentedRun(vm, sim);
        testMonitorEnd(vm, mon);
    }

    testDomainEnd(&vm);
    return ret;
}


static int
testAll(void)
{
    int ret = 0;

    RUN_ALL("", configCases, testConfig);
    if (virTestRun("config: a stick is made of whole huge pages of the only mount", testOneMount, NULL) < 0)
        ret = -1;
    RUN_ALL("both: defined again while ", definedCases, testDefined);

    if (virTestRun("both: QEMU gets no command when the file cannot be written", testStoredFails, NULL) < 0 ||
        virTestRun("both: the file is restored when QEMU fails", testLiveFails, NULL) < 0 ||
        virTestRun("a client's stick", testClientStick, NULL) < 0)
        ret = -1;

    if (testCasesRun(refusals, G_N_ELEMENTS(refusals)) < 0 ||
        testCasesRun(cases, G_N_ELEMENTS(cases)) < 0 ||
        virTestRun("a fragmented guest", testFragmented, NULL) < 0)
        ret = -1;

    return ret;
}

HVBALLOON_TEST_MAIN(testAll)
