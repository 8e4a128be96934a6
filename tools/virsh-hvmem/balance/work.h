/*
 * work.h: what the balancer works on, beside what it was told
 *
 * For balance.c, which says what a guest is asked for, and goals.c, which says where that leads.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "balance.h"

typedef struct _Guest Guest;
struct _Guest {
    const hvmemBalanceGuest *in;
    hvmemBalanceDecision *out;
    guint64 minimum;
    guint64 maximum;
    guint64 demand;
    guint64 actual;
    guint64 requested;
    guint64 taking;
    hvmemBalanceBlocks blocks;
    guint64 boot;
    guint64 fixed;              /* others cannot have this; 0: it is not fixed */
    bool active;                /* not left alone */
    bool stuck;                 /* shall shrink, and does not */
    bool cut;                   /* what it was to be given ended inside a block */
};

typedef struct _Work Work;
struct _Work {
    const hvmemBalanceHost *host;
    Guest *guests;
    hvmemShare *shares;
    size_t n;
    guint64 reserve;            /* what is kept of the host's */
    guint64 budget;             /* for all guests of the list */
};


typedef guint64 (*Size)(const Guest *guest);
typedef void (*Divide)(Work *work, guint64 size);


/* Of the budget, for the guests of the list: nobody is below its minimum for the reserve. */
void
hvmemWorkReadBudget(Work *work);

/* What is to be kept, beyond the reserve, for one that may start, or for guests of that @size that are rebooted: they have their boot memory again. */
guint64
hvmemWorkReserve(const Work *work,
                 Size size);

/* Where the guest is when all have their goals. */
guint64
hvmemWorkSettled(const Guest *guest);

/* Divides @most, or as much less as leaves what is to be kept for starts and reboots, but no less than @need. */
void
hvmemWorkDivideKeeping(Work *work,
                       guint64 most,
                       guint64 need,
                       Divide divide,
                       Size size);

/* Less than a granule is not taken of anyone, and a block does not fit if only so much is missing: so much more is to be taken in all. */
guint64
hvmemWorkUntaken(const Work *work);

void
hvmemWorkFindGoals(Work *work);


static inline guint64
sane(guint64 size)
{
    return MIN(size, HVMEM_SHARE_MOST);
}


static inline guint64
reach(const Guest *guest,
      guint64 size)
{
    return hvmemBalanceReach(&guest->blocks, size);
}


/* The most that it never has more than if that is requested, of @size. */
static inline guint64
wholeBlocks(const Guest *guest,
            guint64 size)
{
    const hvmemBalanceBlocks *blocks = &guest->blocks;

    if (reach(guest, size) <= size)
        return size;
    return MAX(size - hvmemShareSub(size, blocks->origin) % blocks->size, blocks->added);
}


/* What the guest has or may take. */
static inline guint64
held(const Guest *guest)
{
    return MAX(MAX(guest->actual, guest->taking), reach(guest, guest->requested));
}


/* The most that it can have once its target has been requested: that request may fail, and before it arrives the guest may take what it had. */
static inline guint64
heldThen(const Guest *guest)
{
    return MAX(held(guest), sane(guest->out->target));
}


/* Ditto with the whole of the last block that it is added for that. */
static inline guint64
heldWhole(const Guest *guest)
{
    return MAX(held(guest), reach(guest, guest->out->target));
}


/* Within its bounds. */
static inline guint64
needOf(const Guest *guest)
{
    return CLAMP(guest->out->need, guest->minimum, guest->maximum);
}


static inline guint
weight(const Guest *guest)
{
    return CLAMP(guest->in->weight, 1, HVMEM_SHARE_WEIGHT_MOST);
}


static inline guint64
sumOf(const Work *work,
      Size size)
{
    guint64 sum = 0;
    size_t i;

    for (i = 0; i < work->n; i++)
        sum = hvmemShareAdd(sum, size(work->guests + i));
    return sum;
}
