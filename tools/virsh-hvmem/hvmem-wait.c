/*
 * hvmem-wait.c: waiting until a guest has what was requested
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-wait.h"
#include "hvmem-aside.h"
#include "hvmem-explain.h"
#include "hvmem-move.h"
#include "hvmem-output.h"
#include "hvmem-progress.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#define POLL_USEC (250 * 1000)
/* A problem is explained when it has lasted so many seconds. */
#define EXPLAIN_SEC 3
/* Seconds between lines if there is no terminal. */
#define LINE_SEC 5
/* The user hears that libvirt does not answer after so many seconds. */
#define SILENT_SEC 5
/* Columns that the progress leaves free: for the cursor, and for the ^C that the terminal adds. A line that wraps could not be erased. */
#define FREE_COLUMNS 3

static volatile sig_atomic_t interrupted;


static void
interrupt(int sig)
{
    interrupted = sig;
}


typedef struct _Wait Wait;

/* What is looked for and what is found: also when nobody waits for it any more, as libvirt has not answered. */
typedef struct _Look Look;
struct _Look {
    const Wait *wait;           /* not used by what looks */
    virDomainPtr dom;
    GPtrArray *hosts;           /* or NULL */
    char uuid[VIR_UUID_STRING_BUFLEN];
    unsigned int id;            /* of the running guest */
    bool leaves;                /* it was being migrated when it was seen last */
    hvmemDomain *now;
    char *warning;              /* to be printed */
    GError *error;
};

struct _Wait {
    Look *look;
    const hvmemWait *options;
    hvmemProgress progress;
    gint64 moved;               /* when any memory moved last */
    gint64 problemSince;        /* 0: there is none */
    gint64 lastLine;
    const char *explained;      /* label of what was explained last */
    bool terminal;
};


static void
eraseLine(const Wait *wait)
{
    if (wait->terminal && !wait->options->quiet)
        fprintf(stderr, "\r\033[K");
}


static void
showProgress(Wait *wait,
             const hvmemDomain *dom)
{
    gint64 now = g_get_monotonic_time();
    g_autofree char *line = NULL;
    g_autofree char *clipped = NULL;
    int columns;
    int rows;

    if (wait->options->quiet || (!wait->terminal && now - wait->lastLine < LINE_SEC * G_USEC_PER_SEC))
        return;

    wait->lastLine = now;
    hvmemTerminalSize(STDERR_FILENO, &columns, &rows);
    line = hvmemProgressFormat(&wait->progress, dom, (now - wait->options->start) / (double)G_USEC_PER_SEC, columns - FREE_COLUMNS);
    if (!wait->terminal) {
        hvmemSay(stderr, "%s\n", line);
        return;
    }

    clipped = hvmemEllipsis(line, columns - FREE_COLUMNS, hvmemTerm.utf8);
    fprintf(stderr, "\r\033[K%s", clipped);
}


static void
explain(Wait *wait,
        const hvmemDomain *dom,
        const hvmemExplanation *why)
{
    int width = MIN(hvmemTerm.width, 78);
    g_autofree char *meaning = hvmemWrap(why->meaning, width, 4);
    g_autofree char *remedy = why->remedy ? hvmemWrap(why->remedy, width, 4) : NULL;
    g_autofree char *reason = dom->lastError ? hvmemHumanise(dom->lastError) : NULL;
    g_autofree char *sentence = reason ? g_strdup_printf("Reported: %s.", reason) : NULL;
    g_autofree char *reported = sentence ? hvmemWrap(sentence, width, 4) : NULL;

    eraseLine(wait);
    hvmemSay(stderr, "%s: %s\n%s", dom->name, why->label, meaning);
    if (reported)
        fprintf(stderr, "%s", reported);
    if (remedy)
        fprintf(stderr, "%s", remedy);
    wait->explained = why->label;
}


/* Explains, once, a problem that does not go away by itself. */
static void
watchProblem(Wait *wait,
             const hvmemDomain *dom)
{
    g_autoptr(hvmemExplanation) why = hvmemExplain(dom);
    gint64 now = g_get_monotonic_time();

    if (!why->problem) {
        wait->problemSince = 0;
        return;
    }

    if (!wait->problemSince)
        wait->problemSince = now;

    if (!wait->options->quiet && now - wait->problemSince >= EXPLAIN_SEC * G_USEC_PER_SEC && g_strcmp0(wait->explained, why->label) != 0)
        explain(wait, dom, why);
}


static bool
giveUp(Wait *wait,
       const hvmemDomain *dom,
       const char *why,
       int status,
       GError **error)
{
    g_autoptr(hvmemExplanation) state = hvmemExplain(dom);
    g_autofree char *have = hvmemFormatSize(dom->current);
    g_autofree char *want = hvmemFormatSize(wait->progress.to);

    eraseLine(wait);
    if (!wait->options->quiet && g_strcmp0(wait->explained, state->label) != 0)
        explain(wait, dom, state);

    hvmemFailAs(error, status, "%s: the guest has %s, %s were requested (%s). The request stays in place: the guest reaches that size as soon as it can.",
                why, have, want, state->label);
    hvmemErrorDomain(error, dom->name);
    return hvmemErrorSizes(error, wait->progress.to, dom->current);
}


/* Without a limit, do not wait for what needs a user's action. */
static bool
isHopeless(const Wait *wait,
           const hvmemDomain *dom)
{
    g_autoptr(hvmemExplanation) why = hvmemExplain(dom);

    return !wait->options->timeout && why->hopeless;
}


/* The guest does not run here any more. */
static bool
failGone(const hvmemDomain *dom,
         GError **error)
{
    g_autofree char *name = hvmemShellWord(dom->name);

    hvmemFail(error, dom->movedAway ? "'%s' has been migrated to another host meanwhile; what was requested went with it" :
              "'%s' has been shut off meanwhile", dom->name);
    if (dom->movedAway)
        hvmemErrorHint(error, "Wait there: 'virsh-hvmem -c URI wait %s'; or with --also URI, which follows it.", name);
    return hvmemErrorDomain(error, dom->name);
}


/* Has the guest been shut off and started since the wait began? Its id tells, which a client does not learn from a domain that it has already. */
static bool
isAnother(const Look *look)
{
    g_autoptr(virDomain) now = virDomainLookupByUUIDString(virDomainGetConnect(look->dom), look->uuid);

    virResetLastError();
    return now && virDomainGetID(now) != look->id;
}


static bool
failOthers(const Wait *wait,
           const char *name,
           GError **error)
{
    if (!isAnother(wait->look)) {
        g_autofree char *word = hvmemShellWord(name);

        hvmemFail(error, "somebody else has requested another size for '%s' meanwhile", name);
        return hvmemErrorHint(error, "'virsh-hvmem wait %s' waits for that one.", word);
    }

    hvmemFail(error, "'%s' has been shut off and started again meanwhile: it starts with what its definition requests", name);
    return hvmemErrorHint(error, "Request the size again; 'virsh-hvmem set' with --live --config also changes the definition.");
}


/* Has somebody else made another request? Whoever waits for whatever is requested goes on with that. */
static bool
isOthers(Wait *wait,
         const hvmemDomain *dom)
{
    if (hvmemDistance(dom->requested, wait->progress.to) <= HVMEM_NEAR)
        return false;
    if (wait->options->size != HVMEM_UNKNOWN)
        return true;

    hvmemProgressClear(&wait->progress);
    hvmemProgressInit(&wait->progress, dom, dom->requested);
    return false;
}


static void
finish(const Wait *wait,
       const hvmemDomain *dom)
{
    g_autofree char *have = hvmemFormatSize(dom->current);
    g_autofree char *took = hvmemFormatDuration((g_get_monotonic_time() - wait->options->start) / (double)G_USEC_PER_SEC);

    eraseLine(wait);
    if (!wait->options->quiet)
        hvmemSay(stderr, "%s: current %s, reached in %s\n", dom->name, have, took);
}


static bool
isOverdue(const Wait *wait)
{
    int timeout = wait->options->timeout;

    return timeout && g_get_monotonic_time() - wait->options->start >= timeout * G_USEC_PER_SEC;
}


/* Is the wait over, and how? */
static bool
isOver(Wait *wait,
       const hvmemDomain *dom,
       GError **error)
{
    gint64 now = g_get_monotonic_time();
    if (!dom->active)
        failGone(dom, error);
    else if (isOthers(wait, dom))
        failOthers(wait, dom->name, error);
    else if (hvmemDomainIsThere(dom))
        finish(wait, dom);
    else if (interrupted)
        giveUp(wait, dom, "stopped waiting", HVMEM_EXIT_SIGNAL + interrupted, error);
    else if (isOverdue(wait))
        giveUp(wait, dom, "timed out", HVMEM_EXIT_NOT_REACHED, error);
    else if (isHopeless(wait, dom))
        giveUp(wait, dom, "waiting does not help", HVMEM_EXIT_NOT_REACHED, error);
    else if (!wait->options->timeout && now - wait->moved >= HVMEM_WAIT_STALL * G_USEC_PER_SEC)
        giveUp(wait, dom, "nothing has moved for " G_STRINGIFY(HVMEM_WAIT_STALL) " seconds", HVMEM_EXIT_NOT_REACHED, error);
    else
        return false;

    return true;
}


/* A question to libvirt that the first signal does not end ends with the second, and the program too. */
static void
catchInterrupt(void)
{
    struct sigaction action = { .sa_handler = interrupt, .sa_flags = SA_RESETHAND };

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}


/*
 * Looking at the guest
 */

static void
lookFree(Look *look)
{
    virDomainFree(look->dom);
    if (look->hosts)
        g_ptr_array_unref(look->hosts);
    hvmemDomainFree(look->now);
    g_free(look->warning);
    g_clear_error(&look->error);
    g_free(look);
}


static Look *
lookNew(virDomainPtr dom,
        const GPtrArray *hosts)
{
    Look *look = g_new0(Look, 1);

    virDomainRef(dom);
    look->dom = dom;
    look->hosts = hosts ? g_ptr_array_ref((GPtrArray *)hosts) : NULL;
    look->id = virDomainGetID(dom);
    virDomainGetUUIDString(dom, look->uuid);
    return look;
}


/* Looks at the guest, or where it has gone. Waits for no other job: the limit of time is to hold. */
static void
lookAside(void *opaque)
{
    Look *look = opaque;
    g_autoptr(GError) reason = NULL;
    hvmemDomain *now = hvmemInspect(look->dom, true, &reason);
    bool gone = now ? !now->active && now->movedAway : virGetLastErrorCode() == VIR_ERR_NO_DOMAIN;
    const hvmemPlace *place;
    virDomainPtr there = gone && look->hosts ? hvmemHostsFind(look->hosts, look->uuid, NULL, &place) : NULL;

    look->warning = look->hosts ? hvmemHostsFailure(look->hosts) : NULL;
    if (there) {
        virDomainFree(look->dom);
        look->dom = there;
        look->id = virDomainGetID(there);
        gone = false;
        hvmemDomainFree(now);
        g_clear_error(&reason);
        now = hvmemInspect(there, true, &reason);
    }

    if (!now && gone)
        hvmemMoveFail(virDomainGetName(look->dom), "wait", look->leaves, &look->error);
    else if (!now)
        look->error = g_steal_pointer(&reason);
    else if (now->active && now->hyperv)
        hvmemMoveInspect(now, look->dom);
    look->leaves = now && now->move == HVMEM_MOVE_OUT;
    look->now = now;
}


/* While libvirt does not answer: has the user, or the limit of time, ended the wait? */
static bool
isEnough(void *opaque,
         double seconds)
{
    const Wait *wait = ((Look *)opaque)->wait;

    if (seconds >= SILENT_SEC && wait->terminal && !wait->options->quiet)
        fprintf(stderr, "\r\033[Klibvirt has not answered for %.0f seconds", seconds);
    return interrupted || isOverdue(wait);
}


/* The guest as it is now. NULL: with @error; then libvirt may still owe an answer, and wait->look belongs to that. */
static hvmemDomain *
see(Wait *wait,
    const hvmemDomain *last,
    GError **error)
{
    Look *look = wait->look;

    look->wait = wait;
    if (!hvmemAside(lookAside, isEnough, look)) {
        wait->look = NULL;
        giveUp(wait, last, interrupted ? "stopped waiting: libvirt does not answer" : "timed out: libvirt does not answer",
               interrupted ? HVMEM_EXIT_SIGNAL + interrupted : HVMEM_EXIT_NOT_REACHED, error);
        return NULL;
    }

    /* a host could not be asked for a guest that has gone */
    if (look->warning) {
        eraseLine(wait);
        hvmemTell(stderr, "warning: %s\n", look->warning);
        g_clear_pointer(&look->warning, g_free);
    }
    if (look->error)
        g_propagate_error(error, g_steal_pointer(&look->error));
    return g_steal_pointer(&look->now);
}


/* One that was at rest may have begun to move since: nothing is known of it then. */
static void
keepLast(hvmemDomain *now,
         const hvmemDomain *last)
{
    if (last && g_strcmp0(last->state, "idle") != 0)
        hvmemDomainKeep(now, last);
}


hvmemDomain *
hvmemWaitFor(virDomainPtr dom,
             const hvmemDomain *before,
             const hvmemWait *options,
             GError **error)
{
    Wait wait = { .options = options, .moved = g_get_monotonic_time(), .terminal = isatty(STDERR_FILENO) && hvmemTerm.cursor };
    g_autoptr(hvmemDomain) last = NULL;
    hvmemDomain *now;

    wait.look = lookNew(dom, options->hosts);
    hvmemProgressInit(&wait.progress, before, options->size == HVMEM_UNKNOWN ? before->requested : options->size);
    catchInterrupt();

    while ((now = see(&wait, last ? last : before, error))) {
        keepLast(now, last);
        if (hvmemProgressUpdate(&wait.progress, now))
            wait.moved = g_get_monotonic_time();
        if (isOver(&wait, now, error)) {
            eraseLine(&wait);
            break;
        }

        watchProblem(&wait, now);
        showProgress(&wait, now);
        hvmemDomainFree(last);
        last = now;
        g_usleep(POLL_USEC);
    }
    if (!now)
        eraseLine(&wait);

    if (wait.look)
        lookFree(wait.look);
    hvmemProgressClear(&wait.progress);
    return now;
}
