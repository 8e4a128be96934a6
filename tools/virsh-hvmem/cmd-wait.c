/*
 * cmd-wait.c: waiting for guests, whoever has requested what
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-cmd.h"
#include "hvmem-targets.h"
#include "hvmem-wait.h"

#define NO_TIMEOUT G_MININT

static int timeout = NO_TIMEOUT;

static const GOptionEntry options[] = {
    { "timeout", 't', 0, G_OPTION_ARG_INT, &timeout, "Give up after this many seconds", "S" },
    HVMEM_OPTION_ALSO,
    G_OPTION_ENTRY_NULL,
};


static bool
check(hvmemTarget *target,
      GError **error)
{
    if (!(target->before = hvmemInspectHyperv(target->dom, false, error)))
        return false;
    if (!target->before->active)
        return hvmemFailRefused(error, "'%s' is shut off: there is nothing to wait for", target->before->name);
    return target->before->requested != HVMEM_UNKNOWN ||
        hvmemFailRefused(error, "libvirt does not report what was requested for '%s': its daemon is older than this program", target->before->name);
}


static bool
run(const hvmemApp *app,
    char **args,
    GError **error)
{
    g_autoptr(GPtrArray) hosts = NULL;
    g_autoptr(GPtrArray) targets = NULL;
    hvmemWait wait = { .start = g_get_monotonic_time(), .timeout = MAX(timeout, 0), .size = HVMEM_UNKNOWN, .quiet = app->quiet };
    size_t i;

    if (timeout != NO_TIMEOUT && timeout < 1)
        return hvmemFailUsage(error, "--timeout %d: give a number of seconds, from 1 on", timeout);
    if (!(hosts = hvmemHostsOpen(app->uri, hvmemAlso, app->readonly, error)) ||
        !(targets = hvmemTargetsFind(((hvmemPlace *)hosts->pdata[0])->conn, args, g_strv_length(args), error)))
        return false;

    for (i = 0; i < targets->len; i++) {
        hvmemTarget *target = targets->pdata[i];

        wait.hosts = hosts;
        if (check(target, &target->error))
            target->after = hvmemWaitFor(target->dom, target->before, &wait, &target->error);
    }
    return hvmemTargetsReport(app, "wait", targets, error);
}


const hvmemCommand hvmemCmdWait = {
    .name = "wait",
    .arguments = "DOMAIN… [--timeout S] [--also URI]",
    .summary = "Wait until a guest has what was requested, by whomever; change nothing",
    .description = "The exit status is 0 when all have it, and 5 after --timeout or, without that, when nothing has\n"
                   "changed for " G_STRINGIFY(HVMEM_WAIT_STALL) " seconds or somebody has paused the guest.",
    .example = "virsh-hvmem wait g1 --timeout 60",
    .options = options,
    .minArgs = 1,
    .maxArgs = -1,
    .run = run,
};
