/*
 * hvmem-conn.h: the connection to libvirt, and what comes over it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include "hvmem-domain.h"

static inline void
hvmemDomainUnref(virDomainPtr dom)
{
    if (dom)
        virDomainFree(dom);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(virDomain, hvmemDomainUnref);

static inline void
hvmemConnectUnref(virConnectPtr conn)
{
    if (conn)
        virConnectClose(conn);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(virConnect, hvmemConnectUnref);

/* The last error of libvirt after a text of ours; always false. */
bool
hvmemFailVir(GError **error,
             const char *format,
             ...) G_GNUC_PRINTF(2, 3);

virConnectPtr
hvmemConnect(const char *uri,
             bool readonly,
             GError **error);

/* Why hvmemConnTry() is false: the code of its error. */
typedef enum {
    HVMEM_TRY_REFUSED = 1,      /* libvirt would not take it, or could make no command line of it */
    HVMEM_TRY_UNASKED,          /* this connection cannot be asked, which says nothing of @xml */
    HVMEM_TRY_CPU,              /* libvirt would not take it, as there is no such processor here */
    HVMEM_TRY_USELESS,          /* libvirt takes it, and QEMU would not, or the guest would find no balloon: see hvmemTrialArgv() */
} hvmemTryError;

/* Would libvirt take the definition @xml, make a command line of it, and would that be of use? Nothing is defined, and nothing touched
 * on the host. Name and UUID may be those of a domain that there is. False with libvirt's own reason in @error, or ours. */
bool
hvmemConnTry(virConnectPtr conn,
             const char *xml,
             GError **error);

/* Compares a CPU, <cpu> as @dom has it, with what QEMU can give to such a guest, or with the @host's own: libvirt's error that names what is missing.
 * NULL: nothing is, or that cannot be asked here, as with a read-only connection. */
char *
hvmemConnCompareCPU(virConnectPtr conn,
                    const hvmemDomain *dom,
                    const char *cpu,
                    bool host);

/* Are we on the host itself? */
bool
hvmemConnIsLocal(virConnectPtr conn);

/* What of @needs is not there, an array of sentences: networks of libvirt's, and on the host itself its interfaces and files. */
GPtrArray *
hvmemConnMissing(virConnectPtr conn,
                 const hvmemNeeds *needs);

/* Memory of the host in bytes. */
bool
hvmemConnMemory(virConnectPtr conn,
                guint64 *bytes,
                GError **error);

/* By name, by UUID or, if it runs, by id. */
virDomainPtr
hvmemLookup(virConnectPtr conn,
            const char *name,
            GError **error);

/* @nowait: rather without the statistics that QEMU has to be asked for than
 * behind another job of this domain. */
hvmemDomain *
hvmemInspect(virDomainPtr dom,
             bool nowait,
             GError **error);

/* With what comes with the next start: the definition of one that runs, a
 * saved state of one that is shut off. For hvmemDomainPending(). */
hvmemDomain *
hvmemInspectBoth(virDomainPtr dom,
                 bool nowait,
                 GError **error);

/* The same of a domain that has to have a hyperv balloon. */
hvmemDomain *
hvmemInspectHyperv(virDomainPtr dom,
                   bool nowait,
                   GError **error);

/* Every domain, by name, as hvmemInspectBoth() has it. */
GPtrArray *
hvmemInspectAll(virConnectPtr conn,
                GError **error);
