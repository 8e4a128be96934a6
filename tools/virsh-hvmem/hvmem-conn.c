/*
 * hvmem-conn.c: the connection to libvirt and queries over it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-conn.h"
#include "hvmem-events.h"
#include "hvmem-move.h"
#include "hvmem-trial.h"

#include <stdlib.h>
#include <string.h>

#define STATS (VIR_DOMAIN_STATS_STATE | VIR_DOMAIN_STATS_BALLOON)


/* Has libvirt done nothing, since it does not do such a thing or not now? Or is there no libvirt any more? */
static hvmemExit
statusOfVir(void)
{
    if (virGetLastErrorDomain() == VIR_FROM_RPC)
        return HVMEM_EXIT_CONNECTION;

    switch (virGetLastErrorCode()) {
    case VIR_ERR_NO_CONNECT:
    case VIR_ERR_INVALID_CONN:
    case VIR_ERR_AUTH_FAILED:
    case VIR_ERR_RPC:
        return HVMEM_EXIT_CONNECTION;
    case VIR_ERR_OPERATION_INVALID:
    case VIR_ERR_OPERATION_DENIED:
    case VIR_ERR_OPERATION_UNSUPPORTED:
    case VIR_ERR_ACCESS_DENIED:
    case VIR_ERR_ARGUMENT_UNSUPPORTED:
    case VIR_ERR_CONFIG_UNSUPPORTED:
    case VIR_ERR_INVALID_ARG:
    case VIR_ERR_NO_SUPPORT:
    case VIR_ERR_RESOURCE_BUSY:
        return HVMEM_EXIT_REFUSED;
    default:
        return HVMEM_EXIT_FAILED;
    }
}


bool
hvmemFailVir(GError **error,
             const char *format,
             ...)
{
    g_autofree char *cause = g_strdup(virGetLastErrorMessage());
    hvmemExit status = statusOfVir();
    bool silent = status == HVMEM_EXIT_CONNECTION && hvmemEventsIsSilent();
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    hvmemFailAs(error, status, "%s", text);
    if (!silent)
        return hvmemErrorCause(error, cause);

    hvmemErrorCause(error, HVMEM_SILENT "; guests keep running");
    return hvmemErrorHint(error, HVMEM_DAEMON_HINT);
}


/* A trial needs a connection that may write, and QEMU's driver. */
static hvmemTryError
tryError(void)
{
    switch (virGetLastErrorCode()) {
    case VIR_ERR_OPERATION_DENIED:
    case VIR_ERR_ACCESS_DENIED:
    case VIR_ERR_NO_SUPPORT:
    case VIR_ERR_RPC:
        return HVMEM_TRY_UNASKED;
    case VIR_ERR_CPU_INCOMPATIBLE:
        return HVMEM_TRY_CPU;
    default:
        return HVMEM_TRY_REFUSED;
    }
}


/* The command line that libvirt makes for @xml, or NULL. */
static char *
tryArgv(virConnectPtr conn,
        const char *xml,
        GError **error)
{
    g_autoptr(GError) unreadable = NULL;
    g_autofree char *trial = hvmemTrialXML(xml, &unreadable);
    g_autofree char *copy = NULL;
    char *argv;

    if (!trial) {
        g_set_error_literal(error, HVMEM_TRY_ERROR, HVMEM_TRY_REFUSED, unreadable->message);
        return NULL;
    }

    if (!(argv = virConnectDomainXMLToNative(conn, "qemu-argv", trial, 0))) {
        g_set_error_literal(error, HVMEM_TRY_ERROR, tryError(), virGetLastErrorMessage());
        virResetLastError();
        return NULL;
    }
    copy = g_strdup(argv);
    free(argv);
    return g_steal_pointer(&copy);
}


bool
hvmemConnTryFixed(virConnectPtr conn,
                  const char *xml,
                  bool *fixed,
                  GError **error)
{
    g_autofree char *argv = tryArgv(conn, xml, error);
    g_autoptr(GError) useless = NULL;

    *fixed = argv && hvmemTrialIsFixed(argv);

    if (!argv || hvmemTrialArgv(argv, &useless))
        return argv != NULL;

    g_set_error_literal(error, HVMEM_TRY_ERROR, HVMEM_TRY_USELESS, useless->message);
    return false;
}


bool
hvmemConnTry(virConnectPtr conn,
             const char *xml,
             GError **error)
{
    bool fixed;

    return hvmemConnTryFixed(conn, xml, &fixed, error);
}


char *
hvmemConnCompareCPU(virConnectPtr conn,
                    const hvmemDomain *dom,
                    const char *cpu,
                    bool host)
{
    int result = host ? virConnectCompareCPU(conn, cpu, VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE) :
        virConnectCompareHypervisorCPU(conn, dom->emulator, dom->arch, dom->machine, dom->virtType, cpu,
                                       VIR_CONNECT_COMPARE_CPU_FAIL_INCOMPATIBLE);
    char *message = result == VIR_CPU_COMPARE_ERROR && virGetLastErrorCode() == VIR_ERR_CPU_INCOMPATIBLE ? g_strdup(virGetLastErrorMessage()) : NULL;

    virResetLastError();
    return message;
}


/* A figure of the host's memory in KiB; 0: not known. */
static guint64
memoryStat(virConnectPtr conn,
           const char *name)
{
    g_autofree virNodeMemoryStats *stats = NULL;
    guint64 value = 0;
    int n = 0;
    int i;

    if (virNodeGetMemoryStats(conn, VIR_NODE_MEMORY_STATS_ALL_CELLS, NULL, &n, 0) < 0)
        return 0;

    stats = g_new0(virNodeMemoryStats, MAX(n, 1));
    if (virNodeGetMemoryStats(conn, VIR_NODE_MEMORY_STATS_ALL_CELLS, stats, &n, 0) < 0)
        return 0;

    for (i = 0; i < n; i++) {
        if (strcmp(stats[i].field, name) == 0)
            value = stats[i].value;
    }
    return value;
}


/* virNodeGetInfo() reports the sum of the NUMA nodes, which on some virtual machines is not all memory. */
bool
hvmemConnMemory(virConnectPtr conn,
                guint64 *bytes,
                GError **error)
{
    virNodeInfo info;

    if (virNodeGetInfo(conn, &info) < 0)
        return hvmemFailVir(error, "failed to query the host");

    *bytes = hvmemFromKiB(MAX(memoryStat(conn, VIR_NODE_MEMORY_STATS_TOTAL), info.memory));
    virResetLastError();
    return true;
}


guint64
hvmemConnUnused(virConnectPtr conn)
{
    guint64 kib = memoryStat(conn, VIR_NODE_MEMORY_STATS_FREE);

    virResetLastError();
    return kib ? hvmemFromKiB(kib) : HVMEM_UNKNOWN;
}


static bool
isNumber(const char *text)
{
    return *text && strlen(text) < 10 && strspn(text, "0123456789") == strlen(text);
}


virDomainPtr
hvmemLookup(virConnectPtr conn,
            const char *name,
            GError **error)
{
    virDomainPtr dom = NULL;

    if (isNumber(name))
        dom = virDomainLookupByID(conn, atoi(name));
    if (!dom && strlen(name) == VIR_UUID_STRING_BUFLEN - 1)
        dom = virDomainLookupByUUIDString(conn, name);
    if (!dom)
        dom = virDomainLookupByName(conn, name);
    if (!dom) {
        bool unknown = virGetLastErrorCode() == VIR_ERR_NO_DOMAIN;

        hvmemFailVir(error, "failed to get domain '%s'", name);
        hvmemErrorDomain(error, name);
        if (unknown)
            hvmemErrorHint(error, "'virsh-hvmem list --all' shows all domains of this connection.");
    }
    return dom;
}


static bool
failQuery(const char *name,
          GError **error)
{
    return hvmemFailVir(error, "failed to query domain '%s'", name);
}


/* Has the last question, about @name, failed since there is no connection any more? Then nothing is known, which is not what libvirt has left out. */
static bool
failLost(virDomainPtr dom,
         const char *name,
         GError **error)
{
    g_autoptr(GError) reason = NULL;

    /* before libvirt is called again, which forgets its error */
    failQuery(name, &reason);
    if (hvmemErrorStatus(reason) != HVMEM_EXIT_CONNECTION || virConnectIsAlive(virDomainGetConnect(dom)) != 0)
        return false;

    g_propagate_error(error, g_steal_pointer(&reason));
    return true;
}


static bool
addStats(hvmemDomain *info,
         virDomainPtr dom,
         bool nowait,
         GError **error)
{
    virDomainPtr doms[] = { dom, NULL };
    virDomainStatsRecordPtr *records = NULL;
    int n = virDomainListGetStats(doms, STATS, &records, nowait ? VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT : 0);

    if (n < 0 && failLost(dom, info->name, error))
        return false;

    /* A driver without statistics has the XML. */
    if (n > 0)
        hvmemDomainAddStats(info, records[0]->params, records[0]->nparams);
    if (n >= 0)
        virDomainStatsRecordListFree(records);
    virResetLastError();
    return true;
}


hvmemDomain *
hvmemInspect(virDomainPtr dom,
             bool nowait,
             GError **error)
{
    const char *name = virDomainGetName(dom);
    g_autoptr(hvmemDomain) info = NULL;
    char *xml = virDomainGetXMLDesc(dom, 0);
    int active = virDomainIsActive(dom);

    if (!xml || active < 0) {
        free(xml);
        failQuery(name, error);
        return NULL;
    }

    info = hvmemDomainNew(name, active, xml, error);
    free(xml);
    if (!info)
        return NULL;

    virDomainGetUUIDString(dom, info->uuid);
    return addStats(info, dom, nowait, error) ? g_steal_pointer(&info) : NULL;
}


static bool
addStored(hvmemDomain *info,
          virDomainPtr dom,
          GError **error)
{
    char *xml = virDomainGetXMLDesc(dom, VIR_DOMAIN_XML_INACTIVE);

    if (!xml && failLost(dom, info->name, error))
        return false;

    if (xml)
        info->stored = hvmemDomainNew(info->name, false, xml, NULL);
    if (info->stored) {
        g_strlcpy(info->stored->uuid, info->uuid, sizeof(info->stored->uuid));
        info->stored->transient = info->transient;
    }
    free(xml);
    virResetLastError();
    return true;
}


/* Reads the definition in a saved state. */
static void
addSaved(hvmemDomain *info,
         virDomainPtr dom)
{
    char *xml = virDomainManagedSaveGetXMLDesc(dom, 0);
    g_autoptr(hvmemDomain) saved = xml ? hvmemDomainNew(info->name, false, xml, NULL) : NULL;

    info->savedModel = g_strdup(saved ? saved->model : "not known");
    free(xml);
    virResetLastError();
}


hvmemDomain *
hvmemInspectBoth(virDomainPtr dom,
                 bool nowait,
                 GError **error)
{
    g_autoptr(hvmemDomain) info = hvmemInspect(dom, nowait, error);

    if (!info)
        return NULL;

    info->transient = virDomainIsPersistent(dom) == 0;
    if (info->active && info->hyperv)
        hvmemMoveInspect(info, dom);
    if (info->active && !addStored(info, dom, error))
        return NULL;
    if (!info->active && virDomainHasManagedSaveImage(dom, 0) == 1)
        addSaved(info, dom);
    return g_steal_pointer(&info);
}


hvmemDomain *
hvmemInspectHyperv(virDomainPtr dom,
                   bool nowait,
                   GError **error)
{
    g_autoptr(hvmemDomain) info = hvmemInspectBoth(dom, nowait, error);
    g_autofree char *pending = info ? hvmemDomainPending(info) : NULL;

    if (info && !info->hyperv) {
        g_autofree char *enable = hvmemDomainCommand(info->name, info->transient, "enable", NULL);

        if (pending)
            hvmemFailRefused(error, "domain '%s' has no hyperv balloon yet. %s", info->name, pending);
        else
            hvmemFailRefused(error, "domain '%s' has no hyperv balloon but <memballoon model='%s'/>: '%s' changes that",
                             info->name, info->model, enable);
        return NULL;
    }
    return g_steal_pointer(&info);
}


static int
compareNames(gconstpointer a,
             gconstpointer b)
{
    const hvmemDomain *const *one = a;
    const hvmemDomain *const *two = b;

    return strcmp((*one)->name, (*two)->name);
}


static void
freeDomains(virDomainPtr *doms,
            int n)
{
    while (n > 0)
        virDomainFree(doms[--n]);
    free(doms);
}


/* Which of @list have a saved state: one query for all of them. */
static void
addAllSaved(virConnectPtr conn,
            const GPtrArray *list)
{
    virDomainPtr *doms = NULL;
    int n = virConnectListAllDomains(conn, &doms, VIR_CONNECT_LIST_DOMAINS_INACTIVE | VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE);
    size_t j;
    int i;

    for (i = 0; i < n; i++) {
        char uuid[VIR_UUID_STRING_BUFLEN] = "";

        virDomainGetUUIDString(doms[i], uuid);
        for (j = 0; j < list->len; j++) {
            hvmemDomain *info = list->pdata[j];

            if (!info->active && info->hyperv && strcmp(info->uuid, uuid) == 0)
                addSaved(info, doms[i]);
        }
    }
    freeDomains(doms, n);
    virResetLastError();
}


GPtrArray *
hvmemInspectAll(virConnectPtr conn,
                GError **error)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)hvmemDomainFree);
    g_autoptr(GError) reason = NULL;
    virDomainPtr *doms = NULL;
    int n = virConnectListAllDomains(conn, &doms, 0);
    int i;

    if (n < 0) {
        hvmemFailVir(error, "failed to list domains");
        return NULL;
    }

    for (i = 0; i < n && !reason; i++) {
        hvmemDomain *info = hvmemInspect(doms[i], true, &reason);

        if (info && info->active)
            addStored(info, doms[i], &reason);
        if (info)
            g_ptr_array_add(list, info);
        /* no error for one that was removed meanwhile */
        if (hvmemErrorStatus(reason) != HVMEM_EXIT_CONNECTION)
            g_clear_error(&reason);
    }
    freeDomains(doms, n);
    if (reason) {
        g_propagate_error(error, g_steal_pointer(&reason));
        return NULL;
    }
    addAllSaved(conn, list);

    g_ptr_array_sort(list, compareNames);
    return g_steal_pointer(&list);
}
