/*
 * hvmem-doctor-start.c: would the next start work?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-doctor.h"

#include <string.h>


static bool
isKVM(const hvmemDomain *dom)
{
    return g_strcmp0(dom->virtType, "kvm") == 0;
}


/* How to use the domain without KVM: what needs KVM has to be removed too. */
static char *
remedyWithoutKVM(const hvmemDomain *dom,
                 const hvmemHost *host)
{
    g_autofree char *only = hvmemHostLacks(host, false, (const char *const *)dom->needs.enlightenments);
    g_autoptr(GString) text = g_string_new("Put type='qemu' into <domain>, and <cpu mode='maximum'/>");

    if (dom->hypervPassthrough)
        g_string_append(text, ", and mode='custom' into <hyperv>");
    if (only)
        g_string_append_printf(text, ", and take %s out of <hyperv>", only);
    if (dom->needs.pvspinlock)
        g_string_append(text, ", and <pvspinlock> out of <features>");
    g_string_append(text, ": that needs nothing from the host, but is slow. ");
    return g_string_free(g_steal_pointer(&text), FALSE);
}


/* Does the host have the KVM that the domain needs? */
static void
checkKVM(GPtrArray *checks,
         const hvmemDomain *dom,
         const hvmemHost *host)
{
    g_autofree char *toQEMU = remedyWithoutKVM(dom, host);
    g_autofree char *lacks = hvmemHostLacks(host, true, hvmemNeeded);
    g_autofree char *firmware = g_strconcat(toQEMU, "For KVM: enable virtualisation in the firmware, load kvm_intel or kvm_amd.", NULL);
    g_autofree char *kernel = g_strconcat(toQEMU, HVMEM_KVM_REMEDY, NULL);

    if (!isKVM(dom))
        hvmemChecksAdd(checks, HVMEM_PASS, "KVM", NULL, "not used (type='%s'): the guest runs without KVM, slowly", dom->virtType ? dom->virtType : "?");
    else if (!host->kvm)
        hvmemChecksAdd(checks, HVMEM_FAIL, "KVM", firmware, "this host has none: the guest cannot be started");
    else if (lacks)
        hvmemChecksAdd(checks, HVMEM_FAIL, "KVM", kernel, "this host's KVM has no %s: %s", lacks,
                       dom->hypervPassthrough ? "the guest cannot find the balloon" : "the guest cannot be started");
    else if (!host->enlightenments)
        hvmemChecksAdd(checks, HVMEM_WARN, "KVM", "Starting the guest will show whether it has vpindex and synic.",
                       "libvirt gave no details of what this host's KVM supports");
    else
        hvmemChecksAdd(checks, HVMEM_PASS, "KVM", NULL, "this host's KVM has vpindex and synic");
}


/* Other features in <hyperv>, without which the guest does not start. Not if checkKVM() has reported KVM as unusable. */
static void
checkOtherEnlightenments(GPtrArray *checks,
                         const hvmemDomain *dom,
                         const hvmemHost *host)
{
    g_autoptr(GPtrArray) others = g_ptr_array_new();
    g_autofree char *needed = isKVM(dom) ? hvmemHostLacks(host, true, hvmemNeeded) : NULL;
    g_autofree char *lacks = NULL;
    size_t i;

    if (needed)
        return;

    if (dom->needs.pvspinlock && !dom->kvmVisible)
        hvmemChecksAdd(checks, HVMEM_FAIL, "pvspinlock", "Take <pvspinlock> out of <features> ('virsh edit').",
                       "on, but available only if the guest sees KVM's own interface: the guest cannot be started");

    if (dom->hypervPassthrough && !isKVM(dom)) {
        hvmemChecksAdd(checks, HVMEM_FAIL, "features", "Set mode='custom' in <hyperv> ('virsh edit').",
                       "<hyperv mode='passthrough'> needs KVM: the guest cannot be started");
        return;
    }

    for (i = 0; dom->needs.enlightenments[i]; i++) {
        if (!g_strv_contains(hvmemNeeded, dom->needs.enlightenments[i]))
            g_ptr_array_add(others, dom->needs.enlightenments[i]);
    }
    g_ptr_array_add(others, NULL);

    lacks = hvmemHostLacks(host, isKVM(dom), (const char *const *)others->pdata);
    if (lacks)
        hvmemChecksAdd(checks, HVMEM_FAIL, "features", "Take them out of <hyperv>, or set state='off' ('virsh edit').",
                       "%s %s: the guest cannot be started", isKVM(dom) ? "<hyperv> has features that this host's KVM does not have," :
                       "<hyperv> has features that work with KVM only,", lacks);
    else
        hvmemChecksAdd(checks, HVMEM_PASS, "features", NULL, "everything that <hyperv> requests is available");
}


/* Only what is known before the guest is started, when libvirt compares the CPUs. */
static void
checkCPU(GPtrArray *checks,
         const hvmemDomain *dom,
         const hvmemHost *host)
{
    if (dom->needs.invariantTSC && !isKVM(dom))
        hvmemChecksAdd(checks, HVMEM_FAIL, "CPU", "Take <feature name='invtsc'/> out of <cpu> ('virsh edit').",
                       "<cpu> requests 'invtsc', which needs KVM: the guest cannot be started");

    if (dom->needs.checkedInFull)
        hvmemChecksAdd(checks, HVMEM_FAIL, "CPU", "Set check='partial' in <cpu>, or add <feature policy='require' name='hypervisor'/> to it.",
                       "check='full', but <cpu> does not name 'hypervisor', which every guest's CPU has: the guest cannot be started");
    else if (dom->needs.exactCPU && host->cpuLacks)
        hvmemChecksAdd(checks, HVMEM_FAIL, "CPU", "Set check='none' in <cpu>, so that the guest starts without them, or use a model that is available here "
                       "('virsh domcapabilities').", "check='full', but no guest on this host can have %s: the guest cannot be started", host->cpuLacks);
    else if (dom->needs.exactCPU)
        hvmemChecksAdd(checks, HVMEM_WARN, "CPU", "Try to start it, or set check='partial' in <cpu>.",
                       "check='full': libvirt stops a guest whose CPU turns out to have other features than <cpu> says");
}


/* How many ppm libvirt lets the two differ, with KVM and without. */
#define TSC_TOLERANCE 250

static void
checkTSC(GPtrArray *checks,
         const hvmemDomain *dom,
         const hvmemHost *host)
{
    guint64 tolerance = host->tscFrequency * TSC_TOLERANCE / 1000000;

    if (dom->needs.tscFrequency && host->tscFrequency && hvmemDistance(dom->needs.tscFrequency, host->tscFrequency) > tolerance)
        hvmemChecksAdd(checks, HVMEM_FAIL, "TSC", "Take frequency= out of <timer name='tsc'> ('virsh edit').", "the guest requests %" G_GUINT64_FORMAT
                       " Hz, but this host supports %" G_GUINT64_FORMAT " only: the guest cannot be started", dom->needs.tscFrequency, host->tscFrequency);
}


/* Physical address bits of the guest's processor; 0: not known. */
static guint
addressBits(const hvmemDomain *dom,
            const hvmemHost *host)
{
    guint bits = dom->needs.addressBits ? dom->needs.addressBits : host->addressBits;

    return bits && dom->needs.addressLimit ? MIN(bits, dom->needs.addressLimit) : bits;
}


static guint64
ceiling(const hvmemDomain *dom)
{
    return dom->maxMemory == HVMEM_UNKNOWN ? dom->total : MAX(dom->maxMemory, dom->total);
}


static guint64
addressTop(const hvmemDomain *dom,
           const hvmemHost *host)
{
    return hvmemNeedsTop(&dom->needs, dom->boot, ceiling(dom), !(isKVM(dom) && host->intel));
}


/* The number of bits that @top needs. */
static guint
bitsFor(guint64 top)
{
    guint bits = 32;

    while (bits < 63 && top > 1ULL << bits)
        bits++;
    return bits;
}


/* How to give the processor more address bits; NULL if it is not possible. */
static char *
longerAddresses(const hvmemDomain *dom,
                const hvmemHost *host,
                guint64 top)
{
    guint bits = bitsFor(top);

    /* not for 32-bit models, nor beyond the host's own */
    if (dom->needs.addressBits < 40 || bits > 52 || (host->addressBits && bits > host->addressBits))
        return NULL;
    return isKVM(dom) ? g_strdup("<maxphysaddr mode='passthrough'/> in <cpu>") :
        g_strdup_printf("<maxphysaddr mode='emulate' bits='%u'/> in <cpu>", bits);
}


static char *
addressRemedy(const hvmemDomain *dom,
              const hvmemHost *host,
              guint bits)
{
    guint64 top = addressTop(dom, host);
    guint64 most = hvmemNeedsCeiling(&dom->needs, dom->boot, bits, !(isKVM(dom) && host->intel));
    g_autofree char *longer = longerAddresses(dom, host, top);
    g_autofree char *lower = most >= dom->total ? hvmemDomainEnable(dom, "--max", most) :
        g_strdup("Give it less <memory>");

    return g_strdup_printf("%s%s%s. Then shut down and start.", lower, longer ? ", or " : "", longer ? longer : "");
}


static void
checkCeiling(GPtrArray *checks,
             const hvmemDomain *dom,
             const hvmemHost *host)
{
    g_autofree char *max = hvmemFormatSize(ceiling(dom));
    g_autofree char *enable = hvmemDomainCommand(dom->name, dom->transient, "enable", "--max SIZE");
    g_autofree char *raise = g_strconcat(enable, ", then shut down and start", NULL);
    guint bits = addressBits(dom, host);

    if (bits && addressTop(dom, host) > 1ULL << MIN(bits, 63)) {
        g_autofree char *reach = hvmemFormatSize(1ULL << MIN(bits, 63));
        g_autofree char *remedy = addressRemedy(dom, host, bits);

        hvmemChecksAdd(checks, HVMEM_FAIL, "ceiling", remedy, "%s: with the room for sticks and devices, more than the %s that the guest's "
                       "CPU can address (%u bits): the guest cannot be started", max, reach, bits);
    } else if (dom->maxMemory == HVMEM_UNKNOWN) {
        hvmemChecksAdd(checks, HVMEM_WARN, "ceiling", raise, "no <maxMemory>: the guest cannot grow beyond %s", max);
    } else if (dom->maxMemory <= dom->total) {
        hvmemChecksAdd(checks, HVMEM_WARN, "ceiling", raise, "%s, which has been reached", max);
    } else {
        hvmemChecksAdd(checks, HVMEM_PASS, "ceiling", NULL, "%s", max);
    }
}


/* The host kills a QEMU that exceeds its <hard_limit>. */
static void
checkHardLimit(GPtrArray *checks,
               const hvmemDomain *dom)
{
    g_autofree char *limit = hvmemFormatSize(dom->needs.hardLimit);
    g_autofree char *max = hvmemFormatSize(ceiling(dom));
    g_autofree char *name = hvmemShellWord(dom->name);
    g_autofree char *remedy = g_strdup_printf("virsh memtune %s --config --hard-limit -1 removes it. A limit well above the ceiling is fine: "
                                              "QEMU needs memory of its own.", name);

    if (dom->needs.hardLimit == HVMEM_UNKNOWN)
        hvmemChecksAdd(checks, HVMEM_PASS, "memory limit", NULL, "none");
    else if (dom->needs.hardLimit <= ceiling(dom))
        hvmemChecksAdd(checks, HVMEM_FAIL, "memory limit", remedy, "<hard_limit> %s, but the guest may grow to %s: the host kills it before that", limit, max);
    else
        hvmemChecksAdd(checks, HVMEM_PASS, "memory limit", NULL, "<hard_limit> %s, above the ceiling", limit);
}


/* True if there are too few, which is then reported. */
static bool
checkFreePages(GPtrArray *checks,
               const hvmemPages *pages,
               const hvmemHost *host)
{
    guint64 free = hvmemHostFreePages(host, pages->size);
    guint64 size = pages->size == 1 ? 2 * HVMEM_MIB : pages->size;
    g_autofree char *page = hvmemSizeArgument(size);
    g_autofree char *need = hvmemFormatSize(pages->bytes);
    g_autofree char *have = hvmemFormatSize(free);
    g_autofree char *remedy = g_strdup_printf("virsh allocpages %s %" G_GUINT64_FORMAT ", or take <hugepages> out of <memoryBacking>.", page,
                                              (pages->bytes - MIN(pages->bytes, free) + size - 1) / size);

    if (free == HVMEM_UNKNOWN || free >= pages->bytes)
        return false;

    hvmemChecksAdd(checks, HVMEM_FAIL, "huge pages", remedy, "the guest starts with %s in pages of %s, but the host has %s free: it cannot be started",
                   need, page, have);
    return true;
}


static void
checkHugepages(GPtrArray *checks,
               const hvmemDomain *dom,
               bool runs,
               const hvmemHost *host)
{
    bool few = false;
    size_t i;

    /* a running guest has them already */
    for (i = 0; !runs && i < dom->needs.hugepages->len; i++)
        few |= checkFreePages(checks, &g_array_index(dom->needs.hugepages, hvmemPages, i), host);

    if (dom->needs.stickPage) {
        g_autofree char *size = dom->needs.stickPage == 1 ? g_strdup("the host's usual size") : hvmemFormatSize(dom->needs.stickPage);

        hvmemChecksAdd(checks, HVMEM_WARN, "huge pages", "Reserve enough of them on the host before growing.",
                       "of %s: memory is added and freed in whole pages only, and a stick takes all of its pages when it is plugged", size);
    } else if (!few) {
        hvmemChecksAdd(checks, HVMEM_PASS, "huge pages", NULL, dom->needs.hugepages->len ? "for boot memory only" : "none");
    }
}


/* QEMU allocates boot memory in one piece, and Linux refuses more than it has. */
static void
checkBootMemory(GPtrArray *checks,
                const hvmemDomain *dom,
                const hvmemHost *host)
{
    g_autofree char *boot = hvmemFormatSize(dom->boot);
    g_autofree char *memory = hvmemFormatSize(host->memory);

    if (host->memory && dom->boot > host->memory)
        hvmemChecksAdd(checks, HVMEM_FAIL, "boot memory", "Give it less <memory>: the rest can be added while it runs. Or add memory or swap to the host.",
                       "%s, and the host has %s", boot, memory);
    else
        hvmemChecksAdd(checks, HVMEM_PASS, "boot memory", NULL, "%s", boot);
}


static bool
hostHasAny(const hvmemHost *host,
           const char *list)
{
    guint i;

    for (i = 0; i < host->cpus; i++) {
        if (VIR_CPU_USED(host->cpuMap, i) && hvmemListHas(list, i))
            return true;
    }
    return false;
}


static void
checkPins(GPtrArray *checks,
          const hvmemDomain *dom,
          const hvmemHost *host)
{
    size_t i;

    if (!host->cpus || dom->needs.pins->len == 0)
        return;

    for (i = 0; i < dom->needs.pins->len; i++) {
        const char *list = dom->needs.pins->pdata[i];

        if (!hostHasAny(host, list)) {
            hvmemChecksAdd(checks, HVMEM_FAIL, "CPU pinning", "Change cpuset= in <cputune> and <vcpu> ('virsh edit'); 'virsh nodecpumap' shows what there is.",
                           "cpuset='%s': none of these CPUs is online on this host: the guest cannot be started", list);
            return;
        }
    }
    hvmemChecksAdd(checks, HVMEM_PASS, "CPU pinning", NULL, "to CPUs that are online");
}


static void
checkMissing(GPtrArray *checks,
             const hvmemHost *host)
{
    size_t i;

    for (i = 0; host->missing && i < host->missing->len; i++)
        hvmemChecksAdd(checks, HVMEM_FAIL, "devices", "Provide it, or change the definition ('virsh edit').",
                       "%s: the guest cannot be started", (const char *)host->missing->pdata[i]);
}


static const char *
cpuRemedy(const hvmemDomain *dom)
{
    return isKVM(dom) ? "Use another model, or none (<cpu mode='host-model'/>), or take features out of <cpu>. 'virsh domcapabilities' lists what "
        "is available; with check='none' the guest starts without what is missing." :
        "Replace it with <cpu mode='maximum'/>, or set check='none' in it, so that the guest starts without what is missing.";
}


static void
checkDefinition(GPtrArray *checks,
                const hvmemDomain *dom,
                const hvmemAnswer *definition)
{
    g_autofree char *name = hvmemShellWord(dom->name);
    g_autofree char *remedy = g_strdup_printf("The message says what to change, in the definition ('virsh edit %s') or on the host.", name);

    if (!definition->asked)
        hvmemChecksAdd(checks, HVMEM_SKIP, "definition", "Ask again without --readonly.", "a read-only connection cannot ask libvirt whether it accepts it");
    else if (definition->refusal && definition->forCPU)
        hvmemChecksAdd(checks, HVMEM_FAIL, "CPU", cpuRemedy(dom), "%s: the guest cannot be started", definition->refusal);
    else if (definition->refusal)
        hvmemChecksAdd(checks, HVMEM_FAIL, "definition", remedy, "%s", definition->refusal);
    else
        hvmemChecksAdd(checks, HVMEM_PASS, "definition", NULL, "libvirt accepts it");
}


void
hvmemDoctorStart(GPtrArray *checks,
                 const hvmemDomain *dom,
                 const hvmemHost *host,
                 const hvmemAnswer *definition)
{
    const hvmemDomain *stored = hvmemDomainStored(dom);

    checkKVM(checks, stored, host);
    checkOtherEnlightenments(checks, stored, host);
    checkCPU(checks, stored, host);
    checkTSC(checks, stored, host);
    checkCeiling(checks, stored, host);
    checkHardLimit(checks, stored);
    checkHugepages(checks, stored, dom->active, host);
    checkBootMemory(checks, stored, host);
    checkPins(checks, stored, host);
    checkMissing(checks, host);
    checkDefinition(checks, stored, definition);
}
