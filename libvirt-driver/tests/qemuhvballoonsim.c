/*
 * qemuhvballoonsim.c: simulates the monitor of a QEMU with a hyperv balloon
 *
 * Answers commands from a state of its own, so that any of them can fail and
 * later replies are still correct.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <config.h>

#include "qemuhvballoonsim.h"
#include "testutils.h"

#include "virhash.h"
#include "virjson.h"

#define VIR_FROM_THIS VIR_FROM_NONE

/* More than any test needs. */
#define SIM_COMMANDS 512

#define SIM_BOOT (1ULL << 30)
#define SIM_BASE (4ULL << 30)


static void
testSimStickFree(testSimStick *stick)
{
    g_free(stick->id);
    g_free(stick->memdev);
    g_free(stick->state);
    g_free(stick);
}


static void
testSimBackendFree(testSimBackend *backend)
{
    g_free(backend->type);
    g_free(backend);
}


void
testSimAddBackend(testSim *sim,
                  const char *name,
                  const char *type,
                  unsigned long long size)
{
    testSimBackend *backend = g_new0(testSimBackend, 1);

    backend->type = g_strdup(type);
    backend->size = size;
    g_hash_table_insert(sim->backends, g_strdup(name), backend);
}


testSim *
testSimNew(void)
{
    testSim *sim = g_new0(testSim, 1);

    sim->sticks = g_ptr_array_new_with_free_func((GDestroyNotify)testSimStickFree);
    sim->backends = virHashNew((GDestroyNotify)testSimBackendFree);
    sim->replies = virHashNew(g_free);
    sim->log = g_ptr_array_new_with_free_func(g_free);
    sim->failAt = -1;
    sim->lowest = ULLONG_MAX;

    return sim;
}


void
testSimFree(testSim *sim)
{
    if (!sim)
        return;

    g_ptr_array_unref(sim->sticks);
    g_hash_table_unref(sim->backends);
    g_hash_table_unref(sim->replies);
    g_ptr_array_unref(sim->log);
    g_free(sim->events);
    g_free(sim);
}


testSimStick *
testSimFind(const testSim *sim,
            const char *id)
{
    size_t i;

    for (i = 0; i < sim->sticks->len; i++) {
        testSimStick *stick = g_ptr_array_index(sim->sticks, i);

        if (STREQ(stick->id, id))
            return stick;
    }

    return NULL;
}


static bool
testSimUsesBackend(const testSim *sim,
                   const char *memdev)
{
    size_t i;

    for (i = 0; i < sim->sticks->len; i++) {
        testSimStick *stick = g_ptr_array_index(sim->sticks, i);

        if (STREQ(stick->memdev, memdev))
            return true;
    }

    return false;
}


/* The index and address of a new stick of @size. Without a reported space no
 * address is reused. */
static size_t
testSimPlace(const testSim *sim,
             unsigned long long size,
             unsigned long long *addr)
{
    size_t i;

    *addr = SIM_BASE;
    for (i = 0; i < sim->sticks->len; i++) {
        const testSimStick *stick = g_ptr_array_index(sim->sticks, i);

        if (sim->space > 0 && size <= stick->addr - *addr)
            break;
        *addr = stick->addr + stick->size;
    }

    return i;
}


testSimStick *
testSimAddStick(testSim *sim,
                const char *id,
                const char *memdev,
                bool onDemand,
                unsigned long long size)
{
    testSimStick *stick = NULL;
    unsigned long long addr;
    size_t i = testSimPlace(sim, size, &addr);

    if (sim->space > 0 && size > SIM_BASE + sim->space - addr)
        return NULL;

    stick = g_new0(testSimStick, 1);
    stick->id = g_strdup(id);
    stick->memdev = g_strdup(memdev);
    stick->state = g_strdup("idle");
    stick->onDemand = onDemand;
    stick->addr = addr;
    stick->size = size;
    g_ptr_array_insert(sim->sticks, i, stick);

    return stick;
}


void
testSimSetState(testSimStick *stick,
                const char *state)
{
    g_free(stick->state);
    stick->state = g_strdup(state);
}


void
testSimRemoveStick(testSim *sim,
                   const char *id)
{
    testSimStick *stick = testSimFind(sim, id);

    if (stick)
        g_ptr_array_remove(sim->sticks, stick);
}


/*
 * The state, from a script
 */

static int
testSimLoadStick(testSim *sim,
                 virJSONValue *obj)
{
    const char *memdev = virJSONValueObjectGetString(obj, "memdev");
    const char *insert = virJSONValueObjectGetString(obj, "insert");
    const char *state = virJSONValueObjectGetString(obj, "state");
    const char *id = virJSONValueObjectGetString(obj, "id");
    testSimStick *stick;

    if (!memdev || !insert || !state || !id)
        return -1;

    stick = testSimAddStick(sim, id, memdev + strlen("/objects/"),
                            STREQ(insert, "on-demand"), 0);
    testSimSetState(stick, state);

    if (virJSONValueObjectGetNumberUlong(obj, "addr", &stick->addr) < 0 ||
        virJSONValueObjectGetNumberUlong(obj, "size", &stick->size) < 0 ||
        virJSONValueObjectGetNumberUlong(obj, "added", &stick->added) < 0 ||
        virJSONValueObjectGetNumberUlong(obj, "released", &stick->released) < 0)
        return -1;
    return 0;
}


static int
testSimLoadBackend(testSim *sim,
                   virJSONValue *obj)
{
    const char *name = virJSONValueObjectGetString(obj, "name");
    const char *type = virJSONValueObjectGetString(obj, "type");

    if (!name || !type)
        return -1;

    if (STRPREFIX(type, "child<"))
        testSimAddBackend(sim, name, type, 0);
    return 0;
}


static int
testSimLoadArray(testSim *sim,
                 virJSONValue *array,
                 int (*load)(testSim *sim, virJSONValue *obj))
{
    size_t i;

    if (!array)
        return -1;

    for (i = 0; i < virJSONValueArraySize(array); i++) {
        if (load(sim, virJSONValueArrayGet(array, i)) < 0)
            return -1;
    }

    return 0;
}


int
testSimLoad(testSim *sim,
            const char *command,
            const char *reply)
{
    g_autoptr(virJSONValue) json = virJSONValueFromString(reply);
    virJSONValue *value = json ? virJSONValueObjectGet(json, "return") : NULL;

    if (!value)
        return -1;

    if (STREQ(command, "query-haprot"))
        return testSimLoadArray(sim, value, testSimLoadStick);

    if (STREQ(command, "qom-list"))
        return testSimLoadArray(sim, value, testSimLoadBackend);

    if (STREQ(command, "query-hv-balloon") &&
        virJSONValueObjectGetNumberUlong(value, "target", &sim->target) == 0 &&
        virJSONValueObjectGetNumberUlong(value, "actual", &sim->actual) == 0)
        return 0;

    return -1;
}


/*
 * Commands: each returns the value of "return", or NULL with the reason in @error
 */

static virJSONValue *
testSimQueryHaprot(testSim *sim,
                   virJSONValue *args G_GNUC_UNUSED,
                   char **error G_GNUC_UNUSED)
{
    g_autoptr(virJSONValue) array = virJSONValueNewArray();
    size_t i;

    for (i = 0; i < sim->sticks->len; i++) {
        testSimStick *stick = g_ptr_array_index(sim->sticks, i);
        g_autofree char *memdev = g_strdup_printf("/objects/%s", stick->memdev);
        g_autoptr(virJSONValue) obj = NULL;

        if (virJSONValueObjectAdd(&obj,
                                  "s:id", stick->id,
                                  "s:memdev", memdev,
                                  "U:addr", stick->addr,
                                  "U:size", stick->size,
                                  "s:insert", stick->onDemand ? "on-demand" : "now",
                                  "s:state", stick->state,
                                  "U:added", stick->added,
                                  "U:released", stick->released,
                                  NULL) < 0 ||
            virJSONValueArrayAppend(array, &obj) < 0)
            return NULL;
    }

    return g_steal_pointer(&array);
}


static virJSONValue *
testSimQueryMemoryDevices(testSim *sim,
                          virJSONValue *args G_GNUC_UNUSED,
                          char **error G_GNUC_UNUSED)
{
    g_autoptr(virJSONValue) array = virJSONValueNewArray();
    size_t i;

    for (i = 0; i < sim->sticks->len; i++) {
        testSimStick *stick = g_ptr_array_index(sim->sticks, i);
        g_autoptr(virJSONValue) data = NULL;
        g_autoptr(virJSONValue) obj = NULL;

        if (virJSONValueObjectAdd(&data,
                                  "s:id", stick->id,
                                  "U:memaddr", stick->addr,
                                  "U:size", stick->size,
                                  "s:memdev", stick->memdev,
                                  NULL) < 0 ||
            virJSONValueObjectAdd(&obj, "s:type", "mem-haprot", "a:data", &data, NULL) < 0 ||
            virJSONValueArrayAppend(array, &obj) < 0)
            return NULL;
    }

    return g_steal_pointer(&array);
}


static virJSONValue *
testSimQomList(testSim *sim,
               virJSONValue *args G_GNUC_UNUSED,
               char **error G_GNUC_UNUSED)
{
    g_autoptr(virJSONValue) array = virJSONValueNewArray();
    GHashTableIter iter;
    void *name;
    void *backend;

    g_hash_table_iter_init(&iter, sim->backends);
    while (g_hash_table_iter_next(&iter, &name, &backend)) {
        g_autoptr(virJSONValue) obj = NULL;

        if (virJSONValueObjectAdd(&obj,
                                  "s:name", (char *)name,
                                  "s:type", ((testSimBackend *)backend)->type,
                                  NULL) < 0 ||
            virJSONValueArrayAppend(array, &obj) < 0)
            return NULL;
    }

    return g_steal_pointer(&array);
}


static virJSONValue *
testSimQueryHvBalloon(testSim *sim,
                      virJSONValue *args G_GNUC_UNUSED,
                      char **error G_GNUC_UNUSED)
{
    g_autoptr(virJSONValue) space = NULL;
    g_autoptr(virJSONValue) obj = NULL;

    if (sim->space > 0 &&
        virJSONValueObjectAdd(&space, "U:base", SIM_BASE, "U:size", sim->space, NULL) < 0)
        return NULL;

    if (virJSONValueObjectAdd(&obj,
                              "b:connected", true,
                              "U:alignment", 134217728ULL,
                              "s:state", "idle",
                              "U:target", sim->target,
                              "U:actual", sim->actual,
                              "U:capacity", sim->actual,
                              "U:released", 0ULL,
                              "U:ghosts", 0ULL,
                              "A:device-memory", &space,
                              NULL) < 0)
        return NULL;

    return g_steal_pointer(&obj);
}


static virJSONValue *
testSimQueryBalloon(testSim *sim,
                    virJSONValue *args G_GNUC_UNUSED,
                    char **error G_GNUC_UNUSED)
{
    g_autoptr(virJSONValue) obj = NULL;

    if (virJSONValueObjectAdd(&obj, "U:actual", sim->actual, NULL) < 0)
        return NULL;

    return g_steal_pointer(&obj);
}


/* The guest reaches its target at once, and uses sticks in order. */
static virJSONValue *
testSimBalloon(testSim *sim,
               virJSONValue *args,
               char **error)
{
    unsigned long long end = SIM_BOOT;
    size_t i;

    if (virJSONValueObjectGetNumberUlong(args, "value", &sim->target) < 0) {
        *error = g_strdup("no value");
        return NULL;
    }

    for (i = 0; i < sim->sticks->len; i++) {
        testSimStick *stick = g_ptr_array_index(sim->sticks, i);

        if (sim->target > end) {
            testSimSetState(stick, "inuse");
            stick->added = stick->size;
        }
        end += stick->size;
    }

    sim->actual = MIN(sim->target, end);
    sim->lowest = MIN(sim->lowest, sim->target);
    return virJSONValueNewObject();
}


static virJSONValue *
testSimObjectAdd(testSim *sim,
                 virJSONValue *args,
                 char **error)
{
    const char *id = virJSONValueObjectGetString(args, "id");
    const char *type = virJSONValueObjectGetString(args, "qom-type");
    g_autofree char *child = g_strdup_printf("child<%s>", NULLSTR(type));
    unsigned long long size;

    if (!id || !type ||
        virJSONValueObjectGetNumberUlong(args, "size", &size) < 0 ||
        g_hash_table_contains(sim->backends, id)) {
        *error = g_strdup_printf("duplicate object '%s'", NULLSTR(id));
        return NULL;
    }

    testSimAddBackend(sim, id, child, size);
    return virJSONValueNewObject();
}


static virJSONValue *
testSimObjectDel(testSim *sim,
                 virJSONValue *args,
                 char **error)
{
    const char *id = virJSONValueObjectGetString(args, "id");

    if (!id || testSimUsesBackend(sim, id) || !g_hash_table_remove(sim->backends, id)) {
        *error = g_strdup_printf("object '%s' is in use or not there", NULLSTR(id));
        return NULL;
    }

    return virJSONValueNewObject();
}


static virJSONValue *
testSimDeviceAdd(testSim *sim,
                 virJSONValue *args,
                 char **error)
{
    const char *id = virJSONValueObjectGetString(args, "id");
    const char *memdev = virJSONValueObjectGetString(args, "memdev");
    const char *insert = virJSONValueObjectGetString(args, "insert");
    testSimBackend *backend = memdev ? g_hash_table_lookup(sim->backends, memdev) : NULL;

    if (!id || !backend || testSimUsesBackend(sim, memdev) || testSimFind(sim, id)) {
        *error = g_strdup_printf("no backend for '%s', or two of it", NULLSTR(id));
        return NULL;
    }

    if (!testSimAddStick(sim, id, memdev, STREQ_NULLABLE(insert, "on-demand"), backend->size)) {
        *error = g_strdup("could not find position in guest address space");
        return NULL;
    }

    return virJSONValueNewObject();
}


/* A stick that is not in use is removed before the reply. */
static virJSONValue *
testSimDeviceDel(testSim *sim,
                 virJSONValue *args,
                 char **error)
{
    const char *id = virJSONValueObjectGetString(args, "id");
    testSimStick *stick = id ? testSimFind(sim, id) : NULL;

    if (!stick || STREQ(stick->state, "inuse")) {
        sim->tookBack |= !!stick;
        *error = g_strdup_printf("'%s' is in use or not there", NULLSTR(id));
        return NULL;
    }

    if (!stick->stays) {
        g_free(sim->events);
        sim->events = g_strdup_printf("{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2},"
                                      " \"event\": \"DEVICE_DELETED\", \"data\":"
                                      " {\"device\": \"%s\", \"path\": \"/machine/peripheral/%s\"}}",
                                      id, id);
        testSimRemoveStick(sim, id);
    }

    return virJSONValueNewObject();
}


static const struct {
    const char *name;
    virJSONValue *(*run)(testSim *sim, virJSONValue *args, char **error);
} simCommands[] = {
    { "query-haprot", testSimQueryHaprot },
    { "query-memory-devices", testSimQueryMemoryDevices },
    { "qom-list", testSimQomList },
    { "query-hv-balloon", testSimQueryHvBalloon },
    { "query-balloon", testSimQueryBalloon },
    { "balloon", testSimBalloon },
    { "object-add", testSimObjectAdd },
    { "object-del", testSimObjectDel },
    { "device_add", testSimDeviceAdd },
    { "device_del", testSimDeviceDel },
};


static char *
testSimRun(testSim *sim,
           const char *name,
           virJSONValue *args)
{
    g_autoptr(virJSONValue) reply = NULL;
    g_autoptr(virJSONValue) value = NULL;
    g_autofree char *error = NULL;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(simCommands); i++) {
        if (STREQ_NULLABLE(simCommands[i].name, name))
            value = simCommands[i].run(sim, args, &error);
    }

    if (!value)
        return g_strdup_printf("{\"error\": {\"class\": \"GenericError\", \"desc\": \"%s\"}}",
                               error ? error : "no such command");

    if (virJSONValueObjectAdd(&reply, "a:return", &value, NULL) < 0)
        return NULL;

    return virJSONValueToString(reply, false);
}


static int
testSimSend(testSim *sim,
            qemuMonitorTest *mon,
            const char *reply)
{
    if (sim->events) {
        g_autofree char *events = g_steal_pointer(&sim->events);

        if (qemuMonitorTestAddResponse(mon, events) < 0)
            return -1;
    }

    return qemuMonitorTestAddResponse(mon, reply);
}


static int
testSimAnswer(qemuMonitorTest *mon,
              qemuMonitorTestItem *item,
              const char *message)
{
    testSim *sim = qemuMonitorTestItemGetPrivateData(item);
    g_autoptr(virJSONValue) json = virJSONValueFromString(message);
    bool fails = (ssize_t)sim->log->len == sim->failAt;
    g_autofree char *reply = NULL;
    const char *name;

    if (!json || !(name = virJSONValueObjectGetString(json, "execute")))
        return -1;

    g_ptr_array_add(sim->log, g_strdup(name));

    if (fails && sim->failed)
        sim->failed(sim->opaque);

    /* an error of the handler closes the connection */
    if (fails && sim->failure == TEST_SIM_GONE_BEFORE)
        return -1;

    if (fails && sim->failure == TEST_SIM_ERROR)
        return testSimSend(sim, mon, "{\"error\": {\"class\": \"GenericError\","
                           " \"desc\": \"made to fail\"}}");

    reply = testSimRun(sim, name, virJSONValueObjectGetObject(json, "arguments"));
    if (!reply || fails) {
        g_clear_pointer(&sim->events, g_free);
        return -1;
    }

    if (g_hash_table_contains(sim->replies, name))
        return testSimSend(sim, mon, g_hash_table_lookup(sim->replies, name));

    return testSimSend(sim, mon, reply);
}


size_t
testSimCount(const testSim *sim,
             const char *command)
{
    size_t n = 0;
    size_t i;

    for (i = 0; i < sim->log->len; i++)
        n += STREQ(g_ptr_array_index(sim->log, i), command);

    return n;
}


void
testSimServe(testSim *sim,
             qemuMonitorTest *mon)
{
    size_t i;

    for (i = 0; i < SIM_COMMANDS; i++)
        qemuMonitorTestAddHandler(mon, "simulated", testSimAnswer, sim, NULL);
    qemuMonitorTestAllowUnusedCommands(mon);
}
