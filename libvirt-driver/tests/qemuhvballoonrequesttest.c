/*
 * qemuhvballoonrequesttest.c: setmem and setmaxmem of a guest that runs and of
 *                             what is stored
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <config.h>

#include "qemuhvballooncase.h"
#include "qemu/qemu_hvballoon.h"

#define VIR_FROM_THIS VIR_FROM_NONE


static const testCase cases[] = {
    {
        .name = "grow plugs one stick of what is missing",
        .action = SET_LIVE, .size = 3 * GIB, .requested = 1 * GIB,
        .script = (const testExchange[]) {
            LOOK("", "", INFO(ONE, ONE)),
            OBJECT_ADD("0", TWO, OK), DEVICE_ADD("0", OK),
            { "query-balloon", NULL, ACTUAL }, MEMDEVS("0", BASE, TWO),
            BALLOON(THREE, OK), { } },
        .total = 3 * GIB, .wanted = 3 * GIB,
    },
    {
        .name = "shrink only balloons",
        .action = SET_LIVE, .size = 700 * 1024, .requested = 2 * GIB, .sticks = { 1 * GIB },
        .script = (const testExchange[]) {
            LOOK(STICK("0", BASE, ONE, "inuse", ONE, "0"), "," BACKEND("0"), INFO(TWO, TWO)),
            BALLOON("734003200", OK), { } },
        .total = 2 * GIB, .wanted = 700 * 1024,
    },
    {
        .name = "shrink removes an idle stick",
        .action = SET_LIVE, .size = 1 * GIB, .requested = 2 * GIB, .sticks = { 1 * GIB },
        .script = (const testExchange[]) {
            LOOK(STICK("0", BASE, ONE, "idle", "0", "0"), "," BACKEND("0"), INFO(TWO, ONE)),
            BALLOON(ONE, OK), DEVICE_DEL("0", DELETED("0") OK), OBJECT_DEL("0", OK),
            { "query-balloon", NULL, ACTUAL }, { } },
        .total = 1 * GIB, .wanted = 1 * GIB,
    },
    {
        .name = "a stick that setmaxmem asked for is kept",
        .action = SET_LIVE, .size = 1 * GIB, .requested = 2 * GIB, .sticks = { 1 * GIB },
        .keepTotal = 2 * GIB,
        .script = (const testExchange[]) {
            LOOK(STICK("0", BASE, ONE, "idle", "0", "0"), "," BACKEND("0"), INFO(TWO, ONE)),
            BALLOON(ONE, OK), { } },
        .total = 2 * GIB, .wanted = 1 * GIB,
    },
    {
        .name = "above maxMemory",
        .action = SET_LIVE, .size = 8 * GIB + 1, .requested = 1 * GIB,
        .script = (const testExchange[]) { LOOK("", "", INFO(ONE, ONE)), { } },
        .error = "above <maxMemory> 8388608 KiB",
        .total = 1 * GIB, .wanted = 1 * GIB,
    },
    {
        .name = "below minimum",
        .action = SET_LIVE, .size = 512 * 1024 - 1, .requested = 1 * GIB,
        .script = (const testExchange[]) { LOOK("", "", INFO(ONE, ONE)), { } },
        .error = "<minimum> of the balloon, 524288 KiB",
        .total = 1 * GIB, .wanted = 1 * GIB,
    },
    {
        .name = "zero",
        .action = SET_LIVE, .size = 0, .requested = 1 * GIB,
        .script = (const testExchange[]) { LOOK("", "", INFO(ONE, ONE)), { } },
        .error = "cannot be 0",
        .total = 1 * GIB, .wanted = 1 * GIB,
    },
    {
        .name = "backend cannot be made: what exists is used",
        .action = SET_LIVE, .size = 3 * GIB, .requested = 700 * 1024,
        .script = (const testExchange[]) {
            LOOK("", "", INFO("734003200", "734003200")),
            OBJECT_ADD("0", TWO, FAIL("no memory today")), BALLOON(ONE, OK), { } },
        .error = "adding a stick of 2097152 KiB",
        .total = 1 * GIB, .wanted = 1 * GIB,
    },
    {
        .name = "stick cannot be plugged: its backend goes",
        .action = SET_LIVE, .size = 3 * GIB, .requested = 1 * GIB,
        .script = (const testExchange[]) {
            LOOK("", "", INFO(ONE, ONE)),
            OBJECT_ADD("0", TWO, OK), DEVICE_ADD("0", FAIL("no slot")), OBJECT_DEL("0", OK),
            BALLOON(ONE, OK), { } },
        .error = "no slot",
        .total = 1 * GIB, .wanted = 1 * GIB,
    },
    {
        .name = "balloon fails after the plug: the stick stays",
        .action = SET_LIVE, .size = 3 * GIB, .requested = 1 * GIB,
        .script = (const testExchange[]) {
            LOOK("", "", INFO(ONE, ONE)),
            OBJECT_ADD("0", TWO, OK), DEVICE_ADD("0", OK),
            { "query-balloon", NULL, ACTUAL }, MEMDEVS("0", BASE, TWO),
            BALLOON(THREE, FAIL("busy")), { } },
        .error = "asking the memory balloon for 3145728 KiB failed",
        .total = 3 * GIB, .wanted = 3 * GIB,
    },
    {
        .name = "no room for the share on top: what is missing will do",
        .action = SET_LIVE, .size = 4 * GIB + 128 * 1024, .requested = 4 * GIB,
        .sticks = { 3 * GIB },
        .script = (const testExchange[]) {
            LOOK(STICK("0", BASE, THREE, "inuse", THREE, "0"), "," BACKEND("0"), INFO(FOUR, FOUR)),
            OBJECT_ADD("1", "536870912", OK), DEVICE_ADD("1", FAIL("no space")), OBJECT_DEL("1", OK),
            OBJECT_ADD("1", "134217728", OK), DEVICE_ADD("1", OK),
            { "query-balloon", NULL, ACTUAL }, MEMDEVS("1", "7516192768", "134217728"),
            BALLOON("4429185024", OK), { } },
        .total = 4 * GIB + 128 * 1024, .wanted = 4 * GIB + 128 * 1024,
    },
    {
        .name = "no memory slot: refused before anything is plugged",
        .action = SET_LIVE, .size = 3 * GIB, .requested = 1 * GIB,
        .script = (const testExchange[]) { LOOK("", "", INFO_SLOTS("0", ONE, ONE)), { } },
        .error = "no memory slot is free for one more stick beside the present 0",
        .total = 1 * GIB, .wanted = 1 * GIB,
    },
    {
        .name = "no memory slot: what there is can be had",
        .action = SET_LIVE, .size = 2 * GIB, .requested = 1 * GIB, .sticks = { 1 * GIB },
        .script = (const testExchange[]) {
            LOOK(STICK("0", BASE, ONE, "inuse", ONE, "0"), "," BACKEND("0"), INFO_SLOTS("0", ONE, ONE)),
            BALLOON(TWO, OK), { } },
        .total = 2 * GIB, .wanted = 2 * GIB,
    },
    {
        .name = "the last memory slot takes all that maxMemory leaves",
        .action = SET_LIVE, .size = 3 * GIB, .requested = 1 * GIB,
        .script = (const testExchange[]) {
            LOOK("", "", INFO_SLOTS("1", ONE, ONE)),
            OBJECT_ADD("0", "7516192768", OK), DEVICE_ADD("0", OK),
            { "query-balloon", NULL, ACTUAL }, MEMDEVS("0", BASE, "7516192768"),
            BALLOON(THREE, OK), { } },
        .total = 8 * GIB, .wanted = 3 * GIB,
    },
    {
        .name = "a number of memory slots that cannot be",
        .action = SET_LIVE, .size = 3 * GIB, .requested = 1 * GIB,
        .script = (const testExchange[]) { LOOK("", "", INFO_SLOTS("-1", ONE, ONE)), { } },
        .error = "lacks a valid 'free-slots'",
        .total = 1 * GIB, .wanted = 1 * GIB,
    },
    {
        .name = "setmaxmem without a memory slot",
        .action = SETMAX_LIVE, .size = 3 * GIB, .requested = 1 * GIB,
        .script = (const testExchange[]) { LOOK("", "", INFO_SLOTS("0", ONE, ONE)), { } },
        .error = "no memory slot is free",
        .total = 1 * GIB, .wanted = 1 * GIB,
    },
    {
        .name = "a stick that is gone leaves its room at once, whatever its backend does",
        .action = SET_LIVE, .size = 8 * GIB, .requested = 8 * GIB, .sticks = { 7 * GIB },
        .script = (const testExchange[]) {
            LOOK("", "," BACKEND("0"), INFO(ONE, ONE)),
            { "query-balloon", NULL, ACTUAL },
            OBJECT_DEL("0", FAIL("in use")),
            OBJECT_ADD("0", "7516192768", FAIL("duplicate")),
            BALLOON(ONE, OK), { } },
        .error = "duplicate",
        .total = 1 * GIB, .wanted = 1 * GIB,
    },
    {
        .name = "a stick that is gone does not count against maxMemory",
        .action = SET_LIVE, .size = 8 * GIB, .requested = 8 * GIB, .sticks = { 0, 7 * GIB },
        .script = (const testExchange[]) {
            LOOK("", "," BACKEND("1"), INFO(ONE, ONE)),
            { "query-balloon", NULL, ACTUAL },
            OBJECT_DEL("1", FAIL("in use")),
            OBJECT_ADD("0", "7516192768", OK), DEVICE_ADD("0", OK),
            { "query-balloon", NULL, ACTUAL }, MEMDEVS("0", BASE, "7516192768"),
            BALLOON("8589934592", OK), { } },
        .total = 8 * GIB, .wanted = 8 * GIB,
    },
    {
        .name = "setmem needs an answer to look at",
        .action = SET_LIVE, .size = 3 * GIB, .requested = 1 * GIB,
        .script = (const testExchange[]) { { "query-haprot", NULL, FAIL("out of order") }, { } },
        .error = "out of order",
        .total = 1 * GIB, .wanted = 1 * GIB,
    },
    {
        .name = "the lowest free name is taken",
        .action = SET_LIVE, .size = 3 * GIB, .requested = 2 * GIB, .sticks = { 0, 1 * GIB },
        .script = (const testExchange[]) {
            LOOK(STICK("1", BASE, ONE, "inuse", ONE, "0"), "," BACKEND("1"), INFO(TWO, TWO)),
            OBJECT_ADD("0", ONE, OK), DEVICE_ADD("0", OK),
            { "query-balloon", NULL, ACTUAL }, MEMDEVS("0", BASE2, ONE),
            BALLOON(THREE, OK), { } },
        .total = 3 * GIB, .wanted = 3 * GIB,
    },
    {
        .name = "setmaxmem plugs without giving",
        .action = SETMAX_LIVE, .size = 3 * GIB, .requested = 1 * GIB,
        .script = (const testExchange[]) {
            LOOK("", "", INFO(ONE, ONE)),
            OBJECT_ADD("0", TWO, OK), DEVICE_ADD("0", OK),
            { "query-balloon", NULL, ACTUAL }, MEMDEVS("0", BASE, TWO), { } },
        .total = 3 * GIB, .wanted = 1 * GIB,
    },
    {
        .name = "setmaxmem removes what is not used",
        .action = SETMAX_LIVE, .size = 1 * GIB, .requested = 1 * GIB, .sticks = { 1 * GIB },
        .keepTotal = 2 * GIB,
        .script = (const testExchange[]) {
            LOOK(STICK("0", BASE, ONE, "idle", "0", "0"), "," BACKEND("0"), INFO(ONE, ONE)),
            DEVICE_DEL("0", DELETED("0") OK), OBJECT_DEL("0", OK),
            { "query-balloon", NULL, ACTUAL }, { } },
        .total = 1 * GIB, .wanted = 1 * GIB,
    },
    {
        .name = "setmaxmem leaves what is used",
        .action = SETMAX_LIVE, .size = 1 * GIB, .requested = 2 * GIB, .sticks = { 1 * GIB },
        .script = (const testExchange[]) {
            LOOK(STICK("0", BASE, ONE, "inuse", ONE, "0"), "," BACKEND("0"), INFO(TWO, TWO)), { } },
        .total = 2 * GIB, .wanted = 2 * GIB,
    },
    {
        .name = "setmaxmem below boot memory",
        .action = SETMAX_LIVE, .size = 1 * GIB - 1, .requested = 1 * GIB,
        .script = (const testExchange[]) { LOOK("", "", INFO(ONE, ONE)), { } },
        .error = "booted with",
        .total = 1 * GIB, .wanted = 1 * GIB,
    },
    {
        .name = "config: above <memory> adds ua-haprot0",
        .action = SET_CONFIG, .size = 3 * GIB, .requested = 1 * GIB,
        .total = 1 * GIB, .wanted = 1 * GIB, .configTotal = 3 * GIB, .configCurrent = 3 * GIB,
    },
    {
        .name = "config: below <memory> sets currentMemory",
        .action = SET_CONFIG, .size = 700 * 1024, .requested = 1 * GIB,
        .total = 1 * GIB, .wanted = 1 * GIB, .configTotal = 1 * GIB, .configCurrent = 700 * 1024,
    },
    {
        .name = "config: above maxMemory",
        .action = SET_CONFIG, .size = 9 * GIB, .requested = 1 * GIB,
        .error = "above <maxMemory>",
        .total = 1 * GIB, .wanted = 1 * GIB, .configTotal = 1 * GIB, .configCurrent = 1 * GIB,
    },
    {
        .name = "config: setmaxmem changes boot memory",
        .action = SETMAX_CONFIG, .size = 2 * GIB, .requested = 1 * GIB,
        .total = 1 * GIB, .wanted = 1 * GIB, .configTotal = 2 * GIB, .configCurrent = 1 * GIB,
    },
    {
        .name = "both: the same shape in both",
        .action = SET_BOTH, .size = 3 * GIB, .requested = 1 * GIB,
        .script = (const testExchange[]) {
            LOOK("", "", INFO(ONE, ONE)),
            OBJECT_ADD("0", TWO, OK), DEVICE_ADD("0", OK),
            { "query-balloon", NULL, ACTUAL }, MEMDEVS("0", BASE, TWO),
            BALLOON(THREE, OK), { } },
        .total = 3 * GIB, .wanted = 3 * GIB, .configTotal = 3 * GIB, .configCurrent = 3 * GIB,
    },
    {
        .name = "both: config stays when live fails",
        .action = SET_BOTH, .size = 3 * GIB, .requested = 1 * GIB,
        .script = (const testExchange[]) {
            LOOK("", "", INFO(ONE, ONE)),
            OBJECT_ADD("0", TWO, FAIL("no memory today")), BALLOON(ONE, OK), { } },
        .error = "no memory today",
        .total = 1 * GIB, .wanted = 1 * GIB, .configTotal = 1 * GIB, .configCurrent = 1 * GIB,
    },
};


/*
 * Stored definitions that are more than the domain above
 */

typedef struct {
    const char *name;
    const char *xml;
    unsigned int flags;
    unsigned long long size;
    const char *error;              /* part of the message, NULL: succeeds */
    unsigned long long total;       /* after */
    const char *sticks;             /* after, NULL: not looked at */
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
        .name = "config: of those of the last cell too",
        .xml = DOMAIN_XML("1", PAGES("1", " nodeset='0'") CELL, ""),
        .size = 1 * GIB + 1, .total = 2 * GIB,
    },
    {
        .name = "config: of its own huge pages",
        .xml = DOMAIN_XML("2", "",
                          CONFIG_STICK("ua-haprot0", "<source><pagesize unit='GiB'>1</pagesize></source>", "")),
        .size = 2 * GIB + 1, .total = 3 * GIB,
    },
    {
        .name = "config: boot memory may grow to where a stick lies",
        .xml = DOMAIN_XML("2", "", CONFIG_STICK("ua-mine", "", "<address base='0x180000000'/>")),
        .flags = VIR_DOMAIN_MEM_MAXIMUM, .size = 5 * GIB, .total = 5 * GIB,
    },
    {
        .name = "config: and not beyond",
        .xml = DOMAIN_XML("2", "", CONFIG_STICK("ua-mine", "", "<address base='0x180000000'/>")),
        .flags = VIR_DOMAIN_MEM_MAXIMUM, .size = 6 * GIB, .total = 2 * GIB,
        .error = "base address 0x180000000",
    },
    {
        .name = "config: where a stick of the driver's was says nothing",
        .xml = DOMAIN_XML("2", "", CONFIG_STICK("ua-haprot0", "", "<address base='0x180000000'/>")),
        .flags = VIR_DOMAIN_MEM_MAXIMUM, .size = 6 * GIB, .total = 6 * GIB,
    },
    {
        .name = "config: all of the driver's sticks go",
        .xml = DOMAIN_XML("4", "", CONFIG_STICK("ua-haprot1", "", "") CONFIG_STICK("ua-haprot7", "", "")
                          CONFIG_STICK("ua-mine", "", "")),
        .size = 2 * GIB, .total = 2 * GIB, .sticks = "ua-mine",
    },
    {
        .name = "config: or become one",
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
        .name = "config: and below the user's",
        .xml = DOMAIN_XML("4", "", CONFIG_STICK("ua-haprot0", "", "") CONFIG_STICK("ua-haprot1", "", "")
                          CONFIG_STICK("ua-mine", "", "")),
        .flags = VIR_DOMAIN_MEM_MAXIMUM, .size = 1 * GIB, .total = 4 * GIB,
        .error = "leaves nothing to boot with beside the stick 'ua-mine' of 1048576 KiB: ask for more, or detach",
        .sticks = "ua-haprot0 ua-haprot1 ua-mine",
    },
    {
        .name = "config: setmaxmem above <maxMemory>",
        .xml = DOMAIN_XML("1", "", ""),
        .flags = VIR_DOMAIN_MEM_MAXIMUM, .size = 9 * GIB, .total = 1 * GIB,
        .error = "above <maxMemory> 8388608 KiB: ask for no more than that, or raise <maxMemory> first",
    },
    {
        .name = "config: NUMA cells say what boot memory is",
        .xml = DOMAIN_XML("2", CELL, CONFIG_STICK("ua-haprot0", "", "")),
        .flags = VIR_DOMAIN_MEM_MAXIMUM, .size = 3 * GIB, .total = 2 * GIB,
        .error = "from 1048576 KiB to 2097152 KiB, which is the sum of the NUMA cells: change <cell memory=>",
    },
    {
        .name = "config: and a stick beside them may go",
        .xml = DOMAIN_XML("2", CELL, CONFIG_STICK("ua-haprot0", "", "")),
        .flags = VIR_DOMAIN_MEM_MAXIMUM, .size = 1 * GIB, .total = 1 * GIB, .sticks = "",
    },
    {
        .name = "config: the name of a stick is another device's",
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


static int
mymain(void)
{
    int ret = 0;

    if (testInit() < 0)
        return EXIT_FAILURE;

    RUN_ALL("", configCases, testConfig);

    if (testCasesRun(cases, G_N_ELEMENTS(cases)) < 0)
        ret = -1;

    testCleanup();
    return ret == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

HVBALLOON_TEST_MAIN(mymain)
