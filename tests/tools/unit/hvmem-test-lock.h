/*
 * hvmem-test-lock.h: the files of a balancer's lock, for unit tests
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-balance-lock.h"

#include <glib/gstdio.h>


static inline void
removeLock(const char *path)
{
    g_autofree char *key = g_strconcat(path, ".key", NULL);

    g_unlink(path);
    g_unlink(key);
}
