/*
 * hvmem-limits.h: is a size within the limits of a domain?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-domain.h"

/* Is @size within the limits of @dom? What libvirt would refuse for that is said in plainer words, with the command that changes the limit. */
bool
hvmemLimitsCheck(const hvmemDomain *dom,
                 guint64 size,
                 GError **error);
