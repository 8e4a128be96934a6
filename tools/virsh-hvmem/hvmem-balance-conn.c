/*
 * hvmem-balance-conn.c: what libvirt knows of all domains, for the balancer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-balance-conn.h"
#include "hvmem-conn.h"

#include <stdlib.h>

#define STATS (VIR_DOMAIN_STATS_STATE | VIR_DOMAIN_STATS_BALLOON)
#define STATS_FLAGS (VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE | VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT)


/* Only one of which the balancer keeps something is worth the question. */
static void
readSaved(hvmemBalanced *guest,
          virDomainPtr dom)
{
    bool starts = !guest->dom->active && guest->settings.on && guest->dom->hyperv;
    char *xml = starts && virDomainHasManagedSaveImage(dom, 0) == 1 ? virDomainManagedSaveGetXMLDesc(dom, 0) : NULL;

    hvmemBalancedSaved(guest, xml);
    free(xml);
}


/* One that is gone is left out. */
static void
readDomain(hvmemBalancer *balancer,
           virDomainPtr dom,
           GHashTable *uuids)
{
    char uuid[VIR_UUID_STRING_BUFLEN] = "";
    char *xml = virDomainGetXMLDesc(dom, 0);
    int active = virDomainIsActive(dom);

    virDomainGetUUIDString(dom, uuid);
    if (xml && active >= 0 && hvmemBalancerRead(balancer, virDomainGetName(dom), uuid, active, xml, NULL)) {
        g_hash_table_add(uuids, g_strdup(uuid));
        readSaved(hvmemBalancerGet(balancer, uuid), dom);
    }
    free(xml);
}


bool
hvmemBalancerReadDomains(hvmemBalancer *balancer,
                         virConnectPtr conn,
                         GError **error)
{
    g_autoptr(GHashTable) uuids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    virDomainPtr *doms = NULL;
    int n = virConnectListAllDomains(conn, &doms, 0);
    int i;

    if (n < 0)
        return hvmemFailVir(error, "failed to list domains");

    for (i = 0; i < n; i++) {
        readDomain(balancer, doms[i], uuids);
        virDomainFree(doms[i]);
    }
    free(doms);
    virResetLastError();
    hvmemBalancerKeep(balancer, uuids);
    return true;
}


/* 0: it has none any more. */
static unsigned int
idOf(virDomainPtr dom)
{
    unsigned int id = virDomainGetID(dom);

    return id == (unsigned int)-1 ? 0 : id;
}


/* False: it is not one of those that ran at the last look. */
static bool
takeRecord(hvmemBalancer *balancer,
           const virDomainStatsRecord *record)
{
    char uuid[VIR_UUID_STRING_BUFLEN] = "";
    hvmemBalanced *guest;

    virDomainGetUUIDString(record->dom, uuid);
    guest = hvmemBalancerGet(balancer, uuid);
    if (!guest || !guest->dom->active || !hvmemBalancedMeet(guest, idOf(record->dom)))
        return false;

    hvmemBalancedTake(guest, record->params, record->nparams);
    return true;
}


bool
hvmemBalancerReadStats(hvmemBalancer *balancer,
                       virConnectPtr conn,
                       bool *known,
                       GError **error)
{
    virDomainStatsRecordPtr *records = NULL;
    int n = virConnectGetAllDomainStats(conn, STATS, &records, STATS_FLAGS);
    unsigned int active = 0;
    GHashTableIter iter;
    gpointer value;
    int i;

    if (n < 0)
        return hvmemFailVir(error, "failed to get statistics");

    *known = true;
    for (i = 0; i < n; i++)
        *known = takeRecord(balancer, records[i]) && *known;
    virDomainStatsRecordListFree(records);

    g_hash_table_iter_init(&iter, balancer->domains);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        active += ((hvmemBalanced *)value)->dom->active;
    *known = *known && active == (unsigned int)n;
    return true;
}
