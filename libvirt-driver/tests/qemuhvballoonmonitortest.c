/*
 * qemuhvballoonmonitortest.c: queries of balloon and sticks, valid and invalid
 *                             replies, statistics
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <config.h>

#include "qemuhvballoontestutils.h"
#include "qemu/qemu_hvballoon.h"
#include "qemu/qemu_hvballoon_monitor.h"
#include "qemu/qemu_hvballoon_stats.h"

#define VIR_FROM_THIS VIR_FROM_NONE


/*
 * Replies, one at a time
 */

static int
testParse(const char *command,
          const char *reply,
          int (*parse)(qemuMonitor *mon, void **data),
          void **data)
{
    const testExchange script[] = { { command, NULL, reply }, { } };
    g_autoptr(qemuMonitorTest) mon = qemuMonitorTestNewSimple(testDriver.xmlopt);

    if (!mon)
        return -1;

    testAddScript(mon, script);
    return parse(qemuMonitorTestGetMonitor(mon), data);
}


static int
testGetSticks(qemuMonitor *mon, void **data)
{
    return qemuMonitorGetHvBalloonSticks(mon, (GPtrArray **)data);
}


static int
testGetInfo(qemuMonitor *mon, void **data)
{
    return qemuMonitorGetHvBalloonInfo(mon, (qemuMonitorHvBalloonInfo **)data);
}


/* None of @replies is accepted. */
static int
testRefuseReplies(const char *command,
                  int (*parse)(qemuMonitor *mon, void **data),
                  GDestroyNotify clear,
                  const char *const *replies,
                  size_t nreplies)
{
    size_t i;

    for (i = 0; i < nreplies; i++) {
        void *data = NULL;

        if (testParse(command, replies[i], parse, &data) == 0) {
            fprintf(stderr, "accepted: %s\n", replies[i]);
            clear(data);
            return -1;
        }
    }

    virResetLastError();
    return 0;
}


static int
testRefuseSticks(const char *const *replies,
                 size_t nreplies)
{
    return testRefuseReplies("query-haprot", testGetSticks,
                             (GDestroyNotify)g_ptr_array_unref, replies, nreplies);
}


static int
testRefuseInfo(const char *const *replies,
               size_t nreplies)
{
    return testRefuseReplies("query-hv-balloon", testGetInfo,
                             (GDestroyNotify)qemuMonitorHvBalloonInfoFree, replies, nreplies);
}


static int
testParseSticks(const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GPtrArray) sticks = NULL;
    const qemuMonitorHvBalloonStick *first;
    const qemuMonitorHvBalloonStick *second;

    /* whatever the order in the reply */
    if (testParse("query-haprot",
                  "{\"return\": [{\"qom-path\": \"/machine/unattached/device[3]\", \"memdev\": \"plain\","
                  "  \"addr\": 8589934592, \"size\": " ONE ", \"insert\": \"now\","
                  "  \"state\": \"of-tomorrow\", \"added\": 0, \"released\": 0},"
                  STICK("0", BASE, TWO, "unused", ONE, ONE) "]}",
                  testGetSticks, (void **)&sticks) < 0 ||
        sticks->len != 2)
        return -1;

    first = g_ptr_array_index(sticks, 0);
    second = g_ptr_array_index(sticks, 1);

    if (STRNEQ_NULLABLE(first->id, "ua-haprot0") ||
        STRNEQ(first->memdev, "memua-haprot0") ||
        first->address != 4294967296ULL ||
        first->size != 2 * GIB ||
        first->added != 1 * GIB || first->released != 1 * GIB ||
        !first->onDemand || first->state != QEMU_HVBALLOON_STICK_UNUSED)
        return -1;

    /* a stick with an unknown state is never removed */
    if (second->id || second->onDemand ||
        STRNEQ(second->memdev, "plain") ||
        second->state != QEMU_HVBALLOON_STICK_INUSE)
        return -1;

    return 0;
}


static int
testParseInvalidSticks(const void *opaque G_GNUC_UNUSED)
{
    const char *const invalid[] = {
        "{\"return\": [{}]}",
        "{\"return\": [3]}",
        "{\"return\": {}}",
        "{\"return\": [" STICK("0", BASE, "0", "idle", "0", "0") "]}",
        "{\"return\": [" STICK("0", BASE, "-1", "idle", "0", "0") "]}",
        "{\"return\": [" STICK("0", BASE, ONE, "idle", TWO, "0") "]}",
        "{\"return\": [" STICK("0", BASE, ONE, "idle", "0", ONE) "]}",
        "{\"return\": [" IDLE("0", BASE, TWO) "," IDLE("1", BASE2, ONE) "]}",
        "{\"return\": [" IDLE("0", BASE2, ONE) "," IDLE("1", BASE, TWO) "]}",
        "{\"return\": [" STICK("0", "18446744073709547520", ONE, "idle", "0", "0") "]}",
        "{\"return\": [" STICK("0", "\"x\"", ONE, "idle", "0", "0") "]}",
        FAIL("no"),
    };

    return testRefuseSticks(invalid, G_N_ELEMENTS(invalid));
}


static char *
testManySticks(size_t n)
{
    GString *reply = g_string_new("{\"return\": [");
    size_t i;

    for (i = 0; i < n; i++)
        g_string_append_printf(reply, "%s{\"id\": \"s%zu\", \"qom-path\": \"/s\", \"memdev\": \"m%zu\","
                               " \"addr\": %zu, \"size\": 2097152, \"insert\": \"now\", \"state\": \"idle\","
                               " \"added\": 0, \"released\": 0}",
                               i > 0 ? "," : "", i, i, (i + 2048) << 21);

    g_string_append(reply, "]}");
    return g_string_free(reply, FALSE);
}


static int
testParseManySticks(const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *most = testManySticks(4096);
    g_autofree char *more = testManySticks(4097);
    g_autoptr(GPtrArray) sticks = NULL;

    if (testParse("query-haprot", most, testGetSticks, (void **)&sticks) < 0 ||
        sticks->len != 4096)
        return -1;

    return testRefuseSticks((const char *const[]) { more }, 1);
}


static int
testParseInfo(const void *opaque G_GNUC_UNUSED)
{
    const char *const invalid[] = { "{\"return\": {\"connected\": true}}" };
    g_autoptr(qemuMonitorHvBalloonInfo) info = NULL;

    if (testParse("query-hv-balloon", INFO(TWO, ONE), testGetInfo, (void **)&info) < 0)
        return -1;

    if (!info->connected || info->alignment != 131072 ||
        info->target != 2 * GIB || info->actual != 1 * GIB ||
        STRNEQ(info->state, "idle") || info->lastError ||
        info->freeSlots != QEMU_HVBALLOON_UNLIMITED)
        return -1;

    return testRefuseInfo(invalid, G_N_ELEMENTS(invalid));
}


static int
testParseFreeSlots(const void *opaque G_GNUC_UNUSED)
{
    const char *const invalid[] = {
        INFO_SLOTS("4294967296", ONE, ONE),
        INFO_SLOTS("-1", ONE, ONE),
        INFO_SLOTS("1.5", ONE, ONE),
        INFO_SLOTS("\"many\"", ONE, ONE),
        INFO_SLOTS("null", ONE, ONE),
    };
    g_autoptr(qemuMonitorHvBalloonInfo) info = NULL;

    if (testParse("query-hv-balloon", INFO_SLOTS("61", ONE, ONE),
                  testGetInfo, (void **)&info) < 0 ||
        info->freeSlots != 61)
        return -1;

    return testRefuseInfo(invalid, G_N_ELEMENTS(invalid));
}


/* Texts are made printable, and never cause an error. */
static int
testParseText(const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *most = g_strnfill(1024, 'x');
    g_autofree char *longer = g_strnfill(1025, 'x');
    g_autofree char *cut = g_strdup_printf("%.1021s...", longer);
    g_autofree char *wide = g_strdup_printf("%.1020s\u00e9\u00e9\u00e9", longer);
    g_autofree char *wideCut = g_strdup_printf("%.1020s...", longer);
    const struct {
        const char *said;
        const char *shown;
    } texts[] = {
        { "", "" },
        { "two\\nlines", "two lines" },
        { "\\u001b[2J\\u0007\\u202eon", " [2J  on" },
        { "caf\\u00e9", "caf\u00e9" },
        { most, most },
        { longer, cut },
        { wide, wideCut },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(qemuMonitorHvBalloonInfo) info = NULL;
        g_autofree char *reply =
            g_strdup_printf("{\"return\": {\"connected\": true, \"alignment\": 0, \"state\": \"%s\","
                            " \"target\": 0, \"actual\": 0, \"last-error\": \"%s\"}}",
                            texts[i].said, texts[i].said);

        if (testParse("query-hv-balloon", reply, testGetInfo, (void **)&info) < 0 ||
            STRNEQ(info->state, texts[i].shown) ||
            STRNEQ_NULLABLE(info->lastError, texts[i].shown)) {
            fprintf(stderr, "%s\nis not shown as %s\n", reply, texts[i].shown);
            return -1;
        }
    }

    return 0;
}


/* A stick whose name cannot be one has none. */
static int
testParseNames(const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *most = g_strnfill(1024, 'x');
    g_autofree char *longer = g_strnfill(1025, 'x');
    const struct {
        const char *id;
        bool taken;
    } names[] = {
        { "ua-haprot0", true }, { "ha.1_a", true }, { most, true },
        { "", false }, { "0", false }, { "a b", false }, { "a\\nb", false },
        { "\\u001b[2J", false }, { "caf\\u00e9", false }, { longer, false },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(GPtrArray) sticks = NULL;
        g_autofree char *reply =
            g_strdup_printf("{\"return\": [{\"id\": \"%s\", \"qom-path\": \"/s\", \"memdev\": \"m\","
                            " \"addr\": " BASE ", \"size\": " ONE ", \"insert\": \"now\","
                            " \"state\": \"idle\", \"added\": 0, \"released\": 0}]}", names[i].id);

        if (testParse("query-haprot", reply, testGetSticks, (void **)&sticks) < 0 ||
            STRNEQ_NULLABLE(((qemuMonitorHvBalloonStick *)g_ptr_array_index(sticks, 0))->id,
                            names[i].taken ? names[i].id : NULL)) {
            fprintf(stderr, "name '%s'\n", names[i].id);
            return -1;
        }
    }

    return 0;
}


#define INFO_SPACE(base, size) \
    INFO_WITH("\"device-memory\": {\"base\": " base ", \"size\": " size "}, ", ONE, ONE)

static int
testParseSpace(const void *opaque G_GNUC_UNUSED)
{
    const char *const invalid[] = {
        INFO_WITH("\"device-memory\": {}, ", ONE, ONE),
        INFO_SPACE("-1", ONE),
        INFO_SPACE(BASE, "-1"),
        INFO_SPACE(BASE, "9223372036854775807"),
        INFO_SPACE("9223372036854775808", "0"),
    };
    g_autoptr(GPtrArray) sticks = NULL;
    g_autoptr(qemuMonitorHvBalloonInfo) untold = NULL;
    g_autoptr(qemuMonitorHvBalloonInfo) told = NULL;

    if (testParse("query-haprot",
                  "{\"return\": [" STICK("0", BASE2, ONE, "idle", "0", "0") "]}",
                  testGetSticks, (void **)&sticks) < 0 ||
        testParse("query-hv-balloon", INFO(ONE, ONE), testGetInfo, (void **)&untold) < 0 ||
        testParse("query-hv-balloon", INFO_SPACE(BASE, "4297064448"), testGetInfo, (void **)&told) < 0)
        return -1;

    /* from 4 GiB to 8 GiB and 2 MiB, less 1 GiB at 5 GiB */
    if (qemuMonitorHvBalloonFreeSpace(untold, sticks, 0) != QEMU_HVBALLOON_UNLIMITED ||
        qemuMonitorHvBalloonFreeSpace(told, sticks, 0) != 2 * GIB + 2048 ||
        qemuMonitorHvBalloonFreeSpace(told, sticks, 1 * GIB) != 2 * GIB)
        return -1;

    return testRefuseInfo(invalid, G_N_ELEMENTS(invalid));
}


/*
 * Statistics
 */

/* balloon.hyperv.* of the same domain. */
typedef struct {
    const char *name;
    const char *xml;                /* NULL: the usual one */
    bool live;
    bool fixed;
    bool off;                       /* it does not run */
    unsigned long long keepTotal;
    unsigned long long sticks[MAX_STICKS];
    const testExchange *script;
    const char *fields;             /* lines "name=value" */
} testStatsCase;

/* What setmem is planned with. @limits: lines of those that are known. */
#define PLAN(keep, target, granule, limits, costly) \
    "balloon.hyperv.plan.boot=1048576\n" \
    "balloon.hyperv.plan.max-memory=8388608\n" \
    "balloon.hyperv.plan.minimum=524288\n" \
    "balloon.hyperv.plan.keep-total=" keep "\n" \
    "balloon.hyperv.plan.device-target=" target "\n" \
    "balloon.hyperv.plan.granule=" granule "\n" \
    "balloon.hyperv.plan.alignment=131072\n" \
    limits \
    "balloon.hyperv.plan.costly=" costly "\n"
#define PLAN_SLOTS(n) "balloon.hyperv.plan.free-slots=" n "\n"
#define PLAN_SPACE(kib) "balloon.hyperv.plan.free-space=" kib "\n"

static const testStatsCase statsCases[] = {
    {
        .name = "stats of a running guest, from a single reply",
        .live = true, .sticks = { 1 * GIB },
        .script = SCRIPT(
            { "query-hv-balloon", NULL,
              "{\"return\": {\"connected\": true, \"alignment\": 134217728, \"state\": \"floor\","
              " \"target\": " ONE ", \"actual\": " TWO ", \"capacity\": " THREE ","
              " \"released\": " ONE ", \"ghosts\": 2097152, \"free-slots\": 61,"
              " \"report\": {\"committed\": " ONE ", \"available\": 2097152},"
              " \"sticks\": [" STICK("0", BASE, ONE, "inuse", ONE, "4096") ","
              " {\"qom-path\": \"/machine/unattached/device[3]\", \"memdev\": \"plain\","
              "  \"addr\": " BASE2 ", \"size\": " ONE ", \"insert\": \"now\","
              "  \"state\": \"idle\", \"added\": 0, \"released\": 0}],"
              " \"last-error\": \"the guest keeps the rest\"}}" }),
        .fields =
            "balloon.current=2097152\n"
            "balloon.hyperv.requested=1048576\n"
            "balloon.hyperv.boot=1048576\n"
            PLAN("0", "1048576", "2048", PLAN_SLOTS("61"), "0")
            "balloon.hyperv.capacity=3145728\n"
            "balloon.hyperv.released=1048576\n"
            "balloon.hyperv.ghosts=2048\n"
            "balloon.hyperv.alignment=131072\n"
            "balloon.hyperv.free-slots=61\n"
            "balloon.hyperv.committed=1048576\n"
            "balloon.hyperv.available=2048\n"
            "balloon.hyperv.connected=1\n"
            "balloon.hyperv.state=floor\n"
            "balloon.hyperv.last-error=the guest keeps the rest\n"
            "balloon.hyperv.stick.count=2\n"
            "balloon.hyperv.stick.0.alias=ua-haprot0\n"
            "balloon.hyperv.stick.0.addr=4294967296\n"
            "balloon.hyperv.stick.0.size=1048576\n"
            "balloon.hyperv.stick.0.state=inuse\n"
            "balloon.hyperv.stick.0.added=1048576\n"
            "balloon.hyperv.stick.0.released=4\n"
            "balloon.hyperv.stick.0.owner=driver\n"
            "balloon.hyperv.stick.1.addr=5368709120\n"
            "balloon.hyperv.stick.1.size=1048576\n"
            "balloon.hyperv.stick.1.state=idle\n"
            "balloon.hyperv.stick.1.added=0\n"
            "balloon.hyperv.stick.1.released=0\n"
            "balloon.hyperv.stick.1.owner=user\n",
    },
    {
        .name = "stats of a QEMU that reports sticks separately",
        .live = true, .sticks = { 1 * GIB },
        .script = SCRIPT(
            { "query-hv-balloon", NULL, INFO(ONE, TWO) },
            { "query-haprot", NULL,
              "{\"return\": [" STICK("0", BASE, ONE, "inuse", ONE, "4096") "]}" }),
        .fields =
            "balloon.current=2097152\n"
            "balloon.hyperv.requested=1048576\n"
            "balloon.hyperv.boot=1048576\n"
            PLAN("0", "1048576", "2048", "", "0")
            "balloon.hyperv.capacity=1048576\n"
            "balloon.hyperv.released=0\n"
            "balloon.hyperv.ghosts=0\n"
            "balloon.hyperv.alignment=131072\n"
            "balloon.hyperv.connected=1\n"
            "balloon.hyperv.state=idle\n"
            "balloon.hyperv.stick.count=1\n"
            "balloon.hyperv.stick.0.alias=ua-haprot0\n"
            "balloon.hyperv.stick.0.addr=4294967296\n"
            "balloon.hyperv.stick.0.size=1048576\n"
            "balloon.hyperv.stick.0.state=inuse\n"
            "balloon.hyperv.stick.0.added=1048576\n"
            "balloon.hyperv.stick.0.released=4\n"
            "balloon.hyperv.stick.0.owner=driver\n",
    },
    {
        .name = "stats without a query",
        .live = false, .sticks = { 0, 2 * GIB },
        .fields =
            "balloon.current=1048576\n"
            "balloon.hyperv.requested=1048576\n"
            "balloon.hyperv.boot=1048576\n"
            "balloon.hyperv.stick.0.alias=ua-haprot1\n"
            "balloon.hyperv.stick.0.size=2097152\n"
            "balloon.hyperv.stick.0.owner=driver\n"
            "balloon.hyperv.stick.count=1\n",
    },
    {
        .name = "stats of a QEMU without sticks, without a query",
        .live = true, .fixed = true, .sticks = { 7 * GIB },
        .fields =
            "balloon.current=1048576\n"
            "balloon.hyperv.requested=1048576\n"
            "balloon.hyperv.boot=1048576\n"
            PLAN("0", "0", "2048", "", "0")
            "balloon.hyperv.stick.0.alias=ua-haprot0\n"
            "balloon.hyperv.stick.0.size=7340032\n"
            "balloon.hyperv.stick.0.owner=driver\n"
            "balloon.hyperv.stick.count=1\n",
    },
    {
        .name = "stats of a QEMU whose reply is invalid",
        .live = true,
        .script = SCRIPT(
            { "query-hv-balloon", NULL, INFO(ONE, ONE) },
            { "query-haprot", NULL, "{\"return\": [{}]}" }),
        .fields =
            "balloon.current=1048576\n"
            "balloon.hyperv.requested=1048576\n"
            "balloon.hyperv.boot=1048576\n"
            "balloon.hyperv.stick.count=0\n",
    },
    {
        .name = "stats of a guest of huge pages whose total is to be kept",
        .xml = DOMAIN_XML("1", "<memoryBacking><hugepages><page size='1' unit='GiB'/></hugepages></memoryBacking>", ""),
        .live = true, .keepTotal = 4 * GIB,
        .script = SCRIPT(
            { "query-hv-balloon", NULL,
              INFO_WITH("\"free-slots\": 3, \"device-memory\": {\"base\": " BASE ", \"size\": 4297064448}, ", TWO, ONE) },
            { "query-haprot", NULL, "{\"return\": []}" }),
        .fields =
            "balloon.current=1048576\n"
            "balloon.hyperv.requested=1048576\n"
            "balloon.hyperv.boot=1048576\n"
            PLAN("4194304", "2097152", "1048576", PLAN_SLOTS("3") PLAN_SPACE("4194304"), "1")
            "balloon.hyperv.capacity=1048576\n"
            "balloon.hyperv.released=0\n"
            "balloon.hyperv.ghosts=0\n"
            "balloon.hyperv.alignment=131072\n"
            "balloon.hyperv.free-slots=3\n"
            "balloon.hyperv.connected=1\n"
            "balloon.hyperv.state=idle\n"
            "balloon.hyperv.stick.count=0\n",
    },
    {
        .name = "stats of a domain with a vDPA device",
        .xml = DOMAIN_XML("1", "", "<interface type='vdpa'><source dev='/dev/vhost-vdpa-0'/></interface>"),
        .live = true, .off = true,
        .fields =
            "balloon.current=1048576\n"
            "balloon.hyperv.requested=1048576\n"
            "balloon.hyperv.boot=1048576\n"
            PLAN("0", "0", "2048", "", "1")
            "balloon.hyperv.stick.count=0\n",
    },
    {
        .name = "stats of a domain that does not run",
        .live = true, .off = true, .sticks = { 1 * GIB, 2 * GIB },
        .fields =
            "balloon.current=1048576\n"
            "balloon.hyperv.requested=1048576\n"
            "balloon.hyperv.boot=1048576\n"
            PLAN("0", "0", "2048", "", "0")
            "balloon.hyperv.stick.0.alias=ua-haprot0\n"
            "balloon.hyperv.stick.0.size=1048576\n"
            "balloon.hyperv.stick.0.owner=driver\n"
            "balloon.hyperv.stick.1.alias=ua-haprot1\n"
            "balloon.hyperv.stick.1.size=2097152\n"
            "balloon.hyperv.stick.1.owner=driver\n"
            "balloon.hyperv.stick.count=2\n",
    },
};


static char *
testStatsFormat(virTypedParamList *list)
{
    g_auto(virBuffer) buf = VIR_BUFFER_INITIALIZER;
    virTypedParameterPtr params;
    size_t n;
    size_t i;

    if (virTypedParamListFetch(list, &params, &n) < 0)
        return NULL;

    for (i = 0; i < n; i++) {
        g_autofree char *value = virTypedParameterToString(&params[i]);

        virBufferAsprintf(&buf, "%s=%s\n", params[i].field, NULLSTR(value));
    }

    return virBufferContentAndReset(&buf);
}


static int
testStats(const void *opaque)
{
    const testStatsCase *test = opaque;
    g_autoptr(virTypedParamList) params = virTypedParamListNew();
    g_autoptr(qemuMonitorHvBalloonInfo) info = NULL;
    g_autofree char *fields = NULL;
    unsigned long long current = 1 * GIB;
    qemuMonitorTest *mon = NULL;
    virDomainObj *vm = NULL;
    int ret = -1;

    if (!(vm = testDomainNewFrom(test->xml ? test->xml : DOMAIN_XML("1", "", ""), testCaps, test->sticks)))
        return -1;
    vm->def->memballoon->requested = 1 * GIB;
    QEMU_DOMAIN_PRIVATE(vm)->hvBalloonKeepTotal = test->keepTotal;
    if (test->fixed)
        testSetFixed(vm);

    if (!(mon = testMonitorNew(vm)))
        goto cleanup;
    testAddScript(mon, test->script);

    if (test->off)
        vm->def->id = -1;
    info = qemuHvBalloonQueryStats(vm, test->live, &current);
    virTypedParamListAddULLong(params, current, VIR_DOMAIN_STATS_BALLOON_CURRENT);
    qemuHvBalloonAddStats(vm, info, params);
    if ((fields = testStatsFormat(params)) &&
        virTestCompareToString(test->fields, fields) == 0 &&
        virGetLastErrorCode() == VIR_ERR_OK)
        ret = 0;
    vm->def->id = DOMAIN_ID;

 cleanup:
    testMonitorEnd(vm, mon);
    testDomainEnd(&vm);
    return ret;
}


/* As while a snapshot is reverted: statistics are asked for, and QEMU is not
 * connected yet. */
static int
testStatsUnconnected(const void *opaque G_GNUC_UNUSED)
{
    virDomainObj *vm = testDomainNew((const unsigned long long[MAX_STICKS]) { 1 * GIB });
    unsigned long long current = 1 * GIB;
    qemuMonitorHvBalloonInfo *info;
    int ret = 0;

    if (!vm)
        return -1;

    info = qemuHvBalloonQueryStats(vm, true, &current);
    if (info || current != 1 * GIB || virGetLastErrorCode() != VIR_ERR_OK)
        ret = -1;

    testDomainEnd(&vm);
    return ret;
}


/*
 * A QEMU that executes commands but sends one invalid reply, while a guest of
 * 1 GiB is set to 3 GiB
 */

typedef struct {
    const char *command;
    const char *reply;
} testReply;

#define REPLY_INFO(alignment, target, actual) \
    "{\"return\": {\"connected\": true, \"alignment\": " alignment ", \"state\": \"idle\"," \
    " \"target\": " target ", \"actual\": " actual ", \"capacity\": 0, \"released\": 0, \"ghosts\": 0}}"
#define REPLY_DEVICE(id, addr, size) \
    "{\"type\": \"mem-haprot\", \"data\": {" id "\"memaddr\": " addr ", \"size\": " size "," \
    " \"memdev\": \"/objects/memua-haprot0\"}}"
#define REPLY_ID "\"id\": \"ua-haprot0\", "

static const testReply invalidReplies[] = {
    { "query-balloon", "{\"return\": {\"actual\": 9223372036854775807}}" },
    { "query-balloon", "{\"return\": {\"actual\": 18446744073709551615}}" },
    { "query-balloon", "{\"return\": {\"actual\": 0}}" },
    { "query-balloon", "{\"return\": {\"actual\": -1}}" },
    { "query-balloon", "{\"return\": {\"actual\": \"much\"}}" },
    { "query-balloon", "{\"return\": {}}" },
    { "query-balloon", "{\"return\": []}" },
    { "query-memory-devices", "{\"return\": []}" },
    { "query-memory-devices", "{\"return\": {}}" },
    { "query-memory-devices", "{\"return\": [3]}" },
    { "query-memory-devices", "{\"return\": [{}]}" },
    { "query-memory-devices", "{\"return\": [{\"type\": \"mem-haprot\"}]}" },
    { "query-memory-devices", "{\"return\": [{\"type\": \"none\", \"data\": {}}]}" },
    { "query-memory-devices", "{\"return\": [" REPLY_DEVICE("", BASE, TWO) "]}" },
    { "query-memory-devices", "{\"return\": [" REPLY_DEVICE("\"id\": 7, ", BASE, TWO) "]}" },
    { "query-memory-devices", "{\"return\": [" REPLY_DEVICE(REPLY_ID, "-1", TWO) "]}" },
    { "query-memory-devices", "{\"return\": [" REPLY_DEVICE(REPLY_ID, "18446744073709551615", TWO) "]}" },
    { "query-memory-devices", "{\"return\": [" REPLY_DEVICE(REPLY_ID, "9223372036854775807", TWO) "]}" },
    { "query-memory-devices", "{\"return\": [" REPLY_DEVICE(REPLY_ID, "\"there\"", TWO) "]}" },
    { "query-memory-devices", "{\"return\": [" REPLY_DEVICE(REPLY_ID, BASE, "18446744073709551615") "]}" },
    { "query-memory-devices", "{\"return\": [" REPLY_DEVICE(REPLY_ID, BASE, TWO) ","
                                               REPLY_DEVICE(REPLY_ID, BASE2, TWO) "]}" },
    { "query-hv-balloon", REPLY_INFO("9223372036854775807", ONE, ONE) },
    { "query-hv-balloon", REPLY_INFO("1", "0", "0") },
    { "query-hv-balloon", REPLY_INFO("0", "9223372036854775807", "9223372036854775807") },
    { "query-hv-balloon", REPLY_INFO("-1", ONE, ONE) },
    { "query-hv-balloon", REPLY_INFO(ONE, "18446744073709551615", ONE) },
    { "query-hv-balloon", "{\"return\": []}" },
    { "qom-list", "{\"return\": {}}" },
    { "qom-list", "{\"return\": [{\"name\": \"memua-haprot0\"}]}" },
    { "qom-list", "{\"return\": [{\"name\": \"memua-haprot99999999999999999999\","
                  " \"type\": \"child<memory-backend-ram>\"}]}" },
    { "object-add", "{\"return\": 5}" },
    { "device_add", "{\"return\": [\"x\"]}" },
    { "balloon", "{\"return\": \"done\"}" },
};


static int
testInvalidReplyCheck(const testReply *invalid,
                      virDomainObj *vm,
                      testSim *sim)
{
    qemuMonitorTest *mon = testMonitorNew(vm);
    unsigned long long address = 0;
    int rc;

    if (!mon)
        return -1;
    testSimServe(sim, mon);
    g_hash_table_insert(sim->replies, g_strdup(invalid->command), g_strdup(invalid->reply));

    rc = qemuHvBalloonSetMemory(&testDriver, vm, vm->def, NULL, 3 * GIB, 0);
    if (vm->def->nmems > 0)
        address = vm->def->mems[0]->target.haprot.address;
    qemuHvBalloonReconcile(&testDriver, vm);
    testMonitorEnd(vm, mon);

    CHECK(rc == 0 || virGetLastErrorCode() != VIR_ERR_OK, "an error that is reported");
    CHECK(vm->def->mem.cur_balloon > 0 &&
          vm->def->mem.cur_balloon <= virDomainDefGetMemoryTotal(vm->def),
          "current %llu KiB", vm->def->mem.cur_balloon);
    CHECK(address == 0 || address == 4ULL << 30, "address 0x%llx", address);
    virResetLastError();

    g_hash_table_remove_all(sim->replies);
    return testCheckConverges(vm, sim, 0);
}


static int
testInvalidReply(const void *opaque)
{
    const testReply *invalid = opaque;
    virDomainObj *vm = testDomainNew(NULL);
    g_autoptr(testSim) sim = testSimNew();
    int ret = -1;

    sim->target = sim->actual = 1ULL << 30;
    if (vm) {
        vm->def->memballoon->requested = 1 * GIB;
        ret = testInvalidReplyCheck(invalid, vm, sim);
    }

    if (ret < 0)
        fprintf(stderr, "with the reply %s\n", invalid->reply);
    testDomainEnd(&vm);
    return ret;
}


static int
testAll(void)
{
    int ret = 0;
    size_t i;

    if (virTestRun("query-haprot", testParseSticks, NULL) < 0 ||
        virTestRun("query-haprot, invalid replies", testParseInvalidSticks, NULL) < 0 ||
        virTestRun("query-haprot, too many", testParseManySticks, NULL) < 0 ||
        virTestRun("query-haprot, names", testParseNames, NULL) < 0 ||
        virTestRun("statistics without a monitor", testStatsUnconnected, NULL) < 0 ||
        virTestRun("query-hv-balloon", testParseInfo, NULL) < 0 ||
        virTestRun("query-hv-balloon, free slots", testParseFreeSlots, NULL) < 0 ||
        virTestRun("query-hv-balloon, texts", testParseText, NULL) < 0 ||
        virTestRun("query-hv-balloon, where sticks can be", testParseSpace, NULL) < 0)
        ret = -1;

    RUN_ALL("", statsCases, testStats);

    for (i = 0; i < G_N_ELEMENTS(invalidReplies); i++) {
        g_autofree char *name = g_strdup_printf("%s: invalid reply, %zu", invalidReplies[i].command, i);

        if (virTestRun(name, testInvalidReply, &invalidReplies[i]) < 0)
            ret = -1;
    }

    return ret;
}

HVBALLOON_TEST_MAIN(testAll)
