/*
 * hvmem-events.h: libvirt's event loop, which notices a connection that does not answer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <libvirt/libvirt.h>

#include "hvmem-error.h"

/* To be called before the first connection is made. */
bool
hvmemEventsRegister(GError **error);

/* A connection whose other end has not answered for 20 seconds is closed, and what waits for it fails. */
void
hvmemEventsKeepAlive(virConnectPtr conn);

/* An event loop in a thread, for a command that has none of its own. */
typedef struct _hvmemEvents hvmemEvents;

hvmemEvents *
hvmemEventsStart(void);

void
hvmemEventsStop(hvmemEvents *events);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(hvmemEvents, hvmemEventsStop);
