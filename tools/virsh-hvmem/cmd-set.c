/*
 * cmd-set.c: setmem, and waiting for the guest
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-cmd.h"
#include "hvmem-explain.h"
#include "hvmem-json.h"
#include "hvmem-output.h"
#include "hvmem-limits.h"
#include "hvmem-progress.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#define POLL_USEC (250 * 1000)
/* Without --timeout, give up after so many seconds without a change. */
#define STALL_SEC 60
/* A problem is explained when it has lasted so many seconds. */
#define EXPLAIN_SEC 3
/* Seconds between lines if there is no terminal. */
#define LINE_SEC 5
#define NO_TIMEOUT G_MININT

static gboolean live;
static gboolean config;
static gboolean current;
static gboolean wait_;
static int timeout = NO_TIMEOUT;

static const GOptionEntry options[] = {
    { "live", 0, 0, G_OPTION_ARG_NONE, &live, "Change the running guest", NULL },
    { "config", 0, 0, G_OPTION_ARG_NONE, &config, "Change the definition, from the next start on", NULL },
    { "current", 0, 0, G_OPTION_ARG_NONE, &current, "Change the running guest, or the definition of one that is shut off (default)", NULL },
    { "wait", 'w', 0, G_OPTION_ARG_NONE, &wait_, "Show progress until the guest has the requested size", NULL },
    { "timeout", 't', 0, G_OPTION_ARG_INT, &timeout, "With --wait: give up after this many seconds", "S" },
    G_OPTION_ENTRY_NULL,
};

static volatile sig_atomic_t interrupted;


static void
interrupt(int sig)
{
    interrupted = sig;
}


typedef struct _Wait Wait;
struct _Wait {
    hvmemProgress *progress;
    gint64 start;               /* all times by g_get_monotonic_time() */
    gint64 moved;               /* when any memory moved last */
    gint64 problemSince;        /* 0: there is none */
    gint64 lastLine;
    const char *explained;      /* label of what was explained last */
    bool terminal;
    bool quiet;
};


static void
eraseLine(const Wait *wait)
{
    if (wait->terminal && !wait->quiet)
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

    if (wait->quiet || (!wait->terminal && now - wait->lastLine < LINE_SEC * G_USEC_PER_SEC))
        return;

    wait->lastLine = now;
    hvmemTerminalSize(STDERR_FILENO, &columns, &rows);
    line = hvmemProgressFormat(wait->progress, dom, columns - 1);
    if (!wait->terminal) {
        fprintf(stderr, "%s\n", line);
        return;
    }

    /* a line that wraps could not be erased */
    clipped = hvmemClip(line, columns - 1);
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

    if (!wait->quiet && now - wait->problemSince >= EXPLAIN_SEC * G_USEC_PER_SEC && g_strcmp0(wait->explained, why->label) != 0)
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
    g_autofree char *want = hvmemFormatSize(wait->progress->to);

    eraseLine(wait);
    if (!wait->quiet && g_strcmp0(wait->explained, state->label) != 0)
        explain(wait, dom, state);

    hvmemFailAs(error, status, "%s: the guest has %s, %s were requested (%s). The request stays in place: the guest reaches that size as soon as it can.",
                why, have, want, state->label);
    hvmemErrorDomain(error, dom->name);
    return hvmemErrorSizes(error, wait->progress->to, dom->current);
}


/* Without --timeout, do not wait for what needs a user's action. */
static bool
isHopeless(const hvmemDomain *dom)
{
    g_autoptr(hvmemExplanation) why = hvmemExplain(dom);

    return timeout == NO_TIMEOUT && why->hopeless;
}


/* Is the wait over, and how? */
static bool
isOver(Wait *wait,
       const hvmemDomain *dom,
       bool *ok,
       GError **error)
{
    gint64 now = g_get_monotonic_time();

    *ok = false;
    if (!dom->active)
        hvmemFail(error, "the guest has been shut off meanwhile");
    else if (hvmemDistance(dom->requested, wait->progress->to) > HVMEM_NEAR)
        hvmemFail(error, "somebody else has requested another size meanwhile");
    else if (hvmemDomainIsThere(dom))
        *ok = true;
    else if (interrupted)
        giveUp(wait, dom, "stopped waiting", HVMEM_EXIT_SIGNAL + interrupted, error);
    else if (timeout > 0 && now - wait->start >= timeout * G_USEC_PER_SEC)
        giveUp(wait, dom, "timed out", HVMEM_EXIT_NOT_REACHED, error);
    else if (isHopeless(dom))
        giveUp(wait, dom, "waiting does not help", HVMEM_EXIT_NOT_REACHED, error);
    else if (timeout == NO_TIMEOUT && now - wait->moved >= STALL_SEC * G_USEC_PER_SEC)
        giveUp(wait, dom, "nothing has moved for " G_STRINGIFY(STALL_SEC) " seconds", HVMEM_EXIT_NOT_REACHED, error);
    else
        return false;

    return true;
}


static void
finish(const Wait *wait,
       const hvmemDomain *dom)
{
    g_autofree char *have = hvmemFormatSize(dom->current);
    g_autofree char *took = hvmemFormatDuration((g_get_monotonic_time() - wait->start) / (double)G_USEC_PER_SEC);

    eraseLine(wait);
    if (!wait->quiet)
        fprintf(stderr, "%s: the guest has %s, after %s\n", dom->name, have, took);
}


static void
catchInterrupt(void)
{
    struct sigaction action = { .sa_handler = interrupt };

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}


static hvmemDomain *
waitForGuest(virDomainPtr dom,
             Wait *wait,
             bool *ok,
             GError **error)
{
    catchInterrupt();

    for (;;) {
        g_autoptr(hvmemDomain) now = hvmemInspect(dom, false, error);

        if (!now)
            return NULL;

        if (hvmemProgressUpdate(wait->progress, now))
            wait->moved = g_get_monotonic_time();

        if (isOver(wait, now, ok, error)) {
            if (*ok)
                finish(wait, now);
            return g_steal_pointer(&now);
        }

        watchProblem(wait, now);
        showProgress(wait, now);
        g_usleep(POLL_USEC);
    }
}


/* @error: why it is not as it was to be, or NULL. */
static void
printJSON(const hvmemDomain *dom,
          const GError *error)
{
    JsonBuilder *builder = hvmemJSONBegin("set");

    json_builder_set_member_name(builder, "domains");
    json_builder_begin_array(builder);
    json_builder_begin_object(builder);
    hvmemJSONDomainMembers(builder, dom);
    if (error)
        hvmemJSONError(builder, error);
    json_builder_end_object(builder);
    json_builder_end_array(builder);
    hvmemJSONPrint(builder);
}


static bool
checkOptions(GError **error)
{
    if (current && (live || config))
        return hvmemFailUsage(error, "--current cannot be combined with --live or --config");
    if (timeout != NO_TIMEOUT && timeout < 1)
        return hvmemFailUsage(error, "--timeout %d: give a number of seconds, from 1 on", timeout);
    if (timeout > 0 && !wait_)
        return hvmemFailUsage(error, "--timeout needs --wait");
    if (wait_ && config && !live)
        return hvmemFailUsage(error, "--wait needs a running guest: with --config alone there is nothing to wait for");
    return true;
}


static unsigned int
flags(void)
{
    return (live ? VIR_DOMAIN_AFFECT_LIVE : 0) | (config ? VIR_DOMAIN_AFFECT_CONFIG : 0);
}


static bool
isLive(const hvmemDomain *dom)
{
    return live || (!config && dom->active);
}


/* The domain whose limits apply: those of the definition may differ from the running guest's. */
static const hvmemDomain *
whatIsSet(const hvmemDomain *dom)
{
    return !isLive(dom) && dom->stored && dom->stored->hyperv ? dom->stored : dom;
}


static bool
setMemory(const hvmemApp *app,
          virDomainPtr dom,
          const hvmemDomain *before,
          guint64 size,
          GError **error)
{
    gint64 now = g_get_monotonic_time();
    g_auto(hvmemProgress) progress = { 0 };
    Wait wait = { .progress = &progress, .start = now, .moved = now, .terminal = isatty(STDERR_FILENO), .quiet = app->quiet };
    g_autofree char *want = hvmemFormatSize(size);
    g_autofree char *name = hvmemShellWord(before->name);
    g_autofree char *pending = isLive(before) ? NULL : hvmemDomainPending(before);
    g_autoptr(hvmemDomain) after = NULL;
    bool ok = true;

    hvmemProgressInit(&progress, before, size);
    if (virDomainSetMemoryFlags(dom, size / HVMEM_KIB, flags()) < 0)
        return hvmemFailVir(error, "failed to set the memory of '%s' to %s", before->name, want);

    if (wait_ && isLive(before))
        after = waitForGuest(dom, &wait, &ok, error);
    else
        after = hvmemInspect(dom, true, error);
    if (!after)
        return false;

    if (app->json) {
        printJSON(after, ok || !error ? NULL : *error);
        hvmemErrorPrinted(error);
    } else if (!wait_ && !app->quiet) {
        printf(isLive(before) ? "%s: %s requested; 'virsh-hvmem status %s' shows the progress\n" :
               "%s: %s from its next start on\n", before->name, want, name);
    }
    if (pending && !app->json && !app->quiet)
        printf("%s\n", pending);
    return ok;
}


static bool
run(const hvmemApp *app,
    char **args,
    GError **error)
{
    g_autoptr(virConnect) conn = NULL;
    g_autoptr(virDomain) dom = NULL;
    g_autoptr(hvmemDomain) before = NULL;
    guint64 size;

    if (!checkOptions(error) || !hvmemParseSize(args[1], "SIZE", &size, error))
        return false;

    hvmemAppDoubtSize(app, args[1], size);
    if (!(dom = hvmemAppDomain(app, args[0], &conn, error)) ||
        !(before = hvmemInspectHyperv(dom, false, error)) ||
        !hvmemLimitsCheck(whatIsSet(before), size, error))
        return false;

    if (wait_ && !isLive(before))
        return hvmemFailRefused(error, "'%s' is shut off: there is nothing to wait for", before->name);

    return setMemory(app, dom, before, size, error);
}


const hvmemCommand hvmemCmdSet = {
    .name = "set",
    .arguments = "DOMAIN SIZE [--live|--config|--current] [--wait] [--timeout S]",
    .summary = "Change how much memory a guest has",
    .description = "With --wait the exit status is 0 when the guest has the requested size. It is 1 when something has failed,\n"
                   "after --timeout or, without that, when nothing has changed for " G_STRINGIFY(STALL_SEC) " seconds or somebody\n"
                   "has paused the guest. The request stays in place.",
    .options = options,
    .minArgs = 2,
    .maxArgs = 2,
    .run = run,
};
