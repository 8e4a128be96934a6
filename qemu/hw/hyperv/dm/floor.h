/*
 * Why a Linux guest releases no more
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure C: no QEMU header. All numbers are 4 KiB pages.
 *
 * Linux's driver keeps a part of the available memory, by a rule that depends
 * on the size of all memory, and it releases only memory that the kernel could
 * use itself. Where a part was onlined as movable, which the kernel cannot use,
 * that part alone satisfies the rule, and the driver releases all of the other.
 */

#ifndef DM_FLOOR_H
#define DM_FLOOR_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Does the driver's rule count released pages, too? It did before 5.11. Bits
 * 47:16 of hv_guest_os_id are the kernel's version.
 */
bool dm_floor_counts_released(uint64_t guest_os_id);

/* What the driver keeps available in a guest that counts @pages. */
uint64_t dm_floor_linux(uint64_t pages);

/*
 * A guest that counts @pages released less than was requested, and has
 * @available left. If that is more than the driver's rule explains, and as much
 * may be @movable, then its kernel may have run out of memory that it can use.
 */
bool dm_floor_ran_dry(uint64_t pages, uint64_t available, uint64_t movable);

#endif
