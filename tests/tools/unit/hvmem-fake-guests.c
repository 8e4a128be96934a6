/*
 * hvmem-fake-guests.c: preloaded into virsh-hvmem, gives the domains of libvirt's test driver a hyperv balloon and guests that follow
 *
 * What guests use and what was requested of them is in the file HVMEM_FAKE_GUESTS, so that it survives the program: for each domain a line "NAME USED
 * REQUESTED HELD KIND" in MiB; what is HELD is never given back; KIND is "ok", "paused", "locked" (its memory), "assigned" (a device), "refuses"
 * (every request), "leaves" (is shut off by one), "cuts" (ends the connection with one, and is "ok" then), or "slow" (lets one wait three seconds,
 * and is "ok" then). Each request is appended to that file's name with .log. While there is one with .gone, libvirt does not answer; while there is
 * one with .full, it cannot write definitions.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <glib.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hvmem-preload.h"

#define MIB 1024ULL
#define MOST 64

typedef struct {
    char name[64];
    unsigned long long used;
    unsigned long long requested;
    unsigned long long held;
    char kind[16];
} Guest;

static Guest guests[MOST];
static int nguests;


static void
load(void)
{
    FILE *file = fopen(getenv("HVMEM_FAKE_GUESTS"), "r");
    Guest *g = guests;

    nguests = 0;
    while (file && nguests < MOST && fscanf(file, "%63s %llu %llu %llu %15s", g->name, &g->used, &g->requested, &g->held, g->kind) == 5) {
        nguests++;
        g++;
    }
    if (file)
        fclose(file);
}


static void
save(void)
{
    const char *path = getenv("HVMEM_FAKE_GUESTS");
    g_autoptr(GString) text = g_string_new(NULL);
    int i;

    for (i = 0; i < nguests; i++)
        g_string_append_printf(text, "%s %llu %llu %llu %s\n", guests[i].name, guests[i].used, guests[i].requested, guests[i].held, guests[i].kind);
    /* at once, whatever kills us */
    if (!g_file_set_contents(path, text->str, -1, NULL))
        abort();
}


static bool
isThere(const char *suffix)
{
    g_autofree char *path = g_strconcat(getenv("HVMEM_FAKE_GUESTS"), suffix, NULL);

    return g_file_test(path, G_FILE_TEST_EXISTS);
}


static bool
isGone(void)
{
    return isThere(".gone");
}


static void
go(void)
{
    g_autofree char *path = g_strconcat(getenv("HVMEM_FAKE_GUESTS"), ".gone", NULL);

    if (!g_file_set_contents(path, "", 0, NULL))
        abort();
}


int
virConnectIsAlive(virConnectPtr conn)
{
    int (*next)(virConnectPtr) = real("virConnectIsAlive");

    return isGone() ? 0 : next(conn);
}


virDomainPtr
virDomainLookupByUUIDString(virConnectPtr conn,
                            const char *uuid)
{
    virDomainPtr (*next)(virConnectPtr, const char *) = real("virDomainLookupByUUIDString");

    return isGone() ? NULL : next(conn, uuid);
}


static Guest *
find(virDomainPtr dom)
{
    int i;

    load();
    for (i = 0; i < nguests; i++) {
        if (strcmp(guests[i].name, virDomainGetName(dom)) == 0)
            return guests + i;
    }
    return NULL;
}


static unsigned long long
has(const Guest *guest)
{
    return MAX(guest->requested, guest->held);
}


char *
virDomainGetXMLDesc(virDomainPtr dom,
                    unsigned int flags)
{
    char *(*next)(virDomainPtr, unsigned int) = real("virDomainGetXMLDesc");
    char *xml = next(dom, flags);
    g_autoptr(GString) text = g_string_new(xml);
    const Guest *guest = find(dom);

    free(xml);
    if (!guest)
        return strdup(text->str);

    g_string_replace(text, "<memballoon model='virtio'", "<memballoon model='hyperv'", 1);
    g_string_replace(text, "<memory unit=", "<maxMemory unit='GiB'>8</maxMemory><memory unit=", 1);
    if (strcmp(guest->kind, "locked") == 0)
        g_string_replace(text, "<os>", "<memoryBacking><locked/></memoryBacking><os>", 1);
    if (strcmp(guest->kind, "assigned") == 0)
        g_string_replace(text, "<devices>", "<devices><hostdev mode='subsystem' type='pci'/>", 1);
    return strdup(text->str);
}


/* In KiB: like that of a real guest, never quite what it was. */
static unsigned long long
usable(const Guest *guest)
{
    unsigned long long rest = (has(guest) - MIN(guest->used, has(guest))) * MIB;

    return rest > 0 ? rest - (unsigned long long)g_get_monotonic_time() % 16 : 0;
}


static virDomainStatsRecordPtr
record(virDomainPtr dom)
{
    virDomainStatsRecordPtr made = calloc(1, sizeof(*made));
    const Guest *guest = find(dom);
    int most = 0;

    made->dom = dom;
    virDomainRef(dom);
    virTypedParamsAddInt(&made->params, &made->nparams, &most, "state.state",
                         guest && strcmp(guest->kind, "paused") == 0 ? VIR_DOMAIN_PAUSED : VIR_DOMAIN_RUNNING);
    if (!guest)
        return made;

    virTypedParamsAddULLong(&made->params, &made->nparams, &most, "balloon.current", has(guest) * MIB);
    virTypedParamsAddULLong(&made->params, &made->nparams, &most, "balloon.usable", usable(guest));
    virTypedParamsAddULLong(&made->params, &made->nparams, &most, "balloon.rss", has(guest) * MIB);
    virTypedParamsAddULLong(&made->params, &made->nparams, &most, "balloon.hyperv.requested", guest->requested * MIB);
    virTypedParamsAddBoolean(&made->params, &made->nparams, &most, "balloon.hyperv.connected", 1);
    virTypedParamsAddString(&made->params, &made->nparams, &most, "balloon.hyperv.state", has(guest) == guest->requested ? "idle" : "floor");
    return made;
}


int
virDomainListGetStats(virDomainPtr *doms,
                      unsigned int stats G_GNUC_UNUSED,
                      virDomainStatsRecordPtr **records,
                      unsigned int flags G_GNUC_UNUSED)
{
    int n;

    for (n = 0; doms[n]; n++)
        ;
    *records = calloc(n + 1, sizeof(**records));
    for (n = 0; doms[n]; n++)
        (*records)[n] = record(doms[n]);
    return n;
}


int
virConnectGetAllDomainStats(virConnectPtr conn,
                            unsigned int stats G_GNUC_UNUSED,
                            virDomainStatsRecordPtr **records,
                            unsigned int flags G_GNUC_UNUSED)
{
    virDomainPtr *doms = NULL;
    int n = virConnectListAllDomains(conn, &doms, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
    int i;

    if (n < 0 || isGone())
        return -1;

    *records = calloc(n + 1, sizeof(**records));
    for (i = 0; i < n; i++) {
        (*records)[i] = record(doms[i]);
        virDomainFree(doms[i]);
    }
    free(doms);
    return n;
}


/* As libvirt does it: the running domain is changed before the definition. */
int
virDomainSetMetadata(virDomainPtr dom,
                     int type,
                     const char *metadata,
                     const char *key,
                     const char *uri,
                     unsigned int flags)
{
    int (*next)(virDomainPtr, int, const char *, const char *, const char *, unsigned int) = real("virDomainSetMetadata");
    int result = next(dom, type, metadata, key, uri, flags);

    return isThere(".full") ? -1 : result;
}


/* Something happens just now. */
static bool
fails(virDomainPtr dom,
      Guest *guest)
{
    if (strcmp(guest->kind, "leaves") == 0) {
        virDomainDestroy(dom);
        return true;
    }
    if (strcmp(guest->kind, "cuts") != 0)
        return false;

    g_strlcpy(guest->kind, "ok", sizeof(guest->kind));
    save();
    go();
    return true;
}


int
virDomainSetMemoryFlags(virDomainPtr dom,
                        unsigned long memory,
                        unsigned int flags G_GNUC_UNUSED)
{
    g_autofree char *path = g_strconcat(getenv("HVMEM_FAKE_GUESTS"), ".log", NULL);
    Guest *guest = find(dom);
    FILE *log = fopen(path, "a");

    if (!guest || !log)
        abort();
    fprintf(log, "%s %llu\n", guest->name, memory / MIB);
    fclose(log);
    if (strcmp(guest->kind, "refuses") == 0 || fails(dom, guest))
        return -1;

    if (strcmp(guest->kind, "slow") == 0) {
        g_usleep(3 * G_USEC_PER_SEC);
        guest = find(dom);
        g_strlcpy(guest->kind, "ok", sizeof(guest->kind));
    }
    guest->requested = memory / MIB;
    save();
    return 0;
}
