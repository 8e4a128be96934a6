/*
 * Queries of the simulated guest's engine, and what must hold
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "guest-sim-internal.h"

DmEngineInfo sim_info(const Sim *sim)
{
    DmEngineInfo info;

    dm_engine_query(sim->engine, &info);
    return info;
}

DmStickInfo sim_stick(const Sim *sim, unsigned id)
{
    DmStickInfo info;

    g_assert_true(dm_engine_query_stick(sim->engine, id, &info));
    return info;
}

void sim_check_accounts(const Sim *sim)
{
    DmEngineInfo info = sim_info(sim);
    uint64_t added = 0, size = 0, released = 0;
    unsigned i;

    for (i = 0; i < SIM_STICKS; i++) {
        if (sim->sticks[i].plugged) {
            DmStickInfo stick = sim_stick(sim, i);

            g_assert_cmpuint(stick.released, <=, stick.added);
            g_assert_cmpuint(stick.added, <=, stick.range.count);
            g_assert_cmpuint(stick.range.count, ==,
                             sim->sticks[i].range.count);
            added += stick.added;
            released += stick.released;
            size += stick.range.count;
        }
    }
    g_assert_cmpuint(info.boot, ==, sim->boot_pages);
    g_assert_cmpuint(info.capacity, ==, info.boot + size);
    g_assert_cmpuint(info.ungranted, ==, size - added);
    g_assert_cmpuint(released, <=, info.released);
    g_assert_cmpuint(info.released + info.in_doubt + info.offline, <=,
                     info.boot + added);
    g_assert_cmpuint(info.actual, ==, info.boot + added - info.released -
                                      info.in_doubt - info.offline);
    g_assert_nonnull(dm_state_name(info.state));
    g_assert_nonnull(dm_guest_name(info.guest));
    g_assert_nonnull(dm_problem_name(info.problem.code));
}

void sim_check_mapped(const Sim *sim)
{
    DmEngineInfo info = sim_info(sim);
    uint64_t page, spare = 0;

    for (page = 0; page < sim->n_pages; page++) {
        spare += sim->mapped[page] && sim->pages[page] != SIM_OWNED &&
                 sim->pages[page] != SIM_OFFLINE;
    }
    g_assert_cmpuint(spare, <=, info.populated + info.in_doubt + sim->lost);
}

/* No request is out, and nobody may use what waits to be discarded. */
static bool is_at_rest(DmState state)
{
    return state != DM_STATE_NEW_KERNEL && state != DM_STATE_BALLOONING &&
           state != DM_STATE_RETURNING && state != DM_STATE_ADDING &&
           state != DM_STATE_LATE;
}

/* It may also have pages in doubt, and have released some that nobody heard of.
 * Another kernel may have found any page of sticks. */
void sim_check_honest(const Sim *sim)
{
    DmEngineInfo info = sim_info(sim);
    uint64_t has = sim->owned + sim->hole_pages;
    /* Whether it is used is what the engine thinks: a guest may be slow. */
    uint64_t given = info.actual + info.offline;

    sim_check_contents(sim);
    if (info.connected && is_at_rest(info.state)) {
        sim_check_mapped(sim);
    }
    if (info.state == DM_STATE_NEW_KERNEL) {
        g_assert_cmpuint(info.actual, ==, info.boot);
        g_assert_cmpuint(has, <=, info.actual + info.in_doubt +
                                  info.released);
        return;
    }
    has += sim->offline;
    g_assert_cmpuint(given, <=, has + sim->lost);
    g_assert_cmpuint(has, <=, given + info.in_doubt);
    if (!sim->lost && !info.in_doubt) {
        g_assert_cmpuint(given, ==, has);
    }
}

void sim_check_target(const Sim *sim)
{
    DmEngineInfo info = sim_info(sim);
    uint64_t off = MAX(info.actual, info.target) -
                   MIN(info.actual, info.target);

    if (off >= 2 * SIM_MIB) {
        g_assert_cmpint(info.problem.code, !=, DM_PROBLEM_NONE);
    } else {
        g_assert_cmpuint(off, <=, 2 * SIM_MIB);
    }
}
