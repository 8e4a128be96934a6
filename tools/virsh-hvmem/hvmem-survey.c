/*
 * hvmem-survey.c: asks libvirt what 'doctor' wants to know of a host
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-survey.h"
#include "hvmem-balance-view.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* A minimal domain with the balloon. */
#define TRIAL_XML \
    "<domain type='%s'><name>virsh-hvmem-trial</name>" \
    "<maxMemory unit='GiB'>2</maxMemory><memory unit='GiB'>1</memory><vcpu>1</vcpu>" \
    "<os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features>" \
    "<devices>%s<controller type='usb' model='none'/><memballoon model='hyperv'/></devices></domain>"

/* The enlightenments that KVM offers; a read-only connection is enough. */
static void
readDomainCaps(virConnectPtr conn,
               const hvmemDomain *dom,
               hvmemHost *host)
{
    char *xml = host->kvm ? virConnectGetDomainCapabilities(conn, dom ? dom->emulator : NULL, "x86_64", "q35", "kvm", 0) : NULL;

    hvmemHostReadDomainCaps(host, xml);
    free(xml);
    virResetLastError();
}


static void
readCaps(virConnectPtr conn,
         hvmemHost *host)
{
    char *xml = virConnectGetCapabilities(conn);

    hvmemHostReadCaps(host, xml);
    free(xml);
    virResetLastError();
}


/* Free pages of one size, on all nodes of the host. */
static void
readFreePages(virConnectPtr conn,
              unsigned int nodes,
              hvmemPages *pages)
{
    g_autofree unsigned long long *counts = g_new0(unsigned long long, nodes);
    unsigned int size = pages->size / HVMEM_KIB;
    int n = virNodeGetFreePages(conn, 1, &size, 0, nodes, counts, 0);
    int i;

    for (i = 0; i < n; i++)
        pages->bytes += counts[i] * pages->size;
}


static void
readResources(virConnectPtr conn,
              hvmemHost *host)
{
    virNodeInfo info = { .nodes = 1 };
    int cpus = virNodeGetCPUMap(conn, &host->cpuMap, NULL, 0);
    size_t i;

    host->cpus = cpus < 0 ? 0 : cpus;
    if (virNodeGetInfo(conn, &info) < 0)
        virResetLastError();
    for (i = 0; host->freePages && i < host->freePages->len; i++)
        readFreePages(conn, MAX(info.nodes, 1), &g_array_index(host->freePages, hvmemPages, i));
    virResetLastError();
}


/* With check='full' libvirt compares the CPU when the guest has been started, too late for a trial. */
static void
readCPU(virConnectPtr conn,
        const hvmemDomain *dom,
        hvmemHost *host)
{
    const char *cpu = dom ? dom->needs.exactCPU : NULL;
    bool kvm = dom && g_strcmp0(dom->virtType, "kvm") == 0;
    g_autofree char *byQEMU = cpu ? hvmemConnCompareCPU(conn, dom, cpu, false) : NULL;
    g_autofree char *byHost = byQEMU && kvm ? hvmemConnCompareCPU(conn, dom, cpu, true) : NULL;

    if (byQEMU)
        host->cpuLacks = hvmemHostCPULacks(byQEMU, !kvm ? NULL : byHost ? byHost : "");
}


/* What happens to guests when the host shuts down is decided by libvirt-guests, whose configuration can only be read on the host. */
static void
readGuests(virConnectPtr conn,
           hvmemHost *host)
{
    static const char *const paths[] = { "/etc/sysconfig/libvirt-guests", "/etc/default/libvirt-guests" };
    bool local = hvmemConnIsLocal(conn);
    size_t i;

    for (i = 0; local && i < G_N_ELEMENTS(paths); i++) {
        g_autofree char *text = NULL;

        if (g_file_get_contents(paths[i], &text, NULL, NULL))
            hvmemHostReadGuests(host, text);
    }
}


/* Are hyperv balloons supported? A read-only connection is enough. A libvirt without them does not report balloon models at all. */
static bool
isListed(virConnectPtr conn,
         const hvmemDomain *dom,
         bool kvm)
{
    char *xml = virConnectGetDomainCapabilities(conn, dom ? dom->emulator : NULL, "x86_64", "q35", kvm ? "kvm" : "qemu", 0);
    const char *balloon = xml ? strstr(xml, "<memballoon") : NULL;
    const char *end = balloon ? strstr(balloon, "</memballoon>") : NULL;
    const char *value = balloon ? strstr(balloon, "<value>hyperv</value>") : NULL;
    bool listed = end && value && value < end;

    free(xml);
    return listed;
}


void
hvmemSurveyAsk(virConnectPtr conn,
               const char *xml,
               hvmemAnswer *answer)
{
    g_autoptr(GError) error = NULL;

    hvmemConnTryFixed(conn, xml, &answer->fixed, &error);
    answer->asked = !g_error_matches(error, HVMEM_TRY_ERROR, HVMEM_TRY_UNASKED);
    answer->forCPU = g_error_matches(error, HVMEM_TRY_ERROR, HVMEM_TRY_CPU);
    if (answer->asked && error)
        answer->refusal = g_strdup(error->message);
}


static void
tryBalloon(virConnectPtr conn,
           const hvmemDomain *dom,
           hvmemHost *host)
{
    g_autofree char *emulator = dom && dom->emulator ? g_markup_printf_escaped("<emulator>%s</emulator>", dom->emulator) : g_strdup("");
    g_autofree char *xml = g_strdup_printf(TRIAL_XML, host->kvm ? "kvm" : "qemu", emulator);

    hvmemSurveyAsk(conn, xml, &host->balloon);
    if (!host->balloon.asked)
        host->balloon.asked = isListed(conn, dom, host->kvm);
}


char *
hvmemSurveyKernel(virConnectPtr conn)
{
    struct utsname name;

    return hvmemConnIsLocal(conn) && uname(&name) == 0 ? g_strdup(name.release) : NULL;
}


/* Is there a process of that name? */
static bool
runs(const char *name)
{
    g_autoptr(GDir) dir = g_dir_open("/proc", 0, NULL);
    g_autofree char *line = g_strconcat(name, "\n", NULL);
    bool found = false;
    const char *pid;

    while (dir && !found && (pid = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename("/proc", pid, "comm", NULL);
        g_autofree char *comm = NULL;

        found = g_ascii_isdigit(*pid) && g_file_get_contents(path, &comm, NULL, NULL) && strcmp(comm, line) == 0;
    }
    return found;
}


/* "process 7 (qemu:///session)", those that do not balance this connection, or do so too; of whom, if its word is not to be believed. */
static char *
otherBalancers(const hvmemBalanceView *view)
{
    g_autoptr(GString) out = g_string_new(NULL);
    size_t i;

    for (i = 0; i < view->owners->len; i++) {
        const hvmemBalanceOwner *owner = view->owners->pdata[i];

        if (owner == view->owner)
            continue;
        g_string_append_printf(out, "%sprocess %ld", out->len ? ", " : "", owner->pid);
        if (owner->uid != 0 && owner->uid != geteuid())
            g_string_append_printf(out, " of user %u", owner->uid);
        g_string_append_printf(out, " (%s)", owner->uri ? owner->uri : "not known which");
    }
    return out->len ? g_strdup(out->str) : NULL;
}


static void
readBalancers(virConnectPtr conn,
              const hvmemDomain *dom,
              hvmemHost *host)
{
    g_autoptr(hvmemBalanceView) view = hvmemBalanceViewNew(conn);
    const gint64 *when = dom && view->owner ? g_hash_table_lookup(view->owner->foreign, dom->uuid) : NULL;

    host->local = view->local;
    host->uri = g_strdup(view->uri);
    host->balancer = view->owner ? view->owner->pid : 0;
    host->decided = view->owner ? view->owner->decided : 0;
    host->budget = view->owner ? view->owner->budget : 0;
    host->reserve = view->owner && view->owner->reserve != HVMEM_UNKNOWN ? view->owner->reserve : 0;
    host->otherBalancers = otherBalancers(view);
    host->mom = view->local && runs("momd");
    host->foreign = when ? *when : 0;
}


static void
addAutomatic(const hvmemDomain *dom,
             bool counts,
             hvmemHost *host)
{
    if (!hvmemAutoIsOn(dom) || hvmemAutoFixed(dom))
        return;

    host->automatic++;
    if (counts)
        host->minimums = hvmemSum(host->minimums, hvmemAutoMinimum(&dom->automatic, dom));
}


bool
hvmemSurveyHost(virConnectPtr conn,
                const hvmemDomain *dom,
                hvmemHost *host,
                GError **error)
{
    g_autoptr(GPtrArray) doms = hvmemInspectAll(conn, error);
    size_t i;

    if (!doms || !hvmemConnMemory(conn, &host->memory, error))
        return false;

    if (virConnectGetLibVersion(conn, &host->libvirtVersion) < 0 ||
        virConnectGetVersion(conn, &host->qemuVersion) < 0)
        virResetLastError();
    readCaps(conn, host);
    readDomainCaps(conn, dom, host);
    readResources(conn, host);
    readCPU(conn, dom, host);
    readGuests(conn, host);
    host->kernel = hvmemSurveyKernel(conn);
    readBalancers(conn, dom, host);
    tryBalloon(conn, dom, host);
    if (dom)
        host->missing = hvmemConnMissing(conn, &dom->needs);

    for (i = 0; i < doms->len; i++) {
        const hvmemDomain *other = doms->pdata[i];
        bool this = dom && strcmp(dom->name, other->name) == 0;

        host->oneMore |= this && !other->active;
        if (other->active || this)
            host->ceilings = hvmemSum(host->ceilings, hvmemDomainCeiling(other));
        addAutomatic(other, other->active || this, host);
    }
    return true;
}


void
hvmemSurveyDefinition(virConnectPtr conn,
                      virDomainPtr dom,
                      hvmemAnswer *answer)
{
    char *xml = virDomainGetXMLDesc(dom, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE);

    /* only a connection that may write gets secrets and can ask */
    if (xml)
        hvmemSurveyAsk(conn, xml, answer);
    free(xml);
    virResetLastError();
}


/* In seconds; 0: not known. */
static double
processorTime(virDomainPtr dom)
{
    virDomainInfo info = { 0 };

    return virDomainGetInfo(dom, &info) == 0 ? info.cpuTime / 1e9 : 0;
}


/* The processor time of a guest that was restored or has migrated here is not that since its start. */
static bool
isStartedHere(virDomainPtr dom)
{
    int state = VIR_DOMAIN_NOSTATE;
    int reason = 0;

    return virDomainGetState(dom, &state, &reason, 0) == 0 && state == VIR_DOMAIN_RUNNING && reason != VIR_DOMAIN_RUNNING_MIGRATED &&
        reason != VIR_DOMAIN_RUNNING_RESTORED && reason != VIR_DOMAIN_RUNNING_FROM_SNAPSHOT && reason != VIR_DOMAIN_RUNNING_POSTCOPY;
}


void
hvmemSurveyDomain(virDomainPtr dom,
                  bool starting,
                  hvmemHost *host)
{
    int snapshots = virDomainSnapshotNum(dom, 0);

    host->snapshots = MAX(snapshots, 0);
    host->ran = isStartedHere(dom) ? processorTime(dom) : 0;
    if (starting && host->ran > 0 && host->ran < HVMEM_STARTING_SEC) {
        gint64 start = g_get_monotonic_time();

        g_usleep(G_USEC_PER_SEC);
        host->busy = (processorTime(dom) - host->ran) * G_USEC_PER_SEC / (g_get_monotonic_time() - start);
    }
    virResetLastError();
}
