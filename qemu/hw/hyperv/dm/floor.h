/*
 * Why a Linux guest releases no more
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure C: no QEMU header. All numbers are 4 KiB pages.
 *
 * Linux's driver leaves a part of what is available alone, by a rule that
 * counts all memory. It takes memory that the kernel itself could use. Where
 * a part was onlined as movable, which the kernel cannot use, the rule is
 * satisfied by that part while the driver takes the last of the other.
 */

#ifndef DM_FLOOR_H
#define DM_FLOOR_H

#include <stdbool.h>
#include <stdint.h>

/* What the driver keeps available in a guest that has @pages. */
uint64_t dm_floor_linux(uint64_t pages);

/*
 * A guest that had @pages released less than it was asked for, and has
 * @available left: is that more than the driver's rule explains? Then its
 * kernel may have run out of memory that it can use.
 */
bool dm_floor_ran_dry(uint64_t pages, uint64_t available);

#endif
