/*
 * hvmem-edit-words.h: what 'enable' does, in plain words
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-edit.h"
#include "hvmem-xml.h"

/* Adds to @edit what the new balloon of @root means, before the XML tells the rest. @model: of the old one, or NULL. @had: it had a ceiling already. */
void
hvmemEditSay(hvmemEdit *edit,
             xmlNodePtr root,
             const hvmemEditSizes *sizes,
             const char *model,
             bool had);
