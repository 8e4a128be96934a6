/*
 * Released memory on its way back to the host
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure C: no QEMU header. A guest releases 4 KiB pages; the host takes back
 * whole pages of its own, which may be huge. All numbers are 4 KiB pages.
 */

#ifndef DM_DISCARD_H
#define DM_DISCARD_H

#include <stdbool.h>
#include <stdint.h>

#include "wire.h"

/* Does the guest have none of these pages? */
typedef bool DmReleasedFunc(DmRange range, void *opaque);

/*
 * Which whole units (@unit pages, a power of two) can be given back now that
 * @range was released: those inside it, and those at its ends whose other
 * pages are released too. False if there is none.
 */
bool dm_discard_units(DmRange range, uint64_t unit, DmReleasedFunc *released,
                      void *opaque, DmRange *units);

#endif
