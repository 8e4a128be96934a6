/*
 * hvmem-balance-uri.h: which daemon does the URI of a connection lead to?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>
#include <stdbool.h>

/* The one spelling of @uri, as libvirt has it of a connection, for its daemon: another way to it, a slash at the end, and parameters that do not say
 * which daemon it is make no difference. It is its own spelling. */
char *
hvmemBalanceURI(const char *uri);

/* Is that a user's own? */
bool
hvmemBalanceURIIsSession(const char *uri);
