/*
 * Which pages the simulated guest has, and what is in them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "guest-sim-internal.h"

#include <string.h>

static void write_page(Sim *sim, uint64_t page)
{
    if (sim->memory) {
        sim->memory[page] = sim->wrote[page] = ++sim->writes;
    }
}

void sim_set_page(Sim *sim, uint64_t page, SimPage state)
{
    SimPage was = sim->pages[page];

    g_assert_true(is_accounted(sim, page));
    sim->owned -= was == SIM_OWNED;
    sim->offline -= was == SIM_OFFLINE;
    sim->owned += state == SIM_OWNED;
    sim->offline += state == SIM_OFFLINE;
    sim->pages[page] = state;
    if (state == SIM_OWNED) {
        write_page(sim, page);
    }
}

/* Is there memory, all of it in one piece? */
static bool is_memory(const Sim *sim, DmRange range)
{
    uint64_t at = range.first;
    unsigned i;

    for (i = 0; i < sim->n_boot; i++) {
        if (at - sim->boot[i].first < sim->boot[i].count) {
            at = sim->boot[i].first + sim->boot[i].count;
        }
    }
    for (i = 0; i < SIM_STICKS; i++) {
        const SimStick *s = &sim->sticks[i];

        if (s->plugged && at < range.first + range.count &&
            at - s->range.first < s->range.count) {
            at = s->range.first + s->range.count;
            i = -1;             /* the next may be any of them */
        }
    }
    return at >= range.first + range.count;
}

static bool is_boot(const Sim *sim, uint64_t page)
{
    unsigned i;

    for (i = 0; i < sim->n_boot; i++) {
        if (page - sim->boot[i].first < sim->boot[i].count) {
            return true;
        }
    }
    return false;
}

void sim_set_mapped(Sim *sim, uint64_t page, bool mapped)
{
    if (is_accounted(sim, page) && !is_boot(sim, page)) {
        sim->n_mapped += mapped - sim->mapped[page];
        sim->mapped[page] = mapped;
    }
}

void sim_get_pages_as(Sim *sim, DmRange range, SimPage was, SimPage state)
{
    uint64_t page;

    g_assert_true(is_memory(sim, range));
    for (page = range.first; page < range.first + range.count; page++) {
        g_assert_true(is_accounted(sim, page));
        g_assert_true(sim->mapped[page] || is_boot(sim, page));
        g_assert_cmpint(sim->pages[page], ==, was);
        sim_set_page(sim, page, state);
    }
}

void sim_get_pages(Sim *sim, DmRange range, SimPage was)
{
    sim_get_pages_as(sim, range, was, SIM_OWNED);
}

void sim_forget_pages(Sim *sim)
{
    unsigned i;

    memset(sim->pages, SIM_NONE, sim->n_pages);
    memset(sim->doubtful, false, sim->n_pages);
    sim->offer.count = 0;
    sim->owned = sim->offline = sim->lost = 0;
    g_array_set_size(sim->regions, 0);
    for (i = 0; i < sim->n_boot; i++) {
        sim_get_pages(sim, sim->boot[i], SIM_NONE);
    }
}

void sim_take_range(Sim *sim, DmRange range)
{
    uint64_t page;

    for (page = range.first; page < range.first + range.count; page++) {
        if (sim->pages[page] != SIM_NONE) {
            sim_set_page(sim, page, SIM_OWNED);
        }
    }
}

void sim_online(Sim *sim)
{
    uint64_t page;

    sim_report(sim);
    for (page = 0; page < sim->n_pages; page++) {
        if (sim->pages[page] == SIM_OFFLINE) {
            sim_set_page(sim, page, SIM_OWNED);
        }
    }
    sim_report(sim);
    sim_pump(sim);
}

void sim_keep_contents(Sim *sim)
{
    uint64_t page;

    sim->memory = g_new0(uint32_t, sim->n_pages);
    sim->wrote = g_new0(uint32_t, sim->n_pages);
    for (page = 0; page < sim->n_pages; page++) {
        if (sim->pages[page] == SIM_OWNED) {
            write_page(sim, page);
        }
    }
}

void sim_check_contents(const Sim *sim)
{
    uint64_t page;

    for (page = 0; sim->memory && page < sim->n_pages; page++) {
        if (sim->pages[page] == SIM_OWNED) {
            g_assert_cmpuint(sim->memory[page], ==, sim->wrote[page]);
        }
    }
}
