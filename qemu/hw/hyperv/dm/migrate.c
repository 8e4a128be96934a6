/*
 * Dynamic Memory engine: what a migration or a snapshot asks of it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The state itself is in state.c. Here is what goes with it: which pages need
 * not be sent, which the new host has to have ready for the guest and which it
 * can do without, and that growing waits while a migration relies on what the
 * guest has.
 */

#include "engine.h"
#include "engine-int.h"

/*
 * Between a close and the next open another kernel may run, which uses what the
 * last one had released; after that, nobody can tell.
 */
bool dm_engine_released_in_doubt(const DmEngine *e)
{
    return e->regions.new_kernel || !dm_may_discard(e);
}

typedef bool NextRun(const DmRegions *regions, uint64_t from, DmRange *run);

/* Of what @next finds, the first run that no request is about to give. */
static bool next_not_given(const DmEngine *e, NextRun *next, uint64_t from,
                           DmRange *run)
{
    DmRange given = dm_request_next_given(e, from);

    if (dm_engine_released_in_doubt(e)) {
        return false;
    }
    while (next(&e->regions, from, run)) {
        if (range_end(given) <= run->first) {
            given = dm_request_next_given(e, run->first);
        }
        if (given.first > run->first) {
            run->count = MIN(run->count, given.first - run->first);
            return true;
        }
        from = range_end(given);
    }
    return false;
}

static bool next_released(const DmRegions *r, uint64_t from, DmRange *run)
{
    return pageset_next(r->released, from, DM_MAX_PFN + 1, &run->first,
                        &run->count);
}

static bool next_absent(const DmRegions *r, uint64_t from, DmRange *run)
{
    DmRange never;

    if (!dm_regions_next_never_given(r, from, &never)) {
        return next_released(r, from, run);
    }
    if (!next_released(r, from, run) || never.first < run->first) {
        *run = never;
    }
    return true;
}

bool dm_engine_next_absent(const DmEngine *e, uint64_t from, DmRange *run)
{
    return next_not_given(e, next_absent, from, run);
}

/* The first run from @from on of pages that the guest was given and keeps. */
static bool next_kept(const DmEngine *e, uint64_t from, uint64_t end,
                      DmRange *run)
{
    const DmRegions *r = &e->regions;
    DmRange added, released;

    while (pageset_next(r->added, from, end, &added.first, &added.count)) {
        if (dm_engine_released_in_doubt(e) ||
            !pageset_next(r->released, added.first, range_end(added),
                          &released.first, &released.count)) {
            *run = added;
            return true;
        }
        if (released.first > added.first) {
            *run = (DmRange) { added.first, released.first - added.first };
            return true;
        }
        from = range_end(released);
    }
    return false;
}

/* Ditto, with those that it is about to be given. */
static bool next_in_use(const DmEngine *e, uint64_t from, uint64_t end,
                        DmRange *run)
{
    DmRange given = dm_request_next_given(e, from);
    bool kept = next_kept(e, from, end, run);

    if (given.first < end && (!kept || given.first < run->first)) {
        uint64_t first = MAX(given.first, from);

        *run = (DmRange) { first, MIN(range_end(given), end) - first };
        return true;
    }
    return kept;
}

/* Whether or not it has released them. */
static bool next_added(const DmEngine *e, uint64_t from, uint64_t end,
                       DmRange *run)
{
    return pageset_next(e->regions.added, from, end, &run->first, &run->count);
}

typedef bool NextWithin(const DmEngine *e, uint64_t from, uint64_t end,
                        DmRange *run);

/* The first run of whole units that what @func finds touches. */
static bool next_units(const DmEngine *e, NextWithin *func, DmRange within,
                       uint64_t unit, DmRange *run)
{
    uint64_t end = range_end(within), at;
    DmRange next;

    if (!func(e, within.first, end, &next)) {
        return false;
    }
    run->first = round_down(next.first, unit);
    do {
        at = MIN(round_up(range_end(next), unit), end);
    } while (at < end && func(e, at, end, &next) && next.first < at + unit);
    run->count = at - run->first;
    return true;
}

bool dm_engine_next_in_use(const DmEngine *e, DmRange within, uint64_t unit,
                           DmRange *run)
{
    return next_units(e, next_in_use, within, unit, run);
}

bool dm_engine_next_added(const DmEngine *e, DmRange within, uint64_t unit,
                          DmRange *run)
{
    return next_units(e, next_added, within, unit, run);
}

/*
 * While a request gives memory there must be nothing to discard, or the owner
 * might discard it: see check_transaction() in state-check.c. And what is
 * populated for the next one must stay so until that is made.
 */
static bool something_is_given(const DmEngine *e)
{
    return e->txn.kind == DM_REQUEST_RETURN ||
           e->txn.kind == DM_REQUEST_HOT_ADD ||
           e->preparing != DM_REQUEST_NONE || pageset_count(e->populated);
}

bool dm_engine_may_discard_again(const DmEngine *e)
{
    return !something_is_given(e) && !dm_engine_released_in_doubt(e);
}

bool dm_engine_discard_released(DmEngine *e)
{
    DmRange run;

    if (something_is_given(e) || !dm_may_discard(e)) {
        return false;
    }
    dm_turn_begin(e);
    while (next_not_given(e, next_released, e->discard_from, &run)) {
        pageset_add(e->discard, run.first, run.count);
        e->discard_from = range_end(run);
        if (dm_turn_is_over(e)) {
            return false;
        }
    }
    e->discard_from = 0;
    return true;
}

/* There are few runs: the guest does not choose where it is given memory. */
bool dm_engine_discard_never_given(DmEngine *e, DmRange within)
{
    uint64_t at = within.first;
    DmRange run;

    if (!dm_engine_may_discard_again(e)) {
        return false;
    }
    while (dm_regions_next_never_given(&e->regions, at, &run) &&
           run.first < range_end(within)) {
        run.count = MIN(run.count, range_end(within) - run.first);
        pageset_add(e->discard, run.first, run.count);
        at = range_end(run);
    }
    return true;
}

void dm_engine_excuse(DmEngine *e)
{
    e->txn.excused = true;
}

void dm_engine_hold_growth(DmEngine *e, bool hold)
{
    e->growth_held = hold;
    e->settled = false;
    if (!hold && !dm_frozen(e)) {
        dm_obstacle_clear(e);
    }
}

/*
 * The owner knows of no stick yet. What it was told at the source counts, as a
 * stick that was in use stays so until what the guest had is discarded.
 */
void dm_engine_announce(DmEngine *e)
{
    unsigned i;

    for (i = 0; i < e->regions.sticks->len; i++) {
        DmStick *stick = &g_array_index(e->regions.sticks, DmStick, i);

        stick->state = dm_stick_state(e, stick);
        if (stick->state != DM_STICK_IDLE) {
            e->ops.stick_state(e->opaque, stick->id, stick->state);
        }
    }
    e->reported = NEVER;
    dm_tell_actual(e);
}
