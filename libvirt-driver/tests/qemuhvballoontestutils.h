/*
 * qemuhvballoontestutils.h: shared by the tests of the hyperv balloon: a domain,
 *                           scripts for its monitor, common checks
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "qemu/qemu_conf.h"
#include "qemu/qemu_domain.h"
#include "qemuhvballoonsim.h"
#include "qemumonitortestutils.h"
#include "testutils.h"
#include "testutilsqemu.h"

#define DOMAIN_ID 7
#define GIB (1024ULL * 1024)        /* in KiB, as libvirt's sizes */

extern virQEMUDriver testDriver;
extern virQEMUCaps *testCaps;       /* of a QEMU with sticks */
extern virQEMUCaps *testFixedCaps;  /* of one without */

/* Runs @tests, which returns -1 if one fails, with all of the above and a worker
 * for events. Returns an exit status. */
int
testProgram(int (*tests)(void));

/* Stops the worker in between. A test that uses the monitor itself has no job, and
 * its script does not include what the worker does. */
void
testWorkerHold(void);

void
testWorkerRelease(void);


/*
 * The domain: running, 1 GiB of boot memory, maxMemory 8 GiB, minimum 512 MiB
 */

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

#define MAX_STICKS 4

/* @sticks: sizes of ua-haprot0, ua-haprot1, ..., 0: none; NULL: no sticks. */
virDomainObj *
testDomainNewFrom(const char *xml,
                  virQEMUCaps *caps,
                  const unsigned long long *sticks);

virDomainObj *
testDomainNew(const unsigned long long *sticks);

/* A domain read from a status file, as after a restart of the daemon. */
virDomainObj *
testDomainFromStatus(const char *status);

void
testDomainEnd(virDomainObj **vm);

void
testAddStick(virDomainDef *def,
             size_t number,
             unsigned long long size);

/* Makes its QEMU one without sticks. */
void
testSetFixed(virDomainObj *vm);

/* Makes its QEMU one that does not migrate yet. */
void
testSetOld(virDomainObj *vm);

/* Returns a monitor that is connected to @vm, or NULL. */
qemuMonitorTest *
testMonitorNew(virDomainObj *vm);

/* Until testMonitorEnd() the driver's own handlers get the events of @mon. */
void
testMonitorHandleEvents(qemuMonitorTest *mon);

void
testMonitorEnd(virDomainObj *vm,
               qemuMonitorTest *mon);


/*
 * Scripts: exactly these commands, in this order, with these arguments
 */

typedef struct {
    const char *command;            /* NULL ends a script */
    const char *arguments;          /* in JSON; NULL: any */
    const char *reply;
} testExchange;

#define SCRIPT(...) (const testExchange[]) { __VA_ARGS__, { } }

void
testAddScript(qemuMonitorTest *mon,
              const testExchange *step);

/* Runs a reconcile, which has to send exactly @script. */
int
testReconcile(virDomainObj *vm,
              const testExchange *script);

/* A QEMU in the state that the first replies of the script describe. */
testSim *
testSimNewFromScript(const testExchange *step);

#define OK "{\"return\": {}}"
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

#define INUSE(n, addr, size) STICK(n, addr, size, "inuse", size, "0")
#define IDLE(n, addr, size) STICK(n, addr, size, "idle", "0", "0")
#define UNUSED(n, addr, size) STICK(n, addr, size, "unused", "0", "0")

#define BACKEND(n) "{\"name\": \"memua-haprot" n "\", \"type\": \"child<memory-backend-ram>\"}"

/* The driver's queries before any change: sticks, objects, balloon. */
#define QUERY(sticks, backends, info) \
    { "query-haprot", NULL, "{\"return\": [" sticks "]}" }, \
    { "qom-list", "{\"path\":\"/objects\"}", "{\"return\": [{\"name\": \"type\", \"type\": \"string\"}" backends "]}" }, \
    { "query-hv-balloon", NULL, info }

#define QUERY_NONE(info) QUERY("", "", info)

#define QUERY_ONE(stick, info) QUERY(stick, "," BACKEND("0"), info)

#define QUERY_BALLOON { "query-balloon", NULL, ACTUAL }

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

/* A stick is plugged, or unplugged, without a failure. */
#define PLUGGED(n, bytes, addr) \
    OBJECT_ADD(n, bytes, OK), DEVICE_ADD(n, OK), QUERY_BALLOON, MEMDEVS(n, addr, bytes)
#define UNPLUGGED(n) \
    DEVICE_DEL(n, DELETED(n) OK), OBJECT_DEL(n, OK), QUERY_BALLOON

/* In bytes, as in QMP. */
#define ONE "1073741824"
#define TWO "2147483648"
#define THREE "3221225472"
#define FOUR "4294967296"
#define BASE "4294967296"
#define BASE2 "5368709120"


/*
 * Checks: each prints what is wrong and returns -1 on failure
 */

#define CHECK(condition, ...) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "\n" __VA_ARGS__); \
            fprintf(stderr, ": not %s\n", #condition); \
            return -1; \
        } \
    } while (0)

/* @error: part of the expected message; NULL: success, without any error. */
int
testCheckError(const char *error,
               int rc);

int
testCheckNumber(const char *what,
                unsigned long long expected,
                unsigned long long actual);

/* The stored definition can be read again. */
int
testCheckFormat(const virDomainObj *vm);

/* The definition is consistent in itself, whatever failed. */
int
testCheckDefinition(const virDomainObj *vm);

/* Can XML describe the stick? Its backend needs the name that libvirt gives. */
bool
testSimStickIsOurs(const testSimStick *stick);

/* The definition has the sticks that QEMU has, and no backend is left over. */
int
testCheckTruth(const virDomainObj *vm,
               const testSim *sim);

/* Once QEMU works again, one reconcile corrects everything and a second one does
 * nothing. @nsticks: how many the definition had before. */
int
testCheckConverges(virDomainObj *vm,
                   testSim *sim,
                   size_t nsticks);


/*
 * Programs
 */

/* Runs @function on each of @cases, an array of structs that have a name, and sets
 * the caller's ret to -1 if one fails. */
#define RUN_ALL(prefix, cases, function) \
    do { \
        size_t i_; \
        for (i_ = 0; i_ < G_N_ELEMENTS(cases); i_++) { \
            g_autofree char *name_ = g_strdup_printf("%s%s", prefix, cases[i_].name); \
            if (virTestRun(name_, function, &cases[i_]) < 0) \
                ret = -1; \
        } \
    } while (0)

#define HVBALLOON_TEST_MAIN(tests) \
    static int \
    mymain(void) \
    { \
        return testProgram(tests); \
    } \
    VIR_TEST_MAIN_PRELOAD(mymain, \
                          VIR_TEST_MOCK("virhostdev"), \
                          VIR_TEST_MOCK("virpci"), \
                          VIR_TEST_MOCK("domaincaps"), \
                          VIR_TEST_MOCK("virprocess"), \
                          VIR_TEST_MOCK("qemuhotplug"))
