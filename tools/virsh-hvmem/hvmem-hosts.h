/*
 * hvmem-hosts.h: several hosts, between which guests may be migrated
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-conn.h"

typedef struct _hvmemPlace hvmemPlace;
struct _hvmemPlace {
    virConnectPtr conn;         /* NULL: not connected (yet) */
    char *name;                 /* of the host, or the URI of the connection if there are several to that host; NULL like conn */
    char *uri;                  /* may be NULL for the usual one */
    bool readonly;
    bool listened;              /* for the caller: events of this connection are wanted already */
    gint64 retry;               /* not to be connected to before that, by g_get_monotonic_time() */
    char *failure;              /* why it could not be connected to, if nobody has been told */
};

/* An array of hvmemPlace: first the usual one by @uri, then those of @others, NULL-terminated or NULL. NULL with @error if the first does not
 * connect. The others are connected to when a guest has to be looked for: whether they run does not matter before. */
GPtrArray *
hvmemHostsOpen(const char *uri,
               char **others,
               bool readonly,
               GError **error);

/* A sentence on another host that could not be connected to; each host is told of once. NULL: there is none. */
char *
hvmemHostsFailure(const GPtrArray *places);

/* Where the domain of that @uuid runs, on any place but @except, which may be NULL. NULL: nowhere. @place is set to where that is. */
virDomainPtr
hvmemHostsFind(const GPtrArray *places,
               const char *uuid,
               const hvmemPlace *except,
               const hvmemPlace **place);

/* The domain @name: where it runs, else where it is defined. A number is an id on the first place only. NULL with @error. */
virDomainPtr
hvmemHostsLookup(const GPtrArray *places,
                 const char *name,
                 const hvmemPlace **place,
                 GError **error);
