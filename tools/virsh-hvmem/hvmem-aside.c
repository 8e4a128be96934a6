/*
 * hvmem-aside.c: questions to libvirt, which may never answer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-aside.h"

#include <glib.h>
#include <stdio.h>
#include <unistd.h>

/* Between two looks whether somebody has had enough. */
#define LOOK_USEC (G_USEC_PER_SEC / 10)

typedef struct _Aside Aside;
struct _Aside {
    GMutex mutex;
    GCond ended;
    bool done;
    void (*work)(void *opaque);
    void *opaque;
};

static bool left;


static gpointer
run(gpointer opaque)
{
    Aside *aside = opaque;

    aside->work(aside->opaque);
    g_mutex_lock(&aside->mutex);
    aside->done = true;
    g_cond_signal(&aside->ended);
    g_mutex_unlock(&aside->mutex);
    return NULL;
}


/* Is it done after the next while? */
static bool
waitDone(Aside *aside)
{
    gint64 end = g_get_monotonic_time() + LOOK_USEC;
    bool done;

    g_mutex_lock(&aside->mutex);
    while (!aside->done && g_cond_wait_until(&aside->ended, &aside->mutex, end))
        ;
    done = aside->done;
    g_mutex_unlock(&aside->mutex);
    return done;
}


bool
hvmemAside(void (*work)(void *opaque),
           bool (*isOver)(void *opaque,
                          double seconds),
           void *opaque)
{
    Aside *aside = g_new0(Aside, 1);
    gint64 start = g_get_monotonic_time();
    GThread *thread;
    bool done;

    g_mutex_init(&aside->mutex);
    g_cond_init(&aside->ended);
    aside->work = work;
    aside->opaque = opaque;
    thread = g_thread_new("aside", run, aside);
    while (!(done = waitDone(aside)) && !isOver(opaque, (g_get_monotonic_time() - start) / (double)G_USEC_PER_SEC))
        ;

    if (!done) {
        /* the thread has @aside */
        g_thread_unref(thread);
        left = true;
        return false;
    }
    g_thread_join(thread);
    g_mutex_clear(&aside->mutex);
    g_cond_clear(&aside->ended);
    g_free(aside);
    return true;
}


bool
hvmemAsideIsLeft(void)
{
    return left;
}


void
hvmemAsideLeave(int status)
{
    fflush(stdout);
    fflush(stderr);
    _exit(status);
}
