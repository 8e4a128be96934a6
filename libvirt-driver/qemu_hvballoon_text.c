/*
 * qemu_hvballoon_text.c: what the planner found, in words
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <config.h>

#include "qemu_hvballoon_text.h"

#include "virbuffer.h"
#include "virerror.h"

#define VIR_FROM_THIS VIR_FROM_QEMU


/* "'A' of 1 KiB, 'B' of 2 KiB" */
static char *
qemuHvBalloonNameSticks(const qemuHvBalloonPlanInput *in)
{
    g_auto(virBuffer) buf = VIR_BUFFER_INITIALIZER;
    size_t i;

    for (i = 0; i < in->nsticks; i++)
        virBufferAsprintf(&buf, _("'%1$s' of %2$llu KiB, "),
                          in->sticks[i].alias ? in->sticks[i].alias : "?",
                          (unsigned long long)in->sticks[i].size);

    virBufferTrim(&buf, ", ");
    return virBufferContentAndReset(&buf);
}


static char *
qemuHvBalloonNoBoot(const qemuHvBalloonPlanInput *in,
                    unsigned long long total)
{
    g_autofree char *sticks = qemuHvBalloonNameSticks(in);

    if (in->nsticks == 1)
        return g_strdup_printf(_("maximum memory %1$llu KiB leaves nothing to boot with beside the stick %2$s: request more, or detach what is too much from the stored definition (--config) first"),
                               total, sticks);

    return g_strdup_printf(_("maximum memory %1$llu KiB leaves nothing to boot with beside the sticks %2$s: request more, or detach what is too much from the stored definition (--config) first"),
                           total, sticks);
}


/**
 * qemuHvBalloonRefusalText:
 * @in: what the planner was told
 *
 * Returns a translated sentence that names the value, the limit and what to do.
 */
char *
qemuHvBalloonRefusalText(const qemuHvBalloonRefusal *refusal,
                         const qemuHvBalloonPlanInput *in)
{
    unsigned long long requested = refusal->requested;
    unsigned long long limit = refusal->limit;
    unsigned long long stick = refusal->stick;

    switch (refusal->type) {
    case QEMU_HVBALLOON_REFUSAL_TARGET_ZERO:
        return g_strdup_printf(_("memory cannot be 0: request what the guest needs, at least %1$llu KiB"),
                               limit);

    case QEMU_HVBALLOON_REFUSAL_TARGET_BELOW_MINIMUM:
        return g_strdup_printf(_("memory %1$llu KiB is below the <minimum> of the balloon, %2$llu KiB: request at least that, or lower <minimum> in the stored definition, which counts from the next start"),
                               requested, limit);

    case QEMU_HVBALLOON_REFUSAL_TARGET_NO_MAXMEMORY:
        return g_strdup_printf(_("memory %1$llu KiB is above the present %2$llu KiB and there is no <maxMemory> to grow to: request no more than that, or add <maxMemory> to the stored definition, which counts from the next start"),
                               requested, limit);

    case QEMU_HVBALLOON_REFUSAL_TARGET_ABOVE_MAXMEMORY:
        return g_strdup_printf(_("memory %1$llu KiB is above <maxMemory> %2$llu KiB: request no more than that, or raise <maxMemory> in the stored definition, which counts from the next start"),
                               requested, limit);

    case QEMU_HVBALLOON_REFUSAL_TOTAL_BELOW_BOOT:
        return g_strdup_printf(_("maximum memory %1$llu KiB is below the memory the guest booted with, %2$llu KiB: request at least that, or change the stored definition (--config) and shut the guest down and start it"),
                               requested, limit);

    case QEMU_HVBALLOON_REFUSAL_TOTAL_ABOVE_MAXMEMORY:
        return g_strdup_printf(_("maximum memory %1$llu KiB is above <maxMemory> %2$llu KiB: request no more than that, or raise <maxMemory> in the stored definition, which counts from the next start"),
                               requested, limit);

    case QEMU_HVBALLOON_REFUSAL_NO_SLOT:
        return g_strdup_printf(_("no memory slot is free for one more stick beside the present %1$zu, KVM or a vhost device has no more: start the domain with more boot memory, or remove memory devices"),
                               in->nsticks);

    case QEMU_HVBALLOON_REFUSAL_NO_SPACE:
        return g_strdup_printf(_("the largest free range for memory devices is %1$llu KiB, a stick of %2$llu KiB is needed: request less, or restart the guest, which leaves no sticks with holes between them"),
                               limit, stick);

    case QEMU_HVBALLOON_REFUSAL_CONFIG_NO_ROOM:
        return g_strdup_printf(_("memory %1$llu KiB needs a stick of %2$llu KiB, <maxMemory> %3$llu KiB leaves only %4$llu KiB: request %5$llu KiB at most, or raise <maxMemory>"),
                               requested, stick, limit,
                               (unsigned long long)refusal->left,
                               (unsigned long long)refusal->most);

    case QEMU_HVBALLOON_REFUSAL_CONFIG_TOTAL_ZERO:
        return g_strdup(_("maximum memory cannot be 0: request what the guest needs to boot"));

    case QEMU_HVBALLOON_REFUSAL_CONFIG_TOTAL_BELOW_MINIMUM:
        return g_strdup_printf(_("maximum memory %1$llu KiB is below the <minimum> of the balloon, %2$llu KiB: request at least that, or lower <minimum> first"),
                               requested, limit);

    case QEMU_HVBALLOON_REFUSAL_CONFIG_TOTAL_ABOVE_MAXMEMORY:
        return g_strdup_printf(_("maximum memory %1$llu KiB is above <maxMemory> %2$llu KiB: request no more than that, or raise <maxMemory> first"),
                               requested, limit);

    case QEMU_HVBALLOON_REFUSAL_CONFIG_TOTAL_NO_BOOT:
        return qemuHvBalloonNoBoot(in, requested);

    case QEMU_HVBALLOON_REFUSAL_NONE:
        break;
    }

    return g_strdup(_("no reason is known"));
}


/**
 * qemuHvBalloonReportRefusal:
 * @in: what the planner was told
 *
 * Reports why the planner has no plan.
 */
void
qemuHvBalloonReportRefusal(const qemuHvBalloonRefusal *refusal,
                           const qemuHvBalloonPlanInput *in)
{
    g_autofree char *text = qemuHvBalloonRefusalText(refusal, in);

    virReportError(VIR_ERR_INVALID_ARG, "%s", text);
}


static void
qemuHvBalloonFormatSizeReason(virBuffer *buf,
                              const qemuHvBalloonReason *reason)
{
    switch (reason->size) {
    case QEMU_HVBALLOON_SIZE_USUAL:
        return;

    case QEMU_HVBALLOON_SIZE_COSTLY:
        virBufferAddLit(buf, ", the backing takes host memory at once");
        return;

    case QEMU_HVBALLOON_SIZE_FEW_SLOTS:
        virBufferAsprintf(buf, ", %llu memory slots are left to reach %llu KiB",
                          (unsigned long long)reason->freeSlots,
                          (unsigned long long)reason->maxMemory);
        return;
    }
}


/**
 * qemuHvBalloonReasonText:
 *
 * Returns why @step is taken, in English, for the log.
 */
char *
qemuHvBalloonReasonText(const qemuHvBalloonStep *step)
{
    const qemuHvBalloonReason *reason = &step->reason;
    unsigned long long requested = reason->requested;
    g_auto(virBuffer) buf = VIR_BUFFER_INITIALIZER;

    switch (reason->type) {
    case QEMU_HVBALLOON_REASON_TARGET:
    case QEMU_HVBALLOON_REASON_ALIGNMENT:
    case QEMU_HVBALLOON_REASON_TOTAL:
        virBufferAsprintf(&buf, "%llu KiB are missing to %s of %llu KiB%s",
                          (unsigned long long)reason->missing,
                          reason->type == QEMU_HVBALLOON_REASON_TOTAL ? "a total" : "the target",
                          requested,
                          reason->type == QEMU_HVBALLOON_REASON_ALIGNMENT ? ", in units of the guest's alignment" : "");
        qemuHvBalloonFormatSizeReason(&buf, reason);
        break;

    case QEMU_HVBALLOON_REASON_REQUESTED:
        virBufferAsprintf(&buf, "%llu KiB are requested", requested);
        break;

    case QEMU_HVBALLOON_REASON_RESENT:
        virBufferAsprintf(&buf, "%llu KiB are still requested", requested);
        break;

    case QEMU_HVBALLOON_REASON_UNUSED:
        virBufferAsprintf(&buf, "the guest uses none of it, nor is it needed for %llu KiB",
                          requested);
        break;
    }

    virBufferAsprintf(&buf, "; boot memory and sticks%s: %llu KiB",
                      step->type == QEMU_HVBALLOON_STEP_UNPLUG ? " then" : "",
                      (unsigned long long)reason->total);
    return virBufferContentAndReset(&buf);
}


/**
 * qemuHvBalloonReportStep:
 *
 * Reports that @step failed, and why: the error reported last.
 */
void
qemuHvBalloonReportStep(const qemuHvBalloonStep *step)
{
    g_autofree char *cause = g_strdup(virGetLastErrorMessage());

    switch (step->type) {
    case QEMU_HVBALLOON_STEP_PLUG:
        virReportError(VIR_ERR_OPERATION_FAILED,
                       _("adding a stick of %1$llu KiB failed: %2$s"),
                       (unsigned long long)step->size, cause);
        return;

    case QEMU_HVBALLOON_STEP_BALLOON:
        virReportError(VIR_ERR_OPERATION_FAILED,
                       _("asking the memory balloon for %1$llu KiB failed: %2$s"),
                       (unsigned long long)step->size, cause);
        return;

    case QEMU_HVBALLOON_STEP_UNPLUG:
        virReportError(VIR_ERR_OPERATION_FAILED,
                       _("removing the stick '%1$s' of %2$llu KiB failed: %3$s"),
                       step->alias, (unsigned long long)step->size, cause);
        return;

    case QEMU_HVBALLOON_STEP_LAST:
        return;
    }
}
