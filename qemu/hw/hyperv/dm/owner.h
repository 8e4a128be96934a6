/*
 * Dynamic Memory engine: what its owner is told, and is called for
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Sizes and addresses are in 4 KiB pages. engine.h says what the owner calls.
 */

#ifndef DM_OWNER_H
#define DM_OWNER_H

#include <glib.h>

#include "facts.h"
#include "wire.h"

typedef struct DmEngine DmEngine;

typedef enum DmProfile {
    DM_PROFILE_AUTO,            /* linux if the guest OS id says so */
    DM_PROFILE_WINDOWS,
    DM_PROFILE_LINUX,
} DmProfile;

/* Counts since the engine was made. */
typedef struct DmCounters {
    uint64_t messages_sent;
    uint64_t messages_received;
    uint64_t malformed;         /* messages of a wrong size or shape */
    uint64_t unexpected;        /* out of turn, or replies to no request */
    uint64_t dropped_ranges;    /* released, with pages it did not have */
    uint64_t duplicate_pages;   /* released twice */
    uint64_t surplus_pages;     /* released beyond what was requested */
    uint64_t late;              /* deadlines missed */
    uint64_t refused;           /* hot-adds refused or cut short */
    uint64_t reconnects;
    uint64_t resets;
} DmCounters;

/* How long the engine worked, by the owner's clock; 0 without one. */
typedef struct DmWork {
    uint64_t calls;             /* of dm_engine_receive() and _run() */
    uint64_t ns;                /* all of them together */
    uint64_t longest_ns;        /* any one of them */
} DmWork;

typedef struct DmEngineInfo {
    bool connected;             /* handshake done, channel open */
    uint32_t version;           /* 0 before a handshake */
    DmGuest guest;
    bool can_balloon;
    bool can_hot_add;
    uint64_t alignment;         /* pages; 0 before a handshake */
    DmState state;
    DmProblem problem;          /* why the target is not met */
    uint64_t target;
    uint64_t actual;            /* boot + added - released - in doubt -
                                   offline */
    uint64_t boot;
    uint64_t capacity;          /* boot + all sticks */
    uint64_t released;
    uint64_t in_doubt;
    uint64_t offline;           /* taken by the guest, and not used */
    uint64_t ghosts;
    uint64_t ungranted;         /* plugged, never given to this guest */
    uint64_t populated;         /* for a request that was not made yet */
    size_t bytes;               /* of memory for the accounting: at most 1
                                   bit a page, a 16th of that, and 1 MiB */
    DmWork work;
    DmCounters counters;
} DmEngineInfo;

typedef struct DmStickInfo {
    DmStickState state;
    DmRange range;
    bool on_demand;
    uint64_t added;             /* pages that the guest was given */
    uint64_t released;          /* of those: pages that it does not have */
} DmStickInfo;

/*
 * What happens, as numbers: nothing is allocated or formatted, so an event
 * that nobody traces costs no more than a call. All members are set. That a
 * channel opens or closes, resets and sticks are for the owner to trace.
 */
typedef struct DmTraceOps {
    /* The header of a message; nothing of the body was checked yet. */
    void (*received)(void *opaque, const DmHeader *header);
    void (*sent)(void *opaque, const DmHeader *header);
    void (*version)(void *opaque, uint32_t version, bool last, bool accepted);
    void (*capabilities)(void *opaque, const DmCapabilities *caps);
    void (*target)(void *opaque, uint64_t pages);
    /* @pages in @ranges ranges, the first at @page. A balloon request names
     * no pages: it has no ranges. */
    void (*request)(void *opaque, DmRequest kind, uint64_t pages,
                    unsigned ranges, uint64_t page);
    /* The request for @of pages is done, and @pages of them were moved. */
    void (*done)(void *opaque, DmRequest kind, uint64_t pages, uint64_t of);
    void (*onlined)(void *opaque, uint64_t pages);
    void (*problem)(void *opaque, const DmProblem *problem);
    void (*warning)(void *opaque, DmWarning warning);
} DmTraceOps;

typedef struct DmEngineOps {
    /* Sends a message. False: no room; tried at dm_engine_writable(). */
    bool (*send)(void *opaque, const void *msg, size_t len);
    /*
     * Called for all that a request gives before it is made, piece by piece:
     * while the pieces are fast, they grow. False if the guest cannot have
     * these pages now: that is tried again later. May be NULL.
     */
    bool (*populate)(void *opaque, uint64_t first, uint64_t count);
    /* The guest does not have these pages: the host can. They may have been
     * populated for a request that was not made, and in pieces as well. */
    void (*discard)(void *opaque, uint64_t first, uint64_t count);
    void (*stick_state)(void *opaque, unsigned stick, DmStickState state);
    /* Each change; the owner decides how often to pass it on. */
    void (*actual_changed)(void *opaque, uint64_t actual);
    void (*status)(void *opaque, const DmStatus *status);
    /* The guest breaks the protocol. At most one in 10 s. */
    void (*warn)(void *opaque, DmWarning warning);
    const DmTraceOps *trace;    /* NULL: nothing is traced */
    /* ns of a clock that never stops, for DmWork and for how much is done at
     * once: without one, by size alone. May be NULL. */
    uint64_t (*clock)(void *opaque);
} DmEngineOps;

#endif
