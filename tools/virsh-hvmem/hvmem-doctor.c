/*
 * hvmem-doctor.c: what a domain needs, judged
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-doctor.h"
#include "hvmem-explain.h"

#include <string.h>

#define VERSION(n) (n) / 1000000, (n) / 1000 % 1000, (n) % 1000


void
hvmemCheckFree(hvmemCheck *check)
{
    g_free(check->finding);
    g_free(check->remedy);
    g_free(check);
}


static void G_GNUC_PRINTF(5, 6)
add(GPtrArray *checks,
    hvmemVerdict verdict,
    const char *subject,
    const char *remedy,
    const char *finding,
    ...)
{
    hvmemCheck *check = g_new0(hvmemCheck, 1);
    va_list args;

    va_start(args, finding);
    check->finding = g_strdup_vprintf(finding, args);
    va_end(args);
    check->verdict = verdict;
    check->subject = subject;
    check->remedy = g_strdup(remedy);
    g_ptr_array_add(checks, check);
}


static GPtrArray *
newChecks(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify)hvmemCheckFree);
}


/*
 * The host
 */

static void
checkSoftware(GPtrArray *checks,
              const hvmemHost *host)
{
    if (!host->tried)
        add(checks, HVMEM_WARN, "hyperv balloon", "Ask again without --readonly.",
            "a read-only connection cannot try whether libvirt and QEMU have it");
    else if (!host->refusal)
        add(checks, HVMEM_PASS, "hyperv balloon", NULL, "libvirt and QEMU have it");
    else if (strstr(host->refusal, "haprot"))
        add(checks, HVMEM_FAIL, "QEMU", "Have <emulator> name the QEMU of this project, which has the device mem-haprot.",
            "%s", host->refusal);
    else
        add(checks, HVMEM_FAIL, "libvirt", "Connect to the libvirt daemon of this project (-c URI): the distribution's own does not know "
            "<memballoon model='hyperv'/>.", "%s", host->refusal);
}


static void
checkCeilings(GPtrArray *checks,
              const hvmemHost *host)
{
    g_autofree char *memory = hvmemFormatSize(host->memory);
    g_autofree char *sum = hvmemFormatSize(host->ceilings);

    if (host->ceilings > host->memory)
        add(checks, HVMEM_WARN, "host memory", "That is fine as long as not all grow at once; else lower some ceilings, or add swap.",
            "%s, and the running guests together may grow to %s", memory, sum);
    else
        add(checks, HVMEM_PASS, "host memory", NULL, "%s, and the running guests together may grow to %s", memory, sum);
}


GPtrArray *
hvmemDoctorHost(const hvmemHost *host)
{
    GPtrArray *checks = newChecks();

    if (host->kvm)
        add(checks, HVMEM_PASS, "KVM", NULL, "there");
    else
        add(checks, HVMEM_WARN, "KVM", "Guests run all the same, slowly (type='qemu'). For KVM: switch virtualisation on in the firmware, load kvm_intel or kvm_amd.",
            "not there");

    add(checks, host->libvirtVersion ? HVMEM_PASS : HVMEM_WARN, "libvirt",
        host->libvirtVersion ? NULL : "See whether the daemon runs.",
        "version %lu.%lu.%lu", VERSION(host->libvirtVersion));
    add(checks, host->qemuVersion ? HVMEM_PASS : HVMEM_WARN, "QEMU",
        host->qemuVersion ? NULL : "No emulator was found: install one, or name it in <emulator>.",
        host->qemuVersion ? "version %lu.%lu.%lu" : "version not known (%lu.%lu.%lu)", VERSION(host->qemuVersion));
    checkSoftware(checks, host);
    checkCeilings(checks, host);
    return checks;
}


/*
 * A domain
 */

static bool
checkModel(GPtrArray *checks,
           const hvmemDomain *dom)
{
    g_autofree char *name = hvmemShellWord(dom->name);
    g_autofree char *remedy = g_strdup_printf("virsh-hvmem enable %s", name);

    if (dom->hyperv) {
        add(checks, HVMEM_PASS, "balloon", NULL, "hyperv");
        return true;
    }
    add(checks, HVMEM_FAIL, "balloon", remedy, "model '%s', not hyperv", dom->model);
    return false;
}


static void
checkMachine(GPtrArray *checks,
             const hvmemDomain *dom)
{
    bool ok = g_strcmp0(dom->arch, "x86_64") == 0 && dom->machine &&
        (strstr(dom->machine, "q35") || g_str_has_prefix(dom->machine, "pc"));

    add(checks, ok ? HVMEM_PASS : HVMEM_FAIL, "machine", ok ? NULL : "It has to be x86_64 with machine type q35 or pc.",
        "%s, %s", dom->arch ? dom->arch : "?", dom->machine ? dom->machine : "?");
    add(checks, dom->acpi ? HVMEM_PASS : HVMEM_FAIL, "ACPI", dom->acpi ? NULL : "Put <acpi/> into <features>.", dom->acpi ? "on" : "off");
}


static void
checkEnlightenments(GPtrArray *checks,
                    const hvmemDomain *dom)
{
    if (dom->hypervPassthrough)
        add(checks, HVMEM_PASS, "enlightenments", NULL, "the host's (passthrough)");
    else if (dom->vpindex && dom->synic)
        add(checks, HVMEM_PASS, "enlightenments", NULL, "vpindex and synic are on");
    else
        add(checks, HVMEM_FAIL, "enlightenments", "Put <vpindex state='on'/> and <synic state='on'/> into <hyperv>; "
            "'virsh-hvmem enable' does it.", "%s off: the guest cannot find the balloon",
            dom->vpindex ? "synic is" : dom->synic ? "vpindex is" : "vpindex and synic are");
}


static void
checkVisible(GPtrArray *checks,
             const hvmemDomain *dom)
{
    if (dom->kvmVisible)
        add(checks, HVMEM_WARN, "KVM's interface", "For a Linux guest, put <kvm><hidden state='on'/></kvm> into <features>, shut down and start.",
            "visible: Linux takes it and then never looks for the balloon (Windows does)");
    else
        add(checks, HVMEM_PASS, "KVM's interface", NULL, "not visible to the guest");
}


static void
checkHibernation(GPtrArray *checks,
                 const hvmemDomain *dom)
{
    if (dom->hibernation)
        add(checks, HVMEM_FAIL, "hibernation", "Put <suspend-to-disk enabled='no'/> into <pm> ('virsh-hvmem enable' does it), "
            "then shut down and start.", "offered to the guest (ACPI S4): Linux then does not balloon");
    else
        add(checks, HVMEM_PASS, "hibernation", NULL, "not offered to the guest");
}


static void
checkCeiling(GPtrArray *checks,
             const hvmemDomain *dom)
{
    g_autofree char *max = hvmemFormatSize(dom->maxMemory);
    g_autofree char *total = hvmemFormatSize(dom->total);
    g_autofree char *name = hvmemShellWord(dom->name);
    g_autofree char *remedy = g_strdup_printf("virsh-hvmem enable %s --max SIZE, then shut down and start", name);

    if (dom->maxMemory == HVMEM_UNKNOWN)
        add(checks, HVMEM_WARN, "ceiling", remedy, "no <maxMemory>: the guest cannot grow past %s", total);
    else if (dom->maxMemory <= dom->total)
        add(checks, HVMEM_WARN, "ceiling", remedy, "%s, which is reached", max);
    else
        add(checks, HVMEM_PASS, "ceiling", NULL, "%s", max);
}


static void
checkBacking(GPtrArray *checks,
             const hvmemDomain *dom)
{
    if (dom->hostdevs || dom->locked)
        add(checks, HVMEM_WARN, "passthrough", "Use it to grow; what a guest gives up reaches the host only after it has been shut down.",
            "%s: the host cannot take memory back from a running guest",
            dom->hostdevs ? "devices are passed through (VFIO)" : "memory is locked");
    else
        add(checks, HVMEM_PASS, "passthrough", NULL, "no passed through device, no locked memory");

    if (dom->needs.stickPage)
        add(checks, HVMEM_WARN, "huge pages", "Reserve enough of them on the host before growing.",
            "memory comes and goes in whole huge pages only");
    else
        add(checks, HVMEM_PASS, "huge pages", NULL, "none");
}


static void
checkGuest(GPtrArray *checks,
           const hvmemDomain *dom)
{
    g_autoptr(hvmemExplanation) why = hvmemExplain(dom);

    if (!dom->active) {
        add(checks, HVMEM_PASS, "guest", NULL, "shut off; start it to have the rest checked");
        return;
    }
    if (!dom->told) {
        add(checks, HVMEM_WARN, "guest", "Try again in a moment.", "libvirt does not tell: it is busy with this guest");
        return;
    }

    if (dom->connected)
        add(checks, HVMEM_PASS, "guest driver", NULL, "connected");
    else
        add(checks, HVMEM_FAIL, "guest driver", why->remedy, "not connected");

    if (strcmp(dom->state, "not-onlined") == 0)
        add(checks, HVMEM_FAIL, "onlining", why->remedy, "the guest takes memory and does not use it");
    else if (dom->connected)
        add(checks, HVMEM_PASS, "onlining", NULL, "nothing waits for it");

    if (dom->connected && why->problem && strcmp(dom->state, "not-onlined") != 0)
        add(checks, HVMEM_FAIL, "state", why->remedy, "%s%s%s", why->label, dom->lastError ? ": " : "", dom->lastError ? dom->lastError : "");
    else if (dom->connected)
        add(checks, HVMEM_PASS, "state", NULL, "%s", why->label);
}


GPtrArray *
hvmemDoctorDomain(const hvmemDomain *dom)
{
    GPtrArray *checks = newChecks();

    if (!checkModel(checks, dom))
        return checks;

    checkMachine(checks, dom);
    checkEnlightenments(checks, dom);
    checkVisible(checks, dom);
    checkHibernation(checks, dom);
    checkCeiling(checks, dom);
    checkBacking(checks, dom);
    checkGuest(checks, dom);
    return checks;
}
