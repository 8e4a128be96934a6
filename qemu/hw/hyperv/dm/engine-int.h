/*
 * Dynamic Memory engine: its state, and what its files share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A field that is added here belongs into the saved state (see state.c), unless
 * it is about this host alone: how fast it is, what it has mapped.
 */

#ifndef DM_ENGINE_INT_H
#define DM_ENGINE_INT_H

#include "owner.h"
#include "regions.h"

#define NEVER UINT64_MAX
#define SECONDS(n) ((uint64_t)(n) * 1000)
#define MIB_PAGES(n) ((uint64_t)(n) << (20 - DM_PAGE_SHIFT))

/* Old Linux kernels warn about requests that are not whole 2 MiB. */
#define BALLOON_UNIT MIB_PAGES(2)
/* The smallest block in which Linux onlines memory. */
#define BLOCK_PAGES MIB_PAGES(128)
/* The first pause before something is tried again. */
#define RETRY_MIN SECONDS(5)

/* The most that Windows gives in one request; a whole number of units. */
#define MAX_BALLOON_PAGES 585728
/* Linux frees all that a request returns in its interrupt handler, without a
 * pause: with much more a processor would hang. 1 GiB. */
#define MAX_RETURN_PAGES 262144
/* The smallest piece that is populated or discarded at a time, if that much
 * is there in one run, and what the ends of pieces are multiples of. */
#define PIECE_MIN MIB_PAGES(2)
/* What a guest gets back whose kernel ran dry. 128 MiB. */
#define RELIEF_PAGES 32768

typedef enum Stage {
    STAGE_CLOSED,
    STAGE_VERSION,
    STAGE_CAPABILITIES,
    STAGE_READY,
} Stage;

/* The one request that is outstanding. */
typedef struct Txn {
    DmRequest kind;
    bool sent;                  /* the guest may have seen it */
    bool late;
    bool excused;               /* if it is slow. Not in the saved state. */
    uint64_t started;           /* ms */
    uint64_t deadline;          /* ms */
    uint64_t asked;             /* pages requested */
    uint64_t claimed;           /* pages that the guest says it released */
    uint64_t got;               /* those of them that it had */
    unsigned idle_responses;
    DmHotAdd add;
    unsigned n_ranges;
    DmRange ranges[DM_MAX_SEND_RANGES];
} Txn;

struct DmEngine {
    DmRegions regions;
    DmEngineOps ops;
    void *opaque;
    DmProfile profile;

    Stage stage;
    uint32_t version;
    uint32_t trans_id;
    uint64_t guest_os_id;
    bool had_caps;              /* this kernel has reported caps */
    DmCapabilities caps;
    bool met;                   /* a driver has connected since the reset */
    uint64_t quiet_until;       /* ms */

    uint8_t out[DM_MAX_SEND];
    size_t out_len;             /* bytes that wait for room */
    Txn txn;

    uint64_t target;
    PageSet *discard;           /* pages that the guest does not have */

    /* The host's side of that: see populate.c. Not in the saved state. */
    DmRequest preparing;        /* which kind, as long as it is not made */
    PageSet *populated;         /* pages that no request has named yet */
    uint64_t turn_end;          /* ns */
    uint64_t populate_piece;    /* pages at a time */
    uint64_t discard_piece;

    /* Why the target is not pursued, though a driver is connected. */
    DmState obstacle;           /* DM_STATE_IDLE: nothing */
    DmProblem problem;          /* but for that of a request that is late */
    uint64_t retry_at;          /* ms; NEVER: once something changes */
    uint64_t retry_delay;
    bool probed;                /* it has onlined what it was given */
    bool elsewhere;             /* a place was refused twice: try others */
    bool answered;              /* this kernel has replied to a request */
    uint64_t relief;            /* pages to return, because it ran dry */
    bool growth_held;           /* by the owner; not in the saved state */
    uint64_t discard_from;      /* where dm_engine_discard_released() is */
    DmStatus status;            /* the last report of this driver */

    size_t heard;               /* bytes received since the last run */
    DmWork work;

    bool waiting;               /* until quiet_until */
    bool settled;               /* there was a run since the last change */
    uint64_t reported;          /* actual, as last told to the owner */
    uint64_t next_warning;
    DmCounters counters;
};

/* The arguments are evaluated only if somebody may be tracing. */
#define TRACE(e, event, ...) \
    do { \
        if ((e)->ops.trace) { \
            (e)->ops.trace->event((e)->opaque, __VA_ARGS__); \
        } \
    } while (0)

/* ---- engine-base.c: what all of these stand on ---- */

uint64_t dm_work_begin(const DmEngine *e);
void dm_work_end(DmEngine *e, uint64_t began);
void dm_turn_begin(DmEngine *e);
/* Has this turn taken its time? */
bool dm_turn_is_over(const DmEngine *e);
/* The first piece of @range, of about @pages: at least PIECE_MIN. */
DmRange dm_piece(DmRange range, uint64_t pages);
/* A piece of @pages took @ns: @piece is how large the next one may be. */
void dm_piece_took(uint64_t *piece, uint64_t pages, uint64_t ns);
DmStickState dm_stick_state(const DmEngine *e, const DmStick *stick);
void dm_tell_sticks(DmEngine *e);
void dm_tell_actual(DmEngine *e);
DmGuest dm_guest_kind(const DmEngine *e);
bool dm_one_range_only(const DmEngine *e);
/* Of hot-add; only once the guest has reported its capabilities. */
uint64_t dm_alignment(const DmEngine *e);
/* Has the guest fragmented the accounting so much that it gets no more? */
bool dm_accounting_is_full(const DmEngine *e);
/* Is what the guest has released its own driver's, or may another kernel run? */
bool dm_may_discard(const DmEngine *e);
/* Is something to be discarded, now? */
bool dm_discard_is_due(const DmEngine *e);
/* Discards what one run may. True if there is more to discard. */
bool dm_discard_some(DmEngine *e);
void dm_discard_backlog(DmEngine *e);

/* ---- obstacle.c: what stands in the way of the target ---- */

/* A guest may break the protocol a million times: one warning in a while. */
void dm_warn(DmEngine *e, uint64_t now, DmWarning warning);
void dm_problem_set(DmEngine *e, DmProblem problem);
void dm_problem_clear(DmEngine *e);
void dm_obstacle_clear(DmEngine *e);
void dm_obstacle_clear_retry(DmEngine *e);
/* For a while, which is longer each time; or until something changes. */
void dm_obstacle_for_now(DmEngine *e, DmState state, DmProblem problem,
                         uint64_t now);
void dm_obstacle_for_good(DmEngine *e, DmState state, DmProblem problem);
/* Is there something that only a reset clears? */
bool dm_frozen(const DmEngine *e);
/* May the target be pursued? If so, there is no obstacle any more. */
bool dm_obstacle_passed(DmEngine *e, uint64_t now);

/* ---- populate.c: what is populated before a request names it ---- */

typedef enum Populated {
    POPULATED_ALL,
    POPULATED_NOT_YET,          /* the next turn goes on */
    POPULATED_REFUSED,          /* the owner's populate() failed */
} Populated;

/* Populates @ranges for a request of @kind, as far as this turn has time, and
 * unpopulates all else that is populated for a request. */
Populated dm_populate(DmEngine *e, DmRequest kind, const DmRange *ranges,
                      unsigned n);
/* What is populated for a request is to be discarded. */
void dm_unpopulate(DmEngine *e);
/* Ditto of sticks; boot memory is the guest's, after a reset. */
void dm_unpopulate_sticks(DmEngine *e);
/* @range was populated for a request that the guest has not seen. */
void dm_populated_for_nothing(DmEngine *e, DmRange range);
/* Another kernel may use what is to be discarded: not before a reset. */
void dm_keep_populated(DmEngine *e);

/* ---- request.c: the one request that is outstanding ---- */

/* What came of an attempt to make a request. */
typedef enum Started {
    STARTED,
    STARTED_NOTHING,            /* there is no page to request it for */
    STARTED_NOT_YET,            /* its memory is being populated */
    STARTED_NOT_POPULATED,      /* the owner's populate() failed */
} Started;

/* Sends the message in e->out, if there is room; it stays there if not. */
void dm_flush(DmEngine *e, uint64_t now);
void dm_post(DmEngine *e, size_t len, uint64_t now);
void dm_request_balloon(DmEngine *e, uint64_t pages, uint64_t now);
Started dm_request_return(DmEngine *e, uint64_t pages, uint64_t now);
Started dm_request_hot_add(DmEngine *e, uint64_t pages, uint64_t now);
/* A response to a balloon request: it is not late, whatever follows. */
void dm_request_continues(DmEngine *e, uint64_t now);
void dm_request_end(DmEngine *e);
/* The channel is closed: what was requested is in doubt. */
void dm_request_abandon(DmEngine *e);
/* The first range from page @from on that the outstanding request gives the
 * guest, whole even if it begins below; { NEVER, 0 } if there is none. */
DmRange dm_request_next_given(const DmEngine *e, uint64_t from);
/* Would it give the guest a page of @range? */
bool dm_request_touches(const DmEngine *e, DmRange range);
void dm_request_notice_deadline(DmEngine *e, uint64_t now);
/* The problem while the request is late, whatever else is one. */
DmProblem dm_late_problem(const DmEngine *e);

/* ---- pursue.c: what to request next ---- */

/* Makes the request that brings the guest nearer to its target, if any can. */
void dm_pursue(DmEngine *e, uint64_t now);
DmProblem dm_not_onlined(uint64_t pages);

/* Does what is to be done wait for the end of a hold? No time makes it due. */
bool dm_growth_waits(const DmEngine *e);

/* ---- relief.c: a Linux guest whose kernel ran dry ---- */

/* Returns what a dry kernel needs, if it does. True: a request was made, or is
 * being prepared. */
bool dm_relieve(DmEngine *e, uint64_t now);
/* Did the guest that released less than was requested run dry? */
bool dm_ran_dry(const DmEngine *e);
void dm_stopped_dry(DmEngine *e, uint64_t now);
/* Does this report say that a guest that ran dry can be asked again? */
void dm_relief_check_report(DmEngine *e, const DmStatus *status, uint64_t now);

/* ---- reply.c: what the guest replies to a request ---- */

void dm_balloon_response(DmEngine *e, const uint8_t *msg,
                         const DmHeader *header, uint64_t now);
void dm_return_response(DmEngine *e, uint64_t now);
void dm_hot_add_response(DmEngine *e, const uint8_t *msg,
                         const DmHeader *header, uint64_t now);

#endif
