/*
 * hvmem-conn.h: the connection to libvirt and queries over it
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

/* libvirt has ended the connection: why, as far as is known. Always false. */
bool
hvmemFailClosed(GError **error);

/* Closes @conn, which may be NULL. */
void
hvmemConnectUnref(virConnectPtr conn);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(virConnect, hvmemConnectUnref);

/* Sets @error to a text of ours and libvirt's last error; always returns false. */
bool
hvmemFailVir(GError **error,
             const char *format,
             ...) G_GNUC_PRINTF(2, 3);

#define HVMEM_DAEMON_HINT \
    "Check whether the daemon runs ('systemctl status hv-balloon-virtqemud', or virtqemud, or libvirtd). -c URI, or LIBVIRT_DEFAULT_URI, " \
    "names another connection."

/* A daemon that takes the connection, but does not answer for HVMEM_SILENCE seconds, is an error; or a warning, where a person or a network may take long. */
virConnectPtr
hvmemConnect(const char *uri,
             bool readonly,
             GError **error);

#define HVMEM_TRY_ERROR (g_quark_from_static_string("hvmem-try"))

/* Why hvmemConnTry() is false: the code of its error. */
typedef enum {
    HVMEM_TRY_REFUSED = 1,      /* libvirt does not accept it, or makes no command line for it */
    HVMEM_TRY_UNASKED,          /* this connection cannot try it, so nothing is known */
    HVMEM_TRY_CPU,              /* libvirt does not accept it, as this host has no such CPU */
    HVMEM_TRY_USELESS,          /* libvirt accepts it, but not QEMU, or the guest would not find the balloon: see hvmemTrialArgv() */
} hvmemTryError;

/* Does libvirt accept the definition @xml and make a command line for it that works? Nothing is defined or changed on the host. Name and UUID
 * may be those of an existing domain. False with libvirt's reason, or ours, in @error. */
bool
hvmemConnTry(virConnectPtr conn,
             const char *xml,
             GError **error);

/* The same. @fixed: has the QEMU that would run it no sticks? */
bool
hvmemConnTryFixed(virConnectPtr conn,
                  const char *xml,
                  bool *fixed,
                  GError **error);

/* Compares the <cpu> of @dom with what QEMU can give to such a guest, or with the @host's own. Returns libvirt's error, which names what is missing.
 * NULL: nothing is missing, or it cannot be compared, as with a read-only connection. */
char *
hvmemConnCompareCPU(virConnectPtr conn,
                    const hvmemDomain *dom,
                    const char *cpu,
                    bool host);

/* Are we on the host itself? */
bool
hvmemConnIsLocal(virConnectPtr conn);

/* What is missing of @needs, an array of sentences: libvirt's networks, and on the host itself network interfaces and files. */
GPtrArray *
hvmemConnMissing(virConnectPtr conn,
                 const hvmemNeeds *needs);

/* Memory of the host in bytes. */
bool
hvmemConnMemory(virConnectPtr conn,
                guint64 *bytes,
                GError **error);

/* How much of it nobody uses, not even as a cache; HVMEM_UNKNOWN: not told. */
guint64
hvmemConnUnused(virConnectPtr conn);

/* By name, by UUID or, if it runs, by id. */
virDomainPtr
hvmemLookup(virConnectPtr conn,
            const char *name,
            GError **error);

/* @nowait: if another job has the domain, leave out the statistics that need
 * QEMU. */
hvmemDomain *
hvmemInspect(virDomainPtr dom,
             bool nowait,
             GError **error);

/* Includes what the next start uses: the definition of a running domain, the
 * saved state of one that is shut off. For hvmemDomainPending(). */
hvmemDomain *
hvmemInspectBoth(virDomainPtr dom,
                 bool nowait,
                 GError **error);

/* The same for a domain that must have a hyperv balloon. */
hvmemDomain *
hvmemInspectHyperv(virDomainPtr dom,
                   bool nowait,
                   GError **error);

/* All domains, sorted by name, as by hvmemInspectBoth(). */
GPtrArray *
hvmemInspectAll(virConnectPtr conn,
                GError **error);
