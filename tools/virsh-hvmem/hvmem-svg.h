/*
 * hvmem-svg.h: draws records as an SVG chart
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-record.h"

/* One below the other, on a common time scale. */
bool
hvmemSVGWrite(const GPtrArray *records,
              const char *path,
              const char *title,
              GError **error);
