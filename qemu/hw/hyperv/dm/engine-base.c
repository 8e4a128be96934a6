/*
 * Dynamic Memory engine: the guest's kind, what the owner is told, discards
 *
 * What all other files of the engine stand on: nothing here calls them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "engine-int.h"

/* hv_guest_os_id bits 63:48: open source, OS type Linux; or Microsoft. */
#define OS_LINUX 0x8100
#define OS_MICROSOFT 0x0001

/*
 * How long one dm_engine_run() discards and populates, in ns, until it leaves
 * the rest to the next; the piece that is going on then is finished. A piece
 * should take no longer than PIECE_NS.
 */
#define TURN_NS (20 * UINT64_C(1000000))
#define PIECE_NS (TURN_NS / 4)
/* The largest piece, in case that the next one takes longer than the last. */
#define PIECE_MAX MIB_PAGES(64)

/* The most that one dm_engine_run() discards, whatever the time. */
#define DISCARD_RUNS 256
#define DISCARD_PAGES MIB_PAGES(1024)
/* The most that may wait to be discarded, one message aside, in bytes. */
#define DISCARD_BYTES (64 * 1024)

/* The memory for all of the accounting but the released pages, in bytes, above
 * which the guest is given nothing more: this, and a byte for so many pages. */
#define OTHER_BYTES (64 * 1024)
#define OTHER_BYTES_PAGES 256

/* ---- the guest ---- */

DmGuest dm_guest_kind(const DmEngine *e)
{
    switch (e->guest_os_id >> 48) {
    case 0:
        return DM_GUEST_NONE;
    case OS_LINUX:
        return DM_GUEST_LINUX;
    case OS_MICROSOFT:
        return DM_GUEST_WINDOWS;
    default:
        return DM_GUEST_OTHER;
    }
}

/* With Windows only one range a message is known to work. */
bool dm_one_range_only(const DmEngine *e)
{
    return e->profile == DM_PROFILE_WINDOWS ||
           (e->profile == DM_PROFILE_AUTO &&
            e->guest_os_id >> 48 != OS_LINUX);
}

uint64_t dm_alignment(const DmEngine *e)
{
    return MIB_PAGES(1) << e->caps.alignment;
}

/*
 * The accounting grows with a driver that disconnects again and again while
 * scattered pages are returned to it, or takes a part of each block.
 */
bool dm_accounting_is_full(const DmEngine *e)
{
    return dm_regions_other_bytes(&e->regions) > OTHER_BYTES +
           dm_regions_capacity(&e->regions) / OTHER_BYTES_PAGES;
}

/* ---- what the owner is told ---- */

uint64_t dm_work_begin(const DmEngine *e)
{
    return e->ops.clock ? e->ops.clock(e->opaque) : 0;
}

void dm_work_end(DmEngine *e, uint64_t began)
{
    uint64_t ns = dm_work_begin(e) - began;

    e->work.calls++;
    e->work.ns += ns;
    e->work.longest_ns = MAX(e->work.longest_ns, ns);
}

/* ---- the time of a turn ---- */

void dm_turn_begin(DmEngine *e)
{
    e->turn_end = dm_work_begin(e) + TURN_NS;
}

/* Without a clock a turn is bounded by sizes alone. */
bool dm_turn_is_over(const DmEngine *e)
{
    return e->ops.clock && dm_work_begin(e) >= e->turn_end;
}

/* Pieces end where the owner's units are most likely to end. */
DmRange dm_piece(DmRange range, uint64_t pages)
{
    uint64_t end = (range.first + pages) / PIECE_MIN * PIECE_MIN;

    return (DmRange) { range.first, MIN(range.count, end - range.first) };
}

/*
 * Large pieces cost less, as the owner has to look up the memory for each; but
 * a piece is not interrupted. Only how long the last one took says how large
 * the next may be: that differs a thousandfold, by who maps the memory.
 */
void dm_piece_took(uint64_t *piece, uint64_t pages, uint64_t ns)
{
    if (ns > PIECE_NS) {
        *piece = MAX(*piece / 2, PIECE_MIN);
    } else if (ns < PIECE_NS / 2 && pages > *piece / 2) {
        *piece = MIN(*piece * 2, PIECE_MAX);
    }
}

/* ---- what the owner is told of sticks and of the size ---- */

/*
 * A stick that was in use stays so until what the guest had of it is discarded.
 * Else the owner, told that it is unused, would remove it right after a reset,
 * and all of it would have to be unmapped at once.
 */
DmStickState dm_stick_state(const DmEngine *e, const DmStick *stick)
{
    DmStickState state = dm_regions_stick_state(&e->regions, stick);
    bool waits = stick->state == DM_STICK_INUSE && dm_discard_is_due(e) &&
                 pageset_count_in(e->discard, stick->range.first,
                                  stick->range.count);

    return waits ? DM_STICK_INUSE : state;
}

void dm_tell_sticks(DmEngine *e)
{
    unsigned i;

    for (i = 0; i < e->regions.sticks->len; i++) {
        DmStick *stick = &g_array_index(e->regions.sticks, DmStick, i);
        DmStickState state = dm_stick_state(e, stick);

        if (state != stick->state) {
            stick->state = state;
            e->ops.stick_state(e->opaque, stick->id, state);
        }
    }
}

void dm_tell_actual(DmEngine *e)
{
    uint64_t actual = dm_regions_actual(&e->regions);

    if (actual != e->reported) {
        e->reported = actual;
        e->ops.actual_changed(e->opaque, actual);
    }
}

/* ---- released memory goes back to the host ---- */

/*
 * Without a driver there may be another kernel, which owns what the last one
 * had released. So this waits until the same kernel reconnects, or a reset.
 */
bool dm_may_discard(const DmEngine *e)
{
    return e->stage != STAGE_CLOSED || !e->met;
}

bool dm_discard_is_due(const DmEngine *e)
{
    return dm_may_discard(e) && pageset_count(e->discard);
}

/* Discards the first piece that waits: no longer than @most, how many pages? */
static uint64_t discard_piece(DmEngine *e, uint64_t most)
{
    uint64_t began = dm_work_begin(e);
    DmRange piece;

    pageset_next(e->discard, 0, DM_MAX_PFN + 1, &piece.first, &piece.count);
    piece = dm_piece(piece, e->discard_piece);
    piece.count = MIN(piece.count, most);
    pageset_remove(e->discard, piece.first, piece.count);
    e->ops.discard(e->opaque, piece.first, piece.count);
    dm_piece_took(&e->discard_piece, piece.count, dm_work_begin(e) - began);
    return piece.count;
}

bool dm_discard_some(DmEngine *e)
{
    uint64_t left = DISCARD_PAGES;
    unsigned runs;

    if (!dm_discard_is_due(e)) {
        return false;
    }
    for (runs = 0; runs < DISCARD_RUNS && left; runs++) {
        if (runs && dm_turn_is_over(e)) {
            break;
        }
        left -= discard_piece(e, left);
        if (!pageset_count(e->discard)) {
            e->discard_piece = PIECE_MIN;
            return false;
        }
    }
    return true;
}

/* Bounds what waits even if the owner ignores dm_engine_throttled(). */
void dm_discard_backlog(DmEngine *e)
{
    while (pageset_bytes(e->discard) > DISCARD_BYTES && dm_discard_some(e)) {
        /* until it is short enough */
    }
}
