/*
 * hvmem-move.h: domains that migrate, or could not
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <libvirt/libvirt.h>

#include "hvmem-domain.h"

/* Why a domain with the definition @root cannot be migrated while it runs: an array of hvmemObstacle, empty if nothing is known to be in the way. */
GPtrArray *
hvmemMoveObstacles(xmlNodePtr root);

/* Adds to @info whether @dom is being migrated, and how far. Waits for nobody who works on it. */
void
hvmemMoveInspect(hvmemDomain *info,
                 virDomainPtr dom);

/* The same from virDomainGetJobStats(). */
void
hvmemMoveAddJob(hvmemDomain *info,
                const virTypedParameter *params,
                int nparams);

/* The domain @name has gone, and its definition too: what to do to go on with @command. @known: it has been migrated; else it may have been shut off.
 * Always false. */
bool
hvmemMoveFail(const char *name,
              const char *command,
              bool known,
              GError **error);
