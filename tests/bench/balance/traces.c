/*
 * What guests use over time
 *
 * Each guest of every trace is random, and the same for each rule; of the recorded one, when it begins and its size. On average all guests together use 60 to 80 % of the host, but for the boot storm,
 * and at times more than all of it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <math.h>

#include "sim.h"

/* What programs allocate at most, MiB a second: writing to fresh memory under load. */
#define RAMP 512.0

typedef struct Memory {
    guint32 random;
    bool ready;
    double base;                /* without a burst */
    double goal;                /* where the demand goes, at RAMP */
    double demand;
    double next;                /* when that changes */
    bool up;
} Memory;

G_STATIC_ASSERT(sizeof(Memory) <= SIM_MEMORY);


static double
between(Memory *m,
        double a,
        double b)
{
    return a + (b - a) * sim_random(&m->random);
}


/* Goes to the goal as fast as programs can. */
static double
ramp(Memory *m)
{
    double most = RAMP * SIM_STEP;

    m->demand += CLAMP(m->goal - m->demand, -most, most);
    return m->demand;
}


static void
begin(Memory *m,
      double least,
      double most)
{
    if (m->ready)
        return;

    m->ready = true;
    m->base = m->goal = m->demand = between(m, least, most);
}


/* A base, and now and then for a while more. */
static void
burst(Memory *m,
      double now,
      double pause,
      double length,
      double least,
      double most)
{
    if (m->next == 0)
        m->next = between(m, 1, 2 * pause);
    if (now < m->next)
        return;

    m->up = !m->up;
    m->goal = m->up ? m->base + between(m, least, most) : m->base;
    m->next = now + (m->up ? between(m, 0.5, 1.5) * length : between(m, 0.5, 1.5) * pause);
}


static bool
steady(gpointer memory,
       guint index G_GNUC_UNUSED,
       double now,
       double *demand,
       double *cache)
{
    Memory *m = memory;

    begin(m, 0.8 * SIM_GIB, 3.2 * SIM_GIB);
    if (now >= m->next) {
        m->goal = m->base * between(m, 0.97, 1.03);
        m->next = now + between(m, 2, 20);
    }
    *demand = ramp(m);
    *cache = 256;
    return true;
}


/* A day in two hours; three time zones. */
static bool
daily(gpointer memory,
      guint index,
      double now,
      double *demand,
      double *cache)
{
    Memory *m = memory;

    begin(m, 2.5 * SIM_GIB, 5 * SIM_GIB);
    *demand = 600 + m->base * (0.5 - 0.5 * cos(2 * G_PI * (now / 7200 + (index % 3) / 3.0))) + between(m, -40, 40);
    *cache = 512;
    return true;
}


static bool
bursts(gpointer memory,
       guint index G_GNUC_UNUSED,
       double now,
       double *demand,
       double *cache)
{
    Memory *m = memory;

    begin(m, 0.6 * SIM_GIB, 1.6 * SIM_GIB);
    burst(m, now, 300, 100, 1.5 * SIM_GIB, 5 * SIM_GIB);
    *demand = ramp(m);
    *cache = 256;
    return true;
}


/* All start within a minute, and use most just then. */
static bool
storm(gpointer memory,
      guint index,
      double now,
      double *demand,
      double *cache)
{
    Memory *m = memory;

    if (!m->ready) {
        begin(m, 0, 60);
        m->next = m->base;
        m->goal = m->demand = 300;
    }
    if (now < m->next)
        return false;

    m->goal = now < m->next + 90 ? 2.6 * SIM_GIB : index % 4 ? 1.2 * SIM_GIB : 3.5 * SIM_GIB;
    *demand = ramp(m);
    *cache = 512;
    return true;
}


/* Files fill whatever is left. */
static bool
caches(gpointer memory,
       guint index G_GNUC_UNUSED,
       double now,
       double *demand,
       double *cache)
{
    Memory *m = memory;

    begin(m, 0.8 * SIM_GIB, 1.8 * SIM_GIB);
    burst(m, now, 400, 120, 1 * SIM_GIB, 3 * SIM_GIB);
    *demand = ramp(m);
    *cache = 8 * SIM_GIB;
    return true;
}


/* One in eight loses 2 MiB a second until it has 7.5 GiB and is restarted; the others have bursts. */
static bool
leak(gpointer memory,
     guint index,
     double now,
     double *demand,
     double *cache)
{
    Memory *m = memory;

    if (index % 8)
        return bursts(memory, index, now, demand, cache);

    begin(m, 0.6 * SIM_GIB, 7 * SIM_GIB);
    m->goal += 2 * SIM_STEP;
    if (m->goal > 7.5 * SIM_GIB)
        m->goal = 0.6 * SIM_GIB;
    *demand = ramp(m);
    *cache = 256;
    return true;
}


/* One in eight goes up and down all the time, the others are steady. */
static bool
noisy(gpointer memory,
      guint index,
      double now,
      double *demand,
      double *cache)
{
    Memory *m = memory;

    if (index % 8) {
        begin(m, 1 * SIM_GIB, 2.6 * SIM_GIB);
        burst(m, now, 600, 60, 0.3 * SIM_GIB, 1.5 * SIM_GIB);
    } else {
        begin(m, 0.8 * SIM_GIB, 1.2 * SIM_GIB);
        burst(m, now, 20, 20, 3 * SIM_GIB, 6 * SIM_GIB);
    }
    *demand = ramp(m);
    *cache = 256;
    return true;
}


static double
recordedAt(double at,
           guint column)
{
    guint i = at / SIM_RECORDED_STEP;
    double part = at / SIM_RECORDED_STEP - i;

    return sim_recorded[i % sim_n_recorded][column] * (1 - part) + sim_recorded[(i + 1) % sim_n_recorded][column] * part;
}


static double
recordedMost(void)
{
    double most = 1;
    guint i;

    for (i = 0; i < sim_n_recorded; i++)
        most = MAX(most, sim_recorded[i][0]);
    return most;
}


/* A real machine over and over, each guest at another moment of it, and so much of its size that it uses 2 to 6 GiB at most. */
static bool
recorded(gpointer memory,
         guint index G_GNUC_UNUSED,
         double now,
         double *demand,
         double *cache)
{
    Memory *m = memory;
    double at;

    if (!m->ready) {
        begin(m, 2 * SIM_GIB, 6 * SIM_GIB);
        m->base /= recordedMost();
        m->next = between(m, 0, sim_n_recorded * SIM_RECORDED_STEP);
    }
    at = fmod(now + m->next, sim_n_recorded * SIM_RECORDED_STEP);
    *demand = m->base * recordedAt(at, 0);
    *cache = m->base * recordedAt(at, 1);
    return true;
}


const SimTrace sim_traces[] = {
    { "steady", "0.8 to 3.2 GiB each, which hardly change", 3600, steady },
    { "daily", "0.6 GiB, and up to 5 GiB more once a day, in three time zones", 7200, daily },
    { "bursts", "0.6 to 1.6 GiB, and every five minutes 1.5 to 5 GiB more", 3600, bursts },
    { "boot storm", "all start within a minute and use 2.6 GiB at first", 900, storm },
    { "cache-heavy", "files in all that is left, and small bursts", 3600, caches },
    { "leak", "bursts; one in eight leaks to 7.5 GiB", 3600, leak },
    { "noisy", "nearly steady; one in eight up and down by 3 to 6 GiB every 20 s", 3600, noisy },
    { "recorded", "a real machine that builds and tests software, 2 to 6 GiB at most, each guest at another moment of it", 3600, recorded },
};
const guint sim_n_traces = G_N_ELEMENTS(sim_traces);
