/*
 * hvmem-events.c: libvirt's event loop, which notices a connection that does not answer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-events.h"

#include <libvirt/virterror.h>

/* Seconds between two questions whether the other end is there, and how many may go unanswered: the last of them is waited for as well. */
#define INTERVAL 5
#define UNANSWERED (HVMEM_SILENCE / INTERVAL - 1)

#define SAID_USEC (G_USEC_PER_SEC / 2)

static bool registered;
static GThread *thread;
static gint ending;

/* Of the last connection that libvirt has ended; true from the beginning, as long as there is none that it tells of. */
static gint ended = true;
static gint silent;
static hvmemEventsClosed hook;
static void *hookOpaque;


bool
hvmemEventsOwnLoop(GError **error)
{
    registered = virEventRegisterDefaultImpl() == 0;
    if (registered)
        return true;

    hvmemFail(error, "failed to set up libvirt's events");
    return hvmemErrorCause(error, virGetLastErrorMessage());
}


static gpointer
run(gpointer opaque G_GNUC_UNUSED)
{
    while (!g_atomic_int_get(&ending) && virEventRunDefaultImpl() == 0)
        ;
    return NULL;
}


bool
hvmemEventsBegin(GError **error)
{
    if (registered)
        return true;
    if (!hvmemEventsOwnLoop(error))
        return false;

    thread = g_thread_new("events", run, NULL);
    return true;
}


/* Called by whichever thread notices it. */
static void
onClose(virConnectPtr conn,
        int why,
        void *opaque G_GNUC_UNUSED)
{
    g_atomic_int_set(&silent, why == VIR_CONNECT_CLOSE_REASON_KEEPALIVE);
    g_atomic_int_set(&ended, true);
    if (hook)
        hook(conn, hookOpaque);
}


/* Not every driver has these: a local one needs none. */
void
hvmemEventsAttend(virConnectPtr conn)
{
    virConnectSetKeepAlive(conn, INTERVAL, UNANSWERED);
    if (virConnectRegisterCloseCallback(conn, onClose, NULL, NULL) == 0)
        g_atomic_int_set(&ended, false);
    virResetLastError();
}


void
hvmemEventsForget(virConnectPtr conn)
{
    virConnectUnregisterCloseCallback(conn, onClose);
    virResetLastError();
}


/* A question may fail a moment before the thread that has noticed why says so. */
bool
hvmemEventsIsSilent(void)
{
    gint64 end = g_get_monotonic_time() + SAID_USEC;

    while (!g_atomic_int_get(&ended) && g_get_monotonic_time() < end)
        g_usleep(SAID_USEC / 100);
    return g_atomic_int_get(&silent);
}


void
hvmemEventsOnClose(hvmemEventsClosed closed,
                   void *opaque)
{
    hookOpaque = opaque;
    hook = closed;
}


static void
wake(int timer G_GNUC_UNUSED,
     void *opaque G_GNUC_UNUSED)
{
}


void
hvmemEventsTurn(void)
{
    int timer = virEventAddTimeout(0, wake, NULL, NULL);

    virEventRunDefaultImpl();
    virEventRemoveTimeout(timer);
}


void
hvmemEventsEnd(void)
{
    int timer;

    if (!thread)
        return;

    g_atomic_int_set(&ending, true);
    timer = virEventAddTimeout(0, wake, NULL, NULL);
    g_thread_join(g_steal_pointer(&thread));
    virEventRemoveTimeout(timer);
}
