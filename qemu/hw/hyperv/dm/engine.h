/*
 * Dynamic Memory engine: what to say to the guest, and what it owns
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pure C + GLib: no QEMU header, no clock, no thread. The caller passes the
 * time (ms of a monotonic clock) into every entry point, serialises the
 * calls, and is called back through DmEngineOps, only from within an entry
 * point. A callback may query the engine and must not change it.
 *
 * Sizes and addresses are in 4 KiB pages throughout. Whatever comes through
 * dm_engine_receive() is untrusted; everything else is the caller's and may
 * be asserted on.
 */

#ifndef DM_ENGINE_H
#define DM_ENGINE_H

#include <glib.h>

#include "facts.h"
#include "wire.h"

typedef struct DmEngine DmEngine;

typedef enum DmProfile {
    DM_PROFILE_AUTO,            /* linux if the guest OS id says so */
    DM_PROFILE_WINDOWS,
    DM_PROFILE_LINUX,
} DmProfile;

/* Counts since the engine was made; names as in query-hv-balloon. */
typedef struct DmCounters {
    uint64_t messages_sent;
    uint64_t messages_received;
    uint64_t malformed;         /* size or shape wrong */
    uint64_t unexpected;        /* nothing outstanding that it answers */
    uint64_t dropped_ranges;    /* outside what the guest owns */
    uint64_t duplicate_pages;   /* released twice */
    uint64_t surplus_pages;     /* released beyond what was asked */
    uint64_t late;              /* deadlines missed */
    uint64_t refused;           /* hot-adds refused or cut short */
    uint64_t reconnects;
    uint64_t resets;
} DmCounters;

/* What the engine's work took, by the owner's clock; 0 without one. */
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
    size_t bytes;               /* held for all this: at most 1 bit a page,
                                   a 16th of that, and 1 MiB */
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
 * What happens, as numbers: nothing is allocated or formatted for it, so
 * whoever does not look pays for a call and no more. All of them are set.
 * Channels that open or close, resets and sticks are the owner's to trace.
 */
typedef struct DmTraceOps {
    /* A message as it came or went, before anything of its body is known. */
    void (*received)(void *opaque, const DmHeader *header);
    void (*sent)(void *opaque, const DmHeader *header);
    void (*version)(void *opaque, uint32_t version, bool last, bool accepted);
    void (*capabilities)(void *opaque, const DmCapabilities *caps);
    void (*target)(void *opaque, uint64_t pages);
    /* @pages in @ranges, the first of which begins at @page. A balloon request
     * names no pages: it has no ranges. */
    void (*request)(void *opaque, DmRequest kind, uint64_t pages,
                    unsigned ranges, uint64_t page);
    /* The request of @of pages is over, and @pages changed hands. */
    void (*done)(void *opaque, DmRequest kind, uint64_t pages, uint64_t of);
    void (*onlined)(void *opaque, uint64_t pages);
    void (*problem)(void *opaque, const DmProblem *problem);
    void (*warning)(void *opaque, DmWarning warning);
} DmTraceOps;

typedef struct DmEngineOps {
    /* Queue a message; false: no room now, try at dm_engine_writable(). */
    bool (*send)(void *opaque, const void *msg, size_t len);
    /*
     * Before the guest is given these ranges: false if that cannot be, and
     * then it is tried again later. May be NULL.
     */
    bool (*populate)(void *opaque, const DmRange *ranges, unsigned n);
    /* The guest does not have these pages: their memory can go. */
    void (*discard)(void *opaque, uint64_t first, uint64_t count);
    void (*stick_state)(void *opaque, unsigned stick, DmStickState state);
    /* With each answer of the guest that changed it, and whatever else did:
     * how often that is worth telling is the owner's business. */
    void (*actual_changed)(void *opaque, uint64_t actual);
    void (*status)(void *opaque, const DmStatus *status);
    /* Rate limited: something that an operator may want to know. */
    void (*warn)(void *opaque, DmWarning warning);
    const DmTraceOps *trace;    /* NULL: nothing is traced */
    /* ns of a clock that runs always, for the statistics. May be NULL. */
    uint64_t (*clock)(void *opaque);
} DmEngineOps;

/*
 * The windows of boot memory that the guest may release from, ascending; the
 * size of all boot memory, holes for ROM included; the profile to go by.
 */
DmEngine *dm_engine_new(const DmRange *boot, unsigned n_boot,
                        uint64_t boot_pages, DmProfile profile,
                        const DmEngineOps *ops, void *opaque);
void dm_engine_free(DmEngine *engine);

/* The channel to the guest's driver opened: @guest_os_id is the MSR's value
 * now; @new_kernel: it was cleared or rewritten since the last time without
 * a system reset between. */
void dm_engine_channel_open(DmEngine *engine, uint64_t guest_os_id,
                            bool new_kernel, uint64_t now);
void dm_engine_channel_close(DmEngine *engine);

/* One message of the guest. */
void dm_engine_receive(DmEngine *engine, const void *msg, size_t len,
                       uint64_t now);
/*
 * Should the next message wait until dm_engine_run() was called? So that what
 * is done between two calls of it, and what is left for it, is bounded.
 */
bool dm_engine_throttled(const DmEngine *engine);
/* There may be room again to send. */
void dm_engine_writable(DmEngine *engine, uint64_t now);

/*
 * Does what is due: sends the next request, notices a deadline, discards.
 * To be called after every other entry point (from a bottom half, say) and
 * when dm_engine_deadline() has come. True: there is more to do at once; the
 * work of one call is bounded.
 */
bool dm_engine_run(DmEngine *engine, uint64_t now);
/* When dm_engine_run() is wanted without anything happening; UINT64_MAX:
 * never. */
uint64_t dm_engine_deadline(const DmEngine *engine);

/* Zero is an error, and so is nothing else: what cannot be met shows as
 * state. */
bool dm_engine_set_target(DmEngine *engine, uint64_t pages, GError **error);

/* A stick at @range; its number is the caller's. @on_demand false: the
 * target grows by its size. */
bool dm_engine_plug(DmEngine *engine, unsigned stick, DmRange range,
                    bool on_demand, GError **error);
/* May this stick go? The error says why not. */
bool dm_engine_may_unplug(const DmEngine *engine, unsigned stick,
                          GError **error);
/* Only after dm_engine_may_unplug() said yes. */
void dm_engine_unplug(DmEngine *engine, unsigned stick);

/* The machine was reset: the guest has its boot memory and nothing else. */
void dm_engine_system_reset(DmEngine *engine);

void dm_engine_query(const DmEngine *engine, DmEngineInfo *info);
/* Does the guest have none of these pages? For callbacks too. */
bool dm_engine_is_released(const DmEngine *engine, uint64_t first,
                           uint64_t count);
bool dm_engine_query_stick(const DmEngine *engine, unsigned stick,
                           DmStickInfo *info);

#endif
