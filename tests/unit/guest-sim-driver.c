/*
 * What the simulated guest's driver says, and how it replies
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#define _GNU_SOURCE             /* memrchr */
#include "guest-sim-internal.h"

#include <string.h>

static void put64(uint8_t *p, uint64_t value)
{
    unsigned i;

    for (i = 0; i < 8; i++) {
        p[i] = value >> (8 * i);
    }
}

/* ---- what the guest says ---- */

static size_t header(Sim *sim, uint8_t *msg, DmMessageType type, size_t size)
{
    memset(msg, 0, size);
    put64(msg, type | (uint64_t)size << 16 |
               (uint64_t)++sim->counter << 32);
    return size;
}

void sim_say(Sim *sim, const void *msg, size_t len)
{
    if (!sim->unheard) {
        dm_engine_receive(sim->engine, msg, len, sim->now);
    }
    sim_check_accounts(sim);
}

void sim_version_request(Sim *sim, uint32_t version, bool last)
{
    uint8_t msg[16];
    size_t size = header(sim, msg, DM_MSG_VERSION_REQUEST, 16);

    put64(msg + 8, version | (uint64_t)last << 32);
    sim_say(sim, msg, size);
}

void sim_capabilities(Sim *sim)
{
    uint8_t msg[32];
    size_t size = header(sim, msg, DM_MSG_CAPABILITIES, 32);

    put64(msg + 8, sim->can_balloon | sim->can_hot_add << 1 |
                   sim->alignment << 2);
    put64(msg + 24, UINT64_MAX);
    sim_say(sim, msg, size);
}

void sim_status_of(Sim *sim, uint64_t available, uint64_t committed)
{
    uint8_t msg[48];
    size_t size = header(sim, msg, DM_MSG_STATUS, 48);

    put64(msg + 8, available);
    put64(msg + 16, committed);
    sim_say(sim, msg, size);
}

void sim_status(Sim *sim, uint64_t available)
{
    sim_status_of(sim, available, 0);
}

static uint64_t count_state(const Sim *sim, SimPage state)
{
    uint64_t page, n = 0;

    for (page = 0; page < sim->n_pages; page++) {
        n += sim->pages[page] == state;
    }
    return n;
}

void sim_report(Sim *sim)
{
    sim_status_of(sim, sim->movable ? sim->owned
                       : sim->owned - MIN(sim->owned, sim->floor),
                  count_state(sim, SIM_RELEASED) + sim->offline);
}

void sim_hot_add_response(Sim *sim, uint32_t pages, uint32_t result)
{
    uint8_t msg[16];
    size_t size = header(sim, msg, DM_MSG_HOT_ADD_RESPONSE, 16);

    put64(msg + 8, pages | (uint64_t)result << 32);
    if (!sim->unheard) {
        sim->offer.count = 0;
    }
    sim_say(sim, msg, size);
}

void sim_unballoon_response(Sim *sim)
{
    uint8_t msg[8];

    sim_say(sim, msg, header(sim, msg, DM_MSG_UNBALLOON_RESPONSE, 8));
}

/* Who says that it released what it was offered says that it took it. */
static bool may_have(const Sim *sim, uint64_t page)
{
    return sim->pages[page] == SIM_OWNED ||
           (sim->pages[page] == SIM_NONE && sim->doubtful[page]);
}

static void claim_pages(Sim *sim, DmRange range)
{
    uint64_t page;

    for (page = range.first;
         page < range.first + range.count && is_accounted(sim, page); page++) {
        if (may_have(sim, page)) {
            sim_set_page(sim, page, SIM_RELEASED);
        }
    }
}

void sim_claim(Sim *sim, const DmRange *ranges, unsigned n, bool more)
{
    uint8_t msg[DM_MAX_SEND];
    size_t size = header(sim, msg, DM_MSG_BALLOON_RESPONSE, 16 + 8 * n);
    unsigned i;

    g_assert_cmpuint(size, <=, sizeof(msg));
    put64(msg + 8, (uint64_t)(more | n << 1) << 32);
    for (i = 0; i < n; i++) {
        put64(msg + 16 + 8 * i, ranges[i].first | ranges[i].count << 40);
        claim_pages(sim, ranges[i]);
    }
    sim_say(sim, msg, size);
}

/* ---- how the guest replies ---- */

/* Where to look for pages to release: downward from the top, or anywhere. */
static uint64_t look_from(const Sim *sim, uint64_t below)
{
    if (sim->scatter) {
        return sim->pick(sim->pick_opaque, sim->n_pages / 512) * 512 + 512;
    }
    return below;
}

/* The highest run below @below of up to @most owned pages in one block of
 * 2 MiB. */
static DmRange find_owned(const Sim *sim, uint64_t below, uint64_t most)
{
    const uint8_t *last = memrchr(sim->pages, SIM_OWNED, below);
    uint64_t end, first;

    if (!last) {
        return (DmRange) { 0, 0 };
    }
    end = last - sim->pages + 1;
    first = end - 1;
    while (end - first < most && first % 512 != 0 &&
           sim->pages[first - 1] == SIM_OWNED) {
        first--;
    }
    return (DmRange) { first, end - first };
}

static DmRange next_run(Sim *sim, uint64_t *below, uint64_t most)
{
    DmRange run;

    *below = look_from(sim, *below);
    run = find_owned(sim, *below, MIN(most, sim->unit));
    if (!run.count && sim->scatter) {
        run = find_owned(sim, sim->n_pages, MIN(most, sim->unit));
    }
    *below = run.first;
    return run;
}

/* Where the memory begins that it does not release. */
static uint64_t releasable_end(const Sim *sim)
{
    const DmRange *last = &sim->boot[sim->n_boot - 1];

    return sim->movable ? last->first + last->count : sim->n_pages;
}

static uint64_t can_release(const Sim *sim)
{
    uint64_t page, end = releasable_end(sim), owned = sim->owned;

    for (page = end; page < sim->n_pages; page++) {
        owned -= sim->pages[page] == SIM_OWNED;
    }
    return owned > sim->floor ? owned - sim->floor : 0;
}

static void guest_balloon(Sim *sim, uint64_t asked)
{
    uint64_t left = MIN(asked, can_release(sim)), below = releasable_end(sim);
    DmRange ranges[510];
    unsigned n = 0;

    while (left) {
        DmRange run = next_run(sim, &below, left);

        g_assert_cmpuint(run.count, >, 0);
        if (n && sim->big_ranges &&
            run.first + run.count == ranges[n - 1].first) {
            ranges[n - 1].first = run.first;
            ranges[n - 1].count += run.count;
        } else {
            ranges[n++] = run;
        }
        claim_pages(sim, run);
        left -= run.count;
        if (n == 510 && left) {
            sim_claim(sim, ranges, n, true);
            n = 0;
        }
    }
    sim_claim(sim, ranges, n, false);
}

static void guest_unballoon(Sim *sim, const uint8_t *msg, size_t len)
{
    uint32_t n = get32(msg + 12), i;

    g_assert_cmpuint(get32(msg + 8), ==, 0);
    g_assert_cmpuint(len, ==, 16 + 8 * (size_t)n);
    for (i = 0; i < n; i++) {
        sim_get_pages(sim, get_range(msg + 16 + 8 * i), SIM_RELEASED);
    }
    sim_unballoon_response(sim);
}

static SimRegion *region_of(Sim *sim, uint64_t page)
{
    unsigned i;

    for (i = 0; i < sim->regions->len; i++) {
        SimRegion *r = &g_array_index(sim->regions, SimRegion, i);

        if (page >= r->start && page < r->end) {
            return r;
        }
    }
    return NULL;
}

/* The rules of Linux: no region twice, no page of it the guest's already. */
static void declare_region(Sim *sim, DmRange range, DmRange region)
{
    uint64_t align = SIM_MIB << sim->alignment, page;
    SimRegion new = { region.first, region.first + region.count,
                      range.first };
    SimRegion *old = region_of(sim, range.first);

    g_assert_cmpuint(region.first % align, ==, 0);
    g_assert_cmpuint(region.count % align, ==, 0);
    g_assert_cmpuint(range.first, >=, region.first);
    g_assert_cmpuint(range.first + range.count, <=,
                     region.first + region.count);
    if (range.first > region.first) {
        g_assert_cmpuint(range.first + range.count, <=, region.first + align);
    }
    if (old) {                  /* only one that it could not add before */
        g_assert_cmpuint(old->covered_end, ==, range.first);
        return;
    }
    for (page = region.first; page < region.first + region.count; page++) {
        g_assert_true(!is_accounted(sim, page) || sim->pages[page] == SIM_NONE);
        g_assert_null(region_of(sim, page));
        page += is_accounted(sim, page) ? 0 : align;
    }
    g_array_append_val(sim->regions, new);
}

static bool overlap(DmRange a, DmRange b)
{
    return a.first < b.first + b.count && b.first < a.first + a.count;
}

static void guest_hot_add(Sim *sim, const uint8_t *msg, size_t len)
{
    DmRange range = get_range(msg + 8);
    SimRegion *region;

    g_assert_true(len == 16 || len == 24);
    sim->last_add = range;
    if (len == 24) {
        declare_region(sim, range, get_range(msg + 16));
    }
    /* Without a region it continues one that the guest has on record. */
    region = region_of(sim, range.first);
    g_assert_nonnull(region);
    g_assert_cmpuint(region->covered_end, <=, range.first);
    g_assert_cmpuint(region->end, >=, range.first + range.count);
    if (sim->refuse || sim->refuse_for_good ||
        overlap(range, sim->refuse_at)) {
        sim_hot_add_response(sim, 0, sim->refuse_for_good);
        return;
    }
    if (sim->take_at_most) {
        range.count = MIN(range.count, sim->take_at_most);
    }
    if (!sim->onlines && sim->os_id >> 48 == SIM_LINUX >> 48) {
        uint64_t block = MAX(128 * SIM_MIB, SIM_MIB << sim->alignment);

        sim->now += 5000 * ((range.count + block - 1) / block);
        sim_get_pages_as(sim, range, SIM_NONE, SIM_OFFLINE);
    } else {
        sim_get_pages(sim, range, SIM_NONE);
    }
    region->covered_end = range.first + range.count;
    sim_hot_add_response(sim, range.count, 1);
}

void sim_guest_handle(Sim *sim, const uint8_t *msg, size_t len)
{
    switch (msg[0]) {
    case DM_MSG_BALLOON_REQUEST:
        sim->last_balloon_asked = get32(msg + 8);
        guest_balloon(sim, get32(msg + 8));
        break;
    case DM_MSG_UNBALLOON_REQUEST:
        guest_unballoon(sim, msg, len);
        break;
    case DM_MSG_HOT_ADD_REQUEST:
        guest_hot_add(sim, msg, len);
        break;
    case DM_MSG_VERSION_RESPONSE:
        if (get64(msg + 8)) {
            sim_capabilities(sim);
        }
        break;
    case DM_MSG_CAPABILITIES_RESPONSE:
        break;
    default:
        g_assert_not_reached();
    }
}
