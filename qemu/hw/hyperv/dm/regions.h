/*
 * Who has which page: boot memory, sticks, ghosts
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure C + GLib. The accounting of the engine, without any protocol: which
 * pages the machine has, which of them the guest was given and which it has
 * released. All numbers are pages. The rules are at the top of regions.c.
 */

#ifndef DM_REGIONS_H
#define DM_REGIONS_H

#include "facts.h"
#include "qemu/pageset.h"
#include "wire.h"

static inline uint64_t range_end(DmRange range)
{
    return range.first + range.count;
}

static inline uint64_t round_down(uint64_t value, uint64_t align)
{
    return value / align * align;
}

static inline uint64_t round_up(uint64_t value, uint64_t align)
{
    return round_down(value + align - 1, align);
}

typedef struct DmStick {
    unsigned id;
    DmRange range;
    bool on_demand;
    bool used;                  /* the guest has had a page of it */
    DmStickState state;         /* as last reported to the owner */
} DmStick;

typedef struct DmHotAdd {
    DmRange range;
    DmRange region;             /* count 0: continues one the guest knows */
    uint64_t end;               /* of the region, or of the chunk continued */
} DmHotAdd;

/* How many refused hot-adds are remembered, to be tried again. */
#define DM_MAX_POSTPONED 4

typedef struct DmRegions {
    GArray *boot;               /* DmRange, ascending */
    GArray *sticks;             /* DmStick, ascending by address */
    uint64_t boot_pages;
    uint64_t stick_pages;
    PageSet *added;             /* of plugged sticks */
    PageSet *released;          /* of boot memory and of added */
    PageSet *in_doubt;          /* of boot memory and of added */
    PageSet *offline;           /* of added */
    PageSet *ghosts;            /* released, and their stick was removed */
    PageSet *unusable;          /* not to be added before a reset */
    bool new_kernel;            /* added pages are in doubt unless released,
                                   whatever in_doubt holds */
    DmHotAdd postponed[DM_MAX_POSTPONED];   /* the first is the next to try */
    unsigned n_postponed;
} DmRegions;

/* The pages of a range that the guest says it released. */
typedef struct DmReleased {
    uint64_t fresh;             /* it had them, and they are released now */
    uint64_t duplicate;         /* they were released, or in doubt, before */
    uint64_t dropped;           /* the guest was never given them */
} DmReleased;

/* @boot_pages: with holes, so at least what the ranges @boot hold. */
void dm_regions_init(DmRegions *regions, const DmRange *boot, unsigned n,
                     uint64_t boot_pages);
void dm_regions_clear(DmRegions *regions);

/* boot + added - released - in doubt - offline. */
uint64_t dm_regions_actual(const DmRegions *regions);
uint64_t dm_regions_capacity(const DmRegions *regions);
uint64_t dm_regions_in_doubt(const DmRegions *regions);
/* Plugged, and never given to this guest. */
uint64_t dm_regions_ungranted(const DmRegions *regions);

/* Is every page of @range memory that the guest does not have? */
bool dm_regions_is_released(const DmRegions *regions, DmRange range);
/* Ditto of every page of @set, once dm_regions_fault() has found no fault. */
bool dm_regions_all_released(const DmRegions *regions, const PageSet *set);

/* Which rule of regions.c the accounting breaks; NULL: none. */
const char *dm_regions_fault(const DmRegions *regions);
/* Are these pages all of sticks, and not added? */
bool dm_regions_never_given(const DmRegions *regions, DmRange range);
/* The first run of such pages, of one stick, from page @from on. */
bool dm_regions_next_never_given(const DmRegions *regions, uint64_t from,
                                 DmRange *run);

/* Bytes that the accounting takes; and those of all but the released pages. */
size_t dm_regions_bytes(const DmRegions *regions);
size_t dm_regions_other_bytes(const DmRegions *regions);

DmStick *dm_regions_stick(const DmRegions *regions, unsigned id);
bool dm_regions_plug(DmRegions *regions, unsigned id, DmRange range,
                     bool on_demand, GError **error);
/* The stick's released pages become ghosts. */
void dm_regions_unplug(DmRegions *regions, unsigned id);
DmStickState dm_regions_stick_state(const DmRegions *regions,
                                    const DmStick *stick);

/*
 * The guest says that it released @range. The pages that it had are added to
 * released and, if it is given, to @discard.
 */
DmReleased dm_regions_release(DmRegions *regions, DmRange range,
                              PageSet *discard);

/*
 * Chooses up to @want released pages to return, in up to @max ranges: boot
 * memory first, then sticks in use, then the others, so that they stay
 * removable. Returns the number of ranges.
 */
unsigned dm_regions_pick_return(const DmRegions *regions, uint64_t want,
                                DmRange *ranges, unsigned max);
void dm_regions_returned(DmRegions *regions, DmRange range);

/*
 * Chooses the next range to add: about @want pages, rounded up to @align, at
 * most @limit but at least @align. A postponed hot-add comes first, unchanged;
 * with @elsewhere it comes last. False if there is nothing left that a guest
 * with this alignment can be given.
 */
bool dm_regions_pick_hot_add(const DmRegions *regions, uint64_t want,
                             uint64_t align, uint64_t limit, bool elsewhere,
                             DmHotAdd *add);
void dm_regions_added(DmRegions *regions, DmRange range);

/* The guest was given @range and does not use it; or now it uses everything. */
void dm_regions_not_onlined(DmRegions *regions, DmRange range);
void dm_regions_all_onlined(DmRegions *regions);

/* Nobody can tell whether it was added or returned: not offered again. */
void dm_regions_add_doubt(DmRegions *regions, const DmHotAdd *add);
void dm_regions_return_doubt(DmRegions *regions, DmRange range);

/*
 * A guest that did not take all of @add remembers its region, and continues it
 * where it stopped, whatever a later request there asks for. So either the same
 * request is made again (postponed), or all of the region after the @taken
 * pages is unusable until a reset. dm_regions_postpone() puts @add last; true
 * if it had been postponed before.
 */
bool dm_regions_postpone(DmRegions *regions, const DmHotAdd *add);
void dm_regions_refused(DmRegions *regions, const DmHotAdd *add,
                        uint64_t taken);

/*
 * The same kernel, but perhaps another driver, which does not know the regions
 * of the last one: those that the guest has a part of are not continued.
 */
void dm_regions_new_driver(DmRegions *regions, uint64_t align);
/*
 * A new kernel has all boot memory, whatever the old one released. It may have
 * found any page of a stick that the old one had: they are in doubt until a
 * reset. This takes neither time nor memory, however scattered pages are.
 */
void dm_regions_new_kernel(DmRegions *regions);
/* Adds the pages of @from that are in sticks to @to. */
void dm_regions_stick_pages(const DmRegions *regions, const PageSet *from,
                            PageSet *to);
/* The guest has all boot memory and nothing else. No page of boot memory is in
 * @discard afterwards, and all pages of sticks that it had. */
void dm_regions_reset(DmRegions *regions, PageSet *discard);

#endif
