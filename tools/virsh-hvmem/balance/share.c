/*
 * share.c: divides memory among those who claim it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "share.h"

/* A price for a unit of weight has so many bits behind the point: what a share gets changes by less than a KiB from one price to the next. */
#define FRACTION 16

/* At this price the largest share of the smallest weight has everything. */
#define DEAREST ((HVMEM_SHARE_IDLE_PRICE * HVMEM_SHARE_MOST) << FRACTION)


guint64
hvmemShareAdd(guint64 a,
              guint64 b)
{
    return a > G_MAXUINT64 - b ? G_MAXUINT64 : a + b;
}


guint64
hvmemShareSub(guint64 a,
              guint64 b)
{
    return a > b ? a - b : 0;
}


static guint64
need(const hvmemShare *share)
{
    return CLAMP(share->need, share->least, share->most);
}


/* What a share may buy for @price: from @least to @most, used memory first. */
static guint64
buys(const hvmemShare *share,
     guint64 price,
     guint64 least,
     guint64 most)
{
    guint64 money;

    if (!g_uint64_checked_mul(&money, price, share->weight))
        money = G_MAXUINT64;
    money >>= FRACTION;

    if (money > share->need)
        money = share->need + (money - share->need) / HVMEM_SHARE_IDLE_PRICE;
    return CLAMP(money, least, most);
}


/* What is divided: everything before is granted to all. */
typedef enum {
    STEP_NEED,                  /* from least to need */
    STEP_MOST,                  /* from need to most */
} Step;


static guint64
buysInStep(const hvmemShare *share,
           guint64 price,
           Step step)
{
    return step == STEP_NEED ? buys(share, price, share->least, need(share)) : buys(share, price, need(share), share->most);
}


static guint64
sumAt(const hvmemShare *shares,
      size_t n,
      guint64 price,
      Step step)
{
    guint64 sum = 0;
    size_t i;

    for (i = 0; i < n; i++)
        sum = hvmemShareAdd(sum, buysInStep(shares + i, price, step));
    return sum;
}


/* The highest price at which @budget suffices; it does at 0. */
static guint64
findPrice(const hvmemShare *shares,
          size_t n,
          guint64 budget,
          Step step)
{
    guint64 low = 0;
    guint64 high = DEAREST;

    if (sumAt(shares, n, high, step) <= budget)
        return high;

    while (high - low > 1) {
        guint64 middle = low + (high - low) / 2;

        if (sumAt(shares, n, middle, step) <= budget)
            low = middle;
        else
            high = middle;
    }
    return low;
}


bool
hvmemShareDivide(hvmemShare *shares,
                 size_t n,
                 guint64 budget)
{
    bool suffices = sumAt(shares, n, 0, STEP_NEED) <= budget;
    Step step = sumAt(shares, n, 0, STEP_MOST) <= budget ? STEP_MOST : STEP_NEED;
    guint64 price = suffices ? findPrice(shares, n, budget, step) : 0;
    size_t i;

    for (i = 0; i < n; i++)
        shares[i].got = buysInStep(shares + i, price, step);
    return suffices;
}
