/*
 * qemuhvballoonconftest.c: parsing, redefining and checking definitions with a
 *                          hyperv balloon, attaching and detaching sticks
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <config.h>

#include "qemu/qemu_alias.h"
#include "qemu/qemu_hotplug.h"
#include "qemu/qemu_hvballoon.h"
#include "qemu/qemu_hvballoon_stored.h"
#include "qemu/qemu_hvballoon_conf.h"
#include "qemuhvballoontestutils.h"

#define LIBVIRT_QEMU_MONITOR_PRIV_H_ALLOW
#include "qemu/qemu_monitor_priv.h"

#define VIR_FROM_THIS VIR_FROM_NONE

#define TIB (1024 * GIB)

/* Parse flags for a definition given by a user; for one that libvirt stored, or
 * from a migration or a saved guest; and for a running guest. */
#define NEW (VIR_DOMAIN_DEF_PARSE_INACTIVE | VIR_DOMAIN_DEF_PARSE_ABI_UPDATE)
#define STORED VIR_DOMAIN_DEF_PARSE_INACTIVE
#define RUNNING 0

#define XML_STICK_AT(alias, gib, where) \
    "<memory model='haprot'><target insert='on-demand'>" \
    "<size unit='GiB'>" gib "</size>" where "</target>" \
    "<alias name='" alias "'/></memory>"
#define XML_STICK(alias, gib) XML_STICK_AT(alias, gib, "")


/* @sizes: <maxMemory>, <memory>; @more: <cpu> and the like. */
static virDomainDef *
testDefNew(const char *type,
           const char *machine,
           unsigned long long maxMemory,
           unsigned long long memory,
           const char *more,
           const char *devices,
           unsigned int flags)
{
    g_autofree char *xml =
        g_strdup_printf("<domain type='%s'><name>guest</name>"
                        "<uuid>c7a5fdbd-edaf-9455-926a-d65c16db1809</uuid>"
                        "<maxMemory>%llu</maxMemory><memory>%llu</memory><vcpu>1</vcpu>"
                        "<os><type arch='x86_64' machine='%s'>hvm</type></os>"
                        "<features><acpi/></features>%s<devices>"
                        "<emulator>/usr/bin/qemu-system-x86_64</emulator>"
                        "<memballoon model='hyperv'/>%s</devices></domain>",
                        type, maxMemory, memory, machine, more, devices);

    return virDomainDefParseString(xml, testDriver.xmlopt, NULL, flags);
}


/*
 * Physical address bits
 */

typedef struct {
    const char *name;
    const char *type;
    const char *machine;
    const char *cpu;
    unsigned long long maxMemory;
    int hostBits;               /* 0: the host is not known */
    const char *vendor;         /* of the host */
    const char *error;          /* NULL: accepted */
} testSpaceCase;

#define PASSTHROUGH(more) "<cpu mode='host-passthrough'>" more "</cpu>"
#define MODEL(more) "<cpu mode='custom' match='exact' check='none'><model fallback='allow'>Nehalem</model>" more "</cpu>"

#define QEMU_ARG(value) \
    "<qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>" \
    "<qemu:arg value='-global'/><qemu:arg value='" value "'/></qemu:commandline>"

static const testSpaceCase spaceCases[] = {
    { "the host's, not known", "kvm", "q35", PASSTHROUGH(""), 64 * TIB, .error = NULL },
    { "the host's, enough", "kvm", "q35", PASSTHROUGH(""), 8 * TIB, 46, "Intel", NULL },
    { "the host's, 39 bits", "kvm", "q35", PASSTHROUGH(""), 1 * TIB, 39, "Intel",
      "needs 41 bits of physical address, the CPU of this domain has 39: lower <maxMemory> to 466616320 KiB or less" },
    { "host-model is a model", "kvm", "q35", "<cpu mode='host-model'/>", 1 * TIB, 46, "Intel", "has 40" },
    { "host-model with the host's bits", "kvm", "q35", "<cpu mode='host-model'><maxphysaddr mode='passthrough'/></cpu>", 1 * TIB, 46, "Intel", NULL },
    { "maximum has the host's", "kvm", "q35", "<cpu mode='maximum'/>", 1 * TIB, 39, "Intel", "has 39" },
    { "a model does not follow the host", "kvm", "q35", MODEL(""), 1 * TIB, 46, "Intel", "has 40" },
    { "a model with the host's bits", "kvm", "q35", MODEL("<maxphysaddr mode='passthrough'/>"), 1 * TIB, 46, "Intel", NULL },
    { "a model with a limit below the host's", "kvm", "q35", MODEL("<maxphysaddr mode='passthrough' limit='40'/>"), 1 * TIB, 46, "Intel", "has 40" },
    { "a model with a limit above the host's", "kvm", "q35", MODEL("<maxphysaddr mode='passthrough' limit='44'/>"), 1 * TIB, 39, "Intel", "has 39" },
    { "a model with a number of bits", "kvm", "q35", MODEL("<maxphysaddr mode='emulate' bits='41'/>"), 1 * TIB, 46, "Intel", NULL },
    { "host-passthrough ignores a lower number", "kvm", "q35", PASSTHROUGH("<maxphysaddr mode='emulate' bits='39'/>"), 1 * TIB, 46, "Intel", NULL },
    { "host-passthrough ignores a higher number", "kvm", "q35", PASSTHROUGH("<maxphysaddr mode='emulate' bits='46'/>"), 1 * TIB, 39, "Intel", "has 39" },
    { "host-passthrough with emulate, no number", "kvm", "q35", PASSTHROUGH("<maxphysaddr mode='emulate'/>"), 1 * TIB, 46, "Intel", "has 40" },
    { "a machine type of a distribution is not checked", "kvm", "pc-q35-rhel9.6.0", MODEL(""), 1 * TIB, 46, "Intel", NULL },
    { "another one of a distribution", "kvm", "pc-i440fx-noble-hpb", MODEL(""), 1 * TIB, 46, "Intel", NULL },
    { "a machine type that ignores memory devices", "kvm", "pc-i440fx-2.4", MODEL(""), 1 * TIB, 46, "Intel", NULL },
    { "a newer one does not", "kvm", "pc-i440fx-2.12", MODEL(""), 1 * TIB, 46, "Intel", "has 40" },
    { "bits set by <qemu:commandline>", "kvm", "q35", MODEL("") QEMU_ARG("x86_64-cpu.phys-bits=46"), 1 * TIB, 46, "Intel", NULL },
    { "other arguments do not count", "kvm", "q35", MODEL("") QEMU_ARG("x86_64-cpu.level=10"), 1 * TIB, 46, "Intel", "has 40" },
    { "without KVM the host does not count", "qemu", "q35", "<cpu mode='maximum'/>", 2 * TIB, 46, "Intel", "has 40" },
    { "without KVM passthrough does not count", "qemu", "q35", MODEL("<maxphysaddr mode='passthrough'/>"), 2 * TIB, 46, "Intel", "has 40" },
    { "without KVM, a number of bits", "qemu", "q35", "<cpu mode='maximum'><maxphysaddr mode='emulate' bits='42'/></cpu>", 2 * TIB, .error = NULL },
    /* the PCI hole of q35 is 32 GiB, that of pc 2 GiB */
    { "just below 1 TiB", "kvm", "q35", MODEL(""), 957 * GIB, .error = NULL },
    { "just above it", "kvm", "q35", MODEL(""), 957 * GIB + 2048, .error = "lower <maxMemory> to 1003487232 KiB or less" },
    { "the same with a smaller hole", "kvm", "pc", MODEL(""), 987 * GIB, .error = NULL },
    { "above it", "kvm", "pc", MODEL(""), 987 * GIB + 2048, .error = "has 40" },
    /* AMD: memory that would reach into the range at 1012 GiB is moved above 1 TiB */
    { "AMD below the range", "kvm", "pc", PASSTHROUGH(""), 975 * GIB, 40, "AMD", NULL },
    { "AMD above it, too few bits", "kvm", "pc", PASSTHROUGH(""), 975 * GIB + 2048, 40, "AMD", "needs 41 bits" },
    { "Intel above it", "kvm", "pc", PASSTHROUGH(""), 975 * GIB + 2048, 40, "Intel", NULL },
    { "AMD above it, enough bits", "kvm", "pc", PASSTHROUGH(""), 975 * GIB + 2048, 41, "AMD", NULL },
    { "AMD by name", "kvm", "pc", "<cpu mode='custom'><model vendor_id='AuthenticAMD'>Nehalem</model></cpu>",
      975 * GIB + 2048, 46, "Intel", "needs 41 bits" },
    { "AMD, an old machine type does not move memory", "kvm", "pc-i440fx-7.0", PASSTHROUGH(""), 975 * GIB + 2048, 40, "AMD", NULL },
    { "AMD, a newer machine type moves memory", "kvm", "pc-i440fx-7.1", PASSTHROUGH(""), 975 * GIB + 2048, 40, "AMD", "needs 41 bits" },
    { "AMD without KVM", "qemu", "pc", "<cpu mode='custom'><model fallback='allow'>EPYC</model></cpu>", 975 * GIB + 2048, .error = "needs 41 bits" },
    { "32-bit models are not checked", "qemu", "pc", "<cpu mode='custom'><model fallback='allow'>qemu32</model></cpu>", 2 * TIB, .error = NULL },
};


static int
testSpace(const void *opaque)
{
    const testSpaceCase *test = opaque;
    virCPUMaxPhysAddrDef addr = { .mode = VIR_CPU_MAX_PHYS_ADDR_MODE_PASSTHROUGH, .bits = test->hostBits };
    virCPUDef host = { .vendor = (char *)test->vendor, .addr = &addr };
    g_autoptr(virDomainDef) def =
        testDefNew(test->type, test->machine, test->maxMemory, 1 * GIB, test->cpu, "",
                   STORED | VIR_DOMAIN_DEF_PARSE_SKIP_VALIDATE);
    int rc;

    if (!def)
        return -1;

    rc = qemuHvBalloonCheckAddressSpace(def, testCaps, test->hostBits ? &host : NULL);
    CHECK((rc < 0) == (test->error != NULL), "%d: %s", rc, virGetLastErrorMessage());
    return testCheckError(test->error, rc);
}


/* QEMU decides how much of 16 GiB of boot memory is below the gap: what may fit is
 * accepted, and what an error suggests fits in any case. */
static int
testSpaceBoot(const void *opaque G_GNUC_UNUSED)
{
    const struct {
        const char *machine;
        unsigned long long maxMemory;
        const char *error;
    } cases[] = {
        { "q35", 960 * GIB, NULL },
        { "q35", 960 * GIB + 2048, "lower <maxMemory> to 1004535808 KiB or less" },
        { "pc", 990 * GIB, NULL },
        { "pc", 990 * GIB + 2048, "lower <maxMemory> to 1035993088 KiB or less" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(virDomainDef) def =
            testDefNew("kvm", cases[i].machine, cases[i].maxMemory, 16 * GIB, MODEL(""), "",
                       STORED | VIR_DOMAIN_DEF_PARSE_SKIP_VALIDATE);

        if (!def ||
            testCheckError(cases[i].error, qemuHvBalloonCheckAddressSpace(def, testCaps, NULL)) < 0)
            return -1;
    }

    return 0;
}


/* An error does not suggest bits that no host has. */
static int
testSpaceFix(const void *opaque G_GNUC_UNUSED)
{
    virCPUMaxPhysAddrDef addr = { .mode = VIR_CPU_MAX_PHYS_ADDR_MODE_PASSTHROUGH, .bits = 39 };
    virCPUDef host = { .vendor = (char *)"Intel", .addr = &addr };
    g_autoptr(virDomainDef) def = testDefNew("kvm", "q35", 1 * TIB, 1 * GIB, PASSTHROUGH(""), "", STORED);

    if (!def)
        return -1;

    CHECK(qemuHvBalloonCheckAddressSpace(def, testCaps, &host) < 0, "not refused");
    CHECK(!strstr(virGetLastErrorMessage(), "maxphysaddr"), "%s", virGetLastErrorMessage());

    addr.bits = 46;
    g_clear_pointer(&def, virDomainDefFree);
    if (!(def = testDefNew("kvm", "q35", 1 * TIB, 1 * GIB, MODEL(""), "",
                           STORED | VIR_DOMAIN_DEF_PARSE_SKIP_VALIDATE)))
        return -1;

    virResetLastError();
    CHECK(qemuHvBalloonCheckAddressSpace(def, testCaps, &host) < 0, "not refused");
    if (testCheckError("<maxphysaddr mode='passthrough'/>", -1) < 0)
        return -1;

    g_clear_pointer(&def, virDomainDefFree);
    if (!(def = testDefNew("qemu", "q35", 1 * TIB, 1 * GIB, MODEL(""), "",
                           STORED | VIR_DOMAIN_DEF_PARSE_SKIP_VALIDATE)))
        return -1;

    CHECK(qemuHvBalloonCheckAddressSpace(def, testCaps, NULL) < 0, "not refused");
    return testCheckError("<maxphysaddr mode='emulate' bits='41'/>", -1);
}


/*
 * Redefinitions
 */

typedef struct {
    const char *name;
    unsigned long long oldMemory;   /* GiB; 0: nothing was stored */
    const char *oldSticks;
    unsigned long long liveMemory;  /* GiB; 0: it does not run */
    const char *liveSticks;
    unsigned long long memory;      /* GiB */
    const char *sticks;
    unsigned long long boot;        /* GiB, after */
    size_t nmems;                   /* after */
} testRedefineCase;

#define TWO_STICKS XML_STICK("ua-haprot0", "2") XML_STICK("ua-haprot1", "1")

static const testRedefineCase redefineCases[] = {
    { "the same", 5, TWO_STICKS, 0, "", 5, TWO_STICKS, 2, 2 },
    { "a lower <memory> shrinks the driver's sticks", 5, TWO_STICKS, 0, "", 4, TWO_STICKS, 2, 1 },
    { "a lower <memory> shrinks boot memory when there are no such sticks left", 3, XML_STICK("ua-haprot0", "1"), 0, "", 2, XML_STICK("ua-haprot0", "1"), 2, 0 },
    { "a higher <memory> adds boot memory", 5, TWO_STICKS, 0, "", 6, TWO_STICKS, 3, 2 },
    { "a user's stick is kept", 6, TWO_STICKS XML_STICK("ua-mine", "1"), 0, "", 3, TWO_STICKS XML_STICK("ua-mine", "1"), 2, 1 },
    { "a user's stick and the driver's are kept", 6, TWO_STICKS XML_STICK("ua-mine", "1"), 0, "", 5, TWO_STICKS XML_STICK("ua-mine", "1"), 2, 2 },
    { "the definition is unchanged if sticks were edited", 6, XML_STICK("ua-haprot0", "3"), 0, "", 4, TWO_STICKS, 1, 2 },
    { "no sticks", 2, "", 0, "", 1, "", 1, 0 },
    { "while it runs", 5, TWO_STICKS, 2, "", 4, TWO_STICKS, 2, 1 },
    { "live XML", 2, "", 5, TWO_STICKS, 4, TWO_STICKS, 2, 1 },
    { "live XML of a guest that was not stored", 0, "", 5, TWO_STICKS, 4, TWO_STICKS, 2, 1 },
    { "live XML, unchanged", 2, "", 5, TWO_STICKS, 5, TWO_STICKS, 2, 2 },
    { "unchanged, but the guest booted with more", 5, TWO_STICKS, 6, TWO_STICKS, 5, TWO_STICKS, 2, 2 },
    { "the definition is unchanged if a stick was moved", 6, TWO_STICKS XML_STICK_AT("ua-mine", "1", "<address base='0x200000000'/>"),
      0, "", 5, TWO_STICKS XML_STICK_AT("ua-mine", "1", "<address base='0x1c0000000'/>"), 1, 3 },
};


static int
testRedefine(const void *opaque)
{
    const testRedefineCase *test = opaque;
    g_autoptr(virDomainDef) old =
        testDefNew("kvm", "q35", 8 * GIB, MAX(test->oldMemory, 1) * GIB, "", test->oldSticks, STORED);
    g_autoptr(virDomainDef) live =
        testDefNew("kvm", "q35", 8 * GIB, MAX(test->liveMemory, 1) * GIB, "", test->liveSticks, RUNNING);
    g_autoptr(virDomainDef) def =
        testDefNew("kvm", "q35", 8 * GIB, test->memory * GIB, "", test->sticks, NEW);
    virDomainObj vm = { .def = def };

    if (!old || !live || !def)
        return -1;

    if (test->liveMemory > 0) {
        vm.def = live;
        vm.newDef = def;
    }

    qemuHvBalloonRedefined(&testDriver, &vm, test->oldMemory > 0 ? old : NULL);
    CHECK(virDomainDefGetMemoryTotal(def) == test->memory * GIB,
           "total %llu KiB", virDomainDefGetMemoryTotal(def));
    CHECK(virDomainDefGetMemoryInitial(def) == test->boot * GIB,
           "boot memory %llu KiB", virDomainDefGetMemoryInitial(def));
    CHECK(def->nmems == test->nmems, "%zu sticks", def->nmems);
    return 0;
}


/* A stick that shrinks is still a multiple of the domain's huge pages, or QEMU
 * would not start. */
static int
testRedefineHugepages(const void *opaque G_GNUC_UNUSED)
{
    const char *pages = "<memoryBacking><hugepages><page size='1' unit='GiB'/></hugepages></memoryBacking>";
    g_autoptr(virDomainDef) old =
        testDefNew("kvm", "q35", 8 * GIB, 6 * GIB, pages, XML_STICK("ua-haprot0", "4"), STORED);
    g_autoptr(virDomainDef) def =
        testDefNew("kvm", "q35", 8 * GIB, 5 * GIB + GIB / 2, pages, XML_STICK("ua-haprot0", "4"), NEW);
    virDomainObj vm = { .def = def };

    if (!old || !def)
        return -1;

    qemuHvBalloonRedefined(&testDriver, &vm, old);
    CHECK(def->nmems == 1 && def->mems[0]->size == 3 * GIB,
           "%zu sticks, the first of %llu KiB", def->nmems, def->nmems ? def->mems[0]->size : 0);
    CHECK(virDomainDefGetMemoryTotal(def) == 5 * GIB + GIB / 2,
           "total %llu KiB", virDomainDefGetMemoryTotal(def));
    return 0;
}


/* A new definition drops the address of a driver's stick. A migration, a saved
 * guest and a running guest need it. */
static int
testStickAddress(const void *opaque G_GNUC_UNUSED)
{
    const struct {
        unsigned int flags;
        unsigned long long own;
    } reads[] = { { NEW, 0 }, { STORED, 0x180000000 }, { RUNNING, 0x180000000 } };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(reads); i++) {
        g_autoptr(virDomainDef) def =
            testDefNew("kvm", "q35", 8 * GIB, 4 * GIB, "",
                       XML_STICK_AT("ua-haprot3", "1", "<address base='0x180000000'/>")
                       XML_STICK_AT("ua-haprot", "1", "<address base='0x1c0000000'/>"),
                       reads[i].flags);

        if (!def)
            return -1;

        CHECK(def->mems[0]->target.haprot.address == reads[i].own,
               "%zu: the driver's at 0x%llx", i, def->mems[0]->target.haprot.address);
        CHECK(def->mems[1]->target.haprot.address == 0x1c0000000,
               "%zu: the user's at 0x%llx", i, def->mems[1]->target.haprot.address);
    }

    return 0;
}


/*
 * attach-device and detach-device
 */

static const char *const otherModels[] = {
    "<memory model='dimm'><target><size unit='MiB'>512</size><node>0</node></target></memory>",
    "<memory model='virtio-mem'><target><size unit='MiB'>512</size><node>0</node>"
    "<block unit='MiB'>2</block><requested unit='MiB'>512</requested></target></memory>",
    "<memory model='nvdimm'><source><path>/tmp/nvdimm</path></source>"
    "<target><size unit='MiB'>512</size><node>0</node></target></memory>",
    "<memory model='virtio-pmem' access='shared'><source><path>/tmp/pmem</path></source>"
    "<target><size unit='MiB'>512</size></target></memory>",
};


/* The guest has no NUMA cells, slots or addresses for them, but the error is about
 * the balloon. To be detached, any model may be described. */
static int
testOtherModels(const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(virDomainDef) def = testDefNew("kvm", "q35", 8 * GIB, 1 * GIB, "", "", STORED);
    size_t i;

    if (!def)
        return -1;

    for (i = 0; i < 2 * G_N_ELEMENTS(otherModels); i++) {
        unsigned int flags = i % 2 ? NEW : VIR_DOMAIN_DEF_PARSE_ABI_UPDATE;
        g_autoptr(virDomainDeviceDef) dev =
            virDomainDeviceDefParse(otherModels[i / 2], def, testDriver.xmlopt, NULL, flags);

        CHECK(!dev, "'%s' is taken", otherModels[i / 2]);
        if (testCheckError("of 524288 KiB cannot be used beside memory balloon model 'hyperv': "
                            "'virsh setmem' adds memory up to <maxMemory>", -1) < 0)
            return -1;
    }

    return 0;
}


/* Other models cannot be attached beside the balloon either. */
static int
testOtherModel(const void *opaque G_GNUC_UNUSED)
{
    const char *xml =
        "<memory model='dimm'><target><size unit='GiB'>1</size></target></memory>";
    g_autoptr(virDomainDef) def = testDefNew("kvm", "q35", 8 * GIB, 1 * GIB, "", "", RUNNING);
    g_autoptr(virDomainDeviceDef) dev = NULL;

    if (!def)
        return -1;

    dev = virDomainDeviceDefParse(xml, def, testDriver.xmlopt, NULL, NEW);
    CHECK(!dev, "taken");
    return testCheckError("or another balloon", -1);
}


/* What domain capabilities report can be defined. */
static int
testOffered(const void *opaque G_GNUC_UNUSED)
{
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

        qemuHvBalloonFillDomainCaps(testCaps, domCaps);
        CHECK(domCaps->memballoon.supported == machines[i].supported,
               "%s: %d", machines[i].machine, domCaps->memballoon.supported);
    }

    return 0;
}


typedef struct {
    const char *name;
    const char *state;          /* of the stick */
    const char *obstacle;       /* state of the balloon */
    const char *error;
} testDetachCase;

static const testDetachCase detachCases[] = {
    { "detach: in use", "inuse", "idle",
      "the stick 'ua-mine' of 1048576 KiB is in use by the guest: lower the guest's memory by setmem" },
    { "detach: another kernel", "inuse", "new-kernel",
      "the stick 'ua-mine' of 1048576 KiB cannot be removed: internal error: unable to execute QEMU command 'device_del': not today" },
    { "detach: no driver connected", "inuse", "disconnected",
      "the stick 'ua-mine' of 1048576 KiB cannot be removed: internal error: unable to execute QEMU command 'device_del': not today" },
    { "detach: another reason", "idle", "idle", "'ua-mine' of 1048576 KiB cannot be removed: internal error: unable to execute QEMU command 'device_del': not today" },
};


static int
testDetachScript(qemuMonitorTest *mon,
                 const testDetachCase *test)
{
    g_autofree char *sticks =
        g_strdup_printf("{\"return\": [{\"id\": \"ua-mine\", \"qom-path\": \"/machine/peripheral/ua-mine\","
                        " \"memdev\": \"/objects/memua-mine\", \"addr\": 4294967296, \"size\": 1073741824,"
                        " \"insert\": \"on-demand\", \"state\": \"%s\", \"added\": 1073741824, \"released\": 0}]}",
                        test->state);
    g_autofree char *info =
        g_strdup_printf("{\"return\": {\"connected\": true, \"guest\": \"linux\", \"can-balloon\": true,"
                        " \"can-hot-add\": true, \"alignment\": 134217728, \"state\": \"%s\","
                        " \"target\": 2147483648, \"actual\": 2147483648, \"boot\": 1073741824,"
                        " \"capacity\": 2147483648, \"released\": 0, \"in-doubt\": 0, \"ghosts\": 0,"
                        " \"ungranted\": 0, \"counters\": {}}}", test->obstacle);

    return qemuMonitorTestAddItem(mon, "device_del",
                                  "{\"error\": {\"class\": \"GenericError\", \"desc\": \"not today\"}}") < 0 ||
        qemuMonitorTestAddItem(mon, "query-haprot", sticks) < 0 ||
        qemuMonitorTestAddItem(mon, "qom-list", "{\"return\": []}") < 0 ||
        qemuMonitorTestAddItem(mon, "query-hv-balloon", info) < 0 ? -1 : 0;
}


static virDomainObj *
testRunningNew(void)
{
    virDomainObj *vm = virDomainObjNew(testDriver.xmlopt);
    qemuDomainObjPrivate *priv = vm->privateData;

    priv->qemuCaps = virObjectRef(testCaps);
    if (!(vm->def = testDefNew("kvm", "q35", 8 * GIB, 2 * GIB, "", XML_STICK("ua-mine", "1"), RUNNING)) ||
        qemuDomainAssignAddresses(vm->def, priv->qemuCaps, &testDriver, vm, true) < 0 ||
        qemuAssignDeviceAliases(vm->def) < 0) {
        virDomainObjEndAPI(&vm);
        return NULL;
    }

    vm->def->id = DOMAIN_ID;
    return vm;
}


static int
testDetach(const void *opaque)
{
    const testDetachCase *test = opaque;
    virDomainObj *vm = testRunningNew();
    virDomainDeviceDef dev = { .type = VIR_DOMAIN_DEVICE_MEMORY };
    qemuMonitorTest *mon;
    int rc = 0;
    int ret;

    if (!vm || !(mon = testMonitorNew(vm)))
        return -1;

    ret = testDetachScript(mon, test);
    dev.data.memory = vm->def->mems[0];
    if (ret == 0)
        rc = qemuDomainDetachDeviceLive(vm, &dev, &testDriver, false);

    if (rc == 0 || vm->def->nmems != 1) {
        fprintf(stderr, "it was removed\n");
        ret = -1;
    } else {
        ret = testCheckError(test->error, -1);
    }

    testMonitorEnd(vm, mon);
    testDomainEnd(&vm);
    return ret;
}


/* A stick as the running domain has it is found in the stored definition, which
 * does not know its address; one with another address is another one. */
static int
testFindStored(const void *opaque G_GNUC_UNUSED)
{
    g_autoptr(virDomainDef) stored = testDefNew("kvm", "q35", 8 * GIB, 2 * GIB, "", XML_STICK("ua-mine", "1"), STORED);
    g_autoptr(virDomainDef) running = testDefNew("kvm", "q35", 8 * GIB, 2 * GIB, "",
                                                 XML_STICK_AT("ua-mine", "1", "<address base='0x180000000'/>"), RUNNING);

    if (!stored || !running)
        return -1;

    CHECK(virDomainMemoryFindInactiveByDef(stored, running->mems[0]) == 0, "found without its address");
    CHECK(virDomainMemoryFindByDef(stored, running->mems[0]) == -1, "its address counts in a running domain");
    stored->mems[0]->target.haprot.address = 0x200000000;
    CHECK(virDomainMemoryFindInactiveByDef(stored, running->mems[0]) == -1, "another address");
    return 0;
}


/* No stick is changed into another one, nor into a DIMM, nor a DIMM into one. */
static int
testConfigUpdate(const void *opaque G_GNUC_UNUSED)
{
    virDomainMemoryDef stick = { .model = VIR_DOMAIN_MEMORY_MODEL_HAPROT };
    virDomainMemoryDef dimm = { .model = VIR_DOMAIN_MEMORY_MODEL_DIMM };

    CHECK(qemuHvBalloonCheckConfigUpdate(&dimm, &dimm) == 0, "a DIMM");
    CHECK(qemuHvBalloonCheckConfigUpdate(&stick, &stick) < 0, "a stick");
    CHECK(strstr(virGetLastErrorMessage(), "cannot modify memory of model 'haprot': detach"), "%s", virGetLastErrorMessage());
    CHECK(qemuHvBalloonCheckConfigUpdate(&dimm, &stick) < 0, "a DIMM becomes a stick");
    CHECK(qemuHvBalloonCheckConfigUpdate(&stick, &dimm) < 0, "a stick becomes a DIMM");
    virResetLastError();
    return 0;
}


static int
testAll(void)
{
    int ret = 0;

    RUN_ALL("", spaceCases, testSpace);
    RUN_ALL("", redefineCases, testRedefine);
    RUN_ALL("", detachCases, testDetach);

    if (virTestRun("boot memory on both sides of the gap", testSpaceBoot, NULL) < 0 ||
        virTestRun("what the CPU could have", testSpaceFix, NULL) < 0 ||
        virTestRun("a lower <memory> with huge pages", testRedefineHugepages, NULL) < 0 ||
        virTestRun("address of the driver's sticks", testStickAddress, NULL) < 0 ||
        virTestRun("memory devices of other models", testOtherModels, NULL) < 0 ||
        virTestRun("a memory device of another model", testOtherModel, NULL) < 0 ||
        virTestRun("a stick of the running domain in the stored definition", testFindStored, NULL) < 0 ||
        virTestRun("a stick is not changed into another one", testConfigUpdate, NULL) < 0 ||
        virTestRun("domain capabilities", testOffered, NULL) < 0)
        ret = -1;

    return ret;
}

HVBALLOON_TEST_MAIN(testAll)
