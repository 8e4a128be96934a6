/*
 * hvmem-doctor.c: checks of the host and of a domain
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-doctor.h"
#include "hvmem-explain.h"

#include <string.h>

#define VERSION(n) (n) / 1000000, (n) / 1000 % 1000, (n) % 1000


/*
 * The host
 */

/* KVM may be available but unusable: the balloon needs its SynIC. */
static void
checkKVM(GPtrArray *checks,
         const hvmemHost *host)
{
    g_autofree char *lacks = hvmemHostLacks(host, true, hvmemNeeded);

    if (!host->kvm)
        hvmemChecksAdd(checks, HVMEM_WARN, "KVM", "Guests also run without it, slowly (type='qemu'). For KVM: enable virtualisation in the firmware, "
                       "load kvm_intel or kvm_amd.", "not available");
    else if (lacks)
        hvmemChecksAdd(checks, HVMEM_WARN, "KVM", "Guests with this balloon also run without it, slowly (type='qemu'). " HVMEM_KVM_REMEDY,
                       "available, but without %s: no guest with this balloon can use it", lacks);
    else if (!host->enlightenments)
        hvmemChecksAdd(checks, HVMEM_WARN, "KVM", "The first guest that uses it will show whether it has vpindex and synic.",
                       "available; libvirt gave no details of what it supports");
    else
        hvmemChecksAdd(checks, HVMEM_PASS, "KVM", NULL, "available, with vpindex and synic");
}


static void
checkSoftware(GPtrArray *checks,
              const hvmemHost *host)
{
    if (!host->balloon.asked)
        hvmemChecksAdd(checks, HVMEM_SKIP, "hyperv balloon", "Ask again without --readonly.",
            "a read-only connection cannot test whether libvirt and QEMU support it");
    else if (!host->balloon.refusal)
        hvmemChecksAdd(checks, HVMEM_PASS, "hyperv balloon", NULL, "supported by libvirt and QEMU");
    else if (strstr(host->balloon.refusal, "haprot"))
        hvmemChecksAdd(checks, HVMEM_FAIL, "QEMU", "Set <emulator> to this project's QEMU, which has the device mem-haprot.",
            "%s", host->balloon.refusal);
    else
        hvmemChecksAdd(checks, HVMEM_FAIL, "libvirt", "Connect to the libvirt daemon of this project (-c URI): the distribution's own does not know "
            "<memballoon model='hyperv'/>.", "%s", host->balloon.refusal);
}


static void
checkCeilings(GPtrArray *checks,
              const hvmemHost *host)
{
    g_autofree char *memory = hvmemFormatSize(host->memory);
    g_autofree char *sum = hvmemFormatSize(host->ceilings);
    const char *who = host->oneMore ? "the running guests and this one" : "the running guests";

    if (host->ceilings > host->memory)
        hvmemChecksAdd(checks, HVMEM_WARN, "host memory", "This is fine unless all of them grow at once; otherwise lower some ceilings, or add swap.",
            "%s, and %s together may grow to %s", memory, who, sum);
    else
        hvmemChecksAdd(checks, HVMEM_PASS, "host memory", NULL, "%s, and %s together may grow to %s", memory, who, sum);
}


GPtrArray *
hvmemDoctorHost(const hvmemHost *host)
{
    GPtrArray *checks = hvmemChecksNew();

    checkKVM(checks, host);
    hvmemChecksAdd(checks, host->libvirtVersion ? HVMEM_PASS : HVMEM_WARN, "libvirt",
        host->libvirtVersion ? NULL : "Check whether the daemon runs.",
        "version %lu.%lu.%lu", VERSION(host->libvirtVersion));
    hvmemChecksAdd(checks, host->qemuVersion ? HVMEM_PASS : HVMEM_WARN, "QEMU",
        host->qemuVersion ? NULL : "No emulator was found: install one, or name it in <emulator>.",
        host->qemuVersion ? "version %lu.%lu.%lu" : "version not known (%lu.%lu.%lu)", VERSION(host->qemuVersion));
    checkSoftware(checks, host);
    checkCeilings(checks, host);
    hvmemDoctorBalancer(checks, host);
    if (host->savesGuests && host->balloon.refusal)
        hvmemChecksAdd(checks, HVMEM_WARN, "host shutdown", "Set ON_SHUTDOWN=shutdown in the configuration of libvirt-guests.",
                       "libvirt-guests saves guests (ON_SHUTDOWN=suspend), which is refused with this balloon on this QEMU: they are cut off");
    return checks;
}


/*
 * A domain
 */

/* Which of the two definitions has the balloon: what runs, or what is stored for the next start? NULL: none. */
static const hvmemDomain *
checkModel(GPtrArray *checks,
           const hvmemDomain *dom)
{
    const hvmemDomain *stored = hvmemDomainStored(dom);
    g_autofree char *pending = hvmemDomainPending(dom);
    g_autofree char *enable = hvmemDomainCommand(dom->name, dom->transient, "enable", NULL);

    if (!dom->hyperv && !stored->hyperv) {
        hvmemChecksAdd(checks, HVMEM_FAIL, "balloon", enable, "model '%s', not hyperv", dom->model);
        return NULL;
    }

    if (pending)
        hvmemChecksAdd(checks, HVMEM_WARN, "balloon", pending, "%s", dom->savedModel ? "the next start does not use the definition" :
                       "the running guest and the next start differ");
    else
        hvmemChecksAdd(checks, HVMEM_PASS, "balloon", NULL, "hyperv");
    return dom->hyperv ? dom : stored;
}


static void
checkMachine(GPtrArray *checks,
             const hvmemDomain *dom)
{
    bool ok = g_strcmp0(dom->arch, "x86_64") == 0 && dom->machine &&
        (strstr(dom->machine, "q35") || g_str_has_prefix(dom->machine, "pc"));

    hvmemChecksAdd(checks, ok ? HVMEM_PASS : HVMEM_FAIL, "machine", ok ? NULL : "Use x86_64 with machine type q35 or pc.",
        "%s, %s", dom->arch ? dom->arch : "?", dom->machine ? dom->machine : "?");
    hvmemChecksAdd(checks, dom->acpi ? HVMEM_PASS : HVMEM_FAIL, "ACPI", dom->acpi ? NULL : "Add <acpi/> to <features>.", dom->acpi ? "on" : "off");
}


static void
checkEnlightenments(GPtrArray *checks,
                    const hvmemDomain *dom)
{
    if (dom->hypervPassthrough)
        hvmemChecksAdd(checks, HVMEM_PASS, "enlightenments", NULL, "the host's (passthrough)");
    else if (dom->vpindex && dom->synic)
        hvmemChecksAdd(checks, HVMEM_PASS, "enlightenments", NULL, "vpindex and synic are on");
    else
        hvmemChecksAdd(checks, HVMEM_FAIL, "enlightenments", "Add <vpindex state='on'/> and <synic state='on'/> to <hyperv>; "
            "'virsh-hvmem enable' does so.", "%s off: the guest cannot find the balloon",
            dom->vpindex ? "synic is" : dom->synic ? "vpindex is" : "vpindex and synic are");
}


static void
checkVisible(GPtrArray *checks,
             const hvmemDomain *dom)
{
    if (dom->kvmVisible)
        hvmemChecksAdd(checks, HVMEM_WARN, "KVM's interface", "For a Linux guest, add <kvm><hidden state='on'/></kvm> to <features>, shut down and start.",
            "visible: Linux uses it and then never looks for the balloon (Windows does)");
    else
        hvmemChecksAdd(checks, HVMEM_PASS, "KVM's interface", NULL, "not visible to the guest");
}


/* Otherwise a Linux guest sees no hypervisor, or another vendor's. */
static void
checkHypervisor(GPtrArray *checks,
                const hvmemDomain *dom)
{
    if (dom->needs.hypervisorHidden)
        hvmemChecksAdd(checks, HVMEM_FAIL, "hypervisor", "Take <feature policy='disable' name='hypervisor'/> out of <cpu>, then shut down and start.",
                       "hidden from the guest by its CPU: the guest never looks for the balloon");
    else if (dom->needs.hypervVendor)
        hvmemChecksAdd(checks, HVMEM_WARN, "hypervisor", "For a Linux guest, take <vendor_id> out of <hyperv>, then shut down and start.",
                       "Hyper-V has the name '%s': Linux then never looks for the balloon (Windows does)", dom->needs.hypervVendor);
    else
        hvmemChecksAdd(checks, HVMEM_PASS, "hypervisor", NULL, "shown to the guest as Hyper-V");
}


static void
checkHibernation(GPtrArray *checks,
                 const hvmemDomain *dom)
{
    if (dom->hibernation)
        hvmemChecksAdd(checks, HVMEM_FAIL, "hibernation", "Add <suspend-to-disk enabled='no'/> to <pm> ('virsh-hvmem enable' does so), "
            "then shut down and start.", "offered to the guest (ACPI S4): Linux then does not balloon");
    else
        hvmemChecksAdd(checks, HVMEM_PASS, "hibernation", NULL, "not offered to the guest");
}


static void
checkBacking(GPtrArray *checks,
             const hvmemDomain *dom)
{
    if (dom->locked)
        hvmemChecksAdd(checks, HVMEM_WARN, "passthrough", "The guest can grow, but what it gives up returns to the host only when it is shut down.",
            "memory is locked: the host cannot take memory back from a running guest");
    else if (dom->hostdevs)
        hvmemChecksAdd(checks, HVMEM_WARN, "passthrough", "Let the guest start with little memory and grow: what it gives up of added memory returns.",
            "devices are passed through (VFIO): the host cannot take back what a running guest had at its start");
    else
        hvmemChecksAdd(checks, HVMEM_PASS, "passthrough", NULL, "no passed-through devices, no locked memory");
}


/* A guest keeps pages that it has touched, unless it reports them. */
static void
checkReporting(GPtrArray *checks,
               const hvmemDomain *dom,
               const hvmemHost *host)
{
    g_autofree char *enable = hvmemDomainCommand(dom->name, dom->transient, "enable", "--free-page-reporting");
    g_autofree char *remedy = g_strdup_printf("%s, then shut down and start. A host that it is migrated to must have it, too.", enable);
    bool kvm = g_strcmp0(dom->virtType, "kvm") == 0;

    if (dom->freePageReporting)
        hvmemChecksAdd(checks, HVMEM_PASS, "free pages", NULL, "reported by the guest, and freed");
    else if (kvm && !hvmemHostReportsPages(host->kernel))
        hvmemChecksAdd(checks, HVMEM_PASS, "free pages", NULL, host->kernel ? "not reported: with KVM that needs Linux 6.3, and this host has %s" :
                       "not reported (with KVM that needs Linux 6.3)", host->kernel);
    else if (host->balloon.fixed)
        hvmemChecksAdd(checks, HVMEM_PASS, "free pages", NULL, "not reported: this QEMU cannot do that");
    else
        hvmemChecksAdd(checks, HVMEM_WARN, "free pages", remedy, "not reported: the host keeps what the guest has once used and does not need any more");
}


/* At its start a guest is busy. One that halts in its firmware, or has started without a driver, is idle, and has used little processor time for long. */
#define BUSY 0.1

static void
checkDriver(GPtrArray *checks,
            const hvmemDomain *dom,
            const hvmemHost *host,
            const char *remedy)
{
    if (dom->connected)
        hvmemChecksAdd(checks, HVMEM_PASS, "guest driver", NULL, "connected");
    else if (dom->paused)
        hvmemChecksAdd(checks, HVMEM_WARN, "guest driver", remedy, "not connected, and the guest is paused");
    else if (host->ran > 0 && host->ran < HVMEM_STARTING_SEC && host->busy < BUSY)
        hvmemChecksAdd(checks, HVMEM_FAIL, "guest driver", remedy, "not connected, and the guest is idle: it has no driver, or it waits in its firmware or a boot "
                       "menu");
    else if (host->ran > 0 && host->ran < HVMEM_STARTING_SEC)
        hvmemChecksAdd(checks, HVMEM_WARN, "guest driver", remedy, "not connected yet: the guest is starting (it has used %.0f seconds of processor "
                       "time since its start)", host->ran);
    else
        hvmemChecksAdd(checks, HVMEM_FAIL, "guest driver", remedy, "not connected");
}


/* At its floor a guest works, and only does not give up more. */
static void
checkState(GPtrArray *checks,
           const hvmemDomain *dom,
           const hvmemExplanation *why)
{
    hvmemVerdict verdict = !why->problem ? HVMEM_PASS : strcmp(dom->state, "floor") == 0 ? HVMEM_WARN : HVMEM_FAIL;

    if (why->problem)
        hvmemChecksAdd(checks, verdict, "state", why->remedy, "%s%s%s", why->label, dom->lastError ? ": " : "", dom->lastError ? dom->lastError : "");
    else
        hvmemChecksAdd(checks, verdict, "state", NULL, "%s", why->label);
}


static void
checkGuest(GPtrArray *checks,
           const hvmemDomain *dom,
           const hvmemHost *host)
{
    g_autoptr(hvmemExplanation) why = hvmemExplain(dom);

    if (!dom->active) {
        hvmemChecksAdd(checks, HVMEM_SKIP, "guest", NULL, "shut off; start it to check the rest");
        return;
    }
    if (!dom->told) {
        hvmemChecksAdd(checks, HVMEM_WARN, "guest", "Try again in a moment.", "no data: libvirt is busy with this guest");
        return;
    }

    checkDriver(checks, dom, host, why->remedy);
    if (strcmp(dom->state, "not-onlined") == 0)
        hvmemChecksAdd(checks, HVMEM_FAIL, "onlining", why->remedy, "the guest accepts memory but does not use it");
    else if (dom->connected)
        hvmemChecksAdd(checks, HVMEM_PASS, "onlining", NULL, "no memory waits for it");

    if (dom->connected && strcmp(dom->state, "not-onlined") != 0)
        checkState(checks, dom, why);
}


GPtrArray *
hvmemDoctorDomain(const hvmemDomain *dom,
                  const hvmemHost *host,
                  const hvmemAnswer *definition)
{
    GPtrArray *checks = hvmemChecksNew();
    const hvmemDomain *looked = checkModel(checks, dom);

    if (!looked)
        return checks;

    checkMachine(checks, looked);
    checkEnlightenments(checks, looked);
    checkVisible(checks, looked);
    checkHypervisor(checks, looked);
    checkHibernation(checks, looked);
    checkBacking(checks, looked);
    checkReporting(checks, looked, host);
    if (hvmemDomainStored(dom)->hyperv)
        hvmemDoctorStart(checks, dom, host, definition);
    hvmemDoctorMove(checks, looked, host);
    hvmemDoctorAuto(checks, looked, host);
    if (dom->hyperv)
        checkGuest(checks, dom, host);
    return checks;
}


/* Of one that does not run, nothing is to be said of the guest. */
static void
dropGuest(GPtrArray *checks)
{
    const hvmemCheck *last = checks->len ? checks->pdata[checks->len - 1] : NULL;

    if (last && strcmp(last->subject, "guest") == 0)
        g_ptr_array_set_size(checks, checks->len - 1);
}


GPtrArray *
hvmemDoctorBefore(const hvmemDomain *dom,
                  const hvmemDomain *would,
                  const GError *refusal,
                  const hvmemHost *host,
                  const hvmemAnswer *definition)
{
    g_autofree char *enable = hvmemDomainCommand(dom->name, dom->transient, "enable", NULL);
    GPtrArray *checks;
    hvmemCheck *balloon;

    if (!would) {
        checks = hvmemChecksNew();
        hvmemChecksAdd(checks, HVMEM_FAIL, "balloon", "The message says what to change ('virsh edit').", "model '%s', not hyperv, and 'enable' would refuse: %s",
                       dom->model, refusal->message);
        return checks;
    }

    checks = hvmemDoctorDomain(would, host, definition);
    dropGuest(checks);
    balloon = checks->pdata[0];
    balloon->verdict = HVMEM_WARN;
    g_free(balloon->finding);
    balloon->finding = g_strdup_printf("model '%s', not hyperv yet; what follows is about the definition that 'enable' would make", dom->model);
    balloon->remedy = g_steal_pointer(&enable);
    return checks;
}
