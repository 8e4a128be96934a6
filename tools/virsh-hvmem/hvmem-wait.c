/*
 * hvmem-wait.c: waiting until a guest has what was requested
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-wait.h"
#include "hvmem-events.h"
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
/* Columns that the progress leaves free: for the cursor, and for the ^C that the terminal adds. A line that wraps could not be erased. */
#define FREE_COLUMNS 3

static volatile sig_atomic_t interrupted;


static void
interrupt(int sig)
{
    interrupted = sig;
}


typedef struct _Wait Wait;
struct _Wait {
    const hvmemWait *options;
    hvmemProgress progress;
    gint64 moved;               /* when any memory moved last */
    gint64 problemSince;        /* 0: there is none */
    gint64 lastLine;
    unsigned int id;            /* of the running guest */
    bool leaves;                /* it was being migrated when it was seen last */
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
        fprintf(stderr, "%s\n", line);
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
    fprintf(stderr, "%s: %s\n%s", dom->name, why->label, meaning);
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
isAnother(const Wait *wait,
          virDomainPtr dom)
{
    char uuid[VIR_UUID_STRING_BUFLEN] = "";
    g_autoptr(virDomain) now = NULL;

    if (virDomainGetUUIDString(dom, uuid) == 0)
        now = virDomainLookupByUUIDString(virDomainGetConnect(dom), uuid);
    virResetLastError();
    return now && virDomainGetID(now) != wait->id;
}


static bool
failOthers(const Wait *wait,
           virDomainPtr dom,
           const char *name,
           GError **error)
{
    if (!isAnother(wait, dom))
        return hvmemFail(error, "somebody else has requested another size for '%s' meanwhile", name);

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
        fprintf(stderr, "%s: current %s, reached in %s\n", dom->name, have, took);
}


/* Is the wait over, and how? */
static bool
isOver(Wait *wait,
       virDomainPtr at,
       const hvmemDomain *dom,
       GError **error)
{
    gint64 now = g_get_monotonic_time();
    int timeout = wait->options->timeout;

    if (!dom->active)
        failGone(dom, error);
    else if (isOthers(wait, dom))
        failOthers(wait, at, dom->name, error);
    else if (hvmemDomainIsThere(dom))
        finish(wait, dom);
    else if (interrupted)
        giveUp(wait, dom, "stopped waiting", HVMEM_EXIT_SIGNAL + interrupted, error);
    else if (timeout && now - wait->options->start >= timeout * G_USEC_PER_SEC)
        giveUp(wait, dom, "timed out", HVMEM_EXIT_NOT_REACHED, error);
    else if (isHopeless(wait, dom))
        giveUp(wait, dom, "waiting does not help", HVMEM_EXIT_NOT_REACHED, error);
    else if (!timeout && now - wait->moved >= HVMEM_WAIT_STALL * G_USEC_PER_SEC)
        giveUp(wait, dom, "nothing has moved for " G_STRINGIFY(HVMEM_WAIT_STALL) " seconds", HVMEM_EXIT_NOT_REACHED, error);
    else
        return false;

    return true;
}


/* The second signal ends the program even if libvirt does not answer, which keeps the first from being noticed. */
static void
catchInterrupt(void)
{
    struct sigaction action = { .sa_handler = interrupt, .sa_flags = SA_RESETHAND };

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}


/* A host could not be asked for a guest that has gone. */
static void
warn(const Wait *wait)
{
    g_autofree char *failure = wait->options->hosts ? hvmemHostsFailure(wait->options->hosts) : NULL;

    if (!failure)
        return;
    eraseLine(wait);
    fprintf(stderr, "warning: %s\n", failure);
}


/* Looks at the guest of *@dom, or where it has gone, which *@dom is from then on. Waits for no other job: the limit of time is to hold. */
static hvmemDomain *
look(Wait *wait,
     virDomainPtr *dom,
     const char *uuid,
     GError **error)
{
    const GPtrArray *hosts = wait->options->hosts;
    g_autoptr(GError) reason = NULL;
    hvmemDomain *now = hvmemInspect(*dom, true, &reason);
    bool gone = now ? !now->active && now->movedAway : virGetLastErrorCode() == VIR_ERR_NO_DOMAIN;
    const hvmemPlace *place;
    virDomainPtr there = gone && hosts ? hvmemHostsFind(hosts, uuid, NULL, &place) : NULL;

    warn(wait);
    if (there) {
        virDomainFree(*dom);
        *dom = there;
        wait->id = virDomainGetID(there);
        gone = false;
        hvmemDomainFree(now);
        g_clear_error(&reason);
        now = hvmemInspect(*dom, true, &reason);
    }

    if (!now && gone)
        hvmemMoveFail(virDomainGetName(*dom), "wait", wait->leaves, error);
    else if (!now)
        g_propagate_error(error, g_steal_pointer(&reason));
    else if (now->active && now->hyperv)
        hvmemMoveInspect(now, *dom);
    wait->leaves = now && now->move == HVMEM_MOVE_OUT;
    return now;
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
    g_autoptr(virDomain) at = dom;
    g_autoptr(hvmemEvents) events = hvmemEventsStart();
    g_autoptr(hvmemDomain) last = NULL;
    char uuid[VIR_UUID_STRING_BUFLEN] = "";
    hvmemDomain *now;

    virDomainRef(dom);
    virDomainGetUUIDString(dom, uuid);
    wait.id = virDomainGetID(dom);
    hvmemProgressInit(&wait.progress, before, options->size == HVMEM_UNKNOWN ? before->requested : options->size);
    catchInterrupt();

    while ((now = look(&wait, &at, uuid, error))) {
        keepLast(now, last);
        if (hvmemProgressUpdate(&wait.progress, now))
            wait.moved = g_get_monotonic_time();
        if (isOver(&wait, at, now, error)) {
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

    hvmemProgressClear(&wait.progress);
    return now;
}
