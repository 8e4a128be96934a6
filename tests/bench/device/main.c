/*
 * Benchmarks of the device's core: one line of JSON for each pair
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

double bench_cpu(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

size_t bench_heap(void)
{
    struct mallinfo2 info;

    malloc_trim(0);
    info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

uint32_t bench_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

void bench_pair(const char *what, const char *which, double ours, double peer, const char *peer_name, const char *unit,
                bool more_is_better)
{
    printf("{\"name\": \"%s%s\", \"ours\": %.6g, \"peer\": %.6g, \"peer-name\": \"%s\", \"unit\": \"%s\", \"ratio\": %.4g}\n",
           what, which, ours, peer, peer_name, unit, more_is_better ? ours / peer : peer / ours);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    bool smoke = argc > 1 && !strcmp(argv[1], "--smoke");

    /* Newer GLib has no allocator but malloc, whose use can be counted. */
    if (!g_getenv("G_SLICE")) {
        g_setenv("G_SLICE", "always-malloc", true);
        execv("/proc/self/exe", argv);
    }
    mallopt(M_ARENA_MAX, 1);
    bench_sets(smoke);
    bench_engine(smoke);
    bench_state(smoke);
    return 0;
}
