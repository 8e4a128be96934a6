/*
 * hvmem-hosts.h: several hosts, between which guests may be migrated
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-conn.h"

typedef struct _hvmemPlace hvmemPlace;
struct _hvmemPlace {
    virConnectPtr conn;
    char *name;                 /* of the host, or the URI of the connection if there are several to that host */
};

/* An array of hvmemPlace: first the usual one by @uri, then those of @others, NULL-terminated or NULL. NULL with @error if any does not connect. */
GPtrArray *
hvmemHostsOpen(const char *uri,
               char **others,
               bool readonly,
               GError **error);

/* Where the domain of that @uuid runs, on any place but @except, which may be NULL. NULL: nowhere. @place is set to where that is. */
virDomainPtr
hvmemHostsFind(const GPtrArray *places,
               const char *uuid,
               const hvmemPlace *except,
               const hvmemPlace **place);

/* The domain @name: where it runs, else where it is defined. NULL with @error. */
virDomainPtr
hvmemHostsLookup(const GPtrArray *places,
                 const char *name,
                 const hvmemPlace **place,
                 GError **error);
