/*
 * Why a Linux guest releases no more
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "floor.h"

#include <glib.h>

#define MIB_PAGES(n) ((uint64_t)(n) << 8)

/* How much a report and what the driver saw may differ. */
#define SLACK MIB_PAGES(64)

/* As LINUX_VERSION_CODE. */
#define LINUX_5_11 0x050b00

/* The driver's rule: below so many pages, a constant and a share of them. */
static const struct {
    uint64_t below;
    uint64_t keep;
    unsigned shift;
} rule[] = {
    { MIB_PAGES(128), MIB_PAGES(8), 1 },
    { MIB_PAGES(512), MIB_PAGES(40), 2 },
    { MIB_PAGES(2048), MIB_PAGES(104), 3 },
    { MIB_PAGES(8192), MIB_PAGES(232), 4 },
    { UINT64_MAX, MIB_PAGES(488), 5 },
};

uint64_t dm_floor_linux(uint64_t pages)
{
    size_t i = 0;

    while (pages >= rule[i].below && rule[i].below != UINT64_MAX) {
        i++;
    }
    return rule[i].keep + (pages >> rule[i].shift);
}

bool dm_floor_counts_released(uint64_t guest_os_id)
{
    return (guest_os_id >> 16 & UINT32_MAX) < LINUX_5_11;
}

bool dm_floor_ran_dry(uint64_t pages, uint64_t available, uint64_t movable)
{
    return MIN(available, movable) > dm_floor_linux(pages) + SLACK;
}
