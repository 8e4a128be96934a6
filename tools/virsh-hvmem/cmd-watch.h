/*
 * cmd-watch.h: what the parts of watch share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-list.h"
#include "hvmem-watched.h"

/* A chart cannot show more. */
#define WATCH_SECONDS 3600

typedef struct _Watch Watch;
struct _Watch {
    GPtrArray *hosts;           /* hvmemPlace */
    GPtrArray *domains;         /* hvmemWatched; without a sample, it has been removed */
    bool all;                   /* every domain there is, and those to come */
    hvmemListHost host;         /* if all are watched */
    FILE *file;                 /* of --record, or NULL */
    int unwritten;              /* errno of the first failure to write it */
    unsigned int samples;       /* written to it */
    unsigned int events;
    double start;
    bool screen;                /* on a terminal, in full */
    bool quiet;
    bool json;
    bool changed;               /* is there something new to show? */
    bool due;                   /* is it time for a sample? */
    bool last;                  /* the last one */
    bool sampling;              /* in another thread, which has the domains */
    GPtrArray *later;           /* events that have come meanwhile */
    bool closed;                /* libvirt has ended the connection */
    bool done;
    GError *error;

    /* the screen */
    bool table;                 /* shows the table, else the charts */
    bool help;
    bool typing;                /* keys go to the filter */
    GString *filter;            /* part of the names to list */
    GString *keys;              /* that have come while libvirt was waited for */
    hvmemListOptions list;
    char *chosen;               /* a name in the table; NULL: the first */
    char *opened;               /* the chart of this one; NULL: of all */
    double frozen;              /* the time that it shows while paused; 0: it is not */
};

/* Seconds since 1970. */
static inline double
watchNow(void)
{
    return g_get_real_time() / (double)G_USEC_PER_SEC;
}

/*
 * cmd-watch-lines.c: where there is no terminal
 */

void
watchPrintDomain(const Watch *watch,
                 const hvmemDomain *dom);

void
watchPrintEvent(const Watch *watch,
                const char *name,
                const hvmemEvent *event);

/*
 * cmd-watch-samples.c: what is known of the domains
 */

/* Domains by name, which have to have a hyperv balloon; all, if there is no name. */
bool
watchOpen(Watch *watch,
          char **names,
          GError **error);

/* Adds a sample of each domain. */
void
watchSample(Watch *watch);

/* Adds an event of @dom, if that is watched. */
void
watchAddEvent(Watch *watch,
              virDomainPtr dom,
              const char *text);

/* Adds those that have come while a sample was taken. */
void
watchAddLater(Watch *watch);

/* It goes to another host. */
void
watchNoteMigrated(Watch *watch,
                  virDomainPtr dom);

/*
 * cmd-watch-events.c
 */

/* Has libvirt's events added, of every host that is connected to. */
void
watchListen(Watch *watch);

/* No event is added any more. */
void
watchUnlisten(void);

/*
 * cmd-watch-chart.c, cmd-watch-table.c: what the screen shows, with line ends
 */

char *
watchFormatCharts(const Watch *watch,
                  int columns,
                  int rows);

char *
watchFormatTable(Watch *watch,
                 int columns,
                 int rows);

/* Chooses the row @by rows below the chosen one. */
void
watchMove(Watch *watch,
          int by);

/*
 * cmd-watch-screen.c
 */

void
watchEnterScreen(void);

void
watchLeaveScreen(void);

/* The same in a signal handler, if there is a screen. */
void
watchAbandonScreen(void);

/* After Ctrl-Z: gives the terminal back until the program goes on. */
void
watchSuspend(void);

/* After that, or if another program has changed the terminal. */
void
watchResume(void);

void
watchShow(Watch *watch);

/* In its last line: libvirt has not answered for so many seconds. */
void
watchShowSilence(double seconds);

/* @n bytes from the keyboard. */
void
watchKeys(Watch *watch,
          const char *keys,
          size_t n);

/* Would one of watch->keys quit? */
bool
watchKeysQuit(const Watch *watch);
