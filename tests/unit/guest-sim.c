/*
 * A simulated guest over the pure engine
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#define _GNU_SOURCE             /* memrchr */
#include "guest-sim.h"

#include <string.h>

#include "state.h"

#define MAX_RUNS_A_CALL 1000000

static uint32_t get32(const uint8_t *p)
{
    return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get64(const uint8_t *p)
{
    return get32(p) | (uint64_t)get32(p + 4) << 32;
}

static void put64(uint8_t *p, uint64_t value)
{
    unsigned i;

    for (i = 0; i < 8; i++) {
        p[i] = value >> (8 * i);
    }
}

static DmRange get_range(const uint8_t *p)
{
    uint64_t bits = get64(p);

    return (DmRange) { bits & DM_MAX_PFN, bits >> 40 };
}

/* ---- the guest's accounting ---- */

static bool is_accounted(const Sim *sim, uint64_t page)
{
    return page < sim->n_pages;
}

static void write_page(Sim *sim, uint64_t page)
{
    if (sim->memory) {
        sim->memory[page] = sim->wrote[page] = ++sim->writes;
    }
}

static void set_page(Sim *sim, uint64_t page, SimPage state)
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

static void set_mapped(Sim *sim, uint64_t page, bool mapped)
{
    if (is_accounted(sim, page) && !is_boot(sim, page)) {
        sim->n_mapped += mapped - sim->mapped[page];
        sim->mapped[page] = mapped;
    }
}

/* The guest gets @range: of every page it must be in state @was. */
static void get_pages_as(Sim *sim, DmRange range, SimPage was, SimPage state)
{
    uint64_t page;

    g_assert_true(is_memory(sim, range));
    for (page = range.first; page < range.first + range.count; page++) {
        g_assert_true(is_accounted(sim, page));
        g_assert_true(sim->mapped[page] || is_boot(sim, page));
        g_assert_cmpint(sim->pages[page], ==, was);
        set_page(sim, page, state);
    }
}

static void get_pages(Sim *sim, DmRange range, SimPage was)
{
    get_pages_as(sim, range, was, SIM_OWNED);
}

static void forget_pages(Sim *sim)
{
    unsigned i;

    memset(sim->pages, SIM_NONE, sim->n_pages);
    sim->owned = sim->offline = sim->lost = 0;
    g_array_set_size(sim->regions, 0);
    for (i = 0; i < sim->n_boot; i++) {
        get_pages(sim, sim->boot[i], SIM_NONE);
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
    dm_engine_receive(sim->engine, msg, len, sim->now);
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

void sim_status(Sim *sim, uint64_t available)
{
    uint8_t msg[48];
    size_t size = header(sim, msg, DM_MSG_STATUS, 48);

    put64(msg + 8, available);
    sim_say(sim, msg, size);
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
    uint8_t msg[48];
    size_t size = header(sim, msg, DM_MSG_STATUS, 48);

    put64(msg + 8, sim->movable ? sim->owned
                                : sim->owned - MIN(sim->owned, sim->floor));
    put64(msg + 16, count_state(sim, SIM_RELEASED) + sim->offline);
    sim_say(sim, msg, size);
}

void sim_hot_add_response(Sim *sim, uint32_t pages, uint32_t result)
{
    uint8_t msg[16];
    size_t size = header(sim, msg, DM_MSG_HOT_ADD_RESPONSE, 16);

    put64(msg + 8, pages | (uint64_t)result << 32);
    sim_say(sim, msg, size);
}

void sim_unballoon_response(Sim *sim)
{
    uint8_t msg[8];

    sim_say(sim, msg, header(sim, msg, DM_MSG_UNBALLOON_RESPONSE, 8));
}

static void claim_pages(Sim *sim, DmRange range)
{
    uint64_t page;

    for (page = range.first;
         page < range.first + range.count && is_accounted(sim, page); page++) {
        if (sim->pages[page] == SIM_OWNED) {
            set_page(sim, page, SIM_RELEASED);
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
        get_pages(sim, get_range(msg + 16 + 8 * i), SIM_RELEASED);
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
        get_pages_as(sim, range, SIM_NONE, SIM_OFFLINE);
    } else {
        get_pages(sim, range, SIM_NONE);
    }
    region->covered_end = range.first + range.count;
    sim_hot_add_response(sim, range.count, 1);
}

static void guest_handle(Sim *sim, const uint8_t *msg, size_t len)
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

/* ---- what the engine calls ---- */

static void measure_unballoon(Sim *sim, const uint8_t *msg)
{
    unsigned i, ranges = get32(msg + 12);
    uint64_t pages = 0;

    for (i = 0; i < ranges; i++) {
        pages += get_range(msg + 16 + 8 * i).count;
    }
    sim->longest_unballoon = MAX(sim->longest_unballoon, ranges);
    sim->largest_unballoon = MAX(sim->largest_unballoon, pages);
}

static bool op_send(void *opaque, const void *msg, size_t len)
{
    Sim *sim = opaque;
    const uint8_t *m = msg;

    g_assert_true(sim->connected);
    g_assert_cmpuint(len, <=, DM_MAX_SEND);
    g_assert_cmpuint(len, ==, m[2] | m[3] << 8);
    if (sim->ring_full) {
        return false;
    }
    sim->sent[m[0]]++;
    if (m[0] == DM_MSG_UNBALLOON_REQUEST) {
        measure_unballoon(sim, m);
    }
    g_queue_push_tail(&sim->inbox, g_bytes_new(msg, len));
    return true;
}

/* What the host does to these pages takes it some time. */
static void take_time(Sim *sim, uint64_t pages)
{
    sim->ns += pages * sim->ns_per_mib / SIM_MIB;
    sim->largest_piece = MAX(sim->largest_piece, pages);
}

static void op_discard(void *opaque, uint64_t first, uint64_t count)
{
    Sim *sim = opaque;
    uint64_t page;

    g_assert_cmpuint(count, >, 0);
    take_time(sim, count);
    for (page = first; page < first + count; page++) {
        set_mapped(sim, page, false);
    }
    if (sim->believe) {
        sim->believe(sim, first, count);
        return;
    }
    g_assert_true(dm_engine_is_released(sim->engine, first, count));
    for (page = first; page < first + count; page++) {
        g_assert_true(is_accounted(sim, page));
        g_assert_cmpint(sim->pages[page], !=, SIM_OWNED);
        g_assert_cmpint(sim->pages[page], !=, SIM_OFFLINE);
        if (sim->memory) {
            sim->memory[page] = 0;
        }
    }
    sim->discarded += count;
    sim->n_discards++;
}

static void op_stick_state(void *opaque, unsigned stick, DmStickState state)
{
    Sim *sim = opaque;

    g_assert_true(sim->sticks[stick].plugged);
    g_assert_true(sim->believe || sim->sticks[stick].state != state);
    sim->sticks[stick].state = state;
    sim->n_inuse += state == DM_STICK_INUSE;
    sim->n_unused += state == DM_STICK_UNUSED;
}

static void op_actual_changed(void *opaque, uint64_t actual)
{
    Sim *sim = opaque;

    sim->n_actual++;
    sim->told_actual = actual;
}

static void op_status(void *opaque, const DmStatus *status)
{
    Sim *sim = opaque;

    sim->n_status++;
    sim->last_status = *status;
}

static void op_warn(void *opaque, DmWarning warning)
{
    Sim *sim = opaque;

    g_assert_nonnull(dm_warning_name(warning));
    sim->n_warn++;
}

/* ---- traces, with --verbose ---- */

static void note(const char *format, ...) G_GNUC_PRINTF(1, 2);
static void note(const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    if (!g_test_verbose()) {
        return;
    }
    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    g_test_message("%s", text);
}

static void trace_received(void *opaque, const DmHeader *header)
{
    (void)opaque;
    note("received: %s, %u bytes", dm_message_name(header->type),
         header->size);
}

static void trace_sent(void *opaque, const DmHeader *header)
{
    (void)opaque;
    g_assert_cmpstr(dm_message_name(header->type), !=, "unknown");
    note("sent: %s, %u bytes", dm_message_name(header->type), header->size);
}

static void trace_version(void *opaque, uint32_t version, bool last,
                          bool accepted)
{
    (void)opaque;
    note("version 0x%x%s: %s", version, last ? ", its last" : "",
         accepted ? "accepted" : "refused");
}

static void trace_capabilities(void *opaque, const DmCapabilities *caps)
{
    (void)opaque;
    note("capabilities: balloon %d, hot-add %d, alignment 2^%u MiB",
         caps->balloon, caps->hot_add, caps->alignment);
}

static void trace_target(void *opaque, uint64_t pages)
{
    (void)opaque;
    note("target: %" G_GUINT64_FORMAT " pages", pages);
}

static void trace_request(void *opaque, DmRequest kind, uint64_t pages,
                          unsigned ranges, uint64_t page)
{
    (void)opaque;
    note("%s: %" G_GUINT64_FORMAT " pages in %u ranges, 0x%" G_GINT64_MODIFIER
         "x first", dm_request_name(kind), pages, ranges, page);
}

static void trace_done(void *opaque, DmRequest kind, uint64_t pages,
                       uint64_t of)
{
    (void)opaque;
    g_assert_cmpuint(pages, <=, of);
    note("%s: %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " pages",
         dm_request_name(kind), pages, of);
}

static void trace_onlined(void *opaque, uint64_t pages)
{
    (void)opaque;
    note("onlined: %" G_GUINT64_FORMAT " pages", pages);
}

static void trace_problem(void *opaque, const DmProblem *problem)
{
    (void)opaque;
    note("problem: %s", dm_problem_name(problem->code));
}

static void trace_warning(void *opaque, DmWarning warning)
{
    (void)opaque;
    note("warning: %s", dm_warning_name(warning));
}

static const DmTraceOps sim_trace = {
    .received = trace_received,
    .sent = trace_sent,
    .version = trace_version,
    .capabilities = trace_capabilities,
    .target = trace_target,
    .request = trace_request,
    .done = trace_done,
    .onlined = trace_onlined,
    .problem = trace_problem,
    .warning = trace_warning,
};

/* ---- what else the engine calls ---- */

/* Each query takes a microsecond. */
static uint64_t op_clock(void *opaque)
{
    Sim *sim = opaque;

    return sim->ns += 1000;
}

static void map_range(Sim *sim, uint64_t first, uint64_t end)
{
    uint64_t page;

    for (page = first; page < end; page++) {
        set_mapped(sim, page, true);
    }
}

/* Sticks one after the other, as QEMU's owner of the engine does it. */
static bool op_populate(void *opaque, uint64_t first, uint64_t count)
{
    Sim *sim = opaque;
    uint64_t end = first + count;

    g_assert_cmpuint(count, >, 0);
    take_time(sim, count);
    sim->n_populates++;
    sim->populated += count;
    if (sim->cannot_map ||
        (sim->map_at_most && sim->n_mapped + count > sim->map_at_most)) {
        return false;
    }
    if (sim->map_below && end > sim->map_below) {
        map_range(sim, first, MAX(first, sim->map_below));
        return false;
    }
    map_range(sim, first, end);
    return true;
}

static const DmEngineOps sim_ops = {
    .send = op_send,
    .populate = op_populate,
    .discard = op_discard,
    .stick_state = op_stick_state,
    .actual_changed = op_actual_changed,
    .status = op_status,
    .warn = op_warn,
    .trace = &sim_trace,
    .clock = op_clock,
};

/* ---- the machine ---- */

static void lay_out_boot(Sim *sim, uint64_t boot)
{
    uint64_t low = MIN(boot, 3 * SIM_GIB);

    /* As a PC: no RAM from 640 KiB to 1 MiB. */
    sim->boot[0] = (DmRange) { 0, 0xa0 };
    sim->boot[1] = (DmRange) { 0x100, low - 0x100 };
    sim->boot[2] = (DmRange) { SIM_4G, boot - low };
    sim->n_boot = boot > low ? 3 : 2;
    sim->boot_pages = boot;
    sim->hole_pages = 0x60;
}

static uint32_t pick_random(void *opaque, uint32_t bound)
{
    (void)opaque;
    return g_test_rand_int_range(0, bound);
}

Sim *sim_new_of(uint64_t boot, uint64_t n_pages, DmProfile profile,
                uint64_t os_id)
{
    Sim *sim = g_new0(Sim, 1);

    lay_out_boot(sim, boot);
    sim->n_pages = n_pages;
    sim->pages = g_malloc0(n_pages);
    sim->mapped = g_malloc0(n_pages);
    sim->regions = g_array_new(FALSE, FALSE, sizeof(SimRegion));
    g_queue_init(&sim->inbox);
    sim->os_id = os_id;
    sim->can_balloon = sim->can_hot_add = sim->onlines = true;
    sim->alignment = 7;
    sim->unit = 512;
    sim->now = 1000;
    sim->pick = pick_random;
    sim->stick_end = n_pages;
    sim->told_actual = boot;
    sim->engine = dm_engine_new(sim->boot, sim->n_boot, boot, profile,
                                &sim_ops, sim);
    forget_pages(sim);
    return sim;
}

Sim *sim_new(uint64_t boot, DmProfile profile, uint64_t os_id)
{
    Sim *sim = sim_new_of(boot, 12 * SIM_GIB, profile, os_id);

    sim->stick_space = SIM_4G + 4 * SIM_GIB;
    return sim;
}

Sim *sim_new_small(DmProfile profile, uint64_t os_id)
{
    Sim *sim = sim_new_of(16 * SIM_MIB, 128 * SIM_MIB, profile, os_id);

    sim->alignment = 0;
    sim->stick_space = 32 * SIM_MIB;
    return sim;
}

void sim_drop_inbox(Sim *sim)
{
    g_queue_clear_full(&sim->inbox, (GDestroyNotify)g_bytes_unref);
    g_clear_pointer(&sim->open.msg, g_bytes_unref);
    sim->open.type = 0;
}

void sim_free(Sim *sim)
{
    dm_engine_free(sim->engine);
    sim_drop_inbox(sim);
    g_array_free(sim->regions, TRUE);
    g_free(sim->pages);
    g_free(sim->mapped);
    g_free(sim->memory);
    g_free(sim->wrote);
    g_free(sim);
}

static void run_engine(Sim *sim)
{
    unsigned i;

    for (i = 1; dm_engine_run(sim->engine, sim->now) && i != sim->turns; i++) {
        g_assert_cmpuint(i, <, MAX_RUNS_A_CALL);
    }
    /* A timer that is set to the past would call it again at once, for ever. */
    g_assert_cmpuint(dm_engine_deadline(sim->engine), >, sim->now);
    sim_check_accounts(sim);
    g_assert_cmpuint(sim->told_actual, ==, sim_info(sim).actual);
}

void sim_pump(Sim *sim)
{
    unsigned i;

    run_engine(sim);
    for (i = 0; !sim->mute && !g_queue_is_empty(&sim->inbox); i++) {
        GBytes *bytes = g_queue_pop_head(&sim->inbox);
        gsize len;
        const uint8_t *msg = g_bytes_get_data(bytes, &len);

        g_assert_cmpuint(i, <, MAX_RUNS_A_CALL);
        guest_handle(sim, msg, len);
        g_bytes_unref(bytes);
        run_engine(sim);
    }
}

void sim_advance(Sim *sim, uint64_t ms)
{
    uint64_t end = sim->now + ms;
    unsigned i;

    for (i = 0; ; i++) {
        uint64_t due = dm_engine_deadline(sim->engine);

        g_assert_cmpuint(i, <, MAX_RUNS_A_CALL);
        if (due > end) {
            break;
        }
        sim->now = MAX(sim->now, due);
        sim_pump(sim);
        /* What was due must not stay due. */
        g_assert_true(sim->turns ||
                      dm_engine_deadline(sim->engine) > sim->now);
    }
    sim->now = MAX(sim->now, end);
    sim_pump(sim);
}

void sim_open(Sim *sim, bool new_kernel)
{
    sim->connected = true;
    dm_engine_channel_open(sim->engine, sim->os_id, new_kernel, sim->now);
    sim_check_accounts(sim);
}

void sim_connect(Sim *sim)
{
    sim_open(sim, false);
    sim_version_request(sim, DM_VERSION_2_0, false);
    sim_pump(sim);
}

void sim_close(Sim *sim)
{
    sim->connected = false;
    dm_engine_channel_close(sim->engine);
    sim_drop_inbox(sim);
    sim_pump(sim);
}

void sim_reset(Sim *sim)
{
    sim->connected = false;
    sim_drop_inbox(sim);
    forget_pages(sim);
    dm_engine_system_reset(sim->engine);
    sim_pump(sim);
    if (!sim->turns && !sim->believe) {
        g_assert_cmpuint(sim->n_mapped, ==, 0);
    }
}

/* All pages of it that any kernel before had. */
static void take_range(Sim *sim, DmRange range)
{
    uint64_t page;

    for (page = range.first; page < range.first + range.count; page++) {
        if (sim->pages[page] != SIM_NONE) {
            set_page(sim, page, SIM_OWNED);
        }
    }
}

void sim_kexec(Sim *sim, uint64_t os_id)
{
    unsigned i;

    sim_close(sim);
    for (i = 0; i < sim->n_boot; i++) {
        take_range(sim, sim->boot[i]);
    }
    for (i = 0; i < SIM_STICKS; i++) {
        if (sim->sticks[i].plugged) {
            take_range(sim, sim->sticks[i].range);
        }
    }
    sim->lost = 0;
    sim->os_id = os_id;
    sim_open(sim, true);
    sim_version_request(sim, DM_VERSION_2_0, false);
    sim_pump(sim);
}

void sim_rebind(Sim *sim)
{
    sim_close(sim);
    g_array_set_size(sim->regions, 0);
    sim_connect(sim);
}

void sim_online(Sim *sim)
{
    uint64_t page;

    sim_report(sim);
    for (page = 0; page < sim->n_pages; page++) {
        if (sim->pages[page] == SIM_OFFLINE) {
            set_page(sim, page, SIM_OWNED);
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

void sim_target(Sim *sim, uint64_t pages)
{
    GError *error = NULL;

    g_assert_true(dm_engine_set_target(sim->engine, pages, &error));
    g_assert_no_error(error);
    sim_pump(sim);
}

static void note_refusal(Sim *sim, const GError *error)
{
    g_assert_nonnull(error);
    g_assert_true(error->domain == DM_ERROR);
    sim->refused = error->code;
}

bool sim_plug(Sim *sim, unsigned id, uint64_t first, uint64_t count,
              bool on_demand)
{
    SimStick *stick = &sim->sticks[id];
    g_autoptr(GError) error = NULL;
    DmStickInfo info;

    g_assert_false(stick->plugged);
    if (!dm_engine_plug(sim->engine, id, (DmRange) { first, count },
                        on_demand, &error)) {
        note_refusal(sim, error);
        return false;
    }
    g_assert_no_error(error);
    g_assert_true(dm_engine_query_stick(sim->engine, id, &info));
    *stick = (SimStick) { true, { first, count }, info.state };
    sim_pump(sim);
    return true;
}

bool sim_unplug(Sim *sim, unsigned id)
{
    g_autoptr(GError) error = NULL;
    DmRange range = sim->sticks[id].range;
    uint64_t page;

    if (!dm_engine_may_unplug(sim->engine, id, &error)) {
        note_refusal(sim, error);
        return false;
    }
    for (page = range.first; page < range.first + range.count; page++) {
        g_assert_cmpint(sim->pages[page], !=, SIM_OWNED);
        set_mapped(sim, page, false);
        if (sim->memory) {
            sim->memory[page] = 0;      /* another stick, other memory */
        }
    }
    dm_engine_unplug(sim->engine, id);
    sim->sticks[id].plugged = false;
    sim_pump(sim);
    return true;
}

/* ---- another host ---- */

DmEngine *sim_destination(Sim *sim)
{
    DmProfile profile = DM_PROFILE_AUTO;
    DmEngine *engine = dm_engine_new(sim->boot, sim->n_boot, sim->boot_pages,
                                     profile, &sim_ops, sim);
    unsigned i;

    for (i = 0; i < SIM_STICKS; i++) {
        if (sim->sticks[i].plugged) {
            DmStickInfo info = sim_stick(sim, i);

            g_assert_true(dm_engine_plug(engine, i, info.range,
                                         info.on_demand, NULL));
        }
    }
    return engine;
}

/* The other host has populated what the guest has or is about to get. */
static void leave_mapped(Sim *sim)
{
    uint64_t page;

    for (page = 0; sim_info(sim).populated && page < sim->n_pages; page++) {
        if (sim->pages[page] == SIM_NONE || sim->pages[page] == SIM_RELEASED) {
            set_mapped(sim, page, false);
        }
    }
}

void sim_migrate(Sim *sim)
{
    GByteArray *state = dm_state_export(sim->engine, sim->now), *again;
    DmEngine *engine = sim_destination(sim);
    GError *error = NULL;

    dm_state_import(engine, state->data, state->len, sim->now, &error);
    g_assert_no_error(error);
    again = dm_state_export(engine, sim->now);
    g_assert_cmpmem(state->data, state->len, again->data, again->len);
    g_byte_array_unref(state);
    g_byte_array_unref(again);
    leave_mapped(sim);
    dm_engine_free(sim->engine);
    sim->engine = engine;
    sim_check_accounts(sim);
}

/* ---- queries and checks ---- */

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

/* ---- random steps ---- */

static uint32_t pick(Sim *sim, uint32_t bound)
{
    return sim->pick(sim->pick_opaque, bound);
}

static void step_target(Sim *sim)
{
    uint64_t most = sim_info(sim).capacity + 10 * SIM_MIB;

    sim_target(sim, pick(sim, most) + 1);
}

/* Sticks are whole 2 MiB, and may be next to each other or not. */
static void step_plug(Sim *sim)
{
    unsigned id = pick(sim, SIM_STICKS);
    uint64_t unit = 2 * SIM_MIB;
    uint64_t space = (sim->stick_end - sim->stick_space) / unit;
    uint64_t first = pick(sim, space), count = 1 + pick(sim, space / 4);

    if (!sim->sticks[id].plugged && first + count <= space) {
        sim_plug(sim, id, sim->stick_space + first * unit, count * unit,
                 pick(sim, 2));
    }
}

static void step_unplug(Sim *sim)
{
    unsigned id = pick(sim, SIM_STICKS);

    if (sim->sticks[id].plugged) {
        sim_unplug(sim, id);
    }
}

static void step_ring(Sim *sim)
{
    sim->ring_full = pick(sim, 2);
    if (!sim->ring_full) {
        dm_engine_writable(sim->engine, sim->now);
    }
    sim_pump(sim);
}

static void step_reset(Sim *sim)
{
    static const unsigned units[] = { 1, 3, 64, 512 };

    sim_reset(sim);
    sim->alignment = sim->stick_space < SIM_GIB ? pick(sim, 4)
                                                : 5 + pick(sim, 5);
    /* Single pages of gigabytes would take the simulator too long. */
    sim->unit = units[pick(sim, 4) | (sim->n_pages > SIM_GIB ? 2 : 0)];
    sim->scatter = pick(sim, 2);
    sim->big_ranges = pick(sim, 2);
    sim->can_balloon = pick(sim, 8) != 0;
    sim->can_hot_add = pick(sim, 8) != 0;
    sim_connect(sim);
}

static void step_reconnect(Sim *sim)
{
    if (pick(sim, 2)) {
        sim_rebind(sim);
        return;
    }
    sim_close(sim);
    sim_advance(sim, pick(sim, 1000));
    sim_connect(sim);
}

/* Udev, or someone at a shell, at last; the driver must be there to tell. */
static void step_online(Sim *sim)
{
    if (sim->offline && sim_info(sim).connected && !sim->lost) {
        sim_online(sim);
    }
}

/* How the guest behaves from now on. */
static void step_behaviour(Sim *sim)
{
    sim->floor = pick(sim, 4) ? 0 : pick(sim, sim_info(sim).capacity);
    sim->refuse = pick(sim, 8) == 0;
    sim->refuse_for_good = pick(sim, 16) == 0;
    sim->onlines = pick(sim, 8) != 0;
    sim->take_at_most = pick(sim, 8) ? 0 : 1 + pick(sim, sim->n_pages / 8);
    sim->mute = pick(sim, 6) == 0;
    sim_pump(sim);
}

/* True if machine or operator did something. */
static bool step_machine(Sim *sim)
{
    switch (pick(sim, 20)) {
    case 0: case 1: case 2: case 3:
        step_target(sim);
        return true;
    case 4: case 5:
        step_plug(sim);
        return true;
    case 6:
        step_unplug(sim);
        return true;
    case 7:
        step_ring(sim);
        return true;
    case 8:
        sim_advance(sim, pick(sim, 100 * 1000));
        return true;
    case 9:
        if (pick(sim, 4) == 0) {
            step_reset(sim);
        }
        return true;
    case 10:
        step_reconnect(sim);
        return true;
    case 11:
        if (pick(sim, 10) == 0) {
            sim_kexec(sim, SIM_LINUX + pick(sim, 2));
        }
        return true;
    case 12:
        pick(sim, 2) ? step_online(sim) : sim_migrate(sim);
        return true;
    default:
        return false;
    }
}

/* Where a page number might do harm. */
static DmRange some_range(Sim *sim)
{
    static const uint64_t places[] = { 0, 0x90, 0xa0, 0xff, 0x100 };
    uint64_t count = 1 + pick(sim, pick(sim, 2) ? 8 : 3000);

    switch (pick(sim, 8)) {
    case 0:
        return (DmRange) { places[pick(sim, G_N_ELEMENTS(places))], count };
    case 1:
        return (DmRange) { DM_MAX_PFN - pick(sim, 10), count };
    case 2:
        return (DmRange) { pick(sim, sim->n_pages), 0 };
    case 3:
        return (DmRange) { pick(sim, sim->n_pages), DM_MAX_RANGE_PAGES };
    default:
        return (DmRange) { pick(sim, sim->n_pages), count };
    }
}

static void invalid_balloon(Sim *sim)
{
    DmRange ranges[16];
    unsigned i, n = pick(sim, 16);
    bool more = pick(sim, 2);

    for (i = 0; i < n; i++) {
        ranges[i] = some_range(sim);
    }
    sim_claim(sim, ranges, n, more);
}

/* No more is accounted for than was offered. */
static void invalid_hot_add(Sim *sim)
{
    uint32_t pages = pick(sim, 4) ? pick(sim, 100000) : UINT32_MAX;
    bool result = pick(sim, 2);

    if (pick(sim, 3) == 0) {
        pages = 0;
    }
    if (sim->open.type == DM_MSG_HOT_ADD_REQUEST) {
        const uint8_t *msg = g_bytes_get_data(sim->open.msg, NULL);
        DmRange range = get_range(msg + 8);

        range.count = MIN(range.count, pages);
        get_pages(sim, range, SIM_NONE);
        sim->open.type = 0;
    }
    sim_hot_add_response(sim, pages, result);
}

static void invalid_unballoon(Sim *sim)
{
    if (sim->open.type == DM_MSG_UNBALLOON_REQUEST) {
        const uint8_t *msg = g_bytes_get_data(sim->open.msg, NULL);
        uint32_t n = get32(msg + 12), i;

        for (i = 0; i < n; i++) {
            get_pages(sim, get_range(msg + 16 + 8 * i), SIM_RELEASED);
        }
        sim->open.type = 0;
    }
    sim_unballoon_response(sim);
}

static void noise(Sim *sim)
{
    uint8_t msg[64];
    size_t len = pick(sim, sizeof(msg) + 1), i;

    for (i = 0; i < len; i++) {
        msg[i] = pick(sim, 256);
    }
    /* A reply that would have to be accounted for is not noise. */
    if (len >= 2 && (msg[0] == DM_MSG_BALLOON_RESPONSE ||
                     msg[0] == DM_MSG_HOT_ADD_RESPONSE ||
                     msg[0] == DM_MSG_UNBALLOON_RESPONSE)) {
        msg[1] |= 0x80;
    }
    sim_say(sim, msg, len);
}

static void step_invalid(Sim *sim)
{
    switch (pick(sim, 8)) {
    case 0: case 1: case 2:
        invalid_balloon(sim);
        break;
    case 3: case 4:
        invalid_hot_add(sim);
        break;
    case 5:
        invalid_unballoon(sim);
        break;
    case 6:
        noise(sim);
        break;
    default:
        pick(sim, 2) ? sim_version_request(sim, pick(sim, 4) << 16, false)
                     : sim_capabilities(sim);
    }
    run_engine(sim);
}

/* Receives what came without a reply. */
static void take_request(Sim *sim)
{
    GBytes *bytes;

    while ((bytes = g_queue_pop_head(&sim->inbox))) {
        g_clear_pointer(&sim->open.msg, g_bytes_unref);
        sim->open.msg = bytes;
        sim->open.type = *(const uint8_t *)g_bytes_get_data(bytes, NULL);
        if (sim->open.type == DM_MSG_VERSION_RESPONSE) {
            sim_capabilities(sim);
            run_engine(sim);
        }
    }
}

void sim_step(Sim *sim, bool honest)
{
    bool machine = step_machine(sim);

    if (honest && !machine) {
        step_behaviour(sim);
    } else if (!honest) {
        sim->mute = true;
        take_request(sim);
        if (!machine) {
            step_invalid(sim);
        }
    }
    sim_check_accounts(sim);
}
