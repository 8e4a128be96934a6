/*
 * cmd-watch-samples.c: what watch knows of the domains
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "cmd-watch.h"
#include "hvmem-explain.h"

#include <string.h>


/* A domain that replaces one of the same name is another. */
static hvmemWatched *
find(const Watch *watch,
     const char *uuid)
{
    size_t i;

    for (i = 0; i < watch->domains->len; i++) {
        hvmemWatched *watched = watch->domains->pdata[i];

        if (strcmp(watched->uuid, uuid) == 0)
            return watched;
    }
    return NULL;
}


/* Those without a hyperv balloon count for the host's sums only. */
static bool
isWanted(const Watch *watch,
         const hvmemDomain *dom)
{
    return !watch->all || watch->list.all || (dom && hvmemDomainIsMeant(dom));
}


/*
 * Events
 */

/* A guest often resets its machine several times in one reboot. */
static bool
isEcho(const hvmemRecord *record,
       const char *text)
{
    const hvmemEvent *last = record->events->len ? record->events->pdata[record->events->len - 1] : NULL;

    return last && watchNow() - last->time <= 1 && strcmp(last->text, text) == 0;
}


/* Records @text, and prints it where there is no screen. */
static void
noteEvent(Watch *watch,
          hvmemWatched *watched,
          const char *text)
{
    const hvmemRecord *record = watched->record;
    const hvmemEvent *event;

    if (isEcho(record, text))
        return;

    hvmemRecordAddEvent(watched->record, watchNow(), text);
    event = record->events->pdata[record->events->len - 1];
    if (watch->file) {
        hvmemRecordWriteEvent(watch->file, record->name, event);
        hvmemRecordFlush(watch->file, &watch->unwritten);
        watch->events++;
    }
    if (!watch->screen)
        watchPrintEvent(watch, record->name, event);
    watch->changed = true;
}


typedef struct _Later Later;
struct _Later {
    virDomainPtr dom;
    char *text;                 /* NULL: it was migrated */
};


static void
laterFree(Later *later)
{
    virDomainFree(later->dom);
    g_free(later->text);
    g_free(later);
}


static void
keepForLater(Watch *watch,
             virDomainPtr dom,
             const char *text)
{
    Later *later = g_new0(Later, 1);

    virDomainRef(dom);
    later->dom = dom;
    later->text = g_strdup(text);
    g_ptr_array_add(watch->later, later);
}


void
watchAddLater(Watch *watch)
{
    size_t i;

    for (i = 0; i < watch->later->len; i++) {
        const Later *later = watch->later->pdata[i];

        if (later->text)
            watchAddEvent(watch, later->dom, later->text);
        else
            watchNoteMigrated(watch, later->dom);
    }
    g_ptr_array_set_size(watch->later, 0);
}


void
watchAddEvent(Watch *watch,
              virDomainPtr dom,
              const char *text)
{
    size_t i;

    if (watch->sampling) {
        keepForLater(watch, dom, text);
        return;
    }

    for (i = 0; i < watch->domains->len; i++) {
        hvmemWatched *watched = watch->domains->pdata[i];

        if (hvmemWatchedIs(watched, dom) && isWanted(watch, watched->last))
            noteEvent(watch, watched, text);
    }
}


void
watchNoteMigrated(Watch *watch,
                  virDomainPtr dom)
{
    size_t i;

    if (watch->sampling) {
        keepForLater(watch, dom, NULL);
        return;
    }

    for (i = 0; i < watch->domains->len; i++) {
        hvmemWatched *watched = watch->domains->pdata[i];

        watched->migrated |= hvmemWatchedIs(watched, dom);
    }
}


/* Requests and changes of state are no events of libvirt's. */
static void
noteChanges(Watch *watch,
            hvmemWatched *watched,
            const hvmemDomain *new)
{
    const hvmemDomain *old = watched->last;
    bool problem;
    g_autofree char *before = hvmemExplainState(old, &problem);
    g_autofree char *after = hvmemExplainState(new, &problem);

    if (new->hyperv && old->requested != new->requested && new->requested != HVMEM_UNKNOWN) {
        g_autofree char *size = hvmemFormatSize(new->requested);
        g_autofree char *text = g_strdup_printf("requested %s", size);

        noteEvent(watch, watched, text);
    }
    if (strcmp(before, after) != 0) {
        g_autofree char *text = g_strdup_printf("state: %s", after);

        noteEvent(watch, watched, text);
    }
}


/*
 * Samples
 */

/* A line is printed only if something has changed. */
static bool
isNews(const hvmemDomain *old,
       const hvmemDomain *new)
{
    return !old || old->active != new->active || old->movedAway != new->movedAway || old->move != new->move || old->current != new->current || old->requested != new->requested ||
        g_strcmp0(old->state, new->state) != 0 || g_strcmp0(old->host, new->host) != 0;
}


/* What no chart shows any more: days of many guests would fill the memory. */
static void
forget(hvmemRecord *record,
       double before)
{
    guint samples = 0;
    guint events = 0;

    while (samples < record->samples->len && g_array_index(record->samples, hvmemSample, samples).time < before)
        samples++;
    while (events < record->events->len && ((hvmemEvent *)record->events->pdata[events])->time < before)
        events++;
    if (samples < record->samples->len / 2)
        return;
    g_array_remove_range(record->samples, 0, samples);
    if (events)
        g_ptr_array_remove_range(record->events, 0, events);
}


static void
follow(char **name,
       const char *old,
       const char *new)
{
    if (g_strcmp0(*name, old) != 0)
        return;
    g_free(*name);
    *name = g_strdup(new);
}


/* It goes on under its new name, also on the screen. */
static void
noteName(Watch *watch,
         hvmemWatched *watched,
         const hvmemDomain *dom)
{
    g_autofree char *old = g_strdup(watched->record->name);
    g_autofree char *text = g_strdup_printf("renamed to %s", dom->name);

    if (strcmp(old, dom->name) == 0)
        return;
    if (isWanted(watch, dom))
        noteEvent(watch, watched, text);
    follow(&watched->record->name, old, dom->name);
    follow(&watch->chosen, old, dom->name);
    follow(&watch->opened, old, dom->name);
}


/* @dom is taken. */
static void
take(Watch *watch,
     hvmemWatched *watched,
     hvmemDomain *dom)
{
    const GArray *samples = watched->record->samples;

    hvmemDomainKeep(dom, watched->last);
    noteName(watch, watched, dom);
    if (watched->last && isWanted(watch, dom))
        noteChanges(watch, watched, dom);

    forget(watched->record, watchNow() - WATCH_SECONDS);
    hvmemRecordAdd(watched->record, watchNow(), dom);
    if (watch->file && isWanted(watch, dom)) {
        hvmemRecordWriteSample(watch->file, dom->name, &g_array_index(samples, hvmemSample, samples->len - 1));
        hvmemRecordFlush(watch->file, &watch->unwritten);
        watch->samples++;
    }
    if (!watch->screen && isWanted(watch, dom) && isNews(watched->last, dom))
        watchPrintDomain(watch, dom);
    hvmemDomainFree(watched->last);
    watched->last = dom;
}


/* One that is seen for the first time. */
static hvmemWatched *
add(Watch *watch,
    const hvmemDomain *dom)
{
    hvmemWatched *watched = g_new0(hvmemWatched, 1);

    g_strlcpy(watched->uuid, dom->uuid, sizeof(watched->uuid));
    watched->place = watch->hosts->pdata[0];
    watched->record = hvmemRecordNew(dom->name);
    g_ptr_array_add(watch->domains, watched);
    return watched;
}


static bool
isAmong(const GPtrArray *doms,
        const hvmemWatched *watched)
{
    size_t i;

    for (i = 0; i < doms->len; i++) {
        if (strcmp(((hvmemDomain *)doms->pdata[i])->uuid, watched->uuid) == 0)
            return true;
    }
    return false;
}


/* Is all that is known of it older than what a chart shows? */
static bool
isOld(const hvmemRecord *record)
{
    const GArray *samples = record->samples;

    return samples->len == 0 || g_array_index(samples, hvmemSample, samples->len - 1).time < watchNow() - WATCH_SECONDS;
}


static void
dropMissing(Watch *watch,
            const GPtrArray *doms)
{
    size_t i;

    for (i = watch->domains->len; i > 0; i--) {
        hvmemWatched *watched = watch->domains->pdata[i - 1];

        if (isAmong(doms, watched))
            continue;
        g_clear_pointer(&watched->last, hvmemDomainFree);
        if (isOld(watched->record))
            g_ptr_array_remove_index(watch->domains, i - 1);
    }
}


/* Domains come and go. */
static bool
sampleEvery(Watch *watch,
            GError **error)
{
    virConnectPtr conn = ((hvmemPlace *)watch->hosts->pdata[0])->conn;
    g_autoptr(GPtrArray) doms = hvmemInspectAll(conn, error);

    if (!doms || !hvmemConnMemory(conn, &watch->host.memory, error))
        return false;

    watch->host.free = hvmemConnUnused(conn);
    dropMissing(watch, doms);
    while (doms->len > 0) {
        hvmemDomain *dom = g_ptr_array_steal_index(doms, 0);
        hvmemWatched *watched = find(watch, dom->uuid);

        take(watch, watched ? watched : add(watch, dom), dom);
    }
    return true;
}


/* It is nowhere any more, but others may be. What has been drawn of it stays. */
static void
noteGone(Watch *watch,
         hvmemWatched *watched)
{
    if (watched->gone)
        return;

    watched->gone = true;
    noteEvent(watch, watched, "gone: this host does not know it any more");
    if (watched->last)
        take(watch, watched, hvmemDomainRemember(watched->last));
}


static bool
sampleOne(Watch *watch,
          hvmemWatched *watched,
          GError **error)
{
    g_autofree char *news = NULL;
    hvmemDomain *dom = hvmemWatchedLook(watched, watch->hosts, &news, error);

    if (news)
        noteEvent(watch, watched, news);
    if (!dom)
        return false;

    watched->gone = false;
    take(watch, watched, dom);
    return true;
}


static bool
sampleNamed(Watch *watch,
            GError **error)
{
    g_autoptr(GError) first = NULL;
    size_t left = 0;
    size_t i;

    for (i = 0; i < watch->domains->len; i++) {
        hvmemWatched *watched = watch->domains->pdata[i];
        g_autoptr(GError) reason = NULL;

        if (sampleOne(watch, watched, &reason)) {
            left++;
            continue;
        }
        /* any other failure than that there is none */
        if (!watched->missing) {
            g_propagate_error(error, g_steal_pointer(&reason));
            return false;
        }
        noteGone(watch, watched);
        first = first ? first : g_steal_pointer(&reason);
    }
    if (left == 0 && first) {
        g_propagate_error(error, g_steal_pointer(&first));
        return false;
    }
    return hvmemWatchedCheckLeft(watch->domains, watch->hosts, error);
}


void
watchSample(Watch *watch)
{
    (watch->all ? sampleEvery : sampleNamed)(watch, &watch->error);
    watch->changed = true;
}


bool
watchOpen(Watch *watch,
          char **names,
          GError **error)
{
    watch->domains = g_ptr_array_new_with_free_func((GDestroyNotify)hvmemWatchedFree);
    watch->later = g_ptr_array_new_with_free_func((GDestroyNotify)laterFree);
    watch->all = !*names;

    for (; *names; names++) {
        hvmemWatched *watched = hvmemWatchedNew(watch->hosts, *names, error);

        if (!watched)
            return false;
        g_ptr_array_add(watch->domains, watched);
    }
    return true;
}
