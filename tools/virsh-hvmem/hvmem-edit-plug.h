/*
 * hvmem-edit-plug.h: what is plugged when a guest starts, and not given to it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-domain.h"
#include "hvmem-edit.h"
#include "hvmem-xml.h"

/* Can @sizes->plugged be boot memory and sticks of @dom, the inactive definition? */
bool
hvmemEditCheckPlugged(const hvmemDomain *dom,
                      const hvmemEditSizes *sizes,
                      GError **error);

/* Gives @root, the XML of @dom, an on-demand stick up to @plugged, checked before. Boot memory and what the guest starts with do not change. Adds to the
 * words of @edit. */
void
hvmemEditPlug(hvmemEdit *edit,
              xmlNodePtr root,
              const hvmemDomain *dom,
              guint64 plugged);

/* Has @root such a stick? */
bool
hvmemEditIsPlugged(xmlNodePtr root);
