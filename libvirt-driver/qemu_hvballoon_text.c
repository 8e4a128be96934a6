/*
 * qemu_hvballoon_text.c: what the planner found, in words
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <config.h>

#include "qemu_hvballoon_text.h"

#include "virerror.h"

#define VIR_FROM_THIS VIR_FROM_QEMU


/**
 * qemuHvBalloonReportRefusal:
 *
 * Reports why the planner has no plan.
 */
void
qemuHvBalloonReportRefusal(const char *refusal)
{
    virReportError(VIR_ERR_INVALID_ARG, "%s", refusal);
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
    }
}
