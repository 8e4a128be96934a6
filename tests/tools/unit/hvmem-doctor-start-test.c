/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hvmem-doctor-start-test.c: what the doctor finds about the next start of a guest: the host, the processor, the definition and its command line
 */

#include "hvmem-trial.h"
#include "hvmem-test-doctor.h"


/* One thing at a time, each of which keeps a guest from starting, or from its balloon, on a host that is otherwise good. */
static void
testWhatCannotWork(void)
{
    static const struct {
        const char *xml;
        const char *subject;
        hvmemVerdict verdict;
        const char *finding;    /* has this */
        const char *remedy;     /* and this */
    } cases[] = {
        { DOMAIN("kvm", "8", "", "<cpu mode='host-passthrough'><feature policy='disable' name='hypervisor'/></cpu>", ""),
          "hypervisor", HVMEM_FAIL, "never", "name='hypervisor'/> out of <cpu>" },
        { DOMAIN("kvm", "8", "<vendor_id state='on' value='none'/>", "", ""), "hypervisor", HVMEM_WARN, "'none'", "<vendor_id>" },
        { DOMAIN("kvm", "8", "<runtime state='on'/><ipi state='on'/>", "", ""), "features", HVMEM_FAIL, "does not have, ipi:", "<hyperv>" },
        { DOMAIN("qemu", "8", "<relaxed state='on'/><runtime state='on'/><spinlocks state='on' retries='8191'/>", "", ""),
          "features", HVMEM_FAIL, "KVM only, runtime:", "<hyperv>" },
        { "<domain type='kvm'><memory>1024</memory><features><pvspinlock state='on'/><kvm><hidden state='on'/></kvm></features>"
          "<devices><memballoon model='hyperv'/></devices></domain>", "pvspinlock", HVMEM_FAIL, "KVM's own", "<pvspinlock> out" },
        { "<domain type='qemu'><memory>1024</memory><features><acpi/><hyperv mode='passthrough'/></features>"
          "<devices><memballoon model='hyperv'/></devices></domain>", "features", HVMEM_FAIL, "passthrough", "mode='custom'" },
        { DOMAIN("qemu", "8", "<relaxed state='on'/>", "", ""), "features", HVMEM_PASS, "", NULL },
        { DOMAIN("kvm", "8", "", "<cpu mode='custom' match='exact' check='full'><model>EPYC</model></cpu>", ""), "CPU", HVMEM_FAIL, "'hypervisor'", "check='partial'" },
        { DOMAIN("kvm", "8", "", "", "<hostdev mode='subsystem' type='pci'/>"), "passthrough", HVMEM_WARN, "(VFIO)", "added memory returns" },
        { DOMAIN("kvm", "8", "", "<memoryBacking><locked/></memoryBacking>", "<hostdev mode='subsystem' type='pci'/>"),
          "passthrough", HVMEM_WARN, "memory is locked", "only when it is shut down" },
        { DOMAIN("kvm", "4096", "", "", ""), "ceiling", HVMEM_FAIL, "1 TiB that", "--max 945GiB, or <maxphysaddr mode='passthrough'/>" },
        { DOMAIN("qemu", "1000", "", "", ""), "ceiling", HVMEM_FAIL, "40 bits", "--max 945GiB, or <maxphysaddr mode='emulate' bits='42'/>" },
        { DOMAIN("kvm", "4096", "", "<cpu mode='host-passthrough'/>", ""), "ceiling", HVMEM_PASS, "4 TiB", NULL },
        { DOMAIN("kvm", "65536", "", "<cpu mode='host-passthrough'/>", ""), "ceiling", HVMEM_FAIL, "(46 bits)", "--max 64449GiB. Then" },
        { DOMAIN("kvm", "64", "", "<cpu><model>kvm32</model></cpu>", ""), "ceiling", HVMEM_FAIL, "36 bits", "--max 31GiB. Then" },
        { DOMAIN("kvm", "8", "", "<memtune><hard_limit unit='GiB'>4</hard_limit></memtune>", ""), "memory limit", HVMEM_FAIL, "8 GiB", "--hard-limit -1" },
        { DOMAIN("kvm", "8", "", "<memtune><hard_limit unit='GiB'>9</hard_limit></memtune>", ""), "memory limit", HVMEM_PASS, "9 GiB", NULL },
        { DOMAIN("kvm", "8", "", "<memoryBacking><hugepages><page size='2' unit='M'/></hugepages></memoryBacking>", ""),
          "huge pages", HVMEM_FAIL, "1 GiB in pages of 2MiB", "virsh allocpages 2MiB 512" },
        { DOMAIN("kvm", "8", "", "<cputune><vcpupin vcpu='0' cpuset='1'/><vcpupin vcpu='1' cpuset='2-7'/></cputune>", ""),
          "CPU pinning", HVMEM_FAIL, "cpuset='2-7'", "cpuset=" },
        { DOMAIN("kvm", "8", "", "<cputune><vcpupin vcpu='0' cpuset='1-7'/></cputune>", ""), "CPU pinning", HVMEM_PASS, "", NULL },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(hvmemHost) host = { 0 };
        g_autoptr(GPtrArray) checks = NULL;
        const hvmemCheck *check;

        fillHost(&host);
        host.cpus = 2;
        host.cpuMap = calloc(1, 1);
        host.cpuMap[0] = 3;
        checks = examine(cases[i].xml, false, &host);
        check = find(checks, cases[i].subject);

        g_test_message("%s: %s > %s", check->subject, check->finding, check->remedy);
        g_assert_cmpint(check->verdict, ==, cases[i].verdict);
        g_assert_nonnull(strstr(check->finding, cases[i].finding));
        g_assert_true(!cases[i].remedy == !check->remedy);
        g_assert_true(!cases[i].remedy || strstr(check->remedy, cases[i].remedy));
    }
}


#define LACKS "the CPU is incompatible with host CPU: Host CPU does not provide required features: "
#define VENDOR "the CPU is incompatible with host CPU: host CPU vendor does not match required CPU vendor AMD"

/* Only what is missing for certain keeps a guest from starting. */
static void
testCPULacks(void)
{
    static const struct {
        const char *hypervisor;
        const char *host;
        const char *lacks;
    } cases[] = {
        { LACKS "vme, xsavec, topoext, fxsr_opt", NULL, "vme, xsavec, fxsr_opt" },
        { LACKS "ht, cmp_legacy, vmx-apicv-x2apic", NULL, NULL },
        { VENDOR, NULL, NULL },
        /* KVM gives what the host has, or what it makes itself */
        { LACKS "pni, svm, sse4.1", LACKS "svm, x2apic", "svm" },
        { LACKS "pni", LACKS "x2apic", NULL },
        { LACKS "pni", "", NULL },
        { VENDOR, VENDOR, NULL },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *lacks = hvmemHostCPULacks(cases[i].hypervisor, cases[i].host);

        g_assert_cmpstr(lacks, ==, cases[i].lacks);
    }
}


#define FULL "<cpu mode='custom' match='exact' check='full'><model>EPYC</model><feature policy='require' name='hypervisor'/></cpu>"
#define INVTSC(policy) "<cpu mode='maximum'><feature policy='" policy "' name='invtsc'/></cpu>"

static void
testCPU(void)
{
    static const struct {
        const char *xml;
        const char *lacks;
        const char *refusal;
        hvmemVerdict verdict;
        const char *finding;
        const char *remedy;
    } cases[] = {
        { DOMAIN("qemu", "8", "", FULL, ""), "vme, osvw", NULL, HVMEM_FAIL, "can have vme, osvw:", "check='none'" },
        { DOMAIN("qemu", "8", "", FULL, ""), NULL, NULL, HVMEM_WARN, "check='full'", "check='partial'" },
        { DOMAIN("qemu", "8", "", INVTSC("require"), ""), NULL, NULL, HVMEM_FAIL, "'invtsc'", "out of <cpu>" },
        { DOMAIN("qemu", "8", "", INVTSC("force"), ""), NULL, NULL, HVMEM_FAIL, "'invtsc'", "out of <cpu>" },
        { DOMAIN("qemu", "8", "", INVTSC("optional"), ""), NULL, NULL, HVMEM_PASS, NULL, NULL },
        { DOMAIN("kvm", "8", "", INVTSC("require"), ""), NULL, NULL, HVMEM_PASS, NULL, NULL },
        { DOMAIN("kvm", "8", "", "<cpu mode='custom' check='partial'><model>EPYC</model></cpu>", ""), NULL, LACKS "svm",
          HVMEM_FAIL, "svm: the guest cannot", "'virsh domcapabilities'" },
        { DOMAIN("qemu", "8", "", "<cpu mode='custom' check='partial'><model>EPYC</model></cpu>", ""), NULL, LACKS "vme",
          HVMEM_FAIL, "vme: the guest cannot", "<cpu mode='maximum'/>" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(hvmemHost) host = { 0 };
        hvmemAnswer answer = { .asked = true, .refusal = (char *)cases[i].refusal, .forCPU = cases[i].refusal };
        g_autoptr(hvmemDomain) dom = domain(cases[i].xml, false);
        g_autoptr(GPtrArray) checks = NULL;
        const hvmemCheck *check;

        fillHost(&host);
        host.cpuLacks = g_strdup(cases[i].lacks);
        checks = hvmemDoctorDomain(dom, &host, &answer);
        if (cases[i].verdict == HVMEM_PASS) {
            g_assert_cmpint(find(checks, "definition")->verdict, ==, HVMEM_PASS);
            g_assert_false(has(checks, "CPU"));
            continue;
        }
        check = find(checks, "CPU");
        g_test_message("%s > %s", check->finding, check->remedy);
        g_assert_cmpint(check->verdict, ==, cases[i].verdict);
        g_assert_nonnull(strstr(check->finding, cases[i].finding));
        g_assert_nonnull(strstr(check->remedy, cases[i].remedy));
    }
}


#define TSC_CAPS(scaling) "<capabilities><host><cpu><counter name='tsc' frequency='2000000000' scaling='" scaling "'/></cpu></host></capabilities>"
#define TIMER(name, frequency) DOMAIN("qemu", "8", "", "<clock><timer name='" name "' frequency='" frequency "'/></clock>", "")

/* As far as libvirt goes: 250 millionths. */
static void
testTSC(void)
{
    static const struct {
        const char *caps;
        const char *xml;
        bool fails;
    } cases[] = {
        { TSC_CAPS("no"), TIMER("tsc", "2000500001"), true },
        { TSC_CAPS("no"), TIMER("tsc", "1999499999"), true },
        { TSC_CAPS("no"), TIMER("tsc", "2000500000"), false },
        { TSC_CAPS("no"), TIMER("tsc", "1999500000"), false },
        { TSC_CAPS("no"), TIMER("pit", "1000000000"), false },
        { TSC_CAPS("no"), GOOD, false },
        { TSC_CAPS("yes"), TIMER("tsc", "1000000000"), false },
        { "<capabilities/>", TIMER("tsc", "1000000000"), false },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(hvmemHost) host = { .memory = 16 * GIB, .balloon = taken };
        g_autoptr(GPtrArray) checks = NULL;

        hvmemHostReadCaps(&host, cases[i].caps);
        checks = examine(cases[i].xml, false, &host);
        g_assert_true(has(checks, "TSC") == cases[i].fails);
        if (cases[i].fails)
            g_assert_nonnull(strstr(find(checks, "TSC")->remedy, "frequency="));
    }
}


/* Whoever does without KVM is told of all that has to go with it. */
static void
testWithoutKVM(void)
{
    static const struct {
        const char *xml;
        const char *remedy;
    } cases[] = {
        { GOOD, "<cpu mode='maximum'/>: that needs" },
        { DOMAIN("kvm", "8", "<relaxed state='on'/><vapic state='on'/><runtime state='on'/><stimer state='on'/><ipi state='off'/>", "", ""),
          "<cpu mode='maximum'/>, and take vapic, runtime, stimer out of <hyperv>: that needs" },
        { "<domain type='kvm'><memory>1024</memory><features><pvspinlock state='on'/><hyperv mode='passthrough'/></features>"
          "<devices><memballoon model='hyperv'/></devices></domain>",
          ", and mode='custom' into <hyperv>, and <pvspinlock> out of <features>: that needs" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(hvmemHost) none = { .memory = 16 * GIB, .balloon = taken };
        g_auto(hvmemHost) old = { .memory = 16 * GIB, .balloon = taken };
        g_autoptr(GPtrArray) noneChecks = NULL;
        g_autoptr(GPtrArray) oldChecks = NULL;

        hvmemHostReadCaps(&none, CAPS("46", ""));
        hvmemHostReadCaps(&old, CAPS("46", KVM));
        hvmemHostReadDomainCaps(&old, DOMCAPS(VALUE("relaxed")));
        noneChecks = examine(cases[i].xml, false, &none);
        oldChecks = examine(cases[i].xml, false, &old);
        g_test_message("%s", find(noneChecks, "KVM")->remedy);
        g_assert_nonnull(strstr(find(noneChecks, "KVM")->remedy, cases[i].remedy));
        g_assert_nonnull(strstr(find(oldChecks, "KVM")->remedy, cases[i].remedy));
    }
}


static void
testBootMemory(void)
{
    g_auto(hvmemHost) host = { 0 };
    g_autoptr(GPtrArray) fits = NULL;
    g_autoptr(GPtrArray) large = NULL;

    fillHost(&host);
    host.memory = GIB;
    fits = examine(GOOD, false, &host);
    host.memory = GIB - MIB;
    large = examine(GOOD, false, &host);
    g_assert_cmpint(find(fits, "boot memory")->verdict, ==, HVMEM_PASS);
    g_assert_cmpint(find(large, "boot memory")->verdict, ==, HVMEM_FAIL);
}


static void
testMissing(void)
{
    g_auto(hvmemHost) host = { 0 };
    g_autoptr(GPtrArray) checks = NULL;

    fillHost(&host);
    host.missing = g_ptr_array_new();
    g_ptr_array_add(host.missing, (char *)"file '/x' is not available");
    checks = examine(GOOD, false, &host);
    g_assert_cmpint(find(checks, "devices")->verdict, ==, HVMEM_FAIL);
}


/* Free huge pages count for one that is to be started; one that runs has its own already. */
static void
testFreePages(void)
{
    const char *xml = DOMAIN("kvm", "8", "", "<memoryBacking><hugepages/></memoryBacking>", "");
    g_auto(hvmemHost) host = { 0 };
    g_autoptr(GPtrArray) enough = NULL;
    g_autoptr(GPtrArray) few = NULL;
    g_autoptr(GPtrArray) runs = NULL;

    fillHost(&host);
    g_array_index(host.freePages, hvmemPages, 0).bytes = GIB;
    enough = examine(xml, false, &host);
    g_array_index(host.freePages, hvmemPages, 0).bytes = GIB - 2 * MIB;
    few = examine(xml, false, &host);
    runs = examine(xml, true, &host);
    g_assert_cmpint(find(enough, "huge pages")->verdict, ==, HVMEM_WARN);
    g_assert_cmpint(find(few, "huge pages")->verdict, ==, HVMEM_FAIL);
    g_assert_nonnull(strstr(find(few, "huge pages")->remedy, "allocpages 2MiB 1,"));
    g_assert_cmpint(find(runs, "huge pages")->verdict, ==, HVMEM_WARN);
}


/* What libvirt says of KVM on the host, and what follows for a guest with it. */
static void
testKVM(void)
{
    static const struct {
        const char *caps;
        const char *domCaps;    /* NULL: none could be had */
        hvmemVerdict host;
        hvmemVerdict guest;
        const char *finding;
    } cases[] = {
        { CAPS("46", KVM), DOMCAPS(VALUE("vpindex") VALUE("synic")), HVMEM_PASS, HVMEM_PASS, "has vpindex and synic" },
        { CAPS("46", KVM), DOMCAPS(VALUE("spinlocks") VALUE("vendor_id")), HVMEM_WARN, HVMEM_FAIL, "no vpindex, synic" },
        { CAPS("46", KVM), DOMCAPS(VALUE("vpindex")), HVMEM_WARN, HVMEM_FAIL, "no synic" },
        { CAPS("46", KVM), "<domainCapabilities><features><hyperv supported='no'/></features></domainCapabilities>",
          HVMEM_WARN, HVMEM_FAIL, "no vpindex, synic" },
        { CAPS("46", KVM), "<domainCapabilities/>", HVMEM_WARN, HVMEM_WARN, "gave no details" },
        { CAPS("46", KVM), NULL, HVMEM_WARN, HVMEM_WARN, "gave no details" },
        { CAPS("46", ""), NULL, HVMEM_WARN, HVMEM_FAIL, "has none" },
        { NULL, NULL, HVMEM_WARN, HVMEM_FAIL, "has none" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(hvmemHost) host = { .memory = 16 * GIB, .balloon = taken };
        g_autoptr(GPtrArray) hostChecks = NULL;
        g_autoptr(GPtrArray) kvm = NULL;
        g_autoptr(GPtrArray) passthrough = NULL;
        g_autoptr(GPtrArray) qemu = NULL;

        hvmemHostReadCaps(&host, cases[i].caps);
        hvmemHostReadDomainCaps(&host, cases[i].domCaps);
        hostChecks = hvmemDoctorHost(&host);
        kvm = examine(GOOD, false, &host);
        passthrough = examine("<domain type='kvm'><memory>1048576</memory><features><hyperv mode='passthrough'/></features>"
                              "<devices><memballoon model='hyperv'/></devices></domain>", false, &host);
        qemu = examine(DOMAIN("qemu", "8", "", "", ""), false, &host);

        g_test_message("%s", find(kvm, "KVM")->finding);
        g_assert_cmpint(find(hostChecks, "KVM")->verdict, ==, cases[i].host);
        g_assert_cmpint(find(kvm, "KVM")->verdict, ==, cases[i].guest);
        g_assert_nonnull(strstr(find(kvm, "KVM")->finding, cases[i].finding));
        g_assert_cmpint(find(passthrough, "KVM")->verdict, ==, cases[i].guest);
        g_assert_cmpint(find(qemu, "KVM")->verdict, ==, HVMEM_PASS);
    }
}


static void
testDefinition(void)
{
    const hvmemAnswer unasked = { 0 };
    const hvmemAnswer refused = { .asked = true, .refusal = (char *)"x is not supported" };
    g_auto(hvmemHost) host = { 0 };
    g_autoptr(hvmemDomain) dom = domain(GOOD, false);
    g_autoptr(GPtrArray) unaskedChecks = NULL;
    g_autoptr(GPtrArray) refusedChecks = NULL;

    fillHost(&host);
    unaskedChecks = hvmemDoctorDomain(dom, &host, &unasked);
    refusedChecks = hvmemDoctorDomain(dom, &host, &refused);
    g_assert_cmpint(find(unaskedChecks, "definition")->verdict, ==, HVMEM_SKIP);
    g_assert_cmpint(find(refusedChecks, "definition")->verdict, ==, HVMEM_FAIL);
    g_assert_cmpstr(find(refusedChecks, "definition")->finding, ==, refused.refusal);
}


/* A command line as libvirt makes it in the C locale for the domain "field Windows 10 (büro)". */
static void
testCutName(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(hvmemTrialArgv("-name 'guest=b\303\274ro' -object '{\"file\":\"/x/domain-1-b\303\274ro/y\"}'", &error));
    g_assert_no_error(error);
    g_assert_false(hvmemTrialArgv("-name 'guest=b\303\274ro' -object '{\"file\":\"/x/domain-1-b\303/y\"}'", &error));
    g_assert_nonnull(strstr(error->message, "virsh domrename"));
}


#define BALLOON "qemu -device '{\"driver\":\"hv-balloon\",\"id\":\"balloon0\"}'"

/* Command lines that libvirt makes and QEMU refuses, or with which the guest finds no balloon. */
static void
testCommandLine(void)
{
    static const struct {
        const char *argv;
        const char *error;      /* NULL: good */
    } cases[] = {
        { "LC_ALL=C " BALLOON " -accel tcg -cpu max,hv-vpindex=on,hv-synic=on", NULL },
        { BALLOON " -accel kvm -cpu host,hv-passthrough=on,kvm=off", NULL },
        { BALLOON " -cpu max,hv-vpindex=on,hv-synic=on -cpu host,kvm=off", "-cpu host,kvm=off'" },
        { BALLOON " -cpu max,hv-vpindex=on,hv-synic=on -cpu 'host,hv_vpindex,hv_synic'", NULL },
        { BALLOON " -cpu max,hv-vpindex=on,hv-synic=on -cpu host,hv_vpindex,hv_synic=off", "hv-vpindex,hv-synic' to it" },
        { "qemu -device '{\"driver\":\"virtio-balloon-pci\"}' -cpu host,kvm=off", NULL },
        { "qemu -name guest=hv-balloon -cpu host,-hypervisor", NULL },
        { BALLOON " -cpu host,hv-vpindex,+hv-synic,-hypervisor", "hides the hypervisor" },
        { BALLOON " -cpu host,hv-vpindex,hv-synic,hypervisor=off", "hides the hypervisor" },
        { "qemu -accel tcg -cpu max,kvm-pv-unhalt=on,hv-vpindex=on,hv-synic=on", "<pvspinlock" },
        { "qemu -accel kvm -cpu max,kvm-pv-unhalt=on,hv-vpindex=on,hv-synic=on", NULL },
        { "qemu -object '{\"qom-type\":\"memory-backend-ram\",\"id\":\"ram-node1\",\"size\":0}'", "NUMA cell" },
        { "qemu -object '{\"qom-type\":\"memory-backend-file\",\"size\":0,\"policy\":\"bind\"}'", "NUMA cell" },
        { "qemu -object '{\"qom-type\":\"memory-backend-ram\",\"id\":\"pc.ram\",\"size\":1073741824}'", NULL },
        { "qemu -append 'a b'", "<kernel>" },
        { "qemu -initrd /i", "<kernel>" },
        { "qemu -kernel /k -initrd /i -append quiet", NULL },
        { "qemu 'half a word", NULL },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        bool good = hvmemTrialArgv(cases[i].argv, &error);

        g_test_message("%s: %s", cases[i].argv, good ? "good" : error->message);
        g_assert_true(good == !cases[i].error);
        g_assert_true(good || strstr(error->message, cases[i].error));
    }
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/hvmem/doctor/what-cannot-work", testWhatCannotWork);
    g_test_add_func("/hvmem/doctor/boot-memory", testBootMemory);
    g_test_add_func("/hvmem/doctor/free-pages", testFreePages);
    g_test_add_func("/hvmem/doctor/missing", testMissing);
    g_test_add_func("/hvmem/doctor/kvm", testKVM);
    g_test_add_func("/hvmem/doctor/without-kvm", testWithoutKVM);
    g_test_add_func("/hvmem/doctor/cpu", testCPU);
    g_test_add_func("/hvmem/doctor/tsc", testTSC);
    g_test_add_func("/hvmem/doctor/cpu-lacks", testCPULacks);
    g_test_add_func("/hvmem/doctor/definition", testDefinition);
    g_test_add_func("/hvmem/doctor/cut-name", testCutName);
    g_test_add_func("/hvmem/doctor/command-line", testCommandLine);

    return g_test_run();
}
