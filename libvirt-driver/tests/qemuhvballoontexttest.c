/*
 * qemuhvballoontexttest.c: what the planner of the hyperv balloon found, in words
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <config.h>

#include "qemu/qemu_hvballoon_text.h"
#include "testutils.h"

#define VIR_FROM_THIS VIR_FROM_NONE

#define GIB (1024ULL * 1024)        /* in KiB */

typedef struct {
    const char *name;
    qemuHvBalloonRefusal refusal;
    size_t nsticks;
    const char *text;
} testRefusalCase;

/* Each names the value, the limit and what to do. */
static const testRefusalCase refusalCases[] = {
    {
        .name = "nothing",
        .refusal = { .type = QEMU_HVBALLOON_REFUSAL_TARGET_ZERO, .limit = 524288 },
        .text = "memory cannot be 0: request what the guest needs, at least 524288 KiB",
    },
    {
        .name = "less than the minimum",
        .refusal = { .type = QEMU_HVBALLOON_REFUSAL_TARGET_BELOW_MINIMUM, .requested = 524287, .limit = 524288 },
        .text = "memory 524287 KiB is below the <minimum> of the balloon, 524288 KiB: request at least that, or lower <minimum> in the stored definition, which counts from the next start",
    },
    {
        .name = "more, without a ceiling",
        .refusal = { .type = QEMU_HVBALLOON_REFUSAL_TARGET_NO_MAXMEMORY, .requested = 2 * GIB, .limit = 1 * GIB },
        .text = "memory 2097152 KiB is above the present 1048576 KiB and there is no <maxMemory> to grow to: request no more than that, or add <maxMemory> to the stored definition, which counts from the next start",
    },
    {
        .name = "more than the ceiling",
        .refusal = { .type = QEMU_HVBALLOON_REFUSAL_TARGET_ABOVE_MAXMEMORY, .requested = 2 * GIB + 1, .limit = 2 * GIB },
        .text = "memory 2097153 KiB is above <maxMemory> 2097152 KiB: request no more than that, or raise <maxMemory> in the stored definition, which counts from the next start",
    },
    {
        .name = "a total below boot memory",
        .refusal = { .type = QEMU_HVBALLOON_REFUSAL_TOTAL_BELOW_BOOT, .requested = 1 * GIB, .limit = 2 * GIB },
        .text = "maximum memory 1048576 KiB is below the memory the guest booted with, 2097152 KiB: request at least that, or change the stored definition (--config) and shut the guest down and start it",
    },
    {
        .name = "a total above the ceiling",
        .refusal = { .type = QEMU_HVBALLOON_REFUSAL_TOTAL_ABOVE_MAXMEMORY, .requested = 2 * GIB + 1, .limit = 2 * GIB },
        .text = "maximum memory 2097153 KiB is above <maxMemory> 2097152 KiB: request no more than that, or raise <maxMemory> in the stored definition, which counts from the next start",
    },
    {
        .name = "no slot",
        .refusal = { .type = QEMU_HVBALLOON_REFUSAL_NO_SLOT, .requested = 2 * GIB, .stick = 1 * GIB },
        .nsticks = 2,
        .text = "no memory slot is free for one more stick beside the present 2, KVM or a vhost device has no more: start the domain with more boot memory, or remove memory devices",
    },
    {
        .name = "no free range",
        .refusal = { .type = QEMU_HVBALLOON_REFUSAL_NO_SPACE, .requested = 2 * GIB, .limit = 262144, .stick = 1 * GIB },
        .text = "the largest free range for memory devices is 262144 KiB, a stick of 1048576 KiB is needed: request less, or restart the guest, which leaves no sticks with holes between them",
    },
    {
        .name = "config: the last part of the ceiling is no stick",
        .refusal = { .type = QEMU_HVBALLOON_REFUSAL_CONFIG_NO_ROOM, .requested = 2097153,
                     .stick = 1050624, .limit = 2098176, .left = 1048576, .most = 2097152 },
        .text = "memory 2097153 KiB needs a stick of 1050624 KiB, <maxMemory> 2098176 KiB leaves only 1048576 KiB: request 2097152 KiB at most, or raise <maxMemory>",
    },
    {
        .name = "config: a total of nothing",
        .refusal = { .type = QEMU_HVBALLOON_REFUSAL_CONFIG_TOTAL_ZERO },
        .text = "maximum memory cannot be 0: request what the guest needs to boot",
    },
    {
        .name = "config: a total below the minimum",
        .refusal = { .type = QEMU_HVBALLOON_REFUSAL_CONFIG_TOTAL_BELOW_MINIMUM, .requested = 524287, .limit = 524288 },
        .text = "maximum memory 524287 KiB is below the <minimum> of the balloon, 524288 KiB: request at least that, or lower <minimum> first",
    },
    {
        .name = "config: a total above the ceiling",
        .refusal = { .type = QEMU_HVBALLOON_REFUSAL_CONFIG_TOTAL_ABOVE_MAXMEMORY, .requested = 8 * GIB + 1, .limit = 8 * GIB },
        .text = "maximum memory 8388609 KiB is above <maxMemory> 8388608 KiB: request no more than that, or raise <maxMemory> first",
    },
    {
        .name = "config: nothing to boot with beside a stick",
        .refusal = { .type = QEMU_HVBALLOON_REFUSAL_CONFIG_TOTAL_NO_BOOT, .requested = 1 * GIB },
        .nsticks = 1,
        .text = "maximum memory 1048576 KiB leaves nothing to boot with beside the stick 'ua-mine' of 1048576 KiB: request more, or detach what is too much from the stored definition (--config) first",
    },
    {
        .name = "config: nothing to boot with beside sticks",
        .refusal = { .type = QEMU_HVBALLOON_REFUSAL_CONFIG_TOTAL_NO_BOOT, .requested = 2 * GIB },
        .nsticks = 2,
        .text = "maximum memory 2097152 KiB leaves nothing to boot with beside the sticks 'ua-mine' of 1048576 KiB, '?' of 2097152 KiB: request more, or detach what is too much from the stored definition (--config) first",
    },
};


static int
testRefusal(const void *opaque)
{
    const testRefusalCase *test = opaque;
    const qemuHvBalloonPlanStick sticks[] = { { .alias = "ua-mine", .size = 1 * GIB }, { .size = 2 * GIB } };
    const qemuHvBalloonPlanInput in = { .sticks = sticks, .nsticks = test->nsticks };
    g_autofree char *reported = g_strdup_printf("invalid argument: %s", test->text);
    int rc;

    qemuHvBalloonReportRefusal(&test->refusal, &in);
    rc = virTestCompareToString(reported, virGetLastErrorMessage());
    virResetLastError();
    return rc;
}


typedef struct {
    const char *name;
    qemuHvBalloonStep step;
    const char *text;
} testReasonCase;

static const testReasonCase reasonCases[] = {
    {
        .name = "a stick for the target",
        .step = { .type = QEMU_HVBALLOON_STEP_PLUG,
                  .reason = { .type = QEMU_HVBALLOON_REASON_TARGET, .requested = 3 * GIB, .missing = 2 * GIB, .total = 1 * GIB } },
        .text = "2097152 KiB are missing to the target of 3145728 KiB; boot memory and sticks: 1048576 KiB",
    },
    {
        .name = "a costly one",
        .step = { .type = QEMU_HVBALLOON_STEP_PLUG,
                  .reason = { .type = QEMU_HVBALLOON_REASON_TARGET, .requested = 3 * GIB, .missing = 2 * GIB, .total = 1 * GIB,
                              .size = QEMU_HVBALLOON_SIZE_COSTLY } },
        .text = "2097152 KiB are missing to the target of 3145728 KiB, the backing takes host memory at once; boot memory and sticks: 1048576 KiB",
    },
    {
        .name = "a large one for the guest's units",
        .step = { .type = QEMU_HVBALLOON_STEP_PLUG,
                  .reason = { .type = QEMU_HVBALLOON_REASON_ALIGNMENT, .requested = 2 * GIB, .missing = 1024, .total = 2 * GIB,
                              .size = QEMU_HVBALLOON_SIZE_FEW_SLOTS, .freeSlots = 3, .maxMemory = 8 * GIB } },
        .text = "1024 KiB are missing to the target of 2097152 KiB, in units of the guest's alignment, 3 memory slots are left to reach 8388608 KiB; boot memory and sticks: 2097152 KiB",
    },
    {
        .name = "a stick for the total",
        .step = { .type = QEMU_HVBALLOON_STEP_PLUG,
                  .reason = { .type = QEMU_HVBALLOON_REASON_TOTAL, .requested = 3 * GIB, .missing = 2 * GIB, .total = 1 * GIB } },
        .text = "2097152 KiB are missing to a total of 3145728 KiB; boot memory and sticks: 1048576 KiB",
    },
    {
        .name = "a target that is requested",
        .step = { .type = QEMU_HVBALLOON_STEP_BALLOON,
                  .reason = { .type = QEMU_HVBALLOON_REASON_REQUESTED, .requested = 3 * GIB, .total = 2 * GIB } },
        .text = "3145728 KiB are requested; boot memory and sticks: 2097152 KiB",
    },
    {
        .name = "a target that is resent",
        .step = { .type = QEMU_HVBALLOON_STEP_BALLOON,
                  .reason = { .type = QEMU_HVBALLOON_REASON_RESENT, .requested = 1 * GIB, .total = 2 * GIB } },
        .text = "1048576 KiB are still requested; boot memory and sticks: 2097152 KiB",
    },
    {
        .name = "a stick that nobody needs",
        .step = { .type = QEMU_HVBALLOON_STEP_UNPLUG,
                  .reason = { .type = QEMU_HVBALLOON_REASON_UNUSED, .requested = 1 * GIB, .total = 2 * GIB } },
        .text = "the guest uses none of it, nor is it needed for 1048576 KiB; boot memory and sticks then: 2097152 KiB",
    },
};


static int
testReason(const void *opaque)
{
    const testReasonCase *test = opaque;
    g_autofree char *text = qemuHvBalloonReasonText(&test->step);

    return virTestCompareToString(test->text, text);
}


static int
mymain(void)
{
    int ret = 0;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(refusalCases); i++) {
        if (virTestRun(refusalCases[i].name, testRefusal, &refusalCases[i]) < 0)
            ret = -1;
    }

    for (i = 0; i < G_N_ELEMENTS(reasonCases); i++) {
        if (virTestRun(reasonCases[i].name, testReason, &reasonCases[i]) < 0)
            ret = -1;
    }

    return ret == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

VIR_TEST_MAIN(mymain)
