/*
 * hvmem-events.h: libvirt's event loop, which notices a connection that does not answer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <libvirt/libvirt.h>

#include "hvmem-error.h"

/* A connection whose other end has been silent for so many seconds is closed, and what waits for it fails. */
#define HVMEM_SILENCE 20
#define HVMEM_SILENT "libvirt's daemon has not answered for " G_STRINGIFY(HVMEM_SILENCE) " seconds"

/* To be called before the first connection is made, by a command that runs the event loop itself. */
bool
hvmemEventsOwnLoop(GError **error);

/* To be called before each connection: libvirt asks the other end whether it is there only if there is an event loop. One runs in a thread, unless
 * the command has its own. */
bool
hvmemEventsBegin(GError **error);

/* Has @conn asked whether its other end is there, and notes when libvirt ends it. */
void
hvmemEventsAttend(virConnectPtr conn);

/* To be called before @conn is closed. */
void
hvmemEventsForget(virConnectPtr conn);

/* Has a connection ended since its other end was silent? */
bool
hvmemEventsIsSilent(void);

/* Who hears that libvirt has ended a connection, in any thread; NULL: nobody. */
typedef void (*hvmemEventsClosed)(virConnectPtr conn,
                                  void *opaque);

void
hvmemEventsOnClose(hvmemEventsClosed closed,
                   void *opaque);

/* Does what is due, without waiting for anything: for a command with an own loop, while it cannot run it. */
void
hvmemEventsTurn(void);

/* Ends that thread. */
void
hvmemEventsEnd(void);
