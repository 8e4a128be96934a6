/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hvmem-move-test.c: domains that migrate, or could not. This program is libvirt on two hosts.
 */

#include "hvmem-explain.h"
#include "hvmem-move.h"
#include "hvmem-wait.h"
#include "hvmem-watched.h"
#include "hvmem-test-domain.h"

#include <stdlib.h>
#include <string.h>

#define GIB HVMEM_GIB
#define UUID "12345678-1234-1234-1234-123456789abc"
#define XML(inside) "<domain type='kvm'><name>g</name><maxMemory unit='GiB'>8</maxMemory><memory unit='GiB'>3</memory><currentMemory unit='GiB'>1" \
    "</currentMemory><vcpu>1</vcpu><os><type arch='x86_64' machine='q35'>hvm</type></os>" inside "</domain>"
#define BALLOON "<memballoon model='hyperv'><requested unit='GiB'>1</requested></memballoon>"


/*
 * Two hosts
 */

typedef struct _Host Host;
struct _Host {
    bool defined;
    bool active;
    int reason;                 /* of being shut off or paused; running if active and 0 */
    bool arriving;
    int sent;                   /* of 100: it migrates away; -1: it does not */
};

static Host hosts[2];
static int ids[2];             /* of the guest there */
static int lastCode;
static unsigned int waits;      /* looks that another job would keep waiting */
static unsigned int asked;      /* looks at all */
static unsigned int opened;     /* connections to the second host */
static bool unreachable;        /* the second host does not answer */
static guint64 requested = HVMEM_GIB;
static void (*onLook)(void);    /* called by each look */


static Host *
hostOf(virDomainPtr dom)
{
    return (Host *)dom;
}


virConnectPtr
virConnectOpenAuth(const char *name,
                   virConnectAuthPtr auth G_GNUC_UNUSED,
                   unsigned int flags G_GNUC_UNUSED)
{
    bool second = strcmp(name, "b") == 0;

    opened += second;
    lastCode = second && unreachable ? VIR_ERR_SYSTEM_ERROR : VIR_ERR_OK;
    return lastCode ? NULL : (virConnectPtr)&hosts[second];
}


int
virConnectClose(virConnectPtr conn G_GNUC_UNUSED)
{
    return 0;
}


int
virConnectRegisterCloseCallback(virConnectPtr conn G_GNUC_UNUSED,
                                virConnectCloseFunc cb G_GNUC_UNUSED,
                                void *opaque G_GNUC_UNUSED,
                                virFreeCallback freecb G_GNUC_UNUSED)
{
    return 0;
}


int
virConnectUnregisterCloseCallback(virConnectPtr conn G_GNUC_UNUSED,
                                  virConnectCloseFunc cb G_GNUC_UNUSED)
{
    return 0;
}


int
virConnectSetKeepAlive(virConnectPtr conn G_GNUC_UNUSED,
                       int interval,
                       unsigned int count)
{
    g_assert_cmpint(interval, >, 0);
    g_assert_cmpuint(count, >, 0);
    return 0;
}


char *
virConnectGetHostname(virConnectPtr conn)
{
    return g_strdup((Host *)conn == hosts ? "alpha" : "beta");
}


static virDomainPtr
lookup(virConnectPtr conn)
{
    Host *host = (Host *)conn;

    lastCode = host->defined || host->active ? VIR_ERR_OK : VIR_ERR_NO_DOMAIN;
    return lastCode ? NULL : (virDomainPtr)host;
}


virDomainPtr
virDomainLookupByUUIDString(virConnectPtr conn,
                            const char *uuid)
{
    g_assert_cmpstr(uuid, ==, UUID);
    return lookup(conn);
}


virDomainPtr
virDomainLookupByName(virConnectPtr conn,
                      const char *name)
{
    if (strcmp(name, "g") != 0) {
        lastCode = VIR_ERR_NO_DOMAIN;
        return NULL;
    }
    return lookup(conn);
}


virDomainPtr
virDomainLookupByID(virConnectPtr conn,
                    int id)
{
    lastCode = ((Host *)conn)->active && ids[(Host *)conn - hosts] == id ? VIR_ERR_OK : VIR_ERR_NO_DOMAIN;
    return lastCode ? NULL : (virDomainPtr)conn;
}


virConnectPtr
virDomainGetConnect(virDomainPtr dom)
{
    return (virConnectPtr)dom;
}


unsigned int
virDomainGetID(virDomainPtr dom)
{
    return ids[hostOf(dom) - hosts];
}


int
virDomainRef(virDomainPtr dom G_GNUC_UNUSED)
{
    return 0;
}


int
virDomainFree(virDomainPtr dom G_GNUC_UNUSED)
{
    return 0;
}


const char *
virDomainGetName(virDomainPtr dom G_GNUC_UNUSED)
{
    return "g";
}


int
virDomainGetUUIDString(virDomainPtr dom G_GNUC_UNUSED,
                       char *buf)
{
    g_strlcpy(buf, UUID, VIR_UUID_STRING_BUFLEN);
    return 0;
}


char *
virDomainGetXMLDesc(virDomainPtr dom,
                    unsigned int flags G_GNUC_UNUSED)
{
    if (onLook)
        onLook();
    return lookup((virConnectPtr)dom) ?
        g_strdup_printf(XML("<devices><memballoon model='hyperv'><requested>%" G_GUINT64_FORMAT "</requested></memballoon></devices>"),
                        requested / HVMEM_KIB) : NULL;
}


int
virDomainIsActive(virDomainPtr dom)
{
    return lookup((virConnectPtr)dom) ? hostOf(dom)->active : -1;
}


int
virDomainIsPersistent(virDomainPtr dom)
{
    return hostOf(dom)->defined;
}


int
virDomainHasManagedSaveImage(virDomainPtr dom G_GNUC_UNUSED,
                             unsigned int flags G_GNUC_UNUSED)
{
    return 0;
}


int
virDomainListGetStats(virDomainPtr *doms,
                      unsigned int stats G_GNUC_UNUSED,
                      virDomainStatsRecordPtr **records,
                      unsigned int flags)
{
    const Host *host = hostOf(doms[0]);
    virDomainStatsRecordPtr record = g_new0(virDomainStatsRecord, 1);

    asked++;
    waits += !(flags & VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT);
    record->nparams = 2;
    record->params = g_new0(virTypedParameter, 2);
    g_strlcpy(record->params[0].field, "state.state", VIR_TYPED_PARAM_FIELD_LENGTH);
    record->params[0].type = record->params[1].type = VIR_TYPED_PARAM_INT;
    record->params[0].value.i = !host->active ? VIR_DOMAIN_SHUTOFF : host->reason ? VIR_DOMAIN_PAUSED : VIR_DOMAIN_RUNNING;
    g_strlcpy(record->params[1].field, "state.reason", VIR_TYPED_PARAM_FIELD_LENGTH);
    record->params[1].value.i = host->reason;
    *records = g_new0(virDomainStatsRecordPtr, 2);
    (*records)[0] = record;
    return 1;
}


void
virDomainStatsRecordListFree(virDomainStatsRecordPtr *records)
{
    g_free(records[0]->params);
    g_free(records[0]);
    g_free(records);
}


int
virDomainGetControlInfo(virDomainPtr dom G_GNUC_UNUSED,
                        virDomainControlInfoPtr info,
                        unsigned int flags G_GNUC_UNUSED)
{
    info->state = VIR_DOMAIN_CONTROL_OK;
    return 0;
}


static void
setParam(virTypedParameter *param,
         const char *name,
         int type,
         unsigned long long value)
{
    g_strlcpy(param->field, name, VIR_TYPED_PARAM_FIELD_LENGTH);
    param->type = type;
    if (type == VIR_TYPED_PARAM_INT)
        param->value.i = value;
    else
        param->value.ul = value;
}


int
virDomainGetJobStats(virDomainPtr dom,
                     int *type,
                     virTypedParameterPtr *params,
                     int *nparams,
                     unsigned int flags G_GNUC_UNUSED)
{
    const Host *host = hostOf(dom);

    *type = VIR_DOMAIN_JOB_NONE;
    if (host->arriving) {
        lastCode = VIR_ERR_OPERATION_UNSUPPORTED;
        return -1;
    }
    if (host->sent < 0)
        return 0;

    *type = VIR_DOMAIN_JOB_UNBOUNDED;
    *nparams = 3;
    *params = g_new0(virTypedParameter, 3);
    setParam(*params, VIR_DOMAIN_JOB_OPERATION, VIR_TYPED_PARAM_INT, VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT);
    setParam(*params + 1, VIR_DOMAIN_JOB_MEMORY_TOTAL, VIR_TYPED_PARAM_ULLONG, 1000);
    setParam(*params + 2, VIR_DOMAIN_JOB_MEMORY_REMAINING, VIR_TYPED_PARAM_ULLONG, 1000 - 10 * host->sent);
    return 0;
}


void
virTypedParamsFree(virTypedParameterPtr params,
                   int nparams G_GNUC_UNUSED)
{
    g_free(params);
}


int
virGetLastErrorCode(void)
{
    return lastCode;
}


const char *
virGetLastErrorMessage(void)
{
    return lastCode == VIR_ERR_OPERATION_UNSUPPORTED ? "Statistik gibt es nur auf dem anderen Rechner" : "said by libvirt";
}


virErrorPtr
virGetLastError(void)
{
    static virError error;

    error = (virError) { .code = lastCode, .domain = VIR_FROM_QEMU, .message = (char *)virGetLastErrorMessage() };
    return lastCode ? &error : NULL;
}


void
virResetLastError(void)
{
    lastCode = VIR_ERR_OK;
}


static void
setHosts(Host alpha,
         Host beta)
{
    hosts[0] = alpha;
    hosts[1] = beta;
    ids[0] = ids[1] = 0;
    lastCode = VIR_ERR_OK;
    opened = 0;
    unreachable = false;
    requested = GIB;
    onLook = NULL;
}


#define RUNS ((Host) { .defined = true, .active = true, .sent = -1 })
#define NOWHERE ((Host) { .sent = -1 })
#define SHUT_OFF(why) ((Host) { .defined = true, .reason = why, .sent = -1 })
#define LEAVES(percent) ((Host) { .defined = true, .active = true, .sent = percent })
#define ARRIVES ((Host) { .active = true, .reason = VIR_DOMAIN_PAUSED_STARTING_UP, .arriving = true, .sent = -1 })


static GPtrArray *
openHosts(bool both)
{
    opened = 0;
    char *others[] = { (char *)"b", NULL };
    GPtrArray *places = hvmemHostsOpen("a", both ? others : NULL, false, NULL);

    g_assert_cmpuint(places->len, ==, both ? 2 : 1);
    g_assert_cmpuint(opened, ==, 0);
    return places;
}


/*
 * Tests
 */

/* What 'status' and 'watch' say of a guest in each phase, and on which host they see it. */
static void
testLabels(void)
{
    static const struct {
        Host alpha;
        Host beta;
        const char *label;
        const char *in;         /* the meaning */
        const char *host;       /* NULL: the usual one */
    } cases[] = {
        { { true, true, 0, false, -1 }, { .sent = -1 }, "as requested", "has what was requested", NULL },
        { { true, true, 0, false, 40 }, { false, true, VIR_DOMAIN_PAUSED_STARTING_UP, true, -1 }, "migrating", "(40 % of its memory has been sent)", NULL },
        { { true, true, VIR_DOMAIN_PAUSED_MIGRATION, false, -1 }, { .sent = -1 }, "migrating", "to another host", NULL },
        { { true, true, VIR_DOMAIN_PAUSED_POSTCOPY_FAILED, false, -1 }, { .sent = -1 }, "migration broken", "nothing of it is lost", NULL },
        { { true, false, VIR_DOMAIN_SHUTOFF_MIGRATED, false, -1 }, { .sent = -1 }, "migrated away", "runs there", NULL },
        { { true, false, VIR_DOMAIN_SHUTOFF_MIGRATED, false, -1 }, { true, true, 0, false, -1 }, "as requested", "has what was requested", "beta" },
        { { .sent = -1 }, { true, true, 0, false, -1 }, "as requested", "has what was requested", "beta" },
        { { true, false, VIR_DOMAIN_SHUTOFF_SHUTDOWN, false, -1 }, { .sent = -1 }, "shut off", "not running", NULL },
        { { .sent = -1 }, { false, true, VIR_DOMAIN_PAUSED_STARTING_UP, true, -1 }, "migrating", "to this host", "beta" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GPtrArray) places = openHosts(true);
        g_autoptr(virDomain) dom = NULL;
        g_autoptr(hvmemDomain) info = NULL;
        g_autoptr(hvmemExplanation) why = NULL;
        const hvmemPlace *place = NULL;

        setHosts(cases[i].alpha, cases[i].beta);
        dom = hvmemHostsLookup(places, "g", &place, NULL);
        info = hvmemInspectHyperv(dom, true, NULL);
        why = hvmemExplain(info);
        g_test_message("%zu: %s: %s", i, why->label, why->meaning);
        g_assert_cmpstr(why->label, ==, cases[i].label);
        g_assert_nonnull(strstr(why->meaning, cases[i].in));
        g_assert_cmpstr(place->name, ==, cases[i].host ? cases[i].host : "alpha");
    }
}


static hvmemDomain *
look(hvmemWatched *watched,
     const GPtrArray *places,
     char **news)
{
    g_autoptr(GError) error = NULL;

    *news = NULL;
    hvmemDomainFree(watched->last);
    watched->last = NULL;
    watched->last = hvmemWatchedLook(watched, places, news, &error);
    g_assert_no_error(error);
    return watched->last;
}


/* There and back again, whether the definition stays behind or not. */
static void
testFollow(void)
{
    int stays;

    for (stays = 0; stays <= 1; stays++) {
        Host left = stays ? SHUT_OFF(VIR_DOMAIN_SHUTOFF_MIGRATED) : NOWHERE;
        g_autoptr(GPtrArray) places = openHosts(true);
        g_autofree char *there = NULL;
        g_autofree char *back = NULL;
        g_autofree char *none = NULL;
        hvmemWatched *watched;

        setHosts(RUNS, NOWHERE);
        watched = hvmemWatchedNew(places, "g", NULL);
        setHosts(LEAVES(10), ARRIVES);
        g_assert_true(look(watched, places, &none)->active);
        g_assert_null(none);
        g_assert_cmpfloat(watched->last->moved, ==, 10);

        setHosts(left, RUNS);
        g_assert_true(look(watched, places, &there)->active);
        g_assert_cmpstr(there, ==, "is now on beta");
        g_assert_cmpstr(watched->last->host, ==, "beta");

        setHosts(RUNS, left);
        g_assert_true(look(watched, places, &back)->active);
        g_assert_cmpstr(back, ==, "is now on alpha");
        g_assert_null(watched->last->host);
        hvmemWatchedFree(watched);
    }
}


/* The next sample, as 'watch' takes it: the one before is there to compare with. */
static void
next(hvmemWatched *watched,
     const GPtrArray *places,
     char **news,
     GError **error)
{
    hvmemDomain *before = watched->last;
    hvmemDomain *dom = hvmemWatchedLook(watched, places, news, error);

    g_assert_true(watched->last == before);
    if (!dom)
        return;
    g_assert_true(dom != before);
    hvmemDomainFree(before);
    watched->last = dom;
}


/* Nobody has named the other host. */
static void
testGone(void)
{
    g_autoptr(GPtrArray) places = openHosts(false);
    g_autofree char *news = NULL;
    g_autoptr(GError) error = NULL;
    hvmemWatched *watched;
    size_t i;

    setHosts(RUNS, NOWHERE);
    watched = hvmemWatchedNew(places, "g", NULL);
    next(watched, places, &news, NULL);

    /* the event is late */
    setHosts(NOWHERE, RUNS);
    next(watched, places, &news, NULL);
    g_assert_true(watched->last->active);
    watched->migrated = true;
    for (i = 0; i < 5; i++) {
        next(watched, places, &news, NULL);
        g_assert_false(watched->last->active);
        g_assert_true(watched->last->movedAway);
    }
    g_assert_null(news);

    /* and without any it is an error, in the end */
    watched->migrated = false;
    for (i = 0; i < 10 && !error; i++)
        next(watched, places, &news, &error);
    g_assert_error(error, HVMEM_ERROR, HVMEM_EXIT_FAILED);
    hvmemWatchedFree(watched);
}


/* Waiting goes on where the guest is, if one may look there. */
static void
testWait(void)
{
    int both;

    for (both = 0; both <= 1; both++) {
        g_autoptr(GPtrArray) places = openHosts(both);
        hvmemWait wait = { .start = g_get_monotonic_time(), .size = GIB, .quiet = true, .hosts = places };
        g_autoptr(hvmemDomain) before = NULL;
        g_autoptr(hvmemDomain) after = NULL;
        g_autoptr(GError) error = NULL;

        setHosts(RUNS, NOWHERE);
        before = hvmemInspect((virDomainPtr)&hosts[0], false, NULL);
        setHosts(SHUT_OFF(VIR_DOMAIN_SHUTOFF_MIGRATED), RUNS);
        waits = asked = 0;
        after = hvmemWaitFor((virDomainPtr)&hosts[0], before, &wait, &error);
        g_assert_cmpuint(asked, >, 0);
        g_assert_cmpuint(waits, ==, 0);
        g_assert_true(after->active == both);
        g_assert_true((error == NULL) == both);
        if (both)
            continue;

        g_assert_nonnull(strstr(error->message, "migrated to another host meanwhile"));
        g_assert_nonnull(strstr(hvmemErrorGetHint(error), "--also"));
    }
}


/* What a wait without another host says of a guest that @changes as it is looked at. */
static void
waitWhile(void (*changes)(void),
          const char *message,
          const char *hint)
{
    g_autoptr(GPtrArray) places = openHosts(false);
    hvmemWait wait = { .start = g_get_monotonic_time(), .size = GIB, .quiet = true, .hosts = places };
    g_autoptr(hvmemDomain) before = NULL;
    g_autoptr(hvmemDomain) after = NULL;
    g_autoptr(GError) error = NULL;

    setHosts(LEAVES(10), NOWHERE);
    ids[0] = 7;
    requested = 2 * GIB;
    wait.size = 2 * GIB;
    before = hvmemInspect((virDomainPtr)&hosts[0], false, NULL);
    onLook = changes;
    after = hvmemWaitFor((virDomainPtr)&hosts[0], before, &wait, &error);
    g_test_message("%s: %s", error->message, hvmemErrorGetHint(error));
    g_assert_nonnull(strstr(error->message, message));
    g_assert_true(!hint || strstr(hvmemErrorGetHint(error), hint));
}


/* With the second look. */
static void
vanish(void)
{
    static unsigned int looks;

    hosts[0] = looks++ ? NOWHERE : LEAVES(50);
}


static void
vanishAtOnce(void)
{
    hosts[0] = NOWHERE;
}


static void
startAgain(void)
{
    hosts[0] = RUNS;
    ids[0] = 8;
    requested = 3 * GIB;
}


static void
askForMore(void)
{
    requested = 3 * GIB;
}


static void
testWaitEnds(void)
{
    waitWhile(vanish, "has been migrated to another host", "-c URI wait g");
    waitWhile(vanishAtOnce, "is not on this host any more", "--also URI");
    waitWhile(startAgain, "started again meanwhile", "--config");
    waitWhile(askForMore, "somebody else has requested", "virsh-hvmem wait g");
}


/* As long as a guest runs here, it does not matter whether the other host does. */
static void
testUnreachable(void)
{
    g_autoptr(GPtrArray) places = openHosts(true);
    const hvmemPlace *place = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *told = NULL;
    hvmemWatched *watched;

    setHosts(RUNS, NOWHERE);
    unreachable = true;
    g_assert_true(hvmemHostsLookup(places, "g", &place, &error) == (virDomainPtr)&hosts[0]);
    g_assert_cmpuint(opened, ==, 0);

    watched = hvmemWatchedNew(places, "g", NULL);
    look(watched, places, &told);
    g_assert_null(told);
    setHosts(NOWHERE, RUNS);
    unreachable = true;
    next(watched, places, &told, NULL);
    g_assert_nonnull(strstr(told, "failed to connect to 'b'"));
    g_assert_cmpuint(opened, ==, 1);
    hvmemWatchedFree(watched);

    g_assert_null(hvmemHostsLookup(places, "g", &place, &error));
    g_assert_nonnull(strstr(error->message, "failed to get domain"));
}


/* An id on another host is another guest's. */
static void
testIds(void)
{
    g_autoptr(GPtrArray) places = openHosts(true);
    const hvmemPlace *place = NULL;
    g_autoptr(GError) error = NULL;

    setHosts(RUNS, RUNS);
    ids[0] = 3;
    ids[1] = 7;
    g_assert_nonnull(hvmemHostsLookup(places, "3", &place, NULL));
    g_assert_null(hvmemHostsLookup(places, "7", &place, &error));
    g_assert_error(error, HVMEM_ERROR, HVMEM_EXIT_FAILED);
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/hvmem/move/labels", testLabels);
    g_test_add_func("/hvmem/move/follow", testFollow);
    g_test_add_func("/hvmem/move/gone", testGone);
    g_test_add_func("/hvmem/move/wait", testWait);
    g_test_add_func("/hvmem/move/wait-ends", testWaitEnds);
    g_test_add_func("/hvmem/move/unreachable", testUnreachable);
    g_test_add_func("/hvmem/move/ids", testIds);

    return g_test_run();
}
