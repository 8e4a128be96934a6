/*
 * hvmem-metrics.h: figures for Prometheus
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-domain.h"

/* The @domains, an array of hvmemDomain, on a host with @memory bytes (HVMEM_UNKNOWN: not known), as OpenMetrics text that the older format's parsers
 * read, too: gauges only. What is not known is left out. */
char *
hvmemMetricsFormat(const GPtrArray *domains,
                   guint64 memory);
