/*
 * Dynamic Memory engine: what the files of its saved state share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef DM_STATE_INT_H
#define DM_STATE_INT_H

#include "engine.h"

/*
 * What an engine that was read, but for its message that waits, must not be:
 * NULL if all of it fits together.
 */
const char *dm_state_fault(const DmEngine *engine);

#endif
