/*
 * hvmem-help.h: what --help prints
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-cmd.h"

/* An overview: the commands, then the options that all of them have. */
void
hvmemHelpPrint(const hvmemCommand *const *commands,
               size_t n,
               const GOptionEntry *global);

/* One command. */
void
hvmemHelpPrintCommand(const hvmemCommand *command,
                      const GOptionEntry *global);

/* The command that somebody may have meant who typed @word; NULL: none is near. */
const char *
hvmemHelpNearest(const hvmemCommand *const *commands,
                 size_t n,
                 const char *word);
