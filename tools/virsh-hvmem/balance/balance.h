/*
 * balance.h: how much memory each guest of a host shall have
 *
 * The balancer looks at all guests and at the host, and answers with a target
 * for each guest and why. It does nothing itself, remembers nothing, and knows
 * neither libvirt nor a guest: C11 and GLib only. Whoever calls it again with
 * what has become of its targets goes on where it was.
 *
 *     hvmemBalanceDecide(&host, guests, decisions, n, &summary);
 *
 * What may be relied on, whatever the input (tests/tools/unit/hvmem-balance-test.c):
 * - the sum of what guests hold, or may take because it was requested for them,
 *   is never raised above the budget: memory is given when it has been taken,
 *   and added in whole blocks. So what a guest uses counts up to the end of its
 *   block if it has to be added, a buffer only as far as the last block ends;
 * - the goal of a guest is neither below its minimum nor above its maximum;
 * - nor are those sums, with what a guest takes back that is rebooted or takes
 *   that may start, where the host has that kept
 *   (tests/tools/unit/hvmem-balance-reboot-test.c): buffers are cut for it, what
 *   guests use is not;
 * - nobody's demand is cut before all buffers are;
 * - more demand, or more weight, never makes a goal smaller, and the demand of
 *   others never brings a goal below the guest's own share by weight (the latter
 *   without what is kept for reboots, of which a guest that grows leaves less);
 * - the same demand has the same goals in the next round, until a block has been
 *   added: targets only approach them, from one side, and stay;
 * - a guest that is left alone keeps its target, and counts as what it holds.
 *
 * All sizes are in KiB.
 */

#pragma once

#include "share.h"

#define HVMEM_BALANCE_UNKNOWN G_MAXUINT64

/* Targets are multiples of this, or the minimum, the maximum, or what was requested before. */
#define HVMEM_BALANCE_GRANULE G_GUINT64_CONSTANT(2048)

/* What was requested is reached within this. */
#define HVMEM_BALANCE_NEAR G_GUINT64_CONSTANT(2048)

/* Can the guest be asked for something? */
typedef enum {
    HVMEM_BALANCE_READY,
    HVMEM_BALANCE_SILENT,       /* it has not told what it uses, or not lately */
    HVMEM_BALANCE_DISCONNECTED, /* its driver is not connected */
    HVMEM_BALANCE_REFUSED,      /* libvirt refused the last request, or the guest's driver takes none */
    HVMEM_BALANCE_FROZEN,       /* it does not answer */
    HVMEM_BALANCE_NOT_ONLINED,  /* it does not use what it is given */
    HVMEM_BALANCE_PAUSED,
    HVMEM_BALANCE_MIGRATING,
    HVMEM_BALANCE_HELD,         /* an administrator said so */
    HVMEM_BALANCE_BUSY,         /* libvirt does something else with it, and does not tell what it has */
    HVMEM_BALANCE_FIXED,        /* others could not have what it gives back */

    HVMEM_BALANCE_STATE_LAST
} hvmemBalanceState;

/* Memory is added in whole blocks: a guest has them all for a while, before it releases what is beyond the request. Zeros: any size can be added. */
typedef struct _hvmemBalanceBlocks hvmemBalanceBlocks;
struct _hvmemBalanceBlocks {
    guint64 added;              /* boot memory, and what was added to it, released or not; 0: not known */
    guint64 origin;             /* blocks are counted from here */
    guint64 size;
    guint64 most;               /* no more is added, whatever the block */
};

typedef struct _hvmemBalanceGuest hvmemBalanceGuest;
struct _hvmemBalanceGuest {
    guint64 minimum;
    guint64 maximum;            /* below @minimum: counts as @minimum */
    guint buffer;               /* percent of @demand */
    guint weight;               /* from 1 to HVMEM_SHARE_WEIGHT_MOST; beyond: the nearer of them */
    hvmemBalanceState state;

    guint64 demand;             /* what it uses, see hvmemBalanceDemand() */
    guint64 rise;               /* KiB a second by which that has grown just now; 0: it has not, or that is not known */
    guint64 actual;             /* what it has */
    guint64 requested;          /* what was requested last */
    guint64 taking;             /* of an earlier request it may still take so much; 0: it does not */
    hvmemBalanceBlocks blocks;
    guint64 boot;               /* what it has at once when it starts, and so when it is rebooted; 0: not known */
    guint64 rate;               /* KiB a second in which it approaches @requested; 0: it does not, or hardly, although it is not there;
                                   HVMEM_BALANCE_UNKNOWN: not known, or it is there; see hvmemPaceTake() */
};

/* How short of memory is the host itself? */
typedef enum {
    HVMEM_BALANCE_PRESSURE_NONE,
    HVMEM_BALANCE_PRESSURE_SOME, /* idle memory is taken at once */
    HVMEM_BALANCE_PRESSURE_FULL, /* and nobody has a buffer */
} hvmemBalancePressure;

typedef struct _hvmemBalanceHost hvmemBalanceHost;
struct _hvmemBalanceHost {
    guint64 budget;             /* what all guests together may hold */
    guint64 reserve;            /* of it, kept for guests that will start, whatever others use; but for their minimums */
    guint64 starts;             /* of it, to be kept for guests that may start, as far as others do not use it */
    guint64 used;               /* of it, held by guests that are not in the list */
    bool reboots;               /* is room to be kept for what guests take back that are rebooted? Not beside @reserve or @starts: it is for whichever comes first */
    hvmemBalancePressure pressure;
    double seconds;             /* since idle memory was last taken that nobody needs; 0: not now */
};

/* What bounds the goal? */
typedef enum {
    HVMEM_BALANCE_DEMAND,       /* nothing: demand and buffer */
    HVMEM_BALANCE_AT_MINIMUM,   /* demand and buffer are less */
    HVMEM_BALANCE_AT_MAXIMUM,   /* demand and buffer are more */
    HVMEM_BALANCE_BUFFER_CUT,   /* the budget: the guest has not its whole buffer */
    HVMEM_BALANCE_DEMAND_CUT,   /* the budget: the guest has less than its demand */
    HVMEM_BALANCE_LEFT_ALONE,   /* there is no goal: see the guest's state */
} hvmemBalanceBound;

/* What is done about it? */
typedef enum {
    HVMEM_BALANCE_STAY,         /* near enough */
    HVMEM_BALANCE_GROW,         /* as far as its goal */
    HVMEM_BALANCE_GROW_PART,    /* as far as there is room, the rest when others have given it back */
    HVMEM_BALANCE_WAIT,         /* there is no room yet */
    HVMEM_BALANCE_SHRINK,       /* by and by: nobody waits for what it does not need */
    HVMEM_BALANCE_TAKE,         /* at once: others need it, or the host does */
    HVMEM_BALANCE_STUCK,        /* does not give back what was requested of it: others cannot count on it */
} hvmemBalanceMove;

typedef struct _hvmemBalanceDecision hvmemBalanceDecision;
struct _hvmemBalanceDecision {
    guint64 target;             /* to be requested, if it is not what was requested before */
    guint64 goal;               /* where that leads as long as nothing else changes */
    guint64 need;               /* demand, and the little without which a guest is out of memory */
    guint64 wish;               /* demand and buffer, and what it will use before it can be given more if demand goes on to rise */
    hvmemBalanceBound bound;
    hvmemBalanceMove move;
};

typedef struct _hvmemBalanceSummary hvmemBalanceSummary;
struct _hvmemBalanceSummary {
    guint64 wish;               /* of all guests that are not left alone */
    guint64 need;
    guint64 pool;               /* what there is for them */
    guint64 held;               /* all guests: held, or requested and not yet there, before this decision */
    guint64 reserve;            /* what is kept of the reserve: all, or what the minimums leave */
    guint64 reboot;             /* of the budget, kept for starts and reboots beyond that when all have their goals */
    guint64 room;               /* of the budget without @reserve and @reboot, left after it */
    bool over;                  /* not even the minimums fit, with no reserve */
};

/*
 * What a guest that has @actual uses: @actual without @usable, what it could give to its programs. A guest that has nothing left may need more
 * than it has: nobody knows how much, so half as much again is assumed; or what its programs were promised, @committed, but no more than twice what
 * it has, for a promise is not yet a use. HVMEM_BALANCE_UNKNOWN if @usable is.
 */
guint64
hvmemBalanceDemand(guint64 actual,
                   guint64 usable,
                   guint64 committed);

/* The most that a guest has for a while if @size is requested of it. */
guint64
hvmemBalanceReach(const hvmemBalanceBlocks *blocks,
                  guint64 size);

/* What to reserve for guests that may start: for all of them, @sum, but no more than the @largest, or this part of the budget if that is more. */
#define HVMEM_BALANCE_RESERVE 32

guint64
hvmemBalanceReserve(guint64 budget,
                    guint64 sum,
                    guint64 largest);

void
hvmemBalanceDecide(const hvmemBalanceHost *host,
                   const hvmemBalanceGuest *guests,
                   hvmemBalanceDecision *decisions,
                   size_t n,
                   hvmemBalanceSummary *summary);
