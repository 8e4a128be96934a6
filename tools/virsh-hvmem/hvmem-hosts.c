/*
 * hvmem-hosts.c: several hosts, between which guests may be migrated
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-hosts.h"
#include "hvmem-events.h"

#include <stdlib.h>
#include <string.h>


static void
placeFree(hvmemPlace *place)
{
    if (place->conn)
        virConnectClose(place->conn);
    g_free(place->name);
    g_free(place);
}


static char *
take(char *text)
{
    char *copy = g_strdup(text ? text : "?");

    free(text);
    return copy;
}


static bool
openOne(GPtrArray *places,
        const char *uri,
        bool readonly,
        GError **error)
{
    hvmemPlace *place = g_new0(hvmemPlace, 1);

    g_ptr_array_add(places, place);
    if (!(place->conn = hvmemConnect(uri, readonly, error)))
        return false;

    hvmemEventsKeepAlive(place->conn);
    place->name = take(virConnectGetHostname(place->conn));
    return true;
}


/* Two daemons of one host are told apart by their URIs. */
static void
nameApart(const GPtrArray *places)
{
    g_autofree char *first = NULL;
    bool alike = places->len > 1;
    size_t i;

    first = g_strdup(((hvmemPlace *)places->pdata[0])->name);
    for (i = 1; i < places->len; i++)
        alike = alike && strcmp(first, ((hvmemPlace *)places->pdata[i])->name) == 0;

    for (i = 0; alike && i < places->len; i++) {
        hvmemPlace *place = places->pdata[i];

        g_free(place->name);
        place->name = take(virConnectGetURI(place->conn));
    }
}


GPtrArray *
hvmemHostsOpen(const char *uri,
               char **others,
               bool readonly,
               GError **error)
{
    g_autoptr(GPtrArray) places = g_ptr_array_new_with_free_func((GDestroyNotify)placeFree);

    if (!hvmemEventsRegister(error) || !openOne(places, uri, readonly, error))
        return NULL;

    for (; others && *others; others++) {
        if (!openOne(places, *others, readonly, error))
            return NULL;
    }
    nameApart(places);
    return g_steal_pointer(&places);
}


virDomainPtr
hvmemHostsFind(const GPtrArray *places,
               const char *uuid,
               const hvmemPlace *except,
               const hvmemPlace **place)
{
    virDomainPtr found = NULL;
    size_t i;

    for (i = 0; i < places->len && !found; i++) {
        const hvmemPlace *one = places->pdata[i];

        if (one == except || !(found = virDomainLookupByUUIDString(one->conn, uuid)))
            continue;

        *place = one;
        if (virDomainIsActive(found) != 1)
            g_clear_pointer(&found, virDomainFree);
    }
    virResetLastError();
    return found;
}


virDomainPtr
hvmemHostsLookup(const GPtrArray *places,
                 const char *name,
                 const hvmemPlace **place,
                 GError **error)
{
    g_autoptr(virDomain) first = NULL;
    size_t i;

    for (i = 0; i < places->len; i++) {
        const hvmemPlace *one = places->pdata[i];
        /* the first connection's error is the one to report */
        g_autoptr(virDomain) dom = hvmemLookup(one->conn, name, i == 0 ? error : NULL);

        if (dom && virDomainIsActive(dom) == 1) {
            *place = one;
            g_clear_error(error);
            return g_steal_pointer(&dom);
        }
        if (dom && !first) {
            *place = one;
            first = g_steal_pointer(&dom);
        }
    }
    virResetLastError();
    if (first)
        g_clear_error(error);
    return g_steal_pointer(&first);
}
