/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hvmem-watch-test.c: what watch knows and shows of domains. This program is libvirt, and what watch prints to.
 */

#include "cmd-watch.h"
#include "hvmem-output.h"

#include <stdlib.h>
#include <string.h>


/*
 * libvirt
 */

typedef struct _Guest Guest;
struct _Guest {
    const char *name;
    char uuid;                  /* all of its digits */
    bool exists;
    const char *model;
};

static Guest guests[3];
static int lastCode;


static const Guest *
guestOf(virDomainPtr dom)
{
    return (const Guest *)dom;
}


int
virConnectListAllDomains(virConnectPtr conn G_GNUC_UNUSED,
                         virDomainPtr **doms,
                         unsigned int flags)
{
    int n = 0;
    size_t i;

    *doms = calloc(G_N_ELEMENTS(guests) + 1, sizeof(**doms));
    for (i = 0; !flags && i < G_N_ELEMENTS(guests); i++) {
        if (guests[i].exists)
            (*doms)[n++] = (virDomainPtr)&guests[i];
    }
    return n;
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
virDomainGetName(virDomainPtr dom)
{
    return guestOf(dom)->name;
}


int
virDomainGetUUIDString(virDomainPtr dom,
                       char *buf)
{
    memset(buf, guestOf(dom)->uuid, VIR_UUID_STRING_BUFLEN - 1);
    buf[VIR_UUID_STRING_BUFLEN - 1] = '\0';
    return 0;
}


virDomainPtr
virDomainLookupByUUIDString(virConnectPtr conn G_GNUC_UNUSED,
                            const char *uuid)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(guests); i++) {
        if (guests[i].exists && guests[i].uuid == *uuid)
            return (virDomainPtr)&guests[i];
    }
    lastCode = VIR_ERR_NO_DOMAIN;
    return NULL;
}


virDomainPtr
virDomainLookupByName(virConnectPtr conn G_GNUC_UNUSED,
                      const char *name)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(guests); i++) {
        if (guests[i].exists && strcmp(guests[i].name, name) == 0)
            return (virDomainPtr)&guests[i];
    }
    lastCode = VIR_ERR_NO_DOMAIN;
    return NULL;
}


char *
virDomainGetXMLDesc(virDomainPtr dom,
                    unsigned int flags G_GNUC_UNUSED)
{
    const Guest *guest = guestOf(dom);

    lastCode = guest->exists ? VIR_ERR_OK : VIR_ERR_NO_DOMAIN;
    return lastCode ? NULL : g_strdup_printf("<domain type='kvm'><name>%s</name><memory unit='GiB'>1</memory><devices><memballoon model='%s'/></devices>"
                                             "</domain>", guest->name, guest->model);
}


int
virDomainIsActive(virDomainPtr dom)
{
    lastCode = guestOf(dom)->exists ? VIR_ERR_OK : VIR_ERR_NO_DOMAIN;
    return guestOf(dom)->exists ? 1 : -1;
}


int
virDomainIsPersistent(virDomainPtr dom G_GNUC_UNUSED)
{
    return 1;
}


int
virDomainListGetStats(virDomainPtr *doms G_GNUC_UNUSED,
                      unsigned int stats G_GNUC_UNUSED,
                      virDomainStatsRecordPtr **records G_GNUC_UNUSED,
                      unsigned int flags G_GNUC_UNUSED)
{
    return -1;
}


int
virDomainGetControlInfo(virDomainPtr dom G_GNUC_UNUSED,
                        virDomainControlInfoPtr info G_GNUC_UNUSED,
                        unsigned int flags G_GNUC_UNUSED)
{
    return -1;
}


int
virDomainGetJobStats(virDomainPtr dom G_GNUC_UNUSED,
                     int *type G_GNUC_UNUSED,
                     virTypedParameterPtr *params G_GNUC_UNUSED,
                     int *nparams G_GNUC_UNUSED,
                     unsigned int flags G_GNUC_UNUSED)
{
    lastCode = VIR_ERR_NO_SUPPORT;
    return -1;
}


int
virNodeGetInfo(virConnectPtr conn G_GNUC_UNUSED,
               virNodeInfoPtr info)
{
    *info = (virNodeInfo) { .memory = 1 << 20 };
    return 0;
}


int
virNodeGetMemoryStats(virConnectPtr conn G_GNUC_UNUSED,
                      int cell G_GNUC_UNUSED,
                      virNodeMemoryStatsPtr params G_GNUC_UNUSED,
                      int *n G_GNUC_UNUSED,
                      unsigned int flags G_GNUC_UNUSED)
{
    return -1;
}


int
virGetLastErrorCode(void)
{
    return lastCode;
}


void
virResetLastError(void)
{
    lastCode = VIR_ERR_OK;
}


/*
 * The other parts of watch
 */

static unsigned int printed;    /* samples */


void
watchPrintDomain(const Watch *watch G_GNUC_UNUSED,
                 const hvmemDomain *dom G_GNUC_UNUSED)
{
    printed++;
}


void
watchPrintEvent(const Watch *watch G_GNUC_UNUSED,
                const char *name,
                const hvmemEvent *event)
{
    g_test_message("%s: %s", name, event->text);
}


void
watchListen(Watch *watch G_GNUC_UNUSED)
{
}


static hvmemPlace here;


static void
start(Watch *watch,
      const char *const *names)
{
    *watch = (Watch) { .start = watchNow(), .hosts = g_ptr_array_new(), .filter = g_string_new(NULL) };
    g_ptr_array_add(watch->hosts, &here);
    g_assert_true(watchOpen(watch, (char **)names, NULL));
    printed = 0;
    watchSample(watch);
}


static void
end(Watch *watch)
{
    g_clear_error(&watch->error);
    g_ptr_array_unref(watch->domains);
    g_ptr_array_unref(watch->later);
    g_ptr_array_unref(watch->hosts);
    g_string_free(watch->filter, TRUE);
}


static const char *const everything[] = { NULL };
static const char *const two[] = { "a", "b", NULL };


static void
setGuests(const char *first,
          const char *second,
          const char *third)
{
    guests[0] = (Guest) { first, '1', true, "hyperv" };
    guests[1] = (Guest) { second, '2', true, "hyperv" };
    guests[2] = (Guest) { third, '3', false, "hyperv" };
}


static const hvmemWatched *
watchedOf(const Watch *watch,
          size_t i)
{
    return watch->domains->pdata[i];
}


static bool
has(const hvmemRecord *record,
    const char *text)
{
    size_t i;

    for (i = 0; i < record->events->len; i++) {
        if (strstr(((hvmemEvent *)record->events->pdata[i])->text, text))
            return true;
    }
    return false;
}


/*
 * Tests
 */

/* Gone with its definition: that is said once, and is an event. */
static void
testMigratedAway(void)
{
    Watch watch;

    setGuests("a", "b", "c");
    start(&watch, two);
    g_assert_cmpuint(printed, ==, 2);

    guests[0].exists = false;
    watchNoteMigrated(&watch, (virDomainPtr)&guests[0]);
    watchSample(&watch);
    watchSample(&watch);
    watchSample(&watch);
    g_assert_no_error(watch.error);
    g_assert_cmpuint(printed, ==, 3);
    g_assert_true(watchedOf(&watch, 0)->last->movedAway);
    g_assert_true(has(watchedOf(&watch, 0)->record, "state: migrated away"));
    end(&watch);
}


/* One is gone without any event: the other is watched on, and the end comes when that has gone too. */
static void
testGone(void)
{
    Watch watch;
    size_t i;

    setGuests("a", "b", "c");
    start(&watch, two);
    guests[0].exists = false;
    for (i = 0; i < 10; i++)
        watchSample(&watch);
    g_assert_no_error(watch.error);
    g_assert_false(watch.done);
    g_assert_true(has(watchedOf(&watch, 0)->record, "gone"));
    g_assert_false(watchedOf(&watch, 0)->last->active);
    g_assert_true(watchedOf(&watch, 1)->last->active);
    g_assert_cmpuint(watchedOf(&watch, 1)->record->samples->len, ==, 11);

    guests[1].exists = false;
    for (i = 0; i < 10 && !watch.error; i++)
        watchSample(&watch);
    g_assert_error(watch.error, HVMEM_ERROR, HVMEM_EXIT_FAILED);
    end(&watch);
}


/* One that is renamed goes on under its new name, in the chart that is open too. */
static void
testRenamed(void)
{
    const char *const *cases[] = { everything, two };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *charts = NULL;
        Watch watch;

        setGuests("a", "b", "c");
        start(&watch, cases[i]);
        watch.screen = true;
        watch.opened = g_strdup("a");
        watch.chosen = g_strdup("a");
        guests[0].name = "z";
        watchSample(&watch);
        g_assert_no_error(watch.error);
        g_assert_true(has(watchedOf(&watch, 0)->record, "renamed to z"));
        g_assert_cmpstr(watchedOf(&watch, 0)->record->name, ==, "z");
        g_assert_cmpstr(watch.chosen, ==, "z");
        charts = watchFormatCharts(&watch, 80, 24);
        g_assert_true(g_str_has_prefix(charts, "z: "));
        g_assert_null(strstr(charts, "b: "));
        end(&watch);
        g_free(watch.chosen);
        g_free(watch.opened);
    }
}


/* The chart of one that has been removed says so. */
static void
testOpenedIsGone(void)
{
    g_autofree char *charts = NULL;
    Watch watch;

    setGuests("a", "b", "c");
    start(&watch, everything);
    watch.opened = g_strdup("a");
    guests[0].exists = false;
    watchSample(&watch);
    charts = watchFormatCharts(&watch, 80, 24);
    g_assert_true(g_str_has_prefix(charts, "a is gone: "));
    g_assert_nonnull(strstr(charts, "Esc goes back"));
    end(&watch);
    g_free(watch.opened);
}


/* One that replaces another of the same name has a record of its own, and gets its own events. */
static void
testReplaced(void)
{
    Watch watch;

    setGuests("a", "b", "a");
    start(&watch, everything);
    guests[0].exists = false;
    guests[2].exists = true;
    watchSample(&watch);
    g_assert_cmpuint(watch.domains->len, ==, 3);
    g_assert_null(watchedOf(&watch, 0)->last);
    g_assert_cmpuint(watchedOf(&watch, 0)->record->samples->len, ==, 1);
    g_assert_cmpuint(watchedOf(&watch, 2)->record->samples->len, ==, 1);

    watchAddEvent(&watch, (virDomainPtr)&guests[2], "resumed");
    g_assert_true(has(watchedOf(&watch, 2)->record, "resumed"));
    g_assert_false(has(watchedOf(&watch, 0)->record, "resumed"));

    /* nothing is kept of one that no chart shows any more */
    g_array_index(watchedOf(&watch, 0)->record->samples, hvmemSample, 0).time -= WATCH_SECONDS + 1;
    watchSample(&watch);
    g_assert_cmpuint(watch.domains->len, ==, 2);
    g_assert_cmpstr(watchedOf(&watch, 0)->record->name, ==, "b");
    end(&watch);
}


/* Only the same event at once again is left out. */
static void
testEcho(void)
{
    static const char *const texts[] = { "paused", "resumed", "paused", "paused", "rebooted", "rebooted" };
    const hvmemRecord *record;
    Watch watch;
    size_t i;

    setGuests("a", "b", "c");
    start(&watch, two);
    record = watchedOf(&watch, 0)->record;
    for (i = 0; i < G_N_ELEMENTS(texts); i++)
        watchAddEvent(&watch, (virDomainPtr)&guests[0], texts[i]);
    g_assert_cmpuint(record->events->len, ==, 4);
    g_assert_cmpstr(((hvmemEvent *)record->events->pdata[2])->text, ==, "paused");
    end(&watch);
}


/* While a sample is taken in another thread, that has the domains: events wait, and come in their order. */
static void
testLater(void)
{
    const hvmemRecord *record;
    Watch watch;

    setGuests("a", "b", "c");
    start(&watch, two);
    record = watchedOf(&watch, 0)->record;
    watch.sampling = true;
    watchAddEvent(&watch, (virDomainPtr)&guests[0], "paused");
    watchAddEvent(&watch, (virDomainPtr)&guests[0], "resumed");
    watchNoteMigrated(&watch, (virDomainPtr)&guests[0]);
    g_assert_cmpuint(record->events->len, ==, 0);
    g_assert_false(watchedOf(&watch, 0)->migrated);

    watch.sampling = false;
    watchAddLater(&watch);
    g_assert_cmpuint(record->events->len, ==, 2);
    g_assert_cmpstr(((hvmemEvent *)record->events->pdata[1])->text, ==, "resumed");
    g_assert_true(watchedOf(&watch, 0)->migrated);
    watchAddLater(&watch);
    g_assert_cmpuint(record->events->len, ==, 2);
    end(&watch);
}


/* Midnight comes between two events: the newest are shown all the same, the newest last. */
static void
testMidnight(void)
{
    g_autoptr(GDateTime) midnight = g_date_time_new_local(2026, 3, 2, 0, 0, 0);
    double at = g_date_time_to_unix(midnight);
    g_autofree char *text = NULL;
    const char *before;
    const char *after;
    Watch watch;
    size_t i;

    setGuests("a", "b", "c");
    start(&watch, two);
    for (i = 0; i < 3; i++) {
        g_autofree char *old = g_strdup_printf("old %zu", i);

        hvmemRecordAddEvent(watchedOf(&watch, 0)->record, at - 10 + i, old);
    }
    hvmemRecordAddEvent(watchedOf(&watch, 1)->record, at + 1, "new 0");
    hvmemRecordAddEvent(watchedOf(&watch, 1)->record, at + 2, "new 1");

    text = watchFormatCharts(&watch, 80, 24);
    before = strstr(text, "23:59:52  a: old 2");
    after = strstr(text, "00:00:02  b: new 1");
    g_assert_nonnull(strstr(text, "00:00:01  b: new 0"));
    g_assert_nonnull(before);
    g_assert_nonnull(after);
    g_assert_true(before < after);
    g_assert_null(strstr(text, "old 0"));
    end(&watch);
}


/* However narrow it is: a row for each guest, which is cut off when it is shown. */
static void
testNarrow(void)
{
    int columns;

    for (columns = 30; columns <= 60; columns++) {
        g_autofree char *text = NULL;
        Watch watch;

        setGuests("a-guest-with-a-long-name", "b", "c");
        guests[0].model = "virtio-non-transitional";
        start(&watch, everything);
        watch.list.all = true;
        text = watchFormatTable(&watch, columns, 24);
        g_assert_true(g_str_has_prefix(text, " Name"));
        g_assert_nonnull(strstr(text, "virtio-non-transitional balloon\n"));
        g_assert_null(strstr(text, "   State  "));
        end(&watch);
    }
}


int
main(int argc,
     char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/hvmem/watch/migrated-away", testMigratedAway);
    g_test_add_func("/hvmem/watch/later", testLater);
    g_test_add_func("/hvmem/watch/renamed", testRenamed);
    g_test_add_func("/hvmem/watch/opened-is-gone", testOpenedIsGone);
    g_test_add_func("/hvmem/watch/gone", testGone);
    g_test_add_func("/hvmem/watch/replaced", testReplaced);
    g_test_add_func("/hvmem/watch/echo", testEcho);
    g_test_add_func("/hvmem/watch/midnight", testMidnight);
    g_test_add_func("/hvmem/watch/narrow", testNarrow);

    return g_test_run();
}
