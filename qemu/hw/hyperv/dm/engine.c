/*
 * Dynamic Memory engine: the rules, and what the owner can call
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The engine asks the guest to release pages (balloon), to take released pages
 * back (return), and to take pages that it never had (hot-add). Its replies
 * are all that is known about what it has, and they may be wrong or hostile.
 * These rules hold at all times:
 *
 * - A page is discarded only while the guest does not have it, and given to
 *   the guest only if the guest does not have it. Breaking this corrupts a
 *   guest; everything else that can go wrong only costs time or memory.
 *   regions.c says who has a page. Where nobody can tell, the page is "in
 *   doubt": neither discarded nor given before a system reset.
 * - One request at a time. The protocol matches replies to requests by type
 *   alone, so two outstanding requests could not be told apart.
 * - A request is not given up when its deadline passes: that only changes the
 *   reported state, and a late reply still counts. When the channel closes,
 *   pages that were being given are in doubt. A system reset settles
 *   everything.
 * - Pending discards finish before the next request, so a page that is still
 *   to be discarded is never given to the guest.
 * - All that a request gives is populated before it is made. What was populated
 *   and is not the guest's, nor in doubt, is discarded.
 * - Between a close and the next open nothing is discarded, unless the system
 *   was reset: another kernel may already run, and it owns all boot memory.
 * - Only dm_pursue() makes requests. Whatever happens (a target, a stick, a
 *   reply, a reconnect) changes the accounting, and the next run compares the
 *   target with what the guest has. So no order of events needs code of its
 *   own, and a saved state resumes by simply running.
 * - Released pages are returned before any are added, and those of boot memory
 *   first: a stick can be removed only as long as the guest does not use it.
 * - An obstacle stops the pursuit, for a while or until the target, the sticks
 *   or the guest change. The problem that is reported with it is for people;
 *   no decision depends on it.
 * - The guest decides how much work and memory it costs, within bounds: a
 *   reply counts for at most the pages requested, one run populates and
 *   discards for a bounded time, the owner is told when to hold messages back,
 *   and a guest that fragments the accounting too much gets no more memory.
 *
 * receive.c and reply.c take messages in, pursue.c decides on a request,
 * populate.c prepares it and request.c sends it; obstacle.c, relief.c (a kernel
 * that ran dry) and state.c (a saved state) do what their names say.
 */

#include "engine.h"
#include "engine-int.h"

/* Windows is not asked for anything for a while after it has booted. */
#define WINDOWS_QUIET SECONDS(50)

/* The most that is received between two runs, one message aside. */
#define HEARD_BYTES (128 * 1024)

/* ---- work that is due ---- */

static void pursue(DmEngine *e, uint64_t now)
{
    dm_pursue(e, now);
    e->settled |= e->txn.kind == DM_REQUEST_NONE &&
                  e->preparing == DM_REQUEST_NONE;
}

bool dm_engine_run(DmEngine *e, uint64_t now)
{
    uint64_t began = dm_work_begin(e);

    dm_turn_begin(e);
    e->heard = 0;
    dm_flush(e, now);
    dm_request_notice_deadline(e, now);
    if (!dm_discard_some(e)) {
        pursue(e, now);
    }
    dm_tell_sticks(e);
    dm_tell_actual(e);
    dm_work_end(e, began);
    return e->preparing != DM_REQUEST_NONE || dm_discard_is_due(e);
}

/* A handshake does not wait for what a reset has left to discard: that may take
 * longer than the driver waits. Nothing in it adds to that. */
bool dm_engine_throttled(const DmEngine *e)
{
    return e->heard >= HEARD_BYTES ||
           (e->stage == STAGE_READY && pageset_count(e->discard));
}

/*
 * Nothing that has passed and is still waited for: an owner whose timer calls
 * dm_engine_run() and is set by this would call it for ever. So no time counts
 * while something else keeps a request from being made.
 */
uint64_t dm_engine_deadline(const DmEngine *e)
{
    uint64_t due = NEVER;

    if (e->txn.kind != DM_REQUEST_NONE && !e->txn.late) {
        due = e->txn.deadline;
    }
    if (e->stage == STAGE_READY && e->txn.kind == DM_REQUEST_NONE &&
        !e->out_len && !pageset_count(e->discard)) {
        uint64_t retry = dm_growth_waits(e) ? NEVER : e->retry_at;

        due = MIN(due, e->waiting ? e->quiet_until : retry);
    }
    return due;
}

void dm_engine_writable(DmEngine *e, uint64_t now)
{
    dm_flush(e, now);
}

/* ---- the channel, the machine ---- */

static void forget_driver(DmEngine *e)
{
    e->had_caps = false;
    e->probed = e->elsewhere = e->answered = false;
    e->relief = 0;
    e->status = (DmStatus) { 0 };
}

static void new_kernel(DmEngine *e)
{
    dm_regions_new_kernel(&e->regions);
    /* It may have found any page of a stick: discard none. */
    dm_keep_populated(e);
    forget_driver(e);
    dm_obstacle_for_good(e, DM_STATE_NEW_KERNEL,
                         (DmProblem) { .code = DM_PROBLEM_NEW_KERNEL });
    dm_tell_sticks(e);
}

static void same_kernel(DmEngine *e)
{
    if (e->had_caps) {
        dm_regions_new_driver(&e->regions, dm_alignment(e));
    }
    e->elsewhere = false;
    /* A driver that was loaded again sends no report for 45 s. */
    e->status = (DmStatus) { 0 };
    e->relief = 0;
    dm_obstacle_clear(e);
}

void dm_engine_channel_open(DmEngine *e, uint64_t guest_os_id,
                            bool is_new_kernel, uint64_t now)
{
    if (e->stage != STAGE_CLOSED) {
        dm_engine_channel_close(e);
    }
    is_new_kernel |= e->met && guest_os_id != e->guest_os_id;
    e->guest_os_id = guest_os_id;
    e->stage = STAGE_VERSION;
    e->settled = false;
    if (e->met) {
        e->counters.reconnects++;
    } else {
        e->met = true;
        e->quiet_until = now + (dm_one_range_only(e) ? WINDOWS_QUIET : 0);
    }
    if (is_new_kernel) {
        new_kernel(e);
    } else if (!dm_frozen(e)) {
        same_kernel(e);
    }
}

void dm_engine_channel_close(DmEngine *e)
{
    if (e->stage == STAGE_CLOSED) {
        return;
    }
    dm_request_abandon(e);
    e->stage = STAGE_CLOSED;
    e->waiting = false;
    e->version = 0;
}

void dm_engine_system_reset(DmEngine *e)
{
    /* A reset settles everything: nothing of the request is in doubt. */
    e->txn.sent = false;
    dm_engine_channel_close(e);
    e->counters.resets++;
    e->guest_os_id = 0;
    e->met = false;
    e->quiet_until = 0;
    forget_driver(e);
    dm_obstacle_clear(e);
    dm_regions_reset(&e->regions, e->discard);
    dm_unpopulate_sticks(e);
    e->settled = false;
    dm_tell_sticks(e);
    dm_tell_actual(e);
}

bool dm_engine_set_target(DmEngine *e, uint64_t pages, GError **error)
{
    if (!pages) {
        g_set_error_literal(error, DM_ERROR, DM_ERROR_NO_TARGET,
                            "a target of no pages");
        return false;
    }
    TRACE(e, target, pages);
    e->target = pages;
    e->settled = false;
    if (!dm_frozen(e)) {
        dm_obstacle_clear(e);
    }
    return true;
}

/* ---- sticks ---- */

bool dm_engine_plug(DmEngine *e, unsigned stick, DmRange range,
                    bool on_demand, GError **error)
{
    DmStick *plugged;

    if (!dm_regions_plug(&e->regions, stick, range, on_demand, error)) {
        return false;
    }
    plugged = dm_regions_stick(&e->regions, stick);
    plugged->state = dm_regions_stick_state(&e->regions, plugged);
    if (!on_demand) {
        e->target += range.count;
    }
    e->settled = false;
    if (!dm_frozen(e)) {
        dm_obstacle_clear(e);
    }
    return true;
}

bool dm_engine_may_unplug(const DmEngine *e, unsigned stick, GError **error)
{
    const DmStick *s = dm_regions_stick(&e->regions, stick);

    if (dm_request_touches(e, s->range)) {
        g_set_error_literal(error, DM_ERROR, DM_ERROR_IN_FLIGHT,
                            "a request for a part of the stick is out");
        return false;
    }
    if (e->obstacle == DM_STATE_NEW_KERNEL &&
        pageset_count_in(e->regions.added, s->range.first,
                         s->range.count)) {
        g_set_error_literal(error, DM_ERROR, DM_ERROR_NEW_KERNEL,
                            "a new kernel may use the stick");
        return false;
    }
    if (dm_regions_stick_state(&e->regions, s) == DM_STICK_INUSE) {
        g_set_error_literal(error, DM_ERROR, DM_ERROR_IN_USE,
                            "the guest has pages of the stick");
        return false;
    }
    return true;
}

void dm_engine_unplug(DmEngine *e, unsigned stick)
{
    DmRange range = dm_regions_stick(&e->regions, stick)->range;

    g_assert(dm_engine_may_unplug(e, stick, NULL));
    pageset_remove(e->discard, range.first, range.count);
    pageset_remove(e->populated, range.first, range.count);
    dm_regions_unplug(&e->regions, stick);
    e->target = MIN(e->target, dm_regions_capacity(&e->regions));
    e->settled = false;
}

/* ---- life, queries ---- */

DmEngine *dm_engine_new(const DmRange *boot, unsigned n_boot,
                        uint64_t boot_pages, DmProfile profile,
                        const DmEngineOps *ops, void *opaque)
{
    DmEngine *e = g_new0(DmEngine, 1);

    dm_regions_init(&e->regions, boot, n_boot, boot_pages);
    e->ops = *ops;
    e->opaque = opaque;
    e->profile = profile;
    e->discard = pageset_new();
    e->populated = pageset_new();
    e->discard_piece = e->populate_piece = PIECE_MIN;
    e->target = e->reported = e->regions.boot_pages;
    e->settled = true;
    dm_obstacle_clear(e);
    return e;
}

void dm_engine_free(DmEngine *e)
{
    if (e) {
        dm_regions_clear(&e->regions);
        pageset_free(e->discard);
        pageset_free(e->populated);
        g_free(e);
    }
}

static DmState request_state(DmRequest kind)
{
    static const DmState states[] = {
        [DM_REQUEST_NONE] = DM_STATE_IDLE,
        [DM_REQUEST_BALLOON] = DM_STATE_BALLOONING,
        [DM_REQUEST_RETURN] = DM_STATE_RETURNING,
        [DM_REQUEST_HOT_ADD] = DM_STATE_ADDING,
    };

    G_STATIC_ASSERT(G_N_ELEMENTS(states) == DM_REQUEST__MAX);
    return states[kind];
}

static DmState current_state(const DmEngine *e)
{
    if (e->stage == STAGE_CLOSED) {
        return DM_STATE_DISCONNECTED;
    }
    if (e->stage != STAGE_READY) {
        return DM_STATE_HANDSHAKE;
    }
    if (e->txn.kind != DM_REQUEST_NONE) {
        return e->txn.late ? DM_STATE_LATE : request_state(e->txn.kind);
    }
    if (e->preparing != DM_REQUEST_NONE) {
        return request_state(e->preparing);
    }
    if (e->obstacle != DM_STATE_IDLE) {
        return e->obstacle;
    }
    return e->waiting || !e->settled ? DM_STATE_WAITING : DM_STATE_IDLE;
}

void dm_engine_query(const DmEngine *e, DmEngineInfo *info)
{
    const DmRegions *r = &e->regions;

    *info = (DmEngineInfo) {
        .connected = e->stage == STAGE_READY,
        .version = e->version,
        .guest = dm_guest_kind(e),
        .can_balloon = e->had_caps && e->caps.balloon,
        .can_hot_add = e->had_caps && e->caps.hot_add,
        .alignment = e->had_caps ? dm_alignment(e) : 0,
        .state = current_state(e),
        .problem = e->txn.late ? dm_late_problem(e) : e->problem,
        .target = e->target,
        .actual = dm_regions_actual(r),
        .boot = r->boot_pages,
        .capacity = dm_regions_capacity(r),
        .released = pageset_count(r->released),
        .in_doubt = dm_regions_in_doubt(r),
        .offline = pageset_count(r->offline),
        .ghosts = pageset_count(r->ghosts),
        .ungranted = dm_regions_ungranted(r),
        .populated = pageset_count(e->populated),
        .bytes = sizeof(*e) + dm_regions_bytes(r) +
                 pageset_bytes(e->discard) + pageset_bytes(e->populated),
        .work = e->work,
        .counters = e->counters,
    };
}

/*
 * What is left to discard is left to whoever comes last: else a huge page whose
 * pages are discarded piece by piece would be discarded with each of them. And
 * what is populated for a request is all but the guest's.
 */
bool dm_engine_is_released(const DmEngine *e, uint64_t first, uint64_t count)
{
    DmRange range = { first, count };

    return dm_regions_is_released(&e->regions, range) &&
           !pageset_count_in(e->discard, first, count) &&
           !pageset_count_in(e->populated, first, count) &&
           !dm_request_touches(e, range);
}

bool dm_engine_query_stick(const DmEngine *e, unsigned stick,
                           DmStickInfo *info)
{
    const DmRegions *r = &e->regions;
    const DmStick *s = dm_regions_stick(r, stick);

    if (!s) {
        return false;
    }
    *info = (DmStickInfo) {
        .state = dm_stick_state(e, s),
        .range = s->range,
        .on_demand = s->on_demand,
        .added = pageset_count_in(r->added, s->range.first,
                                  s->range.count),
        .released = pageset_count_in(r->released, s->range.first,
                                     s->range.count),
    };
    return true;
}
