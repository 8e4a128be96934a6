/*
 * What the engine calls of the simulated guest's machine
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "guest-sim-internal.h"

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
    if (m[0] == DM_MSG_HOT_ADD_REQUEST) {
        sim->offer = get_range(m + 8);
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
        sim_set_mapped(sim, page, false);
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

static void map_range(Sim *sim, uint64_t first, uint64_t end)
{
    uint64_t page;

    for (page = first; page < end; page++) {
        sim_set_mapped(sim, page, true);
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

/* Each query takes a microsecond. */
static uint64_t op_clock(void *opaque)
{
    Sim *sim = opaque;

    return sim->ns += 1000;
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

/* ---- all of them ---- */

const DmEngineOps sim_ops = {
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
