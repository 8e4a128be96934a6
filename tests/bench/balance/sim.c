/*
 * A host whose guests follow what is requested of them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "floor.h"
#include "sim.h"

#define MINIMUM (1 * SIM_GIB)
#define MAXIMUM (8 * SIM_GIB)

/* A guest that cannot be started waits so long, and then starts all the same. */
#define PATIENCE 30.0

typedef struct Run {
    Sim sim;
    const SimTrace *trace;
    SimResult *result;
    guint8 *memories;
    double *asked;              /* since when a guest waits for its start; negative: it does not */
    GArray *waits;
    void *state;
    double cpu;
} Run;


double
sim_random(guint32 *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state / 4294967296.0;
}


double
sim_held(const Sim *sim)
{
    double sum = 0;
    guint i;

    for (i = 0; i < sim->n; i++)
        sum += sim->guests[i].actual;
    return sum;
}


void
sim_request(SimGuest *guest,
            double size)
{
    guest->requested = CLAMP(size, guest->minimum, guest->maximum);
}


/*
 * Guests
 */

/* What Linux's driver keeps, whatever is requested. */
static double
keeps(const SimGuest *guest)
{
    return dm_floor_linux(guest->actual * 256) / 256.0;
}


/* Programs that use more than there is push out the cache, and then are short of memory. */
static void
follow(Sim *sim,
       SimGuest *guest)
{
    double used = MIN(guest->demand, guest->actual);
    double step = 0;

    if (guest->actual > guest->requested)
        step = -MIN(MIN(SIM_OUT * SIM_STEP, guest->actual - guest->requested), MAX(0, guest->actual - used - keeps(guest)));
    else
        step = MIN(SIM_BACK * SIM_STEP, guest->requested - guest->actual);

    guest->actual += step;
    sim->moved += step < 0 ? -step : step;
}


static void
tell(SimGuest *guest)
{
    guest->used = MIN(guest->demand, guest->actual);
    guest->usable = guest->actual - guest->used;
    guest->unused = MAX(0, guest->usable - guest->cache);
    guest->swapped = MAX(0, guest->demand - guest->actual);
}


static void
start(Run *run,
      guint index)
{
    SimGuest *guest = run->sim.guests + index;
    Sim *sim = &run->sim;

    if (run->asked[index] < 0)
        run->asked[index] = sim->now;
    if (sim->rule->admit && sim->now - run->asked[index] < PATIENCE && !sim->rule->admit(sim, run->state, SIM_BOOT))
        return;

    guest->running = true;
    guest->actual = guest->requested = SIM_BOOT;
    tell(guest);
}


static void
step_guest(Run *run,
           guint index)
{
    SimGuest *guest = run->sim.guests + index;

    if (!run->trace->demand(run->memories + index * SIM_MEMORY, index, run->sim.now, &guest->demand, &guest->cache))
        return;
    if (!guest->running)
        start(run, index);
    if (guest->running)
        follow(&run->sim, guest);
}


/*
 * What counts
 */

static void
count_guest(Run *run,
            SimGuest *guest)
{
    double lacks = guest->running ? guest->demand - guest->actual : 0;

    if (lacks > 0) {
        run->result->unmet_guest_seconds += SIM_STEP;
        run->result->unmet += lacks / SIM_GIB * SIM_STEP;
        if (guest->since < 0)
            guest->since = run->sim.now;
    } else if (guest->since >= 0) {
        double waited = run->sim.now - guest->since;

        g_array_append_val(run->waits, waited);
        guest->since = -1;
    }
}


static void
count(Run *run)
{
    double over = sim_held(&run->sim) - run->sim.total;
    guint i;

    for (i = 0; i < run->sim.n; i++)
        count_guest(run, run->sim.guests + i);
    if (over > 0.001) {
        run->result->over_seconds += SIM_STEP;
        run->result->over_most = MAX(run->result->over_most, over);
    }
}


static int
compare(const void *a,
        const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}


/* Whoever still waits at the end has waited until then. */
static void
count_waits(Run *run)
{
    GArray *waits = run->waits;
    guint i;

    for (i = 0; i < run->sim.n; i++) {
        double waited = run->sim.now - run->sim.guests[i].since;

        if (run->sim.guests[i].since >= 0)
            g_array_append_val(waits, waited);
    }
    if (waits->len == 0)
        return;

    qsort(waits->data, waits->len, sizeof(double), compare);
    run->result->waits = waits->len;
    run->result->median = g_array_index(waits, double, waits->len / 2);
    run->result->worst = g_array_index(waits, double, waits->len - 1);
}


/*
 * A run
 */

static double
cpu(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}


static void
decide(Run *run)
{
    double before = cpu();

    run->sim.rule->decide(&run->sim, run->state);
    run->cpu += cpu() - before;
    run->result->decisions++;
}


static void
step(Run *run)
{
    Sim *sim = &run->sim;
    double decision = sim->rule->period * run->result->decisions + sim->rule->delay;
    bool report = (guint)(sim->now / SIM_REPORT) != (guint)((sim->now - SIM_STEP) / SIM_REPORT);
    guint i;

    for (i = 0; i < sim->n; i++) {
        step_guest(run, i);
        if (report && sim->guests[i].running)
            tell(sim->guests + i);
    }
    count(run);
    if (sim->now >= decision)
        decide(run);
    if (sim->rule->step)
        sim->rule->step(sim, run->state);
}


static void
prepare(Run *run,
        guint seed)
{
    guint i;

    for (i = 0; i < run->sim.n; i++) {
        guint32 random = (seed * 7919 + i + 1) * 2654435761u | 1;

        run->sim.guests[i] = (SimGuest) { .minimum = MINIMUM, .maximum = MAXIMUM, .since = -1 };
        run->asked[i] = -1;
        sim_random(&random);
        memcpy(run->memories + i * SIM_MEMORY, &random, sizeof(random));
    }
}


SimResult
sim_run(const SimTrace *trace,
        const SimRule *rule,
        guint n,
        double total,
        guint seed)
{
    g_autofree SimGuest *guests = g_new0(SimGuest, n);
    g_autofree guint8 *memories = g_malloc0_n(n, SIM_MEMORY);
    g_autofree double *asked = g_new0(double, n);
    g_autoptr(GArray) waits = g_array_new(FALSE, FALSE, sizeof(double));
    SimResult result = { 0 };
    Run run = { .sim = { .total = total, .guests = guests, .n = n, .rule = rule }, .trace = trace, .result = &result, .memories = memories,
                .asked = asked, .waits = waits };

    prepare(&run, seed);
    run.state = rule->start ? rule->start(&run.sim) : NULL;
    for (; run.sim.now < trace->seconds; run.sim.now += SIM_STEP)
        step(&run);
    count_waits(&run);

    result.moved = run.sim.moved / SIM_GIB;
    result.cpu = result.decisions ? run.cpu / result.decisions : 0;
    g_free(run.state);
    return result;
}
