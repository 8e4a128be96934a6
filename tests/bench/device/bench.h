/*
 * Shared by the benchmarks of the device's core
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#ifndef BENCH_H
#define BENCH_H

#include <glib.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

/* CPU seconds of this process. */
double bench_cpu(void);
/* Bytes that the allocator has handed out, its own headers included. */
size_t bench_heap(void);
/* The same sequence on every run. */
uint32_t bench_random(uint32_t *state);
/* One line of JSON: both were measured in this run. */
void bench_pair(const char *what, const char *which, double ours, double peer, const char *peer_name, const char *unit,
                bool more_is_better);

/* Smoke: small sizes, to see that it works and counts right. */
void bench_sets(bool smoke);
void bench_engine(bool smoke);
void bench_state(bool smoke);

#endif
