/*
 * Released memory on its way back to the host
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure C + GLib: no QEMU header. A guest releases memory in many small
 * pieces, in any order; the host wants few large ones, and of huge pages
 * only whole ones. Sizes and addresses are in 4 KiB pages.
 */

#ifndef DM_DISCARD_H
#define DM_DISCARD_H

#include <stdbool.h>
#include <stdint.h>

#include "wire.h"

typedef struct DmDiscards DmDiscards;

DmDiscards *dm_discards_new(void);
void dm_discards_free(DmDiscards *discards);

/* Pages to give back; count is not 0. */
void dm_discards_add(DmDiscards *discards, DmRange range);

/* Forget what was added. */
void dm_discards_clear(DmDiscards *discards);

/* How many runs wait; adding next to the last one makes no new one. */
unsigned dm_discards_pending(const DmDiscards *discards);

typedef void DmDiscardFunc(DmRange range, void *opaque);

/* Hand out everything, lowest address first, in runs as long as possible. */
void dm_discards_flush(DmDiscards *discards, DmDiscardFunc *func,
                       void *opaque);

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
