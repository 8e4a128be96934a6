/*
 * A simulated guest over the pure engine
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The guest does its own accounting, one byte a page, and knows nothing of the
 * engine's. Whatever the engine does is checked against it at once: a page that
 * is given to the guest is memory and was not the guest's before, a page that
 * is discarded is not the guest's, and a region is declared only once. A page
 * of a stick is populated before it is given, and not for longer than it has to
 * be. With sim_keep_contents() the memory has contents, too: what the guest
 * wrote must be there for as long as it has the page.
 *
 * A guest that sends invalid replies is accounted for in the same way: what it
 * claims to have released counts as released, so the same rules hold.
 *
 * Sizes are in 4 KiB pages, times in ms.
 */

#ifndef GUEST_SIM_H
#define GUEST_SIM_H

#include <glib.h>

#include "engine.h"

#define SIM_MIB UINT64_C(256)
#define SIM_GIB (1024 * SIM_MIB)
/* Boot memory above the PCI hole and sticks start here. */
#define SIM_4G (4 * SIM_GIB)

#define SIM_LINUX (UINT64_C(0x8100) << 48 | UINT64_C(0x060100) << 16)
#define SIM_WINDOWS (UINT64_C(0x0001) << 48 | 0x0a0000)

typedef enum SimPage {
    SIM_NONE,                   /* not this guest's */
    SIM_OWNED,
    SIM_RELEASED,               /* was the guest's, and it said it is not */
    SIM_OFFLINE,                /* hot-added, and never brought into use */
} SimPage;

typedef struct SimRegion {      /* as Linux keeps them */
    uint64_t start, end, covered_end;
} SimRegion;

typedef struct SimStick {
    bool plugged;
    DmRange range;
    DmStickState state;         /* as told by the engine */
} SimStick;

#define SIM_STICKS 16

/* A number below @bound: from a random generator, or from a fuzzer. */
typedef uint32_t SimPick(void *opaque, uint32_t bound);

/* The request that the guest has seen and not answered. */
typedef struct SimRequest {
    uint8_t type;               /* DmMessageType; 0: none */
    uint32_t asked;             /* pages, of a balloon request */
    GBytes *msg;
} SimRequest;

typedef struct Sim {
    DmEngine *engine;
    uint64_t now;

    /* The guest. May be changed between calls. */
    uint64_t os_id;
    bool can_balloon, can_hot_add;
    unsigned alignment;         /* 2^n MiB */
    uint64_t floor;             /* it keeps at least this */
    bool movable;               /* it onlines sticks so, and keeps them */
    bool mute;                  /* it replies to nothing */
    bool unheard;               /* it does what is asked, and nobody hears its
                                   replies */
    bool onlines;               /* a Linux that uses hot-added memory */
    bool refuse, refuse_for_good; /* hot-add */
    DmRange refuse_at;          /* hot-add of any page in there */
    uint64_t take_at_most;      /* of a hot-add; 0: all */
    unsigned unit;              /* pages in a run that it releases */
    bool big_ranges;            /* joins runs, as Windows does */
    bool scatter;               /* release from anywhere, not top down */
    bool ring_full;             /* the engine cannot send */
    bool cannot_map;            /* the host cannot populate memory */
    uint64_t map_at_most;       /* pages that it can populate; 0: all */
    uint64_t map_below;         /* no stick from there on; 0: all */
    uint64_t ns_per_mib;        /* to populate or discard */
    /* Takes discards in place of the checks: where a state comes from elsewhere
     * or the guest says anything, and the accounting here cannot follow. */
    void (*believe)(void *opaque, uint64_t first, uint64_t count);
    SimPick *pick;
    void *pick_opaque;

    uint8_t *pages;             /* SimPage */
    uint8_t *mapped;            /* the host has populated this page */
    uint64_t n_mapped;          /* of sticks */
    uint64_t n_pages;
    uint64_t owned, offline;
    uint64_t lost;              /* released while nobody listened */
    DmRange offer;              /* the hot-add that was not replied to */
    uint8_t *doubtful;          /* this page was offered when it disconnected */
    GArray *regions;            /* SimRegion */
    /* What is in memory, and what the guest wrote there; NULL: not kept. */
    uint32_t *memory, *wrote;
    uint32_t writes;
    GQueue inbox;               /* GBytes from the engine */
    SimRequest open;            /* for invalid replies */
    uint32_t counter;           /* its own trans_id */

    /* The machine. */
    DmRange boot[4];
    unsigned n_boot;
    uint64_t boot_pages, hole_pages;
    uint64_t stick_space;       /* where sim_step() plugs sticks */
    uint64_t stick_end;         /* no stick reaches beyond */
    SimStick sticks[SIM_STICKS];

    /* What the engine said. */
    bool connected;
    unsigned sent[16];          /* messages, by type */
    uint64_t last_balloon_asked;
    DmRange last_add;
    unsigned longest_unballoon; /* ranges in a message */
    uint64_t largest_unballoon; /* pages in a message */
    uint64_t discarded;         /* pages */
    unsigned n_discards;        /* calls */
    unsigned n_populates;       /* calls */
    uint64_t populated;         /* pages */
    uint64_t largest_piece;     /* pages in one of these calls */
    unsigned turns;             /* of the engine at a time, if it has more to
                                   do; 0: as many as it takes */
    uint64_t ns;                /* of the clock for statistics */
    DmError refused;            /* why, when it last refused plug or unplug */
    unsigned n_actual, n_status, n_warn, n_inuse, n_unused;
    uint64_t told_actual;
    DmStatus last_status;
} Sim;

/* A machine of @boot pages; those above 3 GiB start at 4 GiB. */
Sim *sim_new(uint64_t boot, DmProfile profile, uint64_t os_id);
/* The same, with @n_pages accounted for: nothing can be beyond. */
Sim *sim_new_of(uint64_t boot, uint64_t n_pages, DmProfile profile,
                uint64_t os_id);
/* 16 MiB and 96 MiB of space for sticks, blocks of 1 MiB: for many steps. */
Sim *sim_new_small(DmProfile profile, uint64_t os_id);
void sim_free(Sim *sim);

/* The driver connects and does its handshake, and all that follows happens. */
void sim_connect(Sim *sim);
void sim_open(Sim *sim, bool new_kernel);
void sim_close(Sim *sim);
/* Lets guest and engine talk until both are quiet. */
void sim_pump(Sim *sim);
/* Lets time pass, with what falls due in between. */
void sim_advance(Sim *sim, uint64_t ms);
/* Resets the machine; the guest does not connect by itself. */
void sim_reset(Sim *sim);
/* Another kernel takes over without a reset, and uses all that it finds. */
void sim_kexec(Sim *sim, uint64_t os_id);
/* The driver is removed and bound anew: the kernel's memory is as it was, the
 * driver's records are gone. */
void sim_rebind(Sim *sim);
/* Someone brings into use what was hot-added and is offline. */
void sim_online(Sim *sim);

/* From now on memory has contents. */
void sim_keep_contents(Sim *sim);
void sim_check_contents(const Sim *sim);

void sim_target(Sim *sim, uint64_t pages);
bool sim_plug(Sim *sim, unsigned id, uint64_t first, uint64_t count,
              bool on_demand);
/* Returns whether the engine agreed. */
bool sim_unplug(Sim *sim, unsigned id);

/* A message of the guest, as it is. */
void sim_say(Sim *sim, const void *msg, size_t len);
/* A balloon response that claims these ranges, and is accounted for. */
void sim_claim(Sim *sim, const DmRange *ranges, unsigned n, bool more);
void sim_hot_add_response(Sim *sim, uint32_t pages, uint32_t result);
void sim_unballoon_response(Sim *sim);
void sim_version_request(Sim *sim, uint32_t version, bool last);
void sim_capabilities(Sim *sim);
void sim_status(Sim *sim, uint64_t available);
void sim_status_of(Sim *sim, uint64_t available, uint64_t committed);
/* A status report as Linux makes it. */
void sim_report(Sim *sim);
/* Drops what the engine sent and the guest has not received. */
void sim_drop_inbox(Sim *sim);

/* A fresh engine over the same boot memory and sticks, of profile auto; and
 * the guest goes on with such a one, to which all state went. */
DmEngine *sim_destination(Sim *sim);
void sim_migrate(Sim *sim);

DmEngineInfo sim_info(const Sim *sim);
DmStickInfo sim_stick(const Sim *sim, unsigned id);

/* The engine's numbers must add up, whatever the guest does. */
void sim_check_accounts(const Sim *sim);
/* Of sticks only that is populated which the guest has or may have, or what
 * waits to be given or discarded. */
void sim_check_mapped(const Sim *sim);
/* And, for an honest guest at rest, agree with the guest's. */
void sim_check_honest(const Sim *sim);
/* The target is met within 2 MiB, or the engine says why not. */
void sim_check_target(const Sim *sim);

/*
 * A random step, of machine and operator (targets, sticks, resets, a full
 * ring) or of the guest, which replies honestly or sends anything.
 */
void sim_step(Sim *sim, bool honest);

#endif
