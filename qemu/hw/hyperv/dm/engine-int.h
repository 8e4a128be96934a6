/*
 * Dynamic Memory engine: its state, for engine.c and state.c alone
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A field that is added here travels in a migration: see state.c.
 */

#ifndef DM_ENGINE_INT_H
#define DM_ENGINE_INT_H

#include "engine.h"
#include "regions.h"

#define NEVER UINT64_MAX

/* The most that Windows gives in one request; a whole number of units. */
#define MAX_BALLOON_PAGES 585728
/* Linux frees what one request gives back without a pause, in the handler of
 * its interrupt: much more would be a processor that hangs. 1 GiB. */
#define MAX_RETURN_PAGES 262144
/* What a guest is given back whose kernel ran dry. 128 MiB. */
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
    uint64_t started;           /* ms */
    uint64_t deadline;          /* ms */
    uint64_t asked;             /* pages */
    uint64_t claimed;           /* pages that the guest says it released */
    uint64_t got;               /* pages of those that it really had */
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
    bool had_caps;              /* caps are of this kernel, since its boot */
    DmCapabilities caps;
    bool met;                   /* a driver connected since the reset */
    uint64_t quiet_until;       /* ms */

    uint8_t out[DM_MAX_SEND];
    size_t out_len;             /* bytes that wait for room */
    Txn txn;

    uint64_t target;
    DmPageSet *discard;         /* of released, and of reset sticks */

    /* Why the target is not pursued, beyond what the stage says. */
    DmState obstacle;           /* DM_STATE_IDLE: nothing */
    DmProblem problem;
    uint64_t retry_at;          /* ms; NEVER: not before something changes */
    uint64_t retry_delay;
    bool probed;                /* it took and onlined what it was given */
    bool elsewhere;             /* a hot-add was refused twice: try others */
    bool answered;              /* this kernel answers requests */
    uint64_t relief;            /* pages to give back, for it ran dry */
    DmStatus status;            /* the last one, of this kernel */

    size_t heard;               /* bytes of messages since the last run */
    DmWork work;

    bool waiting;               /* for the end of the quiet time */
    bool settled;
    uint64_t reported;          /* the actual last told */
    uint64_t next_warning;
    DmCounters counters;
};

#endif
