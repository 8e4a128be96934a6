/*
 * share.h: divides memory among those who claim it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>
#include <stdbool.h>

/* Sizes are in KiB and no larger than this, 4 PiB. */
#define HVMEM_SHARE_MOST (G_GUINT64_CONSTANT(1) << 42)

/* From 1 to this. */
#define HVMEM_SHARE_WEIGHT_MOST 10000

/* What idle memory costs, compared with memory in use: 1 / (1 - 0.75), the tax rate of Waldspurger, "Memory Resource Management in VMware ESX
 * Server", OSDI 2002, section 5. */
#define HVMEM_SHARE_IDLE_PRICE 4

typedef struct _hvmemShare hvmemShare;
struct _hvmemShare {
    guint64 least;              /* never less */
    guint64 need;               /* in use; from least to most, else it is taken for the nearer of them */
    guint64 most;               /* never more; not below least */
    guint weight;
    guint64 got;                /* the result */
};

/* a + b, a - b within the numbers that there are. */
guint64
hvmemShareAdd(guint64 a,
              guint64 b);

guint64
hvmemShareSub(guint64 a,
              guint64 b);

/*
 * Divides @budget, in this order: everybody gets @least; then what is in use, up to @need; then the rest, up to @most. What does not suffice for one
 * of these steps is divided by weighted max-min fairness: as large an equal price for each unit of weight as possible, where memory that is not in
 * use costs HVMEM_SHARE_IDLE_PRICE times as much.
 *
 * False if the budget does not even suffice for @least, which everybody gets all the same. At most a KiB for each share is left over.
 */
bool
hvmemShareDivide(hvmemShare *shares,
                 size_t n,
                 guint64 budget);
