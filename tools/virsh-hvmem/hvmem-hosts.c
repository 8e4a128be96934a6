/*
 * hvmem-hosts.c: several hosts, between which guests may be migrated
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-hosts.h"
#include "hvmem-output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Seconds after which a host that could not be connected to is tried again. */
#define RETRY_SEC 10


static void
placeFree(hvmemPlace *place)
{
    hvmemConnectUnref(place->conn);
    g_free(place->name);
    g_free(place->uri);
    g_free(place->failure);
    g_free(place);
}


static char *
take(char *text)
{
    char *copy = g_strdup(text ? text : "?");

    free(text);
    return copy;
}


static void
add(GPtrArray *places,
    const char *uri,
    bool readonly)
{
    hvmemPlace *place = g_new0(hvmemPlace, 1);

    place->uri = g_strdup(uri);
    place->readonly = readonly;
    g_ptr_array_add(places, place);
}


static void
useURI(hvmemPlace *place)
{
    g_free(place->name);
    place->name = take(virConnectGetURI(place->conn));
}


/* Two daemons of one host are told apart by their URIs. */
static void
nameApart(const GPtrArray *places,
          hvmemPlace *new)
{
    g_autofree char *name = g_strdup(new->name);
    size_t i;

    for (i = 0; i < places->len; i++) {
        hvmemPlace *place = places->pdata[i];

        if (place == new || !place->conn || strcmp(place->name, name) != 0)
            continue;
        useURI(place);
        if (strcmp(new->name, name) == 0)
            useURI(new);
    }
}


static bool
openOne(const GPtrArray *places,
        hvmemPlace *place,
        GError **error)
{
    if (!(place->conn = hvmemConnect(place->uri, place->readonly, error)))
        return false;

    place->name = take(virConnectGetHostname(place->conn));
    nameApart(places, place);
    return true;
}


/* Is @place, one of the others, connected to? If it is not, that is tried, but not all the time. */
static bool
isOpen(const GPtrArray *places,
       hvmemPlace *place)
{
    g_autoptr(GError) reason = NULL;

    if (place->conn || g_get_monotonic_time() < place->retry)
        return place->conn;
    if (openOne(places, place, &reason))
        return true;

    if (!place->retry)
        place->failure = g_strdup_printf("%s: %s", reason->message, hvmemErrorGetCause(reason) ? hvmemErrorGetCause(reason) : "no reason is known");
    place->retry = g_get_monotonic_time() + RETRY_SEC * G_USEC_PER_SEC;
    return false;
}


char *
hvmemHostsFailure(const GPtrArray *places)
{
    size_t i;

    for (i = 0; i < places->len; i++) {
        hvmemPlace *place = places->pdata[i];

        if (place->failure)
            return g_steal_pointer(&place->failure);
    }
    return NULL;
}


GPtrArray *
hvmemHostsOpen(const char *uri,
               char **others,
               bool readonly,
               GError **error)
{
    g_autoptr(GPtrArray) places = g_ptr_array_new_with_free_func((GDestroyNotify)placeFree);

    add(places, uri, readonly);
    for (; others && *others; others++)
        add(places, *others, readonly);

    if (!openOne(places, places->pdata[0], error))
        return NULL;
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
        hvmemPlace *one = places->pdata[i];

        if (one == except || !isOpen(places, one) || !(found = virDomainLookupByUUIDString(one->conn, uuid)))
            continue;

        *place = one;
        if (virDomainIsActive(found) != 1)
            g_clear_pointer(&found, virDomainFree);
    }
    virResetLastError();
    return found;
}


/* On another than the first place, where an id means another domain. */
static virDomainPtr
lookupThere(virConnectPtr conn,
            const char *name)
{
    virDomainPtr dom = strlen(name) == VIR_UUID_STRING_BUFLEN - 1 ? virDomainLookupByUUIDString(conn, name) : NULL;

    return dom ? dom : virDomainLookupByName(conn, name);
}


/* Where @first runs, or a domain @name if that is NULL, on any but the first place; else where there is one. NULL: nowhere. */
static virDomainPtr
searchOthers(const GPtrArray *places,
             virDomainPtr first,
             const char *name,
             const hvmemPlace **place)
{
    g_autoptr(virDomain) defined = NULL;
    char uuid[VIR_UUID_STRING_BUFLEN] = "";
    size_t i;

    if (first && virDomainGetUUIDString(first, uuid) == 0)
        return hvmemHostsFind(places, uuid, places->pdata[0], place);

    for (i = 1; i < places->len; i++) {
        hvmemPlace *one = places->pdata[i];
        g_autoptr(virDomain) dom = isOpen(places, one) ? lookupThere(one->conn, name) : NULL;
        bool runs = dom && virDomainIsActive(dom) == 1;

        if (runs || (dom && !defined))
            *place = one;
        if (runs)
            return g_steal_pointer(&dom);
        if (dom && !defined)
            defined = g_steal_pointer(&dom);
    }
    return g_steal_pointer(&defined);
}


static void
warn(const GPtrArray *places)
{
    char *failure;

    while ((failure = hvmemHostsFailure(places))) {
        hvmemTell(stderr, "warning: %s\n", failure);
        g_free(failure);
    }
}


virDomainPtr
hvmemHostsLookup(const GPtrArray *places,
                 const char *name,
                 const hvmemPlace **place,
                 GError **error)
{
    const hvmemPlace *here = places->pdata[0];
    /* the first connection's error is the one to report */
    g_autoptr(virDomain) first = hvmemLookup(here->conn, name, error);
    virDomainPtr other;

    *place = here;
    if (first && virDomainIsActive(first) == 1)
        return g_steal_pointer(&first);

    other = searchOthers(places, first, name, place);
    warn(places);
    virResetLastError();
    if (other && !first)
        g_clear_error(error);
    return other ? other : g_steal_pointer(&first);
}
