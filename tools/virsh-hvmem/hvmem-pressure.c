/*
 * hvmem-pressure.c: how short of memory this host is
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "hvmem-pressure.h"

#include <string.h>

/* Percent of the time in which somebody, or everybody, waits for memory. */
#define SOME 10.0
#define FULL 5.0

/* Pages a second that are written to swap. */
#define SWAPPING 1024

/* A level of pressure is left below this part of what leads to it. */
#define LEAVE 2

/* What has been so for so many seconds will last. */
#define LASTING 30.0

/* The host keeps this part of its memory for itself. */
#define HOST_PART 32

/* A budget that follows from what is available is a multiple of this, so that it does not change all the time. */
#define BUDGET_STEP (256 * HVMEM_MIB)


/* The number after @name at the beginning of a line. */
static guint64
numberAfter(const char *text,
            const char *name)
{
    const char *line = text;

    while (line && !g_str_has_prefix(line, name)) {
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    return line ? g_ascii_strtoull(line + strlen(name), NULL, 10) : HVMEM_UNKNOWN;
}


static guint64
sizeAfter(const char *text,
          const char *name)
{
    guint64 kib = numberAfter(text, name);

    return kib == HVMEM_UNKNOWN ? HVMEM_UNKNOWN : hvmemFromKiB(kib);
}


void
hvmemPressureReadMeminfo(hvmemPressure *pressure,
                         const char *text)
{
    pressure->total = sizeAfter(text, "MemTotal:");
    pressure->available = sizeAfter(text, "MemAvailable:");
    pressure->huge = sizeAfter(text, "Hugetlb:");
    if (pressure->huge == HVMEM_UNKNOWN)
        pressure->huge = 0;
}


static double
stall(const char *text,
      const char *name)
{
    const char *line = text ? strstr(text, name) : NULL;

    return line ? g_ascii_strtod(line + strlen(name), NULL) : 0;
}


void
hvmemPressureReadStalls(hvmemPressure *pressure,
                        const char *text)
{
    pressure->some = stall(text, "some avg10=");
    pressure->full = stall(text, "full avg10=");
}


void
hvmemPressureReadVmstat(hvmemPressure *pressure,
                        const char *text)
{
    pressure->swappedOut = numberAfter(text, "pswpout ");
}


void
hvmemPressureRead(hvmemPressure *pressure)
{
    g_autofree char *meminfo = NULL;
    g_autofree char *stalls = NULL;
    g_autofree char *vmstat = NULL;

    g_file_get_contents("/proc/meminfo", &meminfo, NULL, NULL);
    g_file_get_contents("/proc/pressure/memory", &stalls, NULL, NULL);
    g_file_get_contents("/proc/vmstat", &vmstat, NULL, NULL);
    hvmemPressureReadMeminfo(pressure, meminfo);
    hvmemPressureReadStalls(pressure, stalls);
    hvmemPressureReadVmstat(pressure, vmstat);
}


/* Pages a second. */
static double
swapping(const hvmemPressure *pressure,
         const hvmemPressure *before,
         double seconds)
{
    if (pressure->swappedOut == HVMEM_UNKNOWN || before->swappedOut == HVMEM_UNKNOWN || seconds <= 0)
        return 0;
    return hvmemShareSub(pressure->swappedOut, before->swappedOut) / seconds;
}


static hvmemBalancePressure
levelOf(double full,
        double some,
        double pages)
{
    if (full >= FULL)
        return HVMEM_BALANCE_PRESSURE_FULL;
    return some >= SOME || pages >= SWAPPING ? HVMEM_BALANCE_PRESSURE_SOME : HVMEM_BALANCE_PRESSURE_NONE;
}


hvmemBalancePressure
hvmemPressureLevel(const hvmemPressure *pressure,
                   const hvmemPressure *before,
                   double seconds,
                   hvmemSteady *steady,
                   double now)
{
    double pages = swapping(pressure, before, seconds);
    hvmemBalancePressure level = levelOf(pressure->full, pressure->some, pages);
    hvmemBalancePressure lower = levelOf(pressure->full * LEAVE, pressure->some * LEAVE, pages * LEAVE);

    if (level >= steady->level || lower >= steady->level) {
        steady->level = MAX(steady->level, level);
        steady->calmer = false;
    } else if (!steady->calmer) {
        steady->calmer = true;
        steady->calm = now;
    } else if (now - steady->calm >= LASTING) {
        steady->level = lower;
        steady->calmer = false;
    }
    return steady->level;
}


/* @most, in steps. */
static void
steadyBudget(hvmemSteady *steady,
             guint64 most,
             double now)
{
    bool more = most >= steady->budget + BUDGET_STEP;

    if (more && !steady->more)
        steady->rich = now;
    if (!steady->known || most < steady->budget || most >= steady->budget + 2 * BUDGET_STEP || (more && now - steady->rich >= LASTING)) {
        steady->budget = most - most % BUDGET_STEP;
        more = false;
    }
    steady->more = more;
    steady->known = true;
}


/* Of its memory, for the host itself. */
static guint64
hostPart(const hvmemPressure *pressure)
{
    return hvmemShareSub(pressure->total, pressure->huge) / HOST_PART;
}


guint64
hvmemPressureMost(const hvmemPressure *pressure)
{
    return pressure->total == HVMEM_UNKNOWN ? HVMEM_UNKNOWN : pressure->total - hostPart(pressure);
}


guint64
hvmemPressureBudget(const hvmemPressure *pressure,
                    guint64 guests,
                    guint64 budget,
                    hvmemSteady *steady,
                    double now)
{
    guint64 most;

    if (pressure->available != HVMEM_UNKNOWN && pressure->total != HVMEM_UNKNOWN) {
        most = hvmemShareSub(MIN(hvmemShareAdd(guests, pressure->available), pressure->total), hostPart(pressure));
        steadyBudget(steady, most, now);
    }
    if (!steady->known)
        return budget ? budget : HVMEM_UNKNOWN;
    return budget ? MIN(budget, steady->budget) : steady->budget;
}
