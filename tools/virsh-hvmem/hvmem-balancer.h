/*
 * hvmem-balancer.h: from what libvirt reports of all domains to the balancer's decision
 *
 * What it remembers from one decision to the next only makes decisions better, and is gone when the program ends: how fast guests have followed,
 * whose demand rises, and whom libvirt has just refused something.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "hvmem-domain.h"
#include "hvmem-pressure.h"
#include "growth.h"
#include "pace.h"
#include "usage.h"

/* What does the maximum of a guest follow from? */
typedef enum {
    HVMEM_BALANCED_SET,         /* its settings, or <maxMemory> */
    HVMEM_BALANCED_NO_SLOT,     /* there is none for one more stick */
    HVMEM_BALANCED_NO_SPACE,    /* there are no addresses for one that is larger */
    HVMEM_BALANCED_TAKES,       /* it does not take more */
} hvmemBalancedLimit;

typedef struct _hvmemBalanced hvmemBalanced;
struct _hvmemBalanced {
    hvmemDomain *dom;
    hvmemAuto settings;
    char *xml;                  /* that both were read from */
    guint64 saved;              /* bytes that a saved state of it takes when it comes back; 0: there is none */
    guint64 rss;                /* bytes of the host that its process held when that was last told; 0: it has not been */

    /* the last decision's */
    hvmemBalanceGuest in;
    hvmemBalanceDecision out;
    hvmemBalancedLimit limit;   /* of in.maximum */

    /* from the one before */
    hvmemPace pace;
    hvmemUsage usage;
    hvmemGrowth growth;
    guint64 taking;             /* KiB: see hvmemBalanceGuest */
    guint64 asked;              /* KiB: what was last requested of it by us, or before us; 0: not seen yet */
    bool foreign;               /* somebody else has requested something since */
    double refused;             /* when libvirt refused a request; negative: it has not */
    bool migrating;             /* then */
    char *named;                /* what was last said about it, so that it is said once */
    char *refusal;              /* the same of libvirt's refusals, without numbers */
    double failed;              /* when that was last so */
    double foreignNamed;        /* when a request of somebody else was last named; 0: never */
};

typedef struct _hvmemBalancer hvmemBalancer;
struct _hvmemBalancer {
    /* set by the caller; bytes */
    guint64 budget;             /* 0: what the host has */
    guint64 reserve;            /* HVMEM_UNKNOWN: for the domains that may start or be rebooted */

    GHashTable *domains;        /* by UUID: hvmemBalanced */
    GPtrArray *active;          /* of these, those the last decision was about, sorted by name */
    hvmemPressure before;
    hvmemSteady steady;
    double last;                /* when the last decision was made; negative: there was none */
    double idle;                /* when idle memory was last taken that nobody needs */
    hvmemBalanceHost host;      /* of the last decision */
    hvmemBalanceSummary summary;
};

/* How often idle memory is taken that nobody needs, in seconds. */
#define HVMEM_BALANCER_IDLE 30.0

hvmemBalancer *
hvmemBalancerNew(void);

void
hvmemBalancerFree(hvmemBalancer *balancer);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(hvmemBalancer, hvmemBalancerFree);

/* Adds a domain, or replaces what is known of it, from its @xml. Nothing is done if that is what it was: reading it takes most of the time. */
bool
hvmemBalancerRead(hvmemBalancer *balancer,
                  const char *name,
                  const char *uuid,
                  bool active,
                  const char *xml,
                  GError **error);

/* The same with what was read. Takes @dom, which has a UUID. */
hvmemBalanced *
hvmemBalancerPut(hvmemBalancer *balancer,
                 hvmemDomain *dom,
                 const hvmemAuto *settings);

/* What the domain, which is shut off, starts with next is a saved state with this @xml; NULL: it is not. */
void
hvmemBalancedSaved(hvmemBalanced *guest,
                   const char *xml);

/* Libvirt tells of the running guest with this @id; 0: not known. False if it has been started again since the last look: nothing is known of it then. */
bool
hvmemBalancedMeet(hvmemBalanced *guest,
                  unsigned int id);

/* The connection was lost, and others may have moved guests since, or started them: an id may be another's by now. */
void
hvmemBalancerLost(hvmemBalancer *balancer);

/* NULL: there is none. */
hvmemBalanced *
hvmemBalancerGet(const hvmemBalancer *balancer,
                 const char *uuid);

/* Takes a domain's statistics (STATE and BALLOON). What they do not tell is not known. */
void
hvmemBalancedTake(hvmemBalanced *guest,
                  const virTypedParameter *params,
                  int nparams);

/* Forgets all domains that are not in @uuids, a set. */
void
hvmemBalancerKeep(hvmemBalancer *balancer,
                  GHashTable *uuids);

/* Decides, @now in seconds on a clock that does not jump. False if no budget is known. */
bool
hvmemBalancerDecide(hvmemBalancer *balancer,
                    const hvmemPressure *pressure,
                    double now,
                    GError **error);

/* Does @reserve leave anything of @budget, both as above, and of what guests may have by the last decision? If not, the error names both; it is of
 * HVMEM_EXIT_USAGE if that can never be otherwise. */
bool
hvmemBalancerCheckReserve(const hvmemBalancer *balancer,
                          guint64 budget,
                          guint64 reserve,
                          GError **error);

/* Takes the settings of @xml, the domain's definition now; NULL: there is none. If they are not those of the decision, or somebody has requested
 * another size since, nothing is requested of it. */
void
hvmemBalancedRefresh(hvmemBalanced *guest,
                     const char *xml);

/* The target was requested. */
void
hvmemBalancedAsked(hvmemBalanced *guest);

/* Libvirt has refused a request, @now, and says why. False if that has been said since the guest was last well; numbers in it may be others. */
bool
hvmemBalancedRefused(hvmemBalanced *guest,
                     const char *message,
                     double now);

/* It is well, and what it fails with next is said again. */
void
hvmemBalancedWell(hvmemBalanced *guest);

/* Has it not taken what was requested lately? It may be asked for more again, and fail again. */
bool
hvmemBalancedGaveUp(const hvmemBalanced *guest);

/* Is a request to be sent? */
bool
hvmemBalancedMoves(const hvmemBalanced *guest);
