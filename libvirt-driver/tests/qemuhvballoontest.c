/*
 * qemuhvballoontest.c: the manager of the hyperv balloon against a scripted
 *                      monitor
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <config.h>

#include "qemu/qemu_alias.h"
#include "qemu/qemu_cgroup.h"
#include "qemu/qemu_conf.h"
#include "qemu/qemu_driver.h"
#include "qemu/qemu_hotplug.h"
#include "qemu/qemu_hvballoon.h"
#include "qemu/qemu_hvballoon_conf.h"
#include "qemu/qemu_hvballoon_monitor.h"
#include "qemu/qemu_hvballoon_stats.h"
#include "qemu/qemu_namespace.h"
#include "qemu/qemu_security.h"
#include "qemuhvballoonsim.h"
#include "qemumonitortestutils.h"
#include "testutils.h"
#include "testutilsqemu.h"
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

#define DOMAIN_ID 7
#define GIB (1024ULL * 1024)

static virQEMUDriver driver;

/* Closed while the test itself talks to QEMU, which it does without a job. */
static virMutex testGate = VIR_MUTEX_INITIALIZER;

typedef enum {
    SET_LIVE,
    SET_CONFIG,
    SET_BOTH,
    SETMAX_LIVE,
    SETMAX_CONFIG,
    RECONCILE,
    START,
    PLUG,
    UNPLUG,
    MIGRATE,
} testAction;

typedef struct {
    const char *command;            /* NULL ends a script */
    const char *arguments;          /* in JSON; NULL: any */
    const char *reply;
} testExchange;

/* A domain: 1 GiB, maxMemory 8 GiB, minimum 512 MiB; all sizes in KiB. */
typedef struct {
    const char *name;
    testAction action;
    unsigned long long size;
    unsigned long long requested;   /* before */
    unsigned long long sticks[4];   /* before, ua-haprotN, on demand */
    unsigned long long keepTotal;   /* before */
    bool stock;                     /* QEMU has no sticks */
    unsigned int unmoved;           /* before */
    const testExchange *script;
    const char *error;              /* part of the message, NULL: succeeds */
    unsigned long long total;       /* after, live */
    unsigned long long wanted;      /* <requested> after */
    unsigned long long current;     /* <currentMemory> after, 0: not looked at */
    bool watched;                   /* after: it is going to be looked at again */
    unsigned long long configTotal; /* 0: not looked at */
    unsigned long long configCurrent;
} testCase;

typedef struct {
    const testCase *test;
    virQEMUCaps *caps;
} testData;

/* balloon.hyperv.* of the same domain. */
typedef struct {
    const char *name;
    bool live;
    bool stock;
    unsigned long long sticks[4];
    const testExchange *script;
    const char *fields;             /* lines "name=value" */
} testStatsCase;

typedef struct {
    const testStatsCase *test;
    virQEMUCaps *caps;
} testStatsData;

#define DOMAIN_XML(memory, more, devices) \
    "<domain type='kvm'>" \
    "  <name>guest</name>" \
    "  <uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>" \
    "  <maxMemory unit='GiB'>8</maxMemory>" \
    "  <memory unit='GiB'>" memory "</memory>" \
    "  <currentMemory unit='GiB'>1</currentMemory>" \
    "  <vcpu>1</vcpu>" \
    "  <os><type arch='x86_64' machine='pc-q35-10.0'>hvm</type></os>" \
    "  <features><acpi/></features>" \
    more \
    "  <devices>" \
    "    <emulator>/usr/bin/qemu-system-x86_64</emulator>" \
    "    <memballoon model='hyperv'><minimum unit='MiB'>512</minimum></memballoon>" \
    devices \
    "  </devices>" \
    "</domain>"

static const char *domainXML = DOMAIN_XML("1", "", "");

#define OK "{\"return\": {}}"
#define NONE "{\"return\": []}"
#define FAIL(msg) "{\"error\": {\"class\": \"GenericError\", \"desc\": \"" msg "\"}}"
#define ACTUAL "{\"return\": {\"actual\": 1073741824}}"

#define INFO_WITH(more, target, actual) \
    "{\"return\": {" more "\"connected\": true, \"guest\": \"linux\", \"can-balloon\": true," \
    " \"can-hot-add\": true, \"alignment\": 134217728, \"state\": \"idle\"," \
    " \"target\": " target ", \"actual\": " actual ", \"boot\": 1073741824," \
    " \"capacity\": 1073741824, \"released\": 0, \"in-doubt\": 0, \"ghosts\": 0," \
    " \"ungranted\": 0, \"counters\": {}}}"
#define INFO(target, actual) INFO_WITH("", target, actual)
#define INFO_SLOTS(n, target, actual) INFO_WITH("\"free-slots\": " n ", ", target, actual)

#define STICK_OF(n, memdev, addr, size, state, added, released) \
    "{\"id\": \"ua-haprot" n "\", \"qom-path\": \"/machine/peripheral/ua-haprot" n "\"," \
    " \"memdev\": \"" memdev "\", \"addr\": " addr ", \"size\": " size "," \
    " \"insert\": \"on-demand\", \"state\": \"" state "\", \"added\": " added "," \
    " \"released\": " released "}"
#define STICK(n, addr, size, state, added, released) \
    STICK_OF(n, "/objects/memua-haprot" n, addr, size, state, added, released)

#define BACKEND(n) "{\"name\": \"memua-haprot" n "\", \"type\": \"child<memory-backend-ram>\"}"

#define LOOK(sticks, backends, info) \
    { "query-haprot", NULL, "{\"return\": [" sticks "]}" }, \
    { "qom-list", "{\"path\":\"/objects\"}", "{\"return\": [{\"name\": \"type\", \"type\": \"string\"}" backends "]}" }, \
    { "query-hv-balloon", NULL, info }

#define BALLOON(bytes, reply) \
    { "balloon", "{\"value\":" bytes "}", reply }

#define OBJECT_ADD(n, bytes, reply) \
    { "object-add", "{\"qom-type\":\"memory-backend-ram\",\"id\":\"memua-haprot" n "\"," \
      "\"reserve\":false,\"size\":" bytes "}", reply }

#define DEVICE_ADD(n, reply) \
    { "device_add", "{\"driver\":\"mem-haprot\",\"memdev\":\"memua-haprot" n "\"," \
      "\"insert\":\"on-demand\",\"id\":\"ua-haprot" n "\"}", reply }

#define OBJECT_DEL(n, reply) \
    { "object-del", "{\"id\":\"memua-haprot" n "\"}", reply }

#define DEVICE_DEL(n, reply) \
    { "device_del", "{\"id\":\"ua-haprot" n "\"}", reply }

#define DELETED(n) \
    "{\"timestamp\": {\"seconds\": 1374137171, \"microseconds\": 2659}," \
    " \"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"ua-haprot" n "\"," \
    " \"path\": \"/machine/peripheral/ua-haprot" n "\"}}\r\n"

#define MEMDEVS(n, addr, size) \
    { "query-memory-devices", NULL, \
      "{\"return\": [{\"type\": \"mem-haprot\", \"data\": {\"id\": \"ua-haprot" n "\"," \
      " \"memaddr\": " addr ", \"size\": " size ", \"memdev\": \"/objects/memua-haprot" n "\"}}]}" }

#define ONE "1073741824"
#define TWO "2147483648"
#define THREE "3221225472"
#define FOUR "4294967296"
#define BASE "4294967296"
#define BASE2 "5368709120"

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
        .name = "backend cannot be made: nothing has changed",
        .action = SET_LIVE, .size = 3 * GIB, .requested = 700 * 1024,
        .script = (const testExchange[]) {
            LOOK("", "", INFO("734003200", "734003200")),
            OBJECT_ADD("0", TWO, FAIL("no memory today")), { } },
        .error = "adding a stick of 2097152 KiB",
        .total = 1 * GIB, .wanted = 700 * 1024, .watched = true,
    },
    {
        .name = "stick cannot be plugged: its backend goes",
        .action = SET_LIVE, .size = 3 * GIB, .requested = 1 * GIB,
        .script = (const testExchange[]) {
            LOOK("", "", INFO(ONE, ONE)),
            OBJECT_ADD("0", TWO, OK), DEVICE_ADD("0", FAIL("no slot")), OBJECT_DEL("0", OK), { } },
        .error = "no slot",
        .total = 1 * GIB, .wanted = 1 * GIB, .watched = true,
    },
    {
        .name = "balloon fails after the plug: the stick goes at the next reconcile",
        .action = SET_LIVE, .size = 3 * GIB, .requested = 1 * GIB,
        .script = (const testExchange[]) {
            LOOK("", "", INFO(ONE, ONE)),
            OBJECT_ADD("0", TWO, OK), DEVICE_ADD("0", OK),
            { "query-balloon", NULL, ACTUAL }, MEMDEVS("0", BASE, TWO),
            BALLOON(THREE, FAIL("busy")), { } },
        .error = "asking the memory balloon for 3145728 KiB failed",
        .total = 3 * GIB, .wanted = 1 * GIB, .watched = true,
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
            OBJECT_ADD("0", "7516192768", FAIL("duplicate")), { } },
        .error = "duplicate",
        .total = 1 * GIB, .wanted = 1 * GIB, .watched = true,
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
        .name = "reconcile at rest does nothing",
        .action = RECONCILE, .requested = 2 * GIB, .sticks = { 1 * GIB },
        .script = (const testExchange[]) {
            LOOK(STICK("0", BASE, ONE, "inuse", ONE, "0"), "," BACKEND("0"), INFO(TWO, TWO)), { } },
        .total = 2 * GIB, .wanted = 2 * GIB,
    },
    {
        .name = "reconcile after a reset removes what is not needed",
        .action = RECONCILE, .requested = 700 * 1024, .sticks = { 1 * GIB, 1 * GIB },
        .script = (const testExchange[]) {
            LOOK(STICK("0", BASE, ONE, "unused", "0", "0") ","
                 STICK("1", BASE2, ONE, "unused", "0", "0"),
                 "," BACKEND("0") "," BACKEND("1"), INFO("734003200", ONE)),
            DEVICE_DEL("1", DELETED("1") OK), OBJECT_DEL("1", OK), { "query-balloon", NULL, ACTUAL },
            DEVICE_DEL("0", DELETED("0") OK), OBJECT_DEL("0", OK), { "query-balloon", NULL, ACTUAL },
            { } },
        .total = 1 * GIB, .wanted = 700 * 1024,
    },
    {
        .name = "reconcile keeps what the target needs",
        .action = RECONCILE, .requested = 2 * GIB, .sticks = { 1 * GIB, 1 * GIB },
        .script = (const testExchange[]) {
            LOOK(STICK("0", BASE, ONE, "unused", "0", "0") ","
                 STICK("1", BASE2, ONE, "unused", "0", "0"),
                 "," BACKEND("0") "," BACKEND("1"), INFO(TWO, ONE)),
            DEVICE_DEL("1", DELETED("1") OK), OBJECT_DEL("1", OK), { "query-balloon", NULL, ACTUAL },
            { } },
        .total = 2 * GIB, .wanted = 2 * GIB,
    },
    {
        .name = "reconcile: without DEVICE_DELETED the stick stays described",
        .action = RECONCILE, .requested = 1 * GIB, .sticks = { 1 * GIB },
        .script = (const testExchange[]) {
            LOOK(STICK("0", BASE, ONE, "unused", "0", "0"), "," BACKEND("0"), INFO(ONE, ONE)),
            DEVICE_DEL("0", OK), { } },
        .total = 2 * GIB, .wanted = 1 * GIB,
    },
    {
        .name = "reconcile: a refused removal is no error",
        .action = RECONCILE, .requested = 1 * GIB, .sticks = { 1 * GIB },
        .script = (const testExchange[]) {
            LOOK(STICK("0", BASE, ONE, "unused", "0", "0"), "," BACKEND("0"), INFO(ONE, ONE)),
            DEVICE_DEL("0", FAIL("in use by the guest")), { } },
        .total = 2 * GIB, .wanted = 1 * GIB,
    },
    {
        .name = "reconcile says the target again",
        .action = RECONCILE, .requested = 700 * 1024,
        .script = (const testExchange[]) {
            LOOK("", "", INFO(ONE, ONE)), BALLOON("734003200", OK), { } },
        .total = 1 * GIB, .wanted = 700 * 1024,
    },
    {
        .name = "reconcile plugs nothing: no more is requested than there is",
        .action = RECONCILE, .requested = 3 * GIB,
        .script = (const testExchange[]) {
            LOOK("", "", INFO("734003200", ONE)), BALLOON(ONE, OK), { } },
        .total = 1 * GIB, .wanted = 1 * GIB,
    },
    {
        .name = "reconcile removes the stick of a request that failed",
        .action = RECONCILE, .requested = 1 * GIB, .sticks = { 2 * GIB },
        .script = (const testExchange[]) {
            LOOK(STICK("0", BASE, TWO, "inuse", TWO, "0"), "," BACKEND("0"), INFO(THREE, ONE)),
            BALLOON(ONE, OK), { } },
        .total = 3 * GIB, .wanted = 1 * GIB,
    },
    {
        .name = "reconcile: a request beyond maxMemory is none",
        .action = RECONCILE, .requested = 80 * GIB,
        .script = (const testExchange[]) {
            LOOK("", "", INFO("734003200", ONE)), BALLOON(ONE, OK), { } },
        .total = 1 * GIB, .wanted = 1 * GIB,
    },
    {
        .name = "reconcile removes an orphan backend",
        .action = RECONCILE, .requested = 1 * GIB,
        .script = (const testExchange[]) {
            LOOK("", "," BACKEND("3") ",{\"name\": \"memfoo\", \"type\": \"child<memory-backend-ram>\"}",
                 INFO(ONE, ONE)),
            OBJECT_DEL("3", OK), { } },
        .total = 1 * GIB, .wanted = 1 * GIB,
    },
    {
        .name = "reconcile adopts a stick",
        .action = RECONCILE, .requested = 2 * GIB,
        .script = (const testExchange[]) {
            LOOK(STICK("0", BASE, ONE, "inuse", ONE, "0"), "," BACKEND("0"), INFO(TWO, TWO)),
            { "query-balloon", NULL, ACTUAL }, { } },
        .total = 2 * GIB, .wanted = 2 * GIB,
    },
    {
        .name = "reconcile: another stick of the same name has taken its place",
        .action = RECONCILE, .requested = 1 * GIB, .sticks = { 1 * GIB },
        .script = (const testExchange[]) {
            LOOK(STICK("0", BASE, TWO, "inuse", TWO, "0"), "," BACKEND("0"), INFO(ONE, ONE)), { } },
        .total = 3 * GIB, .wanted = 1 * GIB,
    },
    {
        .name = "reconcile leaves a stick that XML cannot describe",
        .action = RECONCILE, .requested = 1 * GIB,
        .script = (const testExchange[]) {
            LOOK(STICK_OF("0", "/objects/other", BASE, ONE, "inuse", ONE, "0"),
                 ",{\"name\": \"other\", \"type\": \"child<memory-backend-ram>\"}", INFO(ONE, TWO)),
            { } },
        .total = 1 * GIB, .wanted = 1 * GIB,
    },
    {
        .name = "reconcile forgets a stick that is gone",
        .action = RECONCILE, .requested = 2 * GIB, .sticks = { 1 * GIB },
        .script = (const testExchange[]) {
            LOOK("", "", INFO(ONE, ONE)), { "query-balloon", NULL, ACTUAL }, { } },
        .total = 1 * GIB, .wanted = 1 * GIB,
    },
    {
        .name = "a new daemon forgets a stick that was on its way",
        .action = RECONCILE, .requested = 1 * GIB, .sticks = { 1 * GIB },
        .script = (const testExchange[]) {
            LOOK("", "," BACKEND("0"), INFO(ONE, ONE)), { "query-balloon", NULL, ACTUAL },
            OBJECT_DEL("0", OK), { } },
        .total = 1 * GIB, .wanted = 1 * GIB,
    },
    {
        .name = "reconcile forgets a stick and its backend",
        .action = RECONCILE, .requested = 1 * GIB, .sticks = { 1 * GIB },
        .script = (const testExchange[]) {
            LOOK("", "," BACKEND("0"), INFO(ONE, ONE)),
            { "query-balloon", NULL, ACTUAL }, OBJECT_DEL("0", OK), { } },
        .total = 1 * GIB, .wanted = 1 * GIB,
    },
    {
        .name = "reconcile survives a reply that cannot be",
        .action = RECONCILE, .requested = 1 * GIB,
        .script = (const testExchange[]) {
            { "query-haprot", NULL,
              "{\"return\": [" STICK("0", BASE, ONE, "inuse", TWO, "0") "]}" }, { } },
        .total = 1 * GIB, .wanted = 1 * GIB,
    },
    {
        .name = "reconcile survives a failing query",
        .action = RECONCILE, .requested = 1 * GIB,
        .script = (const testExchange[]) { { "query-haprot", NULL, FAIL("out of order") }, { } },
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
            OBJECT_ADD("0", TWO, FAIL("no memory today")), { } },
        .error = "no memory today",
        .total = 1 * GIB, .wanted = 1 * GIB, .watched = true,
        .configTotal = 1 * GIB, .configCurrent = 1 * GIB,
    },
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


static void
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


static virDomainObj *
testDomainNewFrom(const char *xml,
                  virQEMUCaps *caps,
                  const unsigned long long sticks[4])
{
    virDomainObj *vm = virDomainObjNew(driver.xmlopt);
    qemuDomainObjPrivate *priv = vm->privateData;
    size_t i;

    priv->qemuCaps = virQEMUCapsNewCopy(caps);
    if (!(vm->def = virDomainDefParseString(xml, driver.xmlopt, NULL, 0)) ||
        qemuDomainAssignAddresses(vm->def, priv->qemuCaps, &driver, vm, true) < 0 ||
        qemuAssignDeviceAliases(vm->def) < 0 ||
        qemuDomainSetPrivatePaths(&driver, vm) < 0)
        goto error;

    priv->monConfig = virDomainChrSourceDefNew(NULL);
    priv->monConfig->type = VIR_DOMAIN_CHR_TYPE_UNIX;
    priv->monConfig->data.nix.path = g_strdup("/dev/null");

    vm->persistent = true;
    if (virDomainObjSetDefTransient(driver.xmlopt, vm, NULL) < 0)
        goto error;

    vm->def->id = DOMAIN_ID;
    for (i = 0; i < 4; i++) {
        if (sticks[i])
            testAddStick(vm->def, i, sticks[i]);
    }
    return vm;

 error:
    virDomainObjEndAPI(&vm);
    return NULL;
}


static virDomainObj *
testDomainNew(virQEMUCaps *caps,
              const unsigned long long sticks[4])
{
    return testDomainNewFrom(domainXML, caps, sticks);
}


/* Connected, as the manager expects it; NULL on failure. */
static qemuMonitorTest *
testMonitorNew(virDomainObj *vm)
{
    qemuDomainObjPrivate *priv = vm->privateData;
    qemuMonitorTest *mon = qemuMonitorTestNew(driver.xmlopt, vm, NULL, NULL);

    if (!mon)
        return NULL;

    priv->mon = qemuMonitorTestGetMonitor(mon);
    virObjectUnlock(priv->mon);
    return mon;
}


static void
testMonitorEnd(virDomainObj *vm,
               qemuMonitorTest *mon)
{
    qemuDomainObjPrivate *priv = vm->privateData;

    if (!mon)
        return;

    virObjectLock(priv->mon);
    qemuMonitorTestFree(mon);
    priv->mon = NULL;
}


static void
testDomainEnd(virDomainObj **vm)
{
    if (!*vm)
        return;

    (*vm)->def->id = -1;
    virDomainObjEndAPI(vm);
}


/* The script in its order, commands with their arguments, nothing else. */
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


static void
testAddScript(qemuMonitorTest *mon,
              const testExchange *step)
{
    for (; step && step->command; step++)
        qemuMonitorTestAddHandler(mon, step->command, testAnswer, (void *)step, NULL);
}


static int
testAct(const testCase *test,
        virDomainObj *vm)
{
    switch (test->action) {
    case SET_LIVE:
        return qemuHvBalloonSetMemory(&driver, vm, vm->def, NULL, test->size, 0);
    case SET_CONFIG:
        return qemuHvBalloonSetMemory(&driver, vm, NULL, vm->newDef, test->size, 0);
    case SET_BOTH:
        return qemuHvBalloonSetMemory(&driver, vm, vm->def, vm->newDef, test->size, 0);
    case SETMAX_LIVE:
        return qemuHvBalloonSetMemory(&driver, vm, vm->def, NULL, test->size,
                                      VIR_DOMAIN_MEM_MAXIMUM);
    case SETMAX_CONFIG:
        return qemuHvBalloonSetMemory(&driver, vm, NULL, vm->newDef, test->size,
                                      VIR_DOMAIN_MEM_MAXIMUM);
    case RECONCILE:
        qemuHvBalloonReconcile(&driver, vm);
        return 0;
    case START:
        qemuHvBalloonStarted(vm, vm->def->mem.cur_balloon);
        return 0;
    case PLUG:
        testAddStick(vm->newDef, 7, 1 * GIB);
        return qemuDomainAttachMemory(&driver, vm,
                                      virDomainMemoryRemove(vm->newDef, 0));
    case UNPLUG:
        return qemuHvBalloonCheckHotplug(vm, vm->def->mems[0]);
    case MIGRATE:
        return qemuHvBalloonMigrationIsAllowed(vm) ? 0 : -1;
    }
    return -1;
}


static int
testCheckError(const testCase *test,
               int rc)
{
    const char *message = virGetLastErrorMessage();

    if (!test->error) {
        if (rc == 0 && virGetLastErrorCode() == VIR_ERR_OK)
            return 0;
        fprintf(stderr, "unexpected failure: %s\n", message);
        return -1;
    }

    if (rc == 0 || !strstr(message, test->error)) {
        fprintf(stderr, "expected an error with '%s', got %d and '%s'\n",
                test->error, rc, message);
        return -1;
    }
    virResetLastError();
    return 0;
}


static int
testCheckNumber(const char *what,
                unsigned long long expected,
                unsigned long long actual)
{
    if (expected == actual)
        return 0;

    fprintf(stderr, "%s: expected %llu KiB, got %llu KiB\n", what, expected, actual);
    return -1;
}


/* The definition must be one that can be read again. */
static int
testCheckFormat(const virDomainObj *vm)
{
    g_autofree char *xml = virDomainDefFormat(vm->newDef, driver.xmlopt,
                                              VIR_DOMAIN_DEF_FORMAT_INACTIVE);
    g_autoptr(virDomainDef) again = NULL;

    if (!xml ||
        !(again = virDomainDefParseString(xml, driver.xmlopt, NULL,
                                          VIR_DOMAIN_DEF_PARSE_INACTIVE)))
        return -1;
    return 0;
}


static int
testCheckAfter(const testCase *test,
               const virDomainObj *vm)
{
    const qemuDomainObjPrivate *priv = vm->privateData;

    if (testCheckNumber("total", test->total, virDomainDefGetMemoryTotal(vm->def)) < 0 ||
        testCheckNumber("boot", 1 * GIB, virDomainDefGetMemoryInitial(vm->def)) < 0 ||
        testCheckNumber("requested", test->wanted, vm->def->memballoon->requested) < 0)
        return -1;

    if (test->current &&
        testCheckNumber("currentMemory", test->current, vm->def->mem.cur_balloon) < 0)
        return -1;

    if (test->watched != priv->hvBalloonPending) {
        fprintf(stderr, "it is %sgoing to be looked at again\n",
                priv->hvBalloonPending ? "" : "not ");
        return -1;
    }

    if (test->configTotal &&
        (testCheckNumber("stored total", test->configTotal,
                         virDomainDefGetMemoryTotal(vm->newDef)) < 0 ||
         testCheckNumber("stored currentMemory", test->configCurrent,
                         vm->newDef->mem.cur_balloon) < 0))
        return -1;

    return testCheckFormat(vm);
}


/* Its QEMU has no sticks. */
static void
testSetStock(virDomainObj *vm)
{
    qemuDomainObjPrivate *priv = vm->privateData;

    virQEMUCapsClear(priv->qemuCaps, QEMU_CAPS_DEVICE_MEM_HAPROT);
}


static virDomainObj *
testCaseDomainNew(const testData *data)
{
    virDomainObj *vm = testDomainNew(data->caps, data->test->sticks);
    qemuDomainObjPrivate *priv;

    if (!vm)
        return NULL;

    priv = vm->privateData;
    vm->def->memballoon->requested = data->test->requested;
    priv->hvBalloonKeepTotal = data->test->keepTotal;
    priv->hvBalloonUnmoved = data->test->unmoved;
    if (data->test->stock)
        testSetStock(vm);
    return vm;
}


static int
testHvBalloon(const void *opaque)
{
    const testData *data = opaque;
    qemuMonitorTest *mon = NULL;
    virDomainObj *vm = NULL;
    int ret = -1;
    int rc;

    /* what an action hands to the worker is not part of the script */
    virMutexLock(&testGate);

    if (!(vm = testCaseDomainNew(data)) ||
        !(mon = testMonitorNew(vm)))
        goto cleanup;
    testAddScript(mon, data->test->script);

    rc = testAct(data->test, vm);
    if (testCheckError(data->test, rc) == 0)
        ret = testCheckAfter(data->test, vm);

 cleanup:
    testMonitorEnd(vm, mon);
    testDomainEnd(&vm);
    virMutexUnlock(&testGate);
    return ret;
}


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

typedef struct {
    const testConfigCase *test;
    virQEMUCaps *caps;
} testConfigData;

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
    const testConfigData *data = opaque;
    const testConfigCase *test = data->test;
    const testCase expected = { .error = test->error };
    virDomainObj *vm = NULL;
    int ret = -1;
    int rc;

    if (!(vm = testDomainNew(data->caps, (const unsigned long long[4]) { 0 })))
        return -1;

    virDomainDefFree(vm->newDef);
    if (!(vm->newDef = virDomainDefParseString(test->xml, driver.xmlopt, NULL,
                                               VIR_DOMAIN_DEF_PARSE_INACTIVE)))
        goto cleanup;

    rc = qemuHvBalloonSetMemory(&driver, vm, NULL, vm->newDef, test->size, test->flags);
    if (testCheckError(&expected, rc) == 0 &&
        testCheckNumber("stored total", test->total,
                        virDomainDefGetMemoryTotal(vm->newDef)) == 0 &&
        testCheckSticks(test->sticks, vm->newDef) == 0)
        ret = testCheckFormat(vm);

 cleanup:
    vm->def->id = -1;
    virDomainObjEndAPI(&vm);
    return ret;
}


/* Beside the balloon there are sticks only, in what is plugged later too. */
static int
testOtherModel(const void *opaque)
{
    const char *xml =
        "<memory model='dimm'><target><size unit='GiB'>1</size></target></memory>";
    const testCase expected = { .error = "or another balloon" };
    g_autoptr(virDomainDeviceDef) dev = NULL;
    virDomainObj *vm = testDomainNew((virQEMUCaps *)opaque, (const unsigned long long[4]) { 0 });
    int ret;

    if (!vm)
        return -1;

    dev = virDomainDeviceDefParse(xml, vm->def, driver.xmlopt, NULL,
                                  VIR_DOMAIN_DEF_PARSE_INACTIVE | VIR_DOMAIN_DEF_PARSE_ABI_UPDATE);
    ret = testCheckError(&expected, dev ? 0 : -1);

    vm->def->id = -1;
    virDomainObjEndAPI(&vm);
    return ret;
}


/* What is offered can be defined. */
static int
testOffered(const void *opaque)
{
    virQEMUCaps *caps = (virQEMUCaps *)opaque;
    const struct {
        const char *machine;
        virTristateBool supported;
    } machines[] = {
        { "pc-q35-10.0", VIR_TRISTATE_BOOL_YES },
        { "pc-i440fx-10.0", VIR_TRISTATE_BOOL_YES },
        { "isapc", VIR_TRISTATE_BOOL_ABSENT },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(machines); i++) {
        g_autoptr(virDomainCaps) domCaps =
            virDomainCapsNew("/usr/bin/qemu-system-x86_64", machines[i].machine,
                             VIR_ARCH_X86_64, VIR_DOMAIN_VIRT_KVM);

        if (!domCaps)
            return -1;

        qemuHvBalloonFillDomainCaps(caps, domCaps);
        if (domCaps->memballoon.supported != machines[i].supported) {
            fprintf(stderr, "%s: %d\n", machines[i].machine, domCaps->memballoon.supported);
            return -1;
        }
    }

    return 0;
}


static int
testReconcile(virDomainObj *vm,
              const testExchange *script)
{
    qemuDomainObjPrivate *priv = vm->privateData;
    g_autoptr(qemuMonitorTest) mon = qemuMonitorTestNew(driver.xmlopt, vm, NULL, NULL);

    if (!mon)
        return -1;

    testAddScript(mon, script);
    priv->mon = qemuMonitorTestGetMonitor(mon);
    virObjectUnlock(priv->mon);
    qemuHvBalloonReconcile(&driver, vm);
    virObjectLock(priv->mon);
    priv->mon = NULL;
    return 0;
}


/* What went wrong before in the same thread is none of its business. */
static int
testOlderError(const void *opaque)
{
    const testExchange script[] = { LOOK("", "", INFO(ONE, ONE)), { } };
    virDomainObj *vm = testDomainNew((virQEMUCaps *)opaque, (const unsigned long long[4]) { 0 });
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
    vm->def->id = -1;
    virDomainObjEndAPI(&vm);
    return ret;
}


/* One timer, however much happens while it runs. */
static int
testPollOnce(const void *opaque)
{
    const testExchange script[] = { { "query-balloon", NULL, ACTUAL }, { } };
    virDomainObj *vm = testDomainNew((virQEMUCaps *)opaque, (const unsigned long long[4]) { 2 * GIB });
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

    vm->def->id = -1;
    virDomainObjEndAPI(&vm);
    return ret;
}


/*
 * Statistics
 */

static const testStatsCase statsCases[] = {
    {
        .name = "stats of a running guest, of one moment",
        .live = true, .sticks = { 1 * GIB },
        .script = (const testExchange[]) {
            { "query-hv-balloon", NULL,
              "{\"return\": {\"connected\": true, \"alignment\": 134217728, \"state\": \"floor\","
              " \"target\": " ONE ", \"actual\": " TWO ", \"capacity\": " THREE ","
              " \"released\": " ONE ", \"ghosts\": 2097152, \"free-slots\": 61,"
              " \"sticks\": [" STICK("0", BASE, ONE, "inuse", ONE, "4096") ","
              " {\"qom-path\": \"/machine/unattached/device[3]\", \"memdev\": \"plain\","
              "  \"addr\": " BASE2 ", \"size\": " ONE ", \"insert\": \"now\","
              "  \"state\": \"idle\", \"added\": 0, \"released\": 0}],"
              " \"last-error\": \"the guest keeps the rest\"}}" },
            { } },
        .fields =
            "balloon.current=2097152\n"
            "balloon.hyperv.requested=1048576\n"
            "balloon.hyperv.boot=1048576\n"
            "balloon.hyperv.capacity=3145728\n"
            "balloon.hyperv.released=1048576\n"
            "balloon.hyperv.ghosts=2048\n"
            "balloon.hyperv.alignment=131072\n"
            "balloon.hyperv.free-slots=61\n"
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
        .name = "stats of a QEMU that tells of sticks apart",
        .live = true, .sticks = { 1 * GIB },
        .script = (const testExchange[]) {
            { "query-hv-balloon", NULL, INFO(ONE, TWO) },
            { "query-haprot", NULL,
              "{\"return\": [" STICK("0", BASE, ONE, "inuse", ONE, "4096") "]}" },
            { } },
        .fields =
            "balloon.current=2097152\n"
            "balloon.hyperv.requested=1048576\n"
            "balloon.hyperv.boot=1048576\n"
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
        .name = "stats without asking QEMU",
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
        .name = "stats of a QEMU without sticks, which is not asked",
        .live = true, .stock = true, .sticks = { 7 * GIB },
        .fields =
            "balloon.current=1048576\n"
            "balloon.hyperv.requested=1048576\n"
            "balloon.hyperv.boot=1048576\n"
            "balloon.hyperv.stick.0.alias=ua-haprot0\n"
            "balloon.hyperv.stick.0.size=7340032\n"
            "balloon.hyperv.stick.0.owner=driver\n"
            "balloon.hyperv.stick.count=1\n",
    },
    {
        .name = "stats of a QEMU that does not answer as it should",
        .live = true,
        .script = (const testExchange[]) {
            { "query-hv-balloon", NULL, INFO(ONE, ONE) },
            { "query-haprot", NULL, "{\"return\": [{}]}" }, { } },
        .fields =
            "balloon.current=1048576\n"
            "balloon.hyperv.requested=1048576\n"
            "balloon.hyperv.boot=1048576\n"
            "balloon.hyperv.stick.count=0\n",
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
    const testStatsData *data = opaque;
    g_autoptr(virTypedParamList) params = virTypedParamListNew();
    g_autoptr(qemuMonitorHvBalloonInfo) info = NULL;
    g_autofree char *fields = NULL;
    unsigned long long current = 1 * GIB;
    qemuMonitorTest *mon = NULL;
    virDomainObj *vm = NULL;
    int ret = -1;

    if (!(vm = testDomainNew(data->caps, data->test->sticks)))
        return -1;
    vm->def->memballoon->requested = 1 * GIB;
    if (data->test->stock)
        testSetStock(vm);

    if (!(mon = testMonitorNew(vm)))
        goto cleanup;
    testAddScript(mon, data->test->script);

    info = qemuHvBalloonQueryStats(vm, data->test->live, &current);
    virTypedParamListAddULLong(params, current, VIR_DOMAIN_STATS_BALLOON_CURRENT);
    qemuHvBalloonAddStats(vm, info, params);
    if ((fields = testStatsFormat(params)) &&
        virTestCompareToString(data->test->fields, fields) == 0 &&
        virGetLastErrorCode() == VIR_ERR_OK)
        ret = 0;

 cleanup:
    testMonitorEnd(vm, mon);
    testDomainEnd(&vm);
    return ret;
}


/*
 * Every command fails once: each case that succeeds is played again for each of
 * its commands, against a simulated QEMU that lets it down just there. Nothing
 * is expected of one case in particular, but of all of them the same.
 */

typedef struct {
    const testData *data;
    testSim *sim;
    ssize_t failAt;                 /* -1: nothing fails */
    testSimFailure failure;
    bool restarted;                 /* the daemon dies there too */

    /* before */
    unsigned long long target;      /* KiB */
    unsigned long long total;
    unsigned long long settled;     /* requested, as far as there are sticks */
    size_t nsticks;
    size_t nsimulated;              /* of which QEMU has these */

    bool failed;

    /* what the status file says when it fails */
    char *status;
} testFailing;


/* A case that can be played: it succeeds and says what QEMU has. */
static bool
testCanSimulate(const testCase *test)
{
    const testExchange *step = test->script;
    bool looks = false;

    for (; step && step->command; step++) {
        if (strstr(step->reply, "\"error\""))
            return false;
        looks |= STREQ(step->command, "query-hv-balloon");
    }

    return looks && !test->error;
}


/* What QEMU has is what the script answers first. */
static testSim *
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


#define CHECK(condition, ...) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "\n" __VA_ARGS__); \
            fprintf(stderr, ": not %s\n", #condition); \
            return -1; \
        } \
    } while (0)


/* At any moment, whatever failed. */
static int
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


static bool
testFailingIsSet(const testFailing *run)
{
    return run->data->test->action == SET_LIVE || run->data->test->action == SET_BOTH;
}


/* XML can describe it: its backend has the name that libvirt gives. */
static bool
testSimStickIsOurs(const testSimStick *stick)
{
    return STREQ_NULLABLE(STRSKIP(stick->memdev, "mem"), stick->id);
}


/* Boot memory and the sticks that XML can describe, in KiB. */
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


/* Has the guest been told what was asked for? */
static bool
testFailingReached(const testFailing *run)
{
    unsigned long long size = run->data->test->size;
    unsigned long long total = 1 * GIB;
    size_t i;

    for (i = 0; i < run->sim->sticks->len; i++)
        total += ((testSimStick *)g_ptr_array_index(run->sim->sticks, i))->size / 1024;

    if (testFailingIsSet(run))
        return run->sim->target / 1024 == size && total >= size;

    return size <= run->total || total >= size;
}


/* Nothing else than before is asked for. */
static bool
testFailingIsAsBefore(const testFailing *run,
                      const virDomainObj *vm)
{
    unsigned long long requested = vm->def->memballoon->requested;

    return requested == run->data->test->requested || requested == run->settled;
}


static int
testFailingCheckResult(const testFailing *run,
                       const virDomainObj *vm,
                       int rc)
{
    const testCase *test = run->data->test;
    const qemuDomainObjPrivate *priv = vm->privateData;
    unsigned long long least = testFailingIsSet(run) ? test->size : test->requested;
    unsigned long long requested = vm->def->memballoon->requested;

    if (test->action == RECONCILE) {
        CHECK(rc == 0 && virGetLastErrorCode() == VIR_ERR_OK,
              "reconcile: %s", virGetLastErrorMessage());
    } else {
        CHECK(rc == 0 || virGetLastErrorCode() != VIR_ERR_OK, "an error that is reported");
        CHECK(rc != 0 || testFailingReached(run), "success");
        /* a lost answer leaves open whether it was done */
        CHECK(rc == 0 || !testFailingReached(run) || run->failure == TEST_SIM_GONE_AFTER ||
              run->target == test->size || !testFailingIsSet(run),
              "failure: %s", virGetLastErrorMessage());
    }

    if (rc < 0) {
        CHECK(testFailingIsAsBefore(run, vm), "failure: requested %llu KiB", requested);
        CHECK(priv->hvBalloonKeepTotal == test->keepTotal,
              "failure: total to keep %llu KiB", priv->hvBalloonKeepTotal);
    }

    CHECK(requested >= MIN(MIN(least, test->requested), virDomainDefGetMemoryTotal(vm->def)),
          "requested %llu KiB", requested);
    CHECK(requested <= MAX(test->requested, virDomainDefGetMemoryTotal(vm->def)),
          "requested %llu KiB", requested);

    if (test->action == SET_BOTH)
        CHECK(rc == 0 || virDomainDefGetMemoryTotal(vm->newDef) == 1 * GIB,
              "stored total %llu KiB", virDomainDefGetMemoryTotal(vm->newDef));

    return testCheckDefinition(vm);
}


/* What the guest has, it keeps, unless less was asked for. */
static int
testFailingCheckGranted(const testFailing *run)
{
    const testCase *test = run->data->test;
    unsigned long long least = MIN(run->target, test->requested);

    if (testFailingIsSet(run))
        least = MIN(run->target, test->size);

    CHECK(run->sim->lowest / 1024 >= MIN(least, run->total),
          "told to go down to %llu KiB", run->sim->lowest / 1024);
    CHECK(!run->sim->tookBack, "no stick in use is taken");
    return 0;
}


static int
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


/* With a QEMU that answers again, one look sets all right, and a second one
 * finds nothing to do. */
static int
testFailingCheckConverges(const testFailing *run,
                          virDomainObj *vm)
{
    qemuMonitorTest *mon = testMonitorNew(vm);
    unsigned long long requested = vm->def->memballoon->requested;
    size_t done;

    if (!mon)
        return -1;
    testSimServe(run->sim, mon);

    run->sim->failAt = -1;
    qemuHvBalloonReconcile(&driver, vm);
    done = run->sim->log->len;
    qemuHvBalloonReconcile(&driver, vm);
    testMonitorEnd(vm, mon);

    CHECK(testSimCountChanges(run->sim, done) == 0, "at rest");
    CHECK(run->sim->target / 1024 == vm->def->memballoon->requested,
          "target %llu KiB of %llu KiB", run->sim->target / 1024,
          vm->def->memballoon->requested);
    CHECK(vm->def->memballoon->requested <= virDomainDefGetMemoryTotal(vm->def),
          "requested %llu KiB", vm->def->memballoon->requested);
    /* a stick that is gone takes its part along */
    CHECK(vm->def->memballoon->requested == requested ||
          vm->def->memballoon->requested == run->settled ||
          run->sim->sticks->len < run->nsticks,
          "requested %llu KiB", requested);
    CHECK(!run->failed || testFailingIsAsBefore(run, vm),
          "requested %llu KiB after a failure", vm->def->memballoon->requested);
    /* if a command was done without an answer, the guest may have taken it */
    CHECK(!run->failed || run->failure == TEST_SIM_GONE_AFTER ||
          run->sim->sticks->len <= run->nsimulated,
          "%u sticks after a failure", run->sim->sticks->len);

    return testCheckDefinition(vm) < 0 ? -1 : testCheckTruth(vm, run->sim);
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

    rc = testAct(run->data->test, vm);
    run->failed = rc < 0;
    testMonitorEnd(vm, mon);

    if (testFailingCheckResult(run, vm, rc) < 0 ||
        testFailingCheckGranted(run) < 0)
        return -1;

    virResetLastError();
    return 0;
}


/* The next daemon knows of a request only after all was done for it. */
static int
testFailingCheckRemembered(const testFailing *run,
                           const virDomainObj *vm)
{
    const qemuDomainObjPrivate *priv = vm->privateData;
    const char *name = g_ptr_array_index(run->sim->log, run->failAt);

    if (STREQ(name, "object-add") || STREQ(name, "device_add") || STREQ(name, "balloon")) {
        CHECK(testFailingIsAsBefore(run, vm),
              "remembered %llu KiB", vm->def->memballoon->requested);
        CHECK(priv->hvBalloonKeepTotal == run->data->test->keepTotal,
              "remembered a total of %llu KiB", priv->hvBalloonKeepTotal);
    }

    return 0;
}


/* Another daemon knows what the one before had written when it died. */
static virDomainObj *
testDomainFromStatus(const char *status)
{
    g_autofree char *path = g_strdup_printf("%s/restarted.xml", driver.config->stateDir);

    if (virFileWriteStr(path, status, 0600) < 0)
        return NULL;

    return virDomainObjParseFile(path, driver.xmlopt,
                                 VIR_DOMAIN_DEF_PARSE_STATUS |
                                 VIR_DOMAIN_DEF_PARSE_SKIP_VALIDATE |
                                 VIR_DOMAIN_DEF_PARSE_ALLOW_POST_PARSE_FAIL);
}


static void
testKeepStatus(void *opaque)
{
    testFailing *run = opaque;
    g_autofree char *path = g_strdup_printf("%s/guest.xml", driver.config->stateDir);

    ignore_value(virFileReadAll(path, 1024 * 1024, &run->status));
}


/* Returns the number of commands, or -1. */
static int
testFailingRun(testFailing *run)
{
    VIR_LOCK_GUARD gate = virLockGuardLock(&testGate);
    virDomainObj *vm = testCaseDomainNew(run->data);
    g_autoptr(testSim) sim = testSimNewFromScript(run->data->test->script);
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
    run->settled = MIN(run->data->test->requested, testSimTotal(sim));
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

    if (testFailingCheckConverges(run, vm) == 0)
        ret = n;

 cleanup:
    g_clear_pointer(&run->status, g_free);
    testDomainEnd(&vm);
    return ret;
}


/* Does the simulated QEMU take the case for what it was written for? */
static int
testFailingNothing(const testData *data)
{
    testFailing run = { .data = data, .failAt = -1 };
    const testExchange *step = data->test->script;
    int n = testFailingRun(&run);
    int expected = 0;

    for (; step->command; step++)
        expected++;

    CHECK(n == expected, "%d commands", n);
    return n;
}


static int
testFailingEverywhere(const void *opaque)
{
    const testData *data = opaque;
    int n = testFailingNothing(data);
    testFailing run = { .data = data };
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


/*
 * What QEMU may open: a stick of the driver's is labelled, and is made known to
 * the domain's cgroup and namespace, as any memory device. The functions below
 * are called in place of the driver's.
 */

typedef struct {
    const char *name;
    const char *backing;            /* XML */
    const char *paths;              /* that are labelled before, one a line */
} testLabelCase;

typedef struct {
    const testLabelCase *test;
    virQEMUCaps *caps;
} testLabelData;

static const char *const testSteps[] = { "namespace", "cgroup", "label" };

static const testLabelCase labelCases[] = {
    { "anonymous memory", "", "" },
    { "files", "<memoryBacking><source type='file'/></memoryBacking>",
      "path huge0/libvirt/qemu/7-guest\npath huge1/libvirt/qemu/7-guest\npath ram/7-guest\n" },
    { "huge pages", "<memoryBacking><hugepages/></memoryBacking>",
      "path huge0/libvirt/qemu/7-guest\npath huge1/libvirt/qemu/7-guest\n" },
    { "memory that is shared", "<memoryBacking><access mode='shared'/></memoryBacking>",
      "path ram/7-guest\n" },
};

static GString *testTrace;
static const char *testTraceFails;  /* the step that does, NULL: none */


static int
testTraceAdd(const char *step,
             const char *what)
{
    if (!testTrace)
        return 0;

    g_string_append_printf(testTrace, "%s %s\n", step, what);
    if (STRNEQ_NULLABLE(testTraceFails, step))
        return 0;

    virReportError(VIR_ERR_INTERNAL_ERROR, "%s fails", step);
    return -1;
}


int
qemuSecurityDomainSetPathLabel(virQEMUDriver *d,
                               virDomainObj *vm G_GNUC_UNUSED,
                               const char *path,
                               bool allowSubtree G_GNUC_UNUSED)
{
    const char *below = STRSKIP(path, d->config->stateDir);

    return testTraceAdd("path", below ? below + 1 : path);
}


int
qemuSecuritySetMemoryLabel(virQEMUDriver *d G_GNUC_UNUSED,
                           virDomainObj *vm G_GNUC_UNUSED,
                           virDomainMemoryDef *mem)
{
    return testTraceAdd("label", mem->info.alias);
}


int
qemuSecurityRestoreMemoryLabel(virQEMUDriver *d G_GNUC_UNUSED,
                               virDomainObj *vm G_GNUC_UNUSED,
                               virDomainMemoryDef *mem)
{
    return testTraceAdd("no label", mem->info.alias);
}


int
qemuDomainNamespaceSetupMemory(virDomainObj *vm G_GNUC_UNUSED,
                               virDomainMemoryDef *mem,
                               bool *created)
{
    if (testTraceAdd("namespace", mem->info.alias) < 0)
        return -1;

    *created = true;
    return 0;
}


int
qemuDomainNamespaceTeardownMemory(virDomainObj *vm G_GNUC_UNUSED,
                                  virDomainMemoryDef *mem)
{
    return testTraceAdd("no namespace", mem->info.alias);
}


int
qemuSetupMemoryDevicesCgroup(virDomainObj *vm G_GNUC_UNUSED,
                             virDomainMemoryDef *mem)
{
    return testTraceAdd("cgroup", mem->info.alias);
}


int
qemuTeardownMemoryDevicesCgroup(virDomainObj *vm G_GNUC_UNUSED,
                                virDomainMemoryDef *mem)
{
    return testTraceAdd("no cgroup", mem->info.alias);
}


static virDomainObj *
testLabelDomainNew(const testLabelData *data)
{
    g_autofree char *vcpu = g_strdup_printf("%s<vcpu>", data->test->backing);
    g_autofree char *xml = virStringReplace(domainXML, "<vcpu>", vcpu);
    virDomainObj *vm = testDomainNewFrom(xml, data->caps, (const unsigned long long[4]) { 0 });
    qemuDomainObjPrivate *priv;

    if (!vm)
        return NULL;

    priv = vm->privateData;
    g_free(priv->memoryBackingDir);
    priv->memoryBackingDir = g_strdup_printf("%s/ram/7-guest", driver.config->stateDir);
    vm->def->memballoon->requested = 1 * GIB;
    return vm;
}


static int
testLabelSet(virDomainObj *vm,
             testSim *sim,
             const char *fails)
{
    qemuMonitorTest *mon = testMonitorNew(vm);
    int rc;

    if (!mon)
        return -1;
    testSimServe(sim, mon);

    testTraceFails = fails;
    g_string_truncate(testTrace, 0);
    rc = qemuHvBalloonSetMemory(&driver, vm, vm->def, NULL, 3 * GIB, 0);
    testTraceFails = NULL;

    testMonitorEnd(vm, mon);
    return rc;
}


/* The guest was started anew, with less. */
static int
testLabelRemove(virDomainObj *vm,
                testSim *sim)
{
    qemuDomainObjPrivate *priv = vm->privateData;
    g_autofree char *file = g_strdup_printf("%s/ua-haprot0", priv->memoryBackingDir);
    qemuMonitorTest *mon;

    if (g_mkdir_with_parents(priv->memoryBackingDir, 0700) < 0 ||
        virFileTouch(file, 0600) < 0 ||
        !(mon = testMonitorNew(vm)))
        return -1;

    testSimServe(sim, mon);
    testSimSetState(testSimFind(sim, "ua-haprot0"), "unused");
    vm->def->memballoon->requested = 1 * GIB;
    g_string_truncate(testTrace, 0);
    qemuHvBalloonReconcile(&driver, vm);
    testMonitorEnd(vm, mon);

    CHECK(vm->def->nmems == 0, "removed");
    CHECK(STREQ(testTrace->str, "no label ua-haprot0\nno cgroup ua-haprot0\nno namespace ua-haprot0\n"),
          "%s", testTrace->str);
    CHECK(!virFileExists(file), "file '%s' removed", file);
    return 0;
}


/* One step fails: those before it are undone and QEMU is not bothered. */
static int
testLabelFails(virDomainObj *vm,
               testSim *sim)
{
    size_t i;
    size_t j;

    for (i = 0; i < G_N_ELEMENTS(testSteps); i++) {
        CHECK(testLabelSet(vm, sim, testSteps[i]) < 0 && strstr(virGetLastErrorMessage(), testSteps[i]),
              "an error of '%s': %s", testSteps[i], virGetLastErrorMessage());
        virResetLastError();

        CHECK(testSimCount(sim, "object-add") == 0 && vm->def->nmems == 0, "nothing plugged");
        for (j = 0; j < i; j++) {
            g_autofree char *undone = g_strdup_printf("no %s ua-haprot0\n", testSteps[j]);

            CHECK(strstr(testTrace->str, undone), "'%s' undone in %s", testSteps[j], testTrace->str);
        }
    }

    return 0;
}


static int
testLabelRun(const testLabelCase *test,
             virDomainObj *vm)
{
    g_autoptr(testSim) sim = testSimNew();
    g_autofree char *expected =
        g_strdup_printf("%snamespace ua-haprot0\ncgroup ua-haprot0\nlabel ua-haprot0\n", test->paths);

    sim->target = sim->actual = 1ULL << 30;

    CHECK(testLabelSet(vm, sim, NULL) == 0, "set: %s", virGetLastErrorMessage());
    CHECK(STREQ(testTrace->str, expected), "%sinstead of\n%s", testTrace->str, expected);

    return testLabelRemove(vm, sim);
}


/* A folder is labelled when it is made. */
static int
testLabelClean(void)
{
    const char *const folders[] = { "ram", "huge0", "huge1" };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(folders); i++) {
        g_autofree char *path = g_strdup_printf("%s/%s", driver.config->stateDir, folders[i]);

        if (virFileDeleteTree(path) < 0)
            return -1;
    }

    return 0;
}


static int
testLabels(const void *opaque)
{
    VIR_LOCK_GUARD gate = virLockGuardLock(&testGate);
    const testLabelData *data = opaque;
    g_autoptr(testSim) sim = testSimNew();
    virDomainObj *vm = testLabelDomainNew(data);
    int ret = -1;

    sim->target = sim->actual = 1ULL << 30;
    testTrace = g_string_new("");
    if (vm && testLabelClean() == 0 && testLabelRun(data->test, vm) == 0 && testLabelFails(vm, sim) == 0)
        ret = 0;
    g_string_free(testTrace, true);
    testTrace = NULL;

    testDomainEnd(&vm);
    return ret;
}


/* Huge pages are where this test may write. */
static void
testHugepagesInit(void)
{
    size_t i;

    for (i = 0; i < driver.config->nhugetlbfs; i++) {
        g_free(driver.config->hugetlbfs[i].mnt_dir);
        driver.config->hugetlbfs[i].mnt_dir = g_strdup_printf("%s/huge%zu", driver.config->stateDir, i);
    }
}


/*
 * A damaged or hostile status file: what the next daemon reads is not what
 * anybody wrote. QEMU has 1 GiB and one stick of 1 GiB, all of it in use.
 */

typedef struct {
    const char *name;
    const char *from;               /* in the status file */
    const char *to;
    const char *from2;              /* NULL: no more */
    const char *to2;
    const char *refused;            /* part of the message, NULL: it is read */
    unsigned long long wanted;      /* <requested> after */
} testStatusCase;

typedef struct {
    const testStatusCase *test;
    virQEMUCaps *caps;
} testStatusData;

#define STATUS_REQUESTED "<requested unit='KiB'>2097152</requested>"
#define STATUS_TOTAL "<memory unit='KiB'>2097152</memory>"
#define STATUS_SIZE "<size unit='KiB'>1048576</size>"
#define STATUS_BALLOON "<memballoon model='hyperv'>"
#define STATUS_STICK(size, base, alias) \
    "<memory model='haprot'><target insert='on-demand'><size unit='KiB'>" size "</size>" \
    "<address base='" base "'/></target>" alias "</memory>"

static const testStatusCase statusCases[] = {
    { "as it was written", "<domstatus", "<domstatus", .wanted = 2 * GIB },
    { "no <requested>", STATUS_REQUESTED, "", .wanted = 2 * GIB },
    { "<requested> of 0", STATUS_REQUESTED, "<requested unit='KiB'>0</requested>", .wanted = 2 * GIB },
    { "<requested> is no number", STATUS_REQUESTED, "<requested unit='KiB'>much</requested>", .wanted = 2 * GIB },
    { "<requested> is negative", STATUS_REQUESTED, "<requested unit='KiB'>-1</requested>", .wanted = 2 * GIB },
    { "<requested> of no known unit", STATUS_REQUESTED, "<requested unit='acres'>1</requested>", .wanted = 2 * GIB },
    { "<requested> beyond all numbers", STATUS_REQUESTED, "<requested unit='EiB'>99999999</requested>", .wanted = 2 * GIB },
    { "<requested> below <minimum>", STATUS_REQUESTED, "<requested unit='KiB'>1</requested>", .wanted = 512 * 1024 },
    { "<requested> above <maxMemory>", STATUS_REQUESTED, "<requested unit='GiB'>80</requested>", .wanted = 2 * GIB },
    { "total to keep is no number", "</domstatus>", "<hvBalloonKeepTotal>much</hvBalloonKeepTotal></domstatus>", .wanted = 2 * GIB },
    { "total to keep above <maxMemory>", "</domstatus>", "<hvBalloonKeepTotal>18446744073709551615</hvBalloonKeepTotal></domstatus>",
      .wanted = 2 * GIB },
    { "<minimum> above all there is", "<minimum unit='KiB'>524288</minimum>", "<minimum unit='TiB'>1</minimum>", .wanted = 2 * GIB },
    { "a stick larger than <memory>", STATUS_SIZE, "<size unit='GiB'>64</size>",
      .refused = "Total size of memory devices exceeds the total memory size" },
    { "more than <maxMemory>", STATUS_SIZE, "<size unit='GiB'>64</size>", STATUS_TOTAL, "<memory unit='GiB'>65</memory>",
      .refused = "maximum memory size must be equal or greater" },
    { "a stick that is larger", STATUS_SIZE, "<size unit='GiB'>7</size>", STATUS_TOTAL, "<memory unit='GiB'>8</memory>",
      .wanted = 2 * GIB },
    { "a stick of an odd size", STATUS_SIZE, "<size unit='KiB'>1048577</size>", STATUS_TOTAL, "<memory unit='KiB'>2097153</memory>",
      .wanted = 2 * GIB },
    { "a stick of 0", STATUS_SIZE, "<size unit='KiB'>0</size>", STATUS_TOTAL, "<memory unit='KiB'>1048576</memory>",
      .wanted = 2 * GIB },
    { "a stick at an odd address", "<address base='0x100000000'/>", "<address base='0xffffffffffffffff'/>", .wanted = 2 * GIB },
    { "a stick inserted as nobody knows", "insert='on-demand'", "insert='maybe'", .refused = "insert" },
    { "a stick inserted at once", "insert='on-demand'", "insert='now'", .wanted = 2 * GIB },
    { "two sticks of one name", STATUS_BALLOON,
      STATUS_STICK("1048576", "0x100000000", "<alias name='ua-haprot0'/>") STATUS_BALLOON,
      STATUS_TOTAL, "<memory unit='GiB'>3</memory>", .wanted = 2 * GIB },
    { "two sticks of one name that QEMU does not have", STATUS_BALLOON,
      STATUS_STICK("1048576", "0x140000000", "<alias name='ua-haprot1'/>")
      STATUS_STICK("1048576", "0x140000000", "<alias name='ua-haprot1'/>") STATUS_BALLOON,
      STATUS_TOTAL, "<memory unit='GiB'>4</memory>", .wanted = 2 * GIB },
    { "two sticks in one place", STATUS_BALLOON,
      STATUS_STICK("1048576", "0x100000000", "<alias name='ua-haprot1'/>") STATUS_BALLOON,
      STATUS_TOTAL, "<memory unit='GiB'>3</memory>", .wanted = 2 * GIB },
    { "a stick without a name", STATUS_BALLOON,
      STATUS_STICK("1048576", "0x140000000", "") STATUS_BALLOON,
      STATUS_TOTAL, "<memory unit='GiB'>3</memory>", .wanted = 2 * GIB },
    { "a stick named like another file", STATUS_BALLOON,
      STATUS_STICK("1048576", "0x140000000", "<alias name='../victim'/>") STATUS_BALLOON,
      STATUS_TOTAL, "<memory unit='GiB'>3</memory>", .wanted = 2 * GIB },
    { "a stick of another name", "<alias name='ua-haprot0'/>", "<alias name='ua-haprot7'/>", .wanted = 2 * GIB },
};


/* What a daemon writes when all is well. */
static char *
testStatusWrite(virQEMUCaps *caps)
{
    virDomainObj *vm = testDomainNew(caps, (const unsigned long long[4]) { 1 * GIB });
    qemuDomainObjPrivate *priv;
    char *status = NULL;

    if (!vm)
        return NULL;

    priv = vm->privateData;
    priv->memoryBackingDir = g_strdup_printf("%s/ram", driver.config->stateDir);
    vm->def->mems[0]->target.haprot.address = 4ULL << 30;
    vm->def->memballoon->requested = 2 * GIB;

    status = virDomainObjFormat(vm, driver.xmlopt,
                                VIR_DOMAIN_DEF_FORMAT_SECURE |
                                VIR_DOMAIN_DEF_FORMAT_STATUS);
    testDomainEnd(&vm);
    return status;
}


static testSim *
testStatusSim(void)
{
    const testExchange look[] = {
        LOOK(STICK("0", BASE, ONE, "inuse", ONE, "0"), "," BACKEND("0"), INFO(TWO, TWO)), { }
    };

    return testSimNewFromScript(look);
}


static int
testStatusReconcile(const testStatusCase *test,
                    virDomainObj *vm)
{
    g_autoptr(testSim) sim = testStatusSim();
    testFailing run = { .sim = sim, .nsticks = 1 };
    qemuMonitorTest *mon;

    if (!(mon = testMonitorNew(vm)))
        return -1;
    testSimServe(sim, mon);
    qemuHvBalloonReconcile(&driver, vm);
    testMonitorEnd(vm, mon);

    CHECK(sim->sticks->len == 1 && !sim->tookBack, "what the guest has");
    CHECK(virDomainDefGetMemoryTotal(vm->def) == 2 * GIB,
          "total %llu KiB", virDomainDefGetMemoryTotal(vm->def));
    CHECK(vm->def->mems[0]->target.haprot.insert == VIR_DOMAIN_MEMORY_INSERT_MODE_ON_DEMAND,
          "inserted on demand");
    CHECK(vm->def->memballoon->requested == test->wanted,
          "requested %llu KiB", vm->def->memballoon->requested);

    return testFailingCheckConverges(&run, vm);
}


static int
testStatus(const void *opaque)
{
    const testStatusData *data = opaque;
    const testStatusCase *test = data->test;
    g_autofree char *status = testStatusWrite(data->caps);
    g_autofree char *once = NULL;
    g_autofree char *twice = NULL;
    g_autofree char *folder = g_strdup_printf("%s/ram", driver.config->stateDir);
    g_autofree char *victim = g_strdup_printf("%s/victim", driver.config->stateDir);
    virDomainObj *vm = NULL;
    int ret = -1;

    if (!status ||
        g_mkdir_with_parents(folder, 0700) < 0 ||
        virFileTouch(victim, 0600) < 0)
        return -1;

    CHECK(strstr(status, test->from) && (!test->from2 || strstr(status, test->from2)),
          "what is to be changed is there");
    once = virStringReplace(status, test->from, test->to);
    if (test->from2)
        twice = virStringReplace(once, test->from2, test->to2);

    vm = testDomainFromStatus(twice ? twice : once);

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


/*
 * A QEMU that does what it is told and says what cannot be, while a guest of
 * 1 GiB is to have 3 GiB
 */

typedef struct {
    const char *command;
    const char *reply;
} testLie;

typedef struct {
    const testLie *lie;
    virQEMUCaps *caps;
} testLieData;

#define LIE_INFO(alignment, target, actual) \
    "{\"return\": {\"connected\": true, \"alignment\": " alignment ", \"state\": \"idle\"," \
    " \"target\": " target ", \"actual\": " actual ", \"capacity\": 0, \"released\": 0, \"ghosts\": 0}}"
#define LIE_DEVICE(id, addr, size) \
    "{\"type\": \"mem-haprot\", \"data\": {" id "\"memaddr\": " addr ", \"size\": " size "," \
    " \"memdev\": \"/objects/memua-haprot0\"}}"
#define LIE_ID "\"id\": \"ua-haprot0\", "

static const testLie lies[] = {
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
    { "query-memory-devices", "{\"return\": [" LIE_DEVICE("", BASE, TWO) "]}" },
    { "query-memory-devices", "{\"return\": [" LIE_DEVICE("\"id\": 7, ", BASE, TWO) "]}" },
    { "query-memory-devices", "{\"return\": [" LIE_DEVICE(LIE_ID, "-1", TWO) "]}" },
    { "query-memory-devices", "{\"return\": [" LIE_DEVICE(LIE_ID, "18446744073709551615", TWO) "]}" },
    { "query-memory-devices", "{\"return\": [" LIE_DEVICE(LIE_ID, "9223372036854775807", TWO) "]}" },
    { "query-memory-devices", "{\"return\": [" LIE_DEVICE(LIE_ID, "\"there\"", TWO) "]}" },
    { "query-memory-devices", "{\"return\": [" LIE_DEVICE(LIE_ID, BASE, "18446744073709551615") "]}" },
    { "query-memory-devices", "{\"return\": [" LIE_DEVICE(LIE_ID, BASE, TWO) ","
                                               LIE_DEVICE(LIE_ID, BASE2, TWO) "]}" },
    { "query-hv-balloon", LIE_INFO("9223372036854775807", ONE, ONE) },
    { "query-hv-balloon", LIE_INFO("1", "0", "0") },
    { "query-hv-balloon", LIE_INFO("0", "9223372036854775807", "9223372036854775807") },
    { "query-hv-balloon", LIE_INFO("-1", ONE, ONE) },
    { "query-hv-balloon", LIE_INFO(ONE, "18446744073709551615", ONE) },
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
testLieCheck(const testLie *lie,
             virDomainObj *vm,
             testSim *sim)
{
    testFailing run = { .sim = sim };
    qemuMonitorTest *mon = testMonitorNew(vm);
    unsigned long long address = 0;
    int rc;

    if (!mon)
        return -1;
    testSimServe(sim, mon);
    g_hash_table_insert(sim->replies, g_strdup(lie->command), g_strdup(lie->reply));

    rc = qemuHvBalloonSetMemory(&driver, vm, vm->def, NULL, 3 * GIB, 0);
    if (vm->def->nmems > 0)
        address = vm->def->mems[0]->target.haprot.address;
    qemuHvBalloonReconcile(&driver, vm);
    testMonitorEnd(vm, mon);

    CHECK(rc == 0 || virGetLastErrorCode() != VIR_ERR_OK, "an error that is reported");
    CHECK(vm->def->mem.cur_balloon > 0 &&
          vm->def->mem.cur_balloon <= virDomainDefGetMemoryTotal(vm->def),
          "current %llu KiB", vm->def->mem.cur_balloon);
    CHECK(address == 0 || address == 4ULL << 30, "address 0x%llx", address);
    virResetLastError();

    g_hash_table_remove_all(sim->replies);
    return testFailingCheckConverges(&run, vm);
}


static int
testLies(const void *opaque)
{
    const testLieData *data = opaque;
    virDomainObj *vm = testDomainNew(data->caps, (const unsigned long long[4]) { 0 });
    g_autoptr(testSim) sim = testSimNew();
    int ret = -1;

    sim->target = sim->actual = 1ULL << 30;
    if (vm) {
        vm->def->memballoon->requested = 1 * GIB;
        ret = testLieCheck(data->lie, vm, sim);
    }

    if (ret < 0)
        fprintf(stderr, "with the reply %s\n", data->lie->reply);
    testDomainEnd(&vm);
    return ret;
}


/*
 * Events, as JSON, by the driver's own handlers and its worker. QEMU has 1 GiB
 * and one stick of 1 GiB, of which the definition knows, and maybe another one.
 */

typedef struct {
    const char *name;
    const char *events;
    const char *state;              /* of the stick */
    unsigned long long requested;   /* KiB, as what follows */
    bool another;                   /* plugged by somebody else */
    bool vanished;                  /* the stick was removed by somebody else */
    bool busy;                      /* another job has the domain for a while */

    size_t looks;                   /* how often QEMU is asked for its sticks */
    unsigned long long total;
    unsigned long long wanted;
    unsigned long long current;
} testEventCase;

typedef struct {
    const testEventCase *test;
    virQEMUCaps *caps;
} testEventData;

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
        .name = "UNUSED: a stick that is not needed goes",
        .events = EVENT_STICK("UNUSED", "ua-haprot0"), .state = "unused", .requested = 1 * GIB,
        .looks = 1, .total = 1 * GIB, .wanted = 1 * GIB, .current = 1 * GIB,
    },
    {
        .name = "UNUSED: a stick that is needed stays",
        .events = EVENT_STICK("UNUSED", "ua-haprot0"), .state = "unused", .requested = 2 * GIB,
        .looks = 1, .total = 2 * GIB, .wanted = 2 * GIB, .current = 1 * GIB,
    },
    {
        .name = "INUSE: nothing changes",
        .events = EVENT_STICK("INUSE", "ua-haprot0"), .state = "inuse", .requested = 2 * GIB,
        .looks = 1, .total = 2 * GIB, .wanted = 2 * GIB, .current = 1 * GIB,
    },
    {
        .name = "INUSE: a stick that somebody else plugged is adopted",
        .events = EVENT_STICK("INUSE", "ua-haprot1"), .state = "inuse", .requested = 3 * GIB, .another = true,
        .looks = 1, .total = 3 * GIB, .wanted = 3 * GIB, .current = 3 * GIB,
    },
    {
        .name = "RESET: a stick that is not needed goes",
        .events = EVENT("RESET", ", \"data\": {\"guest\": true, \"reason\": \"guest-reset\"}"),
        .state = "unused", .requested = 1 * GIB,
        .looks = 1, .total = 1 * GIB, .wanted = 1 * GIB, .current = 1 * GIB,
    },
    {
        .name = "BALLOON_CHANGE: is what the guest has, and asks for nothing",
        .events = EVENT_ACTUAL("1610612736"), .state = "inuse", .requested = 2 * GIB,
        .total = 2 * GIB, .wanted = 2 * GIB, .current = 1536 * 1024,
    },
    {
        .name = "BALLOON_CHANGE: not more than there is",
        .events = EVENT_ACTUAL("9223372036854775807"), .state = "inuse", .requested = 2 * GIB,
        .total = 2 * GIB, .wanted = 2 * GIB, .current = 2 * GIB,
    },
    {
        .name = "BALLOON_CHANGE: more than a number can be",
        .events = EVENT_ACTUAL("18446744073709551615"), .state = "inuse", .requested = 2 * GIB,
        .total = 2 * GIB, .wanted = 2 * GIB, .current = 1 * GIB,
    },
    {
        .name = "BALLOON_CHANGE: no number, a negative one, none at all",
        .events = EVENT_ACTUAL("\"much\"") "\r\n" EVENT_ACTUAL("-1") "\r\n"
                  EVENT("BALLOON_CHANGE", ", \"data\": {}"),
        .state = "inuse", .requested = 2 * GIB,
        .total = 2 * GIB, .wanted = 2 * GIB, .current = 1 * GIB,
    },
    {
        .name = "DEVICE_DELETED: a stick that somebody else removed is forgotten",
        .events = EVENT_DELETED("ua-haprot0"), .state = "unused", .requested = 1 * GIB, .vanished = true,
        .total = 1 * GIB, .wanted = 1 * GIB, .current = 1 * GIB,
    },
    {
        .name = "DEVICE_DELETED: a stick that is still there stays",
        .events = EVENT_DELETED("ua-haprot0"), .state = "inuse", .requested = 2 * GIB,
        .total = 2 * GIB, .wanted = 2 * GIB, .current = 1 * GIB,
    },
    {
        .name = "DEVICE_DELETED: of what nobody knows",
        .events = EVENT_DELETED("../../victim") "\r\n" EVENT_DELETED("") "\r\n"
                  EVENT("DEVICE_DELETED", ", \"data\": {\"path\": \"/machine/peripheral/x\"}"),
        .state = "inuse", .requested = 2 * GIB,
        .total = 2 * GIB, .wanted = 2 * GIB, .current = 1 * GIB,
    },
    {
        .name = "what an event says of a stick is not believed",
        .events = EVENT("HV_BALLOON_HAPROT_UNUSED", ", \"data\": {\"id\": 5, \"addr\": -1, \"size\": 1e99}"),
        .state = "inuse", .requested = 2 * GIB,
        .looks = 1, .total = 2 * GIB, .wanted = 2 * GIB, .current = 1 * GIB,
    },
    {
        .name = "events without data",
        .events = EVENT("HV_BALLOON_HAPROT_UNUSED", "") "\r\n" EVENT("BALLOON_CHANGE", "") "\r\n"
                  EVENT("DEVICE_DELETED", "") "\r\n" EVENT("MEMORY_DEVICE_SIZE_CHANGE", ""),
        .state = "inuse", .requested = 2 * GIB,
        .looks = 1, .total = 2 * GIB, .wanted = 2 * GIB, .current = 1 * GIB,
    },
    {
        .name = "a domain that is busy is looked at later, and once for many events",
        .events = TIMES4(TIMES4(EVENT_STICK("UNUSED", "ua-haprot0"))),
        .state = "unused", .requested = 1 * GIB, .busy = true,
        .looks = 1, .total = 1 * GIB, .wanted = 1 * GIB, .current = 1 * GIB,
    },
};


static void
testWorker(void *data,
           void *opaque)
{
    virMutexLock(&testGate);
    virMutexUnlock(&testGate);

    qemuProcessEventHandler(data, opaque);
}


/* All that was handed to the worker is done. */
static bool
testWorkerIsIdle(void)
{
    return virThreadPoolGetJobQueueDepth(driver.workerPool) == 0 &&
        virThreadPoolGetFreeWorkers(driver.workerPool) ==
        virThreadPoolGetCurrentWorkers(driver.workerPool);
}


/* The event loop and the worker have the domain until QEMU was asked @looks times
 * and nothing is left to be done. */
static void
testWaitForWorker(virDomainObj *vm,
                  const testSim *sim,
                  size_t looks)
{
    size_t i;

    virObjectUnlock(vm);
    for (i = 0; i < 6000; i++) {
        if (testWorkerIsIdle() && testSimCount(sim, "query-haprot") >= looks)
            break;
        g_usleep(10 * 1000);
    }
    virObjectLock(vm);
}


/* QEMU sends events before it answers, so they have been seen when it has. */
static void
testSendEvents(virDomainObj *vm,
               testSim *sim,
               const char *events)
{
    unsigned long long actual;

    virMutexLock(&testGate);
    sim->events = g_strdup(events);
    qemuDomainObjEnterMonitor(vm);
    ignore_value(qemuMonitorGetBalloonInfo(qemuDomainGetMonitor(vm), &actual));
    qemuDomainObjExitMonitor(vm);
    virMutexUnlock(&testGate);
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
testEventRun(const testEventCase *test,
             virDomainObj *vm,
             testSim *sim)
{
    size_t looks;

    if (test->busy && virDomainObjBeginJob(vm, VIR_JOB_MODIFY) < 0)
        return -1;

    testSendEvents(vm, sim, test->events);

    if (test->busy) {
        testWaitForWorker(vm, sim, 0);
        CHECK(testSimCount(sim, "query-haprot") == 0, "left alone");
        virDomainObjEndJob(vm);
    }

    testWaitForWorker(vm, sim, test->looks);
    looks = testSimCount(sim, "query-haprot");

    CHECK(looks == test->looks, "%zu looks", looks);
    CHECK(vm->def->mem.cur_balloon == test->current,
          "current %llu KiB", vm->def->mem.cur_balloon);
    CHECK(virDomainDefGetMemoryTotal(vm->def) == test->total,
          "total %llu KiB", virDomainDefGetMemoryTotal(vm->def));
    CHECK(vm->def->memballoon->requested == test->wanted,
          "requested %llu KiB", vm->def->memballoon->requested);

    return testCheckDefinition(vm) < 0 ? -1 : testCheckTruth(vm, sim);
}


static int
testEvent(const void *opaque)
{
    const testEventData *data = opaque;
    virDomainObj *vm = testDomainNew(data->caps, (const unsigned long long[4]) { 1 * GIB });
    g_autoptr(testSim) sim = testEventSim(data->test);
    qemuMonitorTest *mon = NULL;
    qemuMonitorCallbacks *callbacks;
    int ret = -1;

    if (!vm || !(mon = testMonitorNew(vm)))
        goto cleanup;
    testSimServe(sim, mon);

    vm->def->mems[0]->target.haprot.address = 4ULL << 30;
    vm->def->memballoon->requested = data->test->requested;
    vm->def->mem.cur_balloon = 1 * GIB;
    virDomainObjSetState(vm, VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_BOOTED);

    callbacks = qemuMonitorTestGetMonitor(mon)->cb;
    qemuMonitorTestGetMonitor(mon)->cb = qemuProcessGetMonitorCallbacks();
    ret = testEventRun(data->test, vm, sim);
    qemuMonitorTestGetMonitor(mon)->cb = callbacks;

 cleanup:
    testMonitorEnd(vm, mon);
    testDomainEnd(&vm);
    return ret;
}


/*
 * What QEMU says, alone
 */

static int
testParse(const char *command,
          const char *reply,
          int (*parse)(qemuMonitor *mon, void **data),
          void **data)
{
    const testExchange script[] = { { command, NULL, reply }, { } };
    g_autoptr(qemuMonitorTest) mon = qemuMonitorTestNewSimple(driver.xmlopt);

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


static int
testParseSticks(const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(GPtrArray) sticks = NULL;
    const qemuMonitorHvBalloonStick *first;
    const qemuMonitorHvBalloonStick *second;

    if (testParse("query-haprot",
                  "{\"return\": [" STICK("0", BASE, TWO, "unused", ONE, ONE) ","
                  " {\"qom-path\": \"/machine/unattached/device[3]\", \"memdev\": \"plain\","
                  "  \"addr\": 8589934592, \"size\": " ONE ", \"insert\": \"now\","
                  "  \"state\": \"of-tomorrow\", \"added\": 0, \"released\": 0}]}",
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

    /* nothing of an unknown state is ever removed */
    if (second->id || second->onDemand ||
        STRNEQ(second->memdev, "plain") ||
        second->state != QEMU_HVBALLOON_STICK_INUSE)
        return -1;

    return 0;
}


static int
testParseBadSticks(const void *opaque G_GNUC_UNUSED)
{
    const char *const bad[] = {
        "{\"return\": [{}]}",
        "{\"return\": [3]}",
        "{\"return\": {}}",
        "{\"return\": [" STICK("0", BASE, "0", "idle", "0", "0") "]}",
        "{\"return\": [" STICK("0", BASE, "-1", "idle", "0", "0") "]}",
        "{\"return\": [" STICK("0", BASE, ONE, "idle", TWO, "0") "]}",
        "{\"return\": [" STICK("0", BASE, ONE, "idle", "0", ONE) "]}",
        "{\"return\": [" STICK("0", BASE, ONE, "idle", "0", "0") "," STICK("0", BASE2, ONE, "idle", "0", "0") "]}",
        "{\"return\": [" STICK("0", BASE, TWO, "idle", "0", "0") "," STICK("1", BASE2, ONE, "idle", "0", "0") "]}",
        "{\"return\": [" STICK("0", BASE2, ONE, "idle", "0", "0") "," STICK("1", BASE, ONE, "idle", "0", "0") "]}",
        "{\"return\": [" STICK("0", "18446744073709547520", ONE, "idle", "0", "0") "]}",
        "{\"return\": [" STICK("0<x>", BASE, ONE, "idle", "0", "0") "]}",
        "{\"return\": [" STICK("0\\n", BASE, ONE, "idle", "0", "0") "]}",
        "{\"return\": [" STICK("0", "\"x\"", ONE, "idle", "0", "0") "]}",
        FAIL("no"),
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GPtrArray) sticks = NULL;

        if (testParse("query-haprot", bad[i], testGetSticks, (void **)&sticks) == 0) {
            fprintf(stderr, "accepted: %s\n", bad[i]);
            return -1;
        }
    }

    virResetLastError();
    return 0;
}


static int
testParseInfo(const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(qemuMonitorHvBalloonInfo) info = NULL;
    g_autoptr(qemuMonitorHvBalloonInfo) none = NULL;

    if (testParse("query-hv-balloon", INFO(TWO, ONE), testGetInfo, (void **)&info) < 0)
        return -1;

    if (!info->connected || info->alignment != 131072 ||
        info->target != 2 * GIB || info->actual != 1 * GIB ||
        STRNEQ(info->state, "idle") || info->lastError ||
        info->freeSlots != QEMU_HVBALLOON_UNLIMITED)
        return -1;

    if (testParse("query-hv-balloon", "{\"return\": {\"connected\": true}}",
                  testGetInfo, (void **)&none) == 0)
        return -1;

    virResetLastError();
    return 0;
}


static int
testParseFreeSlots(const void *opaque G_GNUC_UNUSED)
{
    const char *const bad[] = {
        INFO_SLOTS("4294967296", ONE, ONE),
        INFO_SLOTS("-1", ONE, ONE),
        INFO_SLOTS("1.5", ONE, ONE),
        INFO_SLOTS("\"many\"", ONE, ONE),
        INFO_SLOTS("null", ONE, ONE),
    };
    g_autoptr(qemuMonitorHvBalloonInfo) info = NULL;
    size_t i;

    if (testParse("query-hv-balloon", INFO_SLOTS("61", ONE, ONE),
                  testGetInfo, (void **)&info) < 0 ||
        info->freeSlots != 61)
        return -1;

    for (i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(qemuMonitorHvBalloonInfo) none = NULL;

        if (testParse("query-hv-balloon", bad[i], testGetInfo, (void **)&none) == 0) {
            fprintf(stderr, "accepted: %s\n", bad[i]);
            return -1;
        }
    }

    virResetLastError();
    return 0;
}


/* A string of a reply reaches clients, so it has to be one that can be shown. */
static int
testParseBadText(const void *opaque G_GNUC_UNUSED)
{
    g_autofree char *longer = g_strnfill(1025, 'x');
    const char *const bad[] = { "two\\nlines", "\\u001b[2J", "\\u00e9", longer };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(qemuMonitorHvBalloonInfo) info = NULL;
        g_autofree char *reply =
            g_strdup_printf("{\"return\": {\"connected\": true, \"alignment\": 0, \"state\": \"idle\","
                            " \"target\": 0, \"actual\": 0, \"capacity\": 0, \"released\": 0,"
                            " \"ghosts\": 0, \"last-error\": \"%s\"}}", bad[i]);

        if (testParse("query-hv-balloon", reply, testGetInfo, (void **)&info) == 0) {
            fprintf(stderr, "accepted: %s\n", reply);
            return -1;
        }
    }

    virResetLastError();
    return 0;
}


static int
mymain(void)
{
    g_autoptr(GHashTable) latest = testQemuGetLatestCaps();
    g_autoptr(GHashTable) capsCache = virHashNew(virObjectUnref);
    g_autoptr(GHashTable) schemaCache = virHashNew((GDestroyNotify) g_hash_table_unref);
    g_autoptr(virQEMUCaps) caps = NULL;
    g_autoptr(virQEMUCaps) stock = NULL;
    int ret = 0;
    size_t i;

    if (qemuTestDriverInit(&driver) < 0)
        return EXIT_FAILURE;

    virEventRegisterDefaultImpl();
    driver.hostdevMgr = virHostdevManagerGetDefault();
    if (!(driver.workerPool = virThreadPoolNewFull(0, 1, 0, testWorker,
                                                   "qemu-event", NULL, &driver)))
        return EXIT_FAILURE;

    if (!(stock = testQemuGetRealCaps("x86_64", "10.0.0", "", latest,
                                      capsCache, schemaCache, NULL)) ||
        !(caps = testQemuGetRealCaps("x86_64", "10.0.0", "+hvballoon", latest,
                                     capsCache, schemaCache, NULL)) ||
        qemuTestCapsCacheInsert(driver.qemuCapsCache, caps) < 0)
        return EXIT_FAILURE;

    if (virTestRun("query-haprot", testParseSticks, NULL) < 0 ||
        virTestRun("query-haprot, bad replies", testParseBadSticks, NULL) < 0 ||
        virTestRun("query-hv-balloon", testParseInfo, NULL) < 0 ||
        virTestRun("query-hv-balloon, free slots", testParseFreeSlots, NULL) < 0 ||
        virTestRun("query-hv-balloon, bad texts", testParseBadText, NULL) < 0)
        ret = -1;

    for (i = 0; i < G_N_ELEMENTS(statsCases); i++) {
        testStatsData data = { .test = &statsCases[i], .caps = caps };

        if (virTestRun(statsCases[i].name, testStats, &data) < 0)
            ret = -1;
    }

    for (i = 0; i < G_N_ELEMENTS(configCases); i++) {
        testConfigData data = { .test = &configCases[i], .caps = caps };

        if (virTestRun(configCases[i].name, testConfig, &data) < 0)
            ret = -1;
    }

    if (virTestRun("domain capabilities", testOffered, caps) < 0 ||
        virTestRun("a memory device of another model", testOtherModel, caps) < 0 ||
        virTestRun("an older error is not taken for one of its own", testOlderError, caps) < 0 ||
        virTestRun("a QEMU without sticks is looked at once a time", testPollOnce, stock) < 0)
        ret = -1;

    testHugepagesInit();
    for (i = 0; i < G_N_ELEMENTS(labelCases); i++) {
        testLabelData data = { .test = &labelCases[i], .caps = caps };
        g_autofree char *name = g_strdup_printf("labels: %s", labelCases[i].name);

        if (virTestRun(name, testLabels, &data) < 0)
            ret = -1;
    }

    for (i = 0; i < G_N_ELEMENTS(statusCases); i++) {
        testStatusData data = { .test = &statusCases[i], .caps = caps };
        g_autofree char *name = g_strdup_printf("status XML: %s", statusCases[i].name);

        if (virTestRun(name, testStatus, &data) < 0)
            ret = -1;
    }

    for (i = 0; i < G_N_ELEMENTS(lies); i++) {
        testLieData data = { .lie = &lies[i], .caps = caps };
        g_autofree char *name = g_strdup_printf("%s: a reply that cannot be, %zu", lies[i].command, i);

        if (virTestRun(name, testLies, &data) < 0)
            ret = -1;
    }

    for (i = 0; i < G_N_ELEMENTS(eventCases); i++) {
        testEventData data = { .test = &eventCases[i], .caps = caps };
        g_autofree char *name = g_strdup_printf("event %s", eventCases[i].name);

        if (virTestRun(name, testEvent, &data) < 0)
            ret = -1;
    }

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        testData data = { .test = &cases[i], .caps = caps };

        if (virTestRun(cases[i].name, testHvBalloon, &data) < 0)
            ret = -1;

        if (testCanSimulate(&cases[i])) {
            g_autofree char *name = g_strdup_printf("%s: each command fails", cases[i].name);

            if (virTestRun(name, testFailingEverywhere, &data) < 0)
                ret = -1;
        }
    }

    virThreadPoolFree(driver.workerPool);
    qemuTestDriverFree(&driver);
    return ret == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

VIR_TEST_MAIN_PRELOAD(mymain,
                      VIR_TEST_MOCK("virhostdev"),
                      VIR_TEST_MOCK("virpci"),
                      VIR_TEST_MOCK("domaincaps"),
                      VIR_TEST_MOCK("virprocess"),
                      VIR_TEST_MOCK("qemuhotplug"));
