/*
 * hvmem-diff.h: the difference of two texts
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

/* In unified form with three lines around each change, without file names;
 * "" if they are equal. For texts of some thousand lines. */
char *
hvmemDiff(const char *before,
          const char *after);
