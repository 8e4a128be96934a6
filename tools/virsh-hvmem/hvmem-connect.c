/*
 * hvmem-connect.c: connecting to libvirt
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-aside.h"
#include "hvmem-conn.h"
#include "hvmem-events.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>


/*
 * What to do if it fails
 */

static bool
isForbidden(const virError *why)
{
    switch (why->code) {
    case VIR_ERR_AUTH_FAILED:
    case VIR_ERR_AUTH_CANCELLED:
    case VIR_ERR_AUTH_UNAVAILABLE:
    case VIR_ERR_ACCESS_DENIED:
        return true;
    default:
        return why->code == VIR_ERR_SYSTEM_ERROR && (why->int1 == EACCES || why->int1 == EPERM);
    }
}


/* What to do about libvirt's error, by its codes: the message is in the user's language. A system error has errno in int1. */
static const char *
connectHint(const virError *why)
{
    if (why && isForbidden(why))
        return "Only root may use the daemon's socket, and the group that unix_sock_group in its virtqemud.conf names (often libvirt): use sudo, or "
            "'adduser USER libvirt' and log in again.";
    if (why && why->code == VIR_ERR_SYSTEM_ERROR && (why->int1 == ENOENT || why->int1 == ECONNREFUSED))
        return HVMEM_DAEMON_HINT;
    return "Check the URI (-c, or LIBVIRT_DEFAULT_URI): qemu:///system is this host's own, qemu+ssh://root@HOST/system another's.";
}


/*
 * Disconnecting
 */

void
hvmemConnectUnref(virConnectPtr conn)
{
    if (!conn)
        return;

    hvmemEventsForget(conn);
    virConnectClose(conn);
}


bool
hvmemFailClosed(GError **error)
{
    if (!hvmemEventsIsSilent())
        return hvmemFailAs(error, HVMEM_EXIT_CONNECTION, "the connection to libvirt was closed; guests keep running");

    hvmemFailAs(error, HVMEM_EXIT_CONNECTION, HVMEM_SILENT "; guests keep running");
    return hvmemErrorHint(error, HVMEM_DAEMON_HINT);
}


/*
 * A daemon that may not answer
 */

typedef struct _Opening Opening;
struct _Opening {
    char *uri;                  /* NULL: libvirt's usual */
    bool readonly;
    bool patient;               /* a person or a network may take long */
    bool told;
    virConnectPtr conn;
    virErrorPtr error;
    gint done;
};

/* Those that libvirt has not answered: it is not asked once more before it has. */
static GPtrArray *silent;


static void
openingFree(Opening *opening)
{
    if (opening->conn)
        virConnectClose(opening->conn);
    virFreeError(opening->error);
    g_free(opening->uri);
    g_free(opening);
}


/* Asks for user and password, as virsh does. */
static void
work(void *opaque)
{
    Opening *opening = opaque;

    opening->conn = virConnectOpenAuth(opening->uri, virConnectAuthPtrDefault, opening->readonly ? VIR_CONNECT_RO : 0);
    if (!opening->conn)
        opening->error = virSaveLastError();
    g_atomic_int_set(&opening->done, true);
}


/* libvirt's keepalive begins with the connection, so the time until then is measured here. */
static bool
isOver(void *opaque,
       double seconds)
{
    Opening *opening = opaque;

    if (seconds < HVMEM_SILENCE || opening->told)
        return false;
    if (!opening->patient)
        return true;

    fprintf(stderr, "warning: libvirt has not answered for %d seconds; Ctrl-C ends this program\n", HVMEM_SILENCE);
    opening->told = true;
    return false;
}


/* What @uri, or else the environment, names. */
static const char *
nameOf(const char *uri)
{
    const char *usual = g_getenv("LIBVIRT_DEFAULT_URI");

    return uri ? uri : usual && *usual ? usual : NULL;
}


static bool
isRemote(const char *uri)
{
    const char *host = uri ? strstr(uri, "://") : NULL;

    return host && host[3] && host[3] != '/';
}


/* Does libvirt still owe an answer for @uri? */
static bool
isSilent(const char *uri)
{
    bool same = false;
    guint i;

    for (i = silent ? silent->len : 0; i > 0; i--) {
        Opening *opening = silent->pdata[i - 1];

        if (g_atomic_int_get(&opening->done))
            openingFree(g_ptr_array_remove_index_fast(silent, i - 1));
        else
            same = same || g_strcmp0(opening->uri, uri) == 0;
    }
    return same;
}


static bool
failSilent(const char *uri,
           GError **error)
{
    hvmemFailAs(error, HVMEM_EXIT_CONNECTION, "the daemon of '%s' takes connections, but does not answer: it has been silent for " G_STRINGIFY(HVMEM_SILENCE)
                " seconds", uri ? uri : "libvirt's usual hypervisor");
    return hvmemErrorHint(error, HVMEM_DAEMON_HINT);
}


/* @opening, which has failed. */
static bool
fail(const Opening *opening,
     GError **error)
{
    const char *uri = nameOf(opening->uri);

    if (uri)
        hvmemFailAs(error, HVMEM_EXIT_CONNECTION, "failed to connect to '%s'", uri);
    else
        hvmemFailAs(error, HVMEM_EXIT_CONNECTION, "failed to connect to libvirt's usual hypervisor");
    hvmemErrorCause(error, opening->error ? opening->error->message : NULL);
    return hvmemErrorHint(error, "%s", connectHint(opening->error));
}


virConnectPtr
hvmemConnect(const char *uri,
             bool readonly,
             GError **error)
{
    const char *name = nameOf(uri);
    Opening *opening;
    virConnectPtr conn;

    if (!hvmemEventsBegin(error))
        return NULL;
    if (isSilent(uri)) {
        failSilent(name, error);
        return NULL;
    }

    opening = g_new0(Opening, 1);
    opening->uri = g_strdup(uri);
    opening->readonly = readonly;
    opening->patient = isRemote(name) || isatty(STDIN_FILENO);
    if (!hvmemAside(work, isOver, opening)) {
        silent = silent ? silent : g_ptr_array_new();
        g_ptr_array_add(silent, opening);
        failSilent(name, error);
        return NULL;
    }

    conn = g_steal_pointer(&opening->conn);
    if (conn)
        hvmemEventsAttend(conn);
    else
        fail(opening, error);
    openingFree(opening);
    return conn;
}
