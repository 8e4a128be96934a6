/*
 * hvmem-events.c: libvirt's event loop, which notices a connection that does not answer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-conn.h"
#include "hvmem-events.h"

/* Seconds between two questions whether the other end is there, and how many may go unanswered. */
#define INTERVAL 5
#define UNANSWERED 3

struct _hvmemEvents {
    GThread *thread;
    gint ending;
};


bool
hvmemEventsRegister(GError **error)
{
    return virEventRegisterDefaultImpl() == 0 || hvmemFailVir(error, "failed to set up events");
}


/* Not every driver has it: a local one needs none. */
void
hvmemEventsKeepAlive(virConnectPtr conn)
{
    virConnectSetKeepAlive(conn, INTERVAL, UNANSWERED);
    virResetLastError();
}


static gpointer
run(gpointer opaque)
{
    hvmemEvents *events = opaque;

    while (!g_atomic_int_get(&events->ending) && virEventRunDefaultImpl() == 0)
        ;
    return NULL;
}


hvmemEvents *
hvmemEventsStart(void)
{
    hvmemEvents *events = g_new0(hvmemEvents, 1);

    events->thread = g_thread_new("events", run, events);
    return events;
}


static void
wake(int timer G_GNUC_UNUSED,
     void *opaque G_GNUC_UNUSED)
{
}


void
hvmemEventsStop(hvmemEvents *events)
{
    int timer;

    if (!events)
        return;

    g_atomic_int_set(&events->ending, true);
    timer = virEventAddTimeout(0, wake, NULL, NULL);
    g_thread_join(events->thread);
    virEventRemoveTimeout(timer);
    g_free(events);
}
