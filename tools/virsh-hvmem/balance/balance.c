/*
 * balance.c: how much memory each guest of a host shall have
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "work.h"

#include <math.h>

/* A guest with less than this part of its memory left is out of memory: what it would use if it had more cannot be seen. */
#define TIGHT 32

/* So this part of the demand is added to it before it counts as satisfied, which is enough not to be TIGHT. */
#define MARGIN 16

/* What a guest that is out of memory is assumed to use: this many halves of what it has. */
#define TIGHT_HALVES 3

/* Demand that rises is expected to do so for so long: until it is looked at again, and memory has arrived. Half the buffer is there for that. */
#define RISE_SECONDS 3

/* A guest grows once this part of its buffer is gone, and gives more than its goal only beyond as much: else it would be asked for each page that it
 * uses, or no longer does. */
#define SLACK 3

/* A guest keeps this part of its goal, and at least DEAD_LEAST, beyond it, as long as nobody else needs it. */
#define DEAD 4
#define DEAD_LEAST (64 * 1024)

/* What is beyond that is taken within about this time, in steps that are worth a request. */
#define IDLE_SECONDS 1800.0
#define STEP_LEAST (64 * 1024)

/* This part of the budget is kept free for guests that grow at once, as long as there is idle memory that it can be taken from. */
#define HEADROOM 32

/* What guests give back within so many seconds is on its way: nobody else has to give it. */
#define ARRIVING_SECONDS 3


guint64
hvmemBalanceDemand(guint64 actual,
                   guint64 usable,
                   guint64 committed)
{
    if (usable == HVMEM_BALANCE_UNKNOWN)
        return HVMEM_BALANCE_UNKNOWN;

    actual = sane(actual);
    if (usable >= actual / TIGHT)
        return hvmemShareSub(actual, usable);
    if (committed == HVMEM_BALANCE_UNKNOWN)
        committed = 0;
    return sane(CLAMP(committed, actual / 2 * TIGHT_HALVES, actual * 2));
}


static guint64
percent(guint64 size,
        guint part)
{
    return size / 100 * part + size % 100 * part / 100;
}


/* Beyond the demand: the buffer, and what that does not suffice for if demand goes on to rise. */
static guint64
extra(const Work *work,
      const Guest *guest)
{
    guint64 buffer = percent(guest->demand, MIN(guest->in->buffer, 1000));
    guint64 rise = sane(guest->in->rise) * RISE_SECONDS;

    if (work->host->pressure == HVMEM_BALANCE_PRESSURE_FULL)
        return 0;
    return buffer + hvmemShareSub(rise, buffer / 2);
}


static void
readBlocks(Guest *guest)
{
    const hvmemBalanceBlocks *in = &guest->in->blocks;

    guest->blocks = (hvmemBalanceBlocks) { .added = in->added > 0 ? MAX(sane(in->added), guest->actual) : 0, .size = sane(in->size), .most = sane(in->most) };
    guest->blocks.origin = MIN(in->origin, guest->blocks.added);
}


static void
readGuest(const Work *work,
          Guest *guest)
{
    const hvmemBalanceGuest *in = guest->in;
    hvmemBalanceDecision *out = guest->out;

    guest->maximum = MAX(sane(in->maximum), sane(in->minimum));
    guest->actual = sane(in->actual);
    guest->requested = sane(in->requested);
    guest->taking = sane(in->taking);
    guest->boot = sane(in->boot);
    readBlocks(guest);
    guest->minimum = MIN(reach(guest, in->minimum), guest->maximum);
    guest->active = in->state == HVMEM_BALANCE_READY && in->demand != HVMEM_BALANCE_UNKNOWN;
    guest->demand = guest->active ? MIN(in->demand, guest->maximum) : 0;

    out->need = reach(guest, guest->demand + guest->demand / MARGIN);
    out->wish = MAX(wholeBlocks(guest, guest->demand + extra(work, guest)), out->need);
    out->target = out->goal = in->requested;
    out->bound = HVMEM_BALANCE_LEFT_ALONE;
    out->move = HVMEM_BALANCE_STAY;
}


static hvmemBalanceBound
boundOf(const Guest *guest)
{
    const hvmemBalanceDecision *out = guest->out;

    if (!guest->active)
        return HVMEM_BALANCE_LEFT_ALONE;
    if (out->goal < MIN(out->need, guest->maximum))
        return HVMEM_BALANCE_DEMAND_CUT;
    if (out->goal < MIN(out->wish, guest->maximum))
        return HVMEM_BALANCE_BUFFER_CUT;
    if (out->wish > guest->maximum)
        return HVMEM_BALANCE_AT_MAXIMUM;
    return out->wish < guest->minimum ? HVMEM_BALANCE_AT_MINIMUM : HVMEM_BALANCE_DEMAND;
}


/*
 * Who moves?
 */

static guint64
slack(const Guest *guest)
{
    return MAX(hvmemShareSub(guest->out->wish, guest->out->need) / SLACK, HVMEM_BALANCE_GRANULE);
}


/* A buffer that is nearly whole is whole. */
static bool
wantsMore(const Guest *guest)
{
    const hvmemBalanceDecision *out = guest->out;

    if (!guest->active || out->goal <= guest->requested)
        return false;
    return guest->requested < MAX(MIN(out->need, out->goal), guest->minimum) || out->goal - guest->requested > slack(guest);
}


static bool
hasMore(const Guest *guest)
{
    return guest->active && guest->requested > guest->out->goal;
}


/*
 * Taking
 */

/* What will be back soon. */
static guint64
arrivingOf(const Guest *guest)
{
    guint64 rest = hvmemShareSub(guest->actual, guest->requested);

    return guest->in->rate == HVMEM_BALANCE_UNKNOWN ? rest : MIN(rest, sane(guest->in->rate) * ARRIVING_SECONDS);
}


static guint64
arriving(const Work *work)
{
    guint64 sum = 0;
    size_t i;

    for (i = 0; i < work->n; i++) {
        const Guest *guest = work->guests + i;

        if (guest->active && !guest->stuck)
            sum = hvmemShareAdd(sum, arrivingOf(guest));
    }
    return sum;
}


/* What those who grow lack. */
static guint64
lacking(const Work *work)
{
    guint64 sum = 0;
    size_t i;

    for (i = 0; i < work->n; i++) {
        const Guest *guest = work->guests + i;

        if (wantsMore(guest))
            sum = hvmemShareAdd(sum, hvmemShareSub(reach(guest, guest->out->goal), held(guest)));
    }
    return sum;
}


/* Takes @want in all from those that have more than their goal and @kept allow: whoever has the most idle memory for its weight gives first. */
static void
takeFrom(Work *work,
         guint64 want,
         guint64 (*kept)(const Guest *guest))
{
    guint64 sum = 0;
    size_t i, k = 0;

    for (i = 0; i < work->n; i++) {
        const Guest *guest = work->guests + i;
        guint64 least = hvmemShareAdd(guest->out->goal, kept(guest));

        if (!hasMore(guest))
            continue;
        work->shares[k++] = (hvmemShare) { .least = MIN(least, guest->requested), .need = guest->out->need, .most = guest->requested,
                                           .weight = weight(guest) };
        sum = hvmemShareAdd(sum, guest->requested);
    }
    hvmemShareDivide(work->shares, k, hvmemShareSub(sum, want));

    for (i = k = 0; i < work->n; i++) {
        Guest *guest = work->guests + i;

        if (!hasMore(guest))
            continue;
        guest->out->target = MIN(guest->out->target, work->shares[k].got);
        k++;
        if (guest->out->target < guest->requested)
            guest->out->move = HVMEM_BALANCE_TAKE;
    }
}


static guint64
nothing(const Guest *guest G_GNUC_UNUSED)
{
    return 0;
}


/* Where the guest is when those that grow have their goals, and no one has more than that. */
static guint64
heading(const Guest *guest)
{
    return wantsMore(guest) ? guest->out->goal : MIN(held(guest), hvmemWorkSettled(guest));
}


/* For those who grow, whatever is idle; to have some free for the next that grows, what is idle for certain. */
static void
takeWanted(Work *work)
{
    guint64 sum = sumOf(work, held);
    guint64 lack = lacking(work);
    guint64 budget = hvmemShareSub(work->budget, hvmemWorkReserve(work, lack > 0 ? heading : held));
    guint64 have = hvmemShareAdd(hvmemShareSub(budget, sum), arriving(work));
    guint64 want = hvmemShareAdd(lack, hvmemShareSub(sum, budget));
    guint64 headroom = hvmemShareAdd(want, work->budget / HEADROOM);

    if (want > have)
        takeFrom(work, hvmemShareAdd(want - have, hvmemWorkUntaken(work)), nothing);
    if (headroom > have)
        takeFrom(work, headroom - have, slack);
}


static guint64
slowStep(const Work *work,
         guint64 excess)
{
    double part = MIN(work->host->seconds / IDLE_SECONDS, 1);

    return MAX((guint64)floor(excess * part), STEP_LEAST);
}


/* Where a guest is to be whose memory nobody needs. */
static guint64
idleTarget(const Work *work,
           const Guest *guest)
{
    guint64 keep = guest->out->goal + MAX(guest->out->goal / DEAD, DEAD_LEAST);
    guint64 target = guest->requested;

    if (work->host->pressure != HVMEM_BALANCE_PRESSURE_NONE)
        return guest->out->goal;
    if (guest->requested > keep && work->host->seconds > 0)
        target = MAX(hvmemShareSub(guest->requested, slowStep(work, guest->requested - keep)), keep);
    return MIN(target, guest->maximum);
}


static void
takeIdle(const Work *work,
         Guest *guest)
{
    hvmemBalanceDecision *out = guest->out;
    guint64 target = idleTarget(work, guest);

    if (target >= out->target)
        return;

    out->target = target;
    out->move = work->host->pressure == HVMEM_BALANCE_PRESSURE_NONE ? HVMEM_BALANCE_SHRINK : HVMEM_BALANCE_TAKE;
}


/* Less by so little is not worth a request. */
static void
roundTaken(Guest *guest)
{
    hvmemBalanceDecision *out = guest->out;
    guint64 rest = out->target % HVMEM_BALANCE_GRANULE;

    if (rest > 0 && out->target > guest->minimum && out->target < guest->maximum)
        out->target = MIN(out->target + HVMEM_BALANCE_GRANULE - rest, guest->maximum);
    if (out->target >= guest->requested) {
        out->target = guest->requested;
        out->move = HVMEM_BALANCE_STAY;
    }
}


static void
take(Work *work)
{
    size_t i;

    takeWanted(work);
    for (i = 0; i < work->n; i++) {
        Guest *guest = work->guests + i;

        if (!hasMore(guest))
            continue;
        takeIdle(work, guest);
        roundTaken(guest);
    }
}


/*
 * Giving
 */

/* What a guest may have without holding more than it does now. */
static guint64
freeOfCharge(const Guest *guest)
{
    return MIN(held(guest), guest->out->goal);
}


static void
roundGiven(Guest *guest)
{
    hvmemBalanceDecision *out = guest->out;

    if (out->target < guest->maximum && out->target != guest->minimum)
        out->target -= out->target % HVMEM_BALANCE_GRANULE;
    if (out->target <= guest->requested) {
        out->target = guest->requested;
        out->move = HVMEM_BALANCE_WAIT;
    } else {
        out->move = out->target + HVMEM_BALANCE_GRANULE > out->goal ? HVMEM_BALANCE_GROW : HVMEM_BALANCE_GROW_PART;
    }
}


/* Of its goal. */
static guint64
needed(const Guest *guest)
{
    return MIN(MAX(guest->out->need, guest->minimum), guest->out->goal);
}


/* Those that lack what they use come before those that lack a buffer. @room: beyond what is free of charge. */
static void
divideRoom(Work *work,
           guint64 room)
{
    size_t i, k = 0;

    for (i = 0; i < work->n; i++) {
        const Guest *guest = work->guests + i;

        if (!wantsMore(guest))
            continue;
        work->shares[k++] = (hvmemShare) { .least = freeOfCharge(guest), .need = MAX(guest->out->need, guest->minimum),
                                           .most = guest->out->goal, .weight = weight(guest) };
        room = hvmemShareAdd(room, freeOfCharge(guest));
    }
    hvmemShareDivide(work->shares, k, room);

    for (i = k = 0; i < work->n; i++) {
        Guest *guest = work->guests + i;

        if (wantsMore(guest))
            guest->out->target = work->shares[k++].got;
    }
}


/* The whole of a block is to fit into what is left beyond @kept: first those have one that @may. */
static void
giveBlocks(Work *work,
           guint64 kept,
           bool (*may)(const Guest *guest))
{
    guint64 sum = hvmemShareAdd(kept, sumOf(work, heldWhole));
    size_t i;

    for (i = 0; i < work->n; i++) {
        Guest *guest = work->guests + i;
        guint64 next, then;

        if (!wantsMore(guest) || !may(guest))
            continue;
        next = MIN(reach(guest, guest->out->target + 1), guest->out->goal);
        then = hvmemShareAdd(sum, hvmemShareSub(reach(guest, next), heldWhole(guest)));
        if (then <= work->budget) {
            guest->out->target = next;
            sum = then;
        }
    }
}


static bool
lacksNeed(const Guest *guest)
{
    return guest->cut && guest->out->target < needed(guest);
}


static bool
wasCut(const Guest *guest)
{
    return guest->cut && guest->out->target < guest->out->goal;
}


/* No one is given a part of a block, as it would have the whole for a while. So that not all wait for theirs, one after the other has it. */
static void
fitBlocks(Work *work)
{
    size_t i;

    for (i = 0; i < work->n; i++) {
        Guest *guest = work->guests + i;
        guint64 target = guest->out->target;

        if (wantsMore(guest) && reach(guest, target) > MAX(held(guest), target)) {
            guest->out->target = wholeBlocks(guest, target);
            guest->cut = true;
        }
    }
    giveBlocks(work, 0, lacksNeed);
    giveBlocks(work, hvmemWorkReserve(work, heldWhole), wasCut);
}


static void
give(Work *work)
{
    guint64 room = hvmemShareSub(work->budget, sumOf(work, heldThen));
    guint64 need = 0;
    size_t i;

    for (i = 0; i < work->n; i++) {
        const Guest *guest = work->guests + i;

        if (wantsMore(guest))
            need = hvmemShareAdd(need, hvmemShareSub(needed(guest), freeOfCharge(guest)));
    }
    hvmemWorkDivideKeeping(work, room, need, divideRoom, heldThen);
    fitBlocks(work);

    for (i = 0; i < work->n; i++) {
        if (wantsMore(work->guests + i))
            roundGiven(work->guests + i);
    }
}


/*
 * All of it
 */

static void
sumUp(const Work *work,
      hvmemBalanceSummary *summary)
{
    guint64 minimums = 0;
    size_t i;

    *summary = (hvmemBalanceSummary) { .pool = work->budget, .reserve = work->reserve, .held = sumOf(work, held), .reboot = hvmemWorkReserve(work, hvmemWorkSettled) };
    for (i = 0; i < work->n; i++) {
        const Guest *guest = work->guests + i;

        if (!guest->active) {
            summary->pool = hvmemShareSub(summary->pool, held(guest));
            continue;
        }
        summary->need = hvmemShareAdd(summary->need, needOf(guest));
        summary->wish = hvmemShareAdd(summary->wish, CLAMP(guest->out->wish, guest->minimum, guest->maximum));
        minimums = hvmemShareAdd(minimums, guest->minimum);
    }
    summary->over = minimums > summary->pool;
    summary->room = hvmemShareSub(hvmemShareSub(work->budget, summary->reboot), sumOf(work, heldWhole));
}


void
hvmemBalanceDecide(const hvmemBalanceHost *host,
                   const hvmemBalanceGuest *guests,
                   hvmemBalanceDecision *decisions,
                   size_t n,
                   hvmemBalanceSummary *summary)
{
    g_autofree Guest *work = g_new0(Guest, n);
    g_autofree hvmemShare *shares = g_new0(hvmemShare, n);
    Work all = { .host = host, .guests = work, .shares = shares, .n = n };
    size_t i;

    for (i = 0; i < n; i++) {
        work[i].in = guests + i;
        work[i].out = decisions + i;
        readGuest(&all, work + i);
    }

    hvmemWorkReadBudget(&all);
    hvmemWorkFindGoals(&all);
    take(&all);
    give(&all);
    for (i = 0; i < n; i++) {
        work[i].out->bound = boundOf(work + i);
        if (work[i].stuck)
            work[i].out->move = HVMEM_BALANCE_STUCK;
    }
    sumUp(&all, summary);
}
