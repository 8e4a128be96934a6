/*
 * goals.c: where guests shall be in the end
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "work.h"


guint64
hvmemBalanceReach(const hvmemBalanceBlocks *blocks,
                  guint64 size)
{
    guint64 part, whole;

    size = sane(size);
    if (blocks->size == 0 || blocks->added == 0 || size <= blocks->added)
        return size;
    part = hvmemShareSub(size, blocks->origin) % blocks->size;
    whole = part > 0 ? hvmemShareAdd(size, blocks->size - part) : size;
    return MAX(size, MIN(sane(whole), blocks->most));
}


guint64
hvmemBalanceReserve(guint64 budget,
                    guint64 sum,
                    guint64 largest)
{
    return MIN(sum, MAX(largest, budget / HVMEM_BALANCE_RESERVE));
}


/*
 * Starts and reboots
 */

/* What the guest has whatever is kept. */
static guint64
least(const Guest *guest)
{
    return guest->active ? guest->minimum : held(guest);
}


/* Where the guest is when all have their goals. */
guint64
hvmemWorkSettled(const Guest *guest)
{
    if (!guest->active)
        return held(guest);
    return guest->fixed ? guest->fixed : guest->out->goal;
}


/* What is to be kept, beyond the reserve, for one that may start, or for guests of that @size that are rebooted: they have their boot memory again. */
guint64
hvmemWorkReserve(const Work *work,
          Size size)
{
    guint64 sum = 0;
    guint64 largest = 0;
    size_t i;

    for (i = 0; work->host->reboots && i < work->n; i++) {
        guint64 back = hvmemShareSub(work->guests[i].boot, size(work->guests + i));

        sum = hvmemShareAdd(sum, back);
        largest = MAX(largest, back);
    }
    return hvmemShareSub(MAX(sane(work->host->starts), hvmemBalanceReserve(work->host->budget, sum, largest)), work->reserve);
}


/* Nobody is below its minimum for the reserve: what it cannot have of the budget is not kept. */
void
hvmemWorkReadBudget(Work *work)
{
    work->budget = hvmemShareSub(work->host->budget, work->host->used);
    work->reserve = MIN(work->host->reserve, hvmemShareSub(work->budget, sumOf(work, least)));
    work->budget -= work->reserve;
}


/* By how much guests of that @size and what is to be kept are more than the budget. */
static guint64
excessOf(const Work *work,
         Size size)
{
    return hvmemShareSub(hvmemShareAdd(sumOf(work, size), hvmemWorkReserve(work, size)), work->budget);
}


/* What is between @low, which is certain to fit, and @high, of which so much is too much, is halved. */
static void
halve(Work *work,
      Divide divide,
      Size size,
      guint64 *low,
      guint64 *high,
      guint64 *excess)
{
    guint64 middle = *low + (*high - *low) / 2;
    guint64 over;

    divide(work, middle);
    over = excessOf(work, size);
    if (over == 0) {
        *low = middle;
    } else {
        *high = middle;
        *excess = over;
    }
}


/*
 * The most that fits, of less than @high, of which @excess is too much; or a KiB for each guest less. A guest that gets more memory takes at most as
 * much less back. So what is held and what is kept together grow with what is divided, but no faster: as much less as there is too much is the least
 * step, and mostly the last one.
 */
static guint64
findFitting(Work *work,
            Divide divide,
            Size size,
            guint64 high,
            guint64 excess)
{
    guint64 low = 0;

    while (high > low + 1) {
        guint64 next = hvmemShareSub(high, hvmemShareAdd(excess, work->n));
        guint64 before = excess;

        if (next <= low)
            return low;
        divide(work, next);
        if ((excess = excessOf(work, size)) == 0)
            return next;
        high = next;
        if (excess > before / 2 && high > low + 1)
            halve(work, divide, size, &low, &high, &excess);
    }
    return low;
}


/* Divides @most, or as much less as leaves what is to be kept for starts and reboots, but no less than @need. */
void
hvmemWorkDivideKeeping(Work *work,
              guint64 most,
              guint64 need,
              Divide divide,
              Size size)
{
    guint64 excess;

    divide(work, most);
    if ((work->host->reboots || work->host->starts > 0) && (excess = excessOf(work, size)) > 0)
        divide(work, MAX(findFitting(work, divide, size, most, excess), MIN(need, most)));
}


/*
 * Goals
 */

static bool
hasShare(const Guest *guest)
{
    return guest->active && !guest->fixed;
}


static void
divideGoals(Work *work,
            guint64 size)
{
    size_t i, k = 0;

    for (i = 0; i < work->n; i++) {
        const Guest *guest = work->guests + i;

        if (hasShare(guest))
            work->shares[k++] = (hvmemShare) { .least = guest->minimum, .need = guest->out->need, .weight = weight(guest),
                                               .most = CLAMP(guest->out->wish, guest->minimum, guest->maximum) };
    }
    hvmemShareDivide(work->shares, k, size);

    for (i = k = 0; i < work->n; i++) {
        Guest *guest = work->guests + i;

        if (hasShare(guest))
            guest->out->goal = work->shares[k++].got;
    }
}


/* A goal within a block is of no use to who would have to be added the whole; but the maximum is one. */
static guint64
usable(const Guest *guest,
       guint64 goal)
{
    return goal == guest->maximum ? goal : wholeBlocks(guest, goal);
}


/* As far as @spare goes, more of what guests need. */
static void
giveSpare(Work *work,
          guint64 spare)
{
    size_t i;

    for (i = 0; i < work->n; i++) {
        Guest *guest = work->guests + i;
        guint64 goal = guest->out->goal;

        if (!hasShare(guest) || needOf(guest) <= goal)
            continue;
        guest->out->goal = MAX(goal, usable(guest, MIN(needOf(guest), hvmemShareAdd(goal, spare))));
        spare -= guest->out->goal - goal;
    }
}


static void
wholeGoals(Work *work)
{
    guint64 spare = hvmemWorkUntaken(work);
    size_t i;

    for (i = 0; i < work->n; i++) {
        Guest *guest = work->guests + i;
        guint64 goal = guest->out->goal;

        if (hasShare(guest)) {
            guest->out->goal = MAX(usable(guest, goal), guest->minimum);
            spare += goal - guest->out->goal;
        }
    }
    giveSpare(work, spare);
}


guint64
hvmemWorkUntaken(const Work *work)
{
    bool added = false;
    size_t i;

    for (i = 0; i < work->n; i++) {
        const Guest *guest = work->guests + i;

        added = added || (hasShare(guest) && guest->blocks.size > 0 && guest->out->wish > guest->blocks.added);
    }
    return added ? work->n * HVMEM_BALANCE_GRANULE : 0;
}


static void
shareGoals(Work *work)
{
    guint64 budget = hvmemShareSub(work->budget, hvmemWorkUntaken(work));
    guint64 need = 0;
    size_t i;

    for (i = 0; i < work->n; i++) {
        const Guest *guest = work->guests + i;

        if (hasShare(guest))
            need = hvmemShareAdd(need, needOf(guest));
        else
            budget = hvmemShareSub(budget, hvmemWorkSettled(guest));
    }
    hvmemWorkDivideKeeping(work, budget, need, divideGoals, hvmemWorkSettled);
    wholeGoals(work);
}


/* Has it been asked for less, or will it be now, and gives nothing back? */
static bool
isStuck(const Guest *guest)
{
    return guest->in->rate == 0 && guest->actual > guest->requested + HVMEM_BALANCE_NEAR &&
        guest->actual > guest->out->goal + HVMEM_BALANCE_NEAR;
}


/* Others cannot have what a guest does not give back, so their goals are lower; its own stays, for when it does. */
void
hvmemWorkFindGoals(Work *work)
{
    bool again = true;

    while (again) {
        size_t i;

        again = false;
        shareGoals(work);
        for (i = 0; i < work->n; i++) {
            Guest *guest = work->guests + i;

            if (guest->active && !guest->fixed && isStuck(guest)) {
                guest->fixed = guest->actual;
                guest->stuck = again = true;
            }
        }
    }
}
