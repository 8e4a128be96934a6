/*
 * Dynamic Memory engine: its state as plain data
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure C + GLib. All that the engine knows of its guest, the outstanding
 * request included, as a versioned buffer; and back, into an engine over the
 * same boot memory and sticks. Numbers are 64 bits, little endian. A time is
 * saved as what is left of it, so the clocks of two machines may differ. A set
 * of pages takes about a bit a page at most.
 *
 * A newer version reads what an older one wrote; an older one refuses what a
 * newer one wrote, as a whole and before anything is changed.
 */

#ifndef DM_STATE_H
#define DM_STATE_H

#include "engine.h"

/* Free with g_byte_array_unref(). Does not change the engine. NULL: it would be
 * larger than dm_state_max(). */
GByteArray *dm_state_export(const DmEngine *engine, uint64_t now);

/*
 * Nothing in the buffer is trusted. On an error, which says what is wrong, the
 * engine is as it was. No guest may have connected to it since it was made or
 * reset, and it must have the boot memory, the profile and the sticks (by
 * address; their numbers may differ) of the engine that was saved. No callback
 * is called.
 */
bool dm_state_import(DmEngine *engine, const void *data, size_t len,
                     uint64_t now, GError **error);

/* The most bytes that are written or read; a sane guest does not need them. */
size_t dm_state_max(const DmEngine *engine);

/*
 * As if the engine had just been made, with its sticks plugged: before a
 * snapshot is imported. No callback is called.
 */
void dm_state_forget(DmEngine *engine);

#endif
