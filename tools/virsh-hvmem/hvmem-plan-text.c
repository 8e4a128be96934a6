/*
 * hvmem-plan-text.c: what the planner found, in words
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-plan-text.h"
#include "hvmem-limits.h"


/* @kib, as the planner counts. */
static char *
format(guint64 kib)
{
    return hvmemFormatSize(hvmemFromKiB(kib));
}


/*
 * Reasons
 */

static char *
sizeNote(const qemuHvBalloonReason *reason)
{
    g_autofree char *max = format(reason->maxMemory);

    switch (reason->size) {
    case QEMU_HVBALLOON_SIZE_COSTLY:
        return g_strdup(", the backing takes host memory at once");
    case QEMU_HVBALLOON_SIZE_FEW_SLOTS:
        return g_strdup_printf(", memory slots are left for %" G_GUINT64_FORMAT " more on the way to %s", reason->freeSlots, max);
    case QEMU_HVBALLOON_SIZE_USUAL:
        break;
    }
    return g_strdup("");
}


static char *
plugText(const qemuHvBalloonReason *reason)
{
    g_autofree char *missing = format(reason->missing);
    g_autofree char *total = format(reason->total);
    g_autofree char *note = sizeNote(reason);

    return g_strdup_printf("%s are missing%s; boot memory and sticks are %s%s", missing,
                           reason->type == QEMU_HVBALLOON_REASON_ALIGNMENT ? ", in whole blocks that the guest can take" : " to reach the requested size",
                           total, note);
}


static char *
balloonText(const qemuHvBalloonStep *step)
{
    g_autofree char *requested = format(step->reason.requested);
    g_autofree char *total = format(step->reason.total);

    if (step->size < step->reason.requested)
        return g_strdup_printf("%s are requested, boot memory and sticks are no more than this", requested);
    return g_strdup_printf("requested; boot memory and sticks are %s", total);
}


static char *
unplugText(const qemuHvBalloonReason *reason)
{
    g_autofree char *requested = format(reason->requested);
    g_autofree char *total = format(reason->total);

    return g_strdup_printf("the guest uses none of it; %s remain, and %s are requested", total, requested);
}


char *
hvmemPlanLiveText(const qemuHvBalloonStep *step)
{
    switch (step->reason.type) {
    case QEMU_HVBALLOON_REASON_TARGET:
    case QEMU_HVBALLOON_REASON_ALIGNMENT:
    case QEMU_HVBALLOON_REASON_TOTAL:
        return plugText(&step->reason);
    case QEMU_HVBALLOON_REASON_REQUESTED:
    case QEMU_HVBALLOON_REASON_RESENT:
        return balloonText(step);
    case QEMU_HVBALLOON_REASON_UNUSED:
        break;
    }
    return unplugText(&step->reason);
}


static const char *
storedText(const qemuHvBalloonStep *step,
           guint64 before,
           guint64 after)
{
    switch (step->type) {
    case QEMU_HVBALLOON_STEP_PLUG:
        return before ? "the definition's stick grows: its boot memory stays what it is" :
            "the definition gets a stick: its boot memory stays what it is";
    case QEMU_HVBALLOON_STEP_UNPLUG:
        return after ? "less of the definition's stick is needed" : "the definition's stick is not needed";
    case QEMU_HVBALLOON_STEP_BALLOON:
    case QEMU_HVBALLOON_STEP_LAST:
        break;
    }
    return "what the guest gets when it is started";
}


char *
hvmemPlanStoredText(const qemuHvBalloonStep *step,
                    guint64 before,
                    guint64 after)
{
    return g_strdup(storedText(step, before, after));
}


/*
 * Refusals
 */

/* As 'set' says it, with the command that changes the limit. */
static char *
limitText(const hvmemDomain *dom,
          guint64 size)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *want = hvmemFormatSize(size);

    if (hvmemLimitsCheck(dom, size, &error))
        return g_strdup_printf("%s is beyond the limits of '%s', which have changed just now", want, dom->name);
    return g_strdup(error->message);
}


static char *
noRoomText(const hvmemDomain *dom,
           const qemuHvBalloonRefusal *refusal)
{
    g_autofree char *stick = format(refusal->stick);
    g_autofree char *max = format(refusal->limit);
    g_autofree char *left = format(refusal->left);
    g_autofree char *most = format(refusal->most);
    g_autofree char *enable = hvmemDomainEnable(dom, "--max", hvmemFromKiB(refusal->requested));

    return g_strdup_printf("it needs a stick of %s, <maxMemory> %s leaves only %s. Request %s at most, or raise <maxMemory>: '%s'",
                           stick, max, left, most, enable);
}


char *
hvmemPlanRefusalText(const hvmemDomain *dom,
                     guint64 size,
                     const qemuHvBalloonPlanInput *in,
                     const qemuHvBalloonRefusal *refusal)
{
    g_autofree char *limit = format(refusal->limit);
    g_autofree char *stick = format(refusal->stick);

    switch (refusal->type) {
    case QEMU_HVBALLOON_REFUSAL_TARGET_ZERO:
        return g_strdup_printf("a guest needs some memory. Request %s at least", limit);
    case QEMU_HVBALLOON_REFUSAL_TARGET_BELOW_MINIMUM:
    case QEMU_HVBALLOON_REFUSAL_TARGET_ABOVE_MAXMEMORY:
        return limitText(dom, size);
    case QEMU_HVBALLOON_REFUSAL_TARGET_NO_MAXMEMORY:
        return g_strdup_printf("it has %s and there is no <maxMemory> to grow to. Request no more than that, or add <maxMemory> to the definition, "
                               "which counts from the next start", limit);
    case QEMU_HVBALLOON_REFUSAL_NO_SLOT:
        return g_strdup_printf("no memory slot is free for one more stick beside the present %zu, KVM or a vhost device has no more. Start the domain "
                               "with more boot memory, or remove memory devices", in->nsticks);
    case QEMU_HVBALLOON_REFUSAL_NO_SPACE:
        return g_strdup_printf("the largest free range for memory devices is %s, a stick of %s is needed. Request less, or restart the guest, which "
                               "leaves no sticks with holes between them", limit, stick);
    case QEMU_HVBALLOON_REFUSAL_CONFIG_NO_ROOM:
        return noRoomText(dom, refusal);
    /* of totals, which are not planned here */
    case QEMU_HVBALLOON_REFUSAL_NONE:
    case QEMU_HVBALLOON_REFUSAL_TOTAL_BELOW_BOOT:
    case QEMU_HVBALLOON_REFUSAL_TOTAL_ABOVE_MAXMEMORY:
    case QEMU_HVBALLOON_REFUSAL_CONFIG_TOTAL_ZERO:
    case QEMU_HVBALLOON_REFUSAL_CONFIG_TOTAL_BELOW_MINIMUM:
    case QEMU_HVBALLOON_REFUSAL_CONFIG_TOTAL_ABOVE_MAXMEMORY:
    case QEMU_HVBALLOON_REFUSAL_CONFIG_TOTAL_NO_BOOT:
        break;
    }
    return g_strdup("no reason is known");
}
