/*
 * hvmem-svg.h: records as a chart to print or to show on a page
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
