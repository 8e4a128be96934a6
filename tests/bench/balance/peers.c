/*
 * Rules of other programs, written anew from what is published about them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <math.h>

#include "sim.h"

/*
 * The maximum divided: what an administrator does who wants no surprises.
 */

static void
decide_static(Sim *sim,
              void *state G_GNUC_UNUSED)
{
    guint i;

    for (i = 0; i < sim->n; i++) {
        if (sim->guests[i].running)
            sim_request(sim->guests + i, sim->total / sim->n);
    }
}

const SimRule rule_static = {
    .name = "static", .parameters = "each guest has an equal part of the host", .period = 10, .delay = 0.5, .decide = decide_static,
};


/*
 * Proxmox VE: pve-manager, PVE/Service/pvestatd.pm and PVE/AutoBalloon.pm (github.com/proxmox/pve-manager), and the "Automatic Memory Allocation"
 * of its administration guide. Every 10 s: the host shall have 80 % of its memory in use. What that is more, or less, goes to or comes from guests,
 * 100 MiB for each at most. First from guests that have enough unused memory, more than a quarter of their minimum; or to those that have not;
 * only if these change nothing, from or to all. What a guest shall have is its minimum, and of what is beyond the minimums a part by its shares.
 */

#define PROXMOX_LEAST 10.0
#define PROXMOX_CHANGE 100.0

typedef struct Proxmox {
    double *size;               /* decided for each guest */
    bool *done;
    bool *chosen;
} Proxmox;

static void *
start_proxmox(Sim *sim)
{
    Proxmox *p = g_malloc0(sizeof(*p) + (sizeof(double) + 2 * sizeof(bool)) * sim->n);

    p->size = (double *)(p + 1);
    p->done = (bool *)(p->size + sim->n);
    p->chosen = p->done + sim->n;
    return p;
}

static bool
has_enough(const SimGuest *guest)
{
    return guest->unused > 0.25 * guest->minimum && guest->actual >= guest->minimum;
}

/* One guest's new size if @spare beyond the minimums is divided by @sharers. */
static double
proxmox_size(const SimGuest *guest,
             double spare,
             guint sharers,
             bool grow)
{
    double desired = CLAMP(guest->minimum + spare / sharers, guest->minimum, guest->maximum);

    if (desired > guest->actual)
        return grow ? MIN(guest->actual + PROXMOX_CHANGE, desired) : guest->actual;
    return MAX(guest->actual - PROXMOX_CHANGE, desired);
}

/* Divides @rest among the chosen guests once; true: somebody's size has changed. Guests that have what they shall have leave the division. */
static bool
proxmox_round(Sim *sim,
              Proxmox *p,
              bool grow,
              double *rest)
{
    double spare = *rest;
    bool changed = false;
    guint i, sharers = 0;

    for (i = 0; i < sim->n; i++) {
        if (p->chosen[i] && !p->done[i]) {
            spare += p->size[i] - sim->guests[i].minimum;
            sharers++;
        }
    }

    for (i = 0; i < sim->n; i++) {
        const SimGuest *guest = sim->guests + i;
        double size;

        if (!p->chosen[i] || p->done[i])
            continue;
        size = proxmox_size(guest, spare, sharers, grow);
        if (size == guest->actual) {
            p->done[i] = true;
        } else if (fabs(size - p->size[i]) > 0.001) {
            *rest -= size - p->size[i];
            p->size[i] = size;
            changed = true;
        }
    }
    return changed;
}

static double
proxmox_change(Sim *sim,
               Proxmox *p,
               double goal,
               bool all)
{
    double rest = goal;
    guint i, rounds = 0;

    for (i = 0; i < sim->n; i++) {
        p->chosen[i] = sim->guests[i].running && (all || has_enough(sim->guests + i) == (goal < 0));
        p->done[i] = false;
    }
    while (fabs(rest) > 0.001 && rounds++ < 100 && proxmox_round(sim, p, goal > 0, &rest))
        ;
    return rest;
}

static void
proxmox_to(Sim *sim,
           Proxmox *p,
           double part)
{
    double goal = sim->total * part - sim_held(sim);
    guint i;

    if (fabs(goal) <= PROXMOX_LEAST)
        return;

    for (i = 0; i < sim->n; i++)
        p->size[i] = sim->guests[i].actual;
    if (fabs(proxmox_change(sim, p, goal, false)) >= fabs(goal))
        proxmox_change(sim, p, goal, true);
    for (i = 0; i < sim->n; i++) {
        if (sim->guests[i].running && p->size[i] != sim->guests[i].actual)
            sim_request(sim->guests + i, p->size[i]);
    }
}

static void
decide_proxmox(Sim *sim,
               void *state)
{
    proxmox_to(sim, state, 0.80);
}

static void
decide_proxmox_95(Sim *sim,
                  void *state)
{
    proxmox_to(sim, state, 0.95);
}

const SimRule rule_proxmox = {
    .name = "Proxmox", .parameters = "every 10 s; 80 % of the host in use; 100 MiB a guest and decision; equal shares",
    .period = 10, .delay = 0.5, .start = start_proxmox, .decide = decide_proxmox,
};

const SimRule rule_proxmox_95 = {
    .name = "Proxmox 95 %", .parameters = "the same with ballooning-target 95",
    .period = 10, .delay = 0.5, .start = start_proxmox, .decide = decide_proxmox_95,
};


/*
 * MOM of oVirt: doc/balloon.rules and doc/mom-balloon.conf (github.com/oVirt/mom). Every 10 s, on averages of ten samples, one every 5 s. If less than
 * 20 % of the host is free, every guest shrinks by 5 %, but not below its minimum nor what it uses and a part of what it has, which falls with the
 * host's free memory from 20 % on, and is negative when less than 5 % are free. Else every guest grows by 5 %, or to what it uses and 20 %. Changes
 * below 0.25 % are not made. Used is what the guest has without what is unused, so cache is used.
 */

#define MOM_SAMPLES 10
#define MOM_PRESSURE 0.20
#define MOM_CRITICAL 0.05
#define MOM_GUEST_FREE 0.20
#define MOM_CHANGE 0.05
#define MOM_LEAST 0.0025

typedef struct MomGuest {
    double actual[MOM_SAMPLES];
    double unused[MOM_SAMPLES];
    guint samples;
} MomGuest;

typedef struct Mom {
    double free[MOM_SAMPLES];
    guint samples;
    guint calls;
    MomGuest guests[];
} Mom;

static void *
start_mom(Sim *sim)
{
    return g_malloc0(sizeof(Mom) + sizeof(MomGuest) * sim->n);
}

static double
average(const double *samples,
        guint n)
{
    guint i, count = MIN(n, MOM_SAMPLES);
    double sum = 0;

    for (i = 0; i < count; i++)
        sum += samples[i];
    return count ? sum / count : 0;
}

static void
mom_sample(Sim *sim,
           Mom *mom)
{
    guint i;

    mom->free[mom->samples++ % MOM_SAMPLES] = MAX(0, sim->total - sim_held(sim));
    for (i = 0; i < sim->n; i++) {
        MomGuest *m = mom->guests + i;

        if (!sim->guests[i].running)
            continue;
        m->actual[m->samples % MOM_SAMPLES] = sim->guests[i].actual;
        m->unused[m->samples % MOM_SAMPLES] = sim->guests[i].unused;
        m->samples++;
    }
}

static void
mom_guest(SimGuest *guest,
          const MomGuest *m,
          double free)
{
    double used = average(m->actual, m->samples) - average(m->unused, m->samples);
    bool shrink = free < MOM_PRESSURE;
    double keep = free <= MOM_CRITICAL ? free - 0.05 : MOM_GUEST_FREE * MIN(1, free / MOM_PRESSURE);
    double least = MAX(guest->minimum, used + keep * guest->actual);
    double size = MAX(guest->actual * (shrink ? 1 - MOM_CHANGE : 1 + MOM_CHANGE), least);

    if (!shrink)
        size = MIN(size, guest->maximum);
    if (fabs(size - guest->actual) > MOM_LEAST * guest->actual && (!shrink || size <= guest->actual))
        sim_request(guest, size);
}

static void
decide_mom(Sim *sim,
           void *state)
{
    Mom *mom = state;
    double free;
    guint i;

    mom_sample(sim, mom);
    if (mom->calls++ % 2)
        return;

    free = average(mom->free, mom->samples) / sim->total;
    for (i = 0; i < sim->n; i++) {
        if (sim->guests[i].running && (free < MOM_PRESSURE || sim->guests[i].actual < sim->guests[i].maximum))
            mom_guest(sim->guests + i, mom->guests + i, free);
    }
}

const SimRule rule_mom = {
    .name = "MOM", .parameters = "every 10 s, averages of ten samples, one every 5 s; pressure below 20 % free, critical below 5 %; 5 % a decision",
    .period = 5, .delay = 0.5, .start = start_mom, .decide = decide_mom,
};


/*
 * qmemman of Qubes OS: "qmemman, Qubes memory manager" (doc.qubes-os.org), qubes/qmemman/algo.py and systemstate.py (github.com/QubesOS/qubes-core-admin).
 * Whenever a guest tells that it uses another amount by 30 MB: everybody prefers 1.3 times what it uses, cache aside and swap included, 200 MiB at
 * least. All memory of the host but 50 MiB is divided by these; if it does not suffice, whoever has more than it prefers gives that, and it goes to the
 * others by what they prefer. Nothing is done for less than 150 MiB in all, unless a guest below what it prefers gets 15 MiB. Donors come first; if
 * they have not given back enough within 0.5 s, the next guest gets what is free, and the others nothing. Before a guest is started, others give
 * up what they have beyond their preference, in proportion, until there is room. Here guests tell once a second, not up to ten times.
 */

#define QUBES_FACTOR 1.3
#define QUBES_LEAST 200.0
#define QUBES_FREE 50.0
#define QUBES_TRANSFER 150.0
#define QUBES_CHANGE 15.0
#define QUBES_TELL (30.0 / 1.048576)

typedef struct QubesGuest {
    double told;                /* what it used when it last told */
    double target;              /* to be requested; 0: nothing */
    double before;              /* what it had then */
    bool stuck;                 /* has not given back anything */
} QubesGuest;

typedef struct Qubes {
    bool pending;               /* targets wait for what donors give */
    QubesGuest guests[];
} Qubes;

static void *
start_qubes(Sim *sim)
{
    return g_malloc0(sizeof(Qubes) + sizeof(QubesGuest) * sim->n);
}

static double
prefers(const SimGuest *guest,
        const QubesGuest *q)
{
    return MAX(MIN(q->told * QUBES_FACTOR, guest->maximum), QUBES_LEAST);
}

static double
counts_as(const SimGuest *guest)
{
    return MAX(guest->actual, guest->requested);
}

/* Free, and not promised. */
static double
qubes_free(const Sim *sim)
{
    double free = sim->total;
    guint i;

    for (i = 0; i < sim->n; i++) {
        if (sim->guests[i].running)
            free -= counts_as(sim->guests + i);
    }
    return free;
}

static bool
qubes_takes_part(const Sim *sim,
                 const Qubes *qubes,
                 guint i)
{
    return sim->guests[i].running && !qubes->guests[i].stuck;
}

/* What is beyond a guest's maximum goes to the others, in equal parts. */
static void
qubes_pass_on(Sim *sim,
              Qubes *qubes,
              double left)
{
    guint i, rounds;

    for (rounds = 0; left > 1 && rounds < 100; rounds++) {
        guint takers = 0;
        double each;

        for (i = 0; i < sim->n; i++)
            takers += qubes_takes_part(sim, qubes, i) && qubes->guests[i].target < sim->guests[i].maximum;
        if (takers == 0)
            return;
        each = 0.999 * left / takers;
        left = 0;
        for (i = 0; i < sim->n; i++) {
            QubesGuest *q = qubes->guests + i;

            if (!qubes_takes_part(sim, qubes, i) || q->target >= sim->guests[i].maximum)
                continue;
            q->target += each;
            if (q->target > sim->guests[i].maximum) {
                left += q->target - sim->guests[i].maximum;
                q->target = sim->guests[i].maximum;
            }
        }
    }
}

static void
qubes_enough(Sim *sim,
             Qubes *qubes,
             double spare,
             double preferred)
{
    double left = 0;
    guint i;

    for (i = 0; i < sim->n; i++) {
        QubesGuest *q = qubes->guests + i;
        double size;

        if (!qubes_takes_part(sim, qubes, i))
            continue;
        size = 0.999 * prefers(sim->guests + i, q) * (1 + spare / preferred);
        q->target = MIN(size, sim->guests[i].maximum);
        left += size - q->target;
    }
    qubes_pass_on(sim, qubes, left);
}

static bool
is_donor(const SimGuest *guest,
         const QubesGuest *q)
{
    return prefers(guest, q) < counts_as(guest) || counts_as(guest) >= guest->maximum;
}

static void
qubes_short(Sim *sim,
            Qubes *qubes,
            double free)
{
    double got = free;
    double preferred = 0;
    guint i;

    for (i = 0; i < sim->n; i++) {
        QubesGuest *q = qubes->guests + i;
        const SimGuest *guest = sim->guests + i;

        if (!qubes_takes_part(sim, qubes, i))
            continue;
        if (!is_donor(guest, q)) {
            preferred += prefers(guest, q);
        } else if (counts_as(guest) - prefers(guest, q) >= 10) {
            q->target = prefers(guest, q);
            got += counts_as(guest) - q->target;
        }
    }
    for (i = 0; got > 0 && i < sim->n; i++) {
        QubesGuest *q = qubes->guests + i;
        const SimGuest *guest = sim->guests + i;

        if (qubes_takes_part(sim, qubes, i) && !is_donor(guest, q))
            q->target = MIN(0.999 * (counts_as(guest) + got * prefers(guest, q) / preferred), guest->maximum);
    }
}

static bool
qubes_matters(Sim *sim,
              Qubes *qubes,
              double free)
{
    double moved = fabs(free - QUBES_FREE);
    guint i;

    if (QUBES_FREE - free > QUBES_CHANGE)
        return true;
    for (i = 0; i < sim->n; i++) {
        const SimGuest *guest = sim->guests + i;
        const QubesGuest *q = qubes->guests + i;

        if (q->target == 0)
            continue;
        moved += fabs(q->target - guest->requested);
        if (guest->requested < prefers(guest, q) && q->target - guest->requested > QUBES_CHANGE)
            return true;
    }
    return moved > QUBES_TRANSFER;
}

static void
qubes_divide(Sim *sim,
             Qubes *qubes)
{
    double free = qubes_free(sim) - QUBES_FREE;
    double preferred = 0, spare = free;
    guint i;

    for (i = 0; i < sim->n; i++) {
        qubes->guests[i].target = 0;
        if (!qubes_takes_part(sim, qubes, i))
            continue;
        preferred += prefers(sim->guests + i, qubes->guests + i);
        spare += counts_as(sim->guests + i) - prefers(sim->guests + i, qubes->guests + i);
    }
    if (spare > 0)
        qubes_enough(sim, qubes, spare, preferred);
    else
        qubes_short(sim, qubes, free);
}

/* Donors at once; the others after the next step, by qubes_give(). */
static void
decide_qubes(Sim *sim,
             void *state)
{
    Qubes *qubes = state;
    bool told = false;
    guint i;

    for (i = 0; i < sim->n; i++) {
        const SimGuest *guest = sim->guests + i;
        QubesGuest *q = qubes->guests + i;
        double uses = guest->used + guest->swapped;

        if (guest->running && fabs(uses - q->told) >= QUBES_TELL) {
            q->told = uses;
            told = true;
        }
        if (guest->actual <= guest->requested + QUBES_FREE / 2 || guest->actual < prefers(guest, q))
            q->stuck = false;
    }
    if (!told)
        return;

    qubes_divide(sim, qubes);
    qubes->pending = qubes_matters(sim, qubes, qubes_free(sim));
    for (i = 0; qubes->pending && i < sim->n; i++) {
        QubesGuest *q = qubes->guests + i;

        q->before = sim->guests[i].actual;
        if (q->target > 0 && q->target < counts_as(sim->guests + i))
            sim_request(sim->guests + i, q->target);
    }
}

static void
qubes_find_stuck(Sim *sim,
                 Qubes *qubes)
{
    guint i;

    for (i = 0; i < sim->n; i++) {
        const SimGuest *guest = sim->guests + i;

        if (guest->running && guest->actual > guest->requested + QUBES_FREE / 4 && guest->actual == qubes->guests[i].before)
            qubes->guests[i].stuck = true;
    }
}

static void
qubes_give(Sim *sim,
           void *state)
{
    Qubes *qubes = state;
    guint i;

    if (!qubes->pending)
        return;

    for (i = 0; i < sim->n; i++) {
        SimGuest *guest = sim->guests + i;
        double target = qubes->guests[i].target;
        double free = qubes_free(sim);

        if (!guest->running || target <= counts_as(guest))
            continue;
        if (free - (target - counts_as(guest)) < 0.9 * QUBES_FREE) {
            qubes_find_stuck(sim, qubes);
            if (free > QUBES_FREE)
                sim_request(guest, counts_as(guest) + free - QUBES_FREE);
            break;
        }
        sim_request(guest, target);
    }
    qubes->pending = sim->now - floor(sim->now) < SIM_STEP / 2;
}

static bool
admit_qubes(Sim *sim,
            void *state,
            double size)
{
    Qubes *qubes = state;
    double lacks = size + QUBES_FREE - qubes_free(sim);
    double spare = 0;
    guint i;

    if (lacks <= 0)
        return true;
    for (i = 0; i < sim->n; i++) {
        if (qubes_takes_part(sim, qubes, i))
            spare += MAX(0, counts_as(sim->guests + i) - prefers(sim->guests + i, qubes->guests + i));
    }
    for (i = 0; spare >= lacks && i < sim->n; i++) {
        SimGuest *guest = sim->guests + i;
        double over = counts_as(guest) - prefers(guest, qubes->guests + i);

        if (qubes_takes_part(sim, qubes, i) && over > 0)
            sim_request(guest, counts_as(guest) - 1.05 * over * lacks / spare);
    }
    return false;
}

const SimRule rule_qmemman = {
    .name = "qmemman", .parameters = "with each report that differs by 30 MB; 1.3 times what is used; 50 MiB of the host free",
    .period = 1, .start = start_qubes, .decide = decide_qubes, .step = qubes_give, .admit = admit_qubes,
};


const SimRule *const sim_rules[] = {
    &rule_ours, &rule_static, &rule_proxmox, &rule_proxmox_95, &rule_mom, &rule_qmemman,
};
const guint sim_n_rules = G_N_ELEMENTS(sim_rules);
