/*
 * Who has which page: boot memory, sticks, ghosts
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure C + GLib. The books of the engine, without any protocol: which pages
 * the machine has, which of them the guest was given, which it released.
 * All numbers are pages.
 *
 * A page of boot memory is the guest's from the start. A page of a stick is
 * its own once added. Either may be released (the guest does not have it and
 * knows so) or in doubt (nobody can tell); a page of a stick may also be
 * offline (the guest took it and does not use it). Never two of these.
 */

#ifndef DM_REGIONS_H
#define DM_REGIONS_H

#include "facts.h"
#include "qemu/pageset.h"
#include "wire.h"

typedef struct DmStick {
    unsigned id;
    DmRange range;
    bool on_demand;
    bool used;                  /* the guest had a page of it at some time */
    DmStickState state;         /* as last told to the owner */
} DmStick;

typedef struct DmHotAdd {
    DmRange range;
    DmRange region;             /* count 0: continues one the guest knows */
    uint64_t end;               /* of the region, or of the chunk continued */
} DmHotAdd;

/* So many hot-adds may wait for another try. */
#define DM_MAX_POSTPONED 4

typedef struct DmRegions {
    GArray *boot;               /* DmRange, ascending */
    GArray *sticks;             /* DmStick, ascending by address */
    uint64_t boot_pages;
    uint64_t stick_pages;
    DmPageSet *added;           /* of plugged sticks */
    DmPageSet *released;        /* of boot memory and of added */
    DmPageSet *in_doubt;        /* of boot memory and of added */
    DmPageSet *offline;         /* of added */
    DmPageSet *ghosts;          /* released, and their stick is gone */
    DmPageSet *unusable;        /* refused, plugged or not: until a reset */
    bool new_kernel;            /* all of added and not released is in doubt,
                                   whatever in_doubt holds */
    DmHotAdd postponed[DM_MAX_POSTPONED];   /* the next to try first */
    unsigned n_postponed;
} DmRegions;

/* What became of a range that a guest says it released. */
typedef struct DmReleased {
    uint64_t fresh;
    uint64_t duplicate;         /* it was released, or in doubt, before */
    uint64_t dropped;           /* not a page that the guest has */
} DmReleased;

/* @boot_pages: at least what the windows @boot hold. */
void dm_regions_init(DmRegions *regions, const DmRange *boot, unsigned n,
                     uint64_t boot_pages);
void dm_regions_clear(DmRegions *regions);

/* boot + added - released - in doubt - offline. */
uint64_t dm_regions_actual(const DmRegions *regions);
uint64_t dm_regions_capacity(const DmRegions *regions);
uint64_t dm_regions_in_doubt(const DmRegions *regions);
/* Plugged, but never given to this guest. */
uint64_t dm_regions_ungranted(const DmRegions *regions);

/* Is every page of @range memory that the guest does not have? */
bool dm_regions_is_released(const DmRegions *regions, DmRange range);

/* Do the books hold together? NULL: yes; else what is wrong. */
const char *dm_regions_fault(const DmRegions *regions);
/* Are these pages all of sticks, and not added? */
bool dm_regions_never_given(const DmRegions *regions, DmRange range);

/* Bytes that the books hold; and of those, all but what is released. */
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
 * The guest says it released @range. Pages that it had go into released and,
 * if @discard is given, into that set too.
 */
DmReleased dm_regions_release(DmRegions *regions, DmRange range,
                              DmPageSet *discard);

/*
 * Chooses up to @want released pages to give back, as up to @max ranges:
 * boot memory first, then sticks in part released, then whole ones, so that
 * sticks stay removable. Returns how many ranges.
 */
unsigned dm_regions_pick_return(const DmRegions *regions, uint64_t want,
                                DmRange *ranges, unsigned max);
void dm_regions_returned(DmRegions *regions, DmRange range);

/*
 * Chooses the next range to add: about @want pages, rounded up to @align, at
 * most @limit (but at least @align). What was postponed comes first, as it
 * was; with @elsewhere, last. False if nothing is left that a guest with this
 * alignment can be given.
 */
bool dm_regions_pick_hot_add(const DmRegions *regions, uint64_t want,
                             uint64_t align, uint64_t limit, bool elsewhere,
                             DmHotAdd *add);
void dm_regions_added(DmRegions *regions, DmRange range);

/* The guest does not use @range, which it was given; or now does, all. */
void dm_regions_not_onlined(DmRegions *regions, DmRange range);
void dm_regions_all_onlined(DmRegions *regions);

/* Added or returned, perhaps: nobody can tell. Not offered again. */
void dm_regions_add_doubt(DmRegions *regions, const DmHotAdd *add);
void dm_regions_return_doubt(DmRegions *regions, DmRange range);

/*
 * A guest that did not take the whole of @add keeps the region on record and
 * goes on, whatever it is asked for there next, where it stopped. So either
 * the same is asked again (postponed), or what lies behind the @taken pages
 * is out of bounds until a reset, to the end of the region. Returns whether
 * @add had been postponed before: it is now the last to be tried again.
 */
bool dm_regions_postpone(DmRegions *regions, const DmHotAdd *add);
void dm_regions_refused(DmRegions *regions, const DmHotAdd *add,
                        uint64_t taken);

/*
 * The same kernel, but perhaps another driver, which does not know the regions
 * that the last one was told of: those in part given are not continued.
 */
void dm_regions_new_driver(DmRegions *regions, uint64_t align);
/*
 * A new kernel owns all boot memory, whatever the old one released. Of sticks
 * it may have found anything that the old one had: that is in doubt until a
 * reset. It takes no time or room, however scattered the released pages are.
 */
void dm_regions_new_kernel(DmRegions *regions);
/* The guest has its boot memory and nothing else. What it had of sticks goes
 * into @discard. */
void dm_regions_reset(DmRegions *regions, DmPageSet *discard);

#endif
