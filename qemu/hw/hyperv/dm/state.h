/*
 * Dynamic Memory engine: its state as plain data
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure C + GLib. What the engine knows of its guest, a request that is on its
 * way included, as a flat and versioned buffer; and back again, for an engine
 * over the same boot memory and the same sticks. Numbers are 64 bits, little
 * endian; times travel as what is left of them, so that two machines need
 * not agree on a clock. Sets of pages take at most about a bit a page.
 */

#ifndef DM_STATE_H
#define DM_STATE_H

#include "engine.h"

/* Free with g_byte_array_unref(). Does not change the engine. */
GByteArray *dm_state_export(const DmEngine *engine, uint64_t now);

/*
 * Nothing in the buffer is trusted. On an error, which names what is wrong,
 * the engine is as it was. It must be fresh: no guest has connected since it
 * was made or reset, and its boot memory, its profile and its sticks (by
 * address; their numbers may differ) are those of the engine that was
 * written out. No callback is called.
 */
bool dm_state_import(DmEngine *engine, const void *data, size_t len,
                     uint64_t now, GError **error);

#endif
