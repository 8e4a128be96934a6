/*
 * qemuhvballoonlabeltest.c: labels, cgroup and namespace of a stick
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <config.h>

#include "qemuhvballoontestutils.h"
#include "qemu/qemu_cgroup.h"
#include "qemu/qemu_hvballoon.h"
#include "qemu/qemu_namespace.h"
#include "qemu/qemu_security.h"
#include "virfile.h"

#define VIR_FROM_THIS VIR_FROM_NONE


/*
 * A stick that the driver plugs is labelled and added to the domain's cgroup and
 * namespace, like any memory device. The functions below override the driver's.
 */

typedef struct {
    const char *name;
    const char *backing;            /* XML */
    const char *paths;              /* labelled before the stick, one per line */
} testLabelCase;

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
static const char *testTraceFails;  /* the step that fails, NULL: none */


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
testLabelDomainNew(const testLabelCase *test)
{
    g_autofree char *vcpu = g_strdup_printf("%s<vcpu>", test->backing);
    g_autofree char *xml = virStringReplace(DOMAIN_XML("1", "", ""), "<vcpu>", vcpu);
    virDomainObj *vm = testDomainNewFrom(xml, testCaps, NULL);
    qemuDomainObjPrivate *priv;

    if (!vm)
        return NULL;

    priv = vm->privateData;
    g_free(priv->memoryBackingDir);
    priv->memoryBackingDir = g_strdup_printf("%s/ram/7-guest", testDriver.config->stateDir);
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
    rc = qemuHvBalloonSetMemory(&testDriver, vm, vm->def, NULL, 3 * GIB, 0);
    testTraceFails = NULL;

    testMonitorEnd(vm, mon);
    return rc;
}


/* The guest was restarted, with less memory. */
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
    qemuHvBalloonReconcile(&testDriver, vm);
    testMonitorEnd(vm, mon);

    CHECK(vm->def->nmems == 0, "removed");
    CHECK(STREQ(testTrace->str, "no label ua-haprot0\nno cgroup ua-haprot0\nno namespace ua-haprot0\n"),
          "%s", testTrace->str);
    CHECK(!virFileExists(file), "file '%s' removed", file);
    return 0;
}


/* One step fails: those before it are undone and QEMU gets no command. */
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


static void
testTouch(void *opaque)
{
    ignore_value(virFileTouch(opaque, 0600));
}


/* QEMU makes the file of a backend and leaves it behind if it cannot allocate all of
 * it; so does a daemon that dies. The next stick may be larger. */
static int
testLabelLeftOver(virDomainObj *vm,
                  testSim *sim)
{
    qemuDomainObjPrivate *priv = vm->privateData;
    g_autofree char *file = g_strdup_printf("%s/ua-haprot0", priv->memoryBackingDir);

    if (g_mkdir_with_parents(priv->memoryBackingDir, 0700) < 0)
        return -1;

    sim->failAt = sim->log->len + 3;    /* object-add, after three queries */
    sim->failed = testTouch;
    sim->opaque = file;
    CHECK(testLabelSet(vm, sim, NULL) < 0 && testSimCount(sim, "object-add") > 0, "not plugged");
    virResetLastError();
    sim->failAt = -1;
    CHECK(!virFileExists(file), "file '%s' removed", file);

    testTouch(file);
    CHECK(testLabelSet(vm, sim, NULL) == 0, "set: %s", virGetLastErrorMessage());
    CHECK(!virFileExists(file), "file '%s' removed before it is made again", file);
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
        g_autofree char *path = g_strdup_printf("%s/%s", testDriver.config->stateDir, folders[i]);

        if (virFileDeleteTree(path) < 0)
            return -1;
    }

    return 0;
}


static int
testLabels(const void *opaque)
{
    const testLabelCase *test = opaque;
    g_autoptr(testSim) sim = testSimNew();
    virDomainObj *vm = testLabelDomainNew(test);
    int ret = -1;

    /* what fails schedules a reconcile */
    testWorkerHold();
    sim->target = sim->actual = 1ULL << 30;
    testTrace = g_string_new("");
    if (vm && testLabelClean() == 0 && testLabelRun(test, vm) == 0 && testLabelFails(vm, sim) == 0 &&
        testLabelLeftOver(vm, sim) == 0)
        ret = 0;
    g_string_free(testTrace, true);
    testTrace = NULL;

    testDomainEnd(&vm);
    testWorkerRelease();
    return ret;
}


/* Sets mount points for huge pages that the test can write to. */
static void
testHugepagesInit(void)
{
    size_t i;

    for (i = 0; i < testDriver.config->nhugetlbfs; i++) {
        g_free(testDriver.config->hugetlbfs[i].mnt_dir);
        testDriver.config->hugetlbfs[i].mnt_dir = g_strdup_printf("%s/huge%zu", testDriver.config->stateDir, i);
    }
}


static int
testAll(void)
{
    int ret = 0;

    testHugepagesInit();
    RUN_ALL("labels: ", labelCases, testLabels);

    return ret;
}

HVBALLOON_TEST_MAIN(testAll)
