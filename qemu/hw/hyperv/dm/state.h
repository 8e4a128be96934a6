/*
 * Engine state as bytes: written out, validated, read back
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure C + GLib. What would have to travel in a migration: everything that
 * the engine knows and cannot learn again. The form is versioned, little
 * endian, and the same on every host; times are relative, so the clocks of
 * two hosts need not agree. Lengths in bytes, all else as in engine.h.
 */

#ifndef DM_STATE_H
#define DM_STATE_H

#include "engine.h"

#define DM_STATE_VERSION 1

/* To be freed by the caller. Between two entry points of the engine only. */
GByteArray *dm_state_save(const DmEngine *engine, uint64_t now);

/*
 * Replaces the state of @engine, which has the same boot memory and the same
 * sticks plugged (their numbers may differ). The bytes are not trusted: what
 * is cut short, contradicts itself or fits another machine is refused with
 * an error, and @engine is then as it was. No callback is made.
 */
bool dm_state_load(DmEngine *engine, const void *data, size_t len,
                   uint64_t now, GError **error);

#endif
