/*
 * Dynamic Memory engine: what to say to the guest, and what it owns
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "engine-int.h"
#include "floor.h"

#include <string.h>

#define SECONDS(n) ((uint64_t)(n) * 1000)
#define MIB_PAGES(n) ((uint64_t)(n) << (20 - DM_PAGE_SHIFT))

/* Old Linux kernels warn about requests that are not whole 2 MiB. */
#define BALLOON_UNIT MIB_PAGES(2)
#define MAX_HOT_ADD_PAGES MIB_PAGES(2048)
/* Windows wants to be left alone for a while after it has booted. */
#define WINDOWS_QUIET SECONDS(50)

#define BALLOON_DEADLINE SECONDS(30)
#define RETURN_DEADLINE SECONDS(30)
#define RETURN_DEADLINE_BLOCK SECONDS(2)
#define HOT_ADD_DEADLINE SECONDS(10)
#define HOT_ADD_DEADLINE_BLOCK SECONDS(5)
#define BLOCK_PAGES MIB_PAGES(128)
/* Linux waits 5 s a block for its memory to be onlined, then says it was. */
#define NOT_ONLINED_BLOCK 4500

#define RETRY_MIN SECONDS(5)
#define RETRY_MAX SECONDS(60)
/* Responses in a row that release nothing and announce more. */
#define MAX_IDLE_RESPONSES 16

/* What one dm_engine_run() discards at most. */
#define DISCARD_RUNS 256
#define DISCARD_PAGES MIB_PAGES(1024)
/* What may be left to be discarded, but for one message, in bytes. */
#define DISCARD_BYTES (64 * 1024)
/* What is to be heard between two of them, but for one message. */
#define HEARD_BYTES (128 * 1024)

/* What the books other than the pages released may take, in bytes: so much,
 * and a few bytes a container of a page set. */
#define OTHER_BYTES (64 * 1024)
#define OTHER_BYTES_PAGES 256

#define WARN_INTERVAL SECONDS(10)

/* hv_guest_os_id bits 63:48: open source, OS type Linux; or Microsoft. */
#define OS_LINUX 0x8100
#define OS_MICROSOFT 0x0001

/* ---- telling ---- */

#define TRACE(e, event, ...) \
    do { \
        if ((e)->ops.trace) { \
            (e)->ops.trace->event((e)->opaque, __VA_ARGS__); \
        } \
    } while (0)

/* What a guest does wrong may come a million times: one line in a while. */
static void warn(DmEngine *e, uint64_t now, DmWarning warning)
{
    TRACE(e, warning, warning);
    if (now >= e->next_warning) {
        e->next_warning = now + WARN_INTERVAL;
        e->ops.warn(e->opaque, warning);
    }
}

static void set_problem(DmEngine *e, DmProblem problem)
{
    bool same = !memcmp(&e->problem, &problem, sizeof(problem));

    e->problem = problem;
    if (!same) {
        TRACE(e, problem, &e->problem);
    }
}

static void clear_problem(DmEngine *e)
{
    e->problem = (DmProblem) { .code = DM_PROBLEM_NONE };
}

static void clear_retry(DmEngine *e)
{
    e->obstacle = DM_STATE_IDLE;
    e->retry_at = NEVER;
    e->retry_delay = RETRY_MIN;
}

/* A late reply stays the reason, whatever is wanted meanwhile. */
static void clear_obstacle(DmEngine *e)
{
    clear_retry(e);
    if (!e->txn.late) {
        clear_problem(e);
    }
}

/* Something stands in the way that may be gone later. */
static void obstacle_for_now(DmEngine *e, DmState state, uint64_t now)
{
    e->obstacle = state;
    e->retry_at = now + e->retry_delay;
    e->retry_delay = MIN(2 * e->retry_delay, RETRY_MAX);
}

/* Only a new target, a reconnect or a reset can change this. */
static void obstacle_for_good(DmEngine *e, DmState state)
{
    e->obstacle = state;
    e->retry_at = NEVER;
}

static void stop(DmEngine *e, DmState state, DmProblem problem)
{
    set_problem(e, problem);
    obstacle_for_good(e, state);
}

static void stop_for_now(DmEngine *e, DmState state, DmProblem problem,
                         uint64_t now)
{
    set_problem(e, problem);
    obstacle_for_now(e, state, now);
}

static bool frozen(const DmEngine *e)
{
    return e->obstacle == DM_STATE_NEW_KERNEL ||
           e->obstacle == DM_STATE_FROZEN;
}

/* ---- how long it takes ---- */

static uint64_t work_begin(const DmEngine *e)
{
    return e->ops.clock ? e->ops.clock(e->opaque) : 0;
}

static void work_end(DmEngine *e, uint64_t began)
{
    uint64_t ns = work_begin(e) - began;

    e->work.calls++;
    e->work.ns += ns;
    e->work.longest_ns = MAX(e->work.longest_ns, ns);
}

static void tell_sticks(DmEngine *e)
{
    unsigned i;

    for (i = 0; i < e->regions.sticks->len; i++) {
        DmStick *stick = &g_array_index(e->regions.sticks, DmStick, i);
        DmStickState state = dm_regions_stick_state(&e->regions, stick);

        if (state != stick->state) {
            stick->state = state;
            e->ops.stick_state(e->opaque, stick->id, state);
        }
    }
}

static void tell_actual(DmEngine *e)
{
    uint64_t actual = dm_regions_actual(&e->regions);

    if (actual != e->reported) {
        e->reported = actual;
        e->ops.actual_changed(e->opaque, actual);
    }
}

static DmGuest guest_kind(const DmEngine *e)
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

/* ---- sending ---- */

/* The guest's time to answer starts when the request really leaves. */
static void txn_sent(DmEngine *e, uint64_t now)
{
    e->txn.sent = true;
    e->txn.late = false;
    e->txn.deadline += now - e->txn.started;
    e->txn.started = now;
}

static void trace_sent(const DmEngine *e)
{
    DmHeader header;

    if (e->ops.trace && dm_wire_header(e->out, e->out_len, &header)) {
        e->ops.trace->sent(e->opaque, &header);
    }
}

static void flush(DmEngine *e, uint64_t now)
{
    if (!e->out_len || !e->ops.send(e->opaque, e->out, e->out_len)) {
        return;
    }
    trace_sent(e);
    e->out_len = 0;
    e->counters.messages_sent++;
    if (e->txn.kind != DM_REQUEST_NONE && !e->txn.sent) {
        txn_sent(e, now);
    }
}

static void post(DmEngine *e, size_t len, uint64_t now)
{
    e->out_len = len;
    flush(e, now);
}

/* Something outstanding touches this range: its fate is not known yet. */
static bool txn_touches(const DmEngine *e, DmRange range)
{
    DmRange add = e->txn.add.range;
    unsigned i;

    if (e->txn.kind == DM_REQUEST_HOT_ADD) {
        return add.first < range.first + range.count &&
               range.first < add.first + add.count;
    }
    for (i = 0; e->txn.kind == DM_REQUEST_RETURN && i < e->txn.n_ranges; i++) {
        if (e->txn.ranges[i].first - range.first < range.count) {
            return true;
        }
    }
    return false;
}

static void txn_begin(DmEngine *e, DmRequest kind, uint64_t now,
                      uint64_t deadline, uint64_t asked)
{
    e->txn.kind = kind;
    e->txn.sent = e->txn.late = false;
    e->txn.started = now;
    e->txn.deadline = now + deadline;
    e->txn.asked = asked;
    e->txn.got = e->txn.claimed = 0;
    e->txn.idle_responses = 0;
    e->settled = false;
    e->trans_id++;
}

static void txn_end(DmEngine *e)
{
    e->txn.kind = DM_REQUEST_NONE;
    e->txn.late = false;
    tell_sticks(e);
}

/* The channel is gone: what was on its way is in doubt. */
static void txn_abandon(DmEngine *e)
{
    unsigned i;

    if (e->txn.sent && e->txn.kind == DM_REQUEST_HOT_ADD) {
        dm_regions_add_doubt(&e->regions, &e->txn.add);
    }
    for (i = 0; e->txn.sent && e->txn.kind == DM_REQUEST_RETURN &&
                i < e->txn.n_ranges; i++) {
        dm_regions_return_doubt(&e->regions, e->txn.ranges[i]);
    }
    e->out_len = 0;
    txn_end(e);
}

static void start_balloon(DmEngine *e, uint64_t pages, uint64_t now)
{
    pages = MIN(pages, MAX_BALLOON_PAGES) / BALLOON_UNIT * BALLOON_UNIT;
    txn_begin(e, DM_REQUEST_BALLOON, now, BALLOON_DEADLINE, pages);
    TRACE(e, request, DM_REQUEST_BALLOON, pages, 0, 0);
    post(e, dm_wire_put_balloon_request(e->out, e->trans_id, pages), now);
}

static uint64_t blocks(uint64_t pages)
{
    return (pages + BLOCK_PAGES - 1) / BLOCK_PAGES;
}

/* One range a message is all that is known to work with Windows. */
static bool one_range_only(const DmEngine *e)
{
    return e->profile == DM_PROFILE_WINDOWS ||
           (e->profile == DM_PROFILE_AUTO &&
            e->guest_os_id >> 48 != OS_LINUX);
}

/* What came of trying to make a request. */
typedef enum Started {
    STARTED,
    STARTED_NOTHING,            /* there is nothing to request */
    STARTED_NOT_POPULATED,      /* the owner cannot have it given to a guest */
} Started;

static bool populate(DmEngine *e, const DmRange *ranges, unsigned n)
{
    return !e->ops.populate || e->ops.populate(e->opaque, ranges, n);
}

static Started start_return(DmEngine *e, uint64_t pages, uint64_t now)
{
    unsigned i, max = one_range_only(e) ? 1 : DM_MAX_SEND_RANGES;
    uint64_t asked = 0;

    pages = MIN(pages, MAX_RETURN_PAGES);
    e->txn.n_ranges = dm_regions_pick_return(&e->regions, pages,
                                             e->txn.ranges, max);
    for (i = 0; i < e->txn.n_ranges; i++) {
        asked += e->txn.ranges[i].count;
    }
    if (!asked) {
        return STARTED_NOTHING;
    }
    if (!populate(e, e->txn.ranges, e->txn.n_ranges)) {
        return STARTED_NOT_POPULATED;
    }
    txn_begin(e, DM_REQUEST_RETURN, now, RETURN_DEADLINE +
              RETURN_DEADLINE_BLOCK * blocks(asked), asked);
    TRACE(e, request, DM_REQUEST_RETURN, asked, e->txn.n_ranges,
          e->txn.ranges[0].first);
    post(e, dm_wire_put_unballoon_request(e->out, e->trans_id, e->txn.ranges,
                                          e->txn.n_ranges), now);
    return STARTED;
}

static uint64_t alignment(const DmEngine *e)
{
    return MIB_PAGES(1) << e->caps.alignment;
}

static Started start_hot_add(DmEngine *e, uint64_t pages, uint64_t now)
{
    /* Until this guest has shown that it takes and onlines what it gets,
     * give it as little as possible. */
    uint64_t limit = e->probed ? MAX_HOT_ADD_PAGES : 1;
    DmHotAdd *add = &e->txn.add;

    if (!dm_regions_pick_hot_add(&e->regions, pages, alignment(e), limit,
                                 e->elsewhere, add)) {
        return STARTED_NOTHING;
    }
    if (!populate(e, &add->range, 1)) {
        return STARTED_NOT_POPULATED;
    }
    txn_begin(e, DM_REQUEST_HOT_ADD, now, HOT_ADD_DEADLINE +
              HOT_ADD_DEADLINE_BLOCK * blocks(add->range.count),
              add->range.count);
    TRACE(e, request, DM_REQUEST_HOT_ADD, add->range.count, 1,
          add->range.first);
    post(e, dm_wire_put_hot_add_request(e->out, e->trans_id, &add->range,
                                        add->region.count ? &add->region
                                                          : NULL), now);
    return STARTED;
}

/* ---- deciding ---- */

/*
 * A driver that leaves again and again while it is given scattered pages, or
 * takes a bit of every block, makes the books grow: not without end.
 */
static bool books_are_full(const DmEngine *e)
{
    return dm_regions_other_bytes(&e->regions) > OTHER_BYTES +
           dm_regions_capacity(&e->regions) / OTHER_BYTES_PAGES;
}

static void not_populated(DmEngine *e, DmRange range, uint64_t now)
{
    stop_for_now(e, DM_STATE_REFUSED,
                 (DmProblem) { .code = DM_PROBLEM_POPULATE,
                               .page = range.first }, now);
}

static void grow_by_hot_add(DmEngine *e, uint64_t missing, uint64_t now)
{
    if (!e->caps.hot_add) {
        stop(e, DM_STATE_REFUSED,
             (DmProblem) { .code = DM_PROBLEM_NO_HOT_ADD });
        return;
    }
    switch (start_hot_add(e, missing, now)) {
    case STARTED:
        break;
    case STARTED_NOT_POPULATED:
        not_populated(e, e->txn.add.range, now);
        break;
    case STARTED_NOTHING:
        stop(e, DM_STATE_REFUSED,
             (DmProblem) { .code = DM_PROBLEM_ALIGNMENT,
                           .pages = dm_regions_ungranted(&e->regions),
                           .of = alignment(e) });
        break;
    }
}

static void grow(DmEngine *e, uint64_t missing, uint64_t now)
{
    Started started = STARTED_NOTHING;

    if (books_are_full(e)) {
        stop(e, DM_STATE_REFUSED,
             (DmProblem) { .code = DM_PROBLEM_ACCOUNTING });
        return;
    }
    if (e->caps.balloon) {
        started = start_return(e, missing, now);
    }
    if (started == STARTED_NOT_POPULATED) {
        not_populated(e, e->txn.ranges[0], now);
    } else if (started == STARTED_NOTHING &&
               dm_regions_ungranted(&e->regions) &&
               missing >= MIN(BALLOON_UNIT, alignment(e))) {
        grow_by_hot_add(e, missing, now);
    }
}

static void shrink(DmEngine *e, uint64_t surplus, uint64_t now)
{
    if (e->caps.balloon) {
        start_balloon(e, surplus, now);
    } else {
        stop(e, DM_STATE_REFUSED,
             (DmProblem) { .code = DM_PROBLEM_NO_BALLOON });
    }
}

/*
 * What stands in the way of more memory does not in the way of less, nor the
 * other way round. The target may have passed the guest's size while the
 * request was out that met the obstacle, or the guest's size the target.
 */
static bool other_way(const DmEngine *e)
{
    uint64_t actual = dm_regions_actual(&e->regions);

    switch (e->obstacle) {
    case DM_STATE_FLOOR:
        return e->target > actual;
    case DM_STATE_REFUSED:
    case DM_STATE_NOT_ONLINED:
        return e->caps.balloon && actual >= e->target + BALLOON_UNIT;
    default:
        return false;
    }
}

static bool may_send(DmEngine *e, uint64_t now)
{
    e->waiting = e->stage == STAGE_READY && now < e->quiet_until;
    return e->stage == STAGE_READY && e->txn.kind == DM_REQUEST_NONE && !e->out_len &&
           !dm_pageset_count(e->discard) && !e->waiting;
}

static bool may_pursue(DmEngine *e, uint64_t now)
{
    if (e->obstacle == DM_STATE_IDLE) {
        return true;
    }
    if (now < e->retry_at && !other_way(e)) {
        return false;
    }
    e->obstacle = DM_STATE_IDLE;
    e->retry_at = NEVER;
    return true;
}

static DmProblem not_onlined(uint64_t pages)
{
    return (DmProblem) { .code = DM_PROBLEM_NOT_ONLINED, .pages = pages };
}

/* Nothing more can be done for the target: says so if that is not enough. */
static void explain_ceiling(DmEngine *e)
{
    uint64_t capacity = dm_regions_capacity(&e->regions);
    uint64_t offline = dm_pageset_count(e->regions.offline);
    bool missed = e->target >= dm_regions_actual(&e->regions) + BALLOON_UNIT;

    if (e->target > capacity) {
        set_problem(e, (DmProblem) { .code = DM_PROBLEM_CAPACITY,
                                     .pages = e->target - capacity });
    } else if (missed && offline) {
        stop(e, DM_STATE_NOT_ONLINED, not_onlined(offline));
    } else if (missed) {
        set_problem(e, (DmProblem) {
            .code = DM_PROBLEM_IN_DOUBT,
            .pages = dm_regions_in_doubt(&e->regions),
        });
    } else {
        clear_problem(e);
    }
}

static bool relief_wanted(const DmEngine *e)
{
    return e->relief && e->caps.balloon && !frozen(e) && !books_are_full(e) &&
           e->target <= dm_regions_actual(&e->regions);
}

/*
 * What it released last may be single pages: then it takes more than one
 * message. Where the host cannot make the memory ready, what stood in the way
 * of the target still does: asking the guest for more instead would only run
 * it dry again.
 */
static bool start_relief(DmEngine *e, uint64_t now)
{
    if (start_return(e, e->relief, now) != STARTED) {
        e->relief = 0;
        return false;
    }
    e->relief -= e->txn.asked;
    return true;
}

/* Its kernel first, then the target. True if something was begun. */
static bool relieve(DmEngine *e, uint64_t now)
{
    if (!relief_wanted(e)) {
        e->relief = 0;
        return false;
    }
    return start_relief(e, now);
}

/* Sends what brings the guest nearer to its target, if anything can. */
static void start(DmEngine *e, uint64_t now)
{
    uint64_t actual = dm_regions_actual(&e->regions);
    uint64_t target = MIN(e->target, dm_regions_capacity(&e->regions));

    if (!may_send(e, now) || relieve(e, now) || !may_pursue(e, now)) {
        return;
    }
    if (target > actual) {
        grow(e, target - actual, now);
    } else if (actual - target >= BALLOON_UNIT) {
        shrink(e, actual - target, now);
    }
    if (e->txn.kind == DM_REQUEST_NONE && e->obstacle == DM_STATE_IDLE) {
        clear_retry(e);
        explain_ceiling(e);
    }
}

static DmProblemCode why_late(const DmEngine *e)
{
    if (!e->txn.sent) {
        return DM_PROBLEM_NOT_SENT;
    }
    return e->answered || guest_kind(e) != DM_GUEST_LINUX ?
           DM_PROBLEM_NO_REPLY : DM_PROBLEM_NEVER_REPLIED;
}

static void notice_deadline(DmEngine *e, uint64_t now)
{
    if (e->txn.kind == DM_REQUEST_NONE || e->txn.late ||
        now < e->txn.deadline) {
        return;
    }
    e->txn.late = true;
    e->counters.late++;
    set_problem(e, (DmProblem) { .code = why_late(e), .request = e->txn.kind,
                                 .ms = now - e->txn.started });
}

/*
 * While a driver is away, its kernel may be, too: what was released may be
 * another's already, which has not said so yet. It is discarded when the same
 * comes back, or the machine is reset.
 */
static bool may_discard(const DmEngine *e)
{
    return e->stage != STAGE_CLOSED || !e->met;
}

/* Returns true if there is more to discard. */
static bool discard_some(DmEngine *e)
{
    uint64_t left = DISCARD_PAGES, first, count;
    unsigned runs;

    for (runs = 0; may_discard(e) && runs < DISCARD_RUNS && left; runs++) {
        if (!dm_pageset_next(e->discard, 0, DM_MAX_PFN, &first, &count)) {
            return false;
        }
        count = MIN(count, left);
        dm_pageset_remove(e->discard, first, count);
        e->ops.discard(e->opaque, first, count);
        left -= count;
    }
    return may_discard(e) && dm_pageset_count(e->discard);
}

/* An owner that does not heed dm_engine_sated() makes the backlog grow. */
static void discard_backlog(DmEngine *e)
{
    while (dm_pageset_bytes(e->discard) > DISCARD_BYTES && discard_some(e)) {
        /* as much as came on top */
    }
}

bool dm_engine_run(DmEngine *e, uint64_t now)
{
    uint64_t began = work_begin(e);
    bool more = discard_some(e);

    e->heard = 0;
    flush(e, now);
    notice_deadline(e, now);
    if (!more) {
        start(e, now);
        e->settled |= e->txn.kind == DM_REQUEST_NONE;
    }
    tell_actual(e);
    work_end(e, began);
    return more;
}

bool dm_engine_sated(const DmEngine *e)
{
    return e->heard >= HEARD_BYTES || dm_pageset_count(e->discard);
}

uint64_t dm_engine_deadline(const DmEngine *e)
{
    uint64_t due = NEVER;

    if (e->txn.kind != DM_REQUEST_NONE && !e->txn.late) {
        due = e->txn.deadline;
    }
    if (e->stage == STAGE_READY && e->txn.kind == DM_REQUEST_NONE) {
        due = MIN(due, e->retry_at);
        if (e->waiting) {
            due = MIN(due, e->quiet_until);
        }
    }
    return due;
}

/* ---- handshake ---- */

static void version_request(DmEngine *e, const uint8_t *msg,
                            const DmHeader *header, uint64_t now)
{
    uint32_t version;
    bool last, known;

    if (!dm_wire_version_request(msg, header->size, &version, &last)) {
        e->counters.malformed++;
        return;
    }
    if (e->stage != STAGE_VERSION && e->stage != STAGE_CAPABILITIES) {
        e->counters.unexpected++;
        warn(e, now, DM_WARNING_VERSION);
        return;
    }
    known = version == DM_VERSION_2_0 || version == DM_VERSION_1_0 ||
            version == DM_VERSION_0_3;
    TRACE(e, version, version, last, known);
    e->version = known ? version : 0;
    e->stage = known ? STAGE_CAPABILITIES : STAGE_VERSION;
    post(e, dm_wire_put_version_response(e->out, header->trans_id, known), now);
}

static bool same_caps(const DmCapabilities *a, const DmCapabilities *b)
{
    return a->balloon == b->balloon && a->hot_add == b->hot_add &&
           a->alignment == b->alignment;
}

static void capabilities(DmEngine *e, const uint8_t *msg,
                         const DmHeader *header, uint64_t now)
{
    DmCapabilities caps;

    if (!dm_wire_capabilities(msg, header->size, &caps)) {
        e->counters.malformed++;
        return;
    }
    if (e->stage != STAGE_CAPABILITIES) {
        e->counters.unexpected++;
        warn(e, now, DM_WARNING_CAPABILITIES);
        return;
    }
    TRACE(e, capabilities, &caps);
    if (e->had_caps && !same_caps(&e->caps, &caps) &&
        e->obstacle != DM_STATE_NEW_KERNEL) {
        /* Regions were declared in the old alignment. */
        stop(e, DM_STATE_FROZEN,
             (DmProblem) { .code = DM_PROBLEM_CAPABILITIES });
    }
    e->caps = caps;
    e->had_caps = true;
    e->stage = STAGE_READY;
    e->settled = false;
    post(e, dm_wire_put_capabilities_response(e->out, header->trans_id,
                                              true), now);
}

/* ---- what the guest reports ---- */

/*
 * Linux counts what it was given and did not online as committed. So where it
 * is onlined at last, between two reports as much becomes available as is
 * committed no more.
 */
static bool was_onlined(const DmEngine *e, const DmStatus *status)
{
    uint64_t offline = dm_pageset_count(e->regions.offline);
    uint64_t least = offline - offline / 4;

    return offline && status->available >= e->status.available &&
           status->available - e->status.available >= least &&
           e->status.committed >= status->committed &&
           e->status.committed - status->committed >= least;
}

static void look_for_onlining(DmEngine *e, const DmStatus *status)
{
    if (was_onlined(e, status)) {
        TRACE(e, onlined, dm_pageset_count(e->regions.offline));
        dm_regions_all_onlined(&e->regions);
        e->probed = true;
        e->settled = false;
        if (e->obstacle == DM_STATE_NOT_ONLINED) {
            clear_obstacle(e);
        }
    }
    e->status = *status;
}

/*
 * Its sticks' blocks of which it released nothing may have been onlined as
 * movable. The others were not: the driver releases no movable memory.
 */
static uint64_t maybe_movable(const DmEngine *e)
{
    const DmRegions *r = &e->regions;
    uint64_t block = MAX(BLOCK_PAGES, alignment(e)), pages = 0, at, count;
    unsigned i;

    for (i = 0; i < r->sticks->len; i++) {
        DmRange range = g_array_index(r->sticks, DmStick, i).range;
        uint64_t end = range.first + range.count;

        for (at = range.first; at < end; at += count) {
            count = MIN(end, at / block * block + block) - at;
            if (!dm_pageset_count_in(r->released, at, count)) {
                pages += dm_pageset_count_in(r->added, at, count);
            }
        }
    }
    return pages;
}

/* What the driver's rule counts, before it released @got pages. */
static uint64_t counted(const DmEngine *e, uint64_t got)
{
    return dm_regions_actual(&e->regions) +
           (dm_floor_counts_released(e->guest_os_id) ?
            dm_pageset_count(e->regions.released) : got);
}

/*
 * What was known when it stopped may have been older than a process that took
 * all that was available. It is asked again once a report says that no more
 * is there than the driver's rule explains, what it was given back apart.
 */
static void look_for_use(DmEngine *e, const DmStatus *status, uint64_t now)
{
    uint64_t own = status->available - MIN(status->available, RELIEF_PAGES);

    if (e->obstacle == DM_STATE_FLOOR && e->retry_at == NEVER &&
        e->txn.kind == DM_REQUEST_NONE && !e->relief &&
        !dm_floor_ran_dry(counted(e, 0), own, own)) {
        obstacle_for_now(e, DM_STATE_FLOOR, now);
    }
}

static void status_report(DmEngine *e, const uint8_t *msg,
                          const DmHeader *header, uint64_t now)
{
    DmStatus status;

    if (!dm_wire_status(msg, header->size, &status)) {
        e->counters.malformed++;
    } else if (e->stage != STAGE_READY) {
        e->counters.unexpected++;
    } else {
        look_for_onlining(e, &status);
        look_for_use(e, &status, now);
        e->ops.status(e->opaque, &status);
    }
}

/* An answer to nothing that is outstanding: counted, and that is all. */
static bool unexpected(DmEngine *e, DmRequest kind, uint64_t now)
{
    if (e->stage == STAGE_READY && e->txn.kind == kind && e->txn.sent) {
        e->answered = true;
        return false;
    }
    e->counters.unexpected++;
    warn(e, now, DM_WARNING_UNREQUESTED);
    return true;
}

/*
 * Accounts one range. What counts towards the cap is what the guest claims,
 * not what is true of it: so no request costs more work than it asked for
 * pages, whatever comes back.
 */
static void take_range(DmEngine *e, DmRange range, uint64_t now)
{
    uint64_t room = e->txn.asked - e->txn.claimed;
    DmReleased result;

    if (range.count > room) {
        e->counters.surplus_pages += range.count - room;
        warn(e, now, DM_WARNING_BALLOON_SURPLUS);
        range.count = room;
    }
    if (!range.count) {
        return;
    }
    e->txn.claimed += range.count;
    result = dm_regions_release(&e->regions, range, e->discard);
    e->txn.got += result.fresh;
    e->counters.duplicate_pages += result.duplicate;
    if (result.dropped) {
        e->counters.dropped_ranges++;
        warn(e, now, DM_WARNING_BALLOON_PAGES);
    }
}

/* What it may have available now: its last report may be a second old. */
static uint64_t available(const DmEngine *e)
{
    return e->status.available - MIN(e->status.available, e->txn.got);
}

static bool ran_dry(const DmEngine *e)
{
    return guest_kind(e) == DM_GUEST_LINUX &&
           dm_floor_ran_dry(counted(e, e->txn.got), available(e),
                            maybe_movable(e));
}

static void explain_dry(DmEngine *e)
{
    set_problem(e, (DmProblem) { .code = DM_PROBLEM_RAN_DRY,
                                 .pages = available(e),
                                 .of = RELIEF_PAGES });
}

/*
 * It is asked again if it gave much more than it gets back: what its caches
 * held may be free by then. Else it would only be run dry once more, for what
 * it was given and what little its kernel found meanwhile.
 */
static void stopped_dry(DmEngine *e, uint64_t now)
{
    explain_dry(e);
    e->relief = RELIEF_PAGES;
    if (e->txn.got > 2 * RELIEF_PAGES) {
        obstacle_for_now(e, DM_STATE_FLOOR, now);
    } else {
        obstacle_for_good(e, DM_STATE_FLOOR);
    }
}

static void balloon_done(DmEngine *e, uint64_t now)
{
    uint64_t missing = e->txn.asked - e->txn.got;

    TRACE(e, done, DM_REQUEST_BALLOON, e->txn.got, e->txn.asked);
    txn_end(e);
    if (missing < BALLOON_UNIT) {
        e->retry_delay = RETRY_MIN;
        return;
    }
    if (ran_dry(e)) {
        stopped_dry(e, now);
        return;
    }
    stop_for_now(e, DM_STATE_FLOOR,
                 (DmProblem) { .code = DM_PROBLEM_FLOOR, .pages = missing,
                               .of = e->txn.asked }, now);
}

static void balloon_response(DmEngine *e, const uint8_t *msg,
                             const DmHeader *header, uint64_t now)
{
    uint64_t before = e->txn.got;
    DmBalloonResponse response;
    uint32_t i;

    if (!dm_wire_balloon_response(msg, header->size, &response)) {
        e->counters.malformed++;
        warn(e, now, DM_WARNING_BALLOON_SIZE);
        return;
    }
    if (unexpected(e, DM_REQUEST_BALLOON, now)) {
        return;
    }
    discard_backlog(e);
    for (i = 0; i < response.ranges; i++) {
        take_range(e, dm_wire_range(msg, i), now);
    }
    tell_sticks(e);
    e->txn.late = false;
    e->txn.deadline = now + BALLOON_DEADLINE;
    e->txn.idle_responses = e->txn.got > before ? 0
                                                : e->txn.idle_responses + 1;
    if (!response.more) {
        balloon_done(e, now);
    } else if (e->txn.idle_responses >= MAX_IDLE_RESPONSES) {
        warn(e, now, DM_WARNING_BALLOON_IDLE);
        balloon_done(e, now);
    }
}

static void return_response(DmEngine *e, uint64_t now)
{
    unsigned i;

    if (unexpected(e, DM_REQUEST_RETURN, now)) {
        return;
    }
    for (i = 0; i < e->txn.n_ranges; i++) {
        dm_regions_returned(&e->regions, e->txn.ranges[i]);
    }
    TRACE(e, done, DM_REQUEST_RETURN, e->txn.asked, e->txn.asked);
    if (e->txn.late && e->obstacle == DM_STATE_FLOOR) {
        explain_dry(e);         /* the reason was that it is late */
    }
    txn_end(e);
}

/*
 * A guest that was given memory and answered too slowly to have onlined it:
 * Linux waits so long for each of its blocks, and says that it did either way.
 * An answer that is slower than that has other reasons and says nothing.
 */
static bool seems_onlined(const DmEngine *e, uint64_t pages, uint64_t now)
{
    uint64_t block = MAX(BLOCK_PAGES, alignment(e));
    uint64_t waits = (pages + block - 1) / block;

    return guest_kind(e) != DM_GUEST_LINUX ||
           now - e->txn.started < NOT_ONLINED_BLOCK * waits;
}

static bool is_late(const Txn *txn, uint64_t now)
{
    return txn->late || now >= txn->deadline;
}

static void judge_onlining(DmEngine *e, uint64_t pages, uint64_t now)
{
    if (is_late(&e->txn, now)) {
        return;
    }
    if (seems_onlined(e, pages, now)) {
        e->probed = true;
        return;
    }
    dm_regions_not_onlined(&e->regions,
                           (DmRange) { e->txn.add.range.first, pages });
    e->probed = false;
    stop(e, DM_STATE_NOT_ONLINED, not_onlined(pages));
}

/*
 * The same can be asked again, as it was, without harm, and is: now and then,
 * or once something has changed if the guest says "never".
 */
static void hot_add_refused(DmEngine *e, uint32_t result, uint64_t now)
{
    uint64_t page = e->txn.add.range.first;

    e->counters.refused++;
    e->elsewhere = dm_regions_postpone(&e->regions, &e->txn.add);
    e->probed = false;
    if (result) {
        stop(e, DM_STATE_REFUSED,
             (DmProblem) { .code = DM_PROBLEM_REFUSED_FOR_GOOD,
                           .page = page });
    } else {
        stop_for_now(e, DM_STATE_REFUSED,
                     (DmProblem) { .code = DM_PROBLEM_REFUSED, .page = page },
                     now);
    }
}

/* It took the first pages and not the rest: the rest is a barrier. */
static void hot_add_taken(DmEngine *e, uint64_t pages, uint64_t now)
{
    DmRange add = e->txn.add.range;

    dm_regions_added(&e->regions, (DmRange) { add.first, pages });
    if (pages < add.count) {
        e->counters.refused++;
        dm_regions_refused(&e->regions, &e->txn.add, pages);
    }
    e->elsewhere = e->regions.n_postponed > 0;
    e->retry_delay = RETRY_MIN;
    judge_onlining(e, pages, now);
}

static void hot_add_response(DmEngine *e, const uint8_t *msg,
                             const DmHeader *header, uint64_t now)
{
    DmHotAddResponse response;

    if (!dm_wire_hot_add_response(msg, header->size, &response)) {
        e->counters.malformed++;
        warn(e, now, DM_WARNING_HOT_ADD_SIZE);
        return;
    }
    if (unexpected(e, DM_REQUEST_HOT_ADD, now)) {
        return;
    }
    if (response.pages > e->txn.asked) {
        warn(e, now, DM_WARNING_HOT_ADD_SURPLUS);
        response.pages = e->txn.asked;
    }
    TRACE(e, done, DM_REQUEST_HOT_ADD, response.pages, e->txn.asked);
    if (response.pages) {
        hot_add_taken(e, response.pages, now);
    } else {
        hot_add_refused(e, response.result, now);
    }
    txn_end(e);
}

static void dispatch(DmEngine *e, const uint8_t *msg, const DmHeader *header,
                     uint64_t now)
{
    switch (header->type) {
    case DM_MSG_VERSION_REQUEST:
        version_request(e, msg, header, now);
        break;
    case DM_MSG_CAPABILITIES:
        capabilities(e, msg, header, now);
        break;
    case DM_MSG_STATUS:
        status_report(e, msg, header, now);
        break;
    case DM_MSG_BALLOON_RESPONSE:
        balloon_response(e, msg, header, now);
        break;
    case DM_MSG_UNBALLOON_RESPONSE:
        return_response(e, now);
        break;
    case DM_MSG_HOT_ADD_RESPONSE:
        hot_add_response(e, msg, header, now);
        break;
    default:
        e->counters.unexpected++;
        warn(e, now, DM_WARNING_TYPE);
    }
}

void dm_engine_receive(DmEngine *e, const void *msg, size_t len, uint64_t now)
{
    uint64_t began = work_begin(e);
    DmHeader header;

    e->heard += len;
    e->counters.messages_received++;
    if (e->stage == STAGE_CLOSED) {
        e->counters.unexpected++;
    } else if (!dm_wire_header(msg, len, &header)) {
        e->counters.malformed++;
        warn(e, now, DM_WARNING_HEADER);
    } else {
        TRACE(e, received, &header);
        dispatch(e, msg, &header, now);
        tell_actual(e);
    }
    work_end(e, began);
}

void dm_engine_writable(DmEngine *e, uint64_t now)
{
    flush(e, now);
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
    /* Nor is it known what it was told of sticks: leave them be. */
    dm_pageset_clear(e->discard);
    forget_driver(e);
    stop(e, DM_STATE_NEW_KERNEL,
         (DmProblem) { .code = DM_PROBLEM_NEW_KERNEL });
    tell_sticks(e);
}

static void same_kernel(DmEngine *e)
{
    if (e->had_caps) {
        dm_regions_new_driver(&e->regions, alignment(e));
    }
    e->elsewhere = false;
    /* A driver that was loaded anew reports nothing for 45 s. */
    e->status = (DmStatus) { 0 };
    e->relief = 0;
    clear_obstacle(e);
}

void dm_engine_channel_open(DmEngine *e, uint64_t guest_os_id,
                            bool is_new_kernel, uint64_t now)
{
    if (e->stage != STAGE_CLOSED) {
        dm_engine_channel_close(e, now);
    }
    is_new_kernel |= e->met && guest_os_id != e->guest_os_id;
    e->guest_os_id = guest_os_id;
    e->stage = STAGE_VERSION;
    e->settled = false;
    if (e->met) {
        e->counters.reconnects++;
    } else {
        e->met = true;
        e->quiet_until = now + (one_range_only(e) ? WINDOWS_QUIET : 0);
    }
    if (is_new_kernel) {
        new_kernel(e);
    } else if (!frozen(e)) {
        same_kernel(e);
    }
}

void dm_engine_channel_close(DmEngine *e, uint64_t now)
{
    (void)now;
    if (e->stage == STAGE_CLOSED) {
        return;
    }
    txn_abandon(e);
    e->stage = STAGE_CLOSED;
    e->waiting = false;
    e->version = 0;
}

void dm_engine_system_reset(DmEngine *e, uint64_t now)
{
    /* A reset answers every question: nothing stays in doubt. */
    e->txn.kind = DM_REQUEST_NONE;
    dm_engine_channel_close(e, now);
    e->counters.resets++;
    e->guest_os_id = 0;
    e->met = false;
    e->quiet_until = 0;
    forget_driver(e);
    clear_obstacle(e);
    dm_regions_reset(&e->regions, e->discard);
    e->settled = false;
    tell_sticks(e);
    tell_actual(e);
}

bool dm_engine_set_target(DmEngine *e, uint64_t pages, uint64_t now,
                          GError **error)
{
    if (!pages) {
        g_set_error_literal(error, DM_ERROR, DM_ERROR_NO_TARGET,
                            "a target of no pages");
        return false;
    }
    TRACE(e, target, pages);
    e->target = pages;
    e->settled = false;
    if (!frozen(e)) {
        clear_obstacle(e);
    }
    (void)now;
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
    if (!frozen(e)) {
        clear_obstacle(e);
    }
    return true;
}

bool dm_engine_may_unplug(const DmEngine *e, unsigned stick, GError **error)
{
    const DmStick *s = dm_regions_stick(&e->regions, stick);

    if (txn_touches(e, s->range)) {
        g_set_error_literal(error, DM_ERROR, DM_ERROR_IN_FLIGHT,
                            "a request for a part of the stick is out");
        return false;
    }
    if (e->obstacle == DM_STATE_NEW_KERNEL &&
        dm_pageset_count_in(e->regions.added, s->range.first,
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
    dm_pageset_remove(e->discard, range.first, range.count);
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
    e->discard = dm_pageset_new();
    e->target = e->reported = e->regions.boot_pages;
    e->settled = true;
    clear_obstacle(e);
    return e;
}

void dm_engine_free(DmEngine *e)
{
    if (e) {
        dm_regions_clear(&e->regions);
        dm_pageset_free(e->discard);
        g_free(e);
    }
}

static DmState txn_state(const DmEngine *e)
{
    static const DmState states[] = {
        [DM_REQUEST_BALLOON] = DM_STATE_BALLOONING,
        [DM_REQUEST_RETURN] = DM_STATE_RETURNING,
        [DM_REQUEST_HOT_ADD] = DM_STATE_ADDING,
    };

    return e->txn.late ? DM_STATE_LATE : states[e->txn.kind];
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
        return txn_state(e);
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
        .guest = guest_kind(e),
        .can_balloon = e->had_caps && e->caps.balloon,
        .can_hot_add = e->had_caps && e->caps.hot_add,
        .alignment = e->had_caps ? alignment(e) : 0,
        .state = current_state(e),
        .problem = e->problem,
        .target = e->target,
        .actual = dm_regions_actual(r),
        .boot = r->boot_pages,
        .capacity = dm_regions_capacity(r),
        .released = dm_pageset_count(r->released),
        .in_doubt = dm_regions_in_doubt(r),
        .offline = dm_pageset_count(r->offline),
        .ghosts = dm_pageset_count(r->ghosts),
        .ungranted = dm_regions_ungranted(r),
        .bytes = sizeof(*e) + dm_regions_bytes(r) +
                 dm_pageset_bytes(e->discard),
        .work = e->work,
        .counters = e->counters,
    };
}

bool dm_engine_is_released(const DmEngine *e, uint64_t first, uint64_t count)
{
    return dm_regions_is_released(&e->regions, (DmRange) { first, count });
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
        .state = dm_regions_stick_state(r, s),
        .range = s->range,
        .on_demand = s->on_demand,
        .added = dm_pageset_count_in(r->added, s->range.first,
                                     s->range.count),
        .released = dm_pageset_count_in(r->released, s->range.first,
                                        s->range.count),
    };
    return true;
}
