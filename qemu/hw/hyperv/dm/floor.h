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

/*
 * Does the driver's rule count what it has released as well? Before 5.11 it
 * did. By hv_guest_os_id, whose bits 47:16 are the kernel's version.
 */
bool dm_floor_counts_released(uint64_t guest_os_id);

/* What the driver keeps available in a guest that counts @pages. */
uint64_t dm_floor_linux(uint64_t pages);

/*
 * A guest that counted @pages released less than it was asked for, and has
 * @available left: is that more than the driver's rule explains? Then its
 * kernel may have run out of memory that it can use, if there are as many
 * pages that it may not be able to use: @movable.
 */
bool dm_floor_ran_dry(uint64_t pages, uint64_t available, uint64_t movable);

#endif
