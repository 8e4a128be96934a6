/*
 * What the files of the simulated guest share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * guest-sim.c          the machine and its owner: time, resets, sticks
 * guest-sim-memory.c   which pages the guest has, and what is in them
 * guest-sim-driver.c   what its driver says and replies
 * guest-sim-ops.c      what the engine calls
 * guest-sim-check.c    queries, and what must hold at any time
 * guest-sim-step.c     random steps
 */

#ifndef GUEST_SIM_INTERNAL_H
#define GUEST_SIM_INTERNAL_H

#include "guest-sim.h"

#define MAX_RUNS_A_CALL 1000000

/* ---- the guest's accounting ---- */

static inline bool is_accounted(const Sim *sim, uint64_t page)
{
    return page < sim->n_pages;
}

void sim_set_page(Sim *sim, uint64_t page, SimPage state);
/* The host has populated this page, or not any more; not of boot memory. */
void sim_set_mapped(Sim *sim, uint64_t page, bool mapped);
/* The guest gets @range: of every page it must be in state @was. */
void sim_get_pages_as(Sim *sim, DmRange range, SimPage was, SimPage state);
void sim_get_pages(Sim *sim, DmRange range, SimPage was);
/* All pages of it that any kernel before had. */
void sim_take_range(Sim *sim, DmRange range);
/* It has its boot memory, and nothing else. */
void sim_forget_pages(Sim *sim);

/* ---- messages ---- */

static inline uint32_t get32(const uint8_t *p)
{
    return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t get64(const uint8_t *p)
{
    return get32(p) | (uint64_t)get32(p + 4) << 32;
}

static inline DmRange get_range(const uint8_t *p)
{
    uint64_t bits = get64(p);

    return (DmRange) { bits & DM_MAX_PFN, bits >> 40 };
}

/* The guest's driver replies to a message. */
void sim_guest_handle(Sim *sim, const uint8_t *msg, size_t len);

/* ---- the engine ---- */

extern const DmEngineOps sim_ops;

/* Lets it do what it has to do, and does not let the guest reply. */
void sim_run_engine(Sim *sim);

#endif
