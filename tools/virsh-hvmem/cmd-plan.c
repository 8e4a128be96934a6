/*
 * cmd-plan.c: what setmem would do, and why; nothing is changed
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-balance-view.h"
#include "hvmem-cmd.h"
#include "hvmem-json.h"
#include "hvmem-output.h"
#include "hvmem-plan.h"
#include "hvmem-plan-text.h"
#include "hvmem-size.h"

#include <stdio.h>


/* The refusal of @size as an error. */
static GError *
refusal(const hvmemDomain *dom,
        const hvmemPlan *plan,
        guint64 size)
{
    GError *error = NULL;

    hvmemFailRefused(&error, "%s", plan->refused);
    hvmemErrorDomain(&error, dom->name);
    if (dom->maxMemory != HVMEM_UNKNOWN && size > dom->maxMemory)
        hvmemErrorSizes(&error, size, dom->maxMemory);
    else
        hvmemErrorSizes(&error, size, size < dom->minimum ? dom->minimum : 0);
    return error;
}


static void
printJSON(const hvmemDomain *dom,
          const hvmemPlan *plan,
          guint64 size,
          const char *danger,
          const char *remark)
{
    JsonBuilder *builder = hvmemJSONBegin("plan");
    g_autofree char *pending = hvmemDomainPending(dom);
    g_autoptr(GError) error = plan->refused ? refusal(dom, plan, size) : NULL;
    size_t i;

    hvmemJSONString(builder, "name", dom->name);
    hvmemJSONSize(builder, "requested", size);
    json_builder_set_member_name(builder, "steps");
    json_builder_begin_array(builder);
    for (i = 0; plan->steps && i < plan->steps->nsteps; i++) {
        const qemuHvBalloonStep *step = &plan->steps->steps[i];
        g_autofree char *reason = hvmemPlanReason(plan, step);

        json_builder_begin_object(builder);
        hvmemJSONString(builder, "op", qemuHvBalloonStepTypeToString(step->type));
        hvmemJSONSize(builder, "size", hvmemFromKiB(step->size));
        hvmemJSONString(builder, "id", step->alias);
        hvmemJSONString(builder, "reason", reason);
        json_builder_end_object(builder);
    }
    json_builder_end_array(builder);
    hvmemJSONString(builder, "warning", danger);
    hvmemJSONString(builder, "pending", pending);
    hvmemJSONString(builder, "remark", remark);
    if (error)
        hvmemJSONError(builder, error);
    hvmemJSONPrint(builder);
}


/* What the step does, in a sentence of its own. */
static char *
describe(const hvmemDomain *dom,
         const qemuHvBalloonStep *step)
{
    guint64 size = hvmemFromKiB(step->size);
    g_autofree char *text = hvmemFormatSize(size);
    g_autofree char *have = hvmemFormatSize(dom->current);

    switch (step->type) {
    case QEMU_HVBALLOON_STEP_PLUG:
        return g_strdup_printf("plug %s more", text);
    case QEMU_HVBALLOON_STEP_UNPLUG:
        return g_strdup_printf("unplug %s of %s", step->alias ? step->alias : "a stick", text);
    case QEMU_HVBALLOON_STEP_BALLOON:
    case QEMU_HVBALLOON_STEP_LAST:
        break;
    }

    if (hvmemDistance(size, dom->current) <= HVMEM_NEAR)
        return g_strdup_printf("leave the guest at %s", text);
    return g_strdup_printf("%s the guest from %s to %s", size > dom->current ? "grow" : "shrink", have, text);
}


static void
printPlan(const hvmemDomain *dom,
          const hvmemPlan *plan,
          guint64 size)
{
    g_autofree char *want = hvmemFormatSize(size);
    g_autofree char *pending = hvmemDomainPending(dom);
    g_autofree char *note = pending ? hvmemWrap(pending, CLAMP(hvmemTerm.width, 30, 100), 0) : NULL;
    size_t i;

    if (plan->refused) {
        hvmemTell(stdout, "%s cannot have %s: %s\n%s", dom->name, want, plan->refused, note ? note : "");
        return;
    }

    hvmemTell(stdout, "To have %s %s %s, libvirt would:\n\n", dom->name, dom->active ? "at" : "(shut off) start with", want);
    for (i = 0; i < plan->steps->nsteps; i++) {
        const qemuHvBalloonStep *step = &plan->steps->steps[i];
        g_autofree char *what = describe(dom, step);
        g_autofree char *reason = hvmemPlanReason(plan, step);
        g_autofree char *wrapped = hvmemWrap(reason, CLAMP(hvmemTerm.width, 30, 100), 6);

        hvmemSay(stdout, "  %zu. %s\n%s", i + 1, what, wrapped);
    }
    if (note)
        printf("\n%s", note);
    printf("\nNothing has been changed. 'virsh-hvmem set' does it.\n");
}


static bool
run(const hvmemApp *app,
    char **args,
    GError **error)
{
    g_autoptr(virConnect) conn = NULL;
    g_autoptr(virDomain) dom = NULL;
    g_autoptr(hvmemDomain) info = NULL;
    g_autoptr(hvmemPlan) plan = NULL;
    g_autoptr(hvmemBalanceView) view = NULL;
    g_autofree char *danger = NULL;
    g_autofree char *remark = NULL;
    hvmemSize typed;
    guint64 size;

    if (!hvmemSizeParse(args[1], &typed, error) ||
        !(dom = hvmemAppDomain(app, args[0], &conn, error)) ||
        !(info = hvmemInspectHyperv(dom, false, error)) ||
        !hvmemSizeResolve(&typed, info, &size, error))
        return false;

    danger = hvmemSizeDanger(&typed, info, size, NULL);
    if (danger && !app->quiet)
        hvmemTell(stderr, "warning: %s. 'set' refuses it without --force\n", danger);
    if (!(plan = hvmemPlanNew(info, size, error)))
        return false;

    if (info->active && !plan->refused) {
        view = hvmemBalanceViewNew(conn);
        remark = hvmemBalanceViewRemark(view, info);
    }
    if (remark && !app->quiet && !app->json)
        hvmemTell(stderr, "%s: %s\n", info->name, remark);

    if (app->json)
        printJSON(info, plan, size, danger, remark);
    else
        printPlan(info, plan, size);
    return !plan->refused || hvmemFailSilently(error, HVMEM_EXIT_REFUSED);
}


const hvmemCommand hvmemCmdPlan = {
    .name = "plan",
    .arguments = "DOMAIN SIZE",
    .summary = "Show what 'set' would do, step by step, and why; change nothing",
    .description = "The exit status is 4 if libvirt would refuse.",
    .example = "virsh-hvmem plan g1 6GiB",
    .minArgs = 2,
    .maxArgs = 2,
    .run = run,
};
