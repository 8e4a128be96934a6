/*
 * qemu_hvballoon_text.h: what the planner found, in words
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "qemu_hvballoon_plan.h"

void
qemuHvBalloonReportRefusal(const char *refusal);

void
qemuHvBalloonReportStep(const qemuHvBalloonStep *step);
