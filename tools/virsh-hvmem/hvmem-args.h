/*
 * hvmem-args.h: negative numbers among the arguments, which GOption takes for options
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>
#include <stdbool.h>

/* Hides from GOption what begins with - and a digit in @argv, and is no value of one of @options, arrays that end with NULL. */
void
hvmemArgsHide(char **argv,
              const GOptionEntry *const *options);

/* Undoes that, in what GOption has left. */
void
hvmemArgsShow(char **argv);
