/*
 * hvmem-balance-lock.h: one balancer for a connection, and what others may know of it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-balance-conf.h"

#include <sys/types.h>

char *
hvmemBalanceLockPath(const char *uri);

/* Takes the lock of the balancer for the daemon of the connection @uri, until the program ends. False if another process has it: the error names it. */
bool
hvmemBalanceLock(const char *uri,
                 GError **error);

/* Whoever has the lock tells other programs its configuration, and which guests somebody else moves: @foreign, UUIDs, and seconds since 1970. */
void
hvmemBalancePublish(const hvmemBalanceConf *conf,
                    GHashTable *foreign);

/* Whoever has the lock tells that it has just decided. */
void
hvmemBalanceDecided(void);

/* For how many minutes has a balancer not decided that last did so when @decided says, both in seconds since 1970? 0: it has lately, or that is not
 * known. */
gint64
hvmemBalanceIdleMinutes(gint64 decided,
                        gint64 now);

/* Somebody who has such a lock, with what it tells: it is to be believed only if hvmemBalanceOwnerOf() returns it. */
typedef struct _hvmemBalanceOwner hvmemBalanceOwner;
struct _hvmemBalanceOwner {
    long pid;
    uid_t uid;                  /* whose file it is */
    gint64 decided;             /* when it last decided or wrote the file, in seconds since 1970; 0: not known */
    bool told;                  /* else its configuration is not known */
    char *file;                 /* the name of its lock: known also if the file cannot be read. NULL: not known */
    char *uri;                  /* NULL: not told */
    guint64 budget;             /* as in hvmemBalanceConf */
    guint64 reserve;
    GHashTable *foreign;        /* as above; the values are gint64 */
};

void
hvmemBalanceOwnerFree(hvmemBalanceOwner *owner);

/* From what is in the file of a lock. NULL: nothing that makes sense. */
hvmemBalanceOwner *
hvmemBalanceOwnerParse(const char *text);

/* Does process @pid have the lock of the file with @inode, by @locks, the text of /proc/locks? */
bool
hvmemBalanceIsLocked(const char *locks,
                     guint64 inode,
                     long pid);

/* Array of hvmemBalanceOwner: all of this host that can be seen. Nobody's lock is touched. */
GPtrArray *
hvmemBalanceOwners(void);

/* The one among @owners that balances the daemon of @uri for this user: its own, or root's. NULL: there is none. Anybody can have a file that says so. */
const hvmemBalanceOwner *
hvmemBalanceOwnerOf(const GPtrArray *owners,
                    const char *uri);
