/*
 * hvmem-watched.c: a domain that is watched, also when it is migrated
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-watched.h"
#include "hvmem-move.h"

#include <string.h>

/* libvirt's event that tells why a domain is gone may come after the sample that misses it. */
#define MISSING_SAMPLES 3


hvmemWatched *
hvmemWatchedNew(const GPtrArray *hosts,
                const char *name,
                GError **error)
{
    hvmemWatched *watched = g_new0(hvmemWatched, 1);
    g_autoptr(hvmemDomain) first = NULL;

    if (!(watched->dom = hvmemHostsLookup(hosts, name, &watched->place, error)) ||
        !(first = hvmemInspectHyperv(watched->dom, true, error))) {
        hvmemWatchedFree(watched);
        return NULL;
    }

    virDomainGetUUIDString(watched->dom, watched->uuid);
    watched->record = hvmemRecordNew(first->name);
    return watched;
}


void
hvmemWatchedFree(hvmemWatched *watched)
{
    if (watched->dom)
        virDomainFree(watched->dom);
    hvmemRecordFree(watched->record);
    hvmemDomainFree(watched->last);
    g_free(watched);
}


bool
hvmemWatchedIs(const hvmemWatched *watched,
               virDomainPtr dom)
{
    char uuid[VIR_UUID_STRING_BUFLEN] = "";

    virDomainGetUUIDString(dom, uuid);
    return strcmp(watched->uuid, uuid) == 0;
}


/* Goes on where the guest is now; false if that is not known. */
static bool
follow(hvmemWatched *watched,
       const GPtrArray *hosts,
       char **news)
{
    const hvmemPlace *place = NULL;
    virDomainPtr dom = hvmemHostsFind(hosts, watched->uuid, watched->place, &place);

    if (!dom)
        return false;

    virDomainFree(watched->dom);
    watched->dom = dom;
    watched->place = place;
    *news = g_strdup_printf("is now on %s", place->name);
    return true;
}


/* The last sample once more, or that it is gone, as far as is known; NULL: no, it is an error. */
static hvmemDomain *
whatIsLeft(hvmemWatched *watched)
{
    hvmemDomain *left;

    watched->missing++;
    if (!watched->last || (!watched->migrated && watched->missing >= MISSING_SAMPLES))
        return NULL;

    left = hvmemDomainRemember(watched->last);
    left->active = watched->last->active && !watched->migrated;
    left->movedAway = watched->migrated;
    if (left->active)
        hvmemDomainKeep(left, watched->last);
    return left;
}


hvmemDomain *
hvmemWatchedLook(hvmemWatched *watched,
                 const GPtrArray *hosts,
                 char **news,
                 GError **error)
{
    g_autoptr(GError) reason = NULL;
    hvmemDomain *dom = hvmemInspectBoth(watched->dom, true, &reason);
    bool gone = !dom && virGetLastErrorCode() == VIR_ERR_NO_DOMAIN;

    if ((gone || (dom && !dom->active && dom->movedAway)) && follow(watched, hosts, news)) {
        hvmemDomainFree(dom);
        g_clear_error(&reason);
        dom = hvmemInspectBoth(watched->dom, true, &reason);
    } else if (gone && (dom = whatIsLeft(watched))) {
        *news = hvmemHostsFailure(hosts);
        return dom;
    }

    if (!dom) {
        g_propagate_error(error, g_steal_pointer(&reason));
        return NULL;
    }

    watched->missing = 0;
    watched->migrated = false;
    if (watched->place != hosts->pdata[0])
        dom->host = g_strdup(watched->place->name);
    return dom;
}


bool
hvmemWatchedCheckLeft(const GPtrArray *domains,
                      const GPtrArray *hosts,
                      GError **error)
{
    const hvmemRecord *first = ((hvmemWatched *)domains->pdata[0])->record;
    size_t i;

    for (i = 0; i < domains->len; i++) {
        const hvmemWatched *watched = domains->pdata[i];

        if ((!watched->migrated && !watched->gone) || hosts->len > 1)
            return true;
    }

    return hvmemMoveFail(first->name, "watch", true, error);
}
