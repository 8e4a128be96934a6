/*
 * hvmem-watched.h: a domain that is watched, also when it is migrated
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-hosts.h"
#include "hvmem-record.h"

typedef struct _hvmemWatched hvmemWatched;
struct _hvmemWatched {
    virDomainPtr dom;
    const hvmemPlace *place;    /* where that is */
    char uuid[VIR_UUID_STRING_BUFLEN];
    hvmemRecord *record;
    hvmemDomain *last;          /* the last sample, which the caller keeps here */
    bool migrated;              /* libvirt's event says that it has gone to another host */
    bool gone;                  /* the caller has said that it is nowhere any more */
    unsigned int missing;       /* samples since it was found last */
};

/* @hosts: of hvmemHostsOpen(). NULL with @error if there is no such domain, or it has no hyperv balloon. */
hvmemWatched *
hvmemWatchedNew(const GPtrArray *hosts,
                const char *name,
                GError **error);

void
hvmemWatchedFree(hvmemWatched *watched);

/* Is @dom, of any host, the same domain? */
bool
hvmemWatchedIs(const hvmemWatched *watched,
               virDomainPtr dom);

/* False with @error if there is nothing more to see: all of @domains have gone elsewhere, with their definitions, and nobody has named another host. */
bool
hvmemWatchedCheckLeft(const GPtrArray *domains,
                      const GPtrArray *hosts,
                      GError **error);

/* Looks at the guest, on any of @hosts. @news: set to a text when it is on another of them than before. Of one that has gone elsewhere, and its
 * definition too, what was known last is returned, as shut off. NULL with @error. */
hvmemDomain *
hvmemWatchedLook(hvmemWatched *watched,
                 const GPtrArray *hosts,
                 char **news,
                 GError **error);
