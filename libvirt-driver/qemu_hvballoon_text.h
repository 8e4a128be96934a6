/*
 * qemu_hvballoon_text.h: what the planner found, in words
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "qemu_hvballoon_plan.h"

char *
qemuHvBalloonRefusalText(const qemuHvBalloonRefusal *refusal,
                         const qemuHvBalloonPlanInput *in);

void
qemuHvBalloonReportRefusal(const qemuHvBalloonRefusal *refusal,
                           const qemuHvBalloonPlanInput *in);

char *
qemuHvBalloonReasonText(const qemuHvBalloonStep *step);

void
qemuHvBalloonReportStep(const qemuHvBalloonStep *step);
