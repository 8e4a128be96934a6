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

/* The same of a stick of @size, up to @plugged, that the guest has nothing of. @size 0: there is none, @had: any more. */
void
hvmemEditSayPlugged(hvmemEdit *edit,
                    guint64 plugged,
                    guint64 size,
                    bool had,
                    bool costly);
