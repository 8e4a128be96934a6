/*
 * cmd-set.c: setmem, and waiting for the guest
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-balance-view.h"
#include "hvmem-cmd.h"
#include "hvmem-json.h"
#include "hvmem-limits.h"
#include "hvmem-output.h"
#include "hvmem-size.h"
#include "hvmem-targets.h"
#include "hvmem-wait.h"

#include <stdio.h>

#define NO_TIMEOUT G_MININT

static gboolean live;
static gboolean config;
static gboolean current;
static gboolean wait_;
static gboolean force;
static int timeout = NO_TIMEOUT;

static const GOptionEntry options[] = {
    { "live", 0, 0, G_OPTION_ARG_NONE, &live, "Change the running guest", NULL },
    { "config", 0, 0, G_OPTION_ARG_NONE, &config, "Change the definition, from the next start on", NULL },
    { "current", 0, 0, G_OPTION_ARG_NONE, &current, "Change the running guest, or the definition of one that is shut off (default)", NULL },
    { "wait", 'w', 0, G_OPTION_ARG_NONE, &wait_, "Show progress until the guest has the requested size", NULL },
    { "timeout", 't', 0, G_OPTION_ARG_INT, &timeout, "With --wait: give up after this many seconds", "S" },
    { "force", 'f', 0, G_OPTION_ARG_NONE, &force, "Also if it is less than 64 MiB, or than the guest uses", NULL },
    HVMEM_OPTION_ALSO,
    G_OPTION_ENTRY_NULL,
};


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


/* Finds out whether @target may be set to @typed. Nothing is changed. */
static bool
check(hvmemTarget *target,
      const hvmemSize *typed,
      GError **error)
{
    const hvmemDomain *set;

    if (!(target->before = hvmemInspectHyperv(target->dom, false, error)))
        return false;

    set = whatIsSet(target->before);
    if (!hvmemSizeResolve(typed, set, &target->size, error))
        return false;

    if (!force) {
        g_autofree char *danger = hvmemSizeDanger(typed, set, target->size, error);

        if (danger)
            return false;
    }

    if (!hvmemLimitsCheck(set, target->size, error)) {
        hvmemErrorDomain(error, set->name);
        return hvmemErrorSizes(error, target->size, target->size < set->minimum ? set->minimum : set->maxMemory);
    }
    return !wait_ || isLive(target->before) || hvmemFailRefused(error, "'%s' is shut off: there is nothing to wait for", target->before->name);
}


static bool
set(hvmemTarget *target,
    GError **error)
{
    g_autofree char *want = hvmemFormatSize(target->size);

    if (virDomainSetMemoryFlags(target->dom, target->size / HVMEM_KIB, flags()) == 0)
        return true;

    hvmemFailVir(error, "failed to set the memory of '%s' to %s", target->before->name, want);
    hvmemErrorDomain(error, target->before->name);
    return hvmemErrorSizes(error, target->size, 0);
}


static bool
finish(const hvmemApp *app,
       hvmemTarget *target,
       const GPtrArray *hosts,
       gint64 start,
       GError **error)
{
    hvmemWait wait = { .start = start, .timeout = MAX(timeout, 0), .size = target->size, .quiet = app->quiet, .hosts = hosts };

    if (wait_ && isLive(target->before))
        target->after = hvmemWaitFor(target->dom, target->before, &wait, error);
    else
        target->after = hvmemInspect(target->dom, true, error);
    return target->after && (!error || !*error);
}


static void
say(const hvmemApp *app,
    const hvmemTarget *target)
{
    const hvmemDomain *before = target->before;
    g_autofree char *want = hvmemFormatSize(target->size);
    g_autofree char *name = hvmemShellWord(before->name);
    g_autofree char *pending = isLive(before) ? NULL : hvmemDomainPending(before);

    if (app->json || app->quiet)
        return;

    if (!wait_)
        hvmemTell(stdout, isLive(before) ? "%s: %s requested; 'virsh-hvmem status %s' shows the progress\n" :
                  "%s: %s from its next start on\n", before->name, want, name);
    if (pending)
        hvmemTell(stdout, "%s\n", pending);
    fflush(stdout);
}


/* The balancer goes on: said before one waits, for what one waits for may never come. */
static void
remark(const hvmemApp *app,
       hvmemTarget *target)
{
    g_autoptr(hvmemBalanceView) view = NULL;

    if (!isLive(target->before) || !hvmemAutoIsOn(target->before))
        return;

    view = hvmemBalanceViewNew(virDomainGetConnect(target->dom));
    target->remark = hvmemBalanceViewRemark(view, target->before);
    if (!app->json && !app->quiet)
        hvmemTell(stderr, "%s: %s\n", target->before->name, target->remark);
}


/* Of several of which one is refused: each says that it was not changed. */
static void
failOthers(const GPtrArray *targets,
           const hvmemTarget *refused)
{
    size_t i;

    for (i = 0; i < targets->len; i++) {
        hvmemTarget *target = targets->pdata[i];
        const char *name = virDomainGetName(target->dom);

        if (target == refused)
            continue;
        hvmemFailAs(&target->error, hvmemErrorStatus(refused->error), "nothing was changed for '%s', because '%s' cannot be set", name,
                    virDomainGetName(refused->dom));
        hvmemErrorDomain(&target->error, name);
    }
}


/* First all are checked, then all are set, then all are waited for: they move at the same time. */
static void
setAll(const hvmemApp *app,
       const GPtrArray *hosts,
       GPtrArray *targets,
       const hvmemSize *typed)
{
    gint64 start = g_get_monotonic_time();
    size_t i;

    for (i = 0; i < targets->len; i++) {
        hvmemTarget *target = targets->pdata[i];

        if (!check(target, typed, &target->error)) {
            failOthers(targets, target);
            return;
        }
    }
    for (i = 0; i < targets->len; i++) {
        hvmemTarget *target = targets->pdata[i];

        target->done = set(target, &target->error);
        if (target->done)
            remark(app, target);
    }
    for (i = 0; i < targets->len; i++) {
        hvmemTarget *target = targets->pdata[i];

        if (target->done && finish(app, target, hosts, start, &target->error))
            say(app, target);
    }
}


static bool
run(const hvmemApp *app,
    char **args,
    GError **error)
{
    g_autoptr(GPtrArray) hosts = NULL;
    g_autoptr(GPtrArray) targets = NULL;
    guint n = g_strv_length(args) - 1;
    hvmemSize typed;

    if (!checkOptions(error) || !hvmemSizeParse(args[n], &typed, error) ||
        !(hosts = hvmemHostsOpen(app->uri, hvmemAlso, app->readonly, error)) ||
        !(targets = hvmemTargetsFind(((hvmemPlace *)hosts->pdata[0])->conn, args, n, error)))
        return false;

    setAll(app, hosts, targets, &typed);
    return hvmemTargetsReport(app, "set", targets, error);
}


const hvmemCommand hvmemCmdSet = {
    .name = "set",
    .arguments = "DOMAIN… SIZE [--live|--config|--current] [--wait] [--timeout S] [--force] [--also URI]",
    .summary = "Change how much memory a guest has",
    .description = "A SIZE is also +1GiB or -512MiB (of what is requested now), 50% or max (of the ceiling), or boot.\n"
                   "With --wait the exit status is 0 when the guest has the requested size, and 5 after --timeout\n"
                   "or, without that, when nothing has changed for " G_STRINGIFY(HVMEM_WAIT_STALL) " seconds or somebody has paused the guest.\n"
                   "The request stays in place.",
    .example = "virsh-hvmem set g1 6GiB --wait",
    .options = options,
    .minArgs = 2,
    .maxArgs = -1,
    .run = run,
};
